//! Output to the two standard streams. A closed pipe (`| head`) is not an error; a full disk is.

use crate::error::{Error, Result};
use crate::worker::message::EventKind;
use serde::Serialize;
use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};

/// True once standard output could not be written.
static OUTPUT_FAILED: AtomicBool = AtomicBool::new(false);

/// Prints a line on standard output.
pub(super) fn print_line(text: &str) {
    note_failure(writeln!(std::io::stdout(), "{text}"));
}

/// Notes that standard output is incomplete, unless its reader has gone.
pub(super) fn note_failure(result: std::io::Result<()>) {
    if result.is_err_and(|error| error.kind() != std::io::ErrorKind::BrokenPipe) {
        OUTPUT_FAILED.store(true, Ordering::Relaxed);
    }
}

/// Exit code of the program that ends with `code`: 1, with a message, if standard output is incomplete.
pub(super) fn checked(code: u8) -> u8 {
    note_failure(std::io::stdout().flush());
    if code == 0 && OUTPUT_FAILED.load(Ordering::Relaxed) {
        print_message("Error: Standard output could not be written completely. Check the free space of its disk.");
        return 1;
    }
    code
}

/// Prints a line on standard error.
pub(super) fn print_message(text: &str) {
    let _closed = writeln!(std::io::stderr(), "{text}");
}

/// Prints an error as one paragraph on standard error.
pub(super) fn print_error(error: &Error) {
    print_message(&format!("Error: {error}"));
}

/// Prints an error that no job reported as an event `failed`, for the reader of the JSON on standard output.
pub(super) fn print_failure(error: &Error) {
    let failed = EventKind::Failed(error.clone().into());
    if let Ok(line) = serde_json::to_string(&failed) {
        print_line(&line);
    }
}

/// Prints a value as indented JSON on standard output.
///
/// # Errors
/// The value cannot be serialized.
pub(super) fn print_json(value: &impl Serialize) -> Result<()> {
    let text = serde_json::to_string_pretty(value)
        .map_err(|error| Error::failed(format!("Cannot write the result as JSON ({error})")))?;
    print_line(&text);
    Ok(())
}
