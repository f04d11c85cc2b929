//! `compare`: several models applied to one test set, and the results evaluated side by side.

use super::evaluate::{EvaluationArgs, check_outputs, request, write_results};
use super::jobs::Jobs;
use super::paths::model_file;
use crate::checkpoint::{Destination, RunFolder};
use crate::error::{Error, Problem, Result};
use crate::report;
use crate::system::file_stem;
use crate::worker::message::Job;
use std::path::PathBuf;

/// Arguments of `compare`.
#[derive(Debug, clap::Args)]
#[command(override_usage = "ptychoscope compare [OPTIONS] <MODEL> <MODEL>... <DATASET>")]
pub(super) struct CompareArgs {
    /// Trained models (model.ptycho, or their run folders), then the dataset
    #[arg(value_name = "FILE", required = true)]
    pub files: Vec<PathBuf>,
    /// Folder for one run folder per model, the report and the metrics [default: a new folder below runs/]
    #[arg(long, value_name = "FOLDER")]
    pub output_dir: Option<PathBuf>,
    /// Device: auto, cpu, gpu or wgpu
    #[arg(long, value_name = "DEVICE")]
    pub accelerator: Option<String>,
    /// Evaluation.
    #[command(flatten)]
    pub evaluation: EvaluationArgs,
}

/// Reconstructs the dataset with each model and evaluates the results; returns the exit code.
pub(super) fn compare(args: &CompareArgs) -> Result<u8> {
    let Some((dataset, models)) = args.files.split_last().filter(|(_, models)| models.len() > 1) else {
        return Err(Error::BadInput(
            Problem::new("Too few files to compare")
                .expected("at least two models, then the dataset")
                .hint("Use `ptychoscope compare MODEL MODEL... DATASET`"),
        ));
    };
    let model_files: Vec<PathBuf> = models.iter().map(|model| model_file(model)).collect();
    if let Some(absent) = model_files.iter().chain([dataset]).find(|path| !path.exists()) {
        return Err(Error::reading(absent, &std::io::Error::from(std::io::ErrorKind::NotFound)));
    }
    check_outputs(&args.evaluation, &args.files)?;
    // Rejects an unknown --align or unit before any work.
    request(Vec::new(), None, &args.evaluation)?;
    let mut jobs = Jobs::start(args.evaluation.is_silent())?;
    let folder = RunFolder::create(&args.output_dir.clone().into(), dataset)?;
    let mut outputs = Vec::new();
    for (name, model) in names(models).iter().zip(&model_files) {
        let output = folder.path().join(name);
        jobs.print(&format!("Reconstructing with {}", model.display()));
        let mut settings = args.evaluation.reading.settings()?;
        settings.extend(args.accelerator.iter().map(|name| ("execution.accelerator".to_owned(), name.clone())));
        jobs.run_to_completion(Job::Infer {
            model: model.clone(),
            dataset: dataset.clone(),
            output_dir: Destination::Folder(output.clone()),
            settings,
        })?;
        outputs.push(output);
    }
    let comparison = report::compare(&request(outputs, Some(dataset.clone()), &args.evaluation)?)?;
    let mut evaluation = args.evaluation.clone();
    evaluation.html.get_or_insert_with(|| folder.path().join("comparison.html"));
    evaluation.csv.get_or_insert_with(|| folder.path().join("metrics.csv"));
    write_results(&comparison, &evaluation, &format!("Comparison of models on {}", file_stem(dataset)))?;
    Ok(0)
}

/// Folder names, unique, one per model: the name of the run folder, otherwise of the file.
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
    fn every_model_has_its_own_folder() {
        let models = ["runs/a/model.ptycho", "runs/b/best.ptycho", "old/a/model.ptycho", "c/best.ptycho"];
        assert_eq!(names(&models.map(PathBuf::from)), ["a", "best", "a-2", "best-2"]);
    }
}
