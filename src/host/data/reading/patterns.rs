//! Reading of the patterns in blocks: cleaning, cropping and binning, checks, conversion to amplitude.

use super::context::{Reading, Selection};
use super::fit::{Fit, SUPPORTED_SIZES, options_text, size_options};
use super::layout::{Frames, Layout, cube_verdict, layout_of_cube};
use super::role_keys::Roles;
use super::source::{ArrayInfo, Source};
use super::training_folder::is_export;
use super::verdict::Verdict;
use super::{checks, mask};
use crate::config::DiffractionUnit;
use crate::data::inpaint::inpaint;
use crate::data::sampling::random::subsample;
use crate::error::Error;
use crate::formats::npz::shape_text;
use ndarray::{Array2, Array3, ArrayD, Axis, Ix2, IxDyn, Zip, s};

/// Most f32 values of the patterns that are read for an inspection of an HDF5 or large NPZ file.
const INSPECTED_VALUES: usize = 1 << 26;
/// Length of the runs of consecutive patterns in a sample: scattered reads are slow.
const RUN: usize = 16;
/// Number of patterns from which the unit is inferred.
const UNIT_SAMPLE: usize = 64;

const DATA_CHECK: &str = "diffraction data";

/// The patterns that were read.
pub(super) struct Patterns {
    /// (k, N, N) amplitude; masked pixels hold an estimate.
    pub diffraction: Array3<f32>,
    /// Indices of the patterns read, ascending.
    pub rows: Vec<usize>,
    /// (N, N), true = good.
    pub mask: Option<Array2<bool>>,
    pub fit: Fit,
}

/// Reads, checks and converts the selected patterns.
pub(super) fn read_patterns(
    reading: &mut Reading,
    roles: &Roles,
    frames: &Frames,
    selection: Selection,
) -> Option<Patterns> {
    let config = reading.config;
    let fit = Fit::new(frames.height, frames.width, config).ok()?;
    let is_plain = fit.is_plain(frames.height, frames.width);
    judge_size(reading, &fit, frames, is_plain);
    if fit.size == 0 {
        return None;
    }
    let axis = axis_of(reading, frames)?;
    let rows = select(reading, frames, &fit, selection);
    let is_open =
        config.diffraction_unit == DiffractionUnit::Auto && !frames.info.integer && is_export(reading.source.path());
    let is_counts =
        if is_open { infer_unit(reading, frames, axis)? } else { counts(config.diffraction_unit, &frames.info) };
    let mut good = mask::read(reading, roles, frames, &fit, &rows);
    let dark = read_dark(reading, roles, frames, &fit);
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
    let mut limits = Limits {
        marks_invalid: matches!(reading.source, Source::Hdf5(_)) && is_counts,
        invalid: frames.info.invalid,
        saturation: config.saturation,
        bad: Array2::from_elem((fit.window[0].len(), fit.window[1].len()), false),
    };
    let conversion = Conversion { fit: &fit, axis, is_counts, dark: dark.as_ref() };
    let result = read_values(reading.source, frames, &rows, &conversion, &mut limits);
    let mut diffraction = reading.or_fail(DATA_CHECK, result)?;
    if axis == 2 {
        reading.note(format!("Patterns transposed from (h, w, n) {} to (n, h, w)", frames.info.shape_text()));
    }
    limits.add_to(&mut good, reading);
    let mask = good.finish(&fit, reading);
    if let Some(mask) = &mask {
        clear(&mut diffraction, mask);
    }
    let interpretation = checks::Interpretation { is_counts, unit: config.diffraction_unit, info: &frames.info };
    let range = checks::stored_values(&diffraction, &interpretation, &mut reading.verdicts);
    let is_whole = is_plain && mask.is_none() && rows.len() == frames.count && frames.parts.len() == 1;
    if let Some((low, high)) = range.filter(|_| is_whole) {
        reading.diffraction_range = Some((frames.info.key.clone(), low, high));
    }
    if is_counts {
        diffraction.par_mapv_inplace(|value| value.max(0.0).sqrt());
        let reason =
            if frames.info.integer { format!("integers ({})", frames.info.dtype) } else { "as configured".into() };
        reading.note(format!("Diffraction interpreted as counts ({reason}); square root taken"));
    }
    if let Some(mask) = &mask {
        inpaint(&mut diffraction, mask);
    }
    checks::patterns(&diffraction, &mut reading.verdicts);
    Some(Patterns { diffraction, rows, mask, fit })
}

/// True if the values of a Ptychodus export are counts, inferred from a sample; `None` with a failed verdict if ambiguous.
fn infer_unit(reading: &mut Reading, frames: &Frames, axis: usize) -> Option<bool> {
    let (key, _, length) = frames.parts.first()?;
    let sample: Vec<usize> = (0..*length).step_by(length.div_ceil(UNIT_SAMPLE).max(1)).collect();
    let whole_frame = [0..frames.height, 0..frames.width];
    let mut values: Vec<f32> = Vec::new();
    let result = reading.source.for_blocks(key, axis, &sample, whole_frame, |_, block| {
        values.extend(block.iter());
        Ok(())
    });
    reading.or_fail(DATA_CHECK, result)?;
    let is_counts = checks::infer_is_counts(&values);
    match is_counts {
        Some(true) => reading
            .note("All values are whole numbers, so they are interpreted as counts (override with diffraction_unit)"),
        Some(false) => {
            reading.note("The squares of all values are whole numbers, so they are interpreted as amplitudes");
        }
        None => reading.judge(
            Verdict::fail(checks::UNIT_CHECK, "The values may be counts or amplitudes")
                .expected("a configured unit: Ptychodus exports patterns as they are stored, usually counts")
                .advice("Set diffraction_unit to \"counts\" or to \"amplitude\" (--diffraction-unit counts)")
                .fixes([DiffractionUnit::Counts, DiffractionUnit::Amplitude].map(checks::unit_fix)),
        ),
    }
    is_counts
}

/// Judges the size of the finished patterns and notes how it was obtained.
fn judge_size(reading: &mut Reading, fit: &Fit, frames: &Frames, is_plain: bool) {
    reading.judge(Verdict::pass(
        "square patterns",
        if is_plain {
            format!("{0} × {0} pixels", fit.size)
        } else {
            format!("{0} × {0} pixels, from {1} × {2}", fit.size, frames.height, frames.width)
        },
    ));
    reading.judge(if SUPPORTED_SIZES.contains(&fit.size) {
        Verdict::pass("pattern size", format!("N = {}", fit.size))
    } else {
        let options = size_options(frames.height, frames.width);
        Verdict::fail("pattern size", format!("The patterns have {0} × {0} pixels", fit.size))
            .expected("N = 64, 128 or 256")
            .advice(format!(
                "Crop, bin or pad patterns and probe on reading (the direct beam stays at N/2): {}",
                options_text(&options)
            ))
            .fixes(options.iter().map(|(option, _)| option.fix()))
    });
    if !is_plain {
        reading.note(format!(
            "Patterns of {} × {} pixels: central {} × {} used, {} × {} pixels summed{}; N = {}",
            frames.height,
            frames.width,
            fit.window[0].len(),
            fit.window[1].len(),
            fit.bin,
            fit.bin,
            if fit.size > fit.inner { format!(", padded from {} with zeros", fit.inner) } else { String::new() },
            fit.size
        ));
    }
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
    /// Mean dark pattern of the window.
    dark: Option<&'a Array2<f32>>,
}

/// The patterns `rows`, (k, N, N) in the unit of the file, cropped, binned and padded.
fn read_values(
    source: &mut Source,
    frames: &Frames,
    rows: &[usize],
    conversion: &Conversion,
    limits: &mut Limits,
) -> Result<Array3<f32>, Error> {
    let fit = conversion.fit;
    let shape = (rows.len(), fit.size, fit.size);
    let mut diffraction: Option<Array3<f32>> = None;
    let mut done = 0;
    for (key, first, length) in &frames.parts {
        let local: Vec<usize> =
            rows.iter().filter(|&&row| row >= *first && row < first + length).map(|row| row - first).collect();
        source.for_blocks(key, conversion.axis, &local, fit.window.clone(), |at, mut block| {
            limits.mark(&mut block);
            if let Some(dark) = conversion.dark {
                for mut pattern in block.axis_iter_mut(Axis(0)) {
                    Zip::from(&mut pattern)
                        .and(dark.view().into_dyn())
                        .for_each(|value, dark| *value = (*value - dark).max(0.0));
                }
            }
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

/// Values that are not counts, and the pixels at which they occurred.
struct Limits {
    /// True if negative, invalid and missing values are masked.
    marks_invalid: bool,
    /// Value that the detector writes for an invalid pixel.
    invalid: Option<f32>,
    /// Counts from which a pixel is saturated.
    saturation: Option<f64>,
    /// Pixels of the window with such a value in any pattern.
    bad: Array2<bool>,
}

impl Limits {
    /// Marks the bad pixels of a block and sets them to zero.
    fn mark(&mut self, block: &mut ArrayD<f32>) {
        if !self.marks_invalid && self.saturation.is_none() {
            return;
        }
        let limit = self.saturation.unwrap_or(f64::INFINITY);
        for mut pattern in block.axis_iter_mut(Axis(0)) {
            for (value, bad) in pattern.iter_mut().zip(self.bad.iter_mut()) {
                let is_invalid = self.marks_invalid && (value.is_nan() || *value < 0.0 || self.invalid == Some(*value));
                if is_invalid || f64::from(*value) >= limit {
                    *bad = true;
                    *value = 0.0;
                }
            }
        }
    }

    /// Adds the marked pixels to the mask.
    fn add_to(&self, good: &mut mask::GoodPixels, reading: &mut Reading) {
        let count = self.bad.iter().filter(|&&bad| bad).count();
        if count > 0 {
            let saturated = if self.saturation.is_some() { " or saturated" } else { "" };
            reading.note(format!("{count} pixels masked because of negative, invalid{saturated} values"));
            good.exclude(&self.bad);
        }
    }
}

/// Sets masked pixels to zero, so that their values are not checked.
fn clear(diffraction: &mut Array3<f32>, mask: &Array2<bool>) {
    for mut pattern in diffraction.axis_iter_mut(Axis(0)) {
        Zip::from(&mut pattern).and(mask).for_each(|value, &good| {
            if !good {
                *value = 0.0;
            }
        });
    }
}

/// Mean of the patterns without beam, cropped to the window.
fn read_dark(reading: &mut Reading, roles: &Roles, frames: &Frames, fit: &Fit) -> Option<Array2<f32>> {
    let key = roles.dark.as_ref()?;
    let dark = reading.source.read_f32(key).ok()?;
    let dark = if dark.ndim() == 3 { dark.mean_axis(Axis(0))? } else { dark };
    if dark.shape() != [frames.height, frames.width] {
        reading.note(format!("The dark patterns {key:?} are ignored: their shape is {}", shape_text(dark.shape())));
        return None;
    }
    reading.note(format!("The mean dark pattern {key:?} was subtracted; negative values were set to 0"));
    let dark = dark.into_dimensionality::<Ix2>().ok()?;
    Some(dark.slice(s![fit.window[0].clone(), fit.window[1].clone()]).to_owned())
}

fn counts(unit: DiffractionUnit, info: &ArrayInfo) -> bool {
    match unit {
        DiffractionUnit::Auto => info.integer,
        DiffractionUnit::Amplitude => false,
        DiffractionUnit::Counts => true,
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
