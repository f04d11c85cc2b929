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
use crate::error::{Problem, Result};
use crate::formats::npz::{read_npy_complex, shape_text};
use crate::fourier::Propagation;
use ndarray::{Array2, Array3, ArrayD, Axis, Ix3, IxDyn};
use num_complex::Complex32;
use std::io::Read;
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
        reading.note(format!("The probe is taken from {}", path.display()));
        let found = of_file(path, &reading.config.mapping.probe);
        let (key, array, is_real) =
            found.map_err(|error| reading.judge(Verdict::of_file(SHAPE_CHECK, path, &error))).ok()?;
        return check_probe(reading, &key, array, is_real, patterns, stored);
    }
    if let Some(key) = &roles.probe {
        let result = reading.source.read_c32(key);
        let array = reading.or_fail(SHAPE_CHECK, result)?;
        let is_real = reading.source.array(key).is_some_and(|info| info.real);
        return check_probe(reading, key, array, is_real, patterns, stored);
    }
    if let Some([re, im]) = &roles.probe_parts {
        let (real, imaginary) = (reading.source.read_f32(re), reading.source.read_f32(im));
        let (real, imaginary) = (reading.or_fail(SHAPE_CHECK, real)?, reading.or_fail(SHAPE_CHECK, imaginary)?);
        if real.shape() != imaginary.shape() {
            let shapes = format!("{} and {}", shape_text(real.shape()), shape_text(imaginary.shape()));
            reading.judge(
                Verdict::fail(SHAPE_CHECK, format!("{re:?} and {im:?} have different shapes: {shapes}"))
                    .expected("one shape"),
            );
            return None;
        }
        let values: Vec<Complex32> = real.iter().zip(&imaginary).map(|(re, im)| Complex32::new(*re, *im)).collect();
        let array = ArrayD::from_shape_vec(real.shape().to_vec(), values).ok()?;
        return check_probe(reading, re, array, false, patterns, stored);
    }
    let patterns = patterns?;
    let geometry = roles.geometry.with(&reading.config.geometry);
    if let Some(propagation @ Propagation::NearField { .. }) = geometry.propagation(&patterns.fit) {
        reading.judge(Verdict::pass(
            "probe",
            "none in the file: it starts from the mean pattern, carried back to the sample, and is refined",
        ));
        return Some(probe_guess::near_field(&patterns.diffraction, propagation));
    }
    reading.judge(
        Verdict::warn(
            "probe",
            "The file has no probe: it is searched when the reconstruction starts, which takes some extra time",
        )
        .expected("a measured or reconstructed probe")
        .advice(
            "If there is one, name it: --set data.mapping.probe=KEY or --probe-file FILE (data.mapping.probe_file)",
        ),
    );
    Some(probe_guess::from_patterns(&patterns.diffraction))
}

/// Key, values and whether they are real, of the probe in another file: the array `key`, or else the one that its format or
/// its name makes the probe, or its only complex array.
fn of_file(path: &Path, key: &str) -> Result<(String, ArrayD<Complex32>, bool)> {
    let is_npy = || {
        let mut start = [0u8; 6];
        crate::formats::open_file(path)
            .is_ok_and(|mut file| file.read_exact(&mut start).is_ok() && &start == b"\x93NUMPY")
    };
    if !path.is_dir() && is_npy() {
        let array = read_npy_complex(path)?;
        let is_real = array.iter().all(|value| value.im == 0.0);
        return Ok((path.display().to_string(), array, is_real));
    }
    let without = |what: &str| {
        Problem::new(what)
            .expected("a product, a dataset or a result with a probe, or an array (N, N) or (modes, N, N)")
            .hint("Name the array with --set data.mapping.probe=KEY, or choose another file with --probe-file")
            .at(path)
    };
    let mut source = Source::open(path).map_err(|error| without(&error.problem().title))?;
    let named = |source: &Source| {
        let complex: Vec<String> = source
            .keys()
            .into_iter()
            .filter(|key| source.array(key).is_some_and(|info| info.numeric && !info.real && info.shape.len() > 1))
            .collect();
        let is_probe = |key: &&String| {
            let name = key.rsplit('/').next().unwrap_or_default().to_lowercase();
            ["probe", "probes", "prb", "illumination", "probeguess"].contains(&name.as_str())
        };
        complex.iter().find(is_probe).or(if complex.len() == 1 { complex.first() } else { None }).cloned()
    };
    let key = if key.is_empty() {
        roles::find(&mut source, &Mapping::default()).probe.or_else(|| named(&source))
    } else {
        Some(source.chosen(key).to_owned())
    };
    let Some(key) = key else {
        return Err(without(&format!("There is no probe in the file; it has {}", source.keys_text())).into());
    };
    let array = source.read_c32(&key)?;
    let is_real = source.array(&key).is_some_and(|info| info.real);
    Ok((key, array, is_real))
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
    let sides: Vec<usize> = size.into_iter().chain(stored.into_iter().flatten()).collect();
    let array = modes_first(reading, array, &sides);
    let (array, is_real) = joined_planes(reading, array, is_real);
    let modes = to_modes(reading, array, &text);
    // Side of a square probe.
    let found = modes.as_ref().map(Array3::dim).and_then(|(_, h, w)| (h == w).then_some(h));
    let probe = modes.filter(|probe| {
        let (modes, h, w) = probe.dim();
        let fits_stored = patterns.zip(stored).is_some_and(|(patterns, [height, width])| {
            [h, w] == patterns.fit.window.each_ref().map(|range| range.len()) || [h, w] == [height, width]
        });
        modes > 0 && h > 0 && (h == w && size.is_none_or(|size| size == h) || fits_stored)
    });
    let Some(probe) = probe else {
        let expected = match size {
            Some(n) => format!("({n}, {n}), ({n}, {n}, 1) or (modes, {n}, {n})"),
            None => "(N, N), (N, N, 1) or (modes, N, N)".to_string(),
        };
        reading
            .judge(Verdict::fail(SHAPE_CHECK, format!("The probe {key:?} has shape {text}")).expected(expected).advice(
            format!(
                "{}Crop or pad the probe to the size of the patterns, or leave it out: a missing probe is searched for",
                size.zip(found).map_or_else(String::new, |(size, side)| match side {
                    side if side > size => format!("Pad the patterns to the size of the probe with --pad {side}. "),
                    side => format!("Crop the patterns to the size of the probe with --crop {side}. "),
                })
            ),
        ));
        return None;
    };
    let modes = probe.len_of(Axis(0));
    let plural = if modes == 1 { "mode" } else { "modes" };
    reading.judge(Verdict::pass(SHAPE_CHECK, format!("{text}, {modes} {plural}")));
    if is_real {
        reading.note("The probe is real; its phase is set to zero");
    }
    let probe = match patterns {
        Some(patterns) if (probe.dim().1, probe.dim().2) != (patterns.fit.size, patterns.fit.size) => {
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

/// Moves the modes of a probe (N, N, modes) to the first axis; `sides` are those that a probe may have.
fn modes_first(reading: &mut Reading, array: ArrayD<Complex32>, sides: &[usize]) -> ArrayD<Complex32> {
    let &[height, width, modes] = array.shape() else { return array };
    let is_last = height == width && modes != height && modes > 1 && (sides.is_empty() || sides.contains(&height));
    if !is_last {
        return array;
    }
    reading.note(format!("The {modes} probe modes are on the last axis of {}", shape_text(array.shape())));
    array.permuted_axes(vec![2, 0, 1]).as_standard_layout().into_owned()
}

/// Joins two real planes (2, N, N), of which the values are not all positive, to real and imaginary part: amplitudes of two modes
/// are never negative. Also returns whether the probe is real.
fn joined_planes(reading: &mut Reading, array: ArrayD<Complex32>, is_real: bool) -> (ArrayD<Complex32>, bool) {
    let &[2, height, width] = array.shape() else { return (array, is_real) };
    if !is_real || !array.iter().any(|value| value.re < 0.0) {
        return (array, is_real);
    }
    reading.note("The two real planes of the probe are its real and imaginary part");
    let (re, im) = (array.index_axis(Axis(0), 0), array.index_axis(Axis(0), 1));
    let values: Vec<Complex32> = re.iter().zip(im).map(|(re, im)| Complex32::new(re.re, im.re)).collect();
    (ArrayD::from_shape_vec(vec![height, width], values).unwrap_or_else(|_| array.clone()), false)
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
