//! One pattern: the exit wave, its diffraction, the misfit and the way back.
//!
//! Everything is kept in the layout of [`Fft2::forward`]: the zero frequency first, transposed.

use crate::config::DirectLoss;
use crate::fourier::{Fft2, Scratch};
use ndarray::{Array3, ArrayView2, ArrayView3, Axis};
use num_complex::Complex32;

/// Relative intensity below which a predicted pixel gives no direction.
const FLOOR: f32 = 1e-8;

/// Transforms of an N × N wave.
pub(super) struct Optics {
    fft: Fft2<f32>,
    side: usize,
    /// exp(-2πi·k/N) steps of the frequencies, for sub-pixel shifts.
    frequencies: Vec<f32>,
}

/// What a pattern says about the object and the probe.
pub(super) struct Answer {
    /// Σ (|F| − a)², or the Poisson deviance.
    pub misfit: f64,
    /// (N·N) gradient with respect to the conjugate object patch.
    pub object: Vec<Complex32>,
    /// (modes · N·N) gradient with respect to the conjugate probe, at its shifted place; empty if not asked for.
    pub probe: Vec<Complex32>,
}

impl Optics {
    pub(super) fn new(side: usize) -> Self {
        let half = (side / 2) as i64;
        let frequencies =
            (0..side as i64).map(|k| (if k < half { k } else { k - side as i64 }) as f32 / side as f32).collect();
        Self { fft: Fft2::new(side, side), side, frequencies }
    }

    /// A measured (N, N) amplitude with its zero frequency at `[N/2, N/2]`, in the layout of the transform; negative where
    /// `good` is false.
    pub(super) fn arranged(
        &self,
        pattern: ArrayView2<'_, f32>,
        good: Option<ArrayView2<'_, bool>>,
        factor: f32,
    ) -> Vec<f32> {
        let (n, half) = (self.side, self.side / 2);
        (0..n * n)
            .map(|i| {
                let (kx, ky) = (i / n, i % n);
                let at = ((ky + half) % n, (kx + half) % n);
                if good.is_some_and(|good| good.get(at) == Some(&false)) {
                    return -1.0;
                }
                // Orthonormal transforms have 1/N in them; here it is in the data.
                pattern[at] * factor * n as f32
            })
            .collect()
    }

    /// The (modes, N, N) probe moved by less than a pixel, `(dy, dx)`, by the shift theorem.
    pub(super) fn shifted(&self, probe: ArrayView3<'_, Complex32>, shift: [f32; 2]) -> Array3<Complex32> {
        let n = self.side;
        let mut moved = probe.to_owned();
        if shift == [0.0, 0.0] {
            return moved;
        }
        let mut spectrum = vec![Complex32::default(); n * n];
        let mut image = vec![Complex32::default(); n * n];
        let mut scratch = Scratch::default();
        for mut mode in moved.axis_iter_mut(Axis(0)) {
            image.iter_mut().zip(mode.iter()).for_each(|(to, from)| *to = *from);
            self.fft.forward(&mut image, &mut spectrum, &mut scratch);
            for (i, value) in spectrum.iter_mut().enumerate() {
                let turn = self.frequencies[i / n] * shift[1] + self.frequencies[i % n] * shift[0];
                *value *= Complex32::from_polar(1.0 / (n * n) as f32, -std::f32::consts::TAU * turn);
            }
            self.fft.inverse(&mut spectrum, &mut image, &mut scratch);
            mode.iter_mut().zip(&image).for_each(|(to, from)| *to = *from);
        }
        moved
    }

    /// Misfit and gradients of one pattern.
    ///
    /// * `patch`: (N·N). * `probe`: (modes, N, N), at its sub-pixel place. * `amplitude`: as [`Optics::arranged`];
    ///   negative where the pixel is not to be trusted.
    pub(super) fn answer(
        &self,
        patch: &[Complex32],
        probe: ArrayView3<'_, Complex32>,
        amplitude: &[f32],
        loss: DirectLoss,
        with_probe: bool,
    ) -> Answer {
        let pixels = self.side * self.side;
        let modes = probe.len_of(Axis(0));
        let mut wave = vec![Complex32::default(); pixels];
        let mut scratch = Scratch::default();
        let mut spectra = vec![Complex32::default(); modes * pixels];
        for (mode, spectrum) in probe.axis_iter(Axis(0)).zip(spectra.chunks_exact_mut(pixels)) {
            for ((wave, patch), probe) in wave.iter_mut().zip(patch).zip(mode) {
                *wave = patch * probe;
            }
            self.fft.forward(&mut wave, spectrum, &mut scratch);
        }
        let mut intensity: Vec<f32> = spectra[..pixels].iter().map(Complex32::norm_sqr).collect();
        for spectrum in spectra.chunks_exact(pixels).skip(1) {
            intensity.iter_mut().zip(spectrum).for_each(|(sum, value)| *sum += value.norm_sqr());
        }
        // Factor by which each frequency is wrong: 1 − a/|F|, or 1 − a²/|F|² for Poisson counts.
        let mut misfit = 0.0f64;
        for (factor, &a) in intensity.iter_mut().zip(amplitude) {
            let i = *factor + FLOOR;
            if a < 0.0 {
                *factor = 0.0;
                continue;
            }
            match loss {
                DirectLoss::Amplitude => {
                    let modulus = i.sqrt();
                    misfit += f64::from(modulus - a).powi(2);
                    *factor = 1.0 - a / modulus;
                }
                DirectLoss::Poisson => {
                    let k = a * a;
                    let entropy = if k > 0.0 { k * (k / i).ln() } else { 0.0 };
                    misfit += f64::from(i - k + entropy);
                    // The step of the quadratic majorant must not be exceeded where the prediction is far too dark.
                    *factor = (1.0 - k / i).max(-1.0);
                }
            }
        }
        let scale = 1.0 / pixels as f32;
        let mut object = vec![Complex32::default(); pixels];
        let mut probe_gradient = vec![Complex32::default(); if with_probe { modes * pixels } else { 0 }];
        for (m, (mode, spectrum)) in probe.axis_iter(Axis(0)).zip(spectra.chunks_exact_mut(pixels)).enumerate() {
            spectrum.iter_mut().zip(&intensity).for_each(|(value, factor)| *value *= factor * scale);
            self.fft.inverse(spectrum, &mut wave, &mut scratch);
            for ((sum, wave), probe) in object.iter_mut().zip(&wave).zip(mode) {
                *sum += probe.conj() * wave;
            }
            if with_probe {
                let target = &mut probe_gradient[m * pixels..(m + 1) * pixels];
                for ((to, wave), patch) in target.iter_mut().zip(&wave).zip(patch) {
                    *to = patch.conj() * wave;
                }
            }
        }
        Answer { misfit: misfit / pixels as f64, object, probe: probe_gradient }
    }
}
