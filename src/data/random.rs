//! Seeded choices: the same seed gives the same choice on every machine and with any number of threads.

use super::numpy_groups::numpy_seed;
use super::numpy_random::NumpyRandom;
use crate::config::RandomGenerator;
use crate::error::Result;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// A generator for this seed; streams of one seed are independent of each other.
pub(super) fn generator(seed: u64, stream: u64) -> ChaCha8Rng {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(stream);
    rng
}

/// `count` distinct numbers below `from` in random order (all of them if there are fewer).
pub(super) fn choose(rng: &mut ChaCha8Rng, from: usize, count: usize) -> Vec<usize> {
    let count = count.min(from);
    let mut all: Vec<usize> = (0..from).collect();
    for at in 0..count {
        // Drawn as u64, so that 32-bit machines draw the same.
        let other = rng.random_range(at as u64..from as u64) as usize;
        all.swap(at, other);
    }
    all.truncate(count);
    all
}

/// Patterns that are kept of `from`, ascending: that of the own generator, or that of NumPy's generator (A§2.2).
///
/// # Errors
/// NumPy's generator does not take the seed.
pub fn subsample(generated_by: RandomGenerator, seed: u64, from: usize, count: usize) -> Result<Vec<usize>> {
    let mut chosen = match generated_by {
        RandomGenerator::Chacha => choose(&mut generator(seed, 0), from, count),
        RandomGenerator::Numpy => NumpyRandom::new(numpy_seed(seed)?).choose(from, count),
    };
    chosen.sort_unstable();
    Ok(chosen)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn choices_are_distinct_reproducible_and_cover_everything() {
        let mut rng = generator(3, 0);
        let mut seen = [0usize; 10];
        for _ in 0..1000 {
            let mut chosen = choose(&mut rng, 10, 4);
            chosen.iter().for_each(|&k| seen[k] += 1);
            chosen.sort_unstable();
            chosen.dedup();
            assert_eq!(chosen.len(), 4);
        }
        assert!(seen.iter().all(|&count| (340..460).contains(&count)), "{seen:?}");
        assert_eq!(choose(&mut generator(7, 1), 100, 5), choose(&mut generator(7, 1), 100, 5));
        assert_ne!(choose(&mut generator(7, 1), 100, 5), choose(&mut generator(7, 2), 100, 5));
        assert_eq!(choose(&mut generator(7, 1), 3, 9).len(), 3);
    }
}
