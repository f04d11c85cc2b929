//! Reading, writing and layering configurations: defaults < preset < file < flags.

use super::{
    Architecture, Config, Field, GeneratorOutput, LossKind, ModelType, OutputMode, Preset, ScaleContract, Schedule,
};
use crate::error::{Error, Problem, Result};
use std::path::Path;
use toml::{Table, Value};

impl Config {
    /// Declarations of all fields, in the order of the file.
    pub fn fields() -> Vec<&'static Field> {
        [
            super::data::FIELDS,
            super::model_fields::FIELDS,
            super::training_fields::FIELDS,
            super::inference::FIELDS,
            super::direct::FIELDS,
            super::simulation::FIELDS,
            super::execution::FIELDS,
        ]
        .into_iter()
        .flatten()
        .collect()
    }

    /// Declaration of the field at this dotted path.
    ///
    /// # Errors
    /// There is no such field; the message suggests the nearest name.
    pub fn field(path: &str) -> Result<&'static Field> {
        let fields = Self::fields();
        if let Some(field) = fields.iter().copied().find(|field| field.path == path) {
            return Ok(field);
        }
        let nearest = fields.iter().min_by_key(|field| edit_distance(field.path, path));
        let near = nearest.map_or_else(String::new, |field| format!("Did you mean {}? ", field.path));
        Err(Error::BadInput(
            Problem::new(format!("There is no configuration field {path:?}"))
                .hint(format!("{near}`ptychoscope config` lists all fields")),
        ))
    }

    /// Checks that an inference may set the field at this dotted path.
    ///
    /// # Errors
    /// There is no such field, or the trained model fixes it.
    pub fn check_settable_in_inference(path: &str) -> Result<()> {
        if Self::field(path)?.settable_in_inference {
            return Ok(());
        }
        Err(Error::BadInput(
            Problem::new(format!("{path} cannot be set for inference"))
                .hint("The trained model or the finished run fixes this setting; remove it"),
        ))
    }

    /// Configuration from a preset, overridden by a file (TOML text), overridden by settings (`path`, text).
    ///
    /// # Errors
    /// An unknown field, a value out of range, or contradictory fields.
    pub fn layered(preset: Preset, file: Option<&str>, settings: &[(String, String)]) -> Result<Self> {
        let mut table = preset.config().to_table()?;
        if let Some(text) = file {
            overlay(&mut table, &parse(text)?, "")?;
        }
        for (path, text) in settings {
            put(&mut table, path, Self::field(path)?.parse(text)?);
        }
        let config = Self::from_table(table)?;
        config.validate()?;
        Ok(config)
    }

    /// Reads a TOML file; the default preset supplies missing fields.
    ///
    /// # Errors
    /// The file cannot be read, or as [`Config::from_toml`].
    pub fn load(path: impl AsRef<Path>) -> Result<Self> {
        let text = Self::read_text(&path)?;
        Self::layered(Preset::default(), Some(&text), &[]).map_err(|error| error.at(path))
    }

    /// Reads the text of a configuration file, or of a shipped set-up.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn read_text(path: impl AsRef<Path>) -> Result<String> {
        if let Some(setup) = super::Setup::at(path.as_ref()) {
            return Ok(setup.text.to_owned());
        }
        let text = std::fs::read_to_string(&path).map_err(|error| Error::reading(path, &error))?;
        // A byte order mark, which editors on Windows write.
        Ok(text.strip_prefix('\u{feff}').map_or_else(|| text.clone(), str::to_owned))
    }

    /// Parses TOML text, such as that of a bundle; the default preset supplies missing fields.
    ///
    /// # Errors
    /// An unknown field, an illegal value, or contradictory fields.
    pub fn from_toml(text: &str) -> Result<Self> {
        Self::layered(Preset::default(), Some(text), &[])
    }

    /// Complete configuration as TOML text; [`Config::from_toml`] restores it exactly.
    ///
    /// # Errors
    /// A value cannot be written as TOML (a seed above 2^63 - 1).
    pub fn to_toml(&self) -> Result<String> {
        toml::to_string_pretty(self).map_err(|error| unwritable(&error))
    }

    /// Sets one field by its dotted path from text, as `--set path=value` does.
    ///
    /// # Errors
    /// An unknown field or an illegal value; the configuration is unchanged then.
    pub fn set(&mut self, path: &str, text: &str) -> Result<()> {
        let value = Self::field(path)?.parse(text)?;
        let mut table = self.to_table()?;
        put(&mut table, path, value);
        *self = Self::from_table(table)?;
        Ok(())
    }

    /// Value of one field as text, as `--set` accepts it.
    ///
    /// # Errors
    /// There is no such field.
    pub fn get(&self, path: &str) -> Result<String> {
        Self::field(path)?;
        let table = Value::Table(self.to_table()?);
        let value = path.split('.').try_fold(&table, |value, key| value.get(key));
        Ok(match value {
            Some(Value::String(text)) => text.clone(),
            Some(value) => value.to_string(),
            None => String::new(),
        })
    }

    /// Fields that differ from `base`, as `path = value`, in the order of the file.
    ///
    /// # Errors
    /// A value cannot be written as text.
    pub fn differences(&self, base: &Self) -> Result<Vec<String>> {
        let mut changed = Vec::new();
        for field in Self::fields() {
            let (was, is) = (base.get(field.path)?, self.get(field.path)?);
            if was != is {
                changed.push(format!("{} = {is}", field.path));
            }
        }
        Ok(changed)
    }

    /// The wanted fields that differ from `base`, as TOML text: a configuration file that leaves all others as they are.
    ///
    /// # Errors
    /// A value cannot be written as TOML.
    pub fn changed_toml(&self, base: &Self, wanted: &dyn Fn(&str) -> bool) -> Result<String> {
        let table = Value::Table(self.to_table()?);
        let mut changed = Table::new();
        for field in Self::fields().into_iter().filter(|field| wanted(field.path)) {
            if self.get(field.path)? != base.get(field.path)?
                && let Some(value) = field.path.split('.').try_fold(&table, |value, key| value.get(key))
            {
                put(&mut changed, field.path, value.clone());
            }
        }
        toml::to_string_pretty(&changed).map_err(|error| unwritable(&error))
    }

    /// Checks the range of every field, and the fields against each other.
    ///
    /// # Errors
    /// The first illegal field, named with its flag.
    pub fn validate(&self) -> Result<()> {
        let table = Value::Table(self.to_table()?);
        for field in Self::fields() {
            if let Some(value) = field.path.split('.').try_fold(&table, |value, key| value.get(key)) {
                field.check(value)?;
            }
        }
        if self.training.planned_epochs().is_none() && self.training.time_budget_s.is_none() {
            return Err(contradiction(
                "Neither training.epochs nor training.time_budget_s is set, so training would never end",
                "Give --epochs or --time-budget",
            ));
        }
        if self.training.planned_epochs().is_none()
            && (self.training.epochs_fine_tune > 0
                || (self.training.schedule == Schedule::WarmupCosine && self.training.lr_warmup_epochs > 0))
        {
            return Err(contradiction(
                "Fine-tuning and warm-up epochs require a fixed number of training epochs",
                "Give --epochs, or set training.epochs_fine_tune and training.lr_warmup_epochs to 0",
            ));
        }
        self.check_loss()?;
        let freezes = self.training.freeze_encoder || self.training.epochs_fine_tune > 0;
        if freezes && self.model.architecture != Architecture::Cnn {
            return Err(contradiction(
                "The Fourier architectures have no encoder to freeze",
                "Set training.freeze_encoder to false and training.epochs_fine_tune to 0, or model.architecture to cnn",
            ));
        }
        if !self.inference.crop.is_multiple_of(2) {
            return Err(contradiction(
                format!("inference.crop = {} is odd", self.inference.crop),
                "Give an even side with --set inference.crop=VALUE",
            ));
        }
        self.model.check()?;
        let needed = self.model.gridsize * self.model.gridsize;
        let candidates = self.data.neighbor_count + usize::from(self.data.seed_in_group);
        if needed > 1 && candidates < needed {
            return Err(contradiction(
                format!(
                    "A group of gridsize {} needs {needed} patterns, but data.neighbor_count = {} provides only {candidates}",
                    self.model.gridsize, self.data.neighbor_count
                ),
                format!("Give --neighbor-count {} or more", needed - usize::from(self.data.seed_in_group)),
            ));
        }
        Ok(())
    }

    /// Checks the terms of the loss against each other and against the network.
    fn check_loss(&self) -> Result<()> {
        let training = &self.training;
        let without = |weight: f64| weight <= 0.0;
        if training.loss == LossKind::Weighted && without(training.nll_weight) && without(training.mae_weight) {
            return Err(contradiction(
                "Both weights of the weighted loss, training.nll_weight and training.mae_weight, are 0",
                "Give --nll-weight or --mae-weight, or another --loss",
            ));
        }
        if training.scale_contract == ScaleContract::CiIntensityV2 {
            let complex = match self.model.architecture {
                Architecture::Cnn => self.model.cnn_output_mode == OutputMode::RealImag,
                _ => self.model.generator_output_mode == GeneratorOutput::RealImag,
            };
            let physical = self.model.model_type == ModelType::Pinn && training.amplitude_physics_gain == 1.0;
            if !complex || !physical || training.loss != LossKind::Poisson {
                return Err(contradiction(
                    "training.scale_contract = ci_intensity_v2 requires the Poisson loss, a network with real and imaginary \
                     outputs that trains on the measured patterns, and no amplitude gain",
                    "Set training.loss to poisson, model.cnn_output_mode (or model.generator_output_mode) to real_imag, \
                     model.model_type to pinn and training.amplitude_physics_gain to 1, or choose another training.scale_contract",
                ));
            }
        }
        Ok(())
    }

    pub(super) fn to_table(&self) -> Result<Table> {
        Table::try_from(self).map_err(|error| unwritable(&error))
    }

    pub(super) fn from_table(table: Table) -> Result<Self> {
        table.try_into().map_err(|error: toml::de::Error| {
            Error::BadInput(Problem::new(format!("The configuration is invalid ({})", error.message())))
        })
    }
}

fn contradiction(title: impl Into<String>, hint: impl Into<String>) -> Error {
    Error::BadInput(Problem::new(title).hint(hint))
}

fn unwritable(error: &toml::ser::Error) -> Error {
    Error::BadInput(
        Problem::new(format!("The configuration cannot be written as TOML ({error})"))
            .hint("Choose seeds below 9223372036854775808"),
    )
}

/// Parses TOML text as a table; a syntax error is reported with its line.
pub(super) fn parse(text: &str) -> Result<Table> {
    text.parse::<Table>().map_err(|error| {
        let line = error.span().map_or(0, |span| text[..span.start.min(text.len())].matches('\n').count() + 1);
        Error::BadInput(
            Problem::new(format!("Line {line} is not valid TOML ({})", error.message()))
                .hint("`ptychoscope config` prints a complete example"),
        )
    })
}

/// Copies every value of `from` into `into`, checked against its field.
fn overlay(into: &mut Table, from: &Table, prefix: &str) -> Result<()> {
    for (key, value) in from {
        let path = if prefix.is_empty() { key.clone() } else { format!("{prefix}.{key}") };
        match value {
            Value::Table(inner) if Config::fields().iter().any(|f| f.path.starts_with(&format!("{path}."))) => {
                overlay(into, inner, &path)?;
            }
            _ => put(into, &path, Config::field(&path)?.check(value)?),
        }
    }
    Ok(())
}

/// Sets the value at a dotted path; missing tables are created.
pub(super) fn put(table: &mut Table, path: &str, value: Value) {
    match path.split_once('.') {
        None => {
            table.insert(path.to_owned(), value);
        }
        Some((first, rest)) => {
            let inner = table.entry(first.to_owned()).or_insert_with(|| Value::Table(Table::new()));
            if let Value::Table(inner) = inner {
                put(inner, rest, value);
            }
        }
    }
}

/// Levenshtein distance in which the last part of the path counts most, since that is what people type.
pub(super) fn edit_distance(full: &str, typed: &str) -> usize {
    let last = |path: &str| path.rsplit('.').next().unwrap_or_default().to_owned();
    strsim::levenshtein(&last(full), &last(typed)) * 4 + strsim::levenshtein(full, typed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Accelerator, InputTransform, Seeds};

    fn leaves(table: &Table, prefix: &str, into: &mut Vec<String>) {
        for (key, value) in table {
            let path = if prefix.is_empty() { key.clone() } else { format!("{prefix}.{key}") };
            match value {
                Value::Table(inner) => leaves(inner, &path, into),
                _ => into.push(path),
            }
        }
    }

    #[test]
    fn every_serialized_field_is_declared_and_every_declared_field_is_serialized() {
        let mut serialized = Vec::new();
        leaves(&Config::default().to_table().unwrap(), "", &mut serialized);
        let mut described: Vec<_> = Config::fields().iter().map(|field| field.path.to_owned()).collect();
        serialized.sort();
        described.sort();
        assert_eq!(serialized, described);
        for field in Config::fields() {
            assert!(field.help.ends_with('.') && !field.label.is_empty(), "{}", field.path);
        }
    }

    #[test]
    fn every_option_of_every_choice_is_accepted_by_its_field() {
        for field in Config::fields() {
            if let crate::config::Kind::Choice { options, aliases } = field.kind {
                for name in options.iter().map(|(name, _)| name).chain(aliases.iter().map(|(alias, _)| alias)) {
                    let mut config = Config::default();
                    config.set(field.path, name).unwrap_or_else(|error| panic!("{} = {name}: {error}", field.path));
                }
            }
        }
    }

    #[test]
    fn every_preset_is_valid_and_survives_its_text() {
        for preset in Preset::ALL {
            let config = preset.config();
            config.validate().unwrap();
            assert_eq!(Config::from_toml(&config.to_toml().unwrap()).unwrap(), config, "{}", preset.name());
        }
        // "none" must survive although the default is a number.
        assert_eq!(Preset::Reference.config().training.time_budget_s, None);
    }

    #[test]
    fn flags_override_the_file_and_the_file_overrides_the_preset() {
        let file = "[training]\nepochs = 7\nbatch_size = 8\n[execution.seeds]\nshuffle = 3\n";
        let flags = [("training.epochs".to_owned(), "9".to_owned())];
        let config = Config::layered(Preset::Reference, Some(file), &flags).unwrap();
        assert_eq!(config.training.epochs, Some(9));
        assert_eq!(config.training.batch_size, 8);
        assert_eq!(config.model.input_transform, InputTransform::None);
        assert_eq!(config.execution.seeds, Seeds { shuffle: 3, ..Seeds::default() });
        assert_eq!(config.get("training.epochs").unwrap(), "9");
        assert_eq!(config.get("training.time_budget_s").unwrap(), "none");
    }

    #[test]
    fn errors_name_the_field_the_range_and_the_remedy() {
        let error = Config::from_toml("[model]\ngridsise = 2\n").unwrap_err().to_string();
        assert!(error.contains("\"model.gridsise\"") && error.contains("Did you mean model.gridsize"), "{error}");
        let error = Config::from_toml("[model]\ngridsize = \"two\"\n").unwrap_err().to_string();
        assert!(error.contains("model.gridsize") && error.contains("from 1 to 4"), "{error}");
        let error = Config::from_toml("[model\n").unwrap_err().to_string();
        assert!(error.starts_with("Line 1"), "{error}");
        let error = Config::from_toml("training = 3\n").unwrap_err().to_string();
        assert!(error.contains("training"), "{error}");
        let mut config = Config::default();
        assert!(config.set("learning_rate", "1").unwrap_err().to_string().contains("training.learning_rate"));
        config.set("execution.accelerator", "cuda").unwrap();
        assert_eq!(config.execution.accelerator, Accelerator::Gpu);
    }

    #[test]
    fn an_inference_sets_neither_network_nor_training() {
        for path in ["data.n_subsample", "data.mapping.mask_file", "inference.crop", "direct.epochs"] {
            Config::check_settable_in_inference(path).unwrap();
        }
        for path in ["model.gridsize", "training.epochs", "data.n_groups", "data.pattern_size", "simulation.scan"] {
            let error = Config::check_settable_in_inference(path).unwrap_err().to_string();
            assert!(error.starts_with(path), "{error}");
        }
        assert!(
            Config::check_settable_in_inference("training.epoch").unwrap_err().to_string().contains("Did you mean")
        );
    }

    #[test]
    fn contradictions_are_rejected_with_the_flag_to_change() {
        let refused = |changes: &[(&str, &str)]| {
            let settings: Vec<_> = changes.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
            Config::layered(Preset::Recipe, None, &settings).unwrap_err().to_string()
        };
        assert!(refused(&[("training.epochs", "none"), ("training.time_budget_s", "none")]).contains("--epochs"));
        assert!(refused(&[("inference.crop", "21")]).contains("odd"));
        assert!(refused(&[("model.gridsize", "3"), ("data.neighbor_count", "7")]).contains("--neighbor-count 8"));
        let bare = Config {
            training: crate::config::TrainingConfig { batch_size: 0, ..Default::default() },
            ..Default::default()
        };
        assert!(bare.validate().unwrap_err().to_string().contains("--batch-size"));
    }
}
