//! Quality-guided phase unwrapping.
//!
//! Following Herráez et al., Appl. Opt. 41, 7437 (2002): neighboring pixels are joined in order of decreasing
//! smoothness of the phase, and a group that is joined to another is shifted as a whole by multiples of 2π. Errors
//! remain confined to regions of poor phase.

use ndarray::{Array2, ArrayView2};
use std::f64::consts::{PI, TAU};

/// Number of quality levels by which joints are sorted.
const LEVELS: usize = 1 << 14;

/// (H, W) phase in radians, unwrapped between covered neighbors as far as possible. The mean of the largest connected
/// group is within half a turn of zero. NaN and uncovered pixels are unchanged.
///
/// The time is linear in the number of pixels: about 0.25 s per million.
pub fn unwrap_phase(phase: ArrayView2<'_, f32>, covered: ArrayView2<'_, bool>) -> Array2<f32> {
    let (height, width) = phase.dim();
    let count = height * width;
    let mut result = phase.to_owned();
    let values: Vec<f64> = phase.iter().map(|v| f64::from(*v)).collect();
    let usable: Vec<bool> = values.iter().zip(covered.iter()).map(|(v, covered)| *covered && v.is_finite()).collect();
    if count == 0 || count >= u32::MAX as usize / 2 || usable.len() != count {
        return result;
    }
    let roughness = roughness(&values, &usable, height, width);
    let joints = sorted_joints(&roughness, &usable, height, width);
    let mut groups = Groups::new(count);
    for joint in joints {
        let (from, down) = ((joint >> 1) as usize, joint & 1 == 1);
        let to = from + if down { width } else { 1 };
        groups.join(from, to, &values);
    }
    let (turns, main) = groups.finish(&usable);
    let (mut sum, mut members) = (0.0, 0.0);
    for ((value, turn), root) in values.iter().zip(&turns).zip(&main) {
        if *root {
            sum += value + TAU * f64::from(*turn);
            members += 1.0;
        }
    }
    let shift = if members > 0.0 { -((sum / members) / TAU).round() } else { 0.0 };
    for ((value, turn), usable) in result.iter_mut().zip(&turns).zip(&usable) {
        if *usable {
            *value = (f64::from(*value) + TAU * (f64::from(*turn) + shift)) as f32;
        }
    }
    result
}

/// Angle wrapped to −π to π.
fn wrap(angle: f64) -> f64 {
    angle - TAU * (angle / TAU).round()
}

/// Magnitude of the second differences of the phase at each pixel; large where a neighbor is missing.
fn roughness(values: &[f64], usable: &[bool], height: usize, width: usize) -> Vec<f32> {
    let mut roughness = vec![8.0 * PI as f32; values.len()];
    for y in 1..height.saturating_sub(1) {
        for x in 1..width.saturating_sub(1) {
            let at = y * width + x;
            let second_difference = |step: usize| {
                let [Some(a), Some(b), Some(c)] = [at.checked_sub(step), Some(at), Some(at + step)]
                    .map(|i| i.and_then(|i| if *usable.get(i)? { values.get(i) } else { None }))
                else {
                    return None;
                };
                Some(wrap(a - b) - wrap(b - c))
            };
            if let [Some(h), Some(v), Some(d), Some(e)] = [1, width, width + 1, width - 1].map(second_difference)
                && let Some(cell) = roughness.get_mut(at)
            {
                *cell = (h * h + v * v + d * d + e * e).sqrt() as f32;
            }
        }
    }
    roughness
}

/// All pairs of usable neighbors, smoothest first, then by index. Encoded as twice the index of the first pixel, plus
/// one if the second is below it rather than to the right.
fn sorted_joints(roughness: &[f32], usable: &[bool], height: usize, width: usize) -> Vec<u32> {
    let level = |from: usize, to: usize| -> Option<usize> {
        if !(*usable.get(from)? && *usable.get(to)?) {
            return None;
        }
        let sum = f64::from(*roughness.get(from)?) + f64::from(*roughness.get(to)?);
        Some(((sum / (16.0 * PI) * LEVELS as f64) as usize).min(LEVELS - 1))
    };
    let each = |visit: &mut dyn FnMut(usize, u32)| {
        for y in 0..height {
            for x in 0..width {
                let at = y * width + x;
                if x + 1 < width
                    && let Some(level) = level(at, at + 1)
                {
                    visit(level, (at as u32) << 1);
                }
                if y + 1 < height
                    && let Some(level) = level(at, at + width)
                {
                    visit(level, (at as u32) << 1 | 1);
                }
            }
        }
    };
    // Counting sort is stable: ties are in order of the index.
    let mut starts = vec![0usize; LEVELS + 1];
    each(&mut |level, _| starts[level + 1] += 1);
    for i in 0..LEVELS {
        starts[i + 1] += starts[i];
    }
    let mut joints = vec![0; starts[LEVELS]];
    each(&mut |level, joint| {
        joints[starts[level]] = joint;
        starts[level] += 1;
    });
    joints
}

/// Groups of joined pixels (union-find), each pixel with its whole turns relative to the root of its group.
struct Groups {
    parent: Vec<u32>,
    turns: Vec<i32>,
    size: Vec<u32>,
}

impl Groups {
    fn new(count: usize) -> Self {
        Self { parent: (0..count as u32).collect(), turns: vec![0; count], size: vec![1; count] }
    }

    /// Root of a pixel and its turns relative to the root, with path compression.
    fn find(&mut self, pixel: usize) -> (usize, i32) {
        let (mut root, mut turns) = (pixel, 0);
        while self.parent[root] as usize != root {
            turns += self.turns[root];
            root = self.parent[root] as usize;
        }
        let (mut at, mut rest) = (pixel, turns);
        while self.parent[at] as usize != root && at != root {
            let (next, step) = (self.parent[at] as usize, self.turns[at]);
            self.parent[at] = root as u32;
            self.turns[at] = rest;
            rest -= step;
            at = next;
        }
        (root, turns)
    }

    /// Joins the groups of two neighboring pixels.
    fn join(&mut self, a: usize, b: usize, values: &[f64]) {
        let ((root_a, turns_a), (root_b, turns_b)) = (self.find(a), self.find(b));
        if root_a == root_b {
            return;
        }
        // Turns that bring b within half a turn of a.
        let jump = ((values[a] - values[b]) / TAU).round() as i32;
        let of_b = turns_a + jump - turns_b;
        if self.size[root_a] >= self.size[root_b] {
            self.parent[root_b] = root_a as u32;
            self.turns[root_b] = of_b;
            self.size[root_a] += self.size[root_b];
        } else {
            self.parent[root_a] = root_b as u32;
            self.turns[root_a] = -of_b;
            self.size[root_b] += self.size[root_a];
        }
    }

    /// Turns of each pixel, and true for the pixels of the largest group (the first of equal ones).
    fn finish(mut self, usable: &[bool]) -> (Vec<i32>, Vec<bool>) {
        let found: Vec<(usize, i32)> = (0..self.parent.len()).map(|pixel| self.find(pixel)).collect();
        let mut largest = None;
        for ((root, _), usable) in found.iter().zip(usable) {
            if *usable && largest.is_none_or(|best: usize| self.size[*root] > self.size[best]) {
                largest = Some(*root);
            }
        }
        let main = found.iter().map(|(root, _)| Some(*root) == largest).collect();
        (found.into_iter().map(|(_, turns)| turns).collect(), main)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrapped(phase: &Array2<f32>) -> Array2<f32> {
        phase.mapv(|v| wrap(f64::from(v)) as f32)
    }

    /// Largest difference of covered pixels, up to a common multiple of 2π.
    fn worst(found: &Array2<f32>, truth: &Array2<f32>, covered: &Array2<bool>) -> f32 {
        let first = found.iter().zip(truth).zip(covered).find(|(_, covered)| **covered);
        let shift = first.map_or(0.0, |((f, t), _)| ((f - t) / TAU as f32).round() * TAU as f32);
        let all = found.iter().zip(truth).zip(covered).filter(|(_, covered)| **covered);
        all.map(|((f, t), _)| (f - t - shift).abs()).fold(0.0, f32::max)
    }

    #[test]
    fn a_smooth_hill_of_many_turns_is_recovered() {
        let truth = Array2::from_shape_fn((90, 120), |(y, x)| {
            let (dy, dx) = (y as f32 - 40.0, x as f32 - 55.0);
            25.0 * (-(dy * dy + dx * dx) / 900.0).exp() + 0.1 * x as f32
        });
        let covered = Array2::from_elem(truth.dim(), true);
        let found = unwrap_phase(wrapped(&truth).view(), covered.view());
        assert!(worst(&found, &truth, &covered) < 1e-3);
        let mean = found.mean().unwrap_or(99.0);
        assert!(mean.abs() <= PI as f32, "{mean}");
    }

    #[test]
    fn noise_in_one_corner_does_not_affect_the_rest() {
        let truth = Array2::from_shape_fn((64, 64), |(y, x)| 0.4 * x as f32 + 0.2 * y as f32);
        let mut phase = wrapped(&truth);
        for ((y, x), value) in phase.indexed_iter_mut() {
            if y < 20 && x < 20 {
                // Reproducible noise.
                *value = wrap((y * 7919 + x * 104_729) as f64 * 0.618) as f32;
            }
        }
        let covered = Array2::from_elem((64, 64), true);
        let found = unwrap_phase(phase.view(), covered.view());
        let outside = Array2::from_shape_fn((64, 64), |(y, x)| y >= 22 || x >= 22);
        let shift = ((found[(63, 63)] - truth[(63, 63)]) / TAU as f32).round() * TAU as f32;
        let bad = found.iter().zip(&truth).zip(&outside).filter(|((f, t), o)| **o && (*f - *t - shift).abs() > 0.01);
        assert_eq!(bad.count(), 0);
    }

    #[test]
    fn gaps_and_nan_are_unchanged_and_islands_are_separate() {
        let truth = Array2::from_shape_fn((30, 41), |(_, x)| 0.9 * x as f32);
        let mut phase = wrapped(&truth);
        phase[(3, 3)] = f32::NAN;
        let covered = Array2::from_shape_fn((30, 41), |(_, x)| x != 30);
        let found = unwrap_phase(phase.view(), covered.view());
        assert!(found[(3, 3)].is_nan());
        assert_eq!(found[(5, 30)], phase[(5, 30)]);
        let left = Array2::from_shape_fn((30, 41), |(y, x)| x < 30 && (y, x) != (3, 3));
        assert!(worst(&found, &truth, &left) < 1e-3);
        for x in 32..41 {
            assert!((found[(4, x)] - found[(4, x - 1)] - 0.9).abs() < 1e-3);
        }
        let none = unwrap_phase(phase.view(), covered.mapv(|_| false).view());
        assert!(none.iter().zip(&phase).all(|(a, b)| a.to_bits() == b.to_bits()));
        assert_eq!(unwrap_phase(Array2::zeros((0, 3)).view(), Array2::from_elem((0, 3), true).view()).dim(), (0, 3));
    }
}
