//! Reconstruction of datasets as they arrive in a folder.

mod incoming;

use super::jobs::perform;
use super::message::{Control, EventKind, Job, Stage, WatchMethod};
use super::recorder::Recorder;
use super::summary::{JobKind, JobOutcome, Summary};
use super::watched_file::{FileStatus, WatchedFile};
use crate::checkpoint::{Bundle, Destination};
use crate::config::Method;
use crate::error::{Error, Problem, Result};
use crate::system::file_name;
use incoming::{Arrived, Incoming, LIST, add_to_list, already_done};
use std::collections::BTreeSet;
use std::path::Path;
use std::time::{Duration, Instant};

/// Interval between scans of the folder.
const SCAN_INTERVAL: Duration = Duration::from_millis(200);
/// Interval between checks of the switch in between.
const SWITCH_INTERVAL: Duration = Duration::from_millis(20);

/// A job that watches a folder.
pub(super) struct WatchFolder<'a> {
    pub method: &'a WatchMethod,
    pub folder: &'a Path,
    /// Parent of the run folders; `None` for `reconstructed` in the watched folder.
    pub output_dir: Option<&'a Path>,
    /// True to end once all files present have been processed.
    pub once: bool,
    /// Time for which a file must be unchanged before it is read.
    pub settle: Duration,
}

impl WatchFolder<'_> {
    /// Watches until stopped, or until all files have been processed.
    ///
    /// # Errors
    /// An unusable bundle or folder, or a missing device: failures that do not depend on a file.
    pub(super) fn run(&self, recorder: &Recorder<'_>) -> Result<Summary> {
        let (model, side) = match self.method {
            WatchMethod::Model { model, .. } => (Some(model.clone()), Bundle::load(model)?.manifest.dataset.patch_size),
            WatchMethod::Direct(config) => {
                config.validate()?;
                if config.training.method != Method::Direct {
                    return Err(Problem::new("A folder is watched with a trained model, or with the direct solver")
                        .hint("Add --method direct, or watch with `ptychoscope infer MODEL --watch FOLDER`")
                        .into());
                }
                (None, 0)
            }
        };
        if !self.folder.is_dir() {
            return Err(Error::BadInput(
                Problem::new("The folder to watch does not exist").hint("Choose an existing folder").at(self.folder),
            ));
        }
        let output = self.output_dir.map_or_else(|| self.folder.join("reconstructed"), Path::to_path_buf);
        std::fs::create_dir_all(&output).map_err(|error| Error::writing(&output, &error))?;
        let context = recorder.context();
        let mut summary = Summary {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            command: JobKind::Watch,
            model,
            ..Summary::default()
        };
        summary.dataset.side = side;
        let mut incoming = Incoming::new(self.folder, self.settle);
        let mut waiting = BTreeSet::new();
        context.emit(EventKind::Stage { stage: Stage::Watching });
        loop {
            let scan = incoming.scan()?;
            for file in &scan.waiting {
                if waiting.insert(file.path.clone()) {
                    context.emit(status_event(file, &output, FileStatus::Waiting));
                }
            }
            for file in &scan.ready {
                waiting.remove(&file.path);
                self.process(recorder, file, &output, &mut summary)?;
                if is_ending(context.switch.get()) {
                    break;
                }
            }
            let all_done = self.once && scan.ready.is_empty() && scan.waiting.is_empty();
            if all_done || !wait_for_scan(recorder, scan.ready.is_empty(), self.settle) {
                summary.outcome = if all_done { JobOutcome::Completed } else { JobOutcome::Stopped };
                return Ok(summary);
            }
        }
    }

    /// Reconstructs a file and reports its status.
    fn process(&self, recorder: &Recorder<'_>, file: &Arrived, output: &Path, summary: &mut Summary) -> Result<()> {
        let context = recorder.context();
        let folder = output.join(&file.name);
        if already_done(&file.path, &folder, self.method) {
            context.emit(status_event(file, output, FileStatus::Skipped));
            return Ok(());
        }
        context.emit(status_event(file, output, FileStatus::Working));
        let (dataset, output_dir) = (file.path.clone(), Destination::Folder(folder));
        let job = match self.method.clone() {
            WatchMethod::Model { model, settings } => Job::Infer { model, dataset, output_dir, settings },
            WatchMethod::Direct(config) => Job::Run { dataset, validation: None, output_dir, config },
        };
        let began = Instant::now();
        let status = match perform(&job, context) {
            Err(error @ Error::DeviceUnavailable(_)) => return Err(error),
            Err(_) if context.switch.get().stops_now() => FileStatus::Aborted,
            Ok(done) if done.outcome != JobOutcome::Completed && context.switch.get().stops_now() => {
                FileStatus::Aborted
            }
            Ok(done) => {
                (summary.device, summary.reduced_capability) = (done.device, done.reduced_capability);
                FileStatus::Done {
                    patterns: done.dataset.n,
                    whole_seconds: began.elapsed().as_secs_f64(),
                    infer_seconds: done.infer_seconds.or(done.train_seconds).unwrap_or_default(),
                    consistency_r: done.consistency_r,
                }
            }
            Err(error) => FileStatus::Failed { message: error.at(&file.path).to_string() },
        };
        if let Some(row) = row(&file.path, &status) {
            add_to_list(&output.join(LIST), &row)?;
        }
        context.emit(status_event(file, output, status));
        context.emit(EventKind::Stage { stage: Stage::Watching });
        Ok(())
    }
}

fn status_event(file: &Arrived, output: &Path, status: FileStatus) -> EventKind {
    EventKind::File(WatchedFile { path: file.path.clone(), folder: output.join(&file.name), status })
}

/// True if watching ends, at once or after the current file.
fn is_ending(control: Control) -> bool {
    control.stops_now() || control == Control::StopAfterEpoch
}

/// Waits until the next scan, longer while paused; false if watching ends.
fn wait_for_scan(recorder: &Recorder<'_>, idle: bool, settle: Duration) -> bool {
    let switch = &recorder.context().switch;
    let until = Instant::now() + if idle { SCAN_INTERVAL.min(settle) } else { Duration::ZERO };
    loop {
        if is_ending(switch.get()) || !switch.wait_while_paused() || is_ending(switch.get()) {
            return false;
        }
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return true;
        }
        std::thread::sleep(left.min(SWITCH_INTERVAL));
    }
}

/// Row in the list of results, for a file that was processed.
fn row(path: &Path, status: &FileStatus) -> Option<[String; 7]> {
    let name = file_name(path);
    let none = String::new;
    match status {
        FileStatus::Done { patterns, infer_seconds, consistency_r, .. } => {
            let each = status.ms_per_pattern().unwrap_or_default();
            let r = consistency_r.map_or_else(none, |r| format!("{r:.6}"));
            let (patterns, seconds) = (patterns.to_string(), format!("{infer_seconds:.6}"));
            Some([name, "done".to_owned(), patterns, seconds, format!("{each:.6}"), r, none()])
        }
        FileStatus::Failed { message } => {
            Some([name, "bad".to_owned(), none(), none(), none(), none(), message.clone()])
        }
        FileStatus::Waiting | FileStatus::Working | FileStatus::Skipped | FileStatus::Aborted => None,
    }
}
