//! What is refined beside the object: probe, positions, intensity of each pattern.

use super::solver::Solver;
use super::wave::{Answer, Lean};
use ndarray::{Array2, Array3, Axis};
use num_complex::Complex32;
use rayon::prelude::*;

/// Share of its step that a position or an intensity goes, since the object goes with them.
const DAMPING: f64 = 0.7;
/// Longest step of a position in one epoch, in pixels.
const LONGEST_STEP: f64 = 0.5;
/// Share of the mean curvature that is added, so that patterns without features stay where they are.
const STIFFNESS: f64 = 0.05;
/// Least and most factor of the probe for a pattern.
const FACTORS: [f32; 2] = [0.5, 2.0];

impl Solver<'_> {
    /// Adds up the probe's gradient, each moved back from its sub-pixel place.
    pub(super) fn gather_probe(&self, piece: &[usize], answers: &[Answer], sum: &mut Array3<Complex32>) {
        let shape = self.probe.dim();
        let moved: Vec<Array3<Complex32>> = piece
            .par_iter()
            .zip(answers)
            .map(|(&index, answer)| {
                let (.., rest) = self.place(index);
                let gradient =
                    Array3::from_shape_vec(shape, answer.probe.clone()).unwrap_or_else(|_| Array3::zeros(shape));
                let mut back = self.optics.shifted(gradient.view(), [-rest[0], -rest[1]]);
                back.mapv_inplace(|value| value * self.factors[index]);
                back
            })
            .collect();
        moved.iter().for_each(|gradient| *sum += gradient);
    }

    /// The step of the probe along its majorant.
    pub(super) fn next_probe(
        &self,
        gradient: &Array3<Complex32>,
        object: &Array2<Complex32>,
        far: f32,
    ) -> Array3<Complex32> {
        let mut seen = Array2::<f32>::zeros((self.side, self.side));
        for (index, factor) in self.factors.iter().enumerate() {
            let (top, left, _) = self.place(index);
            let window = object.slice(ndarray::s![top..top + self.side, left..left + self.side]);
            seen.zip_mut_with(&window, |sum, value| *sum += value.norm_sqr() * factor * factor);
        }
        let largest = seen.iter().copied().fold(0.0f32, f32::max);
        let floor = self.config.regularization as f32 * largest;
        let mut probe = self.light.clone();
        for (mut mode, gradient) in probe.axis_iter_mut(Axis(0)).zip(gradient.axis_iter(Axis(0))) {
            ndarray::Zip::from(&mut mode)
                .and(&gradient)
                .and(&seen)
                .for_each(|probe, gradient, seen| *probe -= gradient * far / (seen + floor));
        }
        probe
    }

    /// Gives the probe the power it had, and the object what it takes for that.
    pub(super) fn keep_power(&mut self) {
        let power = (self.side as f32 / 2.0).powi(2);
        let now: f32 = self.probe.iter().map(Complex32::norm_sqr).sum();
        let back = (power / now.max(f32::MIN_POSITIVE)).sqrt();
        for probe in [&mut self.probe, &mut self.previous_probe] {
            probe.mapv_inplace(|value| value * back);
        }
        for object in [&mut self.object, &mut self.previous] {
            object.mapv_inplace(|value| value / back);
        }
    }

    /// How the patterns answer to a shift of the probe.
    pub(super) fn leans(&self, object: &Array2<Complex32>) -> Vec<Lean> {
        (0..self.positions.len())
            .into_par_iter()
            .map(|index| {
                let (.., rest) = self.place(index);
                let patch = self.patch(object, index);
                self.optics.lean(&patch, &self.spectra, rest, self.factors[index], &self.amplitudes[index])
            })
            .collect()
    }

    /// Positions nearer to where the patterns say they were taken: a damped step of Gauss and Newton for each, not longer
    /// than half a pixel, not farther from the given position than allowed, and without a common shift, which no pattern
    /// notices.
    pub(super) fn better_places(&self, leans: &[Lean]) -> Vec<[f64; 2]> {
        let curvature = leans.iter().map(|lean| lean.yy + lean.xx).sum::<f64>() / (2 * leans.len()).max(1) as f64;
        let stiff = STIFFNESS * curvature + f64::MIN_POSITIVE;
        let step = |lean: &Lean| {
            let (yy, xx) = (lean.yy + stiff, lean.xx + stiff);
            let determinant = yy * xx - lean.xy * lean.xy;
            let step = [(yy * lean.x - lean.xy * lean.y) / determinant, (xx * lean.y - lean.xy * lean.x) / determinant];
            if step.iter().all(|value| value.is_finite()) { shortened(step, LONGEST_STEP) } else { [0.0; 2] }
        };
        let mut shifts: Vec<[f64; 2]> = leans
            .iter()
            .zip(self.positions.iter().zip(self.given))
            .map(|(lean, (now, given))| {
                let step = step(lean);
                [0, 1].map(|axis| now[axis] + DAMPING * step[axis] - given[axis])
            })
            .collect();
        let mean = [0, 1].map(|axis| shifts.iter().map(|shift| shift[axis]).sum::<f64>() / shifts.len().max(1) as f64);
        for shift in &mut shifts {
            *shift = shortened([shift[0] - mean[0], shift[1] - mean[1]], self.config.max_shift);
        }
        shifts.iter().zip(self.given).map(|(shift, given)| [given[0] + shift[0], given[1] + shift[1]]).collect()
    }

    /// Lets each pattern's factor follow what would explain it best; the mean intensity stays 1.
    pub(super) fn follow(&mut self, better: &[f32]) {
        for (factor, better) in self.factors.iter_mut().zip(better) {
            let to = *factor * better.max(f32::MIN_POSITIVE).powf(DAMPING as f32);
            *factor = if to.is_finite() { to.clamp(FACTORS[0], FACTORS[1]) } else { *factor };
        }
        let mean = self.factors.iter().map(|factor| factor * factor).sum::<f32>() / self.factors.len().max(1) as f32;
        let back = mean.max(f32::MIN_POSITIVE).sqrt().recip();
        self.factors.iter_mut().for_each(|factor| *factor *= back);
    }
}

/// A step, cut to this length.
fn shortened(step: [f64; 2], longest: f64) -> [f64; 2] {
    let length = step[0].hypot(step[1]);
    if length <= longest { step } else { step.map(|value| value * longest / length) }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::super::solver::{Direct, Start, solve};
    use crate::config::{Config, DataConfig, DirectConfig, ObjectKind, ProbeKind, ScanKind, Seeds};
    use crate::data::Dataset;
    use crate::metrics::{Placement, Region, align};
    use crate::simulate::{Scene, Sources, simulate};
    use ndarray::{Array3, Axis};
    use num_complex::Complex32;

    /// A simulated scan of 100 patterns with known truth; `wrong` is the error of the positions in pixels.
    fn scan(object: ObjectKind, probe: ProbeKind, seed: u64, wrong: f64, modes: usize) -> (Dataset, Scene) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("scan.npz");
        let mut config = Config::default();
        config.execution.seeds = Seeds::all(seed);
        let simulation = &mut config.simulation;
        (simulation.object, simulation.probe, simulation.scan) = (object, probe, ScanKind::JitteredRaster);
        (simulation.n_images, simulation.overlap) = (Some(100), Some(0.75));
        (simulation.position_error, simulation.probe_modes) = (wrong, modes);
        let (scene, _) = simulate(&config, &Sources::default(), &path, &mut |_, _| true).unwrap();
        (Dataset::load(&path, &DataConfig::default(), 0).unwrap(), scene)
    }

    fn settings(epochs: usize) -> DirectConfig {
        DirectConfig { epochs, ..DirectConfig::default() }
    }

    fn solved(dataset: &Dataset, config: &DirectConfig) -> Direct {
        solve(dataset, config, &Start::Flat, &mut |_, _| true).unwrap()
    }

    /// Correlation of the phases with the truth inside the scan; the two are laid over each other first, since probe and
    /// object may move together without a pattern noticing.
    fn correlation(solved: &Direct, scene: &Scene) -> f64 {
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

    /// A probe that is wrong by 20 % of its norm, smoothly, in a way that neither its scale nor its phase explains.
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

    /// How much of the correlation that the error costs comes back: with the truth, with the error, with the refinement.
    fn recovery(right: &Dataset, wrong: &Dataset, scene: &Scene, refined: &DirectConfig) -> ([f64; 3], f64, Direct) {
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
        // The standard deviation along each axis: 1 px root mean square in length.
        let (wrong, scene) = scan(object, probe, seed, std::f64::consts::FRAC_1_SQRT_2, 1);
        let mut right = wrong.clone();
        right.positions.clone_from(&scene.true_positions);
        let config = DirectConfig { refine_positions: true, ..settings(epochs) };
        let (numbers, share, direct) = recovery(&right, &wrong, &scene, &config);
        let rms = |positions: &[[f64; 2]]| {
            let errors: Vec<[f64; 2]> = positions
                .iter()
                .zip(&scene.true_positions)
                .map(|(found, truth)| [found[0] - truth[0], found[1] - truth[1]])
                .collect();
            let mean = [0, 1].map(|axis| errors.iter().map(|e| e[axis]).sum::<f64>() / errors.len() as f64);
            let square = |e: &[f64; 2]| (e[0] - mean[0]).powi(2) + (e[1] - mean[1]).powi(2);
            (errors.iter().map(square).sum::<f64>() / errors.len() as f64).sqrt()
        };
        let (before, after) = (rms(&wrong.positions), rms(direct.refined.positions.as_ref().unwrap()));
        println!(
            "positions {:?} {:?} seed {seed}: {numbers:.5?}, {share:.3} recovered, {before:.3} px → {after:.3} px",
            object, probe
        );
        (numbers, share, after)
    }

    #[test]
    fn a_wrong_probe_gives_back_most_of_what_it_cost() {
        for (kind, seed) in [(0, 1), (1, 1), (3, 2)] {
            let ([best, worst, found], share) = with_wrong_probe(kind, seed, 100);
            assert!(best > worst && share >= 0.9, "{share} of {best} - {worst}: {found}");
        }
    }

    #[test]
    fn wrong_positions_give_back_most_of_what_they_cost() {
        for (kind, seed) in [(1, 1), (3, 1)] {
            let ([best, worst, found], share, error) = with_wrong_positions(kind, seed, 100);
            assert!(best > worst && share >= 0.9, "{share} of {best} - {worst}: {found}");
            assert!(error < 0.2, "{error} px");
        }
    }

    #[test]
    #[ignore = "the table of numbers: cargo test --release -- --ignored --nocapture recovered_by"]
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
    fn a_probe_of_several_modes_is_found_from_one() {
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
    fn an_unsteady_beam_is_told_from_the_object() {
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
        // At the edge of the scan a dark object and a dim beam look alike, so not every pattern is told exactly.
        let squares: f64 = found.iter().zip(&truth).map(|(found, truth)| (found - truth / mean).powi(2)).sum();
        let error = (squares / truth.len() as f64).sqrt();
        println!("intensities are off by {error:.4} rms; they spread by 0.21");
        assert!(error < 0.08, "{error}");
    }

    #[test]
    fn masked_pixels_have_no_say() {
        let (right, scene) = scan(ObjectKind::DeadLeaves, ProbeKind::Disk, 5, 0.0, 1);
        let mut masked = right.clone();
        let good = ndarray::Array2::from_shape_fn((64, 64), |(y, x)| !(30..34).contains(&x) || y < 20);
        for mut pattern in masked.diffraction.axis_iter_mut(Axis(0)) {
            ndarray::Zip::from(&mut pattern).and(&good).for_each(|value, good| *value *= f32::from(u8::from(*good)));
        }
        let ignorant = correlation(&solved(&masked, &settings(40)), &scene);
        masked.mask = Some(good);
        let knowing = solved(&masked, &settings(40));
        let found = correlation(&knowing, &scene);
        println!("mask ignored {ignorant:.4}, respected {found:.4}");
        assert!(found > 0.98 && found > ignorant + 0.01, "{found} {ignorant}");
        // What stands in the masked pixels makes no difference.
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
        assert!(found[10][0] < dataset.positions[10][0] - 1.0, "it went as far as it might");
    }
}
