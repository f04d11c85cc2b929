//! Merging the overlapping patches of a group into one object and cutting them out again (A§5.2).

use super::{ComplexTensor, Translation};
use burn::tensor::{Device, Tensor, TensorData};
use ndarray::{Array2, ArrayView2};

/// Denominator offset of the reference's merge with the central window; with other weights use 0.
pub const COUNT_FLOOR: f64 = 1e-3;
/// Below this share of the largest weight the canvas counts as uncovered.
const COVERED: f64 = 1e-6;

/// Side of a canvas that holds every patch of a group: `N + 2·ceil(max |relative|)` (DESIGN §4.6).
///
/// * `largest_offset`: largest |x| or |y| of any relative position, in pixels.
pub fn canvas_side(patch: usize, largest_offset: f64) -> usize {
    patch + 2 * largest_offset.abs().ceil() as usize
}

/// 1 in the central half of an (N, N) frame, `[N/4, N/4 + N/2)`, 0 outside.
pub fn central_window(n: usize) -> Array2<f32> {
    let inside = |i: usize| (n / 4..n / 4 + n / 2).contains(&i);
    Array2::from_shape_fn((n, n), |(y, x)| if inside(y) && inside(x) { 1.0 } else { 0.0 })
}

/// Merges groups of patches. Numerator and denominator share one weight (DESIGN §4.6).
#[derive(Debug, Clone)]
pub struct Merge {
    /// (1, N, N)
    weight: Tensor<3>,
    floor: f64,
    canvas: usize,
}

impl Merge {
    /// * `weight`: (N, N), not negative: the central window, or the probe's intensity (scaled to a maximum of 1).
    /// * `floor`: added to the denominator; [`COUNT_FLOOR`] with the central window for parity, else 0.
    /// * `canvas`: side of the merged object, see [`canvas_side`].
    pub fn new(weight: ArrayView2<f32>, floor: f64, canvas: usize, device: &Device) -> Self {
        let (h, w) = weight.dim();
        let largest = weight.iter().fold(f32::MIN_POSITIVE, |a, &b| a.max(b));
        let values: Vec<f32> = weight.iter().map(|v| v / largest).collect();
        Self { weight: Tensor::from_data(TensorData::new(values, [1, h, w]), device), floor, canvas }
    }

    /// * `patches`: (g·c, N, N), the channels of a group one after the other.
    /// * `relative`: (g·c, 2), `(x, y)`, relative positions `-(c_k - c̄)` (A§2.4).
    ///
    /// Returns the merged objects, (g, M, M), zero where nothing covers.
    pub fn merge(&self, patches: ComplexTensor<3>, relative: Tensor<2>, channels: usize) -> ComplexTensor<3> {
        let [k, n, _] = patches.re.dims();
        let m = self.canvas;
        let place = Translation::new(relative.neg(), n, m);
        let weight = self.weight.clone().expand([k, n, n]);
        let sum = |t: Tensor<3>| t.reshape([k / channels, channels, m, m]).sum_dim(1).reshape([k / channels, m, m]);
        // The patch is shifted first and weighted afterwards, as the reference does.
        let moved_weight = place.apply(weight);
        let total = sum(moved_weight.clone());
        let covered = total.clone().greater_elem(COVERED).float();
        let inverse = covered / (total + self.floor).clamp_min(1e-12);
        place.apply_complex(patches).map(|t| sum(t * moved_weight.clone()) * inverse.clone())
    }

    /// Cuts the patches of each group out of its merged object: (g, M, M) → (g·c, N, N).
    pub fn extract(&self, merged: ComplexTensor<3>, relative: Tensor<2>, channels: usize, n: usize) -> ComplexTensor<3> {
        let [g, m, _] = merged.re.dims();
        let cut = Translation::new(relative, m, n);
        let repeated = merged.map(|t: Tensor<3>| {
            t.reshape([g, 1, m, m]).expand([g, channels, m, m]).reshape([g * channels, m, m])
        });
        cut.apply_complex(repeated)
    }
}
