//! The object without a network, and the polish of an object: jobs of the direct solver.

use super::device::{self, AdapterKind, Selected};
use super::jobs::{choose_device, consistency, finish, keep_object, load, set_for_inference, summary_of};
use super::memory::{Large, Purpose};
use super::message::{EpochPoint, EventKind, Job, Progress, Stage};
use super::recorder::Recorder;
use super::summary::{JobOutcome, Summary};
use crate::checkpoint::{Destination, RunFolder};
use crate::config::{Accelerator, Config, DirectConfig};
use crate::data::{Dataset, Reconstruction, Refined};
use crate::direct::{self, Direct, Start};
use crate::error::{Error, Problem, Result};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Least time between two reports of progress.
const REPORT_INTERVAL: Duration = Duration::from_millis(100);

/// Finds the object of a dataset and writes it like any other result; there is no bundle.
pub(super) fn solve(
    recorder: &Recorder<'_, '_>,
    job: &Job,
    path: &Path,
    output_dir: &Destination,
    config: &Config,
) -> Result<Summary> {
    if let Some(large) = Large::of(path, config, Purpose::Training)? {
        return Err(Error::BadInput(
            Problem::new(format!("The direct method takes all {} patterns in memory at once", large.count))
                .expected(format!("a dataset that fits into {}", large.granted))
                .hint("Use a part of the patterns with --n-subsample, or the method pinn")
                .at(path),
        ));
    }
    let dataset = load(recorder, path, config)?;
    let selected = choose_device(recorder, config)?;
    let folder = RunFolder::create(output_dir, path)?;
    recorder.open_folder(&folder)?;
    recorder.write(&folder.config(), config.to_toml()?.as_bytes())?;
    recorder.emit(EventKind::Stage { stage: Stage::Training });
    let began = Instant::now();
    let (solved, instead) = watched(recorder, &dataset, config, &config.direct, &Start::Flat, &selected)?;
    let mut summary = summary_of(job, &dataset, path, instead.as_ref().unwrap_or(&selected), &folder);
    let seconds = began.elapsed().as_secs_f64();
    summary.outcome = if solved.stopped { JobOutcome::Stopped } else { JobOutcome::Completed };
    summary.epochs = Some(solved.misfits.len());
    summary.train_seconds = Some(seconds);
    summary.patterns_per_second = Some((solved.misfits.len() * dataset.len()) as f64 / seconds.max(1e-9));
    summary.final_train_loss = solved.misfits.last().copied();
    recorder.emit(EventKind::Stage { stage: Stage::Saving });
    let Direct { reconstruction, refined, .. } = solved;
    keep_object(recorder, &mut summary, &folder, &dataset, reconstruction, &refined)?;
    finish(recorder, summary, &folder)
}

/// Improves an object by some epochs on the data. Beside it: the processor, if it did the work instead of the device.
pub(super) fn polish(
    recorder: &Recorder<'_, '_>,
    dataset: &Dataset,
    config: &Config,
    object: &Reconstruction,
    selected: &Selected,
) -> Result<(Direct, Option<Selected>)> {
    let began = Instant::now();
    let epochs = match config.inference.polish_epochs {
        0 => config.direct.epochs,
        epochs => epochs,
    };
    let settings = DirectConfig { epochs, ..config.direct.clone() };
    let (solved, instead) = watched(recorder, dataset, config, &settings, &Start::From(object), selected)?;
    if let (Some(first), Some(last)) = (solved.misfits.first(), solved.misfits.last()) {
        recorder.note(format!(
            "The object was polished in {} epochs ({:.1} s): misfit {first:.4} before, {last:.4} after.",
            solved.misfits.len(),
            began.elapsed().as_secs_f64()
        ));
    }
    Ok((solved, instead))
}

/// Improves the object of a finished run on the dataset it came from, and writes it into a run folder of its own.
pub(super) fn polish_run(
    recorder: &Recorder<'_, '_>,
    job: &Job,
    run: &Path,
    output_dir: &Destination,
    settings: &[(String, String)],
) -> Result<Summary> {
    let (folder, file) = if run.is_dir() {
        (run, RunFolder::at(run).reconstruction())
    } else {
        (run.parent().unwrap_or(run), run.to_path_buf())
    };
    let names = RunFolder::at(folder);
    let start = Reconstruction::load(&file)?;
    let before = Refined::load(&file)?;
    let path = dataset_of(&names)?;
    let mut config = Config::load(names.config())?;
    set_for_inference(&mut config, settings)?;
    let dataset = load(recorder, &path, &config)?;
    let mut seen = dataset.clone();
    before.apply(&mut seen);
    let selected = choose_device(recorder, &config)?;
    let target = RunFolder::create(output_dir, &path)?;
    if std::fs::canonicalize(target.path()).ok() == std::fs::canonicalize(folder).ok() {
        return Err(Error::BadInput(
            Problem::new("The polished object would take the place of the one it starts from")
                .hint("Choose another folder with --output-dir")
                .at(folder),
        ));
    }
    recorder.open_folder(&target)?;
    recorder.write(&target.config(), config.to_toml()?.as_bytes())?;
    let mut summary = summary_of(job, &dataset, &path, &selected, &target);
    summary.polished_from = Some(folder.to_path_buf());
    summary.consistency_r_before = consistency(&seen, &start).ok();
    recorder.emit(EventKind::Stage { stage: Stage::Reconstructing });
    let began = Instant::now();
    let (solved, instead) = polish(recorder, &seen, &config, &start, &selected)?;
    if let Some(processor) = instead {
        summary.device = processor.info;
    }
    summary.outcome = if solved.stopped { JobOutcome::Stopped } else { JobOutcome::Completed };
    summary.epochs = Some(solved.misfits.len());
    summary.infer_seconds = Some(began.elapsed().as_secs_f64());
    summary.final_train_loss = solved.misfits.last().copied();
    recorder.emit(EventKind::Stage { stage: Stage::Saving });
    let refined = solved.refined.after(before);
    keep_object(recorder, &mut summary, &target, &dataset, solved.reconstruction, &refined)?;
    finish(recorder, summary, &target)
}

/// The dataset that a run folder names.
fn dataset_of(folder: &RunFolder) -> Result<PathBuf> {
    let path = folder.summary();
    let bytes = std::fs::read(&path).map_err(|error| Error::reading(&path, &error))?;
    let named = serde_json::from_slice::<serde_json::Value>(&bytes).ok();
    let named = named.as_ref().and_then(|summary| summary.pointer("/dataset/path")?.as_str());
    let Some(named) = named.map(PathBuf::from) else {
        return Err(Problem::new("The run folder does not name its dataset")
            .hint("Choose another run")
            .at(path)
            .into());
    };
    if named.exists() {
        return Ok(named);
    }
    Err(Problem::new("The dataset that the run folder names is not there")
        .hint("Put it back, or start the program in the folder that the run was started in")
        .at(named)
        .into())
}

/// Solves, and tells how far it is. Where the best device shall be taken, that is the one which is faster at this: beside the
/// result the processor, if it was.
fn watched(
    recorder: &Recorder<'_, '_>,
    dataset: &Dataset,
    asked: &Config,
    config: &DirectConfig,
    start: &Start<'_>,
    selected: &Selected,
) -> Result<(Direct, Option<Selected>)> {
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
    if selected.info.kind == AdapterKind::Cpu {
        // Burn's processor backend is slower than the solver's own code.
        return Ok((direct::solve(dataset, config, start, &mut watch)?, None));
    }
    if asked.execution.accelerator != Accelerator::Auto {
        return Ok((direct::solve_on(&selected.device, dataset, config, start, &mut watch)?, None));
    }
    let (solved, speed) = direct::solve_where_faster(&selected.device, dataset, config, start, &mut watch)?;
    if speed >= 1.0 {
        return Ok((solved, None));
    }
    recorder.note(format!(
        "The direct solver worked on the processor, which is {:.1} times as fast at it as {}.",
        speed.recip(),
        selected.info.name
    ));
    Ok((solved, Some(device::select(Accelerator::Cpu)?)))
}
