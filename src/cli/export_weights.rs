//! `export-weights`: the weights of a model for the Python original.

use super::console::print_line;
use super::paths::{check_extension, model_file};
use crate::checkpoint::{self, Bundle};
use crate::error::Result;
use std::path::PathBuf;

/// Arguments of `export-weights`.
#[derive(Debug, clap::Args)]
pub(super) struct ExportWeightsArgs {
    /// Model (model.ptycho, or its run folder)
    #[arg(value_name = "MODEL")]
    pub model: PathBuf,
    /// File to write (.safetensors)
    #[arg(long, short, value_name = "FILE")]
    pub output: PathBuf,
    /// Print only errors
    #[arg(long)]
    pub quiet: bool,
}

/// Writes the weights of a model; returns the exit code.
pub(super) fn export_weights(args: &ExportWeightsArgs) -> Result<u8> {
    check_extension(
        &args.output,
        "a safetensors file",
        &["pt", "pth", "ckpt", "bin", "pkl", "npz", "h5", "zip", "ptycho"],
    )?;
    let path = model_file(&args.model);
    let bundle = Bundle::load(&path)?;
    let bytes = checkpoint::reference_state_dict(&bundle).map_err(|error| error.at(&path))?;
    checkpoint::write_atomic(&args.output, &bytes)?;
    if !args.quiet {
        print_line(&args.output.display().to_string());
    }
    Ok(0)
}
