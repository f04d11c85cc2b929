//! Paths as they are given on the command line.

use crate::checkpoint::RunFolder;
use std::path::{Path, PathBuf};

/// `model.ptycho` of a run folder; any other path as given.
pub(super) fn model_file(path: &Path) -> PathBuf {
    if path.is_dir() { RunFolder::at(path).model() } else { path.to_path_buf() }
}

/// File name without extension; empty if the path has none.
pub(super) fn file_stem(path: &Path) -> String {
    path.file_stem().map_or_else(String::new, |stem| stem.to_string_lossy().into_owned())
}
