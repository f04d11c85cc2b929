//! Work of the window's thread per frame, without drawing on the device.

use std::collections::VecDeque;

/// Number of frames in the statistics.
const FRAMES: usize = 300;

/// Times of the latest frames, in seconds.
#[derive(Debug, Clone, Default)]
pub(super) struct FrameTimes {
    recent: VecDeque<f64>,
}

impl FrameTimes {
    /// Adds the time of a frame, in seconds.
    pub(super) fn add(&mut self, seconds: f64) {
        if self.recent.len() >= FRAMES {
            self.recent.pop_front();
        }
        self.recent.push_back(seconds);
    }

    /// Number of frames, median and maximum in milliseconds; `None` before the first frame.
    pub(super) fn summary(&self) -> Option<(usize, f64, f64)> {
        let mut sorted: Vec<f64> = self.recent.iter().copied().collect();
        sorted.sort_by(f64::total_cmp);
        Some((sorted.len(), 1e3 * sorted.get(sorted.len() / 2)?, 1e3 * sorted.last()?))
    }

    /// Summary as text.
    pub(super) fn text(&self) -> String {
        match self.summary() {
            None => "No frames yet".to_owned(),
            Some((count, median, worst)) => format!("Frame {median:.1} ms, worst {worst:.1} ms of {count}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn median_and_worst_are_those_of_the_latest_frames() {
        let mut times = FrameTimes::default();
        assert_eq!(times.summary(), None);
        times.add(1.0);
        (0..FRAMES).for_each(|frame| times.add(if frame == 7 { 0.020 } else { 0.002 }));
        let (count, median, worst) = times.summary().unwrap();
        assert_eq!(count, FRAMES);
        assert!((median - 2.0).abs() < 1e-9 && (worst - 20.0).abs() < 1e-9);
        assert_eq!(times.text(), "Frame 2.0 ms, worst 20.0 ms of 300");
    }
}
