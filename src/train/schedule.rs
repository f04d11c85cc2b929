//! The learning rate over a training.

use crate::config::Schedule;

/// Where the cosine ends, as a share of the initial rate.
const COSINE_END: f64 = 0.02;
/// Factor per epoch of the exponential schedule (A§6.2).
const EXPONENTIAL_FACTOR: f64 = 0.95;

/// Learning rate after `fraction` (0 to 1) of the training, `epoch` epochs being completed.
pub fn learning_rate(schedule: Schedule, initial: f64, fraction: f64, epoch: usize) -> f64 {
    match schedule {
        Schedule::Constant => initial,
        Schedule::Cosine => {
            let cosine = (1.0 + (std::f64::consts::PI * fraction.clamp(0.0, 1.0)).cos()) / 2.0;
            initial * cosine.max(COSINE_END)
        }
        Schedule::Exponential => initial * EXPONENTIAL_FACTOR.powf(epoch as f64),
    }
}

/// Share of the learning rate at a step (from 0) of a linear warm-up.
pub fn warmup(step: usize, warmup_steps: usize) -> f64 {
    if step >= warmup_steps { 1.0 } else { (step + 1) as f64 / (warmup_steps + 1) as f64 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cosine_falls_from_the_initial_rate_to_two_percent() {
        assert_eq!(learning_rate(Schedule::Cosine, 1e-3, 0.0, 0), 1e-3);
        assert!((learning_rate(Schedule::Cosine, 1e-3, 0.5, 7) - 5e-4).abs() < 1e-12);
        assert!((learning_rate(Schedule::Cosine, 1e-3, 1.0, 9) - 2e-5).abs() < 1e-12);
    }

    #[test]
    fn the_warm_up_rises_to_one() {
        assert_eq!(warmup(0, 3), 0.25);
        assert_eq!(warmup(2, 3), 0.75);
        assert_eq!(warmup(3, 3), 1.0);
        assert_eq!(warmup(0, 0), 1.0);
    }

    #[test]
    fn the_exponential_falls_by_five_percent_an_epoch() {
        assert!((learning_rate(Schedule::Exponential, 1.0, 0.3, 2) - 0.9025).abs() < 1e-12);
    }
}
