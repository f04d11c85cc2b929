//! The object that explains all patterns best.

use super::on_device::OnDevice;
use super::variation::variation;
use super::wave::{Answer, Optics};
use crate::config::DirectConfig;
use crate::data::{self, Canvas, Dataset, Reconstruction, Refined};
use crate::error::{Error, Problem, Result};
use crate::physics::probe_intensity;
use burn::tensor::Device;
use ndarray::{Array, Array2, Array3, Axis, Dimension};
use num_complex::Complex32;
use rayon::prelude::*;

/// Shifted probes are kept when they take less memory than this, in bytes; else they are made anew at each use.
const KEPT_PROBES: usize = 1 << 30;

/// Patterns worked on at once, so that memory does not grow with the number of patterns.
const PIECE: usize = 256;

/// Where the solver starts.
pub enum Start<'a> {
    /// At an object that lets everything through.
    Flat,
    /// At this object, in the dataset's units: the network's, to be polished.
    From(&'a Reconstruction),
}

/// What the solver found.
#[derive(Debug, Clone)]
pub struct Direct {
    /// The object, in the dataset's units.
    pub reconstruction: Reconstruction,
    /// What was refined beside it.
    pub refined: Refined,
    /// Misfit relative to the counts after each epoch, ΣI-normalised.
    pub misfits: Vec<f64>,
    /// Whether it was ended before its time.
    pub stopped: bool,
}

/// What the patterns say at an object.
pub(super) struct Said {
    /// In units of the normalised counts.
    pub misfit: f64,
    /// With respect to the conjugate object.
    pub gradient: Array2<Complex32>,
    /// With respect to the conjugate probe; zero if not asked for.
    pub probe_gradient: Array3<Complex32>,
    /// Factor of the probe that would explain each pattern best, beyond the one it has.
    pub factors: Vec<f32>,
}

/// Finds the object on the CPU.
///
/// `watch` is called a few times an epoch with the share done and the misfit of the last whole epoch, if there is one; false
/// ends the work, with its result so far.
///
/// # Errors
/// No pattern, or values that are not finite.
pub fn solve(
    dataset: &Dataset,
    config: &DirectConfig,
    start: &Start<'_>,
    watch: &mut dyn FnMut(f64, Option<f64>) -> bool,
) -> Result<Direct> {
    run(Solver::new(dataset, config, start, None)?, watch)
}

/// As [`solve`], with everything that is done for each pattern on a device of Burn's, and the steps between on the CPU.
///
/// # Errors
/// As [`solve`]; also if the device fails, or does not agree with the CPU.
pub fn solve_on(
    device: &Device,
    dataset: &Dataset,
    config: &DirectConfig,
    start: &Start<'_>,
    watch: &mut dyn FnMut(f64, Option<f64>) -> bool,
) -> Result<Direct> {
    let solver = Solver::new(dataset, config, start, Some(device))?;
    if let Some(on_device) = &solver.device {
        on_device.agrees_with_cpu(&solver)?;
    }
    run(solver, watch)
}

/// As [`solve_on`], but on the CPU if that is faster, as some patterns show on both. Beside the result: how many times as fast
/// as the CPU the device is.
///
/// # Errors
/// As [`solve_on`].
pub fn solve_where_faster(
    device: &Device,
    dataset: &Dataset,
    config: &DirectConfig,
    start: &Start<'_>,
    watch: &mut dyn FnMut(f64, Option<f64>) -> bool,
) -> Result<(Direct, f64)> {
    let mut solver = Solver::new(dataset, config, start, Some(device))?;
    let speed = solver.device.as_ref().map_or(Ok(1.0), |on_device| on_device.agrees_with_cpu(&solver))?;
    if speed < 1.0 {
        solver.device = None;
        solver.shine()?;
    }
    Ok((run(solver, watch)?, speed))
}

fn run(mut solver: Solver<'_>, watch: &mut dyn FnMut(f64, Option<f64>) -> bool) -> Result<Direct> {
    let config = solver.config;
    let mut misfits: Vec<f64> = Vec::new();
    let mut stopped = false;
    for epoch in 0..config.epochs {
        let mut go_on = |within: f64| watch((epoch as f64 + within) / config.epochs as f64, misfits.last().copied());
        let Some(misfit) = solver.step(&mut go_on)? else {
            stopped = true;
            break;
        };
        misfits.push(misfit / solver.counts);
        if !misfit.is_finite() {
            return Err(Error::Failed(
                Problem::new("The direct reconstruction ran into values that are not numbers")
                    .hint("Check the dataset with `ptychoscope inspect`"),
            ));
        }
    }
    watch(1.0, misfits.last().copied());
    solver.finish(misfits, stopped)
}

/// Epochs that belong to the object alone, before the probe, and before positions and intensities are refined; an object
/// to start from needs none.
const PROBE_FROM: usize = 3;
const PLACES_FROM: usize = 5;

/// Epochs between two turns of the probe's modes.
const TURN_EVERY: usize = 10;

pub(super) struct Solver<'a> {
    pub(super) config: &'a DirectConfig,
    pub(super) optics: Optics,
    pub(super) side: usize,
    pub(super) canvas: Canvas,
    /// Positions (x, y) as the dataset has them, and as they are now.
    pub(super) given: &'a [[f64; 2]],
    pub(super) positions: Vec<[f64; 2]>,
    /// Factor of the probe for each pattern: the root of its intensity.
    pub(super) factors: Vec<f32>,
    pub(super) amplitudes: Vec<Vec<f32>>,
    /// Σ over patterns of Σ a², in normalised units.
    counts: f64,
    pub(super) probe: Array3<Complex32>,
    pub(super) previous_probe: Array3<Complex32>,
    /// The probe that the light below comes from, and its spectra.
    pub(super) light: Array3<Complex32>,
    pub(super) spectra: Vec<Complex32>,
    /// The light at the sub-pixel place of each pattern, where there is memory for it.
    probes: Option<Vec<Array3<Complex32>>>,
    /// Bytes that they may take.
    most_kept: usize,
    /// Σ |P|² at each pixel over all patterns.
    illumination: Array2<f32>,
    /// Whether light, spectra, probes and illumination have to be made anew.
    stale: bool,
    pub(super) object: Array2<Complex32>,
    /// Where the accelerated steps came from, and their number since the last restart.
    pub(super) previous: Array2<Complex32>,
    since_restart: f32,
    last_misfit: f64,
    epoch: usize,
    /// What works on the patterns in place of the CPU.
    device: Option<OnDevice>,
    /// Epochs that the object has for itself: from a flat start only.
    alone: bool,
    pub(super) normalization: f64,
    probe_factor: f64,
    pixel_size_m: Option<f64>,
}

impl<'a> Solver<'a> {
    fn new(dataset: &'a Dataset, config: &'a DirectConfig, start: &Start<'_>, device: Option<&Device>) -> Result<Self> {
        let side = dataset.patch_size();
        let normalization = data::normalization_factor(dataset.diffraction.view())?;
        let energy: f64 = dataset.probe.iter().map(|z| f64::from(z.norm_sqr())).sum();
        let probe_factor = (side as f64 / 2.0) / energy.sqrt();
        if !probe_factor.is_finite() || probe_factor <= 0.0 {
            return Err(Error::BadInput(
                Problem::new("The probe is zero everywhere or not finite")
                    .expected("a complex probe with some energy")
                    .hint("Check the key probeGuess of the dataset"),
            ));
        }
        let mut probe = dataset.probe.mapv(|z| z * probe_factor as f32);
        if let Some(count) = config.probe_modes.filter(|&count| config.refine_probe && count != probe.dim().0) {
            probe = data::with_modes(probe.view(), count);
        }
        let optics = Optics::new(side);
        let canvas = Canvas::around(&reach(&dataset.positions, config), side);
        let good = dataset.mask.as_ref().map(|mask| mask.view());
        let amplitudes: Vec<Vec<f32>> = dataset
            .diffraction
            .axis_iter(Axis(0))
            .into_par_iter()
            .map(|pattern| optics.arranged(pattern, good, normalization as f32))
            .collect();
        let counts = match good {
            None => dataset.len() as f64 * (side as f64 / 2.0).powi(2),
            // Of the good pixels only; they are in units of N² there.
            Some(_) => amplitudes.iter().map(|pattern| trusted_counts(pattern)).sum::<f64>() / (side * side) as f64,
        };
        let object = match start {
            Start::Flat => Array2::from_elem((canvas.height, canvas.width), Complex32::new(1.0, 0.0)),
            Start::From(given) => laid_on(given, &canvas, (normalization / probe_factor) as f32),
        };
        let mut solver = Self {
            config,
            optics,
            side,
            canvas,
            given: &dataset.positions,
            positions: dataset.positions.clone(),
            factors: vec![1.0; dataset.len()],
            amplitudes,
            counts,
            previous_probe: probe.clone(),
            light: probe.clone(),
            spectra: Vec::new(),
            probes: None,
            most_kept: KEPT_PROBES,
            illumination: Array2::zeros(object.dim()),
            stale: true,
            previous: object.clone(),
            object,
            probe,
            since_restart: 0.0,
            last_misfit: f64::INFINITY,
            epoch: 0,
            device: None,
            alone: matches!(start, Start::Flat),
            normalization,
            probe_factor,
            pixel_size_m: dataset.pixel_size_m,
        };
        if let Some(device) = device {
            solver.device = Some(OnDevice::new(&solver, dataset, device));
        }
        solver.shine()?;
        Ok(solver)
    }

    /// Top left pixel and sub-pixel rest `(dy, dx)` of a pattern's patch.
    pub(super) fn place(&self, index: usize) -> (usize, usize, [f32; 2]) {
        let (top, left, dy, dx) = self.canvas.corner(self.positions[index], self.side);
        (top, left, [dy, dx])
    }

    /// The (N·N) patch of an object behind a pattern.
    pub(super) fn patch(&self, object: &Array2<Complex32>, index: usize) -> Vec<Complex32> {
        let (top, left, _) = self.place(index);
        object.slice(ndarray::s![top..top + self.side, left..left + self.side]).iter().copied().collect()
    }

    /// Makes the probes at their sub-pixel places, and what they light together.
    fn shine(&mut self) -> Result<()> {
        self.stale = false;
        self.spectra = self.optics.spectra(self.light.view());
        if let Some(mut device) = self.device.take() {
            self.illumination = device.shine(self)?;
            self.device = Some(device);
            return Ok(());
        }
        let bytes = self.positions.len() * self.light.len() * size_of::<Complex32>();
        let keeps = bytes <= self.most_kept;
        let mut kept = Vec::with_capacity(if keeps { self.positions.len() } else { 0 });
        self.illumination.fill(0.0);
        let all: Vec<usize> = (0..self.positions.len()).collect();
        for piece in all.chunks(PIECE) {
            let probes: Vec<(Array3<Complex32>, Array2<f32>)> = piece
                .par_iter()
                .map(|&index| {
                    let probe = self.shifted(index);
                    let lit = probe_intensity(probe.view());
                    (probe, lit)
                })
                .collect();
            for (&index, (probe, lit)) in piece.iter().zip(probes) {
                let (top, left, _) = self.place(index);
                let mut window = self.illumination.slice_mut(ndarray::s![top..top + self.side, left..left + self.side]);
                window += &lit;
                if keeps {
                    kept.push(probe);
                }
            }
        }
        self.probes = keeps.then_some(kept);
        Ok(())
    }

    /// The probe of a pattern at its sub-pixel place.
    fn shifted(&self, index: usize) -> Array3<Complex32> {
        let (.., rest) = self.place(index);
        if rest == [0.0, 0.0] {
            return self.light.mapv(|value| value * self.factors[index]);
        }
        self.optics.moved(&self.spectra, rest, self.factors[index])
    }

    /// Misfits and gradients of these patterns at `object`, in their order.
    pub(super) fn answers(&self, piece: &[usize], object: &Array2<Complex32>, with_probe: bool) -> Vec<Answer> {
        piece
            .par_iter()
            .map(|&index| {
                let patch = self.patch(object, index);
                let made;
                let probe = match &self.probes {
                    Some(probes) => probes[index].view(),
                    None => {
                        made = self.shifted(index);
                        made.view()
                    }
                };
                self.optics.answer(&patch, probe, &self.amplitudes[index], self.config.loss, with_probe)
            })
            .collect()
    }

    /// Adds the gradients of patches to a canvas, in the order of the patterns.
    pub(super) fn gather(&self, piece: &[usize], answers: &[Answer], sum: &mut Array2<Complex32>) {
        for (&index, answer) in piece.iter().zip(answers) {
            let (top, left, _) = self.place(index);
            for (row, values) in answer.object.chunks_exact(self.side).enumerate() {
                let mut line = sum.slice_mut(ndarray::s![top + row, left..left + self.side]);
                line.iter_mut().zip(values).for_each(|(to, from)| *to += from);
            }
        }
    }

    /// What all patterns say at `object`; none if `go_on` ends the work on the way.
    fn said(&self, object: &Array2<Complex32>, with_probe: bool, go_on: &mut dyn FnMut(f64) -> bool) -> Option<Said> {
        let mut said = Said {
            misfit: 0.0,
            gradient: Array2::zeros(object.dim()),
            probe_gradient: Array3::zeros(self.probe.dim()),
            factors: Vec::with_capacity(self.positions.len()),
        };
        let all: Vec<usize> = (0..self.positions.len()).collect();
        for (index, piece) in all.chunks(PIECE).enumerate() {
            if !go_on((index * PIECE) as f64 / all.len() as f64) {
                return None;
            }
            let answers = self.answers(piece, object, with_probe);
            self.gather(piece, &answers, &mut said.gradient);
            said.misfit += answers.iter().map(|answer| answer.misfit).sum::<f64>();
            said.factors.extend(answers.iter().map(|answer| answer.factor));
            if with_probe {
                self.gather_probe(piece, &answers, &mut said.probe_gradient);
            }
        }
        Some(said)
    }

    /// One accelerated step; gives back the misfit at the point it was taken from, or none if `go_on` says so on the way.
    fn step(&mut self, go_on: &mut dyn FnMut(f64) -> bool) -> Result<Option<f64>> {
        let due = |from: usize| !self.alone || self.epoch >= from;
        let with_probe = self.config.refine_probe && due(PROBE_FROM);
        let (with_places, with_factors) =
            (self.config.refine_positions && due(PLACES_FROM), self.config.refine_intensity && due(PLACES_FROM));
        let ahead = self.since_restart / (self.since_restart + 3.0);
        let point = beyond(&self.object, &self.previous, ahead);
        if with_probe {
            self.light = beyond(&self.probe, &self.previous_probe, ahead);
        }
        if with_probe || self.stale {
            self.shine()?;
        }
        let said = match &self.device {
            Some(device) => device.said(self, &point, with_probe, go_on)?,
            None => self.said(&point, with_probe, go_on),
        };
        let Some(Said { misfit, gradient, probe_gradient, factors }) = said else { return Ok(None) };
        if misfit > self.last_misfit {
            // Acceleration has carried too far: start it anew.
            self.since_restart = 0.0;
        } else {
            self.since_restart += 1.0;
        }
        self.last_misfit = misfit;
        let places = if with_places {
            let leans = match &self.device {
                Some(device) => device.leans(self, &point)?,
                None => self.leans(&point),
            };
            self.better_places(&leans)
        } else {
            Vec::new()
        };
        // Object and probe that move together go half as far each: (a + b)² ≤ 2a² + 2b².
        let far = if with_probe { 0.5 } else { 1.0 };
        if with_probe {
            let probe = self.next_probe(&probe_gradient, &point, far);
            self.previous_probe = std::mem::replace(&mut self.probe, probe);
        }
        let object = self.next_object(point, &gradient, far);
        self.previous = std::mem::replace(&mut self.object, object);
        if with_probe {
            self.keep_power();
            if self.epoch % TURN_EVERY == TURN_EVERY - 1 {
                data::orthogonalize(&mut [&mut self.probe, &mut self.previous_probe]);
            }
        }
        if with_places {
            self.positions = places;
        }
        if with_factors {
            self.follow(&factors);
        }
        self.stale = with_probe || with_places || with_factors;
        self.epoch += 1;
        Ok(Some(misfit))
    }

    /// The step of the object along its majorant.
    fn next_object(&self, mut point: Array2<Complex32>, gradient: &Array2<Complex32>, far: f32) -> Array2<Complex32> {
        let largest = self.illumination.iter().copied().fold(0.0f32, f32::max);
        let floor = self.config.regularization as f32 * largest;
        let weight = self.config.total_variation as f32 * largest;
        if weight <= 0.0 {
            ndarray::Zip::from(&mut point)
                .and(gradient)
                .and(&self.illumination)
                .for_each(|object, gradient, lit| *object -= gradient * far / (lit + floor));
            return point;
        }
        let (slope, curvature) = variation(&point);
        ndarray::Zip::from(&mut point).and(gradient).and(&self.illumination).and(&slope).and(&curvature).for_each(
            |object, gradient, lit, slope, curvature| {
                *object -= (gradient + slope * weight) * far / (lit + floor + curvature * weight);
            },
        );
        point
    }

    fn finish(mut self, misfits: Vec<f64>, stopped: bool) -> Result<Direct> {
        self.light.clone_from(&self.probe);
        if self.stale {
            data::orthogonalize(&mut [&mut self.light]);
            self.shine()?;
        }
        let to_dataset_units = (self.probe_factor / self.normalization) as f32;
        let config = self.config;
        let refined = Refined {
            probe: config.refine_probe.then(|| self.light.mapv(|value| value / self.probe_factor as f32)),
            positions: config.refine_positions.then(|| self.positions.clone()),
            intensities: config
                .refine_intensity
                .then(|| self.factors.iter().map(|&factor| f64::from(factor).powi(2)).collect()),
        };
        let largest = self.illumination.iter().copied().fold(f32::MIN_POSITIVE, f32::max);
        let unseen = 1e-6 * largest;
        let mut object = self.object.mapv(|value| value * to_dataset_units);
        let mut coverage = self.illumination;
        ndarray::Zip::from(&mut object).and(&mut coverage).for_each(|object, coverage| {
            if *coverage <= unseen {
                (*object, *coverage) = (Complex32::default(), 0.0);
            }
        });
        let reconstruction =
            Reconstruction { object, coverage, origin_xy: self.canvas.origin, pixel_size_m: self.pixel_size_m };
        Ok(Direct { reconstruction, refined, misfits, stopped })
    }
}

/// Σ a² of an arranged pattern, without its masked pixels.
fn trusted_counts(pattern: &[f32]) -> f64 {
    pattern.iter().filter(|&&a| a >= 0.0).map(|&a| f64::from(a) * f64::from(a)).sum()
}

/// The place that the last step leads to if it is gone on.
fn beyond<D: Dimension>(now: &Array<Complex32, D>, before: &Array<Complex32, D>, ahead: f32) -> Array<Complex32, D> {
    ndarray::Zip::from(now).and(before).map_collect(|now, before| now + (now - before) * ahead)
}

/// Positions between which the patterns can lie.
fn reach(positions: &[[f64; 2]], config: &DirectConfig) -> Vec<[f64; 2]> {
    let far = if config.refine_positions { config.max_shift } else { 0.0 };
    positions.iter().flat_map(|[x, y]| [[x - far, y - far], [x + far, y + far]]).collect()
}

/// An object on another canvas; 1 (in normalised units) where it holds nothing.
fn laid_on(given: &Reconstruction, canvas: &Canvas, to_normalized: f32) -> Array2<Complex32> {
    let shift = |axis: usize| (canvas.origin[axis] - given.origin_xy[axis]).round() as i64;
    let corner = [shift(0), shift(1)];
    let shape = (canvas.height, canvas.width);
    let seen = data::in_frame(&given.coverage, corner, shape, 0.0);
    let mut object = data::in_frame(&given.object, corner, shape, Complex32::default());
    ndarray::Zip::from(&mut object).and(&seen).for_each(|value, coverage| {
        *value = if *coverage > 0.0 { *value * to_normalized } else { Complex32::new(1.0, 0.0) };
    });
    object
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;
    use crate::config::{DataConfig, DirectLoss};
    use crate::metrics::phase_correlation;
    use std::path::Path;

    fn siemens() -> Dataset {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/siemens_star_n64.npz");
        Dataset::load(&path, &DataConfig::default(), 0).unwrap()
    }

    fn correlation(dataset: &Dataset, solved: &Direct) -> f64 {
        let (object, truth) = (&solved.reconstruction.object, dataset.object.as_ref().unwrap());
        let origin = solved.reconstruction.origin_xy;
        phase_correlation(object.view(), origin, truth.view(), &dataset.positions).unwrap().phase
    }

    #[test]
    fn a_real_object_is_found_in_a_few_epochs_and_stays_found() {
        let dataset = siemens();
        for (epochs, least) in [(10, 0.98), (60, 0.99)] {
            let config = DirectConfig { epochs, ..DirectConfig::default() };
            let solved = solve(&dataset, &config, &Start::Flat, &mut |_, _| true).unwrap();
            let found = correlation(&dataset, &solved);
            assert!(found > least, "{found} after {epochs} epochs");
            assert_eq!(solved.misfits.len(), epochs);
            assert!(solved.misfits.last().unwrap() < &0.02, "{:?}", solved.misfits.last());
        }
    }

    #[test]
    fn the_same_bits_twice_and_a_stop_keeps_what_there_is() {
        let dataset = siemens();
        let config = DirectConfig { epochs: 4, ..DirectConfig::default() };
        let once = solve(&dataset, &config, &Start::Flat, &mut |_, _| true).unwrap();
        let twice = solve(&dataset, &config, &Start::Flat, &mut |_, _| true).unwrap();
        assert_eq!(once.reconstruction, twice.reconstruction);
        let stopped = solve(&dataset, &config, &Start::Flat, &mut |share, _| share < 0.6).unwrap();
        assert!(stopped.stopped && stopped.misfits.len() < 4 && !stopped.misfits.is_empty());
    }

    #[test]
    fn a_scan_too_large_to_keep_its_probes_is_solved_as_any_other() {
        let dataset = siemens().subset(&(0..300).collect::<Vec<_>>());
        let config = DirectConfig { epochs: 5, ..DirectConfig::default() };
        let solved = |most_kept: usize| {
            let mut solver = Solver::new(&dataset, &config, &Start::Flat, None).unwrap();
            solver.most_kept = most_kept;
            solver.shine().unwrap();
            assert_eq!(solver.probes.is_some(), most_kept > 0);
            run(solver, &mut |_, _| true).unwrap()
        };
        let (kept, made_anew) = (solved(KEPT_PROBES), solved(0));
        assert_eq!(kept.reconstruction, made_anew.reconstruction);
        assert_eq!(kept.misfits, made_anew.misfits);
    }

    #[test]
    fn a_good_start_is_polished_not_forgotten() {
        let dataset = siemens();
        let settings = |epochs| DirectConfig { epochs, ..DirectConfig::default() };
        let first = solve(&dataset, &settings(10), &Start::Flat, &mut |_, _| true).unwrap();
        let polished = solve(&dataset, &settings(3), &Start::From(&first.reconstruction), &mut |_, _| true).unwrap();
        assert!(polished.misfits[0] <= *first.misfits.last().unwrap(), "it starts where the other ended");
        assert!(correlation(&dataset, &polished) > 0.98);
    }

    #[test]
    fn a_wrong_probe_is_refined_and_counts_may_be_judged_as_such() {
        let mut dataset = siemens();
        let right = dataset.probe.clone();
        // A smooth error of about 20 % of the amplitude.
        for ((_, y, x), value) in dataset.probe.indexed_iter_mut() {
            let (y, x) = (y as f32 / 64.0 - 0.5, x as f32 / 64.0 - 0.5);
            *value *= Complex32::from_polar(1.0 + 0.6 * x, 0.8 * y);
        }
        let settings = |refine_probe, loss| DirectConfig { epochs: 60, refine_probe, loss, ..DirectConfig::default() };
        let misfit = |refine, loss| {
            let solved = solve(&dataset, &settings(refine, loss), &Start::Flat, &mut |_, _| true).unwrap();
            (*solved.misfits.last().unwrap(), solved.refined.probe)
        };
        let (kept, probe) = misfit(false, DirectLoss::Amplitude);
        assert_eq!(probe, None);
        let (refined, probe) = misfit(true, DirectLoss::Amplitude);
        let probe = probe.unwrap();
        assert!(refined < 0.8 * kept, "{refined} with, {kept} without refinement");
        let power = |probe: &Array3<Complex32>| probe.iter().map(|v| f64::from(v.norm_sqr())).sum::<f64>();
        assert!((power(&probe) / power(&dataset.probe) - 1.0).abs() < 1e-3, "the power is kept");
        let likeness = |probe: &Array3<Complex32>| {
            let product: num_complex::Complex64 = probe
                .iter()
                .zip(&right)
                .map(|(a, b)| {
                    num_complex::Complex64::new(a.re.into(), a.im.into())
                        * num_complex::Complex64::new(b.re.into(), -f64::from(b.im))
                })
                .sum();
            product.norm() / (power(probe) * power(&right)).sqrt()
        };
        assert!(likeness(&probe) > likeness(&dataset.probe), "{} {}", likeness(&probe), likeness(&dataset.probe));
        assert!(misfit(false, DirectLoss::Poisson).0.is_finite());
    }
}
