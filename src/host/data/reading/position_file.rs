//! Positions in a separate file: a table, an NPY array, or arrays of an NPZ or HDF5 file.

use super::columns::{self, Columns};
use super::context::Reading;
use super::placing;
use super::role_keys::{PositionKeys, Roles, Unit};
use super::roles;
use super::source::Source;
use super::units::Named;
use super::verdict::{Fix, Verdict};
use crate::config::{Mapping, PositionOrder, PositionUnit};
use crate::data::sampling::nearest::NeighborIndex;
use crate::error::{Error, Problem, Result};
use crate::formats::hdf5::is_hdf5;
use crate::formats::npz::read_npy;
use crate::formats::table::{self, Table};
use crate::metrics::median;
use ndarray::ArrayD;
use std::io::Read;
use std::path::Path;

/// Name of the check of a position file.
pub(super) const CHECK: &str = "position file";
/// Plausible steps of a scan: from this many pixels to this share of a pattern.
const STEPS: [f64; 2] = [0.3, 0.5];

/// Positions of a separate file, in the order of that file.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::data) struct ListedPositions {
    /// (x, y) as stored.
    pub xy: Vec<[f64; 2]>,
    /// Index of the pattern of each, as stored.
    pub index: Option<Vec<f64>>,
    /// Unit that the file states.
    pub unit: Option<Unit>,
    /// Weights of the stored (x, y) in column and row.
    pub axes: [[f64; 2]; 2],
    /// What was found, as a sentence.
    pub note: String,
}

/// Reads the positions that `mapping` names in a file.
///
/// # Errors
/// [`Error::BadInput`] if the file cannot be read, or if it is not clear which numbers are x and y.
pub(in crate::data) fn read(path: &Path, mapping: &Mapping) -> Result<ListedPositions> {
    let mut start = Vec::new();
    let file = crate::formats::open_file(path).map_err(|error| Error::reading(path, &error))?;
    file.take(8).read_to_end(&mut start).map_err(|error| Error::reading(path, &error))?;
    if path.is_dir() || start.starts_with(b"PK") || is_hdf5(path) {
        return of_source(&mut Source::open(path)?, mapping);
    }
    let (values, names) = if start.starts_with(b"\x93NUMPY") {
        (
            of_array(&read_npy(path)?).ok_or_else(|| unclear(path, "The array does not have the shape (n, 2)"))?,
            Vec::new(),
        )
    } else {
        let table = read_table(path)?;
        ((0..table.width()).map(|at| table.column(at)).collect(), table.names)
    };
    let found = columns::choose(&values, &names, &mapping.position_columns, mapping.position_order)
        .map_err(|reason| unclear(path, &reason))?;
    Ok(listed(&values, &names, found))
}

/// Positions (x, y) of a separate file, in its order and unit.
///
/// # Errors
/// [`Error::BadInput`] if the file cannot be read, or if it is not clear which numbers are x and y.
pub fn positions_in_file(path: &Path) -> Result<Vec<[f64; 2]>> {
    Ok(read(path, &Mapping::default())?.xy)
}

fn listed(values: &[Vec<f64>], names: &[String], found: Columns) -> ListedPositions {
    let column = |at: usize| values.get(at).cloned().unwrap_or_default();
    let name =
        |at: usize| names.get(at).map_or_else(|| format!("column {}", at + 1), |name| format!("column {name:?}"));
    let unit = names.get(found.x).and_then(|name| columns::unit_of(name)).map(|unit| match unit {
        Named::Length(meters) => Unit::Meters(meters),
        Named::Pixels | Named::Energy(_) => Unit::Px,
    });
    let index = found.index.map_or_else(String::new, |at| format!(", index from {}", name(at)));
    ListedPositions {
        xy: column(found.x).into_iter().zip(column(found.y)).map(|(x, y)| [x, y]).collect(),
        index: found.index.map(column),
        unit,
        axes: [[1.0, 0.0], [0.0, 1.0]],
        note: format!("x from {}, y from {}{index}", name(found.x), name(found.y)),
    }
}

fn read_table(path: &Path) -> Result<Table> {
    let mut bytes = Vec::new();
    let file = crate::formats::open_file(path).map_err(|error| Error::reading(path, &error))?;
    file.take(table::MAX_BYTES).read_to_end(&mut bytes).map_err(|error| Error::reading(path, &error))?;
    table::parse(&bytes).map_err(|reason| {
        Problem::new(format!("The positions cannot be read: {reason}"))
            .expected("a table with x and y of one pattern per line, or an NPY, NPZ or HDF5 file")
            .hint("Correct the file, or choose another with --positions-file")
            .at(path)
            .into()
    })
}

/// Columns of an array (n, k) or (k, n) with few columns.
pub(super) fn of_array(array: &ArrayD<f64>) -> Option<Vec<Vec<f64>>> {
    const MOST: usize = 12;
    let rows = match *array.shape() {
        [n, k] if (2..=MOST).contains(&k) && (k <= n || n < 2) => array.view(),
        [k, _] if (2..=MOST).contains(&k) => array.t(),
        _ => return None,
    };
    Some((0..rows.shape()[1]).map(|at| rows.index_axis(ndarray::Axis(1), at).iter().copied().collect()).collect())
}

fn of_source(source: &mut Source, mapping: &Mapping) -> Result<ListedPositions> {
    // The keys are those of this file.
    let keys =
        Mapping { positions_file: String::new(), diffraction: String::new(), scan_step: None, ..mapping.clone() };
    let mut roles = roles::find(source, &keys);
    if roles.positions.is_none() {
        roles.positions = guess(source);
    }
    let Some(positions) = roles.positions.clone() else {
        return Err(unclear(source.path(), &format!("It has no positions; it has {}", source.keys_text())));
    };
    let (xy, note) = match &positions {
        PositionKeys::Pair { x, y } => {
            let (xs, ys) = (source.read_f64(x)?, source.read_f64(y)?);
            (xs.into_iter().zip(ys).map(|(x, y)| [x, y]).collect(), format!("x from {x:?}, y from {y:?}"))
        }
        PositionKeys::Both { keys, order } => {
            let mut all = Vec::new();
            for key in keys {
                let array = source.read_f64(key)?;
                all.extend(
                    placing::rows_of(&array, mapping, *order).map_err(|reason| unclear(source.path(), &reason))?,
                );
            }
            (all, format!("taken from {}", keys.join(", ")))
        }
        PositionKeys::Raster { .. } => return Err(unclear(source.path(), "It has no list of positions")),
    };
    let indices = ["probe_position_indexes", "index", "indices", "frame_index"];
    let key = indices.into_iter().find(|key| source.array(key).is_some_and(|info| info.integer && info.numeric));
    let index = key.and_then(|key| source.read_f64(key).ok()).map(|array| array.into_iter().collect::<Vec<f64>>());
    let is_known = roles.format != "HDF5 file" && roles.format != "HDF5 dataset" && roles.format != "NumPy dataset";
    Ok(ListedPositions {
        index: index.filter(|index| index.len() == xy.len()),
        xy,
        unit: (is_known || roles.stated_unit.is_some() || mapping.position_unit != PositionUnit::Auto)
            .then_some(roles.unit),
        axes: roles.axes,
        note,
    })
}

/// The only array of positions of a file.
fn guess(source: &Source) -> Option<PositionKeys> {
    let named = |names: &[&str]| names.iter().find(|name| source.array(name).is_some()).map(|name| (*name).to_owned());
    if let (Some(x), Some(y)) = (named(&["xcoords", "x", "posx", "pos_x"]), named(&["ycoords", "y", "posy", "pos_y"])) {
        return Some(PositionKeys::Pair { x, y });
    }
    let both: Vec<String> = source
        .keys()
        .into_iter()
        .filter(|key| {
            source.array(key).is_some_and(|info| {
                info.numeric && info.real && matches!(info.shape[..], [n, 2 | 3] | [2 | 3, n] if n > 3)
            })
        })
        .collect();
    match &both[..] {
        [key] => Some(PositionKeys::Both { keys: vec![key.clone()], order: PositionOrder::Xy }),
        _ => None,
    }
}

fn unclear(path: &Path, reason: &str) -> Error {
    Problem::new(format!("The positions cannot be read: {reason}"))
        .expected("x and y of each pattern")
        .hint(
            "Name the columns with --set data.mapping.position_columns=X,Y[,INDEX], or the arrays with \
             --set data.mapping.positions=KEY, or x and y",
        )
        .at(path)
        .into()
}

/// Sets unit and axes of the positions: as configured, as stated, or to be found.
pub(super) fn use_unit(roles: &mut Roles, listed: &ListedPositions, configured: PositionUnit) {
    roles.axes = listed.axes;
    (roles.object_center_m, roles.object_half_px) = (None, None);
    roles.unit = match (configured, configured.meters(), listed.unit) {
        (_, Some(meters), _) => Unit::Meters(meters),
        (PositionUnit::Px, ..) => Unit::Px,
        (_, None, stated) => stated.unwrap_or(Unit::Unknown),
    };
}

/// The only unit in which the step of the scan is plausible for patterns of `side` pixels; `pixel_m` is the side of an object
/// pixel. `None` with a failed verdict if there is none or more than one.
pub(super) fn find_unit(
    reading: &mut Reading,
    positions: &[[f64; 2]],
    pixel_m: Option<f64>,
    side: usize,
) -> Option<Unit> {
    let mut distances = NeighborIndex::new(positions).nearest_distances();
    distances.retain(|distance| *distance > 0.0 && distance.is_finite());
    let Some(step) = median(&distances) else {
        reading.judge(
            Verdict::fail(CHECK, "All positions are the same")
                .expected("positions that differ")
                .advice("Check the columns (--set data.mapping.position_columns=X,Y) and data.mapping.position_matrix"),
        );
        return None;
    };
    let is_plausible = |pixels: f64| (STEPS[0]..=STEPS[1] * side as f64).contains(&pixels);
    let lengths = [("m", 1.0), ("mm", 1e-3), ("um", 1e-6), ("nm", 1e-9)];
    let mut found: Vec<(&str, Unit)> = lengths
        .into_iter()
        .filter(|(_, meters)| pixel_m.is_some_and(|pixel| is_plausible(step * meters / pixel)))
        .map(|(name, meters)| (name, Unit::Meters(meters)))
        .collect();
    if is_plausible(step) {
        found.push(("px", Unit::Px));
    }
    if let &[(name, unit)] = &found[..] {
        reading.judge(
            Verdict::warn(CHECK, format!("The position file states no unit; {name} is assumed, the only one in which a step of {step:.4} is plausible"))
                .expected("a unit in the file or in the configuration")
                .advice(format!("State it with --set data.mapping.position_unit={name}")),
        );
        return Some(unit);
    }
    let names: Vec<&str> = if found.is_empty() {
        vec!["m", "mm", "um", "nm", "px"]
    } else {
        found.iter().map(|(name, _)| *name).collect()
    };
    let why = if pixel_m.is_none() { ", and the size of an object pixel is unknown" } else { "" };
    reading.judge(
        Verdict::fail(
            CHECK,
            format!("The position file states no unit, and it is not clear from the step of {step:.4}{why}"),
        )
        .expected("a unit in the file or in the configuration")
        .advice(format!("State it with --set data.mapping.position_unit={}", names.join(", ")))
        .fixes(names.into_iter().map(|name| {
            Fix::new(format!("Positions are in {name}"), [("data.mapping.position_unit", name.to_owned())])
        })),
    );
    None
}

/// Positions for the patterns 0 to `count`, by their index if the file has one, else in order. Several positions of one
/// pattern are averaged; patterns without a position get NaN.
///
/// # Errors
/// A sentence: the indices do not fit the patterns.
pub(super) fn matched(listed: &ListedPositions, count: usize) -> std::result::Result<Vec<[f64; 2]>, String> {
    let Some(index) = &listed.index else { return Ok(listed.xy.clone()) };
    let (low, high) =
        index.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), &v| (low.min(v), high.max(v)));
    if index.iter().any(|value| value.fract() != 0.0) {
        return Err("The indices of the positions are not whole numbers".into());
    }
    // Counted from 0, from 1, or from anywhere without a gap.
    let first = if low >= 0.0 && high < count as f64 {
        0.0
    } else if low >= 1.0 && high <= count as f64 {
        1.0
    } else if high - low < count as f64 && index.len() == count {
        low
    } else {
        return Err(format!("The indices of the positions run from {low} to {high}, but there are {count} patterns"));
    };
    let mut sums = vec![([0.0, 0.0], 0usize); count];
    for (at, position) in index.iter().zip(&listed.xy) {
        let Some((sum, number)) = sums.get_mut((at - first) as usize) else { continue };
        *sum = [sum[0] + position[0], sum[1] + position[1]];
        *number += 1;
    }
    Ok(sums.into_iter().map(|(sum, number)| sum.map(|value| value / number as f64)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(name: &str, bytes: &[u8]) -> (tempfile::TempDir, std::path::PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        (folder, path)
    }

    #[test]
    fn a_table_states_columns_index_and_unit() {
        let (_folder, path) = file("p.csv", b"frame;x [um];y [um]\n1;0,5;0\n2;1,0;0,5\n4;2;1\n");
        let listed = read(&path, &Mapping::default()).unwrap();
        assert_eq!(listed.xy, [[0.5, 0.0], [1.0, 0.5], [2.0, 1.0]]);
        assert_eq!((listed.unit, listed.index.clone()), (Some(Unit::Meters(1e-6)), Some(vec![1.0, 2.0, 4.0])));
        let placed = matched(&listed, 4).unwrap();
        assert_eq!((placed[0], placed[3]), ([0.5, 0.0], [2.0, 1.0]));
        assert!(placed[2][0].is_nan(), "pattern 2 has no position");
        assert!(matched(&listed, 2).unwrap_err().contains("1 to 4"));
    }

    #[test]
    fn the_same_positions_are_read_from_npy_and_npz() {
        use crate::formats::npz::{NpyArray, npy_bytes, write_npz};
        let xy = ndarray::array![[0.5, 0.0], [1.0, 0.5], [2.0, 1.0], [3.0, 4.0]];
        let expected = [[0.5, 0.0], [1.0, 0.5], [2.0, 1.0], [3.0, 4.0]];
        let (folder, path) = file("p.npy", &npy_bytes(&NpyArray::F64(xy.view().into_dyn())).unwrap());
        assert_eq!(read(&path, &Mapping::default()).unwrap().xy, expected);
        let path = folder.path().join("p.npz");
        let turned = xy.t();
        write_npz(&path, &[("anything", NpyArray::F64(turned.into_dyn()))]).unwrap();
        assert_eq!(read(&path, &Mapping::default()).unwrap().xy, expected);
        let (_folder, path) = file("p.txt", b"not a table");
        let error = read(&path, &Mapping::default()).unwrap_err().to_string();
        assert!(error.contains("no line of numbers") && error.contains("p.txt"), "{error}");
    }
}
