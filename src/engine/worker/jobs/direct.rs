//! Jobs of the direct solver: reconstruction without a network, and polishing of an object.

use super::background;
use super::common::{
    apply_inference_settings, consistency, fail_if_stopped, finish, load, new_summary, save_object, select_device,
};
use super::large_dataset::{LargeDataset, Purpose};
use super::{probe, refinement};
use crate::checkpoint::{Destination, RunFolder};
use crate::config::{Accelerator, Config, DirectConfig};
use crate::data::{Dataset, Reconstruction, Refined};
use crate::direct::{self, Solution, Start};
use crate::error::{Error, Problem, Result};
use crate::worker::device::{self, AdapterKind, Selected};
use crate::worker::live_preview::picture_of;
use crate::worker::message::{EpochPoint, EventKind, Job, LivePace, Progress, Stage};
use crate::worker::recorder::Recorder;
use crate::worker::summary::{JobOutcome, Summary};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Minimum time between two progress reports.
const REPORT_INTERVAL: Duration = Duration::from_millis(100);
/// Minimum time between two live pictures: they cost a copy of the object.
const PICTURE_INTERVAL: Duration = Duration::from_millis(400);

/// Reconstructs a dataset and writes its object; there is no bundle.
pub(super) fn solve(
    recorder: &Recorder<'_>,
    job: &Job,
    path: &Path,
    output_dir: &Destination,
    config: &Config,
) -> Result<Summary> {
    if let Some(large) = LargeDataset::detect(path, config, Purpose::Training)? {
        return Err(Error::BadInput(
            Problem::new(format!("The direct method needs all {} patterns in memory at once", large.count))
                .expected(format!("a dataset that fits in {}", large.granted))
                .hint("Use fewer patterns with --n-subsample, or --method network")
                .at(path),
        ));
    }
    let mut dataset = load(recorder, path, config)?;
    let selected = select_device(recorder, config)?;
    let began = Instant::now();
    // Before the folder: a search that is stopped leaves no trace.
    let found = probe::search(recorder, &mut dataset, &config.direct)?;
    let positions = dataset.positions.clone();
    let settings = probe::settings(&config.direct, &dataset, found.as_ref());
    let choice = refinement::choose(recorder, &dataset, settings)?;
    let (settings, background) = background::settle(recorder, &dataset, choice.settings.clone(), Stage::Training)?;
    fail_if_stopped(recorder)?;
    dataset.background = background.or(dataset.background);
    let refine_positions = refinement::correct_positions(recorder, &mut dataset, config, &choice)?;
    let settings = DirectConfig { refine_positions, ..settings };
    let folder = RunFolder::create(output_dir, path)?;
    recorder.open_folder(&folder)?;
    recorder.write(&folder.config(), config.to_toml()?.as_bytes())?;
    if let Some(found) = &found {
        probe::save_trials(recorder, &folder, found)?;
    }
    recorder.emit(EventKind::Stage { stage: Stage::Training });
    let (solved, fallback) = run_solver(recorder, &dataset, config, &settings, &Start::Flat, &selected)?;
    // The shifts of the positions are reported from those in the file.
    dataset.positions = positions;
    let mut summary = new_summary(job, &dataset, path, fallback.as_ref().unwrap_or(&selected), &folder);
    summary.probe_search = found.map(|found| found.best);
    summary.added_refinements = choice.chosen;
    let seconds = began.elapsed().as_secs_f64();
    summary.outcome = if solved.stopped { JobOutcome::Stopped } else { JobOutcome::Completed };
    summary.epochs = Some(solved.misfits.len());
    summary.train_seconds = Some(seconds);
    summary.patterns_per_second = Some((solved.misfits.len() * dataset.len()) as f64 / seconds.max(1e-9));
    summary.final_train_loss = solved.misfits.last().copied();
    recorder.emit(EventKind::Stage { stage: Stage::Saving });
    let Solution { reconstruction, refined, .. } = solved;
    save_object(recorder, &mut summary, &folder, &dataset, reconstruction, &refined)?;
    finish(recorder, summary, &folder)
}

/// Refines an object with some epochs of the direct solver. Second value: the CPU, if it was used instead of the device.
pub(super) fn polish(
    recorder: &Recorder<'_>,
    dataset: &Dataset,
    config: &Config,
    object: &Reconstruction,
    selected: &Selected,
) -> Result<(Solution, Option<Selected>)> {
    let began = Instant::now();
    let epochs = match config.inference.polish_epochs {
        0 => config.direct.epochs,
        epochs => epochs,
    };
    let settings = DirectConfig { epochs, ..config.direct.clone() };
    let (settings, _) = background::settle(recorder, dataset, settings, Stage::Reconstructing)?;
    let (solved, fallback) = run_solver(recorder, dataset, config, &settings, &Start::From(object), selected)?;
    if let (Some(first), Some(last)) = (solved.misfits.first(), solved.misfits.last()) {
        recorder.note(format!(
            "The object was polished in {} epochs ({:.1} s): misfit {first:.4} before, {last:.4} after.",
            solved.misfits.len(),
            began.elapsed().as_secs_f64()
        ));
    }
    Ok((solved, fallback))
}

/// Refines the object of a finished run on its dataset and writes it into a separate run folder.
pub(super) fn polish_run(
    recorder: &Recorder<'_>,
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
    apply_inference_settings(&mut config, settings)?;
    let dataset = load(recorder, &path, &config)?;
    let mut refined_dataset = dataset.clone();
    before.apply(&mut refined_dataset);
    let selected = select_device(recorder, &config)?;
    let target = RunFolder::create(output_dir, &path)?;
    if std::fs::canonicalize(target.path()).ok() == std::fs::canonicalize(folder).ok() {
        return Err(Error::BadInput(
            Problem::new("The polished object would overwrite the one it starts from")
                .hint("Choose another folder with --output-dir")
                .at(folder),
        ));
    }
    recorder.open_folder(&target)?;
    recorder.write(&target.config(), config.to_toml()?.as_bytes())?;
    let mut summary = new_summary(job, &dataset, &path, &selected, &target);
    summary.polished_from = Some(folder.to_path_buf());
    summary.consistency_r_before = consistency(&refined_dataset, &start).ok();
    recorder.emit(EventKind::Stage { stage: Stage::Reconstructing });
    let began = Instant::now();
    let (solved, fallback) = polish(recorder, &refined_dataset, &config, &start, &selected)?;
    if let Some(cpu) = fallback {
        summary.device = cpu.info;
    }
    summary.outcome = if solved.stopped { JobOutcome::Stopped } else { JobOutcome::Completed };
    summary.epochs = Some(solved.misfits.len());
    summary.infer_seconds = Some(began.elapsed().as_secs_f64());
    summary.final_train_loss = solved.misfits.last().copied();
    recorder.emit(EventKind::Stage { stage: Stage::Saving });
    let refined = solved.refined.after(before);
    save_object(recorder, &mut summary, &target, &dataset, solved.reconstruction, &refined)?;
    finish(recorder, summary, &target)
}

/// Path of the dataset of a run.
fn dataset_of(folder: &RunFolder) -> Result<PathBuf> {
    let path = folder.summary();
    let bytes = std::fs::read(&path).map_err(|error| Error::reading(&path, &error))?;
    let named = serde_json::from_slice::<serde_json::Value>(&bytes).ok();
    let named = named.as_ref().and_then(|summary| summary.pointer("/dataset/path")?.as_str());
    let Some(named) = named.map(PathBuf::from) else {
        return Err(Problem::new("The summary of the run does not name its dataset")
            .hint("Choose another run")
            .at(path)
            .into());
    };
    if named.exists() {
        return Ok(named);
    }
    Err(Problem::new("The dataset of the run does not exist")
        .hint("Move it back, or start the program in the folder in which the run was started")
        .at(named)
        .into())
}

/// Solves and reports progress. With `accelerator = auto` the faster of device and CPU is used. Second value: the CPU, if it was
/// used instead of the device.
fn run_solver(
    recorder: &Recorder<'_>,
    dataset: &Dataset,
    requested: &Config,
    config: &DirectConfig,
    start: &Start<'_>,
    selected: &Selected,
) -> Result<(Solution, Option<Selected>)> {
    let began = Instant::now();
    let mut reported: Option<Instant> = None;
    let mut epochs_done = 0;
    let mut on_progress = |share: f64, misfit: Option<f64>| {
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
        recorder.context().switch.wait_while_paused()
    };
    let mut pictures = Pictures { recorder, numbered: matches!(start, Start::Flat), epochs: 0, last: None };
    let mut sight = |make: &dyn Fn() -> Reconstruction| pictures.put(make);
    if selected.info.kind == AdapterKind::Cpu {
        // Burn's CPU backend is slower than the solver's own code.
        return Ok((direct::solve_seen(dataset, config, start, &mut on_progress, &mut sight)?, None));
    }
    let device = &selected.device;
    if requested.execution.accelerator != Accelerator::Auto {
        return Ok((direct::solve_on(device, dataset, config, start, &mut on_progress, &mut sight)?, None));
    }
    let (solved, speed) = direct::solve_on_faster(device, dataset, config, start, &mut on_progress, &mut sight)?;
    if speed >= 1.0 {
        return Ok((solved, None));
    }
    recorder.note(format!(
        "The direct solver ran on the CPU, which is {:.1} times as fast as {} for this dataset.",
        speed.recip(),
        selected.info.name
    ));
    Ok((solved, Some(device::select(Accelerator::Cpu)?)))
}

/// Live pictures of the object.
struct Pictures<'r, 'c> {
    recorder: &'r Recorder<'c>,
    /// True to number them by epoch; those of a polish follow the numbers of a training.
    numbered: bool,
    epochs: usize,
    last: Option<Instant>,
}

impl Pictures<'_, '_> {
    /// Takes a picture after an epoch, unless the last one is recent or none are wanted.
    fn put(&mut self, make: &dyn Fn() -> Reconstruction) {
        let context = self.recorder.context();
        self.epochs += 1;
        let due = self.last.is_none_or(|last| last.elapsed() >= PICTURE_INTERVAL);
        if !due || context.pace.get() == LivePace::Off {
            return;
        }
        let taken = self.numbered.then_some((self.epochs, self.epochs));
        context.pictures.put(picture_of(context.job(), taken, make()));
        context.wake();
        self.last = Some(Instant::now());
    }
}
