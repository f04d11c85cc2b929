//! The campaigns of `tests/fuzz`, and what they have kept.
#![allow(clippy::unwrap_used, clippy::expect_used)]

/// A reader by the name of its corpus.
pub type Target = (&'static str, fn(&[u8]));

/// Reads every kept file with the reader of its folder.
#[cfg(test)]
pub fn replay(targets: &[Target]) {
    use std::path::Path;
    use std::time::{Duration, Instant};
    // On a machine busy with other tests.
    const LONGEST: Duration = Duration::from_secs(20);
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz");
    for (name, read) in targets {
        let mut files = Vec::new();
        for kept in ["corpus", "findings"] {
            let Ok(folder) = std::fs::read_dir(root.join(kept).join(name)) else { continue };
            files.extend(folder.map(|entry| entry.unwrap().path()));
        }
        assert!(!files.is_empty(), "nothing is kept for {name}");
        files.sort();
        for path in &files {
            let bytes = std::fs::read(path).unwrap();
            let began = Instant::now();
            read(&bytes);
            assert!(began.elapsed() < LONGEST, "{} took {:?}", path.display(), began.elapsed());
        }
        println!("{name}: {} files", files.len());
    }
}
