//! The running job: start, steer, watch.

use super::Outbox;
use crate::session::{Action, State};
use crate::worker::message::Control;
use eframe::egui;

/// How the job is shown.
#[derive(Debug, Default)]
pub struct View {}

impl View {
    /// Draws the panel.
    pub fn show(&mut self, ui: &mut egui::Ui, state: &State, _: &mut Outbox, actions: &mut Vec<Action>) {
        let reason = state.why_not_start();
        let button = ui.add_enabled(reason.is_none(), egui::Button::new("Start training"));
        if button.clicked() {
            actions.push(Action::Start);
        }
        if let Some(reason) = reason {
            button.on_disabled_hover_text(reason);
        }
        if ui.add_enabled(state.is_busy(), egui::Button::new("Stop and keep")).clicked() {
            actions.push(Action::Steer(Control::Stop));
        }
        ui.label(format!("{:?}", state.job.progress));
    }
}
