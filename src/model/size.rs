//! How large a network is, before it is built.

use super::plan::{Plan, Spec};
use crate::config::ModelConfig;
use crate::error::Result;

/// Size of a network, and its work for one group of patterns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct NetworkSize {
    /// Trainable numbers (A§4.8).
    pub parameters: usize,
    /// Multiplications, each with an addition, of one prediction of a group.
    pub multiply_adds: u64,
    /// Values that the layers of one prediction of a group put out: what training keeps for its way back.
    pub activations: u64,
}

/// Size of the network for patches of side `patch`.
///
/// # Errors
/// When the network cannot be built for this patch side.
pub fn network_size(patch: usize, config: &ModelConfig) -> Result<NetworkSize> {
    let mut size = NetworkSize::default();
    for spec in &Plan::new(patch, config)?.trained {
        let values: usize = spec.shape.iter().product();
        let outputs = spec.shape.first().copied().unwrap_or_default();
        size.parameters += values;
        size.multiply_adds += (values * spec.pixels) as u64;
        size.activations += (outputs * spec.pixels) as u64;
    }
    Ok(size)
}

/// Outputs, inputs and side in pixels of every 3×3 convolution, in the order in which they are used.
///
/// # Errors
/// When the network cannot be built for this patch side.
pub fn conv_shapes(patch: usize, config: &ModelConfig) -> Result<Vec<[usize; 3]>> {
    let shape = |spec: &Spec| match spec.shape[..] {
        [outputs, inputs, 3, 3] => Some([outputs, inputs, spec.pixels.isqrt()]),
        _ => None,
    };
    Ok(Plan::new(patch, config)?.trained.iter().filter_map(shape).collect())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;
    use crate::config::{InputTransform, LastStage};
    use crate::model::initial_weights;

    #[test]
    fn the_count_is_that_of_the_weights_that_are_drawn() {
        for (patch, gridsize, scale) in [(64, 1, 1), (64, 2, 2), (128, 1, 1), (256, 2, 1)] {
            for last_stage in [LastStage::FullFrame, LastStage::BorderMask] {
                let config = ModelConfig { gridsize, n_filters_scale: scale, last_stage, ..ModelConfig::default() };
                let drawn = initial_weights(patch, &config, 1).unwrap().parameter_count();
                assert_eq!(network_size(patch, &config).unwrap().parameters, drawn, "{patch} {gridsize} {scale}");
            }
        }
    }

    #[test]
    fn the_reference_network_does_the_work_of_its_layers() {
        let config = ModelConfig {
            last_stage: LastStage::BorderMask,
            input_transform: InputTransform::None,
            ..ModelConfig::default()
        };
        let size = network_size(64, &config).unwrap();
        assert_eq!(size.parameters, 583_570);
        let (full, half, quarter, eighth) = (4096u64, 1024, 256, 64);
        let encoder = 9 * (full * (32 + 32 * 32) + half * (32 * 64 + 64 * 64) + quarter * (64 * 128 + 128 * 128));
        let decoder = 9 * (eighth * (128 * 64 + 64 * 64) + quarter * (64 * 32 + 32 * 32));
        let end = 9 * (half * (31 + 32 + 32 * 32) + full * 32);
        assert_eq!(size.multiply_adds, encoder + 2 * (decoder + end));
    }

    #[test]
    fn a_side_that_the_network_does_not_take_is_refused() {
        assert!(network_size(100, &ModelConfig::default()).unwrap_err().to_string().contains("64, 128 or 256"));
    }
}
