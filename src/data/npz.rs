//! Reading and writing `.npz` archives (a ZIP of `.npy` members).
//!
//! The listing needs headers only. Reading never trusts a size that a file states: it is compared with what the
//! archive can hold before memory is asked for, and the checksum of each member is verified by reading to its end.

use super::npy::{self, Header, Kind, Number};
use super::pickle;
use crate::error::{Error, Problem, Result};
use ndarray::{ArrayD, ArrayViewD, IxDyn, ShapeBuilder};
use num_complex::{Complex32, Complex64};
use serde::Serialize;
use std::fs::File;
use std::io::{BufReader, BufWriter, Read, Seek, Write};
use std::path::{Path, PathBuf};
use zip::{CompressionMethod, ZipArchive, ZipWriter, write::SimpleFileOptions};

/// Most members an archive may have.
const MAX_MEMBERS: usize = 10_000;
/// Most keys named in a message.
const MAX_KEYS_NAMED: usize = 20;
/// Longest text or pickle read.
const MAX_TEXT_BYTES: u64 = 16 * 1024 * 1024;
/// Deflate cannot expand data by more than this.
const MAX_DEFLATE_RATIO: u64 = 1032;
/// Bytes converted at a time; a multiple of every element size.
const CHUNK_BYTES: usize = 1 << 20;

/// How a member is stored in the archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Storage {
    /// As it is.
    Stored,
    /// Deflated.
    Deflated,
    /// Compressed in another way that can be read.
    Compressed,
    /// In a way this reader does not know.
    Unsupported,
}

impl std::fmt::Display for Storage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Stored => "stored",
            Self::Deflated => "deflated",
            Self::Compressed => "compressed",
            Self::Unsupported => "unsupported",
        })
    }
}

/// One array of an archive, known from its header alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Member {
    /// Name without `.npy`.
    pub key: String,
    /// Length of each axis.
    pub shape: Vec<usize>,
    /// Type as NumPy writes it, such as `<f4`.
    pub dtype: String,
    /// Whether the first axis varies fastest.
    pub fortran_order: bool,
    /// How it is stored.
    pub storage: Storage,
    /// Bytes when unpacked, header included, as the archive states.
    pub bytes: u64,
    /// Bytes in the file.
    pub compressed_bytes: u64,
    /// Why it cannot be read, if that is known from the header.
    pub problem: Option<String>,
    #[serde(skip)]
    index: usize,
    #[serde(skip)]
    crc32: u32,
    #[serde(skip)]
    header: Option<Header>,
}

impl Member {
    /// Shape as Python writes it, such as `(516, 64, 64)`.
    pub fn shape_text(&self) -> String {
        shape_text(&self.shape)
    }

    /// Whether it holds numbers that can be read.
    pub fn is_numeric(&self) -> bool {
        self.problem.is_none() && self.header.as_ref().is_some_and(Header::is_numeric)
    }

    /// Whether it holds real numbers.
    pub fn is_real(&self) -> bool {
        self.header.as_ref().is_some_and(Header::is_real)
    }

    /// Whether it holds integers.
    pub fn is_integer(&self) -> bool {
        self.header.as_ref().is_some_and(Header::is_integer)
    }

    /// Whether it holds pickled Python objects.
    pub fn is_object(&self) -> bool {
        self.header.as_ref().is_some_and(|header| header.kind == Kind::Object)
    }

    /// Whether two members have the same shape and the same stored bytes, by their checksums.
    pub(super) fn same_content(&self, other: &Self) -> bool {
        self.crc32 == other.crc32 && self.bytes == other.bytes && self.shape == other.shape
    }
}

/// A shape as Python writes it.
pub(super) fn shape_text(shape: &[usize]) -> String {
    let axes: Vec<String> = shape.iter().map(ToString::to_string).collect();
    if axes.len() == 1 { format!("({},)", axes[0]) } else { format!("({})", axes.join(", ")) }
}

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
    /// [`Error::BadInput`] if the file cannot be read, is cut short, or is something else (HDF5, a TensorFlow or
    /// PyTorch archive, a model bundle …), which is named.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let metadata = std::fs::metadata(path).map_err(|error| Error::reading(path, &error))?;
        if metadata.is_dir() {
            return Err(Problem::new("This is a folder")
                .expected("a dataset file (.npz)")
                .hint("Name the file inside the folder")
                .at(path)
                .into());
        }
        let mut file = File::open(path).map_err(|error| Error::reading(path, &error))?;
        let mut start = Vec::new();
        (&mut file).take(16).read_to_end(&mut start).map_err(|error| Error::reading(path, &error))?;
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
                return Err(Problem::new(format!("Two members of the archive are called {:?}", member.key))
                    .expected("every key once")
                    .hint("Write the file again with one array for each key")
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

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What the archive holds, in file order.
    pub fn members(&self) -> &[Member] {
        &self.members
    }

    /// The member with this key.
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
    /// [`Error::BadInput`] if it is missing, damaged, complex or no numbers.
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
    /// [`Error::BadInput`] if it is missing, damaged or no numbers.
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
    /// [`Error::BadInput`] if it is missing, damaged or anything else.
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
                .ok_or_else(|| self.problem(&member, "holds something that is no text".into()).into());
        }
        pickle::read_text(&bytes).map_err(|reason| {
            self.problem(&member, format!("is a pickled object array that is not read: {reason}"))
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

    /// Smallest and largest finite value of a numeric member (modulus, if complex), read in pieces.
    /// `None` if nothing is finite.
    ///
    /// # Errors
    /// [`Error::BadInput`] if it is missing, damaged or no numbers.
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

    fn find(&self, key: &str) -> Result<Member> {
        self.member(key).cloned().ok_or_else(|| {
            Problem::new(format!("There is no array {key:?} in the file, which has {}", self.keys_text()))
                .expected(format!("a key {key:?}"))
                .at(&self.path)
                .into()
        })
    }

    fn problem(&self, member: &Member, what: String) -> Problem {
        Problem::new(format!("The array {:?} {what}", member.key)).at(&self.path)
    }

    fn usable_header(&self, member: &Member) -> Result<Header> {
        match (&member.problem, &member.header) {
            (None, Some(header)) => Ok(header.clone()),
            (problem, _) => {
                let reason = problem.as_deref().unwrap_or("its header is damaged");
                Err(self
                    .problem(member, format!("cannot be read: {reason}"))
                    .expected("a complete NumPy array")
                    .hint("The file is damaged; copy or export it again")
                    .into())
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
            return Err(self.problem(&member, format!("has type {}", member.dtype)).expected(expected).into());
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

    /// Hands the data of a member (its header left out) to `consume` in pieces of whole elements, to the very end,
    /// so that the checksum is verified.
    fn stream(
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
        let mut reader = self.archive.by_index(member.index).map_err(|error| damaged(error.to_string()))?;
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
            Ok(_) => Err(damaged("it holds more than its size says".into())),
            Err(error) => Err(damaged(error.to_string())),
        }
    }
}

/// What is known of one ZIP member; `None` if it is no array.
fn read_member(
    archive: &mut ZipArchive<BufReader<File>>,
    index: usize,
    name: Option<&String>,
    file_bytes: u64,
) -> Option<Member> {
    let name = name.map_or("", String::as_str);
    let key = name.strip_suffix(".npy");
    let mut member = Member {
        // Control characters would reach the terminal.
        key: key.unwrap_or(name).replace(char::is_control, "\u{fffd}"),
        shape: Vec::new(),
        dtype: "?".into(),
        fortran_order: false,
        storage: Storage::Unsupported,
        bytes: 0,
        compressed_bytes: 0,
        problem: None,
        index,
        crc32: 0,
        header: None,
    };
    let mut reader = match archive.by_index(index) {
        Ok(reader) => reader,
        Err(error) => {
            member.problem = Some(error.to_string());
            return key.map(|_| member);
        }
    };
    if reader.is_dir() {
        return None;
    }
    member.bytes = reader.size();
    member.compressed_bytes = reader.compressed_size();
    member.crc32 = reader.crc32();
    member.storage = match reader.compression() {
        CompressionMethod::Stored => Storage::Stored,
        CompressionMethod::Deflated => Storage::Deflated,
        _ => Storage::Unsupported,
    };
    match npy::read_header(&mut reader) {
        Ok(header) => {
            member.shape.clone_from(&header.shape);
            member.dtype.clone_from(&header.descr);
            member.fortran_order = header.fortran_order;
            member.problem = size_problem(&member, &header, file_bytes);
            member.header = Some(header);
            Some(member)
        }
        Err(reason) => {
            member.problem = Some(reason);
            key.map(|_| member)
        }
    }
}

/// Compares what the header, the archive and the file say about the size of a member.
fn size_problem(member: &Member, header: &Header, file_bytes: u64) -> Option<String> {
    let most = match member.storage {
        Storage::Stored => member.compressed_bytes,
        _ => member.compressed_bytes.saturating_mul(MAX_DEFLATE_RATIO).saturating_add(1024),
    };
    if member.compressed_bytes > file_bytes || member.bytes > most {
        return Some(format!("the archive claims {} bytes for it, which the file cannot hold", member.bytes));
    }
    if matches!(header.kind, Kind::Object | Kind::Other) {
        return None;
    }
    match header.total_bytes() {
        Some(total) if total == member.bytes => None,
        Some(total) => Some(format!(
            "shape {} of type {} needs {total} bytes, but the archive holds {}",
            member.shape_text(),
            member.dtype,
            member.bytes
        )),
        None => Some(format!("its shape {} is impossibly large", member.shape_text())),
    }
}

fn not_a_dataset(found: &str) -> Problem {
    Problem::new(format!("This is {found}, not a dataset"))
        .expected(
            "a NumPy archive (.npz) with diffraction, xcoords, ycoords and probeGuess, or an HDF5 file (such as CXI)",
        )
        .hint("Choose the dataset file")
}

/// Names what the file is by its first bytes, unless it is a ZIP archive.
fn refuse_foreign_start(start: &[u8]) -> std::result::Result<(), Problem> {
    let starts = |magic: &[u8]| start.starts_with(magic);
    if starts(b"PK\x03\x04") || starts(b"PK\x05\x06") {
        return Ok(());
    }
    Err(if start.is_empty() {
        not_a_dataset("an empty file")
    } else if starts(b"\x89HDF") {
        Problem::new("This is an HDF5 file (such as CXI), not a NumPy archive")
            .expected("a NumPy archive (.npz)")
            .hint("Choose a .npz file")
    } else if starts(npy::MAGIC) {
        not_a_dataset("a single NumPy array (.npy)")
    } else if starts(b"\x1f\x8b") {
        not_a_dataset("a gzip-compressed file").hint("Unpack it first")
    } else if start.len() > 1 && start[0] == 0x80 && (2..=5).contains(&start[1]) {
        not_a_dataset("a Python pickle (an old PyTorch file is one)")
    } else {
        not_a_dataset("neither a ZIP archive nor another format known here")
    })
}

/// Names archives of other programs by their members.
fn refuse_foreign_names(names: &[String]) -> std::result::Result<(), Problem> {
    let any = |test: &dyn Fn(&str) -> bool| names.iter().any(|name| test(name));
    let file = |wanted: &str| any(&|name: &str| name.rsplit('/').next() == Some(wanted));
    let found = if file("manifest.json") && file("weights.safetensors") {
        "a trained model of Ptychoscope (model.ptycho)"
    } else if file("model.pth") || file("torch_scaling_metadata.pt") {
        "a model archive of PtychoPINN's PyTorch backend (wts.h5.zip)"
    } else if file("model.keras") || file("model.h5") {
        "a model archive of PtychoPINN's TensorFlow backend (wts.h5.zip)"
    } else if file("saved_model.pb") || file("model.weights.h5") || file("keras_metadata.pb") {
        "a TensorFlow (Keras) model archive"
    } else if file("data.pkl") || file("constants.pkl") {
        "a PyTorch archive (torch.save)"
    } else if file("manifest.dill") {
        "a model archive of PtychoPINN"
    } else {
        return Ok(());
    };
    Err(not_a_dataset(found).hint("Choose the dataset file; a model is given separately"))
}

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
    pub(super) fn write(&self, out: &mut impl Write) -> std::io::Result<()> {
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
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let mut builder = tempfile::Builder::new();
    builder.prefix(".").suffix(".tmp");
    #[cfg(unix)]
    {
        // Readable for others as far as the umask permits, like any other file; the default is for the owner only.
        use std::os::unix::fs::PermissionsExt;
        builder.permissions(std::fs::Permissions::from_mode(0o666));
    }
    let temporary = builder.tempfile_in(folder)?;
    write_members(BufWriter::new(temporary.as_file()), arrays)?.flush()?;
    temporary.as_file().sync_all()?;
    temporary.persist(path).map_err(|error| error.error)?;
    Ok(())
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

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::super::test_support::{shared, write_raw_zip};
    use super::*;
    use ndarray::{Array, Array1, array};

    fn npy_bytes(descr: &str, shape: &[usize], data: &[u8]) -> Vec<u8> {
        let mut bytes = npy::header_bytes(descr, shape);
        bytes.extend(data);
        bytes
    }

    #[test]
    fn arrays_of_every_kind_survive_a_round_trip() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.npz");
        let f = Array::linspace(0.0f32, 1.0, 24).into_shape_with_order((2, 3, 4)).unwrap();
        let transposed = f.t();
        let c = array![[Complex32::new(1.0, -2.0), Complex32::new(0.5, 3.0)]];
        let c64 = array![Complex64::new(0.1, 0.2)];
        let (i, u) = (array![-7i64, i64::from(i32::MAX) + 1], array![65_535u16]);
        let d = ndarray::arr0(0.1f64);
        let arrays = [
            ("f", NpyArray::F32(f.view().into_dyn())),
            ("transposed", NpyArray::F32(transposed.into_dyn())),
            ("d", NpyArray::F64(d.view().into_dyn())),
            ("c", NpyArray::C32(c.view().into_dyn())),
            ("c64", NpyArray::C64(c64.view().into_dyn())),
            ("i", NpyArray::I64(i.view().into_dyn())),
            ("u", NpyArray::U16(u.view().into_dyn())),
            ("text", NpyArray::Text("Größe 1")),
            ("empty", NpyArray::Text("")),
        ];
        write_npz(&path, &arrays).unwrap();
        let first = std::fs::read(&path).unwrap();
        write_npz(&path, &arrays).unwrap();
        assert_eq!(first, std::fs::read(&path).unwrap(), "the same arrays give the same bytes");
        assert_eq!(first, npz_bytes(&arrays).unwrap(), "in memory as in a file");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "no temporary file is left");

        let mut npz = NpzArchive::open(&path).unwrap();
        assert_eq!(npz.keys_text(), "f, transposed, d, c, c64, i, u, text, empty");
        assert_eq!(npz.read_f32("f").unwrap(), f.clone().into_dyn());
        assert_eq!(npz.read_f32("transposed").unwrap(), f.t().to_owned().into_dyn());
        assert_eq!(npz.read_f64("d").unwrap()[[]], 0.1);
        assert_eq!(npz.read_c32("c").unwrap(), c.into_dyn());
        assert_eq!(npz.read_c64("c64").unwrap(), c64.into_dyn());
        assert_eq!(npz.read_f64("i").unwrap(), i.mapv(|v| v as f64).into_dyn());
        assert_eq!(npz.read_f32("u").unwrap()[0], 65_535.0);
        assert_eq!(npz.read_text("text").unwrap(), "Größe 1");
        assert_eq!(npz.read_text("empty").unwrap(), "");
        assert_eq!(npz.value_range("i").unwrap(), Some((-7.0, 2_147_483_648.0)));
        let error = npz.read_f32("c").unwrap_err().to_string();
        assert!(error.contains("<c8") && error.contains("real numbers") && error.contains("a.npz"), "{error}");
        assert!(npz.read_f32("missing").unwrap_err().to_string().contains("transposed"));
    }

    #[test]
    fn a_failed_write_keeps_the_old_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("missing").join("a.npz");
        let error = write_npz(&path, &[("t", NpyArray::Text("x"))]).unwrap_err();
        assert_eq!(error.exit_code(), 1);
        assert!(!path.exists());
    }

    #[test]
    fn fortran_order_and_names_without_suffix_are_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.npz");
        let text = "{'descr': '<i2', 'fortran_order': True, 'shape': (2, 3), }";
        let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
        bytes.extend((text.len() as u16).to_le_bytes());
        bytes.extend(text.as_bytes());
        for v in [1i16, 4, 2, 5, 3, 6] {
            bytes.extend(v.to_le_bytes());
        }
        write_raw_zip(&path, &[("plain", &bytes), ("folder/", b""), ("notes.txt", b"hello")], false);
        let mut npz = NpzArchive::open(&path).unwrap();
        assert_eq!(npz.members().len(), 1);
        assert!(npz.members()[0].fortran_order && npz.members()[0].storage == Storage::Stored);
        let array = npz.read_f32("plain").unwrap();
        assert_eq!(array, array![[1.0f32, 2.0, 3.0], [4.0, 5.0, 6.0]].into_dyn());
        assert!(array.is_standard_layout());
    }

    #[test]
    fn a_header_that_claims_more_than_the_member_holds_is_refused_before_memory_is_asked_for() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.npz");
        let lying = npy_bytes("<f8", &[1 << 40], &[0; 64]);
        let short = npy_bytes("<f4", &[3], &[0; 16]);
        let overflow = npy_bytes("<f8", &[1 << 40, 1 << 40], &[0; 8]);
        write_raw_zip(
            &path,
            &[("lying.npy", &lying), ("short.npy", &short), ("overflow.npy", &overflow), ("junk.npy", b"junk")],
            true,
        );
        let mut npz = NpzArchive::open(&path).unwrap();
        for key in ["lying", "short", "overflow", "junk"] {
            let error = npz.read_f32(key).unwrap_err();
            assert_eq!(error.exit_code(), 2);
            assert!(error.to_string().contains(key) && error.to_string().contains("a.npz"), "{error}");
        }
        assert!(npz.read_f32("overflow").unwrap_err().to_string().contains("impossibly large"));
    }

    #[test]
    fn a_flipped_byte_is_found_by_the_checksum() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.npz");
        let bytes = npy_bytes("<f8", &[64], &[7; 512]);
        write_raw_zip(&path, &[("a.npy", &bytes)], false);
        let mut file = std::fs::read(&path).unwrap();
        file[400] ^= 1;
        std::fs::write(&path, file).unwrap();
        assert!(NpzArchive::open(&path).unwrap().read_f64("a").is_err());
    }

    #[test]
    fn every_truncation_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.npz");
        let values = Array1::linspace(0.0f64, 1.0, 100);
        write_npz(&path, &[("a", NpyArray::F64(values.view().into_dyn()))]).unwrap();
        let bytes = std::fs::read(&path).unwrap();
        for end in 0..bytes.len() {
            std::fs::write(&path, &bytes[..end]).unwrap();
            let outcome = NpzArchive::open(&path).and_then(|mut npz| npz.read_f64("a"));
            assert!(outcome.is_err(), "{end} of {} bytes", bytes.len());
        }
    }

    #[test]
    fn two_members_with_one_key_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.npz");
        let bytes = npy_bytes("|u1", &[1], &[7]);
        write_raw_zip(&path, &[("a.npy", &bytes), ("a", &bytes)], false);
        assert!(NpzArchive::open(&path).unwrap_err().to_string().contains("Two members"));
    }

    #[test]
    fn other_files_are_named_for_what_they_are() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.npz");
        for (content, says) in [
            (&b""[..], "an empty file"),
            (b"\x89HDF\r\n\x1a\n", "HDF5"),
            (b"\x93NUMPY\x01\x00", "single NumPy array"),
            (b"\x1f\x8b\x08\x00", "gzip"),
            (b"\x80\x04\x95\x00", "pickle"),
            (b"hello, world", "neither a ZIP archive"),
            (b"PK\x03\x04 and no more", "cut short"),
        ] {
            std::fs::write(&path, content).unwrap();
            let error = NpzArchive::open(&path).unwrap_err();
            assert!(error.to_string().contains(says) && error.to_string().contains("a.npz"), "{error}");
        }
        for (member, says) in [
            ("diffraction_to_obj/model.keras", "TensorFlow"),
            ("saved_model.pb", "TensorFlow"),
            ("x/data.pkl", "PyTorch archive"),
            ("readme.txt", "without NumPy arrays"),
        ] {
            write_raw_zip(&path, &[(member, b"x")], false);
            assert!(NpzArchive::open(&path).unwrap_err().to_string().contains(says), "{member}");
        }
        let npy = npy_bytes("|u1", &[1], &[7]);
        write_raw_zip(&path, &[("manifest.json", b"{}"), ("weights.safetensors", b""), ("probe.npy", &npy)], false);
        assert!(NpzArchive::open(&path).unwrap_err().to_string().contains("model.ptycho"));
        assert!(NpzArchive::open(folder.path()).unwrap_err().to_string().contains("folder"));
        let missing = NpzArchive::open(folder.path().join("none.npz")).unwrap_err();
        assert!(missing.to_string().contains("none.npz") && missing.exit_code() == 2);
    }

    #[test]
    fn the_metadata_of_a_real_file_is_read_without_running_its_pickle() {
        let Some(shared) = shared() else { return };
        let mut npz = NpzArchive::open(shared.join("data/lines64_run1084like.npz")).unwrap();
        let metadata = npz.read_json("_metadata").unwrap();
        assert_eq!(metadata["physics_parameters"]["nphotons"], 1e6);
        let member = npz.member("diff3d").unwrap();
        assert_eq!((member.shape_text().as_str(), member.dtype.as_str()), ("(1087, 64, 64)", "<f4"));
        let error = npz.read_f32("_metadata").unwrap_err().to_string();
        assert!(error.contains("pickled object array"), "{error}");
    }
}
