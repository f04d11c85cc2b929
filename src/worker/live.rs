//! The stitched object while a network trains, for a window.
//!
//! A picture costs a prediction of many patterns. So that looking does not starve the training, pictures are taken from
//! a part of the patterns, and only when the time spent on them stays a small share of the whole.

use super::Context;
use super::message::{Control, Picture};
use crate::config::Config;
use crate::data::{Dataset, Reconstruction};
use crate::error::Result;
use crate::model::Weights;
use crate::train::{Progress, Scaling};
use burn::tensor::Device;
use serde::{Deserialize, Serialize};
use std::sync::{
    Arc,
    atomic::{AtomicU8, Ordering},
};
use std::time::{Duration, Instant};

/// Most patterns a picture is made of.
const PATTERNS: usize = 300;

/// How much of the time of a training may go into pictures of the object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LivePace {
    /// No pictures.
    Off,
    /// At most one part in 20.
    #[default]
    Slow,
    /// At most one part in 4.
    Live,
}

impl LivePace {
    /// All, from none to most.
    pub const ALL: [Self; 3] = [Self::Off, Self::Slow, Self::Live];

    /// What a person is shown.
    pub fn label(self) -> &'static str {
        match self {
            Self::Off => "Off",
            Self::Slow => "Slow",
            Self::Live => "Live",
        }
    }

    /// Share of the time that may be spent, and the least time between two pictures; none for no pictures.
    fn limits(self) -> Option<(f64, Duration)> {
        match self {
            Self::Off => None,
            Self::Slow => Some((0.05, Duration::from_secs(3))),
            Self::Live => Some((0.25, Duration::from_millis(500))),
        }
    }
}

/// A shared, lock-free [`LivePace`]; off unless set. Clones are the same.
#[derive(Debug, Clone, Default)]
pub struct Pace(Arc<AtomicU8>);

impl Pace {
    /// Asks for this pace.
    pub fn set(&self, pace: LivePace) {
        self.0.store(pace as u8, Ordering::Release);
    }

    /// The pace asked for.
    pub fn get(&self) -> LivePace {
        let code = usize::from(self.0.load(Ordering::Acquire));
        LivePace::ALL.get(code).copied().unwrap_or(LivePace::Off)
    }
}

/// Takes pictures of a training.
pub(super) struct Live<'a> {
    dataset: &'a Dataset,
    part: Option<Dataset>,
    scaling: Scaling,
    config: &'a Config,
    device: &'a Device,
    spent: Duration,
    last: Option<Instant>,
}

impl<'a> Live<'a> {
    /// For the training on this dataset with this scaling.
    pub(super) fn new(dataset: &'a Dataset, scaling: Scaling, config: &'a Config, device: &'a Device) -> Self {
        Self { dataset, part: None, scaling, config, device, spent: Duration::ZERO, last: None }
    }

    /// Takes a picture if the pace and the time spent so far allow it.
    ///
    /// # Errors
    /// The device fails.
    pub(super) fn picture(
        &mut self,
        context: &Context<'_>,
        progress: &Progress,
        weights: &dyn Fn() -> Result<Weights>,
    ) -> Result<()> {
        let Some((share, interval)) = context.pace.get().limits() else { return Ok(()) };
        let due = self.last.is_none_or(|last| last.elapsed() >= interval)
            && self.spent.as_secs_f64() <= share * progress.elapsed_s;
        if !due || context.switch.get() != Control::Run {
            return Ok(());
        }
        let began = Instant::now();
        let part = self.part.get_or_insert_with(|| {
            let step = self.dataset.len().div_ceil(PATTERNS).max(1);
            self.dataset.subset(&(0..self.dataset.len()).step_by(step).collect::<Vec<_>>())
        });
        let switch = &context.switch;
        let mut watch = |_: f64| if switch.get().ends_now() { Control::Stop } else { Control::Run };
        let done = crate::infer::reconstruct(part, &weights()?, &self.scaling, self.config, self.device, &mut watch);
        if switch.get().ends_now() {
            return Ok(());
        }
        context.pictures.put(picture_of(context.job(), Some((progress.epoch + 1, progress.step)), done?));
        context.wake();
        self.spent += began.elapsed();
        self.last = Some(Instant::now());
        Ok(())
    }
}

/// The picture of a stitched object.
pub(super) fn picture_of(job: u64, taken: Option<(usize, usize)>, reconstruction: Reconstruction) -> Picture {
    let (height, width) = reconstruction.object.dim();
    Picture {
        job,
        taken,
        width,
        height,
        amplitude: reconstruction.object.iter().map(|value| value.norm()).collect(),
        phase: reconstruction.object.iter().map(|value| value.arg()).collect(),
        coverage: reconstruction.coverage.iter().copied().collect(),
        origin_xy: reconstruction.origin_xy,
    }
}
