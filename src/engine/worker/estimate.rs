//! Estimated memory and time of a training.

use crate::config::Config;
use crate::error::Result;
use crate::model::{NetworkSize, network_size};

/// Bytes per parameter in training: weights, gradient, two moments, the last good copy and a temporary of the optimizer.
const BYTES_PER_PARAMETER: u64 = 6 * 4;
/// Bytes per output value of a layer: the value and its gradient.
const BYTES_PER_ACTIVATION: u64 = 2 * 4;
/// Complex patch-sized images that the physics of one pattern keeps, including gradients.
const PHYSICS_IMAGES: u64 = 16;
/// Cost of a training step relative to the forward pass.
const TRAINING_FACTOR: f64 = 3.0;
/// Approximate multiply-adds per second and core of the CPU convolutions.
const MULTIPLY_ADDS_PER_CORE: f64 = 2.0e10;

/// Measured training speed.
#[derive(Debug, Clone, PartialEq)]
pub struct Measured {
    /// Training speed in patterns per second.
    pub patterns_per_second: f64,
    /// Side of the patterns in pixels.
    pub side: usize,
    /// Configuration of the run.
    pub config: Config,
    /// Compute device of the run.
    pub device: String,
}

/// Basis of a speed estimate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Basis {
    /// A run with the same network.
    Measured,
    /// A run with another network, scaled by the ratio of the work.
    Scaled,
    /// The number of CPU cores.
    Rough,
}

/// Estimated cost of a training.
#[derive(Debug, Clone, PartialEq)]
pub struct Estimate {
    /// Size of the network.
    pub network: NetworkSize,
    /// Groups per epoch.
    pub groups: usize,
    /// Optimizer steps per epoch.
    pub steps_per_epoch: usize,
    /// Device memory in bytes.
    pub memory: u64,
    /// Time per epoch in seconds.
    pub seconds_per_epoch: f64,
    /// Basis of the time estimate.
    pub basis: Basis,
    /// Number of epochs: as configured, or as many as fit into the time budget.
    pub epochs: f64,
    /// Time of the whole training in seconds.
    pub seconds: f64,
}

/// Estimates the training on `patterns` patterns of side `side`, with `modes` probe modes.
///
/// # Errors
/// The network cannot be built for this side.
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
    let validation = (kept as f64 * config.data.validation_fraction).round() as usize;
    let trained = kept.saturating_sub(validation);
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

/// Patterns per second of this network, derived from those of another.
fn transferred(measured: &Measured, network: &NetworkSize, channels: usize) -> Option<(f64, Basis)> {
    if !(measured.patterns_per_second.is_finite() && measured.patterns_per_second > 0.0) {
        return None;
    }
    let other = network_size(measured.side, &measured.config.model).ok()?;
    let other_channels = measured.config.model.gridsize * measured.config.model.gridsize;
    let work = |size: &NetworkSize, channels: usize| size.multiply_adds as f64 / channels as f64;
    if other == *network && other_channels == channels {
        return Some((measured.patterns_per_second, Basis::Measured));
    }
    let ratio = work(&other, other_channels) / work(network, channels);
    Some((measured.patterns_per_second * ratio, Basis::Scaled))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measured() -> Measured {
        Measured { patterns_per_second: 200.0, side: 64, config: Config::default(), device: "CPU".into() }
    }

    #[test]
    fn speed_is_taken_from_the_same_network_or_scaled_by_work() {
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
    fn without_a_measured_run_the_estimate_is_rough() {
        let rough = estimate(&Config::default(), 1000, 64, 1, None).unwrap();
        assert_eq!(rough.basis, Basis::Rough);
        assert!(rough.seconds_per_epoch > 0.0 && rough.seconds_per_epoch.is_finite());
    }

    #[test]
    fn the_shorter_of_epochs_and_time_budget_ends_a_training() {
        let mut config = Config::default();
        config.training.epochs = Some(3);
        let estimate = estimate(&config, 1000, 64, 1, Some(&measured())).unwrap();
        assert_eq!((estimate.epochs, estimate.seconds), (3.0, 15.0));
    }

    #[test]
    fn validation_and_omitted_patterns_are_not_trained_on() {
        let mut config = Config::default();
        config.data.n_subsample = Some(500);
        config.data.validation_fraction = 0.1;
        assert_eq!(estimate(&config, 1000, 64, 1, None).unwrap().groups, 450);
        config.data.n_groups = Some(100);
        assert_eq!(estimate(&config, 1000, 64, 1, None).unwrap().steps_per_epoch, 13);
    }

    #[test]
    fn an_unsupported_side_is_an_error() {
        assert!(estimate(&Config::default(), 10, 12, 1, None).is_err());
    }
}
