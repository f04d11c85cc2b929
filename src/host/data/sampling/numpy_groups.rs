//! Groups drawn with NumPy's generator in the order of the original, which reproduces its indices (A§2.3).
//!
//! Identical only without equally distant neighbors: the original orders those by its tree, this module by index.

use super::combinations::{all_combinations, combinations};
use super::nearest::NeighborIndex;
use super::numpy_random::{NumpyRandom, numpy_seed};
use crate::config::{DataConfig, Sampling};
use crate::error::Result;
use rayon::prelude::*;

/// Members of `wanted` groups of `channels` patterns, group by group; the request must be valid.
pub(super) fn groups(
    positions: &[[f64; 2]],
    channels: usize,
    wanted: usize,
    config: &DataConfig,
    seed: u64,
) -> Result<Vec<usize>> {
    let count = positions.len();
    let mut rng = NumpyRandom::new(numpy_seed(seed)?);
    let sequential = config.sampling == Sampling::Sequential;
    if wanted > count && channels > 1 {
        return Ok(oversampled(positions, channels, wanted, config, rng));
    }
    let wanted = wanted.min(count);
    let seeds: Vec<usize> = if sequential {
        // The generator restarts after the seeds.
        rng = NumpyRandom::new(0);
        (0..wanted).collect()
    } else if wanted < count {
        rng.choose(count, wanted)
    } else {
        (0..count).collect()
    };
    if channels == 1 {
        return Ok(seeds);
    }
    let near = neighbors_of(positions, &seeds, config.neighbor_count);
    let mut members = Vec::with_capacity(wanted * channels);
    for (of, mut near) in seeds.into_iter().zip(near) {
        let drawn = if config.seed_in_group { channels - 1 } else { channels };
        if config.seed_in_group {
            members.push(of);
        }
        if near.len() < drawn {
            near.push(of);
        }
        members.extend(rng.choose(near.len(), drawn).into_iter().filter_map(|at| near.get(at).copied()));
    }
    Ok(members)
}

/// More groups than patterns: drawn from a pool of combinations around some seeds.
fn oversampled(
    positions: &[[f64; 2]],
    channels: usize,
    wanted: usize,
    config: &DataConfig,
    mut rng: NumpyRandom,
) -> Vec<usize> {
    let count = positions.len();
    let reach = config.neighbor_pool_size.unwrap_or(config.neighbor_count);
    let drawn = if config.seed_in_group { channels - 1 } else { channels };
    let of_each = combinations(reach, drawn).max(1);
    let needed = wanted.div_ceil(of_each).max(1);
    let used = (2 * needed).min(count);
    let seeds: Vec<usize> = if config.sampling == Sampling::Sequential && count >= needed {
        (0..used).collect()
    } else if used < count {
        rng.choose(count, used)
    } else {
        (0..count).collect()
    };
    let near = neighbors_of(positions, &seeds, reach);
    let mut pool: Vec<Vec<usize>> = Vec::new();
    'seeds: for (of, mut near) in seeds.into_iter().zip(near) {
        if near.len() < drawn {
            near.insert(0, of);
        }
        for combination in all_combinations(near.len(), drawn) {
            let first = config.seed_in_group.then_some(of);
            pool.push(
                first.into_iter().chain(combination.into_iter().filter_map(|at| near.get(at).copied())).collect(),
            );
            if pool.len() >= 2 * wanted {
                break 'seeds;
            }
        }
    }
    let chosen =
        if wanted <= pool.len() { rng.choose(pool.len(), wanted) } else { rng.with_replacement(pool.len(), wanted) };
    chosen.into_iter().filter_map(|at| pool.get(at)).flatten().copied().collect()
}

/// Nearest neighbors of each seed, ascending by distance.
fn neighbors_of(positions: &[[f64; 2]], seeds: &[usize], reach: usize) -> Vec<Vec<usize>> {
    let index = NeighborIndex::new(positions);
    seeds.par_iter().map(|&of| index.nearest(of, reach)).collect()
}

#[cfg(test)]
mod tests {
    use super::super::groups::{group, group_around};
    use super::*;
    use crate::config::RandomGenerator;
    use crate::data::test_support::golden_groups;
    use ndarray::Ix2;

    fn numpy(change: impl FnOnce(&mut DataConfig)) -> DataConfig {
        let mut config = DataConfig {
            rng: RandomGenerator::Numpy,
            seed_in_group: false,
            neighbor_count: 4,
            ..DataConfig::default()
        };
        change(&mut config);
        config
    }

    #[test]
    fn the_groups_are_those_of_the_original() {
        let (mut golden, positions, cases) = golden_groups();
        for case in cases {
            let text = golden.read_text(&format!("{case}/args")).unwrap();
            let args: serde_json::Value = serde_json::from_str(&text).unwrap_or_else(|_| panic!("{case}: {text}"));
            let number = |name: &str| args.get(name).and_then(serde_json::Value::as_u64);
            let flag = |name: &str| args.get(name).and_then(serde_json::Value::as_bool).unwrap_or(false);
            let config = numpy(|config| {
                config.n_groups = number("nsamples").map(|n| n as usize);
                config.neighbor_count = number("K").unwrap_or(4) as usize;
                config.neighbor_pool_size = number("neighbor_pool_size").map(|n| n as usize);
                config.enable_oversampling = flag("enable_oversampling");
                if flag("sequential_sampling") {
                    config.sampling = Sampling::Sequential;
                }
            });
            let gridsize = number("gridsize").unwrap() as usize;
            let found = group(&positions, gridsize, &config, number("seed").unwrap_or(0)).unwrap().indices;
            let wanted = golden.read_f64(&format!("{case}/nn_indices")).unwrap();
            let wanted = wanted.into_dimensionality::<Ix2>().unwrap().mapv(|v| v as usize);
            assert_eq!(found, wanted, "{case}: {text}");
        }
    }

    #[test]
    fn unsupported_seeds_are_rejected_and_groups_depend_on_the_seed() {
        let positions: Vec<[f64; 2]> =
            (0..60).map(|k| [(f64::from(k) * 12.9898).sin() * 50.0, (f64::from(k) * 78.233).sin() * 50.0]).collect();
        let config = numpy(|config| config.n_groups = Some(20));
        let error = group(&positions, 2, &config, 1 << 40).unwrap_err().to_string();
        assert!(error.contains("4294967295"), "{error}");
        assert_eq!(group(&positions, 2, &config, 7).unwrap(), group(&positions, 2, &config, 7).unwrap());
        assert_ne!(group(&positions, 2, &config, 7).unwrap(), group(&positions, 2, &config, 8).unwrap());
        let ours = DataConfig { rng: RandomGenerator::Chacha, ..config.clone() };
        assert_ne!(group(&positions, 2, &config, 7).unwrap(), group(&positions, 2, &ours, 7).unwrap());
        let all = numpy(|_| ());
        let groups = group(&positions, 2, &all, 7).unwrap();
        assert_eq!(group_around(&positions, 33, 2, &all, 7), groups.indices.row(33).to_vec());
        // The seed comes first in its group; oversampling uses its own neighbor pool.
        let with_seed = numpy(|config| config.seed_in_group = true);
        assert_eq!(group(&positions, 2, &with_seed, 7).unwrap().indices[[12, 0]], 12);
        let wide = numpy(|config| {
            (config.n_groups, config.enable_oversampling, config.neighbor_pool_size) = (Some(200), true, Some(7));
        });
        assert_eq!(group(&positions, 2, &wide, 7).unwrap().len(), 200);
    }
}
