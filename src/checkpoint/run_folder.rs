//! The folder a run writes into, and the names in it.

use std::path::{Path, PathBuf};

use super::utc::Utc;
use crate::error::{Error, Problem, Result};
use crate::system::Temporary;

/// Where a run writes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Destination {
    /// Into this folder.
    Folder(PathBuf),
    /// Into a new folder `<dataset>-<UTC>` below this one.
    Below(PathBuf),
}

impl From<Option<PathBuf>> for Destination {
    /// The folder that was named; without a name a new one below `runs` in the current folder.
    fn from(folder: Option<PathBuf>) -> Self {
        folder.map_or_else(|| Self::Below("runs".into()), Self::Folder)
    }
}

/// The folder of one run.
///
/// A folder that the user names is taken as it is: files of the run's own names are replaced, each atomically, and nothing
/// else in it is touched, so that `train` and `infer` can share one folder. Without a name, a new one is made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunFolder {
    path: PathBuf,
}

impl RunFolder {
    /// The folder asked for, made if it is not there, or a new `<dataset>-<UTC>` below another.
    ///
    /// # Errors
    /// [`Error::BadInput`] if a file stands in the way, [`Error::Failed`] if the folder cannot be made or written into:
    /// known before any work is done.
    pub fn create(destination: &Destination, dataset: &Path) -> Result<Self> {
        match destination {
            Destination::Folder(path) => Self::open_or_create(path),
            Destination::Below(parent) => Self::create_new(parent, dataset, Utc::now()),
        }
    }

    /// This folder, made with its parents if it is not there.
    ///
    /// # Errors
    /// As [`RunFolder::create`].
    pub fn open_or_create(path: &Path) -> Result<Self> {
        if path.exists() && !path.is_dir() {
            return Err(Problem::new("The output folder cannot be made, a file stands there")
                .hint("Choose another folder with --output-dir")
                .at(path)
                .into());
        }
        std::fs::create_dir_all(path).map_err(|error| Error::writing(path, &error))?;
        let folder = Self { path: path.to_path_buf() };
        folder.check_writable()?;
        Ok(folder)
    }

    /// A new folder `<parent>/<stem of dataset>-<UTC>`, with `-2`, `-3`, … after it where that exists.
    ///
    /// # Errors
    /// As [`RunFolder::create`].
    pub fn create_new(parent: &Path, dataset: &Path, at: Utc) -> Result<Self> {
        std::fs::create_dir_all(parent).map_err(|error| Error::writing(parent, &error))?;
        let stem = dataset.file_stem().map_or_else(|| "run".into(), |stem| stem.to_string_lossy());
        let name = format!("{stem}-{}", at.compact());
        let mut path = parent.join(&name);
        for number in 2.. {
            match std::fs::create_dir(&path) {
                Ok(()) => break,
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
                    path = parent.join(format!("{name}-{number}"));
                }
                Err(error) => return Err(Error::writing(&path, &error)),
            }
        }
        let folder = Self { path };
        folder.check_writable()?;
        Ok(folder)
    }

    /// A folder that is there, to be read: nothing is made or checked.
    pub fn open(path: &Path) -> Self {
        Self { path: path.to_path_buf() }
    }

    /// Fails now rather than after hours of training.
    fn check_writable(&self) -> Result<()> {
        Temporary::create(self.path.join("try")).map(drop).map_err(|error| Error::writing(&self.path, &error))
    }

    /// The names in a folder that is there or not; nothing is made.
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    /// The folder itself.
    pub fn path(&self) -> &Path {
        &self.path
    }
    /// The configuration of the run.
    pub fn config(&self) -> PathBuf {
        self.path.join("config.toml")
    }
    /// What training recorded.
    pub fn history(&self) -> PathBuf {
        self.path.join("history.csv")
    }
    /// The bundle.
    pub fn model(&self) -> PathBuf {
        self.path.join("model.ptycho")
    }
    /// The bundle of the best epoch.
    pub fn best(&self) -> PathBuf {
        self.path.join("best.ptycho")
    }
    /// What the training was asked for, until its result is whole.
    pub fn job(&self) -> PathBuf {
        self.path.join("job.json")
    }
    /// The bundle of the newest epoch with all that the training needs to go on, while it is not over.
    pub fn autosave(&self) -> PathBuf {
        self.path.join("autosave.ptycho")
    }
    /// The stitched object.
    pub fn reconstruction(&self) -> PathBuf {
        self.path.join("reconstruction.npz")
    }
    /// Picture of the amplitude.
    pub fn amplitude_png(&self) -> PathBuf {
        self.path.join("amplitude.png")
    }
    /// Picture of the phase.
    pub fn phase_png(&self) -> PathBuf {
        self.path.join("phase.png")
    }
    /// What the run came to, as JSON.
    pub fn summary(&self) -> PathBuf {
        self.path.join("summary.json")
    }
    /// The user's note on the run.
    pub fn note(&self) -> PathBuf {
        self.path.join("note.txt")
    }
    /// What the program said.
    pub fn log(&self) -> PathBuf {
        self.path.join("log.txt")
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;

    #[test]
    fn a_new_folder_is_named_for_dataset_and_time_and_never_shared() {
        let root = tempfile::tempdir().unwrap();
        let parent = root.path().join("deep/runs");
        let dataset = Path::new("/data/siemens star_n64.npz");
        let at = Utc::from_unix(1_767_225_599);
        let names: Vec<String> = (0..3)
            .map(|_| RunFolder::create_new(&parent, dataset, at).unwrap())
            .map(|folder| folder.path().file_name().unwrap().to_string_lossy().into_owned())
            .collect();
        let first = "siemens star_n64-20251231-235959";
        assert_eq!(names, [first.to_owned(), format!("{first}-2"), format!("{first}-3")]);
    }

    #[test]
    fn a_new_folder_lies_below_the_one_that_was_chosen() {
        let root = tempfile::tempdir().unwrap();
        let chosen = root.path().join("elsewhere");
        let folder = RunFolder::create(&Destination::Below(chosen.clone()), Path::new("d.npz")).unwrap();
        assert_eq!(folder.path().parent(), Some(chosen.as_path()));
        assert_eq!(Destination::from(None), Destination::Below("runs".into()));
    }

    #[test]
    fn a_named_folder_keeps_what_is_in_it() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("a/b");
        RunFolder::create(&Destination::Folder(path.clone()), Path::new("d.npz")).unwrap();
        std::fs::write(path.join("notes.txt"), "mine").unwrap();
        let folder = RunFolder::create(&Destination::Folder(path.clone()), Path::new("d.npz")).unwrap();
        assert_eq!(std::fs::read_dir(&path).unwrap().count(), 1);
        assert_eq!(folder.model(), path.join("model.ptycho"));
        let members = [
            folder.config(),
            folder.history(),
            folder.model(),
            folder.autosave(),
            folder.best(),
            folder.job(),
            folder.reconstruction(),
            folder.amplitude_png(),
            folder.phase_png(),
            folder.summary(),
            folder.log(),
        ];
        let distinct: std::collections::BTreeSet<_> = members.iter().collect();
        assert_eq!(distinct.len(), members.len());
    }

    #[test]
    fn a_file_in_the_way_is_bad_input() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("file");
        std::fs::write(&path, "x").unwrap();
        let error = RunFolder::create(&Destination::Folder(path.clone()), Path::new("d.npz")).unwrap_err();
        assert_eq!(error.exit_code(), 2);
        assert!(RunFolder::create(&Destination::Folder(path.join("below")), Path::new("d.npz")).is_err());
    }
}
