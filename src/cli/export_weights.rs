//! `export-weights`: the weights of a bundle for the Python original.

use super::args::ExportWeightsArgs;
use super::compare::bundle_in;
use crate::checkpoint::{self, Bundle};
use crate::error::Result;

/// Reads the bundle and writes its weights; gives back the exit code.
pub(super) fn export_weights(args: &ExportWeightsArgs) -> Result<u8> {
    let path = bundle_in(&args.model);
    let bundle = Bundle::load(&path)?;
    let bytes = checkpoint::reference_state_dict(&bundle).map_err(|error| error.at(&path))?;
    checkpoint::write_atomic(&args.output, &bytes)?;
    if !args.quiet {
        super::print_line(&args.output.display().to_string());
    }
    Ok(0)
}
