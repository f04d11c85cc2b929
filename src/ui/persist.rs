//! What is kept between two starts, each under a versioned key of its own: what cannot be read falls back, and is said.

use super::layout::{self, Pane};
use crate::session::State;
use crate::worker::message::LivePace;
use eframe::Storage;
use eframe::egui::ThemePreference;
use egui_tiles::Tree;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::path::PathBuf;

const LAYOUT: &str = "layout.1";
const SETTINGS: &str = "settings.1";
const CONFIG: &str = "config.1";

/// Settings of the window.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Settings {
    pub theme: ThemePreference,
    pub zoom: f32,
    pub recent: Vec<PathBuf>,
    pub runs_folder: PathBuf,
    pub pace: LivePace,
    pub first_look: bool,
    pub watch_folder: Option<PathBuf>,
    pub watch_polish: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            theme: ThemePreference::System,
            zoom: 1.0,
            recent: Vec::new(),
            runs_folder: PathBuf::from("runs"),
            pace: LivePace::default(),
            first_look: true,
            watch_folder: None,
            watch_polish: 0,
        }
    }
}

/// The folder that holds the user's presets; empty if the system names none.
pub(super) fn presets_folder() -> PathBuf {
    directories::ProjectDirs::from("", "", super::APP_ID)
        .map(|dirs| dirs.config_dir().join("presets"))
        .unwrap_or_default()
}

/// What was kept, and what could not be read of it.
pub(super) struct Kept {
    pub settings: Settings,
    pub tree: Tree<Pane>,
    pub config: Option<String>,
    pub lost: Vec<&'static str>,
}

/// Reads what was kept.
pub(super) fn load(storage: Option<&dyn Storage>) -> Kept {
    let mut lost = Vec::new();
    let settings = read(storage, SETTINGS, "settings of the window", &mut lost).unwrap_or_default();
    let tree = read::<Tree<Pane>>(storage, LAYOUT, "layout", &mut lost);
    // A layout of another version has other panels.
    let tree = tree.filter(|tree| {
        layout::is_complete(tree) || {
            lost.push("layout");
            false
        }
    });
    let config = read(storage, CONFIG, "configuration", &mut lost);
    Kept { settings, tree: tree.unwrap_or_else(layout::default_tree), config, lost }
}

fn read<T: DeserializeOwned>(
    storage: Option<&dyn Storage>,
    key: &str,
    what: &'static str,
    lost: &mut Vec<&'static str>,
) -> Option<T> {
    let text = storage?.get_string(key)?;
    let value = serde_json::from_str(&text);
    if value.is_err() {
        lost.push(what);
    }
    value.ok()
}

/// Keeps everything.
pub(super) fn save(storage: &mut dyn Storage, settings: &Settings, tree: &Tree<Pane>, state: &State) {
    let mut put = |key: &str, value: serde_json::Result<String>| {
        if let Ok(text) = value {
            storage.set_string(key, text);
        }
    };
    put(SETTINGS, serde_json::to_string(settings));
    put(LAYOUT, serde_json::to_string(tree));
    if let Ok(config) = state.draft.config().to_toml() {
        put(CONFIG, serde_json::to_string(&config));
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[derive(Default)]
    struct Memory(BTreeMap<String, String>);

    impl Storage for Memory {
        fn get_string(&self, key: &str) -> Option<String> {
            self.0.get(key).cloned()
        }
        fn set_string(&mut self, key: &str, value: String) {
            self.0.insert(key.to_owned(), value);
        }
        fn remove_string(&mut self, key: &str) {
            self.0.remove(key);
        }
        fn flush(&mut self) {}
    }

    #[test]
    fn what_is_kept_comes_back_and_what_is_damaged_falls_back_and_is_named() {
        let mut memory = Memory::default();
        let mut state = State::default();
        state.draft.set("training.batch_size", "12");
        let settings = Settings { zoom: 1.25, recent: vec!["a.npz".into()], ..Settings::default() };
        save(&mut memory, &settings, &layout::default_tree(), &state);
        let kept = load(Some(&memory));
        assert_eq!(kept.settings, settings);
        assert!(layout::is_complete(&kept.tree) && kept.lost.is_empty());
        assert!(kept.config.unwrap().contains("batch_size = 12"));

        memory.set_string(LAYOUT, "{".into());
        memory.set_string(SETTINGS, "7".into());
        let kept = load(Some(&memory));
        assert_eq!(kept.settings, Settings::default());
        assert!(layout::is_complete(&kept.tree));
        assert_eq!(kept.lost, ["settings of the window", "layout"]);
    }
}
