//! From a file to checked arrays, and from arrays to groups; and the file of the result.
//!
//! The hazard of this room is a file that loads and means something else: axes in another order, counts taken for
//! amplitude, metres taken for pixels. So what a file holds is decided by its content, told in
//! [`Dataset::notes`], and judged check by check ([`inspect`]); what cannot be decided is refused with the shapes
//! that were found. [`Dataset::load`] refuses exactly the files for which a check fails.
//!
//! * `npy`, `npz`, `pickle`: the archive format; `pickle` reads one text and runs nothing.
//! * `reading`, `checks`, `contract`: keys, axis order and units; checks of values; verdicts (A§1).
//! * `dataset`: a scan in memory.
//! * `neighbors`, `grouping`, `split`, `random`: which patterns are reconstructed together (A§2).
//! * `normalize`: scaling of the patterns (A§3.1).
//! * `canvas`: where patches land.
//! * `reconstruction`: the stitched object with its origin.

mod canvas;
mod checks;
mod contract;
mod dataset;
mod grouping;
mod neighbors;
mod normalize;
mod npy;
mod npz;
mod pickle;
mod random;
mod reading;
mod reconstruction;
mod split;
#[cfg(test)]
mod test_support;

pub use canvas::Canvas;
pub use contract::{ArraySummary, Inspection, Status, Verdict, inspect, inspect_as, list};
pub use dataset::Dataset;
pub use grouping::{GroupCoordinates, Groups, group, group_coordinates};
pub use neighbors::{nearest_distances, nearest_neighbors};
pub use normalize::{mean_counts, normalization_factor};
pub use npz::{Member, NpyArray, NpzArchive, Storage, npy_bytes, npz_bytes, write_npz};
pub use reconstruction::Reconstruction;
pub use split::{Split, split};
