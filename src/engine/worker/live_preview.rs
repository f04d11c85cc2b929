//! Live pictures of the object while a network trains.
//!
//! A picture costs a prediction of many patterns. To keep the training fast, pictures use a subset of the patterns and a
//! limited share of the time.

use super::context::Context;
use super::message::{Control, Picture};
use crate::config::Config;
use crate::data::{Dataset, Reconstruction};
use crate::error::Result;
use crate::model::Weights;
use crate::train::{Progress, Scaling};
use burn::tensor::Device;
use std::time::{Duration, Instant};

/// Maximum number of patterns for a picture.
const PATTERNS: usize = 300;

/// Takes live pictures of a training.
pub(super) struct LivePreview<'a> {
    dataset: &'a Dataset,
    /// The patterns used for pictures.
    subset: Option<Dataset>,
    scaling: Scaling,
    config: &'a Config,
    device: &'a Device,
    /// Time spent on pictures so far.
    spent: Duration,
    last: Option<Instant>,
}

impl<'a> LivePreview<'a> {
    /// Live pictures of a training on this dataset with this scaling.
    pub(super) fn new(dataset: &'a Dataset, scaling: Scaling, config: &'a Config, device: &'a Device) -> Self {
        Self { dataset, subset: None, scaling, config, device, spent: Duration::ZERO, last: None }
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
        let subset = self.subset.get_or_insert_with(|| {
            let step = self.dataset.len().div_ceil(PATTERNS).max(1);
            self.dataset.subset(&(0..self.dataset.len()).step_by(step).collect::<Vec<_>>())
        });
        let switch = &context.switch;
        let mut control = |_: f64| if switch.get().stops_now() { Control::Stop } else { Control::Run };
        let done =
            crate::infer::reconstruct(subset, &weights()?, &self.scaling, self.config, self.device, &mut control);
        if switch.get().stops_now() {
            return Ok(());
        }
        context.pictures.put(picture_of(context.job(), Some((progress.epoch + 1, progress.step)), done?));
        context.wake();
        self.spent += began.elapsed();
        self.last = Some(Instant::now());
        Ok(())
    }
}

/// Picture of a stitched object.
pub(crate) fn picture_of(job: u64, taken: Option<(usize, usize)>, reconstruction: Reconstruction) -> Picture {
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
