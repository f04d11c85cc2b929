//! Two-dimensional discrete Fourier transforms on the host.

use num_complex::Complex;
use rustfft::{Fft, FftNum, FftPlanner};
use std::sync::Arc;

/// Transforms of (height, width) images without a factor, planned once: kernel exp(-2πi·) forward, exp(2πi·) back.
pub struct Fft2<T: FftNum> {
    height: usize,
    width: usize,
    rows: [Arc<dyn Fft<T>>; 2],
    columns: [Arc<dyn Fft<T>>; 2],
}

impl<T: FftNum> Fft2<T> {
    /// Plans transforms of images of this shape; both sides at least 1.
    pub fn new(height: usize, width: usize) -> Self {
        let mut planner = FftPlanner::new();
        let mut plans = |length| [planner.plan_fft_forward(length), planner.plan_fft_inverse(length)];
        Self { height, width, rows: plans(width), columns: plans(height) }
    }

    /// Transforms a row-major (height, width) image. The result lies in `transposed` as (width, height): the value at
    /// frequency (row ky, column kx) is `transposed[kx * height + ky]`. `image` is used up.
    pub fn forward(&self, image: &mut [Complex<T>], transposed: &mut [Complex<T>]) {
        self.rows[0].process(image);
        transpose(image, transposed, self.height, self.width);
        self.columns[0].process(transposed);
    }

    /// The way back, without the factor 1 / (height · width): from the layout of [`Fft2::forward`], which is used up,
    /// to a row-major image.
    pub fn inverse(&self, transposed: &mut [Complex<T>], image: &mut [Complex<T>]) {
        self.columns[1].process(transposed);
        transpose(transposed, image, self.width, self.height);
        self.rows[1].process(image);
    }
}

/// Writes the transpose of a row-major (height, width) image, in blocks that fit the cache.
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;

    #[test]
    fn a_plane_wave_has_one_peak_at_its_row_and_column_frequency_and_comes_back() {
        let (height, width, ky, kx) = (6_usize, 10_usize, 2_usize, 7_usize);
        let image: Vec<Complex<f64>> = (0..height * width)
            .map(|i| {
                let turn = (ky * (i / width)) as f64 / height as f64 + (kx * (i % width)) as f64 / width as f64;
                Complex::from_polar(1.0, std::f64::consts::TAU * turn)
            })
            .collect();
        let fft = Fft2::new(height, width);
        let (mut used, mut out) = (image.clone(), vec![Complex::default(); image.len()]);
        fft.forward(&mut used, &mut out);
        for (i, value) in out.iter().enumerate() {
            let expected = if i == kx * height + ky { 60.0 } else { 0.0 };
            assert!((value - Complex::new(expected, 0.0)).norm() < 1e-10, "bin {i}: {value}");
        }
        fft.inverse(&mut out, &mut used);
        assert!(used.iter().zip(&image).all(|(back, was)| (back / 60.0 - was).norm() < 1e-12));
    }
}
