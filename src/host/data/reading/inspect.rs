//! Inspection of a file: its contents and whether it can be used (A§1).
//!
//! [`inspect`] and [`crate::data::Dataset::load`] share the same reading code, so a file is rejected exactly when one of its
//! verdicts is [`Status::Fail`].

use super::context::Selection;
use super::read;
use super::source::Source;
use super::verdict::{ArraySummary, Inspection, Status, Verdict};
use crate::config::DataConfig;
use crate::error::{Error, Problem, Result};
use std::path::Path;

/// Lists the arrays of a file from their headers alone; [`ArraySummary::range`] is `None`.
///
/// # Errors
/// [`Error::BadInput`] if the file cannot be read or is neither a NumPy archive nor HDF5.
pub fn list(path: impl AsRef<Path>) -> Result<Vec<ArraySummary>> {
    Ok(Source::open(path.as_ref())?.summaries())
}

/// Reads and checks a file with the default configuration: floating-point diffraction is amplitude, integers are counts.
///
/// # Errors
/// [`Error::BadInput`] only if the file cannot be opened as a NumPy archive or as HDF5; all other problems are verdicts.
pub fn inspect(path: impl AsRef<Path>) -> Result<Inspection> {
    inspect_with(path, &DataConfig::default())
}

/// As [`inspect`], with the configured mapping, cropping, binning, orientation and geometry. Of very large HDF5 stacks only
/// evenly spread patterns are read; a note reports it.
///
/// # Errors
/// As [`inspect`].
pub fn inspect_with(path: impl AsRef<Path>, config: &DataConfig) -> Result<Inspection> {
    let path = path.as_ref();
    let mut source = Source::open_as(path, &config.mapping)?;
    let mut arrays = source.summaries();
    let outcome = read::read(&mut source, config, Selection::Sample);
    for array in &mut arrays {
        array.range = match &outcome.diffraction_range {
            Some((key, low, high)) if *key == array.key => Some((*low, *high)),
            _ => source.value_range(&array.key),
        };
    }
    Ok(Inspection { path: path.to_path_buf(), arrays, verdicts: outcome.verdicts, notes: outcome.notes })
}

/// Error for a file with failed verdicts, `None` without: the first failure and the number of further ones.
pub(in crate::data) fn rejection(verdicts: &[Verdict], path: &Path) -> Option<Error> {
    let mut failed = verdicts.iter().filter(|verdict| verdict.status == Status::Fail);
    let first = failed.next()?;
    let more = failed.count();
    let mut hint = first.advice.clone();
    if more > 0 {
        let more = if more == 1 { "There is 1 more problem".into() } else { format!("There are {more} more problems") };
        let gap = if hint.is_empty() { "" } else { ". " };
        hint = format!("{hint}{gap}{more}; list them with `ptychoscope inspect`");
    }
    Some(Problem::new(first.found.clone()).expected(first.expected.clone()).hint(hint).at(path).into())
}

#[cfg(test)]
mod tests;
