//! `polish`: the object of a finished run refined by the direct solver.

use super::flags::{OutputArgs, SettingArgs};
use super::jobs;
use super::settings::{Settings, inference_settings};
use crate::error::Result;
use crate::worker::message::Job;
use std::path::PathBuf;

/// Arguments of `polish`.
#[derive(Debug, clap::Args)]
pub(super) struct PolishArgs {
    /// Run folder, or the reconstruction.npz in it; --polish sets the number of epochs
    #[arg(value_name = "RUN")]
    pub run: PathBuf,
    /// Run folder of the refined object [default: a new folder below runs/]
    #[arg(long, value_name = "FOLDER")]
    pub output_dir: Option<PathBuf>,
    /// Configuration.
    #[command(flatten)]
    pub settings: SettingArgs<false>,
    /// Output.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// Refines the object of a run; returns the exit code.
pub(super) fn polish(args: PolishArgs) -> Result<u8> {
    let Settings { values, notes, .. } = inference_settings(&args.settings)?;
    let output_dir = args.output_dir.into();
    jobs::run_one(Job::Polish { run: args.run, output_dir, settings: values }, &notes, args.output)
}
