//! Search for the probe of a dataset whose file has none.

use super::common::fail_if_stopped;
use crate::checkpoint::RunFolder;
use crate::config::{DirectConfig, ProbeSearchMode};
use crate::data::{Dataset, Refined};
use crate::direct::{self, ProbeSearch, ProbeTrial, Start};
use crate::error::Result;
use crate::fourier::Propagation;
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
    if dataset.propagation != Propagation::FarField {
        if wanted && !dataset.probe_is_estimated {
            recorder.note("The probe search applies to far-field patterns only: the probe of the dataset is used.");
        }
        return Ok(None);
    }
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
        recorder
            .note("There are too few patterns to search for the probe: a Gaussian is used. The result is doubtful.");
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

/// Settings of the direct solver after the search. A probe that was found, or that starts from near-field patterns, is refined,
/// with the modes and the smoothness that the patterns left out of the fit support, unless the user chose others. It takes
/// longer to settle than a given one, so there are twice as many epochs. Near-field patterns show errors of the positions as
/// clearly as the probe, and the magnification makes them large: both are refined together.
pub(super) fn settings(config: &DirectConfig, dataset: &Dataset, found: Option<&ProbeSearch>) -> DirectConfig {
    if found.is_none() && !refines_near_field(config, dataset) {
        return config.clone();
    }
    let best = found.map(|found| &found.best);
    let total_variation = best.map_or(0.0, |best| best.total_variation);
    DirectConfig {
        epochs: 2 * config.epochs,
        refine_probe: true,
        refine_positions: config.refine_positions || found.is_none(),
        probe_modes: config.probe_modes.or(best.map(|best| best.modes.max(FEWEST_MODES))),
        total_variation: if config.total_variation > 0.0 { config.total_variation } else { total_variation },
        ..config.clone()
    }
}

fn refines_near_field(config: &DirectConfig, dataset: &Dataset) -> bool {
    dataset.starts_from_near_field() && config.probe_search != ProbeSearchMode::Never
}

/// Searches the probe and refines it on many patterns, for a network. In a near field, also the positions; both are given back.
///
/// # Errors
/// As [`search`].
pub(super) fn search_and_refine(
    recorder: &Recorder<'_>,
    dataset: &mut Dataset,
    config: &DirectConfig,
) -> Result<(Option<ProbeSearch>, Refined)> {
    let mut found = search(recorder, dataset, config)?;
    if found.is_none() && !refines_near_field(config, dataset) {
        return Ok((None, Refined::default()));
    }
    recorder.emit(EventKind::Stage { stage: Stage::ProbeSearch });
    let chosen = direct::central_patterns(dataset, REFINED_ON);
    let part = dataset.subset(&chosen);
    let mut on_progress = |_: f64, _: Option<f64>| recorder.context().switch.wait_while_paused();
    let settings = settings(config, dataset, found.as_ref());
    let solved = direct::solve(&part, &settings, &Start::Flat, &mut on_progress)?;
    fail_if_stopped(recorder)?;
    let change = solved.refined.change(&part);
    if let Some(probe) = solved.refined.probe {
        dataset.probe.clone_from(&probe);
        if let Some(found) = &mut found {
            found.probe = probe;
        }
    }
    if found.is_some() {
        return Ok((found, Refined::default()));
    }
    for (at, position) in chosen.into_iter().zip(solved.refined.positions.unwrap_or_default()) {
        dataset.positions[at] = position;
    }
    recorder.note(format!(
        "Probe and positions were refined on {} near-field patterns in {} epochs of the direct solver: positions by {:.2} px rms, \
         misfit {:.4}.",
        part.len(),
        solved.misfits.len(),
        change.shift_px.map_or(0.0, |(rms, _)| rms),
        solved.misfits.last().copied().unwrap_or(f64::NAN)
    ));
    let (probe, positions) = (Some(dataset.probe.clone()), Some(dataset.positions.clone()));
    Ok((None, Refined { probe, positions, ..Refined::default() }))
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
