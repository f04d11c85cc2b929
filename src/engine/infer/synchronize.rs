//! Phase synchronization of the patches.
//!
//! Hazard: diffraction does not determine the global phase of a patch, so that individually predicted patches differ by
//! arbitrary phases; averaging them destroys the low frequencies of the object. Remedy: angular synchronization. The
//! phases with which overlapping patches agree best maximize `Re Σ_edges agreement_ab · exp(-i(φ_a - φ_b))`. They are
//! computed by power iteration on the overlap graph, starting from a spanning tree of the strongest overlaps, which
//! provides the large-scale phases.

use super::overlap::{Edge, edges};
use ndarray::{Array3, ArrayView2, ArrayView3};
use num_complex::{Complex32, Complex64};

/// Maximum number of iterations; each costs one multiplication per edge.
const MAX_ITERATIONS: usize = 4000;
/// The iteration ends when no phase changes by more than this, in radians.
const TOLERANCE: f64 = 1e-5;

/// Phase of each unit, in radians, such that `patch · exp(-i·phase)` agree where they overlap.
///
/// * `patches`: (k, N, N). * `positions`: center of each, `(x, y)`. * `weight`: (N, N), not negative.
/// * `unit`: unit of each patch; the patches of a unit (a group) share one phase.
pub fn synchronize(
    patches: ArrayView3<Complex32>,
    positions: &[[f64; 2]],
    weight: ArrayView2<f32>,
    unit: &[usize],
) -> Vec<f64> {
    let units = unit.iter().max().map_or(0, |m| m + 1);
    let graph = between_units(&edges(patches, positions, weight), unit);
    let mut phasor = spanning_tree(units, &graph);
    for _ in 0..MAX_ITERATIONS {
        if sweep(&mut phasor, &graph) < TOLERANCE {
            break;
        }
    }
    phasor.iter().map(|z| z.arg()).collect()
}

/// Multiplies each patch by `exp(-i·phase)` of its unit.
pub(super) fn rotate(patches: &mut Array3<Complex32>, phases: &[f64], unit: &[usize]) {
    for (mut patch, &u) in patches.outer_iter_mut().zip(unit) {
        let factor = Complex32::from_polar(1.0, -phases[u] as f32);
        patch.mapv_inplace(|z| z * factor);
    }
}

/// Neighbors of each unit and the total agreement with them, `Σ O_unit conj(O_neighbor)`.
type Graph = Vec<Vec<(usize, Complex64)>>;

fn between_units(edges: &[Edge], unit: &[usize]) -> Graph {
    let units = unit.iter().max().map_or(0, |m| m + 1);
    let mut pairs: Vec<(usize, usize, Complex64)> = edges
        .iter()
        .filter(|e| unit[e.a] != unit[e.b])
        .flat_map(|e| {
            let (a, b) = (unit[e.a], unit[e.b]);
            [(a, b, e.agreement), (b, a, e.agreement.conj())]
        })
        .collect();
    // The sort is stable, so that the order of summation is fixed.
    pairs.sort_by_key(|&(a, b, _)| (a, b));
    let mut graph: Graph = vec![Vec::new(); units];
    for (a, b, agreement) in pairs {
        match graph[a].last_mut() {
            Some((last, sum)) if *last == b => *sum += agreement,
            _ => graph[a].push((b, agreement)),
        }
    }
    graph
}

/// Initial phases along a spanning tree of strongest agreement (Prim), separately for each connected component.
fn spanning_tree(units: usize, graph: &Graph) -> Vec<Complex64> {
    let mut phasor = vec![Complex64::new(1.0, 0.0); units];
    let mut best: Vec<(f64, Complex64)> = vec![(-1.0, Complex64::new(1.0, 0.0)); units];
    let mut done = vec![false; units];
    let mut heap = std::collections::BinaryHeap::new();
    for root in 0..units {
        if done[root] {
            continue;
        }
        heap.push(Candidate { strength: f64::INFINITY, node: root });
        while let Some(Candidate { node, .. }) = heap.pop() {
            if done[node] {
                continue;
            }
            done[node] = true;
            phasor[node] = best[node].1;
            for &(other, agreement) in &graph[node] {
                let strength = agreement.norm();
                if !done[other] && strength > best[other].0 && strength > 0.0 {
                    // agreement = O_node conj(O_other): phase of node minus phase of other.
                    best[other] = (strength, phasor[node] * agreement.conj() / strength);
                    heap.push(Candidate { strength, node: other });
                }
            }
        }
    }
    phasor
}

/// One Gauss-Seidel sweep; returns the largest change of a phase in radians.
fn sweep(phasor: &mut [Complex64], graph: &Graph) -> f64 {
    let mut largest: f64 = 0.0;
    for node in 0..phasor.len() {
        let sum: Complex64 = graph[node].iter().map(|&(other, agreement)| agreement * phasor[other]).sum();
        let norm = sum.norm();
        if norm > 0.0 {
            let new = sum / norm;
            largest = largest.max((new * phasor[node].conj()).arg().abs());
            phasor[node] = new;
        }
    }
    largest
}

#[derive(PartialEq)]
struct Candidate {
    strength: f64,
    node: usize,
}
impl Eq for Candidate {}
impl Ord for Candidate {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.strength.total_cmp(&other.strength).then(other.node.cmp(&self.node))
    }
}
impl PartialOrd for Candidate {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::Array2;

    #[test]
    fn arbitrary_phases_of_the_patches_of_one_object_are_recovered() {
        let n = 16;
        let object = Array2::from_shape_fn((60, 60), |(y, x)| {
            let (y, x) = (y as f32 / 60.0, x as f32 / 60.0);
            Complex32::from_polar(0.6 + 0.3 * (9.0 * x).sin(), 2.0 * x * y + (7.0 * y).cos())
        });
        let positions: Vec<[f64; 2]> =
            (0..36).map(|i| [8.0 + 7.0 * f64::from(i % 6), 8.0 + 7.0 * f64::from(i / 6)]).collect();
        let truth: Vec<f64> = (0..36).map(|i| f64::from((i * 37) % 100) / 10.0).collect();
        let patches = Array3::from_shape_fn((36, n, n), |(i, y, x)| {
            let (top, left) = (positions[i][1] as usize - n / 2, positions[i][0] as usize - n / 2);
            object[[top + y, left + x]] * Complex32::from_polar(1.0, truth[i] as f32)
        });
        let weight = Array2::from_elem((n, n), 1.0f32);
        let unit: Vec<usize> = (0..36).collect();
        let found = synchronize(patches.view(), &positions, weight.view(), &unit);
        let offset = Complex64::from_polar(1.0, found[0] - truth[0]);
        for (f, t) in found.iter().zip(&truth) {
            let error = (Complex64::from_polar(1.0, f - t) * offset.conj()).arg();
            assert!(error.abs() < 1e-4, "{error}");
        }
    }
}
