//! Setup and results of a watched folder.

use crate::worker::message::{FileStatus, WatchedFile};
use std::path::PathBuf;

/// Maximum number of files listed; the oldest are dropped.
const MOST: usize = 1000;

/// Settings for watching a folder.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct WatchSetup {
    /// Path of the folder to watch.
    pub folder: Option<PathBuf>,
    /// Number of polish epochs after the model; 0 for none.
    pub polish_epochs: usize,
    /// True to use the direct solver, false for the loaded model; `None` for the model if one is loaded.
    pub direct: Option<bool>,
}

/// Files of a watched folder, in order of arrival, with totals.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct WatchedFiles {
    /// The files, each once, with the latest status.
    pub files: Vec<WatchedFile>,
    /// Number of files reconstructed.
    pub done: usize,
    /// Number of files that failed.
    pub failed: usize,
    /// Number of files already reconstructed earlier.
    pub skipped: usize,
    /// Number of patterns reconstructed.
    pub patterns: usize,
    /// Time for their prediction, stitching and polish, in seconds.
    pub seconds: f64,
}

impl WatchedFiles {
    /// Updates the status of a file; a new version of a file replaces the old one.
    pub(super) fn update(&mut self, file: &WatchedFile) {
        match &file.status {
            FileStatus::Done { patterns, infer_seconds, .. } => {
                self.done += 1;
                self.patterns += patterns;
                self.seconds += infer_seconds;
            }
            FileStatus::Failed { .. } => self.failed += 1,
            FileStatus::Skipped => self.skipped += 1,
            FileStatus::Waiting | FileStatus::Working | FileStatus::Aborted => {}
        }
        match self.files.iter().rposition(|known| known.path == file.path) {
            Some(at) => self.files[at] = file.clone(),
            None => {
                if self.files.len() >= MOST {
                    self.files.drain(..MOST / 10);
                }
                self.files.push(file.clone());
            }
        }
    }

    /// Mean time per pattern in milliseconds; `None` before the first file.
    pub fn ms_per_pattern(&self) -> Option<f64> {
        (self.patterns > 0).then(|| 1e3 * self.seconds / self.patterns as f64)
    }

    /// Totals in words.
    pub fn summary(&self) -> String {
        let mut text = format!("{} reconstructed", self.done);
        if let Some(each) = self.ms_per_pattern() {
            text += &format!(" ({} patterns, {each:.2} ms each)", self.patterns);
        }
        text += &format!(", {} not usable", self.failed);
        if self.skipped > 0 {
            text += &format!(", {} done before", self.skipped);
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(name: &str, status: FileStatus) -> WatchedFile {
        WatchedFile { path: name.into(), folder: "out".into(), status }
    }

    fn done(patterns: usize, infer_seconds: f64) -> FileStatus {
        FileStatus::Done { patterns, whole_seconds: 2.0, infer_seconds, consistency_r: None }
    }

    #[test]
    fn each_file_is_listed_once_and_every_result_counts() {
        let mut watched = WatchedFiles::default();
        for (name, status) in [
            ("a", FileStatus::Waiting),
            ("a", FileStatus::Working),
            ("a", done(100, 0.4)),
            ("b", FileStatus::Failed { message: "cut short".into() }),
            ("c", FileStatus::Skipped),
            ("b", FileStatus::Working),
            ("b", done(100, 0.6)),
        ] {
            watched.update(&file(name, status));
        }
        let names: Vec<_> = watched.files.iter().map(|file| file.path.display().to_string()).collect();
        assert_eq!(names, ["a", "b", "c"]);
        assert_eq!(watched.files[1].status, done(100, 0.6), "a replaced file is no longer listed as failed");
        assert_eq!(watched.summary(), "2 reconstructed (200 patterns, 5.00 ms each), 1 not usable, 1 done before");
    }

    #[test]
    fn after_weeks_of_watching_the_newest_files_and_all_totals_are_kept() {
        let mut watched = WatchedFiles::default();
        (0..5000).for_each(|n| watched.update(&file(&n.to_string(), done(1, 0.001))));
        assert!(watched.files.len() <= MOST && watched.done == 5000);
        assert_eq!(watched.files.last().map(|file| file.path.display().to_string()), Some("4999".to_owned()));
    }
}
