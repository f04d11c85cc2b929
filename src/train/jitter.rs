//! Random displacements of the positions of a step, for positions that are not quite known.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// No displacement is longer than so many standard deviations along an axis.
const LONGEST: f64 = 4.0;
/// Streams of the shuffle's seed from here on belong to the steps.
const FIRST_STREAM: u64 = 1 << 32;

/// Largest displacement along an axis, pixels.
pub(super) fn reach(sigma: f64) -> f64 {
    LONGEST * sigma
}

/// Draws the displacements (x, y) of one step, pixels; a step draws the same however often it is done. None for no jitter.
pub(super) fn of_step(sigma: f64, seed: u64, step: usize) -> Option<impl FnMut() -> [f64; 2]> {
    if sigma <= 0.0 {
        return None;
    }
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(FIRST_STREAM + step as u64);
    Some(move || {
        // Box and Muller: two draws at once.
        let radius = (-2.0 * (1.0 - rng.random::<f64>()).ln()).sqrt();
        let (sin, cos) = (2.0 * std::f64::consts::PI * rng.random::<f64>()).sin_cos();
        [cos, sin].map(|part| (radius * part).clamp(-LONGEST, LONGEST) * sigma)
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;

    #[test]
    fn displacements_have_the_width_asked_for_and_belong_to_their_step() {
        assert!(of_step(0.0, 1, 1).is_none());
        let draw = |seed, step| -> Vec<[f64; 2]> {
            let mut one = of_step(0.5, seed, step).unwrap();
            (0..4000).map(|_| one()).collect()
        };
        let drawn = draw(3, 7);
        for axis in 0..2 {
            let mean = drawn.iter().map(|d| d[axis]).sum::<f64>() / 4000.0;
            let square = drawn.iter().map(|d| d[axis] * d[axis]).sum::<f64>() / 4000.0;
            assert!(mean.abs() < 0.04 && (square.sqrt() - 0.5).abs() < 0.03, "{mean} {square}");
            assert!(drawn.iter().all(|d| d[axis].abs() <= reach(0.5)));
        }
        assert_eq!(drawn, draw(3, 7));
        assert!(drawn != draw(3, 8) && drawn != draw(4, 7));
    }
}
