//! Map of the scan positions.
//!
//! Hazard: a hundred thousand points as shapes make a slow frame. Remedy: a single mesh, rebuilt only when the view
//! changes, with at most one point per screen cell.

use super::browser::gradient;
use super::selection::{Selection, Tool};
use super::summary;
use crate::config::{Config, Kind};
use crate::data;
use crate::imaging::{Colormap, Limits, robust_limits};
use crate::library::Patterns;
use crate::session::{Action, State};
use crate::ui::theme;
use crate::ui::widgets::numbers::{count_of, quantity, short, signed};
use eframe::egui::{self, Color32, Mesh, Pos2, Rect, RichText, Sense, Shape, Stroke, vec2};
use egui_plot::{AxisHints, Plot, PlotPoint, PlotTransform};
use ndarray::Array2;
use std::sync::Arc;

/// Maximum number of points drawn without thinning.
const MAX_UNTHINNED: usize = 15_000;
/// Maximum distance from the pointer to a hovered position, in screen points.
const REACH: f32 = 14.0;

/// Per-dataset data of the map.
struct PointColors {
    of: usize,
    /// Key of the virtual detector's signal; 0 for the counts.
    signal: u64,
    /// What the colors show.
    name: &'static str,
    colors: Vec<Color32>,
    limits: Limits,
    /// Minimum x, maximum x, minimum y, maximum y.
    extent: [f64; 4],
    step: f64,
}

/// Cache key of the point mesh.
#[derive(Debug, Clone, Copy, PartialEq)]
struct MeshKey {
    of: usize,
    signal: u64,
    selection: u64,
    rect: Rect,
    low: [f64; 2],
    high: [f64; 2],
}

/// Cache key of the neighbors of the selected position.
#[derive(Debug, Clone, Copy, PartialEq)]
struct NeighborKey {
    of: usize,
    selected: usize,
    count: usize,
    gridsize: usize,
    seed_in_group: bool,
    seed: u64,
}

/// State of the map.
#[derive(Default)]
pub(super) struct Scan {
    colored: Option<PointColors>,
    mesh: Option<(MeshKey, Arc<Mesh>)>,
    neighbors: Option<(NeighborKey, Vec<usize>, Vec<usize>)>,
    hide_neighbors: bool,
    hide_probe: bool,
}

impl Scan {
    /// Draws the map in the remaining space; returns the hovered position. `signal` colors it instead of the counts: key, value
    /// of each pattern, name.
    pub(super) fn show(
        &mut self,
        ui: &mut egui::Ui,
        patterns: &Arc<Patterns>,
        state: &State,
        signal: Option<(u64, Arc<Vec<f32>>, &'static str)>,
        selection: &mut Selection,
        actions: &mut Vec<Action>,
    ) -> Option<usize> {
        let config = state.draft.config();
        let selected = state.dataset.as_ref().map_or(0, |dataset| dataset.selected);
        let shown_signal = signal.as_ref().map(|(_, values, name)| (Arc::clone(values), *name));
        self.prepare(patterns, signal);
        self.update_neighbors(patterns, selected, config);
        let width = ui.available_width();
        self.controls(ui, config, actions);
        selection.bar(ui, patterns, state, actions);
        let below = 2.0 * (ui.spacing().interact_size.y + ui.spacing().item_spacing.y) + 6.0;
        let height = (ui.available_height() - below).max(120.0);
        let Some(colored) = &self.colored else { return None };
        let [left, right, top, bottom] = colored.extent;
        // Keep the probe circle fully visible at the edges.
        let margin = (0.04 * (right - left).max(bottom - top).max(1.0)).max(0.55 * patterns.probe_diameter);
        let palette = theme::palette(ui);
        let plot = Plot::new("scan positions")
            .width(width)
            .height(height)
            .data_aspect(1.0)
            .invert_y(true)
            .show_x(false)
            .show_y(false)
            .allow_boxed_zoom(false)
            .allow_drag(selection.tool == Tool::Pan)
            .include_x(left - margin)
            .include_x(right + margin)
            .include_y(top - margin)
            .include_y(bottom + margin)
            .custom_x_axes(vec![
                AxisHints::new_x()
                    .label(RichText::new("x (pixels)").small().color(palette.weak))
                    .formatter(|mark, _| short(mark.value))
                    .label_spacing(26.0..=46.0),
            ])
            .y_axis_formatter(|mark, _| short(mark.value))
            .y_axis_label(RichText::new("y (pixels)").small().color(palette.weak));
        let shown = plot.show(ui, |_| ());
        let transform = shown.transform;
        let response = shown.response;
        response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Image, true, "Map of the scan positions"));
        let painter = ui.painter_at(*transform.frame());
        let radius = radius(colored.step, &transform);
        let mesh_key = MeshKey {
            of: colored.of,
            signal: colored.signal,
            selection: selection.version,
            rect: *transform.frame(),
            low: transform.bounds().min(),
            high: transform.bounds().max(),
        };
        let mesh = match &self.mesh {
            Some((known, mesh)) if *known == mesh_key => Arc::clone(mesh),
            _ => {
                let mark = |index: usize| selection.has(index).then_some(palette.warning);
                let mut mesh = points(patterns, colored, &transform, radius, &mark);
                left_out(&mut mesh, patterns, selection, &transform, radius, [palette.weak, palette.warning]);
                let mesh = Arc::new(mesh);
                self.mesh = Some((mesh_key, Arc::clone(&mesh)));
                mesh
            }
        };
        painter.add(Shape::Mesh(mesh));
        self.overlay(ui, &painter, patterns, selected, &transform, radius);
        selection.draw(ui, &painter, &response, &transform, patterns);

        let hit = response.hover_pos().and_then(|at| nearest(&patterns.dataset.positions, at, &transform));
        if let Some(hit) = hit {
            let place = on_screen(patterns, hit, &transform);
            painter.circle_stroke(place, radius + 3.0, Stroke::new(1.5, ui.visuals().strong_text_color()));
            if response.clicked() {
                actions.push(Action::SelectPattern(hit));
            }
            response.on_hover_text_at_pointer(about(patterns, hit, shown_signal.as_ref()));
        }
        self.legend(ui, patterns);
        hit
    }

    fn prepare(&mut self, patterns: &Arc<Patterns>, signal: Option<(u64, Arc<Vec<f32>>, &'static str)>) {
        let of = Arc::as_ptr(patterns) as usize;
        let signal = signal.filter(|(_, values, _)| values.len() == patterns.counts.len());
        let key = signal.as_ref().map_or(0, |(key, ..)| *key);
        if self.colored.as_ref().is_some_and(|colored| colored.of == of && colored.signal == key) {
            return;
        }
        let name = signal.as_ref().map_or("counts per pattern", |(.., name)| *name);
        let values = Array2::from_shape_fn((1, patterns.counts.len()), |(_, at)| match &signal {
            Some((_, values, _)) => values.get(at).copied().unwrap_or_default(),
            None => patterns.counts.get(at).copied().unwrap_or_default() as f32,
        });
        let limits = robust_limits(values.view(), Array2::from_elem(values.dim(), true).view(), 0.01, 0.99);
        let colors = values
            .iter()
            .map(|counts| {
                let [r, g, b] = Colormap::Viridis.rgb(limits.fraction(f64::from(*counts)));
                Color32::from_rgb(r, g, b)
            })
            .collect();
        let mut extent = [f64::INFINITY, f64::NEG_INFINITY, f64::INFINITY, f64::NEG_INFINITY];
        for [x, y] in patterns.dataset.positions.iter().chain(patterns.left_out.iter().map(|out| &out.position)) {
            extent = [extent[0].min(*x), extent[1].max(*x), extent[2].min(*y), extent[3].max(*y)];
        }
        if extent.iter().any(|value| !value.is_finite()) {
            extent = [0.0, 1.0, 0.0, 1.0];
        }
        let mut steps = patterns.nearest.clone();
        steps.sort_by(f64::total_cmp);
        let step = steps.get(steps.len() / 2).copied().unwrap_or(1.0);
        self.colored = Some(PointColors { of, signal: key, name, colors, limits, extent, step });
    }

    fn update_neighbors(&mut self, patterns: &Arc<Patterns>, selected: usize, config: &Config) {
        let key = NeighborKey {
            of: Arc::as_ptr(patterns) as usize,
            selected,
            count: config.data.neighbor_count,
            gridsize: config.model.gridsize,
            seed_in_group: config.data.seed_in_group,
            seed: config.execution.seeds.grouping,
        };
        if self.neighbors.as_ref().is_none_or(|(known, ..)| *known != key) {
            let positions = &patterns.dataset.positions;
            let near = data::nearest_neighbors(positions, selected, key.count);
            let group = data::group_around(positions, selected, key.gridsize, &config.data, key.seed);
            self.neighbors = Some((key, near, group));
        }
    }

    fn controls(&mut self, ui: &mut egui::Ui, config: &Config, actions: &mut Vec<Action>) {
        ui.horizontal_wrapped(|ui| {
            let palette = theme::palette(ui);
            let mut neighbors = !self.hide_neighbors;
            let count = config.data.neighbor_count;
            ui.checkbox(&mut neighbors, RichText::new(count_of(count, "neighbor")).color(palette.lines[1]))
                .on_hover_text("Nearest neighbors of the selected position, from which groups are drawn");
            self.hide_neighbors = !neighbors;
            let members = config.model.gridsize * config.model.gridsize;
            if members > 1 {
                ui.label(RichText::new(format!("Group of {members}")).color(palette.lines[3]))
                    .on_hover_text("Patterns processed by the network together with the selected one");
            }
            let mut probe = !self.hide_probe;
            ui.checkbox(&mut probe, "Probe size").on_hover_text("Circle with the effective area of the probe");
            self.hide_probe = !probe;
            // Wrap the label and the combo box together.
            if ui.available_size_before_wrap().x < 185.0 {
                ui.end_row();
            }
            orientation(ui, config, actions);
        });
    }

    fn overlay(
        &self,
        ui: &egui::Ui,
        painter: &egui::Painter,
        patterns: &Patterns,
        selected: usize,
        transform: &PlotTransform,
        radius: f32,
    ) {
        let palette = theme::palette(ui);
        let place = on_screen(patterns, selected, transform);
        if !self.hide_probe {
            let radius = (patterns.probe_diameter / 2.0 * transform.dpos_dvalue_x().abs()) as f32;
            painter.circle(place, radius, palette.accent.gamma_multiply(0.12), Stroke::new(1.0, palette.accent));
        }
        if let (false, Some((_, near, group))) = (self.hide_neighbors, &self.neighbors) {
            for at in near {
                let at = on_screen(patterns, *at, transform);
                painter.circle_stroke(at, radius + 2.0, Stroke::new(1.5, palette.lines[1]));
            }
            if group.len() > 1 {
                for at in group.iter().filter(|at| **at != selected) {
                    let at = on_screen(patterns, *at, transform);
                    painter.line_segment([place, at], Stroke::new(2.0, palette.lines[3]));
                    painter.circle_stroke(at, radius + 4.0, Stroke::new(2.0, palette.lines[3]));
                }
            }
        }
        painter.circle(place, radius + 3.0, palette.accent, Stroke::new(1.5, palette.on_accent));
    }

    fn legend(&self, ui: &mut egui::Ui, patterns: &Patterns) {
        let palette = theme::palette(ui);
        if let Some(colored) = &self.colored {
            ui.horizontal(|ui| {
                let small = |text: String| RichText::new(text).small().color(palette.weak);
                ui.label(small(short(colored.limits.low)));
                let end = format!("{} {}", short(colored.limits.high), colored.name);
                let width = (ui.available_width() - 6.5 * end.chars().count() as f32 - 16.0).max(30.0);
                let (rect, response) = ui.allocate_exact_size(vec2(width, 8.0), Sense::hover());
                gradient(ui, rect, Colormap::Viridis);
                response.on_hover_text("Color scale of the positions, from the 1st to the 99th percentile");
                ui.label(small(end));
            });
        }
        let (level, text) = summary::overlap(patterns);
        let about = format!(
            "{}; median nearest-neighbor distance {} px, effective probe diameter {} px",
            count_of(patterns.dataset.len(), "position"),
            short(self.colored.as_ref().map_or(0.0, |colored| colored.step)),
            short(patterns.probe_diameter),
        );
        let text = RichText::new(text).color(palette.level(level));
        ui.add(egui::Label::new(text).truncate()).on_hover_text(about);
    }
}

/// Number, position, counts and, if there is one, signal of a pattern.
fn about(patterns: &Patterns, index: usize, signal: Option<&(Arc<Vec<f32>>, &'static str)>) -> String {
    let [x, y] = patterns.dataset.positions.get(index).copied().unwrap_or_default();
    let counts = patterns.counts.get(index).copied().unwrap_or_default();
    let value = signal.and_then(|(values, name)| Some((values.get(index)?, *name)));
    let signal = value.map_or_else(String::new, |(value, name)| format!("\n{} {name}", short(f64::from(*value))));
    signed(format!("Pattern {index}\nx {x:.2}, y {y:.2} px\n{}{signal}", quantity(counts, "count")))
}

/// Combo box of the eight scan orientations, of which only one gives a sharp object.
fn orientation(ui: &mut egui::Ui, config: &Config, actions: &mut Vec<Action>) {
    const PATH: &str = "data.orientation";
    let Ok(field) = Config::field(PATH) else { return };
    let (Kind::Choice { options, .. }, Ok(now)) = (field.kind, config.get(PATH)) else { return };
    let name = |name: &str| {
        let meaning = options.iter().find(|(option, _)| *option == name).map_or("", |(_, meaning)| *meaning);
        format!("{}: {meaning}", name.replace('_', " "))
    };
    ui.horizontal(|ui| {
        let label = ui.label("Orientation");
        let short = now.replace('_', " ");
        let combo = egui::ComboBox::from_id_salt("orientation").width(84.0).truncate().selected_text(short);
        let combo = combo.show_ui(ui, |ui| {
            for (option, _) in options {
                if ui.selectable_label(*option == now, name(option)).clicked() {
                    actions.push(Action::SetField { path: PATH.to_owned(), text: (*option).to_owned() });
                    ui.close();
                }
            }
        });
        combo.response.labelled_by(label.id).on_hover_text(format!("{}\n{}", name(&now), field.help));
    });
}

fn on_screen(patterns: &Patterns, at: usize, transform: &PlotTransform) -> Pos2 {
    let [x, y] = patterns.dataset.positions.get(at).copied().unwrap_or_default();
    transform.position_from_point(&PlotPoint::new(x, y))
}

/// Radius of a point on the screen: about a third of the scan step, within limits.
fn radius(step: f64, transform: &PlotTransform) -> f32 {
    (0.36 * step * transform.dpos_dvalue_x().abs()).clamp(1.0, 6.0) as f32
}

/// Position nearest to a screen point, if within [`REACH`].
fn nearest(positions: &[[f64; 2]], at: Pos2, transform: &PlotTransform) -> Option<usize> {
    let place = transform.value_from_position(at);
    let reach = f64::from(REACH) / transform.dpos_dvalue_x().abs().max(f64::MIN_POSITIVE);
    let mut best = (reach * reach, None);
    for (index, [x, y]) in positions.iter().enumerate() {
        let distance = (x - place.x).powi(2) + (y - place.y).powi(2);
        if distance < best.0 {
            best = (distance, Some(index));
        }
    }
    best.1
}

/// All points as one mesh; large numbers are thinned to one point per screen cell.
fn points(
    patterns: &Patterns,
    colored: &PointColors,
    transform: &PlotTransform,
    radius: f32,
    mark: &dyn Fn(usize) -> Option<Color32>,
) -> Mesh {
    let frame = *transform.frame();
    let cell = if patterns.dataset.len() > MAX_UNTHINNED { 2.0 } else { 0.0 };
    let columns = if cell > 0.0 { (frame.width() / cell) as usize + 1 } else { 0 };
    let rows = if cell > 0.0 { (frame.height() / cell) as usize + 1 } else { 0 };
    let mut taken = vec![false; columns * rows];
    let mut mesh = Mesh::default();
    for (index, color) in colored.colors.iter().enumerate() {
        let place = on_screen(patterns, index, transform);
        if !frame.expand(radius).contains(place) {
            continue;
        }
        if cell > 0.0 {
            let (column, row) = ((place.x - frame.left()) / cell, (place.y - frame.top()) / cell);
            let slot = row.max(0.0) as usize * columns + column.max(0.0) as usize;
            if taken.get_mut(slot).is_none_or(|taken| std::mem::replace(taken, true)) {
                continue;
            }
        }
        dot(&mut mesh, place, radius, mark(index).unwrap_or(*color));
    }
    mesh
}

/// Adds a dot to a mesh.
fn dot(mesh: &mut Mesh, place: Pos2, radius: f32, color: Color32) {
    let corners: &[[f32; 2]] = if radius > 2.5 { &OCTAGON } else { &SQUARE };
    let first = mesh.vertices.len() as u32;
    for [x, y] in corners {
        mesh.colored_vertex(place + vec2(x * radius, y * radius), color);
    }
    for at in 2..corners.len() as u32 {
        mesh.add_triangle(first, first + at - 1, first + at);
    }
}

/// Adds the patterns that are left out, smaller and gray; selected ones in the second color.
fn left_out(
    mesh: &mut Mesh,
    patterns: &Patterns,
    selection: &Selection,
    transform: &PlotTransform,
    radius: f32,
    [plain, selected]: [Color32; 2],
) {
    for out in patterns.left_out.iter().take(MAX_UNTHINNED) {
        let place = transform.position_from_point(&PlotPoint::new(out.position[0], out.position[1]));
        if transform.frame().contains(place) {
            let color = if selection.has_left_out(out.row) { selected } else { plain.gamma_multiply(0.6) };
            dot(mesh, place, 0.75 * radius, color);
        }
    }
}

const SQUARE: [[f32; 2]; 4] = [[-1.0, -1.0], [1.0, -1.0], [1.0, 1.0], [-1.0, 1.0]];
const OCTAGON: [[f32; 2]; 12] = [
    [1.0, 0.0],
    [0.866, 0.5],
    [0.5, 0.866],
    [0.0, 1.0],
    [-0.5, 0.866],
    [-0.866, 0.5],
    [-1.0, 0.0],
    [-0.866, -0.5],
    [-0.5, -0.866],
    [0.0, -1.0],
    [0.5, -0.866],
    [0.866, -0.5],
];

#[cfg(test)]
mod tests {
    use super::*;
    use egui_plot::PlotBounds;

    fn transform() -> PlotTransform {
        let frame = Rect::from_min_size(Pos2::ZERO, vec2(400.0, 400.0));
        PlotTransform::new(frame, PlotBounds::from_min_max([0.0, 0.0], [100.0, 100.0]), false)
    }

    #[test]
    fn the_hovered_position_is_the_nearest_within_reach() {
        let positions = [[10.0, 10.0], [12.0, 10.0], [50.0, 50.0]];
        let transform = transform();
        let at = transform.position_from_point(&PlotPoint::new(11.4, 10.0));
        assert_eq!(nearest(&positions, at, &transform), Some(1));
        let far = transform.position_from_point(&PlotPoint::new(30.0, 30.0));
        assert_eq!(nearest(&positions, far, &transform), None);
    }

    #[test]
    fn a_hundred_thousand_points_give_a_bounded_mesh_quickly() {
        let positions: Vec<[f64; 2]> =
            (0..100_000).map(|k| [f64::from(k % 400) * 0.25, f64::from(k / 400) * 0.4]).collect();
        let patterns = super::super::tests::patterns_at(positions);
        let mut scan = Scan::default();
        scan.prepare(&patterns, None);
        let begun = std::time::Instant::now();
        let mesh = points(&patterns, scan.colored.as_ref().unwrap(), &transform(), 1.0, &|_| None);
        println!("{} vertices in {:?}", mesh.vertices.len(), begun.elapsed());
        assert!(mesh.vertices.len() <= 4 * 201 * 201 && mesh.vertices.len() > 10_000, "{}", mesh.vertices.len());
        let begun = std::time::Instant::now();
        scan.update_neighbors(&patterns, 50_000, &Config::default());
        println!("neighbors in {:?}", begun.elapsed());
        assert_eq!(scan.neighbors.as_ref().unwrap().1.len(), 8);
    }
}
