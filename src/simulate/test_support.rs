//! What the tests of this room share.

use std::path::PathBuf;

/// The folder with golden values and data, if it is here.
pub(super) fn shared() -> Option<PathBuf> {
    let path = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../shared"));
    if path.is_dir() {
        return Some(path);
    }
    assert!(std::env::var_os("PTYCHOSCOPE_REQUIRE_SHARED").is_none(), "{} is missing", path.display());
    println!("skipped: ../shared is not here");
    None
}
