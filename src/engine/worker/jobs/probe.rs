//! Search for the probe of a dataset whose file has none.

use super::common::fail_if_stopped;
use crate::checkpoint::RunFolder;
use crate::config::{DirectConfig, ProbeSearchMode};
use crate::data::Dataset;
use crate::direct::{self, ProbeSearch, ProbeTrial, Start};
use crate::error::Result;
use crate::worker::message::{EventKind, Progress, Stage};
use crate::worker::recorder::Recorder;
use std::fmt::Write;
use std::time::Instant;

/// Largest number of patterns on which a probe is refined for a network.
const REFINED_ON: usize = 600;

/// Smallest number of modes of a probe that was found; a mode that the data do not need stays weak.
const FEWEST_MODES: usize = 2;

/// Searches the probe as configured and puts it into the dataset; `None` if the dataset keeps its own.
///
/// # Errors
/// Values that are not finite; the user stopped the job.
pub(super) fn search(
    recorder: &Recorder<'_>,
    dataset: &mut Dataset,
    config: &DirectConfig,
) -> Result<Option<ProbeSearch>> {
    let wanted = match config.probe_search {
        ProbeSearchMode::Auto => dataset.probe_is_estimated,
        ProbeSearchMode::Always => true,
        ProbeSearchMode::Never => false,
    };
    if !wanted {
        if dataset.probe_is_estimated {
            recorder
                .note("The dataset has no probe and none was searched: a Gaussian is used. The result is doubtful.");
        }
        return Ok(None);
    }
    recorder.emit(EventKind::Stage { stage: Stage::ProbeSearch });
    let started = Instant::now();
    let mut on_progress = |fraction: f64, trials: &[ProbeTrial]| {
        let elapsed_s = started.elapsed().as_secs_f64();
        let best = trials.iter().map(|trial| trial.held_out_misfit).fold(f64::INFINITY, f64::min);
        recorder.emit(EventKind::Progress(Progress {
            fraction,
            loss: best.is_finite().then_some(best),
            elapsed_s,
            remaining_s: (fraction > 0.0).then(|| elapsed_s * (1.0 - fraction) / fraction),
            ..Progress::default()
        }));
        recorder.context().switch.wait_while_paused()
    };
    let found = direct::search_probe(dataset, &mut on_progress)?;
    fail_if_stopped(recorder)?;
    let Some(found) = found else {
        recorder.note("There are too few patterns to search the probe: a Gaussian is used. The result is doubtful.");
        return Ok(None);
    };
    let best = &found.best;
    recorder.note(format!(
        "The probe was found in {} trials on {} patterns ({:.0} s): curvature {:.0} px², {} {}; misfit of {} patterns left \
         out of the fit {:.4}.",
        found.trials.len(),
        found.patterns[0],
        started.elapsed().as_secs_f64(),
        best.curvature,
        best.modes,
        if best.modes == 1 { "mode" } else { "modes" },
        found.patterns[1],
        best.held_out_misfit
    ));
    if !found.stands_out() {
        recorder.note(
            "No curvature of the probe explains the patterns clearly better than the others: the result is doubtful. \
             Check positions, orientation and pixel size, or provide a probe.",
        );
    }
    dataset.probe.clone_from(&found.probe);
    Ok(Some(found))
}

/// Settings of the direct solver with a probe that was found: it is refined, with the modes and the smoothness that the
/// patterns left out of the fit support, unless the user chose others. A probe found on some patterns takes longer to
/// settle than a given one, so there are twice as many epochs.
pub(super) fn settings(config: &DirectConfig, best: &ProbeTrial) -> DirectConfig {
    DirectConfig {
        epochs: 2 * config.epochs,
        refine_probe: true,
        probe_modes: config.probe_modes.or(Some(best.modes.max(FEWEST_MODES))),
        total_variation: if config.total_variation > 0.0 { config.total_variation } else { best.total_variation },
        ..config.clone()
    }
}

/// Searches the probe and refines it on many patterns, for a network.
///
/// # Errors
/// As [`search`].
pub(super) fn search_and_refine(
    recorder: &Recorder<'_>,
    dataset: &mut Dataset,
    config: &DirectConfig,
) -> Result<Option<ProbeSearch>> {
    let Some(mut found) = search(recorder, dataset, config)? else { return Ok(None) };
    let part = dataset.subset(&direct::central_patterns(dataset, REFINED_ON));
    let mut on_progress = |_: f64, _: Option<f64>| recorder.context().switch.wait_while_paused();
    let solved = direct::solve(&part, &settings(config, &found.best), &Start::Flat, &mut on_progress)?;
    fail_if_stopped(recorder)?;
    if let Some(probe) = solved.refined.probe {
        dataset.probe.clone_from(&probe);
        found.probe = probe;
    }
    Ok(Some(found))
}

/// Writes the table of trials into the run folder.
///
/// # Errors
/// The file cannot be written.
pub(super) fn save_trials(recorder: &Recorder<'_>, folder: &RunFolder, found: &ProbeSearch) -> Result<()> {
    let mut text = "curvature_px2,modes,total_variation,epochs,held_out_misfit,misfit\n".to_owned();
    for trial in &found.trials {
        let ProbeTrial { curvature, modes, total_variation, epochs, held_out_misfit, misfit } = trial;
        let _infallible = writeln!(text, "{curvature},{modes},{total_variation},{epochs},{held_out_misfit},{misfit}");
    }
    recorder.write(&folder.probe_search(), text.as_bytes())
}
