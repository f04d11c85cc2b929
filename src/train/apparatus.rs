//! What of the experiment is trained beside the network: its probe, and one factor of all predicted amplitudes.
//!
//! Hazard: a factor can wander between probe and object without any pattern noticing. Remedy: the power of the probe is kept
//! after every step; what is left of the scale is the one factor, with which the object is reported.

use super::forward::Forward;
use super::optimizer::Accumulation;
use super::{Adam, Scaling};
use crate::config::Config;
use crate::data::{self, Dataset};
use crate::error::{Error, Result};
use crate::model::{PHYSICS_PREFIX, Weights};
use crate::physics::{self, ComplexTensor};
use burn::tensor::{Device, Gradients, Tensor, TensorData};
use ndarray::{Array3, ArrayD, Ix3};
use num_complex::Complex32;

/// Names among the weights, after [`PHYSICS_PREFIX`]: parts of the probe, (modes, N, N) in the network's units, and the
/// logarithm of the factor, (1,).
const PROBE: [&str; 2] = ["probe_re", "probe_im"];
const LOG_SCALE: &str = "log_scale";

/// One trained part: its parameters, as a flat vector, and what they are in the step that is being done.
#[derive(Clone)]
struct Part {
    adam: Adam,
    leaf: Option<Tensor<1>>,
    gathered: Accumulation,
}

impl Part {
    fn new(values: Vec<f32>, moments: Option<([Vec<f32>; 2], i32)>, device: &Device) -> Result<Self> {
        let count = values.len();
        let parameters = Tensor::from_data(TensorData::new(values, [count]), device);
        let adam = match moments {
            Some((moments, steps)) => Adam::resumed(parameters, moments, steps)?,
            None => Adam::new(parameters),
        };
        Ok(Self { adam, leaf: None, gathered: Accumulation::default() })
    }

    /// The parameters, to be differentiated.
    fn differentiated(&mut self) -> Tensor<1> {
        let leaf = self.adam.parameters().clone().without_autodiff().autodiff().require_grad();
        self.leaf = Some(leaf.clone());
        leaf
    }

    /// The gradient of the step that is being done; none while the physics has no say in the loss.
    fn gradient(&mut self, gradients: &Gradients) -> Option<Tensor<1>> {
        self.leaf.take()?.grad(gradients)
    }
}

/// What of the experiment is trained, on a device.
pub(super) struct Apparatus {
    /// Real, then imaginary parts of all modes.
    probe: Option<Part>,
    scale: Option<Part>,
    shape: [usize; 3],
    /// Σ|P|², which is kept.
    power: f64,
    /// (2·modes·N·N,): 0 outside of the probe's mask.
    support: Option<Tensor<1>>,
    /// Rate of the probe as a multiple of the network's.
    probe_rate: f64,
}

impl Apparatus {
    /// As the dataset and the configuration have it, or, when a training goes on, as `resumed` has it: weights, and the moments
    /// of the optimiser that [`Self::add_moments`] gave, after so many steps.
    ///
    /// # Errors
    /// What is resumed is of another experiment.
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
        let lacking = || Error::bad_input("The saved training lacks the probe or the scale that this one trains");
        let mut part = |trained: bool, values: &dyn Fn() -> Vec<f32>, saved: &dyn Fn(&Weights) -> Option<Vec<f32>>| {
            if !trained {
                return Ok(None);
            }
            let values = match weights {
                Some(weights) => saved(weights).ok_or_else(lacking)?,
                None => values(),
            };
            let own = match &mut moments {
                Some((moments, steps)) => {
                    let take = |all: &mut Vec<f32>| -> Result<Vec<f32>> {
                        if all.len() < values.len() { Err(lacking()) } else { Ok(all.drain(..values.len()).collect()) }
                    };
                    let [first, second] = moments;
                    Some(([take(first)?, take(second)?], *steps))
                }
                None => None,
            };
            Part::new(values, own, device).map(Some)
        };
        let count = initial.len();
        let flat = |probe: &Array3<Complex32>| probe.iter().map(|z| z.re).chain(probe.iter().map(|z| z.im)).collect();
        let of_weights = |weights: &Weights| saved_probe(weights).filter(|p| p.len() == count).map(|p| flat(&p));
        let probe = part(config.model.probe_trainable, &|| flat(&initial), &of_weights)?;
        let scale = part(config.model.intensity_scale_trainable, &|| vec![0.0], &|weights| {
            weights
                .0
                .get(&key(LOG_SCALE))
                .map(|values| values.iter().copied().collect())
                .filter(|v: &Vec<f32>| v.len() == 1)
        })?;
        let support = data::probe_mask(side, &config.data).map(|mask| {
            let values: Vec<f32> = mask.iter().map(|value| f32::from(u8::from(*value > 0.0))).collect();
            TensorData::new(values.repeat(2 * modes), [2 * count])
        });
        Ok(Self {
            probe,
            scale,
            shape: [modes, side, side],
            power,
            support: support.map(|values| Tensor::from_data(values, device)),
            probe_rate: config.model.probe_learning_rate / config.training.learning_rate,
        })
    }

    /// The physics with what is trained, to be differentiated.
    pub fn light(&mut self, forward: &Forward) -> Forward {
        if self.is_fixed() {
            return forward.clone();
        }
        let probe = self.probe.as_mut().map(Part::differentiated);
        let probe = probe.map(|flat| self.complex(&flat));
        forward.lit(probe, self.scale.as_mut().map(Part::differentiated))
    }

    /// The physics with what was trained so far, on the device without autodiff.
    pub fn shine(&self, forward: &Forward) -> Forward {
        if self.is_fixed() {
            return forward.clone();
        }
        let plain = |part: &Part| part.adam.parameters().clone();
        forward.lit(self.probe.as_ref().map(|part| self.complex(&plain(part))), self.scale.as_ref().map(plain))
    }

    /// Whether nothing of the experiment is trained.
    fn is_fixed(&self) -> bool {
        self.probe.is_none() && self.scale.is_none()
    }

    fn complex(&self, flat: &Tensor<1>) -> ComplexTensor<3> {
        let count = flat.dims()[0] / 2;
        let part = |start: usize| flat.clone().narrow(0, start, count).reshape(self.shape);
        ComplexTensor { re: part(0), im: part(count) }
    }

    /// Keeps the gradients of a batch for the next step.
    pub fn gather(&mut self, gradients: &Gradients) {
        for part in self.probe.iter_mut().chain(&mut self.scale) {
            if let Some(gradient) = part.gradient(gradients) {
                part.gathered.add(gradient, usize::MAX);
            }
        }
    }

    /// One step with the network's learning rate, by the mean gradient of the batches since the last; nothing where the loss
    /// did not depend on it.
    pub fn step(&mut self, rate: f64) {
        if let Some(part) = &mut self.probe
            && let Some(mut gradient) = part.gathered.rest()
        {
            if let Some(support) = &self.support {
                gradient = gradient * support.clone();
            }
            part.adam.step(gradient, rate * self.probe_rate, 0.0);
            let probe = part.adam.parameters().clone();
            let power = probe.clone().square().sum().clamp_min(f64::from(f32::MIN_POSITIVE));
            part.adam.replace(probe * (power.recip() * self.power).sqrt());
        }
        if let Some(part) = &mut self.scale
            && let Some(gradient) = part.gathered.rest()
        {
            part.adam.step(gradient, rate, 0.0);
        }
    }

    fn parts(&self) -> impl Iterator<Item = &Part> {
        self.probe.iter().chain(&self.scale)
    }

    /// Values of all parameters, to be set back to.
    pub fn parameters(&self) -> Vec<Tensor<1>> {
        self.parts().map(|part| part.adam.parameters().clone()).collect()
    }

    /// Goes back to these parameters.
    pub fn set_back(&mut self, parameters: Vec<Tensor<1>>) {
        for (part, values) in self.probe.iter_mut().chain(&mut self.scale).zip(parameters) {
            part.adam.replace(values);
        }
    }

    /// Appends the optimiser's moments to those of the network.
    ///
    /// # Errors
    /// The device cannot be read.
    pub fn add_moments(&self, moments: &mut [Vec<f32>; 2]) -> Result<()> {
        for part in self.parts() {
            let (own, _) = part.adam.moments()?;
            for (all, own) in moments.iter_mut().zip(own) {
                all.extend(own);
            }
        }
        Ok(())
    }

    /// Steps of the optimiser: how often the loss depended on the experiment.
    pub fn steps(&self) -> i32 {
        self.parts().map(|part| part.adam.steps()).max().unwrap_or_default()
    }

    /// Adds what was trained to the network's weights.
    ///
    /// # Errors
    /// The device cannot be read.
    pub fn add_to(&self, mut weights: Weights) -> Result<Weights> {
        let read = |part: &Part| physics::read(part.adam.parameters().clone(), "what was trained");
        let unfit = |e: ndarray::ShapeError| Error::failed(format!("A trained part has the wrong size ({e})"));
        if let Some(part) = &self.probe {
            let values = read(part)?;
            for (name, half) in PROBE.into_iter().zip(values.chunks(values.len() / 2)) {
                let array = ArrayD::from_shape_vec(self.shape.to_vec(), half.to_vec()).map_err(unfit)?;
                weights.0.insert(key(name), array);
            }
        }
        if let Some(part) = &self.scale {
            weights.0.insert(key(LOG_SCALE), ArrayD::from_shape_vec(vec![1], read(part)?).map_err(unfit)?);
        }
        Ok(weights)
    }
}

fn key(name: &str) -> String {
    format!("{PHYSICS_PREFIX}{name}")
}

fn saved_probe(weights: &Weights) -> Option<Array3<Complex32>> {
    let part = |name: &str| weights.0.get(&key(name))?.view().into_dimensionality::<Ix3>().ok();
    let [re, im] = PROBE.map(part);
    let (re, im) = (re?, im.filter(|im| Some(im.dim()) == re.as_ref().map(|re| re.dim()))?);
    let mut probe = re.mapv(|re| Complex32::new(re, 0.0));
    probe.zip_mut_with(&im, |value, im| value.im = *im);
    Some(probe)
}

/// The probe that was trained with the network, (modes, N, N) in the network's units, its modes orthogonal and the strongest
/// first; none if it was not.
pub fn trained_probe(weights: &Weights) -> Option<Array3<Complex32>> {
    let mut probe = saved_probe(weights)?;
    data::orthogonalize(&mut [&mut probe]);
    Some(probe)
}

/// The factor of all amplitudes that was trained with the network; 1 if it was not.
pub fn amplitude_factor(weights: &Weights) -> f64 {
    weights.0.get(&key(LOG_SCALE)).and_then(|values| values.first()).map_or(1.0, |log| f64::from(*log).exp())
}
