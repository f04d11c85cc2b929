//! Gradient solver for the object, with optional refinement of probe, positions and intensities.

use super::on_device::OnDevice;
use super::variation::variation;
use super::wave::{Excess, ForwardModel, PatternGradient, Requested};
use crate::config::DirectConfig;
use crate::data::{self, Canvas, Dataset, Reconstruction, Refined};
use crate::error::{Error, Problem, Result};
use crate::physics::probe_intensity;
use burn::tensor::Device;
use ndarray::{Array, Array2, Array3, Axis, Dimension};
use num_complex::Complex32;
use rayon::prelude::*;

/// Memory limit for keeping the shifted probes, in bytes; above it they are recomputed at each use.
const SHIFTED_PROBE_MEMORY: usize = 1 << 30;

/// Number of patterns processed together; bounds the memory regardless of the number of patterns.
const CHUNK: usize = 256;

/// Initial object of the solver.
pub enum Start<'a> {
    /// Unit-transmission object.
    Flat,
    /// An existing object in the dataset's units, such as the network's, to be refined.
    From(&'a Reconstruction),
}

/// Result of the solver.
#[derive(Debug, Clone)]
pub struct Solution {
    /// Object in the dataset's units.
    pub reconstruction: Reconstruction,
    /// Refined probe, positions and intensities; `None` for each that was not refined.
    pub refined: Refined,
    /// Misfit after each epoch, relative to ΣI.
    pub misfits: Vec<f64>,
    /// True if the caller stopped the solver early.
    pub stopped: bool,
}

/// Misfit and gradients evaluated at an object.
pub(super) struct Evaluation {
    /// Sum over all patterns, in units of the normalized counts.
    pub misfit: f64,
    /// Gradient with respect to the conjugate object, on the canvas.
    pub object_gradient: Array2<Complex32>,
    /// (modes, N, N) gradient with respect to the conjugate probe; zero if not requested.
    pub probe_gradient: Array3<Complex32>,
    /// Correction to the probe's amplitude scale that fits each pattern best, relative to its current scale.
    pub intensity_scales: Vec<f32>,
    /// What the background lacks; `None` if it is not refined.
    pub excess: Option<Excess>,
}

/// Reconstructs the object on the CPU.
///
/// `progress` is called several times per epoch with the completed fraction and the misfit of the last complete epoch,
/// if any; returning false stops the solver and keeps the result so far.
///
/// # Errors
/// No patterns, a zero probe, or values that are not finite.
pub fn solve(
    dataset: &Dataset,
    config: &DirectConfig,
    start: &Start<'_>,
    progress: &mut dyn FnMut(f64, Option<f64>) -> bool,
) -> Result<Solution> {
    run(Solver::new(dataset, config, start, None)?, progress)
}

/// Like [`solve`], with the work per pattern on a Burn device and the updates between epochs on the CPU.
///
/// # Errors
/// As [`solve`]; also if the device fails or disagrees with the CPU.
pub fn solve_on(
    device: &Device,
    dataset: &Dataset,
    config: &DirectConfig,
    start: &Start<'_>,
    progress: &mut dyn FnMut(f64, Option<f64>) -> bool,
) -> Result<Solution> {
    let solver = Solver::new(dataset, config, start, Some(device))?;
    if let Some(on_device) = &solver.device {
        on_device.check_against_cpu(&solver)?;
    }
    run(solver, progress)
}

/// Like [`solve_on`], but on the CPU if that is faster, as timed with a few patterns on both. Also returns the speed of
/// the device relative to the CPU.
///
/// # Errors
/// As [`solve_on`].
pub fn solve_on_faster(
    device: &Device,
    dataset: &Dataset,
    config: &DirectConfig,
    start: &Start<'_>,
    progress: &mut dyn FnMut(f64, Option<f64>) -> bool,
) -> Result<(Solution, f64)> {
    let mut solver = Solver::new(dataset, config, start, Some(device))?;
    let speed = solver.device.as_ref().map_or(Ok(1.0), |on_device| on_device.check_against_cpu(&solver))?;
    if speed < 1.0 {
        solver.device = None;
        solver.update_illumination()?;
    }
    Ok((run(solver, progress)?, speed))
}

fn run(mut solver: Solver<'_>, progress: &mut dyn FnMut(f64, Option<f64>) -> bool) -> Result<Solution> {
    let (misfits, stopped) = solve_epochs(&mut solver, progress, &mut |_, _| Ok(()))?;
    progress(1.0, misfits.last().copied());
    solver.finish(misfits, stopped)
}

/// Runs all epochs, with `after_epoch` called after each with the number of epochs so far. Returns the misfits relative
/// to ΣI, and whether `progress` stopped it.
pub(super) fn solve_epochs<'a>(
    solver: &mut Solver<'a>,
    progress: &mut dyn FnMut(f64, Option<f64>) -> bool,
    after_epoch: &mut dyn FnMut(&mut Solver<'a>, usize) -> Result<()>,
) -> Result<(Vec<f64>, bool)> {
    let epochs = solver.config.epochs;
    let mut misfits: Vec<f64> = Vec::new();
    for epoch in 0..epochs {
        let mut keep_going = |within: f64| progress((epoch as f64 + within) / epochs as f64, misfits.last().copied());
        let Some(misfit) = solver.step(&mut keep_going)? else {
            return Ok((misfits, true));
        };
        misfits.push(misfit / solver.total_counts);
        if !misfit.is_finite() {
            return Err(Error::Failed(
                Problem::new("The direct solver produced NaN or infinite values")
                    .hint("Check the dataset with `ptychoscope inspect`"),
            ));
        }
        after_epoch(solver, epoch + 1)?;
    }
    Ok((misfits, false))
}

/// First epoch that refines the probe, and first that refines positions and intensities: before, only the object is
/// updated. With an initial object everything is refined from the first epoch.
const PROBE_START_EPOCH: usize = 3;
const POSITION_START_EPOCH: usize = 5;
/// First epoch that refines the background.
const BACKGROUND_START_EPOCH: usize = 5;

/// Epochs of a round of refinement of the probe.
const ROUND: usize = 20;

pub(super) struct Solver<'a> {
    pub(super) config: &'a DirectConfig,
    pub(super) model: ForwardModel,
    pub(super) side: usize,
    pub(super) canvas: Canvas,
    /// Positions (x, y) in pixels: those of the dataset, and the current ones.
    pub(super) initial_positions: &'a [[f64; 2]],
    pub(super) positions: Vec<[f64; 2]>,
    /// Amplitude scale of the probe for each pattern: the square root of its relative intensity.
    pub(super) intensity_scales: Vec<f32>,
    /// (N·N) per pattern, see [`ForwardModel::arrange_amplitude`].
    pub(super) amplitudes: Vec<Vec<f32>>,
    /// (N, N) background of the patterns in normalized units; `None` for none.
    pub(super) background: Option<Array2<f32>>,
    /// Σ a² over all patterns and valid pixels, in normalized units.
    total_counts: f64,
    /// (modes, N, N), with total power (N/2)².
    pub(super) probe: Array3<Complex32>,
    /// (modes, N, N) probe near which the refined one is held; zero for modes that the dataset does not have.
    pub(super) anchor: Array3<Complex32>,
    /// Number of modes that come from the dataset or that the data turned out to need.
    pub(super) given_modes: usize,
    /// True if the given modes are held near their anchor; before, they are free.
    pub(super) anchored: bool,
    pub(super) previous_probe: Array3<Complex32>,
    /// Probe at the extrapolated point, and the spectra of its modes.
    pub(super) extrapolated_probe: Array3<Complex32>,
    pub(super) probe_spectra: Vec<Complex32>,
    /// Extrapolated probe at the sub-pixel position of each pattern, if memory allows.
    shifted_probes: Option<Vec<Array3<Complex32>>>,
    /// Memory limit for them, in bytes.
    shifted_probe_memory: usize,
    /// Σ |P|² over all patterns and modes at each pixel of the canvas.
    illumination: Array2<f32>,
    /// True if spectra, shifted probes and illumination must be recomputed.
    illumination_outdated: bool,
    pub(super) object: Array2<Complex32>,
    /// Previous iterate, and number of steps since the last restart of the acceleration.
    pub(super) previous_object: Array2<Complex32>,
    steps_since_restart: f32,
    last_misfit: f64,
    epoch: usize,
    /// Device that processes the patterns; `None` uses the CPU.
    device: Option<OnDevice>,
    /// True if the first epochs update only the object: with [`Start::Flat`].
    object_first: bool,
    /// Factors from the dataset's units to normalized ones: of the amplitudes, and of the probe.
    pub(super) normalization: f64,
    probe_factor: f64,
    pixel_size_m: Option<f64>,
}

impl<'a> Solver<'a> {
    fn new(dataset: &'a Dataset, config: &'a DirectConfig, start: &Start<'_>, device: Option<&Device>) -> Result<Self> {
        let reach = if config.refine_positions { config.max_shift } else { 0.0 };
        Self::with_reach(dataset, config, start, device, reach)
    }

    /// A solver whose positions may move by up to `reach` pixels.
    pub(super) fn with_reach(
        dataset: &'a Dataset,
        config: &'a DirectConfig,
        start: &Start<'_>,
        device: Option<&Device>,
        reach: f64,
    ) -> Result<Self> {
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
        let given_modes = dataset.probe.dim().0.min(probe.dim().0);
        let mut anchor = probe.clone();
        anchor.slice_mut(ndarray::s![given_modes.., .., ..]).fill(Complex32::default());
        let (model, background) = forward_model(dataset, normalization);
        let canvas = Canvas::around(&position_bounds(&dataset.positions, reach), side);
        let good = dataset.good();
        let amplitudes: Vec<Vec<f32>> = dataset
            .diffraction
            .axis_iter(Axis(0))
            .into_par_iter()
            .enumerate()
            .map(|(at, pattern)| {
                model.arrange_amplitude(pattern, |pixel| good.is_good(at, pixel), normalization as f32)
            })
            .collect();
        let total_counts = match (good.common, good.each) {
            (None, None) => dataset.len() as f64 * (side as f64 / 2.0).powi(2),
            // Valid pixels only. The arranged amplitudes carry a factor N.
            _ => amplitudes.iter().map(|pattern| valid_counts(pattern)).sum::<f64>() / (side * side) as f64,
        };
        let object = match start {
            Start::Flat => Array2::from_elem((canvas.height, canvas.width), Complex32::new(1.0, 0.0)),
            Start::From(given) => place_on_canvas(given, &canvas, (normalization / probe_factor) as f32),
        };
        let mut solver = Self {
            config,
            model,
            side,
            canvas,
            initial_positions: &dataset.positions,
            positions: dataset.positions.clone(),
            intensity_scales: vec![1.0; dataset.len()],
            amplitudes,
            background,
            total_counts,
            previous_probe: probe.clone(),
            anchor,
            given_modes,
            anchored: false,
            extrapolated_probe: probe.clone(),
            probe_spectra: Vec::new(),
            shifted_probes: None,
            shifted_probe_memory: SHIFTED_PROBE_MEMORY,
            illumination: Array2::zeros(object.dim()),
            illumination_outdated: true,
            previous_object: object.clone(),
            object,
            probe,
            steps_since_restart: 0.0,
            last_misfit: f64::INFINITY,
            epoch: 0,
            device: None,
            object_first: matches!(start, Start::Flat),
            normalization,
            probe_factor,
            pixel_size_m: dataset.pixel_size_m,
        };
        if let Some(device) = device {
            solver.device = Some(OnDevice::new(&solver, dataset, device));
        }
        solver.update_illumination()?;
        Ok(solver)
    }

    /// Top row, left column and sub-pixel remainder `(dy, dx)` of a pattern's patch.
    pub(super) fn patch_corner(&self, index: usize) -> (usize, usize, [f32; 2]) {
        self.patch_corner_of(self.positions[index])
    }

    /// The same of any position (x, y).
    pub(super) fn patch_corner_of(&self, position: [f64; 2]) -> (usize, usize, [f32; 2]) {
        let (top, left, dy, dx) = self.canvas.corner(position, self.side);
        (top, left, [dy, dx])
    }

    /// Brings spectra, shifted probes and illumination up to date with the current probe and positions.
    pub(super) fn refresh_illumination(&mut self) -> Result<()> {
        if self.illumination_outdated { self.update_illumination() } else { Ok(()) }
    }

    /// Restarts the acceleration after the object and the positions were changed.
    pub(super) fn restart(&mut self) {
        self.previous_object.clone_from(&self.object);
        self.steps_since_restart = 0.0;
        self.last_misfit = f64::INFINITY;
        self.illumination_outdated = true;
    }

    /// (N·N) patch of the object illuminated in a pattern.
    pub(super) fn patch(&self, object: &Array2<Complex32>, index: usize) -> Vec<Complex32> {
        let (top, left, _) = self.patch_corner(index);
        object.slice(ndarray::s![top..top + self.side, left..left + self.side]).iter().copied().collect()
    }

    /// Recomputes spectra, shifted probes and illumination from the extrapolated probe.
    fn update_illumination(&mut self) -> Result<()> {
        self.illumination_outdated = false;
        self.probe_spectra = self.model.spectra(self.extrapolated_probe.view());
        if let Some(mut device) = self.device.take() {
            self.illumination = device.update_illumination(self)?;
            self.device = Some(device);
            return Ok(());
        }
        let bytes = self.positions.len() * self.extrapolated_probe.len() * size_of::<Complex32>();
        let keep = bytes <= self.shifted_probe_memory;
        let mut kept = Vec::with_capacity(if keep { self.positions.len() } else { 0 });
        self.illumination.fill(0.0);
        let all: Vec<usize> = (0..self.positions.len()).collect();
        for chunk in all.chunks(CHUNK) {
            let probes: Vec<(Array3<Complex32>, Array2<f32>)> = chunk
                .par_iter()
                .map(|&index| {
                    let probe = self.shifted_probe(index);
                    let illumination = probe_intensity(probe.view());
                    (probe, illumination)
                })
                .collect();
            for (&index, (probe, illumination)) in chunk.iter().zip(probes) {
                let (top, left, _) = self.patch_corner(index);
                let mut window = self.illumination.slice_mut(ndarray::s![top..top + self.side, left..left + self.side]);
                window += &illumination;
                if keep {
                    kept.push(probe);
                }
            }
        }
        self.shifted_probes = keep.then_some(kept);
        Ok(())
    }

    /// (modes, N, N) extrapolated probe at the sub-pixel position of a pattern, scaled to its intensity.
    fn shifted_probe(&self, index: usize) -> Array3<Complex32> {
        let (.., rest) = self.patch_corner(index);
        if rest == [0.0, 0.0] {
            return self.extrapolated_probe.mapv(|value| value * self.intensity_scales[index]);
        }
        self.model.shift_probe(&self.probe_spectra, rest, self.intensity_scales[index])
    }

    /// Misfits and gradients of the patterns in `chunk` at `object`, in the same order.
    pub(super) fn pattern_gradients(
        &self,
        chunk: &[usize],
        object: &Array2<Complex32>,
        requested: Requested,
    ) -> Vec<PatternGradient> {
        chunk
            .par_iter()
            .map(|&index| {
                let patch = self.patch(object, index);
                let shifted;
                let probe = match &self.shifted_probes {
                    Some(probes) => probes[index].view(),
                    None => {
                        shifted = self.shifted_probe(index);
                        shifted.view()
                    }
                };
                let (.., rest) = self.patch_corner(index);
                self.model.gradient(&patch, (probe, rest), &self.amplitudes[index], self.config.loss, requested)
            })
            .collect()
    }

    /// Adds the gradients of the patches to the canvas `sum`, in the order of the patterns.
    pub(super) fn accumulate_object_gradient(
        &self,
        chunk: &[usize],
        gradients: &[PatternGradient],
        sum: &mut Array2<Complex32>,
    ) {
        for (&index, gradient) in chunk.iter().zip(gradients) {
            let (top, left, _) = self.patch_corner(index);
            for (row, values) in gradient.object.chunks_exact(self.side).enumerate() {
                let mut line = sum.slice_mut(ndarray::s![top + row, left..left + self.side]);
                line.iter_mut().zip(values).for_each(|(to, from)| *to += from);
            }
        }
    }

    /// Misfit and gradients of all patterns at `object`; `None` if `keep_going` returns false.
    fn evaluate(
        &self,
        object: &Array2<Complex32>,
        requested: Requested,
        keep_going: &mut dyn FnMut(f64) -> bool,
    ) -> Option<Evaluation> {
        let mut evaluation = Evaluation {
            misfit: 0.0,
            object_gradient: Array2::zeros(object.dim()),
            probe_gradient: Array3::zeros(self.probe.dim()),
            intensity_scales: Vec::with_capacity(self.positions.len()),
            excess: requested.background.then(|| Excess::new(self.side)),
        };
        let all: Vec<usize> = (0..self.positions.len()).collect();
        for (index, chunk) in all.chunks(CHUNK).enumerate() {
            if !keep_going((index * CHUNK) as f64 / all.len() as f64) {
                return None;
            }
            let gradients = self.pattern_gradients(chunk, object, requested);
            self.accumulate_object_gradient(chunk, &gradients, &mut evaluation.object_gradient);
            evaluation.misfit += gradients.iter().map(|gradient| gradient.misfit).sum::<f64>();
            evaluation.intensity_scales.extend(gradients.iter().map(|gradient| gradient.intensity_scale));
            if let Some(sums) = &mut evaluation.excess {
                gradients.iter().for_each(|gradient| self.model.add_excess(&gradient.excess, sums));
            }
            if requested.probe {
                self.accumulate_probe_gradient(chunk, &gradients, &mut evaluation.probe_gradient);
            }
        }
        Some(evaluation)
    }

    /// One epoch: an accelerated gradient step. Returns the misfit at the extrapolated point, or `None` if `keep_going`
    /// returns false.
    fn step(&mut self, keep_going: &mut dyn FnMut(f64) -> bool) -> Result<Option<f64>> {
        let due = |from: usize| !self.object_first || self.epoch >= from;
        let with_probe = self.config.refine_probe && due(PROBE_START_EPOCH);
        let (with_positions, with_intensities) = (
            self.config.refine_positions && due(POSITION_START_EPOCH),
            self.config.refine_intensity && due(POSITION_START_EPOCH),
        );
        let with_background = self.config.refine_background && due(BACKGROUND_START_EPOCH);
        let momentum = self.steps_since_restart / (self.steps_since_restart + 3.0);
        let point = extrapolate(&self.object, &self.previous_object, momentum);
        if with_probe {
            self.extrapolated_probe = extrapolate(&self.probe, &self.previous_probe, momentum);
        }
        if with_probe || self.illumination_outdated {
            self.update_illumination()?;
        }
        let requested = Requested { probe: with_probe, background: with_background };
        let evaluation = match &self.device {
            Some(device) => device.evaluate(self, &point, requested, keep_going)?,
            None => self.evaluate(&point, requested, keep_going),
        };
        let Some(Evaluation { misfit, object_gradient, probe_gradient, intensity_scales, excess }) = evaluation else {
            return Ok(None);
        };
        if misfit > self.last_misfit {
            // The acceleration overshot: restart it.
            self.steps_since_restart = 0.0;
        } else {
            self.steps_since_restart += 1.0;
        }
        self.last_misfit = misfit;
        let positions = if with_positions {
            let equations = match &self.device {
                Some(device) => device.shift_normal_equations(self, &point)?,
                None => self.shift_normal_equations(&point),
            };
            self.correct_positions(&equations)
        } else {
            Vec::new()
        };
        // Half the step if object and probe move together: (a + b)² ≤ 2a² + 2b².
        let step_size = if with_probe { 0.5 } else { 1.0 };
        if with_probe {
            let probe = self.updated_probe(&probe_gradient, &point, step_size);
            self.previous_probe = std::mem::replace(&mut self.probe, probe);
        }
        let object = self.updated_object(point, &object_gradient, step_size);
        self.previous_object = std::mem::replace(&mut self.object, object);
        if with_probe {
            self.normalize_probe_power();
        }
        if with_positions {
            self.positions = positions;
        }
        if with_intensities {
            self.update_intensity_scales(&intensity_scales);
        }
        if let Some(excess) = excess {
            self.update_background(&excess);
        }
        if with_probe && (self.epoch + 1).is_multiple_of(ROUND) && !self.anchored {
            self.end_round(misfit / self.total_counts);
        }
        self.illumination_outdated = with_probe || with_positions || with_intensities;
        self.epoch += 1;
        Ok(Some(misfit))
    }

    /// Object after a step from `point` that minimizes the quadratic majorant.
    fn updated_object(
        &self,
        mut point: Array2<Complex32>,
        gradient: &Array2<Complex32>,
        step_size: f32,
    ) -> Array2<Complex32> {
        let largest = self.illumination.iter().copied().fold(0.0f32, f32::max);
        let floor = self.config.regularization as f32 * largest;
        let weight = self.config.total_variation as f32 * largest;
        if weight <= 0.0 {
            ndarray::Zip::from(&mut point)
                .and(gradient)
                .and(&self.illumination)
                .for_each(|object, gradient, illumination| *object -= gradient * step_size / (illumination + floor));
            return point;
        }
        let (slope, curvature) = variation(&point);
        ndarray::Zip::from(&mut point).and(gradient).and(&self.illumination).and(&slope).and(&curvature).for_each(
            |object, gradient, illumination, slope, curvature| {
                *object -= (gradient + slope * weight) * step_size / (illumination + floor + curvature * weight);
            },
        );
        point
    }

    /// Converts the solution to the dataset's units, with the final probe, positions and coverage.
    fn finish(mut self, misfits: Vec<f64>, stopped: bool) -> Result<Solution> {
        self.extrapolated_probe.clone_from(&self.probe);
        if self.illumination_outdated {
            data::orthogonalize(&mut [&mut self.extrapolated_probe]);
            self.update_illumination()?;
        }
        let to_dataset_units = (self.probe_factor / self.normalization) as f32;
        let config = self.config;
        let refined = Refined {
            probe: config.refine_probe.then(|| self.extrapolated_probe.mapv(|value| value / self.probe_factor as f32)),
            positions: config.refine_positions.then(|| self.positions.clone()),
            intensities: config
                .refine_intensity
                .then(|| self.intensity_scales.iter().map(|&scale| f64::from(scale).powi(2)).collect()),
            background: self.background.filter(|_| config.refine_background).map(|background| {
                let back = self.normalization.powi(2).recip() as f32;
                background.mapv(|value| value * back)
            }),
        };
        let largest = self.illumination.iter().copied().fold(f32::MIN_POSITIVE, f32::max);
        let uncovered = 1e-6 * largest;
        let mut object = self.object.mapv(|value| value * to_dataset_units);
        let mut coverage = self.illumination;
        ndarray::Zip::from(&mut object).and(&mut coverage).for_each(|object, coverage| {
            if *coverage <= uncovered {
                (*object, *coverage) = (Complex32::default(), 0.0);
            }
        });
        let reconstruction =
            Reconstruction { object, coverage, origin_xy: self.canvas.origin, pixel_size_m: self.pixel_size_m };
        Ok(Solution { reconstruction, refined, misfits, stopped })
    }
}

/// Forward model of a dataset, and its background (N, N) in normalized units.
fn forward_model(dataset: &Dataset, normalization: f64) -> (ForwardModel, Option<Array2<f32>>) {
    let side = dataset.patch_size();
    let mut model = ForwardModel::new(side, dataset.propagation);
    let background = dataset.background.as_ref().filter(|background| background.dim() == (side, side));
    let background = background.map(|background| background.mapv(|value| value * normalization.powi(2) as f32));
    if let Some(background) = &background {
        model.set_background(background.view());
    }
    (model, background)
}

/// Σ a² of an arranged pattern without its masked (negative) pixels.
fn valid_counts(pattern: &[f32]) -> f64 {
    pattern.iter().filter(|&&a| a >= 0.0).map(|&a| f64::from(a) * f64::from(a)).sum()
}

/// Nesterov extrapolation: `current + momentum · (current - previous)`.
fn extrapolate<D: Dimension>(
    current: &Array<Complex32, D>,
    previous: &Array<Complex32, D>,
    momentum: f32,
) -> Array<Complex32, D> {
    ndarray::Zip::from(current).and(previous).map_collect(|current, previous| current + (current - previous) * momentum)
}

/// Extreme positions that the patterns can get.
fn position_bounds(positions: &[[f64; 2]], reach: f64) -> Vec<[f64; 2]> {
    positions.iter().flat_map(|[x, y]| [[x - reach, y - reach], [x + reach, y + reach]]).collect()
}

/// Object copied to another canvas and scaled to normalized units; 1 where it has no coverage.
fn place_on_canvas(given: &Reconstruction, canvas: &Canvas, to_normalized: f32) -> Array2<Complex32> {
    let shift = |axis: usize| (canvas.origin[axis] - given.origin_xy[axis]).round() as i64;
    let corner = [shift(0), shift(1)];
    let shape = (canvas.height, canvas.width);
    let coverage = data::crop_to_frame(&given.coverage, corner, shape, 0.0);
    let mut object = data::crop_to_frame(&given.object, corner, shape, Complex32::default());
    ndarray::Zip::from(&mut object).and(&coverage).for_each(|value, coverage| {
        *value = if *coverage > 0.0 { *value * to_normalized } else { Complex32::new(1.0, 0.0) };
    });
    object
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{DataConfig, DirectLoss};
    use crate::metrics::phase_correlation;

    fn siemens() -> Dataset {
        let path = ptychoscope_base::testing::fixture("siemens_star_n64.npz");
        Dataset::load(&path, &DataConfig::default(), 0).unwrap()
    }

    fn correlation(dataset: &Dataset, solved: &Solution) -> f64 {
        let (object, truth) = (&solved.reconstruction.object, dataset.object.as_ref().unwrap());
        let origin = solved.reconstruction.origin_xy;
        phase_correlation(object.view(), origin, truth.view(), &dataset.positions).unwrap().phase
    }

    #[test]
    fn a_real_object_is_reconstructed_in_a_few_epochs_and_does_not_diverge() {
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
    fn results_are_reproducible_to_the_bit_and_a_stop_keeps_the_result_so_far() {
        let dataset = siemens();
        let config = DirectConfig { epochs: 4, ..DirectConfig::default() };
        let once = solve(&dataset, &config, &Start::Flat, &mut |_, _| true).unwrap();
        let twice = solve(&dataset, &config, &Start::Flat, &mut |_, _| true).unwrap();
        assert_eq!(once.reconstruction, twice.reconstruction);
        let stopped = solve(&dataset, &config, &Start::Flat, &mut |share, _| share < 0.6).unwrap();
        assert!(stopped.stopped && stopped.misfits.len() < 4 && !stopped.misfits.is_empty());
    }

    #[test]
    fn recomputing_the_shifted_probes_gives_the_same_result_as_keeping_them() {
        let dataset = siemens().subset(&(0..300).collect::<Vec<_>>());
        let config = DirectConfig { epochs: 5, ..DirectConfig::default() };
        let solved = |memory: usize| {
            let mut solver = Solver::new(&dataset, &config, &Start::Flat, None).unwrap();
            solver.shifted_probe_memory = memory;
            solver.update_illumination().unwrap();
            assert_eq!(solver.shifted_probes.is_some(), memory > 0);
            run(solver, &mut |_, _| true).unwrap()
        };
        let (kept, recomputed) = (solved(SHIFTED_PROBE_MEMORY), solved(0));
        assert_eq!(kept.reconstruction, recomputed.reconstruction);
        assert_eq!(kept.misfits, recomputed.misfits);
    }

    #[test]
    fn an_initial_object_is_refined_and_not_discarded() {
        let dataset = siemens();
        let settings = |epochs| DirectConfig { epochs, ..DirectConfig::default() };
        let first = solve(&dataset, &settings(10), &Start::Flat, &mut |_, _| true).unwrap();
        let polished = solve(&dataset, &settings(3), &Start::From(&first.reconstruction), &mut |_, _| true).unwrap();
        assert!(polished.misfits[0] <= *first.misfits.last().unwrap(), "it starts where the other ended");
        assert!(correlation(&dataset, &polished) > 0.98);
    }

    #[test]
    fn refining_a_wrong_probe_lowers_the_misfit_and_the_poisson_loss_works() {
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
        assert!((power(&probe) / power(&dataset.probe) - 1.0).abs() < 1e-3, "the probe power is constant");
        let similarity = |probe: &Array3<Complex32>| {
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
        assert!(
            similarity(&probe) > similarity(&dataset.probe),
            "{} {}",
            similarity(&probe),
            similarity(&dataset.probe)
        );
        assert!(misfit(false, DirectLoss::Poisson).0.is_finite());
    }
}
