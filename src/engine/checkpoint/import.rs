//! Import of weights of the Python original as a bundle (A§11).

use super::bundle::Bundle;
use super::foreign::{Foreign, recognize};
use super::manifest::{DatasetInfo, DeviceInfo, FORMAT_VERSION, Manifest};
use super::torch::{Facts, SUPPORTED, StateDict, read_state_dict};
use super::utc::Utc;
use crate::config::{AmpActivation, Config, LastStage, OutputMode, Preset};
use crate::error::{Error, Problem, Result};
use crate::model::{REFERENCE_PREFIX, ReferenceNetwork, Weights, expected_shapes, identify_reference};
use crate::train::{History, Scaling};
use ndarray::{Array3, ArrayD};
use std::collections::BTreeMap;
use std::path::Path;

/// Default number of photons per pattern of the original.
const DEFAULT_PHOTONS: f64 = 1e9;

/// An imported network.
#[derive(Debug, Clone, PartialEq)]
pub struct Imported {
    /// Bundle with the imported weights.
    pub bundle: Bundle,
    /// Findings, one sentence each.
    pub found: Vec<String>,
    /// Assumptions for settings missing from the file, and other remarks.
    pub notes: Vec<String>,
}

/// Reads weights of PtychoPINN's PyTorch backend: a `state_dict`, a Lightning checkpoint, or a `wts.h5.zip`, also compressed
/// with gzip, or a `state_dict` as safetensors. N, grid size, filters and layout follow from the tensors, other settings from
/// the file; `settings` take precedence over both.
///
/// # Errors
/// [`Error::BadInput`] for another kind of file (with the supported kinds), for tensors that do not match (by name), and for
/// settings that contradict them.
pub fn import_weights(path: impl AsRef<Path>, settings: &[(String, String)]) -> Result<Imported> {
    let path = path.as_ref();
    let bytes = crate::formats::read_file(path).map_err(|error| Error::reading(path, &error))?;
    import_bytes(&bytes, path, settings).map_err(|error| error.at(path))
}

/// A model: a bundle, or weights of the original, which are imported with a remark on what the file does not determine.
///
/// # Errors
/// As [`Bundle::load`] and [`import_weights`].
pub fn load_model(path: impl AsRef<Path>) -> Result<(Bundle, Vec<String>)> {
    let path = path.as_ref();
    if !foreign_file(path).is_some_and(Foreign::is_importable) {
        return Ok((Bundle::load(path)?, Vec::new()));
    }
    let Imported { bundle, found, notes } = import_weights(path, &[])?;
    Ok((bundle, found.into_iter().chain(notes).map(|text| format!("{text}.")).collect()))
}

/// Kind of a file that is no bundle.
fn foreign_file(path: &Path) -> Option<Foreign> {
    recognize(&crate::formats::read_file(path).ok()?)
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
    let layout = identify_reference(&shapes, current)?;
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

/// Tensors of the network, without the prefix of their names.
fn of_network(tensors: BTreeMap<String, ArrayD<f32>>) -> BTreeMap<String, ArrayD<f32>> {
    let prefixes = [REFERENCE_PREFIX, "autoencoder.", "module.autoencoder."];
    let prefix = prefixes.into_iter().find(|prefix| tensors.keys().any(|name| name.starts_with(prefix)));
    let stripped = tensors.into_iter().filter_map(|(name, values)| {
        let name = name.strip_prefix(prefix.unwrap_or_default())?.to_owned();
        // The number of batches seen by a normalization is not used after training.
        (!name.ends_with("num_batches_tracked")).then_some((name, values))
    });
    stripped.collect()
}

/// Configuration of the network and of its inference.
fn configuration(
    layout: &ReferenceNetwork,
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
                "The file does not state {field}; {taken} is assumed. If it was trained differently: --set {field}={other}"
            ));
        }
    };
    let model = &mut config.model;
    match facts.text(&["model_config.amp_activation", "params.amp_activation"]) {
        Some("sigmoid") => model.amp_activation = AmpActivation::Sigmoid,
        // Whatever its name, the original computes SiLU (A§4.5).
        Some(_) => model.amp_activation = AmpActivation::Silu,
        None => missing("model.amp_activation", "silu, PyTorch's default,", "sigmoid"),
    }
    if facts.text(&["model_config.cnn_output_mode"]) == Some("real_imag") {
        model.cnn_output_mode = OutputMode::RealImag;
    }
    match facts.flag(&["model_config.probe_big", "params.probe.big"]) {
        Some(flag) => model.probe_big = flag,
        // The program of autumn 2025 trained without it, whatever its setting (A§4.4).
        None if model.last_stage == LastStage::BorderUnmasked => {
            model.probe_big = false;
            missing("model.probe_big", "false, as its training had it,", "true");
        }
        None => {}
    }
    // The stored setting is that of the data; that of the model never reached the network (A§3.4).
    model.probe_scale =
        facts.number(&["data_config.probe_scale"]).filter(|s| *s > 0.0).unwrap_or(if current { 4.0 } else { 1.0 });
    config.training.nphotons = facts.number(&["data_config.nphotons", "params.nphotons"]).filter(|n| *n > 0.0);
    let neighbours = facts.number(&["data_config.K", "params.neighbor_count"]).filter(|k| *k >= 1.0);
    let least = config.model.channels();
    config.data.neighbor_count = neighbours.map_or(4, |k| k as usize).max(least);
    // A patch is not trained outside of its central half (A§4.4).
    config.inference.crop = layout.patch / 2;
    config
}

/// Exactly the tensors that the configured network needs, in their shapes.
fn fitting(
    mut tensors: BTreeMap<String, ArrayD<f32>>,
    layout: &ReferenceNetwork,
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
    wrong.extend(unknown.into_iter().map(|name| format!("{name} is not a parameter of the network")));
    if !wrong.is_empty() {
        let more = if wrong.len() > 3 { format!(", and {} more", wrong.len() - 3) } else { String::new() };
        let first = wrong.iter().take(3).cloned().collect::<Vec<_>>().join("; ");
        return Err(Problem::new(format!("The tensors do not match the network: {first}{more}"))
            .expected(format!(
                "{} tensors of a network for N = {}, grid size {}, filter scale {}",
                expected.len(),
                layout.patch,
                config.model.gridsize,
                config.model.n_filters_scale
            ))
            .hint(format!("Supported: {SUPPORTED}"))
            .into());
    }
    if !unused.is_empty() {
        notes.push(format!(
            "{} tensors ({}) are omitted: the original creates these attentions but never applies them",
            unused.len(),
            layout.unused.join(", ")
        ));
    }
    let weights = Weights(weights);
    weights.check()?;
    Ok(weights)
}

/// Structure of the network, in one sentence.
fn described(config: &Config) -> Result<String> {
    let fields =
        ["last_stage", "amp_activation", "probe_big", "cbam_encoder", "cbam_bottleneck", "batch_norm", "probe_scale"];
    let texts = fields.iter().map(|field| Ok(format!("{field} = {}", config.get(&format!("model.{field}"))?)));
    Ok(texts.collect::<Result<Vec<_>>>()?.join(", "))
}
