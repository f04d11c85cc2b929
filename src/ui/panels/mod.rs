//! One file for each panel: a view (what concerns only how it is shown) and how it is drawn.
//!
//! A panel reads the [`State`], and pushes [`Action`]s; files to write and commands of the window it leaves in the
//! outbox of its view.

pub mod about;
#[cfg(test)]
pub(crate) mod bench;
pub mod configure;
pub mod data;
pub mod log;
pub mod method;
pub mod palette;
pub mod result;
pub mod runs;
pub mod simulate;
pub mod status;
pub mod train;
pub mod watch;
pub mod welcome;

use super::commands::Command;
use super::layout::Pane;
use crate::session::{Action, Source, State};
use eframe::egui;

/// What a panel leaves for the window to do.
#[derive(Debug, Default)]
pub struct Outbox {
    /// Bytes to be written where the user says, with a proposed file name.
    pub export: Option<(String, Vec<u8>)>,
    /// A command of the window.
    pub command: Option<Command>,
    /// Whether the folder that holds the runs is to be chosen.
    pub choose_runs_folder: bool,
    /// A mask that is to be saved and used, with a proposed file name.
    pub mask: Option<(String, Vec<u8>)>,
    /// Whether the folder that is watched is to be chosen.
    pub choose_watch_folder: bool,
    /// Whether the file of a mask is to be chosen.
    pub choose_mask: bool,
    /// A file of a simulation that is to be chosen.
    pub choose_source: Option<Source>,
    /// Whether a place for a simulated dataset is to be chosen, with a proposed file name.
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
            Pane::Watch => self.watch.show(ui, state, outbox, actions),
        }
    }

    /// Has the picture that the result panel shows made into a file, once it is drawn.
    pub fn export_picture(&mut self) {
        self.result.export_shown();
    }

    /// Takes out what is to be written.
    pub fn take_export(&mut self) -> Option<(String, Vec<u8>)> {
        self.outbox.export.take()
    }

    /// Takes out whether the folder of the runs is to be chosen.
    pub fn take_choose_runs_folder(&mut self) -> bool {
        std::mem::take(&mut self.outbox.choose_runs_folder)
    }

    /// Takes out whether the folder that is watched is to be chosen.
    pub fn take_choose_watch_folder(&mut self) -> bool {
        std::mem::take(&mut self.outbox.choose_watch_folder)
    }

    /// Takes out a mask that is to be saved and used, with a proposed file name.
    pub fn take_mask(&mut self) -> Option<(String, Vec<u8>)> {
        self.outbox.mask.take()
    }

    /// Takes out whether the file of a mask is to be chosen.
    pub fn take_choose_mask(&mut self) -> bool {
        std::mem::take(&mut self.outbox.choose_mask)
    }

    /// Takes out which file of a simulation is to be chosen.
    pub fn take_choose_source(&mut self) -> Option<Source> {
        self.outbox.choose_source.take()
    }

    /// Takes out whether a place for a simulated dataset is to be chosen, with a proposed file name.
    pub fn take_simulate(&mut self) -> Option<String> {
        self.outbox.simulate.take()
    }

    /// Takes out what the window is to do.
    pub fn take_command(&mut self) -> Option<Command> {
        self.outbox.command.take()
    }
}
