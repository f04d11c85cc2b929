//! The network on a device: parameters, input transform and output activations. The layers between depend on the
//! architecture: `autoencoder` or `fourier`.

use super::Weights;
use super::experiment::PHYSICS_PREFIX;
use super::fourier::Frequencies;
use super::layers;
use super::plan::{Body, ParameterSpec, Plan};
use crate::config::{AmpActivation, Architecture, GeneratorOutput, InputTransform, ModelConfig, OutputMode};
use crate::error::{Error, Problem, Result};
use crate::kernels::{self, Activation};
use crate::physics::{self, ComplexTensor, central_window};
use burn::tensor::{Device, Gradients, Tensor, TensorData, activation};
use ndarray::ArrayD;
use std::collections::BTreeMap;
use std::f64::consts::PI;
use std::sync::{Arc, Mutex, PoisonError};

/// The network on a device.
#[derive(Debug, Clone)]
pub struct Network {
    pub(super) plan: Arc<Plan>,
    pub(super) config: ModelConfig,
    /// One flat vector for each entry of [`Plan::trained`].
    trained: Vec<Tensor<1>>,
    /// One vector for each entry of [`Plan::running`], shared by the copies of the network that training makes.
    pub(super) running: Arc<Mutex<Vec<Tensor<1>>>>,
    /// True if batch normalizations use the statistics of the batch and update the running ones.
    pub(super) training: bool,
    input: Option<InputScaling>,
    /// (1, 1, side, side): 0 in the central half of the frame, 1 on the border.
    pub(super) border: Tensor<4>,
    /// Fourier matrices, in Fourier architectures.
    pub(super) frequencies: Option<Frequencies>,
}

/// Activation of one of the two outputs.
#[derive(Debug, Clone, Copy)]
pub(super) enum OutputActivation {
    Amplitude(AmpActivation),
    Phase,
    Real,
    Imaginary,
    /// None, or applied after the last stage (shared decoder).
    Linear,
}

impl OutputActivation {
    pub(super) fn apply(self, z: Tensor<4>) -> Tensor<4> {
        match self {
            Self::Amplitude(AmpActivation::Sigmoid) => kernels::activate(z, Activation::Sigmoid),
            Self::Amplitude(AmpActivation::Silu) => kernels::activate(z, Activation::Silu),
            Self::Amplitude(AmpActivation::Softplus) => activation::softplus(z, 1.0),
            Self::Amplitude(AmpActivation::Relu) => activation::relu(z),
            Self::Phase => kernels::activate(z, Activation::Tanh) * PI,
            Self::Real => kernels::activate(z, Activation::Tanh) + 0.2,
            Self::Imaginary => kernels::activate(z, Activation::Tanh) * 1.2,
            Self::Linear => z,
        }
    }

    /// Activations of the first and the second output.
    pub(super) fn of(config: &ModelConfig) -> [Self; 2] {
        let chosen = [Self::Amplitude(config.amp_activation), Self::Phase];
        if config.architecture == Architecture::Cnn {
            return match config.cnn_output_mode {
                OutputMode::AmpPhase => chosen,
                OutputMode::RealImag => [Self::Real, Self::Imaginary],
            };
        }
        match config.generator_output_mode {
            GeneratorOutput::RealImag => [Self::Linear, Self::Linear],
            GeneratorOutput::AmpPhaseLogits => chosen,
            GeneratorOutput::AmpPhase => [Self::Amplitude(AmpActivation::Sigmoid), Self::Phase],
        }
    }
}

/// The network's two outputs, (b, c, N, N) each.
#[derive(Debug, Clone)]
pub enum Outputs {
    /// Amplitude and phase of the heads: the amplitude may be negative, and the phase may exceed ±π on the border.
    AmpPhase(Tensor<4>, Tensor<4>),
    /// Real and imaginary part.
    RealImag(Tensor<4>, Tensor<4>),
}

impl Outputs {
    /// Converts the outputs to complex object patches.
    pub fn into_object(self) -> ComplexTensor<4> {
        match self {
            Self::AmpPhase(amplitude, phase) => ComplexTensor::from_polar(amplitude, phase),
            Self::RealImag(re, im) => ComplexTensor { re, im },
        }
    }
}

impl Network {
    /// Builds the network for patches of side `patch` from host weights.
    ///
    /// # Errors
    /// A weight is missing, superfluous, or has another shape than the configuration requires.
    pub fn from_weights(weights: &Weights, patch: usize, config: &ModelConfig, device: &Device) -> Result<Self> {
        let plan = Plan::new(patch, config)?;
        let standardize = needs_statistics(config.input_transform);
        let expected = plan.tensors().count() + if standardize { 2 } else { 0 };
        let found = weights.0.keys().filter(|name| !name.starts_with(PHYSICS_PREFIX)).count();
        if found != expected {
            return Err(Error::BadInput(
                Problem::new(format!("There are {found} weights"))
                    .expected(format!("{expected} for the network in the configuration"))
                    .hint("Weights and configuration do not belong together; train again"),
            ));
        }
        let take = |spec: &ParameterSpec| upload(weights, spec, device);
        let trained = plan.trained.iter().map(take).collect::<Result<_>>()?;
        let running = plan.running.iter().map(take).collect::<Result<_>>()?;
        let input = if standardize { Some(InputScaling::from_weights(weights, patch, device)?) } else { None };
        let side = plan.side;
        let border: Vec<f32> = central_window(side).iter().map(|v| 1.0 - v).collect();
        let frequencies = match &plan.body {
            Body::Convolutional { .. } => None,
            Body::Fourier(_) => Some(Frequencies::new(side, config.fno_modes, device)),
        };
        Ok(Self {
            frequencies,
            plan: Arc::new(plan),
            config: config.clone(),
            trained,
            running: Arc::new(Mutex::new(running)),
            training: false,
            input,
            border: Tensor::from_data(TensorData::new(border, [1, 1, side, side]), device),
        })
    }

    /// Maps normalized diffraction amplitude (b, c, N, N) to object patches (b, c, N, N).
    pub fn forward(&self, diffraction: Tensor<4>) -> ComplexTensor<4> {
        self.outputs(diffraction).into_object()
    }

    /// Maps normalized diffraction amplitude (b, c, N, N) to the outputs of the two heads.
    pub fn outputs(&self, diffraction: Tensor<4>) -> Outputs {
        let [.., patch] = diffraction.dims();
        let x = match self.config.input_transform {
            InputTransform::Sqrt => diffraction.sqrt() - 0.5,
            InputTransform::Log => (diffraction * 4.0).log1p() - 0.5,
            InputTransform::None => diffraction,
            InputTransform::InstanceNorm => layers::normalize_instances(diffraction),
            InputTransform::Standardize => self.standardize(diffraction),
            InputTransform::Dual => {
                Tensor::cat(vec![diffraction.clone().sqrt() - 0.5, self.standardize(diffraction)], 1)
            }
        };
        let x = self.padded(x);
        let (a, b) = match &self.plan.body {
            Body::Convolutional { encoder, bottleneck, decoders } => {
                self.convolutional(x, encoder, bottleneck.as_ref(), decoders)
            }
            Body::Fourier(body) => self.fourier(x, body),
        };
        let (a, b) = (cropped(a, patch), cropped(b, patch));
        // A single amplitude is shared by all patterns of the group.
        let a = if a.dims()[1] == b.dims()[1] { a } else { a.expand(b.dims()) };
        match OutputActivation::of(&self.config) {
            [OutputActivation::Amplitude(_), _] => Outputs::AmpPhase(a, b),
            _ => Outputs::RealImag(a, b),
        }
    }

    /// Transformed patterns (b, inputs, N, N) in the middle of images of the side of the network.
    fn padded(&self, x: Tensor<4>) -> Tensor<4> {
        let [.., patch] = x.dims();
        let (before, missing) = (self.plan.side / 2 - patch / 2, self.plan.side - patch);
        if missing == 0 {
            return x;
        }
        let dark = match self.config.input_transform {
            InputTransform::Sqrt | InputTransform::Log => -0.5,
            _ => 0.0,
        };
        x.pad((before, missing - before, before, missing - before), dark)
    }

    fn standardize(&self, diffraction: Tensor<4>) -> Tensor<4> {
        match &self.input {
            Some(input) => (diffraction - input.mean.clone()) * input.scale.clone(),
            None => diffraction,
        }
    }

    /// The parameter with this index in the plan, in its shape.
    pub(super) fn parameter<const D: usize>(&self, index: usize) -> Tensor<D> {
        let mut shape = [1; D];
        for (side, size) in shape.iter_mut().zip(&self.plan.trained[index].shape) {
            *side = *size;
        }
        self.trained[index].clone().reshape(shape)
    }

    /// The same network in training mode, with every parameter marked for differentiation.
    #[must_use]
    pub fn require_grad(mut self) -> Self {
        for tensor in &mut self.trained {
            *tensor = tensor.clone().without_autodiff().autodiff().require_grad();
        }
        self.training = true;
        self.border = self.border.autodiff();
        self.frequencies = self.frequencies.map(Frequencies::autodiff);
        self.input = self.input.map(|i| InputScaling { mean: i.mean.autodiff(), scale: i.scale.autodiff() });
        self
    }

    /// All parameters as one vector without autodiff, layer by layer, weight before bias.
    pub fn flat_parameters(&self) -> Tensor<1> {
        kernels::flatten_parameters(self.trained.iter().map(|t| t.clone().without_autodiff()).collect())
    }

    /// Gradients of a backward pass in the order of [`Self::flat_parameters`].
    pub fn flat_gradient(&self, gradients: &Gradients) -> Tensor<1> {
        let parts =
            self.trained.iter().map(|t| t.grad(gradients).unwrap_or_else(|| t.clone().without_autodiff().zeros_like()));
        kernels::flatten_parameters(parts.collect())
    }

    /// The same network with the parameters `flat` (see [`Self::flat_parameters`]), without autodiff.
    #[must_use]
    pub fn with_parameters(mut self, flat: &Tensor<1>) -> Self {
        self.set_parameters(flat);
        self
    }

    /// Replaces the parameters by `flat` (see [`Self::flat_parameters`]), without autodiff.
    pub fn set_parameters(&mut self, flat: &Tensor<1>) {
        let sizes: Vec<usize> = self.trained.iter().map(|tensor| tensor.dims()[0]).collect();
        self.trained = kernels::split_parameters(flat, &sizes);
    }

    /// Names and sizes of the parameters in the order of [`Self::flat_parameters`].
    pub fn parameter_names(&self) -> Vec<(String, usize)> {
        self.plan.trained.iter().map(|s| (s.name.clone(), s.shape.iter().product())).collect()
    }

    /// Number of trainable values (A§4.8).
    pub fn parameter_count(&self) -> usize {
        self.trained.iter().map(|t| t.dims()[0]).sum()
    }

    /// Host copy of the weights.
    ///
    /// # Errors
    /// The device cannot be read.
    pub fn to_weights(&self) -> Result<Weights> {
        let mut map = BTreeMap::new();
        let mut keep = |name: &str, shape: &[usize], tensor: Tensor<1>| -> Result<()> {
            let values = physics::read(tensor, "the weights")?;
            let array = ArrayD::from_shape_vec(shape.to_vec(), values)
                .map_err(|e| Error::failed(format!("The weight {name:?} has the wrong size ({e})")))?;
            map.insert(name.to_owned(), array);
            Ok(())
        };
        if let Some(input) = &self.input {
            for (key, tensor) in [(INPUT_MEAN, &input.mean), (INPUT_SCALE, &input.scale)] {
                let [.., h, w] = tensor.dims();
                keep(key, &[h, w], tensor.clone().without_autodiff().reshape([h * w]))?;
            }
        }
        for (spec, tensor) in self.plan.trained.iter().zip(&self.trained) {
            keep(&spec.name, &spec.shape, tensor.clone().without_autodiff())?;
        }
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        for (spec, tensor) in self.plan.running.iter().zip(running.iter()) {
            keep(&spec.name, &spec.shape, tensor.clone())?;
        }
        Ok(Weights(map))
    }
}

/// The central N × N pixels of images.
fn cropped(images: Tensor<4>, patch: usize) -> Tensor<4> {
    let [.., side] = images.dims();
    if side == patch {
        return images;
    }
    let start = side / 2 - patch / 2;
    images.narrow(2, start, patch).narrow(3, start, patch)
}

/// Uploads a weight as a flat vector.
///
/// # Errors
/// The weight is missing or has the wrong shape.
fn upload(weights: &Weights, spec: &ParameterSpec, device: &Device) -> Result<Tensor<1>> {
    let (name, shape) = (&spec.name, &spec.shape);
    let array = weights.0.get(name).ok_or_else(|| Error::bad_input(format!("The weights contain no \"{name}\"")))?;
    if array.shape() != shape {
        let found = array.shape();
        return Err(Error::bad_input(format!("The weight \"{name}\" has shape {found:?} instead of {shape:?}")));
    }
    Ok(Tensor::from_data(TensorData::new(array.iter().copied().collect::<Vec<f32>>(), [array.len()]), device))
}

/// True if an input transform needs the statistics of the training patterns.
pub(super) fn needs_statistics(transform: InputTransform) -> bool {
    matches!(transform, InputTransform::Standardize | InputTransform::Dual)
}

/// Name of the mean pattern among the weights, (N, N).
pub(super) const INPUT_MEAN: &str = "input.mean";
/// Name of the pixel-wise factor among the weights, (N, N).
pub(super) const INPUT_SCALE: &str = "input.scale";

/// Offset and factor of [`InputTransform::Standardize`]; part of the weights, but not trained.
#[derive(Debug, Clone)]
struct InputScaling {
    mean: Tensor<4>,
    scale: Tensor<4>,
}

impl InputScaling {
    fn from_weights(weights: &Weights, patch: usize, device: &Device) -> Result<Self> {
        let take = |key: &str| -> Result<Tensor<4>> {
            let array = weights.0.get(key).filter(|a| a.shape() == [patch, patch]);
            let array =
                array.ok_or_else(|| Error::bad_input(format!("The weights contain no \"{key}\" of this size")))?;
            let values: Vec<f32> = array.iter().copied().collect();
            Ok(Tensor::from_data(TensorData::new(values, [1, 1, patch, patch]), device))
        };
        Ok(Self { mean: take(INPUT_MEAN)?, scale: take(INPUT_SCALE)? })
    }
}
