//! How much the illuminated discs of neighbouring scan positions overlap (A§8.7).

use ndarray::ArrayView2;
use rayon::prelude::*;
use rstar::{RTree, primitives::GeomWithData};
use serde::Serialize;

use crate::error::{Error, Problem, Result};

/// Neighbours of each position that the image-based measure takes.
pub const OVERLAP_NEIGHBORS: usize = 6;
/// Diameter of the disc, as part of the pattern's side, where no width of the probe is known.
pub const DISC_OF_SIDE: f64 = 0.6;

/// Common area of two discs of this diameter at this distance, as part of one disc: 1 at 0, 0 from one diameter on.
pub fn disc_overlap(distance: f64, diameter: f64) -> f64 {
    if distance.is_nan() || distance >= diameter {
        return 0.0;
    }
    let (d, r) = (distance.max(0.0), diameter / 2.0);
    let lens = 2.0 * r * r * (d / (2.0 * r)).acos() - d / 2.0 * (4.0 * r * r - d * d).max(0.0).sqrt();
    lens / (std::f64::consts::PI * r * r)
}

/// Overlap of a scan under the original's names; a value that does not apply is none.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct OverlapMetrics {
    /// Version of these definitions.
    pub metrics_version: String,
    /// Side of the groups.
    pub gridsize: usize,
    /// Scan positions.
    pub s_img: usize,
    /// Groups.
    pub n_groups: usize,
    /// Neighbours of each position in the image-based measure.
    pub neighbor_count: usize,
    /// Diameter of the discs, pixels of the object.
    pub probe_diameter_px: f64,
    /// Seed with which positions were chosen, if some were left out.
    pub rng_seed_subsample: Option<u64>,
    /// Mean overlap of a group's seed with the others of its group (gridsize 2 only).
    pub metric_1_group_based_avg: Option<f64>,
    /// Mean overlap of each position with its nearest other ones; exact duplicates count once.
    pub metric_2_image_based_avg: f64,
    /// Mean overlap of each group's centre with the other centres closer than a diameter; 0 where there is none.
    pub metric_3_group_to_group_avg: f64,
}

/// Overlap metrics of scan positions (\[x, y\], pixels of the object).
///
/// `groups` is (groups, gridsize²), the seed of each group first; none takes each position as its own group.
///
/// # Errors
/// Fewer than two distinct positions, positions that are not finite, a diameter that is not above zero, groups that name
/// positions which are not there. A low overlap is no error.
pub fn overlap_metrics(
    positions: &[[f64; 2]],
    groups: Option<ArrayView2<'_, usize>>,
    gridsize: usize,
    neighbor_count: usize,
    probe_diameter_px: f64,
    rng_seed_subsample: Option<u64>,
) -> Result<OverlapMetrics> {
    if !positions.iter().flatten().all(|v| v.is_finite()) {
        return Err(Error::bad_input("A scan position is not finite"));
    }
    if !(probe_diameter_px > 0.0 && probe_diameter_px.is_finite()) || neighbor_count == 0 {
        return Err(Error::BadInput(
            Problem::new(format!("Overlap of discs of {probe_diameter_px} pixels with {neighbor_count} neighbours"))
                .expected("a diameter above zero and at least one neighbour"),
        ));
    }
    let members = match groups {
        None => (0..positions.len()).map(|i| vec![i]).collect::<Vec<_>>(),
        Some(groups) => groups.rows().into_iter().map(|row| row.to_vec()).collect(),
    };
    let at = |index: usize| {
        positions.get(index).copied().ok_or_else(|| {
            Error::bad_input(format!("A group names position {index}, but there are {}", positions.len()))
        })
    };
    let members = members
        .into_iter()
        .map(|group| group.into_iter().map(at).collect::<Result<Vec<_>>>())
        .collect::<Result<Vec<_>>>()?;

    let mut distinct = positions.to_vec();
    distinct.sort_by(|a, b| a[0].total_cmp(&b[0]).then(a[1].total_cmp(&b[1])));
    distinct.dedup();
    if distinct.len() < 2 {
        return Err(Error::BadInput(
            Problem::new("The overlap of a scan needs two different positions").expected("a scan of several positions"),
        ));
    }
    let centres: Vec<[f64; 2]> = members.iter().map(|group| centre(group)).collect();
    Ok(OverlapMetrics {
        metrics_version: "1.0".to_owned(),
        gridsize,
        s_img: positions.len(),
        n_groups: members.len(),
        neighbor_count,
        probe_diameter_px,
        rng_seed_subsample,
        metric_1_group_based_avg: (gridsize == 2).then(|| mean(&within_groups(&members, probe_diameter_px))),
        metric_2_image_based_avg: mean(&with_nearest(&distinct, neighbor_count, probe_diameter_px)),
        metric_3_group_to_group_avg: mean(&with_close(&centres, probe_diameter_px)),
    })
}

fn distance(a: [f64; 2], b: [f64; 2]) -> f64 {
    (a[0] - b[0]).hypot(a[1] - b[1])
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len().max(1) as f64
}

fn centre(group: &[[f64; 2]]) -> [f64; 2] {
    [0, 1].map(|axis| group.iter().map(|p| p[axis]).sum::<f64>() / group.len().max(1) as f64)
}

/// For each group, the mean overlap of its first position with the others.
fn within_groups(groups: &[Vec<[f64; 2]>], diameter: f64) -> Vec<f64> {
    let of = |group: &Vec<[f64; 2]>| {
        let (seed, others) = group.split_first()?;
        Some(mean(&others.iter().map(|other| disc_overlap(distance(*seed, *other), diameter)).collect::<Vec<_>>()))
    };
    groups.iter().filter_map(of).collect()
}

fn tree(points: &[[f64; 2]]) -> RTree<GeomWithData<[f64; 2], usize>> {
    RTree::bulk_load(points.iter().enumerate().map(|(i, p)| GeomWithData::new(*p, i)).collect())
}

/// For each point, the mean overlap with its `count` nearest others; equally near ones have the same overlap.
fn with_nearest(points: &[[f64; 2]], count: usize, diameter: f64) -> Vec<f64> {
    let tree = tree(points);
    let of = |(at, point): (usize, &[f64; 2])| {
        let others = tree.nearest_neighbor_iter(*point).filter(|other| other.data != at).take(count);
        mean(&others.map(|other| disc_overlap(distance(*point, *other.geom()), diameter)).collect::<Vec<_>>())
    };
    points.par_iter().enumerate().map(of).collect()
}

/// For each point, the mean overlap with the others closer than a diameter, in the order of their numbers.
fn with_close(points: &[[f64; 2]], diameter: f64) -> Vec<f64> {
    let tree = tree(points);
    let of = |(at, point): (usize, &[f64; 2])| {
        let mut close: Vec<_> = tree
            .locate_within_distance(*point, diameter * diameter)
            .filter(|other| other.data != at)
            .map(|other| (other.data, distance(*point, *other.geom())))
            .filter(|(_, distance)| *distance < diameter)
            .collect();
        close.sort_by_key(|(number, _)| *number);
        mean(&close.iter().map(|(_, distance)| disc_overlap(*distance, diameter)).collect::<Vec<_>>())
    };
    points.par_iter().enumerate().map(of).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;
    use ndarray::array;

    #[test]
    fn the_overlap_of_discs_has_its_known_values() {
        assert!((disc_overlap(0.0, 7.0) - 1.0).abs() < 1e-12);
        assert!((disc_overlap(3.5, 7.0) - 0.391_002_218_955_77).abs() < 1e-9);
        assert_eq!((disc_overlap(7.0, 7.0), disc_overlap(9.0, 7.0)), (0.0, 0.0));
    }

    /// A square of 3 × 3 positions one apart, and one of them twice.
    fn square() -> Vec<[f64; 2]> {
        let mut positions: Vec<[f64; 2]> = (0..9).map(|i| [f64::from(i % 3), f64::from(i / 3)]).collect();
        positions.push([1.0, 1.0]);
        positions
    }

    #[test]
    fn the_three_measures_are_those_of_a_square_computed_by_hand() {
        let groups = array![[0_usize, 1, 3, 4], [4, 5, 7, 8]];
        let found = overlap_metrics(&square(), Some(groups.view()), 2, 2, 4.0, Some(7)).unwrap();
        let (side, diagonal) = (disc_overlap(1.0, 4.0), disc_overlap(2.0_f64.sqrt(), 4.0));
        let one = (2.0 * side + diagonal) / 3.0;
        assert!((found.metric_1_group_based_avg.unwrap() - one).abs() < 1e-12);
        assert!((found.metric_2_image_based_avg - side).abs() < 1e-12, "two nearest of each are one apart");
        assert!((found.metric_3_group_to_group_avg - diagonal).abs() < 1e-12);
        assert_eq!((found.s_img, found.n_groups, found.gridsize, found.rng_seed_subsample), (10, 2, 2, Some(7)));
        let json = serde_json::to_value(&found).unwrap();
        assert_eq!(json["metrics_version"], "1.0");
    }

    #[test]
    fn without_groups_each_position_is_one_and_far_ones_overlap_by_nothing() {
        let far = [[0.0, 0.0], [100.0, 0.0], [0.0, 100.0]];
        let found = overlap_metrics(&far, None, 1, OVERLAP_NEIGHBORS, 10.0, None).unwrap();
        assert_eq!(found.metric_1_group_based_avg, None);
        assert_eq!((found.metric_2_image_based_avg, found.metric_3_group_to_group_avg), (0.0, 0.0));
        let near = overlap_metrics(&square(), None, 1, 6, 1.2, None).unwrap();
        assert!(near.metric_3_group_to_group_avg > 0.0);
    }

    #[test]
    fn degenerate_input_is_an_error() {
        let of = |positions: &[[f64; 2]], diameter| overlap_metrics(positions, None, 1, 6, diameter, None);
        assert!(of(&[[1.0, 1.0]], 5.0).is_err());
        assert!(of(&[[1.0, 1.0], [1.0, 1.0]], 5.0).is_err());
        assert!(of(&[[1.0, 1.0], [f64::NAN, 1.0]], 5.0).is_err());
        assert!(of(&square(), 0.0).is_err());
        assert!(overlap_metrics(&square(), Some(array![[0_usize, 10]].view()), 1, 6, 5.0, None).is_err());
    }
}
