//! Two-dimensional discrete Fourier transforms in main memory, and propagation of waves with them.

use num_complex::Complex;
use rustfft::{Fft, FftNum, FftPlanner};
use std::sync::Arc;

/// Planned, unnormalized transforms of (height, width) images: kernel exp(-2πi·) forward, exp(2πi·) inverse.
pub struct Fft2<T: FftNum> {
    height: usize,
    width: usize,
    forward: [Arc<dyn Fft<T>>; 2],
    inverse: [Arc<dyn Fft<T>>; 2],
}

/// Scratch memory of one thread, reused for every image.
#[derive(Debug, Clone, Default)]
pub struct Scratch<T>(Vec<Complex<T>>);

impl<T: FftNum> Fft2<T> {
    /// Plans the transforms of images of this shape; both sides must be at least 1.
    pub fn new(height: usize, width: usize) -> Self {
        let mut planner = FftPlanner::new();
        // Along the rows, then along the columns.
        let forward = [planner.plan_fft_forward(width), planner.plan_fft_forward(height)];
        let inverse = [planner.plan_fft_inverse(width), planner.plan_fft_inverse(height)];
        Self { height, width, forward, inverse }
    }

    /// Transforms a row-major (height, width) image. The result is in `transposed` as (width, height): the value at
    /// frequency (row ky, column kx) is `transposed[kx * height + ky]`. Overwrites `image`.
    pub fn forward(&self, image: &mut [Complex<T>], transposed: &mut [Complex<T>], scratch: &mut Scratch<T>) {
        let [rows, columns] = &self.forward;
        transform_rows(rows, image, scratch);
        transpose(image, transposed, self.height, self.width);
        transform_rows(columns, transposed, scratch);
    }

    /// Inverse without the factor 1 / (height · width): from the layout of [`Fft2::forward`], which is overwritten, to a
    /// row-major image.
    pub fn inverse(&self, transposed: &mut [Complex<T>], image: &mut [Complex<T>], scratch: &mut Scratch<T>) {
        let [rows, columns] = &self.inverse;
        transform_rows(columns, transposed, scratch);
        transpose(transposed, image, self.width, self.height);
        transform_rows(rows, image, scratch);
    }

    /// As [`Fft2::forward`], in place with a row-major result.
    pub fn forward_in_place(&self, image: &mut [Complex<T>]) {
        let mut transposed = image.to_vec();
        self.forward(image, &mut transposed, &mut Scratch(Vec::new()));
        transpose(&transposed, image, self.width, self.height);
    }

    /// As [`Fft2::inverse`], in place from a row-major spectrum.
    pub fn inverse_in_place(&self, image: &mut [Complex<T>]) {
        let mut transposed = image.to_vec();
        transpose(image, &mut transposed, self.height, self.width);
        self.inverse(&mut transposed, image, &mut Scratch(Vec::new()));
    }
}

/// Propagation from the sample to the detector.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub enum Propagation {
    /// Fraunhofer diffraction: the detector records the Fourier transform of the exit wave.
    #[default]
    FarField,
    /// Fresnel diffraction over a short distance: the detector records a shadow on the same grid of pixels, with fringes.
    NearField {
        /// p² / (λ z) of one pixel of this side p, with z the distance; for a cone beam, the equivalent ones of a parallel
        /// beam.
        fresnel_number: f64,
    },
}

impl Propagation {
    /// Fresnel number of a pixel in a near field; `None` in a far field.
    pub fn fresnel_number(self) -> Option<f64> {
        match self {
            Self::FarField => None,
            Self::NearField { fresnel_number } => Some(fresnel_number),
        }
    }

    /// Factor of the spectrum of an exit wave in a near field, for frequencies in cycles per pixel: the angular spectrum in
    /// Fresnel's approximation. `None` in a far field.
    pub fn transfer(self, ky: f64, kx: f64) -> Option<Complex<f64>> {
        let fresnel_number = self.fresnel_number()?;
        Some(Complex::from_polar(1.0, -std::f64::consts::PI * (ky * ky + kx * kx) / fresnel_number))
    }
}

/// Planned propagation of (N, N) exit waves to the detector and back.
///
/// The detector field has its own order of pixels, see [`Propagator::index_of`].
pub struct Propagator {
    fft: Fft2<f32>,
    side: usize,
    /// Factor of the transposed spectrum in a near field, divided by N.
    transfer: Option<Vec<Complex<f32>>>,
}

impl Propagator {
    /// Plans the propagation of waves of this side, at least 1.
    pub fn new(side: usize, propagation: Propagation) -> Self {
        let factor = |at: usize| propagation.transfer(frequency(at % side, side), frequency(at / side, side));
        let scaled = |factor: Complex<f64>| {
            let factor = factor / side as f64;
            Complex::new(factor.re as f32, factor.im as f32)
        };
        let transfer = (0..side * side).map(|at| factor(at).map(scaled)).collect();
        Self { fft: Fft2::new(side, side), side, transfer }
    }

    /// Factors of the spectrum of a wave, transposed as in [`Fft2::forward`], that propagate it and move it by `(dy, dx)`
    /// pixels; `None` in a far field, where a move changes only phases on the detector.
    pub fn transfer(&self, shift: [f32; 2]) -> Option<Vec<Complex<f32>>> {
        let transfer = self.transfer.as_ref()?;
        if shift == [0.0, 0.0] {
            return Some(transfer.clone());
        }
        let n = self.side;
        let phases = |shift: f32| -> Vec<Complex<f32>> {
            (0..n).map(|k| Complex::from_polar(1.0, -std::f32::consts::TAU * frequency(k, n) as f32 * shift)).collect()
        };
        let (along_y, along_x) = (phases(shift[0]), phases(shift[1]));
        Some(transfer.iter().enumerate().map(|(at, factor)| factor * along_x[at / n] * along_y[at % n]).collect())
    }

    /// Field on the detector, N times that of an orthonormal propagation. Overwrites `wave`.
    pub fn forward(&self, wave: &mut [Complex<f32>], field: &mut [Complex<f32>], scratch: &mut Scratch<f32>) {
        self.forward_by(self.transfer.as_deref(), wave, field, scratch);
    }

    /// As [`Propagator::forward`], with these factors of [`Propagator::transfer`].
    pub fn forward_by(
        &self,
        transfer: Option<&[Complex<f32>]>,
        wave: &mut [Complex<f32>],
        field: &mut [Complex<f32>],
        scratch: &mut Scratch<f32>,
    ) {
        self.fft.forward(wave, field, scratch);
        if let Some(transfer) = transfer {
            field.iter_mut().zip(transfer).for_each(|(value, factor)| *value *= factor);
            self.fft.inverse(field, wave, scratch);
            field.copy_from_slice(wave);
        }
    }

    /// Exit wave of a field on the detector, N times that of an orthonormal propagation. Overwrites `field`.
    pub fn inverse(&self, field: &mut [Complex<f32>], wave: &mut [Complex<f32>], scratch: &mut Scratch<f32>) {
        self.inverse_by(self.transfer.as_deref(), field, wave, scratch);
    }

    /// As [`Propagator::inverse`], with these factors of [`Propagator::transfer`].
    pub fn inverse_by(
        &self,
        transfer: Option<&[Complex<f32>]>,
        field: &mut [Complex<f32>],
        wave: &mut [Complex<f32>],
        scratch: &mut Scratch<f32>,
    ) {
        if let Some(transfer) = transfer {
            wave.copy_from_slice(field);
            self.fft.forward(wave, field, scratch);
            field.iter_mut().zip(transfer).for_each(|(value, factor)| *value *= factor.conj());
        }
        self.fft.inverse(field, wave, scratch);
    }

    /// Index in the detector field of the pixel at this row and column of a pattern; in a far field, patterns have their zero
    /// frequency at `[N/2, N/2]`.
    pub fn index_of(&self, row: usize, column: usize) -> usize {
        let n = self.side;
        if self.transfer.is_some() {
            return row * n + column;
        }
        let bin = |shifted: usize| (shifted + n - n / 2) % n;
        bin(column) * n + bin(row)
    }
}

/// Frequency of an index of a transform of this length, cycles per pixel.
pub fn frequency(k: usize, length: usize) -> f64 {
    (if 2 * k < length { k as f64 } else { k as f64 - length as f64 }) / length as f64
}

/// Transforms every row of an image.
fn transform_rows<T: FftNum>(fft: &Arc<dyn Fft<T>>, image: &mut [Complex<T>], Scratch(scratch): &mut Scratch<T>) {
    let zero = Complex { re: T::zero(), im: T::zero() };
    if scratch.len() < fft.get_inplace_scratch_len() {
        scratch.resize(fft.get_inplace_scratch_len(), zero);
    }
    fft.process_with_scratch(image, scratch);
}

/// Transposes a row-major (height, width) image in blocks that fit into the cache.
fn transpose<T: Copy>(from: &[T], to: &mut [T], height: usize, width: usize) {
    const BLOCK: usize = 16;
    for top in (0..height).step_by(BLOCK) {
        for left in (0..width).step_by(BLOCK) {
            for y in top..(top + BLOCK).min(height) {
                for x in left..(left + BLOCK).min(width) {
                    to[x * height + y] = from[y * width + x];
                }
            }
        }
    }
}

/// Row-major (side, side) image with index 0 moved to the center N/2 along both axes, or back; N is even.
pub fn swap_halves<T: Copy>(image: &[T], side: usize) -> Vec<T> {
    let half = side / 2;
    let at = |index: usize| (index + half) % side;
    (0..side * side).filter_map(|i| image.get(at(i / side) * side + at(i % side)).copied()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plane_wave_has_one_peak_at_its_frequency_and_is_restored_by_the_inverse() {
        for (height, width) in [(6_usize, 10_usize), (12, 12)] {
            let (ky, kx) = (2_usize, 7_usize);
            let wave: Vec<Complex<f64>> = (0..height * width)
                .map(|i| {
                    let cycles = (ky * (i / width)) as f64 / height as f64 + (kx * (i % width)) as f64 / width as f64;
                    Complex::from_polar(1.0, std::f64::consts::TAU * cycles)
                })
                .collect();
            let pixels = (height * width) as f64;
            let fft = Fft2::new(height, width);
            let mut scratch = Scratch::default();
            let (mut image, mut transposed) = (wave.clone(), vec![Complex::default(); wave.len()]);
            fft.forward(&mut image, &mut transposed, &mut scratch);
            let mut in_place = wave.clone();
            fft.forward_in_place(&mut in_place);
            for i in 0..wave.len() {
                let expected = if i == kx * height + ky { pixels } else { 0.0 };
                assert!((transposed[i] - Complex::new(expected, 0.0)).norm() < 1e-10, "bin {i}: {}", transposed[i]);
                let expected = if i == ky * width + kx { pixels } else { 0.0 };
                assert!((in_place[i] - Complex::new(expected, 0.0)).norm() < 1e-10, "{i}: {}", in_place[i]);
            }
            fft.inverse(&mut transposed, &mut image, &mut scratch);
            fft.inverse_in_place(&mut in_place);
            for restored in [image, in_place] {
                assert!(restored.iter().zip(&wave).all(|(is, was)| (is / pixels - was).norm() < 1e-12));
            }
        }
    }

    #[test]
    fn halves_are_swapped_and_restored() {
        let numbers: Vec<usize> = (0..16).collect();
        assert_eq!(swap_halves(&numbers, 4)[0], 10);
        assert_eq!(swap_halves(&swap_halves(&numbers, 4), 4), numbers);
    }
}
