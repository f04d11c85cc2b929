//! The job that makes a dataset: simulate → write → say what it came to. It needs no device and no run folder.

use super::message::{DatasetSummary, EventKind, Job, Picture, Progress, Sources, Stage};
use super::recorder::Recorder;
use super::summary::{Summary, SummaryDataset};
use crate::config::Config;
use crate::error::{Error, Problem, Result};
use crate::{data, simulate};
use std::path::Path;
use std::time::Instant;

/// Does the job to its end; stopped or failed, it leaves no file.
pub(super) fn simulation(
    recorder: &Recorder<'_, '_>,
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
    let mut watch = |done: usize, total: usize| {
        if done == 0 {
            patterns_began = Instant::now();
        }
        let elapsed_s = started.elapsed().as_secs_f64();
        // Drawing the object comes before the first pattern and says nothing about the time of the others.
        let pattern_s = patterns_began.elapsed().as_secs_f64();
        let fraction = done as f64 / total.max(1) as f64;
        recorder.emit(EventKind::Progress(Progress {
            fraction,
            patterns_per_second: (pattern_s > 0.0).then(|| done as f64 / pattern_s),
            elapsed_s,
            remaining_s: (fraction > 0.0).then(|| pattern_s * (1.0 - fraction) / fraction),
            ..Progress::default()
        }));
        recorder.context().switch.go_on()
    };
    let (scene, recorded) = simulate::simulate(config, sources, output, &mut watch)?;
    let seconds = started.elapsed().as_secs_f64();
    recorder.wrote(output);
    for note in &scene.notes {
        recorder.note(note);
    }
    recorder.note(format!(
        "{:.4e} photons were counted per pattern on average ({:.4e} to {:.4e}); {:.4e} were asked for.",
        recorded.photons_per_pattern, recorded.photons_min, recorded.photons_max, config.simulation.n_photons
    ));
    let fingerprint = data::fingerprint(output)?;
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
        command: job.name().to_owned(),
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

/// A dataset must have a place, must not take that of what it is made from, and readers know it by its name.
fn check_output(output: &Path, sources: &Sources) -> Result<()> {
    if !output.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("npz")) {
        return Err(Problem::new("The output is not named as an NPZ file")
            .expected("a name that ends in .npz")
            .hint("Change --output")
            .at(output)
            .into());
    }
    let folder = output.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if !folder.is_dir() {
        let problem = Problem::new("The folder of the output is not there").hint("Make it, or change --output");
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
