//! From a file to checked arrays, and from arrays to groups; and the file of the result.
//!
//! The hazard of this room is a file that loads and means something else: axes in another order, counts taken for
//! amplitude, metres taken for pixels. So what a file holds is decided by its content, told in
//! [`Dataset::notes`], and judged check by check ([`inspect`]); what cannot be decided is refused with the shapes
//! that were found. [`Dataset::load`] refuses exactly the files for which a check fails.
//!
//! * `npy`, `npz`: the archive format; [`pickle`]: Python's pickles, read without running them.
//! * `hdf5`, `root_attributes`: arrays, links and attributes of HDF5 files.
//! * `source`, `blocks`: one seam over both formats, and patterns read a part at a time; `roles`, `cxi`, `product`: which array is what in a known format.
//! * `geometry`, `placing`, `fit`, `probe_guess`: pixel sizes, positions in pixels, cropping and binning, a missing probe.
//! * `probe_mask`, `modes`: the disk at which a probe ends, and its incoherent modes.
//! * `reading`, `checks`, `contract`: keys, axis order and units; checks of values; verdicts (A§1).
//! * `mask_file`, `tiff`, `inpaint`: a mask from another file; values for the network where there are none.
//! * `training_folder`: Ptychodus' export. `dataset`: a scan in memory; `truth`: patches of a known object for it.
//! * `neighbors`, `neighbourhood`, `grouping`, `split`, `random`: which patterns are reconstructed together (A§2).
//! * `normalize`: scaling of the patterns (A§3.1).
//! * `canvas`: where patches land, and how they are cut out again.
//! * `prepare`: tools that change a dataset and record it; `export`: a result in the formats of others.
//! * `reconstruction`: the stitched object with its origin; `refined`: what a solver found out beside it.
//! * `hostile`: the readers for bytes from anywhere, for `tests/fuzz`.

mod blocks;
mod canvas;
mod checks;
mod contract;
mod cxi;
mod dataset;
mod export;
mod fit;
#[cfg(test)]
mod format_tests;
mod geometry;
mod grouping;
mod hdf5;
#[cfg(any(test, fuzzing))]
pub mod hostile;
mod inpaint;
mod mask_file;
mod modes;
mod neighbors;
mod neighbourhood;
mod normalize;
mod npy;
mod npz;
mod npz_writer;
mod numpy_groups;
mod numpy_random;
pub mod pickle;
mod placing;
mod prepare;
mod probe_guess;
mod probe_mask;
mod product;
mod random;
mod reading;
mod reconstruction;
mod refined;
mod roles;
mod root_attributes;
mod source;
mod split;
#[cfg(test)]
mod test_support;
mod tiff;
mod training_folder;
mod truth;

pub use canvas::{Canvas, cut_patch, in_frame};
pub use contract::{ArraySummary, Inspection, Status, Verdict, inspect, inspect_with, list};
pub use dataset::{Dataset, fingerprint};
pub use grouping::{GroupCoordinates, Groups, group, group_around, group_coordinates};
pub use modes::{orthogonalize, with_modes};
pub use neighbors::{nearest_distances, nearest_neighbors};
pub use neighbourhood::{neighbourhoods, neighbourhoods_of};
pub use normalize::{mean_counts, normalization_factor};
pub use npz::{Member, NpyArray, NpzArchive, Storage, npy_bytes, npz_bytes, write_npz};
pub use npz_writer::NpzWriter;
pub use placing::reorient;
pub use prepare::{metadata_of, record};
pub use probe_mask::probe_mask;
pub use product::Product;
pub use random::subsample;
pub use reconstruction::Reconstruction;
pub use refined::{Change, Refined};
pub use split::{Split, split, split_along};
pub use training_folder::{is_training_folder, test_file};
pub use truth::{Truth, truth};
