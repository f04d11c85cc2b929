//! The table of runs: columns, order, cells.

use crate::checkpoint::Utc;
use crate::config::Config;
use crate::session::{Session, Status};
use crate::ui::panels::configure::editor::human;
use crate::ui::widgets::numbers::signed;
use crate::ui::widgets::{duration, loss_plot::short};
use crate::worker::message::RunInfo;
use std::cmp::Ordering;

/// What is known of a run, in the order of the columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(super) enum Column {
    /// Last change.
    #[default]
    Date,
    /// Dataset.
    Dataset,
    /// How it ended.
    Outcome,
    /// Time of training.
    Time,
    /// Training loss of the last epoch.
    Loss,
    /// Misfit to the data.
    Misfit,
    /// Correlation of the phase.
    Phase,
    /// Correlation of the amplitude.
    Amplitude,
    /// Configuration fields that differ from the defaults.
    Settings,
    /// The user's note.
    Note,
}

impl Column {
    /// All, in order.
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

    /// What stands over it.
    pub(super) fn label(self) -> &'static str {
        match self {
            Self::Date => "Date (UTC)",
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

    /// What it means.
    pub(super) fn about(self) -> &'static str {
        match self {
            Self::Date => "Last change",
            Self::Dataset => "The file that was trained on or reconstructed",
            Self::Outcome => "How the run ended",
            Self::Time => "Time of training",
            Self::Loss => "Training loss of the last epoch",
            Self::Misfit => "Σ(|F| − √I)² / ΣI of the stitched object against the data; smaller is better",
            Self::Phase => "Correlation of the phase with the object that the file brings; 1 is perfect",
            Self::Amplitude => "Correlation of the amplitude with the object that the file brings; 1 is perfect",
            Self::Settings => "What differs from the default configuration",
            Self::Note => "Your own words, kept in note.txt",
        }
    }

    /// Its width in points; none takes what is left.
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

    /// Whether its cells are numbers, which stand on the right.
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

    /// The text of a cell; empty where it does not apply.
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

    /// Order of two runs by this column; what is not known comes last in either direction.
    fn order(self, a: &RunInfo, b: &RunInfo, descending: bool) -> Ordering {
        let turned = |order: Ordering| if descending { order.reverse() } else { order };
        let texts = |a: &str, b: &str| match (a.is_empty(), b.is_empty()) {
            (false, true) => Ordering::Less,
            (true, false) => Ordering::Greater,
            _ => turned(a.to_lowercase().cmp(&b.to_lowercase())),
        };
        match self {
            Self::Date => turned(a.changed.cmp(&b.changed)),
            Self::Dataset => texts(&dataset(a), &dataset(b)),
            Self::Outcome => texts(&a.outcome, &b.outcome),
            Self::Settings => texts(&a.settings.join(","), &b.settings.join(",")),
            Self::Note => texts(a.note.trim(), b.note.trim()),
            _ => match (self.number(a), self.number(b)) {
                (Some(a), Some(b)) => turned(a.total_cmp(&b)),
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (None, None) => Ordering::Equal,
            },
        }
    }
}

/// How a run stands, as far as its folder and the running job tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It has a summary.
    Ended,
    /// It is being written now.
    Running,
    /// It has no summary, but a saved model.
    Interrupted,
    /// It has neither.
    Broken,
}

impl Outcome {
    /// Of a run, while this job is the latest.
    pub(super) fn of(run: &RunInfo, job: &Session) -> Self {
        if run.in_use || job.status == Status::Running && job.output_dir.as_deref() == Some(&run.folder) {
            Self::Running
        } else if run.is_interrupted() {
            Self::Interrupted
        } else if run.command.is_empty() {
            Self::Broken
        } else {
            Self::Ended
        }
    }

    fn label(self, run: &RunInfo) -> &str {
        match self {
            Self::Ended if run.outcome.is_empty() => "unknown",
            Self::Ended if run.outcome == "completed" => match run.command.as_str() {
                "polish" => "polished",
                "infer" => "reconstructed",
                _ => "completed",
            },
            Self::Ended if run.outcome == "restored_after_nan" => "ended early",
            Self::Ended => &run.outcome,
            Self::Running => "running",
            Self::Interrupted => "interrupted",
            Self::Broken => "no result",
        }
    }
}

/// The indices of the runs, in the order of a column; equals stay as they are.
pub(super) fn sorted(runs: &[RunInfo], by: Column, descending: bool) -> Vec<usize> {
    let mut order: Vec<usize> = (0..runs.len()).collect();
    order.sort_by(|a, b| match (runs.get(*a), runs.get(*b)) {
        (Some(a), Some(b)) => by.order(a, b, descending),
        _ => Ordering::Equal,
    });
    order
}

/// `2026-01-31 23:59`.
pub(super) fn date(seconds: u64) -> String {
    let Utc { year, month, day, hour, minute, .. } = Utc::from_unix(seconds);
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}")
}

/// Name of the dataset without its extension; from the name of the folder where there is no summary.
pub(super) fn dataset(run: &RunInfo) -> String {
    match run.dataset.file_stem() {
        Some(stem) => stem.to_string_lossy().into_owned(),
        None => {
            // `<dataset>-<date>-<time>` as run folders are named.
            let mut parts: Vec<&str> = run.name.split('-').collect();
            while parts.len() > 1 && parts.last().is_some_and(|part| part.chars().all(|c| c.is_ascii_digit())) {
                parts.pop();
            }
            parts.join("-")
        }
    }
}

/// `data.n_subsample = 64` as `Patterns kept 64`: as the form names it, where it does.
fn shortened(setting: &str) -> String {
    let (path, value) = setting.split_once(" = ").unwrap_or((setting, ""));
    let name = Config::field(path).map_or(path, |field| field.label);
    format!("{name} {}", human(value.trim_matches('"'))).trim_end().to_owned()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn run(name: &str, changed: u64, loss: Option<f64>) -> RunInfo {
        RunInfo { name: name.into(), changed, final_train_loss: loss, command: "run".into(), ..RunInfo::default() }
    }

    #[test]
    fn runs_are_sorted_both_ways_and_what_is_unknown_comes_last() {
        let runs = [run("a", 3, None), run("b", 1, Some(0.5)), run("c", 2, Some(0.1)), run("d", 4, Some(f64::NAN))];
        assert_eq!(sorted(&runs, Column::Date, true), [3, 0, 2, 1]);
        assert_eq!(sorted(&runs, Column::Loss, false), [2, 1, 3, 0]);
        assert_eq!(sorted(&runs, Column::Loss, true), [3, 1, 2, 0]);
        assert_eq!(sorted(&runs, Column::Note, true), [0, 1, 2, 3]);
    }

    #[test]
    fn cells_say_what_a_person_says() {
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
        assert_eq!(text(Column::Date), "2026-01-31 23:59");
        assert_eq!(text(Column::Dataset), "siemens_star_n64");
        assert_eq!((text(Column::Time), text(Column::Phase)), ("3 min 20 s".into(), "0.953".into()));
        assert_eq!(text(Column::Settings), "Epochs 5, Last stage Split");
        assert_eq!((text(Column::Note), text(Column::Loss)), ("best so far".into(), String::new()));
    }

    #[test]
    fn a_run_without_a_summary_is_running_interrupted_or_broken() {
        let mut folder = RunInfo { folder: "runs/a".into(), ..RunInfo::default() };
        let job = Session { status: Status::Running, output_dir: Some("runs/a".into()), ..Session::default() };
        assert_eq!(Outcome::of(&folder, &job), Outcome::Running);
        assert_eq!(Outcome::of(&folder, &Session::default()), Outcome::Broken);
        folder.model = Some("runs/a/autosave.ptycho".into());
        assert_eq!(Outcome::of(&folder, &Session::default()), Outcome::Interrupted);
        folder.in_use = true;
        assert_eq!(Outcome::of(&folder, &Session::default()), Outcome::Running, "another program's");
        folder.in_use = false;
        folder.command = "run".into();
        assert_eq!(Outcome::of(&folder, &Session::default()), Outcome::Ended);
        let unsaved = RunInfo { resumable: true, ..RunInfo::default() };
        assert_eq!(Outcome::of(&unsaved, &Session::default()), Outcome::Interrupted);
    }
}
