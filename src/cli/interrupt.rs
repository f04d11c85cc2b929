//! Ctrl-C and requests to terminate: the first one ends the work in order, the second one aborts.

use super::console::print_message;
use crate::error::{Error, Result};
use crate::worker::message::{Control, Switch};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Exit code after a second interrupt: 128 + SIGINT.
const ABORTED: i32 = 130;

/// If this variable is set, the end of standard input counts as the first interrupt: a program that starts this one sets it,
/// so that no job outlives it.
const STOP_AT_EOF: &str = "PTYCHOSCOPE_STOP_AT_EOF";

fn call(first: &Mutex<impl Fn()>) {
    first.lock().unwrap_or_else(PoisonError::into_inner)();
}

/// On the first interrupt, asks the running job to stop and, if `keeps_result`, says that its result is kept.
///
/// # Errors
/// The handler cannot be installed.
pub(super) fn stop_on_interrupt(switch: Switch, keeps_result: bool) -> Result<()> {
    on_interrupt(move || {
        let result = if keeps_result { " and keeping the result" } else { "" };
        print_message(&format!("Stopping{result}; press Ctrl-C again to abort."));
        switch.set(Control::Stop);
    })
}

/// Calls `first` on the first interrupt or request to terminate; ends the program on the second.
///
/// # Errors
/// The handler cannot be installed.
pub(super) fn on_interrupt(first: impl Fn() + Send + 'static) -> Result<()> {
    let interrupts = Arc::new(AtomicUsize::new(0));
    let first = Arc::new(Mutex::new(first));
    if std::env::var_os(STOP_AT_EOF).is_some() {
        let (interrupts, first) = (Arc::clone(&interrupts), Arc::clone(&first));
        let wait = move || {
            let _ended = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
            if interrupts.fetch_add(1, Ordering::SeqCst) == 0 {
                call(&first);
            }
        };
        std::thread::Builder::new()
            .name("stdin".to_owned())
            .spawn(wait)
            .map_err(|error| Error::failed(format!("Cannot start a thread ({error})")))?;
    }
    #[allow(clippy::exit, reason = "the user asked twice; nothing is left to clean up")]
    let handler = move || {
        if interrupts.fetch_add(1, Ordering::SeqCst) > 0 {
            print_message("Aborted.");
            std::process::exit(ABORTED);
        }
        call(&first);
    };
    ctrlc::set_handler(handler).map_err(|error| Error::failed(format!("Cannot handle Ctrl-C ({error})")))
}
