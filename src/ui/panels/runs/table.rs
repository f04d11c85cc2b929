//! Table of runs: columns, order and cells.

use crate::checkpoint::Utc;
use crate::config::Config;
use crate::library::RunInfo;
use crate::session::{JobProgress, Status};
use crate::system::file_stem;
use crate::ui::panels::configure::editor::value_text;
use crate::ui::widgets::numbers::signed;
use crate::ui::widgets::{duration, loss_plot::short};
use crate::worker::message::JobKind;
use crate::worker::message::JobOutcome;
use std::cmp::Ordering;

/// Columns of the table, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(super) enum Column {
    /// Date of the last change.
    #[default]
    Date,
    /// Name of the dataset.
    Dataset,
    /// Outcome of the run.
    Outcome,
    /// Training time.
    Time,
    /// Training loss of the last epoch.
    Loss,
    /// Misfit of the stitched object.
    Misfit,
    /// Phase correlation with the known object.
    Phase,
    /// Amplitude correlation with the known object.
    Amplitude,
    /// Configuration fields that differ from the defaults.
    Settings,
    /// The user's note.
    Note,
}

impl Column {
    /// All columns, in order.
    pub(super) const ALL: [Self; 10] = [
        Self::Date,
        Self::Dataset,
        Self::Outcome,
        Self::Time,
        Self::Loss,
        Self::Misfit,
        Self::Phase,
        Self::Amplitude,
        Self::Settings,
        Self::Note,
    ];

    /// Heading of the column.
    pub(super) fn label(self) -> &'static str {
        match self {
            Self::Date => "Date",
            Self::Dataset => "Dataset",
            Self::Outcome => "Outcome",
            Self::Time => "Time",
            Self::Loss => "Loss",
            Self::Misfit => "Misfit",
            Self::Phase => "Phase",
            Self::Amplitude => "Amplitude",
            Self::Settings => "Settings",
            Self::Note => "Note",
        }
    }

    /// Explanation of the column.
    pub(super) fn help(self) -> &'static str {
        match self {
            Self::Date => "Last change, local time",
            Self::Dataset => "Dataset used for training or reconstruction",
            Self::Outcome => "Outcome of the run",
            Self::Time => "Training time",
            Self::Loss => "Training loss of the last epoch",
            Self::Misfit => "Σ(|F| − √I)² / ΣI of the stitched object; lower is better",
            Self::Phase => "Phase correlation with the known object in the dataset; 1 is perfect",
            Self::Amplitude => "Amplitude correlation with the known object in the dataset; 1 is perfect",
            Self::Settings => "Settings that differ from the defaults",
            Self::Note => "Your note, stored in note.txt",
        }
    }

    /// Width in points; `None` for the rest of the row.
    pub(super) fn width(self) -> Option<f32> {
        match self {
            Self::Date => Some(122.0),
            Self::Dataset => Some(150.0),
            Self::Outcome => Some(92.0),
            Self::Time => Some(84.0),
            Self::Loss | Self::Misfit => Some(64.0),
            Self::Phase => Some(58.0),
            Self::Amplitude => Some(74.0),
            Self::Settings => Some(190.0),
            Self::Note => None,
        }
    }

    /// True if the cells are numbers, which are aligned to the right.
    pub(super) fn is_number(self) -> bool {
        matches!(self, Self::Time | Self::Loss | Self::Misfit | Self::Phase | Self::Amplitude)
    }

    fn number(self, run: &RunInfo) -> Option<f64> {
        match self {
            Self::Time => run.train_seconds,
            Self::Loss => run.final_train_loss,
            Self::Misfit => run.consistency_r,
            Self::Phase => run.phase_correlation,
            Self::Amplitude => run.amplitude_correlation,
            _ => None,
        }
    }

    /// Text of a cell; empty if the value is unknown.
    pub(super) fn text(self, run: &RunInfo, state: Outcome) -> String {
        let number = self.number(run);
        match self {
            Self::Date => date(run.changed),
            Self::Dataset => dataset(run),
            Self::Outcome => state.label(run).to_owned(),
            Self::Time => number.map(duration).unwrap_or_default(),
            Self::Loss | Self::Misfit => number.map(short).unwrap_or_default(),
            Self::Phase | Self::Amplitude => number.map(|value| signed(format!("{value:.3}"))).unwrap_or_default(),
            Self::Settings => run.settings.iter().map(|setting| shortened(setting)).collect::<Vec<_>>().join(", "),
            Self::Note => run.note.trim().to_owned(),
        }
    }

    /// Order of two runs by this column; unknown values come last in either direction.
    fn order(self, a: &RunInfo, b: &RunInfo, descending: bool) -> Ordering {
        let directed = |order: Ordering| if descending { order.reverse() } else { order };
        let texts = |a: &str, b: &str| match (a.is_empty(), b.is_empty()) {
            (false, true) => Ordering::Less,
            (true, false) => Ordering::Greater,
            _ => directed(a.to_lowercase().cmp(&b.to_lowercase())),
        };
        match self {
            Self::Date => directed(a.changed.cmp(&b.changed)),
            Self::Dataset => texts(&dataset(a), &dataset(b)),
            Self::Outcome => texts(outcome(a), outcome(b)),
            Self::Settings => texts(&a.settings.join(","), &b.settings.join(",")),
            Self::Note => texts(a.note.trim(), b.note.trim()),
            _ => match (self.number(a), self.number(b)) {
                (Some(a), Some(b)) => directed(a.total_cmp(&b)),
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (None, None) => Ordering::Equal,
            },
        }
    }
}

/// State of a run, from its folder and the running job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    /// Ended: it has a summary.
    Ended,
    /// Being written now.
    Running,
    /// No summary, but a saved model or a training that can be resumed.
    Interrupted,
    /// None of these.
    Broken,
}

impl Outcome {
    /// State of a run, given the latest job.
    pub(super) fn of(run: &RunInfo, job: &JobProgress) -> Self {
        if run.in_use || job.status == Status::Running && job.output_dir.as_deref() == Some(&run.folder) {
            Self::Running
        } else if run.is_interrupted() {
            Self::Interrupted
        } else if run.command.is_none() {
            Self::Broken
        } else {
            Self::Ended
        }
    }

    fn label(self, run: &RunInfo) -> &'static str {
        match self {
            Self::Ended if run.outcome.is_none() => "unknown",
            Self::Ended if run.outcome == Some(JobOutcome::Completed) => match run.command.map_or("", JobKind::name) {
                "polish" => "polished",
                "infer" => "reconstructed",
                _ => "completed",
            },
            // As in the summary, and as the list of runs spells it.
            Self::Ended if run.outcome == Some(JobOutcome::RestoredAfterNan) => "ended early",
            Self::Ended => run.outcome.map_or("unknown", JobOutcome::name),
            Self::Running => "running",
            Self::Interrupted => "interrupted",
            Self::Broken => "no result",
        }
    }
}

/// Indices of the runs, sorted stably by a column.
pub(super) fn sorted(runs: &[RunInfo], by: Column, descending: bool) -> Vec<usize> {
    let mut order: Vec<usize> = (0..runs.len()).collect();
    order.sort_by(|a, b| match (runs.get(*a), runs.get(*b)) {
        (Some(a), Some(b)) => by.order(a, b, descending),
        _ => Ordering::Equal,
    });
    order
}

/// Accessible name of a run's row: its folder, method, outcome and quality.
pub(super) fn row_name(run: &RunInfo, outcome: Outcome) -> String {
    let is_direct = |setting: &String| setting.starts_with("training.method = ") && setting.contains("direct");
    let method = match run.command.map_or("", JobKind::name) {
        "run" | "train" if run.settings.iter().any(is_direct) => Some("direct solver"),
        "run" | "train" => Some("network"),
        _ => None,
    };
    let quality = match (run.phase_correlation, run.consistency_r) {
        (Some(phase), _) => Some(signed(format!("phase correlation {phase:.3}"))),
        (None, Some(misfit)) => Some(format!("misfit {}", short(misfit))),
        (None, None) => None,
    };
    let mut parts = vec![run.name.as_str()];
    parts.extend(method);
    parts.push(outcome.label(run));
    parts.extend(quality.as_deref());
    parts.join(", ")
}

/// Date as `2026-01-31 23:59`.
pub(super) fn date(seconds: u64) -> String {
    Utc::from_unix(seconds).local_minute()
}

/// Name of the dataset without extension; taken from the name of the folder if there is no summary.
pub(super) fn dataset(run: &RunInfo) -> String {
    let stem = file_stem(&run.dataset);
    if !stem.is_empty() {
        return stem;
    }
    // Run folders are named `<dataset>-<date>-<time>`.
    let mut parts: Vec<&str> = run.name.split('-').collect();
    while parts.len() > 1 && parts.last().is_some_and(|part| part.chars().all(|c| c.is_ascii_digit())) {
        parts.pop();
    }
    parts.join("-")
}

/// `data.n_subsample = 64` as `Patterns kept 64`, with the label of the field if there is one.
fn shortened(setting: &str) -> String {
    let (path, value) = setting.split_once(" = ").unwrap_or((setting, ""));
    let name = Config::field(path).map_or(path, |field| field.label);
    format!("{name} {}", value_text(path, value.trim_matches('"'))).trim_end().to_owned()
}

/// Name of the outcome, for sorting.
fn outcome(run: &RunInfo) -> &'static str {
    run.outcome.map_or("running or interrupted", JobOutcome::name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(name: &str, changed: u64, loss: Option<f64>) -> RunInfo {
        RunInfo {
            name: name.into(),
            changed,
            final_train_loss: loss,
            command: Some(JobKind::Run),
            ..RunInfo::default()
        }
    }

    #[test]
    fn runs_are_sorted_both_ways_and_unknown_values_come_last() {
        let runs = [run("a", 3, None), run("b", 1, Some(0.5)), run("c", 2, Some(0.1)), run("d", 4, Some(f64::NAN))];
        assert_eq!(sorted(&runs, Column::Date, true), [3, 0, 2, 1]);
        assert_eq!(sorted(&runs, Column::Loss, false), [2, 1, 3, 0]);
        assert_eq!(sorted(&runs, Column::Loss, true), [3, 1, 2, 0]);
        assert_eq!(sorted(&runs, Column::Note, true), [0, 1, 2, 3]);
    }

    #[test]
    fn cells_are_formatted_for_reading() {
        let run = RunInfo {
            name: "siemens_star_n64-20260131-235959-2".into(),
            changed: 1_769_903_999,
            train_seconds: Some(200.0),
            phase_correlation: Some(0.953),
            settings: vec!["training.epochs = 5".into(), "model.last_stage = \"split\"".into()],
            note: " best so far\n".into(),
            ..RunInfo::default()
        };
        let text = |column: Column| column.text(&run, Outcome::Ended);
        assert_eq!(text(Column::Date), Utc::from_unix(run.changed).local_minute());
        assert_eq!(text(Column::Dataset), "siemens_star_n64");
        assert_eq!((text(Column::Time), text(Column::Phase)), ("3 min 20 s".into(), "0.953".into()));
        assert_eq!(text(Column::Settings), "Epochs 5, Last stage Split");
        assert_eq!((text(Column::Note), text(Column::Loss)), ("best so far".into(), String::new()));
    }

    #[test]
    fn the_name_of_a_row_tells_folder_method_outcome_and_quality() {
        let trained = RunInfo { phase_correlation: Some(0.953), ..run("star-1", 0, None) };
        assert_eq!(row_name(&trained, Outcome::Ended), "star-1, network, unknown, phase correlation 0.953");
        let solved = RunInfo {
            settings: vec!["training.method = \"direct\"".into()],
            outcome: Some(JobOutcome::Completed),
            consistency_r: Some(0.0434),
            ..run("star-2", 0, None)
        };
        assert_eq!(row_name(&solved, Outcome::Ended), "star-2, direct solver, completed, misfit 0.0434");
        let broken = RunInfo { name: "star-3".into(), ..RunInfo::default() };
        assert_eq!(row_name(&broken, Outcome::Broken), "star-3, no result");
    }

    #[test]
    fn a_run_without_a_summary_is_running_interrupted_or_broken() {
        let mut folder = RunInfo { folder: "runs/a".into(), ..RunInfo::default() };
        let job = JobProgress { status: Status::Running, output_dir: Some("runs/a".into()), ..JobProgress::default() };
        assert_eq!(Outcome::of(&folder, &job), Outcome::Running);
        assert_eq!(Outcome::of(&folder, &JobProgress::default()), Outcome::Broken);
        folder.model = Some("runs/a/autosave.ptycho".into());
        assert_eq!(Outcome::of(&folder, &JobProgress::default()), Outcome::Interrupted);
        folder.in_use = true;
        assert_eq!(Outcome::of(&folder, &JobProgress::default()), Outcome::Running, "by another program");
        folder.in_use = false;
        folder.command = Some(JobKind::Run);
        assert_eq!(Outcome::of(&folder, &JobProgress::default()), Outcome::Ended);
        let unsaved = RunInfo { resumable: true, ..RunInfo::default() };
        assert_eq!(Outcome::of(&unsaved, &JobProgress::default()), Outcome::Interrupted);
    }
}
