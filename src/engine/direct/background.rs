//! A background that all patterns have in common, fitted together with the object.
//!
//! The counts of a pixel of the detector exceed the calculated intensity i, which contains the background, by k − i. The step is
//! the mean of that over the patterns, each weighted by the inverse of its variance 1 / (i + c), where c keeps single dark pixels
//! from deciding alone. Excess and weight are smoothed over the detector first, because stray light is smooth, and what belongs to
//! single pixels is rather an error of the object.

use super::solver::{Solver, Start, solve};
use super::trial::{held_out_misfit, split};
use super::wave::Excess;
use crate::config::DirectConfig;
use crate::data::Dataset;
use crate::error::Result;
use ndarray::{Array2, Axis};

/// Standard deviation of the smoothing, as a fraction of the side of the detector.
const SMOOTHING: f64 = 1.0 / 32.0;
/// Fraction of a step that is made, since the object changes with it.
const DAMPING: f32 = 0.7;
/// Patterns of the trial, their pixels, and the fewest; one of `HELD_OUT` inner patterns is left out of the fit.
const PATTERNS: usize = 120;
const PIXELS: usize = 1_200_000;
const FEWEST: usize = 16;
const HELD_OUT: usize = 4;
/// Epochs of the trial.
const EPOCHS: usize = 40;
/// A background is kept if it lowers the misfit of the patterns left out to this share.
const CLEARLY_BETTER: f64 = 0.98;

/// Result of the trial whether the patterns have a background.
#[derive(Debug, Clone, PartialEq)]
pub struct BackgroundTrial {
    /// Misfit R of patterns that were left out of the fit, without and with a fitted background.
    pub held_out_misfits: [f64; 2],
    /// (N, N) fitted background, in the dataset's units: a start for the fit to all patterns.
    pub background: Option<Array2<f32>>,
}

impl BackgroundTrial {
    /// True if the background predicts the patterns left out clearly better.
    pub fn is_justified(&self) -> bool {
        let [without, with] = self.held_out_misfits;
        with < CLEARLY_BETTER * without
    }
}

/// Finds out whether a fitted background predicts patterns that were left out of the fit. `None` if there are too few patterns, or
/// `go_on`, which receives the fraction done, returns false.
///
/// # Errors
/// As [`solve`].
pub fn try_background(
    dataset: &Dataset,
    config: &DirectConfig,
    go_on: &mut dyn FnMut(f64) -> bool,
) -> Result<Option<BackgroundTrial>> {
    if dataset.len() < FEWEST {
        return Ok(None);
    }
    let count = PATTERNS.min(PIXELS / dataset.patch_size().pow(2).max(1)).max(FEWEST);
    let [fitted, held_out] = split(dataset, count, HELD_OUT).map(|rows| dataset.subset(&rows));
    let (mut held_out_misfits, mut background) = ([0.0; 2], None);
    for (at, refine_background) in [false, true].into_iter().enumerate() {
        // Parameters of single patterns say nothing about others.
        let settings = DirectConfig {
            epochs: EPOCHS,
            refine_background,
            refine_positions: false,
            refine_intensity: false,
            ..config.clone()
        };
        let mut within = |share: f64, _: Option<f64>| go_on((at as f64 + share) / 2.0);
        let solved = solve(&fitted, &settings, &Start::Flat, &mut within)?;
        if solved.stopped {
            return Ok(None);
        }
        held_out_misfits[at] = held_out_misfit(&solved, &held_out)?;
        background = solved.refined.background;
    }
    Ok(Some(BackgroundTrial { held_out_misfits, background }))
}

impl Solver<'_> {
    /// Moves the background towards what the patterns contain besides the calculated intensity.
    pub(super) fn update_background(&mut self, sums: &Excess) {
        let deviation = SMOOTHING * self.side as f64;
        let (excess, weight) = (smoothed(&sums.excess, deviation), smoothed(&sums.weight, deviation));
        let mut background = self.background.take().unwrap_or_else(|| Array2::zeros(excess.dim()));
        ndarray::Zip::from(&mut background).and(&excess).and(&weight).for_each(|value, excess, weight| {
            if *weight > 0.0 {
                *value = (*value + DAMPING * excess / weight).max(0.0);
            }
        });
        self.model.set_background(background.view());
        self.background = Some(background);
    }
}

/// An image smoothed by a Gaussian of this standard deviation, pixels; outside it continues as at its edge.
fn smoothed(image: &Array2<f32>, deviation: f64) -> Array2<f32> {
    let reach = (3.0 * deviation).ceil() as i64;
    let taps: Vec<f32> = (-reach..=reach).map(|at| (-0.5 * (at as f64 / deviation).powi(2)).exp() as f32).collect();
    let sum: f32 = taps.iter().sum();
    let along = |image: &Array2<f32>, axis: Axis| {
        let mut smooth = Array2::zeros(image.dim());
        for (from, mut to) in image.lanes(axis).into_iter().zip(smooth.lanes_mut(axis)) {
            let last = from.len() as i64 - 1;
            for (at, value) in to.iter_mut().enumerate() {
                let tap = |(offset, tap): (i64, &f32)| tap * from[(at as i64 + offset - reach).clamp(0, last) as usize];
                *value = (0..).zip(&taps).map(tap).sum::<f32>() / sum;
            }
        }
        smooth
    };
    along(&along(image, Axis(0)), Axis(1))
}

#[cfg(test)]
mod tests {
    use super::super::solver::solve_on;
    use super::*;
    use crate::config::{DataConfig, DirectLoss};
    use crate::metrics::{calculated_pattern, phase_correlation};
    use burn::tensor::Device;

    /// Patterns of the object and probe of a scan, which contain nothing else; measured ones always have some stray light.
    fn siemens() -> Dataset {
        let path = ptychoscope_base::testing::fixture("siemens_star_n64.npz");
        let measured = Dataset::load(&path, &DataConfig::default(), 0).unwrap();
        let mut made = measured.subset(&(0..516).step_by(2).collect::<Vec<_>>());
        let (object, probe) = (made.object.clone().unwrap(), made.probe.clone());
        for (mut pattern, position) in made.diffraction.axis_iter_mut(Axis(0)).zip(&made.positions) {
            let calculated = calculated_pattern(object.view(), [0.0; 2], probe.view(), *position, made.propagation);
            pattern.assign(&calculated.unwrap());
        }
        made
    }

    /// (N, N) stray light: this share of the counts of the dataset, brighter on one side.
    fn stray_light(dataset: &Dataset, share: f64) -> Array2<f32> {
        let light = Array2::from_shape_fn((64, 64), |(y, x)| 1.0 + 0.8 * (0.05 * x as f32).sin() + y as f32 / 64.0);
        let counts = crate::data::mean_counts(dataset.diffraction.view()).unwrap();
        let factor = share / (1.0 - share) * counts / f64::from(light.sum());
        light.mapv(|value| value * factor as f32)
    }

    fn with(dataset: &Dataset, background: &Array2<f32>) -> Dataset {
        let mut lit = dataset.clone();
        for mut pattern in lit.diffraction.axis_iter_mut(Axis(0)) {
            pattern.zip_mut_with(background, |value, more| *value = (*value * *value + more).sqrt());
        }
        lit
    }

    fn phase(dataset: &Dataset, config: &DirectConfig) -> (f64, Option<Array2<f32>>) {
        let solved = solve(dataset, config, &Start::Flat, &mut |_, _| true).unwrap();
        let (object, origin) = (&solved.reconstruction.object, solved.reconstruction.origin_xy);
        let truth = dataset.object.as_ref().unwrap();
        let found = phase_correlation(object.view(), origin, truth.view(), &dataset.positions).unwrap();
        (found.phase, solved.refined.background)
    }

    #[test]
    fn a_known_or_fitted_background_does_no_harm() {
        let clean = siemens();
        let light = stray_light(&clean, 0.2);
        let lit = with(&clean, &light);
        let known = Dataset { background: Some(light.clone()), ..lit.clone() };
        let fitted = DirectConfig { refine_background: true, ..DirectConfig::default() };
        let plain = DirectConfig::default();
        let undisturbed = phase(&clean, &plain).0;
        let (ignored, with_known, (refined, found)) =
            (phase(&lit, &plain).0, phase(&known, &plain).0, phase(&lit, &fitted));
        println!("undisturbed {undisturbed:.4}, ignored {ignored:.4}, known {with_known:.4}, fitted {refined:.4}");
        assert!(undisturbed - with_known < 0.01 && undisturbed - refined < 0.02 && ignored < refined);
        let found = found.unwrap();
        let error = (&found - &light).mapv(|v| v * v).sum().sqrt() / light.mapv(|v| v * v).sum().sqrt();
        println!("error of the background {error:.3}");
        assert!(error < 0.3 && found.iter().all(|value| *value >= 0.0), "{error}");
        let poisson = DirectConfig { loss: DirectLoss::Poisson, ..fitted };
        assert!(undisturbed - phase(&lit, &poisson).0 < 0.03);
    }

    #[test]
    fn patterns_left_out_decide_whether_there_is_a_background() {
        let clean = siemens();
        let config = DirectConfig::default();
        let tried = |dataset: &Dataset| try_background(dataset, &config, &mut |_| true).unwrap().unwrap();
        let lit = tried(&with(&clean, &stray_light(&clean, 0.2)));
        let dark = tried(&clean);
        println!("{lit:?} {dark:?}");
        assert!(lit.is_justified() && lit.held_out_misfits[1] < 0.7 * lit.held_out_misfits[0]);
        assert!(!dark.is_justified());
        assert_eq!(try_background(&clean, &config, &mut |share| share < 0.2).unwrap(), None);
        assert_eq!(try_background(&clean.subset(&[1, 2, 3]), &config, &mut |_| true).unwrap(), None);
    }

    #[test]
    fn device_and_cpu_fit_the_same_background() {
        let part = siemens().subset(&(0..60).collect::<Vec<_>>());
        let mut lit = with(&part, &stray_light(&part, 0.2));
        lit.background = Some(Array2::from_elem((64, 64), 1.0));
        let mut masks = crate::metrics::PatternMasks::new(60, 64);
        (0..60).for_each(|pattern| masks.exclude(pattern, (30 + pattern % 5, pattern)));
        lit.pattern_masks = Some(masks);
        for loss in [DirectLoss::Amplitude, DirectLoss::Poisson] {
            let config = DirectConfig {
                epochs: 12,
                refine_background: true,
                refine_positions: true,
                refine_intensity: true,
                loss,
                ..DirectConfig::default()
            };
            let cpu = solve(&lit, &config, &Start::Flat, &mut |_, _| true).unwrap();
            let device = solve_on(&Device::flex(), &lit, &config, &Start::Flat, &mut |_, _| true).unwrap();
            let found = [&cpu, &device].map(|solved| solved.refined.background.clone().unwrap());
            let apart = (&found[0] - &found[1]).mapv(f32::abs).sum() / found[0].sum();
            assert!(apart < 2e-3, "{apart}");
            assert!(cpu.misfits.iter().zip(&device.misfits).all(|(a, b)| (a - b).abs() < 2e-3 * a));
        }
    }

    #[test]
    fn smoothing_keeps_constants_and_spreads_points() {
        let flat = smoothed(&Array2::from_elem((16, 16), 3.0), 1.0);
        assert!(flat.iter().all(|value| (value - 3.0).abs() < 1e-5));
        let mut point = Array2::zeros((16, 16));
        point[[8, 8]] = 1.0;
        let spread = smoothed(&point, 1.0);
        assert!(
            (spread.sum() - 1.0).abs() < 1e-5
                && (spread[[8, 8]] - 0.159).abs() < 0.002
                && spread[[8, 9]] == spread[[7, 8]]
        );
    }
}
