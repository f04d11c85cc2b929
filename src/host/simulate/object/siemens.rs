//! Siemens star: spokes with the finest detail at the center and the coarsest outside.

use ndarray::Array2;
use std::f64::consts::TAU;

/// Number of spokes.
const SPOKES: f64 = 36.0;
/// Radius of the star as a fraction of the side.
const RADIUS: f64 = 0.47;
/// Radii and widths of the gaps in the spokes, as fractions of the radius of the star.
const GAPS: [(f64, f64); 3] = [(0.25, 0.02), (0.5, 0.03), (0.75, 0.04)];
/// Rotation of the first spoke, in spoke periods, so that rows and columns are distinguishable.
const ROTATION: f64 = 0.04;
/// Samples per pixel along each axis.
const SAMPLES: usize = 4;

/// 1 on a spoke, 0 elsewhere; edges by area. `rotated` shifts the spokes by half a spoke.
pub(super) fn siemens(side: usize, rotated: bool) -> Array2<f64> {
    let radius = RADIUS * side as f64;
    let center = side as f64 / 2.0;
    let shift = if rotated { 0.25 } else { ROTATION };
    let value = |y: f64, x: f64| {
        let r = (y - center).hypot(x - center) / radius;
        let gap = GAPS.iter().any(|(at, width)| (r - at).abs() < width / 2.0);
        let spoke = ((y - center).atan2(x - center) / TAU * SPOKES + shift).rem_euclid(1.0) < 0.5;
        if r <= 1.0 && !gap && spoke { 1.0 } else { 0.0 }
    };
    let offset = |k: usize| (k as f64 + 0.5) / SAMPLES as f64;
    Array2::from_shape_fn((side, side), |(y, x)| {
        let sum: f64 =
            (0..SAMPLES * SAMPLES).map(|k| value(y as f64 + offset(k / SAMPLES), x as f64 + offset(k % SAMPLES))).sum();
        sum / (SAMPLES * SAMPLES) as f64
    })
}
