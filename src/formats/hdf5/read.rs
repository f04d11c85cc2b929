//! An open HDF5 file.

use super::super::npy::{self, Header, Kind, Number};
use super::super::npz::{Storage, shape_text};
use super::super::root_attributes::{self, RootAttribute};
use super::chunk_index::ChunkIndex;
use super::describe::{Element, Hdf5Array, access, describe, is_almost_empty};
use super::filters::Reader;
use super::guard::{self, Cost};
use super::virtual_stack::Virtual;
use super::{chunks, links, objects, old_layouts};
use crate::error::{Error, Problem, Result};
use ndarray::{ArrayD, IxDyn};
use num_complex::Complex32;
use rust_hdf5::{ChunkIndex as Tree, FillValue, H5Dataset, H5File, Hdf5Error};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use tempfile::NamedTempFile;

/// Largest array that is read in one piece, in bytes.
const MAX_WHOLE_BYTES: usize = 1 << 31;
/// Largest array of texts that is read, in bytes.
const MAX_TEXT_BYTES: u64 = 1 << 20;
/// Most bytes that the library may copy to assemble virtual datasets.
const MAX_COPIED_BYTES: u64 = 1 << 32;
/// Most arrays a file may have.
const MAX_ARRAYS: usize = 100_000;

/// An open HDF5 file.
pub struct Hdf5File {
    path: PathBuf,
    /// The file that is read in place of one of HDF5 1.4.
    copy: Option<NamedTempFile>,
    file: H5File,
    /// Length of the file, in bytes.
    length: u64,
    arrays: Vec<Hdf5Array>,
    root: Vec<RootAttribute>,
    is_matlab: bool,
    /// Costs of the arrays that were read, by path.
    costs: Mutex<BTreeMap<String, Cost>>,
    /// Indices of chunks that were needed, by the path of the array; None if it has no such index.
    indices: Mutex<BTreeMap<String, Option<Arc<ChunkIndex>>>>,
}

impl std::fmt::Debug for Hdf5File {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Hdf5File").field("path", &self.path).field("arrays", &self.arrays).finish_non_exhaustive()
    }
}

/// Arrays behind links to other files; a link that leads nowhere is an array that cannot be read.
fn linked(file: &H5File, length: u64, path: &Path) -> Vec<Hdf5Array> {
    let mut arrays = Vec::new();
    for link in links::external(path) {
        let Some(found) = &link.found else {
            arrays.push(Hdf5Array::dangling(&link));
            continue;
        };
        if file.dataset_with(&link.path, access()).is_ok() {
            arrays.push(describe(file, length, &link.path));
            continue;
        }
        // A group: its arrays by their paths in this file.
        let Ok(other) = H5File::options().best_effort_locking().open(found) else { continue };
        let group = format!("{}/", plain(&link.target));
        let names = other.dataset_names();
        let below =
            names.iter().take(MAX_ARRAYS).filter_map(|name| plain(name).strip_prefix(group.trim_start_matches('/')));
        let before = arrays.len();
        arrays.extend(below.map(|rest| describe(file, length, &format!("{}/{rest}", link.path))));
        if arrays.len() == before && other.root_group().group(plain(&link.target)).is_err() {
            arrays.push(Hdf5Array::dangling(&link));
        }
    }
    arrays
}

/// True for an HDF5 file, also behind a user block: MATLAB 7.3 files begin with a block of text.
pub fn is_hdf5(path: &Path) -> bool {
    let Ok(mut file) = crate::open_file(path) else { return false };
    let length = file.metadata().map_or(0, |file| file.len());
    objects::superblock(&mut file, length).is_some()
}

/// True if the file begins with the text of MATLAB.
fn is_matlab(path: &Path) -> bool {
    use std::io::Read;
    const TEXT: &[u8] = b"MATLAB 7.3";
    let mut start = [0u8; TEXT.len()];
    crate::open_file(path).is_ok_and(|mut file| file.read_exact(&mut start).is_ok()) && start == *TEXT
}

impl Hdf5File {
    /// Opens a file and lists its arrays; no data is read.
    ///
    /// # Errors
    /// [`Error::BadInput`] if the file cannot be read as HDF5.
    pub fn open(path: &Path) -> Result<Self> {
        let mut file = Self::open_plain(path)?;
        let old = file.arrays.iter().filter(|array| array.has_old_layout).map(|array| array.path.as_str());
        if let Some(copy) = old_layouts::converted(path, old)? {
            file = Self { path: path.to_path_buf(), ..Self::open_plain(copy.path())? };
            file.copy = Some(copy);
        }
        Ok(file)
    }

    fn open_plain(path: &Path) -> Result<Self> {
        crate::open_file(path).map_err(|error| Error::reading(path, &error))?;
        guard::check_file(path).map_err(|reason| {
            Problem::new(format!("The HDF5 file cannot be opened: {reason}"))
                .expected("a file whose links and virtual datasets can be followed in reasonable time")
                .hint("Copy the data into one file without virtual datasets")
                .at(path)
        })?;
        let file = H5File::options().best_effort_locking().open(path).map_err(|error| {
            Problem::new(format!("The HDF5 file cannot be opened ({error})"))
                .expected("a complete HDF5 file")
                .hint("The file was probably cut short, or is still being written; copy or export it again")
                .at(path)
        })?;
        let mut names: Vec<String> = file.dataset_names().into_iter().map(|name| plain(&name).to_owned()).collect();
        names.sort();
        names.dedup();
        if names.len() > MAX_ARRAYS {
            return Err(Problem::new(format!("The file has {} arrays", names.len()))
                .expected(format!("at most {MAX_ARRAYS}"))
                .at(path)
                .into());
        }
        let length = std::fs::metadata(path).map_or(u64::MAX, |file| file.len());
        let mut arrays: Vec<Hdf5Array> = names.iter().map(|name| describe(&file, length, name)).collect();
        arrays.extend(linked(&file, length, path));
        arrays.sort_by(|one, other| one.path.cmp(&other.path));
        arrays.dedup_by(|one, other| one.path == other.path);
        Ok(Self {
            path: path.to_path_buf(),
            copy: None,
            file,
            length,
            arrays,
            root: root_attributes::read(path),
            is_matlab: is_matlab(path),
            costs: Mutex::default(),
            indices: Mutex::default(),
        })
    }

    /// The file that is read: the file itself, or a copy of one of HDF5 1.4.
    fn content(&self) -> &Path {
        self.copy.as_ref().map_or(&self.path, |copy| copy.path())
    }

    /// Path of the file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Paths of all members of a group, external links included.
    pub fn below(&self, group: &str) -> Vec<String> {
        let mut at = self.file.root_group();
        for part in group.split('/').filter(|part| !part.is_empty()) {
            match at.group(part) {
                Ok(next) => at = next,
                Err(_) => return Vec::new(),
            }
        }
        let prefix = if plain(group).is_empty() { String::new() } else { format!("{}/", plain(group)) };
        at.link_names().unwrap_or_default().into_iter().map(|name| format!("{prefix}{name}")).collect()
    }

    /// True if MATLAB wrote the file (version 7.3), which stores arrays with their axes reversed.
    pub fn is_matlab(&self) -> bool {
        self.is_matlab
    }

    /// Arrays of the file, sorted by path.
    pub fn arrays(&self) -> &[Hdf5Array] {
        &self.arrays
    }

    /// Array at a path, links included.
    pub fn array(&self, path: &str) -> Option<Hdf5Array> {
        let path = plain(path);
        if let Some(found) = self.arrays.iter().find(|array| array.path == path) {
            return Some(found.clone());
        }
        self.file.dataset_with(path, access()).ok().map(|_| describe(&self.file, self.length, path))
    }

    /// First of these paths that leads to an array.
    pub fn first_of(&self, paths: &[&str]) -> Option<String> {
        paths.iter().find(|path| self.array(path).is_some()).map(|path| (*path).to_owned())
    }

    /// A whole real array as f64.
    pub fn read_f64(&self, path: &str) -> Result<ArrayD<f64>> {
        let array = self.whole(path)?;
        let starts = vec![0; array.shape.len()];
        let values = self.numbers(&array, &starts, &array.shape)?;
        shaped(values, &array).map_err(|error| error.at(&self.path))
    }

    /// A whole real array as f32.
    pub fn read_f32(&self, path: &str) -> Result<ArrayD<f32>> {
        let array = self.whole(path)?;
        let starts = vec![0; array.shape.len()];
        self.read_block(path, &starts, &array.shape.clone())
    }

    /// Block of a real array as f32: `counts` elements from `starts` on, per axis.
    ///
    /// # Errors
    /// [`Error::BadInput`] if it is missing, damaged, complex, not numeric, or compressed in an unknown way.
    pub fn read_block(&self, path: &str, starts: &[usize], counts: &[usize]) -> Result<ArrayD<f32>> {
        let array = self.found(path)?;
        let values: Vec<f32> = self.numbers_f32(&array, starts, counts)?;
        ArrayD::from_shape_vec(IxDyn(counts), values)
            .map_err(|error| self.problem(&array.path, format!("does not fit its shape ({error})")).into())
    }

    /// A whole real or complex array as complex64.
    pub fn read_c32(&self, path: &str) -> Result<ArrayD<Complex32>> {
        let array = self.whole(path)?;
        let starts = vec![0; array.shape.len()];
        let values: Vec<Complex32> = match array.parts {
            Some(_) => {
                let dataset = self.dataset(&array.path)?;
                let bytes = if array.reader == Reader::Here {
                    self.unpacked_bytes(&dataset, &array, &starts, &array.shape)?
                } else {
                    self.check_copied(&dataset, &array)?;
                    // As stored: the library does not convert the byte order of pairs.
                    dataset.read_raw_bytes().map_err(|error| self.unreadable(&array, &error))?
                };
                converted(&array, &array.shape, &bytes).ok_or_else(|| self.no_numbers(&array))?
            }
            None => {
                let real = self.numbers_f32(&array, &starts, &array.shape)?;
                real.into_iter().map(|value| Complex32::new(value, 0.0)).collect()
            }
        };
        ArrayD::from_shape_vec(IxDyn(&array.shape), values)
            .map_err(|error| self.problem(&array.path, format!("does not fit its shape ({error})")).into())
    }

    /// First number of a real array such as `energy` or `distance`.
    pub fn number(&self, path: &str) -> Option<f64> {
        let array = self.array(path)?;
        let few = array.shape.iter().try_fold(1usize, |product, &length| product.checked_mul(length));
        if few.is_none_or(|count| count > 1000) {
            return None;
        }
        self.read_f64(path).ok()?.first().copied().filter(|value| value.is_finite())
    }

    /// First text of a text array.
    pub fn text(&self, path: &str) -> Option<String> {
        // The library reads the whole array.
        if self.array(path).is_none_or(|array| array.problem.is_some() || array.bytes > MAX_TEXT_BYTES) {
            return None;
        }
        let dataset = self.dataset(plain(path)).ok()?;
        dataset.read_strings_lossy().ok()?.into_iter().next()
    }

    /// Numeric attribute of an array.
    pub fn attribute(&self, path: &str, name: &str) -> Option<f64> {
        let attribute = self.file.dataset_with(plain(path), access()).ok()?.attr(name).ok()?;
        match attribute.read_numeric_as::<f64>() {
            Ok(values) => values.first().copied(),
            Err(_) => attribute.read_numeric_as::<i64>().ok()?.first().map(|&value| value as f64),
        }
        .filter(|value| value.is_finite())
    }

    /// Text attribute of an array, such as its units.
    pub fn text_attribute(&self, path: &str, name: &str) -> Option<String> {
        let attribute = self.file.dataset_with(plain(path), access()).ok()?.attr(name).ok()?;
        Some(attribute.read_string().ok()?.trim_matches(['\0', ' ']).to_owned()).filter(|text| !text.is_empty())
    }

    /// True if none of the chunks that hold an entry along the first axis (the last for MATLAB) was ever written.
    pub fn was_never_written(&self, path: &str, entry: usize) -> bool {
        self.never_written(path, entry).unwrap_or(false)
    }

    fn never_written(&self, path: &str, entry: usize) -> Option<bool> {
        let array = self.array(path)?;
        let dataset = self.dataset(&array.path).ok()?;
        let chunk = dataset.chunk_dims()?;
        if chunk.len() != array.shape.len() || chunk.contains(&0) || array.shape.is_empty() {
            return None;
        }
        let axis = if self.is_matlab { chunk.len() - 1 } else { 0 };
        let mut place = vec![0; chunk.len()];
        *place.get_mut(axis)? = entry / chunk.get(axis)?;
        Some(dataset.read_chunk_raw_at(&place).is_err_and(|error| error.to_string().contains("has not been written")))
    }

    /// Numeric attribute of the file under one of these names.
    pub fn root_number(&self, names: &[&str]) -> Option<f64> {
        names.iter().find_map(|name| self.root.iter().find(|attribute| attribute.name == *name)?.number)
    }

    /// Text attribute of the file.
    pub fn root_text(&self, name: &str) -> Option<String> {
        self.file.attr_string(name).ok()
    }

    fn dataset(&self, path: &str) -> Result<H5Dataset> {
        let dataset = self
            .file
            .dataset_with(path, access())
            .map_err(|error| self.problem(path, format!("cannot be opened ({error})")))?;
        self.cost(&dataset, path)?;
        Ok(dataset)
    }

    /// Cost of reading an array.
    ///
    /// # Errors
    /// [`Error::BadInput`] if it must not be read.
    fn cost(&self, dataset: &H5Dataset, path: &str) -> Result<Cost> {
        let mut costs = self.costs.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(cost) = costs.get(path) {
            return Ok(*cost);
        }
        let refused = |reason: String| {
            let hint = if reason.starts_with(guard::MISSING_SOURCE) {
                "Copy the missing file to the place that the dataset names, usually beside it"
            } else {
                "The file is damaged, or refers to other files in an unusual way; copy or export it again"
            };
            self.problem(path, format!("cannot be read: {reason}")).expected("a complete array").hint(hint)
        };
        let cost = match guard::check_dataset(self.content(), path) {
            Ok(Some(cost)) => cost,
            // Contiguous values and chunks without a tree are safe without a check.
            _ if dataset.chunk_index().is_ok_and(|index| !matches!(index, Some(Tree::BtreeV1 | Tree::BtreeV2)))
                && dataset.virtual_mappings().is_ok_and(|mappings| mappings.is_empty())
                && dataset.external_files().is_ok_and(|files| files.is_empty()) =>
            {
                Cost::default()
            }
            Ok(None) => return Err(refused("the path to it cannot be followed".into()).into()),
            Err(reason) => return Err(refused(reason).into()),
        };
        costs.insert(path.to_owned(), cost);
        Ok(cost)
    }

    /// Index of an array's chunks, read at its first use; None if it has another kind of index.
    fn index(&self, dataset: &H5Dataset, path: &str) -> Result<Option<Arc<ChunkIndex>>> {
        if !matches!(dataset.chunk_index(), Ok(Some(Tree::BtreeV1))) {
            return Ok(None);
        }
        let mut indices = self.indices.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(known) = indices.get(path) {
            return Ok(known.clone());
        }
        let index = ChunkIndex::read(self.content(), path).map_err(|reason| {
            self.problem(path, format!("cannot be read: {reason}"))
                .expected("a complete array")
                .hint("The file is damaged; copy or export it again")
        })?;
        let index = index.map(Arc::new);
        indices.insert(path.to_owned(), index.clone());
        Ok(index)
    }

    fn found(&self, path: &str) -> Result<Hdf5Array> {
        let array = self.array(path).ok_or_else(|| {
            Problem::new(format!("There is no array {path:?} in the file"))
                .expected(format!("an array at {path:?}"))
                .hint("`ptychoscope inspect` lists the arrays of the file")
                .at(&self.path)
        })?;
        match &array.problem {
            None => Ok(array),
            Some(problem) => {
                let packed = array.storage == Storage::Unsupported && problem.contains("compressed");
                let expected = if packed {
                    "numbers, uncompressed or compressed with gzip (deflate), LZF, LZ4, bitshuffle, Zstandard, Blosc or bzip2"
                } else {
                    "an array of numbers"
                };
                Err(self
                    .problem(&array.path, format!("cannot be read: {problem}"))
                    .expected(expected)
                    .hint(array.remedy)
                    .into())
            }
        }
    }

    fn whole(&self, path: &str) -> Result<Hdf5Array> {
        let array = self.found(path)?;
        let bytes = array.shape.iter().try_fold(8usize, |product, &length| product.checked_mul(length));
        if bytes.is_none_or(|bytes| bytes > MAX_WHOLE_BYTES) {
            return Err(self
                .problem(
                    &array.path,
                    format!("of shape {} is too large to be read in one piece", shape_text(&array.shape)),
                )
                .expected("an array that fits into memory")
                .hint("Check the name of the array")
                .into());
        }
        let is_missing = |bytes: usize| -> Result<bool> {
            if !is_almost_empty(self.length, bytes as u64) {
                return Ok(false);
            }
            let files = self.cost(&self.dataset(path)?, plain(path))?.files;
            Ok(is_almost_empty(files.max(self.length), bytes as u64))
        };
        if bytes.map_or(Ok(false), is_missing)? {
            return Err(self
                .problem(&array.path, format!("of shape {} is almost entirely missing", shape_text(&array.shape)))
                .expected("an array whose numbers were written")
                .hint("Check that the file was copied completely, and the name of the array")
                .into());
        }
        Ok(array)
    }

    fn problem(&self, path: &str, what: String) -> Problem {
        Problem::new(format!("The array {path:?} {what}")).at(&self.path)
    }

    fn unreadable(&self, array: &Hdf5Array, error: &Hdf5Error) -> Error {
        self.problem(&array.path, format!("cannot be read ({error})"))
            .expected("a complete array")
            .hint("The file is damaged, or uses a compression that is not built in: h5repack -f GZIP=4 IN OUT")
            .into()
    }

    /// Block of an array that the library cannot unpack.
    fn unpacked<T: Number>(&self, array: &Hdf5Array, starts: &[usize], counts: &[usize]) -> Result<Vec<T>> {
        let numeric = !matches!(array.element, Element::Text | Element::Other);
        if !numeric || (matches!(array.element, Element::Complex { .. }) && !T::COMPLEX) {
            return Err(self.no_numbers(array));
        }
        let dataset = self.dataset(&array.path)?;
        let bytes = self.unpacked_bytes(&dataset, array, starts, counts)?;
        converted(array, counts, &bytes).ok_or_else(|| self.no_numbers(array))
    }

    /// Bytes of a block that the library cannot unpack, as stored.
    fn unpacked_bytes(
        &self,
        dataset: &H5Dataset,
        array: &Hdf5Array,
        starts: &[usize],
        counts: &[usize],
    ) -> Result<Vec<u8>> {
        let index = self.index(dataset, &array.path)?;
        chunks::read(dataset, array, index.as_deref(), starts, counts).map_err(|reason| {
            self.problem(&array.path, format!("cannot be read: {reason}"))
                .expected("a complete array")
                .hint("Copy the file again, or write it without this compression: h5repack -f GZIP=4 IN OUT")
                .into()
        })
    }

    fn no_numbers(&self, array: &Hdf5Array) -> Error {
        self.problem(&array.path, format!("has type {}", array.dtype))
            .expected("real numbers")
            .hint("`ptychoscope inspect` lists the arrays of the file with their types")
            .into()
    }

    fn numbers_f32(&self, array: &Hdf5Array, starts: &[usize], counts: &[usize]) -> Result<Vec<f32>> {
        if array.reader == Reader::Here {
            return self.unpacked(array, starts, counts);
        }
        let dataset = self.dataset(&array.path)?;
        let mappings = dataset.virtual_mappings().unwrap_or_default();
        if !mappings.is_empty() && matches!(array.element, Element::Integer { .. } | Element::Float { .. }) {
            let fill = match dataset.fill_value() {
                Ok(FillValue::UserDefined(value)) => {
                    converted(array, &[], &value).and_then(|values| values.first().copied())
                }
                _ => None,
            };
            let array = Virtual { path: self.content(), array, mappings: &mappings, fill: fill.unwrap_or(0.0) };
            if let Some(values) = array.read(starts, counts) {
                return values;
            }
        }
        if let Element::Float { bytes: 4 } = array.element {
            self.check_copied(&dataset, array)?;
            slice::<f32>(&dataset, array, starts, counts).map_err(|error| self.unreadable(array, &error))
        } else {
            self.numbers(array, starts, counts).map(|values| values.into_iter().map(|value| value as f32).collect())
        }
    }

    /// Checks that the library can assemble a virtual dataset within reasonable time and memory.
    fn check_copied(&self, dataset: &H5Dataset, array: &Hdf5Array) -> Result<()> {
        let cost = self.cost(dataset, &array.path)?;
        if cost.copied.saturating_add(cost.image) <= MAX_COPIED_BYTES {
            return Ok(());
        }
        Err(self
            .problem(&array.path, "is a virtual dataset that is too large to be assembled".into())
            .expected("selections of rows, columns and frames, or a smaller dataset")
            .hint("Copy the data into one file without virtual datasets")
            .into())
    }

    fn numbers(&self, array: &Hdf5Array, starts: &[usize], counts: &[usize]) -> Result<Vec<f64>> {
        fn wide<T: rust_hdf5::H5Type>(
            dataset: &H5Dataset,
            array: &Hdf5Array,
            starts: &[usize],
            counts: &[usize],
            to: fn(T) -> f64,
        ) -> std::result::Result<Vec<f64>, Hdf5Error> {
            Ok(slice::<T>(dataset, array, starts, counts)?.into_iter().map(to).collect())
        }
        if array.reader == Reader::Here {
            return self.unpacked(array, starts, counts);
        }
        let dataset = self.dataset(&array.path)?;
        self.check_copied(&dataset, array)?;
        let values = match array.element {
            Element::Integer { bytes: 1, signed: false } => wide::<u8>(&dataset, array, starts, counts, f64::from),
            Element::Integer { bytes: 1, signed: true } => wide::<i8>(&dataset, array, starts, counts, f64::from),
            Element::Integer { bytes: 2, signed: false } => wide::<u16>(&dataset, array, starts, counts, f64::from),
            Element::Integer { bytes: 2, signed: true } => wide::<i16>(&dataset, array, starts, counts, f64::from),
            Element::Integer { bytes: 4, signed: false } => wide::<u32>(&dataset, array, starts, counts, f64::from),
            Element::Integer { bytes: 4, signed: true } => wide::<i32>(&dataset, array, starts, counts, f64::from),
            Element::Integer { signed: false, .. } => wide::<u64>(&dataset, array, starts, counts, |v| v as f64),
            Element::Integer { signed: true, .. } => wide::<i64>(&dataset, array, starts, counts, |v| v as f64),
            Element::Float { bytes: 4 } => wide::<f32>(&dataset, array, starts, counts, f64::from),
            Element::Float { bytes: 8 } => wide::<f64>(&dataset, array, starts, counts, |v| v),
            Element::Float { .. } => if array.shape.is_empty() {
                dataset.read_numeric_as::<f32>()
            } else {
                dataset.read_numeric_slice_as::<f32>(starts, counts)
            }
            .map(|values| values.into_iter().map(f64::from).collect()),
            Element::Complex { .. } | Element::Text | Element::Other => {
                return Err(self.no_numbers(array));
            }
        };
        values.map_err(|error| self.unreadable(array, &error))
    }
}

/// Stored bytes as NumPy would store them: real before imaginary part without gaps, and integers that use all their bits.
fn reordered<'a>(array: &Hdf5Array, bytes: &'a [u8]) -> Option<Cow<'a, [u8]>> {
    if let (Some(parts), Element::Complex { bytes: size }) = (array.parts, array.element) {
        let half = size / 2;
        if parts.size == size && parts.real == 0 && parts.imaginary == half {
            return Some(Cow::Borrowed(bytes));
        }
        let mut out = Vec::with_capacity(bytes.len().checked_div(parts.size)?.saturating_mul(size));
        for element in bytes.chunks_exact(parts.size) {
            for at in [parts.real, parts.imaginary] {
                out.extend_from_slice(element.get(at..at + half)?);
            }
        }
        return Some(Cow::Owned(out));
    }
    let (Some([offset, precision]), Element::Integer { bytes: size, signed }) = (array.bits, array.element) else {
        return Some(Cow::Borrowed(bytes));
    };
    let big_endian = array.dtype.starts_with('>');
    let mut out = Vec::with_capacity(bytes.len());
    for element in bytes.chunks_exact(size) {
        let mut word = [0u8; 8];
        word[..size].copy_from_slice(element);
        if big_endian {
            word[..size].reverse();
        }
        let used = (u64::from_le_bytes(word) >> offset) << (64 - precision);
        let value = if signed { ((used as i64) >> (64 - precision)) as u64 } else { used >> (64 - precision) };
        let mut word = value.to_le_bytes();
        if big_endian {
            word[..size].reverse();
        }
        out.extend_from_slice(&word[..size]);
    }
    Some(Cow::Owned(out))
}

/// Values of stored bytes with the element type of an array; None if it is not numeric.
fn converted<T: Number>(array: &Hdf5Array, shape: &[usize], bytes: &[u8]) -> Option<Vec<T>> {
    let (kind, item_bytes) = match array.element {
        Element::Integer { bytes, signed: false } => (Kind::Uint, bytes),
        Element::Integer { bytes, signed: true } => (Kind::Int, bytes),
        Element::Float { bytes } => (Kind::Float, bytes),
        Element::Complex { bytes } => (Kind::Complex, bytes),
        Element::Text | Element::Other => return None,
    };
    let bytes = &*reordered(array, bytes)?;
    if !bytes.len().is_multiple_of(item_bytes) {
        return None;
    }
    let header = Header {
        descr: array.dtype.clone(),
        kind,
        item_bytes,
        big_endian: array.dtype.starts_with('>'),
        fortran_order: false,
        shape: shape.to_vec(),
        header_bytes: 0,
    };
    let mut values = Vec::new();
    npy::convert(&header, bytes, &mut values);
    Some(values)
}

/// Block of an array of exactly this type.
fn slice<T: rust_hdf5::H5Type>(
    dataset: &H5Dataset,
    array: &Hdf5Array,
    starts: &[usize],
    counts: &[usize],
) -> std::result::Result<Vec<T>, Hdf5Error> {
    if counts.contains(&0) {
        Ok(Vec::new())
    } else if array.shape.is_empty() {
        dataset.read_raw::<T>()
    } else {
        dataset.read_slice::<T>(starts, counts)
    }
}

fn shaped(values: Vec<f64>, array: &Hdf5Array) -> Result<ArrayD<f64>> {
    ArrayD::from_shape_vec(IxDyn(&array.shape), values)
        .map_err(|error| Error::bad_input(format!("The array {:?} does not fit its shape ({error})", array.path)))
}

/// A path without leading and trailing `/`.
pub(super) fn plain(path: &str) -> &str {
    path.trim_matches('/')
}
