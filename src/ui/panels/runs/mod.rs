//! The run folders.

use super::Outbox;
use crate::session::{Action, State};
use eframe::egui;

/// How the runs are shown.
#[derive(Debug, Default)]
pub struct View {}

impl View {
    /// Draws the panel.
    pub fn show(&mut self, ui: &mut egui::Ui, state: &State, _: &mut Outbox, actions: &mut Vec<Action>) {
    }
}
