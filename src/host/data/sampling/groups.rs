//! Groups of neighboring patterns that are reconstructed together (A§2.3, A§2.4).
//!
//! A group has C = gridsize² patterns. By default the seed pattern comes first, followed by C - 1 drawn from its K nearest
//! neighbors; the reference draws all C from the neighbors and thus excludes the seed (A§2.3), as does
//! `seed_in_group = false`. Neighbors are ordered by distance, then by index; each seed has its own random generator, so
//! groups do not depend on the number of threads.

use super::combinations::{all_combinations, combinations};
use super::nearest::{NeighborIndex, nearest_neighbors};
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
/// Generator stream that selects the seeds; streams from 1 on belong to the individual seeds.
const SEED_STREAM: u64 = 0;

/// Groups of patterns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Groups {
    /// (G, C) pattern indices.
    pub indices: Array2<usize>,
}

impl Groups {
    /// Number of groups G.
    pub fn len(&self) -> usize {
        self.indices.nrows()
    }

    /// True if there are no groups.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Patterns per group, C = gridsize².
    pub fn channels(&self) -> usize {
        self.indices.ncols()
    }
}

/// Positions of groups and of their members.
#[derive(Debug, Clone, PartialEq)]
pub struct GroupCoordinates {
    /// (G, 2) mean position c̄ (x, y) of each group, in object pixels.
    pub centers: Array2<f64>,
    /// (G, C, 2) relative position `-(c_k - c̄)` (x, y): the reference's sign (A§2.4).
    pub relative: Array3<f64>,
}

/// Builds `config.n_groups` groups (`None`: one per position) of gridsize² patterns from positions (x, y).
///
/// With gridsize 1 a group is one pattern, and there are at most as many groups as positions. With a larger gridsize, more
/// groups than positions require `enable_oversampling`: each seed then has several groups, distinct combinations of its
/// neighbors, distributed evenly over the scan.
///
/// # Errors
/// [`Error::BadInput`] if gridsize is not 1 … 4, a position is not finite, there are too few positions or
/// neighbors for a group, or more groups are requested than possible.
pub fn group(positions: &[[f64; 2]], gridsize: usize, config: &DataConfig, seed: u64) -> Result<Groups> {
    let count = positions.len();
    let wanted = config.n_groups.unwrap_or(count);
    check(positions, gridsize, config, wanted)?;
    let channels = gridsize * gridsize;
    if config.rng == RandomGenerator::Numpy {
        let members = numpy_groups::groups(positions, channels, wanted, config, seed)?;
        return to_groups(members.len() / channels, channels, members);
    }
    if channels == 1 {
        let seeds = seeds(count, wanted, config.sampling, seed);
        return to_groups(seeds.len(), 1, seeds);
    }
    // The seed in the group replaces one drawn pattern.
    let drawn = if config.seed_in_group { channels - 1 } else { channels };
    let index = NeighborIndex::new(positions);
    let reach = reach(config, wanted > count);
    let candidates = |of: usize| {
        let mut near = index.nearest(of, reach);
        if near.len() < drawn {
            // With so few positions the seed has to be included (A§2.3).
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
    to_groups(flat.len() / channels, channels, flat)
}

/// The group that [`group`] builds around one position, the seed; with oversampling, one of several.
///
/// Empty if `of` is out of range or `group` would fail.
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
    let reject = |title: String, expected: &str, hint: String| -> Result<()> {
        Err(Problem::new(title).expected(expected).hint(hint).into())
    };
    if !(1..=MAX_GRIDSIZE).contains(&gridsize) {
        return reject(format!("gridsize is {gridsize}"), "1, 2, 3 or 4", "Set gridsize to 1 or 2".into());
    }
    if count == 0 || wanted == 0 {
        return reject(
            format!("{wanted} groups were requested from {count} positions"),
            "at least one of each",
            "Check n_groups and the dataset".into(),
        );
    }
    if let Some(at) = positions.iter().position(|p| p.iter().any(|v| !v.is_finite())) {
        let hint = "Remove the patterns without a position".to_string();
        return reject(format!("Position {at} is not finite"), "finite positions", hint);
    }
    let channels = gridsize * gridsize;
    if channels == 1 {
        return Ok(());
    }
    if count < channels {
        return reject(
            format!("{count} positions are fewer than the {channels} patterns per group"),
            "at least as many positions as patterns per group",
            "Use a smaller gridsize or more patterns".into(),
        );
    }
    let drawn = if config.seed_in_group { channels - 1 } else { channels };
    let reach_here = reach(config, wanted > count);
    if reach_here < drawn {
        return reject(
            format!("neighbor_count is {reach_here}, too few to fill a group of {channels} patterns"),
            &format!("at least {drawn} for gridsize {gridsize}"),
            format!("Set neighbor_count to {} or more", drawn.max(7)),
        );
    }
    if wanted > count {
        if !config.enable_oversampling {
            return reject(
                format!("{wanted} groups were requested, but there are only {count} patterns"),
                "at most one group per pattern",
                "Lower n_groups, or set enable_oversampling to draw several groups around each pattern".into(),
            );
        }
        let pool = reach(config, true).min(count - 1).max(drawn);
        let most = combinations(pool, drawn).saturating_mul(count);
        if wanted > most {
            return reject(
                format!("{wanted} groups were requested, but {pool} neighbors allow only {most}"),
                "at most as many groups as there are combinations",
                "Raise neighbor_count or lower n_groups".into(),
            );
        }
    }
    Ok(())
}

/// Number of nearest neighbors from which a group is drawn.
fn reach(config: &DataConfig, oversampling: bool) -> usize {
    config.neighbor_pool_size.filter(|_| oversampling).unwrap_or(config.neighbor_count)
}

fn to_groups(rows: usize, columns: usize, flat: Vec<usize>) -> Result<Groups> {
    let indices = Array2::from_shape_vec((rows, columns), flat)
        .map_err(|error| Error::failed(format!("Groups differ in size ({error})")))?;
    Ok(Groups { indices })
}

/// Random generator of the seed pattern `of`.
fn stream_of(seed: u64, of: usize) -> ChaCha8Rng {
    generator(seed, SEED_STREAM + 1 + of as u64)
}

/// Seed patterns: all in file order, or else the first ones, or random ones in the order drawn.
fn seeds(count: usize, wanted: usize, sampling: Sampling, seed: u64) -> Vec<usize> {
    if wanted >= count {
        return (0..count).collect();
    }
    match sampling {
        Sampling::Sequential => (0..wanted).collect(),
        Sampling::Random => choose(&mut generator(seed, SEED_STREAM), count, wanted),
    }
}

/// Number of groups per seed if there are more groups than positions: evenly distributed, the remainder to the first
/// positions or to random ones.
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

/// Centers and relative coordinates of groups (A§2.4). An index without a position gives NaN.
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
mod tests;
