//! Initial probe for data without one (A§9.3).

use super::fit::centered_fft;
use crate::fourier::{Propagation, Propagator, Scratch};
use ndarray::{Array2, Array3, Axis};
use num_complex::Complex32;
use rustfft::FftDirection;

/// Default ratio of probe to window size (A§9.3).
const SCALE: f64 = 0.7;
/// Added everywhere, so that the probe is nowhere exactly zero.
const FLOOR: f64 = 1e-9;

/// (1, N, N) real Gaussian inside a disk of radius N/4, from (n, N, N) amplitudes. Its width is that of the central row of
/// the Fourier-transformed mean pattern, its sum that of [`default_probe`].
pub(super) fn from_patterns(patterns: &Array3<f32>) -> Array3<Complex32> {
    let n = patterns.len_of(Axis(2));
    let count = patterns.len_of(Axis(0)).max(1) as f64;
    let mut sum = Array2::<f64>::zeros((n, n));
    for pattern in patterns.axis_iter(Axis(0)) {
        sum.zip_mut_with(&pattern, |sum, &value| *sum += f64::from(value));
    }
    let mean = sum.mapv(|value| Complex32::new((value / count) as f32, 0.0));
    let transformed = centered_fft(&mean, FftDirection::Inverse);
    let row: Vec<f64> = transformed.row(n / 2).iter().map(|value| f64::from(value.norm())).collect();
    let total: f64 = row.iter().sum();
    let center: f64 = row.iter().enumerate().map(|(at, weight)| at as f64 * weight).sum::<f64>() / total;
    let variance =
        row.iter().enumerate().map(|(at, weight)| (at as f64 - center).powi(2) * weight).sum::<f64>() / total;
    let variance = if variance.is_finite() && variance > 0.0 { variance } else { (n as f64 / 8.0).powi(2) };
    let middle = (n as f64 - 1.0) / 2.0;
    let shape = Array2::from_shape_fn((n, n), |(y, x)| {
        let r2 = (y as f64 - middle).powi(2) + (x as f64 - middle).powi(2);
        if r2.sqrt() < n as f64 / 4.0 { (-r2 / (2.0 * variance)).exp() + FLOOR } else { 0.0 }
    });
    let factor = default_probe(n).sum() / shape.sum();
    shape.mapv(|value| Complex32::new((value * factor) as f32, 0.0)).insert_axis(Axis(0))
}

/// (1, N, N) probe of near-field patterns (n, N, N): the mean amplitude on the detector, propagated back to the sample. The
/// shadow of the sample moves with the scan and averages out.
pub(super) fn near_field(patterns: &Array3<f32>, propagation: Propagation) -> Array3<Complex32> {
    let (count, side, _) = patterns.dim();
    let propagator = Propagator::new(side, propagation);
    let mean = patterns.sum_axis(Axis(0)) / count.max(1) as f32;
    let mut field = vec![Complex32::default(); side * side];
    for ((row, column), &amplitude) in mean.indexed_iter() {
        field[propagator.index_of(row, column)] = Complex32::new(amplitude / side as f32, 0.0);
    }
    let mut probe = vec![Complex32::default(); side * side];
    propagator.inverse(&mut field, &mut probe, &mut Scratch::default());
    Array3::from_shape_fn((1, side, side), |(_, row, column)| probe[row * side + column])
}

/// (N, N) blurred disk: where the Gaussian of width N / (0.7 π²) exceeds one half, smoothed over one pixel.
pub(super) fn default_probe(n: usize) -> Array2<f64> {
    let sigma = n as f64 / (SCALE * std::f64::consts::PI.powi(2));
    let middle = (n as f64 - 1.0) / 2.0;
    let window: Vec<f64> = (0..n).map(|at| (-((at as f64 - middle) / sigma).powi(2) / 2.0).exp()).collect();
    let top = window.iter().copied().fold(0.0, f64::max);
    let at = |k: usize| window.get(k).copied().unwrap_or_default() / top;
    let disk = Array2::from_shape_fn((n, n), |(y, x)| if at(y) * at(x) > 0.5 { 1.0 } else { 0.0 });
    // Gaussian with a width of one pixel, truncated at four.
    let kernel: Vec<f64> = (-4i32..=4).map(|k| (-f64::from(k * k) / 2.0).exp()).collect();
    let norm: f64 = kernel.iter().sum();
    let blurred = |image: &Array2<f64>| {
        Array2::from_shape_fn((n, n), |(y, x)| {
            let value = |k: usize| (x + k).checked_sub(4).and_then(|x| image.get((y, x))).copied().unwrap_or_default();
            kernel.iter().enumerate().map(|(k, weight)| weight * value(k)).sum::<f64>() / norm
        })
    };
    let rows = blurred(&disk);
    blurred(&rows.reversed_axes()).reversed_axes() + FLOOR
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_probe_is_a_disk_of_the_stated_radius() {
        let probe = default_probe(64);
        // Radius σ √(2 ln 2) = 0.170 N = 10.9 px.
        let area = probe.sum();
        let radius = (area / std::f64::consts::PI).sqrt();
        assert!((radius - 10.9).abs() < 0.3, "{radius}");
        assert!(probe[[32, 32]] > 0.99 && probe[[0, 0]] < 1e-8);
    }

    #[test]
    fn a_wide_pattern_gives_a_narrow_probe_of_the_default_sum() {
        let patterns = |sigma: f32| {
            Array3::from_shape_fn((3, 64, 64), |(_, y, x)| {
                let r2 = (y as f32 - 32.0).powi(2) + (x as f32 - 32.0).powi(2);
                (-r2 / (2.0 * sigma * sigma)).exp()
            })
        };
        let area = |probe: &Array3<Complex32>| {
            let (sum, squares) =
                probe.iter().fold((0.0, 0.0), |sum, v| (sum.0 + v.norm_sqr(), sum.1 + v.norm_sqr().powi(2)));
            sum * sum / squares
        };
        let (narrow, wide) = (from_patterns(&patterns(4.0)), from_patterns(&patterns(1.5)));
        assert!(area(&narrow) < area(&wide), "{} {}", area(&narrow), area(&wide));
        for probe in [&narrow, &wide] {
            let sum: f64 = probe.iter().map(|v| f64::from(v.re)).sum();
            assert!((sum / default_probe(64).sum() - 1.0).abs() < 1e-5);
            assert_eq!(probe.dim(), (1, 64, 64));
        }
    }
}
