//! Training: from a dataset and a configuration to weights and a history (A§6).
//!
//! The loop is synchronous and owns nothing but the device; the caller follows and controls it through an [`Observer`].

mod adapt;
mod batch;
mod budget;
#[cfg(test)]
mod effects_tests;
mod experiment;
mod forward;
mod history;
mod jitter;
mod objective;
mod observer;
mod optimizer;
mod prepare;
mod schedule;
mod selfcheck;
mod sets;
mod state;
mod teacher;
mod trainer;
mod training;
mod training_data;

pub use crate::control::Control;
pub use crate::model::{Scaling, amplitude_factor, trained_probe};
pub use adapt::adapt;
pub use history::{EpochRecord, History};
pub use observer::{Observer, Progress, Silent, Snapshot};
pub use optimizer::OptimizerState;
pub use prepare::{check_labels, scaling_of};
pub use selfcheck::{Deviation, verify_against_cpu};
pub use state::{Resume, TrainingPosition, TrainingState};
pub use trainer::{Outcome, Start, Trained, train, train_datasets, train_from};
pub use training_data::TrainingData;
