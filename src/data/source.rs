//! One seam over the file formats: a file is recognised by its content, and its arrays are read by key.

use super::contract::{ArraySummary, Status, Verdict};
use super::hdf5::{Element, Hdf5Array, Hdf5File, is_hdf5};
use super::npz::{Member, NpzArchive, shape_text};
use super::training_folder::file_of;
use crate::error::{Problem, Result};
use ndarray::ArrayD;
use num_complex::Complex32;
use std::path::Path;

/// Largest HDF5 array whose range of values is computed for a listing.
const MAX_RANGE_BYTES: u64 = 1 << 28;

/// An open dataset file.
#[derive(Debug)]
pub(super) enum Source {
    /// A ZIP of NumPy arrays.
    Npz(NpzArchive),
    /// CXI, a product, or any other HDF5 file.
    Hdf5(Hdf5File),
}

/// What is known of an array without reading it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct ArrayInfo {
    pub key: String,
    pub shape: Vec<usize>,
    /// Type as NumPy writes it.
    pub dtype: String,
    /// Holds numbers that can be read.
    pub numeric: bool,
    pub real: bool,
    pub integer: bool,
    /// Largest value of an unsigned integer type, which detectors write for pixels that did not count.
    pub invalid: Option<f32>,
}

impl ArrayInfo {
    /// Shape as Python writes it.
    pub fn shape_text(&self) -> String {
        shape_text(&self.shape)
    }
}

impl From<&Member> for ArrayInfo {
    fn from(member: &Member) -> Self {
        Self {
            key: member.key.clone(),
            shape: member.shape.clone(),
            dtype: member.dtype.clone(),
            numeric: member.is_numeric(),
            real: member.is_real(),
            integer: member.is_integer(),
            invalid: None,
        }
    }
}

impl From<&Hdf5Array> for ArrayInfo {
    fn from(array: &Hdf5Array) -> Self {
        let integer = matches!(array.element, Element::Integer { .. });
        let real = integer || matches!(array.element, Element::Float { .. });
        let invalid = match array.element {
            Element::Integer { bytes: 2, signed: false } => Some(f32::from(u16::MAX)),
            Element::Integer { bytes: 4, signed: false } => Some(u32::MAX as f32),
            _ => None,
        };
        Self {
            key: array.path.clone(),
            shape: array.shape.clone(),
            dtype: array.dtype.clone(),
            numeric: array.problem.is_none() && (real || matches!(array.element, Element::Complex { .. })),
            real,
            integer,
            invalid,
        }
    }
}

/// MATLAB stores arrays with their axes reversed; here they are as MATLAB shows them.
fn as_matlab<T: Clone>(file: &Hdf5File, array: ArrayD<T>) -> ArrayD<T> {
    if file.is_matlab() { array.reversed_axes().as_standard_layout().into_owned() } else { array }
}

impl Source {
    /// Opens a file by what its first bytes say.
    ///
    /// # Errors
    /// [`Error::BadInput`] if it cannot be read, is cut short, or is neither a NumPy archive nor HDF5.
    pub fn open(path: &Path) -> Result<Self> {
        let path = &file_of(path);
        if path.is_file() && is_hdf5(path) {
            return Ok(Self::Hdf5(Hdf5File::open(path)?));
        }
        Ok(Self::Npz(NpzArchive::open(path)?))
    }

    /// The file.
    pub fn path(&self) -> &Path {
        match self {
            Self::Npz(archive) => archive.path(),
            Self::Hdf5(file) => file.path(),
        }
    }

    /// What the file holds under this key, or at this path.
    pub fn array(&self, key: &str) -> Option<ArrayInfo> {
        match self {
            Self::Npz(archive) => archive.member(key).map(ArrayInfo::from),
            Self::Hdf5(file) => {
                let mut info = file.array(key).as_ref().map(ArrayInfo::from);
                if let Some(info) = info.as_mut().filter(|_| file.is_matlab()) {
                    info.shape.reverse();
                }
                info
            }
        }
    }

    /// Keys of all arrays.
    pub fn keys(&self) -> Vec<String> {
        match self {
            Self::Npz(archive) => archive.members().iter().map(|member| member.key.clone()).collect(),
            Self::Hdf5(file) => file.arrays().iter().map(|array| array.path.clone()).collect(),
        }
    }

    /// Keys of all arrays, for messages.
    pub fn keys_text(&self) -> String {
        match self {
            Self::Npz(archive) => archive.keys_text(),
            Self::Hdf5(file) => {
                let names: Vec<&str> = file.arrays().iter().take(20).map(|array| array.path.as_str()).collect();
                let more = file.arrays().len().saturating_sub(names.len());
                if more == 0 { names.join(", ") } else { format!("{} and {more} more", names.join(", ")) }
            }
        }
    }

    /// A real array as f32, in C order.
    pub fn read_f32(&mut self, key: &str) -> Result<ArrayD<f32>> {
        match self {
            Self::Npz(archive) => archive.read_f32(key),
            Self::Hdf5(file) => Ok(as_matlab(file, file.read_f32(key)?)),
        }
    }

    /// A real array as f64, in C order.
    pub fn read_f64(&mut self, key: &str) -> Result<ArrayD<f64>> {
        match self {
            Self::Npz(archive) => archive.read_f64(key),
            Self::Hdf5(file) => Ok(as_matlab(file, file.read_f64(key)?)),
        }
    }

    /// A real or complex array as complex64, in C order.
    pub fn read_c32(&mut self, key: &str) -> Result<ArrayD<Complex32>> {
        match self {
            Self::Npz(archive) => archive.read_c32(key),
            Self::Hdf5(file) => Ok(as_matlab(file, file.read_c32(key)?)),
        }
    }

    /// The metadata, if the file has a JSON text of that name.
    pub fn read_json(&mut self, key: &str) -> Result<serde_json::Value> {
        match self {
            Self::Npz(archive) => archive.read_json(key),
            Self::Hdf5(file) => {
                let text = file.text(key).unwrap_or_default();
                serde_json::from_str(&text).map_err(|error| {
                    Problem::new(format!("The text in {key:?} is not JSON ({error})"))
                        .expected("a JSON object")
                        .at(file.path())
                        .into()
                })
            }
        }
    }

    /// Why an array cannot be used as real numbers.
    pub fn why_unreadable(&mut self, key: &str) -> Verdict {
        const CHECK: &str = "diffraction data";
        match self.read_f32(key) {
            Err(error) => Verdict::from_error(CHECK, Status::Fail, &error),
            Ok(_) => Verdict::fail(CHECK, format!("The array {key:?} holds no real numbers")).expected("real numbers"),
        }
    }

    /// What the file holds, from headers alone.
    pub fn summaries(&self) -> Vec<ArraySummary> {
        match self {
            Self::Npz(archive) => archive
                .members()
                .iter()
                .map(|member| ArraySummary {
                    key: member.key.clone(),
                    shape: member.shape.clone(),
                    dtype: member.dtype.clone(),
                    storage: member.storage,
                    bytes: member.bytes,
                    range: None,
                    problem: member.problem.clone(),
                })
                .collect(),
            Self::Hdf5(file) => file
                .arrays()
                .iter()
                .map(|array| ArraySummary {
                    key: array.path.clone(),
                    shape: match file.is_matlab() {
                        true => array.shape.iter().rev().copied().collect(),
                        false => array.shape.clone(),
                    },
                    dtype: array.dtype.clone(),
                    storage: array.storage,
                    bytes: array.bytes,
                    range: None,
                    problem: array.problem.clone(),
                })
                .collect(),
        }
    }

    /// Smallest and largest finite value (modulus, if complex); `None` if not numeric, damaged, or too large.
    pub fn value_range(&mut self, key: &str) -> Option<(f64, f64)> {
        let info = self.array(key).filter(|info| info.numeric)?;
        match self {
            Self::Npz(archive) if archive.is_large(key) => None,
            Self::Npz(archive) => archive.value_range(key).unwrap_or(None),
            Self::Hdf5(file) => {
                if file.array(key)?.bytes > MAX_RANGE_BYTES {
                    return None;
                }
                let values: Vec<f64> = if info.real {
                    file.read_f64(key).ok()?.into_iter().collect()
                } else {
                    file.read_c32(key).ok()?.into_iter().map(|value| f64::from(value.norm())).collect()
                };
                values.into_iter().filter(|value| value.is_finite()).fold(None, |range, value| {
                    let (low, high) = range.unwrap_or((value, value));
                    Some((low.min(value), high.max(value)))
                })
            }
        }
    }

    /// Whether two arrays hold the same, as far as that is known without reading them.
    pub fn same_content(&self, one: &str, other: &str) -> bool {
        match self {
            Self::Npz(archive) => match (archive.member(one), archive.member(other)) {
                (Some(one), Some(other)) => one.same_content(other),
                _ => false,
            },
            Self::Hdf5(_) => false,
        }
    }
}
