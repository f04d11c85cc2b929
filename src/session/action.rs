//! Actions of the user and their effects.

use crate::config::{Config, Method};
use crate::library::{Request, ResultFormat};
use crate::worker::message::{Control, Job, LivePace, Sources};
use std::path::PathBuf;

/// One of the four steps from a dataset to a reconstruction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Step {
    /// Open and check a dataset.
    #[default]
    Data,
    /// Configure network and training.
    Configure,
    /// Train.
    Train,
    /// Inspect the result.
    Result,
}

impl Step {
    /// All, in order.
    pub const ALL: [Self; 4] = [Self::Data, Self::Configure, Self::Train, Self::Result];

    /// Name shown to the user.
    pub fn label(self) -> &'static str {
        match self {
            Self::Data => "Data",
            Self::Configure => "Configure",
            Self::Train => "Train",
            Self::Result => "Result",
        }
    }
}

/// Kind of input file of a simulation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// NPZ file with the object.
    Object,
    /// PNG image of the object.
    Picture,
    /// NPZ file with the probe.
    Probe,
    /// NPZ or text file with the positions.
    Positions,
}

impl Source {
    /// Name shown to the user.
    pub fn label(self) -> &'static str {
        match self {
            Self::Object => "Object file",
            Self::Picture => "Object image",
            Self::Probe => "Probe file",
            Self::Positions => "Positions file",
        }
    }

    /// The path of this file among those of a simulation.
    pub fn of(self, sources: &mut Sources) -> &mut Option<PathBuf> {
        match self {
            Self::Object => &mut sources.input,
            Self::Picture => &mut sources.object_image,
            Self::Probe => &mut sources.probe,
            Self::Positions => &mut sources.positions,
        }
    }
}

/// A change of the queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum QueueAction {
    /// Add these datasets with the current configuration.
    Add(Vec<PathBuf>),
    /// Start the waiting jobs, or go on with them.
    Start,
    /// Start no further job; the running one goes on.
    Pause,
    /// Move a job up.
    MoveUp(u64),
    /// Move a job down.
    MoveDown(u64),
    /// Remove a job that is not running.
    Remove(u64),
    /// Let a failed, stopped or finished job wait again.
    Retry(u64),
    /// Give all waiting jobs the current configuration.
    UseSettings,
    /// Remove all waiting jobs.
    RemoveWaiting,
    /// Remove all jobs that are done.
    ClearDone,
}

/// An action of the user.
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    /// Open a file or folder: a dataset, a bundle, a configuration or a run folder.
    Open(PathBuf),
    /// Open the example dataset.
    OpenExample,
    /// Reload the dataset with the current configuration.
    Reload,
    /// Read some patterns and the positions of the dataset as stored.
    ReadRaw,
    /// Close the dataset.
    CloseDataset,
    /// Apply the data settings of the previously open file to this one as well.
    KeepDataSettings,
    /// Leave the data settings of the previously open file behind.
    DismissDataSettings,
    /// Read the dataset without any data settings, as described by the file itself.
    ResetDataSettings,
    /// Go to a step.
    Go(Step),
    /// Select a pattern of the dataset.
    SelectPattern(usize),
    /// Set a field of the configuration from text.
    SetField {
        /// Dotted path.
        path: String,
        /// Value, as for `--set`.
        text: String,
    },
    /// Set several fields at once, to fix a problem found in the data.
    SetFields {
        /// Description of the fix, in a few words.
        label: String,
        /// Dotted paths and values, as for `--set`.
        fields: Vec<(String, String)>,
    },
    /// Choose the method of reconstruction.
    SetMethod {
        /// Network or direct solver.
        method: Method,
        /// Epochs of polishing after a network; 0 for none.
        polish_epochs: usize,
    },
    /// Train the model of the latest job further for this time, in seconds, in a new run.
    TrainMore(u64),
    /// Undo the latest configuration change.
    Undo,
    /// Redo the change undone last.
    Redo,
    /// Reset a field to its value in the preset.
    ResetField(String),
    /// Reset all fields to those of the preset.
    ResetConfig,
    /// Replace the configuration.
    UseConfig {
        /// Name of the preset, file or run.
        name: String,
        /// New configuration.
        config: Box<Config>,
    },
    /// Write the configuration as TOML.
    SaveConfig(PathBuf),
    /// Save a configuration as a preset, replacing one of the same name.
    SavePreset {
        /// Name of the preset.
        name: String,
        /// Configuration to store.
        config: Box<Config>,
    },
    /// Delete a preset of the user.
    DeletePreset(String),
    /// Find out by quick trials what is wrong with the open dataset.
    Diagnose,
    /// Train, then reconstruct.
    Start,
    /// Reconstruct the dataset with the loaded bundle.
    Reconstruct,
    /// Resume the interrupted training in a run folder.
    Resume(PathBuf),
    /// Refine the displayed result with the direct solver and show both side by side.
    Polish,
    /// Choose the folder to watch; an empty path for none.
    ChooseWatchFolder(PathBuf),
    /// Set the number of polish epochs for watched files; 0 for none.
    SetWatchPolish(usize),
    /// Watch with the direct solver if true, else with the loaded model.
    SetWatchDirect(bool),
    /// Start watching the folder with the loaded bundle.
    Watch,
    /// Turn the preview on opening a dataset on or off.
    SetAutoPreview(bool),
    /// Compute a preview of the object of the open dataset.
    ComputePreview,
    /// Cancel the preview that is being computed.
    CancelPreview,
    /// Compare the objects of these runs only.
    CompareRuns(Vec<PathBuf>),
    /// Use the mask in this file; an empty path for none.
    UseMask(PathBuf),
    /// Choose an input file of the simulation; an empty path for none.
    SetSource(Source, PathBuf),
    /// Compute a preview of the simulation.
    PreviewSimulation,
    /// Simulate a dataset, write it to this file and open it.
    Simulate(PathBuf),
    /// Change the queue.
    Queue(QueueAction),
    /// Pause, resume or stop the job.
    Steer(Control),
    /// Set the frequency of live pictures.
    SetPace(LivePace),
    /// Show the result of a run.
    ShowResult {
        /// Path of the run folder.
        folder: PathBuf,
        /// True to show it beside the current result instead of replacing it.
        beside: bool,
    },
    /// Close the result on the side.
    ClearBeside,
    /// Open dataset and result of the last session.
    ReopenSession,
    /// Refresh the list of runs.
    RefreshRuns,
    /// Choose the folder that holds the run folders.
    ChooseRunsFolder(PathBuf),
    /// Move a run folder to the trash.
    TrashRun(PathBuf),
    /// Write the note of a run.
    SetNote {
        /// Path of the run folder.
        folder: PathBuf,
        /// Text of the note.
        text: String,
    },
    /// Write a file exported by a panel.
    Export {
        /// Path of the file.
        path: PathBuf,
        /// Content.
        bytes: Vec<u8>,
    },
    /// Write the results of runs in another format.
    ExportRuns {
        /// Paths of the run folders and of the files to write.
        runs: Vec<(PathBuf, PathBuf)>,
        /// Format of the files.
        format: ResultFormat,
    },
    /// Show and log a message.
    Notify {
        /// Severity.
        level: Level,
        /// One sentence.
        text: String,
    },
    /// Clear the log.
    ClearLog,
    /// Clear the list of recent files.
    ClearRecent,
}

/// Severity of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// Information.
    Info,
    /// Success.
    Success,
    /// Warning.
    Warning,
    /// Error.
    Error,
}

/// A side effect to be carried out by the window.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// Submit a job to the worker.
    Submit(Job),
    /// Set the worker's switch.
    Control(Control),
    /// Set the worker's frequency of live pictures.
    Pace(LivePace),
    /// Send a request to the library.
    Library(Request),
    /// Cancel the preview that the library is computing.
    CancelPreview,
    /// Unpack the example and open it.
    UnpackExample,
    /// Write a file.
    Write {
        /// Path of the file.
        path: PathBuf,
        /// Content.
        bytes: Vec<u8>,
    },
    /// Move a folder to the trash.
    Trash(PathBuf),
    /// Show a message for some seconds.
    Toast {
        /// Severity.
        level: Level,
        /// One sentence.
        text: String,
    },
    /// Offer the list of runs with the latest message.
    OfferRuns,
    /// Remove the messages about the file that was open.
    ClearProblems,
    /// Bring a step to the front.
    Show(Step),
    /// Request the user's attention: a long job has ended.
    Attention,
}
