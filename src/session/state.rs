//! Everything a window shows, as one value: actions, events and replies in, effects out.
//!
//! No channel, no clock, no file: a list of actions and events replays any situation in a test.

use super::action::{Action, Effect, Level, Step};
use super::changes::Changes;
use super::film::Film;
use super::scene::OpenScene;
use super::watched::OpenWatch;
use super::{Draft, Session, Status};
use crate::config::{Config, DataConfig};
use crate::system::file_name;
use crate::worker::message::{
    AdapterInfo, ArraySummary, Control, Destination, Event, EventKind, Failure, Fate, Inspection, Job, JobOutcome,
    LivePace, Look, Manifest, Orientations, Patterns, Picture, Reply, Request, ResultData, RunInfo, RunObject,
    UserPreset,
};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// Files kept in the list of recent ones.
const RECENT: usize = 12;
/// Lines kept in the log.
const LOG_LINES: usize = 5000;
/// How long a file of a watched folder must have been left alone.
const SETTLE: Duration = Duration::from_secs(2);

/// The dataset that is open.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct OpenDataset {
    /// The file.
    pub path: PathBuf,
    /// Whether it is still being read.
    pub loading: bool,
    /// Its arrays, from the headers, later with their ranges.
    pub arrays: Vec<ArraySummary>,
    /// Its verdicts.
    pub inspection: Option<Arc<Inspection>>,
    /// Its content.
    pub patterns: Option<Arc<Patterns>>,
    /// What is being found out by a first look.
    pub looking: Option<Look>,
    /// A first look at its object, and the misfit that is left.
    pub preview: Option<(Arc<Picture>, f64)>,
    /// How well each way to lay its scan explains its patterns.
    pub orientations: Option<Arc<Orientations>>,
    /// Why it cannot be used.
    pub failure: Option<Failure>,
    /// The pattern that is looked at.
    pub selected: usize,
}

/// The bundle that is loaded.
#[derive(Debug, Clone, PartialEq)]
pub struct OpenBundle {
    /// The file.
    pub path: PathBuf,
    /// Its description.
    pub manifest: Box<Manifest>,
    /// Its configuration.
    pub config: Box<Config>,
}

/// A run that is compared with others.
#[derive(Debug, Clone, PartialEq)]
pub struct ComparedRun {
    /// Its folder.
    pub folder: PathBuf,
    /// Its object; none while it is being read.
    pub object: Option<Result<Arc<RunObject>, Failure>>,
}

/// A line of the log.
#[derive(Debug, Clone, PartialEq)]
pub struct LogEntry {
    /// Time since the start of the program; none if it is not known.
    pub at: Option<Duration>,
    /// How grave it is.
    pub level: Level,
    /// What is said.
    pub text: String,
}

/// Everything a window shows.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct State {
    /// The latest job.
    pub job: Session,
    /// What the running job was last asked to do.
    pub control: Control,
    /// Whether a job was asked for and its start has not been heard of.
    pub starting: bool,
    /// The dataset.
    pub dataset: Option<OpenDataset>,
    /// Whether a dataset is opened without a first look at its object.
    pub no_first_look: bool,
    /// The configuration being edited.
    pub draft: Draft,
    /// Its changes.
    pub changes: Changes,
    /// The watch that is being set up.
    pub watch: OpenWatch,
    /// The simulation that is being set up.
    pub scene: OpenScene,
    /// The bundle.
    pub bundle: Option<OpenBundle>,
    /// Pictures of the latest training.
    pub film: Film,
    /// How often they are taken.
    pub pace: LivePace,
    /// The result shown.
    pub result: Option<Arc<ResultData>>,
    /// The result beside it.
    pub beside: Option<Arc<ResultData>>,
    /// Whether a result is being read.
    pub reading_result: bool,
    /// Runs whose objects are compared.
    pub compared: Vec<ComparedRun>,
    /// Devices that the program can see; none before they have been listed.
    pub devices: Option<Vec<AdapterInfo>>,
    /// The folder that holds the run folders.
    pub runs_folder: PathBuf,
    /// The runs in it, newest first.
    pub runs: Vec<RunInfo>,
    /// The folder that holds the user's presets; empty if the system names none.
    pub presets_folder: PathBuf,
    /// The user's presets, by name.
    pub presets: Vec<UserPreset>,
    /// Whether the runs have been listed since the start.
    pub runs_seen: bool,
    /// What was said, oldest first.
    pub log: Vec<LogEntry>,
    /// Files opened, newest first.
    pub recent: Vec<PathBuf>,
    /// The step in front.
    pub step: Step,
}

impl State {
    /// Takes a wish in; gives back what has to be done for it.
    pub fn act(&mut self, action: Action) -> Vec<Effect> {
        match action {
            Action::Open(path) => self.open(path),
            Action::OpenExample => vec![Effect::UnpackExample],
            Action::Reload => match self.dataset.as_ref().map(|dataset| dataset.path.clone()) {
                Some(path) => self.read_again(path),
                None => Vec::new(),
            },
            Action::CloseDataset => {
                self.dataset = None;
                Vec::new()
            }
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
            Action::SetFields { what, fields } => self.change(what, None, true, |draft| {
                fields.iter().for_each(|(path, text)| draft.set(path, text));
            }),
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
            Action::UseConfig { name, config } => {
                let what = format!("configuration {name}");
                self.change(what, None, false, |draft| *draft = Draft::new(name, *config))
            }
            Action::SaveConfig(path) => match self.draft.config().to_toml() {
                Ok(text) => vec![Effect::Write { path, bytes: text.into_bytes() }],
                Err(error) => self.say(Level::Error, error.to_string()),
            },
            Action::SavePreset { name, config } => {
                let name = name.trim().to_owned();
                if self.presets_folder.as_os_str().is_empty() {
                    return self.say(Level::Error, "There is no folder for presets on this system".to_owned());
                }
                if *config == *self.draft.config() {
                    self.draft = Draft::new(name.clone(), (*config).clone());
                }
                let folder = self.presets_folder.clone();
                vec![Effect::Read(Request::SavePreset { folder, name, config })]
            }
            Action::DeletePreset(name) => {
                vec![Effect::Read(Request::DeletePreset { folder: self.presets_folder.clone(), name })]
            }
            Action::Start => self.start(),
            Action::Reconstruct => self.reconstruct(),
            Action::Resume(folder) if !self.is_busy() => {
                let settings = Vec::new();
                self.submit(Job::Resume { folder, dataset: None, reconstruct: None, settings })
            }
            Action::Resume(_) => self.say(Level::Warning, "A job is running; stop it first".to_owned()),
            Action::Polish => self.polish(),
            Action::ChooseWatchFolder(folder) => {
                self.watch.folder = Some(folder).filter(|folder| !folder.as_os_str().is_empty());
                Vec::new()
            }
            Action::SetWatchPolish(epochs) => {
                self.watch.polish_epochs = epochs;
                Vec::new()
            }
            Action::Watch => self.start_watch(),
            Action::SetFirstLook(on) => {
                self.no_first_look = !on;
                if on { Vec::new() } else { self.act(Action::CancelLook) }
            }
            Action::TakeLook => match self.dataset.as_ref().and_then(|dataset| dataset.patterns.clone()) {
                Some(patterns) => {
                    let orientation = self.draft.config().data.orientation;
                    vec![Effect::Read(Request::Look { patterns, orientation })]
                }
                None => Vec::new(),
            },
            Action::CancelLook => match self.dataset.as_mut().and_then(|dataset| dataset.looking.take()) {
                Some(_) => vec![Effect::CancelLook],
                None => Vec::new(),
            },
            Action::CompareRuns(folders) => self.compare(folders),
            Action::UseMask(path) => {
                const FIELD: &str = "data.mapping.mask_file";
                let text = path.display().to_string();
                // A file that was changed is read again, too.
                let same = self.draft.text(FIELD).is_ok_and(|known| known == text);
                let effects = self.change("mask".to_owned(), None, false, |draft| draft.set(FIELD, &text));
                if same { self.act(Action::Reload) } else { effects }
            }
            Action::SetSource(source, path) => {
                self.set_source(source, path);
                Vec::new()
            }
            Action::PreviewScene => self.preview_scene(),
            Action::Simulate(output) => self.simulate(output),
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
                vec![Effect::Read(Request::Result { folder, beside })]
            }
            Action::ClearBeside => {
                self.beside = None;
                Vec::new()
            }
            Action::RefreshRuns => vec![Effect::Read(Request::Runs { parent: self.runs_folder.clone() })],
            Action::ChooseRunsFolder(folder) => {
                self.runs_folder = folder;
                self.act(Action::RefreshRuns)
            }
            Action::TrashRun(folder) => {
                if self.is_busy() && self.job.output_dir.as_deref() == Some(&folder) {
                    return self.say(Level::Warning, "This run is still being written; stop it first".to_owned());
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
            Action::Say { level, text } => self.say(level, text),
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

    /// Takes an event of the worker in.
    pub fn hear(&mut self, event: &Event) -> Vec<Effect> {
        self.job.apply(event);
        let mut effects = Vec::new();
        let watched = self.job.name == "watch";
        match &event.kind {
            EventKind::Started { .. } => {
                self.starting = false;
                self.film = Film::default();
                self.note(Some(event.at), Level::Info, format!("Started job {}: {}", event.job, self.job.name));
            }
            EventKind::Note { text } => self.note(Some(event.at), Level::Info, text.clone()),
            EventKind::Device(device) => {
                self.note(Some(event.at), Level::Info, format!("Device: {} ({})", device.name, device.kind.label()));
            }
            EventKind::File(file) => {
                let name = file_name(&file.path);
                match &file.fate {
                    Fate::Done { patterns, .. } => {
                        let each = file.fate.ms_per_pattern().unwrap_or_default();
                        let text = format!("{name} was reconstructed: {patterns} patterns, {each:.2} ms each");
                        self.note(Some(event.at), Level::Info, text);
                    }
                    Fate::Bad { message } => {
                        self.note(Some(event.at), Level::Error, message.clone());
                        effects.push(Effect::Toast { level: Level::Error, text: format!("{name} cannot be used") });
                    }
                    Fate::Waiting | Fate::Working | Fate::Before | Fate::Left => {}
                }
            }
            EventKind::Finished(_) if watched => {
                self.control = Control::Run;
                let text = format!("The watch has ended: {}", self.job.watched.words());
                self.note(Some(event.at), Level::Info, text.clone());
                let toast = Effect::Toast { level: Level::Info, text };
                effects.extend([Effect::Control(Control::Run), Effect::Attention, toast]);
            }
            EventKind::Finished(summary) => {
                self.control = Control::Run;
                effects.push(Effect::Control(Control::Run));
                effects.push(Effect::Attention);
                let (level, text) = match summary.outcome {
                    JobOutcome::Completed => (Level::Success, completed(&self.job.name)),
                    JobOutcome::Stopped => (Level::Success, "Stopped; the result so far is kept"),
                    JobOutcome::Discarded => (Level::Info, "Stopped; nothing was kept"),
                    JobOutcome::RestoredAfterNan => {
                        (Level::Warning, "The loss was no longer a number; the last good weights are kept")
                    }
                };
                self.note(Some(event.at), level, text.to_owned());
                effects.push(Effect::Toast { level, text: text.to_owned() });
                let has_object = self.job.saved.iter().any(|path| path.ends_with("reconstruction.npz"));
                if let Some(folder) = self.job.output_dir.clone().filter(|_| summary.outcome != JobOutcome::Discarded) {
                    if has_object && self.job.name == "polish" {
                        // Before and after, side by side.
                        self.beside.clone_from(&self.result);
                    }
                    if has_object {
                        effects.extend(self.act(Action::ShowResult { folder: folder.clone(), beside: false }));
                    }
                    if let Some(model) = summary.model.clone().filter(|_| summary.steps.is_some()) {
                        effects.push(Effect::Read(Request::Bundle { path: model }));
                    }
                }
                if self.job.name == "simulate" {
                    effects.extend(self.act(Action::Open(summary.dataset.path.clone())));
                    return effects;
                }
                effects.extend(self.act(Action::RefreshRuns));
            }
            EventKind::Failed(failure) => {
                self.control = Control::Run;
                effects.push(Effect::Control(Control::Run));
                effects.push(Effect::Attention);
                self.note(Some(event.at), Level::Error, failure.message.clone());
                effects.push(Effect::Toast { level: Level::Error, text: failure.problem().title.clone() });
                effects.extend(self.act(Action::RefreshRuns));
            }
            _ => {}
        }
        effects
    }

    /// Takes a picture of the running training in.
    pub fn look(&mut self, picture: Picture) {
        if picture.job == self.job.job {
            self.film.push(picture);
        }
    }

    /// Takes an answer of the reader in; answers about a dataset that is no longer open are ignored.
    pub fn learn(&mut self, reply: Reply) -> Vec<Effect> {
        match reply {
            Reply::Headers { path, arrays } => {
                if let Some(dataset) = self.dataset.as_mut().filter(|dataset| dataset.path == path) {
                    dataset.arrays = arrays;
                }
            }
            Reply::Inspected(inspection) => {
                if let Some(dataset) = self.dataset.as_mut().filter(|dataset| dataset.path == inspection.path) {
                    dataset.arrays.clone_from(&inspection.arrays);
                    dataset.inspection = Some(inspection);
                }
            }
            Reply::Opened(patterns) => {
                if let Some(dataset) = self.dataset.as_mut().filter(|dataset| dataset.path == patterns.dataset.path) {
                    dataset.loading = false;
                    dataset.selected = dataset.selected.min(patterns.dataset.len().saturating_sub(1));
                    dataset.patterns = Some(patterns);
                    dataset.orientations = None;
                    let path = dataset.path.clone();
                    self.remember(path);
                }
            }
            Reply::Preview { path, picture, misfit } => {
                if let Some(dataset) = self.dataset.as_mut().filter(|dataset| dataset.path == path) {
                    dataset.preview = Some((picture, misfit));
                }
            }
            Reply::Looking { path, look } => {
                if let Some(dataset) = self.dataset.as_mut().filter(|dataset| dataset.path == path) {
                    dataset.looking = look;
                }
            }
            Reply::Object { folder, object } => {
                if let Some(run) = self.compared.iter_mut().find(|run| run.folder == folder) {
                    run.object = Some(object);
                }
            }
            Reply::Devices(devices) => {
                let best = devices.iter().find(|device| device.usable && device.kind.is_hardware());
                let text = match best {
                    Some(best) => format!("Graphics device: {} ({}, {})", best.name, best.backend, best.driver),
                    None => "No graphics device was found that can train; the CPU does the work".to_owned(),
                };
                self.note(None, if best.is_some() { Level::Info } else { Level::Warning }, text);
                self.devices = Some(devices);
            }
            Reply::Orientations { path, found } => {
                if let Some(dataset) = self.dataset.as_mut().filter(|dataset| dataset.path == path) {
                    dataset.orientations = Some(found);
                }
            }
            Reply::Bundle { path, manifest, config } => {
                self.note(None, Level::Info, format!("Model loaded: {}", path.display()));
                self.bundle = Some(OpenBundle { path, manifest, config });
            }
            Reply::Config { path, config, notes } => {
                for text in notes {
                    self.note(None, Level::Info, text);
                }
                let name = config_name(&path);
                let what = format!("configuration {name}");
                let mut effects = self.change(what, None, false, |draft| *draft = Draft::new(name, *config));
                effects.extend(self.go(Step::Configure));
                return effects;
            }
            Reply::Result { result, beside } => {
                self.reading_result = false;
                if beside {
                    self.beside = Some(result);
                } else {
                    self.result = Some(result);
                }
                return self.go(Step::Result);
            }
            Reply::IsDataset { path } => {
                self.reading_result = false;
                return self.open_dataset(path);
            }
            Reply::Presets(presets) => self.presets = presets,
            Reply::Scene(scene) => self.see_scene(scene),
            Reply::Runs(runs) => {
                let first = !std::mem::replace(&mut self.runs_seen, true);
                self.runs = runs;
                // Said once, at the start: what was cut off can be saved.
                if first && !self.is_busy() && self.runs.iter().any(RunInfo::is_interrupted) {
                    return self.say(Level::Warning, "A run was interrupted; Runs offers to go on with it".to_owned());
                }
            }
            Reply::Example(path) => return self.act(Action::Open(path)),
            // A note is saved while it is typed; saying so each time would be noise.
            Reply::Written { path } if path.ends_with("note.txt") => {}
            Reply::Written { path } => return self.say(Level::Success, format!("Saved {}", path.display())),
            Reply::RunsChanged => return self.act(Action::RefreshRuns),
            Reply::Failed { path, failure } => {
                self.reading_result = false;
                if let Some(dataset) = self.dataset.as_mut().filter(|dataset| dataset.path == path) {
                    dataset.loading = false;
                    dataset.patterns = None;
                    dataset.failure = Some(failure.clone());
                }
                let title = failure.problem().title.clone();
                self.note(None, Level::Error, failure.message);
                return vec![Effect::Toast { level: Level::Error, text: title }];
            }
        }
        Vec::new()
    }

    /// Whether a job runs or is about to.
    pub fn is_busy(&self) -> bool {
        self.starting || self.job.status == Status::Running
    }

    /// Why training cannot start, in words; none if it can.
    pub fn why_not_start(&self) -> Option<String> {
        if self.is_busy() {
            return Some("A job is running".to_owned());
        }
        let Some(dataset) = &self.dataset else { return Some("Open a dataset first".to_owned()) };
        if let Some(failure) = &dataset.failure {
            return Some(format!("The dataset cannot be used. {}", failure.problem().title));
        }
        if dataset.patterns.is_none() {
            return Some("The dataset is still being read".to_owned());
        }
        self.draft.problems().into_iter().next()
    }

    /// Why the dataset cannot be reconstructed with the bundle, in words; none if it can.
    pub fn why_not_reconstruct(&self) -> Option<String> {
        if self.is_busy() {
            return Some("A job is running".to_owned());
        }
        let Some(bundle) = &self.bundle else { return Some("Open a model, or train one".to_owned()) };
        let Some(patterns) = self.dataset.as_ref().and_then(|dataset| dataset.patterns.as_ref()) else {
            return Some("Open a dataset first".to_owned());
        };
        let (here, there) = (patterns.dataset.patch_size(), bundle.manifest.dataset.patch_size);
        (here != there).then(|| format!("The model takes {there} × {there} pixels, the dataset has {here} × {here}"))
    }

    /// Why the result shown cannot be polished, in words; none if it can.
    pub fn why_not_polish(&self) -> Option<String> {
        if self.is_busy() {
            return Some("A job is running".to_owned());
        }
        let Some(result) = &self.result else { return Some("There is no result yet".to_owned()) };
        let gone = "The dataset of this run is not where it was, so there is nothing to polish it with";
        result.residuals.is_empty().then(|| gone.to_owned())
    }

    /// Why no folder can be watched, in words; none if one can.
    pub fn why_not_watch(&self) -> Option<String> {
        if self.is_busy() {
            return Some("A job is running".to_owned());
        }
        if self.bundle.is_none() {
            return Some("Open a model first, or train one".to_owned());
        }
        self.watch.folder.is_none().then(|| "Choose the folder that files arrive in".to_owned())
    }

    /// Whether a folder is being watched.
    pub fn is_watching(&self) -> bool {
        self.job.name == "watch" && self.job.status == Status::Running
    }

    /// The step that comes next.
    pub fn next_step(&self) -> Step {
        if self.is_watching() {
            self.step
        } else if self.is_busy() {
            Step::Train
        } else if self.dataset.as_ref().is_none_or(|dataset| dataset.patterns.is_none()) {
            Step::Data
        } else if matches!(self.job.status, Status::Finished(_)) && self.result.is_some() {
            Step::Result
        } else if self.step == Step::Data {
            Step::Configure
        } else {
            Step::Train
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
                vec![Effect::Read(Request::Bundle { path })]
            }
            "toml" | "yaml" | "yml" | "json" => vec![Effect::Read(Request::Config { path })],
            // A run folder has no extension; a reconstruction is told from a dataset by its name.
            "" => self.act(Action::ShowResult { folder: path, beside: false }),
            _ if file_name(&path) == "reconstruction.npz" => {
                self.act(Action::ShowResult { folder: path, beside: false })
            }
            _ => self.open_dataset(path),
        }
    }

    fn open_dataset(&mut self, path: PathBuf) -> Vec<Effect> {
        let selected =
            self.dataset.as_ref().filter(|dataset| dataset.path == path).map_or(0, |dataset| dataset.selected);
        self.dataset = Some(OpenDataset { path: path.clone(), loading: true, selected, ..OpenDataset::default() });
        self.step = Step::Data;
        vec![Effect::Show(Step::Data), Effect::Read(self.dataset_request(path))]
    }

    /// Reads the dataset anew; what is known of it is shown until there is something newer.
    fn read_again(&mut self, path: PathBuf) -> Vec<Effect> {
        if let Some(dataset) = &mut self.dataset {
            dataset.loading = true;
            dataset.failure = None;
        }
        vec![Effect::Read(self.dataset_request(path))]
    }

    fn dataset_request(&self, path: PathBuf) -> Request {
        let config = self.draft.config();
        let (data, seed, look) = (Box::new(config.data.clone()), config.execution.seeds.subsample, !self.no_first_look);
        Request::Dataset { path, config: data, seed, look }
    }

    /// As [`Self::edit`], and keeps what was before it.
    fn change(
        &mut self,
        what: String,
        field: Option<&str>,
        is_remedy: bool,
        change: impl FnOnce(&mut Draft),
    ) -> Vec<Effect> {
        let before = self.draft.clone();
        let effects = self.edit(change);
        if self.draft != before {
            self.changes.keep(what, field, is_remedy, before);
        }
        effects
    }

    /// Changes the configuration. How a file is read is part of it: what is shown of the dataset follows.
    fn edit(&mut self, change: impl FnOnce(&mut Draft)) -> Vec<Effect> {
        let reading = |draft: &Draft| {
            let (data, seeds) = (draft.config().data.clone(), &draft.config().execution.seeds);
            let seed = data.n_subsample.map(|_| seeds.subsample);
            // How patterns are grouped says nothing about how they are read.
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
        if reading(&self.draft) == before { Vec::new() } else { self.act(Action::Reload) }
    }

    fn start(&mut self) -> Vec<Effect> {
        if let Some(reason) = self.why_not_start() {
            return self.say(Level::Warning, reason);
        }
        let Some(dataset) = self.dataset.as_ref().map(|dataset| dataset.path.clone()) else { return Vec::new() };
        let config = Box::new(self.draft.config().clone());
        let output_dir = Destination::Below(self.runs_folder.clone());
        self.submit(Job::Run { dataset, validation: None, output_dir, config })
    }

    fn reconstruct(&mut self) -> Vec<Effect> {
        if let Some(reason) = self.why_not_reconstruct() {
            return self.say(Level::Warning, reason);
        }
        let (Some(bundle), Some(dataset)) = (&self.bundle, &self.dataset) else { return Vec::new() };
        let (model, dataset) = (bundle.path.clone(), dataset.path.clone());
        let output_dir = Destination::Below(self.runs_folder.clone());
        self.submit(Job::Infer { model, dataset, output_dir, settings: Vec::new() })
    }

    fn polish(&mut self) -> Vec<Effect> {
        if let Some(reason) = self.why_not_polish() {
            return self.say(Level::Warning, reason);
        }
        let Some(run) = self.result.as_ref().map(|result| result.folder.clone()) else { return Vec::new() };
        let output_dir = Destination::Below(self.runs_folder.clone());
        self.submit(Job::Polish { run, output_dir, settings: Vec::new() })
    }

    fn start_watch(&mut self) -> Vec<Effect> {
        if let Some(reason) = self.why_not_watch() {
            return self.say(Level::Warning, reason);
        }
        let (Some(bundle), Some(folder)) = (&self.bundle, self.watch.folder.clone()) else { return Vec::new() };
        let epochs = self.watch.polish_epochs;
        let settings = vec![("inference.polish_epochs".to_owned(), epochs.to_string())];
        let model = bundle.path.clone();
        self.starting = true;
        self.control = Control::Run;
        let job = Job::Watch { model, folder, output_dir: None, settings, once: false, settle: SETTLE };
        vec![Effect::Control(Control::Run), Effect::Submit(job)]
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
        let ask = |run: &ComparedRun| Effect::Read(Request::Object { folder: run.folder.clone() });
        self.compared.iter().filter(is_new).map(ask).collect()
    }

    fn submit(&mut self, job: Job) -> Vec<Effect> {
        self.starting = true;
        self.control = Control::Run;
        self.step = Step::Train;
        vec![Effect::Control(Control::Run), Effect::Pace(self.pace), Effect::Submit(job), Effect::Show(Step::Train)]
    }

    fn say(&mut self, level: Level, text: String) -> Vec<Effect> {
        self.note(None, level, text.clone());
        vec![Effect::Toast { level, text }]
    }

    fn note(&mut self, at: Option<Duration>, level: Level, text: String) {
        if self.log.len() >= LOG_LINES {
            self.log.drain(..LOG_LINES / 10);
        }
        self.log.push(LogEntry { at, level, text });
    }

    fn remember(&mut self, path: PathBuf) {
        self.recent.retain(|known| *known != path);
        self.recent.insert(0, path);
        self.recent.truncate(RECENT);
    }
}

/// What is said when a job has come to its end.
fn completed(job: &str) -> &'static str {
    match job {
        "simulate" => "The dataset is simulated",
        "train" => "The training is done",
        "polish" => "The object is polished",
        "watch" => "The watch has ended",
        _ => "The reconstruction is done",
    }
}

/// What a person is shown for a field.
fn label_of(path: &str) -> String {
    Config::field(path).map_or_else(|_| path.to_owned(), |field| field.label.to_lowercase())
}

/// Name of a configuration: that of its run folder, or of its file.
fn config_name(path: &Path) -> String {
    match path.parent().map(file_name) {
        Some(run) if file_name(path) == "config.toml" && !run.is_empty() => run,
        _ => file_name(path),
    }
}

#[cfg(test)]
#[path = "state_tests.rs"]
mod tests;
