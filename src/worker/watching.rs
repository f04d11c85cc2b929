//! Datasets are reconstructed as they arrive in a folder.

use super::incoming::{Arrived, Incoming, LIST, add_to_list, already_done};
use super::jobs::perform;
use super::message::{Control, EventKind, Job, Stage};
use super::recorder::Recorder;
use super::summary::{JobOutcome, Summary};
use crate::checkpoint::{Bundle, Destination};
use crate::error::{Error, Problem, Result};
use crate::system::file_name;
use serde::Serialize;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How often the folder is looked at, and how often what is asked for is looked at meanwhile.
const LOOK_EVERY: Duration = Duration::from_millis(200);
const LISTEN_EVERY: Duration = Duration::from_millis(20);

/// A file of a watched folder, and what has become of it so far.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct WatchedFile {
    /// The file.
    pub path: PathBuf,
    /// Its run folder.
    pub folder: PathBuf,
    /// What has become of it.
    #[serde(flatten)]
    pub fate: Fate,
}

/// What has become of a file of a watched folder.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum Fate {
    /// It may still be written.
    Waiting,
    /// It is being reconstructed.
    Working,
    /// It was reconstructed.
    Done {
        /// Number of patterns.
        patterns: usize,
        /// Time from taking the file up to its last picture, in seconds.
        whole_seconds: f64,
        /// Time of prediction, stitching and polish, in seconds.
        infer_seconds: f64,
        /// Misfit of the result.
        consistency_r: Option<f64>,
    },
    /// It was reconstructed with this bundle before; the result is there.
    Before,
    /// It cannot be used.
    Bad {
        /// Why.
        message: String,
    },
    /// The watch was ended while it was being reconstructed.
    Left,
}

/// What is watched.
pub(super) struct Watching<'a> {
    pub model: &'a Path,
    pub folder: &'a Path,
    /// Where a run folder is made for each file; none for `reconstructed` in the folder.
    pub output_dir: Option<&'a Path>,
    pub settings: &'a [(String, String)],
    /// Whether to end when all that is there is done.
    pub once: bool,
    /// How long a file must have been left alone.
    pub settle: Duration,
}

impl Fate {
    /// Milliseconds of prediction, stitching and polish for a pattern, of what was reconstructed.
    pub fn ms_per_pattern(&self) -> Option<f64> {
        let Self::Done { patterns, infer_seconds, .. } = self else { return None };
        Some(1e3 * infer_seconds / (*patterns).max(1) as f64)
    }
}

impl Watching<'_> {
    /// Watches until it is stopped, or until all is done.
    ///
    /// # Errors
    /// A bundle or folder that cannot be used, or a device that is not there: no file is to blame for that.
    pub(super) fn run(&self, recorder: &Recorder<'_, '_>) -> Result<Summary> {
        let bundle = Bundle::load(self.model)?;
        if !self.folder.is_dir() {
            return Err(Error::BadInput(
                Problem::new("There is no folder to watch").hint("Give a folder that is there").at(self.folder),
            ));
        }
        let output = self.output_dir.map_or_else(|| self.folder.join("reconstructed"), Path::to_path_buf);
        std::fs::create_dir_all(&output).map_err(|error| Error::writing(&output, &error))?;
        let context = recorder.context();
        let mut summary = Summary {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            command: "watch".to_owned(),
            model: Some(self.model.to_path_buf()),
            ..Summary::default()
        };
        summary.dataset.side = bundle.manifest.dataset.patch_size;
        drop(bundle);
        let mut incoming = Incoming::new(self.folder, self.settle);
        let mut waiting = BTreeSet::new();
        context.emit(EventKind::Stage { stage: Stage::Watching });
        loop {
            let look = incoming.look()?;
            for file in &look.waiting {
                if waiting.insert(file.path.clone()) {
                    context.emit(told(file, &output, Fate::Waiting));
                }
            }
            for file in &look.ready {
                waiting.remove(&file.path);
                self.one(recorder, file, &output, &mut summary)?;
                if ends(context.switch.get()) {
                    break;
                }
            }
            let all_done = self.once && look.ready.is_empty() && look.waiting.is_empty();
            if all_done || !rest(recorder, look.ready.is_empty(), self.settle) {
                summary.outcome = if all_done { JobOutcome::Completed } else { JobOutcome::Stopped };
                return Ok(summary);
            }
        }
    }

    /// Reconstructs one file and tells what became of it.
    fn one(&self, recorder: &Recorder<'_, '_>, file: &Arrived, output: &Path, summary: &mut Summary) -> Result<()> {
        let context = recorder.context();
        let folder = output.join(&file.name);
        if already_done(&file.path, &folder, self.model) {
            context.emit(told(file, output, Fate::Before));
            return Ok(());
        }
        context.emit(told(file, output, Fate::Working));
        let job = Job::Infer {
            model: self.model.to_path_buf(),
            dataset: file.path.clone(),
            output_dir: Destination::Folder(folder),
            settings: self.settings.to_vec(),
        };
        let began = Instant::now();
        let fate = match perform(&job, context) {
            Err(error @ Error::DeviceUnavailable(_)) => return Err(error),
            Err(_) if context.switch.get().ends_now() => Fate::Left,
            Ok(done) if done.outcome != JobOutcome::Completed && context.switch.get().ends_now() => Fate::Left,
            Ok(done) => {
                (summary.device, summary.reduced_capability) = (done.device, done.reduced_capability);
                Fate::Done {
                    patterns: done.dataset.n,
                    whole_seconds: began.elapsed().as_secs_f64(),
                    infer_seconds: done.infer_seconds.unwrap_or_default(),
                    consistency_r: done.consistency_r,
                }
            }
            Err(error) => Fate::Bad { message: error.at(&file.path).to_string() },
        };
        if let Some(row) = row(&file.path, &fate) {
            add_to_list(&output.join(LIST), &row)?;
        }
        context.emit(told(file, output, fate));
        context.emit(EventKind::Stage { stage: Stage::Watching });
        Ok(())
    }
}

fn told(file: &Arrived, output: &Path, fate: Fate) -> EventKind {
    EventKind::File(WatchedFile { path: file.path.clone(), folder: output.join(&file.name), fate })
}

/// Whether the watch is over: at once, or after the file that was taken up.
fn ends(control: Control) -> bool {
    control.ends_now() || control == Control::StopAfterEpoch
}

/// Waits a moment before the next look, longer while it is paused; whether there shall be one.
fn rest(recorder: &Recorder<'_, '_>, idle: bool, settle: Duration) -> bool {
    let switch = &recorder.context().switch;
    let until = Instant::now() + if idle { LOOK_EVERY.min(settle) } else { Duration::ZERO };
    loop {
        if ends(switch.get()) || !switch.go_on() || ends(switch.get()) {
            return false;
        }
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return true;
        }
        std::thread::sleep(left.min(LISTEN_EVERY));
    }
}

/// The row of the list, for what has an end.
fn row(path: &Path, fate: &Fate) -> Option<[String; 7]> {
    let name = file_name(path);
    let none = String::new;
    match fate {
        Fate::Done { patterns, infer_seconds, consistency_r, .. } => {
            let each = fate.ms_per_pattern().unwrap_or_default();
            let r = consistency_r.map_or_else(none, |r| format!("{r:.6}"));
            let (patterns, seconds) = (patterns.to_string(), format!("{infer_seconds:.6}"));
            Some([name, "done".to_owned(), patterns, seconds, format!("{each:.6}"), r, none()])
        }
        Fate::Bad { message } => Some([name, "bad".to_owned(), none(), none(), none(), none(), message.clone()]),
        Fate::Waiting | Fate::Working | Fate::Before | Fate::Left => None,
    }
}
