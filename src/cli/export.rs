//! `export`: reconstructions in the formats of others.

use super::args::{ExportArgs, ExportFormat};
use super::{print_line, settings};
use crate::checkpoint::write_atomic;
use crate::data::{Dataset, NpyArray, Reconstruction, Refined, npy_bytes};
use crate::error::{Error, Problem, Result};
use crate::imaging;
use std::path::{Path, PathBuf};

/// Fraction of the covered values outside the limits of a 16-bit picture, at either end.
const TAIL: f64 = 0.0005;

/// Writes every reconstruction in every format; gives back the exit code.
pub(super) fn export(args: &ExportArgs) -> Result<u8> {
    let config = settings::data_config(crate::config::Config::default(), &args.set, Vec::new())?;
    let dataset = match &args.dataset {
        Some(path) => Some(Dataset::load(path, &config.data, config.execution.seeds.subsample)?),
        None => None,
    };
    if let Some(folder) = &args.output_dir {
        std::fs::create_dir_all(folder).map_err(|error| Error::writing(folder, &error))?;
    }
    for path in &args.reconstructions {
        let file = if path.is_dir() { path.join("reconstruction.npz") } else { path.clone() };
        let mut reconstruction = Reconstruction::load(&file)?;
        let of_dataset = dataset.as_ref().and_then(|dataset| dataset.pixel_size_m);
        reconstruction.pixel_size_m = args.pixel_size.or(reconstruction.pixel_size_m).or(of_dataset);
        for format in &args.format {
            for written in write(*format, &reconstruction, dataset.as_ref(), &file, args)? {
                print_line(&written.display().to_string());
            }
        }
    }
    Ok(0)
}

/// Writes one reconstruction in one format; gives back the files.
fn write(
    format: ExportFormat,
    reconstruction: &Reconstruction,
    dataset: Option<&Dataset>,
    file: &Path,
    args: &ExportArgs,
) -> Result<Vec<PathBuf>> {
    let target = |what: &str, extension: &str| target(file, args, what, extension);
    let object = &reconstruction.object;
    let covered = imaging::covered_mask(reconstruction.coverage.view(), imaging::COVERED_FRACTION);
    let images = || [("amplitude", object.mapv(|v| v.norm())), ("phase", object.mapv(|v| v.arg()))];
    match format {
        ExportFormat::Tiff => {
            let mut written = Vec::new();
            for (what, image) in images() {
                let path = target(what, "tif");
                write_atomic(&path, &imaging::encode_tiff_f32(image.view(), reconstruction.pixel_size_m)?)?;
                written.push(path);
            }
            Ok(written)
        }
        ExportFormat::Png => {
            let mut written = Vec::new();
            for (what, image) in images() {
                let path = target(what, "png");
                let limits = imaging::robust_limits(image.view(), covered.view(), TAIL, 1.0 - TAIL);
                write_atomic(&path, &imaging::encode_gray16(image.view(), covered.view(), limits)?)?;
                written.push(path);
            }
            Ok(written)
        }
        ExportFormat::Npy => {
            let path = target("object", "npy");
            write_atomic(&path, &npy_bytes(&NpyArray::C32(object.view().into_dyn()))?)?;
            Ok(vec![path])
        }
        ExportFormat::Cxi => {
            let path = target("object", "cxi");
            reconstruction.save_cxi(&path)?;
            Ok(vec![path])
        }
        ExportFormat::Product => {
            let path = target("product", "h5");
            let Some(dataset) = dataset else {
                return Err(Problem::new("A product needs the positions and the probe of the dataset")
                    .hint("Give the dataset that was reconstructed with --dataset")
                    .at(file)
                    .into());
            };
            let Some(pixel) = reconstruction.pixel_size_m.filter(|size| size.is_finite() && *size > 0.0) else {
                return Err(Problem::new("A product needs the size of an object pixel, which neither file knows")
                    .expected("a length in metres")
                    .hint("Give it with --pixel-size, for example --pixel-size 1.6e-8")
                    .at(file)
                    .into());
            };
            let mut dataset = dataset.clone();
            Refined::load(file)?.apply(&mut dataset);
            let name = dataset.path.file_stem().map_or_else(String::new, |stem| stem.to_string_lossy().into_owned());
            reconstruction.to_product(&dataset, pixel, &name).save(&path)?;
            Ok(vec![path])
        }
    }
}

/// `FOLDER_amplitude.tif` in the output folder, or `amplitude_f32.tif` beside the reconstruction: never a file of the run.
fn target(file: &Path, args: &ExportArgs, what: &str, extension: &str) -> PathBuf {
    let stem = file.file_stem().map_or_else(String::new, |stem| stem.to_string_lossy().into_owned());
    let beside = file.parent().unwrap_or(Path::new("."));
    let folder = args.output_dir.as_deref().unwrap_or(beside);
    let name = match beside.file_name() {
        // Several runs may go to one folder.
        Some(run) if args.reconstructions.len() > 1 && args.output_dir.is_some() => {
            format!("{}_{stem}", run.to_string_lossy())
        }
        _ => stem,
    };
    folder.join(format!("{name}_{what}.{extension}"))
}
