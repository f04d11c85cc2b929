//! An open NPZ archive.

use super::super::npy::{self, Header, Kind, Number};
use super::super::pickle;
use super::foreign::{folder_problem, not_a_dataset, refuse_foreign_names, refuse_foreign_start};
use super::member::{Member, open_member, read_member};
use crate::error::{Error, Problem, Result};
use ndarray::{ArrayD, IxDyn, ShapeBuilder};
use num_complex::{Complex32, Complex64};
use std::fs::File;
use std::io::{BufReader, Read, Seek};
use std::path::{Path, PathBuf};
use zip::ZipArchive;

/// Most members an archive may have.
const MAX_MEMBERS: usize = 10_000;
/// Most keys listed in a message.
const MAX_KEYS_NAMED: usize = 20;
/// Longest text or pickle read, in bytes.
const MAX_TEXT_BYTES: u64 = 16 * 1024 * 1024;
/// Bytes converted at a time; a multiple of every element size.
const CHUNK_BYTES: usize = 1 << 20;

/// An open `.npz` file.
#[derive(Debug)]
pub struct NpzArchive {
    path: PathBuf,
    members: Vec<Member>,
    archive: ZipArchive<BufReader<File>>,
}

impl NpzArchive {
    /// Opens an archive and reads the headers of its members, in file order; no data is read.
    ///
    /// # Errors
    /// [`Error::BadInput`] if the file cannot be read, is truncated, or is something else (HDF5, a TensorFlow or
    /// PyTorch archive, a model bundle …), which is named.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let metadata = std::fs::metadata(path).map_err(|error| Error::reading(path, &error))?;
        if metadata.is_dir() {
            return Err(folder_problem(path).at(path).into());
        }
        let mut file = crate::open_file(path).map_err(|error| Error::reading(path, &error))?;
        let mut start = Vec::new();
        (&mut file).take(512).read_to_end(&mut start).map_err(|error| Error::reading(path, &error))?;
        refuse_foreign_start(&start).map_err(|problem| problem.at(path))?;
        file.rewind().map_err(|error| Error::reading(path, &error))?;
        let mut archive = ZipArchive::new(BufReader::new(file)).map_err(|error| {
            Problem::new(format!("The ZIP directory at the end of the file is missing or damaged ({error})"))
                .expected("a complete .npz archive")
                .hint("The file was probably cut short while it was written or copied; copy or export it again")
                .at(path)
        })?;
        if archive.len() > MAX_MEMBERS {
            return Err(Problem::new(format!("The archive has {} members", archive.len()))
                .expected(format!("at most {MAX_MEMBERS}"))
                .at(path)
                .into());
        }
        let names: Vec<String> =
            archive.file_names_raw().map(|name| String::from_utf8_lossy(name).into_owned()).collect();
        refuse_foreign_names(&names).map_err(|problem| problem.at(path))?;
        let file_bytes = metadata.len();
        let mut members: Vec<Member> = Vec::new();
        for index in 0..archive.len() {
            let Some(member) = read_member(&mut archive, index, names.get(index), file_bytes) else { continue };
            if members.iter().any(|other| other.key == member.key) {
                return Err(Problem::new(format!("Two members of the archive have the name {:?}", member.key))
                    .expected("distinct keys")
                    .hint("Write the file again with one array per key")
                    .at(path)
                    .into());
            }
            members.push(member);
        }
        if members.is_empty() {
            let found = match names.first() {
                Some(first) => format!("a ZIP archive without NumPy arrays (its first member is {first:?})"),
                None => "an empty ZIP archive".to_string(),
            };
            return Err(not_a_dataset(&found).at(path).into());
        }
        Ok(Self { path: path.to_path_buf(), members, archive })
    }

    /// Path of the file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Members of the archive, in file order.
    pub fn members(&self) -> &[Member] {
        &self.members
    }

    /// Member with this key.
    pub fn member(&self, key: &str) -> Option<&Member> {
        self.members.iter().find(|member| member.key == key)
    }

    /// Keys of all members, for messages.
    pub fn keys_text(&self) -> String {
        let keys: Vec<&str> = self.members.iter().take(MAX_KEYS_NAMED).map(|member| member.key.as_str()).collect();
        let more = self.members.len().saturating_sub(MAX_KEYS_NAMED);
        if more == 0 { keys.join(", ") } else { format!("{} and {more} more", keys.join(", ")) }
    }

    /// Reads a real array of any type as f32, in C order.
    ///
    /// # Errors
    /// [`Error::BadInput`] if it is missing, damaged, complex, or not numeric.
    pub fn read_f32(&mut self, key: &str) -> Result<ArrayD<f32>> {
        self.read_numbers(key)
    }

    /// Reads a real array of any type as f64, in C order.
    ///
    /// # Errors
    /// As [`Self::read_f32`].
    pub fn read_f64(&mut self, key: &str) -> Result<ArrayD<f64>> {
        self.read_numbers(key)
    }

    /// Reads a real or complex array of any type as complex64, in C order.
    ///
    /// # Errors
    /// [`Error::BadInput`] if it is missing, damaged, or not numeric.
    pub fn read_c32(&mut self, key: &str) -> Result<ArrayD<Complex32>> {
        self.read_numbers(key)
    }

    /// Reads a real or complex array of any type as complex128, in C order.
    ///
    /// # Errors
    /// As [`Self::read_c32`].
    pub fn read_c64(&mut self, key: &str) -> Result<ArrayD<Complex64>> {
        self.read_numbers(key)
    }

    /// Reads one text: a 0-d text array, or a pickled 0-d object array that holds one text (A§1.4).
    ///
    /// # Errors
    /// [`Error::BadInput`] if it is missing, damaged, or anything else.
    pub fn read_text(&mut self, key: &str) -> Result<String> {
        let member = self.find(key)?;
        let header = self.usable_header(&member)?;
        if !header.shape.is_empty() || !matches!(header.kind, Kind::Unicode | Kind::Object) {
            return Err(self
                .problem(&member, format!("has type {} and shape {}", member.dtype, member.shape_text()))
                .expected("one text")
                .into());
        }
        if member.bytes > MAX_TEXT_BYTES {
            return Err(self.problem(&member, format!("has {} bytes", member.bytes)).expected("a short text").into());
        }
        let mut bytes = Vec::new();
        self.stream(&member, &header, 1, |chunk| {
            bytes.extend_from_slice(chunk);
            Ok(())
        })?;
        if header.kind == Kind::Unicode {
            return npy::text_from_utf32(&header, &bytes)
                .ok_or_else(|| self.problem(&member, "holds something other than text".into()).into());
        }
        pickle::read_text(&bytes).map_err(|reason| {
            self.problem(&member, format!("is a pickled object array that cannot be read: {reason}"))
                .expected("one pickled text")
                .hint("Save it as plain text: numpy.array(text)")
                .into()
        })
    }

    /// Reads one text as in [`Self::read_text`] and parses it as JSON.
    ///
    /// # Errors
    /// As [`Self::read_text`], or if the text is not JSON.
    pub fn read_json(&mut self, key: &str) -> Result<serde_json::Value> {
        let text = self.read_text(key)?;
        serde_json::from_str(&text).map_err(|error| {
            Problem::new(format!("The text in {key:?} is not JSON ({error})"))
                .expected("a JSON object")
                .at(&self.path)
                .into()
        })
    }

    /// Smallest and largest finite value of a numeric member (modulus, if complex), read in blocks.
    /// `None` if no value is finite.
    ///
    /// # Errors
    /// [`Error::BadInput`] if it is missing, damaged, or not numeric.
    pub fn value_range(&mut self, key: &str) -> Result<Option<(f64, f64)>> {
        let member = self.find(key)?;
        let header = self.usable_header(&member)?;
        if !header.is_numeric() {
            return Err(self.problem(&member, format!("has type {}", member.dtype)).expected("numbers").into());
        }
        let mut range: Option<(f64, f64)> = None;
        let mut values: Vec<Complex64> = Vec::new();
        self.stream(&member, &header, header.item_bytes, |chunk| {
            values.clear();
            npy::convert(&header, chunk, &mut values);
            for value in &values {
                let value = if header.kind == Kind::Complex { value.norm() } else { value.re };
                if value.is_finite() {
                    let (low, high) = range.get_or_insert((value, value));
                    *low = low.min(value);
                    *high = high.max(value);
                }
            }
            Ok(())
        })?;
        Ok(range)
    }

    pub(super) fn find(&self, key: &str) -> Result<Member> {
        self.member(key).cloned().ok_or_else(|| {
            Problem::new(format!("There is no array {key:?} in the file, which has {}", self.keys_text()))
                .expected(format!("a key {key:?}"))
                .at(&self.path)
                .into()
        })
    }

    pub(super) fn problem(&self, member: &Member, what: String) -> Problem {
        Problem::new(format!("The array {:?} {what}", member.key)).at(&self.path)
    }

    pub(super) fn usable_header(&self, member: &Member) -> Result<Header> {
        match (&member.problem, &member.header) {
            (None, Some(header)) => Ok(header.clone()),
            (problem, _) => {
                let reason = problem.as_deref().unwrap_or("its header is damaged");
                let (expected, hint) = if reason.contains("not built in") {
                    (
                        "an array stored, or compressed with deflate, bzip2, LZMA or Zstandard",
                        "Save it with numpy.savez_compressed",
                    )
                } else {
                    ("a complete NumPy array", "The file is damaged; copy or export it again")
                };
                Err(self.problem(member, format!("cannot be read: {reason}")).expected(expected).hint(hint).into())
            }
        }
    }

    fn read_numbers<T: Number>(&mut self, key: &str) -> Result<ArrayD<T>> {
        let member = self.find(key)?;
        let header = self.usable_header(&member)?;
        if header.kind == Kind::Object {
            return Err(self
                .problem(&member, "is a pickled object array, which is not read because a pickle can run code".into())
                .expected("numbers")
                .hint("Save it with a numeric type, for example numpy.asarray(a, dtype=\"float32\")")
                .into());
        }
        if !header.is_numeric() || (header.kind == Kind::Complex && !T::COMPLEX) {
            let expected = if T::COMPLEX { "real or complex numbers" } else { "real numbers" };
            return Err(self
                .problem(&member, format!("has type {}", member.dtype))
                .expected(expected)
                .hint("Save it as float64, float32 or integers, complex numbers as complex64")
                .into());
        }
        let too_large = |archive: &Self| {
            archive
                .problem(&member, format!("of shape {} does not fit into memory", member.shape_text()))
                .hint("Use a machine with more memory, or a file with fewer patterns")
        };
        let count = header.count().ok_or_else(|| too_large(self))?;
        let mut values: Vec<T> = Vec::new();
        values.try_reserve_exact(count).map_err(|_| too_large(self))?;
        self.stream(&member, &header, header.item_bytes, |chunk| {
            npy::convert(&header, chunk, &mut values);
            Ok(())
        })?;
        let shape = IxDyn(&header.shape);
        let array = if header.fortran_order {
            ArrayD::from_shape_vec(shape.f(), values).map(|array| array.as_standard_layout().into_owned())
        } else {
            ArrayD::from_shape_vec(shape, values)
        };
        array.map_err(|error| self.problem(&member, format!("does not fit its shape ({error})")).into())
    }

    /// Offset of the bytes of a member in the file.
    pub(super) fn data_start(&mut self, member: &Member) -> Result<u64> {
        let start = self.archive.by_index(member.index).ok().and_then(|file| file.data_start());
        start.ok_or_else(|| self.problem(member, "cannot be located in the archive".into()).into())
    }

    /// Passes the data of a member (without its header) to `consume` in blocks of whole elements, to the end, so that the
    /// checksum is verified.
    pub(super) fn stream(
        &mut self,
        member: &Member,
        header: &Header,
        item_bytes: usize,
        mut consume: impl FnMut(&[u8]) -> Result<()>,
    ) -> Result<()> {
        let path = self.path.clone();
        let damaged = |reason: String| -> Error {
            Problem::new(format!("The array {:?} cannot be read: {reason}", member.key))
                .expected("a complete NumPy array")
                .hint("The file is damaged or cut short; copy or export it again")
                .at(&path)
                .into()
        };
        let mut reader = open_member(&mut self.archive, member.index).map_err(damaged)?;
        let mut skipped = vec![0u8; header.header_bytes];
        reader.read_exact(&mut skipped).map_err(|error| damaged(error.to_string()))?;
        let mut left = member.bytes.saturating_sub(header.header_bytes as u64);
        let chunk_bytes = CHUNK_BYTES - CHUNK_BYTES % item_bytes.clamp(1, CHUNK_BYTES);
        let mut chunk = vec![0u8; chunk_bytes.min(usize::try_from(left).unwrap_or(usize::MAX))];
        while left > 0 {
            let size = chunk.len().min(usize::try_from(left).unwrap_or(usize::MAX));
            let piece = &mut chunk[..size];
            reader.read_exact(piece).map_err(|error| damaged(error.to_string()))?;
            consume(piece)?;
            left -= size as u64;
        }
        match reader.read(&mut [0u8; 1]) {
            Ok(0) => Ok(()),
            Ok(_) => Err(damaged("it holds more bytes than its stated size".into())),
            Err(error) => Err(damaged(error.to_string())),
        }
    }
}
