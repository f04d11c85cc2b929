//! `gui`: the graphical window.

use super::console::print_message;
use super::interrupt::on_interrupt;
use crate::error::Result;
use std::path::PathBuf;

/// Arguments of `gui`.
#[derive(Debug, clap::Args)]
pub(super) struct GuiArgs {
    /// Dataset, model, configuration or run folder
    pub file: Option<PathBuf>,
}

/// Opens the window and returns the exit code. The first interrupt stops the running job, keeps its result and closes the
/// window; the second one aborts.
pub(super) fn gui(file: Option<PathBuf>) -> Result<u8> {
    let closer = crate::ui::Closer::default();
    let window = closer.clone();
    on_interrupt(move || {
        print_message("Closing the window; a running job is stopped and its result kept. Press Ctrl-C again to abort.");
        window.close();
    })?;
    crate::ui::run(file, &closer).map(|()| 0)
}
