//! Positions as stored → object pixels, (x, y) = (column, row) of each patch centre.

use super::blocks::squeezed;
use super::contract::{Status, Verdict};
use super::fit::Fit;
use super::geometry::Geometry;
use super::npz::shape_text;
use super::roles::{PositionKeys, Roles, Unit};
use super::source::Source;
use crate::config::{DataConfig, Orientation, PositionOrder};

/// Positions in object pixels.
pub(super) struct Placed {
    pub positions: Vec<[f64; 2]>,
    /// (x, y) side of an object pixel, m, if known.
    pub pixel_m: Option<[f64; 2]>,
    /// Object pixels of the patterns as stored in one object pixel of the finished ones: 1 unless cropped or padded.
    pub scale: f64,
}

/// (x, y) of each position as stored, in the unit of the file.
pub(super) fn read(source: &mut Source, roles: &Roles, verdicts: &mut Vec<Verdict>) -> Option<Vec<[f64; 2]>> {
    let grid = roles.diffraction.first().and_then(|key| grid(source, key));
    match roles.positions.as_ref()? {
        PositionKeys::Pair { x, y } => finite(pair(source, x, y, grid, verdicts)?, verdicts),
        PositionKeys::Both { keys, order } => {
            let mut positions = Vec::new();
            for key in keys {
                positions.extend(both(source, key, *order, grid, verdicts)?);
            }
            finite(positions, verdicts)
        }
        PositionKeys::Raster { patterns, step } => {
            let Some([ny, nx]) = grid else {
                let shape = source.array(patterns).map_or_else(|| "unknown".into(), |info| info.shape_text());
                verdicts.push(
                    Verdict::fail(CHECK, format!("data.mapping.scan_step is set, but the patterns have shape {shape}"))
                        .expected("patterns in a grid of scan points, (ny, nx, h, w)")
                        .advice("Leave the step out and name the positions with --set data.mapping.positions=KEY"),
                );
                return None;
            };
            finite((0..ny * nx).map(|k| [(k % nx) as f64 * step, (k / nx) as f64 * step]).collect(), verdicts)
        }
    }
}

/// Rows and columns of patterns (ny, nx, h, w).
fn grid(source: &Source, key: &str) -> Option<[usize; 2]> {
    match squeezed(&source.array(key)?.shape)[..] {
        [ny, nx, _, _] => Some([ny, nx]),
        _ => None,
    }
}

const CHECK: &str = "positions";

fn finite(positions: Vec<[f64; 2]>, verdicts: &mut Vec<Verdict>) -> Option<Vec<[f64; 2]>> {
    if let Some((at, [x, y])) = positions.iter().enumerate().find(|(_, p)| p.iter().any(|v| !v.is_finite())) {
        verdicts.push(
            Verdict::fail(CHECK, format!("Position {at} is ({x}, {y})"))
                .expected("finite numbers, in object pixels")
                .advice("Remove the patterns without a position, or export the positions again"),
        );
        return None;
    }
    verdicts.push(Verdict::pass(CHECK, format!("{} positions, all finite", positions.len())));
    Some(positions)
}

/// One coordinate for each pattern; for patterns in a grid also (ny, nx) of each, or x of a column and y of a row.
fn pair(
    source: &mut Source,
    x: &str,
    y: &str,
    grid: Option<[usize; 2]>,
    verdicts: &mut Vec<Verdict>,
) -> Option<Vec<[f64; 2]>> {
    let mut axis = |key: &str| {
        let array = match source.read_f64(key) {
            Ok(array) => array,
            Err(error) => {
                verdicts.push(Verdict::from_error(CHECK, Status::Fail, &error));
                return None;
            }
        };
        let is_grid = grid.is_some_and(|grid| array.shape() == grid);
        if !is_grid && (array.shape().iter().filter(|&&length| length != 1).count() > 1 || array.ndim() == 0) {
            verdicts.push(
                Verdict::fail(CHECK, format!("The array {key:?} has shape {}", shape_text(array.shape())))
                    .expected("one number for each pattern, shape (n,)")
                    .advice("Store one coordinate for each pattern, in object pixels"),
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
        verdicts.push(
            Verdict::fail(CHECK, format!("There are {} x coordinates and {} y coordinates", xs.len(), ys.len()))
                .expected("one of each for every pattern")
                .advice("Export the positions again"),
        );
        return None;
    }
    Some(xs.into_iter().zip(ys).map(|(x, y)| [x, y]).collect())
}

/// (n, 2), (n, 3), (2, n) or (3, n); for patterns in a grid also (ny, nx, 2) or (ny, nx, 3).
fn both(
    source: &mut Source,
    key: &str,
    order: PositionOrder,
    grid: Option<[usize; 2]>,
    verdicts: &mut Vec<Verdict>,
) -> Option<Vec<[f64; 2]>> {
    let array = match source.read_f64(key) {
        Ok(array) => array,
        Err(error) => {
            verdicts.push(Verdict::from_error(CHECK, Status::Fail, &error));
            return None;
        }
    };
    let along = match *array.shape() {
        [_, 2 | 3] => array.clone(),
        [2 | 3, _] => array.t().to_owned(),
        [ny, nx, last @ (2 | 3)] if grid == Some([ny, nx]) => {
            array.clone().into_shape_with_order(vec![ny * nx, last]).ok()?
        }
        _ => {
            verdicts.push(
                Verdict::fail(CHECK, format!("The array {key:?} has shape {}", shape_text(array.shape())))
                    .expected("both coordinates of each pattern, shape (n, 2)")
                    .advice("Name the right array with --set data.mapping.positions=KEY"),
            );
            return None;
        }
    };
    let columns = if order == PositionOrder::Yx { [1, 0] } else { [0, 1] };
    let at = |row: usize, column: usize| along.get([row, column]).copied().unwrap_or(f64::NAN);
    Some((0..along.shape()[0]).map(|row| columns.map(|column| at(row, column))).collect())
}

/// Positions in metres along column and row, if the unit is one of length.
pub(super) fn in_metres(roles: &Roles, stored: &[[f64; 2]]) -> Option<Vec<[f64; 2]>> {
    let Unit::Metres(metres) = roles.unit else { return None };
    let along = |axis: [f64; 2], [x, y]: [f64; 2]| (axis[0] * x + axis[1] * y) * metres;
    Some(stored.iter().map(|&position| roles.axes.map(|axis| along(axis, position))).collect())
}

/// Object pixels for these patterns.
#[allow(clippy::too_many_arguments)]
pub(super) fn place(
    fit: &Fit,
    stored_side: usize,
    roles: &Roles,
    geometry: &Geometry,
    stored: &[[f64; 2]],
    config: &DataConfig,
    verdicts: &mut Vec<Verdict>,
    notes: &mut Vec<String>,
) -> Option<Placed> {
    const PIXEL: &str = "pixel size";
    let side = fit.side();
    let scale = stored_side as f64 / side;
    let stated = config.geometry.pixel_size_m.map(|side| [side, side]);
    let pixel_m = stated.or_else(|| geometry.pixel_m(stored_side, side));
    let nm = |length: f64| format!("{:.4} nm", length * 1e9);
    if let Some([x, y]) = pixel_m {
        let same = (x / y - 1.0).abs() < 1e-6;
        let size = if same { nm(x) } else { format!("{} × {} (x, y)", nm(x), nm(y)) };
        verdicts.push(if (x / y - 1.0).abs() > 0.01 {
            Verdict::warn(PIXEL, format!("An object pixel is {size}: it is not square"))
                .expected("square pixels")
                .advice("Positions are right, but pictures are stretched; their pixel size is the geometric mean")
        } else {
            Verdict::pass(PIXEL, format!("an object pixel is {size}"))
        });
    }
    let mut positions = match (in_metres(roles, stored), pixel_m) {
        (Some(metres), Some(pixel)) => {
            notes.push(format!("Positions taken from metres to object pixels of {} (x)", nm(pixel[0])));
            let middle = roles.object_center_m.unwrap_or_default();
            let [half_x, half_y] = roles.object_half_px.unwrap_or_default();
            metres
                .iter()
                .map(|m| [(m[0] - middle[0]) / pixel[0] + half_x, (m[1] - middle[1]) / pixel[1] + half_y])
                .collect()
        }
        (Some(_), None) => {
            verdicts.push(
                Verdict::fail(PIXEL, "The positions are lengths, but the size of an object pixel is not known")
                    .expected("energy, distance and detector pixel, or the size of an object pixel")
                    .advice(
                        "State --set data.geometry.energy_ev=…, data.geometry.distance_m=… and \
                         data.geometry.detector_pixel_m=…, or data.geometry.pixel_size_m=…",
                    ),
            );
            return None;
        }
        (None, _) if scale != 1.0 => {
            notes.push(format!("Positions divided by {scale:.6}, as the object pixel became larger by that factor"));
            stored.iter().map(|position| position.map(|v| v / scale)).collect()
        }
        (None, _) => stored.to_vec(),
    };
    orient(&mut positions, config, notes);
    Some(Placed { positions, pixel_m, scale })
}

/// Swaps and flips as configured, and says so.
fn orient(positions: &mut [[f64; 2]], config: &DataConfig, notes: &mut Vec<String>) {
    let (swap, flip_x, flip_y) = config.orientation.swap_flip_x_flip_y();
    reorient(positions, Orientation::Plain, config.orientation);
    if swap || flip_x || flip_y {
        notes.push(format!(
            "Positions oriented as configured:{}{}{}",
            if swap { " x and y exchanged" } else { "" },
            if flip_x { " x mirrored" } else { "" },
            if flip_y { " y mirrored" } else { "" }
        ));
    }
}

/// Positions (x, y) in one orientation → in another; a flip mirrors them about their middle.
pub fn reorient(positions: &mut [[f64; 2]], from: Orientation, to: Orientation) {
    let swap = |positions: &mut [[f64; 2]], asked: bool| {
        if asked {
            positions.iter_mut().for_each(|position| position.swap(0, 1));
        }
    };
    let flip = |positions: &mut [[f64; 2]], asked: [bool; 2]| {
        for axis in (0..2).filter(|&axis| asked[axis]) {
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

/// Places of a product's positions in its object, without patterns.
pub(super) fn place_for_object(roles: &Roles, stored: &[[f64; 2]], config: &DataConfig) -> Option<Placed> {
    let pixel = roles.geometry.object_pixel_m.or(config.geometry.pixel_size_m.map(|side| [side, side]))?;
    let metres = in_metres(roles, stored)?;
    let (middle, half) = (roles.object_center_m?, roles.object_half_px?);
    let place = |m: &[f64; 2]| [0, 1].map(|axis| (m[axis] - middle[axis]) / pixel[axis] + half[axis]);
    Some(Placed { positions: metres.iter().map(place).collect(), pixel_m: Some(pixel), scale: 1.0 })
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
