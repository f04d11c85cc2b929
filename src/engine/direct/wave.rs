//! Forward model of one pattern: exit wave, propagation to the detector, misfit and back-propagated gradients.
//!
//! Spectra have the layout of [`Fft2::forward`]: zero frequency first, transposed. Amplitudes and fields on the detector have
//! that of [`Propagator::index_of`].
//!
//! A fraction of a pixel by which the object is moved is applied to the probe instead. In a far field the whole exit wave may
//! move; in a near field, where the shadow moves with it, the wave is moved back on its way to the detector.

use crate::config::DirectLoss;
use crate::fourier::{Fft2, Propagation, Propagator, Scratch};
use ndarray::{Array2, Array3, ArrayView2, ArrayView3, Axis};
use num_complex::Complex32;

/// Floor added to the predicted intensity, in normalized units: darker pixels have no defined phase.
pub(super) const INTENSITY_FLOOR: f32 = 1e-8;

/// Intensity that keeps dark pixels from deciding about a background, as a fraction of the mean intensity of a pixel; see
/// `background`.
pub(super) const FAINT: f32 = 0.01;

/// Diffraction of N × N exit waves.
pub(super) struct ForwardModel {
    /// For the spectra of probes.
    fft: Fft2<f32>,
    propagator: Propagator,
    side: usize,
    /// Frequencies of the transform in cycles per pixel, for sub-pixel shifts.
    frequencies: Vec<f32>,
    /// (N·N) background in the layout of the detector field; empty without.
    background: Vec<f32>,
}

/// Misfit and gradients of one pattern.
pub(super) struct PatternGradient {
    /// Σ (√i − a)², or the Poisson deviance.
    pub misfit: f64,
    /// (N·N) gradient with respect to the conjugate object patch.
    pub object: Vec<Complex32>,
    /// (modes · N·N) gradient with respect to the conjugate probe, at its sub-pixel position; empty if not requested.
    pub probe: Vec<Complex32>,
    /// Amplitude scale of the probe that fits this pattern best, relative to its current scale.
    pub intensity_scale: f32,
    /// (N·N) terms of [`Excess`] in the layout of the detector field; empty if not requested.
    pub excess: Vec<[f32; 2]>,
}

/// What [`ForwardModel::gradient`] computes besides the gradient of the object.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Requested {
    pub probe: bool,
    pub background: bool,
}

/// Sums over the patterns at each pixel of the detector, (N, N), in units of the normalized counts.
pub(super) struct Excess {
    /// Σ (k − i) / (i + c) over the patterns in which the pixel is good.
    pub excess: Array2<f32>,
    /// Σ 1 / (i + c) over the same patterns.
    pub weight: Array2<f32>,
}

impl Excess {
    /// No pattern yet.
    pub fn new(side: usize) -> Self {
        Self { excess: Array2::zeros((side, side)), weight: Array2::zeros((side, side)) }
    }
}

/// Gauss–Newton normal equations of one pattern for the shift `(dy, dx)` of its probe: `yy·dy + xy·dx = y`,
/// `xy·dy + xx·dx = x`, from the derivatives of the predicted amplitudes and their residuals.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct ShiftNormalEquations {
    pub yy: f64,
    pub xx: f64,
    pub xy: f64,
    pub y: f64,
    pub x: f64,
}

impl ForwardModel {
    pub(super) fn new(side: usize, propagation: Propagation) -> Self {
        let half = (side / 2) as i64;
        let frequencies =
            (0..side as i64).map(|k| (if k < half { k } else { k - side as i64 }) as f32 / side as f32).collect();
        let propagator = Propagator::new(side, propagation);
        Self { fft: Fft2::new(side, side), propagator, side, frequencies, background: Vec::new() }
    }

    /// Sets the background, (N, N) in units of the normalized counts.
    pub(super) fn set_background(&mut self, background: ArrayView2<'_, f32>) {
        let pixels = self.side * self.side;
        self.background.resize(pixels, 0.0);
        for ((row, column), value) in background.indexed_iter() {
            // As for the amplitudes, see `arrange_amplitude`.
            self.background[self.propagator.index_of(row, column)] = value * pixels as f32;
        }
    }

    /// Intensity of pixels without light of the object: background and floor.
    fn unlit(&self) -> Vec<f32> {
        match &self.background[..] {
            [] => vec![INTENSITY_FLOOR; self.side * self.side],
            background => background.iter().map(|value| value + INTENSITY_FLOOR).collect(),
        }
    }

    /// Adds the terms of single patterns to the sums over all patterns.
    pub(super) fn add_excess(&self, terms: &[[f32; 2]], sums: &mut Excess) {
        for ((row, column), excess) in sums.excess.indexed_iter_mut() {
            let [one, weight] = terms[self.propagator.index_of(row, column)];
            *excess += one;
            sums.weight[[row, column]] += weight;
        }
    }

    /// (N·N) amplitude in the layout of the detector field, from a measured (N, N) one, times
    /// `factor · N`; −1 where `is_good` is false.
    pub(super) fn arrange_amplitude(
        &self,
        pattern: ArrayView2<'_, f32>,
        is_good: impl Fn((usize, usize)) -> bool,
        factor: f32,
    ) -> Vec<f32> {
        let mut arranged = vec![0.0; self.side * self.side];
        for ((row, column), &amplitude) in pattern.indexed_iter() {
            // Fields on the detector are N times those of an orthonormal propagation; the amplitudes are scaled alike.
            arranged[self.propagator.index_of(row, column)] =
                if is_good((row, column)) { amplitude * factor * self.side as f32 } else { -1.0 };
        }
        arranged
    }

    /// (modes · N·N) spectra of a (modes, N, N) probe, in the layout of the transform.
    pub(super) fn spectra(&self, probe: ArrayView3<'_, Complex32>) -> Vec<Complex32> {
        let pixels = self.side * self.side;
        let (mut image, mut scratch) = (vec![Complex32::default(); pixels], Scratch::default());
        let mut spectra = vec![Complex32::default(); probe.len()];
        for (mode, spectrum) in probe.axis_iter(Axis(0)).zip(spectra.chunks_exact_mut(pixels)) {
            image.iter_mut().zip(mode.iter()).for_each(|(to, from)| *to = *from);
            self.fft.forward(&mut image, spectrum, &mut scratch);
        }
        spectra
    }

    /// (modes, N, N) probe with these spectra, shifted by `(dy, dx)` pixels by the shift theorem and scaled by
    /// `factor`.
    pub(super) fn shift_probe(&self, spectra: &[Complex32], shift: [f32; 2], factor: f32) -> Array3<Complex32> {
        self.shift_probe_weighted(spectra, shift, |_| Complex32::new(factor, 0.0))
    }

    /// Like [`ForwardModel::shift_probe`], with a factor for each index of a spectrum.
    fn shift_probe_weighted(
        &self,
        spectra: &[Complex32],
        shift: [f32; 2],
        factor: impl Fn(usize) -> Complex32,
    ) -> Array3<Complex32> {
        let (n, pixels) = (self.side, self.side * self.side);
        let mut shifted = Array3::zeros((spectra.len() / pixels, n, n));
        let mut image = vec![Complex32::default(); pixels];
        let mut phased = vec![Complex32::default(); pixels];
        let mut scratch = Scratch::default();
        // The phase factor is separable.
        let phases = |shift: f32| -> Vec<Complex32> {
            self.frequencies.iter().map(|k| Complex32::from_polar(1.0, -std::f32::consts::TAU * k * shift)).collect()
        };
        let (along_y, along_x) = (phases(shift[0]), phases(shift[1]));
        let scale = 1.0 / pixels as f32;
        for (mut mode, spectrum) in shifted.axis_iter_mut(Axis(0)).zip(spectra.chunks_exact(pixels)) {
            for (i, (to, from)) in phased.iter_mut().zip(spectrum).enumerate() {
                *to = from * along_x[i / n] * along_y[i % n] * factor(i) * scale;
            }
            self.fft.inverse(&mut phased, &mut image, &mut scratch);
            mode.iter_mut().zip(&image).for_each(|(to, from)| *to = *from);
        }
        shifted
    }

    /// Normal equations of one pattern for a shift of its probe.
    ///
    /// * `patch`: (N·N). * `spectra`: see [`ForwardModel::spectra`]. * `shift`, `factor`: see
    ///   [`ForwardModel::shift_probe`].
    /// * `amplitude`: see [`ForwardModel::arrange_amplitude`].
    pub(super) fn shift_normal_equations(
        &self,
        patch: &[Complex32],
        spectra: &[Complex32],
        shift: [f32; 2],
        factor: f32,
        amplitude: &[f32],
    ) -> ShiftNormalEquations {
        let (n, pixels) = (self.side, self.side * self.side);
        let derivative = |k: f32| Complex32::new(0.0, -std::f32::consts::TAU * k * factor);
        let probe = self.shift_probe(spectra, shift, factor);
        let along_y = self.shift_probe_weighted(spectra, shift, |i| derivative(self.frequencies[i % n]));
        let along_x = self.shift_probe_weighted(spectra, shift, |i| derivative(self.frequencies[i / n]));
        let transfer = self.propagator.transfer([-shift[0], -shift[1]]);
        let (mut exit_wave, mut scratch) = (vec![Complex32::default(); pixels], Scratch::default());
        let mut illuminated = |probe: ArrayView2<'_, Complex32>| {
            exit_wave.iter_mut().zip(patch).zip(probe).for_each(|((wave, patch), probe)| *wave = patch * probe);
            let mut spectrum = vec![Complex32::default(); pixels];
            self.fft.forward(&mut exit_wave, &mut spectrum, &mut scratch);
            spectrum
        };
        let (mut image, mut inverse_scratch) = (vec![Complex32::default(); pixels], Scratch::default());
        // From the spectrum of the exit wave to the detector.
        let mut propagated = |mut spectrum: Vec<Complex32>| {
            if let Some(transfer) = &transfer {
                spectrum.iter_mut().zip(transfer).for_each(|(value, factor)| *value *= factor);
                self.fft.inverse(&mut spectrum, &mut image, &mut inverse_scratch);
                spectrum.copy_from_slice(&image);
            }
            spectrum
        };
        let (mut intensity, mut by_y, mut by_x) = (self.unlit(), vec![0.0; pixels], vec![0.0; pixels]);
        for mode in 0..probe.len_of(Axis(0)) {
            let field = illuminated(probe.index_axis(Axis(0), mode));
            let (mut y, mut x) =
                (illuminated(along_y.index_axis(Axis(0), mode)), illuminated(along_x.index_axis(Axis(0), mode)));
            if transfer.is_some() {
                // The move back of the exit wave depends on the shift, too.
                let back = |k: f32| Complex32::new(0.0, std::f32::consts::TAU * k);
                y.iter_mut().zip(&field).enumerate().for_each(|(i, (y, f))| *y += f * back(self.frequencies[i % n]));
                x.iter_mut().zip(&field).enumerate().for_each(|(i, (x, f))| *x += f * back(self.frequencies[i / n]));
            }
            let (field, y, x) = (propagated(field), propagated(y), propagated(x));
            for (i, value) in field.iter().enumerate() {
                intensity[i] += value.norm_sqr();
                by_y[i] += value.re * y[i].re + value.im * y[i].im;
                by_x[i] += value.re * x[i].re + value.im * x[i].im;
            }
        }
        let mut equations = ShiftNormalEquations::default();
        for (i, &a) in amplitude.iter().enumerate().filter(|(_, a)| **a >= 0.0) {
            let modulus = intensity[i].sqrt();
            let (y, x) = (f64::from(by_y[i] / modulus), f64::from(by_x[i] / modulus));
            let residual = f64::from(a - modulus);
            equations.yy += y * y;
            equations.xx += x * x;
            equations.xy += x * y;
            equations.y += y * residual;
            equations.x += x * residual;
        }
        equations
    }

    /// Gauss–Newton normal equations (matrix, right side) of one pattern for an affine distortion A of the scan with
    /// which the object moves; parameters in the order yy, yx, xy, xx.
    ///
    /// * `patch`: (N·N). * `slopes`: its derivatives along y and x. * `probe`: (modes, N, N), shifted by `rest`.
    /// * `amplitude`: see [`ForwardModel::arrange_amplitude`].
    pub(super) fn strain_normal_equations(
        &self,
        patch: &[Complex32],
        slopes: &[Vec<Complex32>; 2],
        probe: ArrayView3<'_, Complex32>,
        rest: [f32; 2],
        amplitude: &[f32],
    ) -> ([[f64; 4]; 4], [f64; 4]) {
        let (n, pixels) = (self.side, self.side * self.side);
        let transfer = self.propagator.transfer([-rest[0], -rest[1]]);
        let offset = |at: usize, rest: f32| at as f32 - (n / 2) as f32 - rest;
        let (mut wave, mut scratch) = (vec![Complex32::default(); pixels], Scratch::default());
        let (mut field, mut change) = (wave.clone(), wave.clone());
        let (mut intensity, mut changes) = (self.unlit(), vec![[0.0f32; 4]; pixels]);
        for mode in probe.axis_iter(Axis(0)) {
            wave.iter_mut().zip(patch).zip(mode).for_each(|((wave, patch), probe)| *wave = patch * probe);
            self.propagator.forward_by(transfer.as_deref(), &mut wave, &mut field, &mut scratch);
            intensity.iter_mut().zip(&field).for_each(|(sum, value)| *sum += value.norm_sqr());
            for parameter in 0..4 {
                for (i, ((wave, slope), probe)) in wave.iter_mut().zip(&slopes[parameter / 2]).zip(mode).enumerate() {
                    let along = if parameter % 2 == 0 { offset(i / n, rest[0]) } else { offset(i % n, rest[1]) };
                    *wave = -slope * probe * along;
                }
                self.propagator.forward_by(transfer.as_deref(), &mut wave, &mut change, &mut scratch);
                for ((changes, field), change) in changes.iter_mut().zip(&field).zip(&change) {
                    changes[parameter] += field.re * change.re + field.im * change.im;
                }
            }
        }
        let (mut matrix, mut right) = ([[0.0; 4]; 4], [0.0; 4]);
        for ((changes, intensity), &a) in changes.iter().zip(&intensity).zip(amplitude).filter(|(_, a)| **a >= 0.0) {
            let modulus = intensity.sqrt();
            let changes = changes.map(|value| f64::from(value / modulus));
            for row in 0..4 {
                right[row] += changes[row] * f64::from(a - modulus);
                (0..4).for_each(|column| matrix[row][column] += changes[row] * changes[column]);
            }
        }
        (matrix, right)
    }

    /// (modes, N, N) probe shifted by `(dy, dx)` pixels by the shift theorem.
    pub(super) fn shifted(&self, probe: ArrayView3<'_, Complex32>, shift: [f32; 2]) -> Array3<Complex32> {
        if shift == [0.0, 0.0] { probe.to_owned() } else { self.shift_probe(&self.spectra(probe), shift, 1.0) }
    }

    /// Misfit and gradients of one pattern.
    ///
    /// * `patch`: (N·N). * `probe`: (modes, N, N), at its sub-pixel position `shift`.
    /// * `amplitude`: see [`ForwardModel::arrange_amplitude`]; negative at masked pixels.
    pub(super) fn gradient(
        &self,
        patch: &[Complex32],
        (probe, shift): (ArrayView3<'_, Complex32>, [f32; 2]),
        amplitude: &[f32],
        loss: DirectLoss,
        requested: Requested,
    ) -> PatternGradient {
        let pixels = self.side * self.side;
        let modes = probe.len_of(Axis(0));
        let mut exit_wave = vec![Complex32::default(); pixels];
        let mut scratch = Scratch::default();
        let transfer = self.propagator.transfer([-shift[0], -shift[1]]);
        let mut fields = vec![Complex32::default(); modes * pixels];
        for (mode, field) in probe.axis_iter(Axis(0)).zip(fields.chunks_exact_mut(pixels)) {
            for ((wave, patch), probe) in exit_wave.iter_mut().zip(patch).zip(mode) {
                *wave = patch * probe;
            }
            self.propagator.forward_by(transfer.as_deref(), &mut exit_wave, field, &mut scratch);
        }
        let mut intensity: Vec<f32> = fields[..pixels].iter().map(Complex32::norm_sqr).collect();
        for field in fields.chunks_exact(pixels).skip(1) {
            intensity.iter_mut().zip(field).for_each(|(sum, value)| *sum += value.norm_sqr());
        }
        let mut excess = vec![[0.0; 2]; if requested.background { pixels } else { 0 }];
        // Residual factor of each pixel: 1 − a/√i, or 1 − a²/i for Poisson counts; i is |F|² and the background.
        let mut misfit = 0.0f64;
        let (mut measured, mut predicted) = (0.0f64, 0.0f64);
        for (at, (factor, &a)) in intensity.iter_mut().zip(amplitude).enumerate() {
            let background = self.background.get(at).copied().unwrap_or(0.0);
            let i = *factor + background + INTENSITY_FLOOR;
            if a < 0.0 {
                *factor = 0.0;
                continue;
            }
            if let Some(terms) = excess.get_mut(at) {
                let weight = 1.0 / (i + FAINT * pixels as f32 / 4.0);
                *terms = [(a * a - i) * weight, weight * pixels as f32];
            }
            // The scale of the probe changes this share of the intensity.
            let lit = f64::from((i - background) / i);
            match loss {
                DirectLoss::Amplitude => {
                    let modulus = i.sqrt();
                    misfit += f64::from(modulus - a).powi(2);
                    measured += lit * (f64::from(a * modulus) - (1.0 - lit) * f64::from(i));
                    predicted += lit * lit * f64::from(i);
                    *factor = 1.0 - a / modulus;
                }
                DirectLoss::Poisson => {
                    let k = a * a;
                    let entropy = if k > 0.0 { k * (k / i).ln() } else { 0.0 };
                    misfit += f64::from(i - k + entropy);
                    measured += lit * f64::from(k);
                    predicted += lit * f64::from(i);
                    // Where the prediction is far too dark, the step of the quadratic majorant must not be exceeded.
                    *factor = (1.0 - k / i).max(-1.0);
                }
            }
        }
        let scale = 1.0 / pixels as f32;
        let mut object = vec![Complex32::default(); pixels];
        let mut probe_gradient = vec![Complex32::default(); if requested.probe { modes * pixels } else { 0 }];
        for (m, (mode, field)) in probe.axis_iter(Axis(0)).zip(fields.chunks_exact_mut(pixels)).enumerate() {
            field.iter_mut().zip(&intensity).for_each(|(value, factor)| *value *= factor * scale);
            self.propagator.inverse_by(transfer.as_deref(), field, &mut exit_wave, &mut scratch);
            for ((sum, wave), probe) in object.iter_mut().zip(&exit_wave).zip(mode) {
                *sum += probe.conj() * wave;
            }
            if requested.probe {
                let target = &mut probe_gradient[m * pixels..(m + 1) * pixels];
                for ((to, wave), patch) in target.iter_mut().zip(&exit_wave).zip(patch) {
                    *to = patch.conj() * wave;
                }
            }
        }
        let ratio = (measured / predicted.max(f64::MIN_POSITIVE)) as f32;
        let intensity_scale = if loss == DirectLoss::Poisson { ratio.sqrt() } else { ratio };
        PatternGradient { misfit: misfit / pixels as f64, object, probe: probe_gradient, intensity_scale, excess }
    }
}
