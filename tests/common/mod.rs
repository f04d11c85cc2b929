//! What several test programs need.
#![allow(dead_code, missing_docs, clippy::unwrap_used, clippy::expect_used)]

pub mod whole;

use ndarray::{Array1, Array2, Array3};
use num_complex::Complex32;
use ptychoscope::data::{NpyArray, NpzArchive, write_npz};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A file of the shared folder beside the repository; none, with a message, where the folder is absent.
///
/// # Panics
/// When it is absent although `PTYCHOSCOPE_REQUIRE_SHARED` is set.
pub fn shared(name: &str) -> Option<PathBuf> {
    let path = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../shared")).join(name);
    if path.exists() {
        return Some(path);
    }
    assert!(std::env::var_os("PTYCHOSCOPE_REQUIRE_SHARED").is_none(), "{} is missing", path.display());
    println!("skipped: ../shared/{name} is not here");
    None
}

/// Values computed by PtychoPINN (`fixtures/golden/README.md`).
pub fn golden(name: &str) -> NpzArchive {
    NpzArchive::open(fixture("golden").join(name)).unwrap()
}

/// A file of the repository's fixtures.
pub fn fixture(name: &str) -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures")).join(name)
}

thread_local! {
    /// Home and working folder of the programs that this test starts, removed with the test's thread.
    static HOME: tempfile::TempDir = tempfile::tempdir().unwrap();
}

/// The program, started by a user without any files: runs, presets and settings of the person who tests are out of reach.
pub fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ptychoscope"));
    at_home(&mut command);
    command
}

/// Gives a command the empty home of this test, and no input.
pub fn at_home(command: &mut Command) {
    HOME.with(|home| {
        command.current_dir(home.path()).env("HOME", home.path()).stdin(Stdio::null());
        for (name, folder) in [("DATA", "data"), ("CONFIG", "config"), ("CACHE", "cache"), ("STATE", "state")] {
            command.env(format!("XDG_{name}_HOME"), home.path().join(folder));
        }
    });
}

/// Settings of the smallest network, trained on the CPU.
pub const TINY: [(&str, &str); 5] = [
    ("execution.accelerator", "cpu"),
    ("model.n_filters_scale", "1"),
    ("model.head_filters", "2"),
    ("training.batch_size", "4"),
    ("training.autosave_interval_s", "0"),
];

/// [`TINY`] on a command line.
pub fn tiny_flags() -> Vec<String> {
    TINY.iter().flat_map(|(field, value)| ["--set".to_owned(), format!("{field}={value}")]).collect()
}

/// Writes some patterns of 64 × 64 pixels of a Gaussian probe on a square scan: shapes matter here, not physics.
pub fn tiny_dataset(path: &Path, count: usize) {
    const SIDE: usize = 64;
    let middle = SIDE as f32 / 2.0;
    let at = |y: usize, x: usize, width: f32| {
        let squared = (y as f32 - middle).powi(2) + (x as f32 - middle).powi(2);
        (-squared / (2.0 * width * width)).exp()
    };
    let patterns = Array3::from_shape_fn((count, SIDE, SIDE), |(n, y, x)| {
        40.0 * at(y, x, 8.0) * (1.0 + 0.3 * ((n * 7 + y * 3 + x * 5) as f32).sin())
    });
    let probe = Array2::from_shape_fn((SIDE, SIDE), |(y, x)| Complex32::new(at(y, x, 9.0), 0.1 * at(y, x, 7.0)));
    let columns = (count as f64).sqrt().ceil() as usize;
    let position = |step: &dyn Fn(usize) -> usize| Array1::from_shape_fn(count, |n| 40.0 + 4.0 * step(n) as f64);
    let (x, y) = (position(&|n| n % columns), position(&|n| n / columns));
    let arrays = [
        ("diffraction", NpyArray::F32(patterns.view().into_dyn())),
        ("probeGuess", NpyArray::C32(probe.view().into_dyn())),
        ("xcoords", NpyArray::F64(x.view().into_dyn())),
        ("ycoords", NpyArray::F64(y.view().into_dyn())),
    ];
    write_npz(path, &arrays).unwrap();
}
