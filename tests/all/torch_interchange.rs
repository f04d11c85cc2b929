//! Weights change hands with PyTorch itself; skipped, with a message, where it is not installed. It is never downloaded.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

use crate::common;

use common::program;
use ptychoscope::data::NpzArchive;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Python with PyTorch and NumPy: named by `PTYCHOSCOPE_TORCH_PYTHON`, or `python3` if it has them.
fn python() -> Option<PathBuf> {
    let named = std::env::var_os("PTYCHOSCOPE_TORCH_PYTHON").map(PathBuf::from);
    let python = named.clone().unwrap_or_else(|| "python3".into());
    let has = Command::new(&python).args(["-c", "import torch, numpy"]).output().is_ok_and(|out| out.status.success());
    assert!(has || named.is_none(), "{} has no torch and numpy", python.display());
    if !has {
        println!("skipped: python3 has no PyTorch; PTYCHOSCOPE_TORCH_PYTHON names one that has");
        return None;
    }
    Some(python)
}

fn script(python: &Path, what: &str, folder: &Path) {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/torch_interchange.py");
    let out = Command::new(python).arg(script).arg(what).arg(folder).output().unwrap();
    println!("{}", String::from_utf8_lossy(&out.stdout));
    assert!(out.status.success(), "{what}: {}", String::from_utf8_lossy(&out.stderr));
}

fn run(words: &[&str]) {
    let out = program().args(words).output().unwrap();
    assert!(out.status.success(), "{words:?}: {}", String::from_utf8_lossy(&out.stderr));
}

#[test]
fn networks_change_hands_with_pytorch_and_compute_the_same() {
    let Some(python) = python() else { return };
    let folder = tempfile::tempdir().unwrap();
    script(&python, "make", folder.path());
    let file = |name: String| folder.path().join(name).to_str().unwrap().to_owned();
    // What a bare state_dict does not tell is set.
    for (case, activation, probe_big) in
        [("n64_c1", "sigmoid", "true"), ("n64_c4", "silu", "true"), ("n128_c1", "sigmoid", "false")]
    {
        let (model, other) = (file(format!("{case}.ptycho")), file(format!("{case}_ckpt.ptycho")));
        let set = [format!("model.amp_activation={activation}"), format!("model.probe_big={probe_big}")];
        let (pt, checkpoint) = (file(format!("{case}.pt")), file(format!("{case}.ckpt")));
        run(&["import-weights", &pt, "--output", &model, "--set", &set[0], "--set", &set[1]]);
        run(&["import-weights", &checkpoint, "--output", &other]);
        let expected = file(format!("{case}_out.npz"));
        for model in [&model, &other] {
            let out = file(format!("{case}_found.npz"));
            run(&["predict", "--model", model, "--input", &file(format!("{case}_in.npz")), "--output", &out]);
            let (mut found, mut expected) =
                (NpzArchive::open(Path::new(&out)).unwrap(), NpzArchive::open(Path::new(&expected)).unwrap());
            for key in ["amplitude", "phase"] {
                let (found, expected) = (found.read_f32(key).unwrap(), expected.read_f32(key).unwrap());
                assert_eq!(found.shape(), expected.shape());
                let worst = found.iter().zip(&expected).fold(0.0f32, |worst, (a, b)| worst.max((a - b).abs()));
                println!("{case} {key}: {worst:.1e}");
                assert!(worst <= 1e-4, "{case} {key}: {worst}");
            }
        }
        run(&["export-weights", &model, "--output", &file(format!("{case}_back.safetensors"))]);
    }
    script(&python, "check", folder.path());
}
