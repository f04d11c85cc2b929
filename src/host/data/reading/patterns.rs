//! Reading of the patterns in blocks: cleaning, cropping and binning, checks, conversion to amplitude.

use super::context::{Reading, Selection};
use super::correction::{Correction, judge_background};
use super::fit::{Fit, LARGEST_USUAL, SMALLEST, options_text, size_options};
use super::layout::{Frames, Layout, cube_verdict, layout_of_cube};
use super::limits::{Clipped, Limits, MARKS};
use super::read::fit_of;
use super::role_keys::Roles;
use super::source::Source;
use super::training_folder::is_export;
use super::verdict::{Status, Verdict};
use super::{center, checks, exclusion, mask, zingers};
use crate::config::{DiffractionUnit, ZeroFrequency};
use crate::data::inpaint::inpaint;
use crate::data::sampling::random::subsample;
use crate::error::Error;
use crate::metrics::{GoodPixels, PatternMasks};
use ndarray::{Array2, Array3, ArrayD, Axis, IxDyn, Zip, s};
use std::collections::BTreeSet;
use std::ops::Range;

/// Most f32 values of the patterns that are read for an inspection of an HDF5 or large NPZ file.
const INSPECTED_VALUES: usize = 1 << 26;
/// Length of the runs of consecutive patterns in a sample: scattered reads are slow.
const RUN: usize = 16;
/// Number of patterns from which the unit and the place of the zero frequency are judged.
const SAMPLE: usize = 32;
/// Most patterns for which it is looked up whether they were written.
const MAX_UNWRITTEN: usize = 10_000;

const DATA_CHECK: &str = "diffraction data";

/// The patterns that were read.
pub(super) struct Patterns {
    /// (k, N, N) amplitude; masked pixels hold an estimate.
    pub diffraction: Array3<f32>,
    /// Indices of the patterns read among those that are used, ascending.
    pub rows: Vec<usize>,
    /// (N, N), true = good.
    pub mask: Option<Array2<bool>>,
    /// Bad pixels of single patterns.
    pub pattern_masks: Option<PatternMasks>,
    /// (N, N) intensity in every pattern besides the diffraction of the object.
    pub background: Option<Array2<f32>>,
    pub fit: Fit,
}

/// Reads, checks and converts the selected patterns.
pub(super) fn read_patterns(
    reading: &mut Reading,
    roles: &Roles,
    frames: &mut Frames,
    selection: Selection,
) -> Option<Patterns> {
    let config = reading.config;
    let fit = fit_of(roles, frames, config).ok()?;
    if fit.size == 0 {
        judge_size(reading, &fit, frames, false);
        return None;
    }
    let axis = axis_of(reading, frames)?;
    let rows = select(reading, frames, &fit, selection);
    let stored_rows = frames.stored_rows(&rows);
    let sample = sample(reading, frames, axis, &stored_rows)?;
    let meaning = meaning_of(reading, roles, frames, &sample)?;
    let (mean, measured) = mean_intensity(frames, &sample, meaning.is_counts);
    frames.is_shifted = !fit.near_field && is_shifted(reading, &mean);
    let frames = &*frames;
    let measured = mask::common(reading, roles, frames).map_or(measured.clone(), |good| good & measured);
    let (fit, centering) = center::fit_around(reading, frames, fit, (&mean, &measured))?;
    let is_plain = fit.is_plain(frames.height, frames.width);
    judge_size(reading, &fit, frames, is_plain);
    let mut masks = mask::read(reading, roles, frames, &fit, &stored_rows);
    let correction = Correction::read(reading, roles, frames, &fit, &mut masks, meaning.is_counts)?;
    if !fits_into_memory(rows.len(), &fit) {
        reading.judge(
            Verdict::fail(
                DATA_CHECK,
                format!("{} patterns of {1} × {1} pixels do not fit into memory", rows.len(), fit.size),
            )
            .expected("patterns that fit into memory")
            .advice("Use fewer patterns with --n-subsample, or smaller ones with --crop or --bin"),
        );
        return None;
    }
    let Meaning { is_counts, ref reason } = meaning;
    let mut limits = Limits::new(is_counts, frames, config.saturation, &fit, rows.len());
    let conversion = Conversion { fit: &fit, axis, is_counts, correction: &correction };
    let mut clipped = Clipped::default();
    let result = read_values(reading.source, frames, &stored_rows, &conversion, (&mut limits, &mut clipped));
    let mut diffraction = reading.or_fail(DATA_CHECK, result)?;
    judge_unwritten(reading, frames, &limits.constant)?;
    if axis == 2 {
        reading.note(format!("Patterns transposed from (h, w, n) {} to (n, h, w)", frames.info.shape_text()));
    }
    limits.add_to(&mut masks, reading);
    clipped.report("the dark field is higher there", reading);
    let (mask, mut pattern_masks) = masks.finish(&fit, reading);
    if mask.as_ref().is_some_and(|mask| mask.iter().all(|good| !good)) {
        return None;
    }
    clear(&mut diffraction, GoodPixels { common: mask.as_ref(), each: pattern_masks.as_ref() });
    let interpretation =
        checks::Interpretation { is_counts, reason, unit: config.diffraction_unit, info: &frames.info };
    let range = checks::stored_values(&diffraction, &interpretation, &mut reading.verdicts);
    let is_whole = is_plain
        && mask.is_none()
        && pattern_masks.is_none()
        && correction.is_none()
        && rows.len() == frames.count
        && frames.kept.is_none()
        && frames.parts.len() == 1;
    if let Some((low, high)) = range.filter(|_| is_whole) {
        reading.diffraction_range = Some((frames.info.key.clone(), low, high));
    }
    if is_counts {
        diffraction.par_mapv_inplace(|value| value.max(0.0).sqrt());
        reading.note(format!("Diffraction interpreted as counts ({reason}); square root taken"));
    } else {
        reading.note(format!("Diffraction interpreted as amplitude ({reason})"));
    }
    let good = GoodPixels { common: mask.as_ref(), each: pattern_masks.as_ref() };
    pattern_masks = PatternMasks::union(zingers::judge(&diffraction, good, reading), pattern_masks);
    let good = GoodPixels { common: mask.as_ref(), each: pattern_masks.as_ref() };
    mask::judge_patterns(good, fit.size, &stored_rows, reading);
    inpaint(&mut diffraction, good);
    let stored = |amplitude: f32| stored_limit(amplitude.into(), is_counts, frames.info.integer);
    let stored: Option<&dyn Fn(f32) -> f64> = if fit.bin == 1 && correction.is_none() { Some(&stored) } else { None };
    let centering = centering.filter(|verdict| !is_plain || verdict.status != Status::Pass);
    let verdicts = &mut reading.verdicts;
    checks::patterns(&diffraction, &stored_rows, &config.exclude, (centering, &fit), stored, verdicts);
    let background = correction.background(&fit).inspect(|one| judge_background(one, &diffraction, reading));
    Some(Patterns { diffraction, rows, mask, pattern_masks, background, fit })
}

/// Stored value of an amplitude as a limit: for numbers that are not whole just below it, so that rounding does not matter.
fn stored_limit(amplitude: f64, is_counts: bool, is_whole: bool) -> f64 {
    let value = if is_counts { amplitude * amplitude } else { amplitude };
    if is_counts && is_whole { value.round() } else { value * (1.0 - 1e-6) }
}

/// Some patterns as stored, (k, h, w), spread over those that are read.
fn sample(reading: &mut Reading, frames: &Frames, axis: usize, rows: &[usize]) -> Option<Array3<f32>> {
    let chosen: Vec<usize> = rows.iter().step_by(rows.len().div_ceil(SAMPLE).max(1)).copied().collect();
    let mut found: Vec<f32> = Vec::new();
    for (key, first, length) in &frames.parts {
        let local: Vec<usize> =
            chosen.iter().filter_map(|row| row.checked_sub(*first).filter(|at| at < length)).collect();
        if local.is_empty() {
            continue;
        }
        let whole = [0..frames.height, 0..frames.width];
        let result = reading.source.for_blocks(key, axis, &local, whole, |_, block| {
            found.extend(block.iter());
            Ok(())
        });
        reading.or_fail(DATA_CHECK, result)?;
    }
    let count = found.len() / (frames.height * frames.width).max(1);
    Array3::from_shape_vec((count, frames.height, frames.width), found).ok()
}

/// Physical meaning of the stored values.
struct Meaning {
    is_counts: bool,
    /// Reason, for people.
    reason: String,
}

/// Whether the values are counts or amplitudes: as configured, as the format defines it, or by their type and values. `None`
/// with a failed verdict if that is not clear.
///
/// The rule for `auto`: CXI, PtyPy and Ptychodus files hold counts, whatever their type, and integers are counts. In an NPZ
/// dataset, and in HDF5 files with its keys, floating-point numbers are amplitudes. In any other file their values decide:
/// whole numbers are counts, roots of whole numbers amplitudes; everything else has to be configured.
fn meaning_of(reading: &mut Reading, roles: &Roles, frames: &Frames, sample: &Array3<f32>) -> Option<Meaning> {
    let meaning = |is_counts: bool, reason: String| Some(Meaning { is_counts, reason });
    let dtype = &frames.info.dtype;
    match reading.config.diffraction_unit {
        DiffractionUnit::Counts => return meaning(true, "as configured".into()),
        DiffractionUnit::Amplitude => return meaning(false, "as configured".into()),
        DiffractionUnit::Auto => {}
    }
    if frames.info.integer {
        return meaning(true, format!("integers ({dtype})"));
    }
    if roles.holds_counts {
        return meaning(true, format!("{dtype}; as a {} defines it", roles.format));
    }
    let has_rule =
        matches!(roles.format, "NumPy dataset" | "HDF5 dataset") && reading.config.mapping.diffraction.is_empty();
    if has_rule && !is_export(reading.source.path()) {
        return meaning(false, format!("floating-point numbers ({dtype})"));
    }
    let values: Vec<f32> = sample.iter().copied().collect();
    match checks::infer_is_counts(&values) {
        Some(true) => meaning(true, "all values are whole numbers; override with diffraction_unit".into()),
        Some(false) => meaning(false, "the squares of all values are whole numbers".into()),
        None if has_rule || !matches!(reading.source, Source::Npz(_)) || is_export(reading.source.path()) => {
            reading.judge(
                Verdict::fail(checks::UNIT_CHECK, "The values may be counts or amplitudes")
                    .expected("a configured unit: the file does not state whether the square root was taken")
                    .advice("Set diffraction_unit to \"counts\" (intensities) or to \"amplitude\" (--diffraction-unit counts)")
                    .fixes([DiffractionUnit::Counts, DiffractionUnit::Amplitude].map(checks::unit_fix)),
            );
            None
        }
        None => meaning(false, format!("floating-point numbers ({dtype})")),
    }
}

/// Mean intensity (h, w) of some patterns as stored, without invalid values, and the pixels that have a valid value in any.
fn mean_intensity(frames: &Frames, sample: &Array3<f32>, is_counts: bool) -> (Array2<f64>, Array2<bool>) {
    let size = (frames.height, frames.width);
    let (mut mean, mut measured) = (Array2::<f64>::zeros(size), Array2::from_elem(size, false));
    for pattern in sample.axis_iter(Axis(0)) {
        Zip::from(&mut mean).and(&mut measured).and(pattern).for_each(|mean, measured, &value| {
            *measured |= value.is_finite() && frames.info.invalid != Some(value) && !MARKS.contains(&value);
            if frames.info.is_signal(value) {
                *mean += if is_counts { f64::from(value) } else { f64::from(value) * f64::from(value) };
            }
        });
    }
    (mean, measured)
}

/// True if the patterns have their zero frequency at the corner: as configured, or judged from their mean.
fn is_shifted(reading: &mut Reading, mean: &Array2<f64>) -> bool {
    match reading.config.zero_frequency {
        ZeroFrequency::Center => false,
        ZeroFrequency::Corner => {
            reading.note("The zero frequency was shifted from the corner to the center of the patterns, as configured");
            true
        }
        ZeroFrequency::Auto => {
            let is_shifted = checks::is_at_corner(mean);
            if is_shifted {
                reading.note(
                    "The zero frequency is at the corner of the patterns; it was shifted to the center (fftshift; set \
                     data.zero_frequency to \"center\" if this is wrong)",
                );
            }
            is_shifted
        }
    }
}

/// Judges patterns that hold the same value everywhere: they may never have been written to the file.
fn judge_unwritten(reading: &mut Reading, frames: &Frames, constant: &[(usize, bool)]) -> Option<()> {
    let is_unwritten = |row: usize| {
        let part = frames.parts.iter().find(|(_, first, length)| (*first..first + length).contains(&row));
        part.is_some_and(|(key, first, _)| reading.source.was_never_written(key, row - first))
    };
    let unwritten: BTreeSet<usize> = constant
        .iter()
        .take(MAX_UNWRITTEN)
        .filter(|(row, is_invalid)| *is_invalid || is_unwritten(*row))
        .map(|(row, _)| *row)
        .collect();
    if unwritten.is_empty() {
        return Some(());
    }
    let text = exclusion::text_of(&unwritten);
    reading.judge(
        Verdict::fail(
            "unwritten patterns",
            format!(
                "{} patterns were never written to the file, or hold only marks of invalid pixels: {text}",
                unwritten.len()
            ),
        )
        .expected("patterns that were measured; the scan was probably aborted, or the file copied too early")
        .advice(format!("Leave them out with --exclude auto, or --exclude {text}"))
        .fixes([exclusion::fix(&reading.config.exclude, &unwritten)]),
    );
    None
}

/// Judges the size of the finished patterns and notes how it was obtained.
fn judge_size(reading: &mut Reading, fit: &Fit, frames: &Frames, is_plain: bool) {
    const CHECK: &str = "pattern size";
    let size = fit.size;
    reading.judge(Verdict::pass(
        "square patterns",
        if is_plain {
            format!("{size} × {size} pixels")
        } else {
            format!("{size} × {size} pixels, from {} × {}", frames.height, frames.width)
        },
    ));
    reading.judge(if size < SMALLEST || size % 2 == 1 {
        Verdict::fail(CHECK, format!("The patterns have {size} × {size} pixels"))
            .expected(format!("an even size of at least {SMALLEST}"))
            .advice("Choose another size with --crop, --bin or --pad")
    } else if size > LARGEST_USUAL {
        let options = size_options(frames.height, frames.width);
        Verdict::warn(CHECK, format!("The patterns are large, N = {size}: the reconstruction takes long"))
            .expected(format!("N up to {LARGEST_USUAL}"))
            .advice(format!(
                "Crop or bin patterns and probe on reading (the direct beam stays at N/2): {}",
                options_text(&options)
            ))
            .fixes(options.iter().map(|(option, _)| option.fix()))
    } else {
        Verdict::pass(CHECK, format!("N = {size}"))
    });
    if !is_plain {
        reading.note(format!(
            "Patterns of {} × {} pixels: rows {}, columns {} used, {} × {} pixels summed{}; N = {}",
            frames.height,
            frames.width,
            span(&fit.window[0]),
            span(&fit.window[1]),
            fit.bin,
            fit.bin,
            match fit.inner {
                [rows, columns] if rows == fit.size && columns == fit.size => String::new(),
                [rows, columns] if fit.has_unknown_border() => {
                    format!(", padded from {rows} × {columns}, with masked pixels where nothing was measured")
                }
                [rows, columns] => format!(", padded from {rows} × {columns} with zeros"),
            },
            fit.size
        ));
    }
}

/// First and last index.
fn span(range: &Range<usize>) -> String {
    format!("{}-{}", range.start, range.end.saturating_sub(1))
}

/// Axis of the patterns; three axes of equal length are distinguished by their values.
fn axis_of(reading: &mut Reading, frames: &Frames) -> Option<usize> {
    if frames.layout != Layout::Cube {
        return Some(frames.axis());
    }
    let Source::Npz(_) = reading.source else {
        reading.judge(Verdict::pass("axis order", "(n, h, w), the order of HDF5 files"));
        return Some(0);
    };
    let result = reading.source.read_f32(&frames.info.key);
    let stored = reading.or_fail(DATA_CHECK, result)?;
    let stored = stored.into_shape_with_order(IxDyn(&[frames.count, frames.height, frames.width])).ok()?;
    let (found, verdict) = cube_verdict(&frames.info.key, layout_of_cube(&stored), &frames.info.shape);
    reading.judge(verdict);
    Some(if found? == Layout::Last { 2 } else { 0 })
}

fn fits_into_memory(count: usize, fit: &Fit) -> bool {
    count.checked_mul(fit.size * fit.size).is_some_and(|count| {
        let mut attempt: Vec<f32> = Vec::new();
        attempt.try_reserve_exact(count).is_ok()
    })
}

/// Conversion of stored to finished patterns.
struct Conversion<'a> {
    fit: &'a Fit,
    /// Axis of the patterns.
    axis: usize,
    is_counts: bool,
    correction: &'a Correction,
}

/// The patterns with these indices in the file, (k, N, N) in the unit of the file, cropped, binned and padded.
fn read_values(
    source: &mut Source,
    frames: &Frames,
    rows: &[usize],
    conversion: &Conversion,
    (limits, clipped): (&mut Limits, &mut Clipped),
) -> Result<Array3<f32>, Error> {
    let fit = conversion.fit;
    let shape = (rows.len(), fit.size, fit.size);
    let whole = [0..frames.height, 0..frames.width];
    let window = if frames.is_shifted { whole } else { fit.window.clone() };
    let mut diffraction: Option<Array3<f32>> = None;
    let mut done = 0;
    for (key, first, length) in &frames.parts {
        let local: Vec<usize> =
            rows.iter().filter(|&&row| row >= *first && row < first + length).map(|row| row - first).collect();
        if local.is_empty() {
            continue;
        }
        source.for_blocks(key, conversion.axis, &local, window.clone(), |at, mut block| {
            if frames.is_shifted {
                block = shifted(&block, fit);
            }
            limits.mark(&mut block, done + at, &rows[done + at..]);
            conversion.correction.apply(&mut block, clipped);
            let finished = fit.patterns(block, conversion.is_counts);
            let finished = finished.ok_or_else(|| Error::failed("The block does not have three axes"))?;
            let (start, count) = (done + at, finished.dim().0);
            if count == rows.len() {
                // All patterns in one block: no copy needed.
                diffraction = Some(finished);
            } else {
                let all = diffraction.get_or_insert_with(|| Array3::zeros(shape));
                all.slice_mut(s![start..start + count, .., ..]).assign(&finished);
            }
            Ok(())
        })?;
        done += local.len();
    }
    Ok(diffraction.unwrap_or_else(|| Array3::zeros(shape)))
}

/// The window of patterns (k, h, w) with the zero frequency moved from the corner to the center.
fn shifted(block: &ArrayD<f32>, fit: &Fit) -> ArrayD<f32> {
    let (height, width) = (block.len_of(Axis(1)), block.len_of(Axis(2)));
    let at = |index: usize, length: usize| (index + length - length / 2) % length;
    let rows: Vec<usize> = fit.window[0].clone().map(|row| at(row, height)).collect();
    let columns: Vec<usize> = fit.window[1].clone().map(|column| at(column, width)).collect();
    block.select(Axis(1), &rows).select(Axis(2), &columns)
}

/// Indices of the selected patterns, ascending.
fn select(reading: &mut Reading, frames: &Frames, fit: &Fit, selection: Selection) -> Vec<usize> {
    let count = frames.count;
    if !reading.source.supports_partial_reads(&frames.info.key, frames.axis()) {
        return (0..count).collect();
    }
    match selection {
        // The seed was checked earlier.
        Selection::Random { count: kept, seed, by } if kept < count => {
            subsample(by, seed, count, kept).unwrap_or_else(|_| (0..kept).collect())
        }
        Selection::Listed(rows) => rows.iter().copied().filter(|&row| row < count).collect(),
        Selection::Sample if count * fit.size * fit.size > INSPECTED_VALUES => {
            let rows = evenly_spread_runs(count, (INSPECTED_VALUES / (fit.size * fit.size)).max(1));
            reading.note(format!("Only {} of {count} patterns, evenly spread, were read for the checks", rows.len()));
            rows
        }
        _ => (0..count).collect(),
    }
}

/// About `kept` of `count` indices, ascending, in short, evenly spread runs.
fn evenly_spread_runs(count: usize, kept: usize) -> Vec<usize> {
    let runs = kept.div_ceil(RUN);
    let length = (kept / runs).min(count / runs);
    (0..runs).flat_map(|run| (0..length).map(move |at| run * count / runs + at)).collect()
}

/// Sets masked pixels to zero, so that their values are not checked.
fn clear(diffraction: &mut Array3<f32>, good: GoodPixels<'_>) {
    for (number, mut pattern) in diffraction.axis_iter_mut(Axis(0)).enumerate() {
        if let Some(mask) = good.common {
            Zip::from(&mut pattern).and(mask).for_each(|value, &good| {
                if !good {
                    *value = 0.0;
                }
            });
        }
        if let Some(masks) = good.each {
            masks.bad_pixels(number).for_each(|at| pattern[at] = 0.0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_is_spread_over_all_patterns_in_short_runs() {
        for (count, kept) in [(100_000, 4096), (4097, 4096), (17, 16), (300, 5), (1000, 100)] {
            let rows = evenly_spread_runs(count, kept);
            assert!(rows.is_sorted_by(|a, b| a < b) && rows.last() < Some(&count), "{count} {kept}");
            assert!(rows.len() <= kept && rows.len() * 4 >= kept * 3, "{} of {kept}", rows.len());
            assert!(kept <= RUN || rows.last() > Some(&(count * 4 / 5)), "{count} {kept}");
        }
    }
}
