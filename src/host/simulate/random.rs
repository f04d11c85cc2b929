//! Random numbers: one generator per purpose and index, all from one seed.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Purpose of random numbers. Its value determines the contents of every simulated file: never change one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// Texture of the amplitude of the object.
    Object = 1,
    /// Texture of the phase of the object.
    Phase = 2,
    /// Scan positions.
    Scan = 3,
    /// Errors of the recorded positions.
    PositionError = 4,
    /// Dead pixels of the detector.
    DeadPixels = 5,
    /// Photon and read noise; one index per pattern.
    Noise = 6,
}

/// Generator of a purpose. Its key consists of seed, purpose and index, so that all generators are independent of each other
/// and of the order of their use.
pub(super) fn generator(seed: u64, purpose: Purpose, index: u64) -> ChaCha8Rng {
    let words = [seed, purpose as u64, index, 0];
    let mut key = [0; 32];
    for (bytes, word) in key.chunks_exact_mut(8).zip(words) {
        bytes.copy_from_slice(&word.to_le_bytes());
    }
    ChaCha8Rng::from_seed(key)
}

/// Uniform random number in [0, 1).
pub(super) fn uniform(rng: &mut ChaCha8Rng) -> f64 {
    rng.random::<f64>()
}

/// Standard normal random number (Box and Muller 1958).
pub(super) fn normal(rng: &mut ChaCha8Rng) -> f64 {
    let radius = (-2.0 * (1.0 - uniform(rng)).ln()).sqrt();
    radius * (std::f64::consts::TAU * uniform(rng)).cos()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn generators_of_different_seeds_purposes_and_indices_differ() {
        let first = |seed, purpose, index| uniform(&mut generator(seed, purpose, index)).to_bits();
        let mut drawn = vec![first(1, Purpose::Noise, 0), first(2, Purpose::Noise, 0), first(1, Purpose::Scan, 0)];
        drawn.push(first(1, Purpose::Noise, 1));
        assert_eq!(drawn[0], first(1, Purpose::Noise, 0));
        drawn.sort_unstable();
        drawn.dedup();
        assert_eq!(drawn.len(), 4);
    }

    #[test]
    fn normal_numbers_have_mean_0_variance_1_and_kurtosis_3() {
        let mut rng = generator(3, Purpose::Noise, 0);
        let count = 200_000;
        let mut moments = [0.0; 4];
        for _ in 0..count {
            let x = normal(&mut rng);
            for (power, moment) in (1..).zip(&mut moments) {
                *moment += x.powi(power) / f64::from(count);
            }
        }
        assert!(moments[0].abs() < 0.01 && (moments[1] - 1.0).abs() < 0.015, "{moments:?}");
        assert!(moments[2].abs() < 0.03 && (moments[3] - 3.0).abs() < 0.1, "{moments:?}");
    }
}
