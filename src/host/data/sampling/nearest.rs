//! Nearest scan positions (R*-tree), with ties broken by index.

use rayon::prelude::*;
use rstar::{RTree, primitives::GeomWithData};

/// Largest number of equally distant points examined beyond those requested; exceeded only by massively repeated positions.
const MAX_TIES: usize = 1024;

/// Search index over scan positions.
pub(in crate::data) struct NeighborIndex<'a> {
    positions: &'a [[f64; 2]],
    tree: RTree<GeomWithData<[f64; 2], usize>>,
}

impl<'a> NeighborIndex<'a> {
    /// Builds the index over finite positions (x, y).
    pub fn new(positions: &'a [[f64; 2]]) -> Self {
        let points = positions.iter().enumerate().map(|(at, &p)| GeomWithData::new(p, at)).collect();
        Self { positions, tree: RTree::bulk_load(points) }
    }

    /// The `count` positions nearest to position `of`, excluding itself, ascending by distance, then by index.
    pub fn nearest(&self, of: usize, count: usize) -> Vec<usize> {
        let Some(&point) = self.positions.get(of) else { return Vec::new() };
        let mut found: Vec<(f64, usize)> = Vec::with_capacity(count + 1);
        for (neighbor, distance_2) in self.tree.nearest_neighbor_iter_with_distance_2(point) {
            if neighbor.data == of {
                continue;
            }
            let farthest = found.last().map_or(f64::NEG_INFINITY, |last| last.0);
            if found.len() >= count && (distance_2 > farthest || found.len() >= count + MAX_TIES) {
                break;
            }
            found.push((distance_2, neighbor.data));
        }
        found.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        found.truncate(count);
        found.into_iter().map(|(_, at)| at).collect()
    }

    /// Distance from each position to the nearest other one; empty for fewer than two positions.
    pub fn nearest_distances(&self) -> Vec<f64> {
        (0..self.positions.len())
            .into_par_iter()
            .filter_map(|of| {
                let [x, y] = self.positions.get(of)?;
                let [u, v] = self.positions.get(*self.nearest(of, 1).first()?)?;
                Some((x - u).hypot(y - v))
            })
            .collect()
    }
}

/// Distance from each position to the nearest other one, in the unit of the positions; empty for fewer than two.
pub fn nearest_distances(positions: &[[f64; 2]]) -> Vec<f64> {
    NeighborIndex::new(positions).nearest_distances()
}

/// The `count` positions nearest to position `of`, excluding itself, ascending by distance, then by index.
///
/// For a single query a linear search is cheaper than an index.
pub fn nearest_neighbors(positions: &[[f64; 2]], of: usize, count: usize) -> Vec<usize> {
    let Some(&[x, y]) = positions.get(of) else { return Vec::new() };
    let mut found: Vec<(f64, usize)> = positions
        .iter()
        .enumerate()
        .filter(|(at, _)| *at != of)
        .map(|(at, [u, v])| ((x - u) * (x - u) + (y - v) * (y - v), at))
        .collect();
    let nearer = |a: &(f64, usize), b: &(f64, usize)| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1));
    if count < found.len() {
        found.select_nth_unstable_by(count, nearer);
        found.truncate(count);
    }
    found.sort_by(nearer);
    found.into_iter().map(|(_, at)| at).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ties_are_broken_by_index() {
        let positions: Vec<[f64; 2]> = (0..25).map(|k| [f64::from(k % 5), f64::from(k / 5)]).collect();
        assert_eq!(NeighborIndex::new(&positions).nearest(12, 8), [7, 11, 13, 17, 6, 8, 16, 18]);
        assert_eq!(NeighborIndex::new(&positions).nearest(12, 2), [7, 11]);
    }

    #[test]
    fn a_single_query_agrees_with_the_index() {
        let positions: Vec<[f64; 2]> =
            (0..200).map(|k| [(f64::from(k) * 12.9898).sin() * 50.0, f64::from(k % 14) * 3.0]).collect();
        let index = NeighborIndex::new(&positions);
        for (of, count) in [(0, 1), (17, 8), (199, 30), (5, 500), (3, 0)] {
            assert_eq!(nearest_neighbors(&positions, of, count), index.nearest(of, count), "{of} {count}");
        }
        assert!(nearest_neighbors(&positions, 200, 3).is_empty());
    }

    #[test]
    fn many_equal_positions_are_handled_quickly() {
        let positions = vec![[1.0, 2.0]; 5000];
        let index = NeighborIndex::new(&positions);
        assert_eq!(index.nearest(3, 4).len(), 4);
        assert!(index.nearest_distances().iter().all(|&distance| distance == 0.0));
    }

    #[test]
    fn fewer_positions_than_requested_are_all_returned() {
        assert_eq!(NeighborIndex::new(&[[0.0, 0.0], [3.0, 4.0]]).nearest(0, 7), [1]);
        assert_eq!(NeighborIndex::new(&[[0.0, 0.0], [3.0, 4.0]]).nearest_distances(), [5.0, 5.0]);
        assert!(NeighborIndex::new(&[[0.0, 0.0]]).nearest_distances().is_empty());
    }
}
