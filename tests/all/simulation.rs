//! `simulate` as a user starts it: a dataset that the other commands take, messages, an interrupt.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use crate::common::program;
use serde_json::Value;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::Instant;

fn simulate(folder: &Path, arguments: &[&str]) -> Output {
    program().current_dir(folder).arg("simulate").args(arguments).output().unwrap()
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn ten_patterns_take_less_than_a_second_and_pass_inspection_without_a_warning() {
    let folder = tempfile::tempdir().unwrap();
    let started = Instant::now();
    let output = simulate(folder.path(), &["--output", "a.npz", "--n-images", "10", "--json"]);
    let seconds = started.elapsed().as_secs_f64();
    println!("10 patterns took {seconds:.2} s");
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(seconds < 1.0, "{seconds}");
    assert_eq!(names(folder.path()), ["a.npz"]);
    let lines = String::from_utf8(output.stdout).unwrap();
    let last: Value = serde_json::from_str(lines.lines().last().unwrap()).unwrap();
    assert_eq!((&last["event"], &last["command"]), (&"finished".into(), &"simulate".into()));
    assert_eq!(last["dataset"]["n"], 10);
    assert!(last["consistency_r"].as_f64().unwrap() < 1e-2);
    let inspected = program().current_dir(folder.path()).args(["inspect", "a.npz"]).output().unwrap();
    let text = String::from_utf8(inspected.stdout).unwrap();
    assert!(text.contains("The file can be used.") && !text.contains("warn"), "{text}");
}

#[test]
fn the_flags_of_the_python_simulator_make_a_dataset_from_an_existing_one() {
    let folder = tempfile::tempdir().unwrap();
    let star = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/siemens_star_n64.npz");
    let output = simulate(
        folder.path(),
        &[
            "--input_file",
            star.to_str().unwrap(),
            "--output_file",
            "b.npz",
            "--n_images",
            "30",
            "--n_photons",
            "1e7",
            "--gridsize",
            "2",
            "--seed",
            "3",
            "--buffer",
            "60",
        ],
    );
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let mut archive = ptychoscope::data::NpzArchive::open(folder.path().join("b.npz")).unwrap();
    assert_eq!(archive.member("objectGuess").unwrap().shape, [405, 402]);
    assert_eq!(archive.member("diffraction").unwrap().shape, [30, 64, 64]);
    let metadata = archive.read_json("_metadata").unwrap();
    assert_eq!(metadata["additional_parameters"]["seed"], 3);
    assert_eq!(metadata["additional_parameters"]["buffer"], 60.0);
    assert_eq!(metadata["physics_parameters"]["gridsize"], 2);
    let (xs, ys) = (archive.read_f64("xcoords").unwrap(), archive.read_f64("ycoords").unwrap());
    assert!(xs.iter().all(|x| (60.0..=342.0).contains(x)) && ys.iter().all(|y| (60.0..=345.0).contains(y)));
}

#[test]
fn what_cannot_be_simulated_exits_with_2_names_the_flag_and_leaves_nothing() {
    for (arguments, named) in [
        (vec!["--n-images", "10"], "--output"),
        (vec!["--output", "a.txt"], "--output"),
        (vec!["--output", "absent/a.npz"], "folder"),
        (vec!["--output", "a.npz", "--object", "cat"], "--object"),
        (vec!["--output", "a.npz", "--object", "file"], "--input-file"),
        (vec!["--output", "a.npz", "--n-images", "3", "--gridsize", "2"], "--n-images"),
        (vec!["--output", "a.npz", "--object-size", "100", "--overlap", "0.5"], "--overlap"),
        (vec!["--output", "a.npz", "--input-file", "absent.npz"], "absent.npz"),
        (vec!["--output", "a.npz", "--amplitude-max", "0", "--amplitude-min", "0"], "--amplitude-max"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let output = simulate(folder.path(), &arguments);
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {text}");
        assert!(text.contains(named), "{arguments:?}: {text}");
        assert!(names(folder.path()).is_empty(), "{arguments:?}");
    }
}

#[cfg(unix)]
#[test]
fn an_interrupt_ends_the_simulation_and_leaves_nothing() {
    use std::io::{BufRead, BufReader};

    let folder = tempfile::tempdir().unwrap();
    let mut child = program()
        .current_dir(folder.path())
        .args(["simulate", "--output", "a.npz", "--n-images", "200000", "--object-size", "512", "--json"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut interrupted = false;
    let mut last = Value::Null;
    for line in BufReader::new(child.stdout.take().unwrap()).lines() {
        last = serde_json::from_str(&line.unwrap()).unwrap();
        if last["event"] == "progress" && last["fraction"].as_f64().unwrap() > 0.0 && !interrupted {
            interrupted = true;
            let killed = Command::new("kill").arg("-INT").arg(child.id().to_string()).status().unwrap();
            assert!(killed.success());
        }
    }
    assert_eq!(child.wait().unwrap().code(), Some(1), "{last}");
    assert!(
        interrupted && last["event"] == "failed" && last["message"].as_str().unwrap().contains("stopped"),
        "{last}"
    );
    assert!(names(folder.path()).is_empty());
}
