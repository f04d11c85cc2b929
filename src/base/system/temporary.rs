//! Atomic writing of files.
//!
//! The bytes go to a temporary file beside the target, which is synced and renamed over it; then the folder is synced.
//! Symbolic links are followed. Devices and pipes, and `-` for standard output, are written through in one go at the end.
//! A crash, a full disk or a canceled run leaves the old file, and dropping an unfinished file removes it. Hazard: a killed
//! process leaves its temporary file behind. Remedy: the name identifies the process, so that the file can be removed.

use super::Process;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tempfile::NamedTempFile;

/// Suffix of the names of temporary files.
const SUFFIX: &str = ".part";
/// Age at which a leftover is removed if the system does not report running processes.
const OLD: Duration = Duration::from_secs(3600);

/// A file being written, which appears at its path with [`Temporary::commit`].
#[derive(Debug)]
pub struct Temporary {
    file: NamedTempFile,
    path: PathBuf,
    target: Target,
}

/// What the finished bytes go to.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Target {
    /// A regular file, replaced by renaming.
    File(PathBuf),
    /// A device or pipe, written through.
    Device,
    /// Standard output.
    Output,
}

impl Target {
    fn of(path: &Path) -> Self {
        if path == Path::new("-") {
            return Self::Output;
        }
        // Renaming over the file behind `/dev/stdout` would cut it off from what else is printed.
        let is_special = path.starts_with("/dev") || path.starts_with("/proc");
        match path.metadata() {
            Ok(found) if is_special || !(found.is_file() || found.is_dir()) => Self::Device,
            Ok(_) => Self::File(path.canonicalize().unwrap_or_else(|_| path.to_path_buf())),
            // A link to a file that is not there yet.
            Err(_) => Self::File(path.read_link().map_or_else(|_| path.to_path_buf(), |to| folder_of(path).join(to))),
        }
    }
}

impl Temporary {
    /// Starts writing a file for `path`; its folder must exist.
    ///
    /// # Errors
    /// The folder is missing or not writable, or the path is a folder.
    pub fn create(path: impl AsRef<Path>) -> std::io::Result<Self> {
        let path = path.as_ref().to_path_buf();
        if path.is_dir() || path.file_name().is_none() {
            return Err(std::io::ErrorKind::IsADirectory.into());
        }
        let Process { pid, started } = Process::current();
        let prefix = format!(".{pid}-{started}-");
        let mut builder = tempfile::Builder::new();
        builder.prefix(&prefix).suffix(SUFFIX);
        #[cfg(unix)]
        {
            // Permissions of any new file, before the umask; temporary files are private by default.
            use std::os::unix::fs::PermissionsExt;
            builder.permissions(std::fs::Permissions::from_mode(0o666));
        }
        let target = Target::of(&path);
        let file = match &target {
            Target::File(path) => builder.tempfile_in(folder_of(path))?,
            Target::Device | Target::Output => builder.tempfile()?,
        };
        Ok(Self { file, path, target })
    }

    /// Path of the finished file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Path of the temporary file.
    pub fn temporary_path(&self) -> &Path {
        self.file.path()
    }

    /// Moves the file to its path, durably; an existing file is replaced.
    ///
    /// # Errors
    /// Those of the system; the path is unchanged then.
    pub fn commit(self) -> std::io::Result<()> {
        let path = match &self.target {
            Target::File(path) => path,
            Target::Device => {
                let mut device = std::fs::OpenOptions::new().write(true).open(&self.path)?;
                std::io::copy(&mut File::open(self.file.path())?, &mut device)?;
                return std::io::Write::flush(&mut device);
            }
            Target::Output => {
                let mut output = std::io::stdout().lock();
                std::io::copy(&mut File::open(self.file.path())?, &mut output)?;
                return std::io::Write::flush(&mut output);
            }
        };
        self.file.as_file().sync_all()?;
        self.file.persist(path).map_err(|error| error.error)?;
        // Syncing the folder makes the rename durable; not every system can do that.
        if let Ok(folder) = File::open(folder_of(path)) {
            let _ = folder.sync_all();
        }
        Ok(())
    }
}

impl std::io::Write for Temporary {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.file.write(bytes)
    }
    fn flush(&mut self) -> std::io::Result<()> {
        self.file.flush()
    }
}

impl std::io::Seek for Temporary {
    fn seek(&mut self, position: std::io::SeekFrom) -> std::io::Result<u64> {
        self.file.seek(position)
    }
}

/// Parent folder of a path; "." for a bare name.
pub fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Removes the temporary files that killed processes left in a folder; returns their number.
pub fn clear_leftovers(folder: &Path) -> usize {
    let Ok(entries) = std::fs::read_dir(folder) else { return 0 };
    let is_leftover = |path: &Path| {
        let Some(owner) = path.file_name().and_then(|name| owner(&name.to_string_lossy())) else { return false };
        let is_old = || {
            let modified = std::fs::metadata(path).and_then(|data| data.modified()).ok();
            modified.and_then(|at| at.elapsed().ok()).is_some_and(|age| age > OLD)
        };
        owner.is_running().map_or_else(is_old, |running| !running)
    };
    entries
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| is_leftover(path) && std::fs::remove_file(path).is_ok())
        .count()
}

/// Process that owns a temporary file of this name.
fn owner(name: &str) -> Option<Process> {
    let mut parts = name.strip_prefix('.')?.strip_suffix(SUFFIX)?.splitn(3, '-');
    Some(Process { pid: parts.next()?.parse().ok()?, started: parts.next()?.parse().ok()? })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    #[cfg(unix)]
    fn links_are_followed_and_pipes_are_written_through() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let write = |name: &str, bytes: &[u8]| {
            let mut file = Temporary::create(path(name)).unwrap();
            file.write_all(bytes).unwrap();
            file.commit().unwrap();
        };
        std::fs::create_dir(path("far")).unwrap();
        std::os::unix::fs::symlink("far/x", path("link")).unwrap();
        write("link", b"new");
        write("link", b"again");
        assert!(path("link").is_symlink());
        assert_eq!(std::fs::read(path("far/x")).unwrap(), b"again");
        assert!(std::process::Command::new("mkfifo").arg(path("pipe")).status().unwrap().success());
        let pipe = path("pipe");
        let reader = std::thread::spawn(move || std::fs::read(pipe).unwrap());
        write("pipe", b"through");
        assert_eq!(reader.join().unwrap(), b"through");
        let mut null = Temporary::create("/dev/null").unwrap();
        null.write_all(b"gone").unwrap();
        null.commit().unwrap();
        assert!(!std::fs::metadata("/dev/null").unwrap().is_file());
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn leftovers_of_dead_processes_are_removed_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let mut mine = Temporary::create(folder.path().join("a")).unwrap();
        mine.write_all(b"half").unwrap();
        let this = Process::current();
        let dead = format!(".{}-{}-x1Y2z3.part", this.pid, this.started + 1);
        let others = [".hidden", ".12-notes.txt", "a.part", ".x-1-abc.part"];
        for name in others.iter().copied().chain([dead.as_str()]) {
            std::fs::write(folder.path().join(name), "x").unwrap();
        }
        assert_eq!(clear_leftovers(folder.path()), 1);
        assert!(!folder.path().join(&dead).exists());
        assert!(others.iter().all(|name| folder.path().join(name).exists()));
        mine.commit().unwrap();
        assert_eq!(std::fs::read(folder.path().join("a")).unwrap(), b"half");
    }
}
