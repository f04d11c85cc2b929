//! Text summary of a dataset.

use crate::data::Status;
use crate::library::{PREVIEW_EPOCHS, Patterns};
use crate::metrics::MIN_LINEAR_OVERLAP;
use crate::session::{Level, OpenDataset, in_window};
use crate::system::file_name;
use crate::ui::widgets::numbers::{count_of, grouped, short};

/// Misfit of a quick preview without counting noise from which on it is poor: real scans read correctly stay below half of it.
const POOR: f64 = 0.025;
/// Misfit from which on it is poor whatever the noise.
const VERY_POOR: f64 = 0.2;

/// Headline of the panel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Headline {
    /// Severity.
    pub level: Level,
    /// Content of the dataset, or the problem.
    pub text: String,
    /// Details, or the remedy.
    pub detail: String,
}

/// Headline of a dataset.
pub(super) fn headline(dataset: &OpenDataset) -> Headline {
    if let Some(failure) = &dataset.failure {
        let problem = failure.problem();
        let verdicts = dataset.inspection.as_ref().map(|inspection| inspection.verdicts.as_slice()).unwrap_or_default();
        let failed: Vec<_> = verdicts.iter().filter(|verdict| verdict.status == Status::Fail).collect();
        if dataset.loading || failed.iter().any(|verdict| verdict.found.eq_ignore_ascii_case(&problem.title)) {
            // The checks below say it in full.
            let text = format!("{} cannot be used yet", file_name(&dataset.path));
            let detail = match dataset.loading {
                true => "Reading the file again".to_owned(),
                false => format!("{} to solve; each change reads the file again", count_of(failed.len(), "problem")),
            };
            return Headline { level: Level::Error, text, detail };
        }
        let mut detail = Vec::new();
        if !problem.expected.is_empty() {
            detail.push(format!("Expected {}", in_window(&problem.expected)));
        }
        if !problem.hint.is_empty() {
            detail.push(in_window(&problem.hint));
        }
        return Headline { level: Level::Error, text: problem.title.clone(), detail: detail.join(". ") };
    }
    let Some(patterns) = &dataset.patterns else {
        let name = file_name(&dataset.path);
        return Headline { level: Level::Info, text: format!("Loading {name}"), detail: String::new() };
    };
    let (count, side) = (patterns.dataset.len(), patterns.dataset.patch_size());
    let warnings = dataset
        .inspection
        .as_ref()
        .map_or(0, |inspection| inspection.verdicts.iter().filter(|verdict| verdict.status == Status::Warn).count());
    // What the quick preview has shown counts as well: it is what a wrong probe, orientation or position reveals.
    let orientation = dataset.orientations.as_ref().is_some_and(|found| found.suggestion().is_some());
    let poor = poor_preview(dataset).is_some();
    let warnings = warnings + usize::from(orientation) + usize::from(poor);
    let (level, end) = match warnings {
        0 => (Level::Success, "ready".to_owned()),
        1 => (Level::Warning, "usable, 1 warning".to_owned()),
        more => (Level::Warning, format!("usable, {more} warnings")),
    };
    let text = format!("{} patterns of {side} × {side}, {end}", grouped(count as u64));
    Headline { level, text, detail: facts(patterns) }
}

/// Misfit of the quick preview and the largest one expected, if it says that probe, positions or orientation are probably wrong.
pub(super) fn poor_preview(dataset: &OpenDataset) -> Option<(f64, f64)> {
    let (picture, misfit) = dataset.preview.as_ref()?;
    // One that its time limit has ended says less.
    let is_complete = picture.taken.is_none_or(|(epochs, _)| epochs >= PREVIEW_EPOCHS);
    let most = if is_complete { good_misfit(dataset.patterns.as_ref()?) } else { VERY_POOR };
    (!(misfit.is_finite() && *misfit < most)).then_some((*misfit, most))
}

/// Misfit of a complete quick preview up to which it is good. Counting noise alone causes a quarter of a count per pixel.
fn good_misfit(patterns: &Patterns) -> f64 {
    let pixels = patterns.dataset.patch_size().pow(2) as f64;
    let noise = 0.25 * pixels / mean(&patterns.counts).max(f64::MIN_POSITIVE);
    (POOR + 2.0 * noise).min(VERY_POOR)
}

/// Probe, reference object and photons in one line.
fn facts(patterns: &Patterns) -> String {
    let probe = match patterns.dataset.probe.dim().0 {
        1 => "probe with 1 mode".to_owned(),
        modes => format!("probe with {modes} modes"),
    };
    let object = match &patterns.dataset.object {
        Some(object) => format!("reference object {} × {}", object.ncols(), object.nrows()),
        None => "no reference object".to_owned(),
    };
    format!("{probe} · {object} · {} photons per pattern on average", short(mean(&patterns.counts)))
}

/// Mean; 0 if empty.
pub(super) fn mean(values: &[f64]) -> f64 {
    if values.is_empty() { 0.0 } else { values.iter().sum::<f64>() / values.len() as f64 }
}

/// Rating of the overlap of neighboring illuminations.
pub(super) fn overlap(patterns: &Patterns) -> (Level, String) {
    let share = patterns.overlap;
    let percent = (100.0 * share).round();
    if patterns.nearest.is_empty() || patterns.probe_diameter <= 0.0 {
        (Level::Info, "The overlap of a single position is undefined".to_owned())
    } else if share < 0.0 {
        (Level::Error, "Neighboring illuminations do not overlap: the object cannot be reconstructed".to_owned())
    } else if share < MIN_LINEAR_OVERLAP {
        (Level::Warning, format!("Neighboring illuminations overlap by about {percent} %: low, expect artifacts"))
    } else if share < 0.6 {
        (Level::Success, format!("Neighboring illuminations overlap by about {percent} %: sufficient"))
    } else {
        (Level::Success, format!("Neighboring illuminations overlap by about {percent} %: ample"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    #[test]
    fn a_preview_is_judged_against_its_counting_noise() {
        use crate::worker::message::Picture;
        let mut patterns = (*super::super::tests::patterns_at(vec![[0.0, 0.0], [1.0, 0.0]])).clone();
        let picture = |epochs: usize| Picture {
            job: 0,
            taken: Some((epochs, epochs)),
            width: 0,
            height: 0,
            amplitude: Vec::new(),
            phase: Vec::new(),
            coverage: Vec::new(),
            origin_xy: [0.0; 2],
        };
        // 64 pixels.
        for (counts, misfit, epochs, poor) in [
            (1e5, 0.011, 12, false),
            (1e5, 0.041, 12, true),
            (1e5, 0.041, 3, false),
            (1e5, 0.3, 3, true),
            (1000.0, 0.041, 12, false),
            (1.0, 0.19, 12, false),
            (1.0, f64::NAN, 12, true),
        ] {
            patterns.counts = vec![counts; 2];
            let dataset = OpenDataset {
                patterns: Some(Arc::new(patterns.clone())),
                preview: Some((Arc::new(picture(epochs)), misfit)),
                ..OpenDataset::default()
            };
            assert_eq!(poor_preview(&dataset).is_some(), poor, "{counts} {misfit} {epochs}");
        }
    }
}
