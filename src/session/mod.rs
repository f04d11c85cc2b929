//! State of the window and of the running job: pure reducers, without channels, clocks or files.
//!
//! The command line and the window read the same [`JobProgress`]. The window keeps everything it shows in one [`State`]:
//! [`Action`]s, events and replies in, [`Effect`]s out.

mod action;
mod changes;
mod draft;
mod file_settings;
mod job_progress;
mod last_session;
mod live_pictures;
mod queue;
pub mod script;
mod simulation;
mod state;
mod watched_files;
mod wording;

pub use action::{Action, Effect, Level, QueueAction, Source, Step};
pub use changes::{Change, Changes};
pub use draft::Draft;
pub use file_settings::{FileSettings, LeftBehind, Settings, belongs_to_dataset, settings_of, setup_toml};
pub use job_progress::{CurvePoint, JobProgress, Status};
pub use last_session::LastSession;
pub use live_pictures::LivePictures;
pub use queue::{JobState, Queue, QueuedJob};
pub use simulation::SimulationSetup;
pub use state::{ComparedRun, LogEntry, OpenBundle, OpenDataset, State};
pub use watched_files::{WatchSetup, WatchedFiles};
pub use wording::in_window;
