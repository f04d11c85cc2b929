//! Multi-scale structural similarity: the reference's variant and the published definition.

use ndarray::{Array2, ArrayView2};

use super::errors::span;
use super::ssim::{SSIM_WINDOW, ssim};
use crate::error::{Problem, Result};

/// Weights of the scales, finest first (Wang, Simoncelli & Bovik 2003).
pub const MS_SSIM_WEIGHTS: [f64; 5] = [0.0448, 0.2856, 0.3001, 0.2363, 0.1333];
/// Value that the reference substitutes for a negative similarity.
const NEGATIVE_SSIM: f64 = 1e-4;
/// Side and standard deviation of the Gaussian window of the published definition, pixels.
const GAUSSIAN_WINDOW: usize = 11;
const GAUSSIAN_SIGMA: f64 = 1.5;

/// MS-SSIM as in the reference (A§8.3), for comparison with its numbers.
///
/// Both (h, w) images are smoothed by a Gaussian of `sigma` pixels (0: no smoothing). The complete SSIM of each scale
/// enters with its weight. Scales take every other pixel; those below 7 pixels are omitted without renormalizing the
/// weights. [`ms_ssim_standard`] follows the literature.
///
/// # Errors
/// Different shapes, a side below 7 pixels, two constant images.
pub fn ms_ssim(truth: ArrayView2<'_, f64>, image: ArrayView2<'_, f64>, sigma: f64) -> Result<f64> {
    let (mut truth, mut image) = (smooth(truth.to_owned(), sigma), smooth(image.to_owned(), sigma));
    let data_range = span(truth.view()).max(span(image.view()));
    let mut product = 1.0;
    for weight in MS_SSIM_WEIGHTS {
        let value = ssim(truth.view(), image.view(), data_range)?;
        product *= if value < 0.0 { NEGATIVE_SSIM } else { value }.powf(weight);
        (truth, image) = (every_other(&truth), every_other(&image));
        if truth.nrows().min(truth.ncols()) < SSIM_WINDOW {
            break;
        }
    }
    Ok(if product.is_nan() { 0.0 } else { product })
}

/// Multi-scale similarity, with its number of scales.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MsSsim {
    /// 1 for equal images, 0 if a scale does not correlate at all.
    pub value: f64,
    /// Number of scales, at most five; with fewer, the weights are renormalized to a sum of 1.
    pub scales: usize,
}

/// MS-SSIM of two (h, w) images as published (Wang, Simoncelli & Bovik 2003).
///
/// Gaussian 11 × 11 window with σ = 1.5, K1 = 0.01, K2 = 0.03; contrast and structure at every scale, luminance at the
/// coarsest; 2 × 2 means between scales. Negative means count as 0. Five scales require sides of at least 176 pixels.
///
/// # Errors
/// Different shapes, a side below 11 pixels, a data range that is not above zero.
pub fn ms_ssim_standard(truth: ArrayView2<'_, f64>, image: ArrayView2<'_, f64>, data_range: f64) -> Result<MsSsim> {
    let (height, width) = truth.dim();
    let side = height.min(width);
    if truth.dim() != image.dim() || side < GAUSSIAN_WINDOW {
        return Err(Problem::new(format!(
            "MS-SSIM cannot compare images of shape ({height}, {width}) and {:?}",
            image.dim()
        ))
        .expected(format!("equal shapes of at least {GAUSSIAN_WINDOW} × {GAUSSIAN_WINDOW} pixels"))
        .into());
    }
    if !(data_range > 0.0 && data_range.is_finite()) {
        return Err(Problem::new(format!("MS-SSIM needs a data range above zero, not {data_range}"))
            .hint("The reference image may be constant")
            .into());
    }
    let scales = (1..MS_SSIM_WEIGHTS.len()).take_while(|scale| side >> scale >= GAUSSIAN_WINDOW).count() + 1;
    let total: f64 = MS_SSIM_WEIGHTS.iter().take(scales).sum();
    let (mut truth, mut image) = (truth.to_owned(), image.to_owned());
    let mut value = 1.0_f64;
    for (scale, weight) in MS_SSIM_WEIGHTS.iter().take(scales).enumerate() {
        let (full, contrast) = gaussian_ssim(&truth, &image, data_range);
        let of_scale = if scale + 1 == scales { full } else { contrast };
        value *= of_scale.max(0.0).powf(weight / total);
        (truth, image) = (halve(&truth), halve(&image));
    }
    Ok(MsSsim { value, scales })
}

/// Means of the SSIM map and of its contrast-structure part, over the Gaussian windows inside the image.
fn gaussian_ssim(truth: &Array2<f64>, image: &Array2<f64>, data_range: f64) -> (f64, f64) {
    let kernel = gaussian(GAUSSIAN_WINDOW / 2, GAUSSIAN_SIGMA);
    let means = |image: &Array2<f64>| inside(image, &kernel);
    let (mean_t, mean_p) = (means(truth), means(image));
    let (mean_tt, mean_pp, mean_tp) = (means(&(truth * truth)), means(&(image * image)), means(&(truth * image)));
    let (c1, c2) = ((0.01 * data_range).powi(2), (0.03 * data_range).powi(2));
    let (mut full, mut contrast) = (0.0, 0.0);
    for (index, &t) in mean_t.indexed_iter() {
        let p = mean_p[index];
        let structure = (2.0 * (mean_tp[index] - t * p) + c2) / (mean_tt[index] - t * t + mean_pp[index] - p * p + c2);
        contrast += structure;
        full += structure * (2.0 * t * p + c1) / (t * t + p * p + c1);
    }
    let count = mean_t.len() as f64;
    (full / count, contrast / count)
}

/// Gaussian weights for offsets from −radius to radius, with sum 1.
fn gaussian(radius: usize, sigma: f64) -> Vec<f64> {
    let weights: Vec<f64> =
        (0..=2 * radius).map(|i| (-0.5 * ((i as f64 - radius as f64) / sigma).powi(2)).exp()).collect();
    let sum: f64 = weights.iter().sum();
    weights.into_iter().map(|w| w / sum).collect()
}

/// Convolution with a separable kernel, only where the kernel lies inside the image.
fn inside(image: &Array2<f64>, kernel: &[f64]) -> Array2<f64> {
    let (height, width) = image.dim();
    let less = kernel.len() - 1;
    let dot = |at: &dyn Fn(usize) -> f64| kernel.iter().enumerate().map(|(i, w)| w * at(i)).sum::<f64>();
    let along = Array2::from_shape_fn((height, width - less), |(y, x)| dot(&|i| image[(y, x + i)]));
    Array2::from_shape_fn((height - less, width - less), |(y, x)| dot(&|i| along[(y + i, x)]))
}

/// Gaussian filter, truncated at 4 σ, mirrored at the edges with the edge pixel repeated; same shape.
fn smooth(image: Array2<f64>, sigma: f64) -> Array2<f64> {
    if sigma.is_nan() || sigma <= 0.0 {
        return image;
    }
    let radius = (4.0 * sigma + 0.5) as usize;
    let kernel = gaussian(radius, sigma);
    let (height, width) = image.dim();
    let padded = Array2::from_shape_fn((height + 2 * radius, width + 2 * radius), |(y, x)| {
        image[(mirrored(y, radius, height), mirrored(x, radius, width))]
    });
    inside(&padded, &kernel)
}

/// Index in an axis of this length for index `i` of the axis extended by `radius` mirrored pixels on both sides.
pub(super) fn mirrored(i: usize, radius: usize, length: usize) -> usize {
    let at = (i as i64 - radius as i64).rem_euclid(2 * length as i64) as usize;
    if at < length { at } else { 2 * length - 1 - at }
}

/// Pixels with even row and column.
fn every_other(image: &Array2<f64>) -> Array2<f64> {
    image.slice(ndarray::s![..;2, ..;2]).to_owned()
}

/// Means of 2 × 2 pixels; the last row or column of an odd side is dropped.
fn halve(image: &Array2<f64>) -> Array2<f64> {
    Array2::from_shape_fn((image.nrows() / 2, image.ncols() / 2), |(y, x)| {
        let (y, x) = (2 * y, 2 * x);
        (image[(y, x)] + image[(y, x + 1)] + image[(y + 1, x)] + image[(y + 1, x + 1)]) / 4.0
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(side: usize, shift: f64) -> Array2<f64> {
        Array2::from_shape_fn((side, side + 3), |(y, x)| {
            0.5 + 0.3 * (0.31 * y as f64 + shift).sin() * (0.23 * x as f64).cos() + 0.1 * (1.9 * x as f64 + shift).sin()
        })
    }

    #[test]
    fn equal_images_have_similarity_one_in_both_variants() {
        let image = pattern(180, 0.0);
        assert!((ms_ssim(image.view(), image.view(), 1.0).unwrap() - 1.0).abs() < 1e-12);
        let standard = ms_ssim_standard(image.view(), image.view(), 1.0).unwrap();
        assert!((standard.value - 1.0).abs() < 1e-12 && standard.scales == 5, "{standard:?}");
        assert_eq!(ms_ssim_standard(pattern(96, 0.0).view(), pattern(96, 0.0).view(), 1.0).unwrap().scales, 4);
        assert_eq!(ms_ssim_standard(pattern(11, 0.0).view(), pattern(11, 0.0).view(), 1.0).unwrap().scales, 1);
    }

    #[test]
    fn both_variants_decrease_with_distortion() {
        let image = pattern(180, 0.0);
        let values = |shift: f64| {
            let other = pattern(180, shift);
            let standard = ms_ssim_standard(image.view(), other.view(), 1.0).unwrap().value;
            [ms_ssim(image.view(), other.view(), 0.0).unwrap(), standard]
        };
        let (little, much) = (values(0.1), values(0.5));
        for (little, much) in little.into_iter().zip(much) {
            assert!(1.0 > little && little > much && much > 0.0, "{little} {much}");
        }
    }

    #[test]
    fn only_luminance_separates_constant_images_at_the_coarsest_scale() {
        let (a, b) = (Array2::from_elem((180, 180), 0.4), Array2::from_elem((180, 180), 0.6));
        let luminance: f64 = (2.0 * 0.24 + 1e-4) / (0.16 + 0.36 + 1e-4);
        let found = ms_ssim_standard(a.view(), b.view(), 1.0).unwrap().value;
        assert!(
            (found - luminance.powf(MS_SSIM_WEIGHTS[4] / MS_SSIM_WEIGHTS.iter().sum::<f64>())).abs() < 1e-9,
            "{found}"
        );
    }

    #[test]
    fn smoothing_keeps_a_constant_and_mirrors_the_edge() {
        let flat = smooth(Array2::from_elem((5, 9), 2.5), 1.0);
        assert!(flat.iter().all(|v| (v - 2.5).abs() < 1e-12) && flat.dim() == (5, 9));
        let order: Vec<usize> = (0..9).map(|i| mirrored(i, 3, 3)).collect();
        assert_eq!(order, [2, 1, 0, 0, 1, 2, 2, 1, 0]);
    }

    #[test]
    fn small_unequal_and_constant_images_are_errors() {
        let small = Array2::<f64>::zeros((10, 10));
        assert!(ms_ssim_standard(small.view(), small.view(), 1.0).is_err());
        assert!(ms_ssim(small.view(), small.view(), 0.0).is_err(), "no range");
        assert!(ms_ssim_standard(pattern(20, 0.0).view(), pattern(21, 0.0).view(), 1.0).is_err());
        assert!(ms_ssim_standard(pattern(20, 0.0).view(), pattern(20, 0.0).view(), 0.0).is_err());
        let tiny = Array2::<f64>::zeros((6, 6));
        assert!(ms_ssim(tiny.view(), tiny.view(), 0.0).is_err());
    }
}
