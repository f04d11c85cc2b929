//! `compare`: trained bundles on one test set, each reconstructing it, then judged side by side.

use super::args::CompareArgs;
use super::evaluate::{check_outputs, deliver, request};
use super::jobs::Jobs;
use crate::checkpoint::{Destination, RunFolder};
use crate::error::{Error, Problem, Result};
use crate::report;
use crate::worker::message::Job;
use std::path::{Path, PathBuf};

/// Reconstructs the dataset with every bundle and judges the results; gives back the exit code.
pub(super) fn compare(args: &CompareArgs) -> Result<u8> {
    let Some((dataset, models)) = args.files.split_last().filter(|(_, models)| models.len() > 1) else {
        return Err(Error::BadInput(
            Problem::new("Nothing can be compared")
                .expected("at least two bundles, then the dataset")
                .hint("See --help"),
        ));
    };
    let bundles: Vec<PathBuf> = models.iter().map(|model| bundle_in(model)).collect();
    if let Some(absent) = bundles.iter().chain([dataset]).find(|path| !path.exists()) {
        return Err(Error::reading(absent, &std::io::Error::from(std::io::ErrorKind::NotFound)));
    }
    check_outputs(&args.judging)?;
    // Known to be usable before any work: an unknown --align or unit.
    request(Vec::new(), None, &args.judging)?;
    let mut jobs = Jobs::start(args.judging.json || args.judging.quiet)?;
    let folder = RunFolder::create(&args.output_dir.clone().into(), dataset)?;
    let mut outputs = Vec::new();
    for (name, bundle) in names(models).iter().zip(&bundles) {
        let output = folder.path().join(name);
        jobs.say(&format!("Reconstructing with {}", bundle.display()));
        let mut settings = vec![("data.diffraction_unit".to_owned(), args.judging.diffraction_unit.clone())];
        settings.extend(args.accelerator.iter().map(|name| ("execution.accelerator".to_owned(), name.clone())));
        jobs.run_whole(Job::Infer {
            model: bundle.clone(),
            dataset: dataset.clone(),
            output_dir: Destination::Folder(output.clone()),
            settings,
        })?;
        outputs.push(output);
    }
    let comparison = report::judge(&request(outputs, Some(dataset.clone()), &args.judging)?)?;
    let mut judging = args.judging.clone();
    judging.html.get_or_insert_with(|| folder.path().join("comparison.html"));
    judging.csv.get_or_insert_with(|| folder.path().join("metrics.csv"));
    let stem = dataset.file_stem().map_or_else(String::new, |stem| stem.to_string_lossy().into_owned());
    deliver(&comparison, &judging, &format!("Bundles compared on {stem}"))?;
    Ok(0)
}

/// The bundle in a run folder, or the file itself.
pub(super) fn bundle_in(path: &Path) -> PathBuf {
    if path.is_dir() { path.join("model.ptycho") } else { path.to_path_buf() }
}

/// Folder names, one for each bundle and each different: of the run folder, else of the file.
fn names(models: &[PathBuf]) -> Vec<String> {
    let short = |path: &PathBuf| {
        let usual = path.file_name().is_some_and(|name| name == "model.ptycho");
        let of = if usual { path.parent().unwrap_or(path) } else { path };
        let name = if path.is_dir() || usual { of.file_name() } else { of.file_stem() };
        name.map_or_else(|| "model".to_owned(), |name| name.to_string_lossy().into_owned())
    };
    let mut names: Vec<String> = Vec::new();
    for plain in models.iter().map(short) {
        let mut name = plain.clone();
        for number in 2.. {
            if !names.contains(&name) {
                break;
            }
            name = format!("{plain}-{number}");
        }
        names.push(name);
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_bundle_has_a_folder_of_its_own() {
        let models = ["runs/a/model.ptycho", "runs/b/best.ptycho", "old/a/model.ptycho", "c/best.ptycho"];
        assert_eq!(names(&models.map(PathBuf::from)), ["a", "best", "a-2", "best-2"]);
    }
}
