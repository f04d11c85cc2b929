//! From weights and a dataset to the stitched object (A§7).

mod mosaic;
mod overlap;
mod predict;
mod raw;
mod stitch;
mod synchronize;

pub use mosaic::reconstruct_in_parts;
pub use predict::{Patches, predict, reconstruct};
pub use raw::{RawOutputs, predict_raw};
pub use stitch::{patch_weight, stitch};
pub use synchronize::synchronize;
