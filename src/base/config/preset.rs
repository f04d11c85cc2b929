//! Named starting points of a configuration.

use super::{
    AmpActivation, Config, DataConfig, DirectConfig, ExecutionConfig, InferenceConfig, Initialization, InputTransform,
    LastStage, LossKind, MergeWeighting, ModelConfig, ProbeNormalization, Schedule, SimulationConfig, StitchWeighting,
    TrainingConfig,
};
use crate::error::{Error, Problem, Result};
use serde::{Deserialize, Serialize};

/// A named starting point of a configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Preset {
    /// Recommended settings, the default.
    #[default]
    Recipe,
    /// Settings of PtychoPINN (A§3.4, A§4, A§7.2), for comparison with it.
    Reference,
}

impl Preset {
    /// All presets, the default first.
    pub const ALL: &'static [Self] = &[Self::Recipe, Self::Reference];

    /// Name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Recipe => "recipe",
            Self::Reference => "reference",
        }
    }

    /// One sentence of help.
    pub fn help(self) -> &'static str {
        match self {
            Self::Recipe => {
                "Recommended: compressed and standardized input, He initialization, probe normalized by energy, loss on merged \
                 neighboring patches, stitching with probe weights and phase synchronization."
            }
            Self::Reference => "Settings of PtychoPINN, for comparison with it.",
        }
    }

    /// Preset of this name.
    ///
    /// # Errors
    /// There is no such preset.
    pub fn from_name(name: &str) -> Result<Self> {
        Self::ALL.iter().copied().find(|preset| preset.name() == name).ok_or_else(|| {
            Error::BadInput(
                Problem::new(format!("There is no preset {name:?}"))
                    .expected("recipe or reference")
                    .hint("Change --preset, or omit it for recipe"),
            )
        })
    }

    /// Configuration of this preset.
    pub fn config(self) -> Config {
        match self {
            Self::Recipe => Config::default(),
            Self::Reference => Config {
                data: DataConfig { neighbor_count: 4, seed_in_group: false, ..DataConfig::default() },
                model: ModelConfig {
                    gridsize: 1,
                    n_filters_scale: 2,
                    amp_activation: AmpActivation::Sigmoid,
                    input_transform: InputTransform::None,
                    initialization: Initialization::Torch,
                    last_stage: LastStage::BorderMask,
                    probe_normalization: ProbeNormalization::MeanAmplitude,
                    merge_weighting: MergeWeighting::CentralWindow,
                    cbam_encoder: true,
                    ..ModelConfig::default()
                },
                training: TrainingConfig {
                    epochs: Some(50),
                    time_budget_s: None,
                    batch_size: 16,
                    learning_rate: 1e-3,
                    schedule: Schedule::Constant,
                    loss: LossKind::Poisson,
                    warmup_steps: 0,
                    overlap_weight: 0.0,
                    teacher_share: 0.0,
                    gradient_clip: 0.0,
                    ..TrainingConfig::default()
                },
                inference: InferenceConfig {
                    stitch_weighting: StitchWeighting::CentralCrop,
                    crop: 20,
                    phase_synchronization: false,
                    ..InferenceConfig::default()
                },
                direct: DirectConfig::default(),
                simulation: SimulationConfig::default(),
                execution: ExecutionConfig::default(),
            },
        }
    }
}
