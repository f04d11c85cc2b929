//! The training loop.

use super::batch::ResidentPatterns;
use super::budget::Budget;
use super::experiment::TrainableExperiment;
use super::forward::{ForwardModel, LossWeights};
use super::jitter;
use super::optimizer::{GradientAccumulator, GradientClip, OptimizerRules, OptimizerState};
use super::prepare::{prepare, scaling_of};
use super::schedule::{has_stalled, learning_rate, warmup};
use super::sets::{TrainingSet, TrainingSets};
use super::teacher::teacher;
use super::trainer::{Outcome, Start, Trained};
use super::{
    Control, EpochRecord, History, Observer, Progress, Resume, Scaling, Snapshot, TrainingData, TrainingPosition,
    TrainingState,
};
use crate::config::{Config, TrainingConfig};
use crate::data::{self, Dataset};
use crate::error::{Error, Problem, Result};
use crate::kernels;
use crate::model::{Network, Weights};
use crate::physics;
use burn::tensor::{Device, Tensor};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use std::time::{Duration, Instant};

/// Shortest time between two reads of the loss from the device.
const REPORT_INTERVAL: Duration = Duration::from_millis(200);

/// Prefix of the names of the encoder's parameters.
const ENCODER: &str = "encoder.";

/// Parameters of the network, and those of the experiment.
type Parameters = (Tensor<1>, Vec<Tensor<1>>);

/// A training between two steps.
pub(super) struct Training<'a> {
    config: &'a Config,
    data: TrainingData<'a>,
    /// Device with autodiff.
    device: Device,
    sets: TrainingSets,
    validation: Option<(ResidentPatterns, ForwardModel)>,
    /// Scaling of the first dataset.
    scaling: Scaling,
    network: Network,
    optimizer: OptimizerState,
    experiment: TrainableExperiment,
    clip: GradientClip,
    /// For each parameter whether it is trained while the encoder is frozen.
    outside_encoder: Vec<bool>,
    accumulator: GradientAccumulator,
    batch_size: usize,
    steps_per_epoch: usize,
    shuffle: ChaCha8Rng,
    /// Groups of all datasets in the order of the latest free shuffle.
    order: Vec<usize>,
    resumed: bool,
    budget: Budget,
    history: History,
    steps: usize,
    epochs: usize,
    patterns: usize,
    /// Parameters with which a finite loss was computed; those of the latest step may already be bad.
    last_good: Parameters,
    reported: Instant,
}

/// The epoch in progress.
struct Epoch {
    weights: LossWeights,
    fine_tuning: bool,
    learning_rate: f64,
    /// Losses, (1,) each, that are still on the device: they are read together, at intervals.
    unread: Vec<Tensor<1>>,
    loss_sum: f64,
    /// Number of losses in the sum.
    losses: usize,
}

impl Epoch {
    /// Adds losses one by one: the sum must not depend on when they are read.
    fn add(&mut self, losses: &[f64]) {
        losses.iter().for_each(|loss| self.loss_sum += loss);
        self.losses += losses.len();
    }
}

impl<'a> Training<'a> {
    /// Uploads the data and builds network, experiment and optimizer.
    ///
    /// # Errors
    /// Data, starting point and configuration do not match, or the device fails.
    pub(super) fn begin(start: Start, data: TrainingData<'a>, config: &'a Config, device: &Device) -> Result<Self> {
        let TrainingData { datasets, validation, .. } = data;
        let Some(dataset) = datasets.first().copied() else {
            return Err(Error::bad_input("There is no dataset to train on"));
        };
        let settings = &config.training;
        check_length(settings)?;
        kernels::keep_freed_memory();
        let scaling = scaling_of(dataset, config)?;
        let autodiff = device.clone().autodiff();
        let sets = TrainingSets::new(datasets, config, &autodiff)?;
        let upload = |set: &Dataset| -> Result<_> {
            let (patterns, largest) = prepare(set, config, &scaling, device)?;
            Ok((patterns, ForwardModel::new(set, config, &scaling, largest, device)))
        };
        let validation = validation.map(upload).transpose()?;
        let budget = Budget::new(settings);
        let resumed = matches!(start, Start::Resumed(_));
        let (weights, saved) = match start {
            Start::Untrained => (sets.untrained(datasets, config)?, None),
            Start::Trained(weights) => (*weights, None),
            Start::Resumed(saved) => {
                saved.check(sets.len())?;
                let Resume { weights, state, history } = *saved;
                (weights, Some((state, history)))
            }
        };
        let network = Network::from_weights(&weights, dataset.patch_size(), &config.model, device)?;
        let parameters = network.flat_parameters();
        let (optimizer, of_experiment, saved) = match saved {
            None => (OptimizerState::new(parameters), None, None),
            Some((TrainingState { mut moments, position }, history)) => {
                let own = network.parameter_count();
                let of_experiment = moments.each_mut().map(|all| all.split_off(own.min(all.len())));
                let optimizer = OptimizerState::resumed(parameters, moments, position.optimizer_steps)?;
                (optimizer, Some((&weights, of_experiment, position.experiment_steps)), Some((position, history)))
            }
        };
        let experiment = TrainableExperiment::new(dataset, config, &scaling, of_experiment, device)?;
        let optimizer = optimizer.with_rules(OptimizerRules::of(settings));
        let names = network.parameter_names();
        let batch_size = settings.batch_size.clamp(1, sets.len().max(1));
        let mut training = Self {
            config,
            data,
            device: autodiff,
            validation,
            scaling,
            last_good: (optimizer.parameters().clone(), experiment.parameters()),
            network,
            optimizer,
            experiment,
            clip: GradientClip::of(settings, names.iter().map(|(_, size)| *size).collect()),
            outside_encoder: names
                .iter()
                .flat_map(|(name, size)| std::iter::repeat_n(!name.starts_with(ENCODER), *size))
                .collect(),
            accumulator: GradientAccumulator::default(),
            batch_size,
            steps_per_epoch: sets.steps(batch_size),
            shuffle: ChaCha8Rng::seed_from_u64(config.execution.seeds.shuffle),
            order: (0..sets.len()).collect(),
            sets,
            resumed,
            budget,
            history: History::default(),
            steps: 0,
            epochs: 0,
            patterns: 0,
            reported: Instant::now(),
        };
        if let Some((position, history)) = saved {
            training.restore(position, history);
        }
        Ok(training)
    }

    /// Restores the position of an interrupted training.
    fn restore(&mut self, position: TrainingPosition, history: History) {
        (self.steps, self.epochs, self.patterns) = (position.steps, position.epochs, position.patterns);
        self.order = position.order;
        self.shuffle.set_word_pos(position.shuffle_words);
        self.history = history;
        self.budget.resume(position.seconds);
    }

    /// Trains until the planned epochs or the time budget are used up, the observer stops it, or the loss diverges.
    ///
    /// # Errors
    /// The device fails, a part cannot be read, or the training is stopped before its first step.
    pub(super) fn run(mut self, observer: &mut dyn Observer) -> Result<Trained> {
        while self.fraction() < 1.0 {
            if let Some(outcome) = self.epoch(observer)? {
                return self.finish(outcome, observer);
            }
        }
        self.finish(Outcome::Completed, observer)
    }

    /// Trains for one epoch; returns how the training ended, or `None` if it continues.
    fn epoch(&mut self, observer: &mut dyn Observer) -> Result<Option<Outcome>> {
        let part = self.load_part()?;
        if !self.provide_teacher(part.as_ref(), observer)? {
            if self.steps == 0 {
                return Err(Error::failed("Training was stopped before its first step"));
            }
            return Ok(Some(Outcome::Stopped));
        }
        drop(part);
        let mut epoch = self.begin_epoch();
        let spatial = epoch.weights.overlap > 0.0;
        let batches = self.sets.batches(self.batch_size, spatial, &mut self.order, &mut self.shuffle);
        let mut ended = None;
        for (set, groups) in &batches {
            if self.fraction() >= 1.0 {
                ended = Some(Outcome::Completed);
                break;
            }
            if !self.budget.wait_while_paused(observer) {
                ended = Some(Outcome::Stopped);
                break;
            }
            let parameters = self.step(*set, groups, &mut epoch);
            let epoch_done = self.steps.is_multiple_of(self.steps_per_epoch);
            if (epoch_done || self.reported.elapsed() >= REPORT_INTERVAL)
                && !self.report(parameters, &mut epoch, observer)?
            {
                return Ok(Some(Outcome::RestoredAfterNan));
            }
        }
        // The remaining batches of an incomplete accumulation make a step, too.
        if let Some(gradient) = self.accumulator.take_mean() {
            self.update(gradient, epoch.learning_rate);
        }
        let losses = read_all(&mut epoch.unread)?;
        epoch.add(&losses);
        if epoch.losses == 0 {
            return Ok(Some(ended.unwrap_or(Outcome::Completed)));
        }
        self.finish_epoch(&epoch, ended, observer)
    }

    /// Replaces the first dataset by its next part, if it is read part by part.
    fn load_part(&mut self) -> Result<Option<Dataset>> {
        match self.data.part {
            Some(load) if self.epochs > 0 => {
                self.sets.replace_part(|| load(self.epochs), self.config, &self.device).map(Some)
            }
            _ => Ok(None),
        }
    }

    /// Computes the missing teachers, if the epoch needs any; false if the observer stopped the training meanwhile.
    ///
    /// * `part`: part of the first dataset loaded for this epoch.
    fn provide_teacher(&mut self, part: Option<&Dataset>, observer: &mut dyn Observer) -> Result<bool> {
        // A resumed run past the teacher phase does not need the teacher.
        if self.loss_weights().teacher <= 0.0 || self.sets.0.iter().all(|set| set.patterns.has_teacher()) {
            return Ok(true);
        }
        let seconds = self.budget.elapsed();
        let datasets = part.into_iter().chain(self.data.datasets.iter().copied().skip(usize::from(part.is_some())));
        for (dataset, set) in datasets.zip(&mut self.sets.0).filter(|(_, set)| !set.patterns.has_teacher()) {
            let (remaining, announce) = (self.budget.remaining(), part.is_none());
            let Some(patches) = teacher(dataset, self.config, &set.scaling, remaining, announce, observer)? else {
                return Ok(false);
            };
            set.patterns.set_teacher(patches.view());
        }
        if self.resumed && part.is_none() {
            // The time of the teacher was counted before the interruption.
            self.budget.resume(seconds);
        }
        Ok(true)
    }

    /// Sets what is trained in this epoch and with which loss.
    fn begin_epoch(&mut self) -> Epoch {
        let settings = &self.config.training;
        let weights = self.loss_weights();
        let fine_tuning = settings.planned_epochs().is_some_and(|planned| self.epochs >= planned);
        let frozen_encoder = settings.freeze_encoder || fine_tuning;
        self.optimizer.train_only(frozen_encoder.then_some(&self.outside_encoder[..]));
        if weights.teacher <= 0.0 {
            self.sets.0.iter_mut().for_each(|set| set.patterns.clear_teacher());
        }
        let learning_rate = settings.learning_rate;
        Epoch { weights, fine_tuning, learning_rate, unread: Vec::new(), loss_sum: 0.0, losses: 0 }
    }

    /// Trains on one batch of a dataset; returns the parameters with which the loss was computed.
    fn step(&mut self, set: usize, groups: &[usize], epoch: &mut Epoch) -> Parameters {
        let settings = &self.config.training;
        let TrainingSet { patterns, forward, .. } = &self.sets.0[set];
        epoch.learning_rate = if epoch.fine_tuning {
            settings.learning_rate * settings.fine_tune_gamma
        } else {
            learning_rate(settings, self.planned_fraction(), &self.history) * warmup(self.steps, settings.warmup_steps)
        };
        let differentiated = self.network.clone().require_grad();
        let jitter =
            jitter::of_step(self.config.model.position_jitter, self.config.execution.seeds.shuffle, self.steps);
        let batch = patterns.batch_with_jitter(groups, jitter);
        let loss = self.experiment.forward_with_grad(forward).loss(&differentiated, batch, epoch.weights);
        let gradients = loss.backward();
        let parameters = (self.optimizer.parameters().clone(), self.experiment.parameters());
        self.experiment.accumulate(&gradients);
        self.steps += 1;
        self.patterns += groups.len() * patterns.channels();
        let gradient = self.accumulator.add(differentiated.flat_gradient(&gradients), settings.accum_steps);
        if let Some(gradient) = gradient {
            self.update(gradient, epoch.learning_rate);
        }
        epoch.unread.push(loss.without_autodiff());
        parameters
    }

    /// One step of the optimizers.
    fn update(&mut self, gradient: Tensor<1>, learning_rate: f64) {
        self.experiment.step(learning_rate);
        self.optimizer.step_clipped(gradient, learning_rate, &self.clip);
        self.network.set_parameters(self.optimizer.parameters());
    }

    /// Reads the losses since the last report and passes them on; false if they are not finite.
    ///
    /// * `parameters`: those with which the latest loss was computed.
    fn report(&mut self, parameters: Parameters, epoch: &mut Epoch, observer: &mut dyn Observer) -> Result<bool> {
        // A single wait for the device.
        epoch.unread.push(self.optimizer.gradient_norm().clone());
        let mut losses = read_all(&mut epoch.unread)?;
        let gradient_norm = losses.pop().unwrap_or(f64::NAN);
        let mean = losses.iter().sum::<f64>() / losses.len() as f64;
        if !mean.is_finite() {
            return Ok(false);
        }
        self.last_good = parameters;
        epoch.add(&losses);
        self.reported = Instant::now();
        let elapsed = self.budget.elapsed();
        let fraction = self.fraction().min(1.0);
        let progress = Progress {
            epoch: self.epochs,
            epochs: self.budget.epochs(),
            step: self.steps,
            fraction,
            loss: Some(mean),
            learning_rate: epoch.learning_rate,
            gradient_norm,
            elapsed_s: elapsed,
            remaining_s: (fraction > 0.0).then(|| elapsed * (1.0 - fraction) / fraction),
            patterns_per_second: self.patterns as f64 / elapsed.max(1e-9),
        };
        observer.progress(&progress, &|| self.weights());
        Ok(true)
    }

    /// Validates and records an epoch; returns how the training ended, or `None` if it continues.
    ///
    /// * `ended`: set if the epoch was cut short.
    fn finish_epoch(
        &mut self,
        epoch: &Epoch,
        ended: Option<Outcome>,
        observer: &mut dyn Observer,
    ) -> Result<Option<Outcome>> {
        self.epochs += 1;
        let train_loss = epoch.loss_sum / epoch.losses as f64;
        if !train_loss.is_finite() {
            return Ok(Some(Outcome::RestoredAfterNan));
        }
        let record = EpochRecord {
            epoch: self.epochs,
            step: self.steps,
            train_loss,
            val_loss: self.validation_loss()?,
            learning_rate: epoch.learning_rate,
            gradient_norm: read(self.optimizer.gradient_norm().clone())?,
            elapsed_s: self.budget.elapsed(),
        };
        let state = || self.state(record.elapsed_s);
        let state: Option<&dyn Fn() -> Result<TrainingState>> = if ended.is_none() { Some(&state) } else { None };
        observer.epoch(&record, &Snapshot { weights: &|| self.weights(), state });
        self.history.0.push(record);
        if ended.is_some() {
            return Ok(ended);
        }
        if observer.control() == Control::StopAfterEpoch {
            return Ok(Some(Outcome::Stopped));
        }
        if has_stalled(&self.config.training, &self.history) {
            observer.note("Early stopping: the loss has not decreased within training.early_stop_patience epochs");
            return Ok(Some(Outcome::Completed));
        }
        Ok(None)
    }

    /// Ends the training; after a divergence with the last good parameters.
    fn finish(mut self, outcome: Outcome, observer: &mut dyn Observer) -> Result<Trained> {
        if outcome == Outcome::RestoredAfterNan {
            let (of_network, of_experiment) = self.last_good.clone();
            self.network.set_parameters(&of_network);
            self.experiment.set_parameters(of_experiment);
            observer.note(
                "The loss is no longer finite; training ended with the last good weights. Try a lower --learning-rate",
            );
        }
        Ok(Trained {
            weights: self.weights()?,
            history: self.history,
            outcome,
            steps: self.steps,
            epochs: self.epochs,
            seconds: self.budget.elapsed(),
            patterns: self.patterns,
            scaling: self.scaling,
        })
    }

    /// Fraction of the training that is done, by steps or by time; 1 or more at its end.
    fn fraction(&self) -> f64 {
        self.budget.fraction(self.steps, self.steps_per_epoch)
    }

    /// As [`Self::fraction`], of the training before fine-tuning.
    fn planned_fraction(&self) -> f64 {
        self.budget.planned_fraction(self.steps, self.steps_per_epoch)
    }

    fn loss_weights(&self) -> LossWeights {
        LossWeights::at(self.planned_fraction(), self.epochs, &self.config.training)
    }

    /// Host copy of the weights of network and experiment.
    fn weights(&self) -> Result<Weights> {
        self.experiment.add_to(self.network.to_weights()?)
    }

    /// Everything besides the weights that is needed to resume after this epoch, which ended after `seconds` of
    /// training.
    fn state(&self, seconds: f64) -> Result<TrainingState> {
        let (mut moments, optimizer_steps) = self.optimizer.moments()?;
        self.experiment.add_moments(&mut moments)?;
        let position = TrainingPosition {
            optimizer_steps,
            experiment_steps: self.experiment.steps(),
            steps: self.steps,
            epochs: self.epochs,
            patterns: self.patterns,
            seconds,
            shuffle_words: self.shuffle.get_word_pos(),
            order: self.order.clone(),
        };
        Ok(TrainingState { moments, position })
    }

    /// Mean loss of the validation patterns, if there are any.
    fn validation_loss(&self) -> Result<Option<f64>> {
        let Some((patterns, forward)) = &self.validation else { return Ok(None) };
        let forward = self.experiment.forward_detached(forward);
        let weights = LossWeights { teacher: 0.0, overlap: self.config.training.overlap_weight, physics: 1.0 };
        // The same batches every time, so that the values of different epochs are comparable.
        let mut rng = ChaCha8Rng::seed_from_u64(0);
        let mut sum = 0.0;
        for groups in data::spatial_batches(&patterns.centers(), self.batch_size, &mut rng) {
            sum += read(forward.loss(&self.network, patterns.batch(&groups), weights))? * groups.len() as f64;
        }
        Ok(Some(sum / patterns.len().max(1) as f64))
    }
}

/// # Errors
/// Neither epochs nor a time budget limit the training.
fn check_length(settings: &TrainingConfig) -> Result<()> {
    if settings.planned_epochs().is_some() || settings.time_budget_s.is_some() {
        return Ok(());
    }
    Err(Error::BadInput(
        Problem::new("Neither a number of epochs nor a time budget is given").hint("Set --epochs or --time-budget"),
    ))
}

/// Reads and removes the values, each (1,), in order.
fn read_all(values: &mut Vec<Tensor<1>>) -> Result<Vec<f64>> {
    if values.is_empty() {
        return Ok(Vec::new());
    }
    let read = physics::read(Tensor::cat(std::mem::take(values), 0), "the loss")?;
    Ok(read.into_iter().map(f64::from).collect())
}

fn read(value: Tensor<1>) -> Result<f64> {
    value
        .try_into_scalar::<f32>()
        .map(f64::from)
        .map_err(|e| Error::failed(format!("Cannot read the loss from the device ({e:?})")))
}
