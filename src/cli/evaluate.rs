//! `evaluate`: how good reconstructions are, as a table, JSON, CSV and an HTML page.

use super::args::{EvaluateArgs, JudgingArgs};
use super::jobs::Jobs;
use super::{halves, print_line, tell};
use crate::checkpoint;
use crate::config::Config;
use crate::error::{Error, Problem, Result};
use crate::metrics::Placement;
use crate::report::{self, Comparison, Request};
use std::path::{Path, PathBuf};

/// Judges what is named; gives back the exit code.
pub(super) fn evaluate(args: &EvaluateArgs) -> Result<u8> {
    let (reconstructions, dataset) = sort(&args.files)?;
    check_outputs(&args.judging)?;
    let mut comparison = report::judge(&request(reconstructions.clone(), dataset, &args.judging)?)?;
    if args.split_half {
        let mut jobs = Jobs::start(args.judging.json || args.judging.quiet)?;
        let Some(dataset) = comparison.dataset.as_ref().map(|dataset| dataset.path.clone()) else {
            return Err(Error::BadInput(Problem::new("The halves of the data need the dataset").hint("Name it last")));
        };
        for (path, one) in reconstructions.iter().zip(&mut comparison.reconstructions) {
            one.split_half = Some(halves::split_half(&mut jobs, path, &dataset, args.accelerator.as_deref())?);
        }
    }
    deliver(&comparison, &args.judging, &title(&comparison))?;
    Ok(0)
}

/// Reconstructions, and the dataset, which is the one file that is no reconstruction.
fn sort(files: &[PathBuf]) -> Result<(Vec<PathBuf>, Option<PathBuf>)> {
    if let Some(absent) = files.iter().find(|path| !path.exists()) {
        return Err(Error::reading(absent, &std::io::Error::from(std::io::ErrorKind::NotFound)));
    }
    let (reconstructions, rest): (Vec<PathBuf>, Vec<PathBuf>) =
        files.iter().cloned().partition(|path| path.is_dir() || report::is_reconstruction(path));
    let expected = "reconstructions (a reconstruction.npz, or the folder of a run) and at most one dataset";
    if let [_, second, ..] = &rest[..] {
        return Err(Problem::new("More than one file is no reconstruction").expected(expected).at(second).into());
    }
    if reconstructions.is_empty() {
        let lone = rest.first().map_or_else(PathBuf::new, Clone::clone);
        return Err(Problem::new("There is no reconstruction among the files").expected(expected).at(lone).into());
    }
    Ok((reconstructions, rest.into_iter().next()))
}

/// What shall be judged, as the judge takes it.
///
/// # Errors
/// An unknown unit or alignment.
pub(super) fn request(reconstructions: Vec<PathBuf>, dataset: Option<PathBuf>, args: &JudgingArgs) -> Result<Request> {
    let mut config = Config::default();
    config.set("data.diffraction_unit", &args.diffraction_unit)?;
    let placement = match args.align.as_str() {
        "registered" => Placement::Registered,
        "origin" => Placement::Origin,
        other => {
            return Err(Error::BadInput(Problem::new(format!("--align {other}")).expected("registered or origin")));
        }
    };
    Ok(Request {
        reconstructions,
        dataset,
        reference: args.reference.clone(),
        placement,
        diffraction_unit: config.data.diffraction_unit,
    })
}

/// Says before any work that a file cannot be written.
pub(super) fn check_outputs(args: &JudgingArgs) -> Result<()> {
    for path in [&args.html, &args.csv].into_iter().flatten() {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        if !folder.is_dir() || path.is_dir() {
            return Err(Error::BadInput(
                Problem::new("The file cannot be written there").expected("a file in a folder that is there").at(path),
            ));
        }
    }
    Ok(())
}

/// Writes files, then prints table or JSON.
pub(super) fn deliver(comparison: &Comparison, args: &JudgingArgs, title: &str) -> Result<()> {
    if let Some(path) = &args.csv {
        checkpoint::write_atomic(path, report::csv(comparison).as_bytes())?;
    }
    if let Some(path) = &args.html {
        checkpoint::write_atomic(path, report::html(comparison, title)?.as_bytes())?;
    }
    if args.json {
        let text = serde_json::to_string_pretty(comparison)
            .map_err(|error| Error::failed(format!("The result cannot be written as JSON ({error})")))?;
        print_line(&text);
    } else if !args.quiet {
        print_line(&report::metrics_table(comparison));
        let notes = comparison.notes.iter().cloned();
        let of_each = comparison.reconstructions.iter();
        let of_each = of_each.flat_map(|one| one.notes.iter().map(|note| format!("{}: {note}", one.name)));
        notes.chain(of_each).for_each(|note| tell(&note));
        for path in [&args.csv, &args.html].into_iter().flatten() {
            tell(&format!("Wrote {}", path.display()));
        }
    }
    Ok(())
}

/// Heading of the page: what was judged.
fn title(comparison: &Comparison) -> String {
    match (&comparison.reconstructions[..], &comparison.dataset) {
        ([one], _) => format!("Reconstruction {}", one.name),
        (_, Some(dataset)) => {
            let stem = dataset.path.file_stem().map_or_else(String::new, |stem| stem.to_string_lossy().into_owned());
            format!("Reconstructions of {stem}")
        }
        _ => "Reconstructions".to_owned(),
    }
}
