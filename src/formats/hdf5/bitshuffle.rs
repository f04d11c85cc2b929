//! HDF5 filter 32008 (bitshuffle) with Zstandard behind it: the one combination that the library does not unpack.
//!
//! Its blocks are decompressed one by one, then the bits of all are put back in order; both by the library.

use super::filters::{BITSHUFFLE, ZSTD, reverse};
use rust_hdf5::Filter;

const DAMAGED: &str = "a bitshuffle chunk is damaged";

/// Unpacks a chunk: total length (8 bytes, big-endian), length of a block (4), then blocks with their packed lengths (4).
/// Elements after the last whole group of eight are stored as they are.
///
/// # Errors
/// A short reason; also if the chunk is longer than `limit` bytes.
pub(super) fn unpack(packed: &[u8], element: usize, limit: usize) -> Result<Vec<u8>, String> {
    let (total, rest) = packed.split_first_chunk::<8>().ok_or(DAMAGED)?;
    let (block, mut rest) = rest.split_first_chunk::<4>().ok_or(DAMAGED)?;
    let total = usize::try_from(u64::from_be_bytes(*total)).map_err(|_| DAMAGED)?;
    let in_block = (u32::from_be_bytes(*block) as usize).checked_div(element).unwrap_or(0);
    if total > limit || in_block == 0 || !in_block.is_multiple_of(8) {
        return Err(DAMAGED.into());
    }
    let filter = |id, cd_values| Filter { id, flags: 0, cd_values };
    let zstd = filter(ZSTD, Vec::new());
    let whole = total / element / 8 * 8;
    // Room for the tail behind the planes.
    let mut planes = Vec::new();
    planes.try_reserve_exact(total).map_err(|_| "a chunk does not fit into memory")?;
    while planes.len() < whole * element {
        let bytes = in_block.min(whole - planes.len() / element) * element;
        let (length, after) = rest.split_first_chunk::<4>().ok_or(DAMAGED)?;
        let (piece, after) = after.split_at_checked(u32::from_be_bytes(*length) as usize).ok_or(DAMAGED)?;
        let block = reverse(&zstd, piece, bytes)?;
        if block.len() != bytes {
            return Err(DAMAGED.into());
        }
        planes.extend_from_slice(&block);
        rest = after;
    }
    planes.extend_from_slice(rest.get(..total - planes.len()).ok_or(DAMAGED)?);
    // Without compression behind it, the filter only orders the bits. A block may be stated larger than the chunk.
    let block = in_block.min(whole.max(8));
    let values = [0, 0, element, block, 0].map(|value| u32::try_from(value).unwrap_or(0));
    reverse(&filter(BITSHUFFLE, values.to_vec()), &planes, total)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn damaged_chunks_are_errors_not_panics() {
        assert!(unpack(&[], 2, 100).is_err());
        let mut chunk = 1000u64.to_be_bytes().to_vec();
        chunk.extend(16u32.to_be_bytes());
        chunk.extend([0, 0, 0, 4, 1, 2, 3, 4]);
        assert!(unpack(&chunk, 2, 100).is_err() && unpack(&chunk, 2, 2000).is_err());
        assert!(unpack(&chunk, 0, 2000).is_err());
    }
}
