//! Export of a bundle as a `state_dict` that the Python original can load (A§11.2).

use super::bundle::Bundle;
use crate::config::LastStage;
use crate::error::{Problem, Result};
use crate::model::{REFERENCE_PREFIX, RawTensor, filters_per_block, reference_incompatibility, safetensors};
use std::collections::BTreeMap;

/// Network as a `state_dict` in safetensors, with the names of the original.
///
/// It also has the four scalars of the original's physics at their initial value, 1, the counters of batch normalizations,
/// and empty tensors for gates without hidden units, so that the original can load it strictly.
///
/// # Errors
/// If the original has no such network, with the reason.
pub fn reference_state_dict(bundle: &Bundle) -> Result<Vec<u8>> {
    let model = &bundle.config.model;
    let patch = bundle.manifest.dataset.patch_size;
    let of_size = (![64, 128, 256].contains(&patch)).then_some("it has networks only for N = 64, 128 and 256");
    if let Some(reason) = reference_incompatibility(model).or(of_size) {
        return Err(Problem::new(format!("The original cannot load this network: {reason}"))
            .hint("Train with --preset reference for a network that both support")
            .into());
    }
    let floats = |name: String, shape: &[usize], values: Vec<f32>| RawTensor {
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
            tensors.push(RawTensor { name, dtype: "I64", shape: Vec::new(), bytes: 0i64.to_le_bytes().to_vec() });
        }
    }
    if model.cbam_encoder {
        let (ladder, _) = filters_per_block(patch, model.n_filters_scale)?;
        for (i, channels) in ladder.into_iter().enumerate().filter(|(_, channels)| *channels < 16) {
            let gate = format!("{REFERENCE_PREFIX}encoder.blocks.{i}.attention.ChannelGate.mlp");
            tensors.push(floats(format!("{gate}.1.weight"), &[0, channels], Vec::new()));
            tensors.push(floats(format!("{gate}.1.bias"), &[0], Vec::new()));
            tensors.push(floats(format!("{gate}.3.weight"), &[channels, 0], Vec::new()));
        }
    }
    // The last two belong to the masked border.
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
