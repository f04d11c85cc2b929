//! Files of a watched folder: detection of complete and of already processed ones, and the list of results.
//!
//! Hazard: a file that is still being written looks damaged. Remedy: a file is read once its size and modification time have
//! been unchanged for a while; one that cannot be opened then gets more time. If it still fails, it is reported and ignored
//! until it changes again.

use crate::checkpoint::{self, RunFolder};
use crate::data;
use crate::error::{Error, Result};
use crate::system::file_stem;
use crate::worker::message::WatchMethod;
use crate::worker::summary::JobOutcome;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

/// Multiple of the settling time after which a file that cannot be opened is reported.
const RETRY_FACTOR: u32 = 4;
/// Name of the list of results in the output folder.
pub(super) const LIST: &str = "watch.csv";

/// A file of the folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Arrived {
    pub path: PathBuf,
    /// Name of its run folder.
    pub name: String,
}

/// Result of a scan of the folder.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct FolderScan {
    /// Files to reconstruct, sorted by name; each version of a file is listed once.
    pub ready: Vec<Arrived>,
    /// Files that may still be being written, sorted by name.
    pub waiting: Vec<Arrived>,
}

/// The files of a folder with their history.
pub(super) struct Incoming {
    folder: PathBuf,
    settle: Duration,
    files: BTreeMap<PathBuf, Known>,
}

/// Latest known state of a file.
struct Known {
    size: u64,
    changed: Option<SystemTime>,
    /// Time since which size and modification time are unchanged.
    since: Instant,
    /// True if this version was listed as ready.
    listed: bool,
    /// Name of its run folder.
    name: String,
}

impl Incoming {
    pub(super) fn new(folder: &Path, settle: Duration) -> Self {
        Self { folder: folder.to_path_buf(), settle, files: BTreeMap::new() }
    }

    /// Scans the folder once.
    ///
    /// # Errors
    /// The folder cannot be read.
    pub(super) fn scan(&mut self) -> Result<FolderScan> {
        let entries = std::fs::read_dir(&self.folder).map_err(|error| Error::reading(&self.folder, &error))?;
        let mut paths: Vec<PathBuf> =
            entries.flatten().map(|entry| entry.path()).filter(|path| is_dataset_file(path)).collect();
        paths.sort();
        self.files.retain(|path, _| paths.contains(path));
        let mut scan = FolderScan::default();
        for path in paths {
            // A file that has just been deleted is no error.
            let Ok(metadata) = std::fs::metadata(&path) else { continue };
            let (size, changed) = (metadata.len(), metadata.modified().ok());
            let new_name = self.name_for(&path);
            let known = self.files.entry(path.clone()).or_insert_with(|| Known {
                size,
                changed,
                since: Instant::now(),
                listed: false,
                name: new_name,
            });
            if (known.size, known.changed) != (size, changed) {
                (known.size, known.changed, known.since, known.listed) = (size, changed, Instant::now(), false);
            }
            if known.listed {
                continue;
            }
            let age = changed.and_then(|changed| changed.elapsed().ok()).unwrap_or_default();
            let quiet_for = known.since.elapsed().max(age);
            let complete = quiet_for >= self.settle && data::list(&path).is_ok();
            // A damaged file gets its extra time from when it was first seen, however old it is.
            if complete || known.since.elapsed() >= self.settle * RETRY_FACTOR {
                known.listed = true;
                scan.ready.push(Arrived { path, name: known.name.clone() });
            } else {
                scan.waiting.push(Arrived { path, name: known.name.clone() });
            }
        }
        Ok(scan)
    }

    /// Stem of the file name, with the extension if another file has the same stem.
    fn name_for(&self, path: &Path) -> String {
        let stem = file_stem(path);
        let taken = |name: &str| self.files.iter().any(|(other, known)| other != path && known.name == name);
        if !taken(&stem) {
            return stem;
        }
        let extension = path.extension().map(|extension| extension.to_string_lossy().into_owned());
        format!("{stem}-{}", extension.unwrap_or_default())
    }
}

/// True for a file that is not hidden and has the extension of a dataset.
fn is_dataset_file(path: &Path) -> bool {
    let hidden = path.file_name().is_none_or(|name| name.to_string_lossy().starts_with('.'));
    !hidden && data::is_dataset_name(path) && path.is_file()
}

/// True if the run folder contains a completed result of the current version of this file with this bundle or configuration.
pub(super) fn already_done(path: &Path, folder: &Path, method: &WatchMethod) -> bool {
    let names = RunFolder::at(folder);
    let summary = names.summary();
    let changed = |path: &Path| std::fs::metadata(path).and_then(|data| data.modified()).ok();
    let (Some(file), Some(result)) = (changed(path), changed(&summary)) else { return false };
    let read = std::fs::read(&summary).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok());
    let Some(summary): Option<Value> = read else { return false };
    let is = |pointer: &str, expected: &Path| {
        summary.pointer(pointer).and_then(Value::as_str).is_some_and(|found| Path::new(found) == expected)
    };
    let same_method = match method {
        WatchMethod::Model { model, .. } => {
            changed(model).is_some_and(|bundle| result >= bundle) && is("/model", model)
        }
        WatchMethod::Direct(config) => {
            let written = std::fs::read_to_string(names.config()).ok();
            written.is_some_and(|text| config.to_toml().is_ok_and(|own| own == text))
        }
    };
    result >= file
        && same_method
        && is("/dataset/path", path)
        && JobOutcome::of_summary(&summary) == Some(JobOutcome::Completed)
}

/// Appends a row to the list of results; file name and message are quoted.
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
mod tests {
    use super::*;

    fn star() -> Vec<u8> {
        std::fs::read(ptychoscope_base::testing::fixture("siemens_star_n64.npz")).unwrap()
    }

    /// Scans until no file is waiting; returns the names in the order in which they were listed.
    fn until_quiet(incoming: &mut Incoming) -> Vec<String> {
        let mut listed = Vec::new();
        loop {
            let scan = incoming.scan().unwrap();
            listed.extend(scan.ready.iter().map(|file| file.name.clone()));
            if scan.waiting.is_empty() && scan.ready.is_empty() {
                return listed;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    #[test]
    fn each_version_of_a_file_is_listed_once_when_complete() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.npz");
        let bytes = star();
        let mut incoming = Incoming::new(folder.path(), Duration::from_millis(150));
        assert_eq!(incoming.scan().unwrap(), FolderScan::default());
        // In two halves, with a pause longer than the settling time.
        std::fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
        let began = Instant::now();
        while began.elapsed() < Duration::from_millis(300) {
            let scan = incoming.scan().unwrap();
            assert!(scan.ready.is_empty() && scan.waiting.len() == 1, "{scan:?}");
            std::thread::sleep(Duration::from_millis(20));
        }
        std::fs::write(&path, &bytes).unwrap();
        assert_eq!(until_quiet(&mut incoming), ["a"]);
        assert_eq!(incoming.scan().unwrap(), FolderScan::default(), "listed once");
        std::fs::write(&path, &bytes[..bytes.len() / 3]).unwrap();
        assert_eq!(
            until_quiet(&mut incoming),
            ["a"],
            "a damaged file is listed in the end, so that it can be reported"
        );
        std::fs::remove_file(&path).unwrap();
        assert_eq!(incoming.scan().unwrap(), FolderScan::default());
    }

    #[test]
    fn other_files_are_ignored_and_equal_stems_get_different_folders() {
        let folder = tempfile::tempdir().unwrap();
        for name in [".a.npz", "a.txt", "a.npz.part", "a.png"] {
            std::fs::write(folder.path().join(name), "x").unwrap();
        }
        std::fs::create_dir(folder.path().join("folder.npz")).unwrap();
        let mut incoming = Incoming::new(folder.path(), Duration::from_millis(1));
        assert_eq!(incoming.scan().unwrap(), FolderScan::default());
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
