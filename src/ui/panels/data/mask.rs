//! Editor of the bad-pixel mask: rectangle, circle, brush, threshold, undo.
//!
//! The mask applies to the patterns as loaded (after cropping and binning). It is saved as a file that the configuration
//! references, so that runs are reproducible.

use crate::imaging::short_number;
use crate::ui::theme;
use crate::ui::widgets::image_view::{ImageResponse, ImageView};
use crate::ui::widgets::numbers::count_of;
use eframe::egui::{self, Button, Color32, ColorImage, DragValue, PointerButton, RichText, Stroke, StrokeKind, Vec2};
use ndarray::{Array2, ArrayView2};

/// Maximum number of undo steps.
const MAX_UNDO: usize = 60;

/// Drawing tool.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Tool {
    /// From corner to corner.
    #[default]
    Rectangle,
    /// From the center outwards.
    Circle,
    /// Under the pointer.
    Brush,
}

impl Tool {
    const ALL: [(Self, &'static str, &'static str); 3] = [
        (Self::Rectangle, "Rectangle", "Drag from corner to corner"),
        (Self::Circle, "Circle", "Drag from the center outwards"),
        (Self::Brush, "Brush", "Drag over the pixels"),
    ];
}

/// Request of the editor to the panel.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum MaskRequest {
    /// Save the mask (true for bad pixels) and reload the patterns with it.
    Save(Array2<bool>),
    /// Reload the patterns with a mask file.
    Load,
    /// Reload the patterns without the mask file.
    Remove,
}

/// State of the editor.
#[derive(Default)]
pub(super) struct Editor {
    open: bool,
    tool: Tool,
    /// True to unmask pixels.
    unmask: bool,
    /// Brush radius in pixels.
    radius: f32,
    /// Threshold in counts; `None` before it is set.
    limit: Option<f64>,
    /// (N, N) bad pixels; `None` until the first change.
    bad: Option<Array2<bool>>,
    redo: Vec<Array2<bool>>,
    undo: Vec<Array2<bool>>,
    /// Start of the current stroke, and the mask before it.
    stroke: Option<(Vec2, Array2<bool>)>,
    last: Vec2,
    version: u64,
    overlay: ImageView,
}

impl Editor {
    /// True while the editor is open and handles the pointer.
    pub(super) fn is_open(&self) -> bool {
        self.open
    }

    /// Discards the mask because the patterns changed.
    pub(super) fn reset(&mut self) {
        self.bad = None;
        self.undo.clear();
        self.redo.clear();
        self.stroke = None;
        self.version += 1;
    }

    /// Draws the toggle button of the editor; true if it was opened.
    pub(super) fn toggle(&mut self, ui: &mut egui::Ui) -> bool {
        let toggle = ui.toggle_value(&mut self.open, "Edit mask").on_hover_text("Mark unreliable detector pixels");
        toggle.changed() && self.open
    }

    /// Closes the editor; the mask drawn so far stays.
    pub(super) fn close(&mut self) {
        self.open = false;
    }

    /// Draws the tools while the editor is open.
    ///
    /// * `known`: (N, N) bad pixels of the loaded patterns. * `largest`: (N, N) maximum intensity.
    /// * `file`: mask file of the configuration; empty for none.
    pub(super) fn tools(
        &mut self,
        ui: &mut egui::Ui,
        known: &Array2<bool>,
        largest: ArrayView2<'_, f32>,
        file: &str,
    ) -> Option<MaskRequest> {
        if !self.open {
            return None;
        }
        if self.radius <= 0.0 {
            self.radius = 2.0;
        }
        ui.horizontal_wrapped(|ui| self.drawing_tools(ui, known, largest));
        ui.horizontal_wrapped(|ui| self.file_buttons(ui, known, file)).inner
    }

    fn drawing_tools(&mut self, ui: &mut egui::Ui, known: &Array2<bool>, largest: ArrayView2<'_, f32>) {
        for (tool, text, about) in Tool::ALL {
            ui.selectable_value(&mut self.tool, tool, text).on_hover_text(about);
        }
        if self.tool == Tool::Brush {
            let label = ui.label("Radius");
            ui.add(DragValue::new(&mut self.radius).range(0.5..=64.0).speed(0.1).max_decimals(1).suffix(" px"))
                .labelled_by(label.id);
        }
        ui.checkbox(&mut self.unmask, "Unmask").on_hover_text("Remove pixels from the mask instead");
        ui.separator();
        let undo = ui.add_enabled(!self.undo.is_empty(), Button::new("Undo"));
        if undo.on_disabled_hover_text("Nothing to undo").clicked() {
            self.step(false, known);
        }
        let redo = ui.add_enabled(!self.redo.is_empty(), Button::new("Redo"));
        if redo.on_disabled_hover_text("Nothing to redo").clicked() {
            self.step(true, known);
        }
        ui.separator();
        let most = largest.iter().copied().fold(0.0, f32::max);
        let limit = self.limit.get_or_insert(f64::from(most));
        let label = ui.label("Threshold").on_hover_text("Counts that a pixel must reach in any pattern to be masked");
        let text = |value: f64, _: std::ops::RangeInclusive<usize>| short_number(value);
        ui.add(DragValue::new(limit).range(0.0..=f64::MAX).speed(0.002 * f64::from(most)).custom_formatter(text))
            .labelled_by(label.id);
        let limit = *limit;
        let about = "Mask pixels that reach the threshold in any pattern";
        if ui.button("Mask bright").on_hover_text(about).clicked() {
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
        if ui.button("Clear").on_hover_text("Unmask all pixels").clicked() {
            self.change(known, |bad| bad.fill(false));
        }
    }

    fn file_buttons(&self, ui: &mut egui::Ui, known: &Array2<bool>, file: &str) -> Option<MaskRequest> {
        let mut request = None;
        let palette = theme::palette(ui);
        let changed = self.bad.as_ref().is_some_and(|bad| bad != known);
        let all = self.bad.as_ref().is_some_and(|bad| bad.iter().all(|bad| *bad));
        let text = RichText::new("Save and apply…");
        let text = if changed && !all { text.color(palette.on_accent) } else { text };
        let mut button = Button::new(text);
        if changed && !all {
            button = button.fill(palette.accent);
        }
        let why = if all { "All pixels are masked" } else { "The mask is unchanged" };
        let about = "Save the mask to a file and reload the patterns with it";
        let button = ui.add_enabled(changed && !all, button).on_hover_text(about);
        if button.on_disabled_hover_text(why).clicked() {
            request = self.bad.clone().map(MaskRequest::Save);
        }
        if ui.button("Load…").on_hover_text("Reload the patterns with a saved mask").clicked() {
            request = Some(MaskRequest::Load);
        }
        let remove = ui.add_enabled(!file.is_empty(), Button::new("Remove mask file"));
        let remove = remove.on_hover_text("Reload the patterns without the mask file");
        if remove.on_disabled_hover_text("No mask file in use").clicked() {
            request = Some(MaskRequest::Remove);
        }
        let count = self.bad.as_ref().unwrap_or(known).iter().filter(|bad| **bad).count();
        let name = std::path::Path::new(file).file_name().map(|name| name.to_string_lossy().into_owned());
        let in_use = name.map_or_else(String::new, |name| format!(" · in use: {name}"));
        let text = format!("{} drawn{in_use}", count_of(count, "pixel"));
        let help = "Masked pixels do not count in the misfit; in photon numbers they are replaced by their neighbors";
        ui.add(egui::Label::new(RichText::new(text).color(palette.weak)).extend()).on_hover_text(help);
        request
    }

    /// Draws the mask over an image and handles strokes; `known_key` changes with `known`.
    pub(super) fn draw(&mut self, ui: &egui::Ui, shown: &ImageResponse, known: &Array2<bool>, known_key: u64) {
        if !self.open {
            return;
        }
        self.handle_stroke(ui, shown, known);
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

    fn handle_stroke(&mut self, ui: &egui::Ui, shown: &ImageResponse, known: &Array2<bool>) {
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
                Tool::Circle => fill_disk(&mut bad, *from, (to - *from).length().max(0.5), value),
                Tool::Brush => {
                    // Interpolate between pointer events to avoid gaps.
                    let steps = ((to - self.last).length() / (0.5 * self.radius)).ceil().max(1.0) as usize;
                    for step in 0..=steps {
                        let at = self.last + (to - self.last) * (step as f32 / steps as f32);
                        fill_disk(&mut bad, at, self.radius, value);
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
            self.push_undo(start);
        }
    }

    fn change(&mut self, known: &Array2<bool>, change: impl FnOnce(&mut Array2<bool>)) {
        let start = self.bad.clone().unwrap_or_else(|| known.clone());
        let mut bad = start.clone();
        change(&mut bad);
        if bad != start {
            self.push_undo(start);
            self.bad = Some(bad);
            self.version += 1;
        }
    }

    fn push_undo(&mut self, start: Array2<bool>) {
        self.undo.push(start);
        self.redo.clear();
        if self.undo.len() > MAX_UNDO {
            self.undo.remove(0);
        }
    }

    /// Undoes a change, or redoes it if `forward`.
    fn step(&mut self, forward: bool, known: &Array2<bool>) {
        let (from, to) = if forward { (&mut self.redo, &mut self.undo) } else { (&mut self.undo, &mut self.redo) };
        if let Some(next) = from.pop() {
            to.push(self.bad.take().unwrap_or_else(|| known.clone()));
            self.bad = Some(next);
            self.version += 1;
        }
    }
}

/// Sets the pixels that a rectangle touches.
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

/// Sets the pixels whose center lies in a disk; at least the one containing the disk's center.
fn fill_disk(bad: &mut Array2<bool>, middle: Vec2, radius: f32, value: bool) {
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
    fn shapes_fill_the_pixels_they_cover_within_the_image() {
        let mut bad = Array2::from_elem((10, 12), false);
        fill_rectangle(&mut bad, vec2(5.2, 3.1), vec2(2.9, 1.5), true);
        assert_eq!(count(&bad), 4 * 3);
        assert!(bad[(1, 2)] && bad[(3, 5)] && !bad[(4, 5)] && !bad[(3, 6)]);
        fill_rectangle(&mut bad, vec2(-40.0, -3.0), vec2(90.0, 90.0), false);
        assert_eq!(count(&bad), 0);
        fill_disk(&mut bad, vec2(6.5, 5.5), 2.0, true);
        assert_eq!(count(&bad), 13);
        fill_disk(&mut bad, vec2(0.2, 0.2), 0.1, true);
        assert!(bad[(0, 0)], "a tiny brush marks the pixel containing it");
        fill_disk(&mut bad, vec2(-50.0, 4.0), 3.0, true);
        assert_eq!(count(&bad), 14);
    }

    #[test]
    fn changes_are_undone_and_redone_in_order() {
        let known = Array2::from_elem((4, 4), false);
        let mut editor = Editor::default();
        editor.change(&known, |bad| bad[(1, 1)] = true);
        editor.change(&known, |bad| bad[(2, 2)] = true);
        editor.change(&known, |bad| bad[(2, 2)] = true);
        assert_eq!(editor.undo.len(), 2, "a change without effect is no undo step");
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
        assert!(editor.redo.is_empty(), "a new change clears the redo list");
    }
}
