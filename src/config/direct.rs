//! The object without a network.

use super::field::{Field, Kind, choice, integer};
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
    /// Whether the probe is refined too.
    pub refine_probe: bool,
}

impl Default for DirectConfig {
    fn default() -> Self {
        Self { epochs: 40, regularization: 0.01, loss: DirectLoss::Amplitude, refine_probe: false }
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
        path: "direct.refine_probe",
        label: "Refine the probe",
        help: "Whether the probe is refined while all patterns are taken together.",
        unit: "",
        flag: None,
        kind: Kind::Flag,
    },
];
