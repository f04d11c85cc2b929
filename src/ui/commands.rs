//! All user commands, declared once: menus, shortcuts and the command palette are built from them.

use eframe::egui::{Key, KeyboardShortcut, Modifiers};

/// A command of the user.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Command {
    /// Open a dataset, model or configuration.
    Open,
    /// Open a run folder.
    OpenRun,
    /// Open the dataset shipped with the program.
    OpenExample,
    /// Open what was open when the window was closed last time.
    ReopenSession,
    /// Save the configuration.
    SaveConfig,
    /// Export the current image of the result panel.
    ExportPicture,
    /// Quit the program.
    Quit,
    /// Start training, or the direct solver.
    Start,
    /// Pause or resume the job.
    Pause,
    /// Stop the job and save its result.
    Stop,
    /// Stop training after the current epoch and save the result.
    FinishEpoch,
    /// Reconstruct with the loaded model.
    Reconstruct,
    /// Refine the displayed result with the direct solver.
    Polish,
    /// Show the dataset.
    ShowData,
    /// Show the configuration.
    ShowConfigure,
    /// Show the running or latest job.
    ShowTrain,
    /// Show the stitched object.
    ShowResult,
    /// Show the run folders.
    ShowRuns,
    /// Show the log.
    ShowLog,
    /// Set up a simulated dataset.
    ShowSimulate,
    /// Reconstruct datasets as they arrive in a folder.
    ShowWatch,
    /// Show the queue of reconstructions.
    ShowQueue,
    /// Switch the quick preview of newly opened datasets on or off.
    QuickPreview,
    /// Undo the last configuration change.
    Undo,
    /// Redo the last undone configuration change.
    Redo,
    /// Restore the default layout of the panels.
    ResetLayout,
    /// Arrange data, training and result side by side.
    SideBySide,
    /// Switch to the next theme: system, dark, light.
    NextTheme,
    /// Enlarge everything.
    ZoomIn,
    /// Shrink everything.
    ZoomOut,
    /// Restore the default size.
    ZoomReset,
    /// Open the command palette.
    Palette,
    /// Show or hide the frame times.
    FrameTimes,
    /// Show the current panel alone on the whole screen.
    FullScreen,
    /// Open the manual.
    Manual,
    /// Show the tour of the window.
    Tour,
    /// List the keyboard shortcuts.
    Shortcuts,
    /// Show version, device and licenses.
    About,
}

impl Command {
    /// All commands, in the order of the palette.
    pub const ALL: &'static [Self] = &[
        Self::Open,
        Self::OpenRun,
        Self::OpenExample,
        Self::ReopenSession,
        Self::SaveConfig,
        Self::ExportPicture,
        Self::Start,
        Self::Pause,
        Self::Stop,
        Self::FinishEpoch,
        Self::Reconstruct,
        Self::Polish,
        Self::ShowData,
        Self::ShowConfigure,
        Self::ShowTrain,
        Self::ShowResult,
        Self::ShowRuns,
        Self::ShowLog,
        Self::ShowSimulate,
        Self::ShowWatch,
        Self::ShowQueue,
        Self::QuickPreview,
        Self::Undo,
        Self::Redo,
        Self::ResetLayout,
        Self::SideBySide,
        Self::NextTheme,
        Self::ZoomIn,
        Self::ZoomOut,
        Self::ZoomReset,
        Self::Palette,
        Self::FrameTimes,
        Self::FullScreen,
        Self::Manual,
        Self::Tour,
        Self::Shortcuts,
        Self::About,
        Self::Quit,
    ];

    /// Label in menus; ends with "…" if more input follows.
    pub fn label(self) -> &'static str {
        match self {
            Self::Open => "Open…",
            Self::OpenRun => "Open run folder…",
            Self::OpenExample => "Open example",
            Self::ReopenSession => "Reopen last session",
            Self::SaveConfig => "Save configuration…",
            Self::ExportPicture => "Export current image…",
            Self::Quit => "Quit",
            Self::Start => "Start training",
            Self::Pause => "Pause or resume",
            Self::Stop => "Stop and save the result",
            Self::FinishEpoch => "Stop after this epoch",
            Self::Reconstruct => "Reconstruct with the loaded model",
            Self::Polish => "Polish the result",
            Self::ShowData => "Show data",
            Self::ShowConfigure => "Show configuration",
            Self::ShowTrain => "Show training",
            Self::ShowResult => "Show result",
            Self::ShowRuns => "Show runs",
            Self::ShowLog => "Show log",
            Self::ShowSimulate => "Simulate a dataset…",
            Self::ShowWatch => "Watch a folder…",
            Self::ShowQueue => "Show queue",
            Self::QuickPreview => "Toggle quick preview on open",
            Self::Undo => "Undo configuration change",
            Self::Redo => "Redo configuration change",
            Self::ResetLayout => "Reset layout",
            Self::SideBySide => "Data, training and result side by side",
            Self::NextTheme => "Switch theme",
            Self::ZoomIn => "Zoom in",
            Self::ZoomOut => "Zoom out",
            Self::ZoomReset => "Reset zoom",
            Self::Palette => "Command palette…",
            Self::FrameTimes => "Toggle frame times",
            Self::FullScreen => "Full screen",
            Self::Manual => "Manual",
            Self::Tour => "Tour of the window",
            Self::Shortcuts => "Keyboard shortcuts",
            Self::About => "About Ptychoscope",
        }
    }

    /// Keyboard shortcut, if any.
    pub fn shortcut(self) -> Option<KeyboardShortcut> {
        let ctrl = |key| Some(KeyboardShortcut::new(Modifiers::COMMAND, key));
        let ctrl_shift = |key| Some(KeyboardShortcut::new(Modifiers::COMMAND.plus(Modifiers::SHIFT), key));
        match self {
            Self::Open => ctrl(Key::O),
            Self::OpenRun => ctrl_shift(Key::O),
            Self::OpenExample => ctrl(Key::E),
            Self::ReopenSession => ctrl_shift(Key::T),
            Self::SaveConfig => ctrl(Key::S),
            Self::ExportPicture => ctrl_shift(Key::E),
            Self::Quit => ctrl(Key::Q),
            Self::Start => ctrl(Key::Enter),
            Self::Pause => ctrl(Key::Space),
            Self::Stop => ctrl(Key::Period),
            Self::FinishEpoch => ctrl_shift(Key::Enter),
            Self::Reconstruct => ctrl(Key::R),
            Self::Polish => ctrl_shift(Key::R),
            Self::ShowData => ctrl(Key::Num1),
            Self::ShowConfigure => ctrl(Key::Num2),
            Self::ShowTrain => ctrl(Key::Num3),
            Self::ShowResult => ctrl(Key::Num4),
            Self::ShowRuns => ctrl(Key::Num5),
            Self::ShowLog => ctrl(Key::Num6),
            Self::ShowSimulate => ctrl(Key::Num7),
            Self::ShowWatch => ctrl(Key::Num8),
            Self::ShowQueue => ctrl(Key::Num9),
            Self::Undo => ctrl(Key::Z),
            Self::Redo => ctrl_shift(Key::Z),
            Self::Palette => ctrl(Key::P),
            Self::NextTheme => ctrl(Key::T),
            Self::ZoomIn => ctrl(Key::Plus),
            Self::ZoomOut => ctrl(Key::Minus),
            Self::ZoomReset => ctrl(Key::Num0),
            Self::Manual => Some(KeyboardShortcut::new(Modifiers::NONE, Key::F1)),
            Self::Shortcuts => Some(KeyboardShortcut::new(Modifiers::SHIFT, Key::F1)),
            Self::FullScreen => Some(KeyboardShortcut::new(Modifiers::NONE, Key::F11)),
            Self::ResetLayout | Self::SideBySide | Self::QuickPreview | Self::FrameTimes | Self::About | Self::Tour => {
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn no_two_commands_share_a_shortcut_or_a_name() {
        let mut shortcuts = BTreeSet::new();
        let mut labels = BTreeSet::new();
        for command in Command::ALL {
            assert!(labels.insert(command.label()), "{command:?}");
            if let Some(shortcut) = command.shortcut() {
                assert!(shortcuts.insert(format!("{shortcut:?}")), "{command:?}");
            }
        }
    }
}
