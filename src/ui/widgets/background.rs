//! A slow computation on its own thread, so that the window stays responsive.
//!
//! One computation runs at a time. If the key changes meanwhile, the next computation starts when the current one ends,
//! with the latest key. The last finished value remains available until it is replaced.

use eframe::egui;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, TryRecvError, channel};
use std::thread::JoinHandle;

/// A value computed in the background, with the key of its inputs.
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
    /// Latest value and its key, which may be older than the one requested; `None` before the first value.
    ///
    /// `prepare` is called when a computation for this key starts: it captures the inputs (cheap clones of `Arc`s) and
    /// returns the computation.
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

    /// Computes the value on this thread: for fast computations.
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

    /// Latest value and its key.
    pub fn newest(&self) -> Option<&(u64, Arc<T>)> {
        self.value.as_ref()
    }

    /// True while a computation is running.
    pub fn is_running(&self) -> bool {
        self.running.is_some()
    }

    /// True if the computation for this key failed.
    pub fn has_failed(&self, key: u64) -> bool {
        self.failed == Some(key)
    }

    /// Drops the value to free its memory.
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
                // The thread panicked (see the log); do not retry with the same inputs.
                self.failed = Some(running.key);
                self.running = None;
            }
            Err(TryRecvError::Empty) => {}
        }
    }
}

/// Hash of all inputs of a computation.
pub fn key_of(parts: impl std::hash::Hash) -> u64 {
    use std::hash::{DefaultHasher, Hasher};
    let mut hasher = DefaultHasher::new();
    parts.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
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
    fn the_old_value_remains_until_the_new_one_arrives() {
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
        // The key changed meanwhile: the latest key is computed in the end.
        assert_eq!(wait(&mut background, 3, 30), Some(30));
    }

    #[test]
    fn a_computation_that_panics_is_not_retried() {
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
