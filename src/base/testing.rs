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

/// Reads random mutations of the corpus of each target, for `seconds` in all; bytes that make it panic are kept in `findings`.
pub fn mutate(targets: &[Target], seconds: u64) {
    let root = repository().join("tests/fuzz");
    let mut state = 0x9e37_79b9_7f4a_7c15u64;
    let mut next = move |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state % below.max(1) as u64) as usize
    };
    for (name, read) in targets {
        let folder = std::fs::read_dir(root.join("corpus").join(name)).unwrap();
        let seeds: Vec<Vec<u8>> = folder.map(|entry| std::fs::read(entry.unwrap().path()).unwrap()).collect();
        let end = Instant::now() + Duration::from_secs(seconds / targets.len() as u64);
        let (mut count, mut slowest) = (0u64, Duration::ZERO);
        while Instant::now() < end {
            let mut bytes = seeds[next(seeds.len())].clone();
            for _ in 0..=next(6) {
                let at = next(bytes.len());
                match next(6) {
                    _ if bytes.is_empty() => bytes.push(next(256) as u8),
                    0 => bytes.truncate(at),
                    1 => bytes[at] = next(256) as u8,
                    2 => bytes[at] ^= 1 << next(8),
                    3 => bytes[at] = [0, 0xff, 0x7f, 0x80, b',', b';', b'-', b' '][next(8)],
                    4 => bytes.insert(at, next(256) as u8),
                    _ => {
                        let piece = bytes[at..(at + next(16)).min(bytes.len())].to_vec();
                        let to = next(bytes.len());
                        bytes.splice(to..to, piece);
                    }
                }
            }
            // Kept in case the process is aborted.
            std::fs::write(std::env::temp_dir().join("ptychoscope-mutation"), &bytes).unwrap();
            let started = Instant::now();
            let outcome = std::panic::catch_unwind(|| read(&bytes));
            slowest = slowest.max(started.elapsed());
            if outcome.is_err() {
                let findings = root.join("findings").join(name);
                std::fs::create_dir_all(&findings).unwrap();
                std::fs::write(findings.join(format!("panic-{count}")), &bytes).unwrap();
            }
            assert!(outcome.is_ok(), "{name}: mutation {count} panics");
            count += 1;
        }
        println!("{name}: {count} mutations of {} files, slowest {slowest:?}", seeds.len());
    }
}
