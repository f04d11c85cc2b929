//! Beside the pictures: colours, phase, profile, region, comparison.

use super::look::{Look, Span};
use super::metrics::{Agreement, finest_period};
use super::pane::Marks;
use super::scene::{Gauge, Options, Plane, Quantity, Scene};
use super::{Compare, Controls};
use crate::imaging::{self, Colormap, Limits, Scale, Statistics, Tone, short_number};
use crate::metrics::{FrcThreshold, RingCorrelation};
use crate::ui::theme;
use crate::ui::widgets::elided;
use crate::ui::widgets::histogram::{self, colour_strip};
use crate::ui::widgets::numbers::signed;
use eframe::egui::{self, ComboBox, DragValue, FontId, Grid, RichText, Sense, Ui, vec2};
use egui_plot::{AxisHints, HLine, Line, LineStyle, Plot, PlotPoints};

/// A section with a title that can be folded away.
pub fn section(ui: &mut Ui, title: &str, contents: impl FnOnce(&mut Ui)) {
    egui::CollapsingHeader::new(RichText::new(title).strong()).default_open(true).show_unindented(ui, |ui| {
        ui.add_space(2.0);
        contents(ui);
        ui.add_space(6.0);
    });
}

/// A row of a two-column grid: its label, then the control that the label names.
fn row(ui: &mut Ui, label: &str, help: &str, control: impl FnOnce(&mut Ui) -> egui::Response) {
    let label = ui.label(label).on_hover_text(help);
    control(ui).labelled_by(label.id).on_hover_text(help);
    ui.end_row();
}

/// Colours of the active picture.
pub fn colours(ui: &mut Ui, controls: &mut Controls, plane: &Plane, tone: &Tone, difference: bool) {
    let quantity = controls.active;
    let look = controls.look_mut(quantity, difference);
    Grid::new("colours").num_columns(2).spacing([10.0, 6.0]).show(ui, |ui| {
        if quantity == Quantity::Complex {
            ui.label("Map");
            ui.label("Even hue, brightness by amplitude");
            ui.end_row();
        } else {
            row(ui, "Map", "Every step of a map is an equal step to the eye", |ui| colormaps(ui, look, tone));
        }
        row(ui, "Scale", "Square root and logarithm lift dark values", |ui| {
            let combo = ComboBox::from_id_salt("scale").width(150.0).selected_text(look.scale.label());
            combo
                .show_ui(ui, |ui| {
                    for scale in Scale::ALL {
                        ui.selectable_value(&mut look.scale, scale, scale.label());
                    }
                })
                .response
        });
        ui.label("Limits");
        ui.horizontal(|ui| {
            let chosen = |span: &Span| {
                matches!(look.span, Span::Full) == matches!(span, Span::Full)
                    && matches!(look.span, Span::Percentile) == matches!(span, Span::Percentile)
            };
            let mut wanted = None;
            for (text, help, span) in [
                ("Min–max", "From the smallest to the largest value", Span::Full),
                ("Percentile", "Leaves out the extremes at both ends", Span::Percentile),
                ("Locked", "These limits, for every image that is shown", Span::Locked(tone.limits)),
            ] {
                if ui.selectable_label(chosen(&span), text).on_hover_text(help).clicked() {
                    wanted = Some(span);
                }
            }
            look.span = wanted.unwrap_or(look.span);
        });
        ui.end_row();
    });
    if let Some(limits) = histogram::show(ui, &plane.histogram, tone, "Histogram of the values") {
        look.span = Span::Locked(limits);
    }
    ui.add_space(2.0);
    ui.horizontal_wrapped(|ui| {
        if look.span == Span::Percentile {
            let [low, high] = &mut look.percent;
            for (name, value, range) in [("From", low, 0.0..=49.0), ("to", high, 51.0..=100.0)] {
                let label = ui.label(name);
                ui.add(DragValue::new(value).range(range).speed(0.1).max_decimals(2).suffix(" %"))
                    .labelled_by(label.id);
            }
        } else {
            let (mut low, mut high) = (tone.limits.low, tone.limits.high);
            let speed = ((high - low) / 200.0).max(1e-12);
            let mut changed = false;
            for (name, value) in [("From", &mut low), ("to", &mut high)] {
                let label = ui.label(name);
                let text = |value: f64, _: std::ops::RangeInclusive<usize>| signed(short_number(value));
                let field = DragValue::new(value).speed(speed).custom_formatter(text);
                changed |= ui.add(field).labelled_by(label.id).changed();
            }
            if changed && low < high {
                look.span = Span::Locked(Limits { low, high });
            }
            ui.label(RichText::new(quantity.unit()).weak());
        }
        let plain = *look == Look::default();
        if ui
            .add_enabled(!plain, egui::Button::new("Reset").small())
            .on_disabled_hover_text("As at the start")
            .clicked()
        {
            *look = Look::default();
        }
    });
}

/// The maps with a preview each; none leaves the choice to the quantity.
fn colormaps(ui: &mut Ui, look: &mut Look, tone: &Tone) -> egui::Response {
    let name = |map: Option<Colormap>| map.map_or("Automatic", Colormap::label);
    let text = look.colormap.map_or_else(|| format!("{} (automatic)", tone.colormap.label()), |m| m.label().to_owned());
    let combo = ComboBox::from_id_salt("colormap").width(150.0).height(320.0).selected_text(text);
    combo
        .show_ui(ui, |ui| {
            for map in std::iter::once(None).chain(Colormap::ALL.map(Some)) {
                ui.horizontal(|ui| {
                    let (rect, _) = ui.allocate_exact_size(vec2(84.0, 14.0), Sense::hover());
                    // What is chosen by the quantity is what is seen now, unless it was replaced.
                    let shown = map.or(look.colormap.is_none().then_some(tone.colormap));
                    if let Some(shown) = shown {
                        colour_strip(ui.painter(), rect, |x| shown.rgb(f64::from((x - rect.left()) / rect.width())));
                    }
                    ui.selectable_value(&mut look.colormap, map, name(map));
                });
            }
        })
        .response
}

/// What is taken off the phase.
pub fn phase(ui: &mut Ui, options: &mut Options, scene: &Scene) {
    let palette = theme::palette(ui);
    Grid::new("phase").num_columns(2).spacing([10.0, 6.0]).show(ui, |ui| {
        let help = "The data determine neither the mean of the phase nor a linear ramp over the field";
        row(ui, "Remove", help, |ui| {
            let combo = ComboBox::from_id_salt("gauge").width(150.0).selected_text(options.gauge.label());
            combo
                .show_ui(ui, |ui| {
                    for gauge in Gauge::ALL {
                        ui.selectable_value(&mut options.gauge, gauge, gauge.label());
                    }
                })
                .response
        });
    });
    ui.checkbox(&mut options.unwrap, "Unwrap").on_hover_text("Takes out jumps of 2π, best pixels first");
    if options.gauge != Gauge::Stored {
        let fit = scene.fit;
        let mut text = format!("Removed {:.2} rad", fit.offset);
        if options.gauge == Gauge::Ramp {
            text += &format!(", {:+.4} rad/px in x, {:+.4} in y", fit.slope_x, fit.slope_y);
        }
        if let Some(other) = &scene.other {
            text += &format!("; matched to {}", if other.name == "Truth" { "the truth" } else { &other.name });
        }
        ui.label(RichText::new(signed(text)).small().color(palette.weak));
    }
}

/// The values along the line.
pub fn profile(ui: &mut Ui, controls: &mut Controls, scene: &Scene, marks: &mut Marks) {
    let palette = theme::palette(ui);
    let quantity = controls.active;
    let Some(mut ends) = marks.profile else {
        ui.label(RichText::new("Choose Line profile above and drag a line over a picture.").color(palette.weak));
        if ui.button("Line through the middle").clicked() {
            let [w, h] = scene.size.map(|side| side as f32);
            marks.profile = Some([vec2(0.0, h / 2.0), vec2(w, h / 2.0)]);
        }
        return;
    };
    let per_pixel = scene.pixel_size_m.filter(|size| *size > 0.0);
    let factor = per_pixel.map_or(1.0, |size| size * 1e6);
    let ends64 = ends.map(|end| [f64::from(end.x), f64::from(end.y)]);
    let mut lines = Vec::new();
    let sources = [Some(&scene.result), scene.other.as_ref().filter(|_| controls.compare != Compare::Off)];
    for (layer, color) in sources.into_iter().flatten().zip(palette.lines) {
        let Some(plane) = layer.plane(quantity) else { continue };
        let points = imaging::line_profile(plane.values.view(), layer.seen.view(), ends64[0], ends64[1]);
        let points: Vec<[f64; 2]> = points.into_iter().map(|[d, v]| [d * factor, v]).collect();
        lines.push(Line::new(layer.name.clone(), PlotPoints::from(points)).color(color).width(1.5));
    }
    let mut plot = Plot::new("profile")
        .height(150.0)
        .allow_scroll(false)
        .allow_zoom(false)
        .allow_drag(false)
        .allow_boxed_zoom(false)
        .x_axis_label(if per_pixel.is_some() { "Distance in µm" } else { "Distance in pixels" })
        .y_axis_formatter(|mark, _| signed(short_number(mark.value)));
    if lines.len() > 1 {
        plot = plot.legend(egui_plot::Legend::default());
    }
    let shown = plot.show(ui, |ui| lines.into_iter().for_each(|line| ui.line(line)));
    shown.response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Image, true, "Line profile"));
    let [width, height] = scene.size.map(|side| side as f32);
    ui.horizontal_wrapped(|ui| {
        for (name, end) in ["From", "to"].into_iter().zip(&mut ends) {
            ui.label(name);
            for (axis, value, most) in [("x", &mut end.x, width), ("y", &mut end.y, height)] {
                let label = ui.label(RichText::new(axis).weak());
                ui.add(DragValue::new(value).range(0.0..=most).speed(0.5).max_decimals(1)).labelled_by(label.id);
            }
        }
    });
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
    });
}

/// Statistics of the region, or of everything.
pub fn region(
    ui: &mut Ui,
    quantity: Quantity,
    scene: &Scene,
    marks: &mut Marks,
    statistics: &[(String, Option<Statistics>)],
) {
    let palette = theme::palette(ui);
    match marks.region {
        None => {
            ui.label(
                RichText::new("Of everything that was seen. Choose Region above and drag a rectangle.")
                    .color(palette.weak),
            );
        }
        Some([left, top, right, bottom]) => {
            let (w, h) = (right.saturating_sub(left), bottom.saturating_sub(top));
            let [x, y] = [left + scene.corner[0], top + scene.corner[1]];
            let mut text = format!("{w} × {h} px at x {x}, y {y}");
            if let Some(size) = scene.pixel_size_m.filter(|size| *size > 0.0) {
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
            });
        }
    }
    Grid::new("statistics").num_columns(1 + statistics.len()).spacing([14.0, 3.0]).striped(true).show(ui, |ui| {
        ui.label(RichText::new(quantity.label()).weak());
        for (name, _) in statistics {
            ui.label(RichText::new(elided(name, 18)).weak()).on_hover_text(name);
        }
        ui.end_row();
        type Row = (&'static str, fn(&Statistics) -> String);
        let rows: [Row; 7] = [
            ("Mean", |s| number(s.mean)),
            ("Deviation", |s| number(s.deviation)),
            ("Median", |s| number(s.median)),
            ("Smallest", |s| number(s.min)),
            ("Largest", |s| number(s.max)),
            ("Pixels", |s| s.count.to_string()),
            ("Not a number (NaN)", |s| s.not_numbers.to_string()),
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

/// Four significant digits.
fn number(value: f64) -> String {
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

/// The table of agreement with the truth or another run.
pub fn agreement(ui: &mut Ui, scene: &Scene) {
    let palette = theme::palette(ui);
    let name = scene.other.as_ref().map_or("", |other| other.name.as_str());
    match &scene.agreement {
        None => {
            ui.label(RichText::new("Nothing to compare with").color(palette.weak));
        }
        Some(Err(text)) => {
            ui.label(RichText::new(text).color(palette.warning));
        }
        Some(Ok(agreement)) => {
            table(ui, agreement);
            if let Some(rings) = &agreement.rings {
                ring_plot(ui, rings, scene.pixel_size_m.filter(|size| *size > 0.0));
            }
        }
    }
    if let Some(Ok(agreement)) = &scene.agreement {
        let [w, h] = agreement.size;
        let lower = if name == "Truth" { "the truth".to_owned() } else { elided(name, 24) };
        let place = if agreement.is_scan { "inside the scan" } else { "on the largest rectangle seen in both" };
        let mut text = format!("Result against {lower} {place}, {w} × {h} px.");
        if (scene.amplitude_scale - 1.0).abs() > 5e-4 {
            text += &format!(" The amplitude of {lower} was multiplied by {:.3}.", scene.amplitude_scale);
        }
        ui.label(RichText::new(text).small().color(palette.weak));
    }
}

/// The ring correlation with its two usual thresholds, and the finest period that the objects share.
fn ring_plot(ui: &mut Ui, rings: &RingCorrelation, pixel_size_m: Option<f64>) {
    let palette = theme::palette(ui);
    ui.label("Fourier ring correlation").on_hover_text("Agreement of the complex objects at each fineness of detail");
    let points: Vec<[f64; 2]> = rings.frequency.iter().zip(&rings.value).map(|(f, v)| [*f, *v]).collect();
    let plot = Plot::new("rings")
        .height(120.0)
        .include_y(0.0)
        .include_y(1.0)
        .include_x(0.0)
        .include_x(0.5)
        .allow_scroll(false)
        .allow_zoom(false)
        .allow_drag(false)
        .allow_boxed_zoom(false)
        .custom_x_axes(vec![
            AxisHints::new_x()
                .label(RichText::new("Cycles per pixel").small())
                .label_spacing(18.0..=34.0)
                .tick_label_font(FontId::proportional(11.0)),
        ])
        .custom_y_axes(vec![
            AxisHints::new_y()
                .formatter(|mark, _| signed(short_number(mark.value)))
                .tick_label_font(FontId::proportional(11.0)),
        ]);
    let thresholds = [
        ("1/2", FrcThreshold::Half, 0.5, palette.lines[1]),
        ("1/7", FrcThreshold::OneSeventh, 1.0 / 7.0, palette.lines[2]),
    ];
    let shown = plot.show(ui, |ui| {
        for (name, _, value, color) in thresholds {
            ui.hline(HLine::new(name, value).color(color).width(1.0).style(LineStyle::dashed_dense()));
        }
        ui.line(Line::new("Ring correlation", PlotPoints::from(points)).color(palette.accent).width(1.5));
    });
    shown.response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Image, true, "Fourier ring correlation"));
    for (name, threshold, _, color) in thresholds {
        let text = match (finest_period(rings, threshold), pixel_size_m) {
            (None, _) => format!("Below {name} at every fineness"),
            (Some(period), Some(size)) => {
                format!("Above {name} down to a period of {period:.1} px, {}", imaging::length_text(period * size))
            }
            (Some(period), None) => format!("Above {name} down to a period of {period:.1} px"),
        };
        // In the colour of its line.
        ui.label(RichText::new(text).color(color));
    }
}

fn table(ui: &mut Ui, agreement: &Agreement) {
    let rows: [(&str, &str, [String; 2]); 4] = [
        (
            "Correlation",
            "Pearson correlation; 1 is perfect",
            [agreement.amplitude, agreement.phase].map(|v| signed(format!("{:.4}", v.correlation))),
        ),
        (
            "MAE",
            "Mean absolute error; of the phase in radians",
            [agreement.amplitude, agreement.phase].map(|v| number(v.mae)),
        ),
        (
            "PSNR",
            "Peak signal-to-noise ratio; the span of the other is the peak; more is better",
            [agreement.amplitude, agreement.phase].map(|v| signed(format!("{:.1} dB", v.psnr))),
        ),
        (
            "SSIM",
            "Structural similarity; 1 is perfect",
            [agreement.amplitude, agreement.phase].map(|v| signed(format!("{:.3}", v.ssim))),
        ),
    ];
    Grid::new("agreement").num_columns(3).spacing([18.0, 3.0]).striped(true).show(ui, |ui| {
        ui.label("");
        ui.label(RichText::new("Amplitude").weak());
        ui.label(RichText::new("Phase").weak());
        ui.end_row();
        for (name, help, values) in rows {
            ui.label(name).on_hover_text(help);
            for value in values {
                ui.monospace(value);
            }
            ui.end_row();
        }
    });
}

#[cfg(test)]
mod tests {
    #[test]
    fn numbers_have_four_digits() {
        assert_eq!(
            [0.0, 1.0, -0.012_345, 123.456, 1e9].map(super::number),
            ["0", "1.000", "−0.01235", "123.5", "1.000e9"]
        );
    }
}
