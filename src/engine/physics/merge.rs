//! Merges the overlapping patches of a group into one object, and extracts patches from it (A§5.2).

use super::gauge::gauge_phasors;
use super::{ComplexTensor, Translation, sum_over};
use burn::tensor::{Device, Tensor, TensorData};
use ndarray::{Array2, ArrayView2};

/// Denominator offset of the reference's merge with the central window; use 0 with other weights.
pub const COUNT_FLOOR: f64 = 1e-3;
/// Weight below which the canvas counts as uncovered; the largest weight of a patch is 1.
const COVERED: f64 = 1e-6;

/// Side in pixels of a canvas that holds every patch of a group: `N + 2·ceil(max |relative|)`.
///
/// * `largest_offset`: largest |x| or |y| of the relative positions, in pixels.
pub fn canvas_side(patch: usize, largest_offset: f64) -> usize {
    patch + 2 * largest_offset.abs().ceil() as usize
}

/// 1 in the central half of an (N, N) frame, `[N/4, N/4 + N/2)`, 0 outside.
pub fn central_window(n: usize) -> Array2<f32> {
    let inside = |i: usize| (n / 4..n / 4 + n / 2).contains(&i);
    Array2::from_shape_fn((n, n), |(y, x)| if inside(y) && inside(x) { 1.0 } else { 0.0 })
}

/// Weighted merge of overlapping patches. Numerator and denominator use the same weight.
#[derive(Debug, Clone)]
pub struct Merge {
    /// (1, N, N)
    weight: Tensor<3>,
    floor: f64,
}

impl Merge {
    /// * `weight`: (N, N), not negative: the central window or the probe intensity; scaled here to a maximum of 1.
    /// * `floor`: added to the denominator; [`COUNT_FLOOR`] with the central window for parity with the reference, else
    ///   0.
    pub fn new(weight: ArrayView2<f32>, floor: f64, device: &Device) -> Self {
        let (h, w) = weight.dim();
        let largest = weight.iter().fold(f32::MIN_POSITIVE, |a, &b| a.max(b));
        let values: Vec<f32> = weight.iter().map(|v| v / largest).collect();
        Self { weight: Tensor::from_data(TensorData::new(values, [1, h, w]), device), floor }
    }

    /// (N, N) weight, with a maximum of 1.
    pub fn weight(&self) -> Tensor<2> {
        self.weight.clone().squeeze_dim(0)
    }

    /// Merges each group on its own canvas.
    ///
    /// * `patches`: (g·c, N, N), the channels of a group in sequence.
    /// * `relative`: (g·c, 2), `(x, y)`, relative positions `-(c_k - c̄)` (A§2.4).
    /// * `canvas`: side M of a canvas, see [`canvas_side`].
    ///
    /// Returns the merged objects (g, M, M), zero where uncovered.
    pub fn merge(
        &self,
        patches: ComplexTensor<3>,
        relative: Tensor<2>,
        channels: usize,
        canvas: usize,
    ) -> ComplexTensor<3> {
        let (placed, weight) = self.translate(patches, relative, canvas);
        self.blend(placed, weight, channels)
    }

    /// Merges all patches on one canvas, after multiplying each unit of `channels` consecutive patches by the global
    /// phase that makes the units agree best. The phases carry no gradient.
    ///
    /// Arguments as in [`Self::merge`]; returns (1, M, M).
    pub fn merge_in_phase(
        &self,
        patches: ComplexTensor<3>,
        relative: Tensor<2>,
        channels: usize,
        canvas: usize,
    ) -> ComplexTensor<3> {
        let (placed, weight) = self.translate(patches, relative, canvas);
        let [k, m, _] = weight.dims();
        let units = k / channels;
        let share = (sum_over(weight.clone().without_autodiff(), 0) + COUNT_FLOOR).sqrt().recip();
        let flat = placed.clone().map(|t| {
            sum_over((t.without_autodiff() * share.clone()).reshape([units, channels, m * m]), 1)
                .reshape([units, m * m])
        });
        let phasor = gauge_phasors(flat).map(|t: Tensor<2>| {
            let t: Tensor<3> = t.reshape([units, 1, 1]).expand([units, channels, 1]).reshape([k, 1, 1]);
            if weight.is_autodiff() { t.autodiff() } else { t }
        });
        self.blend(placed * phasor, weight, k)
    }

    /// Extracts the patches of each group from its merged object: (g, M, M) → (g·c, N, N).
    pub fn extract(&self, merged: ComplexTensor<3>, relative: Tensor<2>, channels: usize) -> ComplexTensor<3> {
        let [g, m, _] = merged.re.dims();
        let cut = Translation::new(relative, m, self.weight.dims()[1]);
        let repeated = merged
            .map(|t: Tensor<3>| t.reshape([g, 1, m, m]).expand([g, channels, m, m]).reshape([g * channels, m, m]));
        cut.apply_complex(repeated)
    }

    /// Patches times weight, and weight, both translated to their positions: (k, M, M). Translated before the
    /// multiplication, as in the reference.
    fn translate(
        &self,
        patches: ComplexTensor<3>,
        relative: Tensor<2>,
        canvas: usize,
    ) -> (ComplexTensor<3>, Tensor<3>) {
        let [k, n, _] = patches.re.dims();
        let translation = Translation::new(relative.neg(), n, canvas);
        let weight = translation.apply(self.weight.clone().expand([k, n, n]));
        (translation.apply_complex(patches).map(|t| t * weight.clone()), weight)
    }

    /// Sums `channels` consecutive planes and divides by their summed weight: (k, M, M) → (k / channels, M, M).
    fn blend(&self, placed: ComplexTensor<3>, weight: Tensor<3>, channels: usize) -> ComplexTensor<3> {
        let [k, m, _] = weight.dims();
        let sum = |t: Tensor<3>| sum_over(t.reshape([k / channels, channels, m, m]), 1).reshape([k / channels, m, m]);
        let total = sum(weight);
        let covered = total.clone().greater_elem(COVERED).float();
        let inverse = covered / (total + self.floor).clamp_min(1e-12);
        placed.map(|t| sum(t) * inverse.clone())
    }
}
