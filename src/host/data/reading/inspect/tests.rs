use super::*;
use crate::config::{Config, DiffractionUnit, Mapping};
use crate::data::Dataset;
use crate::data::test_support::{Synthetic, shared, write_raw_zip};
use crate::formats::npz::{NpyArray, write_npz};
use ndarray::{Array3, s};
use num_complex::Complex32;

/// Inspects a modified dataset, and asserts that loading it fails exactly if a verdict does.
fn inspected(modify: impl FnOnce(&mut Synthetic)) -> Inspection {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("modified.npz");
    let mut data = Synthetic::new(9);
    modify(&mut data);
    data.write(&path);
    judged(&path)
}

fn judged(path: &Path) -> Inspection {
    let inspection = inspect(path).unwrap();
    match Dataset::load(path, &DataConfig::default(), 1) {
        Ok(_) => assert_ne!(inspection.status(), Status::Fail, "{:#?}", inspection.verdicts),
        Err(error) => {
            assert_eq!(inspection.status(), Status::Fail, "{error}");
            let text = error.to_string();
            let name = path.file_name().unwrap().to_str().unwrap();
            assert!(text.contains(name) && !text.contains('\n') && error.exit_code() == 2, "{text}");
            assert!(!error.problem().hint.is_empty() && !error.problem().expected.is_empty(), "{error:?}");
        }
    }
    inspection
}

fn status_of(inspection: &Inspection, check: &str) -> Status {
    inspection.verdict(check).unwrap_or_else(|| panic!("no check {check:?} in {:#?}", inspection.verdicts)).status
}

#[test]
fn a_good_file_passes_every_check_and_its_table_has_ranges() {
    let inspection = inspected(|_| {});
    assert_eq!(inspection.status(), Status::Pass, "{:#?}", inspection.verdicts);
    assert!(inspection.verdicts.len() >= 15, "{}", inspection.verdicts.len());
    assert!(inspection.arrays.iter().all(|array| array.range.is_some()));
    assert_eq!(inspection.arrays[0].shape, [9, 64, 64]);
    assert!(inspection.verdict("amplitude or counts").unwrap().found.contains("whole numbers"));
    let json = serde_json::to_value(&inspection).unwrap();
    assert_eq!(json["verdicts"][0]["status"], "pass");
    assert_eq!(json["arrays"][0]["storage"], "deflated");
}

#[test]
fn values_that_cannot_be_used_fail_their_check() {
    let nan = inspected(|data| data.counts.slice_mut(s![2, .., ..]).fill(f64::NAN));
    assert_eq!(status_of(&nan, "unwritten patterns"), Status::Fail);
    assert!(nan.verdict("unwritten patterns").unwrap().advice.contains("--exclude 2"));
    let zero = inspected(|data| data.counts.fill(0.0));
    assert_eq!(status_of(&zero, "empty patterns"), Status::Fail);
    let some = inspected(|data| data.counts.slice_mut(s![4, .., ..]).fill(0.0));
    assert_eq!(status_of(&some, "empty patterns"), Status::Warn);
    let dark = inspected(|data| data.probe.fill(Complex32::ZERO));
    assert_eq!(status_of(&dark, "probe energy"), Status::Fail);
    let outside = inspected(|data| data.positions[3] = [500.0, 20.0]);
    assert_eq!(status_of(&outside, "positions inside the object"), Status::Fail);
    let edge = inspected(|data| data.positions[3] = [10.0, 40.0]);
    assert_eq!(status_of(&edge, "positions inside the object"), Status::Warn);
    let infinite = inspected(|data| data.positions[0][1] = f64::INFINITY);
    assert_eq!(status_of(&infinite, "positions"), Status::Fail);
    let meters = inspected(|data| data.positions.iter_mut().flatten().for_each(|v| *v *= 1e-8));
    assert_eq!(status_of(&meters, "scan extent"), Status::Fail);
    let nanometers = inspected(|data| data.positions.iter_mut().flatten().for_each(|v| *v *= 1e4));
    assert_eq!(status_of(&nanometers, "scan extent"), Status::Fail);
    let far_away = inspected(|data| data.positions.iter_mut().for_each(|position| position[1] = 1e30));
    assert_eq!(status_of(&far_away, "scan extent"), Status::Fail);
}

#[test]
fn doubtful_values_warn() {
    let twice = inspected(|data| data.positions[1] = data.positions[0]);
    assert_eq!(status_of(&twice, "duplicate positions"), Status::Warn);
    let apart = inspected(|data| {
        for (k, position) in data.positions.iter_mut().enumerate() {
            *position = [35.0 + 24.0 * (k % 3) as f64, 33.0 + 22.0 * (k / 3) as f64];
        }
    });
    assert_eq!(status_of(&apart, "overlap"), Status::Warn);
    let corner = inspected(|data| {
        let shifted = data.counts.clone();
        for ((n, y, x), value) in data.counts.indexed_iter_mut() {
            *value = shifted[[n, (y + 32) % 64, (x + 32) % 64]];
        }
    });
    assert_eq!(status_of(&corner, "centering"), Status::Pass);
    assert!(corner.notes.iter().any(|note| note.contains("fftshift")), "{:?}", corner.notes);
    let aside = inspected(|data| {
        let shifted = data.counts.clone();
        for ((n, y, x), value) in data.counts.indexed_iter_mut() {
            *value = shifted[[n, y, (x + 12) % 64]];
        }
    });
    assert_eq!(status_of(&aside, "centering"), Status::Warn);
    let clipped = inspected(|data| {
        let limit = data.counts.iter().copied().fold(0.0, f64::max) / 4.0;
        data.counts.mapv_inplace(|v| v.min(limit.round()));
    });
    assert_eq!(status_of(&clipped, "saturation"), Status::Warn);
    assert_eq!(clipped.verdict("saturation").unwrap().fixes[0].settings[0].0, "data.saturation");
    let nan = inspected(|data| data.counts.slice_mut(s![4, .., 20..]).fill(f64::NAN));
    assert!(nan.verdicts.iter().any(|one| one.status == Status::Warn && one.found.contains("in 1 patterns: 4")));
    let constant = inspected(|data| data.object.fill(Complex32::new(1.0, 0.0)));
    assert_eq!(status_of(&constant, "object"), Status::Warn);
}

#[test]
fn unsupported_shapes_fail_and_are_reported() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("shapes.npz");
    let data = Synthetic::new(9);
    let amplitude = data.amplitude().into_dimensionality::<ndarray::Ix3>().unwrap();
    let judge = |array: ndarray::ArrayViewD<'_, f32>| {
        data.write_with(&path, "diffraction", NpyArray::F32(array));
        judged(&path)
    };
    let flat = judge(amplitude.slice(s![0, .., ..]).into_dyn());
    assert_eq!(status_of(&flat, "axis order"), Status::Fail);
    assert!(flat.verdict("axis order").unwrap().found.contains("(64, 64)"));
    let oblong = judge(amplitude.slice(s![.., .., 0..60]).into_dyn());
    let verdict = oblong.verdict("square patterns").unwrap();
    assert!(verdict.status == Status::Pass && verdict.found == "64 × 64 pixels, from 64 × 60", "{verdict:?}");
    let fewer = judge(amplitude.slice(s![0..7, .., ..]).into_dyn());
    let verdict = fewer.verdict("patterns and positions").unwrap();
    assert!(verdict.status == Status::Fail && verdict.found.contains('7') && verdict.found.contains('9'));
    let small = judge(amplitude.slice(s![.., 0..14, 0..14]).into_dyn());
    assert_eq!(status_of(&small, "pattern size"), Status::Fail);
    assert!(small.verdict("pattern size").unwrap().expected.contains("16"));
    let unusual = judge(amplitude.slice(s![.., 0..33, 0..32]).into_dyn());
    assert_eq!(status_of(&unusual, "pattern size"), Status::Pass);
    let trailing = judge(amplitude.view().insert_axis(ndarray::Axis(3)).into_dyn());
    assert_eq!(trailing.status(), Status::Pass);
    let middle = judge(amplitude.view().permuted_axes([1, 0, 2]).into_dyn());
    assert_eq!(middle.status(), Status::Fail);

    // 64 patterns of 64 × 64 pixels: only the values distinguish the axes.
    let cube = Synthetic::new(64);
    cube.write(&path);
    let cube = judged(&path);
    assert_eq!(status_of(&cube, "axis order"), Status::Pass);
    assert!(cube.verdict("axis order").unwrap().found.contains("(64, 64, 64)"));
}

#[test]
fn a_missing_key_fails_with_the_keys_that_exist() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keys.npz");
    let data = Synthetic::new(9);
    let (xs, _) = data.coordinates();
    let amplitude = data.amplitude();
    let arrays = [("diffraction", NpyArray::F32(amplitude.view())), ("xcoords", NpyArray::F64(xs.view().into_dyn()))];
    write_npz(&path, &arrays).unwrap();
    let verdict = judged(&path).verdict("required keys").unwrap().clone();
    assert_eq!(verdict.status, Status::Fail);
    assert!(verdict.found.contains("ycoords") && !verdict.found.contains("probe"), "{verdict:?}");
    assert!(verdict.expected.contains("probeGuess"), "{verdict:?}");
}

#[test]
fn a_pickled_object_array_is_rejected() {
    let folder = tempfile::tempdir().unwrap();
    let (good, path) = (folder.path().join("good.npz"), folder.path().join("objects.npz"));
    Synthetic::new(9).write(&good);
    let mut zip = zip::ZipArchive::new(std::fs::File::open(&good).unwrap()).unwrap();
    let mut members: Vec<(String, Vec<u8>)> = Vec::new();
    for index in 0..zip.len() {
        let mut file = zip.by_index(index).unwrap();
        let mut bytes = Vec::new();
        std::io::Read::read_to_end(&mut file, &mut bytes).unwrap();
        members.push((file.name().unwrap().to_string(), bytes));
    }
    let mut objects = crate::formats::npy::header_bytes("|O", &[9]);
    objects.extend(b"\x80\x02cos\nsystem\n.");
    let write = |replaced: &str| {
        let members: Vec<(&str, &[u8])> = members
            .iter()
            .map(|(name, bytes)| (name.as_str(), if name == replaced { &objects[..] } else { &bytes[..] }))
            .collect();
        write_raw_zip(&path, &members, true);
        judged(&path)
    };
    for required in ["diffraction.npy", "xcoords.npy", "probeGuess.npy"] {
        let inspection = write(required);
        let failed = inspection.verdicts.iter().find(|verdict| verdict.status == Status::Fail).unwrap();
        assert!(failed.found.contains("pickled object array"), "{failed:?}");
    }
    // The object is optional: the file is usable without it.
    assert_eq!(write("objectGuess.npy").status(), Status::Warn);
}

#[test]
fn whole_numbers_in_a_float_array_give_a_warning() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("counts.npz");
    let data = Synthetic::new(9);
    data.write_with(&path, "diff3d", NpyArray::F64(data.counts.view().into_dyn()));
    let verdict = judged(&path).verdict("amplitude or counts").unwrap().clone();
    assert!(verdict.status == Status::Warn && verdict.advice.contains("counts"), "{verdict:?}");
    let config = DataConfig { diffraction_unit: DiffractionUnit::Counts, ..DataConfig::default() };
    let configured = inspect_with(&path, &config).unwrap();
    assert_eq!(configured.verdict("amplitude or counts").unwrap().status, Status::Pass);
    assert!(configured.notes.iter().any(|note| note.contains("root")));
}

#[test]
fn the_real_files_are_usable_and_files_of_other_programs_are_not() {
    let Some(shared) = shared() else { return };
    for name in ["aps_siemens_n64", "cnm235_mini_n64", "cosmic_goldballs_semi_n64", "lines64_run1084like"] {
        let inspection = judged(&shared.join("data").join(format!("{name}.npz")));
        for verdict in &inspection.verdicts {
            println!("{name}: {verdict}");
        }
        assert_ne!(inspection.status(), Status::Fail);
        assert_eq!(status_of(&inspection, "centering"), Status::Pass);
        assert_eq!(status_of(&inspection, "amplitude or counts"), Status::Pass);
    }
    let foreign = judged(&shared.join("data/foreign_keys_test235.npz"));
    assert!(foreign.verdict("required keys").unwrap().found.contains("reciprocal"));
    for (name, says) in [
        ("golden/gs1_nfs1_wts.h5.zip", "PyTorch"),
        ("golden/gs1_nfs1_state_dict.pt", "PyTorch archive"),
        ("golden/gs1_nfs1_last.ckpt.gz", "gzip"),
    ] {
        let error = inspect(shared.join(name)).unwrap_err();
        assert!(error.to_string().contains(says), "{error}");
        assert_eq!(Dataset::load(&shared.join(name), &DataConfig::default(), 1).unwrap_err(), error);
    }
}

/// Applies each fix of each verdict to `config` and asserts that it resolves the verdict. Returns the labels.
fn resolved(path: &Path, config: &DataConfig) -> Vec<String> {
    let mut labels = Vec::new();
    for verdict in inspect_with(path, config).unwrap().verdicts {
        assert!(verdict.status != Status::Pass || verdict.fixes.is_empty(), "{verdict:?}");
        for fix in verdict.fixes {
            let mut fixed = Config { data: config.clone(), ..Config::default() };
            fix.settings.iter().for_each(|(key, text)| fixed.set(key, text).unwrap());
            let after = inspect_with(path, &fixed.data).unwrap();
            let status = after.verdict(&verdict.check).map_or(Status::Pass, |verdict| verdict.status);
            assert_eq!(status, Status::Pass, "{}: {:#?}", fix.label, after.verdicts);
            labels.push(fix.label);
        }
    }
    labels
}

#[test]
fn every_fix_resolves_its_verdict() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.npz");
    let data = Synthetic::new(9);
    let amplitude = data.amplitude().into_dimensionality::<ndarray::Ix3>().unwrap();
    let config = DataConfig::default();
    let with_unit = |unit| DataConfig { diffraction_unit: unit, ..DataConfig::default() };

    data.write(&path);
    assert!(resolved(&path, &config).is_empty());
    assert_eq!(resolved(&path, &with_unit(DiffractionUnit::Counts)), ["Interpret as amplitude"]);
    data.write_with(&path, "diffraction", NpyArray::F64(data.counts.view().into_dyn()));
    assert_eq!(resolved(&path, &config), ["Interpret as counts"]);
    let counts = data.counts.mapv(|v| v as u16);
    data.write_with(&path, "diffraction", NpyArray::U16(counts.view().into_dyn()));
    let labels = resolved(&path, &with_unit(DiffractionUnit::Amplitude));
    assert_eq!(labels, ["Infer the unit from the data type", "Interpret as counts"]);
    // The values of a Ptychodus export are ambiguous after scaling.
    let export = folder.path().join("train_data.npz");
    let scaled = amplitude.mapv(|v| v * 0.137);
    data.write_with(&export, "diff3d", NpyArray::F32(scaled.view().into_dyn()));
    assert_eq!(resolved(&export, &config), ["Interpret as counts", "Interpret as amplitude"]);

    let mut large = Array3::<f32>::zeros((9, 300, 310));
    large.slice_mut(s![.., 118..182, 123..187]).assign(&amplitude);
    data.write_with(&path, "diffraction", NpyArray::F32(large.view().into_dyn()));
    let labels = resolved(&path, &config);
    assert_eq!(labels, ["Crop to 256 × 256", "Crop to 256 × 256, bin by 2", "Crop to 256 × 256, bin by 4"]);

    // 64 patterns without a direct beam: neither the lengths nor the values distinguish the axes.
    let data = Synthetic::new(64);
    let cube = Array3::from_shape_fn((64, 64, 64), |(n, y, x)| 1.5 + ((n * 7 + y * 3 + x * 5) % 11) as f32);
    let (xs, ys) = data.coordinates();
    let nominal = xs.mapv(|x| x + (x * 1.7).sin());
    let arrays = [
        ("diffraction", NpyArray::F32(cube.view().into_dyn())),
        ("probeGuess", NpyArray::C32(data.probe.view().into_dyn())),
        ("xcoords", NpyArray::F64(xs.view())),
        ("ycoords", NpyArray::F64(ys.view())),
        ("xcoords_start", NpyArray::F64(nominal.view())),
        ("ycoords_start", NpyArray::F64(ys.view())),
    ];
    write_npz(&path, &arrays).unwrap();
    let labels = resolved(&path, &config);
    assert_eq!(labels, ["Use xcoords_start and ycoords_start", "Read as (n, h, w)", "Read as (h, w, n)"]);
    let mapping = Mapping { x: "xcoords".into(), y: "ycoords".into(), ..Mapping::default() };
    let configured = DataConfig { mapping, ..DataConfig::default() };
    assert_eq!(resolved(&path, &configured), ["Read as (n, h, w)", "Read as (h, w, n)"]);
    let json = serde_json::to_value(inspect(&path).unwrap()).unwrap();
    let verdicts = json["verdicts"].as_array().unwrap();
    let verdict = verdicts.iter().find(|verdict| verdict["check"] == "position set").unwrap();
    assert_eq!(verdict["fixes"][0]["settings"][0], serde_json::json!(["data.mapping.x", "xcoords_start"]));
}

#[test]
fn pixels_beyond_the_edge_of_the_detector_are_masked_and_not_called_bad_values() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("beside.npz");
    Synthetic::new(9).write(&path);
    let config = DataConfig { center_x: Some(26), ..DataConfig::default() };
    let dataset = Dataset::load(&path, &config, 1).unwrap();
    let side = dataset.patch_size();
    let unmeasured = dataset.mask.as_ref().unwrap().iter().filter(|good| !**good).count();
    assert_eq!(unmeasured, (side / 2 - 26) * side);
    assert!(!dataset.notes.iter().any(|note| note.contains("because of negative")), "{:?}", dataset.notes);
}
