//! Adam on all parameters as one vector.
//!
//! One vector instead of a tensor for each layer keeps the number of device operations per step small, and the norm
//! of the whole gradient is one reduction that never leaves the device.

use crate::error::{Error, Result};
use crate::physics;
use burn::tensor::{Tensor, TensorData};

const BETA1: f64 = 0.9;
const BETA2: f64 = 0.999;
const EPSILON: f64 = 1e-8;

/// State of the optimiser: parameters and moments, each (number of parameters,), without autodiff.
#[derive(Debug, Clone)]
pub struct Adam {
    parameters: Tensor<1>,
    first: Tensor<1>,
    second: Tensor<1>,
    steps: i32,
    gradient_norm: Tensor<1>,
}

impl Adam {
    /// Starts with zero moments.
    pub fn new(parameters: Tensor<1>) -> Self {
        let zero = parameters.zeros_like();
        let gradient_norm = zero.clone().narrow(0, 0, 1);
        Self { first: zero.clone(), second: zero, parameters, steps: 0, gradient_norm }
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
        self.steps += 1;
        let norm = gradient.clone().square().sum().sqrt();
        self.gradient_norm = norm.clone();
        let gradient = if clip > 0.0 { gradient * (norm.clamp_min(clip).recip() * clip) } else { gradient };
        self.first = self.first.clone() * BETA1 + gradient.clone() * (1.0 - BETA1);
        self.second = self.second.clone() * BETA2 + gradient.square() * (1.0 - BETA2);
        let bias1 = 1.0 - BETA1.powi(self.steps);
        let bias2 = 1.0 - BETA2.powi(self.steps);
        let denominator = self.second.clone().sqrt() * (1.0 / bias2.sqrt()) + EPSILON;
        self.parameters = self.parameters.clone() - self.first.clone() / denominator * (learning_rate / bias1);
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
