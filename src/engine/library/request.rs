//! Requests to the library.

use super::dataset::Patterns;
use super::export::ResultFormat;
use crate::config::{Config, DataConfig, Orientation};
use crate::simulate::Sources;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A request to the library.
#[derive(Debug, Clone, PartialEq)]
pub enum Request {
    /// Read a dataset: headers, verdicts, patterns.
    Dataset {
        /// Path of the dataset.
        path: PathBuf,
        /// Reading settings.
        config: Box<DataConfig>,
        /// Seed for choosing patterns if not all are read.
        seed: u64,
        /// True to compute a preview of the object as well.
        preview: bool,
    },
    /// Read some patterns and the positions of a dataset as stored, whether or not it can be used.
    Raw {
        /// Path of the dataset.
        path: PathBuf,
        /// Reading settings.
        config: Box<DataConfig>,
    },
    /// Compute a preview of the object of an open dataset.
    Preview {
        /// The open dataset.
        patterns: Arc<Patterns>,
        /// Orientation in which it was read.
        orientation: Orientation,
    },
    /// Read a dataset and score all eight scan orientations, however long that takes.
    Orientations {
        /// Path of the dataset.
        path: PathBuf,
        /// Reading settings.
        config: Box<DataConfig>,
        /// Seed for choosing patterns if not all are read.
        seed: u64,
    },
    /// List the compute devices.
    Devices,
    /// Read the stitched object of a run.
    Object {
        /// Path of the run folder.
        folder: PathBuf,
    },
    /// Read manifest and configuration of a bundle.
    Bundle {
        /// Path of `model.ptycho`, or of its run folder.
        path: PathBuf,
    },
    /// Read the result in a run folder.
    Result {
        /// Path of the run folder, or of its `reconstruction.npz`.
        folder: PathBuf,
        /// True to show it beside the current result instead of replacing it.
        beside: bool,
    },
    /// Write the result of a run in another format.
    Export {
        /// Path of the run folder.
        folder: PathBuf,
        /// Path of the file.
        path: PathBuf,
        /// Format of the file.
        format: ResultFormat,
    },
    /// List the run folders in a folder.
    Runs {
        /// Path of the folder that holds the run folders.
        parent: PathBuf,
    },
    /// Read a configuration file.
    Config {
        /// Path of the TOML, YAML or JSON file.
        path: PathBuf,
    },
    /// List the user's presets.
    Presets {
        /// Path of the presets folder.
        folder: PathBuf,
    },
    /// Write a preset, replacing one of the same name, and list all.
    SavePreset {
        /// Path of the presets folder.
        folder: PathBuf,
        /// Name of the preset.
        name: String,
        /// Configuration to store.
        config: Box<Config>,
    },
    /// Delete a preset and list the others.
    DeletePreset {
        /// Path of the presets folder.
        folder: PathBuf,
        /// Name of the preset.
        name: String,
    },
    /// Unpack the example dataset unless it is already unpacked.
    Example,
    /// Write a file.
    Write {
        /// Path of the file.
        path: PathBuf,
        /// Content.
        bytes: Vec<u8>,
    },
    /// Preview a simulation.
    SimulationPreview {
        /// Configuration of the simulation.
        config: Box<Config>,
        /// Input files for object, probe and positions.
        sources: Box<Sources>,
    },
    /// Move a folder to the trash.
    Trash {
        /// Path of the folder.
        folder: PathBuf,
    },
    /// End the thread.
    Shutdown,
}

impl Request {
    /// Path of the file or folder concerned; empty if there is none.
    pub(super) fn path(&self) -> &Path {
        match self {
            Self::Dataset { path, .. }
            | Self::Raw { path, .. }
            | Self::Orientations { path, .. }
            | Self::Bundle { path }
            | Self::Config { path }
            | Self::Write { path, .. } => path,
            Self::Result { folder, .. }
            | Self::Export { folder, .. }
            | Self::Trash { folder }
            | Self::Object { folder } => folder,
            Self::Preview { patterns, .. } => &patterns.dataset.path,
            Self::Runs { parent } => parent,
            Self::Presets { folder } | Self::SavePreset { folder, .. } | Self::DeletePreset { folder, .. } => folder,
            Self::Example | Self::SimulationPreview { .. } | Self::Devices | Self::Shutdown => Path::new(""),
        }
    }
}
