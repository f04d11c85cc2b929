//! The switch by which a consumer pauses or stops the running job.

use crate::train::{Control, go_on};
use std::sync::{
    Arc,
    atomic::{AtomicU8, Ordering},
};

/// A shared, lock-free [`Control`]. Clones are the same switch.
#[derive(Debug, Clone, Default)]
pub struct Switch(Arc<AtomicU8>);

impl Switch {
    /// Asks the running job to run, pause or stop.
    pub fn set(&self, request: Control) {
        self.0.store(code(request), Ordering::Release);
    }

    /// What is asked for now.
    pub fn get(&self) -> Control {
        match self.0.load(Ordering::Acquire) {
            1 => Control::Pause,
            2 => Control::StopAfterEpoch,
            3 => Control::Stop,
            4 => Control::Discard,
            _ => Control::Run,
        }
    }
}

impl Switch {
    /// Whether the work shall go on; waits while it is paused.
    pub fn go_on(&self) -> bool {
        go_on(|| self.get())
    }
}

fn code(request: Control) -> u8 {
    match request {
        Control::Run => 0,
        Control::Pause => 1,
        Control::StopAfterEpoch => 2,
        Control::Stop => 3,
        Control::Discard => 4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clone_is_the_same_switch() {
        let switch = Switch::default();
        let other = switch.clone();
        for request in [Control::Pause, Control::StopAfterEpoch, Control::Stop, Control::Discard, Control::Run] {
            switch.set(request);
            assert_eq!(other.get(), request);
        }
    }
}
