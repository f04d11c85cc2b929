//! Training time and epochs used, against the time budget and the planned number of epochs.

use super::Observer;
use crate::config::TrainingConfig;
use crate::control::wait_while_paused;
use std::time::{Duration, Instant};

/// Shorter waits do not count as pauses.
const SHORTEST_PAUSE: Duration = Duration::from_millis(5);

/// Limits of a training, and the time used.
pub(super) struct Budget {
    /// Epochs before fine-tuning.
    planned: Option<usize>,
    /// Epochs of fine-tuning.
    fine_tuning: usize,
    seconds: Option<f64>,
    /// Seconds used before the training was interrupted.
    before: f64,
    started: Instant,
    paused: Duration,
}

impl Budget {
    /// Starts the clock.
    pub(super) fn new(config: &TrainingConfig) -> Self {
        Self {
            planned: config.planned_epochs(),
            fine_tuning: config.epochs_fine_tune,
            // A given number of epochs replaces the default time budget in the configuration layer; here both apply.
            seconds: config.time_budget_s,
            before: 0.0,
            started: Instant::now(),
            paused: Duration::ZERO,
        }
    }

    /// Restarts the clock at `seconds`, the time already used.
    pub(super) fn resume(&mut self, seconds: f64) {
        *self = Self { before: seconds, started: Instant::now(), paused: Duration::ZERO, ..*self };
    }

    /// Seconds used, without pauses.
    pub(super) fn elapsed(&self) -> f64 {
        self.before + (self.started.elapsed().saturating_sub(self.paused)).as_secs_f64()
    }

    /// Remaining seconds of the time budget, if there is one.
    pub(super) fn remaining(&self) -> Option<f64> {
        self.seconds.map(|seconds| (seconds - self.elapsed()).max(0.0))
    }

    /// Fraction done after `step` steps at `steps_per_epoch`; 1 or more when the training is over.
    pub(super) fn fraction(&self, step: usize, steps_per_epoch: usize) -> f64 {
        self.fraction_of(self.epochs(), step, steps_per_epoch)
    }

    /// As [`Self::fraction`], of the training before fine-tuning: the time axis of schedules.
    pub(super) fn planned_fraction(&self, step: usize, steps_per_epoch: usize) -> f64 {
        self.fraction_of(self.planned, step, steps_per_epoch)
    }

    /// Number of epochs including fine-tuning, if it is fixed.
    pub(super) fn epochs(&self) -> Option<usize> {
        self.planned.map(|planned| planned + self.fine_tuning)
    }

    fn fraction_of(&self, epochs: Option<usize>, step: usize, steps_per_epoch: usize) -> f64 {
        let by_epochs = epochs.map_or(0.0, |e| step as f64 / (e * steps_per_epoch).max(1) as f64);
        let by_time = self.seconds.map_or(0.0, |s| self.elapsed() / s.max(f64::MIN_POSITIVE));
        by_epochs.max(by_time)
    }

    /// Blocks while paused, without counting the time; returns false if the training should stop.
    pub(super) fn wait_while_paused(&mut self, observer: &mut dyn Observer) -> bool {
        let began = Instant::now();
        let continues = wait_while_paused(|| observer.control());
        let waited = began.elapsed();
        if continues && waited > SHORTEST_PAUSE {
            self.paused += waited;
        }
        continues
    }
}
