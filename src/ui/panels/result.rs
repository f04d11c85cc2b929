//! The stitched object.

use super::Outbox;
use crate::imaging::Colormap;
use crate::session::{Action, State};
use crate::ui::widgets::image_view::ImageView;
use eframe::egui;

/// How the result is shown.
#[derive(Default)]
pub struct View {
    amplitude: ImageView,
}

impl View {
    /// Draws the panel.
    pub fn show(&mut self, ui: &mut egui::Ui, state: &State, _: &mut Outbox, _: &mut Vec<Action>) {
        let Some(result) = &state.result else {
            ui.weak("No result yet");
            return;
        };
        let object = &result.reconstruction.object;
        let (h, w) = object.dim();
        self.amplitude.show(ui, "Amplitude", std::sync::Arc::as_ptr(result) as u64, [w, h], || {
            let amplitude = object.mapv(|value| value.norm());
            let limits = crate::imaging::robust_limits(amplitude.view(), result.covered.view(), 0.01, 0.99);
            let pixels = amplitude
                .iter()
                .map(|v| {
                    let [r, g, b] = Colormap::Gray.rgb(limits.fraction(f64::from(*v)));
                    egui::Color32::from_rgb(r, g, b)
                })
                .collect();
            egui::ColorImage::new([w, h], pixels)
        });
    }
}
