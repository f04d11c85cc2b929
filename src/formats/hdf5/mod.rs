//! Reading and writing HDF5 files: an interface to `rust-hdf5` in terms of arrays, paths and problems.
//!
//! The library follows links, so that an array is found by any path that leads to it. Large arrays are read in blocks
//! ([`Hdf5File::read_block`]); no memory is allocated merely because a file states a size. Chunks compressed with bitshuffle
//! and Zstandard are unpacked here, all others by the library.
//!
//! * `read`: an open file. * `describe`: its arrays. * `guard`: limits on the cost of opening and reading.
//! * `objects`, `chunk_index`: headers, groups and the index of chunks, read beside the library.
//! * `links`: links to other files. * `old_layouts`: files of HDF5 1.4.
//! * `virtual_stack`: blocks of virtual datasets. * `chunks`, `bitshuffle`: chunks that the library does not unpack.
//! * `filters`: known compressions. * `write`: new files.

mod bitshuffle;
mod chunk_index;
mod chunks;
mod describe;
mod filters;
mod guard;
mod links;
mod objects;
mod old_layouts;
mod read;
#[cfg(test)]
mod tests;
mod virtual_stack;
mod write;

pub use describe::{Element, Hdf5Array};
pub use objects::{Objects, number};
pub use read::{Hdf5File, is_hdf5};
pub use write::{Hdf5Writer, complex32};

/// Unpacks Zstandard frames to at most `length` bytes.
///
/// # Errors
/// A short reason.
pub(crate) fn unpack_zstd(packed: &[u8], length: usize) -> Result<Vec<u8>, String> {
    filters::reverse(&rust_hdf5::Filter { id: filters::ZSTD, flags: 0, cd_values: vec![] }, packed, length)
}

/// Unpacks a chunk of `length` bytes with elements of `element` bytes by the compression with this number, for fuzzing.
#[doc(hidden)]
pub fn filter_bytes(which: u8, element: usize, length: usize, packed: &[u8]) {
    let filter = |id: u16, cd_values: Vec<u32>| rust_hdf5::Filter { id, flags: 0, cd_values };
    let size = element as u32;
    let pipeline = match which % 6 {
        0 => vec![filter(32004, vec![])],
        1 => vec![filter(32015, vec![])],
        2 => vec![filter(32008, vec![0, 0, size, 0, 2])],
        3 => vec![filter(32008, vec![0, 0, size, 0, 3])],
        4 => vec![filter(2, vec![size]), filter(32004, vec![])],
        _ => vec![filter(2, vec![size]), filter(32015, vec![]), filter(3, vec![])],
    };
    if let Ok(bytes) = filters::unpack(packed.to_vec(), &pipeline, 0, element, length) {
        assert_eq!(bytes.len(), length);
    }
}
