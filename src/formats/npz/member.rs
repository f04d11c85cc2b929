//! Description of an array of an archive from its header.

use super::super::npy::{self, Header, Kind};
use serde::Serialize;
use std::fs::File;
use std::io::BufReader;
use std::io::{Cursor, Read};
use zip::{CompressionMethod, ZipArchive};

/// Largest compression ratio of deflate, and of the other compressions that are read.
const MAX_RATIO: [u64; 2] = [1032, 50_000];
/// Largest dictionary of LZMA, in bytes: its memory is reserved before anything is unpacked.
const MAX_DICTIONARY: u32 = 128 << 20;
const ZSTD: CompressionMethod = CompressionMethod::ZSTD;

/// Opens a member for reading, unpacked.
///
/// # Errors
/// A short reason.
pub(super) fn open_member<'a>(
    archive: &'a mut ZipArchive<BufReader<File>>,
    index: usize,
) -> Result<Box<dyn Read + 'a>, String> {
    let failed = |error: &dyn std::fmt::Display| error.to_string();
    let mut raw = archive.by_index_raw(index).map_err(|error| failed(&error))?;
    let method = raw.compression();
    let (packed, unpacked) = (raw.compressed_size(), raw.size());
    if method == ZSTD {
        let length = usize::try_from(unpacked).map_err(|error| failed(&error))?;
        let mut bytes = Vec::new();
        raw.take(packed).read_to_end(&mut bytes).map_err(|error| failed(&error))?;
        return Ok(Box::new(Cursor::new(crate::hdf5::unpack_zstd(&bytes, length)?)));
    }
    if method == CompressionMethod::Lzma {
        // Version (2 bytes), size of the properties (2), properties (1), size of the dictionary (4).
        let mut start = [0u8; 9];
        raw.read_exact(&mut start).map_err(|error| failed(&error))?;
        let [.., a, b, c, d] = start;
        if u32::from_le_bytes([a, b, c, d]) > MAX_DICTIONARY {
            return Err("its LZMA dictionary is too large".into());
        }
    }
    drop(raw);
    match archive.by_index(index) {
        Ok(reader) => Ok(Box::new(reader)),
        Err(error) => Err(match method {
            CompressionMethod::Stored | CompressionMethod::Deflated => error.to_string(),
            other => format!("it is compressed with {other:?}, which is not built in"),
        }),
    }
}

/// Storage of a member in the archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Storage {
    /// Uncompressed.
    Stored,
    /// Deflated.
    Deflated,
    /// Compressed in another readable way.
    Compressed,
    /// Compressed in an unknown way.
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

/// One array of an archive, described by its header.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Member {
    /// Name without `.npy`.
    pub key: String,
    /// Length of each axis.
    pub shape: Vec<usize>,
    /// NumPy type string, such as `<f4`.
    pub dtype: String,
    /// True if the first axis varies fastest.
    pub fortran_order: bool,
    /// Storage in the archive.
    pub storage: Storage,
    /// Uncompressed size in bytes, header included, as stated by the archive.
    pub bytes: u64,
    /// Size in the file, in bytes.
    pub compressed_bytes: u64,
    /// Reason why the array cannot be read, if the header shows one.
    pub problem: Option<String>,
    #[serde(skip)]
    pub(super) index: usize,
    #[serde(skip)]
    pub(super) crc32: u32,
    #[serde(skip)]
    pub(super) header: Option<Header>,
}

impl Member {
    /// Shape as a Python tuple, such as `(516, 64, 64)`.
    pub fn shape_text(&self) -> String {
        shape_text(&self.shape)
    }

    /// True if the array holds readable numbers.
    pub fn is_numeric(&self) -> bool {
        self.problem.is_none() && self.header.as_ref().is_some_and(Header::is_numeric)
    }

    /// True if the array holds real numbers.
    pub fn is_real(&self) -> bool {
        self.header.as_ref().is_some_and(Header::is_real)
    }

    /// True if the array holds integers.
    pub fn is_integer(&self) -> bool {
        self.header.as_ref().is_some_and(Header::is_integer)
    }

    /// True if the array holds pickled Python objects.
    pub fn is_object(&self) -> bool {
        self.header.as_ref().is_some_and(|header| header.kind == Kind::Object)
    }

    /// True if two members have the same shape and the same stored bytes, by their checksums.
    pub fn same_content(&self, other: &Self) -> bool {
        self.crc32 == other.crc32 && self.bytes == other.bytes && self.shape == other.shape
    }
}

/// A shape as a Python tuple.
pub fn shape_text(shape: &[usize]) -> String {
    let axes: Vec<String> = shape.iter().map(ToString::to_string).collect();
    if axes.len() == 1 { format!("({},)", axes[0]) } else { format!("({})", axes.join(", ")) }
}

/// Description of one ZIP member; `None` if it is not an array.
pub(super) fn read_member(
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
    match archive.by_index_raw(index) {
        Ok(entry) if entry.is_dir() => return None,
        Ok(entry) => {
            member.bytes = entry.size();
            member.compressed_bytes = entry.compressed_size();
            member.crc32 = entry.crc32();
            member.storage = match entry.compression() {
                CompressionMethod::Stored => Storage::Stored,
                CompressionMethod::Deflated => Storage::Deflated,
                CompressionMethod::Bzip2 | CompressionMethod::Lzma | ZSTD => Storage::Compressed,
                _ => Storage::Unsupported,
            };
        }
        Err(error) => {
            member.problem = Some(error.to_string());
            return key.map(|_| member);
        }
    }
    if let Some(problem) = claim_problem(&member, file_bytes) {
        member.problem = Some(problem);
        return key.map(|_| member);
    }
    let mut reader = match open_member(archive, index) {
        Ok(reader) => reader,
        Err(reason) => {
            member.problem = Some(reason);
            return key.map(|_| member);
        }
    };
    match npy::read_header(&mut reader) {
        Ok(header) => {
            member.shape.clone_from(&header.shape);
            member.dtype.clone_from(&header.descr);
            member.fortran_order = header.fortran_order;
            member.problem = size_problem(&member, &header);
            member.header = Some(header);
            Some(member)
        }
        Err(reason) => {
            member.problem = Some(reason);
            key.map(|_| member)
        }
    }
}

/// Compares the sizes of a member stated by the archive with that of the file.
fn claim_problem(member: &Member, file_bytes: u64) -> Option<String> {
    let packed = |ratio: u64| member.compressed_bytes.saturating_mul(ratio).saturating_add(1024);
    let most = match member.storage {
        Storage::Stored => member.compressed_bytes,
        Storage::Deflated => packed(MAX_RATIO[0]),
        Storage::Compressed | Storage::Unsupported => packed(MAX_RATIO[1]),
    };
    (member.compressed_bytes > file_bytes || member.bytes > most)
        .then(|| format!("the archive claims {} bytes for it, which the file cannot hold", member.bytes))
}

/// Compares the size of a member stated by its header with that of the archive.
fn size_problem(member: &Member, header: &Header) -> Option<String> {
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
