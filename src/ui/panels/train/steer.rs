//! Start, pause, resume, stop.

use super::super::{Outbox, method};
use super::done;
use crate::config::Method;
use crate::session::{Action, State, Step};
use crate::ui::theme;
use crate::worker::message::{Control, Stage};
use eframe::egui::{self, Button, RichText, Ui};

/// The buttons, and whether discarding was asked for and is yet to be confirmed.
#[derive(Debug, Default)]
pub(super) struct Steer {
    confirming: bool,
}

impl Steer {
    /// Draws the buttons in a row.
    pub(super) fn show(&mut self, ui: &mut Ui, state: &State, _: &mut Outbox, actions: &mut Vec<Action>) {
        if !state.is_busy() {
            self.confirming = false;
            let direct = state.draft.config().training.method == Method::Direct;
            let text = match state.job.has_ended() {
                true if direct => "Solve again",
                true => "Train again",
                false => method::start_text(state),
            };
            // What came of the last training is looked at before the next one is begun.
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
            if ui.button("Configure…").on_hover_text("Change how the next training is done").clicked() {
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
        } else if ui.button("Stop").on_hover_text(kept(state.job.stage)).clicked() {
            actions.push(Action::Steer(Control::Stop));
        }
        if asked == Control::StopAfterEpoch && ui.button("Go on instead").clicked() {
            actions.push(Action::Steer(Control::Run));
        }
        self.confirm(ui, actions);
    }

    fn menu(&mut self, ui: &mut Ui, actions: &mut Vec<Action>) {
        let choices = [
            (
                "Finish the epoch and keep",
                "The usual end: the epoch is completed, then the object is stitched",
                Control::StopAfterEpoch,
            ),
            ("Stop now and keep", "At once; what was learnt so far is kept, and the object is stitched", Control::Stop),
        ];
        for (text, about, control) in choices {
            if ui.button(text).on_hover_text(about).clicked() {
                actions.push(Action::Steer(control));
                ui.close();
            }
        }
        ui.separator();
        let text = RichText::new("Discard…").color(theme::palette(ui).bad);
        if ui.button(text).on_hover_text("At once; nothing of this training is kept").clicked() {
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
            ui.label("It is stopped, and its weights, curves and files are deleted. This cannot be undone.");
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

/// What stopping leaves behind in this stage.
fn kept(stage: Option<Stage>) -> &'static str {
    match stage {
        Some(Stage::Simulating) => "Nothing is written",
        Some(Stage::Watching) => "The results so far are kept",
        _ => "A trained model is kept",
    }
}

/// A button that starts the training, or says why it cannot.
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

/// The button that is most likely wanted.
pub(super) fn primary(ui: &mut Ui, text: &str) -> egui::Response {
    let palette = theme::palette(ui);
    ui.add(Button::new(RichText::new(text).color(palette.on_accent).strong()).fill(palette.accent))
}
