//! Results in run folders.

use crate::checkpoint::RunFolder;
use crate::config::Config;
use crate::data::{self, Dataset, Reconstruction, Refined};
use crate::error::{Problem, Result};
use crate::imaging;
use crate::metrics;
use crate::train::History;
use crate::worker::message::EpochPoint;
use ndarray::Array2;
use num_complex::Complex32;
use serde_json::Value;
use std::path::{Path, PathBuf};

/// The stitched object of a run.
#[derive(Debug, Clone, PartialEq)]
pub struct RunObject {
    /// The object with its coverage.
    pub reconstruction: Reconstruction,
    /// (H, W) true for illuminated pixels.
    pub covered: Array2<bool>,
}

/// The result in a run folder.
#[derive(Debug, Clone, PartialEq)]
pub struct ResultData {
    /// Path of the run folder.
    pub folder: PathBuf,
    /// The stitched object with its coverage.
    pub reconstruction: Reconstruction,
    /// (H, W) true for illuminated pixels.
    pub covered: Array2<bool>,
    /// (H, W) reference object of the dataset, cropped to the frame of the result; NaN outside of it.
    pub truth: Option<Array2<Complex32>>,
    /// Content of `summary.json`, if present.
    pub summary: Option<Value>,
    /// Content of `history.csv`; empty if absent.
    pub history: Vec<EpochPoint>,
    /// Scan positions `(x, y)` in dataset coordinates; empty if the dataset is missing.
    pub positions: Vec<[f64; 2]>,
    /// Misfit Σ(|F| − √I)² / ΣI of each pattern, in the order of `positions`.
    pub residuals: Vec<f64>,
    /// What the solver refined besides the object; `None` if nothing.
    pub refined: Option<Refined>,
    /// Positions before the refinement, in the order of `positions`; empty if they were not refined.
    pub nominal: Vec<[f64; 2]>,
    /// Largest shift that the refinement allowed, pixels.
    pub max_shift: f64,
}

impl ResultData {
    /// Shift of each position by the refinement, pixels; empty if there was none.
    pub fn shifts(&self) -> Vec<[f64; 2]> {
        self.positions.iter().zip(&self.nominal).map(|(to, from)| [to[0] - from[0], to[1] - from[1]]).collect()
    }

    /// Path of the dataset, if the summary of the run names it.
    pub fn dataset(&self) -> Option<&Path> {
        self.summary.as_ref()?.pointer("/dataset/path")?.as_str().map(Path::new)
    }
}

/// Reads the stitched object of a run.
///
/// # Errors
/// The file is missing or damaged.
pub(super) fn read_object(folder: &Path) -> Result<RunObject> {
    let reconstruction = Reconstruction::load(&RunFolder::at(folder).reconstruction())?;
    let covered = imaging::covered_mask(reconstruction.coverage.view(), imaging::COVERED_FRACTION);
    Ok(RunObject { reconstruction, covered })
}

/// Reads the result in a run folder and, if its dataset still exists, compares the two.
///
/// # Errors
/// The stitched object is missing or damaged.
pub(super) fn read(folder: &Path) -> Result<ResultData> {
    let (folder, file) = match folder.extension() {
        Some(extension) if extension == "npz" => {
            (folder.parent().unwrap_or(folder).to_path_buf(), folder.to_path_buf())
        }
        _ => (folder.to_path_buf(), RunFolder::at(folder).reconstruction()),
    };
    if !file.exists() {
        return Err(Problem::new("The run folder contains no stitched object")
            .expected("a file reconstruction.npz, as written by `run` and `infer`")
            .hint("Choose another run, or reconstruct with the model of this one")
            .at(folder)
            .into());
    }
    let names = RunFolder::at(&folder);
    let reconstruction = Reconstruction::load(&file)?;
    let covered = imaging::covered_mask(reconstruction.coverage.view(), imaging::COVERED_FRACTION);
    let mut data = ResultData {
        reconstruction,
        covered,
        truth: None,
        summary: read_json(&names.summary()),
        history: read_history(&names.history()),
        positions: Vec::new(),
        residuals: Vec::new(),
        refined: None,
        nominal: Vec::new(),
        max_shift: 0.0,
        folder,
    };
    let Some(path) = data.dataset().map(Path::to_path_buf) else { return Ok(data) };
    let config = Config::load(names.config()).unwrap_or_default();
    // Without its dataset the result is shown without the comparison.
    if let Ok(mut dataset) = Dataset::load(&path, &config.data, config.execution.seeds.subsample) {
        let refined = Refined::load(&file)?;
        if refined.positions.is_some() {
            data.nominal.clone_from(&dataset.positions);
        }
        refined.apply(&mut dataset);
        data.refined = Some(refined).filter(|refined| !refined.is_empty());
        data.max_shift = config.direct.max_shift;
        let object = data.reconstruction.object.view();
        let origin = data.reconstruction.origin_xy;
        let corner = origin.map(|at| at.round() as i64);
        let unknown = Complex32::new(f32::NAN, f32::NAN);
        data.truth = dataset.object.as_ref().map(|truth| data::crop_to_frame(truth, corner, object.dim(), unknown));
        data.residuals = metrics::pattern_residuals(object, origin, &dataset.measured()).unwrap_or_default();
        data.positions = dataset.positions;
    }
    Ok(data)
}

/// Content of a JSON file; `None` if it cannot be read.
pub(super) fn read_json(path: &Path) -> Option<Value> {
    serde_json::from_slice(&std::fs::read(path).ok()?).ok()
}

/// Epochs in a `history.csv`; empty if it cannot be read.
pub(super) fn read_history(path: &Path) -> Vec<EpochPoint> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    History::from_csv(&text).unwrap_or_default().0
}
