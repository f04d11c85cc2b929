//! Writing of HDF5 files.

use super::read::plain;
use crate::error::{Error, Problem, Result};
use crate::system::Temporary;
use num_complex::Complex32;
use rust_hdf5::{H5Dataset, H5File, Hdf5Error};
use std::path::{Path, PathBuf};

/// An HDF5 file being written; it appears at its path only when it is complete.
pub struct Hdf5Writer {
    path: PathBuf,
    temporary: Temporary,
    file: H5File,
}

impl Hdf5Writer {
    /// Starts a file at `path`; its folder must exist.
    pub fn create(path: &Path) -> Result<Self> {
        let temporary = Temporary::create(path).map_err(|error| Error::writing(path, &error))?;
        let file = H5File::create(temporary.temporary_path()).map_err(|error| unwritten(path, &error))?;
        Ok(Self { path: path.to_path_buf(), temporary, file })
    }

    /// Handle of the library, for operations that are not wrapped here.
    pub fn file(&self) -> &H5File {
        &self.file
    }

    /// Creates a group; its parent must exist.
    pub fn group(&self, path: &str) -> Result<()> {
        let (parent, name) = plain(path).rsplit_once('/').unwrap_or(("", plain(path)));
        let mut at = self.file.root_group();
        for part in parent.split('/').filter(|part| !part.is_empty()) {
            at = at.group(part).map_err(|error| self.failed(&error))?;
        }
        at.create_group(name).map(drop).map_err(|error| self.failed(&error))
    }

    /// Writes an array; complex ones with the members `r` and `i`.
    pub fn array<T: rust_hdf5::H5Type>(&self, path: &str, shape: &[usize], values: &[T]) -> Result<H5Dataset> {
        let (group, name) = plain(path).rsplit_once('/').unwrap_or(("", plain(path)));
        let mut at = self.file.root_group();
        for part in group.split('/').filter(|part| !part.is_empty()) {
            at = at.group(part).map_err(|error| self.failed(&error))?;
        }
        let dataset = at.new_dataset::<T>().shape(shape).create(name).map_err(|error| self.failed(&error))?;
        if !values.is_empty() {
            dataset.write_raw(values).map_err(|error| self.failed(&error))?;
        }
        Ok(dataset)
    }

    /// Adds a numeric attribute to an array.
    pub fn attribute(&self, dataset: &H5Dataset, name: &str, value: f64) -> Result<()> {
        let attribute = dataset.new_attr::<f64>().shape(()).create(name).map_err(|error| self.failed(&error))?;
        attribute.write_numeric(&value).map_err(|error| self.failed(&error))
    }

    /// Adds a text attribute of variable length (UTF-8) to the file.
    pub fn root_text(&self, name: &str, value: &str) -> Result<()> {
        self.file().set_attr_string(name, value).map_err(|error| self.failed(&error))
    }

    /// Moves the file to its path, replacing an older one.
    pub fn commit(self) -> Result<()> {
        let Self { path, temporary, file } = self;
        file.close().map_err(|error| unwritten(&path, &error))?;
        temporary.commit().map_err(|error| Error::writing(&path, &error))
    }

    /// An error of the library as an [`Error`] with the path.
    pub fn failed(&self, error: &Hdf5Error) -> Error {
        unwritten(&self.path, error)
    }
}

fn unwritten(path: &Path, error: &Hdf5Error) -> Error {
    Error::Failed(
        Problem::new(format!("Cannot write the HDF5 file ({error})"))
            .hint("Check free space and permissions, or choose another output folder")
            .at(path),
    )
}

/// Complex numbers in the type of the library, with the members `r` and `i`.
pub fn complex32(values: impl IntoIterator<Item = Complex32>) -> Vec<rust_hdf5::Complex32> {
    values.into_iter().map(|v| rust_hdf5::Complex32 { re: v.re, im: v.im }).collect()
}
