//! Curves as inline SVG, in the colours of the page.

use super::number::{log_ticks, significant, ticks};
use super::page::escape;

/// How values are laid along an axis.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Scale {
    /// Evenly.
    #[default]
    Linear,
    /// By their logarithm; values not above zero are left out.
    Log,
}

/// One curve.
#[derive(Debug, Clone, PartialEq)]
pub struct Line {
    /// Its name in the legend.
    pub name: String,
    /// Its points (x, y); it is broken where one is not finite.
    pub points: Vec<[f64; 2]>,
    /// A thin gray dashed line to compare with, rather than a curve of its own colour.
    pub guide: bool,
    /// A dot at every point.
    pub dots: bool,
}

impl Line {
    /// A curve in a colour of its own.
    pub fn curve(name: impl Into<String>, points: Vec<[f64; 2]>) -> Self {
        Self { name: name.into(), points, guide: false, dots: false }
    }
    /// A gray dashed line to compare with.
    pub fn guide(name: impl Into<String>, points: Vec<[f64; 2]>) -> Self {
        Self { guide: true, ..Self::curve(name, points) }
    }
    /// A curve with a dot at every point.
    pub fn dotted(name: impl Into<String>, points: Vec<[f64; 2]>) -> Self {
        Self { dots: true, ..Self::curve(name, points) }
    }
}

/// Curves over one pair of axes.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Chart {
    /// What it shows, in one line.
    pub title: String,
    /// Name and unit of the abscissa.
    pub x_label: String,
    /// Name and unit of the ordinate.
    pub y_label: String,
    /// How x is laid out.
    pub x_scale: Scale,
    /// How y is laid out.
    pub y_scale: Scale,
    /// Ends of the y axis; none takes those of the data.
    pub y_range: Option<[f64; 2]>,
    /// The curves, in the order of the legend.
    pub lines: Vec<Line>,
}

/// Size of the drawing and of its margins, in its own units.
const SIZE: [f64; 2] = [1084.0, 360.0];
const LEFT: f64 = 62.0;
const RIGHT: f64 = 18.0;
const TOP: f64 = 30.0;
const BOTTOM: f64 = 46.0;
/// Colours that the page defines; further curves begin again, dashed.
pub(super) const COLOURS: usize = 6;

impl Scale {
    /// Position on the axis, before it is stretched; none where the scale has no place for the value.
    fn place(self, value: f64) -> Option<f64> {
        let place = match self {
            Self::Linear => value,
            Self::Log => value.log10(),
        };
        place.is_finite().then_some(place)
    }

    fn ticks(self, low: f64, high: f64, count: usize) -> Vec<(f64, String)> {
        match self {
            Self::Linear => ticks(low, high, count),
            Self::Log => log_ticks(low, high),
        }
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

    /// The class of each line, which decides its colour and dashes.
    fn classes(&self) -> Vec<String> {
        let (mut curves, mut guides) = (0, 0);
        let class = |line: &Line| {
            if line.guide {
                guides += 1;
                format!("l u{}", (guides - 1) % 3)
            } else {
                curves += 1;
                let again = if curves > COLOURS { " again" } else { "" };
                format!("l c{}{again}", (curves - 1) % COLOURS)
            }
        };
        self.lines.iter().map(class).collect()
    }

    fn svg(&self) -> String {
        let places: Vec<Vec<Option<[f64; 2]>>> = self
            .lines
            .iter()
            .map(|line| {
                let place = |p: &[f64; 2]| Some([self.x_scale.place(p[0])?, self.y_scale.place(p[1])?]);
                line.points.iter().map(place).collect()
            })
            .collect();
        let range = |axis: usize| {
            let seen = places.iter().flatten().flatten().map(|p| p[axis]);
            let (low, high) = seen.fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), v| (l.min(v), h.max(v)));
            if low < high {
                [low, high]
            } else if low == high {
                [low - 0.5, high + 0.5]
            } else {
                [0.0, 1.0]
            }
        };
        let [x0, x1] = range(0);
        let [y0, y1] = match self.y_range.map(|r| r.map(|v| self.y_scale.place(v))) {
            Some([Some(low), Some(high)]) if low < high => [low, high],
            _ => {
                let [low, high] = range(1);
                let room = 0.04 * (high - low);
                [low - room, high + room]
            }
        };
        let (width, height) = (SIZE[0] - LEFT - RIGHT, SIZE[1] - TOP - BOTTOM);
        let x = |v: f64| LEFT + width * (v - x0) / (x1 - x0);
        let y = |v: f64| TOP + height * (1.0 - (v.clamp(y0, y1) - y0) / (y1 - y0));

        let mut svg = format!(
            "<svg class=\"plot\" viewBox=\"0 0 {} {}\" role=\"img\" aria-label=\"{}\">\n",
            SIZE[0],
            SIZE[1],
            escape(&self.title)
        );
        for (at, label) in self.y_scale.ticks(y0, y1, 5) {
            let at = y(at);
            svg.push_str(&format!("<path class=\"grid\" d=\"M{LEFT} {at:.1}H{:.1}\"/>", LEFT + width));
            svg.push_str(&format!("<text class=\"e\" x=\"{:.1}\" y=\"{:.1}\">{label}</text>\n", LEFT - 8.0, at + 4.5));
        }
        for (at, label) in self.x_scale.ticks(x0, x1, 10) {
            let at = x(at);
            let base = TOP + height;
            svg.push_str(&format!("<path class=\"tick\" d=\"M{at:.1} {base:.1}v5\"/>"));
            svg.push_str(&format!("<text class=\"m\" x=\"{at:.1}\" y=\"{:.1}\">{label}</text>\n", base + 20.0));
        }
        svg.push_str(&format!("<path class=\"axis\" d=\"M{LEFT} {:.1}h{width:.1}\"/>\n", TOP + height));
        svg.push_str(&format!("<text x=\"6\" y=\"17\">{}</text>\n", escape(&self.y_label)));
        svg.push_str(&format!(
            "<text class=\"e\" x=\"{:.1}\" y=\"{:.1}\">{}</text>\n",
            LEFT + width,
            SIZE[1] - 6.0,
            escape(&self.x_label)
        ));
        for ((class, line), places) in self.classes().iter().zip(&self.lines).zip(&places) {
            let mut path = String::new();
            let mut pen_down = false;
            for place in places {
                let Some(p) = place else {
                    pen_down = false;
                    continue;
                };
                path.push_str(&format!("{}{:.1} {:.1}", if pen_down { 'L' } else { 'M' }, x(p[0]), y(p[1])));
                pen_down = true;
            }
            if !path.is_empty() {
                svg.push_str(&format!(
                    "<path class=\"{class}\" d=\"{path}\"><title>{}</title></path>\n",
                    escape(&line.name)
                ));
            }
            if line.dots {
                for (place, point) in places.iter().zip(&line.points) {
                    let Some(p) = place else { continue };
                    svg.push_str(&format!(
                        "<circle class=\"{}\" cx=\"{:.1}\" cy=\"{:.1}\" r=\"3.6\"><title>{}: {}, {}</title></circle>\n",
                        class.replacen("l ", "d ", 1),
                        x(p[0]),
                        y(p[1]),
                        escape(&line.name),
                        significant(point[0], 4),
                        significant(point[1], 4)
                    ));
                }
            }
        }
        svg.push_str("</svg>\n");
        svg
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_curve_runs_from_corner_to_corner_and_breaks_where_it_has_no_value() {
        let line = Line::curve("a <b>", vec![[0.0, 0.0], [1.0, f64::NAN], [2.0, 1.0], [4.0, 1.0]]);
        let chart = Chart { y_range: Some([0.0, 1.0]), lines: vec![line], ..Chart::default() };
        let html = chart.to_html();
        assert!(html.contains("d=\"M62.0 314.0M564.0 30.0L1066.0 30.0\""), "{html}");
        assert!(html.contains("a &lt;b&gt;") && !html.contains("a <b>"));
    }

    #[test]
    fn a_logarithmic_axis_leaves_out_what_has_no_logarithm() {
        let line = Line::dotted("loss", vec![[1.0, 10.0], [2.0, 0.0], [3.0, 0.1]]);
        let html = Chart { y_scale: Scale::Log, lines: vec![line], ..Chart::default() }.to_html();
        assert_eq!(html.matches("<circle").count(), 2);
        assert!(!html.contains("NaN") && !html.contains("inf"), "{html}");
    }

    #[test]
    fn charts_without_points_or_with_one_are_drawn_without_senseless_numbers() {
        for points in [vec![], vec![[1.0, 1.0]], vec![[f64::NAN, 1.0]]] {
            let html = Chart { lines: vec![Line::curve("x", points)], ..Chart::default() }.to_html();
            assert!(!html.contains("NaN") && !html.contains("inf"), "{html}");
        }
    }

    #[test]
    fn more_curves_than_colours_can_still_be_told_apart() {
        let lines = (0..=COLOURS).map(|i| Line::curve(i.to_string(), vec![[0.0, 0.0]])).collect();
        let classes = Chart { lines, ..Chart::default() }.classes();
        let distinct: std::collections::BTreeSet<_> = classes.iter().collect();
        assert_eq!(distinct.len(), COLOURS + 1);
    }
}
