//! One pattern: the exit wave, its diffraction, the misfit and the way back.
//!
//! Everything is kept in the layout of [`Fft2::forward`]: the zero frequency first, transposed.

use crate::config::DirectLoss;
use crate::fourier::{Fft2, Scratch};
use ndarray::{Array3, ArrayView2, ArrayView3, Axis};
use num_complex::Complex32;

/// Relative intensity below which a predicted pixel gives no direction.
pub(super) const FLOOR: f32 = 1e-8;

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
    /// Factor of the probe that would explain this pattern best.
    pub factor: f32,
}

/// Normal equations of one pattern for the shift `(dy, dx)` of its probe: `yy·dy + xy·dx = y`, `xy·dy + xx·dx = x`, from
/// the derivatives of the amplitudes and what is missing in them (Gauss and Newton).
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Lean {
    pub yy: f64,
    pub xx: f64,
    pub xy: f64,
    pub y: f64,
    pub x: f64,
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

    /// The spectra of a (modes, N, N) probe, in the layout of the transform, one after the other.
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

    /// The (modes, N, N) probe of these spectra, moved by less than a pixel, `(dy, dx)`, by the shift theorem, and times
    /// `factor`.
    pub(super) fn moved(&self, spectra: &[Complex32], shift: [f32; 2], factor: f32) -> Array3<Complex32> {
        self.moved_times(spectra, shift, |_| Complex32::new(factor, 0.0))
    }

    /// As [`Optics::moved`], with a factor at each place of the spectrum.
    fn moved_times(
        &self,
        spectra: &[Complex32],
        shift: [f32; 2],
        factor: impl Fn(usize) -> Complex32,
    ) -> Array3<Complex32> {
        let (n, pixels) = (self.side, self.side * self.side);
        let mut moved = Array3::zeros((spectra.len() / pixels, n, n));
        let mut image = vec![Complex32::default(); pixels];
        let mut turned = vec![Complex32::default(); pixels];
        let mut scratch = Scratch::default();
        // The turn is a product of one for each axis.
        let phases = |shift: f32| -> Vec<Complex32> {
            self.frequencies.iter().map(|k| Complex32::from_polar(1.0, -std::f32::consts::TAU * k * shift)).collect()
        };
        let (along_y, along_x) = (phases(shift[0]), phases(shift[1]));
        let scale = 1.0 / pixels as f32;
        for (mut mode, spectrum) in moved.axis_iter_mut(Axis(0)).zip(spectra.chunks_exact(pixels)) {
            for (i, (to, from)) in turned.iter_mut().zip(spectrum).enumerate() {
                *to = from * along_x[i / n] * along_y[i % n] * factor(i) * scale;
            }
            self.fft.inverse(&mut turned, &mut image, &mut scratch);
            mode.iter_mut().zip(&image).for_each(|(to, from)| *to = *from);
        }
        moved
    }

    /// How the amplitudes answer to a shift of the probe: see [`Lean`].
    ///
    /// * `patch`: (N·N). * `spectra`: as [`Optics::spectra`]. * `shift`, `factor`: as [`Optics::moved`].
    pub(super) fn lean(
        &self,
        patch: &[Complex32],
        spectra: &[Complex32],
        shift: [f32; 2],
        factor: f32,
        amplitude: &[f32],
    ) -> Lean {
        let (n, pixels) = (self.side, self.side * self.side);
        let slope = |k: f32| Complex32::new(0.0, -std::f32::consts::TAU * k * factor);
        let probe = self.moved(spectra, shift, factor);
        let along_y = self.moved_times(spectra, shift, |i| slope(self.frequencies[i % n]));
        let along_x = self.moved_times(spectra, shift, |i| slope(self.frequencies[i / n]));
        let (mut wave, mut scratch) = (vec![Complex32::default(); pixels], Scratch::default());
        let mut waves = |probe: ArrayView2<'_, Complex32>| {
            wave.iter_mut().zip(patch).zip(probe).for_each(|((wave, patch), probe)| *wave = patch * probe);
            let mut spectrum = vec![Complex32::default(); pixels];
            self.fft.forward(&mut wave, &mut spectrum, &mut scratch);
            spectrum
        };
        let (mut intensity, mut by_y, mut by_x) = (vec![FLOOR; pixels], vec![0.0; pixels], vec![0.0; pixels]);
        for mode in 0..probe.len_of(Axis(0)) {
            let field = waves(probe.index_axis(Axis(0), mode));
            let (y, x) = (waves(along_y.index_axis(Axis(0), mode)), waves(along_x.index_axis(Axis(0), mode)));
            for (i, value) in field.iter().enumerate() {
                intensity[i] += value.norm_sqr();
                by_y[i] += value.re * y[i].re + value.im * y[i].im;
                by_x[i] += value.re * x[i].re + value.im * x[i].im;
            }
        }
        let mut lean = Lean::default();
        for (i, &a) in amplitude.iter().enumerate().filter(|(_, a)| **a >= 0.0) {
            let modulus = intensity[i].sqrt();
            let (y, x) = (f64::from(by_y[i] / modulus), f64::from(by_x[i] / modulus));
            let missing = f64::from(a - modulus);
            lean.yy += y * y;
            lean.xx += x * x;
            lean.xy += x * y;
            lean.y += y * missing;
            lean.x += x * missing;
        }
        lean
    }

    /// The (modes, N, N) probe moved by less than a pixel, `(dy, dx)`, by the shift theorem.
    pub(super) fn shifted(&self, probe: ArrayView3<'_, Complex32>, shift: [f32; 2]) -> Array3<Complex32> {
        if shift == [0.0, 0.0] { probe.to_owned() } else { self.moved(&self.spectra(probe), shift, 1.0) }
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
        let (mut measured, mut predicted) = (0.0f64, 0.0f64);
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
                    measured += f64::from(a * modulus);
                    predicted += f64::from(i);
                    *factor = 1.0 - a / modulus;
                }
                DirectLoss::Poisson => {
                    let k = a * a;
                    let entropy = if k > 0.0 { k * (k / i).ln() } else { 0.0 };
                    misfit += f64::from(i - k + entropy);
                    measured += f64::from(k);
                    predicted += f64::from(i);
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
        let ratio = (measured / predicted.max(f64::MIN_POSITIVE)) as f32;
        let factor = if loss == DirectLoss::Poisson { ratio.sqrt() } else { ratio };
        Answer { misfit: misfit / pixels as f64, object, probe: probe_gradient, factor }
    }
}
