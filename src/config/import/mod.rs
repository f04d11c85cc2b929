//! Configurations from files: ours in TOML, YAML or JSON, and those of PtychoPINN in all its layouts (A§10).
//!
//! Hazard: the original ignores what it does not know, so a typing error trains something else; and the same name means
//! different things in its layouts. Remedy: a file is read whole, every name is either a field, or known to have no effect and
//! said so, or refused; all that is unknown is listed with the nearest known name.

mod export;
mod names;
mod tree;

pub use export::{Layout, write};
pub use names::{Entry, dictionary};
pub use tree::Format;

use super::layer::edit_distance;
use super::{Config, Kind, Preset};
use crate::error::{Error, Problem, Result};
use names::{Meaning, Part, Place, Special};
use std::path::{Path, PathBuf};
use toml::Value;
use tree::Tree;

/// Inputs and outputs of a run that a configuration of PtychoPINN names.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Places {
    /// Datasets that are trained on.
    pub train: Vec<PathBuf>,
    /// Dataset for the validation loss.
    pub test: Option<PathBuf>,
    /// Run folder.
    pub output: Option<PathBuf>,
    /// Trained model.
    pub model: Option<PathBuf>,
}

/// A configuration from a file.
#[derive(Debug, Clone, PartialEq)]
pub struct Imported {
    /// What it says, over the preset. Fields that contradict each other are not looked for: see [`Config::validate`].
    pub config: Config,
    /// The preset that it stands over.
    pub preset: Preset,
    /// How it is written.
    pub format: Format,
    /// Whether its names are those of PtychoPINN.
    pub foreign: bool,
    /// Inputs and outputs that it names.
    pub places: Places,
    /// What a person should know.
    pub notes: Vec<String>,
}

impl Imported {
    /// One sentence about the file.
    pub fn in_words(&self, path: &Path) -> String {
        let what = if self.foreign { "a configuration of PtychoPINN" } else { "a configuration" };
        let rest = if self.foreign {
            format!("; what it leaves out is as in the preset {}", self.preset.name())
        } else {
            String::new()
        };
        format!("{} is {what} in {}{rest}.", path.display(), self.format.name())
    }
}

impl Config {
    /// Reads a configuration file of any format and layout, over a preset (none: `recipe`, or `reference` for a file of
    /// PtychoPINN), with settings (`path`, text) over it.
    ///
    /// # Errors
    /// The file cannot be read, is too large, names something unknown (all of it is listed), or holds an illegal value.
    pub fn import(path: impl AsRef<Path>, preset: Option<Preset>, settings: &[(String, String)]) -> Result<Imported> {
        let path = path.as_ref();
        let size = std::fs::metadata(path).map_err(|error| Error::reading(path, &error))?.len();
        if size > tree::LARGEST {
            return Err(Problem::new(format!("The file has {size} bytes, which is no configuration"))
                .expected(format!("at most {} bytes", tree::LARGEST))
                .at(path)
                .into());
        }
        let text = Self::read_text(path)?;
        // The file is checked by itself first, so that an error in it names it and an error in a setting does not.
        let format = Format::of_extension(path);
        let alone = Self::import_text(&text, format, preset, &[]).map_err(|error| error.at(path))?;
        if settings.is_empty() { Ok(alone) } else { Self::import_text(&text, format, preset, settings) }
    }

    /// As [`Config::import`], from a text; without a format it is told from the text.
    ///
    /// # Errors
    /// As [`Config::import`].
    pub fn import_text(
        text: &str,
        format: Option<Format>,
        preset: Option<Preset>,
        settings: &[(String, String)],
    ) -> Result<Imported> {
        let format = format.unwrap_or_else(|| Format::of_content(text));
        let tree = tree::read(text, format)?;
        let leaves = known_or_not(tree, format);
        let foreign = leaves.1;
        let preset = preset.unwrap_or(if foreign { Preset::Reference } else { Preset::default() });
        let mut reading = Reading { explicit_loss: false, ..Reading::default() };
        if leaves.0.iter().any(|(path, _)| path.split('.').next().is_some_and(|first| first.ends_with("_config"))) {
            for (path, value) in names::TORCH_DEFAULTS {
                reading.put(path, Config::field(path)?.parse(value)?);
            }
        }
        for (path, value) in leaves.0 {
            reading.take(&path, value);
        }
        reading.conclude()?;
        let mut table = preset.config().to_table()?;
        if foreign && reading.given("training.epochs") && !reading.given("training.time_budget_s") {
            reading.put("training.time_budget_s", Value::String("none".to_owned()));
        }
        for (path, value) in reading.values {
            super::layer::put(&mut table, &path, value);
        }
        for (path, text) in settings {
            super::layer::put(&mut table, path, Self::field(path)?.parse(text)?);
        }
        let config = Self::from_table(table)?;
        Ok(Imported { config, preset, format, foreign, places: reading.places, notes: reading.notes })
    }
}

/// The values of a file, and whether some of its names are not ours. A TOML file that is laid out in our groups is ours, so
/// that a wrong name in it is a wrong name.
fn known_or_not(tree: Tree, format: Format) -> (Vec<(String, Tree)>, bool) {
    let groups: Vec<&str> = Config::fields().iter().map(|field| field.group()).collect();
    let grouped = match &tree {
        Tree::Map(entries) => {
            entries.iter().all(|(key, value)| groups.contains(&key.as_str()) && matches!(value, Tree::Map(_)))
        }
        _ => false,
    };
    let leaves = tree.leaves();
    let ours = leaves.iter().all(|(path, _)| Config::field(path).is_ok());
    let foreign = !(ours || grouped && format == Format::Toml);
    (leaves, foreign)
}

/// What has been read of a file so far.
#[derive(Default)]
struct Reading {
    /// Fields and their checked values, the later wins.
    values: Vec<(String, Value)>,
    places: Places,
    notes: Vec<String>,
    /// Names without effect, with their reasons.
    idle: Vec<(&'static str, Vec<String>)>,
    unknown: Vec<String>,
    refused: Vec<String>,
    /// Patterns per group, wherever they are named.
    channels: Vec<(String, i64)>,
    deprecated_groups: Option<Value>,
    explicit_loss: bool,
    weighted: bool,
}

impl Reading {
    fn put(&mut self, path: &str, value: Value) {
        self.values.retain(|(known, _)| known != path);
        self.values.push((path.to_owned(), value));
    }

    fn given(&self, path: &str) -> bool {
        self.values.iter().any(|(known, _)| known == path)
    }

    fn refuse(&mut self, name: &str, value: &Tree, reason: &str) {
        self.refused.push(format!("{name} = {value}: {reason}"));
    }

    /// Takes one value of the file.
    fn take(&mut self, path: &str, value: Tree) {
        if Config::field(path).is_ok() {
            // Null is "none" where that is legal, and nothing elsewhere, as in the original.
            return self.set(path, path, value);
        }
        let (mut part, mut name) = (Part::Any, path);
        while let Some((first, rest)) = name.split_once('.') {
            let Some(inner) = names::section(first) else { break };
            (part, name) = (inner, rest);
        }
        let Some((_, _, meaning)) = names::find(name, part) else {
            let near = nearest(path, name);
            return self.unknown.push(format!("{path} (nearest: {near})"));
        };
        if value == Tree::Null && !matches!(meaning, Meaning::Only(..) | Meaning::Idle(..)) {
            return;
        }
        let text = value.to_string().to_lowercase();
        match *meaning {
            Meaning::Field(field) => self.set(path, field, value),
            Meaning::Words(field, words) => {
                let other = words.iter().find(|(from, _)| *from == text);
                let value = other.map_or(value, |(_, to)| Tree::One(Value::String((*to).to_owned())));
                self.set(path, field, value);
            }
            Meaning::Idle(default, reason) => {
                if value != Tree::Null && !same(&text, default) {
                    match self.idle.iter_mut().find(|(known, _)| *known == reason) {
                        Some((_, names)) => names.push(name.to_owned()),
                        None => self.idle.push((reason, vec![name.to_owned()])),
                    }
                }
            }
            Meaning::Only(legal, reason) => {
                if !legal.iter().any(|legal| same(&text, legal)) {
                    let reason = format!("only {} is there, {reason}", legal.join(" or "));
                    self.refuse(path, &value, &reason);
                }
            }
            Meaning::Place(place) => self.place(path, place, &value),
            Meaning::Special(special) => self.special(path, special, value),
        }
    }

    /// Sets a field from a value of the file that is called `name` there.
    fn set(&mut self, name: &str, path: &str, value: Tree) {
        let field = match Config::field(path) {
            Ok(field) => field,
            Err(_) => return self.refuse(name, &value, "it is not there yet"),
        };
        let optional = matches!(field.kind, Kind::Integer { optional: true, .. } | Kind::Real { optional: true, .. });
        let checked = match &value {
            Tree::Null if optional => Ok(Value::String("none".to_owned())),
            Tree::Null => return,
            // Numbers may be written as texts ("1e9" is one in PyYAML), and whole ones with a decimal point.
            Tree::One(Value::String(text)) => field.parse(text),
            Tree::One(Value::Float(x)) if matches!(field.kind, Kind::Integer { .. }) && x.fract() == 0.0 => {
                field.parse(&format!("{x:.0}"))
            }
            Tree::One(Value::Integer(n @ (0 | 1))) if field.kind == Kind::Flag => Ok(Value::Boolean(*n == 1)),
            Tree::One(Value::Boolean(flag)) if matches!(field.kind, Kind::Choice { .. }) => {
                field.parse(&flag.to_string())
            }
            Tree::One(value) => field.check(value),
            Tree::List(_) | Tree::Map(_) => Err(Problem::new("a single value is expected").into()),
        };
        match checked {
            Ok(value) => self.put(path, value),
            Err(_) if name == path => self.refuse(name, &value, &format!("expected {}", field.range_in_words())),
            Err(_) => self.refuse(name, &value, &format!("{path} takes {}", field.range_in_words())),
        }
    }

    fn place(&mut self, name: &str, place: Place, value: &Tree) {
        let one = |value: &Tree| match value {
            Tree::One(Value::String(text)) if !text.is_empty() => Some(PathBuf::from(text)),
            _ => None,
        };
        let found = match value {
            Tree::List(values) => values.iter().map(one).collect::<Option<Vec<_>>>(),
            value => one(value).map(|path| vec![path]),
        };
        let Some(mut found) = found else { return self.refuse(name, value, "a path is expected") };
        match place {
            Place::Train => self.places.train.append(&mut found),
            Place::Test => self.places.test = found.pop(),
            Place::Output => self.places.output = found.pop(),
            Place::Model => self.places.model = found.pop(),
        }
    }

    fn special(&mut self, name: &str, special: Special, value: Tree) {
        let flag = match &value {
            Tree::One(Value::Boolean(flag)) => Some(*flag),
            Tree::One(Value::Integer(n @ (0 | 1))) => Some(*n == 1),
            Tree::One(Value::String(text)) => text.to_ascii_lowercase().parse().ok(),
            _ => None,
        };
        let number = match &value {
            Tree::One(Value::Integer(n)) => Some(*n),
            _ => None,
        };
        match special {
            Special::NImages => match number {
                Some(n) if n > 0 => self.deprecated_groups = Some(Value::Integer(n)),
                _ => self.refuse(name, &value, "a number of patterns is expected"),
            },
            Special::BatchSize => {
                if let Some(n) = number.filter(|n| *n > 0 && n.count_ones() != 1) {
                    self.notes
                        .push(format!("{name} = {n} is no power of two, which only PtychoPINN asks for; it is taken."));
                }
                self.set(name, "training.batch_size", value);
            }
            Special::GridSize => match &value {
                Tree::List(sides) if sides.len() == 2 && sides.first() == sides.last() => {
                    self.set(name, "model.gridsize", sides.first().cloned().unwrap_or(Tree::Null));
                }
                Tree::One(_) => self.set(name, "model.gridsize", value),
                _ => self.refuse(name, &value, "groups are square: two equal numbers are expected"),
            },
            Special::Channels => match number {
                Some(n) => self.channels.push((name.to_owned(), n)),
                None => self.refuse(name, &value, "a number of patterns is expected"),
            },
            Special::Nll => match flag {
                Some(true) => self.put("training.nll_weight", Value::Float(1.0)),
                Some(false) => {
                    self.put("training.nll_weight", Value::Float(0.0));
                    self.choose_loss("mae");
                }
                None => self.refuse(name, &value, "true or false is expected"),
            },
            Special::Weight(field) => {
                let usual = if field == "training.nll_weight" { "1" } else { "0" };
                self.weighted |= !same(&value.to_string(), usual);
                self.set(name, field, value);
            }
            Special::Loss => {
                self.explicit_loss = true;
                self.set(name, "training.loss", value);
            }
            Special::Sequential => match flag {
                Some(flag) => {
                    let how = if flag { "sequential" } else { "random" };
                    self.put("data.sampling", Value::String(how.to_owned()));
                }
                None => self.refuse(name, &value, "true or false is expected"),
            },
            Special::SubsampleSeed | Special::Seed => {
                let all = ["weights", "shuffle", "noise", "subsample", "grouping"];
                let purposes = if special == Special::Seed { &all[..] } else { &all[3..] };
                for purpose in purposes {
                    self.set(name, &format!("execution.seeds.{purpose}"), value.clone());
                }
            }
            Special::Checkpoints => match flag {
                Some(flag) => self.put("training.autosave_epochs", Value::Integer(i64::from(flag))),
                None => self.refuse(name, &value, "true or false is expected"),
            },
        }
    }

    /// Chooses a loss unless the file names one.
    fn choose_loss(&mut self, loss: &str) {
        if !self.explicit_loss {
            self.put("training.loss", Value::String(loss.to_owned()));
        }
    }

    /// What can only be said when all is read.
    ///
    /// # Errors
    /// Everything that is unknown or refused, at once.
    fn conclude(&mut self) -> Result<()> {
        if let Some(groups) = self.deprecated_groups.take() {
            self.notes.push("n_images is the deprecated name of n_groups.".to_owned());
            if !self.given("data.n_groups") {
                self.put("data.n_groups", groups);
            }
        }
        if self.weighted && !self.explicit_loss && !self.given("training.loss") {
            self.choose_loss("weighted");
        }
        let gridsize = self.values.iter().rev().find(|(path, _)| path == "model.gridsize").map(|(_, value)| value);
        let gridsize = gridsize.and_then(Value::as_integer).unwrap_or(1);
        for (name, n) in std::mem::take(&mut self.channels) {
            if n != gridsize * gridsize {
                let value = Tree::One(Value::Integer(n));
                self.refuse(&name, &value, &format!("gridsize {gridsize} has groups of {}", gridsize * gridsize));
            }
        }
        for (reason, names) in &self.idle {
            self.notes.push(format!("Without effect here: {} ({reason}).", names.join(", ")));
        }
        if self.unknown.is_empty() && self.refused.is_empty() {
            return Ok(());
        }
        let mut parts = Vec::new();
        if !self.unknown.is_empty() {
            parts.push(format!("Unknown in the configuration: {}", self.unknown.join(", ")));
        }
        if !self.refused.is_empty() {
            parts.push(format!("Not possible here: {}", self.refused.join("; ")));
        }
        Err(Problem::new(parts.join(". "))
            .hint("Change or remove these; `ptychoscope config --fields` lists all fields")
            .into())
    }
}

/// Whether two values are the same, as texts or as numbers.
fn same(text: &str, other: &str) -> bool {
    let other = other.to_lowercase();
    let number = |text: &str| text.parse::<f64>().ok();
    text == other || matches!((number(text), number(&other)), (Some(a), Some(b)) if a == b)
}

/// The known name nearest to one that is not: a field, or a name of PtychoPINN.
fn nearest(path: &str, name: &str) -> String {
    let last = name.rsplit('.').next().unwrap_or(name);
    let fields = Config::fields().into_iter().map(|field| (edit_distance(field.path, path), field.path));
    let others =
        names::NAMES.iter().flat_map(|(names, ..)| names.iter()).map(|other| (4 * edit(other, last) + 2, *other));
    fields.chain(others).min_by_key(|(distance, _)| *distance).map(|(_, name)| name.to_owned()).unwrap_or_default()
}

fn edit(a: &str, b: &str) -> usize {
    super::layer::levenshtein(&a.to_lowercase(), &b.to_lowercase())
}

#[cfg(test)]
mod tests;
