//! The loss: data term and regularization terms, in the units of the scale contract (A§3.5, A§5.6, A§5.8).
//!
//! Hazard: the original's losses are sums in photons, divided by the mean amplitude; their magnitude depends on the
//! photons, on N and on gridsize, and with it the relative weight of a regularization term. Remedy: here the data term
//! is a mean over pixels of normalized patterns, and a regularization term is divided by the factor between the two, so
//! that its relative weight is that of the original; with the contract `legacy_v1` the whole loss is multiplied by that
//! factor instead.

use super::Scaling;
use super::batch::Labels;
use crate::config::{Config, LossKind, Regularizer, ScaleContract};
use crate::model::Outputs;
use crate::physics;
use burn::tensor::Tensor;

/// Terms of the loss and their weights.
#[derive(Debug, Clone)]
pub(super) struct Objective {
    loss: LossKind,
    nll_weight: f64,
    mae_weight: f64,
    match_energy: bool,
    contract: ScaleContract,
    amplitude: (Regularizer, f64),
    phase: (Regularizer, f64),
    /// Weights of the squared differences and of the distance from the reference object.
    real_space: [f64; 2],
    /// √(photons) / (N/2): factor from normalized amplitudes to amplitudes in photons (A§3.3).
    photons: f64,
    /// Number of pixels of a group.
    pixels: f64,
}

impl Objective {
    /// The loss of a configuration, for patterns of `side` × `side` pixels.
    pub fn new(config: &Config, scaling: &Scaling, side: usize) -> Self {
        let settings = &config.training;
        let real_space = [settings.tv_weight, settings.realspace_mae_weight].map(|w| w * settings.realspace_weight);
        Self {
            loss: settings.loss,
            nll_weight: settings.nll_weight,
            mae_weight: settings.mae_weight,
            match_energy: settings.mae_pred_l2_match_target,
            contract: settings.scale_contract,
            amplitude: (settings.amp_loss, settings.amp_loss_coeff),
            phase: (settings.phase_loss, settings.phase_loss_coeff),
            real_space,
            photons: scaling.nphotons.sqrt() / (side as f64 / 2.0),
            pixels: (config.model.channels() * side * side) as f64,
        }
    }

    /// True if the loss needs the reference object.
    pub fn needs_labels(config: &Config) -> bool {
        config.training.realspace_weight > 0.0 && config.training.realspace_mae_weight > 0.0
    }

    /// Data term: loss of predicted intensities (k, N, N) against measured amplitudes (k, N, N), as a mean over pixels.
    ///
    /// * `weight`: of each pixel.
    /// * `channels`: patterns per group.
    /// * `physics`: weight of the configured loss; the amplitude error has the remaining weight.
    pub fn misfit(
        &self,
        intensity: Tensor<3>,
        amplitude: Tensor<3>,
        weight: Option<Tensor<3>>,
        channels: usize,
        physics: f64,
    ) -> Tensor<1> {
        let poisson = || physics::poisson_deviance(intensity.clone(), amplitude.clone(), weight.clone());
        let error = || {
            let intensity = if self.match_energy {
                match_group_energy(intensity.clone(), amplitude.clone(), weight.as_ref(), channels)
            } else {
                intensity.clone()
            };
            physics::amplitude_mae(intensity, amplitude.clone(), weight.clone())
        };
        if physics <= 0.0 {
            return error();
        }
        let loss = match self.loss {
            LossKind::Poisson => poisson(),
            LossKind::Mae => return error(),
            LossKind::Weighted => match self.shares() {
                [_, 0.0] => poisson(),
                [0.0, _] => error(),
                [nll, mae] => poisson() * nll + error() * mae,
            },
        };
        if physics >= 1.0 { loss } else { loss * physics + error() * (1.0 - physics) }
    }

    /// Relative weights of the Poisson term and of the amplitude error in the weighted loss; their sum is 1.
    fn shares(&self) -> [f64; 2] {
        let [nll, mae] = self.in_photons();
        let sum = (nll + mae).max(f64::MIN_POSITIVE);
        [nll / sum, mae / sum]
    }

    /// Weights of the two terms, which are means over pixels of normalized patterns, in photons.
    fn in_photons(&self) -> [f64; 2] {
        [self.nll_weight * self.photons * self.photons, self.mae_weight * self.photons]
    }

    /// Adds the regularization terms to the data term.
    ///
    /// * `data`: from [`Self::misfit`].
    /// * `observed`: measured amplitudes (k, N, N).
    pub fn with_regularization(
        &self,
        data: Tensor<1>,
        outputs: &Outputs,
        labels: Option<&Labels>,
        observed: &Tensor<3>,
    ) -> Tensor<1> {
        let mut loss = data;
        if let Some(term) = self.smoothness(outputs) {
            loss = loss + term / self.unit(observed);
        }
        if let Some(term) = self.real_space(outputs, labels) {
            loss = loss + term * (1.0 / self.tensorflow_unit());
        }
        loss
    }

    /// Converts a loss to the units of the contract.
    pub fn scaled(&self, loss: Tensor<1>, observed: &Tensor<3>) -> Tensor<1> {
        match self.contract {
            ScaleContract::Normalized => loss,
            ScaleContract::LegacyV1 | ScaleContract::CiIntensityV2 => loss * self.unit(observed),
        }
    }

    /// (1,) factor from the mean over normalized pixels to the loss of the original's PyTorch implementation.
    fn unit(&self, observed: &Tensor<3>) -> Tensor<1> {
        let mean = || observed.clone().mean() + 1e-8;
        match (self.contract, self.loss) {
            // Counts over their mean: the photons cancel, leaving the mean of the squared amplitudes.
            (ScaleContract::CiIntensityV2, _) => observed.clone().square().mean().recip() * self.pixels,
            (_, LossKind::Weighted) => observed.ones_like().mean() * self.tensorflow_unit(),
            (_, LossKind::Mae) => mean().recip() * self.photons,
            (_, LossKind::Poisson) => mean().recip() * (self.photons * self.photons * self.pixels),
        }
    }

    /// The same factor for its TensorFlow implementation, which takes means.
    fn tensorflow_unit(&self) -> f64 {
        match self.loss {
            LossKind::Poisson => self.photons * self.photons,
            LossKind::Mae => self.photons,
            LossKind::Weighted => self.in_photons().iter().sum::<f64>().max(f64::MIN_POSITIVE),
        }
    }

    /// Smoothness terms of amplitude and phase: a sum over the pixels of a group, averaged over the groups.
    fn smoothness(&self, outputs: &Outputs) -> Option<Tensor<1>> {
        let term = |(kind, weight): (Regularizer, f64), image: &dyn Fn() -> Tensor<4>| {
            if weight <= 0.0 {
                return None;
            }
            let groups = image().dims()[0].max(1) as f64;
            let term = match kind {
                Regularizer::None => return None,
                Regularizer::TotalVariation => physics::total_variation(image()),
                Regularizer::MeanDeviation => physics::mean_deviation(image()),
            };
            Some(term * (weight / groups))
        };
        let terms = [term(self.amplitude, &|| polar(outputs).0), term(self.phase, &|| polar(outputs).1)];
        terms.into_iter().flatten().reduce(|a, b| a + b)
    }

    /// Squared variation of the object, and its distance from the reference object.
    fn real_space(&self, outputs: &Outputs, labels: Option<&Labels>) -> Option<Tensor<1>> {
        let [variation, distance] = self.real_space;
        let mut terms = Vec::new();
        if variation > 0.0 {
            let object = outputs.clone().into_object();
            let groups = object.re.dims()[0].max(1) as f64;
            let sum = physics::squared_variation(object.re) + physics::squared_variation(object.im);
            terms.push(sum * (variation / groups));
        }
        if let Some(labels) = labels.filter(|_| distance > 0.0) {
            let (amplitude, phase) = polar(outputs);
            let like = |t: Tensor<4>| t.reshape(labels.amplitude.dims());
            let known = labels.amplitude.clone().greater_elem(0.0).float();
            let apart = (like(amplitude) - labels.amplitude.clone()).abs() + (like(phase) - labels.phase.clone()).abs();
            terms.push((apart * known.clone()).sum() / known.sum().clamp_min(1.0) * distance);
        }
        terms.into_iter().reduce(|a, b| a + b)
    }
}

/// Amplitude and phase of the outputs.
fn polar(outputs: &Outputs) -> (Tensor<4>, Tensor<4>) {
    match outputs {
        Outputs::AmpPhase(amplitude, phase) => (amplitude.clone(), phase.clone()),
        Outputs::RealImag(re, im) => {
            let amplitude = (re.clone().square() + im.clone().square() + 1e-12).sqrt();
            // The offset avoids the origin, where the phase has no gradient.
            (amplitude, im.clone().atan2(re.clone() + 1e-12))
        }
    }
}

/// Scales the intensities of each group to the total energy of its patterns (A§5.6).
fn match_group_energy(
    intensity: Tensor<3>,
    amplitude: Tensor<3>,
    weight: Option<&Tensor<3>>,
    channels: usize,
) -> Tensor<3> {
    let k = intensity.dims()[0];
    let groups = (k / channels.max(1)).max(1);
    let energy = |t: Tensor<3>| {
        let t = match weight {
            Some(weight) => t * weight.clone(),
            None => t,
        };
        physics::sum_of_each(t, groups)
    };
    let factor = energy(amplitude.square()) / (energy(intensity.clone()) + 1e-8);
    let factor = factor.reshape([groups, 1]).repeat_dim(1, k / groups).reshape([k, 1, 1]);
    intensity * factor
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::TrainingConfig;
    use burn::tensor::{Device, TensorData};

    const SIDE: usize = 8;

    fn values(seed: f32, count: usize, offset: f32) -> Vec<f32> {
        (0..count).map(|k| offset + (seed * (k as f32 + 1.0)).sin().abs()).collect()
    }

    fn images(seed: f32, count: usize) -> Tensor<3> {
        Tensor::from_data(TensorData::new(values(seed, count * SIDE * SIDE, 0.2), [count, SIDE, SIDE]), &Device::flex())
    }

    fn objective(change: impl FnOnce(&mut TrainingConfig)) -> Objective {
        let mut config = Config::default();
        config.model.gridsize = 2;
        change(&mut config.training);
        let scaling = Scaling { normalization: 1.0, probe_factor: 1.0, nphotons: 1e4 };
        Objective::new(&config, &scaling, SIDE)
    }

    fn outputs() -> Outputs {
        let shape = [2, 4, SIDE, SIDE];
        let flat = |seed| images(seed, 8).reshape(shape);
        Outputs::AmpPhase(flat(0.7), flat(1.3))
    }

    fn number(value: Tensor<1>) -> f64 {
        f64::from(value.into_scalar::<f32>())
    }

    fn close(a: f64, b: f64) {
        assert!((a - b).abs() <= 2e-5 * a.abs().max(b.abs()), "{a} {b}");
    }

    /// Data term and total loss, for 2 groups of 4.
    fn losses(objective: &Objective) -> (f64, f64) {
        let (predicted, observed) = (images(0.31, 8), images(0.47, 8));
        let data = objective.misfit(predicted, observed.clone(), None, 4, 1.0);
        let whole = objective.with_regularization(data.clone(), &outputs(), None, &observed);
        (number(data), number(objective.scaled(whole, &observed)))
    }

    #[test]
    fn the_weighted_loss_weighs_both_terms_in_photons() {
        let poisson = losses(&objective(|_| ())).0;
        let mae = losses(&objective(|s| s.loss = LossKind::Mae)).0;
        let weighted = |nll: f64, mae: f64| {
            losses(&objective(|s| (s.loss, s.nll_weight, s.mae_weight) = (LossKind::Weighted, nll, mae))).0
        };
        // √1e4 / 4 = 25 photons per unit.
        close(weighted(0.7, 0.3) * (0.7 * 625.0 + 0.3 * 25.0), 0.7 * 625.0 * poisson + 0.3 * 25.0 * mae);
        close(weighted(1.0, 0.0), poisson);
        close(weighted(0.0, 0.4), mae);
        assert!((poisson - mae).abs() > 1e-3);
    }

    #[test]
    fn regularization_has_the_same_relative_weight_as_in_the_original() {
        let observed = number(images(0.47, 8).mean());
        let Outputs::AmpPhase(amplitude, _) = outputs() else { panic!() };
        // By hand: a sum over the pixels of a group, a mean over the groups.
        let all: Vec<f32> = amplitude.into_data().try_to_vec().unwrap();
        let mut variation = 0.0f64;
        for image in all.chunks(SIDE * SIDE) {
            for y in 0..SIDE {
                for x in 0..SIDE {
                    let at = |y: usize, x: usize| f64::from(image[y * SIDE + x]);
                    if x + 1 < SIDE {
                        variation += (at(y, x + 1) - at(y, x)).abs();
                    }
                    if y + 1 < SIDE {
                        variation += (at(y + 1, x) - at(y, x)).abs();
                    }
                }
            }
        }
        variation /= 2.0;
        let smooth = |s: &mut TrainingConfig| (s.amp_loss, s.amp_loss_coeff) = (Regularizer::TotalVariation, 300.0);
        let (data, whole) = losses(&objective(smooth));
        let unit = 625.0 * 4.0 * 64.0 / observed;
        close(whole - data, 300.0 * variation / unit);
        // In the original's units the sum is that of its implementation.
        let (_, legacy) = losses(&objective(|s| {
            smooth(s);
            s.scale_contract = ScaleContract::LegacyV1;
        }));
        close(legacy, data * unit + 300.0 * variation);
        let (data, whole) = losses(&objective(|s| {
            smooth(s);
            s.loss = LossKind::Mae;
        }));
        close(whole - data, 300.0 * variation / (25.0 / observed));
        let deviation =
            |s: &mut TrainingConfig| (s.phase_loss, s.phase_loss_coeff) = (Regularizer::MeanDeviation, 300.0);
        let (data, whole) = losses(&objective(deviation));
        assert!(whole > data);
        // No term, no change, to the bit.
        let (data, whole) = losses(&objective(|_| ()));
        assert_eq!(data, whole);
    }

    #[test]
    fn real_space_terms_need_their_weight_and_the_reference_object() {
        let labels = Labels { amplitude: images(0.9, 8), phase: images(0.2, 8) };
        let whole = |objective: &Objective, labels: Option<&Labels>| {
            let zero = Tensor::<1>::from_floats([0.0], &Device::flex());
            number(objective.with_regularization(zero, &outputs(), labels, &images(0.47, 8)))
        };
        let distance = objective(|s| (s.realspace_weight, s.realspace_mae_weight) = (0.5, 0.2));
        let Outputs::AmpPhase(a, p) = outputs() else { panic!() };
        let like = |t: Tensor<4>| t.reshape([8, SIDE, SIDE]);
        let apart = (like(a) - labels.amplitude.clone()).abs().mean() + (like(p) - labels.phase.clone()).abs().mean();
        close(whole(&distance, Some(&labels)) * 625.0, 0.1 * number(apart));
        assert_eq!(whole(&distance, None), 0.0);
        let without = objective(|s| s.realspace_mae_weight = 0.2);
        assert_eq!(whole(&without, Some(&labels)), 0.0);
        let rough = objective(|s| (s.realspace_weight, s.tv_weight) = (1.0, 0.1));
        assert!(whole(&rough, None) > 0.0);
        let mut config = Config::default();
        assert!(!Objective::needs_labels(&config));
        (config.training.realspace_weight, config.training.realspace_mae_weight) = (0.1, 0.1);
        assert!(Objective::needs_labels(&config));
    }

    #[test]
    fn matching_energies_removes_the_scale_of_the_prediction_from_the_error() {
        let observed = images(0.47, 8);
        let error = |objective: &Objective, factor: f64| {
            number(objective.misfit(observed.clone().square() * factor, observed.clone(), None, 4, 1.0))
        };
        let plain = objective(|s| s.loss = LossKind::Mae);
        let matched = objective(|s| (s.loss, s.mae_pred_l2_match_target) = (LossKind::Mae, true));
        assert!(error(&plain, 4.0) > 0.1 && error(&matched, 4.0) < 1e-3);
        // Patterns of one group are scaled together.
        let shape = observed.dims();
        let ramp: Vec<f32> = (0..8).map(|k| 1.0 + k as f32).collect();
        let ramp = Tensor::<1>::from_floats(&ramp[..], &Device::flex()).reshape([8, 1, 1]).expand(shape);
        let uneven = observed.clone().square() * ramp;
        assert!(number(matched.misfit(uneven.clone(), observed.clone(), None, 4, 1.0)) > 0.02);
        assert!(number(matched.misfit(uneven, observed.clone(), None, 1, 1.0)) < 1e-3);
    }

    #[test]
    fn stages_blend_the_amplitude_error_with_the_loss() {
        let (predicted, observed) = (images(0.31, 8), images(0.47, 8));
        let objective = objective(|_| ());
        let at = |share: f64| number(objective.misfit(predicted.clone(), observed.clone(), None, 4, share));
        close(at(0.25), 0.25 * at(1.0) + 0.75 * at(0.0));
        assert!(at(0.0) != at(1.0));
    }

    #[test]
    fn counts_over_their_mean_do_not_depend_on_the_photons() {
        let of = |photons: f64| {
            let mut config = Config::default();
            config.training.scale_contract = ScaleContract::CiIntensityV2;
            let scaling = Scaling { normalization: 1.0, probe_factor: 1.0, nphotons: photons };
            losses(&Objective::new(&config, &scaling, SIDE)).1
        };
        assert_eq!(of(1e4), of(1e9));
        let observed = number(images(0.47, 8).square().mean());
        close(of(1e4), losses(&objective(|_| ())).0 * 64.0 / observed);
    }
}
