//! Seconds and epochs used, against what was asked for.

use super::{Observer, go_on};
use crate::config::TrainingConfig;
use std::time::{Duration, Instant};

/// Waiting shorter than this is no pause.
const SHORTEST_PAUSE: Duration = Duration::from_millis(5);

/// How much of a training is done.
pub(super) struct Budget {
    /// Epochs before fine-tuning.
    planned: Option<usize>,
    /// Epochs of fine-tuning.
    more: usize,
    seconds: Option<f64>,
    /// Seconds used before the training was cut off, if it was.
    before: f64,
    started: Instant,
    paused: Duration,
}

impl Budget {
    /// Counts from here on.
    pub(super) fn new(config: &TrainingConfig) -> Self {
        Self {
            planned: config.planned_epochs(),
            more: config.epochs_fine_tune,
            // A given number of epochs replaces the default time budget in the configuration layer; here both bind.
            seconds: config.time_budget_s,
            before: 0.0,
            started: Instant::now(),
            paused: Duration::ZERO,
        }
    }

    /// Counts from here on, after `seconds` that have been used.
    pub(super) fn resume(&mut self, seconds: f64) {
        *self = Self { before: seconds, started: Instant::now(), paused: Duration::ZERO, ..*self };
    }

    /// Seconds used, pauses excluded.
    pub(super) fn elapsed(&self) -> f64 {
        self.before + (self.started.elapsed().saturating_sub(self.paused)).as_secs_f64()
    }

    /// Seconds left of the time budget, if there is one.
    pub(super) fn left(&self) -> Option<f64> {
        self.seconds.map(|seconds| (seconds - self.elapsed()).max(0.0))
    }

    /// Share done after `step` steps of `steps_per_epoch` each epoch; 1 or more when the training is over.
    pub(super) fn fraction(&self, step: usize, steps_per_epoch: usize) -> f64 {
        self.share(self.epochs(), step, steps_per_epoch)
    }

    /// As [`Self::fraction`] of the training before fine-tuning: what schedules follow.
    pub(super) fn planned_fraction(&self, step: usize, steps_per_epoch: usize) -> f64 {
        self.share(self.planned, step, steps_per_epoch)
    }

    /// Epochs of it all, if their number is known.
    pub(super) fn epochs(&self) -> Option<usize> {
        self.planned.map(|planned| planned + self.more)
    }

    fn share(&self, epochs: Option<usize>, step: usize, steps_per_epoch: usize) -> f64 {
        let by_epochs = epochs.map_or(0.0, |e| step as f64 / (e * steps_per_epoch).max(1) as f64);
        let by_time = self.seconds.map_or(0.0, |s| self.elapsed() / s.max(f64::MIN_POSITIVE));
        by_epochs.max(by_time)
    }

    /// Waits while paused, which is not counted; false when the training should stop.
    pub(super) fn wait_while_paused(&mut self, observer: &mut dyn Observer) -> bool {
        let began = Instant::now();
        let goes_on = go_on(|| observer.control());
        let waited = began.elapsed();
        if goes_on && waited > SHORTEST_PAUSE {
            self.paused += waited;
        }
        goes_on
    }
}
