//! Complex tensors as pairs of real ones.

use super::device::read;
use burn::tensor::Tensor;
use ndarray::{Array3, ArrayView3};
use num_complex::Complex32;

/// A complex tensor `re + i·im`; both parts have the same shape.
#[derive(Debug, Clone)]
pub struct ComplexTensor<const D: usize> {
    /// Real part.
    pub re: Tensor<D>,
    /// Imaginary part.
    pub im: Tensor<D>,
}

impl<const D: usize> ComplexTensor<D> {
    /// `amplitude · exp(i·phase)`.
    pub fn from_polar(amplitude: Tensor<D>, phase: Tensor<D>) -> Self {
        Self { re: amplitude.clone() * phase.clone().cos(), im: amplitude * phase.sin() }
    }

    /// The complex conjugate.
    pub fn conj(self) -> Self {
        Self { re: self.re, im: self.im.neg() }
    }

    /// `|z|²`.
    pub fn norm_sqr(self) -> Tensor<D> {
        self.re.clone() * self.re + self.im.clone() * self.im
    }

    /// Applies the same real-linear operation to both parts.
    pub fn map<const E: usize>(self, f: impl Fn(Tensor<D>) -> Tensor<E>) -> ComplexTensor<E> {
        ComplexTensor { re: f(self.re), im: f(self.im) }
    }
}

impl<const D: usize> std::ops::Mul for ComplexTensor<D> {
    type Output = Self;

    /// Elementwise complex product, with broadcasting.
    fn mul(self, other: Self) -> Self {
        Self {
            re: self.re.clone() * other.re.clone() - self.im.clone() * other.im.clone(),
            im: self.re * other.im + self.im * other.re,
        }
    }
}

impl ComplexTensor<3> {
    /// Uploads a host array to `device`.
    pub fn from_array(array: ArrayView3<Complex32>, device: &burn::tensor::Device) -> Self {
        let shape: [usize; 3] = array.dim().into();
        let part = |f: fn(&Complex32) -> f32| {
            let values: Vec<f32> = array.iter().map(f).collect();
            Tensor::from_data(burn::tensor::TensorData::new(values, shape), device)
        };
        Self { re: part(|z| z.re), im: part(|z| z.im) }
    }

    /// Downloads to a host array.
    ///
    /// # Errors
    /// If the device cannot be read.
    pub fn into_array(self) -> crate::error::Result<Array3<Complex32>> {
        let [a, b, c] = self.re.dims();
        let (re, im) = (read(self.re, "a result")?, read(self.im, "a result")?);
        let values = re.into_iter().zip(im).map(|(re, im)| Complex32::new(re, im)).collect();
        Array3::from_shape_vec((a, b, c), values)
            .map_err(|e| crate::error::Error::failed(format!("A result of the device has the wrong size ({e})")))
    }
}
