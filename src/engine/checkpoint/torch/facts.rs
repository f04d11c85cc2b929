//! Settings that a file contains besides its tensors.

use crate::formats::pickle::{Id, Pickle, Value};
use std::collections::BTreeMap;

/// Value of a setting.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::checkpoint) enum Fact {
    Flag(bool),
    Number(f64),
    Text(String),
}

/// Settings by `section.name`.
#[derive(Debug, Default)]
pub(in crate::checkpoint) struct Facts(BTreeMap<String, Fact>);

impl Facts {
    /// Adds the plain values of a dictionary, or of the state of an object.
    pub fn add(&mut self, section: &str, pickle: &Pickle, id: Id) {
        let state = match pickle.get(id) {
            Value::Call(call) if pickle.entries(id).is_none() => call.state.unwrap_or(id),
            _ => id,
        };
        for (key, value) in pickle.entries(state).unwrap_or_default() {
            let Some(name) = pickle.text(*key) else { continue };
            let fact = match pickle.get(*value) {
                Value::Bool(flag) => Fact::Flag(*flag),
                Value::Int(number) => Fact::Number(*number as f64),
                Value::Float(number) => Fact::Number(*number),
                Value::Text(text) => Fact::Text(text.clone()),
                _ => continue,
            };
            self.0.insert(format!("{section}.{name}"), fact);
        }
    }

    /// Adds every dictionary within a dictionary as a separate section.
    pub fn add_sections(&mut self, pickle: &Pickle, id: Id) {
        for (key, value) in pickle.entries(id).unwrap_or_default() {
            if let Some(section) = pickle.text(*key) {
                self.add(section, pickle, *value);
            }
        }
    }

    /// Adds texts by name; "true" and "false" become booleans.
    pub fn add_texts(&mut self, section: &str, texts: &BTreeMap<String, String>) {
        for (name, text) in texts {
            let fact = text.parse().map_or_else(|_| Fact::Text(text.clone()), Fact::Flag);
            self.0.insert(format!("{section}.{name}"), fact);
        }
    }

    fn first(&self, names: &[&str]) -> Option<&Fact> {
        names.iter().find_map(|name| self.0.get(*name))
    }

    /// First of these settings that is a boolean.
    pub fn flag(&self, names: &[&str]) -> Option<bool> {
        match self.first(names)? {
            Fact::Flag(flag) => Some(*flag),
            Fact::Number(_) | Fact::Text(_) => None,
        }
    }

    /// First of these settings, if it is a finite number.
    pub fn number(&self, names: &[&str]) -> Option<f64> {
        match self.first(names)? {
            Fact::Number(number) => Some(*number).filter(|n| n.is_finite()),
            Fact::Flag(_) | Fact::Text(_) => None,
        }
    }

    /// First of these settings, if it is text.
    pub fn text(&self, names: &[&str]) -> Option<&str> {
        match self.first(names)? {
            Fact::Text(text) => Some(text),
            Fact::Flag(_) | Fact::Number(_) => None,
        }
    }
}
