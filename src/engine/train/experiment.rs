//! Parameters of the experiment that are trained with the network: its probe, and one factor of all predicted
//! amplitudes.
//!
//! Hazard: a factor can drift between probe and object without any change of the predicted patterns. Remedy: the power
//! of the probe is restored after every step; the remaining scale is the single amplitude factor, which is applied to
//! the object.

use super::forward::ForwardModel;
use super::optimizer::GradientAccumulator;
use super::{OptimizerState, Scaling};
use crate::config::Config;
use crate::data::{self, Dataset};
use crate::error::{Error, Result};
use crate::model::{Weights, save_log_scale, save_probe, saved_log_scale, saved_probe};
use crate::physics::{self, ComplexTensor};
use burn::tensor::{Device, Gradients, Tensor, TensorData};
use ndarray::Array3;
use num_complex::Complex32;

/// A trained parameter as a flat vector, with its optimizer and the differentiated copy of the current step.
#[derive(Clone)]
struct Parameter {
    optimizer: OptimizerState,
    leaf: Option<Tensor<1>>,
    accumulator: GradientAccumulator,
}

impl Parameter {
    fn new(values: Vec<f32>, moments: Option<([Vec<f32>; 2], i32)>, device: &Device) -> Result<Self> {
        let count = values.len();
        let values = Tensor::from_data(TensorData::new(values, [count]), device);
        let optimizer = match moments {
            Some((moments, steps)) => OptimizerState::resumed(values, moments, steps)?,
            None => OptimizerState::new(values),
        };
        Ok(Self { optimizer, leaf: None, accumulator: GradientAccumulator::default() })
    }

    /// Values on the device without autodiff.
    fn values(&self) -> Tensor<1> {
        self.optimizer.parameters().clone()
    }

    /// Values to be differentiated in the current step.
    fn values_with_grad(&mut self) -> Tensor<1> {
        let leaf = self.values().without_autodiff().autodiff().require_grad();
        self.leaf = Some(leaf.clone());
        leaf
    }

    /// Gradient of the current step; `None` if the physics term of the loss has zero weight.
    fn gradient(&mut self, gradients: &Gradients) -> Option<Tensor<1>> {
        self.leaf.take()?.grad(gradients)
    }
}

/// Trained parameters of the experiment, on a device.
pub(super) struct TrainableExperiment {
    /// Real, then imaginary parts of all modes.
    probe: Option<Parameter>,
    /// Logarithm of the amplitude factor.
    log_scale: Option<Parameter>,
    /// Shape of the probe: (modes, N, N).
    shape: [usize; 3],
    /// Σ|P|², which is kept constant.
    power: f64,
    /// (2·modes·N·N,): 0 outside the probe mask.
    support: Option<Tensor<1>>,
    /// Learning rate of the probe relative to that of the network.
    probe_rate: f64,
}

impl TrainableExperiment {
    /// The experiment of the dataset or, to resume a training, that of `resumed`: weights, the optimizer moments
    /// returned by [`Self::add_moments`], and the number of optimizer steps.
    ///
    /// # Errors
    /// The saved training belongs to another experiment.
    pub fn new(
        dataset: &Dataset,
        config: &Config,
        scaling: &Scaling,
        resumed: Option<(&Weights, [Vec<f32>; 2], i32)>,
        device: &Device,
    ) -> Result<Self> {
        let (modes, side, _) = dataset.probe.dim();
        let factor = scaling.probe_factor as f32;
        let initial = dataset.probe.mapv(|value| value * factor);
        let power = initial.iter().map(|value| f64::from(value.norm_sqr())).sum();
        let (weights, mut moments) = match resumed {
            Some((weights, moments, steps)) => (Some(weights), Some((moments, steps))),
            None => (None, None),
        };
        let lacking = || Error::bad_input("The saved training has no trained probe or scale, but this one trains it");
        let mut parameter =
            |trained: bool, values: &dyn Fn() -> Vec<f32>, saved: &dyn Fn(&Weights) -> Option<Vec<f32>>| {
                if !trained {
                    return Ok(None);
                }
                let values = match weights {
                    Some(weights) => saved(weights).ok_or_else(lacking)?,
                    None => values(),
                };
                // The moments of the parameters follow each other, in the order in which the parameters are built.
                let own = match &mut moments {
                    Some((moments, steps)) => {
                        let take = |all: &mut Vec<f32>| -> Result<Vec<f32>> {
                            if all.len() < values.len() {
                                return Err(lacking());
                            }
                            Ok(all.drain(..values.len()).collect())
                        };
                        let [first, second] = moments;
                        Some(([take(first)?, take(second)?], *steps))
                    }
                    None => None,
                };
                Parameter::new(values, own, device).map(Some)
            };
        let count = initial.len();
        let flat = |probe: &Array3<Complex32>| probe.iter().map(|z| z.re).chain(probe.iter().map(|z| z.im)).collect();
        let of_weights = |weights: &Weights| saved_probe(weights).filter(|p| p.len() == count).map(|p| flat(&p));
        let probe = parameter(config.model.probe_trainable, &|| flat(&initial), &of_weights)?;
        let log_scale = parameter(config.model.intensity_scale_trainable, &|| vec![0.0], &|weights| {
            saved_log_scale(weights).map(|value| vec![value])
        })?;
        let support = data::probe_mask(side, &config.data).map(|mask| {
            let values: Vec<f32> = mask.iter().map(|value| f32::from(u8::from(*value > 0.0))).collect();
            TensorData::new(values.repeat(2 * modes), [2 * count])
        });
        Ok(Self {
            probe,
            log_scale,
            shape: [modes, side, side],
            power,
            support: support.map(|values| Tensor::from_data(values, device)),
            probe_rate: config.model.probe_learning_rate / config.training.learning_rate,
        })
    }

    /// The forward model with the trained parameters, to be differentiated.
    pub fn forward_with_grad(&mut self, forward: &ForwardModel) -> ForwardModel {
        if self.is_fixed() {
            return forward.clone();
        }
        let probe = self.probe.as_mut().map(Parameter::values_with_grad);
        let probe = probe.map(|flat| self.complex(&flat));
        forward.with_experiment(probe, self.log_scale.as_mut().map(Parameter::values_with_grad))
    }

    /// The forward model with the trained parameters, on the device without autodiff.
    pub fn forward_detached(&self, forward: &ForwardModel) -> ForwardModel {
        if self.is_fixed() {
            return forward.clone();
        }
        let probe = self.probe.as_ref().map(|probe| self.complex(&probe.values()));
        forward.with_experiment(probe, self.log_scale.as_ref().map(Parameter::values))
    }

    /// True if no parameter of the experiment is trained.
    fn is_fixed(&self) -> bool {
        self.probe.is_none() && self.log_scale.is_none()
    }

    fn complex(&self, flat: &Tensor<1>) -> ComplexTensor<3> {
        let count = flat.dims()[0] / 2;
        let part = |start: usize| flat.clone().narrow(0, start, count).reshape(self.shape);
        ComplexTensor { re: part(0), im: part(count) }
    }

    /// Adds the gradients of a batch to those of the next step.
    pub fn accumulate(&mut self, gradients: &Gradients) {
        for parameter in self.probe.iter_mut().chain(&mut self.log_scale) {
            if let Some(gradient) = parameter.gradient(gradients) {
                parameter.accumulator.add(gradient, usize::MAX);
            }
        }
    }

    /// One step at the network's learning rate, along the mean gradient of the batches since the last step; none if the
    /// loss did not depend on the experiment.
    pub fn step(&mut self, rate: f64) {
        if let Some(probe) = &mut self.probe
            && let Some(mut gradient) = probe.accumulator.take_mean()
        {
            if let Some(support) = &self.support {
                gradient = gradient * support.clone();
            }
            probe.optimizer.step(gradient, rate * self.probe_rate, 0.0);
            let values = probe.values();
            let power = values.clone().square().sum().clamp_min(f64::from(f32::MIN_POSITIVE));
            probe.optimizer.set_parameters(values * (power.recip() * self.power).sqrt());
        }
        if let Some(log_scale) = &mut self.log_scale
            && let Some(gradient) = log_scale.accumulator.take_mean()
        {
            log_scale.optimizer.step(gradient, rate, 0.0);
        }
    }

    fn trained(&self) -> impl Iterator<Item = &Parameter> {
        self.probe.iter().chain(&self.log_scale)
    }

    /// Values of all parameters, for [`Self::set_parameters`].
    pub fn parameters(&self) -> Vec<Tensor<1>> {
        self.trained().map(Parameter::values).collect()
    }

    /// Restores the values of all parameters.
    pub fn set_parameters(&mut self, values: Vec<Tensor<1>>) {
        for (parameter, values) in self.probe.iter_mut().chain(&mut self.log_scale).zip(values) {
            parameter.optimizer.set_parameters(values);
        }
    }

    /// Appends the optimizer moments to those of the network.
    ///
    /// # Errors
    /// The device cannot be read.
    pub fn add_moments(&self, moments: &mut [Vec<f32>; 2]) -> Result<()> {
        for parameter in self.trained() {
            let (own, _) = parameter.optimizer.moments()?;
            for (all, own) in moments.iter_mut().zip(own) {
                all.extend(own);
            }
        }
        Ok(())
    }

    /// Number of optimizer steps: those in which the loss depended on the experiment.
    pub fn steps(&self) -> i32 {
        self.trained().map(|parameter| parameter.optimizer.steps()).max().unwrap_or_default()
    }

    /// Adds the trained parameters to the weights of the network.
    ///
    /// # Errors
    /// The device cannot be read.
    pub fn add_to(&self, mut weights: Weights) -> Result<Weights> {
        let read = |parameter: &Parameter| physics::read(parameter.values(), "the trained experiment");
        if let Some(probe) = &self.probe {
            save_probe(&mut weights, self.shape, &read(probe)?)?;
        }
        if let Some(log_scale) = &self.log_scale {
            save_log_scale(&mut weights, read(log_scale)?)?;
        }
        Ok(weights)
    }
}
