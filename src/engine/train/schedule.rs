//! Schedules of the learning rate and of the physics weight (A§6.2, A§10.3).
//!
//! They depend only on the settings, the progress and the losses of the epochs so far, so that a resumed training
//! continues with the same values.

use super::{EpochRecord, History};
use crate::config::{Ramp, Schedule, TrainingConfig};
use std::f64::consts::PI;

/// Final learning rate of the cosine schedule, relative to the initial one.
const COSINE_END: f64 = 0.02;
/// Factor per epoch of the exponential schedule.
const EXPONENTIAL_FACTOR: f64 = 0.95;
/// Initial learning rate of the epoch-wise warm-up, relative to the full one.
const WARMUP_START: f64 = 0.1;

/// Learning rate after `fraction` (0 to 1) of the training and the epochs of `history`.
pub fn learning_rate(settings: &TrainingConfig, fraction: f64, history: &History) -> f64 {
    let (initial, epoch) = (settings.learning_rate, history.0.len());
    let half_cosine = |t: f64| (1.0 + (PI * t.clamp(0.0, 1.0)).cos()) / 2.0;
    match settings.schedule {
        Schedule::Constant => initial,
        Schedule::Cosine => initial * half_cosine(fraction).max(COSINE_END),
        Schedule::Exponential => initial * EXPONENTIAL_FACTOR.powf(epoch as f64),
        Schedule::WarmupCosine => {
            let (warmup, lowest) = (settings.lr_warmup_epochs, initial * settings.lr_min_ratio);
            if epoch < warmup {
                return initial * (WARMUP_START + (1.0 - WARMUP_START) * epoch as f64 / warmup as f64);
            }
            // By epochs if their number is fixed, else by time.
            let t = match settings.planned_epochs() {
                Some(epochs) => (epoch - warmup) as f64 / epochs.saturating_sub(warmup).max(1) as f64,
                None => fraction,
            };
            lowest + (initial - lowest) * half_cosine(t)
        }
        Schedule::ReduceOnPlateau => plateau_rate(settings, history),
        Schedule::MultiStage => {
            if settings.stage_1_epochs + settings.stage_2_epochs == 0 {
                return initial;
            }
            let lowest = settings.stage_3_lr_factor;
            initial * (1.0 - (1.0 - lowest) * physics_weight(settings, epoch))
        }
    }
}

/// Factor of the learning rate at a step (from 0) of a linear warm-up.
pub fn warmup(step: usize, warmup_steps: usize) -> f64 {
    if step >= warmup_steps { 1.0 } else { (step + 1) as f64 / (warmup_steps + 1) as f64 }
}

/// Learning rate after the plateaus in these epochs.
fn plateau_rate(settings: &TrainingConfig, history: &History) -> f64 {
    let (mut rate, mut best, mut waited) = (settings.learning_rate, f64::INFINITY, 0usize);
    for loss in history.0.iter().map(EpochRecord::monitored_loss) {
        if loss < best - best.abs().min(f64::MAX) * settings.plateau_threshold {
            (best, waited) = (loss, 0);
            continue;
        }
        waited += 1;
        if waited > settings.plateau_patience {
            // A rate that is already below the minimum is kept.
            rate = (rate * settings.plateau_factor).max(settings.plateau_min_lr).min(rate);
            waited = 0;
        }
    }
    rate
}

/// True if the loss has not decreased within the patience of early stopping.
pub fn has_stalled(settings: &TrainingConfig, history: &History) -> bool {
    let Some(patience) = settings.early_stop_patience else { return false };
    let losses = history.0.iter().map(EpochRecord::monitored_loss);
    let (mut best, mut since) = (f64::INFINITY, 0usize);
    for loss in losses {
        if loss < best {
            (best, since) = (loss, 0);
        } else {
            since += 1;
        }
    }
    since >= patience
}

/// Weight of the configured loss in an epoch (from 0); the amplitude error has the remaining weight. 0 in the first
/// stage, rising in the second, 1 afterwards and without stages.
pub fn physics_weight(settings: &TrainingConfig, epoch: usize) -> f64 {
    let (first, second) = (settings.stage_1_epochs, settings.stage_2_epochs);
    if epoch < first {
        return 0.0;
    }
    if epoch >= first + second {
        return 1.0;
    }
    // Midpoint of the epoch: the ramp neither starts at the weight of stage 1 nor ends at that of stage 3.
    let t = ((epoch - first) as f64 + 0.5) / second as f64;
    match settings.physics_weight_schedule {
        Ramp::Linear => t,
        Ramp::Cosine => (1.0 - (PI * t).cos()) / 2.0,
        Ramp::Exponential => ((3.0 * t).exp() - 1.0) / (3f64.exp() - 1.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(schedule: Schedule, change: impl FnOnce(&mut TrainingConfig)) -> TrainingConfig {
        let mut settings = TrainingConfig { schedule, learning_rate: 1e-3, ..TrainingConfig::default() };
        change(&mut settings);
        settings
    }

    fn history(losses: &[f64]) -> History {
        let record = |(at, loss): (usize, &f64)| EpochRecord {
            epoch: at + 1,
            step: at + 1,
            train_loss: *loss,
            val_loss: None,
            learning_rate: 0.0,
            gradient_norm: 0.0,
            elapsed_s: 0.0,
        };
        History(losses.iter().enumerate().map(record).collect())
    }

    fn close(a: f64, b: f64) {
        assert!((a - b).abs() < 1e-12, "{a} {b}");
    }

    #[test]
    fn the_cosine_falls_from_the_initial_rate_to_two_percent() {
        let settings = with(Schedule::Cosine, |_| ());
        assert_eq!(learning_rate(&settings, 0.0, &history(&[])), 1e-3);
        close(learning_rate(&settings, 0.5, &history(&[1.0; 7])), 5e-4);
        close(learning_rate(&settings, 1.0, &history(&[])), 2e-5);
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
        close(learning_rate(&with(Schedule::Exponential, |_| ()), 0.3, &history(&[1.0; 2])), 0.9025e-3);
        close(learning_rate(&with(Schedule::Constant, |_| ()), 0.3, &history(&[1.0; 2])), 1e-3);
    }

    #[test]
    fn the_epoch_wise_warm_up_is_followed_by_a_cosine_to_the_lowest_rate() {
        let settings =
            with(Schedule::WarmupCosine, |s| (s.lr_warmup_epochs, s.lr_min_ratio, s.epochs) = (4, 0.1, Some(12)));
        let rate = |epoch: usize| learning_rate(&settings, 0.0, &history(&vec![1.0; epoch]));
        close(rate(0), 1e-4);
        close(rate(2), 0.55e-3);
        close(rate(4), 1e-3);
        close(rate(8), 0.55e-3);
        close(rate(12), 1e-4);
        let timed = with(Schedule::WarmupCosine, |s| s.lr_min_ratio = 0.0);
        close(learning_rate(&timed, 0.5, &history(&[1.0; 3])), 5e-4);
    }

    #[test]
    fn a_plateau_lowers_the_rate_down_to_the_minimum() {
        let settings = with(Schedule::ReduceOnPlateau, |s| (s.plateau_patience, s.plateau_min_lr) = (2, 4e-4));
        let rate = |losses: &[f64]| learning_rate(&settings, 0.0, &history(losses));
        close(rate(&[3.0, 2.0, 1.0]), 1e-3);
        close(rate(&[3.0, 3.0, 3.0]), 1e-3);
        close(rate(&[3.0, 3.0, 3.0, 3.0]), 5e-4);
        close(rate(&[3.0, 3.0, 3.0, 3.0, 2.0, 2.0, 2.0]), 5e-4);
        close(rate(&[3.0; 20]), 4e-4);
        let strict = with(Schedule::ReduceOnPlateau, |s| (s.plateau_patience, s.plateau_threshold) = (0, 0.1));
        close(learning_rate(&strict, 0.0, &history(&[1.0, 0.95])), 5e-4);
        close(learning_rate(&strict, 0.0, &history(&[1.0, 0.85])), 1e-3);
    }

    #[test]
    fn the_stages_lead_from_the_amplitude_error_to_the_loss_with_a_decreasing_rate() {
        let settings = with(Schedule::MultiStage, |s| {
            (s.stage_1_epochs, s.stage_2_epochs, s.stage_3_epochs, s.stage_3_lr_factor) = (2, 4, 3, 0.1);
        });
        let weights: Vec<f64> = (0..9).map(|epoch| physics_weight(&settings, epoch)).collect();
        assert_eq!((weights[0], weights[1], weights[6], weights[8]), (0.0, 0.0, 1.0, 1.0));
        assert!(weights[1..7].is_sorted() && weights[2] > 0.0 && weights[5] < 1.0, "{weights:?}");
        close(weights[2] + weights[5], 1.0);
        close(learning_rate(&settings, 0.0, &history(&[1.0])), 1e-3);
        close(learning_rate(&settings, 0.0, &history(&[1.0; 7])), 1e-4);
        assert_eq!(settings.planned_epochs(), Some(9));
        assert_eq!(TrainingConfig { epochs: Some(5), ..settings.clone() }.planned_epochs(), Some(5));
        let at = |ramp| physics_weight(&TrainingConfig { physics_weight_schedule: ramp, ..settings.clone() }, 3);
        assert!(at(Ramp::Exponential) < at(Ramp::Cosine) && at(Ramp::Cosine) < at(Ramp::Linear));
        assert_eq!(physics_weight(&TrainingConfig::default(), 0), 1.0);
    }

    #[test]
    fn training_stops_when_the_loss_has_not_decreased_within_the_patience() {
        let settings = with(Schedule::Constant, |s| s.early_stop_patience = Some(2));
        assert!(!has_stalled(&settings, &history(&[3.0, 2.0, 2.5])));
        assert!(has_stalled(&settings, &history(&[3.0, 2.0, 2.5, 2.0])));
        assert!(!has_stalled(&settings, &history(&[3.0, 2.0, 2.5, 1.0, 4.0])));
        assert!(!has_stalled(&TrainingConfig::default(), &history(&[1.0; 500])));
    }
}
