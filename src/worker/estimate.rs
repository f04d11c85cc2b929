//! What a training will take, before it starts.

use crate::config::Config;
use crate::error::Result;
use crate::model::{NetworkSize, network_size};

/// Bytes for each parameter in training: weights, gradient, two moments, the last good copy, and one that the optimiser
/// makes on the way.
const BYTES_PER_PARAMETER: u64 = 6 * 4;
/// Bytes for each value a layer puts out: itself and its gradient.
const BYTES_PER_ACTIVATION: u64 = 2 * 4;
/// Complex images of the size of a patch that the physics of one pattern keeps, with their gradients.
const PHYSICS_IMAGES: u64 = 16;
/// What the way back costs, compared with the way there.
const TRAINING_FACTOR: f64 = 3.0;
/// Multiplications with addition per second and core that the convolutions of the CPU reach, roughly.
const MULTIPLY_ADDS_PER_CORE: f64 = 2.0e10;

/// A speed that was measured.
#[derive(Debug, Clone, PartialEq)]
pub struct Measured {
    /// Patterns per second in training.
    pub patterns_per_second: f64,
    /// Side of the patterns, in pixels.
    pub side: usize,
    /// The configuration of the run.
    pub config: Config,
    /// The device of the run.
    pub device: String,
}

/// Where an estimate of the speed comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Basis {
    /// A run with the same network.
    Measured,
    /// A run with another network, by the ratio of their work.
    Scaled,
    /// The number of cores alone.
    Rough,
}

/// What a training will take.
#[derive(Debug, Clone, PartialEq)]
pub struct Estimate {
    /// The network.
    pub network: NetworkSize,
    /// Groups in an epoch.
    pub groups: usize,
    /// Optimiser steps in an epoch.
    pub steps_per_epoch: usize,
    /// Bytes on the device.
    pub memory: u64,
    /// Seconds for an epoch.
    pub seconds_per_epoch: f64,
    /// Where that comes from.
    pub basis: Basis,
    /// Epochs that will be done: as asked for, or as many as fit into the time budget.
    pub epochs: f64,
    /// Seconds for the whole training.
    pub seconds: f64,
}

/// Estimates the training on `patterns` patterns of side `side`, with `modes` probe modes.
///
/// # Errors
/// When the network cannot be built for this side.
pub fn estimate(
    config: &Config,
    patterns: usize,
    side: usize,
    modes: usize,
    measured: Option<&Measured>,
) -> Result<Estimate> {
    let network = network_size(side, &config.model)?;
    let channels = config.model.gridsize * config.model.gridsize;
    let kept = config.data.n_subsample.map_or(patterns, |wanted| wanted.min(patterns));
    let held_back = (kept as f64 * config.data.validation_fraction).round() as usize;
    let trained = kept.saturating_sub(held_back);
    let groups = match config.data.n_groups {
        Some(wanted) if channels == 1 || !config.data.enable_oversampling => wanted.min(trained),
        Some(wanted) => wanted,
        None => trained,
    };
    let batch = config.training.batch_size.min(groups.max(1));
    let steps_per_epoch = groups.div_ceil(batch.max(1));

    let pixels = (side * side) as u64;
    let per_group =
        network.activations * BYTES_PER_ACTIVATION + PHYSICS_IMAGES * (channels * modes.max(1)) as u64 * pixels * 8;
    let memory = network.parameters as u64 * BYTES_PER_PARAMETER + kept as u64 * pixels * 4 + batch as u64 * per_group;

    let (patterns_per_second, basis) = match measured.and_then(|measured| transferred(measured, &network, channels)) {
        Some(found) => found,
        None => {
            let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get) as f64;
            let work = TRAINING_FACTOR * network.multiply_adds as f64 / channels as f64;
            (cores * MULTIPLY_ADDS_PER_CORE / work.max(1.0), Basis::Rough)
        }
    };
    let seconds_per_epoch = (groups * channels) as f64 / patterns_per_second.max(f64::MIN_POSITIVE);
    let by_epochs = config.training.epochs.map(|epochs| epochs as f64);
    let by_time = config.training.time_budget_s.map(|seconds| seconds / seconds_per_epoch.max(f64::MIN_POSITIVE));
    let epochs = by_epochs.into_iter().chain(by_time).fold(f64::INFINITY, f64::min);
    Ok(Estimate {
        network,
        groups,
        steps_per_epoch,
        memory,
        seconds_per_epoch,
        basis,
        epochs,
        seconds: epochs * seconds_per_epoch,
    })
}

/// Patterns per second of this network, from those of another one.
fn transferred(measured: &Measured, network: &NetworkSize, channels: usize) -> Option<(f64, Basis)> {
    if !(measured.patterns_per_second.is_finite() && measured.patterns_per_second > 0.0) {
        return None;
    }
    let there = network_size(measured.side, &measured.config.model).ok()?;
    let there_channels = measured.config.model.gridsize * measured.config.model.gridsize;
    let work = |size: &NetworkSize, channels: usize| size.multiply_adds as f64 / channels as f64;
    if there == *network && there_channels == channels {
        return Some((measured.patterns_per_second, Basis::Measured));
    }
    let ratio = work(&there, there_channels) / work(network, channels);
    Some((measured.patterns_per_second * ratio, Basis::Scaled))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;

    fn measured() -> Measured {
        Measured { patterns_per_second: 200.0, side: 64, config: Config::default(), device: "CPU".into() }
    }

    #[test]
    fn a_run_with_the_same_network_gives_its_speed_and_another_one_is_scaled_by_its_work() {
        let config = Config::default();
        let same = estimate(&config, 1000, 64, 1, Some(&measured())).unwrap();
        assert_eq!((same.basis, same.seconds_per_epoch, same.steps_per_epoch), (Basis::Measured, 5.0, 125));
        assert_eq!((same.epochs, same.seconds), (22.0, 110.0));
        let mut wider = Config::default();
        wider.model.n_filters_scale = 2;
        let wider = estimate(&wider, 1000, 64, 1, Some(&measured())).unwrap();
        assert_eq!(wider.basis, Basis::Scaled);
        assert!(wider.seconds_per_epoch > 3.0 * same.seconds_per_epoch, "{wider:?}");
        assert!(wider.network.parameters > 3 * same.network.parameters && wider.memory > same.memory);
    }

    #[test]
    fn without_a_run_the_estimate_says_that_it_is_rough() {
        let rough = estimate(&Config::default(), 1000, 64, 1, None).unwrap();
        assert_eq!(rough.basis, Basis::Rough);
        assert!(rough.seconds_per_epoch > 0.0 && rough.seconds_per_epoch.is_finite());
    }

    #[test]
    fn the_shortest_of_epochs_and_time_budget_ends_a_training() {
        let mut config = Config::default();
        config.training.epochs = Some(3);
        let estimate = estimate(&config, 1000, 64, 1, Some(&measured())).unwrap();
        assert_eq!((estimate.epochs, estimate.seconds), (3.0, 15.0));
    }

    #[test]
    fn patterns_that_are_held_back_or_left_out_are_not_trained_on() {
        let mut config = Config::default();
        config.data.n_subsample = Some(500);
        config.data.validation_fraction = 0.1;
        assert_eq!(estimate(&config, 1000, 64, 1, None).unwrap().groups, 450);
        config.data.n_groups = Some(100);
        assert_eq!(estimate(&config, 1000, 64, 1, None).unwrap().steps_per_epoch, 13);
    }

    #[test]
    fn a_side_that_the_network_does_not_take_is_an_error() {
        assert!(estimate(&Config::default(), 10, 100, 1, None).is_err());
    }
}
