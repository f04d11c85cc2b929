//! The probe of the file, of another file, or an estimate.

use super::super::contract::{Status, Verdict};
use super::super::modes::with_modes;
use super::super::npz::shape_text;
use super::super::probe_guess;
use super::super::probe_mask::probe_mask;
use super::super::roles::{self, Roles};
use super::super::source::Source;
use super::layout::Frames;
use super::patterns::Patterns;
use crate::config::DataConfig;
use ndarray::{Array2, Array3, Axis, Ix3, IxDyn};
use num_complex::Complex32;
use std::path::Path;

/// (modes, N, N).
pub(super) fn read_any_probe(
    source: &mut Source,
    roles: &Roles,
    config: &DataConfig,
    patterns: Option<&(Patterns, Frames)>,
    verdicts: &mut Vec<Verdict>,
    notes: &mut Vec<String>,
) -> Option<Array3<Complex32>> {
    const CHECK: &str = "probe shape";
    if !config.mapping.probe_file.is_empty() {
        let path = Path::new(&config.mapping.probe_file);
        let mut other = match Source::open(path) {
            Ok(other) => other,
            Err(error) => {
                verdicts.push(Verdict::from_error(CHECK, Status::Fail, &error));
                return None;
            }
        };
        let other_roles = roles::find(&mut other, &crate::config::Mapping::default());
        notes.push(format!("The probe was taken from {}", path.display()));
        return match &other_roles.probe {
            Some(key) => read_probe(&mut other, key, patterns, verdicts, notes),
            None => {
                verdicts.push(
                    Verdict::fail(CHECK, format!("There is no probe in {}", path.display()))
                        .expected("a product or a dataset with a probe")
                        .advice("Choose another file with --set data.mapping.probe_file=FILE"),
                );
                None
            }
        };
    }
    if let Some(key) = &roles.probe {
        return read_probe(source, key, patterns, verdicts, notes);
    }
    let (patterns, _) = patterns.filter(|_| roles.estimate_probe)?;
    verdicts.push(
        Verdict::warn(
            "probe",
            "The file has no probe: one was estimated from the mean pattern (a Gaussian inside a disk)",
        )
        .expected("a measured or reconstructed probe")
        .advice(
            "Good enough for a smooth, nearly flat probe; a strongly curved one needs a real guess: \
                 --set data.mapping.probe=KEY or data.mapping.probe_file=FILE",
        ),
    );
    Some(probe_guess::from_patterns(&patterns.diffraction))
}

/// The probe with as many modes as are wanted, behind its mask.
pub(super) fn shaped(
    mut probe: Array3<Complex32>,
    config: &DataConfig,
    verdicts: &mut Vec<Verdict>,
    notes: &mut Vec<String>,
) -> Option<Array3<Complex32>> {
    if let Some(count) = config.probe_modes.filter(|&count| count != probe.dim().0) {
        notes.push(match probe.dim().0 {
            had if had > count => format!("The {count} strongest of {had} modes of the probe are used"),
            had => format!("{} weak modes were added to the {had} of the probe", count - had),
        });
        probe = with_modes(probe.view(), count);
    }
    let Some(mask) = probe_mask(probe.dim().1, config) else { return Some(probe) };
    let energy = |probe: &Array3<Complex32>| probe.iter().map(|value| f64::from(value.norm_sqr())).sum::<f64>();
    let whole = energy(&probe);
    for mut mode in probe.axis_iter_mut(Axis(0)) {
        mode.zip_mut_with(&mask, |value, factor| *value *= *factor);
    }
    let kept = energy(&probe);
    if kept > 0.0 {
        notes.push(format!("The mask of the probe leaves {:.1} % of its light", 100.0 * kept / whole));
        return Some(probe);
    }
    verdicts.push(
        Verdict::fail("probe energy", "The mask of the probe leaves nothing of it")
            .expected("a disk that holds some light")
            .advice("Choose another diameter with --probe-mask-diameter, or --probe-mask off"),
    );
    None
}

fn read_probe(
    archive: &mut Source,
    key: &str,
    patterns: Option<&(Patterns, Frames)>,
    verdicts: &mut Vec<Verdict>,
    notes: &mut Vec<String>,
) -> Option<Array3<Complex32>> {
    const CHECK: &str = "probe shape";
    let size = patterns.map(|(patterns, _)| patterns.fit.size);
    let stored = patterns.map(|(patterns, frames)| {
        let window = patterns.fit.window[0].len();
        if frames.height == frames.width { [window, frames.height] } else { [window, window] }
    });
    let array = match archive.read_c32(key) {
        Ok(array) => array,
        Err(error) => {
            verdicts.push(Verdict::from_error(CHECK, Status::Fail, &error));
            return None;
        }
    };
    let text = shape_text(array.shape());
    let mut shape = array.shape().to_vec();
    while shape.len() > 2 && shape.last() == Some(&1) {
        shape.pop();
    }
    let mut array = array;
    if let (4, Some(coherent)) = (shape.len(), shape.first().copied().filter(|&coherent| coherent > 1)) {
        notes.push(format!("Of the {coherent} coherent modes of the probe {text} the first one is used"));
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
    let fits = matches!(shape[..], [modes, h, w] if modes > 0 && h > 0 && h == w && (size.is_none_or(|size| size == h) || stored.is_some_and(|stored| stored.contains(&h))));
    let expected = match size {
        Some(n) => format!("({n}, {n}), ({n}, {n}, 1) or (modes, {n}, {n})"),
        None => "(N, N), (N, N, 1) or (modes, N, N)".to_string(),
    };
    let reshaped = if fits { array.into_shape_with_order(IxDyn(&shape)).ok() } else { None };
    let Some(probe) = reshaped.and_then(|probe| probe.into_dimensionality::<Ix3>().ok()) else {
        verdicts.push(
            Verdict::fail(CHECK, format!("The probe {key:?} has shape {text}"))
                .expected(expected)
                .advice("Crop or pad the probe to the size of the patterns"),
        );
        return None;
    };
    let modes = probe.len_of(Axis(0));
    let plural = if modes == 1 { "mode" } else { "modes" };
    verdicts.push(Verdict::pass(CHECK, format!("{text}, {modes} {plural}")));
    if archive.array(key).is_some_and(|info| info.real) {
        notes.push("The probe is real; its phase was taken as zero".into());
    }
    let probe = match patterns {
        Some((patterns, _)) if probe.dim().1 != patterns.fit.size => {
            notes.push(format!("The probe was brought from {text} to the size of the patterns"));
            let fitted: Vec<Array2<Complex32>> =
                probe.axis_iter(Axis(0)).map(|mode| patterns.fit.probe(&mode.to_owned())).collect();
            let views: Vec<_> = fitted.iter().map(|mode| mode.view()).collect();
            ndarray::stack(Axis(0), &views).ok()?
        }
        _ => probe,
    };
    let unusable = probe.iter().filter(|value| !value.is_finite()).count();
    let energy: f64 = probe.iter().map(|value| f64::from(value.norm_sqr())).sum();
    verdicts.push(if unusable > 0 {
        Verdict::fail("probe energy", format!("{unusable} pixels of the probe are not finite"))
            .expected("finite numbers")
            .advice("Export the probe again, or start from a simulated one")
    } else if energy <= 0.0 || !energy.is_finite() {
        Verdict::fail("probe energy", format!("The probe has energy {energy}"))
            .expected("a probe that is not zero everywhere")
            .advice("Export the probe again, or start from a simulated one")
    } else {
        Verdict::pass("probe energy", format!("Σ|P|² = {energy:.4e}"))
    });
    Some(probe)
}
