//! Queue of reconstructions: many datasets, one after the other.

use super::action::{Effect, Level, QueueAction};
use super::file_settings;
use super::state::State;
use crate::config::Config;
use crate::system::file_stem;
use crate::worker::message::{Control, Destination, Job, JobOutcome, Summary, Trust};
use std::path::{Path, PathBuf};

/// State of a queued job.
#[derive(Debug, Clone, PartialEq)]
pub enum JobState {
    /// Not started yet.
    Waiting,
    /// Running now.
    Running,
    /// Done: run folder, misfit, and verdict on the result.
    Done(PathBuf, Option<f64>, Option<Trust>),
    /// Failed: reason.
    Failed(String),
    /// Stopped by the user.
    Stopped,
}

/// A job of the queue.
#[derive(Debug, Clone, PartialEq)]
pub struct QueuedJob {
    /// Number that identifies it.
    pub number: u64,
    /// Path of the dataset.
    pub dataset: PathBuf,
    /// Configuration, as it was when the job was added.
    pub config: Box<Config>,
    /// State.
    pub state: JobState,
}

/// The queue.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Queue {
    /// Jobs in the order in which they run.
    pub jobs: Vec<QueuedJob>,
    /// True while the next waiting job starts by itself.
    pub on: bool,
    added: u64,
}

impl Queue {
    /// Number of jobs that have ended, and of those that are waiting or running.
    pub fn ended_and_open(&self) -> [usize; 2] {
        let open = self.waiting() + usize::from(self.is_running());
        [self.jobs.len() - open, open]
    }

    /// Number of waiting jobs.
    pub fn waiting(&self) -> usize {
        self.jobs.iter().filter(|job| job.state == JobState::Waiting).count()
    }

    /// True while one of its jobs is running.
    pub fn is_running(&self) -> bool {
        self.jobs.iter().any(|job| job.state == JobState::Running)
    }

    fn end(&mut self, state: JobState) -> bool {
        let running = self.jobs.iter_mut().find(|job| job.state == JobState::Running);
        running.map(|job| job.state = state).is_some()
    }

    fn shift(&mut self, number: u64, down: bool) {
        let Some(at) = self.jobs.iter().position(|job| job.number == number) else { return };
        let to = if down { at + 1 } else { at.wrapping_sub(1) };
        if to < self.jobs.len() {
            self.jobs.swap(at, to);
        }
    }
}

impl State {
    /// Configuration with which a dataset would be queued: the current one, with the data settings remembered for the file, if
    /// any, else those of the open file. Of the latter, patterns left out by their index stay with the open file, and a position
    /// file named after the open file becomes the one named after the dataset.
    fn config_for(&self, dataset: &Path) -> Config {
        let mut draft = self.draft.clone();
        if let Some(settings) = self.file_settings.of(dataset) {
            file_settings::replace(&mut draft, settings);
        } else if let Some(open) = self.dataset.as_ref().map(|open| &open.path).filter(|open| *open != dataset) {
            let data = &self.draft.config().data;
            draft.set("data.exclude", excluded_of_others(&data.exclude));
            draft.set("data.mapping.positions_file", &of_other_scan(&data.mapping.positions_file, open, dataset));
        }
        draft.config().clone()
    }

    pub(super) fn change_queue(&mut self, action: QueueAction) -> Vec<Effect> {
        match action {
            QueueAction::Add(datasets) => {
                for dataset in datasets {
                    self.queue.added += 1;
                    let (number, config) = (self.queue.added, Box::new(self.config_for(&dataset)));
                    self.queue.jobs.push(QueuedJob { number, dataset, config, state: JobState::Waiting });
                }
            }
            QueueAction::Start => self.queue.on = true,
            QueueAction::Pause => self.queue.on = false,
            QueueAction::MoveUp(number) => self.queue.shift(number, false),
            QueueAction::MoveDown(number) => self.queue.shift(number, true),
            QueueAction::Remove(number) => {
                self.queue.jobs.retain(|job| job.number != number || job.state == JobState::Running);
            }
            QueueAction::Retry(number) => {
                let ended = |job: &&mut QueuedJob| job.number == number && job.state != JobState::Running;
                if let Some(job) = self.queue.jobs.iter_mut().find(ended) {
                    job.state = JobState::Waiting;
                }
            }
            QueueAction::UseSettings => {
                let configs: Vec<Config> = self.queue.jobs.iter().map(|job| self.config_for(&job.dataset)).collect();
                let waiting = self.queue.jobs.iter_mut().zip(configs).filter(|(job, _)| job.state == JobState::Waiting);
                waiting.for_each(|(job, config)| *job.config = config);
            }
            QueueAction::RemoveWaiting => self.queue.jobs.retain(|job| job.state != JobState::Waiting),
            QueueAction::ClearDone => self.queue.jobs.retain(|job| !matches!(job.state, JobState::Done(..))),
        }
        self.start_queued()
    }

    /// Starts the next waiting job if the queue is on and nothing runs.
    fn start_queued(&mut self) -> Vec<Effect> {
        if !self.queue.on || self.is_busy() {
            return Vec::new();
        }
        let Some(next) = self.queue.jobs.iter_mut().find(|job| job.state == JobState::Waiting) else {
            self.queue.on = false;
            return Vec::new();
        };
        next.state = JobState::Running;
        let job = Job::Run {
            dataset: next.dataset.clone(),
            validation: None,
            output_dir: Destination::Below(self.runs_folder.clone()),
            config: next.config.clone(),
        };
        self.starting = true;
        self.control = Control::Run;
        vec![Effect::Control(Control::Run), Effect::Pace(self.pace), Effect::Submit(job)]
    }

    /// Notes the end of a job of the queue and starts the next one; `None` if the job was not of the queue. A stopped job pauses
    /// the queue.
    pub(super) fn queued_job_finished(&mut self, summary: &Summary) -> Option<Vec<Effect>> {
        let folder = self.job.output_dir.clone();
        let state = match (summary.outcome, folder) {
            (JobOutcome::Completed | JobOutcome::RestoredAfterNan, Some(folder)) => {
                JobState::Done(folder, summary.consistency_r, summary.reliability.as_ref().map(|found| found.verdict))
            }
            _ => JobState::Stopped,
        };
        let stopped = state == JobState::Stopped;
        if !self.queue.end(state) {
            return None;
        }
        self.queue.on &= !stopped;
        Some(self.go_on_with_queue())
    }

    /// As [`Self::queued_job_finished`], for a job that failed: the queue goes on with the next one.
    pub(super) fn queued_job_failed(&mut self, title: &str) -> Vec<Effect> {
        if self.queue.end(JobState::Failed(title.to_owned())) { self.go_on_with_queue() } else { self.start_queued() }
    }

    fn go_on_with_queue(&mut self) -> Vec<Effect> {
        if self.queue.on && self.queue.waiting() == 0 {
            self.queue.on = false;
            let failed = self.queue.jobs.iter().filter(|job| matches!(job.state, JobState::Failed(_))).count();
            let level = if failed > 0 { Level::Warning } else { Level::Success };
            let text = match failed {
                0 => "The queue is done".to_owned(),
                1 => "The queue is done; 1 job failed".to_owned(),
                more => format!("The queue is done; {more} jobs failed"),
            };
            let mut effects = self.notify(level, text);
            effects.push(Effect::Attention);
            return effects;
        }
        self.start_queued()
    }
}

/// What is left out of other scans than the one for which this was set: patterns named by their index are of that one only.
pub(super) fn excluded_of_others(exclude: &str) -> &'static str {
    let automatic = exclude.split([',', ';']).any(|part| part.trim().eq_ignore_ascii_case("auto"));
    if automatic { "auto" } else { "" }
}

/// The path of a file that belongs to one scan, as it is named for another: the name or number of the scan is replaced.
fn of_other_scan(file: &str, from: &Path, to: &Path) -> String {
    let (from, to) = (file_stem(from), file_stem(to));
    if !from.is_empty() && file.contains(&from) {
        return file.replace(&from, &to);
    }
    let numbers = |stem: &str| -> Vec<String> {
        stem.split(|c: char| !c.is_ascii_digit()).filter(|run| !run.is_empty()).map(str::to_owned).collect()
    };
    let pairs = numbers(&from).into_iter().zip(numbers(&to));
    match pairs.filter(|(a, b)| a != b).collect::<Vec<_>>().as_slice() {
        [(a, b)] => file.replace(a.as_str(), b),
        _ => file.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::action::Action;
    use super::*;
    use crate::error::Error;
    use crate::worker::message::{Event, EventKind, JobKind};
    use std::time::Duration;

    fn act(state: &mut State, action: QueueAction) -> Vec<Effect> {
        state.dispatch(Action::Queue(action))
    }

    fn submitted(effects: &[Effect]) -> Option<(PathBuf, Option<usize>)> {
        effects.iter().find_map(|effect| match effect {
            Effect::Submit(Job::Run { dataset, config, .. }) => Some((dataset.clone(), config.data.crop)),
            _ => None,
        })
    }

    fn tell(state: &mut State, job: u64, kind: EventKind) -> Vec<Effect> {
        state.on_event(&Event { job, at: Duration::from_secs(1), kind })
    }

    #[test]
    fn queued_datasets_run_one_after_the_other_and_a_failure_does_not_stop_them() {
        let mut state = State::default();
        state.dispatch(Action::SetField { path: "data.crop".into(), text: "64".into() });
        assert_eq!(act(&mut state, QueueAction::Add(vec!["a.npz".into(), "b.npz".into(), "c.npz".into()])), []);
        state.dispatch(Action::SetField { path: "data.crop".into(), text: "32".into() });
        let effects = act(&mut state, QueueAction::Start);
        assert_eq!(submitted(&effects), Some(("a.npz".into(), Some(64))), "with the settings at the time of adding");
        assert!(!effects.iter().any(|effect| matches!(effect, Effect::Show(_))), "the view stays");
        assert!(state.is_busy() && state.why_not_start().is_some());
        tell(&mut state, 1, EventKind::Started { kind: JobKind::Run });
        tell(&mut state, 1, EventKind::Folder { path: "runs/a".into() });
        tell(&mut state, 1, EventKind::Saved { path: "runs/a/reconstruction.npz".into() });
        let summary = Summary { consistency_r: Some(0.02), ..Summary::default() };
        let effects = tell(&mut state, 1, EventKind::Finished(Box::new(summary)));
        assert_eq!(submitted(&effects).map(|(dataset, _)| dataset), Some("b.npz".into()));
        assert!(!effects.iter().any(|effect| matches!(effect, Effect::Show(_))));
        assert_eq!(state.queue.jobs[0].state, JobState::Done("runs/a".into(), Some(0.02), None));
        tell(&mut state, 2, EventKind::Started { kind: JobKind::Run });
        let effects = tell(&mut state, 2, EventKind::Failed(Error::bad_input("No probe").into()));
        assert_eq!(state.queue.jobs[1].state, JobState::Failed("No probe".into()));
        assert_eq!(submitted(&effects).map(|(dataset, _)| dataset), Some("c.npz".into()));
        tell(&mut state, 3, EventKind::Started { kind: JobKind::Run });
        tell(&mut state, 3, EventKind::Folder { path: "runs/c".into() });
        let effects = tell(&mut state, 3, EventKind::Finished(Box::default()));
        assert!(effects.iter().any(|e| matches!(e, Effect::Toast { text, .. } if text.contains("1 job failed"))));
        assert!(!state.queue.on && !state.is_busy());
    }

    #[test]
    fn one_set_up_reads_each_scan_with_its_own_positions_and_all_of_its_patterns() {
        let mut state = State::default();
        state.dispatch(Action::Open("/d/scan_0042.h5".into()));
        for (path, text) in [
            ("data.exclude", "auto,3-7"),
            ("data.crop", "64"),
            ("data.mapping.positions_file", "/d/pos/positions_0042.txt"),
            ("data.mapping.mask_file", "/d/mask_0042.tif"),
        ] {
            state.dispatch(Action::SetField { path: path.into(), text: text.into() });
        }
        act(&mut state, QueueAction::Add(vec!["/d/scan_0042.h5".into(), "/d/scan_0043.h5".into()]));
        let data = |at: usize| state.queue.jobs[at].config.data.clone();
        assert_eq!((data(0).exclude.as_str(), data(1).exclude.as_str(), data(1).crop), ("auto,3-7", "auto", Some(64)));
        assert_eq!(data(1).mapping.positions_file, "/d/pos/positions_0043.txt");
        assert_eq!(data(1).mapping.mask_file, "/d/mask_0042.tif", "a mask belongs to the detector");
        assert_eq!(of_other_scan("a_1_x.csv", "a_1.h5".as_ref(), "b_2.h5".as_ref()), "b_2_x.csv");
    }

    #[test]
    fn waiting_jobs_take_over_changed_settings_and_are_removed_at_once() {
        let mut state = State::default();
        act(&mut state, QueueAction::Add(vec!["a.npz".into(), "b.npz".into()]));
        act(&mut state, QueueAction::Start);
        state.dispatch(Action::SetField { path: "training.batch_size".into(), text: "3".into() });
        act(&mut state, QueueAction::UseSettings);
        let sizes: Vec<usize> = state.queue.jobs.iter().map(|job| job.config.training.batch_size).collect();
        assert_eq!(sizes, [Config::default().training.batch_size, 3], "the running one stays as it is");
        assert_eq!(state.queue.ended_and_open(), [0, 2]);
        act(&mut state, QueueAction::RemoveWaiting);
        assert_eq!(state.queue.jobs.len(), 1);
    }

    #[test]
    fn jobs_are_moved_removed_and_retried_and_a_stop_pauses_the_queue() {
        let mut state = State::default();
        act(&mut state, QueueAction::Add(vec!["a.npz".into(), "b.npz".into(), "c.npz".into()]));
        let order = |state: &State| state.queue.jobs.iter().map(|job| job.number).collect::<Vec<_>>();
        act(&mut state, QueueAction::MoveUp(3));
        act(&mut state, QueueAction::MoveUp(1));
        act(&mut state, QueueAction::MoveDown(1));
        assert_eq!(order(&state), [3, 1, 2]);
        act(&mut state, QueueAction::Remove(1));
        act(&mut state, QueueAction::Start);
        act(&mut state, QueueAction::Remove(3));
        assert_eq!(order(&state), [3, 2], "the running job stays");
        tell(&mut state, 1, EventKind::Started { kind: JobKind::Run });
        let stopped = Summary { outcome: JobOutcome::Discarded, ..Summary::default() };
        let effects = tell(&mut state, 1, EventKind::Finished(Box::new(stopped)));
        assert_eq!((submitted(&effects), state.queue.on), (None, false));
        act(&mut state, QueueAction::Retry(3));
        assert_eq!(state.queue.waiting(), 2);
        let effects = act(&mut state, QueueAction::Start);
        assert_eq!(submitted(&effects).map(|(dataset, _)| dataset), Some("c.npz".into()));
    }
}
