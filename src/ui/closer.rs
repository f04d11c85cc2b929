//! The end of the window, asked for from outside.
//!
//! A system that shuts down sends a signal and then waits for a while: what runs is stopped and kept, as when a person says
//! so.

use eframe::egui::Context;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

/// Asks the window to stop its job, keep the result and close. Clones are the same.
#[derive(Debug, Clone, Default)]
pub struct Closer(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    asked: AtomicBool,
    window: OnceLock<Context>,
}

impl Closer {
    /// Asks; a window that is not there yet is closed as soon as it is.
    pub fn close(&self) {
        self.0.asked.store(true, Ordering::Release);
        if let Some(window) = self.0.window.get() {
            window.request_repaint();
        }
    }

    /// The window that has to wake up.
    pub(super) fn watch(&self, window: &Context) {
        let _second_renderer = self.0.window.set(window.clone());
    }

    /// Whether it was asked.
    pub(super) fn is_asked(&self) -> bool {
        self.0.asked.load(Ordering::Acquire)
    }
}
