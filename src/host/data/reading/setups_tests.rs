//! Every shipped set-up reads a made file of its instrument.

use crate::config::{Config, Setup};
use crate::data::Dataset;
use crate::data::test_support::Synthetic;
use crate::formats::hdf5::{Hdf5Writer, complex32};
use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::{Path, PathBuf};

/// Side of an object pixel for 10 keV, 2 m and detector pixels of 75 µm, m.
const PIXEL_M: f64 = 1.239_841_984e-6 * 1e-4 * 2.0 / (64.0 * 75e-6);
const ENERGY: &str = "data.geometry.energy_ev=10000";
const DISTANCE: &str = "data.geometry.distance_m=2";
const DETECTOR: &str = "data.geometry.detector_pixel_m=75e-6";

/// Values of an array in a made file.
enum Values<'a> {
    Counts(&'a [u32], Vec<usize>),
    Amplitude(Vec<f32>, Vec<usize>),
    Probe(&'a Synthetic),
    Numbers(Vec<f64>, Vec<usize>),
    /// Attributes of the array of the same path.
    Attributes(&'a [(&'a str, f64)]),
    /// Link to `/entry/data/data` of another file.
    Link(&'a str),
}
use Values::{Amplitude, Attributes, Counts, Link, Numbers, Probe};

fn number<'a>(value: f64) -> Values<'a> {
    Numbers(vec![value], Vec::new())
}

fn list<'a>(values: Vec<f64>) -> Values<'a> {
    let length = values.len();
    Numbers(values, vec![length])
}

/// A scan in the parts that instruments write.
struct Made {
    folder: tempfile::TempDir,
    scan: Synthetic,
    counts: Vec<u32>,
}

impl Made {
    fn new() -> Self {
        let scan = Synthetic::new(9);
        let counts = scan.counts.iter().map(|&count| count as u32).collect();
        Self { folder: tempfile::tempdir().unwrap(), scan, counts }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Patterns with these indices.
    fn frames(&self, rows: std::ops::Range<usize>) -> Values<'_> {
        let shape = vec![rows.len(), 64, 64];
        Counts(&self.counts[rows.start * 4096..rows.end * 4096], shape)
    }

    fn frame(&self, row: usize) -> Values<'_> {
        Counts(&self.counts[row * 4096..(row + 1) * 4096], vec![64, 64])
    }

    /// x (0) or y (1) of all points, in `unit` meters.
    fn axis(&self, axis: usize, unit: f64) -> Vec<f64> {
        self.scan.positions.iter().map(|position| position[axis] * PIXEL_M / unit).collect()
    }

    fn write(&self, name: &str, arrays: &[(&str, Values)]) {
        let writer = Hdf5Writer::create(&self.path(name)).unwrap();
        let mut groups = BTreeSet::new();
        for (path, _) in arrays {
            for (at, _) in path.match_indices('/') {
                if groups.insert(&path[..at]) {
                    writer.group(&path[..at]).unwrap();
                }
            }
        }
        for (path, values) in arrays {
            let dataset = match values {
                Counts(values, shape) => writer.array(path, shape, values).unwrap(),
                Amplitude(values, shape) => writer.array(path, shape, values).unwrap(),
                Numbers(values, shape) => writer.array(path, shape, values).unwrap(),
                Probe(scan) => writer.array(path, &[64, 64], &complex32(scan.probe.iter().copied())).unwrap(),
                Attributes(_) => continue,
                Link(file) => {
                    let (parent, name) = path.rsplit_once('/').unwrap();
                    let group = parent.split('/').fold(writer.file().root_group(), |at, part| at.group(part).unwrap());
                    group.create_external_link(name, file, "/entry/data/data").unwrap();
                    continue;
                }
            };
            for (name, value) in arrays.iter().filter(|(other, _)| other == path).flat_map(|(_, values)| match values {
                Attributes(list) => *list,
                _ => &[],
            }) {
                writer.attribute(&dataset, name, *value).unwrap();
            }
        }
        writer.commit().unwrap();
    }

    /// A table with columns x and y in µm.
    fn positions_csv(&self) -> String {
        let mut text = String::from("x [um],y [um]\n");
        for (x, y) in self.axis(0, 1e-6).iter().zip(self.axis(1, 1e-6)) {
            writeln!(text, "{x:.6},{y:.6}").unwrap();
        }
        self.table("positions.csv", &text)
    }

    fn table(&self, name: &str, text: &str) -> String {
        std::fs::write(self.path(name), text).unwrap();
        format!("data.mapping.positions_file={}", self.path(name).display())
    }

    /// Reads a file by a set-up and compares it with the scan.
    fn check(&self, setup: &str, file: &str, settings: &[&str]) {
        let mut config = Config::load(Path::new(setup)).unwrap();
        for setting in settings {
            let (path, value) = setting.split_once('=').unwrap();
            config.set(path, value).unwrap();
        }
        let read = Dataset::load(&self.path(file), &config.data, 1).unwrap_or_else(|error| panic!("{setup}: {error}"));
        let amplitude = self.scan.amplitude();
        assert_eq!(read.diffraction.shape(), amplitude.shape(), "{setup}");
        let worst = read.diffraction.iter().zip(&amplitude).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(worst < 1e-3, "{setup}: amplitudes differ by {worst}");
        for (at, [read, made]) in read.positions.iter().zip(&self.scan.positions).map(|(a, b)| [a, b]).enumerate() {
            let off = (read[0] - made[0]).hypot(read[1] - made[1]);
            assert!(off < 2e-2, "{setup}: position {at} is {read:?} in place of {made:?}");
        }
        assert!((read.pixel_size_m.unwrap() / PIXEL_M - 1.0).abs() < 1e-4, "{setup}: {:?}", read.pixel_size_m);
    }
}

/// The positions of `Average_x_st_fzp` and so on, in µm, with opposite axes, as Orchestra writes them.
fn orchestra(made: &Made) -> String {
    let mut text = String::from("Scan 12, Orchestra\n DataPoint TotalPoints Target_x Average_x_st_fzp Stdev_x_st_fzp ");
    text.push_str("Target_y Average_y_st_fzp Stdev_y_st_fzp\n");
    for (at, (x, y)) in made.axis(0, 1e-6).iter().zip(made.axis(1, 1e-6)).enumerate() {
        writeln!(text, " {at} 9 {:.3} {:.6} 0.001 {:.3} {:.6} 0.002", -x, -x, -y, -y).unwrap();
    }
    text
}

#[test]
fn instruments_with_one_file_are_read() {
    let made = Made::new();
    let negative = |values: Vec<f64>| values.into_iter().map(|value| -value).collect::<Vec<f64>>();
    let both = |unit: f64| [made.axis(0, unit), made.axis(1, unit)].concat();
    made.write(
        "i13.nxs",
        &[
            ("entry1/merlin_sw_hdf/data", made.frames(0..9)),
            ("entry1/merlin_sw_hdf/t1_sx", list(made.axis(0, 1e-6))),
            ("entry1/merlin_sw_hdf/t1_sy", list(made.axis(1, 1e-6))),
        ],
    );
    made.check("diamond-i13", "i13.nxs", &[ENERGY, DISTANCE, DETECTOR]);
    made.write("i08.nxs", &[("entry1/instrument/_andorrastor/data", made.frames(0..9))]);
    made.check("diamond-i08", "i08.nxs", &[ENERGY, DISTANCE, DETECTOR, &made.positions_csv()]);
    made.write(
        "xpp.h5",
        &[
            ("jungfrau1M/image_img", Amplitude(made.counts.iter().map(|v| *v as f32).collect(), vec![9, 64, 64])),
            ("lmc/ch03", list(negative(made.axis(0, 1e-6)))),
            ("lmc/ch04", list(vec![0.0; 9])),
            ("lmc/ch05", list(negative(made.axis(1, 1e-6)))),
            ("ipm2/sum", list(vec![2500.0; 9])),
        ],
    );
    made.check("lcls-xpp", "xpp.h5", &[ENERGY, DISTANCE, DETECTOR]);
    made.write(
        "amo.h5",
        &[
            ("data/photons", made.frames(0..9)),
            ("data/posx", list(made.axis(0, 1e-3))),
            ("data/posy", list(made.axis(1, 1e-3))),
        ],
    );
    made.check("lcls-amo", "amo.h5", &[ENERGY, DISTANCE, DETECTOR]);
    made.write(
        "000012.h5",
        &[
            ("entry/measurement/eiger/frames", made.frames(0..9)),
            ("entry/measurement/pseudo/x", list(made.axis(0, 1e-6))),
            ("entry/measurement/pseudo/y", list(made.axis(1, 1e-6))),
            ("entry/snapshot/energy", list(vec![10_000.0])),
        ],
    );
    made.check("maxiv-nanomax", "000012.h5", &[DISTANCE, DETECTOR]);
    made.write(
        "hxn.h5",
        &[
            ("diff_data/merlin1/det_images", made.frames(0..9)),
            ("scan/scan_positions", Numbers(both(1e-6), vec![2, 9])),
            ("scan/energy", number(10_000.0)),
        ],
    );
    made.check("nsls2-hxn", "hxn.h5", &[DISTANCE, DETECTOR]);
    made.write(
        "shelves.h5",
        &[("dp", made.frames(0..9)), ("ppX", list(made.axis(0, 1.0))), ("ppY", list(made.axis(1, 1.0)))],
    );
    made.check("ptychoshelves", "shelves.h5", &[ENERGY, DISTANCE, DETECTOR]);
}

#[test]
fn geometry_in_any_unit_and_in_attributes_is_read() {
    let made = Made::new();
    made.write(
        "nxcxi.h5",
        &[
            ("entry_1/data/data", made.frames(0..9)),
            ("entry_1/data/x", list(made.axis(0, 1.0))),
            ("entry_1/data/y", list(made.axis(1, 1.0))),
            ("entry_1/instrument_1/beam_1/energy", number(10_000.0)),
            ("entry_1/instrument_1/detector_1/distance", number(2.0)),
            ("entry_1/instrument_1/detector_1/x_pixel_size", number(75e-6)),
        ],
    );
    made.check("nxcxi", "nxcxi.h5", &["data.mapping.position_unit=m"]);
    made.write(
        "diffamp.h5",
        &[
            ("diffamp", Amplitude(made.scan.amplitude().into_iter().collect(), vec![9, 64, 64])),
            ("points", Numbers([made.axis(0, 1e-6), made.axis(1, 1e-6)].concat(), vec![2, 9])),
            ("lambda_nm", number(0.123_984_198_4)),
            ("z_m", number(2.0)),
            ("ccd_pixel_um", number(75.0)),
            ("angle", number(0.0)),
        ],
    );
    made.check("nsls2-diffamp", "diffamp.h5", &[]);
    let index: Vec<f64> = (1..10).map(f64::from).collect();
    made.write(
        "nsls.h5",
        &[
            ("det_data", made.frames(0..9)),
            ("pos_xy", Numbers([index, made.axis(0, 1e-6), made.axis(1, 1e-6)].concat(), vec![3, 9])),
            ("energy", number(10.0)),
            ("det_dist", number(2e6)),
            ("det_pixel_size", number(75.0)),
            ("prb", Probe(&made.scan)),
        ],
    );
    made.check("nsls2-matlab", "nsls.h5", &[]);
    made.write(
        "csaxs.h5",
        &[
            ("entry/data/data", made.frames(0..9)),
            ("entry/instrument/monochromator/energy", number(10.0)),
            ("entry/instrument/monochromator/distance", number(-2000.0)),
            ("entry/instrument/eiger_4/x_pixel_size", number(75.0)),
        ],
    );
    let positions = made.table("scan_00012.dat", &orchestra(&made));
    made.check("sls-csaxs", "csaxs.h5", &[&positions]);
    made.write(
        "lynx.h5",
        &[
            ("entry/data/eiger_4", made.frames(0..9)),
            (
                "entry/data/eiger_4",
                Attributes(&[("Photon_energy_kev", 10.0), ("Detector_distance_m", 2.0), ("Pixel_size", 75e-6)]),
            ),
        ],
    );
    made.check("aps-lynx", "lynx.h5", &[&positions]);
}

#[test]
fn instruments_with_linked_files_are_read() {
    let made = Made::new();
    for (name, rows) in [("d1.h5", 0..5), ("d2.h5", 5..9), ("all.h5", 0..9)] {
        made.write(name, &[("entry/data/data", made.frames(rows))]);
    }
    made.write(
        "polar.hdf",
        &[
            ("entry/externals/eiger", Link("all.h5")),
            ("entry/instrument/NDAttributes/Xpos", list(made.axis(0, 1e-6))),
            ("entry/instrument/NDAttributes/Ypos", list(made.axis(1, 1e-6))),
        ],
    );
    made.check("aps-polar", "polar.hdf", &[ENERGY, DISTANCE, DETECTOR]);
    made.write(
        "isn.h5",
        &[
            ("PTYCHO/scan_0001", Link("d1.h5")),
            ("PTYCHO/scan_0002", Link("d2.h5")),
            ("configs/photon_energy_eV", number(10_000.0)),
            ("configs/det_dist_mm", number(2.0)),
            ("configs/pix_size_x", number(75e-6)),
        ],
    );
    made.check("aps-isn", "isn.h5", &[&made.positions_csv()]);
    made.write(
        "velo_master.h5",
        &[
            ("entry/data/data_000001", Link("d1.h5")),
            ("entry/data/data_000002", Link("d2.h5")),
            ("entry/instrument/detector/detectorSpecific/photon_energy", number(10_000.0)),
            ("entry/instrument/detector/detector_distance", number(2.0)),
            ("entry/instrument/detector/x_pixel_size", number(75e-6)),
            ("entry/instrument/detector/y_pixel_size", number(75e-6)),
        ],
    );
    // Two rows for each trigger, to be averaged.
    let mut text = String::new();
    for (at, (x, y)) in made.axis(0, 1e-9).iter().zip(made.axis(1, 1e-9)).enumerate() {
        for off in [-2.0, 2.0] {
            writeln!(text, "{},{:.0},{:.0},1,2,{:.0},3,{at}", at * 7, x + off, y - off, -y).unwrap();
        }
    }
    let positions = made.table("velo.txt", &text);
    made.check("aps-velociprobe", "velo_master.h5", &[&positions]);
}

#[test]
fn instruments_with_a_file_per_line_or_point_are_read() {
    let made = Made::new();
    for line in 0..3 {
        made.write(&format!("fly_{}.h5", 9 + line), &[("entry/data/data", made.frames(3 * line..3 * line + 3))]);
    }
    let geometry = [ENERGY, DISTANCE, DETECTOR];
    let with = |positions: &str| [&geometry[..], &[positions]].concat().iter().map(|text| (*text).to_owned()).collect();
    let check = |setup: &str, file: &str, settings: Vec<String>| {
        made.check(setup, file, &settings.iter().map(String::as_str).collect::<Vec<_>>());
    };
    let csv = made.positions_csv();
    check("aps-2id", "fly_*.h5", with(&csv));
    let (xs, ys) = (made.axis(0, 1e-3), made.axis(1, 1e-3));
    for row in 0..9 {
        made.write(&format!("saxs_1_{row}.h5"), &[("entry/data/data", made.frame(row))]);
        made.write(&format!("id16_{row:04}.h5"), &[("entry_0000/measurement/Frelon", made.frame(row))]);
        made.write(
            &format!("run_{row}.h5"),
            &[
                ("image/ccd1", made.frame(row)),
                ("DPI/SampleX", list(vec![xs[row]])),
                ("DPI/SampleY", list(vec![ys[row]])),
            ],
        );
    }
    let mut text = String::new();
    for (x, y) in made.axis(0, 1e-9).iter().zip(made.axis(1, 1e-9)) {
        writeln!(text, "0.5 {y:.2} {:.2} 7.0 8.0", -x).unwrap();
    }
    check("aps-ptychosaxs", "saxs_1_*.h5", with(&made.table("saxs.dat", &text)));
    check("esrf-id16a", "id16_*.h5", with(&csv));
    check("fermi-diproi", "run_*.h5", geometry.iter().map(|text| (*text).to_owned()).collect());
}

/// Every shipped set-up has a test above.
#[test]
fn every_setup_is_tested() {
    let tests = include_str!("setups_tests.rs");
    for setup in Setup::ALL {
        assert!(tests.contains(&format!("(\"{}\"", setup.name)), "{}", setup.name);
    }
}
