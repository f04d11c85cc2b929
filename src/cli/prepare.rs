//! `prepare`: a modified copy of a dataset. Each operation is recorded in the metadata of the file.

use super::console::{print_json, print_line, print_message};
use super::flags::DataFlags;
use super::paths::{check_extension, refuse_inputs};
use super::settings;
use crate::checkpoint::Utc;
use crate::config::Config;
use crate::data::{self, Dataset, PatternMasks};
use crate::error::{Problem, Result};
use crate::system::file_stem;
use clap::Subcommand;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// Input and output of an operation.
#[derive(Debug, clap::Args)]
pub(super) struct PrepareFiles {
    /// Dataset: NPZ, CXI, PtyPy .ptyd, other HDF5, MATLAB 7.3 .mat, or a folder with train_data.npz
    #[arg(value_name = "DATASET")]
    pub dataset: PathBuf,
    /// File to write (NPZ)
    #[arg(long, short, value_name = "FILE")]
    pub output: PathBuf,
    /// How the dataset is read.
    #[command(flatten)]
    pub reading: ReadingArgs,
}

/// How a dataset is read.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct ReadingArgs {
    /// Configuration file, or name of a shipped set-up (`ptychoscope config setups` lists them), that sets how the dataset is
    /// read; --set overrides it
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Set how the dataset is read: a configuration field of the group data; repeatable
    #[arg(long = "set", value_name = "FIELD=VALUE")]
    pub set: Vec<String>,
    /// Flags of single fields.
    #[command(flatten)]
    pub data: DataFlags,
}

impl ReadingArgs {
    /// Configuration with these settings.
    ///
    /// # Errors
    /// As [`settings::data_config`].
    pub(super) fn config(&self) -> Result<Config> {
        settings::data_config(self.config.as_deref(), &self.set, self.data.0.clone())
    }

    /// The settings of file, flags and `--set`, path and value of each.
    ///
    /// # Errors
    /// As [`settings::data_config`].
    pub(super) fn settings(&self) -> Result<Vec<(String, String)>> {
        let config = self.config()?;
        let default = Config::default();
        let (mut changed, given) = (Vec::new(), self.data.0.iter().map(|(path, _)| path.as_str()));
        let given: Vec<&str> =
            given.chain(self.set.iter().filter_map(|text| Some(text.split_once('=')?.0.trim()))).collect();
        for field in Config::fields().into_iter().filter(|field| field.group() == "data") {
            let value = config.get(field.path)?;
            if given.contains(&field.path) || value != default.get(field.path)? {
                changed.push((field.path.to_owned(), value));
            }
        }
        Ok(changed)
    }
}

/// An operation of `prepare`.
#[derive(Debug, Subcommand)]
pub(super) enum PrepareTool {
    /// Crop every pattern to its central square
    Crop {
        /// Side of the square, in pixels.
        side: usize,
        /// Files.
        #[command(flatten)]
        files: PrepareFiles,
    },
    /// Sum detector pixels along each axis
    Bin {
        /// Pixels summed along each axis.
        factor: usize,
        /// Files.
        #[command(flatten)]
        files: PrepareFiles,
    },
    /// Shuffle the patterns
    Shuffle {
        /// Seed.
        #[arg(long, default_value_t = 42)]
        seed: u64,
        /// Files.
        #[command(flatten)]
        files: PrepareFiles,
    },
    /// Split into two datasets for training and testing, FILE_train and FILE_test
    Split {
        /// Fraction of the patterns for testing.
        #[arg(long, default_value_t = 0.2)]
        fraction: f64,
        /// Test on the right (x) or lower (y) part of the scan instead of random patterns.
        #[arg(long, value_name = "AXIS", value_parser = ["x", "y"], conflicts_with = "seed")]
        by: Option<String>,
        /// Seed.
        #[arg(long, default_value_t = 42)]
        seed: u64,
        /// Files.
        #[command(flatten)]
        files: PrepareFiles,
    },
    /// Keep a subset of the patterns
    Subset {
        /// Number of patterns to keep.
        count: usize,
        /// Keep the first patterns instead of random ones.
        #[arg(long)]
        first: bool,
        /// Seed.
        #[arg(long, default_value_t = 42)]
        seed: u64,
        /// Files.
        #[command(flatten)]
        files: PrepareFiles,
    },
    /// Exchange x and y in all arrays
    Transpose {
        /// Files.
        #[command(flatten)]
        files: PrepareFiles,
    },
    /// Interpret the patterns as counts regardless of their type and store their square root
    ToAmplitude {
        /// Files.
        #[command(flatten)]
        files: PrepareFiles,
    },
    /// Append the patterns of other datasets
    Merge {
        /// Files.
        #[command(flatten)]
        files: PrepareFiles,
        /// Dataset to append; repeatable.
        #[arg(long = "with", value_name = "DATASET", required = true)]
        others: Vec<PathBuf>,
    },
    /// Print counts, positions and sizes of a dataset
    Stats {
        /// Dataset: NPZ, CXI, PtyPy .ptyd, other HDF5, MATLAB 7.3 .mat, or a folder with train_data.npz.
        dataset: PathBuf,
        /// Print JSON.
        #[arg(long)]
        json: bool,
        /// How the dataset is read.
        #[command(flatten)]
        reading: ReadingArgs,
    },
}

/// Runs an operation; returns the exit code.
pub(super) fn prepare(tool: PrepareTool) -> Result<u8> {
    match tool {
        PrepareTool::Crop { side, files } => {
            let setting = vec![("data.crop".to_owned(), side.to_string())];
            transform(&files, setting, "crop", json!({ "side": side }), |dataset| Ok(dataset.clone()))
        }
        PrepareTool::Bin { factor, files } => {
            let setting = vec![("data.bin".to_owned(), factor.to_string())];
            transform(&files, setting, "bin", json!({ "factor": factor }), |dataset| Ok(dataset.clone()))
        }
        PrepareTool::Shuffle { seed, files } => {
            transform(&files, Vec::new(), "shuffle", json!({ "seed": seed }), |dataset| Ok(dataset.shuffled(seed)))
        }
        PrepareTool::Split { fraction, by, seed, files } => {
            let dataset = load(&files.dataset, &files.reading, Vec::new())?;
            let parts = ["train", "test"].map(|suffix| (suffix, with_suffix(&files.output, suffix)));
            for (_, path) in &parts {
                check_output(path, std::slice::from_ref(&files.dataset))?;
            }
            let split = match &by {
                Some(axis) => data::split_along(&dataset.positions, usize::from(axis == "y"), fraction)?,
                None => data::split(dataset.len(), fraction, seed)?,
            };
            for ((suffix, path), indices) in parts.into_iter().zip([&split.train, &split.validation]) {
                let parameters = json!({ "part": suffix, "fraction": fraction, "by": by, "seed": seed });
                write(&dataset.subset(indices), &files.dataset, &path, "split", parameters)?;
            }
            Ok(0)
        }
        PrepareTool::Subset { count, first, seed, files } => {
            if count == 0 {
                return Err(Problem::new("The subset would be empty").expected("at least one pattern").into());
            }
            let parameters =
                json!({ "count": count, "first": first, "seed": if first { Value::Null } else { json!(seed) } });
            transform(&files, Vec::new(), "subset", parameters, |dataset| {
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
            transform(&files, Vec::new(), "transpose", json!({}), |dataset| Ok(dataset.transposed()))
        }
        PrepareTool::ToAmplitude { files } => {
            let setting = vec![("data.diffraction_unit".to_owned(), "counts".to_owned())];
            transform(&files, setting, "to-amplitude", json!({}), |dataset| Ok(dataset.clone()))
        }
        PrepareTool::Merge { files, others } => {
            check_output(&files.output, &others)?;
            let names: Vec<String> = others.iter().map(|path| path.display().to_string()).collect();
            let mut reading = files.reading.clone();
            reading.data.0 = of_any_dataset(&reading.data.0);
            transform(&files, Vec::new(), "merge", json!({ "with": names }), |dataset| {
                let mut merged = dataset.clone();
                for path in &others {
                    merged = merged.merged(&load(path, &reading, Vec::new())?)?;
                }
                Ok(merged)
            })
        }
        PrepareTool::Stats { dataset, json, reading } => stats(&load(&dataset, &reading, Vec::new())?, json),
    }
}

/// The flags that apply to other datasets, too: not the files and patterns of one scan.
fn of_any_dataset(flags: &[(String, String)]) -> Vec<(String, String)> {
    let of_one = ["data.mapping.positions_file", "data.exclude"];
    flags.iter().filter(|(path, _)| !of_one.contains(&path.as_str())).cloned().collect()
}

/// Reads a dataset, also with these values, and prints its warnings.
fn load(path: &Path, reading: &ReadingArgs, values: Vec<(String, String)>) -> Result<Dataset> {
    let values = reading.data.0.iter().cloned().chain(values).collect();
    let config = settings::data_config(reading.config.as_deref(), &reading.set, values)?;
    let dataset = Dataset::load(path, &config.data, config.execution.seeds.subsample)?;
    dataset.warnings.iter().for_each(|warning| print_message(&format!("Warning: {warning}")));
    Ok(dataset)
}

/// Loads a dataset with these data settings, changes it and writes it.
fn transform(
    files: &PrepareFiles,
    values: Vec<(String, String)>,
    operation: &str,
    parameters: Value,
    change: impl FnOnce(&Dataset) -> Result<Dataset>,
) -> Result<u8> {
    check_output(&files.output, std::slice::from_ref(&files.dataset))?;
    let dataset = load(&files.dataset, &files.reading, values)?;
    let mut parameters = parameters;
    let reading = &files.reading;
    let file = reading.config.iter().map(|path| format!("--config {}", path.display()));
    let flags = reading.data.0.iter().map(|(path, value)| format!("{path}={value}"));
    let used: Vec<String> = file.chain(flags).chain(reading.set.iter().cloned()).collect();
    if !used.is_empty() {
        parameters["settings"] = json!(used);
    }
    write(&change(&dataset)?, &files.dataset, &files.output, operation, parameters)?;
    Ok(0)
}

/// Refuses to replace an input by an output, and names of other formats.
fn check_output(output: &Path, inputs: &[PathBuf]) -> Result<()> {
    check_extension(
        output,
        "an NPZ file",
        &["h5", "hdf5", "cxi", "ptyd", "mat", "npy", "nxs", "csv", "txt", "tif", "tiff"],
    )?;
    refuse_inputs(output, inputs)
}

fn write(dataset: &Dataset, from: &Path, to: &Path, operation: &str, parameters: Value) -> Result<()> {
    let mut metadata = data::metadata_of(from);
    data::record(&mut metadata, dataset, &Utc::now().to_string(), operation, parameters);
    dataset.save(to, &metadata)?;
    let side = dataset.patch_size();
    let line = format!("{}: {} patterns of {side} × {side}", to.display(), dataset.len());
    // Standard output may carry the file itself.
    if to == Path::new("-") || to.starts_with("/dev") {
        print_message(&line);
    } else {
        print_line(&line);
    }
    Ok(())
}

/// `a.npz` → `a_train.npz`.
fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    path.with_file_name(format!("{}_{suffix}.npz", file_stem(path)))
}

/// Prints the statistics of a dataset.
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
        "masked_in_single_patterns": dataset.pattern_masks.as_ref().map(PatternMasks::total),
        "background_per_pattern": dataset.background.as_ref().map(|background| background.sum()),
    });
    if as_json {
        print_json(&value)?;
    } else if let Some(entries) = value.as_object() {
        for (name, value) in entries {
            print_line(&format!("{name:<20} {value}"));
        }
    }
    Ok(0)
}
