//! Where patches land, and how they are cut out again.

use ndarray::{Array2, ArrayView2};
use num_complex::Complex32;

/// The pixels that patches at some positions touch.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Canvas {
    /// Dataset coordinates `(x, y)` of the centre of pixel `[0, 0]`; whole numbers.
    pub origin: [f64; 2],
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
}

impl Canvas {
    /// The smallest canvas for N × N patches with these centres (index N/2), `(x, y)`, one of them at least.
    pub fn around(positions: &[[f64; 2]], n: usize) -> Self {
        let bound =
            |axis: usize, pick: fn(f64, f64) -> f64, start: f64| positions.iter().map(|p| p[axis]).fold(start, pick);
        let half = (n / 2) as f64;
        let low = |axis| bound(axis, f64::min, f64::INFINITY).floor() - half;
        let high = |axis| bound(axis, f64::max, f64::NEG_INFINITY).ceil() + (n as f64 - half);
        let origin = [low(0), low(1)];
        // One pixel more than the patches need, for the second corner of the interpolation.
        let side = |axis: usize| (high(axis) - origin[axis]) as usize + 1;
        Self { origin, height: side(1), width: side(0) }
    }

    /// Top left pixel and the fraction `(fy, fx)` beyond it of an N × N patch with this centre.
    pub fn corner(&self, position: [f64; 2], n: usize) -> (usize, usize, f32, f32) {
        let left = position[0] - (n / 2) as f64 - self.origin[0];
        let top = position[1] - (n / 2) as f64 - self.origin[1];
        let (x, y) = (left.floor().max(0.0), top.floor().max(0.0));
        (y as usize, x as usize, (top - y) as f32, (left - x) as f32)
    }
}

/// The (h, w) frame of an image whose pixel `[0, 0]` lies at `corner` (column, row) of it; `nothing` where the image ends.
pub fn in_frame<T: Copy>(image: &Array2<T>, corner: [i64; 2], shape: (usize, usize), nothing: T) -> Array2<T> {
    let [left, top] = corner;
    Array2::from_shape_fn(shape, |(y, x)| match (usize::try_from(y as i64 + top), usize::try_from(x as i64 + left)) {
        (Ok(y), Ok(x)) => image.get((y, x)).copied().unwrap_or(nothing),
        _ => nothing,
    })
}

/// Row-major N × N patch whose index N/2 lies at `centre` (x, y), pixels of the object; bilinear, 0 outside (A§2.5).
pub fn cut_patch(object: ArrayView2<'_, Complex32>, centre: [f64; 2], side: usize, patch: &mut Vec<Complex32>) {
    let half = (side / 2) as f64;
    let (left, top) = ((centre[0] - half).floor(), (centre[1] - half).floor());
    #[allow(clippy::cast_possible_truncation)]
    let (fx, fy) = ((centre[0] - half - left) as f32, (centre[1] - half - top) as f32);
    #[allow(clippy::cast_possible_truncation)]
    let (left, top) = (left as i64, top as i64);
    let pixel = |row: i64, column: i64| match (usize::try_from(row), usize::try_from(column)) {
        (Ok(row), Ok(column)) => object.get((row, column)).copied().unwrap_or_default(),
        _ => Complex32::ZERO,
    };
    patch.clear();
    patch.reserve(side * side);
    for row in (0..side as i64).map(|k| top.saturating_add(k)) {
        let below = row.saturating_add(1);
        // Each column is read once: what is right of a pixel is left of the next one.
        let blend = |column: i64| pixel(row, column) * (1.0 - fy) + pixel(below, column) * fy;
        let mut here = blend(left);
        for column in (1..=side as i64).map(|l| left.saturating_add(l)) {
            let next = blend(column);
            patch.push(here * (1.0 - fx) + next * fx);
            here = next;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    #[test]
    fn a_frame_reaches_beyond_the_image_on_every_side() {
        let image = array![[1, 2], [3, 4]];
        assert_eq!(in_frame(&image, [-1, 0], (3, 4), 0), array![[0, 1, 2, 0], [0, 3, 4, 0], [0, 0, 0, 0]]);
        assert_eq!(in_frame(&image, [1, 1], (1, 1), 0), array![[4]]);
    }
}
