//! Data of a training.

use crate::data::Dataset;
use crate::error::Result;

/// Datasets to train on: all in memory, or the first of them read part by part.
#[derive(Clone, Copy)]
pub struct TrainingData<'a> {
    /// Datasets that are trained on together.
    pub datasets: &'a [&'a Dataset],
    /// Patterns used only for the validation loss after each epoch.
    pub validation: Option<&'a Dataset>,
    /// Set if the first dataset is only the first part of one that exceeds the memory: reads the part that replaces it
    /// in an epoch (from 1; the first epoch, 0, uses the first part). All parts have the same probe and number of
    /// patterns.
    pub part: Option<&'a dyn Fn(usize) -> Result<Dataset>>,
}

impl<'a> TrainingData<'a> {
    /// Datasets that are completely in memory, without validation.
    pub fn in_memory(datasets: &'a [&'a Dataset]) -> Self {
        Self { datasets, validation: None, part: None }
    }
}
