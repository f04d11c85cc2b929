//! Affine distortion of the scan: wrong scale, rotation or shear of all positions.
//!
//! Corrections pattern by pattern find it only slowly, since the object is distorted along with the scan and every
//! pattern agrees with its neighbors. Here the object moves with the positions: if these become p + A (p − c), the object
//! O(x) becomes O(x − A (x − c)), and what changes within a pattern at the offset s from its position is only the strain,
//! O(p + s − A s). Gauss–Newton steps for A along this direction converge in a few steps.

use super::solver::{Solver, Start, solve_epochs};
use crate::config::DirectConfig;
use crate::data::Dataset;
use crate::error::Result;
use ndarray::Array2;
use num_complex::Complex32;
use rayon::prelude::*;

/// Epochs of a trial; the first step is made after `FIRST` of them, the next ones `BETWEEN` epochs apart.
const EPOCHS: usize = 42;
const FIRST: usize = 10;
const BETWEEN: usize = 5;
/// Largest displacement by a step, in pixels.
const LARGEST_STEP: f64 = 2.0;
/// Damping of a step as a fraction of the mean curvature.
const STIFFNESS: f64 = 1e-3;
/// A distortion is corrected if the misfit falls to this share. Less can come from errors of the probe.
const CLEARLY_BETTER: f64 = 0.985;
/// Largest distortion that is looked for.
const LARGEST: f64 = 0.06;

/// Linear map A, in the order yy, yx, xy, xx: a position (x, y) relative to the center of the scan changes by
/// (xy·y + xx·x, yy·y + yx·x).
type Distortion = [f64; 4];

/// Positions whose affine distortion was corrected.
#[derive(Debug, Clone, PartialEq)]
pub struct CorrectedScan {
    /// (x, y) of each pattern, pixels.
    pub positions: Vec<[f64; 2]>,
    /// Change of the scale along y and x, in percent.
    pub scale_percent: [f64; 2],
    /// Rotation from x to y, degrees.
    pub rotation_degrees: f64,
    /// Shear: half the change of the angle between the axes, degrees.
    pub shear_degrees: f64,
    /// Misfit relative to ΣI before and after, of short reconstructions.
    pub misfits: [f64; 2],
}

impl CorrectedScan {
    fn new(positions: Vec<[f64; 2]>, a: Distortion, misfits: [f64; 2]) -> Self {
        Self {
            positions,
            scale_percent: [100.0 * a[0], 100.0 * a[3]],
            rotation_degrees: ((a[1] - a[2]) / 2.0).to_degrees(),
            shear_degrees: ((a[1] + a[2]) / 2.0).to_degrees(),
            misfits,
        }
    }
}

/// Positions (x, y) with the distortion A about their mean applied.
fn distorted(positions: &[[f64; 2]], a: Distortion) -> Vec<[f64; 2]> {
    let center = mean(positions);
    let moved = |p: &[f64; 2]| {
        let (x, y) = (p[0] - center[0], p[1] - center[1]);
        [p[0] + a[2] * y + a[3] * x, p[1] + a[0] * y + a[1] * x]
    };
    positions.iter().map(moved).collect()
}

pub(super) fn mean(positions: &[[f64; 2]]) -> [f64; 2] {
    [0, 1].map(|axis| positions.iter().map(|p| p[axis]).sum::<f64>() / positions.len().max(1) as f64)
}

/// Two maps, one after the other: (I + B)(I + A) − I.
fn then(a: Distortion, b: Distortion) -> Distortion {
    let [p, q, r, s] = [1.0 + a[0], a[1], a[2], 1.0 + a[3]];
    let [t, u, v, w] = [1.0 + b[0], b[1], b[2], 1.0 + b[3]];
    [t * p + u * r - 1.0, t * q + u * s, v * p + w * r, v * q + w * s - 1.0]
}

/// Positions without the affine distortion that the patterns disagree with; `None` if there is no clear one, or if
/// `keep_going` returned false.
///
/// Rotation and shear are corrected alone if the misfit is then about as low as with the scale corrected as well: a wrong
/// scale can hardly be told from a wrong curvature of the probe.
///
/// # Errors
/// As [`super::solve`].
pub fn correct_distortion(
    dataset: &Dataset,
    config: &DirectConfig,
    keep_going: &mut dyn FnMut(f64) -> bool,
) -> Result<Option<CorrectedScan>> {
    let config = DirectConfig {
        epochs: EPOCHS,
        refine_positions: false,
        refine_intensity: false,
        refine_probe: false,
        probe_modes: None,
        ..config.clone()
    };
    let Some(distortion) = find_distortion(dataset, &config, &mut |share| keep_going(share * 0.4))? else {
        return Ok(None);
    };
    let scale = (distortion[0] + distortion[3]) / 2.0;
    let unscaled = [distortion[0] - scale, distortion[1], distortion[2], distortion[3] - scale];
    let mut trials = Vec::new();
    for (number, a) in [Distortion::default(), unscaled, distortion].into_iter().enumerate() {
        let mut trial = dataset.clone();
        trial.positions = distorted(&dataset.positions, a);
        let mut solver = Solver::with_reach(&trial, &config, &Start::Flat, None, 0.0)?;
        let mut progress = |share: f64, _: Option<f64>| keep_going(0.4 + 0.2 * (number as f64 + share));
        let (misfits, stopped) = solve_epochs(&mut solver, &mut progress, &mut |_, _| Ok(()))?;
        if stopped {
            return Ok(None);
        }
        trials.push((misfits.last().copied().unwrap_or(f64::INFINITY), a, trial.positions));
    }
    let before = trials[0].0;
    let best = trials.iter().map(|(misfit, ..)| *misfit).fold(f64::INFINITY, f64::min);
    let is_better = |(misfit, ..): &(f64, Distortion, Vec<[f64; 2]>)| *misfit <= CLEARLY_BETTER * before;
    let chosen = trials.iter().position(|trial| is_better(trial) && trial.0 * CLEARLY_BETTER <= best);
    Ok(chosen.map(|chosen| {
        let (after, a, positions) = trials.swap_remove(chosen);
        CorrectedScan::new(positions, a, [before, after])
    }))
}

/// The distortion to which Gauss–Newton steps lead; `None` if it is larger than is looked for, or if `keep_going`
/// returned false.
fn find_distortion(
    dataset: &Dataset,
    config: &DirectConfig,
    keep_going: &mut dyn FnMut(f64) -> bool,
) -> Result<Option<Distortion>> {
    let mut total = Distortion::default();
    let reach = 2.0 * (LARGEST * extent(&dataset.positions) + LARGEST_STEP);
    let mut solver = Solver::with_reach(dataset, config, &Start::Flat, None, reach)?;
    let is_small = |total: &Distortion| total.iter().all(|value| value.abs() <= LARGEST);
    let (_, stopped) = solve_epochs(&mut solver, &mut |share, _| keep_going(share), &mut |solver, epoch| {
        let due = epoch >= FIRST && (epoch - FIRST).is_multiple_of(BETWEEN) && epoch + BETWEEN < EPOCHS;
        if due && is_small(&total) {
            total = then(total, solver.affine_step()?);
        }
        Ok(())
    })?;
    Ok(Some(total).filter(|total| !stopped && is_small(total)))
}

/// Largest distance of a position from the center of the scan along an axis, pixels.
fn extent(positions: &[[f64; 2]]) -> f64 {
    let center = mean(positions);
    positions.iter().flat_map(|p| [0, 1].map(|axis| (p[axis] - center[axis]).abs())).fold(0.0, f64::max)
}

impl Solver<'_> {
    /// Moves the positions by a Gauss–Newton step for the affine distortion, and the object with them. Returns the step.
    fn affine_step(&mut self) -> Result<Distortion> {
        self.refresh_illumination()?;
        let slopes = slopes(&self.object);
        let equations: Vec<([[f64; 4]; 4], [f64; 4])> = (0..self.positions.len())
            .into_par_iter()
            .map(|index| {
                let (.., rest) = self.patch_corner(index);
                let slopes = [self.patch(&slopes[0], index), self.patch(&slopes[1], index)];
                let probe = self.shifted_probe(index);
                let patch = self.patch(&self.object, index);
                self.model.strain_normal_equations(&patch, &slopes, probe.view(), rest, &self.amplitudes[index])
            })
            .collect();
        let (mut matrix, mut right) = ([[0.0; 4]; 4], [0.0; 4]);
        for (one_matrix, one_right) in &equations {
            for row in 0..4 {
                right[row] += one_right[row];
                (0..4).for_each(|column| matrix[row][column] += one_matrix[row][column]);
            }
        }
        let step = solve_damped(matrix, right);
        let center = mean(&self.positions);
        let longest = extent(&self.positions) * step.iter().fold(0.0f64, |largest, value| largest.max(value.abs()));
        let step = step.map(|value| value * (LARGEST_STEP / longest.max(f64::MIN_POSITIVE)).min(1.0));
        let (top, left, rest) = self.patch_corner_of(center);
        let half = (self.side / 2) as f64;
        let center = [top as f64 + half + f64::from(rest[0]), left as f64 + half + f64::from(rest[1])];
        self.positions = distorted(&self.positions, step);
        self.object = warped(&self.object, center, step);
        self.restart();
        Ok(step)
    }
}

/// Derivatives of the object along y and x, by central differences.
fn slopes(object: &Array2<Complex32>) -> [Array2<Complex32>; 2] {
    let (height, width) = object.dim();
    let difference = |a: (usize, usize), b: (usize, usize)| (object[a] - object[b]) * 0.5;
    [
        Array2::from_shape_fn((height, width), |(y, x)| {
            difference(((y + 1).min(height - 1), x), (y.saturating_sub(1), x))
        }),
        Array2::from_shape_fn((height, width), |(y, x)| {
            difference((y, (x + 1).min(width - 1)), (y, x.saturating_sub(1)))
        }),
    ]
}

/// O(c + (I + A)⁻¹ (x − c)) on the same canvas, by cubic convolution; `center` is (y, x) in pixels of the canvas.
fn warped(object: &Array2<Complex32>, center: [f64; 2], a: Distortion) -> Array2<Complex32> {
    let (height, width) = object.dim();
    let [yy, yx, xy, xx] = [1.0 + a[0], a[1], a[2], 1.0 + a[3]];
    let determinant = yy * xx - yx * xy;
    let at = |y: i64, x: i64| object[[y.clamp(0, height as i64 - 1) as usize, x.clamp(0, width as i64 - 1) as usize]];
    Array2::from_shape_fn((height, width), |(y, x)| {
        let (v, u) = (y as f64 - center[0], x as f64 - center[1]);
        let from_y = center[0] + (xx * v - yx * u) / determinant;
        let from_x = center[1] + (yy * u - xy * v) / determinant;
        let (top, left) = (from_y.floor(), from_x.floor());
        let (along_y, along_x) = (cubic_weights(from_y - top), cubic_weights(from_x - left));
        let mut sum = Complex32::default();
        for (row, weight_y) in along_y.iter().enumerate() {
            for (column, weight_x) in along_x.iter().enumerate() {
                let value = at(top as i64 + row as i64 - 1, left as i64 + column as i64 - 1);
                sum += value * (weight_y * weight_x);
            }
        }
        sum
    })
}

/// Weights of the four neighbors in cubic convolution (Keys, a = −1/2) at a fraction of a pixel.
fn cubic_weights(t: f64) -> [f32; 4] {
    let (t2, t3) = (t * t, t * t * t);
    [-0.5 * t3 + t2 - 0.5 * t, 1.5 * t3 - 2.5 * t2 + 1.0, -1.5 * t3 + 2.0 * t2 + 0.5 * t, 0.5 * t3 - 0.5 * t2]
        .map(|weight| weight as f32)
}

/// Solution of the normal equations with damping, by Gaussian elimination; the matrix is positive definite.
fn solve_damped(mut matrix: [[f64; 4]; 4], mut right: [f64; 4]) -> [f64; 4] {
    let damping = STIFFNESS * (0..4).map(|k| matrix[k][k]).sum::<f64>() / 4.0 + f64::MIN_POSITIVE;
    (0..4).for_each(|k| matrix[k][k] += damping);
    for pivot in 0..4 {
        for row in pivot + 1..4 {
            let factor = matrix[row][pivot] / matrix[pivot][pivot];
            (pivot..4).for_each(|column| matrix[row][column] -= factor * matrix[pivot][column]);
            right[row] -= factor * right[pivot];
        }
    }
    for pivot in (0..4).rev() {
        let known: f64 = (pivot + 1..4).map(|column| matrix[pivot][column] * right[column]).sum();
        right[pivot] = (right[pivot] - known) / matrix[pivot][pivot];
    }
    right
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::DataConfig;

    #[test]
    fn normal_equations_are_solved() {
        let matrix = [[4.0, 1.0, 0.0, 0.5], [1.0, 3.0, 0.2, 0.0], [0.0, 0.2, 2.0, 0.1], [0.5, 0.0, 0.1, 5.0]];
        let expected = [1.0, -2.0, 0.5, 3.0];
        let right = matrix.map(|row| row.iter().zip(expected).map(|(a, b)| a * b).sum());
        for (found, expected) in solve_damped(matrix, right).iter().zip(expected) {
            assert!((found - expected).abs() < 0.01 * expected.abs(), "{found} {expected}");
        }
    }

    #[test]
    fn a_rotated_scan_is_rotated_back_and_a_right_one_is_left_alone() {
        let path = ptychoscope_base::testing::fixture("siemens_star_n64.npz");
        let dataset = Dataset::load(&path, &DataConfig::default(), 0).unwrap();
        let config = DirectConfig::default();
        assert_eq!(correct_distortion(&dataset, &config, &mut |_| true).unwrap(), None);
        let mut rotated = dataset.clone();
        let sine = 1f64.to_radians().sin();
        rotated.positions = distorted(&dataset.positions, [0.0, sine, -sine, 0.0]);
        let found = correct_distortion(&rotated, &config, &mut |_| true).unwrap().expect("a correction").positions;
        let rms = |positions: &[[f64; 2]]| {
            let squared = |(a, b): (&[f64; 2], &[f64; 2])| (a[0] - b[0]).powi(2) + (a[1] - b[1]).powi(2);
            let sum: f64 = positions.iter().zip(&dataset.positions).map(squared).sum();
            (sum / positions.len() as f64).sqrt()
        };
        assert!(rms(&found) < 0.4 * rms(&rotated.positions), "{} of {}", rms(&found), rms(&rotated.positions));
    }
}
