//! What differs from another configuration.

use super::editor::human;
use super::forecast::config_of;
use crate::config::{Config, Preset};
use crate::session::{Action, State};
use crate::system::file_name;
use crate::ui::theme;
use eframe::egui::{self, RichText};
use std::path::PathBuf;

/// What the configuration is compared with.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
enum Against {
    /// Where it started.
    #[default]
    Start,
    /// The default preset.
    Defaults,
    /// A preset of the user.
    Preset(String),
    /// A run.
    Run(PathBuf),
}

/// One field that differs.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Difference {
    path: &'static str,
    label: &'static str,
    theirs: String,
    ours: String,
}

/// The comparison, kept while nothing changes.
#[derive(Debug, Default)]
pub(super) struct Compare {
    against: Against,
    of: Option<(u64, Against)>,
    other: Option<Config>,
    differences: Vec<Difference>,
}

impl Compare {
    /// Draws it.
    pub(super) fn show(&mut self, ui: &mut egui::Ui, state: &State, version: u64, actions: &mut Vec<Action>) {
        let palette = theme::palette(ui);
        ui.horizontal_wrapped(|ui| {
            let label = ui.label(RichText::new("Changes against").strong());
            let combo = egui::ComboBox::from_id_salt("compare with")
                .width(170.0)
                .truncate()
                .selected_text(self.against.name(state))
                .show_ui(ui, |ui| {
                    let mut offer = |ui: &mut egui::Ui, against: Against| {
                        let name = against.name(state);
                        ui.selectable_value(&mut self.against, against, name);
                    };
                    offer(ui, Against::Start);
                    offer(ui, Against::Defaults);
                    for preset in &state.presets {
                        offer(ui, Against::Preset(preset.name.clone()));
                    }
                    for run in state.runs.iter().take(40) {
                        offer(ui, Against::Run(run.folder.clone()));
                    }
                });
            combo.response.labelled_by(label.id);
        });
        self.follow(state, version);
        let Some(other) = &self.other else {
            ui.label(RichText::new("Its configuration cannot be read").color(palette.warning));
            return;
        };
        if self.differences.is_empty() {
            ui.label(RichText::new("No field differs").color(palette.weak));
        }
        egui::Grid::new("differences").num_columns(2).spacing([12.0, 4.0]).striped(true).show(ui, |ui| {
            for difference in &self.differences {
                ui.label(difference.label).on_hover_text(difference.path);
                ui.horizontal_wrapped(|ui| {
                    ui.spacing_mut().item_spacing.x = 4.0;
                    ui.label(RichText::new(human(&difference.theirs)).color(palette.weak));
                    ui.label(RichText::new("→").monospace().color(palette.weak));
                    ui.label(RichText::new(human(&difference.ours)).strong());
                });
                ui.end_row();
            }
        });
        if self.against != Against::Start {
            let same = self.differences.is_empty();
            let button = ui.add_enabled(!same, egui::Button::new("Use that configuration"));
            let button = button.on_hover_text("Replaces every field").on_disabled_hover_text("It is the same");
            if button.clicked() {
                actions.push(Action::UseConfig { name: self.against.name(state), config: Box::new(other.clone()) });
            }
        }
    }

    fn follow(&mut self, state: &State, version: u64) {
        let of = (version, self.against.clone());
        if self.of.as_ref() == Some(&of) {
            return;
        }
        self.other = self.against.config(state);
        self.differences =
            self.other.as_ref().map(|other| differences(state.draft.config(), other)).unwrap_or_default();
        self.of = Some(of);
    }
}

impl Against {
    fn name(&self, state: &State) -> String {
        match self {
            Self::Start => format!("preset {}", state.draft.base_name()),
            Self::Defaults => "the defaults".to_owned(),
            Self::Preset(name) => name.clone(),
            Self::Run(folder) => file_name(folder),
        }
    }

    fn config(&self, state: &State) -> Option<Config> {
        match self {
            Self::Start => Some(state.draft.base().clone()),
            Self::Defaults => Some(Preset::default().config()),
            Self::Preset(name) => state.presets.iter().find(|preset| preset.name == *name)?.config.as_deref().cloned(),
            Self::Run(folder) => config_of(state.runs.iter().find(|run| run.folder == *folder)?),
        }
    }
}

fn differences(ours: &Config, theirs: &Config) -> Vec<Difference> {
    let (Ok(our_texts), Ok(their_texts)) = (ours.texts(), theirs.texts()) else { return Vec::new() };
    Config::fields()
        .into_iter()
        .zip(our_texts.into_iter().zip(their_texts))
        .filter(|(_, (ours, theirs))| ours != theirs)
        .map(|(field, (ours, theirs))| Difference { path: field.path, label: field.label, theirs, ours })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exactly_the_fields_that_differ_are_listed_with_both_values() {
        let mut ours = Config::default();
        ours.model.gridsize = 2;
        ours.training.time_budget_s = None;
        let found = differences(&ours, &Config::default());
        let lines: Vec<_> = found.iter().map(|d| (d.path, d.theirs.as_str(), d.ours.as_str())).collect();
        assert_eq!(lines, [("model.gridsize", "1", "2"), ("training.time_budget_s", "110.0", "none")]);
    }
}
