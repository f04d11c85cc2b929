//! Finite state entropy: tables that turn bits into symbols (RFC 8878, 4.1).

use super::DAMAGED;
use super::bits::{Backward, Forward};

/// What a state stands for, and how the next one is found.
#[derive(Debug, Clone, Copy, Default)]
struct State {
    symbol: u8,
    bits: u8,
    base: u16,
}

/// A decoding table.
#[derive(Debug, Clone)]
pub(super) struct Table {
    states: Vec<State>,
    accuracy: u32,
}

impl Table {
    /// From the share of each symbol, of 2^accuracy; -1 stands for less than one.
    pub fn new(shares: &[i16], accuracy: u32) -> Result<Self, String> {
        let size = 1usize << accuracy;
        let mut states = vec![State::default(); size];
        let mut next: Vec<u16> = vec![0; shares.len()];
        let mut free = size;
        for (symbol, &share) in shares.iter().enumerate() {
            if share == -1 {
                free = free.checked_sub(1).ok_or(DAMAGED)?;
                states[free].symbol = symbol as u8;
                next[symbol] = 1;
            }
        }
        let step = (size >> 1) + (size >> 3) + 3;
        let mut at = 0;
        for (symbol, &share) in shares.iter().enumerate().filter(|(_, share)| **share > 0) {
            next[symbol] = share as u16;
            for _ in 0..share {
                states[at].symbol = symbol as u8;
                // `free` is not 0 while a share is left, so this ends.
                if free == 0 {
                    return Err(DAMAGED.into());
                }
                loop {
                    at = (at + step) & (size - 1);
                    if at < free {
                        break;
                    }
                }
            }
        }
        if at != 0 {
            return Err(DAMAGED.into());
        }
        for state in &mut states {
            let number = next.get_mut(usize::from(state.symbol)).filter(|number| **number > 0).ok_or(DAMAGED)?;
            let bits = accuracy.checked_sub(number.ilog2()).ok_or(DAMAGED)?;
            state.bits = bits as u8;
            state.base = ((usize::from(*number) << bits) - size) as u16;
            *number += 1;
        }
        Ok(Self { states, accuracy })
    }

    /// Always this symbol.
    pub fn constant(symbol: u8) -> Self {
        Self { states: vec![State { symbol, bits: 0, base: 0 }], accuracy: 0 }
    }

    /// From its description at the front of `bytes`; also how many bytes that took.
    pub fn described(bytes: &[u8], most_accuracy: u32, most_symbols: usize) -> Result<(Self, usize), String> {
        let mut input = Forward::new(bytes);
        let accuracy = input.read(4).ok_or(DAMAGED)? + 5;
        if accuracy > most_accuracy {
            return Err(DAMAGED.into());
        }
        let mut left: i32 = 1 << accuracy;
        let mut shares: Vec<i16> = Vec::new();
        while left > 0 {
            let range = (left + 1) as u32;
            let width = range.ilog2() + 1;
            // Near the end a description may be shorter than the widest number.
            let short_mask = (1u32 << (width - 1)) - 1;
            let spare = (1u32 << width) - 1 - range;
            let low = input.peek(width - 1).ok_or(DAMAGED)?;
            let value = if (low & short_mask) < spare {
                input.skip(width - 1);
                low & short_mask
            } else {
                let value = input.read(width).ok_or(DAMAGED)?;
                if value > short_mask { value - spare } else { value }
            };
            let share = value as i32 - 1;
            left -= share.abs();
            shares.push(share as i16);
            if share == 0 {
                loop {
                    let more = input.read(2).ok_or(DAMAGED)?;
                    shares.extend(std::iter::repeat_n(0, more as usize));
                    if more != 3 || shares.len() > most_symbols {
                        break;
                    }
                }
            }
            if shares.len() > most_symbols {
                return Err(DAMAGED.into());
            }
        }
        if left != 0 {
            return Err(DAMAGED.into());
        }
        Ok((Self::new(&shares, accuracy)?, input.bytes_used()))
    }

    /// The first state.
    pub fn begin(&self, input: &mut Backward<'_>) -> usize {
        input.read(self.accuracy) as usize
    }

    pub fn symbol(&self, state: usize) -> u8 {
        self.states.get(state).map_or(0, |state| state.symbol)
    }

    /// The state after `state`.
    pub fn next(&self, state: usize, input: &mut Backward<'_>) -> usize {
        let state = self.states.get(state).copied().unwrap_or_default();
        usize::from(state.base) + input.read(u32::from(state.bits)) as usize
    }
}
