//! Watched folder: datasets that arrive in it are reconstructed, with the direct solver or the loaded model, and listed with their
//! status.

use super::Outbox;
use super::configure::editor::value_text;
use super::train::Latest;
use crate::config::{Config, Method};
use crate::session::{Action, Level, State, Step, settings_of};
use crate::system::file_name;
use crate::ui::commands::Command;
use crate::ui::theme;
use crate::ui::widgets::mark::mark;
use crate::ui::widgets::numbers::{grouped, short};
use crate::ui::widgets::{primary_button, spinner};
use crate::worker::message::JobKind;
use crate::worker::message::{Control, FileStatus, Stage, WatchedFile};
use eframe::egui::{self, Align, Button, DragValue, Label, Layout, Panel, RichText, ScrollArea, TextEdit, Ui, vec2};
use egui_extras::{Column, TableBuilder, TableRow};
use std::path::Path;

/// Minimum width, in points, to show list and image side by side.
const WIDE: f32 = 900.0;
/// Minimum width, in points, to show all columns of the list.
const NARROW: f32 = 520.0;
/// Height of a row of the list, in points.
const ROW: f32 = 26.0;
/// Heading of the column with the number of patterns.
const PATTERNS: &str = "Patterns";
/// Headings of the list, with their tooltips.
const HEADINGS: [(&str, &str); 6] = [
    ("File", ""),
    ("Status", ""),
    (PATTERNS, ""),
    ("ms/pattern", "Prediction, stitching and polish"),
    ("Misfit", "Σ(|F| − √I)² / ΣI of the result"),
    ("", ""),
];
/// Maximum number of polish epochs.
const MAX_POLISH_EPOCHS: usize = 500;

/// Display state of the panel.
#[derive(Default)]
pub struct View {
    latest: Latest,
}

impl View {
    /// Draws the panel.
    pub fn show(&mut self, ui: &mut Ui, state: &State, outbox: &mut Outbox, actions: &mut Vec<Action>) {
        let palette = theme::palette(ui);
        ui.horizontal_wrapped(|ui| {
            ui.label(RichText::new("Watch a folder").heading());
            let text = "Reconstructs datasets as they arrive";
            ui.label(RichText::new(text).color(palette.weak));
        });
        ui.separator();
        Panel::bottom("start of the watch")
            .frame(egui::Frame::NONE.inner_margin(egui::Margin { top: 8, ..egui::Margin::ZERO }))
            .show(ui, |ui| start(ui, state, actions));
        ui.add_enabled_ui(!state.is_watching(), |ui| set_up(ui, state, outbox, actions));
        ui.add_space(6.0);
        let is_watch = state.job.is(JobKind::Watch);
        let picture = state.live_pictures.newest().filter(|_| is_watch);
        if ui.available_width() >= WIDE && picture.is_some() {
            let space = ui.available_size();
            ui.horizontal_top(|ui| {
                let left = vec2(0.55 * space.x, space.y);
                ui.allocate_ui_with_layout(left, Layout::top_down(Align::Min), |ui| {
                    ui.set_min_size(left);
                    list(ui, state, actions);
                });
                ui.add_space(8.0);
                ui.vertical(|ui| {
                    if let Some(picture) = picture {
                        self.picture(ui, state, picture, space.y);
                    }
                });
            });
        } else {
            let height = ui.available_height();
            let split = picture.is_some() && height > 420.0;
            let size = vec2(ui.available_width(), if split { 0.5 * height } else { height });
            ui.allocate_ui_with_layout(size, Layout::top_down(Align::Min), |ui| {
                ui.set_min_size(size);
                list(ui, state, actions);
            });
            if let Some(picture) = picture.filter(|_| split) {
                let rest = ui.available_height();
                self.picture(ui, state, picture, rest);
            }
        }
    }

    fn picture(
        &mut self,
        ui: &mut Ui,
        state: &State,
        picture: &std::sync::Arc<crate::worker::message::Picture>,
        height: f32,
    ) {
        let done = |file: &&WatchedFile| matches!(file.status, FileStatus::Done { .. });
        let newest = state.job.watched.files.iter().rev().find(done);
        let name =
            newest.map_or_else(|| "Latest result".to_owned(), |file| format!("Latest: {}", file_name(&file.path)));
        let top = ui.cursor().top();
        ui.add(Label::new(RichText::new(name).strong()).truncate());
        let rest = height - (ui.cursor().top() - top);
        self.latest.show(ui, picture, rest, "the latest result");
    }
}

/// A row of the settings: its name, and what `add` draws with the label's id.
fn row(ui: &mut Ui, name: &str, add: impl FnOnce(&mut Ui, egui::Id)) {
    const INDENT: f32 = 64.0;
    ui.horizontal(|ui| {
        let height = ui.spacing().interact_size.y;
        let label = ui.allocate_ui_with_layout(vec2(INDENT, height), Layout::left_to_right(Align::Center), |ui| {
            ui.set_min_width(INDENT);
            ui.label(name)
        });
        add(ui, label.inner.id);
    });
}

/// Settings: method, folder, and what belongs to the method.
fn set_up(ui: &mut Ui, state: &State, outbox: &mut Outbox, actions: &mut Vec<Action>) {
    let palette = theme::palette(ui);
    let direct = state.watches_directly();
    row(ui, "Method", |ui, _| {
        for (name, value, help) in [
            ("Direct solver", true, "Every dataset by itself, without a model"),
            ("Trained model", false, "Faster, for datasets like the one that the model was trained on"),
        ] {
            if ui.selectable_label(direct == value, name).on_hover_text(help).clicked() {
                actions.push(Action::SetWatchDirect(value));
            }
        }
    });
    if direct {
        row(ui, "Settings", |ui, _| solver(ui, state, actions));
    } else {
        row(ui, "Model", |ui, _| model(ui, state, outbox));
    }
    row(ui, "Folder", |ui, label| {
        let browse = ui.button("Browse…");
        browse.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Button, true, "Browse for the folder"));
        if browse.clicked() {
            outbox.choose_watch_folder = true;
        }
        let folder = state.watch.folder.as_deref().unwrap_or(Path::new(""));
        let mut text = folder.display().to_string();
        let field = TextEdit::singleline(&mut text)
            .desired_width((ui.available_width() - 16.0).clamp(80.0, 620.0))
            .hint_text("Path of the folder to watch");
        if ui.add(field).labelled_by(label).changed() {
            actions.push(Action::ChooseWatchFolder(text.trim().into()));
        }
    });
    if !direct {
        row(ui, "Polish", |ui, label| polish(ui, state, label, actions));
    }
    if let Some(folder) = &state.watch.folder {
        row(ui, "Results", |ui, _| {
            let text = folder.join("reconstructed").display().to_string();
            ui.add(Label::new(RichText::new(text).monospace().color(palette.weak)).truncate());
        });
    }
}

/// Settings of the direct solver and of reading the files, in words.
fn solver(ui: &mut Ui, state: &State, actions: &mut Vec<Action>) {
    if ui.button("Configure…").on_hover_text("Settings of the direct solver").clicked() {
        actions.push(Action::SetMethod { method: Method::Direct, polish_epochs: 0 });
        actions.push(Action::Go(Step::Configure));
    }
    let named = |(path, text): &(String, String)| {
        let label = Config::field(path).map_or(path.as_str(), |field| field.label);
        format!("{label}: {}", value_text(path, text))
    };
    let data: Vec<String> = settings_of(state.draft.config()).iter().map(named).collect();
    let data = if data.is_empty() { "as stated in each file".to_owned() } else { data.join(", ") };
    let text = format!("{} epochs · data settings {data}", state.draft.config().direct.epochs);
    ui.add(Label::new(RichText::new(text).color(theme::palette(ui).weak)).truncate());
}

/// The loaded model.
fn model(ui: &mut Ui, state: &State, outbox: &mut Outbox) {
    let button = ui.button("Open model…").on_hover_text("Trained model to reconstruct with (model.ptycho)");
    if button.clicked() {
        outbox.command = Some(Command::Open);
    }
    let text = match &state.bundle {
        Some(bundle) => {
            let folder = bundle.path.parent().map(file_name).unwrap_or_default();
            let side = bundle.manifest.dataset.patch_size;
            let on = file_name(Path::new(&bundle.manifest.dataset.path));
            let from = if folder.is_empty() { String::new() } else { format!(" from {folder}") };
            RichText::new(format!("{}{from}: {side} × {side} pixels, trained on {on}", file_name(&bundle.path)))
        }
        None => RichText::new("No model loaded").color(theme::palette(ui).warning),
    };
    let label = ui.add(Label::new(text).truncate());
    if let Some(bundle) = &state.bundle {
        label.on_hover_text(bundle.path.display().to_string());
    }
}

/// Number of epochs by which the object of the model is refined.
fn polish(ui: &mut Ui, state: &State, label: egui::Id, actions: &mut Vec<Action>) {
    let mut epochs = state.watch.polish_epochs;
    let field = DragValue::new(&mut epochs).range(0..=MAX_POLISH_EPOCHS).suffix(" epochs");
    let help = "Epochs of the direct solver, starting from the network's object: slower, but a lower misfit";
    if ui.add(field).labelled_by(label).on_hover_text(help).changed() {
        actions.push(Action::SetWatchPolish(epochs));
    }
    let text = if epochs == 0 { "off (network output only)" } else { "of the direct solver" };
    ui.add(Label::new(RichText::new(text).color(theme::palette(ui).weak)).truncate());
}

/// List of the files with their status, newest first.
fn list(ui: &mut Ui, state: &State, actions: &mut Vec<Action>) {
    let files: &[WatchedFile] = if state.job.is(JobKind::Watch) { &state.job.watched.files } else { &[] };
    if files.is_empty() {
        let text = if state.is_watching() {
            "No files yet. Files are processed once they have not changed for 2 s."
        } else {
            "Lists the files in the folder, with the time per pattern, and the reason for each file that cannot be used."
        };
        ui.add_space((0.15 * ui.available_height()).min(60.0));
        ui.vertical_centered(|ui| {
            ui.set_max_width(420.0_f32.min(ui.available_width()));
            ui.label(RichText::new(text).color(theme::palette(ui).weak));
        });
        return;
    }
    ui.label(RichText::new(state.job.watched.summary()).strong());
    // The number of patterns is the first column to go if space is short.
    let narrow = ui.available_width() < NARROW;
    let others: &[f32] = if narrow { &[96.0, 76.0, 60.0, 56.0] } else { &[96.0, 70.0, 78.0, 70.0, 66.0] };
    let fixed: f32 = others.iter().map(|width| width + ui.spacing().item_spacing.x).sum();
    let name_width = (ui.available_width() - fixed - 12.0).max(90.0);
    let height = ui.available_height();
    ScrollArea::horizontal().id_salt("columns of the watch").auto_shrink([false, true]).show(ui, |ui| {
        let exact = |width: f32| Column::exact(width).clip(true);
        let table = TableBuilder::new(ui)
            .id_salt("watched files")
            .striped(true)
            .cell_layout(Layout::left_to_right(Align::Center))
            .min_scrolled_height(60.0)
            .max_scroll_height((height - ROW - 20.0).max(60.0))
            .auto_shrink([false, true])
            .column(exact(name_width));
        let table = others.iter().fold(table, |table, width| table.column(exact(*width)));
        let table = table.header(ROW, |mut header| {
            for (title, help) in HEADINGS {
                if narrow && title == PATTERNS {
                    continue;
                }
                header.col(|ui| {
                    let label = ui.label(RichText::new(title).strong().size(12.5));
                    if !help.is_empty() {
                        label.on_hover_text(help);
                    }
                });
            }
        });
        table.body(|body| {
            body.rows(ROW, files.len(), |mut row| {
                if let Some(file) = files.get(files.len() - 1 - row.index()) {
                    list_row(&mut row, file, narrow, actions);
                }
            });
        });
    });
}

/// Cells of a file, without the number of patterns if `narrow`.
fn list_row(row: &mut TableRow<'_, '_>, file: &WatchedFile, narrow: bool, actions: &mut Vec<Action>) {
    row.col(|ui| {
        ui.add(Label::new(file_name(&file.path)).truncate()).on_hover_text(file.path.display().to_string());
    });
    row.col(|ui| status(ui, file));
    let (patterns, ms_per_pattern, misfit) = match &file.status {
        FileStatus::Done { patterns, consistency_r, .. } => (
            grouped(*patterns as u64),
            file.status.ms_per_pattern().map_or_else(String::new, |each| format!("{each:.2}")),
            consistency_r.map_or_else(String::new, short),
        ),
        _ => (String::new(), String::new(), String::new()),
    };
    for text in (!narrow).then_some(patterns).into_iter().chain([ms_per_pattern, misfit]) {
        row.col(|ui| {
            ui.add(Label::new(text).truncate());
        });
    }
    row.col(|ui| {
        let has_result = matches!(file.status, FileStatus::Done { .. } | FileStatus::Skipped);
        let button = ui.add_enabled(has_result, Button::new("Show").small());
        let label = format!("Show the result of {}", file_name(&file.path));
        button.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Button, has_result, &label));
        if button.on_disabled_hover_text("No result").clicked() {
            actions.push(Action::ShowResult { folder: file.folder.clone(), beside: false });
        }
    });
}

fn status(ui: &mut Ui, file: &WatchedFile) {
    let palette = theme::palette(ui);
    let (text, color, tooltip) = match &file.status {
        FileStatus::Waiting => ("Being written", palette.weak, "Waiting until the file stops changing".into()),
        FileStatus::Working => ("Processing", palette.accent, String::new()),
        FileStatus::Done { whole_seconds, .. } => {
            ("Done", palette.good, format!("{whole_seconds:.2} s from reading the file to its images"))
        }
        FileStatus::Skipped => ("Done before", palette.good, "Already reconstructed with this model".into()),
        FileStatus::Failed { message } => ("Not usable", palette.bad, message.clone()),
        FileStatus::Aborted => ("Not processed", palette.warning, "Watching was stopped".into()),
    };
    if let FileStatus::Failed { .. } = file.status {
        mark(ui, Level::Error, 12.0).on_hover_text(&tooltip);
    }
    let label = ui.add(Label::new(RichText::new(text).color(color)).truncate());
    if !tooltip.is_empty() {
        label.on_hover_text(tooltip);
    }
}

/// Bottom bar: start and stop buttons, and the current activity.
fn start(ui: &mut Ui, state: &State, actions: &mut Vec<Action>) {
    let palette = theme::palette(ui);
    let reason = state.why_not_watch();
    ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
        if state.is_watching() {
            let big = |text: &str| Button::new(text.to_owned()).min_size(vec2(100.0, 38.0));
            if ui.add(big("Stop")).on_hover_text("Stop now; the current file is not finished").clicked() {
                actions.push(Action::Steer(Control::Stop));
            }
            let working = state.job.stage != Some(Stage::Watching);
            let finish = ui.add_enabled(working, big("Finish this file"));
            let finish =
                finish.on_hover_text("Stop after this file").on_disabled_hover_text("No file is being processed");
            if finish.clicked() {
                actions.push(Action::Steer(Control::StopAfterEpoch));
            }
            let paused = state.control == Control::Pause;
            if ui.add(big(if paused { "Resume" } else { "Pause" })).clicked() {
                actions.push(Action::Steer(if paused { Control::Run } else { Control::Pause }));
            }
        } else if primary_button(ui, "Start watching", reason.as_deref()).clicked() {
            actions.push(Action::Watch);
        }
        ui.with_layout(Layout::left_to_right(Align::Center), |ui| {
            if state.is_watching() {
                let working = state.job.watched.files.iter().rev().find(|file| file.status == FileStatus::Working);
                let text = match (state.control, working) {
                    (Control::Pause, _) => "Paused".to_owned(),
                    (_, Some(file)) => {
                        let stage = state.job.stage.map_or("Processing", Stage::label);
                        format!("{stage} {} ({:.0} %)", file_name(&file.path), 100.0 * state.job.progress.fraction)
                    }
                    (_, None) => "Waiting for files".to_owned(),
                };
                spinner(ui);
                ui.add(Label::new(text).truncate());
            } else if let Some(reason) = &reason {
                ui.add(Label::new(RichText::new(reason).color(palette.warning)).truncate());
            }
        });
    });
}

#[cfg(test)]
mod tests {
    use super::super::harness::{TestPanel, harness, looks_as_accepted, photograph};
    use super::*;
    use crate::session::{Effect, OpenBundle};
    use crate::worker::message::{Event, EventKind, Job, Picture, WatchMethod};
    use egui_kittest::Harness;
    use egui_kittest::kittest::{NodeT, Queryable};
    use std::time::Duration;

    fn open(state: State, size: [f32; 2], theme: egui::Theme) -> Harness<'static, TestPanel<View>> {
        harness(state, View::show, size, theme)
    }

    fn ready() -> State {
        let bundle = OpenBundle {
            path: "runs/siemens/model.ptycho".into(),
            manifest: Box::new(crate::checkpoint::testing::manifest(64)),
            config: Box::default(),
        };
        let mut state = State { bundle: Some(bundle), ..State::default() };
        state.dispatch(Action::ChooseWatchFolder("/beamline/today".into()));
        state.dispatch(Action::SetWatchPolish(5));
        state
    }

    fn tell(state: &mut State, kind: EventKind) {
        state.on_event(&Event { job: 1, at: Duration::from_secs(1), kind });
    }

    fn file(name: &str, status: FileStatus) -> EventKind {
        let path = format!("/beamline/today/{name}.npz").into();
        EventKind::File(WatchedFile { path, folder: format!("/beamline/today/reconstructed/{name}").into(), status })
    }

    fn watching() -> State {
        let mut state = ready();
        state.dispatch(Action::Watch);
        tell(&mut state, EventKind::Started { kind: JobKind::Watch });
        let done =
            |r| FileStatus::Done { patterns: 516, whole_seconds: 2.1, infer_seconds: 1.7, consistency_r: Some(r) };
        tell(&mut state, file("scan_0001", FileStatus::Skipped));
        tell(&mut state, file("scan_0002", done(0.0213)));
        tell(
            &mut state,
            file("scan_0003", FileStatus::Failed { message: "The file is cut short. Copy it again.".into() }),
        );
        tell(&mut state, file("scan_0004", done(0.0187)));
        tell(&mut state, file("scan_0005", FileStatus::Working));
        tell(&mut state, EventKind::Stage { stage: Stage::Reconstructing });
        tell(&mut state, file("scan_0006", FileStatus::Waiting));
        let side = 120;
        let wave = |at: usize, f: f32| ((at % side) as f32 / f).sin() * ((at / side) as f32 / f).cos();
        state.on_picture(Picture {
            job: 1,
            taken: None,
            width: side,
            height: side,
            amplitude: (0..side * side).map(|at| 1.0 + 0.2 * wave(at, 9.0)).collect(),
            phase: (0..side * side).map(|at| 0.4 * wave(at, 6.0)).collect(),
            coverage: vec![1.0; side * side],
            origin_xy: [0.0; 2],
        });
        state
    }

    #[test]
    fn the_panel_names_missing_settings_and_starts_with_the_chosen_folder_and_polish() {
        let mut panel = open(State::default(), [1000.0, 600.0], egui::Theme::Dark);
        panel.get_by_label("40 epochs · data settings as stated in each file");
        panel.get_by_label("Trained model").click();
        panel.run_ok();
        assert!(panel.get_by_label("Start watching").accesskit_node().is_disabled());
        panel.get_by_label("Open a model first, or train one");
        panel.get_by_label("Open model…").click();
        panel.get_by_label("Browse for the folder").click();
        panel.run_ok();
        assert_eq!(panel.state().outbox.command, Some(Command::Open));
        assert!(panel.state().outbox.choose_watch_folder);

        let mut panel = open(ready(), [1000.0, 600.0], egui::Theme::Dark);
        panel.get_by_label("/beamline/today/reconstructed");
        panel.get_by_label("Start watching").click();
        panel.run_ok();
        let submitted = panel.state().effects.iter().find_map(|effect| match effect {
            Effect::Submit(Job::Watch { folder, method: WatchMethod::Model { settings, .. }, .. }) => {
                Some((folder.clone(), settings.clone()))
            }
            _ => None,
        });
        let polish = vec![("inference.polish_epochs".to_owned(), "5".to_owned())];
        assert_eq!(submitted, Some(("/beamline/today".into(), polish)));
    }

    #[test]
    fn each_file_is_listed_with_its_state_and_a_result_is_one_click_away() {
        let mut panel = open(watching(), [1256.0, 690.0], egui::Theme::Dark);
        panel.get_by_label_contains("2 reconstructed (1032 patterns, 3.29 ms each), 1 not usable, 1 done before");
        for label in ["scan_0006.npz", "Being written", "Not usable", "Done before", "Latest: scan_0004.npz"] {
            panel.get_by_label(label);
        }
        panel.get_by_label_contains("Reconstructing scan_0005.npz");
        panel.get_by_label("Amplitude of the latest result");
        assert!(panel.get_by_label("Show the result of scan_0003.npz").accesskit_node().is_disabled());
        panel.get_by_label("Show the result of scan_0002.npz").click();
        panel.get_by_label("Finish this file").click();
        panel.run_ok();
        let folder = "/beamline/today/reconstructed/scan_0002".into();
        let shown = Action::ShowResult { folder, beside: false };
        assert_eq!(panel.state().actions, [shown, Action::Steer(Control::StopAfterEpoch)]);
        panel.get_by_label("Stop").click();
        panel.run_ok();
        assert_eq!(panel.state().actions.last(), Some(&Action::Steer(Control::Stop)));
    }

    #[test]
    fn the_watch_looks_as_accepted() {
        let mut state = watching();
        // A spinner is never the same twice.
        tell(&mut state, EventKind::Finished(Box::default()));
        looks_as_accepted(&state, View::show, [1000.0, 480.0], "watch", &["Amplitude of the latest result"]);
    }

    #[test]
    #[ignore = "writes images for visual inspection"]
    fn pictures_of_the_watch() {
        for theme in [egui::Theme::Dark, egui::Theme::Light] {
            for size in [[1256.0, 690.0], [1896.0, 970.0], [500.0, 690.0]] {
                for (name, state) in [("empty", State::default()), ("running", watching())] {
                    let mut panel = open(state, size, theme);
                    photograph(&mut panel, &format!("watch_{name}_{theme:?}_{}", size[0]));
                }
            }
        }
    }
}
