//! Covered pixels of an object, and limits of a color map.

use ndarray::{Array2, ArrayView2};

/// Fraction of the largest coverage above which a pixel counts as covered; below it, noise dominates.
pub const COVERED_FRACTION: f64 = 0.01;

/// Values at the two ends of a color map; `low < high`, both finite.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Limits {
    /// Value of the first color.
    pub low: f64,
    /// Value of the last color.
    pub high: f64,
}

impl Limits {
    /// Position of a value between the limits, clamped to 0 to 1; 0 for NaN.
    pub fn fraction(&self, value: f64) -> f64 {
        let t = (value - self.low) / (self.high - self.low);
        if t.is_nan() { 0.0 } else { t.clamp(0.0, 1.0) }
    }
}

/// Mask of the pixels of an (H, W) coverage (sum of weights, any unit) that reach this fraction of its maximum.
pub fn covered_mask(coverage: ArrayView2<'_, f32>, fraction: f64) -> Array2<bool> {
    let largest = coverage.iter().copied().filter(|v| v.is_finite()).fold(0.0_f32, f32::max);
    let threshold = f64::from(largest) * fraction;
    coverage.mapv(|v| v.is_finite() && v > 0.0 && f64::from(v) >= threshold)
}

/// Bounding box of the covered pixels: first row, first column, height and width; `None` if there are none.
pub fn covered_box(covered: ArrayView2<'_, bool>) -> Option<(usize, usize, usize, usize)> {
    let mut found: Option<(usize, usize, usize, usize)> = None;
    for ((y, x), _) in covered.indexed_iter().filter(|(_, covered)| **covered) {
        found = Some(found.map_or((y, x, y, x), |(t, l, b, r)| (t.min(y), l.min(x), b.max(y), r.max(x))));
    }
    found.map(|(top, left, bottom, right)| (top, left, bottom - top + 1, right - left + 1))
}

/// Largest rectangle that contains only marked pixels: first row, first column, height and width; `None` if there is
/// none.
pub fn largest_box(marked: ArrayView2<'_, bool>) -> Option<(usize, usize, usize, usize)> {
    let width = marked.ncols();
    let mut tall = vec![0usize; width];
    let mut best: Option<(usize, usize, usize, usize)> = None;
    for (y, row) in marked.rows().into_iter().enumerate() {
        for (tall, marked) in tall.iter_mut().zip(row) {
            *tall = if *marked { *tall + 1 } else { 0 };
        }
        // Stack of increasing heights, each with the first column that is at least as high.
        let mut open: Vec<(usize, usize)> = Vec::new();
        for x in 0..=width {
            let here = tall.get(x).copied().unwrap_or(0);
            let mut from = x;
            while let Some((left, height)) = open.pop_if(|(_, height)| *height >= here) {
                from = left;
                if height > 0 && best.is_none_or(|(.., h, w)| height * (x - left) > h * w) {
                    best = Some((y + 1 - height, left, height, x - left));
                }
            }
            open.push((from, here));
        }
    }
    best
}

/// Limits at two quantiles (fractions 0 to 1) of the covered, finite values, so that outliers do not reduce the
/// contrast; both images (H, W).
///
/// Equal limits are separated, so that `low < high` always holds. 0 to 1 if nothing is covered.
pub fn robust_limits(
    values: ArrayView2<'_, f32>,
    covered: ArrayView2<'_, bool>,
    low_fraction: f64,
    high_fraction: f64,
) -> Limits {
    let mut shown: Vec<f32> =
        values.iter().zip(covered).filter(|(v, covered)| **covered && v.is_finite()).map(|(v, _)| *v).collect();
    if shown.is_empty() {
        return Limits { low: 0.0, high: 1.0 };
    }
    let last = shown.len() - 1;
    let mut at = |fraction: f64| {
        let rank = (fraction.clamp(0.0, 1.0) * last as f64).round() as usize;
        f64::from(*shown.select_nth_unstable_by(rank.min(last), f32::total_cmp).1)
    };
    let (low, high) = (at(low_fraction), at(high_fraction));
    // A range below the resolution of f32 is a constant image with rounding noise.
    let smallest = 1e-5 * low.abs().max(high.abs());
    if high - low > smallest {
        return Limits { low, high };
    }
    let (middle, half) = ((low + high) / 2.0, if smallest > 0.0 { 0.05 * low.abs().max(high.abs()) } else { 0.5 });
    Limits { low: middle - half, high: middle + half }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    #[test]
    fn outliers_and_uncovered_pixels_do_not_affect_the_limits() {
        let mut values = Array2::from_shape_fn((20, 50), |(y, x)| (y * 50 + x) as f32);
        let mut covered = Array2::from_elem((20, 50), true);
        values[(0, 0)] = 1e9;
        values[(0, 1)] = f32::NAN;
        values[(0, 2)] = -1e9;
        covered[(0, 2)] = false;
        let limits = robust_limits(values.view(), covered.view(), 0.01, 0.99);
        assert!((limits.low - 13.0).abs() < 2.0 && (limits.high - 990.0).abs() < 2.0, "{limits:?}");
    }

    #[test]
    fn constant_and_empty_images_still_have_an_interval() {
        let covered = Array2::from_elem((4, 4), true);
        for value in [0.0_f32, 1.0, -3.0, 1e20] {
            let limits = robust_limits(Array2::from_elem((4, 4), value).view(), covered.view(), 0.01, 0.99);
            assert!(limits.low < limits.high && limits.low.is_finite() && limits.high.is_finite(), "{limits:?}");
            assert!((limits.fraction(f64::from(value)) - 0.5).abs() < 1e-6);
        }
        let none = robust_limits(Array2::zeros((0, 0)).view(), Array2::from_elem((0, 0), true).view(), 0.0, 1.0);
        assert_eq!(none, Limits { low: 0.0, high: 1.0 });
    }

    #[test]
    fn the_largest_box_contains_only_marked_pixels() {
        let marked = array![
            [true, true, false, true, true],
            [true, true, true, true, false],
            [true, true, true, true, true],
            [false, true, true, true, true]
        ];
        assert_eq!(largest_box(marked.view()), Some((1, 1, 3, 3)));
        assert_eq!(largest_box(Array2::from_elem((3, 5), true).view()), Some((0, 0, 3, 5)));
        assert_eq!(largest_box(Array2::from_elem((3, 5), false).view()), None);
    }

    #[test]
    fn the_box_contains_exactly_the_covered_pixels() {
        let coverage = array![[0.0_f32, 0.001, 0.0, 0.0], [0.0, 0.5, 1.0, f32::NAN], [0.0, 0.0, 0.2, 0.0]];
        let covered = covered_mask(coverage.view(), COVERED_FRACTION);
        assert_eq!(covered.iter().filter(|c| **c).count(), 3);
        assert_eq!(covered_box(covered.view()), Some((1, 1, 2, 2)));
        assert_eq!(covered_box(covered_mask((&coverage * 0.0).view(), 0.0).view()), None);
    }
}
