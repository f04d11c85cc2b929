//! Device and seeds.

use super::field::{Field, Kind, integer};
use serde::{Deserialize, Serialize};

/// Which device is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Accelerator {
    /// The best hardware adapter, else the CPU, announced as reduced capability.
    #[default]
    Auto,
    /// A hardware adapter, or an error.
    #[serde(alias = "cuda")]
    Gpu,
    /// Any wgpu adapter, software rasterisers included, or an error.
    Wgpu,
    /// The CPU backend.
    Cpu,
}

/// One seed per purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Seeds {
    /// Initial weights.
    pub weights: u64,
    /// Choice of patterns kept before grouping.
    pub subsample: u64,
    /// Choice of groups.
    pub grouping: u64,
    /// Order of the groups in each epoch.
    pub shuffle: u64,
    /// Simulations: object, scan and noise.
    pub noise: u64,
}

impl Seeds {
    /// The same seed for every purpose: what `--seed` sets.
    pub fn all(seed: u64) -> Self {
        Self { weights: seed, subsample: seed, grouping: seed, shuffle: seed, noise: seed }
    }
}

impl Default for Seeds {
    fn default() -> Self {
        Self::all(42)
    }
}

/// Device and seeds.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ExecutionConfig {
    /// Which device is asked for.
    pub accelerator: Accelerator,
    /// One seed per purpose.
    pub seeds: Seeds,
}

const SEED: Kind = integer(0, i64::MAX);

/// Metadata of every field above.
pub(super) const FIELDS: &[Field] = &[
    Field {
        path: "execution.accelerator",
        label: "Device",
        help: "Which device is asked for.",
        unit: "",
        flag: Some("--accelerator"),
        kind: Kind::Choice {
            options: &[
                ("auto", "the best hardware adapter, else the CPU, announced as reduced capability"),
                ("gpu", "a hardware adapter, or an error"),
                ("wgpu", "any wgpu adapter, software rasterisers included, or an error"),
                ("cpu", "the CPU backend"),
            ],
            aliases: &[("cuda", "gpu"), ("mps", "gpu")],
        },
    },
    Field {
        path: "execution.seeds.weights",
        label: "Seed of the weights",
        help: "Seed of the initial weights; --seed sets all seeds.",
        unit: "",
        flag: None,
        kind: SEED,
    },
    Field {
        path: "execution.seeds.subsample",
        label: "Seed of the subsample",
        help: "Seed of the choice of patterns kept before grouping; --seed sets all seeds.",
        unit: "",
        flag: None,
        kind: SEED,
    },
    Field {
        path: "execution.seeds.grouping",
        label: "Seed of the groups",
        help: "Seed of the choice of groups; --seed sets all seeds.",
        unit: "",
        flag: None,
        kind: SEED,
    },
    Field {
        path: "execution.seeds.shuffle",
        label: "Seed of the order",
        help: "Seed of the order of the groups in each epoch; --seed sets all seeds.",
        unit: "",
        flag: None,
        kind: SEED,
    },
    Field {
        path: "execution.seeds.noise",
        label: "Seed of simulations",
        help: "Seed of object, scan and noise of simulations; --seed sets all seeds.",
        unit: "",
        flag: None,
        kind: SEED,
    },
];
