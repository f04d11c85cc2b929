//! State of the latest job.

use super::watched_files::WatchedFiles;
use crate::worker::message::{
    DatasetSummary, DeviceInfo, EpochPoint, Event, EventKind, Failure, FileStatus, JobKind, JobOutcome, Progress,
    Reliability, Stage, Summary, Trial,
};
use std::path::PathBuf;

/// Status of the latest job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Status {
    /// No job yet.
    #[default]
    Idle,
    /// The job is running.
    Running,
    /// The job is done and its result is saved.
    Finished(JobOutcome),
    /// The job failed.
    Failed,
}

/// Maximum number of points of a curve.
const CURVE_POINTS: usize = 20_000;

/// A point of the training curves.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CurvePoint {
    /// Optimizer steps done.
    pub step: usize,
    /// Time since the start of the training, in seconds.
    pub elapsed_s: f64,
    /// Mean loss of the steps since the previous report.
    pub loss: f64,
    /// Learning rate of the latest step.
    pub learning_rate: f64,
    /// Gradient norm of the latest step, before clipping; NaN if unknown.
    pub gradient_norm: f64,
}

/// State of the latest job.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct JobProgress {
    /// Number of the job; 0 before the first job.
    pub job: u64,
    /// Kind of the job; `None` before the first job.
    pub kind: Option<JobKind>,
    /// Path of the run folder, once created.
    pub output_dir: Option<PathBuf>,
    /// Status of the job.
    pub status: Status,
    /// Current or latest stage.
    pub stage: Option<Stage>,
    /// Progress of that stage.
    pub progress: Progress,
    /// Dataset, once read.
    pub dataset: Option<DatasetSummary>,
    /// Compute device, once selected.
    pub device: Option<DeviceInfo>,
    /// Training curve, in order; its older half is thinned if there are too many points.
    pub curve: Vec<CurvePoint>,
    /// Completed epochs, in order.
    pub history: Vec<EpochPoint>,
    /// Remarks for the user, in order.
    pub notes: Vec<String>,
    /// Warnings, in order.
    pub warnings: Vec<String>,
    /// How far the result can be trusted, once judged.
    pub reliability: Option<Reliability>,
    /// Trials of a diagnosis so far.
    pub trials: Vec<Trial>,
    /// Paths of the files written, in order, each once.
    pub saved: Vec<PathBuf>,
    /// Files of a watched folder.
    pub watched: WatchedFiles,
    /// Summary of the job, once finished.
    pub summary: Option<Summary>,
    /// Reason why the job failed.
    pub failure: Option<Failure>,
}

impl JobProgress {
    /// Applies an event. Events of jobs other than the latest are ignored.
    pub fn apply(&mut self, event: &Event) {
        if let EventKind::Started { kind } = &event.kind {
            *self = Self { job: event.job, kind: Some(*kind), status: Status::Running, ..Self::default() };
            return;
        }
        if event.job != self.job || self.status != Status::Running {
            return;
        }
        match &event.kind {
            EventKind::Started { .. } => {}
            EventKind::Folder { path } => self.output_dir = Some(path.clone()),
            EventKind::Dataset(dataset) => self.dataset = Some(dataset.clone()),
            EventKind::Device(device) => self.device = Some(device.clone()),
            EventKind::Note { text } => self.notes.push(text.clone()),
            EventKind::Warning { text } => self.warnings.push(text.clone()),
            EventKind::Stage { stage } => {
                self.stage = Some(*stage);
                self.progress = Progress::default();
            }
            EventKind::Progress(progress) => {
                self.progress = progress.clone();
                self.add_curve_point(progress);
            }
            EventKind::Epoch(point) => self.history.push(point.clone()),
            EventKind::Reliability(found) => self.reliability = Some((**found).clone()),
            EventKind::Trial(trial) => self.trials.push((**trial).clone()),
            EventKind::Saved { path } => {
                if !self.saved.contains(path) {
                    self.saved.push(path.clone());
                }
            }
            EventKind::File(file) => {
                if file.status == FileStatus::Working {
                    // Each file is processed by a separate job; the next one starts clean.
                    self.notes.clear();
                    self.warnings.clear();
                    self.saved.clear();
                    self.history.clear();
                }
                self.watched.update(file);
            }
            EventKind::Finished(summary) => {
                self.status = Status::Finished(summary.outcome);
                self.summary = Some((**summary).clone());
            }
            EventKind::Failed(failure) => {
                self.status = Status::Failed;
                self.failure = Some(failure.clone());
            }
        }
    }

    fn add_curve_point(&mut self, progress: &Progress) {
        let (Some(loss), Some(learning_rate)) = (progress.loss, progress.learning_rate) else { return };
        if self.curve.len() >= CURVE_POINTS {
            let mut index = 0;
            self.curve.retain(|_| {
                index += 1;
                index > CURVE_POINTS / 2 || index % 2 == 1
            });
        }
        let gradient_norm = progress.gradient_norm.unwrap_or(f64::NAN);
        let (step, elapsed_s) = (progress.step, progress.elapsed_s);
        self.curve.push(CurvePoint { step, elapsed_s, loss, learning_rate, gradient_norm });
    }

    /// True if the latest job is of this kind.
    pub fn is(&self, kind: JobKind) -> bool {
        self.kind == Some(kind)
    }

    /// True if the job has finished or failed.
    pub fn has_ended(&self) -> bool {
        matches!(self.status, Status::Finished(_) | Status::Failed)
    }

    /// Exit code of the program: 0 completed, 3 stopped or discarded by the user, else that of the failure; 1 also after a
    /// NaN loss, although the last good weights are saved.
    pub fn exit_code(&self) -> u8 {
        match self.status {
            Status::Finished(JobOutcome::Completed) => 0,
            Status::Finished(JobOutcome::Stopped | JobOutcome::Discarded) => 3,
            Status::Failed => self.failure.as_ref().map_or(1, |failure| failure.exit_code),
            Status::Finished(JobOutcome::RestoredAfterNan) | Status::Idle | Status::Running => 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::{Error, Problem};
    use std::time::Duration;

    fn replay(events: impl IntoIterator<Item = (u64, EventKind)>) -> JobProgress {
        let mut progress = JobProgress::default();
        for (at, (job, kind)) in events.into_iter().enumerate() {
            progress.apply(&Event { job, at: Duration::from_secs(at as u64), kind });
        }
        progress
    }

    fn started(kind: JobKind) -> EventKind {
        EventKind::Started { kind }
    }

    fn epoch(epoch: usize) -> EventKind {
        EventKind::Epoch(EpochPoint {
            epoch,
            step: 10 * epoch,
            train_loss: 1.0,
            val_loss: None,
            learning_rate: 1e-3,
            gradient_norm: 1.0,
            elapsed_s: 1.0,
        })
    }

    #[test]
    fn events_of_a_run_are_applied_in_order() {
        let saved = || EventKind::Saved { path: "runs/a/model.ptycho".into() };
        let progress = replay([
            (1, started(JobKind::Run)),
            (1, EventKind::Folder { path: "runs/a".into() }),
            (1, EventKind::Stage { stage: Stage::Training }),
            (1, EventKind::Progress(Progress { fraction: 0.5, step: 10, ..Progress::default() })),
            (1, epoch(1)),
            (1, saved()),
            (1, epoch(2)),
            (1, saved()),
            (1, EventKind::Note { text: "a".into() }),
            (1, EventKind::Finished(Box::new(Summary { steps: Some(20), ..Summary::default() }))),
        ]);
        assert_eq!((progress.job, progress.kind), (1, Some(JobKind::Run)));
        assert_eq!(progress.output_dir, Some("runs/a".into()));
        assert_eq!(progress.stage, Some(Stage::Training));
        assert_eq!(progress.progress.step, 10);
        assert_eq!(progress.history.iter().map(|point| point.epoch).collect::<Vec<_>>(), [1, 2]);
        assert_eq!(progress.saved.len(), 1, "a file saved twice is listed once");
        assert_eq!(progress.summary.as_ref().unwrap().steps, Some(20));
        assert!(progress.has_ended());
        assert_eq!(progress.exit_code(), 0);
    }

    #[test]
    fn a_new_stage_resets_the_progress() {
        let progress = replay([
            (1, started(JobKind::Run)),
            (1, EventKind::Progress(Progress { fraction: 1.0, ..Progress::default() })),
            (1, EventKind::Stage { stage: Stage::Reconstructing }),
        ]);
        assert_eq!(progress.progress, Progress::default());
        assert_eq!(progress.status, Status::Running);
        assert_eq!(progress.exit_code(), 1, "a job without an end is not a success");
    }

    #[test]
    fn the_exit_code_follows_the_end_of_the_job() {
        let ends = |kind: EventKind| replay([(1, started(JobKind::Train)), (1, kind)]).exit_code();
        let finished = |outcome| EventKind::Finished(Box::new(Summary { outcome, ..Summary::default() }));
        assert_eq!(ends(finished(JobOutcome::Stopped)), 3);
        assert_eq!(ends(finished(JobOutcome::RestoredAfterNan)), 1);
        assert_eq!(ends(EventKind::Failed(Error::bad_input("x").into())), 2);
        assert_eq!(ends(EventKind::Failed(Error::DeviceUnavailable(Problem::new("x")).into())), 4);
        assert_eq!(ends(EventKind::Failed(Error::failed("x").into())), 1);
    }

    #[test]
    fn a_second_job_starts_clean_and_late_events_of_the_first_are_ignored() {
        let progress = replay([
            (1, started(JobKind::Train)),
            (1, epoch(1)),
            (1, EventKind::Failed(Error::failed("x").into())),
            (1, epoch(2)),
            (2, started(JobKind::Run)),
            (1, epoch(3)),
            (2, epoch(1)),
        ]);
        assert_eq!(progress.job, 2);
        assert_eq!(progress.history.len(), 1);
        assert_eq!(progress.failure, None);
        assert_eq!(progress.status, Status::Running);
    }
}
