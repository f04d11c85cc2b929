//! Removal of global phase and linear phase ramp without a known truth, for display.

use ndarray::{Array2, ArrayView2};
use num_complex::{Complex32, Complex64};

/// Phase ramp removed from an object.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct RampFit {
    /// Phase per row, radians per pixel.
    pub slope_y: f64,
    /// Phase per column, radians per pixel.
    pub slope_x: f64,
    /// Phase of pixel \[0, 0\] of the ramp, radians.
    pub offset: f64,
}

/// (H, W) object without its global phase and linear ramp, and the ramp removed; amplitudes are unchanged.
///
/// The slopes are the angles of `Σ conj(o[p])·o[p+1]` over covered neighbors, each product normalized to the smaller
/// amplitude. This needs no unwrapping and finds ramps up to half a turn per pixel. The remainder is refined over
/// distances of 2, 4, 8 … pixels. The mean phase of the covered pixels becomes 0.
pub fn remove_ramp(object: ArrayView2<'_, Complex32>, covered: ArrayView2<'_, bool>) -> (Array2<Complex32>, RampFit) {
    let widen = |v: Complex32| Complex64::new(f64::from(v.re), f64::from(v.im));
    let seen = |y: usize, x: usize| match (object.get((y, x)), covered.get((y, x))) {
        (Some(value), Some(true)) if value.re.is_finite() && value.im.is_finite() => Some(widen(*value)),
        _ => None,
    };
    let (height, width) = object.dim();
    // Sum over covered pairs at a distance of (dy, dx).
    let products = |dy: usize, dx: usize| {
        let mut sum = Complex64::default();
        for y in 0..height.saturating_sub(dy) {
            for x in 0..width.saturating_sub(dx) {
                if let (Some(a), Some(b)) = (seen(y, x), seen(y + dy, x + dx)) {
                    let product = a.conj() * b;
                    let norm = product.norm();
                    if norm > 0.0 {
                        sum += product / norm * a.norm().min(b.norm());
                    }
                }
            }
        }
        sum
    };
    let slope = |length: usize, pair: &dyn Fn(usize) -> Complex64| {
        let mut slope = 0.0;
        let mut distance = 1;
        while distance <= (length / 4).max(1) {
            let sum = pair(distance);
            if sum.norm() == 0.0 {
                break;
            }
            // The known part is subtracted, so that the remainder does not wrap.
            let rest = sum * Complex64::from_polar(1.0, -slope * distance as f64);
            slope += rest.arg() / distance as f64;
            distance *= 2;
        }
        slope
    };
    let slope_y = slope(height, &|d| products(d, 0));
    let slope_x = slope(width, &|d| products(0, d));

    let mut mean = Complex64::default();
    for y in 0..height {
        for x in 0..width {
            if let Some(value) = seen(y, x) {
                mean += value * Complex64::from_polar(1.0, -(slope_y * y as f64 + slope_x * x as f64));
            }
        }
    }
    let fit = RampFit { slope_y, slope_x, offset: if mean.norm_sqr() == 0.0 { 0.0 } else { mean.arg() } };
    let flat = Array2::from_shape_fn((height, width), |(y, x)| {
        let turn = Complex64::from_polar(1.0, -(fit.offset + slope_y * y as f64 + slope_x * x as f64));
        object.get((y, x)).map_or_else(Complex32::default, |value| {
            let value = widen(*value) * turn;
            Complex32::new(value.re as f32, value.im as f32)
        })
    });
    (flat, fit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steep_ramps_are_removed_and_the_structure_kept() {
        // Whole periods, so that the structure itself has no ramp.
        let structure = |y: usize, x: usize| {
            0.4 * (std::f32::consts::TAU * y as f32 / 16.0).sin() * (std::f32::consts::TAU * x as f32 / 12.0).cos()
        };
        for (sy, sx) in [(0.0, 0.0), (0.05, -0.3), (2.2, -1.7)] {
            let object = Array2::from_shape_fn((64, 96), |(y, x)| {
                Complex32::from_polar(0.7, 1.3 + sy * y as f32 + sx * x as f32 + structure(y, x))
            });
            let mut covered = Array2::from_elem((64, 96), true);
            covered[(0, 0)] = false;
            let (flat, fit) = remove_ramp(object.view(), covered.view());
            assert!(
                (fit.slope_y - f64::from(sy)).abs() < 1e-3 && (fit.slope_x - f64::from(sx)).abs() < 1e-3,
                "{fit:?}"
            );
            for ((y, x), value) in flat.indexed_iter() {
                assert!((value.arg() - structure(y, x)).abs() < 0.05, "at {y}, {x}");
                assert!((value.norm() - 0.7).abs() < 1e-5);
            }
        }
    }

    #[test]
    fn uncovered_pixels_are_ignored_and_an_empty_object_is_unchanged() {
        let object = Array2::from_shape_fn((20, 20), |(y, x)| {
            Complex32::from_polar(1.0, if x < 10 { 0.2 * y as f32 } else { -2.9 * y as f32 })
        });
        let covered = Array2::from_shape_fn((20, 20), |(_, x)| x < 10);
        let (_, fit) = remove_ramp(object.view(), covered.view());
        assert!((fit.slope_y - 0.2).abs() < 1e-6, "{fit:?}");
        let (same, fit) = remove_ramp(object.view(), covered.mapv(|_| false).view());
        assert_eq!((same, fit), (object, RampFit::default()));
    }
}
