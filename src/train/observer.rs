//! How a training is watched and steered.

use super::{EpochRecord, TrainingState};
use crate::error::Result;
use crate::model::Weights;
use std::time::Duration;

/// What the owner of a job wants it to do next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Control {
    /// Go on.
    #[default]
    Run,
    /// Wait without using the device.
    Pause,
    /// End after this epoch and keep the result.
    StopAfterEpoch,
    /// End now and keep the result.
    Stop,
    /// End now and keep nothing.
    Discard,
}

/// How often paused work looks whether it shall go on.
const PAUSE_POLL: Duration = Duration::from_millis(20);

/// Whether the work shall go on, by what is asked for now; waits while it is paused.
pub fn go_on(mut control: impl FnMut() -> Control) -> bool {
    loop {
        match control() {
            Control::Run | Control::StopAfterEpoch => return true,
            Control::Stop | Control::Discard => return false,
            Control::Pause => std::thread::sleep(PAUSE_POLL),
        }
    }
}

impl Control {
    /// Whether the work shall end at once.
    pub fn ends_now(self) -> bool {
        matches!(self, Self::Stop | Self::Discard)
    }
}

/// Where a training stands.
#[derive(Debug, Clone, PartialEq)]
pub struct Progress {
    /// Epochs completed.
    pub epoch: usize,
    /// Epochs asked for, if their number is fixed.
    pub epochs: Option<usize>,
    /// Steps done.
    pub step: usize,
    /// Share of the whole training that is done, 0 to 1, by epochs or by time, whichever is further.
    pub fraction: f64,
    /// Mean loss of the steps since the last report.
    pub loss: Option<f64>,
    /// Learning rate of the last step.
    pub learning_rate: f64,
    /// Euclidean norm of the gradient of the last step, before clipping.
    pub gradient_norm: f64,
    /// Seconds of training so far, pauses excluded.
    pub elapsed_s: f64,
    /// Estimated seconds to the end.
    pub remaining_s: Option<f64>,
    /// Diffraction patterns processed per second.
    pub patterns_per_second: f64,
}

/// Makes copies of a training from the device, at the end of an epoch.
pub struct Snapshot<'a> {
    /// The weights.
    pub weights: &'a dyn Fn() -> Result<Weights>,
    /// What else is needed to go on from here; none where the epoch was cut short.
    pub state: Option<&'a dyn Fn() -> Result<TrainingState>>,
}

/// Watches and steers a training.
pub trait Observer {
    /// Asked before every step.
    fn control(&mut self) -> Control;
    /// Called a few times a second; `weights` copies the current weights from the device.
    fn progress(&mut self, progress: &Progress, weights: &dyn Fn() -> Result<Weights>);
    /// Called after every epoch.
    fn epoch(&mut self, record: &EpochRecord, snapshot: &Snapshot<'_>);
    /// A remark in plain words.
    fn note(&mut self, text: &str);
}

/// An observer that only lets the training run.
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
