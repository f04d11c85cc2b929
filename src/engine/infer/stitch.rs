//! Blending patches into one object (A§7.2).

use crate::config::{InferenceConfig, StitchWeighting};
use crate::data::{Canvas, Reconstruction};
use crate::error::{Error, Problem, Result};
use crate::physics::probe_intensity;
use ndarray::{Array2, ArrayView2, ArrayView3};
use num_complex::Complex32;
use rayon::prelude::*;

/// Pixels with a lower weight, relative to the maximum of a patch, count as uncovered.
const COVERED: f32 = 1e-6;

/// Weight of each pixel of a patch, (N, N), with a maximum of 1.
///
/// * `probe`: (modes, N, N).
///
/// # Errors
/// The crop does not fit into the patch.
pub fn patch_weight(config: &InferenceConfig, probe: ArrayView3<Complex32>) -> Result<Array2<f32>> {
    let n = probe.dim().1;
    match config.stitch_weighting {
        StitchWeighting::Probe => {
            let intensity = probe_intensity(probe);
            let largest = intensity.iter().fold(f32::MIN_POSITIVE, |a, &b| a.max(b));
            Ok(intensity.mapv(|v| v / largest))
        }
        StitchWeighting::Whole => Ok(Array2::ones((n, n))),
        StitchWeighting::CentralCrop => {
            let half = config.crop / 2;
            if half == 0 || config.crop > n {
                return Err(Error::BadInput(
                    Problem::new(format!("inference.crop is {}", config.crop))
                        .expected(format!("an even number from 2 to {n}"))
                        .hint("Choose another window, for example --set inference.crop=20"),
                ));
            }
            let inside = |i: usize| (n / 2 - half..n / 2 + half).contains(&i);
            Ok(Array2::from_shape_fn((n, n), |(y, x)| if inside(y) && inside(x) { 1.0 } else { 0.0 }))
        }
    }
}

/// Blends patches with synchronized phases.
///
/// * `patches`: (k, N, N). * `positions`: center of each, `(x, y)`. * `weight`: (N, N).
///
/// Each patch is shifted to its position by bilinear interpolation of weight and content, so that numerator and
/// denominator have the same support. Uncovered pixels are 0 with coverage 0. Rows are summed in the order of the
/// patches, so that the result does not depend on the number of threads.
///
/// # Errors
/// There are no patches, or positions are not finite.
pub fn stitch(
    patches: ArrayView3<Complex32>,
    positions: &[[f64; 2]],
    weight: ArrayView2<f32>,
) -> Result<Reconstruction> {
    let (k, n, _) = patches.dim();
    if k == 0 || positions.len() != k || positions.iter().flatten().any(|v| !v.is_finite()) {
        return Err(Error::failed(format!("Cannot stitch {k} patches at {} positions", positions.len())));
    }
    let canvas = Canvas::around(positions, n);
    let (height, width) = (canvas.height, canvas.width);
    let corners: Vec<_> = positions.iter().map(|&p| canvas.corner(p, n)).collect();
    // Each task owns a band of rows and adds the contributions of all patches to it.
    const BAND: usize = 16;
    let mut object = vec![Complex32::default(); height * width];
    let mut coverage = vec![0f32; height * width];
    object.par_chunks_mut(BAND * width).zip(coverage.par_chunks_mut(BAND * width)).enumerate().for_each(
        |(band, (sum, total))| {
            let rows = total.len() / width;
            let first = band * BAND;
            for (i, &(top, left, fy, fx)) in corners.iter().enumerate() {
                // The patch touches rows top ..= top + n.
                if top > first + rows - 1 || top + n < first {
                    continue;
                }
                let patch = patches.index_axis(ndarray::Axis(0), i);
                for (dy, wy) in [(0, 1.0 - fy), (1, fy)] {
                    if wy == 0.0 {
                        continue;
                    }
                    for row in 0..n {
                        let y = top + row + dy;
                        if y < first || y >= first + rows {
                            continue;
                        }
                        let line = (y - first) * width + left;
                        for col in 0..n {
                            let w = weight[[row, col]] * wy;
                            let z = patch[[row, col]] * w;
                            let at = line + col;
                            sum[at] += z * (1.0 - fx);
                            total[at] += w * (1.0 - fx);
                            sum[at + 1] += z * fx;
                            total[at + 1] += w * fx;
                        }
                    }
                }
            }
            for (z, w) in sum.iter_mut().zip(total.iter_mut()) {
                if *w > COVERED {
                    *z /= *w;
                } else {
                    *z = Complex32::default();
                    *w = 0.0;
                }
            }
        },
    );
    let shape = |e| Error::failed(format!("The stitched object has the wrong size ({e})"));
    Ok(Reconstruction {
        object: Array2::from_shape_vec((height, width), object).map_err(shape)?,
        coverage: Array2::from_shape_vec((height, width), coverage).map_err(shape)?,
        origin_xy: canvas.origin,
        pixel_size_m: None,
    })
}
