//! The probe: from the dataset, from another file, or estimated.

use super::context::Reading;
use super::patterns::Patterns;
use super::role_keys::Roles;
use super::source::Source;
use super::verdict::Verdict;
use super::{probe_guess, roles};
use crate::config::Mapping;
use crate::data::modes::with_modes;
use crate::data::probe_mask::probe_mask;
use crate::formats::npz::shape_text;
use ndarray::{Array2, Array3, ArrayD, Axis, Ix3, IxDyn};
use num_complex::Complex32;
use std::path::Path;

const SHAPE_CHECK: &str = "probe shape";
const ENERGY_CHECK: &str = "probe energy";

/// Reads or estimates the probe, (modes, N, N). `stored`: height and width of the stored patterns.
pub(super) fn read_probe(
    reading: &mut Reading,
    roles: &Roles,
    patterns: Option<&Patterns>,
    stored: Option<[usize; 2]>,
) -> Option<Array3<Complex32>> {
    let probe_file = &reading.config.mapping.probe_file;
    if !probe_file.is_empty() {
        let path = Path::new(probe_file);
        let mut other = reading.or_fail(SHAPE_CHECK, Source::open(path))?;
        let other_roles = roles::find(&mut other, &Mapping::default());
        reading.note(format!("The probe is taken from {}", path.display()));
        let Some(key) = &other_roles.probe else {
            reading.judge(
                Verdict::fail(SHAPE_CHECK, format!("There is no probe in {}", path.display()))
                    .expected("a product or a dataset with a probe")
                    .advice("Choose another file with --set data.mapping.probe_file=FILE"),
            );
            return None;
        };
        let array = reading.or_fail(SHAPE_CHECK, other.read_c32(key))?;
        let is_real = other.array(key).is_some_and(|info| info.real);
        return check_probe(reading, key, array, is_real, patterns, stored);
    }
    if let Some(key) = &roles.probe {
        let result = reading.source.read_c32(key);
        let array = reading.or_fail(SHAPE_CHECK, result)?;
        let is_real = reading.source.array(key).is_some_and(|info| info.real);
        return check_probe(reading, key, array, is_real, patterns, stored);
    }
    let patterns = patterns?;
    reading.judge(
        Verdict::warn(
            "probe",
            "The file has no probe: it is searched when the reconstruction starts, which takes some extra time",
        )
        .expected("a measured or reconstructed probe")
        .advice("If there is one, name it: --set data.mapping.probe=KEY or data.mapping.probe_file=FILE"),
    );
    Some(probe_guess::from_patterns(&patterns.diffraction))
}

/// Adjusts the probe to the configured number of modes and applies the probe mask.
pub(super) fn apply_config(reading: &mut Reading, mut probe: Array3<Complex32>) -> Option<Array3<Complex32>> {
    if let Some(count) = reading.config.probe_modes.filter(|&count| count != probe.dim().0) {
        reading.note(match probe.dim().0 {
            before if before > count => format!("The {count} strongest of {before} probe modes are used"),
            before => format!("{} weak probe modes were added to the existing {before}", count - before),
        });
        probe = with_modes(probe.view(), count);
    }
    let Some(mask) = probe_mask(probe.dim().1, reading.config) else { return Some(probe) };
    let energy = |probe: &Array3<Complex32>| probe.iter().map(|value| f64::from(value.norm_sqr())).sum::<f64>();
    let before = energy(&probe);
    for mut mode in probe.axis_iter_mut(Axis(0)) {
        mode.zip_mut_with(&mask, |value, factor| *value *= *factor);
    }
    let after = energy(&probe);
    if after > 0.0 {
        reading.note(format!("The probe mask transmits {:.1} % of the probe power", 100.0 * after / before));
        return Some(probe);
    }
    reading.judge(
        Verdict::fail(ENERGY_CHECK, "The probe mask removes the entire probe")
            .expected("a disk that contains part of the probe")
            .advice("Choose another diameter with --probe-mask-diameter, or --probe-mask off"),
    );
    None
}

/// Checks shape and energy of a probe array and resamples it to the size of the patterns.
fn check_probe(
    reading: &mut Reading,
    key: &str,
    array: ArrayD<Complex32>,
    is_real: bool,
    patterns: Option<&Patterns>,
    stored: Option<[usize; 2]>,
) -> Option<Array3<Complex32>> {
    let size = patterns.map(|patterns| patterns.fit.size);
    let text = shape_text(array.shape());
    let probe = to_modes(reading, array, &text).filter(|probe| {
        let (modes, h, w) = probe.dim();
        let fits_stored = patterns.zip(stored).is_some_and(|(patterns, [height, width])| {
            h == patterns.fit.window[0].len() || (height == width && h == height)
        });
        modes > 0 && h > 0 && h == w && (size.is_none_or(|size| size == h) || fits_stored)
    });
    let Some(probe) = probe else {
        let expected = match size {
            Some(n) => format!("({n}, {n}), ({n}, {n}, 1) or (modes, {n}, {n})"),
            None => "(N, N), (N, N, 1) or (modes, N, N)".to_string(),
        };
        reading.judge(
            Verdict::fail(SHAPE_CHECK, format!("The probe {key:?} has shape {text}"))
                .expected(expected)
                .advice("Crop or pad the probe to the size of the patterns"),
        );
        return None;
    };
    let modes = probe.len_of(Axis(0));
    let plural = if modes == 1 { "mode" } else { "modes" };
    reading.judge(Verdict::pass(SHAPE_CHECK, format!("{text}, {modes} {plural}")));
    if is_real {
        reading.note("The probe is real; its phase is set to zero");
    }
    let probe = match patterns {
        Some(patterns) if probe.dim().1 != patterns.fit.size => {
            reading.note(format!("The probe was resampled from {text} to the size of the patterns"));
            let fitted: Vec<Array2<Complex32>> =
                probe.axis_iter(Axis(0)).map(|mode| patterns.fit.probe(&mode.to_owned())).collect();
            let views: Vec<_> = fitted.iter().map(|mode| mode.view()).collect();
            ndarray::stack(Axis(0), &views).ok()?
        }
        _ => probe,
    };
    let advice = "Export the probe again, or start from a simulated one";
    let unusable = probe.iter().filter(|value| !value.is_finite()).count();
    let energy: f64 = probe.iter().map(|value| f64::from(value.norm_sqr())).sum();
    reading.judge(if unusable > 0 {
        Verdict::fail(ENERGY_CHECK, format!("{unusable} pixels of the probe are not finite"))
            .expected("finite numbers")
            .advice(advice)
    } else if energy <= 0.0 || !energy.is_finite() {
        Verdict::fail(ENERGY_CHECK, format!("The probe has energy {energy}"))
            .expected("a probe that is not zero everywhere")
            .advice(advice)
    } else {
        Verdict::pass(ENERGY_CHECK, format!("Σ|P|² = {energy:.4e}"))
    });
    Some(probe)
}

/// (N, N), (N, N, 1), (modes, N, N) or (coherent, modes, N, N) → (modes, N, N): the first coherent mode of each incoherent one.
fn to_modes(reading: &mut Reading, mut array: ArrayD<Complex32>, text: &str) -> Option<Array3<Complex32>> {
    let mut shape = array.shape().to_vec();
    while shape.len() > 2 && shape.last() == Some(&1) {
        shape.pop();
    }
    if let (4, Some(coherent)) = (shape.len(), shape.first().copied().filter(|&coherent| coherent > 1)) {
        reading.note(format!("The first of {coherent} coherent modes of the probe {text} is used"));
        array.slice_axis_inplace(Axis(0), ndarray::Slice::from(0..1));
        array = array.as_standard_layout().into_owned();
        shape.splice(..1, [1]);
    }
    while shape.len() > 3 && shape.first() == Some(&1) {
        shape.remove(0);
    }
    if shape.len() == 2 {
        shape.insert(0, 1);
    }
    array.into_shape_with_order(IxDyn(&shape)).ok()?.into_dimensionality::<Ix3>().ok()
}
