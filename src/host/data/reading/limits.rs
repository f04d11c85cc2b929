//! Values that are not counts, and the pixels at which they occur.
//!
//! Detectors mark dead pixels with NaN, the largest value of an unsigned type, or a negative value. A mark that stays the same
//! throughout the scan masks the pixel in all patterns; other marks, and saturation, mask it in the patterns in which they occur.
//! Negative values that are not marks are noise below zero, left by the subtraction of a background: they become 0.

use super::context::Reading;
use super::fit::Fit;
use super::layout::Frames;
use super::mask::Masks;
use super::verdict::Verdict;
use crate::metrics::PatternMasks;
use ndarray::{Array2, ArrayD, ArrayViewMutD, Axis};

/// Share of the patterns from which a mark is one of the pixel, not of the pattern: it may be missing in patterns without data.
const THROUGHOUT: f64 = 0.9;
/// Negative values that detectors write for pixels without a count.
pub(super) const MARKS: [f32; 2] = [-1.0, -2.0];
/// Largest share of the values that are marks if they occur in single patterns.
const MOST_MARKS: f64 = 0.01;
/// Share of the counts from which negative values are a warning.
const MANY_NEGATIVE: f64 = 0.2;

/// Negative values of a pixel.
#[derive(Clone, Copy)]
struct Negative {
    first: f32,
    /// True if all are the same, and if all are marks.
    is_same: bool,
    are_marks: bool,
    number: u32,
}

/// What is found while the patterns are read.
pub(super) struct Limits<'a> {
    fit: &'a Fit,
    /// True if negative values that are not marks are clipped.
    is_counts: bool,
    /// Value that the detector writes for an invalid pixel.
    invalid: Option<f32>,
    /// Largest value of an 8-bit type, which marks an invalid pixel if it is there throughout.
    top: Option<f32>,
    /// Value from which a pixel is saturated.
    saturation: f64,
    /// Finished pixels with invalid or saturated values, and with negative marks; `None` without.
    bad: Option<PatternMasks>,
    marked: Option<PatternMasks>,
    /// Invalid and saturated values.
    invalid_count: usize,
    saturated_count: usize,
    negative: Array2<Negative>,
    /// Patterns with the top value at each pixel.
    tops: Array2<u32>,
    /// Negative values that are clipped if they are not marks.
    clipped: Clipped,
    /// Number of patterns to be read.
    count: usize,
    /// Indices in the file of the patterns with one value everywhere, and whether it is the mark of invalid pixels.
    pub constant: Vec<(usize, bool)>,
}

impl<'a> Limits<'a> {
    pub fn new(is_counts: bool, frames: &Frames, saturation: Option<f64>, fit: &'a Fit, count: usize) -> Self {
        let shape = (fit.window[0].len(), fit.window[1].len());
        Self {
            fit,
            is_counts,
            invalid: frames.info.invalid.filter(|_| is_counts),
            top: frames.info.dtype.ends_with("u1").then_some(f32::from(u8::MAX)),
            saturation: saturation.unwrap_or(f64::INFINITY),
            bad: None,
            marked: None,
            invalid_count: 0,
            saturated_count: 0,
            negative: Array2::from_elem(shape, Negative { first: 0.0, is_same: true, are_marks: true, number: 0 }),
            tops: Array2::zeros(shape),
            clipped: Clipped::default(),
            count,
            constant: Vec::new(),
        }
    }

    /// Marks the bad pixels of a block of patterns, and sets them and negative counts to zero. `first` is the number of the
    /// block's first pattern among those that are read, `rows` their indices in the file.
    pub fn mark(&mut self, block: &mut ArrayD<f32>, first: usize, rows: &[usize]) {
        for (at, (mut pattern, &row)) in block.axis_iter_mut(Axis(0)).zip(rows).enumerate() {
            let value = pattern.first().copied().unwrap_or_default();
            if value.is_nan() && pattern.iter().all(|value| value.is_nan()) {
                self.constant.push((row, true));
                pattern.fill(0.0);
            } else if pattern.iter().all(|other| *other == value) {
                let is_invalid = Some(value) == self.invalid;
                self.constant.push((row, is_invalid));
                // Such a pattern says nothing about single pixels.
                if is_invalid {
                    pattern.fill(0.0);
                }
            }
            let is_plain = |value: &f32| (0.0..=f32::MAX).contains(value);
            if self.is_counts || self.saturation.is_finite() || !pattern.iter().all(is_plain) {
                self.mark_pattern(pattern, first + at);
            }
        }
    }

    fn mark_pattern(&mut self, mut pattern: ArrayViewMutD<'_, f32>, number: usize) {
        let columns = self.negative.ncols().max(1);
        let (fit, count, side) = (self.fit, self.count, self.fit.size);
        let exclude = |masks: &mut Option<PatternMasks>, at: usize| {
            let masks = masks.get_or_insert_with(|| PatternMasks::new(count, side));
            masks.exclude(number, fit.finished((at / columns, at % columns)));
        };
        let pixels = self.negative.iter_mut().zip(self.tops.iter_mut());
        for (at, (value, (negative, tops))) in pattern.iter_mut().zip(pixels).enumerate() {
            if !value.is_finite() || self.invalid == Some(*value) {
                self.invalid_count += 1;
                exclude(&mut self.bad, at);
                *value = 0.0;
            } else if f64::from(*value) >= self.saturation {
                self.saturated_count += 1;
                exclude(&mut self.bad, at);
                *value = 0.0;
            } else if *value < 0.0 {
                if negative.number == 0 {
                    negative.first = *value;
                }
                let is_mark = MARKS.contains(value);
                negative.is_same &= negative.first == *value;
                negative.are_marks &= is_mark;
                negative.number += 1;
                if is_mark {
                    exclude(&mut self.marked, at);
                }
                self.clipped.add(*value);
                if self.is_counts {
                    *value = 0.0;
                }
            } else {
                self.clipped.add(*value);
                *tops += u32::from(self.top == Some(*value));
            }
        }
    }

    /// Adds the marked pixels to the masks.
    pub fn add_to(mut self, masks: &mut Masks, reading: &mut Reading) {
        let throughout = |number: u32| number > 0 && f64::from(number) >= THROUGHOUT * self.count as f64;
        let mut always = Array2::from_elem(self.negative.dim(), false);
        let (mut scattered, mut are_marks) = (0, true);
        for ((bad, negative), &tops) in always.iter_mut().zip(&self.negative).zip(&self.tops) {
            let may_be_mark = self.is_counts || negative.are_marks;
            if (negative.is_same && may_be_mark && throughout(negative.number)) || (self.count > 1 && throughout(tops))
            {
                *bad = true;
            } else {
                scattered += negative.number as usize;
                are_marks &= negative.are_marks;
            }
        }
        let values = self.count * self.negative.len();
        are_marks &= scattered > 0 && scattered as f64 <= MOST_MARKS * values as f64;
        let mut each = self.bad.take();
        if are_marks && let Some(marked) = &self.marked {
            each.get_or_insert_with(|| PatternMasks::new(self.count, self.fit.size)).combine(marked);
        }
        let mut common = self.fit.mask(&always.mapv(|bad| !bad)).mapv(|good| !good);
        // Pixels that were not measured are no bad values.
        let measured = self.fit.mask(&Array2::from_elem(always.dim(), true));
        common.zip_mut_with(&measured, |bad, measured| *bad &= *measured);
        if let Some(mut each) = each {
            each.remove(&common);
            common.zip_mut_with(&each.take_common(THROUGHOUT), |all, one| *all |= *one);
            let kinds = [
                (self.invalid_count > 0, "invalid"),
                (self.saturated_count > 0, "saturated"),
                (are_marks && scattered > 0, "negative"),
            ];
            let kinds: Vec<&str> = kinds.iter().filter(|(is_found, _)| *is_found).map(|(_, kind)| *kind).collect();
            masks.exclude_in_patterns(each, &format!("{} values", kinds.join(" or ")), reading);
        }
        let count = common.iter().filter(|&&bad| bad).count();
        if count > 0 {
            let kinds =
                if self.saturation.is_finite() { "negative, invalid or saturated" } else { "negative or invalid" };
            reading.note(format!("{count} pixels masked in all patterns because of {kinds} values"));
            masks.exclude_finished(&common);
        }
        if scattered > 0 && !are_marks && self.is_counts {
            self.clipped.number = scattered;
            self.clipped.report("noise after the subtraction of a background", reading);
        }
    }
}

/// Negative counts that are set to 0.
#[derive(Debug, Default)]
pub(super) struct Clipped {
    number: usize,
    lowest: f32,
    /// Sums of the negative and of the positive values.
    sums: [f64; 2],
}

impl Clipped {
    /// Counts a value.
    pub fn add(&mut self, value: f32) {
        self.number += usize::from(value < 0.0);
        self.lowest = self.lowest.min(value);
        self.sums[usize::from(value >= 0.0)] += f64::from(value);
    }

    /// Reports negative values; many are a warning.
    pub fn report(&self, origin: &str, reading: &mut Reading) {
        if self.number == 0 {
            return;
        }
        let text = format!("{} negative values, down to {}, were set to 0: {origin}", self.number, self.lowest);
        reading.note(text.clone());
        if -self.sums[0] > MANY_NEGATIVE * self.sums[1] {
            let share = -100.0 * self.sums[0] / self.sums[1].max(1e-30);
            reading.judge(
                Verdict::warn("negative values", format!("{text}; together they are {share:.0} % of the counts"))
                    .expected("noise that is small against the counts")
                    .advice("The background may be too high; clipping leaves a bias of the same order"),
            );
        }
    }
}
