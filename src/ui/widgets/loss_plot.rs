//! Curves over steps or epochs, on a linear or logarithmic axis, with a readout at the pointer.
//!
//! The plot library has no logarithmic axis: the logarithm is plotted and the tick labels show the values.

use super::decimate::decimate;
use super::numbers::signed;
use eframe::egui::{self, Color32, Response, RichText, Ui, WidgetInfo};
use egui_plot::{
    AxisHints, GridInput, GridMark, Legend, Line, LineStyle, MarkerShape, Plot, PlotPoint, PlotPoints, Points,
};
use std::borrow::Cow;

/// A curve of a plot.
#[derive(Debug, Clone, PartialEq)]
pub struct Curve<'a> {
    /// Name in the legend; not listed if empty.
    pub name: String,
    /// Line color.
    pub color: Color32,
    /// Line width in points.
    pub width: f32,
    /// True to mark each point.
    pub dots: bool,
    /// True for a dashed line.
    pub dashed: bool,
    /// (x, y), x ascending; non-finite values are skipped.
    pub points: Cow<'a, [[f64; 2]]>,
}

impl<'a> Curve<'a> {
    /// A solid line without markers.
    pub fn new(name: impl Into<String>, color: Color32, points: impl Into<Cow<'a, [[f64; 2]]>>) -> Self {
        Self { name: name.into(), color, width: 1.5, dots: false, dashed: false, points: points.into() }
    }
}

/// Maps a value of x to the readout text.
type Readout<'a> = Box<dyn Fn(f64) -> Option<String> + 'a>;

/// A plot of curves.
pub struct CurvePlot<'a> {
    name: &'a str,
    height: f32,
    log: bool,
    x_label: &'a str,
    x_range: Option<(f64, f64)>,
    mark: Option<(String, Color32, [f64; 2])>,
    legend: bool,
    empty: &'a str,
    readout: Option<Readout<'a>>,
}

impl<'a> CurvePlot<'a> {
    /// A linear plot. `name` is the accessible name, unique in its panel; `height` is in points.
    pub fn new(name: &'a str, height: f32) -> Self {
        Self {
            name,
            height,
            log: false,
            x_label: "",
            x_range: None,
            mark: None,
            legend: false,
            empty: "No data yet",
            readout: None,
        }
    }

    /// Makes the vertical axis logarithmic; non-positive values are skipped.
    #[must_use]
    pub fn log(mut self, log: bool) -> Self {
        self.log = log;
        self
    }

    /// Label of the horizontal axis.
    #[must_use]
    pub fn x_label(mut self, label: &'a str) -> Self {
        self.x_label = label;
        self
    }

    /// Restricts the horizontal axis to this range; the whole range if `None`.
    #[must_use]
    pub fn x_range(mut self, range: Option<(f64, f64)>) -> Self {
        self.x_range = range;
        self
    }

    /// Marks a point, named in the legend.
    #[must_use]
    pub fn mark(mut self, name: String, color: Color32, at: [f64; 2]) -> Self {
        self.mark = Some((name, color, at));
        self
    }

    /// Shows a legend.
    #[must_use]
    pub fn legend(mut self, legend: bool) -> Self {
        self.legend = legend;
        self
    }

    /// Placeholder text of a plot without data.
    #[must_use]
    pub fn empty(mut self, text: &'a str) -> Self {
        self.empty = text;
        self
    }

    /// Readout for the x under the pointer.
    #[must_use]
    pub fn readout(mut self, readout: impl Fn(f64) -> Option<String> + 'a) -> Self {
        self.readout = Some(Box::new(readout));
        self
    }

    /// Draws the curves in the remaining width.
    pub fn show(self, ui: &mut Ui, curves: &[Curve<'_>]) -> Response {
        let Self { name, height, log, x_label, x_range, mark, legend, empty, readout } = self;
        let columns = ui.available_width().clamp(32.0, 4000.0) as usize;
        let (left, right) =
            x_range.or_else(|| extent(curves.iter().flat_map(|c| ends(&c.points)))).unwrap_or((0.0, 1.0));
        let to_plot = |[x, y]: [f64; 2]| {
            let y = if log { y.log10() } else { y };
            y.is_finite().then(|| PlotPoint::new(x, y))
        };
        let lines: Vec<Vec<PlotPoint>> = curves
            .iter()
            .map(|curve| {
                decimate(within(&curve.points, left, right), columns).into_iter().filter_map(to_plot).collect()
            })
            .collect();
        let bounds = extent(lines.iter().flatten().map(|point| point.y));
        let (low, high) = padded(bounds.unwrap_or((0.0, 1.0)), log);
        let (left, right) = if right > left { (left, right) } else { (left - 0.5, right + 0.5) };
        let margin = 0.01 * (right - left);

        let grid = ui.visuals().weak_text_color().gamma_multiply(0.6);
        let mut plot = fixed_plot(name, height, log, x_label, grid, readout);
        if bounds.is_none() {
            // Axis numbers are meaningless without data.
            plot = plot.show_axes(false).show_grid(false).show_x(false);
        }
        if legend {
            plot = plot.legend(Legend::default().text_style(egui::TextStyle::Small).follow_insertion_order(true));
        }
        let drawn = plot.show(ui, |plot| {
            plot.set_plot_bounds_x(left - margin..=right + margin);
            plot.set_plot_bounds_y(low..=high);
            for (index, (curve, points)) in curves.iter().zip(lines).enumerate() {
                // A line of a single point is invisible.
                if curve.dots || points.len() == 1 {
                    let dots = Points::new("", PlotPoints::Owned(points.clone()))
                        .id(("dots", index))
                        .allow_hover(false)
                        .radius(2.5)
                        .color(curve.color);
                    plot.points(dots);
                }
                let style = if curve.dashed { LineStyle::dashed_dense() } else { LineStyle::Solid };
                let line = Line::new(curve.name.clone(), PlotPoints::Owned(points))
                    .id(("line", index))
                    .allow_hover(false)
                    .color(curve.color)
                    .style(style)
                    .width(curve.width);
                plot.line(line);
            }
            if let Some((name, color, at)) = mark
                && let Some(at) = to_plot(at)
            {
                let point = Points::new(name, PlotPoints::Owned(vec![at]))
                    .allow_hover(false)
                    .shape(MarkerShape::Diamond)
                    .radius(6.0)
                    .filled(true)
                    .color(color);
                plot.points(point);
            }
        });
        let response = drawn.response;
        if bounds.is_none() {
            let font = egui::TextStyle::Body.resolve(ui.style());
            let color = ui.visuals().weak_text_color();
            ui.painter().text(response.rect.center(), egui::Align2::CENTER_CENTER, empty, font, color);
        }
        response.widget_info(|| WidgetInfo::labeled(egui::Role::Image, true, name));
        response
    }
}

/// A plot without zoom and pan, with formatted axes and the readout at the pointer.
fn fixed_plot<'a>(
    name: &str,
    height: f32,
    log: bool,
    x_label: &str,
    grid: Color32,
    readout: Option<Readout<'a>>,
) -> Plot<'a> {
    let ticks = AxisHints::new_y()
        .formatter(move |mark, _| if log { tick(10f64.powf(mark.value)) } else { tick(mark.value) })
        .tick_label_font(egui::FontId::proportional(11.0))
        .min_thickness(44.0);
    let steps = AxisHints::new_x()
        .label(RichText::new(x_label).small())
        .formatter(|mark, _| tick(mark.value))
        .tick_label_font(egui::FontId::proportional(11.0));
    let plot = Plot::new(name)
        .height(height)
        .allow_zoom(false)
        .allow_drag(false)
        .allow_scroll(false)
        .allow_boxed_zoom(false)
        .allow_axis_zoom_drag(false)
        .allow_double_click_reset(false)
        .show_y(false)
        .grid_color(grid)
        .x_grid_spacer(|input| round_marks(&input, 9.0, 1.0))
        .custom_y_axes(vec![ticks])
        .custom_x_axes(vec![steps])
        .label_formatter(move |at| {
            let position = match at {
                egui_plot::HoverPosition::NearDataPoint { position, .. }
                | egui_plot::HoverPosition::Elsewhere { position } => position,
            };
            readout.as_ref().and_then(|readout| readout(position.x))
        });
    if log { plot.y_grid_spacer(log_marks) } else { plot.y_grid_spacer(|input| round_marks(&input, 4.0, 0.0)) }
}

/// Exponential moving average with weight `memory` (0 ≤ memory < 1) for the past; starts at the first value and skips
/// non-finite values.
pub fn smooth(points: &[[f64; 2]], memory: f64) -> Vec<[f64; 2]> {
    let mut average: Option<f64> = None;
    let average = |[x, y]: &[f64; 2]| {
        let now = average.map_or(*y, |before| memory * before + (1.0 - memory) * y);
        average = Some(now);
        [*x, now]
    };
    points.iter().filter(|point| point[1].is_finite()).map(average).collect()
}

/// Point with the nearest x; `points` are ordered by x.
pub fn nearest<T>(points: &[T], x: f64, x_of: impl Fn(&T) -> f64) -> Option<&T> {
    let after = points.partition_point(|point| x_of(point) < x);
    let candidates = [after.checked_sub(1), Some(after)];
    let points = candidates.into_iter().flatten().filter_map(|index| points.get(index));
    points.min_by(|a, b| (x_of(a) - x).abs().total_cmp(&(x_of(b) - x).abs()))
}

/// Formats a value with three digits: `0.0123`, `1.23`, `123`, `1.23e-5`.
pub fn short(value: f64) -> String {
    let size = value.abs();
    if !value.is_finite() {
        return "not a number".to_owned();
    }
    if size == 0.0 {
        return "0".to_owned();
    }
    if !(1e-3..1e5).contains(&size) {
        return signed(format!("{value:.2e}"));
    }
    let decimals = (2 - size.log10().floor() as i32).clamp(0, 5) as usize;
    signed(format!("{value:.decimals$}"))
}

/// Formats a tick label with as few digits as needed.
fn tick(value: f64) -> String {
    let size = value.abs();
    if size == 0.0 || (1e-4..1e6).contains(&size) {
        // Round to six digits, so that 10^-0.69897 reads 0.2.
        let scale = if size == 0.0 { 1.0 } else { 10f64.powi(5 - size.log10().floor() as i32) };
        return signed(format!("{}", (value * scale).round() / scale));
    }
    let exponent = size.log10().floor();
    let digits = (value / 10f64.powf(exponent) * 100.0).round() / 100.0;
    signed(format!("{digits}e{exponent}"))
}

/// Grid lines of a log10 axis: decades with 2 and 5 in between, or round values if less than a decade is visible.
fn log_marks(input: GridInput) -> Vec<GridMark> {
    let (low, high) = input.bounds;
    if !(low.is_finite() && high.is_finite() && high > low) || high - low > 60.0 {
        return Vec::new();
    }
    if high - low < 0.9 {
        let (bottom, top) = (10f64.powf(low), 10f64.powf(high));
        let step = round_step((top - bottom) / 5.0);
        let first = (bottom / step).ceil() as i64;
        let marks = (first..first + 20).map(|index| index as f64 * step).take_while(|value| *value <= top);
        return marks.map(|value| GridMark { value: value.log10(), step_size: (high - low) / 5.0 }).collect();
    }
    let mut marks = Vec::new();
    for decade in low.floor() as i64..=high.ceil() as i64 {
        for (digit, step_size) in [(1.0, 1.0), (2.0, 0.3), (5.0, 0.3)] {
            marks.push(GridMark { value: decade as f64 + f64::log10(digit), step_size });
        }
    }
    // Labels outside the range would overlap adjacent widgets.
    marks.retain(|mark| (low..=high).contains(&mark.value));
    marks
}

/// Grid lines at round values, spaced by at least `apart` base steps of the plot library (8 points each) and `least`.
fn round_marks(input: &GridInput, apart: f64, least: f64) -> Vec<GridMark> {
    let (low, high) = input.bounds;
    let step = round_step((input.base_step_size * apart).max(least));
    if !(low.is_finite() && high.is_finite() && step.is_finite() && step > 0.0) {
        return Vec::new();
    }
    let first = (low / step).ceil() as i64;
    let marks = (first..first + 200).map(|index| index as f64 * step).take_while(|value| *value <= high);
    marks.map(|value| GridMark { value, step_size: step }).collect()
}

/// Smallest 1, 2 or 5 times a power of ten that is not below `least`.
fn round_step(least: f64) -> f64 {
    let power = 10f64.powf(least.log10().floor());
    let step = [1.0, 2.0, 5.0].into_iter().map(|digit| digit * power).find(|step| *step >= least * (1.0 - 1e-9));
    step.unwrap_or(10.0 * power)
}

fn ends(points: &[[f64; 2]]) -> impl Iterator<Item = f64> {
    [points.first(), points.last()].into_iter().flatten().map(|point| point[0])
}

fn extent(values: impl Iterator<Item = f64>) -> Option<(f64, f64)> {
    values
        .filter(|value| value.is_finite())
        .fold(None, |span: Option<(f64, f64)>, v| Some(span.map_or((v, v), |(low, high)| (low.min(v), high.max(v)))))
}

fn padded((low, high): (f64, f64), log: bool) -> (f64, f64) {
    // Enough for ticks of three digits to differ.
    let least = if log { 0.02 } else { 0.02 * low.abs().max(high.abs()).max(1e-12) };
    let pad = (0.07 * (high - low)).max(least);
    (low - pad, high + pad)
}

/// Points between two values of x, plus one on either side, so that lines reach the edges.
fn within(points: &[[f64; 2]], left: f64, right: f64) -> &[[f64; 2]] {
    let first = points.partition_point(|point| point[0] < left).saturating_sub(1);
    let end = (points.partition_point(|point| point[0] <= right) + 1).min(points.len());
    points.get(first..end).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_have_three_digits_and_ticks_as_few_as_needed() {
        let written: Vec<_> = [0.012_345, 1.234_5, 123.45, 12_345.0, 1.2345e-5, 0.0].map(short).into();
        assert_eq!(written, ["0.0123", "1.23", "123", "12345", "1.23e−5", "0"]);
        assert_eq!(short(f64::NAN), "not a number");
        let ticks: Vec<_> = [0.0, 10f64.powf(-0.698_970_004), 500.0, 5e-4, 2e-7, 3e8].map(tick).into();
        assert_eq!(ticks, ["0", "0.2", "500", "0.0005", "2e−7", "3e8"]);
    }

    #[test]
    fn smoothing_starts_at_the_first_value_and_follows_the_data() {
        let points: Vec<[f64; 2]> = (0..200).map(|i| [f64::from(i), if i < 100 { 1.0 } else { 3.0 }]).collect();
        let smoothed = smooth(&points, 0.8);
        assert_eq!(smoothed[0], [0.0, 1.0]);
        assert!(smoothed[100][1] > 1.0 && smoothed[100][1] < 2.0);
        assert!((smoothed[199][1] - 3.0).abs() < 1e-6);
        assert_eq!(smooth(&points, 0.0), points);
        assert_eq!(smooth(&[[0.0, f64::NAN], [1.0, 2.0]], 0.9), [[1.0, 2.0]]);
    }

    #[test]
    fn a_logarithmic_axis_has_marks_across_decades_and_within_one() {
        let values = |bounds| -> Vec<String> {
            let marks = log_marks(GridInput { bounds, base_step_size: 0.1 });
            marks
                .iter()
                .filter(|m| m.value >= bounds.0 && m.value <= bounds.1)
                .map(|m| tick(10f64.powf(m.value)))
                .collect()
        };
        assert_eq!(values((-2.0, 0.0)), ["0.01", "0.02", "0.05", "0.1", "0.2", "0.5", "1"]);
        assert_eq!(values((0.3f64.log10(), 0.345f64.log10())), ["0.3", "0.31", "0.32", "0.33", "0.34"]);
        assert!(values((f64::NAN, 1.0)).is_empty());
    }

    #[test]
    fn the_nearest_point_is_found_at_the_ends_and_in_between() {
        let points = [[1.0, 0.0], [2.0, 0.0], [4.0, 0.0]];
        let at = |x| nearest(&points, x, |point| point[0]).map(|point| point[0]);
        assert_eq!((at(-5.0), at(2.9), at(3.1), at(99.0)), (Some(1.0), Some(2.0), Some(4.0), Some(4.0)));
        assert!(nearest(&[] as &[[f64; 2]], 1.0, |point| point[0]).is_none());
    }

    #[test]
    fn part_of_a_curve_extends_past_the_edges() {
        let points: Vec<[f64; 2]> = (0..=100).map(|i| [f64::from(i), 0.0]).collect();
        assert_eq!(within(&points, 75.0, 100.0).len(), 27);
    }
}
