//! The choice between network and direct solver, where work is configured and started.

use crate::config::Method;
use crate::session::{Action, State};
use crate::ui::theme;
use eframe::egui::{self, Button, RichText};

/// The methods with their names and what they are good for.
const METHODS: [(Method, &str, &str, &str); 2] = [
    (
        Method::Network,
        "network",
        "Network",
        "learns from these patterns, and reconstructs other datasets of the kind in seconds",
    ),
    (
        Method::Direct,
        "direct",
        "Direct solver",
        "finds the object of this dataset alone, without a network: quick, but nothing is learnt",
    ),
];

/// Width from which on the choice and what it means stand in one row.
const WIDE: f32 = 600.0;

/// Draws the choice in a row of its own.
pub fn choose(ui: &mut egui::Ui, state: &State, actions: &mut Vec<Action>) {
    let now = state.draft.config().training.method;
    let palette = theme::palette(ui);
    let about = METHODS.iter().find(|(method, ..)| *method == now).map_or("", |(.., about)| *about);
    let about = |ui: &mut egui::Ui| ui.label(RichText::new(about).small().color(palette.weak));
    let wide = ui.available_width() >= WIDE;
    ui.horizontal_wrapped(|ui| {
        ui.label("Method");
        for (method, name, text, about) in METHODS {
            let button = ui.add_enabled(!state.is_busy(), Button::selectable(now == method, text));
            let button = button.on_hover_text(format!("It {about}"));
            if button.on_disabled_hover_text("A job is running").clicked() && now != method {
                actions.push(Action::SetField { path: "training.method".to_owned(), text: name.to_owned() });
            }
        }
        if wide {
            about(ui);
        }
    });
    if !wide {
        about(ui);
    }
}

/// What the button that starts the work is called.
pub fn start_text(state: &State) -> &'static str {
    match state.draft.config().training.method {
        Method::Network => "Start training",
        Method::Direct => "Start solving",
    }
}
