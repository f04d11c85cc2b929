//! Status of the files in a watched folder.

use serde::Serialize;
use std::path::PathBuf;

/// A file of a watched folder with its status.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct WatchedFile {
    /// Path of the file.
    #[serde(with = "crate::system::path_text")]
    pub path: PathBuf,
    /// Path of its run folder.
    #[serde(with = "crate::system::path_text")]
    pub folder: PathBuf,
    /// Its status.
    #[serde(flatten)]
    pub status: FileStatus,
}

/// Status of a file in a watched folder.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum FileStatus {
    /// Possibly still being written.
    Waiting,
    /// Being reconstructed.
    Working,
    /// Reconstructed.
    Done {
        /// Number of patterns.
        patterns: usize,
        /// Time from opening the file to its last image, in seconds.
        whole_seconds: f64,
        /// Time for prediction, stitching and polish, in seconds.
        infer_seconds: f64,
        /// Misfit to the data.
        consistency_r: Option<f64>,
    },
    /// Already reconstructed with this bundle.
    #[serde(rename = "before")]
    Skipped,
    /// Not usable, or the reconstruction failed.
    #[serde(rename = "bad")]
    Failed {
        /// Reason.
        message: String,
    },
    /// Watching was stopped during its reconstruction.
    #[serde(rename = "left")]
    Aborted,
}

impl FileStatus {
    /// Milliseconds per pattern for prediction, stitching and polish of a reconstructed file.
    pub fn ms_per_pattern(&self) -> Option<f64> {
        let Self::Done { patterns, infer_seconds, .. } = self else { return None };
        Some(1e3 * infer_seconds / (*patterns).max(1) as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_status_has_its_published_name_in_json() {
        for (status, name) in [
            (FileStatus::Waiting, "waiting"),
            (FileStatus::Working, "working"),
            (FileStatus::Skipped, "before"),
            (FileStatus::Failed { message: String::new() }, "bad"),
            (FileStatus::Aborted, "left"),
        ] {
            let file = WatchedFile { path: "a.npz".into(), folder: "a".into(), status };
            assert_eq!(serde_json::to_value(&file).unwrap()["outcome"], name);
        }
    }
}
