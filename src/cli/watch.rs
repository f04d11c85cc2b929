//! `infer --watch`: datasets are reconstructed as they arrive in a folder, and one line tells of each.

use super::jobs::Jobs;
use super::{print_line, tell};
use crate::error::Result;
use crate::system::file_name;
use crate::worker::message::{EventKind, Fate, Job, Stage, WatchedFile};
use serde_json::json;
use std::path::PathBuf;
use std::time::Duration;

/// What is watched, and what is done with it.
pub(super) struct Watch {
    /// The bundle.
    pub model: PathBuf,
    /// The folder that datasets arrive in.
    pub folder: PathBuf,
    /// Where a run folder is made for each; none for `reconstructed` in the folder itself.
    pub output_dir: Option<PathBuf>,
    /// Settings of the inferences.
    pub settings: Vec<(String, String)>,
    /// Whether to end when all that is there is done.
    pub once: bool,
    /// How long a file must have been left alone.
    pub settle: Duration,
    /// One line of JSON for each file, instead of words.
    pub json: bool,
    /// Nothing but errors.
    pub quiet: bool,
}

impl Watch {
    /// Watches until Ctrl-C, or until all is done; gives back the exit code: 1 if a file was bad.
    ///
    /// # Errors
    /// A bundle or folder that cannot be used.
    pub(super) fn run(self) -> Result<u8> {
        let mut jobs = Jobs::start(self.quiet || self.json)?;
        let job = Job::Watch {
            model: self.model.clone(),
            folder: self.folder.clone(),
            output_dir: self.output_dir.clone(),
            settings: self.settings.clone(),
            once: self.once,
            settle: self.settle,
        };
        let mut begun = false;
        let session = jobs.run_told(job, &mut |jobs, kind| match kind {
            EventKind::Stage { stage: Stage::Watching } if !std::mem::replace(&mut begun, true) => {
                jobs.say(&format!("Watching {}; Ctrl-C ends.", self.folder.display()));
            }
            EventKind::File(file) => self.tell_of(jobs, file),
            _ => {}
        })?;
        let watched = &session.watched;
        if self.json {
            let value = json!({
                "event": "watched", "done": watched.done, "bad": watched.bad, "done_before": watched.before,
                "patterns": watched.patterns, "infer_seconds": watched.seconds,
                "ms_per_pattern": watched.ms_per_pattern().unwrap_or_default(),
            });
            print_line(&value.to_string());
        } else if !self.quiet {
            print_line(&format!("Watched {}: {}.", self.folder.display(), watched.words()));
        }
        Ok(u8::from(watched.bad > 0))
    }

    fn tell_of(&self, jobs: &Jobs, file: &WatchedFile) {
        let (path, folder) = (&file.path, file.folder.display());
        match &file.fate {
            Fate::Waiting | Fate::Working => {}
            Fate::Before => jobs.say(&format!("{}: reconstructed before, in {folder}", path.display())),
            Fate::Left => jobs.say(&format!("{}: left undone", path.display())),
            Fate::Done { patterns, whole_seconds, infer_seconds, consistency_r } => {
                let each = file.fate.ms_per_pattern().unwrap_or_default();
                if self.json {
                    let value = json!({
                        "event": "file", "outcome": "done", "file": path, "folder": file.folder, "patterns": patterns,
                        "infer_seconds": infer_seconds, "ms_per_pattern": each, "consistency_r": consistency_r,
                    });
                    print_line(&value.to_string());
                } else if !self.quiet {
                    let name = file_name(path);
                    let misfit = consistency_r.map_or_else(String::new, |r| format!(", R = {r:.4}"));
                    print_line(&format!(
                        "{name}: {patterns} patterns in {whole_seconds:.2} s, {each:.2} ms each to reconstruct{misfit}, \
                         in {folder}"
                    ));
                }
            }
            Fate::Bad { message } if self.json => {
                let value = json!({ "event": "file", "outcome": "bad", "file": path, "message": message });
                print_line(&value.to_string());
            }
            Fate::Bad { message } => tell(&format!("Skipped: {message}")),
        }
    }
}
