//! What came of judging: plain data, as written with `--json`.

use crate::data::Reconstruction;
use crate::metrics::{Aligned, Evaluation, FrcCrossings, OverlapMetrics, Placement, RingCorrelation};
use serde::Serialize;
use std::path::PathBuf;

/// Reconstructions judged by one dataset and one known object.
#[derive(Debug, Clone, Serialize)]
pub struct Comparison {
    /// Version of the program.
    pub version: String,
    /// The dataset the reconstructions were made from.
    pub dataset: Option<DatasetFacts>,
    /// What they are compared with.
    pub reference: Option<ReferenceFacts>,
    /// How they were placed over it.
    pub placement: Placement,
    /// One for each reconstruction, in the order given.
    pub reconstructions: Vec<Judged>,
    /// Overlap of the scan.
    pub overlap: Option<OverlapMetrics>,
    /// What a person should know.
    pub notes: Vec<String>,
}

/// The dataset of a comparison.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DatasetFacts {
    /// The file.
    pub path: PathBuf,
    /// SHA-256 of the file.
    pub fingerprint: String,
    /// Number of patterns.
    pub n: usize,
    /// Side of a pattern, pixels.
    #[serde(rename = "N")]
    pub side: usize,
}

/// What reconstructions are compared with.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ReferenceFacts {
    /// The file.
    pub path: PathBuf,
    /// In words: the dataset's object, or a reconstruction.
    pub what: String,
    /// Rows and columns.
    pub shape: [usize; 2],
}

/// One reconstruction and what was found about it; a value that cannot be had is none.
#[derive(Debug, Clone, Serialize)]
pub struct Judged {
    /// Short name, different from all others.
    pub name: String,
    /// The file.
    pub path: PathBuf,
    /// Rows and columns.
    pub shape: [usize; 2],
    /// Dataset coordinates (x, y) of the centre of pixel [0, 0].
    pub origin_xy: [f64; 2],
    /// Side of a pixel in metres, if known.
    pub pixel_size_m: Option<f64>,
    /// Σ(|F| − √I)² / ΣI against the patterns; no scale is fitted.
    pub consistency_r: Option<f64>,
    /// Correlation of the phase with the known object, placed by origin, gauge removed: the project's own measure.
    pub phase_correlation: Option<f64>,
    /// Correlation of the amplitude.
    pub amplitude_correlation: Option<f64>,
    /// All measures against the known object.
    pub evaluation: Option<Evaluation>,
    /// Agreement of the halves of the data.
    pub split_half: Option<SplitHalf>,
    /// What a person should know about this one.
    pub notes: Vec<String>,
    /// Loss of each epoch of its training: (epoch, loss).
    #[serde(skip)]
    pub losses: Vec<[f64; 2]>,
    /// The object, for pictures.
    #[serde(skip)]
    pub reconstruction: Reconstruction,
    /// The object laid over the known one, for pictures.
    #[serde(skip)]
    pub aligned: Option<Aligned>,
}

/// Ring correlation of two reconstructions from disjoint halves of the data.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SplitHalf {
    /// The curve.
    pub frc: RingCorrelation,
    /// Its crossings.
    pub frc_crossings: FrcCrossings,
}
