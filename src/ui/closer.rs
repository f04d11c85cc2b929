//! Requests to close the window from outside.
//!
//! A system that shuts down sends a signal and then waits for a while: the running job is stopped and its result saved, as
//! if the user had closed the window.

use eframe::egui::Context;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

/// Asks the window to stop its job, save the result and close. Clones share one request.
#[derive(Debug, Clone, Default)]
pub struct Closer(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    requested: AtomicBool,
    window: OnceLock<Context>,
}

impl Closer {
    /// Requests the close. A window that does not exist yet closes as soon as it opens.
    pub fn close(&self) {
        self.0.requested.store(true, Ordering::Release);
        if let Some(window) = self.0.window.get() {
            window.request_repaint();
        }
    }

    /// Sets the window to wake up on a request.
    pub(super) fn attach(&self, window: &Context) {
        let _second_renderer = self.0.window.set(window.clone());
    }

    /// True once a close has been requested.
    pub(super) fn is_requested(&self) -> bool {
        self.0.requested.load(Ordering::Acquire)
    }
}
