//! Choice of the method, first of all settings: direct solver, network, or network with polishing.

use crate::config::{Config, Method};
use crate::session::{Action, State};
use crate::ui::theme;
use eframe::egui::{self, Button, FontId, RichText, TextFormat, Ui, text::LayoutJob, vec2};

/// A way to reconstruct.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// Direct solver.
    Direct,
    /// Network.
    Network,
    /// Network, then polishing with the direct solver.
    Polished,
}

impl Way {
    /// All, in display order.
    pub const ALL: [Self; 3] = [Self::Direct, Self::Network, Self::Polished];

    /// The one that a configuration asks for.
    pub fn of(config: &Config) -> Self {
        match (config.training.method, config.inference.polish_epochs) {
            (Method::Direct, _) => Self::Direct,
            (Method::Network, 0) => Self::Network,
            (Method::Network, _) => Self::Polished,
        }
    }

    fn label(self) -> &'static str {
        match self {
            Self::Direct => "Direct solver",
            Self::Network => "Network",
            Self::Polished => "Network + polish",
        }
    }

    fn description(self) -> &'static str {
        match self {
            Self::Direct => "Best for one dataset: seconds to minutes, no model to reuse. Refines probe and positions.",
            Self::Network => "Trains a model on these patterns; it then reconstructs similar datasets in seconds.",
            Self::Polished => "Trains a model, then refines its object with the direct solver: sharper on a CPU.",
        }
    }

    /// Action that chooses it.
    fn action(self, config: &Config) -> Action {
        let method = if self == Self::Direct { Method::Direct } else { Method::Network };
        let polish_epochs = match self {
            Self::Direct => config.inference.polish_epochs,
            Self::Network => 0,
            Self::Polished => config.inference.polish_epochs.max(config.direct.epochs),
        };
        Action::SetMethod { method, polish_epochs }
    }
}

/// Minimum width, in points, to show choice and description in one row.
const WIDE: f32 = 760.0;

/// Draws the choice in its own row.
pub fn choose(ui: &mut Ui, state: &State, actions: &mut Vec<Action>) {
    let now = Way::of(state.draft.config());
    let palette = theme::palette(ui);
    let describe = |ui: &mut Ui| ui.label(RichText::new(now.description()).small().color(palette.weak));
    let wide = ui.available_width() >= WIDE;
    ui.horizontal_wrapped(|ui| {
        ui.label("Method");
        for way in Way::ALL {
            let button = ui.add_enabled(!state.is_busy(), Button::selectable(now == way, way.label()));
            choice(button, way, now, state, actions);
        }
        if wide {
            describe(ui);
        }
    });
    if !wide {
        describe(ui);
    }
}

/// Draws the choice as cards with descriptions, side by side if there is room.
pub fn cards(ui: &mut Ui, state: &State, actions: &mut Vec<Action>) {
    let now = Way::of(state.draft.config());
    let palette = theme::palette(ui);
    let card = |ui: &mut Ui, way: Way, actions: &mut Vec<Action>| {
        let mut job = LayoutJob::default();
        let title = if now == way { palette.accent } else { ui.visuals().text_color() };
        job.append(way.label(), 0.0, TextFormat::simple(FontId::proportional(14.5), title));
        let text = format!("\n{}", way.description());
        job.append(&text, 0.0, TextFormat::simple(FontId::proportional(11.5), palette.weak));
        let size = vec2(ui.available_width(), if ui.available_width() < WIDE / 2.0 { 56.0 } else { 40.0 });
        let button = Button::selectable(now == way, job).wrap().frame_when_inactive(true).min_size(size);
        let button = ui.add_enabled(!state.is_busy(), button);
        button.widget_info(|| egui::WidgetInfo::selected(egui::Role::RadioButton, true, now == way, way.label()));
        choice(button, way, now, state, actions);
    };
    if ui.available_width() >= WIDE {
        ui.columns(Way::ALL.len(), |columns| {
            columns.iter_mut().zip(Way::ALL).for_each(|(ui, way)| card(ui, way, actions));
        });
    } else {
        Way::ALL.into_iter().for_each(|way| card(ui, way, actions));
    }
}

fn choice(button: egui::Response, way: Way, now: Way, state: &State, actions: &mut Vec<Action>) {
    let button = button.on_hover_text(way.description());
    if button.on_disabled_hover_text("A job is running").clicked() && now != way {
        actions.push(way.action(state.draft.config()));
    }
}

/// Label of the button that starts a job.
pub fn start_label(state: &State) -> &'static str {
    match state.draft.config().training.method {
        Method::Network => "Start training",
        Method::Direct => "Start solving",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_is_chosen_and_recognized_and_undone_at_once() {
        let mut state = State::default();
        assert_eq!(Way::of(state.draft.config()), Way::Network);
        for way in [Way::Polished, Way::Direct, Way::Network] {
            state.dispatch(way.action(state.draft.config()));
            assert_eq!(Way::of(state.draft.config()), way);
        }
        assert_eq!(state.draft.config().inference.polish_epochs, 0);
        state.dispatch(Way::Polished.action(state.draft.config()));
        assert_eq!(state.draft.config().inference.polish_epochs, state.draft.config().direct.epochs);
        assert!(!state.changes.last().unwrap().is_fix);
    }
}
