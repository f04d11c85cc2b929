//! The configuration being edited.

use crate::config::{Config, Preset};
use crate::error::Result;
use std::collections::BTreeMap;

/// A configuration with those texts that are not valid values yet.
#[derive(Debug, Clone, PartialEq)]
pub struct Draft {
    /// The configuration with the latest valid values.
    config: Config,
    /// Starting point, which "modified" and "reset" refer to.
    base: Config,
    /// Name of the starting point.
    base_name: String,
    /// Text and error of each field whose text is not a valid value, by dotted path.
    rejected: BTreeMap<String, (String, String)>,
}

impl Default for Draft {
    fn default() -> Self {
        Self::new(Preset::default().name(), Preset::default().config())
    }
}

impl Draft {
    /// An unmodified configuration.
    pub fn new(name: impl Into<String>, config: Config) -> Self {
        Self { base: config.clone(), config, base_name: name.into(), rejected: BTreeMap::new() }
    }

    /// The configuration with the latest valid values.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The starting point.
    pub fn base(&self) -> &Config {
        &self.base
    }

    /// Name of the starting point: a preset, a file or a run.
    pub fn base_name(&self) -> &str {
        &self.base_name
    }

    /// Sets a field from text; an invalid text is kept beside the latest valid value.
    pub fn set(&mut self, path: &str, text: &str) {
        match self.config.set(path, text) {
            Ok(()) => {
                self.rejected.remove(path);
            }
            Err(error) => {
                self.rejected.insert(path.to_owned(), (text.to_owned(), error.problem().to_string()));
            }
        }
    }

    /// Resets a field to the starting point.
    pub fn reset(&mut self, path: &str) {
        self.rejected.remove(path);
        if let Ok(text) = self.base.get(path) {
            let _valid = self.config.set(path, &text);
        }
    }

    /// Resets all fields to the starting point.
    pub fn reset_all(&mut self) {
        self.rejected.clear();
        self.config = self.base.clone();
    }

    /// Text of a field as edited, valid or not.
    ///
    /// # Errors
    /// There is no such field.
    pub fn text(&self, path: &str) -> Result<String> {
        match self.rejected.get(path) {
            Some((text, _)) => Ok(text.clone()),
            None => self.config.get(path),
        }
    }

    /// Reason why the text of a field is not valid; `None` if it is.
    pub fn field_error(&self, path: &str) -> Option<&str> {
        self.rejected.get(path).map(|(_, error)| error.as_str())
    }

    /// Reasons why the configuration cannot be used; empty if it can.
    pub fn problems(&self) -> Vec<String> {
        let mut problems: Vec<String> = self.rejected.values().map(|(_, error)| error.clone()).collect();
        if let Err(error) = self.config.validate() {
            problems.push(error.to_string());
        }
        problems
    }

    /// Fields that differ from the starting point, `path = value`.
    pub fn differences(&self) -> Vec<String> {
        self.config.differences(&self.base).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_invalid_text_is_kept_with_its_error_beside_the_latest_valid_value() {
        let mut draft = Draft::default();
        let before = draft.config().training.batch_size;
        draft.set("training.batch_size", "a few");
        assert_eq!(draft.text("training.batch_size").unwrap(), "a few");
        assert!(draft.field_error("training.batch_size").unwrap().contains("whole number"));
        assert_eq!(draft.config().training.batch_size, before);
        assert_eq!(draft.problems().len(), 1);
        draft.set("training.batch_size", "24");
        assert_eq!((draft.config().training.batch_size, draft.problems().len()), (24, 0));
        assert_eq!(draft.differences(), ["training.batch_size = 24"]);
        draft.reset("training.batch_size");
        assert_eq!((draft.differences(), draft.problems()), (Vec::new(), Vec::new()));
        assert_eq!(draft.config(), draft.base());
    }

    #[test]
    fn reset_all_discards_every_edit() {
        let mut draft = Draft::default();
        draft.set("model.gridsize", "2");
        draft.set("training.epochs", "none at all");
        draft.reset_all();
        assert_eq!(draft, Draft::default());
    }
}
