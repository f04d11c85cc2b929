//! `predict`: the network alone.

use super::args::PredictArgs;
use super::compare::bundle_in;
use crate::config::Config;
use crate::error::Result;

/// Predicts a batch and writes it; gives back the exit code.
pub(super) fn predict(args: &PredictArgs) -> Result<u8> {
    let mut config = Config::default();
    config.set("execution.accelerator", &args.accelerator)?;
    let model = bundle_in(&args.model);
    let predicted = crate::worker::predict_file(&model, &args.input, &args.output, config.execution.accelerator)?;
    if !args.quiet {
        let device = &predicted.device;
        device.notes.iter().for_each(|note| eprintln!("{note}"));
        let [n, c, h, w] = predicted.shape;
        eprintln!("Device: {} ({})", device.info.name, device.info.backend);
        super::print_line(&format!("{}: ({n}, {c}, {h}, {w})", args.output.display()));
    }
    Ok(0)
}
