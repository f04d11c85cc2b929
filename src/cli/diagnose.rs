//! `diagnose`: quick trials that find out what is wrong with a scan.

use super::flags::OutputArgs;
use super::jobs;
use super::prepare::ReadingArgs;
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
    /// How the dataset is read.
    #[command(flatten)]
    pub reading: ReadingArgs,
    /// Output.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// Makes the trials of a dataset; returns the exit code.
pub(super) fn diagnose(args: DiagnoseArgs) -> Result<u8> {
    let config = Box::new(args.reading.config()?);
    let job = Job::Diagnose { dataset: args.dataset, output_dir: Some(args.output_dir.into()), config };
    jobs::run_one(job, &[], args.output)
}
