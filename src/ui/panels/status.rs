//! The bar at the bottom: the device, the job, and how far it is.

use crate::session::{Action, State, Status, Step};
use crate::ui::theme;
use crate::worker::message::Control;
use eframe::egui::{self, RichText};

/// Draws the bar; `aside` stands at its right end.
pub fn show(ui: &mut egui::Ui, state: &State, aside: Option<&str>, actions: &mut Vec<Action>) {
    let palette = theme::palette(ui);
    ui.horizontal(|ui| {
        if let Some(text) = aside {
            // Its place is kept first, so that a long line does not push it out.
            let width = 7.0 * text.chars().count() as f32;
            let rect = ui.max_rect();
            let place = egui::Rect::from_min_max(egui::pos2(rect.right() - width, rect.top()), rect.max);
            ui.put(place, egui::Label::new(RichText::new(text).small().color(palette.weak)));
            ui.set_max_width(rect.width() - width - 8.0);
        }
        match &state.job.device {
            Some(device) => {
                let color = if device.reduced_capability { palette.warning } else { palette.good };
                let text = RichText::new(format!("● {}", device.name)).color(color);
                let about = if device.reduced_capability { "\nNo GPU: reduced speed" } else { "" };
                ui.label(text).on_hover_text(format!(
                    "{} ({}, {}){about}",
                    device.name,
                    device.backend,
                    device.kind.label()
                ));
            }
            None => {
                ui.label(RichText::new("● Device is chosen when a job starts").color(palette.weak));
            }
        }
        ui.separator();
        match &state.job.status {
            Status::Running => {
                let stage = state.job.stage.map_or("Starting", |stage| stage.label());
                let paused = if state.control == Control::Pause { "Paused: " } else { "" };
                if ui.link(format!("{paused}{stage}")).clicked() {
                    actions.push(Action::Go(Step::Train));
                }
                let fraction = state.job.progress.fraction as f32;
                ui.add(egui::ProgressBar::new(fraction).desired_width(140.0).show_percentage());
                if let Some(remaining) = state.job.progress.remaining_s {
                    ui.weak(format!("{} left", crate::ui::widgets::duration(remaining)));
                }
            }
            Status::Idle if state.starting => {
                ui.label("Starting");
            }
            Status::Idle => {
                ui.weak("Ready");
            }
            Status::Finished(_) => {
                ui.label(RichText::new("Done").color(palette.good));
            }
            Status::Failed => {
                let title = state.job.failure.as_ref().map_or("", |failure| failure.problem().title.as_str());
                ui.add(egui::Label::new(RichText::new(format!("Failed: {title}")).color(palette.bad)).truncate());
            }
        }
    });
}
