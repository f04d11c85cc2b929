//! Output folder of a run, and the names of its files.

use std::path::{Path, PathBuf};

use super::utc::Utc;
use crate::error::{Error, Problem, Result};
use crate::system::{Temporary, file_stem};

/// Output folder of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Destination {
    /// This folder.
    Folder(PathBuf),
    /// A new folder `<dataset>-<UTC>` below this one.
    Below(PathBuf),
}

impl From<Option<PathBuf>> for Destination {
    /// The given folder, or else a new one below `runs` in the current folder.
    fn from(folder: Option<PathBuf>) -> Self {
        folder.map_or_else(|| Self::Below("runs".into()), Self::Folder)
    }
}

/// Folder of one run.
///
/// In a folder given by the user, the files of the run are replaced, each atomically, and nothing else is changed, so that
/// `train` and `infer` can share one folder. Otherwise a new one is created.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunFolder {
    path: PathBuf,
}

/// Refuses a folder that holds the results of another dataset.
fn refuse_other_results(folder: &Path, dataset: &Path) -> Result<()> {
    let file = folder.join("summary.json");
    let summary: Option<serde_json::Value> =
        std::fs::read(file).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok());
    let Some(other) = summary.as_ref().and_then(|summary| summary["dataset"]["path"].as_str()) else { return Ok(()) };
    let real = |path: &Path| path.canonicalize().ok();
    let named = crate::system::path_text::from_text(other);
    let is_same = match (real(&named), real(dataset)) {
        (Some(one), Some(two)) => one == two,
        // Moved, or named from another folder.
        _ => named.file_name() == dataset.file_name(),
    };
    if is_same {
        return Ok(());
    }
    Err(Problem::new(format!("The output folder holds the results of another dataset, {other}, which would be lost"))
        .expected("a new folder, or one with results of the same dataset")
        .hint("Choose another folder with --output-dir, or remove this one first")
        .at(folder)
        .into())
}

impl RunFolder {
    /// Creates the folder if it is missing, or a new `<dataset>-<UTC>` below another.
    ///
    /// # Errors
    /// [`Error::BadInput`] if a file exists at the path, [`Error::Failed`] if the folder cannot be created or is not
    /// writable; both before any work is done.
    pub fn create(destination: &Destination, dataset: &Path) -> Result<Self> {
        match destination {
            Destination::Folder(path) => {
                refuse_other_results(path, dataset)?;
                Self::open_or_create(path)
            }
            Destination::Below(parent) => Self::create_new(parent, dataset, Utc::now()),
        }
    }

    /// Opens a folder, creating it and its parents if missing.
    ///
    /// # Errors
    /// As [`RunFolder::create`].
    pub fn open_or_create(path: &Path) -> Result<Self> {
        if path.exists() && !path.is_dir() {
            return Err(Problem::new("The output folder cannot be created because a file of that name exists")
                .hint("Choose another folder with --output-dir")
                .at(path)
                .into());
        }
        std::fs::create_dir_all(path).map_err(|error| Error::writing(path, &error))?;
        let folder = Self { path: path.to_path_buf() };
        folder.check_writable()?;
        Ok(folder)
    }

    /// Creates a folder `<parent>/<stem of dataset>-<UTC>`, with `-2`, `-3`, … appended if that exists.
    ///
    /// # Errors
    /// As [`RunFolder::create`].
    pub fn create_new(parent: &Path, dataset: &Path, at: Utc) -> Result<Self> {
        std::fs::create_dir_all(parent).map_err(|error| Error::writing(parent, &error))?;
        // A pattern of names is a dataset, too.
        let stem = file_stem(dataset).replace('*', "");
        let stem = if stem.is_empty() { "run" } else { &stem };
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

    /// An existing folder, to be read; nothing is created or checked.
    pub fn open(path: &Path) -> Self {
        Self { path: path.to_path_buf() }
    }

    /// Checks that files can be written, before hours of training.
    fn check_writable(&self) -> Result<()> {
        Temporary::create(self.path.join("try")).map(drop).map_err(|error| Error::writing(&self.path, &error))
    }

    /// Names of files in a folder, which need not exist; nothing is created.
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    /// Path of the folder.
    pub fn path(&self) -> &Path {
        &self.path
    }
    /// Configuration of the run.
    pub fn config(&self) -> PathBuf {
        self.path.join("config.toml")
    }
    /// Record of the training.
    pub fn history(&self) -> PathBuf {
        self.path.join("history.csv")
    }
    /// Bundle with the trained network.
    pub fn model(&self) -> PathBuf {
        self.path.join("model.ptycho")
    }
    /// Bundle of the best epoch.
    pub fn best(&self) -> PathBuf {
        self.path.join("best.ptycho")
    }
    /// Request of the training, until its result is complete.
    pub fn job(&self) -> PathBuf {
        self.path.join("job.json")
    }
    /// Bundle of the latest epoch with everything needed to resume the training, until it is finished.
    pub fn autosave(&self) -> PathBuf {
        self.path.join("autosave.ptycho")
    }
    /// Stitched object.
    pub fn reconstruction(&self) -> PathBuf {
        self.path.join("reconstruction.npz")
    }
    /// Image of the amplitude.
    pub fn amplitude_png(&self) -> PathBuf {
        self.path.join("amplitude.png")
    }
    /// Image of the phase.
    pub fn phase_png(&self) -> PathBuf {
        self.path.join("phase.png")
    }
    /// Table of the trials of a probe search.
    pub fn probe_search(&self) -> PathBuf {
        self.path.join("probe_search.csv")
    }
    /// Summary of the run, as JSON.
    pub fn summary(&self) -> PathBuf {
        self.path.join("summary.json")
    }
    /// Note of the user on the run.
    pub fn note(&self) -> PathBuf {
        self.path.join("note.txt")
    }
    /// Log of the program.
    pub fn log(&self) -> PathBuf {
        self.path.join("log.txt")
    }
}

#[cfg(test)]
mod tests {
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
    fn a_new_folder_is_below_the_chosen_one() {
        let root = tempfile::tempdir().unwrap();
        let chosen = root.path().join("elsewhere");
        let folder = RunFolder::create(&Destination::Below(chosen.clone()), Path::new("d.npz")).unwrap();
        assert_eq!(folder.path().parent(), Some(chosen.as_path()));
        assert_eq!(Destination::from(None), Destination::Below("runs".into()));
    }

    #[test]
    fn a_given_folder_keeps_its_other_files() {
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
    fn a_file_at_the_path_is_bad_input() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("file");
        std::fs::write(&path, "x").unwrap();
        let error = RunFolder::create(&Destination::Folder(path.clone()), Path::new("d.npz")).unwrap_err();
        assert_eq!(error.exit_code(), 2);
        assert!(RunFolder::create(&Destination::Folder(path.join("below")), Path::new("d.npz")).is_err());
    }
}
