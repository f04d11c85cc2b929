//! `prepare`: a dataset changed and written again; each tool records itself in the metadata of the file.

use super::args::{PrepareFiles, PrepareTool};
use super::{print_line, settings};
use crate::checkpoint::Utc;
use crate::data::{self, Dataset};
use crate::error::{Error, Problem, Result};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// Does what the tool says; gives back the exit code.
pub(super) fn prepare(tool: PrepareTool) -> Result<u8> {
    match tool {
        PrepareTool::Crop { side, files } => {
            let setting = vec![("data.crop".to_owned(), side.to_string())];
            one(&files, setting, "crop", json!({ "side": side }), |dataset| Ok(dataset.clone()))
        }
        PrepareTool::Bin { factor, files } => {
            let setting = vec![("data.bin".to_owned(), factor.to_string())];
            one(&files, setting, "bin", json!({ "factor": factor }), |dataset| Ok(dataset.clone()))
        }
        PrepareTool::Shuffle { seed, files } => {
            one(&files, Vec::new(), "shuffle", json!({ "seed": seed }), |dataset| Ok(dataset.shuffled(seed)))
        }
        PrepareTool::Split { fraction, by, seed, files } => {
            let dataset = load(&files.dataset, &files.set, Vec::new())?;
            let split = match &by {
                Some(axis) => data::split_along(&dataset.positions, usize::from(axis == "y"), fraction)?,
                None => data::split(dataset.len(), fraction, seed)?,
            };
            for (suffix, indices) in [("train", &split.train), ("test", &split.validation)] {
                let parameters = json!({ "part": suffix, "fraction": fraction, "by": by, "seed": seed });
                let path = with_suffix(&files.output, suffix);
                write(&dataset.subset(indices), &files.dataset, &path, "split", parameters)?;
            }
            Ok(0)
        }
        PrepareTool::Subset { count, first, seed, files } => {
            if count == 0 {
                return Err(Problem::new("No pattern would be kept").expected("at least one pattern").into());
            }
            let parameters =
                json!({ "count": count, "first": first, "seed": if first { Value::Null } else { json!(seed) } });
            one(&files, Vec::new(), "subset", parameters, |dataset| {
                let mut order: Vec<usize> = (0..dataset.len()).collect();
                if !first {
                    let share = 1.0 - count.min(dataset.len()) as f64 / dataset.len() as f64;
                    order = data::split(dataset.len(), share, seed)?.train;
                }
                order.truncate(count);
                Ok(dataset.subset(&order))
            })
        }
        PrepareTool::Transpose { files } => {
            one(&files, Vec::new(), "transpose", json!({}), |dataset| Ok(dataset.transposed()))
        }
        PrepareTool::ToAmplitude { files } => {
            let setting = vec![("data.diffraction_unit".to_owned(), "counts".to_owned())];
            one(&files, setting, "to-amplitude", json!({}), |dataset| Ok(dataset.clone()))
        }
        PrepareTool::Merge { files, others } => {
            let names: Vec<String> = others.iter().map(|path| path.display().to_string()).collect();
            let set = files.set.clone();
            one(&files, Vec::new(), "merge", json!({ "with": names }), |dataset| {
                let mut merged = dataset.clone();
                for path in &others {
                    merged = merged.merged(&load(path, &set, Vec::new())?)?;
                }
                Ok(merged)
            })
        }
        PrepareTool::Stats { dataset, set, json } => stats(&load(&dataset, &set, Vec::new())?, json),
    }
}

fn load(path: &Path, set: &[String], values: Vec<(String, String)>) -> Result<Dataset> {
    let config = settings::data_config(crate::config::Config::default(), set, values)?;
    Dataset::load(path, &config.data, config.execution.seeds.subsample)
}

/// One dataset in, one out.
fn one(
    files: &PrepareFiles,
    values: Vec<(String, String)>,
    operation: &str,
    parameters: Value,
    change: impl FnOnce(&Dataset) -> Result<Dataset>,
) -> Result<u8> {
    let dataset = load(&files.dataset, &files.set, values)?;
    let mut parameters = parameters;
    if !files.set.is_empty() {
        parameters["settings"] = json!(files.set);
    }
    write(&change(&dataset)?, &files.dataset, &files.output, operation, parameters)?;
    Ok(0)
}

fn write(dataset: &Dataset, from: &Path, to: &Path, operation: &str, parameters: Value) -> Result<()> {
    let mut metadata = data::metadata_of(from);
    data::record(&mut metadata, dataset, &Utc::now().to_string(), operation, parameters);
    dataset.save(to, &metadata)?;
    let side = dataset.patch_size();
    print_line(&format!("{}: {} patterns of {side} × {side}", to.display(), dataset.len()));
    Ok(())
}

/// `a.npz` → `a_train.npz`.
fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let stem = path.file_stem().map_or_else(String::new, |stem| stem.to_string_lossy().into_owned());
    path.with_file_name(format!("{stem}_{suffix}.npz"))
}

/// Numbers of a dataset.
fn stats(dataset: &Dataset, as_json: bool) -> Result<u8> {
    let counts: Vec<f64> = dataset
        .diffraction
        .outer_iter()
        .map(|pattern| pattern.iter().map(|&v| f64::from(v) * f64::from(v)).sum())
        .collect();
    let mean = counts.iter().sum::<f64>() / counts.len().max(1) as f64;
    let range = |values: &mut dyn Iterator<Item = f64>| {
        values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), v| (low.min(v), high.max(v)))
    };
    let (low, high) = range(&mut counts.iter().copied());
    let (left, right) = range(&mut dataset.positions.iter().map(|p| p[0]));
    let (top, bottom) = range(&mut dataset.positions.iter().map(|p| p[1]));
    let peak = dataset.diffraction.iter().copied().fold(0.0f32, f32::max);
    let zeros =
        dataset.diffraction.iter().filter(|v| **v == 0.0).count() as f64 / dataset.diffraction.len().max(1) as f64;
    let value = json!({
        "patterns": dataset.len(),
        "side_px": dataset.patch_size(),
        "counts_per_pattern": { "mean": mean, "min": low, "max": high },
        "largest_amplitude": peak,
        "fraction_of_zeros": zeros,
        "x_px": [left, right],
        "y_px": [top, bottom],
        "probe_modes": dataset.probe.dim().0,
        "object": dataset.object.as_ref().map(|object| [object.nrows(), object.ncols()]),
        "pixel_size_m": dataset.pixel_size_m,
        "masked_pixels": dataset.mask.as_ref().map(|mask| mask.iter().filter(|good| !**good).count()),
    });
    if as_json {
        let text = serde_json::to_string_pretty(&value)
            .map_err(|error| Error::failed(format!("The answer cannot be written as JSON ({error})")))?;
        print_line(&text);
    } else if let Some(entries) = value.as_object() {
        for (name, value) in entries {
            print_line(&format!("{name:<20} {value}"));
        }
    }
    Ok(0)
}
