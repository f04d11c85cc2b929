//! Zingers: pixels struck by cosmic rays, radioactivity or scattered photons in single patterns, far brighter than what they record
//! otherwise.
//!
//! A pixel of a pattern is a zinger if its amplitude exceeds the least amplitude of a zinger by more than each of these:
//! * 1.5 times the median of the good pixels among its eight neighbors, the upper one of two: a speckle of the object is at least
//!   two pixels wide, so that the neighbors of its peak have half of its counts;
//! * 1.2 times the median of the same pixel in the other patterns, and that median plus three robust standard deviations: an edge
//!   of the object may light up a pixel in few patterns, but its neighbors as well.
//!
//! The least amplitude is that of [`COUNTS`] counts, if the values are multiples of a count, and [`FAINT`] of the median of the
//! brightest pixels: single photons are no zingers.

use super::context::Reading;
use super::verdict::{Fix, Verdict};
use crate::config::Zingers;
use crate::data::normalize::count_unit;
use crate::metrics::{GoodPixels, PatternMasks};
use ndarray::{Array2, Array3, ArrayView2, Axis, s};
use rayon::prelude::*;

const CHECK: &str = "zingers";
/// Amplitude relative to the median of the neighbors.
const NEIGHBORS: f32 = 1.5;
/// Amplitude relative to the median of the pixel in the other patterns, and robust standard deviations above it.
const RATIO: f32 = 1.2;
const DEVIATIONS: f32 = 3.0;
/// Smallest counts of a zinger.
const COUNTS: f32 = 12.0;
/// Smallest amplitude of a zinger, relative to the median amplitude of the brightest pixels.
const FAINT: f32 = 0.03;
/// Share of the pixels that are the brightest.
const BRIGHTEST: f64 = 1e-3;
/// Most patterns from which the medians are taken, evenly spread, and fewest.
const SAMPLE: usize = 255;
const FEWEST: usize = 8;
/// Share of the values from which zingers are not taken for such, but for a property of the patterns.
const TOO_MANY: f64 = 0.15;
/// Share of the counts from which zingers are a warning.
const HARMFUL: f64 = 1e-3;

/// Finds zingers in (n, N, N) amplitudes, masks them if that is configured, and reports them.
pub(super) fn judge(patterns: &Array3<f32>, good: GoodPixels<'_>, reading: &mut Reading) -> Option<PatternMasks> {
    let (count, side, _) = patterns.dim();
    let found = find(patterns, good);
    let number: usize = found.iter().map(Vec::len).sum();
    if number == 0 {
        reading.judge(Verdict::pass(CHECK, "no pixel stands out from its neighbors and from the other patterns"));
        return None;
    }
    let hit = found.iter().filter(|pixels| !pixels.is_empty()).count();
    let counts = |value: f32| f64::from(value) * f64::from(value);
    let theirs: f64 = found
        .iter()
        .enumerate()
        .flat_map(|(n, of)| of.iter().map(move |at| (n, *at)))
        .map(|(n, at)| counts(patterns[[n, at.0, at.1]]))
        .sum();
    let share = theirs / patterns.iter().map(|value| counts(*value)).sum::<f64>().max(f64::MIN_POSITIVE);
    let text = format!("{number} zingers in {hit} of {count} patterns, with {:.2} % of the counts", 100.0 * share);
    if number as f64 > TOO_MANY * patterns.len() as f64 {
        reading.judge(
            Verdict::warn(CHECK, format!("{text}: too many to be zingers; they are not masked"))
                .expected("patterns in which neighboring pixels are alike")
                .advice("Check the patterns: the detector may be noisy, or the speckles smaller than its pixels"),
        );
        return None;
    }
    if reading.config.zingers == Zingers::Off {
        let advice = "Mask them in their patterns with --zingers auto";
        if share > HARMFUL {
            let fix = Fix::new("Mask zingers", [("data.zingers", "auto".to_owned())]);
            reading.judge(Verdict::warn(CHECK, text).expected("hardly any").advice(advice).fixes([fix]));
        } else {
            reading.note(format!("{text}. {advice}"));
            reading.judge(Verdict::pass(CHECK, text));
        }
        return None;
    }
    let mut masks = PatternMasks::new(count, side);
    for (pattern, pixels) in found.iter().enumerate() {
        pixels.iter().for_each(|at| masks.exclude(pattern, *at));
    }
    reading.note(format!("{text}, are masked"));
    reading.judge(Verdict::pass(CHECK, format!("{text}; masked in their patterns")));
    Some(masks)
}

/// (row, column) of the zingers of each of these (n, N, N) patterns.
fn find(patterns: &Array3<f32>, good: GoodPixels<'_>) -> Vec<Vec<(usize, usize)>> {
    let Some(Limits { least, of_pixel }) = limits(patterns, good) else { return Vec::new() };
    let find_in = |(number, pattern): (usize, ArrayView2<'_, f32>)| -> Vec<(usize, usize)> {
        let bright = pattern.indexed_iter().zip(&of_pixel).filter(|((_, value), limit)| value > limit);
        let is_zinger = |at: (usize, usize), value: f32| {
            let around = neighbors(pattern, at, |at| good.is_good(number, at));
            good.is_good(number, at) && around.is_none_or(|around| value > least + NEIGHBORS * around)
        };
        bright.filter(|((at, value), _)| is_zinger(*at, **value)).map(|((at, _), _)| at).collect()
    };
    patterns.axis_iter(Axis(0)).into_par_iter().enumerate().map(find_in).collect()
}

/// Median of the good neighbors of a pixel; `None` without.
fn neighbors(
    pattern: ArrayView2<'_, f32>,
    (y, x): (usize, usize),
    is_good: impl Fn((usize, usize)) -> bool,
) -> Option<f32> {
    let mut values = Vec::with_capacity(8);
    for row in y.saturating_sub(1)..=y + 1 {
        for column in x.saturating_sub(1)..=x + 1 {
            if (row, column) != (y, x)
                && let Some(value) = pattern.get((row, column))
                && is_good((row, column))
            {
                values.push(*value);
            }
        }
    }
    median(&mut values)
}

/// The upper of the middle values; `None` without values.
fn median(values: &mut [f32]) -> Option<f32> {
    let middle = values.len() / 2;
    if values.is_empty() {
        return None;
    }
    Some(*values.select_nth_unstable_by(middle, f32::total_cmp).1)
}

/// Amplitudes of zingers.
struct Limits {
    /// The least of any.
    least: f32,
    /// (N, N) above which each pixel is one, if its neighbors agree.
    of_pixel: Array2<f32>,
}

/// Limits from the other patterns; `None` for too few.
fn limits(patterns: &Array3<f32>, good: GoodPixels<'_>) -> Option<Limits> {
    let (count, side, _) = patterns.dim();
    if count < FEWEST {
        return None;
    }
    let number = count.min(SAMPLE);
    let chosen: Vec<usize> = (0..number).map(|at| at * count / number).collect();
    let rows: Vec<Vec<[f32; 2]>> = (0..side)
        .into_par_iter()
        .map(|y| {
            let of = |x: usize| {
                let values = chosen.iter().filter(|&&at| good.is_good(at, (y, x))).map(|&at| patterns[[at, y, x]]);
                let mut values: Vec<f32> = values.collect();
                let middle = median(&mut values).unwrap_or(0.0);
                values.iter_mut().for_each(|value| *value = (*value - middle).abs());
                [middle, 1.4826 * median(&mut values).unwrap_or(0.0)]
            };
            (0..side).map(of).collect()
        })
        .collect();
    let mut medians: Vec<f32> = rows.iter().flatten().map(|[median, _]| *median).collect();
    let brightest = medians.len() - 1 - (BRIGHTEST * medians.len() as f64) as usize;
    let peak = *medians.select_nth_unstable_by(brightest, f32::total_cmp).1;
    let unit = count_unit(patterns.slice(s![..count; count.div_ceil(SAMPLE), .., ..]).iter().copied()).unwrap_or(0.0);
    let least = (FAINT * peak).max((COUNTS * unit as f32).sqrt());
    let of_pixel = Array2::from_shape_fn((side, side), |(y, x)| {
        let [median, deviation] = rows[y][x];
        least + (RATIO * median).max(median + DEVIATIONS * deviation)
    });
    Some(Limits { least, of_pixel })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Speckles that differ in every pattern, with counting noise, and a streak that only the fifth pattern has.
    fn patterns() -> Array3<f32> {
        let mut state = 1u32;
        let mut noise = move || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as f32 / (1u32 << 24) as f32 - 0.5
        };
        Array3::from_shape_fn((20, 32, 32), |(n, y, x)| {
            let (dy, dx) = (y as f32 - 16.0, x as f32 - 16.0);
            let speckle = (0.9 * dx + 0.7 * n as f32).sin() * (0.8 * dy - 1.1 * n as f32).cos();
            let streak = if n == 5 { 900.0 * (-(dx - dy).powi(2) / 3.0).exp() } else { 0.0 };
            let counts = 3000.0 * (-(dy * dy + dx * dx) / 60.0).exp() * (1.2 + speckle) + streak;
            (counts + 3.0 * counts.sqrt() * noise()).max(0.0).round().sqrt()
        })
    }

    #[test]
    fn single_bright_pixels_are_found_and_structure_is_not() {
        let clean = patterns();
        assert!(find(&clean, GoodPixels::default()).iter().all(Vec::is_empty));
        let mut struck = clean.clone();
        let zingers = [(3, (2, 30)), (3, (16, 4)), (7, (0, 0)), (19, (31, 16)), (5, (28, 3)), (11, (16, 17))];
        for (n, at) in zingers {
            let counts = match at {
                (16, 17) => 6e4,
                (16, 4) => 4000.0,
                _ => 400.0,
            };
            struck[[n, at.0, at.1]] = f32::sqrt(struck[[n, at.0, at.1]].powi(2) + counts);
        }
        let found = find(&struck, GoodPixels::default());
        let found: Vec<_> = found.iter().enumerate().flat_map(|(n, of)| of.iter().map(move |at| (n, *at))).collect();
        let mut expected = zingers.to_vec();
        expected.sort_unstable();
        assert_eq!(found, expected);
        // A pixel known to be bad is not found again; few counts are no zinger; nor can few patterns tell.
        let mut masks = PatternMasks::new(20, 32);
        masks.exclude(7, (0, 0));
        let rest = find(&struck, GoodPixels { common: None, each: Some(&masks) });
        assert_eq!(rest.iter().map(Vec::len).sum::<usize>(), 5);
        let mut faint = clean.clone();
        faint[[7, 0, 0]] = 9f32.sqrt();
        assert!(find(&faint, GoodPixels::default()).iter().all(Vec::is_empty));
        assert!(find(&struck.slice(s![..7, .., ..]).to_owned(), GoodPixels::default()).is_empty());
    }

    #[test]
    fn every_twentieth_pixel_struck_is_found_as_well() {
        let mut struck = patterns();
        let mut number = 0usize;
        for (at, value) in struck.iter_mut().enumerate() {
            if at * 7919 % 1009 < 50 {
                *value = (*value * *value + 3e4).sqrt();
                number += 1;
            }
        }
        let found: usize = find(&struck, GoodPixels::default()).iter().map(Vec::len).sum();
        assert!(found <= number && found as f64 > 0.95 * number as f64, "{found} of {number}");
    }
}
