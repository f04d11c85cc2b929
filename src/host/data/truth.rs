//! Ground-truth patches of a known object, the labels of supervised training (A§1.1, A§4.9).
//!
//! They are read on demand from the dataset file, or extracted from its object.

use super::dataset::Dataset;
use super::reading::source::Source;
use super::reconstruction::Reconstruction;
use crate::config::DataConfig;
use crate::error::{Problem, Result};
use crate::formats::npz::shape_text;
use ndarray::{Array2, Array3, ArrayD, Axis, IxDyn};
use num_complex::Complex32;

/// Keys of complex patches.
const PATCHES: [&str; 3] = ["Y", "label", "ground_truth_patches"];
/// Keys of patch amplitudes and phases.
const PARTS: [&str; 2] = ["label_amp", "label_phase"];

/// Patches of a known object.
#[derive(Debug, Clone, PartialEq)]
pub struct Truth {
    /// (n, N, N) patch of each pattern, in the units of its source; exactly 0 where unknown.
    pub patches: Array3<Complex32>,
    /// Description of their source.
    pub source: String,
}

/// Ground-truth patches of a dataset that was read with this configuration: `Y`, `label`, `ground_truth_patches`, or
/// `label_amp` with `label_phase` from its file, or else extracted from its object.
///
/// # Errors
/// [`crate::error::Error::BadInput`] if there are none, or they do not match the patterns.
pub fn truth(dataset: &Dataset, config: &DataConfig) -> Result<Truth> {
    let mut source = Source::open(&dataset.path)?;
    for key in PATCHES {
        let Some(info) = source.array(key) else { continue };
        if info.real {
            return Err(Problem::new(format!("The patches {key:?} are real and lack the phase"))
                .expected("complex patches (n, N, N), or label_amp and label_phase")
                .hint(format!("Store {key:?} again as complex64"))
                .at(&dataset.path)
                .into());
        }
        let patches = of_patterns(source.read_c32(key)?, key, dataset, config)?;
        return checked(Truth { patches, source: format!("the patches {key:?} of the file") }, dataset);
    }
    if PARTS.iter().all(|key| source.array(key).is_some()) {
        let [amplitude, phase] = PARTS;
        let a = of_patterns(source.read_f32(amplitude)?.mapv(|v| Complex32::new(v, 0.0)), amplitude, dataset, config)?;
        let p = of_patterns(source.read_f32(phase)?.mapv(|v| Complex32::new(v, 0.0)), phase, dataset, config)?;
        let mut patches = a;
        patches.zip_mut_with(&p, |a, p| *a = Complex32::from_polar(a.re, p.re));
        return checked(Truth { patches, source: format!("{amplitude:?} and {phase:?} of the file") }, dataset);
    }
    let Some(object) = &dataset.object else {
        return Err(Problem::new("The dataset has no known object for supervised training")
            .expected(
                "patches of it (Y, label or ground_truth_patches, complex (n, N, N); or label_amp and label_phase), or \
                 objectGuess",
            )
            .hint("Train with --model-type pinn, which needs no known object")
            .at(&dataset.path)
            .into());
    };
    let whole = Reconstruction {
        coverage: Array2::ones(object.dim()),
        object: object.clone(),
        origin_xy: [0.0, 0.0],
        pixel_size_m: None,
    };
    let patches = whole.patches(&dataset.positions, dataset.patch_size());
    checked(Truth { patches, source: "patches extracted from the object of the file".to_owned() }, dataset)
}

/// Patches of the selected patterns, (n, N, N), from the array of all patterns in the file.
fn of_patterns(
    array: ArrayD<Complex32>,
    key: &str,
    dataset: &Dataset,
    config: &DataConfig,
) -> Result<Array3<Complex32>> {
    let side = dataset.patch_size();
    let text = shape_text(array.shape());
    let reject = |title: String, expected: String| Err(Problem::new(title).expected(expected).at(&dataset.path).into());
    if config.crop.is_some() || config.pad.is_some() || config.bin > 1 {
        return reject(
            format!("The patches {key:?} do not match cropped, binned or padded patterns"),
            "data.crop = none, data.pad = none and data.bin = 1, or a file without patches, whose object is used instead".to_owned(),
        );
    }
    let mut shape: Vec<usize> = array.shape().to_vec();
    while shape.len() > 3 && shape.last() == Some(&1) {
        shape.pop();
    }
    let least = dataset.rows.iter().max().map_or(0, |last| last + 1);
    let reshaped = array.into_shape_with_order(IxDyn(&shape)).ok();
    let reshaped = reshaped.and_then(|array| array.into_dimensionality::<ndarray::Ix3>().ok());
    let ordered = reshaped.and_then(|array| match array.dim() {
        (n, h, w) if (h, w) == (side, side) && n >= least => Some(array),
        (h, w, n) if (h, w) == (side, side) && n >= least => Some(array.permuted_axes([2, 0, 1])),
        _ => None,
    });
    let Some(patches) = ordered else {
        return reject(
            format!("The patches {key:?} have shape {text}"),
            format!("one patch of {side} × {side} pixels for each of at least {least} patterns"),
        );
    };
    Ok(patches.select(Axis(0), &dataset.rows))
}

/// Rejects patches that are not finite or all zero.
fn checked(truth: Truth, dataset: &Dataset) -> Result<Truth> {
    let unusable = truth.patches.iter().filter(|value| !value.is_finite()).count();
    let title = if unusable > 0 {
        format!("{unusable} pixels of {} are not finite", truth.source)
    } else if truth.patches.iter().all(|value| *value == Complex32::ZERO) {
        format!("All values of {} are zero", truth.source)
    } else {
        return Ok(truth);
    };
    Err(Problem::new(title).expected("patches of a known object").at(&dataset.path).into())
}

#[cfg(test)]
mod tests {
    use super::super::test_support::Synthetic;
    use super::*;
    use crate::formats::npz::{NpyArray, write_npz};

    /// Writes a dataset with additional arrays; it has an object only if `more` contains one.
    fn write(data: &Synthetic, path: &std::path::Path, more: &[(&str, NpyArray<'_>)]) {
        let (amplitude, (xs, ys)) = (data.amplitude(), data.coordinates());
        let mut arrays = vec![
            ("diffraction", NpyArray::F32(amplitude.view())),
            ("xcoords", NpyArray::F64(xs.view())),
            ("ycoords", NpyArray::F64(ys.view())),
            ("probeGuess", NpyArray::C32(data.probe.view().into_dyn())),
        ];
        arrays.extend(more.iter().map(|(key, array)| (*key, array.view())));
        write_npz(path, &arrays).unwrap();
    }

    #[test]
    fn patches_of_the_file_take_precedence_over_the_object_and_follow_the_selected_patterns() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.npz");
        let data = Synthetic::new(9);
        let patches =
            Array3::from_shape_fn((9, 64, 64), |(k, y, x)| Complex32::new(k as f32 + 1.0, y as f32 * 0.5 - x as f32));
        let object = ("objectGuess", NpyArray::C32(data.object.view().into_dyn()));
        write(&data, &path, &[("Y", NpyArray::C32(patches.view().into_dyn())), object]);
        let config = DataConfig { n_subsample: Some(4), ..DataConfig::default() };
        let kept = Dataset::load(&path, &config, 3).unwrap();
        let found = truth(&kept.subset(&[3, 1]), &config).unwrap();
        assert!(found.source.contains("\"Y\""));
        for (at, row) in [kept.rows[3], kept.rows[1]].into_iter().enumerate() {
            assert_eq!(found.patches.index_axis(Axis(0), at), patches.index_axis(Axis(0), row));
        }
        let binned = DataConfig { bin: 2, pad: Some(64), ..DataConfig::default() };
        let dataset = Dataset::load(&path, &binned, 3).unwrap();
        assert!(truth(&dataset, &binned).unwrap_err().to_string().contains("cropped"));
    }

    #[test]
    fn patches_come_from_amplitudes_and_phases_or_from_the_object() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.npz");
        let data = Synthetic::new(9);
        let amplitude = Array3::from_elem((64, 64, 9), 0.5f32).into_dyn();
        let phase = Array3::from_shape_fn((64, 64, 9), |(_, _, k)| k as f32 * 0.1).into_dyn();
        let parts = [("label_amp", NpyArray::F32(amplitude.view())), ("label_phase", NpyArray::F32(phase.view()))];
        write(&data, &path, &parts);
        let config = DataConfig::default();
        let load = || Dataset::load(&path, &config, 1).unwrap();
        let found = truth(&load(), &config).unwrap();
        assert!((found.patches[[7, 3, 5]] - Complex32::from_polar(0.5, 0.7)).norm() < 1e-6);

        data.write(&path);
        let found = truth(&load(), &config).unwrap();
        assert!(found.source.contains("object"));
        let [x, y] = data.positions[4];
        let at = data.object[[y.round() as usize, x.round() as usize]];
        assert!((found.patches[[4, 32, 32]] - at).norm() < 0.05);
    }

    #[test]
    fn patches_that_do_not_match_the_patterns_are_rejected_with_the_reason() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.npz");
        let data = Synthetic::new(9);
        let error = |more: &[(&str, NpyArray<'_>)]| {
            write(&data, &path, more);
            let dataset = Dataset::load(&path, &DataConfig::default(), 1).unwrap();
            truth(&dataset, &DataConfig::default()).unwrap_err().to_string()
        };
        assert!(error(&[]).contains("no known object"));
        let real = Array3::<f32>::ones((9, 64, 64)).into_dyn();
        assert!(error(&[("Y", NpyArray::F32(real.view()))]).contains("lack the phase"));
        let few = Array3::from_elem((8, 64, 64), Complex32::ONE).into_dyn();
        assert!(error(&[("Y", NpyArray::C32(few.view()))]).contains("(8, 64, 64)"));
        let dark = Array3::from_elem((9, 64, 64), Complex32::ZERO).into_dyn();
        assert!(error(&[("label", NpyArray::C32(dark.view()))]).contains("zero"));
        let broken = Array3::from_elem((9, 64, 64), Complex32::new(f32::NAN, 0.0)).into_dyn();
        assert!(error(&[("label", NpyArray::C32(broken.view()))]).contains("finite"));
    }
}
