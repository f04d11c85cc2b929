//! The fields of the form, rebuilt whenever the configuration changes.

use crate::config::{Config, Field, unused_reason};
use crate::session::Draft;

/// Commonly used fields, in display order; the others are listed under "advanced settings".
const BASIC: &[&str] = &[
    "training.method",
    "training.time_budget_s",
    "training.epochs",
    "training.batch_size",
    "training.learning_rate",
    "training.loss",
    "model.gridsize",
    "model.n_filters_scale",
    "data.diffraction_unit",
    "data.orientation",
    "data.crop",
    "data.bin",
    "data.n_subsample",
    "data.validation_fraction",
    "inference.stitch_weighting",
    "inference.phase_synchronization",
    "inference.polish_epochs",
    "direct.epochs",
    "direct.refine_probe",
    "direct.probe_modes",
    "direct.refine_positions",
    "direct.max_shift",
    "direct.refine_intensity",
    "direct.probe_search",
    "execution.accelerator",
];

/// Groups in display order, with titles.
const GROUPS: &[(&str, &str)] = &[
    ("training", "Training"),
    ("model", "Network and physics"),
    ("data", "Data and grouping"),
    ("inference", "Reconstruction"),
    ("direct", "Direct solver"),
    ("execution", "Device and seeds"),
    ("simulation", "Simulated datasets"),
];

/// A field of the form.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::ui::panels) struct Row {
    /// Description of the field.
    pub field: &'static Field,
    /// Current text, possibly invalid.
    pub text: String,
    /// Value in the base configuration.
    pub base: String,
    /// Value in the default preset.
    pub default: String,
    /// True if the field differs from the base configuration.
    pub modified: bool,
    /// Reason why the text is invalid or contradicts another field.
    pub complaint: Option<String>,
    /// Reason why the field has no effect.
    pub unused: Option<String>,
    /// True for commonly used fields.
    pub basic: bool,
}

/// A group of fields.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::ui::panels) struct Group {
    /// First part of the paths, such as `model`.
    pub name: &'static str,
    /// Display title.
    pub title: String,
    /// Fields, basic ones first.
    pub rows: Vec<Row>,
}

/// All fields of the form.
#[derive(Debug, Default)]
pub(in crate::ui::panels) struct Rows {
    /// The draft they were built for.
    of: Option<Draft>,
    /// Groups in display order.
    pub groups: Vec<Group>,
    /// Number of modified fields.
    pub modified: usize,
    /// Problems that make the configuration unusable.
    pub problems: Vec<String>,
    /// Counter incremented on each change.
    pub version: u64,
}

impl Rows {
    /// Updates the rows if the draft changed.
    pub(in crate::ui::panels) fn follow(&mut self, draft: &Draft) {
        self.follow_for(draft, unused_reason);
    }

    /// Like [`Self::follow`], with a function that explains why a field has no effect.
    pub(in crate::ui::panels) fn follow_for(
        &mut self,
        draft: &Draft,
        unused_reason: fn(&str, &Config) -> Option<String>,
    ) {
        if self.of.as_ref() == Some(draft) {
            return;
        }
        self.of = Some(draft.clone());
        self.version += 1;
        self.problems = draft.problems();
        let values = draft.config().texts().unwrap_or_default();
        let base = draft.base().texts().unwrap_or_default();
        let default = Config::default().texts().unwrap_or_default();
        let mut rows: Vec<Row> = Vec::new();
        for (at, field) in Config::fields().into_iter().enumerate() {
            let of = |texts: &[String]| texts.get(at).cloned().unwrap_or_default();
            let rejected = draft.field_error(field.path).map(|complaint| shortened(complaint, field.path));
            let text = if rejected.is_some() { draft.text(field.path).unwrap_or_default() } else { of(&values) };
            let contradicts = self.problems.iter().find(|problem| names(problem, field.path)).cloned();
            rows.push(Row {
                field,
                base: of(&base),
                default: of(&default),
                modified: rejected.is_some() || of(&values) != of(&base),
                complaint: rejected.or(contradicts),
                unused: unused_reason(field.path, draft.config()),
                basic: BASIC.contains(&field.path),
                text,
            });
        }
        self.modified = rows.iter().filter(|row| row.modified).count();
        let place = |row: &Row| BASIC.iter().position(|path| *path == row.field.path).unwrap_or(BASIC.len());
        rows.sort_by_key(place);
        let mut names: Vec<&'static str> = GROUPS.iter().map(|(name, _)| *name).collect();
        for row in &rows {
            if !names.contains(&row.field.group()) {
                names.push(row.field.group());
            }
        }
        self.groups = names
            .into_iter()
            .map(|name| {
                let title = GROUPS.iter().find(|(group, _)| *group == name).map_or(name, |(_, title)| *title);
                let rows = rows.iter().filter(|row| row.field.group() == name).cloned().collect();
                Group { name, title: title.to_owned(), rows }
            })
            .collect();
    }
}

/// True if a text contains the path of a field, not as a prefix of a longer path.
fn names(text: &str, path: &str) -> bool {
    text.match_indices(path).any(|(at, _)| {
        let after = text[at + path.len()..].chars().next();
        !after.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == '.')
    })
}

/// Shortens a message shown next to its field by omitting the field and the flag.
fn shortened(complaint: &str, path: &str) -> String {
    let without_hint = complaint.split(" Change it with ").next().unwrap_or(complaint);
    let short = match without_hint.split_once(" Expected ") {
        Some((title, expected)) if title.starts_with(path) => format!("Expected {expected}"),
        _ => without_hint.to_owned(),
    };
    short.trim_end_matches('.').to_owned()
}

impl Row {
    /// True if the row matches all words of a lower-case query.
    pub(in crate::ui::panels) fn matches(&self, query: &str) -> bool {
        query.split_whitespace().all(|word| {
            [self.field.label, self.field.path, self.field.help, self.field.flag.unwrap_or_default()]
                .iter()
                .any(|text| text.to_lowercase().contains(word))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(change: impl FnOnce(&mut Draft)) -> Rows {
        let mut draft = Draft::default();
        change(&mut draft);
        let mut rows = Rows::default();
        rows.follow(&draft);
        rows
    }

    fn row(rows: &Rows, path: &str) -> Row {
        rows.groups.iter().flat_map(|group| &group.rows).find(|row| row.field.path == path).unwrap().clone()
    }

    #[test]
    fn every_field_is_in_exactly_one_group_and_basic_ones_come_first() {
        let rows = rows(|_| {});
        let all: Vec<&Row> = rows.groups.iter().flat_map(|group| &group.rows).collect();
        assert_eq!(all.len(), Config::fields().len());
        for group in &rows.groups {
            let first_other = group.rows.iter().position(|row| !row.basic).unwrap_or(group.rows.len());
            assert!(group.rows.iter().skip(first_other).all(|row| !row.basic), "{}", group.title);
            assert_ne!(group.title, group.name, "a group of fields has no title");
        }
        for path in BASIC {
            assert!(Config::field(path).is_ok(), "{path}");
        }
    }

    #[test]
    fn errors_are_attached_to_their_field_and_contradictions_to_all_named_fields() {
        let wrong = rows(|draft| draft.set("training.batch_size", "0"));
        let field = row(&wrong, "training.batch_size");
        assert_eq!((field.text.as_str(), field.modified), ("0", true));
        assert_eq!(field.complaint.unwrap(), "Expected a whole number from 1 to 65536");
        let endless = rows(|draft| draft.set("training.time_budget_s", "none"));
        assert!(row(&endless, "training.epochs").complaint.unwrap().contains("never end"));
        assert!(row(&endless, "training.time_budget_s").complaint.is_some());
        assert_eq!(row(&endless, "training.batch_size").complaint, None);
    }

    #[test]
    fn fields_are_found_by_label_path_flag_and_help() {
        let rows = rows(|_| {});
        let field = row(&rows, "training.learning_rate");
        for wanted in ["learning", "training.l", "--learning-rate", "initial", "rate initial"] {
            assert!(field.matches(wanted), "{wanted}");
        }
        assert!(!field.matches("probe"));
    }

    #[test]
    fn rows_are_rebuilt_only_on_changes() {
        let mut rows = Rows::default();
        let mut draft = Draft::default();
        rows.follow(&draft);
        rows.follow(&draft);
        assert_eq!(rows.version, 1);
        draft.set("model.gridsize", "2");
        rows.follow(&draft);
        assert_eq!((rows.version, rows.modified), (2, 1));
    }
}
