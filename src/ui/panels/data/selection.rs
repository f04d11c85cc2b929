//! Selection of patterns on the scan and on the histogram, to leave them out or to take them back.

use crate::data::{excluding, including, outlying_totals};
use crate::library::Patterns;
use crate::session::{Action, State};
use crate::ui::theme;
use crate::ui::widgets::numbers::count_of;
use eframe::egui::{self, Key, Modifiers, Painter, PointerButton, Pos2, Response, RichText, Shape, Stroke, Ui};
use egui_plot::{PlotPoint, PlotTransform};
use std::collections::BTreeSet;
use std::sync::Arc;

/// The setting that lists the patterns left out.
const EXCLUDE: &str = "data.exclude";
/// Distance between two points of a lasso, in screen points.
const STEP: f32 = 4.0;

/// Effect of dragging on the scan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Tool {
    /// Moves the map; a click selects the pattern to show.
    #[default]
    Pan,
    /// Encircles patterns freely.
    Lasso,
    /// Encloses patterns in a rectangle.
    Rectangle,
}

/// Patterns selected, and the line being drawn around others.
#[derive(Debug, Default)]
pub(super) struct Selection {
    of: usize,
    pub tool: Tool,
    /// Indices in the dataset.
    chosen: BTreeSet<usize>,
    /// Indices in the file of patterns that are left out now.
    back: BTreeSet<usize>,
    /// Corners (x, y) of the line, in pixels of the object.
    line: Vec<[f64; 2]>,
    /// Counts between which the histogram is brushed: where it began and where it is.
    pub brushed: Option<[f64; 2]>,
    /// Changes with the selection.
    pub version: u64,
}

impl Selection {
    /// Begins anew for other patterns.
    pub(super) fn follow(&mut self, patterns: &Arc<Patterns>) {
        let of = Arc::as_ptr(patterns) as usize;
        if self.of != of {
            *self = Self { of, tool: self.tool, version: self.version + 1, ..Self::default() };
        }
    }

    fn clear(&mut self) {
        self.choose(BTreeSet::new(), BTreeSet::new(), false);
        self.brushed = None;
    }

    fn choose(&mut self, chosen: BTreeSet<usize>, back: BTreeSet<usize>, add: bool) {
        if add {
            self.chosen.extend(chosen);
            self.back.extend(back);
        } else {
            (self.chosen, self.back) = (chosen, back);
        }
        self.version += 1;
    }

    /// Tools, and what to do with the selected patterns.
    pub(super) fn bar(&mut self, ui: &mut Ui, patterns: &Patterns, state: &State, actions: &mut Vec<Action>) {
        ui.horizontal_wrapped(|ui| {
            ui.spacing_mut().item_spacing.x = 4.0;
            for (tool, name, help) in [
                (Tool::Pan, "Pan", "Drag moves the map, a click shows a pattern"),
                (Tool::Lasso, "Lasso", "Encircle patterns to leave them out; with Shift, add to the selection"),
                (Tool::Rectangle, "Rectangle", "Enclose patterns to leave them out; with Shift, add to the selection"),
            ] {
                ui.selectable_value(&mut self.tool, tool, name).on_hover_text(help);
            }
            let help = "Select empty patterns and those far brighter or darker than the others";
            if ui.button("Outliers").on_hover_text(help).clicked() {
                self.choose(outlying_totals(&patterns.counts).into_iter().collect(), BTreeSet::new(), false);
                if self.chosen.is_empty() {
                    let text = "No pattern is empty or far brighter or darker than the others".to_owned();
                    actions.push(Action::Notify { level: crate::session::Level::Info, text });
                }
            }
            self.commands(ui, patterns, state, actions);
        });
    }

    fn commands(&mut self, ui: &mut Ui, patterns: &Patterns, state: &State, actions: &mut Vec<Action>) {
        if self.chosen.is_empty() && self.back.is_empty() {
            if !patterns.left_out.is_empty() {
                let text = format!("{} left out", count_of(patterns.left_out.len(), "pattern"));
                let text = RichText::new(text).color(theme::palette(ui).weak);
                ui.label(text).on_hover_text("Gray in the map; select them to take them back");
            }
            return;
        }
        let setting = state.draft.text(EXCLUDE).unwrap_or_default();
        let set = |label: String, text: String| Action::SetFields { label, fields: vec![(EXCLUDE.to_owned(), text)] };
        let row = |index: usize| patterns.dataset.rows.get(index).copied().unwrap_or(index);
        let count = self.chosen.len();
        if count > 0 {
            let all = count == patterns.dataset.len();
            let button = ui.add_enabled(!all, egui::Button::new(format!("Leave out {count}")));
            let button = button.on_hover_text("Read the dataset without them; Undo brings them back");
            if button.on_disabled_hover_text("All patterns are selected").clicked() {
                let rows = self.chosen.iter().map(|index| row(*index)).collect();
                actions.push(set(format!("leave out {}", count_of(count, "pattern")), excluding(&setting, &rows)));
            }
            let help = "Leave out all other patterns";
            if ui.add_enabled(!all, egui::Button::new("Keep only these")).on_hover_text(help).clicked() {
                let others = (0..patterns.dataset.len()).filter(|index| !self.chosen.contains(index));
                let rows = others.map(row).collect();
                actions.push(set(format!("keep {}", count_of(count, "pattern")), excluding(&setting, &rows)));
            }
        }
        if !self.back.is_empty() {
            let count = self.back.len();
            let help = "Use these patterns again; those left out by “auto” or a list file stay out";
            if ui.button(format!("Take back {count}")).on_hover_text(help).clicked() {
                let label = format!("take back {}", count_of(count, "pattern"));
                actions.push(set(label, including(&setting, &self.back)));
            }
        }
        if ui.button("Deselect").on_hover_text("Select no pattern (Escape)").clicked() {
            self.clear();
        }
    }

    /// Follows a drag on the scan and draws its line.
    pub(super) fn draw(
        &mut self,
        ui: &Ui,
        painter: &Painter,
        response: &Response,
        transform: &PlotTransform,
        patterns: &Patterns,
    ) {
        if self.tool == Tool::Pan {
            return;
        }
        if response.hovered() && ui.input_mut(|input| input.consume_key(Modifiers::NONE, Key::Escape)) {
            self.line.clear();
            self.clear();
        }
        let value = |at: Pos2| {
            let point = transform.value_from_position(at);
            [point.x, point.y]
        };
        if response.drag_started_by(PointerButton::Primary)
            && let Some(from) = ui.input(|input| input.pointer.press_origin())
        {
            self.line = vec![value(from)];
        }
        let on_screen = |[x, y]: [f64; 2]| transform.position_from_point(&PlotPoint::new(x, y));
        let pointer = response.interact_pointer_pos().filter(|_| response.dragged_by(PointerButton::Primary));
        match (pointer, self.line.first().copied()) {
            (Some(at), Some(from)) if self.tool == Tool::Rectangle => {
                let to = value(at);
                self.line = vec![from, [to[0], from[1]], to, [from[0], to[1]]];
            }
            (Some(at), Some(_)) => {
                if self.line.last().is_none_or(|last| (on_screen(*last) - at).length() >= STEP) {
                    self.line.push(value(at));
                }
            }
            (None, Some(_)) => {
                self.close(patterns, ui.input(|input| input.modifiers.shift));
                // The bar above is drawn before.
                ui.ctx().request_repaint();
            }
            (_, None) => {}
        }
        if self.line.len() > 1 {
            let line: Vec<Pos2> = self.line.iter().map(|at| on_screen(*at)).collect();
            painter.add(Shape::closed_line(line, Stroke::new(1.5, theme::palette(ui).warning)));
        }
    }

    /// Selects what the line encloses; `add` to what is selected already.
    fn close(&mut self, patterns: &Patterns, add: bool) {
        let line = std::mem::take(&mut self.line);
        if line.len() < 3 {
            return;
        }
        let positions = patterns.dataset.positions.iter().enumerate();
        let chosen = positions.filter(|(_, at)| is_inside(&line, **at)).map(|(index, _)| index).collect();
        let back = patterns.left_out.iter().filter(|out| is_inside(&line, out.position)).map(|out| out.row).collect();
        self.choose(chosen, back, add);
        self.brushed = None;
    }

    /// Follows a drag on the histogram, whose abscissa is the counts.
    pub(super) fn brush(&mut self, ui: &Ui, response: &Response, transform: &PlotTransform, patterns: &Patterns) {
        let counts = |at: Pos2| transform.value_from_position(at).x;
        if response.drag_started_by(PointerButton::Primary) {
            self.brushed = ui.input(|input| input.pointer.press_origin()).map(|at| [counts(at); 2]);
        }
        let pointer = response.interact_pointer_pos().filter(|_| response.dragged_by(PointerButton::Primary));
        if let (Some(at), Some([from, _])) = (pointer, self.brushed) {
            let to = counts(at);
            self.brushed = Some([from, to]);
            let (low, high) = (from.min(to), from.max(to));
            let inside = patterns.counts.iter().enumerate().filter(|(_, counts)| (low..=high).contains(*counts));
            let chosen: BTreeSet<usize> = inside.map(|(index, _)| index).collect();
            if chosen != self.chosen {
                self.choose(chosen, BTreeSet::new(), false);
                // The map is drawn before.
                ui.ctx().request_repaint();
            }
        }
        if response.clicked() {
            self.clear();
            ui.ctx().request_repaint();
        }
    }

    /// True if a pattern of the dataset is selected.
    pub(super) fn has(&self, index: usize) -> bool {
        self.chosen.contains(&index)
    }

    /// True if a pattern that is left out is selected, by its index in the file.
    pub(super) fn has_left_out(&self, row: usize) -> bool {
        self.back.contains(&row)
    }
}

/// True if a point lies inside a closed line, by the number of crossings to its right.
fn is_inside(line: &[[f64; 2]], [x, y]: [f64; 2]) -> bool {
    let next = line.iter().cycle().skip(1);
    let crosses =
        |[ax, ay]: [f64; 2], [bx, by]: [f64; 2]| (ay > y) != (by > y) && x < (bx - ax) * (y - ay) / (by - ay) + ax;
    line.iter().zip(next).filter(|(a, b)| crosses(**a, **b)).count() % 2 == 1
}

#[cfg(test)]
mod tests {
    use super::is_inside;

    #[test]
    fn points_inside_a_line_are_told_from_those_in_its_notch() {
        let line = [[0.0, 0.0], [10.0, 0.0], [10.0, 10.0], [5.0, 4.0], [0.0, 10.0]];
        for (point, inside) in [([1.0, 1.0], true), ([5.0, 6.0], false), ([9.0, 7.0], true), ([-1.0, 5.0], false)] {
            assert_eq!(is_inside(&line, point), inside, "{point:?}");
        }
    }
}
