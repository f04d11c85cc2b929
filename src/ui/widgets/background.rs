//! A value that takes a while to compute, computed on a thread of its own while the window goes on.
//!
//! One computation runs at a time; when what is wanted changes meanwhile, the next one starts after it, with what is
//! wanted then. The last finished value is shown until a newer one is there.

use eframe::egui;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, TryRecvError, channel};
use std::thread::JoinHandle;

/// A value computed in the background, and the key of what it was computed from.
pub struct Background<T> {
    value: Option<(u64, Arc<T>)>,
    running: Option<Running<T>>,
    failed: Option<u64>,
}

struct Running<T> {
    key: u64,
    result: Receiver<T>,
    thread: Option<JoinHandle<()>>,
}

impl<T> Default for Background<T> {
    fn default() -> Self {
        Self { value: None, running: None, failed: None }
    }
}

impl<T> Drop for Running<T> {
    fn drop(&mut self) {
        if let Some(thread) = self.thread.take() {
            let _panicked = thread.join();
        }
    }
}

impl<T: Send + Sync + 'static> Background<T> {
    /// The newest value and its key, which may be an older one than asked for; none if there is none yet.
    ///
    /// `prepare` is called when a computation for this key begins: it takes what the computation needs (cheap clones of
    /// `Arc`s) and gives the computation back.
    pub fn get<F: FnOnce() -> T + Send + 'static>(
        &mut self,
        context: &egui::Context,
        key: u64,
        prepare: impl FnOnce() -> F,
    ) -> Option<(u64, Arc<T>)> {
        self.collect();
        let is_new = self.value.as_ref().is_none_or(|(known, _)| *known != key) && self.failed != Some(key);
        if is_new && self.running.is_none() {
            let compute = prepare();
            let (sender, result) = channel();
            let context = context.clone();
            let work = move || {
                let value = compute();
                let _gone = sender.send(value);
                context.request_repaint();
            };
            match std::thread::Builder::new().name("ptycho-picture".to_owned()).spawn(work) {
                Ok(thread) => self.running = Some(Running { key, result, thread: Some(thread) }),
                Err(_) => self.failed = Some(key),
            }
        }
        self.value.clone()
    }

    /// Computes here and now: for what takes no noticeable time.
    pub fn get_now(&mut self, key: u64, compute: impl FnOnce() -> T) -> Arc<T> {
        match &self.value {
            Some((known, value)) if *known == key => value.clone(),
            _ => {
                let value = Arc::new(compute());
                self.value = Some((key, value.clone()));
                value
            }
        }
    }

    /// The newest value and its key.
    pub fn newest(&self) -> Option<&(u64, Arc<T>)> {
        self.value.as_ref()
    }

    /// Whether a computation runs.
    pub fn is_running(&self) -> bool {
        self.running.is_some()
    }

    /// Whether the computation for this key ended without a value.
    pub fn has_failed(&self, key: u64) -> bool {
        self.failed == Some(key)
    }

    /// Forgets the value, so that the memory is given back.
    pub fn forget(&mut self) {
        self.value = None;
        self.failed = None;
    }

    fn collect(&mut self) {
        let Some(running) = &self.running else { return };
        match running.result.try_recv() {
            Ok(value) => {
                self.value = Some((running.key, Arc::new(value)));
                self.running = None;
            }
            Err(TryRecvError::Disconnected) => {
                // It panicked, which the log of the program tells; it is not tried again with the same input.
                self.failed = Some(running.key);
                self.running = None;
            }
            Err(TryRecvError::Empty) => {}
        }
    }
}

/// A key made of everything that a value is computed from.
pub fn key_of(parts: impl std::hash::Hash) -> u64 {
    use std::hash::{DefaultHasher, Hasher};
    let mut hasher = DefaultHasher::new();
    parts.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use std::time::{Duration, Instant};

    fn wait(background: &mut Background<u32>, key: u64, value: u32) -> Option<u32> {
        let context = egui::Context::default();
        let start = Instant::now();
        while start.elapsed() < Duration::from_secs(10) {
            match background.get(&context, key, || move || value) {
                Some((known, value)) if known == key => return Some(*value),
                _ => std::thread::sleep(Duration::from_millis(1)),
            }
        }
        None
    }

    #[test]
    fn a_value_arrives_later_and_the_old_one_stays_until_then() {
        let mut background = Background::default();
        let context = egui::Context::default();
        assert!(background.get(&context, 1, || || 10).is_none());
        assert_eq!(wait(&mut background, 1, 10), Some(10));
        let slow = background.get(&context, 2, || {
            || {
                std::thread::sleep(Duration::from_millis(50));
                20
            }
        });
        assert_eq!(slow.map(|(key, value)| (key, *value)), Some((1, 10)));
        // What is wanted changed meanwhile: the newest wish is met in the end.
        assert_eq!(wait(&mut background, 3, 30), Some(30));
    }

    #[test]
    fn a_computation_that_panics_is_not_tried_again_and_again() {
        let mut background = Background::<u32>::default();
        let context = egui::Context::default();
        let start = Instant::now();
        while !background.has_failed(7) && start.elapsed() < Duration::from_secs(10) {
            let value = background.get(&context, 7, || || panic!("on purpose"));
            assert!(value.is_none());
        }
        assert!(background.has_failed(7) && !background.is_running());
        assert_eq!(wait(&mut background, 8, 80), Some(80));
    }
}
