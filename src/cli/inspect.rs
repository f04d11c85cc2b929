//! `inspect`: the contents of a dataset and whether it can be used.

use super::console::{print_json, print_line, print_message};
use super::paths::{check_extension, refuse_inputs};
use super::prepare::ReadingArgs;
use crate::checkpoint::write_atomic;
use crate::config::Config;
use crate::data::{self, Inspection, Status};
use crate::error::{Error, Result};
use crate::library::{Library, Orientations, Reply, Request};
use serde_json::json;
use std::path::PathBuf;
use std::sync::Arc;

/// Arguments of `inspect`.
#[derive(Debug, clap::Args)]
pub(super) struct InspectArgs {
    /// Dataset: NPZ, CXI, PtyPy .ptyd, other HDF5, MATLAB 7.3 .mat, or a folder with train_data.npz
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Save how the file is read (mapping, units, crop, …) as a configuration file, for --config of any command
    #[arg(long, value_name = "FILE")]
    pub save_mapping: Option<PathBuf>,
    /// Test all eight scan orientations and report which fits the patterns best
    #[arg(long)]
    pub orientations: bool,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
    /// How the dataset is read.
    #[command(flatten)]
    pub reading: ReadingArgs,
}

/// Prints the contents of a dataset; returns the exit code, 2 if the dataset cannot be used.
pub(super) fn inspect(args: &InspectArgs) -> Result<u8> {
    let config = args.reading.config()?;
    if let Some(path) = &args.save_mapping {
        check_extension(
            path,
            "a TOML file",
            &["yaml", "yml", "json", "npz", "npy", "h5", "hdf5", "cxi", "nxs", "mat"],
        )?;
        refuse_inputs(path, [&args.file])?;
    }
    let inspection = data::inspect_with(&args.file, &config.data)?;
    let worst = if config.data.strict { Status::Warn } else { Status::Fail };
    let usable = inspection.status() < worst;
    let scored = if args.orientations && usable { Some(orientations(args, &config)?) } else { None };
    match (args.json, &scored) {
        (true, Some(found)) => {
            let suggestion = found.as_ref().and_then(Orientations::suggestion);
            print_json(&json!({ "inspection": inspection, "orientations": found, "suggestion": suggestion }))?;
        }
        (true, None) => print_json(&inspection)?,
        (false, _) => print_line(&findings(&inspection, usable)),
    }
    if let (Some(found), false) = (&scored, args.json) {
        print_line(&orientation_report(found.as_ref()));
    }
    if let Some(path) = &args.save_mapping {
        if usable {
            write_atomic(path, config.changed_toml(&Config::default(), &|path| path.starts_with("data."))?.as_bytes())?;
            print_message(&format!("Saved the file mapping to {0}; use it with --config {0}.", path.display()));
        } else {
            print_message("The file mapping was not written: the dataset cannot be used with it.");
        }
    }
    Ok(if usable { 0 } else { 2 })
}

/// Misfit of each orientation; `None` for too few patterns.
fn orientations(args: &InspectArgs, config: &Config) -> Result<Option<Orientations>> {
    let library = Library::spawn(Box::new(|| ()))?;
    library.request(Request::Orientations {
        path: args.file.clone(),
        config: Box::new(config.data.clone()),
        seed: config.execution.seeds.subsample,
    });
    match library.replies().recv() {
        Ok(Reply::Orientations { found, .. }) => Ok(found.map(Arc::unwrap_or_clone)),
        Ok(Reply::Failed { failure, .. }) => Err(failure.error),
        _ => Err(Error::failed("The library thread ended without a reply")),
    }
}

/// The eight orientations, best first, and the recommended one.
fn orientation_report(found: Option<&Orientations>) -> String {
    let Some(found) = found else { return "\nToo few patterns to determine the scan orientation.".to_owned() };
    let mut lines = vec![format!("\n  Scan orientation: misfit of {} patterns after a few epochs", found.patterns)];
    for score in found.best_first() {
        let now = if score.orientation == found.now { "  current" } else { "" };
        lines.push(format!("  {:<13} {:.4}{now}", score.orientation.name(), score.misfit));
    }
    lines.push(String::new());
    lines.push(match found.suggestion() {
        Some(best) => {
            let twin = found.twin_of(best).map_or_else(String::new, |twin| {
                format!(" {} fits equally well: this probe cannot distinguish the two.", twin.name())
            });
            format!("{name} fits the patterns better: --orientation {name}.{twin}", name = best.name())
        }
        None if !found.stands_out() => {
            "No orientation stands out: check the positions and their unit, and the probe.".to_owned()
        }
        None => match found.twin_of(found.now) {
            Some(twin) => format!(
                "The current orientation fits the patterns; {} fits equally well: this probe cannot distinguish the two.",
                twin.name()
            ),
            None => "The current orientation fits the patterns best.".to_owned(),
        },
    });
    lines.join("\n")
}

/// Arrays, then verdicts, then what happens on reading.
fn findings(inspection: &Inspection, usable: bool) -> String {
    let mut lines = vec![inspection.path.display().to_string(), String::new()];
    let width = inspection.arrays.iter().map(|array| array.key.chars().count()).max().unwrap_or(0);
    for array in &inspection.arrays {
        let shape = match array.shape.as_slice() {
            [length] => format!("{length},"),
            lengths => lengths.iter().map(usize::to_string).collect::<Vec<_>>().join(", "),
        };
        let range = array.range.map_or_else(String::new, |(low, high)| format!("  {} to {}", plain(low), plain(high)));
        let problem = array.problem.as_ref().map_or_else(String::new, |problem| format!("  {problem}"));
        lines.push(format!("  {:<width$}  ({shape})  {}{range}{problem}", array.key, array.dtype));
    }
    lines.push(String::new());
    for verdict in &inspection.verdicts {
        lines.push(format!("  {verdict}"));
        if verdict.status != Status::Pass && !verdict.expected.is_empty() {
            lines.push(format!("        expected {}", verdict.expected));
        }
        if verdict.status != Status::Pass && !verdict.advice.is_empty() {
            lines.push(format!("        {}", verdict.advice));
        }
    }
    if !inspection.notes.is_empty() {
        lines.push(String::new());
        lines.extend(inspection.notes.iter().map(|note| format!("  {note}")));
    }
    lines.push(String::new());
    lines.push(match inspection.status() {
        Status::Pass => "The file can be used.".to_owned(),
        Status::Warn if usable => "The file can be used; see the warnings.".to_owned(),
        Status::Warn => "The file is rejected because of the warnings (--strict).".to_owned(),
        Status::Fail => "The file cannot be used as it is.".to_owned(),
    });
    lines.join("\n")
}

/// A number with six significant digits; very small and very large ones with an exponent.
fn plain(value: f64) -> String {
    if value == 0.0 || (1e-3..1e7).contains(&value.abs()) {
        let text = format!("{value:.6}");
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        format!("{value:.5e}")
    }
}
