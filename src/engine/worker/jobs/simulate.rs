//! Simulation of a dataset: simulate, write, report. It needs no device and no run folder.

use crate::config::Config;
use crate::error::{Error, Problem, Result};
use crate::worker::message::{DatasetSummary, EventKind, Job, Picture, Progress, Sources, Stage};
use crate::worker::recorder::Recorder;
use crate::worker::summary::{Summary, SummaryDataset};
use crate::{data, simulate as simulation};
use std::path::Path;
use std::time::Instant;

/// Runs the job to its end; if stopped or failed, it leaves no file.
pub(super) fn simulate(
    recorder: &Recorder<'_>,
    job: &Job,
    output: &Path,
    sources: &Sources,
    config: &Config,
) -> Result<Summary> {
    config.validate()?;
    check_output(output, sources)?;
    recorder.emit(EventKind::Stage { stage: Stage::Simulating });
    let started = Instant::now();
    let mut patterns_began = started;
    let mut on_progress = |done: usize, total: usize| {
        if done == 0 {
            patterns_began = Instant::now();
        }
        let elapsed_s = started.elapsed().as_secs_f64();
        // The object is drawn before the first pattern; that time is no measure for the patterns.
        let pattern_s = patterns_began.elapsed().as_secs_f64();
        let fraction = done as f64 / total.max(1) as f64;
        recorder.emit(EventKind::Progress(Progress {
            fraction,
            patterns_per_second: (pattern_s > 0.0).then(|| done as f64 / pattern_s),
            elapsed_s,
            remaining_s: (fraction > 0.0).then(|| pattern_s * (1.0 - fraction) / fraction),
            ..Progress::default()
        }));
        recorder.context().switch.wait_while_paused()
    };
    let (scene, recorded) = simulation::simulate(config, sources, output, &mut on_progress)?;
    let seconds = started.elapsed().as_secs_f64();
    recorder.report_file(output);
    for note in &scene.notes {
        recorder.note(note);
    }
    recorder.note(format!(
        "Mean number of photons per pattern: {:.4e} ({:.4e} to {:.4e}); requested: {:.4e}.",
        recorded.photons_per_pattern, recorded.photons_min, recorded.photons_max, config.simulation.n_photons
    ));
    // What went through a pipe cannot be read again.
    let fingerprint = if output.is_file() { data::fingerprint(output)? } else { String::new() };
    recorder.emit(EventKind::Dataset(DatasetSummary {
        path: output.to_path_buf(),
        n: recorded.patterns,
        side: scene.patch_size(),
        probe_modes: scene.probe.dim().0,
        has_object: true,
        fingerprint: fingerprint.clone(),
    }));
    let (height, width) = scene.object.dim();
    recorder.context().pictures.put(Picture {
        job: recorder.context().job(),
        taken: None,
        width,
        height,
        amplitude: scene.object.iter().map(|value| value.norm()).collect(),
        phase: scene.object.iter().map(|value| value.arg()).collect(),
        coverage: vec![1.0; width * height],
        origin_xy: [0.0; 2],
    });
    Ok(Summary {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        command: job.kind(),
        dataset: SummaryDataset {
            path: output.to_path_buf(),
            fingerprint,
            n: recorded.patterns,
            side: scene.patch_size(),
        },
        simulate_seconds: Some(seconds),
        patterns_per_second: Some(recorded.patterns as f64 / seconds.max(1e-9)),
        consistency_r: Some(recorded.noise_floor),
        files: recorder.files(),
        notes: recorder.notes(),
        ..Summary::default()
    })
}

/// Checks that the output has the right extension, is in an existing folder and is none of the input files.
fn check_output(output: &Path, sources: &Sources) -> Result<()> {
    // Standard output, a pipe or a device has no format of its own.
    if output == Path::new("-") || output.metadata().is_ok_and(|file| !file.is_file() && !file.is_dir()) {
        return Ok(());
    }
    if !output.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("npz")) {
        return Err(Problem::new("The output has no NPZ file name")
            .expected("a name ending in .npz")
            .hint("Change --output")
            .at(output)
            .into());
    }
    let folder = output.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if !folder.is_dir() {
        let problem = Problem::new("The folder of the output does not exist").hint("Create it, or change --output");
        return Err(problem.at(output).into());
    }
    let here = output.canonicalize().ok();
    let same = |path: &Path| here.is_some() && path.canonicalize().ok() == here;
    let used = [&sources.input, &sources.object_image, &sources.probe, &sources.positions];
    if used.into_iter().flatten().any(|path| same(path)) {
        return Err(Error::BadInput(
            Problem::new("The output is one of the input files").hint("Choose another --output").at(output),
        ));
    }
    Ok(())
}
