//! The training loop.

use super::apparatus::Apparatus;
use super::batch::Resident;
use super::budget::Budget;
use super::forward::{Forward, Mix};
use super::jitter;
use super::neighbourhood::neighbourhoods;
use super::optimizer::Adam;
use super::scaling::Scaling;
use super::schedule::{learning_rate, warmup};
use super::{Control, EpochRecord, History, Observer, Position, Progress, Resume, Snapshot, TrainingState, go_on};
use crate::config::{Config, DirectConfig, ModelType};
use crate::data::{self, Dataset, GroupCoordinates};
use crate::direct;
use crate::error::{Error, Problem, Result};
use crate::kernels;
use crate::model::{Network, Weights, untrained_weights};
use crate::physics;
use burn::tensor::{Device, Tensor};
use ndarray::Array3;
use num_complex::Complex32;
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};
use std::time::{Duration, Instant};

/// Least time between two reads of the loss from the device.
const REPORT_INTERVAL: Duration = Duration::from_millis(200);

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
        ModelType::Pinn => probe.factor,
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
    if config.model.model_type == ModelType::Supervised {
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
    if config.model.model_type != ModelType::Supervised {
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
    let config = &config_of_kind(config);
    kernels::keep_freed_memory();
    let settings = &config.training;
    if settings.epochs.is_none() && settings.time_budget_s.is_none() {
        return Err(Error::BadInput(
            Problem::new("Neither a number of epochs nor a time budget is given")
                .hint("Give --epochs or --time-budget"),
        ));
    }
    let scaling = scaling_of(dataset, config)?;
    let with_gradient = device.clone().autodiff();
    let (mut resident, largest) = prepare(dataset, config, &scaling, &with_gradient)?;
    let forward = Forward::new(dataset, config, &scaling, largest, &with_gradient);
    let held_back = match validation {
        Some(set) => {
            let (resident, largest) = prepare(set, config, &scaling, device)?;
            Some((resident, Forward::new(set, config, &scaling, largest, device)))
        }
        None => None,
    };

    let seeds = config.execution.seeds;
    let mut order: Vec<usize> = (0..resident.len()).collect();
    let mut shuffle = ChaCha8Rng::seed_from_u64(seeds.shuffle);
    let mut budget = Budget::new(settings);
    let mut history = History::default();
    let (mut step, mut epoch, mut patterns) = (0usize, 0usize, 0usize);
    let build = |weights: &Weights| Network::from_weights(weights, dataset.patch_size(), &config.model, device);
    let resumed = resume.is_some();
    let (mut network, mut adam, mut apparatus) = match resume {
        None => {
            let (patterns, seed) = (dataset.diffraction.view(), seeds.weights);
            let weights = untrained_weights(patterns, scaling.normalization, &config.model, seed)?;
            let network = build(&weights)?;
            let adam = Adam::new(network.flat_parameters());
            (network, adam, Apparatus::new(dataset, config, &scaling, None, device)?)
        }
        Some(saved) => {
            saved.check(resident.len())?;
            let TrainingState { mut moments, position } = saved.state;
            let network = build(&saved.weights)?;
            let own = network.parameter_count();
            let of_apparatus = moments.each_mut().map(|all| all.split_off(own.min(all.len())));
            let resumed = Some((&saved.weights, of_apparatus, position.apparatus_steps));
            let apparatus = Apparatus::new(dataset, config, &scaling, resumed, device)?;
            let adam = Adam::resumed(network.flat_parameters(), moments, position.optimizer_steps)?;
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

    let batch_size = settings.batch_size.clamp(1, resident.len().max(1));
    let steps_per_epoch = resident.len().div_ceil(batch_size);
    let mut outcome = Outcome::Completed;
    let mut reported = Instant::now();

    let centers = resident.centers();
    // A training that goes on needs no teacher that has fallen silent.
    let silent = resumed && Mix::after(budget.fraction(step, steps_per_epoch), settings).teacher <= 0.0;
    if settings.teacher_share > 0.0 && !silent {
        let seconds = budget.elapsed();
        let Some(patches) = teacher(dataset, config, &scaling, observer)? else {
            return Err(Error::failed("Training was stopped before its first step"));
        };
        resident.teach(patches.view());
        if resumed {
            // The teacher was counted once.
            budget.resume(seconds);
        }
    }
    'training: while budget.fraction(step, steps_per_epoch) < 1.0 {
        let mix = Mix::after(budget.fraction(step, steps_per_epoch), settings);
        if mix.teacher <= 0.0 {
            resident.dismiss_teacher();
        }
        let batches = if mix.overlap > 0.0 {
            neighbourhoods(&centers, batch_size, &mut shuffle)
        } else {
            order.shuffle(&mut shuffle);
            order.chunks(batch_size).map(<[usize]>::to_vec).collect()
        };
        // Losses stay on the device and are read together now and then.
        let mut unread: Vec<Tensor<1>> = Vec::new();
        let (mut epoch_loss, mut epoch_steps) = (0.0f64, 0usize);
        let mut rate = settings.learning_rate;
        let mut ended_early = false;
        for groups in &batches {
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
            rate = learning_rate(settings.schedule, settings.learning_rate, fraction, epoch)
                * warmup(step, settings.warmup_steps);
            let differentiated = network.clone().require_grad();
            let displacement = jitter::of_step(config.model.position_jitter, seeds.shuffle, step);
            let batch = resident.displaced(groups, displacement);
            let loss = apparatus.light(&forward).loss(&differentiated, batch, mix);
            let gradients = loss.backward();
            let judged = (adam.parameters().clone(), apparatus.parameters());
            apparatus.step(&gradients, rate);
            adam.step(differentiated.flat_gradient(&gradients), rate, settings.gradient_clip);
            network = network.with_parameters(adam.parameters());
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
                    epochs: settings.epochs,
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

/// Patches (n, N, N) of the direct solution, in the network's units; none if it was stopped.
fn teacher(
    dataset: &Dataset,
    config: &Config,
    scaling: &Scaling,
    observer: &mut dyn Observer,
) -> Result<Option<Array3<Complex32>>> {
    let began = Instant::now();
    let mut watch = |_: f64, _: Option<f64>| go_on(|| observer.control());
    // The network's physics knows the probe and the positions of the dataset: its teacher shall have no others.
    let settings =
        DirectConfig { refine_probe: false, refine_positions: false, refine_intensity: false, ..config.direct.clone() };
    let solved = direct::solve(dataset, &settings, &direct::Start::Flat, &mut watch)?;
    if solved.stopped {
        return Ok(None);
    }
    let misfit = solved.misfits.last().copied().unwrap_or(f64::NAN);
    observer.note(&format!(
        "The teacher, a direct solution, took {:.1} s; its misfit is {misfit:.4}",
        began.elapsed().as_secs_f64()
    ));
    let to_network = (scaling.normalization / scaling.probe_factor) as f32;
    Ok(Some(solved.reconstruction.patches(&dataset.positions, dataset.patch_size()).mapv(|value| value * to_network)))
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
    for groups in neighbourhoods(&set.centers(), batch_size, &mut rng) {
        sum += read(forward.loss(network, set.batch(&groups), Mix { teacher: 0.0, overlap: overlap_weight }))?
            * groups.len() as f64;
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
