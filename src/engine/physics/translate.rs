//! Sub-pixel translation by bilinear interpolation (A§5.3).
//!
//! A bilinear shift is separable: two small matrix products with the banded matrices of [`bilinear_matrix`]. It is
//! exact for integer shifts, differentiable, identical on every backend, and can pad or crop at the same time.

use burn::tensor::{Device, Tensor};

use super::ComplexTensor;

/// (k, `rows`, `cols`) matrices of (k,) shifts in pixels, with entries `hat(i - j - start - shift)`,
/// `hat(t) = max(0, 1 - |t|)`.
///
/// Row `i` of the result takes content from column `i - start - shift`: content moves by `+shift`, and `start` is the
/// index of column 0 for shift 0 (positive pads, negative crops). Values outside count as 0.
pub fn bilinear_matrix(shift: Tensor<1>, rows: usize, cols: usize, start: isize, device: &Device) -> Tensor<3> {
    let k = shift.dims()[0];
    let row = Tensor::<1, burn::tensor::Int>::arange(0..rows as i64, device).float().reshape([1, rows, 1]);
    let col = Tensor::<1, burn::tensor::Int>::arange(0..cols as i64, device).float().reshape([1, 1, cols]);
    let distance = row - col - start as f32 - shift.reshape([k, 1, 1]);
    (distance.abs() * -1.0 + 1.0).clamp_min(0.0)
}

/// Batch of translations from a frame of side `from` to a frame of side `to` with the same center convention: the
/// smaller frame starts at index `|to - from| / 2` of the larger one.
#[derive(Debug, Clone)]
pub struct Translation {
    /// (k, to, from)
    rows: Tensor<3>,
    /// (k, from, to)
    columns: Tensor<3>,
}

impl Translation {
    /// * `shift`: (k, 2) in pixels, `(x, y)`; content moves by `+shift`.
    pub fn new(shift: Tensor<2>, from: usize, to: usize) -> Self {
        let device = shift.device();
        let k = shift.dims()[0];
        let start = if to >= from { ((to - from) / 2) as isize } else { -(((from - to) / 2) as isize) };
        let dx = shift.clone().narrow(1, 0, 1).reshape([k]);
        let dy = shift.narrow(1, 1, 1).reshape([k]);
        Self {
            rows: bilinear_matrix(dy, to, from, start, &device),
            columns: bilinear_matrix(dx, to, from, start, &device).swap_dims(1, 2),
        }
    }

    /// Translates real images: (k, from, from) → (k, to, to).
    pub fn apply(&self, images: Tensor<3>) -> Tensor<3> {
        self.rows.clone().matmul(images).matmul(self.columns.clone())
    }

    /// Translates complex images: (k, from, from) → (k, to, to).
    pub fn apply_complex(&self, images: ComplexTensor<3>) -> ComplexTensor<3> {
        images.map(|t| self.apply(t))
    }
}
