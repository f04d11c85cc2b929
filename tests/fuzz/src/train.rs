//! Of training, what is kept in files.

#[path = "../../../src/train/history.rs"]
mod history;
#[path = "../../../src/train/scaling.rs"]
mod scaling;
#[path = "../../../src/train/state.rs"]
mod state;

pub use history::{EpochRecord, History};
pub use scaling::Scaling;
pub use state::{Position, Resume, TrainingState};
