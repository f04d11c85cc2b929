//! The network and the physics behind it (A§3.4, A§4).

use super::field::{Field, Kind, choice, integer};
use serde::{Deserialize, Serialize};

/// Activation of the amplitude head.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AmpActivation {
    /// 1 / (1 + exp(-z)), bounded by 0 and 1.
    #[default]
    Sigmoid,
    /// z · sigmoid(z); slightly negative amplitudes are possible.
    #[serde(alias = "swish")]
    Silu,
    /// ln(1 + exp(z)).
    Softplus,
    /// max(z, 0).
    Relu,
}

/// What is done to the normalised amplitude before the network sees it; the loss always uses the amplitude itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InputTransform {
    /// sqrt(X) - 0.5: compresses the dynamic range.
    Sqrt,
    /// ln(1 + 4 X) - 0.5.
    Log,
    /// (X - mean) / (spread + floor), pixel by pixel over the training patterns: what a pattern has of its own.
    Standardize,
    /// Two channels for each pattern: `sqrt` and `standardize`.
    #[default]
    Dual,
    /// X, as the reference.
    None,
}

/// How the weights are drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Initialization {
    /// He normal, zero bias; the last convolution of each decoder scaled by 0.1.
    #[default]
    He,
    /// Glorot uniform, zero bias.
    Glorot,
    /// Uniform in ±1/sqrt(fan in), weights and biases: the reference's (PyTorch's) default.
    Torch,
}

/// How the decoder gets from N/2 to N (A§4.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LastStage {
    /// `BorderMask` for a probe whose light falls into the central N/2 window, else `FullFrame`; decided once the dataset
    /// is known.
    #[default]
    Auto,
    /// Upsample to N, two convolutions, one convolution to the output: every pixel of the patch is predicted alike.
    FullFrame,
    /// The reference's: the central N/2 window after a single convolution, and a border path through a ring mask.
    BorderMask,
}

/// How the probe is scaled; the factor is kept and the object is reported in the caller's units.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProbeNormalization {
    /// Energy: a unit-transmission object of amplitude `object_scale` reproduces the normalised energy (N/2)².
    #[default]
    Energy,
    /// The reference's: P / (4 · mean |P|) (A§3.4).
    MeanAmplitude,
}

/// Weight of each pixel when the patches of a group are merged into one object (gridsize > 1, A§5.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MergeWeighting {
    /// |P|²: what was well lit counts more.
    #[default]
    Probe,
    /// 1 inside the central N/2 window, 0 outside: the reference's.
    CentralWindow,
}

/// The network and the physics behind it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ModelConfig {
    /// Patterns per group along one side; a group has gridsize² patterns.
    pub gridsize: usize,
    /// Multiplies the number of filters of every layer.
    pub n_filters_scale: usize,
    /// Activation of the amplitude head.
    pub amp_activation: AmpActivation,
    /// What is done to the network's input.
    pub input_transform: InputTransform,
    /// How the weights are drawn.
    pub initialization: Initialization,
    /// How the decoder ends.
    pub last_stage: LastStage,
    /// Filters of the full-resolution convolutions of a decoder (`FullFrame`), times `n_filters_scale`.
    pub head_filters: usize,
    /// How the probe is scaled.
    pub probe_normalization: ProbeNormalization,
    /// Amplitude at which a unit-transmission object sits in the head's range (energy normalisation only).
    pub object_scale: f64,
    /// Weight of each pixel when the patches of a group are merged (gridsize > 1).
    pub merge_weighting: MergeWeighting,
}

impl Default for ModelConfig {
    fn default() -> Self {
        Self {
            gridsize: 1,
            n_filters_scale: 1,
            amp_activation: AmpActivation::Sigmoid,
            input_transform: InputTransform::Dual,
            initialization: Initialization::He,
            last_stage: LastStage::Auto,
            head_filters: 16,
            probe_normalization: ProbeNormalization::Energy,
            object_scale: 0.7,
            merge_weighting: MergeWeighting::Probe,
        }
    }
}

/// Metadata of every field above.
pub(super) const FIELDS: &[Field] = &[
    Field {
        path: "model.gridsize",
        label: "Grid size",
        help: "Patterns per group along one side; a group has gridsize² patterns.",
        unit: "",
        flag: Some("--gridsize"),
        kind: integer(1, 3),
    },
    Field {
        path: "model.n_filters_scale",
        label: "Filter scale",
        help: "Multiplies the number of filters of every layer.",
        unit: "",
        flag: Some("--n-filters-scale"),
        kind: integer(1, 16),
    },
    Field {
        path: "model.amp_activation",
        label: "Amplitude activation",
        help: "Activation of the amplitude head.",
        unit: "",
        flag: Some("--amp-activation"),
        kind: Kind::Choice {
            options: &[
                ("sigmoid", "1 / (1 + exp(-z)), bounded by 0 and 1"),
                ("silu", "z · sigmoid(z); slightly negative amplitudes are possible"),
                ("softplus", "ln(1 + exp(z))"),
                ("relu", "max(z, 0)"),
            ],
            aliases: &[("swish", "silu")],
        },
    },
    Field {
        path: "model.input_transform",
        label: "Input transform",
        help: "What is done to the normalised amplitude X before the network sees it; the loss always uses X.",
        unit: "",
        flag: None,
        kind: choice(&[
            ("sqrt", "sqrt(X) - 0.5: compresses the dynamic range"),
            ("log", "ln(1 + 4 X) - 0.5"),
            ("standardize", "(X - mean) / (spread + floor), pixel by pixel over the training patterns"),
            ("dual", "two channels for each pattern: sqrt and standardize"),
            ("none", "X, as the reference"),
        ]),
    },
    Field {
        path: "model.initialization",
        label: "Initialisation",
        help: "How the weights are drawn.",
        unit: "",
        flag: None,
        kind: choice(&[
            ("he", "He normal, zero bias; the last convolution of each decoder scaled by 0.1"),
            ("glorot", "Glorot uniform, zero bias"),
            ("torch", "uniform in ±1/sqrt(fan in), weights and biases: the reference's"),
        ]),
    },
    Field {
        path: "model.last_stage",
        label: "Last stage",
        help: "How the decoder gets from half to the full side of a pattern.",
        unit: "",
        flag: None,
        kind: choice(&[
            ("auto", "border_mask for a probe whose light falls into the central window, else full_frame"),
            ("full_frame", "upsample and convolve: every pixel of the patch is predicted alike"),
            ("border_mask", "the reference's: the central half of the frame in full resolution, the border coarsely"),
        ]),
    },
    Field {
        path: "model.head_filters",
        label: "Head filters",
        help: "Filters of the full-resolution convolutions of a decoder with the full_frame last stage, times the filter \
               scale. They cost most of the time.",
        unit: "filters",
        flag: None,
        kind: integer(1, 256),
    },
    Field {
        path: "model.probe_normalization",
        label: "Probe normalisation",
        help: "How the probe is scaled; the factor is kept and the object is reported in the caller's units.",
        unit: "",
        flag: None,
        kind: choice(&[
            ("energy", "a unit-transmission object of amplitude object_scale reproduces the normalised energy"),
            ("mean_amplitude", "the reference's: P / (4 · mean |P|)"),
        ]),
    },
    Field {
        path: "model.object_scale",
        label: "Object scale",
        help: "Amplitude at which a unit-transmission object sits in the head's range (energy normalisation only).",
        unit: "",
        flag: None,
        kind: Kind::Real { min: 0.0, min_included: false, max: 100.0, optional: false },
    },
    Field {
        path: "model.merge_weighting",
        label: "Merge weight",
        help: "Weight of each pixel when the patches of a group are merged into one object (gridsize above 1).",
        unit: "",
        flag: None,
        kind: choice(&[
            ("probe", "|P|²: what was well lit counts more"),
            ("central_window", "1 inside the central half-side window, 0 outside: the reference's"),
        ]),
    },
];
