//! From the weights of the Python original to a bundle that infers at once (A§11).

use super::bundle::Bundle;
use super::manifest::{DatasetInfo, DeviceInfo, FORMAT_VERSION, Manifest};
use super::torch::{FITTING, Facts, StateDict, read_state_dict};
use super::utc::Utc;
use crate::config::{AmpActivation, Config, LastStage, OutputMode, Preset};
use crate::error::{Error, Problem, Result};
use crate::model::{Layout, REFERENCE_PREFIX, Weights, expected_shapes, layout_of};
use crate::train::{History, Scaling};
use ndarray::{Array3, ArrayD};
use std::collections::BTreeMap;
use std::path::Path;

/// Photons per pattern that the original assumes where nothing is said.
const DEFAULT_PHOTONS: f64 = 1e9;

/// An imported network.
#[derive(Debug, Clone, PartialEq)]
pub struct Imported {
    /// The bundle.
    pub bundle: Bundle,
    /// What was found, one sentence each.
    pub found: Vec<String>,
    /// What the file did not tell, and other things a person should know.
    pub notes: Vec<String>,
}

/// Reads weights of PtychoPINN's PyTorch backend: a `state_dict`, a Lightning checkpoint, or a `wts.h5.zip`, also packed
/// with gzip, or a `state_dict` as safetensors. N, grid size, filters and layout are told from the tensors; settings of the
/// original beside them are used; `settings` win over both.
///
/// # Errors
/// [`Error::BadInput`] for a file of another kind (named, with what would fit), for tensors that do not fit (named), and for
/// settings that do not belong to them.
pub fn import_weights(path: impl AsRef<Path>, settings: &[(String, String)]) -> Result<Imported> {
    let path = path.as_ref();
    let bytes = std::fs::read(path).map_err(|error| Error::reading(path, &error))?;
    import_bytes(&bytes, path, settings).map_err(|error| error.at(path))
}

fn import_bytes(bytes: &[u8], path: &Path, settings: &[(String, String)]) -> Result<Imported> {
    let StateDict { kind, tensors, facts } = read_state_dict(bytes)?;
    if let Some(other) = facts.text(&["model_config.architecture", "params.architecture"]).filter(|name| *name != "cnn")
    {
        return Err(Problem::new(format!("The network has the architecture {other:?}"))
            .expected("PtychoPINN's convolutional network, cnn")
            .into());
    }
    let current = tensors.keys().any(|name| name.contains("forward_model.rect_scaler."));
    let tensors = of_network(tensors);
    let shapes = tensors.iter().map(|(name, values)| (name.clone(), values.shape().to_vec())).collect();
    let layout = layout_of(&shapes, current)?;
    let mut notes = Vec::new();
    let mut config = configuration(&layout, &facts, current, settings, &mut notes);
    for (field, value) in settings {
        config.set(field, value)?;
    }
    config.validate()?;
    let weights = fitting(tensors, &layout, &config, &mut notes)?;
    let found = vec![
        format!("The file is {kind}"),
        format!(
            "Patterns of {n} × {n} pixels, grid size {}, filter scale {}, {} parameters",
            config.model.gridsize,
            config.model.n_filters_scale,
            weights.parameter_count(),
            n = layout.patch,
        ),
        described(&config)?,
    ];
    let manifest = Manifest {
        format_version: FORMAT_VERSION,
        app_version: env!("CARGO_PKG_VERSION").to_owned(),
        created: Utc::now().to_string(),
        device: DeviceInfo { name: "imported".to_owned(), ..DeviceInfo::default() },
        reduced_capability: false,
        dataset: DatasetInfo { path: path.display().to_string(), patch_size: layout.patch, ..DatasetInfo::default() },
        further_datasets: Vec::new(),
        seeds: config.execution.seeds,
        scaling: Scaling {
            normalization: 1.0,
            probe_factor: 1.0 / config.model.probe_scale,
            nphotons: config.training.nphotons.unwrap_or(DEFAULT_PHOTONS),
        },
        steps: 0,
        epochs: 0,
        outcome: "imported".to_owned(),
        sha256: BTreeMap::new(),
    };
    let probe = Array3::zeros((0, layout.patch, layout.patch));
    let bundle = Bundle { manifest, config, weights, history: History::default(), probe };
    Ok(Imported { bundle, found, notes })
}

/// The network's own tensors, without what stands before their names.
fn of_network(tensors: BTreeMap<String, ArrayD<f32>>) -> BTreeMap<String, ArrayD<f32>> {
    let prefixes = [REFERENCE_PREFIX, "autoencoder.", "module.autoencoder."];
    let prefix = prefixes.into_iter().find(|prefix| tensors.keys().any(|name| name.starts_with(prefix)));
    let stripped = tensors.into_iter().filter_map(|(name, values)| {
        let name = name.strip_prefix(prefix.unwrap_or_default())?.to_owned();
        // How many batches a normalisation has seen plays no part afterwards.
        (!name.ends_with("num_batches_tracked")).then_some((name, values))
    });
    stripped.collect()
}

/// The configuration of the network and of its inference.
fn configuration(
    layout: &Layout,
    facts: &Facts,
    current: bool,
    settings: &[(String, String)],
    notes: &mut Vec<String>,
) -> Config {
    let mut config = Preset::Reference.config();
    config.model = layout.config.clone();
    let given = |field: &str| settings.iter().any(|(path, _)| path == field);
    let mut missing = |field: &str, taken: &str, other: &str| {
        if !given(field) {
            notes.push(format!(
                "The file does not tell {field}; {taken} is taken. If it was trained otherwise: --set {field}={other}"
            ));
        }
    };
    let model = &mut config.model;
    match facts.text(&["model_config.amp_activation", "params.amp_activation"]) {
        Some("sigmoid") => model.amp_activation = AmpActivation::Sigmoid,
        // Whatever else it is called, the original computes SiLU (A§4.5).
        Some(_) => model.amp_activation = AmpActivation::Silu,
        None => missing("model.amp_activation", "silu, PyTorch's default,", "sigmoid"),
    }
    if facts.text(&["model_config.cnn_output_mode"]) == Some("real_imag") {
        model.cnn_output_mode = OutputMode::RealImag;
    }
    match facts.flag(&["model_config.probe_big", "params.probe.big"]) {
        Some(flag) => model.probe_big = flag,
        // The program of autumn 2025 trained without, whatever was asked for (A§4.4).
        None if model.last_stage == LastStage::BorderUnmasked => {
            model.probe_big = false;
            missing("model.probe_big", "false, as its training had it,", "true");
        }
        None => {}
    }
    // The setting beside the weights is that of the data; the one of the model never reached the network (A§3.4).
    model.probe_scale =
        facts.number(&["data_config.probe_scale"]).filter(|s| *s > 0.0).unwrap_or(if current { 4.0 } else { 1.0 });
    config.training.nphotons = facts.number(&["data_config.nphotons", "params.nphotons"]).filter(|n| *n > 0.0);
    let neighbours = facts.number(&["data_config.K", "params.neighbor_count"]).filter(|k| *k >= 1.0);
    let least = config.model.channels();
    config.data.neighbor_count = neighbours.map_or(4, |k| k as usize).max(least);
    // Beyond the central half a patch is not trained (A§4.4).
    config.inference.crop = layout.patch / 2;
    config
}

/// The tensors that the configured network needs, each in its shape, and nothing else.
fn fitting(
    mut tensors: BTreeMap<String, ArrayD<f32>>,
    layout: &Layout,
    config: &Config,
    notes: &mut Vec<String>,
) -> Result<Weights> {
    let expected = expected_shapes(layout.patch, &config.model)?;
    let mut weights = BTreeMap::new();
    let mut wrong = Vec::new();
    for (name, shape) in &expected {
        match tensors.remove(name) {
            None => wrong.push(format!("{name} is missing")),
            Some(values) if values.shape() != shape => {
                wrong.push(format!("{name} has shape {:?} instead of {shape:?}", values.shape()));
            }
            Some(values) => {
                weights.insert(name.clone(), values);
            }
        }
    }
    let never_applied = |name: &str| {
        name.contains(".attention_blocks.")
            || (name.starts_with("encoder.") && name.ends_with(".attention.conv.weight"))
    };
    let (unused, unknown): (Vec<_>, Vec<_>) = tensors.into_keys().partition(|name| never_applied(name));
    wrong.extend(unknown.into_iter().map(|name| format!("{name} belongs to nothing")));
    if !wrong.is_empty() {
        let more = if wrong.len() > 3 { format!(", and {} more", wrong.len() - 3) } else { String::new() };
        let first = wrong.iter().take(3).cloned().collect::<Vec<_>>().join("; ");
        return Err(Problem::new(format!("The tensors do not fit together: {first}{more}"))
            .expected(format!(
                "{} tensors of a network for N = {}, grid size {}, filter scale {}",
                expected.len(),
                layout.patch,
                config.model.gridsize,
                config.model.n_filters_scale
            ))
            .hint(format!("What can be imported is {FITTING}"))
            .into());
    }
    if !unused.is_empty() {
        notes.push(format!(
            "{} tensors ({}) are left out: the original builds these attentions but never applies them",
            unused.len(),
            layout.unused.join(", ")
        ));
    }
    let weights = Weights(weights);
    weights.check()?;
    Ok(weights)
}

/// What the network is made of, in one sentence.
fn described(config: &Config) -> Result<String> {
    let fields =
        ["last_stage", "amp_activation", "probe_big", "cbam_encoder", "cbam_bottleneck", "batch_norm", "probe_scale"];
    let texts = fields.iter().map(|field| Ok(format!("{field} = {}", config.get(&format!("model.{field}"))?)));
    Ok(texts.collect::<Result<Vec<_>>>()?.join(", "))
}
