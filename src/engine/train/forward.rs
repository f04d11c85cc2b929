//! From the network's output to the loss: forward model of the experiment, teacher, or reference object.

use super::batch::{Batch, Labels};
use super::jitter;
use super::objective::Objective;
use super::schedule::physics_weight;
use crate::config::{Config, MergeWeighting, ModelType, TrainingConfig};
use crate::data::Dataset;
use crate::model::{Network, Outputs, Scaling};
use crate::physics::{self, ComplexTensor, Diffraction, Merge};
use burn::tensor::{Device, Tensor, TensorData};
use ndarray::Array2;

/// Fractions of the training at which the weight of the merged neighborhood starts to rise and reaches its full value.
const OVERLAP_START: f64 = 0.2;
const OVERLAP_FULL: f64 = 0.5;

/// Weights of amplitude and phase in the loss of a supervised network (A§5.6).
const AMPLITUDE_WEIGHT: f64 = 2.0;
const PHASE_WEIGHT: f64 = 4.0;

/// Weights of the terms of the loss.
#[derive(Debug, Clone, Copy)]
pub(super) struct LossWeights {
    /// Weight of the teacher term; the data term has the remaining weight.
    pub teacher: f64,
    /// Weight of the merged neighborhood within the data term; the individual patches have the remaining weight.
    pub overlap: f64,
    /// Weight of the configured loss within the data term; the amplitude error has the remaining weight.
    pub physics: f64,
}

impl LossWeights {
    /// Weights after `fraction` of the training, in this epoch (from 0).
    pub fn at(fraction: f64, epoch: usize, settings: &TrainingConfig) -> Self {
        // Only the teacher term is active in the first half of the teacher phase; it fades out in the second.
        let share = settings.teacher_share;
        let teacher = if share > 0.0 { (2.0 - 2.0 * fraction / share).clamp(0.0, 1.0) } else { 0.0 };
        let overlap = overlap_weight(settings.overlap_weight, fraction);
        Self { teacher, overlap, physics: physics_weight(settings, epoch) }
    }
}

/// Distance of patches (b·c, N, N) from those of the teacher, up to one phase for each of the `b` groups, which
/// diffraction does not determine: Σ w |a|² + Σ w |t|² − 2 |Σ w a t*|, relative to Σ w |t|².
fn teacher_loss(patches: ComplexTensor<3>, teacher: ComplexTensor<3>, weight: Tensor<2>, groups: usize) -> Tensor<1> {
    let weight = weight.unsqueeze::<3>();
    let total = |tensor: Tensor<3>| physics::sum_of_each(tensor, groups);
    let weighted = teacher.clone().map(|part| part * weight.clone());
    let re = total(patches.re.clone() * weighted.re.clone() + patches.im.clone() * weighted.im.clone());
    let im = total(patches.im.clone() * weighted.re.clone() - patches.re.clone() * weighted.im.clone());
    let correlation = (re.square() + im.square() + 1e-12).sqrt();
    let energy = total(patches.norm_sqr() * weight);
    let norm = total(weighted.re * teacher.re + weighted.im * teacher.im);
    ((energy + norm.clone() - correlation * 2.0) / norm.clamp_min(1e-12)).mean()
}

/// Weight of the merged neighborhood after `fraction` of the training: patches are first trained individually, in
/// random batches, which breaks the symmetry between an object and its twin fastest; then their agreement counts
/// increasingly.
fn overlap_weight(full: f64, fraction: f64) -> f64 {
    full * ((fraction - OVERLAP_START) / (OVERLAP_FULL - OVERLAP_START)).clamp(0.0, 1.0)
}

/// Forward model between the network's output and the loss.
#[derive(Clone)]
pub(super) struct ForwardModel {
    diffraction: Diffraction,
    merge: Merge,
    /// Side of the canvas of one group.
    group_canvas: usize,
    /// True if the patches of a group are merged.
    merges_groups: bool,
    objective: Objective,
    /// True if the network learns from the reference object only.
    supervised: bool,
    /// (1, N, N) weight of each detector pixel, if some are masked in all patterns.
    pixel_weight: Option<Tensor<3>>,
    /// (1, N, N) background of the patterns in normalized units, if there is one.
    background: Option<Tensor<3>>,
    /// (1,) logarithm of the factor of all predicted amplitudes, if it is trained.
    log_scale: Option<Tensor<1>>,
}

impl ForwardModel {
    /// * `largest_offset`: of a pattern from the center of its group, pixels.
    pub fn new(dataset: &Dataset, config: &Config, scaling: &Scaling, largest_offset: f64, device: &Device) -> Self {
        let factor = scaling.probe_factor as f32;
        let probe = dataset.probe.mapv(|z| z * factor);
        let merge = match config.model.merge_weighting {
            MergeWeighting::Probe => Merge::new(physics::probe_intensity(probe.view()).view(), 0.0, device),
            MergeWeighting::CentralWindow | MergeWeighting::Uniform => {
                let window: Array2<f32> = physics::central_window(dataset.patch_size());
                let counts = config.model.merge_weighting == MergeWeighting::CentralWindow;
                Merge::new(window.view(), if counts { physics::COUNT_FLOOR } else { 0.0 }, device)
            }
        };
        let largest_jitter = jitter::largest(config.model.position_jitter);
        Self {
            diffraction: Diffraction::new(probe.view(), dataset.propagation, device)
                .smoothed(config.model.gaussian_smoothing_sigma),
            merge,
            group_canvas: physics::canvas_side(dataset.patch_size(), largest_offset + largest_jitter),
            merges_groups: config.model.gridsize > 1 && config.model.object_big,
            objective: Objective::new(config, scaling, dataset.patch_size()),
            supervised: config.model.model_type == ModelType::Supervised,
            pixel_weight: dataset.mask.as_ref().and_then(|good| physics::pixel_weight(good.view(), device)),
            background: dataset.background.as_ref().map(|background| {
                let values = background.iter().map(|value| value * scaling.normalization.powi(2) as f32).collect();
                let (height, width) = background.dim();
                Tensor::from_data(TensorData::new::<f32, _>(values, [1, height, width]), device)
            }),
            log_scale: None,
        }
    }

    /// The same model with a trained probe, (modes, N, N), and the logarithm of a trained amplitude factor, (1,), if
    /// given.
    pub fn with_experiment(&self, probe: Option<ComplexTensor<3>>, log_scale: Option<Tensor<1>>) -> Self {
        let diffraction = probe.map_or_else(|| self.diffraction.clone(), |probe| self.diffraction.with_probe(probe));
        Self { diffraction, log_scale, ..self.clone() }
    }

    /// Loss of a batch: that of the individual patches (merged within their groups for gridsize > 1) and that of the
    /// patches extracted from the merged batch, weighted by `weights`.
    pub fn loss(&self, network: &Network, mut batch: Batch, weights: LossWeights) -> Tensor<1> {
        let [b, c, n, _] = batch.amplitude.dims();
        let labels = batch.labels.take();
        let outputs = network.outputs(batch.amplitude.clone());
        if let (true, Some(labels)) = (self.supervised, &labels) {
            return supervised_loss(outputs, labels);
        }
        let patches: ComplexTensor<3> = outputs.clone().into_object().map(|t| t.reshape([b * c, n, n]));
        let observed = batch.amplitude.clone().reshape([b * c, n, n]);
        let teacher = batch.teacher.take().filter(|_| weights.teacher > 0.0);
        let teacher = teacher.map(|teacher| teacher_loss(patches.clone(), teacher, self.merge.weight(), b));
        let data_loss = || {
            let data = self.data_loss(patches, batch, weights);
            self.objective.with_regularization(data, &outputs, labels.as_ref(), &observed)
        };
        let loss = match teacher {
            None => data_loss(),
            Some(teacher) if weights.teacher >= 1.0 => teacher,
            Some(teacher) => data_loss() * (1.0 - weights.teacher) + teacher * weights.teacher,
        };
        self.objective.scaled(loss, &observed)
    }

    /// Loss of patches (b·c, N, N) against the measured patterns.
    fn data_loss(&self, patches: ComplexTensor<3>, batch: Batch, weights: LossWeights) -> Tensor<1> {
        let overlap_weight = weights.overlap;
        let [b, c, n, _] = batch.amplitude.dims();
        let measured =
            (batch.amplitude.reshape([b * c, n, n]), batch.pixel_weight.or_else(|| self.pixel_weight.clone()));
        let individual = |patches: ComplexTensor<3>| {
            if !self.merges_groups {
                return self.misfit(patches, measured.clone(), c, weights);
            }
            let canvas = self.merge.merge(patches, batch.in_group.clone(), c, self.group_canvas);
            let extracted = self.merge.extract(canvas, batch.in_group.clone(), c);
            self.misfit(extracted, measured.clone(), c, weights)
        };
        if overlap_weight <= 0.0 {
            return individual(patches);
        }
        // Canvases have few sizes, since a device compiles kernels for each of them.
        let side = physics::canvas_side(n, batch.reach).next_multiple_of(16);
        let canvas = self.merge.merge_in_phase(patches.clone(), batch.in_batch.clone(), c, side);
        let extracted = self.merge.extract(canvas, batch.in_batch.clone(), b * c);
        let merged = self.misfit(extracted, measured.clone(), c, weights);
        if overlap_weight >= 1.0 {
            return merged;
        }
        individual(patches) * (1.0 - overlap_weight) + merged * overlap_weight
    }

    /// Loss of patches against measured amplitudes (b·c, N, N) with the weight of each pixel.
    fn misfit(
        &self,
        patches: ComplexTensor<3>,
        (amplitude, pixel_weight): (Tensor<3>, Option<Tensor<3>>),
        channels: usize,
        weights: LossWeights,
    ) -> Tensor<1> {
        let mut intensity = self.diffraction.intensity(patches);
        if let Some(log_scale) = &self.log_scale {
            intensity = intensity * (log_scale.clone() * 2.0).exp().reshape([1, 1, 1]);
        }
        if let Some(background) = &self.background {
            intensity = intensity + background.clone();
        }
        self.objective.misfit(intensity, amplitude, pixel_weight, channels, weights.physics)
    }
}

/// Distance of the outputs from the reference object, as a mean over the pixels where it is known: `2·|a - a'| + 4·|φ -
/// φ'|` (A§5.6); for real and imaginary outputs twice the sum of their absolute differences.
fn supervised_loss(outputs: Outputs, labels: &Labels) -> Tensor<1> {
    let Labels { amplitude, phase } = labels.clone();
    let known = amplitude.clone().greater_elem(0.0).float();
    let like = |t: Tensor<4>| t.reshape(amplitude.dims());
    let terms = match outputs {
        Outputs::AmpPhase(a, p) => {
            (like(a) - amplitude.clone()).abs() * AMPLITUDE_WEIGHT + (like(p) - phase).abs() * PHASE_WEIGHT
        }
        Outputs::RealImag(re, im) => {
            let label = ComplexTensor::from_polar(amplitude.clone(), phase);
            ((like(re) - label.re).abs() + (like(im) - label.im).abs()) * AMPLITUDE_WEIGHT
        }
    };
    (terms * known.clone()).sum() / known.sum().clamp_min(1.0)
}
