//! What a training learns from.

use crate::data::Dataset;
use crate::error::Result;

/// Datasets, all in memory or the first of them part by part.
#[derive(Clone, Copy)]
pub struct Material<'a> {
    /// Trained on together.
    pub datasets: &'a [&'a Dataset],
    /// Patterns that are only used to compute a validation loss after each epoch.
    pub validation: Option<&'a Dataset>,
    /// Where the first dataset is only the first part of one that is too large for the memory: reads the part that an epoch
    /// (from 1; the first epoch, 0, has the first part) trains on in its place. Parts have one probe and one number of
    /// patterns.
    pub part: Option<&'a dyn Fn(usize) -> Result<Dataset>>,
}

impl<'a> Material<'a> {
    /// Datasets that are in memory.
    pub fn whole(datasets: &'a [&'a Dataset]) -> Self {
        Self { datasets, validation: None, part: None }
    }
}
