//! Huffman coded literals (RFC 8878, 4.2).

use super::DAMAGED;
use super::bits::Backward;
use super::fse::Table;

/// Longest code.
const MOST_BITS: u32 = 11;

/// Symbol and length of the code that any bits begin with.
#[derive(Debug, Clone)]
pub(super) struct Codes {
    entries: Vec<(u8, u8)>,
    bits: u32,
}

impl Codes {
    /// From the description at the front of `bytes`; also how many bytes that took.
    pub fn described(bytes: &[u8]) -> Result<(Self, usize), String> {
        let (&first, rest) = bytes.split_first().ok_or(DAMAGED)?;
        let first = usize::from(first);
        if first < 128 {
            let packed = rest.get(..first).ok_or(DAMAGED)?;
            return Ok((Self::new(weights(packed)?)?, 1 + first));
        }
        let count = first - 127;
        let packed = rest.get(..count.div_ceil(2)).ok_or(DAMAGED)?;
        let weights = (0..count).map(|k| if k % 2 == 0 { packed[k / 2] >> 4 } else { packed[k / 2] & 15 }).collect();
        Ok((Self::new(weights)?, 1 + packed.len()))
    }

    /// From the weights of all symbols but the last one, which has what is left.
    fn new(mut weights: Vec<u8>) -> Result<Self, String> {
        if weights.iter().any(|&weight| u32::from(weight) > MOST_BITS) || weights.len() > 255 {
            return Err(DAMAGED.into());
        }
        let sum: u32 = weights.iter().filter(|&&weight| weight > 0).map(|&weight| 1u32 << (weight - 1)).sum();
        if sum == 0 {
            return Err(DAMAGED.into());
        }
        let bits = sum.ilog2() + 1;
        let left = (1u32 << bits) - sum;
        if bits > MOST_BITS || !left.is_power_of_two() {
            return Err(DAMAGED.into());
        }
        weights.push(left.ilog2() as u8 + 1);
        let mut entries = Vec::with_capacity(1 << bits);
        for weight in 1..=bits as u8 {
            for (symbol, _) in weights.iter().enumerate().filter(|(_, own)| **own == weight) {
                entries.extend(std::iter::repeat_n((symbol as u8, bits as u8 + 1 - weight), 1 << (weight - 1)));
            }
        }
        if entries.len() != 1 << bits {
            return Err(DAMAGED.into());
        }
        Ok(Self { entries, bits })
    }

    /// Decodes exactly `count` symbols from one stream, and no bit more.
    pub fn decode(&self, stream: &[u8], count: usize, out: &mut Vec<u8>) -> Result<(), String> {
        let mut input = Backward::new(stream).ok_or(DAMAGED)?;
        for _ in 0..count {
            let (symbol, length) = self.entries.get(input.peek(self.bits) as usize).copied().ok_or(DAMAGED)?;
            input.skip(u32::from(length));
            out.push(symbol);
        }
        if input.left() == 0 { Ok(()) } else { Err(DAMAGED.into()) }
    }
}

/// Weights packed by two states that take turns.
fn weights(packed: &[u8]) -> Result<Vec<u8>, String> {
    let (table, used) = Table::described(packed, 6, 256)?;
    let mut input = Backward::new(packed.get(used..).unwrap_or_default()).ok_or(DAMAGED)?;
    let mut states = [table.begin(&mut input), table.begin(&mut input)];
    let mut weights = Vec::new();
    for turn in 0.. {
        let (now, other) = (turn % 2, 1 - turn % 2);
        weights.push(table.symbol(states[now]));
        states[now] = table.next(states[now], &mut input);
        if input.left() < 0 {
            weights.push(table.symbol(states[other]));
            break;
        }
        if weights.len() > 255 {
            return Err(DAMAGED.into());
        }
    }
    Ok(weights)
}
