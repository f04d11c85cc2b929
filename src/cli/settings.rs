//! From what was typed to a validated configuration: preset < file < flags.

use super::args::{FieldFlags, SettingArgs};
use crate::config::{Config, Format, Method, Places, Preset, why_unused};
use crate::error::{Error, Problem, Result};

/// Settings in the order in which they apply, and what to say about them.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Settings {
    /// Dotted path and text of each.
    pub values: Vec<(String, String)>,
    /// What a person should know.
    pub notes: Vec<String>,
    /// The preset that everything stands over.
    pub preset: Preset,
    /// Inputs and outputs that the configuration file names.
    pub places: Places,
}

/// The effective configuration.
///
/// # Errors
/// An unknown preset, field or file, or an illegal value.
pub(super) fn effective(preset: Option<&str>, arguments: &SettingArgs<true>) -> Result<(Config, Settings)> {
    let (config, mut settings) = layered(preset, arguments)?;
    settings.notes.extend(without_effect(&config, &settings.values)?);
    Ok((config, settings))
}

/// What to say about settings that were given and have no effect with the others.
///
/// # Errors
/// One of them describes the network: another network than was asked for is not trained.
fn without_effect(config: &Config, given: &[(String, String)]) -> Result<Vec<String>> {
    let mut notes = Vec::new();
    for (path, value) in given.iter().filter(|(path, _)| !path.starts_with("execution.seeds.")) {
        let Some(reason) = why_unused(path, config) else { continue };
        if path.starts_with("model.") && config.training.method == Method::Network {
            // What is set to its default asks for nothing.
            if Config::default().get(path)? == config.get(path)? {
                continue;
            }
            return Err(Error::BadInput(
                Problem::new(format!("{path} = {value} has no effect here. {reason}"))
                    .hint("Leave it out, or change the field that it depends on"),
            ));
        }
        notes.push(format!("{path} has no effect here. {reason}."));
    }
    Ok(notes)
}

/// The configuration and the settings over it.
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
    if imported.foreign || imported.format != Format::Toml {
        notes.push(imported.in_words(path));
    }
    notes.extend(imported.notes);
    notes.append(&mut settings.notes);
    Ok((imported.config, Settings { notes, preset: imported.preset, places: imported.places, ..settings }))
}

/// Flags as settings, `--set` last.
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
        if path == "execution.accelerator" && value.eq_ignore_ascii_case("cuda") {
            settings
                .notes
                .push("--accelerator cuda is taken as gpu: the GPU is used through wgpu, without CUDA.".to_owned());
        }
        settings.values.push((path.clone(), value.clone()));
    }
    // A number of epochs replaces the preset's time budget, and the other way round, unless both are given.
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

/// A configuration with these settings and with those of `--set`, which all say how a dataset is read.
///
/// # Errors
/// A `--set` without `=`, or of a field that is not about data.
pub(super) fn data_config(mut config: Config, set: &[String], mut values: Vec<(String, String)>) -> Result<Config> {
    for text in set {
        let (path, value) = assignment(text)?;
        if !path.starts_with("data.") {
            return Err(Error::BadInput(
                Problem::new(format!("{path} does not say how a dataset is read"))
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
/// There is no `=`.
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
#[allow(clippy::unwrap_used, clippy::expect_used)]
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
    fn cuda_is_taken_as_gpu_with_a_note() {
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
    fn a_configuration_of_the_original_brings_its_names_its_preset_and_its_files() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("run.yaml");
        std::fs::write(&path, "nepochs: 3\ntrain_data_file: a.npz\nn_images: 9\ndebug: true\n").unwrap();
        let words = ["--config", path.to_str().unwrap(), "--batch-size", "4"];
        let (config, settings) = effective_of(&words).unwrap();
        assert_eq!((config.training.epochs, config.training.batch_size, config.data.n_groups), (Some(3), 4, Some(9)));
        assert_eq!(config.model, Preset::Reference.config().model);
        assert_eq!((settings.preset, settings.places.train.len()), (Preset::Reference, 1));
        let notes = settings.notes.join(" ");
        for part in ["PtychoPINN in YAML", "n_images is the deprecated name", "debug"] {
            assert!(notes.contains(part), "{part}: {notes}");
        }
        let (config, settings) = effective_of(&[&words[..], &["--preset", "recipe"]].concat()).unwrap();
        assert_eq!((settings.preset, config.training.time_budget_s), (Preset::Recipe, None));
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
