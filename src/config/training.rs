//! How the network is trained (A§5.6, A§6).

use super::field::{Field, Kind, choice, integer, optional_integer};
use serde::{Deserialize, Serialize};

/// What is minimised.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LossKind {
    /// Poisson deviance of counts.
    #[default]
    Poisson,
    /// Mean absolute error of the amplitude.
    Mae,
}

/// Learning rate over the whole training.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Schedule {
    /// Half a cosine from the full rate to 2 % of it, over the epochs or the time budget, whichever is given.
    #[default]
    Cosine,
    /// The same rate throughout.
    Constant,
    /// Times 0.95 each epoch.
    Exponential,
}

/// What finds the object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    /// A network that learns the physics, and then reconstructs any pattern at once.
    #[default]
    Network,
    /// A gradient solver, without a network.
    Direct,
}

/// How the network is trained.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TrainingConfig {
    /// What finds the object.
    pub method: Method,
    /// Number of epochs; none = until the time budget is used.
    #[serde(with = "super::optional")]
    pub epochs: Option<usize>,
    /// Seconds of training, after which it ends with its result; none = no limit.
    #[serde(with = "super::optional")]
    pub time_budget_s: Option<f64>,
    /// Groups per step.
    pub batch_size: usize,
    /// Initial learning rate of Adam.
    pub learning_rate: f64,
    /// Steps over which the learning rate rises to its initial value; 0 = none.
    pub warmup_steps: usize,
    /// Learning rate over the whole training.
    pub schedule: Schedule,
    /// What is minimised.
    pub loss: LossKind,
    /// Share of the loss that judges the merged neighbourhood instead of each patch alone; 0 = patches alone.
    pub overlap_weight: f64,
    /// Share of the training that learns from the direct solution, fading into the physics; 0 = none.
    pub teacher_share: f64,
    /// Photons per pattern that the Poisson loss assumes; none = from the file, else its counts.
    #[serde(with = "super::optional")]
    pub nphotons: Option<f64>,
    /// Largest norm of the whole gradient; 0 = no clipping.
    pub gradient_clip: f64,
    /// Epochs between autosaves of the bundle; 0 = only at the end.
    pub autosave_epochs: usize,
    /// Least seconds between two autosaves, so that short epochs do not spend their time on writing; 0 = none.
    pub autosave_interval_s: f64,
}

impl Default for TrainingConfig {
    fn default() -> Self {
        Self {
            method: Method::Network,
            epochs: None,
            time_budget_s: Some(110.0),
            batch_size: 8,
            learning_rate: 1e-3,
            warmup_steps: 60,
            schedule: Schedule::Cosine,
            loss: LossKind::Poisson,
            overlap_weight: 0.9,
            teacher_share: 0.8,
            nphotons: None,
            gradient_clip: 1.0,
            autosave_epochs: 1,
            autosave_interval_s: 5.0,
        }
    }
}

/// Metadata of every field above.
pub(super) const FIELDS: &[Field] = &[
    Field {
        path: "training.method",
        label: "Method",
        help: "What finds the object.",
        unit: "",
        flag: Some("--method"),
        kind: Kind::Choice {
            options: &[
                ("network", "a network that learns the physics, and then reconstructs any pattern at once"),
                ("direct", "a gradient solver, without a network"),
            ],
            aliases: &[("pinn", "network")],
        },
    },
    Field {
        path: "training.teacher_share",
        label: "Teacher",
        help: "Share of the training that learns from the direct solution, fading into the physics; 0 for none.",
        unit: "",
        flag: Some("--teacher-share"),
        kind: Kind::Real { min: 0.0, min_included: true, max: 1.0, optional: false },
    },
    Field {
        path: "training.epochs",
        label: "Epochs",
        help: "Number of epochs; none trains until the time budget is used.",
        unit: "epochs",
        flag: Some("--epochs"),
        kind: optional_integer(1, i64::MAX),
    },
    Field {
        path: "training.time_budget_s",
        label: "Time budget",
        help: "Time of training, after which it ends with its result; none sets no limit.",
        unit: "s",
        flag: Some("--time-budget"),
        kind: Kind::Real { min: 0.0, min_included: false, max: f64::INFINITY, optional: true },
    },
    Field {
        path: "training.batch_size",
        label: "Batch size",
        help: "Groups per step.",
        unit: "groups",
        flag: Some("--batch-size"),
        kind: integer(1, 65536),
    },
    Field {
        path: "training.learning_rate",
        label: "Learning rate",
        help: "Initial learning rate of Adam.",
        unit: "",
        flag: Some("--learning-rate"),
        kind: Kind::Real { min: 0.0, min_included: false, max: 10.0, optional: false },
    },
    Field {
        path: "training.warmup_steps",
        label: "Warm-up",
        help: "Steps over which the learning rate rises linearly to its initial value, so that the first gradients do not \
               switch units off for good; 0 for none.",
        unit: "steps",
        flag: Some("--warmup-steps"),
        kind: integer(0, 1_000_000),
    },
    Field {
        path: "training.schedule",
        label: "Schedule",
        help: "Learning rate over the whole training.",
        unit: "",
        flag: Some("--scheduler"),
        kind: Kind::Choice {
            options: &[
                ("cosine", "half a cosine to 2 % of the rate, over the epochs or the time budget"),
                ("constant", "the same rate throughout"),
                ("exponential", "times 0.95 each epoch"),
            ],
            aliases: &[("default", "constant"), ("cosineannealing", "cosine")],
        },
    },
    Field {
        path: "training.loss",
        label: "Loss",
        help: "What is minimised.",
        unit: "",
        flag: Some("--loss"),
        kind: choice(&[("poisson", "Poisson deviance of counts"), ("mae", "mean absolute error of the amplitude")]),
    },
    Field {
        path: "training.overlap_weight",
        label: "Overlap weight",
        help: "Share of the loss that judges the merged neighbourhood of a batch instead of each patch alone; 0 shuffles \
               freely and judges patches alone, as the reference does.",
        unit: "",
        flag: Some("--overlap-weight"),
        kind: Kind::Real { min: 0.0, min_included: true, max: 1.0, optional: false },
    },
    Field {
        path: "training.nphotons",
        label: "Photons per pattern",
        help: "Photons per pattern that the Poisson loss assumes; none takes them from the file, else its counts.",
        unit: "photons",
        flag: Some("--nphotons"),
        kind: Kind::Real { min: 0.0, min_included: false, max: f64::INFINITY, optional: true },
    },
    Field {
        path: "training.gradient_clip",
        label: "Gradient clipping",
        help: "Largest norm of the whole gradient; 0 does not clip.",
        unit: "",
        flag: Some("--gradient-clip"),
        kind: Kind::Real { min: 0.0, min_included: true, max: f64::INFINITY, optional: false },
    },
    Field {
        path: "training.autosave_epochs",
        label: "Autosave",
        help: "Epochs between autosaves of the bundle; 0 saves only at the end.",
        unit: "epochs",
        flag: None,
        kind: integer(0, 1_000_000),
    },
    Field {
        path: "training.autosave_interval_s",
        label: "Autosave interval",
        help: "Least time between two autosaves, so that short epochs do not spend theirs on writing; 0 for none.",
        unit: "s",
        flag: None,
        kind: Kind::Real { min: 0.0, min_included: true, max: f64::INFINITY, optional: false },
    },
];
