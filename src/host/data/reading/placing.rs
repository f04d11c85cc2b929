//! Conversion of stored positions to object pixels, (x, y) = (column, row) of each patch center.

use super::blocks::squeezed;
use super::context::Reading;
use super::fit::Fit;
use super::geometry::Geometry;
use super::role_keys::{PositionKeys, Roles, Unit};
use super::source::Source;
use super::verdict::Verdict;
use super::{columns, exclusion, position_file, units};
use crate::config::{AxisOrder, DataConfig, Mapping, Orientation, PositionOrder};
use crate::formats::npz::shape_text;
use ndarray::ArrayD;
use std::collections::BTreeSet;

const CHECK: &str = "positions";

/// Positions in object pixels.
pub(super) struct Placed {
    pub positions: Vec<[f64; 2]>,
    /// (x, y) side of an object pixel, m, if known.
    pub pixel_m: Option<[f64; 2]>,
    /// (x, y) ratio of the object pixel of the finished patterns to that of the stored ones; 1 unless cropped or padded.
    pub scale: [f64; 2],
    /// Where the size of an object pixel comes from, if positions were converted with it.
    pub origin: Option<String>,
}

/// (x, y) of each position as stored, in the unit of the file.
pub(super) fn read(reading: &mut Reading, roles: &Roles) -> Option<Vec<[f64; 2]>> {
    let order = reading.config.mapping.axis_order;
    let grid = roles.diffraction.first().and_then(|key| grid(reading.source, key, order));
    let positions = match roles.positions.as_ref()? {
        PositionKeys::Pair { x, y } => pair(reading, x, y, grid)?,
        PositionKeys::Both { keys, order } => {
            let mut positions = Vec::new();
            for key in keys {
                positions.extend(both(reading, key, *order, grid)?);
            }
            positions
        }
        PositionKeys::Raster { patterns, step } => {
            let Some([ny, nx]) = grid else {
                let shape = reading.source.array(patterns).map_or_else(|| "unknown".into(), |info| info.shape_text());
                reading.judge(
                    Verdict::fail(CHECK, format!("data.mapping.scan_step is set, but the patterns have shape {shape}"))
                        .expected("patterns on a grid of scan points, (ny, nx, h, w)")
                        .advice("Remove the step and set the positions with --set data.mapping.positions=KEY"),
                );
                return None;
            };
            (0..ny * nx).map(|k| [(k % nx) as f64 * step, (k / nx) as f64 * step]).collect()
        }
    };
    Some(positions)
}

/// Indices of the positions that are not numbers.
pub(super) fn unplaced(positions: &[[f64; 2]]) -> BTreeSet<usize> {
    let is_bad = |(_, position): &(usize, &[f64; 2])| position.iter().any(|value| !value.is_finite());
    positions.iter().enumerate().filter(is_bad).map(|(at, _)| at).collect()
}

/// Judges whether all positions are numbers; `unplaced` are not, and not left out either.
pub(super) fn judge_finite(reading: &mut Reading, positions: &[[f64; 2]], unplaced: &BTreeSet<usize>) -> Option<()> {
    let Some(&at) = unplaced.first() else {
        reading.judge(Verdict::pass(CHECK, format!("{} positions, all finite", positions.len() - unplaced.len())));
        return Some(());
    };
    let [x, y] = positions.get(at).copied().unwrap_or([f64::NAN; 2]);
    let more = match unplaced.len() {
        1 => String::new(),
        count => format!(", and {} more are not finite", count - 1),
    };
    reading.judge(
        Verdict::fail(CHECK, format!("Position {at} is ({x}, {y}){more}"))
            .expected("finite numbers, in object pixels")
            .advice(format!(
                "Leave out the patterns without a position with --exclude auto (or --exclude {}), or export the positions again",
                exclusion::text_of(unplaced)
            ))
            .fixes([exclusion::fix(&reading.config.exclude, unplaced)]),
    );
    None
}

/// Applies the configured matrix.
pub(super) fn transform(reading: &mut Reading, positions: &mut [[f64; 2]]) -> Option<()> {
    let text = reading.config.mapping.position_matrix.clone();
    if text.trim().is_empty() {
        return Some(());
    }
    let numbers: Option<Vec<f64>> =
        text.split([',', ' ']).filter(|t| !t.is_empty()).map(|t| t.trim().parse().ok()).collect();
    let Some(&[a, b, c, d]) = numbers.as_deref().filter(|numbers| numbers.iter().all(|v| v.is_finite())) else {
        reading.judge(
            Verdict::fail(CHECK, format!("data.mapping.position_matrix is {text:?}"))
                .expected("four numbers a,b,c,d: x' = a x + b y, y' = c x + d y")
                .advice("Correct the setting, for example to -1,0,0,1"),
        );
        return None;
    };
    positions.iter_mut().for_each(|[x, y]| (*x, *y) = (a * *x + b * *y, c * *x + d * *y));
    reading.note(format!("Positions transformed as configured: x' = {a} x + {b} y, y' = {c} x + {d} y"));
    Some(())
}

/// Rows and columns of patterns (ny, nx, h, w), or (h, w, ny, nx) if so configured.
fn grid(source: &Source, key: &str, order: AxisOrder) -> Option<[usize; 2]> {
    match squeezed(&source.array(key)?.shape)[..] {
        [_, _, ny, nx] if order == AxisOrder::Last => Some([ny, nx]),
        [ny, nx, _, _] => Some([ny, nx]),
        _ => None,
    }
}

/// Positions from one array per coordinate: (n,), or for patterns on a grid also (ny, nx), or x of each column and y of each
/// row.
fn pair(reading: &mut Reading, x: &str, y: &str, grid: Option<[usize; 2]>) -> Option<Vec<[f64; 2]>> {
    let mut axis = |key: &str| {
        let result = reading.source.read_f64(key);
        let array = reading.or_fail(CHECK, result)?;
        let is_grid = grid.is_some_and(|grid| array.shape() == grid);
        if !is_grid && (array.shape().iter().filter(|&&length| length != 1).count() > 1 || array.ndim() == 0) {
            reading.judge(
                Verdict::fail(CHECK, format!("The array {key:?} has shape {}", shape_text(array.shape())))
                    .expected("one number per pattern, shape (n,)")
                    .advice("Store one coordinate per pattern, in object pixels"),
            );
            return None;
        }
        Some(array.into_iter().collect::<Vec<f64>>())
    };
    let (xs, ys) = (axis(x), axis(y));
    let (xs, ys) = (xs?, ys?);
    if let Some([ny, nx]) = grid.filter(|&[ny, nx]| (ys.len(), xs.len()) == (ny, nx) && nx.max(ny) < ny * nx) {
        return Some((0..ny * nx).map(|k| [xs[k % nx], ys[k / nx]]).collect());
    }
    if xs.len() != ys.len() || xs.is_empty() {
        reading.judge(
            Verdict::fail(CHECK, format!("There are {} x coordinates and {} y coordinates", xs.len(), ys.len()))
                .expected("one of each per pattern")
                .advice("Export the positions again"),
        );
        return None;
    }
    Some(xs.into_iter().zip(ys).map(|(x, y)| [x, y]).collect())
}

/// Positions from one array, see [`rows_of`]; for patterns on a grid also (ny, nx, 2) or (ny, nx, 3).
fn both(reading: &mut Reading, key: &str, order: PositionOrder, grid: Option<[usize; 2]>) -> Option<Vec<[f64; 2]>> {
    let result = reading.source.read_f64(key);
    let array = reading.or_fail(CHECK, result)?;
    let rows = match *array.shape() {
        [ny, nx, last] if grid == Some([ny, nx]) => array.into_shape_with_order(vec![ny * nx, last]).ok()?,
        _ => array,
    };
    rows_of(&rows, &reading.config.mapping, order)
        .map_err(|reason| {
            reading.judge(
                Verdict::fail(CHECK, format!("The positions {key:?} cannot be read: {reason}"))
                    .expected("both coordinates of each pattern, shape (n, 2)")
                    .advice(
                        "Select the right array with --set data.mapping.positions=KEY, and its columns with \
                         data.mapping.position_columns=X,Y",
                    ),
            );
        })
        .ok()
}

/// (x, y) of each position in an array (n, k) or (k, n); which columns they are is configured or found.
///
/// # Errors
/// A sentence that says what is unclear.
pub(super) fn rows_of(array: &ArrayD<f64>, mapping: &Mapping, order: PositionOrder) -> Result<Vec<[f64; 2]>, String> {
    let shape = shape_text(array.shape());
    let values = position_file::of_array(array).ok_or_else(|| format!("The array has shape {shape}"))?;
    let found = if values.len() == 3 && mapping.position_columns.is_empty() {
        // (x, y, z), unless one of them is the index.
        match columns::choose(&values, &[], "", order) {
            Ok(found) => found,
            Err(_) => columns::choose(&values[..2], &[], "", order)?,
        }
    } else {
        columns::choose(&values, &[], &mapping.position_columns, order)?
    };
    let (xs, ys) = (&values[found.x], &values[found.y]);
    Ok(xs.iter().zip(ys).map(|(x, y)| [*x, *y]).collect())
}

/// Positions along column and row in meters; `None` if they are stored in pixels.
pub(super) fn in_meters(roles: &Roles, stored: &[[f64; 2]]) -> Option<Vec<[f64; 2]>> {
    let Unit::Meters(meters) = roles.unit else { return None };
    let along = |axis: [f64; 2], [x, y]: [f64; 2]| (axis[0] * x + axis[1] * y) * meters;
    Some(stored.iter().map(|&position| roles.axes.map(|axis| along(axis, position))).collect())
}

/// Converts stored positions to object pixels of the finished patterns; `size` is the (width, height) of the stored patterns.
pub(super) fn place(
    reading: &mut Reading,
    roles: &Roles,
    geometry: &Geometry,
    fit: &Fit,
    size: [usize; 2],
    stored: &[[f64; 2]],
) -> Option<Placed> {
    const PIXEL: &str = "pixel size";
    let config = reading.config;
    let scale = if fit.near_field { [fit.bin as f64; 2] } else { size.map(|length| length as f64 / fit.side()) };
    let configured = config.geometry.pixel_size_m.map(|side| [side, side]);
    let pixel_m = configured.or_else(|| geometry.pixel_m(size, fit));
    let nm = |length: f64| format!("{:.4} nm", length * 1e9);
    if let Some([x, y]) = pixel_m {
        let same = (x / y - 1.0).abs() < 1e-6;
        let size = if same { nm(x) } else { format!("{} × {} (x, y)", nm(x), nm(y)) };
        reading.judge(if (x / y - 1.0).abs() > 0.01 {
            Verdict::warn(PIXEL, format!("An object pixel is {size}: it is not square"))
                .expected("square pixels")
                .advice("Positions are correct, but images are stretched; their pixel size is the geometric mean")
        } else {
            Verdict::pass(PIXEL, format!("an object pixel is {size}"))
        });
    }
    let mut positions = match (in_meters(roles, stored), pixel_m) {
        (Some(meters), Some(pixel)) => {
            let unit = if let Unit::Meters(meters) = roles.unit { units::length_name(meters) } else { "meters".into() };
            reading.note(format!("Positions converted from {unit} to object pixels of {} (x)", nm(pixel[0])));
            let center = roles.object_center_m.unwrap_or_default();
            let half = roles.object_half_px.unwrap_or_default();
            meters.iter().map(|&position| to_pixels(position, center, pixel, half)).collect()
        }
        (Some(_), None) => {
            reading.judge(
                Verdict::fail(PIXEL, "The positions are lengths, but the size of an object pixel is unknown")
                    .expected("energy, distance and detector pixel, or the size of an object pixel")
                    .advice(
                        "Set --set data.geometry.energy_ev=…, data.geometry.distance_m=… and \
                         data.geometry.detector_pixel_m=…, or data.geometry.pixel_size_m=…",
                    ),
            );
            return None;
        }
        (None, _) if scale != [1.0; 2] => {
            let [x, y] = scale;
            let factor = if x == y { format!("{x:.6}") } else { format!("{x:.6} (x) and {y:.6} (y)") };
            reading.note(format!("Positions divided by {factor}, the factor by which the object pixel grew"));
            stored.iter().map(|position| [position[0] / x, position[1] / y]).collect()
        }
        (None, _) => stored.to_vec(),
    };
    orient(&mut positions, config.orientation, &mut reading.notes);
    let origin = matches!(roles.unit, Unit::Meters(_)).then(|| match (configured, geometry.summary()) {
        (None, Some(summary)) => summary,
        (Some(_), _) => "the configured data.geometry.pixel_size_m".into(),
        (None, None) => "the object pixel stated in the file".into(),
    });
    Some(Placed { positions, pixel_m, scale, origin })
}

/// (x, y) in meters → pixels of an object with this center (m), pixel size (m) and half extent (pixels).
fn to_pixels(position: [f64; 2], center: [f64; 2], pixel: [f64; 2], half: [f64; 2]) -> [f64; 2] {
    [0, 1].map(|axis| (position[axis] - center[axis]) / pixel[axis] + half[axis])
}

/// Swaps and flips as configured, with a note.
fn orient(positions: &mut [[f64; 2]], orientation: Orientation, notes: &mut Vec<String>) {
    reorient(positions, Orientation::Plain, orientation);
    let (swap, flip_x, flip_y) = orientation.swap_flip_x_flip_y();
    let steps: Vec<&str> = [(swap, "x and y swapped"), (flip_x, "x mirrored"), (flip_y, "y mirrored")]
        .into_iter()
        .filter_map(|(applied, text)| applied.then_some(text))
        .collect();
    if !steps.is_empty() {
        notes.push(format!("Scan orientation as configured: {}", steps.join(", ")));
    }
}

/// Converts positions (x, y) from one orientation to another; a flip mirrors them about the middle of their range.
pub fn reorient(positions: &mut [[f64; 2]], from: Orientation, to: Orientation) {
    let swap = |positions: &mut [[f64; 2]], swap: bool| {
        if swap {
            positions.iter_mut().for_each(|position| position.swap(0, 1));
        }
    };
    let flip = |positions: &mut [[f64; 2]], axes: [bool; 2]| {
        for axis in (0..2).filter(|&axis| axes[axis]) {
            let values = positions.iter().map(|position| position[axis]);
            let sum = values.clone().fold(f64::INFINITY, f64::min) + values.fold(f64::NEG_INFINITY, f64::max);
            positions.iter_mut().for_each(|position| position[axis] = sum - position[axis]);
        }
    };
    let (swapped, flipped_x, flipped_y) = from.swap_flip_x_flip_y();
    flip(positions, [flipped_x, flipped_y]);
    swap(positions, swapped);
    let (swapped, flipped_x, flipped_y) = to.swap_flip_x_flip_y();
    swap(positions, swapped);
    flip(positions, [flipped_x, flipped_y]);
}

/// Positions of a product in its object, without patterns.
pub(super) fn place_for_object(roles: &Roles, stored: &[[f64; 2]], config: &DataConfig) -> Option<Placed> {
    let pixel = roles.geometry.object_pixel_m.or(config.geometry.pixel_size_m.map(|side| [side, side]))?;
    let meters = in_meters(roles, stored)?;
    let (center, half) = (roles.object_center_m?, roles.object_half_px?);
    let positions = meters.iter().map(|&position| to_pixels(position, center, pixel, half)).collect();
    Some(Placed { positions, pixel_m: Some(pixel), scale: [1.0; 2], origin: None })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_orientation_leads_back_and_no_two_are_alike() {
        let plain = [[0.0, 0.0], [4.0, 1.0], [1.0, 2.0], [0.5, 1.5]];
        let mut seen: Vec<[[f64; 2]; 4]> = Vec::new();
        for to in Orientation::ALL {
            let mut turned = plain;
            reorient(&mut turned, Orientation::Plain, to);
            assert!(!seen.contains(&turned), "{to:?}");
            seen.push(turned);
            for other in Orientation::ALL {
                let mut there = turned;
                reorient(&mut there, to, other);
                reorient(&mut there, other, Orientation::Plain);
                assert_eq!(there, plain, "{to:?} {other:?}");
            }
        }
    }
}
