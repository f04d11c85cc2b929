//! Network and physics (A§3.4, A§4).

use crate::error::{Error, Problem, Result};
use serde::{Deserialize, Serialize};

/// Data that the network learns to reproduce.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ModelType {
    /// The measured patterns, through the physics of the experiment; needs no labeled data.
    #[default]
    Pinn,
    /// Patches of a known object, stored in the dataset or cut out of its object (A§4.9).
    Supervised,
}

/// Architecture of the network (A§4.1, A§4.10).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Architecture {
    /// Convolutional encoder with decoders for amplitude and phase.
    #[default]
    Cnn,
    /// Fourier neural operator: spectral and 3×3 convolutions in parallel, then convolutional blocks.
    Fno,
    /// As `Fno`, without the convolutional blocks.
    FnoVanilla,
    /// Factorized Fourier neural operator: one spectral filter per axis, shared by all blocks.
    Ffno,
}

/// Quantities that a Fourier architecture predicts (A§4.10).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GeneratorOutput {
    /// Real and imaginary part, unbounded.
    #[default]
    RealImag,
    /// One head: amplitude by `amp_activation`, phase π·tanh(z).
    AmpPhaseLogits,
    /// Separate heads: amplitude by the sigmoid, phase π·tanh(z).
    AmpPhase,
}

/// Activation function of the amplitude output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AmpActivation {
    /// 1 / (1 + exp(-z)), between 0 and 1.
    #[default]
    Sigmoid,
    /// z · sigmoid(z); amplitudes may be slightly negative.
    #[serde(alias = "swish")]
    Silu,
    /// ln(1 + exp(z)).
    Softplus,
    /// max(z, 0).
    Relu,
}

/// Transform of the normalized amplitude X at the input of the network; the loss always uses X itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InputTransform {
    /// sqrt(X) - 0.5; compresses the dynamic range.
    Sqrt,
    /// ln(1 + 4 X) - 0.5.
    Log,
    /// (X - mean) / (standard deviation + floor) of each pixel over the training patterns.
    Standardize,
    /// Two channels per pattern: `Sqrt` and `Standardize`.
    #[default]
    Dual,
    /// (X - mean) / standard deviation over the pixels of each pattern.
    InstanceNorm,
    /// X, as in the reference.
    None,
}

/// Distribution of the initial weights.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Initialization {
    /// He normal, zero bias; the last convolution of each decoder scaled by 0.1.
    #[default]
    He,
    /// Glorot uniform, zero bias.
    Glorot,
    /// Uniform in ±1/sqrt(fan in), weights and biases, as in the reference (default of PyTorch).
    Torch,
}

/// Decoder stage that upsamples from N/2 to N (A§4.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LastStage {
    /// `BorderMask` if the probe lies within the central N/2 window, else `FullFrame`; decided when the dataset is
    /// known.
    #[default]
    Auto,
    /// Upsampling to N, two convolutions, one output convolution; all pixels of the patch are predicted alike.
    FullFrame,
    /// As in the reference: the central N/2 window after a single convolution, and a border path through a ring mask.
    BorderMask,
    /// As in the reference of autumn 2025: the border path has a fraction of the channels and is added on the whole frame.
    BorderUnmasked,
    /// As in the reference's TensorFlow implementation: the border path has 4 channels, and fewer filters for larger
    /// patterns.
    BorderNarrow,
}

/// Quantities that the two outputs of the network represent (A§4.5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OutputMode {
    /// Amplitude, by `amp_activation`, and phase, π·tanh(z).
    #[default]
    AmpPhase,
    /// Real part, tanh(z) + 0.2, and imaginary part, 1.2·tanh(z).
    RealImag,
}

/// Scaling of the probe inside the model; the object is reported in the units of the dataset.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProbeNormalization {
    /// Energy: a unit-transmission object of amplitude `object_scale` reproduces the normalized energy (N/2)².
    #[default]
    Energy,
    /// P / (`probe_scale` · mean |P|), as in the reference (A§3.4).
    MeanAmplitude,
    /// P / `probe_scale`, as in the reference's PyTorch implementation.
    Fixed,
}

/// Weight of each pixel when overlapping patches are merged into one object during training (A§5.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MergeWeighting {
    /// |P|²: strongly illuminated pixels count more.
    #[default]
    Probe,
    /// 1 inside the central N/2 window, 0 outside, with 0.001 added to the sum, as in the reference.
    CentralWindow,
    /// The same window without the addition, as the reference's 'uniform'.
    Uniform,
}

/// Network and physics.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ModelConfig {
    /// Data that the network learns to reproduce.
    pub model_type: ModelType,
    /// Architecture of the network.
    pub architecture: Architecture,
    /// Patterns per group along one side; a group has gridsize² patterns.
    pub gridsize: usize,
    /// Multiplier for the number of filters of every layer.
    pub n_filters_scale: usize,
    /// Activation function of the amplitude output.
    pub amp_activation: AmpActivation,
    /// Transform of the input of the network.
    pub input_transform: InputTransform,
    /// Distribution of the initial weights.
    pub initialization: Initialization,
    /// Last stage of the decoder.
    pub last_stage: LastStage,
    /// Filters of the full-resolution convolutions of a decoder (`FullFrame`), times `n_filters_scale`.
    pub head_filters: usize,
    /// Scaling of the probe inside the model.
    pub probe_normalization: ProbeNormalization,
    /// Network output for an object of unit transmission (only with `ProbeNormalization::Energy`).
    pub object_scale: f64,
    /// Divisor of the probe (except with `ProbeNormalization::Energy`).
    pub probe_scale: f64,
    /// Weight of each pixel when patches are merged during training.
    pub merge_weighting: MergeWeighting,
    /// Merge the patches of a group into one object before the physics (gridsize > 1).
    pub object_big: bool,
    /// Predict the border of a patch (last stages with a border path).
    pub probe_big: bool,
    /// Predict the central half of a patch in the last stage and pad it; otherwise, all channels cover the whole frame.
    pub pad_object: bool,
    /// Fraction of the filters of the last stage that belong to the border path.
    pub decoder_last_c_outer_fraction: f64,
    /// Number of amplitudes that the network predicts: 1 for all patterns of a group, or one for each.
    pub decoder_last_amp_channels: usize,
    /// Apply the two fields above to `BorderMask`, too.
    pub use_legacy_decoder_channel_override: bool,
    /// Quantities that the two outputs of the network represent.
    pub cnn_output_mode: OutputMode,
    /// Use one decoder for both outputs.
    pub use_shared_decoder: bool,
    /// Apply batch normalization after the convolutions (except in the amplitude decoder).
    pub batch_norm: bool,
    /// Channel and spatial attention after each block of the encoder.
    pub cbam_encoder: bool,
    /// Efficient channel attention after each block of the encoder.
    pub eca_encoder: bool,
    /// Channel and spatial attention between encoder and decoders.
    pub cbam_bottleneck: bool,
    /// Channel and spatial attention after each block of the decoders.
    pub cbam_decoder: bool,
    /// Efficient channel attention after each block of the decoders.
    pub eca_decoder: bool,
    /// Spatial attention after each block of the decoders.
    pub spatial_decoder: bool,
    /// Side of the kernel of that spatial attention, odd.
    pub decoder_spatial_kernel: usize,
    /// Number of lowest frequencies along each axis that a spectral convolution filters.
    pub fno_modes: usize,
    /// Number of channels of a Fourier architecture.
    pub fno_width: usize,
    /// Number of Fourier blocks.
    pub fno_blocks: usize,
    /// Number of convolutional blocks after them.
    pub fno_cnn_blocks: usize,
    /// Quantities that a Fourier architecture predicts.
    pub generator_output_mode: GeneratorOutput,
    /// Standard deviation of a Gaussian that smooths the exit wave before propagation, pixels; 0 does not smooth.
    pub gaussian_smoothing_sigma: f64,
    /// Train the probe together with the network, at constant power.
    pub probe_trainable: bool,
    /// Initial learning rate of the probe; follows the schedule of the network.
    pub probe_learning_rate: f64,
    /// Train one common factor of all predicted amplitudes together with the network.
    pub intensity_scale_trainable: bool,
    /// Standard deviation of random shifts of the positions in each step, pixels; 0 does not shift them.
    pub position_jitter: f64,
}

impl ModelConfig {
    /// Number of patterns per group.
    pub fn channels(&self) -> usize {
        self.gridsize * self.gridsize
    }

    /// True if the last stage has a central path and a border path.
    pub fn has_border_path(&self) -> bool {
        self.pad_object && !matches!(self.last_stage, LastStage::Auto | LastStage::FullFrame)
    }

    /// True if the configuration sets the share of the border path and the number of amplitudes.
    pub fn has_custom_channels(&self) -> bool {
        let masked = self.last_stage == LastStage::BorderMask;
        self.last_stage == LastStage::BorderUnmasked || (masked && self.use_legacy_decoder_channel_override)
    }

    /// True if parameters of the physics are trained with the network.
    pub fn trains_physics(&self) -> bool {
        self.probe_trainable || self.intensity_scale_trainable
    }

    /// Number of output channels of the amplitude decoder; a single one is used for all patterns of a group.
    pub fn amplitude_channels(&self) -> usize {
        if self.has_custom_channels() { self.decoder_last_amp_channels } else { self.channels() }
    }

    /// Number of channels of the border path in a decoder with this many filters and outputs (A§4.4).
    pub fn outer_channels(&self, filters: usize, outputs: usize) -> usize {
        if self.last_stage == LastStage::BorderNarrow {
            return 4;
        }
        if !self.has_custom_channels() {
            return outputs;
        }
        let share = self.decoder_last_c_outer_fraction.clamp(0.0, 0.5);
        // The small addend protects a share that was computed from a whole number of channels against rounding down.
        ((filters as f64 * share + 1e-9) as usize).max(1)
    }

    /// Checks the fields against each other.
    ///
    /// # Errors
    /// Two contradictory fields, named with the remedy.
    pub fn check(&self) -> Result<()> {
        let rejected = |title: &str, hint: &str| Err(Error::BadInput(Problem::new(title).hint(hint)));
        let varies_physics = self.probe_trainable
            || self.intensity_scale_trainable
            || self.gaussian_smoothing_sigma > 0.0
            || self.position_jitter > 0.0;
        if self.model_type == ModelType::Supervised && varies_physics {
            return rejected(
                "Supervised training uses no physics, so probe, scale and positions cannot be trained or varied",
                "Set model.probe_trainable and model.intensity_scale_trainable to false, model.gaussian_smoothing_sigma \
                 and model.position_jitter to 0, or model.model_type to pinn",
            );
        }
        if self.architecture != Architecture::Cnn {
            return Ok(());
        }
        let amplitudes = self.amplitude_channels();
        if amplitudes != 1 && amplitudes != self.channels() {
            return rejected(
                &format!(
                    "model.decoder_last_amp_channels = {amplitudes} is neither 1 nor the number of patterns of a group, \
                     {}",
                    self.channels()
                ),
                "Set it to 1 or to gridsize²",
            );
        }
        if self.use_shared_decoder && amplitudes != self.channels() {
            return rejected(
                "A shared decoder predicts as many amplitudes as phases",
                "Set model.decoder_last_amp_channels to gridsize², or model.use_shared_decoder to false",
            );
        }
        if self.cnn_output_mode == OutputMode::RealImag && amplitudes != self.channels() {
            return rejected(
                "A single real part cannot represent several patterns",
                "Set model.decoder_last_amp_channels to gridsize², or model.cnn_output_mode to amp_phase",
            );
        }
        let outputs = if self.use_shared_decoder { 2 * self.channels() } else { self.channels() };
        let filters = 32 * self.n_filters_scale;
        if self.has_border_path() && self.outer_channels(filters, outputs) >= filters {
            return rejected(
                &format!("The border path of {outputs} outputs takes all {filters} filters of the last stage"),
                "Raise --n-filters-scale, or set model.last_stage to full_frame",
            );
        }
        if self.cbam_encoder && self.eca_encoder {
            return rejected("model.cbam_encoder and model.eca_encoder cannot be combined", "Set one of them to false");
        }
        let attentions =
            [self.cbam_decoder, self.eca_decoder, self.spatial_decoder].iter().filter(|used| **used).count();
        if attentions > 1 {
            return rejected(
                "Only one of model.cbam_decoder, model.eca_decoder and model.spatial_decoder can be used",
                "Set all but one of them to false",
            );
        }
        if self.use_shared_decoder && attentions > 0 {
            return rejected(
                "The shared decoder already has channel attention (ECA)",
                "Set model.cbam_decoder, model.eca_decoder and model.spatial_decoder to false",
            );
        }
        if self.decoder_spatial_kernel.is_multiple_of(2) {
            return rejected(
                &format!("model.decoder_spatial_kernel = {} is even", self.decoder_spatial_kernel),
                "Give an odd side with --set model.decoder_spatial_kernel=VALUE",
            );
        }
        Ok(())
    }
}

impl Default for ModelConfig {
    fn default() -> Self {
        Self {
            model_type: ModelType::Pinn,
            architecture: Architecture::Cnn,
            gridsize: 1,
            n_filters_scale: 1,
            amp_activation: AmpActivation::Sigmoid,
            input_transform: InputTransform::Dual,
            initialization: Initialization::He,
            last_stage: LastStage::Auto,
            head_filters: 16,
            probe_normalization: ProbeNormalization::Energy,
            object_scale: 0.7,
            probe_scale: 4.0,
            merge_weighting: MergeWeighting::Probe,
            object_big: true,
            probe_big: true,
            pad_object: true,
            decoder_last_c_outer_fraction: 0.125,
            decoder_last_amp_channels: 1,
            use_legacy_decoder_channel_override: false,
            cnn_output_mode: OutputMode::AmpPhase,
            use_shared_decoder: false,
            batch_norm: false,
            cbam_encoder: false,
            eca_encoder: false,
            cbam_bottleneck: false,
            cbam_decoder: false,
            eca_decoder: false,
            spatial_decoder: false,
            decoder_spatial_kernel: 7,
            fno_modes: 12,
            fno_width: 32,
            fno_blocks: 4,
            fno_cnn_blocks: 2,
            generator_output_mode: GeneratorOutput::RealImag,
            gaussian_smoothing_sigma: 0.0,
            probe_trainable: false,
            probe_learning_rate: 3e-3,
            intensity_scale_trainable: false,
            position_jitter: 0.0,
        }
    }
}
