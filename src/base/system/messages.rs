//! Warnings and errors that libraries report through the crate `log`, kept for the log of a run and for the window.

use log::{Level, LevelFilter, Log, Metadata, Record};
use std::sync::{Mutex, PoisonError};

/// Maximum number of messages kept; older ones are dropped.
const MAX_KEPT: usize = 500;

/// A message of a library.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// True for an error, false for a warning.
    pub is_error: bool,
    /// Text of the message, beginning with the name of the library.
    pub text: String,
}

/// The messages received, and the number of those dropped before them.
struct Kept {
    dropped: usize,
    messages: Vec<Message>,
}

static KEPT: Mutex<Kept> = Mutex::new(Kept { dropped: 0, messages: Vec::new() });

/// Receives warnings and errors from now on. Further calls have no effect.
pub fn receive() {
    if log::set_logger(&Receiver).is_ok() {
        log::set_max_level(LevelFilter::Warn);
    }
}

/// Messages received since `cursor`, which then points behind the last one. A cursor starts at 0.
pub fn since(cursor: &mut usize) -> Vec<Message> {
    let kept = KEPT.lock().unwrap_or_else(PoisonError::into_inner);
    let first = cursor.saturating_sub(kept.dropped);
    *cursor = kept.dropped + kept.messages.len();
    kept.messages.get(first..).map(<[Message]>::to_vec).unwrap_or_default()
}

struct Receiver;

impl Log for Receiver {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.level() <= Level::Warn
    }

    fn log(&self, record: &Record<'_>) {
        if self.enabled(record.metadata()) {
            let library = record.target().split("::").next().unwrap_or_default();
            keep(Message { is_error: record.level() == Level::Error, text: format!("{library}: {}", record.args()) });
        }
    }

    fn flush(&self) {}
}

/// Keeps a message unless it repeats the latest one.
fn keep(message: Message) {
    let mut kept = KEPT.lock().unwrap_or_else(PoisonError::into_inner);
    if kept.messages.last() == Some(&message) {
        return;
    }
    if kept.messages.len() >= MAX_KEPT {
        kept.messages.remove(0);
        kept.dropped += 1;
    }
    kept.messages.push(message);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn warnings_are_kept_once_in_order_and_read_once_by_each_reader() {
        receive();
        receive();
        let mut cursor = 0;
        since(&mut cursor);
        log::info!(target: "test_lib", "not of interest");
        log::warn!(target: "test_lib::part", "Slow memory");
        log::warn!(target: "test_lib::part", "Slow memory");
        log::error!(target: "test_lib", "Lost");
        let message = |is_error, text: &str| Message { is_error, text: text.to_owned() };
        let expected = [message(false, "test_lib: Slow memory"), message(true, "test_lib: Lost")];
        let mut other = cursor;
        assert_eq!(since(&mut cursor), expected);
        assert_eq!((since(&mut cursor), since(&mut other).len()), (Vec::new(), 2));
        for number in 0..MAX_KEPT + 7 {
            log::warn!(target: "test_lib", "Message {number}");
        }
        let mut late = 0;
        let kept = since(&mut late);
        assert_eq!((kept.len(), kept[0].text.as_str()), (MAX_KEPT, "test_lib: Message 7"));
        assert_eq!(since(&mut cursor).len(), MAX_KEPT, "a reader that fell behind gets what is left");
    }
}
