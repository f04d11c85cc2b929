//! A simulated dataset to work on.

use super::Setup;
use crate::data::Dataset;
use crate::error::{Error, Result};
use crate::simulate::{Sources, simulate};
use std::path::PathBuf;
use tempfile::TempDir;

/// A simulated file in a folder that goes away with it.
pub(super) struct Scan {
    folder: TempDir,
}

impl Scan {
    /// Simulates the dataset of a setup: the same to the bit every time.
    pub fn new(setup: &Setup) -> Result<Self> {
        let folder =
            tempfile::tempdir().map_err(|e| Error::failed(format!("No temporary folder can be made ({e})")))?;
        let scan = Self { folder };
        simulate(&setup.config(), &Sources::default(), &scan.path(), &mut |_, _| true)?;
        Ok(scan)
    }

    /// The file.
    pub fn path(&self) -> PathBuf {
        self.folder.path().join("scan.npz")
    }

    /// A folder for results.
    pub fn folder(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The dataset in memory.
    pub fn load(&self, setup: &Setup) -> Result<Dataset> {
        let config = setup.config();
        Dataset::load(&self.path(), &config.data, config.execution.seeds.subsample)
    }
}
