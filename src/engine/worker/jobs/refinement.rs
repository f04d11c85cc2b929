//! What a scan needs before it is solved: refinements chosen by trials, and corrected positions.

use super::common::{fail_if_stopped, progress_of_stage};
use crate::config::{Config, DirectConfig};
use crate::data::{Dataset, Refined};
use crate::direct::{self, Choice, ChosenRefinement, Refinement};
use crate::error::Result;
use crate::worker::message::{EventKind, Stage};
use crate::worker::recorder::Recorder;
use std::time::Instant;

/// The settings with the refinements that trials ask for; as they are if trials are switched off or there are too few patterns.
pub(super) fn choose(recorder: &Recorder<'_>, dataset: &Dataset, settings: DirectConfig) -> Result<Choice> {
    let unchanged = Choice { settings, chosen: Vec::new(), probe: None, unexplained: 0.0 };
    if !unchanged.settings.auto_refine {
        return Ok(unchanged);
    }
    recorder.emit(EventKind::Stage { stage: Stage::RefinementTrials });
    let choice = direct::choose_refinements(dataset, &unchanged.settings, &mut progress_of_stage(recorder))?;
    fail_if_stopped(recorder)?;
    for ChosenRefinement { refinement, held_out_misfits: [without, with] } in
        choice.iter().flat_map(|found| &found.chosen)
    {
        let what = match refinement {
            Refinement::Probe => "The probe is refined".to_owned(),
            // The trial that finds the start of its fit reports it.
            Refinement::Background => continue,
            Refinement::Positions => "The positions are refined".to_owned(),
            Refinement::TotalVariation(weight) => format!("The object is smoothed with a total variation of {weight}"),
        };
        recorder.note(format!(
            "{what}: misfit of patterns left out of a trial {without:.4} without, {with:.4} with it (--auto-refine false switches this off)."
        ));
    }
    Ok(choice.unwrap_or(unchanged))
}

/// Corrects positions of the dataset that are far off, if the settings or the trials ask for it. True if the positions are to be
/// refined.
pub(super) fn correct_positions(
    recorder: &Recorder<'_>,
    dataset: &mut Dataset,
    config: &Config,
    choice: &Choice,
) -> Result<bool> {
    let is_set = choice.settings.refine_positions;
    // Near-field patterns have their positions refined, but not corrected, unless the user asks for it.
    let is_asked =
        config.direct.refine_positions || choice.chosen.iter().any(|added| added.refinement == Refinement::Positions);
    if !is_asked && (is_set || !positions_are_suspect(recorder, dataset, config, choice)?) {
        return Ok(is_set);
    }
    // With the probe of the trials: the right places show only with the right probe.
    let given = choice.probe.clone().map(|probe| std::mem::replace(&mut dataset.probe, probe));
    let corrected = correct_scan(recorder, dataset, &config.direct);
    if let Some(given) = given {
        dataset.probe = given;
    }
    Ok(corrected? || is_set)
}

/// True if the patterns do not predict each other, and no other orientation of the scan explains why: then positions may be far off.
fn positions_are_suspect(recorder: &Recorder<'_>, dataset: &Dataset, config: &Config, choice: &Choice) -> Result<bool> {
    if !choice.predicts_nothing() {
        return Ok(false);
    }
    let now = config.data.orientation;
    let found = direct::score_orientations(dataset, now, &mut progress_of_stage(recorder))?;
    fail_if_stopped(recorder)?;
    if let Some(better) = found.and_then(|found| found.suggestion()) {
        recorder.warn(format!(
            "Orientation {} fits the patterns clearly better than {}. Try it with --orientation {}",
            better.name(),
            now.name(),
            better.name()
        ));
        return Ok(false);
    }
    recorder.note(
        "The object of some patterns does not predict others: errors of the positions are looked for, which takes a while \
         (--auto-refine false switches this off).",
    );
    Ok(true)
}

/// Corrects errors of the positions that local refinement cannot: an affine distortion of the scan, and patterns that are
/// many pixels off. False if there are none.
fn correct_scan(recorder: &Recorder<'_>, dataset: &mut Dataset, config: &DirectConfig) -> Result<bool> {
    recorder.emit(EventKind::Stage { stage: Stage::ScanCorrection });
    let started = Instant::now();
    let keep_going = progress_of_stage(recorder);
    let distortion = direct::correct_distortion(dataset, config, &mut |share| keep_going(0.3 * share))?;
    fail_if_stopped(recorder)?;
    let is_distorted = distortion.is_some();
    if let Some(found) = distortion {
        recorder.note(format!(
            "The scan as a whole was distorted, and was corrected: scale {:+.2} % along x and {:+.2} % along y, \
             rotation {:+.2}°, shear {:+.2}°; misfit {:.4} before, {:.4} after.",
            found.scale_percent[1],
            found.scale_percent[0],
            found.rotation_degrees,
            found.shear_degrees,
            found.misfits[0],
            found.misfits[1]
        ));
        dataset.positions = found.positions;
    }
    let placed = direct::place_patterns(dataset, config, &mut |share| keep_going(0.3 + 0.7 * share))?;
    fail_if_stopped(recorder)?;
    let is_moved = placed.is_some();
    if let Some(found) = placed {
        let refined = Refined { positions: Some(found.positions), ..Refined::default() };
        let (rms, largest) = refined.change(dataset).shift_px.unwrap_or_default();
        recorder.note(format!(
            "Some positions were far off, and the scan was put in order: moved by {rms:.1} px rms, {largest:.1} px at most; misfit \
             {:.4} with local refinement alone, {:.4} after ({:.0} s).",
            found.misfits[0],
            found.misfits[1],
            started.elapsed().as_secs_f64()
        ));
        if !found.uncertain.is_empty() {
            recorder.note(format!(
                "{} of {} patterns fit several places equally well; they were moved like their neighbors in time.",
                found.uncertain.len(),
                dataset.len()
            ));
        }
        refined.apply(dataset);
    }
    Ok(is_distorted || is_moved)
}
