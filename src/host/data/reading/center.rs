//! Center of the patterns: the direct beam, found from the mean pattern.
//!
//! The mean over a scan is nearly symmetric about the direct beam, so it is found where the mean pattern fits its own
//! point inversion best. The sum over r of a(c + r) a(c - r) is the convolution of the pattern with itself, at twice the center c;
//! it is divided by the same sum of the squares of the pixels whose counterpart is on the detector, so that a beam near the edge
//! is found, too. Strong pixels count most; unlike the center of mass, the result ignores a background and needs no complete
//! pattern. Pixels that were not measured (masked, invalid, and the gaps between the modules of a detector) are no counterparts.

use super::context::Reading;
use super::fit::{Fit, centered_fft};
use super::layout::Frames;
use super::verdict::{Fix, Verdict};
use crate::config::{Center, DataConfig};
use ndarray::{Array2, ArrayView2, Axis, Zip, s};
use num_complex::Complex32;
use rustfft::FftDirection;

const CHECK: &str = "centering";
/// Longest side that is transformed; larger patterns are binned first.
const LONGEST: usize = 512;
/// Radius in which the result from binned patterns is refined, pixels.
const RADIUS: usize = 128;
/// Share of the signal that must have a counterpart on the detector, relative to the largest share with any center: next to gaps
/// this is well below 1.
const MIN_SHARE: f64 = 0.5;
/// Power of that share in the comparison of centers: the more of the pattern agrees, the better.
const SHARE_POWER: f64 = 0.1;
/// Symmetry below which a center is not used.
const MIN_SYMMETRY: f64 = 0.6;
/// Share of the strongest row or column from which a row or column borders a gap.
const BESIDE_GAP: f64 = 0.01;
/// Distance of center and center of mass, as a share of the longest side, from which they contradict each other.
const MAX_DEVIATION: f64 = 1.0 / 8.0;
/// Distance from the middle, as a share of the shortest side, from which a center is a warning.
const OFF_CENTER: f64 = 1.0 / 16.0;

/// The direct beam in a mean pattern.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Beam {
    /// (row, column).
    pub center: [usize; 2],
    /// (row, column) of the center of mass above the background.
    pub mass: [f64; 2],
    /// Agreement of the pattern with its point inversion, 0 to 1.
    pub symmetry: f64,
}

impl Beam {
    /// True if center of mass and symmetry agree.
    fn is_clear(&self, [height, width]: [usize; 2]) -> bool {
        let off = (self.center[0] as f64 - self.mass[0]).hypot(self.center[1] as f64 - self.mass[1]);
        self.symmetry >= MIN_SYMMETRY && off <= MAX_DEVIATION * height.max(width) as f64
    }

    fn text(&self) -> String {
        format!(
            "column {}, row {} (center of mass {:.1}, {:.1}; symmetric to {:.0} %)",
            self.center[1],
            self.center[0],
            self.mass[1],
            self.mass[0],
            100.0 * self.symmetry
        )
    }
}

/// The fit around the direct beam: as configured, or found in the mean intensity (h, w) as stored, of which the pixels that are
/// true were measured; and the verdict on the center, if it is clear where the beam is. `None` with a failed verdict if it was
/// asked for and cannot be found.
pub(super) fn fit_around(
    reading: &mut Reading,
    frames: &Frames,
    fit: Fit,
    (mean, measured): (&Array2<f64>, &Array2<bool>),
) -> Option<(Fit, Option<Verdict>)> {
    let config = reading.config;
    if fit.near_field || frames.is_shifted {
        return Some((fit, None));
    }
    let size = [frames.height, frames.width];
    let is_set = config.center_x.is_some() && config.center_y.is_some();
    let beam = find(mean, measured);
    let (Center::Auto, false) = (config.center, is_set) else {
        let middle = [config.center_y.unwrap_or(size[0] / 2), config.center_x.unwrap_or(size[1] / 2)];
        let verdict = beam.filter(|beam| beam.is_clear(size)).map(|beam| judge(&beam, middle, config, size));
        return Some((fit, verdict));
    };
    let Some(beam) = beam.filter(|beam| beam.is_clear(size)) else {
        let found = beam.map_or_else(String::new, |beam| format!(": {}", beam.text()));
        reading.judge(
            Verdict::fail(CHECK, format!("The direct beam cannot be found in the mean pattern{found}"))
                .expected("a pattern that is symmetric about the direct beam")
                .advice("State it with --center-x COLUMN --center-y ROW, or use the middle with --center middle"),
        );
        return None;
    };
    reading.note(format!("The patterns are centered on the direct beam: {}", beam.text()));
    let center = [config.center_y.unwrap_or(beam.center[0]), config.center_x.unwrap_or(beam.center[1])];
    let centered = Fit::around(size[0], size[1], center, config, fit.near_field);
    let centered = centered.map_err(|verdict| reading.judge(verdict)).ok()?;
    Some((centered, Some(Verdict::pass(CHECK, format!("the direct beam is at {}", beam.text())))))
}

/// Judges the center that is used.
fn judge(beam: &Beam, used: [usize; 2], config: &DataConfig, [height, width]: [usize; 2]) -> Verdict {
    let off = [0, 1].map(|axis| beam.center[axis] as f64 - used[axis] as f64);
    let side = config.crop.unwrap_or(height.min(width)).min(height.min(width));
    if off[0].hypot(off[1]) <= OFF_CENTER * side as f64 {
        return Verdict::pass(CHECK, format!("the direct beam is at {}", beam.text()));
    }
    Verdict::warn(CHECK, format!("The direct beam is at {}, not at the center of the patterns", beam.text()))
        .expected(format!("column {}, row {}", used[1], used[0]))
        .advice("Center the patterns on it with --center auto, or state it with --center-x and --center-y")
        .fixes([Fix::new(
            "Center on the direct beam",
            [
                ("data.center", "auto".to_owned()),
                ("data.center_x", "none".to_owned()),
                ("data.center_y", "none".to_owned()),
            ],
        )])
}

/// The direct beam in a mean intensity (h, w) of which the pixels that are true were measured; `None` without signal.
pub(super) fn find(mean: &Array2<f64>, measured: &Array2<bool>) -> Option<Beam> {
    let mut mean = mean.clone();
    Zip::from(&mut mean).and(measured).for_each(|value, is_measured| *value *= f64::from(u8::from(*is_measured)));
    let clean = without_hot_pixels(&mean);
    let measured = measured & !in_gaps(&clean);
    let background =
        median(clean.iter().zip(&measured).filter(|(_, is_measured)| **is_measured).map(|(value, _)| *value));
    let signal = clean.mapv(|value| (value - background).max(0.0));
    let total = signal.sum();
    if total.is_nan() || total <= 0.0 {
        return None;
    }
    let mass = signal
        .indexed_iter()
        .fold([0.0; 2], |sum, ((y, x), value)| [sum[0] + y as f64 * value / total, sum[1] + x as f64 * value / total]);
    let amplitude = signal.mapv(|value| value.sqrt() as f32);
    let bin = amplitude.nrows().max(amplitude.ncols()).div_ceil(LONGEST);
    let (twice, least) = if bin == 1 {
        twice_the_center(&amplitude, &measured)?
    } else {
        let (amplitude, measured) = binned(&amplitude, &measured, bin);
        twice_the_center(&amplitude, &measured)?
    };
    // The best whole pixel.
    let center = refined((&amplitude, &measured), twice.map(|twice| (twice * bin + bin - 1) / 2), bin, least);
    Some(Beam { center, mass, symmetry: agreement((amplitude.view(), measured.view()), center)[0] })
}

/// True in rows and columns without a count between others that have many.
fn in_gaps(mean: &Array2<f64>) -> Array2<bool> {
    let mut found = Array2::from_elem(mean.dim(), false);
    for axis in [Axis(0), Axis(1)] {
        let sums: Vec<f64> = mean.axis_iter(axis).map(|line| line.sum()).collect();
        let least = BESIDE_GAP * sums.iter().copied().fold(0.0, f64::max);
        let mut before = None;
        for (at, _) in sums.iter().enumerate().filter(|(_, sum)| **sum > 0.0) {
            let is_gap = before.is_some_and(|before: usize| sums[before].min(sums[at]) > least);
            for line in before.map_or(at, |before| before + 1)..at {
                found.index_axis_mut(axis, line).map_inplace(|found| *found |= is_gap);
            }
            before = Some(at);
        }
    }
    found
}

/// Limits every pixel to the second largest value around it.
fn without_hot_pixels(mean: &Array2<f64>) -> Array2<f64> {
    let (height, width) = mean.dim();
    Array2::from_shape_fn((height, width), |(y, x)| {
        let around = mean.slice(s![y.saturating_sub(1)..(y + 2).min(height), x.saturating_sub(1)..(x + 2).min(width)]);
        let (mut first, mut second) = (0.0f64, 0.0f64);
        for &value in around {
            if value > first {
                (first, second) = (value, first);
            } else if value > second {
                second = value;
            }
        }
        mean[[y, x]].min(second)
    })
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    let middle = values.len() / 2;
    if values.is_empty() {
        return 0.0;
    }
    *values.select_nth_unstable_by(middle, f64::total_cmp).1
}

/// Sums of `bin` × `bin` pixels, 0 where one of them was not measured; and where all were.
fn binned(image: &Array2<f32>, measured: &Array2<bool>, bin: usize) -> (Array2<f32>, Array2<bool>) {
    let shape = (image.nrows().div_ceil(bin), image.ncols().div_ceil(bin));
    let (mut out, mut all) = (Array2::zeros(shape), Array2::from_elem(shape, true));
    for ((y, x), value) in image.indexed_iter() {
        out[[y / bin, x / bin]] += value;
        all[[y / bin, x / bin]] &= measured[[y, x]];
    }
    Zip::from(&mut out).and(&all).for_each(|value, all| *value = if *all { *value } else { 0.0 });
    (out, all)
}

/// Twice the row and column of the best center of an image that is 0 where it was not measured, and the least share of the signal
/// that was compared.
fn twice_the_center(image: &Array2<f32>, measured: &Array2<bool>) -> Option<([usize; 2], f64)> {
    let (height, width) = image.dim();
    let size = (2 * height, 2 * width);
    let spectrum = |image: &Array2<f32>| {
        let mut padded = Array2::zeros(size);
        padded.slice_mut(s![..height, ..width]).assign(&image.mapv(|value| Complex32::new(value, 0.0)));
        centered_fft(&padded, FftDirection::Forward)
    };
    let convolved = |one: &Array2<Complex32>, other: &Array2<Complex32>| {
        let scale = ((size.0 * size.1) as f64).sqrt();
        centered_fft(&(one * other), FftDirection::Inverse).mapv(|value| f64::from(value.re) * scale)
    };
    let amplitude = spectrum(image);
    let products = convolved(&amplitude, &amplitude);
    let measured = measured.mapv(|is_measured| f32::from(u8::from(is_measured)));
    let squares = convolved(&spectrum(&(image * image)), &spectrum(&measured));
    let total = image.iter().map(|v| f64::from(v * v)).sum::<f64>();
    let least = MIN_SHARE * squares.iter().copied().fold(0.0, f64::max) / total;
    let mut best = (f64::NEG_INFINITY, (0, 0));
    for ((at, product), square) in products.indexed_iter().zip(&squares) {
        let value = score(product / square, square / total, least);
        if value > best.0 {
            best = (value, at);
        }
    }
    // The transforms count from the middle, which is added once too often.
    best.0.is_finite().then(|| ([(best.1.0 + height) % size.0, (best.1.1 + width) % size.1], least))
}

/// How good a center is, from the symmetry about it and the share of the signal that was compared, at least `least`.
fn score(symmetry: f64, share: f64, least: f64) -> f64 {
    if share >= least { symmetry * share.powf(SHARE_POWER) } else { f64::NEG_INFINITY }
}

/// The best center within `bin` pixels of `start`, by the signal around it, of which a share `least` is compared; the first of
/// equal ones.
fn refined((image, measured): (&Array2<f32>, &Array2<bool>), start: [usize; 2], bin: usize, least: f64) -> [usize; 2] {
    let near = |middle: usize, length: usize| middle.saturating_sub(bin)..(middle + bin + 1).min(length);
    let part = |middle: usize, length: usize| middle.saturating_sub(RADIUS)..(middle + RADIUS + 1).min(length);
    let (rows, columns) = (part(start[0], image.nrows()), part(start[1], image.ncols()));
    let part = s![rows.clone(), columns.clone()];
    let view = (image.slice(part), measured.slice(part));
    let mut best = (f64::NEG_INFINITY, start);
    for y in near(start[0], image.nrows()) {
        for x in near(start[1], image.ncols()) {
            let [symmetry, share] = agreement(view, [y - rows.start, x - columns.start]);
            let value = score(symmetry, share, least);
            if value > best.0 {
                best = (value, [y, x]);
            }
        }
    }
    best.1
}

/// Agreement of an image with its point inversion about `center`, 0 to 1, and the share of its signal that has a counterpart
/// that was measured.
fn agreement((image, measured): (ArrayView2<'_, f32>, ArrayView2<'_, bool>), center: [usize; 2]) -> [f64; 2] {
    let opposite = |at: usize, center: usize| (2 * center).checked_sub(at);
    let (mut products, mut squares, mut total) = (0.0, 0.0, 0.0);
    for ((y, x), &value) in image.indexed_iter() {
        let value = f64::from(value);
        total += value * value;
        let other = opposite(y, center[0]).zip(opposite(x, center[1])).filter(|at| measured.get(*at) == Some(&true));
        if let Some(other) = other {
            products += value * f64::from(image[other]);
            squares += value * value;
        }
    }
    if squares > 0.0 { [products / squares, squares / total] } else { [0.0; 2] }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Speckles that are symmetric about (y, x), under an envelope.
    fn pattern(shape: (usize, usize), center: [f64; 2], width: f64) -> Array2<f64> {
        Array2::from_shape_fn(shape, |(y, x)| {
            let (dy, dx) = (y as f64 - center[0], x as f64 - center[1]);
            let r2 = (dx * dx + 0.5 * dy * dy) / (width * width);
            1e4 * (-r2).exp() * (1.2 + (0.7 * dx + 0.3 * dy).cos()) + 3.0
        })
    }

    /// Finds the beam of a detector without bad pixels.
    fn whole(mean: &Array2<f64>) -> Option<Beam> {
        find(mean, &Array2::from_elem(mean.dim(), true))
    }

    #[test]
    fn the_beam_is_found_off_center_with_hot_pixels_gaps_and_background() {
        for (shape, center, width) in [
            ((64, 64), [32, 32], 8.0),
            ((90, 128), [30, 81], 9.0),
            ((195, 487), [40, 300], 30.0),
            ((65, 61), [50, 12], 5.0),
        ] {
            let mut mean = pattern(shape, center.map(|at| at as f64), width);
            mean[[3, 5]] = 1e9;
            let all = Array2::from_elem(shape, true);
            let beam = find(&mean, &all).unwrap();
            let off = |beam: &Beam| [0, 1].map(|axis| beam.center[axis].abs_diff(center[axis]));
            // Near the edge of the detector, a part of the pattern is missing.
            let tolerance = usize::from(shape.0 == 195);
            assert!(off(&beam).iter().all(|off| *off <= tolerance), "{beam:?}");
            assert!(beam.is_clear([shape.0, shape.1]), "{beam:?}");
            // Gaps of the detector beside the beam, and a mask over a part of it.
            for (at, gap) in [(center[1] + 2, 1), (center[1] - 5, 4), (center[1], 2)] {
                let mut mean = mean.clone();
                mean.slice_mut(s![.., at..at + gap]).fill(0.0);
                mean.slice_mut(s![center[0] + 3..center[0] + 5, ..]).fill(0.0);
                let beam = find(&mean, &all).unwrap();
                assert!(off(&beam).iter().all(|off| *off <= 2 * tolerance), "{shape:?}, {at}: {beam:?}");
            }
            let mut good = all.clone();
            good.slice_mut(s![center[0]..center[0] + 9, center[1] + 1..center[1] + 8]).fill(false);
            mean.zip_mut_with(&good, |value, good| *value = if *good { *value } else { 1e6 });
            let beam = find(&mean, &good).unwrap();
            assert!(off(&beam).iter().all(|off| *off <= tolerance), "{shape:?}: {beam:?}");
        }
    }

    #[test]
    fn large_frames_are_searched_binned_and_refined() {
        let mean = pattern((700, 1300), [431.0, 777.0], 40.0);
        assert_eq!(whole(&mean).unwrap().center, [431, 777]);
    }

    #[test]
    fn a_hollow_cone_has_its_center_where_it_is_dark() {
        let mean = Array2::from_shape_fn((128, 128), |(y, x)| {
            let r = (y as f64 - 70.0).hypot(x as f64 - 59.0);
            if (20.0..40.0).contains(&r) { 100.0 } else { 1.0 }
        });
        assert_eq!(whole(&mean).unwrap().center, [70, 59]);
    }

    #[test]
    fn noise_and_nothing_have_no_clear_center() {
        assert_eq!(whole(&Array2::zeros((32, 32))), None);
        // Two unequal spots far apart.
        let mut mean = Array2::<f64>::zeros((128, 128));
        mean.slice_mut(s![5..9, 5..9]).fill(100.0);
        mean.slice_mut(s![100..103, 90..120]).fill(70.0);
        assert!(!whole(&mean).unwrap().is_clear([128, 128]), "{:?}", whole(&mean));
    }
}
