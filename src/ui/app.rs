//! The window, frame by frame.

use super::app_core::{AppCore, WindowRequest};
use super::commands::Command;
use super::dialogs::{Answer, Dialog, Question};
use super::frame_times::FrameTimes;
use super::layout::{self, Drawer, Pane};
use super::panels::palette::Target;
use super::panels::{self, Outbox, Views};
use super::toasts::Toasts;
use super::tour::Tour;
use super::{persist, theme};
use crate::config::Config;
use crate::data::is_dataset_name;
use crate::error::Result;
use crate::library::ResultFormat;
use crate::session::{
    Action, Draft, Level, QueueAction, Source, State, Status, Step, WatchSetup, belongs_to_dataset, script,
};
use crate::system::file_name;
use crate::worker::message::{Control, Job, Stage};
use eframe::egui::{self, Context, RichText, ThemePreference, ViewportCommand};
use egui_tiles::Tree;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// Window title while no job runs and no dataset is open.
pub(super) const TITLE: &str = "Ptychoscope";

/// Longest delay from news of a job to the frame that shows it: many events share one frame.
const REPAINT_DELAY: Duration = Duration::from_millis(30);
/// Same delay if the CPU that trains also draws the frames: every frame takes time from the training.
const SOFTWARE_REPAINT_DELAY: Duration = Duration::from_millis(500);

/// Menus that consist of commands only: title, and groups of commands with a separator between them.
const MENUS: [(&str, &[&[Command]]); 3] = [
    (
        "Run",
        &[&[
            Command::Start,
            Command::Pause,
            Command::Stop,
            Command::FinishEpoch,
            Command::Reconstruct,
            Command::Polish,
        ]],
    ),
    (
        "View",
        &[
            &[
                Command::ShowData,
                Command::ShowConfigure,
                Command::ShowTrain,
                Command::ShowResult,
                Command::ShowQueue,
                Command::ShowRuns,
                Command::ShowLog,
            ],
            &[Command::FullScreen, Command::SideBySide, Command::ResetLayout, Command::NextTheme],
            &[Command::ZoomIn, Command::ZoomOut, Command::ZoomReset],
        ],
    ),
    (
        "Help",
        &[
            &[Command::Manual, Command::Tour, Command::Shortcuts],
            &[Command::Palette, Command::FrameTimes, Command::About],
        ],
    ),
];

/// True unless the window is known to be drawn by a GPU.
fn is_software(creation: &eframe::CreationContext<'_>) -> bool {
    use eframe::wgpu::DeviceType;
    creation.wgpu_render_state.as_ref().is_none_or(|state| {
        !matches!(
            state.adapter.get_info().device_type,
            DeviceType::DiscreteGpu | DeviceType::IntegratedGpu | DeviceType::VirtualGpu
        )
    })
}

/// Absolute path: the configuration of a run stores it.
fn absolute(path: PathBuf) -> PathBuf {
    std::path::absolute(&path).unwrap_or(path)
}

/// Datasets in a folder, by name: the files with the endings of datasets.
fn datasets_in(folder: &std::path::Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.path()).filter(|path| is_dataset_name(path)).collect();
    files.sort();
    files
}

/// Purpose of a path that the user is asked for.
enum Purpose {
    Open,
    SaveConfig,
    RunsFolder,
    WatchFolder,
    QueueFile,
    QueueFolder,
    Source(Source),
    Simulate,
    UseMask,
    Setting(&'static str),
    SaveAndSet(&'static str, Vec<u8>),
    SaveMask(Vec<u8>),
    Export(Vec<u8>),
    /// One result into a file, or several into a folder.
    ExportRuns(Vec<PathBuf>, ResultFormat),
}

/// Choices made in the menu bar during a frame.
#[derive(Default)]
struct MenuChoice {
    command: Option<Command>,
    action: Option<Action>,
}

/// The window.
pub struct App {
    core: AppCore,
    views: Views,
    tree: Tree<Pane>,
    toasts: Toasts,
    dialog: Option<Dialog<Purpose>>,
    settings: persist::Settings,
    /// Folder in which file dialogs start before a file has been opened.
    dialogs_folder: PathBuf,
    palette: Option<panels::palette::Palette>,
    shortcuts_open: bool,
    about: panels::about::About,
    manual: panels::manual::Manual,
    tour: Tour,
    /// Panel shown alone on the whole screen.
    alone: Option<Pane>,
    /// True while the question about closing during a job is shown.
    confirming_close: bool,
    /// Source of requests to close from outside the window.
    closer: super::Closer,
    /// True once the window closes as soon as the job has ended.
    closing: bool,
    title: String,
    frame_times: FrameTimes,
    frame_times_shown: bool,
    /// Seconds of work on this frame so far.
    worked_s: f64,
}

impl App {
    /// Restores the stored settings and starts the threads.
    ///
    /// # Errors
    /// The system cannot start a thread.
    pub fn new(creation: &eframe::CreationContext<'_>) -> Result<Self> {
        Self::with_folders(creation, persist::Folders::of_user())
    }

    /// As [`Self::new`], in these folders.
    fn with_folders(creation: &eframe::CreationContext<'_>, folders: persist::Folders) -> Result<Self> {
        let context = creation.egui_ctx.clone();
        theme::install(&context);
        let stored = persist::load(creation.storage, &folders);
        let settings = stored.settings;
        context.set_theme(settings.theme);
        context.set_zoom_factor(settings.zoom.clamp(0.5, 3.0));
        let mut state = State {
            recent: settings.recent.clone(),
            runs_folder: settings.runs_folder.clone(),
            pace: settings.pace,
            preview_off: !settings.first_look,
            watch: WatchSetup {
                folder: settings.watch_folder.clone(),
                polish_epochs: settings.watch_polish,
                direct: settings.watch_direct,
            },
            last_session: settings.session.clone(),
            presets_folder: folders.presets,
            file_settings: stored.files,
            may_choose_method: stored.config.is_none(),
            ..State::default()
        };
        if let Some(config) = stored.config.as_deref().and_then(|text| Config::from_toml(text).ok()) {
            let mut draft = Draft::default();
            // Data settings come back with their file.
            for field in Config::fields().into_iter().filter(|field| !belongs_to_dataset(field.path)) {
                if let Ok(text) = config.get(field.path) {
                    draft.set(field.path, &text);
                }
            }
            state.draft = draft;
        }
        let repaint = context.clone();
        let software = is_software(creation);
        if software {
            super::widgets::mark_as_software(&context);
        }
        let delay = if software { SOFTWARE_REPAINT_DELAY } else { REPAINT_DELAY };
        let mut core = AppCore::new(state, move || repaint.request_repaint_after(delay))?;
        // The panel that was in front last time has no content yet; the first step does.
        core.dispatch(Action::Go(Step::Data));
        for what in stored.unreadable {
            core.dispatch(Action::Notify {
                level: Level::Warning,
                text: format!("The saved {what} could not be read; using the defaults"),
            });
        }
        Ok(Self {
            core,
            views: Views::default(),
            tree: stored.tree,
            toasts: Toasts::default(),
            dialog: None,
            settings,
            dialogs_folder: folders.dialogs,
            palette: None,
            shortcuts_open: false,
            about: panels::about::About::new(creation),
            manual: panels::manual::Manual::default(),
            tour: Tour::default(),
            alone: None,
            confirming_close: false,
            closer: super::Closer::default(),
            closing: false,
            title: TITLE.to_owned(),
            frame_times: FrameTimes::default(),
            frame_times_shown: cfg!(debug_assertions),
            worked_s: 0.0,
        })
    }

    /// State, worker and reader.
    pub fn core_mut(&mut self) -> &mut AppCore {
        &mut self.core
    }

    /// Sets the source of requests to close from outside the window.
    pub fn set_closer(&mut self, closer: super::Closer) {
        self.closer = closer;
    }

    /// Runs a command.
    pub fn command(&mut self, command: Command, context: &Context) {
        let action = match command {
            Command::Open => return self.ask(Question::OpenFile, Purpose::Open, self.dialog_folder()),
            Command::OpenRun => {
                let folder = self.core.state.runs_folder.display().to_string();
                return self.ask(Question::OpenFolder, Purpose::Open, folder);
            }
            Command::SaveConfig => {
                let name = "config.toml".to_owned();
                let text = self.dialog_folder() + &name;
                return self.ask(Question::SaveFile { name }, Purpose::SaveConfig, text);
            }
            Command::Quit => return context.send_viewport_cmd(ViewportCommand::Close),
            Command::ShowRuns => return layout::show(&mut self.tree, Pane::Runs),
            Command::ShowLog => return layout::show(&mut self.tree, Pane::Log),
            Command::ShowSimulate => return layout::show(&mut self.tree, Pane::Simulate),
            Command::ShowWatch => return layout::show(&mut self.tree, Pane::Watch),
            Command::ShowQueue => return layout::show(&mut self.tree, Pane::Queue),
            Command::ResetLayout => {
                self.tree = layout::default_tree();
                return layout::show(&mut self.tree, Pane::of(self.core.state.step));
            }
            Command::SideBySide => return self.tree = layout::side_by_side_tree(),
            Command::NextTheme => {
                // Each step changes what is seen: from the theme of the system to the other one first.
                let system = match context.system_theme() {
                    Some(egui::Theme::Light) => ThemePreference::Light,
                    _ => ThemePreference::Dark,
                };
                let other =
                    if system == ThemePreference::Light { ThemePreference::Dark } else { ThemePreference::Light };
                self.settings.theme = match self.settings.theme {
                    ThemePreference::System => other,
                    now if now == other => system,
                    _ => ThemePreference::System,
                };
                return context.set_theme(self.settings.theme);
            }
            Command::ZoomIn => return context.set_zoom_factor((context.zoom_factor() * 1.1).min(3.0)),
            Command::ZoomOut => return context.set_zoom_factor((context.zoom_factor() / 1.1).max(0.5)),
            Command::ZoomReset => return context.set_zoom_factor(1.0),
            Command::Palette => return self.palette = Some(panels::palette::Palette::default()),
            Command::Shortcuts => return self.shortcuts_open = true,
            Command::FrameTimes => return self.frame_times_shown = !self.frame_times_shown,
            Command::About => return self.about.open(),
            Command::Manual => return self.manual.open(),
            Command::Tour => {
                let pane = self.tour.begin();
                return layout::show(&mut self.tree, pane);
            }
            Command::FullScreen => return self.toggle_full_screen(context),
            Command::ExportPicture => {
                self.views.export_picture();
                Action::Go(Step::Result)
            }
            Command::OpenExample => Action::OpenExample,
            Command::ReopenSession => Action::ReopenSession,
            Command::QuickPreview => Action::SetAutoPreview(self.core.state.preview_off),
            Command::Undo => Action::Undo,
            Command::Redo => Action::Redo,
            Command::Start => Action::Start,
            Command::Pause => Action::Steer(match self.core.state.control {
                Control::Pause => Control::Run,
                _ => Control::Pause,
            }),
            Command::Stop => Action::Steer(Control::Stop),
            Command::FinishEpoch => Action::Steer(Control::StopAfterEpoch),
            Command::Reconstruct => Action::Reconstruct,
            Command::Polish => Action::Polish,
            Command::ShowData => Action::Go(Step::Data),
            Command::ShowConfigure => Action::Go(Step::Configure),
            Command::ShowTrain => Action::Go(Step::Train),
            Command::ShowResult => Action::Go(Step::Result),
        };
        self.core.dispatch(action);
    }

    /// Reason why a command cannot run now; `None` if it can.
    pub fn disabled_reason(&self, command: Command) -> Option<String> {
        let state = &self.core.state;
        match command {
            Command::Start => state.why_not_start(),
            Command::Reconstruct => state.why_not_reconstruct(),
            Command::Polish => state.why_not_polish(),
            Command::Pause | Command::Stop | Command::FinishEpoch if !state.is_busy() => {
                Some("No job is running".to_owned())
            }
            Command::FinishEpoch if state.job.stage != Some(Stage::Training) => {
                Some("No training is running".to_owned())
            }
            Command::Undo if state.changes.last().is_none() => Some("Nothing to undo".to_owned()),
            Command::Redo if state.changes.last_undone().is_none() => Some("Nothing to redo".to_owned()),
            Command::ExportPicture if state.result.is_none() => Some("No result yet".to_owned()),
            Command::ReopenSession if state.last_session.is_empty() => Some("Nothing was open last time".to_owned()),
            _ => None,
        }
    }

    /// Shows the active panel alone on the whole screen, or everything again.
    fn toggle_full_screen(&mut self, context: &Context) {
        self.alone = match self.alone {
            Some(_) => None,
            None => layout::active(&self.tree),
        };
        context.send_viewport_cmd(ViewportCommand::Fullscreen(self.alone.is_some()));
    }

    /// Opens a dialog for a path; its field starts with `text`.
    fn ask(&mut self, question: Question, purpose: Purpose, text: String) {
        self.dialog = Some(Dialog::new(question, purpose, text, &self.core.state.recent));
    }

    /// Start of the path in a file dialog: the folder of the latest file, with a trailing separator.
    fn dialog_folder(&self) -> String {
        let state = &self.core.state;
        let file = state.dataset.as_ref().map(|dataset| &dataset.path).or(state.recent.first());
        let folder = file.and_then(|path| path.parent()).unwrap_or(&self.dialogs_folder);
        if folder.as_os_str().is_empty() { String::new() } else { format!("{}/", folder.display()) }
    }

    fn shortcuts(&mut self, context: &Context) {
        if self.dialog.is_some() || self.palette.is_some() {
            return;
        }
        // Those with Shift first: egui also matches a shortcut without Shift while Shift is held.
        let shifted = |command: &Command| command.shortcut().is_some_and(|keys| keys.modifiers.shift);
        let (with, without): (Vec<Command>, Vec<Command>) = Command::ALL.iter().copied().partition(shifted);
        // A text field has its own undo and redo.
        let typing = context.egui_wants_keyboard_input();
        for command in with.into_iter().chain(without) {
            if typing && matches!(command, Command::Undo | Command::Redo) {
                continue;
            }
            let pressed =
                command.shortcut().is_some_and(|keys| context.input_mut(|input| input.consume_shortcut(&keys)));
            if pressed {
                match self.disabled_reason(command) {
                    None => self.command(command, context),
                    Some(text) => self.core.dispatch(Action::Notify { level: Level::Warning, text }),
                }
            }
        }
    }

    fn carry_out_requests(&mut self, context: &Context) {
        for request in self.core.take_requests() {
            match request {
                WindowRequest::Toast(level, text, details) => self.toasts.add(level, text, details),
                WindowRequest::OfferRuns => self.toasts.offer(Command::ShowRuns),
                WindowRequest::ClearProblems => self.toasts.clear_problems(),
                WindowRequest::Show(step) => layout::show(&mut self.tree, Pane::of(step)),
                WindowRequest::Attention => {
                    let attention = egui::UserAttentionType::Informational;
                    context.send_viewport_cmd(ViewportCommand::RequestUserAttention(attention));
                }
            }
        }
    }

    /// Opens dropped files; of several datasets only the first, with a warning.
    fn open_dropped_files(&mut self, context: &Context) {
        let files: Vec<PathBuf> =
            context.input(|input| input.raw.dropped_files.iter().map(|file| file.path().to_path_buf()).collect());
        let is_other = |path: &PathBuf| path.extension().is_some_and(|ending| ending == "toml" || ending == "ptycho");
        let (others, datasets): (Vec<PathBuf>, Vec<PathBuf>) = files.into_iter().partition(is_other);
        // A configuration determines how a dataset is read, so it comes first.
        for file in others.into_iter().chain(datasets.first().cloned()) {
            self.core.dispatch(Action::Open(file));
        }
        if datasets.len() > 1 {
            let text = format!("{} datasets were dropped: the first is opened, all are in the queue", datasets.len());
            self.core.dispatch(Action::Notify { level: Level::Info, text });
            self.core.dispatch(Action::Queue(QueueAction::Add(datasets)));
        }
    }

    /// Asks before closing during a job; closes once a stopped job has ended.
    fn handle_close_requests(&mut self, context: &Context) {
        if context.input(|input| input.viewport().close_requested()) && self.core.state.is_busy() && !self.closing {
            context.send_viewport_cmd(ViewportCommand::CancelClose);
            self.confirming_close = true;
        }
        if self.closer.is_requested() && !self.closing {
            self.close_after(Control::Stop);
        }
        if self.closing && !self.core.state.is_busy() {
            context.send_viewport_cmd(ViewportCommand::Close);
        }
    }

    /// Ends the job in this way; the window closes when it has ended.
    fn close_after(&mut self, control: Control) {
        self.core.dispatch(Action::Steer(control));
        (self.closing, self.confirming_close) = (true, false);
    }

    fn update_title(&mut self, context: &Context) {
        let state = &self.core.state;
        let title = if state.job.status == Status::Running {
            match state.job.stage {
                Some(Stage::Watching) => format!("Watching - {TITLE}"),
                stage => {
                    let stage = stage.map_or("Starting", Stage::label);
                    format!("{:.0} % {stage} - {TITLE}", 100.0 * state.job.progress.fraction)
                }
            }
        } else {
            match state.dataset.as_ref().and_then(|dataset| dataset.path.file_name()) {
                Some(name) => format!("{} - {TITLE}", name.to_string_lossy()),
                None => TITLE.to_owned(),
            }
        };
        if title != self.title {
            context.send_viewport_cmd(ViewportCommand::Title(title.clone()));
            self.title = title;
        }
    }

    fn top_bar(&mut self, ui: &mut egui::Ui) {
        let mut choice = MenuChoice::default();
        egui::MenuBar::new().ui(ui, |ui| {
            ui.menu_button("File", |ui| self.file_menu(ui, &mut choice));
            ui.menu_button("Edit", |ui| self.edit_menu(ui, &mut choice));
            for (title, groups) in MENUS {
                ui.menu_button(title, |ui| self.menu_items(ui, groups, &mut choice));
            }
            ui.with_layout(egui::Layout::right_to_left(egui::Align::Center), |ui| {
                if let Some(dataset) = &self.core.state.dataset {
                    let name = dataset.path.file_name().map(|name| name.to_string_lossy().into_owned());
                    ui.add(egui::Label::new(RichText::new(name.unwrap_or_default()).weak()).truncate());
                }
            });
        });
        if let Some(action) = choice.action {
            self.core.dispatch(action);
        }
        if let Some(command) = choice.command {
            self.command(command, &ui.ctx().clone());
        }
    }

    fn file_menu(&self, ui: &mut egui::Ui, choice: &mut MenuChoice) {
        let open = [
            Command::Open,
            Command::OpenRun,
            Command::OpenExample,
            Command::ReopenSession,
            Command::ShowSimulate,
            Command::ShowWatch,
        ];
        self.menu_items(ui, &[&open], choice);
        ui.menu_button("Recent", |ui| {
            if self.core.state.recent.is_empty() {
                ui.weak("No recent files");
            }
            for path in &self.core.state.recent {
                if ui.button(path.display().to_string()).clicked() {
                    choice.action = Some(Action::Open(path.clone()));
                    ui.close();
                }
            }
        });
        ui.separator();
        self.menu_items(ui, &[&[Command::SaveConfig, Command::ExportPicture], &[Command::Quit]], choice);
    }

    fn edit_menu(&self, ui: &mut egui::Ui, choice: &mut MenuChoice) {
        self.menu_items(ui, &[&[Command::Undo, Command::Redo]], choice);
        ui.separator();
        let writers = [("Copy as command", script::command as fn(&Job) -> String), ("Copy as Python", script::python)];
        for (title, write) in writers {
            ui.menu_button(title, |ui| {
                let jobs = self.core.state.next_jobs();
                if jobs.is_empty() {
                    ui.label("No job can be started now");
                }
                for (name, job) in jobs {
                    if ui.button(name).on_hover_text(write(&job)).clicked() {
                        ui.ctx().copy_text(write(&job));
                        ui.close();
                    }
                }
            });
        }
        ui.separator();
        let mut on = !self.core.state.preview_off;
        let help = "Compute a quick preview of the object when a dataset is opened";
        if ui.checkbox(&mut on, "Quick preview on open").on_hover_text(help).changed() {
            choice.action = Some(Action::SetAutoPreview(on));
        }
    }

    fn menu_items(&self, ui: &mut egui::Ui, groups: &[&[Command]], choice: &mut MenuChoice) {
        for (number, group) in groups.iter().enumerate() {
            if number > 0 {
                ui.separator();
            }
            for command in group.iter().copied() {
                let mut button = egui::Button::new(command.label());
                if let Some(keys) = command.shortcut() {
                    button = button.shortcut_text(ui.ctx().format_shortcut(&keys));
                }
                let reason = self.disabled_reason(command);
                let response = ui.add_enabled(reason.is_none(), button);
                let response = match reason {
                    Some(reason) => response.on_disabled_hover_text(reason),
                    None => response,
                };
                if response.clicked() {
                    choice.command = Some(command);
                    ui.close();
                }
            }
        }
    }

    fn dialogs(&mut self, context: &Context) {
        if let Some(dialog) = self.dialog.take() {
            match dialog.show(context) {
                Answer::Open(dialog) => self.dialog = Some(*dialog),
                Answer::Chosen(purpose, path) => self.use_path(purpose, path),
                Answer::Canceled => {}
            }
        }
        if let Some(mut palette) = self.palette.take() {
            let reasons = |command| self.disabled_reason(command);
            match palette.show(context, &reasons) {
                panels::palette::Choice::Open => self.palette = Some(palette),
                panels::palette::Choice::Chosen(Target::Command(command)) => self.command(command, context),
                panels::palette::Choice::Chosen(Target::Setting(_, label)) => {
                    self.views.search_settings(label);
                    self.core.dispatch(Action::Go(Step::Configure));
                }
                panels::palette::Choice::Canceled => {}
            }
        }
        panels::palette::shortcut_sheet(context, &mut self.shortcuts_open);
        self.about.show(context, &self.core.state);
        self.manual.show(context);
        if let Some(pane) = self.tour.show(context) {
            layout::show(&mut self.tree, pane);
        }
        if self.confirming_close {
            self.confirm_close(context);
        }
    }

    fn use_path(&mut self, purpose: Purpose, path: PathBuf) {
        let action = match purpose {
            Purpose::Open => Action::Open(path),
            Purpose::RunsFolder => Action::ChooseRunsFolder(path),
            Purpose::QueueFile => Action::Queue(QueueAction::Add(vec![absolute(path)])),
            Purpose::QueueFolder => Action::Queue(QueueAction::Add(datasets_in(&absolute(path)))),
            Purpose::WatchFolder => Action::ChooseWatchFolder(absolute(path)),
            Purpose::UseMask => Action::UseMask(absolute(path)),
            Purpose::Setting(setting) => {
                Action::SetField { path: setting.to_owned(), text: absolute(path).display().to_string() }
            }
            Purpose::SaveMask(bytes) => {
                // Written first; the same thread then reads the dataset again.
                self.core.dispatch(Action::Export { path: path.clone(), bytes });
                Action::UseMask(absolute(path))
            }
            Purpose::SaveAndSet(setting, bytes) => {
                // As a mask: written first.
                self.core.dispatch(Action::Export { path: path.clone(), bytes });
                Action::SetField { path: setting.to_owned(), text: absolute(path).display().to_string() }
            }
            Purpose::Source(source) => Action::SetSource(source, path),
            Purpose::Simulate => Action::Simulate(path),
            Purpose::SaveConfig => Action::SaveConfig(path),
            Purpose::ExportRuns(folders, format) => {
                let single = folders.len() == 1;
                let target = |run: &PathBuf| {
                    if single { path.clone() } else { path.join(format.file_name(&file_name(run))) }
                };
                let runs = folders.iter().map(|run| (run.clone(), target(run))).collect();
                Action::ExportRuns { runs, format }
            }
            Purpose::Export(bytes) => Action::Export { path, bytes },
        };
        self.core.dispatch(action);
    }

    fn confirm_close(&mut self, context: &Context) {
        let modal = egui::Modal::new(egui::Id::unique("close guard")).show(context, |ui| {
            ui.set_width(380.0);
            // Watching saves each result as it is finished: there is nothing to discard.
            let watching = self.core.state.is_watching();
            let (title, text, stop) = if watching {
                ("A folder is being watched", "Stop watching? Results so far are kept.", "Stop and close")
            } else {
                ("A job is running", "Stop it and save the result, or continue?", "Stop, save and close")
            };
            ui.heading(title);
            ui.label(text);
            ui.add_space(8.0);
            ui.horizontal(|ui| {
                if ui.button(stop).clicked() {
                    self.close_after(Control::Stop);
                }
                if !watching && ui.button("Discard and close").clicked() {
                    self.close_after(Control::Discard);
                }
                if ui.button("Continue").clicked() {
                    self.confirming_close = false;
                }
            });
        });
        if modal.should_close() {
            self.confirming_close = false;
        }
    }

    /// Draws menu, panels and status bar.
    fn panels(&mut self, ui: &mut egui::Ui, actions: &mut Vec<Action>) {
        egui::Panel::top("menu").show(ui, |ui| self.top_bar(ui));
        let times = self.frame_times_shown.then(|| self.frame_times.text());
        egui::Panel::bottom("status").show(ui, |ui| {
            let renderer = self.about.renderer().to_owned();
            if panels::status::show(ui, &self.core.state, &renderer, times.as_deref(), actions) {
                self.about.open();
            }
        });
        egui::CentralPanel::default().frame(egui::Frame::NONE).show(ui, |ui| {
            let mut drawer = Drawer { state: &self.core.state, views: &mut self.views, actions };
            self.tree.ui(&mut drawer, ui);
        });
    }

    /// Carries out what panels have left for the window.
    fn handle_outbox(&mut self, context: &Context) {
        let Outbox {
            export,
            save_beside,
            save_and_set,
            export_runs,
            command,
            choose_runs_folder,
            mask,
            choose_watch_folder,
            queue_file,
            queue_folder,
            choose_mask,
            choose_file_of,
            choose_source,
            simulate,
        } = self.views.take_outbox();
        if let Some((name, bytes)) = export {
            // An export belongs to the run that is shown.
            let folder = self.core.state.result.as_ref().map(|result| result.folder.clone());
            let folder = folder.filter(|folder| folder.is_dir()).and_then(|folder| std::path::absolute(folder).ok());
            let text = folder.map_or_else(|| self.dialog_folder() + &name, |f| f.join(&name).display().to_string());
            self.ask(Question::SaveFile { name }, Purpose::Export(bytes), text);
        }
        if let Some((folders, format)) = export_runs {
            let name = folders.first().map(|run| format.file_name(&file_name(run))).unwrap_or_default();
            let (question, text) = match folders.as_slice() {
                [run] => (Question::SaveFile { name: name.clone() }, run.join(&name).display().to_string()),
                _ => (Question::OpenFolder, self.dialog_folder()),
            };
            self.ask(question, Purpose::ExportRuns(folders, format), text);
        }
        if let Some((name, bytes)) = save_beside {
            let text = self.dialog_folder() + &name;
            self.ask(Question::SaveFile { name }, Purpose::Export(bytes), text);
        }
        if let Some((setting, name, bytes)) = save_and_set {
            let text = self.dialog_folder() + &name;
            self.ask(Question::SaveFile { name }, Purpose::SaveAndSet(setting, bytes), text);
        }
        if let Some((name, bytes)) = mask {
            let text = self.dialog_folder() + &name;
            self.ask(Question::SaveFile { name }, Purpose::SaveMask(bytes), text);
        }
        if queue_file {
            let question = Question::ChooseFile { title: "Add a dataset to the queue".to_owned() };
            self.ask(question, Purpose::QueueFile, self.dialog_folder());
        }
        if queue_folder {
            self.ask(Question::OpenFolder, Purpose::QueueFolder, self.dialog_folder());
        }
        if choose_mask {
            let question = Question::ChooseFile { title: "Bad-pixel mask".to_owned() };
            self.ask(question, Purpose::UseMask, self.dialog_folder());
        }
        if let Some(setting) = choose_file_of {
            let title = Config::field(setting).map_or(setting, |field| field.label).to_owned();
            self.ask(Question::ChooseFile { title }, Purpose::Setting(setting), self.dialog_folder());
        }
        if let Some(source) = choose_source {
            let question = Question::ChooseFile { title: source.label().to_owned() };
            self.ask(question, Purpose::Source(source), self.dialog_folder());
        }
        if let Some(name) = simulate {
            let text = self.dialog_folder() + &name;
            self.ask(Question::SaveFile { name }, Purpose::Simulate, text);
        }
        if choose_runs_folder {
            let text = self.core.state.runs_folder.display().to_string();
            self.ask(Question::OpenFolder, Purpose::RunsFolder, text);
        }
        if choose_watch_folder {
            let folder = self.core.state.watch.folder.as_ref().map(|folder| folder.display().to_string());
            let text = folder.unwrap_or_else(|| self.dialog_folder());
            self.ask(Question::OpenFolder, Purpose::WatchFolder, text);
        }
        if let Some(command) = command {
            self.command(command, context);
        }
    }
}

impl eframe::App for App {
    fn logic(&mut self, context: &Context, _: &mut eframe::Frame) {
        let began = Instant::now();
        self.core.poll();
        self.carry_out_requests(context);
        self.handle_close_requests(context);
        self.update_title(context);
        self.worked_s = began.elapsed().as_secs_f64();
    }

    fn ui(&mut self, ui: &mut egui::Ui, _: &mut eframe::Frame) {
        let began = Instant::now();
        let context = ui.ctx().clone();
        self.open_dropped_files(&context);
        self.shortcuts(&context);
        let mut actions = Vec::new();
        if self.alone.is_some() && crate::ui::widgets::escape_pressed(&context) {
            self.toggle_full_screen(&context);
        }
        if let Some(pane) = self.alone {
            egui::CentralPanel::default().show(ui, |ui| self.views.show(pane, ui, &self.core.state, &mut actions));
        } else {
            self.panels(ui, &mut actions);
        }
        for action in actions {
            self.core.dispatch(action);
        }
        self.handle_outbox(&context);
        self.dialogs(&context);
        self.carry_out_requests(&context);
        if let Some(command) = self.toasts.show(&context) {
            self.command(command, &context);
        }
        self.settings.zoom = context.zoom_factor();
        self.frame_times.add(std::mem::take(&mut self.worked_s) + began.elapsed().as_secs_f64());
    }

    fn save(&mut self, storage: &mut dyn eframe::Storage) {
        self.settings.recent.clone_from(&self.core.state.recent);
        self.settings.runs_folder.clone_from(&self.core.state.runs_folder);
        self.settings.pace = self.core.state.pace;
        self.settings.first_look = !self.core.state.preview_off;
        self.settings.watch_folder.clone_from(&self.core.state.watch.folder);
        self.settings.watch_polish = self.core.state.watch.polish_epochs;
        self.settings.watch_direct = self.core.state.watch.direct;
        self.settings.session = self.core.state.session();
        persist::save(storage, &self.settings, &self.tree, &self.core.state);
    }
}

#[cfg(test)]
mod tests;
