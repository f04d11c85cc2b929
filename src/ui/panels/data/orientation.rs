//! Suggests another scan orientation if it fits the patterns better, with a button to apply it.

use crate::session::{Action, Level, OpenDataset, State};
use crate::ui::theme;
use crate::ui::widgets::mark::mark;
use eframe::egui::{self, RichText};

const PATH: &str = "data.orientation";

/// Draws the suggestion, unless the current orientation is the best or was changed since the test.
pub(super) fn show(ui: &mut egui::Ui, state: &State, dataset: &OpenDataset, actions: &mut Vec<Action>) {
    let Some(found) = &dataset.orientations else { return };
    let Some(best) = found.suggestion().filter(|_| found.now == state.draft.config().data.orientation) else { return };
    let palette = theme::palette(ui);
    let words = |name: &str| name.replace('_', " ");
    ui.add_space(2.0);
    ui.horizontal_top(|ui| {
        mark(ui, Level::Warning, 14.0).on_hover_text("Warning");
        ui.vertical(|ui| {
            ui.spacing_mut().item_spacing.y = 2.0;
            ui.label(RichText::new("Orientation").strong());
            let text = format!(
                "Orientation {} fits the patterns better: misfit {:.3} instead of {:.3} after a few epochs",
                words(best.name()),
                found.misfit(best),
                found.misfit(found.now)
            );
            let scores: Vec<String> = found
                .best_first()
                .iter()
                .map(|score| format!("{}  {:.3}", words(score.orientation.name()), score.misfit))
                .collect();
            let about = format!("Misfit of {} patterns after a few epochs:\n{}", found.patterns, scores.join("\n"));
            ui.label(RichText::new(text).color(palette.warning)).on_hover_text(about);
            if let Some(twin) = found.twin_of(best) {
                let text = format!("{} fits equally well: the probe does not distinguish the two", words(twin.name()));
                ui.label(RichText::new(text).color(palette.weak));
            }
            let button = ui.button(format!("Use {}", words(best.name())));
            if button.on_hover_text("Set data.orientation and reload the file").clicked() {
                let what = format!("scan orientation {}", words(best.name()));
                actions
                    .push(Action::SetFields { label: what, fields: vec![(PATH.to_owned(), best.name().to_owned())] });
            }
        });
    });
}
