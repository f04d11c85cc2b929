//! `train` and `run`: training, and for `run` also the reconstruction of the same dataset.

use super::flags::{OutputArgs, SettingArgs};
use super::watch::{self, Watch};
use super::{console, jobs, settings};
use crate::config::ConfigPaths;
use crate::error::{Error, Problem, Result};
use crate::worker::message::{Job, WatchMethod};
use std::path::{Path, PathBuf};

/// Arguments of `train` and `run`.
#[derive(Debug, clap::Args)]
pub(super) struct TrainArgs {
    /// Dataset: NPZ, CXI, PtyPy .ptyd, other HDF5, MATLAB 7.3 .mat, or a folder with train_data.npz
    #[arg(value_name = "DATASET")]
    #[arg(required_unless_present_any = ["train_data_file", "ptycho_dir", "resume", "config", "watch"])]
    pub dataset: Option<PathBuf>,
    /// For `run` with the direct solver: reconstruct the datasets in this folder and those that arrive later, until Ctrl-C
    #[arg(long, value_name = "FOLDER", conflicts_with_all = ["dataset", "train_data_file", "ptycho_dir", "resume", "validation"])]
    pub watch: Option<PathBuf>,
    /// With --watch: exit once all files present have been processed
    #[arg(long, requires = "watch")]
    pub once: bool,
    /// With --watch: time for which a file must remain unchanged before it is read
    #[arg(long, value_name = "SECONDS", requires = "watch", default_value_t = 2.0)]
    pub settle: f64,
    /// Resume the interrupted or stopped training in this run folder; only --accelerator, --epochs and --time-budget can be
    /// changed, and DATASET is needed only if the dataset has moved
    #[arg(long, value_name = "RUN_FOLDER", conflicts_with_all = ["output_dir", "validation", "preset", "config", "seed"])]
    pub resume: Option<PathBuf>,
    /// Dataset, under its name in the Python tools
    #[arg(long = "train-data-file", id = "train_data_file", hide = true)]
    #[arg(conflicts_with = "dataset")]
    pub train_data_file: Option<PathBuf>,
    /// Folder of datasets (NPZ) to train on together, under its name in the Python tools
    #[arg(long = "ptycho-dir", id = "ptycho_dir", hide = true, value_name = "FOLDER")]
    #[arg(conflicts_with_all = ["dataset", "train_data_file"])]
    pub ptycho_dir: Option<PathBuf>,
    /// Folder with the probe of these datasets, under its name in the Python tools
    #[arg(long = "probe-dir", id = "probe_dir", hide = true, value_name = "FOLDER", requires = "ptycho_dir")]
    pub probe_dir: Option<PathBuf>,
    /// Second dataset, for the validation loss
    #[arg(long, alias = "test-data-file", value_name = "FILE")]
    pub validation: Option<PathBuf>,
    /// Run folder [default: a new folder below runs/]
    #[arg(long, value_name = "FOLDER")]
    pub output_dir: Option<PathBuf>,
    /// Preset to start from: recipe or reference [default: recipe; reference for a configuration from PtychoPINN]
    #[arg(long, value_name = "NAME")]
    pub preset: Option<String>,
    /// Configuration.
    #[command(flatten)]
    pub settings: SettingArgs<true>,
    /// Output.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// Trains, then reconstructs if `reconstruct`; returns the exit code.
pub(super) fn train(args: TrainArgs, reconstruct: bool) -> Result<u8> {
    if let Some(folder) = args.resume {
        let gathered = settings::gather(&args.settings)?;
        let dataset = args.dataset.or(args.train_data_file);
        let job = Job::Resume { folder, dataset, reconstruct: Some(reconstruct), settings: gathered.values };
        return jobs::run_one(job, &gathered.notes, args.output);
    }
    let (mut config, settings) = settings::effective(args.preset.as_deref(), &args.settings)?;
    if let Some(folder) = args.watch {
        if !reconstruct {
            return Err(Problem::new("`train` watches no folder")
                .hint(
                    "Use `ptychoscope run --watch FOLDER --method direct`, or `ptychoscope infer MODEL --watch FOLDER`",
                )
                .into());
        }
        if !args.output.is_silent() {
            settings.notes.iter().for_each(|note| console::print_message(note));
        }
        let (once, settle) = (args.once, watch::settle(args.settle)?);
        let (method, OutputArgs { quiet, json }) = (WatchMethod::Direct(Box::new(config)), args.output);
        return Watch { method, folder, output_dir: args.output_dir, once, settle, json, quiet }.run();
    }
    let mut listed = args.ptycho_dir.as_deref().map(archives).transpose()?.unwrap_or_default().into_iter();
    let first = listed.next();
    if listed.len() > 0 {
        let names: Vec<String> = listed.map(|path| path.display().to_string()).collect();
        config.set("data.also", &names.join(";"))?;
    }
    if let Some(probes) = args.probe_dir.as_deref().map(archives).transpose()? {
        let path = probes.first().map_or_else(String::new, |path| path.display().to_string());
        config.set("data.mapping.probe_file", &path)?;
    }
    // Files and folders on the command line override those named in a configuration from PtychoPINN.
    let ConfigPaths { train, test, output, model } = settings.paths;
    let dataset = args.dataset.or(args.train_data_file).or(first).or(train.into_iter().next());
    let dataset = settings::required(dataset, "DATASET")?;
    let (validation, output_dir) = (args.validation.or(test), args.output_dir.or(output).into());
    let mut notes = settings.notes;
    if let Some(model) = model {
        notes.push(format!("Training ignores the model named in the configuration ({}).", model.display()));
    }
    let changed = config.differences(&settings.preset.config())?;
    let changed = if changed.is_empty() { "unchanged".to_owned() } else { changed.join(", ") };
    notes.push(format!("Configuration: preset {}, {changed}.", settings.preset.name()));
    let config = Box::new(config);
    let job = if reconstruct {
        Job::Run { dataset, validation, output_dir, config }
    } else {
        Job::Train { dataset, validation, output_dir, config }
    };
    jobs::run_one(job, &notes, args.output)
}

/// The NPZ files in a folder, by name.
///
/// # Errors
/// The folder cannot be read or has none.
fn archives(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(folder).map_err(|error| Error::reading(folder, &error))?;
    let mut found: Vec<PathBuf> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("npz")))
        .collect();
    found.sort();
    if found.is_empty() {
        return Err(Problem::new("The folder has no datasets").expected("files ending in .npz").at(folder).into());
    }
    Ok(found)
}
