//! Paths as they are given on the command line.

use crate::checkpoint::RunFolder;
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

/// File name without extension; empty if the path has none.
pub(super) fn file_stem(path: &Path) -> String {
    path.file_stem().map_or_else(String::new, |stem| stem.to_string_lossy().into_owned())
}
