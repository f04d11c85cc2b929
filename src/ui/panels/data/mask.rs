//! Bad pixels, marked by hand on a pattern: rectangle, circle, brush, threshold, undo.
//!
//! The mask belongs to the patterns as they are read (after cropping and binning). It is saved as a file, and the
//! configuration names that file, so that a run can be repeated with it.

use crate::imaging::short_number;
use crate::ui::theme;
use crate::ui::widgets::image_view::{ImageResponse, ImageView};
use eframe::egui::{self, Button, Color32, ColorImage, DragValue, PointerButton, RichText, Stroke, StrokeKind, Vec2};
use ndarray::{Array2, ArrayView2};

/// Strokes that can be taken back.
const UNDO: usize = 60;

/// How pixels are marked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Tool {
    /// From corner to corner.
    #[default]
    Rectangle,
    /// From the middle outwards.
    Circle,
    /// Under the pointer.
    Brush,
}

impl Tool {
    const ALL: [(Self, &'static str, &'static str); 3] = [
        (Self::Rectangle, "Rectangle", "Drag from corner to corner"),
        (Self::Circle, "Circle", "Drag from the middle outwards"),
        (Self::Brush, "Brush", "Drag over the pixels"),
    ];
}

/// What is to be done with the mask outside of the editor.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Wish {
    /// Save it, and read the patterns with it.
    Use(Array2<bool>),
    /// Read the patterns with a mask from a file.
    FromFile,
    /// Read the patterns without a mask of one's own.
    Drop,
}

/// A mask being drawn.
#[derive(Default)]
pub(super) struct Editor {
    open: bool,
    tool: Tool,
    /// Whether pixels are taken off the mask.
    unmask: bool,
    /// Radius of the brush in pixels.
    radius: f32,
    /// Counts from which on a threshold marks pixels; none before it was set.
    limit: Option<f64>,
    /// (N, N) pixels that are bad; none until the first change.
    bad: Option<Array2<bool>>,
    undone: Vec<Array2<bool>>,
    before: Vec<Array2<bool>>,
    /// Where the stroke began, and the mask then.
    stroke: Option<(Vec2, Array2<bool>)>,
    last: Vec2,
    version: u64,
    overlay: ImageView,
}

impl Editor {
    /// Whether it takes the pointer on the picture.
    pub(super) fn is_open(&self) -> bool {
        self.open
    }

    /// Forgets what was drawn: the patterns are others.
    pub(super) fn forget(&mut self) {
        self.bad = None;
        self.before.clear();
        self.undone.clear();
        self.stroke = None;
        self.version += 1;
    }

    /// The switch that opens it.
    pub(super) fn switch(&mut self, ui: &mut egui::Ui) {
        ui.toggle_value(&mut self.open, "Edit mask")
            .on_hover_text("Mark pixels of the detector that cannot be trusted");
    }

    /// The tools, while it is open.
    ///
    /// * `known`: (N, N) bad pixels of the patterns as they are. * `largest`: (N, N) largest intensity.
    /// * `file`: the mask file that the configuration names; empty for none.
    pub(super) fn tools(
        &mut self,
        ui: &mut egui::Ui,
        known: &Array2<bool>,
        largest: ArrayView2<'_, f32>,
        file: &str,
    ) -> Option<Wish> {
        if !self.open {
            return None;
        }
        let mut wish = None;
        let palette = theme::palette(ui);
        if self.radius <= 0.0 {
            self.radius = 2.0;
        }
        ui.horizontal_wrapped(|ui| {
            for (tool, text, about) in Tool::ALL {
                ui.selectable_value(&mut self.tool, tool, text).on_hover_text(about);
            }
            if self.tool == Tool::Brush {
                let label = ui.label("Radius");
                ui.add(DragValue::new(&mut self.radius).range(0.5..=64.0).speed(0.1).max_decimals(1).suffix(" px"))
                    .labelled_by(label.id);
            }
            ui.checkbox(&mut self.unmask, "Unmask").on_hover_text("Take pixels off the mask instead");
            ui.separator();
            let back = ui.add_enabled(!self.before.is_empty(), Button::new("Undo"));
            if back.on_disabled_hover_text("Nothing was changed").clicked() {
                self.step(false, known);
            }
            let again = ui.add_enabled(!self.undone.is_empty(), Button::new("Redo"));
            if again.on_disabled_hover_text("Nothing was taken back").clicked() {
                self.step(true, known);
            }
            ui.separator();
            let most = largest.iter().copied().fold(0.0, f32::max);
            let limit = self.limit.get_or_insert(f64::from(most));
            let label = ui.label("From").on_hover_text("Pixels that reach this many counts in any pattern");
            let text = |value: f64, _: std::ops::RangeInclusive<usize>| short_number(value);
            ui.add(DragValue::new(limit).range(0.0..=f64::MAX).speed(0.002 * f64::from(most)).custom_formatter(text))
                .labelled_by(label.id);
            let limit = *limit;
            if ui.button("Mask bright").on_hover_text("Mask pixels that reach so many counts in any pattern").clicked()
            {
                self.change(known, |bad| {
                    for (bad, value) in bad.iter_mut().zip(&largest) {
                        *bad |= f64::from(*value) >= limit;
                    }
                });
            }
            if ui.button("Mask dark").on_hover_text("Mask pixels that are 0 in every pattern").clicked() {
                self.change(known, |bad| {
                    for (bad, value) in bad.iter_mut().zip(&largest) {
                        *bad |= *value <= 0.0;
                    }
                });
            }
            if ui.button("Clear").on_hover_text("Mask nothing").clicked() {
                self.change(known, |bad| bad.fill(false));
            }
        });
        ui.horizontal_wrapped(|ui| {
            let changed = self.bad.as_ref().is_some_and(|bad| bad != known);
            let all = self.bad.as_ref().is_some_and(|bad| bad.iter().all(|bad| *bad));
            let text = RichText::new("Save and use…");
            let text = if changed && !all { text.color(palette.on_accent) } else { text };
            let mut button = Button::new(text);
            if changed && !all {
                button = button.fill(palette.accent);
            }
            let why = if all { "Every pixel is masked" } else { "The mask is as it was" };
            let about = "Save the mask as a file and read the patterns with it";
            let button = ui.add_enabled(changed && !all, button).on_hover_text(about);
            if button.on_disabled_hover_text(why).clicked() {
                wish = self.bad.clone().map(Wish::Use);
            }
            if ui.button("From file…").on_hover_text("Read the patterns with a mask that was saved").clicked() {
                wish = Some(Wish::FromFile);
            }
            let drop = ui.add_enabled(!file.is_empty(), Button::new("Without file"));
            let drop = drop.on_hover_text("Read the patterns without the mask file");
            if drop.on_disabled_hover_text("No mask file is in use").clicked() {
                wish = Some(Wish::Drop);
            }
            let count = self.bad.as_ref().unwrap_or(known).iter().filter(|bad| **bad).count();
            let name = std::path::Path::new(file).file_name().map(|name| name.to_string_lossy().into_owned());
            let from = name.map_or_else(String::new, |name| format!(" · in use: {name}"));
            ui.label(RichText::new(format!("{count} pixels masked{from}")).color(palette.weak));
        });
        wish
    }

    /// Draws the mask over a picture, and takes strokes of the pointer on it; `known_key` changes with `known`.
    pub(super) fn draw(&mut self, ui: &egui::Ui, shown: &ImageResponse, known: &Array2<bool>, known_key: u64) {
        if !self.open {
            return;
        }
        self.take_stroke(ui, shown, known);
        let palette = theme::palette(ui);
        let bad = self.bad.as_ref().unwrap_or(known);
        let (height, width) = bad.dim();
        let color = palette.bad.gamma_multiply(0.55);
        let key =
            crate::ui::widgets::background::key_of((self.version, color.to_array(), self.bad.is_some(), known_key));
        let make = || {
            let pixels = bad.iter().map(|bad| if *bad { color } else { Color32::TRANSPARENT }).collect();
            ColorImage::new([width, height], pixels)
        };
        self.overlay.paint_over(ui, shown, "mask", key, [width, height], shown.response.rect, make);
        let painter = ui.painter_at(shown.response.rect);
        let outline = Stroke::new(1.5, palette.over_accent);
        match (self.tool, &self.stroke) {
            (Tool::Rectangle, Some((from, _))) => {
                let rect = egui::Rect::from_two_pos(
                    shown.to_screen(from.x, from.y),
                    shown.to_screen(self.last.x, self.last.y),
                );
                painter.rect_stroke(rect, 0.0, outline, StrokeKind::Middle);
            }
            (Tool::Circle, Some((from, _))) => {
                let radius = (self.last - *from).length() * shown.scale;
                painter.circle_stroke(shown.to_screen(from.x, from.y), radius, outline);
            }
            (Tool::Brush, _) => {
                if let Some(at) = shown.response.hover_pos() {
                    painter.circle_stroke(at, self.radius * shown.scale, outline);
                }
            }
            _ => {}
        }
    }

    fn take_stroke(&mut self, ui: &egui::Ui, shown: &ImageResponse, known: &Array2<bool>) {
        let response = &shown.response;
        let pointer = response.interact_pointer_pos().map(|at| shown.to_image(at));
        let begins = response.drag_started_by(PointerButton::Primary) || response.clicked();
        if begins && self.stroke.is_none() {
            let from = ui.input(|input| input.pointer.press_origin()).map(|at| shown.to_image(at)).or(pointer);
            if let Some(from) = from {
                self.stroke = Some((from, self.bad.clone().unwrap_or_else(|| known.clone())));
                self.last = from;
            }
        }
        if let (Some(to), Some((from, start))) = (pointer, &self.stroke) {
            let value = !self.unmask;
            let mut bad = match self.tool {
                Tool::Brush => self.bad.clone().unwrap_or_else(|| start.clone()),
                Tool::Rectangle | Tool::Circle => start.clone(),
            };
            match self.tool {
                Tool::Rectangle => fill_rectangle(&mut bad, *from, to, value),
                Tool::Circle => fill_disc(&mut bad, *from, (to - *from).length().max(0.5), value),
                Tool::Brush => {
                    // As close as the pointer's events let gaps be.
                    let steps = ((to - self.last).length() / (0.5 * self.radius)).ceil().max(1.0) as usize;
                    for step in 0..=steps {
                        let at = self.last + (to - self.last) * (step as f32 / steps as f32);
                        fill_disc(&mut bad, at, self.radius, value);
                    }
                }
            }
            self.last = to;
            if self.bad.as_ref() != Some(&bad) {
                self.bad = Some(bad);
                self.version += 1;
            }
        }
        if !response.dragged_by(PointerButton::Primary)
            && let Some((_, start)) = self.stroke.take()
            && self.bad.as_ref().is_some_and(|bad| *bad != start)
        {
            self.remember(start);
        }
    }

    fn change(&mut self, known: &Array2<bool>, change: impl FnOnce(&mut Array2<bool>)) {
        let start = self.bad.clone().unwrap_or_else(|| known.clone());
        let mut bad = start.clone();
        change(&mut bad);
        if bad != start {
            self.remember(start);
            self.bad = Some(bad);
            self.version += 1;
        }
    }

    fn remember(&mut self, start: Array2<bool>) {
        self.before.push(start);
        self.undone.clear();
        if self.before.len() > UNDO {
            self.before.remove(0);
        }
    }

    /// Takes a change back, or does it again.
    fn step(&mut self, forward: bool, known: &Array2<bool>) {
        let (from, to) =
            if forward { (&mut self.undone, &mut self.before) } else { (&mut self.before, &mut self.undone) };
        if let Some(next) = from.pop() {
            to.push(self.bad.take().unwrap_or_else(|| known.clone()));
            self.bad = Some(next);
            self.version += 1;
        }
    }
}

/// Pixels whose area a rectangle touches.
fn fill_rectangle(bad: &mut Array2<bool>, from: Vec2, to: Vec2, value: bool) {
    let (low, high) = (from.min(to), from.max(to));
    let (height, width) = bad.dim();
    let range = |low: f32, high: f32, length: usize| {
        let first = low.floor().max(0.0) as usize;
        first..(high.ceil().max(0.0) as usize).max(first + 1).min(length)
    };
    for y in range(low.y, high.y, height) {
        for x in range(low.x, high.x, width) {
            if let Some(bad) = bad.get_mut((y, x)) {
                *bad = value;
            }
        }
    }
}

/// Pixels whose centre lies in a disc; at least the one that its middle is in.
fn fill_disc(bad: &mut Array2<bool>, middle: Vec2, radius: f32, value: bool) {
    let (height, width) = bad.dim();
    let range = |at: f32, length: usize| {
        let first = (at - radius - 1.0).floor().max(0.0) as usize;
        first.min(length)..((at + radius + 1.0).ceil().max(0.0) as usize).min(length)
    };
    for y in range(middle.y, height) {
        for x in range(middle.x, width) {
            let distance = (x as f32 + 0.5 - middle.x).hypot(y as f32 + 0.5 - middle.y);
            let inside = distance <= radius || (x, y) == (middle.x.floor() as usize, middle.y.floor() as usize);
            if let Some(bad) = bad.get_mut((y, x)).filter(|_| inside) {
                *bad = value;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use eframe::egui::vec2;

    fn count(bad: &Array2<bool>) -> usize {
        bad.iter().filter(|bad| **bad).count()
    }

    #[test]
    fn shapes_fill_the_pixels_they_cover_and_stay_inside() {
        let mut bad = Array2::from_elem((10, 12), false);
        fill_rectangle(&mut bad, vec2(5.2, 3.1), vec2(2.9, 1.5), true);
        assert_eq!(count(&bad), 4 * 3);
        assert!(bad[(1, 2)] && bad[(3, 5)] && !bad[(4, 5)] && !bad[(3, 6)]);
        fill_rectangle(&mut bad, vec2(-40.0, -3.0), vec2(90.0, 90.0), false);
        assert_eq!(count(&bad), 0);
        fill_disc(&mut bad, vec2(6.5, 5.5), 2.0, true);
        assert_eq!(count(&bad), 13);
        fill_disc(&mut bad, vec2(0.2, 0.2), 0.1, true);
        assert!(bad[(0, 0)], "a tiny brush marks the pixel it is in");
        fill_disc(&mut bad, vec2(-50.0, 4.0), 3.0, true);
        assert_eq!(count(&bad), 14);
    }

    #[test]
    fn changes_are_taken_back_and_done_again_in_order() {
        let known = Array2::from_elem((4, 4), false);
        let mut editor = Editor::default();
        editor.change(&known, |bad| bad[(1, 1)] = true);
        editor.change(&known, |bad| bad[(2, 2)] = true);
        editor.change(&known, |bad| bad[(2, 2)] = true);
        assert_eq!(editor.before.len(), 2, "what changes nothing is no step");
        editor.step(false, &known);
        assert_eq!(editor.bad.as_ref().map(count), Some(1));
        editor.step(false, &known);
        assert_eq!(editor.bad.as_ref(), Some(&known));
        editor.step(true, &known);
        editor.step(true, &known);
        editor.step(true, &known);
        assert_eq!(editor.bad.as_ref().map(count), Some(2));
        editor.step(false, &known);
        editor.change(&known, |bad| bad[(0, 0)] = true);
        assert!(editor.undone.is_empty(), "a new change ends what was taken back");
    }
}
