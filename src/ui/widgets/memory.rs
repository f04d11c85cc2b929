//! How much memory the program takes.

use crate::system::resident_memory;

/// A number of bytes as a person says it: `512 MB`, `3.4 GB`.
pub fn bytes(count: u64) -> String {
    let megabytes = count as f64 / 1e6;
    if megabytes < 1000.0 { format!("{megabytes:.0} MB") } else { format!("{:.1} GB", megabytes / 1e3) }
}

/// Resident memory, asked for once a second.
#[derive(Debug, Default)]
pub struct Memory {
    asked: Option<f64>,
    bytes: Option<u64>,
}

impl Memory {
    /// Always this much, for pictures that shall be the same everywhere.
    #[cfg(test)]
    pub(crate) fn fixed(bytes: u64) -> Self {
        // No time is a second away from none.
        Self { asked: Some(f64::NAN), bytes: Some(bytes) }
    }

    /// The memory as it was less than a second ago; `now` is any clock in seconds.
    pub fn at(&mut self, now: f64) -> Option<u64> {
        if self.asked.is_none_or(|asked| (now - asked).abs() >= 1.0) {
            self.asked = Some(now);
            self.bytes = resident_memory();
        }
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_written_as_a_person_says_them() {
        assert_eq!(bytes(412_300_000), "412 MB");
        assert_eq!(bytes(3_440_000_000), "3.4 GB");
    }
}
