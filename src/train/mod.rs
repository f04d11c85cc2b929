//! Training: from a dataset and a configuration to weights and a history (A§6).
//!
//! The loop is synchronous and owns nothing but the device; whoever runs it watches through an [`Observer`].

mod adapt;
mod apparatus;
mod batch;
mod budget;
#[cfg(test)]
mod effects_tests;
mod forward;
mod history;
mod jitter;
mod material;
mod objective;
mod observer;
mod optimizer;
mod scaling;
mod schedule;
mod selfcheck;
mod sets;
mod state;
mod teacher;
mod trainer;

pub use adapt::adapt;
pub use apparatus::{amplitude_factor, trained_probe};
pub use history::{EpochRecord, History};
pub use material::Material;
pub use observer::{Control, Observer, Progress, Silent, Snapshot, go_on};
pub use optimizer::Adam;
pub use scaling::Scaling;
pub use selfcheck::{Agreement, agrees_with_cpu};
pub use state::{Position, Resume, TrainingState};
pub use trainer::{Outcome, Start, Trained, check_labels, scaling_of, train, train_from, train_material};
