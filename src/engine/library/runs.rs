//! List of the runs in a folder.

use super::result::{read_history, read_json};
use crate::checkpoint::{JobRecord, RunFolder, RunLock};
use crate::config::Config;
use crate::system::file_name;
use crate::worker::message::{EpochPoint, JobKind, JobOutcome};
use serde_json::Value;
use std::path::{Path, PathBuf};

/// One row in the list of runs.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct RunInfo {
    /// Path of the run folder.
    pub folder: PathBuf,
    /// Name of the run folder.
    pub name: String,
    /// Kind of job; `None` without a summary.
    pub command: Option<JobKind>,
    /// Time of the last change, in seconds since 1970.
    pub changed: u64,
    /// Path of the dataset.
    pub dataset: PathBuf,
    /// Outcome; `None` without a summary, for a run that is unfinished or was interrupted.
    pub outcome: Option<JobOutcome>,
    /// Optimizer steps.
    pub steps: Option<u64>,
    /// Training time in seconds.
    pub train_seconds: Option<f64>,
    /// Training speed in patterns per second.
    pub patterns_per_second: Option<f64>,
    /// Side of the patterns in pixels.
    pub side: Option<u64>,
    /// Name of the compute device.
    pub device: String,
    /// Training loss of the last epoch.
    pub final_train_loss: Option<f64>,
    /// Phase correlation with the reference object.
    pub phase_correlation: Option<f64>,
    /// Amplitude correlation with the reference object.
    pub amplitude_correlation: Option<f64>,
    /// Misfit to the data.
    pub consistency_r: Option<f64>,
    /// Non-default configuration fields, `path = value`.
    pub settings: Vec<String>,
    /// The user's note (`note.txt`).
    pub note: String,
    /// Path of the bundle, written or read, if there is one.
    pub model: Option<PathBuf>,
    /// Path of the run folder whose object was polished.
    pub polished_from: Option<PathBuf>,
    /// True if the training is unfinished and can be resumed.
    pub resumable: bool,
    /// True if a program, this one or another, is working in the folder.
    pub in_use: bool,
    /// True if there is a stitched object.
    pub has_result: bool,
    /// Epochs of the training.
    pub history: Vec<EpochPoint>,
}

impl RunInfo {
    /// True if the run was interrupted and left a model, or can be resumed.
    pub fn is_interrupted(&self) -> bool {
        self.command.is_none() && !self.in_use && (self.model.is_some() || self.resumable)
    }
}

/// Run folders in a folder, newest first; other folders are left out.
pub(super) fn list(parent: &Path) -> Vec<RunInfo> {
    let Ok(entries) = std::fs::read_dir(parent) else { return Vec::new() };
    let mut runs: Vec<RunInfo> = entries
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.is_dir())
        .filter_map(|path| read(&path))
        .collect();
    runs.sort_by(|a, b| b.changed.cmp(&a.changed).then_with(|| a.folder.cmp(&b.folder)));
    runs
}

/// Reads a run folder; `None` if it is not one.
fn read(folder: &Path) -> Option<RunInfo> {
    let names = RunFolder::at(folder);
    let summary = read_json(&names.summary());
    let record = names.job().exists().then(|| JobRecord::load(&names.job()).ok()).flatten();
    if summary.is_none() && record.is_none() && !names.config().exists() {
        return None;
    }
    let in_use = RunLock::holder(folder).is_some();
    let seconds = |path: &Path| {
        let modified = std::fs::metadata(path).and_then(|data| data.modified()).ok()?;
        modified.duration_since(std::time::UNIX_EPOCH).ok().map(|since| since.as_secs())
    };
    let summary = summary.unwrap_or(Value::Null);
    let text = |pointer: &str| summary.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
    let number = |key: &str| summary.get(key).and_then(Value::as_f64);
    let path_of = |key: &str| summary.get(key).and_then(Value::as_str).map(PathBuf::from);
    // While a training is unfinished, a model beside the autosave may belong to an earlier run.
    let models = if summary.is_null() { [names.autosave(), names.model()] } else { [names.model(), names.autosave()] };
    Some(RunInfo {
        folder: folder.to_path_buf(),
        name: file_name(folder),
        command: JobKind::of_summary(&summary),
        changed: [names.summary(), names.config(), names.job()]
            .iter()
            .find_map(|path| seconds(path))
            .unwrap_or_default(),
        dataset: match (text("/dataset/path"), &record) {
            (empty, Some(record)) if empty.is_empty() => record.dataset.clone(),
            (path, _) => path.into(),
        },
        outcome: JobOutcome::of_summary(&summary),
        steps: summary.get("steps").and_then(Value::as_u64),
        train_seconds: number("train_seconds"),
        patterns_per_second: number("patterns_per_second"),
        side: summary.pointer("/dataset/N").and_then(Value::as_u64),
        device: text("/device/name"),
        final_train_loss: number("final_train_loss"),
        phase_correlation: number("phase_correlation"),
        amplitude_correlation: number("amplitude_correlation"),
        consistency_r: number("consistency_r"),
        settings: Config::load(names.config())
            .ok()
            .and_then(|c| c.differences(&Config::default()).ok())
            .unwrap_or_default(),
        note: std::fs::read_to_string(names.note()).unwrap_or_default(),
        model: models.into_iter().find(|path| path.exists()).or_else(|| path_of("model").filter(|path| path.exists())),
        polished_from: path_of("polished_from"),
        resumable: record.is_some() && !in_use,
        in_use,
        has_result: names.reconstruction().exists(),
        history: read_history(&names.history()),
    })
}
