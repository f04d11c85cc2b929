//! Interrupted trainings, and trainings whose run folder fails.

use crate::checkpoint::{Bundle, Destination, JobRecord, RunFolder, SavedTraining};
use crate::config::Config;
use crate::data::Dataset;
use crate::error::{Error, Problem, Result};
use crate::worker::message::{EventKind, Job};
use crate::worker::recorder::Recorder;
use std::path::{Path, PathBuf};

/// Fields that may be changed when a training is resumed; the others define the training.
const CHANGEABLE: [&str; 3] = ["execution.accelerator", "training.epochs", "training.time_budget_s"];

/// An interrupted training.
pub(super) struct Unfinished {
    /// The job as requested.
    pub job: Job,
    /// The latest autosave, if there is one.
    pub saved: Option<SavedTraining>,
    /// True if the configuration file in the folder is still that of the job.
    pub same_config: bool,
}

/// Opens the run folder of an interrupted training.
///
/// # Errors
/// There is no such training, another program is working in the folder, or its files cannot be read.
pub(super) fn open(
    recorder: &Recorder<'_>,
    folder: &RunFolder,
    dataset: Option<&Path>,
    reconstruct: Option<bool>,
    settings: &[(String, String)],
) -> Result<Unfinished> {
    if !folder.path().is_dir() {
        return Err(Problem::new("The run folder does not exist")
            .expected("the folder of an interrupted training, such as those in runs/")
            .at(folder.path())
            .into());
    }
    if !folder.job().exists() && !folder.summary().exists() {
        return Err(Problem::new("The folder contains no interrupted training")
            .expected("a run folder with a file job.json")
            .hint("Start a new training, or use a saved model with `ptychoscope infer`")
            .at(folder.path())
            .into());
    }
    recorder.reopen_folder(folder)?;
    if !folder.job().exists() {
        // The program may have been killed just before removing this file.
        if folder.model().exists() {
            let _not_there = std::fs::remove_file(folder.autosave());
        }
        return Err(Problem::new("The run in this folder is complete; there is nothing to resume")
            .hint("Start a new run with more epochs")
            .at(folder.path())
            .into());
    }
    let record = JobRecord::load(&folder.job())?;
    let mut config = record.config;
    for (field, value) in settings {
        if !CHANGEABLE.contains(&field.as_str()) {
            return Err(Problem::new(format!("{field} cannot be changed when a training is resumed"))
                .expected(format!("only {}", CHANGEABLE.join(", ")))
                .hint("Remove the setting, or start a new training")
                .into());
        }
        config.set(field, value)?;
    }
    let saved = folder.autosave().exists().then(|| SavedTraining::load(folder.autosave())).transpose()?;
    match saved.as_ref().and_then(|saved| saved.bundle.history.last()) {
        Some(epoch) => recorder.note(format!("Training resumes after epoch {}.", epoch.epoch)),
        None => recorder.note("No checkpoint was found; training restarts from the beginning."),
    }
    let (validation, output_dir) = (record.validation, Destination::Folder(folder.path().to_path_buf()));
    let dataset = dataset.map_or(record.dataset, Path::to_path_buf);
    let config = Box::new(config);
    let job = if reconstruct.unwrap_or(record.reconstruct) {
        Job::Run { dataset, validation, output_dir, config }
    } else {
        Job::Train { dataset, validation, output_dir, config }
    };
    Ok(Unfinished { job, saved, same_config: settings.is_empty() && folder.config().exists() })
}

impl Unfinished {
    /// Checks that the training started with these datasets.
    ///
    /// # Errors
    /// [`Error::BadInput`] naming the dataset that differs.
    pub(super) fn check(&self, datasets: &[&Dataset]) -> Result<()> {
        let Some(saved) = &self.saved else { return Ok(()) };
        let manifest = &saved.bundle.manifest;
        let then = std::iter::once(&manifest.dataset).chain(&manifest.further_datasets);
        for (then, now) in then.zip(datasets) {
            if then.fingerprint != now.fingerprint || then.n != now.len() {
                return Err(Problem::new("This is not the dataset the training started with")
                    .expected(format!("{} with {} patterns, unchanged", then.path, then.n))
                    .hint("If it was moved, use `ptychoscope train DATASET --resume FOLDER`; otherwise start a new training")
                    .at(&now.path)
                    .into());
            }
        }
        Ok(())
    }

    /// Repeats the events of the completed epochs, for the curves.
    pub(super) fn replay_epochs(&self, recorder: &Recorder<'_>) {
        for record in self.saved.iter().flat_map(|saved| &saved.bundle.history.0) {
            recorder.context().emit(EventKind::Epoch(record.clone()));
        }
    }
}

/// Starts a new training in a folder. Remains of an earlier one are removed first, so that the two cannot be confused,
/// whenever the program is killed.
///
/// # Errors
/// The folder is not writable.
pub(super) fn begin(recorder: &Recorder<'_>, folder: &RunFolder, record: &JobRecord) -> Result<()> {
    if folder.job().exists() {
        recorder.note("The folder contained an interrupted training; it is replaced.");
    }
    for old in [folder.autosave(), folder.summary()] {
        remove(&old)?;
    }
    record.save(&folder.job())
}

/// After a failure: reports how to resume the training if there is an autosave, else removes its record.
pub(super) fn after_failure(recorder: &Recorder<'_>, job: &Job) {
    let Some(folder) = recorder.folder() else { return };
    let trains = matches!(job, Job::Train { .. } | Job::Run { .. } | Job::Resume { .. });
    if !trains || !folder.job().exists() {
        return;
    }
    if folder.autosave().exists() {
        recorder.note(format!(
            "The training up to the last autosave is saved; resume it with: ptychoscope train --resume {}",
            folder.path().display()
        ));
    } else if !matches!(job, Job::Resume { .. }) {
        let _unwritable = remove(&folder.job());
    }
}

/// Removes the record and the autosave of a training, unless it was stopped and can be resumed.
///
/// # Errors
/// The folder is not writable.
pub(super) fn end(folder: &RunFolder, stopped: bool) -> Result<()> {
    if stopped && folder.autosave().exists() {
        return Ok(());
    }
    // The record first: an autosave without a record is harmless.
    remove(&folder.job())?;
    remove(&folder.autosave())
}

/// Removes a file if it exists.
fn remove(path: &Path) -> Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(Error::writing(path, &error)),
        _ => Ok(()),
    }
}

/// Writes the trained model into its folder, which is recreated if it was deleted.
///
/// # Errors
/// The folder is not writable. The error names the file in which the model was saved instead.
pub(super) fn save_model(
    recorder: &Recorder<'_>,
    folder: &RunFolder,
    config: &Config,
    bundle: &Bundle,
) -> Result<PathBuf> {
    let model = folder.model();
    if !folder.path().exists() && std::fs::create_dir_all(folder.path()).is_ok() {
        recorder.note("The run folder had been deleted and was recreated.");
        recorder.write(&folder.config(), config.to_toml()?.as_bytes())?;
    }
    let Err(error) = bundle.save(&model) else {
        recorder.report_file(&model);
        return Ok(model);
    };
    let name = folder.path().file_name().map_or_else(|| "run".into(), |name| name.to_string_lossy().into_owned());
    let number = std::process::id();
    let elsewhere = std::env::temp_dir().join(format!("ptychoscope-{name}-{number}.ptycho"));
    if bundle.save(&elsewhere).is_err() {
        return Err(error);
    }
    recorder.report_file(&elsewhere);
    let problem = error.problem().clone();
    let hint = format!("Nothing is lost: the model was saved as {}", elsewhere.display());
    Err(Error::Failed(problem.hint(hint)))
}
