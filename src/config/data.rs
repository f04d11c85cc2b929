//! What is read from the dataset and how it is grouped (A§2).

use super::field::{Field, Kind, choice, integer, optional_integer};
use serde::{Deserialize, Serialize};

/// What the numbers in the diffraction array are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DiffractionUnit {
    /// Integers are counts, floating point numbers are amplitude.
    #[default]
    Auto,
    /// Amplitude: square root of the counts.
    Amplitude,
    /// Counts (intensity): the root is taken on reading.
    Counts,
}

/// Which scan points become the seeds of groups when fewer groups than points are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sampling {
    /// Drawn at random with the grouping seed.
    #[default]
    Random,
    /// The first points in file order.
    Sequential,
}

/// What is read from the dataset and how it is grouped.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DataConfig {
    /// What the numbers in the diffraction array are.
    pub diffraction_unit: DiffractionUnit,
    /// Number of patterns kept before grouping; none = all.
    #[serde(with = "super::optional")]
    pub n_subsample: Option<usize>,
    /// Number of groups built; none = one for each pattern kept.
    #[serde(with = "super::optional")]
    pub n_groups: Option<usize>,
    /// How seeds of groups are chosen when there are fewer groups than patterns.
    pub sampling: Sampling,
    /// Nearest neighbours a group is drawn from (gridsize > 1).
    pub neighbor_count: usize,
    /// Whether the seed pattern belongs to its own group; the reference leaves it out.
    pub seed_in_group: bool,
    /// Permit more groups than patterns (gridsize > 1), from combinations of neighbours.
    pub enable_oversampling: bool,
    /// Fraction of the patterns held back to compute a validation loss; 0 = none.
    pub validation_fraction: f64,
}

impl Default for DataConfig {
    fn default() -> Self {
        Self {
            diffraction_unit: DiffractionUnit::Auto,
            n_subsample: None,
            n_groups: None,
            sampling: Sampling::Random,
            neighbor_count: 8,
            seed_in_group: true,
            enable_oversampling: false,
            validation_fraction: 0.0,
        }
    }
}

/// Metadata of every field above.
pub(super) const FIELDS: &[Field] = &[
    Field {
        path: "data.diffraction_unit",
        label: "Diffraction unit",
        help: "What the numbers in the diffraction array are.",
        unit: "",
        flag: Some("--diffraction-unit"),
        kind: choice(&[
            ("auto", "integers are counts, floating point numbers are amplitude"),
            ("amplitude", "square root of the counts"),
            ("counts", "intensity: the root is taken on reading"),
        ]),
    },
    Field {
        path: "data.n_subsample",
        label: "Patterns kept",
        help: "Number of patterns kept before grouping; none keeps all.",
        unit: "patterns",
        flag: Some("--n-subsample"),
        kind: optional_integer(1, i64::MAX),
    },
    Field {
        path: "data.n_groups",
        label: "Groups",
        help: "Number of groups built; none builds one for each pattern kept.",
        unit: "groups",
        flag: Some("--n-groups"),
        kind: optional_integer(1, i64::MAX),
    },
    Field {
        path: "data.sampling",
        label: "Sampling",
        help: "How seeds of groups are chosen when there are fewer groups than patterns.",
        unit: "",
        flag: None,
        kind: choice(&[("random", "drawn with the grouping seed"), ("sequential", "the first points in file order")]),
    },
    Field {
        path: "data.neighbor_count",
        label: "Neighbours",
        help: "Nearest neighbours a group is drawn from (gridsize above 1).",
        unit: "patterns",
        flag: Some("--neighbor-count"),
        kind: integer(1, 1000),
    },
    Field {
        path: "data.seed_in_group",
        label: "Seed in its group",
        help: "Whether the seed pattern belongs to its own group; the reference leaves it out.",
        unit: "",
        flag: None,
        kind: Kind::Flag,
    },
    Field {
        path: "data.enable_oversampling",
        label: "Oversampling",
        help: "Permit more groups than patterns (gridsize above 1), from combinations of neighbours.",
        unit: "",
        flag: Some("--enable-oversampling"),
        kind: Kind::Flag,
    },
    Field {
        path: "data.validation_fraction",
        label: "Validation fraction",
        help: "Fraction of the patterns held back to compute a validation loss; 0 holds back none.",
        unit: "",
        flag: Some("--validation-fraction"),
        kind: Kind::Real { min: 0.0, min_included: true, max: 0.9, optional: false },
    },
];
