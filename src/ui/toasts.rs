//! Transient messages in the lower right corner, which can be copied and closed.

use super::commands::Command;
use super::theme;
use crate::session::Level;
use eframe::egui::{
    self, Align, Align2, Area, Button, Context, Frame, Label, Layout, Order, Response, RichText, WidgetInfo, vec2,
};
use std::time::Duration;

/// Maximum number of messages shown at once; older ones are in the log.
const MAX_SHOWN: usize = 4;
/// Width of the text, in points.
const WIDTH: f32 = 340.0;
/// Display time of a message, in seconds.
const DURATION_S: f64 = 5.0;
/// Display time of a warning or an error, in seconds.
const PROBLEM_DURATION_S: f64 = 12.0;

/// A message.
#[derive(Debug, Clone, PartialEq)]
struct Toast {
    number: u64,
    level: Level,
    text: String,
    details: Option<String>,
    /// Command offered as a button.
    command: Option<Command>,
    expanded: bool,
    /// Time at which it disappears, in seconds since the start of the window; `None` before it was first drawn.
    ends: Option<f64>,
}

impl Toast {
    fn duration_s(&self) -> f64 {
        if matches!(self.level, Level::Error | Level::Warning) { PROBLEM_DURATION_S } else { DURATION_S }
    }

    /// Details if there are any, else the message, for the clipboard.
    fn full_text(&self) -> String {
        self.details.clone().unwrap_or_else(|| self.text.clone())
    }
}

/// Messages shown now.
#[derive(Debug, Default)]
pub(super) struct Toasts {
    shown: Vec<Toast>,
    added: u64,
}

impl Toasts {
    /// Shows a message, with an optional longer version of it.
    pub(super) fn add(&mut self, level: Level, text: String, details: Option<String>) {
        self.added += 1;
        // A repeated message is shown once, as the latest.
        self.shown.retain(|toast| toast.text != text);
        self.shown.push(Toast { number: self.added, level, text, details, command: None, expanded: false, ends: None });
        let too_many = self.shown.len().saturating_sub(MAX_SHOWN);
        self.shown.drain(..too_many);
    }

    /// Adds a button to the latest message.
    pub(super) fn offer(&mut self, command: Command) {
        if let Some(toast) = self.shown.last_mut() {
            toast.command = Some(command);
        }
    }

    /// Removes the messages about a file that is no longer open.
    pub(super) fn clear_problems(&mut self) {
        self.shown.retain(|toast| !matches!(toast.level, Level::Error | Level::Warning) || toast.command.is_some());
    }

    /// Draws the messages; returns the command whose button was clicked. They stay while the pointer is over them.
    pub(super) fn show(&mut self, context: &Context) -> Option<Command> {
        let now = context.input(|input| input.time);
        self.shown.retain(|toast| toast.ends.is_none_or(|ends| now < ends));
        if self.shown.is_empty() {
            return None;
        }
        let mut closed = None;
        let mut command = None;
        let area = Area::new(egui::Id::unique("messages"))
            .order(Order::Foreground)
            // Above the main button of a panel, in its lower right corner.
            .anchor(Align2::RIGHT_BOTTOM, vec2(-12.0, -96.0))
            .show(context, |ui| {
                ui.spacing_mut().item_spacing.y = 6.0;
                for toast in &mut self.shown {
                    let clicked = draw(ui, toast, &mut command);
                    if clicked {
                        closed = Some(toast.number);
                    }
                }
            });
        let hovered =
            context.input(|input| input.pointer.hover_pos()).is_some_and(|at| area.response.rect.contains(at));
        for toast in &mut self.shown {
            if hovered || toast.expanded || toast.ends.is_none() {
                toast.ends = Some(now + toast.duration_s());
            }
        }
        self.shown.retain(|toast| Some(toast.number) != closed);
        let next = self.shown.iter().filter_map(|toast| toast.ends).fold(f64::INFINITY, f64::min);
        if next.is_finite() {
            context.request_repaint_after(Duration::from_secs_f64((next - now).max(0.05)));
        }
        command
    }
}

/// Draws a message; true if the user closed it.
fn draw(ui: &mut egui::Ui, toast: &mut Toast, chosen: &mut Option<Command>) -> bool {
    let palette = theme::palette(ui);
    let mut closed = false;
    ui.push_id(toast.number, |ui| {
        Frame::popup(ui.style()).inner_margin(10).show(ui, |ui| {
            ui.set_width(WIDTH + 60.0);
            ui.horizontal_top(|ui| {
                let sign = if toast.level == Level::Info { "○" } else { "●" };
                ui.label(RichText::new(sign).monospace().color(palette.level(toast.level)));
                ui.vertical(|ui| {
                    ui.set_width(WIDTH);
                    ui.add(Label::new(&toast.text).wrap());
                    if let Some(details) = toast.details.as_ref().filter(|_| toast.expanded) {
                        ui.add(Label::new(RichText::new(details).color(palette.weak)).wrap());
                    }
                    if matches!(toast.level, Level::Error | Level::Warning) {
                        ui.horizontal(|ui| {
                            if let Some(command) = toast.command
                                && ui.small_button(command.label()).clicked()
                            {
                                *chosen = Some(command);
                                closed = true;
                            }
                            if toast.details.is_some() {
                                let label = if toast.expanded { "Less" } else { "Details" };
                                if ui.small_button(label).clicked() {
                                    toast.expanded = !toast.expanded;
                                }
                            }
                            if ui.small_button("Copy").on_hover_text("Copy message").clicked() {
                                ui.ctx().copy_text(toast.full_text());
                            }
                        });
                    }
                });
                ui.with_layout(Layout::right_to_left(Align::Min), |ui| {
                    closed |= named(ui.add(Button::new("×").frame(false)), "Close message").clicked();
                });
            });
        });
    });
    closed
}

fn named(response: Response, name: &str) -> Response {
    response.widget_info(|| WidgetInfo::labeled(egui::Role::Button, true, name));
    response.on_hover_text(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use egui_kittest::Harness;
    use egui_kittest::kittest::Queryable;

    fn harness(toasts: Toasts) -> Harness<'static, Toasts> {
        let mut harness =
            Harness::builder().with_size(vec2(700.0, 400.0)).with_context_setup(theme::install).build_ui_state(
                |ui, toasts: &mut Toasts| {
                    let _command = toasts.show(ui.ctx());
                },
                toasts,
            );
        harness.run_steps(2);
        harness
    }

    #[test]
    fn a_message_is_closed_by_hand_and_the_others_stay() {
        let mut toasts = Toasts::default();
        toasts.add(Level::Success, "Saved a.npz".into(), None);
        let mut window = harness(toasts);
        window.get_by_label("Saved a.npz");
        window.state_mut().add(Level::Warning, "Look".into(), None);
        window.run_steps(2);
        window.get_all_by_label("Close message").next().unwrap().click();
        window.run_steps(2);
        assert!(window.query_by_label("Saved a.npz").is_none());
        window.get_by_label("Look");
    }

    #[test]
    fn a_repeated_message_is_shown_once_and_those_of_a_closed_file_go() {
        let mut toasts = Toasts::default();
        for text in ["No such array", "Saved", "No such array", "A run was interrupted"] {
            let level = if text == "Saved" { Level::Success } else { Level::Error };
            toasts.add(level, text.into(), None);
        }
        toasts.offer(Command::ShowRuns);
        let texts: Vec<&str> = toasts.shown.iter().map(|toast| toast.text.as_str()).collect();
        assert_eq!(texts, ["Saved", "No such array", "A run was interrupted"]);
        toasts.clear_problems();
        let mut window = harness(toasts);
        assert!(window.query_by_label("No such array").is_none());
        window.get_by_label("Show runs").click();
        window.run_steps(2);
        assert!(window.query_by_label("A run was interrupted").is_none(), "its button was used");
        window.get_by_label("Saved");
    }

    #[test]
    fn an_error_shows_details_on_demand_and_stays_while_it_is_expanded() {
        let mut toasts = Toasts::default();
        toasts.add(Level::Error, "No probe".into(), Some("No probe. Expected probeGuess. Add it.".into()));
        let mut window = harness(toasts);
        assert!(window.query_by_label_contains("Expected probeGuess").is_none());
        window.get_by_label("Details").click();
        window.run_steps(2);
        window.get_by_label_contains("Expected probeGuess");
        window.get_by_label("Copy").click();
        window.run_steps(1);
        window.run_steps(200);
        window.get_by_label("No probe");
    }

    #[test]
    fn messages_disappear_after_a_while_and_never_fill_the_screen() {
        let mut toasts = Toasts::default();
        for number in 0..20 {
            toasts.add(Level::Info, format!("Message {number}"), None);
        }
        let mut window = harness(toasts);
        assert_eq!(window.state().shown.len(), MAX_SHOWN);
        window.get_by_label("Message 19");
        let frames = (DURATION_S / f64::from(window.input().predicted_dt)) as usize + 10;
        window.run_steps(frames);
        assert!(window.state().shown.is_empty());
    }
}
