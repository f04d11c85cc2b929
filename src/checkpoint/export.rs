//! From a bundle to a `state_dict` that the Python original can load (A§11.2).

use super::bundle::Bundle;
use crate::config::LastStage;
use crate::error::{Problem, Result};
use crate::model::{REFERENCE_PREFIX, Raw, filter_ladders, safetensors, why_not_in_reference};
use std::collections::BTreeMap;

/// The network as a `state_dict` in safetensors, under the original's names.
///
/// Beside the network's tensors stand the four scalars of the original's physics at their initial value, 1, the counters of
/// batch normalisations, and gates without hidden units as tensors without elements, so that the original loads it strictly.
///
/// # Errors
/// When the original has no such network; says why.
pub fn reference_state_dict(bundle: &Bundle) -> Result<Vec<u8>> {
    let model = &bundle.config.model;
    if let Some(reason) = why_not_in_reference(model) {
        return Err(Problem::new(format!("The original cannot load this network: {reason}"))
            .hint("Train with --preset reference for a network that both have")
            .into());
    }
    let floats = |name: String, shape: &[usize], values: Vec<f32>| Raw {
        name,
        dtype: "F32",
        shape: shape.to_vec(),
        bytes: values.iter().flat_map(|value| value.to_le_bytes()).collect(),
    };
    let mut tensors = Vec::new();
    for (name, values) in &bundle.weights.0 {
        tensors.push(floats(format!("{REFERENCE_PREFIX}{name}"), values.shape(), values.iter().copied().collect()));
        if let Some(norm) = name.strip_suffix("running_mean") {
            let name = format!("{REFERENCE_PREFIX}{norm}num_batches_tracked");
            tensors.push(Raw { name, dtype: "I64", shape: Vec::new(), bytes: 0i64.to_le_bytes().to_vec() });
        }
    }
    if model.cbam_encoder {
        let (ladder, _) = filter_ladders(bundle.manifest.dataset.patch_size, model.n_filters_scale)?;
        for (i, channels) in ladder.into_iter().enumerate().filter(|(_, channels)| *channels < 16) {
            let gate = format!("{REFERENCE_PREFIX}encoder.blocks.{i}.attention.ChannelGate.mlp");
            tensors.push(floats(format!("{gate}.1.weight"), &[0, channels], Vec::new()));
            tensors.push(floats(format!("{gate}.1.bias"), &[0], Vec::new()));
            tensors.push(floats(format!("{gate}.3.weight"), &[channels, 0], Vec::new()));
        }
    }
    // The second two came with the masked border.
    let scalars = if model.last_stage == LastStage::BorderUnmasked { 2 } else { 4 };
    for name in ["alpha", "beta", "rect_scaler.s1", "rect_scaler.s2"].into_iter().take(scalars) {
        tensors.push(floats(format!("model.forward_model.{name}"), &[1], vec![1.0]));
    }
    tensors.sort_by(|a, b| a.name.cmp(&b.name));
    let about = BTreeMap::from([
        ("format".to_owned(), "pt".to_owned()),
        ("amp_activation".to_owned(), bundle.config.get("model.amp_activation")?),
        ("probe_big".to_owned(), bundle.config.get("model.probe_big")?),
    ]);
    Ok(safetensors(&tensors, Some(about)))
}
