//! Training of a network: load, prepare, train, save, reconstruct.

use super::common::{fail_if_stopped, finish, new_summary, select_device};
use super::infer::NetworkReconstruction;
use super::probe;
use super::resume::{self, Unfinished};
use super::training_datasets::TrainingDatasets;
use crate::checkpoint::{
    self, Bundle, DatasetInfo, Destination, JobRecord, Manifest, RunFolder, RunLog, SavedTraining, Utc,
};
use crate::config::Config;
use crate::data::Dataset;
use crate::error::{Error, Problem, Result};
use crate::model::Weights;
use crate::train::{self, History, Outcome, Scaling, Start, Trained, TrainingData};
use crate::worker::device::Selected;
use crate::worker::live_preview::LivePreview;
use crate::worker::message::{AdapterKind, Control, EventKind, Job, Stage};
use crate::worker::recorder::Recorder;
use crate::worker::summary::{JobOutcome, Summary};
use crate::worker::training_observer::{Autosave, TrainingObserver};
use std::path::{Path, PathBuf};
use std::time::Instant;

/// A training as requested.
#[derive(Clone, Copy)]
struct Request<'a> {
    recorder: &'a Recorder<'a>,
    job: &'a Job,
    /// Path of the dataset.
    path: &'a Path,
    /// Path of the validation dataset.
    validation: Option<&'a Path>,
    output_dir: &'a Destination,
    /// True to reconstruct the dataset after training.
    reconstruct: bool,
    /// The interrupted training that is resumed.
    unfinished: Option<&'a Unfinished>,
}

/// A training that is ready to start.
pub(super) struct TrainingJob<'a> {
    request: Request<'a>,
    data: TrainingDatasets,
    /// Configuration as requested: a resumed run makes the same choices from it again.
    requested: Config,
    /// Configuration with all choices made, as saved in the bundle.
    config: Config,
    /// Initial weights, if the training starts from another model.
    start: Option<Weights>,
    scaling: Scaling,
    selected: Selected,
    folder: RunFolder,
}

/// A training that has ended.
struct EndedTraining {
    trained: Trained,
    /// Weights of the epoch with the lowest loss, and the history up to it.
    best: Option<(Weights, History)>,
    /// Paths of the loss logs.
    logs: Vec<PathBuf>,
}

impl<'a> TrainingJob<'a> {
    /// Runs a [`Job::Train`] or [`Job::Run`], or resumes an interrupted one.
    pub(super) fn run(recorder: &Recorder<'_>, job: &Job, unfinished: Option<&Unfinished>) -> Result<Summary> {
        let (Job::Train { dataset: path, validation, output_dir, config }
        | Job::Run { dataset: path, validation, output_dir, config }) = job
        else {
            return Err(Error::failed("This job trains nothing"));
        };
        let reconstruct = matches!(job, Job::Run { .. });
        let validation = validation.as_deref();
        let request = Request { recorder, job, path, validation, output_dir, reconstruct, unfinished };
        let (data, config) = TrainingJob::load(request, config)?;
        let mut training = TrainingJob::prepare(request, data, &config)?;
        let mut ended = training.train()?;
        if recorder.context().switch.get() == Control::Discard {
            return Ok(training.discard(&ended));
        }
        let mut summary = training.save(&mut ended)?;
        if reconstruct {
            training.reconstruct(&mut summary, &ended.trained)?;
        }
        training.finish(summary, &ended.trained)
    }

    /// Reads the datasets; gives them with the configuration, in which the memory limit is fixed.
    fn load(request: Request<'_>, config: &Config) -> Result<(TrainingDatasets, Config)> {
        config.validate()?;
        let mut config = config.clone();
        let data = TrainingDatasets::load(request.recorder, request.path, request.validation, &mut config)?;
        if let Some(unfinished) = request.unfinished {
            unfinished.check(&data.trained_on())?;
        }
        Ok((data, config))
    }

    /// Chooses network, device and run folder, and starts the stage of training.
    fn prepare(request: Request<'a>, data: TrainingDatasets, config: &Config) -> Result<Self> {
        let Request { recorder, unfinished, .. } = request;
        let (requested, start) = start_model(request, config, data.training_set())?;
        let (config, remarks) = train::adapt(&requested, &data.whole);
        for remark in remarks {
            recorder.note(format!("{remark}."));
        }
        data.report_labels(recorder, &config)?;
        let selected = select_device(recorder, &config)?;
        check_device(recorder, &selected, data.training_set(), &config)?;
        fail_if_stopped(recorder)?;
        let folder = RunFolder::create(request.output_dir, request.path)?;
        if unfinished.is_none() {
            recorder.open_folder(&folder)?;
            let record = JobRecord::new(request.path, request.validation, &requested, request.reconstruct)?;
            resume::begin(recorder, &folder, &record)?;
        }
        if let Some(found) = &data.found_probe {
            probe::save_trials(recorder, &folder, found)?;
        }
        if !unfinished.is_some_and(|unfinished| unfinished.same_config) {
            recorder.write(&folder.config(), requested.to_toml()?.as_bytes())?;
        }
        recorder.emit(EventKind::Stage { stage: Stage::Training });
        if let Some(unfinished) = unfinished {
            unfinished.replay_epochs(recorder);
        }
        let scaling = train::scaling_of(data.training_set(), &config)?;
        Ok(Self { request, data, requested, config, start, scaling, selected, folder })
    }

    /// Trains to the end, to a stop or to a NaN loss.
    fn train(&mut self) -> Result<EndedTraining> {
        let start = self.start.take();
        let this = &*self;
        let saved = this.request.unfinished.and_then(|unfinished| unfinished.saved.as_ref());
        let make_bundle = |weights: Weights, history: History, outcome: &str| this.bundle(weights, history, outcome);
        let (newest, history) = (this.folder.autosave(), this.folder.history());
        let autosave = Autosave {
            every: this.config.training.autosave_epochs,
            interval_s: this.config.training.autosave_interval_s,
            newest: &newest,
            history: &history,
            make_bundle: &make_bundle,
        };
        let live = LivePreview::new(this.data.training_set(), this.scaling, &this.config, &this.selected.device);
        let done = saved.and_then(|saved| saved.bundle.history.last()).map_or(0, |record| record.step);
        let log = RunLog::begin(this.folder.path(), &this.config.training, done)?;
        let logs: Vec<PathBuf> = log.iter().map(|log| log.path().to_path_buf()).collect();
        logs.iter().for_each(|path| this.request.recorder.report_file(path));
        let mut observer = TrainingObserver::new(this.request.recorder, autosave, live, log, saved);
        let start = match (saved.map(SavedTraining::resume), start) {
            (Some(resume), _) => Start::Resumed(Box::new(resume)),
            (None, Some(weights)) => Start::Trained(Box::new(weights)),
            (None, None) => Start::Untrained,
        };
        let load_part = |epoch: usize| this.data.load_part(this.request.path, &this.config, epoch);
        let datasets = this.data.trained_on();
        let material = TrainingData {
            datasets: &datasets,
            validation: this.data.validation.as_ref(),
            part: this.data.large.as_ref().map(|_| &load_part as &dyn Fn(usize) -> Result<Dataset>),
        };
        let device = &this.selected.device;
        let trained = train::train_datasets(start, &material, &this.config, device, &mut observer)?;
        Ok(EndedTraining { trained, best: observer.into_best(), logs })
    }

    /// Removes everything that a discarded training wrote.
    fn discard(&self, ended: &EndedTraining) -> Summary {
        let folder = &self.folder;
        self.request.recorder.discard(folder, &[folder.autosave(), folder.history(), folder.job()]);
        for parent in ended.logs.iter().filter_map(|path| path.parent()).flat_map(|path| path.ancestors().take(2)) {
            let _not_empty = std::fs::remove_dir(parent);
        }
        let _not_empty = std::fs::remove_dir(folder.path());
        let mut summary = self.summary(&ended.trained);
        summary.outcome = JobOutcome::Discarded;
        summary
    }

    /// Saves the trained model, the history and the best weights.
    fn save(&self, ended: &mut EndedTraining) -> Result<Summary> {
        let (recorder, trained) = (self.request.recorder, &ended.trained);
        if trained.steps == 0 {
            let hint = match trained.outcome {
                Outcome::Stopped => "It was stopped; nothing was trained",
                _ => "Give it more time with --time-budget or --epochs",
            };
            return Err(Error::Failed(
                Problem::new("Training ended before its first step, so there is no result to save").hint(hint),
            ));
        }
        // A request to stop the training has been met, also if it ended regularly at that moment; the reconstruction still
        // belongs to the result.
        let switch = &recorder.context().switch;
        if switch.get() == Control::Stop {
            switch.set(Control::Run);
        }
        recorder.emit(EventKind::Stage { stage: Stage::Saving });
        let outcome = JobOutcome::from(trained.outcome);
        let mut bundle = self.bundle(trained.weights.clone(), trained.history.clone(), outcome.name());
        bundle.manifest.steps = trained.steps;
        bundle.manifest.epochs = trained.epochs;
        let model = resume::save_model(recorder, &self.folder, &self.requested, &bundle)?;
        recorder.write(&self.folder.history(), trained.history.to_csv().as_bytes())?;
        if let Some((weights, history)) = ended.best.take() {
            let path = self.folder.best();
            self.bundle(weights, history, "best").save(&path)?;
            recorder.report_file(&path);
        }
        let mut summary = self.summary(trained);
        summary.model = Some(model);
        Ok(summary)
    }

    /// Reconstructs the dataset with the trained network; if stopped, the model remains the result.
    fn reconstruct(&self, summary: &mut Summary, trained: &Trained) -> Result<()> {
        let recorder = self.request.recorder;
        if trained.outcome == Outcome::Stopped {
            recorder.note("Training was stopped; the object is reconstructed with the network trained so far.");
        }
        let reconstruction = NetworkReconstruction {
            recorder,
            folder: &self.folder,
            dataset: &self.data.whole,
            weights: &trained.weights,
            config: &self.config,
            selected: &self.selected,
            large: self.data.large.as_ref(),
            refined: &self.data.refined,
        };
        let done = reconstruction.run(summary);
        if done.is_err() && recorder.context().switch.get().stops_now() {
            summary.outcome = JobOutcome::Stopped;
            recorder.note("The reconstruction was stopped; use the saved model with `ptychoscope infer`.");
            return Ok(());
        }
        done
    }

    /// Writes the summary and ends the record of the training.
    fn finish(&self, summary: Summary, trained: &Trained) -> Result<Summary> {
        let recorder = self.request.recorder;
        let stopped = trained.outcome == Outcome::Stopped;
        if stopped && self.folder.autosave().exists() {
            recorder.note(format!(
                "Resume the training from its last complete epoch with: ptychoscope train --resume {}",
                self.folder.path().display()
            ));
        }
        let summary = finish(recorder, summary, &self.folder)?;
        resume::end(&self.folder, stopped)?;
        Ok(summary)
    }

    /// Bundle of these weights, with the outcome for its manifest.
    fn bundle(&self, weights: Weights, history: History, outcome: &str) -> Bundle {
        let info = |dataset: &Dataset, path: &Path| DatasetInfo {
            path: path.display().to_string(),
            fingerprint: dataset.fingerprint.clone(),
            n: dataset.len(),
            patch_size: dataset.patch_size(),
        };
        let datasets = self.data.trained_on();
        let dataset = self.data.training_set();
        let device = &self.selected.info;
        let factor = self.scaling.probe_factor as f32;
        let last = history.last();
        Bundle {
            manifest: Manifest {
                format_version: checkpoint::FORMAT_VERSION,
                app_version: env!("CARGO_PKG_VERSION").to_owned(),
                created: Utc::now().to_string(),
                device: checkpoint::DeviceInfo {
                    name: device.name.clone(),
                    backend: device.backend.clone(),
                    driver: device.driver.clone(),
                    kind: device.kind.label().to_owned(),
                },
                reduced_capability: device.reduced_capability,
                dataset: info(dataset, self.request.path),
                further_datasets: datasets[1..].iter().map(|dataset| info(dataset, &dataset.path)).collect(),
                seeds: self.config.execution.seeds,
                scaling: self.scaling,
                steps: last.map_or(0, |record| record.step),
                epochs: last.map_or(0, |record| record.epoch),
                outcome: outcome.to_owned(),
                sha256: std::collections::BTreeMap::new(),
            },
            config: self.config.clone(),
            history,
            probe: train::trained_probe(&weights).unwrap_or_else(|| dataset.probe.mapv(|value| value * factor)),
            weights,
        }
    }

    /// Summary with the results of the training.
    fn summary(&self, trained: &Trained) -> Summary {
        let last = trained.history.last();
        Summary {
            outcome: trained.outcome.into(),
            steps: Some(trained.steps),
            epochs: Some(trained.epochs),
            train_seconds: Some(trained.seconds),
            patterns_per_second: Some(trained.patterns as f64 / trained.seconds.max(1e-9)),
            final_train_loss: last.map(|record| record.train_loss),
            val_loss: last.and_then(|record| record.val_loss),
            probe_search: self.data.found_probe.as_ref().map(|found| found.best),
            ..new_summary(self.request.job, &self.data.whole, self.request.path, &self.selected, &self.folder)
        }
    }
}

/// Fields of the model configuration that describe the training of the experiment, not the network.
const EXPERIMENT_FIELDS: [&str; 4] =
    ["model.probe_trainable", "model.probe_learning_rate", "model.intensity_scale_trainable", "model.position_jitter"];

/// Configuration and weights of the model that the training starts from; without such a model the configuration as it is. A
/// resumed training already has its weights and takes only the network.
fn start_model(request: Request<'_>, config: &Config, dataset: &Dataset) -> Result<(Config, Option<Weights>)> {
    let recorder = request.recorder;
    if config.training.start_from.is_empty() {
        return Ok((config.clone(), None));
    }
    let mut config = config.clone();
    if let Some(saved) = request.unfinished.and_then(|unfinished| unfinished.saved.as_ref()) {
        config.model = saved.bundle.config.model.clone();
        return Ok((config, None));
    }
    let path = PathBuf::from(&config.training.start_from);
    let path = if path.is_dir() { RunFolder::at(&path).model() } else { path };
    let bundle = Bundle::load(&path)?;
    let side = bundle.manifest.dataset.patch_size;
    if side != dataset.patch_size() {
        return Err(Problem::new(format!("The patterns have {n} × {n} pixels", n = dataset.patch_size()))
            .expected(format!("{side} × {side}, the size {} was trained on", path.display()))
            .hint("Crop or pad the patterns, or train a new model")
            .at(&dataset.path)
            .into());
    }
    let requested = config.clone();
    config.model = bundle.config.model.clone();
    for field in EXPERIMENT_FIELDS {
        config.set(field, &requested.get(field)?)?;
    }
    let replaced = config.differences(&requested)?;
    recorder.note(format!("The training starts from the network of {}.", path.display()));
    if !replaced.is_empty() {
        recorder.note(format!("Settings of its network: {}.", replaced.join(", ")));
    }
    let mut weights = bundle.weights;
    weights.0.retain(|name, _| !name.starts_with(crate::model::PHYSICS_PREFIX));
    Ok((config, Some(weights)))
}

/// Compares a device other than the CPU with the CPU before training; the first pass also compiles its kernels.
fn check_device(recorder: &Recorder<'_>, selected: &Selected, dataset: &Dataset, config: &Config) -> Result<()> {
    if selected.info.kind == AdapterKind::Cpu {
        return Ok(());
    }
    recorder.note(format!("Compiling GPU kernels on {} and verifying them against the CPU.", selected.info.name));
    let began = Instant::now();
    let agreement = train::verify_against_cpu(dataset, config, &selected.device)?;
    recorder.note(format!(
        "The device agrees with the CPU: loss to {:.0e}, gradient to {:.0e} ({:.1} s).",
        agreement.loss,
        agreement.gradient,
        began.elapsed().as_secs_f64()
    ));
    Ok(())
}
