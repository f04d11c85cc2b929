//! From the network's output to the loss: the physics of the experiment, the teacher, or a known object.

use super::batch::{Batch, Labels};
use super::objective::Objective;
use super::schedule::physics_weight;
use crate::config::{Config, MergeWeighting, ModelType, TrainingConfig};
use crate::data::Dataset;
use crate::model::{Network, Outputs};
use crate::physics::{self, ComplexTensor, Diffraction, Merge};
use crate::train::{Scaling, jitter};
use burn::tensor::{Device, Tensor};
use ndarray::Array2;

/// Share of the training after which the merged neighbourhood begins to count, and from which it counts in full.
const OVERLAP_START: f64 = 0.2;
const OVERLAP_FULL: f64 = 0.5;

/// Weights of amplitude and phase in the loss of a supervised network (A§5.6).
const AMPLITUDE_WEIGHT: f64 = 2.0;
const PHASE_WEIGHT: f64 = 4.0;

/// What the loss is made of.
#[derive(Debug, Clone, Copy)]
pub(super) struct Mix {
    /// Weight of the teacher; the physics has the rest.
    pub teacher: f64,
    /// Within the physics, weight of the merged neighbourhood; the patches alone have the rest.
    pub overlap: f64,
    /// Weight of the loss; the amplitude error has the rest.
    pub physics: f64,
}

impl Mix {
    /// After `fraction` of the training, in this epoch (from 0).
    pub fn after(fraction: f64, epoch: usize, settings: &TrainingConfig) -> Self {
        // The teacher has the word alone for the first half of its share, and hands over in the second.
        let share = settings.teacher_share;
        let teacher = if share > 0.0 { (2.0 - 2.0 * fraction / share).clamp(0.0, 1.0) } else { 0.0 };
        let overlap = overlap_weight(settings.overlap_weight, fraction);
        Self { teacher, overlap, physics: physics_weight(settings, epoch) }
    }
}

/// How far patches (b·c, N, N) are from the teacher's, up to one phase for each of the `b` groups, which diffraction
/// leaves open: Σ w |a|² + Σ w |t|² − 2 |Σ w a t*|, relative to Σ w |t|².
fn imitation(patches: ComplexTensor<3>, taught: ComplexTensor<3>, weight: Tensor<2>, groups: usize) -> Tensor<1> {
    let weight = weight.unsqueeze::<3>();
    let total = |tensor: Tensor<3>| physics::sum_of_each(tensor, groups);
    let weighted = taught.clone().map(|part| part * weight.clone());
    let re = total(patches.re.clone() * weighted.re.clone() + patches.im.clone() * weighted.im.clone());
    let im = total(patches.im.clone() * weighted.re.clone() - patches.re.clone() * weighted.im.clone());
    let likeness = (re.square() + im.square() + 1e-12).sqrt();
    let energy = total(patches.norm_sqr() * weight);
    let norm = total(weighted.re * taught.re + weighted.im * taught.im);
    ((energy + norm.clone() - likeness * 2.0) / norm.clamp_min(1e-12)).mean()
}

/// Weight of the merged neighbourhood after `fraction` of the training: patches first learn alone, in random batches, which
/// breaks the symmetry between an object and its twin fastest; then their agreement is asked for more and more.
fn overlap_weight(full: f64, fraction: f64) -> f64 {
    full * ((fraction - OVERLAP_START) / (OVERLAP_FULL - OVERLAP_START)).clamp(0.0, 1.0)
}

/// Physics between the network's output and the loss.
#[derive(Clone)]
pub(super) struct Forward {
    diffraction: Diffraction,
    merge: Merge,
    /// Side of the canvas of one group.
    group_canvas: usize,
    /// Whether the patches of a group are merged.
    merges_groups: bool,
    objective: Objective,
    /// Whether the network learns from a known object alone.
    supervised: bool,
    /// (1, N, N) weight of each pixel of the detector, if some are masked.
    pixel_weight: Option<Tensor<3>>,
    /// (1,) logarithm of a factor of all predicted amplitudes, if there is one.
    log_scale: Option<Tensor<1>>,
}

impl Forward {
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
        let displaced = jitter::reach(config.model.position_jitter);
        Self {
            diffraction: Diffraction::new(probe.view(), device).smoothed(config.model.gaussian_smoothing_sigma),
            merge,
            group_canvas: physics::canvas_side(dataset.patch_size(), largest_offset + displaced),
            merges_groups: config.model.gridsize > 1 && config.model.object_big,
            objective: Objective::new(config, scaling, dataset.patch_size()),
            supervised: config.model.model_type == ModelType::Supervised,
            pixel_weight: dataset.mask.as_ref().and_then(|good| physics::pixel_weight(good.view(), device)),
            log_scale: None,
        }
    }

    /// The same with another probe (modes, N, N) or factor of the amplitudes, (1,) its logarithm, where there is one.
    pub fn lit(&self, probe: Option<ComplexTensor<3>>, log_scale: Option<Tensor<1>>) -> Self {
        let diffraction = probe.map_or_else(|| self.diffraction.clone(), |probe| self.diffraction.with_probe(probe));
        Self { diffraction, log_scale, ..self.clone() }
    }

    /// Loss of a batch: of the patches as they are (merged within their groups for gridsize > 1) and of the patches cut out
    /// of the merged batch, in the proportions of `mix`.
    pub fn loss(&self, network: &Network, mut batch: Batch, mix: Mix) -> Tensor<1> {
        let [b, c, n, _] = batch.amplitude.dims();
        let labels = batch.labels.take();
        let outputs = network.outputs(batch.amplitude.clone());
        if let (true, Some(labels)) = (self.supervised, &labels) {
            return supervised(outputs, labels);
        }
        let patches: ComplexTensor<3> = outputs.clone().into_object().map(|t| t.reshape([b * c, n, n]));
        let observed = batch.amplitude.clone().reshape([b * c, n, n]);
        let taught = batch.taught.take().filter(|_| mix.teacher > 0.0);
        let imitation = taught.map(|taught| imitation(patches.clone(), taught, self.merge.weight(), b));
        let physics = || {
            let data = self.physics(patches, batch, mix);
            self.objective.with_terms(data, &outputs, labels.as_ref(), &observed)
        };
        let loss = match imitation {
            None => physics(),
            Some(imitation) if mix.teacher >= 1.0 => imitation,
            Some(imitation) => physics() * (1.0 - mix.teacher) + imitation * mix.teacher,
        };
        self.objective.scaled(loss, &observed)
    }

    /// Loss of patches (b·c, N, N) against the data.
    fn physics(&self, patches: ComplexTensor<3>, batch: Batch, mix: Mix) -> Tensor<1> {
        let overlap_weight = mix.overlap;
        let [b, c, n, _] = batch.amplitude.dims();
        let amplitude = batch.amplitude.reshape([b * c, n, n]);
        let alone = |patches: ComplexTensor<3>| {
            if !self.merges_groups {
                return self.misfit(patches, amplitude.clone(), c, mix);
            }
            let merged = self.merge.merge(patches, batch.in_group.clone(), c, self.group_canvas);
            self.misfit(self.merge.extract(merged, batch.in_group.clone(), c), amplitude.clone(), c, mix)
        };
        if overlap_weight <= 0.0 {
            return alone(patches);
        }
        // Canvases come in few sizes, so that a device need not prepare for each anew.
        let side = physics::canvas_side(n, batch.reach).next_multiple_of(16);
        let merged = self.merge.merge_in_phase(patches.clone(), batch.in_batch.clone(), c, side);
        let cut = self.merge.extract(merged, batch.in_batch.clone(), b * c);
        let together = self.misfit(cut, amplitude.clone(), c, mix);
        if overlap_weight >= 1.0 {
            return together;
        }
        alone(patches) * (1.0 - overlap_weight) + together * overlap_weight
    }

    fn misfit(&self, patches: ComplexTensor<3>, amplitude: Tensor<3>, channels: usize, mix: Mix) -> Tensor<1> {
        let mut intensity = self.diffraction.intensity(patches);
        if let Some(log_scale) = &self.log_scale {
            intensity = intensity * (log_scale.clone() * 2.0).exp().reshape([1, 1, 1]);
        }
        self.objective.misfit(intensity, amplitude, self.pixel_weight.clone(), channels, mix.physics)
    }
}

/// How far the network is from a known object, pixel by pixel where it is known: `2·|a - a'| + 4·|φ - φ'|` (A§5.6), as a mean;
/// for real and imaginary outputs twice the sum of their differences.
fn supervised(outputs: Outputs, labels: &Labels) -> Tensor<1> {
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
