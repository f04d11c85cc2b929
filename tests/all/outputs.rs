//! What the program writes, and what it refuses to write: nothing of the user's is lost, and nothing is lost unsaid.
#![cfg(target_os = "linux")]

use crate::common::program;
use std::ffi::OsStr;
use std::fs::File;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};

fn star() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/siemens_star_n64.npz")
}

/// Runs the program in a folder.
fn run_in(folder: &Path, arguments: &[&str]) -> Output {
    program().current_dir(folder).args(arguments).output().unwrap()
}

fn message(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn a_full_standard_output_is_an_error_also_for_the_help() {
    let star = star().display().to_string();
    for arguments in
        [&["--help"][..], &["--version"], &["config", "setups"], &["inspect", &star], &["prepare", "stats", &star]]
    {
        let full = File::options().write(true).open("/dev/full").unwrap();
        let output = program().args(arguments).stdout(Stdio::from(full)).output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{arguments:?}");
        assert!(message(&output).contains("Standard output could not be written"), "{arguments:?}");
    }
}

#[test]
fn an_output_never_replaces_an_input() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["a.npz", "b.npz", "c_train.npz"] {
        std::fs::copy(star(), folder.path().join(name)).unwrap();
    }
    std::os::unix::fs::symlink("a.npz", folder.path().join("link.npz")).unwrap();
    let whole = std::fs::read(star()).unwrap();
    for arguments in [
        &["prepare", "subset", "3", "a.npz", "--output", "link.npz"][..],
        &["prepare", "merge", "a.npz", "--with", "b.npz", "--output", "b.npz"],
        &["prepare", "split", "c_train.npz", "--output", "c.npz"],
        &["inspect", "a.npz", "--save-mapping", "a.npz"],
        &["simulate", "--input-file", "a.npz", "--output", "a.npz"],
    ] {
        let output = run_in(folder.path(), arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {}", message(&output));
        for name in ["a.npz", "b.npz", "c_train.npz"] {
            assert!(std::fs::read(folder.path().join(name)).unwrap() == whole, "{arguments:?} changed {name}");
        }
    }
}

#[test]
fn names_of_other_formats_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let star = star().display().to_string();
    let run = ["run", &star, "--method", "direct", "--accelerator", "cpu", "--n-subsample", "60", "--output-dir", "r"];
    assert!(run_in(folder.path(), &run).status.success());
    for arguments in [
        &["prepare", "subset", "3", &star, "--output", "x.h5"][..],
        &["evaluate", "r", "--csv", "x.html"],
        &["evaluate", "r", "--html", "x.csv"],
        &["inspect", &star, "--save-mapping", "x.json"],
        &["simulate", "--output", "x.h5"],
    ] {
        let output = run_in(folder.path(), arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {}", message(&output));
        let made = std::fs::read_dir(folder.path())
            .unwrap()
            .any(|entry| entry.unwrap().file_name().to_string_lossy().starts_with("x."));
        assert!(!made, "{arguments:?}");
    }
    // Onto its own dataset or result.
    let output = run_in(folder.path(), &["evaluate", "r", "--csv", "r/reconstruction.npz"]);
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn files_go_through_pipes_and_standard_output() {
    let folder = tempfile::tempdir().unwrap();
    let star = star().display().to_string();
    let to_stdout: [&[&str]; 2] =
        [&["prepare", "subset", "3", &star, "--first", "--output", "-"], &["simulate", "--output", "-"]];
    for arguments in to_stdout {
        let output = run_in(folder.path(), arguments);
        assert!(output.status.success() && output.stdout.starts_with(b"PK"), "{arguments:?}: {}", message(&output));
    }
    let pipe = folder.path().join("pipe");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let reader = std::thread::spawn({
        let pipe = pipe.clone();
        move || std::fs::read(pipe).unwrap()
    });
    assert!(run_in(folder.path(), &["prepare", "subset", "3", &star, "--output", "pipe"]).status.success());
    assert!(reader.join().unwrap().starts_with(b"PK") && !pipe.is_file());
}

#[test]
fn paths_that_are_no_text_work_throughout() {
    let folder = tempfile::tempdir().unwrap();
    let path = |bytes: &[u8]| folder.path().join(OsStr::from_bytes(bytes));
    let (dataset, run) = (path(b"scan\xff.npz"), path(b"run\xfe"));
    std::fs::copy(star(), &dataset).unwrap();
    let direct = ["--method", "direct", "--accelerator", "cpu", "--n-subsample", "60", "--json", "--output-dir"];
    let output = program().arg("run").arg(&dataset).args(direct).arg(&run).output().unwrap();
    assert!(output.status.success(), "{}", message(&output));
    assert!(run.join("summary.json").exists());
    for arguments in [
        &[OsStr::new("inspect"), dataset.as_os_str(), OsStr::new("--json")][..],
        &[OsStr::new("evaluate"), run.as_os_str(), OsStr::new("--json")],
    ] {
        let output = program().args(arguments).output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", message(&output));
        let _json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    }
    let trained = path(b"net\xfd");
    let train = ["--epochs", "1", "--accelerator", "cpu", "--n-subsample", "60", "--quiet", "--output-dir"];
    let output = program().arg("train").arg(&dataset).args(train).arg(&trained).output().unwrap();
    assert!(output.status.success(), "{}", message(&output));
    assert!(trained.join("model.ptycho").exists());
}

#[test]
fn few_threads_and_small_files_are_dealt_with_or_said() {
    let folder = tempfile::tempdir().unwrap();
    let script = format!("ulimit -f 10; exec {} config setups", program().get_program().display());
    let output = std::process::Command::new("bash").args(["-c", &script]).current_dir(folder.path()).output().unwrap();
    assert!(output.status.success() && message(&output).contains("ulimit -f"), "{}", message(&output));
}
