//! Files that are written atomically, with errors for people; see [`crate::system`].

use std::io::{Seek, SeekFrom, Write};
use std::path::Path;

use crate::error::{Error, Result};
use crate::system::Temporary;

/// A file being written; it appears at its path only after [`AtomicFile::commit`].
#[derive(Debug)]
pub struct AtomicFile(Temporary);

impl AtomicFile {
    /// Starts a file at `path`; its folder must exist.
    ///
    /// # Errors
    /// [`Error::Failed`] if the folder is missing or not writable, or the path is a folder.
    pub fn create(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        Temporary::create(path).map(Self).map_err(|error| Error::writing(path, &error))
    }

    /// Path of the file.
    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// Moves the file to its path, durably, replacing an older one.
    ///
    /// # Errors
    /// [`Error::Failed`]; an older file is then untouched.
    pub fn commit(mut self) -> Result<()> {
        let path = self.path().to_path_buf();
        self.0.flush().and_then(|()| self.0.commit()).map_err(|error| Error::writing(&path, &error))
    }
}

impl Write for AtomicFile {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.write(bytes)
    }
    fn flush(&mut self) -> std::io::Result<()> {
        self.0.flush()
    }
}

impl Seek for AtomicFile {
    fn seek(&mut self, position: SeekFrom) -> std::io::Result<u64> {
        self.0.seek(position)
    }
}

/// Writes a file atomically and durably; its folder must exist.
///
/// # Errors
/// [`Error::Failed`]; the old file, if any, is then untouched.
pub fn write_atomic(path: impl AsRef<Path>, bytes: &[u8]) -> Result<()> {
    let path = path.as_ref();
    let mut file = AtomicFile::create(path)?;
    file.write_all(bytes).map_err(|error| Error::writing(path, &error))?;
    file.commit()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<String> =
            std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn a_file_appears_only_when_it_is_complete_and_replaces_the_old_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.bin");
        write_atomic(&path, b"old").unwrap();
        let mut file = AtomicFile::create(&path).unwrap();
        file.write_all(b"new and longer").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"old");
        file.commit().unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"new and longer");
        assert_eq!(names(folder.path()), ["a.bin"]);
    }

    #[test]
    fn an_abandoned_file_leaves_nothing_behind() {
        let folder = tempfile::tempdir().unwrap();
        let mut file = AtomicFile::create(folder.path().join("b.bin")).unwrap();
        file.write_all(b"half").unwrap();
        assert_eq!(names(folder.path()).len(), 1);
        drop(file);
        assert!(names(folder.path()).is_empty());
    }

    #[test]
    fn a_missing_folder_or_a_folder_at_the_path_is_an_error_that_names_the_path() {
        let folder = tempfile::tempdir().unwrap();
        let missing = folder.path().join("no/such/c.bin");
        assert!(write_atomic(&missing, b"x").unwrap_err().to_string().contains("c.bin"));
        assert!(write_atomic(folder.path(), b"x").is_err());
    }

    #[cfg(unix)]
    #[test]
    fn written_files_can_be_read_by_others_as_the_umask_allows() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let mode = |name: &str| folder.path().join(name).metadata().unwrap().permissions().mode() & 0o777;
        write_atomic(folder.path().join("atomic"), b"x").unwrap();
        std::fs::write(folder.path().join("plain"), b"x").unwrap();
        assert_eq!(mode("atomic"), mode("plain"));
    }
}
