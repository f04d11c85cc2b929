//! The convolutional autoencoder: one encoder, a decoder for the amplitude and one for the phase (A§4.1 to A§4.5).

use super::Weights;
use super::layers::Conv3x3;
use crate::config::{AmpActivation, InputTransform, LastStage, ModelConfig};
use crate::error::{Error, Problem, Result};
use crate::kernels;
use crate::physics::{ComplexTensor, central_window};
use burn::tensor::{Device, Gradients, Tensor, TensorData, activation};
use ndarray::ArrayD;
use std::collections::BTreeMap;
use std::f64::consts::PI;

/// Filters after each encoder block and after each decoder block (A§4.3).
///
/// # Errors
/// When the patch side is not 64, 128 or 256.
pub fn filter_ladders(patch: usize, scale: usize) -> Result<(Vec<usize>, Vec<usize>)> {
    let (encoder, decoder): (&[usize], &[usize]) = match patch {
        64 => (&[32, 64, 128], &[64, 32]),
        128 => (&[16, 32, 64, 128], &[128, 64, 32]),
        256 => (&[8, 16, 32, 64, 128], &[256, 128, 64, 32]),
        _ => {
            return Err(Error::BadInput(
                Problem::new(format!("The network cannot be built for patterns of {patch} × {patch} pixels"))
                    .expected("64, 128 or 256 pixels")
                    .hint("Crop, pad or bin the diffraction patterns to one of these sizes"),
            ));
        }
    };
    let scaled = |ladder: &[usize]| ladder.iter().map(|f| f * scale).collect();
    Ok((scaled(encoder), scaled(decoder)))
}

/// What a convolution of the network is called and how large it is.
pub(super) struct LayerShape {
    /// Key without `.weight` or `.bias`; the reference's names where the layer exists there.
    pub name: String,
    pub outputs: usize,
    pub inputs: usize,
    /// Side of its input and output, in pixels.
    pub side: usize,
    /// Whether its output goes straight into an activation of a head.
    pub is_head: bool,
}

/// Every convolution in the order in which [`Autoencoder::forward`] uses them: the one list from which weights are
/// drawn, checked, counted and named.
pub(super) fn layer_shapes(patch: usize, config: &ModelConfig) -> Result<Vec<LayerShape>> {
    let channels = config.gridsize * config.gridsize;
    let (encoder, decoder) = filter_ladders(patch, config.n_filters_scale)?;
    let mut list = Vec::new();
    let mut layer = |name: String, inputs: usize, outputs: usize, side: usize, is_head: bool| {
        list.push(LayerShape { name, outputs, inputs, side, is_head });
        outputs
    };
    let mut side = patch;
    let mut bottleneck = if config.input_transform == InputTransform::Dual { 2 * channels } else { channels };
    for (i, &filters) in encoder.iter().enumerate() {
        bottleneck = layer(format!("encoder.blocks.{i}.conv1"), bottleneck, filters, side, false);
        layer(format!("encoder.blocks.{i}.conv2"), filters, filters, side, false);
        side /= 2;
    }
    let latent_side = side;
    for head in ["amp", "phase"] {
        let mut filters = bottleneck;
        let mut side = latent_side;
        for (i, &outputs) in decoder.iter().enumerate() {
            filters = layer(format!("decoder_{head}.blocks.{i}.conv1"), filters, outputs, side, false);
            layer(format!("decoder_{head}.blocks.{i}.conv2"), filters, filters, side, false);
            side *= 2;
        }
        let end = format!("decoder_{head}.{head}");
        match config.last_stage {
            // Undecided means the layout that serves every probe.
            LastStage::Auto | LastStage::FullFrame => {
                let full = config.head_filters * config.n_filters_scale;
                layer(format!("{end}.full.conv1"), filters, full, patch, false);
                layer(format!("{end}.full.conv2"), full, full, patch, false);
                layer(format!("{end}.conv1"), full, channels, patch, true);
            }
            LastStage::BorderMask => {
                layer(format!("{end}.conv1"), filters - channels, channels, side, true);
                layer(format!("{end}.conv_up_block.conv1"), channels, filters, side, false);
                layer(format!("{end}.conv_up_block.conv2"), filters, filters, side, false);
                layer(format!("{end}.conv2"), filters, channels, patch, true);
            }
        }
    }
    Ok(list)
}

/// The network on a device.
#[derive(Debug, Clone)]
pub struct Autoencoder {
    names: Vec<String>,
    layers: Vec<Conv3x3>,
    encoder_blocks: usize,
    decoder_blocks: usize,
    channels: usize,
    last_stage: LastStage,
    input_transform: InputTransform,
    input: Option<InputScaling>,
    amp_activation: AmpActivation,
    /// (1, 1, N, N): 0 in the central half of the frame, 1 on the border.
    border: Tensor<4>,
}

impl Autoencoder {
    /// Builds the network for patches of side `patch` from host weights.
    ///
    /// # Errors
    /// When a weight is missing, left over, or has another shape than the configuration asks for.
    pub fn from_weights(weights: &Weights, patch: usize, config: &ModelConfig, device: &Device) -> Result<Self> {
        let shapes = layer_shapes(patch, config)?;
        let standardize = needs_statistics(config.input_transform);
        let expected = 2 * shapes.len() + if standardize { 2 } else { 0 };
        if weights.0.len() != expected {
            return Err(Error::BadInput(
                Problem::new(format!("There are {} weights", weights.0.len()))
                    .expected(format!("{expected} for the network that the configuration describes"))
                    .hint("Weights and configuration do not belong together; train again"),
            ));
        }
        let layers = shapes
            .iter()
            .map(|s| Conv3x3::from_weights(weights, &s.name, s.outputs, s.inputs, device))
            .collect::<Result<_>>()?;
        let (encoder, decoder) = filter_ladders(patch, config.n_filters_scale)?;
        let input = if standardize { Some(InputScaling::from_weights(weights, patch, device)?) } else { None };
        let border: Vec<f32> = central_window(patch).iter().map(|v| 1.0 - v).collect();
        Ok(Self {
            names: shapes.into_iter().map(|s| s.name).collect(),
            layers,
            encoder_blocks: encoder.len(),
            decoder_blocks: decoder.len(),
            channels: config.gridsize * config.gridsize,
            last_stage: config.last_stage,
            input_transform: config.input_transform,
            input,
            amp_activation: config.amp_activation,
            border: Tensor::from_data(TensorData::new(border, [1, 1, patch, patch]), device),
        })
    }

    /// Normalised diffraction amplitude (b, c, N, N) → object patches (b, c, N, N).
    pub fn forward(&self, diffraction: Tensor<4>) -> ComplexTensor<4> {
        let mut layers = self.layers.iter();
        let mut x = match self.input_transform {
            InputTransform::Sqrt => diffraction.sqrt() - 0.5,
            InputTransform::Log => (diffraction * 4.0).log1p() - 0.5,
            InputTransform::None => diffraction,
            InputTransform::Standardize => self.standardized(diffraction),
            InputTransform::Dual => {
                Tensor::cat(vec![diffraction.clone().sqrt() - 0.5, self.standardized(diffraction)], 1)
            }
        };
        for _ in 0..self.encoder_blocks {
            x = kernels::max_pool2(block(&mut layers, x));
        }
        let amplitude = self.decode(&mut layers, x.clone(), |z| match self.amp_activation {
            AmpActivation::Sigmoid => activation::sigmoid(z),
            AmpActivation::Silu => activation::silu(z),
            AmpActivation::Softplus => activation::softplus(z, 1.0),
            AmpActivation::Relu => activation::relu(z),
        });
        let phase = self.decode(&mut layers, x, |z| z.tanh() * PI);
        ComplexTensor::from_polar(amplitude, phase)
    }

    fn standardized(&self, diffraction: Tensor<4>) -> Tensor<4> {
        match &self.input {
            Some(input) => (diffraction - input.mean.clone()) * input.scale.clone(),
            None => diffraction,
        }
    }

    fn decode<'a>(
        &self,
        layers: &mut impl Iterator<Item = &'a Conv3x3>,
        latent: Tensor<4>,
        activation: impl Fn(Tensor<4>) -> Tensor<4>,
    ) -> Tensor<4> {
        let mut h = latent;
        for _ in 0..self.decoder_blocks {
            h = kernels::upsample2(block(layers, h));
        }
        match self.last_stage {
            LastStage::Auto | LastStage::FullFrame => {
                let full = block(layers, kernels::upsample2(h));
                activation(plain(layers, full))
            }
            LastStage::BorderMask => {
                let [_, filters, half, _] = h.dims();
                let (inner, outer) = (filters - self.channels, self.channels);
                let pad = half / 2;
                let centre = activation(plain(layers, h.clone().narrow(1, 0, inner)));
                let ring = kernels::upsample2(block(layers, h.narrow(1, inner, outer)));
                let ring = activation::silu(plain(layers, ring)) * self.border.clone();
                centre.pad((pad, pad, pad, pad), 0.0) + ring
            }
        }
    }

    /// The same network with every parameter marked for differentiation.
    #[must_use]
    pub fn require_grad(mut self) -> Self {
        for layer in &mut self.layers {
            layer.weight = layer.weight.clone().without_autodiff().autodiff().require_grad();
            layer.bias = layer.bias.clone().without_autodiff().autodiff().require_grad();
        }
        self.border = self.border.autodiff();
        self.input = self.input.map(|i| InputScaling { mean: i.mean.autodiff(), scale: i.scale.autodiff() });
        self
    }

    /// All parameters as one vector without autodiff, layer by layer, weight before bias.
    pub fn flat_parameters(&self) -> Tensor<1> {
        let parts = self
            .layers
            .iter()
            .flat_map(|l| [l.weight.clone().without_autodiff().flatten::<1>(0, 3), l.bias.clone().without_autodiff()]);
        Tensor::cat(parts.collect(), 0)
    }

    /// Gradients of a backward pass in the order of [`Self::flat_parameters`].
    pub fn flat_gradient(&self, gradients: &Gradients) -> Tensor<1> {
        let parts = self.layers.iter().flat_map(|l| {
            let weight = l.weight.grad(gradients).unwrap_or_else(|| l.weight.clone().without_autodiff().zeros_like());
            let bias = l.bias.grad(gradients).unwrap_or_else(|| l.bias.clone().without_autodiff().zeros_like());
            [weight.flatten::<1>(0, 3), bias]
        });
        Tensor::cat(parts.collect(), 0)
    }

    /// The same network with the parameters of `flat` (see [`Self::flat_parameters`]), not yet differentiated.
    #[must_use]
    pub fn with_parameters(mut self, flat: &Tensor<1>) -> Self {
        let mut at = 0;
        for layer in &mut self.layers {
            let shape = layer.weight.dims();
            let size: usize = shape.iter().product();
            layer.weight = flat.clone().narrow(0, at, size).reshape(shape);
            at += size;
            let size = layer.bias.dims()[0];
            layer.bias = flat.clone().narrow(0, at, size);
            at += size;
        }
        self
    }

    /// Number of trainable numbers (A§4.8).
    pub fn parameter_count(&self) -> usize {
        self.layers.iter().map(|l| l.weight.dims().iter().product::<usize>() + l.bias.dims()[0]).sum()
    }

    /// Host copy of the weights.
    ///
    /// # Errors
    /// When the device cannot be read.
    pub fn to_weights(&self) -> Result<Weights> {
        let failed = |e: String| Error::failed(format!("Cannot read the weights from the device ({e})"));
        let mut map = BTreeMap::new();
        if let Some(input) = &self.input {
            for (key, tensor) in [(INPUT_MEAN, &input.mean), (INPUT_SCALE, &input.scale)] {
                let [.., h, w] = tensor.dims();
                let values = tensor.try_to_vec_as::<f32>().map_err(|e| failed(format!("{e:?}")))?;
                let array = ArrayD::from_shape_vec(vec![h, w], values).map_err(|e| failed(e.to_string()))?;
                map.insert(key.to_owned(), array);
            }
        }
        for (name, layer) in self.names.iter().zip(&self.layers) {
            let weight = layer.weight.try_to_vec_as::<f32>().map_err(|e| failed(format!("{e:?}")))?;
            let bias = layer.bias.try_to_vec_as::<f32>().map_err(|e| failed(format!("{e:?}")))?;
            let array =
                |shape: &[usize], v| ArrayD::from_shape_vec(shape.to_vec(), v).map_err(|e| failed(e.to_string()));
            map.insert(format!("{name}.weight"), array(&layer.weight.dims(), weight)?);
            map.insert(format!("{name}.bias"), array(&layer.bias.dims(), bias)?);
        }
        Ok(Weights(map))
    }
}

/// Whether a transform needs the statistics of the training patterns.
pub fn needs_statistics(transform: InputTransform) -> bool {
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

/// Two convolutions, each followed by ReLU (A§4.2 ConvBase); nothing happens when the layers are used up, which the
/// construction excludes.
fn block<'a>(layers: &mut impl Iterator<Item = &'a Conv3x3>, x: Tensor<4>) -> Tensor<4> {
    layers.by_ref().take(2).fold(x, |h, layer| layer.forward_relu(h))
}

/// One convolution without activation.
fn plain<'a>(layers: &mut impl Iterator<Item = &'a Conv3x3>, x: Tensor<4>) -> Tensor<4> {
    layers.by_ref().take(1).fold(x, |h, layer| layer.forward(h))
}
