//! Axis order, parts and frame of the diffraction array.

use super::blocks::squeezed;
use super::context::Reading;
use super::role_keys::Roles;
use super::source::ArrayInfo;
use super::verdict::{Fix, Verdict};
use crate::config::AxisOrder;
use crate::formats::npz::shape_text;
use ndarray::{ArrayD, Axis};

const CHECK: &str = "axis order";

/// The diffraction arrays as stored: parts, axis order and frame.
pub(super) struct Frames {
    /// Key, first pattern and number of patterns of each part.
    pub parts: Vec<(String, usize, usize)>,
    /// Header of the first part.
    pub info: ArrayInfo,
    pub layout: Layout,
    pub height: usize,
    pub width: usize,
    pub count: usize,
}

impl Frames {
    /// Axis of the patterns.
    pub fn axis(&self) -> usize {
        if self.layout == Layout::Last { 2 } else { 0 }
    }
}

/// Finds the axis order of the diffraction arrays from their shapes and the number of positions.
pub(super) fn frames(reading: &mut Reading, roles: &Roles, count: usize) -> Option<Frames> {
    let mut infos = Vec::new();
    for key in &roles.diffraction {
        match reading.source.array(key) {
            Some(info) if info.numeric && info.real => infos.push(info),
            // Missing, not numeric or damaged: reading it gives the precise error.
            _ => {
                let verdict = reading.source.unreadable_verdict(key);
                reading.judge(verdict);
                return None;
            }
        }
    }
    let info = infos.first()?.clone();
    let mut shape = squeezed(&info.shape);
    if shape.len() != info.shape.len() {
        reading.note(format!("Trailing axes of length 1 of {} were dropped", info.shape_text()));
    }
    let is_grid = shape.len() == 4;
    if let [ny, nx, height, width] = shape[..] {
        reading.note(format!("Patterns of {} read as {ny} rows of {nx} scan points", info.shape_text()));
        shape = vec![ny.saturating_mul(nx), height, width];
    }
    let mut parts = Vec::new();
    let mut first = 0;
    if infos.len() > 1 {
        for part in &infos {
            let length = part.shape.first().copied().unwrap_or(0);
            parts.push((part.key.clone(), first, length));
            first += length;
        }
        if let Some(length) = shape.first_mut() {
            *length = first;
        }
    }
    let configured = if is_grid { AxisOrder::Auto } else { reading.config.mapping.axis_order };
    let layout = match layout_of(&info.key, &shape, count, configured) {
        // The last axes of a grid are those of the detector.
        Ok((Layout::Last | Layout::Cube, _)) if is_grid => {
            reading.judge(Verdict::pass(CHECK, format!("{} is (ny, nx, h, w)", info.shape_text())));
            Layout::First
        }
        Ok((layout, verdict)) => {
            reading.judge(verdict);
            layout
        }
        Err(verdict) => {
            reading.judge(verdict);
            return None;
        }
    };
    if parts.is_empty() {
        parts.push((info.key.clone(), 0, count));
    }
    reading.judge(Verdict::pass("patterns and positions", format!("{count} patterns and {count} positions")));
    let (height, width) = match (layout, shape.as_slice()) {
        (Layout::Last, [h, w, _]) | (_, [_, h, w]) => (*h, *w),
        _ => return None,
    };
    Some(Frames { parts, info, layout, height, width, count })
}

/// Axis of the patterns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Layout {
    /// (n, h, w)
    First,
    /// (h, w, n), the legacy order.
    Last,
    /// All three axes are equally long: the values decide.
    Cube,
}

/// Layout of a cube from its values: the energy of a pattern is nearly constant along the scan, but falls off steeply from
/// the direct beam along a detector axis. `None` if the difference is not clear.
pub(super) fn layout_of_cube(cube: &ArrayD<f32>) -> Option<Layout> {
    let spread = |axis: usize| {
        let energies: Vec<f64> =
            cube.axis_iter(Axis(axis)).map(|slice| slice.iter().map(|&v| f64::from(v).powi(2)).sum()).collect();
        let mean = energies.iter().sum::<f64>() / energies.len() as f64;
        let variance = energies.iter().map(|e| (e - mean).powi(2)).sum::<f64>() / energies.len() as f64;
        variance.sqrt() / mean
    };
    let (first, middle, last) = (spread(0), spread(1), spread(2));
    if 2.0 * first < middle.min(last) {
        Some(Layout::First)
    } else if 2.0 * last < first.min(middle) {
        Some(Layout::Last)
    } else {
        None
    }
}

/// The layout in which two axes are equal and the third has as many entries as there are positions (A§1.2).
///
/// The configured order takes precedence if that axis has as many entries as there are positions.
fn layout_of(key: &str, shape: &[usize], count: usize, configured: AxisOrder) -> Result<(Layout, Verdict), Verdict> {
    let text = shape_text(shape);
    let expected = format!("({count}, N, N) for {count} positions, or (N, N, {count}) in the legacy order");
    let &[a, b, c] = shape else {
        return Err(Verdict::fail(CHECK, format!("The array {key:?} has {} axes: shape {text}", shape.len()))
            .expected(expected)
            .advice("Store one square pattern per position"));
    };
    let as_configured = |order: &str| Verdict::pass(CHECK, format!("{text} is {order}, as configured"));
    match configured {
        AxisOrder::First if a == count => return Ok((Layout::First, as_configured("(n, h, w)"))),
        AxisOrder::Last if c == count => return Ok((Layout::Last, as_configured("(h, w, n)"))),
        AxisOrder::First | AxisOrder::Last | AxisOrder::Auto => {}
    }
    match (b == c && a == count, a == b && c == count) {
        (true, false) => Ok((Layout::First, Verdict::pass(CHECK, format!("{text} is (n, h, w)")))),
        (false, true) => {
            Ok((Layout::Last, Verdict::pass(CHECK, format!("{text} is (h, w, n), the legacy order; transposed"))))
        }
        (true, true) => {
            Ok((Layout::Cube, Verdict::pass("axis lengths", format!("{text}: three axes of equal length"))))
        }
        (false, false) if b == c || a == b => {
            let patterns = if b == c { a } else { c };
            Err(Verdict::fail(
                "patterns and positions",
                format!("The array {key:?} of shape {text} holds {patterns} patterns, but there are {count} positions"),
            )
            .expected(expected)
            .advice("Export patterns and positions of the same scan points"))
        }
        // Not square: cropping may help; the size check decides.
        (false, false) if a == count && c != count => {
            Ok((Layout::First, Verdict::pass(CHECK, format!("{text} is (n, h, w)"))))
        }
        (false, false) if c == count && a != count => {
            Ok((Layout::Last, Verdict::pass(CHECK, format!("{text} is (h, w, n), the legacy order; transposed"))))
        }
        (false, false) if a == count => Err(undecided(
            format!("Shape {text} of {key:?} can be (n, h, w) or (h, w, n), with {count} patterns either way"),
            expected,
        )),
        (false, false) => {
            Err(Verdict::fail(CHECK, format!("Shape {text} of {key:?} fits neither axis order with {count} positions"))
                .expected(expected)
                .advice("Store one square pattern per position"))
        }
    }
}

/// Verdict on an axis order that the user has to set.
fn undecided(found: String, expected: impl Into<String>) -> Verdict {
    Verdict::fail(CHECK, found)
        .expected(expected)
        .advice("Set data.mapping.axis_order to \"first\" for (n, h, w) or to \"last\" for (h, w, n)")
        .fixes([("first", "(n, h, w)"), ("last", "(h, w, n)")].map(|(value, order)| {
            Fix::new(format!("Read as {order}"), [("data.mapping.axis_order", value.to_owned())])
        }))
}

/// Verdict on the layout found from the values of a cube.
pub(super) fn cube_verdict(key: &str, found: Option<Layout>, shape: &[usize]) -> (Option<Layout>, Verdict) {
    let text = shape_text(shape);
    let reason = "from the values: the energy is steady along the scan and falls off along the detector axes";
    let verdict = match found {
        Some(Layout::Last) => Verdict::pass(CHECK, format!("{text} is (h, w, n), the legacy order; {reason}")),
        Some(_) => Verdict::pass(CHECK, format!("{text} is (n, h, w); {reason}")),
        None => undecided(
            format!("Shape {text} of {key:?} can be (n, h, w) or (h, w, n), and the values are ambiguous"),
            "a number of patterns that differs from their size",
        ),
    };
    (found, verdict)
}
