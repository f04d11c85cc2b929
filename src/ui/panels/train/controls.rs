//! Buttons to start, pause, resume and stop a job.

use super::super::{Outbox, method};
use super::done;
use crate::config::Method;
use crate::session::{Action, State, Step};
use crate::ui::theme;
use crate::worker::message::{Control, Stage};
use eframe::egui::{self, Button, RichText, Ui};

/// State of the buttons: true while discarding has to be confirmed.
#[derive(Debug, Default)]
pub(super) struct Controls {
    confirming: bool,
}

impl Controls {
    /// Draws the buttons in a row.
    pub(super) fn show(&mut self, ui: &mut Ui, state: &State, _: &mut Outbox, actions: &mut Vec<Action>) {
        if !state.is_busy() {
            self.confirming = false;
            let direct = state.draft.config().training.method == Method::Direct;
            let text = match state.job.has_ended() {
                true if direct => "Solve again",
                true => "Train again",
                false => method::start_label(state),
            };
            // After a job, the result is the main button, not the next start.
            start(ui, state, text, !done::has_object(&state.job), actions);
            let reason = state.why_not_reconstruct();
            if state.bundle.is_some() {
                let button = ui.add_enabled(reason.is_none(), Button::new("Reconstruct with the loaded model"));
                if button.clicked() {
                    actions.push(Action::Reconstruct);
                }
                if let Some(reason) = reason {
                    button.on_disabled_hover_text(reason);
                }
            }
            if ui.button("Configure…").on_hover_text("Change the settings of the next job").clicked() {
                actions.push(Action::Go(Step::Configure));
            }
            return;
        }
        let asked = state.control;
        let ending = matches!(asked, Control::Stop | Control::Discard) && state.job.stage == Some(Stage::Training);
        if asked == Control::Pause {
            if primary(ui, "Resume").clicked() {
                actions.push(Action::Steer(Control::Run));
            }
        } else {
            let pause = ui.add_enabled(!ending, Button::new("Pause"));
            if pause.on_disabled_hover_text("The job is ending").clicked() {
                actions.push(Action::Steer(Control::Pause));
            }
        }
        if state.job.stage == Some(Stage::Training) {
            ui.add_enabled_ui(!ending, |ui| {
                ui.menu_button("Stop ▾", |ui| self.menu(ui, actions))
                    .response
                    .on_disabled_hover_text("The job is ending");
            });
        } else if ui.button("Stop").on_hover_text(stop_help(state.job.stage)).clicked() {
            actions.push(Action::Steer(Control::Stop));
        }
        if asked == Control::StopAfterEpoch && ui.button("Continue training").clicked() {
            actions.push(Action::Steer(Control::Run));
        }
        self.confirm(ui, actions);
    }

    fn menu(&mut self, ui: &mut Ui, actions: &mut Vec<Action>) {
        let choices = [
            (
                "Stop after this epoch",
                "Recommended: complete the epoch, then stitch the object",
                Control::StopAfterEpoch,
            ),
            ("Stop now and save", "Stop immediately, save the model and stitch the object", Control::Stop),
        ];
        for (text, help, control) in choices {
            if ui.button(text).on_hover_text(help).clicked() {
                actions.push(Action::Steer(control));
                ui.close();
            }
        }
        ui.separator();
        let text = RichText::new("Discard…").color(theme::palette(ui).bad);
        if ui.button(text).on_hover_text("Stop immediately and delete everything from this training").clicked() {
            self.confirming = true;
            ui.close();
        }
    }

    fn confirm(&mut self, ui: &Ui, actions: &mut Vec<Action>) {
        if !self.confirming {
            return;
        }
        let modal = egui::Modal::new(egui::Id::unique("discard training")).show(ui.ctx(), |ui| {
            ui.set_width(360.0);
            ui.heading("Discard this training?");
            ui.label("The training is stopped, and its weights, curves and files are deleted. This cannot be undone.");
            ui.add_space(8.0);
            ui.horizontal(|ui| {
                let text = RichText::new("Discard").color(theme::palette(ui).bad).strong();
                if ui.button(text).clicked() {
                    actions.push(Action::Steer(Control::Discard));
                    self.confirming = false;
                }
                if ui.button("Keep training").clicked() {
                    self.confirming = false;
                }
            });
        });
        if modal.should_close() {
            self.confirming = false;
        }
    }
}

/// Consequence of stopping in this stage.
fn stop_help(stage: Option<Stage>) -> &'static str {
    match stage {
        Some(Stage::Simulating) => "No file is written",
        Some(Stage::Watching) => "Results so far are kept",
        _ => "A trained model is kept",
    }
}

/// Button that starts a job, disabled with the reason if it cannot start.
pub(super) fn start(ui: &mut Ui, state: &State, text: &str, leading: bool, actions: &mut Vec<Action>) {
    match state.why_not_start() {
        None => {
            let button = if leading { primary(ui, text) } else { ui.button(text) };
            if button.clicked() {
                actions.push(Action::Start);
            }
        }
        Some(reason) => {
            ui.add_enabled(false, Button::new(text)).on_disabled_hover_text(reason);
        }
    }
}

/// Main button of the panel, in the accent color.
pub(super) fn primary(ui: &mut Ui, text: &str) -> egui::Response {
    let palette = theme::palette(ui);
    ui.add(Button::new(RichText::new(text).color(palette.on_accent).strong()).fill(palette.accent))
}
