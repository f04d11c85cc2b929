//! The dataset: what the file holds, whether it can be used, and what its patterns look like.

use super::Outbox;
use crate::data::Status as Judgement;
use crate::session::{Action, State};
use crate::ui::theme;
use crate::ui::widgets::image_view::ImageView;
use eframe::egui::{self, RichText};

/// How the dataset is shown.
#[derive(Default)]
pub struct View {
    pattern: ImageView,
}

impl View {
    /// Draws the panel.
    pub fn show(&mut self, ui: &mut egui::Ui, state: &State, _: &mut Outbox, actions: &mut Vec<Action>) {
        let Some(dataset) = &state.dataset else { return };
        let palette = theme::palette(ui);
        if dataset.loading {
            ui.horizontal(|ui| {
                ui.spinner();
                ui.label("Reading");
            });
        }
        if let Some(failure) = &dataset.failure {
            ui.label(RichText::new(&failure.message).color(palette.bad));
        }
        if let Some(inspection) = &dataset.inspection {
            for verdict in &inspection.verdicts {
                let color = match verdict.status {
                    Judgement::Pass => palette.good,
                    Judgement::Warn => palette.warning,
                    Judgement::Fail => palette.bad,
                };
                ui.label(RichText::new(verdict.to_string()).color(color));
            }
        }
        if let Some(patterns) = &dataset.patterns {
            let count = patterns.dataset.len();
            let mut selected = dataset.selected;
            ui.add(egui::Slider::new(&mut selected, 0..=count.saturating_sub(1)).text("Pattern"));
            if selected != dataset.selected {
                actions.push(Action::SelectPattern(selected));
            }
            let pattern = patterns.dataset.diffraction.index_axis(ndarray::Axis(0), dataset.selected);
            let (h, w) = pattern.dim();
            self.pattern.show(ui, "Diffraction pattern", dataset.selected as u64, [w, h], || {
                let largest = pattern.iter().copied().fold(1e-9f32, f32::max);
                egui::ColorImage::from_gray(
                    [w, h],
                    &pattern.iter().map(|v| (255.0 * v / largest) as u8).collect::<Vec<_>>(),
                )
            });
        }
    }
}
