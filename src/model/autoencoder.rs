//! The convolutional autoencoder on a device: one encoder, a decoder for the amplitude and one for the phase (A§4.1 to
//! A§4.6).

use super::Weights;
use super::layers;
use super::plan::{Attention, Block, Conv, Decoder, End, Layer, Norm, Plan, Spec, Stage};
use crate::config::{AmpActivation, InputTransform, ModelConfig, OutputMode};
use crate::error::{Error, Problem, Result};
use crate::kernels;
use crate::physics::{ComplexTensor, central_window};
use burn::tensor::{Device, Gradients, Tensor, TensorData, activation};
use ndarray::ArrayD;
use std::collections::BTreeMap;
use std::f64::consts::PI;
use std::sync::{Arc, Mutex, PoisonError};

/// Share of a new batch in the running statistics of a batch normalisation.
const MOMENTUM: f64 = 0.1;

/// The network on a device.
#[derive(Debug, Clone)]
pub struct Autoencoder {
    plan: Arc<Plan>,
    config: ModelConfig,
    /// One flat vector for each of [`Plan::trained`].
    trained: Vec<Tensor<1>>,
    /// One vector for each of [`Plan::running`], shared by the copies of the network that training makes.
    running: Arc<Mutex<Vec<Tensor<1>>>>,
    /// Whether batch normalisations use the batch and keep its statistics.
    training: bool,
    input: Option<InputScaling>,
    /// (1, 1, N, N): 0 in the central half of the frame, 1 on the border.
    border: Tensor<4>,
}

/// What the network's two outputs are activated by.
#[derive(Debug, Clone, Copy)]
enum Activation {
    Amplitude(AmpActivation),
    Phase,
    Real,
    Imaginary,
    /// Activated after the last stage (shared decoder).
    Later,
}

impl Activation {
    fn apply(self, z: Tensor<4>) -> Tensor<4> {
        match self {
            Self::Amplitude(AmpActivation::Sigmoid) => activation::sigmoid(z),
            Self::Amplitude(AmpActivation::Silu) => activation::silu(z),
            Self::Amplitude(AmpActivation::Softplus) => activation::softplus(z, 1.0),
            Self::Amplitude(AmpActivation::Relu) => activation::relu(z),
            Self::Phase => z.tanh() * PI,
            Self::Real => z.tanh() + 0.2,
            Self::Imaginary => z.tanh() * 1.2,
            Self::Later => z,
        }
    }

    /// Of the first and of the second output.
    fn of(config: &ModelConfig) -> [Self; 2] {
        match config.cnn_output_mode {
            OutputMode::AmpPhase => [Self::Amplitude(config.amp_activation), Self::Phase],
            OutputMode::RealImag => [Self::Real, Self::Imaginary],
        }
    }
}

/// The network's two outputs, (b, c, N, N) each.
#[derive(Debug, Clone)]
pub enum Outputs {
    /// Amplitude and phase as the heads give them: the amplitude may be negative, the phase beyond ±π on the border.
    AmpPhase(Tensor<4>, Tensor<4>),
    /// Real and imaginary part.
    RealImag(Tensor<4>, Tensor<4>),
}

impl Outputs {
    /// The complex object patches.
    pub fn into_object(self) -> ComplexTensor<4> {
        match self {
            Self::AmpPhase(amplitude, phase) => ComplexTensor::from_polar(amplitude, phase),
            Self::RealImag(re, im) => ComplexTensor { re, im },
        }
    }
}

impl Autoencoder {
    /// Builds the network for patches of side `patch` from host weights.
    ///
    /// # Errors
    /// When a weight is missing, left over, or has another shape than the configuration asks for.
    pub fn from_weights(weights: &Weights, patch: usize, config: &ModelConfig, device: &Device) -> Result<Self> {
        let plan = Plan::new(patch, config)?;
        let standardize = needs_statistics(config.input_transform);
        let expected = plan.tensors().count() + if standardize { 2 } else { 0 };
        if weights.0.len() != expected {
            return Err(Error::BadInput(
                Problem::new(format!("There are {} weights", weights.0.len()))
                    .expected(format!("{expected} for the network that the configuration describes"))
                    .hint("Weights and configuration do not belong together; train again"),
            ));
        }
        let take = |spec: &Spec| upload(weights, spec, device);
        let trained = plan.trained.iter().map(take).collect::<Result<_>>()?;
        let running = plan.running.iter().map(take).collect::<Result<_>>()?;
        let input = if standardize { Some(InputScaling::from_weights(weights, patch, device)?) } else { None };
        let border: Vec<f32> = central_window(patch).iter().map(|v| 1.0 - v).collect();
        Ok(Self {
            plan: Arc::new(plan),
            config: config.clone(),
            trained,
            running: Arc::new(Mutex::new(running)),
            training: false,
            input,
            border: Tensor::from_data(TensorData::new(border, [1, 1, patch, patch]), device),
        })
    }

    /// Normalised diffraction amplitude (b, c, N, N) → object patches (b, c, N, N).
    pub fn forward(&self, diffraction: Tensor<4>) -> ComplexTensor<4> {
        self.outputs(diffraction).into_object()
    }

    /// Normalised diffraction amplitude (b, c, N, N) → what the two heads put out.
    pub fn outputs(&self, diffraction: Tensor<4>) -> Outputs {
        let mut x = match self.config.input_transform {
            InputTransform::Sqrt => diffraction.sqrt() - 0.5,
            InputTransform::Log => (diffraction * 4.0).log1p() - 0.5,
            InputTransform::None => diffraction,
            InputTransform::Standardize => self.standardized(diffraction),
            InputTransform::Dual => {
                Tensor::cat(vec![diffraction.clone().sqrt() - 0.5, self.standardized(diffraction)], 1)
            }
        };
        for stage in &self.plan.encoder {
            x = kernels::max_pool2(self.attend(stage.attention.as_ref(), self.block(&stage.block, x)));
        }
        x = self.attend(self.plan.bottleneck.as_ref(), x);
        let channels = self.config.channels();
        let [first, second] = Activation::of(&self.config);
        let (a, b) = match &self.plan.decoders[..] {
            [shared] => {
                let both = self.decode(shared, x, Activation::Later);
                let half = |i: usize| both.clone().narrow(1, i * channels, channels);
                (first.apply(half(0)), second.apply(half(1)))
            }
            [amplitude, phase, ..] => (self.decode(amplitude, x.clone(), first), self.decode(phase, x, second)),
            // The plan has one or two.
            [] => (x.clone(), x),
        };
        // A single amplitude counts for every pattern of the group.
        let a = if a.dims()[1] == b.dims()[1] { a } else { a.expand(b.dims()) };
        match self.config.cnn_output_mode {
            OutputMode::AmpPhase => Outputs::AmpPhase(a, b),
            OutputMode::RealImag => Outputs::RealImag(a, b),
        }
    }

    fn standardized(&self, diffraction: Tensor<4>) -> Tensor<4> {
        match &self.input {
            Some(input) => (diffraction - input.mean.clone()) * input.scale.clone(),
            None => diffraction,
        }
    }

    fn decode(&self, decoder: &Decoder, latent: Tensor<4>, activation: Activation) -> Tensor<4> {
        let h = decoder.stages.iter().fold(latent, |h, stage| self.upward(stage, h));
        match &decoder.end {
            End::FullFrame { block, out } => {
                activation.apply(self.linear(out, self.block(block, kernels::upsample2(h))))
            }
            End::Unpadded { block, out } => {
                activation.apply(self.linear(out, kernels::upsample2(self.block(block, h))))
            }
            End::Border { inner, outer, ring, ring_used, masked } => {
                let [_, filters, half, _] = h.dims();
                let (pad, kept) = (half / 2, filters - outer);
                let centre = activation.apply(self.linear(inner, h.clone().narrow(1, 0, kept)));
                let centre = centre.pad((pad, pad, pad, pad), 0.0);
                let Some((block, out)) = ring.as_ref().filter(|_| *ring_used) else { return centre };
                let ring = kernels::upsample2(self.block(block, h.narrow(1, kept, *outer)));
                let ring = activation::silu(self.linear(out, ring));
                centre + if *masked { ring * self.border.clone() } else { ring }
            }
        }
    }

    /// A block of a decoder: convolutions at low resolution, then twice the side.
    fn upward(&self, stage: &Stage, h: Tensor<4>) -> Tensor<4> {
        let h = kernels::upsample2(self.block(&stage.block, h));
        let h = match &stage.refinement {
            Some([first, second, third]) => {
                let inner = self.conv(second, self.conv(first, h.clone(), true), true);
                activation::relu(h + self.conv(third, inner, false))
            }
            None => h,
        };
        self.attend(stage.attention.as_ref(), h)
    }

    fn block(&self, block: &Block, x: Tensor<4>) -> Tensor<4> {
        block.iter().fold(x, |x, layer| match &layer.norm {
            Some(norm) => activation::relu(self.normalize(norm, self.conv(&layer.conv, x, false))),
            None => self.conv(&layer.conv, x, true),
        })
    }

    /// A convolution and its normalisation, without activation.
    fn linear(&self, layer: &Layer, x: Tensor<4>) -> Tensor<4> {
        let x = self.conv(&layer.conv, x, false);
        match &layer.norm {
            Some(norm) => self.normalize(norm, x),
            None => x,
        }
    }

    fn conv(&self, conv: &Conv, x: Tensor<4>, relu: bool) -> Tensor<4> {
        kernels::conv3x3(x, self.parameter(conv.weight), self.parameter(conv.bias), relu)
    }

    fn attend(&self, attention: Option<&Attention>, x: Tensor<4>) -> Tensor<4> {
        match attention {
            None => x,
            Some(Attention::Cbam { hidden, bias, kernel }) => {
                let hidden = hidden.map(|[a, b, c]| (self.parameter(a), self.parameter(b), self.parameter(c)));
                let x = layers::channel_gate(x, hidden, self.parameter(*bias));
                layers::spatial_gate(x, self.parameter(*kernel))
            }
            Some(Attention::Eca { kernel }) => layers::channel_convolution(x, self.parameter(*kernel)),
            Some(Attention::Spatial { kernel }) => layers::spatial_gate(x, self.parameter(*kernel)),
        }
    }

    fn normalize(&self, norm: &Norm, x: Tensor<4>) -> Tensor<4> {
        let (gain, shift) = (self.parameter(norm.gain), self.parameter(norm.shift));
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        if !self.training {
            let of = |i: usize| -> Tensor<1> { running.get(i).cloned().unwrap_or_else(|| gain.zeros_like()) };
            return layers::normalize(x, of(norm.mean), of(norm.variance), gain.clone(), shift);
        }
        let (mean, variance) = layers::channel_statistics(&x);
        let [b, _, h, w] = x.dims();
        let count = (b * h * w) as f64;
        // The running variance is that of the population, which a batch underestimates.
        let unbiased = count / (count - 1.0).max(1.0);
        for (at, new, factor) in [(norm.mean, &mean, 1.0), (norm.variance, &variance, unbiased)] {
            if let Some(old) = running.get_mut(at) {
                *old = old.clone() * (1.0 - MOMENTUM) + new.clone().without_autodiff() * (factor * MOMENTUM);
            }
        }
        layers::normalize(x, mean, variance, gain, shift)
    }

    /// A parameter in its shape; one of the plan's own numbers.
    fn parameter<const D: usize>(&self, number: usize) -> Tensor<D> {
        let mut shape = [1; D];
        for (side, size) in shape.iter_mut().zip(&self.plan.trained[number].shape) {
            *side = *size;
        }
        self.trained[number].clone().reshape(shape)
    }

    /// The same network with every parameter marked for differentiation, in training.
    #[must_use]
    pub fn require_grad(mut self) -> Self {
        for tensor in &mut self.trained {
            *tensor = tensor.clone().without_autodiff().autodiff().require_grad();
        }
        self.training = true;
        self.border = self.border.autodiff();
        self.input = self.input.map(|i| InputScaling { mean: i.mean.autodiff(), scale: i.scale.autodiff() });
        self
    }

    /// All parameters as one vector without autodiff, layer by layer, weight before bias.
    pub fn flat_parameters(&self) -> Tensor<1> {
        Tensor::cat(self.trained.iter().map(|t| t.clone().without_autodiff()).collect(), 0)
    }

    /// Gradients of a backward pass in the order of [`Self::flat_parameters`].
    pub fn flat_gradient(&self, gradients: &Gradients) -> Tensor<1> {
        let parts =
            self.trained.iter().map(|t| t.grad(gradients).unwrap_or_else(|| t.clone().without_autodiff().zeros_like()));
        Tensor::cat(parts.collect(), 0)
    }

    /// The same network with the parameters of `flat` (see [`Self::flat_parameters`]), not yet differentiated.
    #[must_use]
    pub fn with_parameters(mut self, flat: &Tensor<1>) -> Self {
        let mut at = 0;
        for tensor in &mut self.trained {
            let size = tensor.dims()[0];
            *tensor = flat.clone().narrow(0, at, size);
            at += size;
        }
        self
    }

    /// Names and numbers of values of the parameters in the order of [`Self::flat_parameters`].
    pub fn parameter_names(&self) -> Vec<(String, usize)> {
        self.plan.trained.iter().map(|s| (s.name.clone(), s.shape.iter().product())).collect()
    }

    /// Number of trainable numbers (A§4.8).
    pub fn parameter_count(&self) -> usize {
        self.trained.iter().map(|t| t.dims()[0]).sum()
    }

    /// Host copy of the weights.
    ///
    /// # Errors
    /// When the device cannot be read.
    pub fn to_weights(&self) -> Result<Weights> {
        let mut map = BTreeMap::new();
        let mut keep = |name: &str, shape: &[usize], tensor: Tensor<1>| -> Result<()> {
            let failed = |e: String| Error::failed(format!("Cannot read the weights from the device ({e})"));
            let values = tensor.try_into_vec_as::<f32>().map_err(|e| failed(format!("{e:?}")))?;
            let array = ArrayD::from_shape_vec(shape.to_vec(), values).map_err(|e| failed(e.to_string()))?;
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

/// A weight as a flat vector on the device, if it is there in the right shape.
fn upload(weights: &Weights, spec: &Spec, device: &Device) -> Result<Tensor<1>> {
    let (name, shape) = (&spec.name, &spec.shape);
    let array = weights.0.get(name).ok_or_else(|| Error::bad_input(format!("The weights lack \"{name}\"")))?;
    if array.shape() != shape {
        let found = array.shape();
        return Err(Error::bad_input(format!("The weight \"{name}\" has shape {found:?} instead of {shape:?}")));
    }
    Ok(Tensor::from_data(TensorData::new(array.iter().copied().collect::<Vec<f32>>(), [array.len()]), device))
}

/// Whether a transform needs the statistics of the training patterns.
pub(super) fn needs_statistics(transform: InputTransform) -> bool {
    matches!(transform, InputTransform::Standardize | InputTransform::Dual)
}

/// Key of the mean pattern among the weights, (N, N).
pub(super) const INPUT_MEAN: &str = "input.mean";
/// Key of the factor of each pixel among the weights, (N, N).
pub(super) const INPUT_SCALE: &str = "input.scale";

/// What [`InputTransform::Standardize`] subtracts and multiplies by; part of the weights, but not trained.
#[derive(Debug, Clone)]
struct InputScaling {
    mean: Tensor<4>,
    scale: Tensor<4>,
}

impl InputScaling {
    fn from_weights(weights: &Weights, patch: usize, device: &Device) -> Result<Self> {
        let take = |key: &str| -> Result<Tensor<4>> {
            let array = weights.0.get(key).filter(|a| a.shape() == [patch, patch]);
            let array = array.ok_or_else(|| Error::bad_input(format!("The weights lack \"{key}\" of this size")))?;
            let values: Vec<f32> = array.iter().copied().collect();
            Ok(Tensor::from_data(TensorData::new(values, [1, 1, patch, patch]), device))
        };
        Ok(Self { mean: take(INPUT_MEAN)?, scale: take(INPUT_SCALE)? })
    }
}
