//! The training loop.

use super::batch::{Batch, Resident};
use super::budget::Budget;
use super::neighbourhood::neighbourhoods;
use super::optimizer::Adam;
use super::schedule::{learning_rate, warmup};
use super::{Control, EpochRecord, History, Observer, Position, Progress, Resume, Snapshot, TrainingState, go_on};
use crate::config::{Config, DirectConfig, LossKind, MergeWeighting, TrainingConfig};
use crate::data::{self, Dataset, GroupCoordinates};
use crate::direct;
use crate::error::{Error, Problem, Result};
use crate::model::{Autoencoder, Weights, untrained_weights};
use crate::physics::{self, ComplexTensor, Diffraction, Merge};
use burn::tensor::{Device, Tensor};
use ndarray::{Array2, Array3};
use num_complex::Complex32;
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};
use std::time::{Duration, Instant};

/// Least time between two reads of the loss from the device.
const REPORT_INTERVAL: Duration = Duration::from_millis(200);

/// Share of the training after which the merged neighbourhood begins to count, and from which it counts in full.
const OVERLAP_START: f64 = 0.2;
const OVERLAP_FULL: f64 = 0.5;

/// Factors between the dataset's units and the network's: `X = normalization · amplitude`, `P' = probe_factor · P`, so
/// the network's object is `normalization / probe_factor` times the object in the dataset's units.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scaling {
    /// Factor of the diffraction amplitude (A§3.1).
    pub normalization: f64,
    /// Factor of the probe (A§3.4).
    pub probe_factor: f64,
    /// Photons per pattern that the loss assumes.
    pub nphotons: f64,
}

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
    let counts = data::mean_counts(dataset.diffraction.view())?;
    let nphotons = config.training.nphotons.or(dataset.nphotons).unwrap_or(counts);
    Ok(Scaling { normalization, probe_factor: probe.factor, nphotons })
}

/// What the loss is made of.
#[derive(Debug, Clone, Copy)]
pub(super) struct Mix {
    /// Weight of the teacher; the physics has the rest.
    pub teacher: f64,
    /// Within the physics, weight of the merged neighbourhood; the patches alone have the rest.
    pub overlap: f64,
}

impl Mix {
    /// After `fraction` of the training.
    fn after(fraction: f64, settings: &TrainingConfig) -> Self {
        // The teacher has the word alone for the first half of its share, and hands over in the second.
        let share = settings.teacher_share;
        let teacher = if share > 0.0 { (2.0 - 2.0 * fraction / share).clamp(0.0, 1.0) } else { 0.0 };
        Self { teacher, overlap: overlap_weight(settings.overlap_weight, fraction) }
    }
}

/// How far patches (b·c, N, N) are from the teacher's, up to one phase for each of the `b` groups, which diffraction
/// leaves open: Σ w |a|² + Σ w |t|² − 2 |Σ w a t*|, relative to Σ w |t|².
fn imitation(patches: ComplexTensor<3>, taught: ComplexTensor<3>, weight: Tensor<2>, groups: usize) -> Tensor<1> {
    let weight = weight.unsqueeze::<3>();
    let total = |tensor: Tensor<3>| {
        let length = tensor.shape().num_elements() / groups;
        tensor.reshape([groups, length]).sum_dim(1)
    };
    let weighted = taught.clone().map(|part| part * weight.clone());
    let re = total(patches.re.clone() * weighted.re.clone() + patches.im.clone() * weighted.im.clone());
    let im = total(patches.im.clone() * weighted.re.clone() - patches.re.clone() * weighted.im.clone());
    let likeness = (re.square() + im.square() + 1e-12).sqrt();
    let energy = total(patches.norm_sqr() * weight);
    let norm = total(weighted.re * taught.re + weighted.im * taught.im);
    ((energy + norm.clone() - likeness * 2.0) / norm.clamp_min(1e-12)).mean()
}

/// Physics between the network's output and the loss.
pub(super) struct Forward {
    diffraction: Diffraction,
    merge: Merge,
    /// Side of the canvas of one group.
    group_canvas: usize,
    /// Whether the patches of a group are merged.
    merges_groups: bool,
    loss: LossKind,
    /// (1, N, N) weight of each pixel of the detector, if some are masked.
    pixel_weight: Option<Tensor<3>>,
}

impl Forward {
    pub fn new(dataset: &Dataset, config: &Config, scaling: &Scaling, largest_offset: f64, device: &Device) -> Self {
        let factor = scaling.probe_factor as f32;
        let probe = dataset.probe.mapv(|z| z * factor);
        let merge = match config.model.merge_weighting {
            MergeWeighting::Probe => Merge::new(physics::probe_intensity(probe.view()).view(), 0.0, device),
            MergeWeighting::CentralWindow => {
                let window: Array2<f32> = physics::central_window(dataset.patch_size());
                Merge::new(window.view(), physics::COUNT_FLOOR, device)
            }
        };
        Self {
            diffraction: Diffraction::new(probe.view(), device),
            merge,
            group_canvas: physics::canvas_side(dataset.patch_size(), largest_offset),
            merges_groups: config.model.gridsize > 1 && config.model.object_big,
            loss: config.training.loss,
            pixel_weight: dataset.mask.as_ref().and_then(|good| physics::pixel_weight(good.view(), device)),
        }
    }

    /// Loss of a batch: of the patches as they are (merged within their groups for gridsize > 1) and of the patches cut out
    /// of the merged batch, in the proportions of `mix`.
    pub fn loss(&self, network: &Autoencoder, batch: Batch, mix: Mix) -> Tensor<1> {
        let [b, c, n, _] = batch.amplitude.dims();
        let patches: ComplexTensor<3> = network.forward(batch.amplitude.clone()).map(|t| t.reshape([b * c, n, n]));
        let Some(taught) = batch.taught.clone().filter(|_| mix.teacher > 0.0) else {
            return self.physics(patches, batch, mix.overlap);
        };
        let imitation = imitation(patches.clone(), taught, self.merge.weight(), b);
        if mix.teacher >= 1.0 {
            return imitation;
        }
        self.physics(patches, batch, mix.overlap) * (1.0 - mix.teacher) + imitation * mix.teacher
    }

    /// Loss of patches (b·c, N, N) against the data.
    fn physics(&self, patches: ComplexTensor<3>, batch: Batch, overlap_weight: f64) -> Tensor<1> {
        let [b, c, n, _] = batch.amplitude.dims();
        let amplitude = batch.amplitude.reshape([b * c, n, n]);
        let alone = |patches: ComplexTensor<3>| {
            if !self.merges_groups {
                return self.misfit(patches, amplitude.clone());
            }
            let merged = self.merge.merge(patches, batch.in_group.clone(), c, self.group_canvas);
            self.misfit(self.merge.extract(merged, batch.in_group.clone(), c), amplitude.clone())
        };
        if overlap_weight <= 0.0 {
            return alone(patches);
        }
        // Canvases come in few sizes, so that a device need not prepare for each anew.
        let side = physics::canvas_side(n, batch.reach).next_multiple_of(16);
        let merged = self.merge.merge_in_phase(patches.clone(), batch.in_batch.clone(), c, side);
        let cut = self.merge.extract(merged, batch.in_batch.clone(), b * c);
        let together = self.misfit(cut, amplitude.clone());
        if overlap_weight >= 1.0 {
            return together;
        }
        alone(patches) * (1.0 - overlap_weight) + together * overlap_weight
    }

    fn misfit(&self, patches: ComplexTensor<3>, amplitude: Tensor<3>) -> Tensor<1> {
        let intensity = self.diffraction.intensity(patches);
        let weight = self.pixel_weight.clone();
        match self.loss {
            LossKind::Poisson => physics::poisson_deviance(intensity, amplitude, weight),
            LossKind::Mae => physics::amplitude_mae(intensity, amplitude, weight),
        }
    }
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
    let resident = Resident::new(dataset.diffraction.view(), scaling.normalization, groups, coordinates, device);
    Ok((resident, largest))
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
    let build = |weights: &Weights| Autoencoder::from_weights(weights, dataset.patch_size(), &config.model, device);
    let resumed = resume.is_some();
    let (mut network, mut adam) = match resume {
        None => {
            let (patterns, seed) = (dataset.diffraction.view(), seeds.weights);
            let weights = untrained_weights(patterns, scaling.normalization, &config.model, seed)?;
            let network = build(&weights)?;
            let adam = Adam::new(network.flat_parameters());
            (network, adam)
        }
        Some(saved) => {
            saved.check(resident.len())?;
            let TrainingState { moments, position } = saved.state;
            let network = build(&saved.weights)?;
            let adam = Adam::resumed(network.flat_parameters(), moments, position.optimizer_steps)?;
            (step, epoch, patterns) = (position.steps, position.epochs, position.patterns);
            order = position.order;
            shuffle.set_word_pos(position.shuffle_words);
            history = saved.history;
            budget.resume(position.seconds);
            (network, adam)
        }
    };
    // Parameters are good once a loss was computed with them; those of the latest step may be bad already.
    let mut last_good = adam.parameters().clone();

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
            let loss = forward.loss(&differentiated, resident.batch(groups), mix);
            let gradients = loss.backward();
            let judged = adam.parameters().clone();
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
                observer.progress(&progress, &|| network.to_weights());
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
            Some((set, forward)) => Some(evaluate(&network, set, forward, batch_size, settings.overlap_weight)?),
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
            let (moments, optimizer_steps) = adam.moments()?;
            let shuffle_words = shuffle.get_word_pos();
            let (order, seconds) = (order.clone(), record.seconds);
            let position =
                Position { optimizer_steps, steps: step, epochs: epoch, patterns, seconds, shuffle_words, order };
            Ok(TrainingState { moments, position })
        };
        let state: Option<&dyn Fn() -> Result<TrainingState>> = if ended_early { None } else { Some(&state) };
        observer.epoch(&record, &Snapshot { weights: &|| network.to_weights(), state });
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
        network = network.with_parameters(&last_good);
        observer.note(
            "The loss is no longer a number; training ended with the last good weights. A lower --learning-rate may help",
        );
    }
    let weights = network.to_weights()?;
    Ok(Trained { weights, history, outcome, steps: step, epochs: epoch, seconds: budget.elapsed(), patterns, scaling })
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

/// Weight of the merged neighbourhood after `fraction` of the training: patches first learn alone, in random batches, which
/// breaks the symmetry between an object and its twin fastest; then their agreement is asked for more and more.
fn overlap_weight(full: f64, fraction: f64) -> f64 {
    full * ((fraction - OVERLAP_START) / (OVERLAP_FULL - OVERLAP_START)).clamp(0.0, 1.0)
}

fn evaluate(
    network: &Autoencoder,
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
    Tensor::cat(std::mem::take(values), 0)
        .try_into_vec_as::<f32>()
        .map(|read| read.into_iter().map(f64::from).collect())
        .map_err(|e| Error::failed(format!("Cannot read the loss from the device ({e:?})")))
}

fn read(value: Tensor<1>) -> Result<f64> {
    value
        .try_into_scalar::<f32>()
        .map(f64::from)
        .map_err(|e| Error::failed(format!("Cannot read the loss from the device ({e:?})")))
}
