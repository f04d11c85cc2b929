//! Propagation of a probe along the beam: the wave in other planes, and the widths of the beam around its focus.
//!
//! Distances are in units of p²/λ, the side of an object pixel squared over the wavelength, so that neither has to be known.

use crate::fourier::{Fft2, Propagation, frequency};
use ndarray::{Array2, Array3, ArrayView2, ArrayView3, Axis};
use num_complex::Complex32;
use rayon::prelude::*;

/// Intensity of a probe along the beam.
#[derive(Debug, Clone, PartialEq)]
pub struct Caustic {
    /// Distance of each plane from that of the probe, in units of p²/λ, ascending.
    pub distances: Vec<f64>,
    /// (planes, N) intensity summed over y.
    pub along_x: Array2<f32>,
    /// (planes, N) intensity summed over x.
    pub along_y: Array2<f32>,
    /// Root mean square radius of the intensity in each plane, pixels.
    pub radii: Vec<f64>,
}

impl Caustic {
    /// Index of the plane with the smallest radius.
    pub fn focus(&self) -> usize {
        let radii = self.radii.iter().enumerate().filter(|(_, radius)| radius.is_finite());
        radii.min_by(|a, b| a.1.total_cmp(b.1)).map_or(0, |(at, _)| at)
    }
}

/// Intensity of a plane summed over y, over x, and its radius.
type Slice = (Vec<f32>, Vec<f32>, f64);

/// Probe (modes, N, N) in a plane at this distance, in units of p²/λ.
pub fn propagated(probe: ArrayView3<'_, Complex32>, distance: f64) -> Array3<Complex32> {
    let mut moved = probe.to_owned();
    for mut mode in moved.axis_iter_mut(Axis(0)) {
        let wave = propagated_mode(mode.view(), distance);
        mode.assign(&wave);
    }
    moved
}

/// Intensity in `planes` planes from `-reach` to `reach`, at least two.
pub fn caustic(probe: ArrayView3<'_, Complex32>, reach: f64, planes: usize) -> Caustic {
    let planes = planes.max(2);
    let (_, height, width) = probe.dim();
    let distances: Vec<f64> = (0..planes).map(|at| reach * (2.0 * at as f64 / (planes - 1) as f64 - 1.0)).collect();
    let slices: Vec<Slice> = distances
        .par_iter()
        .map(|distance| {
            let mut intensity = Array2::<f32>::zeros((height, width));
            for mode in probe.axis_iter(Axis(0)) {
                let wave = propagated_mode(mode, *distance);
                intensity.zip_mut_with(&wave, |sum, value| *sum += value.norm_sqr());
            }
            (intensity.sum_axis(Axis(0)).to_vec(), intensity.sum_axis(Axis(1)).to_vec(), radius(intensity.view()))
        })
        .collect();
    let stacked = |part: fn(&Slice) -> Vec<f32>, length: usize| {
        let values: Vec<f32> = slices.iter().flat_map(part).collect();
        Array2::from_shape_vec((planes, length), values).unwrap_or_default()
    };
    Caustic {
        along_x: stacked(|slice| slice.0.clone(), width),
        along_y: stacked(|slice| slice.1.clone(), height),
        radii: slices.iter().map(|slice| slice.2).collect(),
        distances,
    }
}

fn propagated_mode(mode: ArrayView2<'_, Complex32>, distance: f64) -> Array2<Complex32> {
    let (height, width) = mode.dim();
    if distance == 0.0 || mode.is_empty() {
        return mode.to_owned();
    }
    let propagation = Propagation::NearField { fresnel_number: distance.recip() };
    let fft = Fft2::<f32>::new(height, width);
    let mut wave: Vec<Complex32> = mode.iter().copied().collect();
    fft.forward_in_place(&mut wave);
    let scale = 1.0 / (height * width) as f64;
    for (at, value) in wave.iter_mut().enumerate() {
        let factor =
            propagation.transfer(frequency(at / width, height), frequency(at % width, width)).unwrap_or_default();
        *value *= Complex32::new((factor.re * scale) as f32, (factor.im * scale) as f32);
    }
    fft.inverse_in_place(&mut wave);
    Array2::from_shape_vec((height, width), wave).unwrap_or_else(|_| mode.to_owned())
}

/// Root mean square distance of the intensity from its center of mass.
fn radius(intensity: ArrayView2<'_, f32>) -> f64 {
    let (mut sum, mut first, mut second) = (0.0, [0.0; 2], 0.0);
    for ((y, x), value) in intensity.indexed_iter() {
        let (value, x, y) = (f64::from(*value), x as f64, y as f64);
        sum += value;
        first[0] += value * x;
        first[1] += value * y;
        second += value * (x * x + y * y);
    }
    let [x, y] = first.map(|first| first / sum);
    (second / sum - x * x - y * y).max(0.0).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A Gaussian beam of this waist, radius at 1/e² of the intensity.
    fn gaussian(side: usize, waist: f64) -> Array3<Complex32> {
        let middle = side as f64 / 2.0;
        Array3::from_shape_fn((1, side, side), |(_, y, x)| {
            let square = (x as f64 - middle).powi(2) + (y as f64 - middle).powi(2);
            Complex32::new((-square / (waist * waist)).exp() as f32, 0.0)
        })
    }

    #[test]
    fn a_gaussian_beam_widens_as_theory_says_and_its_focus_is_found() {
        let waist = 5.0;
        let probe = gaussian(128, waist);
        // Radius sqrt(2)/2 w of the intensity, w(z) = w0 sqrt(1 + (λz/(π w0²))²).
        let expected = |distance: f64| {
            let rayleigh = std::f64::consts::PI * waist * waist;
            waist * (1.0 + (distance / rayleigh).powi(2)).sqrt() / 2f64.sqrt()
        };
        let moved = propagated(probe.view(), 60.0);
        let around = caustic(moved.view(), 120.0, 13);
        for (distance, radius) in around.distances.iter().zip(&around.radii) {
            let theory = expected(distance + 60.0);
            assert!((radius / theory - 1.0).abs() < 0.02, "{distance}: {radius} instead of {theory}");
        }
        assert_eq!(around.distances[around.focus()], -60.0);
        let energy = |probe: &Array3<Complex32>| probe.iter().map(|v| f64::from(v.norm_sqr())).sum::<f64>();
        assert!((energy(&moved) / energy(&probe) - 1.0).abs() < 1e-4);
        assert_eq!((around.along_x.dim(), around.along_y.dim()), ((13, 128), (13, 128)));
        let back = propagated(moved.view(), -60.0);
        assert!(back.iter().zip(&probe).all(|(a, b)| (a - b).norm() < 1e-4));
    }
}
