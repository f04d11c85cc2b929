//! `evaluate`, `compare` and `sweep` as a user starts them.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use crate::common;

use common::fixture;
use ndarray::Array2;
use num_complex::Complex32;
use ptychoscope::config::DataConfig;
use ptychoscope::data::{Dataset, Reconstruction};
use serde_json::Value;
use std::path::Path;
use std::process::Output;

fn program(folder: &Path, arguments: &[&str]) -> Output {
    common::program().current_dir(folder).args(arguments).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The object of the Siemens star with a phase error of this strength, as a reconstruction.
fn write_star(path: &Path, error: f32) {
    let star = Dataset::load(&fixture("siemens_star_n64.npz"), &DataConfig::default(), 0).unwrap();
    let object = star.object.unwrap();
    let object = Array2::from_shape_fn(object.dim(), |(y, x)| {
        object[(y, x)] * Complex32::from_polar(1.0, error * (((y * 7919 + x * 104_729) % 997) as f32 / 997.0 - 0.5))
    });
    let coverage = Array2::ones(object.dim());
    Reconstruction { object, coverage, origin_xy: [0.0; 2], pixel_size_m: None }.save(path).unwrap();
}

#[test]
fn evaluate_prints_a_table_and_writes_csv_json_and_a_page_that_needs_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    write_star(&folder.path().join("good.npz"), 0.05);
    write_star(&folder.path().join("bad.npz"), 1.0);
    let star = fixture("siemens_star_n64.npz");
    let star = star.to_str().unwrap();
    let files = ["--html", "page.html", "--csv", "metrics.csv"];
    let output = program(folder.path(), &[&["evaluate", "good.npz", star, "bad.npz"], &files[..]].concat());
    assert!(output.status.success(), "{}", text(&output.stderr));
    let table = text(&output.stdout);
    let head = table.lines().next().unwrap();
    assert!(head.find("good") < head.find("bad"), "{table}");
    for name in ["phase_correlation", "consistency_r", "complex_nrmse", "psnr_data_range", "ms_ssim", "frc1over7"] {
        assert!(table.contains(name), "{name} in {table}");
    }
    let page = std::fs::read_to_string(folder.path().join("page.html")).unwrap();
    assert_eq!(page.matches("data:image/png;base64,").count(), 2 + 3 + 3);
    assert!(page.matches("<svg class=\"plot\"").count() >= 2 && !page.contains("http") && !page.contains("NaN"));
    let csv = std::fs::read_to_string(folder.path().join("metrics.csv")).unwrap();
    let of = |model: &str, metric: &str| -> f64 {
        let row = csv.lines().find(|line| line.starts_with(&format!("{model},{metric},"))).unwrap();
        row.split(',').nth(3).unwrap().parse().unwrap()
    };
    assert!(of("good", "mae") < of("bad", "mae") && of("good", "ssim_data_range") > of("bad", "ssim_data_range"));

    let json = program(folder.path(), &["evaluate", "good.npz", star, "--json"]);
    let value: Value = serde_json::from_slice(&json.stdout).unwrap();
    let one = &value["reconstructions"][0];
    assert_eq!(one["name"], "good");
    assert!(one["phase_correlation"].as_f64().unwrap() > 0.99 && one["evaluation"]["frc"]["value"].is_array());
    assert!(value["overlap"]["metric_2_image_based_avg"].as_f64().unwrap() > 0.0);
}

#[test]
fn what_evaluate_cannot_judge_exits_with_2_and_names_the_file() {
    let folder = tempfile::tempdir().unwrap();
    write_star(&folder.path().join("one.npz"), 0.0);
    let star = fixture("siemens_star_n64.npz");
    let star = star.to_str().unwrap();
    for (arguments, named) in [
        (vec!["evaluate"], "RECONSTRUCTION"),
        (vec!["evaluate", "absent.npz", star], "absent.npz"),
        (vec!["evaluate", star], "siemens_star_n64.npz"),
        (vec!["evaluate", "one.npz"], "--reference"),
        (vec!["evaluate", "one.npz", star, star], "siemens_star_n64.npz"),
        (vec!["evaluate", "one.npz", star, "--align", "by-eye"], "--align"),
        (vec!["evaluate", "one.npz", star, "--html", "no/such/page.html"], "page.html"),
        (vec!["evaluate", "one.npz", star, "--split-half"], "model.ptycho"),
        (vec!["compare", "a.ptycho", star], "MODEL"),
        (vec!["compare", "a.ptycho", "b.ptycho", star], "a.ptycho"),
        (vec!["sweep", star, "--vary", "batch_sise=3"], "batch_size"),
        (vec!["sweep", star, "--task", "5/3"], "--task"),
    ] {
        let output = program(folder.path(), &arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {}", text(&output.stderr));
        assert!(text(&output.stderr).contains(named), "{arguments:?}: {}", text(&output.stderr));
    }
}

#[test]
fn a_sweep_is_shared_by_tasks_resumed_reported_and_its_bundles_can_be_compared() {
    let folder = tempfile::tempdir().unwrap();
    // A part of the scan and a small network, so that a run takes a second.
    let star = fixture("siemens_star_n64.npz");
    let prepared = program(folder.path(), &["prepare", "subset", "60", star.to_str().unwrap(), "--output", "part.npz"]);
    assert!(prepared.status.success(), "{}", text(&prepared.stderr));
    let sweep = |task: &str| {
        let arguments = [
            "sweep",
            "part.npz",
            "--vary",
            "training.batch_size=4,8",
            "--vary",
            "photons=1e5",
            "--epochs",
            "1",
            "--set",
            "data.n_subsample=24",
            "--set",
            "model.head_filters=2",
            "--accelerator",
            "cpu",
            "--output-dir",
            "s",
        ];
        let task: &[&str] = if task.is_empty() { &[] } else { &["--task", task] };
        let output = program(folder.path(), &[&arguments[..], task].concat());
        assert!(output.status.success(), "{}", text(&output.stderr));
        text(&output.stderr)
    };
    let first = sweep("1/2");
    assert!(first.contains("1 of 2 runs are not finished yet"), "{first}");
    let second = sweep("");
    assert!(second.contains("batch_size-4_photons-1e5: already finished, skipped"), "{second}");
    assert!(!second.contains("batch_size-8_photons-1e5: already finished"), "{second}");
    let value: Value = serde_json::from_slice(&std::fs::read(folder.path().join("s/sweep.json")).unwrap()).unwrap();
    assert_eq!((value["runs"].as_array().unwrap().len(), value["missing"].as_array().unwrap().len()), (2, 0));
    assert!(value["runs"][0]["measures"]["consistency_r"].is_number(), "{value}");
    let page = std::fs::read_to_string(folder.path().join("s/sweep.html")).unwrap();
    assert!(page.contains("<svg class=\"plot\"") && page.contains("data:image/png"));
    assert_eq!(std::fs::read_to_string(folder.path().join("s/sweep.csv")).unwrap().lines().count(), 3);

    let (a, b) = ("s/batch_size-4_photons-1e5", "s/batch_size-8_photons-1e5");
    let arguments = ["compare", a, b, "part.npz", "--output-dir", "c", "--accelerator", "cpu", "--quiet"];
    let output = program(folder.path(), &arguments);
    assert!(output.status.success(), "{}", text(&output.stderr));
    for name in ["comparison.html", "metrics.csv", "batch_size-4_photons-1e5/reconstruction.npz"] {
        assert!(folder.path().join("c").join(name).exists(), "{name}");
    }
    let halves = program(folder.path(), &["evaluate", a, "part.npz", "--split-half", "--json"]);
    assert!(halves.status.success(), "{}", text(&halves.stderr));
    let value: Value = serde_json::from_slice(&halves.stdout).unwrap();
    assert!(value["reconstructions"][0]["split_half"]["frc"]["value"].is_array());
}
