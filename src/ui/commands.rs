//! Everything a person can do, declared once: menu, shortcuts and palette are made from it.

use eframe::egui::{Key, KeyboardShortcut, Modifiers};

/// One thing a person can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Command {
    /// Choose a dataset, a model, a configuration.
    Open,
    /// Choose a run folder.
    OpenRun,
    /// Open the dataset shipped with the program.
    OpenExample,
    /// Save the configuration.
    SaveConfig,
    /// Export the picture that the result panel shows.
    ExportPicture,
    /// Leave the program.
    Quit,
    /// Train.
    Start,
    /// Pause or resume the job.
    Pause,
    /// End the job and keep its result.
    Stop,
    /// End the training after its epoch and keep the result.
    FinishEpoch,
    /// Reconstruct with the loaded model.
    Reconstruct,
    /// Improve the result shown by the direct solver.
    Polish,
    /// Go to a step or panel.
    ShowData,
    /// See [`Command::ShowData`].
    ShowConfigure,
    /// See [`Command::ShowData`].
    ShowTrain,
    /// See [`Command::ShowData`].
    ShowResult,
    /// See [`Command::ShowData`].
    ShowRuns,
    /// See [`Command::ShowData`].
    ShowLog,
    /// Set up a dataset made by calculation.
    ShowSimulate,
    /// Reconstruct datasets as they arrive in a folder.
    ShowWatch,
    /// Take a first look at datasets when they are opened, or not.
    FirstLook,
    /// Take the last change of the configuration back.
    Undo,
    /// Make it again.
    Redo,
    /// Put every panel back in its place.
    ResetLayout,
    /// Follow the system, dark, light.
    NextTheme,
    /// Larger.
    ZoomIn,
    /// Smaller.
    ZoomOut,
    /// As at the start.
    ZoomReset,
    /// Look for a command by name.
    Palette,
    /// How long the window's thread works on a frame.
    FrameTimes,
    /// The list of shortcuts.
    Shortcuts,
    /// Version, device, licences.
    About,
}

impl Command {
    /// All, in the order of the palette.
    pub const ALL: &'static [Self] = &[
        Self::Open,
        Self::OpenRun,
        Self::OpenExample,
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
        Self::FirstLook,
        Self::Undo,
        Self::Redo,
        Self::ResetLayout,
        Self::NextTheme,
        Self::ZoomIn,
        Self::ZoomOut,
        Self::ZoomReset,
        Self::Palette,
        Self::FrameTimes,
        Self::Shortcuts,
        Self::About,
        Self::Quit,
    ];

    /// What a person is shown; "…" where more input follows.
    pub fn label(self) -> &'static str {
        match self {
            Self::Open => "Open…",
            Self::OpenRun => "Open run folder…",
            Self::OpenExample => "Open the example",
            Self::SaveConfig => "Save configuration…",
            Self::ExportPicture => "Export the picture shown…",
            Self::Quit => "Quit",
            Self::Start => "Start training",
            Self::Pause => "Pause or resume",
            Self::Stop => "Stop and keep the result",
            Self::FinishEpoch => "Finish the epoch and keep",
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
            Self::FirstLook => "First look on opening: on or off",
            Self::Undo => "Undo the change of the configuration",
            Self::Redo => "Redo the change of the configuration",
            Self::ResetLayout => "Reset layout",
            Self::NextTheme => "Switch theme",
            Self::ZoomIn => "Zoom in",
            Self::ZoomOut => "Zoom out",
            Self::ZoomReset => "Reset zoom",
            Self::Palette => "Command palette…",
            Self::FrameTimes => "Show or hide frame times",
            Self::Shortcuts => "Keyboard shortcuts",
            Self::About => "About Ptychoscope",
        }
    }

    /// Its shortcut, if it has one.
    pub fn shortcut(self) -> Option<KeyboardShortcut> {
        let ctrl = |key| Some(KeyboardShortcut::new(Modifiers::COMMAND, key));
        let ctrl_shift = |key| Some(KeyboardShortcut::new(Modifiers::COMMAND.plus(Modifiers::SHIFT), key));
        match self {
            Self::Open => ctrl(Key::O),
            Self::OpenRun => ctrl_shift(Key::O),
            Self::OpenExample => ctrl(Key::E),
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
            Self::Undo => ctrl(Key::Z),
            Self::Redo => ctrl_shift(Key::Z),
            Self::Palette => ctrl(Key::P),
            Self::NextTheme => ctrl(Key::T),
            Self::ZoomIn => ctrl(Key::Plus),
            Self::ZoomOut => ctrl(Key::Minus),
            Self::ZoomReset => ctrl(Key::Num0),
            Self::Shortcuts => Some(KeyboardShortcut::new(Modifiers::NONE, Key::F1)),
            Self::ResetLayout | Self::FirstLook | Self::FrameTimes | Self::About => None,
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
