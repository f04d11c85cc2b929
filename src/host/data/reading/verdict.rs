//! Outcome of the checks of a file (A§1): verdicts, their fixes, and the listing of arrays.

use crate::error::{Error, Problem};
use crate::formats::npz::Storage;
use serde::Serialize;
use std::path::{Path, PathBuf};

/// Outcome of one check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Passed.
    Pass,
    /// Usable, but questionable.
    Warn,
    /// Not usable: the file is rejected.
    Fail,
}

impl std::fmt::Display for Status {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Pass => "pass",
            Self::Warn => "warn",
            Self::Fail => "fail",
        })
    }
}

/// A change of the configuration that resolves a verdict.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Fix {
    /// Imperative label, such as "Crop to 256 × 256, bin by 2".
    pub label: String,
    /// Configuration keys and their new values, as text.
    pub settings: Vec<(&'static str, String)>,
}

impl Fix {
    pub(crate) fn new(label: impl Into<String>, settings: impl IntoIterator<Item = (&'static str, String)>) -> Self {
        Self { label: label.into(), settings: settings.into_iter().collect() }
    }
}

/// Result of one check: what was found, what was expected, what to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Verdict {
    /// Name of the check, such as "axis order".
    pub check: String,
    /// Outcome.
    pub status: Status,
    /// Finding, as a sentence without full stop.
    pub found: String,
    /// Expectation (may be empty).
    pub expected: String,
    /// Recommended action (may be empty).
    pub advice: String,
    /// Alternative changes of the configuration, each of which resolves the verdict.
    pub fixes: Vec<Fix>,
}

impl Verdict {
    pub(crate) fn new(check: &str, status: Status, found: impl Into<String>) -> Self {
        Self {
            check: check.to_string(),
            status,
            found: found.into(),
            expected: String::new(),
            advice: String::new(),
            fixes: Vec::new(),
        }
    }

    pub(crate) fn pass(check: &str, found: impl Into<String>) -> Self {
        Self::new(check, Status::Pass, found)
    }

    pub(crate) fn warn(check: &str, found: impl Into<String>) -> Self {
        Self::new(check, Status::Warn, found)
    }

    pub(crate) fn fail(check: &str, found: impl Into<String>) -> Self {
        Self::new(check, Status::Fail, found)
    }

    pub(crate) fn expected(mut self, text: impl Into<String>) -> Self {
        self.expected = text.into();
        self
    }

    pub(crate) fn advice(mut self, text: impl Into<String>) -> Self {
        self.advice = text.into();
        self
    }

    pub(crate) fn fixes(mut self, fixes: impl IntoIterator<Item = Fix>) -> Self {
        self.fixes.extend(fixes);
        self
    }

    /// What was found, expected and recommended, in one paragraph.
    pub fn sentence(&self) -> String {
        Problem::new(self.found.clone()).expected(self.expected.clone()).hint(self.advice.clone()).to_string()
    }

    /// Failed verdict on another file than the dataset.
    pub(crate) fn of_file(check: &str, path: &Path, error: &Error) -> Self {
        let mut verdict = Self::from_error(check, Status::Fail, error);
        verdict.found = format!("{}: {}", path.display(), verdict.found);
        verdict
    }

    /// Verdict with the texts of an error.
    pub(crate) fn from_error(check: &str, status: Status, error: &Error) -> Self {
        let problem = error.problem();
        Self::new(check, status, problem.title.clone()).expected(problem.expected.clone()).advice(problem.hint.clone())
    }
}

impl std::fmt::Display for Verdict {
    /// `pass  axis order: (516, 64, 64) is (n, h, w)`
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:<5} {}: {}", self.status.to_string(), self.check, self.found)
    }
}

/// One array of a file, for the listing.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ArraySummary {
    /// Name without `.npy`, or path in an HDF5 file.
    pub key: String,
    /// Length of each axis.
    pub shape: Vec<usize>,
    /// NumPy type string, such as `<f4`.
    pub dtype: String,
    /// Storage layout and compression.
    pub storage: Storage,
    /// Uncompressed size in bytes.
    pub bytes: u64,
    /// Smallest and largest finite value (modulus, if complex), as stored; `None` if not numeric, damaged, or not read.
    pub range: Option<(f64, f64)>,
    /// Reason why the array cannot be read; `None` if it can.
    pub problem: Option<String>,
}

/// Contents of a file and the checks made on them.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Inspection {
    /// Path of the inspected file.
    #[serde(with = "crate::system::path_text")]
    pub path: PathBuf,
    /// Arrays in file order.
    pub arrays: Vec<ArraySummary>,
    /// Checks in the order they were made; checks whose input is missing are skipped.
    pub verdicts: Vec<Verdict>,
    /// Conversions applied on reading, as sentences.
    pub notes: Vec<String>,
}

impl Inspection {
    /// Worst status of all verdicts.
    pub fn status(&self) -> Status {
        self.verdicts.iter().map(|verdict| verdict.status).max().unwrap_or(Status::Pass)
    }

    /// Verdict of the named check, if it was made.
    pub fn verdict(&self, check: &str) -> Option<&Verdict> {
        self.verdicts.iter().find(|verdict| verdict.check == check)
    }
}
