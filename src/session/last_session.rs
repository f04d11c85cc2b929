//! What was open when the window was closed, to be opened again.

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
