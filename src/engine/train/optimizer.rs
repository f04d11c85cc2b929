//! Adam, AdamW and gradient descent on all parameters as one vector (A§6.1).
//!
//! One vector instead of one tensor per layer keeps the number of device operations per step small, and the norm of the
//! whole gradient is a single reduction that stays on the device.

use crate::config::{ClipAlgorithm, Optimizer, TrainingConfig};
use crate::error::{Error, Result};
use crate::physics;
use burn::tensor::{Tensor, TensorData};

const BETA1: f64 = 0.9;
const BETA2: f64 = 0.999;
const EPSILON: f64 = 1e-8;
/// Smallest parameter norm assumed by adaptive clipping, so that tensors initialized with zeros can change.
const SMALLEST_NORM: f64 = 1e-3;

/// Update rule and its constants.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct OptimizerRules {
    optimizer: Optimizer,
    beta1: f64,
    beta2: f64,
    momentum: f64,
    weight_decay: f64,
}

impl Default for OptimizerRules {
    /// Adam with the usual constants.
    fn default() -> Self {
        Self { optimizer: Optimizer::Adam, beta1: BETA1, beta2: BETA2, momentum: 0.0, weight_decay: 0.0 }
    }
}

impl OptimizerRules {
    /// OptimizerRules of a configuration.
    pub fn of(settings: &TrainingConfig) -> Self {
        Self {
            optimizer: settings.optimizer,
            beta1: settings.adam_beta1,
            beta2: settings.adam_beta2,
            momentum: settings.momentum,
            weight_decay: settings.weight_decay,
        }
    }
}

/// Gradient clipping.
#[derive(Debug, Clone, PartialEq)]
pub struct GradientClip {
    bound: f64,
    algorithm: ClipAlgorithm,
    /// Sizes of the tensors in the parameter vector, in order.
    sizes: Vec<usize>,
}

impl GradientClip {
    /// Clipping of a configuration, for a parameter vector made of tensors of these sizes.
    pub fn of(settings: &TrainingConfig, sizes: Vec<usize>) -> Self {
        Self { bound: settings.gradient_clip, algorithm: settings.gradient_clip_algorithm, sizes }
    }

    /// Clipping by the norm of the whole gradient; 0 disables it.
    pub fn norm(bound: f64) -> Self {
        Self { bound, algorithm: ClipAlgorithm::Norm, sizes: Vec::new() }
    }

    fn apply(&self, gradient: Tensor<1>, norm: Tensor<1>, parameters: &Tensor<1>) -> Tensor<1> {
        let bound = self.bound;
        if bound <= 0.0 {
            return gradient;
        }
        match self.algorithm {
            ClipAlgorithm::Norm => gradient * (norm.clamp_min(bound).recip() * bound),
            ClipAlgorithm::Value => gradient.clamp(-bound, bound),
            ClipAlgorithm::Agc => {
                let length = |tensor: &Tensor<1>| physics::total(tensor.clone().square()).sqrt();
                let mut at = 0;
                let mut parts = Vec::with_capacity(self.sizes.len());
                for size in &self.sizes {
                    let (part, weight) =
                        (gradient.clone().narrow(0, at, *size), parameters.clone().narrow(0, at, *size));
                    let allowed = length(&weight).clamp_min(SMALLEST_NORM) * bound;
                    // min(1, allowed / ‖g‖) without a branch on the device.
                    let factor = (allowed / length(&part).clamp_min(f64::from(f32::MIN_POSITIVE))).clamp_max(1.0);
                    parts.push(part * factor);
                    at += size;
                }
                Tensor::cat(parts, 0)
            }
        }
    }
}

/// State of the optimizer: parameters and moments, each (number of parameters,), without autodiff.
///
/// The moments are those of Adam; for gradient descent the first is the velocity and the second stays zero.
#[derive(Debug, Clone)]
pub struct OptimizerState {
    parameters: Tensor<1>,
    first: Tensor<1>,
    second: Tensor<1>,
    steps: i32,
    gradient_norm: Tensor<1>,
    rules: OptimizerRules,
    /// (number of parameters,): 1 for trained parameters, 0 for frozen ones; `None` trains all.
    trainable: Option<Tensor<1>>,
}

impl OptimizerState {
    /// Starts with zero moments.
    pub fn new(parameters: Tensor<1>) -> Self {
        let zero = parameters.zeros_like();
        let gradient_norm = zero.clone().narrow(0, 0, 1);
        let rules = OptimizerRules::default();
        Self { first: zero.clone(), second: zero, parameters, steps: 0, gradient_norm, rules, trainable: None }
    }

    /// Resumes with the moments, (number of parameters,) each, and steps returned by [`OptimizerState::moments`].
    ///
    /// # Errors
    /// The number of moments is not that of the parameters.
    pub fn resumed(parameters: Tensor<1>, moments: [Vec<f32>; 2], steps: i32) -> Result<Self> {
        let count = parameters.dims()[0];
        if moments.iter().any(|moment| moment.len() != count) {
            return Err(Error::bad_input("The saved optimizer state does not belong to this network"));
        }
        let device = parameters.device();
        let [first, second] = moments.map(|moment| Tensor::from_data(TensorData::new(moment, [count]), &device));
        Ok(Self { first, second, steps, ..Self::new(parameters) })
    }

    /// Replaces the update rules.
    #[must_use]
    pub fn with_rules(self, rules: OptimizerRules) -> Self {
        Self { rules, ..self }
    }

    /// Trains only the parameters marked in `trainable` from now on, and freezes the others; `None` trains all.
    pub fn train_only(&mut self, trainable: Option<&[bool]>) {
        let device = self.parameters.device();
        self.trainable = trainable.map(|trainable| {
            let values: Vec<f32> = trainable.iter().map(|trained| f32::from(u8::from(*trained))).collect();
            let count = values.len();
            Tensor::from_data(TensorData::new(values, [count]), &device)
        });
    }

    /// First and second moment, copied from the device, and the number of steps.
    ///
    /// # Errors
    /// The device cannot be read.
    pub fn moments(&self) -> Result<([Vec<f32>; 2], i32)> {
        let read = |moment: &Tensor<1>| physics::read(moment.clone(), "the optimizer");
        Ok(([read(&self.first)?, read(&self.second)?], self.steps))
    }

    /// One step; the gradient is scaled down to the norm `clip` if it exceeds it (0 disables clipping).
    pub fn step(&mut self, gradient: Tensor<1>, learning_rate: f64, clip: f64) {
        self.step_clipped(gradient, learning_rate, &GradientClip::norm(clip));
    }

    /// One step with gradient clipping.
    pub fn step_clipped(&mut self, gradient: Tensor<1>, learning_rate: f64, clip: &GradientClip) {
        self.steps += 1;
        let gradient = match &self.trainable {
            Some(trainable) => gradient * trainable.clone(),
            None => gradient,
        };
        let norm = physics::total(gradient.clone().square()).sqrt();
        self.gradient_norm = norm.clone();
        let OptimizerRules { optimizer, weight_decay, .. } = self.rules;
        let gradient = clip.apply(gradient, norm, &self.parameters);
        let before = self.parameters.clone();
        let (gradient, start) = match (optimizer, weight_decay > 0.0) {
            (_, false) => (gradient, before.clone()),
            (Optimizer::AdamW, true) => (gradient, before.clone() * (1.0 - learning_rate * weight_decay)),
            (Optimizer::Adam | Optimizer::Sgd, true) => (gradient + before.clone() * weight_decay, before.clone()),
        };
        let updated = match optimizer {
            Optimizer::Adam | Optimizer::AdamW => start - self.adam_update(gradient, learning_rate),
            Optimizer::Sgd => start - self.nesterov_direction(gradient) * learning_rate,
        };
        self.parameters = match &self.trainable {
            Some(trainable) => before * (trainable.clone() * -1.0 + 1.0) + updated * trainable.clone(),
            None => updated,
        };
    }

    /// Update that Adam subtracts.
    fn adam_update(&mut self, gradient: Tensor<1>, learning_rate: f64) -> Tensor<1> {
        let OptimizerRules { beta1, beta2, .. } = self.rules;
        self.first = self.first.clone() * beta1 + gradient.clone() * (1.0 - beta1);
        self.second = self.second.clone() * beta2 + gradient.square() * (1.0 - beta2);
        let bias1 = 1.0 - beta1.powi(self.steps);
        let bias2 = 1.0 - beta2.powi(self.steps);
        let denominator = self.second.clone().sqrt() * (1.0 / bias2.sqrt()) + EPSILON;
        self.first.clone() / denominator * (learning_rate / bias1)
    }

    /// Direction of gradient descent with Nesterov momentum.
    fn nesterov_direction(&mut self, gradient: Tensor<1>) -> Tensor<1> {
        let momentum = self.rules.momentum;
        if momentum <= 0.0 {
            return gradient;
        }
        self.first = if self.steps == 1 { gradient.clone() } else { self.first.clone() * momentum + gradient.clone() };
        gradient + self.first.clone() * momentum
    }

    /// Replaces the parameters, (number of parameters,), and keeps the moments.
    pub fn set_parameters(&mut self, parameters: Tensor<1>) {
        self.parameters = parameters;
    }

    /// Number of steps.
    pub fn steps(&self) -> i32 {
        self.steps
    }

    /// Current parameters.
    pub fn parameters(&self) -> &Tensor<1> {
        &self.parameters
    }

    /// Norm of the last gradient before clipping, (1,), on the device.
    pub fn gradient_norm(&self) -> &Tensor<1> {
        &self.gradient_norm
    }
}

/// Sum of the gradients of several batches that make one step.
#[derive(Debug, Clone, Default)]
pub struct GradientAccumulator {
    sum: Option<Tensor<1>>,
    batches: usize,
}

impl GradientAccumulator {
    /// Adds the gradient of a batch; returns the mean once there are `count` of them.
    pub fn add(&mut self, gradient: Tensor<1>, count: usize) -> Option<Tensor<1>> {
        if count <= 1 {
            return Some(gradient);
        }
        self.sum = Some(match self.sum.take() {
            Some(sum) => sum + gradient,
            None => gradient,
        });
        self.batches += 1;
        if self.batches >= count { self.take_mean() } else { None }
    }

    /// Removes the accumulated gradients and returns their mean, if there are any.
    pub fn take_mean(&mut self) -> Option<Tensor<1>> {
        let batches = std::mem::take(&mut self.batches);
        Some(self.sum.take()? * (1.0 / batches as f64))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::Device;

    const START: [f32; 4] = [1.0, -2.0, 0.5, 3.0];
    const GRADIENTS: [[f32; 4]; 3] = [[0.1, -0.2, 0.3, 4.0], [0.2, 0.1, -0.3, 2.0], [-0.5, 0.0, 0.1, 1.0]];

    fn tensor(values: [f32; 4]) -> Tensor<1> {
        Tensor::from_floats(values, &Device::flex())
    }

    fn read(optimizer: &OptimizerState) -> Vec<f32> {
        optimizer.parameters().try_to_vec_as::<f32>().unwrap()
    }

    fn settings(change: impl FnOnce(&mut TrainingConfig)) -> TrainingConfig {
        let mut settings = TrainingConfig { gradient_clip: 0.0, ..TrainingConfig::default() };
        change(&mut settings);
        settings
    }

    fn after_three(settings: &TrainingConfig, rate: f64) -> Vec<f32> {
        let mut optimizer = OptimizerState::new(tensor(START)).with_rules(OptimizerRules::of(settings));
        let clip = GradientClip::of(settings, vec![3, 1]);
        GRADIENTS.iter().for_each(|gradient| optimizer.step_clipped(tensor(*gradient), rate, &clip));
        read(&optimizer)
    }

    /// The same in f64, one parameter at a time.
    fn by_hand(of: impl Fn(f64, f64, &mut [f64; 2], i32) -> f64) -> Vec<f32> {
        (0..4)
            .map(|k| {
                let (mut w, mut state) = (f64::from(START[k]), [0.0; 2]);
                for (t, gradient) in (1..).zip(GRADIENTS) {
                    w = of(w, f64::from(gradient[k]), &mut state, t);
                }
                w as f32
            })
            .collect()
    }

    fn close(found: &[f32], wanted: &[f32]) {
        assert!(found.iter().zip(wanted).all(|(a, b)| (a - b).abs() < 2e-6), "{found:?} {wanted:?}");
    }

    #[test]
    fn each_optimizer_follows_its_formula() {
        let rate = 0.1;
        let adam = |g: f64, state: &mut [f64; 2], t: i32, b1: f64, b2: f64| {
            state[0] = b1 * state[0] + (1.0 - b1) * g;
            state[1] = b2 * state[1] + (1.0 - b2) * g * g;
            rate * (state[0] / (1.0 - b1.powi(t))) / ((state[1] / (1.0 - b2.powi(t))).sqrt() + 1e-8)
        };
        let plain = settings(|_| ());
        close(&after_three(&plain, rate), &by_hand(|w, g, state, t| w - adam(g, state, t, 0.9, 0.999)));
        let decayed = settings(|s| (s.weight_decay, s.adam_beta1, s.adam_beta2) = (0.2, 0.8, 0.95));
        close(&after_three(&decayed, rate), &by_hand(|w, g, state, t| w - adam(g + 0.2 * w, state, t, 0.8, 0.95)));
        let apart = settings(|s| (s.optimizer, s.weight_decay) = (Optimizer::AdamW, 0.2));
        let wanted = by_hand(|w, g, state, t| w * (1.0 - rate * 0.2) - adam(g, state, t, 0.9, 0.999));
        close(&after_three(&apart, rate), &wanted);
        let descent = settings(|s| (s.optimizer, s.momentum, s.weight_decay) = (Optimizer::Sgd, 0.9, 0.1));
        let wanted = by_hand(|w, g, state, t| {
            let g = g + 0.1 * w;
            state[0] = if t == 1 { g } else { 0.9 * state[0] + g };
            w - rate * (g + 0.9 * state[0])
        });
        close(&after_three(&descent, rate), &wanted);
        let bare = settings(|s| (s.optimizer, s.momentum) = (Optimizer::Sgd, 0.0));
        close(&after_three(&bare, rate), &by_hand(|w, g, _, _| w - rate * g));
    }

    #[test]
    fn clipping_bounds_the_gradient() {
        // Gradient descent without momentum shows the gradient itself.
        let step = |change: fn(&mut TrainingConfig)| {
            let settings = settings(|s| {
                (s.optimizer, s.momentum) = (Optimizer::Sgd, 0.0);
                change(s);
            });
            let mut optimizer = OptimizerState::new(tensor(START)).with_rules(OptimizerRules::of(&settings));
            optimizer.step_clipped(tensor(GRADIENTS[0]), 1.0, &GradientClip::of(&settings, vec![3, 1]));
            let norm: f32 = optimizer.gradient_norm().clone().into_scalar();
            (START.iter().zip(read(&optimizer)).map(|(a, b)| a - b).collect::<Vec<_>>(), norm)
        };
        let whole = (0.14f32 + 16.0).sqrt();
        let (moved, norm) = step(|s| s.gradient_clip = 2.0);
        assert!((norm - whole).abs() < 1e-5, "the norm is that before clipping: {norm}");
        close(&moved, &GRADIENTS[0].map(|g| g * 2.0 / whole));
        close(&step(|s| s.gradient_clip = 100.0).0, &GRADIENTS[0]);
        let by_value = step(|s| (s.gradient_clip, s.gradient_clip_algorithm) = (0.15, ClipAlgorithm::Value)).0;
        close(&by_value, &[0.1, -0.15, 0.15, 0.15]);
        // Tensors of three values and of one: ‖w‖ is √5.25 and 3; the first is within the bound.
        let agc = step(|s| (s.gradient_clip, s.gradient_clip_algorithm) = (0.5, ClipAlgorithm::Agc)).0;
        close(&agc, &[0.1, -0.2, 0.3, 1.5]);
        let tight = step(|s| (s.gradient_clip, s.gradient_clip_algorithm) = (0.01, ClipAlgorithm::Agc)).0;
        let factor = 0.01 * 5.25f32.sqrt() / 0.14f32.sqrt();
        close(&tight, &[0.1 * factor, -0.2 * factor, 0.3 * factor, 0.03]);
    }

    #[test]
    fn frozen_parameters_keep_their_bits_with_every_optimizer() {
        for optimizer in [Optimizer::Adam, Optimizer::AdamW, Optimizer::Sgd] {
            let settings = settings(|s| (s.optimizer, s.weight_decay) = (optimizer, 0.1));
            let mut adam = OptimizerState::new(tensor(START)).with_rules(OptimizerRules::of(&settings));
            adam.train_only(Some(&[false, true, false, true]));
            GRADIENTS.iter().for_each(|gradient| adam.step(tensor(*gradient), 0.1, 1.0));
            let now = read(&adam);
            assert_eq!((now[0], now[2]), (START[0], START[2]), "{optimizer:?}");
            assert!(now[1] != START[1] && now[3] != START[3], "{optimizer:?}");
            adam.train_only(None);
            adam.step(tensor(GRADIENTS[0]), 0.1, 1.0);
            assert_ne!(read(&adam)[0], START[0]);
        }
    }

    #[test]
    fn a_resumed_optimizer_is_bit_identical() {
        for optimizer in [Optimizer::Adam, Optimizer::AdamW, Optimizer::Sgd] {
            let rules = OptimizerRules::of(&settings(|s| (s.optimizer, s.weight_decay) = (optimizer, 0.1)));
            let mut whole = OptimizerState::new(tensor(START)).with_rules(rules);
            whole.step(tensor(GRADIENTS[0]), 0.1, 0.5);
            whole.step(tensor(GRADIENTS[1]), 0.1, 0.5);
            let (moments, steps) = whole.moments().unwrap();
            let mut resumed =
                OptimizerState::resumed(whole.parameters().clone(), moments, steps).unwrap().with_rules(rules);
            for adam in [&mut whole, &mut resumed] {
                adam.step(tensor(GRADIENTS[2]), 0.1, 0.5);
            }
            assert_eq!(read(&whole), read(&resumed), "{optimizer:?}");
        }
    }

    #[test]
    fn accumulated_gradients_are_averaged_and_an_incomplete_sum_is_not_lost() {
        let mut accumulator = GradientAccumulator::default();
        assert!(accumulator.add(tensor(GRADIENTS[0]), 2).is_none());
        let mean = accumulator.add(tensor(GRADIENTS[1]), 2).unwrap().try_into_vec_as::<f32>().unwrap();
        close(&mean, &[0.15, -0.05, 0.0, 3.0]);
        assert!(accumulator.take_mean().is_none());
        assert!(accumulator.add(tensor(GRADIENTS[2]), 4).is_none());
        close(&accumulator.take_mean().unwrap().try_into_vec_as::<f32>().unwrap(), &GRADIENTS[2]);
        // A single batch is returned unchanged.
        assert_eq!(accumulator.add(tensor(GRADIENTS[2]), 1).unwrap().try_into_vec_as::<f32>().unwrap(), GRADIENTS[2]);
    }
}
