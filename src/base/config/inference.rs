//! Prediction and stitching of patches (A§7).

use super::field::{Field, Kind, field, integer};
use serde::{Deserialize, Serialize};

/// Weight of each pixel of a patch in the stitched object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StitchWeighting {
    /// |P|²: strongly illuminated pixels count more.
    #[default]
    Probe,
    /// 1 inside the central `crop` × `crop` window, 0 outside, as in the reference.
    CentralCrop,
    /// 1 on the whole patch.
    Whole,
}

/// Prediction and stitching of patches.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct InferenceConfig {
    /// Weight of each pixel of a patch in the stitched object.
    pub stitch_weighting: StitchWeighting,
    /// Side of the central window of `CentralCrop`, pixels; even, at most N.
    pub crop: usize,
    /// Align the global phase of each patch with its neighbors before stitching.
    pub phase_synchronization: bool,
    /// Epochs of the direct solver that refine the network's object; 0 does not refine it.
    pub polish_epochs: usize,
    /// Groups predicted at once.
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

/// Declarations of the fields of [`InferenceConfig`].
pub(super) const FIELDS: &[Field] = &[
    field(
        "inference.stitch_weighting",
        "Blending weight",
        Kind::Choice {
            options: &[
                ("probe", "|P|²: strongly illuminated pixels count more"),
                ("central_crop", "1 inside the central window of side `crop`, 0 outside, as in PtychoPINN"),
                ("whole", "1 on the whole patch"),
            ],
            aliases: &[("uniform", "central_crop")],
        },
        "Weight of each pixel of a patch in the stitched object.",
    )
    .flag("--stitch-weighting")
    .in_inference(),
    field(
        "inference.crop",
        "Central window",
        integer(2, 4096),
        "Side of the central window of `central_crop`; even, at most the side of a pattern.",
    )
    .unit("px")
    .in_inference(),
    field(
        "inference.phase_synchronization",
        "Phase synchronization",
        Kind::Flag,
        "Align the global phase of each patch with its neighbors before stitching; prevents seams.",
    )
    .in_inference(),
    field(
        "inference.polish_epochs",
        "Polish epochs",
        integer(0, 100_000),
        "Epochs of the direct solver that refine the network's object; slower, but closer to the data. 0 does not refine it.",
    )
    .unit("epochs")
    .flag("--polish")
    .in_inference(),
    field(
        "inference.batch_size",
        "Inference batch size",
        integer(1, 65536),
        "Number of groups predicted at once; larger batches need more memory.",
    )
    .unit("groups")
    .flag("--inference-batch-size")
    .in_inference(),
];
