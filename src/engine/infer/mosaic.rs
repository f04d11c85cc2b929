//! Reconstruction of a scan in parts, for datasets that do not fit into memory as a whole.

use crate::data::Reconstruction;
use crate::error::{Error, Result};
use ndarray::{Array2, s};
use num_complex::{Complex32, Complex64};
use std::ops::Range;

/// Weighted sum of the parts so far; each part is rotated by the global phase that agrees best with the previous parts.
#[derive(Debug, Clone, Default)]
struct Mosaic {
    /// Dataset coordinates `(x, y)` of pixel `[0, 0]`.
    origin: [f64; 2],
    /// Σ coverage · object, and Σ coverage, (H, W).
    sum: Array2<Complex32>,
    coverage: Array2<f32>,
    pixel_size_m: Option<f64>,
}

impl Mosaic {
    /// Adds a part.
    fn add(&mut self, part: &Reconstruction) {
        if self.sum.is_empty() {
            (self.origin, self.pixel_size_m) = (part.origin_xy, part.pixel_size_m);
        }
        self.grow_to(part);
        let (height, width) = part.object.dim();
        let [left, top] = [0, 1].map(|axis| (part.origin_xy[axis] - self.origin[axis]).round() as usize);
        let window = s![top..top + height, left..left + width];
        let (mut sum, mut coverage) = (self.sum.slice_mut(window), self.coverage.slice_mut(window));
        let mut agreement = Complex64::default();
        ndarray::Zip::from(&sum).and(&coverage).and(&part.object).and(&part.coverage).for_each(
            |sum, coverage, object, added| {
                if *coverage > 0.0 && *added > 0.0 {
                    let common = sum * object.conj() * (added / (coverage + added));
                    agreement += Complex64::new(common.re.into(), common.im.into());
                }
            },
        );
        let phasor = if agreement.norm() > 0.0 { agreement / agreement.norm() } else { Complex64::new(1.0, 0.0) };
        let phasor = Complex32::new(phasor.re as f32, phasor.im as f32);
        ndarray::Zip::from(&mut sum).and(&part.object).and(&part.coverage).for_each(|sum, object, added| {
            *sum += object * phasor * *added;
        });
        coverage += &part.coverage;
    }

    /// Grows the canvas to contain the part.
    fn grow_to(&mut self, part: &Reconstruction) {
        let end =
            |origin: [f64; 2], (height, width): (usize, usize)| [origin[0] + width as f64, origin[1] + height as f64];
        let (own, other) = (end(self.origin, self.sum.dim()), end(part.origin_xy, part.object.dim()));
        let origin = [0, 1].map(|axis| self.origin[axis].min(part.origin_xy[axis]));
        let [width, height] = [0, 1].map(|axis| (own[axis].max(other[axis]) - origin[axis]).round() as usize);
        if origin == self.origin && (height, width) == self.sum.dim() {
            return;
        }
        let [left, top] = [0, 1].map(|axis| (self.origin[axis] - origin[axis]).round() as usize);
        let (rows, columns) = self.sum.dim();
        let window = s![top..top + rows, left..left + columns];
        let (mut sum, mut coverage) = (Array2::zeros((height, width)), Array2::zeros((height, width)));
        sum.slice_mut(window).assign(&self.sum);
        coverage.slice_mut(window).assign(&self.coverage);
        (self.origin, self.sum, self.coverage) = (origin, sum, coverage);
    }

    /// The object; zero where the coverage is zero.
    fn finish(self) -> Reconstruction {
        let mut object = self.sum;
        object.zip_mut_with(&self.coverage, |value, coverage| {
            *value = if *coverage > 0.0 { *value / *coverage } else { Complex32::default() };
        });
        Reconstruction { object, coverage: self.coverage, origin_xy: self.origin, pixel_size_m: self.pixel_size_m }
    }
}

/// Reconstructs the object of `count` patterns in parts: `reconstruct` is called for ranges of at most `at_once`
/// patterns.
///
/// # Errors
/// As `reconstruct`; also if there are no patterns.
pub fn reconstruct_in_parts(
    count: usize,
    at_once: usize,
    reconstruct: &mut dyn FnMut(Range<usize>) -> Result<Reconstruction>,
) -> Result<Reconstruction> {
    let parts = count.div_ceil(at_once.max(1)).max(1);
    let mut mosaic = Mosaic::default();
    for part in 0..parts {
        // Parts have nearly the same size, so that none is too small to overlap with the others.
        mosaic.add(&reconstruct(part * count / parts..(part + 1) * count / parts)?);
    }
    if mosaic.sum.is_empty() {
        return Err(Error::failed("There are no patterns to reconstruct"));
    }
    Ok(mosaic.finish())
}

#[cfg(test)]
mod tests {
    use super::super::stitch;
    use super::*;
    use ndarray::Array3;

    #[test]
    fn parts_with_different_phases_are_merged_to_the_whole_object() {
        let n = 16;
        let object = Array2::from_shape_fn((60, 70), |(y, x)| {
            Complex32::from_polar(0.6 + 0.3 * (x as f32 / 9.0).sin(), (y as f32 / 7.0).cos())
        });
        let positions: Vec<[f64; 2]> =
            (0..48).map(|i| [9.0 + 6.0 * f64::from(i % 8), 9.0 + 7.0 * f64::from(i / 8)]).collect();
        let patch = |p: &[f64; 2], phase: f32| {
            let (top, left) = (p[1] as usize - n / 2, p[0] as usize - n / 2);
            Array2::from_shape_fn((n, n), |(y, x)| object[[top + y, left + x]] * Complex32::from_polar(1.0, phase))
        };
        let weight = Array2::from_shape_fn((n, n), |(y, x)| 1.0 + (y * x) as f32 / 100.0);
        let stitched = |positions: &[[f64; 2]], phase: f32| {
            let mut patches = Array3::zeros((positions.len(), n, n));
            for (mut to, p) in patches.outer_iter_mut().zip(positions) {
                to.assign(&patch(p, phase));
            }
            stitch(patches.view(), positions, weight.view()).unwrap()
        };
        let whole = stitched(&positions, 0.4);
        let mut mosaic = Mosaic::default();
        // Starts in the middle, so that the canvas grows on both sides.
        for (range, phase) in [(16..32, 0.4), (0..16, 2.0), (32..48, -1.0)] {
            mosaic.add(&stitched(&positions[range], phase));
        }
        let found = mosaic.finish();
        assert_eq!(found.origin_xy, whole.origin_xy);
        assert_eq!(found.object.dim(), whole.object.dim());
        for ((found, whole), coverage) in found.object.iter().zip(&whole.object).zip(&whole.coverage) {
            assert!((found - whole).norm() < 1e-4 || *coverage == 0.0, "{found} for {whole}");
        }
        assert!(found.coverage.iter().zip(&whole.coverage).all(|(a, b)| (a - b).abs() < 1e-3));
    }
}
