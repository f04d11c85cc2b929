//! `completions`: the completion script of a shell, made from the arguments.

use super::args::Args;
use super::console;
use crate::error::{Error, Result};
use clap::CommandFactory;
use clap_complete::Shell;

/// Arguments of `completions`.
#[derive(Debug, clap::Args)]
pub(super) struct CompletionsArgs {
    /// Shell; for bash: ptychoscope completions bash > ~/.local/share/bash-completion/completions/ptychoscope
    pub shell: Shell,
}

/// Prints the completion script.
pub(super) fn completions(args: &CompletionsArgs) -> Result<u8> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Args::command(), "ptychoscope", &mut script);
    let script =
        String::from_utf8(script).map_err(|error| Error::failed(format!("The script is no text ({error})")))?;
    console::print_line(script.trim_end());
    Ok(0)
}
