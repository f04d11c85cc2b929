//! Configuration files: native ones in TOML, YAML or JSON, and those of PtychoPINN in all its layouts (A§10).
//!
//! Hazard: PtychoPINN ignores unknown names, so a typo trains something else; and the same name has different meanings in its
//! layouts. Remedy: every name in a file is either a field, or ignored with a note, or rejected; unknown names are listed
//! together, each with the nearest known name.

mod export;
mod names;
mod tree;

pub use export::{Layout, write};
pub use names::{Entry, dictionary};
pub use tree::Format;

use super::layer::edit_distance;
use super::{Config, Kind, Preset};
use crate::error::{Error, Problem, Result};
use names::{Meaning, PathRole, Section, Special};
use std::path::{Path, PathBuf};
use toml::Value;
use tree::Tree;

/// Input and output files of a run that are named in a configuration of PtychoPINN.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ConfigPaths {
    /// Datasets to train on.
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
    /// Preset with the settings of the file. Contradictions between fields are not checked: see [`Config::validate`].
    pub config: Config,
    /// Preset that supplies missing fields.
    pub preset: Preset,
    /// Format of the file.
    pub format: Format,
    /// True if the file uses the names of PtychoPINN.
    pub is_ptychopinn: bool,
    /// Files and folders that it names.
    pub paths: ConfigPaths,
    /// Notes for the user.
    pub notes: Vec<String>,
    /// Unknown names that were left out, each with the nearest known name; empty unless read with [`Config::import_known`].
    pub unknown: Vec<String>,
}

impl Imported {
    /// Description of the file in one sentence.
    pub fn description(&self, path: &Path) -> String {
        let what = if self.is_ptychopinn { "a configuration of PtychoPINN" } else { "a configuration" };
        let rest = if self.is_ptychopinn {
            format!("; the preset {} supplies missing settings", self.preset.name())
        } else {
            String::new()
        };
        format!("{} is {what} in {}{rest}.", path.display(), self.format.name())
    }
}

impl Config {
    /// Reads a configuration file of any format and layout. The preset (default: `recipe`, or `reference` for a file of
    /// PtychoPINN) supplies missing fields; settings (`path`, text) override the file.
    ///
    /// # Errors
    /// The file cannot be read, is too large, contains unknown names (all are listed), or an illegal value.
    pub fn import(path: impl AsRef<Path>, preset: Option<Preset>, settings: &[(String, String)]) -> Result<Imported> {
        let path = path.as_ref();
        let (text, format) = Self::text_of(path)?;
        // The file is checked without the settings first: only an error in the file itself shall name the file.
        let alone = Self::import_text(&text, format, preset, &[]).map_err(|error| error.at(path))?;
        if settings.is_empty() { Ok(alone) } else { Self::import_text(&text, format, preset, settings) }
    }

    /// As [`Config::import`], but unknown names are left out and listed, where the user is told at once. At least half of the
    /// names must be known: another file is no configuration.
    ///
    /// # Errors
    /// As [`Config::import`], apart from unknown names.
    pub fn import_known(path: impl AsRef<Path>) -> Result<Imported> {
        let path = path.as_ref();
        let (text, format) = Self::text_of(path)?;
        Self::import_with(&text, format, None, &[], true).map_err(|error| error.at(path))
    }

    /// Text of a configuration file and its format by its ending.
    fn text_of(path: &Path) -> Result<(String, Option<Format>)> {
        if let Some(setup) = super::Setup::at(path) {
            return Ok((setup.text.to_owned(), Some(Format::Toml)));
        }
        let size = std::fs::metadata(path).map_err(|error| Error::reading(path, &error))?.len();
        if size > tree::MAX_BYTES {
            return Err(Problem::new(format!("The file has {size} bytes, which is too large for a configuration"))
                .expected(format!("at most {} bytes", tree::MAX_BYTES))
                .at(path)
                .into());
        }
        Ok((Self::read_text(path)?, Format::of_extension(path)))
    }

    /// As [`Config::import`], from a text; without a format, it is detected from the text.
    ///
    /// # Errors
    /// As [`Config::import`].
    pub fn import_text(
        text: &str,
        format: Option<Format>,
        preset: Option<Preset>,
        settings: &[(String, String)],
    ) -> Result<Imported> {
        Self::import_with(text, format, preset, settings, false)
    }

    fn import_with(
        text: &str,
        format: Option<Format>,
        preset: Option<Preset>,
        settings: &[(String, String)],
        only_known: bool,
    ) -> Result<Imported> {
        let format = format.unwrap_or_else(|| Format::of_content(text));
        let tree = tree::read(text, format)?;
        let (leaves, is_ptychopinn) = classify(tree, format);
        let preset = preset.unwrap_or(if is_ptychopinn { Preset::Reference } else { Preset::default() });
        let mut import = Import::default();
        if leaves.iter().any(|(path, _)| path.split('.').next().is_some_and(|first| first.ends_with("_config"))) {
            for (path, value) in names::TORCH_DEFAULTS {
                import.put(path, Config::field(path)?.parse(value)?);
            }
        }
        for (path, value) in leaves {
            import.apply(&path, value);
        }
        let skips = only_known && import.values.len() >= import.unknown.len();
        let unknown = if skips { std::mem::take(&mut import.unknown) } else { Vec::new() };
        import.finish()?;
        let mut table = preset.config().to_table()?;
        if is_ptychopinn && import.given("training.epochs") && !import.given("training.time_budget_s") {
            import.put("training.time_budget_s", Value::String("none".to_owned()));
        }
        for (path, value) in import.values {
            super::layer::put(&mut table, &path, value);
        }
        for (path, text) in settings {
            super::layer::put(&mut table, path, Self::field(path)?.parse(text)?);
        }
        let config = Self::from_table(table)?;
        Ok(Imported { config, preset, format, is_ptychopinn, paths: import.paths, notes: import.notes, unknown })
    }
}

/// Values of a file, and true if it uses the names of PtychoPINN. A TOML file laid out in native groups is native, so that
/// an unknown name in it is an error.
fn classify(tree: Tree, format: Format) -> (Vec<(String, Tree)>, bool) {
    let groups: Vec<&str> = Config::fields().iter().map(|field| field.group()).collect();
    let grouped = match &tree {
        Tree::Map(entries) => {
            entries.iter().all(|(key, value)| groups.contains(&key.as_str()) && matches!(value, Tree::Map(_)))
        }
        _ => false,
    };
    let leaves = tree.leaves();
    let native = leaves.iter().all(|(path, _)| Config::field(path).is_ok());
    (leaves, !(native || grouped && format == Format::Toml))
}

/// State of reading a file.
#[derive(Default)]
struct Import {
    /// Fields and their checked values; the last one applies.
    values: Vec<(String, Value)>,
    paths: ConfigPaths,
    notes: Vec<String>,
    /// Reasons for settings without effect, and their names.
    ignored: Vec<(&'static str, Vec<String>)>,
    unknown: Vec<String>,
    rejected: Vec<String>,
    /// Settings of the number of patterns per group.
    channels: Vec<(String, i64)>,
    deprecated_groups: Option<Value>,
    explicit_loss: bool,
    weighted: bool,
}

impl Import {
    fn put(&mut self, path: &str, value: Value) {
        self.values.retain(|(known, _)| known != path);
        self.values.push((path.to_owned(), value));
    }

    fn given(&self, path: &str) -> bool {
        self.values.iter().any(|(known, _)| known == path)
    }

    fn reject(&mut self, name: &str, value: &Tree, reason: &str) {
        self.rejected.push(format!("{name} = {value}: {reason}"));
    }

    /// Applies one value of the file.
    fn apply(&mut self, path: &str, value: Tree) {
        if Config::field(path).is_ok() {
            // As in PtychoPINN, null is "none" where that is legal, and ignored elsewhere.
            return self.set(path, path, value);
        }
        let (mut section, mut name) = (Section::Any, path);
        while let Some((first, rest)) = name.split_once('.') {
            let Some(inner) = names::section(first) else { break };
            (section, name) = (inner, rest);
        }
        let Some((_, _, meaning)) = names::find(name, section) else {
            let near = nearest(path, name).map_or_else(String::new, |near| format!(" (nearest: {near})"));
            return self.unknown.push(format!("{path}{near}"));
        };
        if value == Tree::Null && !matches!(meaning, Meaning::Required(..) | Meaning::Ignored(..)) {
            return;
        }
        let text = value.to_string().to_lowercase();
        match *meaning {
            Meaning::Field(field) => self.set(path, field, value),
            Meaning::Translated(field, words) => {
                let other = words.iter().find(|(from, _)| *from == text);
                let value = other.map_or(value, |(_, to)| Tree::One(Value::String((*to).to_owned())));
                self.set(path, field, value);
            }
            Meaning::Ignored(default, reason) => {
                if value != Tree::Null && !same(&text, default) {
                    match self.ignored.iter_mut().find(|(known, _)| *known == reason) {
                        Some((_, names)) => names.push(name.to_owned()),
                        None => self.ignored.push((reason, vec![name.to_owned()])),
                    }
                }
            }
            Meaning::Required(legal, reason) => {
                if !legal.iter().any(|legal| same(&text, legal)) {
                    let reason = format!("only {} is supported: {reason}", legal.join(" or "));
                    self.reject(path, &value, &reason);
                }
            }
            Meaning::Path(role) => self.path(path, role, &value),
            Meaning::Special(special) => self.special(path, special, value),
        }
    }

    /// Sets a field from a value of the file, where its name is `name`.
    fn set(&mut self, name: &str, path: &str, value: Tree) {
        let field = match Config::field(path) {
            Ok(field) => field,
            Err(_) => return self.reject(name, &value, "there is no such field"),
        };
        let optional = matches!(field.kind, Kind::Integer { optional: true, .. } | Kind::Real { optional: true, .. });
        let checked = match &value {
            Tree::Null if optional => Ok(Value::String("none".to_owned())),
            Tree::Null => return,
            // Numbers may be written as text ("1e9" is text in PyYAML), and whole numbers with a decimal point.
            Tree::One(Value::String(text)) => field.parse(text),
            Tree::One(Value::Float(x)) if matches!(field.kind, Kind::Integer { .. }) && x.fract() == 0.0 => {
                field.parse(&format!("{x:.0}"))
            }
            Tree::One(Value::Integer(n @ (0 | 1))) if field.kind == Kind::Flag => Ok(Value::Boolean(*n == 1)),
            Tree::One(Value::Boolean(flag)) if matches!(field.kind, Kind::Choice { .. }) => {
                field.parse(&flag.to_string())
            }
            Tree::One(value) => field.check(value),
            Tree::List(_) | Tree::Map(_) => Err(Problem::new("expected a single value").into()),
        };
        match checked {
            Ok(value) => self.put(path, value),
            Err(_) if name == path => self.reject(name, &value, &format!("expected {}", field.range_text())),
            Err(_) => self.reject(name, &value, &format!("{path} expects {}", field.range_text())),
        }
    }

    fn path(&mut self, name: &str, role: PathRole, value: &Tree) {
        let one = |value: &Tree| match value {
            Tree::One(Value::String(text)) if !text.is_empty() => Some(PathBuf::from(text)),
            _ => None,
        };
        let found = match value {
            Tree::List(values) => values.iter().map(one).collect::<Option<Vec<_>>>(),
            value => one(value).map(|path| vec![path]),
        };
        let Some(mut found) = found else { return self.reject(name, value, "expected a path") };
        match role {
            PathRole::Train => self.paths.train.append(&mut found),
            PathRole::Test => self.paths.test = found.pop(),
            PathRole::Output => self.paths.output = found.pop(),
            PathRole::Model => self.paths.model = found.pop(),
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
                _ => self.reject(name, &value, "expected a number of patterns"),
            },
            Special::BatchSize => {
                if let Some(n) = number.filter(|n| *n > 0 && n.count_ones() != 1) {
                    self.notes.push(format!(
                        "{name} = {n} is not a power of two, which only PtychoPINN requires; it is used unchanged."
                    ));
                }
                self.set(name, "training.batch_size", value);
            }
            Special::GridSize => match &value {
                Tree::List(sides) if sides.len() == 2 && sides.first() == sides.last() => {
                    self.set(name, "model.gridsize", sides.first().cloned().unwrap_or(Tree::Null));
                }
                Tree::One(_) => self.set(name, "model.gridsize", value),
                _ => self.reject(name, &value, "expected two equal numbers, since groups are square"),
            },
            Special::Channels => match number {
                Some(n) => self.channels.push((name.to_owned(), n)),
                None => self.reject(name, &value, "expected a number of patterns"),
            },
            Special::Nll | Special::Sequential | Special::Checkpoints => match flag {
                Some(flag) => self.special_flag(special, flag),
                None => self.reject(name, &value, "expected true or false"),
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
            Special::SubsampleSeed | Special::Seed => {
                let all = ["weights", "shuffle", "noise", "subsample", "grouping"];
                let purposes = if special == Special::Seed { &all[..] } else { &all[3..] };
                for purpose in purposes {
                    self.set(name, &format!("execution.seeds.{purpose}"), value.clone());
                }
            }
        }
    }

    fn special_flag(&mut self, special: Special, flag: bool) {
        match special {
            Special::Sequential => {
                let sampling = if flag { "sequential" } else { "random" };
                self.put("data.sampling", Value::String(sampling.to_owned()));
            }
            Special::Checkpoints => self.put("training.autosave_epochs", Value::Integer(i64::from(flag))),
            _ => {
                self.put("training.nll_weight", Value::Float(f64::from(u8::from(flag))));
                if !flag {
                    self.choose_loss("mae");
                }
            }
        }
    }

    /// Grid size of the file, 1 if it names none.
    fn gridsize(&self) -> i64 {
        let given = self.values.iter().rev().find(|(path, _)| path == "model.gridsize").map(|(_, value)| value);
        given.and_then(Value::as_integer).unwrap_or(1)
    }

    /// Sets the loss unless the file names one.
    fn choose_loss(&mut self, loss: &str) {
        if !self.explicit_loss {
            self.put("training.loss", Value::String(loss.to_owned()));
        }
    }

    /// Evaluates what depends on the whole file.
    ///
    /// # Errors
    /// All unknown and rejected settings at once.
    fn finish(&mut self) -> Result<()> {
        if let Some(groups) = self.deprecated_groups.take() {
            self.notes.push("n_images is the deprecated name of n_groups.".to_owned());
            // A group of one pattern is the pattern: no other pattern is used for anything.
            let field = if self.gridsize() == 1 { "data.n_subsample" } else { "data.n_groups" };
            if !self.given("data.n_groups") && !self.given(field) {
                self.put(field, groups);
            }
        }
        if self.weighted && !self.explicit_loss && !self.given("training.loss") {
            self.choose_loss("weighted");
        }
        let gridsize = self.gridsize();
        for (name, n) in std::mem::take(&mut self.channels) {
            if n != gridsize * gridsize {
                let value = Tree::One(Value::Integer(n));
                self.reject(
                    &name,
                    &value,
                    &format!("gridsize {gridsize} has groups of {} patterns", gridsize * gridsize),
                );
            }
        }
        for (reason, names) in &self.ignored {
            self.notes.push(format!("Settings without effect here: {} ({reason}).", names.join(", ")));
        }
        if self.unknown.is_empty() && self.rejected.is_empty() {
            return Ok(());
        }
        let mut parts = Vec::new();
        if !self.unknown.is_empty() {
            parts.push(format!("Unknown settings: {}", self.unknown.join(", ")));
        }
        if !self.rejected.is_empty() {
            parts.push(format!("Unsupported settings: {}", self.rejected.join("; ")));
        }
        Err(Problem::new(parts.join(". "))
            .hint("Change or remove them; `ptychoscope config --fields` lists all fields")
            .into())
    }
}

/// True if two values are equal as text or as numbers.
fn same(text: &str, other: &str) -> bool {
    let other = other.to_lowercase();
    let number = |text: &str| text.parse::<f64>().ok();
    text == other || matches!((number(text), number(&other)), (Some(a), Some(b)) if a == b)
}

/// Known name nearest to an unknown one: a field, or a name of PtychoPINN; `None` if it is too different to be meant.
fn nearest(path: &str, name: &str) -> Option<String> {
    let last = name.rsplit('.').next().unwrap_or(name);
    let fields = Config::fields().into_iter().map(|field| (edit_distance(field.path, path), field.path));
    let others =
        names::NAMES.iter().flat_map(|(names, ..)| names.iter()).map(|other| (4 * edit(other, last) + 2, *other));
    let (_, near) = fields.chain(others).min_by_key(|(distance, _)| *distance)?;
    let is_alike = edit(near.rsplit('.').next().unwrap_or(near), last) <= 2.max(last.len() / 3);
    is_alike.then(|| near.to_owned())
}

fn edit(a: &str, b: &str) -> usize {
    strsim::levenshtein(&a.to_lowercase(), &b.to_lowercase())
}

#[cfg(test)]
mod tests;
