//! Placeholder while there is no result, with a button for the next step.

use super::super::{Outbox, method};
use crate::config::Method;
use crate::session::{Action, State, Step};
use crate::ui::commands::Command;
use crate::ui::theme;
use crate::ui::widgets::spinner;
use eframe::egui::{self, RichText, vec2};

/// Draws the panel.
pub fn show(ui: &mut egui::Ui, state: &State, outbox: &mut Outbox, actions: &mut Vec<Action>) {
    let palette = theme::palette(ui);
    let latest = state.runs.iter().find(|run| run.has_result);
    ui.add_space((ui.available_height() * 0.25).min(160.0));
    ui.vertical_centered(|ui| {
        ui.set_max_width(460.0);
        if state.reading_result {
            spinner(ui);
            ui.label("Loading the result");
            return;
        }
        ui.label(RichText::new("No result yet").size(22.0).strong());
        let primary = |ui: &mut egui::Ui, text: &str| {
            let text = RichText::new(text).size(15.0).strong().color(palette.on_accent);
            ui.add_space(12.0);
            ui.add(egui::Button::new(text).fill(palette.accent).min_size(vec2(260.0, 36.0))).clicked()
        };
        if state.is_busy() {
            ui.label("A job is running. Its result will appear here when it finishes.");
            if primary(ui, "Show progress") {
                actions.push(Action::Go(Step::Train));
            }
        } else if state.dataset.is_none() {
            ui.label("Open a dataset and train: the stitched amplitude and phase will appear here.");
            if primary(ui, "Go to Data") {
                actions.push(Action::Go(Step::Data));
            }
        } else if state.why_not_reconstruct().is_none() {
            ui.label("A model is loaded and can reconstruct the open dataset immediately.");
            if primary(ui, "Reconstruct with the loaded model") {
                actions.push(Action::Reconstruct);
            }
        } else if let Some(reason) = state.why_not_start() {
            ui.label(reason);
            if primary(ui, "Go to Data") {
                actions.push(Action::Go(Step::Data));
            }
        } else {
            let work = if state.draft.config().training.method == Method::Direct { "Solving" } else { "Training" };
            ui.label(format!("The dataset is ready. {work} produces the stitched amplitude and phase."));
            if primary(ui, method::start_label(state)) {
                actions.push(Action::Start);
            }
        }
        ui.add_space(12.0);
        if let Some(run) = latest
            && ui.button(format!("Show latest run: {}", run.name)).clicked()
        {
            actions.push(Action::ShowResult { folder: run.folder.clone(), beside: false });
        }
        if ui.button("Open run folder…").clicked() {
            outbox.command = Some(Command::OpenRun);
        }
    });
}
