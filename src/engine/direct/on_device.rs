//! The work per pattern as tensors on a device; the updates between epochs stay with the solver.
//!
//! Patterns are processed in chunks of neighbors, which illuminate a small window of the object: patches are gathered
//! from it, and gradients scattered into it, by products with matrices of zeros and ones, in a fixed order. Per epoch
//! only the object is uploaded and its gradient downloaded.

use super::solver::{Evaluation, Solver};
use super::wave::{Excess, FAINT, INTENSITY_FLOOR, Requested, ShiftNormalEquations};
use crate::config::DirectLoss;
use crate::data::Dataset;
use crate::error::{Error, Problem, Result};
use crate::physics::{ComplexTensor, Propagator, bilinear_matrix, read, sum_of_each, sum_over};
use burn::tensor::{Device, Tensor, TensorData};
use ndarray::{Array2, Array3, Axis, s};
use num_complex::Complex32;
use std::f32::consts::TAU;
use std::time::Instant;

/// Maximum number of patterns per chunk.
const MAX_CHUNK: usize = 256;
/// Maximum number of values in one tensor of a chunk: below the smallest binding limit of current adapters.
const MAX_VALUES: usize = 16 << 20;
/// The object on the device and the windows of the chunks begin and end at multiples of this: few shapes occur, and
/// rows are aligned for vector access.
const ALIGNMENT: usize = 16;
/// Chunks by which the speed of the device is measured.
const TIMED_CHUNKS: usize = 3;
/// Largest relative difference allowed between device and CPU.
const TOLERANCE: f64 = 1e-3;

/// Neighboring patterns that are processed together.
struct Chunk {
    /// Indices of the patterns.
    patterns: Vec<usize>,
    /// (k, N, N) normalized amplitude; −1 at pixels masked in single patterns.
    amplitude: Tensor<3>,
    geometry: Option<ChunkGeometry>,
}

/// Positions of the patterns of a chunk, on the device.
struct ChunkGeometry {
    /// First row and column, and rows and columns of the window of the object that they illuminate.
    corner: [usize; 2],
    sides: [usize; 2],
    /// (k,) row and column of each patch in the window.
    top: Tensor<1>,
    left: Tensor<1>,
    /// (k, 1, N, 1) and (k, 1, 1, N): phase factors of the spectrum that shift the probe to its sub-pixel position.
    phase_y: ComplexTensor<4>,
    phase_x: ComplexTensor<4>,
    /// (k, 1, 1, 1) amplitude scale of the probe.
    intensity_scale: Tensor<4>,
}

/// All patterns, on a device.
pub(super) struct OnDevice {
    device: Device,
    side: usize,
    propagator: Propagator,
    chunks: Vec<Chunk>,
    mask: Mask,
    /// (1, modes, N, N) spectra of the extrapolated probe.
    probe_spectra: Option<ComplexTensor<4>>,
    /// (1, 1, N, 1) and (1, 1, 1, N) frequencies, cycles per pixel.
    frequencies: [Tensor<4>; 2],
    loss: DirectLoss,
}

/// Valid detector pixels.
enum Mask {
    /// All of them.
    None,
    /// (1, N, N) of all patterns: 1 if valid, else 0.
    Common(Box<Tensor<3>>),
    /// Those of each pattern at which its amplitude is not negative.
    Each,
}

impl Mask {
    /// (k, N, N) or (1, N, N): 1 at valid pixels of patterns with these amplitudes, else 0; `None` if all are valid.
    fn of(&self, amplitude: &Tensor<3>) -> Option<Tensor<3>> {
        match self {
            Self::None => None,
            Self::Common(mask) => Some((**mask).clone()),
            Self::Each => Some(amplitude.clone().greater_equal_elem(0.0).float()),
        }
    }
}

/// Predicted and measured diffraction of a chunk compared.
struct Comparison {
    /// (k,) each: misfit, and measured and predicted sums for the intensity scales.
    misfit: Tensor<1>,
    measured: Tensor<1>,
    predicted: Tensor<1>,
    /// (k, N, N) residual factor of each pixel, see `wave`.
    residual_factor: Tensor<3>,
    /// (1, N, N) each: sums of [`Excess`] over the patterns, if requested.
    excess: Option<[Tensor<3>; 2]>,
}

impl OnDevice {
    /// Uploads the patterns.
    pub fn new(solver: &Solver<'_>, dataset: &Dataset, device: &Device) -> Self {
        let side = solver.side;
        let factor = solver.normalization as f32;
        let good = dataset.good();
        let chunks = spatial_chunks(solver)
            .into_iter()
            .map(|patterns| {
                let values: Vec<f32> = patterns
                    .iter()
                    .flat_map(|&k| {
                        let pattern = dataset.diffraction.index_axis(Axis(0), k);
                        let mut values: Vec<f32> = pattern.iter().map(|a| a * factor).collect();
                        if good.each.is_some() {
                            let bad = pattern.indexed_iter().enumerate().filter(|(_, (at, _))| !good.is_good(k, *at));
                            bad.for_each(|(at, _)| values[at] = -1.0);
                        }
                        values
                    })
                    .collect();
                let amplitude = Tensor::from_data(TensorData::new(values, [patterns.len(), side, side]), device);
                Chunk { patterns, amplitude, geometry: None }
            })
            .collect();
        let mask = match (good.common, good.each) {
            (_, Some(_)) => Mask::Each,
            (Some(mask), None) if mask.iter().any(|good| !good) => {
                let values: Vec<f32> = mask.iter().map(|&good| f32::from(u8::from(good))).collect();
                Mask::Common(Box::new(Tensor::from_data(TensorData::new(values, [1, side, side]), device)))
            }
            _ => Mask::None,
        };
        let frequencies: Vec<f32> = (0..side).map(|k| (k as f32 - (side / 2) as f32) / side as f32).collect();
        let frequencies = [[1, 1, side, 1], [1, 1, 1, side]]
            .map(|shape| Tensor::from_data(TensorData::new(frequencies.clone(), shape), device));
        Self {
            device: device.clone(),
            side,
            propagator: Propagator::new(side, dataset.propagation, device),
            chunks,
            mask,
            probe_spectra: None,
            frequencies,
            loss: solver.config.loss,
        }
    }

    /// Uploads probe, positions and intensity scales; returns Σ |P|² over all patterns and modes at each pixel of the
    /// canvas.
    pub fn update_illumination(&mut self, solver: &Solver<'_>) -> Result<Array2<f32>> {
        let n = self.side;
        let modes = solver.extrapolated_probe.dim().0;
        let probe = ComplexTensor::from_array(solver.extrapolated_probe.view(), &self.device);
        self.probe_spectra = Some(self.propagator.fourier().forward(probe).map(|t| t.reshape([1, modes, n, n])));
        for number in 0..self.chunks.len() {
            let geometry = self.geometry(solver, &self.chunks[number].patterns);
            self.chunks[number].geometry = Some(geometry);
        }
        let mut illumination = Tensor::<2>::zeros(padded(solver.object.dim()), &self.device);
        for chunk in &self.chunks {
            let Some(geometry) = &chunk.geometry else { continue };
            let probe = self.probe(geometry);
            let k = chunk.patterns.len();
            let intensity: Tensor<3> = sum_over(probe.norm_sqr(), 1).reshape([k, n, n]);
            illumination = add_at(illumination, geometry, self.scatter(geometry, intensity));
        }
        download(illumination, solver.object.dim())
    }

    /// See [`Solver::evaluate`].
    pub fn evaluate(
        &self,
        solver: &Solver<'_>,
        object: &Array2<Complex32>,
        requested: Requested,
        keep_going: &mut dyn FnMut(f64) -> bool,
    ) -> Result<Option<Evaluation>> {
        self.evaluate_chunks(&self.chunks, solver, object, requested, keep_going)
    }

    /// [`Self::evaluate`] for some of the chunks.
    fn evaluate_chunks(
        &self,
        chunks: &[Chunk],
        solver: &Solver<'_>,
        object: &Array2<Complex32>,
        requested: Requested,
        keep_going: &mut dyn FnMut(f64) -> bool,
    ) -> Result<Option<Evaluation>> {
        let n = self.side;
        let object_tensor = self.upload(object);
        let zeros = || Tensor::<2>::zeros(padded(object.dim()), &self.device);
        let mut object_gradient = ComplexTensor { re: zeros(), im: zeros() };
        let modes = solver.probe.dim().0;
        let zero_modes = || Tensor::<3>::zeros([modes, n, n], &self.device);
        let mut probe_spectrum = ComplexTensor { re: zero_modes(), im: zero_modes() };
        let background = self.background(solver);
        let mut excess: Option<[Tensor<3>; 2]> = None;
        let mut comparisons = Vec::with_capacity(chunks.len());
        let mut done = 0;
        for chunk in chunks {
            if !keep_going(done as f64 / solver.positions.len() as f64) {
                return Ok(None);
            }
            done += chunk.patterns.len();
            let Some(geometry) = &chunk.geometry else { continue };
            let k = chunk.patterns.len();
            let patch: ComplexTensor<4> =
                self.gather(geometry, &object_tensor, k).map(|t: Tensor<3>| t.reshape([k, 1, n, n]));
            let probe = self.probe(geometry);
            let wave = self.propagate(patch.clone() * probe.clone(), geometry);
            let comparison = self.compare(intensity(&wave), chunk.amplitude.clone(), background.as_ref(), requested);
            excess = match (excess, comparison.excess) {
                (Some([a, b]), Some([c, d])) => Some([a + c, b + d]),
                (one, other) => one.or(other),
            };
            let residual_factor: Tensor<4> = comparison.residual_factor.reshape([k, 1, n, n]);
            let back = self.back_propagate(wave.map(|t| t * residual_factor.clone()), geometry);
            let patch_gradient = probe.conj() * back.clone();
            let patch_gradient = patch_gradient.map(|t| sum_over(t, 1).reshape([k, n, n]));
            object_gradient = ComplexTensor {
                re: add_at(object_gradient.re, geometry, self.scatter(geometry, patch_gradient.re)),
                im: add_at(object_gradient.im, geometry, self.scatter(geometry, patch_gradient.im)),
            };
            if requested.probe {
                // Shifted back from the sub-pixel position. The shift is linear, so the sum is taken before the inverse
                // transform.
                let shifted = self.forward((patch.conj() * back).map(|t| t * geometry.intensity_scale.clone()));
                let shifted = shifted * geometry.phase_y.clone().conj() * geometry.phase_x.clone().conj();
                let sum = shifted.map(|t| sum_over(t, 0).reshape([modes, n, n]));
                probe_spectrum = ComplexTensor { re: probe_spectrum.re + sum.re, im: probe_spectrum.im + sum.im };
            }
            comparisons.push(Tensor::stack::<2>(vec![comparison.misfit, comparison.measured, comparison.predicted], 1));
        }
        let numbers = read(Tensor::cat(comparisons, 0), "the misfits")?;
        let mut evaluation = Evaluation {
            misfit: 0.0,
            object_gradient: complex(
                &download(object_gradient.re, object.dim())?,
                &download(object_gradient.im, object.dim())?,
            ),
            probe_gradient: Array3::zeros(solver.probe.dim()),
            intensity_scales: vec![1.0; solver.positions.len()],
            excess: None,
        };
        if let Some([excess, weight]) = excess {
            let shape = (n, n);
            let image = |sum: Tensor<3>| download(sum.reshape([n, n]), shape);
            evaluation.excess = Some(Excess { excess: image(excess)?, weight: image(weight)? });
        }
        let patterns = chunks.iter().flat_map(|chunk| &chunk.patterns);
        for (&pattern, numbers) in patterns.zip(numbers.chunks_exact(3)) {
            evaluation.misfit += f64::from(numbers[0]);
            let ratio = numbers[1] / numbers[2].max(f32::MIN_POSITIVE);
            evaluation.intensity_scales[pattern] = if self.loss == DirectLoss::Poisson { ratio.sqrt() } else { ratio };
        }
        if requested.probe {
            evaluation.probe_gradient = self.propagator.fourier().inverse(probe_spectrum).into_array()?;
        }
        Ok(Some(evaluation))
    }

    /// See [`Solver::shift_normal_equations`].
    pub fn shift_normal_equations(
        &self,
        solver: &Solver<'_>,
        object: &Array2<Complex32>,
    ) -> Result<Vec<ShiftNormalEquations>> {
        let n = self.side;
        let object_tensor = self.upload(object);
        let background = self.background(solver);
        let mut sums = Vec::with_capacity(self.chunks.len());
        for chunk in &self.chunks {
            let Some(geometry) = &chunk.geometry else { continue };
            let k = chunk.patterns.len();
            let patch: ComplexTensor<4> =
                self.gather(geometry, &object_tensor, k).map(|t: Tensor<3>| t.reshape([k, 1, n, n]));
            let spectrum = self.forward(patch.clone() * self.probe(geometry));
            let wave = self.carry(spectrum.clone(), geometry);
            let [y, x] = [0, 1].map(|axis| {
                let mut derivative = self.forward(patch.clone() * self.probe_derivative(geometry, axis));
                if self.propagator.transfer().is_some() {
                    // The move back of the exit wave depends on the shift, too: times i·2π·frequency.
                    let turn = self.frequencies[axis].clone() * TAU;
                    derivative.re = derivative.re - spectrum.im.clone() * turn.clone();
                    derivative.im = derivative.im + spectrum.re.clone() * turn;
                }
                let derivative = self.carry(derivative, geometry);
                let along = wave.re.clone() * derivative.re + wave.im.clone() * derivative.im;
                sum_over(along, 1).reshape([k, n, n])
            });
            let (intensity, _) = self.predicted(intensity(&wave), background.as_ref());
            let modulus = intensity.sqrt();
            let (y, x): (Tensor<3>, Tensor<3>) = (y / modulus.clone(), x / modulus.clone());
            let residual = chunk.amplitude.clone() - modulus;
            let mask = self.mask.of(&chunk.amplitude);
            let total = |t: Tensor<3>| sum_over_pixels(t, mask.as_ref());
            sums.push(Tensor::stack::<2>(
                vec![
                    total(y.clone() * y.clone()),
                    total(x.clone() * x.clone()),
                    total(x.clone() * y.clone()),
                    total(y * residual.clone()),
                    total(x * residual),
                ],
                1,
            ));
        }
        let numbers = read(Tensor::cat(sums, 0), "the normal equations of the shifts")?;
        let mut equations = vec![ShiftNormalEquations::default(); solver.positions.len()];
        let patterns = self.chunks.iter().flat_map(|chunk| &chunk.patterns);
        for (&pattern, numbers) in patterns.zip(numbers.chunks_exact(5)) {
            let [yy, xx, xy, y, x] = [0, 1, 2, 3, 4].map(|i| f64::from(numbers[i]));
            equations[pattern] = ShiftNormalEquations { yy, xx, xy, y, x };
        }
        Ok(equations)
    }

    /// Compares misfit and gradient of the first chunk with those of the CPU, and returns the speed of the device
    /// relative to the CPU, estimated from a few chunks.
    ///
    /// The test object has no two equal pixels: where waves cancel, the direction of a gradient is decided by rounding.
    ///
    /// # Errors
    /// If they differ, with the advice to use the CPU.
    pub fn check_against_cpu(&self, solver: &Solver<'_>) -> Result<f64> {
        let Some(first) = self.chunks.first() else { return Ok(1.0) };
        let mut object = solver.object.clone();
        for (at, value) in object.iter_mut().enumerate() {
            let wave = |frequency: f32| (frequency * (at % 7919) as f32).sin();
            *value *= Complex32::from_polar(1.0 + 0.3 * wave(0.7), 0.5 * wave(1.3));
        }
        let few = self.chunks.len().min(TIMED_CHUNKS);
        let timed = |count: usize| {
            let began = Instant::now();
            let evaluation =
                self.evaluate_chunks(&self.chunks[..count], solver, &object, Requested::default(), &mut |_| true)?;
            Ok::<_, Error>((evaluation, began.elapsed().as_secs_f64()))
        };
        // Kernels are compiled on first use.
        timed(few)?;
        let ((evaluation, time_of_one), (_, time_of_few)) = (timed(1)?, timed(few)?);
        let Some(evaluation) = evaluation else { return Ok(1.0) };
        let began = Instant::now();
        let gradients = solver.pattern_gradients(&first.patterns, &object, Requested::default());
        let mut gradient = Array2::zeros(object.dim());
        solver.accumulate_object_gradient(&first.patterns, &gradients, &mut gradient);
        let on_cpu = began.elapsed().as_secs_f64() * solver.positions.len() as f64 / first.patterns.len() as f64;
        // Both device times include the work done once per epoch.
        let time_per_chunk = (time_of_few - time_of_one).max(0.0) / (few.max(2) - 1) as f64;
        let on_device = time_of_one + time_per_chunk * (self.chunks.len() - 1) as f64;
        let misfit: f64 = gradients.iter().map(|gradient| gradient.misfit).sum();
        let square = |values: &Array2<Complex32>| values.iter().map(|v| f64::from(v.norm_sqr())).sum::<f64>();
        let gradient_error = (square(&(&evaluation.object_gradient - &gradient)) / square(&gradient)).sqrt();
        let misfit_error = (evaluation.misfit - misfit).abs() / misfit;
        if gradient_error <= TOLERANCE && misfit_error <= TOLERANCE {
            return Ok(on_cpu / on_device.max(f64::MIN_POSITIVE));
        }
        Err(Error::Failed(
            Problem::new(format!(
                "Device and CPU disagree: the misfit of {} patterns differs by {misfit_error:.1e} (relative), its gradient \
                 by {gradient_error:.1e}",
                first.patterns.len()
            ))
            .expected("a relative difference below 0.001")
            .hint("Use the CPU with --accelerator cpu, and check for a newer driver"),
        ))
    }

    /// [`INTENSITY_FLOOR`] for the orthonormal transforms used here; those of the CPU are not normalized.
    fn floor(&self) -> f32 {
        INTENSITY_FLOOR / (self.side * self.side) as f32
    }

    /// Uploads the positions of a chunk.
    fn geometry(&self, solver: &Solver<'_>, patterns: &[usize]) -> ChunkGeometry {
        let corners: Vec<_> = patterns.iter().map(|&k| solver.patch_corner(k)).collect();
        let span = |firsts: Vec<usize>| {
            let first = firsts.iter().copied().min().unwrap_or_default() / ALIGNMENT * ALIGNMENT;
            let last = firsts.iter().copied().max().unwrap_or_default() + self.side;
            (first, (last - first).next_multiple_of(ALIGNMENT))
        };
        let ((top, rows), (left, columns)) =
            (span(corners.iter().map(|p| p.0).collect()), span(corners.iter().map(|p| p.1).collect()));
        let vector = |value: &dyn Fn(usize) -> f32| -> Tensor<1> {
            let values: Vec<f32> = (0..patterns.len()).map(value).collect();
            Tensor::from_data(TensorData::new(values, [patterns.len()]), &self.device)
        };
        let phase = |axis: usize| {
            let k = patterns.len();
            let shift: Tensor<4> = vector(&|i| corners[i].2[axis]).reshape([k, 1, 1, 1]);
            let angle = self.frequencies[axis].clone() * shift * -TAU;
            ComplexTensor { re: angle.clone().cos(), im: angle.sin() }
        };
        ChunkGeometry {
            corner: [top, left],
            sides: [rows, columns],
            top: vector(&|i| (corners[i].0 - top) as f32),
            left: vector(&|i| (corners[i].1 - left) as f32),
            phase_y: phase(0),
            phase_x: phase(1),
            intensity_scale: vector(&|i| solver.intensity_scales[patterns[i]]).reshape([patterns.len(), 1, 1, 1]),
        }
    }

    /// (k, modes, N, N) probe at the sub-pixel positions of a chunk.
    fn probe(&self, geometry: &ChunkGeometry) -> ComplexTensor<4> {
        let spectra = self.shifted_spectra(geometry);
        self.inverse(spectra)
    }

    /// (k, modes, N, N) derivative of [`Self::probe`] with respect to a shift along an axis (0: y, 1: x).
    fn probe_derivative(&self, geometry: &ChunkGeometry, axis: usize) -> ComplexTensor<4> {
        let derivative = self.frequencies[axis].clone() * -TAU;
        let ComplexTensor { re, im } = self.shifted_spectra(geometry);
        // Times i·derivative.
        self.inverse(ComplexTensor { re: im * derivative.clone() * -1.0, im: re * derivative })
    }

    /// (k, modes, N, N) spectra of the shifted probes, times their amplitude scales.
    fn shifted_spectra(&self, geometry: &ChunkGeometry) -> ComplexTensor<4> {
        let phase = geometry.phase_y.clone() * geometry.phase_x.clone();
        let phase = phase.map(|t| t * geometry.intensity_scale.clone());
        match &self.probe_spectra {
            Some(spectra) => phase * spectra.clone(),
            None => phase,
        }
    }

    /// Fields on the detector of exit waves.
    fn propagate(&self, wave: ComplexTensor<4>, geometry: &ChunkGeometry) -> ComplexTensor<4> {
        self.carry(self.forward(wave), geometry)
    }

    /// Fields on the detector of spectra of exit waves; see `wave` for the shift.
    fn carry(&self, spectrum: ComplexTensor<4>, geometry: &ChunkGeometry) -> ComplexTensor<4> {
        match self.transfer(geometry) {
            Some(transfer) => self.inverse(spectrum * transfer),
            None => spectrum,
        }
    }

    /// Exit waves of fields on the detector.
    fn back_propagate(&self, field: ComplexTensor<4>, geometry: &ChunkGeometry) -> ComplexTensor<4> {
        self.inverse(match self.transfer(geometry) {
            Some(transfer) => self.forward(field) * transfer.conj(),
            None => field,
        })
    }

    /// (k, 1, N, N) factors of the spectra in a near field, with the shift back.
    fn transfer(&self, geometry: &ChunkGeometry) -> Option<ComplexTensor<4>> {
        let transfer = self.propagator.transfer()?.clone().map(|t| t.unsqueeze::<4>());
        Some(geometry.phase_y.clone().conj() * geometry.phase_x.clone().conj() * transfer)
    }

    /// Spectra of probes.
    fn forward(&self, field: ComplexTensor<4>) -> ComplexTensor<4> {
        over_modes(field, |field| self.propagator.fourier().forward(field))
    }

    fn inverse(&self, spectrum: ComplexTensor<4>) -> ComplexTensor<4> {
        over_modes(spectrum, |spectrum| self.propagator.fourier().inverse(spectrum))
    }

    /// (k, N, N) patches gathered from the object.
    fn gather(&self, geometry: &ChunkGeometry, object: &ComplexTensor<2>, k: usize) -> ComplexTensor<3> {
        let n = self.side;
        let [rows, columns] = geometry.sides;
        let [top, left] = geometry.corner;
        let rows_of = self.rows(geometry, k);
        let columns_of = self.columns(geometry).swap_dims(1, 2);
        object.clone().map(|part: Tensor<2>| {
            let part = part.slice([top..top + rows, left..left + columns]);
            rows_of.clone().matmul(part).reshape([k, n, columns]).matmul(columns_of.clone())
        })
    }

    /// (k, N, N) values of patches summed at their positions in the window of the chunk: (rows, columns).
    fn scatter(&self, geometry: &ChunkGeometry, values: Tensor<3>) -> Tensor<2> {
        let [k, n, _] = values.dims();
        let wide = values.matmul(self.columns(geometry)).reshape([k * n, geometry.sides[1]]);
        self.rows(geometry, k).swap_dims(0, 1).matmul(wide)
    }

    /// (k·N, rows of the window): 1 where a row of a patch lies.
    fn rows(&self, geometry: &ChunkGeometry, k: usize) -> Tensor<2> {
        let [rows, _] = geometry.sides;
        bilinear_matrix(geometry.top.clone().neg(), self.side, rows, 0, &self.device).reshape([k * self.side, rows])
    }

    /// (k, N, columns of the window): 1 where a column of a patch lies.
    fn columns(&self, geometry: &ChunkGeometry) -> Tensor<3> {
        bilinear_matrix(geometry.left.clone().neg(), self.side, geometry.sides[1], 0, &self.device)
    }

    /// (1, N, N) background of the patterns, if there is one.
    fn background(&self, solver: &Solver<'_>) -> Option<Tensor<3>> {
        let values: Vec<f32> = solver.background.as_ref()?.iter().copied().collect();
        Some(Tensor::from_data(TensorData::new(values, [1, self.side, self.side]), &self.device))
    }

    /// (k, N, N) predicted intensities from those of the waves, and the share of the waves in them; `None` if it is 1.
    fn predicted(&self, waves: Tensor<3>, background: Option<&Tensor<3>>) -> (Tensor<3>, Option<Tensor<3>>) {
        let waves = waves + self.floor();
        match background {
            None => (waves, None),
            Some(background) => {
                let intensity = waves.clone() + background.clone();
                (intensity.clone(), Some(waves / intensity))
            }
        }
    }

    /// Compares (k, N, N) intensities of waves with measured amplitudes; see `wave`.
    fn compare(
        &self,
        waves: Tensor<3>,
        amplitude: Tensor<3>,
        background: Option<&Tensor<3>>,
        requested: Requested,
    ) -> Comparison {
        let mask = self.mask.of(&amplitude);
        let (intensity, lit) = self.predicted(waves, background);
        let excess = requested.background.then(|| {
            let weight = (intensity.clone() + FAINT / 4.0).recip();
            let weight = match &mask {
                Some(mask) => weight * mask.clone(),
                None => weight,
            };
            let excess = (amplitude.clone() * amplitude.clone() - intensity.clone()) * weight.clone();
            [sum_over(excess, 0), sum_over(weight, 0)]
        });
        let (misfit, measured, residual_factor) = match self.loss {
            DirectLoss::Amplitude => {
                let modulus = intensity.clone().sqrt();
                let residual = modulus.clone() - amplitude.clone();
                (residual.clone() * residual.clone(), amplitude * modulus.clone(), residual / modulus)
            }
            DirectLoss::Poisson => {
                let counts = amplitude.clone() * amplitude;
                let ratio = counts.clone() / intensity.clone();
                // k·ln(k/i) has the limit 0 at k = 0, which the clamp gives without a branch.
                let entropy = counts.clone() * ratio.clone().clamp_min(1e-30).log();
                let residual_factor = (ratio * -1.0 + 1.0).clamp_min(-1.0);
                (intensity.clone() - counts.clone() + entropy, counts, residual_factor)
            }
        };
        let (measured, predicted) = match (lit, self.loss) {
            (None, _) => (measured, intensity),
            (Some(lit), DirectLoss::Amplitude) => {
                let unlit = intensity.clone() * (lit.clone() * -1.0 + 1.0);
                ((measured - unlit) * lit.clone(), intensity * lit.clone() * lit)
            }
            (Some(lit), DirectLoss::Poisson) => (measured * lit.clone(), intensity * lit),
        };
        let residual_factor = match &mask {
            Some(mask) => residual_factor * mask.clone(),
            None => residual_factor,
        };
        let sum = |values: Tensor<3>| sum_over_pixels(values, mask.as_ref());
        Comparison { misfit: sum(misfit), measured: sum(measured), predicted: sum(predicted), residual_factor, excess }
    }

    /// Uploads the object, padded to a multiple of [`ALIGNMENT`].
    fn upload(&self, object: &Array2<Complex32>) -> ComplexTensor<2> {
        let [height, width] = padded(object.dim());
        let part = |value: fn(&Complex32) -> f32| {
            let mut values = Array2::<f32>::zeros((height, width));
            let (rows, columns) = object.dim();
            values.slice_mut(s![..rows, ..columns]).zip_mut_with(object, |to, from| *to = value(from));
            Tensor::from_data(TensorData::new(values.into_raw_vec_and_offset().0, [height, width]), &self.device)
        };
        ComplexTensor { re: part(|z| z.re), im: part(|z| z.im) }
    }
}

/// Indices of the patterns in chunks that illuminate small windows of the object, in an order that depends only on the
/// positions.
fn spatial_chunks(solver: &Solver<'_>) -> Vec<Vec<usize>> {
    let side = solver.side;
    // Largest side of a window, pixels.
    let reach = 4 * side;
    let modes = solver.probe.dim().0;
    let most = (MAX_VALUES / (side * 2 * side * modes)).min(MAX_VALUES / (side * reach)).clamp(1, MAX_CHUNK);
    let tile = reach - side;
    let mut order: Vec<(usize, usize, usize)> = (0..solver.positions.len())
        .map(|k| {
            let (top, left, _) = solver.patch_corner(k);
            (top / tile, left / tile, k)
        })
        .collect();
    order.sort_unstable();
    let by_tile = order.chunk_by(|a, b| (a.0, a.1) == (b.0, b.1));
    by_tile.flat_map(|tile| tile.chunks(most)).map(|chunk| chunk.iter().map(|p| p.2).collect()).collect()
}

/// Σ over the valid pixels of each pattern: (k, N, N) → (k,).
fn sum_over_pixels(values: Tensor<3>, mask: Option<&Tensor<3>>) -> Tensor<1> {
    let k = values.dims()[0];
    let values = match mask {
        Some(mask) => values * mask.clone(),
        None => values,
    };
    sum_of_each(values, k).reshape([k])
}

/// Applies an operation on (k·modes, N, N) fields to a (k, modes, N, N) field.
fn over_modes(field: ComplexTensor<4>, f: impl Fn(ComplexTensor<3>) -> ComplexTensor<3>) -> ComplexTensor<4> {
    let [k, modes, n, _] = field.re.dims();
    f(field.map(|t| t.reshape([k * modes, n, n]))).map(|t| t.reshape([k, modes, n, n]))
}

/// Σ over the modes of |z|²: (k, modes, N, N) → (k, N, N).
fn intensity(z: &ComplexTensor<4>) -> Tensor<3> {
    let [k, _, n, _] = z.re.dims();
    sum_over(z.clone().norm_sqr(), 1).reshape([k, n, n])
}

/// `to` with `part` added in the window of the chunk.
fn add_at(to: Tensor<2>, geometry: &ChunkGeometry, part: Tensor<2>) -> Tensor<2> {
    let ([top, left], [rows, columns]) = (geometry.corner, geometry.sides);
    let window = [top..top + rows, left..left + columns];
    let sum = to.clone().slice(window.clone()) + part;
    to.slice_assign(window, sum)
}

/// Rows and columns of an object on the device.
fn padded((height, width): (usize, usize)) -> [usize; 2] {
    [height, width].map(|side| side.next_multiple_of(ALIGNMENT))
}

/// Downloads an object of this shape from its padded tensor.
fn download(tensor: Tensor<2>, shape: (usize, usize)) -> Result<Array2<f32>> {
    let padded = tensor.dims();
    let whole = Array2::from_shape_vec(padded, read(tensor, "a result")?)
        .map_err(|e| Error::failed(format!("A result of the device has the wrong size ({e})")))?;
    Ok(whole.slice(s![..shape.0, ..shape.1]).to_owned())
}

fn complex(re: &Array2<f32>, im: &Array2<f32>) -> Array2<Complex32> {
    ndarray::Zip::from(re).and(im).map_collect(|re, im| Complex32::new(*re, *im))
}

#[cfg(test)]
mod tests {
    use super::super::solver::{Solution, Start, solve, solve_on, solve_on_faster};
    use crate::config::{DataConfig, DirectConfig, DirectLoss};
    use crate::data::Dataset;
    use crate::fourier::Propagation;
    use burn::tensor::Device;
    use num_complex::Complex32;

    fn part_of_a_real_scan() -> Dataset {
        let path = ptychoscope_base::testing::fixture("siemens_star_n64.npz");
        let whole = Dataset::load(&path, &DataConfig::default(), 0).unwrap();
        whole.subset(&(0..60).collect::<Vec<_>>())
    }

    fn distance(a: &Solution, b: &Solution) -> f32 {
        let pairs = a.reconstruction.object.iter().zip(&b.reconstruction.object);
        let apart: f32 = pairs.clone().map(|(a, b)| (a - b).norm_sqr()).sum();
        (apart / pairs.map(|(a, _)| a.norm_sqr()).sum::<f32>()).sqrt()
    }

    #[test]
    fn the_faster_of_device_and_cpu_is_used() {
        let dataset = part_of_a_real_scan();
        let config = DirectConfig { epochs: 3, refine_probe: true, ..DirectConfig::default() };
        let (found, speed) =
            solve_on_faster(&Device::flex(), &dataset, &config, &Start::Flat, &mut |_, _| true).unwrap();
        assert!(speed > 0.0 && speed.is_finite(), "{speed}");
        // Both are correct; the last bits show which one was used.
        let by_cpu = solve(&dataset, &config, &Start::Flat, &mut |_, _| true).unwrap();
        assert_eq!(found.reconstruction == by_cpu.reconstruction, speed < 1.0, "{speed}");
        assert!(distance(&found, &by_cpu) < 2e-3);
    }

    #[test]
    fn device_and_cpu_agree_for_all_losses_and_refinements() {
        let plain = part_of_a_real_scan();
        let mut masked = plain.clone();
        let mut mask = ndarray::Array2::from_elem((64, 64), true);
        mask.slice_mut(ndarray::s![40..46, 20..50]).fill(false);
        masked.mask = Some(mask);
        let mut wrong = plain.clone();
        wrong.probe.indexed_iter_mut().for_each(|((_, y, _), z)| *z *= Complex32::from_polar(1.0, y as f32 / 64.0));
        let mut each = masked.clone();
        let mut masks = crate::metrics::PatternMasks::new(60, 64);
        (0..600).for_each(|at| masks.exclude(at % 60, (at * 7 % 64, at * 11 % 64)));
        each.pattern_masks = Some(masks);
        each.background = Some(ndarray::Array2::from_shape_fn((64, 64), |(y, x)| 2.0 + 0.1 * (y + x) as f32));
        let mut near = masked.clone();
        near.propagation = Propagation::NearField { fresnel_number: 0.1 };
        let settings = DirectConfig { epochs: 9, ..DirectConfig::default() };
        let poisson = DirectConfig { loss: DirectLoss::Poisson, total_variation: 0.01, ..settings.clone() };
        let probe = DirectConfig { refine_probe: true, probe_modes: Some(2), epochs: 12, ..settings.clone() };
        let positions = DirectConfig { refine_positions: true, refine_intensity: true, ..settings.clone() };
        for (what, dataset, config) in [
            ("plain", &plain, &settings),
            ("masked", &masked, &settings),
            ("masked in single patterns, with a background", &each, &settings),
            ("the same with the Poisson loss", &each, &poisson),
            ("positions and intensities with masks and a background", &each, &positions),
            ("Poisson, total variation", &plain, &poisson),
            ("probe with two modes", &wrong, &probe),
            ("positions and intensities", &plain, &positions),
            ("near field", &near, &settings),
            ("probe in a near field", &near, &probe),
            ("positions in a near field", &near, &positions),
        ] {
            let cpu = solve(dataset, config, &Start::Flat, &mut |_, _| true).unwrap();
            let device = solve_on(&Device::flex(), dataset, config, &Start::Flat, &mut |_, _| true).unwrap();
            let apart = distance(&cpu, &device);
            assert!(apart < 2e-3, "{what}: objects differ by {apart}");
            for (epoch, (a, b)) in cpu.misfits.iter().zip(&device.misfits).enumerate() {
                assert!((a - b).abs() < 1e-3 * a, "{what}, epoch {epoch}: {a} and {b}");
            }
            if let (Some(a), Some(b)) = (&cpu.refined.positions, &device.refined.positions) {
                let far = a.iter().zip(b).map(|(a, b)| (a[0] - b[0]).hypot(a[1] - b[1])).fold(0.0, f64::max);
                assert!(far < 0.01 && a != &dataset.positions, "{what}: {far} px");
            }
            if let (Some(a), Some(b)) = (&cpu.refined.intensities, &device.refined.intensities) {
                assert!(a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-3), "{what}");
            }
        }
    }
}
