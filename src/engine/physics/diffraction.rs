//! Diffraction of an exit wave (A§5.4, A§5.5).

use super::{ComplexTensor, Propagator};
use crate::fourier::Propagation;
use burn::tensor::{Device, Tensor, TensorData};
use ndarray::ArrayView3;
use num_complex::Complex32;

/// Illumination by a known probe and propagation to the detector.
#[derive(Debug, Clone)]
pub struct Diffraction {
    /// (modes, N, N)
    probe: ComplexTensor<3>,
    propagator: Propagator,
    /// (N, N): right factor that smooths rows; symmetric.
    smoothing: Option<Tensor<2>>,
}

impl Diffraction {
    /// Forward model of a probe of shape (modes, N, N), already normalized.
    pub fn new(probe: ArrayView3<Complex32>, propagation: Propagation, device: &Device) -> Self {
        let n = probe.dim().1;
        Self {
            probe: ComplexTensor::from_array(probe, device),
            propagator: Propagator::new(n, propagation, device),
            smoothing: None,
        }
    }

    /// Convolves the exit wave with a 3 × 3 Gaussian of standard deviation `sigma` (pixels) before propagation (A§5.4);
    /// 0 disables the smoothing.
    #[must_use]
    pub fn smoothed(self, sigma: f64) -> Self {
        if sigma <= 0.0 {
            return self;
        }
        let n = self.probe.re.dims()[1];
        let side = (-0.5 / (sigma * sigma)).exp();
        let taps = [1.0 / (1.0 + 2.0 * side), side / (1.0 + 2.0 * side)];
        let value = |at: usize| taps.get((at / n).abs_diff(at % n)).map_or(0.0, |tap| *tap as f32);
        let matrix = TensorData::new((0..n * n).map(value).collect::<Vec<f32>>(), [n, n]);
        let smoothing = Some(Tensor::from_data(matrix, &self.probe.re.device()));
        Self { smoothing, ..self }
    }

    /// Replaces the probe by another one of shape (modes, N, N).
    #[must_use]
    pub fn with_probe(&self, probe: ComplexTensor<3>) -> Self {
        Self { probe, ..self.clone() }
    }

    /// Intensity (k, N, N) on the detector of (k, N, N) object patches; in a far field, with the zero frequency at
    /// `[N/2, N/2]`. Probe modes add incoherently. Parseval: Σ intensity = Σ |patch · probe|².
    pub fn intensity(&self, patches: ComplexTensor<3>) -> Tensor<3> {
        let modes = self.probe.re.dims()[0];
        let mode = |m: usize| {
            let probe = self.probe.clone().map(|t| t.narrow(0, m, 1));
            self.propagator.forward(self.smooth(patches.clone() * probe)).norm_sqr()
        };
        (1..modes).fold(mode(0), |sum, m| sum + mode(m))
    }

    fn smooth(&self, field: ComplexTensor<3>) -> ComplexTensor<3> {
        let Some(matrix) = &self.smoothing else { return field };
        let rows = |t: Tensor<3>| {
            let [k, n, _] = t.dims();
            t.reshape([k * n, n]).matmul(matrix.clone()).reshape([k, n, n]).swap_dims(1, 2)
        };
        field.map(|t| rows(rows(t)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::Array3;

    #[test]
    fn smoothing_spreads_the_exit_wave_over_neighboring_pixels_and_keeps_its_sum() {
        let device = Device::flex();
        let n = 16;
        let probe = Array3::from_elem((1, n, n), Complex32::ONE);
        let mut patch = Array3::<Complex32>::zeros((1, n, n));
        patch[[0, 7, 5]] = Complex32::new(0.0, 2.0);
        let patch = ComplexTensor::from_array(patch.view(), &device);
        let plain = Diffraction::new(probe.view(), Propagation::FarField, &device);
        let smoothed = plain.clone().smoothed(0.8);
        let e = (-0.5f32 / 0.64).exp();
        let kernel = [e / (1.0 + 2.0 * e), 1.0 / (1.0 + 2.0 * e), e / (1.0 + 2.0 * e)];
        let spread = smoothed.smooth(patch.clone()).into_array().unwrap();
        for ((_, y, x), value) in spread.indexed_iter() {
            let weight = |at: usize, middle: usize| kernel.get((at + 1).wrapping_sub(middle)).copied().unwrap_or(0.0);
            let expected = 2.0 * weight(y, 7) * weight(x, 5);
            assert!((value - Complex32::new(0.0, expected)).norm() < 1e-6, "{y} {x} {value}");
        }
        // The direct beam is the sum of the field, which is unchanged; the energy is not.
        let of = |d: &Diffraction| d.intensity(patch.clone()).try_into_vec_as::<f32>().unwrap();
        let (was, is) = (of(&plain), of(&smoothed));
        assert!((was[8 * n + 8] - is[8 * n + 8]).abs() < 1e-6);
        assert!(is.iter().sum::<f32>() < 0.5 * was.iter().sum::<f32>());
        assert_eq!(of(&plain.clone().smoothed(0.0)), was);
    }

    #[test]
    fn the_probe_can_be_replaced_and_modes_add_incoherently() {
        let device = Device::flex();
        let field = |seed: f32| {
            Array3::from_shape_fn((1, 8, 8), |(_, y, x)| {
                Complex32::from_polar(1.0 + 0.1 * y as f32, seed * (x as f32 - 0.3 * y as f32))
            })
        };
        let (one, other, patch) = (field(0.2), field(0.7), ComplexTensor::from_array(field(0.4).view(), &device));
        let both = ndarray::concatenate(ndarray::Axis(0), &[one.view(), other.view()]).unwrap();
        let of = |d: &Diffraction| d.intensity(patch.clone()).try_into_vec_as::<f32>().unwrap();
        let first = Diffraction::new(one.view(), Propagation::FarField, &device);
        let second = first.with_probe(ComplexTensor::from_array(other.view(), &device));
        let together = Diffraction::new(both.view(), Propagation::FarField, &device);
        for ((a, b), sum) in of(&first).iter().zip(of(&second)).zip(of(&together)) {
            assert!((a + b - sum).abs() < 1e-4 * sum.max(1.0));
        }
        assert_ne!(of(&first), of(&second));
    }
}
