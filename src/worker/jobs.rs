//! What each job does: read → train → save → reconstruct → write.
//!
//! Nothing is written before the input has been read and the device is there, so that bad input leaves no trace.

use super::device::{self, Selected};
use super::guard::guarded;
use super::live::{Live, picture_of};
use super::memory::{Large, Purpose};
use super::message::{AdapterKind, Control, DatasetSummary, EventKind, Job, Progress, Stage};
use super::recorder::Recorder;
use super::resuming::{self, Unfinished};
use super::solving;
use super::summary::{JobOutcome, Summary, SummaryDataset};
use super::watch::{Autosave, Watch};
use super::watching::Watching;
use super::{Context, message, simulating};
use crate::checkpoint::{
    self, Bundle, DatasetInfo, Destination, JobRecord, Manifest, RunFolder, RunLog, SavedTraining, Utc,
};
use crate::config::{Config, Method};
use crate::data::{self, Dataset, Reconstruction, Refined, Split};
use crate::error::{Error, Problem, Result};
use crate::imaging;
use crate::infer;
use crate::metrics;
use crate::model::Weights;
use crate::train::{self, History, Material, Outcome, Scaling, Start, Trained};
use std::borrow::Cow;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// Does a job to its end.
pub(super) fn perform(job: &Job, context: &Context<'_>) -> Result<Summary> {
    let recorder = Recorder::new(context);
    // A panic is caught here already, so that the log tells of it.
    let result = guarded(|| match job {
        Job::Run { dataset, output_dir, config, .. } if config.training.method == Method::Direct => {
            config.validate().and_then(|()| solving::solve(&recorder, job, dataset, output_dir, config))
        }
        Job::Train { config, .. } if config.training.method == Method::Direct => Err(Error::BadInput(
            Problem::new("The direct solver trains no network, so there is no model to keep")
                .hint("Use `ptychoscope run` with --method direct, or `train` without it"),
        )),
        Job::Train { .. } | Job::Run { .. } => training(&recorder, job, None),
        Job::Infer { model, dataset, output_dir, settings } => {
            inference(&recorder, job, model, dataset, output_dir, settings)
        }
        Job::Resume { folder, dataset, reconstruct, settings } => {
            resuming::take(&recorder, &RunFolder::at(folder), dataset.as_deref(), *reconstruct, settings)
                .and_then(|unfinished| training(&recorder, &unfinished.job, Some(&unfinished)))
        }
        Job::Polish { run, output_dir, settings } => solving::polish_run(&recorder, job, run, output_dir, settings),
        Job::Watch { model, folder, output_dir, settings, once, settle } => {
            let output_dir = output_dir.as_deref();
            Watching { model, folder, output_dir, settings, once: *once, settle: *settle }.run(&recorder)
        }
        Job::Simulate { output, sources, config } => simulating::simulation(&recorder, job, output, sources, config),
    });
    if let Err(error) = &result {
        recorder.log(&format!("failed: {error}"));
        resuming::after_failure(&recorder, job);
    }
    result
}

fn training(recorder: &Recorder<'_, '_>, job: &Job, unfinished: Option<&Unfinished>) -> Result<Summary> {
    let reconstruct = matches!(job, Job::Run { .. });
    let (Job::Train { dataset: path, validation, output_dir, config }
    | Job::Run { dataset: path, validation, output_dir, config }) = job
    else {
        return Err(Error::failed("This job trains nothing"));
    };
    config.validate()?;
    let large = Large::of(path, config, Purpose::Training)?;
    let mut pinned = config.as_ref().clone();
    if let Some(large) = &large {
        pinned.data.max_memory = Some(large.limit);
    }
    let config = &pinned;
    let whole = load_part(recorder, path, config, large.as_ref())?;
    if let Some(large) = &large {
        recorder.note(format!(
            "The network is trained on one part of {} patterns in each epoch, from about {} places of the scan; {} epochs \
             see all of them.",
            large.part_size(),
            large.places(),
            large.parts.len()
        ));
    }
    let beside = data::test_file(path).filter(|_| validation.is_none());
    let (dataset, validation_set) = match validation.as_deref().or(beside.as_deref()) {
        Some(path) => (None, Some(load_validation(recorder, path, config, &whole)?)),
        None if config.data.validation_fraction > 0.0 => {
            let split = held_back(whole.len(), config)?;
            recorder.note(format!("{} patterns are held back for the validation loss.", split.validation.len()));
            (Some(whole.subset(&split.train)), Some(whole.subset(&split.validation)))
        }
        None => (None, None),
    };
    let training_set = dataset.as_ref().unwrap_or(&whole);
    let further = further(recorder, config)?;
    let trained_on: Vec<&Dataset> = std::iter::once(training_set).chain(&further).collect();
    if let Some(unfinished) = unfinished {
        unfinished.check(&trained_on)?;
    }
    let (asked, start) = starting(recorder, config, training_set, unfinished)?;
    let asked = &asked;
    let (config, remarks) = train::adapt(asked, &whole);
    let config = &config;
    for remark in remarks {
        recorder.note(format!("{remark}."));
    }
    for source in trained_on.iter().copied().chain(validation_set.as_ref()).map(|set| train::check_labels(set, config))
    {
        if let Some(source) = source? {
            recorder.note(format!("The network learns from {source}."));
        }
    }
    let selected = choose_device(recorder, config)?;
    check_device(recorder, &selected, training_set, config)?;
    unless_stopped(recorder)?;
    let folder = RunFolder::create(output_dir, path)?;
    if unfinished.is_none() {
        recorder.open_folder(&folder)?;
        let record = JobRecord::new(path, validation.as_deref(), asked, reconstruct)?;
        resuming::begin(recorder, &folder, &record)?;
    }
    // What was asked for: it makes the same choices again. The bundle keeps what was decided.
    if !unfinished.is_some_and(|unfinished| unfinished.same_config) {
        recorder.write(&folder.config(), asked.to_toml()?.as_bytes())?;
    }

    recorder.emit(EventKind::Stage { stage: Stage::Training });
    let saved = unfinished.and_then(|unfinished| unfinished.saved.as_ref());
    if let Some(unfinished) = unfinished {
        unfinished.tell(recorder);
    }
    let scaling = train::scaling_of(training_set, config)?;
    let bundle_of = |weights: Weights, history: History, outcome: &str| {
        bundle(&trained_on, path, config, &selected, scaling, weights, history, outcome)
    };
    let (newest, history) = (folder.autosave(), folder.history());
    let autosave = Autosave {
        every: config.training.autosave_epochs,
        interval_s: config.training.autosave_interval_s,
        newest: &newest,
        history: &history,
        bundle: &bundle_of,
    };
    let live = Live::new(training_set, scaling, config, &selected.device);
    let done = saved.and_then(|saved| saved.bundle.history.last()).map_or(0, |record| record.step);
    let log = RunLog::begin(folder.path(), &config.training, done)?;
    let logged: Vec<PathBuf> = log.iter().map(|log| log.path().to_path_buf()).collect();
    logged.iter().for_each(|path| recorder.wrote(path));
    let mut watch = Watch::new(recorder, autosave, live, log, saved);
    let start = match (saved.map(SavedTraining::resume), start) {
        (Some(resume), _) => Start::Resumed(Box::new(resume)),
        (None, Some(weights)) => Start::Trained(Box::new(weights)),
        (None, None) => Start::Untrained,
    };
    let read_part = |epoch: usize| {
        let rows = large.as_ref().map_or(&[][..], |large| large.part(epoch));
        let part = Dataset::load_rows(path, &config.data, rows, Some(&whole.fingerprint))?;
        // What is held back of each part is never trained on.
        Ok(if dataset.is_some() { part.subset(&held_back(part.len(), config)?.train) } else { part })
    };
    let material = Material {
        datasets: &trained_on,
        validation: validation_set.as_ref(),
        part: large.as_ref().map(|_| &read_part as &dyn Fn(usize) -> Result<Dataset>),
    };
    let trained = train::train_material(start, &material, config, &selected.device, &mut watch)?;
    if recorder.context().switch.get() == Control::Discard {
        recorder.discard(&folder, &[newest, history, folder.job()]);
        for place in logged.iter().filter_map(|path| path.parent()).flat_map(|place| place.ancestors().take(2)) {
            let _not_empty = std::fs::remove_dir(place);
        }
        let _not_empty = std::fs::remove_dir(folder.path());
        let mut summary = summary_of(job, &whole, path, &selected, &folder);
        fill_training(&mut summary, &trained);
        summary.outcome = JobOutcome::Discarded;
        return Ok(summary);
    }
    if trained.steps == 0 {
        let hint = match trained.outcome {
            Outcome::Stopped => "It was stopped; nothing was trained",
            _ => "Give it more time with --time-budget or --epochs",
        };
        return Err(Error::Failed(
            Problem::new("Training ended before its first step, so there is no result to keep").hint(hint),
        ));
    }

    // A wish to stop the training has been met, also where it ended by itself at that moment; the picture of what was learnt
    // is part of the result.
    let switch = &recorder.context().switch;
    if switch.get() == Control::Stop {
        switch.set(Control::Run);
    }
    recorder.emit(EventKind::Stage { stage: Stage::Saving });
    let mut complete = bundle_of(trained.weights.clone(), trained.history.clone(), outcome_name(trained.outcome));
    complete.manifest.steps = trained.steps;
    complete.manifest.epochs = trained.epochs;
    let model = resuming::keep_model(recorder, &folder, asked, &complete)?;
    recorder.write(&history, trained.history.to_csv().as_bytes())?;
    if let Some((weights, history)) = watch.into_best() {
        let best = folder.best();
        bundle_of(weights, history, "best").save(&best)?;
        recorder.wrote(&best);
    }

    let mut summary = summary_of(job, &whole, path, &selected, &folder);
    summary.model = Some(model);
    fill_training(&mut summary, &trained);
    if reconstruct {
        if trained.outcome == Outcome::Stopped {
            recorder.note("Training was stopped; the object is reconstructed with what was learnt so far.");
        }
        let done = reconstruct_into(
            recorder,
            &mut summary,
            &folder,
            &whole,
            &trained.weights,
            config,
            &selected,
            large.as_ref(),
        );
        if recorder.context().switch.get().ends_now() && done.is_err() {
            summary.outcome = JobOutcome::Stopped;
            recorder.note("The reconstruction was stopped; the trained model is kept, `ptychoscope infer` takes it.");
        } else {
            done?;
        }
    }
    let stopped = trained.outcome == Outcome::Stopped;
    if stopped && newest.exists() {
        recorder.note(format!(
            "The training can go on from its last whole epoch: ptychoscope train --resume {}",
            folder.path().display()
        ));
    }
    let summary = finish(recorder, summary, &folder)?;
    resuming::end(&folder, stopped)?;
    Ok(summary)
}

/// Which patterns of so many are trained on and which are held back.
fn held_back(count: usize, config: &Config) -> Result<Split> {
    data::split(count, config.data.validation_fraction, config.execution.seeds.subsample)
}

/// The further datasets of a training, each read as the first.
fn further(recorder: &Recorder<'_, '_>, config: &Config) -> Result<Vec<Dataset>> {
    let read = |path: &Path| {
        let dataset = Dataset::load(path, &config.data, config.execution.seeds.subsample)?;
        recorder.note(format!("The network learns from {} patterns of {}, too.", dataset.len(), path.display()));
        dataset.notes.iter().for_each(|note| recorder.note(note));
        Ok(dataset)
    };
    config.data.further().map(read).collect()
}

/// Fields of the network's configuration that say how the experiment is trained, not what the network is.
const OF_THE_EXPERIMENT: [&str; 4] =
    ["model.probe_trainable", "model.probe_learning_rate", "model.intensity_scale_trainable", "model.position_jitter"];

/// The configuration with the network of the model that the training begins with, and its weights; without such a model as
/// it is. A training that goes on has its weights, and only the network is taken.
fn starting(
    recorder: &Recorder<'_, '_>,
    config: &Config,
    dataset: &Dataset,
    unfinished: Option<&Unfinished>,
) -> Result<(Config, Option<Weights>)> {
    if config.training.start_from.is_empty() {
        return Ok((config.clone(), None));
    }
    let mut config = config.clone();
    if let Some(saved) = unfinished.and_then(|unfinished| unfinished.saved.as_ref()) {
        config.model = saved.bundle.config.model.clone();
        return Ok((config, None));
    }
    let path = PathBuf::from(&config.training.start_from);
    let path = if path.is_dir() { RunFolder::at(&path).model() } else { path };
    let bundle = Bundle::load(&path)?;
    let side = bundle.manifest.dataset.patch_size;
    if side != dataset.patch_size() {
        return Err(Problem::new(format!("The patterns have {n} × {n} pixels", n = dataset.patch_size()))
            .expected(format!("{side} × {side}, on which {} was trained", path.display()))
            .hint("Crop or pad the patterns, or train anew")
            .at(&dataset.path)
            .into());
    }
    let asked = config.clone();
    config.model = bundle.config.model.clone();
    for field in OF_THE_EXPERIMENT {
        config.set(field, &asked.get(field)?)?;
    }
    let replaced = config.differences(&asked)?;
    recorder.note(format!("The training begins with the network of {}.", path.display()));
    if !replaced.is_empty() {
        recorder.note(format!("Its network is {}.", replaced.join(", ")));
    }
    let mut weights = bundle.weights;
    weights.0.retain(|name, _| !name.starts_with(crate::model::PHYSICS_PREFIX));
    Ok((config, Some(weights)))
}

fn inference(
    recorder: &Recorder<'_, '_>,
    job: &Job,
    model: &Path,
    path: &Path,
    output_dir: &Destination,
    settings: &[(String, String)],
) -> Result<Summary> {
    let bundle = Bundle::load(model)?;
    let mut config = bundle.config.clone();
    // Which patterns the training used says nothing about which ones shall be reconstructed.
    config.data.n_subsample = None;
    config.data.n_groups = None;
    config.data.max_memory = None;
    set_for_inference(&mut config, settings)?;
    let large = Large::of(path, &config, Purpose::Inference)?;
    let dataset = load_part(recorder, path, &config, large.as_ref())?;
    if dataset.patch_size() != bundle.manifest.dataset.patch_size {
        return Err(Error::BadInput(
            Problem::new(format!("The patterns have {n} × {n} pixels", n = dataset.patch_size()))
                .expected(format!("{n} × {n}, on which the model was trained", n = bundle.manifest.dataset.patch_size))
                .hint("Crop or pad the patterns, or train a model for this size")
                .at(path),
        ));
    }
    let selected = choose_device(recorder, &config)?;
    unless_stopped(recorder)?;
    let folder = RunFolder::create(output_dir, path)?;
    recorder.open_folder(&folder)?;
    recorder.write(&folder.config(), config.to_toml()?.as_bytes())?;
    let mut summary = summary_of(job, &dataset, path, &selected, &folder);
    summary.model = Some(model.to_path_buf());
    reconstruct_into(recorder, &mut summary, &folder, &dataset, &bundle.weights, &config, &selected, large.as_ref())?;
    let count = large.map_or(dataset.len(), |large| large.count);
    summary.patterns_per_second = summary.infer_seconds.map(|s| count as f64 / s.max(1e-9));
    finish(recorder, summary, &folder)
}

/// Sets what an inference may set, and checks the whole.
pub(super) fn set_for_inference(config: &mut Config, settings: &[(String, String)]) -> Result<()> {
    for (field, value) in settings {
        if !message::settable_in_inference(field) {
            return Err(Error::BadInput(
                Problem::new(format!("{field} cannot be set for inference"))
                    .hint("It is that of the bundle or the run; leave it out"),
            ));
        }
        config.set(field, value)?;
    }
    config.validate()
}

pub(super) fn load(recorder: &Recorder<'_, '_>, path: &Path, config: &Config) -> Result<Dataset> {
    recorder.emit(EventKind::Stage { stage: Stage::Loading });
    let dataset = Dataset::load(path, &config.data, config.execution.seeds.subsample)?;
    tell_of(recorder, &dataset);
    Ok(dataset)
}

fn tell_of(recorder: &Recorder<'_, '_>, dataset: &Dataset) {
    recorder.emit(EventKind::Dataset(DatasetSummary {
        path: dataset.path.clone(),
        n: dataset.len(),
        side: dataset.patch_size(),
        probe_modes: dataset.probe.dim().0,
        has_object: dataset.object.is_some(),
        fingerprint: dataset.fingerprint.clone(),
    }));
    for note in &dataset.notes {
        recorder.note(note);
    }
}

/// As [`load`]; of a `large` dataset as many patterns as fit into memory.
fn load_part(recorder: &Recorder<'_, '_>, path: &Path, config: &Config, large: Option<&Large>) -> Result<Dataset> {
    let Some(large) = large else { return load(recorder, path, config) };
    recorder.emit(EventKind::Stage { stage: Stage::Loading });
    let dataset = Dataset::load_rows(path, &config.data, large.part(0), None)?;
    tell_of(recorder, &dataset);
    recorder.note(format!(
        "More than {} would be needed for all {} patterns at once: an object is reconstructed from all of them, {} at a \
         time, and judged on {}.",
        large.granted,
        large.count,
        large.at_once.min(large.count),
        dataset.len(),
    ));
    Ok(dataset)
}

fn load_validation(recorder: &Recorder<'_, '_>, path: &Path, config: &Config, dataset: &Dataset) -> Result<Dataset> {
    let validation = Dataset::load(path, &config.data, config.execution.seeds.subsample)?;
    if validation.patch_size() != dataset.patch_size() {
        return Err(Error::BadInput(
            Problem::new(format!("The validation patterns have {n} × {n} pixels", n = validation.patch_size()))
                .expected(format!("{n} × {n} as the training patterns", n = dataset.patch_size()))
                .at(path),
        ));
    }
    recorder.note(format!("The validation loss is computed on {} patterns of {}.", validation.len(), path.display()));
    Ok(validation)
}

/// Ends a job that was stopped before anything was written.
fn unless_stopped(recorder: &Recorder<'_, '_>) -> Result<()> {
    match recorder.context().switch.get() {
        Control::Stop | Control::Discard => Err(Error::failed("Stopped before the work began; nothing was written")),
        Control::Run | Control::Pause | Control::StopAfterEpoch => Ok(()),
    }
}

pub(super) fn choose_device(recorder: &Recorder<'_, '_>, config: &Config) -> Result<Selected> {
    let selected = device::select(config.execution.accelerator)?;
    recorder.emit(EventKind::Device(selected.info.clone()));
    for note in &selected.notes {
        recorder.note(note);
    }
    Ok(selected)
}

/// Compares a device other than the CPU with it before it trains; the first pass also prepares its kernels.
fn check_device(recorder: &Recorder<'_, '_>, selected: &Selected, dataset: &Dataset, config: &Config) -> Result<()> {
    if selected.info.kind == AdapterKind::Cpu {
        return Ok(());
    }
    recorder.note(format!("{} prepares its kernels and is compared with the CPU.", selected.info.name));
    let began = Instant::now();
    let agreement = train::agrees_with_cpu(dataset, config, &selected.device)?;
    recorder.note(format!(
        "It agrees with the CPU: loss to {:.0e}, gradient to {:.0e} ({:.1} s).",
        agreement.loss,
        agreement.gradient,
        began.elapsed().as_secs_f64()
    ));
    Ok(())
}

fn outcome_name(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Completed => "completed",
        Outcome::Stopped => "stopped",
        Outcome::RestoredAfterNan => "restored_after_nan",
    }
}

#[allow(clippy::too_many_arguments)]
fn bundle(
    datasets: &[&Dataset],
    path: &Path,
    config: &Config,
    selected: &Selected,
    scaling: Scaling,
    weights: Weights,
    history: History,
    outcome: &str,
) -> Bundle {
    let dataset = datasets[0];
    let info = |dataset: &Dataset, path: &Path| DatasetInfo {
        path: path.display().to_string(),
        fingerprint: dataset.fingerprint.clone(),
        n: dataset.len(),
        patch_size: dataset.patch_size(),
    };
    let factor = scaling.probe_factor as f32;
    let last = history.last();
    Bundle {
        manifest: Manifest {
            format_version: checkpoint::FORMAT_VERSION,
            app_version: env!("CARGO_PKG_VERSION").to_owned(),
            created: Utc::now().to_string(),
            device: checkpoint::DeviceInfo {
                name: selected.info.name.clone(),
                backend: selected.info.backend.clone(),
                driver: selected.info.driver.clone(),
                kind: selected.info.kind.label().to_owned(),
            },
            reduced_capability: selected.info.reduced_capability,
            dataset: info(dataset, path),
            further_datasets: datasets[1..].iter().map(|dataset| info(dataset, &dataset.path)).collect(),
            seeds: config.execution.seeds,
            scaling,
            steps: last.map_or(0, |record| record.step),
            epochs: last.map_or(0, |record| record.epoch),
            outcome: outcome.to_owned(),
            sha256: std::collections::BTreeMap::new(),
        },
        config: config.clone(),
        history,
        probe: train::trained_probe(&weights).unwrap_or_else(|| dataset.probe.mapv(|value| value * factor)),
        weights,
    }
}

pub(super) fn summary_of(
    job: &Job,
    dataset: &Dataset,
    path: &Path,
    selected: &Selected,
    folder: &RunFolder,
) -> Summary {
    Summary {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        command: job.name().to_owned(),
        device: selected.info.clone(),
        reduced_capability: selected.info.reduced_capability,
        dataset: SummaryDataset {
            path: path.to_path_buf(),
            fingerprint: dataset.fingerprint.clone(),
            n: dataset.len(),
            side: dataset.patch_size(),
        },
        config: folder.config(),
        ..Summary::default()
    }
}

fn fill_training(summary: &mut Summary, trained: &Trained) {
    summary.outcome = match trained.outcome {
        Outcome::Completed => JobOutcome::Completed,
        Outcome::Stopped => JobOutcome::Stopped,
        Outcome::RestoredAfterNan => JobOutcome::RestoredAfterNan,
    };
    summary.steps = Some(trained.steps);
    summary.epochs = Some(trained.epochs);
    summary.train_seconds = Some(trained.seconds);
    summary.patterns_per_second = Some(trained.patterns as f64 / trained.seconds.max(1e-9));
    summary.final_train_loss = trained.history.last().map(|record| record.train_loss);
    summary.val_loss = trained.history.last().and_then(|record| record.val_loss);
}

/// Predicts, stitches, scores and writes object and pictures. Of a `large` dataset, `dataset` is the part that it is scored on.
#[allow(clippy::too_many_arguments)]
fn reconstruct_into(
    recorder: &Recorder<'_, '_>,
    summary: &mut Summary,
    folder: &RunFolder,
    dataset: &Dataset,
    weights: &Weights,
    config: &Config,
    selected: &Selected,
    large: Option<&Large>,
) -> Result<()> {
    recorder.emit(EventKind::Stage { stage: Stage::Reconstructing });
    let started = Instant::now();
    let scaling = train::scaling_of(dataset, config)?;
    let count = large.map_or(dataset.len(), |large| large.count);
    let mut watch = |fraction: f64| {
        let elapsed_s = started.elapsed().as_secs_f64();
        recorder.emit(EventKind::Progress(Progress {
            fraction,
            patterns_per_second: (elapsed_s > 0.0).then(|| fraction * count as f64 / elapsed_s),
            elapsed_s,
            remaining_s: (fraction > 0.0).then(|| elapsed_s * (1.0 - fraction) / fraction),
            ..Progress::default()
        }));
        recorder.context().switch.get()
    };
    let device = &selected.device;
    let reconstruction = match large {
        None => infer::reconstruct(dataset, weights, &scaling, config, device, &mut watch)?,
        Some(&Large { count, at_once, .. }) => infer::in_parts(count, at_once, &mut |range| {
            let (first, length) = (range.start as f64, range.len() as f64);
            let mut within = |share: f64| watch((first + share * length) / count as f64);
            let rows: Vec<usize> = range.collect();
            let part = Dataset::load_rows(&dataset.path, &config.data, &rows, Some(&dataset.fingerprint))?;
            infer::reconstruct(&part, weights, &scaling, config, device, &mut within)
        })?,
    };
    if large.is_some() && config.inference.polish_epochs > 0 {
        recorder.note("The object was not polished: that takes all patterns in memory at once.");
    }
    // In the dataset's units, so that it belongs to the object.
    let trained = train::trained_probe(weights).filter(|probe| probe.dim().1 == dataset.patch_size());
    let back = scaling.probe_factor.recip() as f32;
    let before = Refined { probe: trained.map(|probe| probe.mapv(|value| value * back)), ..Refined::default() };
    let kept = if config.inference.polish_epochs > 0 && large.is_none() {
        let mut seen = Cow::Borrowed(dataset);
        if !before.is_empty() {
            before.apply(seen.to_mut());
        }
        summary.consistency_r_before = consistency(&seen, &reconstruction).ok();
        let (solved, _) = solving::polish(recorder, &seen, config, &reconstruction, selected)?;
        if solved.stopped {
            summary.outcome = JobOutcome::Stopped;
        }
        (solved.reconstruction, solved.refined.after(before))
    } else {
        (reconstruction, before)
    };
    summary.infer_seconds = Some(started.elapsed().as_secs_f64());

    recorder.emit(EventKind::Stage { stage: Stage::Saving });
    keep_object(recorder, summary, folder, dataset, kept.0, &kept.1)
}

/// Scores an object, with what was refined beside it, and writes it with its pictures.
pub(super) fn keep_object(
    recorder: &Recorder<'_, '_>,
    summary: &mut Summary,
    folder: &RunFolder,
    dataset: &Dataset,
    reconstruction: Reconstruction,
    refined: &Refined,
) -> Result<()> {
    let change = refined.change(dataset);
    summary.probe_change = change.probe;
    summary.position_shift_rms_px = change.shift_px.map(|(rms, _)| rms);
    summary.position_shift_max_px = change.shift_px.map(|(_, most)| most);
    summary.intensity_spread = change.intensity;
    if refined.is_empty() {
        score(recorder, summary, dataset, &reconstruction);
    } else {
        let mut seen = dataset.clone();
        refined.apply(&mut seen);
        score(recorder, summary, &seen, &reconstruction);
    }
    reconstruction.save_with(refined, &folder.reconstruction())?;
    recorder.wrote(&folder.reconstruction());
    let covered = imaging::covered_mask(reconstruction.coverage.view(), imaging::COVERED_FRACTION);
    let object = reconstruction.object.view();
    recorder.write(&folder.amplitude_png(), &imaging::amplitude_png(object, covered.view())?)?;
    recorder.write(&folder.phase_png(), &imaging::phase_png(object, covered.view())?)?;
    recorder.context().pictures.put(picture_of(recorder.context().job(), None, reconstruction));
    Ok(())
}

/// Σ(|F| − √I)² / ΣI of an object against the data.
pub(super) fn consistency(dataset: &Dataset, reconstruction: &Reconstruction) -> Result<f64> {
    metrics::consistency_r(
        reconstruction.object.view(),
        reconstruction.origin_xy,
        dataset.probe.view(),
        dataset.diffraction.view(),
        &dataset.positions,
        dataset.mask.as_ref().map(|mask| mask.view()),
    )
}

/// Misfit to the data, and correlation with the file's object; a score that cannot be had is a note.
fn score(recorder: &Recorder<'_, '_>, summary: &mut Summary, dataset: &Dataset, reconstruction: &Reconstruction) {
    let object = reconstruction.object.view();
    match consistency(dataset, reconstruction) {
        Ok(r) => summary.consistency_r = Some(r),
        Err(error) => recorder.note(format!("The misfit to the data could not be computed. {error}")),
    }
    let Some(truth) = &dataset.object else { return };
    let finite = |value: f64| value.is_finite().then_some(value);
    match metrics::phase_correlation(object, reconstruction.origin_xy, truth.view(), &dataset.positions) {
        Ok(correlation) => {
            summary.phase_correlation = finite(correlation.phase);
            summary.amplitude_correlation = finite(correlation.amplitude);
        }
        Err(error) => recorder.note(format!("The result could not be compared with the file's object. {error}")),
    }
}

/// Writes `summary.json`, last of all.
pub(super) fn finish(recorder: &Recorder<'_, '_>, mut summary: Summary, folder: &RunFolder) -> Result<Summary> {
    let path: PathBuf = folder.summary();
    summary.notes = recorder.notes();
    summary.files = recorder.files();
    summary.files.extend([path.clone(), folder.log()]);
    let json = serde_json::to_vec_pretty(&summary)
        .map_err(|error| Error::failed(format!("The summary cannot be written as JSON ({error})")))?;
    recorder.write(&path, &json)?;
    recorder.log("done");
    Ok(summary)
}
