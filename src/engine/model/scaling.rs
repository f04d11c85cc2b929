//! Factors between the units of a dataset and those of the network.

use serde::{Deserialize, Serialize};

/// Factors between the dataset's units and the network's: `X = normalization · amplitude`, `P' = probe_factor · P`, so
/// the network's object is `normalization / probe_factor` times the object in the dataset's units.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scaling {
    /// Factor of the diffraction amplitude (A§3.1).
    pub normalization: f64,
    /// Factor of the probe (A§3.4).
    pub probe_factor: f64,
    /// Photons per pattern assumed by the loss.
    pub nphotons: f64,
}
