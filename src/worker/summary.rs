//! What a job came to: the contents of `summary.json`.

use super::device::DeviceInfo;
use serde::Serialize;
use std::path::PathBuf;

/// How a job ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum JobOutcome {
    /// As planned.
    #[default]
    Completed,
    /// Stopped by the user; the result so far is kept.
    Stopped,
    /// Stopped by the user; nothing is kept.
    Discarded,
    /// The loss became NaN or infinite; the last good weights were restored and kept.
    RestoredAfterNan,
}

/// The dataset of a job.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct SummaryDataset {
    /// The file.
    pub path: PathBuf,
    /// SHA-256 over what was read.
    pub fingerprint: String,
    /// Number of patterns.
    pub n: usize,
    /// Side of a pattern in pixels.
    #[serde(rename = "N")]
    pub side: usize,
}

/// What a job came to: the contents of `summary.json`. A value that does not apply is null.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct Summary {
    /// Version of the program.
    pub version: String,
    /// `train`, `infer`, `run`, `polish` or `simulate`.
    pub command: String,
    /// How it ended.
    pub outcome: JobOutcome,
    /// The device that did the work.
    pub device: DeviceInfo,
    /// Whether it ran on the CPU for want of a GPU.
    pub reduced_capability: bool,
    /// The dataset.
    pub dataset: SummaryDataset,
    /// The effective configuration, in the run folder.
    pub config: PathBuf,
    /// The bundle written or read.
    pub model: Option<PathBuf>,
    /// Optimiser steps done.
    pub steps: Option<usize>,
    /// Epochs completed.
    pub epochs: Option<usize>,
    /// Time of training, in seconds.
    pub train_seconds: Option<f64>,
    /// Time of prediction and stitching, in seconds.
    pub infer_seconds: Option<f64>,
    /// Time of simulating and writing, in seconds.
    pub simulate_seconds: Option<f64>,
    /// Patterns per second in training; in inference where nothing was trained.
    pub patterns_per_second: Option<f64>,
    /// Mean training loss of the last epoch.
    pub final_train_loss: Option<f64>,
    /// Validation loss of the last epoch.
    pub val_loss: Option<f64>,
    /// Σ(|F| − √I)² / ΣI of the stitched object against the data.
    pub consistency_r: Option<f64>,
    /// Correlation of the phase with the file's object, global phase and ramp removed.
    pub phase_correlation: Option<f64>,
    /// Correlation of the amplitude with the file's object.
    pub amplitude_correlation: Option<f64>,
    /// Σ(|F| − √I)² / ΣI before polishing, where the object of another run or of the network was polished.
    pub consistency_r_before: Option<f64>,
    /// The run whose object was polished.
    pub polished_from: Option<PathBuf>,
    /// |P' − P| / |P| between the refined probe and the dataset's.
    pub probe_change: Option<f64>,
    /// Root mean square of the shifts of refined positions, in pixels.
    pub position_shift_rms_px: Option<f64>,
    /// Length of the largest shift of a refined position, in pixels.
    pub position_shift_max_px: Option<f64>,
    /// Root mean square of the refined intensities' departure from 1.
    pub intensity_spread: Option<f64>,
    /// Files written, in order.
    pub files: Vec<PathBuf>,
    /// What a person should know.
    pub notes: Vec<String>,
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_summary_has_every_promised_key_even_where_nothing_applies() {
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
}
