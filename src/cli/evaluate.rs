//! `evaluate`: the quality of reconstructions as a table, JSON, CSV and an HTML page.

use super::console::{print_json, print_line, print_message};
use super::jobs::Jobs;
use super::paths::{check_extension, refuse_inputs};
use super::prepare::ReadingArgs;
use super::split_half;
use crate::checkpoint;
use crate::error::{Error, Problem, Result};
use crate::metrics::Placement;
use crate::report::{self, Comparison, ComparisonRequest};
use crate::system::file_stem;
use std::path::{Path, PathBuf};

/// Arguments of `evaluate`.
#[derive(Debug, clap::Args)]
#[command(override_usage = "ptychoscope evaluate [OPTIONS] <RECONSTRUCTION>... [DATASET]")]
pub(super) struct EvaluateArgs {
    /// Reconstructions (reconstruction.npz, or their run folders) and their dataset, in any order [default dataset: that of
    /// the first run]
    #[arg(value_name = "RECONSTRUCTION", required = true)]
    pub files: Vec<PathBuf>,
    /// Also reconstruct even and odd patterns separately with the model of each run, and report their agreement (FRC)
    #[arg(long)]
    pub split_half: bool,
    /// Device for --split-half: auto, cpu, gpu or wgpu
    #[arg(long, value_name = "DEVICE", requires = "split_half")]
    pub accelerator: Option<String>,
    /// Evaluation.
    #[command(flatten)]
    pub evaluation: EvaluationArgs,
}

/// Method of evaluation, and destination of the results.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct EvaluationArgs {
    /// Reference instead of the dataset's object: a reconstruction, a run folder or a dataset
    #[arg(long, value_name = "OTHER")]
    pub reference: Option<PathBuf>,
    /// Alignment with the reference object: registered (by cross-correlation) or origin (by coordinates)
    #[arg(long, value_name = "HOW", default_value = "registered")]
    pub align: String,
    /// How the dataset is read [default: as the first run read it].
    #[command(flatten)]
    pub reading: ReadingArgs,
    /// Write a self-contained HTML report with images and curves
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
    /// Write the metrics as a table: model, metric, amplitude, phase, object
    #[arg(long, value_name = "FILE")]
    pub csv: Option<PathBuf>,
    /// Print the complete result as JSON
    #[arg(long)]
    pub json: bool,
    /// Print only errors
    #[arg(long, conflicts_with = "json")]
    pub quiet: bool,
}

impl EvaluationArgs {
    /// True if neither text nor progress is printed.
    pub(super) fn is_silent(&self) -> bool {
        self.quiet || self.json
    }
}

/// Evaluates the given reconstructions; returns the exit code.
pub(super) fn evaluate(args: &EvaluateArgs) -> Result<u8> {
    let (reconstructions, dataset) = sort(&args.files)?;
    check_outputs(&args.evaluation, &args.files)?;
    let mut comparison = report::compare(&request(reconstructions.clone(), dataset, &args.evaluation)?)?;
    if args.split_half {
        let mut jobs = Jobs::start(args.evaluation.is_silent())?;
        let Some(dataset) = comparison.dataset.as_ref().map(|dataset| dataset.path.clone()) else {
            return Err(Error::BadInput(
                Problem::new("--split-half needs the dataset").hint("Give it as the last file"),
            ));
        };
        for (path, one) in reconstructions.iter().zip(&mut comparison.reconstructions) {
            one.split_half = Some(split_half::split_half(&mut jobs, path, &dataset, args.accelerator.as_deref())?);
        }
    }
    write_results(&comparison, &args.evaluation, &title(&comparison))?;
    Ok(0)
}

/// Separates the reconstructions from the dataset, the only file that is not a reconstruction.
fn sort(files: &[PathBuf]) -> Result<(Vec<PathBuf>, Option<PathBuf>)> {
    if let Some(absent) = files.iter().find(|path| !path.exists()) {
        return Err(Error::reading(absent, &std::io::Error::from(std::io::ErrorKind::NotFound)));
    }
    let (reconstructions, rest): (Vec<PathBuf>, Vec<PathBuf>) =
        files.iter().cloned().partition(|path| path.is_dir() || report::is_reconstruction(path));
    let expected = "reconstructions (reconstruction.npz, or their run folders) and at most one dataset";
    if let [_, second, ..] = &rest[..] {
        return Err(Problem::new("More than one file is not a reconstruction").expected(expected).at(second).into());
    }
    if reconstructions.is_empty() {
        let lone = rest.first().map_or_else(PathBuf::new, Clone::clone);
        return Err(Problem::new("None of the files is a reconstruction").expected(expected).at(lone).into());
    }
    Ok((reconstructions, rest.into_iter().next()))
}

/// The request for [`report::compare()`].
///
/// # Errors
/// An unknown unit or alignment.
pub(super) fn request(
    reconstructions: Vec<PathBuf>,
    dataset: Option<PathBuf>,
    args: &EvaluationArgs,
) -> Result<ComparisonRequest> {
    let placement = match args.align.as_str() {
        "registered" => Placement::Registered,
        "origin" => Placement::Origin,
        other => {
            return Err(Error::BadInput(Problem::new(format!("--align {other}")).expected("registered or origin")));
        }
    };
    Ok(ComparisonRequest {
        reconstructions,
        dataset,
        reference: args.reference.clone(),
        placement,
        settings: args.reading.settings()?,
    })
}

/// Rejects output files that cannot be written, that have the name of another format or are an input, before any work.
pub(super) fn check_outputs(args: &EvaluationArgs, inputs: &[PathBuf]) -> Result<()> {
    let formats =
        [(&args.html, "an HTML page", &["html", "htm"][..]), (&args.csv, "a table (CSV)", &["csv", "txt", "tsv"][..])];
    for (path, written, own) in formats {
        let Some(path) = path else { continue };
        let others = ["html", "htm", "csv", "txt", "json", "npz", "npy", "h5", "cxi", "png", "tif", "toml", "xlsx"];
        let others: Vec<&str> = others.into_iter().filter(|extension| !own.contains(extension)).collect();
        check_extension(path, written, &others)?;
        refuse_inputs(path, inputs.iter().chain(&args.reference))?;
    }
    for path in [&args.html, &args.csv].into_iter().flatten() {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        if !folder.is_dir() || path.is_dir() {
            return Err(Error::BadInput(
                Problem::new("The file cannot be written there").expected("a file in an existing folder").at(path),
            ));
        }
    }
    Ok(())
}

/// Writes the requested files, then prints the table or JSON.
pub(super) fn write_results(comparison: &Comparison, args: &EvaluationArgs, title: &str) -> Result<()> {
    if let Some(path) = &args.csv {
        checkpoint::write_atomic(path, report::csv(comparison).as_bytes())?;
    }
    if let Some(path) = &args.html {
        checkpoint::write_atomic(path, report::html(comparison, title)?.as_bytes())?;
    }
    if args.json {
        print_json(comparison)?;
    } else if !args.quiet {
        print_line(&report::metrics_table(comparison));
        comparison.all_notes().iter().for_each(|note| print_message(note));
        for path in [&args.csv, &args.html].into_iter().flatten() {
            print_message(&format!("Wrote {}", path.display()));
        }
    }
    Ok(())
}

/// Heading of the HTML page.
fn title(comparison: &Comparison) -> String {
    match (&comparison.reconstructions[..], &comparison.dataset) {
        ([one], _) => format!("Reconstruction {}", one.name),
        (_, Some(dataset)) => format!("Reconstructions of {}", file_stem(&dataset.path)),
        _ => "Reconstructions".to_owned(),
    }
}
