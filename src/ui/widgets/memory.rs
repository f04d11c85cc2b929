//! Memory use of the program.

use crate::system::resident_memory;

/// Formats a number of bytes: `512 MB`, `3.4 GB`.
pub fn bytes(count: u64) -> String {
    let megabytes = count as f64 / 1e6;
    if megabytes < 1000.0 { format!("{megabytes:.0} MB") } else { format!("{:.1} GB", megabytes / 1e3) }
}

/// Resident memory, queried once per second.
#[derive(Debug, Default)]
pub struct Memory {
    queried_at: Option<f64>,
    bytes: Option<u64>,
}

impl Memory {
    /// A constant value, for reproducible snapshots.
    #[cfg(test)]
    pub(crate) fn fixed(bytes: u64) -> Self {
        // The difference to NaN is never a second or more.
        Self { queried_at: Some(f64::NAN), bytes: Some(bytes) }
    }

    /// Resident memory in bytes, less than a second old; `now` is any clock in seconds.
    pub fn at(&mut self, now: f64) -> Option<u64> {
        if self.queried_at.is_none_or(|queried_at| (now - queried_at).abs() >= 1.0) {
            self.queried_at = Some(now);
            self.bytes = resident_memory();
        }
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_formatted_for_people() {
        assert_eq!(bytes(412_300_000), "412 MB");
        assert_eq!(bytes(3_440_000_000), "3.4 GB");
    }
}
