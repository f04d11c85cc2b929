//! Line profile of an image.

use ndarray::ArrayView2;

/// `[distance in pixels, value]` along the line between two points `[x, y]`, in pixels from the top left corner of the
/// (H, W) image: the center of pixel `[0, 0]` is `[0.5, 0.5]`.
///
/// About two samples per pixel, at most 4096, interpolated bilinearly between pixel centers. NaN outside the image,
/// where a neighbor is NaN, and at uncovered pixels.
pub fn line_profile(
    values: ArrayView2<'_, f32>,
    covered: ArrayView2<'_, bool>,
    from: [f64; 2],
    to: [f64; 2],
) -> Vec<[f64; 2]> {
    let length = (to[0] - from[0]).hypot(to[1] - from[1]);
    if !length.is_finite() {
        return Vec::new();
    }
    let steps = ((2.0 * length).ceil() as usize).clamp(1, 4095);
    (0..=steps)
        .map(|i| {
            let t = i as f64 / steps as f64;
            let (x, y) = (from[0] + t * (to[0] - from[0]), from[1] + t * (to[1] - from[1]));
            [t * length, sample(values, covered, x, y)]
        })
        .collect()
}

fn sample(values: ArrayView2<'_, f32>, covered: ArrayView2<'_, bool>, x: f64, y: f64) -> f64 {
    let (height, width) = values.dim();
    if !(x >= 0.0 && y >= 0.0 && x <= width as f64 && y <= height as f64) || width == 0 || height == 0 {
        return f64::NAN;
    }
    let at = |row: usize, column: usize| match (values.get((row, column)), covered.get((row, column))) {
        (Some(value), Some(true)) => f64::from(*value),
        _ => f64::NAN,
    };
    // The outermost values extend by half a pixel to the edge.
    let (u, v) = ((x - 0.5).clamp(0.0, width as f64 - 1.0), (y - 0.5).clamp(0.0, height as f64 - 1.0));
    let (column, row) = (u.floor() as usize, v.floor() as usize);
    let (du, dv) = (u - column as f64, v - row as f64);
    let mut sum = 0.0;
    for (dy, wy) in [(0, 1.0 - dv), (1, dv)] {
        for (dx, wx) in [(0, 1.0 - du), (1, du)] {
            if wx * wy > 0.0 {
                sum += wx * wy * at(row + dy, column + dx);
            }
        }
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::Array2;

    #[test]
    fn a_profile_of_a_plane_is_a_straight_line() {
        let values = Array2::from_shape_fn((20, 30), |(y, x)| 2.0 * x as f32 - y as f32);
        let covered = Array2::from_elem((20, 30), true);
        let profile = line_profile(values.view(), covered.view(), [2.5, 3.5], [22.5, 13.5]);
        let length = 20.0_f64.hypot(10.0);
        assert_eq!(profile.len(), (2.0 * length).ceil() as usize + 1);
        for [distance, value] in profile {
            let t = distance / length;
            assert!((value - (2.0 * (2.0 + 20.0 * t) - (3.0 + 10.0 * t))).abs() < 1e-4);
        }
    }

    #[test]
    fn values_outside_the_image_or_the_coverage_are_nan() {
        let values = Array2::from_elem((4, 4), 1.0_f32);
        let mut covered = Array2::from_elem((4, 4), true);
        covered[(0, 3)] = false;
        let profile = line_profile(values.view(), covered.view(), [-1.0, 0.5], [4.0, 0.5]);
        assert!(profile[0][1].is_nan() && profile[4][1] == 1.0 && profile.last().is_some_and(|p| p[1].is_nan()));
        assert_eq!(line_profile(values.view(), covered.view(), [1.0, 1.0], [1.0, 1.0]).len(), 2);
        assert!(line_profile(values.view(), covered.view(), [f64::NAN, 0.0], [1.0, 1.0]).is_empty());
    }
}
