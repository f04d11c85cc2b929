//! Agreement of the result with the reference or another run.

use super::super::metrics::{Agreement, finest_period};
use super::super::rendering::Rendering;
use super::measure::number;
use crate::imaging::{self, short_number};
use crate::metrics::{FrcThreshold, RingCorrelation};
use crate::ui::theme;
use crate::ui::widgets::elided;
use crate::ui::widgets::numbers::signed;
use eframe::egui::{self, FontId, Grid, RichText, Ui};
use egui_plot::{AxisHints, HLine, Line, LineStyle, Plot, PlotPoints};

/// Agreement with the reference or another run: table and Fourier ring correlation.
pub(super) fn agreement(ui: &mut Ui, rendering: &Rendering) {
    let palette = theme::palette(ui);
    let agreement = match &rendering.agreement {
        None => {
            ui.label(RichText::new("No object to compare with").color(palette.weak));
            return;
        }
        Some(Err(text)) => {
            ui.label(RichText::new(text).color(palette.warning));
            return;
        }
        Some(Ok(agreement)) => agreement,
    };
    table(ui, agreement);
    if let Some(rings) = &agreement.rings {
        ring_plot(ui, rings, rendering.pixel_size_m.filter(|size| *size > 0.0));
        if rendering.with_run {
            let text = "Two runs on the same patterns are not independent, so this is not the resolution; that takes two \
                        halves of the data.";
            ui.label(RichText::new(text).small().color(palette.warning));
        }
    }
    let [w, h] = agreement.size;
    let name = rendering.other.as_ref().map_or_else(String::new, |other| elided(&other.name_in_text(), 24));
    let area =
        if agreement.is_scan { "in the bounding box of the scan" } else { "in the largest rectangle covered in both" };
    let mut text = format!("Result compared with {name} {area}, {w} × {h} px.");
    if (rendering.amplitude_scale - 1.0).abs() > 5e-4 {
        text += &format!(" The amplitude of {name} was multiplied by {:.3}.", rendering.amplitude_scale);
    }
    ui.label(RichText::new(text).small().color(palette.weak));
}

/// Fourier ring correlation with the two usual thresholds and the resulting resolution.
fn ring_plot(ui: &mut Ui, rings: &RingCorrelation, pixel_size_m: Option<f64>) {
    let palette = theme::palette(ui);
    ui.label("Fourier ring correlation").on_hover_text("Agreement of the complex objects at each spatial frequency");
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
    if ui.small_button("Copy FRC as CSV").clicked() {
        let rows = rings.frequency.iter().zip(&rings.value).map(|(frequency, value)| format!("{frequency},{value}\n"));
        ui.ctx().copy_text(format!("cycles_per_pixel,frc\n{}", rows.collect::<String>()));
    }
    for (name, threshold, _, color) in thresholds {
        let length = |period: f64| {
            pixel_size_m.map_or_else(String::new, |size| format!(", {}", imaging::length_text(period * size)))
        };
        let text = match finest_period(rings, threshold) {
            None => format!("FRC below {name} at all spatial frequencies"),
            Some(period) if period > 2.0 => {
                format!("FRC = {name} at {period:.1} px ({:.2} cycles/px{})", 1.0 / period, length(period))
            }
            Some(period) => format!("FRC above {name} up to {period:.1} px (0.50 cycles/px{})", length(period)),
        };
        // In the color of its line.
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
            "Mean absolute error; in radians for the phase",
            [agreement.amplitude, agreement.phase].map(|v| number(v.mae)),
        ),
        (
            "PSNR",
            "Peak signal-to-noise ratio; the peak is the value range of the reference; higher is better",
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
