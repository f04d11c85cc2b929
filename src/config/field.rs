//! What is known about each configuration field: declared once, read by the command line, the form and the file.

use crate::error::{Error, Problem, Result};
use toml::Value;

/// A named choice and what it means.
pub type Choice = (&'static str, &'static str);

/// What values a field takes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Kind {
    /// Yes or no.
    Flag,
    /// A whole number in `min..=max`; `optional` ones may be "none".
    Integer {
        /// Smallest legal value.
        min: i64,
        /// Largest legal value.
        max: i64,
        /// Whether "none" is legal.
        optional: bool,
    },
    /// A finite number in `min..=max`, `min` itself only if `min_included`; `optional` ones may be "none".
    Real {
        /// Smallest legal value, or its bound.
        min: f64,
        /// Whether `min` itself is legal.
        min_included: bool,
        /// Largest legal value.
        max: f64,
        /// Whether "none" is legal.
        optional: bool,
    },
    /// One of these names.
    Choice {
        /// Names with their meaning.
        options: &'static [Choice],
        /// Other spellings and the name they stand for.
        aliases: &'static [(&'static str, &'static str)],
    },
    /// Any text; the empty one stands for "not given".
    Text,
}

/// Help, unit, range and place of one configuration field.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Field {
    /// Dotted path in the file and for `--set`, e.g. `model.gridsize`; its first part is the group.
    pub path: &'static str,
    /// Short name for a form, sentence case.
    pub label: &'static str,
    /// One sentence of help.
    pub help: &'static str,
    /// Unit of the value; empty if it has none.
    pub unit: &'static str,
    /// Its own flag on the command line, if it has one.
    pub flag: Option<&'static str>,
    /// What values it takes.
    pub kind: Kind,
}

/// A whole number in `min..=max`.
pub(super) const fn integer(min: i64, max: i64) -> Kind {
    Kind::Integer { min, max, optional: false }
}

/// A whole number in `min..=max`, or none.
pub(super) const fn optional_integer(min: i64, max: i64) -> Kind {
    Kind::Integer { min, max, optional: true }
}

/// A choice without other spellings.
pub(super) const fn choice(options: &'static [Choice]) -> Kind {
    Kind::Choice { options, aliases: &[] }
}

impl Field {
    /// The group the field belongs to: `model`, `training`, …
    pub fn group(&self) -> &'static str {
        self.path.split('.').next().unwrap_or(self.path)
    }

    /// What the user changes: the flag where there is one, else `--set path=VALUE`.
    pub fn how_to_set(&self) -> String {
        self.flag.map_or_else(|| format!("--set {}=VALUE", self.path), |flag| format!("{flag} VALUE"))
    }

    /// The legal values in words, e.g. "a whole number from 1 to 3".
    pub fn range_in_words(&self) -> String {
        let none = |optional: bool| if optional { ", or \"none\"" } else { "" };
        match self.kind {
            Kind::Flag => "true or false".to_owned(),
            Kind::Integer { min, max, optional } if max == i64::MAX => {
                format!("a whole number of at least {min}{}", none(optional))
            }
            Kind::Integer { min, max, optional } => format!("a whole number from {min} to {max}{}", none(optional)),
            Kind::Real { min, min_included, max, optional } => {
                let lower = if min_included { format!("of at least {min}") } else { format!("above {min}") };
                let upper = if max.is_finite() { format!(" and at most {max}") } else { String::new() };
                format!("a number {lower}{upper}{}", none(optional))
            }
            Kind::Choice { options, .. } => {
                format!("one of {}", options.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", "))
            }
            Kind::Text => "a text, or nothing".to_owned(),
        }
    }

    /// The error for a value that is not legal.
    fn rejected(&self, found: &str) -> Error {
        Error::BadInput(
            Problem::new(format!("{} = {found} is not a legal value", self.path))
                .expected(self.range_in_words())
                .hint(format!("Change it with {} or in the configuration file", self.how_to_set())),
        )
    }

    /// Checks a value against kind and range; gives it back with other spellings replaced.
    ///
    /// # Errors
    /// The value is not legal; the message names the field and its flag.
    pub fn check(&self, value: &Value) -> Result<Value> {
        let rejected = || self.rejected(&value.to_string());
        match (self.kind, value) {
            (Kind::Integer { optional: true, .. } | Kind::Real { optional: true, .. }, Value::String(s))
                if s.eq_ignore_ascii_case("none") =>
            {
                Ok(Value::String("none".to_owned()))
            }
            (Kind::Flag, Value::Boolean(_)) | (Kind::Text, Value::String(_)) => Ok(value.clone()),
            (Kind::Integer { min, max, .. }, Value::Integer(n)) if (min..=max).contains(n) => Ok(value.clone()),
            (Kind::Real { min, min_included, max, .. }, Value::Integer(_) | Value::Float(_)) => {
                let x = match value {
                    #[allow(clippy::cast_precision_loss)]
                    Value::Integer(n) => *n as f64,
                    Value::Float(x) => *x,
                    _ => return Err(rejected()),
                };
                let above = if min_included { x >= min } else { x > min };
                if x.is_finite() && above && x <= max { Ok(Value::Float(x)) } else { Err(rejected()) }
            }
            (Kind::Choice { options, aliases }, Value::String(s)) => {
                let name = s.to_ascii_lowercase().replace('-', "_");
                let name = aliases.iter().find(|(alias, _)| *alias == name).map_or(name.as_str(), |(_, to)| to);
                if options.iter().any(|(option, _)| *option == name) {
                    Ok(Value::String(name.to_owned()))
                } else {
                    Err(rejected())
                }
            }
            _ => Err(rejected()),
        }
    }

    /// Reads a value written on the command line.
    ///
    /// # Errors
    /// The text is not a legal value; the message names the field and its flag.
    pub fn parse(&self, text: &str) -> Result<Value> {
        let text = text.trim();
        let word = || Value::String(text.to_owned());
        let value = match self.kind {
            Kind::Flag => match text.to_ascii_lowercase().as_str() {
                "true" | "yes" | "on" | "1" => Value::Boolean(true),
                "false" | "no" | "off" | "0" => Value::Boolean(false),
                _ => word(),
            },
            Kind::Integer { .. } => text.parse().map_or_else(|_| word(), Value::Integer),
            Kind::Real { .. } => text.parse().map_or_else(|_| word(), Value::Float),
            Kind::Choice { .. } | Kind::Text => word(),
        };
        self.check(&value)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;

    const EPOCHS: Field = Field {
        path: "training.epochs",
        label: "Epochs",
        help: "",
        unit: "",
        flag: Some("--epochs"),
        kind: optional_integer(1, i64::MAX),
    };

    #[test]
    fn an_illegal_value_is_named_with_its_field_its_range_and_its_flag() {
        let message = EPOCHS.parse("0").unwrap_err().to_string();
        assert_eq!(
            message,
            "training.epochs = 0 is not a legal value. Expected a whole number of at least 1, or \"none\". \
             Change it with --epochs VALUE or in the configuration file."
        );
        assert!(EPOCHS.parse("ten").is_err());
        assert_eq!(EPOCHS.parse(" None ").unwrap(), Value::String("none".into()));
    }

    #[test]
    fn other_spellings_of_a_choice_are_replaced() {
        const COLOUR: Field = Field {
            path: "a.b",
            flag: None,
            kind: Kind::Choice { options: &[("dark_blue", "")], aliases: &[("navy", "dark_blue")] },
            ..EPOCHS
        };
        assert_eq!(COLOUR.parse("Dark-Blue").unwrap(), Value::String("dark_blue".into()));
        assert_eq!(COLOUR.parse("navy").unwrap(), Value::String("dark_blue".into()));
        assert!(COLOUR.parse("red").unwrap_err().to_string().contains("--set a.b=VALUE"));
    }

    #[test]
    fn infinite_and_excluded_numbers_are_refused() {
        const RATE: Field = Field {
            path: "training.learning_rate",
            kind: Kind::Real { min: 0.0, min_included: false, max: 1.0, optional: false },
            ..EPOCHS
        };
        assert_eq!(RATE.parse("1").unwrap(), Value::Float(1.0));
        for text in ["0", "-1", "inf", "nan", "1.5", "none"] {
            assert!(RATE.parse(text).is_err(), "{text}");
        }
    }
}
