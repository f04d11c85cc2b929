//! The window, frame by frame.

use super::commands::Command;
use super::desk::{Desk, Wish};
use super::dialogs::{Answer, Dialog, Question};
use super::frame_times::FrameTimes;
use super::layout::{self, Drawer, Pane};
use super::panels::{self, Views};
use super::toasts::Toasts;
use super::{persist, theme};
use crate::config::Config;
use crate::error::Result;
use crate::session::{Action, Draft, Level, OpenWatch, Source, State, Status};
use crate::worker::message::{Control, Stage};
use eframe::egui::{self, Context, RichText, ThemePreference, ViewportCommand};
use egui_tiles::Tree;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// Title of the window while nothing runs.
pub(super) const TITLE: &str = "Ptychoscope";

/// Longest time from news of a job to the frame that shows it: many events share one frame.
const PAUSE: Duration = Duration::from_millis(30);
/// The same where frames are drawn by the processor that trains: every frame is time taken from the training.
const SOFTWARE_PAUSE: Duration = Duration::from_millis(500);

/// Whether the window is drawn without a graphics card, as far as is known.
fn is_software(creation: &eframe::CreationContext<'_>) -> bool {
    use eframe::wgpu::DeviceType;
    creation.wgpu_render_state.as_ref().is_none_or(|state| {
        !matches!(
            state.adapter.get_info().device_type,
            DeviceType::DiscreteGpu | DeviceType::IntegratedGpu | DeviceType::VirtualGpu
        )
    })
}

/// A path as it is from anywhere: the configuration of a run names it.
fn whole(path: PathBuf) -> PathBuf {
    std::path::absolute(&path).unwrap_or(path)
}

/// What a chosen path is for.
enum Purpose {
    Open,
    SaveConfig,
    RunsFolder,
    WatchFolder,
    Source(Source),
    Simulate,
    UseMask,
    SaveMask(Vec<u8>),
    Export(Vec<u8>),
}

/// The window.
pub struct App {
    desk: Desk,
    views: Views,
    tree: Tree<Pane>,
    toasts: Toasts,
    dialog: Option<Dialog<Purpose>>,
    settings: persist::Settings,
    palette: Option<panels::palette::Palette>,
    shortcuts_open: bool,
    about: panels::about::About,
    asked_to_close: bool,
    /// Asks from outside.
    closer: super::Closer,
    closing: bool,
    title: String,
    frame_times: FrameTimes,
    frame_times_shown: bool,
    /// Time of the part of the frame that is done, in seconds.
    worked_s: f64,
}

impl App {
    /// Reads what was kept and starts the threads.
    ///
    /// # Errors
    /// The system gives no thread.
    pub fn new(creation: &eframe::CreationContext<'_>) -> Result<Self> {
        let context = creation.egui_ctx.clone();
        theme::install(&context);
        let kept = persist::load(creation.storage);
        context.set_theme(kept.settings.theme);
        context.set_zoom_factor(kept.settings.zoom.clamp(0.5, 3.0));
        let mut state = State {
            recent: kept.settings.recent.clone(),
            runs_folder: kept.settings.runs_folder.clone(),
            pace: kept.settings.pace,
            no_first_look: !kept.settings.first_look,
            watch: OpenWatch { folder: kept.settings.watch_folder.clone(), polish_epochs: kept.settings.watch_polish },
            presets_folder: persist::presets_folder(),
            ..State::default()
        };
        if let Some(config) = kept.config.as_deref().and_then(|text| Config::from_toml(text).ok()) {
            let mut draft = Draft::default();
            for (field, text) in Config::fields().iter().filter_map(|f| Some((f.path, config.get(f.path).ok()?))) {
                draft.set(field, &text);
            }
            state.draft = draft;
        }
        let repaint = context.clone();
        let pause = if is_software(creation) { SOFTWARE_PAUSE } else { PAUSE };
        let mut desk = Desk::new(state, move || repaint.request_repaint_after(pause))?;
        // The panel that was in front has nothing to show yet; the first step has.
        desk.act(Action::Go(crate::session::Step::Data));
        for what in kept.lost {
            desk.act(Action::Say {
                level: Level::Warning,
                text: format!("The kept {what} could not be read and starts anew"),
            });
        }
        Ok(Self {
            desk,
            views: Views::default(),
            tree: kept.tree,
            toasts: Toasts::default(),
            dialog: None,
            settings: kept.settings,
            palette: None,
            shortcuts_open: false,
            about: panels::about::About::new(creation),
            asked_to_close: false,
            closer: super::Closer::default(),
            closing: false,
            title: TITLE.to_owned(),
            frame_times: FrameTimes::default(),
            frame_times_shown: cfg!(debug_assertions),
            worked_s: 0.0,
        })
    }

    /// State, worker and reader.
    pub fn desk_mut(&mut self) -> &mut Desk {
        &mut self.desk
    }

    /// Lets something outside of the window close it.
    pub fn close_by(&mut self, closer: super::Closer) {
        self.closer = closer;
    }

    /// Carries a command out.
    pub fn command(&mut self, command: Command, context: &Context) {
        let act = match command {
            Command::Open => {
                self.dialog = Some(Dialog::new(Question::OpenFile, Purpose::Open, self.start_of_path()));
                return;
            }
            Command::OpenRun => {
                let text = self.desk.state.runs_folder.display().to_string();
                self.dialog = Some(Dialog::new(Question::OpenFolder, Purpose::Open, text));
                return;
            }
            Command::SaveConfig => {
                let name = "config.toml".to_owned();
                self.dialog = Some(Dialog::new(Question::SaveFile { name: name.clone() }, Purpose::SaveConfig, name));
                return;
            }
            Command::Quit => {
                context.send_viewport_cmd(ViewportCommand::Close);
                return;
            }
            Command::ShowRuns => return layout::show(&mut self.tree, Pane::Runs),
            Command::ShowLog => return layout::show(&mut self.tree, Pane::Log),
            Command::ShowSimulate => return layout::show(&mut self.tree, Pane::Simulate),
            Command::ShowWatch => return layout::show(&mut self.tree, Pane::Watch),
            Command::FirstLook => Action::SetFirstLook(self.desk.state.no_first_look),
            Command::Undo => Action::Undo,
            Command::Redo => Action::Redo,
            Command::ResetLayout => {
                self.tree = layout::default_tree();
                return layout::show(&mut self.tree, Pane::of(self.desk.state.step));
            }
            Command::NextTheme => {
                self.settings.theme = match self.settings.theme {
                    ThemePreference::System => ThemePreference::Dark,
                    ThemePreference::Dark => ThemePreference::Light,
                    ThemePreference::Light => ThemePreference::System,
                };
                return context.set_theme(self.settings.theme);
            }
            Command::ZoomIn => return context.set_zoom_factor((context.zoom_factor() * 1.1).min(3.0)),
            Command::ZoomOut => return context.set_zoom_factor((context.zoom_factor() / 1.1).max(0.5)),
            Command::ZoomReset => return context.set_zoom_factor(1.0),
            Command::Palette => {
                self.palette = Some(panels::palette::Palette::default());
                return;
            }
            Command::Shortcuts => {
                self.shortcuts_open = true;
                return;
            }
            Command::FrameTimes => {
                self.frame_times_shown = !self.frame_times_shown;
                return;
            }
            Command::About => return self.about.open(),
            Command::ExportPicture => {
                self.views.export_picture();
                Action::Go(crate::session::Step::Result)
            }
            Command::OpenExample => Action::OpenExample,
            Command::Start => Action::Start,
            Command::Pause => Action::Steer(match self.desk.state.control {
                Control::Pause => Control::Run,
                _ => Control::Pause,
            }),
            Command::Stop => Action::Steer(Control::Stop),
            Command::FinishEpoch => Action::Steer(Control::StopAfterEpoch),
            Command::Reconstruct => Action::Reconstruct,
            Command::Polish => Action::Polish,
            Command::ShowData => Action::Go(crate::session::Step::Data),
            Command::ShowConfigure => Action::Go(crate::session::Step::Configure),
            Command::ShowTrain => Action::Go(crate::session::Step::Train),
            Command::ShowResult => Action::Go(crate::session::Step::Result),
        };
        self.desk.act(act);
    }

    /// Why a command cannot be carried out now; none if it can.
    pub fn why_not(&self, command: Command) -> Option<String> {
        let state = &self.desk.state;
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
            Command::Undo if state.changes.last().is_none() => Some("Nothing was changed yet".to_owned()),
            Command::Redo if state.changes.last_undone().is_none() => Some("Nothing was taken back".to_owned()),
            Command::ExportPicture if state.result.is_none() => Some("There is no result yet".to_owned()),
            _ => None,
        }
    }

    fn start_of_path(&self) -> String {
        let folder = self.desk.state.recent.first().and_then(|path| path.parent()).map(PathBuf::from);
        folder.or_else(|| std::env::current_dir().ok()).map(|path| format!("{}/", path.display())).unwrap_or_default()
    }

    fn shortcuts(&mut self, context: &Context) {
        if self.dialog.is_some() || self.palette.is_some() {
            return;
        }
        // Those with Shift first: a shortcut without it is also met with it.
        let shifted = |command: &Command| command.shortcut().is_some_and(|keys| keys.modifiers.shift);
        let (with, without): (Vec<Command>, Vec<Command>) = Command::ALL.iter().copied().partition(shifted);
        // A field that is typed into has its own.
        let typing = context.egui_wants_keyboard_input();
        for command in with.into_iter().chain(without) {
            if typing && matches!(command, Command::Undo | Command::Redo) {
                continue;
            }
            let pressed =
                command.shortcut().is_some_and(|keys| context.input_mut(|input| input.consume_shortcut(&keys)));
            if pressed {
                match self.why_not(command) {
                    None => self.command(command, context),
                    Some(text) => self.desk.act(Action::Say { level: Level::Warning, text }),
                }
            }
        }
    }

    fn fulfil(&mut self, context: &Context) {
        for wish in self.desk.wishes() {
            match wish {
                Wish::Toast(level, text, details) => self.toasts.add(level, text, details),
                Wish::Show(step) => layout::show(&mut self.tree, Pane::of(step)),
                Wish::Attention => {
                    let attention = egui::UserAttentionType::Informational;
                    context.send_viewport_cmd(ViewportCommand::RequestUserAttention(attention));
                }
            }
        }
    }

    /// Files that were dropped on the window; of several datasets one is opened, which is said.
    fn dropped(&mut self, context: &Context) {
        let files: Vec<PathBuf> =
            context.input(|input| input.raw.dropped_files.iter().map(|file| file.path().to_path_buf()).collect());
        let is_beside = |path: &PathBuf| path.extension().is_some_and(|ending| ending == "toml" || ending == "ptycho");
        let (beside, datasets): (Vec<PathBuf>, Vec<PathBuf>) = files.into_iter().partition(is_beside);
        // A configuration says how a dataset is read, so it comes first.
        for file in beside.into_iter().chain(datasets.first().cloned()) {
            self.desk.act(Action::Open(file));
        }
        if datasets.len() > 1 {
            let text = format!("{} files were dropped; the first is opened", datasets.len());
            self.desk.act(Action::Say { level: Level::Warning, text });
        }
    }

    /// Closing while a job runs is asked about, not done.
    fn guard_closing(&mut self, context: &Context) {
        if context.input(|input| input.viewport().close_requested()) && self.desk.state.is_busy() && !self.closing {
            context.send_viewport_cmd(ViewportCommand::CancelClose);
            self.asked_to_close = true;
        }
        if self.closer.is_asked() && !self.closing {
            self.desk.act(Action::Steer(Control::Stop));
            (self.closing, self.asked_to_close) = (true, false);
        }
        if self.closing && !self.desk.state.is_busy() {
            context.send_viewport_cmd(ViewportCommand::Close);
        }
    }

    fn retitle(&mut self, context: &Context) {
        let state = &self.desk.state;
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
        let mut chosen = None;
        let mut open_recent = None;
        let mut first_look = None;
        egui::MenuBar::new().ui(ui, |ui| {
            let mut item = |ui: &mut egui::Ui, command: Command, reason: Option<String>| {
                let mut button = egui::Button::new(command.label());
                if let Some(keys) = command.shortcut() {
                    button = button.shortcut_text(ui.ctx().format_shortcut(&keys));
                }
                let response = ui.add_enabled(reason.is_none(), button);
                let response = match reason {
                    Some(reason) => response.on_disabled_hover_text(reason),
                    None => response,
                };
                if response.clicked() {
                    chosen = Some(command);
                    ui.close();
                }
            };
            ui.menu_button("File", |ui| {
                item(ui, Command::Open, None);
                item(ui, Command::OpenRun, None);
                item(ui, Command::OpenExample, None);
                item(ui, Command::ShowSimulate, None);
                item(ui, Command::ShowWatch, None);
                ui.menu_button("Recent", |ui| {
                    if self.desk.state.recent.is_empty() {
                        ui.weak("Nothing was opened yet");
                    }
                    for path in &self.desk.state.recent {
                        if ui.button(path.display().to_string()).clicked() {
                            open_recent = Some(path.clone());
                            ui.close();
                        }
                    }
                });
                ui.separator();
                item(ui, Command::SaveConfig, None);
                item(ui, Command::ExportPicture, self.why_not(Command::ExportPicture));
                ui.separator();
                item(ui, Command::Quit, None);
            });
            ui.menu_button("Edit", |ui| {
                item(ui, Command::Undo, self.why_not(Command::Undo));
                item(ui, Command::Redo, self.why_not(Command::Redo));
                ui.separator();
                let mut on = !self.desk.state.no_first_look;
                let about = "A quick solution of a few seconds when a dataset is opened";
                if ui.checkbox(&mut on, "First look on opening").on_hover_text(about).changed() {
                    first_look = Some(on);
                }
            });
            ui.menu_button("Run", |ui| {
                for command in [
                    Command::Start,
                    Command::Pause,
                    Command::Stop,
                    Command::FinishEpoch,
                    Command::Reconstruct,
                    Command::Polish,
                ] {
                    item(ui, command, self.why_not(command));
                }
            });
            ui.menu_button("View", |ui| {
                for command in [
                    Command::ShowData,
                    Command::ShowConfigure,
                    Command::ShowTrain,
                    Command::ShowResult,
                    Command::ShowRuns,
                    Command::ShowLog,
                ] {
                    item(ui, command, None);
                }
                ui.separator();
                item(ui, Command::ResetLayout, None);
                item(ui, Command::NextTheme, None);
                ui.separator();
                for command in [Command::ZoomIn, Command::ZoomOut, Command::ZoomReset] {
                    item(ui, command, None);
                }
            });
            ui.menu_button("Help", |ui| {
                for command in [Command::Palette, Command::Shortcuts, Command::FrameTimes, Command::About] {
                    item(ui, command, None);
                }
            });
            ui.with_layout(egui::Layout::right_to_left(egui::Align::Center), |ui| {
                if let Some(dataset) = &self.desk.state.dataset {
                    let name = dataset.path.file_name().map(|name| name.to_string_lossy().into_owned());
                    ui.add(egui::Label::new(RichText::new(name.unwrap_or_default()).weak()).truncate());
                }
            });
        });
        if let Some(path) = open_recent {
            self.desk.act(Action::Open(path));
        }
        if let Some(on) = first_look {
            self.desk.act(Action::SetFirstLook(on));
        }
        if let Some(command) = chosen {
            self.command(command, &ui.ctx().clone());
        }
    }

    fn dialogs(&mut self, context: &Context) {
        if let Some(dialog) = self.dialog.take() {
            match dialog.show(context) {
                Answer::Open(dialog) => self.dialog = Some(dialog),
                Answer::Chosen(Purpose::Open, path) => self.desk.act(Action::Open(path)),
                Answer::Chosen(Purpose::RunsFolder, path) => self.desk.act(Action::ChooseRunsFolder(path)),
                Answer::Chosen(Purpose::WatchFolder, path) => self.desk.act(Action::ChooseWatchFolder(whole(path))),
                Answer::Chosen(Purpose::UseMask, path) => self.desk.act(Action::UseMask(whole(path))),
                Answer::Chosen(Purpose::SaveMask(bytes), path) => {
                    // Written first; the dataset is read again after it, by the same thread.
                    self.desk.act(Action::Export { path: path.clone(), bytes });
                    self.desk.act(Action::UseMask(whole(path)));
                }
                Answer::Chosen(Purpose::Source(source), path) => self.desk.act(Action::SetSource(source, path)),
                Answer::Chosen(Purpose::Simulate, path) => self.desk.act(Action::Simulate(path)),
                Answer::Chosen(Purpose::SaveConfig, path) => self.desk.act(Action::SaveConfig(path)),
                Answer::Chosen(Purpose::Export(bytes), path) => self.desk.act(Action::Export { path, bytes }),
                Answer::Cancelled => {}
            }
        }
        if let Some(mut palette) = self.palette.take() {
            let reasons = |command| self.why_not(command);
            match palette.show(context, &reasons) {
                panels::palette::Choice::Open => self.palette = Some(palette),
                panels::palette::Choice::Chosen(command) => self.command(command, context),
                panels::palette::Choice::Cancelled => {}
            }
        }
        panels::palette::shortcut_sheet(context, &mut self.shortcuts_open);
        self.about.show(context, &self.desk.state);
        if self.asked_to_close {
            self.ask_about_closing(context);
        }
    }

    fn ask_about_closing(&mut self, context: &Context) {
        let modal = egui::Modal::new(egui::Id::unique("close guard")).show(context, |ui| {
            ui.set_width(380.0);
            // A watch keeps its results as they come.
            let watching = self.desk.state.is_watching();
            let (title, text, stop) = if watching {
                ("A folder is being watched", "End the watch? The results so far are kept.", "Stop and close")
            } else {
                let text = "Stop it and keep what was learnt so far, or go on?";
                ("A job is running", text, "Stop, keep and close")
            };
            ui.heading(title);
            ui.label(text);
            ui.add_space(8.0);
            ui.horizontal(|ui| {
                if ui.button(stop).clicked() {
                    self.desk.act(Action::Steer(Control::Stop));
                    self.closing = true;
                    self.asked_to_close = false;
                }
                if !watching && ui.button("Discard and close").clicked() {
                    self.desk.act(Action::Steer(Control::Discard));
                    self.closing = true;
                    self.asked_to_close = false;
                }
                if ui.button("Go on").clicked() {
                    self.asked_to_close = false;
                }
            });
        });
        if modal.should_close() {
            self.asked_to_close = false;
        }
    }
}

impl eframe::App for App {
    fn logic(&mut self, context: &Context, _: &mut eframe::Frame) {
        let began = Instant::now();
        self.desk.listen();
        self.fulfil(context);
        self.guard_closing(context);
        self.retitle(context);
        self.worked_s = began.elapsed().as_secs_f64();
    }

    fn ui(&mut self, ui: &mut egui::Ui, _: &mut eframe::Frame) {
        let began = Instant::now();
        let context = ui.ctx().clone();
        self.dropped(&context);
        self.shortcuts(&context);
        egui::Panel::top("menu").show(ui, |ui| self.top_bar(ui));
        let mut actions = Vec::new();
        let times = self.frame_times_shown.then(|| self.frame_times.text());
        egui::Panel::bottom("status").show(ui, |ui| {
            let window = self.about.renderer().to_owned();
            if panels::status::show(ui, &self.desk.state, &window, times.as_deref(), &mut actions) {
                self.about.open();
            }
        });
        egui::CentralPanel::default().frame(egui::Frame::NONE).show(ui, |ui| {
            let mut drawer = Drawer { state: &self.desk.state, views: &mut self.views, actions: &mut actions };
            self.tree.ui(&mut drawer, ui);
        });
        for action in actions {
            self.desk.act(action);
        }
        if let Some((name, bytes)) = self.views.take_export() {
            // What is exported belongs to the run that is shown.
            let folder = self.desk.state.result.as_ref().map(|result| result.folder.clone());
            let folder = folder.filter(|folder| folder.is_dir()).and_then(|folder| std::path::absolute(folder).ok());
            let text = folder.map_or_else(|| self.start_of_path() + &name, |f| f.join(&name).display().to_string());
            self.dialog = Some(Dialog::new(Question::SaveFile { name }, Purpose::Export(bytes), text));
        }
        if let Some((name, bytes)) = self.views.take_mask() {
            let text = self.start_of_path() + &name;
            self.dialog = Some(Dialog::new(Question::SaveFile { name }, Purpose::SaveMask(bytes), text));
        }
        if self.views.take_choose_mask() {
            let question = Question::ChooseFile { what: "Mask of bad pixels".to_owned() };
            self.dialog = Some(Dialog::new(question, Purpose::UseMask, self.start_of_path()));
        }
        if let Some(source) = self.views.take_choose_source() {
            let question = Question::ChooseFile { what: source.label().to_owned() };
            self.dialog = Some(Dialog::new(question, Purpose::Source(source), self.start_of_path()));
        }
        if let Some(name) = self.views.take_simulate() {
            let text = self.start_of_path() + &name;
            self.dialog = Some(Dialog::new(Question::SaveFile { name }, Purpose::Simulate, text));
        }
        if self.views.take_choose_runs_folder() {
            let text = self.desk.state.runs_folder.display().to_string();
            self.dialog = Some(Dialog::new(Question::OpenFolder, Purpose::RunsFolder, text));
        }
        if self.views.take_choose_watch_folder() {
            let folder = self.desk.state.watch.folder.as_ref().map(|folder| folder.display().to_string());
            let text = folder.unwrap_or_else(|| self.start_of_path());
            self.dialog = Some(Dialog::new(Question::OpenFolder, Purpose::WatchFolder, text));
        }
        if let Some(command) = self.views.take_command() {
            self.command(command, &context);
        }
        self.dialogs(&context);
        self.fulfil(&context);
        self.toasts.show(&context);
        self.settings.zoom = context.zoom_factor();
        self.frame_times.add(std::mem::take(&mut self.worked_s) + began.elapsed().as_secs_f64());
    }

    fn save(&mut self, storage: &mut dyn eframe::Storage) {
        self.settings.recent.clone_from(&self.desk.state.recent);
        self.settings.runs_folder.clone_from(&self.desk.state.runs_folder);
        self.settings.pace = self.desk.state.pace;
        self.settings.first_look = !self.desk.state.no_first_look;
        self.settings.watch_folder.clone_from(&self.desk.state.watch.folder);
        self.settings.watch_polish = self.desk.state.watch.polish_epochs;
        persist::save(storage, &self.settings, &self.tree, &self.desk.state);
    }
}

#[cfg(test)]
#[path = "app_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "shell_tests.rs"]
mod shell_tests;

#[cfg(test)]
#[path = "picture_tests.rs"]
mod picture_tests;
