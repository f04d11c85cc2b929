//! Compressions of chunks: those of the library, the one unpacked here, and the names of others.

use super::bitshuffle;
use rust_hdf5::format::messages::filter::reverse_filters_masked_bounded;
use rust_hdf5::{Filter, FilterPipeline};

const FLETCHER32: u16 = 3;
pub(super) const BITSHUFFLE: u16 = 32008;
pub(super) const ZSTD: u16 = 32015;
/// Compression behind bitshuffle that only [`bitshuffle::unpack`] knows.
const BEHIND_BITSHUFFLE_ZSTD: u32 = 3;

/// Deflate, shuffle, Fletcher-32, SZIP, N-bit, scale-offset, bzip2, LZF, Blosc, LZ4, bitshuffle, Zstandard, BitGroom and
/// BitRound.
const KNOWN: [u16; 14] = [1, 2, FLETCHER32, 4, 5, 6, 307, 32000, 32001, 32004, BITSHUFFLE, ZSTD, 32022, 32023];

/// Reader of chunks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reader {
    /// The library.
    Library,
    /// [`unpack`].
    Here,
}

/// Reader of chunks with these filters.
///
/// # Errors
/// Name of a filter that is not known.
pub(super) fn reader(filters: &[Filter]) -> Result<Reader, String> {
    let unknown = |filter: &&Filter| {
        !KNOWN.contains(&filter.id) || behind_bitshuffle(filter).is_some_and(|id| ![0, 2, 3].contains(&id))
    };
    match filters.iter().find(unknown) {
        Some(filter) => Err(name(filter)),
        None if filters.iter().any(is_bitshuffle_zstd) => Ok(Reader::Here),
        None => Ok(Reader::Library),
    }
}

/// Compression behind bitshuffle: 0 none, 2 LZ4, 3 Zstandard.
fn behind_bitshuffle(filter: &Filter) -> Option<u32> {
    (filter.id == BITSHUFFLE).then(|| filter.cd_values.get(4).copied().unwrap_or(0))
}

fn is_bitshuffle_zstd(filter: &Filter) -> bool {
    behind_bitshuffle(filter) == Some(BEHIND_BITSHUFFLE_ZSTD)
}

/// Name and registered number.
fn name(filter: &Filter) -> String {
    let name = match filter.id {
        BITSHUFFLE => "bitshuffle",
        32013 => "ZFP",
        32017 => "SZ",
        32018 => "FCIDECOMP",
        32019 => "JPEG",
        32024 => "SZ3",
        32026 => "Blosc2",
        _ => return format!("filter {}", filter.id),
    };
    format!("{name} (filter {})", filter.id)
}

/// Unpacks one chunk of `length` bytes with elements of `element` bytes. Filters whose bit is set in `skipped` were not
/// applied to it.
///
/// # Errors
/// A short reason: damaged, or an unknown filter.
pub(super) fn unpack(
    packed: Vec<u8>,
    filters: &[Filter],
    skipped: u32,
    element: usize,
    length: usize,
) -> Result<Vec<u8>, String> {
    let mut bytes = packed;
    // A checksum inside of a compression adds its four bytes.
    let limit = length.checked_add(4 * filters.len()).ok_or("a chunk is too large")?;
    for (number, filter) in filters.iter().enumerate().rev() {
        if number < 32 && skipped >> number & 1 == 1 {
            continue;
        }
        bytes = if is_bitshuffle_zstd(filter) {
            let element = filter.cd_values.get(2).map_or(element, |bytes| *bytes as usize);
            bitshuffle::unpack(&bytes, element, limit)?
        } else {
            reverse(filter, &bytes, limit)?
        };
    }
    if bytes.len() == length {
        Ok(bytes)
    } else {
        Err(format!("a chunk has {} bytes instead of {length}", bytes.len()))
    }
}

/// Reverses a filter that the library knows; the result may have at most `limit` bytes.
pub(super) fn reverse(filter: &Filter, bytes: &[u8], limit: usize) -> Result<Vec<u8>, String> {
    let pipeline = FilterPipeline { filters: vec![filter.clone()] };
    reverse_filters_masked_bounded(&pipeline, bytes, 0, limit).map_err(|error| error.to_string())
}
