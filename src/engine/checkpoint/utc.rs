//! Date and time: in UTC for names and manifests, local for people.

use chrono::{DateTime, SubsecRound};

/// Date and time in UTC, to the second.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Utc(DateTime<chrono::Utc>);

impl Utc {
    /// Current time of the system clock.
    pub fn now() -> Self {
        Self(chrono::Utc::now().trunc_subsecs(0))
    }

    /// Date and time from seconds since 1970-01-01 00:00; that moment itself if out of range.
    pub fn from_unix(seconds: u64) -> Self {
        let seconds = i64::try_from(seconds).unwrap_or_default();
        Self(DateTime::from_timestamp(seconds, 0).unwrap_or_default())
    }

    /// `20260131-235959`: sorts by time and suits file names.
    pub fn compact(&self) -> String {
        self.0.format("%Y%m%d-%H%M%S").to_string()
    }

    /// `2026-01-31 23:59` in the time zone of this computer.
    pub fn local_minute(&self) -> String {
        self.0.with_timezone(&chrono::Local).format("%Y-%m-%d %H:%M").to_string()
    }

    /// `23:59:59` in the time zone of this computer.
    pub fn local_clock(&self) -> String {
        self.0.with_timezone(&chrono::Local).format("%H:%M:%S").to_string()
    }
}

/// `2026-01-31T23:59:59Z` (ISO 8601).
impl std::fmt::Display for Utc {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.0.format("%Y-%m-%dT%H:%M:%SZ"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_moments_have_their_dates_leap_days_included() {
        for (seconds, expected) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_399, "2000-02-28T23:59:59Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_709_251_199, "2024-02-29T23:59:59Z"),
            (1_767_225_599, "2025-12-31T23:59:59Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
        ] {
            assert_eq!(Utc::from_unix(seconds).to_string(), expected);
        }
        assert_eq!(Utc::from_unix(1_767_225_599).compact(), "20251231-235959");
        assert_eq!(Utc::from_unix(u64::MAX), Utc::from_unix(0));
    }

    #[test]
    fn local_times_differ_from_utc_by_the_offset_of_the_time_zone() {
        let moment = Utc::from_unix(1_767_225_599);
        let offset = moment.0.with_timezone(&chrono::Local).offset().local_minus_utc();
        let shifted = Utc(moment.0 + chrono::Duration::seconds(offset.into()));
        assert_eq!(moment.local_minute(), shifted.0.format("%Y-%m-%d %H:%M").to_string());
        assert_eq!(moment.local_clock(), shifted.0.format("%H:%M:%S").to_string());
    }
}
