//! Choice between network and direct solver, shown where jobs are configured and started.

use crate::config::Method;
use crate::session::{Action, State};
use crate::ui::theme;
use eframe::egui::{self, Button, RichText};

/// Methods: value in the configuration, label and description.
const METHODS: [(Method, &str, &str, &str); 2] = [
    (
        Method::Network,
        "network",
        "Network",
        "Trains on these patterns; the model then reconstructs similar datasets in seconds",
    ),
    (
        Method::Direct,
        "direct",
        "Direct solver",
        "Reconstructs this dataset only, without a network: fast, but leaves no model to reuse",
    ),
];

/// Minimum width, in points, to show choice and description in one row.
const WIDE: f32 = 600.0;

/// Draws the choice in its own row.
pub fn choose(ui: &mut egui::Ui, state: &State, actions: &mut Vec<Action>) {
    let now = state.draft.config().training.method;
    let palette = theme::palette(ui);
    let description = METHODS.iter().find(|(method, ..)| *method == now).map_or("", |(.., description)| *description);
    let describe = |ui: &mut egui::Ui| ui.label(RichText::new(description).small().color(palette.weak));
    let wide = ui.available_width() >= WIDE;
    ui.horizontal_wrapped(|ui| {
        ui.label("Method");
        for (method, name, label, description) in METHODS {
            let button = ui.add_enabled(!state.is_busy(), Button::selectable(now == method, label));
            let button = button.on_hover_text(description);
            if button.on_disabled_hover_text("A job is running").clicked() && now != method {
                actions.push(Action::SetField { path: "training.method".to_owned(), text: name.to_owned() });
            }
        }
        if wide {
            describe(ui);
        }
    });
    if !wide {
        describe(ui);
    }
}

/// Label of the button that starts a job.
pub fn start_label(state: &State) -> &'static str {
    match state.draft.config().training.method {
        Method::Network => "Start training",
        Method::Direct => "Start solving",
    }
}
