//! Reading and writing HDF5 files: a thin layer over `rust-hdf5` that speaks in arrays, paths and problems.
//!
//! Links are followed by the library, so that an array is found by any path that leads to it. Large arrays are read in
//! blocks ([`Hdf5File::read_block`]); nothing here asks for memory because a file states a size. The library is built
//! without LZ4, bitshuffle with LZ4 and Zstandard; chunks compressed so are taken as they lie in the file and unpacked here.
//!
//! * `read`: an open file. * `describe`: its arrays. * `chunks`: parts of arrays that the library cannot unpack.
//! * `objects`, `chunk_index`: headers, groups and the index of chunks, read beside the library.
//! * `virtual_stack`: virtual arrays over such arrays.
//! * `filters`: which compressions there are. * `lz4`, `bitshuffle`, `zstd`: those unpacked here. * `write`: new files.

mod bitshuffle;
mod chunk_index;
mod chunks;
mod describe;
mod filters;
mod lz4;
mod objects;
mod read;
#[cfg(test)]
mod tests;
mod virtual_stack;
mod write;
mod zstd;

pub(super) use describe::{Element, Hdf5Array};
pub(super) use objects::{Objects, number};
pub(super) use read::{Hdf5File, is_hdf5};
pub(super) use write::{Hdf5Writer, complex32};

/// Unpacks a chunk of `length` bytes with elements of `element` bytes by the compression with this number.
#[cfg(any(test, fuzzing))]
pub(super) fn filter_bytes(which: u8, element: usize, length: usize, packed: &[u8]) {
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
