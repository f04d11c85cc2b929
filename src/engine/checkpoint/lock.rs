//! `run.lock`: lock on a run folder.
//!
//! Hazard: two programs in one folder overwrite each other's files. Remedy: the folder belongs to the program that holds a
//! lock of the operating system on this file; the file contains its owner. The system releases the lock when a program
//! ends, however it ends, so that no folder stays locked.

use super::utc::Utc;
use crate::error::{Error, Problem, Result};
use crate::system::{Process, host_name};
use serde::{Deserialize, Serialize};
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Attempts to lock, and the pause in between: checking for an owner takes the lock for a moment as well.
const ATTEMPTS: usize = 10;
const WAIT: Duration = Duration::from_millis(30);

/// Name of the lock file.
const NAME: &str = "run.lock";

/// A program that uses, or used, a run folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Owner {
    /// Process of the program.
    pub program: Process,
    /// Name of its computer.
    pub host: String,
    /// Time at which it locked the folder, UTC, ISO 8601.
    pub since: String,
}

impl Owner {
    fn this() -> Self {
        Self { program: Process::current(), host: host_name(), since: Utc::now().to_string() }
    }
}

/// `process 1234 on beamline-7, since 2026-01-31T23:59:59Z`.
impl std::fmt::Display for Owner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "process {} on {}, since {}", self.program.pid, self.host, self.since)
    }
}

/// Lock of this program on a run folder, until dropped.
#[derive(Debug)]
pub struct RunLock {
    /// File with the lock of the system.
    _file: File,
    path: PathBuf,
}

impl RunLock {
    /// Locks a folder; also returns the previous owner if that program ended without releasing it.
    ///
    /// # Errors
    /// [`Error::BadInput`] that names the owner if another program uses it, [`Error::Failed`] if the folder is not
    /// writable.
    pub fn take(folder: &Path) -> Result<(Self, Option<Owner>)> {
        let path = folder.join(NAME);
        let failed = |error: std::io::Error| Error::writing(&path, &error);
        let mut owner = None;
        for attempt in 0..ATTEMPTS {
            if attempt > 0 {
                std::thread::sleep(WAIT);
            }
            let options = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path);
            let mut file = options.map_err(failed)?;
            let free = match file.try_lock() {
                Ok(()) => true,
                Err(TryLockError::WouldBlock) => false,
                // A file system without locks: the contents of the file decide.
                Err(TryLockError::Error(_)) => !owner_of(&mut file).is_some_and(|owner| lives(&owner)),
            };
            if !free {
                owner = owner_of(&mut file);
            } else if is_at(&file, &path) {
                let before = owner_of(&mut file);
                let text = serde_json::to_vec(&Owner::this())
                    .map_err(|error| Error::failed(format!("Cannot write the owner as JSON ({error})")))?;
                file.set_len(0).and_then(|()| file.rewind()).map_err(failed)?;
                file.write_all(&text).map_err(failed)?;
                return Ok((Self { _file: file, path }, before));
            }
        }
        let owner = owner.map_or_else(String::new, |owner| format!(" ({owner})"));
        Err(Problem::new(format!("Another program uses this run folder{owner}"))
            .hint("Wait until it has ended, or choose another folder with --output-dir")
            .at(folder)
            .into())
    }

    /// Running program that uses a folder, if any.
    pub fn holder(folder: &Path) -> Option<Owner> {
        let mut file = File::open(folder.join(NAME)).ok()?;
        match file.try_lock_shared() {
            Ok(()) => None,
            // The file is empty between locking and writing.
            Err(TryLockError::WouldBlock) => Some(owner_of(&mut file).unwrap_or_else(|| Owner {
                program: Process { pid: 0, started: 0 },
                host: "unknown".to_owned(),
                since: String::new(),
            })),
            Err(TryLockError::Error(_)) => owner_of(&mut file).filter(lives),
        }
    }
}

impl Drop for RunLock {
    fn drop(&mut self) {
        // While it is still locked: a waiting program then finds that the file was removed.
        let _gone = std::fs::remove_file(&self.path);
    }
}

/// Owner in the file, if any.
fn owner_of(file: &mut File) -> Option<Owner> {
    let mut text = String::new();
    file.seek(SeekFrom::Start(0)).and_then(|_| file.read_to_string(&mut text)).ok()?;
    serde_json::from_str(&text).ok()
}

/// True if a program may be running; one on another computer always may.
fn lives(owner: &Owner) -> bool {
    owner.host != host_name() || owner.program.is_running() != Some(false)
}

/// True if an open file is the one at a path; its owner may have removed it in between.
#[cfg(unix)]
fn is_at(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    match (file.metadata(), std::fs::metadata(path)) {
        (Ok(open), Ok(there)) => (open.dev(), open.ino()) == (there.dev(), there.ino()),
        _ => false,
    }
}

#[cfg(not(unix))]
fn is_at(_: &File, path: &Path) -> bool {
    path.exists()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_has_one_owner_who_is_named_until_it_is_released() {
        let folder = tempfile::tempdir().unwrap();
        let (lock, before) = RunLock::take(folder.path()).unwrap();
        assert_eq!(before, None);
        assert_eq!(RunLock::holder(folder.path()).unwrap().program, Process::current());
        let error = RunLock::take(folder.path()).unwrap_err();
        let text = error.to_string();
        assert!(text.contains(&format!("process {} on ", std::process::id())), "{text}");
        assert_eq!(error.exit_code(), 2);
        drop(lock);
        assert_eq!(RunLock::holder(folder.path()), None);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
        RunLock::take(folder.path()).unwrap();
    }

    #[test]
    fn the_lock_of_a_killed_program_is_taken_over() {
        let folder = tempfile::tempdir().unwrap();
        let dead = Owner { program: Process { pid: 1, started: 1 }, host: "here".into(), since: "then".into() };
        std::fs::write(folder.path().join(NAME), serde_json::to_vec(&dead).unwrap()).unwrap();
        assert_eq!(RunLock::holder(folder.path()), None);
        let (_lock, before) = RunLock::take(folder.path()).unwrap();
        assert_eq!(before, Some(dead));
    }

    #[test]
    fn only_one_of_many_programs_at_a_time_locks_a_folder() {
        use std::sync::atomic::{AtomicUsize, Ordering};
        let folder = tempfile::tempdir().unwrap();
        let (inside, taken) = (AtomicUsize::new(0), AtomicUsize::new(0));
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..50 {
                        if let Ok((_lock, _)) = RunLock::take(folder.path()) {
                            assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0);
                            taken.fetch_add(1, Ordering::SeqCst);
                            std::thread::sleep(Duration::from_micros(200));
                            inside.fetch_sub(1, Ordering::SeqCst);
                        }
                    }
                });
            }
        });
        assert!(taken.load(Ordering::SeqCst) > 50, "{taken:?}");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_missing_folder_has_no_owner() {
        let nowhere = Path::new("/no/such/folder");
        assert_eq!(RunLock::holder(nowhere), None);
        assert_eq!(RunLock::take(nowhere).unwrap_err().exit_code(), 1);
    }
}
