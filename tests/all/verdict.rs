//! Verdicts on results with a known object, right ones and deliberate failures; and the diagnosis of faults.

use crate::common::{self, program, shared};
use ndarray::Axis;
use ptychoscope::config::{DataConfig, DirectConfig};
use ptychoscope::data::Dataset;
use ptychoscope::direct::{self, Start, Trust};
use ptychoscope::metrics;

fn read(name: &str) -> Option<Dataset> {
    let path = shared(&format!("data/{name}"))?;
    Some(Dataset::load(&path, &DataConfig::default(), 0).unwrap())
}

/// Verdict and correlation of the phase with the known object.
fn judged(name: &str, dataset: &Dataset, truth: &Dataset, config: &DirectConfig) -> (Trust, f64) {
    let solved = direct::solve(dataset, config, &Start::Flat, &mut |_, _| true).unwrap();
    let object = &solved.reconstruction;
    let mut used = dataset.clone();
    solved.refined.apply(&mut used);
    let origin = object.origin_xy;
    let r = metrics::consistency_r(object.object.view(), origin, &used.measured()).unwrap();
    let found = direct::judge(&used, object, Some(r), &mut |_| true).unwrap().unwrap();
    let known = truth.object.as_ref().unwrap().view();
    let correlation =
        metrics::phase_correlation(object.object.view(), origin, known, &truth.positions).map_or(0.0, |c| c.phase);
    println!("{name:<28} {correlation:>6.3}  {:<9} {}", found.verdict.name(), found.reason);
    (found.verdict, correlation)
}

#[test]
fn verdicts_agree_with_known_objects() {
    let sets = ["aps_siemens_n64.npz", "cosmic_goldballs_semi_n64.npz", "lines64_run1084like.npz"];
    let config = |epochs| DirectConfig { epochs, ..DirectConfig::default() };
    let (mut doubted, mut failures, mut all) = (0, 0, 0);
    for name in sets {
        let Some(right) = read(name) else { return };
        let count = right.len();
        let mut cases = vec![("right", right.clone(), config(15)), ("one epoch", right.clone(), config(1))];
        let mut fault = |name, change: &dyn Fn(&mut Dataset)| {
            let mut dataset = right.clone();
            change(&mut dataset);
            cases.push((name, dataset, config(10)));
        };
        fault("x and y swapped", &|d| d.positions.iter_mut().for_each(|[x, y]| std::mem::swap(x, y)));
        fault("x flipped", &|d| d.positions.iter_mut().for_each(|[x, _]| *x = 200.0 - *x));
        fault("half the scale", &|d| d.positions.iter_mut().flatten().for_each(|v| *v *= 0.5));
        fault("shuffled", &|d| d.positions = (0..count).map(|at| right.positions[at * 37 % count]).collect());
        fault("flat probe", &|d| d.probe.mapv_inplace(|value| value.norm().into()));
        fault("saturated", &|d| {
            let most = 0.1 * d.diffraction.iter().copied().fold(0.0, f32::max);
            d.diffraction.mapv_inplace(|value| value.min(most));
        });
        fault("every third pattern", &|d| *d = right.subset(&(0..count).step_by(3).collect::<Vec<_>>()));
        fault("root of the amplitude", &|d| d.diffraction.mapv_inplace(f32::sqrt));
        fault("patterns shifted", &|d| {
            let side = d.patch_size();
            let from = right.diffraction.clone();
            for (at, mut column) in d.diffraction.axis_iter_mut(Axis(2)).enumerate() {
                column.assign(&from.index_axis(Axis(2), (at + side - 12) % side));
            }
        });
        for (case, dataset, config) in cases {
            let found = judged(&format!("{} {case}", &name[..6]), &dataset, &right, &config);
            (all, failures) = (all + 1, failures + usize::from(found.1 < 0.6));
            assert!(found.0 < Trust::Reliable || found.1 >= 0.6, "a failure is called reliable");
            doubted += usize::from(found.0 < Trust::Reliable && found.1 >= 0.9);
        }
    }
    println!("{failures} of {all} results are failures; {doubted} good ones are doubted");
    // Good results in spite of a fault: a thinned scan, saturated pixels, a slightly wrong probe.
    assert!(doubted <= 3 && failures >= all / 3, "{doubted} of {all}");
}

/// Setting that `diagnose` recommends for a scan read with these settings.
fn fix(dataset: &str, settings: &[&str]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let output = program()
        .args(["diagnose", dataset, "--output-dir"])
        .arg(folder.path().join("found"))
        .args(settings.iter().flat_map(|setting| ["--set", setting]))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    println!("{}", String::from_utf8_lossy(&output.stdout));
    let bytes = std::fs::read(folder.path().join("found/diagnosis.json")).unwrap();
    assert!(folder.path().join("found/diagnosis.png").exists());
    let found: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
    found["fix"].as_str().unwrap().to_owned()
}

#[test]
fn faults_of_a_scan_are_found_with_the_settings_that_mend_them() {
    let star = common::fixture("siemens_star_n64.npz");
    let star = star.to_str().unwrap();
    assert_eq!(fix(star, &[]), "", "nothing is wrong");
    assert_eq!(fix(star, &["data.orientation=swap_flip_x"]), "--set data.orientation=plain");
    assert_eq!(fix(star, &["data.mapping.position_matrix=0.5,0,0,0.5"]), "--set data.mapping.position_matrix=1,0,0,1");
    assert_eq!(fix(star, &["data.diffraction_unit=counts"]), "--set data.diffraction_unit=amplitude");
}
