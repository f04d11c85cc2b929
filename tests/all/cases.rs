//! Files of the kinds that people have, in `../shared/cases`, and a raw scan as beamlines write it.

use crate::common::program;
use ptychoscope::formats::hdf5::Hdf5File;
use ptychoscope::formats::npz::NpzArchive;
use ptychoscope_base::testing::shared;
use std::path::Path;
use std::process::Command;

/// A Python with NumPy; `None`, with a message, if there is none.
fn python() -> Option<&'static str> {
    let has_numpy = |name: &&str| {
        Command::new(name).args(["-c", "import numpy"]).output().is_ok_and(|output| output.status.success())
    };
    let found = ["python3", "python", "/opt/py/bin/python"].into_iter().find(|name| has_numpy(name));
    if found.is_none() {
        println!("skipped: there is no Python with NumPy");
    }
    found
}

#[test]
fn every_case_is_read_right_or_refused_with_the_real_reason() {
    let (Some(shared), Some(python)) = (shared(), python()) else { return };
    let output = Command::new(python)
        .arg(shared.join("cases/run.py"))
        .arg(program().get_program())
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    println!("{text}");
    assert!(text.contains("passed,"), "{}", String::from_utf8_lossy(&output.stderr));
    let failed: Vec<&str> =
        text.lines().filter(|line| line.starts_with("FAIL")).filter_map(|line| line.split([' ', ':']).nth(1)).collect();
    // This file holds another exposure than the scene that the runner compares it with; see the next test.
    assert!(failed.iter().all(|name| *name == "unit-cxi-float"), "{failed:?}");
}

#[test]
fn the_root_of_floating_point_intensities_in_cxi_is_taken() {
    let Some(shared) = shared() else { return };
    let file = shared.join("cases/files/f28_cxi_float_counts.cxi");
    let folder = tempfile::tempdir().unwrap();
    let written = folder.path().join("as_read.npz");
    let status = program()
        .args(["prepare", "subset", "100000", "--first"])
        .arg(&file)
        .arg("--output")
        .arg(&written)
        .status()
        .unwrap();
    assert!(status.success());
    let stored = Hdf5File::open(&file).unwrap().read_f32("entry_1/instrument_1/detector_1/data").unwrap();
    let read = NpzArchive::open(&written).unwrap().read_f32("diffraction").unwrap();
    let worst = stored.iter().zip(&read).map(|(stored, read)| (stored.sqrt() - read).abs()).fold(0.0, f32::max);
    assert!(stored.len() == read.len() && worst < 1e-4, "{worst}");
}

/// Writes a scan as beamlines do: frames behind external links, positions in a table in µm with an index, a mask as TIFF, and
/// no probe.
fn write_raw_scan(folder: &Path, scan: &Path) -> usize {
    use ptychoscope::formats::hdf5::Hdf5Writer;
    let mut archive = NpzArchive::open(scan).unwrap();
    let amplitude = archive.read_f32("diffraction").unwrap();
    let (xs, ys) = (archive.read_f64("xcoords").unwrap(), archive.read_f64("ycoords").unwrap());
    let [n, h, w] = *amplitude.shape() else { panic!("{:?}", amplitude.shape()) };
    let mut counts: Vec<u32> = amplitude.iter().map(|value| (value * value).round() as u32).collect();
    let bad = |at: usize| [10 * w + 12, 32 * w + 50].contains(&(at % (h * w)));
    counts.iter_mut().enumerate().filter(|(at, _)| bad(*at)).for_each(|(_, value)| *value = 70_000);
    let half = n / 2;
    for (name, part) in [("a.h5", 0..half), ("b.h5", half..n)] {
        let writer = Hdf5Writer::create(&folder.join(name)).unwrap();
        let values = &counts[part.start * h * w..part.end * h * w];
        writer.array("data", &[part.len(), h, w], values).unwrap();
        writer.commit().unwrap();
    }
    let writer = Hdf5Writer::create(&folder.join("master.h5")).unwrap();
    writer.group("entry").unwrap();
    writer.group("entry/data").unwrap();
    let group = writer.file().root_group().group("entry").unwrap().group("data").unwrap();
    group.create_external_link("data_000001", "a.h5", "/data").unwrap();
    group.create_external_link("data_000002", "b.h5", "/data").unwrap();
    writer.commit().unwrap();
    let mut table = String::from("# frame; x [um]; y [um]\n");
    for at in (0..n).rev() {
        let decimal = |value: f64| format!("{:.5}", value * 0.02).replace('.', ",");
        table.push_str(&format!("{}; {}; {}\n", at + 1, decimal(xs[at]), decimal(ys[at])));
    }
    std::fs::write(folder.join("positions.txt"), table).unwrap();
    let mask = ndarray::Array2::from_shape_fn((h, w), |(y, x)| u16::from(bad(y * w + x)));
    std::fs::write(folder.join("mask.tif"), ptychoscope::formats::testing::one_strip(&mask)).unwrap();
    n
}

#[test]
fn a_raw_scan_in_separate_files_is_read_by_one_command_line() {
    let folder = tempfile::tempdir().unwrap();
    let scan = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/siemens_star_n64.npz");
    let count = write_raw_scan(folder.path(), &scan);
    let words =
        ["--positions-file", "positions.txt", "--mask-file", "mask.tif", "--set", "data.geometry.pixel_size_m=2e-8"];
    let prepared = program()
        .current_dir(folder.path())
        .args(["prepare", "subset", "100000", "--first", "master.h5", "--output", "read.npz"])
        .args(words)
        .output()
        .unwrap();
    assert!(prepared.status.success(), "{}", String::from_utf8_lossy(&prepared.stderr));
    let (mut read, mut original) =
        (NpzArchive::open(folder.path().join("read.npz")).unwrap(), NpzArchive::open(&scan).unwrap());
    for axis in ["xcoords", "ycoords"] {
        let (read, original) = (read.read_f64(axis).unwrap(), original.read_f64(axis).unwrap());
        let worst = read.iter().zip(&original).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
        assert!(read.len() == count && worst < 1e-3, "{axis}: {worst}");
    }
    assert_eq!(read.read_f64("bad_pixels").unwrap().sum(), 2.0);
    let strict =
        program().current_dir(folder.path()).args(["inspect", "master.h5", "--strict"]).args(words).output().unwrap();
    assert_eq!(strict.status.code(), Some(2), "the missing probe is a warning");
    let run = program()
        .current_dir(folder.path())
        .args(["run", "master.h5", "--method", "direct", "--accelerator", "cpu", "--output-dir", "run", "--json"])
        .args([
            "--n-subsample",
            "60",
            "--exclude",
            "3,5-7",
            "--set",
            "direct.epochs=3",
            "--set",
            "direct.probe_search=never",
        ])
        .args(words)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&run.stdout);
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    assert!(text.contains("\"event\":\"warning\"") && text.contains("4 of 516 patterns are left out: 3,5-7"), "{text}");
    let summary: serde_json::Value =
        serde_json::from_slice(&std::fs::read(folder.path().join("run/summary.json")).unwrap()).unwrap();
    assert!(!summary["warnings"].as_array().unwrap().is_empty());
    let log = std::fs::read_to_string(folder.path().join("run/log.txt")).unwrap();
    assert!(log.contains("warning: "), "{log}");
    // Another dataset must not end up in the same folder.
    let other = program()
        .current_dir(folder.path())
        .args(["run", "read.npz", "--method", "direct", "--accelerator", "cpu", "--output-dir", "run"])
        .output()
        .unwrap();
    assert_eq!(other.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&other.stderr).contains("results of another dataset"));
}

#[test]
fn h5py_and_the_program_agree_on_240_random_hdf5_files() {
    let Some(python) = python() else { return };
    let has_h5py =
        Command::new(python).args(["-c", "import h5py"]).output().is_ok_and(|output| output.status.success());
    if !has_h5py {
        println!("skipped: there is no h5py");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/common/hdf5_corpus.py");
    let made = Command::new(python).arg(script).arg(folder.path()).args(["240", "1"]).output().unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let kinds = std::fs::read_to_string(folder.path().join("kinds.txt")).unwrap();
    let mut expected = NpzArchive::open(folder.path().join("expected.npz")).unwrap();
    let mut wrong = Vec::new();
    for kind in kinds.lines() {
        let name = kind.split(':').next().unwrap();
        let file = Hdf5File::open(&folder.path().join(format!("{name}.h5"))).unwrap();
        let is_complex = kind.contains("c8 ") || kind.contains("c16 ");
        let same = if is_complex {
            let wanted = expected.read_c32(name).unwrap();
            file.read_c32("a").map(|read| read.shape() == wanted.shape() && read == wanted)
        } else {
            let wanted = expected.read_f64(name).unwrap();
            file.read_f64("a").map(|read| read.shape() == wanted.shape() && read == wanted)
        };
        match same {
            Ok(true) => {}
            Ok(false) => wrong.push(format!("{kind}: differs")),
            Err(error) => wrong.push(format!("{kind}: {error}")),
        }
    }
    assert!(kinds.lines().count() == 240 && wrong.is_empty(), "{}\n{}", wrong.len(), wrong.join("\n"));
}
