//! State stored between sessions, each part under its own versioned key. Unreadable parts are reported and replaced by
//! defaults.

use super::layout::{self, Pane};
use crate::session::{FileSettings, LastSession, Settings as DataSettings, State};
use crate::worker::message::LivePace;
use eframe::Storage;
use eframe::egui::ThemePreference;
use egui_tiles::Tree;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::path::PathBuf;

const LAYOUT: &str = "layout.2";
const SETTINGS: &str = "settings.1";
const CONFIG: &str = "config.1";
const FILES: &str = "files.1";

/// Settings of the window.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Settings {
    pub theme: ThemePreference,
    pub zoom: f32,
    #[serde(with = "crate::system::path_text::list")]
    pub recent: Vec<PathBuf>,
    #[serde(with = "crate::system::path_text")]
    pub runs_folder: PathBuf,
    pub pace: LivePace,
    pub first_look: bool,
    #[serde(with = "crate::system::path_text::option")]
    pub watch_folder: Option<PathBuf>,
    pub watch_polish: usize,
    pub watch_direct: Option<bool>,
    /// What was open when the window was closed.
    pub session: LastSession,
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
            watch_direct: None,
            session: LastSession::default(),
        }
    }
}

/// Folders of the user that the window reads and writes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Folders {
    /// Folder of the run folders, unless the stored settings name another.
    pub runs: PathBuf,
    /// Folder of the user's presets; empty if the system names none.
    pub presets: PathBuf,
    /// Folder in which file dialogs start before a file has been opened.
    pub dialogs: PathBuf,
}

impl Folders {
    /// `runs` in the working folder, and `presets` in the user's configuration folder.
    pub(super) fn of_user() -> Self {
        let presets = directories::ProjectDirs::from("", "", super::APP_ID);
        Self {
            runs: Settings::default().runs_folder,
            presets: presets.map(|dirs| dirs.config_dir().join("presets")).unwrap_or_default(),
            dialogs: std::env::current_dir().unwrap_or_default(),
        }
    }

    /// All of them inside one folder, so that a test sees no file of the user.
    #[cfg(test)]
    pub(super) fn inside(folder: &std::path::Path) -> Self {
        Self { runs: folder.join("runs"), presets: folder.join("presets"), dialogs: folder.to_path_buf() }
    }
}

/// Restored state, with the names of the parts that could not be read.
pub(super) struct Stored {
    pub settings: Settings,
    pub tree: Tree<Pane>,
    pub config: Option<String>,
    /// Data settings of the files opened so far.
    pub files: FileSettings,
    pub unreadable: Vec<&'static str>,
}

/// Restores the stored state.
pub(super) fn load(storage: Option<&dyn Storage>, folders: &Folders) -> Stored {
    let mut unreadable = Vec::new();
    let settings = read(storage, SETTINGS, "window settings", &mut unreadable);
    let settings = settings.unwrap_or_else(|| Settings { runs_folder: folders.runs.clone(), ..Settings::default() });
    let tree = read::<Tree<Pane>>(storage, LAYOUT, "layout", &mut unreadable);
    // The layout of another version may have other panels.
    let tree = tree.filter(|tree| {
        layout::is_complete(tree) || {
            unreadable.push("layout");
            false
        }
    });
    let config = read(storage, CONFIG, "configuration", &mut unreadable);
    let files = read::<Vec<(PathBuf, DataSettings)>>(storage, FILES, "data settings of recent files", &mut unreadable);
    let files = FileSettings::new(files.unwrap_or_default());
    Stored { settings, tree: tree.unwrap_or_else(layout::default_tree), config, files, unreadable }
}

fn read<T: DeserializeOwned>(
    storage: Option<&dyn Storage>,
    key: &str,
    what: &'static str,
    unreadable: &mut Vec<&'static str>,
) -> Option<T> {
    let text = storage?.get_string(key)?;
    let value = serde_json::from_str(&text);
    if value.is_err() {
        unreadable.push(what);
    }
    value.ok()
}

/// Stores everything.
pub(super) fn save(storage: &mut dyn Storage, settings: &Settings, tree: &Tree<Pane>, state: &State) {
    let mut put = |key: &str, value: serde_json::Result<String>| {
        if let Ok(text) = value {
            storage.set_string(key, text);
        }
    };
    put(SETTINGS, serde_json::to_string(settings));
    put(LAYOUT, serde_json::to_string(tree));
    put(FILES, serde_json::to_string(state.file_settings.list()));
    if let Ok(config) = state.draft.config().to_toml() {
        put(CONFIG, serde_json::to_string(&config));
    }
}

#[cfg(test)]
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
    fn stored_parts_are_restored_and_damaged_ones_are_replaced_by_defaults_and_named() {
        let mut memory = Memory::default();
        let folders = Folders::inside(std::path::Path::new("/of this test"));
        let mut state = State::default();
        state.draft.set("training.batch_size", "12");
        state.file_settings = FileSettings::new(vec![("a.npz".into(), vec![("data.crop".into(), "64".into())])]);
        let settings = Settings { zoom: 1.25, recent: vec!["a.npz".into()], ..Settings::default() };
        save(&mut memory, &settings, &layout::default_tree(), &state);
        let stored = load(Some(&memory), &folders);
        assert_eq!(stored.settings, settings);
        assert!(layout::is_complete(&stored.tree) && stored.unreadable.is_empty());
        assert!(stored.config.unwrap().contains("batch_size = 12"));
        assert_eq!(stored.files, state.file_settings);

        memory.set_string(LAYOUT, "{".into());
        memory.set_string(SETTINGS, "7".into());
        let stored = load(Some(&memory), &folders);
        assert_eq!(stored.settings, Settings { runs_folder: folders.runs, ..Settings::default() });
        assert!(layout::is_complete(&stored.tree));
        assert_eq!(stored.unreadable, ["window settings", "layout"]);
    }
}
