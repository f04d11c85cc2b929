//! `infer`: a dataset, or those that arrive in a folder, reconstructed with a trained model.

use super::flags::{OutputArgs, SettingArgs};
use super::paths::model_file;
use super::settings::{Settings, inference_settings, required};
use super::watch::{self, Watch};
use super::{console, jobs};
use crate::error::Result;
use crate::worker::message::{Job, WatchMethod};
use std::path::PathBuf;

/// Arguments of `infer`.
#[derive(Debug, clap::Args)]
pub(super) struct InferArgs {
    /// Trained model (model.ptycho, or its run folder)
    #[arg(value_name = "MODEL", required_unless_present = "model_path")]
    pub model: Option<PathBuf>,
    /// Dataset: NPZ, CXI, PtyPy .ptyd, other HDF5, MATLAB 7.3 .mat, or a folder with train_data.npz
    #[arg(value_name = "DATASET", required_unless_present_any = ["test_data", "model_path", "watch"])]
    pub dataset: Option<PathBuf>,
    /// Reconstruct the datasets in this folder and those that arrive later, until Ctrl-C
    #[arg(long, value_name = "FOLDER", conflicts_with_all = ["dataset", "test_data"])]
    pub watch: Option<PathBuf>,
    /// With --watch: exit once all files present have been processed
    #[arg(long, requires = "watch", conflicts_with_all = ["dataset", "test_data"])]
    pub once: bool,
    /// With --watch: time for which a file must remain unchanged before it is read
    #[arg(long, value_name = "SECONDS", requires = "watch", default_value_t = 2.0)]
    pub settle: f64,
    /// Model, under its name in the Python tools
    #[arg(long = "model-path", id = "model_path", hide = true)]
    pub model_path: Option<PathBuf>,
    /// Dataset, under its name in the Python tools
    #[arg(long = "test-data", alias = "test-data-file", id = "test_data", hide = true)]
    pub test_data: Option<PathBuf>,
    /// Run folder [default: a new folder below runs/]; with --watch: parent of one run folder per file [default:
    /// `reconstructed` in the watched folder]
    #[arg(long, value_name = "FOLDER")]
    pub output_dir: Option<PathBuf>,
    /// Configuration.
    #[command(flatten)]
    pub settings: SettingArgs<false>,
    /// Output.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// Reconstructs with a trained model; returns the exit code.
pub(super) fn infer(args: InferArgs) -> Result<u8> {
    // In `infer --model-path M DATASET`, the only positional argument is parsed as the model.
    let (model, dataset) = match (args.model_path, args.test_data) {
        (Some(model), None) if args.dataset.is_none() => (Some(model), args.model),
        (model, data) => (args.model.or(model), args.dataset.or(data)),
    };
    let model = model_file(&required(model, "MODEL")?);
    let Settings { values, notes, .. } = inference_settings(&args.settings)?;
    if let Some(folder) = args.watch {
        let OutputArgs { quiet, json } = args.output;
        if !args.output.is_silent() {
            notes.iter().for_each(|note| console::print_message(note));
        }
        let (once, settle) = (args.once, watch::settle(args.settle)?);
        let method = WatchMethod::Model { model, settings: values };
        return Watch { method, folder, output_dir: args.output_dir, once, settle, json, quiet }.run();
    }
    let dataset = required(dataset, "DATASET")?;
    let output_dir = args.output_dir.into();
    jobs::run_one(Job::Infer { model, dataset, output_dir, settings: values }, &notes, args.output)
}
