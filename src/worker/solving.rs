//! The object without a network, and the polish of the network's object: jobs of the direct solver.

use super::device;
use super::jobs::{finish, keep_object, load, summary_of};
use super::message::{EpochPoint, EventKind, Job, Progress, Stage};
use super::recorder::Recorder;
use super::summary::{JobOutcome, Summary};
use crate::checkpoint::RunFolder;
use crate::config::{Accelerator, Config, DirectConfig};
use crate::data::{Dataset, Reconstruction};
use crate::direct::{self, Direct, Start};
use crate::error::Result;
use std::path::Path;
use std::time::{Duration, Instant};

/// Least time between two reports of progress.
const REPORT_INTERVAL: Duration = Duration::from_millis(100);

/// Finds the object of a dataset and writes it like any other result; there is no bundle.
pub(super) fn solve(
    recorder: &Recorder<'_, '_>,
    job: &Job,
    path: &Path,
    output_dir: Option<&Path>,
    config: &Config,
) -> Result<Summary> {
    let dataset = load(recorder, path, config)?;
    let selected = device::select(Accelerator::Cpu)?;
    recorder.emit(EventKind::Device(selected.info.clone()));
    if !matches!(config.execution.accelerator, Accelerator::Auto | Accelerator::Cpu) {
        recorder.note("The direct solver works on the CPU.");
    }
    let folder = RunFolder::create(output_dir, path)?;
    recorder.open_folder(&folder)?;
    recorder.write(&folder.config(), config.to_toml()?.as_bytes())?;
    recorder.emit(EventKind::Stage { stage: Stage::Training });
    let began = Instant::now();
    let solved = watched(recorder, &dataset, &config.direct, &Start::Flat)?;
    let mut summary = summary_of(job, &dataset, path, &selected, &folder);
    let seconds = began.elapsed().as_secs_f64();
    summary.outcome = if solved.stopped { JobOutcome::Stopped } else { JobOutcome::Completed };
    summary.epochs = Some(solved.misfits.len());
    summary.train_seconds = Some(seconds);
    summary.patterns_per_second = Some((solved.misfits.len() * dataset.len()) as f64 / seconds.max(1e-9));
    summary.final_train_loss = solved.misfits.last().copied();
    recorder.emit(EventKind::Stage { stage: Stage::Saving });
    keep_object(recorder, &mut summary, &folder, &with_probe(dataset, &solved), solved.reconstruction)?;
    finish(recorder, summary, &folder)
}

/// The dataset with the probe that was found, which the object belongs to.
fn with_probe(mut dataset: Dataset, solved: &Direct) -> Dataset {
    dataset.probe.clone_from(&solved.probe);
    dataset
}

/// Improves an object by some epochs on the data.
pub(super) fn polish(
    recorder: &Recorder<'_, '_>,
    dataset: &Dataset,
    config: &Config,
    object: &Reconstruction,
) -> Result<Reconstruction> {
    let began = Instant::now();
    let settings = DirectConfig { epochs: config.inference.polish_epochs, ..config.direct.clone() };
    let solved = watched(recorder, dataset, &settings, &Start::From(object))?;
    if let (Some(first), Some(last)) = (solved.misfits.first(), solved.misfits.last()) {
        recorder.note(format!(
            "The object was polished in {} epochs ({:.1} s): misfit {first:.4} before, {last:.4} after.",
            solved.misfits.len(),
            began.elapsed().as_secs_f64()
        ));
    }
    Ok(solved.reconstruction)
}

/// Solves, and tells how far it is.
fn watched(recorder: &Recorder<'_, '_>, dataset: &Dataset, config: &DirectConfig, start: &Start<'_>) -> Result<Direct> {
    let began = Instant::now();
    let mut reported: Option<Instant> = None;
    let mut epochs_done = 0;
    let mut watch = |share: f64, misfit: Option<f64>| {
        let elapsed_s = began.elapsed().as_secs_f64();
        let epoch = ((share * config.epochs as f64) as usize).min(config.epochs.saturating_sub(1));
        if let Some(train_loss) = misfit.filter(|_| epoch > epochs_done) {
            epochs_done = epoch;
            recorder.emit(EventKind::Epoch(EpochPoint {
                epoch,
                step: epoch,
                train_loss,
                val_loss: None,
                learning_rate: 1.0,
                gradient_norm: f64::NAN,
                elapsed_s,
            }));
        }
        if reported.is_none_or(|reported| reported.elapsed() >= REPORT_INTERVAL) || share >= 1.0 {
            reported = Some(Instant::now());
            recorder.emit(EventKind::Progress(Progress {
                fraction: share,
                epoch: epoch + 1,
                epochs: Some(config.epochs),
                step: epoch,
                loss: misfit,
                learning_rate: None,
                patterns_per_second: (elapsed_s > 0.0)
                    .then(|| share * (config.epochs * dataset.len()) as f64 / elapsed_s),
                elapsed_s,
                remaining_s: (share > 0.0).then(|| elapsed_s * (1.0 - share) / share),
                ..Progress::default()
            }));
        }
        recorder.context().switch.go_on()
    };
    direct::solve(dataset, config, start, &mut watch)
}
