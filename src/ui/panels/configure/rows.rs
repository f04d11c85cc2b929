//! The fields as the form shows them, worked out whenever the configuration changes.

use crate::config::{Config, Field, why_unused};
use crate::session::Draft;

/// Fields that most people set, in the order in which they are shown; the others stand below "More settings".
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
    "execution.accelerator",
];

/// Groups in the order in which they are shown, with their titles.
const GROUPS: &[(&str, &str)] = &[
    ("training", "Training"),
    ("model", "Network and physics"),
    ("data", "Data and grouping"),
    ("inference", "Reconstruction"),
    ("direct", "Direct solver"),
    ("execution", "Device and seeds"),
    ("simulation", "Simulated datasets"),
];

/// One field.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::ui::panels) struct Row {
    /// What is known about it.
    pub field: &'static Field,
    /// Its text, legal or not.
    pub text: String,
    /// Its value where the configuration started.
    pub base: String,
    /// Its value in the default preset.
    pub default: String,
    /// Whether it differs from where it started.
    pub modified: bool,
    /// Why its text is not legal, or contradicts another field.
    pub complaint: Option<String>,
    /// Why it has no effect.
    pub unused: Option<String>,
    /// Whether it is among the fields that most people set.
    pub basic: bool,
}

/// A group of fields.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::ui::panels) struct Group {
    /// First part of the paths.
    pub name: &'static str,
    /// What a person is shown.
    pub title: String,
    /// Its fields, basic ones first.
    pub rows: Vec<Row>,
}

/// All fields.
#[derive(Debug, Default)]
pub(in crate::ui::panels) struct Rows {
    /// What they were worked out for.
    of: Option<Draft>,
    /// The groups, in order.
    pub groups: Vec<Group>,
    /// How many fields differ from where they started.
    pub modified: usize,
    /// What keeps the configuration from being used.
    pub problems: Vec<String>,
    /// Counts the changes.
    pub version: u64,
}

impl Rows {
    /// Follows the configuration.
    pub(in crate::ui::panels) fn follow(&mut self, draft: &Draft) {
        self.follow_for(draft, why_unused);
    }

    /// As [`Self::follow`], with what says why a field has no effect.
    pub(in crate::ui::panels) fn follow_for(&mut self, draft: &Draft, why_unused: fn(&str, &Config) -> Option<String>) {
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
            let rejected = draft.complaint(field.path).map(|complaint| shortened(complaint, field.path));
            let text = if rejected.is_some() { draft.text(field.path).unwrap_or_default() } else { of(&values) };
            let contradicts = self.problems.iter().find(|problem| names(problem, field.path)).cloned();
            rows.push(Row {
                field,
                base: of(&base),
                default: of(&default),
                modified: rejected.is_some() || of(&values) != of(&base),
                complaint: rejected.or(contradicts),
                unused: why_unused(field.path, draft.config()),
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

/// Whether a text names a field: its path, not as the start of a longer one.
fn names(text: &str, path: &str) -> bool {
    text.match_indices(path).any(|(at, _)| {
        let after = text[at + path.len()..].chars().next();
        !after.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == '.')
    })
}

/// A complaint beside its field need not name the field and the flag.
fn shortened(complaint: &str, path: &str) -> String {
    let without_hint = complaint.split(" Change it with ").next().unwrap_or(complaint);
    let short = match without_hint.split_once(" Expected ") {
        Some((title, expected)) if title.starts_with(path) => format!("Expected {expected}"),
        _ => without_hint.to_owned(),
    };
    short.trim_end_matches('.').to_owned()
}

impl Row {
    /// Whether it fits what is looked for, in lower case.
    pub(in crate::ui::panels) fn matches(&self, wanted: &str) -> bool {
        wanted.split_whitespace().all(|word| {
            [self.field.label, self.field.path, self.field.help, self.field.flag.unwrap_or_default()]
                .iter()
                .any(|text| text.to_lowercase().contains(word))
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
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
    fn a_complaint_stands_at_its_field_and_a_contradiction_at_the_fields_it_names() {
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
    fn rows_are_worked_out_only_when_something_has_changed() {
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
