//! Observation and control of a training.

use super::{EpochRecord, TrainingState};
use crate::control::Control;
use crate::error::Result;
use crate::model::Weights;

/// Progress of a training.
#[derive(Debug, Clone, PartialEq)]
pub struct Progress {
    /// Epochs completed.
    pub epoch: usize,
    /// Planned number of epochs, if it is fixed.
    pub epochs: Option<usize>,
    /// Steps completed.
    pub step: usize,
    /// Fraction of the whole training completed, 0 to 1: by epochs or by time, whichever is larger.
    pub fraction: f64,
    /// Mean loss of the steps since the last report.
    pub loss: Option<f64>,
    /// Learning rate of the last step.
    pub learning_rate: f64,
    /// Euclidean norm of the gradient of the last step, before clipping.
    pub gradient_norm: f64,
    /// Training time so far in seconds, without pauses.
    pub elapsed_s: f64,
    /// Estimated remaining time in seconds.
    pub remaining_s: Option<f64>,
    /// Diffraction patterns processed per second.
    pub patterns_per_second: f64,
}

/// Access to the state of a training at the end of an epoch; each call copies from the device.
pub struct Snapshot<'a> {
    /// Copies the weights.
    pub weights: &'a dyn Fn() -> Result<Weights>,
    /// Copies everything else needed to resume from here; `None` if the epoch was cut short.
    pub state: Option<&'a dyn Fn() -> Result<TrainingState>>,
}

/// Observes and controls a training.
pub trait Observer {
    /// Returns the current request; called before every step.
    fn control(&mut self) -> Control;
    /// Called a few times per second; `weights` copies the current weights from the device.
    fn progress(&mut self, progress: &Progress, weights: &dyn Fn() -> Result<Weights>);
    /// Called after every epoch.
    fn epoch(&mut self, record: &EpochRecord, snapshot: &Snapshot<'_>);
    /// Receives a note for the user.
    fn note(&mut self, text: &str);
}

/// An observer that ignores all reports and never stops the training.
#[derive(Debug, Default)]
pub struct Silent;

impl Observer for Silent {
    fn control(&mut self) -> Control {
        Control::Run
    }
    fn progress(&mut self, _: &Progress, _: &dyn Fn() -> Result<Weights>) {}
    fn epoch(&mut self, _: &EpochRecord, _: &Snapshot<'_>) {}
    fn note(&mut self, _: &str) {}
}
