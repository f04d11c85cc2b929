//! Color and phase controls of the active image.

use super::super::colors::{ColorSettings, LimitMode};
use super::super::controls::Controls;
use super::super::rendering::{Gauge, Options, Plane, Quantity, Rendering};
use super::row;
use crate::imaging::{Colormap, Limits, Scale, Tone, short_number};
use crate::ui::theme;
use crate::ui::widgets::histogram::{self, color_bar};
use crate::ui::widgets::numbers::signed;
use eframe::egui::{self, ComboBox, DragValue, Grid, RichText, Sense, Ui, vec2};

/// Color controls of the active image.
pub(super) fn colors(ui: &mut Ui, controls: &mut Controls, plane: &Plane, tone: &Tone, difference: bool) {
    let quantity = controls.active;
    let settings = controls.color_settings_mut(quantity, difference);
    Grid::new("colors").num_columns(2).spacing([10.0, 6.0]).show(ui, |ui| {
        if quantity == Quantity::Complex {
            ui.label("Map");
            ui.label("Uniform hue, brightness by amplitude");
            ui.end_row();
        } else {
            row(ui, "Map", "Perceptually uniform colormaps", |ui| colormaps(ui, settings, tone));
        }
        row(ui, "Scale", "Square root and logarithm brighten low values", |ui| {
            let combo = ComboBox::from_id_salt("scale").width(150.0).selected_text(settings.scale.label());
            combo
                .show_ui(ui, |ui| {
                    for scale in Scale::ALL {
                        ui.selectable_value(&mut settings.scale, scale, scale.label());
                    }
                })
                .response
        });
        ui.label("Limits");
        ui.horizontal(|ui| {
            let selected = |mode: &LimitMode| {
                matches!(settings.limits, LimitMode::Full) == matches!(mode, LimitMode::Full)
                    && matches!(settings.limits, LimitMode::Percentile) == matches!(mode, LimitMode::Percentile)
            };
            let mut choice = None;
            for (text, help, mode) in [
                ("Min–max", "From the minimum to the maximum value", LimitMode::Full),
                ("Percentile", "Clip the extremes at both ends", LimitMode::Percentile),
                ("Locked", "Keep these limits for all results", LimitMode::Locked(tone.limits)),
            ] {
                if ui.selectable_label(selected(&mode), text).on_hover_text(help).clicked() {
                    choice = Some(mode);
                }
            }
            settings.limits = choice.unwrap_or(settings.limits);
        });
        ui.end_row();
    });
    if let Some(limits) = histogram::show(ui, &plane.histogram, tone, "Histogram of the values") {
        settings.limits = LimitMode::Locked(limits);
    }
    ui.add_space(2.0);
    ui.horizontal_wrapped(|ui| {
        if settings.limits == LimitMode::Percentile {
            let [low, high] = &mut settings.percent;
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
                settings.limits = LimitMode::Locked(Limits { low, high });
            }
            ui.label(RichText::new(quantity.unit()).weak());
        }
        let plain = *settings == ColorSettings::default();
        if ui
            .add_enabled(!plain, egui::Button::new("Reset").small())
            .on_disabled_hover_text("Already the default")
            .clicked()
        {
            *settings = ColorSettings::default();
        }
    });
}

/// Colormap list with previews; `None` selects the default of the quantity.
fn colormaps(ui: &mut Ui, settings: &mut ColorSettings, tone: &Tone) -> egui::Response {
    let name = |map: Option<Colormap>| map.map_or("Automatic", Colormap::label);
    let text =
        settings.colormap.map_or_else(|| format!("{} (automatic)", tone.colormap.label()), |m| m.label().to_owned());
    let combo = ComboBox::from_id_salt("colormap").width(150.0).height(320.0).selected_text(text);
    combo
        .show_ui(ui, |ui| {
            for map in std::iter::once(None).chain(Colormap::ALL.map(Some)) {
                ui.horizontal(|ui| {
                    let (rect, _) = ui.allocate_exact_size(vec2(84.0, 14.0), Sense::hover());
                    // The automatic map is known only while it is in use.
                    let shown = map.or(settings.colormap.is_none().then_some(tone.colormap));
                    if let Some(shown) = shown {
                        color_bar(ui.painter(), rect, |x| shown.rgb(f64::from((x - rect.left()) / rect.width())));
                    }
                    ui.selectable_value(&mut settings.colormap, map, name(map));
                });
            }
        })
        .response
}

/// Phase controls.
pub(super) fn phase(ui: &mut Ui, options: &mut Options, rendering: &Rendering) {
    let palette = theme::palette(ui);
    Grid::new("phase").num_columns(2).spacing([10.0, 6.0]).show(ui, |ui| {
        let help = "The data determine neither the mean phase nor a linear phase ramp";
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
    ui.checkbox(&mut options.unwrap, "Unwrap").on_hover_text("Remove 2π jumps, most reliable pixels first");
    if options.gauge != Gauge::Stored {
        let fit = rendering.fit;
        let mut text = format!("Removed {:.2} rad", fit.offset);
        if options.gauge == Gauge::Ramp {
            text += &format!(", {:+.4} rad/px in x, {:+.4} in y", fit.slope_x, fit.slope_y);
        }
        if let Some(other) = &rendering.other {
            text += &format!("; matched to {}", other.name_in_text());
        }
        ui.label(RichText::new(signed(text)).small().color(palette.weak));
    }
}
