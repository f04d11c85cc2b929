//! Reconstruction with a trained network.

use super::common::{
    apply_inference_settings, consistency, fail_if_stopped, finish, load_part, new_summary, save_object, select_device,
};
use super::direct::polish;
use super::large_dataset::{LargeDataset, Purpose};
use crate::checkpoint::{Destination, RunFolder, load_model};
use crate::config::Config;
use crate::data::{self, Dataset, Reconstruction, Refined};
use crate::error::{Error, Problem, Result};
use crate::infer as inference;
use crate::model::Weights;
use crate::train::{self, Scaling};
use crate::worker::device::Selected;
use crate::worker::message::{EventKind, Job, Progress, Stage};
use crate::worker::recorder::Recorder;
use crate::worker::summary::{JobOutcome, Summary};
use std::borrow::Cow;
use std::path::Path;
use std::time::Instant;

/// Reconstructs a dataset with a bundle.
pub(super) fn infer(
    recorder: &Recorder<'_>,
    job: &Job,
    model: &Path,
    path: &Path,
    output_dir: &Destination,
    settings: &[(String, String)],
) -> Result<Summary> {
    let (bundle, remarks) = load_model(model)?;
    remarks.iter().for_each(|text| recorder.note(text));
    let mut config = bundle.config.clone();
    // The choice of training patterns does not apply to reconstruction.
    config.data.n_subsample = None;
    config.data.n_groups = None;
    config.data.max_memory = None;
    // Nor does what belongs to the scan that the model was trained on.
    if data::fingerprint(path)? != bundle.manifest.dataset.fingerprint {
        config.data.exclude = String::new();
        config.data.mapping.positions_file = String::new();
    }
    apply_inference_settings(&mut config, settings)?;
    let large = LargeDataset::detect(path, &config, Purpose::Inference)?;
    let mut dataset = load_part(recorder, path, &config, large.as_ref())?;
    if dataset.patch_size() != bundle.manifest.dataset.patch_size {
        return Err(Error::BadInput(
            Problem::new(format!("The patterns have {n} × {n} pixels", n = dataset.patch_size()))
                .expected(format!(
                    "{n} × {n}, the size the model was trained on",
                    n = bundle.manifest.dataset.patch_size
                ))
                .hint("Crop or pad the patterns, or train a model for this size")
                .at(path),
        ));
    }
    if dataset.probe_is_estimated && bundle.probe.dim().0 > 0 {
        // The network's scale differs by a factor only, which normalization removes.
        dataset.probe.clone_from(&bundle.probe);
        recorder.note("The dataset has no probe: that of the model is used.");
    }
    let selected = select_device(recorder, &config)?;
    fail_if_stopped(recorder)?;
    let folder = RunFolder::create(output_dir, path)?;
    recorder.open_folder(&folder)?;
    recorder.write(&folder.config(), config.to_toml()?.as_bytes())?;
    let mut summary = new_summary(job, &dataset, path, &selected, &folder);
    summary.model = Some(model.to_path_buf());
    let reconstruction = NetworkReconstruction {
        recorder,
        folder: &folder,
        dataset: &dataset,
        weights: &bundle.weights,
        config: &config,
        selected: &selected,
        large: large.as_ref(),
        refined: &Refined::default(),
    };
    reconstruction.run(&mut summary)?;
    let count = large.map_or(dataset.len(), |large| large.count);
    summary.patterns_per_second = summary.infer_seconds.map(|s| count as f64 / s.max(1e-9));
    finish(recorder, summary, &folder)
}

/// Reconstruction of a dataset by a network, with its optional polish.
pub(super) struct NetworkReconstruction<'a> {
    pub recorder: &'a Recorder<'a>,
    pub folder: &'a RunFolder,
    /// The dataset; of a large one, the part on which quality is evaluated.
    pub dataset: &'a Dataset,
    pub weights: &'a Weights,
    pub config: &'a Config,
    pub selected: &'a Selected,
    /// Partition of a dataset that does not fit into memory.
    pub large: Option<&'a LargeDataset>,
    /// Parameters that were refined before the training, and are those of the dataset.
    pub refined: &'a Refined,
}

impl NetworkReconstruction<'_> {
    /// Predicts, stitches, polishes and evaluates the object, and writes it with its images.
    pub(super) fn run(&self, summary: &mut Summary) -> Result<()> {
        let recorder = self.recorder;
        recorder.emit(EventKind::Stage { stage: Stage::Reconstructing });
        let started = Instant::now();
        let scaling = train::scaling_of(self.dataset, self.config)?;
        let reconstruction = self.predict(&scaling, started)?;
        let polish_epochs = self.config.inference.polish_epochs;
        if self.large.is_some() && polish_epochs > 0 {
            recorder.note("The object was not polished, which requires all patterns in memory at once.");
        }
        // In the units of the dataset, so that probe and object match.
        let probe = train::trained_probe(self.weights).filter(|probe| probe.dim().1 == self.dataset.patch_size());
        let unscale = scaling.probe_factor.recip() as f32;
        let trained = Refined { probe: probe.map(|probe| probe.mapv(|value| value * unscale)), ..Refined::default() };
        let refined = trained.after(self.refined.clone());
        let (reconstruction, refined) = if polish_epochs > 0 && self.large.is_none() {
            self.polish(summary, &reconstruction, refined)?
        } else {
            (reconstruction, refined)
        };
        summary.infer_seconds = Some(started.elapsed().as_secs_f64());

        recorder.emit(EventKind::Stage { stage: Stage::Saving });
        save_object(recorder, summary, self.folder, self.dataset, reconstruction, &refined)
    }

    /// Predicts and stitches, in chunks if the dataset is large.
    fn predict(&self, scaling: &Scaling, started: Instant) -> Result<Reconstruction> {
        let Self { recorder, dataset, weights, config, .. } = *self;
        let device = &self.selected.device;
        let count = self.large.map_or(dataset.len(), |large| large.count);
        let mut on_progress = |fraction: f64| {
            let elapsed_s = started.elapsed().as_secs_f64();
            recorder.emit(EventKind::Progress(Progress {
                fraction,
                patterns_per_second: (elapsed_s > 0.0).then(|| fraction * count as f64 / elapsed_s),
                elapsed_s,
                remaining_s: (fraction > 0.0).then(|| elapsed_s * (1.0 - fraction) / fraction),
                ..Progress::default()
            }));
            recorder.context().switch.get()
        };
        match self.large {
            None => inference::reconstruct(dataset, weights, scaling, config, device, &mut on_progress),
            Some(&LargeDataset { count, chunk, .. }) => inference::reconstruct_in_parts(count, chunk, &mut |range| {
                let (first, length) = (range.start as f64, range.len() as f64);
                let mut within = |share: f64| on_progress((first + share * length) / count as f64);
                let rows: Vec<usize> = range.collect();
                let part = Dataset::load_rows(&dataset.path, &config.data, &rows, Some(&dataset.fingerprint))?;
                inference::reconstruct(&part, weights, scaling, config, device, &mut within)
            }),
        }
    }

    /// Polishes the object with the direct solver, starting from the probe in `refined`.
    fn polish(
        &self,
        summary: &mut Summary,
        reconstruction: &Reconstruction,
        refined: Refined,
    ) -> Result<(Reconstruction, Refined)> {
        let mut dataset = Cow::Borrowed(self.dataset);
        if !refined.is_empty() {
            refined.apply(dataset.to_mut());
        }
        summary.consistency_r_before = consistency(&dataset, reconstruction).ok();
        let (solved, _) = polish(self.recorder, &dataset, self.config, reconstruction, self.selected)?;
        if solved.stopped {
            summary.outcome = JobOutcome::Stopped;
        }
        Ok((solved.reconstruction, solved.refined.after(refined)))
    }
}
