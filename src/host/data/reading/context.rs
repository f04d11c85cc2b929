//! State shared by the steps of reading a file.

use super::source::Source;
use super::verdict::{Status, Verdict};
use crate::config::{DataConfig, RandomGenerator};
use crate::error::Result;

/// A file being read: its source and configuration, and the verdicts and notes so far.
pub(super) struct Reading<'a> {
    pub source: &'a mut Source,
    pub config: &'a DataConfig,
    pub verdicts: Vec<Verdict>,
    pub notes: Vec<String>,
    /// Key of the diffraction array, smallest and largest finite value as stored.
    pub diffraction_range: Option<(String, f64, f64)>,
}

impl<'a> Reading<'a> {
    pub fn new(source: &'a mut Source, config: &'a DataConfig) -> Self {
        Self { source, config, verdicts: Vec::new(), notes: Vec::new(), diffraction_range: None }
    }

    pub fn judge(&mut self, verdict: Verdict) {
        self.verdicts.push(verdict);
    }

    pub fn note(&mut self, text: impl Into<String>) {
        self.notes.push(text.into());
    }

    /// True if a check has already given a warning.
    pub fn has_warning(&self, check: &str) -> bool {
        self.verdicts.iter().any(|verdict| verdict.check == check && verdict.status == Status::Warn)
    }

    /// The value of a result; an error becomes a failed verdict of `check`.
    pub fn or_fail<T>(&mut self, check: &str, result: Result<T>) -> Option<T> {
        result.map_err(|error| self.judge(Verdict::from_error(check, Status::Fail, &error))).ok()
    }
}

/// Selection of the patterns to read. A small NPZ file is always read completely; of a large one and of HDF5 files only the
/// selected patterns are read and checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::data) enum Selection<'a> {
    /// All patterns.
    All,
    /// `count` random patterns.
    Random { count: usize, seed: u64, by: RandomGenerator },
    /// Patterns with these indices, ascending.
    Listed(&'a [usize]),
    /// Evenly spread patterns, as many as fit into a moderate amount of memory.
    Sample,
}
