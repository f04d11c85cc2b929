//! Layout of the network: every parameter with its name, shape and position (A§4.2 to A§4.6).
//!
//! Weights are drawn, checked, counted, named and used from this single list.

use crate::config::{Architecture, InputTransform, LastStage, ModelConfig};
use crate::error::{Error, Problem, Result};

/// Number of channels per unit of the hidden layer of a channel gate.
const GATE_REDUCTION: usize = 16;
/// Side of the kernel of the spatial gate of a CBAM.
const GATE_KERNEL: usize = 7;
/// Length of the kernel of an ECA.
const ECA_KERNEL: usize = 3;

/// Smallest side of patterns for which a network can be built.
const SMALLEST_PATCH: usize = 16;

/// Number of filters after each encoder block and after each decoder block (A§4.3): those of the largest of N = 64, 128
/// and 256 that is not larger than the patch; of 64 for smaller ones.
///
/// # Errors
/// The patch is smaller than 16 pixels.
pub fn filters_per_block(patch: usize, scale: usize) -> Result<(Vec<usize>, Vec<usize>)> {
    let (encoder, decoder): (&[usize], &[usize]) = match patch {
        ..SMALLEST_PATCH => {
            return Err(Error::BadInput(
                Problem::new(format!("The network cannot be built for patterns of {patch} × {patch} pixels"))
                    .expected(format!("at least {SMALLEST_PATCH} pixels"))
                    .hint("Pad the diffraction patterns"),
            ));
        }
        SMALLEST_PATCH..128 => (&[32, 64, 128], &[64, 32]),
        128..256 => (&[16, 32, 64, 128], &[128, 64, 32]),
        256.. => (&[8, 16, 32, 64, 128], &[256, 128, 64, 32]),
    };
    let scaled = |filters: &[usize]| filters.iter().map(|f| f * scale).collect();
    Ok((scaled(encoder), scaled(decoder)))
}

/// Side of the images in a network for patches of this side: the next multiple of what its encoder blocks divide by. The
/// network pads its input to it with dark pixels, and crops its output, both around the center.
///
/// # Errors
/// As [`filters_per_block`].
pub fn padded_side(patch: usize) -> Result<usize> {
    let (encoder, _) = filters_per_block(patch, 1)?;
    Ok(patch.next_multiple_of(1 << encoder.len()))
}

/// Role of a parameter, which determines its initialization.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Role {
    /// Weight of a layer; `is_small` in heads and residual blocks, whose output should start small.
    Weight { fan_in: usize, fan_out: usize, is_small: bool },
    /// Bias after a weight with this fan-in.
    Bias { fan_in: usize },
    /// Gain of a batch normalization, or its running variance: starts at 1.
    One,
    /// Shift of a batch normalization, or its running mean: starts at 0.
    Zero,
    /// Starts at this value.
    Constant(f32),
}

/// Name, shape and role of a parameter.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct ParameterSpec {
    /// Name in the reference, if it has this parameter, without the prefix `model.autoencoder.`.
    pub name: String,
    pub shape: Vec<usize>,
    pub role: Role,
    /// Pixels of the output image; 0 for parameters other than convolutions over images.
    pub pixels: usize,
}

/// Index of a parameter in [`Plan::trained`].
pub(super) type ParameterIndex = usize;
/// Index of a statistic in [`Plan::running`].
pub(super) type StatisticIndex = usize;

/// A 3×3 convolution with bias.
#[derive(Debug, Clone, Copy)]
pub(super) struct Conv {
    pub weight: ParameterIndex,
    pub bias: ParameterIndex,
}

/// A batch normalization.
#[derive(Debug, Clone, Copy)]
pub(super) struct Norm {
    pub gain: ParameterIndex,
    pub shift: ParameterIndex,
    pub mean: StatisticIndex,
    pub variance: StatisticIndex,
}

/// A convolution with optional normalization.
#[derive(Debug, Clone, Copy)]
pub(super) struct Layer {
    pub conv: Conv,
    pub norm: Option<Norm>,
}

/// Two convolutions, each followed by ReLU (A§4.2 ConvBase).
pub(super) type Block = [Layer; 2];

/// Attention: weights channels or pixels (A§4.6).
#[derive(Debug, Clone, Copy)]
pub(super) enum Attention {
    /// Channel gate, then spatial gate.
    Cbam {
        /// Weight and bias of the hidden layer, and weight of the output layer; `None` if the hidden layer has no
        /// units.
        hidden: Option<[ParameterIndex; 3]>,
        /// Bias of the output layer.
        bias: ParameterIndex,
        /// Kernel of the spatial gate.
        kernel: ParameterIndex,
    },
    /// Channel gate by a convolution along the channel means.
    Eca { kernel: ParameterIndex },
    /// Spatial gate only.
    Spatial { kernel: ParameterIndex },
}

/// A block of the encoder or of a decoder, with its refinement and attention.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stage {
    pub block: Block,
    /// Three convolutions of a residual path (shared decoder).
    pub refinement: Option<[Conv; 3]>,
    pub attention: Option<Attention>,
}

/// Last stage of a decoder, from N/2 to N (A§4.4).
#[derive(Debug, Clone, Copy)]
pub(super) enum End {
    /// Upsampling, two convolutions, output convolution.
    FullFrame { block: Block, out: Layer },
    /// Two convolutions, upsampling, output convolution.
    Unpadded { block: Block, out: Layer },
    /// The central half comes from all but the last `outer` channels, the border from these.
    Border {
        inner: Layer,
        outer: usize,
        ring: Option<(Block, Layer)>,
        /// True if the ring is used; the reference keeps its parameters even if it is not.
        ring_used: bool,
        /// True if the ring is set to 0 in the central half.
        masked: bool,
    },
}

/// One decoder.
#[derive(Debug, Clone)]
pub(super) struct Decoder {
    pub stages: Vec<Stage>,
    pub end: End,
}

/// A 1×1 convolution with bias: weight (outputs, inputs).
pub(super) type Pointwise = Conv;

/// A Fourier block (A§4.10).
#[derive(Debug, Clone, Copy)]
pub(super) enum FourierBlock {
    /// `x + GELU(spectral(x) + conv(x))`.
    Plain { spectral: ParameterIndex, conv: Conv },
    /// `x + gate · down(GELU(up(normalized(spectral(x)))))`, with a spectral filter along each axis.
    Factorized { columns: ParameterIndex, rows: ParameterIndex, up: Pointwise, down: Pointwise, gate: ParameterIndex },
}

/// A Fourier architecture.
#[derive(Debug, Clone)]
pub(super) struct Fourier {
    pub lifter: [Conv; 2],
    pub blocks: Vec<FourierBlock>,
    pub middle: Option<Pointwise>,
    /// `GELU(first(x))`, or `x + second(GELU(first(x)))`.
    pub refiners: Vec<(Conv, Option<Conv>)>,
    /// One head for both outputs, or one for each.
    pub heads: Vec<Pointwise>,
}

/// Layers between input and outputs.
#[derive(Debug, Clone)]
pub(super) enum Body {
    Convolutional {
        encoder: Vec<Stage>,
        bottleneck: Option<Attention>,
        /// Decoders of amplitude and phase, or one for both.
        decoders: Vec<Decoder>,
    },
    Fourier(Fourier),
}

/// The whole network.
#[derive(Debug, Clone)]
pub(super) struct Plan {
    /// ParameterIndex parameters, in the order of use.
    pub trained: Vec<ParameterSpec>,
    /// Running statistics of batch normalizations.
    pub running: Vec<ParameterSpec>,
    pub body: Body,
    /// Side of the images in the network, see [`padded_side`].
    pub side: usize,
}

impl Plan {
    /// Layout of the network for patches of `patch` × `patch` pixels.
    ///
    /// # Errors
    /// The network cannot be built for this patch size, or settings contradict each other.
    pub fn new(patch: usize, config: &ModelConfig) -> Result<Self> {
        config.check()?;
        let channels = config.channels();
        let (encoder_filters, decoder_filters) = filters_per_block(patch, config.n_filters_scale)?;
        let side = padded_side(patch)?;
        let mut list = Builder { config, patch: side, trained: Vec::new(), running: Vec::new(), side };
        if config.architecture != Architecture::Cnn {
            let body = Body::Fourier(list.fourier()?);
            return Ok(Self { trained: list.trained, running: list.running, body, side });
        }
        let mut filters = inputs(config);
        let mut encoder = Vec::new();
        for (i, &outputs) in encoder_filters.iter().enumerate() {
            let name = format!("encoder.blocks.{i}");
            let block = list.block(&name, filters, outputs, config.batch_norm);
            filters = outputs;
            let attention = if config.cbam_encoder {
                list.cbam(&format!("{name}.attention"), filters)
            } else {
                config.eca_encoder.then(|| list.eca(&format!("{name}.attention")))
            };
            encoder.push(Stage { block, refinement: None, attention });
            list.side /= 2;
        }
        let bottleneck = if config.cbam_bottleneck { list.cbam("bottleneck_cbam", filters) } else { None };
        let bottom = list.side;
        let mut decoder = |name: &str, end: &str, outputs: usize, normalized: bool| {
            list.side = bottom;
            list.decoder(name, end, filters, &decoder_filters, outputs, normalized)
        };
        let decoders = if config.use_shared_decoder {
            vec![decoder("decoder_shared", "last", 2 * channels, config.batch_norm)]
        } else {
            vec![
                decoder("decoder_amp", "amp", config.amplitude_channels(), false),
                decoder("decoder_phase", "phase", channels, config.batch_norm),
            ]
        };
        let Builder { trained, running, .. } = list;
        Ok(Self { trained, running, body: Body::Convolutional { encoder, bottleneck, decoders }, side })
    }

    /// Every trained parameter, then every running statistic.
    pub fn tensors(&self) -> impl Iterator<Item = &ParameterSpec> {
        self.trained.iter().chain(&self.running)
    }
}

/// Input channels of the network: one or two for each pattern of a group.
pub(super) fn inputs(config: &ModelConfig) -> usize {
    config.channels() * if config.input_transform == InputTransform::Dual { 2 } else { 1 }
}

/// Collects the parameters while the network is laid out.
pub(super) struct Builder<'a> {
    pub config: &'a ModelConfig,
    /// Side of the images in the network.
    pub patch: usize,
    trained: Vec<ParameterSpec>,
    running: Vec<ParameterSpec>,
    /// Side of the image at the current layer.
    side: usize,
}

impl Builder<'_> {
    pub fn add(&mut self, name: String, shape: &[usize], role: Role, pixels: usize) -> ParameterIndex {
        self.trained.push(ParameterSpec { name, shape: shape.to_vec(), role, pixels });
        self.trained.len() - 1
    }

    pub fn conv(&mut self, name: &str, inputs: usize, outputs: usize, is_small: bool) -> Conv {
        let (fan_in, fan_out) = (9 * inputs, 9 * outputs);
        let pixels = self.side * self.side;
        let weight = Role::Weight { fan_in, fan_out, is_small };
        Conv {
            weight: self.add(format!("{name}.weight"), &[outputs, inputs, 3, 3], weight, pixels),
            bias: self.add(format!("{name}.bias"), &[outputs], Role::Bias { fan_in }, 0),
        }
    }

    fn norm(&mut self, name: &str, channels: usize) -> Norm {
        let shape = [channels];
        let mut running = |part: &str, role| {
            self.running.push(ParameterSpec { name: format!("{name}.{part}"), shape: shape.to_vec(), role, pixels: 0 });
            self.running.len() - 1
        };
        let (mean, variance) = (running("running_mean", Role::Zero), running("running_var", Role::One));
        Norm {
            gain: self.add(format!("{name}.weight"), &shape, Role::One, 0),
            shift: self.add(format!("{name}.bias"), &shape, Role::Zero, 0),
            mean,
            variance,
        }
    }

    /// `{name}.conv{number}`, and `{name}.bn{number}` if it is normalized.
    fn layer(
        &mut self,
        name: &str,
        number: usize,
        (inputs, outputs): (usize, usize),
        is_small: bool,
        normalized: bool,
    ) -> Layer {
        let conv = self.conv(&format!("{name}.conv{number}"), inputs, outputs, is_small);
        let norm = normalized.then(|| self.norm(&format!("{name}.bn{number}"), outputs));
        Layer { conv, norm }
    }

    fn block(&mut self, name: &str, inputs: usize, outputs: usize, normalized: bool) -> Block {
        let first = self.layer(name, 1, (inputs, outputs), false, normalized);
        [first, self.layer(name, 2, (outputs, outputs), false, normalized)]
    }

    /// Adds a CBAM; always `Some`.
    #[allow(clippy::unnecessary_wraps, reason = "an option for the convenience of its callers")]
    fn cbam(&mut self, name: &str, channels: usize) -> Option<Attention> {
        let units = channels / GATE_REDUCTION;
        let gate = format!("{name}.ChannelGate.mlp");
        let linear = |fan_in, fan_out| Role::Weight { fan_in, fan_out, is_small: false };
        // With fewer channels than the reduction the hidden layer has no units, and only the bias remains (A§4.6).
        let hidden = (units > 0).then(|| {
            [
                self.add(format!("{gate}.1.weight"), &[units, channels], linear(channels, units), 0),
                self.add(format!("{gate}.1.bias"), &[units], Role::Bias { fan_in: channels }, 0),
                self.add(format!("{gate}.3.weight"), &[channels, units], linear(units, channels), 0),
            ]
        });
        let bias = self.add(format!("{gate}.3.bias"), &[channels], Role::Bias { fan_in: units.max(1) }, 0);
        let kernel = self.spatial_kernel(&format!("{name}.SpatialGate"), GATE_KERNEL);
        Some(Attention::Cbam { hidden, bias, kernel })
    }

    fn spatial_kernel(&mut self, name: &str, side: usize) -> ParameterIndex {
        let weight = Role::Weight { fan_in: 2 * side * side, fan_out: side * side, is_small: false };
        self.add(format!("{name}.compress.weight"), &[1, 2, side, side], weight, self.side * self.side)
    }

    fn eca(&mut self, name: &str) -> Attention {
        let weight = Role::Weight { fan_in: ECA_KERNEL, fan_out: ECA_KERNEL, is_small: false };
        Attention::Eca { kernel: self.add(format!("{name}.conv.weight"), &[1, 1, ECA_KERNEL], weight, 0) }
    }

    /// Attention after a decoder block, if configured.
    fn decoder_attention(&mut self, name: &str, channels: usize) -> Option<Attention> {
        if self.config.cbam_decoder {
            self.cbam(name, channels)
        } else if self.config.eca_decoder {
            Some(self.eca(name))
        } else if self.config.spatial_decoder {
            let kernel = self.spatial_kernel(&format!("{name}.spatial_gate"), self.config.decoder_spatial_kernel);
            Some(Attention::Spatial { kernel })
        } else {
            None
        }
    }

    fn decoder(
        &mut self,
        name: &str,
        end: &str,
        inputs: usize,
        filters_per_block: &[usize],
        outputs: usize,
        normalized: bool,
    ) -> Decoder {
        let shared = self.config.use_shared_decoder;
        let mut filters = inputs;
        let mut stages = Vec::new();
        for (i, &next) in filters_per_block.iter().enumerate() {
            let block = self.block(&format!("{name}.blocks.{i}"), filters, next, normalized);
            filters = next;
            self.side *= 2;
            let refinement = shared.then(|| {
                let inner = if i + 1 == filters_per_block.len() { 2 * filters } else { filters };
                let name = format!("{name}.refinement.{i}");
                [
                    self.conv(&format!("{name}.conv1"), filters, inner, false),
                    self.conv(&format!("{name}.conv2"), inner, inner, false),
                    self.conv(&format!("{name}.conv3"), inner, filters, false),
                ]
            });
            let attention = if shared {
                Some(self.eca(&format!("{name}.attention_blocks.{i}")))
            } else {
                self.decoder_attention(&format!("{name}.attention_blocks.{i}"), filters)
            };
            stages.push(Stage { block, refinement, attention });
        }
        let end = self.end(&format!("{name}.{end}"), filters, outputs, normalized);
        Decoder { stages, end }
    }

    fn end(&mut self, name: &str, filters: usize, outputs: usize, normalized: bool) -> End {
        let layout = self.config.last_stage;
        let half = self.side;
        if matches!(layout, LastStage::Auto | LastStage::FullFrame) {
            self.side = self.patch;
            let full = self.config.head_filters * self.config.n_filters_scale;
            let block = self.block(&format!("{name}.full"), filters, full, normalized);
            return End::FullFrame { block, out: self.layer(name, 1, (full, outputs), true, normalized) };
        }
        let narrow = layout == LastStage::BorderNarrow;
        let ring_filters = if narrow { self.config.n_filters_scale * 2048 / self.patch } else { filters };
        let ring_name = format!("{name}.conv_up_block");
        if !self.config.pad_object {
            let block = self.block(&ring_name, filters, ring_filters, normalized);
            self.side = self.patch;
            return End::Unpadded { block, out: self.layer(name, 2, (ring_filters, outputs), true, normalized) };
        }
        let outer = self.config.outer_channels(filters, outputs);
        let inner = self.layer(name, 1, (filters - outer, outputs), true, normalized);
        let ring = (!narrow || self.config.probe_big).then(|| {
            self.side = half;
            let block = self.block(&ring_name, outer, ring_filters, normalized);
            self.side = self.patch;
            (block, self.layer(name, 2, (ring_filters, outputs), true, normalized))
        });
        let masked = layout != LastStage::BorderUnmasked;
        End::Border { inner, outer, ring, ring_used: self.config.probe_big, masked }
    }
}
