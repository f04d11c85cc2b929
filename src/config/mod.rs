//! The one immutable configuration of a run: a struct per stage, saved with the run.
//!
//! Every field reaches what it names. Every other room may read this one; it knows none of them.

mod data;
mod direct;
mod execution;
mod field;
#[cfg(any(test, fuzzing))]
pub mod hostile;
mod import;
mod inference;
mod layer;
mod model;
mod model_fields;
mod optional;
mod preset;
mod relevance;
mod simulation;
mod training;
mod training_fields;

pub use data::{
    AxisOrder, DataConfig, DiffractionUnit, Geometry, Mapping, MaskGood, Orientation, PositionOrder, PositionUnit,
    ProbeMask, RandomGenerator, Sampling,
};
pub use direct::{DirectConfig, DirectLoss};
pub use execution::{Accelerator, ExecutionConfig, Seeds};
pub use field::{Choice, Field, Kind};
pub use import::{Entry, Format, Imported, Layout, Places, dictionary, write};
pub use inference::{InferenceConfig, StitchWeighting};
pub use model::{
    AmpActivation, Architecture, GeneratorOutput, Initialization, InputTransform, LastStage, MergeWeighting,
    ModelConfig, ModelType, OutputMode, ProbeNormalization,
};
pub use preset::Preset;
pub use relevance::{why_unused, why_unused_in_simulation};
pub use simulation::{ObjectKind, PhaseTexture, ProbeKind, ScanKind, SimulationConfig};
pub use training::{
    ClipAlgorithm, Logger, LossKind, Method, Optimizer, Ramp, Regularizer, ScaleContract, Schedule, TrainingConfig,
};

use serde::{Deserialize, Serialize};

/// Configuration of a run. [`Default`] is the default preset, `recipe`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// What is read from the dataset and how it is grouped.
    pub data: DataConfig,
    /// The network and the physics behind it.
    pub model: ModelConfig,
    /// How the network is trained.
    pub training: TrainingConfig,
    /// How patches are predicted and stitched.
    pub inference: InferenceConfig,
    /// The object without a network.
    pub direct: DirectConfig,
    /// How a dataset is simulated.
    pub simulation: SimulationConfig,
    /// Device and seeds.
    pub execution: ExecutionConfig,
}
