//! Two-dimensional discrete Fourier transforms of square images on the host, planned once.

use num_complex::Complex;
use rustfft::{Fft, FftDirection, FftNum, FftPlanner};
use std::sync::Arc;

/// Transform of (side, side) images without a factor, kernel exp(∓2πi·).
pub(super) struct Fft2<T: FftNum> {
    side: usize,
    rows: Arc<dyn Fft<T>>,
}

impl<T: FftNum> Fft2<T> {
    /// Kernel exp(-2πi·).
    pub(super) fn forward(side: usize) -> Self {
        Self { side, rows: FftPlanner::new().plan_fft(side, FftDirection::Forward) }
    }

    /// Kernel exp(+2πi·).
    pub(super) fn inverse(side: usize) -> Self {
        Self { side, rows: FftPlanner::new().plan_fft(side, FftDirection::Inverse) }
    }

    /// Elements of scratch that [`Self::transposed`] needs.
    pub(super) fn scratch_len(&self) -> usize {
        self.rows.get_inplace_scratch_len()
    }

    /// Transforms a row-major image into `out`, which gets it transposed: `out[kx * side + ky]`. `image` is used up.
    pub(super) fn transposed(&self, image: &mut [Complex<T>], out: &mut [Complex<T>], scratch: &mut [Complex<T>]) {
        self.rows.process_with_scratch(image, scratch);
        transpose(image, out, self.side);
        self.rows.process_with_scratch(out, scratch);
    }

    /// Transforms a row-major image in place.
    pub(super) fn process(&self, image: &mut [Complex<T>]) {
        let mut out = vec![Complex { re: T::zero(), im: T::zero() }; image.len()];
        let mut scratch = vec![Complex { re: T::zero(), im: T::zero() }; self.scratch_len()];
        self.transposed(image, &mut out, &mut scratch);
        transpose(&out, image, self.side);
    }
}

fn transpose<T: Copy>(from: &[T], to: &mut [T], side: usize) {
    for (row, values) in from.chunks_exact(side).enumerate() {
        for (value, target) in values.iter().zip(to.iter_mut().skip(row).step_by(side)) {
            *target = *value;
        }
    }
}

/// The row-major image with index 0 moved to the centre N/2 along both axes, or back: N is even.
pub(super) fn swap_halves<T: Copy>(image: &[T], side: usize) -> Vec<T> {
    let half = side / 2;
    let at = |index: usize| (index + half) % side;
    (0..side * side).filter_map(|i| image.get(at(i / side) * side + at(i % side)).copied()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plane_wave_has_one_peak_and_comes_back() {
        let (side, ky, kx) = (12_usize, 2_usize, 7_usize);
        let wave: Vec<Complex<f64>> = (0..side * side)
            .map(|i| {
                Complex::from_polar(1.0, std::f64::consts::TAU * (ky * (i / side) + kx * (i % side)) as f64 / 12.0)
            })
            .collect();
        let mut image = wave.clone();
        Fft2::forward(side).process(&mut image);
        for (i, value) in image.iter().enumerate() {
            let expected = if i == ky * side + kx { 144.0 } else { 0.0 };
            assert!((value - Complex::new(expected, 0.0)).norm() < 1e-10, "{i}: {value}");
        }
        Fft2::inverse(side).process(&mut image);
        assert!(image.iter().zip(&wave).all(|(a, b)| (a / 144.0 - b).norm() < 1e-12));
        let numbers: Vec<usize> = (0..16).collect();
        assert_eq!(swap_halves(&numbers, 4)[0], 10);
        assert_eq!(swap_halves(&swap_halves(&numbers, 4), 4), numbers);
    }
}
