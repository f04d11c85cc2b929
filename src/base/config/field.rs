//! Declaration of a configuration field: one place, read by the command line, the form and the file.

use crate::error::{Error, Problem, Result};
use toml::Value;

/// Name and meaning of an option.
pub type Choice = (&'static str, &'static str);

/// Type and range of a field.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Kind {
    /// True or false.
    Flag,
    /// A whole number in `min..=max`; optional ones may be "none".
    Integer {
        /// Smallest legal value.
        min: i64,
        /// Largest legal value.
        max: i64,
        /// True if "none" is legal.
        optional: bool,
    },
    /// A finite number in `min..=max`; optional ones may be "none".
    Real {
        /// Lower bound.
        min: f64,
        /// True if `min` itself is legal.
        min_included: bool,
        /// Largest legal value.
        max: f64,
        /// True if "none" is legal.
        optional: bool,
    },
    /// One of several names.
    Choice {
        /// Names with their meaning.
        options: &'static [Choice],
        /// Alternative spellings and the names they stand for.
        aliases: &'static [(&'static str, &'static str)],
    },
    /// Any text; empty means "not given".
    Text,
}

/// A whole number in `min..=max`.
pub(super) const fn integer(min: i64, max: i64) -> Kind {
    Kind::Integer { min, max, optional: false }
}

/// A number in `min..=max`.
pub(super) const fn number(min: f64, max: f64) -> Kind {
    Kind::Real { min, min_included: true, max, optional: false }
}

/// A number above 0 and at most `max`.
pub(super) const fn positive(max: f64) -> Kind {
    Kind::Real { min: 0.0, min_included: false, max, optional: false }
}

/// A choice without aliases.
pub(super) const fn choice(options: &'static [Choice]) -> Kind {
    Kind::Choice { options, aliases: &[] }
}

impl Kind {
    /// The same numbers, or "none".
    pub(super) const fn optional(self) -> Self {
        match self {
            Self::Integer { min, max, .. } => Self::Integer { min, max, optional: true },
            Self::Real { min, min_included, max, .. } => Self::Real { min, min_included, max, optional: true },
            other => other,
        }
    }
}

/// Declaration of a configuration field.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Field {
    /// Dotted path in the file and for `--set`, e.g. `model.gridsize`; its first part is the group.
    pub path: &'static str,
    /// Short name for a form, sentence case.
    pub label: &'static str,
    /// Type and range.
    pub kind: Kind,
    /// One or two sentences of help.
    pub help: &'static str,
    /// Unit of the value; empty if it has none.
    pub unit: &'static str,
    /// Command line flag, besides `--set`.
    pub flag: Option<&'static str>,
    /// True if an inference may set it; the trained model fixes the other fields.
    pub settable_in_inference: bool,
}

/// A field without unit and flag that only a training sets.
pub(super) const fn field(path: &'static str, label: &'static str, kind: Kind, help: &'static str) -> Field {
    Field { path, label, kind, help, unit: "", flag: None, settable_in_inference: false }
}

impl Field {
    /// With this unit.
    pub(super) const fn unit(self, unit: &'static str) -> Self {
        Self { unit, ..self }
    }

    /// With this command line flag.
    pub(super) const fn flag(self, flag: &'static str) -> Self {
        Self { flag: Some(flag), ..self }
    }

    /// Settable in an inference, too.
    pub(super) const fn in_inference(self) -> Self {
        Self { settable_in_inference: true, ..self }
    }

    /// Group of the field: `model`, `training`, …
    pub fn group(&self) -> &'static str {
        self.path.split('.').next().unwrap_or(self.path)
    }

    /// Command line syntax that sets the field: its flag if it has one, else `--set path=VALUE`.
    pub fn how_to_set(&self) -> String {
        self.flag.map_or_else(|| format!("--set {}=VALUE", self.path), |flag| format!("{flag} VALUE"))
    }

    /// Description of the legal values, e.g. "a whole number from 1 to 3".
    pub fn range_text(&self) -> String {
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
            Kind::Text => "text; may be empty".to_owned(),
        }
    }

    /// Error for an illegal value.
    fn rejected(&self, found: &str) -> Error {
        Error::BadInput(
            Problem::new(format!("{} = {found} is not a legal value", self.path))
                .expected(self.range_text())
                .hint(format!("Change it with {} or in the configuration file", self.how_to_set())),
        )
    }

    /// Checks a value against kind and range and replaces aliases.
    ///
    /// # Errors
    /// The value is illegal; the message names the field and its flag.
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

    /// Parses a value from the command line.
    ///
    /// # Errors
    /// The text is no legal value; the message names the field and its flag.
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
mod tests {
    use super::*;

    const EPOCHS: Field = field("training.epochs", "Epochs", integer(1, i64::MAX).optional(), "").flag("--epochs");

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
    fn aliases_of_a_choice_are_replaced() {
        const COLOR: Field = Field {
            path: "a.b",
            flag: None,
            kind: Kind::Choice { options: &[("dark_blue", "")], aliases: &[("navy", "dark_blue")] },
            ..EPOCHS
        };
        assert_eq!(COLOR.parse("Dark-Blue").unwrap(), Value::String("dark_blue".into()));
        assert_eq!(COLOR.parse("navy").unwrap(), Value::String("dark_blue".into()));
        assert!(COLOR.parse("red").unwrap_err().to_string().contains("--set a.b=VALUE"));
    }

    #[test]
    fn infinite_and_excluded_numbers_are_refused() {
        const RATE: Field = Field { path: "training.learning_rate", kind: positive(1.0), ..EPOCHS };
        assert_eq!(RATE.parse("1").unwrap(), Value::Float(1.0));
        for text in ["0", "-1", "inf", "nan", "1.5", "none"] {
            assert!(RATE.parse(text).is_err(), "{text}");
        }
    }
}
