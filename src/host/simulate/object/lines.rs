//! Objects from straight lines (A§9.2).

use crate::simulate::filter::gaussian;
use ndarray::Array2;
use rand::RngExt;
use rand_chacha::ChaCha8Rng;

/// Number of lines in the reference, whose objects have at most [`REFERENCE_SIDE`] pixels per side.
const LINES: usize = 400;
/// Number of lines per direction in the reference.
const DIAGONALS: usize = 40;
/// Beyond this side, the number of lines grows, so that objects of all sizes are equally dense.
const REFERENCE_SIDE: usize = 392;

fn scaled(count: usize, side: usize) -> usize {
    (count * side).div_ceil(REFERENCE_SIDE).max(count)
}

/// Central part of a canvas of twice the side with lines between random points, blurred with σ = 1, 5 (weight 2) and 10
/// (weight 5).
pub(super) fn lines(side: usize, rng: &mut ChaCha8Rng) -> Array2<f64> {
    // Only the part of the canvas from which the widest blur reaches the central part is drawn.
    let canvas = 2 * side as i64;
    let start = (side / 2) as i64;
    let margin = 40.min(start);
    let shown = side + 2 * margin as usize;
    let mut image = Array2::zeros((shown, shown));
    let mut point = || -> [i64; 2] { [rng.random_range(0..canvas), rng.random_range(0..canvas)] };
    for _ in 0..scaled(LINES, side) {
        let (from, to) = (point(), point());
        rasterize(from, to, |[y, x]| {
            let at = [y, x].map(|v| usize::try_from(v - start + margin).unwrap_or(usize::MAX));
            if let Some(pixel) = image.get_mut(at) {
                *pixel = 1.0;
            }
        });
    }
    let blurred = gaussian(&image, 1.0) + gaussian(&image, 5.0) * 2.0 + gaussian(&image, 10.0) * 5.0;
    let margin = margin as usize;
    blurred.slice(ndarray::s![margin..margin + side, margin..margin + side]).to_owned()
}

/// Marks every pixel of a line (Bresenham 1965), both ends included.
fn rasterize(from: [i64; 2], to: [i64; 2], mut mark: impl FnMut([i64; 2])) {
    let [mut y, mut x] = from;
    let (dy, dx) = (-(to[0] - y).abs(), (to[1] - x).abs());
    let (step_y, step_x) = ((to[0] - y).signum(), (to[1] - x).signum());
    let mut error = dx + dy;
    loop {
        mark([y, x]);
        if [y, x] == to {
            return;
        }
        let twice = 2 * error;
        if twice >= dy {
            error += dy;
            x += step_x;
        }
        if twice <= dx {
            error += dx;
            y += step_y;
        }
    }
}

/// Vertical, horizontal and diagonal lines across the whole object, blurred with σ = 0.75, plus five times that blurred with
/// σ = 7.5.
pub(super) fn diagonals(side: usize, rng: &mut ChaCha8Rng) -> Array2<f64> {
    let mut image = Array2::zeros((side, side));
    let count = scaled(DIAGONALS, side);
    let length = side as i64;
    for _ in 0..count {
        image.column_mut(rng.random_range(0..length) as usize).fill(1.0);
    }
    for _ in 0..count {
        image.row_mut(rng.random_range(0..length) as usize).fill(1.0);
    }
    for _ in 0..count {
        let shift = rng.random_range(1 - length..length);
        for y in 0..length {
            if let Some(pixel) = usize::try_from(y + shift).ok().and_then(|x| image.get_mut((y as usize, x))) {
                *pixel = 1.0;
            }
        }
    }
    let sharp = gaussian(&image, 0.75);
    let wide = gaussian(&sharp, 7.5) * 5.0;
    sharp + wide
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_one_pixel_per_step_along_its_longer_side_and_both_ends() {
        for to in [[3, 17], [-9, 4], [0, 0], [5, -5], [-2, -13]] {
            let mut pixels = Vec::new();
            rasterize([1, 2], to, |pixel| pixels.push(pixel));
            let longer = (to[0] - 1_i64).abs().max((to[1] - 2_i64).abs());
            assert_eq!(pixels.len() as i64, longer + 1, "{to:?}");
            assert_eq!((pixels[0], pixels[pixels.len() - 1]), ([1, 2], to));
            assert!(pixels.windows(2).all(|p| (0..2).all(|k| (p[0][k] - p[1][k]).abs() <= 1)));
        }
    }
}
