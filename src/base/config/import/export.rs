//! Export of configurations: TOML, YAML, JSON, and the flat dictionary of PtychoPINN (A§10.5).

use super::{ConfigPaths, Format};
use crate::config::{Config, LossKind, Preset, Sampling};
use crate::error::{Error, Result};
use toml::Value;

/// Layout of a written configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// Native groups and names; `--config` restores it exactly.
    Native(Format),
    /// Flat dictionary of PtychoPINN with its dotted keys, in YAML or JSON.
    Legacy(Format),
}

/// Keys of the dictionary and their fields, in the order of writing.
const LEGACY: &[(&str, &str)] = &[
    ("N", "data.pattern_size"),
    ("gridsize", "model.gridsize"),
    ("n_filters_scale", "model.n_filters_scale"),
    ("model_type", "model.model_type"),
    ("amp_activation", "model.amp_activation"),
    ("object.big", "model.object_big"),
    ("probe.big", "model.probe_big"),
    ("probe.mask", "data.probe_mask"),
    ("probe_mask_sigma", "data.probe_mask_sigma"),
    ("probe_mask_diameter", "data.probe_mask_diameter"),
    ("probe.trainable", "model.probe_trainable"),
    ("probe_scale", "model.probe_scale"),
    ("pad_object", "model.pad_object"),
    ("gaussian_smoothing_sigma", "model.gaussian_smoothing_sigma"),
    ("intensity_scale.trainable", "model.intensity_scale_trainable"),
    ("architecture", "model.architecture"),
    ("fno_modes", "model.fno_modes"),
    ("fno_width", "model.fno_width"),
    ("fno_blocks", "model.fno_blocks"),
    ("fno_cnn_blocks", "model.fno_cnn_blocks"),
    ("fno_input_transform", "model.input_transform"),
    ("generator_output_mode", "model.generator_output_mode"),
    ("batch_size", "training.batch_size"),
    ("nepochs", "training.epochs"),
    ("realspace_weight", "training.realspace_weight"),
    ("realspace_mae_weight", "training.realspace_mae_weight"),
    ("tv_weight", "training.tv_weight"),
    ("nphotons", "training.nphotons"),
    ("n_groups", "data.n_groups"),
    ("n_subsample", "data.n_subsample"),
    ("subsample_seed", "execution.seeds.subsample"),
    ("neighbor_count", "data.neighbor_count"),
    ("enable_oversampling", "data.enable_oversampling"),
    ("neighbor_pool_size", "data.neighbor_pool_size"),
    ("optimizer", "training.optimizer"),
    ("momentum", "training.momentum"),
    ("weight_decay", "training.weight_decay"),
    ("adam_beta1", "training.adam_beta1"),
    ("adam_beta2", "training.adam_beta2"),
    ("gradient_clip_val", "training.gradient_clip"),
    ("gradient_clip_algorithm", "training.gradient_clip_algorithm"),
    ("torch_mae_pred_l2_match_target", "training.mae_pred_l2_match_target"),
    ("scheduler", "training.schedule"),
    ("lr_warmup_epochs", "training.lr_warmup_epochs"),
    ("lr_min_ratio", "training.lr_min_ratio"),
    ("plateau_factor", "training.plateau_factor"),
    ("plateau_patience", "training.plateau_patience"),
    ("plateau_min_lr", "training.plateau_min_lr"),
    ("plateau_threshold", "training.plateau_threshold"),
];

/// Fields that the dictionary stores in another form.
const IN_OTHER_FORM: &[&str] = &["training.loss", "training.nll_weight", "training.mae_weight", "data.sampling"];

/// Values with other names in the dictionary: key, name here, name there.
const VALUE_NAMES: &[(&str, &str, &str)] = &[
    ("amp_activation", "silu", "swish"),
    ("fno_input_transform", "log", "log1p"),
    ("fno_input_transform", "instance_norm", "instancenorm"),
    ("scheduler", "constant", "Default"),
    ("scheduler", "exponential", "Exponential"),
    ("scheduler", "warmup_cosine", "WarmupCosine"),
    ("scheduler", "reduce_on_plateau", "ReduceLROnPlateau"),
    ("scheduler", "cosine", "CosineAnnealing"),
    ("scheduler", "multi_stage", "MultiStage"),
];

/// Configuration as text, and notes on settings that the layout cannot hold.
///
/// # Errors
/// A value cannot be written in the format.
pub fn write(config: &Config, paths: &ConfigPaths, layout: Layout) -> Result<(String, Vec<String>)> {
    match layout {
        Layout::Native(format) => Ok((native(config, format)?, lost_paths(paths))),
        Layout::Legacy(format) => {
            let entries = legacy(config, paths)?;
            let text = match format {
                Format::Json => json(&entries)?,
                Format::Toml | Format::Yaml => {
                    let line = |(key, value): &(String, Value)| format!("{key}: {}\n", scalar(value));
                    entries.iter().map(line).collect()
                }
            };
            Ok((text, without_counterpart(config)?))
        }
    }
}

fn native(config: &Config, format: Format) -> Result<String> {
    let unwritable =
        |error: String| Error::failed(format!("The configuration cannot be written as {} ({error})", format.name()));
    match format {
        Format::Toml => config.to_toml(),
        Format::Json => {
            serde_json::to_string_pretty(config).map(|text| text + "\n").map_err(|e| unwritable(e.to_string()))
        }
        Format::Yaml => serde_saphyr::to_string(config).map_err(|e| unwritable(e.to_string())),
    }
}

fn lost_paths(paths: &ConfigPaths) -> Vec<String> {
    let named = paths.train.iter().chain(&paths.test).chain(&paths.output).chain(&paths.model);
    let named: Vec<String> = named.map(|path| path.display().to_string()).collect();
    if named.is_empty() {
        return Vec::new();
    }
    vec![format!("Files and folders are given on the command line, not in a configuration: {}.", named.join(", "))]
}

/// Keys and values of the dictionary; "none" is omitted, as in PtychoPINN.
fn legacy(config: &Config, paths: &ConfigPaths) -> Result<Vec<(String, Value)>> {
    let table = Value::Table(config.to_table()?);
    let mut entries: Vec<(String, Value)> = Vec::new();
    for (key, path) in LEGACY {
        let Some(value) = path.split('.').try_fold(&table, |value, part| value.get(part)) else { continue };
        let no_counterpart = path == &"model.input_transform" && !has_input_transform(value);
        if no_counterpart
            || (value.as_str() == Some("none") && *key != "fno_input_transform")
            || (*key == "gradient_clip_val" && value.as_float() == Some(0.0))
        {
            continue;
        }
        if *key == "probe.mask" {
            entries.push(((*key).to_owned(), Value::Boolean(value.as_str() != Some("off"))));
            continue;
        }
        let word = VALUE_NAMES.iter().find(|(of, ours, _)| of == key && value.as_str() == Some(ours));
        let value = word.map_or_else(|| value.clone(), |(.., theirs)| Value::String((*theirs).to_owned()));
        entries.push(((*key).to_owned(), value));
    }
    let training = &config.training;
    let (nll, mae) = match training.loss {
        LossKind::Poisson => (1.0, 0.0),
        LossKind::Mae => (0.0, 1.0),
        LossKind::Weighted => (training.nll_weight, training.mae_weight),
    };
    let mut add = |key: &str, value: Value| entries.push((key.to_owned(), value));
    add("nll_weight", Value::Float(nll));
    add("mae_weight", Value::Float(mae));
    if training.loss != LossKind::Weighted {
        let mode = if training.loss == LossKind::Mae { "mae" } else { "poisson" };
        add("torch_loss_mode", Value::String(mode.to_owned()));
    }
    add("sequential_sampling", Value::Boolean(config.data.sampling == Sampling::Sequential));
    add("positions.provided", Value::Boolean(true));
    let files = [
        ("train_data_file_path", paths.train.first()),
        ("test_data_file_path", paths.test.as_ref()),
        ("output_prefix", paths.output.as_ref()),
        ("model_path", paths.model.as_ref()),
    ];
    for (key, path) in files {
        if let Some(path) = path {
            add(key, Value::String(path.display().to_string()));
        }
    }
    Ok(entries)
}

/// True if PtychoPINN has this input transform (for its Fourier architectures).
fn has_input_transform(value: &Value) -> bool {
    matches!(value.as_str(), Some("none" | "sqrt" | "log" | "instance_norm"))
}

/// Note on fields that differ from the preset `reference` and have no key in the dictionary.
fn without_counterpart(config: &Config) -> Result<Vec<String>> {
    let reference = Preset::Reference.config();
    let mut lost = Vec::new();
    for field in Config::fields() {
        let known = LEGACY.iter().any(|(_, path)| *path == field.path) || IN_OTHER_FORM.contains(&field.path);
        let known = known
            && (field.path != "model.input_transform" || has_input_transform(&Value::String(config.get(field.path)?)));
        if !known && field.group() != "simulation" && config.get(field.path)? != reference.get(field.path)? {
            lost.push(format!("{} = {}", field.path, config.get(field.path)?));
        }
    }
    if lost.is_empty() {
        return Ok(Vec::new());
    }
    Ok(vec![format!("PtychoPINN has no setting for: {}.", lost.join(", "))])
}

fn json(entries: &[(String, Value)]) -> Result<String> {
    let map: serde_json::Map<String, serde_json::Value> = entries
        .iter()
        .map(|(key, value)| Ok((key.clone(), serde_json::to_value(value)?)))
        .collect::<std::result::Result<_, serde_json::Error>>()
        .map_err(|error| Error::failed(format!("The configuration cannot be written as JSON ({error})")))?;
    let text = serde_json::to_string_pretty(&map)
        .map_err(|error| Error::failed(format!("The configuration cannot be written as JSON ({error})")))?;
    Ok(text + "\n")
}

/// A single value in YAML; text is quoted as in JSON, which YAML accepts.
fn scalar(value: &Value) -> String {
    match value {
        Value::String(text) => serde_json::Value::String(text.clone()).to_string(),
        // With a decimal point, which PyYAML requires: it reads 1e9 as text.
        Value::Float(x) if x.fract() == 0.0 && x.abs() < 1e15 => format!("{x:.1}"),
        value => value.to_string(),
    }
}
