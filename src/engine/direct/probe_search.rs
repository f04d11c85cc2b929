//! Search for the probe of a scan whose file has none.
//!
//! The mean pattern fixes the modulus of the pupil: every pattern is the probe's spectrum, blurred by the object. What
//! remains is the phase of the pupil, and for every focusing optic its largest part is a defocus, π a k² with k in
//! cycles per pixel. The curvature a is swept over both signs. For each value a short reconstruction with probe
//! refinement is made from some neighboring patterns, and judged by patterns that were left out of it: the misfit of the
//! fitted patterns alone prefers false minima. The best curvatures are then resolved more finely and continued.

use super::solver::{Start, solve};
use super::trial::{FEWEST, held_out_misfit, pattern_count, split};
use crate::config::DirectConfig;
use crate::data::Dataset;
use crate::error::Result;
use crate::fourier::{Fft2, swap_halves};
use ndarray::{Array2, Array3, Axis};
use num_complex::Complex32;
use serde::Serialize;
use std::f64::consts::PI;

/// Epochs of a trial: of the sweep, of its refinement, and of the continuation of the best.
const EPOCHS: [usize; 3] = [12, 20, 60];
/// Change of the phase at the edge of the pupil from one curvature of the sweep to the next, in units of π.
const PHASE_STEP: f64 = 0.75;
/// Largest geometric radius of a probe, in units of N/2.
const LARGEST_RADIUS: f64 = 1.25;
/// The best misfit of the sweep is below this share of the median, or the search is doubtful.
const STANDS_OUT: f64 = 0.7;
/// Further incoherent modes and total variation are kept only if they lower the held-out misfit to this share.
const CLEARLY_BETTER: f64 = 0.98;

/// One reconstruction that was tried.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct ProbeTrial {
    /// Curvature a of the pupil's phase π a k², pixels² (k in cycles per pixel).
    pub curvature: f64,
    /// Incoherent modes of the probe.
    pub modes: usize,
    /// Weight of the total variation of the object.
    pub total_variation: f64,
    /// Epochs of the reconstruction.
    pub epochs: usize,
    /// Misfit R of the patterns that were left out of the fit.
    pub held_out_misfit: f64,
    /// Misfit R of the fitted patterns.
    pub misfit: f64,
}

/// Result of [`search_probe`].
#[derive(Debug, Clone)]
pub struct ProbeSearch {
    /// (1, N, N) probe in units of the dataset.
    pub probe: Array3<Complex32>,
    /// The best trial: its modes and total variation suit the data.
    pub best: ProbeTrial,
    /// All trials, in the order in which they were made.
    pub trials: Vec<ProbeTrial>,
    /// Numbers of patterns fitted and left out.
    pub patterns: [usize; 2],
}

impl ProbeSearch {
    /// True if the best curvature explains patterns left out of the fit clearly better than most others do.
    pub fn stands_out(&self) -> bool {
        let sweep = self.trials.iter().filter(|trial| trial.epochs == EPOCHS[0]);
        let mut misfits: Vec<f64> = sweep.map(|trial| trial.held_out_misfit).collect();
        misfits.sort_by(f64::total_cmp);
        misfits.first().is_some_and(|best| *best < STANDS_OUT * misfits[misfits.len() / 2])
    }
}

/// Radius of the pupil, cycles per pixel: that of a uniform disk of the same mean square frequency.
fn pupil_radius(pupil: &Array2<f32>) -> f64 {
    let side = pupil.nrows();
    let (mut power, mut moment) = (0.0, 0.0);
    for ((y, x), value) in pupil.indexed_iter() {
        let weight = f64::from(*value).powi(2);
        power += weight;
        moment += weight * squared_frequency(y, x, side);
    }
    (2.0 * moment / f64::max(power, f64::MIN_POSITIVE)).sqrt()
}

/// k² of a pixel of a centered (N, N) spectrum, (cycles per pixel)².
fn squared_frequency(y: usize, x: usize, side: usize) -> f64 {
    let frequency = |at: usize| (at as f64 - (side / 2) as f64) / side as f64;
    frequency(y).powi(2) + frequency(x).powi(2)
}

/// (N, N) root of the mean intensity of all patterns above a known background, DC at `[N/2, N/2]`.
fn pupil_of(dataset: &Dataset) -> Array2<f32> {
    let mut sum = Array2::<f64>::zeros((dataset.patch_size(), dataset.patch_size()));
    for pattern in dataset.diffraction.axis_iter(Axis(0)) {
        sum.zip_mut_with(&pattern, |sum, &value| *sum += f64::from(value).powi(2));
    }
    sum.mapv_inplace(|value| value / dataset.len().max(1) as f64);
    if let Some(background) = &dataset.background {
        sum.zip_mut_with(background, |sum, &value| *sum = (*sum - f64::from(value)).max(0.0));
    }
    sum.mapv(|value| value.sqrt() as f32)
}

/// (1, N, N) probe whose spectrum is `pupil` with the phase π `curvature` k².
fn probe_of(pupil: &Array2<f32>, curvature: f64) -> Array3<Complex32> {
    let side = pupil.nrows();
    let spectrum = Array2::from_shape_fn((side, side), |(y, x)| {
        let phase = PI * curvature * squared_frequency(y, x, side);
        Complex32::from_polar(pupil[[y, x]], (phase % (2.0 * PI)) as f32)
    });
    let mut probe = swap_halves(&spectrum.into_raw_vec_and_offset().0, side);
    Fft2::<f32>::new(side, side).inverse_in_place(&mut probe);
    let probe = swap_halves(&probe, side);
    Array3::from_shape_fn((1, side, side), |(_, y, x)| probe[y * side + x] / side as f32)
}

/// What the trials share.
struct Search<'a> {
    fitted: Dataset,
    held_out: Dataset,
    trials: Vec<(ProbeTrial, Array3<Complex32>)>,
    planned: usize,
    on_progress: &'a mut dyn FnMut(f64, &[ProbeTrial]) -> bool,
    stopped: bool,
}

impl Search<'_> {
    /// Reconstructs from this probe and judges the result.
    fn try_probe(&mut self, trial: ProbeTrial, start: &Array3<Complex32>) -> Result<()> {
        if self.stopped {
            return Ok(());
        }
        self.fitted.probe.clone_from(start);
        let config = DirectConfig {
            epochs: trial.epochs,
            refine_probe: true,
            probe_modes: Some(trial.modes),
            total_variation: trial.total_variation,
            ..DirectConfig::default()
        };
        let (done, planned) = (self.trials.len() as f64, self.planned.max(self.trials.len() + 1) as f64);
        let shown: Vec<ProbeTrial> = self.trials.iter().map(|(trial, _)| *trial).collect();
        let on_progress = &mut self.on_progress;
        let mut within = |share: f64, _: Option<f64>| on_progress((done + share) / planned, &shown);
        let solved = solve(&self.fitted, &config, &Start::Flat, &mut within)?;
        self.stopped = solved.stopped;
        let held_out_misfit = held_out_misfit(&solved, &self.held_out)?;
        let probe = solved.refined.probe.unwrap_or_else(|| start.clone());
        let misfit = solved.misfits.last().copied().unwrap_or(f64::INFINITY);
        self.trials.push((ProbeTrial { held_out_misfit, misfit, ..trial }, probe));
        Ok(())
    }

    fn try_curvature(&mut self, pupil: &Array2<f32>, curvature: f64, epochs: usize) -> Result<()> {
        let is_known =
            |(trial, _): &(ProbeTrial, _)| trial.epochs == epochs && (trial.curvature - curvature).abs() < 1e-9;
        if self.trials.iter().any(is_known) {
            return Ok(());
        }
        self.try_probe(untried(curvature, epochs), &probe_of(pupil, curvature))
    }

    /// Numbers of the trials with this many epochs, best first.
    fn best(&self, epochs: usize) -> Vec<usize> {
        let misfit = |at: &usize| self.trials[*at].0.held_out_misfit;
        let mut order: Vec<usize> = (0..self.trials.len()).filter(|&at| self.trials[at].0.epochs == epochs).collect();
        order.sort_by(|a, b| misfit(a).total_cmp(&misfit(b)).then(a.cmp(b)));
        order
    }

    /// Curvatures of the best trials with this many epochs.
    fn best_curvatures(&self, epochs: usize, count: usize) -> Vec<f64> {
        self.best(epochs).into_iter().take(count).map(|at| self.trials[at].0.curvature).collect()
    }

    /// Sweeps the curvature, refines the best values and continues the two best.
    fn sweep(&mut self, pupil: &Array2<f32>, step: f64, steps: i64) -> Result<()> {
        let [coarse, fine, long] = EPOCHS;
        for number in -steps..=steps {
            self.try_curvature(pupil, number as f64 * step, coarse)?;
        }
        for center in self.best_curvatures(coarse, 3) {
            for offset in [-0.5, 0.0, 0.5] {
                self.try_curvature(pupil, center + offset * step, fine)?;
            }
        }
        for center in self.best_curvatures(fine, 1) {
            for offset in [-0.25, 0.25] {
                self.try_curvature(pupil, center + offset * step, fine)?;
            }
        }
        for at in self.best(fine).into_iter().take(2) {
            let (trial, probe) = self.trials[at].clone();
            self.try_probe(ProbeTrial { epochs: long, ..trial }, &probe)?;
        }
        Ok(())
    }

    /// Tries total variation and further modes on the best trial; gives back the number of the best.
    fn extend(&mut self) -> Result<Option<usize>> {
        let long = EPOCHS[2];
        let Some(&(mut best)) = self.best(long).first() else { return Ok(None) };
        let start = self.trials[best].1.clone();
        let candidates = [(1, 0.003), (1, 0.01), (2, 0.0), (3, 0.0)];
        let first = self.trials[best].0;
        for (modes, total_variation) in candidates {
            self.try_probe(ProbeTrial { modes, total_variation, ..first }, &start)?;
        }
        if self.stopped {
            return Ok(None);
        }
        let misfit = |search: &Self, at: usize| search.trials[at].0.held_out_misfit;
        let from = self.trials.len() - candidates.len();
        // The best weight and the best number of modes, together.
        let pick = |search: &Self, range: std::ops::Range<usize>| {
            range
                .filter(|&at| misfit(search, at) < CLEARLY_BETTER * misfit(search, best))
                .min_by(|&a, &b| misfit(search, a).total_cmp(&misfit(search, b)).then(a.cmp(&b)))
        };
        let (smooth, modes) = (pick(self, from..from + 2), pick(self, from + 2..from + 4));
        if let (Some(smooth), Some(modes)) = (smooth, modes) {
            let trial = ProbeTrial {
                modes: self.trials[modes].0.modes,
                total_variation: self.trials[smooth].0.total_variation,
                ..first
            };
            self.try_probe(trial, &start)?;
        }
        for at in from..self.trials.len() {
            if misfit(self, at) < CLEARLY_BETTER * misfit(self, best) {
                best = at;
            }
        }
        Ok(Some(best))
    }
}

fn untried(curvature: f64, epochs: usize) -> ProbeTrial {
    let unknown = f64::INFINITY;
    ProbeTrial { curvature, modes: 1, total_variation: 0.0, epochs, held_out_misfit: unknown, misfit: unknown }
}

/// Searches the probe of a dataset, whose own probe is ignored; `None` if there are too few patterns or `on_progress` ends
/// the search. `on_progress` receives the fraction done and the trials so far.
///
/// # Errors
/// Values that are not finite.
pub fn search_probe(
    dataset: &Dataset,
    on_progress: &mut dyn FnMut(f64, &[ProbeTrial]) -> bool,
) -> Result<Option<ProbeSearch>> {
    let Some(count) = pattern_count(dataset, FEWEST) else { return Ok(None) };
    let [fitted, held_out] = split(dataset, count);
    let pupil = pupil_of(dataset);
    let radius = pupil_radius(&pupil).max(0.5 / dataset.patch_size() as f64);
    let step = PHASE_STEP / radius.powi(2);
    let steps = (LARGEST_RADIUS * dataset.patch_size() as f64 / 2.0 / radius / step).ceil().max(2.0) as i64;
    let mut search = Search {
        fitted: dataset.subset(&fitted),
        held_out: dataset.subset(&held_out),
        trials: Vec::new(),
        planned: (2 * steps + 1) as usize + 18,
        on_progress,
        stopped: false,
    };
    search.sweep(&pupil, step, steps)?;
    // The probe of the plain trial: modes that were found on few patterns are a worse start for all of them than new ones.
    let plain = search.best(EPOCHS[2]).first().copied();
    let best = search.extend()?;
    let (Some(plain), Some(best), false) = (plain, best, search.stopped) else { return Ok(None) };
    let (best, probe) = (search.trials[best].0, search.trials[plain].1.clone());
    let patterns = [search.fitted.len(), search.held_out.len()];
    Ok(Some(ProbeSearch { probe, best, trials: search.trials.into_iter().map(|(trial, _)| trial).collect(), patterns }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::DataConfig;

    #[test]
    fn the_curvature_of_a_measured_probe_is_found_with_its_sign() {
        let path = ptychoscope_base::testing::fixture("siemens_star_n64.npz");
        let dataset = Dataset::load(&path, &DataConfig::default(), 0).unwrap();
        let mut shares = Vec::new();
        let mut on_progress = |share: f64, _: &[ProbeTrial]| {
            shares.push(share);
            true
        };
        let found = search_probe(&dataset, &mut on_progress).unwrap().unwrap();
        println!("{:?}", found.best);
        // A fit to the stored probe gives -150 pixels².
        assert!((found.best.curvature + 150.0).abs() < 12.0 && found.stands_out(), "{:?}", found.trials);
        let product: Complex32 = found.probe.iter().zip(&dataset.probe).map(|(a, b)| a * b.conj()).sum();
        let power = |probe: &Array3<Complex32>| probe.iter().map(Complex32::norm_sqr).sum::<f32>().sqrt();
        let likeness = product.norm() / (power(&found.probe) * power(&dataset.probe));
        println!("likeness {likeness:.3}");
        assert!((power(&found.probe) / power(&dataset.probe) - 1.0).abs() < 0.05);
        assert!(
            shares.windows(2).all(|pair| pair[1] >= pair[0] - 1e-9) && shares.last().is_some_and(|last| *last > 0.7)
        );
    }

    #[test]
    fn it_can_be_stopped_and_needs_some_patterns() {
        let path = ptychoscope_base::testing::fixture("siemens_star_n64.npz");
        let dataset = Dataset::load(&path, &DataConfig { n_subsample: Some(40), ..DataConfig::default() }, 0).unwrap();
        assert!(search_probe(&dataset, &mut |share, _| share < 0.05).unwrap().is_none());
        assert!(search_probe(&dataset.subset(&[0, 1, 2, 3]), &mut |_, _| true).unwrap().is_none());
    }

    #[test]
    fn a_pupil_without_curvature_gives_a_real_probe_of_the_same_power() {
        let pupil =
            Array2::from_shape_fn((32, 32), |(y, x)| if squared_frequency(y, x, 32) < 0.04 { 3.0 } else { 0.0 });
        let probe = probe_of(&pupil, 0.0);
        let power: f32 = pupil.iter().map(|v: &f32| v * v).sum();
        assert!((probe.iter().map(Complex32::norm_sqr).sum::<f32>() / power - 1.0).abs() < 1e-4);
        assert!(probe.iter().all(|v| v.im.abs() < 1e-3) && probe[[0, 16, 16]].re > probe[[0, 16, 20]].re);
        assert!((pupil_radius(&pupil) - 0.2).abs() < 0.01);
        let wide = probe_of(&pupil, 40.0);
        assert!(wide[[0, 16, 16]].norm() < 0.5 * probe[[0, 16, 16]].norm());
    }
}
