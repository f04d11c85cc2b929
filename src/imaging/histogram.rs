//! How often which value occurs, in a whole image or in a part of it.

use super::Limits;
use ndarray::ArrayView2;

/// How often values fall into bins of one width.
#[derive(Debug, Clone, PartialEq)]
pub struct Histogram {
    /// Value at the lower edge of the first bin.
    pub low: f64,
    /// Value at the upper edge of the last bin; above `low`.
    pub high: f64,
    /// Values in each bin.
    pub counts: Vec<u64>,
}

impl Histogram {
    /// Counts the finite values that are to be seen, between the smallest and the largest; both images (H, W).
    /// No values give empty bins between 0 and 1.
    pub fn of(values: ArrayView2<'_, f32>, seen: ArrayView2<'_, bool>, bins: usize) -> Self {
        let shown = values.iter().zip(seen).filter(|(v, seen)| **seen && v.is_finite()).map(|(v, _)| f64::from(*v));
        let (low, high) = shown.fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), v| (l.min(v), h.max(v)));
        if low > high {
            return Self { low: 0.0, high: 1.0, counts: vec![0; bins.max(1)] };
        }
        Self::within(values, seen, bins, Limits { low, high })
    }

    /// As [`Self::of`], between these limits; values beyond them count in the outer bins.
    pub fn within(values: ArrayView2<'_, f32>, seen: ArrayView2<'_, bool>, bins: usize, limits: Limits) -> Self {
        let low = limits.low;
        let high = if limits.high > low { limits.high } else { low + 1.0f64.max(low.abs()) * 1e-3 };
        let mut counts = vec![0; bins.max(1)];
        let last = counts.len() - 1;
        let factor = counts.len() as f64 / (high - low);
        for (value, _) in values.iter().zip(seen).filter(|(v, seen)| **seen && v.is_finite()) {
            // Casts saturate: below the limits is bin 0.
            if let Some(count) = counts.get_mut((((f64::from(*value) - low) * factor) as usize).min(last)) {
                *count += 1;
            }
        }
        Self { low, high, counts }
    }

    /// Number of values.
    pub fn total(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// Value below which this fraction (0 to 1) of the values lies, to within a bin.
    pub fn value_at(&self, fraction: f64) -> f64 {
        let wanted = fraction.clamp(0.0, 1.0) * self.total() as f64;
        let width = (self.high - self.low) / self.counts.len() as f64;
        let mut below = 0.0;
        for (i, count) in self.counts.iter().enumerate() {
            let count = *count as f64;
            if below + count >= wanted && count > 0.0 {
                return self.low + width * (i as f64 + (wanted - below) / count);
            }
            below += count;
        }
        self.high
    }
}

/// What a set of values comes to.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Statistics {
    /// Finite values.
    pub count: usize,
    /// Values that are not numbers.
    pub not_numbers: usize,
    /// Mean.
    pub mean: f64,
    /// Standard deviation, of the values as they are (divided by their number).
    pub deviation: f64,
    /// Smallest.
    pub min: f64,
    /// Middle one.
    pub median: f64,
    /// Largest.
    pub max: f64,
}

/// Statistics of the values in rows `top..bottom` and columns `left..right`, cut at the edge of the (H, W) image, that
/// are to be seen; none if there is no finite one.
pub fn statistics(
    values: ArrayView2<'_, f32>,
    seen: ArrayView2<'_, bool>,
    [left, top, right, bottom]: [usize; 4],
) -> Option<Statistics> {
    let (height, width) = values.dim();
    let (right, bottom) = (right.min(width), bottom.min(height));
    let (left, top) = (left.min(right), top.min(bottom));
    let inside = ndarray::s![top..bottom, left..right];
    let mut numbers = Vec::with_capacity((bottom - top) * (right - left));
    let mut not_numbers = 0;
    for (value, seen) in values.slice(inside).iter().zip(seen.slice(inside)) {
        match (*seen, value.is_finite()) {
            (true, true) => numbers.push(*value),
            (true, false) => not_numbers += 1,
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
    Some(Statistics { count, not_numbers, mean, deviation: variance.sqrt(), min, median, max })
}

/// A part of the values of an image in order, from which any percentile is read off.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Ordered(Vec<f32>);

impl Ordered {
    /// At most about 65 536 of the finite values that are to be seen, evenly chosen, and always the smallest and the
    /// largest; both images (H, W).
    pub fn of(values: ArrayView2<'_, f32>, seen: ArrayView2<'_, bool>) -> Self {
        let shown = || values.iter().zip(seen).filter(|(v, seen)| **seen && v.is_finite()).map(|(v, _)| *v);
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

    /// The value below which this fraction, 0 to 1, of the values lies; none without values.
    pub fn at(&self, fraction: f64) -> Option<f64> {
        let last = self.0.len().checked_sub(1)?;
        let rank = (fraction.clamp(0.0, 1.0) * last as f64).round() as usize;
        self.0.get(rank).map(|value| f64::from(*value))
    }

    /// The values at two fractions as limits, spread apart where they are equal; 0 to 1 without values.
    pub fn limits(&self, low_fraction: f64, high_fraction: f64) -> Limits {
        let (Some(low), Some(high)) = (self.at(low_fraction), self.at(high_fraction)) else {
            return Limits { low: 0.0, high: 1.0 };
        };
        // Less than f32 can resolve is a constant image with rounding noise.
        let largest = low.abs().max(high.abs());
        if high - low > 1e-5 * largest {
            return Limits { low, high };
        }
        let half = if largest > 0.0 { 0.05 * largest } else { 0.5 };
        Limits { low: (low + high) / 2.0 - half, high: (low + high) / 2.0 + half }
    }

    /// As [`Self::limits`], but as far below zero as above it: for differences.
    pub fn balanced_limits(&self, low_fraction: f64, high_fraction: f64) -> Limits {
        let limits = self.limits(low_fraction, high_fraction);
        let reach = limits.low.abs().max(limits.high.abs());
        Limits { low: -reach, high: reach }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use ndarray::{Array2, array};

    #[test]
    fn a_histogram_counts_what_is_seen_and_finite() {
        let values = array![[0.0_f32, 1.0, 2.0, 3.0], [f32::NAN, 4.0, 99.0, 0.0]];
        let mut seen = Array2::from_elem((2, 4), true);
        seen[(1, 2)] = false;
        let histogram = Histogram::of(values.view(), seen.view(), 4);
        assert_eq!((histogram.low, histogram.high), (0.0, 4.0));
        assert_eq!(histogram.counts, [2, 1, 1, 2]);
        assert_eq!(histogram.total(), 6);
        assert!((histogram.value_at(0.5) - 2.0).abs() < 1e-9);
        assert_eq!(histogram.value_at(1.0), 4.0);
        let part = Histogram::within(values.view(), seen.view(), 2, Limits { low: 1.0, high: 2.0 });
        assert_eq!(part.counts, [3, 3], "what lies beyond counts in the outer bins");
    }

    #[test]
    fn constant_and_empty_images_have_bins_too() {
        let one = Histogram::of(array![[2.0_f32]].view(), array![[true]].view(), 8);
        assert!(one.high > one.low && one.total() == 1);
        let none = Histogram::of(array![[f32::NAN]].view(), array![[true]].view(), 8);
        assert_eq!((none.low, none.high, none.total()), (0.0, 1.0, 0));
    }

    #[test]
    fn percentiles_are_read_off_the_ordered_values() {
        let mut values = Array2::from_shape_fn((500, 400), |(y, x)| (y * 400 + x) as f32);
        let mut seen = Array2::from_elem((500, 400), true);
        values[(3, 3)] = f32::NAN;
        values[(4, 4)] = 1e9;
        seen[(4, 4)] = false;
        let ordered = Ordered::of(values.view(), seen.view());
        assert_eq!((ordered.at(0.0), ordered.at(1.0)), (Some(0.0), Some(199_999.0)));
        let limits = ordered.limits(0.01, 0.99);
        assert!((limits.low - 2000.0).abs() < 20.0 && (limits.high - 198_000.0).abs() < 20.0, "{limits:?}");
        assert_eq!(ordered.balanced_limits(0.0, 1.0), Limits { low: -199_999.0, high: 199_999.0 });
        assert_eq!(Ordered::default().limits(0.0, 1.0), Limits { low: 0.0, high: 1.0 });
        let constant = Ordered::of(Array2::from_elem((3, 3), 2.0).view(), Array2::from_elem((3, 3), true).view());
        let limits = constant.limits(0.0, 1.0);
        assert!(limits.low < 2.0 && limits.high > 2.0);
    }

    #[test]
    fn statistics_are_those_of_the_region_alone() {
        let values = array![[1.0_f32, 2.0, 3.0], [4.0, f32::NAN, 6.0], [7.0, 8.0, 9.0]];
        let mut seen = Array2::from_elem((3, 3), true);
        seen[(0, 0)] = false;
        let all = statistics(values.view(), seen.view(), [0, 0, 99, 99]).unwrap();
        assert_eq!((all.count, all.not_numbers, all.min, all.max, all.median), (7, 1, 2.0, 9.0, 6.0));
        let corner = statistics(values.view(), seen.view(), [1, 0, 3, 1]).unwrap();
        assert_eq!((corner.count, corner.mean, corner.deviation), (2, 2.5, 0.5));
        assert_eq!(statistics(values.view(), seen.view(), [5, 5, 4, 4]), None);
    }
}
