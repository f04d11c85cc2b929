//! Placement of patches on the stitched object, and their extraction.

use ndarray::{Array2, ArrayView2};
use num_complex::Complex32;

/// Pixel grid that covers patches at given positions.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Canvas {
    /// Dataset coordinates `(x, y)` of the center of pixel `[0, 0]`; whole numbers.
    pub origin: [f64; 2],
    /// Number of rows.
    pub height: usize,
    /// Number of columns.
    pub width: usize,
}

impl Canvas {
    /// Smallest canvas for N × N patches with these centers (index N/2), `(x, y)`; at least one is required.
    pub fn around(positions: &[[f64; 2]], n: usize) -> Self {
        let bound =
            |axis: usize, pick: fn(f64, f64) -> f64, start: f64| positions.iter().map(|p| p[axis]).fold(start, pick);
        let half = (n / 2) as f64;
        let low = |axis| bound(axis, f64::min, f64::INFINITY).floor() - half;
        let high = |axis| bound(axis, f64::max, f64::NEG_INFINITY).ceil() + (n as f64 - half);
        let origin = [low(0), low(1)];
        // One extra pixel for the second corner of the bilinear interpolation.
        let side = |axis: usize| (high(axis) - origin[axis]) as usize + 1;
        Self { origin, height: side(1), width: side(0) }
    }

    /// Top left pixel `(y, x)` of an N × N patch with this center, and the fractional offset `(fy, fx)` from it.
    pub fn corner(&self, position: [f64; 2], n: usize) -> (usize, usize, f32, f32) {
        let left = position[0] - (n / 2) as f64 - self.origin[0];
        let top = position[1] - (n / 2) as f64 - self.origin[1];
        let (x, y) = (left.floor().max(0.0), top.floor().max(0.0));
        (y as usize, x as usize, (top - y) as f32, (left - x) as f32)
    }
}

/// Crops or extends an image to a frame of shape (h, w) whose pixel `[0, 0]` is at `corner` (column, row) of the image; `fill`
/// is the value outside the image.
pub fn crop_to_frame<T: Copy>(image: &Array2<T>, corner: [i64; 2], shape: (usize, usize), fill: T) -> Array2<T> {
    let [left, top] = corner;
    Array2::from_shape_fn(shape, |(y, x)| match (usize::try_from(y as i64 + top), usize::try_from(x as i64 + left)) {
        (Ok(y), Ok(x)) => image.get((y, x)).copied().unwrap_or(fill),
        _ => fill,
    })
}

/// Row-major N × N patch of the object whose index N/2 is at `center` (x, y), pixels; bilinear, 0 outside (A§2.5).
pub fn extract_patch(object: ArrayView2<'_, Complex32>, center: [f64; 2], side: usize, patch: &mut Vec<Complex32>) {
    let half = (side / 2) as f64;
    let (left, top) = ((center[0] - half).floor(), (center[1] - half).floor());
    #[allow(clippy::cast_possible_truncation)]
    let (fx, fy) = ((center[0] - half - left) as f32, (center[1] - half - top) as f32);
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
        // Each column is read once: the right neighbor of a pixel is the left one of the next.
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
        assert_eq!(crop_to_frame(&image, [-1, 0], (3, 4), 0), array![[0, 1, 2, 0], [0, 3, 4, 0], [0, 0, 0, 0]]);
        assert_eq!(crop_to_frame(&image, [1, 1], (1, 1), 0), array![[4]]);
    }
}
