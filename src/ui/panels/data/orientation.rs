//! How the scan lies: said where another way explains the patterns better, with the click that lays it so.

use crate::session::{Action, Level, OpenDataset, State};
use crate::ui::theme;
use crate::ui::widgets::mark::mark;
use eframe::egui::{self, RichText};

const PATH: &str = "data.orientation";

/// Draws it; nothing where the present orientation is as good as any, or another one has been chosen since.
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
                "Another orientation, {}, explains the patterns better: misfit {:.3} instead of {:.3}",
                words(best.name()),
                found.misfit(best),
                found.misfit(found.now)
            );
            let scores: Vec<String> = found
                .best_first()
                .iter()
                .map(|score| format!("{}  {:.3}", words(score.orientation.name()), score.misfit))
                .collect();
            let about = format!("{} patterns after a few epochs:\n{}", found.patterns, scores.join("\n"));
            ui.label(RichText::new(text).color(palette.warning)).on_hover_text(about);
            if let Some(twin) = found.twin_of(best) {
                let text = format!("So does {}: the probe cannot tell the two apart", words(twin.name()));
                ui.label(RichText::new(text).color(palette.weak));
            }
            let button = ui.button(format!("Use {}", words(best.name())));
            if button.on_hover_text("Sets data.orientation and reads the file again").clicked() {
                let what = format!("scan laid as {}", words(best.name()));
                actions.push(Action::SetFields { what, fields: vec![(PATH.to_owned(), best.name().to_owned())] });
            }
        });
    });
}
