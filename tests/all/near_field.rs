//! Near-field patterns and unusual sizes, from a simulated file to the object.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

use crate::common::program;
use ptychoscope::config::DataConfig;
use ptychoscope::data::Dataset;
use std::path::Path;

/// Runs the program in a folder; returns the summary of its run.
fn run(folder: &Path, arguments: &[&str]) -> serde_json::Value {
    let output = program().current_dir(folder).args(arguments).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    let at = arguments.iter().position(|argument| *argument == "--output-dir").map(|at| arguments[at + 1]);
    at.map_or(serde_json::Value::Null, |at| {
        serde_json::from_slice(&std::fs::read(folder.join(at).join("summary.json")).unwrap()).unwrap()
    })
}

fn simulate(folder: &Path, name: &str, size: &str, further: &[&str]) {
    let mut arguments = vec!["simulate", "--output", name, "--pattern-size", size, "--n-images", "120"];
    arguments.extend(["--probe", "disk", "--object", "dead_leaves", "--overlap", "0.8"]);
    arguments.extend(further);
    run(folder, &arguments);
}

#[test]
fn a_near_field_scan_is_reconstructed_and_does_not_fit_as_a_far_field() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    // Smooth phases show weakly in a near field, the more so the larger the Fresnel number.
    simulate(folder, "near.npz", "48", &["--fresnel-number", "0.03"]);
    let dataset = Dataset::load(&folder.join("near.npz"), &DataConfig::default(), 1).unwrap();
    assert_eq!(dataset.propagation.fresnel_number(), Some(0.03));
    let with = run(folder, &["run", "near.npz", "--method", "direct", "--output-dir", "with"]);
    let correlation = |summary: &serde_json::Value| summary["phase_correlation"].as_f64().unwrap();
    println!("with the probe {}, R {}", correlation(&with), with["consistency_r"]);
    assert!(correlation(&with) > 0.97, "{with}");
    // The same patterns read as far-field ones do not fit.
    let mut far = dataset.clone();
    far.propagation = ptychoscope::fourier::Propagation::FarField;
    far.save(&folder.join("far.npz"), &serde_json::json!({})).unwrap();
    let far = run(folder, &["run", "far.npz", "--method", "direct", "--output-dir", "far"]);
    assert!(far["consistency_r"].as_f64().unwrap() > 5.0 * with["consistency_r"].as_f64().unwrap(), "{far}");
}

#[test]
fn a_network_trains_on_near_field_patterns_of_a_size_that_its_layers_do_not_divide() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    simulate(folder, "near.npz", "44", &["--fresnel-number", "0.1"]);
    let arguments = ["run", "near.npz", "--epochs", "20", "--time-budget", "none", "--output-dir", "network"];
    let summary = run(folder, &arguments);
    println!("phase {}, R {}", summary["phase_correlation"], summary["consistency_r"]);
    assert!(summary["phase_correlation"].as_f64().unwrap() > 0.7, "{summary}");
}
