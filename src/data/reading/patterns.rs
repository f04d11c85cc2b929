//! The patterns: read in blocks, cleaned, brought to size, judged, as amplitude.

use super::super::checks;
use super::super::contract::{Status, Verdict};
use super::super::fit::{Fit, SUPPORTED_SIZES, offers};
use super::super::inpaint::inpaint;
use super::super::npz::shape_text;
use super::super::random::subsample;
use super::super::roles::Roles;
use super::super::source::{ArrayInfo, Source};
use super::super::training_folder::is_export;
use super::layout::{Frames, Layout, cube_verdict, layout_of_cube};
use super::{Want, mask};
use crate::config::{DataConfig, DiffractionUnit};
use crate::error::Error;
use ndarray::{Array2, Array3, ArrayD, Axis, Ix2, IxDyn, Zip, s};

/// Patterns of an HDF5 or a large NPZ file that are read to inspect it, in f32 values.
const INSPECTED_VALUES: usize = 1 << 26;
/// How many of them stand next to each other: reading here and there is slow.
const RUN: usize = 16;

/// Patterns that tell counts from amplitudes.
const TELLING_PATTERNS: usize = 64;

/// What is read of the patterns.
pub(super) struct Patterns {
    /// (k, N, N) amplitude; masked pixels hold an estimate.
    pub diffraction: Array3<f32>,
    /// Indices of the patterns read, ascending.
    pub rows: Vec<usize>,
    /// (N, N), true = good.
    pub mask: Option<Array2<bool>>,
    pub fit: Fit,
}

/// Reads, judges and finishes the patterns; `range` becomes key, smallest and largest value as stored, if they say it.
#[allow(clippy::too_many_arguments)]
pub(super) fn read_patterns(
    source: &mut Source,
    roles: &Roles,
    frames: &Frames,
    config: &DataConfig,
    want: Want,
    verdicts: &mut Vec<Verdict>,
    notes: &mut Vec<String>,
    range: &mut Option<(String, f64, f64)>,
) -> Option<Patterns> {
    let fit = Fit::new(frames.height, frames.width, config).ok()?;
    let plain = fit.is_plain(frames.height, frames.width);
    judge_size(&fit, frames, plain, verdicts, notes);
    if fit.size == 0 {
        return None;
    }
    let axis = axis_of(source, frames, verdicts)?;
    let rows = wanted(source, frames, &fit, want, notes);
    let asks = config.diffraction_unit == DiffractionUnit::Auto && !frames.info.integer && is_export(source.path());
    let is_counts = if asks {
        told_unit(source, frames, axis, verdicts, notes)?
    } else {
        counts(config.diffraction_unit, &frames.info)
    };
    let mut good = mask::read(source, roles, frames, &fit, config, &rows, verdicts, notes);
    let dark = read_dark(source, roles, frames, &fit, notes);
    if !fits_into_memory(rows.len(), &fit) {
        verdicts.push(
            Verdict::fail(
                "diffraction data",
                format!("{} patterns of {1} × {1} pixels do not fit into memory", rows.len(), fit.size),
            )
            .expected("patterns that fit into memory")
            .advice("Use a part of them with --n-subsample, or smaller ones with --crop or --bin"),
        );
        return None;
    }
    let mut limits = Limits {
        marks: matches!(source, Source::Hdf5(_)) && is_counts,
        invalid: frames.info.invalid,
        saturation: config.saturation,
        bad: Array2::from_elem((fit.window[0].len(), fit.window[1].len()), false),
    };
    let mut diffraction = match read_values(source, frames, axis, &rows, &fit, is_counts, dark.as_ref(), &mut limits) {
        Ok(diffraction) => diffraction,
        Err(error) => {
            verdicts.push(Verdict::from_error("diffraction data", Status::Fail, &error));
            return None;
        }
    };
    if axis == 2 {
        notes.push(format!("Patterns transposed from (h, w, n) {} to (n, h, w)", frames.info.shape_text()));
    }
    limits.add_to(&mut good, notes);
    let mask = good.finish(&fit, verdicts, notes);
    if let Some(mask) = &mask {
        clear(&mut diffraction, mask);
    }
    let unit = config.diffraction_unit;
    let stored =
        checks::stored_values(&diffraction, is_counts, unit, &frames.info.dtype, frames.info.integer, verdicts);
    if let (Some((low, high)), true) =
        (stored, plain && mask.is_none() && rows.len() == frames.count && frames.parts.len() == 1)
    {
        *range = Some((frames.info.key.clone(), low, high));
    }
    if is_counts {
        diffraction.par_mapv_inplace(|value| value.max(0.0).sqrt());
        let why =
            if frames.info.integer { format!("integers ({})", frames.info.dtype) } else { "as configured".into() };
        notes.push(format!("Diffraction taken as counts ({why}); square root taken"));
    }
    if let Some(mask) = &mask {
        inpaint(&mut diffraction, mask);
    }
    checks::patterns(&diffraction, verdicts);
    Some(Patterns { diffraction, rows, mask, fit })
}

/// Whether the numbers of a file of Ptychodus' export are counts, where their type leaves it open.
fn told_unit(
    source: &mut Source,
    frames: &Frames,
    axis: usize,
    verdicts: &mut Vec<Verdict>,
    notes: &mut Vec<String>,
) -> Option<bool> {
    let (key, _, length) = frames.parts.first()?;
    let some: Vec<usize> = (0..*length).step_by(length.div_ceil(TELLING_PATTERNS).max(1)).collect();
    let whole_window = [0..frames.height, 0..frames.width];
    let mut values: Vec<f32> = Vec::new();
    let read = source.for_blocks(key, axis, &some, whole_window, |_, block| {
        values.extend(block.iter());
        Ok(())
    });
    if let Err(error) = read {
        verdicts.push(Verdict::from_error("diffraction data", Status::Fail, &error));
        return None;
    }
    match checks::told_unit(&values) {
        Some(true) => {
            notes.push(
                "All values are whole numbers: they are counts (diffraction_unit says otherwise if need be)".into(),
            );
            Some(true)
        }
        Some(false) => {
            notes.push("The squares of all values are whole numbers: they are amplitudes".into());
            Some(false)
        }
        None => {
            verdicts.push(
                Verdict::fail("amplitude or counts", "The values do not tell whether they are counts or amplitudes")
                    .expected("to be told: Ptychodus exports patterns as they are stored, mostly counts")
                    .advice("Set diffraction_unit to \"counts\" or to \"amplitude\" (--diffraction-unit counts)"),
            );
            None
        }
    }
}

/// Judges the size of the finished patterns, and says how they came to it.
fn judge_size(fit: &Fit, frames: &Frames, plain: bool, verdicts: &mut Vec<Verdict>, notes: &mut Vec<String>) {
    verdicts.push(Verdict::pass(
        "square patterns",
        if plain {
            format!("{0} × {0} pixels", fit.size)
        } else {
            format!("{0} × {0} pixels, from {1} × {2}", fit.size, frames.height, frames.width)
        },
    ));
    verdicts.push(if SUPPORTED_SIZES.contains(&fit.size) {
        Verdict::pass("pattern size", format!("N = {}", fit.size))
    } else {
        Verdict::fail("pattern size", format!("The patterns have {0} × {0} pixels", fit.size))
            .expected("N = 64, 128 or 256")
            .advice(format!(
                "Crop, bin or pad patterns and probe on reading, the direct beam stays at N/2: {}",
                offers(frames.height, frames.width)
            ))
    });
    if !plain {
        notes.push(format!(
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

/// The axis that counts the patterns; for three axes of one length the values tell.
fn axis_of(source: &mut Source, frames: &Frames, verdicts: &mut Vec<Verdict>) -> Option<usize> {
    if frames.layout != Layout::Cube {
        return Some(frames.axis());
    }
    let Source::Npz(_) = source else {
        verdicts.push(Verdict::pass("axis order", "(n, h, w), as HDF5 files have it"));
        return Some(0);
    };
    let stored = match source.read_f32(&frames.info.key) {
        Ok(array) => array,
        Err(error) => {
            verdicts.push(Verdict::from_error("diffraction data", Status::Fail, &error));
            return None;
        }
    };
    let stored = stored.into_shape_with_order(IxDyn(&[frames.count, frames.height, frames.width])).ok()?;
    let (found, verdict) = cube_verdict(&frames.info.key, layout_of_cube(&stored), &frames.info.shape);
    verdicts.push(verdict);
    Some(if found? == Layout::Last { 2 } else { 0 })
}

fn fits_into_memory(count: usize, fit: &Fit) -> bool {
    count.checked_mul(fit.size * fit.size).is_some_and(|count| {
        let mut attempt: Vec<f32> = Vec::new();
        attempt.try_reserve_exact(count).is_ok()
    })
}

/// The wanted patterns, (k, N, N) in the unit of the file, cut, binned and padded.
#[allow(clippy::too_many_arguments)]
fn read_values(
    source: &mut Source,
    frames: &Frames,
    axis: usize,
    rows: &[usize],
    fit: &Fit,
    is_counts: bool,
    dark: Option<&Array2<f32>>,
    limits: &mut Limits,
) -> Result<Array3<f32>, Error> {
    let shape = (rows.len(), fit.size, fit.size);
    let mut diffraction: Option<Array3<f32>> = None;
    let mut done = 0;
    for (key, first, length) in &frames.parts {
        let local: Vec<usize> =
            rows.iter().filter(|&&row| row >= *first && row < first + length).map(|row| row - first).collect();
        source.for_blocks(key, axis, &local, fit.window.clone(), |at, mut block| {
            limits.mark(&mut block);
            if let Some(dark) = dark {
                for mut pattern in block.axis_iter_mut(Axis(0)) {
                    Zip::from(&mut pattern)
                        .and(dark.view().into_dyn())
                        .for_each(|value, dark| *value = (*value - dark).max(0.0));
                }
            }
            let finished = fit.patterns(block, is_counts).ok_or_else(|| Error::failed("Not three axes"))?;
            let (start, count) = (done + at, finished.dim().0);
            if count == rows.len() {
                // All in one block: it need not be copied.
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

/// Indices of the patterns to read, ascending.
fn wanted(source: &Source, frames: &Frames, fit: &Fit, want: Want, notes: &mut Vec<String>) -> Vec<usize> {
    let count = frames.count;
    if !source.reads_some(&frames.info.key, frames.axis()) {
        return (0..count).collect();
    }
    match want {
        // The seed has been checked.
        Want::Chosen { count: kept, seed, by } if kept < count => {
            subsample(by, seed, count, kept).unwrap_or_else(|_| (0..kept).collect())
        }
        Want::Listed(rows) => rows.iter().copied().filter(|&row| row < count).collect(),
        Want::Sample if count * fit.size * fit.size > INSPECTED_VALUES => {
            let kept = spread(count, (INSPECTED_VALUES / (fit.size * fit.size)).max(1));
            let read = kept.len();
            notes.push(format!("Only {read} of {count} patterns, evenly spread, were read to judge the values"));
            kept
        }
        _ => (0..count).collect(),
    }
}

/// About so many of `count` numbers, ascending, in short runs that are evenly spread.
fn spread(count: usize, kept: usize) -> Vec<usize> {
    let runs = kept.div_ceil(RUN);
    let length = (kept / runs).min(count / runs);
    (0..runs).flat_map(|run| (0..length).map(move |at| run * count / runs + at)).collect()
}

/// Values that are no counts, and where they were found.
struct Limits {
    /// Whether negative, invalid and missing values are marked.
    marks: bool,
    /// What the detector writes for a pixel that did not count.
    invalid: Option<f32>,
    saturation: Option<f64>,
    /// Pixels of the window with such a value in any pattern.
    bad: Array2<bool>,
}

impl Limits {
    /// Marks the pixels of a block, and sets them to zero.
    fn mark(&mut self, block: &mut ArrayD<f32>) {
        if !self.marks && self.saturation.is_none() {
            return;
        }
        let limit = self.saturation.unwrap_or(f64::INFINITY);
        for mut pattern in block.axis_iter_mut(Axis(0)) {
            for (value, bad) in pattern.iter_mut().zip(self.bad.iter_mut()) {
                let no_count = self.marks && (value.is_nan() || *value < 0.0 || self.invalid == Some(*value));
                if no_count || f64::from(*value) >= limit {
                    *bad = true;
                    *value = 0.0;
                }
            }
        }
    }

    /// Adds what was found to the mask.
    fn add_to(&self, good: &mut mask::Good, notes: &mut Vec<String>) {
        let count = self.bad.iter().filter(|&&bad| bad).count();
        if count > 0 {
            let saturated = if self.saturation.is_some() { " or saturated" } else { "" };
            notes.push(format!("{count} pixels masked because they hold negative, invalid{saturated} values"));
            good.leave_out(&self.bad);
        }
    }
}

/// Sets masked pixels to zero, so that what they hold is not judged.
fn clear(diffraction: &mut Array3<f32>, mask: &Array2<bool>) {
    for mut pattern in diffraction.axis_iter_mut(Axis(0)) {
        Zip::from(&mut pattern).and(mask).for_each(|value, &good| {
            if !good {
                *value = 0.0;
            }
        });
    }
}

/// Mean of the patterns without beam, cut to the window.
fn read_dark(
    source: &mut Source,
    roles: &Roles,
    frames: &Frames,
    fit: &Fit,
    notes: &mut Vec<String>,
) -> Option<Array2<f32>> {
    let key = roles.dark.as_ref()?;
    let dark = source.read_f32(key).ok()?;
    let dark = if dark.ndim() == 3 { dark.mean_axis(Axis(0))? } else { dark };
    if dark.shape() != [frames.height, frames.width] {
        notes.push(format!("The dark patterns {key:?} were left out: their shape is {}", shape_text(dark.shape())));
        return None;
    }
    notes.push(format!("The mean dark pattern {key:?} was subtracted; negative values became 0"));
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
    fn a_sample_is_spread_over_all_in_short_runs() {
        for (count, kept) in [(100_000, 4096), (4097, 4096), (17, 16), (300, 5), (1000, 100)] {
            let rows = spread(count, kept);
            assert!(rows.is_sorted_by(|a, b| a < b) && rows.last() < Some(&count), "{count} {kept}");
            assert!(rows.len() <= kept && rows.len() * 4 >= kept * 3, "{} of {kept}", rows.len());
            assert!(kept <= RUN || rows.last() > Some(&(count * 4 / 5)), "{count} {kept}");
        }
    }
}
