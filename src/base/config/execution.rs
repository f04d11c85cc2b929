//! Device and seeds.

use super::field::{Field, Kind, field, integer};
use serde::{Deserialize, Serialize};

/// Compute device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Accelerator {
    /// The best GPU, else the CPU, reported as reduced capability.
    #[default]
    Auto,
    /// A GPU, or an error.
    #[serde(alias = "cuda")]
    Gpu,
    /// Any wgpu adapter, including software rasterizers, or an error.
    Wgpu,
    /// The CPU backend.
    Cpu,
}

/// Seeds of the random numbers, one per purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Seeds {
    /// Initial weights.
    pub weights: u64,
    /// Choice of the patterns used.
    pub subsample: u64,
    /// Choice of groups.
    pub grouping: u64,
    /// Order of the groups in each epoch.
    pub shuffle: u64,
    /// Simulations: object, scan and noise.
    pub noise: u64,
}

impl Seeds {
    /// The same seed for every purpose, as set by `--seed`.
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
    /// Compute device.
    pub accelerator: Accelerator,
    /// Seeds of the random numbers.
    pub seeds: Seeds,
}

/// Declarations of the fields of [`ExecutionConfig`].
pub(super) const FIELDS: &[Field] = &[
    field(
        "execution.accelerator",
        "Device",
        Kind::Choice {
            options: &[
                ("auto", "the best GPU, else the CPU (reported as reduced capability)"),
                ("gpu", "a GPU, or an error"),
                ("wgpu", "any wgpu adapter, including software rasterizers, or an error"),
                ("cpu", "the CPU backend"),
            ],
            aliases: &[("cuda", "gpu"), ("mps", "gpu")],
        },
        "Compute device.",
    )
    .flag("--accelerator")
    .in_inference(),
    seed("execution.seeds.weights", "Weight seed", "Seed of the initial weights; --seed sets all seeds."),
    seed("execution.seeds.subsample", "Subsample seed", "Seed of the choice of patterns; --seed sets all seeds."),
    seed("execution.seeds.grouping", "Grouping seed", "Seed of the choice of groups; --seed sets all seeds."),
    seed(
        "execution.seeds.shuffle",
        "Shuffling seed",
        "Seed of the order of the groups in each epoch; --seed sets all seeds.",
    ),
    seed(
        "execution.seeds.noise",
        "Simulation seed",
        "Seed of object, scan and noise of a simulation; --seed sets all seeds.",
    ),
];

const fn seed(path: &'static str, label: &'static str, help: &'static str) -> Field {
    field(path, label, integer(0, i64::MAX), help).in_inference()
}
