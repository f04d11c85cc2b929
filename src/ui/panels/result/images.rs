//! The images of the panel, their layout, and the readout below them.

use super::View;
use super::controls::Compare;
use super::pane::{self, MenuChoice, Shown, Source};
use super::rendering::{Quantity, Rendering};
use crate::imaging;
use crate::session::{Action, State};
use crate::ui::theme;
use crate::ui::widgets::elided;
use crate::ui::widgets::numbers::signed;
use eframe::egui::{self, RichText, Ui, vec2};
use std::sync::Arc;

/// Maximum letters of a run name in the readout.
const NAME: usize = 18;

impl View {
    /// Draws the images, with the readout below.
    pub(super) fn images_with_readout(
        &mut self,
        ui: &mut Ui,
        state: &State,
        key: u64,
        rendering: &Arc<Rendering>,
        actions: &mut Vec<Action>,
    ) {
        let readout = 22.0;
        let space = vec2(ui.available_width(), (ui.available_height() - readout - 6.0).max(120.0));
        ui.allocate_ui_with_layout(space, egui::Layout::top_down(egui::Align::Min), |ui| {
            ui.set_min_size(space);
            self.images(ui, state, key, rendering, actions);
        });
        self.readout(ui, rendering);
    }

    fn images(&mut self, ui: &mut Ui, state: &State, key: u64, rendering: &Arc<Rendering>, actions: &mut Vec<Action>) {
        let tiles = self.controls.tiles(rendering);
        self.panes.retain(|tile, _| tiles.contains(tile));
        let space = ui.available_rect_before_wrap();
        let gap = 14.0;
        let pairs = self.controls.compare == Compare::SideBySide && tiles.len() > 2;
        self.columns = columns(tiles.len(), space.size(), rendering.size, if pairs { 2 } else { 1 });
        let rows = tiles.len().div_ceil(self.columns).max(1);
        let cell = vec2(
            (space.width() - gap * (self.columns as f32 - 1.0)) / self.columns as f32,
            (space.height() - gap * (rows as f32 - 1.0)) / rows as f32,
        );
        self.viewport.next_frame();
        for (i, (quantity, source)) in tiles.into_iter().enumerate() {
            let offset = vec2((i % self.columns) as f32 * (cell.x + gap), (i / self.columns) as f32 * (cell.y + gap));
            let rect = egui::Rect::from_min_size(space.min + offset, cell);
            let Some(tone) = self.tone(rendering, quantity, source) else { continue };
            let shown = Shown {
                rendering,
                rendering_key: key,
                quantity,
                source,
                tone,
                over: self.overlay(ui, rendering, quantity, source),
                tool: self.controls.tool,
                active: self.controls.active == quantity,
                named: self.controls.compare == Compare::SideBySide,
            };
            let mut child = ui.new_child(
                egui::UiBuilder::new()
                    .max_rect(rect)
                    .id_salt((quantity.label(), source))
                    .layout(egui::Layout::top_down(egui::Align::Min)),
            );
            let pane = self.panes.entry((quantity, source)).or_default();
            let response = pane.show(&mut child, &shown, &mut self.viewport, &mut self.marks);
            match response.choice {
                Some(MenuChoice::Export(export)) => self.request_export(export),
                Some(MenuChoice::Tool(tool)) => self.controls.tool = tool,
                Some(MenuChoice::Fit) => self.viewport.fit(),
                None => {}
            }
            if response.activated {
                self.controls.active = quantity;
            }
            if let Some(at) = response.clicked_at {
                self.marks.pattern = rendering.nearest_pattern(f64::from(at.x), f64::from(at.y));
                select_pattern(state, self.marks.pattern, actions);
            }
        }
        self.viewport.end_frame(ui.ctx());
        ui.allocate_rect(space, egui::Sense::hover());
    }

    /// Color mapping of an image; that of the result if both share the same limits.
    pub(super) fn tone(&self, rendering: &Rendering, quantity: Quantity, source: Source) -> Option<imaging::Tone> {
        let difference = source == Source::Difference;
        let own = source.layer(rendering)?.plane(quantity)?;
        let plane = match source {
            Source::Other if self.controls.same_limits => rendering.result.plane(quantity).unwrap_or(own),
            _ => own,
        };
        Some(self.controls.color_settings(quantity, difference).tone(quantity, plane, difference))
    }

    /// Object drawn over an image: right of the curtain, or everywhere during every second flicker interval.
    pub(super) fn overlay(
        &self,
        ui: &Ui,
        rendering: &Rendering,
        quantity: Quantity,
        source: Source,
    ) -> Option<(Source, imaging::Tone, bool)> {
        if source != Source::Result {
            return None;
        }
        let whole = match self.controls.compare {
            Compare::Curtain => false,
            Compare::Flicker => {
                let time = ui.input(|input| input.time) / self.controls.flicker_s;
                let rest = (1.0 - time.fract()) * self.controls.flicker_s;
                ui.ctx().request_repaint_after(std::time::Duration::from_secs_f64(rest.max(0.02)));
                if (time as u64).is_multiple_of(2) {
                    return None;
                }
                true
            }
            Compare::Off | Compare::SideBySide | Compare::Difference => return None,
        };
        let tone = self.tone(rendering, quantity, Source::Other)?;
        Some((Source::Other, tone, whole))
    }

    /// Position and values under the pointer.
    fn readout(&self, ui: &mut Ui, rendering: &Rendering) {
        let palette = theme::palette(ui);
        let Some(cursor) = self.viewport.cursor() else {
            let text = "Hover over an image to read values. Scroll to zoom, drag to pan, double-click to fit.";
            ui.add(egui::Label::new(RichText::new(text).color(palette.weak)).truncate());
            return;
        };
        let at = (cursor.y as usize, cursor.x as usize);
        let mut parts = vec![format!("x {:>4}  y {:>4}", at.1 + rendering.corner[0], at.0 + rendering.corner[1])];
        if let Some(size) = rendering.pixel_size_m.filter(|size| *size > 0.0) {
            let position = [at.1 + rendering.corner[0], at.0 + rendering.corner[1]].map(|v| v as f64 * size * 1e6);
            parts.push(signed(format!("{:.3}, {:.3} µm", position[0], position[1])));
        }
        let layers =
            [Some(&rendering.result), rendering.other.as_ref().filter(|_| self.controls.compare != Compare::Off)];
        for (i, layer) in layers.into_iter().flatten().enumerate() {
            if i > 0 {
                parts.push(elided(&layer.name, NAME));
            }
            if !layer.covered.get(at).copied().unwrap_or(false) {
                parts.push("not covered".to_owned());
                continue;
            }
            for quantity in Quantity::ALL.into_iter().filter(|q| *q != Quantity::Complex) {
                let needed = matches!(quantity, Quantity::Amplitude | Quantity::Phase)
                    || self.controls.quantities().contains(&quantity);
                if let Some(value) = layer.plane(quantity).filter(|_| needed).and_then(|plane| plane.values.get(at)) {
                    let value = signed(format!("{value:.4}"));
                    parts.push(format!("{} {value} {}", quantity.label().to_lowercase(), quantity.unit()));
                }
            }
        }
        if self.controls.quantities().contains(&Quantity::Residual)
            && let Some(index) = rendering.nearest_pattern(f64::from(cursor.x), f64::from(cursor.y))
        {
            let residual = rendering.residuals.get(index).copied().unwrap_or(f64::NAN);
            parts.push(format!("nearest pattern {index}, misfit {residual:.4}"));
        }
        let text = parts.iter().map(|part| part.trim_end()).collect::<Vec<_>>().join("   ");
        ui.add(egui::Label::new(RichText::new(text).monospace()).truncate());
    }
}

/// Number of images per row that maximizes their size; 1 or a multiple of `step`.
pub(in crate::ui::panels) fn columns(count: usize, space: egui::Vec2, size: [usize; 2], step: usize) -> usize {
    let extent = vec2(size[0].max(1) as f32, size[1].max(1) as f32);
    let scale = |columns: usize| {
        let rows = count.div_ceil(columns) as f32;
        let cell = vec2(space.x / columns as f32, space.y / rows - pane::TITLE);
        (cell.x / extent.x).min(cell.y / extent.y)
    };
    let candidates = (1..=count.max(1)).filter(|columns| columns.is_multiple_of(step) || *columns == 1);
    candidates.fold(1, |best, columns| if scale(columns) > scale(best) { columns } else { best })
}

/// Selects a pattern in the Data panel, too, if its dataset is open.
fn select_pattern(state: &State, pattern: Option<usize>, actions: &mut Vec<Action>) {
    let now = state.dataset.as_ref().map(|dataset| dataset.selected);
    if let Some(index) = pattern.filter(|index| state.has_result_of_dataset() && Some(*index) != now) {
        actions.push(Action::SelectPattern(index));
    }
}
