//! LZ4 blocks (the block format of lz4.org) and the frame of HDF5 filter 32004 around them.

use super::filters::{Cursor, reserve};

/// Unpacks one block to exactly `length` bytes, added to `out`.
///
/// # Errors
/// A short reason: damaged, or more or fewer bytes than expected.
pub(super) fn unpack_block(packed: &[u8], length: usize, out: &mut Vec<u8>) -> Result<(), String> {
    const DAMAGED: &str = "an LZ4 block is damaged";
    let start = out.len();
    let end = start.checked_add(length).ok_or(DAMAGED)?;
    reserve(out, length)?;
    let mut input = Cursor::new(packed);
    loop {
        let token = input.byte().ok_or(DAMAGED)?;
        let literals = extended(usize::from(token >> 4), &mut input).ok_or(DAMAGED)?;
        let piece = input.take(literals).ok_or(DAMAGED)?;
        if piece.len() > end - out.len() {
            return Err(DAMAGED.into());
        }
        out.extend_from_slice(piece);
        if input.is_empty() {
            break;
        }
        let offset = input.take(2).ok_or(DAMAGED)?;
        let offset = usize::from(offset[0]) | usize::from(offset[1]) << 8;
        let copied = extended(usize::from(token & 15), &mut input).ok_or(DAMAGED)?.saturating_add(4);
        if offset == 0 || offset > out.len() - start || copied > end - out.len() {
            return Err(DAMAGED.into());
        }
        repeat(out, offset, copied);
    }
    if out.len() == end { Ok(()) } else { Err(DAMAGED.into()) }
}

/// Appends `count` bytes from `offset` bytes before the end, which may reach into what is being written.
pub(super) fn repeat(out: &mut Vec<u8>, offset: usize, count: usize) {
    let mut left = count;
    let from = out.len() - offset;
    while left > 0 {
        let piece = left.min(out.len() - from);
        out.extend_from_within(from..from + piece);
        left -= piece;
    }
}

/// A length of four bits that goes on in further bytes when they are all set.
fn extended(first: usize, input: &mut Cursor<'_>) -> Option<usize> {
    let mut length = first;
    if first == 15 {
        loop {
            let more = input.byte()?;
            length = length.checked_add(usize::from(more))?;
            if more != 255 {
                break;
            }
        }
    }
    Some(length)
}

/// Unpacks a chunk of filter 32004: bytes altogether (8, big-endian), bytes of a block (4), then blocks with their packed
/// lengths (4); a block that is as long packed as unpacked is stored as it is.
///
/// # Errors
/// As [`unpack_block`]; also if the chunk is longer than `limit`.
pub(super) fn unpack(packed: &[u8], limit: usize) -> Result<Vec<u8>, String> {
    const DAMAGED: &str = "an LZ4 chunk is damaged";
    let mut input = Cursor::new(packed);
    let total = input.big_endian(8).and_then(|total| usize::try_from(total).ok()).ok_or(DAMAGED)?;
    let block = input.big_endian(4).and_then(|block| usize::try_from(block).ok()).ok_or(DAMAGED)?;
    if total > limit || (block == 0 && total > 0) {
        return Err(DAMAGED.into());
    }
    let mut out = Vec::new();
    while out.len() < total {
        let length = block.min(total - out.len());
        let packed = input.big_endian(4).and_then(|packed| usize::try_from(packed).ok()).ok_or(DAMAGED)?;
        let piece = input.take(packed).ok_or(DAMAGED)?;
        if packed == length {
            out.extend_from_slice(piece);
        } else {
            unpack_block(piece, length, &mut out)?;
        }
    }
    Ok(out)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;

    #[test]
    fn literals_and_overlapping_copies_are_unpacked() {
        let unpacked = |packed: &[u8], length| {
            let mut out = b"before".to_vec();
            unpack_block(packed, length, &mut out).map(|()| out[6..].to_vec())
        };
        assert_eq!(unpacked(&[0x30, b'a', b'b', b'c'], 3).unwrap(), b"abc");
        // "ab", then 7 bytes from two back, then "z".
        assert_eq!(
            unpacked(&[0x23, b'a', b'b', 2, 0, 0x10, b'z'], 10).unwrap(),
            b"abababababz"[..9].iter().chain(b"z").copied().collect::<Vec<u8>>()
        );
        // 15 + 5 literals.
        let mut long = vec![0xf0, 5];
        long.extend([7u8; 20]);
        assert_eq!(unpacked(&long, 20).unwrap(), [7u8; 20]);
        // Nothing from before the block, nothing past its length, nothing missing.
        assert!(unpacked(&[0x13, b'a', 2, 0, 0x10, b'z'], 9).is_err());
        assert!(unpacked(&[0x30, b'a', b'b', b'c'], 2).is_err() && unpacked(&[0x30, b'a', b'b', b'c'], 4).is_err());
        for end in 0..long.len() {
            assert!(unpacked(&long[..end], 20).is_err(), "{end}");
        }
    }
}
