//! Messages that are shown for a while, in the lower right corner: to be read, copied and closed.

use super::theme;
use crate::session::Level;
use eframe::egui::{
    self, Align, Align2, Area, Button, Context, Frame, Label, Layout, Order, Response, RichText, WidgetInfo, vec2,
};
use std::time::Duration;

/// Most messages shown at once; older ones are in the log.
const MOST: usize = 4;
/// Width of a message's text, in points.
const WIDTH: f32 = 340.0;
/// Seconds that a message stays, and that a complaint stays.
const STAYS_S: f64 = 5.0;
const COMPLAINT_STAYS_S: f64 = 12.0;

/// One message.
#[derive(Debug, Clone, PartialEq)]
struct Toast {
    number: u64,
    level: Level,
    text: String,
    details: Option<String>,
    unfolded: bool,
    /// Time of the frame at which it goes; none before it was first drawn.
    ends: Option<f64>,
}

impl Toast {
    fn stays_s(&self) -> f64 {
        if matches!(self.level, Level::Error | Level::Warning) { COMPLAINT_STAYS_S } else { STAYS_S }
    }

    /// Everything it says, for the clipboard.
    fn whole(&self) -> String {
        self.details.clone().unwrap_or_else(|| self.text.clone())
    }
}

/// The messages that are shown.
#[derive(Debug, Default)]
pub(super) struct Toasts {
    shown: Vec<Toast>,
    added: u64,
}

impl Toasts {
    /// Shows a message; `details` say more than `text`.
    pub(super) fn add(&mut self, level: Level, text: String, details: Option<String>) {
        self.added += 1;
        self.shown.push(Toast { number: self.added, level, text, details, unfolded: false, ends: None });
        let too_many = self.shown.len().saturating_sub(MOST);
        self.shown.drain(..too_many);
    }

    /// Draws them; those that are looked at stay.
    pub(super) fn show(&mut self, context: &Context) {
        let now = context.input(|input| input.time);
        self.shown.retain(|toast| toast.ends.is_none_or(|ends| now < ends));
        if self.shown.is_empty() {
            return;
        }
        let mut closed = None;
        let area = Area::new(egui::Id::unique("messages"))
            .order(Order::Foreground)
            // Above the button that a panel leads to, which stands at its lower right end.
            .anchor(Align2::RIGHT_BOTTOM, vec2(-12.0, -96.0))
            .show(context, |ui| {
                ui.spacing_mut().item_spacing.y = 6.0;
                for toast in &mut self.shown {
                    if draw(ui, toast) {
                        closed = Some(toast.number);
                    }
                }
            });
        let looked_at =
            context.input(|input| input.pointer.hover_pos()).is_some_and(|at| area.response.rect.contains(at));
        for toast in &mut self.shown {
            if looked_at || toast.unfolded || toast.ends.is_none() {
                toast.ends = Some(now + toast.stays_s());
            }
        }
        self.shown.retain(|toast| Some(toast.number) != closed);
        let next = self.shown.iter().filter_map(|toast| toast.ends).fold(f64::INFINITY, f64::min);
        if next.is_finite() {
            context.request_repaint_after(Duration::from_secs_f64((next - now).max(0.05)));
        }
    }
}

/// Draws one; whether it was closed.
fn draw(ui: &mut egui::Ui, toast: &mut Toast) -> bool {
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
                    if let Some(details) = toast.details.as_ref().filter(|_| toast.unfolded) {
                        ui.add(Label::new(RichText::new(details).color(palette.weak)).wrap());
                    }
                    if matches!(toast.level, Level::Error | Level::Warning) {
                        ui.horizontal(|ui| {
                            if toast.details.is_some() {
                                let word = if toast.unfolded { "Less" } else { "Details" };
                                if ui.small_button(word).clicked() {
                                    toast.unfolded = !toast.unfolded;
                                }
                            }
                            if ui.small_button("Copy").on_hover_text("Copy the message").clicked() {
                                ui.ctx().copy_text(toast.whole());
                            }
                        });
                    }
                });
                ui.with_layout(Layout::right_to_left(Align::Min), |ui| {
                    closed = named(ui.add(Button::new("×").frame(false)), "Close message").clicked();
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
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use egui_kittest::Harness;
    use egui_kittest::kittest::Queryable;

    fn harness(toasts: Toasts) -> Harness<'static, Toasts> {
        let mut harness = Harness::builder()
            .with_size(vec2(700.0, 400.0))
            .with_context_setup(theme::install)
            .build_ui_state(|ui, toasts: &mut Toasts| toasts.show(ui.ctx()), toasts);
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
    fn a_complaint_tells_more_on_demand_and_stays_while_it_is_read() {
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
    fn messages_go_by_themselves_and_never_fill_the_screen() {
        let mut toasts = Toasts::default();
        for number in 0..20 {
            toasts.add(Level::Info, format!("Message {number}"), None);
        }
        let mut window = harness(toasts);
        assert_eq!(window.state().shown.len(), MOST);
        window.get_by_label("Message 19");
        let frames = (STAYS_S / f64::from(window.input().predicted_dt)) as usize + 10;
        window.run_steps(frames);
        assert!(window.state().shown.is_empty());
    }
}
