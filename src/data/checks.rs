//! Checks of values: of the diffraction patterns and of the scan.

use super::contract::Verdict;
use super::neighbors::NeighborIndex;
use crate::config::DiffractionUnit;
use ndarray::{Array2, Array3, ArrayView2, Axis, Zip, s};
use num_complex::Complex32;
use rayon::prelude::*;
use std::collections::BTreeSet;

/// Amplitudes above this are probably counts (A§1.3: amplitudes are small numbers).
const IMPLAUSIBLE_AMPLITUDE: f64 = 1000.0;
/// Fewest values whose squares can tell that they are roots of counts.
const FEWEST_SQUARES: usize = 100;
/// Least overlap of neighbouring probe positions that is not pointed out.
const LEAST_OVERLAP: f64 = 0.4;
/// Scans larger than this cannot be meant in pixels.
const LARGEST_EXTENT_PX: f64 = 32_768.0;
/// Farther from the origin the fractions of a pixel are lost in the numbers.
const FARTHEST_PX: f64 = 1e9;
/// Scans smaller than this cannot be meant in pixels.
const SMALLEST_EXTENT_PX: f64 = 0.1;

/// What one pattern looks like as stored.
#[derive(Debug, Clone, Copy)]
struct Stored {
    low: f32,
    high: f32,
    not_finite: usize,
    negative: usize,
    whole: bool,
    squares_whole: bool,
    squares_tested: usize,
}

fn stored_of(pattern: ArrayView2<'_, f32>) -> Stored {
    let mut stored = Stored {
        low: f32::INFINITY,
        high: f32::NEG_INFINITY,
        not_finite: 0,
        negative: 0,
        whole: true,
        squares_whole: true,
        squares_tested: 0,
    };
    for &value in pattern {
        if !value.is_finite() {
            stored.not_finite += 1;
            continue;
        }
        stored.low = stored.low.min(value);
        stored.high = stored.high.max(value);
        stored.negative += usize::from(value < 0.0);
        stored.whole &= value == value.round();
        // Above a hundred, rounding to f32 hides whether the square is whole.
        let square = f64::from(value) * f64::from(value);
        if square > 0.0 && square <= 1e4 {
            stored.squares_tested += 1;
            stored.squares_whole &= (square - square.round()).abs() < 5e-3;
        }
    }
    stored
}

/// Judges the values as stored, before any root: finite, not negative, amplitude or counts. Returns their range.
pub(super) fn stored_values(
    patterns: &Array3<f32>,
    is_counts: bool,
    unit: DiffractionUnit,
    dtype: &str,
    is_integer: bool,
    verdicts: &mut Vec<Verdict>,
) -> Option<(f64, f64)> {
    let each: Vec<Stored> = patterns.axis_iter(Axis(0)).into_par_iter().map(stored_of).collect();
    let bad: usize = each.iter().map(|stored| stored.not_finite).sum();
    let first_bad = each.iter().position(|stored| stored.not_finite > 0).unwrap_or(0);
    verdicts.push(if bad > 0 {
        Verdict::fail(
            "finite values",
            format!("{bad} diffraction values are NaN or infinite, first in pattern {first_bad}"),
        )
        .expected("finite numbers")
        .advice("Set masked or dead pixels to zero, and remove patterns that failed")
    } else {
        Verdict::pass("finite values", "all diffraction values are finite")
    });
    let negative: usize = each.iter().map(|stored| stored.negative).sum();
    let low = each.iter().map(|stored| stored.low).fold(f32::INFINITY, f32::min);
    let high = each.iter().map(|stored| stored.high).fold(f32::NEG_INFINITY, f32::max);
    verdicts.push(if negative > 0 {
        Verdict::fail("no negative values", format!("{negative} diffraction values are negative, down to {low}"))
            .expected("amplitudes or counts of at least zero")
            .advice("Set them to zero; detectors mark dead pixels with negative numbers, and background subtraction makes some")
    } else {
        Verdict::pass("no negative values", format!("smallest value {low}"))
    });
    let whole = each.iter().all(|stored| stored.whole);
    let tested: usize = each.iter().map(|stored| stored.squares_tested).sum();
    let squares_whole = tested >= FEWEST_SQUARES && each.iter().all(|stored| stored.squares_whole);
    verdicts.push(unit_verdict(is_counts, unit, dtype, is_integer, whole, squares_whole, f64::from(high)));
    (low <= high).then_some((f64::from(low), f64::from(high)))
}

/// Whether values as stored are counts (true) or their roots (false); none where they do not tell.
pub(super) fn told_unit(values: &[f32]) -> Option<bool> {
    let row = ArrayView2::from_shape((1, values.len()), values).ok()?;
    let stored = stored_of(row);
    if stored.whole && stored.high >= 2.0 {
        return Some(true);
    }
    (stored.squares_tested >= FEWEST_SQUARES && stored.squares_whole).then_some(false)
}

fn unit_verdict(
    is_counts: bool,
    unit: DiffractionUnit,
    dtype: &str,
    is_integer: bool,
    whole: bool,
    squares_whole: bool,
    high: f64,
) -> Verdict {
    const CHECK: &str = "amplitude or counts";
    let amplitude = "amplitude, the square root of counts";
    if is_counts {
        if !is_integer && !whole && squares_whole {
            return Verdict::warn(
                CHECK,
                "Taken as counts as configured, but the squares are whole numbers: amplitudes?",
            )
            .expected("counts")
            .advice("Set diffraction_unit to \"amplitude\" if the root has been taken already");
        }
        let why =
            if unit == DiffractionUnit::Counts { "as configured".to_string() } else { format!("integers, {dtype}") };
        return Verdict::pass(CHECK, format!("counts up to {high} ({why}); the square root is taken"));
    }
    if is_integer {
        return Verdict::warn(CHECK, format!("Integers ({dtype}) up to {high} are taken as amplitude, as configured"))
            .expected(amplitude)
            .advice("Set diffraction_unit to \"auto\" or \"counts\" if these are counts");
    }
    let configured = unit == DiffractionUnit::Amplitude;
    if whole && high >= 2.0 && !configured {
        return Verdict::warn(CHECK, format!("All values are whole numbers up to {high}: this looks like counts"))
            .expected(amplitude)
            .advice("Set diffraction_unit to \"counts\" if the square root has not been taken");
    }
    if high > IMPLAUSIBLE_AMPLITUDE && !configured && !squares_whole {
        return Verdict::warn(CHECK, format!("Values go up to {high:.4e}: this looks like counts"))
            .expected(amplitude)
            .advice("Set diffraction_unit to \"counts\" if the square root has not been taken");
    }
    if configured {
        Verdict::pass(CHECK, format!("amplitude up to {high:.4} (as configured)"))
    } else if squares_whole {
        Verdict::pass(CHECK, format!("amplitude up to {high:.4}: the squares are whole numbers"))
    } else {
        Verdict::pass(CHECK, format!("taken as amplitude, up to {high:.4}; the values do not tell"))
    }
}

/// Judges (n, N, N) amplitudes: empty patterns, centring, saturation.
pub(super) fn patterns(patterns: &Array3<f32>, verdicts: &mut Vec<Verdict>) {
    let count = patterns.len_of(Axis(0));
    let peaks: Vec<f32> =
        patterns.axis_iter(Axis(0)).into_par_iter().map(|p| p.iter().copied().fold(0.0, f32::max)).collect();
    let empty = peaks.iter().filter(|&&peak| peak <= 0.0).count();
    let first_empty = peaks.iter().position(|&peak| peak <= 0.0).unwrap_or(0);
    verdicts.push(if empty == count {
        Verdict::fail("empty patterns", format!("All {count} patterns are zero everywhere"))
            .expected("patterns with signal")
            .advice("Check that the right detector frames were exported")
    } else if empty > 0 {
        Verdict::warn(
            "empty patterns",
            format!("{empty} of {count} patterns are zero everywhere, first pattern {first_empty}"),
        )
        .expected("patterns with signal")
        .advice("Remove them with their positions: they pull the object towards zero")
    } else {
        Verdict::pass("empty patterns", format!("all {count} patterns have signal"))
    });
    if empty == count {
        return;
    }
    verdicts.push(centring(&mean_intensity(patterns)));
    verdicts.push(saturation(patterns, peaks.iter().copied().fold(0.0, f32::max)));
}

/// (N, N) mean of the squared amplitude; the sum has a fixed order, whatever the number of threads.
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

fn centring(mean: &Array2<f64>) -> Verdict {
    const CHECK: &str = "centring";
    let n = mean.nrows();
    let expected = format!("the direct beam at index ({0}, {0})", n / 2);
    let total = mean.sum();
    let (quarter, three) = (n / 4, n - n / 4);
    let central = mean.slice(s![quarter..three, quarter..three]).sum() / total;
    let corner_rows = |rows: std::ops::Range<usize>| {
        mean.slice(s![rows.clone(), ..quarter]).sum() + mean.slice(s![rows, three..]).sum()
    };
    let corners = (corner_rows(0..quarter) + corner_rows(three..n)) / total;
    // A hollow cone (zone plate with central stop) fills neither: only a clear majority in the corners counts.
    if corners > 0.5 && corners > 2.0 * central {
        return Verdict::warn(
            CHECK,
            format!(
                "The corners hold {:.0} % of the mean pattern, its centre {:.0} %",
                corners * 100.0,
                central * 100.0
            ),
        )
        .expected(expected)
        .advice("The zero frequency is probably at the corner: apply fftshift to each pattern");
    }
    let moment = |along: fn((usize, usize)) -> usize| {
        mean.indexed_iter().map(|(at, &value)| along(at) as f64 * value).sum::<f64>() / total - (n / 2) as f64
    };
    let (dx, dy) = (moment(|at| at.1), moment(|at| at.0));
    if dx.hypot(dy) > n as f64 / 8.0 {
        return Verdict::warn(
            CHECK,
            format!("The centre of mass of the mean pattern is ({dx:+.1}, {dy:+.1}) px off (x, y)"),
        )
        .expected(expected)
        .advice("Crop the patterns around the direct beam; an offset becomes a phase ramp of the object");
    }
    Verdict::pass(CHECK, format!("centre of mass of the mean pattern ({dx:+.1}, {dy:+.1}) px from N/2 (x, y)"))
}

/// Many pixels at exactly the largest value, and few just below it, hint at a detector limit.
fn saturation(patterns: &Array3<f32>, high: f32) -> Verdict {
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
        return Verdict::warn(
            CHECK,
            format!("{at} pixels in {several} patterns have exactly the largest amplitude {high}"),
        )
        .expected("a largest value that few pixels reach")
        .advice("The detector may have been saturated: use an attenuator or a beam stop, or mask these pixels");
    }
    Verdict::pass(CHECK, format!("{at} pixels reach the largest amplitude {high:.4}"))
}

/// Judges the scan: extent, duplicates, overlap.
pub(super) fn scan(
    positions: &[[f64; 2]],
    size: Option<usize>,
    probe: Option<&Array3<Complex32>>,
    verdicts: &mut Vec<Verdict>,
) {
    let span = |axis: usize| {
        let values = positions.iter().map(|p| p[axis]);
        values.clone().fold(f64::NEG_INFINITY, f64::max) - values.fold(f64::INFINITY, f64::min)
    };
    let (width, height) = (span(0), span(1));
    let extent = format!("{width:.4} × {height:.4} px (x, y)");
    let in_pixels = "positions in object pixels: divide them by the pixel size of the object";
    if positions.len() > 1 && width.max(height) < SMALLEST_EXTENT_PX {
        verdicts.push(
            Verdict::fail("scan extent", format!("The scan covers {:.3e} × {:.3e} px (x, y)", width, height))
                .expected("steps of a few pixels")
                .advice(format!("They may be in metres; give {in_pixels}")),
        );
        return;
    }
    if width.max(height) > LARGEST_EXTENT_PX {
        verdicts.push(
            Verdict::fail("scan extent", format!("The scan covers {width:.4e} × {height:.4e} px (x, y)"))
                .expected(format!("at most {LARGEST_EXTENT_PX} px"))
                .advice(format!("They may be in nanometres; give {in_pixels}")),
        );
        return;
    }
    let farthest = positions.iter().flatten().fold(0.0, |most: f64, at| most.max(at.abs()));
    if farthest > FARTHEST_PX {
        verdicts.push(
            Verdict::fail("scan extent", format!("The scan lies {farthest:.3e} px from the origin"))
                .expected(format!("at most {FARTHEST_PX:e} px, so that fractions of a pixel count"))
                .advice("Subtract the offset of the stage from all positions"),
        );
        return;
    }
    verdicts.push(Verdict::pass("scan extent", extent));
    let twice = duplicates(positions);
    verdicts.push(if twice > 0 {
        Verdict::warn("duplicate positions", format!("{twice} of {} positions occur more than once", positions.len()))
            .expected("every position once")
            .advice("Fine if they were measured twice; otherwise check the export of the positions")
    } else {
        Verdict::pass("duplicate positions", "none")
    });
    if let (Some(probe), Some(_)) = (probe, size) {
        verdicts.extend(overlap(positions, probe));
    }
}

/// Number of positions that occur earlier already.
fn duplicates(positions: &[[f64; 2]]) -> usize {
    // -0.0 is 0.0.
    let distinct: BTreeSet<[u64; 2]> = positions.iter().map(|p| p.map(|v| (v + 0.0).to_bits())).collect();
    positions.len() - distinct.len()
}

/// Overlap of nearest neighbours, 1 - distance / diameter, from the median distance and the diameter of a disk with
/// the probe's effective area (Σ|P|²)² / Σ|P|⁴.
fn overlap(positions: &[[f64; 2]], probe: &Array3<Complex32>) -> Option<Verdict> {
    const CHECK: &str = "overlap";
    let intensity = probe.map_axis(Axis(0), |modes| modes.iter().map(|v| f64::from(v.norm_sqr())).sum::<f64>());
    let (sum, squares) = intensity.iter().fold((0.0, 0.0), |sum, v| (sum.0 + v, sum.1 + v * v));
    let diameter = 2.0 * (sum * sum / squares / std::f64::consts::PI).sqrt();
    let mut distances = NeighborIndex::new(positions).nearest_distances();
    if distances.is_empty() || !diameter.is_finite() {
        return None;
    }
    distances.sort_by(f64::total_cmp);
    let distance = distances[distances.len() / 2];
    let share = 1.0 - distance / diameter;
    let found = format!(
        "median distance to the nearest position {distance:.2} px, effective probe diameter {diameter:.1} px: overlap {:.0} %",
        share.max(0.0) * 100.0
    );
    Some(if share < LEAST_OVERLAP {
        Verdict::warn(CHECK, found)
            .expected(format!("at least {:.0} %", LEAST_OVERLAP * 100.0))
            .advice("Expect artefacts of the scan grid; check that the positions are in object pixels")
    } else {
        Verdict::pass(CHECK, found)
    })
}

/// Judges whether every patch centre lies in the (H, W) object, and every patch.
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
        format!("centres within 0 … {} (x) and 0 … {} (y)", dim.1.saturating_sub(1), dim.0.saturating_sub(1));
    if let Some(first) = out(0.0, 0.0).next() {
        let [x, y] = positions.get(first).copied().unwrap_or_default();
        return Verdict::fail(
            CHECK,
            format!(
                "{} of {} positions lie outside objectGuess, the first is position {first} at ({x:.1}, {y:.1})",
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
        return Verdict::warn(
            CHECK,
            format!("{partly} of {} patches reach beyond the edge of objectGuess", positions.len()),
        )
        .expected("patches inside the object")
        .advice("Fine if the object was cropped; it is compared only where both exist");
    }
    Verdict::pass(CHECK, format!("all {} patches lie inside {} × {} px", positions.len(), dim.1, dim.0))
}
