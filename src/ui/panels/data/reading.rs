//! Data settings: those in force for the open file, and the form to change them.

use super::super::Outbox;
use super::super::configure::editor::{Typing, value_text};
use super::super::configure::field;
use super::super::configure::rows::{Row, Rows};
use super::arrays;
use crate::config::Config;
use crate::data::ArraySummary;
use crate::session::{Action, Level, OpenDataset, Settings, State, belongs_to_dataset, settings_of, setup_toml};
use crate::system::{file_name, file_stem};
use crate::ui::commands::Command;
use crate::ui::theme;
use crate::ui::widgets::elided;
use crate::ui::widgets::mark::mark;
use eframe::egui::{self, CollapsingHeader, Frame, RichText, Stroke, Ui};

/// Fields of the form in the order in which an unknown file raises them, with a heading above the first of each part.
const FORM: &[(&str, &[&str])] = &[
    (
        "Patterns",
        &[
            "data.mapping.diffraction",
            "data.mapping.axis_order",
            "data.diffraction_unit",
            "data.zero_frequency",
            "data.mapping.raw_layout",
            "data.exclude",
            "data.mapping.unmatched",
        ],
    ),
    (
        "Positions",
        &[
            "data.mapping.positions_file",
            "data.mapping.positions",
            "data.mapping.x",
            "data.mapping.y",
            "data.mapping.position_columns",
            "data.mapping.position_order",
            "data.mapping.position_unit",
            "data.mapping.scan_step",
            "data.mapping.position_matrix",
            "data.orientation",
        ],
    ),
    (
        "Geometry",
        &[
            "data.geometry.energy_ev",
            "data.geometry.distance_m",
            "data.geometry.focus_distance_m",
            "data.geometry.detector_pixel_m",
            "data.geometry.pixel_size_m",
            "data.mapping.energy",
            "data.mapping.distance",
            "data.mapping.detector_pixel",
        ],
    ),
    (
        "Size",
        &[
            "data.crop",
            "data.center",
            "data.center_x",
            "data.center_y",
            "data.bin",
            "data.pad",
            "data.pattern_size",
            "data.detector_orientation",
        ],
    ),
    (
        "Probe, mask and corrections",
        &[
            "data.mapping.probe_file",
            "data.mapping.probe",
            "data.mapping.mask_file",
            "data.mapping.mask",
            "data.mapping.mask_good",
            "data.saturation",
            "data.zingers",
            "data.background",
            "data.mapping.dark_file",
            "data.mapping.dark",
            "data.mapping.flat_file",
            "data.mapping.flat",
            "data.mapping.background_file",
            "data.mapping.background",
            "data.mapping.object",
            "data.also",
        ],
    ),
];
/// Maximum letters of a value in the strip.
const LETTERS: usize = 28;

/// State of the form.
#[derive(Debug, Default)]
pub(super) struct Reading {
    rows: Rows,
    typing: Typing,
    /// Field being edited below a check.
    inline: Typing,
    /// The settings in force, and the configuration they were taken from.
    in_force: Option<(Config, Settings)>,
}

impl Reading {
    /// The strip of settings in force, and of those left behind with the previous file; nothing if there are none.
    pub(super) fn strip(&mut self, ui: &mut Ui, state: &State, dataset: &OpenDataset, actions: &mut Vec<Action>) {
        let config = state.draft.config();
        if self.in_force.as_ref().is_none_or(|(of, _)| of != config) {
            self.in_force = Some((config.clone(), settings_of(config)));
        }
        let settings = self.in_force.as_ref().map(|(_, settings)| settings.as_slice()).unwrap_or_default();
        let contradicts = dataset.inspection.as_ref().is_some_and(|inspection| {
            inspection.verdict("geometry").is_some_and(|verdict| verdict.status != crate::data::Status::Pass)
        });
        // A file that cannot be used yet has the strip from the start: a first setting moves nothing.
        if !settings.is_empty() || dataset.failure.is_some() {
            in_force(ui, state, settings, contradicts, actions);
        }
        if let Some(left) = &state.left_behind {
            left_behind(ui, &file_name(&left.file), &left.settings, actions);
        }
    }

    /// The fields of the geometry that an advice names, to be filled in where it is read.
    pub(super) fn named_fields(&mut self, ui: &mut Ui, state: &State, advice: &str, actions: &mut Vec<Action>) {
        self.rows.follow(&state.draft);
        let arrays = state.dataset.as_ref().map(|dataset| dataset.arrays.as_slice()).unwrap_or_default();
        if let Some(found) = arrays::geometry(arrays).filter(|_| advice.contains("data.geometry.energy_ev")) {
            let text = found.iter().map(|(_, array)| arrays::with_value(array)).collect::<Vec<_>>().join(", ");
            let help = "Take energy, distance and detector pixel from these numbers of the file";
            let button = ui.add(egui::Button::new(format!("Use {text}")).wrap()).on_hover_text(help);
            if button.clicked() {
                let key = |(path, array): &(&str, &ArraySummary)| ((*path).to_owned(), arrays::with_unit(&array.key));
                let fields = found.iter().map(key).collect();
                actions.push(Action::SetFields { label: "geometry from the file".to_owned(), fields });
            }
        }
        let rows = self.rows.groups.iter().flat_map(|group| &group.rows);
        for row in rows.filter(|row| row.field.path.starts_with("data.geometry.") && advice.contains(row.field.path)) {
            field(ui, row, state, &mut self.inline, actions);
        }
    }

    /// The form; open at first if the file cannot be used.
    pub(super) fn form(
        &mut self,
        ui: &mut Ui,
        state: &State,
        dataset: &OpenDataset,
        outbox: &mut Outbox,
        actions: &mut Vec<Action>,
    ) {
        self.rows.follow(&state.draft);
        let rows = || self.rows.groups.iter().flat_map(|group| &group.rows);
        let set = rows().filter(|row| belongs_to_dataset(row.field.path) && row.text != row.default).count();
        let title = match set {
            0 => "Reading settings".to_owned(),
            _ => format!("Reading settings, {set} set"),
        };
        let is_unusable = dataset.patterns.is_none() && (dataset.failure.is_some() || dataset.raw.is_some());
        let typing = &mut self.typing;
        CollapsingHeader::new(RichText::new(title).strong())
            .id_salt(("reading settings", &dataset.path, is_unusable))
            .default_open(is_unusable)
            .show_unindented(ui, |ui| {
                let help = "They apply to this file only and are remembered for it";
                ui.label(RichText::new(help).small().color(theme::palette(ui).weak));
                let any = self.in_force.as_ref().is_some_and(|(_, settings)| !settings.is_empty());
                set_up(ui, (state, any), dataset, outbox, actions);
                for (part, paths) in FORM {
                    ui.add_space(4.0);
                    ui.label(RichText::new(*part).strong());
                    let named = |path: &&str| rows().find(|row: &&Row| row.field.path == *path);
                    for row in paths.iter().filter_map(named) {
                        if row.field.path.ends_with("_file") {
                            with_chooser(ui, row, state, typing, outbox, actions);
                        } else {
                            field(ui, row, state, typing, actions);
                        }
                    }
                }
            });
    }
}

/// Buttons that save the data settings as a set-up, and open one.
fn set_up(
    ui: &mut Ui,
    (state, any): (&State, bool),
    dataset: &OpenDataset,
    outbox: &mut Outbox,
    actions: &mut Vec<Action>,
) {
    ui.horizontal_wrapped(|ui| {
        let help = "Save these settings as a file: opened with another scan, or by a colleague, it sets them again";
        let save = ui.add_enabled(any, egui::Button::new("Save set-up…")).on_hover_text(help);
        if save.on_disabled_hover_text("No setting differs from the default").clicked() {
            match setup_toml(state.draft.config()) {
                Ok(text) => {
                    let name = format!("{}_setup.toml", file_stem(&dataset.path));
                    outbox.save_beside = Some((name, text.into_bytes()));
                }
                Err(error) => actions.push(Action::Notify { level: Level::Error, text: error.to_string() }),
            }
        }
        if ui.button("Open set-up…").on_hover_text("Read this file with the settings of a saved set-up").clicked() {
            outbox.command = Some(Command::Open);
        }
    });
}

/// A field that names a file, with a button to choose it.
fn with_chooser(
    ui: &mut Ui,
    row: &Row,
    state: &State,
    typing: &mut Typing,
    outbox: &mut Outbox,
    actions: &mut Vec<Action>,
) {
    ui.horizontal(|ui| {
        let button = egui::Button::new("…");
        let button = ui.add(button);
        let name = format!("Choose {}", row.field.label.to_lowercase());
        button.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Button, true, &name));
        if button.on_hover_text(name).clicked() {
            outbox.choose_file_of = Some(row.field.path);
        }
        ui.vertical(|ui| field(ui, row, state, typing, actions));
    });
}

/// Label and value of a setting.
fn named(path: &str, text: &str) -> String {
    let label = Config::field(path).map_or(path, |field| field.label);
    format!("{label}: {}", elided(&value_text(path, text), LETTERS))
}

fn in_force(ui: &mut Ui, state: &State, settings: &[(String, String)], contradicts: bool, actions: &mut Vec<Action>) {
    let palette = theme::palette(ui);
    let level = if contradicts { Level::Warning } else { Level::Info };
    let origin = state.setup.as_ref().filter(|(_, setup)| setup.as_slice() == settings);
    boxed(ui, palette.level(level), |ui| {
        mark(ui, level, 14.0);
        match origin {
            Some((name, _)) => ui.label(format!("Data settings from {name}:")),
            None => ui.label("Data settings of this file:"),
        };
        if settings.is_empty() {
            ui.label(RichText::new("none yet").color(palette.weak));
            return;
        }
        for (path, text) in settings {
            ui.label(RichText::new(named(path, text)).strong()).on_hover_text(format!("{path} = {text}"));
            let label = Config::field(path).map_or(path.as_str(), |field| field.label);
            let button = ui.add(egui::Button::new("×").frame(false));
            let name = format!("Remove {label}");
            button.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Button, true, &name));
            if button.on_hover_text(format!("{name}: read the file without it")).clicked() {
                let text = Config::default().get(path).unwrap_or_default();
                actions.push(Action::SetField { path: path.clone(), text });
            }
        }
        if contradicts {
            ui.label(RichText::new("contradicts the file").color(palette.warning));
        }
        let reset = ui.small_button("Reset").on_hover_text("Read the file without any of these settings");
        if reset.clicked() {
            actions.push(Action::ResetDataSettings);
        }
        // For a file in use, the undo is beside the checks.
        let failed = state.dataset.as_ref().is_some_and(|dataset| dataset.failure.is_some());
        if let Some(change) = state.changes.last().filter(|_| failed) {
            let undo = ui.small_button("Undo").on_hover_text(format!("Undo: {}", change.label));
            if undo.clicked() {
                actions.push(Action::Undo);
            }
        }
    });
}

fn left_behind(ui: &mut Ui, file: &str, settings: &[(String, String)], actions: &mut Vec<Action>) {
    let palette = theme::palette(ui);
    boxed(ui, palette.accent, |ui| {
        mark(ui, Level::Info, 14.0);
        let list: Vec<String> = settings.iter().map(|(path, text)| named(path, text)).collect();
        ui.label(format!("{} was read with {}. These do not apply here.", elided(file, LETTERS), list.join(", ")));
        if ui.small_button("Keep").on_hover_text("Read this file with these settings, too").clicked() {
            actions.push(Action::KeepDataSettings);
        }
        if ui.small_button("Dismiss").on_hover_text("Read this file as it is").clicked() {
            actions.push(Action::DismissDataSettings);
        }
    });
}

fn boxed(ui: &mut Ui, color: egui::Color32, content: impl FnOnce(&mut Ui)) {
    let frame = Frame::group(ui.style()).stroke(Stroke::new(1.0, color.gamma_multiply(0.7))).inner_margin(6);
    frame.show(ui, |ui| {
        ui.set_width(ui.available_width());
        ui.horizontal_wrapped(content);
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_form_has_every_field_that_belongs_to_a_dataset_once() {
        let mut listed: Vec<&str> = FORM.iter().flat_map(|(_, paths)| paths.iter().copied()).collect();
        let mut all: Vec<&str> =
            Config::fields().iter().map(|field| field.path).filter(|p| belongs_to_dataset(p)).collect();
        listed.sort_unstable();
        all.sort_unstable();
        assert_eq!(listed, all);
    }
}
