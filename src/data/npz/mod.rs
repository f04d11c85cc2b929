//! Reading and writing `.npz` archives (a ZIP of `.npy` members).
//!
//! The listing needs headers only. Reading never trusts a size that a file states: it is compared with what the
//! archive can hold before memory is asked for, and the checksum of each member is verified by reading to its end.
//!
//! * `read`: an open archive. * `entries`: parts of its large arrays. * `member`: one of its arrays. * `foreign`: what else a file may be. * `single`: one array
//!   in a file of its own. * `write`: arrays and archives written.

mod entries;
mod foreign;
mod member;
mod read;
mod single;
#[cfg(test)]
mod tests;
mod write;

pub use member::{Member, Storage};
pub use read::NpzArchive;
pub use write::{NpyArray, npy_bytes, npz_bytes, write_npz};

pub(super) use member::shape_text;
pub(super) use single::read_npy;
