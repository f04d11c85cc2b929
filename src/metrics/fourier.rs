//! Two-dimensional discrete Fourier transforms on the host.

use std::sync::Arc;

use num_complex::Complex;
use rustfft::{Fft, FftNum, FftPlanner};

/// Forward transform of (height, width) images, kernel exp(-2πi·), without a factor; planned once.
pub(super) struct Fft2<T: FftNum> {
    height: usize,
    width: usize,
    along_rows: Arc<dyn Fft<T>>,
    along_columns: Arc<dyn Fft<T>>,
}

impl<T: FftNum> Fft2<T> {
    /// Plans transforms of images of this shape; both sides at least 1.
    pub(super) fn forward(height: usize, width: usize) -> Self {
        let mut planner = FftPlanner::new();
        Self {
            height,
            width,
            along_rows: planner.plan_fft_forward(width),
            along_columns: planner.plan_fft_forward(height),
        }
    }

    /// Transforms a row-major (height, width) image. The result lies in `transposed` as (width, height): the value at
    /// frequency (row ky, column kx) is `transposed[kx * height + ky]`. `image` is used up.
    pub(super) fn process(&self, image: &mut [Complex<T>], transposed: &mut [Complex<T>]) {
        self.along_rows.process(image);
        for (row, values) in image.chunks_exact(self.width).enumerate() {
            for (value, target) in values.iter().zip(transposed.iter_mut().skip(row).step_by(self.height)) {
                *target = *value;
            }
        }
        self.along_columns.process(transposed);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;

    #[test]
    fn a_plane_wave_has_one_peak_at_its_row_and_column_frequency() {
        let (height, width, ky, kx) = (6_usize, 10_usize, 2_usize, 7_usize);
        let mut image: Vec<Complex<f64>> = (0..height * width)
            .map(|i| {
                let turn = (ky * (i / width)) as f64 / height as f64 + (kx * (i % width)) as f64 / width as f64;
                Complex::from_polar(1.0, std::f64::consts::TAU * turn)
            })
            .collect();
        let mut out = vec![Complex::default(); image.len()];
        Fft2::forward(height, width).process(&mut image, &mut out);
        for (i, value) in out.iter().enumerate() {
            let expected = if i == kx * height + ky { 60.0 } else { 0.0 };
            assert!((value - Complex::new(expected, 0.0)).norm() < 1e-10, "bin {i}: {value}");
        }
    }
}
