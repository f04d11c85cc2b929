//! Structural similarity of two real images.

use ndarray::{Array2, ArrayView2};

use crate::error::{Problem, Result};

/// Side of the square window, pixels.
pub const SSIM_WINDOW: usize = 7;

/// Mean structural similarity (Wang et al. 2004) of two (h, w) images; 1 for equal ones.
///
/// Uniform 7 × 7 window, K1 = 0.01, K2 = 0.03, sample covariance (49/48), mean over the pixels whose window lies inside
/// the image (A§8.2). `data_range` is the range of possible values, in their unit.
///
/// # Errors
/// Different shapes, a side below 7 pixels, or a data range that is not above zero.
pub fn ssim(truth: ArrayView2<'_, f64>, image: ArrayView2<'_, f64>, data_range: f64) -> Result<f64> {
    let (height, width) = truth.dim();
    if truth.dim() != image.dim() || height < SSIM_WINDOW || width < SSIM_WINDOW {
        return Err(Problem::new(format!(
            "SSIM cannot compare images of shape ({height}, {width}) and {:?}",
            image.dim()
        ))
        .expected(format!("equal shapes of at least {SSIM_WINDOW} × {SSIM_WINDOW} pixels"))
        .into());
    }
    if !(data_range > 0.0 && data_range.is_finite()) {
        return Err(Problem::new(format!("SSIM needs a data range above zero, not {data_range}"))
            .hint("The reference image may be constant")
            .into());
    }
    let (truth, image) = (truth.to_owned(), image.to_owned());
    let mean_t = window_means(&truth);
    let mean_p = window_means(&image);
    let mean_tt = window_means(&(&truth * &truth));
    let mean_pp = window_means(&(&image * &image));
    let mean_tp = window_means(&(&truth * &image));

    let pixels = (SSIM_WINDOW * SSIM_WINDOW) as f64;
    let sample = pixels / (pixels - 1.0);
    let (c1, c2) = ((0.01 * data_range).powi(2), (0.03 * data_range).powi(2));
    let mut sum = 0.0;
    for (index, &t) in mean_t.indexed_iter() {
        let p = mean_p[index];
        let variance_t = sample * (mean_tt[index] - t * t);
        let variance_p = sample * (mean_pp[index] - p * p);
        let covariance = sample * (mean_tp[index] - t * p);
        sum += (2.0 * t * p + c1) * (2.0 * covariance + c2) / ((t * t + p * p + c1) * (variance_t + variance_p + c2));
    }
    Ok(sum / mean_t.len() as f64)
}

/// Means over all windows inside the image: (h − 6, w − 6).
fn window_means(image: &Array2<f64>) -> Array2<f64> {
    let (height, width) = image.dim();
    let (rows, columns) = (height + 1 - SSIM_WINDOW, width + 1 - SSIM_WINDOW);
    let along =
        Array2::from_shape_fn((height, columns), |(y, x)| (0..SSIM_WINDOW).map(|d| image[(y, x + d)]).sum::<f64>());
    let pixels = (SSIM_WINDOW * SSIM_WINDOW) as f64;
    Array2::from_shape_fn((rows, columns), |(y, x)| (0..SSIM_WINDOW).map(|d| along[(y + d, x)]).sum::<f64>() / pixels)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_images_have_similarity_one_and_an_inverted_one_less_than_zero() {
        let image = Array2::from_shape_fn((20, 30), |(y, x)| (0.9 * y as f64).sin() * (0.7 * x as f64).cos());
        assert!((ssim(image.view(), image.view(), 2.0).unwrap() - 1.0).abs() < 1e-12);
        assert!(ssim(image.view(), (-&image).view(), 2.0).unwrap() < 0.0);
    }

    #[test]
    fn two_constant_images_leave_only_the_luminance_term() {
        let (a, b) = (Array2::from_elem((9, 9), 0.4), Array2::from_elem((9, 9), 0.6));
        let expected = (2.0 * 0.24 + 1e-4) / (0.16 + 0.36 + 1e-4);
        assert!((ssim(a.view(), b.view(), 1.0).unwrap() - expected).abs() < 1e-9);
    }

    #[test]
    fn small_or_unequal_images_and_an_invalid_range_are_errors() {
        let image = Array2::<f64>::zeros((9, 9));
        assert!(ssim(image.view(), Array2::zeros((9, 8)).view(), 1.0).is_err());
        assert!(ssim(Array2::zeros((6, 9)).view(), Array2::zeros((6, 9)).view(), 1.0).is_err());
        for range in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            assert!(ssim(image.view(), image.view(), range).is_err());
        }
    }
}
