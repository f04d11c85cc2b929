//! Reading and writing HDF5 files: a thin layer over `rust-hdf5` that speaks in arrays, paths and problems.
//!
//! Links are followed by the library, so that an array is found by any path that leads to it. Large arrays are read in
//! blocks ([`Hdf5File::read_block`]); nothing here asks for memory because a file states a size.

use super::npz::{Storage, shape_text};
use super::root_attributes::{self, RootAttribute};
use crate::error::{Error, Problem, Result};
use ndarray::{ArrayD, IxDyn};
use num_complex::Complex32;
use rust_hdf5::format::messages::datatype::IeeeFormat;
use rust_hdf5::{DatatypeMessage, H5Dataset, H5File, Hdf5Error};
use std::path::{Path, PathBuf};

/// Largest array that is read in one piece.
const MAX_WHOLE_BYTES: usize = 1 << 31;
/// Most arrays a file may have.
const MAX_ARRAYS: usize = 100_000;

/// What the elements of an array are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Element {
    /// Integer of so many bytes, signed or not; also booleans and bit fields.
    Integer { bytes: usize, signed: bool },
    /// IEEE number of so many bytes.
    Float { bytes: usize },
    /// Pair of real numbers (`r`, `i`; also `real`, `imag`) of so many bytes altogether.
    Complex { bytes: usize },
    /// Text, of fixed or variable length.
    Text,
    /// Anything else.
    Other,
}

/// One array of a file, known from its header alone.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Hdf5Array {
    /// Path without leading `/`.
    pub path: String,
    pub shape: Vec<usize>,
    pub element: Element,
    /// Type as NumPy writes it.
    pub dtype: String,
    pub storage: Storage,
    pub bytes: u64,
    pub problem: Option<String>,
}

/// An open HDF5 file.
pub(super) struct Hdf5File {
    path: PathBuf,
    file: H5File,
    arrays: Vec<Hdf5Array>,
    root: Vec<RootAttribute>,
}

impl std::fmt::Debug for Hdf5File {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Hdf5File").field("path", &self.path).field("arrays", &self.arrays).finish_non_exhaustive()
    }
}

/// Whether this is the start of an HDF5 file; MATLAB 7.3 files have it after a block of text.
pub(super) fn is_hdf5(path: &Path) -> bool {
    const MAGIC: &[u8] = b"\x89HDF\r\n\x1a\n";
    use std::io::{Read, Seek, SeekFrom};
    let Ok(mut file) = std::fs::File::open(path) else { return false };
    [0u64, 512, 1024, 2048].into_iter().any(|at| {
        let mut start = [0u8; 8];
        file.seek(SeekFrom::Start(at)).is_ok() && file.read_exact(&mut start).is_ok() && start == *MAGIC
    })
}

impl Hdf5File {
    /// Opens a file and lists its arrays; no data is read.
    ///
    /// # Errors
    /// [`Error::BadInput`] if the file cannot be read as HDF5.
    pub fn open(path: &Path) -> Result<Self> {
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
        let arrays = names.iter().map(|name| describe(&file, name)).collect();
        Ok(Self { path: path.to_path_buf(), file, arrays, root: root_attributes::read(path) })
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its arrays, sorted by path.
    pub fn arrays(&self) -> &[Hdf5Array] {
        &self.arrays
    }

    /// The array that this path leads to, links included.
    pub fn array(&self, path: &str) -> Option<Hdf5Array> {
        let path = plain(path);
        if let Some(found) = self.arrays.iter().find(|array| array.path == path) {
            return Some(found.clone());
        }
        self.file.dataset(path).ok().map(|_| describe(&self.file, path))
    }

    /// The first of these paths that leads to an array.
    pub fn first_of(&self, paths: &[&str]) -> Option<String> {
        paths.iter().find(|path| self.array(path).is_some()).map(|path| (*path).to_owned())
    }

    /// A real array as f64, whole.
    pub fn read_f64(&self, path: &str) -> Result<ArrayD<f64>> {
        let array = self.whole(path)?;
        let starts = vec![0; array.shape.len()];
        let values = self.numbers(&array, &starts, &array.shape)?;
        shaped(values, &array).map_err(|error| error.at(&self.path))
    }

    /// A real array as f32, whole.
    pub fn read_f32(&self, path: &str) -> Result<ArrayD<f32>> {
        let array = self.whole(path)?;
        let starts = vec![0; array.shape.len()];
        self.read_block(path, &starts, &array.shape.clone())
    }

    /// Part of a real array as f32: `counts` elements from `starts` on, per axis.
    ///
    /// # Errors
    /// [`Error::BadInput`] if it is missing, damaged, complex or no numbers, or compressed in an unknown way.
    pub fn read_block(&self, path: &str, starts: &[usize], counts: &[usize]) -> Result<ArrayD<f32>> {
        let array = self.found(path)?;
        let values: Vec<f32> = self.numbers_f32(&array, starts, counts)?;
        ArrayD::from_shape_vec(IxDyn(counts), values)
            .map_err(|error| self.problem(&array.path, format!("does not fit its shape ({error})")).into())
    }

    /// A real or complex array as complex64, whole.
    pub fn read_c32(&self, path: &str) -> Result<ArrayD<Complex32>> {
        let array = self.whole(path)?;
        let dataset = self.dataset(&array.path)?;
        let starts = vec![0; array.shape.len()];
        let failed = |error: Hdf5Error| self.unreadable(&array, &error);
        let scalar = array.shape.is_empty();
        let values: Vec<Complex32> = match array.element {
            Element::Complex { bytes: 8 } => {
                let raw: Vec<rust_hdf5::Complex32> = if scalar {
                    dataset.read_raw().map_err(failed)?
                } else {
                    dataset.read_slice(&starts, &array.shape).map_err(failed)?
                };
                raw.into_iter().map(|v| Complex32::new(v.re, v.im)).collect()
            }
            Element::Complex { .. } => {
                let raw: Vec<rust_hdf5::Complex64> = if scalar {
                    dataset.read_raw().map_err(failed)?
                } else {
                    dataset.read_slice(&starts, &array.shape).map_err(failed)?
                };
                raw.into_iter().map(|v| Complex32::new(v.re as f32, v.im as f32)).collect()
            }
            _ => self.numbers_f32(&array, &starts, &array.shape)?.into_iter().map(|v| Complex32::new(v, 0.0)).collect(),
        };
        ArrayD::from_shape_vec(IxDyn(&array.shape), values)
            .map_err(|error| self.problem(&array.path, format!("does not fit its shape ({error})")).into())
    }

    /// The first number of a real array: what `energy` or `distance` hold.
    pub fn number(&self, path: &str) -> Option<f64> {
        let array = self.array(path)?;
        if array.shape.iter().product::<usize>() > 1000 {
            return None;
        }
        self.read_f64(path).ok()?.first().copied().filter(|value| value.is_finite())
    }

    /// The first text of a text array.
    pub fn text(&self, path: &str) -> Option<String> {
        let dataset = self.file.dataset(plain(path)).ok()?;
        dataset.read_strings_lossy().ok()?.into_iter().next()
    }

    /// A number among the attributes of an array.
    pub fn attribute(&self, path: &str, name: &str) -> Option<f64> {
        let attribute = self.file.dataset(plain(path)).ok()?.attr(name).ok()?;
        match attribute.read_numeric_as::<f64>() {
            Ok(values) => values.first().copied(),
            Err(_) => attribute.read_numeric_as::<i64>().ok()?.first().map(|&value| value as f64),
        }
        .filter(|value| value.is_finite())
    }

    /// A number among the attributes of the file.
    pub fn root_number(&self, names: &[&str]) -> Option<f64> {
        names.iter().find_map(|name| self.root.iter().find(|attribute| attribute.name == *name)?.number)
    }

    /// A text among the attributes of the file.
    pub fn root_text(&self, name: &str) -> Option<String> {
        self.file.attr_string(name).ok()
    }

    fn dataset(&self, path: &str) -> Result<H5Dataset> {
        self.file.dataset(path).map_err(|error| self.problem(path, format!("cannot be opened ({error})")).into())
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
            Some(problem) => Err(self
                .problem(&array.path, format!("cannot be read: {problem}"))
                .expected("numbers, uncompressed or compressed with gzip (deflate) or LZF")
                .hint("Write the array again without compression, or with gzip: h5repack -f GZIP=4 IN OUT")
                .into()),
        }
    }

    fn whole(&self, path: &str) -> Result<Hdf5Array> {
        let array = self.found(path)?;
        let bytes = array.shape.iter().try_fold(8usize, |product, &length| product.checked_mul(length));
        if bytes.is_none_or(|bytes| bytes > MAX_WHOLE_BYTES) {
            return Err(self
                .problem(&array.path, format!("of shape {} is too large to be read whole", shape_text(&array.shape)))
                .expected("an array that fits into memory")
                .hint("Check that the right array was named")
                .into());
        }
        Ok(array)
    }

    fn problem(&self, path: &str, what: String) -> Problem {
        Problem::new(format!("The array {path:?} {what}")).at(&self.path)
    }

    fn unreadable(&self, array: &Hdf5Array, error: &Hdf5Error) -> Error {
        self.problem(&array.path, format!("cannot be read ({error})"))
            .expected("a complete array, uncompressed or compressed with gzip (deflate) or LZF")
            .hint("The file is damaged, or uses a compression that is not built in: h5repack -f GZIP=4 IN OUT")
            .into()
    }

    fn numbers_f32(&self, array: &Hdf5Array, starts: &[usize], counts: &[usize]) -> Result<Vec<f32>> {
        if let Element::Float { bytes: 4 } = array.element {
            let dataset = self.dataset(&array.path)?;
            return slice::<f32>(&dataset, array, starts, counts).map_err(|error| self.unreadable(array, &error));
        }
        Ok(self.numbers(array, starts, counts)?.into_iter().map(|value| value as f32).collect())
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
        let dataset = self.dataset(&array.path)?;
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
                return Err(self
                    .problem(&array.path, format!("has type {}", array.dtype))
                    .expected("real numbers")
                    .hint("`ptychoscope inspect` lists the arrays of the file with their types")
                    .into());
            }
        };
        values.map_err(|error| self.unreadable(array, &error))
    }
}

/// Part of an array of this very type.
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

/// A path without `/` at its ends.
fn plain(path: &str) -> &str {
    path.trim_matches('/')
}

fn describe(file: &H5File, path: &str) -> Hdf5Array {
    let mut array = Hdf5Array {
        path: path.to_owned(),
        shape: Vec::new(),
        element: Element::Other,
        dtype: "?".into(),
        storage: Storage::Unsupported,
        bytes: 0,
        problem: None,
    };
    let dataset = match file.dataset(path) {
        Ok(dataset) => dataset,
        Err(error) => {
            array.problem = Some(error.to_string());
            return array;
        }
    };
    array.shape = dataset.shape();
    let count = array.shape.iter().fold(1u64, |product, &length| product.saturating_mul(length as u64));
    array.bytes = count.saturating_mul(dataset.element_size() as u64);
    match dataset.datatype() {
        Ok(datatype) => {
            array.element = element_of(&datatype);
            array.dtype = dtype_of(&datatype, array.element);
        }
        Err(error) => array.problem = Some(error.to_string()),
    }
    match dataset.filters() {
        Ok(filters) => {
            array.storage = match filters.iter().find(|filter| !matches!(filter.id, 2 | 3)) {
                None => Storage::Stored,
                Some(filter) if filter.id == 1 => Storage::Deflated,
                Some(_) => Storage::Compressed,
            };
            // h5py marks every compression as optional, so that flag says nothing.
            if let Some(name) = filters.iter().find_map(unknown_filter) {
                array.storage = Storage::Unsupported;
                array.problem = Some(format!("it is compressed with {name}, which is not built in"));
            }
        }
        Err(error) => array.problem = Some(error.to_string()),
    }
    array
}

/// Deflate, shuffle, Fletcher-32, SZIP, N-bit, scale-offset, LZF, and bitshuffle without compression.
const BUILT_IN_FILTERS: [u16; 8] = [1, 2, 3, 4, 5, 6, 32000, 32008];

/// What a filter that is not built in is called.
fn unknown_filter(filter: &rust_hdf5::Filter) -> Option<String> {
    let inner = filter.cd_values.get(4).copied().unwrap_or(0);
    Some(match (filter.id, inner) {
        (32008, 2) => "bitshuffle and LZ4".into(),
        (32008, 3) => "bitshuffle and Zstandard".into(),
        (id, _) if BUILT_IN_FILTERS.contains(&id) => return None,
        (307, _) => "bzip2".into(),
        (32001, _) => "Blosc".into(),
        (32004, _) => "LZ4".into(),
        (32015, _) => "Zstandard".into(),
        (32026, _) => "Blosc2".into(),
        (id, _) => format!("filter {id}"),
    })
}

fn element_of(datatype: &DatatypeMessage) -> Element {
    match datatype {
        DatatypeMessage::FixedPoint { size, signed, .. } if matches!(size, 1 | 2 | 4 | 8) => {
            Element::Integer { bytes: *size as usize, signed: *signed }
        }
        DatatypeMessage::BitField { size, .. } if matches!(size, 1 | 2 | 4 | 8) => {
            Element::Integer { bytes: *size as usize, signed: false }
        }
        DatatypeMessage::Enum { base, .. } => element_of(base),
        DatatypeMessage::FloatingPoint { .. } => match datatype.ieee_format() {
            Some(IeeeFormat::Binary16) => Element::Float { bytes: 2 },
            Some(IeeeFormat::Binary32) => Element::Float { bytes: 4 },
            Some(IeeeFormat::Binary64) => Element::Float { bytes: 8 },
            None => Element::Other,
        },
        DatatypeMessage::Compound { size, members } => match members.as_slice() {
            [re, im] => {
                let half = element_of(&re.datatype);
                let named = matches!(
                    (re.name.to_ascii_lowercase().as_str(), im.name.to_ascii_lowercase().as_str()),
                    ("r" | "re" | "real", "i" | "im" | "imag" | "imaginary")
                );
                let same = half == element_of(&im.datatype);
                match half {
                    Element::Float { bytes: bytes @ (4 | 8) }
                        if named && same && *size as usize == 2 * bytes && im.offset as usize == bytes =>
                    {
                        Element::Complex { bytes: 2 * bytes }
                    }
                    _ => Element::Other,
                }
            }
            _ => Element::Other,
        },
        DatatypeMessage::FixedString { .. } | DatatypeMessage::VarLenString { .. } => Element::Text,
        _ => Element::Other,
    }
}

fn dtype_of(datatype: &DatatypeMessage, element: Element) -> String {
    let order = match datatype {
        DatatypeMessage::FixedPoint { byte_order, .. } | DatatypeMessage::FloatingPoint { byte_order, .. }
            if *byte_order == rust_hdf5::ByteOrder::BigEndian =>
        {
            '>'
        }
        _ => '<',
    };
    match element {
        Element::Integer { .. } if matches!(datatype, DatatypeMessage::Enum { .. }) => "|b1".into(),
        Element::Integer { bytes: 1, signed } => if signed { "|i1" } else { "|u1" }.into(),
        Element::Integer { bytes, signed } => format!("{order}{}{bytes}", if signed { 'i' } else { 'u' }),
        Element::Float { bytes } => format!("{order}f{bytes}"),
        Element::Complex { bytes } => format!("<c{bytes}"),
        Element::Text => "text".into(),
        Element::Other => datatype.to_string(),
    }
}

/// An HDF5 file being written; it appears at its path only when it is whole.
pub(super) struct Hdf5Writer {
    path: PathBuf,
    temporary: tempfile::TempPath,
    file: H5File,
}

impl Hdf5Writer {
    /// Begins a file that shall stand at `path`; its folder must exist.
    pub fn create(path: &Path) -> Result<Self> {
        let folder = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let temporary = tempfile::Builder::new()
            .prefix(".")
            .suffix(".part")
            .tempfile_in(folder)
            .map_err(|error| Error::writing(path, &error))?
            .into_temp_path();
        let file = H5File::create(&temporary).map_err(|error| unwritten(path, &error))?;
        Ok(Self { path: path.to_path_buf(), temporary, file })
    }

    /// The file inside, for whatever is not wrapped here.
    pub fn file(&self) -> &H5File {
        &self.file
    }

    /// Makes a group; the one above it must be there.
    pub fn group(&self, path: &str) -> Result<()> {
        let (above, name) = plain(path).rsplit_once('/').unwrap_or(("", plain(path)));
        let mut at = self.file.root_group();
        for part in above.split('/').filter(|part| !part.is_empty()) {
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

    /// Adds a number to the attributes of an array.
    pub fn attribute(&self, dataset: &H5Dataset, name: &str, value: f64) -> Result<()> {
        let attribute = dataset.new_attr::<f64>().shape(()).create(name).map_err(|error| self.failed(&error))?;
        attribute.write_numeric(&value).map_err(|error| self.failed(&error))
    }

    /// Puts the file at its path; an older one is replaced.
    pub fn commit(self) -> Result<()> {
        let Self { path, temporary, file } = self;
        file.close().map_err(|error| unwritten(&path, &error))?;
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            std::fs::set_permissions(&temporary, std::fs::Permissions::from_mode(0o644))
                .map_err(|error| Error::writing(&path, &error))?;
        }
        temporary.persist(&path).map_err(|error| Error::writing(&path, &error.error))
    }

    /// An error of the library, with the file.
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

/// Complex numbers as the library wants them: `r` and `i`.
pub(super) fn complex32(values: impl IntoIterator<Item = Complex32>) -> Vec<rust_hdf5::Complex32> {
    values.into_iter().map(|v| rust_hdf5::Complex32 { re: v.re, im: v.im }).collect()
}
