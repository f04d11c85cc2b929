//! Initial weights, drawn on the host from their own seed (A§4.7).
//!
//! Hazard: the random generator of a device is global to the process, so that two trainings would share it, and devices
//! differ. Remedy: all weights come from one ChaCha8 stream in the fixed order of the layers, the same for every
//! device.

use super::Weights;
use super::network::{INPUT_MEAN, INPUT_SCALE, needs_statistics};
use super::plan::{Plan, Role};
use crate::config::{Initialization, ModelConfig};
use crate::error::{Error, Result};
use ndarray::{ArrayD, ArrayView3};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::collections::BTreeMap;

/// Scale of the last convolutions with [`Initialization::He`]: training starts with a flat object in the middle of the
/// range of the heads, where gradients do not vanish.
const SMALL_HEAD: f64 = 0.1;

/// Standard deviation of a standardized input: comparable to that of `sqrt(X) - 0.5`. With 1 the first steps saturate
/// the phase head permanently.
const INPUT_SPREAD: f64 = 0.3;
/// Lower bound of the standard deviation of a pixel, relative to the root mean square over all pixels.
const SPREAD_FLOOR: f64 = 0.1;

/// Draws the weights of the network for patches of `patch` × `patch` pixels.
///
/// # Errors
/// The network cannot be built for this patch size.
pub fn initial_weights(patch: usize, config: &ModelConfig, seed: u64) -> Result<Weights> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut map = BTreeMap::new();
    let plan = Plan::new(patch, config)?;
    for spec in plan.tensors() {
        let count = spec.shape.iter().product();
        let values = match (spec.role, config.initialization) {
            (Role::One, _) => vec![1.0; count],
            (Role::Constant(value), _) => vec![value; count],
            (Role::Weight { fan_in, .. } | Role::Bias { fan_in }, Initialization::Torch) => {
                uniform(&mut rng, 1.0 / (fan_in as f64).sqrt(), count)
            }
            (Role::Zero | Role::Bias { .. }, _) => vec![0.0; count],
            (Role::Weight { fan_in, fan_out, .. }, Initialization::Glorot) => {
                uniform(&mut rng, (6.0 / (fan_in + fan_out) as f64).sqrt(), count)
            }
            (Role::Weight { fan_in, is_small, .. }, Initialization::He) => {
                let sigma = (2.0 / fan_in as f64).sqrt() * if is_small { SMALL_HEAD } else { 1.0 };
                (0..count).map(|_| (standard_normal(&mut rng) * sigma) as f32).collect()
            }
        };
        let array = ArrayD::from_shape_vec(spec.shape.clone(), values)
            .map_err(|e| Error::failed(format!("A weight has the wrong size ({e})")))?;
        map.insert(spec.name.clone(), array);
    }
    Ok(Weights(map))
}

/// Initial weights of a network, including the statistics of the training patterns if its input transform needs them.
///
/// * `diffraction`: (n, N, N) amplitude, which is multiplied by `normalization`.
///
/// # Errors
/// As [`initial_weights`].
pub fn untrained_weights(
    diffraction: ArrayView3<f32>,
    normalization: f64,
    config: &ModelConfig,
    seed: u64,
) -> Result<Weights> {
    let mut weights = initial_weights(diffraction.dim().2, config, seed)?;
    if needs_statistics(config.input_transform) {
        add_input_statistics(&mut weights, diffraction, normalization)?;
    }
    Ok(weights)
}

/// Adds the statistics for [`crate::config::InputTransform::Standardize`]: mean and inverse standard deviation of every
/// detector pixel over the training patterns.
///
/// * `diffraction`: (n, N, N) amplitude, which is multiplied by `normalization`.
///
/// The lower bound of the standard deviation prevents the amplification of pixels that contain only noise.
///
/// # Errors
/// The statistics have the wrong size (internal error).
fn add_input_statistics(weights: &mut Weights, diffraction: ArrayView3<f32>, normalization: f64) -> Result<()> {
    let (n, h, w) = diffraction.dim();
    let mut sum = vec![0.0f64; h * w];
    let mut squares = vec![0.0f64; h * w];
    for pattern in diffraction.outer_iter() {
        for ((s, q), &v) in sum.iter_mut().zip(&mut squares).zip(pattern) {
            let v = f64::from(v) * normalization;
            *s += v;
            *q += v * v;
        }
    }
    let count = n as f64;
    let mean: Vec<f64> = sum.iter().map(|s| s / count).collect();
    let variance: Vec<f64> = squares.iter().zip(&mean).map(|(q, m)| (q / count - m * m).max(0.0)).collect();
    let typical = (variance.iter().sum::<f64>() / variance.len().max(1) as f64).sqrt();
    // Without any variation (a single pattern) the standardized input is 0; avoids a division by 0.
    let factor = |v: &f64| match v.sqrt() + SPREAD_FLOOR * typical {
        spread if spread > 0.0 => (INPUT_SPREAD / spread) as f32,
        _ => 0.0,
    };
    let scale: Vec<f32> = variance.iter().map(factor).collect();
    let array = |values| {
        ArrayD::from_shape_vec(vec![h, w], values)
            .map_err(|e| Error::failed(format!("The input statistics have the wrong size ({e})")))
    };
    weights.0.insert(INPUT_MEAN.to_owned(), array(mean.iter().map(|&m| m as f32).collect())?);
    weights.0.insert(INPUT_SCALE.to_owned(), array(scale)?);
    Ok(())
}

fn uniform(rng: &mut ChaCha8Rng, limit: f64, count: usize) -> Vec<f32> {
    (0..count).map(|_| ((rng.random::<f64>() * 2.0 - 1.0) * limit) as f32).collect()
}

/// A draw from the standard normal distribution (Box–Muller transform).
fn standard_normal(rng: &mut ChaCha8Rng) -> f64 {
    let radius = (-2.0 * (1.0 - rng.random::<f64>()).ln()).sqrt();
    radius * (2.0 * std::f64::consts::PI * rng.random::<f64>()).cos()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{InputTransform, LastStage};

    fn count(patch: usize, scale: usize, gridsize: usize) -> usize {
        let config = ModelConfig {
            n_filters_scale: scale,
            gridsize,
            last_stage: LastStage::BorderMask,
            input_transform: InputTransform::None,
            ..ModelConfig::default()
        };
        initial_weights(patch, &config, 1).unwrap().0.values().map(ArrayD::len).sum()
    }

    #[test]
    fn the_reference_layout_has_the_parameter_counts_of_the_reference() {
        // A§4.8, column "HEAD no CBAM".
        for (patch, scale, gridsize, expected) in [
            (64, 1, 1, 583_570),
            (64, 1, 2, 589_360),
            (64, 2, 1, 2_328_370),
            (64, 2, 2, 2_340_208),
            (128, 1, 1, 1_180_706),
            (128, 2, 2, 4_727_088),
            (256, 1, 1, 3_247_786),
            (256, 1, 2, 3_252_928),
        ] {
            assert_eq!(count(patch, scale, gridsize), expected, "N {patch}, scale {scale}, gridsize {gridsize}");
        }
    }

    #[test]
    fn input_statistics_of_identical_patterns_are_finite() {
        let mut weights = Weights(BTreeMap::new());
        let alike = ndarray::Array3::from_elem((1, 2, 2), 3.0f32);
        add_input_statistics(&mut weights, alike.view(), 0.5).unwrap();
        assert!(weights.0[INPUT_MEAN].iter().all(|&v| v == 1.5));
        assert!(weights.0[INPUT_SCALE].iter().all(|&v| v == 0.0));
    }

    #[test]
    fn weights_depend_only_on_the_seed() {
        let config = ModelConfig::default();
        let draw = |seed| initial_weights(64, &config, seed).unwrap();
        assert_eq!(draw(3), draw(3));
        assert_ne!(draw(3), draw(4));
    }
}
