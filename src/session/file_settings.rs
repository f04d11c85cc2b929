//! Data settings: the fields of the configuration that describe one dataset, remembered per file.

use super::Draft;
use crate::config::Config;
use crate::error::Result;
use std::path::{Path, PathBuf};

/// Maximum number of files whose settings are remembered.
const MAX_FILES: usize = 300;
/// Fields that belong to a dataset, besides those of [`GROUPS`].
const FIELDS: &[&str] = &[
    "data.diffraction_unit",
    "data.crop",
    "data.bin",
    "data.pad",
    "data.pattern_size",
    "data.center",
    "data.center_x",
    "data.center_y",
    "data.zero_frequency",
    "data.exclude",
    "data.saturation",
    "data.zingers",
    "data.background",
    "data.detector_orientation",
    "data.orientation",
    "data.also",
];
/// Groups of fields of which all belong to a dataset.
const GROUPS: &[&str] = &["data.mapping.", "data.geometry."];

/// Dotted paths and values, as for `--set`, in the order of the fields.
pub type Settings = Vec<(String, String)>;

/// True if a field describes a dataset, so that its value must not apply to another one.
pub fn belongs_to_dataset(path: &str) -> bool {
    FIELDS.contains(&path) || GROUPS.iter().any(|group| path.starts_with(group))
}

/// The data settings of a configuration that differ from the defaults.
pub fn settings_of(config: &Config) -> Settings {
    all_settings(config)
        .into_iter()
        .zip(all_settings(&Config::default()))
        .filter_map(|(ours, default)| (ours != default).then_some(ours))
        .collect()
}

/// The data settings of a configuration that differ from the defaults, as a configuration file: a set-up to share. Opened, it
/// changes nothing else.
///
/// # Errors
/// A value cannot be written as TOML.
pub fn setup_toml(config: &Config) -> Result<String> {
    config.changed_toml(&Config::default(), &belongs_to_dataset)
}

/// True if a configuration differs from the default preset in data settings only.
pub(super) fn is_setup(config: &Config) -> bool {
    let theirs = settings_of(config);
    let mut plain = Draft::default();
    replace(&mut plain, &theirs);
    !theirs.is_empty() && plain.config() == config
}

/// All data settings of a configuration.
pub(super) fn all_settings(config: &Config) -> Settings {
    let texts = config.texts().unwrap_or_default();
    let fields = Config::fields().into_iter().zip(texts);
    fields.filter(|(field, _)| belongs_to_dataset(field.path)).map(|(f, text)| (f.path.to_owned(), text)).collect()
}

/// Replaces all data settings of a draft: those not listed get their defaults.
pub(super) fn replace(draft: &mut Draft, settings: &[(String, String)]) {
    for (path, default) in all_settings(&Config::default()) {
        let text = settings.iter().find(|(known, _)| *known == path).map_or(default, |(_, text)| text.clone());
        if draft.text(&path).is_ok_and(|now| now != text) {
            draft.set(&path, &text);
        }
    }
}

/// Data settings by file, latest first.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct FileSettings(Vec<(PathBuf, Settings)>);

impl FileSettings {
    /// From a stored list.
    pub fn new(mut list: Vec<(PathBuf, Settings)>) -> Self {
        list.truncate(MAX_FILES);
        Self(list)
    }

    /// The list, to be stored.
    pub fn list(&self) -> &[(PathBuf, Settings)] {
        &self.0
    }

    /// Settings remembered for a file.
    pub fn of(&self, path: &Path) -> Option<&Settings> {
        self.0.iter().find(|(known, _)| known == path).map(|(_, settings)| settings)
    }

    /// Remembers the settings of a file.
    pub(super) fn remember(&mut self, path: &Path, settings: Settings) {
        self.0.retain(|(known, _)| known != path);
        self.0.insert(0, (path.to_path_buf(), settings));
        self.0.truncate(MAX_FILES);
    }
}

/// Data settings of the previously open file, which do not apply to the open one.
#[derive(Debug, Clone, PartialEq)]
pub struct LeftBehind {
    /// Path of that file.
    pub file: PathBuf,
    /// Its settings.
    pub settings: Settings,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mask_geometry_keys_and_crop_belong_to_a_dataset_and_the_rest_to_the_job() {
        for path in ["data.mapping.mask_file", "data.geometry.pixel_size_m", "data.mapping.x", "data.crop"] {
            assert!(belongs_to_dataset(path), "{path}");
        }
        for path in ["data.n_subsample", "data.max_memory", "training.epochs", "direct.epochs", "data.probe_modes"] {
            assert!(!belongs_to_dataset(path), "{path}");
        }
        for path in FIELDS {
            assert!(Config::field(path).is_ok(), "{path}");
        }
        // Every further field of the data is decided on here: these belong to the job.
        let of_job = "strict n_subsample max_memory n_groups sampling rng neighbor_count neighbor_pool_size seed_in_group \
                      enable_oversampling validation_fraction probe_mask probe_mask_diameter probe_mask_sigma probe_modes";
        for field in Config::fields().into_iter().filter(|field| !belongs_to_dataset(field.path)) {
            let name = field.path.strip_prefix("data.");
            assert!(name.is_none_or(|name| of_job.split_whitespace().any(|one| one == name)), "{}", field.path);
        }
    }

    #[test]
    fn data_settings_are_replaced_as_a_whole_and_other_fields_stay() {
        let mut draft = Draft::default();
        for (path, text) in [("data.crop", "64"), ("data.mapping.x", "px"), ("training.batch_size", "4")] {
            draft.set(path, text);
        }
        let pair = |path: &str, text: &str| (path.to_owned(), text.to_owned());
        assert_eq!(settings_of(draft.config()), [pair("data.crop", "64"), pair("data.mapping.x", "px")]);
        replace(&mut draft, &[pair("data.orientation", "swap")]);
        assert_eq!(settings_of(draft.config()), [pair("data.orientation", "swap")]);
        draft.set("data.crop", "many");
        replace(&mut draft, &[]);
        assert_eq!((settings_of(draft.config()), draft.field_error("data.crop")), (vec![], None));
        assert_eq!(draft.config().training.batch_size, 4);
    }

    #[test]
    fn a_set_up_holds_the_data_settings_only_and_is_recognized() {
        let mut draft = Draft::default();
        draft.set("data.crop", "128");
        draft.set("data.mapping.x", "motors/samx");
        draft.set("data.geometry.energy_ev", "8333");
        let text = setup_toml(draft.config()).unwrap();
        assert_eq!(text.lines().filter(|line| line.contains('=')).count(), 3, "{text}");
        let read = Config::import_text(&text, None, None, &[]).unwrap().config;
        assert!(is_setup(&read) && settings_of(&read) == settings_of(draft.config()));
        draft.set("training.batch_size", "4");
        assert!(!is_setup(draft.config()) && !is_setup(&Config::default()));
    }

    #[test]
    fn settings_are_remembered_for_a_bounded_number_of_files_latest_first() {
        let mut files = FileSettings::default();
        for number in 0..MAX_FILES + 5 {
            files.remember(Path::new(&number.to_string()), Vec::new());
        }
        files.remember(Path::new("9"), vec![("data.crop".into(), "8".into())]);
        assert_eq!((files.list().len(), files.of(Path::new("0"))), (MAX_FILES, None));
        assert_eq!(files.list()[0].0, Path::new("9"));
        assert_eq!(files.of(Path::new("9")).map(Vec::len), Some(1));
    }
}
