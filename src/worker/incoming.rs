//! The files of a watched folder: which are complete, which have been done before, and the list of what became of them.
//!
//! Hazard: a file that is still being written looks like a damaged one. Remedy: a file is read when its size and time of
//! change have stayed the same for a while, and one that cannot be opened then is given some more time; what still fails is
//! reported and left alone until it changes again.

use crate::checkpoint;
use crate::data;
use crate::error::{Error, Result};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

/// Endings of the names of datasets.
const ENDINGS: [&str; 8] = ["npz", "h5", "hdf5", "hdf", "cxi", "nxs", "mat", "ptyd"];
/// How many times the usual wait a file gets that cannot be opened.
const PATIENCE: u32 = 4;
/// The list of what was done, in the output folder.
pub(super) const LIST: &str = "watch.csv";

/// A file that is complete, as far as one can see, and the name of its run folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Arrived {
    pub path: PathBuf,
    pub name: String,
}

/// What a look at the folder showed.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Look {
    /// Files to reconstruct, in the order of their names; each version of a file is told once.
    pub ready: Vec<Arrived>,
    /// Files that may still be written, in the order of their names.
    pub waiting: Vec<Arrived>,
}

/// The files of a folder, and since when each has been as it is.
pub(super) struct Incoming {
    folder: PathBuf,
    settle: Duration,
    files: BTreeMap<PathBuf, Known>,
}

/// A file as it was seen last.
struct Known {
    size: u64,
    changed: Option<SystemTime>,
    since: Instant,
    told: bool,
    /// Name of its run folder.
    name: String,
}

impl Incoming {
    pub(super) fn new(folder: &Path, settle: Duration) -> Self {
        Self { folder: folder.to_path_buf(), settle, files: BTreeMap::new() }
    }

    /// Looks once.
    ///
    /// # Errors
    /// The folder cannot be read.
    pub(super) fn look(&mut self) -> Result<Look> {
        let entries = std::fs::read_dir(&self.folder).map_err(|error| Error::reading(&self.folder, &error))?;
        let mut paths: Vec<PathBuf> =
            entries.flatten().map(|entry| entry.path()).filter(|path| is_wanted(path)).collect();
        paths.sort();
        self.files.retain(|path, _| paths.contains(path));
        let mut look = Look::default();
        for path in paths {
            // A file that went away between the two looks is no error.
            let Ok(facts) = std::fs::metadata(&path) else { continue };
            let (size, changed) = (facts.len(), facts.modified().ok());
            let new_name = self.name_for(&path);
            let known = self.files.entry(path.clone()).or_insert_with(|| Known {
                size,
                changed,
                since: Instant::now(),
                told: false,
                name: new_name,
            });
            if (known.size, known.changed) != (size, changed) {
                (known.size, known.changed, known.since, known.told) = (size, changed, Instant::now(), false);
            }
            if known.told {
                continue;
            }
            let by_its_time = changed.and_then(|changed| changed.elapsed().ok()).unwrap_or_default();
            let quiet_for = known.since.elapsed().max(by_its_time);
            let complete = quiet_for >= self.settle && data::list(&path).is_ok();
            // Time that passed before it was first seen does not make a damaged file more likely to be whole.
            if complete || known.since.elapsed() >= self.settle * PATIENCE {
                known.told = true;
                look.ready.push(Arrived { path, name: known.name.clone() });
            } else {
                look.waiting.push(Arrived { path, name: known.name.clone() });
            }
        }
        Ok(look)
    }

    /// The stem of the file, with its ending where another file has the same stem.
    fn name_for(&self, path: &Path) -> String {
        let part =
            |part: Option<&std::ffi::OsStr>| part.map_or_else(String::new, |part| part.to_string_lossy().into_owned());
        let stem = part(path.file_stem());
        let taken = |name: &str| self.files.iter().any(|(other, known)| other != path && known.name == name);
        if taken(&stem) { format!("{stem}-{}", part(path.extension())) } else { stem }
    }
}

/// Whether this is a file, not hidden, with a name that a dataset may have.
fn is_wanted(path: &Path) -> bool {
    let hidden = path.file_name().is_none_or(|name| name.to_string_lossy().starts_with('.'));
    let ending = path.extension().map(|ending| ending.to_string_lossy().to_lowercase());
    !hidden && ending.is_some_and(|ending| ENDINGS.contains(&ending.as_str())) && path.is_file()
}

/// Whether the folder holds the complete result of this file, as it is now, with this bundle.
pub(super) fn already_done(path: &Path, folder: &Path, model: &Path) -> bool {
    let summary = folder.join("summary.json");
    let changed = |path: &Path| std::fs::metadata(path).and_then(|data| data.modified()).ok();
    let (Some(file), Some(bundle), Some(result)) = (changed(path), changed(model), changed(&summary)) else {
        return false;
    };
    let told: Option<Value> = std::fs::read(&summary).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok());
    let is = |pointer: &str, expected: &Path| {
        told.as_ref().and_then(|told| told.pointer(pointer)?.as_str()).is_some_and(|found| Path::new(found) == expected)
    };
    result >= file
        && result >= bundle
        && is("/dataset/path", path)
        && is("/model", model)
        && is("/outcome", "completed".as_ref())
}

/// Adds a row to the list; quotes stand around what is not a number.
///
/// # Errors
/// The list cannot be written.
pub(super) fn add_to_list(list: &Path, row: &[String; 7]) -> Result<()> {
    let head = "file,outcome,patterns,infer_seconds,ms_per_pattern,consistency_r,message\n";
    let mut text = std::fs::read_to_string(list).unwrap_or_else(|_| head.to_owned());
    let cell = |(column, value): (usize, &String)| match column {
        0 | 6 => format!("\"{}\"", value.replace('"', "\"\"")),
        _ => value.clone(),
    };
    text.push_str(&row.iter().enumerate().map(cell).collect::<Vec<_>>().join(","));
    text.push('\n');
    checkpoint::write_atomic(list, text.as_bytes())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;

    fn star() -> Vec<u8> {
        std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/siemens_star_n64.npz")).unwrap()
    }

    /// Looks until there is nothing to wait for; gives back the names in the order in which they were told.
    fn until_quiet(incoming: &mut Incoming) -> Vec<String> {
        let mut told = Vec::new();
        loop {
            let look = incoming.look().unwrap();
            told.extend(look.ready.iter().map(|file| file.name.clone()));
            if look.waiting.is_empty() && look.ready.is_empty() {
                return told;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    #[test]
    fn a_file_is_told_once_for_each_version_when_it_is_complete() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.npz");
        let bytes = star();
        let mut incoming = Incoming::new(folder.path(), Duration::from_millis(150));
        assert_eq!(incoming.look().unwrap(), Look::default());
        // In two halves, with a rest between them that is longer than the usual wait.
        std::fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
        let began = Instant::now();
        while began.elapsed() < Duration::from_millis(300) {
            let look = incoming.look().unwrap();
            assert!(look.ready.is_empty() && look.waiting.len() == 1, "{look:?}");
            std::thread::sleep(Duration::from_millis(20));
        }
        std::fs::write(&path, &bytes).unwrap();
        assert_eq!(until_quiet(&mut incoming), ["a"]);
        assert_eq!(incoming.look().unwrap(), Look::default(), "told once");
        std::fs::write(&path, &bytes[..bytes.len() / 3]).unwrap();
        assert_eq!(until_quiet(&mut incoming), ["a"], "a damaged file is told in the end, so that it can be reported");
        std::fs::remove_file(&path).unwrap();
        assert_eq!(incoming.look().unwrap(), Look::default());
    }

    #[test]
    fn other_files_are_left_alone_and_equal_stems_get_different_folders() {
        let folder = tempfile::tempdir().unwrap();
        for name in [".a.npz", "a.txt", "a.npz.part", "a.png"] {
            std::fs::write(folder.path().join(name), "x").unwrap();
        }
        std::fs::create_dir(folder.path().join("folder.npz")).unwrap();
        let mut incoming = Incoming::new(folder.path(), Duration::from_millis(1));
        assert_eq!(incoming.look().unwrap(), Look::default());
        for name in ["b.npz", "b.h5", "B.NPZ"] {
            std::fs::write(folder.path().join(name), "x").unwrap();
        }
        assert_eq!(until_quiet(&mut incoming), ["B", "b", "b-npz"]);
    }

    #[test]
    fn rows_of_the_list_can_be_read_back() {
        let folder = tempfile::tempdir().unwrap();
        let list = folder.path().join(LIST);
        let row = ["a.npz", "bad", "", "", "", "", "no \"probe\", no data"].map(str::to_owned);
        add_to_list(&list, &row).unwrap();
        add_to_list(&list, &row).unwrap();
        let text = std::fs::read_to_string(&list).unwrap();
        assert_eq!(text.lines().count(), 3);
        assert_eq!(text.lines().last(), Some(r#""a.npz",bad,,,,,"no ""probe"", no data""#));
    }
}
