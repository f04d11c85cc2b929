//! What a person asks for, and what follows from it.

use crate::config::Config;
use crate::worker::message::{Control, Job, LivePace, Request, Sources};
use std::path::PathBuf;

/// One of the four steps from a file to a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Step {
    /// Open and check a dataset.
    #[default]
    Data,
    /// Choose the network and how it is trained.
    Configure,
    /// Train.
    Train,
    /// Look.
    Result,
}

impl Step {
    /// All, in order.
    pub const ALL: [Self; 4] = [Self::Data, Self::Configure, Self::Train, Self::Result];

    /// What a person is shown.
    pub fn label(self) -> &'static str {
        match self {
            Self::Data => "Data",
            Self::Configure => "Configure",
            Self::Train => "Train",
            Self::Result => "Result",
        }
    }
}

/// A file that a simulation starts from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// NPZ file with the object.
    Object,
    /// PNG picture for the object.
    Picture,
    /// NPZ file with the probe.
    Probe,
    /// Positions, NPZ or text.
    Positions,
}

impl Source {
    /// What a person is shown.
    pub fn label(self) -> &'static str {
        match self {
            Self::Object => "File of the object",
            Self::Picture => "Picture of the object",
            Self::Probe => "File of the probe",
            Self::Positions => "File of the positions",
        }
    }

    /// Its place among the files of a simulation.
    pub fn of(self, sources: &mut Sources) -> &mut Option<PathBuf> {
        match self {
            Self::Object => &mut sources.input,
            Self::Picture => &mut sources.object_image,
            Self::Probe => &mut sources.probe,
            Self::Positions => &mut sources.positions,
        }
    }
}

/// What a person asks for.
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    /// Open a file or folder, whatever it is: a dataset, a bundle, a configuration or a run folder.
    Open(PathBuf),
    /// Open the dataset shipped with the program.
    OpenExample,
    /// Read the dataset anew, with the configuration as it is now.
    Reload,
    /// Close the dataset.
    CloseDataset,
    /// Go to a step.
    Go(Step),
    /// Select a pattern of the dataset.
    SelectPattern(usize),
    /// Set a field of the configuration from text.
    SetField {
        /// Dotted path.
        path: String,
        /// As `--set` takes it.
        text: String,
    },
    /// Set several fields at once, as a remedy for what was found in the data.
    SetFields {
        /// What it is for, in a few words.
        what: String,
        /// Dotted paths, with texts as `--set` takes them.
        fields: Vec<(String, String)>,
    },
    /// Take the last change of the configuration back.
    Undo,
    /// Make the change that was taken back last again.
    Redo,
    /// Set a field back to its value in the preset.
    ResetField(String),
    /// Set all fields back to those of the preset.
    ResetConfig,
    /// Take a whole configuration.
    UseConfig {
        /// Its name: a preset, a file, a run.
        name: String,
        /// The configuration.
        config: Box<Config>,
    },
    /// Write the configuration as TOML.
    SaveConfig(PathBuf),
    /// Give a configuration a name among the user's presets; one of this name is replaced.
    SavePreset {
        /// Its name.
        name: String,
        /// The configuration.
        config: Box<Config>,
    },
    /// Delete one of the user's presets.
    DeletePreset(String),
    /// Train, and reconstruct at the end.
    Start,
    /// Reconstruct the dataset with the loaded bundle.
    Reconstruct,
    /// Go on with the training in a run folder, which was cut off.
    Resume(PathBuf),
    /// Improve the result shown by the direct solver, and lay the one before beside it.
    Polish,
    /// Choose the folder that is watched.
    ChooseWatchFolder(PathBuf),
    /// How many epochs of polish the objects of a watch get; 0 for none.
    SetWatchPolish(usize),
    /// Reconstruct datasets with the loaded bundle as they arrive in the folder.
    Watch,
    /// Whether a first look at the object is taken when a dataset is opened.
    SetFirstLook(bool),
    /// Take a first look at the object of the open dataset.
    TakeLook,
    /// End the first look that is being taken.
    CancelLook,
    /// Read the objects of these runs, to be compared; those of others are forgotten.
    CompareRuns(Vec<PathBuf>),
    /// Read the patterns with the mask in this file; an empty path for none.
    UseMask(PathBuf),
    /// Choose a file that a simulation starts from; an empty path for none.
    SetSource(Source, PathBuf),
    /// Look at what a simulation will be.
    PreviewScene,
    /// Simulate a dataset into a file, and open it.
    Simulate(PathBuf),
    /// Pause, resume or end the job.
    Steer(Control),
    /// How often the object is shown while a network trains.
    SetPace(LivePace),
    /// Show the result of a run folder; or lay it beside the one shown.
    ShowResult {
        /// The run folder.
        folder: PathBuf,
        /// Whether it is laid beside the one shown.
        beside: bool,
    },
    /// Take away the result beside the one shown.
    ClearBeside,
    /// Look for run folders again.
    RefreshRuns,
    /// Look for run folders in another place.
    ChooseRunsFolder(PathBuf),
    /// Move a run folder to the trash.
    TrashRun(PathBuf),
    /// Write a note on a run.
    SetNote {
        /// The run folder.
        folder: PathBuf,
        /// The text.
        text: String,
    },
    /// Write bytes that a panel has made into a file.
    Export {
        /// The file.
        path: PathBuf,
        /// What is written.
        bytes: Vec<u8>,
    },
    /// Say something, with details for the log.
    Say {
        /// How grave it is.
        level: Level,
        /// One sentence.
        text: String,
    },
    /// Forget the log.
    ClearLog,
    /// Forget the recent files.
    ClearRecent,
}

/// How grave a message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// Worth knowing.
    Info,
    /// Done.
    Success,
    /// Look at it.
    Warning,
    /// It did not work.
    Error,
}

/// What has to be done outside of the state.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// Give a job to the worker.
    Submit(Job),
    /// Set the worker's switch.
    Control(Control),
    /// Set the worker's pace of pictures.
    Pace(LivePace),
    /// Ask the reader.
    Read(Request),
    /// Have the reader end the first look that it is taking.
    CancelLook,
    /// Unpack the example and open it.
    UnpackExample,
    /// Write a file.
    Write {
        /// The file.
        path: PathBuf,
        /// What is written.
        bytes: Vec<u8>,
    },
    /// Move a folder to the trash.
    Trash(PathBuf),
    /// Show a message for a while.
    Toast {
        /// How grave it is.
        level: Level,
        /// One sentence.
        text: String,
    },
    /// Bring a step to the front.
    Show(Step),
    /// Ask for the attention of the person at the desk: a long job has ended.
    Attention,
}
