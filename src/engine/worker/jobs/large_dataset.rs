//! Datasets that do not fit into the granted memory.

use crate::config::{Config, Method};
use crate::data::{self, Dataset};
use crate::error::Result;
use crate::system;
use crate::worker::estimate::estimate;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use std::path::Path;

/// Pattern-sized f32 images per pattern in training, without and with a teacher: the pattern in the part for evaluation, in the
/// part for training and on the device; with a teacher also the patches of its object on host and device.
const TRAINING_IMAGES: [usize; 2] = [3, 8];
/// The same in a reconstruction: the pattern, and its patch on device and host.
const RECONSTRUCTION_IMAGES: usize = 6;
/// The same for the direct solver: the pattern, its shifted amplitude, its shifted probe, and the pattern with refined data.
const DIRECT_IMAGES: usize = 5;
/// Memory of the program itself, in bytes.
const PROGRAM: u64 = 200_000_000;
/// Patterns taken from one region of the scan: the teacher and groups of neighbors need overlap.
const REGION_PATTERNS: usize = 400;
/// Share of the machine's memory that is granted by default.
const GRANTED_SHARE: f64 = 0.5;
/// Default memory limit of a part, in GB: the teacher of a small part is ready sooner.
const DEFAULT_PART_LIMIT: f64 = 2.0;

/// Partition of a dataset that is too large to be held in memory.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct LargeDataset {
    /// Number of patterns in the dataset.
    pub count: usize,
    /// Pattern numbers of each part, ascending. All parts have the same size; together they contain all patterns in use.
    pub parts: Vec<Vec<usize>>,
    /// Maximum number of patterns to reconstruct at once.
    pub chunk: usize,
    /// Memory limit of the parts, in GB: it gives the same parts on any machine.
    pub limit: f64,
    /// The exceeded memory limit, in words.
    pub granted: String,
}

/// Purpose for which the patterns are held in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    Training,
    Inference,
}

impl LargeDataset {
    /// Partitions a dataset; `None` if it fits into memory.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn detect(path: &Path, config: &Config, purpose: Purpose) -> Result<Option<Self>> {
        let Some((positions, side)) = Dataset::read_positions(path, &config.data)? else { return Ok(None) };
        let images = match purpose {
            Purpose::Inference => RECONSTRUCTION_IMAGES,
            Purpose::Training if config.training.method == Method::Direct => DIRECT_IMAGES,
            Purpose::Training => TRAINING_IMAGES[usize::from(config.training.teacher_share > 0.0)],
        };
        let batch = config.training.batch_size;
        let network = estimate(config, batch, side, 1, None).map_or(0, |estimate| estimate.memory);
        let fitting = |bytes: f64, images: usize| {
            // At least a quarter is left to the patterns, even if the network alone exceeds the limit.
            let left = (bytes - (PROGRAM + network) as f64).max(bytes / 4.0);
            ((left / (4 * side * side * images) as f64) as usize).max(1)
        };
        let machine = system::total_memory() as f64 * GRANTED_SHARE;
        let machine = if machine > 0.0 { machine } else { f64::INFINITY };
        let granted = config.data.max_memory.map_or(machine, |limit| limit * 1e9);
        let count = positions.len();
        let used = config.data.n_subsample.map_or(count, |kept| kept.min(count));
        if fitting(granted, images) >= used {
            return Ok(None);
        }
        let rows = data::subsample(config.data.rng, config.execution.seeds.subsample, count, used)?;
        let (limit, granted) = match config.data.max_memory {
            Some(limit) => (limit, format!("{limit} GB (--max-memory)")),
            None => {
                let limit = ((granted / 1e6).floor() / 1e3).min(DEFAULT_PART_LIMIT);
                (limit, format!("half of this machine's memory ({:.1} GB)", granted / 1e9))
            }
        };
        let bytes = limit * 1e9;
        let parts = parts(&positions, rows, fitting(bytes, images), config.execution.seeds.subsample);
        Ok(Some(Self { count, parts, chunk: fitting(bytes, RECONSTRUCTION_IMAGES), limit, granted }))
    }

    /// Part that an epoch, from 0, trains on; the parts take turns.
    pub fn part(&self, epoch: usize) -> &[usize] {
        &self.parts[epoch % self.parts.len()]
    }

    /// Number of patterns in a part.
    pub fn part_size(&self) -> usize {
        self.part(0).len()
    }

    /// Approximate number of scan regions in a part.
    pub fn regions(&self) -> usize {
        self.part_size().div_ceil(REGION_PATTERNS)
    }
}

/// Divides the patterns `rows` into the fewest equal parts of at most `max_size`, each from randomly chosen regions of the scan.
/// If the patterns do not divide evenly, some are in two parts.
fn parts(positions: &[[f64; 2]], rows: Vec<usize>, max_size: usize, seed: u64) -> Vec<Vec<usize>> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let all = rows.len();
    let count = all.div_ceil(max_size);
    let size = all.div_ceil(count);
    let regions =
        data::spatial_batches_of(rows, all.div_ceil(REGION_PATTERNS.min(size)), positions, &mut random).concat();
    (0..count)
        .map(|part| {
            let first = (all - size) * part / (count - 1).max(1);
            let mut part = regions[first..first + size].to_vec();
            part.sort_unstable();
            part
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_below_the_size_of_a_dataset_splits_it_and_a_larger_one_does_not() {
        let path = ptychoscope_base::testing::fixture("siemens_star_n64.npz");
        let mut config = Config::default();
        let large = |config: &Config, purpose| LargeDataset::detect(&path, config, purpose).unwrap();
        assert_eq!(large(&config, Purpose::Training), None);
        config.data.max_memory = Some(1.0);
        assert_eq!(large(&config, Purpose::Training), None);
        config.data.max_memory = Some(0.04);
        let split = large(&config, Purpose::Training).unwrap();
        // A quarter of 40 MB, since the network alone needs more.
        assert_eq!(
            (split.count, split.parts.len(), split.part_size(), split.regions(), split.chunk),
            (516, 7, 74, 1, 101)
        );
        assert!(split.limit == 0.04 && split.granted.contains("0.04 GB"), "{}", split.granted);
        assert_eq!(split.part(7), split.part(0));
        assert_eq!(large(&config, Purpose::Inference).unwrap().part_size(), 86);
        config.training.method = Method::Direct;
        assert_eq!(large(&config, Purpose::Training).unwrap().part_size(), 104);
        config.data.n_subsample = Some(100);
        assert_eq!(large(&config, Purpose::Training), None, "the subsample fits");
        config.training.method = Method::default();
        let split = large(&config, Purpose::Training).unwrap();
        let mut used = split.parts.concat();
        used.sort_unstable();
        used.dedup();
        assert_eq!((split.parts.len(), split.part_size(), used.len()), (2, 50, 100));
    }

    #[test]
    fn parts_have_equal_size_contain_all_patterns_and_consist_of_neighbors_in_some_regions() {
        let positions: Vec<[f64; 2]> = (0..3600).map(|i| [f64::from(i % 60), f64::from(i / 60)]).collect();
        let found = parts(&positions, (0..3600).collect(), 1000, 3);
        assert_eq!(found.iter().map(Vec::len).collect::<Vec<_>>(), [900; 4]);
        let mut all = found.concat();
        all.sort_unstable();
        assert_eq!(all, (0..3600).collect::<Vec<_>>());
        let part = &found[1];
        assert!(part.is_sorted_by(|a, b| a < b), "each once");
        let near = |a: usize, b: usize| (0..2).all(|axis| (positions[a][axis] - positions[b][axis]).abs() <= 1.0);
        let pairs = part.iter().flat_map(|&a| part.iter().map(move |&b| (a, b))).filter(|&(a, b)| a != b && near(a, b));
        let neighbors = pairs.count() as f64 / 900.0;
        assert!(neighbors > 6.0, "{neighbors} of 8 on average; a random quarter of the scan would have two");
        assert_eq!(found, parts(&positions, (0..3600).collect(), 1000, 3));
        assert_ne!(found, parts(&positions, (0..3600).collect(), 1000, 4));
        let uneven = parts(&positions, (0..3599).collect(), 1000, 3);
        assert_eq!(uneven.iter().map(Vec::len).collect::<Vec<_>>(), [900; 4]);
        let mut all = uneven.concat();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), 3599);
    }
}
