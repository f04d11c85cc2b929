//! Differences from another configuration.

use super::editor::value_text;
use super::forecast::config_of;
use super::presets::preset_label;
use crate::config::{Config, Preset};
use crate::session::{Action, State};
use crate::system::file_name;
use crate::ui::theme;
use crate::ui::widgets::elided;
use eframe::egui::{self, RichText};
use std::path::PathBuf;

/// Maximum letters of a value: one row of the panel.
const MAX_LETTERS: usize = 22;

/// Configuration to compare with.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
enum Baseline {
    /// The base configuration.
    #[default]
    Base,
    /// The default preset.
    Defaults,
    /// A user preset.
    Preset(String),
    /// A run.
    Run(PathBuf),
}

/// A field that differs.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Difference {
    path: &'static str,
    label: &'static str,
    theirs: String,
    ours: String,
}

/// The comparison, cached until something changes.
#[derive(Debug, Default)]
pub(super) struct Compare {
    baseline: Baseline,
    of: Option<(u64, Baseline)>,
    other: Option<Config>,
    differences: Vec<Difference>,
}

impl Compare {
    /// Draws the comparison.
    pub(super) fn show(&mut self, ui: &mut egui::Ui, state: &State, version: u64, actions: &mut Vec<Action>) {
        let palette = theme::palette(ui);
        ui.horizontal_wrapped(|ui| {
            let label = ui.label(RichText::new("Compare with").strong());
            let combo = egui::ComboBox::from_id_salt("compare with")
                .width(170.0)
                .truncate()
                .selected_text(self.baseline.name(state))
                .show_ui(ui, |ui| {
                    let mut offer = |ui: &mut egui::Ui, baseline: Baseline| {
                        let name = baseline.name(state);
                        ui.selectable_value(&mut self.baseline, baseline, name);
                    };
                    offer(ui, Baseline::Base);
                    offer(ui, Baseline::Defaults);
                    for preset in &state.presets {
                        offer(ui, Baseline::Preset(preset.name.clone()));
                    }
                    for run in state.runs.iter().take(40) {
                        offer(ui, Baseline::Run(run.folder.clone()));
                    }
                });
            combo.response.labelled_by(label.id);
        });
        self.follow(state, version);
        let Some(other) = &self.other else {
            ui.label(RichText::new("This configuration cannot be read").color(palette.warning));
            return;
        };
        if self.differences.is_empty() {
            ui.label(RichText::new("No differences").color(palette.weak));
        }
        egui::Grid::new("differences").num_columns(2).spacing([12.0, 4.0]).striped(true).show(ui, |ui| {
            for difference in &self.differences {
                ui.label(difference.label).on_hover_text(difference.path);
                // In one line: the rows of a grid are as high as their first column.
                ui.horizontal(|ui| {
                    ui.spacing_mut().item_spacing.x = 4.0;
                    let shown = |text: &str| elided(&value_text(difference.path, text), MAX_LETTERS);
                    let theirs = RichText::new(shown(&difference.theirs)).color(palette.weak);
                    ui.label(theirs).on_hover_text(&difference.theirs);
                    ui.label(RichText::new("→").monospace().color(palette.weak));
                    let ours = egui::Label::new(RichText::new(shown(&difference.ours)).strong()).truncate();
                    ui.add(ours).on_hover_text(&difference.ours);
                });
                ui.end_row();
            }
        });
        if self.baseline != Baseline::Base {
            let same = self.differences.is_empty();
            let button = ui.add_enabled(!same, egui::Button::new("Use this configuration"));
            let button = button.on_hover_text("Replace all fields").on_disabled_hover_text("No differences");
            if button.clicked() {
                actions.push(Action::UseConfig { name: self.baseline.name(state), config: Box::new(other.clone()) });
            }
        }
    }

    fn follow(&mut self, state: &State, version: u64) {
        let of = (version, self.baseline.clone());
        if self.of.as_ref() == Some(&of) {
            return;
        }
        self.other = self.baseline.config(state);
        self.differences =
            self.other.as_ref().map(|other| differences(state.draft.config(), other)).unwrap_or_default();
        self.of = Some(of);
    }
}

impl Baseline {
    fn name(&self, state: &State) -> String {
        match self {
            Self::Base => format!("preset {}", preset_label(state.draft.base_name())),
            Self::Defaults => "default preset".to_owned(),
            Self::Preset(name) => name.clone(),
            Self::Run(folder) => file_name(folder),
        }
    }

    fn config(&self, state: &State) -> Option<Config> {
        match self {
            Self::Base => Some(state.draft.base().clone()),
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
    fn differing_fields_are_listed_with_both_values() {
        let mut ours = Config::default();
        ours.model.gridsize = 2;
        ours.training.time_budget_s = None;
        let found = differences(&ours, &Config::default());
        let lines: Vec<_> = found.iter().map(|d| (d.path, d.theirs.as_str(), d.ours.as_str())).collect();
        assert_eq!(lines, [("model.gridsize", "1", "2"), ("training.time_budget_s", "110.0", "none")]);
    }
}
