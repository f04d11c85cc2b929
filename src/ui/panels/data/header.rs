//! The header of the panel: headline and buttons.

use super::super::Outbox;
use super::summary;
use crate::session::{Action, Level, OpenDataset};
use crate::ui::commands::Command;
use crate::ui::theme;
use crate::ui::widgets::mark::mark;
use crate::ui::widgets::spinner;
use eframe::egui::{self, RichText, vec2};

/// Draws the header.
pub(super) fn show(ui: &mut egui::Ui, dataset: &OpenDataset, outbox: &mut Outbox, actions: &mut Vec<Action>) {
    let palette = theme::palette(ui);
    let head = summary::headline(dataset);
    let buttons = |ui: &mut egui::Ui, outbox: &mut Outbox, actions: &mut Vec<Action>| {
        if ui.button("Close").on_hover_text("Close this dataset").clicked() {
            actions.push(Action::CloseDataset);
        }
        let reload = ui.add_enabled(!dataset.loading, egui::Button::new("Reload"));
        let reload = reload.on_hover_text(dataset.path.display().to_string());
        if reload.on_disabled_hover_text("Loading").clicked() {
            actions.push(Action::Reload);
        }
        if ui.button("Open another…").clicked() {
            outbox.command = Some(Command::Open);
        }
    };
    let text = |ui: &mut egui::Ui, width: f32| {
        ui.set_min_width(width);
        ui.spacing_mut().item_spacing.y = 2.0;
        ui.horizontal_wrapped(|ui| {
            // A file that could not be used keeps its headline while it is read again, so that what is below stays in place.
            match head.level {
                Level::Info => spinner(ui),
                Level::Error if dataset.loading => spinner(ui).on_hover_text("Reading the file again"),
                level => mark(ui, level, 18.0),
            };
            ui.label(RichText::new(&head.text).heading());
            if dataset.loading && dataset.patterns.is_some() {
                spinner(ui);
                ui.label(RichText::new("Reloading").color(palette.weak));
            }
        });
        if !head.detail.is_empty() {
            ui.label(RichText::new(&head.detail).color(palette.weak));
        }
    };
    if ui.available_width() < 700.0 {
        let width = ui.available_width();
        ui.vertical(|ui| text(ui, width));
        ui.horizontal_wrapped(|ui| buttons(ui, outbox, actions));
        return;
    }
    ui.horizontal_top(|ui| {
        let width = ui.available_width() - 250.0;
        ui.allocate_ui_with_layout(vec2(width, 44.0), egui::Layout::top_down(egui::Align::Min), |ui| text(ui, width));
        ui.with_layout(egui::Layout::right_to_left(egui::Align::Min), |ui| buttons(ui, outbox, actions));
    });
}
