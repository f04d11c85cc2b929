use super::*;
use crate::config::DiffractionUnit;
use crate::data::test_support::{Synthetic, fixtures, shared};
use crate::formats::npz::{NpyArray, write_npz};
use num_complex::Complex64;

fn load(path: &Path) -> Dataset {
    Dataset::load(path, &DataConfig::default(), 1).unwrap()
}

/// Writes the synthetic data in the layout of the Run1084 file: (h, w, n) float64, complex128.
fn write_legacy(data: &Synthetic, path: &Path) {
    let amplitude = data.counts.mapv(f64::sqrt).permuted_axes([1, 2, 0]);
    let wide = |array: &Array2<Complex32>| array.mapv(|v| Complex64::new(v.re.into(), v.im.into()));
    let (probe, object, (xs, ys)) = (wide(&data.probe), wide(&data.object), data.coordinates());
    let arrays = [
        ("diffraction", NpyArray::F64(amplitude.view().into_dyn())),
        ("probeGuess", NpyArray::C64(probe.view().into_dyn())),
        ("objectGuess", NpyArray::C64(object.view().into_dyn())),
        ("xcoords", NpyArray::F64(xs.view())),
        ("ycoords", NpyArray::F64(ys.view())),
        ("xcoords_start", NpyArray::F64(xs.view())),
        ("ycoords_start", NpyArray::F64(ys.view())),
    ];
    write_npz(path, &arrays).unwrap();
}

#[test]
#[ignore = "rewrites fixtures/legacy_layout_n64.npz"]
fn regenerate_the_legacy_layout_fixture() {
    std::fs::create_dir_all(fixtures()).unwrap();
    write_legacy(&Synthetic::new(12), &fixtures().join("legacy_layout_n64.npz"));
}

#[test]
fn the_legacy_layout_loads_as_the_canonical_one() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("canonical.npz");
    let data = Synthetic::new(12);
    data.write(&path);
    let canonical = load(&path);
    let legacy = load(&fixtures().join("legacy_layout_n64.npz"));
    assert_eq!((legacy.len(), legacy.patch_size()), (12, 64));
    assert!(legacy.notes.iter().any(|note| note.contains("transposed")), "{:?}", legacy.notes);
    assert!(legacy.diffraction.is_standard_layout());
    let difference = (&legacy.diffraction - &canonical.diffraction).mapv(f32::abs).fold(0.0, |a: f32, &b| a.max(b));
    assert!(difference < 0.05, "{difference}");
    assert_eq!(legacy.positions.len(), 12);
    assert_eq!((legacy.fingerprint.len(), legacy.probe.dim()), (64, (1, 64, 64)));
    assert!(std::fs::metadata(fixtures().join("legacy_layout_n64.npz")).unwrap().len() < 300_000);
}

#[test]
fn integer_counts_become_amplitude_and_the_unit_can_be_overridden() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("counts.npz");
    let data = Synthetic::new(9);
    let counts = data.counts.mapv(|v| v as u16);
    data.write_with(&path, "diff3d", NpyArray::U16(counts.view().into_dyn()));
    let dataset = load(&path);
    assert!(dataset.notes.iter().any(|note| note.contains("<u2") && note.contains("root")), "{:?}", dataset.notes);
    for (amplitude, &count) in dataset.diffraction.iter().zip(&data.counts) {
        assert!((f64::from(amplitude * amplitude) - count).abs() <= 1e-5 * count.max(1.0));
    }
    let config = DataConfig { diffraction_unit: DiffractionUnit::Amplitude, ..DataConfig::default() };
    let as_is = Dataset::load(&path, &config, 1).unwrap();
    assert_eq!(f64::from(as_is.diffraction[[3, 32, 32]]), data.counts[[3, 32, 32]]);
}

#[test]
fn probes_of_all_accepted_shapes_become_modes() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("probe.npz");
    let data = Synthetic::new(9);
    let (amplitude, (xs, ys)) = (data.amplitude(), data.coordinates());
    let load_with = |probe: ndarray::ArrayViewD<'_, Complex32>| {
        let arrays = [
            ("diffraction", NpyArray::F32(amplitude.view())),
            ("xcoords", NpyArray::F64(xs.view())),
            ("ycoords", NpyArray::F64(ys.view())),
            ("probeGuess", NpyArray::C32(probe)),
        ];
        write_npz(&path, &arrays).unwrap();
        Dataset::load(&path, &DataConfig::default(), 1)
    };
    let flat = data.probe.view();
    assert_eq!(load_with(flat.into_dyn()).unwrap().probe.dim(), (1, 64, 64));
    assert_eq!(load_with(flat.insert_axis(Axis(2)).into_dyn()).unwrap().probe.dim(), (1, 64, 64));
    let two = ndarray::stack(Axis(0), &[flat, flat]).unwrap();
    let loaded = load_with(two.view().into_dyn()).unwrap();
    assert_eq!((loaded.probe.dim(), loaded.object), ((2, 64, 64), None));
    let error = load_with(flat.slice(ndarray::s![..32, ..32]).into_dyn()).unwrap_err().to_string();
    assert!(error.contains("(32, 32)") && error.contains("(64, 64)") && error.contains("probe.npz"), "{error}");
}

#[test]
fn subsampling_is_sorted_distinct_and_seeded() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.npz");
    Synthetic::new(30).write(&path);
    let all = load(&path);
    let config = DataConfig { n_subsample: Some(11), ..DataConfig::default() };
    let kept = |seed| Dataset::load(&path, &config, seed).unwrap();
    let (one, again, other) = (kept(5), kept(5), kept(6));
    assert_eq!((one.len(), one.positions.len()), (11, 11));
    assert_eq!(one, again);
    assert_ne!(one.positions, other.positions);
    let indices: Vec<usize> =
        one.positions.iter().map(|p| all.positions.iter().position(|q| q == p).unwrap()).collect();
    assert!(indices.is_sorted_by(|a, b| a < b), "{indices:?}");
    assert_eq!(one.diffraction, all.diffraction.select(Axis(0), &indices));
    assert_eq!(all.subset(&[29, 30, 2]).positions, [all.positions[29], all.positions[2]]);
    let none = DataConfig { n_subsample: Some(0), ..DataConfig::default() };
    assert!(Dataset::load(&path, &none, 1).is_err());
}

#[test]
fn a_truncated_file_is_rejected_in_one_paragraph() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cut.npz");
    Synthetic::new(9).write(&path);
    let bytes = std::fs::read(&path).unwrap();
    std::fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
    let error = Dataset::load(&path, &DataConfig::default(), 1).unwrap_err();
    let text = error.to_string();
    assert!(text.contains("cut.npz") && text.contains("cut short") && !text.contains('\n'), "{text}");
    assert_eq!(error.exit_code(), 2);
}

#[test]
fn the_real_fixture_loads_with_its_object() {
    let dataset = load(&fixtures().join("siemens_star_n64.npz"));
    assert_eq!((dataset.len(), dataset.patch_size()), (516, 64));
    assert_eq!(dataset.object.unwrap().dim(), (405, 402));
    assert_eq!(dataset.nphotons, None);
    let peak = dataset.diffraction.iter().copied().fold(0.0, f32::max);
    assert!((peak - 59.169_25).abs() < 1e-4, "{peak}");
}

#[test]
fn both_layouts_of_the_synthetic_lines_load() {
    let Some(shared) = shared() else { return };
    let dataset = load(&shared.join("data/lines64_run1084like.npz"));
    assert_eq!((dataset.len(), dataset.nphotons), (1087, Some(1e6)));
    let legacy = load(&shared.join("data/lines64_run1084like_legacylayout.npz"));
    assert_eq!((legacy.len(), legacy.patch_size(), legacy.object.unwrap().dim()), (1087, 64, (227, 226)));
}
