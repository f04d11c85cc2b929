//! Probe diameter, and overlap of the illuminations at neighboring scan positions.
//!
//! The single definition of both: every check, caption, simulation and report uses these functions. The probe is
//! reduced to the disk with its effective area ([`probe_diameter`]). The linear overlap ([`linear_overlap`]) is the
//! figure quoted for scans; the areal overlap ([`area_overlap`]) enters the original's overlap metrics (A§8.7).

use ndarray::{ArrayView2, ArrayView3, Axis};
use num_complex::Complex32;
use rayon::prelude::*;
use rstar::{RTree, primitives::GeomWithData};
use serde::Serialize;

use crate::error::{Error, Problem, Result};

/// Number of neighbors of each position in the image-based metric.
pub const OVERLAP_NEIGHBORS: usize = 6;
/// Linear overlap below which artifacts of the scan grid are to be expected.
pub const MIN_LINEAR_OVERLAP: f64 = 0.4;

/// Diameter, in pixels, of the disk with the effective area of a (modes, N, N) probe: `π/4 · d² = (ΣI)² / ΣI²` with
/// `I = Σ_modes |P|²`; 0 for a probe without energy.
///
/// * Exact for a uniform disk; four standard deviations of the intensity for a Gaussian (the beam width D4σ of ISO
///   11146).
/// * Uses only the intensity: phase curvature counts only by the size of the illuminated spot. Independent of the
///   center of the probe and of the side N.
/// * Robust against halos and noise: a background with a small fraction ε of the energy widens it by about that
///   fraction. Encircled energy (90 %) and second moments grow far more, and so overstate the overlap.
/// * Structure (speckle, rings, a central stop) reduces it, so the overlap is underestimated rather than overestimated.
pub fn probe_diameter(probe: ArrayView3<'_, Complex32>) -> f64 {
    let intensity = probe.map_axis(Axis(0), |modes| modes.iter().map(|v| f64::from(v.norm_sqr())).sum::<f64>());
    let (sum, squares) = intensity.iter().fold((0.0, 0.0), |sum, v| (sum.0 + v, sum.1 + v * v));
    let diameter = 2.0 * (sum * sum / squares / std::f64::consts::PI).sqrt();
    if diameter.is_finite() { diameter } else { 0.0 }
}

/// Linear overlap of two disks of this diameter (above zero) at this distance, `1 - distance / diameter` (Bunk et al.,
/// Ultramicroscopy 108, 481, 2008): 1 at distance 0, 0 where they touch, negative beyond.
pub fn linear_overlap(distance: f64, diameter: f64) -> f64 {
    1.0 - distance / diameter
}

/// Areal overlap of two disks of this diameter at this distance: their common area as a fraction of one disk, 1 at
/// distance 0, 0 from one diameter on.
pub fn area_overlap(distance: f64, diameter: f64) -> f64 {
    if distance.is_nan() || distance >= diameter {
        return 0.0;
    }
    let (d, r) = (distance.max(0.0), diameter / 2.0);
    let lens = 2.0 * r * r * (d / (2.0 * r)).acos() - d / 2.0 * (4.0 * r * r - d * d).max(0.0).sqrt();
    lens / (std::f64::consts::PI * r * r)
}

/// Overlap metrics of a scan under the original's names (A§8.7); `None` where a metric does not apply.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct OverlapMetrics {
    /// Version of these definitions.
    pub metrics_version: String,
    /// Grid size: a group has gridsize² positions.
    pub gridsize: usize,
    /// Number of scan positions.
    pub s_img: usize,
    /// Number of groups.
    pub n_groups: usize,
    /// Number of neighbors of each position in the image-based metric.
    pub neighbor_count: usize,
    /// Diameter of the disks, in object pixels.
    pub probe_diameter_px: f64,
    /// Seed of the random subsample, if only a part of the positions is used.
    pub rng_seed_subsample: Option<u64>,
    /// Mean areal overlap of the seed of a group with the other positions of the group (gridsize 2 only).
    pub metric_1_group_based_avg: Option<f64>,
    /// Mean areal overlap of each position with its nearest neighbors; exact duplicates count once.
    pub metric_2_image_based_avg: f64,
    /// Mean areal overlap of the center of each group with the other centers within a diameter; 0 where there is none.
    pub metric_3_group_to_group_avg: f64,
}

/// Overlap metrics of scan positions (\[x, y\], in object pixels), see [`OverlapMetrics`].
///
/// * `groups`: (groups, gridsize²) indices of positions, the seed of each group first; `None`: each position is a
///   group.
/// * `probe_diameter_px`: see [`probe_diameter`]. (The original uses 0.6 N where it knows no width of the probe.)
///
/// # Errors
/// Fewer than two distinct positions, positions that are not finite, a diameter that is not above zero, indices of
/// groups out of range. A low overlap is not an error.
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
            Problem::new(format!(
                "The overlap cannot be computed for disks of {probe_diameter_px} px and {neighbor_count} neighbors"
            ))
            .expected("a diameter above zero and at least one neighbor"),
        ));
    }
    let members = match groups {
        None => (0..positions.len()).map(|i| vec![i]).collect::<Vec<_>>(),
        Some(groups) => groups.rows().into_iter().map(|row| row.to_vec()).collect(),
    };
    let at = |index: usize| {
        positions.get(index).copied().ok_or_else(|| {
            Error::bad_input(format!("A group contains position {index}, but there are only {}", positions.len()))
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
            Problem::new("The overlap of a scan needs two distinct positions").expected("a scan of several positions"),
        ));
    }
    let centers: Vec<[f64; 2]> = members.iter().map(|group| center(group)).collect();
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
        metric_3_group_to_group_avg: mean(&with_close(&centers, probe_diameter_px)),
    })
}

fn distance(a: [f64; 2], b: [f64; 2]) -> f64 {
    (a[0] - b[0]).hypot(a[1] - b[1])
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len().max(1) as f64
}

fn center(group: &[[f64; 2]]) -> [f64; 2] {
    [0, 1].map(|axis| group.iter().map(|p| p[axis]).sum::<f64>() / group.len().max(1) as f64)
}

/// Mean areal overlap of the first position of each group with the others.
fn within_groups(groups: &[Vec<[f64; 2]>], diameter: f64) -> Vec<f64> {
    let of = |group: &Vec<[f64; 2]>| {
        let (seed, others) = group.split_first()?;
        Some(mean(&others.iter().map(|other| area_overlap(distance(*seed, *other), diameter)).collect::<Vec<_>>()))
    };
    groups.iter().filter_map(of).collect()
}

fn tree(points: &[[f64; 2]]) -> RTree<GeomWithData<[f64; 2], usize>> {
    RTree::bulk_load(points.iter().enumerate().map(|(i, p)| GeomWithData::new(*p, i)).collect())
}

/// Mean areal overlap of each point with its `count` nearest neighbors. Ties do not matter: equal distances overlap
/// equally.
fn with_nearest(points: &[[f64; 2]], count: usize, diameter: f64) -> Vec<f64> {
    let tree = tree(points);
    let of = |(at, point): (usize, &[f64; 2])| {
        let others = tree.nearest_neighbor_iter(*point).filter(|other| other.data != at).take(count);
        mean(&others.map(|other| area_overlap(distance(*point, *other.geom()), diameter)).collect::<Vec<_>>())
    };
    points.par_iter().enumerate().map(of).collect()
}

/// Mean areal overlap of each point with the others within a diameter, summed in the order of their indices.
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
        mean(&close.iter().map(|(_, distance)| area_overlap(*distance, diameter)).collect::<Vec<_>>())
    };
    points.par_iter().enumerate().map(of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::{Array3, array};

    #[test]
    fn the_areal_overlap_of_disks_has_its_known_values() {
        assert!((area_overlap(0.0, 7.0) - 1.0).abs() < 1e-12);
        assert!((area_overlap(3.5, 7.0) - 0.391_002_218_955_77).abs() < 1e-9);
        assert_eq!((area_overlap(7.0, 7.0), area_overlap(9.0, 7.0)), (0.0, 0.0));
    }

    fn gaussian(side: usize, sigma: f32, background: f32) -> Array3<Complex32> {
        Array3::from_shape_fn((1, side, side), |(_, y, x)| {
            let r2 = (y as f32 - 30.0).powi(2) + (x as f32 - 33.0).powi(2);
            // Phase curvature must not matter.
            Complex32::from_polar(((-r2 / (2.0 * sigma * sigma)).exp() + background).sqrt(), 0.1 * r2)
        })
    }

    #[test]
    fn the_probe_diameter_is_that_of_a_disk_four_sigma_of_a_gaussian_and_robust_against_a_halo() {
        let disk = Array3::from_shape_fn((1, 64, 64), |(_, y, x)| {
            let inside = (y as f32 - 31.5).hypot(x as f32 - 31.5) < 15.0;
            Complex32::new(if inside { 0.3 } else { 0.0 }, 0.0)
        });
        let found = probe_diameter(disk.view());
        assert!((found - 30.0).abs() < 0.3, "{found}");
        let found = probe_diameter(gaussian(64, 4.0, 0.0).view());
        assert!((found - 16.0).abs() < 0.01, "{found}");
        assert!((probe_diameter(gaussian(128, 4.0, 0.0).view()) - found).abs() < 0.01, "the side does not matter");
        // A background with a tenth of the energy: the diameter enclosing 90 % of it would grow by 30 %.
        let background = 0.1 * std::f32::consts::TAU * 16.0 / (64.0 * 64.0);
        let with_halo = probe_diameter(gaussian(64, 4.0, background).view());
        assert!(with_halo / found > 1.0 && with_halo / found < 1.12, "{with_halo}");
        // Incoherent modes add: two equal ones are as wide as one.
        let two = ndarray::concatenate(Axis(0), &[disk.view(), disk.view()]).unwrap();
        assert!((probe_diameter(two.view()) - probe_diameter(disk.view())).abs() < 1e-9);
        assert_eq!(probe_diameter(Array3::zeros((1, 8, 8)).view()), 0.0);
    }

    #[test]
    fn the_linear_overlap_falls_from_one_and_is_negative_for_disks_that_do_not_touch() {
        assert_eq!([0.0, 5.0, 20.0, 30.0].map(|d| linear_overlap(d, 20.0)), [1.0, 0.75, 0.0, -0.5]);
    }

    /// 3 × 3 positions one pixel apart, one of them twice.
    fn square() -> Vec<[f64; 2]> {
        let mut positions: Vec<[f64; 2]> = (0..9).map(|i| [f64::from(i % 3), f64::from(i / 3)]).collect();
        positions.push([1.0, 1.0]);
        positions
    }

    #[test]
    fn the_three_metrics_of_a_square_match_values_computed_by_hand() {
        let groups = array![[0_usize, 1, 3, 4], [4, 5, 7, 8]];
        let found = overlap_metrics(&square(), Some(groups.view()), 2, 2, 4.0, Some(7)).unwrap();
        let (side, diagonal) = (area_overlap(1.0, 4.0), area_overlap(2.0_f64.sqrt(), 4.0));
        let one = (2.0 * side + diagonal) / 3.0;
        assert!((found.metric_1_group_based_avg.unwrap() - one).abs() < 1e-12);
        assert!((found.metric_2_image_based_avg - side).abs() < 1e-12, "the two nearest of each are one pixel apart");
        assert!((found.metric_3_group_to_group_avg - diagonal).abs() < 1e-12);
        assert_eq!((found.s_img, found.n_groups, found.gridsize, found.rng_seed_subsample), (10, 2, 2, Some(7)));
        let json = serde_json::to_value(&found).unwrap();
        assert_eq!(json["metrics_version"], "1.0");
    }

    #[test]
    fn without_groups_each_position_is_a_group_and_distant_ones_do_not_overlap() {
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
