//! Datasets: reading and checking files, grouping of patterns, and the stitched object as a file.
//!
//! The main hazard is a file that loads but means something else: axes in another order, counts interpreted as amplitude,
//! meters as pixels. The interpretation is therefore based on the content, reported in [`Dataset::notes`], and checked step
//! by step ([`inspect`]); ambiguous files are rejected with the shapes that were found. [`Dataset::load`] rejects exactly the
//! files with a failed check.
//!
//! * `reading`: from a file to checked arrays in the internal order and units (A§1).
//! * `dataset`: a scan in memory; `truth`: patches of its known object; `prepare`: editing of datasets with a record.
//! * `sampling`: groups, batches and subsets of patterns (A§2).
//! * `normalize`: scaling of the patterns (A§3.1). `inpaint`: estimates for masked pixels.
//! * `probe_mask`, `modes`: circular support and incoherent modes of the probe.
//! * `canvas`: placement and extraction of patches. `reconstruction`: the stitched object with its origin; `refined`: refined
//!   probe, positions and intensities; `export`: a result in the formats of other programs.
//! * `fuzz_targets`: readers applied to arbitrary bytes, for `tests/fuzz`.

mod canvas;
mod dataset;
mod export;
#[cfg(any(test, fuzzing))]
pub mod fuzz_targets;
mod inpaint;
mod modes;
mod normalize;
mod prepare;
mod probe_mask;
mod reading;
mod reconstruction;
mod refined;
mod sampling;
#[cfg(test)]
mod test_support;
#[cfg(test)]
mod tests;
mod truth;

/// Endings of the files in which datasets arrive, without the images of single patterns.
pub const DATASET_ENDINGS: [&str; 8] = ["npz", "h5", "hdf5", "hdf", "cxi", "nxs", "mat", "ptyd"];

/// True for a name with an ending of a dataset, in any case.
pub fn is_dataset_name(path: &std::path::Path) -> bool {
    let ending = path.extension().map(|ending| ending.to_string_lossy().to_lowercase());
    ending.is_some_and(|ending| DATASET_ENDINGS.contains(&ending.as_str()))
}

pub use crate::formats::npz::{Member, NpyArray, NpzArchive, NpzWriter, Storage, npy_bytes, write_npz};
pub use crate::metrics::{GoodPixels, PatternMasks};
pub use canvas::{Canvas, crop_to_frame, extract_patch};
pub use dataset::{Dataset, fingerprint};
pub use modes::{mode_shares, orthogonalize, with_modes};
pub use normalize::{count_unit, mean_counts, normalization_factor};
pub use prepare::{metadata_of, record};
pub use probe_mask::probe_mask;
pub use reading::exclusion::{extended as excluding, outliers as outlying_totals, without as including};
pub use reading::geometry::wavelength_of_ev;
pub use reading::inspect::{inspect, inspect_with, list};
pub use reading::mask_file::mask_file_bytes;
pub use reading::placing::reorient;
pub use reading::position_file::positions_in_file;
pub use reading::product::Product;
pub use reading::raw::{RawPreview, raw_preview};
pub use reading::read::all_positions;
pub use reading::training_folder::{is_training_folder, test_file};
pub use reading::verdict::{ArraySummary, Fix, Inspection, Status, Verdict};
pub use reconstruction::Reconstruction;
pub use refined::{Change, Refined};
pub use sampling::batches::{spatial_batches, spatial_batches_of};
pub use sampling::groups::{GroupCoordinates, Groups, group, group_around, group_coordinates};
pub use sampling::nearest::{nearest_distances, nearest_neighbors};
pub use sampling::random::subsample;
pub use sampling::split::{Split, split, split_along};
pub use truth::{Truth, truth};
