//! `import-weights`: weights of the Python original converted into a model.

use super::console::{print_line, print_message};
use super::paths::model_file;
use super::settings::assignment;
use crate::checkpoint;
use crate::error::Result;
use std::path::PathBuf;

/// Arguments of `import-weights`.
#[derive(Debug, clap::Args)]
pub(super) struct ImportWeightsArgs {
    /// Weights: a Lightning checkpoint (.ckpt), a state_dict (.pt, .pth, .safetensors), a wts.h5.zip from PyTorch, or the
    /// training folder with one of them
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Model to write
    #[arg(long, short, value_name = "MODEL")]
    pub output: PathBuf,
    /// Set a field that the file does not determine, for example model.amp_activation=sigmoid; repeatable
    #[arg(long = "set", value_name = "FIELD=VALUE")]
    pub set: Vec<String>,
    /// Print only errors
    #[arg(long)]
    pub quiet: bool,
}

/// Converts the weights and writes the model; returns the exit code.
pub(super) fn import_weights(args: &ImportWeightsArgs) -> Result<u8> {
    let settings = args.set.iter().map(|text| assignment(text)).collect::<Result<Vec<_>>>()?;
    let imported = checkpoint::import_weights(model_file(&args.file), &settings)?;
    imported.bundle.save(&args.output)?;
    if !args.quiet {
        imported.found.iter().for_each(|line| print_message(&format!("{line}.")));
        imported.notes.iter().for_each(|line| print_message(&format!("Note: {line}.")));
        print_line(&args.output.display().to_string());
    }
    Ok(0)
}
