//! Stopping and pausing of work: what the owner of a job asks for, and the switch that carries the request to the job.

use std::sync::{
    Arc,
    atomic::{AtomicU8, Ordering},
};
use std::time::Duration;

/// Interval at which paused work checks whether to continue.
const PAUSE_POLL: Duration = Duration::from_millis(20);

/// Request of the owner of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Control {
    /// Run.
    #[default]
    Run,
    /// Wait without using the device.
    Pause,
    /// Stop after the current epoch and keep the result.
    StopAfterEpoch,
    /// Stop now and keep the result.
    Stop,
    /// Stop now and discard the result.
    Discard,
}

impl Control {
    /// Every request; the index is its code in a [`Switch`].
    const ALL: [Self; 5] = [Self::Run, Self::Pause, Self::StopAfterEpoch, Self::Stop, Self::Discard];

    /// True if the work must stop immediately.
    pub fn stops_now(self) -> bool {
        matches!(self, Self::Stop | Self::Discard)
    }
}

/// Blocks while `control` asks for a pause; returns true if the work should continue.
pub fn wait_while_paused(mut control: impl FnMut() -> Control) -> bool {
    loop {
        match control() {
            Control::Run | Control::StopAfterEpoch => return true,
            Control::Stop | Control::Discard => return false,
            Control::Pause => std::thread::sleep(PAUSE_POLL),
        }
    }
}

/// A shared, lock-free [`Control`]. Clones refer to the same switch.
#[derive(Debug, Clone, Default)]
pub struct Switch(Arc<AtomicU8>);

impl Switch {
    /// Asks the running job to run, pause or stop.
    pub fn set(&self, request: Control) {
        self.0.store(request as u8, Ordering::Release);
    }

    /// Current request.
    pub fn get(&self) -> Control {
        Control::ALL.get(usize::from(self.0.load(Ordering::Acquire))).copied().unwrap_or_default()
    }

    /// Blocks while paused; returns true if the work should continue.
    pub fn wait_while_paused(&self) -> bool {
        wait_while_paused(|| self.get())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clone_is_the_same_switch() {
        let switch = Switch::default();
        let other = switch.clone();
        for request in Control::ALL.into_iter().rev() {
            switch.set(request);
            assert_eq!(other.get(), request);
        }
    }
}
