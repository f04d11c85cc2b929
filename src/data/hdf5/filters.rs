//! Which compressions there are: those of the library, those unpacked here, and the others by name.

use super::bitshuffle::{self, Packed};
use super::{lz4, zstd};
use rust_hdf5::Filter;

const SHUFFLE: u16 = 2;
const FLETCHER32: u16 = 3;
const LZ4: u16 = 32004;
const BITSHUFFLE: u16 = 32008;
const ZSTD: u16 = 32015;

/// Deflate, shuffle, Fletcher-32, SZIP, N-bit, scale-offset, LZF, and bitshuffle without compression: the library's.
const BUILT_IN: [u16; 8] = [1, SHUFFLE, FLETCHER32, 4, 5, 6, 32000, BITSHUFFLE];

/// Who can unpack chunks with these filters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reader {
    /// The library.
    Library,
    /// [`unpack`].
    Here,
}

/// Who can unpack.
///
/// # Errors
/// The name of a filter that nobody can, or that only the library can where the others are ours.
pub(super) fn reader(filters: &[Filter]) -> Result<Reader, String> {
    if filters.iter().all(|filter| BUILT_IN.contains(&filter.id) && packed_planes(filter).is_none_or(|p| p == 0)) {
        return Ok(Reader::Library);
    }
    for filter in filters {
        let known = match filter.id {
            SHUFFLE | FLETCHER32 | LZ4 | ZSTD => true,
            BITSHUFFLE => matches!(packed_planes(filter), Some(2 | 3)),
            _ => false,
        };
        if !known {
            return Err(name(filter));
        }
    }
    Ok(Reader::Here)
}

/// What packs the planes of the bit shuffle: 0 nothing, 2 LZ4, 3 Zstandard.
fn packed_planes(filter: &Filter) -> Option<u32> {
    (filter.id == BITSHUFFLE).then(|| filter.cd_values.get(4).copied().unwrap_or(0))
}

/// Name and registered number.
fn name(filter: &Filter) -> String {
    let name = match filter.id {
        1 => "gzip (deflate)",
        4 => "SZIP",
        5 => "N-bit",
        6 => "scale-offset",
        307 => "bzip2",
        32000 => "LZF",
        32001 => "Blosc",
        32004 => "LZ4",
        32008 => "bitshuffle",
        32013 => "ZFP",
        32015 => "Zstandard",
        32017 => "SZ",
        32018 => "FCIDECOMP",
        32019 => "JPEG",
        32024 => "SZ3",
        32026 => "Blosc2",
        _ => return format!("filter {}", filter.id),
    };
    format!("{name} (filter {})", filter.id)
}

/// Unpacks one chunk of `length` bytes with elements of `element` bytes. Filters whose bit is set in `left_out` were not
/// applied to it.
///
/// # Errors
/// A short reason: damaged, or a filter that is not unpacked here.
pub(super) fn unpack(
    packed: Vec<u8>,
    filters: &[Filter],
    left_out: u32,
    element: usize,
    length: usize,
) -> Result<Vec<u8>, String> {
    let mut bytes = packed;
    // A checksum inside of a compression adds its four bytes.
    let limit = length.checked_add(4 * filters.len()).ok_or("a chunk is too large")?;
    for (number, filter) in filters.iter().enumerate().rev() {
        if number < 32 && left_out >> number & 1 == 1 {
            continue;
        }
        bytes = match (filter.id, packed_planes(filter)) {
            (SHUFFLE, _) => unshuffled(&bytes, filter.cd_values.first().map_or(element, |bytes| *bytes as usize)),
            (FLETCHER32, _) => {
                let kept = bytes.len().checked_sub(4).ok_or("a chunk lacks its checksum")?;
                bytes.truncate(kept);
                bytes
            }
            (LZ4, _) => lz4::unpack(&bytes, limit)?,
            (ZSTD, _) => zstd::unpack(&bytes, limit)?,
            (BITSHUFFLE, Some(2)) => bitshuffle::unpack(&bytes, element_of(filter, element), Packed::Lz4, limit)?,
            (BITSHUFFLE, Some(3)) => bitshuffle::unpack(&bytes, element_of(filter, element), Packed::Zstd, limit)?,
            _ => return Err(format!("it is compressed with {}", name(filter))),
        };
    }
    if bytes.len() == length {
        Ok(bytes)
    } else {
        Err(format!("a chunk has {} bytes instead of {length}", bytes.len()))
    }
}

/// The size of elements that a bit shuffle was made for.
fn element_of(filter: &Filter, element: usize) -> usize {
    filter.cd_values.get(2).map_or(element, |bytes| *bytes as usize)
}

/// The reverse of the byte shuffle: first bytes of all elements first, then the second ones; what is left over stays.
fn unshuffled(bytes: &[u8], element: usize) -> Vec<u8> {
    if element < 2 {
        return bytes.to_vec();
    }
    let count = bytes.len() / element;
    let mut out = bytes.to_vec();
    for byte in 0..element {
        for k in 0..count {
            out[k * element + byte] = bytes[byte * count + k];
        }
    }
    out
}

/// Makes room, or says that there is none.
pub(super) fn reserve(out: &mut Vec<u8>, length: usize) -> Result<(), String> {
    out.try_reserve(length).map_err(|_| "a chunk does not fit into memory".to_owned())
}

/// Bytes taken from the front.
pub(super) struct Cursor<'a>(&'a [u8]);

impl<'a> Cursor<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All that is left.
    pub fn rest(&self) -> &'a [u8] {
        self.0
    }

    pub fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, left) = self.0.split_at_checked(count)?;
        self.0 = left;
        Some(taken)
    }

    pub fn byte(&mut self) -> Option<u8> {
        self.take(1)?.first().copied()
    }

    /// A number of so many bytes, the highest first.
    pub fn big_endian(&mut self, count: usize) -> Option<u64> {
        Some(self.take(count)?.iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte)))
    }
}
