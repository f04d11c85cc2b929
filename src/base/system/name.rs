//! Names of files for display.

use std::path::Path;

/// Last component of a path; empty if there is none.
pub fn file_name(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

/// Last component of a path without its extension; empty if there is none.
pub fn file_stem(path: &Path) -> String {
    path.file_stem().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}
