//! Common interface to the file formats: a file is recognized by its content, and its arrays are read by key.

use super::training_folder::file_of;
use super::verdict::{ArraySummary, Status, Verdict};
use crate::config::Mapping;
use crate::error::{Error, Problem, Result};
use crate::formats::hdf5::{Element, Hdf5Array, Hdf5File, is_hdf5};
use crate::formats::images::{ImageStack, RawLayout, matches};
use crate::formats::npz::{Member, NpzArchive, Storage, shape_text};
use ndarray::{Array1, ArrayD};
use num_complex::Complex32;
use std::path::Path;

/// Largest HDF5 array whose value range is computed for a listing.
const MAX_RANGE_BYTES: u64 = 1 << 28;

/// An open dataset file.
#[derive(Debug)]
pub(in crate::data) enum Source {
    /// ZIP of NumPy arrays.
    Npz(NpzArchive),
    /// CXI, Ptychodus product, or any other HDF5 file.
    Hdf5(Hdf5File),
    /// Images of a detector, one per pattern.
    Images(ImageStack),
}

/// Key of the patterns of a stack of images.
pub(super) const IMAGES: &str = "images";

/// Header of an array: properties known without reading its values.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::data) struct ArrayInfo {
    pub key: String,
    pub shape: Vec<usize>,
    /// NumPy type string.
    pub dtype: String,
    /// True if the array holds readable numbers.
    pub numeric: bool,
    pub real: bool,
    pub integer: bool,
    /// Largest value of an unsigned integer type, which detectors write for invalid pixels.
    pub invalid: Option<f32>,
}

impl ArrayInfo {
    /// True if a stored value is more than zero, and not the mark of an invalid pixel.
    pub fn is_signal(&self, value: f32) -> bool {
        value.is_finite() && value > 0.0 && self.invalid != Some(value)
    }

    /// Shape as a Python tuple.
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
            invalid: mark_of(&member.dtype),
        }
    }
}

/// Largest value of an unsigned integer type of 16 or 32 bits.
fn mark_of(dtype: &str) -> Option<f32> {
    match dtype.trim_start_matches(['<', '>', '=', '|']) {
        "u2" => Some(f32::from(u16::MAX)),
        "u4" => Some(u32::MAX as f32),
        _ => None,
    }
}

impl From<&Hdf5Array> for ArrayInfo {
    fn from(array: &Hdf5Array) -> Self {
        let integer = matches!(array.element, Element::Integer { .. });
        let real = integer || matches!(array.element, Element::Float { .. });
        Self {
            key: array.path.clone(),
            shape: array.shape.clone(),
            dtype: array.dtype.clone(),
            numeric: array.problem.is_none() && (real || matches!(array.element, Element::Complex { .. })),
            real,
            integer,
            invalid: mark_of(&array.dtype),
        }
    }
}

/// Reverses the axes of MATLAB arrays, which are stored in reverse order.
fn as_matlab<T: Clone>(file: &Hdf5File, array: ArrayD<T>) -> ArrayD<T> {
    if file.is_matlab() { array.reversed_axes().as_standard_layout().into_owned() } else { array }
}

impl Source {
    /// Opens a file; its format is recognized by its first bytes.
    ///
    /// # Errors
    /// [`crate::error::Error::BadInput`] if it cannot be read, is truncated, or is neither a NumPy archive nor HDF5 nor
    /// a stack of images.
    pub fn open(path: &Path) -> Result<Self> {
        Self::open_as(path, &Mapping::default())
    }

    /// As [`Self::open`], also a stack of raw files, or of HDF5 files with the patterns where the mapping says.
    ///
    /// # Errors
    /// As [`Self::open`], or if the layout of raw files is not understood.
    pub fn open_as(path: &Path, mapping: &Mapping) -> Result<Self> {
        let path = &file_of(path);
        if path.is_file() && is_hdf5(path) {
            return Ok(Self::Hdf5(Hdf5File::open(path)?));
        }
        let raw = match mapping.raw_layout.trim() {
            "" => None,
            text => Some(RawLayout::parse(text).ok_or_else(|| {
                Problem::new(format!("data.mapping.raw_layout is {text:?}"))
                    .expected(
                        "type, height, width and, if any, bytes to skip, such as uint16,512,512 or >u2,512,512,4096",
                    )
                    .hint("Correct the setting")
            })?),
        };
        let find = |file: &Hdf5File| {
            let keys = || file.arrays().iter().filter(|array| array.shape.len() > 1).map(|array| array.path.as_str());
            let named = mapping
                .diffraction
                .split('|')
                .find_map(|key| keys().find(|one| matches(one, key.trim().trim_start_matches('/'))));
            named.map(str::to_owned).or_else(|| only_images(file))
        };
        if let Some(stack) = ImageStack::open(path, raw, &find)? {
            return Ok(Self::Images(stack));
        }
        Ok(Self::Npz(NpzArchive::open(path)?))
    }

    /// Path of the file.
    pub fn path(&self) -> &Path {
        match self {
            Self::Npz(archive) => archive.path(),
            Self::Hdf5(file) => file.path(),
            Self::Images(stack) => stack.path(),
        }
    }

    /// Header of the array with this key (NPZ) or path (HDF5).
    pub fn array(&self, key: &str) -> Option<ArrayInfo> {
        match self {
            Self::Images(stack) if key != IMAGES => stack.first_hdf5().and_then(|first| {
                let info = Hdf5File::open(first).ok()?.array(key).as_ref().map(ArrayInfo::from)?;
                Some(ArrayInfo { shape: vec![stack.shape()[0]], ..info })
            }),
            Self::Images(stack) => Some(ArrayInfo {
                key: key.to_owned(),
                shape: stack.shape().to_vec(),
                dtype: stack.dtype().to_owned(),
                numeric: true,
                real: true,
                integer: !stack.dtype().contains('f'),
                invalid: mark_of(stack.dtype()),
            }),
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

    /// The first of several keys separated by `|` that the file has, or else the last.
    pub fn chosen<'a>(&self, text: &'a str) -> &'a str {
        first_key(text, &|key| self.array(key).is_some())
    }

    /// Keys of all arrays.
    pub fn keys(&self) -> Vec<String> {
        match self {
            Self::Npz(archive) => archive.members().iter().map(|member| member.key.clone()).collect(),
            Self::Hdf5(file) => file.arrays().iter().map(|array| array.path.clone()).collect(),
            Self::Images(_) => vec![IMAGES.to_owned()],
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
            Self::Images(_) => IMAGES.to_owned(),
        }
    }

    /// A real array as f32, in C order.
    pub fn read_f32(&mut self, key: &str) -> Result<ArrayD<f32>> {
        match self {
            Self::Npz(archive) => archive.read_f32(key),
            Self::Hdf5(file) => Ok(as_matlab(file, file.read_f32(key)?)),
            Self::Images(stack) => whole_stack(stack),
        }
    }

    /// A real array as f64, in C order.
    pub fn read_f64(&mut self, key: &str) -> Result<ArrayD<f64>> {
        match self {
            Self::Npz(archive) => archive.read_f64(key),
            Self::Hdf5(file) => Ok(as_matlab(file, file.read_f64(key)?)),
            Self::Images(stack) if key == IMAGES => Ok(whole_stack(stack)?.mapv(f64::from)),
            Self::Images(stack) => Ok(ArrayD::from(Array1::from(stack.read_f64(key)?).into_dyn())),
        }
    }

    /// A real or complex array as complex64, in C order.
    pub fn read_c32(&mut self, key: &str) -> Result<ArrayD<Complex32>> {
        match self {
            Self::Npz(archive) => archive.read_c32(key),
            Self::Hdf5(file) => Ok(as_matlab(file, file.read_c32(key)?)),
            Self::Images(stack) => Ok(whole_stack(stack)?.mapv(|value| Complex32::new(value, 0.0))),
        }
    }

    /// Parses the JSON text stored under this key.
    pub fn read_json(&mut self, key: &str) -> Result<serde_json::Value> {
        match self {
            Self::Images(stack) => {
                Err(Problem::new(format!("There is no array {key:?} in a stack of images")).at(stack.path()).into())
            }
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

    /// Verdict on an array that cannot be read as real numbers.
    pub fn unreadable_verdict(&mut self, key: &str) -> Verdict {
        const CHECK: &str = "diffraction data";
        match self.read_f32(key) {
            Err(error) => Verdict::from_error(CHECK, Status::Fail, &error),
            Ok(_) => {
                Verdict::fail(CHECK, format!("The array {key:?} does not hold real numbers")).expected("real numbers")
            }
        }
    }

    /// Listing of all arrays, from headers alone.
    pub fn summaries(&self) -> Vec<ArraySummary> {
        match self {
            Self::Images(stack) => vec![ArraySummary {
                key: IMAGES.to_owned(),
                shape: stack.shape().to_vec(),
                dtype: stack.dtype().to_owned(),
                storage: Storage::Stored,
                bytes: stack.shape().iter().fold(4u64, |bytes, &side| bytes.saturating_mul(side as u64)),
                range: None,
                problem: None,
            }],
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
            Self::Images(_) => None,
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

    /// True if an entry of a stack was never written to the file; `false` if that is not known.
    pub fn was_never_written(&self, key: &str, entry: usize) -> bool {
        match self {
            Self::Npz(_) | Self::Images(_) => false,
            Self::Hdf5(file) => file.was_never_written(key, entry),
        }
    }

    /// True if two arrays are known to be equal without reading them (by checksum).
    pub fn same_content(&self, one: &str, other: &str) -> bool {
        match self {
            Self::Npz(archive) => match (archive.member(one), archive.member(other)) {
                (Some(one), Some(other)) => one.same_content(other),
                _ => false,
            },
            Self::Hdf5(_) | Self::Images(_) => false,
        }
    }
}

/// The first of several keys separated by `|` that exists, or else the last.
pub(super) fn first_key<'a>(text: &'a str, exists: &dyn Fn(&str) -> bool) -> &'a str {
    let keys = || text.split('|').map(str::trim);
    keys().find(|key| exists(key)).or(keys().next_back()).unwrap_or_default()
}

/// The only image or stack of images of a file.
fn only_images(file: &Hdf5File) -> Option<String> {
    const MIN_SIDE: usize = 16;
    let is_image = |array: &&Hdf5Array| {
        let is_real = matches!(array.element, Element::Integer { .. } | Element::Float { .. });
        is_real && matches!(array.shape[..], [h, w] | [_, h, w] if h >= MIN_SIDE && w >= MIN_SIDE)
    };
    let found: Vec<&Hdf5Array> = file.arrays().iter().filter(is_image).collect();
    match found[..] {
        [only] => Some(only.path.clone()),
        // Links to one stack: the one that NeXus makes the default.
        _ => found.iter().find(|array| array.path == "entry/data/data").map(|array| array.path.clone()),
    }
}

fn whole_stack(stack: &ImageStack) -> Result<ArrayD<f32>> {
    let [count, height, width] = stack.shape();
    let mut values = Vec::new();
    for image in stack.read(&(0..count).collect::<Vec<_>>())? {
        values.extend(image);
    }
    ArrayD::from_shape_vec(vec![count, height, width], values)
        .map_err(|error| Error::failed(format!("The images do not fit their shape ({error})")))
}
