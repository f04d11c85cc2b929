//! Trial whether the patterns of a scan have a background that is worth fitting.

use super::common::progress_of_stage;
use crate::config::DirectConfig;
use crate::data::Dataset;
use crate::direct;
use crate::error::Result;
use crate::worker::message::{Control, EventKind, Stage};
use crate::worker::recorder::Recorder;
use ndarray::Array2;

/// The settings without the refinement of the background, if it does not predict patterns that are left out of the fit better, or
/// the trial is stopped; else also the background of the trial. A job with a trial is in the stage `next` then.
pub(super) fn settle(
    recorder: &Recorder<'_>,
    dataset: &Dataset,
    settings: DirectConfig,
    next: Stage,
) -> Result<(DirectConfig, Option<Array2<f32>>)> {
    if !settings.refine_background {
        return Ok((settings, None));
    }
    recorder.emit(EventKind::Stage { stage: Stage::BackgroundTrial });
    let mut keep_going = progress_of_stage(recorder);
    let found = direct::try_background(dataset, &settings, &mut keep_going)?;
    recorder.emit(EventKind::Stage { stage: next });
    let Some(found) = found else {
        if recorder.context().switch.get() == Control::Run {
            recorder.warn("There are too few patterns to tell whether they have a background; none is fitted.");
        }
        return Ok((DirectConfig { refine_background: false, ..settings }, None));
    };
    let [without, with] = found.held_out_misfits;
    let compared = format!("misfit of patterns left out of the fit {without:.4} without, {with:.4} with it");
    let refine_background = found.is_justified();
    recorder.note(if refine_background {
        format!("A background is fitted: {compared}.")
    } else {
        format!("No background is fitted, because it does not predict other patterns better: {compared}.")
    });
    let background = found.background.filter(|_| refine_background);
    Ok((DirectConfig { refine_background, ..settings }, background))
}
