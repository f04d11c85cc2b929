//! The network and the physics behind it (A§3.4, A§4).

use crate::error::{Error, Problem, Result};
use serde::{Deserialize, Serialize};

/// What the network learns from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ModelType {
    /// The physics of the experiment: no labelled data are needed.
    #[default]
    Pinn,
    /// Patches of a known object, given with the dataset or cut out of its object (A§4.9).
    Supervised,
}

/// What the network is made of (A§4.1, A§4.10).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Architecture {
    /// Convolutional encoder with a decoder for the amplitude and one for the phase.
    #[default]
    Cnn,
    /// Fourier neural operator: spectral and 3×3 convolutions side by side, then convolutions.
    Fno,
    /// The same without what follows its Fourier blocks.
    FnoVanilla,
    /// Factorized Fourier neural operator: a spectral filter for each axis, shared by all blocks.
    Ffno,
}

/// What a Fourier architecture puts out (A§4.10).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GeneratorOutput {
    /// Real and imaginary part, unbounded.
    #[default]
    RealImag,
    /// One head; amplitude by `amp_activation`, phase π·tanh(z).
    AmpPhaseLogits,
    /// A head each; amplitude by the sigmoid, phase π·tanh(z).
    AmpPhase,
}

/// Activation of the amplitude head.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AmpActivation {
    /// 1 / (1 + exp(-z)), bounded by 0 and 1.
    #[default]
    Sigmoid,
    /// z · sigmoid(z); slightly negative amplitudes are possible.
    #[serde(alias = "swish")]
    Silu,
    /// ln(1 + exp(z)).
    Softplus,
    /// max(z, 0).
    Relu,
}

/// What is done to the normalised amplitude before the network sees it; the loss always uses the amplitude itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InputTransform {
    /// sqrt(X) - 0.5: compresses the dynamic range.
    Sqrt,
    /// ln(1 + 4 X) - 0.5.
    Log,
    /// (X - mean) / (spread + floor), pixel by pixel over the training patterns: what a pattern has of its own.
    Standardize,
    /// Two channels for each pattern: `sqrt` and `standardize`.
    #[default]
    Dual,
    /// (X - mean) / spread over the pixels of each pattern: its contrast alone.
    InstanceNorm,
    /// X, as the reference.
    None,
}

/// How the weights are drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Initialization {
    /// He normal, zero bias; the last convolution of each decoder scaled by 0.1.
    #[default]
    He,
    /// Glorot uniform, zero bias.
    Glorot,
    /// Uniform in ±1/sqrt(fan in), weights and biases: the reference's (PyTorch's) default.
    Torch,
}

/// How the decoder gets from N/2 to N (A§4.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LastStage {
    /// `BorderMask` for a probe whose light falls into the central N/2 window, else `FullFrame`; decided once the dataset
    /// is known.
    #[default]
    Auto,
    /// Upsample to N, two convolutions, one convolution to the output: every pixel of the patch is predicted alike.
    FullFrame,
    /// The reference's: the central N/2 window after a single convolution, and a border path through a ring mask.
    BorderMask,
    /// The reference's of autumn 2025: the border path has a share of the channels and is added on the whole frame.
    BorderUnmasked,
    /// The reference's in TensorFlow: the border path has 4 channels and fewer filters for larger patterns.
    BorderNarrow,
}

/// What the two outputs of the network are (A§4.5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OutputMode {
    /// Amplitude, by `amp_activation`, and phase, π·tanh(z).
    #[default]
    AmpPhase,
    /// Real part, tanh(z) + 0.2, and imaginary part, 1.2·tanh(z).
    RealImag,
}

/// How the probe is scaled; the factor is kept and the object is reported in the caller's units.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProbeNormalization {
    /// Energy: a unit-transmission object of amplitude `object_scale` reproduces the normalised energy (N/2)².
    #[default]
    Energy,
    /// The reference's: P / (`probe_scale` · mean |P|) (A§3.4).
    MeanAmplitude,
    /// P / `probe_scale`: what the reference's PyTorch training really does.
    Fixed,
}

/// Weight of each pixel when the patches of a group are merged into one object (gridsize > 1, A§5.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MergeWeighting {
    /// |P|²: what was well lit counts more.
    #[default]
    Probe,
    /// 1 inside the central N/2 window, 0 outside, with a small number added to the sum: the reference's.
    CentralWindow,
    /// The same window without that number: the reference's 'uniform'.
    Uniform,
}

/// The network and the physics behind it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ModelConfig {
    /// What the network learns from.
    pub model_type: ModelType,
    /// What the network is made of.
    pub architecture: Architecture,
    /// Patterns per group along one side; a group has gridsize² patterns.
    pub gridsize: usize,
    /// Multiplies the number of filters of every layer.
    pub n_filters_scale: usize,
    /// Activation of the amplitude head.
    pub amp_activation: AmpActivation,
    /// What is done to the network's input.
    pub input_transform: InputTransform,
    /// How the weights are drawn.
    pub initialization: Initialization,
    /// How the decoder ends.
    pub last_stage: LastStage,
    /// Filters of the full-resolution convolutions of a decoder (`FullFrame`), times `n_filters_scale`.
    pub head_filters: usize,
    /// How the probe is scaled.
    pub probe_normalization: ProbeNormalization,
    /// Amplitude at which a unit-transmission object sits in the head's range (energy normalisation only).
    pub object_scale: f64,
    /// Divides the probe (all normalisations but that by energy).
    pub probe_scale: f64,
    /// Weight of each pixel when the patches of a group are merged (gridsize > 1).
    pub merge_weighting: MergeWeighting,
    /// Whether the patches of a group are merged into one object (gridsize > 1).
    pub object_big: bool,
    /// Whether the border of a patch is predicted (border layouts of the last stage).
    pub probe_big: bool,
    /// Whether the last stage is the central half padded with zeros; else all channels go to the whole frame.
    pub pad_object: bool,
    /// Share of the filters that go to the border path.
    pub decoder_last_c_outer_fraction: f64,
    /// Amplitudes that the network puts out: 1 for all patterns of a group, or one for each.
    pub decoder_last_amp_channels: usize,
    /// Whether the two fields above apply to the layout `BorderMask`, too.
    pub use_legacy_decoder_channel_override: bool,
    /// What the two outputs of the network are.
    pub cnn_output_mode: OutputMode,
    /// Whether one decoder serves both outputs.
    pub use_shared_decoder: bool,
    /// Whether convolutions are followed by batch normalisation (not those of the amplitude decoder).
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
    /// Lowest frequencies that a spectral convolution acts on, along each axis.
    pub fno_modes: usize,
    /// Channels of a Fourier architecture.
    pub fno_width: usize,
    /// Fourier blocks.
    pub fno_blocks: usize,
    /// Convolutional blocks after them.
    pub fno_cnn_blocks: usize,
    /// What a Fourier architecture puts out.
    pub generator_output_mode: GeneratorOutput,
    /// Width of a Gaussian by which the illuminated object is smoothed before propagation, pixels; 0 = none.
    pub gaussian_smoothing_sigma: f64,
    /// Whether the probe is trained with the network; its power is kept.
    pub probe_trainable: bool,
    /// Learning rate of the probe; follows the schedule of the network's.
    pub probe_learning_rate: f64,
    /// Whether one factor of all predicted amplitudes is trained with the network.
    pub intensity_scale_trainable: bool,
    /// Standard deviation of random displacements of the positions in each step, pixels; 0 = none.
    pub position_jitter: f64,
}

impl ModelConfig {
    /// Patterns per group.
    pub fn channels(&self) -> usize {
        self.gridsize * self.gridsize
    }

    /// Whether the last stage has a central path and a border path.
    pub fn has_border_path(&self) -> bool {
        self.pad_object && !matches!(self.last_stage, LastStage::Auto | LastStage::FullFrame)
    }

    /// Whether the share of the border path and the number of amplitudes are those of the configuration.
    pub fn has_own_channels(&self) -> bool {
        let masked = self.last_stage == LastStage::BorderMask;
        self.last_stage == LastStage::BorderUnmasked || (masked && self.use_legacy_decoder_channel_override)
    }

    /// Whether something of the physics is trained with the network.
    pub fn trains_physics(&self) -> bool {
        self.probe_trainable || self.intensity_scale_trainable
    }

    /// Channels that the amplitude decoder puts out; a single one counts for all patterns of a group.
    pub fn amplitude_channels(&self) -> usize {
        if self.has_own_channels() { self.decoder_last_amp_channels } else { self.channels() }
    }

    /// Channels of the border path of a decoder with so many outputs, out of so many filters (A§4.4).
    pub fn outer_channels(&self, filters: usize, outputs: usize) -> usize {
        if self.last_stage == LastStage::BorderNarrow {
            return 4;
        }
        if !self.has_own_channels() {
            return outputs;
        }
        let share = self.decoder_last_c_outer_fraction.clamp(0.0, 0.5);
        // The small addend keeps a share that was computed from a whole number of channels at that number.
        ((filters as f64 * share + 1e-9) as usize).max(1)
    }

    /// Checks what the ranges of the fields alone cannot say about the network.
    ///
    /// # Errors
    /// Two fields that contradict each other, named with the remedy.
    pub fn check(&self) -> Result<()> {
        let refused = |title: &str, hint: &str| Err(Error::BadInput(Problem::new(title).hint(hint)));
        let of_physics = self.probe_trainable
            || self.intensity_scale_trainable
            || self.gaussian_smoothing_sigma > 0.0
            || self.position_jitter > 0.0;
        if self.model_type == ModelType::Supervised && of_physics {
            return refused(
                "A supervised network learns from a known object, without probe, scale and positions to train or vary",
                "Set model.probe_trainable and model.intensity_scale_trainable to false, model.gaussian_smoothing_sigma \
                 and model.position_jitter to 0, or model.model_type to pinn",
            );
        }
        if self.architecture != Architecture::Cnn {
            return Ok(());
        }
        let amplitudes = self.amplitude_channels();
        if amplitudes != 1 && amplitudes != self.channels() {
            return refused(
                &format!(
                    "model.decoder_last_amp_channels = {amplitudes} is neither one amplitude for all nor one for each of \
                     the {} patterns of a group",
                    self.channels()
                ),
                "Set it to 1 or to gridsize²",
            );
        }
        if self.use_shared_decoder && amplitudes != self.channels() {
            return refused(
                "A shared decoder puts out as many amplitudes as phases",
                "Set model.decoder_last_amp_channels to gridsize², or model.use_shared_decoder to false",
            );
        }
        if self.cnn_output_mode == OutputMode::RealImag && amplitudes != self.channels() {
            return refused(
                "A single real part cannot stand for several patterns",
                "Set model.decoder_last_amp_channels to gridsize², or model.cnn_output_mode to amp_phase",
            );
        }
        let outputs = if self.use_shared_decoder { 2 * self.channels() } else { self.channels() };
        let filters = 32 * self.n_filters_scale;
        if self.has_border_path() && self.outer_channels(filters, outputs) >= filters {
            return refused(
                &format!("The last stage has {filters} filters, of which the border of {outputs} outputs takes all"),
                "Raise --n-filters-scale, or set model.last_stage to full_frame",
            );
        }
        if self.cbam_encoder && self.eca_encoder {
            return refused(
                "model.cbam_encoder and model.eca_encoder are two attentions at one place",
                "Set one of them to false",
            );
        }
        if [self.cbam_decoder, self.eca_decoder, self.spatial_decoder].iter().filter(|on| **on).count() > 1 {
            return refused(
                "The decoders have one place for model.cbam_decoder, model.eca_decoder and model.spatial_decoder",
                "Set all but one of them to false",
            );
        }
        let places = [self.cbam_decoder, self.eca_decoder, self.spatial_decoder];
        if self.use_shared_decoder && places.contains(&true) {
            return refused(
                "The shared decoder has an attention of its own (ECA)",
                "Set model.cbam_decoder, model.eca_decoder and model.spatial_decoder to false",
            );
        }
        if self.decoder_spatial_kernel.is_multiple_of(2) {
            return refused(
                &format!("model.decoder_spatial_kernel = {} is even, so it has no centre", self.decoder_spatial_kernel),
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
