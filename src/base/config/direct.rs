//! Direct solver: reconstruction without a network.

use super::field::{Field, Kind, choice, field, integer, number, positive};
use serde::{Deserialize, Serialize};

/// Loss function minimized by the direct solver.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DirectLoss {
    /// Squared difference of amplitudes, in which the noise of counts is uniform.
    #[default]
    Amplitude,
    /// Poisson likelihood of the counts.
    Poisson,
}

/// Cases in which the probe is searched for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProbeSearchMode {
    /// If the dataset has no probe.
    #[default]
    Auto,
    /// Always; the probe of the dataset is ignored.
    Always,
    /// Never.
    Never,
}

/// Settings of the direct solver.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DirectConfig {
    /// Number of passes over all patterns.
    pub epochs: usize,
    /// Regularization: fraction of the maximum illumination added everywhere.
    pub regularization: f64,
    /// Loss function to minimize.
    pub loss: DirectLoss,
    /// Weight of the total variation of the object, as a fraction of the maximum illumination.
    pub total_variation: f64,
    /// Cases in which the probe is searched for before the reconstruction, also before that of a network.
    pub probe_search: ProbeSearchMode,
    /// Add refinements that predict patterns left out of the fit clearly better.
    pub auto_refine: bool,
    /// Refine the probe together with the object.
    pub refine_probe: bool,
    /// Number of incoherent modes of the refined probe; `None` uses as many as the dataset has.
    #[serde(with = "super::optional")]
    pub probe_modes: Option<usize>,
    /// Correct the scan positions together with the object.
    pub refine_positions: bool,
    /// Maximum distance of a refined position from its start, pixels.
    pub max_shift: f64,
    /// Fit an intensity scale for each pattern.
    pub refine_intensity: bool,
    /// Fit a background that all patterns have in common, if it predicts patterns left out of the fit better.
    pub refine_background: bool,
}

impl Default for DirectConfig {
    fn default() -> Self {
        Self {
            epochs: 40,
            regularization: 0.01,
            loss: DirectLoss::Amplitude,
            total_variation: 0.0,
            probe_search: ProbeSearchMode::Auto,
            auto_refine: true,
            refine_probe: false,
            probe_modes: None,
            refine_positions: false,
            max_shift: 4.0,
            refine_intensity: false,
            refine_background: false,
        }
    }
}

/// Declarations of the fields of [`DirectConfig`].
pub(super) const FIELDS: &[Field] = &[
    field("direct.epochs", "Epochs", integer(1, 100_000), "Number of passes over all patterns.")
        .unit("epochs")
        .flag("--direct-epochs")
        .in_inference(),
    field(
        "direct.regularization",
        "Regularization",
        positive(1.0),
        "Fraction of the maximum illumination added everywhere, to suppress noise in weakly illuminated regions.",
    )
    .in_inference(),
    field(
        "direct.loss",
        "Misfit",
        choice(&[
            ("amplitude", "squared difference of amplitudes"),
            ("poisson", "Poisson likelihood of the counts"),
        ]),
        "Loss function minimized by the direct solver.",
    )
    .in_inference(),
    field(
        "direct.total_variation",
        "Total variation",
        number(0.0, 1.0),
        "Weight of the total variation of the object, as a fraction of the maximum illumination; larger values smooth the \
         object, 0 does not.",
    )
    .in_inference(),
    field(
        "direct.probe_search",
        "Probe search",
        choice(&[
            ("auto", "if the dataset has no probe"),
            ("always", "always; the probe of the dataset is ignored"),
            ("never", "never; a missing probe is replaced by a Gaussian"),
        ]),
        "Search for the probe before the reconstruction: the defocus of the mean pattern is varied, and the probe that best \
         predicts patterns left out of the fit is refined. Applies to the network as well.",
    )
    .flag("--probe-search")
    .in_inference(),
    field(
        "direct.auto_refine",
        "Automatic refinement",
        Kind::Flag,
        "Refine the probe, fit a background, correct the positions or smooth the object where a short trial predicts patterns left \
         out of the fit clearly better with it. With the direct method only.",
    )
    .flag("--auto-refine"),
    field(
        "direct.refine_probe",
        "Refine the probe",
        Kind::Flag,
        "Refine the probe together with the object; its power is kept constant.",
    )
    .flag("--refine-probe")
    .in_inference(),
    field(
        "direct.probe_modes",
        "Probe modes",
        integer(1, 10).optional(),
        "Number of incoherent modes of the refined probe; \"none\" uses as many as the dataset has.",
    )
    .unit("modes")
    .in_inference(),
    field(
        "direct.refine_positions",
        "Refine the positions",
        Kind::Flag,
        "Correct errors of the scan positions together with the object.",
    )
    .flag("--refine-positions")
    .in_inference(),
    field(
        "direct.max_shift",
        "Maximum shift",
        positive(64.0),
        "Maximum distance of a refined position from its start: the position in the dataset, or its corrected place in the scan.",
    )
    .unit("px")
    .in_inference(),
    field(
        "direct.refine_intensity",
        "Refine the intensity",
        Kind::Flag,
        "Fit an intensity scale for each pattern, to compensate for an unstable beam.",
    )
    .flag("--refine-intensity")
    .in_inference(),
    field(
        "direct.refine_background",
        "Refine the background",
        Kind::Flag,
        "Fit a smooth background that all patterns have in common, besides a known one. It is kept only if it predicts patterns \
         that were left out of the fit better.",
    )
    .flag("--refine-background")
    .in_inference(),
];
