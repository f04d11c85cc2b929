//! File service of the window: one thread loads datasets, previews, results, runs and presets, and writes files, so that
//! neither the device nor the window waits for a disk.
//!
//! Requests are answered in order. A dataset is answered in up to four parts: its headers at once, then its verdicts, its
//! patterns and, if requested, a preview of its object. Scan orientations are scored while the queue is empty. A request
//! for another dataset cancels the preview of the previous one. A panic in a parser fails only the request at hand.

mod dataset;
mod example;
mod export;
mod presets;
mod preview;
mod reply;
mod request;
mod result;
mod runs;
#[cfg(test)]
mod tests;
mod thread;

pub use dataset::{LeftOut, Patterns};
pub use export::{ResultFormat, write_result};
pub use presets::{UserPreset, preset_name_error};
pub use preview::PREVIEW_EPOCHS;
pub use reply::{PreviewStage, Reply};
pub use request::Request;
pub use result::{ResultData, RunObject};
pub use runs::RunInfo;
pub use thread::Library;

pub use crate::checkpoint::Manifest;
pub use crate::data::{ArraySummary, Inspection, RawPreview};
pub use crate::direct::{OrientationScore, Orientations};
pub use crate::simulate::Preview as SimulationPreview;
