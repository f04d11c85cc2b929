//! Writing arrays and whole archives.

use super::super::npy;
use crate::error::{Error, Result};
use crate::system::Temporary;
use ndarray::ArrayViewD;
use num_complex::{Complex32, Complex64};
use std::io::{BufWriter, Seek, Write};
use std::path::Path;
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
    /// The same array, borrowed for as long as `self`.
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
    pub(in crate::data) fn write(&self, out: &mut impl Write) -> std::io::Result<()> {
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

/// Writes a deflated `.npz` in one piece: a temporary file in the same folder, synced, then renamed, so that a
/// reader sees the old file or the new one and never half of one. The same arrays give the same bytes.
///
/// # Errors
/// [`Error::Failed`] if the file cannot be written; a file that was there before is then untouched.
pub fn write_npz(path: impl AsRef<Path>, arrays: &[(&str, NpyArray<'_>)]) -> Result<()> {
    let path = path.as_ref();
    write_npz_io(path, arrays).map_err(|error| Error::writing(path, &error))
}

fn write_npz_io(path: &Path, arrays: &[(&str, NpyArray<'_>)]) -> std::io::Result<()> {
    let mut temporary = Temporary::create(path)?;
    write_members(BufWriter::new(&mut temporary), arrays)?.flush()?;
    temporary.commit()
}

/// The bytes of a deflated `.npz`.
///
/// # Errors
/// The archive's, which only lack of memory should cause.
pub fn npz_bytes(arrays: &[(&str, NpyArray<'_>)]) -> Result<Vec<u8>> {
    let written = write_members(std::io::Cursor::new(Vec::new()), arrays);
    written
        .map(std::io::Cursor::into_inner)
        .map_err(|error| Error::failed(format!("The archive could not be written ({error})")))
}

/// The bytes of a `.npy`.
///
/// # Errors
/// As [`npz_bytes`].
pub fn npy_bytes(array: &NpyArray<'_>) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    array.write(&mut bytes).map_err(|error| Error::failed(format!("The array could not be written ({error})")))?;
    Ok(bytes)
}

fn write_members<W: Write + Seek>(out: W, arrays: &[(&str, NpyArray<'_>)]) -> std::io::Result<W> {
    let mut zip = ZipWriter::new(out);
    for (key, array) in arrays {
        let options = SimpleFileOptions::default()
            .compression_method(CompressionMethod::Deflated)
            .last_modified_time(zip::DateTime::default())
            .large_file(true);
        zip.start_file(format!("{key}.npy"), options)?;
        let mut buffered = BufWriter::with_capacity(1 << 16, &mut zip);
        array.write(&mut buffered)?;
        buffered.flush()?;
    }
    Ok(zip.finish()?)
}
