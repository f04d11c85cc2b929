//! Axis order, parts and frame of the diffraction array.

use super::blocks::squeezed;
use super::context::Reading;
use super::role_keys::Roles;
use super::source::ArrayInfo;
use super::verdict::{Fix, Verdict};
use crate::config::AxisOrder;
use crate::formats::npz::shape_text;
use ndarray::{ArrayD, Axis};
use std::collections::BTreeSet;

const CHECK: &str = "axis order";
/// What to do about patterns and positions of different numbers.
const UNMATCHED: &str = "Export patterns and positions of the same scan points; or use the first of both with \
                         --set data.mapping.unmatched=first";

/// The diffraction arrays as stored: parts, axis order and frame.
pub(super) struct Frames {
    /// Key, first pattern and number of patterns of each part.
    pub parts: Vec<(String, usize, usize)>,
    /// Header of the first part.
    pub info: ArrayInfo,
    pub layout: Layout,
    pub height: usize,
    pub width: usize,
    /// Number of patterns that are used.
    pub count: usize,
    /// Indices in the file of the patterns that are used, ascending; `None` for all.
    pub kept: Option<Vec<usize>>,
    /// True if the zero frequency is stored at the corner.
    pub is_shifted: bool,
}

impl Frames {
    /// Indices in the file of these patterns.
    pub fn stored_rows(&self, rows: &[usize]) -> Vec<usize> {
        match &self.kept {
            None => rows.to_vec(),
            Some(kept) => rows.iter().filter_map(|&row| kept.get(row).copied()).collect(),
        }
    }

    /// Number of patterns in the file.
    pub fn stored_count(&self) -> usize {
        self.parts.iter().map(|(_, _, length)| length).sum()
    }

    /// Leaves out patterns, given by their indices in the file.
    pub fn exclude(&mut self, excluded: &BTreeSet<usize>) {
        if !excluded.is_empty() {
            let kept: Vec<usize> = (0..self.count).filter(|row| !excluded.contains(row)).collect();
            self.count = kept.len();
            self.kept = Some(kept);
        }
    }

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
    let mut is_last = false;
    if let [a, b, c, d] = shape[..] {
        is_last = grid_is_last([a, b, c, d], count, reading.config.mapping.axis_order);
        let [ny, nx] = if is_last { [c, d] } else { [a, b] };
        reading.note(format!("Patterns of {} read as {ny} rows of {nx} scan points", info.shape_text()));
        let number = ny.saturating_mul(nx);
        shape = if is_last { vec![a, b, number] } else { vec![number, c, d] };
    }
    let mut parts = Vec::new();
    let mut first = 0;
    let are_single = shape.len() == 2 && infos.len() > 1;
    if are_single {
        shape.insert(0, 1);
    }
    if infos.len() > 1 {
        for part in &infos {
            if part.shape.len() != info.shape.len() || !squeezed(&part.shape).ends_with(&shape[1..]) {
                reading.judge(unequal_parts(&info, part));
                return None;
            }
            let length = if are_single { 1 } else { part.shape.first().copied().unwrap_or(0) };
            parts.push((part.key.clone(), first, length));
            first += length;
        }
        if let Some(length) = shape.first_mut() {
            *length = first;
        }
    }
    let configured = if is_grid { AxisOrder::Auto } else { reading.config.mapping.axis_order };
    let name = match infos.len() {
        1 => info.key.clone(),
        several => format!("{} and {} more", info.key, several - 1),
    };
    let layout = match layout_of(&name, &shape, count, configured) {
        Ok(_) if is_grid => {
            let order = if is_last { "(h, w, ny, nx)" } else { "(ny, nx, h, w)" };
            reading.judge(Verdict::pass(CHECK, format!("{} is {order}", info.shape_text())));
            if is_last { Layout::Last } else { Layout::First }
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
    Some(Frames { parts, info, layout, height, width, count, kept: None, is_shifted: false })
}

/// Failed verdict on parts of the patterns that have frames of different sizes.
fn unequal_parts(one: &ArrayInfo, other: &ArrayInfo) -> Verdict {
    let named = |info: &ArrayInfo| format!("{:?} {}", info.key, info.shape_text());
    let found = format!("The parts of the patterns have different shapes: {}, but {}", named(one), named(other));
    Verdict::fail(CHECK, found)
        .expected("patterns of one size in all parts")
        .advice("Choose the parts with --set data.mapping.diffraction=KEY, in which * matches any text")
}

/// True if patterns on a grid are (h, w, ny, nx) rather than (ny, nx, h, w): as configured, or because only so the grid has as
/// many points as there are positions.
fn grid_is_last([a, b, c, d]: [usize; 4], count: usize, configured: AxisOrder) -> bool {
    match configured {
        AxisOrder::First => false,
        AxisOrder::Last => true,
        AxisOrder::Auto => c.saturating_mul(d) == count && a.saturating_mul(b) != count,
    }
}

/// Layout, and number, height and width of the patterns, by the shape of an array alone: three axes of which only the first two
/// are equal are (h, w, n). `None` for other numbers of axes.
pub(super) fn layout_by_shape(shape: &[usize], order: AxisOrder) -> Option<(Layout, [usize; 3])> {
    match squeezed(shape)[..] {
        [a, b, c] if order == AxisOrder::Last || (order == AxisOrder::Auto && a == b && b != c) => {
            Some((Layout::Last, [c, a, b]))
        }
        [h, w] => Some((Layout::First, [1, h, w])),
        [count, h, w] => Some((Layout::First, [count, h, w])),
        [h, w, ny, nx] if order == AxisOrder::Last => Some((Layout::Last, [ny.saturating_mul(nx), h, w])),
        [ny, nx, h, w] => Some((Layout::First, [ny.saturating_mul(nx), h, w])),
        _ => None,
    }
}

/// Number of patterns by the shapes of their arrays alone; `None` if they cannot be read.
pub(super) fn number_of_patterns(reading: &Reading, roles: &Roles) -> Option<usize> {
    let order = reading.config.mapping.axis_order;
    let of_part = |key: &String| Some(layout_by_shape(&reading.source.array(key)?.shape, order)?.1[0]);
    roles.diffraction.iter().map(of_part).sum()
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
            .advice(UNMATCHED)
            .fixes([Fix::new("Use the first of both", [("data.mapping.unmatched", "first".to_owned())])]))
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
                .advice(UNMATCHED)
                .fixes([Fix::new("Use the first of both", [("data.mapping.unmatched", "first".to_owned())])]))
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
