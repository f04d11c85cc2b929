//! Built-in and user presets.

use crate::config::{Config, Preset};
use crate::library::preset_name_error;
use crate::session::{Action, State};
use crate::ui::commands::Command;
use crate::ui::panels::Outbox;
use crate::ui::theme;
use eframe::egui::{self, Key, RichText};

/// Dialog of the preset bar.
#[derive(Debug, Clone, PartialEq)]
enum Question {
    /// Name of a new preset.
    Name { title: &'static str, name: String, config: Box<Config>, focused: bool },
    /// Confirmation to delete a preset.
    Delete(String),
}

/// State of the preset bar.
#[derive(Debug, Default)]
pub(super) struct Presets {
    question: Option<Question>,
}

impl Presets {
    /// Draws the bar and its dialog.
    pub(super) fn show(
        &mut self,
        ui: &mut egui::Ui,
        state: &State,
        modified: usize,
        outbox: &mut Outbox,
        actions: &mut Vec<Action>,
    ) {
        let draft = &state.draft;
        let own = state.presets.iter().any(|preset| preset.name == draft.base_name());
        ui.horizontal_wrapped(|ui| {
            let label = ui.label("Preset");
            let mut text = preset_label(draft.base_name()).to_owned();
            if modified > 0 {
                text.push_str(", modified");
            }
            let combo =
                egui::ComboBox::from_id_salt("preset").width(190.0).truncate().selected_text(text).show_ui(ui, |ui| {
                    list(ui, state, actions);
                });
            combo.response.labelled_by(label.id);
            if ui.button("Save as…").on_hover_text("Save this configuration as a preset").clicked() {
                let name = if own { draft.base_name().to_owned() } else { String::new() };
                self.ask("Save preset as", name, draft.config().clone());
            }
            let duplicate = ui.button("Duplicate…").on_hover_text("Copy the preset without the modifications");
            if duplicate.clicked() {
                self.ask("Duplicate preset", format!("{} copy", draft.base_name()), draft.base().clone());
            }
            let delete = ui.add_enabled(own, egui::Button::new("Delete…"));
            if delete.on_disabled_hover_text("Built-in presets cannot be deleted").clicked() {
                self.question = Some(Question::Delete(draft.base_name().to_owned()));
            }
            let reset = ui.add_enabled(modified > 0, egui::Button::new("Reset all"));
            let reset = reset.on_hover_text(format!("Reset all fields to {}", preset_label(draft.base_name())));
            if reset.on_disabled_hover_text("No modified fields").clicked() {
                actions.push(Action::ResetConfig);
            }
            ui.separator();
            if ui.button("Open file…").on_hover_text("Load a configuration from a file").clicked() {
                outbox.command = Some(Command::Open);
            }
            if ui.button("Save file…").on_hover_text("Save the configuration as a TOML file").clicked() {
                outbox.command = Some(Command::SaveConfig);
            }
        });
        self.question(ui, state, actions);
    }

    fn ask(&mut self, title: &'static str, name: String, config: Config) {
        self.question = Some(Question::Name { title, name, config: Box::new(config), focused: false });
    }

    fn question(&mut self, ui: &egui::Ui, state: &State, actions: &mut Vec<Action>) {
        let Some(question) = &mut self.question else { return };
        let mut done = false;
        let modal = egui::Modal::new(egui::Id::unique("preset question")).show(ui.ctx(), |ui| {
            ui.set_width(360.0);
            match question {
                Question::Name { title, name, config, focused } => {
                    ui.heading(*title);
                    let label = ui.label("Name");
                    let field =
                        ui.add(egui::TextEdit::singleline(name).desired_width(f32::INFINITY)).labelled_by(label.id);
                    if !std::mem::replace(focused, true) {
                        field.request_focus();
                    }
                    let reason = preset_name_error(name);
                    let palette = theme::palette(ui);
                    let replaces = state.presets.iter().any(|preset| preset.name == name.trim());
                    match (reason, replaces) {
                        (Some(reason), _) => ui.label(RichText::new(reason).color(palette.weak)),
                        (None, true) => ui.label(
                            RichText::new("A preset with this name exists and will be replaced").color(palette.warning),
                        ),
                        (None, false) => ui.label(RichText::new("Saved with your presets").color(palette.weak)),
                    };
                    ui.add_space(8.0);
                    let entered = field.lost_focus() && ui.input(|input| input.key_pressed(Key::Enter));
                    let (accepted, canceled) = buttons(ui, if replaces { "Replace" } else { "Save" }, reason);
                    if reason.is_none() && (accepted || entered) {
                        actions.push(Action::SavePreset { name: name.trim().to_owned(), config: config.clone() });
                        done = true;
                    }
                    done |= canceled;
                }
                Question::Delete(name) => {
                    ui.heading(format!("Delete preset {name}?"));
                    ui.label("The preset file will be deleted. The current configuration is not affected.");
                    ui.add_space(8.0);
                    let (accepted, canceled) = buttons(ui, "Delete", None);
                    if accepted {
                        actions.push(Action::DeletePreset(name.clone()));
                    }
                    done |= accepted || canceled;
                }
            }
        });
        if done || modal.should_close() {
            self.question = None;
        }
    }
}

/// Display name of a preset.
pub(super) fn preset_label(name: &str) -> &str {
    match name {
        "recipe" => "Recommended",
        "reference" => "PtychoPINN reference",
        own => own,
    }
}

fn buttons(ui: &mut egui::Ui, text: &str, reason: Option<&str>) -> (bool, bool) {
    ui.horizontal(|ui| {
        let accept = ui.add_enabled(reason.is_none(), egui::Button::new(text));
        let accept = accept.on_disabled_hover_text(reason.unwrap_or_default());
        (accept.clicked(), ui.button("Cancel").clicked())
    })
    .inner
}

/// Draws the list of presets.
fn list(ui: &mut egui::Ui, state: &State, actions: &mut Vec<Action>) {
    let base = state.draft.base_name();
    let mut select = |name: &str, config: &Config| {
        actions.push(Action::UseConfig { name: name.to_owned(), config: Box::new(config.clone()) });
    };
    for preset in Preset::ALL {
        if ui
            .selectable_label(base == preset.name(), preset_label(preset.name()))
            .on_hover_text(preset.help())
            .clicked()
        {
            select(preset.name(), &preset.config());
            ui.close();
        }
    }
    if !state.presets.is_empty() {
        ui.separator();
    }
    for preset in &state.presets {
        match (&preset.config, &preset.problem) {
            (Some(config), _) => {
                if ui.selectable_label(base == preset.name, &preset.name).clicked() {
                    select(&preset.name, config);
                    ui.close();
                }
            }
            (None, problem) => {
                let item = ui.add_enabled(false, egui::Button::selectable(false, &preset.name));
                item.on_disabled_hover_text(problem.clone().unwrap_or_default());
            }
        }
    }
}
