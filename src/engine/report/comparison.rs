//! Results of an evaluation as plain data; `--json` writes them.

use crate::data::Reconstruction;
use crate::metrics::{Aligned, Evaluation, FrcCrossings, OverlapMetrics, Placement, RingCorrelation};
use serde::Serialize;
use std::path::PathBuf;

/// Reconstructions evaluated with one dataset and one reference object.
#[derive(Debug, Clone, Serialize)]
pub struct Comparison {
    /// Version of the program.
    pub version: String,
    /// Dataset of the reconstructions.
    pub dataset: Option<DatasetFacts>,
    /// Reference object, if there is one.
    pub reference: Option<ReferenceFacts>,
    /// Method of placing them over the reference object.
    pub placement: Placement,
    /// Metrics of each reconstruction, in the order given.
    pub reconstructions: Vec<ReconstructionMetrics>,
    /// Overlap of the scan.
    pub overlap: Option<OverlapMetrics>,
    /// Notes for the user.
    pub notes: Vec<String>,
}

impl Comparison {
    /// General notes, then those of each reconstruction after its name.
    pub fn all_notes(&self) -> Vec<String> {
        let each = self.reconstructions.iter();
        let each = each.flat_map(|one| one.notes.iter().map(|note| format!("{}: {note}", one.name)));
        self.notes.iter().cloned().chain(each).collect()
    }
}

/// The dataset of a comparison.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DatasetFacts {
    /// Path of the file.
    #[serde(with = "crate::system::path_text")]
    pub path: PathBuf,
    /// SHA-256 of the file.
    pub fingerprint: String,
    /// Number of patterns.
    pub n: usize,
    /// Side of a pattern, in pixels.
    #[serde(rename = "N")]
    pub side: usize,
}

/// The reference object of a comparison.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ReferenceFacts {
    /// Path of the file.
    #[serde(with = "crate::system::path_text")]
    pub path: PathBuf,
    /// Kind of reference, as text: the object in the dataset, or a reconstruction.
    pub what: String,
    /// Rows and columns.
    pub shape: [usize; 2],
}

/// One reconstruction with its metrics; `None` where a metric cannot be computed.
#[derive(Debug, Clone, Serialize)]
pub struct ReconstructionMetrics {
    /// Short unique name.
    pub name: String,
    /// Path of the file.
    #[serde(with = "crate::system::path_text")]
    pub path: PathBuf,
    /// Rows and columns.
    pub shape: [usize; 2],
    /// Dataset coordinates (x, y) of the center of pixel [0, 0].
    pub origin_xy: [f64; 2],
    /// Side of a pixel in meters, if known.
    pub pixel_size_m: Option<f64>,
    /// Misfit Σ(|F| − √I)² / ΣI to the patterns, without fitting a scale.
    pub consistency_r: Option<f64>,
    /// Phase correlation with the reference object, placed by origin, after removing global phase and linear ramp.
    pub phase_correlation: Option<f64>,
    /// Amplitude correlation with the reference object.
    pub amplitude_correlation: Option<f64>,
    /// All other metrics with respect to the reference object.
    pub evaluation: Option<Evaluation>,
    /// Agreement of reconstructions from two halves of the data.
    pub split_half: Option<SplitHalf>,
    /// Notes on this reconstruction.
    pub notes: Vec<String>,
    /// Training history: (epoch, training loss).
    #[serde(skip)]
    pub losses: Vec<[f64; 2]>,
    /// The object, for images.
    #[serde(skip)]
    pub reconstruction: Reconstruction,
    /// The object aligned with the reference object, for images.
    #[serde(skip)]
    pub aligned: Option<Aligned>,
}

/// Fourier ring correlation (FRC) of two reconstructions from disjoint halves of the data.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SplitHalf {
    /// FRC as a function of spatial frequency.
    pub frc: RingCorrelation,
    /// Spatial frequencies at which it falls below the thresholds.
    pub frc_crossings: FrcCrossings,
}
