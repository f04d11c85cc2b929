//! From command-line arguments to a validated configuration: preset < file < flags.

use super::flags::{FieldFlags, SettingArgs};
use crate::config::{Config, ConfigPaths, Format, Method, Preset, unused_reason};
use crate::error::{Error, Problem, Result};
use std::path::{Path, PathBuf};

/// Settings in the order in which they apply, with notes for the user.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Settings {
    /// Dotted path and value of each, as text.
    pub values: Vec<(String, String)>,
    /// Notes to print.
    pub notes: Vec<String>,
    /// Preset that the other settings override.
    pub preset: Preset,
    /// Input and output paths named in the configuration file.
    pub paths: ConfigPaths,
}

/// The effective configuration, and the settings that led to it.
///
/// # Errors
/// An unknown preset, field or file, an invalid value, or a setting of the network without effect.
pub(super) fn effective(preset: Option<&str>, arguments: &SettingArgs<true>) -> Result<(Config, Settings)> {
    let (mut config, mut settings) = layered(preset, arguments)?;
    // A group of one pattern is the pattern: no other pattern is used for anything.
    if let Some(images) = &arguments.legacy.images
        && config.model.gridsize == 1
        && config.data.n_subsample.is_none()
    {
        config.set("data.n_groups", "none")?;
        config.set("data.n_subsample", images)?;
    }
    settings.notes.extend(without_effect(&config, &settings.values)?);
    Ok((config, settings))
}

/// Notes on the given settings that have no effect in combination with the others.
///
/// # Errors
/// One of them describes the network: training a different network than requested is refused.
fn without_effect(config: &Config, given: &[(String, String)]) -> Result<Vec<String>> {
    let mut notes = Vec::new();
    for (path, value) in given.iter().filter(|(path, _)| !path.starts_with("execution.seeds.")) {
        let Some(reason) = unused_reason(path, config) else { continue };
        if path.starts_with("model.") && config.training.method == Method::Network {
            // The default value requests nothing.
            if Config::default().get(path)? == config.get(path)? {
                continue;
            }
            return Err(Error::BadInput(
                Problem::new(format!("{path} = {value} has no effect here. {reason}"))
                    .hint("Remove it, or change the field it depends on"),
            ));
        }
        notes.push(format!("{path} has no effect here. {reason}."));
    }
    Ok(notes)
}

/// The configuration from preset, file and flags, before the check for settings without effect.
fn layered(preset: Option<&str>, arguments: &SettingArgs<true>) -> Result<(Config, Settings)> {
    let mut settings = gather(arguments)?;
    let preset = preset.map(Preset::from_name).transpose()?;
    let Some(path) = &arguments.config else {
        settings.preset = preset.unwrap_or_default();
        return Ok((Config::layered(settings.preset, None, &settings.values)?, settings));
    };
    let imported = Config::import(path, preset, &settings.values)?;
    imported.config.validate().map_err(|error| if settings.values.is_empty() { error.at(path) } else { error })?;
    let mut notes = Vec::new();
    if imported.is_ptychopinn || imported.format != Format::Toml {
        notes.push(imported.description(path));
    }
    notes.extend(imported.notes);
    notes.append(&mut settings.notes);
    Ok((imported.config, Settings { notes, preset: imported.preset, paths: imported.paths, ..settings }))
}

/// Settings of all flags, those of `--set` last.
///
/// # Errors
/// A `--set` without `=`.
pub(super) fn gather<const TRAINING: bool>(arguments: &SettingArgs<TRAINING>) -> Result<Settings> {
    let mut settings = Settings::default();
    if let Some(seed) = &arguments.seed {
        for purpose in ["weights", "subsample", "grouping", "shuffle", "noise"] {
            settings.values.push((format!("execution.seeds.{purpose}"), seed.clone()));
        }
    }
    settings.values.extend(arguments.legacy.settings.iter().cloned());
    settings.notes.extend(arguments.legacy.notes.iter().cloned());
    let FieldFlags(flags) = &arguments.fields;
    for (path, value) in flags {
        if path == "execution.accelerator"
            && let Ok(number) = value.parse()
        {
            crate::worker::device::use_gpu(number);
            settings.values.push((path.clone(), "gpu".to_owned()));
            continue;
        }
        if path == "execution.accelerator" && value.eq_ignore_ascii_case("cuda") {
            settings
                .notes
                .push("--accelerator cuda is treated as gpu: the GPU is used through wgpu, without CUDA.".to_owned());
        }
        settings.values.push((path.clone(), value.clone()));
    }
    // A number of epochs replaces the preset's time budget and vice versa, unless both are given.
    let given = |path: &str| flags.iter().any(|(given, _)| given == path);
    match (given("training.epochs"), given("training.time_budget_s")) {
        (true, false) => settings.values.push(("training.time_budget_s".to_owned(), "none".to_owned())),
        (false, true) => settings.values.push(("training.epochs".to_owned(), "none".to_owned())),
        _ => {}
    }
    for text in &arguments.set {
        settings.values.push(assignment(text)?);
    }
    Ok(settings)
}

/// Settings for `infer` and `polish`: only fields that inference uses; all others are fixed by the model.
///
/// # Errors
/// A configuration file that cannot be used, an unknown field, or one that cannot be set for inference.
pub(super) fn inference_settings(arguments: &SettingArgs<false>) -> Result<Settings> {
    let gathered = gather(arguments)?;
    let (mut values, mut notes) = (Vec::new(), Vec::new());
    if let Some(path) = &arguments.config {
        // Only the fields that inference uses are taken from a complete configuration file.
        let imported = Config::import(path, None, &[])?;
        imported.config.validate().map_err(|error| error.at(path))?;
        notes.extend(imported.notes.iter().cloned());
        let config = imported.config;
        for field in Config::fields().into_iter().filter(|field| field.settable_in_inference) {
            values.push((field.path.to_owned(), config.get(field.path)?));
        }
    }
    values.extend(gathered.values);
    values.iter().try_for_each(|(path, _)| Config::check_settable_in_inference(path))?;
    notes.extend(gathered.notes);
    Ok(Settings { values, notes, ..Settings::default() })
}

/// A required argument called `name` in the usage.
///
/// # Errors
/// It is missing.
pub(super) fn required(path: Option<PathBuf>, name: &str) -> Result<PathBuf> {
    path.ok_or_else(|| Error::BadInput(Problem::new(format!("{name} is missing")).hint("See --help")))
}

/// How a dataset is read: by a configuration file or a shipped set-up, then these values, then those of `--set`, which may only
/// change how a dataset is read.
///
/// # Errors
/// A file that is no configuration, a `--set` without `=`, or of a field outside the group `data`.
pub(super) fn data_config(file: Option<&Path>, set: &[String], mut values: Vec<(String, String)>) -> Result<Config> {
    let mut config = match file {
        Some(path) => Config::import(path, None, &[])?.config,
        None => Config::default(),
    };
    for text in set {
        let (path, value) = assignment(text)?;
        if !path.starts_with("data.") {
            return Err(Error::BadInput(
                Problem::new(format!("{path} does not control how a dataset is read"))
                    .expected("a field of the group data, for example --set data.crop=128")
                    .hint("`ptychoscope config --fields` lists them"),
            ));
        }
        values.push((path, value));
    }
    for (path, value) in values {
        config.set(&path, &value)?;
    }
    Ok(config)
}

/// Path and value of a `--set`.
///
/// # Errors
/// A missing `=`.
pub(super) fn assignment(text: &str) -> Result<(String, String)> {
    let Some((path, value)) = text.split_once('=') else {
        return Err(Error::BadInput(
            Problem::new(format!("--set {text:?} has no \"=\""))
                .expected("FIELD=VALUE, for example --set training.batch_size=8"),
        ));
    };
    Ok((path.trim().to_owned(), value.trim().to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::args::{Args, Task};
    use crate::config::Accelerator;

    fn effective_of(words: &[&str]) -> Result<(Config, Settings)> {
        let args =
            Args::read([&["ptychoscope", "train", "a.npz"], words].concat().into_iter().map(Into::into)).unwrap();
        let Some(Task::Train(args)) = args.command else { panic!("not train") };
        effective(args.preset.as_deref(), &args.settings)
    }

    #[test]
    fn epochs_and_time_budget_replace_each_other_unless_both_are_given() {
        let training = |words: &[&str]| effective_of(words).unwrap().0.training;
        assert_eq!(training(&["--epochs", "3"]).time_budget_s, None);
        assert_eq!(training(&["--preset", "reference", "--time-budget", "5"]).epochs, None);
        let both = training(&["--epochs", "3", "--time-budget", "5"]);
        assert_eq!((both.epochs, both.time_budget_s), (Some(3), Some(5.0)));
        assert!(training(&[]).time_budget_s.is_some());
    }

    #[test]
    fn set_wins_over_a_flag_and_the_seed_reaches_every_purpose() {
        let words = ["--seed", "7", "--batch-size", "4", "--set", "training.batch_size=12"];
        let (config, settings) = effective_of(&words).unwrap();
        assert_eq!(config.training.batch_size, 12);
        assert_eq!(config.execution.seeds, crate::config::Seeds::all(7));
        assert!(settings.notes.is_empty());
        let changed = config.differences(&Preset::Recipe.config()).unwrap();
        assert!(changed.contains(&"training.batch_size = 12".to_owned()), "{changed:?}");
        assert_eq!(changed.len(), 6);
    }

    #[test]
    fn cuda_is_treated_as_gpu_with_a_note() {
        let (config, settings) = effective_of(&["--accelerator", "cuda"]).unwrap();
        assert_eq!(config.execution.accelerator, Accelerator::Gpu);
        assert_eq!(settings.notes.len(), 1);
    }

    #[test]
    fn a_setting_without_effect_is_refused_if_it_describes_the_network_and_noted_otherwise() {
        let error = effective_of(&["--set", "model.decoder_spatial_kernel=5"]).unwrap_err().to_string();
        assert!(error.contains("model.decoder_spatial_kernel = 5 has no effect") && error.contains("spatial_decoder"));
        let both = ["--set", "model.decoder_spatial_kernel=5", "--set", "model.spatial_decoder=true"];
        assert_eq!(effective_of(&both).unwrap().0.model.decoder_spatial_kernel, 5);
        assert!(effective_of(&["--set", "model.object_big=true"]).unwrap().1.notes.is_empty());
        let (_, settings) = effective_of(&["--set", "inference.crop=30"]).unwrap();
        assert!(settings.notes[0].starts_with("inference.crop has no effect"), "{:?}", settings.notes);
    }

    #[test]
    fn a_configuration_from_ptychopinn_supplies_its_names_preset_and_files() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("run.yaml");
        std::fs::write(&path, "nepochs: 3\ntrain_data_file: a.npz\nn_images: 9\ndebug: true\n").unwrap();
        let words = ["--config", path.to_str().unwrap(), "--batch-size", "4"];
        let (config, settings) = effective_of(&words).unwrap();
        // A group of one pattern is the pattern.
        assert_eq!((config.training.epochs, config.training.batch_size), (Some(3), 4));
        assert_eq!((config.data.n_subsample, config.data.n_groups), (Some(9), None));
        assert_eq!(config.model, Preset::Reference.config().model);
        assert_eq!((settings.preset, settings.paths.train.len()), (Preset::Reference, 1));
        let notes = settings.notes.join(" ");
        for part in ["PtychoPINN in YAML", "n_images is the deprecated name", "debug"] {
            assert!(notes.contains(part), "{part}: {notes}");
        }
        let (config, settings) = effective_of(&[&words[..], &["--preset", "recipe"]].concat()).unwrap();
        assert_eq!((settings.preset, config.training.time_budget_s), (Preset::Recipe, None));
    }

    #[test]
    fn the_number_of_images_is_one_of_patterns_unless_a_group_has_several() {
        let data = |words: &[&str]| effective_of(words).unwrap().0.data;
        let single = data(&["--n_images", "9"]);
        assert_eq!((single.n_subsample, single.n_groups), (Some(9), None));
        let grouped = data(&["--n_images", "9", "--gridsize", "2"]);
        assert_eq!((grouped.n_subsample, grouped.n_groups), (None, Some(9)));
        assert_eq!(data(&["--n_images", "9", "--n-subsample", "5"]).n_subsample, Some(5));
    }

    #[test]
    fn errors_name_the_flag() {
        let error = |words: &[&str]| effective_of(words).unwrap_err().to_string();
        assert!(error(&["--epochs", "0"]).contains("--epochs"));
        assert!(error(&["--set", "epochs"]).contains("FIELD=VALUE"));
        assert!(error(&["--preset", "best"]).contains("--preset"));
        assert!(error(&["--set", "training.epoch=3"]).contains("training.epochs"));
        assert!(error(&["--config", "/no/such.toml"]).contains("/no/such.toml"));
    }
}
