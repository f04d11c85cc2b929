//! `man`: a manual page of the program and one of each subcommand, made from the arguments.

use super::args::Args;
use super::console;
use crate::error::{Error, Problem, Result};
use clap::CommandFactory;
use std::path::PathBuf;

/// Arguments of `man`.
#[derive(Debug, clap::Args)]
pub(super) struct ManArgs {
    /// Folder for ptychoscope.1, ptychoscope-run.1, …
    pub folder: PathBuf,
}

/// Writes the pages.
pub(super) fn man(args: &ManArgs) -> Result<u8> {
    let cannot = |error: std::io::Error| {
        Error::Failed(Problem::new(format!("Cannot write the manual pages ({error})")).at(&args.folder))
    };
    std::fs::create_dir_all(&args.folder).map_err(cannot)?;
    clap_mangen::generate_to(Args::command(), &args.folder).map_err(cannot)?;
    console::print_line(&format!("Wrote {}", args.folder.display()));
    Ok(0)
}
