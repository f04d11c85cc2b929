//! What several test programs need.
#![allow(dead_code, missing_docs, clippy::unwrap_used, clippy::expect_used)]

use ptychoscope::data::NpzArchive;
use std::path::PathBuf;

/// A file of the shared folder beside the repository; none, with a message, where the folder is absent.
///
/// # Panics
/// When it is absent although `PTYCHOSCOPE_REQUIRE_SHARED` is set.
pub fn shared(name: &str) -> Option<PathBuf> {
    let path = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../shared")).join(name);
    if path.exists() {
        return Some(path);
    }
    assert!(std::env::var_os("PTYCHOSCOPE_REQUIRE_SHARED").is_none(), "{} is missing", path.display());
    println!("skipped: ../shared/{name} is not here");
    None
}

/// A file of values computed by the original.
pub fn golden(name: &str) -> Option<NpzArchive> {
    shared(&format!("golden/{name}")).map(|path| NpzArchive::open(path).unwrap())
}

/// A file of the repository's fixtures.
pub fn fixture(name: &str) -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures")).join(name)
}
