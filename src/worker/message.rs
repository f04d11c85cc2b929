//! What goes to the worker and what comes back: plain data, no tensor.
//!
//! Exactly one [`EventKind::Finished`] or [`EventKind::Failed`] follows each [`EventKind::Started`].

pub use super::control::Switch;
pub use super::device::{AdapterInfo, AdapterKind, DeviceInfo, WHAT_TO_INSTALL};
pub use super::estimate::{Basis, Estimate, Measured, estimate};
pub use super::live::LivePace;
pub use super::presets::{UserPreset, why_not_name};
pub use super::reader::{Look, Patterns, Reply, Request, ResultData, RunInfo, RunObject};
pub use super::summary::{JobOutcome, Summary, SummaryDataset};
pub use super::watching::{Fate, WatchedFile};
pub use crate::direct::{OrientationScore, Orientations, score_orientations};
pub use crate::simulate::{Preview as ScenePreview, Sources};
pub use crate::train::Control;

pub use crate::checkpoint::{Destination, Manifest};
pub use crate::data::{ArraySummary, Inspection};

use crate::config::Config;
use crate::error::{Error, Problem};
use serde::Serialize;
use std::path::PathBuf;
use std::time::Duration;

/// Whether an inference may set this configuration field itself: the network and its training are those of the bundle,
/// and every pattern kept is reconstructed.
pub fn settable_in_inference(path: &str) -> bool {
    const READING: [&str; 9] = [
        "data.max_memory",
        "data.crop",
        "data.bin",
        "data.pad",
        "data.saturation",
        "data.orientation",
        "data.probe_",
        "data.mapping.",
        "data.geometry.",
    ];
    ["inference.", "direct.", "execution.", "data.diffraction_unit", "data.n_subsample", "data.neighbor_count"]
        .iter()
        .chain(&READING)
        .any(|start| path.starts_with(start))
}

/// What the worker is asked to do. Jobs run one after the other, in the order of the commands.
#[derive(Debug, Clone, PartialEq)]
pub enum Command {
    /// Do this job.
    Do(Job),
    /// End the thread after the job that runs.
    Shutdown,
}

/// One job, with everything it needs.
#[derive(Debug, Clone, PartialEq)]
pub enum Job {
    /// Train on a dataset and write the bundle.
    Train {
        /// The dataset.
        dataset: PathBuf,
        /// A second dataset for the validation loss.
        validation: Option<PathBuf>,
        /// Where the run folder is, or is made.
        output_dir: Destination,
        /// The effective configuration.
        config: Box<Config>,
    },
    /// Reconstruct a dataset with a trained bundle and write the pictures.
    Infer {
        /// The bundle.
        model: PathBuf,
        /// The dataset.
        dataset: PathBuf,
        /// Where the run folder is, or is made.
        output_dir: Destination,
        /// Dotted settings that replace those of the bundle; only of inference, grouping and device.
        settings: Vec<(String, String)>,
    },
    /// Train, then reconstruct the same dataset.
    Run {
        /// The dataset.
        dataset: PathBuf,
        /// A second dataset for the validation loss.
        validation: Option<PathBuf>,
        /// Where the run folder is, or is made.
        output_dir: Destination,
        /// The effective configuration.
        config: Box<Config>,
    },
    /// Improve the object of a finished run by some epochs of the direct solver on the same dataset, in a run folder of its own.
    Polish {
        /// The finished run: its folder, or its `reconstruction.npz`.
        run: PathBuf,
        /// Where the run folder is, or is made.
        output_dir: Destination,
        /// Dotted settings that replace those of the run; `inference.polish_epochs` is how long, 0 for `direct.epochs`.
        settings: Vec<(String, String)>,
    },
    /// Go on with a training that was cut off.
    Resume {
        /// Its run folder.
        folder: PathBuf,
        /// The dataset, where it was moved.
        dataset: Option<PathBuf>,
        /// Whether to reconstruct it at the end; none does what was asked for then.
        reconstruct: Option<bool>,
        /// Dotted settings that replace those of then; only of device, epochs and time budget.
        settings: Vec<(String, String)>,
    },
    /// Reconstruct datasets with a trained bundle as they arrive in a folder.
    Watch {
        /// The bundle.
        model: PathBuf,
        /// The folder that datasets arrive in.
        folder: PathBuf,
        /// Where a run folder is made for each file; none for `reconstructed` in the folder itself.
        output_dir: Option<PathBuf>,
        /// Dotted settings that replace those of the bundle; only of inference, grouping and device.
        settings: Vec<(String, String)>,
        /// Whether to end when all that is there is done, instead of when it is stopped.
        once: bool,
        /// How long a file must have been left alone before it is read.
        settle: Duration,
    },
    /// Simulate a dataset and write it.
    Simulate {
        /// The file to write.
        output: PathBuf,
        /// Files for object, probe and positions.
        sources: Box<Sources>,
        /// The effective configuration.
        config: Box<Config>,
    },
}

impl Job {
    /// The name of the subcommand.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Train { .. } => "train",
            Self::Infer { .. } => "infer",
            Self::Run { .. } => "run",
            Self::Polish { .. } => "polish",
            Self::Resume { .. } => "resume",
            Self::Watch { .. } => "watch",
            Self::Simulate { .. } => "simulate",
        }
    }
}

/// Something that happened in a job.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Event {
    /// Number of the job, from 1 in the order of the commands.
    pub job: u64,
    /// Time since the start of the worker.
    #[serde(rename = "at_s", serialize_with = "seconds")]
    pub at: Duration,
    /// What happened.
    #[serde(flatten)]
    pub kind: EventKind,
}

fn seconds<S: serde::Serializer>(at: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64((at.as_secs_f64() * 1e3).round() / 1e3)
}

/// What happened in a job.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum EventKind {
    /// The job began.
    Started {
        /// `train`, `infer`, `run`, `polish`, `resume`, `watch` or `simulate`.
        name: String,
    },
    /// The run folder is there; nothing is written before the input has been checked.
    Folder {
        /// Its path.
        path: PathBuf,
    },
    /// The dataset was read.
    Dataset(DatasetSummary),
    /// The device was chosen.
    Device(DeviceInfo),
    /// Something a person should know.
    Note {
        /// One or two sentences.
        text: String,
    },
    /// The next part of the job began.
    Stage {
        /// Which part.
        stage: Stage,
    },
    /// How far the stage is.
    Progress(Progress),
    /// An epoch ended.
    Epoch(EpochPoint),
    /// A file was written.
    Saved {
        /// Its path.
        path: PathBuf,
    },
    /// What has become of a file of a watched folder.
    File(WatchedFile),
    /// The job is done; its result is kept, also when it was stopped.
    Finished(Box<Summary>),
    /// The job failed.
    Failed(Failure),
}

/// A part of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// Reading and checking the dataset.
    Loading,
    /// Training the network.
    Training,
    /// Predicting and stitching.
    Reconstructing,
    /// Writing results.
    Saving,
    /// Calculating patterns.
    Simulating,
    /// Waiting for files.
    Watching,
}

impl Stage {
    /// What a person is shown.
    pub fn label(self) -> &'static str {
        match self {
            Self::Loading => "Loading",
            Self::Training => "Training",
            Self::Reconstructing => "Reconstructing",
            Self::Saving => "Saving",
            Self::Simulating => "Simulating",
            Self::Watching => "Watching",
        }
    }
}

/// What was read.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DatasetSummary {
    /// The file.
    pub path: PathBuf,
    /// Number of patterns.
    pub n: usize,
    /// Side of a pattern in pixels.
    #[serde(rename = "N")]
    pub side: usize,
    /// Number of probe modes.
    pub probe_modes: usize,
    /// Whether the file brings an object to compare with.
    pub has_object: bool,
    /// SHA-256 over what was read.
    pub fingerprint: String,
}

/// How far a stage is.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct Progress {
    /// Part of the stage done, 0 to 1.
    pub fraction: f64,
    /// Epoch, from 1; 0 outside training.
    pub epoch: usize,
    /// Epochs asked for.
    pub epochs: Option<usize>,
    /// Steps done.
    pub step: usize,
    /// Latest loss that was read back.
    pub loss: Option<f64>,
    /// Learning rate of the latest step.
    pub learning_rate: Option<f64>,
    /// Norm of the gradient of the latest step, before clipping.
    pub gradient_norm: Option<f64>,
    /// Steps per second of the stage so far.
    pub steps_per_second: Option<f64>,
    /// Patterns per second of the stage so far.
    pub patterns_per_second: Option<f64>,
    /// Time the stage has taken, in seconds.
    pub elapsed_s: f64,
    /// Time the stage is expected to take yet, in seconds.
    pub remaining_s: Option<f64>,
}

/// One row of the training history.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct EpochPoint {
    /// Epoch, from 1.
    pub epoch: usize,
    /// Steps done at its end.
    pub step: usize,
    /// Mean training loss of the epoch.
    pub train_loss: f64,
    /// Validation loss at its end.
    pub val_loss: Option<f64>,
    /// Learning rate at its end.
    pub learning_rate: f64,
    /// Norm of the gradient at its end, before clipping.
    pub gradient_norm: f64,
    /// Time since the start of the training, in seconds.
    pub elapsed_s: f64,
}

/// Why a job failed, as shown and as serialised.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Failure {
    /// One paragraph for a person.
    pub message: String,
    /// Exit code of the program for this failure.
    pub exit_code: u8,
    /// The error itself.
    #[serde(skip)]
    pub error: Error,
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self { message: error.to_string(), exit_code: error.exit_code(), error }
    }
}

impl Failure {
    /// The problem, for a window that shows its parts.
    pub fn problem(&self) -> &Problem {
        self.error.problem()
    }
}

/// The object as it is now, for a window; the newest wins.
#[derive(Debug, Clone, PartialEq)]
pub struct Picture {
    /// Number of the job.
    pub job: u64,
    /// Epoch, from 1, and optimiser steps at which it was taken; none for the result of the job.
    pub taken: Option<(usize, usize)>,
    /// Columns.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// (height, width) amplitude, row-major.
    pub amplitude: Vec<f32>,
    /// (height, width) phase in radians, row-major.
    pub phase: Vec<f32>,
    /// (height, width) total weight of the patches, row-major; zero where nothing was seen.
    pub coverage: Vec<f32>,
    /// Dataset coordinates (x, y) of the centre of pixel [0, 0].
    pub origin_xy: [f64; 2],
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_one_line_of_json_that_names_itself() {
        let event =
            Event { job: 1, at: Duration::from_millis(1500), kind: EventKind::Stage { stage: Stage::Training } };
        let line = serde_json::to_string(&event).unwrap();
        assert_eq!(line, r#"{"job":1,"at_s":1.5,"event":"stage","stage":"training"}"#);
        let failed = EventKind::Failed(Error::bad_input("No probe").into());
        assert_eq!(
            serde_json::to_string(&failed).unwrap(),
            r#"{"event":"failed","message":"No probe.","exit_code":2}"#
        );
    }
}
