//! Preview of a simulated dataset: object with scan, probe, and one pattern.

use super::super::data::{browser, field};
use crate::library::SimulationPreview;
use crate::session::State;
use crate::ui::theme;
use crate::ui::widgets::image_view::ImageView;
use crate::ui::widgets::numbers::{count_of, quantity, short};
use crate::ui::widgets::spinner;
use eframe::egui::{self, Layout, RichText, Stroke, vec2};
use field::{Aspect, FieldImage};
use ndarray::Axis;
use std::sync::Arc;

/// Maximum number of positions drawn over the object.
const MAX_DOTS: usize = 3000;

/// State of the preview.
#[derive(Default)]
pub(super) struct Preview {
    object: FieldImage,
    probe: FieldImage,
    pattern: ImageView,
    object_aspect: Aspect,
    probe_aspect: Aspect,
    hide_scan: bool,
    /// Displayed preview, held so that a reused address is not mistaken for the same preview, and its number.
    held: Option<Arc<SimulationPreview>>,
    generation: u64,
}

impl Preview {
    /// Draws the preview, or the reason why there is none, with this height in points.
    pub(super) fn show(&mut self, ui: &mut egui::Ui, state: &State, height: f32) {
        let palette = theme::palette(ui);
        let scene = &state.simulation;
        let Some(preview) = &scene.preview else {
            match &scene.failure {
                Some(failure) => {
                    let problem = failure.problem();
                    ui.label(RichText::new("These settings cannot be simulated").strong().color(palette.bad));
                    ui.label(&problem.title);
                    for text in [&problem.expected, &problem.hint].into_iter().filter(|text| !text.is_empty()) {
                        ui.label(RichText::new(text).color(palette.weak));
                    }
                }
                None if scene.is_waiting() => {
                    ui.horizontal(|ui| {
                        spinner(ui);
                        ui.label("Computing preview");
                    });
                }
                None => {
                    ui.label(RichText::new("Choose all required files to see a preview").color(palette.weak));
                }
            }
            return;
        };
        if !self.held.as_ref().is_some_and(|held| Arc::ptr_eq(held, preview)) {
            self.held = Some(Arc::clone(preview));
            self.generation += 1;
        }
        let gap = ui.spacing().item_spacing;
        let (width, top) = (ui.available_width(), ui.cursor().top());
        self.facts(ui, state, preview);
        // The facts above take one line or more.
        let rest = height - (ui.cursor().top() - top) - 2.0 * gap.y;
        let upper = (0.58 * rest).max(200.0);
        let lower = (rest - upper).max(170.0);
        block(ui, [width, upper], |ui| self.object(ui, preview));
        let half = (width - 2.0 * gap.x) / 2.0;
        ui.horizontal_top(|ui| {
            block(ui, [half, lower], |ui| self.probe(ui, preview));
            ui.add_space(gap.x);
            block(ui, [half, lower], |ui| self.pattern(ui, preview));
        });
    }

    fn facts(&self, ui: &mut egui::Ui, state: &State, preview: &SimulationPreview) {
        let palette = theme::palette(ui);
        let (height, width) = preview.scene.object.dim();
        let mut parts =
            vec![format!("object {width} × {height} px"), format!("probe {} px wide", short(preview.probe_diameter))];
        if let Some(overlap) = preview.overlap {
            parts.push(format!("overlap about {:.0} %", 100.0 * overlap.max(0.0)));
        }
        parts.push(count_of(preview.scene.positions.len(), "position"));
        if preview.is_partial {
            parts.push("partial preview".to_owned());
        }
        ui.horizontal_wrapped(|ui| {
            ui.label(RichText::new("Preview").strong());
            ui.label(RichText::new(parts.join(" · ")).color(palette.weak));
            if state.simulation.is_waiting() {
                spinner(ui);
            }
        });
        let notes = preview.scene.notes.join(" ");
        if !notes.is_empty() {
            ui.add(egui::Label::new(RichText::new(&notes).color(palette.warning)).truncate()).on_hover_text(&notes);
        }
    }

    fn object(&mut self, ui: &mut egui::Ui, preview: &SimulationPreview) {
        ui.horizontal_wrapped(|ui| {
            ui.label(RichText::new("Object").strong());
            field::aspects(ui, &mut self.object_aspect, true);
            let mut scan = !self.hide_scan;
            ui.checkbox(&mut scan, "Scan").on_hover_text("Scan positions");
            self.hide_scan = !scan;
        });
        let object = &preview.scene.object;
        let at = |y: usize, x: usize| object.get((y, x)).copied().unwrap_or_default();
        let key = self.key(self.object_aspect);
        let caption = "True object; dots are scan positions";
        let shown = field::draw(
            ui,
            &mut self.object,
            "Simulated object",
            key,
            object.dim(),
            self.object_aspect,
            || object.clone(),
            at,
            caption,
        );
        let Some(shown) = shown.filter(|_| !self.hide_scan) else { return };
        let palette = theme::palette(ui);
        let painter = ui.painter_at(shown.response.rect);
        let step = preview.scene.positions.len().div_ceil(MAX_DOTS).max(1);
        let radius = (0.9 * shown.scale).clamp(1.0, 3.0);
        for [x, y] in preview.scene.positions.iter().step_by(step) {
            // Positions refer to pixel centers.
            let place = shown.to_screen(*x as f32 + 0.5, *y as f32 + 0.5);
            painter.circle(place, radius, palette.over_accent, Stroke::new(0.5, palette.over_dark));
        }
    }

    fn probe(&mut self, ui: &mut egui::Ui, preview: &SimulationPreview) {
        ui.horizontal_wrapped(|ui| {
            ui.label(RichText::new("Probe").strong());
            field::aspects(ui, &mut self.probe_aspect, true);
        });
        let modes = preview.scene.probe.len_of(Axis(0));
        let probe = preview.scene.probe.index_axis(Axis(0), 0);
        let at = |y: usize, x: usize| probe.get((y, x)).copied().unwrap_or_default();
        let caption = match modes {
            1 => "One mode".to_owned(),
            _ => format!("First of {modes} modes"),
        };
        let key = self.key(self.probe_aspect);
        let (dim, aspect) = (probe.dim(), self.probe_aspect);
        field::draw(ui, &mut self.probe, "Simulated probe", key, dim, aspect, || probe.to_owned(), at, &caption);
    }

    fn pattern(&mut self, ui: &mut egui::Ui, preview: &SimulationPreview) {
        let palette = theme::palette(ui);
        ui.horizontal_wrapped(|ui| {
            ui.label(RichText::new("Pattern").strong());
            ui.label(RichText::new("log scale").color(palette.weak));
        });
        let below = ui.spacing().interact_size.y;
        let space = vec2(ui.available_width(), (ui.available_height() - below).max(80.0));
        let (height, width) = preview.counts.dim();
        let key = self.key(Aspect::Amplitude);
        let shown = ui
            .allocate_ui(space, |ui| {
                let make = || browser::logarithmic(&preview.counts);
                self.pattern.show(ui, "Simulated pattern", key, [width, height], make)
            })
            .inner;
        let text = match shown.hovered {
            Some([x, y]) => {
                let value = preview.counts.get((y, x)).copied().unwrap_or_default();
                format!("x {x}, y {y} · {}", quantity(value.into(), "photon"))
            }
            None => format!("Pattern {} · {}", preview.pattern, quantity(preview.photons, "photon")),
        };
        ui.add(egui::Label::new(RichText::new(text).color(palette.weak)).truncate());
    }

    fn key(&self, aspect: Aspect) -> u64 {
        crate::ui::widgets::background::key_of((self.generation, aspect))
    }
}

fn block(ui: &mut egui::Ui, size: [f32; 2], contents: impl FnOnce(&mut egui::Ui)) {
    ui.allocate_ui_with_layout(vec2(size[0], size[1]), Layout::top_down(egui::Align::Min), |ui| {
        ui.set_min_size(vec2(size[0], size[1]));
        ui.set_max_width(size[0]);
        contents(ui);
    });
}
