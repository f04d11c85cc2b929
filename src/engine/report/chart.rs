//! Curves as inline SVG, in the colors of the page.

use super::number::{log_ticks, significant, ticks};
use super::page::escape;

/// Scale of an axis.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Scale {
    /// Linear.
    #[default]
    Linear,
    /// Logarithmic; values that are not positive are omitted.
    Log,
}

/// One curve.
#[derive(Debug, Clone, PartialEq)]
pub struct Line {
    /// Name in the legend.
    pub name: String,
    /// Points (x, y); the curve is interrupted where a value is not finite.
    pub points: Vec<[f64; 2]>,
    /// Draw a thin gray dashed reference line instead of a colored curve.
    pub guide: bool,
    /// Draw a dot at every point.
    pub dots: bool,
}

impl Line {
    /// A colored curve.
    pub fn curve(name: impl Into<String>, points: Vec<[f64; 2]>) -> Self {
        Self { name: name.into(), points, guide: false, dots: false }
    }
    /// A gray dashed reference line.
    pub fn guide(name: impl Into<String>, points: Vec<[f64; 2]>) -> Self {
        Self { guide: true, ..Self::curve(name, points) }
    }
    /// A colored curve with a dot at every point.
    pub fn dotted(name: impl Into<String>, points: Vec<[f64; 2]>) -> Self {
        Self { dots: true, ..Self::curve(name, points) }
    }
}

/// Curves in one pair of axes.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Chart {
    /// Title, one line.
    pub title: String,
    /// Quantity and unit of the x axis.
    pub x_label: String,
    /// Quantity and unit of the y axis.
    pub y_label: String,
    /// Scale of the x axis.
    pub x_scale: Scale,
    /// Scale of the y axis.
    pub y_scale: Scale,
    /// Limits of the y axis; `None` for those of the data.
    pub y_range: Option<[f64; 2]>,
    /// Curves, in the order of the legend.
    pub lines: Vec<Line>,
}

/// Size (width, height) and margins of the drawing, in SVG units.
const SIZE: [f64; 2] = [1084.0, 360.0];
const LEFT: f64 = 62.0;
const RIGHT: f64 = 18.0;
const TOP: f64 = 30.0;
const BOTTOM: f64 = 46.0;
/// Size of the area inside the axes.
const WIDTH: f64 = SIZE[0] - LEFT - RIGHT;
const HEIGHT: f64 = SIZE[1] - TOP - BOTTOM;
/// Number of colors that the page defines; further curves reuse them with dashed lines.
pub(super) const COLORS: usize = 6;

impl Scale {
    /// Coordinate along the axis: the value or its log10; `None` if not finite.
    fn coordinate(self, value: f64) -> Option<f64> {
        let coordinate = match self {
            Self::Linear => value,
            Self::Log => value.log10(),
        };
        coordinate.is_finite().then_some(coordinate)
    }

    fn ticks(self, low: f64, high: f64, count: usize) -> Vec<(f64, String)> {
        match self {
            Self::Linear => ticks(low, high, count),
            Self::Log => log_ticks(low, high),
        }
    }
}

/// Coordinates of the points of a line; `None` where a value is not finite.
type Coordinates = Vec<Option<[f64; 2]>>;

/// Limits (low, high) of both axes, in coordinates of their scales.
struct Frame {
    x: [f64; 2],
    y: [f64; 2],
}

impl Frame {
    /// Horizontal position of a coordinate, in SVG units.
    fn x_px(&self, value: f64) -> f64 {
        LEFT + WIDTH * (value - self.x[0]) / (self.x[1] - self.x[0])
    }

    /// Vertical position of a coordinate, limited to the axis, in SVG units.
    fn y_px(&self, value: f64) -> f64 {
        let [low, high] = self.y;
        TOP + HEIGHT * (1.0 - (value.clamp(low, high) - low) / (high - low))
    }
}

impl Chart {
    /// The chart and its legend as HTML.
    pub(super) fn to_html(&self) -> String {
        let mut html = format!("<figure class=\"chart\"><figcaption>{}</figcaption>\n", escape(&self.title));
        html.push_str(&self.svg());
        html.push_str("<ul class=\"legend\">");
        for (class, line) in self.classes().iter().zip(&self.lines) {
            html.push_str(&format!(
                "<li><svg viewBox=\"0 0 28 8\" width=\"28\" height=\"8\" aria-hidden=\"true\"><path class=\"{class}\" d=\"M1 4H27\"/></svg>{}</li>",
                escape(&line.name)
            ));
        }
        html.push_str("</ul></figure>\n");
        html
    }

    /// CSS class of each line, which determines color and dashes.
    fn classes(&self) -> Vec<String> {
        let (mut curves, mut guides) = (0, 0);
        let class = |line: &Line| {
            if line.guide {
                guides += 1;
                format!("l u{}", (guides - 1) % 3)
            } else {
                curves += 1;
                let again = if curves > COLORS { " again" } else { "" };
                format!("l c{}{again}", (curves - 1) % COLORS)
            }
        };
        self.lines.iter().map(class).collect()
    }

    /// The chart without its legend, as SVG.
    fn svg(&self) -> String {
        let coordinates: Vec<Coordinates> = self
            .lines
            .iter()
            .map(|line| {
                let point = |p: &[f64; 2]| Some([self.x_scale.coordinate(p[0])?, self.y_scale.coordinate(p[1])?]);
                line.points.iter().map(point).collect()
            })
            .collect();
        let frame = self.frame(&coordinates);
        let mut svg = format!(
            "<svg class=\"plot\" viewBox=\"0 0 {} {}\" role=\"img\" aria-label=\"{}\">\n",
            SIZE[0],
            SIZE[1],
            escape(&self.title)
        );
        svg.push_str(&self.axes_svg(&frame));
        for ((class, line), coordinates) in self.classes().iter().zip(&self.lines).zip(&coordinates) {
            svg.push_str(&line.svg(class, coordinates, &frame));
        }
        svg.push_str("</svg>\n");
        svg
    }

    /// Limits of both axes, from the data unless given.
    fn frame(&self, coordinates: &[Coordinates]) -> Frame {
        let range = |axis: usize| {
            let values = coordinates.iter().flatten().flatten().map(|p| p[axis]);
            let (low, high) = values.fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), v| (l.min(v), h.max(v)));
            if low < high {
                [low, high]
            } else if low == high {
                [low - 0.5, high + 0.5]
            } else {
                [0.0, 1.0]
            }
        };
        let y = match self.y_range.map(|r| r.map(|v| self.y_scale.coordinate(v))) {
            Some([Some(low), Some(high)]) if low < high => [low, high],
            _ => {
                let [low, high] = range(1);
                let margin = 0.04 * (high - low);
                [low - margin, high + margin]
            }
        };
        Frame { x: range(0), y }
    }

    /// Grid, ticks, axis and labels.
    fn axes_svg(&self, frame: &Frame) -> String {
        let mut svg = String::new();
        for (value, label) in self.y_scale.ticks(frame.y[0], frame.y[1], 5) {
            let y = frame.y_px(value);
            svg.push_str(&format!("<path class=\"grid\" d=\"M{LEFT} {y:.1}H{:.1}\"/>", LEFT + WIDTH));
            svg.push_str(&format!("<text class=\"e\" x=\"{:.1}\" y=\"{:.1}\">{label}</text>\n", LEFT - 8.0, y + 4.5));
        }
        let base = TOP + HEIGHT;
        for (value, label) in self.x_scale.ticks(frame.x[0], frame.x[1], 10) {
            let x = frame.x_px(value);
            svg.push_str(&format!("<path class=\"tick\" d=\"M{x:.1} {base:.1}v5\"/>"));
            svg.push_str(&format!("<text class=\"m\" x=\"{x:.1}\" y=\"{:.1}\">{label}</text>\n", base + 20.0));
        }
        svg.push_str(&format!("<path class=\"axis\" d=\"M{LEFT} {base:.1}h{WIDTH:.1}\"/>\n"));
        svg.push_str(&format!("<text x=\"6\" y=\"17\">{}</text>\n", escape(&self.y_label)));
        svg.push_str(&format!(
            "<text class=\"e\" x=\"{:.1}\" y=\"{:.1}\">{}</text>\n",
            LEFT + WIDTH,
            SIZE[1] - 6.0,
            escape(&self.x_label)
        ));
        svg
    }
}

impl Line {
    /// The curve and its dots.
    fn svg(&self, class: &str, coordinates: &[Option<[f64; 2]>], frame: &Frame) -> String {
        let mut svg = String::new();
        let mut path = String::new();
        let mut pen_down = false;
        for point in coordinates {
            let Some(p) = point else {
                pen_down = false;
                continue;
            };
            let command = if pen_down { 'L' } else { 'M' };
            path.push_str(&format!("{command}{:.1} {:.1}", frame.x_px(p[0]), frame.y_px(p[1])));
            pen_down = true;
        }
        if !path.is_empty() {
            svg.push_str(&format!(
                "<path class=\"{class}\" d=\"{path}\"><title>{}</title></path>\n",
                escape(&self.name)
            ));
        }
        if self.dots {
            for (point, values) in coordinates.iter().zip(&self.points) {
                let Some(p) = point else { continue };
                svg.push_str(&format!(
                    "<circle class=\"{}\" cx=\"{:.1}\" cy=\"{:.1}\" r=\"3.6\"><title>{}: {}, {}</title></circle>\n",
                    class.replacen("l ", "d ", 1),
                    frame.x_px(p[0]),
                    frame.y_px(p[1]),
                    escape(&self.name),
                    significant(values[0], 4),
                    significant(values[1], 4)
                ));
            }
        }
        svg
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_curve_spans_the_axes_and_is_interrupted_where_it_has_no_value() {
        let line = Line::curve("a <b>", vec![[0.0, 0.0], [1.0, f64::NAN], [2.0, 1.0], [4.0, 1.0]]);
        let chart = Chart { y_range: Some([0.0, 1.0]), lines: vec![line], ..Chart::default() };
        let html = chart.to_html();
        assert!(html.contains("d=\"M62.0 314.0M564.0 30.0L1066.0 30.0\""), "{html}");
        assert!(html.contains("a &lt;b&gt;") && !html.contains("a <b>"));
    }

    #[test]
    fn a_logarithmic_axis_omits_values_without_logarithm() {
        let line = Line::dotted("loss", vec![[1.0, 10.0], [2.0, 0.0], [3.0, 0.1]]);
        let html = Chart { y_scale: Scale::Log, lines: vec![line], ..Chart::default() }.to_html();
        assert_eq!(html.matches("<circle").count(), 2);
        assert!(!html.contains("NaN") && !html.contains("inf"), "{html}");
    }

    #[test]
    fn charts_with_one_or_no_point_contain_only_finite_numbers() {
        for points in [vec![], vec![[1.0, 1.0]], vec![[f64::NAN, 1.0]]] {
            let html = Chart { lines: vec![Line::curve("x", points)], ..Chart::default() }.to_html();
            assert!(!html.contains("NaN") && !html.contains("inf"), "{html}");
        }
    }

    #[test]
    fn more_curves_than_colors_are_still_distinguishable() {
        let lines = (0..=COLORS).map(|i| Line::curve(i.to_string(), vec![[0.0, 0.0]])).collect();
        let classes = Chart { lines, ..Chart::default() }.classes();
        let distinct: std::collections::BTreeSet<_> = classes.iter().collect();
        assert_eq!(distinct.len(), COLORS + 1);
    }
}
