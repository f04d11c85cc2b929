//! Merging the overlapping patches of a group into one object and cutting them out again (A§5.2).

use super::gauge::gauge_phasors;
use super::{ComplexTensor, Translation, sum_over};
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

/// Merges patches that overlap. Numerator and denominator share one weight (DESIGN §4.6).
#[derive(Debug, Clone)]
pub struct Merge {
    /// (1, N, N)
    weight: Tensor<3>,
    floor: f64,
}

impl Merge {
    /// * `weight`: (N, N), not negative: the central window, or the probe's intensity; scaled to a maximum of 1.
    /// * `floor`: added to the denominator; [`COUNT_FLOOR`] with the central window for parity, else 0.
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

    /// Merges every group on a canvas of its own.
    ///
    /// * `patches`: (g·c, N, N), the channels of a group one after the other.
    /// * `relative`: (g·c, 2), `(x, y)`, relative positions `-(c_k - c̄)` (A§2.4).
    /// * `canvas`: side M of a canvas, see [`canvas_side`].
    ///
    /// Returns the merged objects, (g, M, M), zero where nothing covers.
    pub fn merge(
        &self,
        patches: ComplexTensor<3>,
        relative: Tensor<2>,
        channels: usize,
        canvas: usize,
    ) -> ComplexTensor<3> {
        let (placed, weight) = self.place(patches, relative, canvas);
        self.blend(placed, weight, channels)
    }

    /// Merges all patches on one canvas after giving each unit of `channels` consecutive patches the global phase by which
    /// the units agree best. The phases carry no gradient.
    ///
    /// Arguments as in [`Self::merge`]; returns (1, M, M).
    pub fn merge_in_phase(
        &self,
        patches: ComplexTensor<3>,
        relative: Tensor<2>,
        channels: usize,
        canvas: usize,
    ) -> ComplexTensor<3> {
        let (placed, weight) = self.place(patches, relative, canvas);
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

    /// Cuts the patches of each group out of its merged object: (g, M, M) → (g·c, N, N).
    pub fn extract(&self, merged: ComplexTensor<3>, relative: Tensor<2>, channels: usize) -> ComplexTensor<3> {
        let [g, m, _] = merged.re.dims();
        let cut = Translation::new(relative, m, self.weight.dims()[1]);
        let repeated = merged
            .map(|t: Tensor<3>| t.reshape([g, 1, m, m]).expand([g, channels, m, m]).reshape([g * channels, m, m]));
        cut.apply_complex(repeated)
    }

    /// Patches times weight, and weight, both moved to their places: (k, M, M). Each is moved before they are multiplied, as
    /// the reference does.
    fn place(&self, patches: ComplexTensor<3>, relative: Tensor<2>, canvas: usize) -> (ComplexTensor<3>, Tensor<3>) {
        let [k, n, _] = patches.re.dims();
        let translation = Translation::new(relative.neg(), n, canvas);
        let weight = translation.apply(self.weight.clone().expand([k, n, n]));
        (translation.apply_complex(patches).map(|t| t * weight.clone()), weight)
    }

    /// Sums `channels` consecutive planes and divides by their weight.
    fn blend(&self, placed: ComplexTensor<3>, weight: Tensor<3>, channels: usize) -> ComplexTensor<3> {
        let [k, m, _] = weight.dims();
        let sum = |t: Tensor<3>| sum_over(t.reshape([k / channels, channels, m, m]), 1).reshape([k / channels, m, m]);
        let total = sum(weight);
        let covered = total.clone().greater_elem(COVERED).float();
        let inverse = covered / (total + self.floor).clamp_min(1e-12);
        placed.map(|t| sum(t) * inverse.clone())
    }
}
