//! Reading of datasets: from a file to arrays in the internal order and units, with verdicts (A§1).
//!
//! * `inspect`, `read`: entry points; `context`: state shared by all steps; `verdict`: their outcome.
//! * `source`, `blocks`: common interface to NPZ, HDF5 and stacks of images, and blockwise reading.
//! * `role_keys`, `roles`, `units`, `cxi`, `nexus`, `product`, `training_folder`: roles of the arrays in each known format.
//! * `required_arrays`, `layout`, `patterns`: presence, axis order, values. `mask`, `mask_file`, `limits`, `zingers`: bad pixels.
//!   `correction`: dark and flat fields, background.
//! * `exclusion`: patterns left out. `columns`, `position_file`: positions in tables and separate files.
//! * `placing`, `position_sets`, `geometry`, `fit`, `center`: positions in pixels, pixel size, cropping around the beam, binning.
//! * `raw`: what can be shown of a file that cannot be used yet.
//! * `probe`, `probe_guess`, `optional`: probe, object and metadata. `checks`: checks of values and of the scan.

mod blocks;
mod center;
mod checks;
mod columns;
pub(super) mod context;
mod correction;
mod cxi;
pub(super) mod exclusion;
mod fit;
pub(super) mod geometry;
pub(super) mod inspect;
mod layout;
mod limits;
mod mask;
pub(super) mod mask_file;
mod nexus;
mod optional;
mod patterns;
pub(super) mod placing;
pub(super) mod position_file;
mod position_sets;
mod probe;
mod probe_guess;
pub(super) mod product;
pub(super) mod raw;
pub(super) mod read;
mod required_arrays;
mod role_keys;
mod roles;
#[cfg(test)]
mod setups_tests;
pub(super) mod source;
pub(super) mod training_folder;
pub(super) mod units;
pub(super) mod verdict;
mod zingers;
