//! Checks of the diffraction values and of the scan.

use super::exclusion;
use super::fit::Fit;
use super::source::ArrayInfo;
use super::verdict::{Fix, Verdict};
use crate::config::DiffractionUnit;
use crate::data::sampling::nearest::NeighborIndex;
use crate::metrics::{MIN_LINEAR_OVERLAP, linear_overlap, median, probe_diameter};
use ndarray::{Array2, Array3, ArrayView2, Axis, Zip, s};
use num_complex::Complex32;
use rayon::prelude::*;
use std::collections::BTreeSet;

/// Name of the check of the diffraction unit.
pub(super) const UNIT_CHECK: &str = "amplitude or counts";
/// Amplitudes above this are probably counts (A§1.3: amplitudes are small numbers).
const MAX_PLAUSIBLE_AMPLITUDE: f64 = 1000.0;
/// Smallest number of squares from which amplitudes are recognized as roots of counts.
const MIN_SQUARES: usize = 100;
/// Larger scans cannot be in pixels.
const MAX_EXTENT_PX: f64 = 32_768.0;
/// Farther from the origin, floating-point numbers lose the fractions of a pixel.
const MAX_DISTANCE_PX: f64 = 1e9;
/// Smaller scans, and those with smaller steps, cannot be in pixels.
const MIN_EXTENT_PX: f64 = 1.0;
const MIN_STEP_PX: f64 = 0.02;

/// Interpretation of the stored diffraction values.
pub(super) struct Interpretation<'a> {
    /// True if the values are counts, false if they are amplitudes.
    pub is_counts: bool,
    /// Reason for that.
    pub reason: &'a str,
    /// Configured unit.
    pub unit: DiffractionUnit,
    /// Header of the diffraction array.
    pub info: &'a ArrayInfo,
}

/// Statistics of the stored values of one pattern.
#[derive(Debug, Clone, Copy)]
struct Statistics {
    low: f32,
    high: f32,
    not_finite: usize,
    negative: usize,
    is_whole: bool,
    squares_are_whole: bool,
    squares_tested: usize,
}

impl Statistics {
    fn of(pattern: ArrayView2<'_, f32>) -> Self {
        let mut statistics = Self {
            low: f32::INFINITY,
            high: f32::NEG_INFINITY,
            not_finite: 0,
            negative: 0,
            is_whole: true,
            squares_are_whole: true,
            squares_tested: 0,
        };
        for &value in pattern {
            if !value.is_finite() {
                statistics.not_finite += 1;
                continue;
            }
            statistics.low = statistics.low.min(value);
            statistics.high = statistics.high.max(value);
            statistics.negative += usize::from(value < 0.0);
            statistics.is_whole &= value == value.round();
            // For amplitudes above 100, rounding to f32 hides whether the square is a whole number.
            let square = f64::from(value) * f64::from(value);
            if square > 0.0 && square <= 1e4 {
                statistics.squares_tested += 1;
                statistics.squares_are_whole &= (square - square.round()).abs() < 5e-3;
            }
        }
        statistics
    }
}

/// Judges the stored values: finite, not negative, amplitude or counts. Returns their range.
pub(super) fn stored_values(
    patterns: &Array3<f32>,
    interpretation: &Interpretation,
    verdicts: &mut Vec<Verdict>,
) -> Option<(f64, f64)> {
    let each: Vec<Statistics> = patterns.axis_iter(Axis(0)).into_par_iter().map(Statistics::of).collect();
    let bad: usize = each.iter().map(|pattern| pattern.not_finite).sum();
    let first_bad = each.iter().position(|pattern| pattern.not_finite > 0).unwrap_or(0);
    verdicts.push(if bad > 0 {
        Verdict::fail(
            "finite values",
            format!("{bad} diffraction values are NaN or infinite, first in pattern {first_bad}"),
        )
        .expected("finite numbers")
        .advice("Set masked or dead pixels to zero, and remove failed patterns")
    } else {
        Verdict::pass("finite values", "all diffraction values are finite")
    });
    let negative: usize = each.iter().map(|pattern| pattern.negative).sum();
    let low = each.iter().map(|pattern| pattern.low).fold(f32::INFINITY, f32::min);
    let high = each.iter().map(|pattern| pattern.high).fold(f32::NEG_INFINITY, f32::max);
    verdicts.push(if negative > 0 {
        Verdict::fail("no negative values", format!("{negative} diffraction values are negative, down to {low}"))
            .expected("amplitudes or counts of at least zero")
            .advice("Set them to zero; they come from dead pixels or from background subtraction")
    } else {
        Verdict::pass("no negative values", format!("smallest value {low}"))
    });
    let is_whole = each.iter().all(|pattern| pattern.is_whole);
    let tested: usize = each.iter().map(|pattern| pattern.squares_tested).sum();
    let squares_are_whole = tested >= MIN_SQUARES && each.iter().all(|pattern| pattern.squares_are_whole);
    verdicts.push(unit_verdict(interpretation, is_whole, squares_are_whole, f64::from(high)));
    (low <= high).then_some((f64::from(low), f64::from(high)))
}

/// True if the stored values are counts, false if they are amplitudes; `None` if ambiguous.
pub(super) fn infer_is_counts(values: &[f32]) -> Option<bool> {
    let row = ArrayView2::from_shape((1, values.len()), values).ok()?;
    let statistics = Statistics::of(row);
    if statistics.is_whole && statistics.high >= 2.0 {
        return Some(true);
    }
    (statistics.squares_tested >= MIN_SQUARES && statistics.squares_are_whole).then_some(false)
}

/// Fix that sets the diffraction unit.
pub(super) fn unit_fix(unit: DiffractionUnit) -> Fix {
    let (label, value) = match unit {
        DiffractionUnit::Auto => ("Infer the unit from the data type", "auto"),
        DiffractionUnit::Amplitude => ("Interpret as amplitude", "amplitude"),
        DiffractionUnit::Counts => ("Interpret as counts", "counts"),
    };
    Fix::new(label, [("data.diffraction_unit", value.to_owned())])
}

fn unit_verdict(interpretation: &Interpretation, is_whole: bool, squares_are_whole: bool, high: f64) -> Verdict {
    const AMPLITUDE: &str = "amplitude, the square root of counts";
    let Interpretation { is_counts, reason, unit, info } = *interpretation;
    let (dtype, is_integer) = (&info.dtype, info.integer);
    if is_counts {
        if !is_integer && !is_whole && squares_are_whole {
            return Verdict::warn(
                UNIT_CHECK,
                format!("Interpreted as counts ({reason}), but the squares are whole numbers, as of amplitudes"),
            )
            .expected("counts")
            .advice("Set diffraction_unit to \"amplitude\" if the square root has already been taken")
            .fixes([unit_fix(DiffractionUnit::Amplitude)]);
        }
        return Verdict::pass(UNIT_CHECK, format!("counts up to {high} ({reason}); the square root is taken"));
    }
    if is_integer {
        let found = format!("Integers ({dtype}) up to {high} are interpreted as amplitude, as configured");
        return Verdict::warn(UNIT_CHECK, found)
            .expected(AMPLITUDE)
            .advice("Set diffraction_unit to \"auto\" or \"counts\" if these are counts")
            .fixes([DiffractionUnit::Auto, DiffractionUnit::Counts].map(unit_fix));
    }
    let is_configured = unit == DiffractionUnit::Amplitude;
    let suspicion = if is_whole && high >= 2.0 {
        Some(format!("All values are whole numbers up to {high}: these look like counts"))
    } else if high > MAX_PLAUSIBLE_AMPLITUDE && !squares_are_whole {
        Some(format!("Values reach {high:.4e}: these look like counts"))
    } else {
        None
    };
    if let Some(found) = suspicion.filter(|_| !is_configured) {
        return Verdict::warn(UNIT_CHECK, found)
            .expected(AMPLITUDE)
            .advice("Set diffraction_unit to \"counts\" if the square root has not been taken")
            .fixes([unit_fix(DiffractionUnit::Counts)]);
    }
    Verdict::pass(
        UNIT_CHECK,
        if is_configured {
            format!("amplitude up to {high:.4} (as configured)")
        } else if squares_are_whole {
            format!("amplitude up to {high:.4}: the squares are whole numbers")
        } else {
            format!("interpreted as amplitude up to {high:.4} (ambiguous)")
        },
    )
}

/// Judges (n, N, N) amplitudes: empty patterns, centering (of far-field patterns), saturation.
/// `rows` are their indices in the file, `exclude` the patterns left out so far; `centered` is the verdict on their center, if
/// there is one from the stored patterns. `stored` gives the value in the file of an amplitude, if every pixel is one of the
/// file.
pub(super) fn patterns(
    patterns: &Array3<f32>,
    rows: &[usize],
    exclude: &str,
    (centered, fit): (Option<Verdict>, &Fit),
    stored: Option<&dyn Fn(f32) -> f64>,
    verdicts: &mut Vec<Verdict>,
) {
    let count = patterns.len_of(Axis(0));
    let peaks: Vec<f32> =
        patterns.axis_iter(Axis(0)).into_par_iter().map(|p| p.iter().copied().fold(0.0, f32::max)).collect();
    let empty = peaks.iter().filter(|&&peak| peak <= 0.0).count();
    let first_empty = peaks.iter().position(|&peak| peak <= 0.0).unwrap_or(0);
    verdicts.push(if empty == count {
        Verdict::fail("empty patterns", format!("All {count} patterns are zero everywhere"))
            .expected("patterns with signal")
            .advice("Check that the correct detector frames were exported")
    } else if empty > 0 {
        Verdict::warn(
            "empty patterns",
            format!("{empty} of {count} patterns are zero everywhere, first pattern {first_empty}"),
        )
        .expected("patterns with signal")
        .advice("Leave them out with --exclude auto; they bias the object toward zero")
    } else {
        Verdict::pass("empty patterns", format!("all {count} patterns have signal"))
    });
    if empty == count {
        return;
    }
    if !fit.near_field {
        verdicts.push(centered.unwrap_or_else(|| centering(&mean_intensity(patterns))));
    }
    verdicts.push(outlying(patterns, rows, exclude));
    verdicts.push(saturation(patterns, peaks.iter().copied().fold(0.0, f32::max), stored));
}

/// Judges the total counts of the patterns: empty ones and outliers.
fn outlying(patterns: &Array3<f32>, rows: &[usize], exclude: &str) -> Verdict {
    const CHECK: &str = "unusual patterns";
    let totals: Vec<f64> = patterns
        .axis_iter(Axis(0))
        .into_par_iter()
        .map(|pattern| pattern.iter().map(|&value| f64::from(value) * f64::from(value)).sum())
        .collect();
    let found: BTreeSet<usize> =
        exclusion::outliers(&totals).into_iter().filter_map(|at| rows.get(at).copied()).collect();
    if found.is_empty() {
        return Verdict::pass(CHECK, "the total counts of all patterns are similar");
    }
    let text = exclusion::text_of(&found);
    Verdict::warn(
        CHECK,
        format!("{} of {} patterns are far brighter or darker than the others: {text}", found.len(), rows.len()),
    )
    .expected("similar total counts")
    .advice(format!("Leave them out with --exclude auto, or --exclude {text}"))
    .fixes([exclusion::fix(exclude, &found)])
}

/// True if the zero frequency of the mean pattern (h, w) is stored at the corner rather than at the center.
pub(super) fn is_at_corner(mean: &Array2<f64>) -> bool {
    let (h, w) = mean.dim();
    let (total, quarter) = (mean.sum(), [h / 4, w / 4]);
    if total <= 0.0 || h < 8 || w < 8 {
        return false;
    }
    let is_outer = |at: usize, length: usize, quarter: usize| at < quarter || at >= length - quarter;
    let (mut corners, mut central) = (0.0, 0.0);
    for ((y, x), value) in mean.indexed_iter() {
        match (is_outer(y, h, quarter[0]), is_outer(x, w, quarter[1])) {
            (true, true) => corners += value,
            (false, false) => central += value,
            _ => {}
        }
    }
    // Shifted, the beam has to be near the center.
    let at = |along: usize, length: usize| if along < length / 2 { along as f64 } else { along as f64 - length as f64 };
    let moment = mean
        .indexed_iter()
        .fold([0.0; 2], |sum, ((y, x), value)| [sum[0] + at(x, w) * value, sum[1] + at(y, h) * value]);
    let off = (moment[0] / total / w as f64).hypot(moment[1] / total / h as f64);
    corners > 0.5 * total && corners > 2.0 * central && off < 0.125
}

/// (N, N) mean of the squared amplitude; the order of summation does not depend on the number of threads.
fn mean_intensity(patterns: &Array3<f32>) -> Array2<f64> {
    let (count, h, w) = patterns.dim();
    let blocks: Vec<Array2<f64>> = patterns
        .axis_chunks_iter(Axis(0), 64)
        .into_par_iter()
        .map(|block| {
            let mut sum = Array2::zeros((h, w));
            for pattern in block.axis_iter(Axis(0)) {
                Zip::from(&mut sum).and(pattern).for_each(|sum, &value| {
                    *sum += if value.is_finite() { f64::from(value) * f64::from(value) } else { 0.0 };
                });
            }
            sum
        })
        .collect();
    let mut mean = Array2::zeros((h, w));
    blocks.iter().for_each(|block| mean += block);
    mean / count.max(1) as f64
}

/// Judges whether the direct beam is at the center of the mean pattern.
fn centering(mean: &Array2<f64>) -> Verdict {
    const CHECK: &str = "centering";
    let n = mean.nrows();
    let expected = format!("the direct beam at index ({0}, {0})", n / 2);
    let total = mean.sum();
    let (quarter, three) = (n / 4, n - n / 4);
    let central = mean.slice(s![quarter..three, quarter..three]).sum() / total;
    let corner_rows = |rows: std::ops::Range<usize>| {
        mean.slice(s![rows.clone(), ..quarter]).sum() + mean.slice(s![rows, three..]).sum()
    };
    let corners = (corner_rows(0..quarter) + corner_rows(three..n)) / total;
    // A hollow cone (zone plate with central stop) fills neither: require a clear majority in the corners.
    if corners > 0.5 && corners > 2.0 * central {
        return Verdict::warn(
            CHECK,
            format!(
                "The corners hold {:.0} % of the mean pattern, the center {:.0} %",
                corners * 100.0,
                central * 100.0
            ),
        )
        .expected(expected)
        .advice("The zero frequency is probably in the corner: --set data.zero_frequency=corner")
        .fixes([Fix::new("Shift the zero frequency to the center", [("data.zero_frequency", "corner".to_owned())])]);
    }
    let moment = |along: fn((usize, usize)) -> usize| {
        mean.indexed_iter().map(|(at, &value)| along(at) as f64 * value).sum::<f64>() / total - (n / 2) as f64
    };
    let (dx, dy) = (moment(|at| at.1), moment(|at| at.0));
    if dx.hypot(dy) > n as f64 / 8.0 {
        return Verdict::warn(
            CHECK,
            format!("The center of mass of the mean pattern is off by ({dx:+.1}, {dy:+.1}) px (x, y)"),
        )
        .expected(expected)
        .advice(
            "Center the patterns on the direct beam with --center auto; an offset causes a phase ramp in the object",
        )
        .fixes([Fix::new("Center on the direct beam", [("data.center", "auto".to_owned())])]);
    }
    Verdict::pass(CHECK, format!("center of mass of the mean pattern ({dx:+.1}, {dy:+.1}) px from N/2 (x, y)"))
}

/// Judges saturation: many pixels at exactly the largest value and few just below it suggest a detector limit.
fn saturation(patterns: &Array3<f32>, high: f32, stored: Option<&dyn Fn(f32) -> f64>) -> Verdict {
    const CHECK: &str = "saturation";
    let each: Vec<(usize, usize)> = patterns
        .axis_iter(Axis(0))
        .into_par_iter()
        .map(|pattern| {
            let at = pattern.iter().filter(|&&value| value == high).count();
            let below = pattern.iter().filter(|&&value| value >= 0.9 * high && value < high).count();
            (at, below)
        })
        .collect();
    let (at, below) = each.iter().fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1));
    let several = each.iter().filter(|one| one.0 > 0).count();
    if at >= 10 && at > below && high * high > 50.0 && several > 1 {
        let verdict = Verdict::warn(
            CHECK,
            format!("{at} pixels in {several} patterns have exactly the largest amplitude {high}"),
        )
        .expected("a maximum reached by few pixels");
        let Some(limit) = stored.map(|stored| stored(high).to_string()) else {
            return verdict
                .advice("The detector may be saturated: mask these pixels with --saturation LIMIT, in stored units");
        };
        return verdict
            .advice(format!(
                "The detector may be saturated: mask these pixels in their patterns with --saturation {limit}"
            ))
            .fixes([Fix::new("Mask saturated pixels", [("data.saturation", limit)])]);
    }
    Verdict::pass(CHECK, format!("{at} pixels reach the largest amplitude {high:.4}"))
}

/// What to do about positions that do not fit the geometry.
const ONE_IS_WRONG: &str = "One of these is wrong, or the unit of the positions: check energy, distance and detector pixel \
                            (--set data.geometry.energy_ev=…, distance_m, detector_pixel_m) and data.mapping.position_unit";

/// Judges the scan: extent, duplicates, overlap. `origin` says where the size of an object pixel comes from, if positions were
/// converted with it.
pub(super) fn scan(
    positions: &[[f64; 2]],
    size: Option<usize>,
    probe: Option<&Array3<Complex32>>,
    origin: Option<&str>,
    verdicts: &mut Vec<Verdict>,
) {
    let span = |axis: usize| {
        let values = positions.iter().map(|p| p[axis]);
        values.clone().fold(f64::NEG_INFINITY, f64::max) - values.fold(f64::INFINITY, f64::min)
    };
    let (width, height) = (span(0), span(1));
    let extent = format!("{width:.4} × {height:.4} px (x, y)");
    let in_pixels = "convert positions to object pixels by dividing them by the object pixel size";
    let step = median(&NeighborIndex::new(positions).nearest_distances()).unwrap_or(f64::INFINITY);
    if positions.len() > 1 && (width.max(height) < MIN_EXTENT_PX || (step > 0.0 && step < MIN_STEP_PX)) {
        let small = format!("The scan covers only {width:.3e} × {height:.3e} px (x, y), in steps of {step:.1e} px");
        let verdict = match origin {
            Some(origin) => {
                Verdict::fail("scan extent", format!("{small}; an object pixel follows from {origin}")).advice(ONE_IS_WRONG)
            }
            None => Verdict::fail("scan extent", small).advice(format!(
                "They may be in meters or micrometers: state the unit with --set data.mapping.position_unit=m, mm, um or nm, \
                 or {in_pixels}"
            )),
        };
        verdicts.push(verdict.expected("steps of a few pixels"));
        return;
    }
    if width.max(height) > MAX_EXTENT_PX {
        let large = format!("The scan covers {width:.4e} × {height:.4e} px (x, y)");
        let verdict = match origin {
            Some(origin) => Verdict::fail("scan extent", format!("{large}; an object pixel follows from {origin}"))
                .advice(ONE_IS_WRONG),
            None => Verdict::fail("scan extent", large).advice(format!("They may be in nanometers; {in_pixels}")),
        };
        verdicts.push(verdict.expected(format!("at most {MAX_EXTENT_PX} px")));
        return;
    }
    let farthest = positions.iter().flatten().fold(0.0, |most: f64, at| most.max(at.abs()));
    if farthest > MAX_DISTANCE_PX {
        verdicts.push(
            Verdict::fail("scan extent", format!("The scan is {farthest:.3e} px from the origin"))
                .expected(format!("at most {MAX_DISTANCE_PX:e} px, to resolve fractions of a pixel"))
                .advice("Subtract the offset of the stage from all positions"),
        );
        return;
    }
    verdicts.push(Verdict::pass("scan extent", extent));
    let repeated = duplicates(positions);
    verdicts.push(if repeated > 0 {
        Verdict::warn(
            "duplicate positions",
            format!("{repeated} of {} positions repeat an earlier one", positions.len()),
        )
        .expected("distinct positions")
        .advice("Ignore this if they were measured repeatedly; otherwise check the export of the positions")
    } else {
        Verdict::pass("duplicate positions", "none")
    });
    if let (Some(probe), Some(_)) = (probe, size) {
        verdicts.extend(overlap(positions, probe));
    }
}

/// Number of positions that repeat an earlier one.
fn duplicates(positions: &[[f64; 2]]) -> usize {
    // Adding 0.0 turns -0.0 into 0.0.
    let distinct: BTreeSet<[u64; 2]> = positions.iter().map(|p| p.map(|v| (v + 0.0).to_bits())).collect();
    positions.len() - distinct.len()
}

/// Linear overlap of nearest neighbors at their median distance; `None` for a single position or a probe without energy.
fn overlap(positions: &[[f64; 2]], probe: &Array3<Complex32>) -> Option<Verdict> {
    const CHECK: &str = "overlap";
    let diameter = probe_diameter(probe.view());
    if diameter <= 0.0 {
        return None;
    }
    let distance = median(&NeighborIndex::new(positions).nearest_distances())?;
    let overlap = linear_overlap(distance, diameter);
    let found = format!(
        "median nearest-neighbor distance {distance:.2} px, effective probe diameter {diameter:.1} px: overlap {:.0} %",
        overlap.max(0.0) * 100.0
    );
    Some(if overlap < MIN_LINEAR_OVERLAP {
        Verdict::warn(CHECK, found)
            .expected(format!("at least {:.0} %", MIN_LINEAR_OVERLAP * 100.0))
            .advice("Expect scan-grid artifacts; check the unit of the positions, and the geometry if they are lengths")
    } else {
        Verdict::pass(CHECK, found)
    })
}

/// Judges whether all patch centers, and all patches, are inside the (H, W) object.
pub(super) fn inside(dim: (usize, usize), positions: &[[f64; 2]], size: usize) -> Verdict {
    const CHECK: &str = "positions inside the object";
    let (height, width) = (dim.0 as f64, dim.1 as f64);
    let out = |margin_before: f64, margin_after: f64| {
        positions
            .iter()
            .enumerate()
            .filter(move |(_, [x, y])| {
                let beyond = |v: f64, length: f64| v < margin_before || v > length - 1.0 - margin_after;
                beyond(*x, width) || beyond(*y, height)
            })
            .map(|(at, _)| at)
    };
    let expected =
        format!("centers within 0 … {} (x) and 0 … {} (y)", dim.1.saturating_sub(1), dim.0.saturating_sub(1));
    if let Some(first) = out(0.0, 0.0).next() {
        let [x, y] = positions.get(first).copied().unwrap_or_default();
        return Verdict::fail(
            CHECK,
            format!(
                "{} of {} positions are outside objectGuess, first position {first} at ({x:.1}, {y:.1})",
                out(0.0, 0.0).count(),
                positions.len()
            ),
        )
        .expected(expected)
        .advice("Check the unit and the origin of the positions, and that x is the column; or remove objectGuess");
    }
    let half = (size / 2) as f64;
    let partly = out(half, half - 1.0).count();
    if partly > 0 {
        return Verdict::warn(CHECK, format!("{partly} of {} patches extend beyond objectGuess", positions.len()))
            .expected("patches inside the object")
            .advice("Ignore this if the object was cropped; only the common area is compared");
    }
    Verdict::pass(CHECK, format!("all {} patches are inside {} × {} px", positions.len(), dim.1, dim.0))
}
