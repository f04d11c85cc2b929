//! Pixels of the patterns that enter a misfit.

use ndarray::{Array2, Array3};

/// Bits in a word of [`PatternMasks`].
const WORD: usize = u64::BITS as usize;

/// Bad pixels of single patterns of a scan, one bit for each pixel: zingers, saturation, marks of the detector.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PatternMasks {
    /// Number of patterns, and their side N.
    count: usize,
    side: usize,
    /// Pixels of each pattern, row-major, in whole words; 1 is bad.
    bits: Vec<u64>,
}

impl PatternMasks {
    /// No bad pixel in `count` patterns of `side` × `side` pixels.
    pub fn new(count: usize, side: usize) -> Self {
        Self { count, side, bits: vec![0; count * (side * side).div_ceil(WORD)] }
    }

    /// Number of patterns.
    pub fn len(&self) -> usize {
        self.count
    }

    /// True if no pixel of any pattern is bad.
    pub fn is_empty(&self) -> bool {
        self.bits.iter().all(|word| *word == 0)
    }

    fn words(&self) -> usize {
        (self.side * self.side).div_ceil(WORD)
    }

    /// Bits of a pattern; empty if there is no such pattern.
    fn pattern(&self, pattern: usize) -> &[u64] {
        let words = self.words();
        self.bits.get(pattern * words..(pattern + 1) * words).unwrap_or_default()
    }

    /// Masks a pixel (row, column) of a pattern. Pixels outside are skipped.
    pub fn exclude(&mut self, pattern: usize, (row, column): (usize, usize)) {
        if row < self.side && column < self.side {
            let (words, at) = (self.words(), row * self.side + column);
            if let Some(word) = self.bits.get_mut(pattern * words + at / WORD) {
                *word |= 1 << (at % WORD);
            }
        }
    }

    /// True if a pixel (row, column) of a pattern is masked.
    pub fn is_bad(&self, pattern: usize, (row, column): (usize, usize)) -> bool {
        let at = row * self.side + column;
        self.pattern(pattern).get(at / WORD).is_some_and(|word| word >> (at % WORD) & 1 == 1)
    }

    /// (row, column) of the masked pixels of a pattern, row by row.
    pub fn bad_pixels(&self, pattern: usize) -> impl Iterator<Item = (usize, usize)> + '_ {
        self.pattern(pattern).iter().enumerate().flat_map(move |(at, word)| {
            let mut rest = *word;
            std::iter::from_fn(move || {
                let bit = rest.trailing_zeros() as usize;
                rest &= rest.checked_sub(1)?;
                let pixel = at * WORD + bit;
                Some((pixel / self.side, pixel % self.side))
            })
        })
    }

    /// Number of masked pixels of a pattern.
    pub fn bad_in(&self, pattern: usize) -> usize {
        self.pattern(pattern).iter().map(|word| word.count_ones() as usize).sum()
    }

    /// Number of masked pixels of all patterns.
    pub fn total(&self) -> usize {
        self.bits.iter().map(|word| word.count_ones() as usize).sum()
    }

    /// Removes the pixels that are masked in at least this share of the patterns: (N, N), true = masked so often.
    #[must_use]
    pub fn take_common(&mut self, share: f64) -> Array2<bool> {
        let mut number = Array2::<usize>::zeros((self.side, self.side));
        for pattern in 0..self.count {
            self.bad_pixels(pattern).for_each(|at| number[at] += 1);
        }
        let common = number.mapv(|number| number > 0 && number as f64 >= share * self.count as f64);
        self.remove(&common);
        common
    }

    /// Removes these pixels (N, N) from the masks of all patterns.
    pub fn remove(&mut self, pixels: &Array2<bool>) {
        let mut kept = vec![u64::MAX; self.words()];
        for (at, _) in pixels.iter().enumerate().filter(|(_, removed)| **removed) {
            if let Some(word) = kept.get_mut(at / WORD) {
                *word &= !(1 << (at % WORD));
            }
        }
        for pattern in self.bits.chunks_exact_mut(kept.len().max(1)) {
            pattern.iter_mut().zip(&kept).for_each(|(word, kept)| *word &= kept);
        }
    }

    /// Adds the masked pixels of other masks of the same patterns.
    pub fn combine(&mut self, other: &Self) {
        self.bits.iter_mut().zip(&other.bits).for_each(|(word, other)| *word |= other);
    }

    /// Pixels masked in either of two masks of the same patterns.
    pub fn union(one: Option<Self>, other: Option<Self>) -> Option<Self> {
        match (one, other) {
            (Some(mut one), Some(other)) => {
                one.combine(&other);
                Some(one)
            }
            (one, other) => one.or(other),
        }
    }

    /// The masks of these patterns, in this order; `None` if no pixel is bad.
    #[must_use]
    pub fn selected(&self, patterns: &[usize]) -> Option<Self> {
        let bits = patterns.iter().flat_map(|&at| self.pattern(at)).copied().collect();
        Some(Self { count: patterns.len(), bits, ..*self }).filter(|masks| !masks.is_empty())
    }

    /// The masks with these behind them.
    #[must_use]
    pub fn followed_by(mut self, other: &Self) -> Self {
        self.bits.extend(&other.bits);
        self.count += other.count;
        self
    }

    /// Rows and columns swapped.
    #[must_use]
    pub fn transposed(&self) -> Self {
        let mut swapped = Self::new(self.count, self.side);
        for pattern in 0..self.count {
            self.bad_pixels(pattern).for_each(|(row, column)| swapped.exclude(pattern, (column, row)));
        }
        swapped
    }
}

/// Pixels of the patterns of a scan that enter a misfit: those good in the mask of the detector and in that of the pattern.
#[derive(Debug, Clone, Copy, Default)]
pub struct GoodPixels<'a> {
    /// (N, N) good pixels of all patterns; `None` if all are good.
    pub common: Option<&'a Array2<bool>>,
    /// Bad pixels of single patterns; `None` if there are none.
    pub each: Option<&'a PatternMasks>,
}

impl GoodPixels<'_> {
    /// True if a pixel (row, column) of a pattern is good.
    pub fn is_good(&self, pattern: usize, at: (usize, usize)) -> bool {
        self.common.is_none_or(|good| good.get(at) != Some(&false))
            && self.each.is_none_or(|masks| !masks.is_bad(pattern, at))
    }

    /// True if no pixel is known to be bad.
    pub fn are_all(&self) -> bool {
        self.common.is_none_or(|good| good.iter().all(|good| *good)) && self.each.is_none_or(PatternMasks::is_empty)
    }

    /// (count, side, side) bad pixels as numbers: 1 is bad.
    pub fn bad(&self, count: usize, side: usize) -> Array3<u16> {
        Array3::from_shape_fn((count, side, side), |(pattern, y, x)| u16::from(!self.is_good(pattern, (y, x))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Masks of 3 patterns of 18 × 18 pixels, which do not fill whole words.
    fn masks() -> PatternMasks {
        let mut masks = PatternMasks::new(3, 18);
        for (pattern, at) in [(0, (0, 0)), (0, (17, 17)), (2, (3, 10)), (2, (0, 0)), (1, (0, 0))] {
            masks.exclude(pattern, at);
        }
        masks
    }

    #[test]
    fn every_bit_belongs_to_one_pixel_of_one_pattern() {
        let found = masks();
        let pixels = |pattern: usize| found.bad_pixels(pattern).collect::<Vec<_>>();
        assert_eq!((pixels(0), pixels(1)), (vec![(0, 0), (17, 17)], vec![(0, 0)]));
        assert!(found.is_bad(2, (3, 10)) && !found.is_bad(1, (3, 10)) && !found.is_bad(5, (0, 0)));
        assert_eq!((found.bad_in(0), found.total(), found.len()), (2, 5, 3));
        let mut same = found.clone();
        same.exclude(0, (18, 0));
        same.exclude(3, (0, 0));
        assert_eq!(same, found, "outside");
    }

    #[test]
    fn pixels_bad_in_most_patterns_become_common_and_leave_the_masks() {
        let mut found = masks();
        let common = found.take_common(0.9);
        assert!(common[[0, 0]] && common.iter().filter(|bad| **bad).count() == 1);
        assert_eq!(found.total(), 2);
        let good = common.mapv(|bad| !bad);
        let both = GoodPixels { common: Some(&good), each: Some(&found) };
        assert!(!both.is_good(1, (0, 0)) && !both.is_good(2, (3, 10)) && both.is_good(1, (3, 10)) && !both.are_all());
        assert_eq!(both.bad(3, 18).iter().sum::<u16>(), 5);
        assert!(GoodPixels::default().are_all());
    }

    #[test]
    fn masks_follow_their_patterns() {
        let found = masks();
        let some = found.selected(&[2, 1]).unwrap();
        assert_eq!((some.len(), some.bad_in(0), some.bad_in(1)), (2, 2, 1));
        assert_eq!(PatternMasks::new(4, 18).selected(&[1, 2]), None);
        let longer = some.clone().followed_by(&found);
        assert!(longer.len() == 5 && longer.is_bad(2, (17, 17)) && longer.total() == 8);
        let swapped = found.transposed();
        assert!(swapped.is_bad(2, (10, 3)) && swapped.transposed() == found);
        let mut all = PatternMasks::new(3, 18);
        all.combine(&found);
        assert_eq!(all, found);
    }
}
