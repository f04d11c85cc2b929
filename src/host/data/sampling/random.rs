//! Seeded random choices, identical on every machine and for any number of threads.

use super::numpy_random::{NumpyRandom, numpy_seed};
use crate::config::RandomGenerator;
use crate::error::Result;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Random generator for a seed; streams of the same seed are independent.
pub(in crate::data) fn generator(seed: u64, stream: u64) -> ChaCha8Rng {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(stream);
    rng
}

/// `count` distinct numbers below `from` in random order (all of them if there are fewer).
pub(in crate::data) fn choose(rng: &mut ChaCha8Rng, from: usize, count: usize) -> Vec<usize> {
    let count = count.min(from);
    let mut all: Vec<usize> = (0..from).collect();
    for at in 0..count {
        // Drawn as u64 for identical results on 32-bit machines.
        let other = rng.random_range(at as u64..from as u64) as usize;
        all.swap(at, other);
    }
    all.truncate(count);
    all
}

/// `count` random pattern indices below `from`, ascending, from ChaCha or from NumPy's generator (A§2.2).
///
/// # Errors
/// [`crate::error::Error::BadInput`] if NumPy's generator does not support the seed.
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
