//! What was open when the window was closed, to be opened again.

use super::action::{Action, Effect};
use super::state::State;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// Dataset and result of a session.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct LastSession {
    /// Path of the dataset.
    #[serde(with = "crate::system::path_text::option")]
    pub dataset: Option<PathBuf>,
    /// Folder of the displayed result.
    #[serde(with = "crate::system::path_text::option")]
    pub result: Option<PathBuf>,
}

impl LastSession {
    /// True if nothing was open.
    pub fn is_empty(&self) -> bool {
        self.dataset.is_none() && self.result.is_none()
    }
}

impl State {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::library::Request;

    #[test]
    fn dataset_and_result_are_opened_again_and_an_empty_session_keeps_the_one_before() {
        let last = LastSession { dataset: Some("/data/a.npz".into()), result: Some("/runs/a".into()) };
        let mut state = State { last_session: last.clone(), ..State::default() };
        assert_eq!(state.session(), last);
        let effects = state.dispatch(Action::ReopenSession);
        let reads = |wanted: &dyn Fn(&Request) -> bool| {
            effects.iter().any(|effect| matches!(effect, Effect::Library(request) if wanted(request)))
        };
        assert!(reads(&|request| matches!(request, Request::Dataset { path, .. } if path.ends_with("a.npz"))));
        assert!(reads(&|request| matches!(request, Request::Result { folder, .. } if folder.ends_with("a"))));
        state.last_session = LastSession::default();
        assert_eq!(state.session(), LastSession { dataset: Some("/data/a.npz".into()), result: None });
    }
}
