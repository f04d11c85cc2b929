//! Summary of a job: the content of `summary.json`.

use super::device::DeviceInfo;
use super::diagnosis::Diagnosis;
use crate::direct::{ChosenRefinement, ProbeTrial, Reliability};
use crate::train;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::path::PathBuf;

/// Kind of a job, named like the subcommand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JobKind {
    /// Training.
    Train,
    /// Reconstruction with a trained model.
    Infer,
    /// Training, then reconstruction.
    #[default]
    Run,
    /// Refinement of an object with the direct solver.
    Polish,
    /// Resumed training.
    Resume,
    /// Reconstruction of datasets as they arrive in a folder.
    Watch,
    /// Diagnosis of a dataset.
    Diagnose,
    /// Simulation of a dataset.
    Simulate,
}

impl JobKind {
    /// Name in files and messages.
    pub fn name(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::Infer => "infer",
            Self::Run => "run",
            Self::Polish => "polish",
            Self::Resume => "resume",
            Self::Watch => "watch",
            Self::Diagnose => "diagnose",
            Self::Simulate => "simulate",
        }
    }

    /// Kind of the job that wrote a `summary.json`; `None` if missing or unknown.
    pub fn of_summary(summary: &Value) -> Option<Self> {
        Self::deserialize(summary.get("command")?).ok()
    }
}

/// Outcome of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JobOutcome {
    /// Completed as planned.
    #[default]
    Completed,
    /// Stopped by the user; the result so far is saved.
    Stopped,
    /// Stopped by the user; nothing is saved.
    Discarded,
    /// The loss became NaN or infinite; the last good weights were restored and saved.
    RestoredAfterNan,
}

impl JobOutcome {
    /// Name in files and messages.
    pub fn name(self) -> &'static str {
        match self {
            Self::Completed => "completed",
            Self::Stopped => "stopped",
            Self::Discarded => "discarded",
            Self::RestoredAfterNan => "restored_after_nan",
        }
    }

    /// Outcome in a `summary.json`; `None` if missing or unknown.
    pub fn of_summary(summary: &Value) -> Option<Self> {
        Self::deserialize(summary.get("outcome")?).ok()
    }
}

impl From<train::Outcome> for JobOutcome {
    fn from(outcome: train::Outcome) -> Self {
        match outcome {
            train::Outcome::Completed => Self::Completed,
            train::Outcome::Stopped => Self::Stopped,
            train::Outcome::RestoredAfterNan => Self::RestoredAfterNan,
        }
    }
}

/// Dataset of a job.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct SummaryDataset {
    /// Path of the dataset.
    #[serde(with = "crate::system::path_text")]
    pub path: PathBuf,
    /// SHA-256 of the data that were read.
    pub fingerprint: String,
    /// Number of patterns.
    pub n: usize,
    /// Side of a pattern in pixels.
    #[serde(rename = "N")]
    pub side: usize,
}

/// Summary of a job: the content of `summary.json`. A value that does not apply is null.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct Summary {
    /// Version of the program.
    pub version: String,
    /// Kind of the job.
    pub command: JobKind,
    /// Outcome of the job.
    pub outcome: JobOutcome,
    /// Compute device.
    pub device: DeviceInfo,
    /// True if no GPU was used.
    pub reduced_capability: bool,
    /// Dataset that was read or written.
    pub dataset: SummaryDataset,
    /// Path of the effective configuration in the run folder.
    #[serde(with = "crate::system::path_text")]
    pub config: PathBuf,
    /// Path of the bundle that was written or read.
    #[serde(with = "crate::system::path_text::option")]
    pub model: Option<PathBuf>,
    /// Optimizer steps done.
    pub steps: Option<usize>,
    /// Completed epochs.
    pub epochs: Option<usize>,
    /// Training time in seconds.
    pub train_seconds: Option<f64>,
    /// Time for prediction, stitching and polish, in seconds.
    pub infer_seconds: Option<f64>,
    /// Time for simulating and writing, in seconds.
    pub simulate_seconds: Option<f64>,
    /// Patterns per second in training, or in inference if nothing was trained.
    pub patterns_per_second: Option<f64>,
    /// Mean training loss of the last epoch.
    pub final_train_loss: Option<f64>,
    /// Validation loss of the last epoch.
    pub val_loss: Option<f64>,
    /// Trial of the probe search from which the probe was taken, if the probe was searched for.
    pub probe_search: Option<ProbeTrial>,
    /// Refinements that were added to the settings, with the misfits of patterns left out of the fit.
    pub added_refinements: Vec<ChosenRefinement>,
    /// Σ(|F| − √I)² / ΣI of the stitched object against the data.
    pub consistency_r: Option<f64>,
    /// Phase correlation with the reference object of the dataset, global phase and ramp removed.
    pub phase_correlation: Option<f64>,
    /// Amplitude correlation with the reference object of the dataset.
    pub amplitude_correlation: Option<f64>,
    /// Σ(|F| − √I)² / ΣI before polishing; null if nothing was polished.
    pub consistency_r_before: Option<f64>,
    /// Path of the run folder whose object was polished.
    #[serde(with = "crate::system::path_text::option")]
    pub polished_from: Option<PathBuf>,
    /// |P' − P| / |P| between the refined probe and the dataset's probe.
    pub probe_change: Option<f64>,
    /// RMS shift of the refined positions, in pixels.
    pub position_shift_rms_px: Option<f64>,
    /// Largest shift of a refined position, in pixels.
    pub position_shift_max_px: Option<f64>,
    /// RMS deviation of the refined intensity scales from 1.
    pub intensity_spread: Option<f64>,
    /// Share of the refined background in the counts of the patterns.
    pub background_share: Option<f64>,
    /// How far the result can be trusted.
    pub reliability: Option<Reliability>,
    /// Trials of a diagnosis, and the settings that help.
    pub diagnosis: Option<Diagnosis>,
    /// Paths of the files written, in order.
    #[serde(with = "crate::system::path_text::list")]
    pub files: Vec<PathBuf>,
    /// What is questionable about the input or the result.
    pub warnings: Vec<String>,
    /// Remarks for the user.
    pub notes: Vec<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_summary_always_has_every_promised_key() {
        let value = serde_json::to_value(Summary::default()).unwrap();
        for key in [
            "version",
            "device",
            "reduced_capability",
            "dataset",
            "config",
            "steps",
            "epochs",
            "train_seconds",
            "infer_seconds",
            "patterns_per_second",
            "final_train_loss",
            "val_loss",
            "consistency_r",
            "outcome",
        ] {
            assert!(value.get(key).is_some(), "{key}");
        }
        for key in ["path", "fingerprint", "n", "N"] {
            assert!(value.get("dataset").unwrap().get(key).is_some(), "dataset.{key}");
        }
        for key in ["name", "backend", "driver", "kind"] {
            assert!(value.get("device").unwrap().get(key).is_some(), "device.{key}");
        }
        assert_eq!(value.get("outcome").unwrap(), "completed");
    }

    #[test]
    fn kinds_and_outcomes_are_named_as_in_the_file() {
        let kinds = [
            JobKind::Train,
            JobKind::Infer,
            JobKind::Run,
            JobKind::Polish,
            JobKind::Resume,
            JobKind::Watch,
            JobKind::Diagnose,
            JobKind::Simulate,
        ];
        for kind in kinds {
            let value = serde_json::to_value(Summary { command: kind, ..Summary::default() }).unwrap();
            assert_eq!((value["command"].as_str(), JobKind::of_summary(&value)), (Some(kind.name()), Some(kind)));
        }
        let outcomes =
            [JobOutcome::Completed, JobOutcome::Stopped, JobOutcome::Discarded, JobOutcome::RestoredAfterNan];
        for outcome in outcomes {
            let value = serde_json::to_value(Summary { outcome, ..Summary::default() }).unwrap();
            let read = (value["outcome"].as_str(), JobOutcome::of_summary(&value));
            assert_eq!(read, (Some(outcome.name()), Some(outcome)));
        }
        assert_eq!(JobOutcome::of_summary(&Value::Null), None);
    }
}
