//! Trainings that were cut off, and what is kept of one where its folder fails.

use super::message::{EventKind, Job};
use super::recorder::Recorder;
use super::watch::point_of;
use crate::checkpoint::{Bundle, Destination, JobRecord, RunFolder, SavedTraining};
use crate::config::Config;
use crate::data::Dataset;
use crate::error::{Error, Problem, Result};
use std::path::{Path, PathBuf};

/// Fields that may be changed when a training goes on; the others say what the training is.
const CHANGEABLE: [&str; 3] = ["execution.accelerator", "training.epochs", "training.time_budget_s"];

/// A training to go on with.
pub(super) struct Unfinished {
    /// The job, as it was asked for.
    pub job: Job,
    /// What was saved on the way, if anything was.
    pub saved: Option<SavedTraining>,
    /// Whether the configuration file in the folder still is that of the job.
    pub same_config: bool,
}

/// Takes a run folder whose training is not over, with what is needed to go on.
///
/// # Errors
/// There is no such training, another program works in the folder, or its files cannot be read.
pub(super) fn take(
    recorder: &Recorder<'_, '_>,
    folder: &RunFolder,
    dataset: Option<&Path>,
    reconstruct: Option<bool>,
    settings: &[(String, String)],
) -> Result<Unfinished> {
    if !folder.path().is_dir() {
        return Err(Problem::new("There is no such run folder")
            .expected("the folder of a training that was cut off, as below runs/")
            .at(folder.path())
            .into());
    }
    if !folder.job().exists() && !folder.summary().exists() {
        return Err(Problem::new("The folder holds no training that was cut off")
            .expected("a run folder with a file job.json")
            .hint("Train anew, or use a saved model with `ptychoscope infer`")
            .at(folder.path())
            .into());
    }
    recorder.reopen_folder(folder)?;
    if !folder.job().exists() {
        // The program may have been ended just before it removed this.
        if folder.model().exists() {
            let _not_there = std::fs::remove_file(folder.autosave());
        }
        return Err(Problem::new("The run in this folder is complete, there is nothing to resume")
            .hint("Give it more epochs in a new run")
            .at(folder.path())
            .into());
    }
    let record = JobRecord::load(&folder.job())?;
    let mut config = record.config;
    for (field, value) in settings {
        if !CHANGEABLE.contains(&field.as_str()) {
            return Err(Problem::new(format!("{field} cannot be changed when a training is resumed"))
                .expected(format!("only {} to be set", CHANGEABLE.join(", ")))
                .hint("Leave it out, or train anew")
                .into());
        }
        config.set(field, value)?;
    }
    let saved = folder.autosave().exists().then(|| SavedTraining::load(folder.autosave())).transpose()?;
    match saved.as_ref().and_then(|saved| saved.bundle.history.last()) {
        Some(epoch) => recorder.note(format!("The training goes on after epoch {}.", epoch.epoch)),
        None => recorder.note("Nothing had been saved of the training; it begins anew."),
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
    /// Fails unless the training was of these datasets.
    ///
    /// # Errors
    /// [`Error::BadInput`] that names the dataset that is another.
    pub(super) fn check(&self, datasets: &[&Dataset]) -> Result<()> {
        let Some(saved) = &self.saved else { return Ok(()) };
        let manifest = &saved.bundle.manifest;
        let then = std::iter::once(&manifest.dataset).chain(&manifest.further_datasets);
        for (then, now) in then.zip(datasets) {
            if then.fingerprint != now.fingerprint || then.n != now.len() {
                return Err(Problem::new("The dataset is not the one that the training was begun with")
                    .expected(format!("{} with {} patterns, as it was then", then.path, then.n))
                    .hint("Give it as `ptychoscope train DATASET --resume FOLDER` if it was moved, or train anew")
                    .at(&now.path)
                    .into());
            }
        }
        Ok(())
    }

    /// Tells the epochs that are done, for whoever draws curves.
    pub(super) fn tell(&self, recorder: &Recorder<'_, '_>) {
        for record in self.saved.iter().flat_map(|saved| &saved.bundle.history.0) {
            recorder.context().emit(EventKind::Epoch(point_of(record)));
        }
    }
}

/// Makes the folder that of a new training: what is left of one before it is removed first, so that the two cannot be
/// mixed up wherever this is cut off.
///
/// # Errors
/// The folder cannot be written into.
pub(super) fn begin(recorder: &Recorder<'_, '_>, folder: &RunFolder, record: &JobRecord) -> Result<()> {
    if folder.job().exists() {
        recorder.note("The folder held a training that was cut off; it is replaced.");
    }
    for old in [folder.autosave(), folder.summary()] {
        remove(&old)?;
    }
    record.save(&folder.job())
}

/// After a failure: says how the training can go on, if something was saved; else there is nothing to resume.
pub(super) fn after_failure(recorder: &Recorder<'_, '_>, job: &Job) {
    let Some(folder) = recorder.folder() else { return };
    let trains = matches!(job, Job::Train { .. } | Job::Run { .. } | Job::Resume { .. });
    if !trains || !folder.job().exists() {
        return;
    }
    if folder.autosave().exists() {
        recorder.note(format!(
            "What was learnt up to the last autosave is kept; the training goes on with: ptychoscope train --resume {}",
            folder.path().display()
        ));
    } else if !matches!(job, Job::Resume { .. }) {
        let _unwritable = remove(&folder.job());
    }
}

/// Brings the training of a folder to its end: with its result whole there is nothing to resume, unless it was stopped.
///
/// # Errors
/// The folder cannot be written into.
pub(super) fn end(folder: &RunFolder, stopped: bool) -> Result<()> {
    if stopped && folder.autosave().exists() {
        return Ok(());
    }
    // The record first: an autosave without one does no harm.
    remove(&folder.job())?;
    remove(&folder.autosave())
}

fn remove(path: &Path) -> Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(Error::writing(path, &error)),
        _ => Ok(()),
    }
}

/// Writes the trained model into its folder; where that has gone, it is made again.
///
/// # Errors
/// The folder cannot be written into. The error then names the place where the model was saved instead.
pub(super) fn keep_model(
    recorder: &Recorder<'_, '_>,
    folder: &RunFolder,
    config: &Config,
    bundle: &Bundle,
) -> Result<PathBuf> {
    let model = folder.model();
    if !folder.path().exists() && std::fs::create_dir_all(folder.path()).is_ok() {
        recorder.note("The run folder had gone and was made again.");
        recorder.write(&folder.config(), config.to_toml()?.as_bytes())?;
    }
    let Err(error) = bundle.save(&model) else {
        recorder.wrote(&model);
        return Ok(model);
    };
    let name = folder.path().file_name().map_or_else(|| "run".into(), |name| name.to_string_lossy().into_owned());
    let number = std::process::id();
    let elsewhere = std::env::temp_dir().join(format!("ptychoscope-{name}-{number}.ptycho"));
    if bundle.save(&elsewhere).is_err() {
        return Err(error);
    }
    recorder.wrote(&elsewhere);
    let problem = error.problem().clone();
    let hint = format!("What was learnt is not lost: the model was saved as {}", elsewhere.display());
    Err(Error::Failed(problem.hint(hint)))
}
