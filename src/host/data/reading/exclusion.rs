//! Patterns left out: as configured, and those that `auto` finds.

use super::context::Reading;
use super::layout::Frames;
use super::verdict::{Fix, Verdict};
use crate::error::{Problem, Result};
use crate::metrics::spread_of_logarithms;
use ndarray::Axis;
use std::collections::BTreeSet;
use std::path::Path;

const CHECK: &str = "excluded patterns";
/// Deviation of a total, in robust standard deviations of its logarithm, from which a pattern is an outlier.
const OUTLYING: f64 = 8.0;
/// An outlier is also at least this factor brighter or darker than the median.
const FACTOR: f64 = 3.0;
/// Longest list file, in bytes.
const MAX_LIST: u64 = 1 << 24;

/// What the setting `data.exclude` names.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Exclusion {
    /// Indices, from 0.
    pub listed: BTreeSet<usize>,
    /// True to find empty and outlying patterns as well.
    pub auto: bool,
}

/// Reads the setting: indices, ranges, `auto`, and names of files with indices and ranges.
///
/// # Errors
/// [`crate::error::Error::BadInput`] if a part is none of them, or a range is larger than `count`.
pub(super) fn parse(text: &str, count: usize) -> Result<Exclusion> {
    let mut found = Exclusion::default();
    for part in text.split([',', ';']).map(str::trim).filter(|part| !part.is_empty()) {
        if part.eq_ignore_ascii_case("auto") {
            found.auto = true;
        } else if let Some(range) = range(part) {
            insert(&mut found.listed, range, part, count)?;
        } else {
            let path = Path::new(part);
            for word in
                list_of(path)?.split(|c: char| c == ',' || c == ';' || c.is_whitespace()).filter(|w| !w.is_empty())
            {
                let range = range(word).ok_or_else(|| not_understood(word).at(path))?;
                insert(&mut found.listed, range, word, count).map_err(|error| error.at(path))?;
            }
        }
    }
    Ok(found)
}

fn list_of(path: &Path) -> Result<String> {
    if !path.exists() {
        return Err(not_understood(&path.display().to_string()).into());
    }
    let long = path.metadata().is_ok_and(|file| file.len() > MAX_LIST);
    let text =
        if long { None } else { crate::formats::read_file(path).ok().and_then(|bytes| String::from_utf8(bytes).ok()) };
    let text = text.ok_or_else(|| not_understood(&path.display().to_string()))?;
    Ok(text.lines().map(|line| line.split('#').next().unwrap_or_default()).collect::<Vec<_>>().join("\n"))
}

/// `7` or `10-20`, ends included.
fn range(text: &str) -> Option<[usize; 2]> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    Some([first.trim().parse().ok()?, last.trim().parse().ok()?])
}

fn insert(listed: &mut BTreeSet<usize>, [first, last]: [usize; 2], text: &str, count: usize) -> Result<()> {
    if first > last || last >= count {
        return Err(Problem::new(format!("{text:?} in data.exclude does not name patterns"))
            .expected(format!("indices from 0 to {}", count.saturating_sub(1)))
            .hint("Correct --exclude")
            .into());
    }
    listed.extend(first..=last);
    Ok(())
}

fn not_understood(text: &str) -> Problem {
    Problem::new(format!("{text:?} in data.exclude is neither an index nor a range, nor a file with such a list"))
        .expected("for example 3,7,10-20 or auto or bad.txt")
        .hint("Correct --exclude")
}

/// Indices as a short text: `3,7,10-20`.
pub(super) fn text_of(indices: &BTreeSet<usize>) -> String {
    let all: Vec<usize> = indices.iter().copied().collect();
    let runs = all.chunk_by(|one, next| one + 1 == *next);
    let text = |run: &[usize]| match run {
        [one] => one.to_string(),
        [first, .., last] => format!("{first}-{last}"),
        [] => String::new(),
    };
    runs.map(text).collect::<Vec<_>>().join(",")
}

/// The setting `data.exclude` with more indices.
pub fn extended(setting: &str, more: &BTreeSet<usize>) -> String {
    let more = text_of(more);
    if setting.trim().is_empty() { more } else { format!("{setting},{more}") }
}

/// The setting `data.exclude` without these indices; `auto` and names of files stay.
pub fn without(setting: &str, back: &BTreeSet<usize>) -> String {
    let mut listed = BTreeSet::new();
    let mut parts = Vec::new();
    for part in setting.split([',', ';']).map(str::trim).filter(|part| !part.is_empty()) {
        match range(part) {
            Some([first, last]) => listed.extend((first..=last).filter(|at| !back.contains(at))),
            None => parts.push(part.to_owned()),
        }
    }
    parts.extend(Some(text_of(&listed)).filter(|text| !text.is_empty()));
    parts.join(",")
}

/// A fix that leaves out these patterns as well.
pub(super) fn fix(setting: &str, more: &BTreeSet<usize>) -> Fix {
    Fix::new("Leave out these patterns", [("data.exclude", extended(setting, more))])
}

/// Places in `totals` of empty patterns and of those far brighter or darker than the others.
pub fn outliers(totals: &[f64]) -> Vec<usize> {
    let (middle, spread) = spread_of_logarithms(totals);
    let limit = (OUTLYING * spread).max(FACTOR.ln());
    let is_outlier = |total: f64| !(total > 0.0 && (total.ln() - middle).abs() <= limit);
    totals.iter().enumerate().filter(|(_, total)| is_outlier(**total)).map(|(at, _)| at).collect()
}

/// Indices of the patterns to leave out of `frames`; `unplaced` have no position. Fails with a verdict if the setting cannot
/// be used.
pub(super) fn excluded(
    reading: &mut Reading,
    frames: &Frames,
    unplaced: &BTreeSet<usize>,
    holds_counts: bool,
) -> Option<BTreeSet<usize>> {
    let setting = reading.config.exclude.clone();
    let exclusion = reading.or_fail(CHECK, parse(&setting, frames.count))?;
    let mut all = exclusion.listed;
    if exclusion.auto {
        all.extend(unplaced);
        let found = totals(reading, frames, holds_counts);
        let totals = reading.or_fail(CHECK, found)?;
        let candidates: Vec<(usize, f64)> =
            totals.into_iter().enumerate().filter(|(at, _)| !all.contains(at)).collect();
        let values: Vec<f64> = candidates.iter().map(|(_, total)| *total).collect();
        all.extend(outliers(&values).into_iter().filter_map(|at| candidates.get(at)).map(|(at, _)| *at));
    }
    if all.len() == frames.count {
        reading.judge(
            Verdict::fail(CHECK, "All patterns are excluded")
                .expected("some patterns to read")
                .advice("Correct --exclude"),
        );
        return None;
    }
    if !all.is_empty() {
        reading.note(format!("{} of {} patterns are left out: {}", all.len(), frames.count, text_of(&all)));
    }
    Some(all)
}

/// Summed intensity of every pattern as stored; 0 if it is the same everywhere or was never written.
fn totals(reading: &mut Reading, frames: &Frames, holds_counts: bool) -> Result<Vec<f64>> {
    let square = !holds_counts && !frames.info.integer;
    let mut totals = vec![0.0; frames.count];
    for (key, first, length) in &frames.parts {
        let rows: Vec<usize> = (0..*length).filter(|row| first + row < frames.count).collect();
        let window = [0..frames.height, 0..frames.width];
        reading.source.for_blocks(key, frames.axis(), &rows, window, |at, block| {
            for (row, pattern) in block.axis_iter(Axis(0)).enumerate() {
                let is_constant = pattern.iter().all(|value| Some(value) == pattern.first());
                let sum = pattern.iter().copied().filter(|value| frames.info.is_signal(*value)).map(|value| {
                    let value = f64::from(value);
                    if square { value * value } else { value }
                });
                if let Some(total) = totals.get_mut(first + at + row) {
                    *total = if is_constant { 0.0 } else { sum.sum() };
                }
            }
            Ok(())
        })?;
    }
    Ok(totals)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn indices_ranges_and_list_files_are_understood_and_written_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("bad.txt");
        std::fs::write(&path, "# bad frames\n20-22\n5, 6\n").unwrap();
        let found = parse(&format!("3, 7-9; auto,{}", path.display()), 30).unwrap();
        assert!(found.auto);
        assert_eq!(text_of(&found.listed), "3,5-9,20-22");
        assert_eq!(extended("auto", &[1, 2].into()), "auto,1-2");
        assert_eq!(parse("", 3).unwrap(), Exclusion::default());
        assert_eq!(without("auto, 3,7-9;bad.txt", &[3, 8].into()), "auto,bad.txt,7,9");
        assert_eq!(without("4-6", &[4, 5, 6].into()), "");
        for (text, part) in [("30", "from 0 to 29"), ("9-7", "from 0 to 29"), ("none.txt", "neither an index")] {
            let error = parse(text, 30).unwrap_err().to_string();
            assert!(error.contains(part), "{text}: {error}");
        }
        std::fs::write(&path, "1 two").unwrap();
        assert!(parse(path.to_str().unwrap(), 30).unwrap_err().to_string().contains("bad.txt"));
    }

    #[test]
    fn empty_and_far_off_patterns_are_outliers_and_weak_ones_are_not() {
        let mut totals: Vec<f64> = (0..50).map(|at| 1000.0 + 10.0 * f64::from(at % 7)).collect();
        assert!(outliers(&totals).is_empty());
        (totals[3], totals[10], totals[20], totals[30]) = (0.0, 600.0, 9e4, 50.0);
        assert_eq!(outliers(&totals), [3, 20, 30]);
        // A strongly absorbing half is no outlier.
        let halves: Vec<f64> = (0..50).map(|at| if at < 25 { 100.0 } else { 1000.0 }).collect();
        assert!(outliers(&halves).is_empty());
    }
}
