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
    /// Patterns per batch in the first part.
    pub batch_size: usize,
    /// Share of the epochs that work in batches; the rest takes all patterns together.
    pub batched_share: f64,
    /// Step in batches, as a share of the safe one.
    pub step: f64,
    /// What a batch carries over of the step before.
    pub momentum: f64,
    /// Share of the strongest illumination that is added everywhere.
    pub regularization: f64,
    /// What is made small.
    pub loss: DirectLoss,
    /// Whether the probe is refined too.
    pub refine_probe: bool,
}

impl Default for DirectConfig {
    fn default() -> Self {
        Self {
            epochs: 40,
            batch_size: 32,
            batched_share: 0.4,
            step: 0.9,
            momentum: 0.5,
            regularization: 0.01,
            loss: DirectLoss::Amplitude,
            refine_probe: false,
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
        path: "direct.batch_size",
        label: "Batch size",
        help: "Patterns per step in the first part, drawn from all over the scan.",
        unit: "patterns",
        flag: None,
        kind: integer(1, 1 << 20),
    },
    Field {
        path: "direct.batched_share",
        label: "Share in batches",
        help: "Share of the epochs that work in batches; the rest takes all patterns together.",
        unit: "",
        flag: None,
        kind: Kind::Real { min: 0.0, min_included: true, max: 1.0, optional: false },
    },
    Field {
        path: "direct.step",
        label: "Step",
        help: "Step in batches, as a share of the one that is safe by itself.",
        unit: "",
        flag: None,
        kind: Kind::Real { min: 0.0, min_included: false, max: 2.0, optional: false },
    },
    Field {
        path: "direct.momentum",
        label: "Momentum",
        help: "What a batch carries over of the step before; 0 also switches the acceleration of the second part off.",
        unit: "",
        flag: None,
        kind: Kind::Real { min: 0.0, min_included: true, max: 0.99, optional: false },
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
