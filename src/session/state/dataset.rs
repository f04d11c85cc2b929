//! Opening of datasets, each with its own data settings.

use super::{OpenDataset, State};
use crate::config::Config;
use crate::library::Request;
use crate::session::action::{Action, Effect, Step};
use crate::session::draft::Draft;
use crate::session::file_settings::{self, LeftBehind, settings_of};
use crate::session::last_session::LastSession;
use std::path::{Path, PathBuf};

impl State {
    pub(super) fn open_dataset(&mut self, path: PathBuf) -> Vec<Effect> {
        let same = self.dataset.as_ref().is_some_and(|dataset| dataset.path == path);
        if !same {
            self.change_data_settings(&path);
        }
        let selected = self.dataset.as_ref().filter(|_| same).map_or(0, |dataset| dataset.selected);
        self.dataset = Some(OpenDataset { path: path.clone(), loading: true, selected, ..OpenDataset::default() });
        self.step = Step::Data;
        let mut effects = vec![Effect::Show(Step::Data), Effect::Library(self.dataset_request(path))];
        if !same {
            effects.insert(0, Effect::ClearProblems);
        }
        effects
    }

    /// Reloads the dataset; the old content is shown until the new one has been read.
    pub(super) fn reload(&mut self, path: PathBuf) -> Vec<Effect> {
        if let Some(dataset) = &mut self.dataset {
            dataset.loading = true;
        }
        vec![Effect::Library(self.dataset_request(path))]
    }

    fn dataset_request(&self, path: PathBuf) -> Request {
        let config = self.draft.config();
        let (data, seed, preview) =
            (Box::new(config.data.clone()), config.execution.seeds.subsample, !self.preview_off);
        Request::Dataset { path, config: data, seed, preview }
    }

    pub(super) fn close_dataset(&mut self) {
        if self.dataset.take().is_some() {
            let setup = self.setup.as_ref().map(|(_, settings)| settings.clone()).unwrap_or_default();
            file_settings::replace(&mut self.draft, &setup);
            self.changes.clear();
            self.left_behind = None;
        }
    }

    /// Replaces the data settings of the open file by those of the file about to be opened: as remembered, else as in the
    /// configuration chosen last. Settings made while no file is open apply to the next one.
    fn change_data_settings(&mut self, path: &Path) {
        let before = settings_of(self.draft.config());
        let remembered = self.file_settings.of(path).cloned();
        self.left_behind = None;
        let Some(previous) = self.dataset.as_ref().map(|dataset| dataset.path.clone()) else {
            if let Some(settings) = remembered {
                file_settings::replace(&mut self.draft, &settings);
                self.changes.clear();
            } else if !before.is_empty() {
                self.file_settings.remember(path, before);
            }
            return;
        };
        let setup = self.setup.as_ref().map(|(_, settings)| settings.clone()).unwrap_or_default();
        let now = remembered.clone().unwrap_or(setup);
        file_settings::replace(&mut self.draft, &now);
        self.changes.clear();
        if remembered.is_none() && !before.is_empty() && before != now {
            self.left_behind = Some(LeftBehind { file: previous, settings: before });
        }
    }

    /// Remembers the data settings of the open file, after a change.
    pub(super) fn remember_data_settings(&mut self) {
        let Some(dataset) = &self.dataset else { return };
        let settings = settings_of(self.draft.config());
        let known = self.file_settings.of(&dataset.path);
        if known != Some(&settings) && (known.is_some() || !settings.is_empty()) {
            self.file_settings.remember(&dataset.path, settings);
        }
    }

    pub(super) fn keep_data_settings(&mut self) -> Vec<Effect> {
        let Some(left) = self.left_behind.take() else { return Vec::new() };
        self.change("data settings of the previous file".to_owned(), None, false, |draft| {
            left.settings.iter().for_each(|(path, text)| draft.set(path, text));
        })
    }

    pub(super) fn reset_data_settings(&mut self) -> Vec<Effect> {
        self.change("data settings".to_owned(), None, false, |draft| file_settings::replace(draft, &[]))
    }

    /// Replaces the configuration. One without data settings leaves those of the open file as they are; one with nothing but
    /// data settings, a set-up, leaves all others as they are.
    pub(super) fn use_config(&mut self, name: String, config: Config) -> Vec<Effect> {
        let theirs = settings_of(&config);
        if file_settings::is_setup(&config) {
            self.setup = Some((name.clone(), theirs.clone()));
            return self.change(format!("set-up {name}"), None, false, |draft| file_settings::replace(draft, &theirs));
        }
        let ours = file_settings::all_settings(self.draft.config());
        let keep = theirs.is_empty() && self.dataset.is_some();
        self.setup = (!theirs.is_empty()).then(|| (name.clone(), theirs));
        self.change(format!("configuration {name}"), None, false, |draft| {
            *draft = Draft::new(name, config);
            if keep {
                file_settings::replace(draft, &ours);
            }
        })
    }

    /// What is open now, as absolute paths; what was open last time if nothing is.
    pub fn session(&self) -> LastSession {
        let absolute = |path: &PathBuf| std::path::absolute(path).unwrap_or_else(|_| path.clone());
        let now = LastSession {
            dataset: self.dataset.as_ref().map(|dataset| absolute(&dataset.path)),
            result: self.result.as_ref().map(|result| absolute(&result.folder)),
        };
        if now.is_empty() { self.last_session.clone() } else { now }
    }

    /// Opens the dataset of the last session, with its data settings, and its result.
    pub(super) fn reopen_session(&mut self) -> Vec<Effect> {
        let LastSession { dataset, result } = self.last_session.clone();
        let mut effects: Vec<Effect> = dataset.into_iter().flat_map(|path| self.dispatch(Action::Open(path))).collect();
        if let Some(folder) = result {
            effects.extend(self.dispatch(Action::ShowResult { folder, beside: false }));
        }
        effects
    }
}
