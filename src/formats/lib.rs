//! File formats, independent of ptychography: conversion between bytes and arrays.
//!
//! Every reader is bounded: memory is allocated only after a stated size was compared with the size of the file.
//!
//! * [`npy`], [`npz`]: NumPy arrays and archives. * [`pickle`]: Python pickles, read without running them.
//! * [`hdf5`], [`root_attributes`]: arrays, links and attributes of HDF5 files. * [`tiff`]: grayscale images.
//! * [`table`]: tables of numbers as text. * [`images`]: stacks of detector images.

pub mod hdf5;
pub mod images;
pub mod npy;
pub mod npz;
pub mod pickle;
pub mod root_attributes;
pub mod table;
#[doc(hidden)]
pub mod testing;
pub mod tiff;

use ptychoscope_base::{error, system};

use std::fs::File;
use std::io;
use std::path::Path;

/// Opens a file to read. Hazard: opening a pipe waits for its other end, and a device may never end; both are refused.
///
/// # Errors
/// As for [`File::open`], or if it is neither a regular file nor a folder.
pub fn open_file(path: &Path) -> io::Result<File> {
    let metadata = path.metadata()?;
    if !metadata.is_file() && !metadata.is_dir() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"));
    }
    File::open(path)
}

/// Bytes of a file.
///
/// # Errors
/// As for [`open_file`] and [`std::fs::read`].
pub fn read_file(path: &Path) -> io::Result<Vec<u8>> {
    open_file(path)?;
    std::fs::read(path)
}
