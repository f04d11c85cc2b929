//! How the worker watches a training: progress and epochs become events, and the bundle is saved now and then.

use super::live::Live;
use super::message::{Control, EpochPoint, EventKind, Progress};
use super::recorder::Recorder;
use crate::checkpoint::{Bundle, RunLog, SavedTraining};
use crate::error::{Error, Result};
use crate::model::Weights;
use crate::train::{self, EpochRecord, History, Observer, Snapshot};
use std::path::Path;
use std::time::Instant;

/// Makes a bundle of weights, history, steps and epochs, ended in this way.
pub(super) type MakeBundle<'a> = &'a dyn Fn(Weights, History, &str) -> Bundle;

/// Where a training is saved while it runs.
pub(super) struct Autosave<'a> {
    /// Epochs between autosaves; 0 for none.
    pub every: usize,
    /// Least seconds between two autosaves.
    pub interval_s: f64,
    /// The bundle of the newest epoch.
    pub newest: &'a Path,
    /// The history.
    pub history: &'a Path,
    /// Makes the bundle.
    pub bundle: MakeBundle<'a>,
}

/// Watches a training for the worker.
pub(super) struct Watch<'a, 'b, 'c> {
    recorder: &'a Recorder<'b, 'c>,
    autosave: Autosave<'a>,
    live: Live<'a>,
    log: Option<RunLog>,
    history: History,
    best: Option<Best>,
    saved: Option<Instant>,
    unsaved: bool,
    warned: bool,
}

/// The epoch with the lowest loss so far.
struct Best {
    epoch: usize,
    loss: f64,
    weights: Weights,
}

/// What a window or a program is told of an epoch.
pub(super) fn point_of(record: &EpochRecord) -> EpochPoint {
    EpochPoint {
        epoch: record.epoch,
        step: record.step,
        train_loss: record.train_loss,
        val_loss: record.val_loss,
        learning_rate: record.learning_rate,
        gradient_norm: record.gradient_norm,
        elapsed_s: record.seconds,
    }
}

impl<'a, 'b, 'c> Watch<'a, 'b, 'c> {
    /// A watch that has seen what was saved, if anything was.
    pub(super) fn new(
        recorder: &'a Recorder<'b, 'c>,
        autosave: Autosave<'a>,
        live: Live<'a>,
        log: Option<RunLog>,
        before: Option<&SavedTraining>,
    ) -> Self {
        let history = before.map(|saved| saved.bundle.history.clone()).unwrap_or_default();
        let best = before.and_then(|saved| saved.best.clone()).and_then(|(epoch, weights)| {
            let loss = history.0.get(epoch.checked_sub(1)?)?.judged_loss();
            Some(Best { epoch, loss, weights })
        });
        Self { recorder, autosave, live, log, history, best, saved: None, unsaved: false, warned: false }
    }

    /// The weights of the epoch with the lowest loss, with the history up to it.
    pub(super) fn into_best(self) -> Option<(Weights, History)> {
        let Best { epoch, weights, .. } = self.best?;
        let mut history = self.history;
        history.0.truncate(epoch);
        Some((weights, history))
    }

    fn save(&mut self, record: &EpochRecord, snapshot: &Snapshot<'_>) -> Result<()> {
        let better = self.best.as_ref().is_none_or(|best| record.judged_loss() < best.loss);
        // After an epoch that was cut short the model itself is written.
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
            self.best = Some(Best { epoch: record.epoch, loss: record.judged_loss(), weights: weights.clone() });
        }
        if let Some(state) = state {
            let best = self.best.as_ref().map(|best| (best.epoch, best.weights.clone()));
            let bundle = (self.autosave.bundle)(weights, self.history.clone(), "running");
            SavedTraining { bundle, state: state()?, best }.save(self.autosave.newest)?;
            crate::checkpoint::write_atomic(self.autosave.history, self.history.to_csv().as_bytes())?;
            self.recorder.emit(EventKind::Saved { path: self.autosave.newest.to_path_buf() });
            self.saved = Some(Instant::now());
            self.unsaved = false;
        }
        Ok(())
    }
}

impl Watch<'_, '_, '_> {
    /// Writes into the log; one that cannot be written is given up, and said so.
    fn log(&mut self, write: impl FnOnce(&mut RunLog) -> Result<()>) {
        let Some(log) = &mut self.log else { return };
        if let Err(error) = write(log) {
            self.log = None;
            self.recorder.note(format!("The losses are no longer logged; the training goes on. {error}"));
        }
    }
}

impl Observer for Watch<'_, '_, '_> {
    fn control(&mut self) -> Control {
        self.recorder.context().switch.get()
    }

    fn progress(&mut self, progress: &train::Progress, weights: &dyn Fn() -> Result<Weights>) {
        let per_second = |count: usize| (progress.elapsed_s > 0.0).then(|| count as f64 / progress.elapsed_s);
        self.recorder.emit(EventKind::Progress(Progress {
            fraction: progress.fraction,
            epoch: progress.epoch + 1,
            epochs: progress.epochs,
            step: progress.step,
            loss: progress.loss,
            learning_rate: Some(progress.learning_rate),
            gradient_norm: Some(progress.gradient_norm),
            steps_per_second: per_second(progress.step),
            patterns_per_second: Some(progress.patterns_per_second),
            elapsed_s: progress.elapsed_s,
            remaining_s: progress.remaining_s,
        }));
        if let Some(loss) = progress.loss {
            self.log(|log| log.step(progress.epoch, progress.step, progress.learning_rate, loss));
        }
        if let Err(error) = self.live.picture(self.recorder.context(), progress, weights)
            && !std::mem::replace(&mut self.warned, true)
        {
            self.recorder.note(format!("The live picture could not be made. {error}"));
        }
    }

    fn epoch(&mut self, record: &EpochRecord, snapshot: &Snapshot<'_>) {
        self.history.0.push(record.clone());
        self.recorder.emit(EventKind::Epoch(point_of(record)));
        self.log(|log| log.epoch(record));
        // A full disk must not cost the training: it is said once, and tried again.
        let saved: std::result::Result<(), Error> = self.save(record, snapshot);
        if let Err(error) = saved
            && !std::mem::replace(&mut self.unsaved, true)
        {
            self.recorder.note(format!("The training could not be saved on the way; it goes on. {error}"));
        }
    }

    fn note(&mut self, text: &str) {
        self.recorder.note(text);
    }
}
