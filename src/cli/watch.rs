//! `infer --watch` and `run --watch`: datasets reconstructed as they arrive in a folder, with one line of output per file.

use super::console::{print_line, print_message};
use super::jobs::Jobs;
use crate::error::{Problem, Result};
use crate::system::file_name;
use crate::system::path_text::to_text;
use crate::worker::message::{EventKind, FileStatus, Job, Stage, WatchMethod, WatchedFile};
use serde_json::json;
use std::path::PathBuf;
use std::time::Duration;

/// Options of a watched folder.
pub(super) struct Watch {
    /// How the datasets are reconstructed.
    pub method: WatchMethod,
    /// Folder in which datasets arrive.
    pub folder: PathBuf,
    /// Parent of one run folder per file; `None` for `reconstructed` in the watched folder.
    pub output_dir: Option<PathBuf>,
    /// Exit once all files present have been processed.
    pub once: bool,
    /// Time for which a file must remain unchanged before it is read.
    pub settle: Duration,
    /// Print one line of JSON per file instead of text.
    pub json: bool,
    /// Print only errors.
    pub quiet: bool,
}

/// Time for which a file must remain unchanged, from `--settle`.
///
/// # Errors
/// A time that is not from 0 to 3600 s.
pub(super) fn settle(seconds: f64) -> Result<Duration> {
    if !(0.0..=3600.0).contains(&seconds) {
        return Err(Problem::new(format!("--settle {seconds}")).expected("seconds, 0 to 3600").into());
    }
    Ok(Duration::from_secs_f64(seconds))
}

impl Watch {
    /// Watches until Ctrl-C, or with `once` until all files are processed. Returns the exit code: 1 if a file failed.
    ///
    /// # Errors
    /// A model or folder that cannot be used.
    pub(super) fn run(self) -> Result<u8> {
        let mut jobs = Jobs::start(self.quiet || self.json)?;
        let job = Job::Watch {
            method: self.method.clone(),
            folder: self.folder.clone(),
            output_dir: self.output_dir.clone(),
            once: self.once,
            settle: self.settle,
        };
        let mut announced = false;
        let session = jobs.run_observed(job, &mut |jobs, event| {
            jobs.print_note(event);
            match &event.kind {
                EventKind::Stage { stage: Stage::Watching } if !std::mem::replace(&mut announced, true) => {
                    jobs.print(&format!("Watching {}; press Ctrl-C to end.", self.folder.display()));
                }
                EventKind::File(file) => self.report_file(jobs, file),
                _ => {}
            }
            Ok(())
        })?;
        let watched = &session.watched;
        if self.json {
            let value = json!({
                "event": "watched", "done": watched.done, "bad": watched.failed, "done_before": watched.skipped,
                "patterns": watched.patterns, "infer_seconds": watched.seconds,
                "ms_per_pattern": watched.ms_per_pattern().unwrap_or_default(),
            });
            print_line(&value.to_string());
        } else if !self.quiet {
            print_line(&format!("Watched {}: {}.", self.folder.display(), watched.summary()));
        }
        Ok(u8::from(watched.failed > 0))
    }

    /// Prints the new status of a file.
    fn report_file(&self, jobs: &Jobs, file: &WatchedFile) {
        let (path, folder) = (&file.path, file.folder.display());
        match &file.status {
            FileStatus::Waiting | FileStatus::Working => {}
            FileStatus::Skipped => jobs.print(&format!("{}: already reconstructed, in {folder}", path.display())),
            FileStatus::Aborted => jobs.print(&format!("{}: not finished", path.display())),
            FileStatus::Done { patterns, whole_seconds, infer_seconds, consistency_r } => {
                let each = file.status.ms_per_pattern().unwrap_or_default();
                if self.json {
                    let value = json!({
                        "event": "file", "outcome": "done", "file": to_text(path), "folder": to_text(&file.folder), "patterns": patterns,
                        "infer_seconds": infer_seconds, "ms_per_pattern": each, "consistency_r": consistency_r,
                    });
                    print_line(&value.to_string());
                } else if !self.quiet {
                    let name = file_name(path);
                    let misfit = consistency_r.map_or_else(String::new, |r| format!(", R = {r:.4}"));
                    print_line(&format!(
                        "{name}: {patterns} patterns in {whole_seconds:.2} s ({each:.2} ms per pattern to reconstruct)\
                         {misfit}, in {folder}"
                    ));
                }
            }
            FileStatus::Failed { message } if self.json => {
                let value = json!({ "event": "file", "outcome": "bad", "file": to_text(path), "message": message });
                print_line(&value.to_string());
            }
            FileStatus::Failed { message } => print_message(&format!("Skipped: {message}")),
        }
    }
}
