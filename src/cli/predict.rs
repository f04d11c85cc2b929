//! `predict`: the network alone, without scaling, merging or stitching.

use super::console::{print_line, print_message};
use super::paths::model_file;
use crate::config::Config;
use crate::error::Result;
use std::path::PathBuf;

/// Arguments of `predict`.
#[derive(Debug, clap::Args)]
pub(super) struct PredictArgs {
    /// Model (model.ptycho, or its run folder)
    #[arg(long, value_name = "MODEL")]
    pub model: PathBuf,
    /// Batch (NPZ): images (n, C, N, N), normalized amplitudes as the network expects them
    #[arg(long, value_name = "BATCH")]
    pub input: PathBuf,
    /// File to write (NPZ): object, amplitude and phase, each (n, C, N, N)
    #[arg(long, short, value_name = "FILE")]
    pub output: PathBuf,
    /// Device: auto, cpu, gpu or wgpu
    #[arg(long, value_name = "DEVICE", default_value = "auto")]
    pub accelerator: String,
    /// Print only errors
    #[arg(long)]
    pub quiet: bool,
}

/// Applies the network to a batch and writes the prediction; returns the exit code.
pub(super) fn predict(args: &PredictArgs) -> Result<u8> {
    let mut config = Config::default();
    config.set("execution.accelerator", &args.accelerator)?;
    let model = model_file(&args.model);
    let predicted = crate::worker::predict_file(&model, &args.input, &args.output, config.execution.accelerator)?;
    if !args.quiet {
        let device = &predicted.device;
        device.notes.iter().for_each(|note| print_message(note));
        let [n, c, h, w] = predicted.shape;
        print_message(&format!("Device: {} ({})", device.info.name, device.info.backend));
        print_line(&format!("{}: ({n}, {c}, {h}, {w})", args.output.display()));
    }
    Ok(0)
}
