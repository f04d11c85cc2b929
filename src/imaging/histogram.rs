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
        let shown = || values.iter().zip(seen).filter(|(v, seen)| **seen && v.is_finite()).map(|(v, _)| f64::from(*v));
        let (low, high) = shown().fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), v| (l.min(v), h.max(v)));
        let mut counts = vec![0; bins.max(1)];
        if low > high {
            return Self { low: 0.0, high: 1.0, counts };
        }
        let high = if high > low { high } else { low + 1.0f64.max(low.abs()) * 1e-3 };
        let last = counts.len() - 1;
        let factor = counts.len() as f64 / (high - low);
        for value in shown() {
            if let Some(count) = counts.get_mut((((value - low) * factor) as usize).min(last)) {
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

/// Limits that lie evenly around zero and hold the values of a histogram between these fractions.
pub fn balanced_limits(histogram: &Histogram, low_fraction: f64, high_fraction: f64) -> Limits {
    let reach = histogram.value_at(low_fraction).abs().max(histogram.value_at(high_fraction).abs());
    let reach = if reach > 0.0 { reach } else { 1.0 };
    Limits { low: -reach, high: reach }
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
    }

    #[test]
    fn constant_and_empty_images_have_bins_too() {
        let one = Histogram::of(array![[2.0_f32]].view(), array![[true]].view(), 8);
        assert!(one.high > one.low && one.total() == 1);
        let none = Histogram::of(array![[f32::NAN]].view(), array![[true]].view(), 8);
        assert_eq!((none.low, none.high, none.total()), (0.0, 1.0, 0));
        assert_eq!(balanced_limits(&none, 0.01, 0.99), Limits { low: -1.0, high: 1.0 });
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
