//! Random displacements of the positions in a step, for inaccurately known positions.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Largest displacement along an axis, in standard deviations.
const LARGEST: f64 = 4.0;
/// First stream of the shuffle's seed that is used for jitter; each step has its own.
const FIRST_STREAM: u64 = 1 << 32;

/// Largest displacement along an axis, in pixels.
pub(super) fn largest(sigma: f64) -> f64 {
    LARGEST * sigma
}

/// Draws the displacements (x, y) of one step, in pixels; `None` without jitter. The draws depend only on seed and
/// step.
pub(super) fn of_step(sigma: f64, seed: u64, step: usize) -> Option<impl FnMut() -> [f64; 2]> {
    if sigma <= 0.0 {
        return None;
    }
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(FIRST_STREAM + step as u64);
    Some(move || {
        // Box–Muller transform.
        let radius = (-2.0 * (1.0 - rng.random::<f64>()).ln()).sqrt();
        let (sin, cos) = (2.0 * std::f64::consts::PI * rng.random::<f64>()).sin_cos();
        [cos, sin].map(|part| (radius * part).clamp(-LARGEST, LARGEST) * sigma)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn displacements_have_the_requested_width_and_depend_on_seed_and_step() {
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
            assert!(drawn.iter().all(|d| d[axis].abs() <= largest(0.5)));
        }
        assert_eq!(drawn, draw(3, 7));
        assert!(drawn != draw(3, 8) && drawn != draw(4, 7));
    }
}
