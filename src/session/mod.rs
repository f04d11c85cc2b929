//! What is shown of the worker's events: a pure reducer, without a channel, a clock or a file.
//!
//! The command line and the window read the same [`Session`] of a job; a window keeps everything else it shows beside
//! it in one [`State`]: [`Action`]s in, [`Effect`]s out.

mod action;
mod changes;
mod draft;
mod film;
mod scene;
mod state;
mod watched;

pub use action::{Action, Effect, Level, Source, Step};
pub use changes::{Change, Changes};
pub use draft::Draft;
pub use film::Film;
pub use scene::OpenScene;
pub use state::{ComparedRun, LogEntry, OpenBundle, OpenDataset, State};
pub use watched::{OpenWatch, Watched};

use crate::worker::message::{
    DatasetSummary, DeviceInfo, EpochPoint, Event, EventKind, Failure, Fate, JobOutcome, Progress, Stage, Summary,
};
use std::path::PathBuf;

/// How the latest job stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Status {
    /// No job yet.
    #[default]
    Idle,
    /// A job runs.
    Running,
    /// The job is done and its result is kept.
    Finished(JobOutcome),
    /// The job failed.
    Failed,
}

/// Most points kept of a curve.
const CURVE_POINTS: usize = 20_000;

/// One report of a running training.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CurvePoint {
    /// Optimiser steps done.
    pub step: usize,
    /// Time since the start of the training, in seconds.
    pub elapsed_s: f64,
    /// Mean loss of the steps since the report before.
    pub loss: f64,
    /// Learning rate of the latest step.
    pub learning_rate: f64,
    /// Norm of the gradient of the latest step, before clipping.
    pub gradient_norm: f64,
}

/// What is known of the latest job.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Session {
    /// Number of the job; 0 before the first.
    pub job: u64,
    /// Name of the subcommand, such as `run`; `watch` for `infer --watch`.
    pub name: String,
    /// The run folder, once it is there.
    pub output_dir: Option<PathBuf>,
    /// How it stands.
    pub status: Status,
    /// The part that runs, or ran last.
    pub stage: Option<Stage>,
    /// How far that part is.
    pub progress: Progress,
    /// The dataset.
    pub dataset: Option<DatasetSummary>,
    /// The device.
    pub device: Option<DeviceInfo>,
    /// The loss on the way, in order; the older half is thinned out when there are too many.
    pub curve: Vec<CurvePoint>,
    /// One entry per epoch.
    pub history: Vec<EpochPoint>,
    /// What a person should know, in order.
    pub notes: Vec<String>,
    /// Files written, in order, each once.
    pub saved: Vec<PathBuf>,
    /// Files of a watch.
    pub watched: Watched,
    /// The result of the job.
    pub summary: Option<Summary>,
    /// Why it failed.
    pub failure: Option<Failure>,
}

impl Session {
    /// Takes one event in. Events of jobs other than the latest are ignored.
    pub fn apply(&mut self, event: &Event) {
        if let EventKind::Started { name } = &event.kind {
            *self = Self { job: event.job, name: name.clone(), status: Status::Running, ..Self::default() };
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
            EventKind::Stage { stage } => {
                self.stage = Some(*stage);
                self.progress = Progress::default();
            }
            EventKind::Progress(progress) => {
                self.progress = progress.clone();
                self.plot(progress);
            }
            EventKind::Epoch(point) => self.history.push(point.clone()),
            EventKind::Saved { path } => {
                if !self.saved.contains(path) {
                    self.saved.push(path.clone());
                }
            }
            EventKind::File(file) => {
                if file.fate == Fate::Working {
                    // Each file is a job of its own, of which the next one keeps nothing.
                    self.notes.clear();
                    self.saved.clear();
                    self.history.clear();
                }
                self.watched.take(file);
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

    fn plot(&mut self, progress: &Progress) {
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

    /// Whether the job has ended, well or badly.
    pub fn has_ended(&self) -> bool {
        matches!(self.status, Status::Finished(_) | Status::Failed)
    }

    /// Exit code of the program for this state (DESIGN §6): 0 done, 3 stopped with the result kept, else that of the
    /// failure; 1 where a training was cut short by NaN, although its last good weights are kept.
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
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;
    use crate::error::{Error, Problem};
    use std::time::Duration;

    fn replay(events: impl IntoIterator<Item = (u64, EventKind)>) -> Session {
        let mut session = Session::default();
        for (at, (job, kind)) in events.into_iter().enumerate() {
            session.apply(&Event { job, at: Duration::from_secs(at as u64), kind });
        }
        session
    }

    fn started(name: &str) -> EventKind {
        EventKind::Started { name: name.into() }
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
    fn a_run_fills_the_state_in_order() {
        let saved = || EventKind::Saved { path: "runs/a/model.ptycho".into() };
        let session = replay([
            (1, started("run")),
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
        assert_eq!((session.job, session.name.as_str()), (1, "run"));
        assert_eq!(session.output_dir, Some("runs/a".into()));
        assert_eq!(session.stage, Some(Stage::Training));
        assert_eq!(session.progress.step, 10);
        assert_eq!(session.history.iter().map(|point| point.epoch).collect::<Vec<_>>(), [1, 2]);
        assert_eq!(session.saved.len(), 1, "a file saved twice is listed once");
        assert_eq!(session.summary.as_ref().unwrap().steps, Some(20));
        assert!(session.has_ended());
        assert_eq!(session.exit_code(), 0);
    }

    #[test]
    fn a_new_stage_starts_its_own_progress() {
        let session = replay([
            (1, started("run")),
            (1, EventKind::Progress(Progress { fraction: 1.0, ..Progress::default() })),
            (1, EventKind::Stage { stage: Stage::Reconstructing }),
        ]);
        assert_eq!(session.progress, Progress::default());
        assert_eq!(session.status, Status::Running);
        assert_eq!(session.exit_code(), 1, "a job without an end is not a success");
    }

    #[test]
    fn the_exit_code_follows_the_end_of_the_job() {
        let ends = |kind: EventKind| replay([(1, started("train")), (1, kind)]).exit_code();
        let finished = |outcome| EventKind::Finished(Box::new(Summary { outcome, ..Summary::default() }));
        assert_eq!(ends(finished(JobOutcome::Stopped)), 3);
        assert_eq!(ends(finished(JobOutcome::RestoredAfterNan)), 1);
        assert_eq!(ends(EventKind::Failed(Error::bad_input("x").into())), 2);
        assert_eq!(ends(EventKind::Failed(Error::DeviceUnavailable(Problem::new("x")).into())), 4);
        assert_eq!(ends(EventKind::Failed(Error::failed("x").into())), 1);
    }

    #[test]
    fn a_second_job_starts_clean_and_late_events_of_the_first_are_ignored() {
        let session = replay([
            (1, started("train")),
            (1, epoch(1)),
            (1, EventKind::Failed(Error::failed("x").into())),
            (1, epoch(2)),
            (2, started("run")),
            (1, epoch(3)),
            (2, epoch(1)),
        ]);
        assert_eq!(session.job, 2);
        assert_eq!(session.history.len(), 1);
        assert_eq!(session.failure, None);
        assert_eq!(session.status, Status::Running);
    }
}
