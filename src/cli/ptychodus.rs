//! `ptychodus`: Ptychodus with Ptychoscope in place of PtychoPINN. The packages it looks for are those of the Python side.

use crate::error::{Error, Problem, Result};
use std::ffi::OsString;
use std::process::Command;

/// Python module that starts Ptychodus with the drop-in packages.
const MODULE: &str = "ptychoscope.ptychodus";

/// Arguments of `ptychodus`.
#[derive(Debug, clap::Args)]
#[command(disable_help_flag = true)]
pub(super) struct PtychodusArgs {
    /// Arguments of Ptychodus
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "ARGUMENTS")]
    pub arguments: Vec<OsString>,
}

/// Starts Ptychodus and waits for it; returns its exit code.
pub(super) fn ptychodus(args: &PtychodusArgs) -> Result<u8> {
    let program =
        std::env::current_exe().map_err(|error| Error::failed(format!("Cannot find this program ({error})")))?;
    // A wheel installs the program beside its Python.
    let beside = program.with_file_name("python3").into_os_string();
    let candidates = std::env::var_os("PTYCHOSCOPE_PYTHON")
        .map_or_else(|| vec![beside, "python3".into(), "python".into()], |chosen| vec![chosen]);
    let ready = |python: &OsString| {
        let found = Command::new(python).args(["-c", &format!("import {MODULE}")]).output();
        found.is_ok_and(|output| output.status.success())
    };
    let Some(python) = candidates.into_iter().find(ready) else {
        return Err(Error::BadInput(
            Problem::new("No Python with the package ptychoscope was found")
                .expected("`python3` with the packages ptychodus and ptychoscope")
                .hint(
                    "Install both into one environment (pip install ptychodus ptychoscope) and activate it, or set \
                       PTYCHOSCOPE_PYTHON to its python",
                ),
        ));
    };
    // Ctrl-C reaches Ptychodus, which shares the terminal; it decides when to end.
    super::interrupt::on_interrupt(|| {})?;
    let status = Command::new(python)
        .args(["-m", MODULE])
        .args(&args.arguments)
        .env("PTYCHOSCOPE_PROGRAM", program)
        .status()
        .map_err(|error| Error::failed(format!("Cannot start Python ({error})")))?;
    Ok(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1))
}
