//! Paths as they are given on the command line.

use crate::checkpoint::RunFolder;
use crate::error::{Problem, Result};
use std::path::{Path, PathBuf};

/// `model.ptycho` of a run folder, or `wts.h5.zip` or `checkpoints/last.ckpt` of a training folder of PtychoPINN; any other
/// path as given.
pub(super) fn model_file(path: &Path) -> PathBuf {
    if !path.is_dir() {
        return path.to_path_buf();
    }
    let own = RunFolder::at(path).model();
    let of_ptychopinn = ["wts.h5.zip", "checkpoints/last.ckpt"].map(|name| path.join(name));
    of_ptychopinn.into_iter().find(|file| file.is_file() && !own.is_file()).unwrap_or(own)
}

/// Refuses a file to be written under a name of another format.
///
/// # Errors
/// The extension is one of `others`.
pub(super) fn check_extension(path: &Path, written: &str, others: &[&str]) -> Result<()> {
    let extension = path.extension().map(|extension| extension.to_string_lossy().to_lowercase()).unwrap_or_default();
    if !others.contains(&extension.as_str()) {
        return Ok(());
    }
    Err(Problem::new(format!("The name ends in .{extension}, but {written} is written"))
        .hint("Choose a name with the extension of that format")
        .at(path)
        .into())
}

/// Refuses to replace an input by an output.
///
/// # Errors
/// The output is one of the inputs.
pub(super) fn refuse_inputs<'a>(output: &Path, inputs: impl IntoIterator<Item = &'a PathBuf>) -> Result<()> {
    let Ok(here) = output.canonicalize() else { return Ok(()) };
    if !here.is_file() || !inputs.into_iter().any(|input| input.canonicalize().is_ok_and(|input| input == here)) {
        return Ok(());
    }
    Err(Problem::new("The output is an input itself, which would be lost")
        .expected("another name")
        .hint("Choose another file to write")
        .at(output)
        .into())
}
