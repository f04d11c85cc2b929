//! Previews of a dataset: a rough object, then the scores of the scan orientations.

use super::dataset::Patterns;
use super::reply::{PreviewStage, Reply};
use crate::config::{DirectConfig, Orientation};
use crate::data::Dataset;
use crate::direct::{self, Start};
use crate::error::Result;
use crate::worker::guard::guarded;
use crate::worker::live_preview::picture_of;
use crate::worker::message::Picture;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// Epochs of the direct solver for a preview that is not ended by its time limit.
pub const PREVIEW_EPOCHS: usize = 12;
/// Time limit of a preview.
const PREVIEW_TIME: Duration = Duration::from_secs(4);
/// Largest number of pixels in all patterns for which a preview is computed.
const PREVIEW_PIXELS: usize = 40_000_000;
/// Time limit for scoring the orientations in the background.
const SCORING_TIME: Duration = Duration::from_secs(20);

/// Identifies a preview; it is cancelled as soon as a newer number is current.
pub(super) struct PreviewToken {
    pub number: u64,
    pub current: Arc<AtomicU64>,
}

impl PreviewToken {
    fn is_current(&self) -> bool {
        self.current.load(Ordering::Acquire) == self.number
    }
}

/// Work for an empty queue: scoring the orientations of the dataset that was opened last.
pub(super) struct BackgroundTask {
    patterns: Arc<Patterns>,
    /// Orientation in which the dataset was read.
    orientation: Orientation,
    token: PreviewToken,
}

/// Runs the task; gives it back if a request interrupted it.
pub(super) fn run_background(
    task: BackgroundTask,
    queued: &AtomicUsize,
    answer: &mut dyn FnMut(Reply),
) -> Option<BackgroundTask> {
    let began = Instant::now();
    let mut go_on =
        |_: f64| queued.load(Ordering::Acquire) == 0 && task.token.is_current() && began.elapsed() < SCORING_TIME;
    let dataset = &task.patterns.dataset;
    let report = |stage| Reply::PreviewStage { path: dataset.path.clone(), stage };
    if !task.token.is_current() {
        answer(report(None));
        return None;
    }
    answer(report(Some(PreviewStage::Orientations)));
    match guarded(|| direct::score_orientations(dataset, task.orientation, &mut go_on)) {
        Ok(None) if queued.load(Ordering::Acquire) > 0 && task.token.is_current() => return Some(task),
        Ok(Some(found)) => {
            answer(Reply::Orientations { path: dataset.path.clone(), found: Some(Arc::new(found)) });
        }
        // Problems in the data are reported where the data are used.
        Ok(None) | Err(_) => {}
    }
    answer(report(None));
    None
}

/// Computes the preview of an open dataset; gives back the scoring of its orientations as a task for later. A cancelled
/// preview has no result and no task.
pub(super) fn preview(
    patterns: Arc<Patterns>,
    orientation: Orientation,
    token: PreviewToken,
    answer: &mut dyn FnMut(Reply),
) -> Result<Option<BackgroundTask>> {
    let path = patterns.dataset.path.clone();
    answer(Reply::PreviewStage { path: path.clone(), stage: Some(PreviewStage::Object) });
    let object = preview_object(&patterns.dataset, &token);
    if object.is_err() || !token.is_current() {
        answer(Reply::PreviewStage { path: path.clone(), stage: None });
    }
    match object? {
        _ if !token.is_current() => return Ok(None),
        Some((picture, misfit)) => answer(Reply::Preview { path, picture: Arc::new(picture), misfit }),
        None => {}
    }
    Ok(Some(BackgroundTask { patterns, orientation, token }))
}

/// Rough object of a dataset and its misfit; `None` for a dataset that would take more than a second or two.
fn preview_object(dataset: &Dataset, token: &PreviewToken) -> Result<Option<(Picture, f64)>> {
    let pixels = dataset.len() * dataset.patch_size().pow(2);
    if pixels > PREVIEW_PIXELS {
        return Ok(None);
    }
    let refine_probe = dataset.starts_from_near_field();
    let config = DirectConfig { epochs: PREVIEW_EPOCHS, refine_probe, ..DirectConfig::default() };
    let began = Instant::now();
    let mut go_on = |_: f64, _: Option<f64>| token.is_current() && began.elapsed() < PREVIEW_TIME;
    let solved = direct::solve(dataset, &config, &Start::Flat, &mut go_on)?;
    let misfit = solved.misfits.last().copied().unwrap_or(f64::NAN);
    let epochs = solved.misfits.len();
    Ok((epochs > 0).then(|| (picture_of(0, Some((epochs, epochs)), solved.reconstruction), misfit)))
}
