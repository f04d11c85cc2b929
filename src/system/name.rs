//! Names of files as a person is shown them.

use std::path::Path;

/// The last part of a path; empty if it has none.
pub fn file_name(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}
