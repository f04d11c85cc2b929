//! Spatially compact batches: training batches, and the parts of a dataset too large for memory.
//!
//! Hazard: patches predicted independently need not be consistent; if a single pattern admits several patches (a flat
//! symmetric probe admits the twin image), each pattern picks its own.
//! Remedy: a batch is a compact region of the scan, so that its patches can be merged and the merged object enters the loss
//! (A§5.2, also for gridsize 1). The scan is divided along new random directions in each epoch, so that every group is used
//! once per epoch and every pair of neighbors shares a batch now and then.

use rand::RngExt;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

/// Divides the groups with these centers `(x, y)` into `len / size` (rounded up) compact batches whose sizes differ by at most
/// one, in random order.
pub fn spatial_batches(centers: &[[f64; 2]], size: usize, rng: &mut ChaCha8Rng) -> Vec<Vec<usize>> {
    spatial_batches_of((0..centers.len()).collect(), centers.len().div_ceil(size.max(1)), centers, rng)
}

/// As [`spatial_batches`], for a subset of the groups and a given number of batches.
pub fn spatial_batches_of(
    groups: Vec<usize>,
    count: usize,
    centers: &[[f64; 2]],
    rng: &mut ChaCha8Rng,
) -> Vec<Vec<usize>> {
    let mut batches = Vec::with_capacity(count);
    bisect(groups, count, centers, rng, &mut batches);
    batches.shuffle(rng);
    batches
}

/// Divides the groups into `parts` batches by recursive bisection along random directions.
fn bisect(
    mut groups: Vec<usize>,
    parts: usize,
    centers: &[[f64; 2]],
    rng: &mut ChaCha8Rng,
    batches: &mut Vec<Vec<usize>>,
) {
    if parts <= 1 {
        if !groups.is_empty() {
            batches.push(groups);
        }
        return;
    }
    // Close to the longer axis, which keeps regions compact, but tilted at random.
    let spread = |axis: usize| {
        let values = groups.iter().map(|&g| centers[g][axis]);
        let (low, high) = values.fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), v| (l.min(v), h.max(v)));
        high - low
    };
    let tilt = rng.random_range(-0.6..0.6);
    let direction: [f64; 2] = if spread(0) >= spread(1) { [1.0, tilt] } else { [tilt, 1.0] };
    let along = |g: usize| centers[g][0] * direction[0] + centers[g][1] * direction[1];
    groups.sort_by(|&a, &b| along(a).total_cmp(&along(b)).then(a.cmp(&b)));
    // Sizes in proportion to the parts; the side of an odd part is random, so that the cuts vary.
    let left_parts = if parts.is_multiple_of(2) || rng.random::<bool>() { parts / 2 } else { parts.div_ceil(2) };
    let at = (groups.len() * left_parts + parts / 2) / parts;
    let right = groups.split_off(at);
    bisect(groups, left_parts, centers, rng, batches);
    bisect(right, parts - left_parts, centers, rng, batches);
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;

    #[test]
    fn every_group_is_in_one_batch_and_batches_are_compact() {
        let centers: Vec<[f64; 2]> = (0..400).map(|i| [f64::from(i % 20) * 5.0, f64::from(i / 20) * 5.0]).collect();
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let batches = spatial_batches(&centers, 16, &mut rng);
        assert_eq!(batches.len(), 25);
        let mut all: Vec<usize> = batches.concat();
        all.sort_unstable();
        assert_eq!(all, (0..400).collect::<Vec<_>>());
        for batch in &batches {
            assert_eq!(batch.len(), 16);
            let width = |axis: usize| {
                let values: Vec<f64> = batch.iter().map(|&g| centers[g][axis]).collect();
                values.iter().copied().fold(0.0, f64::max) - values.iter().copied().fold(1e9, f64::min)
            };
            assert!(width(0) <= 60.0 && width(1) <= 60.0, "{} {}", width(0), width(1));
        }
        assert_ne!(batches, spatial_batches(&centers, 16, &mut rng));
    }
}
