//! Far-field diffraction of an exit wave (A§5.4, A§5.5).

use super::ComplexTensor;
use burn::tensor::{Device, Tensor, TensorData};
use ndarray::ArrayView3;
use num_complex::Complex32;

/// Illumination by a known probe and propagation to the detector.
///
/// The two-dimensional discrete Fourier transform is done as two matrix products: for N = 64 to 256 this is faster
/// than a fast Fourier transform on every backend, and differentiable without further ado. The matrix already
/// moves the zero frequency to index N/2.
#[derive(Debug, Clone)]
pub struct Diffraction {
    /// (modes, N, N)
    probe: ComplexTensor<3>,
    /// (2N, 2N): right factor that transforms rows `[re | im]`.
    dft: Tensor<2>,
}

impl Diffraction {
    /// For a probe of shape (modes, N, N), already normalised.
    pub fn new(probe: ArrayView3<Complex32>, device: &Device) -> Self {
        let n = probe.dim().1;
        Self { probe: ComplexTensor::from_array(probe, device), dft: dft_matrix(n, device) }
    }

    /// (k, N, N) object patches → (k, N, N) intensity with the zero frequency at `[N/2, N/2]`; the modes of the
    /// probe add incoherently. Parseval: Σ intensity = Σ |patch · probe|².
    pub fn intensity(&self, patches: ComplexTensor<3>) -> Tensor<3> {
        let modes = self.probe.re.dims()[0];
        let mode = |m: usize| {
            let probe = self.probe.clone().map(|t| t.narrow(0, m, 1));
            self.transform(patches.clone() * probe).norm_sqr()
        };
        (1..modes).fold(mode(0), |sum, m| sum + mode(m))
    }

    /// Shifted orthonormal Fourier transform of (k, N, N) fields.
    pub fn transform(&self, field: ComplexTensor<3>) -> ComplexTensor<3> {
        // Rows first; the swap of axes makes columns rows, and a second swap restores the order.
        let once = self.transform_rows(field).map(|t| t.swap_dims(1, 2));
        self.transform_rows(once).map(|t| t.swap_dims(1, 2))
    }

    fn transform_rows(&self, field: ComplexTensor<3>) -> ComplexTensor<3> {
        let [k, n, _] = field.re.dims();
        let rows = Tensor::cat(vec![field.re, field.im], 2).reshape([k * n, 2 * n]);
        let out = rows.matmul(self.dft.clone()).reshape([k, n, 2 * n]);
        ComplexTensor { re: out.clone().narrow(2, 0, n), im: out.narrow(2, n, n) }
    }
}

/// `[[Re Wᵀ, Im Wᵀ], [-Im Wᵀ, Re Wᵀ]]` with `W[k, j] = exp(-2πi (k - N/2) j / N) / √N`.
fn dft_matrix(n: usize, device: &Device) -> Tensor<2> {
    let mut values = vec![0f32; 4 * n * n];
    let scale = 1.0 / (n as f64).sqrt();
    for j in 0..n {
        for k in 0..n {
            // The argument is reduced modulo N in integers, so that the angle is exact.
            let turns = ((k + n - n / 2) * j) % n;
            let (sin, cos) = (-2.0 * std::f64::consts::PI * turns as f64 / n as f64).sin_cos();
            let (re, im) = ((cos * scale) as f32, (sin * scale) as f32);
            values[j * 2 * n + k] = re;
            values[j * 2 * n + n + k] = im;
            values[(n + j) * 2 * n + k] = -im;
            values[(n + j) * 2 * n + n + k] = re;
        }
    }
    Tensor::from_data(TensorData::new(values, [2 * n, 2 * n]), device)
}
