//! Estimates for masked pixels, so that the network input has no holes.
//!
//! A masked pixel gets the mean of the nearest good pixels, weighted by the inverse square of their distance. The estimate
//! serves as network input and for display only: masked pixels are excluded from the loss and the misfit.

use ndarray::{Array2, Array3, Axis};
use rayon::prelude::*;

/// Number of good pixels per estimate.
const NEIGHBORS: usize = 12;

/// A masked pixel and the surrounding good ones with weights that sum to 1; indices into the row-major pattern.
struct Estimate {
    pixel: usize,
    from: Vec<(usize, f32)>,
}

/// Replaces the masked pixels of (n, h, w) amplitudes; `good`: (h, w), true = good. Without good pixels they become 0.
pub(super) fn inpaint(patterns: &mut Array3<f32>, good: &Array2<bool>) {
    let estimates = estimates(good);
    if estimates.is_empty() {
        return;
    }
    patterns.axis_iter_mut(Axis(0)).into_par_iter().for_each(|mut pattern| {
        // Only masked pixels are written and only good ones are read, so the order does not matter.
        if let Some(values) = pattern.as_slice_mut() {
            for estimate in &estimates {
                let mean = estimate.from.iter().map(|&(at, weight)| values[at] * weight).sum();
                values[estimate.pixel] = mean;
            }
        }
    });
}

fn estimates(good: &Array2<bool>) -> Vec<Estimate> {
    let (height, width) = good.dim();
    let masked: Vec<(usize, usize)> = good.indexed_iter().filter(|(_, good)| !**good).map(|(at, _)| at).collect();
    if masked.is_empty() {
        return Vec::new();
    }
    let offsets = offsets(height as i64, width as i64);
    masked
        .into_par_iter()
        .map(|(y, x)| {
            let mut from = Vec::new();
            let mut sum = 0.0;
            for &(square, dy, dx) in &offsets {
                let (row, column) = (y as i64 + dy, x as i64 + dx);
                let (Ok(row), Ok(column)) = (usize::try_from(row), usize::try_from(column)) else { continue };
                if good.get((row, column)) == Some(&true) {
                    let weight = 1.0 / square as f32;
                    from.push((row * width + column, weight));
                    sum += weight;
                    if from.len() == NEIGHBORS {
                        break;
                    }
                }
            }
            from.iter_mut().for_each(|(_, weight)| *weight /= sum);
            Estimate { pixel: y * width + x, from }
        })
        .collect()
}

/// (distance², dy, dx) of all possible neighbors, ordered by distance, then by row and column.
fn offsets(height: i64, width: i64) -> Vec<(i64, i64, i64)> {
    let mut offsets: Vec<(i64, i64, i64)> = (1 - height..height)
        .flat_map(|dy| (1 - width..width).map(move |dx| (dy * dy + dx * dx, dy, dx)))
        .filter(|(square, ..)| *square > 0)
        .collect();
    offsets.sort_unstable();
    offsets
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::s;

    #[test]
    fn a_hole_in_a_smooth_pattern_is_filled_smoothly_and_good_pixels_are_kept() {
        let smooth = Array3::from_shape_fn((3, 32, 32), |(n, y, x)| {
            (n + 1) as f32 * (0.1 * (y as f32 - 16.0) + 0.2 * (x as f32 - 16.0) + 20.0)
        });
        let mut good = Array2::from_elem((32, 32), true);
        good.slice_mut(s![14..17, 15..19]).fill(false);
        good[[0, 0]] = false;
        let mut holed = smooth.clone();
        for mut pattern in holed.axis_iter_mut(Axis(0)) {
            pattern.zip_mut_with(&good, |value, good| *value = if *good { *value } else { f32::NAN });
        }
        inpaint(&mut holed, &good);
        for ((n, y, x), &value) in holed.indexed_iter() {
            let truth = smooth[[n, y, x]];
            if good[[y, x]] {
                assert_eq!(value, truth);
            } else {
                assert!((value / truth - 1.0).abs() < 0.04, "{n} {y} {x}: {value} for {truth}");
            }
        }
    }

    #[test]
    fn patterns_without_good_or_without_bad_pixels_are_handled() {
        let mut patterns = Array3::from_elem((2, 4, 4), 3.0f32);
        inpaint(&mut patterns, &Array2::from_elem((4, 4), true));
        assert!(patterns.iter().all(|&v| v == 3.0));
        inpaint(&mut patterns, &Array2::from_elem((4, 4), false));
        assert!(patterns.iter().all(|&v| v == 0.0));
    }
}
