//! How the worker watches a training: progress and epochs become events, and the bundle is saved now and then.

use super::live::Live;
use super::message::{Control, EpochPoint, EventKind, Progress};
use super::recorder::Recorder;
use crate::checkpoint::Bundle;
use crate::error::{Error, Result};
use crate::model::Weights;
use crate::train::{self, EpochRecord, History, Observer};
use std::path::Path;
use std::time::{Duration, Instant};

/// Least time between two autosaves: short epochs shall not spend their time on writing.
const AUTOSAVE_INTERVAL: Duration = Duration::from_secs(5);

/// Makes a bundle of weights, history, steps and epochs, ended in this way.
pub(super) type MakeBundle<'a> = &'a dyn Fn(Weights, History, &str) -> Bundle;

/// Where a training is saved while it runs.
pub(super) struct Autosave<'a> {
    /// Epochs between autosaves; 0 for none.
    pub every: usize,
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
    history: History,
    best: Option<(f64, Weights, History)>,
    saved: Option<Instant>,
    warned: bool,
}

impl<'a, 'b, 'c> Watch<'a, 'b, 'c> {
    /// A watch that has seen nothing yet.
    pub(super) fn new(recorder: &'a Recorder<'b, 'c>, autosave: Autosave<'a>, live: Live<'a>) -> Self {
        Self { recorder, autosave, live, history: History::default(), best: None, saved: None, warned: false }
    }

    /// The weights of the epoch with the lowest loss, with the history up to it.
    pub(super) fn into_best(self) -> Option<(Weights, History)> {
        self.best.map(|(_, weights, history)| (weights, history))
    }

    fn save(&mut self, record: &EpochRecord, weights: &dyn Fn() -> Result<Weights>) -> Result<()> {
        let better = self.best.as_ref().is_none_or(|(loss, ..)| record.judged_loss() < *loss);
        let due = self.autosave.every > 0
            && record.epoch.is_multiple_of(self.autosave.every)
            && self.saved.is_none_or(|saved| saved.elapsed() >= AUTOSAVE_INTERVAL);
        if !better && !due {
            return Ok(());
        }
        let weights = weights()?;
        if due {
            (self.autosave.bundle)(weights.clone(), self.history.clone(), "running").save(self.autosave.newest)?;
            crate::checkpoint::write_atomic(self.autosave.history, self.history.to_csv().as_bytes())?;
            self.recorder.emit(EventKind::Saved { path: self.autosave.newest.to_path_buf() });
            self.saved = Some(Instant::now());
        }
        if better {
            self.best = Some((record.judged_loss(), weights, self.history.clone()));
        }
        Ok(())
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
        if let Err(error) = self.live.picture(self.recorder.context(), progress, weights)
            && !std::mem::replace(&mut self.warned, true)
        {
            self.recorder.note(format!("The live picture could not be made. {error}"));
        }
    }

    fn epoch(&mut self, record: &EpochRecord, weights: &dyn Fn() -> Result<Weights>) {
        self.history.0.push(record.clone());
        self.recorder.emit(EventKind::Epoch(EpochPoint {
            epoch: record.epoch,
            step: record.step,
            train_loss: record.train_loss,
            val_loss: record.val_loss,
            learning_rate: record.learning_rate,
            gradient_norm: record.gradient_norm,
            elapsed_s: record.seconds,
        }));
        // A full disk must not cost the training: it is said once, and tried again.
        let saved: std::result::Result<(), Error> = self.save(record, weights);
        if let Err(error) = saved
            && !std::mem::replace(&mut self.warned, true)
        {
            self.recorder.note(format!("The training could not be saved on the way. {error}"));
        }
    }

    fn note(&mut self, text: &str) {
        self.recorder.note(text);
    }
}
