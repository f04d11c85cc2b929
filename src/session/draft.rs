//! The configuration as it is being edited.

use crate::config::{Config, Preset};
use crate::error::Result;
use std::collections::BTreeMap;

/// A configuration with the texts that are not legal values yet.
#[derive(Debug, Clone, PartialEq)]
pub struct Draft {
    /// The last legal state.
    config: Config,
    /// Where it started: what "modified" and "reset" refer to.
    base: Config,
    /// Name of where it started.
    base_name: String,
    /// Text and complaint of each field whose text is not a legal value, by dotted path.
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

    /// The last legal state.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Where it started.
    pub fn base(&self) -> &Config {
        &self.base
    }

    /// Name of where it started: a preset, a file or a run.
    pub fn base_name(&self) -> &str {
        &self.base_name
    }

    /// Sets a field from text; a text that is not a legal value is kept beside the last legal one.
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

    /// Sets a field back to where it started.
    pub fn reset(&mut self, path: &str) {
        self.rejected.remove(path);
        if let Ok(text) = self.base.get(path) {
            let _legal = self.config.set(path, &text);
        }
    }

    /// Sets everything back to where it started.
    pub fn reset_all(&mut self) {
        self.rejected.clear();
        self.config = self.base.clone();
    }

    /// The text of a field: the one being edited, legal or not.
    ///
    /// # Errors
    /// There is no such field.
    pub fn text(&self, path: &str) -> Result<String> {
        match self.rejected.get(path) {
            Some((text, _)) => Ok(text.clone()),
            None => self.config.get(path),
        }
    }

    /// Why the text of a field is not a legal value, if so.
    pub fn complaint(&self, path: &str) -> Option<&str> {
        self.rejected.get(path).map(|(_, complaint)| complaint.as_str())
    }

    /// Whether a field differs from where it started.
    pub fn is_modified(&self, path: &str) -> bool {
        self.rejected.contains_key(path) || self.config.get(path).ok() != self.base.get(path).ok()
    }

    /// Everything that keeps the configuration from being used, in words; empty if it can be.
    pub fn problems(&self) -> Vec<String> {
        let mut problems: Vec<String> = self.rejected.values().map(|(_, complaint)| complaint.clone()).collect();
        if let Err(error) = self.config.validate() {
            problems.push(error.to_string());
        }
        problems
    }

    /// The fields that differ from where it started, `path = value`.
    pub fn differences(&self) -> Vec<String> {
        self.config.differences(&self.base).unwrap_or_default()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;

    #[test]
    fn an_illegal_text_is_kept_with_its_complaint_and_the_last_legal_value_stays() {
        let mut draft = Draft::default();
        let before = draft.config().training.batch_size;
        draft.set("training.batch_size", "a few");
        assert_eq!(draft.text("training.batch_size").unwrap(), "a few");
        assert!(draft.complaint("training.batch_size").unwrap().contains("whole number"));
        assert_eq!(draft.config().training.batch_size, before);
        assert_eq!(draft.problems().len(), 1);
        assert!(draft.is_modified("training.batch_size"));
        draft.set("training.batch_size", "24");
        assert_eq!((draft.config().training.batch_size, draft.problems().len()), (24, 0));
        assert_eq!(draft.differences(), ["training.batch_size = 24"]);
        draft.reset("training.batch_size");
        assert!(!draft.is_modified("training.batch_size"));
        assert_eq!(draft.config(), draft.base());
    }

    #[test]
    fn reset_all_forgets_every_edit() {
        let mut draft = Draft::default();
        draft.set("model.gridsize", "2");
        draft.set("training.epochs", "none at all");
        draft.reset_all();
        assert_eq!(draft, Draft::default());
    }
}
