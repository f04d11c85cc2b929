//! Groups of neighbouring patterns that are reconstructed together (A§2.3, A§2.4).
//!
//! A group has C = gridsize² patterns. By default the seed pattern comes first, followed by C - 1 drawn from its K
//! nearest neighbours; the reference draws all C from the neighbours and so leaves the seed out (A§2.3), which
//! `seed_in_group = false` gives. The order of neighbours is by distance, then by index; draws are made with a
//! generator of their own for each seed, so that groups do not depend on the number of threads.

use super::neighbors::{NeighborIndex, nearest_neighbors};
use super::numpy_groups;
use super::random::{choose, generator};
use crate::config::{DataConfig, RandomGenerator, Sampling};
use crate::error::{Error, Problem, Result};
use ndarray::{Array2, Array3};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use std::collections::BTreeSet;

/// Largest gridsize.
const MAX_GRIDSIZE: usize = 4;
/// Generator stream that chooses seeds; streams from 1 on belong to the seeds.
const SEED_STREAM: u64 = 0;

/// Which patterns form each group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Groups {
    /// (G, C) indices of patterns.
    pub indices: Array2<usize>,
}

impl Groups {
    /// Number of groups G.
    pub fn len(&self) -> usize {
        self.indices.nrows()
    }

    /// Whether there is no group.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Patterns in a group, C = gridsize².
    pub fn channels(&self) -> usize {
        self.indices.ncols()
    }
}

/// Where groups and their members lie.
#[derive(Debug, Clone, PartialEq)]
pub struct GroupCoordinates {
    /// (G, 2) mean position c̄ (x, y) of each group, in object pixels.
    pub centers: Array2<f64>,
    /// (G, C, 2) relative position `-(c_k - c̄)` (x, y): the reference's sign (A§2.4).
    pub relative: Array3<f64>,
}

/// Builds `config.n_groups` groups (none = one for each position) of gridsize² patterns from positions (x, y).
///
/// With gridsize 1 a group is one pattern, and more groups than positions are never made. With a larger gridsize,
/// more groups than positions need `enable_oversampling`: each seed then has several groups, distinct combinations
/// of its neighbours, shared out evenly over the scan.
///
/// # Errors
/// [`Error::BadInput`] if gridsize is not 1 … 4, a position is not finite, there are too few positions or
/// neighbours for a group, or more groups are asked for than there can be.
pub fn group(positions: &[[f64; 2]], gridsize: usize, config: &DataConfig, seed: u64) -> Result<Groups> {
    let count = positions.len();
    let wanted = config.n_groups.unwrap_or(count);
    check(positions, gridsize, config, wanted)?;
    let channels = gridsize * gridsize;
    if config.rng == RandomGenerator::Numpy {
        let members = numpy_groups::groups(positions, channels, wanted, config, seed)?;
        return table(members.len() / channels, channels, members);
    }
    if channels == 1 {
        let seeds = seeds(count, wanted, config.sampling, seed);
        return table(seeds.len(), 1, seeds);
    }
    // With the seed in the group, one fewer is drawn.
    let drawn = if config.seed_in_group { channels - 1 } else { channels };
    let index = NeighborIndex::new(positions);
    let reach = reach(config, wanted > count);
    let candidates = |of: usize| {
        let mut near = index.nearest(of, reach);
        if near.len() < drawn {
            // So few positions that the seed must take part (A§2.3).
            near.push(of);
        }
        near
    };
    let complete = |of: usize, near: &[usize], chosen: Vec<usize>| -> Vec<usize> {
        let first = config.seed_in_group.then_some(of);
        first.into_iter().chain(chosen.into_iter().filter_map(|at| near.get(at).copied())).collect()
    };
    let members: Vec<Vec<usize>> = if wanted <= count {
        seeds(count, wanted, config.sampling, seed)
            .into_par_iter()
            .map(|of| {
                let near = candidates(of);
                let chosen = choose(&mut stream_of(seed, of), near.len(), drawn);
                complete(of, &near, chosen)
            })
            .collect()
    } else {
        let shares = shares(count, wanted, config.sampling, seed);
        shares
            .into_par_iter()
            .enumerate()
            .map(|(of, share)| {
                let near = candidates(of);
                let combinations = distinct_combinations(&mut stream_of(seed, of), near.len(), drawn, share);
                combinations.into_iter().flat_map(|chosen| complete(of, &near, chosen)).collect()
            })
            .collect()
    };
    let flat = members.concat();
    table(flat.len() / channels, channels, flat)
}

/// The group that [`group`] builds around one position, the seed; with oversampling it is one of several.
///
/// Empty where there is none: `of` is out of range, or `group` would refuse.
pub fn group_around(positions: &[[f64; 2]], of: usize, gridsize: usize, config: &DataConfig, seed: u64) -> Vec<usize> {
    let channels = gridsize * gridsize;
    if of >= positions.len() || check(positions, gridsize, config, positions.len()).is_err() {
        return Vec::new();
    }
    if channels == 1 {
        return vec![of];
    }
    if config.rng == RandomGenerator::Numpy {
        // Each group depends on the draws before it.
        let all = DataConfig { n_groups: None, ..config.clone() };
        return group(positions, gridsize, &all, seed).map_or_else(|_| Vec::new(), |all| all.indices.row(of).to_vec());
    }
    let drawn = if config.seed_in_group { channels - 1 } else { channels };
    let mut near = nearest_neighbors(positions, of, config.neighbor_count);
    if near.len() < drawn {
        near.push(of);
    }
    let chosen = choose(&mut stream_of(seed, of), near.len(), drawn);
    let first = config.seed_in_group.then_some(of);
    first.into_iter().chain(chosen.into_iter().filter_map(|at| near.get(at).copied())).collect()
}

fn check(positions: &[[f64; 2]], gridsize: usize, config: &DataConfig, wanted: usize) -> Result<()> {
    let count = positions.len();
    let refuse = |title: String, expected: &str, hint: String| -> Result<()> {
        Err(Problem::new(title).expected(expected).hint(hint).into())
    };
    if !(1..=MAX_GRIDSIZE).contains(&gridsize) {
        return refuse(format!("gridsize is {gridsize}"), "1, 2, 3 or 4", "Set gridsize to 1 or 2".into());
    }
    if count == 0 || wanted == 0 {
        return refuse(
            format!("{wanted} groups are asked for from {count} positions"),
            "at least one of each",
            "Check n_groups and the dataset".into(),
        );
    }
    if let Some(at) = positions.iter().position(|p| p.iter().any(|v| !v.is_finite())) {
        let hint = "Remove the patterns without a position".to_string();
        return refuse(format!("Position {at} is not finite"), "finite positions", hint);
    }
    let channels = gridsize * gridsize;
    if channels == 1 {
        return Ok(());
    }
    if count < channels {
        return refuse(
            format!("{count} positions are fewer than the {channels} patterns of a group"),
            "at least as many positions as a group has patterns",
            "Use a smaller gridsize or more patterns".into(),
        );
    }
    let drawn = if config.seed_in_group { channels - 1 } else { channels };
    let reach_here = reach(config, wanted > count);
    if reach_here < drawn {
        return refuse(
            format!("neighbor_count is {reach_here}, too few to fill a group of {channels} patterns"),
            &format!("at least {drawn} for gridsize {gridsize}"),
            format!("Set neighbor_count to {} or more", drawn.max(7)),
        );
    }
    if wanted > count {
        if !config.enable_oversampling {
            return refuse(
                format!("{wanted} groups are asked for, but there are {count} patterns"),
                "at most one group for each pattern",
                "Lower n_groups, or set enable_oversampling to draw several groups around each pattern".into(),
            );
        }
        let pool = reach(config, true).min(count - 1).max(drawn);
        let most = combinations(pool, drawn).saturating_mul(count);
        if wanted > most {
            return refuse(
                format!("{wanted} groups are asked for, but {pool} neighbours give {most}"),
                "at most as many groups as there are combinations",
                "Raise neighbor_count or lower n_groups".into(),
            );
        }
    }
    Ok(())
}

/// Nearest neighbours that a group is drawn from.
fn reach(config: &DataConfig, oversampling: bool) -> usize {
    config.neighbor_pool_size.filter(|_| oversampling).unwrap_or(config.neighbor_count)
}

fn table(rows: usize, columns: usize, flat: Vec<usize>) -> Result<Groups> {
    let indices = Array2::from_shape_vec((rows, columns), flat)
        .map_err(|error| Error::failed(format!("Groups do not fill their table ({error})")))?;
    Ok(Groups { indices })
}

/// A generator of its own for the seed pattern `of`.
fn stream_of(seed: u64, of: usize) -> ChaCha8Rng {
    generator(seed, SEED_STREAM + 1 + of as u64)
}

/// Seed patterns: all in file order, else the first, or random ones in the order drawn.
fn seeds(count: usize, wanted: usize, sampling: Sampling, seed: u64) -> Vec<usize> {
    if wanted >= count {
        return (0..count).collect();
    }
    match sampling {
        Sampling::Sequential => (0..wanted).collect(),
        Sampling::Random => choose(&mut generator(seed, SEED_STREAM), count, wanted),
    }
}

/// How many groups each position is the seed of, when there are more groups than positions: evenly, the remainder to
/// the first positions or to random ones.
fn shares(count: usize, wanted: usize, sampling: Sampling, seed: u64) -> Vec<usize> {
    let mut shares = vec![wanted / count; count];
    let rest = wanted % count;
    let extra = if rest == 0 { Vec::new() } else { seeds(count, rest, sampling, seed) };
    for at in extra {
        if let Some(share) = shares.get_mut(at) {
            *share += 1;
        }
    }
    shares
}

/// Number of ways to choose `k` of `n`, or `usize::MAX` if that does not fit.
pub(super) fn combinations(n: usize, k: usize) -> usize {
    let k = k.min(n.saturating_sub(k));
    let mut result: u128 = 1;
    for step in 0..k {
        result = match result.checked_mul((n - step) as u128) {
            Some(product) => product / (step as u128 + 1),
            None => return usize::MAX,
        };
    }
    usize::try_from(result).unwrap_or(usize::MAX)
}

/// `share` distinct ways to choose `k` of `n`, each ascending; fewer only if there are no more.
fn distinct_combinations(rng: &mut ChaCha8Rng, n: usize, k: usize, share: usize) -> Vec<Vec<usize>> {
    let total = combinations(n, k);
    if share.saturating_mul(2) <= total {
        let (mut seen, mut found) = (BTreeSet::new(), Vec::with_capacity(share));
        while found.len() < share {
            let mut one = choose(rng, n, k);
            one.sort_unstable();
            if seen.insert(one.clone()) {
                found.push(one);
            }
        }
        return found;
    }
    let all = all_combinations(n, k);
    choose(rng, all.len(), share).into_iter().filter_map(|at| all.get(at).cloned()).collect()
}

/// All ways to choose `k` of `n`, in lexicographic order.
pub(super) fn all_combinations(n: usize, k: usize) -> Vec<Vec<usize>> {
    let mut all = Vec::new();
    if k > n {
        return all;
    }
    let mut one: Vec<usize> = (0..k).collect();
    loop {
        all.push(one.clone());
        let Some(at) = (0..k).rev().find(|&at| one[at] < n - k + at) else { return all };
        let value = one[at];
        for (step, slot) in one[at..].iter_mut().enumerate() {
            *slot = value + 1 + step;
        }
    }
}

/// Centres and relative coordinates of groups (A§2.4). An index without a position gives NaN.
pub fn group_coordinates(positions: &[[f64; 2]], groups: &Groups) -> GroupCoordinates {
    let (rows, channels) = groups.indices.dim();
    let position = |at: usize| positions.get(at).copied().unwrap_or([f64::NAN; 2]);
    let mut centers = Array2::zeros((rows, 2));
    let mut relative = Array3::zeros((rows, channels, 2));
    for ((members, mut center), mut offsets) in
        groups.indices.rows().into_iter().zip(centers.rows_mut()).zip(relative.outer_iter_mut())
    {
        for axis in 0..2 {
            let mean = members.iter().map(|&at| position(at)[axis]).sum::<f64>() / channels as f64;
            center[axis] = mean;
            for (offset, &at) in offsets.column_mut(axis).iter_mut().zip(members) {
                *offset = mean - position(at)[axis];
            }
        }
    }
    GroupCoordinates { centers, relative }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::super::test_support::golden_groups;
    use super::*;
    use ndarray::{Ix2, Ix4};

    /// Positions without a tie.
    fn scattered(count: usize) -> Vec<[f64; 2]> {
        (0..count).map(|k| [(k as f64 * 12.9898).sin() * 150.0, (k as f64 * 78.233).sin() * 150.0]).collect()
    }

    fn with(change: impl FnOnce(&mut DataConfig)) -> DataConfig {
        let mut config = DataConfig::default();
        change(&mut config);
        config
    }

    fn assert_members_are_distinct(groups: &Groups) {
        for row in groups.indices.rows() {
            let distinct: BTreeSet<usize> = row.iter().copied().collect();
            assert_eq!(distinct.len(), groups.channels());
        }
    }

    #[test]
    fn gridsize_one_takes_each_pattern_once() {
        let positions = scattered(20);
        let all = group(&positions, 1, &DataConfig::default(), 3).unwrap();
        assert_eq!(all.indices.iter().copied().collect::<Vec<_>>(), (0..20).collect::<Vec<_>>());
        let first = with(|c| (c.n_groups, c.sampling) = (Some(5), Sampling::Sequential));
        assert_eq!(group(&positions, 1, &first, 3).unwrap().indices.into_raw_vec_and_offset().0, [0, 1, 2, 3, 4]);
        let random = with(|c| c.n_groups = Some(5));
        let one = group(&positions, 1, &random, 3).unwrap();
        assert_eq!(one, group(&positions, 1, &random, 3).unwrap());
        assert_ne!(one, group(&positions, 1, &random, 4).unwrap());
        let more = with(|c| c.n_groups = Some(100));
        assert_eq!(group(&positions, 1, &more, 3).unwrap().len(), 20);
        let coordinates = group_coordinates(&positions, &one);
        assert!(coordinates.relative.iter().all(|&v| v == 0.0));
    }

    #[test]
    fn the_seed_comes_first_and_the_others_are_among_its_nearest() {
        let positions = scattered(200);
        let index = NeighborIndex::new(&positions);
        for (gridsize, neighbor_count) in [(2, 7), (3, 12), (4, 20)] {
            let config = with(|c| c.neighbor_count = neighbor_count);
            let groups = group(&positions, gridsize, &config, 9).unwrap();
            assert_eq!((groups.len(), groups.channels()), (200, gridsize * gridsize));
            assert_members_are_distinct(&groups);
            for (seed, row) in groups.indices.rows().into_iter().enumerate() {
                assert_eq!(row[0], seed);
                let near = index.nearest(seed, neighbor_count);
                assert!(row.iter().skip(1).all(|at| near.contains(at)));
            }
        }
    }

    #[test]
    fn the_group_around_a_position_is_the_one_that_is_trained_on() {
        let positions = scattered(150);
        for (gridsize, seed_in_group) in [(1, true), (2, true), (2, false), (3, true)] {
            let config = with(|c| (c.neighbor_count, c.seed_in_group) = (10, seed_in_group));
            let groups = group(&positions, gridsize, &config, 5).unwrap();
            for of in [0, 77, 149] {
                assert_eq!(group_around(&positions, of, gridsize, &config, 5), groups.indices.row(of).to_vec());
            }
        }
        assert!(group_around(&positions, 150, 2, &DataConfig::default(), 5).is_empty());
        assert!(group_around(&positions, 0, 9, &DataConfig::default(), 5).is_empty());
    }

    #[test]
    fn the_reference_leaves_the_seed_out() {
        let positions = scattered(100);
        let config = with(|c| (c.seed_in_group, c.neighbor_count) = (false, 4));
        let groups = group(&positions, 2, &config, 1).unwrap();
        let index = NeighborIndex::new(&positions);
        for (seed, row) in groups.indices.rows().into_iter().enumerate() {
            let mut members = row.to_vec();
            members.sort_unstable();
            let mut near = index.nearest(seed, 4);
            near.sort_unstable();
            assert_eq!(members, near);
        }
        // Four positions: the seed has to fill the group.
        let few = group(&positions[..4], 2, &config, 1).unwrap();
        assert_members_are_distinct(&few);
    }

    #[test]
    fn oversampling_gives_distinct_combinations_evenly_over_the_scan() {
        let positions = scattered(30);
        for (wanted, seed_in_group) in [(100, true), (1050, true), (500, false), (1050, false)] {
            let config = with(|c| {
                (c.n_groups, c.enable_oversampling, c.seed_in_group) = (Some(wanted), true, seed_in_group);
            });
            let groups = group(&positions, 2, &config, 5).unwrap();
            assert_eq!((groups.len(), groups.channels()), (wanted, 4));
            assert_members_are_distinct(&groups);
            assert_eq!(groups, group(&positions, 2, &config, 5).unwrap());
            if seed_in_group {
                let sets: BTreeSet<Vec<usize>> = groups.indices.rows().into_iter().map(|row| row.to_vec()).collect();
                assert_eq!(sets.len(), wanted);
                let most = (0..30).map(|of| groups.indices.column(0).iter().filter(|&&at| at == of).count()).max();
                assert_eq!(most, Some(wanted.div_ceil(30)));
            }
        }
    }

    #[test]
    fn impossible_requests_are_refused_with_the_setting_to_change() {
        let positions = scattered(30);
        for (gridsize, config, says) in [
            (0, DataConfig::default(), "gridsize"),
            (5, DataConfig::default(), "gridsize"),
            (usize::MAX, DataConfig::default(), "gridsize"),
            (3, with(|c| c.neighbor_count = 7), "neighbor_count to 8"),
            (2, with(|c| c.n_groups = Some(31)), "enable_oversampling"),
            (
                2,
                with(|c| (c.n_groups, c.enable_oversampling, c.neighbor_count) = (Some(1051), true, 7)),
                "neighbor_count",
            ),
            (2, with(|c| c.n_groups = Some(0)), "n_groups"),
        ] {
            let error = group(&positions, gridsize, &config, 1).unwrap_err().to_string();
            assert!(error.contains(says), "{error}");
        }
        assert!(group(&positions[..3], 2, &DataConfig::default(), 1).is_err());
        assert!(group(&[], 1, &DataConfig::default(), 1).is_err());
        assert!(group(&[[0.0, f64::NAN]], 1, &DataConfig::default(), 1).is_err());
    }

    #[test]
    fn combinations_are_complete_and_in_order() {
        assert_eq!(all_combinations(4, 2), [[0, 1], [0, 2], [0, 3], [1, 2], [1, 3], [2, 3]]);
        assert_eq!(all_combinations(7, 4).len(), combinations(7, 4));
        assert_eq!((combinations(7, 3), combinations(3, 4), combinations(500, 250)), (35, 1, usize::MAX));
    }

    #[test]
    fn the_number_of_threads_does_not_change_the_groups() {
        let positions = scattered(300);
        let with_threads = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| group(&positions, 2, &DataConfig::default(), 8).unwrap())
        };
        assert_eq!(with_threads(1), with_threads(4));
    }

    #[test]
    fn a_hundred_thousand_positions_are_grouped_quickly() {
        let positions = scattered(100_000);
        let start = std::time::Instant::now();
        let groups = group(&positions, 2, &DataConfig::default(), 8).unwrap();
        let seconds = start.elapsed().as_secs_f64();
        println!("100000 groups of 4 in {seconds:.2} s");
        assert_eq!(groups.len(), 100_000);
        // 2 s on an idle machine; tests share theirs.
        assert!(seconds < 20.0, "{seconds}");
    }

    #[test]
    fn coordinates_agree_with_the_reference() {
        let Some((mut golden, positions, cases)) = golden_groups() else { return };

        let near = golden.read_f64("kdtree_nn_k8_including_self").unwrap().into_dimensionality::<Ix2>().unwrap();
        let index = NeighborIndex::new(&positions);
        for (of, row) in near.rows().into_iter().enumerate() {
            let row: Vec<usize> = row.iter().map(|&v| v as usize).collect();
            assert_eq!(row[0], of);
            assert_eq!(index.nearest(of, 7), row[1..]);
        }

        let mut worst = 0.0f64;
        for case in cases {
            let mut read = |name: &str| golden.read_f64(&format!("{case}/{name}")).unwrap();
            let indices = read("nn_indices").into_dimensionality::<Ix2>().unwrap().mapv(|v| v as usize);
            let groups = Groups { indices };
            let coordinates = group_coordinates(&positions, &groups);
            // (G, 1, 2, C) and (G, 1, 2, 1) there
            let nn = read("coords_nn").into_dimensionality::<Ix4>().unwrap();
            let offsets = read("coords_offsets").into_dimensionality::<Ix4>().unwrap();
            let relative = read("coords_relative").into_dimensionality::<Ix4>().unwrap();
            for ((g, _, axis, c), &want) in relative.indexed_iter() {
                let center = coordinates.centers[[g, axis]];
                worst = worst.max((coordinates.relative[[g, c, axis]] - want).abs());
                worst = worst.max((center - offsets[[g, 0, axis, 0]]).abs());
                worst = worst.max((positions[groups.indices[[g, c]]][axis] - nn[[g, 0, axis, c]]).abs());
                worst = worst.max((center - coordinates.relative[[g, c, axis]] - nn[[g, 0, axis, c]]).abs());
            }
        }
        println!("group coordinates: worst difference {worst:e}");
        assert!(worst <= 1e-6, "{worst}");
    }
}
