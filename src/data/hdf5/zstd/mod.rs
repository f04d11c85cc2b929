//! Zstandard frames (RFC 8878), without dictionaries; checksums are not compared.
//!
//! * `bits`: bits from either end. * `fse`, `huffman`: the two entropy codes.

mod bits;
mod fse;
mod huffman;

use super::filters::{Cursor, reserve};
use super::lz4::repeat;
use bits::Backward;
use fse::Table;
use huffman::Codes;

const DAMAGED: &str = "a Zstandard frame is damaged";
/// Most bytes that a block unpacks to.
const MOST_BLOCK: usize = 128 << 10;

/// Lowest value and number of further bits of each code of a literals length, and of a match length from 32 on.
const LITERALS_FROM_16: [(u32, u32); 20] = [
    (16, 1),
    (18, 1),
    (20, 1),
    (22, 1),
    (24, 2),
    (28, 2),
    (32, 3),
    (40, 3),
    (48, 4),
    (64, 6),
    (128, 7),
    (256, 8),
    (512, 9),
    (1024, 10),
    (2048, 11),
    (4096, 12),
    (8192, 13),
    (16384, 14),
    (32768, 15),
    (65536, 16),
];
const MATCH_FROM_32: [(u32, u32); 21] = [
    (35, 1),
    (37, 1),
    (39, 1),
    (41, 1),
    (43, 2),
    (47, 2),
    (51, 3),
    (59, 3),
    (67, 4),
    (83, 4),
    (99, 5),
    (131, 7),
    (259, 8),
    (515, 9),
    (1027, 10),
    (2051, 11),
    (4099, 12),
    (8195, 13),
    (16387, 14),
    (32771, 15),
    (65539, 16),
];

/// Shares of the codes where a block brings none of its own.
const LITERALS: [i16; 36] =
    [4, 3, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 1, 1, 1, 2, 2, 2, 2, 2, 2, 2, 2, 2, 3, 2, 1, 1, 1, 1, 1, -1, -1, -1, -1];
const MATCHES: [i16; 53] = [
    1, 4, 3, 2, 2, 2, 2, 2, 2, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1,
    1, 1, 1, 1, 1, 1, 1, 1, -1, -1, -1, -1, -1, -1, -1,
];
const OFFSETS: [i16; 29] = [1, 1, 1, 1, 1, 1, 2, 2, 2, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, -1, -1, -1, -1, -1];

/// Unpacks all frames of `packed`.
///
/// # Errors
/// A short reason; also if there would be more than `limit` bytes.
pub(super) fn unpack(packed: &[u8], limit: usize) -> Result<Vec<u8>, String> {
    let mut input = Cursor::new(packed);
    let mut out = Vec::new();
    reserve(&mut out, limit)?;
    while !input.is_empty() {
        let magic = little_endian(&mut input, 4)?;
        if magic & 0xFFFF_FFF0 == 0x184D_2A50 {
            // A frame for others.
            let length = little_endian(&mut input, 4)? as usize;
            input.take(length).ok_or(DAMAGED)?;
        } else if magic == 0xFD2F_B528 {
            frame(&mut input, limit, &mut out)?;
        } else {
            return Err(DAMAGED.into());
        }
    }
    Ok(out)
}

fn little_endian(input: &mut Cursor<'_>, count: usize) -> Result<u64, String> {
    let bytes = input.take(count).ok_or(DAMAGED)?;
    Ok(bytes.iter().rev().fold(0, |sum, byte| sum << 8 | u64::from(*byte)))
}

fn frame(input: &mut Cursor<'_>, limit: usize, out: &mut Vec<u8>) -> Result<(), String> {
    let descriptor = input.byte().ok_or(DAMAGED)?;
    let single = descriptor & 0x20 != 0;
    if descriptor & 0x08 != 0 {
        return Err(DAMAGED.into());
    }
    if !single {
        input.byte().ok_or(DAMAGED)?;
    }
    if descriptor & 3 != 0 && little_endian(input, [0, 1, 2, 4][usize::from(descriptor & 3)])? != 0 {
        return Err("a Zstandard frame needs a dictionary".into());
    }
    let size_bytes = [usize::from(single), 2, 4, 8][usize::from(descriptor >> 6)];
    input.take(size_bytes).ok_or(DAMAGED)?;
    let start = out.len();
    let mut memory = Memory::default();
    loop {
        let header = little_endian(input, 3)? as usize;
        let (last, kind, size) = (header & 1 == 1, header >> 1 & 3, header >> 3);
        let before = out.len();
        match kind {
            0 => out.extend_from_slice(input.take(size).ok_or(DAMAGED)?),
            1 => {
                let byte = input.byte().ok_or(DAMAGED)?;
                if size > limit - out.len() {
                    return Err(DAMAGED.into());
                }
                out.resize(before + size, byte);
            }
            2 => memory.block(input.take(size).ok_or(DAMAGED)?, start, limit, out)?,
            _ => return Err(DAMAGED.into()),
        }
        if out.len() > limit || out.len() - before > MOST_BLOCK {
            return Err(DAMAGED.into());
        }
        if last {
            break;
        }
    }
    if descriptor & 0x04 != 0 {
        input.take(4).ok_or(DAMAGED)?;
    }
    Ok(())
}

/// What a block leaves for the next one of its frame.
struct Memory {
    codes: Option<Codes>,
    literals: Option<Table>,
    offsets: Option<Table>,
    matches: Option<Table>,
    /// The last three offsets, newest first.
    recent: [usize; 3],
}

impl Default for Memory {
    fn default() -> Self {
        Self { codes: None, literals: None, offsets: None, matches: None, recent: [1, 4, 8] }
    }
}

impl Memory {
    fn block(&mut self, block: &[u8], start: usize, limit: usize, out: &mut Vec<u8>) -> Result<(), String> {
        let mut input = Cursor::new(block);
        let literals = self.literals_of(&mut input)?;
        let mut literals = literals.as_slice();
        let count = match usize::from(input.byte().ok_or(DAMAGED)?) {
            255 => little_endian(&mut input, 2)? as usize + 0x7F00,
            first if first >= 128 => ((first - 128) << 8) + usize::from(input.byte().ok_or(DAMAGED)?),
            first => first,
        };
        if count > 0 {
            let modes = input.byte().ok_or(DAMAGED)?;
            table(&mut self.literals, modes >> 6, (&LITERALS, 6), 9, &mut input)?;
            table(&mut self.offsets, modes >> 4 & 3, (&OFFSETS, 5), 8, &mut input)?;
            table(&mut self.matches, modes >> 2 & 3, (&MATCHES, 6), 9, &mut input)?;
            let (Some(by_literals), Some(by_offset), Some(by_match)) = (&self.literals, &self.offsets, &self.matches)
            else {
                return Err(DAMAGED.into());
            };
            let mut bits = Backward::new(input.rest()).ok_or(DAMAGED)?;
            let mut of_literals = by_literals.begin(&mut bits);
            let mut of_offset = by_offset.begin(&mut bits);
            let mut of_match = by_match.begin(&mut bits);
            for k in 0..count {
                let offset_code = u32::from(by_offset.symbol(of_offset));
                if offset_code > 31 {
                    return Err(DAMAGED.into());
                }
                let offset = (1usize << offset_code) + bits.read(offset_code) as usize;
                let matched = length(by_match.symbol(of_match), 3, &MATCH_FROM_32, 32, &mut bits)?;
                let copied = length(by_literals.symbol(of_literals), 0, &LITERALS_FROM_16, 16, &mut bits)?;
                if k + 1 < count {
                    of_literals = by_literals.next(of_literals, &mut bits);
                    of_match = by_match.next(of_match, &mut bits);
                    of_offset = by_offset.next(of_offset, &mut bits);
                }
                if bits.left() < 0 || copied > literals.len() {
                    return Err(DAMAGED.into());
                }
                let (now, later) = literals.split_at(copied);
                literals = later;
                out.extend_from_slice(now);
                let offset = recall(&mut self.recent, offset, copied);
                if offset == 0 || offset > out.len() - start || matched > limit.saturating_sub(out.len()) {
                    return Err(DAMAGED.into());
                }
                repeat(out, offset, matched);
            }
            if bits.left() != 0 {
                return Err(DAMAGED.into());
            }
        }
        out.extend_from_slice(literals);
        Ok(())
    }

    /// The literals of a block.
    fn literals_of(&mut self, input: &mut Cursor<'_>) -> Result<Vec<u8>, String> {
        let first = *input.rest().first().ok_or(DAMAGED)?;
        let (kind, format) = (first & 3, usize::from(first >> 2 & 3));
        if kind < 2 {
            let (bytes, shift) = [(1, 3), (2, 4), (1, 3), (3, 4)][format];
            let size = (little_endian(input, bytes)? >> shift) as usize;
            if size > MOST_BLOCK {
                return Err(DAMAGED.into());
            }
            return Ok(match kind {
                0 => input.take(size).ok_or(DAMAGED)?.to_vec(),
                _ => vec![input.byte().ok_or(DAMAGED)?; size],
            });
        }
        let (bytes, width) = [(3, 10), (3, 10), (4, 14), (5, 18)][format];
        let header = little_endian(input, bytes)? >> 4;
        let mask = (1u64 << width) - 1;
        let (size, packed) = ((header & mask) as usize, (header >> width & mask) as usize);
        if size > MOST_BLOCK {
            return Err(DAMAGED.into());
        }
        let mut packed = input.take(packed).ok_or(DAMAGED)?;
        if kind == 2 {
            let (codes, used) = Codes::described(packed)?;
            packed = packed.get(used..).ok_or(DAMAGED)?;
            self.codes = Some(codes);
        }
        let codes = self.codes.as_ref().ok_or(DAMAGED)?;
        let mut literals = Vec::with_capacity(size);
        if format == 0 {
            codes.decode(packed, size, &mut literals)?;
            return Ok(literals);
        }
        let mut streams = Cursor::new(packed);
        let mut lengths = [0usize; 4];
        for length in &mut lengths[..3] {
            *length = little_endian(&mut streams, 2)? as usize;
        }
        let streams = streams.rest();
        lengths[3] = streams.len().checked_sub(lengths[..3].iter().sum()).ok_or(DAMAGED)?;
        let share = size.div_ceil(4);
        let mut streams = Cursor::new(streams);
        for (k, length) in lengths.into_iter().enumerate() {
            let count = if k < 3 { share } else { size.checked_sub(3 * share).ok_or(DAMAGED)? };
            codes.decode(streams.take(length).ok_or(DAMAGED)?, count, &mut literals)?;
        }
        Ok(literals)
    }
}

/// Sets the table of a kind of code as the mode of a block says.
fn table(
    table: &mut Option<Table>,
    mode: u8,
    (shares, accuracy): (&[i16], u32),
    most_accuracy: u32,
    input: &mut Cursor<'_>,
) -> Result<(), String> {
    match mode & 3 {
        0 => *table = Some(Table::new(shares, accuracy)?),
        1 => *table = Some(Table::constant(input.byte().ok_or(DAMAGED)?)),
        2 => {
            let (described, used) = Table::described(input.rest(), most_accuracy, 256)?;
            input.take(used).ok_or(DAMAGED)?;
            *table = Some(described);
        }
        _ => {}
    }
    Ok(())
}

/// The length that a code stands for: below `first` itself and `least`, else from the list with further bits.
fn length(code: u8, least: u32, list: &[(u32, u32)], first: u8, bits: &mut Backward<'_>) -> Result<usize, String> {
    let Some(at) = code.checked_sub(first) else { return Ok((u32::from(code) + least) as usize) };
    let (base, count) = list.get(usize::from(at)).copied().ok_or(DAMAGED)?;
    Ok((base + bits.read(count)) as usize)
}

/// The offset that a value stands for: a new one, or one of the last three.
fn recall(recent: &mut [usize; 3], value: usize, literals: usize) -> usize {
    if value > 3 {
        *recent = [value - 3, recent[0], recent[1]];
        return recent[0];
    }
    // Without literals before it the last offset itself would be pointless, so the codes mean the next ones.
    let which = if literals == 0 { value } else { value - 1 };
    let offset = match which {
        0 => return recent[0],
        1 | 2 => recent[which],
        _ => recent[0].saturating_sub(1),
    };
    *recent = if which == 1 { [offset, recent[0], recent[2]] } else { [offset, recent[0], recent[1]] };
    offset
}
