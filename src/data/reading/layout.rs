//! How the patterns lie in their array: axis order, parts, frame.

use super::super::blocks::squeezed;
use super::super::contract::Verdict;
use super::super::npz::shape_text;
use super::super::roles::Roles;
use super::super::source::{ArrayInfo, Source};
use crate::config::AxisOrder;
use ndarray::{ArrayD, Axis};

/// The diffraction arrays as they are stored: their parts, axis order and frame.
pub(super) struct Frames {
    /// Key, first pattern and number of patterns of each part.
    pub parts: Vec<(String, usize, usize)>,
    pub info: ArrayInfo,
    pub layout: Layout,
    pub height: usize,
    pub width: usize,
    pub count: usize,
}

impl Frames {
    /// The axis that counts the patterns.
    pub fn axis(&self) -> usize {
        if self.layout == Layout::Last { 2 } else { 0 }
    }
}

/// Finds the axis order from the shapes.
pub(super) fn frames(
    source: &mut Source,
    roles: &Roles,
    count: usize,
    asked: AxisOrder,
    verdicts: &mut Vec<Verdict>,
    notes: &mut Vec<String>,
) -> Option<Frames> {
    let mut infos = Vec::new();
    for key in &roles.diffraction {
        match source.array(key) {
            Some(info) if info.numeric && info.real => infos.push(info),
            // Missing, not numeric or damaged: the reader says it best.
            _ => {
                verdicts.push(source.why_unreadable(key));
                return None;
            }
        }
    }
    let info = infos.first()?.clone();
    let mut shape = squeezed(&info.shape);
    if shape.len() != info.shape.len() {
        notes.push(format!("Axes of length 1 at the end of {} were dropped", info.shape_text()));
    }
    let is_grid = shape.len() == 4;
    if let [ny, nx, height, width] = shape[..] {
        notes.push(format!("Patterns of {} taken as {ny} rows of {nx} scan points", info.shape_text()));
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
    let layout = match layout_of(&info.key, &shape, count, if is_grid { AxisOrder::Auto } else { asked }) {
        // The last axes of a grid are those of the detector.
        Ok((Layout::Last | Layout::Cube, _)) if is_grid => {
            verdicts.push(Verdict::pass("axis order", format!("{} is (ny, nx, h, w)", info.shape_text())));
            Layout::First
        }
        Ok((layout, verdict)) => {
            verdicts.push(verdict);
            layout
        }
        Err(verdict) => {
            verdicts.push(verdict);
            return None;
        }
    };
    if parts.is_empty() {
        parts.push((info.key.clone(), 0, count));
    }
    verdicts.push(Verdict::pass("patterns and positions", format!("{count} patterns and {count} positions")));
    let (height, width) = match (layout, shape.as_slice()) {
        (Layout::Last, [h, w, _]) | (_, [_, h, w]) => (*h, *w),
        _ => return None,
    };
    Some(Frames { parts, info, layout, height, width, count })
}

/// Which axis counts the patterns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Layout {
    /// (n, h, w)
    First,
    /// (h, w, n): the legacy layout.
    Last,
    /// All three axes are equally long: the values have to tell.
    Cube,
}

/// The layout of a cube, from the values: the energy of a pattern hardly changes along the scan, while along a detector
/// axis it falls off steeply from the direct beam. None if the difference is not clear.
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

/// The one layout in which two axes are equal and the third has as many entries as there are positions (A§1.2).
///
/// What is asked for wins where that axis has as many entries as there are positions.
fn layout_of(key: &str, shape: &[usize], count: usize, asked: AxisOrder) -> Result<(Layout, Verdict), Verdict> {
    let text = shape_text(shape);
    let expected = format!("({count}, N, N) for {count} positions, or ({count} last) the legacy order (N, N, {count})");
    let &[a, b, c] = shape else {
        return Err(Verdict::fail("axis order", format!("The array {key:?} has {} axes: shape {text}", shape.len()))
            .expected(expected)
            .advice("Store one square pattern for each position"));
    };
    let as_asked = |order: &str| Verdict::pass("axis order", format!("{text} is {order}, as configured"));
    match asked {
        AxisOrder::First if a == count => return Ok((Layout::First, as_asked("(n, h, w)"))),
        AxisOrder::Last if c == count => return Ok((Layout::Last, as_asked("(h, w, n)"))),
        AxisOrder::First | AxisOrder::Last | AxisOrder::Auto => {}
    }
    match (b == c && a == count, a == b && c == count) {
        (true, false) => Ok((Layout::First, Verdict::pass("axis order", format!("{text} is (n, h, w)")))),
        (false, true) => Ok((
            Layout::Last,
            Verdict::pass("axis order", format!("{text} is (h, w, n), the legacy order; transposed")),
        )),
        (true, true) => Ok((Layout::Cube, Verdict::pass("axis lengths", format!("{text}: three axes of one length")))),
        (false, false) if b == c || a == b => {
            let patterns = if b == c { a } else { c };
            Err(Verdict::fail(
                "patterns and positions",
                format!("The array {key:?} of shape {text} holds {patterns} patterns, but there are {count} positions"),
            )
            .expected(expected)
            .advice("Export patterns and positions of the same scan points"))
        }
        // Not square: cropping may help, which is judged with the size.
        (false, false) if a == count && c != count => {
            Ok((Layout::First, Verdict::pass("axis order", format!("{text} is (n, h, w)"))))
        }
        (false, false) if c == count && a != count => Ok((
            Layout::Last,
            Verdict::pass("axis order", format!("{text} is (h, w, n), the legacy order; transposed")),
        )),
        (false, false) if a == count => Err(undecided(
            format!("Shape {text} of {key:?} can be read as (n, h, w) and as (h, w, n): {count} patterns either way"),
            expected,
        )),
        (false, false) => Err(Verdict::fail(
            "axis order",
            format!("Shape {text} of {key:?} fits neither axis order with {count} positions"),
        )
        .expected(expected)
        .advice("Store one square pattern for each position")),
    }
}

/// Where shape and values leave the choice to the user.
fn undecided(found: String, expected: impl Into<String>) -> Verdict {
    Verdict::fail("axis order", found)
        .expected(expected)
        .advice("Set data.mapping.axis_order to \"first\" for (n, h, w) or to \"last\" for (h, w, n)")
}

pub(super) fn cube_verdict(key: &str, found: Option<Layout>, shape: &[usize]) -> (Option<Layout>, Verdict) {
    let text = shape_text(shape);
    let told = "told by the values: the energy is steady along the scan and falls off along the detector";
    let verdict = match found {
        Some(Layout::Last) => Verdict::pass("axis order", format!("{text} is (h, w, n), the legacy order; {told}")),
        Some(_) => Verdict::pass("axis order", format!("{text} is (n, h, w); {told}")),
        None => undecided(
            format!("Shape {text} of {key:?} can be read as (n, h, w) and as (h, w, n), and the values do not tell"),
            "a number of patterns that differs from their size",
        ),
    };
    (found, verdict)
}
