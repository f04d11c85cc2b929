//! Every field of the configuration.

use super::Outbox;
use crate::config::Config;
use crate::session::{Action, State};
use crate::ui::theme;
use eframe::egui::{self, RichText};

/// How the configuration is shown.
#[derive(Debug, Default)]
pub struct View {}

impl View {
    /// Draws the panel.
    pub fn show(&mut self, ui: &mut egui::Ui, state: &State, _: &mut Outbox, actions: &mut Vec<Action>) {
        let palette = theme::palette(ui);
        egui::ScrollArea::vertical().auto_shrink([false, false]).show(ui, |ui| {
            for field in Config::fields() {
                ui.horizontal(|ui| {
                    let label = ui.label(field.label);
                    let mut text = state.draft.text(field.path).unwrap_or_default();
                    if ui.text_edit_singleline(&mut text).labelled_by(label.id).changed() {
                        actions.push(Action::SetField { path: field.path.to_owned(), text });
                    }
                    if let Some(complaint) = state.draft.complaint(field.path) {
                        ui.label(RichText::new(complaint).color(palette.bad));
                    }
                });
            }
        });
    }
}
