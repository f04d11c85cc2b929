//! The bit shuffle of HDF5 filter 32008, with LZ4 or Zstandard behind it.
//!
//! A block of elements is stored as planes of one bit: first the lowest bit of the first byte of each element, eight
//! elements to a byte, the first in its lowest bit. What is left after whole groups of eight elements is stored as it is.

use super::filters::{Cursor, reserve};
use super::{lz4, zstd};

/// What packed the planes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Packed {
    Lz4,
    Zstd,
}

/// Unpacks a chunk: bytes altogether (8, big-endian), bytes of a block (4), then blocks with their packed lengths (4).
///
/// # Errors
/// A short reason; also if the chunk is longer than `limit`.
pub(super) fn unpack(packed: &[u8], element: usize, by: Packed, limit: usize) -> Result<Vec<u8>, String> {
    const DAMAGED: &str = "a bitshuffle chunk is damaged";
    let mut input = Cursor::new(packed);
    let total = input.big_endian(8).and_then(|total| usize::try_from(total).ok()).ok_or(DAMAGED)?;
    let block = input.big_endian(4).and_then(|block| usize::try_from(block).ok()).ok_or(DAMAGED)?;
    let elements_in_block = block.checked_div(element).unwrap_or(0);
    if total > limit || elements_in_block == 0 || elements_in_block % 8 != 0 {
        return Err(DAMAGED.into());
    }
    let mut out = Vec::new();
    reserve(&mut out, total)?;
    let mut left = total / element;
    let mut planes = Vec::new();
    while left >= 8 {
        let elements = elements_in_block.min(left - left % 8);
        let length = input.big_endian(4).and_then(|length| usize::try_from(length).ok()).ok_or(DAMAGED)?;
        let piece = input.take(length).ok_or(DAMAGED)?;
        planes.clear();
        match by {
            Packed::Lz4 => lz4::unpack_block(piece, elements * element, &mut planes)?,
            Packed::Zstd => planes = zstd::unpack(piece, elements * element)?,
        }
        if planes.len() != elements * element {
            return Err(DAMAGED.into());
        }
        unshuffle(&planes, element, &mut out);
        left -= elements;
    }
    out.extend_from_slice(input.take(total - out.len()).ok_or(DAMAGED)?);
    Ok(out)
}

/// Puts the planes of a block back into elements, added to `out`; a whole number of groups of eight elements.
fn unshuffle(planes: &[u8], element: usize, out: &mut Vec<u8>) {
    let groups = planes.len() / element / 8;
    let start = out.len();
    out.resize(start + planes.len(), 0);
    let out = &mut out[start..];
    for byte in 0..element {
        for group in 0..groups {
            // Eight planes of eight elements: a square of bits, to be transposed.
            let mut square = [0u8; 8];
            for (bit, row) in square.iter_mut().enumerate() {
                *row = planes[(byte * 8 + bit) * groups + group];
            }
            let turned = transposed(u64::from_le_bytes(square)).to_le_bytes();
            for (k, value) in turned.into_iter().enumerate() {
                out[(group * 8 + k) * element + byte] = value;
            }
        }
    }
}

/// Bit 8·row + column becomes bit 8·column + row.
fn transposed(mut square: u64) -> u64 {
    for (shift, mask) in [(7, 0x00AA_00AA_00AA_00AA), (14, 0x0000_CCCC_0000_CCCC), (28, 0x0000_0000_F0F0_F0F0)] {
        let swapped = (square ^ (square >> shift)) & mask;
        square ^= swapped ^ (swapped << shift);
    }
    square
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;

    #[test]
    fn planes_become_elements() {
        // By the definition, bit for bit.
        let values: Vec<u16> = (0..24).map(|k| (k * 2749 + 5) as u16).collect();
        let mut planes = vec![0u8; 48];
        for (k, value) in values.iter().enumerate() {
            for bit in 0..16 {
                planes[bit * 3 + k / 8] |= ((value >> bit & 1) as u8) << (k % 8);
            }
        }
        let mut out = vec![9u8];
        unshuffle(&planes, 2, &mut out);
        let expected: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        assert_eq!(&out[1..], expected);
    }

    #[test]
    fn damaged_chunks_are_errors_not_panics() {
        assert!(unpack(&[], 2, Packed::Lz4, 100).is_err());
        let mut chunk = 1000u64.to_be_bytes().to_vec();
        chunk.extend(16u32.to_be_bytes());
        chunk.extend([0, 0, 0, 4, 1, 2, 3, 4]);
        assert!(unpack(&chunk, 2, Packed::Lz4, 100).is_err() && unpack(&chunk, 2, Packed::Lz4, 2000).is_err());
        assert!(unpack(&chunk, 0, Packed::Lz4, 2000).is_err());
    }
}
