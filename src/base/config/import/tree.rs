//! Parsing of configuration files of any format into one tree, within limits.
//!
//! Hazard: a few bytes of YAML can expand to gigabytes (aliases of aliases), and JSON and YAML may nest without limit or
//! repeat a key. Remedy: size, depth, number of values and of alias expansions are limited, and repeated keys are rejected.

use crate::error::{Error, Problem, Result};
use serde::de::{Deserialize, DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use std::fmt;
use std::path::Path;
use toml::Value;

/// Maximum size of a configuration file, bytes.
pub(super) const MAX_BYTES: u64 = 1 << 20;
/// Maximum nesting depth.
const MAX_DEPTH: usize = 12;
/// Maximum number of values in a file.
const MAX_VALUES: usize = 20_000;

/// Format of a configuration file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// TOML, as this program writes it.
    Toml,
    /// YAML.
    Yaml,
    /// JSON.
    Json,
}

impl Format {
    /// Name for messages.
    pub fn name(self) -> &'static str {
        match self {
            Self::Toml => "TOML",
            Self::Yaml => "YAML",
            Self::Json => "JSON",
        }
    }

    /// Format of a file name extension.
    pub fn of_extension(path: &Path) -> Option<Self> {
        match path.extension()?.to_string_lossy().to_ascii_lowercase().as_str() {
            "toml" => Some(Self::Toml),
            "yaml" | "yml" => Some(Self::Yaml),
            "json" => Some(Self::Json),
            _ => None,
        }
    }

    /// Format detected from a text: JSON begins with a brace, TOML has `=` or a table header, YAML has colons.
    pub(super) fn of_content(text: &str) -> Self {
        let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
        let Some(first) = lines.next() else { return Self::Toml };
        if first.starts_with('{') {
            return Self::Json;
        }
        let sign = |line: &str| line.find(['=', ':']).and_then(|at| line[at..].chars().next());
        let table = first.starts_with('[') && first.ends_with(']');
        let toml = table || std::iter::once(first).chain(lines).find_map(sign) == Some('=');
        if toml { Self::Toml } else { Self::Yaml }
    }
}

/// A value of a file, not yet assigned to a field.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Tree {
    /// Null, or empty.
    Null,
    /// A single value.
    One(Value),
    /// A list.
    List(Vec<Tree>),
    /// Keys and values, in the order of the file.
    Map(Vec<(String, Tree)>),
}

impl Tree {
    /// Values other than maps, each with its keys joined by dots, in the order of the file.
    pub fn leaves(self) -> Vec<(String, Tree)> {
        fn gather(tree: Tree, path: String, into: &mut Vec<(String, Tree)>) {
            match tree {
                Tree::Map(entries) => {
                    for (key, value) in entries {
                        let path = if path.is_empty() { key } else { format!("{path}.{key}") };
                        gather(value, path, into);
                    }
                }
                leaf => into.push((path, leaf)),
            }
        }
        let mut leaves = Vec::new();
        gather(self, String::new(), &mut leaves);
        leaves
    }

    fn from_toml(value: Value) -> Self {
        match value {
            Value::Table(table) => {
                Self::Map(table.into_iter().map(|(key, value)| (key, Self::from_toml(value))).collect())
            }
            Value::Array(values) => Self::List(values.into_iter().map(Self::from_toml).collect()),
            Value::Datetime(when) => Self::One(Value::String(when.to_string())),
            value => Self::One(value),
        }
    }
}

/// Text for messages.
impl fmt::Display for Tree {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("none"),
            Self::One(Value::String(text)) => f.write_str(text),
            Self::One(value) => write!(f, "{value}"),
            Self::List(values) => {
                f.write_str("[")?;
                for (at, value) in values.iter().enumerate() {
                    write!(f, "{}{value}", if at == 0 { "" } else { ", " })?;
                }
                f.write_str("]")
            }
            Self::Map(_) => f.write_str("{…}"),
        }
    }
}

/// Parses a text of this format.
///
/// # Errors
/// The text exceeds the limits, is not of this format, repeats a key, or is not a mapping.
pub(super) fn read(text: &str, format: Format) -> Result<Tree> {
    if text.len() as u64 > MAX_BYTES {
        return Err(Problem::new(format!("The configuration has {} bytes", text.len()))
            .expected(format!("at most {MAX_BYTES}"))
            .into());
    }
    let tree = match format {
        Format::Toml => Tree::from_toml(Value::Table(super::super::layer::parse(text)?)),
        Format::Yaml => yaml(text)?,
        Format::Json => serde_json::from_str(text).map_err(|error| unreadable(Format::Json, &error.to_string()))?,
    };
    match tree {
        Tree::Map(_) => Ok(tree),
        Tree::Null => Ok(Tree::Map(Vec::new())),
        _ => Err(Problem::new(format!("The {} file contains no keys", format.name()))
            .expected("a mapping of names to values, for example gridsize: 2")
            .into()),
    }
}

fn yaml(text: &str) -> Result<Tree> {
    let budget = serde_saphyr::budget! {
        max_events: 4 * MAX_VALUES,
        max_aliases: 200,
        max_anchors: 200,
        max_depth: MAX_DEPTH + 2,
        max_documents: 1,
        max_nodes: 2 * MAX_VALUES,
        max_total_scalar_bytes: MAX_BYTES as usize,
        max_merge_keys: 200,
    };
    let options = serde_saphyr::options! {
        budget: budget,
        alias_limits: serde_saphyr::alias_limits! {
            max_total_replayed_events: MAX_VALUES,
            max_replay_stack_depth: 8,
            max_alias_expansions_per_anchor: 200,
        },
    };
    serde_saphyr::from_str_with_options(text, options)
        .map_err(|error| unreadable(Format::Yaml, error.to_string().lines().next().unwrap_or_default()))
}

fn unreadable(format: Format, reason: &str) -> Error {
    Problem::new(format!("The file cannot be read as {} ({reason})", format.name()))
        .hint("`ptychoscope config` prints a complete example, `ptychoscope config convert` translates it to other formats")
        .into()
}

/// Depth and number of values so far, which limit the memory that a file can take.
struct Seed<'a> {
    depth: usize,
    values: &'a mut usize,
}

impl<'de> DeserializeSeed<'de> for Seed<'_> {
    type Value = Tree;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> std::result::Result<Tree, D::Error> {
        *self.values += 1;
        if self.depth > MAX_DEPTH || *self.values > MAX_VALUES {
            return Err(D::Error::custom(format!("more than {MAX_DEPTH} levels or {MAX_VALUES} values")));
        }
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Seed<'_> {
    type Value = Tree;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value of a configuration")
    }

    fn visit_unit<E>(self) -> std::result::Result<Tree, E> {
        Ok(Tree::Null)
    }

    fn visit_none<E>(self) -> std::result::Result<Tree, E> {
        Ok(Tree::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> std::result::Result<Tree, D::Error> {
        deserializer.deserialize_any(self)
    }

    fn visit_bool<E>(self, value: bool) -> std::result::Result<Tree, E> {
        Ok(Tree::One(Value::Boolean(value)))
    }

    fn visit_i64<E>(self, value: i64) -> std::result::Result<Tree, E> {
        Ok(Tree::One(Value::Integer(value)))
    }

    fn visit_u64<E: serde::de::Error>(self, value: u64) -> std::result::Result<Tree, E> {
        let value = i64::try_from(value).map_err(|_| E::custom(format!("{value} is too large")))?;
        Ok(Tree::One(Value::Integer(value)))
    }

    fn visit_f64<E>(self, value: f64) -> std::result::Result<Tree, E> {
        Ok(Tree::One(Value::Float(value)))
    }

    fn visit_str<E>(self, value: &str) -> std::result::Result<Tree, E> {
        Ok(Tree::One(Value::String(value.to_owned())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> std::result::Result<Tree, A::Error> {
        let mut values = Vec::new();
        while let Some(value) = list.next_element_seed(Seed { depth: self.depth + 1, values: self.values })? {
            values.push(value);
        }
        Ok(Tree::List(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> std::result::Result<Tree, A::Error> {
        let mut entries: Vec<(String, Tree)> = Vec::new();
        let mut seen = std::collections::BTreeSet::new();
        while let Some(key) = map.next_key::<String>()? {
            let value = map.next_value_seed(Seed { depth: self.depth + 1, values: self.values })?;
            if !seen.insert(key.clone()) {
                return Err(A::Error::custom(format!("{key:?} is repeated")));
            }
            entries.push((key, value));
        }
        Ok(Tree::Map(entries))
    }
}

impl<'de> Deserialize<'de> for Tree {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        Seed { depth: 0, values: &mut 0 }.deserialize(deserializer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leaves(text: &str, format: Format) -> Vec<(String, String)> {
        read(text, format).unwrap().leaves().into_iter().map(|(path, value)| (path, value.to_string())).collect()
    }

    #[test]
    fn the_same_configuration_is_the_same_tree_in_every_format() {
        let toml = "nepochs = 3\nscale = 1e9\n[model]\n\"object.big\" = true\nname = \"a\"\nlist = [2, 2]\n";
        let yaml = "nepochs: 3\nscale: 1e9\nmodel:\n  object.big: true\n  name: a\n  list: [2, 2]\n";
        let json = r#"{"nepochs": 3, "scale": 1e9, "model": {"object.big": true, "name": "a", "list": [2, 2]}}"#;
        let mut expected = leaves(toml, Format::Toml);
        expected.sort();
        assert_eq!(expected.len(), 5);
        for (text, format) in [(yaml, Format::Yaml), (json, Format::Json)] {
            let mut found = leaves(text, format);
            found.sort();
            assert_eq!(found, expected, "{format:?}");
        }
        assert_eq!(leaves("a:\nb: ~\n", Format::Yaml), [("a".into(), "none".into()), ("b".into(), "none".into())]);
        assert!(leaves("", Format::Yaml).is_empty() && leaves("# only\n", Format::Toml).is_empty());
    }

    #[test]
    fn the_format_is_detected_from_the_content() {
        for (text, format) in [
            ("{\"a\": 1}", Format::Json),
            ("# x = 1\n\na: 1\n", Format::Yaml),
            ("---\na: \"b = c\"\n", Format::Yaml),
            ("a = \"b: c\"\n", Format::Toml),
            ("[model]\n", Format::Toml),
            ("", Format::Toml),
        ] {
            assert_eq!(Format::of_content(text), format, "{text:?}");
        }
        assert_eq!(Format::of_extension("a/b.YML".as_ref()), Some(Format::Yaml));
        assert_eq!(Format::of_extension("b.conf".as_ref()), None);
    }

    #[test]
    fn aliases_depth_size_and_repeated_keys_are_limited() {
        let laughs = "a: &a [x,x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a,*a]\n\
                      c: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b,*b]\nd: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c,*c]\n\
                      e: &e [*d,*d,*d,*d,*d,*d,*d,*d,*d,*d]\n";
        let began = std::time::Instant::now();
        assert!(read(laughs, Format::Yaml).is_err());
        let deep = |open: &str, close: &str| format!("{{\"a\": {}1{}}}", open.repeat(30), close.repeat(30));
        assert!(read(&deep("[", "]"), Format::Json).is_err());
        assert!(read(&deep("[", "]"), Format::Yaml).is_err());
        let long = format!("a: [{}1]\n", "1, ".repeat(30_000));
        assert!(read(&long, Format::Yaml).is_err());
        let large = format!("a: {}\n", "x".repeat(MAX_BYTES as usize));
        assert!(read(&large, Format::Yaml).unwrap_err().to_string().contains("bytes"));
        assert!(began.elapsed().as_secs() < 10);
        for (text, format) in
            [("{\"a\": 1, \"a\": 2}", Format::Json), ("a: 1\na: 2\n", Format::Yaml), ("a = 1\na = 2\n", Format::Toml)]
        {
            assert!(read(text, format).is_err(), "{text}");
        }
        // A few aliases are fine.
        assert_eq!(leaves("a: &x 3\nb: *x\n", Format::Yaml)[1], ("b".into(), "3".into()));
    }

    #[test]
    fn a_file_without_keys_is_rejected() {
        for (text, format) in [("- 1\n- 2\n", Format::Yaml), ("[1]", Format::Json), ("3", Format::Yaml)] {
            assert!(read(text, format).unwrap_err().to_string().contains("contains no keys"), "{text}");
        }
        assert!(read("{", Format::Json).unwrap_err().to_string().contains("cannot be read as JSON"));
        assert!(read("a: [", Format::Yaml).unwrap_err().to_string().contains("cannot be read as YAML"));
    }
}
