//! Run folders: settings, outcome and quality of each, with buttons to open, compare, resume and delete them.
//!
//! Any number of runs can be compared. `overlay`: loss curves; `scores`: settings that differ, and quality scores;
//! `pictures`: objects in linked views; `lineage`: which run goes on from which.

mod code;
mod lineage;
mod overlay;
mod pictures;
mod scores;
mod table;

use super::Outbox;
use crate::checkpoint::RunFolder;
use crate::library::{ResultFormat, RunInfo};
use crate::session::{Action, Level, State};
use crate::ui::theme;
use crate::ui::widgets::mark::mark;
use crate::worker::message::JobOutcome;
use eframe::egui::{self, Button, Color32, Frame, Label, Layout, RichText, ScrollArea, TextEdit, Ui, vec2};
use egui_extras::{TableBuilder, TableRow};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use table::{Column, Outcome};

/// Space between a number and the text right of it, in points.
const GAP: f32 = 10.0;
/// Height of a row of the table in points.
const ROW: f32 = 26.0;

/// Comparison of the selected runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Tab {
    #[default]
    Losses,
    Scores,
    Pictures,
    Lineage,
}

impl Tab {
    const ALL: [Self; 4] = [Self::Losses, Self::Scores, Self::Pictures, Self::Lineage];

    fn label(self) -> &'static str {
        match self {
            Self::Losses => "Losses",
            Self::Scores => "Settings and scores",
            Self::Pictures => "Images",
            Self::Lineage => "Lineage",
        }
    }
}

/// Menu that writes the results of the selected runs in another format.
fn export_menu(ui: &mut Ui, selected: &[&RunInfo], outbox: &mut Outbox) {
    let folders: Vec<PathBuf> = selected.iter().filter(|run| run.has_result).map(|run| run.folder.clone()).collect();
    let menu = ui.add_enabled_ui(!folders.is_empty(), |ui| {
        ui.menu_button("Export ▾", |ui| {
            for format in ResultFormat::ALL {
                let (name, help) = match format {
                    ResultFormat::Product => ("Ptychodus products (HDF5)…", "Object, probe and positions in meters"),
                    ResultFormat::Cxi => ("CXI images…", "The complex objects"),
                    ResultFormat::Tiff => {
                        ("TIFF images…", "Amplitude and phase as stored, 32 bit, with the size of a pixel")
                    }
                    ResultFormat::Png => ("PNG images…", "Amplitude and phase as 16-bit grayscale images"),
                    ResultFormat::Npy => ("NumPy arrays…", "The complex objects"),
                };
                if ui.button(name).on_hover_text(help).clicked() {
                    outbox.export_runs = Some((folders.clone(), format));
                    ui.close();
                }
            }
        });
    });
    menu.response.on_disabled_hover_text("Select runs with a result first");
}

/// The selected run, or the reason why there is not exactly one.
type Single<'a> = std::result::Result<&'a RunInfo, &'static str>;

/// Display state of the panel.
pub struct View {
    /// Column to sort by, and true for descending order.
    sort: (Column, bool),
    selected: Vec<PathBuf>,
    /// Folder and text of the note being edited.
    note: Option<(PathBuf, String)>,
    /// Runs to move to the trash once the user has confirmed.
    trash: Vec<PathBuf>,
    /// Interrupted runs whose banner was closed.
    dismissed: BTreeSet<PathBuf>,
    overlay: overlay::Overlay,
    tab: Tab,
    scores: scores::Scores,
    pictures: pictures::Pictures,
    lineage: lineage::Lineage,
    code: code::Code,
}

impl Default for View {
    fn default() -> Self {
        Self {
            sort: (Column::Date, true),
            selected: Vec::new(),
            note: None,
            trash: Vec::new(),
            dismissed: BTreeSet::new(),
            overlay: overlay::Overlay::default(),
            tab: Tab::default(),
            scores: scores::Scores::default(),
            pictures: pictures::Pictures::default(),
            lineage: lineage::Lineage::default(),
            code: code::Code::default(),
        }
    }
}

impl View {
    /// Draws the panel.
    pub fn show(&mut self, ui: &mut Ui, state: &State, outbox: &mut Outbox, actions: &mut Vec<Action>) {
        self.selected.retain(|folder| state.runs.iter().any(|run| run.folder == *folder));
        toolbar(ui, state, outbox, actions);
        if state.runs.is_empty() {
            empty(ui);
            return;
        }
        self.interrupted(ui, state, actions);
        let height = ui.available_height();
        // The lower part compares the selected runs; small tiles scroll as a whole.
        let table = ((ROW + ui.spacing().item_spacing.y) * (state.runs.len() as f32 + 1.0) + 30.0)
            .clamp(120.0, (height * 0.5).max(160.0));
        ScrollArea::vertical().id_salt("runs").auto_shrink([false, false]).show(ui, |ui| {
            ui.allocate_ui(vec2(ui.available_width(), table), |ui| self.table(ui, state, table, actions));
            ui.add_space(4.0);
            self.buttons(ui, state, outbox, actions);
            ui.add_space(2.0);
            let palette = theme::palette(ui);
            let colored = |(index, folder): (usize, &PathBuf)| {
                let run = state.runs.iter().find(|run| run.folder == *folder)?;
                Some((run, line_color(palette, index)))
            };
            let shown: Vec<(&RunInfo, Color32)> = self.selected.iter().enumerate().filter_map(colored).collect();
            ui.horizontal_wrapped(|ui| {
                for tab in Tab::ALL {
                    ui.selectable_value(&mut self.tab, tab, tab.label());
                }
            });
            let rest = (ui.available_height() - 4.0).max(220.0);
            match self.tab {
                Tab::Losses => self.overlay.show(ui, &shown, rest),
                Tab::Scores => self.scores.show(ui, &shown, rest),
                Tab::Lineage => self.lineage.show(ui, &state.runs, &mut self.selected, rest),
                Tab::Pictures => self.pictures.show(ui, &state.compared, &shown, rest.max(300.0), actions),
            }
        });
        self.confirm_trash(ui, state, actions);
    }

    /// Banner for an interrupted run that can be resumed or whose model can be loaded.
    fn interrupted(&mut self, ui: &mut Ui, state: &State, actions: &mut Vec<Action>) {
        let interrupted = state
            .runs
            .iter()
            .find(|run| Outcome::of(run, &state.job) == Outcome::Interrupted && !self.dismissed.contains(&run.folder));
        let Some(run) = interrupted else { return };
        let palette = theme::palette(ui);
        Frame::group(ui.style()).stroke(egui::Stroke::new(1.0, palette.warning)).inner_margin(8).show(ui, |ui| {
            ui.set_width(ui.available_width());
            ui.horizontal_wrapped(|ui| {
                mark(ui, Level::Warning, 16.0);
                ui.label(RichText::new(format!("{} was interrupted", run.name)).strong());
                let epochs = run.history.last().map_or(0, |point| point.epoch);
                ui.label(match epochs {
                    _ if run.model.is_none() => "No model was saved.".to_owned(),
                    0 => "A saved model is available.".to_owned(),
                    _ => format!("The model of epoch {epochs} is available."),
                });
                let busy = state.is_busy().then_some("A job is running; stop it first");
                let help = "Resume from the last saved epoch, as if it had not been interrupted";
                if run.resumable && button(ui, "Resume training", help, busy) {
                    actions.push(Action::Resume(run.folder.clone()));
                    self.dismissed.insert(run.folder.clone());
                }
                let help = "Load it to reconstruct a dataset from the Train panel";
                if run.model.is_some()
                    && ui.button("Load saved model").on_hover_text(help).clicked()
                    && let Some(model) = &run.model
                {
                    actions.push(Action::Open(model.clone()));
                    self.dismissed.insert(run.folder.clone());
                }
                if ui.button("Not now").clicked() {
                    self.dismissed.insert(run.folder.clone());
                }
            });
        });
    }

    fn table(&mut self, ui: &mut Ui, state: &State, height: f32, actions: &mut Vec<Action>) {
        let order = table::sorted(&state.runs, self.sort.0, self.sort.1);
        let ink = ui.visuals().text_color();
        let fixed: f32 =
            Column::ALL.iter().filter_map(|column| column.width()).map(|width| width + 8.0).sum::<f32>() + 34.0;
        let note = (ui.available_width() - fixed - 16.0).max(150.0);
        ScrollArea::horizontal().id_salt("columns").auto_shrink([false, true]).show(ui, |ui| {
            let mut builder = TableBuilder::new(ui)
                .id_salt("run table")
                .striped(true)
                // Cells take clicks but not the keyboard focus: each row has a single stop, see `row_stop`.
                .sense(egui::Sense::CLICK)
                .cell_layout(Layout::left_to_right(egui::Align::Center))
                .auto_shrink([false, true])
                .min_scrolled_height(60.0)
                .max_scroll_height((height - ROW - 16.0).max(60.0))
                .column(egui_extras::Column::exact(26.0));
            for column in Column::ALL {
                builder = builder.column(egui_extras::Column::exact(column.width().unwrap_or(note)).clip(true));
            }
            let table = builder.header(ROW, |mut header| {
                header.col(|ui| {
                    ui.weak("");
                });
                for column in Column::ALL {
                    header.col(|ui| self.heading(ui, column));
                }
            });
            table.body(|body| {
                body.rows(ROW, order.len(), |mut row| {
                    if let Some(run) = order.get(row.index()).and_then(|index| state.runs.get(*index)) {
                        self.row(&mut row, run, Outcome::of(run, &state.job), ink, actions);
                    }
                });
            });
        });
    }

    /// Cells of a run; `ink` is the color of text.
    fn row(
        &mut self,
        row: &mut TableRow<'_, '_>,
        run: &RunInfo,
        outcome: Outcome,
        ink: Color32,
        actions: &mut Vec<Action>,
    ) {
        let index = self.selected.iter().position(|folder| *folder == run.folder);
        row.set_selected(index.is_some());
        row.col(|ui| {
            let mut on = index.is_some();
            if let Some(index) = index {
                let color = line_color(theme::palette(ui), index);
                ui.visuals_mut().widgets.inactive.fg_stroke.color = color;
                ui.visuals_mut().widgets.hovered.fg_stroke.color = color;
            }
            let check = ui.add(egui::Checkbox::without_text(&mut on));
            let name = format!("Select {}", run.name);
            check.widget_info(|| egui::WidgetInfo::selected(egui::Role::CheckBox, true, on, &name));
            if check.changed() {
                self.toggle(&run.folder);
            }
        });
        for column in Column::ALL {
            row.col(|ui| {
                // egui's color of selected text has too little contrast on selected rows.
                ui.visuals_mut().override_text_color = Some(ink);
                if column == Column::Date && row_stop(ui, run, outcome) {
                    self.selected = vec![run.folder.clone()];
                }
                if column == Column::Note {
                    self.note(ui, run, actions);
                } else {
                    cell(ui, run, column, outcome, index.is_some());
                }
            });
        }
        let response = row.response();
        self.row_menu(&response, run, outcome, actions);
        if response.double_clicked() && run.has_result {
            actions.push(Action::ShowResult { folder: run.folder.clone(), beside: false });
        } else if response.clicked() {
            let modifiers = response.ctx.input(|input| input.modifiers);
            if modifiers.command || modifiers.shift {
                self.toggle(&run.folder);
            } else {
                self.selected = vec![run.folder.clone()];
            }
        }
    }

    /// Context menu of a row.
    fn row_menu(&mut self, response: &egui::Response, run: &RunInfo, outcome: Outcome, actions: &mut Vec<Action>) {
        response.context_menu(|ui| {
            let show = |beside: bool| Action::ShowResult { folder: run.folder.clone(), beside };
            for (text, beside) in [("Show the result", false), ("Show beside the current result", true)] {
                if ui.add_enabled(run.has_result, Button::new(text)).clicked() {
                    actions.push(show(beside));
                    ui.close();
                }
            }
            if ui.button("Copy the path of the folder").clicked() {
                ui.ctx().copy_text(run.folder.display().to_string());
                ui.close();
            }
            ui.separator();
            let idle = outcome != Outcome::Running;
            if ui.add_enabled(idle, Button::new("Move to trash…")).clicked() {
                self.trash = vec![run.folder.clone()];
                ui.close();
            }
        });
    }

    fn heading(&mut self, ui: &mut Ui, column: Column) {
        let (by, descending) = self.sort;
        let mark = match (by == column, descending) {
            (false, _) => "",
            (true, true) => " ▾",
            (true, false) => " ▴",
        };
        let text = RichText::new(format!("{}{mark}", column.label())).strong().size(12.5);
        // Numbers are aligned to the right, so text beside them needs space.
        let gap = if column == Column::Settings { GAP } else { 0.0 };
        let layout = if column.is_number() {
            Layout::right_to_left(egui::Align::Center)
        } else {
            Layout::left_to_right(egui::Align::Center)
        };
        ui.with_layout(layout, |ui| {
            ui.add_space(gap);
            let button = ui.add(Button::new(text).frame(false));
            if button.on_hover_text(format!("{}. Click to sort.", column.help())).clicked() {
                // Newest date and highest correlation first; everything else ascending.
                let descending_first = column == Column::Date || matches!(column, Column::Phase | Column::Amplitude);
                self.sort = if by == column { (column, !descending) } else { (column, descending_first) };
            }
        });
    }

    fn note(&mut self, ui: &mut Ui, run: &RunInfo, actions: &mut Vec<Action>) {
        let mut text = match &self.note {
            Some((folder, text)) if *folder == run.folder => text.clone(),
            _ => run.note.trim().to_owned(),
        };
        let id = ui.make_persistent_id(("note", &run.folder));
        let edit = TextEdit::singleline(&mut text).id(id).hint_text("Add a note").desired_width(f32::INFINITY);
        let response = ui.add(edit);
        let name = format!("Note on {}", run.name);
        response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::TextInput, true, &name));
        if response.lost_focus() {
            self.note = None;
            if text.trim() != run.note.trim() {
                actions.push(Action::SetNote { folder: run.folder.clone(), text: text.trim().to_owned() });
            }
        } else if response.has_focus() {
            self.note = Some((run.folder.clone(), text));
        }
    }

    fn toggle(&mut self, folder: &Path) {
        match self.selected.iter().position(|known| known == folder) {
            Some(index) => {
                self.selected.remove(index);
            }
            None => self.selected.push(folder.to_path_buf()),
        }
    }

    /// Buttons for the selected runs.
    fn buttons(&mut self, ui: &mut Ui, state: &State, outbox: &mut Outbox, actions: &mut Vec<Action>) {
        let selected: Vec<&RunInfo> =
            self.selected.iter().filter_map(|folder| state.runs.iter().find(|run| run.folder == *folder)).collect();
        let single = match selected.as_slice() {
            [run] => Ok(*run),
            [] => Err("Select a run first"),
            _ => Err("Select a single run"),
        };
        ui.horizontal_wrapped(|ui| {
            self.result_buttons(ui, state, &selected, single, actions);
            self.reuse_buttons(ui, state, single, actions);
            export_menu(ui, &selected, outbox);
            ui.add_space(8.0);
            let running = selected.iter().any(|run| Outcome::of(run, &state.job) == Outcome::Running);
            let reason = match (selected.is_empty(), running) {
                (true, _) => Some("Select one or more runs first"),
                (false, true) => Some("A selected run is still being written; stop it first"),
                (false, false) => None,
            };
            if button(ui, "Move to trash…", "Move the folders of the selected runs to the trash", reason) {
                self.trash = selected.iter().map(|run| run.folder.clone()).collect();
            }
            let text = match selected.len() {
                0 => "Select runs to compare them".to_owned(),
                1 => "1 run selected".to_owned(),
                n => format!("{n} runs selected"),
            };
            ui.weak(text);
        });
    }

    /// Buttons to show the result of a run, alone or beside others.
    fn result_buttons(
        &mut self,
        ui: &mut Ui,
        state: &State,
        selected: &[&RunInfo],
        single: Single<'_>,
        actions: &mut Vec<Action>,
    ) {
        let with_result =
            single.and_then(|run| if run.has_result { Ok(run) } else { Err("This run has no stitched object") });
        if button(ui, "Open result", "Show the stitched object (or double-click the row)", with_result.err())
            && let Ok(run) = with_result
        {
            actions.push(Action::ShowResult { folder: run.folder.clone(), beside: false });
        }
        if selected.iter().filter(|run| run.has_result).count() > 1 {
            if button(ui, "Compare", "Show the objects side by side, below", None) {
                self.tab = Tab::Pictures;
            }
            return;
        }
        let beside = match &state.result {
            None => Err("Open a result first, or select several runs"),
            Some(_) => with_result,
        };
        if button(ui, "Compare", "Compare with the displayed result", beside.err())
            && let Ok(run) = beside
        {
            actions.push(Action::ShowResult { folder: run.folder.clone(), beside: true });
        }
    }

    fn confirm_trash(&mut self, ui: &Ui, state: &State, actions: &mut Vec<Action>) {
        if self.trash.is_empty() {
            return;
        }
        let mut done = false;
        let modal = egui::Modal::new(egui::Id::unique("trash runs")).show(ui.ctx(), |ui| {
            ui.set_width(400.0);
            let title = match self.trash.len() {
                1 => "Move this run to the trash?".to_owned(),
                n => format!("Move {n} runs to the trash?"),
            };
            ui.heading(title);
            ScrollArea::vertical().max_height(160.0).show(ui, |ui| {
                for folder in &self.trash {
                    let name = state.runs.iter().find(|run| run.folder == *folder).map_or("", |run| run.name.as_str());
                    ui.label(name).on_hover_text(folder.display().to_string());
                }
            });
            ui.label(RichText::new("You can restore the folders from the trash of your system.").weak());
            ui.add_space(8.0);
            ui.horizontal(|ui| {
                let text = RichText::new("Move to trash").color(theme::palette(ui).bad).strong();
                if ui.button(text).clicked() {
                    actions.extend(self.trash.iter().cloned().map(Action::TrashRun));
                    done = true;
                }
                done |= ui.button("Cancel").clicked();
            });
        });
        if done || modal.should_close() {
            self.trash.clear();
        }
    }

    /// Buttons to use the model, the training or the configuration of a run.
    fn reuse_buttons(&mut self, ui: &mut Ui, state: &State, single: Single<'_>, actions: &mut Vec<Action>) {
        let with_model = single.and_then(|run| run.model.as_ref().ok_or("This run has no model"));
        if button(ui, "Load model", "Load the model to reconstruct a dataset", with_model.err())
            && let Ok(model) = with_model
        {
            actions.push(Action::Open(model.clone()));
        }
        let to_resume = match single {
            Ok(_) if state.is_busy() => Err("A job is running; stop it first"),
            Ok(run) if run.resumable => Ok(run),
            Ok(_) => Err("This run cannot be resumed"),
            Err(reason) => Err(reason),
        };
        let help = "Resume a stopped or interrupted training from its last saved epoch";
        if button(ui, "Resume", help, to_resume.err())
            && let Ok(run) = to_resume
        {
            actions.push(Action::Resume(run.folder.clone()));
        }
        let help = "Replace the current configuration with the one of this run";
        if button(ui, "Use configuration", help, single.err())
            && let Ok(run) = single
        {
            actions.push(Action::Open(RunFolder::at(&run.folder).config()));
        }
        self.code.menu(ui, single, actions);
    }
}

fn toolbar(ui: &mut Ui, state: &State, outbox: &mut Outbox, actions: &mut Vec<Action>) {
    ui.horizontal(|ui| {
        let text = match state.runs.len() {
            1 => "1 run in".to_owned(),
            n => format!("{n} runs in"),
        };
        ui.label(text);
        ui.with_layout(Layout::right_to_left(egui::Align::Center), |ui| {
            if ui.button("Refresh").on_hover_text("Search for run folders again").clicked() {
                actions.push(Action::RefreshRuns);
            }
            if ui.button("Choose folder…").on_hover_text("Show the runs of another folder").clicked() {
                outbox.choose_runs_folder = true;
            }
            ui.with_layout(Layout::left_to_right(egui::Align::Center), |ui| {
                let full = std::path::absolute(&state.runs_folder).unwrap_or_else(|_| state.runs_folder.clone());
                let path = RichText::new(full.display().to_string()).monospace();
                ui.add(Label::new(path).truncate()).on_hover_text(full.display().to_string());
            });
        });
    });
}

fn empty(ui: &mut Ui) {
    ui.add_space((ui.available_height() * 0.2).min(120.0));
    ui.vertical_centered(|ui| {
        ui.set_max_width(440.0);
        ui.label(RichText::new("No runs yet").size(19.0).strong());
        let text = "Each training and each reconstruction creates a folder with its configuration, curves, model and images. \
                    Start one, or choose the folder of your runs.";
        ui.label(RichText::new(text).weak());
    });
}

fn cell(ui: &mut Ui, run: &RunInfo, column: Column, outcome: Outcome, selected: bool) {
    let palette = theme::palette(ui);
    let text = column.text(run, outcome);
    let color = match (column, outcome) {
        // Colored text has too little contrast on a selected row.
        _ if selected => None,
        (Column::Outcome, Outcome::Interrupted | Outcome::Broken) => Some(palette.warning),
        (Column::Outcome, Outcome::Running) => Some(palette.accent),
        (Column::Outcome, Outcome::Ended) if run.outcome == Some(JobOutcome::Completed) => Some(palette.good),
        (Column::Settings, _) => Some(palette.weak),
        _ => None,
    };
    let tooltip = match column {
        Column::Date | Column::Outcome => run.folder.display().to_string(),
        Column::Dataset => run.dataset.display().to_string(),
        Column::Settings if run.settings.is_empty() => "The default configuration".to_owned(),
        Column::Settings => run.settings.join("\n"),
        _ => String::new(),
    };
    let text = if column == Column::Settings && text.is_empty() { "default".to_owned() } else { text };
    let text = color.map_or_else(|| RichText::new(&text), |color| RichText::new(&text).color(color));
    let label = Label::new(text).truncate().selectable(false);
    if column == Column::Settings {
        ui.add_space(GAP);
    }
    let response = if column.is_number() {
        ui.with_layout(Layout::right_to_left(egui::Align::Center), |ui| ui.add(label)).inner
    } else {
        ui.add(label)
    };
    if !tooltip.is_empty() {
        response.on_hover_text(tooltip);
    }
}

/// Keyboard stop of a row, with its accessible name; true if Enter or Space was pressed on it.
fn row_stop(ui: &Ui, run: &RunInfo, outcome: Outcome) -> bool {
    let rect = ui.max_rect();
    let stop = ui.interact(rect, ui.make_persistent_id(("row", &run.folder)), egui::Sense::FOCUSABLE);
    stop.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Row, true, table::row_name(run, outcome)));
    if !stop.has_focus() {
        return false;
    }
    let stroke = ui.visuals().selection.stroke;
    ui.painter().rect_stroke(rect, 2.0, stroke, egui::StrokeKind::Inside);
    ui.input(|input| input.key_pressed(egui::Key::Enter) || input.key_pressed(egui::Key::Space))
}

/// Draws a button, disabled if there is a reason; true if it was clicked.
fn button(ui: &mut Ui, text: &str, help: &str, reason: Option<&str>) -> bool {
    let button = ui.add_enabled(reason.is_none(), Button::new(text)).on_hover_text(help);
    match reason {
        Some(reason) => button.on_disabled_hover_text(reason).clicked(),
        None => button.clicked(),
    }
}

fn line_color(palette: &theme::Palette, index: usize) -> Color32 {
    palette.lines.get(index % palette.lines.len()).copied().unwrap_or(palette.accent)
}

#[cfg(test)]
mod tests;
