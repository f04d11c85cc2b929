//! Replies of the library.

use super::dataset::Patterns;
use super::presets::UserPreset;
use super::result::{ResultData, RunObject};
use super::runs::RunInfo;
use crate::checkpoint::Manifest;
use crate::config::Config;
use crate::data::{ArraySummary, Inspection};
use crate::direct::Orientations;
use crate::simulate;
use crate::worker::message::{AdapterInfo, Failure, Picture};
use std::path::PathBuf;
use std::sync::Arc;

/// A reply of the library.
#[derive(Debug, Clone, PartialEq)]
pub enum Reply {
    /// Arrays of a dataset, from the headers alone.
    Headers {
        /// Path of the dataset.
        path: PathBuf,
        /// Its arrays.
        arrays: Vec<ArraySummary>,
    },
    /// Verdicts on a dataset.
    Inspected(Arc<Inspection>),
    /// Patterns of a dataset.
    Opened(Arc<Patterns>),
    /// Stage of the preview of a dataset; `None` once it has ended.
    PreviewStage {
        /// Path of the dataset.
        path: PathBuf,
        /// Current stage.
        stage: Option<PreviewStage>,
    },
    /// Compute devices, best first.
    Devices(Vec<AdapterInfo>),
    /// Object of a run.
    Object {
        /// Path of the run folder.
        folder: PathBuf,
        /// The object, or the reason why it cannot be read.
        object: Result<Arc<RunObject>, Failure>,
    },
    /// Preview of the object of a dataset: a few epochs of the direct solver.
    Preview {
        /// Path of the dataset.
        path: PathBuf,
        /// The object.
        picture: Arc<Picture>,
        /// Remaining misfit Σ(|F| − √I)² / ΣI: large if orientation, positions or probe are wrong.
        misfit: f64,
    },
    /// Misfit of each scan orientation of a dataset.
    Orientations {
        /// Path of the dataset.
        path: PathBuf,
        /// The scores; `None` if the dataset has too few patterns.
        found: Option<Arc<Orientations>>,
    },
    /// A bundle.
    Bundle {
        /// Path of the bundle.
        path: PathBuf,
        /// Its manifest.
        manifest: Box<Manifest>,
        /// Its configuration.
        config: Box<Config>,
    },
    /// A configuration.
    Config {
        /// Path of the file.
        path: PathBuf,
        /// The preset with the settings of the file applied.
        config: Box<Config>,
        /// True if the file only says how data are read: a set-up of an instrument.
        only_data: bool,
        /// Remarks for the user.
        notes: Vec<String>,
    },
    /// Result of a run.
    Result {
        /// The result.
        result: Arc<ResultData>,
        /// As in the request.
        beside: bool,
    },
    /// The folder requested as a run contains training data.
    IsDataset {
        /// Path of the folder.
        path: PathBuf,
    },
    /// Runs, newest first.
    Runs(Vec<RunInfo>),
    /// The user's presets, sorted by name.
    Presets(Vec<UserPreset>),
    /// Path of the example dataset.
    Example(PathBuf),
    /// A file was written.
    Written {
        /// Path of the file.
        path: PathBuf,
    },
    /// Preview of a simulation, or the reason why there is none; in the order of the requests.
    SimulationPreview(Result<Arc<simulate::Preview>, Failure>),
    /// The latest list of runs is out of date.
    RunsChanged,
    /// A request failed.
    Failed {
        /// Path of the file or folder requested.
        path: PathBuf,
        /// Reason.
        failure: Failure,
    },
}

/// Stage of the preview of a dataset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PreviewStage {
    /// A rough object is computed.
    Object,
    /// The scan orientations are compared.
    Orientations,
}
