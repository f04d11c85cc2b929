//! Histogram of photons per pattern; a drag selects a range.

use super::selection::Selection;
use super::summary::mean;
use crate::library::Patterns;
use crate::ui::theme;
use crate::ui::widgets::numbers::short;
use eframe::egui::{self, RichText};
use egui_plot::{Bar, BarChart, GridMark, Plot, Span, VLine};
use std::sync::Arc;

/// Number of patterns per bin of total counts.
#[derive(Debug, Clone, PartialEq, Default)]
struct Histogram {
    of: usize,
    low: f64,
    step: f64,
    bars: Vec<usize>,
}

/// Maximum number of bins.
const MAX_BINS: usize = 48;

impl Histogram {
    fn new(of: usize, values: &[f64]) -> Self {
        let low = values.iter().copied().fold(f64::INFINITY, f64::min);
        let high = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        if !(low.is_finite() && high.is_finite()) {
            return Self { of, ..Self::default() };
        }
        let count = ((2.0 * (values.len() as f64).sqrt()) as usize).clamp(4, MAX_BINS);
        // Keep a visible bar if all values are equal.
        let span = if high > low { high - low } else { low.abs().max(1.0) * 0.1 };
        let low = if high > low { low } else { low - span / 2.0 };
        let step = span / count as f64;
        let mut bars = vec![0; count];
        for value in values {
            let at = (((value - low) / step) as usize).min(count - 1);
            if let Some(bar) = bars.get_mut(at) {
                *bar += 1;
            }
        }
        Self { of, low, step, bars }
    }
}

/// State of the histogram.
#[derive(Default)]
pub(super) struct Photons {
    histogram: Histogram,
}

impl Photons {
    /// Draws the histogram in the remaining space.
    pub(super) fn show(
        &mut self,
        ui: &mut egui::Ui,
        patterns: &Arc<Patterns>,
        selected: usize,
        selection: &mut Selection,
    ) {
        let palette = theme::palette(ui);
        let of = Arc::as_ptr(patterns) as usize;
        if self.histogram.of != of {
            self.histogram = Histogram::new(of, &patterns.counts);
        }
        let mean = mean(&patterns.counts);
        let below = ui.spacing().interact_size.y;
        let (accent, mean_color, fill) = (palette.accent, palette.warning, palette.lines[5]);
        let histogram = &self.histogram;
        let bars = histogram.bars.iter().enumerate().map(|(at, count)| {
            let middle = histogram.low + (at as f64 + 0.5) * histogram.step;
            Bar::new(middle, *count as f64).width(0.92 * histogram.step).fill(fill)
        });
        let bars = bars.collect();
        let shown = patterns.counts.get(selected).copied();
        let brushed = selection.brushed;
        let plot = Plot::new("counts per pattern")
            .width(ui.available_width())
            .height((ui.available_height() - below).max(80.0))
            .show_x(false)
            .show_y(false)
            .allow_drag(false)
            .allow_zoom(false)
            .allow_scroll(false)
            .allow_boxed_zoom(false)
            .include_y(0.0)
            .x_grid_spacer(|input| ticks(input.bounds))
            .x_axis_formatter(|mark, _| tick(mark.value))
            .y_axis_label(RichText::new("patterns").small().color(palette.weak))
            .show(ui, |plot| {
                if let Some([from, to]) = brushed {
                    let span = Span::new("Selected range", from.min(to)..=from.max(to));
                    plot.span(span.fill(mean_color.gamma_multiply(0.25)));
                }
                plot.bar_chart(BarChart::new("Patterns", bars).allow_hover(false));
                plot.vline(VLine::new("Mean", mean).color(mean_color).width(2.0));
                if let Some(shown) = shown {
                    plot.vline(VLine::new("Selected", shown).color(accent).width(2.0));
                }
            });
        selection.brush(ui, &plot.response, &plot.transform, patterns);
        let help = "Drag over a range of counts to select its patterns on the scan; a click selects none";
        let response = plot.response.on_hover_text_at_pointer(help);
        response
            .widget_info(|| egui::WidgetInfo::labeled(egui::Role::Image, true, "Histogram of the counts per pattern"));
        let text = match patterns.dataset.nphotons {
            Some(stated) => format!("mean {}, stated {}", short(mean), short(stated)),
            None => format!("mean {}", short(mean)),
        };
        // As high as the adjacent captions.
        ui.spacing_mut().interact_size.y = 16.0;
        ui.horizontal(|ui| {
            ui.label(RichText::new("selected").color(accent));
            let mean = ui.add(egui::Label::new(RichText::new(text).color(mean_color)).truncate());
            mean.on_hover_text("Mean photons per pattern, measured and as stated in the file");
        });
    }
}

/// Three or four round ticks, because count labels are wide.
fn ticks((low, high): (f64, f64)) -> Vec<GridMark> {
    let rough = (high - low) / 4.0;
    if !(rough.is_finite() && rough > 0.0) {
        return Vec::new();
    }
    let decade = 10f64.powf(rough.log10().floor());
    let step_size = [1.0, 2.0, 5.0, 10.0].map(|share| share * decade).into_iter().find(|step| *step >= rough);
    let step_size = step_size.unwrap_or(10.0 * decade);
    let first = (low / step_size).ceil() as i64;
    let last = (high / step_size).floor() as i64;
    (first..=last).take(12).map(|at| GridMark { value: at as f64 * step_size, step_size }).collect()
}

/// Compact tick label.
fn tick(value: f64) -> String {
    match value.abs() {
        size if size >= 1e9 => format!("{value:.0e}"),
        size if size >= 1e6 => format!("{} M", short(value / 1e6)),
        size if size >= 1e4 => format!("{} k", short(value / 1e3)),
        _ => short(value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_axis_has_a_few_round_ticks() {
        let values: Vec<f64> = ticks((431_000.0, 495_000.0)).iter().map(|mark| mark.value).collect();
        assert_eq!(values, [440_000.0, 460_000.0, 480_000.0]);
        assert_eq!((tick(460_000.0), tick(4.5e7), tick(120.0)), ("460 k".into(), "45 M".into(), "120".into()));
        assert!(ticks((1.0, 1.0)).is_empty());
    }

    #[test]
    fn every_pattern_is_in_one_bin() {
        let values: Vec<f64> = (0..516).map(|k| 1000.0 + f64::from(k % 97)).collect();
        let histogram = Histogram::new(1, &values);
        assert_eq!(histogram.bars.iter().sum::<usize>(), 516);
        assert_eq!((histogram.bars.len(), histogram.low), (45, 1000.0));
        let alike = Histogram::new(1, &[5.0; 10]);
        assert_eq!(alike.bars.iter().sum::<usize>(), 10);
        assert!(alike.step > 0.0);
        assert!(Histogram::new(1, &[]).bars.is_empty());
    }
}
