use super::super::central_patterns;
use super::super::placement::place_patterns;
use super::super::solver::{Solution, Start, solve};
use crate::config::{Config, DataConfig, DirectConfig, ObjectKind, ProbeKind, ScanKind, Seeds};
use crate::data::Dataset;
use crate::metrics::{Placement, Region, align, phase_correlation};
use crate::simulate::{Scene, Sources, simulate};
use ndarray::{Array3, Axis};
use num_complex::Complex32;

/// Simulated scan of 100 patterns with known truth; `position_error` in pixels.
fn scan(object: ObjectKind, probe: ProbeKind, seed: u64, position_error: f64, modes: usize) -> (Dataset, Scene) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("scan.npz");
    let mut config = Config::default();
    config.execution.seeds = Seeds::all(seed);
    let simulation = &mut config.simulation;
    (simulation.object, simulation.probe, simulation.scan) = (object, probe, ScanKind::JitteredRaster);
    (simulation.n_images, simulation.overlap) = (Some(100), Some(0.75));
    (simulation.position_error, simulation.probe_modes) = (position_error, modes);
    let (scene, _) = simulate(&config, &Sources::default(), &path, &mut |_, _| true).unwrap();
    (Dataset::load(&path, &DataConfig::default(), 0).unwrap(), scene)
}

fn settings(epochs: usize) -> DirectConfig {
    DirectConfig { epochs, ..DirectConfig::default() }
}

fn solved(dataset: &Dataset, config: &DirectConfig) -> Solution {
    solve(dataset, config, &Start::Flat, &mut |_, _| true).unwrap()
}

/// Correlation of the phases with the truth inside the scan, after registration: a common shift of probe and object
/// leaves the patterns unchanged.
fn correlation(solved: &Solution, scene: &Scene) -> f64 {
    let truth = scene.object.view();
    let region = Region::of_scan(&scene.true_positions, truth.dim()).unwrap();
    let found = &solved.reconstruction;
    let aligned = align(found.object.view(), found.origin_xy, truth, region, Placement::Registered).unwrap();
    let pairs: Vec<(f64, f64)> = aligned
        .truth
        .iter()
        .zip(&aligned.matched)
        .map(|(truth, found)| (truth.arg(), truth.arg() + (found * truth.conj()).arg()))
        .collect();
    let mean = |pick: fn(&(f64, f64)) -> f64| pairs.iter().map(pick).sum::<f64>() / pairs.len() as f64;
    let (a, b) = (mean(|p| p.0), mean(|p| p.1));
    let sum = |pick: &dyn Fn(&(f64, f64)) -> f64| pairs.iter().map(pick).sum::<f64>();
    sum(&|p| (p.0 - a) * (p.1 - b)) / (sum(&|p| (p.0 - a).powi(2)) * sum(&|p| (p.1 - b).powi(2))).sqrt()
}

/// Root mean square distance of positions from the true ones, without a common shift; pixels.
fn residual_shift(found: &[[f64; 2]], truth: &[[f64; 2]]) -> f64 {
    let errors: Vec<[f64; 2]> =
        found.iter().zip(truth).map(|(found, truth)| [found[0] - truth[0], found[1] - truth[1]]).collect();
    let mean = [0, 1].map(|axis| errors.iter().map(|e| e[axis]).sum::<f64>() / errors.len() as f64);
    let square = |e: &[f64; 2]| (e[0] - mean[0]).powi(2) + (e[1] - mean[1]).powi(2);
    (errors.iter().map(square).sum::<f64>() / errors.len() as f64).sqrt()
}

/// Probe with a smooth error of 20 % of its norm, orthogonal to the probe, so that neither scale nor phase accounts for
/// it.
fn wrong_probe(probe: &Array3<Complex32>, seed: u64) -> Array3<Complex32> {
    let side = probe.dim().1 as f32;
    let wave = |n: u64, y: f32, x: f32| {
        let turn = (seed * 7 + n * 13) as f32;
        let (ky, kx) = (2.0 + (turn * 1.7).sin(), 2.0 * (turn * 0.9).cos());
        Complex32::from_polar(1.0, std::f32::consts::TAU * (ky * y + kx * x) / side + turn)
    };
    let mut error = probe.clone();
    for ((_, y, x), value) in error.indexed_iter_mut() {
        *value *= (0..4).map(|n| wave(n, y as f32, x as f32)).sum::<Complex32>();
    }
    let norm = |probe: &Array3<Complex32>| probe.iter().map(Complex32::norm_sqr).sum::<f32>().sqrt();
    let common: Complex32 = error.iter().zip(probe).map(|(e, p)| e * p.conj()).sum();
    let common = common / norm(probe).powi(2);
    error.zip_mut_with(probe, |error, probe| *error -= probe * common);
    let share = 0.2 * norm(probe) / norm(&error);
    probe + &error.mapv(|value| value * share)
}

/// Correlations with the true dataset, with the wrong one and with refinement; the recovered fraction of the loss; and
/// the refined solution.
fn recovery(right: &Dataset, wrong: &Dataset, scene: &Scene, refined: &DirectConfig) -> ([f64; 3], f64, Solution) {
    let plain = settings(refined.epochs);
    let best = correlation(&solved(right, &plain), scene);
    let worst = correlation(&solved(wrong, &plain), scene);
    let direct = solved(wrong, refined);
    let found = correlation(&direct, scene);
    ([best, worst, found], (found - worst) / (best - worst), direct)
}

const KINDS: [(ObjectKind, ProbeKind); 6] = [
    (ObjectKind::Grf, ProbeKind::Gaussian),
    (ObjectKind::DeadLeaves, ProbeKind::Disk),
    (ObjectKind::Lines, ProbeKind::Default),
    (ObjectKind::Siemens, ProbeKind::ZonePlate),
    (ObjectKind::DeadLeaves, ProbeKind::ZonePlate),
    (ObjectKind::Lines, ProbeKind::Gaussian),
];

fn with_wrong_probe(kind: usize, seed: u64, epochs: usize) -> ([f64; 3], f64) {
    let (object, probe) = KINDS[kind];
    let (right, scene) = scan(object, probe, seed, 0.0, 1);
    let mut wrong = right.clone();
    wrong.probe = wrong_probe(&right.probe, seed);
    let config = DirectConfig { refine_probe: true, ..settings(epochs) };
    let (numbers, share, _) = recovery(&right, &wrong, &scene, &config);
    println!("probe {:?} {:?} seed {seed}: {numbers:.5?}, {share:.3} recovered", object, probe);
    (numbers, share)
}

fn with_wrong_positions(kind: usize, seed: u64, epochs: usize) -> ([f64; 3], f64, f64) {
    let (object, probe) = KINDS[kind];
    // Standard deviation along each axis: 1 px rms in length.
    let (wrong, scene) = scan(object, probe, seed, std::f64::consts::FRAC_1_SQRT_2, 1);
    let mut right = wrong.clone();
    right.positions.clone_from(&scene.true_positions);
    let config = DirectConfig { refine_positions: true, ..settings(epochs) };
    let (numbers, share, direct) = recovery(&right, &wrong, &scene, &config);
    let rms = |positions: &[[f64; 2]]| residual_shift(positions, &scene.true_positions);
    let (before, after) = (rms(&wrong.positions), rms(direct.refined.positions.as_ref().unwrap()));
    println!(
        "positions {:?} {:?} seed {seed}: {numbers:.5?}, {share:.3} recovered, {before:.3} px → {after:.3} px",
        object, probe
    );
    (numbers, share, after)
}

#[test]
fn refinement_recovers_most_of_the_loss_from_a_wrong_probe() {
    for (kind, seed) in [(0, 1), (1, 1), (3, 2)] {
        let ([best, worst, found], share) = with_wrong_probe(kind, seed, 100);
        assert!(best > worst && share >= 0.9, "{share} of {best} - {worst}: {found}");
    }
}

/// The stored probe of measured data is about right. Left free, it and further modes lower the misfit at the expense of the
/// object.
#[test]
fn refining_a_probe_that_is_about_right_does_not_make_the_object_worse() {
    let path = ptychoscope_base::testing::fixture("siemens_star_n64.npz");
    let whole = Dataset::load(&path, &DataConfig::default(), 0).unwrap();
    let dataset = whole.subset(&central_patterns(&whole, 260));
    let truth = dataset.object.as_ref().unwrap();
    let judged = |config: &DirectConfig| {
        let found = solved(&dataset, config).reconstruction;
        phase_correlation(found.object.view(), found.origin_xy, truth.view(), &dataset.positions).unwrap()
    };
    let plain = judged(&settings(40));
    for modes in [1, 3] {
        let refined = judged(&DirectConfig { refine_probe: true, probe_modes: Some(modes), ..settings(60) });
        println!(
            "{modes} modes: {:.4} {:.4}, plain {:.4} {:.4}",
            refined.phase, refined.amplitude, plain.phase, plain.amplitude
        );
        assert!(refined.phase > plain.phase - 0.005, "{modes} modes: phase {} {}", refined.phase, plain.phase);
        assert!(refined.amplitude > plain.amplitude - 0.005, "{modes}: {} {}", refined.amplitude, plain.amplitude);
    }
}

#[test]
fn refinement_recovers_most_of_the_loss_from_wrong_positions() {
    for (kind, seed) in [(1, 1), (3, 1)] {
        let ([best, worst, found], share, error) = with_wrong_positions(kind, seed, 100);
        assert!(best > worst && share >= 0.9, "{share} of {best} - {worst}: {found}");
        assert!(error < 0.2, "{error} px");
    }
}

#[test]
fn a_drifting_scan_is_put_in_order_and_a_right_one_is_left_alone() {
    let (right, scene) = scan(ObjectKind::DeadLeaves, ProbeKind::Disk, 1, 0.0, 1);
    let config = DirectConfig { refine_positions: true, ..settings(40) };
    assert_eq!(place_patterns(&right, &config, &mut |_| true).unwrap(), None);
    let mut wrong = right.clone();
    for (n, position) in wrong.positions.iter_mut().enumerate() {
        let time = n as f64;
        *position = [position[0] + 9.0 * (time / 30.0).sin(), position[1] + 7.0 * (time / 40.0).cos()];
    }
    let local = correlation(&solved(&wrong, &config), &scene);
    let placed = place_patterns(&wrong, &config, &mut |_| true).unwrap().expect("other positions");
    let error = residual_shift(&placed.positions, &scene.true_positions);
    let moved = Dataset { positions: placed.positions, ..wrong };
    let found = correlation(&solved(&moved, &config), &scene);
    println!("correlation {local:.4} with local refinement, {found:.4}; {error:.2} px left");
    assert!(found > 0.97 && error < 0.3, "{found}, {error} px; {local} with local refinement");
}

#[test]
#[ignore = "prints the table of numbers: cargo test --release -- --ignored --nocapture recovered_by"]
fn recovered_by_refinement_for_many_kinds() {
    for epochs in [100, 200] {
        println!("{epochs} epochs: correlation with the truth known, with the error, with refinement");
        for kind in 0..KINDS.len() {
            for seed in [1, 2] {
                with_wrong_probe(kind, seed, epochs);
                with_wrong_positions(kind, seed, epochs);
            }
        }
    }
}

#[test]
fn two_probe_modes_are_recovered_from_one() {
    let (right, scene) = scan(ObjectKind::DeadLeaves, ProbeKind::Disk, 3, 0.0, 2);
    let power = |probe: &Array3<Complex32>| probe.iter().map(Complex32::norm_sqr).sum::<f32>();
    let mut wrong = right.clone();
    let one = right.probe.slice(ndarray::s![..1, .., ..]).to_owned();
    let whole = (power(&right.probe) / power(&one)).sqrt();
    wrong.probe = one.mapv(|value| value * whole);
    let config = DirectConfig { refine_probe: true, ..settings(80) };
    let single = solved(&wrong, &config);
    let several = solved(&wrong, &DirectConfig { probe_modes: Some(2), ..config });
    let (alone, together) = (*single.misfits.last().unwrap(), *several.misfits.last().unwrap());
    let (of_one, of_two) = (correlation(&single, &scene), correlation(&several, &scene));
    println!("one mode {alone:.5} {of_one:.5}, two modes {together:.5} {of_two:.5}");
    assert!(together < 0.3 * alone && of_two > of_one, "{together} {alone}, {of_two} {of_one}");
    let probe = several.refined.probe.unwrap();
    assert!(probe.dim().0 == 2 && (power(&probe) / power(&right.probe) - 1.0).abs() < 1e-3);
    let (first, second) = (probe.index_axis(Axis(0), 0), probe.index_axis(Axis(0), 1));
    let common: Complex32 = first.iter().zip(second).map(|(a, b)| a * b.conj()).sum();
    assert!(common.norm() < 1e-3 * power(&probe), "the modes are orthogonal");
}

#[test]
fn intensity_fluctuations_are_separated_from_the_object() {
    let (mut dataset, _) = scan(ObjectKind::Grf, ProbeKind::Gaussian, 4, 0.0, 1);
    let truth: Vec<f64> = (0..dataset.len()).map(|n| 1.0 + 0.3 * (n as f64 * 1.3).sin()).collect();
    for (mut pattern, intensity) in dataset.diffraction.axis_iter_mut(Axis(0)).zip(&truth) {
        pattern.mapv_inplace(|value| value * intensity.sqrt() as f32);
    }
    let steady = solved(&dataset, &settings(60));
    let unsteady = solved(&dataset, &DirectConfig { refine_intensity: true, ..settings(60) });
    let (kept, refined) = (*steady.misfits.last().unwrap(), *unsteady.misfits.last().unwrap());
    assert!(refined < 0.3 * kept, "{refined} with, {kept} without refinement");
    let mean = truth.iter().sum::<f64>() / truth.len() as f64;
    let found = unsteady.refined.intensities.unwrap();
    // At the edge of the scan a dark object and a weak beam are indistinguishable, so some patterns are less exact.
    let squares: f64 = found.iter().zip(&truth).map(|(found, truth)| (found - truth / mean).powi(2)).sum();
    let error = (squares / truth.len() as f64).sqrt();
    println!("intensity error {error:.4} rms; their spread is 0.21");
    assert!(error < 0.08, "{error}");
}

#[test]
fn masked_pixels_are_excluded() {
    let (right, scene) = scan(ObjectKind::DeadLeaves, ProbeKind::Disk, 5, 0.0, 1);
    let mut masked = right.clone();
    let good = ndarray::Array2::from_shape_fn((64, 64), |(y, x)| !(30..34).contains(&x) || y < 20);
    for mut pattern in masked.diffraction.axis_iter_mut(Axis(0)) {
        ndarray::Zip::from(&mut pattern).and(&good).for_each(|value, good| *value *= f32::from(u8::from(*good)));
    }
    let without = correlation(&solved(&masked, &settings(40)), &scene);
    masked.mask = Some(good);
    let with = solved(&masked, &settings(40));
    let found = correlation(&with, &scene);
    println!("mask ignored {without:.4}, respected {found:.4}");
    assert!(found > 0.98 && found > without + 0.01, "{found} {without}");
    // The values in masked pixels make no difference.
    let mut nonsense = masked.clone();
    nonsense.diffraction.slice_mut(ndarray::s![.., 40.., 30..34]).fill(0.3);
    let again = solved(&nonsense, &settings(40));
    assert!((correlation(&again, &scene) - found).abs() < 1e-3);
}

#[test]
fn positions_stay_within_their_bounds() {
    let (mut dataset, _) = scan(ObjectKind::DeadLeaves, ProbeKind::Disk, 6, 0.0, 1);
    dataset.positions[10][0] += 5.0;
    let config = DirectConfig { refine_positions: true, max_shift: 1.5, ..settings(30) };
    let found = solved(&dataset, &config).refined.positions.unwrap();
    for (found, given) in found.iter().zip(&dataset.positions) {
        assert!((found[0] - given[0]).hypot(found[1] - given[1]) <= 1.5 + 1e-9);
    }
    assert!(found[10][0] < dataset.positions[10][0] - 1.0, "it moved as far as allowed");
}
