//! `infer --watch` as a user starts it: files that arrive whole, cut short, and slowly.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used)]

use crate::common;

use common::program;
use serde_json::Value;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

fn succeed(command: &mut Command) {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// A bundle that has hardly learnt anything, and a small dataset.
fn bundle_and_dataset(folder: &Path) -> (std::path::PathBuf, Vec<u8>) {
    let (small, trained) = (folder.join("small.npz"), folder.join("trained"));
    let star = common::fixture("siemens_star_n64.npz");
    succeed(program().args(["prepare", "subset", "40"]).arg(star).arg("--output").arg(&small));
    succeed(
        program()
            .arg("train")
            .arg(&small)
            .args(["--epochs", "1", "--accelerator", "cpu", "--teacher-share", "0", "--quiet", "--output-dir"])
            .arg(&trained),
    );
    let bytes = std::fs::read(&small).unwrap();
    (trained.join("model.ptycho"), bytes)
}

#[test]
fn files_are_reconstructed_as_they_arrive_and_a_bad_one_is_reported_and_skipped() {
    let place = tempfile::tempdir().unwrap();
    let (model, bytes) = bundle_and_dataset(place.path());
    let arriving = place.path().join("arriving");
    std::fs::create_dir(&arriving).unwrap();
    std::fs::write(arriving.join("first.npz"), &bytes).unwrap();
    let mut child = program()
        .arg("infer")
        .arg(&model)
        .arg("--watch")
        .arg(&arriving)
        .args(["--settle", "0.5", "--accelerator", "cpu", "--polish", "2", "--json"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut next = || serde_json::from_str::<Value>(&lines.next().unwrap().unwrap()).unwrap();
    let first = next();
    assert_eq!(
        (&first["event"], &first["outcome"], first["patterns"].as_u64()),
        (&"file".into(), &"done".into(), Some(40))
    );
    assert!(first["ms_per_pattern"].as_f64().unwrap() > 0.0);

    // One that is cut short for ever, and one that comes in two pieces with a rest between them.
    std::fs::write(arriving.join("cut.npz"), &bytes[..bytes.len() / 2]).unwrap();
    let slow = arriving.join("slow.npz");
    let mut file = std::fs::File::create(&slow).unwrap();
    file.write_all(&bytes[..bytes.len() / 2]).unwrap();
    file.flush().unwrap();
    std::thread::sleep(Duration::from_millis(1000));
    file.write_all(&bytes[bytes.len() / 2..]).unwrap();
    drop(file);
    let found = [next(), next()];
    let of = |name: &str| {
        found.iter().find(|line| line["file"].as_str().is_some_and(|file| file.ends_with(name))).unwrap().clone()
    };
    assert_eq!(of("slow.npz")["outcome"], "done");
    assert_eq!(of("cut.npz")["outcome"], "bad");
    assert!(of("cut.npz")["message"].as_str().unwrap().contains("cut short"), "{}", of("cut.npz"));

    assert!(Command::new("kill").arg("-INT").arg(child.id().to_string()).status().unwrap().success());
    let last = next();
    assert_eq!((&last["event"], last["done"].as_u64(), last["bad"].as_u64()), (&"watched".into(), Some(2), Some(1)));
    assert_eq!(child.wait().unwrap().code(), Some(1), "a bad file shows in the exit code");
    for name in ["first", "slow"] {
        for file in ["amplitude.png", "phase.png", "reconstruction.npz", "summary.json"] {
            assert!(arriving.join("reconstructed").join(name).join(file).is_file(), "{name}/{file}");
        }
    }
    assert!(!arriving.join("reconstructed/cut").exists());

    // Once more, for what is there: nothing is done twice, and the good files alone make a good exit code.
    std::fs::remove_file(arriving.join("cut.npz")).unwrap();
    std::fs::write(arriving.join("late.npz"), &bytes).unwrap();
    let again = program()
        .arg("infer")
        .arg(&model)
        .arg("--watch")
        .arg(&arriving)
        .args(["--once", "--settle", "0.2", "--accelerator", "cpu", "--polish", "2"])
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&again.stdout).into_owned();
    assert_eq!(again.status.code(), Some(0), "{}", String::from_utf8_lossy(&again.stderr));
    assert!(
        text.contains("late.npz: 40 patterns") && text.contains("1 reconstructed") && text.contains("2 done before"),
        "{text}"
    );
    let list = std::fs::read_to_string(arriving.join("reconstructed/watch.csv")).unwrap();
    assert_eq!(list.lines().count(), 5, "{list}");
}

#[test]
fn a_folder_is_watched_with_the_direct_solver_and_again_after_a_change_of_its_settings() {
    let place = tempfile::tempdir().unwrap();
    let arriving = place.path().join("arriving");
    std::fs::create_dir(&arriving).unwrap();
    let star = common::fixture("siemens_star_n64.npz");
    succeed(program().args(["prepare", "subset", "40"]).arg(star).arg("--output").arg(arriving.join("first.npz")));
    let watch = |more: &[&str]| {
        let mut command = program();
        command.args(["run", "--once", "--settle", "0.2", "--accelerator", "cpu", "--watch"]).arg(&arriving).args(more);
        let output = command.output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
        (output.status.code(), text.into_owned())
    };
    let direct = |epochs: &str| watch(&["--method", "direct", "--set", &format!("direct.epochs={epochs}")]);
    let (code, text) = direct("3");
    assert!(code == Some(0) && text.contains("first.npz: 40 patterns"), "{text}");
    let (code, text) = direct("3");
    assert!(code == Some(0) && text.contains("0 reconstructed") && text.contains("1 done before"), "{text}");
    let (code, text) = direct("4");
    assert!(code == Some(0) && text.contains("1 reconstructed"), "{text}");
    let (code, text) = watch(&[]);
    assert!(code == Some(2) && text.contains("--method direct"), "{text}");
}
