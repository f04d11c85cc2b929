//! Frequency of live pictures.

use serde::{Deserialize, Serialize};
use std::sync::{
    Arc,
    atomic::{AtomicU8, Ordering},
};
use std::time::Duration;

/// Share of the training time for live pictures of the object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LivePace {
    /// No pictures.
    Off,
    /// At most 5 %.
    #[default]
    Slow,
    /// At most 25 %.
    Live,
}

impl LivePace {
    /// All, in increasing order.
    pub const ALL: [Self; 3] = [Self::Off, Self::Slow, Self::Live];

    /// Name shown to the user.
    pub fn label(self) -> &'static str {
        match self {
            Self::Off => "Off",
            Self::Slow => "Slow",
            Self::Live => "Live",
        }
    }

    /// Maximum share of the time and minimum interval between two pictures; `None` for no pictures.
    pub(super) fn limits(self) -> Option<(f64, Duration)> {
        match self {
            Self::Off => None,
            Self::Slow => Some((0.05, Duration::from_secs(3))),
            Self::Live => Some((0.25, Duration::from_millis(500))),
        }
    }
}

/// A shared, lock-free [`LivePace`], off by default. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct Pace(Arc<AtomicU8>);

impl Pace {
    /// Sets the pace.
    pub fn set(&self, pace: LivePace) {
        self.0.store(pace as u8, Ordering::Release);
    }

    /// The current pace.
    pub fn get(&self) -> LivePace {
        let code = usize::from(self.0.load(Ordering::Acquire));
        LivePace::ALL.get(code).copied().unwrap_or(LivePace::Off)
    }
}
