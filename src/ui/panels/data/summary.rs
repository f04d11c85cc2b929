//! What is known of a dataset, in one line and in plain words.

use crate::data::Status;
use crate::session::{Level, OpenDataset};
use crate::system::file_name;
use crate::ui::widgets::numbers::{grouped, short};
use crate::worker::message::Patterns;

/// The line at the top of the panel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Headline {
    /// How good the news is.
    pub level: Level,
    /// What there is, or what is wrong.
    pub text: String,
    /// What follows from it, or what to do.
    pub detail: String,
}

/// The line at the top of the panel.
pub(super) fn headline(dataset: &OpenDataset) -> Headline {
    if let Some(failure) = &dataset.failure {
        let problem = failure.problem();
        let mut detail = Vec::new();
        if !problem.expected.is_empty() {
            detail.push(format!("Expected {}", problem.expected));
        }
        if !problem.hint.is_empty() {
            detail.push(problem.hint.clone());
        }
        return Headline { level: Level::Error, text: problem.title.clone(), detail: detail.join(". ") };
    }
    let Some(patterns) = &dataset.patterns else {
        let name = file_name(&dataset.path);
        return Headline { level: Level::Info, text: format!("Reading {name}"), detail: String::new() };
    };
    let (count, side) = (patterns.dataset.len(), patterns.dataset.patch_size());
    let warnings = dataset
        .inspection
        .as_ref()
        .map_or(0, |inspection| inspection.verdicts.iter().filter(|verdict| verdict.status == Status::Warn).count());
    let (level, end) = match warnings {
        0 => (Level::Success, "ready".to_owned()),
        1 => (Level::Warning, "usable, 1 warning".to_owned()),
        more => (Level::Warning, format!("usable, {more} warnings")),
    };
    let text = format!("{} patterns of {side} × {side}, {end}", grouped(count as u64));
    Headline { level, text, detail: facts(patterns) }
}

/// Probe, object and photons in one line.
fn facts(patterns: &Patterns) -> String {
    let probe = match patterns.dataset.probe.dim().0 {
        1 => "probe with 1 mode".to_owned(),
        modes => format!("probe with {modes} modes"),
    };
    let object = match &patterns.dataset.object {
        Some(object) => format!("object {} × {} to compare with", object.ncols(), object.nrows()),
        None => "no object to compare with".to_owned(),
    };
    format!("{probe} · {object} · {} photons per pattern on average", short(mean(&patterns.counts)))
}

/// Mean; 0 of nothing.
pub(super) fn mean(values: &[f64]) -> f64 {
    if values.is_empty() { 0.0 } else { values.iter().sum::<f64>() / values.len() as f64 }
}

/// The overlap of neighbouring illuminations, in words, and whether it will do.
pub(super) fn overlap(patterns: &Patterns) -> (Level, String) {
    let share = patterns.overlap;
    let percent = (100.0 * share).round();
    if patterns.nearest.is_empty() || patterns.probe_diameter <= 0.0 {
        (Level::Info, "The overlap cannot be told from a single position".to_owned())
    } else if share < 0.0 {
        (Level::Error, "Neighbouring spots do not touch: the object cannot be put together".to_owned())
    } else if share < 0.4 {
        (Level::Warning, format!("Neighbouring spots overlap by about {percent} %: little, expect artefacts"))
    } else if share < 0.6 {
        (Level::Success, format!("Neighbouring spots overlap by about {percent} %: enough"))
    } else {
        (Level::Success, format!("Neighbouring spots overlap by about {percent} %: plenty"))
    }
}
