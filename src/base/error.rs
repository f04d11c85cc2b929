//! Errors, worded for the person who has to act on them.
//!
//! Every error that a user can see is a [`Problem`]: what was found, what was expected, what to do, and the file concerned.
//! [`Error`] adds its kind, which determines the exit code.

use std::path::{Path, PathBuf};

/// Result with an [`Error`].
pub type Result<T> = std::result::Result<T, Error>;

/// Description of an error: one paragraph that says what happened and what to do.
#[derive(Debug, Clone, PartialEq, Eq, Default, serde::Serialize)]
pub struct Problem {
    /// Error and what was found, as one sentence without a period.
    pub title: String,
    /// Expected value or condition; may be empty.
    pub expected: String,
    /// Remedy; may be empty.
    pub hint: String,
    /// File or folder concerned.
    #[serde(with = "crate::system::path_text::option")]
    pub path: Option<PathBuf>,
}

impl Problem {
    /// A problem with this title alone.
    pub fn new(title: impl Into<String>) -> Self {
        Self { title: title.into(), ..Self::default() }
    }
    /// Adds what was expected.
    #[must_use]
    pub fn expected(mut self, text: impl Into<String>) -> Self {
        self.expected = text.into();
        self
    }
    /// Adds what to do.
    #[must_use]
    pub fn hint(mut self, text: impl Into<String>) -> Self {
        self.hint = text.into();
        self
    }
    /// Adds the file or folder concerned, unless one is set already, which is the more precise.
    #[must_use]
    pub fn at(mut self, path: impl AsRef<Path>) -> Self {
        self.path.get_or_insert_with(|| path.as_ref().to_path_buf());
        self
    }
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.", self.title.trim_end_matches('.'))?;
        if !self.expected.is_empty() {
            write!(f, " Expected {}.", self.expected.trim_end_matches('.'))?;
        }
        if !self.hint.is_empty() {
            write!(f, " {}.", self.hint.trim_end_matches('.'))?;
        }
        if let Some(path) = &self.path {
            write!(f, " ({})", path.display())?;
        }
        Ok(())
    }
}

/// A [`Problem`] and its kind, which determines the exit code of the program.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// An unusable file or value given by the user (exit code 2).
    #[error("{0}")]
    BadInput(Problem),
    /// The requested device is not available (exit code 4).
    #[error("{0}")]
    DeviceUnavailable(Problem),
    /// A failure during a job (exit code 1).
    #[error("{0}")]
    Failed(Problem),
}

impl Error {
    /// An [`Error::BadInput`] with this title; use [`Problem`] directly to add more.
    pub fn bad_input(title: impl Into<String>) -> Self {
        Self::BadInput(Problem::new(title))
    }
    /// An [`Error::Failed`] with this title.
    pub fn failed(title: impl Into<String>) -> Self {
        Self::Failed(Problem::new(title))
    }
    /// Description of the error.
    pub fn problem(&self) -> &Problem {
        match self {
            Self::BadInput(p) | Self::DeviceUnavailable(p) | Self::Failed(p) => p,
        }
    }
    /// Adds the file concerned, unless one is set already.
    #[must_use]
    pub fn at(self, path: impl AsRef<Path>) -> Self {
        match self {
            Self::BadInput(p) => Self::BadInput(p.at(path)),
            Self::DeviceUnavailable(p) => Self::DeviceUnavailable(p.at(path)),
            Self::Failed(p) => Self::Failed(p.at(path)),
        }
    }
    /// Exit code of the program: 1 failed, 2 bad usage or input, 4 device unavailable.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Failed(_) => 1,
            Self::BadInput(_) => 2,
            Self::DeviceUnavailable(_) => 4,
        }
    }
    /// Failure to read an input file, which the user can fix: [`Error::BadInput`].
    pub fn reading(path: impl AsRef<Path>, error: &std::io::Error) -> Self {
        let hint = match error.kind() {
            std::io::ErrorKind::NotFound => "Check the path: no such file",
            std::io::ErrorKind::PermissionDenied => "Check the permissions of the file",
            _ => "Check that the file is complete and readable",
        };
        Self::BadInput(Problem::new(format!("Cannot read the file ({error})")).hint(hint).at(path))
    }
    /// Failure to write an output file: [`Error::Failed`].
    pub fn writing(path: impl AsRef<Path>, error: &std::io::Error) -> Self {
        Self::Failed(
            Problem::new(format!("Cannot write the file ({error})"))
                .hint("Check free space and permissions, or choose another output folder")
                .at(path),
        )
    }
}

impl From<Problem> for Error {
    fn from(problem: Problem) -> Self {
        Self::BadInput(problem)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_reads_as_one_paragraph_with_the_path_last() {
        let problem = Problem::new("No key \"probeGuess\"")
            .expected("a complex probe of shape (64, 64)")
            .hint("Add the probe to the file")
            .at("a.npz")
            .at("b.npz");
        assert_eq!(
            problem.to_string(),
            "No key \"probeGuess\". Expected a complex probe of shape (64, 64). Add the probe to the file. (a.npz)"
        );
    }
}
