//! State of the window as one value: actions, events and replies in, effects out.
//!
//! A list of actions and events replays any situation in a test.

mod dataset;
mod events;
mod jobs;
mod readiness;
mod replies;
#[cfg(test)]
mod tests;

use super::action::{Action, Effect, Level, Step};
use super::changes::Changes;
use super::draft::Draft;
use super::file_settings::{FileSettings, LeftBehind, Settings};
use super::job_progress::JobProgress;
use super::last_session::LastSession;
use super::live_pictures::LivePictures;
use super::queue::Queue;
use super::simulation::SimulationSetup;
use super::watched_files::WatchSetup;
use crate::config::{Config, DataConfig, Mapping, Method};
use crate::library::{
    ArraySummary, Inspection, Manifest, Orientations, Patterns, PreviewStage, RawPreview, Request, ResultData, RunInfo,
    RunObject, UserPreset,
};
use crate::system::file_name;
use crate::worker::message::{AdapterInfo, Control, Failure, Job, LivePace, Picture};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// Maximum number of recent files.
const MAX_RECENT: usize = 12;
/// Maximum number of lines in the log.
const MAX_LOG_LINES: usize = 5000;

/// The open dataset.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct OpenDataset {
    /// Path of the dataset.
    pub path: PathBuf,
    /// True while it is being read.
    pub loading: bool,
    /// Its arrays; first from the headers, later with their ranges.
    pub arrays: Vec<ArraySummary>,
    /// Verdicts on the dataset.
    pub inspection: Option<Arc<Inspection>>,
    /// Its patterns with statistics, once read.
    pub patterns: Option<Arc<Patterns>>,
    /// Patterns and positions as stored, if asked for or if it cannot be used.
    pub raw: Option<Arc<RawPreview>>,
    /// Mapping with which these were read.
    pub raw_mapping: Mapping,
    /// Stage of the preview that is being computed.
    pub preview_stage: Option<PreviewStage>,
    /// Preview of its object, and the remaining misfit.
    pub preview: Option<(Arc<Picture>, f64)>,
    /// Misfits of the scan orientations.
    pub orientations: Option<Arc<Orientations>>,
    /// Reason why the dataset cannot be used.
    pub failure: Option<Failure>,
    /// Number of the displayed pattern.
    pub selected: usize,
}

/// The loaded bundle.
#[derive(Debug, Clone, PartialEq)]
pub struct OpenBundle {
    /// Path of the bundle.
    pub path: PathBuf,
    /// Its manifest.
    pub manifest: Box<Manifest>,
    /// Its configuration.
    pub config: Box<Config>,
}

/// A run that is compared with others.
#[derive(Debug, Clone, PartialEq)]
pub struct ComparedRun {
    /// Path of the run folder.
    pub folder: PathBuf,
    /// Its object, or the reason why it cannot be read; `None` while it is being read.
    pub object: Option<Result<Arc<RunObject>, Failure>>,
}

/// A line of the log.
#[derive(Debug, Clone, PartialEq)]
pub struct LogEntry {
    /// Time since the start of the program, if known.
    pub at: Option<Duration>,
    /// Time of day at which it was logged, seconds since 1970; `None` before the window has stamped it.
    pub clock: Option<u64>,
    /// Severity.
    pub level: Level,
    /// Text of the message.
    pub text: String,
}

/// State of the window.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct State {
    /// Latest job.
    pub job: JobProgress,
    /// Latest request to the running job.
    pub control: Control,
    /// True if a job was submitted and has not started yet.
    pub starting: bool,
    /// Open dataset.
    pub dataset: Option<OpenDataset>,
    /// True to open datasets without a preview.
    pub preview_off: bool,
    /// Configuration being edited.
    pub draft: Draft,
    /// Undo history of the configuration.
    pub changes: Changes,
    /// Data settings of the files opened so far.
    pub file_settings: FileSettings,
    /// Data settings of the configuration chosen last, for files without settings of their own, with its name.
    pub setup: Option<(String, Settings)>,
    /// Data settings of the previously open file, offered for the open one.
    pub left_behind: Option<LeftBehind>,
    /// Queue of reconstructions.
    pub queue: Queue,
    /// Settings for watching a folder.
    pub watch: WatchSetup,
    /// Simulation being set up.
    pub simulation: SimulationSetup,
    /// Loaded bundle.
    pub bundle: Option<OpenBundle>,
    /// Live pictures of the latest job.
    pub live_pictures: LivePictures,
    /// Frequency of live pictures.
    pub pace: LivePace,
    /// Displayed result.
    pub result: Option<Arc<ResultData>>,
    /// Second result, displayed beside it.
    pub beside: Option<Arc<ResultData>>,
    /// True while a result is being read.
    pub reading_result: bool,
    /// Runs whose objects are compared.
    pub compared: Vec<ComparedRun>,
    /// Compute devices; `None` until listed.
    pub devices: Option<Vec<AdapterInfo>>,
    /// Path of the folder that holds the run folders.
    pub runs_folder: PathBuf,
    /// Runs in it, newest first.
    pub runs: Vec<RunInfo>,
    /// Path of the presets folder; empty if the system provides none.
    pub presets_folder: PathBuf,
    /// The user's presets, sorted by name.
    pub presets: Vec<UserPreset>,
    /// True while the program may choose the method: no configuration has been stored before.
    pub may_choose_method: bool,
    /// True once the runs have been listed.
    pub runs_listed: bool,
    /// Log, oldest line first.
    pub log: Vec<LogEntry>,
    /// Recent files, newest first.
    pub recent: Vec<PathBuf>,
    /// What was open when the window was closed last time.
    pub last_session: LastSession,
    /// Displayed step.
    pub step: Step,
}

impl State {
    /// Applies an action and returns the resulting effects.
    #[allow(clippy::too_many_lines, reason = "one short arm for each action")]
    pub fn dispatch(&mut self, action: Action) -> Vec<Effect> {
        match action {
            Action::Open(path) => self.open(path),
            Action::OpenExample => vec![Effect::UnpackExample],
            Action::ReopenSession => self.reopen_session(),
            Action::Reload => match self.dataset.as_ref().map(|dataset| dataset.path.clone()) {
                Some(path) => self.reload(path),
                None => Vec::new(),
            },
            Action::ReadRaw => match &self.dataset {
                Some(dataset) => {
                    let config = Box::new(self.draft.config().data.clone());
                    vec![Effect::Library(Request::Raw { path: dataset.path.clone(), config })]
                }
                None => Vec::new(),
            },
            Action::CloseDataset => {
                self.close_dataset();
                Vec::new()
            }
            Action::KeepDataSettings => self.keep_data_settings(),
            Action::DismissDataSettings => {
                self.left_behind = None;
                Vec::new()
            }
            Action::ResetDataSettings => self.reset_data_settings(),
            Action::Go(step) => self.go(step),
            Action::SelectPattern(index) => {
                if let Some(dataset) = &mut self.dataset {
                    let count = dataset.patterns.as_ref().map_or(0, |patterns| patterns.dataset.len());
                    dataset.selected = index.min(count.saturating_sub(1));
                }
                Vec::new()
            }
            Action::SetField { path, text } => {
                self.change(label_of(&path), Some(&path), false, |draft| draft.set(&path, &text))
            }
            Action::SetFields { label, fields } => self.change(label, None, true, |draft| {
                fields.iter().for_each(|(path, text)| draft.set(path, text));
            }),
            Action::SetMethod { method, polish_epochs } => {
                let name = if method == Method::Direct { "direct" } else { "network" };
                self.change("method".to_owned(), None, false, |draft| {
                    draft.set("training.method", name);
                    draft.set("inference.polish_epochs", &polish_epochs.to_string());
                })
            }
            Action::TrainMore(seconds) => self.train_more(seconds),
            Action::Undo => match self.changes.undo(&self.draft) {
                Some(draft) => self.edit(|now| *now = draft),
                None => Vec::new(),
            },
            Action::Redo => match self.changes.redo(&self.draft) {
                Some(draft) => self.edit(|now| *now = draft),
                None => Vec::new(),
            },
            Action::ResetField(path) => self.change(label_of(&path), Some(&path), false, |draft| draft.reset(&path)),
            Action::ResetConfig => self.change("all fields".to_owned(), None, false, Draft::reset_all),
            Action::UseConfig { name, config } => self.use_config(name, *config),
            Action::SaveConfig(path) => match self.draft.config().to_toml() {
                Ok(text) => vec![Effect::Write { path, bytes: text.into_bytes() }],
                Err(error) => self.notify(Level::Error, error.to_string()),
            },
            Action::SavePreset { name, config } => {
                let name = name.trim().to_owned();
                if self.presets_folder.as_os_str().is_empty() {
                    return self.notify(Level::Error, "This system has no folder for presets".to_owned());
                }
                if *config == *self.draft.config() {
                    self.draft = Draft::new(name.clone(), (*config).clone());
                }
                let folder = self.presets_folder.clone();
                vec![Effect::Library(Request::SavePreset { folder, name, config })]
            }
            Action::DeletePreset(name) => {
                vec![Effect::Library(Request::DeletePreset { folder: self.presets_folder.clone(), name })]
            }
            Action::Diagnose => self.diagnose(),
            Action::Start => self.start(),
            Action::Reconstruct => self.reconstruct(),
            Action::Resume(folder) if !self.is_busy() => {
                let settings = Vec::new();
                self.submit(Job::Resume { folder, dataset: None, reconstruct: None, settings })
            }
            Action::Resume(_) => self.notify(Level::Warning, "A job is running; stop it first".to_owned()),
            Action::Polish => self.polish(),
            Action::ChooseWatchFolder(folder) => {
                self.watch.folder = Some(folder).filter(|folder| !folder.as_os_str().is_empty());
                Vec::new()
            }
            Action::SetWatchPolish(epochs) => {
                self.watch.polish_epochs = epochs;
                Vec::new()
            }
            Action::SetWatchDirect(direct) => {
                self.watch.direct = Some(direct);
                Vec::new()
            }
            Action::Watch => self.start_watch(),
            Action::SetAutoPreview(on) => {
                self.preview_off = !on;
                if on { Vec::new() } else { self.dispatch(Action::CancelPreview) }
            }
            Action::ComputePreview => match self.dataset.as_ref().and_then(|dataset| dataset.patterns.clone()) {
                Some(patterns) => {
                    let orientation = self.draft.config().data.orientation;
                    vec![Effect::Library(Request::Preview { patterns, orientation })]
                }
                None => Vec::new(),
            },
            Action::CancelPreview => match self.dataset.as_mut().and_then(|dataset| dataset.preview_stage.take()) {
                Some(_) => vec![Effect::CancelPreview],
                None => Vec::new(),
            },
            Action::CompareRuns(folders) => self.compare(folders),
            Action::UseMask(path) => {
                const FIELD: &str = "data.mapping.mask_file";
                let text = path.display().to_string();
                // The same file is read again, too: it may have changed.
                let same = self.draft.text(FIELD).is_ok_and(|known| known == text);
                let effects = self.change("mask".to_owned(), None, false, |draft| draft.set(FIELD, &text));
                if same { self.dispatch(Action::Reload) } else { effects }
            }
            Action::SetSource(source, path) => {
                self.set_source(source, path);
                Vec::new()
            }
            Action::PreviewSimulation => self.request_simulation_preview(),
            Action::Simulate(output) => self.simulate(output),
            Action::Queue(action) => self.change_queue(action),
            Action::Steer(control) => {
                if !self.is_busy() {
                    return Vec::new();
                }
                self.control = control;
                vec![Effect::Control(control)]
            }
            Action::SetPace(pace) => {
                self.pace = pace;
                vec![Effect::Pace(pace)]
            }
            Action::ShowResult { folder, beside } => {
                self.reading_result = true;
                vec![Effect::Library(Request::Result { folder, beside })]
            }
            Action::ClearBeside => {
                self.beside = None;
                Vec::new()
            }
            Action::RefreshRuns => vec![Effect::Library(Request::Runs { parent: self.runs_folder.clone() })],
            Action::ChooseRunsFolder(folder) => {
                self.runs_folder = folder;
                self.dispatch(Action::RefreshRuns)
            }
            Action::TrashRun(folder) => {
                if self.is_busy() && self.job.output_dir.as_deref() == Some(&folder) {
                    return self.notify(Level::Warning, "This run is still being written; stop it first".to_owned());
                }
                self.runs.retain(|run| run.folder != folder);
                vec![Effect::Trash(folder)]
            }
            Action::SetNote { folder, text } => {
                if let Some(run) = self.runs.iter_mut().find(|run| run.folder == folder) {
                    run.note.clone_from(&text);
                }
                vec![Effect::Write { path: folder.join("note.txt"), bytes: text.into_bytes() }]
            }
            Action::Export { path, bytes } => vec![Effect::Write { path, bytes }],
            Action::ExportRuns { runs, format } => {
                let export = |(folder, path)| Effect::Library(Request::Export { folder, path, format });
                runs.into_iter().map(export).collect()
            }
            Action::Notify { level, text } => self.notify(level, text),
            Action::ClearLog => {
                self.log.clear();
                Vec::new()
            }
            Action::ClearRecent => {
                self.recent.clear();
                Vec::new()
            }
        }
    }

    fn go(&mut self, step: Step) -> Vec<Effect> {
        self.step = step;
        vec![Effect::Show(step)]
    }

    fn open(&mut self, path: PathBuf) -> Vec<Effect> {
        let extension =
            path.extension().map(|extension| extension.to_string_lossy().to_lowercase()).unwrap_or_default();
        match extension.as_str() {
            "ptycho" => {
                self.remember(path.clone());
                vec![Effect::Library(Request::Bundle { path })]
            }
            "toml" | "yaml" | "yml" | "json" => vec![Effect::Library(Request::Config { path })],
            // A run folder has no extension; a reconstruction is recognized by its name.
            "" => self.dispatch(Action::ShowResult { folder: path, beside: false }),
            _ if file_name(&path) == "reconstruction.npz" => {
                self.dispatch(Action::ShowResult { folder: path, beside: false })
            }
            _ => self.open_dataset(path),
        }
    }

    /// As [`Self::edit`], recorded for undo.
    fn change(
        &mut self,
        label: String,
        field: Option<&str>,
        is_fix: bool,
        change: impl FnOnce(&mut Draft),
    ) -> Vec<Effect> {
        let before = self.draft.clone();
        let effects = self.edit(change);
        if self.draft != before {
            self.changes.record(label, field, is_fix, before);
        }
        effects
    }

    /// Changes the configuration; reloads the dataset if its reading settings changed.
    fn edit(&mut self, change: impl FnOnce(&mut Draft)) -> Vec<Effect> {
        let reading = |draft: &Draft| {
            let (data, seeds) = (draft.config().data.clone(), &draft.config().execution.seeds);
            let seed = data.n_subsample.map(|_| seeds.subsample);
            // Grouping does not affect reading.
            let none = DataConfig::default();
            let read = DataConfig {
                n_groups: none.n_groups,
                sampling: none.sampling,
                neighbor_count: none.neighbor_count,
                seed_in_group: none.seed_in_group,
                enable_oversampling: none.enable_oversampling,
                validation_fraction: none.validation_fraction,
                ..data
            };
            (read, seed)
        };
        let before = reading(&self.draft);
        change(&mut self.draft);
        self.remember_data_settings();
        if reading(&self.draft) == before { Vec::new() } else { self.dispatch(Action::Reload) }
    }

    fn compare(&mut self, folders: Vec<PathBuf>) -> Vec<Effect> {
        let known = std::mem::take(&mut self.compared);
        self.compared = folders
            .into_iter()
            .map(|folder| {
                let object = known.iter().find(|run| run.folder == folder).and_then(|run| run.object.clone());
                ComparedRun { folder, object }
            })
            .collect();
        let is_new = |run: &&ComparedRun| !known.iter().any(|known| known.folder == run.folder);
        let ask = |run: &ComparedRun| Effect::Library(Request::Object { folder: run.folder.clone() });
        self.compared.iter().filter(is_new).map(ask).collect()
    }

    /// Shows and logs a message.
    pub(in crate::session) fn notify(&mut self, level: Level, text: String) -> Vec<Effect> {
        self.add_log(None, level, text.clone());
        vec![Effect::Toast { level, text }]
    }

    /// Logs a message without showing it.
    pub fn log_message(&mut self, level: Level, text: String) {
        self.add_log(None, level, text);
    }

    /// Stamps new lines of the log with the time of day.
    pub fn stamp_log(&mut self, seconds: u64) {
        self.log
            .iter_mut()
            .rev()
            .take_while(|entry| entry.clock.is_none())
            .for_each(|entry| entry.clock = Some(seconds));
    }

    fn add_log(&mut self, at: Option<Duration>, level: Level, text: String) {
        if self.log.len() >= MAX_LOG_LINES {
            self.log.drain(..MAX_LOG_LINES / 10);
        }
        self.log.push(LogEntry { at, clock: None, level, text });
    }

    /// Puts a file at the top of the recent files.
    fn remember(&mut self, path: PathBuf) {
        self.recent.retain(|known| *known != path);
        self.recent.insert(0, path);
        self.recent.truncate(MAX_RECENT);
    }
}

/// Label of a field, in lower case.
fn label_of(path: &str) -> String {
    Config::field(path).map_or_else(|_| path.to_owned(), |field| field.label.to_lowercase())
}
