//! Test support shared by all members: fixtures, the shared folder, the fuzzing corpus.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Root folder of the repository.
pub fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Path of a committed fixture.
pub fn fixture(name: &str) -> PathBuf {
    repository().join("fixtures").join(name)
}

/// Path of a committed file of golden values, computed by PtychoPINN (`fixtures/golden/README.md`).
pub fn golden(name: &str) -> PathBuf {
    fixture("golden").join(name)
}

/// Folder with large golden values and data beside the repository; `None`, with a message, if it is absent.
///
/// # Panics
/// If it is absent although `PTYCHOSCOPE_REQUIRE_SHARED` is set.
pub fn shared() -> Option<PathBuf> {
    let path = repository().join("../shared");
    if path.is_dir() {
        return Some(path);
    }
    assert!(std::env::var_os("PTYCHOSCOPE_REQUIRE_SHARED").is_none(), "{} is missing", path.display());
    println!("skipped: ../shared is not here");
    None
}

/// Name of a corpus folder and the reader that it exercises.
pub type Target = (&'static str, fn(&[u8]));

/// Reads every file of the fuzzing corpus with the reader of its folder.
pub fn replay(targets: &[Target]) {
    // Generous: the machine may be busy with other tests.
    const TIME_LIMIT: Duration = Duration::from_secs(20);
    let root = repository().join("tests/fuzz");
    for (name, read) in targets {
        let mut files = Vec::new();
        for kept in ["corpus", "findings"] {
            let Ok(folder) = std::fs::read_dir(root.join(kept).join(name)) else { continue };
            files.extend(folder.map(|entry| entry.unwrap().path()));
        }
        assert!(!files.is_empty(), "the corpus of {name} is empty");
        files.sort();
        for path in &files {
            let bytes = std::fs::read(path).unwrap();
            let started = Instant::now();
            read(&bytes);
            assert!(started.elapsed() < TIME_LIMIT, "{} took {:?}", path.display(), started.elapsed());
        }
        println!("{name}: {} files", files.len());
    }
}
