//! The user's presets: one TOML file each, in one folder.

use crate::checkpoint::write_atomic;
use crate::config::Config;
use crate::error::{Error, Problem, Result};
use crate::system::file_stem;
use std::path::{Path, PathBuf};

/// Maximum length of a preset name, in characters.
const LONGEST_NAME: usize = 60;

/// A configuration saved by the user under a name.
#[derive(Debug, Clone, PartialEq)]
pub struct UserPreset {
    /// Name of the preset, without the extension of its file.
    pub name: String,
    /// The configuration; `None` if the file is not valid.
    pub config: Option<Box<Config>>,
    /// Reason why the file is not valid.
    pub problem: Option<String>,
}

/// Reason why a preset cannot have this name; `None` if it can.
pub fn preset_name_error(name: &str) -> Option<&'static str> {
    let name = name.trim();
    if name.is_empty() {
        return Some("Enter a name");
    }
    if name.chars().count() > LONGEST_NAME {
        return Some("The name is too long");
    }
    let plain = |c: char| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_' | '+' | '(' | ')');
    if !name.chars().all(|c| plain(c) || c == '.') || name.starts_with('.') {
        return Some("Use only letters, digits, spaces and - _ + . ( )");
    }
    if crate::config::Preset::from_name(&name.to_lowercase()).is_ok() {
        return Some("A built-in preset has this name");
    }
    None
}

/// Presets in a folder, sorted by name; none if the folder does not exist.
pub(super) fn list(folder: &Path) -> Vec<UserPreset> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let mut files: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "toml"));
    files.sort();
    files
        .into_iter()
        .map(|path| {
            let name = file_stem(&path);
            match Config::load(&path) {
                Ok(config) => UserPreset { name, config: Some(Box::new(config)), problem: None },
                Err(error) => UserPreset { name, config: None, problem: Some(error.to_string()) },
            }
        })
        .collect()
}

/// Writes a preset, replacing one of the same name.
///
/// # Errors
/// The name is not allowed, or the file cannot be written.
pub(super) fn save(folder: &Path, name: &str, config: &Config) -> Result<()> {
    let path = file(folder, name)?;
    std::fs::create_dir_all(folder).map_err(|error| Error::writing(folder, &error))?;
    write_atomic(path, config.to_toml()?.as_bytes())
}

/// Deletes a preset.
///
/// # Errors
/// There is no preset of this name, or it cannot be deleted.
pub(super) fn delete(folder: &Path, name: &str) -> Result<()> {
    let path = file(folder, name)?;
    std::fs::remove_file(&path)
        .map_err(|error| Error::Failed(Problem::new(format!("Cannot delete the preset {name:?} ({error})")).at(path)))
}

/// Path of the file of a preset.
fn file(folder: &Path, name: &str) -> Result<PathBuf> {
    match preset_name_error(name) {
        None => Ok(folder.join(format!("{}.toml", name.trim()))),
        Some(reason) => Err(Error::BadInput(Problem::new(format!("A preset cannot be named {name:?}")).hint(reason))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Preset;

    #[test]
    fn a_preset_comes_back_from_its_file_until_it_is_deleted() {
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().join("presets");
        assert!(list(&folder).is_empty());
        let config = Preset::Reference.config();
        save(&folder, "My beamline 2.1", &config).unwrap();
        save(&folder, "another", &Config::default()).unwrap();
        let found = list(&folder);
        assert_eq!(found.iter().map(|preset| preset.name.as_str()).collect::<Vec<_>>(), ["My beamline 2.1", "another"]);
        assert_eq!(found[0].config.as_deref(), Some(&config));
        delete(&folder, "another").unwrap();
        assert_eq!(list(&folder).len(), 1);
        assert!(delete(&folder, "another").unwrap_err().to_string().contains("another"));
    }

    #[test]
    fn a_file_that_is_no_configuration_is_listed_with_its_problem() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("old.toml"), "[model]\nridges = 3\n").unwrap();
        let found = list(folder.path());
        assert!(found[0].config.is_none() && found[0].problem.as_ref().unwrap().contains("ridges"));
    }

    #[test]
    fn a_name_never_leads_out_of_the_folder() {
        for name in ["", "  ", "../up", "a/b", "a\\b", ".hidden", "recipe", "Reference", "x\0"] {
            assert!(preset_name_error(name).is_some(), "{name:?}");
            assert!(save(Path::new("/nowhere"), name, &Config::default()).is_err());
        }
        assert_eq!(preset_name_error("N = 64".replace(" =", "").as_str()), None);
        assert!(preset_name_error(&"x".repeat(61)).is_some());
    }
}
