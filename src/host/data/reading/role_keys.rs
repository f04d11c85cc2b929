//! Roles of the arrays of a file: which key holds the patterns, the positions, the probe, the object and the mask.

use super::geometry::Geometry;
use super::units::Quantity;
use super::verdict::Verdict;
use crate::config::{MaskGood, PositionOrder};

/// Failed verdicts on metadata, by the quantity concerned; a configured value makes them irrelevant.
pub(super) type Problems = Vec<(Quantity, Verdict)>;

/// Source of the scan positions.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum PositionKeys {
    /// One array per coordinate.
    Pair { x: String, y: String },
    /// Arrays of both coordinates, one per part of the scan.
    Both { keys: Vec<String>, order: PositionOrder },
    /// Raster with this step, for patterns stored as a grid; no positions are stored.
    Raster { patterns: String, step: f64 },
}

/// Unit of the stored positions.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(in crate::data) enum Unit {
    /// Object pixels.
    Px,
    /// Length of the unit in meters.
    Meters(f64),
    /// Not stated; judged from the step of the scan.
    Unknown,
}

/// Keys of the arrays by role, and the metadata of the file.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Roles {
    /// Name of the format, such as "CXI file".
    pub format: &'static str,
    /// Consecutive parts of the scan.
    pub diffraction: Vec<String>,
    pub positions: Option<PositionKeys>,
    pub unit: Unit,
    /// Unit of the positions as the file states it.
    pub stated_unit: Option<String>,
    /// True if the format defines the patterns as intensities, whatever their type.
    pub holds_counts: bool,
    /// What is wrong with the metadata of the file, by the quantity concerned.
    pub problems: Problems,
    /// Rows: weights of the stored (x, y) in column and row; usually the unit matrix.
    pub axes: [[f64; 2]; 2],
    pub probe: Option<String>,
    /// Real and imaginary part of the probe, if they are two arrays.
    pub probe_parts: Option<[String; 2]>,
    pub object: Option<String>,
    pub mask: Option<(String, MaskGood)>,
    /// Further parts of the mask, if each part of the scan has its own.
    pub more_masks: Vec<String>,
    /// True if the mask has CXI bits unless configured otherwise.
    pub cxi_mask: bool,
    /// Dark patterns (without beam) to subtract.
    pub dark: Option<String>,
    /// Response to a uniform illumination to divide by.
    pub flat: Option<String>,
    /// Counts of every pattern besides the diffraction of the object.
    pub background: Option<String>,
    pub geometry: Geometry,
    /// (x, y) of the object's center, m: relates positions in meters to the pixels of the object.
    pub object_center_m: Option<[f64; 2]>,
    /// (W/2, H/2) of the object, pixels.
    pub object_half_px: Option<[f64; 2]>,
}

impl Default for Roles {
    fn default() -> Self {
        Self {
            format: "dataset",
            diffraction: Vec::new(),
            positions: None,
            unit: Unit::Px,
            stated_unit: None,
            holds_counts: false,
            problems: Vec::new(),
            axes: [[1.0, 0.0], [0.0, 1.0]],
            probe: None,
            probe_parts: None,
            object: None,
            mask: None,
            more_masks: Vec::new(),
            cxi_mask: false,
            dark: None,
            flat: None,
            background: None,
            geometry: Geometry::default(),
            object_center_m: None,
            object_half_px: None,
        }
    }
}
