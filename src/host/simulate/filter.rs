//! Gaussian filter as SciPy's `gaussian_filter`: reflected edges, kernel truncated at four standard deviations.

use ndarray::{Array1, Array2, Axis, Zip};

/// Blurs an (h, w) image with this standard deviation, pixels. Rows run in parallel; the result does not depend on the
/// number of threads.
pub(super) fn gaussian(image: &Array2<f64>, sigma: f64) -> Array2<f64> {
    let kernel = kernel(sigma);
    let along_rows = rows(image, &kernel);
    rows(&along_rows.reversed_axes().as_standard_layout().into_owned(), &kernel)
        .reversed_axes()
        .as_standard_layout()
        .into_owned()
}

fn kernel(sigma: f64) -> Vec<f64> {
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    let radius = (4.0 * sigma + 0.5) as i32;
    let weights: Vec<f64> = (-radius..=radius).map(|k| (-0.5 * (f64::from(k) / sigma).powi(2)).exp()).collect();
    let sum: f64 = weights.iter().sum();
    weights.into_iter().map(|weight| weight / sum).collect()
}

fn rows(image: &Array2<f64>, kernel: &[f64]) -> Array2<f64> {
    let (radius, width) = (kernel.len() / 2, image.ncols());
    let mut result = Array2::zeros(image.dim());
    if width == 0 {
        return result;
    }
    let sources: Vec<usize> = (0..width + 2 * radius).map(|at| reflected(at, radius, width)).collect();
    Zip::from(result.axis_iter_mut(Axis(0))).and(image.axis_iter(Axis(0))).par_for_each(|mut out, row| {
        let padded: Array1<f64> = sources.iter().filter_map(|&at| row.get(at).copied()).collect();
        for (value, window) in out.iter_mut().zip(padded.windows(kernel.len())) {
            *value = window.iter().zip(kernel).map(|(v, weight)| v * weight).sum();
        }
    });
    result
}

/// Index of the element at `at` of a row padded by `radius` on either side: d c b a | a b c d | d c b a.
fn reflected(at: usize, radius: usize, width: usize) -> usize {
    let period = 2 * width;
    let folded = (at + period * radius.div_ceil(period) - radius) % period;
    if folded < width { folded } else { period - 1 - folded }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    #[test]
    fn edges_are_reflected_as_often_as_needed() {
        let line: Vec<usize> = (0..13).map(|at| reflected(at, 5, 3)).collect();
        assert_eq!(line, [1, 2, 2, 1, 0, 0, 1, 2, 2, 1, 0, 0, 1]);
    }

    #[test]
    fn the_filter_agrees_with_scipy_and_preserves_the_sum() {
        // scipy.ndimage.gaussian_filter([[0, 0, 1, 0]], 1): weights exp(-k²/2) truncated at 4, reflected at both edges.
        let weight = |k: f64| (-0.5 * k * k).exp();
        let sum: f64 = (-4..=4).map(|k| weight(f64::from(k))).sum();
        let blurred = gaussian(&array![[0.0, 0.0, 1.0, 0.0]], 1.0);
        // The images of index 2 are at 2, 5, -3, and 10, -6 beyond the truncation.
        let at =
            |x: f64| [2.0, 5.0, -3.0].iter().map(|s| x - s).filter(|d| d.abs() <= 4.0).map(weight).sum::<f64>() / sum;
        for (x, value) in blurred.iter().enumerate() {
            assert!((value - at(x as f64)).abs() < 1e-12, "{x}: {value} {}", at(x as f64));
        }
        assert!((blurred.sum() - 1.0).abs() < 1e-12);
    }
}
