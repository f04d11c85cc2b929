//! Adam, AdamW and gradient descent on all parameters as one vector (A§6.1).
//!
//! One vector instead of a tensor for each layer keeps the number of device operations per step small, and the norm
//! of the whole gradient is one reduction that never leaves the device.

use crate::config::{ClipAlgorithm, Optimizer, TrainingConfig};
use crate::error::{Error, Result};
use crate::physics;
use burn::tensor::{Tensor, TensorData};

const BETA1: f64 = 0.9;
const BETA2: f64 = 0.999;
const EPSILON: f64 = 1e-8;
/// Least norm of a tensor for the clipping by its norm, so that what begins at zero can move.
const LEAST_NORM: f64 = 1e-3;

/// How a gradient moves the parameters.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rules {
    optimizer: Optimizer,
    beta1: f64,
    beta2: f64,
    momentum: f64,
    weight_decay: f64,
}

impl Default for Rules {
    /// Adam with the usual constants.
    fn default() -> Self {
        Self { optimizer: Optimizer::Adam, beta1: BETA1, beta2: BETA2, momentum: 0.0, weight_decay: 0.0 }
    }
}

impl Rules {
    /// Those of a configuration.
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

/// How a gradient is kept from being too large.
#[derive(Debug, Clone, PartialEq)]
pub struct Clip {
    bound: f64,
    algorithm: ClipAlgorithm,
    /// Numbers of values of the tensors that the parameters consist of, in their order.
    sizes: Vec<usize>,
}

impl Clip {
    /// That of a configuration, for parameters that consist of tensors of these sizes.
    pub fn of(settings: &TrainingConfig, sizes: Vec<usize>) -> Self {
        Self { bound: settings.gradient_clip, algorithm: settings.gradient_clip_algorithm, sizes }
    }

    /// By the norm of the whole gradient; 0 never clips.
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
                    let allowed = length(&weight).clamp_min(LEAST_NORM) * bound;
                    // min(1, allowed / ‖g‖), without a branch on the device.
                    let factor = (allowed / length(&part).clamp_min(f64::from(f32::MIN_POSITIVE))).clamp_max(1.0);
                    parts.push(part * factor);
                    at += size;
                }
                Tensor::cat(parts, 0)
            }
        }
    }
}

/// State of the optimiser: parameters and moments, each (number of parameters,), without autodiff.
///
/// The moments are those of Adam; for gradient descent the first is the velocity, and the second stays zero.
#[derive(Debug, Clone)]
pub struct Adam {
    parameters: Tensor<1>,
    first: Tensor<1>,
    second: Tensor<1>,
    steps: i32,
    gradient_norm: Tensor<1>,
    rules: Rules,
    /// (number of parameters,): 1 where they move, 0 where they rest; none moves all.
    moving: Option<Tensor<1>>,
}

impl Adam {
    /// Starts with zero moments.
    pub fn new(parameters: Tensor<1>) -> Self {
        let zero = parameters.zeros_like();
        let gradient_norm = zero.clone().narrow(0, 0, 1);
        let rules = Rules::default();
        Self { first: zero.clone(), second: zero, parameters, steps: 0, gradient_norm, rules, moving: None }
    }

    /// Goes on with the moments (number of parameters,) that [`Adam::moments`] gave after this many steps.
    ///
    /// # Errors
    /// There are not as many of them as parameters.
    pub fn resumed(parameters: Tensor<1>, moments: [Vec<f32>; 2], steps: i32) -> Result<Self> {
        let count = parameters.dims()[0];
        if moments.iter().any(|moment| moment.len() != count) {
            return Err(Error::bad_input("The saved state of the optimiser is not that of this network"));
        }
        let device = parameters.device();
        let [first, second] = moments.map(|moment| Tensor::from_data(TensorData::new(moment, [count]), &device));
        Ok(Self { first, second, steps, ..Self::new(parameters) })
    }

    /// The same with other rules.
    #[must_use]
    pub fn with_rules(self, rules: Rules) -> Self {
        Self { rules, ..self }
    }

    /// From here on only these parameters move: for each whether it does; none moves all.
    pub fn move_only(&mut self, moving: Option<&[bool]>) {
        let device = self.parameters.device();
        self.moving = moving.map(|moving| {
            let values: Vec<f32> = moving.iter().map(|moves| f32::from(u8::from(*moves))).collect();
            let count = values.len();
            Tensor::from_data(TensorData::new(values, [count]), &device)
        });
    }

    /// First and second moment, copied from the device, and the number of steps.
    ///
    /// # Errors
    /// The device cannot be read.
    pub fn moments(&self) -> Result<([Vec<f32>; 2], i32)> {
        let read = |moment: &Tensor<1>| physics::read(moment.clone(), "the optimiser");
        Ok(([read(&self.first)?, read(&self.second)?], self.steps))
    }

    /// One step; the gradient is scaled down to norm `clip` if it is longer (`clip` = 0: never).
    pub fn step(&mut self, gradient: Tensor<1>, learning_rate: f64, clip: f64) {
        self.step_clipped(gradient, learning_rate, &Clip::norm(clip));
    }

    /// One step with a gradient that is clipped before.
    pub fn step_clipped(&mut self, gradient: Tensor<1>, learning_rate: f64, clip: &Clip) {
        self.steps += 1;
        let gradient = match &self.moving {
            Some(moving) => gradient * moving.clone(),
            None => gradient,
        };
        let norm = physics::total(gradient.clone().square()).sqrt();
        self.gradient_norm = norm.clone();
        let Rules { optimizer, weight_decay, .. } = self.rules;
        let gradient = clip.apply(gradient, norm, &self.parameters);
        let before = self.parameters.clone();
        let (gradient, start) = match (optimizer, weight_decay > 0.0) {
            (_, false) => (gradient, before.clone()),
            (Optimizer::AdamW, true) => (gradient, before.clone() * (1.0 - learning_rate * weight_decay)),
            (Optimizer::Adam | Optimizer::Sgd, true) => (gradient + before.clone() * weight_decay, before.clone()),
        };
        let moved = match optimizer {
            Optimizer::Adam | Optimizer::AdamW => start - self.adam(gradient, learning_rate),
            Optimizer::Sgd => start - self.descent(gradient) * learning_rate,
        };
        self.parameters = match &self.moving {
            Some(moving) => before * (moving.clone() * -1.0 + 1.0) + moved * moving.clone(),
            None => moved,
        };
    }

    /// What Adam subtracts.
    fn adam(&mut self, gradient: Tensor<1>, learning_rate: f64) -> Tensor<1> {
        let Rules { beta1, beta2, .. } = self.rules;
        self.first = self.first.clone() * beta1 + gradient.clone() * (1.0 - beta1);
        self.second = self.second.clone() * beta2 + gradient.square() * (1.0 - beta2);
        let bias1 = 1.0 - beta1.powi(self.steps);
        let bias2 = 1.0 - beta2.powi(self.steps);
        let denominator = self.second.clone().sqrt() * (1.0 / bias2.sqrt()) + EPSILON;
        self.first.clone() / denominator * (learning_rate / bias1)
    }

    /// The direction of gradient descent with Nesterov's momentum.
    fn descent(&mut self, gradient: Tensor<1>) -> Tensor<1> {
        let momentum = self.rules.momentum;
        if momentum <= 0.0 {
            return gradient;
        }
        self.first = if self.steps == 1 { gradient.clone() } else { self.first.clone() * momentum + gradient.clone() };
        gradient + self.first.clone() * momentum
    }

    /// Goes on with these parameters, (number of parameters,), and the moments as they are.
    pub fn replace(&mut self, parameters: Tensor<1>) {
        self.parameters = parameters;
    }

    /// Steps so far.
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

/// Gradients of several batches that make one step.
#[derive(Debug, Clone, Default)]
pub struct Accumulation {
    sum: Option<Tensor<1>>,
    batches: usize,
}

impl Accumulation {
    /// Adds the gradient of a batch; gives back the mean of all once there are `wanted` of them.
    pub fn add(&mut self, gradient: Tensor<1>, wanted: usize) -> Option<Tensor<1>> {
        if wanted <= 1 {
            return Some(gradient);
        }
        self.sum = Some(match self.sum.take() {
            Some(sum) => sum + gradient,
            None => gradient,
        });
        self.batches += 1;
        if self.batches >= wanted { self.rest() } else { None }
    }

    /// The mean of what is left over, if anything is.
    pub fn rest(&mut self) -> Option<Tensor<1>> {
        let batches = std::mem::take(&mut self.batches);
        Some(self.sum.take()? * (1.0 / batches as f64))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;
    use burn::tensor::Device;

    const START: [f32; 4] = [1.0, -2.0, 0.5, 3.0];
    const GRADIENTS: [[f32; 4]; 3] = [[0.1, -0.2, 0.3, 4.0], [0.2, 0.1, -0.3, 2.0], [-0.5, 0.0, 0.1, 1.0]];

    fn tensor(values: [f32; 4]) -> Tensor<1> {
        Tensor::from_floats(values, &Device::flex())
    }

    fn read(optimizer: &Adam) -> Vec<f32> {
        optimizer.parameters().try_to_vec_as::<f32>().unwrap()
    }

    fn settings(change: impl FnOnce(&mut TrainingConfig)) -> TrainingConfig {
        let mut settings = TrainingConfig { gradient_clip: 0.0, ..TrainingConfig::default() };
        change(&mut settings);
        settings
    }

    fn after_three(settings: &TrainingConfig, rate: f64) -> Vec<f32> {
        let mut optimizer = Adam::new(tensor(START)).with_rules(Rules::of(settings));
        let clip = Clip::of(settings, vec![3, 1]);
        GRADIENTS.iter().for_each(|gradient| optimizer.step_clipped(tensor(*gradient), rate, &clip));
        read(&optimizer)
    }

    /// The same by hand in f64, one parameter at a time.
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
    fn each_optimiser_does_what_its_formula_says() {
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
    fn clipping_bounds_what_it_says() {
        // Gradient descent without momentum shows the gradient itself.
        let step = |change: fn(&mut TrainingConfig)| {
            let settings = settings(|s| {
                (s.optimizer, s.momentum) = (Optimizer::Sgd, 0.0);
                change(s);
            });
            let mut optimizer = Adam::new(tensor(START)).with_rules(Rules::of(&settings));
            optimizer.step_clipped(tensor(GRADIENTS[0]), 1.0, &Clip::of(&settings, vec![3, 1]));
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
        // Tensors of three and of one value: ‖w‖ is √5.25 and 3; the first is short enough as it is.
        let agc = step(|s| (s.gradient_clip, s.gradient_clip_algorithm) = (0.5, ClipAlgorithm::Agc)).0;
        close(&agc, &[0.1, -0.2, 0.3, 1.5]);
        let tight = step(|s| (s.gradient_clip, s.gradient_clip_algorithm) = (0.01, ClipAlgorithm::Agc)).0;
        let factor = 0.01 * 5.25f32.sqrt() / 0.14f32.sqrt();
        close(&tight, &[0.1 * factor, -0.2 * factor, 0.3 * factor, 0.03]);
    }

    #[test]
    fn what_rests_keeps_its_bits_whatever_the_optimiser() {
        for optimizer in [Optimizer::Adam, Optimizer::AdamW, Optimizer::Sgd] {
            let settings = settings(|s| (s.optimizer, s.weight_decay) = (optimizer, 0.1));
            let mut adam = Adam::new(tensor(START)).with_rules(Rules::of(&settings));
            adam.move_only(Some(&[false, true, false, true]));
            GRADIENTS.iter().for_each(|gradient| adam.step(tensor(*gradient), 0.1, 1.0));
            let now = read(&adam);
            assert_eq!((now[0], now[2]), (START[0], START[2]), "{optimizer:?}");
            assert!(now[1] != START[1] && now[3] != START[3], "{optimizer:?}");
            adam.move_only(None);
            adam.step(tensor(GRADIENTS[0]), 0.1, 1.0);
            assert_ne!(read(&adam)[0], START[0]);
        }
    }

    #[test]
    fn a_resumed_optimiser_goes_on_to_the_bit() {
        for optimizer in [Optimizer::Adam, Optimizer::AdamW, Optimizer::Sgd] {
            let rules = Rules::of(&settings(|s| (s.optimizer, s.weight_decay) = (optimizer, 0.1)));
            let mut whole = Adam::new(tensor(START)).with_rules(rules);
            whole.step(tensor(GRADIENTS[0]), 0.1, 0.5);
            whole.step(tensor(GRADIENTS[1]), 0.1, 0.5);
            let (moments, steps) = whole.moments().unwrap();
            let mut resumed = Adam::resumed(whole.parameters().clone(), moments, steps).unwrap().with_rules(rules);
            for adam in [&mut whole, &mut resumed] {
                adam.step(tensor(GRADIENTS[2]), 0.1, 0.5);
            }
            assert_eq!(read(&whole), read(&resumed), "{optimizer:?}");
        }
    }

    #[test]
    fn accumulated_gradients_make_their_mean_and_the_rest_is_not_lost() {
        let mut accumulation = Accumulation::default();
        assert!(accumulation.add(tensor(GRADIENTS[0]), 2).is_none());
        let mean = accumulation.add(tensor(GRADIENTS[1]), 2).unwrap().try_into_vec_as::<f32>().unwrap();
        close(&mean, &[0.15, -0.05, 0.0, 3.0]);
        assert!(accumulation.rest().is_none());
        assert!(accumulation.add(tensor(GRADIENTS[2]), 4).is_none());
        close(&accumulation.rest().unwrap().try_into_vec_as::<f32>().unwrap(), &GRADIENTS[2]);
        // A single batch goes through as it is.
        assert_eq!(accumulation.add(tensor(GRADIENTS[2]), 1).unwrap().try_into_vec_as::<f32>().unwrap(), GRADIENTS[2]);
    }
}
