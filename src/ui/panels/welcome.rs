//! What is shown while no dataset is open: the ways to begin.

use super::Outbox;
use crate::session::{Action, State};
use crate::ui::commands::Command;
use crate::ui::theme;
use eframe::egui::{self, RichText, vec2};

/// Draws the panel.
pub fn show(ui: &mut egui::Ui, state: &State, outbox: &mut Outbox, actions: &mut Vec<Action>) {
    let palette = theme::palette(ui);
    egui::ScrollArea::vertical().auto_shrink([false, false]).show(ui, |ui| {
        ui.add_space((ui.available_height() * 0.12).min(80.0));
        ui.vertical_centered(|ui| {
            ui.set_max_width(560.0);
            ui.label(RichText::new("Ptychoscope").size(32.0).strong());
            ui.label(RichText::new("From diffraction patterns to amplitude and phase").size(15.0).weak());
            ui.add_space(24.0);
            let wide = vec2(320.0, 40.0);
            let text = RichText::new("Try the example").size(16.0).color(palette.on_accent).strong();
            if ui.add_sized(wide, egui::Button::new(text).fill(palette.accent)).clicked() {
                actions.push(Action::OpenExample);
            }
            ui.label(RichText::new("A real Siemens star: a first picture in about a minute").small().weak());
            ui.add_space(10.0);
            if ui.add_sized(wide, egui::Button::new(RichText::new("Open dataset…").size(15.0))).clicked() {
                outbox.command = Some(Command::Open);
            }
            if ui.add_sized(wide, egui::Button::new(RichText::new("Open model…").size(15.0))).clicked() {
                outbox.command = Some(Command::Open);
            }
            ui.label(RichText::new("or drop a file on this window").small().weak());
            if !state.recent.is_empty() {
                ui.add_space(24.0);
                ui.label(RichText::new("Recent").strong());
                for path in &state.recent {
                    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
                    if ui.link(name).on_hover_text(path.display().to_string()).clicked() {
                        actions.push(Action::Open(path.clone()));
                    }
                }
            }
        });
    });
}
