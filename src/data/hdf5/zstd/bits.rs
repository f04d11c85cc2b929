//! Bits of a byte sequence, from its front or from its end.

/// Bits from the front on, the lowest of a byte first.
pub(super) struct Forward<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Forward<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// The next bits (at most 32) as a number, the first one lowest.
    pub fn read(&mut self, count: u32) -> Option<u32> {
        let value = self.peek(count)?;
        self.skip(count);
        Some(value)
    }

    pub fn peek(&self, count: u32) -> Option<u32> {
        if self.at + count as usize > 8 * self.bytes.len() {
            return None;
        }
        Some(bits(self.bytes, self.at, count))
    }

    pub fn skip(&mut self, count: u32) {
        self.at += count as usize;
    }

    /// Bytes begun so far.
    pub fn bytes_used(&self) -> usize {
        self.at.div_ceil(8)
    }
}

/// Bits from the end on; the highest bit that is set marks where they begin.
pub(super) struct Backward<'a> {
    bytes: &'a [u8],
    /// Bits left; negative when more were read than there are.
    left: i64,
}

impl<'a> Backward<'a> {
    pub fn new(bytes: &'a [u8]) -> Option<Self> {
        let last = *bytes.last().filter(|last| **last != 0)?;
        let left = 8 * bytes.len() as i64 - i64::from(last.leading_zeros()) - 1;
        Some(Self { bytes, left })
    }

    /// The next bits (at most 32) as a number, the first one highest; bits beyond the front are 0.
    pub fn read(&mut self, count: u32) -> u32 {
        let value = self.peek(count);
        self.skip(count);
        value
    }

    pub fn peek(&self, count: u32) -> u32 {
        let low = self.left - i64::from(count);
        if low >= 0 {
            bits(self.bytes, low as usize, count)
        } else if self.left > 0 {
            // Fewer than `count`, so the shift is less than 32.
            bits(self.bytes, 0, self.left as u32) << -low
        } else {
            0
        }
    }

    pub fn skip(&mut self, count: u32) {
        self.left -= i64::from(count);
    }

    pub fn left(&self) -> i64 {
        self.left
    }
}

/// `count` (at most 32) bits from bit `at` on.
fn bits(bytes: &[u8], at: usize, count: u32) -> u32 {
    let mut word = [0u8; 8];
    let from = bytes.get(at / 8..).unwrap_or_default();
    let length = from.len().min(8);
    word[..length].copy_from_slice(&from[..length]);
    let value = u64::from_le_bytes(word) >> (at % 8);
    (value & ((1u64 << count) - 1)) as u32
}
