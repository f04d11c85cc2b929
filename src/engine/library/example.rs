//! The example dataset shipped with the program: a measured Siemens star.

use crate::checkpoint::write_atomic;
use crate::error::{Error, Result};
use std::path::PathBuf;

/// Name of the program's folder in the user's data folder.
const PROGRAM: &str = "ptychoscope";
const BYTES: &[u8] = include_bytes!("../../../fixtures/siemens_star_n64.npz");
const NOTICE: &[u8] = include_bytes!("../../../fixtures/siemens_star_n64.LICENSE");

/// Writes the example and its license notice into the user's data folder unless present; returns its path.
///
/// # Errors
/// The file cannot be written.
pub(super) fn unpack() -> Result<PathBuf> {
    let folder = directories::ProjectDirs::from("", "", PROGRAM)
        .map_or_else(|| std::env::temp_dir().join(PROGRAM), |dirs| dirs.data_dir().join("example"));
    std::fs::create_dir_all(&folder).map_err(|error| Error::writing(&folder, &error))?;
    let path = folder.join("siemens_star_n64.npz");
    if std::fs::metadata(&path).map(|data| data.len()).ok() != Some(BYTES.len() as u64) {
        write_atomic(folder.join("siemens_star_n64.LICENSE"), NOTICE)?;
        write_atomic(&path, BYTES)?;
    }
    Ok(path)
}
