//! Commands to the worker and events from it: plain data, no tensors.
//!
//! Each [`EventKind::Started`] is followed by exactly one [`EventKind::Finished`] or [`EventKind::Failed`].

pub use super::control::Switch;
pub use super::device::{AdapterInfo, AdapterKind, DRIVER_HINT, DeviceInfo};
pub use super::diagnosis::{Diagnosis, Thumbnail, Trial};
pub use super::pace::LivePace;
pub use super::summary::{JobKind, JobOutcome, Summary, SummaryDataset};
pub use super::watched_file::{FileStatus, WatchedFile};
pub use crate::checkpoint::Destination;
pub use crate::control::Control;
pub use crate::direct::{Reliability, Trust};
pub use crate::simulate::Sources;
pub use crate::train::EpochRecord as EpochPoint;

use crate::config::Config;
use crate::error::{Error, Problem};
use crate::train;
use serde::Serialize;
use std::path::PathBuf;
use std::time::Duration;

/// A command to the worker. Jobs run one after the other, in the order of the commands.
#[derive(Debug, Clone, PartialEq)]
pub enum Command {
    /// Run a job.
    Do(Job),
    /// End the thread after the running job.
    Shutdown,
}

/// A job with everything it needs.
#[derive(Debug, Clone, PartialEq)]
pub enum Job {
    /// Train on a dataset and write the bundle.
    Train {
        /// Path of the dataset.
        dataset: PathBuf,
        /// Path of a second dataset for the validation loss.
        validation: Option<PathBuf>,
        /// Location of the run folder.
        output_dir: Destination,
        /// Effective configuration.
        config: Box<Config>,
    },
    /// Reconstruct a dataset with a trained bundle and write object and images.
    Infer {
        /// Path of the bundle.
        model: PathBuf,
        /// Path of the dataset.
        dataset: PathBuf,
        /// Location of the run folder.
        output_dir: Destination,
        /// Dotted settings that override those of the bundle; see [`Field::settable_in_inference`](crate::config::Field).
        settings: Vec<(String, String)>,
    },
    /// Train, then reconstruct the same dataset.
    Run {
        /// Path of the dataset.
        dataset: PathBuf,
        /// Path of a second dataset for the validation loss.
        validation: Option<PathBuf>,
        /// Location of the run folder.
        output_dir: Destination,
        /// Effective configuration.
        config: Box<Config>,
    },
    /// Refine the object of a finished run with the direct solver on the same dataset, in a separate run folder.
    Polish {
        /// Path of the folder of the finished run, or of its `reconstruction.npz`.
        run: PathBuf,
        /// Location of the new run folder.
        output_dir: Destination,
        /// Dotted settings that override those of the run; `inference.polish_epochs` sets the number of epochs, 0 for
        /// `direct.epochs`.
        settings: Vec<(String, String)>,
    },
    /// Resume an interrupted training.
    Resume {
        /// Path of its run folder.
        folder: PathBuf,
        /// Path of the dataset, if it was moved.
        dataset: Option<PathBuf>,
        /// True to reconstruct at the end; `None` as in the original job.
        reconstruct: Option<bool>,
        /// Dotted settings that override the original ones; only device, epochs and time budget.
        settings: Vec<(String, String)>,
    },
    /// Reconstruct datasets as they arrive in a folder.
    Watch {
        /// How they are reconstructed.
        method: WatchMethod,
        /// Path of the folder that receives datasets.
        folder: PathBuf,
        /// Parent of the run folders, one for each file; `None` for `reconstructed` in the watched folder.
        output_dir: Option<PathBuf>,
        /// True to end once all files present have been processed.
        once: bool,
        /// Time for which a file must be unchanged before it is read.
        settle: Duration,
    },
    /// Find out by quick trials what is wrong with a dataset.
    Diagnose {
        /// Path of the dataset.
        dataset: PathBuf,
        /// Location of the folder for table and pictures; `None` writes none.
        output_dir: Option<Destination>,
        /// Effective configuration, of which only the reading of the data applies.
        config: Box<Config>,
    },
    /// Simulate a dataset and write it.
    Simulate {
        /// Path of the dataset to write.
        output: PathBuf,
        /// Input files for object, probe and positions.
        sources: Box<Sources>,
        /// Effective configuration.
        config: Box<Config>,
    },
}

/// How the datasets of a watched folder are reconstructed.
#[derive(Debug, Clone, PartialEq)]
pub enum WatchMethod {
    /// With a trained bundle, as by [`Job::Infer`].
    Model {
        /// Path of the bundle.
        model: PathBuf,
        /// Dotted settings that override those of the bundle; see [`Field::settable_in_inference`](crate::config::Field).
        settings: Vec<(String, String)>,
    },
    /// With the direct solver, as by [`Job::Run`] with this configuration.
    Direct(Box<Config>),
}

impl Job {
    /// Kind of the job.
    pub fn kind(&self) -> JobKind {
        match self {
            Self::Train { .. } => JobKind::Train,
            Self::Infer { .. } => JobKind::Infer,
            Self::Run { .. } => JobKind::Run,
            Self::Polish { .. } => JobKind::Polish,
            Self::Resume { .. } => JobKind::Resume,
            Self::Watch { .. } => JobKind::Watch,
            Self::Diagnose { .. } => JobKind::Diagnose,
            Self::Simulate { .. } => JobKind::Simulate,
        }
    }
}

/// An event of a job.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Event {
    /// Number of the job, from 1 in the order of the commands.
    pub job: u64,
    /// Time since the start of the worker.
    #[serde(rename = "at_s", serialize_with = "seconds")]
    pub at: Duration,
    /// Content of the event.
    #[serde(flatten)]
    pub kind: EventKind,
}

fn seconds<S: serde::Serializer>(at: &Duration, serializer: S) -> std::result::Result<S::Ok, S::Error> {
    serializer.serialize_f64((at.as_secs_f64() * 1e3).round() / 1e3)
}

/// Content of an event.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum EventKind {
    /// The job started.
    Started {
        /// Kind of the job.
        #[serde(rename = "name")]
        kind: JobKind,
    },
    /// The run folder was created; nothing is written before the input has been checked.
    Folder {
        /// Path of the run folder.
        #[serde(with = "crate::system::path_text")]
        path: PathBuf,
    },
    /// The dataset was read.
    Dataset(DatasetSummary),
    /// The device was selected.
    Device(DeviceInfo),
    /// A remark for the user.
    Note {
        /// One or two sentences.
        text: String,
    },
    /// Something questionable about the input or the result.
    Warning {
        /// One or two sentences.
        text: String,
    },
    /// The next stage of the job started.
    Stage {
        /// The stage.
        stage: Stage,
    },
    /// Progress of the stage.
    Progress(Progress),
    /// An epoch ended.
    Epoch(EpochPoint),
    /// How far the result can be trusted.
    Reliability(Box<Reliability>),
    /// A trial of a diagnosis ended.
    Trial(Box<Trial>),
    /// A file was written.
    Saved {
        /// Path of the file.
        #[serde(with = "crate::system::path_text")]
        path: PathBuf,
    },
    /// The status of a file in a watched folder changed.
    File(WatchedFile),
    /// The job is done and its result is saved, also if it was stopped.
    Finished(Box<Summary>),
    /// The job failed.
    Failed(Failure),
}

/// A stage of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// Reading and checking the dataset.
    Loading,
    /// Searching a probe that the dataset does not have.
    ProbeSearch,
    /// Trying which refinements the scan needs.
    RefinementTrials,
    /// Correcting errors of the positions that local refinement cannot.
    ScanCorrection,
    /// Trying whether the patterns have a background.
    BackgroundTrial,
    /// Training the network, or solving directly.
    Training,
    /// Making the trials of a diagnosis.
    Diagnosing,
    /// Predicting and stitching.
    Reconstructing,
    /// Writing results.
    Saving,
    /// Computing patterns.
    Simulating,
    /// Waiting for files.
    Watching,
}

impl Stage {
    /// Name shown to the user.
    pub fn label(self) -> &'static str {
        match self {
            Self::Loading => "Loading",
            Self::ProbeSearch => "Searching the probe",
            Self::RefinementTrials => "Trying refinements",
            Self::ScanCorrection => "Correcting the scan positions",
            Self::BackgroundTrial => "Trying a background",
            Self::Training => "Training",
            Self::Diagnosing => "Diagnosing",
            Self::Reconstructing => "Reconstructing",
            Self::Saving => "Saving",
            Self::Simulating => "Simulating",
            Self::Watching => "Watching",
        }
    }
}

/// Facts about a dataset that was read.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DatasetSummary {
    /// Path of the dataset.
    #[serde(with = "crate::system::path_text")]
    pub path: PathBuf,
    /// Number of patterns.
    pub n: usize,
    /// Side of a pattern in pixels.
    #[serde(rename = "N")]
    pub side: usize,
    /// Number of probe modes.
    pub probe_modes: usize,
    /// True if the dataset contains a reference object.
    pub has_object: bool,
    /// SHA-256 of the data that were read.
    pub fingerprint: String,
}

/// Progress of a stage.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct Progress {
    /// Completed fraction of the stage, 0 to 1.
    pub fraction: f64,
    /// Epoch, from 1; 0 outside training.
    pub epoch: usize,
    /// Number of epochs requested.
    pub epochs: Option<usize>,
    /// Optimizer steps done.
    pub step: usize,
    /// Latest loss.
    pub loss: Option<f64>,
    /// Learning rate of the latest step.
    pub learning_rate: Option<f64>,
    /// Gradient norm of the latest step, before clipping.
    pub gradient_norm: Option<f64>,
    /// Mean number of steps per second in this stage.
    pub steps_per_second: Option<f64>,
    /// Mean number of patterns per second in this stage.
    pub patterns_per_second: Option<f64>,
    /// Elapsed time of the stage, in seconds.
    pub elapsed_s: f64,
    /// Estimated remaining time of the stage, in seconds.
    pub remaining_s: Option<f64>,
}

impl From<&train::Progress> for Progress {
    fn from(progress: &train::Progress) -> Self {
        Self {
            fraction: progress.fraction,
            epoch: progress.epoch + 1,
            epochs: progress.epochs,
            step: progress.step,
            loss: progress.loss,
            learning_rate: Some(progress.learning_rate),
            gradient_norm: Some(progress.gradient_norm),
            steps_per_second: (progress.elapsed_s > 0.0).then(|| progress.step as f64 / progress.elapsed_s),
            patterns_per_second: Some(progress.patterns_per_second),
            elapsed_s: progress.elapsed_s,
            remaining_s: progress.remaining_s,
        }
    }
}

/// Reason why a job failed, as shown and as serialized.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Failure {
    /// One paragraph for the user.
    pub message: String,
    /// Exit code of the program for this failure.
    pub exit_code: u8,
    /// The error; serialized as the parts of its [`Problem`]: title, expected, hint and path.
    #[serde(flatten, serialize_with = "parts")]
    pub error: Error,
}

fn parts<S: serde::Serializer>(error: &Error, serializer: S) -> std::result::Result<S::Ok, S::Error> {
    error.problem().serialize(serializer)
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self { message: error.to_string(), exit_code: error.exit_code(), error }
    }
}

impl Failure {
    /// The problem with its title, expectation, hint and path.
    pub fn problem(&self) -> &Problem {
        self.error.problem()
    }
}

/// A picture of the object for the window; only the newest is kept in the mailbox.
#[derive(Debug, Clone, PartialEq)]
pub struct Picture {
    /// Number of the job.
    pub job: u64,
    /// Epoch, from 1, and optimizer step of a live picture; `None` for the result of the job.
    pub taken: Option<(usize, usize)>,
    /// Number of columns.
    pub width: usize,
    /// Number of rows.
    pub height: usize,
    /// (height, width) amplitude, row-major.
    pub amplitude: Vec<f32>,
    /// (height, width) phase in radians, row-major.
    pub phase: Vec<f32>,
    /// (height, width) summed weight of the patches, row-major; zero outside the illuminated area.
    pub coverage: Vec<f32>,
    /// Dataset coordinates (x, y) of the center of pixel [0, 0].
    pub origin_xy: [f64; 2],
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_one_line_of_json_with_its_name() {
        let event =
            Event { job: 1, at: Duration::from_millis(1500), kind: EventKind::Stage { stage: Stage::Training } };
        let line = serde_json::to_string(&event).unwrap();
        assert_eq!(line, r#"{"job":1,"at_s":1.5,"event":"stage","stage":"training"}"#);
        let started = EventKind::Started { kind: JobKind::Watch };
        assert_eq!(serde_json::to_string(&started).unwrap(), r#"{"event":"started","name":"watch"}"#);
        let failed = EventKind::Failed(Error::bad_input("No probe").into());
        assert_eq!(
            serde_json::to_string(&failed).unwrap(),
            r#"{"event":"failed","message":"No probe.","exit_code":2,"title":"No probe","expected":"","hint":"","path":null}"#
        );
    }
}
