//! Stacks of detector images: a folder or a pattern of names with TIFF, EDF, CBF, NPY or raw files, a pattern of names of HDF5
//! files, or one TIFF or EDF of many images.
//!
//! * `edf`, `cbf`: images of these formats. TIFF is read by [`super::tiff`], NPY by [`super::npz`], HDF5 by `series`.

mod cbf;
mod edf;
mod series;

pub use cbf::decode as decode_cbf;
pub use edf::decode as decode_edf;
pub use series::FindArray;

use crate::error::{Error, Problem, Result};
use crate::npz::{read_npy, shape_text};
use crate::tiff;
use ndarray::{Array2, Ix2};
use rayon::prelude::*;
use series::Series;
use std::io::Read;
use std::path::{Path, PathBuf};

/// Largest image file that is read, in bytes.
const MAX_BYTES: u64 = 1 << 30;
/// Most images of a stack.
const MAX_IMAGES: usize = 1_000_000;
/// Extensions of images in a folder.
const EXTENSIONS: [&str; 6] = ["tif", "tiff", "edf", "cbf", "npy", "raw"];

/// An image (h, w) with the type of its stored values.
#[derive(Debug, Clone, PartialEq)]
pub struct Image {
    /// Values.
    pub values: Array2<f32>,
    /// NumPy type string, such as `<u2`.
    pub dtype: String,
}

/// Type and shape of raw files, which do not state them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawLayout {
    /// NumPy type string, such as `<u2`.
    pub dtype: String,
    /// Height and width.
    pub shape: [usize; 2],
    /// Bytes before the first value.
    pub skipped: usize,
}

impl RawLayout {
    /// Reads `uint16,512,512` or `>u2,512,512,4096`: type, height, width, and bytes to skip.
    pub fn parse(text: &str) -> Option<Self> {
        let parts: Vec<&str> = text.split(',').map(str::trim).collect();
        let [name, height, width, rest @ ..] = &parts[..] else { return None };
        let big = name.starts_with('>');
        let plain = match name.trim_start_matches(['<', '>', '|', '=']) {
            "uint8" | "u1" => "u1",
            "int8" | "i1" => "i1",
            "uint16" | "u2" => "u2",
            "int16" | "i2" => "i2",
            "uint32" | "u4" => "u4",
            "int32" | "i4" => "i4",
            "float32" | "f4" => "f4",
            "float64" | "f8" => "f8",
            _ => return None,
        };
        let skipped = match rest {
            [] => 0,
            [skipped] => skipped.parse().ok()?,
            _ => return None,
        };
        let dtype = format!("{}{plain}", if big { '>' } else { '<' });
        Some(Self { dtype, shape: [height.parse().ok()?, width.parse().ok()?], skipped })
    }
}

/// A stack of images of one size.
#[derive(Debug)]
pub struct ImageStack {
    path: PathBuf,
    /// File and page of each image.
    images: Vec<(PathBuf, usize)>,
    raw: Option<RawLayout>,
    /// The array with the images, if the files are HDF5.
    series: Option<Series>,
    shape: [usize; 2],
    dtype: String,
}

impl ImageStack {
    /// Files of the stack that a path names: the images in a folder, the files that match a name with `*`, or the pages of a
    /// TIFF file. Empty if it names none.
    pub fn files(path: &Path) -> Vec<PathBuf> {
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let is_image = |path: &PathBuf| {
            let extension = path.extension().map(|extension| extension.to_string_lossy().to_lowercase());
            extension.is_some_and(|extension| EXTENSIONS.contains(&extension.as_str()))
        };
        let listed = |folder: &Path| -> Vec<PathBuf> {
            let entries = std::fs::read_dir(folder).map(|entries| entries.flatten().take(MAX_IMAGES).collect());
            let entries: Vec<std::fs::DirEntry> = entries.unwrap_or_default();
            entries.into_iter().map(|entry| entry.path()).filter(|path| path.is_file()).collect()
        };
        let mut found = if path.is_dir() {
            listed(path).into_iter().filter(is_image).collect()
        } else if name.contains('*') && !path.exists() {
            let folder = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
            let fits = |path: &PathBuf| path.file_name().is_some_and(|one| matches(&one.to_string_lossy(), &name));
            listed(folder).into_iter().filter(fits).collect()
        } else if starts_like_tiff(path) || edf::images(path).is_some() || starts_like_cbf(path) {
            vec![path.to_path_buf()]
        } else {
            Vec::new()
        };
        // Image 10 follows image 9.
        found.sort_by_cached_key(|path: &PathBuf| natural_key(&path.to_string_lossy()));
        found
    }

    /// Opens the stack that a path names, and reads its first image; `None` if the path names no images. `find` names the array
    /// with the images in HDF5 files.
    ///
    /// # Errors
    /// [`Error::BadInput`] if the first image cannot be read.
    pub fn open(path: &Path, raw: Option<RawLayout>, find: FindArray<'_>) -> Result<Option<Self>> {
        let files = Self::files(path);
        let Some(first) = files.first() else { return Ok(None) };
        let series = Series::open(first, find)?;
        let counts: Vec<usize> = match (&series, &raw) {
            (Some(series), _) => series.counts(&files)?,
            (None, Some(_)) => vec![1; files.len()],
            (None, None) => files.par_iter().map(|file| pages(file)).collect(),
        };
        if counts.iter().sum::<usize>() > MAX_IMAGES {
            return Err(Problem::new("There are too many images").expected("at most a million").at(path).into());
        }
        let images: Vec<(PathBuf, usize)> = files
            .iter()
            .zip(counts)
            .flat_map(|(file, count)| (0..count).map(move |page| (file.clone(), page)))
            .collect();
        let (shape, dtype) = match &series {
            Some(series) => (series.frame(), series.dtype().to_owned()),
            None => {
                let image = read(first, 0, raw.as_ref())?;
                ([image.values.nrows(), image.values.ncols()], image.dtype)
            }
        };
        Ok(Some(Self { path: path.to_path_buf(), images, raw, series, shape, dtype }))
    }

    /// First file, if the stack consists of HDF5 files.
    pub fn first_hdf5(&self) -> Option<&Path> {
        self.series.as_ref().and(self.images.first()).map(|(file, _)| file.as_path())
    }

    /// Values of another array, one after the other through all HDF5 files of the stack.
    ///
    /// # Errors
    /// [`Error::BadInput`] if the files are not HDF5, or one lacks the array.
    pub fn read_f64(&self, key: &str) -> Result<Vec<f64>> {
        let mut files: Vec<&Path> = self.images.iter().map(|(file, _)| file.as_path()).collect();
        files.dedup();
        match &self.series {
            Some(_) => series::read_f64(&files, key),
            None => Err(Problem::new(format!("There is no array {key:?} in a stack of images")).at(&self.path).into()),
        }
    }

    /// Path as given.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Number, height and width of the images.
    pub fn shape(&self) -> [usize; 3] {
        [self.images.len(), self.shape[0], self.shape[1]]
    }

    /// NumPy type string of the first image.
    pub fn dtype(&self) -> &str {
        &self.dtype
    }

    /// Images (h, w) with these indices.
    ///
    /// # Errors
    /// [`Error::BadInput`] if a file cannot be read, or an image has another size than the first.
    pub fn read(&self, rows: &[usize]) -> Result<Vec<Array2<f32>>> {
        let chosen: Vec<&(PathBuf, usize)> = rows.iter().filter_map(|&row| self.images.get(row)).collect();
        if chosen.len() < rows.len() {
            return Err(Error::failed(format!("Images beyond {} were requested", self.images.len())).at(&self.path));
        }
        let by_file: Vec<&[&(PathBuf, usize)]> = chosen.chunk_by(|one, next| one.0 == next.0).collect();
        let of_file = |group: &&[&(PathBuf, usize)]| self.read_pages(group);
        Ok(by_file.par_iter().map(of_file).collect::<Result<Vec<_>>>()?.concat())
    }

    /// Images of one file.
    fn read_pages(&self, group: &[&(PathBuf, usize)]) -> Result<Vec<Array2<f32>>> {
        let Some((file, _)) = group.first() else { return Ok(Vec::new()) };
        let pages: Vec<usize> = group.iter().map(|(_, page)| *page).collect();
        let images = match &self.series {
            Some(series) => series.read(file, &pages)?,
            None => {
                let bytes = content(file)?;
                let one = |&page: &usize| Ok(decode(file, &bytes, page, self.raw.as_ref())?.values);
                pages.par_iter().map(one).collect::<Result<Vec<_>>>()?
            }
        };
        let Some(odd) = images.iter().find(|image| image.dim() != (self.shape[0], self.shape[1])) else {
            return Ok(images);
        };
        Err(Problem::new(format!("The image has shape {}", shape_text(odd.shape())))
            .expected(format!("{}, like the first image of the stack", shape_text(&self.shape)))
            .hint("Keep images of other kinds, such as dark fields, in another folder")
            .at(file)
            .into())
    }
}

/// Number of images in a file that states it; 1 for others.
fn pages(file: &Path) -> usize {
    if starts_like_tiff(file) { tiff::pages(file) } else { edf::images(file).unwrap_or(1) }
}

/// Reads an image, recognized by its content.
///
/// # Errors
/// [`Error::BadInput`] if the file cannot be read or is no image.
pub fn read(path: &Path, page: usize, raw: Option<&RawLayout>) -> Result<Image> {
    decode(path, &content(path)?, page, raw)
}

fn content(path: &Path) -> Result<Vec<u8>> {
    let failed = |error: std::io::Error| Error::reading(path, &error);
    let mut bytes = Vec::new();
    crate::open_file(path).map_err(failed)?.take(MAX_BYTES).read_to_end(&mut bytes).map_err(failed)?;
    Ok(bytes)
}

/// Image of a file with this content.
fn decode(path: &Path, bytes: &[u8], page: usize, raw: Option<&RawLayout>) -> Result<Image> {
    let starts = |magic: &[u8]| bytes.starts_with(magic);
    let decoded = if let Some(raw) = raw {
        decode_raw(bytes, raw)
    } else if starts(b"II") || starts(b"MM\0") {
        tiff::decode_page(bytes, page).and_then(|(values, dtype)| {
            let values = values.mapv(|value| value as f32).into_dimensionality::<Ix2>().map_err(|e| e.to_string())?;
            Ok(Image { values, dtype })
        })
    } else if starts(b"###CBF") {
        cbf::decode(bytes)
    } else if starts(b"{") || starts(b"\n{") {
        edf::decode_image(bytes, page)
    } else if starts(b"\x93NUMPY") {
        let values = read_npy(path)?.mapv(|value| value as f32);
        let dtype = if values.iter().all(|value| value.fract() == 0.0) { "<i4" } else { "<f4" };
        values
            .into_dimensionality::<Ix2>()
            .map(|values| Image { values, dtype: dtype.into() })
            .map_err(|e| e.to_string())
    } else {
        Err("it is neither TIFF nor CBF, EDF or NPY; for raw files state data.mapping.raw_layout".into())
    };
    decoded.map_err(|reason| {
        Problem::new(format!("The image cannot be read: {reason}"))
            .expected("a TIFF, CBF, EDF, NPY or raw image of a detector")
            .hint("Copy the file again, or convert it to TIFF")
            .at(path)
            .into()
    })
}

fn decode_raw(bytes: &[u8], raw: &RawLayout) -> std::result::Result<Image, String> {
    let data = bytes.get(raw.skipped..).unwrap_or_default();
    let values = numbers(data, &raw.dtype, raw.shape, true)?;
    Ok(Image { values, dtype: raw.dtype.clone() })
}

/// Values (h, w) of a NumPy type; `exactly` if there must be no bytes behind them.
fn numbers(bytes: &[u8], dtype: &str, shape: [usize; 2], exactly: bool) -> std::result::Result<Array2<f32>, String> {
    let header = crate::npy::plain_header(dtype, &shape).ok_or_else(|| format!("its type {dtype} is not known"))?;
    let needed = header.total_bytes().and_then(|bytes| usize::try_from(bytes).ok()).ok_or("it is impossibly large")?;
    if bytes.len() < needed || (exactly && bytes.len() != needed) {
        return Err(format!(
            "{} × {} values of {dtype} need {needed} bytes, but there are {}",
            shape[0],
            shape[1],
            bytes.len()
        ));
    }
    let mut values: Vec<f32> = Vec::new();
    crate::npy::convert(&header, bytes.get(..needed).unwrap_or_default(), &mut values);
    Array2::from_shape_vec((shape[0], shape[1]), values).map_err(|error| error.to_string())
}

/// First bytes of a file, if it is a regular one.
fn start_of<const N: usize>(path: &Path) -> Option<[u8; N]> {
    let mut start = [0u8; N];
    (path.is_file() && crate::open_file(path).is_ok_and(|mut file| file.read_exact(&mut start).is_ok()))
        .then_some(start)
}

fn starts_like_tiff(path: &Path) -> bool {
    start_of::<4>(path).is_some_and(|start| matches!(&start, b"II*\0" | b"MM\0*" | b"II+\0" | b"MM\0+"))
}

fn starts_like_cbf(path: &Path) -> bool {
    start_of::<6>(path).is_some_and(|start| &start == b"###CBF")
}

/// True if a name matches a pattern in which `*` stands for any text.
pub fn matches(name: &str, pattern: &str) -> bool {
    match pattern.split_once('*') {
        None => name == pattern,
        Some((start, rest)) => name
            .strip_prefix(start)
            .is_some_and(|name| (0..=name.len()).filter_map(|at| name.get(at..)).any(|name| matches(name, rest))),
    }
}

/// A key that sorts numbers in names by their value.
fn natural_key(name: &str) -> Vec<(String, u64)> {
    let mut parts = Vec::new();
    let mut rest = name;
    while !rest.is_empty() {
        let text_end = rest.find(|c: char| c.is_ascii_digit()).unwrap_or(rest.len());
        let (text, after) = rest.split_at(text_end);
        let number_end = after.find(|c: char| !c.is_ascii_digit()).unwrap_or(after.len());
        let (digits, after) = after.split_at(number_end);
        parts.push((text.to_owned(), digits.parse().unwrap_or(u64::MAX)));
        rest = after;
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stack_is_sorted_by_its_numbers_and_read_from_any_format() {
        let folder = tempfile::tempdir().unwrap();
        let image = |k: u16| Array2::from_shape_fn((3, 4), |(y, x)| (100 * k + 10 * y as u16 + x as u16) % 251);
        for k in [9u16, 10, 2] {
            std::fs::write(folder.path().join(format!("f_{k}.tif")), crate::testing::one_strip(&image(k))).unwrap();
            std::fs::write(folder.path().join(format!("g_{k}.edf")), edf::tests::encoded(&image(k))).unwrap();
            std::fs::write(folder.path().join(format!("h_{k}.cbf")), cbf::tests::encoded(&image(k))).unwrap();
            let raw: Vec<u8> = image(k).iter().flat_map(|value| value.to_be_bytes()).collect();
            std::fs::write(folder.path().join(format!("r_{k}.raw")), [b"head".to_vec(), raw].concat()).unwrap();
        }
        for name in ["f_*.tif", "g_*.edf", "h_*.cbf", "r_*.raw"] {
            let raw = name.starts_with('r').then(|| RawLayout::parse(">u2, 3, 4, 4").unwrap());
            let stack = ImageStack::open(&folder.path().join(name), raw, &|_| None).unwrap().unwrap();
            assert_eq!(stack.shape(), [3, 3, 4], "{name}");
            assert_eq!(stack.read(&[0, 1, 2]).unwrap(), [2, 9, 10].map(|k| image(k).mapv(f32::from)), "{name}");
        }
        // Several images in one file.
        let path = folder.path().join("many.edf");
        std::fs::write(&path, [edf::tests::encoded(&image(4)), edf::tests::encoded(&image(5))].concat()).unwrap();
        let stack = ImageStack::open(&path, None, &|_| None).unwrap().unwrap();
        assert_eq!(stack.read(&[0, 1]).unwrap(), [4, 5].map(|k| image(k).mapv(f32::from)));
        std::fs::write(folder.path().join("f_11.tif"), crate::testing::one_strip(&Array2::zeros((2, 2)))).unwrap();
        let stack = ImageStack::open(&folder.path().join("f_*"), None, &|_| None).unwrap().unwrap();
        assert!(stack.read(&[3]).unwrap_err().to_string().contains("f_11.tif"));
        assert!(ImageStack::open(&folder.path().join("none*.tif"), None, &|_| None).unwrap().is_none());
        assert_eq!(RawLayout::parse("u2,3"), None);
        assert_eq!(RawLayout::parse("complex64,3,4"), None);
    }
}
