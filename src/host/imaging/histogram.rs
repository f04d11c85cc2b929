//! Histogram, statistics and percentiles of an image or a part of it.

use super::Limits;
use ndarray::ArrayView2;

/// Histogram with bins of equal width.
#[derive(Debug, Clone, PartialEq)]
pub struct Histogram {
    /// Lower edge of the first bin.
    pub low: f64,
    /// Upper edge of the last bin; above `low`.
    pub high: f64,
    /// Number of values in each bin.
    pub counts: Vec<u64>,
}

impl Histogram {
    /// Histogram of the finite, covered values between the smallest and the largest; both images (H, W). Empty bins
    /// between 0 and 1 if there are no values.
    pub fn of(values: ArrayView2<'_, f32>, covered: ArrayView2<'_, bool>, bins: usize) -> Self {
        let shown =
            values.iter().zip(covered).filter(|(v, covered)| **covered && v.is_finite()).map(|(v, _)| f64::from(*v));
        let (low, high) = shown.fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), v| (l.min(v), h.max(v)));
        if low > high {
            return Self { low: 0.0, high: 1.0, counts: vec![0; bins.max(1)] };
        }
        Self::within(values, covered, bins, Limits { low, high })
    }

    /// Like [`Self::of`], between given limits; values beyond them count in the outermost bins.
    pub fn within(values: ArrayView2<'_, f32>, covered: ArrayView2<'_, bool>, bins: usize, limits: Limits) -> Self {
        let low = limits.low;
        let high = if limits.high > low { limits.high } else { low + 1.0f64.max(low.abs()) * 1e-3 };
        let mut counts = vec![0; bins.max(1)];
        let last = counts.len() - 1;
        let factor = counts.len() as f64 / (high - low);
        for (value, _) in values.iter().zip(covered).filter(|(v, covered)| **covered && v.is_finite()) {
            // Casts saturate: values below the limits count in bin 0.
            if let Some(count) = counts.get_mut((((f64::from(*value) - low) * factor) as usize).min(last)) {
                *count += 1;
            }
        }
        Self { low, high, counts }
    }

    /// Total number of values.
    pub fn total(&self) -> u64 {
        self.counts.iter().sum()
    }
}

/// Statistics of a set of values.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Statistics {
    /// Number of finite values.
    pub count: usize,
    /// Number of values that are NaN or infinite.
    pub non_finite: usize,
    /// Arithmetic mean.
    pub mean: f64,
    /// Population standard deviation (divided by the number of values).
    pub deviation: f64,
    /// Smallest value.
    pub min: f64,
    /// Median; the upper one of two middle values.
    pub median: f64,
    /// Largest value.
    pub max: f64,
}

/// Statistics of the covered values in rows `top..bottom` and columns `left..right`, clipped to the (H, W) image;
/// `None` if none of them is finite.
pub fn statistics(
    values: ArrayView2<'_, f32>,
    covered: ArrayView2<'_, bool>,
    [left, top, right, bottom]: [usize; 4],
) -> Option<Statistics> {
    let (height, width) = values.dim();
    let (right, bottom) = (right.min(width), bottom.min(height));
    let (left, top) = (left.min(right), top.min(bottom));
    let inside = ndarray::s![top..bottom, left..right];
    let mut numbers = Vec::with_capacity((bottom - top) * (right - left));
    let mut non_finite = 0;
    for (value, covered) in values.slice(inside).iter().zip(covered.slice(inside)) {
        match (*covered, value.is_finite()) {
            (true, true) => numbers.push(*value),
            (true, false) => non_finite += 1,
            (false, _) => {}
        }
    }
    let count = numbers.len();
    if count == 0 {
        return None;
    }
    let mean = numbers.iter().map(|v| f64::from(*v)).sum::<f64>() / count as f64;
    let variance = numbers.iter().map(|v| (f64::from(*v) - mean).powi(2)).sum::<f64>() / count as f64;
    let (min, max) = numbers.iter().fold((f32::INFINITY, f32::NEG_INFINITY), |(l, h), v| (l.min(*v), h.max(*v)));
    let median = f64::from(*numbers.select_nth_unstable_by(count / 2, f32::total_cmp).1);
    let (min, max) = (f64::from(min), f64::from(max));
    Some(Statistics { count, non_finite, mean, deviation: variance.sqrt(), min, median, max })
}

/// Sorted sample of the values of an image, for percentiles.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Percentiles(Vec<f32>);

impl Percentiles {
    /// Sample of at most about 65 536 of the finite, covered values, evenly spaced, always with the smallest and the
    /// largest; both images (H, W).
    pub fn of(values: ArrayView2<'_, f32>, covered: ArrayView2<'_, bool>) -> Self {
        let shown = || values.iter().zip(covered).filter(|(v, covered)| **covered && v.is_finite()).map(|(v, _)| *v);
        let (mut count, mut low, mut high) = (0usize, f32::INFINITY, f32::NEG_INFINITY);
        for value in shown() {
            (count, low, high) = (count + 1, low.min(value), high.max(value));
        }
        let mut kept: Vec<f32> = shown().step_by(count.div_ceil(1 << 16).max(1)).collect();
        kept.sort_unstable_by(f32::total_cmp);
        if let Some(first) = kept.first_mut() {
            *first = low;
        }
        if let Some(last) = kept.last_mut() {
            *last = high;
        }
        Self(kept)
    }

    /// Value below which this fraction (0 to 1) of the values lies; `None` if there are no values.
    pub fn at(&self, fraction: f64) -> Option<f64> {
        let last = self.0.len().checked_sub(1)?;
        let rank = (fraction.clamp(0.0, 1.0) * last as f64).round() as usize;
        self.0.get(rank).map(|value| f64::from(*value))
    }

    /// Limits at two fractions, separated if equal; 0 to 1 if there are no values.
    pub fn limits(&self, low_fraction: f64, high_fraction: f64) -> Limits {
        let (Some(low), Some(high)) = (self.at(low_fraction), self.at(high_fraction)) else {
            return Limits { low: 0.0, high: 1.0 };
        };
        // A range below the resolution of f32 is a constant image with rounding noise.
        let largest = low.abs().max(high.abs());
        if high - low > 1e-5 * largest {
            return Limits { low, high };
        }
        let half = if largest > 0.0 { 0.05 * largest } else { 0.5 };
        Limits { low: (low + high) / 2.0 - half, high: (low + high) / 2.0 + half }
    }

    /// Like [`Self::limits`], but symmetric about zero: for differences.
    pub fn balanced_limits(&self, low_fraction: f64, high_fraction: f64) -> Limits {
        let limits = self.limits(low_fraction, high_fraction);
        let reach = limits.low.abs().max(limits.high.abs());
        Limits { low: -reach, high: reach }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::{Array2, array};

    #[test]
    fn a_histogram_counts_covered_finite_values() {
        let values = array![[0.0_f32, 1.0, 2.0, 3.0], [f32::NAN, 4.0, 99.0, 0.0]];
        let mut covered = Array2::from_elem((2, 4), true);
        covered[(1, 2)] = false;
        let histogram = Histogram::of(values.view(), covered.view(), 4);
        assert_eq!((histogram.low, histogram.high), (0.0, 4.0));
        assert_eq!(histogram.counts, [2, 1, 1, 2]);
        assert_eq!(histogram.total(), 6);
        let part = Histogram::within(values.view(), covered.view(), 2, Limits { low: 1.0, high: 2.0 });
        assert_eq!(part.counts, [3, 3], "values beyond the limits count in the outermost bins");
    }

    #[test]
    fn constant_and_empty_images_have_bins_too() {
        let one = Histogram::of(array![[2.0_f32]].view(), array![[true]].view(), 8);
        assert!(one.high > one.low && one.total() == 1);
        let none = Histogram::of(array![[f32::NAN]].view(), array![[true]].view(), 8);
        assert_eq!((none.low, none.high, none.total()), (0.0, 1.0, 0));
    }

    #[test]
    fn percentiles_match_the_sorted_values() {
        let mut values = Array2::from_shape_fn((500, 400), |(y, x)| (y * 400 + x) as f32);
        let mut covered = Array2::from_elem((500, 400), true);
        values[(3, 3)] = f32::NAN;
        values[(4, 4)] = 1e9;
        covered[(4, 4)] = false;
        let ordered = Percentiles::of(values.view(), covered.view());
        assert_eq!((ordered.at(0.0), ordered.at(1.0)), (Some(0.0), Some(199_999.0)));
        let limits = ordered.limits(0.01, 0.99);
        assert!((limits.low - 2000.0).abs() < 20.0 && (limits.high - 198_000.0).abs() < 20.0, "{limits:?}");
        assert_eq!(ordered.balanced_limits(0.0, 1.0), Limits { low: -199_999.0, high: 199_999.0 });
        assert_eq!(Percentiles::default().limits(0.0, 1.0), Limits { low: 0.0, high: 1.0 });
        let constant = Percentiles::of(Array2::from_elem((3, 3), 2.0).view(), Array2::from_elem((3, 3), true).view());
        let limits = constant.limits(0.0, 1.0);
        assert!(limits.low < 2.0 && limits.high > 2.0);
    }

    #[test]
    fn statistics_are_restricted_to_the_region() {
        let values = array![[1.0_f32, 2.0, 3.0], [4.0, f32::NAN, 6.0], [7.0, 8.0, 9.0]];
        let mut covered = Array2::from_elem((3, 3), true);
        covered[(0, 0)] = false;
        let all = statistics(values.view(), covered.view(), [0, 0, 99, 99]).unwrap();
        assert_eq!((all.count, all.non_finite, all.min, all.max, all.median), (7, 1, 2.0, 9.0, 6.0));
        let corner = statistics(values.view(), covered.view(), [1, 0, 3, 1]).unwrap();
        assert_eq!((corner.count, corner.mean, corner.deviation), (2, 2.5, 0.5));
        assert_eq!(statistics(values.view(), covered.view(), [5, 5, 4, 4]), None);
    }
}
