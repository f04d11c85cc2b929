//! The object without a network.

use super::field::{Field, Kind, choice, integer, optional_integer};
use serde::{Deserialize, Serialize};

/// What is made small.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DirectLoss {
    /// Squared difference of amplitudes: the noise of counts is the same for all.
    #[default]
    Amplitude,
    /// Poisson likelihood of the counts.
    Poisson,
}

/// How the direct solver works.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DirectConfig {
    /// Passes over the patterns.
    pub epochs: usize,
    /// Share of the strongest illumination that is added everywhere.
    pub regularization: f64,
    /// What is made small.
    pub loss: DirectLoss,
    /// Weight of the total variation of the object, as a share of the strongest illumination; 0 = none.
    pub total_variation: f64,
    /// Whether the probe is refined too.
    pub refine_probe: bool,
    /// Incoherent modes of the refined probe; none = as many as the dataset has.
    #[serde(with = "super::optional")]
    pub probe_modes: Option<usize>,
    /// Whether the positions are refined too.
    pub refine_positions: bool,
    /// How far a refined position may go from where the dataset has it, pixels.
    pub max_shift: f64,
    /// Whether the intensity of each pattern is refined too.
    pub refine_intensity: bool,
}

impl Default for DirectConfig {
    fn default() -> Self {
        Self {
            epochs: 40,
            regularization: 0.01,
            loss: DirectLoss::Amplitude,
            total_variation: 0.0,
            refine_probe: false,
            probe_modes: None,
            refine_positions: false,
            max_shift: 4.0,
            refine_intensity: false,
        }
    }
}

/// What is known about each field.
pub(super) const FIELDS: &[Field] = &[
    Field {
        path: "direct.epochs",
        label: "Epochs",
        help: "Passes over the patterns.",
        unit: "",
        flag: Some("--direct-epochs"),
        kind: integer(1, 100_000),
    },
    Field {
        path: "direct.regularization",
        label: "Regularisation",
        help: "Share of the strongest illumination that is added everywhere, so that dim places stay calm.",
        unit: "",
        flag: None,
        kind: Kind::Real { min: 0.0, min_included: false, max: 1.0, optional: false },
    },
    Field {
        path: "direct.loss",
        label: "Misfit",
        help: "What is made small.",
        unit: "",
        flag: None,
        kind: choice(&[
            ("amplitude", "squared difference of amplitudes"),
            ("poisson", "Poisson likelihood of the counts"),
        ]),
    },
    Field {
        path: "direct.total_variation",
        label: "Total variation",
        help: "Weight of the total variation of the object, as a share of the strongest illumination; 0 for none.",
        unit: "",
        flag: None,
        kind: Kind::Real { min: 0.0, min_included: true, max: 1.0, optional: false },
    },
    Field {
        path: "direct.refine_probe",
        label: "Refine the probe",
        help: "Whether the probe is refined with the object; its power stays what it was.",
        unit: "",
        flag: Some("--refine-probe"),
        kind: Kind::Flag,
    },
    Field {
        path: "direct.probe_modes",
        label: "Probe modes",
        help: "Incoherent modes of the refined probe; none takes as many as the dataset has.",
        unit: "modes",
        flag: None,
        kind: optional_integer(1, 10),
    },
    Field {
        path: "direct.refine_positions",
        label: "Refine the positions",
        help: "Whether the positions are refined with the object.",
        unit: "",
        flag: Some("--refine-positions"),
        kind: Kind::Flag,
    },
    Field {
        path: "direct.max_shift",
        label: "Largest shift",
        help: "How far a refined position may go from where the dataset has it.",
        unit: "px",
        flag: None,
        kind: Kind::Real { min: 0.0, min_included: false, max: 64.0, optional: false },
    },
    Field {
        path: "direct.refine_intensity",
        label: "Refine the intensity",
        help: "Whether the intensity of each pattern is refined with the object: an unsteady beam.",
        unit: "",
        flag: Some("--refine-intensity"),
        kind: Kind::Flag,
    },
];
