//! Networks of the reference implementation: identification by their tensors, and compatibility of a configuration
//! (A§4.4, A§11.2).

use super::plan::Plan;
use crate::config::{
    AmpActivation, Architecture, Initialization, InputTransform, LastStage, MergeWeighting, ModelConfig,
    ProbeNormalization,
};
use crate::error::{Error, Problem, Result};
use std::collections::BTreeMap;

/// Prefix of the names of the network's tensors in a `state_dict` of the reference.
pub const REFERENCE_PREFIX: &str = "model.autoencoder.";

/// A network of the reference, as identified by its tensors.
#[derive(Debug, Clone, PartialEq)]
pub struct ReferenceNetwork {
    /// Side N of a pattern in pixels.
    pub patch: usize,
    /// Configuration of the network. The tensors do not reveal the activations and whether the border path is used.
    pub config: ModelConfig,
    /// Name patterns of tensors that the reference stores but never uses.
    pub unused: Vec<&'static str>,
}

/// Identifies the reference's convolutional network by the shapes of its tensors.
///
/// * `shapes`: by name without [`REFERENCE_PREFIX`].
/// * `current`: true if the file is from the 2026 version of the reference, in which the border path is masked.
///
/// # Errors
/// The tensors belong to something else; names what was found and what is supported.
pub fn identify_reference(shapes: &BTreeMap<String, Vec<usize>>, current: bool) -> Result<ReferenceNetwork> {
    let shape = |name: &str| shapes.get(name).map(Vec::as_slice);
    let blocks = (0..).take_while(|i| shape(&format!("encoder.blocks.{i}.conv1.weight")).is_some()).count();
    let has = |name: &str| shapes.contains_key(name);
    if blocks == 0 {
        let first = shapes.keys().next().map_or("no tensor at all", String::as_str);
        return Err(foreign(&format!(
            "There is no encoder.blocks.0.conv1.weight among {} tensors (first: {first})",
            shapes.len()
        )));
    }
    let patch = match blocks {
        3 => 64,
        4 => 128,
        5 => 256,
        _ => return Err(foreign(&format!("The encoder has {blocks} blocks"))),
    };
    let bottom = shape(&format!("encoder.blocks.{}.conv2.weight", blocks - 1)).and_then(<[usize]>::first).copied();
    let scale = bottom.filter(|f| *f > 0 && f.is_multiple_of(128)).map(|f| f / 128);
    let Some(scale) = scale else {
        return Err(foreign(&format!("The encoder ends with {} channels", bottom.unwrap_or_default())));
    };
    let channels = shape("encoder.blocks.0.conv1.weight").and_then(|s| s.get(1)).copied().unwrap_or_default();
    let gridsize = channels.isqrt();
    if gridsize == 0 || gridsize * gridsize != channels {
        return Err(foreign(&format!("The network takes {channels} patterns at once")));
    }
    let inner = |end: &str| match shape(&format!("{end}.conv1.weight")) {
        Some([outputs, inputs, 3, 3]) => Ok((*outputs, *inputs)),
        Some(other) => Err(foreign(&format!("{end}.conv1.weight has shape {other:?}"))),
        None => Err(foreign(&format!("There is no {end}.conv1.weight"))),
    };
    let shared = shapes.keys().any(|name| name.starts_with("decoder_shared."));
    let end = if shared { "decoder_shared.last" } else { "decoder_phase.phase" };
    let (outputs, kept) = inner(end)?;
    let amplitudes = if shared { outputs / 2 } else { inner("decoder_amp.amp")?.0 };
    let filters = 32 * scale;
    let outer = filters.saturating_sub(kept);
    let ring = shape(&format!("{end}.conv_up_block.conv1.weight")).and_then(<[usize]>::first).copied();
    let own_split = outer != outputs || amplitudes != channels;
    let narrow = ring != Some(filters);
    let last_stage = match (narrow, own_split, current) {
        (true, ..) => LastStage::BorderNarrow,
        (_, false, _) | (_, true, true) => LastStage::BorderMask,
        (_, true, false) => LastStage::BorderUnmasked,
    };
    let mut unused = Vec::new();
    if has("encoder.blocks.0.attention.conv.weight") {
        unused.push("encoder.blocks.*.attention.conv");
    }
    if !shared && shapes.keys().any(|name| name.contains(".attention_blocks.")) {
        unused.push("decoder_*.attention_blocks");
    }
    let config = ModelConfig {
        gridsize,
        n_filters_scale: scale,
        amp_activation: AmpActivation::Silu,
        input_transform: InputTransform::None,
        initialization: Initialization::Torch,
        last_stage,
        probe_normalization: ProbeNormalization::Fixed,
        merge_weighting: MergeWeighting::CentralWindow,
        // In the reference's TensorFlow layout the border path exists only if it is used.
        probe_big: ring.is_some(),
        decoder_last_c_outer_fraction: if own_split { outer as f64 / filters as f64 } else { 0.125 },
        decoder_last_amp_channels: amplitudes,
        use_legacy_decoder_channel_override: last_stage == LastStage::BorderMask && own_split,
        use_shared_decoder: shared,
        batch_norm: has("encoder.blocks.0.bn1.weight"),
        cbam_encoder: has("encoder.blocks.0.attention.ChannelGate.mlp.3.bias"),
        cbam_bottleneck: has("bottleneck_cbam.ChannelGate.mlp.3.bias"),
        ..ModelConfig::default()
    };
    Ok(ReferenceNetwork { patch, config, unused })
}

/// Name (without prefix) and shape of every tensor of the network except the input statistics.
///
/// # Errors
/// The network cannot be built.
pub fn expected_shapes(patch: usize, config: &ModelConfig) -> Result<BTreeMap<String, Vec<usize>>> {
    Ok(Plan::new(patch, config)?.tensors().map(|spec| (spec.name.clone(), spec.shape.clone())).collect())
}

/// Reason why the reference has no such network; `None` if it has.
pub fn reference_incompatibility(config: &ModelConfig) -> Option<&'static str> {
    let decoder_attention = config.cbam_decoder || config.eca_decoder || config.spatial_decoder;
    if config.architecture != Architecture::Cnn {
        Some("its architecture (model.architecture) differs from the original's")
    } else if config.input_transform != InputTransform::None {
        Some("the original does not transform its input (model.input_transform)")
    } else if !matches!(config.last_stage, LastStage::BorderMask | LastStage::BorderUnmasked) || !config.pad_object {
        Some("the original's PyTorch implementation does not have its last stage (model.last_stage, model.pad_object)")
    } else if config.use_shared_decoder {
        Some("the names of a shared decoder (model.use_shared_decoder) in the original are unknown")
    } else if config.eca_encoder || decoder_attention {
        Some("it uses attention (eca_encoder or one of the decoders) that the original builds but never applies")
    } else if matches!(config.amp_activation, AmpActivation::Softplus | AmpActivation::Relu) {
        Some("the original applies SiLU instead of its amplitude activation")
    } else {
        None
    }
}

fn foreign(found: &str) -> Error {
    Problem::new(format!("The tensors are not those of PtychoPINN's convolutional network. {found}"))
        .expected(
            "the state_dict of a PyTorch network with architecture cnn, for N = 64, 128 or 256: an encoder of 3, 4 or 5 \
             blocks that ends with a multiple of 128 channels, decoder_amp and decoder_phase",
        )
        .into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Preset;

    #[test]
    fn a_network_is_identified_by_its_shapes_with_one_decoder_and_with_two() {
        let base = ModelConfig {
            amp_activation: AmpActivation::Silu,
            initialization: Initialization::Torch,
            probe_normalization: ProbeNormalization::Fixed,
            ..Preset::Reference.config().model
        };
        for (patch, gridsize, scale, shared) in
            [(64, 1, 1, true), (64, 2, 2, true), (128, 3, 2, true), (64, 2, 1, false), (256, 1, 2, false)]
        {
            let config = ModelConfig {
                gridsize,
                n_filters_scale: scale,
                use_shared_decoder: shared,
                decoder_last_amp_channels: gridsize * gridsize,
                ..base.clone()
            };
            let layout = identify_reference(&expected_shapes(patch, &config).unwrap(), true).unwrap();
            assert_eq!((layout.patch, layout.config), (patch, config), "{patch} {gridsize} {scale} {shared}");
            assert!(layout.unused.is_empty());
        }
    }
}
