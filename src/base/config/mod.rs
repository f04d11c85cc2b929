//! Immutable configuration of a run: one struct per stage, saved with the run.
//!
//! Every field has an effect on the stage that it belongs to. All other modules may use this one; it uses none of them.

mod data;
mod direct;
mod execution;
mod field;
#[cfg(any(test, fuzzing))]
pub mod fuzz_targets;
mod import;
mod inference;
mod layer;
mod model;
mod model_fields;
mod optional;
mod preset;
mod relevance;
mod setups;
mod simulation;
mod training;
mod training_fields;

pub use data::{
    AxisOrder, Center, DataConfig, DiffractionUnit, Geometry, Mapping, MaskGood, Orientation, PositionOrder,
    PositionUnit, ProbeMask, RandomGenerator, Sampling, Unmatched, ZeroFrequency, Zingers,
};
pub use direct::{DirectConfig, DirectLoss, ProbeSearchMode};
pub use execution::{Accelerator, ExecutionConfig, Seeds};
pub use field::{Choice, Field, Kind};
pub use import::{ConfigPaths, Entry, Format, Imported, Layout, dictionary, write};
pub use inference::{InferenceConfig, StitchWeighting};
pub use model::{
    AmpActivation, Architecture, GeneratorOutput, Initialization, InputTransform, LastStage, MergeWeighting,
    ModelConfig, ModelType, OutputMode, ProbeNormalization,
};
pub use preset::Preset;
pub use relevance::{unused_reason, unused_reason_in_simulation};
pub use setups::Setup;
pub use simulation::{ObjectKind, PhaseTexture, ProbeKind, ScanKind, SimulationConfig};
pub use training::{
    ClipAlgorithm, Logger, LossKind, Method, Optimizer, Ramp, Regularizer, ScaleContract, Schedule, TrainingConfig,
};

use serde::{Deserialize, Serialize};

/// Configuration of a run. [`Default`] is the default preset, `recipe`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Reading and grouping of the dataset.
    pub data: DataConfig,
    /// Network and physics.
    pub model: ModelConfig,
    /// Training of the network.
    pub training: TrainingConfig,
    /// Prediction and stitching of patches.
    pub inference: InferenceConfig,
    /// Direct solver.
    pub direct: DirectConfig,
    /// Simulation of a dataset.
    pub simulation: SimulationConfig,
    /// Device and seeds.
    pub execution: ExecutionConfig,
}
