//! One file per panel: its view (zoom, scroll position and the like) and its drawing.
//!
//! A panel reads the [`State`] and pushes [`Action`]s. Files to write and commands for the window go to the [`Outbox`].

pub mod about;
pub mod configure;
pub mod data;
#[cfg(test)]
pub(crate) mod harness;
pub mod log;
pub mod manual;
pub mod method;
pub mod palette;
pub mod queue;
pub mod result;
pub mod runs;
pub mod simulate;
pub mod status;
pub mod train;
pub mod watch;
pub mod welcome;

use super::commands::Command;
use super::layout::Pane;
use crate::library::ResultFormat;
use crate::session::{Action, Source, State};
use eframe::egui;
use std::path::PathBuf;

/// Requests of panels that need the window: a path from the user, or a command.
#[derive(Debug, Default)]
pub struct Outbox {
    /// Proposed file name and bytes of a file to save.
    pub export: Option<(String, Vec<u8>)>,
    /// Proposed file name and bytes of a file to save beside the dataset.
    pub save_beside: Option<(String, Vec<u8>)>,
    /// Setting, proposed file name and bytes of a file to save and to name in this setting.
    pub save_and_set: Option<(&'static str, String, Vec<u8>)>,
    /// Run folders whose results to export, and the format.
    pub export_runs: Option<(Vec<PathBuf>, ResultFormat)>,
    /// Command to run.
    pub command: Option<Command>,
    /// True if the user wants to choose the folder of the runs.
    pub choose_runs_folder: bool,
    /// Proposed file name and bytes of a mask to save and use.
    pub mask: Option<(String, Vec<u8>)>,
    /// True if the user wants to choose the folder to watch.
    pub choose_watch_folder: bool,
    /// True if the user wants to choose a mask file.
    pub choose_mask: bool,
    /// Setting whose file the user wants to choose.
    pub choose_file_of: Option<&'static str>,
    /// Input of a simulation whose file the user wants to choose.
    pub choose_source: Option<Source>,
    /// True if the user wants to add a file to the queue.
    pub queue_file: bool,
    /// True if the user wants to add the datasets in a folder to the queue.
    pub queue_folder: bool,
    /// Proposed file name of the dataset to simulate.
    pub simulate: Option<String>,
}

/// The views of all panels.
#[derive(Default)]
pub struct Views {
    data: data::View,
    configure: configure::View,
    train: train::View,
    result: result::View,
    runs: runs::View,
    log: log::View,
    simulate: simulate::View,
    watch: watch::View,
    queue: queue::View,
    outbox: Outbox,
}

impl Views {
    /// Draws a panel.
    pub fn show(&mut self, pane: Pane, ui: &mut egui::Ui, state: &State, actions: &mut Vec<Action>) {
        let outbox = &mut self.outbox;
        match pane {
            Pane::Data if state.dataset.is_none() => welcome::show(ui, state, outbox, actions),
            Pane::Data => self.data.show(ui, state, outbox, actions),
            Pane::Configure => self.configure.show(ui, state, outbox, actions),
            Pane::Train => self.train.show(ui, state, outbox, actions),
            Pane::Result => self.result.show(ui, state, outbox, actions),
            Pane::Runs => self.runs.show(ui, state, outbox, actions),
            Pane::Log => self.log.show(ui, state, outbox, actions),
            Pane::Simulate => self.simulate.show(ui, state, outbox, actions),
            Pane::Queue => self.queue.show(ui, state, outbox, actions),
            Pane::Watch => self.watch.show(ui, state, outbox, actions),
        }
    }

    /// Searches the settings for this text.
    pub fn search_settings(&mut self, text: &str) {
        self.configure.search(text);
    }

    /// Exports the current image of the result panel once it has been drawn.
    pub fn export_picture(&mut self) {
        self.result.export_shown();
    }

    /// Removes and returns what panels have left for the window.
    pub fn take_outbox(&mut self) -> Outbox {
        std::mem::take(&mut self.outbox)
    }
}
