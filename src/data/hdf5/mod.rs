//! Reading and writing HDF5 files: a thin layer over `rust-hdf5` that speaks in arrays, paths and problems.
//!
//! Links are followed by the library, so that an array is found by any path that leads to it. Large arrays are read in
//! blocks ([`Hdf5File::read_block`]); nothing here asks for memory because a file states a size. The library is built
//! without LZ4, bitshuffle with LZ4 and Zstandard; chunks compressed so are taken as they lie in the file and unpacked here.
//!
//! * `read`: an open file. * `describe`: its arrays. * `chunks`: parts of arrays that the library cannot unpack.
//! * `virtual_stack`: virtual arrays over such arrays.
//! * `filters`: which compressions there are. * `lz4`, `bitshuffle`, `zstd`: those unpacked here. * `write`: new files.

mod bitshuffle;
mod chunks;
mod describe;
mod filters;
mod lz4;
mod read;
#[cfg(test)]
mod tests;
mod virtual_stack;
mod write;
mod zstd;

pub(super) use describe::{Element, Hdf5Array};
pub(super) use read::{Hdf5File, is_hdf5};
pub(super) use write::{Hdf5Writer, complex32};
