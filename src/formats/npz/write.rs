//! Writing of arrays and archives.

use super::super::npy;
use crate::error::{Error, Result};
use crate::system::Temporary;
use ndarray::ArrayViewD;
use num_complex::{Complex32, Complex64};
use std::io::{BufWriter, Seek, Write};
use std::path::{Path, PathBuf};
use zip::{CompressionMethod, ZipWriter, write::SimpleFileOptions};

/// An array to write.
#[derive(Debug, Clone)]
pub enum NpyArray<'a> {
    /// Written as `<f4`.
    F32(ArrayViewD<'a, f32>),
    /// Written as `<f8`.
    F64(ArrayViewD<'a, f64>),
    /// Written as `<c8` (complex64).
    C32(ArrayViewD<'a, Complex32>),
    /// Written as `<c16` (complex128).
    C64(ArrayViewD<'a, Complex64>),
    /// Written as `<i8`.
    I64(ArrayViewD<'a, i64>),
    /// Written as `<u2`.
    U16(ArrayViewD<'a, u16>),
    /// Written as a 0-d text array (`<U…`).
    Text(&'a str),
}

impl NpyArray<'_> {
    /// View of the array, borrowed from `self`.
    pub fn view(&self) -> NpyArray<'_> {
        match self {
            Self::F32(array) => NpyArray::F32(array.view()),
            Self::F64(array) => NpyArray::F64(array.view()),
            Self::C32(array) => NpyArray::C32(array.view()),
            Self::C64(array) => NpyArray::C64(array.view()),
            Self::I64(array) => NpyArray::I64(array.view()),
            Self::U16(array) => NpyArray::U16(array.view()),
            Self::Text(text) => NpyArray::Text(text),
        }
    }

    /// Writes header and elements in C order.
    pub fn write(&self, out: &mut impl Write) -> std::io::Result<()> {
        macro_rules! elements {
            ($array:expr, $descr:literal, |$v:ident| $($part:expr),+) => {{
                out.write_all(&npy::header_bytes($descr, $array.shape()))?;
                for $v in $array.iter() {
                    $(out.write_all(&$part.to_le_bytes())?;)+
                }
            }};
        }
        match self {
            Self::F32(array) => elements!(array, "<f4", |v| v),
            Self::F64(array) => elements!(array, "<f8", |v| v),
            Self::C32(array) => elements!(array, "<c8", |v| v.re, v.im),
            Self::C64(array) => elements!(array, "<c16", |v| v.re, v.im),
            Self::I64(array) => elements!(array, "<i8", |v| v),
            Self::U16(array) => elements!(array, "<u2", |v| v),
            Self::Text(text) => {
                let characters = text.chars().count().max(1);
                out.write_all(&npy::header_bytes(&format!("<U{characters}"), &[]))?;
                for c in text.chars() {
                    out.write_all(&u32::from(c).to_le_bytes())?;
                }
                if text.is_empty() {
                    out.write_all(&[0; 4])?;
                }
            }
        }
        Ok(())
    }
}

/// Level of fast compression: patterns with few photons compress well, others hardly at any level.
const FAST: i64 = 1;

/// Members of an archive being written.
#[derive(Debug)]
struct Members<W: Write + Seek> {
    zip: ZipWriter<W>,
    /// Level of compression; None for the default.
    level: Option<i64>,
}

impl<W: Write + Seek> Members<W> {
    fn new(out: W, level: Option<i64>) -> Self {
        Self { zip: ZipWriter::new(out), level }
    }

    fn start(&mut self, key: &str) -> std::io::Result<()> {
        let options = SimpleFileOptions::default()
            .compression_method(CompressionMethod::Deflated)
            .compression_level(self.level)
            .last_modified_time(zip::DateTime::default())
            .large_file(true);
        Ok(self.zip.start_file(format!("{key}.npy"), options)?)
    }

    fn array(&mut self, key: &str, array: &NpyArray<'_>) -> std::io::Result<()> {
        self.start(key)?;
        let mut buffered = BufWriter::with_capacity(1 << 16, &mut self.zip);
        array.write(&mut buffered)?;
        buffered.flush()
    }
}

/// An archive being written array by array, and a large array block by block, so that it need not fit into memory. It
/// appears at its path only after [`NpzWriter::finish`]; dropping it leaves nothing.
#[derive(Debug)]
pub struct NpzWriter {
    members: Members<BufWriter<Temporary>>,
    path: PathBuf,
}

impl NpzWriter {
    /// Starts an archive at `path`, with fast compression; its folder must exist.
    ///
    /// # Errors
    /// [`Error::Failed`] if the folder is missing or not writable.
    pub fn create(path: impl AsRef<Path>) -> Result<Self> {
        Self::with_level(path.as_ref(), Some(FAST))
    }

    fn with_level(path: &Path, level: Option<i64>) -> Result<Self> {
        let file = Temporary::create(path).map_err(|error| Error::writing(path, &error))?;
        let members = Members::new(BufWriter::with_capacity(1 << 16, file), level);
        Ok(Self { members, path: path.to_path_buf() })
    }

    /// Path of the archive.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes one array.
    ///
    /// # Errors
    /// [`Error::Failed`] if the file cannot be written.
    pub fn array(&mut self, key: &str, array: &NpyArray<'_>) -> Result<()> {
        self.members.array(key, array).map_err(|error| Error::writing(&self.path, &error))
    }

    /// Starts an f32 array of this shape, whose elements follow in C order through [`Self::elements_f32`]. The caller has
    /// to pass as many as the shape states.
    ///
    /// # Errors
    /// [`Error::Failed`] if the file cannot be written.
    pub fn start_f32(&mut self, key: &str, shape: &[usize]) -> Result<()> {
        let header = npy::header_bytes("<f4", shape);
        let started = self.members.start(key).and_then(|()| self.members.zip.write_all(&header));
        started.map_err(|error| Error::writing(&self.path, &error))
    }

    /// Next elements of the array that was started last.
    ///
    /// # Errors
    /// [`Error::Failed`] if the file cannot be written.
    pub fn elements_f32(&mut self, elements: &[f32]) -> Result<()> {
        let mut bytes = Vec::with_capacity(1 << 16);
        for part in elements.chunks(1 << 14) {
            bytes.clear();
            part.iter().for_each(|value| bytes.extend_from_slice(&value.to_le_bytes()));
            self.members.zip.write_all(&bytes).map_err(|error| Error::writing(&self.path, &error))?;
        }
        Ok(())
    }

    /// Completes the archive and moves it to its path, durably, replacing an older file.
    ///
    /// # Errors
    /// [`Error::Failed`]; an older file is then untouched.
    pub fn finish(self) -> Result<()> {
        let path = self.path;
        let finish = || -> std::io::Result<()> {
            self.members.zip.finish()?.into_inner().map_err(std::io::IntoInnerError::into_error)?.commit()
        };
        finish().map_err(|error| Error::writing(&path, &error))
    }
}

/// Writes a deflated `.npz` atomically: a reader sees the old file or the new one, never a part. The same arrays give the
/// same bytes.
///
/// # Errors
/// [`Error::Failed`] if the file cannot be written; an older file is then untouched.
pub fn write_npz(path: impl AsRef<Path>, arrays: &[(&str, NpyArray<'_>)]) -> Result<()> {
    let mut writer = NpzWriter::with_level(path.as_ref(), None)?;
    arrays.iter().try_for_each(|(key, array)| writer.array(key, array))?;
    writer.finish()
}

/// Bytes of a deflated `.npz`.
///
/// # Errors
/// [`Error::Failed`], which only lack of memory should cause.
pub fn npz_bytes(arrays: &[(&str, NpyArray<'_>)]) -> Result<Vec<u8>> {
    let mut members = Members::new(std::io::Cursor::new(Vec::new()), None);
    let written = arrays.iter().try_for_each(|(key, array)| members.array(key, array));
    let bytes = written.and_then(|()| Ok(members.zip.finish()?.into_inner()));
    bytes.map_err(|error| Error::failed(format!("Cannot write the archive ({error})")))
}

/// Bytes of a `.npy`.
///
/// # Errors
/// As [`npz_bytes`].
pub fn npy_bytes(array: &NpyArray<'_>) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    array.write(&mut bytes).map_err(|error| Error::failed(format!("Cannot write the array ({error})")))?;
    Ok(bytes)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::super::NpzArchive;
    use super::*;

    #[test]
    fn an_array_written_in_blocks_is_read_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.npz");
        let values: Vec<f32> = (0..60_000).map(|v| v as f32 * 0.5).collect();
        let mut writer = NpzWriter::create(&path).unwrap();
        writer.start_f32("blocks", &[3, 20_000]).unwrap();
        for block in values.chunks(17_001) {
            writer.elements_f32(block).unwrap();
        }
        writer.array("text", &NpyArray::Text("after")).unwrap();
        assert!(!path.exists(), "the file appears only when it is complete");
        writer.finish().unwrap();
        let mut archive = NpzArchive::open(&path).unwrap();
        let read = archive.read_f32("blocks").unwrap();
        assert_eq!(read.shape(), [3, 20_000]);
        assert!(read.iter().eq(&values));
        assert_eq!(archive.read_text("text").unwrap(), "after");
    }

    #[test]
    fn a_writer_that_is_dropped_leaves_nothing_and_a_bad_path_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let mut writer = NpzWriter::create(folder.path().join("b.npz")).unwrap();
        writer.start_f32("x", &[1]).unwrap();
        drop(writer);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
        assert!(NpzWriter::create(folder.path().join("no/c.npz")).unwrap_err().to_string().contains("c.npz"));
        assert!(NpzWriter::create(folder.path()).is_err());
    }
}
