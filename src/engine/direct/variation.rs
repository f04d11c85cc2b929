//! Total variation of an object: a penalty that smooths flat regions and preserves edges.

use ndarray::Array2;
use num_complex::Complex32;

/// Differences below this, relative to unit transmission, count as noise rather than edges.
const SMOOTHING: f32 = 0.01;

/// Gradient of `Σ √(|∂x O|² + |∂y O|² + ε²)` with respect to the conjugate object, and diagonal of a quadratic
/// majorant, both (h, w) as the object.
///
/// A step along the negative gradient divided by the diagonal never increases the total variation.
pub(super) fn variation(object: &Array2<Complex32>) -> (Array2<Complex32>, Array2<f32>) {
    let (height, width) = object.dim();
    let mut gradient = Array2::<Complex32>::zeros((height, width));
    let mut curvature = Array2::<f32>::zeros((height, width));
    for y in 0..height.saturating_sub(1) {
        for x in 0..width.saturating_sub(1) {
            let (right, below) = (object[(y, x)] - object[(y, x + 1)], object[(y, x)] - object[(y + 1, x)]);
            let weight = 0.5 / (right.norm_sqr() + below.norm_sqr() + SMOOTHING * SMOOTHING).sqrt();
            gradient[(y, x)] += (right + below) * weight;
            gradient[(y, x + 1)] -= right * weight;
            gradient[(y + 1, x)] -= below * weight;
            curvature[(y, x)] += 4.0 * weight;
            curvature[(y, x + 1)] += 2.0 * weight;
            curvature[(y + 1, x)] += 2.0 * weight;
        }
    }
    (gradient, curvature)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn total(object: &Array2<Complex32>) -> f64 {
        let (height, width) = object.dim();
        let mut sum = 0.0;
        for y in 0..height - 1 {
            for x in 0..width - 1 {
                let steps =
                    (object[(y, x)] - object[(y, x + 1)]).norm_sqr() + (object[(y, x)] - object[(y + 1, x)]).norm_sqr();
                sum += f64::from((steps + SMOOTHING * SMOOTHING).sqrt());
            }
        }
        sum
    }

    #[test]
    fn steps_along_the_gradient_always_lower_the_variation_and_preserve_an_edge() {
        let mut object = Array2::from_shape_fn((20, 24), |(y, x)| {
            let noise = 0.05 * ((y * 7 + x * 13) as f32).sin();
            Complex32::new(if x < 12 { 1.0 } else { 0.3 } + noise, noise)
        });
        let mut last = total(&object);
        for _ in 0..50 {
            let (gradient, curvature) = variation(&object);
            ndarray::Zip::from(&mut object).and(&gradient).and(&curvature).for_each(|object, gradient, curvature| {
                *object -= gradient / curvature.max(1e-12);
            });
            let now = total(&object);
            assert!(now <= last * (1.0 + 1e-6), "{now} after {last}");
            last = now;
        }
        let step = |y: usize, x: usize| (object[(y, x)] - object[(y, x + 1)]).norm();
        assert!(step(10, 11) > 0.4 && step(10, 5) < 0.02 && step(10, 17) < 0.02);
    }
}
