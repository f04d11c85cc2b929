//! Columns of an array or table of positions: which are x, y and the index of the pattern.

use super::units::{self, Named};
use crate::config::PositionOrder;

/// Chosen columns, from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Columns {
    pub x: usize,
    pub y: usize,
    /// Column with the index of the pattern.
    pub index: Option<usize>,
}

const X_NAMES: [&str; 16] = [
    "x",
    "xpos",
    "posx",
    "pos_x",
    "x_pos",
    "position_x",
    "x_position",
    "positions_x",
    "samx",
    "sam_x",
    "sample_x",
    "xcoords",
    "x_coordinate",
    "motor_x",
    "x_m",
    "h",
];
const Y_NAMES: [&str; 16] = [
    "y",
    "ypos",
    "posy",
    "pos_y",
    "y_pos",
    "position_y",
    "y_position",
    "positions_y",
    "samy",
    "sam_y",
    "sample_y",
    "ycoords",
    "y_coordinate",
    "motor_y",
    "y_m",
    "v",
];
const INDEX_NAMES: [&str; 14] = [
    "index",
    "idx",
    "i",
    "n",
    "no",
    "id",
    "frame",
    "frame_index",
    "frame_number",
    "point",
    "scan_point",
    "number",
    "image",
    "trigger",
];

/// Chooses the columns of `values`, one list per column.
///
/// `stated` are names or numbers from 1 of x, y and perhaps the index. Otherwise names decide, then a column that counts the
/// rows is the index, and two columns are x and y in `order`.
///
/// # Errors
/// A sentence that says what is unclear.
pub(super) fn choose(
    values: &[Vec<f64>],
    names: &[String],
    stated: &str,
    order: PositionOrder,
) -> Result<Columns, String> {
    if !stated.trim().is_empty() {
        return chosen(values.len(), names, stated);
    }
    let plain: Vec<String> = names.iter().map(|name| plain_name(name)).collect();
    let find = |known: &[&str]| plain.iter().position(|name| known.contains(&name.as_str()));
    if let (Some(x), Some(y)) = (find(&X_NAMES), find(&Y_NAMES)) {
        return Ok(Columns { x, y, index: find(&INDEX_NAMES) });
    }
    let index = (values.len() > 2).then(|| values.iter().position(|column| counts(column))).flatten();
    let left: Vec<usize> = (0..values.len()).filter(|at| Some(*at) != index).collect();
    let pair = match left[..] {
        [one, other] => [one, other],
        // Without an index, a third column is z.
        [one, other, third] if index.is_none() && (names.is_empty() && is_constant(&values[third])) => [one, other],
        _ => return Err(unclear(values.len(), names)),
    };
    let [x, y] = if order == PositionOrder::Yx { [pair[1], pair[0]] } else { pair };
    Ok(Columns { x, y, index })
}

fn unclear(count: usize, names: &[String]) -> String {
    let names = if names.is_empty() { String::new() } else { format!(" ({})", names.join(", ")) };
    format!("It has {count} columns{names}, and it is not clear which are x and y")
}

/// Columns stated by names or numbers from 1.
fn chosen(count: usize, names: &[String], stated: &str) -> Result<Columns, String> {
    let find = |text: &str| {
        let text = text.trim();
        let by_name = names.iter().position(|name| name == text || plain_name(name) == plain_name(text));
        let by_number = text.parse::<usize>().ok().and_then(|number| number.checked_sub(1)).filter(|at| *at < count);
        by_name.or(by_number).ok_or_else(|| {
            let names = if names.is_empty() { String::new() } else { format!(": {}", names.join(", ")) };
            format!("It has no column {text:?}; it has {count} columns{names}")
        })
    };
    let columns: Vec<usize> = stated.split(',').map(find).collect::<Result<_, _>>()?;
    match columns[..] {
        [x, y] => Ok(Columns { x, y, index: None }),
        [x, y, index] => Ok(Columns { x, y, index: Some(index) }),
        _ => Err(format!("{stated:?} does not name two or three columns")),
    }
}

/// A name in lower case without its unit: `X [um]`, `x(mm)` and `x_um` are `x`.
fn plain_name(name: &str) -> String {
    let name = name.trim().to_lowercase();
    let name = name.split(['[', '(', '/']).next().unwrap_or_default().trim().replace([' ', '-'], "_");
    match name.rsplit_once('_') {
        Some((start, unit)) if !start.is_empty() && unit.len() > 1 && units::parse(unit).is_some() => start.to_owned(),
        _ => name,
    }
}

/// Unit in the name of a column.
pub(super) fn unit_of(name: &str) -> Option<Named> {
    let name = name.trim();
    let bracketed = name.split_once(['[', '(']).map(|(_, unit)| unit.trim_end_matches([']', ')']));
    let after = |sign: char| name.rsplit_once(sign).map(|(_, unit)| unit);
    bracketed.or_else(|| after('/')).or_else(|| after('_')).or_else(|| after(' ')).and_then(units::parse)
}

/// True if a column counts the rows, from any whole number.
fn counts(column: &[f64]) -> bool {
    column.len() > 2
        && column.windows(2).all(|pair| pair[1] - pair[0] == 1.0)
        && column.iter().all(|v| v.fract() == 0.0)
}

fn is_constant(column: &[f64]) -> bool {
    column.windows(2).all(|pair| pair[0] == pair[1])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn columns(values: &[&[f64]], names: &[&str], stated: &str) -> Result<[Option<usize>; 3], String> {
        let values: Vec<Vec<f64>> = values.iter().map(|column| column.to_vec()).collect();
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        choose(&values, &names, stated, PositionOrder::Xy).map(|found| [Some(found.x), Some(found.y), found.index])
    }

    #[test]
    fn the_index_is_recognized_by_its_name_or_by_counting() {
        let (n, a, b, z) = ([4.0, 5.0, 6.0], [1.5, 2.0, 0.3], [7.0, 8.0, 8.0], [2.0, 2.0, 2.0]);
        assert_eq!(columns(&[&n, &a, &b], &[], "").unwrap(), [Some(1), Some(2), Some(0)]);
        assert_eq!(columns(&[&a, &b], &[], "").unwrap(), [Some(0), Some(1), None]);
        assert_eq!(columns(&[&a, &b, &z], &[], "").unwrap(), [Some(0), Some(1), None]);
        assert!(columns(&[&a, &b, &b], &[], "").unwrap_err().contains("3 columns"));
        let names = ["Frame", "Y [um]", "x_um"];
        assert_eq!(columns(&[&b, &a, &b], &names, "").unwrap(), [Some(2), Some(1), Some(0)]);
        assert_eq!(columns(&[&b, &a, &b], &names, "3,2").unwrap(), [Some(2), Some(1), None]);
        assert_eq!(columns(&[&b, &a, &b], &names, "x,y,frame").unwrap(), [Some(2), Some(1), Some(0)]);
        assert!(columns(&[&b, &a], &[], "1,3").unwrap_err().contains("no column"));
        assert_eq!(unit_of("Y [um]"), Some(Named::Length(1e-6)));
        assert_eq!((unit_of("x_um"), unit_of("x")), (Some(Named::Length(1e-6)), None));
    }
}
