//! NumPy's legacy random generator (`numpy.random.seed`, `RandomState`): MT19937 with the draws used by the original.
//!
//! Written from the published algorithm (Matsumoto and Nishimura 1998) and NumPy's documented stream, which is frozen: a seed
//! gives the same numbers as in any version of NumPy.

use crate::error::{Problem, Result};

/// Number of state words.
const WORDS: usize = 624;
const MIDDLE: usize = 397;

/// Converts a seed to NumPy's range.
///
/// # Errors
/// [`crate::error::Error::BadInput`] if it has more than 32 bits.
pub(in crate::data) fn numpy_seed(seed: u64) -> Result<u32> {
    u32::try_from(seed).map_err(|_| {
        Problem::new(format!("The seed {seed} is too large for NumPy's generator"))
            .expected(format!("a whole number from 0 to {}", u32::MAX))
            .hint("Choose another --seed, or --rng chacha")
            .into()
    })
}

/// MT19937 with NumPy's draws.
pub(super) struct NumpyRandom {
    state: [u32; WORDS],
    at: usize,
}

impl NumpyRandom {
    /// As `numpy.random.seed(seed)`.
    pub fn new(seed: u32) -> Self {
        let mut state = [0u32; WORDS];
        let mut word = seed;
        for (index, slot) in state.iter_mut().enumerate() {
            *slot = word;
            word = 1_812_433_253u32.wrapping_mul(word ^ (word >> 30)).wrapping_add(index as u32 + 1);
        }
        Self { state, at: WORDS }
    }

    fn refill(&mut self) {
        for k in 0..WORDS {
            let joined = (self.state[k] & 0x8000_0000) | (self.state[(k + 1) % WORDS] & 0x7fff_ffff);
            let odd = if joined & 1 == 1 { 0x9908_b0df } else { 0 };
            self.state[k] = self.state[(k + MIDDLE) % WORDS] ^ (joined >> 1) ^ odd;
        }
        self.at = 0;
    }

    /// The next 32 bits.
    pub fn word(&mut self) -> u32 {
        if self.at >= WORDS {
            self.refill();
        }
        let mut y = self.state[self.at];
        self.at += 1;
        y ^= y >> 11;
        y ^= (y << 7) & 0x9d2c_5680;
        y ^= (y << 15) & 0xefc6_0000;
        y ^ (y >> 18)
    }

    /// Whole number of at most `largest`, by masked rejection sampling as in `shuffle` and `randint`.
    pub fn at_most(&mut self, largest: u64) -> u64 {
        if largest == 0 {
            return 0;
        }
        let mask = u64::MAX >> largest.leading_zeros();
        loop {
            let drawn = if largest <= u64::from(u32::MAX) {
                u64::from(self.word())
            } else {
                (u64::from(self.word()) << 32) | u64::from(self.word())
            };
            if drawn & mask <= largest {
                return drawn & mask;
            }
        }
    }

    /// As `permutation(count)`.
    pub fn permutation(&mut self, count: usize) -> Vec<usize> {
        let mut all: Vec<usize> = (0..count).collect();
        for last in (1..count).rev() {
            let other = self.at_most(last as u64) as usize;
            all.swap(last, other);
        }
        all
    }

    /// As `choice(from, size=count, replace=False)`.
    pub fn choose(&mut self, from: usize, count: usize) -> Vec<usize> {
        let mut all = self.permutation(from);
        all.truncate(count);
        all
    }

    /// As `randint(0, below, size=count)`, which is `choice` with replacement.
    pub fn with_replacement(&mut self, below: usize, count: usize) -> Vec<usize> {
        (0..count).map(|_| self.at_most(below.saturating_sub(1) as u64) as usize).collect()
    }

    /// As `rand()`: a number from 0 to 1, excluding 1, with 53 bits.
    #[cfg(test)]
    fn unit(&mut self) -> f64 {
        let (high, low) = (self.word() >> 5, self.word() >> 6);
        (f64::from(high) * 67_108_864.0 + f64::from(low)) / 9_007_199_254_740_992.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formats::npz::NpzArchive;
    use ptychoscope_base::testing::golden;

    #[test]
    fn the_words_are_those_of_the_published_generator() {
        // The first words of MT19937 with the seed 5489 of its authors.
        let mut rng = NumpyRandom::new(5489);
        let first: Vec<u32> = (0..5).map(|_| rng.word()).collect();
        assert_eq!(first, [3_499_211_612, 581_869_302, 3_890_346_734, 3_586_334_585, 545_404_204]);
        // The ten thousandth, as stated in the C++ standard.
        let mut rng = NumpyRandom::new(5489);
        assert_eq!((0..10_000).map(|_| rng.word()).last(), Some(4_123_659_995));
    }

    #[test]
    fn the_draws_are_those_of_numpy() {
        let mut golden = NpzArchive::open(golden("grouping.npz")).unwrap();
        for seed in [0, 3, 42] {
            let mut read = |name: &str| -> Vec<f64> {
                golden.read_f64(&format!("rng/seed{seed}/{name}")).unwrap().into_iter().collect()
            };
            let whole = |values: Vec<f64>| values.into_iter().map(|v| v as usize).collect::<Vec<_>>();
            let mut rng = NumpyRandom::new(seed);
            assert_eq!(rng.choose(40, 12), whole(read("choice40_12")), "{seed}");
            assert_eq!(rng.choose(7, 4), whole(read("then_choice7_4")), "{seed}");
            assert_eq!(NumpyRandom::new(seed).permutation(40), whole(read("permutation40")), "{seed}");
            let mut rng = NumpyRandom::new(seed);
            for word in read("u32") {
                assert_eq!(f64::from(rng.word()), word, "{seed}");
            }
            let mut rng = NumpyRandom::new(seed);
            for value in read("rand") {
                assert_eq!(rng.unit(), value, "{seed}");
            }
            let mut rng = NumpyRandom::new(seed);
            for value in read("uniform_-3_5") {
                assert_eq!(-3.0 + 8.0 * rng.unit(), value, "{seed}");
            }
        }
    }

    #[test]
    fn numbers_stay_within_their_bound_and_reach_it() {
        let mut rng = NumpyRandom::new(1);
        for largest in [0u64, 1, 2, 6, 7, 100, u64::from(u32::MAX), 1 << 40] {
            let drawn: Vec<u64> = (0..200).map(|_| rng.at_most(largest)).collect();
            assert!(drawn.iter().all(|v| *v <= largest), "{largest}");
            assert!(largest > 10 || (0..=largest).all(|v| drawn.contains(&v)), "{largest}");
        }
        assert!(rng.with_replacement(3, 50).iter().all(|v| *v < 3));
        assert!(rng.permutation(0).is_empty() && rng.choose(5, 9).len() == 5);
    }
}
