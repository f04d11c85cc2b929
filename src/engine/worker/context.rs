//! Connections of a running job to the consumer of its events.

use super::control::Switch;
use super::message::{Event, EventKind, Picture};
use super::pace::Pace;
use super::slot::Slot;
use std::sync::mpsc::Sender;
use std::time::Instant;

/// Callback after each event: `request_repaint` of a window, or nothing.
pub type Wake = Box<dyn Fn() + Send>;

/// Connections of a running job to the consumer of its events.
pub struct Context<'a> {
    pub(super) job: u64,
    pub(super) started: Instant,
    pub(super) events: &'a Sender<Event>,
    pub(super) wake: &'a Wake,
    /// Switch that pauses or stops the job.
    pub switch: Switch,
    /// Mailbox for the newest picture.
    pub pictures: Slot<Picture>,
    /// Frequency of live pictures during training.
    pub pace: Pace,
}

impl Context<'_> {
    /// Number of the job.
    pub fn job(&self) -> u64 {
        self.job
    }

    /// Sends an event. A missing consumer is no error: the job continues to its result.
    pub fn emit(&self, kind: EventKind) {
        let _gone = self.events.send(Event { job: self.job, at: self.started.elapsed(), kind });
        (self.wake)();
    }

    /// Wakes the consumer without an event: there is a new picture.
    pub fn wake(&self) {
        (self.wake)();
    }

    /// Sends a note.
    pub fn note(&self, text: impl Into<String>) {
        self.emit(EventKind::Note { text: text.into() });
    }
}
