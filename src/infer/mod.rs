//! From weights and a dataset to the stitched object (A§7).

mod bare;
mod mosaic;
mod overlap;
mod predict;
mod stitch;
mod synchronize;

pub use bare::{BareOutputs, predict_bare};
pub use mosaic::in_parts;
pub use predict::{Patches, predict, reconstruct};
pub use stitch::{patch_weight, stitch};
pub use synchronize::synchronize;
