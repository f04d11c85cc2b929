//! Groups, batches and subsets of patterns (A§2).
//!
//! * `groups`: neighboring patterns that are reconstructed together; `numpy_groups`: as drawn by NumPy's generator.
//! * `nearest`: nearest scan positions. `combinations`: choices of k of n.
//! * `batches`: compact patches of the scan. `split`: training and validation patterns.
//! * `random`, `numpy_random`: seeded generators.

pub(super) mod batches;
mod combinations;
pub(super) mod groups;
pub(super) mod nearest;
mod numpy_groups;
pub(super) mod numpy_random;
pub(super) mod random;
pub(super) mod split;
