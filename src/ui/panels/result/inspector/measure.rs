//! Line profile and statistics.

use super::super::controls::{Compare, Controls};
use super::super::pane::Marks;
use super::super::rendering::{Layer, Plane, Quantity, Rendering};
use crate::imaging::{self, Statistics, short_number};
use crate::ui::theme;
use crate::ui::widgets::background::key_of;
use crate::ui::widgets::elided;
use crate::ui::widgets::numbers::signed;
use eframe::egui::{self, Color32, DragValue, FontId, Grid, RichText, Ui, vec2};
use egui_plot::{AxisHints, Line, Plot, PlotPoints};

/// The curves along the line, kept until line, width or images change.
#[derive(Debug, Default)]
pub(in crate::ui::panels::result) struct Profile {
    of: u64,
    curves: Vec<Vec<[f64; 2]>>,
    /// 10–90 % width of the edge along the first curve, if there is one.
    edge: Option<f64>,
}

/// A layer with the plane of the quantity and the color of its curve.
type Shown<'a> = (&'a Layer, &'a Plane, Color32);

/// Values along the line; `key` names the rendering.
pub(super) fn profile(
    ui: &mut Ui,
    controls: &Controls,
    (key, rendering): (u64, &Rendering),
    marks: &mut Marks,
    profile: &mut Profile,
) {
    let palette = theme::palette(ui);
    let quantity = controls.active;
    let Some(mut ends) = marks.profile else {
        ui.label(RichText::new("Select Line profile above and drag a line on an image.").color(palette.weak));
        if ui.button("Line through the center").clicked() {
            let [w, h] = rendering.size.map(|side| side as f32);
            marks.profile = Some([vec2(0.0, h / 2.0), vec2(w, h / 2.0)]);
        }
        return;
    };
    let per_pixel = rendering.pixel_size_m.filter(|size| *size > 0.0);
    let factor = per_pixel.map_or(1.0, |size| size * 1e6);
    let ends64 = ends.map(|end| [f64::from(end.x), f64::from(end.y)]);
    let sources = [Some(&rendering.result), rendering.other.as_ref().filter(|_| controls.compare != Compare::Off)];
    let layers: Vec<Shown<'_>> = sources
        .into_iter()
        .flatten()
        .zip(palette.lines)
        .filter_map(|(layer, color)| Some((layer, layer.plane(quantity)?, color)))
        .collect();
    let key = key_of((key, quantity, ends64.map(|end| end.map(f64::to_bits)), marks.width, layers.len()));
    profile.follow(key, &layers, ends64, (marks.width, factor));
    draw(ui, &layers, &profile.curves, per_pixel.is_some());
    let curves = &profile.curves;
    ends_and_width(ui, rendering, &mut ends, marks);
    marks.profile = Some(ends);
    let length = f64::from((ends[1] - ends[0]).length());
    let mut text = format!("Length {length:.1} px");
    if let Some(size) = per_pixel {
        text += &format!(", {}", imaging::length_text(length * size));
    }
    ui.horizontal(|ui| {
        ui.label(RichText::new(text).color(palette.weak));
        if ui.small_button("Remove line").clicked() {
            marks.profile = None;
        }
        if ui.small_button("Copy CSV").on_hover_text("Copy distances and values as a table").clicked() {
            let unit = if per_pixel.is_some() { "um" } else { "px" };
            ui.ctx().copy_text(csv(unit, quantity.label(), curves));
        }
    });
    edge(ui, profile.edge, per_pixel.is_some());
}

impl Profile {
    /// Computes the curves anew if `key` has changed; distances are multiplied by `factor`.
    fn follow(&mut self, key: u64, layers: &[Shown<'_>], ends: [[f64; 2]; 2], (width, factor): (usize, f64)) {
        if self.of == key {
            return;
        }
        let along = |(layer, plane, _): &Shown<'_>| -> Vec<[f64; 2]> {
            wide_profile(plane, layer, ends, width).into_iter().map(|[d, v]| [d * factor, v]).collect()
        };
        let curves: Vec<_> = layers.iter().map(along).collect();
        let edge = curves.first().and_then(|curve| edge_width(curve));
        *self = Self { of: key, curves, edge };
    }
}

/// The plot of the curves, with their names below if there are several.
fn draw(ui: &mut Ui, layers: &[Shown<'_>], curves: &[Vec<[f64; 2]>], in_um: bool) {
    let line = |((layer, _, color), points): (&Shown<'_>, &Vec<[f64; 2]>)| {
        Line::new(layer.name.clone(), PlotPoints::from(points.clone())).color(*color).width(1.5)
    };
    let lines: Vec<Line<'_>> = layers.iter().zip(curves).map(line).collect();
    let plot = Plot::new("profile")
        .height(150.0)
        .allow_scroll(false)
        .allow_zoom(false)
        .allow_drag(false)
        .allow_boxed_zoom(false)
        .x_axis_label(if in_um { "Distance (µm)" } else { "Distance (px)" })
        .custom_y_axes(vec![
            AxisHints::new_y()
                .formatter(|mark, _| signed(short_number(mark.value)))
                .label_spacing(14.0..=26.0)
                .tick_label_font(FontId::proportional(11.0)),
        ]);
    let shown = plot.show(ui, |ui| lines.into_iter().for_each(|line| ui.line(line)));
    if layers.len() > 1 {
        // Below the curves, which a legend inside the plot would cover.
        ui.horizontal_wrapped(|ui| {
            for (layer, _, color) in layers {
                let name = RichText::new(elided(&layer.name, 24)).color(*color);
                ui.label(name).on_hover_text(layer.name.as_str());
            }
        });
    }
    shown.response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Image, true, "Line profile"));
}

/// Fields for the end points and the width.
fn ends_and_width(ui: &mut Ui, rendering: &Rendering, ends: &mut [egui::Vec2; 2], marks: &mut Marks) {
    let [width, height] = rendering.size.map(|side| side as f32);
    ui.horizontal_wrapped(|ui| {
        for (name, end) in ["From", "to"].into_iter().zip(ends) {
            ui.label(name);
            for (axis, value, most) in [("x", &mut end.x, width), ("y", &mut end.y, height)] {
                let label = ui.label(RichText::new(axis).weak());
                ui.add(DragValue::new(value).range(0.0..=most).speed(0.5).max_decimals(1)).labelled_by(label.id);
            }
        }
    });
    ui.horizontal(|ui| {
        let label = ui.label("Width");
        let field = DragValue::new(&mut marks.width).range(1..=200).speed(0.1).suffix(" px");
        ui.add(field).labelled_by(label.id).on_hover_text("Mean over this many lines side by side, one pixel apart");
    });
}

/// Mean over parallel lines, one pixel apart and symmetric about the line; pixels that are not covered do not count.
fn wide_profile(plane: &Plane, layer: &Layer, [from, to]: [[f64; 2]; 2], width: usize) -> Vec<[f64; 2]> {
    let (along, length) = ([to[0] - from[0], to[1] - from[1]], (to[0] - from[0]).hypot(to[1] - from[1]).max(1e-9));
    let across = [-along[1] / length, along[0] / length];
    let mut sum: Vec<[f64; 3]> = Vec::new();
    for line in 0..width.max(1) {
        let offset = line as f64 - (width.max(1) - 1) as f64 / 2.0;
        let moved = |end: [f64; 2]| [end[0] + offset * across[0], end[1] + offset * across[1]];
        let points = imaging::line_profile(plane.values.view(), layer.covered.view(), moved(from), moved(to));
        sum.resize(points.len().max(sum.len()), [0.0; 3]);
        for (sum, [distance, value]) in sum.iter_mut().zip(points) {
            sum[0] = distance;
            if value.is_finite() {
                sum[1] += value;
                sum[2] += 1.0;
            }
        }
    }
    sum.into_iter().map(|[distance, value, count]| [distance, value / count]).collect()
}

/// The width of the edge along the first curve, if there is one.
fn edge(ui: &mut Ui, width: Option<f64>, in_um: bool) {
    let Some(width) = width else { return };
    let text = if in_um { imaging::length_text(width * 1e-6) } else { format!("{width:.1} px") };
    let help = "Distance over which the first curve goes from 10 % to 90 % between the means of its two ends";
    ui.label(format!("Edge 10–90 %: {text}")).on_hover_text(help);
}

/// Table of curves with common distances: distance, then the value of each curve.
fn csv(unit: &str, quantity: &str, curves: &[Vec<[f64; 2]>]) -> String {
    let mut text = format!("distance_{unit}");
    for number in 1..=curves.len() {
        text += &format!(",{}_{number}", quantity.to_lowercase());
    }
    for (row, point) in curves.first().into_iter().flatten().enumerate() {
        text += &format!("\n{}", point[0]);
        for curve in curves {
            text += &curve.get(row).map_or_else(|| ",".to_owned(), |point| format!(",{}", point[1]));
        }
    }
    text + "\n"
}

/// Distance over which a curve goes from 10 % to 90 % between the means of its first and last sixth; `None` if these ends differ
/// by less than three times their scatter.
fn edge_width(curve: &[[f64; 2]]) -> Option<f64> {
    let sixth = curve.len() / 6;
    if sixth < 2 || !curve.iter().flatten().all(|value| value.is_finite()) {
        return None;
    }
    let about = |part: &[[f64; 2]]| {
        let mean = part.iter().map(|point| point[1]).sum::<f64>() / part.len() as f64;
        let square = part.iter().map(|point| (point[1] - mean).powi(2)).sum::<f64>() / part.len() as f64;
        (mean, square.sqrt())
    };
    let ((from, noise), (to, other)) = (about(&curve[..sixth]), about(&curve[curve.len() - sixth..]));
    if (to - from).abs() < 3.0 * noise.max(other) {
        return None;
    }
    let share = |value: f64| (value - from) / (to - from);
    let crossing = |level: f64| {
        curve.windows(2).find_map(|pair| {
            let [before, after] = [share(pair[0][1]), share(pair[1][1])];
            let between = (level - before) / (after - before);
            (before < level && after >= level).then(|| pair[0][0] + between * (pair[1][0] - pair[0][0]))
        })
    };
    Some(crossing(0.9)? - crossing(0.1)?).filter(|width| *width > 0.0)
}

/// Statistics of the region, or of the whole covered area.
pub(super) fn region(
    ui: &mut Ui,
    quantity: Quantity,
    rendering: &Rendering,
    marks: &mut Marks,
    statistics: &[(String, Option<Statistics>)],
) {
    let palette = theme::palette(ui);
    match marks.region {
        None => {
            ui.label(
                RichText::new("Whole covered area. Select Region above and drag a rectangle.").color(palette.weak),
            );
        }
        Some([left, top, right, bottom]) => {
            let (w, h) = (right.saturating_sub(left), bottom.saturating_sub(top));
            let [x, y] = [left + rendering.corner[0], top + rendering.corner[1]];
            let mut text = format!("{w} × {h} px at x {x}, y {y}");
            if let Some(size) = rendering.pixel_size_m.filter(|size| *size > 0.0) {
                text += &format!(
                    " ({} × {})",
                    imaging::length_text(w as f64 * size),
                    imaging::length_text(h as f64 * size)
                );
            }
            ui.horizontal_wrapped(|ui| {
                ui.label(RichText::new(text).color(palette.weak));
                if ui.small_button("Remove region").clicked() {
                    marks.region = None;
                }
                let region = [left, top, right, bottom];
                let keep = ui.add_enabled(!marks.kept.contains(&region), egui::Button::new("Keep").small());
                if keep
                    .on_hover_text("Add the region to the list below")
                    .on_disabled_hover_text("In the list")
                    .clicked()
                {
                    marks.kept.push(region);
                }
            });
        }
    }
    Grid::new("statistics").num_columns(1 + statistics.len()).spacing([14.0, 3.0]).striped(true).show(ui, |ui| {
        ui.label(RichText::new(quantity.label()).weak());
        for (name, _) in statistics {
            let letters = if statistics.len() > 1 { 12 } else { 18 };
            ui.label(RichText::new(elided(name, letters)).weak()).on_hover_text(name);
        }
        ui.end_row();
        type Row = (&'static str, fn(&Statistics) -> String);
        let rows: [Row; 7] = [
            ("Mean", |s| number(s.mean)),
            ("Std. dev.", |s| number(s.deviation)),
            ("Median", |s| number(s.median)),
            ("Min", |s| number(s.min)),
            ("Max", |s| number(s.max)),
            ("Pixels", |s| s.count.to_string()),
            ("NaN pixels", |s| s.non_finite.to_string()),
        ];
        for (name, of) in rows {
            ui.label(name);
            for (_, statistics) in statistics {
                ui.monospace(statistics.as_ref().map_or_else(|| "–".to_owned(), of));
            }
            ui.end_row();
        }
    });
}

/// List of the kept regions with mean and standard deviation; a click shows one.
pub(super) fn regions(
    ui: &mut Ui,
    quantity: Quantity,
    rendering: &Rendering,
    marks: &mut Marks,
    statistics: &[Option<Statistics>],
) {
    if marks.kept.is_empty() {
        return;
    }
    let palette = theme::palette(ui);
    let mut removed = None;
    ui.add_space(4.0);
    Grid::new("regions").num_columns(4).spacing([10.0, 3.0]).striped(true).show(ui, |ui| {
        for title in ["Region", "Mean", "Std. dev.", ""] {
            ui.label(RichText::new(title).color(palette.weak));
        }
        ui.end_row();
        for (at, region) in marks.kept.iter().enumerate() {
            let name = format!("Region {}", at + 1);
            if ui.selectable_label(marks.region == Some(*region), &name).clicked() {
                marks.region = Some(*region);
            }
            let found = statistics.get(at).and_then(Option::as_ref);
            ui.monospace(found.map_or_else(|| "–".to_owned(), |s| number(s.mean)));
            ui.monospace(found.map_or_else(|| "–".to_owned(), |s| number(s.deviation)));
            let button = ui.add(egui::Button::new("×").frame(false));
            button.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Button, true, format!("Remove {name}")));
            if button.clicked() {
                removed = Some(at);
            }
            ui.end_row();
        }
    });
    if ui.small_button("Copy regions as CSV").clicked() {
        ui.ctx().copy_text(regions_csv(quantity.label(), rendering.corner, &marks.kept, statistics));
    }
    if let Some(at) = removed {
        marks.kept.remove(at);
    }
}

/// Table of regions: place in the stored object, and statistics.
fn regions_csv(quantity: &str, corner: [usize; 2], regions: &[[usize; 4]], found: &[Option<Statistics>]) -> String {
    let mut text = String::from("quantity,x,y,width,height,mean,std,median,min,max,pixels\n");
    for ([left, top, right, bottom], statistics) in regions.iter().zip(found) {
        let Some(s) = statistics else { continue };
        text += &format!(
            "{},{},{},{},{},{},{},{},{},{},{}\n",
            quantity.to_lowercase(),
            left + corner[0],
            top + corner[1],
            right.saturating_sub(*left),
            bottom.saturating_sub(*top),
            s.mean,
            s.deviation,
            s.median,
            s.min,
            s.max,
            s.count
        );
    }
    text
}

/// Formats a value with four significant digits.
pub(super) fn number(value: f64) -> String {
    if value == 0.0 {
        return "0".to_owned();
    }
    let magnitude = value.abs().log10().floor();
    if !(-4.0..6.0).contains(&magnitude) {
        return signed(format!("{value:.3e}"));
    }
    let decimals = (3.0 - magnitude).clamp(0.0, 7.0) as usize;
    signed(format!("{value:.decimals$}"))
}

#[cfg(test)]
mod tests {
    use super::super::super::rendering::tests::{OPTIONS, example};
    use super::*;

    #[test]
    fn a_wide_profile_is_the_mean_of_parallel_lines() {
        let rendering = Rendering::new(&example(64), None, OPTIONS);
        let layer = &rendering.result;
        let ends = |y: f64| [[5.0, y], [40.0, y]];
        let one = |y: f64| wide_profile(&layer.amplitude, layer, ends(y), 1);
        let three = wide_profile(&layer.amplitude, layer, ends(20.5), 3);
        let lines = [one(19.5), one(20.5), one(21.5)];
        assert_eq!(three.len(), lines[0].len());
        for (at, [_, mean]) in three.iter().enumerate() {
            let expected = lines.iter().map(|line| line[at][1]).sum::<f64>() / 3.0;
            assert!((mean - expected).abs() < 1e-6, "{at}: {mean} instead of {expected}");
        }
    }

    #[test]
    fn the_width_of_an_edge_is_that_from_10_to_90_percent() {
        // A linear rise from 10 to 20 over 5 units: 80 % of it is 4.
        let rise = |x: f64| 10.0 + 10.0 * ((x - 10.0) / 5.0).clamp(0.0, 1.0);
        let curve: Vec<[f64; 2]> = (0..100).map(|at| [0.25 * f64::from(at), rise(0.25 * f64::from(at))]).collect();
        let fall: Vec<[f64; 2]> = curve.iter().map(|[x, y]| [*x, -y]).collect();
        for edge in [&curve, &fall] {
            assert!((edge_width(edge).unwrap() - 4.0).abs() < 1e-9, "{:?}", edge_width(edge));
        }
        let flat: Vec<[f64; 2]> = (0..100).map(|at| [f64::from(at), f64::from(at % 7)]).collect();
        assert_eq!((edge_width(&flat), edge_width(&curve[..5])), (None, None));
        assert_eq!(csv("px", "Phase", &[vec![[0.0, 1.0]], vec![[0.0, 2.0]]]), "distance_px,phase_1,phase_2\n0,1,2\n");
    }

    #[test]
    fn numbers_have_four_digits() {
        assert_eq!(
            [0.0, 1.0, -0.012_345, 123.456, 1e9].map(super::number),
            ["0", "1.000", "−0.01235", "123.5", "1.000e9"]
        );
    }
}
