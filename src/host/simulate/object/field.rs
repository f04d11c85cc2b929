//! Objects from blurred random numbers (A§9.2).

use crate::fourier::Fft2;
use crate::simulate::filter::gaussian;
use crate::simulate::random::normal;
use ndarray::Array2;
use num_complex::Complex64;
use rand::RngExt;
use rand_chacha::ChaCha8Rng;

/// Exponent of the power spectrum of the Gaussian random field.
const EXPONENT: f64 = -0.4;

/// A tenth of the pixels (with repetition) increased by 1, blurred with σ = 1, plus five times that blurred with σ = 10.
pub(super) fn points(side: usize, rng: &mut ChaCha8Rng) -> Array2<f64> {
    let mut image = Array2::zeros((side, side));
    for _ in 0..side * side / 10 {
        let at = [rng.random_range(0..side as u64) as usize, rng.random_range(0..side as u64) as usize];
        if let Some(pixel) = image.get_mut(at) {
            *pixel += 1.0;
        }
    }
    let sharp = gaussian(&image, 1.0);
    let wide = gaussian(&sharp, 10.0) * 5.0;
    sharp + wide
}

/// Gaussian random field with the power spectrum k^-0.4 on a grid of half the side, interpolated and blurred with σ = 1.
pub(super) fn gaussian_random_field(side: usize, rng: &mut ChaCha8Rng) -> Array2<f64> {
    let coarse = side.div_ceil(2).max(2);
    let mut image: Vec<Complex64> = (0..coarse * coarse).map(|_| Complex64::new(normal(rng), 0.0)).collect();
    let fft = Fft2::new(coarse, coarse);
    fft.forward_in_place(&mut image);
    let frequency = |at: usize| if 2 * at < coarse { at as f64 } else { at as f64 - coarse as f64 };
    for (i, value) in image.iter_mut().enumerate() {
        let k = frequency(i / coarse).hypot(frequency(i % coarse));
        *value *= if k > 0.0 { k.powf(EXPONENT / 2.0) } else { 0.0 };
    }
    fft.inverse_in_place(&mut image);
    let at = |row: usize, column: usize| {
        image.get(row.min(coarse - 1) * coarse + column.min(coarse - 1)).map_or(0.0, |value| value.re)
    };
    let step = (coarse - 1) as f64 / (side.max(2) - 1) as f64;
    let fine = Array2::from_shape_fn((side, side), |(y, x)| {
        let (v, u) = (y as f64 * step, x as f64 * step);
        let (row, column) = (v as usize, u as usize);
        let (fy, fx) = (v.fract(), u.fract());
        let along = |row| at(row, column) * (1.0 - fx) + at(row, column + 1) * fx;
        along(row) * (1.0 - fy) + along(row + 1) * fy
    });
    gaussian(&fine, 1.0)
}
