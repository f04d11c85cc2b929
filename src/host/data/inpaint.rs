//! Estimates for masked pixels, so that the network input has no holes.
//!
//! A masked pixel gets the mean of the nearest good pixels, weighted by the inverse square of their distance. The estimate
//! serves as network input and for display only: masked pixels are excluded from the loss and the misfit.

use crate::metrics::GoodPixels;
use ndarray::{Array3, Axis};
use rayon::prelude::*;

/// Number of good pixels per estimate.
const NEIGHBORS: usize = 12;

/// A masked pixel and the surrounding good ones with weights that sum to 1; indices into the row-major pattern.
struct Estimate {
    pixel: usize,
    from: Vec<(usize, f32)>,
}

impl Estimate {
    /// Estimate from the good pixels nearest to (y, x); `offsets` as from [`offsets`].
    fn new(
        (y, x): (usize, usize),
        (height, width): (usize, usize),
        offsets: &[(i64, i64, i64)],
        is_good: impl Fn((usize, usize)) -> bool,
    ) -> Self {
        let mut from = Vec::new();
        let mut sum = 0.0;
        for &(square, dy, dx) in offsets {
            let (row, column) = (y as i64 + dy, x as i64 + dx);
            let (Ok(row), Ok(column)) = (usize::try_from(row), usize::try_from(column)) else { continue };
            if row < height && column < width && is_good((row, column)) {
                let weight = 1.0 / square as f32;
                from.push((row * width + column, weight));
                sum += weight;
                if from.len() == NEIGHBORS {
                    break;
                }
            }
        }
        from.iter_mut().for_each(|(_, weight)| *weight /= sum);
        Self { pixel: y * width + x, from }
    }

    /// Writes the estimate. Only masked pixels are written and only good ones are read, so the order does not matter.
    fn apply(&self, values: &mut [f32]) {
        values[self.pixel] = self.from.iter().map(|&(at, weight)| values[at] * weight).sum();
    }
}

/// Replaces the masked pixels of (n, h, w) amplitudes. Without good pixels they become 0.
pub(super) fn inpaint(patterns: &mut Array3<f32>, good: GoodPixels<'_>) {
    if good.are_all() {
        return;
    }
    let (_, height, width) = patterns.dim();
    let shape = (height, width);
    let offsets = offsets(height as i64, width as i64);
    let masked: Vec<(usize, usize)> =
        good.common.iter().flat_map(|good| good.indexed_iter().filter(|(_, good)| !**good).map(|(at, _)| at)).collect();
    let is_common = |at: (usize, usize)| good.common.is_none_or(|good| good.get(at) != Some(&false));
    let common: Vec<Estimate> =
        masked.into_par_iter().map(|at| Estimate::new(at, shape, &offsets, is_common)).collect();
    patterns.axis_iter_mut(Axis(0)).into_par_iter().enumerate().for_each(|(number, mut pattern)| {
        let Some(values) = pattern.as_slice_mut() else { return };
        let own = good.each.filter(|masks| masks.bad_in(number) > 0);
        let pixel = |at: usize| (at / width, at % width);
        let is_good = |at: (usize, usize)| good.is_good(number, at);
        for estimate in &common {
            match own {
                // One of its pixels is bad in this pattern.
                Some(masks) if estimate.from.iter().any(|(at, _)| masks.is_bad(number, pixel(*at))) => {
                    Estimate::new(pixel(estimate.pixel), shape, &offsets, is_good).apply(values);
                }
                _ => estimate.apply(values),
            }
        }
        for at in own.iter().flat_map(|masks| masks.bad_pixels(number)) {
            Estimate::new(at, shape, &offsets, is_good).apply(values);
        }
    });
}

/// (distance², dy, dx) of all possible neighbors, ordered by distance, then by row and column.
fn offsets(height: i64, width: i64) -> Vec<(i64, i64, i64)> {
    let mut offsets: Vec<(i64, i64, i64)> = (1 - height..height)
        .flat_map(|dy| (1 - width..width).map(move |dx| (dy * dy + dx * dx, dy, dx)))
        .filter(|(square, ..)| *square > 0)
        .collect();
    offsets.sort_unstable();
    offsets
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::PatternMasks;
    use ndarray::{Array2, s};

    fn common(good: &Array2<bool>) -> GoodPixels<'_> {
        GoodPixels { common: Some(good), each: None }
    }

    #[test]
    fn a_hole_in_a_smooth_pattern_is_filled_smoothly_and_good_pixels_are_kept() {
        let smooth = Array3::from_shape_fn((3, 32, 32), |(n, y, x)| {
            (n + 1) as f32 * (0.1 * (y as f32 - 16.0) + 0.2 * (x as f32 - 16.0) + 20.0)
        });
        let mut good = Array2::from_elem((32, 32), true);
        good.slice_mut(s![14..17, 15..19]).fill(false);
        good[[0, 0]] = false;
        let mut holed = smooth.clone();
        for mut pattern in holed.axis_iter_mut(Axis(0)) {
            pattern.zip_mut_with(&good, |value, good| *value = if *good { *value } else { f32::NAN });
        }
        inpaint(&mut holed, common(&good));
        for ((n, y, x), &value) in holed.indexed_iter() {
            let truth = smooth[[n, y, x]];
            if good[[y, x]] {
                assert_eq!(value, truth);
            } else {
                assert!((value / truth - 1.0).abs() < 0.04, "{n} {y} {x}: {value} for {truth}");
            }
        }
    }

    #[test]
    fn patterns_without_good_or_without_bad_pixels_are_handled() {
        let mut patterns = Array3::from_elem((2, 4, 4), 3.0f32);
        inpaint(&mut patterns, common(&Array2::from_elem((4, 4), true)));
        assert!(patterns.iter().all(|&v| v == 3.0));
        inpaint(&mut patterns, common(&Array2::from_elem((4, 4), false)));
        assert!(patterns.iter().all(|&v| v == 0.0));
    }

    #[test]
    fn a_pixel_masked_in_one_pattern_is_estimated_there_only_and_used_in_no_other_estimate() {
        let clean = Array3::from_shape_fn((3, 16, 16), |(n, y, x)| 10.0 + (n + y + 2 * x) as f32);
        let mut struck = clean.clone();
        let mut good = Array2::from_elem((16, 16), true);
        good[[8, 8]] = false;
        struck.slice_mut(s![.., 8, 8]).fill(0.0);
        let mut masks = PatternMasks::new(3, 16);
        for at in [(8, 9), (7, 8)] {
            struck[[1, at.0, at.1]] = 1e6;
            masks.exclude(1, at);
        }
        inpaint(&mut struck, GoodPixels { common: Some(&good), each: Some(&masks) });
        assert!(struck.iter().zip(&clean).all(|(found, truth)| (found / truth - 1.0).abs() < 0.06));
        let changed = struck.iter().zip(&clean).filter(|(found, truth)| found != truth).count();
        assert!(changed <= 5, "{changed}");
    }
}
