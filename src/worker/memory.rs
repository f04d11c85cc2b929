//! Datasets that do not fit into the memory that was granted.

use super::estimate::estimate;
use crate::config::{Config, Method};
use crate::data::{self, Dataset};
use crate::error::Result;
use crate::system;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use std::path::Path;

/// Images of the size of a pattern, in f32, that each pattern takes in training: itself, in the part that the result is judged
/// on and in the part that is trained on; on the device; and with a teacher the patches of its object, here and there.
const TRAINING_IMAGES: [usize; 2] = [3, 8];
/// The same in a reconstruction: itself, and its patch before and after it was read back.
const RECONSTRUCTION_IMAGES: usize = 6;
/// The same for the direct solver: itself, its arranged amplitude and its lit probe, and itself with what was refined.
const DIRECT_IMAGES: usize = 5;
/// What the program takes besides, bytes.
const PROGRAM: u64 = 200_000_000;
/// Patterns that are taken from one place of the scan: neighbours overlap, which the teacher and the merged neighbourhoods
/// live on.
const AT_ONE_PLACE: usize = 400;
/// Share of the machine's memory that is granted where nothing else was said, and the memory in GB that parts are then made
/// for: smaller ones have their teacher sooner.
const GRANTED_SHARE: f64 = 0.5;
const USUAL_PARTS: f64 = 2.0;

/// How a dataset is worked on that is too large to be held whole.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Large {
    /// Patterns of the dataset.
    pub count: usize,
    /// Numbers of the patterns of each part, ascending; together they are all that are used, and all parts have as many.
    pub parts: Vec<Vec<usize>>,
    /// Patterns that may be reconstructed at once.
    pub at_once: usize,
    /// The limit that parts are made for, GB: with it the same parts are made on any machine.
    pub limit: f64,
    /// What the dataset was too large for, in words.
    pub granted: String,
}

/// What patterns are needed for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    Training,
    Inference,
}

impl Large {
    /// None if the dataset is small enough.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn of(path: &Path, config: &Config, purpose: Purpose) -> Result<Option<Self>> {
        let Some((positions, side)) = Dataset::extent(path, &config.data)? else { return Ok(None) };
        let images = match purpose {
            Purpose::Inference => RECONSTRUCTION_IMAGES,
            Purpose::Training if config.training.method == Method::Direct => DIRECT_IMAGES,
            Purpose::Training => TRAINING_IMAGES[usize::from(config.training.teacher_share > 0.0)],
        };
        let batch = config.training.batch_size;
        let network = estimate(config, batch, side, 1, None).map_or(0, |estimate| estimate.memory);
        let fitting = |bytes: f64, images: usize| {
            // A limit that the network alone exceeds leaves a part to the patterns.
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
                let limit = ((granted / 1e6).floor() / 1e3).min(USUAL_PARTS);
                (limit, format!("half of this machine's memory ({:.1} GB)", granted / 1e9))
            }
        };
        let bytes = limit * 1e9;
        let parts = parts(&positions, rows, fitting(bytes, images), config.execution.seeds.subsample);
        Ok(Some(Self { count, parts, at_once: fitting(bytes, RECONSTRUCTION_IMAGES), limit, granted }))
    }

    /// The part that an epoch (from 0) trains on; all of them have their turn before the first one comes again.
    pub fn part(&self, epoch: usize) -> &[usize] {
        &self.parts[epoch % self.parts.len()]
    }

    /// Patterns of a part.
    pub fn part_size(&self) -> usize {
        self.part(0).len()
    }

    /// Places of the scan that a part comes from, about.
    pub fn places(&self) -> usize {
        self.part_size().div_ceil(AT_ONE_PLACE)
    }
}

/// The patterns `rows` in parts of equal size, of at most `kept` and as large as can be: each from some places of the scan,
/// chosen at random. Where the patterns do not divide evenly, some are in two parts.
fn parts(positions: &[[f64; 2]], rows: Vec<usize>, kept: usize, seed: u64) -> Vec<Vec<usize>> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let all = rows.len();
    let count = all.div_ceil(kept);
    let size = all.div_ceil(count);
    let places = data::neighbourhoods_of(rows, all.div_ceil(AT_ONE_PLACE.min(size)), positions, &mut random).concat();
    (0..count)
        .map(|part| {
            let first = (all - size) * part / (count - 1).max(1);
            let mut part = places[first..first + size].to_vec();
            part.sort_unstable();
            part
        })
        .collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_below_the_size_of_a_dataset_splits_it_and_none_above() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/siemens_star_n64.npz");
        let mut config = Config::default();
        let large = |config: &Config, purpose| Large::of(&path, config, purpose).unwrap();
        assert_eq!(large(&config, Purpose::Training), None);
        config.data.max_memory = Some(1.0);
        assert_eq!(large(&config, Purpose::Training), None);
        config.data.max_memory = Some(0.04);
        let split = large(&config, Purpose::Training).unwrap();
        // A quarter of 40 MB, since the network alone takes more.
        assert_eq!(
            (split.count, split.parts.len(), split.part_size(), split.places(), split.at_once),
            (516, 7, 74, 1, 101)
        );
        assert!(split.limit == 0.04 && split.granted.contains("0.04 GB"), "{}", split.granted);
        assert_eq!(split.part(7), split.part(0));
        assert_eq!(large(&config, Purpose::Inference).unwrap().part_size(), 86);
        config.training.method = Method::Direct;
        assert_eq!(large(&config, Purpose::Training).unwrap().part_size(), 104);
        config.data.n_subsample = Some(100);
        assert_eq!(large(&config, Purpose::Training), None, "what is kept fits");
        config.training.method = Method::default();
        let split = large(&config, Purpose::Training).unwrap();
        let mut used = split.parts.concat();
        used.sort_unstable();
        used.dedup();
        assert_eq!((split.parts.len(), split.part_size(), used.len()), (2, 50, 100));
    }

    #[test]
    fn parts_are_of_equal_size_hold_all_patterns_and_consist_of_neighbours_around_some_places() {
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
        let neighbours = pairs.count() as f64 / 900.0;
        assert!(neighbours > 6.0, "{neighbours} of 8 on the mean; a quarter of the scan at random would have two");
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
