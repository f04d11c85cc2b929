//! Datasets in all formats: the shared files, generated CXI files and products, and random mixes of types, orders and keys.

use super::reading::geometry::HC_J_M;
use super::test_support::{Synthetic, shared};
use super::*;
use crate::config::{
    DataConfig, DiffractionUnit, Geometry, Mapping, MaskGood, Orientation, PositionOrder, PositionUnit, Zingers,
};
use crate::formats::hdf5::{Hdf5Writer, complex32};
use crate::formats::testing::{one_strip, pages};
use ndarray::{Array2, Array3, Axis, Ix3, s};
use num_complex::{Complex32, Complex64};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::path::Path;

fn load(path: &Path, config: &DataConfig) -> Dataset {
    Dataset::load(path, config, 1).unwrap_or_else(|error| panic!("{error}"))
}

fn rejected(path: &Path, config: &DataConfig) -> (String, Inspection) {
    let inspection = inspect_with(path, config).unwrap();
    assert_eq!(inspection.status(), Status::Fail, "{:#?}", inspection.verdicts);
    (Dataset::load(path, config, 1).unwrap_err().to_string(), inspection)
}

fn largest_difference(one: &Array3<f32>, other: &Array3<f32>) -> f32 {
    assert_eq!(one.dim(), other.dim());
    one.iter().zip(other).fold(0.0, |most, (a, b)| most.max((a - b).abs()))
}

/// Measured patterns with the estimates of a dataset at these masked pixels, after checking that they are local means.
fn with_estimates(measured: &Array3<f32>, dataset: &Dataset, bad: &[(usize, usize)]) -> Array3<f32> {
    let mut expected = measured.clone();
    for &(y, x) in bad {
        assert!(!dataset.mask.as_ref().unwrap()[[y, x]], "{y} {x}");
        for (n, mut pattern) in expected.axis_iter_mut(Axis(0)).enumerate() {
            let around = pattern.slice(s![y - 3..y + 4, x - 3..x + 4]);
            let (low, high) = around
                .indexed_iter()
                .filter(|(at, _)| *at != (3, 3))
                .fold((f32::MAX, f32::MIN), |(low, high), (_, &v)| (low.min(v), high.max(v)));
            let estimate = dataset.diffraction[[n, y, x]];
            assert!(estimate >= low - 1e-3 && estimate <= high + 1e-3, "{estimate} not in {low} … {high}");
            pattern[[y, x]] = estimate;
        }
    }
    expected
}

#[test]
fn every_shared_dataset_opens_with_the_right_verdicts() {
    let Some(shared) = shared() else { return };
    let known = [
        ("aps_siemens_n64", 516, 64, Some((405, 402)), None),
        ("aps_siemens_n128", 516, 128, Some((469, 466)), None),
        ("cnm235_mini_n64", 20, 64, Some((125, 111)), None),
        ("cosmic_goldballs_semi_n64", 798, 64, Some((179, 183)), None),
        ("lines64_run1084like", 1087, 64, Some((227, 226)), Some(1e6)),
        ("lines64_run1084like_legacylayout", 1087, 64, Some((227, 226)), None),
    ];
    // Every added file has to be covered here or by its own test.
    let mut there: Vec<String> = std::fs::read_dir(shared.join("data"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| !name.ends_with(".json") && !name.ends_with(".md") && !name.ends_with(".txt"))
        .collect();
    there.sort();
    let others =
        ["PETRAIII_P25_Near_Field_Ptycho.cxi", "W250_truePos_ptychodus_product.hdf5", "foreign_keys_test235.npz"];
    let mut judged: Vec<String> = known.iter().map(|(name, ..)| format!("{name}.npz")).collect();
    judged.extend(others.map(str::to_owned));
    judged.sort();
    assert_eq!(there, judged);
    for (name, count, side, object, nphotons) in known {
        let path = shared.join(format!("data/{name}.npz"));
        let inspection = inspect(&path).unwrap();
        assert_ne!(inspection.status(), Status::Fail, "{name}: {:#?}", inspection.verdicts);
        let unit = inspection.verdict("amplitude or counts").unwrap();
        assert!(unit.found.contains("amplitude"), "{name}: {unit:?}");
        let dataset = load(&path, &DataConfig::default());
        assert_eq!((dataset.len(), dataset.patch_size()), (count, side), "{name}");
        assert_eq!(dataset.object.map(|object| object.dim()), object, "{name}");
        assert_eq!((dataset.nphotons, dataset.mask, dataset.pixel_size_m), (nphotons, None, None), "{name}");
    }
}

#[test]
fn the_near_field_file_asks_for_the_focus_distance_and_opens_with_it() {
    let Some(shared) = shared() else { return };
    let path = shared.join("data/PETRAIII_P25_Near_Field_Ptycho.cxi");
    let (error, inspection) = rejected(&path, &DataConfig::default());
    assert!(error.contains("near-field") && error.contains("1.99") && error.contains("1.19"), "{error}");
    assert!(error.contains("--focus-distance (data.geometry.focus_distance_m)"), "{error}");
    // All other checks are made as well.
    let found = |inspection: &Inspection, check: &str| {
        inspection.verdict(check).unwrap_or_else(|| panic!("{check}")).found.clone()
    };
    assert!(found(&inspection, "axis order").contains("(200, 100, 100)"));
    assert!(found(&inspection, "pattern size").contains("N = 100"));
    assert!(found(&inspection, "mask").contains("5 of 10000"), "{}", found(&inspection, "mask"));
    let unit = found(&inspection, "amplitude or counts");
    assert!(unit.contains("counts up to 29176"), "{unit}");
    let listed = list(&path).unwrap();
    let data = listed.iter().find(|array| array.key == "entry_1/instrument_1/detector_1/data").unwrap();
    assert_eq!((data.shape.as_slice(), data.dtype.as_str()), ([200, 100, 100].as_slice(), "<i4"));
    assert_eq!(data.storage, Storage::Deflated);

    let geometry = Geometry { focus_distance_m: Some(3.65e-3), ..Geometry::default() };
    let config = DataConfig { geometry, ..DataConfig::default() };
    let inspection = inspect_with(&path, &config).unwrap();
    assert_ne!(inspection.status(), Status::Fail, "{:#?}", inspection.verdicts);
    let near = found(&inspection, "near field");
    assert!(near.contains("magnification 307.8") && near.contains("3.6381 mm") && near.contains("0.0896"), "{near}");
    assert!(inspection.verdict("far field").is_none() && inspection.verdict("centering").is_none());
    let dataset = load(&path, &config);
    assert_eq!((dataset.len(), dataset.patch_size()), (200, 100));
    assert!((dataset.pixel_size_m.unwrap() / 1.7866e-7 - 1.0).abs() < 1e-3);
    assert!((dataset.propagation.fresnel_number().unwrap() - 0.08957).abs() < 1e-4);
    assert!(dataset.starts_from_near_field());
    // A written copy has the same propagation.
    let folder = tempfile::tempdir().unwrap();
    let copy = folder.path().join("copy.npz");
    dataset.save(&copy, &metadata_of(&path)).unwrap();
    let again = load(&copy, &DataConfig::default());
    assert_eq!((again.propagation, again.positions), (dataset.propagation, dataset.positions));
}

#[test]
fn a_product_is_reported_to_lack_patterns_and_its_scan_is_placed_in_its_object() {
    let Some(shared) = shared() else { return };
    let path = shared.join("data/W250_truePos_ptychodus_product.hdf5");
    let (error, inspection) = rejected(&path, &DataConfig::default());
    assert!(error.contains("product") && error.contains("without diffraction patterns"), "{error}");
    // Its object is still the constant initial guess.
    assert!(inspection.verdict("object").unwrap().found.contains("same value everywhere"), "{inspection:#?}");
    assert!(inspection.verdict("scan extent").unwrap().found.contains("378.1"), "{inspection:#?}");
    let product = Product::load(&path).unwrap();
    assert_eq!(
        (product.name.as_str(), product.photon_energy_ev, product.detector_distance_m),
        ("W250_truePos", 1e4, 1.0)
    );
    assert_eq!(
        (product.positions_m.len(), product.probe.dim(), product.object.dim()),
        (961, (2, 256, 256), (1, 415, 415))
    );
    assert_eq!((product.object_pixel_m, product.probe_pixel_m), ([8e-9, 8e-9], [8e-9, 8e-9]));
    let px = product.positions_px();
    // (-2.60444308e-08 m) / 8e-9 m + 415 / 2
    assert!((px[0][0] - 204.244_446_15).abs() < 1e-6, "{:?}", px[0]);
    // All positions are inside the 415 px of the object.
    let (low, high) = px.iter().flatten().fold((f64::MAX, f64::MIN), |(l, h), &v| (l.min(v), h.max(v)));
    assert!(low >= 0.0 && high <= 415.0, "{low} {high}");
}

#[test]
fn an_unknown_file_opened_with_a_mapping_matches_its_converted_copy() {
    let Some(shared) = shared() else { return };
    let path = shared.join("data/foreign_keys_test235.npz");
    let (error, inspection) = rejected(&path, &DataConfig::default());
    assert!(error.contains("data.mapping.diffraction") && error.contains("reciprocal"), "{error}");
    assert_eq!(inspection.arrays[0].shape, [20, 512, 512]);
    let mut config = DataConfig {
        crop: Some(128),
        bin: 2,
        orientation: Orientation::FlipX,
        mapping: Mapping {
            diffraction: "reciprocal".into(),
            positions: "position".into(),
            position_order: PositionOrder::Yx,
            position_unit: PositionUnit::M,
            ..Mapping::default()
        },
        ..DataConfig::default()
    };
    let (error, _) = rejected(&path, &config);
    assert!(error.contains("data.geometry.pixel_size_m"), "{error}");
    config.geometry = Geometry { pixel_size_m: Some(1.6e-8), ..Geometry::default() };
    let dataset = load(&path, &config);
    let converted = load(&shared.join("data/cnm235_mini_n64.npz"), &DataConfig::default());
    assert_eq!((dataset.len(), dataset.patch_size(), dataset.pixel_size_m), (20, 64, Some(1.6e-8)));
    assert_eq!(dataset.probe.dim(), (1, 64, 64));
    let warned = inspect_with(&path, &config).unwrap();
    assert_eq!(warned.status(), Status::Warn, "{:#?}", warned.verdicts);
    assert!(warned.verdict("probe").unwrap().advice.contains("data.mapping.probe_file"));
    // The converted file was made from the same counts; in 160 of its 81920 bins one of the four pixels was dead, and the
    // others were scaled up by 4/3 there.
    let close = dataset.diffraction.iter().zip(&converted.diffraction).filter(|(a, b)| (*a - *b).abs() < 1e-3).count();
    assert_eq!(dataset.diffraction.len() - close, 160);
    let shift = [0, 1].map(|axis| converted.positions[0][axis] - dataset.positions[0][axis]);
    for (one, other) in dataset.positions.iter().zip(&converted.positions) {
        for axis in [0, 1] {
            assert!((one[axis] + shift[axis] - other[axis]).abs() < 1e-6, "{one:?} {other:?}");
        }
    }
}

#[test]
fn binning_the_large_siemens_star_gives_the_small_one() {
    let Some(shared) = shared() else { return };
    let large = shared.join("data/aps_siemens_n128.npz");
    let binned = load(&large, &DataConfig { bin: 2, ..DataConfig::default() });
    let small = load(&shared.join("data/aps_siemens_n64.npz"), &DataConfig::default());
    assert!(largest_difference(&binned.diffraction, &small.diffraction) < 1e-4);
    // Binning leaves object and pixel size unchanged and reduces the window of the probe.
    assert_eq!(binned.object.unwrap().dim(), (469, 466));
    let plain = load(&large, &DataConfig::default());
    assert_eq!(binned.positions, plain.positions);
    assert_eq!(binned.probe, plain.probe.slice(s![.., 32..96, 32..96]));
    // Cropping enlarges the pixel: positions shrink, and the object of the file no longer matches.
    let cropped = load(&large, &DataConfig { crop: Some(64), ..DataConfig::default() });
    assert_eq!((cropped.patch_size(), cropped.object), (64, None));
    assert_eq!(cropped.positions[3], plain.positions[3].map(|v| v / 2.0));
}

/// Geometry of a fictitious CXI experiment: energy in J, distance, detector pixel, and object pixel for size N (m).
fn experiment(n: usize) -> (f64, f64, f64, f64) {
    let (energy_j, distance, pixel) = (8000.0 * 1.602_176_634e-19, 2.5, 75e-6);
    (energy_j, distance, pixel, HC_J_M / energy_j * distance / (n as f64 * pixel))
}

/// Writes a CXI file with links, a mask and the energy in joules. `bad` pixels hold invalid values.
fn write_cxi(
    path: &Path,
    counts: &Array3<u16>,
    positions: &[[f64; 2]],
    probe: &Array3<Complex32>,
    bad: &[(usize, usize)],
) {
    let (count, height, width) = counts.dim();
    let (energy, distance, pixel, object_pixel) = experiment(height);
    let writer = Hdf5Writer::create(path).unwrap();
    for group in [
        "entry_1",
        "entry_1/data_1",
        "entry_1/instrument_1",
        "entry_1/instrument_1/detector_1",
        "entry_1/instrument_1/source_1",
        "entry_1/sample_1",
        "entry_1/sample_1/geometry_1",
    ] {
        writer.group(group).unwrap();
    }
    writer.array("cxi_version", &[], &[160i64]).unwrap();
    let mut stored = counts.clone();
    let mut mask = Array2::<u32>::zeros((height, width));
    mask[[1, 1]] = 0x1000;
    for &(y, x) in bad {
        mask[[y, x]] = 0x1001;
        stored.slice_mut(s![.., y, x]).fill(60_000);
    }
    let detector = "entry_1/instrument_1/detector_1";
    let group = writer.file().root_group().group("entry_1").unwrap().group("instrument_1").unwrap();
    let group = group.group("detector_1").unwrap();
    let data = group
        .new_dataset::<u16>()
        .shape([count, height, width])
        .chunk(&[5, height / 2, width])
        .shuffle_deflate(4)
        .create("data")
        .unwrap();
    data.write_raw(stored.as_slice().unwrap()).unwrap();
    writer.array(&format!("{detector}/mask"), &[height, width], mask.as_slice().unwrap()).unwrap();
    for (name, value) in [("distance", distance), ("x_pixel_size", pixel), ("y_pixel_size", pixel)] {
        writer.array(&format!("{detector}/{name}"), &[], &[value]).unwrap();
    }
    let basis = [0.0, -pixel, -pixel, 0.0, 0.0, 0.0];
    writer.array(&format!("{detector}/basis_vectors"), &[3, 2], &basis).unwrap();
    writer.array("entry_1/instrument_1/source_1/energy", &[], &[energy]).unwrap();
    let (_, side, _) = probe.dim();
    writer
        .array("entry_1/instrument_1/source_1/illumination", &[side, side], &complex32(probe.iter().copied()))
        .unwrap();
    let translation: Vec<f64> = positions.iter().flat_map(|[x, y]| [x * object_pixel, y * object_pixel, 0.0]).collect();
    writer.array("entry_1/sample_1/geometry_1/translation", &[count, 3], &translation).unwrap();
    let data_1 = writer.file().root_group().group("entry_1").unwrap().group("data_1").unwrap();
    data_1.create_soft_link("data", &format!("/{detector}/data")).unwrap();
    data_1.create_soft_link("translation", "/entry_1/sample_1/geometry_1/translation").unwrap();
    writer.commit().unwrap();
}

#[test]
fn a_cxi_file_with_mask_joules_and_links_loads_as_the_npz_file_it_was_made_from() {
    let Some(shared) = shared() else { return };
    let npz = load(&shared.join("data/aps_siemens_n128.npz"), &DataConfig::default());
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("siemens.cxi");
    let counts = npz.diffraction.mapv(|v| (v * v).round() as u16);
    let bad = [(3, 5), (64, 64), (100, 17)];
    write_cxi(&path, &counts, &npz.positions, &npz.probe, &bad);
    let inspection = inspect(&path).unwrap();
    assert_ne!(inspection.status(), Status::Fail, "{:#?}", inspection.verdicts);
    assert!(inspection.verdict("mask").unwrap().found.contains("3 of 16384"));
    let cxi = load(&path, &DataConfig::default());
    assert!((cxi.pixel_size_m.unwrap() / experiment(128).3 - 1.0).abs() < 1e-12);
    for (one, other) in cxi.positions.iter().zip(&npz.positions) {
        assert!((one[0] - other[0]).abs() < 1e-6 && (one[1] - other[1]).abs() < 1e-6, "{one:?} {other:?}");
    }
    assert_eq!(cxi.probe, npz.probe);
    assert_eq!(cxi.mask.as_ref().unwrap().iter().filter(|good| !**good).count(), 3);
    assert!(largest_difference(&cxi.diffraction, &with_estimates(&npz.diffraction, &cxi, &bad)) < 1e-5);
    assert!(cxi.notes.iter().any(|note| note.contains("3 of 16384 pixels")), "{:?}", cxi.notes);
    // Only the selected patterns are read, the same ones as of an NPZ file.
    let few = DataConfig { n_subsample: Some(37), ..DataConfig::default() };
    let (some, same) = (load(&path, &few), load(&shared.join("data/aps_siemens_n128.npz"), &few));
    assert_eq!(some.len(), 37);
    assert!(some.positions.iter().zip(&same.positions).all(|(a, b)| (a[0] - b[0]).abs() < 1e-6));
    assert!((some.diffraction[[36, 60, 60]] - same.diffraction[[36, 60, 60]]).abs() < 1e-5);
}

#[test]
fn a_product_survives_saving_in_both_formats_with_correct_positions() {
    let folder = tempfile::tempdir().unwrap();
    let product = Product {
        name: "Zürich".into(),
        comments: "µ-scan".into(),
        detector_distance_m: 1.25,
        photon_energy_ev: 8800.0,
        probe_photon_count: 1e6,
        exposure_time_s: 0.5,
        position_indexes: vec![3, 5, 9],
        positions_m: vec![[1e-7, 2e-7], [1.5e-7, 2e-7], [1e-7, -3e-7]],
        probe: Array3::from_shape_fn((2, 8, 8), |(m, y, x)| Complex32::new((m * 64 + y * 8 + x) as f32, -(x as f32))),
        probe_pixel_m: [1e-8, 1e-8],
        object: Array3::from_shape_fn((1, 20, 30), |(_, y, x)| Complex32::new(y as f32, x as f32)),
        object_pixel_m: [1e-8, 1e-8],
        object_center_m: [1e-7, 0.0],
        layer_spacing_m: vec![],
        losses: vec![(0, 2.5), (1, 1.25)],
    };
    for name in ["product.h5", "product.npz"] {
        let path = folder.path().join(name);
        product.save(&path).unwrap();
        assert_eq!(Product::load(&path).unwrap(), product, "{name}");
        assert!(rejected(&path, &DataConfig::default()).0.contains("product"), "{name}");
    }
    let px = product.positions_px();
    assert!((px[0][0] - 15.0).abs() < 1e-9 && (px[0][1] - 30.0).abs() < 1e-9, "{px:?}");
    assert!(Product::load(&folder.path().join("none.h5")).is_err());
}

#[test]
fn a_ptypy_file_in_chunks_loads_with_row_before_column() {
    let data = Synthetic::new(12);
    let counts = data.counts.mapv(|v| v as u32);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("scan.ptyd");
    let (energy_j, distance, pixel, object_pixel) = experiment(64);
    let writer = Hdf5Writer::create(&path).unwrap();
    for group in ["chunks", "chunks/0", "chunks/1", "meta"] {
        writer.group(group).unwrap();
    }
    for (chunk, range) in [(0, 0..7), (1, 7..12)] {
        let part = counts.slice(s![range.clone(), .., ..]).to_owned();
        writer.array(&format!("chunks/{chunk}/data"), &[range.len(), 64, 64], part.as_slice().unwrap()).unwrap();
        let places: Vec<f64> =
            data.positions[range.clone()].iter().flat_map(|[x, y]| [y * object_pixel, x * object_pixel]).collect();
        writer.array(&format!("chunks/{chunk}/positions"), &[range.len(), 2], &places).unwrap();
        // Each chunk has its own weights, with one bad pixel in one of its patterns.
        let mut weights = ndarray::Array3::<f32>::ones((range.len(), 64, 64));
        weights[[3, 5 + chunk, 9]] = 0.0;
        writer.array(&format!("chunks/{chunk}/weights"), &[range.len(), 64, 64], weights.as_slice().unwrap()).unwrap();
    }
    writer.array("meta/energy", &[], &[energy_j / 1.602_176_634e-16]).unwrap();
    writer.array("meta/distance", &[], &[distance]).unwrap();
    writer.array("meta/psize", &[2], &[pixel, pixel]).unwrap();
    writer.commit().unwrap();
    let dataset = load(&path, &DataConfig::default());
    assert_eq!((dataset.len(), dataset.patch_size()), (12, 64));
    for (one, other) in dataset.positions.iter().zip(&data.positions) {
        assert!((one[0] - other[0]).abs() < 1e-6 && (one[1] - other[1]).abs() < 1e-6, "{one:?} {other:?}");
    }
    // Each pixel is masked in its own pattern only.
    assert_eq!(dataset.mask, None);
    assert_eq!(bad_in_patterns(&dataset), [(3, 5, 9), (10, 6, 9)]);
    let mut amplitude = data.amplitude().into_dimensionality::<Ix3>().unwrap();
    for at in [[3, 5, 9], [10, 6, 9]] {
        amplitude[at] = dataset.diffraction[at];
    }
    assert!(largest_difference(&dataset.diffraction, &amplitude) < 1e-3);
    // For a subset of the patterns only their own masks are used; one pattern has one mask.
    let one = Dataset::load_rows(&path, &DataConfig::default(), &[10], None).unwrap();
    let mask = one.mask.unwrap();
    assert!(!mask[[6, 9]] && mask.iter().filter(|good| !**good).count() == 1 && one.pattern_masks.is_none());
}

#[test]
fn saturated_and_invalid_pixels_are_masked_in_their_patterns() {
    let data = Synthetic::new(9);
    let mut counts = data.counts.mapv(|v| v as u16);
    counts[[4, 10, 11]] = u16::MAX;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bad.cxi");
    let probe = data.probe.clone().insert_axis(Axis(0));
    write_cxi(&path, &counts, &data.positions, &probe, &[]);
    let dataset = load(&path, &DataConfig::default());
    assert!(dataset.mask.iter().flatten().all(|good| *good));
    assert_eq!(bad_in_patterns(&dataset), [(4, 10, 11)]);
    let around = dataset.diffraction.slice(s![4, 7..14, 8..15]);
    assert!(dataset.diffraction[[4, 10, 11]] <= around.iter().copied().fold(0.0, f32::max));
    let peak = data.counts.iter().copied().fold(0.0, f64::max);
    let limited = load(&path, &DataConfig { saturation: Some(peak), ..DataConfig::default() });
    let bright: Vec<_> = data.counts.indexed_iter().filter(|(_, count)| **count >= peak).map(|(at, _)| at).collect();
    let masked = bad_in_patterns(&limited);
    assert!(masked.len() == bright.len() + 1 && bright.iter().all(|at| masked.contains(at)), "{masked:?}");
    assert!(f64::from(limited.diffraction.iter().copied().fold(0.0, f32::max)).powi(2) < peak);
}

#[test]
fn a_mask_file_is_combined_with_the_mask_of_the_dataset() {
    let data = Synthetic::new(9);
    let counts = data.counts.mapv(|v| v as u16);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("scan.cxi");
    write_cxi(&path, &counts, &data.positions, &data.probe.clone().insert_axis(Axis(0)), &[(20, 21)]);
    let mask_path = folder.path().join("mask.npy");
    let config = |mask_good| DataConfig {
        mapping: Mapping { mask_file: mask_path.to_str().unwrap().into(), mask_good, ..Mapping::default() },
        ..DataConfig::default()
    };
    let write = |mask: &Array2<u16>| {
        std::fs::write(&mask_path, npy_bytes(&NpyArray::U16(mask.view().into_dyn())).unwrap()).unwrap();
    };
    let bad = |dataset: &Dataset| {
        let mask = dataset.mask.as_ref().unwrap();
        mask.indexed_iter().filter(|(_, good)| !**good).map(|(at, _)| at).collect::<Vec<_>>()
    };
    let mut mask = Array2::<u16>::zeros((64, 64));
    mask[[30, 41]] = 1;
    write(&mask);
    assert_eq!(bad(&load(&path, &config(MaskGood::Auto))), [(20, 21), (30, 41)]);
    assert_eq!(bad(&load(&path, &config(MaskGood::Zero))), [(20, 21), (30, 41)]);
    // The rule applies to this file; CXI bits keep their meaning.
    write(&mask.mapv(|v| 1 - v));
    assert_eq!(bad(&load(&path, &config(MaskGood::NonZero))), [(20, 21), (30, 41)]);
    // A mask for finished patterns: after padding to 128 the pixels have moved.
    let mut wide = Array2::<u16>::zeros((128, 128));
    wide[[90, 7]] = 1;
    write(&wide);
    let padded = DataConfig { pad: Some(128), ..config(MaskGood::Zero) };
    assert_eq!(bad(&load(&path, &padded)), [(52, 53), (90, 7)]);
    let (error, _) = rejected(&path, &config(MaskGood::Zero));
    assert!(error.contains("(128, 128)") && error.contains("(64, 64)") && error.contains("mask_file"), "{error}");
    let missing =
        DataConfig { mapping: Mapping { mask_file: "none.npy".into(), ..Mapping::default() }, ..DataConfig::default() };
    assert!(rejected(&path, &missing).0.contains("none.npy"));
}

#[test]
fn a_mask_for_each_pattern_masks_pixels_in_single_patterns_through_cropping_binning_and_saving() {
    let data = Synthetic::new(9);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("scan.h5");
    let writer = Hdf5Writer::create(&path).unwrap();
    let counts = data.counts.mapv(|v| v as u32);
    writer.array("diffraction", &[9, 64, 64], counts.as_slice().unwrap()).unwrap();
    let (xs, ys) = data.coordinates();
    writer.array("xcoords", &[9], xs.as_slice().unwrap()).unwrap();
    writer.array("ycoords", &[9], ys.as_slice().unwrap()).unwrap();
    writer.array("probeGuess", &[64, 64], &complex32(data.probe.iter().copied())).unwrap();
    let mut masks = Array3::<u8>::zeros((9, 64, 64));
    masks[[2, 10, 12]] = 1;
    masks[[7, 40, 40]] = 1;
    masks.slice_mut(s![.., 50, 51]).fill(1);
    writer.array("mask", &[9, 64, 64], masks.as_slice().unwrap()).unwrap();
    writer.commit().unwrap();
    let dataset = load(&path, &DataConfig::default());
    assert!(!dataset.mask.as_ref().unwrap()[[50, 51]]);
    assert_eq!(bad_in_patterns(&dataset), [(2, 10, 12), (7, 40, 40)]);
    assert!(dataset.notes.iter().any(|note| note.contains("2 of 9")), "{:?}", dataset.notes);
    // The middle 56 × 56 pixels begin at 4.
    let reduced = load(&path, &DataConfig { crop: Some(56), bin: 2, ..DataConfig::default() });
    assert_eq!(bad_in_patterns(&reduced), [(2, 3, 4), (7, 18, 18)]);
    assert!(!reduced.mask.as_ref().unwrap()[[23, 23]]);
    let saved = folder.path().join("saved.npz");
    dataset.save(&saved, &metadata_of(&path)).unwrap();
    let again = load(&saved, &DataConfig::default());
    assert_eq!((&again.pattern_masks, &again.mask), (&dataset.pattern_masks, &dataset.mask));
    assert!(largest_difference(&again.diffraction, &dataset.diffraction) < 1e-4);
    let some = dataset.subset(&[7, 1]);
    assert_eq!(bad_in_patterns(&some), [(0, 40, 40)]);
    assert_eq!(bad_in_patterns(&some.transposed().merged(&some.transposed()).unwrap()), [(0, 40, 40), (2, 40, 40)]);
    assert_eq!(dataset.subset(&[0, 1]).pattern_masks, None);
    // The same masks in a separate file.
    let mask_path = folder.path().join("masks.npy");
    let shift = masks.mapv(u16::from);
    std::fs::write(&mask_path, npy_bytes(&NpyArray::U16(shift.view().into_dyn())).unwrap()).unwrap();
    let plain = folder.path().join("plain.npz");
    data.write(&plain);
    let mapping = Mapping { mask_file: mask_path.to_str().unwrap().into(), ..Mapping::default() };
    let masked = load(&plain, &DataConfig { mapping, ..DataConfig::default() });
    assert_eq!((&masked.pattern_masks, &masked.mask), (&dataset.pattern_masks, &dataset.mask));
    // As images of its own, in one file or several; other numbers of images are refused.
    let images: Vec<Array2<u16>> = shift.outer_iter().map(|mask| mask.to_owned()).collect();
    for (k, image) in images.iter().enumerate() {
        std::fs::write(folder.path().join(format!("mask_{k}.tif")), one_strip(image)).unwrap();
    }
    std::fs::write(folder.path().join("nine.tif"), pages(&images)).unwrap();
    std::fs::write(folder.path().join("two.tif"), pages(&images[..2])).unwrap();
    let with = |name: &str| {
        let mapping = Mapping { mask_file: folder.path().join(name).to_str().unwrap().into(), ..Mapping::default() };
        DataConfig { mapping, ..DataConfig::default() }
    };
    for name in ["mask_*.tif", "nine.tif"] {
        let masked = load(&plain, &with(name));
        assert_eq!((&masked.pattern_masks, &masked.mask), (&dataset.pattern_masks, &dataset.mask), "{name}");
    }
    let (error, _) = rejected(&plain, &with("two.tif"));
    assert!(error.contains("(2, 64, 64)") && error.contains("one mask for each pattern"), "{error}");
}

#[test]
fn a_part_behind_a_link_that_leads_nowhere_is_named_instead_of_left_out() {
    let data = Synthetic::new(9);
    let folder = tempfile::tempdir().unwrap();
    let written = |name: &str, write: &dyn Fn(&Hdf5Writer)| {
        let writer = Hdf5Writer::create(&folder.path().join(name)).unwrap();
        ["entry", "entry/data"].iter().for_each(|group| writer.group(group).unwrap());
        write(&writer);
        writer.commit().unwrap();
        folder.path().join(name)
    };
    let counts = data.counts.mapv(|v| v as u32);
    written("part_1.h5", &|writer| {
        writer.array("entry/data/data", &[9, 64, 64], counts.as_slice().unwrap()).unwrap();
    });
    let table: String = data.positions.iter().map(|[x, y]| format!("{x},{y}\n")).collect();
    let positions = folder.path().join("positions.csv");
    std::fs::write(&positions, table).unwrap();
    let mapping = Mapping {
        positions_file: positions.to_str().unwrap().into(),
        position_unit: PositionUnit::Px,
        ..Mapping::default()
    };
    let config = DataConfig { mapping, ..DataConfig::default() };
    let master = |links: &[(&str, &str, &str)]| {
        written("master.h5", &|writer| {
            let group = writer.file().root_group().group("entry").unwrap().group("data").unwrap();
            for (name, file, target) in links {
                group.create_external_link(name, file, target).unwrap();
            }
        })
    };
    let first = ("data_1", "part_1.h5", "/entry/data/data");
    assert_eq!(load(&master(&[first]), &config).diffraction.len_of(Axis(0)), 9);
    let gone = ("data_2", "gone.h5", "/entry/data/data");
    let wrong = ("data_2", "part_1.h5", "/entry/frames");
    for (links, named) in
        [(vec![first, gone], "gone.h5"), (vec![first, wrong], "/entry/frames"), (vec![gone], "gone.h5")]
    {
        let (error, _) = rejected(&master(&links), &config);
        assert!(error.contains("entry/data/data_2") && error.contains(named), "{error}");
    }
}

/// (pattern, row, column) of the pixels that are masked in single patterns.
fn bad_in_patterns(dataset: &Dataset) -> Vec<(usize, usize, usize)> {
    let masks = dataset.pattern_masks.as_ref();
    let of = |masks: &PatternMasks, n: usize| masks.bad_pixels(n).map(|(y, x)| (n, y, x)).collect::<Vec<_>>();
    masks.map_or_else(Vec::new, |masks| (0..masks.len()).flat_map(|n| of(masks, n)).collect())
}

#[test]
fn marks_that_occur_in_some_patterns_mask_the_pixel_there() {
    let data = Synthetic::new(9);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("marks.npz");
    let mut counts = data.counts.mapv(|v| v as f32);
    counts.slice_mut(s![.., 3, 3]).fill(-1.0);
    (counts[[2, 30, 31]], counts[[5, 30, 31]], counts[[6, 8, 9]]) = (-1.0, -2.0, f32::NAN);
    let whole = DataConfig { diffraction_unit: DiffractionUnit::Counts, ..DataConfig::default() };
    data.write_with(&path, "diffraction", NpyArray::F32(counts.view().into_dyn()));
    let dataset = load(&path, &whole);
    let mask = dataset.mask.as_ref().unwrap();
    assert!(!mask[[3, 3]] && mask.iter().filter(|good| !**good).count() == 1);
    assert_eq!(bad_in_patterns(&dataset), [(2, 30, 31), (5, 30, 31), (6, 8, 9)]);
    assert!((dataset.diffraction[[0, 30, 31]] - data.counts[[0, 30, 31]].sqrt() as f32).abs() < 1e-3);
    // Other negative values are noise, and with them the same values are no marks.
    counts[[4, 20, 20]] = -0.4;
    data.write_with(&path, "diffraction", NpyArray::F32(counts.view().into_dyn()));
    let noisy = load(&path, &whole);
    assert_eq!(bad_in_patterns(&noisy), [(6, 8, 9)]);
    assert!(noisy.notes.iter().any(|note| note.contains("3 negative values, down to -2")), "{:?}", noisy.notes);
    // Amplitudes: marks and NaN, too, but other negative values are refused.
    let mut amplitude = data.amplitude();
    (amplitude[[1, 9, 9]], amplitude[[3, 9, 9]]) = (f32::NAN, -1.0);
    data.write_with(&path, "diffraction", NpyArray::F32(amplitude.view()));
    assert_eq!(bad_in_patterns(&load(&path, &DataConfig::default())), [(1, 9, 9), (3, 9, 9)]);
    amplitude[[3, 9, 9]] = -0.3;
    data.write_with(&path, "diffraction", NpyArray::F32(amplitude.view()));
    assert!(rejected(&path, &DataConfig::default()).0.contains("negative"));
}

#[test]
fn zingers_are_reported_and_masked_on_request() {
    let data = Synthetic::new(16);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("zingers.npz");
    data.write(&path);
    assert_eq!(inspect(&path).unwrap().verdict("zingers").unwrap().status, Status::Pass);
    let peak = data.counts.iter().copied().fold(0.0, f64::max);
    let mut struck = data.clone();
    for (n, y, x) in [(2, 5, 6), (2, 50, 9), (11, 40, 60)] {
        struck.counts[[n, y, x]] += peak;
    }
    struck.write(&path);
    let inspection = inspect(&path).unwrap();
    let verdict = inspection.verdict("zingers").unwrap();
    assert!(verdict.status == Status::Warn && verdict.found.starts_with("3 zingers in 2 of 16"), "{verdict}");
    assert_eq!(verdict.fixes[0].settings, [("data.zingers", "auto".to_owned())]);
    let off = load(&path, &DataConfig::default());
    assert!(off.pattern_masks.is_none() && off.warnings.iter().any(|warning| warning.contains("zingers")));
    let masked = load(&path, &DataConfig { zingers: Zingers::Auto, ..DataConfig::default() });
    assert_eq!(bad_in_patterns(&masked), [(2, 5, 6), (2, 50, 9), (11, 40, 60)]);
    assert!(
        masked.notes.iter().any(|note| note.contains("3 zingers"))
            && masked.diffraction[[2, 5, 6]].powi(2) < 0.1 * peak as f32
    );
}

#[test]
fn a_background_follows_the_patterns_and_negative_values_after_the_dark_field_are_counted() {
    let data = Synthetic::new(9);
    let folder = tempfile::tempdir().unwrap();
    let (path, light) = (folder.path().join("scan.npz"), folder.path().join("light.npy"));
    let counts = data.counts.mapv(|v| v as u16);
    data.write_with(&path, "diffraction", NpyArray::U16(counts.view().into_dyn()));
    let background =
        Array2::from_shape_fn((64, 64), |(y, x)| if (y, x) == (9, 9) { -1.0 } else { 0.01 * (y + x) as f32 });
    std::fs::write(&light, npy_bytes(&NpyArray::F32(background.view().into_dyn())).unwrap()).unwrap();
    let mapping = Mapping { background_file: light.to_str().unwrap().into(), ..Mapping::default() };
    let config = DataConfig { background: 2.0, mapping, ..DataConfig::default() };
    let dataset = load(&path, &config);
    let found = dataset.background.as_ref().unwrap();
    assert!((found[[20, 30]] - 2.5).abs() < 1e-5 && (found[[9, 9]] - 1.0).abs() < 1e-5);
    assert_eq!(dataset.diffraction[[0, 32, 32]], data.counts[[0, 32, 32]].sqrt() as f32, "it stays in the patterns");
    assert!(dataset.notes.iter().any(|note| note.contains("adds a background")), "{:?}", dataset.notes);
    // Binned, it sums four pixels; saved, it is read again.
    let binned = load(&path, &DataConfig { crop: Some(56), bin: 2, ..config.clone() });
    let sum: f32 = [(24, 34), (24, 35), (25, 34), (25, 35)].iter().map(|at| found[*at]).sum();
    assert!((binned.background.as_ref().unwrap()[[10, 15]] - sum).abs() < 1e-4);
    let saved = folder.path().join("saved.npz");
    binned.save(&saved, &metadata_of(&path)).unwrap();
    assert_eq!(load(&saved, &DataConfig::default()).background, binned.background);
    // Too much of it.
    let much = inspect_with(&path, &DataConfig { background: 1e6, ..DataConfig::default() }).unwrap();
    assert_eq!(much.verdict("background").unwrap().status, Status::Warn);
    // A dark field that is higher than most counts.
    let dark = Array2::<f32>::from_elem((64, 64), 50.0);
    std::fs::write(&light, npy_bytes(&NpyArray::F32(dark.view().into_dyn())).unwrap()).unwrap();
    let mapping = Mapping { dark_file: light.to_str().unwrap().into(), ..Mapping::default() };
    let darkened = load(&path, &DataConfig { mapping, ..DataConfig::default() });
    let expected = data.counts.iter().filter(|count| **count < 50.0).count();
    let text = format!("{expected} negative values, down to -50");
    assert!(darkened.notes.iter().any(|note| note.contains(&text)), "{:?}", darkened.notes);
    assert!(darkened.diffraction.iter().all(|value| *value >= 0.0));
}

#[test]
fn patterns_can_be_padded_to_the_size_of_the_probe() {
    let data = Synthetic::new(9);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("odd.npz");
    let amplitude = data.amplitude().into_dimensionality::<Ix3>().unwrap().slice(s![.., 2..62, 2..62]).to_owned();
    data.write_with(&path, "diffraction", NpyArray::F32(amplitude.view().into_dyn()));
    let config = DataConfig { pad: Some(64), ..DataConfig::default() };
    let (error, _) = rejected(&path, &DataConfig::default());
    assert!(error.contains("--pad 64"), "{error}");
    let padded = load(&path, &config);
    assert_eq!(padded.patch_size(), 64);
    assert_eq!(padded.diffraction.slice(s![.., 2..62, 2..62]), amplitude);
    // Padding is dark, not masked.
    assert_eq!(padded.mask, None);
    assert!(padded.diffraction.slice(s![.., ..2, ..]).iter().all(|&v| v == 0.0));
}

/// Writes the scan with a random mix of choices; returns the path, the configuration to read it, and whether it has a mask.
fn write_mix(folder: &Path, data: &Synthetic, rng: &mut ChaCha8Rng) -> (std::path::PathBuf, DataConfig, bool) {
    let mut config = DataConfig::default();
    let hdf5 = rng.random_bool(0.5);
    let path = folder.join(if hdf5 { "mix.h5" } else { "mix.npz" });
    let last = rng.random_bool(0.4);
    let as_counts = rng.random_bool(0.5);
    let dtype = rng.random_range(0..3u8);
    let key = ["diffraction", "diff3d", "frames"][rng.random_range(0..3usize)];
    let probe_key = ["probeGuess", "probe"][rng.random_range(0..2usize)];
    let masked = rng.random_bool(0.5);
    let yx = rng.random_bool(0.5);
    let values = if as_counts { data.counts.clone() } else { data.counts.mapv(f64::sqrt) };
    let values = if last { values.permuted_axes([1, 2, 0]).as_standard_layout().into_owned() } else { values };
    if key == "frames" {
        config.mapping.diffraction = key.into();
        config.mapping.positions = "where".into();
        config.mapping.position_order = if yx { PositionOrder::Yx } else { PositionOrder::Xy };
        config.mapping.probe = probe_key.into();
    }
    let integer = as_counts && dtype == 0;
    if as_counts && !integer {
        config.diffraction_unit = DiffractionUnit::Counts;
    }
    let (xs, ys) = data.coordinates();
    let both = Array2::from_shape_fn((data.positions.len(), 2), |(k, c)| data.positions[k][if yx { 1 - c } else { c }]);
    let mut mask = Array2::<u16>::zeros((64, 64));
    mask[[20, 30]] = 1;
    if masked {
        config.mapping.mask = "mask".into();
        config.mapping.mask_good = [MaskGood::Auto, MaskGood::Zero][rng.random_range(0..2usize)];
    }
    let shape = values.shape().to_vec();
    if hdf5 {
        let writer = Hdf5Writer::create(&path).unwrap();
        fn put<T: rust_hdf5::H5Type>(writer: &Hdf5Writer, key: &str, values: &Array3<T>, compressed: bool) {
            let shape = values.shape();
            let builder = writer.file().new_dataset::<T>().shape(shape);
            let chunk = [shape[0].min(4), shape[1].min(16), shape[2]];
            let dataset =
                if compressed { builder.chunk(&chunk).shuffle_deflate(3) } else { builder }.create(key).unwrap();
            dataset.write_raw(values.as_slice().unwrap()).unwrap();
        }
        let compressed = rng.random_bool(0.5);
        match dtype {
            0 if integer => put(&writer, key, &values.mapv(|v| v as u32), compressed),
            1 => put(&writer, key, &values.mapv(|v| v as f32), compressed),
            _ => put(&writer, key, &values, compressed),
        }
        writer.array("xcoords", &[xs.len()], xs.as_slice().unwrap()).unwrap();
        writer.array("ycoords", &[ys.len()], ys.as_slice().unwrap()).unwrap();
        writer.array("where", &[ys.len(), 2], both.as_slice().unwrap()).unwrap();
        writer.array(probe_key, &[64, 64], &complex32(data.probe.iter().copied())).unwrap();
        writer.array("mask", &[64, 64], mask.as_slice().unwrap()).unwrap();
        writer.commit().unwrap();
    } else {
        let single = values.mapv(|v| v as f32);
        let whole = values.mapv(|v| v as i64);
        let wide = data.probe.mapv(|v| Complex64::new(v.re.into(), v.im.into()));
        let diffraction = match dtype {
            0 if integer => NpyArray::I64(whole.view().into_dyn()),
            1 => NpyArray::F32(single.view().into_dyn()),
            _ => NpyArray::F64(values.view().into_dyn()),
        };
        let arrays = [
            (key, diffraction),
            ("xcoords", NpyArray::F64(xs.view())),
            ("ycoords", NpyArray::F64(ys.view())),
            ("where", NpyArray::F64(both.view().into_dyn())),
            (probe_key, NpyArray::C64(wide.view().into_dyn())),
            ("mask", NpyArray::U16(mask.view().into_dyn())),
        ];
        write_npz(&path, &arrays[..if masked { 6 } else { 5 }]).unwrap();
    }
    println!("{key} {probe_key} hdf5 {hdf5} last {last} counts {as_counts} dtype {dtype} masked {masked} {shape:?}");
    (path, config, masked || hdf5)
}

#[test]
fn any_mix_of_type_order_compression_key_and_mask_is_read_back() {
    let data = Synthetic::new(10);
    let folder = tempfile::tempdir().unwrap();
    let mut rng = ChaCha8Rng::seed_from_u64(20);
    let amplitude = data.amplitude().into_dimensionality::<Ix3>().unwrap();
    for round in 0..60 {
        let (path, config, masked) = write_mix(folder.path(), &data, &mut rng);
        let dataset = load(&path, &config);
        let mut expected = amplitude.clone();
        if masked {
            expected = with_estimates(&expected, &dataset, &[(20, 30)]);
        } else {
            assert_eq!(dataset.mask, None, "round {round}");
        }
        assert!(largest_difference(&dataset.diffraction, &expected) < 1e-3, "round {round}");
        assert_eq!(dataset.positions, data.positions, "round {round}");
        assert_eq!(dataset.probe.index_axis(Axis(0), 0), data.probe, "round {round}");
    }
}

#[test]
fn unknown_hdf5_files_are_listed_with_advice_on_the_mapping() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("other.h5");
    let writer = Hdf5Writer::create(&path).unwrap();
    writer.group("scan").unwrap();
    writer.array("scan/frames", &[2, 3], &[1.0f32; 6]).unwrap();
    writer.commit().unwrap();
    let (error, _) = rejected(&path, &DataConfig::default());
    assert!(error.contains("scan/frames") && error.contains("data.mapping.diffraction"), "{error}");
    let config = DataConfig {
        mapping: Mapping { diffraction: "scan/none".into(), ..Mapping::default() },
        ..DataConfig::default()
    };
    assert!(rejected(&path, &config).0.contains("positions"));
    let bytes = std::fs::read(&path).unwrap();
    for end in [9, 60, bytes.len() / 2] {
        std::fs::write(&path, &bytes[..end]).unwrap();
        assert!(Dataset::load(&path, &DataConfig::default(), 1).is_err(), "{end}");
    }
}

#[test]
fn the_probe_of_a_product_can_be_used_for_a_dataset_without_one() {
    let data = Synthetic::new(9);
    let folder = tempfile::tempdir().unwrap();
    let (path, probe_path) = (folder.path().join("scan.npz"), folder.path().join("product.h5"));
    let (amplitude, (xs, ys)) = (data.amplitude(), data.coordinates());
    let arrays = [
        ("diffraction", NpyArray::F32(amplitude.view())),
        ("xcoords", NpyArray::F64(xs.view())),
        ("ycoords", NpyArray::F64(ys.view())),
    ];
    write_npz(&path, &arrays).unwrap();
    let product = Product {
        probe: data.probe.clone().insert_axis(Axis(0)),
        object: data.object.clone().insert_axis(Axis(0)),
        positions_m: vec![[0.0, 0.0]],
        object_pixel_m: [1e-8; 2],
        ..Product::default()
    };
    product.save(&probe_path).unwrap();
    let mapping = Mapping { probe_file: probe_path.to_str().unwrap().into(), ..Mapping::default() };
    let dataset = load(&path, &DataConfig { mapping, ..DataConfig::default() });
    assert_eq!(dataset.probe.index_axis(Axis(0), 0), data.probe);
}

#[test]
fn a_product_of_a_reconstruction_keeps_its_positions() {
    let data = Synthetic::new(9);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.npz");
    data.write(&path);
    let dataset = load(&path, &DataConfig::default());
    let reconstruction = Reconstruction {
        object: data.object.slice(s![3.., 7..]).to_owned(),
        coverage: Array2::ones((107, 113)),
        origin_xy: [7.0, 3.0],
        pixel_size_m: Some(2e-8),
    };
    let product = reconstruction.to_product(&dataset, 2e-8, "a");
    for (place, [x, y]) in product.positions_px().iter().zip(&dataset.positions) {
        assert!((place[0] - (x - 7.0)).abs() < 1e-9 && (place[1] - (y - 3.0)).abs() < 1e-9);
    }
    let cxi = folder.path().join("image.cxi");
    reconstruction.save_cxi(&cxi).unwrap();
    let listed = list(&cxi).unwrap();
    let image = listed.iter().find(|array| array.key == "entry_1/image_1/data").unwrap();
    assert_eq!((image.shape.as_slice(), image.dtype.as_str()), ([107, 113].as_slice(), "<c8"));
    let npy = npy_bytes(&NpyArray::C32(reconstruction.object.view().into_dyn())).unwrap();
    assert!(npy.starts_with(b"\x93NUMPY") && npy.len() > 107 * 113 * 8);
}

/// Writes counts of this shape as `frames`, and the probe; the caller adds more and commits.
fn write_plain(path: &Path, data: &Synthetic, shape: &[usize]) -> Hdf5Writer {
    let writer = Hdf5Writer::create(path).unwrap();
    let counts = data.counts.mapv(|v| v as u16);
    let dataset = writer.file().new_dataset::<u16>().shape(shape).chunk(&[1, 2, 32, 64]).shuffle_deflate(3);
    dataset.create("frames").unwrap().write_raw(counts.as_slice().unwrap()).unwrap();
    writer.array("probe", &[64, 64], &complex32(data.probe.iter().copied())).unwrap();
    writer
}

#[test]
fn a_grid_of_scan_points_accepts_positions_in_every_form_or_a_step() {
    let data = Synthetic::new(12);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("grid.h5");
    let writer = write_plain(&path, &data, &[3, 4, 64, 64]);
    let (columns, rows) = ([0.0, 5.0, 10.0, 15.0], [30.0, 34.0, 38.0]);
    let each: Vec<[f64; 2]> = (0..12).map(|k| [columns[k % 4], rows[k / 4]]).collect();
    let flat = |axis: usize| each.iter().map(|p| p[axis]).collect::<Vec<f64>>();
    writer.array("x_axis", &[4], &columns).unwrap();
    writer.array("y_axis", &[3], &rows).unwrap();
    writer.array("x_grid", &[3, 4], &flat(0)).unwrap();
    writer.array("y_grid", &[3, 4], &flat(1)).unwrap();
    writer.array("both", &[3, 4, 2], each.as_flattened()).unwrap();
    writer.array("list", &[12, 2], each.as_flattened()).unwrap();
    writer.commit().unwrap();
    let mapping = |of: &dyn Fn(&mut Mapping)| {
        let mut mapping = Mapping { diffraction: "frames".into(), probe: "probe".into(), ..Mapping::default() };
        of(&mut mapping);
        DataConfig { mapping, ..DataConfig::default() }
    };
    let amplitude = data.amplitude().into_dimensionality::<Ix3>().unwrap();
    let pairs = [("x_axis", "y_axis"), ("x_grid", "y_grid")];
    for (x, y) in pairs {
        let dataset = load(&path, &mapping(&|m| (m.x, m.y) = (x.into(), y.into())));
        assert_eq!(dataset.positions, each, "{x}");
        assert!(largest_difference(&dataset.diffraction, &amplitude) < 1e-3);
    }
    for key in ["both", "list"] {
        let dataset = load(&path, &mapping(&|m| m.positions = key.into()));
        assert_eq!(dataset.positions, each, "{key}");
    }
    let dataset = load(&path, &mapping(&|m| m.scan_step = Some(4.5)));
    assert_eq!((dataset.positions[0], dataset.positions[7]), ([0.0, 0.0], [13.5, 4.5]));
    assert!(dataset.notes.iter().any(|note| note.contains("3 rows of 4")), "{:?}", dataset.notes);
    // A subset of a grid.
    let few = DataConfig { n_subsample: Some(5), ..mapping(&|m| m.positions = "list".into()) };
    let some = load(&path, &few);
    assert_eq!(some.len(), 5);
    for (pattern, position) in some.diffraction.outer_iter().zip(&some.positions) {
        let at = each.iter().position(|other| other == position).unwrap();
        assert!(pattern.iter().zip(amplitude.index_axis(Axis(0), at)).all(|(a, b)| (a - b).abs() < 1e-3));
    }
    // A step requires a grid.
    let flat = folder.path().join("flat.h5");
    let writer = Hdf5Writer::create(&flat).unwrap();
    writer.array("frames", &[12, 64, 64], data.counts.mapv(|v| v as u16).as_slice().unwrap()).unwrap();
    writer.commit().unwrap();
    let (error, _) = rejected(&flat, &mapping(&|m| (m.scan_step, m.probe) = (Some(1.0), String::new())));
    assert!(error.contains("scan_step") && error.contains("(12, 64, 64)"), "{error}");
}

#[test]
fn a_stack_in_parts_is_joined_by_a_key_pattern() {
    let data = Synthetic::new(12);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("parts.h5");
    let writer = Hdf5Writer::create(&path).unwrap();
    writer.group("entry").unwrap();
    let counts = data.counts.mapv(|v| v as u16);
    // Part 10 follows part 9, unlike in alphabetical order.
    for (name, range) in [("data_10", 8..12), ("data_2", 0..3), ("data_9", 3..8)] {
        let part = counts.slice(s![range.clone(), .., ..]).to_owned();
        writer.array(&format!("entry/{name}"), &[range.len(), 64, 64], part.as_slice().unwrap()).unwrap();
    }
    let places: Vec<f64> = data.positions.iter().flatten().copied().collect();
    writer.array("entry/places", &[12, 2], &places).unwrap();
    writer.commit().unwrap();
    let mapping = Mapping {
        diffraction: "/entry/data_*".into(),
        positions: "entry/places".into(),
        position_unit: PositionUnit::Px,
        ..Mapping::default()
    };
    let dataset = load(&path, &DataConfig { mapping, ..DataConfig::default() });
    let amplitude = data.amplitude().into_dimensionality::<Ix3>().unwrap();
    assert!(largest_difference(&dataset.diffraction, &amplitude) < 1e-3);
    assert_eq!(dataset.positions, data.positions);
}

#[test]
fn oblong_detectors_open_with_a_crop() {
    let data = Synthetic::new(9);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("oblong.h5");
    let writer = Hdf5Writer::create(&path).unwrap();
    let mut wide = Array3::<u16>::zeros((9, 64, 100));
    wide.slice_mut(s![.., .., 18..82]).assign(&data.counts.mapv(|v| v as u16));
    writer.array("diffraction", &[9, 64, 100], wide.as_slice().unwrap()).unwrap();
    let (xs, ys) = data.coordinates();
    writer.array("xcoords", &[9], xs.as_slice().unwrap()).unwrap();
    writer.array("ycoords", &[9], ys.as_slice().unwrap()).unwrap();
    writer.array("probeGuess", &[64, 64], &complex32(data.probe.iter().copied())).unwrap();
    writer.commit().unwrap();
    let (error, _) = rejected(&path, &DataConfig::default());
    // The whole frames become squares of 100 pixels, for which the probe is too small.
    assert!(error.contains("probe") && error.contains("(100, 100)"), "{error}");
    let dataset = load(&path, &DataConfig { crop: Some(64), ..DataConfig::default() });
    let amplitude = data.amplitude().into_dimensionality::<Ix3>().unwrap();
    assert!(largest_difference(&dataset.diffraction, &amplitude) < 1e-3);
}
