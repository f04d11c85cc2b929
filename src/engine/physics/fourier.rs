//! The two-dimensional discrete Fourier transform on a device, and propagation of waves with it.

use super::ComplexTensor;
use crate::fourier::Propagation;
use burn::tensor::{Device, Tensor, TensorData};

/// Orthonormal transforms of (k, N, N) fields with the zero frequency at `[N/2, N/2]`; kernel exp(-2πi·) forward.
///
/// Computed as two matrix products: for N = 64 to 256 this is faster than an FFT on every backend, and differentiable
/// as is. The matrices include the shift of the zero frequency.
#[derive(Debug, Clone)]
pub struct CenteredFourier {
    /// (2N, 2N) right factors that transform rows `[re | im]`.
    forward: Tensor<2>,
    inverse: Tensor<2>,
}

impl CenteredFourier {
    /// Transforms of fields of side `n`.
    pub fn new(n: usize, device: &Device) -> Self {
        Self { forward: row_matrix(n, false, device), inverse: row_matrix(n, true, device) }
    }

    /// Spectra (k, N, N) of (k, N, N) fields.
    pub fn forward(&self, field: ComplexTensor<3>) -> ComplexTensor<3> {
        both_axes(field, &self.forward)
    }

    /// Fields (k, N, N) of (k, N, N) spectra.
    pub fn inverse(&self, spectrum: ComplexTensor<3>) -> ComplexTensor<3> {
        both_axes(spectrum, &self.inverse)
    }
}

/// Orthonormal propagation of (k, N, N) exit waves to the detector and back; in a far field, the detector has the zero
/// frequency at `[N/2, N/2]`.
#[derive(Debug, Clone)]
pub struct Propagator {
    fourier: CenteredFourier,
    /// (1, N, N) factor of the spectrum in a near field.
    transfer: Option<ComplexTensor<3>>,
}

impl Propagator {
    /// Propagation of waves of side `n`.
    pub fn new(n: usize, propagation: Propagation, device: &Device) -> Self {
        let frequency = |k: usize| (k as f64 - (n / 2) as f64) / n as f64;
        let factors: Option<Vec<_>> =
            (0..n * n).map(|at| propagation.transfer(frequency(at / n), frequency(at % n))).collect();
        let transfer = factors.map(|factors| {
            let part = |value: fn(&num_complex::Complex64) -> f64| {
                let values: Vec<f32> = factors.iter().map(|factor| value(factor) as f32).collect();
                Tensor::from_data(TensorData::new(values, [1, n, n]), device)
            };
            ComplexTensor { re: part(|factor| factor.re), im: part(|factor| factor.im) }
        });
        Self { fourier: CenteredFourier::new(n, device), transfer }
    }

    /// Fields on the detector (k, N, N) of exit waves (k, N, N).
    pub fn forward(&self, wave: ComplexTensor<3>) -> ComplexTensor<3> {
        let spectrum = self.fourier.forward(wave);
        match &self.transfer {
            Some(transfer) => self.fourier.inverse(spectrum * transfer.clone()),
            None => spectrum,
        }
    }

    /// Exit waves (k, N, N) of fields on the detector (k, N, N).
    pub fn inverse(&self, field: ComplexTensor<3>) -> ComplexTensor<3> {
        self.fourier.inverse(match &self.transfer {
            Some(transfer) => self.fourier.forward(field) * transfer.clone().conj(),
            None => field,
        })
    }

    /// (1, N, N) factor of the spectrum in a near field; `None` in a far field.
    pub fn transfer(&self) -> Option<&ComplexTensor<3>> {
        self.transfer.as_ref()
    }

    /// The transform itself, without propagation.
    pub fn fourier(&self) -> &CenteredFourier {
        &self.fourier
    }
}

fn both_axes(field: ComplexTensor<3>, matrix: &Tensor<2>) -> ComplexTensor<3> {
    // Rows first; swapping the axes turns columns into rows, and a second swap restores the order.
    let once = rows(field, matrix).map(|t| t.swap_dims(1, 2));
    rows(once, matrix).map(|t| t.swap_dims(1, 2))
}

fn rows(field: ComplexTensor<3>, matrix: &Tensor<2>) -> ComplexTensor<3> {
    let [k, n, _] = field.re.dims();
    let rows = Tensor::cat(vec![field.re, field.im], 2).reshape([k * n, 2 * n]);
    let out = rows.matmul(matrix.clone()).reshape([k, n, 2 * n]);
    ComplexTensor { re: out.clone().narrow(2, 0, n), im: out.narrow(2, n, n) }
}

/// `[[Re W, Im W], [-Im W, Re W]]` with `W[j, k] = exp(-2πi (k - N/2) j / N) / √N` from pixel `j` to frequency `k`, or
/// its inverse, the conjugate transpose.
fn row_matrix(n: usize, inverse: bool, device: &Device) -> Tensor<2> {
    let mut values = vec![0f32; 4 * n * n];
    let scale = 1.0 / (n as f64).sqrt();
    for j in 0..n {
        for k in 0..n {
            // Reduced modulo N as integers, so that the angle is exact.
            let turns = ((k + n - n / 2) * j) % n;
            let (sin, cos) = (-2.0 * std::f64::consts::PI * turns as f64 / n as f64).sin_cos();
            let (re, im) = ((cos * scale) as f32, (sin * scale) as f32);
            let (from, to, im) = if inverse { (k, j, -im) } else { (j, k, im) };
            values[from * 2 * n + to] = re;
            values[from * 2 * n + n + to] = im;
            values[(n + from) * 2 * n + to] = -im;
            values[(n + from) * 2 * n + n + to] = re;
        }
    }
    Tensor::from_data(TensorData::new(values, [2 * n, 2 * n]), device)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::Array3;
    use num_complex::Complex32;

    #[test]
    fn the_inverse_restores_the_field_and_a_constant_has_one_frequency() {
        let device = Device::flex();
        let n = 12;
        let fourier = CenteredFourier::new(n, &device);
        let field = Array3::from_shape_fn((2, n, n), |(k, y, x)| {
            if k == 0 { Complex32::new(1.0, 0.0) } else { Complex32::new((y * 5 % 7) as f32, (x * 3 % 11) as f32) }
        });
        let spectrum = fourier.forward(ComplexTensor::from_array(field.view(), &device));
        let back = fourier.inverse(spectrum.clone()).into_array().unwrap();
        assert!(back.iter().zip(&field).all(|(a, b)| (a - b).norm() < 1e-4));
        let spectrum = spectrum.into_array().unwrap();
        for ((k, y, x), value) in spectrum.indexed_iter().filter(|((k, ..), _)| *k == 0) {
            let expected = if (y, x) == (n / 2, n / 2) { n as f32 } else { 0.0 };
            assert!((value - expected).norm() < 1e-4, "{k} {y} {x}: {value}");
        }
    }

    #[test]
    fn propagation_agrees_with_the_one_in_main_memory_and_is_reversible() {
        use crate::fourier::{Propagator as OnHost, Scratch};
        let (device, n) = (Device::flex(), 20);
        let wave = Array3::from_shape_fn((1, n, n), |(_, y, x)| Complex32::from_polar(1.0 + (y % 3) as f32, x as f32));
        for propagation in [Propagation::FarField, Propagation::NearField { fresnel_number: 0.2 }] {
            let propagator = Propagator::new(n, propagation, &device);
            let field = propagator.forward(ComplexTensor::from_array(wave.view(), &device));
            let back = propagator.inverse(field.clone()).into_array().unwrap();
            assert!(back.iter().zip(&wave).all(|(a, b)| (a - b).norm() < 1e-4), "{propagation:?}");
            let field = field.into_array().unwrap();
            let on_host = OnHost::new(n, propagation);
            let (mut copy, mut made) = (wave.iter().copied().collect::<Vec<_>>(), vec![Complex32::default(); n * n]);
            on_host.forward(&mut copy, &mut made, &mut Scratch::default());
            for ((_, y, x), value) in field.indexed_iter() {
                // Up to a phase of the far field, which comes from the place of the origin.
                let other = made[on_host.index_of(y, x)] / n as f32;
                assert!((value.norm() - other.norm()).abs() < 1e-4, "{propagation:?} {y} {x}");
                assert!(propagation == Propagation::FarField || (value - other).norm() < 1e-4, "{y} {x}");
            }
            on_host.inverse(&mut made, &mut copy, &mut Scratch::default());
            assert!(copy.iter().zip(&wave).all(|(a, b)| (a / (n * n) as f32 - b).norm() < 1e-4), "{propagation:?}");
        }
    }
}
