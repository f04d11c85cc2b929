//! Size of a network before it is built.

use super::plan::{ParameterSpec, Plan};
use crate::config::ModelConfig;
use crate::error::Result;

/// Size of a network, and its cost for one group of patterns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct NetworkSize {
    /// Trainable values (A§4.8).
    pub parameters: usize,
    /// Multiply–add operations per prediction of a group.
    pub multiply_adds: u64,
    /// Output values of all layers per prediction of a group: training keeps them for the backward pass.
    pub activations: u64,
}

/// Size of the network for patches of `patch` × `patch` pixels.
///
/// # Errors
/// The network cannot be built for this patch size.
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

/// Outputs, inputs, and image side in pixels of every 3×3 convolution, in the order of use.
///
/// # Errors
/// The network cannot be built for this patch size.
pub fn convolution_shapes(patch: usize, config: &ModelConfig) -> Result<Vec<[usize; 3]>> {
    let shape = |spec: &ParameterSpec| match spec.shape[..] {
        [outputs, inputs, 3, 3] => Some([outputs, inputs, spec.pixels.isqrt()]),
        _ => None,
    };
    Ok(Plan::new(patch, config)?.trained.iter().filter_map(shape).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{InputTransform, LastStage};
    use crate::model::initial_weights;
    use crate::model::plan::padded_side;

    #[test]
    fn the_parameter_count_matches_the_drawn_weights() {
        for (patch, gridsize, scale) in [(64, 1, 1), (64, 2, 2), (128, 1, 1), (256, 2, 1)] {
            for last_stage in [LastStage::FullFrame, LastStage::BorderMask] {
                let config = ModelConfig { gridsize, n_filters_scale: scale, last_stage, ..ModelConfig::default() };
                let drawn = initial_weights(patch, &config, 1).unwrap().parameter_count();
                assert_eq!(network_size(patch, &config).unwrap().parameters, drawn, "{patch} {gridsize} {scale}");
            }
        }
    }

    #[test]
    fn the_cost_of_the_reference_network_is_that_of_its_layers() {
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
    fn a_network_can_be_built_for_any_size_from_16() {
        let config = ModelConfig::default();
        assert!(network_size(14, &config).unwrap_err().to_string().contains("16 pixels"));
        assert_eq!([16, 50, 64, 100, 128, 180, 300].map(|n| padded_side(n).unwrap()), [16, 56, 64, 104, 128, 192, 320]);
        assert_eq!(network_size(100, &config).unwrap(), network_size(104, &config).unwrap());
    }
}
