//! The program as a user starts it: exit codes, messages, files.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use crate::common::program;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Output;
use std::time::Instant;

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(name)
}

fn star() -> PathBuf {
    fixture("siemens_star_n64.npz")
}

/// Runs the program in an empty folder; gives back what it said and the names left in the folder.
fn in_empty_folder(arguments: &[&str]) -> (Output, Vec<String>) {
    let folder = tempfile::tempdir().unwrap();
    let output = program().current_dir(folder.path()).args(arguments).output().unwrap();
    let names =
        std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    (output, names.collect())
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// The error as one paragraph: the last line of standard error, which begins with "Error: ".
fn paragraph(output: &Output) -> String {
    let text = stderr(output);
    let errors: Vec<_> = text.lines().filter(|line| line.starts_with("Error: ")).collect();
    assert_eq!(errors.len(), 1, "{text}");
    assert_eq!(text.trim_end().lines().last(), Some(errors[0]), "{text}");
    errors[0].to_owned()
}

fn summary(folder: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(folder.join("summary.json")).unwrap()).unwrap()
}

#[test]
fn help_names_the_subcommands_and_without_a_display_the_window_says_what_to_do() {
    let help = program().arg("--help").output().unwrap();
    assert!(help.status.success());
    let text = String::from_utf8(help.stdout).unwrap();
    for name in [
        "run",
        "train",
        "infer",
        "inspect",
        "diagnose",
        "devices",
        "config",
        "gui",
        "simulate",
        "evaluate",
        "export",
        "predict",
        "import-weights",
        "export-weights",
    ] {
        assert!(text.contains(name), "{name}");
    }
    let bare = program().env_remove("DISPLAY").env_remove("WAYLAND_DISPLAY").output().unwrap();
    assert_eq!(bare.status.code(), Some(1));
    let text = String::from_utf8(bare.stderr).unwrap();
    assert!(text.contains("there is no display") && text.contains("ptychoscope run DATASET"), "{text}");
    assert!(program().arg("--version").output().unwrap().status.success());
}

#[test]
fn bad_usage_exits_with_2_and_names_the_flag() {
    let data = star();
    let data = data.to_str().unwrap();
    for (arguments, named) in [
        (vec!["train", data, "--no-such-flag"], "--no-such-flag"),
        (vec!["train"], "DATASET"),
        (vec!["train", data, "--epochs", "0"], "--epochs"),
        (vec!["train", data, "--epochs", "many"], "--epochs"),
        (vec!["train", data, "--set", "training.epoch=1"], "training.epochs"),
        (vec!["train", data, "--preset", "best"], "--preset"),
        (vec!["train", data, "--config", "absent.toml"], "absent.toml"),
        (vec!["infer", "m.ptycho", data, "--set", "model.gridsize=2"], "model.gridsize"),
        (vec!["infer", "m.ptycho", data, "--epochs", "2"], "--epochs"),
    ] {
        let (output, left) = in_empty_folder(&arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {}", stderr(&output));
        assert!(stderr(&output).contains(named), "{arguments:?}: {}", stderr(&output));
        assert!(left.is_empty(), "{arguments:?} left {left:?}");
    }
}

#[test]
fn bad_input_exits_with_2_says_so_in_one_paragraph_and_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let bytes = std::fs::read(star()).unwrap();
    std::fs::write(at("truncated.npz"), &bytes[..bytes.len() / 2]).unwrap();
    std::fs::write(at("text.npz"), "no archive").unwrap();
    std::fs::write(at("empty.npz"), "").unwrap();
    let data = star();
    let data = data.to_str().unwrap();
    let (absent, truncated, text, empty) = (at("absent.npz"), at("truncated.npz"), at("text.npz"), at("empty.npz"));
    for (arguments, named) in [
        (vec!["run", &absent], "absent.npz"),
        (vec!["run", &truncated], "truncated.npz"),
        (vec!["train", &text], "text.npz"),
        (vec!["train", &empty], "empty.npz"),
        (vec!["train", data, "--validation", &absent], "absent.npz"),
        (vec!["infer", &absent, data], "absent.npz"),
        (vec!["infer", data, data], "siemens_star_n64.npz"),
    ] {
        let (output, left) = in_empty_folder(&arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {}", stderr(&output));
        assert!(paragraph(&output).contains(named), "{arguments:?}: {}", stderr(&output));
        assert!(left.is_empty(), "{arguments:?} left {left:?}");
    }
}

#[test]
fn inspect_judges_a_good_and_a_broken_file() {
    let good = program().arg("inspect").arg(star()).output().unwrap();
    let text = String::from_utf8(good.stdout.clone()).unwrap();
    assert!(good.status.success(), "{text}");
    assert!(text.contains("(516, 64, 64)") && text.contains("can be used"), "{text}");
    let json = program().arg("inspect").arg(star()).arg("--json").output().unwrap();
    let value: Value = serde_json::from_slice(&json.stdout).unwrap();
    assert!(value.get("verdicts").is_some_and(|verdicts| verdicts.as_array().is_some_and(|list| !list.is_empty())));
    let absent = program().args(["inspect", "absent.npz"]).output().unwrap();
    assert_eq!(absent.status.code(), Some(2));
    assert!(paragraph(&absent).contains("absent.npz"));
}

#[test]
fn how_a_file_is_read_is_saved_and_taken_up_again() {
    let folder = tempfile::tempdir().unwrap();
    let saved = folder.path().join("beamline.toml");
    let inspect = |words: &[&str]| program().arg("inspect").arg(star()).args(words).output().unwrap();
    let path = saved.to_str().unwrap();
    let unusable = inspect(&["--set", "data.mapping.diffraction=nothing", "--save-mapping", path]);
    assert_eq!(unusable.status.code(), Some(2));
    assert!(stderr(&unusable).contains("was not written") && !saved.exists(), "{}", stderr(&unusable));
    let set = ["--set", "data.orientation=flip_x", "--set", "data.mapping.diffraction=diffraction"];
    let output = inspect(&[&set[..], &["--save-mapping", path]].concat());
    assert!(output.status.success(), "{}", stderr(&output));
    let text = std::fs::read_to_string(&saved).unwrap();
    assert_eq!(text, "[data]\norientation = \"flip_x\"\n\n[data.mapping]\ndiffraction = \"diffraction\"\n");
    assert_eq!(inspect(&["--config", path, "--json"]).stdout, inspect(&[&set[..], &["--json"]].concat()).stdout);
}

#[test]
fn devices_lists_the_cpu_also_without_any_driver() {
    let output = program().args(["devices", "--json"]).env("VK_ICD_FILENAMES", "/nonexistent").output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    let list: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(list.last().unwrap()["kind"], "cpu");
    assert_eq!(list.last().unwrap()["backend"], "flex");
    let text = program().arg("devices").output().unwrap();
    assert!(String::from_utf8(text.stdout).unwrap().contains("--accelerator auto"));
}

#[test]
fn a_gpu_that_is_not_there_exits_with_4_says_what_to_install_and_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = program();
    command
        .current_dir(folder.path())
        .env("VK_ICD_FILENAMES", "/nonexistent")
        .env("__EGL_VENDOR_LIBRARY_FILENAMES", "/nonexistent");
    let output = command.arg("train").arg(star()).args(["--accelerator", "gpu", "--epochs", "1"]).output().unwrap();
    assert_eq!(output.status.code(), Some(4), "{}", stderr(&output));
    let message = paragraph(&output);
    assert!(message.contains("libvulkan1") && message.contains("--accelerator"), "{message}");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn the_effective_configuration_can_be_read_back() {
    let folder = tempfile::tempdir().unwrap();
    let printed = program().args(["config", "--preset", "reference", "--batch-size", "8"]).output().unwrap();
    assert!(printed.status.success(), "{}", stderr(&printed));
    let path = folder.path().join("a.toml");
    std::fs::write(&path, &printed.stdout).unwrap();
    let again = program().arg("config").arg("--config").arg(&path).output().unwrap();
    assert_eq!(String::from_utf8(printed.stdout).unwrap(), String::from_utf8(again.stdout).unwrap());
    let fields = program().args(["config", "--fields"]).output().unwrap();
    assert!(String::from_utf8(fields.stdout).unwrap().contains("training.learning_rate = 0.001"));
}

/// The integration test of the Python original: 64 patterns, 2 epochs, batch 4, under its own flag names, in two processes.
#[test]
fn train_and_infer_as_separate_processes_leave_a_model_and_pictures() {
    let folder = tempfile::tempdir().unwrap();
    let (trained, inferred) = (folder.path().join("trained"), folder.path().join("inferred"));
    let started = Instant::now();
    let output = program()
        .arg("train")
        .arg("--train_data_file")
        .arg(star())
        .arg("--output_dir")
        .arg(&trained)
        .args(["--max_epochs", "2", "--n_subsample", "64", "--gridsize", "1", "--batch_size", "4"])
        .args(["--accelerator", "cpu", "--disable_mlflow"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(stderr(&output).contains("--disable-mlflow has no effect"), "{}", stderr(&output));
    for name in ["config.toml", "history.csv", "model.ptycho", "best.ptycho", "summary.json", "log.txt"] {
        assert!(trained.join(name).is_file(), "{name}");
    }
    assert!(!trained.join("autosave.ptycho").exists());
    let told = summary(&trained);
    assert_eq!((told["steps"].as_u64(), told["epochs"].as_u64()), (Some(32), Some(2)));
    assert_eq!(told["outcome"], "completed");
    assert_eq!(told["reduced_capability"], true);
    assert_eq!(told["dataset"]["n"], 64);

    let output = program()
        .arg("infer")
        .arg(trained.join("model.ptycho"))
        .arg(star())
        .arg("--output-dir")
        .arg(&inferred)
        .args(["--accelerator", "cpu", "--json"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    println!("train and infer together took {:.1} s", started.elapsed().as_secs_f64());
    let events: Vec<Value> =
        String::from_utf8(output.stdout).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(events.first().unwrap()["event"], "started");
    assert_eq!(events.last().unwrap()["event"], "finished");
    for name in ["amplitude.png", "phase.png", "reconstruction.npz", "config.toml", "summary.json", "log.txt"] {
        assert!(inferred.join(name).is_file(), "{name}");
    }
    let told = summary(&inferred);
    for key in ["consistency_r", "phase_correlation", "infer_seconds", "patterns_per_second"] {
        assert!(told[key].is_f64(), "{key}: {}", told[key]);
    }
    assert_eq!(told["dataset"]["n"], 516, "all patterns are reconstructed, whatever the training used");
    let reconstruction = ptychoscope::data::Reconstruction::load(&inferred.join("reconstruction.npz")).unwrap();
    assert!(reconstruction.object.iter().all(|value| value.re.is_finite() && value.im.is_finite()));
    assert!(reconstruction.coverage.iter().any(|weight| *weight > 0.0));
}

#[test]
fn a_dataset_larger_than_the_memory_granted_is_trained_part_by_part_and_reconstructed_whole() {
    let folder = tempfile::tempdir().unwrap();
    let run = |name: &str, limit: &str, more: &[&str]| {
        let mut command = program();
        command.arg("run").arg(star()).args(["--accelerator", "cpu", "--epochs", "2", "--max-memory", limit]);
        command.args(["--set", "model.head_filters=2", "--output-dir"]).arg(folder.path().join(name)).args(more);
        command.output().unwrap()
    };
    let output = run("part", "0.02", &[]);
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(stderr(&output).contains("--max-memory"), "{}", stderr(&output));
    let (part, whole) = (folder.path().join("part"), folder.path().join("whole"));
    // Of 516 in 14 parts.
    assert_eq!(summary(&part)["dataset"]["n"], 37);
    assert!(stderr(&output).contains("14 epochs cover all"), "{}", stderr(&output));
    assert!(run("whole", "1", &["--method", "direct", "--set", "direct.epochs=1"]).status.success());
    let size = |folder: &Path| {
        ptychoscope::data::Reconstruction::load(&folder.join("reconstruction.npz")).unwrap().object.dim()
    };
    assert_eq!(size(&part), size(&whole), "all patterns are in the object");
    let refused = run("direct", "0.02", &["--method", "direct"]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(paragraph(&refused).contains("--n-subsample"), "{}", stderr(&refused));
}

#[test]
fn quiet_says_nothing_when_all_is_well() {
    let folder = tempfile::tempdir().unwrap();
    let output = program()
        .arg("train")
        .arg(star())
        .args(["--n-subsample", "16", "--epochs", "1", "--accelerator", "cpu", "--quiet", "--output-dir"])
        .arg(folder.path().join("out"))
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(output.stdout.is_empty() && output.stderr.is_empty(), "{}", stderr(&output));
}

#[cfg(unix)]
#[test]
fn an_interrupt_keeps_the_result_and_exits_with_3() {
    use std::io::{BufRead, BufReader};
    use std::process::Stdio;

    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    let mut child = program()
        .arg("run")
        .arg(star())
        .args(["--n-subsample", "64", "--time-budget", "120", "--accelerator", "cpu", "--json", "--output-dir"])
        .arg(&out)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut interrupted = false;
    let mut last = Value::Null;
    for line in BufReader::new(child.stdout.take().unwrap()).lines() {
        last = serde_json::from_str(&line.unwrap()).unwrap();
        if last["event"] == "epoch" && !interrupted {
            interrupted = true;
            let killed = std::process::Command::new("kill").arg("-INT").arg(child.id().to_string()).status().unwrap();
            assert!(killed.success());
        }
    }
    let status = child.wait().unwrap();
    assert!(interrupted);
    assert_eq!(status.code(), Some(3), "{last}");
    assert_eq!(last["event"], "finished");
    assert_eq!(last["outcome"], "stopped");
    for name in ["model.ptycho", "amplitude.png", "phase.png", "reconstruction.npz", "summary.json"] {
        assert!(out.join(name).is_file(), "{name}");
    }
    assert!(summary(&out)["train_seconds"].as_f64().unwrap() < 100.0);
}
