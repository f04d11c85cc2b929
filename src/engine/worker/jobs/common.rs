//! Steps that several jobs share.

use super::large_dataset::LargeDataset;
use crate::checkpoint::RunFolder;
use crate::config::Config;
use crate::data::{Dataset, Reconstruction, Refined};
use crate::direct;
use crate::error::{Error, Result};
use crate::imaging;
use crate::metrics;
use crate::worker::device::{self, Selected};
use crate::worker::live_preview::picture_of;
use crate::worker::message::{Control, DatasetSummary, EventKind, Job, Progress, Stage};
use crate::worker::recorder::Recorder;
use crate::worker::summary::{Summary, SummaryDataset};
use std::path::Path;
use std::time::Instant;

/// Largest common shift between a result and its reference that is removed before they are compared, pixels.
const MAX_SHIFT: f64 = 4.0;

/// Applies settings for inference and checks the configuration.
///
/// # Errors
/// Settings that are fixed by the model, and values that are not valid.
pub(super) fn apply_inference_settings(config: &mut Config, settings: &[(String, String)]) -> Result<()> {
    for (field, value) in settings {
        Config::check_settable_in_inference(field)?;
        config.set(field, value)?;
    }
    config.validate()
}

/// Reads and reports a dataset.
pub(super) fn load(recorder: &Recorder<'_>, path: &Path, config: &Config) -> Result<Dataset> {
    recorder.emit(EventKind::Stage { stage: Stage::Loading });
    let dataset = Dataset::load(path, &config.data, config.execution.seeds.subsample)?;
    report_dataset(recorder, &dataset);
    Ok(dataset)
}

/// As [`load`]; of a dataset that does not fit into memory, its first part.
pub(super) fn load_part(
    recorder: &Recorder<'_>,
    path: &Path,
    config: &Config,
    large: Option<&LargeDataset>,
) -> Result<Dataset> {
    let Some(large) = large else { return load(recorder, path, config) };
    recorder.emit(EventKind::Stage { stage: Stage::Loading });
    let dataset = Dataset::load_rows(path, &config.data, large.part(0), None)?;
    report_dataset(recorder, &dataset);
    recorder.note(format!(
        "The {} patterns do not fit in {}: reconstruction processes all of them in chunks of {}, and quality is \
         evaluated on {}.",
        large.count,
        large.granted,
        large.chunk.min(large.count),
        dataset.len(),
    ));
    Ok(dataset)
}

fn report_dataset(recorder: &Recorder<'_>, dataset: &Dataset) {
    recorder.emit(EventKind::Dataset(DatasetSummary {
        path: dataset.path.clone(),
        n: dataset.len(),
        side: dataset.patch_size(),
        probe_modes: dataset.probe.dim().0,
        has_object: dataset.object.is_some(),
        fingerprint: dataset.fingerprint.clone(),
    }));
    for note in &dataset.notes {
        recorder.note(note);
    }
    for warning in &dataset.warnings {
        recorder.warn(warning);
    }
}

/// Selects and reports the device.
pub(super) fn select_device(recorder: &Recorder<'_>, config: &Config) -> Result<Selected> {
    let selected = device::select(config.execution.accelerator)?;
    recorder.emit(EventKind::Device(selected.info.clone()));
    for note in &selected.notes {
        recorder.note(note);
    }
    Ok(selected)
}

/// Ends a job that was stopped before anything was written.
pub(super) fn fail_if_stopped(recorder: &Recorder<'_>) -> Result<()> {
    match recorder.context().switch.get() {
        Control::Stop | Control::Discard => Err(Error::failed("Stopped before the job started; nothing was written")),
        Control::Run | Control::Pause | Control::StopAfterEpoch => Ok(()),
    }
}

/// For a stage that begins: reports the fraction done, and returns false if the job has to stop.
pub(super) fn progress_of_stage(recorder: &Recorder<'_>) -> impl Fn(f64) -> bool {
    let started = Instant::now();
    move |fraction| {
        let elapsed_s = started.elapsed().as_secs_f64();
        recorder.emit(EventKind::Progress(Progress { fraction, elapsed_s, ..Progress::default() }));
        recorder.context().switch.wait_while_paused()
    }
}

/// Summary of a job, without its results.
pub(super) fn new_summary(
    job: &Job,
    dataset: &Dataset,
    path: &Path,
    selected: &Selected,
    folder: &RunFolder,
) -> Summary {
    Summary {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        command: job.kind(),
        device: selected.info.clone(),
        reduced_capability: selected.info.reduced_capability,
        dataset: SummaryDataset {
            path: path.to_path_buf(),
            fingerprint: dataset.fingerprint.clone(),
            n: dataset.len(),
            side: dataset.patch_size(),
        },
        config: folder.config(),
        ..Summary::default()
    }
}

/// Evaluates an object with its refined probe, positions and intensities, and writes it with its images.
pub(super) fn save_object(
    recorder: &Recorder<'_>,
    summary: &mut Summary,
    folder: &RunFolder,
    dataset: &Dataset,
    reconstruction: Reconstruction,
    refined: &Refined,
) -> Result<()> {
    let change = refined.change(dataset);
    // What was refined before a training is part of the dataset by now.
    let shift = change.shift_px.filter(|(_, max)| *max > 0.0);
    summary.probe_change = change.probe.filter(|change| *change > 1e-6);
    summary.position_shift_rms_px = shift.map(|(rms, _)| rms);
    summary.position_shift_max_px = shift.map(|(_, max)| max);
    summary.intensity_spread = change.intensity;
    summary.background_share = change.background;
    if refined.is_empty() {
        evaluate(recorder, summary, dataset, &reconstruction);
    } else {
        let mut refined_dataset = dataset.clone();
        refined.apply(&mut refined_dataset);
        evaluate(recorder, summary, &refined_dataset, &reconstruction);
    }
    reconstruction.save_with(refined, &folder.reconstruction())?;
    recorder.report_file(&folder.reconstruction());
    let covered = imaging::covered_mask(reconstruction.coverage.view(), imaging::COVERED_FRACTION);
    let object = reconstruction.object.view();
    recorder.write(&folder.amplitude_png(), &imaging::amplitude_png(object, covered.view())?)?;
    recorder.write(&folder.phase_png(), &imaging::phase_png(object, covered.view())?)?;
    recorder.context().pictures.put(picture_of(recorder.context().job(), None, reconstruction));
    Ok(())
}

/// Misfit Σ(|F| − √I)² / ΣI of an object to the data.
pub(super) fn consistency(dataset: &Dataset, reconstruction: &Reconstruction) -> Result<f64> {
    metrics::consistency_r(reconstruction.object.view(), reconstruction.origin_xy, &dataset.measured())
}

/// Computes the misfit to the data and the correlation with the reference object; reports those that cannot be computed.
fn evaluate(recorder: &Recorder<'_>, summary: &mut Summary, dataset: &Dataset, reconstruction: &Reconstruction) {
    let object = reconstruction.object.view();
    match consistency(dataset, reconstruction) {
        Ok(r) => summary.consistency_r = Some(r),
        Err(error) => recorder.note(format!("Cannot compute the misfit to the data. {error}")),
    }
    judge(recorder, summary, dataset, reconstruction);
    let Some(truth) = &dataset.object else { return };
    let finite = |value: f64| value.is_finite().then_some(value);
    // A probe or positions that were found together with the object leave a common shift open.
    let is_open = summary.probe_search.is_some() || summary.position_shift_rms_px.is_some();
    let max_shift = if is_open { MAX_SHIFT } else { 0.0 };
    let positions = &dataset.positions;
    let origin = reconstruction.origin_xy;
    match metrics::registered_phase_correlation(object, origin, truth.view(), positions, max_shift) {
        Ok((correlation, _)) => {
            summary.phase_correlation = finite(correlation.phase);
            summary.amplitude_correlation = finite(correlation.amplitude);
        }
        Err(error) => recorder.note(format!("Cannot compare the result with the reference object. {error}")),
    }
}

/// Judges how far the result can be trusted, and reports it. A result that was stopped early is judged as well.
fn judge(recorder: &Recorder<'_>, summary: &mut Summary, dataset: &Dataset, reconstruction: &Reconstruction) {
    let mut go_on = |_: f64| recorder.context().switch.get() != Control::Discard;
    match direct::judge(dataset, reconstruction, summary.consistency_r, &mut go_on) {
        Ok(Some(found)) => {
            recorder.emit(EventKind::Reliability(Box::new(found.clone())));
            summary.reliability = Some(found);
        }
        Ok(None) => recorder.note("There are too few patterns to judge how far the result can be trusted."),
        Err(error) => recorder.note(format!("Cannot judge how far the result can be trusted. {error}")),
    }
}

/// Writes `summary.json`, the last file of a job.
pub(super) fn finish(recorder: &Recorder<'_>, mut summary: Summary, folder: &RunFolder) -> Result<Summary> {
    let path = folder.summary();
    summary.notes = recorder.notes();
    summary.warnings = recorder.warnings();
    summary.files = recorder.files();
    summary.files.extend([path.clone(), folder.log()]);
    let json = serde_json::to_vec_pretty(&summary)
        .map_err(|error| Error::failed(format!("Cannot write the summary as JSON ({error})")))?;
    recorder.write(&path, &json)?;
    recorder.log("done");
    Ok(summary)
}
