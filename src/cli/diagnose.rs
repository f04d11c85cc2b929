//! `diagnose`: quick trials that find out what is wrong with a scan.

use super::flags::{DataFlags, OutputArgs};
use super::{jobs, settings};
use crate::error::Result;
use crate::worker::message::Job;
use std::path::PathBuf;

/// Arguments of `diagnose`.
#[derive(Debug, clap::Args)]
pub(super) struct DiagnoseArgs {
    /// Dataset: NPZ, CXI, PtyPy .ptyd, other HDF5, MATLAB 7.3 .mat, or a folder with train_data.npz
    #[arg(value_name = "SCAN")]
    pub dataset: PathBuf,
    /// Folder for table (JSON, CSV) and pictures (PNG) of the trials [default: a new folder below runs/]
    #[arg(long, value_name = "FOLDER")]
    pub output_dir: Option<PathBuf>,
    /// Configuration file, or name of a shipped set-up, that sets how the file is read; --set overrides it
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Set how the file is read: a configuration field of the group data; repeatable
    #[arg(long = "set", value_name = "FIELD=VALUE")]
    pub set: Vec<String>,
    /// Flags of single fields.
    #[command(flatten)]
    pub data: DataFlags,
    /// Output.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// Makes the trials of a dataset; returns the exit code.
pub(super) fn diagnose(args: DiagnoseArgs) -> Result<u8> {
    let config = Box::new(settings::data_config(args.config.as_deref(), &args.set, args.data.0)?);
    let job = Job::Diagnose { dataset: args.dataset, output_dir: Some(args.output_dir.into()), config };
    jobs::run_one(job, &[], args.output)
}
