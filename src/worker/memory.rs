//! Datasets that do not fit into the memory that was granted.

use crate::config::Config;
use crate::data::Dataset;
use crate::error::Result;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::path::Path;

/// Images of the size of a pattern, in f32, that each pattern takes in training: itself, on the device, and with a teacher
/// its arranged amplitude, lit probe and patches of the teacher's object, here and on the device.
const TRAINING_IMAGES: [usize; 2] = [3, 11];
/// The same in a reconstruction: itself, and its patch before and after it was read back.
const RECONSTRUCTION_IMAGES: usize = 6;
/// Patterns that are taken from one place of the scan: neighbours overlap, which the teacher and the merged neighbourhoods
/// live on.
const AT_ONE_PLACE: usize = 400;

/// How a dataset is worked on that is too large to be held whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Large {
    /// Patterns of the dataset.
    pub count: usize,
    /// Numbers of the patterns that are trained on, ascending.
    pub part: Vec<usize>,
    /// Places of the scan that they come from.
    pub places: usize,
    /// Patterns that may be reconstructed at once.
    pub at_once: usize,
}

impl Large {
    /// None if the dataset is small enough, or nothing limits it.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn of(path: &Path, config: &Config) -> Result<Option<Self>> {
        let Some(limit) = config.data.max_memory else { return Ok(None) };
        let Some((positions, side)) = Dataset::extent(path, &config.data)? else { return Ok(None) };
        let fitting = |images: usize| ((limit * 1e9) as usize / (4 * side * side * images)).max(1);
        let teacher = usize::from(config.training.teacher_share > 0.0);
        let (count, kept) = (positions.len(), fitting(TRAINING_IMAGES[teacher]));
        if kept >= config.data.n_subsample.unwrap_or(count).min(count) {
            return Ok(None);
        }
        let places = kept.div_ceil(AT_ONE_PLACE);
        let part = around_places(&positions, kept, places, config.execution.seeds.subsample);
        Ok(Some(Self { count, part, places, at_once: fitting(RECONSTRUCTION_IMAGES) }))
    }
}

/// Numbers of `kept` patterns around so many places chosen at random, ascending: of each place the nearest that are left.
fn around_places(positions: &[[f64; 2]], kept: usize, places: usize, seed: u64) -> Vec<usize> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut left: Vec<usize> = (0..positions.len()).collect();
    let mut part = Vec::with_capacity(kept);
    for place in 0..places {
        let wanted = ((place + 1) * kept / places - part.len()).min(left.len());
        if wanted == 0 {
            continue;
        }
        let [x, y] = positions[left[random.random_range(0..left.len())]];
        let distance = |k: usize| (positions[k][0] - x).hypot(positions[k][1] - y);
        left.sort_by(|&a, &b| distance(a).total_cmp(&distance(b)).then(a.cmp(&b)));
        part.extend(left.drain(..wanted));
    }
    part.sort_unstable();
    part
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_below_the_size_of_a_dataset_splits_it_and_none_above() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/siemens_star_n64.npz");
        let mut config = Config::default();
        assert_eq!(Large::of(&path, &config).unwrap(), None);
        config.data.max_memory = Some(1.0);
        assert_eq!(Large::of(&path, &config).unwrap(), None);
        config.data.max_memory = Some(0.01);
        let large = Large::of(&path, &config).unwrap().unwrap();
        assert_eq!((large.count, large.part.len(), large.places, large.at_once), (516, 55, 1, 101));
        config.data.n_subsample = Some(40);
        assert_eq!(Large::of(&path, &config).unwrap(), None, "what is kept fits");
    }

    #[test]
    fn the_part_consists_of_neighbours_around_some_places() {
        let positions: Vec<[f64; 2]> = (0..900).map(|i| [f64::from(i % 30), f64::from(i / 30)]).collect();
        let part = around_places(&positions, 100, 4, 3);
        assert_eq!(part.len(), 100);
        assert!(part.is_sorted_by(|a, b| a < b), "each once");
        let near = |a: usize, b: usize| (0..2).all(|axis| (positions[a][axis] - positions[b][axis]).abs() <= 1.0);
        let pairs = part.iter().flat_map(|&a| part.iter().map(move |&b| (a, b))).filter(|&(a, b)| a != b && near(a, b));
        let neighbours = pairs.count() as f64 / 100.0;
        assert!(neighbours > 4.0, "{neighbours} of 8 on the mean; a ninth of the scan at random would have one");
        assert_eq!(part, around_places(&positions, 100, 4, 3));
        assert_ne!(part, around_places(&positions, 100, 4, 4));
    }
}
