//! How patches are predicted and stitched (A§7).

use super::field::{Field, Kind, integer};
use serde::{Deserialize, Serialize};

/// Weight of each pixel of a patch when patches are blended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StitchWeighting {
    /// |P|²: what was well lit counts more.
    #[default]
    Probe,
    /// 1 inside the central `crop` × `crop` window, 0 outside: the reference's.
    CentralCrop,
    /// 1 on the whole patch.
    Whole,
}

/// How patches are predicted and stitched.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct InferenceConfig {
    /// Weight of each pixel of a patch.
    pub stitch_weighting: StitchWeighting,
    /// Side of the central window of `CentralCrop`, in pixels; even, at most N.
    pub crop: usize,
    /// Give each patch the global phase that agrees best with its neighbours before blending.
    pub phase_synchronization: bool,
    /// Epochs of the direct solver that polish the network's object; 0 = none.
    pub polish_epochs: usize,
    /// Patterns predicted at once.
    pub batch_size: usize,
}

impl Default for InferenceConfig {
    fn default() -> Self {
        Self {
            stitch_weighting: StitchWeighting::Probe,
            crop: 20,
            phase_synchronization: true,
            polish_epochs: 0,
            batch_size: 16,
        }
    }
}

/// Metadata of every field above.
pub(super) const FIELDS: &[Field] = &[
    Field {
        path: "inference.stitch_weighting",
        label: "Blending weight",
        help: "Weight of each pixel of a patch when patches are blended.",
        unit: "",
        flag: Some("--stitch-weighting"),
        kind: Kind::Choice {
            options: &[
                ("probe", "|P|²: what was well lit counts more"),
                ("central_crop", "1 inside the central window of side `crop`, 0 outside: PtychoPINN's"),
                ("whole", "1 on the whole patch"),
            ],
            aliases: &[("uniform", "central_crop")],
        },
    },
    Field {
        path: "inference.crop",
        label: "Central window",
        help: "Side of the central window of `central_crop`; even, at most the side of a pattern.",
        unit: "pixels",
        flag: None,
        kind: integer(2, 4096),
    },
    Field {
        path: "inference.phase_synchronization",
        label: "Phase synchronisation",
        help: "Give each patch the global phase that agrees best with its neighbours before blending.",
        unit: "",
        flag: None,
        kind: Kind::Flag,
    },
    Field {
        path: "inference.polish_epochs",
        label: "Polish",
        help: "Epochs of the direct solver that polish the network's object; 0 for none.",
        unit: "epochs",
        flag: Some("--polish"),
        kind: integer(0, 100_000),
    },
    Field {
        path: "inference.batch_size",
        label: "Inference batch",
        help: "Groups predicted at once.",
        unit: "groups",
        flag: Some("--inference-batch-size"),
        kind: integer(1, 65536),
    },
];
