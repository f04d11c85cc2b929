//! The training loop.

use super::apparatus::Apparatus;
use super::batch::Resident;
use super::budget::Budget;
use super::forward::{Forward, Mix};
use super::jitter;
use super::objective::Objective;
use super::optimizer::{Accumulation, Adam, Clip, Rules};
use super::scaling::Scaling;
use super::schedule::{has_stalled, learning_rate, warmup};
use super::sets::{Set, Sets};
use super::teacher::teacher;
use super::{Control, EpochRecord, History, Material, Observer, Position, Progress, Resume, Snapshot, TrainingState};
use crate::config::{Config, ModelType, ScaleContract};
use crate::data::{self, Dataset, GroupCoordinates};
use crate::error::{Error, Problem, Result};
use crate::kernels;
use crate::model::{Network, Weights};
use crate::physics;
use burn::tensor::{Device, Tensor};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};
use std::time::{Duration, Instant};

/// Least time between two reads of the loss from the device.
const REPORT_INTERVAL: Duration = Duration::from_millis(200);

/// What the names of the encoder's parameters begin with.
const ENCODER: &str = "encoder.";

/// How a training ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// All epochs, or the whole time budget.
    Completed,
    /// Stopped by the user; the weights are those of the last step.
    Stopped,
    /// The loss was no longer a number; the weights are the last good ones.
    RestoredAfterNan,
}

/// Result of a training.
#[derive(Debug, Clone)]
pub struct Trained {
    /// Host copy of the weights.
    pub weights: Weights,
    /// One record per epoch.
    pub history: History,
    /// How it ended.
    pub outcome: Outcome,
    /// Optimiser steps.
    pub steps: usize,
    /// Epochs begun.
    pub epochs: usize,
    /// Seconds of training, pauses excluded.
    pub seconds: f64,
    /// Diffraction patterns processed.
    pub patterns: usize,
    /// Units of the weights.
    pub scaling: Scaling,
}

/// Scaling factors of a dataset under a configuration.
///
/// # Errors
/// When the patterns or the probe are zero everywhere.
pub fn scaling_of(dataset: &Dataset, config: &Config) -> Result<Scaling> {
    let normalization = data::normalization_factor(dataset.diffraction.view())?;
    let model = &config.model;
    let probe = physics::normalize_probe(
        dataset.probe.view(),
        model.probe_normalization,
        model.object_scale,
        model.probe_scale,
    )?;
    // A supervised network predicts the object that it was shown, whatever the light was.
    let probe_factor = match model.model_type {
        // An object in the units of the data.
        ModelType::Pinn if config.training.scale_contract == ScaleContract::CiIntensityV2 => normalization,
        // The object is smaller by the gain.
        ModelType::Pinn => probe.factor * config.training.amplitude_physics_gain,
        ModelType::Supervised => normalization / model.object_scale,
    };
    let counts = data::mean_counts(dataset.diffraction.view())?;
    let nphotons = config.training.nphotons.or(dataset.nphotons).unwrap_or(counts);
    Ok(Scaling { normalization, probe_factor, nphotons })
}

pub(super) fn prepare(
    dataset: &Dataset,
    config: &Config,
    scaling: &Scaling,
    device: &Device,
) -> Result<(Resident, f64)> {
    let seed = config.execution.seeds.grouping;
    let groups = data::group(&dataset.positions, config.model.gridsize, &config.data, seed)?;
    let coordinates: GroupCoordinates = data::group_coordinates(&dataset.positions, &groups);
    let largest = coordinates.relative.iter().fold(0.0f64, |a, v| a.max(v.abs()));
    let mut resident = Resident::new(dataset.diffraction.view(), scaling.normalization, groups, coordinates, device);
    if config.model.model_type == ModelType::Supervised || Objective::needs_labels(config) {
        let factor = (scaling.normalization / scaling.probe_factor) as f32;
        resident.label(data::truth(dataset, &config.data)?.patches.view(), factor);
    }
    Ok((resident, largest))
}

/// What a supervised network learns from, in words; none for other networks.
///
/// # Errors
/// The dataset has no known object, or one that does not fit.
pub fn check_labels(dataset: &Dataset, config: &Config) -> Result<Option<String>> {
    if config.model.model_type != ModelType::Supervised && !Objective::needs_labels(config) {
        return Ok(None);
    }
    data::truth(dataset, &config.data).map(|truth| Some(truth.source))
}

/// Trains a network on a dataset.
///
/// * `validation`: patterns that are only used to compute a validation loss after each epoch.
/// * `device`: without autodiff.
///
/// # Errors
/// When the dataset and the configuration do not fit, or the device fails.
pub fn train(
    dataset: &Dataset,
    validation: Option<&Dataset>,
    config: &Config,
    device: &Device,
    observer: &mut dyn Observer,
) -> Result<Trained> {
    train_from(None, dataset, validation, config, device, observer)
}

/// As [`train`], from where a training with the same dataset and configuration was cut off. On the CPU the weights at the
/// end are those of a training that was not, to the bit, where the number of epochs is given; a time budget counts the
/// time before.
///
/// # Errors
/// As [`train`], and if what is to be resumed is of another dataset or network.
pub fn train_from(
    resume: Option<Resume>,
    dataset: &Dataset,
    validation: Option<&Dataset>,
    config: &Config,
    device: &Device,
    observer: &mut dyn Observer,
) -> Result<Trained> {
    let start = resume.map_or(Start::Untrained, |resume| Start::Resumed(Box::new(resume)));
    train_material(start, &Material { datasets: &[dataset], validation, part: None }, config, device, observer)
}

/// Where a training begins.
#[derive(Debug, Clone)]
pub enum Start {
    /// With weights drawn by their seed.
    Untrained,
    /// With the weights of a network that was trained before.
    Trained(Box<Weights>),
    /// Where it was cut off.
    Resumed(Box<Resume>),
}

/// As [`train`], on one or several datasets together or part by part, from anywhere. The scaling that is given back is that
/// of the first.
///
/// # Errors
/// As [`train`] and [`train_from`], and if the datasets do not go together, or a part cannot be read.
pub fn train_material(
    start: Start,
    material: &Material<'_>,
    config: &Config,
    device: &Device,
    observer: &mut dyn Observer,
) -> Result<Trained> {
    let &Material { datasets, validation, part } = material;
    let Some(dataset) = datasets.first().copied() else {
        return Err(Error::bad_input("There is no dataset to train on"));
    };
    let config = &config_of_kind(config);
    kernels::keep_freed_memory();
    let settings = &config.training;
    if settings.planned_epochs().is_none() && settings.time_budget_s.is_none() {
        return Err(Error::BadInput(
            Problem::new("Neither a number of epochs nor a time budget is given")
                .hint("Give --epochs or --time-budget"),
        ));
    }
    let scaling = scaling_of(dataset, config)?;
    let with_gradient = device.clone().autodiff();
    let mut sets = Sets::new(datasets, config, &with_gradient)?;
    let held_back = match validation {
        Some(set) => {
            let (resident, largest) = prepare(set, config, &scaling, device)?;
            Some((resident, Forward::new(set, config, &scaling, largest, device)))
        }
        None => None,
    };

    let seeds = config.execution.seeds;
    let mut order: Vec<usize> = (0..sets.len()).collect();
    let mut shuffle = ChaCha8Rng::seed_from_u64(seeds.shuffle);
    let mut budget = Budget::new(settings);
    let mut history = History::default();
    let (mut step, mut epoch, mut patterns) = (0usize, 0usize, 0usize);
    let build = |weights: &Weights| Network::from_weights(weights, dataset.patch_size(), &config.model, device);
    let resumed = matches!(start, Start::Resumed(_));
    let (mut network, mut adam, mut apparatus) = match start {
        Start::Untrained | Start::Trained(_) => {
            let network = match start {
                Start::Trained(weights) => build(&weights)?,
                _ => build(&sets.untrained(datasets, config)?)?,
            };
            let adam = Adam::new(network.flat_parameters());
            let adam = adam.with_rules(Rules::of(settings));
            (network, adam, Apparatus::new(dataset, config, &scaling, None, device)?)
        }
        Start::Resumed(saved) => {
            saved.check(sets.len())?;
            let TrainingState { mut moments, position } = saved.state;
            let network = build(&saved.weights)?;
            let own = network.parameter_count();
            let of_apparatus = moments.each_mut().map(|all| all.split_off(own.min(all.len())));
            let resumed = Some((&saved.weights, of_apparatus, position.apparatus_steps));
            let apparatus = Apparatus::new(dataset, config, &scaling, resumed, device)?;
            let adam = Adam::resumed(network.flat_parameters(), moments, position.optimizer_steps)?;
            let adam = adam.with_rules(Rules::of(settings));
            (step, epoch, patterns) = (position.steps, position.epochs, position.patterns);
            order = position.order;
            shuffle.set_word_pos(position.shuffle_words);
            history = saved.history;
            budget.resume(position.seconds);
            (network, adam, apparatus)
        }
    };
    // Parameters are good once a loss was computed with them; those of the latest step may be bad already.
    let mut last_good = (adam.parameters().clone(), apparatus.parameters());

    let names = network.parameter_names();
    let clip = Clip::of(settings, names.iter().map(|(_, size)| *size).collect());
    // Where the encoder rests, only the parameters of the others move.
    let others: Vec<bool> =
        names.iter().flat_map(|(name, size)| std::iter::repeat_n(!name.starts_with(ENCODER), *size)).collect();
    let mut accumulation = Accumulation::default();
    let batch_size = settings.batch_size.clamp(1, sets.len().max(1));
    let steps_per_epoch = sets.steps(batch_size);
    let mut outcome = Outcome::Completed;
    let mut reported = Instant::now();

    'training: while budget.fraction(step, steps_per_epoch) < 1.0 {
        let exchanged = match part {
            Some(load) if epoch > 0 => Some(sets.exchange(|| load(epoch), config, &with_gradient)?),
            _ => None,
        };
        // A training that goes on needs no teacher that has fallen silent.
        let teaches = Mix::after(budget.planned_fraction(step, steps_per_epoch), epoch, settings).teacher > 0.0;
        if teaches && sets.0.iter().any(|set| !set.resident.is_taught()) {
            let seconds = budget.elapsed();
            let present = exchanged.iter().chain(datasets.iter().copied().skip(exchanged.iter().len()));
            for (dataset, set) in present.zip(&mut sets.0).filter(|(_, set)| !set.resident.is_taught()) {
                let tells = exchanged.is_none();
                let Some(patches) = teacher(dataset, config, &set.scaling, budget.left(), tells, observer)? else {
                    if step == 0 {
                        return Err(Error::failed("Training was stopped before its first step"));
                    }
                    outcome = Outcome::Stopped;
                    break 'training;
                };
                set.resident.teach(patches.view());
            }
            if resumed && exchanged.is_none() {
                // The teacher was counted once.
                budget.resume(seconds);
            }
        }
        drop(exchanged);
        let mix = Mix::after(budget.planned_fraction(step, steps_per_epoch), epoch, settings);
        let fine_tuning = settings.planned_epochs().is_some_and(|planned| epoch >= planned);
        adam.move_only((settings.freeze_encoder || fine_tuning).then_some(&others[..]));
        if mix.teacher <= 0.0 {
            sets.0.iter_mut().for_each(|set| set.resident.dismiss_teacher());
        }
        let batches = sets.batches(batch_size, mix.overlap > 0.0, &mut order, &mut shuffle);
        // Losses stay on the device and are read together now and then.
        let mut unread: Vec<Tensor<1>> = Vec::new();
        let (mut epoch_loss, mut epoch_steps) = (0.0f64, 0usize);
        let mut rate = settings.learning_rate;
        let mut ended_early = false;
        for (set, groups) in &batches {
            let Set { resident, forward, .. } = &sets.0[*set];
            let fraction = budget.fraction(step, steps_per_epoch);
            if fraction >= 1.0 {
                ended_early = true;
                break;
            }
            if !budget.wait_while_paused(observer) {
                outcome = Outcome::Stopped;
                ended_early = true;
                break;
            }
            rate = if fine_tuning {
                settings.learning_rate * settings.fine_tune_gamma
            } else {
                let fraction = budget.planned_fraction(step, steps_per_epoch);
                learning_rate(settings, fraction, &history) * warmup(step, settings.warmup_steps)
            };
            let differentiated = network.clone().require_grad();
            let displacement = jitter::of_step(config.model.position_jitter, seeds.shuffle, step);
            let batch = resident.displaced(groups, displacement);
            let loss = apparatus.light(forward).loss(&differentiated, batch, mix);
            let gradients = loss.backward();
            let judged = (adam.parameters().clone(), apparatus.parameters());
            apparatus.gather(&gradients);
            let gradient = accumulation.add(differentiated.flat_gradient(&gradients), settings.accum_steps);
            if let Some(gradient) = gradient {
                apparatus.step(rate);
                adam.step_clipped(gradient, rate, &clip);
                network = network.with_parameters(adam.parameters());
            }
            unread.push(loss.without_autodiff());
            step += 1;
            patterns += groups.len() * resident.channels();

            let epoch_done = (step % steps_per_epoch) == 0;
            if reported.elapsed() >= REPORT_INTERVAL || epoch_done {
                // One wait for the device for all of them.
                unread.push(adam.gradient_norm().clone());
                let mut losses = read_all(&mut unread)?;
                let gradient_norm = losses.pop().unwrap_or(f64::NAN);
                let mean = losses.iter().sum::<f64>() / losses.len() as f64;
                if !mean.is_finite() {
                    outcome = Outcome::RestoredAfterNan;
                    break 'training;
                }
                last_good = judged;
                // One by one: when they are read must not change the sum.
                losses.iter().for_each(|loss| epoch_loss += loss);
                epoch_steps += losses.len();
                reported = Instant::now();
                let elapsed = budget.elapsed();
                let fraction = budget.fraction(step, steps_per_epoch).min(1.0);
                let progress = Progress {
                    epoch,
                    epochs: budget.epochs(),
                    step,
                    fraction,
                    loss: Some(mean),
                    learning_rate: rate,
                    gradient_norm,
                    elapsed_s: elapsed,
                    remaining_s: (fraction > 0.0).then(|| elapsed * (1.0 - fraction) / fraction),
                    patterns_per_second: patterns as f64 / elapsed.max(1e-9),
                };
                observer.progress(&progress, &|| apparatus.add_to(network.to_weights()?));
            }
        }
        // The batches that are left over make a step, too.
        if let Some(gradient) = accumulation.rest() {
            apparatus.step(rate);
            adam.step_clipped(gradient, rate, &clip);
            network = network.with_parameters(adam.parameters());
        }
        let losses = read_all(&mut unread)?;
        losses.iter().for_each(|loss| epoch_loss += loss);
        epoch_steps += losses.len();
        if epoch_steps == 0 {
            break;
        }
        epoch += 1;
        let train_loss = epoch_loss / epoch_steps as f64;
        if !train_loss.is_finite() {
            outcome = Outcome::RestoredAfterNan;
            break;
        }
        let val_loss = match &held_back {
            Some((set, forward)) => {
                Some(evaluate(&network, set, &apparatus.shine(forward), batch_size, settings.overlap_weight)?)
            }
            None => None,
        };
        let record = EpochRecord {
            epoch,
            step,
            train_loss,
            val_loss,
            learning_rate: rate,
            gradient_norm: read(adam.gradient_norm().clone())?,
            seconds: budget.elapsed(),
        };
        let state = || {
            let (mut moments, optimizer_steps) = adam.moments()?;
            apparatus.add_moments(&mut moments)?;
            let apparatus_steps = apparatus.steps();
            let shuffle_words = shuffle.get_word_pos();
            let (order, seconds) = (order.clone(), record.seconds);
            let position = Position {
                optimizer_steps,
                apparatus_steps,
                steps: step,
                epochs: epoch,
                patterns,
                seconds,
                shuffle_words,
                order,
            };
            Ok(TrainingState { moments, position })
        };
        let state: Option<&dyn Fn() -> Result<TrainingState>> = if ended_early { None } else { Some(&state) };
        observer.epoch(&record, &Snapshot { weights: &|| apparatus.add_to(network.to_weights()?), state });
        history.0.push(record);
        if !ended_early && observer.control() == Control::StopAfterEpoch {
            outcome = Outcome::Stopped;
            break;
        }
        if ended_early {
            break;
        }
        if has_stalled(settings, &history) {
            observer.note("The loss has not fallen for as long as training.early_stop_patience allows; training ended");
            break;
        }
    }

    if outcome == Outcome::RestoredAfterNan {
        let (of_network, of_apparatus) = last_good;
        network = network.with_parameters(&of_network);
        apparatus.set_back(of_apparatus);
        observer.note(
            "The loss is no longer a number; training ended with the last good weights. A lower --learning-rate may help",
        );
    }
    let weights = apparatus.add_to(network.to_weights()?)?;
    Ok(Trained { weights, history, outcome, steps: step, epochs: epoch, seconds: budget.elapsed(), patterns, scaling })
}

/// The configuration without what has no say in this kind of learning.
fn config_of_kind(config: &Config) -> Config {
    let mut config = config.clone();
    if config.model.model_type == ModelType::Supervised {
        config.training.teacher_share = 0.0;
        config.training.overlap_weight = 0.0;
    }
    config
}

fn evaluate(
    network: &Network,
    set: &Resident,
    forward: &Forward,
    batch_size: usize,
    overlap_weight: f64,
) -> Result<f64> {
    // The same batches every time, so that values of different epochs can be compared.
    let mut rng = ChaCha8Rng::seed_from_u64(0);
    let mut sum = 0.0;
    for groups in data::neighbourhoods(&set.centers(), batch_size, &mut rng) {
        sum += read(forward.loss(
            network,
            set.batch(&groups),
            Mix { teacher: 0.0, overlap: overlap_weight, physics: 1.0 },
        ))? * groups.len() as f64;
    }
    Ok(sum / set.len().max(1) as f64)
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
