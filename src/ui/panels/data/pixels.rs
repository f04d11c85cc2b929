//! Detection of dead and saturated detector pixels.

use crate::data::{Inspection, Status};
use crate::library::Patterns;
use ndarray::{Array2, ArrayView2};

/// Minimum mean intensity of the neighbors for a zero pixel to count as dead.
const LIT: f32 = 0.5;

/// `[x, y]` of pixels that are zero in all patterns although their neighbors are illuminated.
pub(super) fn dead(mean: &Array2<f32>, max: &Array2<f32>) -> Vec<[usize; 2]> {
    let (height, width) = mean.dim();
    let mut found = Vec::new();
    for ((y, x), largest) in max.indexed_iter() {
        if *largest > 0.0 {
            continue;
        }
        let rows = y.saturating_sub(1)..(y + 2).min(height);
        let mut around: Vec<f32> = rows
            .flat_map(|v| (x.saturating_sub(1)..(x + 2).min(width)).map(move |u| (v, u)))
            .filter(|at| *at != (y, x))
            .filter_map(|at| mean.get(at).copied())
            .collect();
        around.sort_by(f32::total_cmp);
        // The median, because dead pixels may be adjacent.
        if around.get(around.len() / 2).is_some_and(|median| *median >= LIT) {
            found.push([x, y]);
        }
    }
    found
}

/// Intensity at which the detector appears to saturate; `None` if the saturation check passed.
pub(super) fn limit(patterns: &Patterns, inspection: Option<&Inspection>) -> Option<f32> {
    let warned = inspection?.verdict("saturation").is_some_and(|verdict| verdict.status != Status::Pass);
    let largest = patterns.max.iter().copied().fold(0.0, f32::max);
    (warned && largest > 0.0).then_some(largest)
}

/// `[x, y]` of the pixels of an intensity image that reach the limit.
pub(super) fn at_limit(intensity: ArrayView2<'_, f32>, limit: f32) -> Vec<[usize; 2]> {
    let reached = limit * (1.0 - 1e-5);
    intensity.indexed_iter().filter(|(_, value)| **value >= reached).map(|((y, x), _)| [x, y]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_zero_pixel_is_dead_only_if_its_neighbors_are_illuminated() {
        let mut mean = Array2::from_shape_fn((16, 16), |(y, x)| if x < 8 && y < 8 { 20.0 } else { 0.0 });
        mean[[3, 4]] = 0.0;
        mean[[3, 5]] = 0.0;
        assert_eq!(dead(&mean, &mean), [[4, 3], [5, 3]]);
    }

    #[test]
    fn pixels_at_the_limit_are_found_despite_rounding() {
        let mut image = Array2::<f32>::from_elem((4, 4), 3.0);
        image[[2, 1]] = 255.999_98;
        assert_eq!(at_limit(image.view(), 256.0), [[1, 2]]);
    }
}
