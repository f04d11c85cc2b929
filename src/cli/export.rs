//! `export`: reconstructions in common formats.

use super::console::print_line;
use super::prepare::ReadingArgs;
use crate::data::{Dataset, Reconstruction};
use crate::error::{Error, Problem, Result};
use crate::library::{ResultFormat, write_result};
use crate::system::file_stem;
use std::path::{Path, PathBuf};

/// An output format of `export`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum ExportFormat {
    /// Amplitude and phase as 32-bit floating-point TIFF, with the pixel size.
    Tiff,
    /// Amplitude and phase as 16-bit grayscale PNG.
    Png,
    /// The complex object as one NumPy array.
    Npy,
    /// The complex object as image 1 of a CXI file.
    Cxi,
    /// Positions, probe and object as a Ptychodus product (needs --dataset and a pixel size).
    Product,
}

/// Arguments of `export`.
#[derive(Debug, clap::Args)]
pub(super) struct ExportArgs {
    /// Reconstructions (reconstruction.npz, or their run folders)
    #[arg(value_name = "RECONSTRUCTION", required = true)]
    pub reconstructions: Vec<PathBuf>,
    /// Formats, separated by commas
    #[arg(long, value_name = "FORMATS", value_enum, value_delimiter = ',', default_value = "tiff")]
    pub format: Vec<ExportFormat>,
    /// Output folder [default: that of each reconstruction]
    #[arg(long, value_name = "FOLDER")]
    pub output_dir: Option<PathBuf>,
    /// Reconstructed dataset: supplies positions and probe of a product, and the pixel size if the reconstruction has none
    #[arg(long, value_name = "DATASET")]
    pub dataset: Option<PathBuf>,
    /// Side of an object pixel in meters; overrides that of the files
    #[arg(long, value_name = "METERS")]
    pub pixel_size: Option<f64>,
    /// How the dataset is read.
    #[command(flatten)]
    pub reading: ReadingArgs,
}

/// Exports every reconstruction in every format; returns the exit code.
pub(super) fn export(args: &ExportArgs) -> Result<u8> {
    let config = args.reading.config()?;
    let dataset = match &args.dataset {
        Some(path) => Some(Dataset::load(path, &config.data, config.execution.seeds.subsample)?),
        None => None,
    };
    if let Some(folder) = &args.output_dir {
        std::fs::create_dir_all(folder).map_err(|error| Error::writing(folder, &error))?;
    }
    let files: Vec<PathBuf> = args
        .reconstructions
        .iter()
        .map(|path| if path.is_dir() { path.join("reconstruction.npz") } else { path.clone() })
        .collect();
    refuse_same_names(&files, args)?;
    for file in files {
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

/// Refuses reconstructions that would be exported to the same file.
fn refuse_same_names(files: &[PathBuf], args: &ExportArgs) -> Result<()> {
    let targets: Vec<PathBuf> = files.iter().map(|file| target(file, args, "object", "npy")).collect();
    for (at, path) in targets.iter().enumerate() {
        if let Some(other) = targets.iter().take(at).position(|other| other == path) {
            return Err(Problem::new(format!(
                "{} and {} would be exported to files of the same name",
                files[other].display(),
                files[at].display()
            ))
            .expected("a different name for each reconstruction")
            .hint("Export them to different folders (--output-dir), or rename the run folders")
            .at(path)
            .into());
        }
    }
    Ok(())
}

/// Writes one reconstruction in one format; returns the files written.
fn write(
    format: ExportFormat,
    reconstruction: &Reconstruction,
    dataset: Option<&Dataset>,
    file: &Path,
    args: &ExportArgs,
) -> Result<Vec<PathBuf>> {
    let format = match format {
        ExportFormat::Tiff => ResultFormat::Tiff,
        ExportFormat::Png => ResultFormat::Png,
        ExportFormat::Npy => ResultFormat::Npy,
        ExportFormat::Cxi => ResultFormat::Cxi,
        ExportFormat::Product => ResultFormat::Product,
    };
    let for_product = || {
        let Some(dataset) = dataset else {
            return Err(Problem::new("A product needs the positions and the probe of the dataset")
                .hint("Specify the reconstructed dataset with --dataset")
                .at(file)
                .into());
        };
        let Some(pixel) = reconstruction.pixel_size_m.filter(|size| size.is_finite() && *size > 0.0) else {
            return Err(Problem::new("A product needs the size of an object pixel, which neither file contains")
                .expected("a length in meters")
                .hint("Specify it with --pixel-size, for example --pixel-size 1.6e-8")
                .at(file)
                .into());
        };
        Ok((dataset.clone(), pixel))
    };
    let target = |quantity: &str, extension: &str| target(file, args, quantity, extension);
    write_result(format, reconstruction, file, &target, &for_product)
}

/// Output path: `STEM_QUANTITY.EXTENSION` beside the reconstruction or in the output folder, there preceded by the name of
/// the run folder if several reconstructions are exported. Never the name of a file of the run.
fn target(file: &Path, args: &ExportArgs, quantity: &str, extension: &str) -> PathBuf {
    let stem = file_stem(file);
    let beside = file.parent().unwrap_or(Path::new("."));
    let folder = args.output_dir.as_deref().unwrap_or(beside);
    let name = match beside.file_name() {
        // Several runs can share one output folder.
        Some(run) if args.reconstructions.len() > 1 && args.output_dir.is_some() => {
            format!("{}_{stem}", run.to_string_lossy())
        }
        _ => stem,
    };
    folder.join(format!("{name}_{quantity}.{extension}"))
}
