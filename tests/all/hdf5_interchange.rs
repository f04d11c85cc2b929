//! HDF5 files change hands with h5py and Ptychodus, in a virtual environment of Python; skipped, with a message, where
//! there is none.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use ndarray::Array3;
use num_complex::Complex32;
use ptychoscope::config::{DataConfig, Mapping};
use ptychoscope::data::{Dataset, Product, Status, inspect};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Python with h5py and, if it can be had, Ptychodus: named by `PTYCHOSCOPE_PYTHON`, or an environment made once below the target folder.
fn python() -> Option<PathBuf> {
    if let Some(python) = std::env::var_os("PTYCHOSCOPE_PYTHON") {
        return Some(python.into());
    }
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("h5py-environment");
    let python = folder.join("bin/python");
    let has_h5py =
        || Command::new(&python).args(["-c", "import h5py, hdf5plugin"]).output().is_ok_and(|out| out.status.success());
    let has_ptychodus =
        || Command::new(&python).args(["-c", "import ptychodus.api.io"]).output().is_ok_and(|out| out.status.success());
    if has_h5py() && has_ptychodus() {
        return Some(python);
    }
    let made = Command::new("python3").args(["-m", "venv"]).arg(&folder).output();
    if !made.is_ok_and(|out| out.status.success()) {
        println!("skipped: python3 with venv is not here");
        return None;
    }
    let install = |packages: &[&str]| {
        let pip = ["-m", "pip", "install", "--quiet", "--retries", "0", "--timeout", "10"];
        Command::new(&python).args(pip).args(packages).output()
    };
    let _offline = install(&["h5py", "numpy", "hdf5plugin"]);
    // What its readers and writers of files need; all that it needs otherwise is a window and more.
    let _offline = install(&["--no-deps", "ptychodus"]);
    let _offline = install(&["scipy", "pydantic", "scikit-image"]);
    if !has_ptychodus() {
        println!("not tried with Ptychodus: it cannot be installed (no network?)");
    }
    if has_h5py() {
        return Some(python);
    }
    println!("skipped: h5py cannot be installed (no network?)");
    None
}

fn run(python: &Path, what: &str, file: &Path) {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/hdf5_interchange.py");
    let out = Command::new(python).arg(script).arg(what).arg(file).output().unwrap();
    println!("{}", String::from_utf8_lossy(&out.stdout));
    assert!(out.status.success(), "{what}: {}", String::from_utf8_lossy(&out.stderr));
}

#[test]
#[allow(clippy::too_many_lines, reason = "one exchange of files after the other")]
fn files_change_hands_with_h5py() {
    let Some(python) = python() else { return };
    let folder = tempfile::tempdir().unwrap();

    let product = Product {
        name: "Zürich".into(),
        comments: "µ-scan".into(),
        detector_distance_m: 1.25,
        photon_energy_ev: 8800.0,
        position_indexes: vec![3, 5, 9],
        positions_m: vec![[1e-7, 2e-7], [1.5e-7, 2e-7], [1e-7, -3e-7]],
        probe: Array3::from_shape_fn((2, 8, 8), |(m, y, x)| Complex32::new((m * 64 + y * 8 + x) as f32, -(x as f32))),
        probe_pixel_m: [1e-8, 1e-8],
        object: Array3::from_shape_fn((1, 20, 30), |(_, y, x)| Complex32::new(y as f32, x as f32)),
        object_pixel_m: [1e-8, 1e-8],
        object_center_m: [1e-7, 0.0],
        losses: vec![(0, 2.5), (1, 1.25)],
        ..Product::default()
    };
    let path = folder.path().join("ours.h5");
    product.save(&path).unwrap();
    run(&python, "check-product", &path);
    let resaved = folder.path().join("ours.h5.resaved");
    if resaved.exists() {
        let back = Product::load(&resaved).unwrap();
        assert_eq!((&back.name, back.photon_energy_ev), (&product.name, product.photon_energy_ev));
        assert_eq!((&back.probe, &back.object), (&product.probe, &product.object));
        assert_eq!((&back.positions_m, back.object_center_m), (&product.positions_m, product.object_center_m));
    }

    let path = folder.path().join("theirs.h5");
    run(&python, "make-product", &path);
    let theirs = Product::load(&path).unwrap();
    assert_eq!((theirs.name.as_str(), theirs.photon_energy_ev, theirs.detector_distance_m), ("Zürich", 8800.0, 1.25));
    assert_eq!((theirs.probe.dim(), theirs.probe[[1, 3, 4]]), ((2, 8, 8), Complex32::new(3.0, -1.0)));
    assert_eq!((theirs.object_pixel_m, theirs.probe_pixel_m), ([1e-8, 2e-8], [1e-8, 2e-8]));
    assert_eq!(theirs.losses, [(0, 4.0), (1, 2.0)]);
    let px = theirs.positions_px();
    assert!((px[1][0] - 25.0).abs() < 1e-9 && (px[0][1] - 20.0).abs() < 1e-9, "{px:?}");

    let path = folder.path().join("theirs.cxi");
    run(&python, "make-cxi", &path);
    assert_ne!(inspect(&path).unwrap().status(), Status::Fail, "{:#?}", inspect(&path).unwrap().verdicts);
    let dataset = Dataset::load(&path, &DataConfig::default(), 1).unwrap();
    assert_eq!((dataset.len(), dataset.patch_size(), dataset.probe[[0, 1, 1]]), (9, 64, Complex32::new(1.0, 2.0)));
    let counts = |n: usize, y: usize, x: usize| {
        let near = (y as i32 - 32).pow(2) + (x as i32 - 30).pow(2) < 60;
        (n + 100 * usize::from(near) + usize::from(x > 40)) as f32
    };
    for ((n, y, x), &amplitude) in dataset.diffraction.indexed_iter() {
        if (y, x) == (5, 6) {
            // Masked: a mean of the pixels around it.
            assert!((0.0..4.0).contains(&amplitude), "{n}: {amplitude}");
            continue;
        }
        let expected = counts(n, y, x).sqrt();
        assert!((amplitude - expected).abs() < 1e-5, "{n} {y} {x}");
    }
    for (k, [x, y]) in dataset.positions.iter().enumerate() {
        let (column, row) = (7.5 * (k % 3) as f64, -5.25 * (k / 3) as f64);
        assert!((x - column).abs() < 1e-4 && (y - row).abs() < 1e-4, "{k}: {x} {y}");
    }

    let path = folder.path().join("theirs.mat");
    run(&python, "make-matlab", &path);
    let mapping = Mapping {
        diffraction: "frames".into(),
        positions: "positions".into(),
        probe: "probe".into(),
        ..Mapping::default()
    };
    let config = DataConfig { mapping, ..DataConfig::default() };
    let dataset = Dataset::load(&path, &config, 1).unwrap();
    for ((n, y, x), &amplitude) in dataset.diffraction.indexed_iter() {
        assert!((amplitude - counts(n, y, x).sqrt()).abs() < 1e-5, "{n} {y} {x}");
    }
    assert_eq!(dataset.positions[5], [6.0, 4.0]);
    let probe = dataset.probe[[0, 40, 30]];
    assert!((probe.im / probe.re - 4.0).abs() < 1e-4 && dataset.probe[[0, 32, 30]].re > 0.999, "{probe}");

    // Compressions that only our own code unpacks, behind a virtual array and behind external links.
    run(&python, "make-virtual", folder.path());
    for patterns in ["entry/all", "entry/data_*", "entry/mixed", "entry/nested"] {
        let mapping = Mapping { diffraction: patterns.into(), positions: "positions".into(), ..Mapping::default() };
        let config = DataConfig { mapping, ..DataConfig::default() };
        let dataset = Dataset::load(&folder.path().join("master.h5"), &config, 1).unwrap();
        assert_eq!((dataset.len(), dataset.positions[5]), (9, [6.0, 4.0]), "{patterns}");
        for ((n, y, x), &amplitude) in dataset.diffraction.indexed_iter() {
            assert!((amplitude - counts(n, y, x).sqrt()).abs() < 1e-5, "{patterns} {n} {y} {x}");
        }
    }
}
