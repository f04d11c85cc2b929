//! Simulated dataset for the measurements.

use super::Setup;
use crate::data::Dataset;
use crate::error::{Error, Result};
use crate::simulate::{Sources, simulate};
use std::path::PathBuf;
use tempfile::TempDir;

/// A simulated dataset in a temporary folder, deleted on drop.
pub(super) struct Scan {
    folder: TempDir,
}

impl Scan {
    /// Simulates the dataset of a setup, bit-identical every time.
    pub fn new(setup: &Setup) -> Result<Self> {
        let folder =
            tempfile::tempdir().map_err(|e| Error::failed(format!("Cannot create a temporary folder ({e})")))?;
        let scan = Self { folder };
        simulate(&setup.config(), &Sources::default(), &scan.path(), &mut |_, _| true)?;
        Ok(scan)
    }

    /// Path of the dataset.
    pub fn path(&self) -> PathBuf {
        self.folder.path().join("scan.npz")
    }

    /// Path of a folder for results.
    pub fn folder(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Loads the dataset.
    pub fn load(&self, setup: &Setup) -> Result<Dataset> {
        let config = setup.config();
        Dataset::load(&self.path(), &config.data, config.execution.seeds.subsample)
    }
}
