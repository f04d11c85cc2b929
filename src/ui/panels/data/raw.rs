//! Patterns and scan of a file as stored, before it can be used, with the crop dragged on the mean pattern.

use super::browser;
use crate::data::RawPreview;
use crate::session::{Action, State};
use crate::ui::theme;
use crate::ui::widgets::background::Background;
use crate::ui::widgets::image_view::{Drag, ImageResponse, ImageView, Viewport};
use crate::ui::widgets::numbers::{count_of, grouped, short};
use crate::ui::widgets::spinner;
use eframe::egui::{self, Button, ColorImage, PointerButton, Rect, RichText, Stroke, StrokeKind, Ui, Vec2, vec2};
use egui_plot::{Plot, PlotPoints, Points};
use ndarray::Array2;
use std::sync::Arc;

/// Sides that are offered for a crop.
const SIDES: [usize; 5] = [64, 128, 256, 512, 1024];
/// Maximum number of positions drawn.
const POINTS: usize = 4000;
/// Distance from an edge within which it is grabbed, in screen points.
const REACH: f32 = 8.0;
/// Smallest side of a crop.
const SMALLEST: usize = 16;

/// Part of the crop moved by dragging.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Whole,
    Edge,
}

/// The square of a pattern that is used, in stored pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Crop {
    /// Column and row of its center.
    pub center: [usize; 2],
    /// Side; `None` for all of the pattern.
    pub side: Option<usize>,
}

impl Crop {
    /// As configured for patterns of `[width, height]`.
    fn of(state: &State, size: [usize; 2]) -> Self {
        let data = &state.draft.config().data;
        Self { center: [data.center_x.unwrap_or(size[0] / 2), data.center_y.unwrap_or(size[1] / 2)], side: data.crop }
    }

    /// Settings for patterns of this size.
    fn settings(self, size: [usize; 2]) -> Vec<(String, String)> {
        let center = |axis: usize| match self.side {
            Some(_) if self.center[axis] != size[axis] / 2 => self.center[axis].to_string(),
            _ => "none".to_owned(),
        };
        let side = self.side.map_or_else(|| "none".to_owned(), |side| side.to_string());
        let pair = |path: &str, text: String| (path.to_owned(), text);
        vec![pair("data.crop", side), pair("data.center_x", center(0)), pair("data.center_y", center(1))]
    }

    /// With this side, a multiple of `step`, and this center, moved such that the square lies within the pattern.
    fn fitted(center: Vec2, side: f32, size: [usize; 2], step: usize) -> Self {
        let most = size[0].min(size[1]) / step * step;
        let side = ((side / step as f32).round() as usize * step).clamp(SMALLEST.min(most), most);
        let within = |at: f32, length: usize| (at.round().max(0.0) as usize).clamp(side / 2, length - side.div_ceil(2));
        Self { center: [within(center.x, size[0]), within(center.y, size[1])], side: Some(side) }
    }
}

/// State of the view.
#[derive(Default)]
pub(super) struct RawView {
    image: ImageView,
    colored: Background<ColorImage>,
    viewport: Viewport,
    /// Crop being dragged, what is moved, and where the center was grabbed.
    dragged: Option<(Crop, Part, Vec2)>,
}

impl RawView {
    /// Draws the mean pattern and the scan into the remaining space, side by side if it is wide.
    pub(super) fn show(&mut self, ui: &mut Ui, state: &State, raw: &Arc<RawPreview>, actions: &mut Vec<Action>) {
        let space = ui.available_size();
        let both = !raw.mean.is_empty() && !raw.positions.is_empty();
        let beside = space.x > 1.4 * space.y;
        let gap = ui.spacing().item_spacing;
        let part = match (both, beside) {
            (false, _) => space,
            (true, true) => vec2((space.x - 2.0 * gap.x) / 2.0, space.y),
            (true, false) => vec2(space.x, (space.y - gap.y) / 2.0),
        };
        let mut draw = |ui: &mut Ui| {
            let layout = egui::Layout::top_down(egui::Align::Min);
            if !raw.mean.is_empty() {
                ui.allocate_ui_with_layout(part, layout, |ui| {
                    ui.set_min_size(part);
                    self.pattern(ui, state, raw, actions);
                });
            }
            if !raw.positions.is_empty() {
                ui.allocate_ui_with_layout(part, layout, |ui| {
                    ui.set_min_size(part);
                    scan(ui, raw);
                });
            }
        };
        if beside {
            ui.horizontal_top(draw);
        } else {
            draw(ui);
        }
    }

    fn pattern(&mut self, ui: &mut Ui, state: &State, raw: &Arc<RawPreview>, actions: &mut Vec<Action>) {
        let palette = theme::palette(ui);
        let (height, width) = raw.mean.dim();
        let size = [width, height];
        let now = Crop::of(state, size);
        let step = 2 * state.draft.config().data.bin.max(1);
        ui.label(RichText::new("Mean pattern as stored").strong());
        if raw.is_guess {
            ui.horizontal_wrapped(|ui| {
                ui.label(RichText::new(format!("Guessed by its shape: {}", raw.key)).color(palette.warning));
                if ui.button("Use as patterns").clicked() {
                    let fields = vec![("data.mapping.diffraction".to_owned(), raw.key.clone())];
                    actions.push(Action::SetFields { label: format!("{} as patterns", raw.key), fields });
                }
            });
        }
        let mut wanted = None;
        ui.horizontal_wrapped(|ui| {
            ui.label("Crop");
            for side in SIDES.into_iter().filter(|side| *side <= width.min(height) && side % step == 0) {
                if ui.selectable_label(now.side == Some(side), side.to_string()).clicked() {
                    // The first crop goes to the beam.
                    let data = &state.draft.config().data;
                    let beam = raw.center.filter(|_| data.center_x.is_none() && data.center_y.is_none());
                    let [x, y] = beam.unwrap_or(now.center);
                    wanted = Some(Crop::fitted(vec2(x as f32, y as f32), side as f32, size, step));
                }
            }
            if ui.selectable_label(now.side.is_none(), "All").on_hover_text("Use the whole pattern").clicked() {
                wanted = Some(Crop { side: None, ..now });
            }
            let help = "Move the center of the crop to the direct beam, about which the mean pattern is most symmetric";
            let why_not = if now.side.is_none() { "Choose a crop first" } else { "The direct beam is not found" };
            let button = ui.add_enabled(now.side.is_some() && raw.center.is_some(), Button::new("Center on the beam"));
            if let (true, Some([x, y])) =
                (button.on_hover_text(help).on_disabled_hover_text(why_not).clicked(), raw.center)
            {
                let side = now.side.unwrap_or(SMALLEST) as f32;
                wanted = Some(Crop::fitted(vec2(x as f32, y as f32), side, size, step));
            }
        });
        let below = ui.spacing().interact_size.y + ui.spacing().item_spacing.y;
        let space = vec2(ui.available_width(), (ui.available_height() - below).max(120.0));
        let key = Arc::as_ptr(raw) as u64;
        let image = self.colored.get(ui.ctx(), key, || {
            let raw = Arc::clone(raw);
            move || {
                browser::logarithmic_to(&raw.mean, without_hot_pixels(&raw.mean).iter().copied().fold(0.0, f32::max))
            }
        });
        let Some((key, image)) = image else {
            spinner(ui);
            return;
        };
        let shown = ui
            .allocate_ui(space, |ui| {
                self.viewport.next_frame();
                let label = "Mean pattern as stored";
                let make = || (*image).clone();
                let shown = self.image.show_linked(ui, label, key, image.size, &mut self.viewport, Drag::Tool, make);
                self.viewport.end_frame(ui.ctx());
                shown
            })
            .inner;
        wanted = self.drag(ui, &shown, now, size, step).or(wanted);
        let crop = self.dragged.map_or(now, |(crop, ..)| crop);
        draw_crop(ui, &shown, crop, size);
        let value =
            shown.hovered.and_then(|[x, y]| Some(format!("x {x}, y {y} · {}", short((*raw.mean.get((y, x))?).into()))));
        let [all, used] = raw.patterns.map(|count| grouped(count as u64));
        let crop = crop.side.map_or_else(String::new, |side| {
            format!(" · crop {side} around x {}, y {}", crop.center[0], crop.center[1])
        });
        let text = value.unwrap_or_else(|| format!("{width} × {height} px, mean of {used} of {all} patterns{crop}"));
        ui.add(egui::Label::new(RichText::new(text).color(palette.weak)).truncate());
        if let Some(crop) = wanted.filter(|crop| *crop != now) {
            actions.push(Action::SetFields { label: "crop and center".to_owned(), fields: crop.settings(size) });
        }
    }

    /// Moves or resizes the crop; returns it when it is released.
    fn drag(&mut self, ui: &Ui, shown: &ImageResponse, now: Crop, size: [usize; 2], step: usize) -> Option<Crop> {
        let response = &shown.response;
        let pointer = response.interact_pointer_pos().map(|at| shown.to_image(at));
        if response.drag_started_by(PointerButton::Primary)
            && let Some(from) = ui.input(|input| input.pointer.press_origin()).map(|at| shown.to_image(at))
        {
            let side = now.side.unwrap_or(size[0].min(size[1])) as f32;
            let center = vec2(now.center[0] as f32, now.center[1] as f32);
            let from_center = from - center;
            let edge = from_center.x.abs().max(from_center.y.abs()) - side / 2.0;
            let part = if edge.abs() * shown.scale <= REACH || now.side.is_none() { Part::Edge } else { Part::Whole };
            self.dragged = Some((now, part, from_center));
        }
        let (crop, part, grabbed) = self.dragged.as_mut()?;
        if let Some(at) = pointer.filter(|_| response.dragged_by(PointerButton::Primary)) {
            let center = vec2(now.center[0] as f32, now.center[1] as f32);
            *crop = match part {
                Part::Whole => Crop::fitted(at - *grabbed, now.side.unwrap_or(SMALLEST) as f32, size, step),
                Part::Edge => {
                    let reach = at - center;
                    Crop::fitted(center, 2.0 * reach.x.abs().max(reach.y.abs()), size, step)
                }
            };
            return None;
        }
        self.dragged.take().map(|(crop, ..)| crop)
    }
}

/// The mean pattern with hot pixels, far brighter than all their neighbors, no brighter than these allow.
fn without_hot_pixels(mean: &Array2<f32>) -> Array2<f32> {
    /// Ratio of a pixel to its brightest neighbor from which it is hot.
    const HOT: f32 = 8.0;
    let at = |y: usize, x: usize| mean.get((y, x)).copied().unwrap_or(0.0);
    Array2::from_shape_fn(mean.dim(), |(y, x)| {
        let neighbors = [(0, 1), (2, 1), (1, 0), (1, 2), (0, 0), (0, 2), (2, 0), (2, 2)];
        let brightest = neighbors.map(|(dy, dx)| at((y + dy).wrapping_sub(1), (x + dx).wrapping_sub(1)));
        let brightest = brightest.into_iter().fold(0.0, f32::max);
        if at(y, x) > HOT * brightest { brightest } else { at(y, x) }
    })
}

/// The square of the crop, its center, and the rest of the pattern darkened.
fn draw_crop(ui: &Ui, shown: &ImageResponse, crop: Crop, size: [usize; 2]) {
    let palette = theme::palette(ui);
    let painter = ui.painter_at(shown.response.rect);
    let [x, y] = crop.center.map(|at| at as f32);
    if let Some(side) = crop.side.map(|side| side as f32) {
        let square = Rect::from_two_pos(
            shown.to_screen(x - side / 2.0, y - side / 2.0),
            shown.to_screen(x + side / 2.0, y + side / 2.0),
        );
        let all = Rect::from_two_pos(shown.to_screen(0.0, 0.0), shown.to_screen(size[0] as f32, size[1] as f32));
        let shade = egui::Color32::from_black_alpha(110);
        for part in [
            Rect::from_min_max(all.min, egui::pos2(all.max.x, square.min.y)),
            Rect::from_min_max(egui::pos2(all.min.x, square.max.y), all.max),
            Rect::from_min_max(egui::pos2(all.min.x, square.min.y), egui::pos2(square.min.x, square.max.y)),
            Rect::from_min_max(egui::pos2(square.max.x, square.min.y), egui::pos2(all.max.x, square.max.y)),
        ] {
            painter.rect_filled(part, 0.0, shade);
        }
        painter.rect_stroke(square, 0.0, Stroke::new(3.0, palette.over_dark), StrokeKind::Middle);
        painter.rect_stroke(square, 0.0, Stroke::new(1.5, palette.over_light), StrokeKind::Middle);
    }
    let middle = shown.to_screen(x, y);
    for (width, color) in [(3.0, palette.over_dark), (1.2, palette.over_accent)] {
        for direction in [vec2(1.0, 0.0), vec2(0.0, 1.0)] {
            painter.line_segment([middle - direction * 9.0, middle + direction * 9.0], Stroke::new(width, color));
        }
    }
}

/// Map of the positions as stored.
fn scan(ui: &mut Ui, raw: &RawPreview) {
    let palette = theme::palette(ui);
    ui.label(RichText::new("Scan positions as stored").strong());
    let step = raw.positions.len().div_ceil(POINTS).max(1);
    let points: Vec<[f64; 2]> = raw.positions.iter().step_by(step).copied().collect();
    let below = ui.spacing().interact_size.y + ui.spacing().item_spacing.y;
    let plot = Plot::new("raw positions")
        .height((ui.available_height() - below).max(120.0))
        .data_aspect(1.0)
        .invert_y(true)
        .allow_boxed_zoom(false)
        .show(ui, |plot| {
            let path = egui_plot::Line::new("path", PlotPoints::from(points.clone()));
            plot.line(path.color(palette.weak.gamma_multiply(0.5)).width(0.7).allow_hover(false));
            plot.points(Points::new("positions", PlotPoints::from(points)).radius(2.0).color(palette.accent));
        });
    plot.response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Image, true, "Map of the positions as stored"));
    let extent = |axis: usize| {
        let values = raw.positions.iter().map(|position| position[axis]);
        let (low, high) = values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), v| (low.min(v), high.max(v)));
        short(high - low)
    };
    let text = format!(
        "{}, extent {} × {} in the unit of the file",
        count_of(raw.positions.len(), "position"),
        extent(0),
        extent(1)
    );
    ui.add(egui::Label::new(RichText::new(text).color(palette.weak)).truncate());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crop_stays_within_the_pattern_and_whole_patterns_need_no_setting() {
        let size = [200, 100];
        let crop = Crop::fitted(vec2(190.0, 3.0), 63.0, size, 4);
        assert_eq!(crop, Crop { center: [168, 32], side: Some(64) });
        assert_eq!(Crop::fitted(vec2(0.0, 0.0), 900.0, size, 4), Crop { center: [50, 50], side: Some(100) });
        let texts = |crop: Crop| crop.settings(size).into_iter().map(|(_, text)| text).collect::<Vec<_>>();
        assert_eq!(texts(crop), ["64", "168", "32"]);
        assert_eq!(texts(Crop { side: None, ..crop }), ["none"; 3]);
        assert_eq!(texts(Crop { center: [100, 50], side: Some(32) }), ["32", "none", "none"]);
    }
}
