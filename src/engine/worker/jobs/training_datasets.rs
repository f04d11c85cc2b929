//! Datasets of a training.

use super::common::load_part;
use super::large_dataset::{LargeDataset, Purpose};
use super::probe;
use crate::config::Config;
use crate::data::{self, Dataset, Refined, Split};
use crate::direct::ProbeSearch;
use crate::error::{Error, Problem, Result};
use crate::train;
use crate::worker::recorder::Recorder;
use std::path::Path;

/// Datasets of a training.
pub(super) struct TrainingDatasets {
    /// All patterns that were read; of a large dataset, its first part.
    pub whole: Dataset,
    /// Patterns of `whole` for training, if some are reserved for validation.
    subset: Option<Dataset>,
    /// Patterns for the validation loss.
    pub validation: Option<Dataset>,
    /// Further datasets to train on.
    further: Vec<Dataset>,
    /// Search for the probe, if the dataset has none.
    pub found_probe: Option<ProbeSearch>,
    /// Probe and positions of `whole`, if they were refined before the training.
    pub refined: Refined,
    /// Partition of a dataset that does not fit into memory.
    pub large: Option<LargeDataset>,
}

impl TrainingDatasets {
    /// Reads the datasets. The memory limit of a large dataset is fixed in `config`, so that a resumed run has the same parts.
    ///
    /// # Errors
    /// A dataset that cannot be read, or of another pattern size.
    pub(super) fn load(
        recorder: &Recorder<'_>,
        path: &Path,
        validation: Option<&Path>,
        config: &mut Config,
    ) -> Result<Self> {
        let large = LargeDataset::detect(path, config, Purpose::Training)?;
        if let Some(large) = &large {
            config.data.max_memory = Some(large.limit);
        }
        let config = &*config;
        let mut whole = load_part(recorder, path, config, large.as_ref())?;
        let (found_probe, refined) = probe::search_and_refine(recorder, &mut whole, &config.direct)?;
        if let Some(large) = &large {
            recorder.note(format!(
                "Each epoch trains on one part of {} patterns from about {} regions of the scan; {} epochs cover all \
                 patterns.",
                large.part_size(),
                large.regions(),
                large.parts.len()
            ));
        }
        let test_file = data::test_file(path).filter(|_| validation.is_none());
        let (subset, validation) = match validation.or(test_file.as_deref()) {
            Some(path) => (None, Some(load_validation(recorder, path, config, &whole)?)),
            None if config.data.validation_fraction > 0.0 => {
                let split = split(whole.len(), config)?;
                recorder.note(format!("{} patterns are reserved for the validation loss.", split.validation.len()));
                (Some(whole.subset(&split.train)), Some(whole.subset(&split.validation)))
            }
            None => (None, None),
        };
        let mut further = load_further(recorder, config)?;
        let mut validation = validation;
        for dataset in further.iter_mut().chain(&mut validation).filter(|dataset| dataset.probe_is_estimated) {
            dataset.probe.clone_from(&whole.probe);
        }
        Ok(Self { whole, subset, validation, further, found_probe, refined, large })
    }

    /// Patterns of the first dataset for training.
    pub(super) fn training_set(&self) -> &Dataset {
        self.subset.as_ref().unwrap_or(&self.whole)
    }

    /// All datasets to train on.
    pub(super) fn trained_on(&self) -> Vec<&Dataset> {
        std::iter::once(self.training_set()).chain(&self.further).collect()
    }

    /// Reports the sources of the labels in supervised training.
    ///
    /// # Errors
    /// As [`train::check_labels`].
    pub(super) fn report_labels(&self, recorder: &Recorder<'_>, config: &Config) -> Result<()> {
        for dataset in self.trained_on().into_iter().chain(&self.validation) {
            if let Some(source) = train::check_labels(dataset, config)? {
                recorder.note(format!("The network learns from {source}."));
            }
        }
        Ok(())
    }

    /// Reads the part of a large dataset that an epoch, from 0, trains on.
    ///
    /// # Errors
    /// The file cannot be read or was changed.
    pub(super) fn load_part(&self, path: &Path, config: &Config, epoch: usize) -> Result<Dataset> {
        let rows = self.large.as_ref().map_or(&[][..], |large| large.part(epoch));
        let mut part = Dataset::load_rows(path, &config.data, rows, Some(&self.whole.fingerprint))?;
        if self.found_probe.is_some() || part.probe_is_estimated {
            part.probe.clone_from(&self.whole.probe);
        }
        // The validation patterns of each part are never trained on.
        Ok(if self.subset.is_some() { part.subset(&split(part.len(), config)?.train) } else { part })
    }
}

/// Splits the numbers of patterns into training and validation.
fn split(count: usize, config: &Config) -> Result<Split> {
    data::split(count, config.data.validation_fraction, config.execution.seeds.subsample)
}

/// Reads the further datasets, with the settings of the first.
fn load_further(recorder: &Recorder<'_>, config: &Config) -> Result<Vec<Dataset>> {
    let read = |path: &Path| {
        let dataset = Dataset::load(path, &config.data, config.execution.seeds.subsample)?;
        recorder.note(format!("Training also uses {} patterns of {}.", dataset.len(), path.display()));
        dataset.notes.iter().for_each(|note| recorder.note(note));
        dataset.warnings.iter().for_each(|warning| recorder.warn(format!("{}: {warning}", path.display())));
        Ok(dataset)
    };
    config.data.further().map(read).collect()
}

fn load_validation(recorder: &Recorder<'_>, path: &Path, config: &Config, training: &Dataset) -> Result<Dataset> {
    let validation = Dataset::load(path, &config.data, config.execution.seeds.subsample)?;
    if validation.patch_size() != training.patch_size() {
        return Err(Error::BadInput(
            Problem::new(format!("The validation patterns have {n} × {n} pixels", n = validation.patch_size()))
                .expected(format!("{n} × {n}, as the training patterns", n = training.patch_size()))
                .at(path),
        ));
    }
    validation.warnings.iter().for_each(|warning| recorder.warn(format!("{}: {warning}", path.display())));
    recorder.note(format!("The validation loss is computed on {} patterns of {}.", validation.len(), path.display()));
    Ok(validation)
}
