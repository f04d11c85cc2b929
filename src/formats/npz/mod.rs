//! Reading and writing of `.npz` archives (a ZIP of `.npy` members).
//!
//! Listing reads headers only. No stated size is trusted: it is compared with the size of the archive before memory is
//! allocated, and the checksum of each member is verified by reading to its end.
//!
//! * `read`: an open archive. * `entries`: blocks of its large arrays. * `member`: one of its arrays. * `foreign`: names of
//!   other kinds of file. * `single`: a single array in its own file. * `write`: writing of arrays and archives.

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
pub use write::{NpyArray, NpzWriter, npy_bytes, npz_bytes, write_npz};

pub use member::shape_text;
pub use single::{read_npy, read_npy_complex};
