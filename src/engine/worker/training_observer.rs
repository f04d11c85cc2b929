//! Observer of a training: reports progress and epochs as events and saves the training at intervals.

use super::live_preview::LivePreview;
use super::message::{Control, EventKind, Progress};
use super::recorder::Recorder;
use crate::checkpoint::{Bundle, RunLog, SavedTraining};
use crate::error::{Error, Result};
use crate::model::Weights;
use crate::train::{self, EpochRecord, History, Observer, Snapshot};
use std::path::Path;
use std::time::Instant;

/// Makes a bundle of weights and history, with the outcome for its manifest.
pub(super) type MakeBundle<'a> = &'a dyn Fn(Weights, History, &str) -> Bundle;

/// Autosave settings of a training.
pub(super) struct Autosave<'a> {
    /// Number of epochs between autosaves; 0 for none.
    pub every: usize,
    /// Minimum time between two autosaves, in seconds.
    pub interval_s: f64,
    /// Path of the autosave.
    pub newest: &'a Path,
    /// Path of `history.csv`.
    pub history: &'a Path,
    pub make_bundle: MakeBundle<'a>,
}

/// Observes a training for the worker.
pub(super) struct TrainingObserver<'a> {
    recorder: &'a Recorder<'a>,
    autosave: Autosave<'a>,
    live: LivePreview<'a>,
    /// Log of the losses; `None` if there is none or it failed.
    log: Option<RunLog>,
    history: History,
    best: Option<Best>,
    /// Time of the last autosave.
    saved: Option<Instant>,
    /// True while autosaves fail, which is reported once.
    save_failed: bool,
    /// True once a live picture failed, which is reported once.
    picture_failed: bool,
}

/// The epoch with the lowest loss so far.
struct Best {
    epoch: usize,
    loss: f64,
    weights: Weights,
}

impl<'a> TrainingObserver<'a> {
    /// Observer of a training; `before` is the autosave of a resumed one.
    pub(super) fn new(
        recorder: &'a Recorder<'a>,
        autosave: Autosave<'a>,
        live: LivePreview<'a>,
        log: Option<RunLog>,
        before: Option<&SavedTraining>,
    ) -> Self {
        let history = before.map(|saved| saved.bundle.history.clone()).unwrap_or_default();
        let best = before.and_then(|saved| saved.best.clone()).and_then(|(epoch, weights)| {
            let loss = history.0.get(epoch.checked_sub(1)?)?.monitored_loss();
            Some(Best { epoch, loss, weights })
        });
        Self { recorder, autosave, live, log, history, best, saved: None, save_failed: false, picture_failed: false }
    }

    /// Weights of the epoch with the lowest loss, and the history up to it.
    pub(super) fn into_best(self) -> Option<(Weights, History)> {
        let Best { epoch, weights, .. } = self.best?;
        let mut history = self.history;
        history.0.truncate(epoch);
        Some((weights, history))
    }

    /// Keeps the best weights and autosaves if due.
    fn save(&mut self, record: &EpochRecord, snapshot: &Snapshot<'_>) -> Result<()> {
        let better = self.best.as_ref().is_none_or(|best| record.monitored_loss() < best.loss);
        // An incomplete epoch has no state to resume from; the model itself is written afterwards.
        let state = snapshot.state.filter(|_| {
            self.autosave.every > 0
                && record.epoch.is_multiple_of(self.autosave.every)
                && self.saved.is_none_or(|saved| saved.elapsed().as_secs_f64() >= self.autosave.interval_s)
        });
        if !better && state.is_none() {
            return Ok(());
        }
        let weights = (snapshot.weights)()?;
        if better {
            self.best = Some(Best { epoch: record.epoch, loss: record.monitored_loss(), weights: weights.clone() });
        }
        if let Some(state) = state {
            let best = self.best.as_ref().map(|best| (best.epoch, best.weights.clone()));
            let bundle = (self.autosave.make_bundle)(weights, self.history.clone(), "running");
            SavedTraining { bundle, state: state()?, best }.save(self.autosave.newest)?;
            crate::checkpoint::write_atomic(self.autosave.history, self.history.to_csv().as_bytes())?;
            self.recorder.emit(EventKind::Saved { path: self.autosave.newest.to_path_buf() });
            self.saved = Some(Instant::now());
            self.save_failed = false;
        }
        Ok(())
    }
}

impl TrainingObserver<'_> {
    /// Writes to the log of the losses; after a failure, reports it and stops logging.
    fn log(&mut self, write: impl FnOnce(&mut RunLog) -> Result<()>) {
        let Some(log) = &mut self.log else { return };
        if let Err(error) = write(log) {
            self.log = None;
            self.recorder.note(format!("The losses are no longer logged; training continues. {error}"));
        }
    }
}

impl Observer for TrainingObserver<'_> {
    fn control(&mut self) -> Control {
        self.recorder.context().switch.get()
    }

    fn progress(&mut self, progress: &train::Progress, weights: &dyn Fn() -> Result<Weights>) {
        self.recorder.emit(EventKind::Progress(Progress::from(progress)));
        if let Some(loss) = progress.loss {
            self.log(|log| log.step(progress.epoch, progress.step, progress.learning_rate, loss));
        }
        if let Err(error) = self.live.picture(self.recorder.context(), progress, weights)
            && !std::mem::replace(&mut self.picture_failed, true)
        {
            self.recorder.note(format!("Cannot compute the live picture. {error}"));
        }
    }

    fn epoch(&mut self, record: &EpochRecord, snapshot: &Snapshot<'_>) {
        self.history.0.push(record.clone());
        self.recorder.emit(EventKind::Epoch(record.clone()));
        self.log(|log| log.epoch(record));
        // A full disk must not end the training: it is reported once, and saving is tried again.
        let saved: std::result::Result<(), Error> = self.save(record, snapshot);
        if let Err(error) = saved
            && !std::mem::replace(&mut self.save_failed, true)
        {
            self.recorder.note(format!("Cannot autosave; training continues. {error}"));
        }
    }

    fn note(&mut self, text: &str) {
        self.recorder.note(text);
    }
}
