//! Shipped set-ups: how the files of an instrument are read, as configuration files with nothing but settings of the group data.

use crate::error::{Error, Problem, Result};
use std::path::Path;

/// A shipped set-up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Setup {
    /// Name, which `--config` takes in place of a file.
    pub name: &'static str,
    /// Configuration file (TOML) that begins with a description.
    pub text: &'static str,
}

/// The set-up in a file of `assets/setups`.
macro_rules! shipped {
    ($($name:literal),* $(,)?) => {
        &[$(Setup { name: $name, text: include_str!(concat!("../../../assets/setups/", $name, ".toml")) }),*]
    };
}

impl Setup {
    /// All shipped set-ups, by name.
    pub const ALL: &'static [Self] = shipped!(
        "aps-2id",
        "aps-isn",
        "aps-lynx",
        "aps-polar",
        "aps-ptychosaxs",
        "aps-velociprobe",
        "diamond-i08",
        "diamond-i13",
        "esrf-id16a",
        "fermi-diproi",
        "lcls-amo",
        "lcls-xpp",
        "maxiv-nanomax",
        "nsls2-diffamp",
        "nsls2-hxn",
        "nsls2-matlab",
        "nxcxi",
        "ptychoshelves",
        "sls-csaxs",
    );

    /// The set-up of this name.
    ///
    /// # Errors
    /// There is none.
    pub fn named(name: &str) -> Result<Self> {
        Self::ALL.iter().copied().find(|setup| setup.name == name).ok_or_else(|| {
            let names: Vec<&str> = Self::ALL.iter().map(|setup| setup.name).collect();
            Error::BadInput(
                Problem::new(format!("There is no set-up {name:?}"))
                    .expected(names.join(", "))
                    .hint("`ptychoscope config setups` describes them"),
            )
        })
    }

    /// The set-up that a path names, unless there is a file of this name.
    pub fn at(path: &Path) -> Option<Self> {
        let name = path.to_str().filter(|_| !path.exists())?;
        Self::named(name).ok()
    }

    /// Description, the comment at the beginning.
    pub fn about(&self) -> String {
        let comment = self.text.lines().map_while(|line| line.strip_prefix("# "));
        comment.collect::<Vec<_>>().join(". ")
    }
}

#[cfg(test)]
mod tests {
    use super::super::Config;
    use super::*;

    #[test]
    fn shipped_setups_are_configurations_that_only_say_how_data_are_read() {
        let files = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../../assets/setups")).unwrap();
        assert_eq!(files.count(), Setup::ALL.len());
        for setup in Setup::ALL {
            let settings = Config::from_toml(setup.text).unwrap().differences(&Config::default()).unwrap();
            assert!(
                !settings.is_empty() && settings.iter().all(|setting| setting.starts_with("data.")),
                "{}",
                setup.name
            );
            assert!(setup.about().len() > 20, "{}", setup.name);
            let imported = Config::import(Path::new(setup.name), None, &[]).unwrap();
            assert_eq!(imported.config, Config::from_toml(setup.text).unwrap());
            assert_eq!(Config::load(setup.name).unwrap(), imported.config);
        }
        assert!(Setup::named("aps").unwrap_err().to_string().contains("aps-isn"));
    }
}
