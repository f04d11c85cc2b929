//! `import-weights`: weights of the Python original as a bundle.

use super::args::ImportWeightsArgs;
use super::settings::assignment;
use crate::checkpoint;
use crate::error::Result;

/// Reads, recognises and writes; gives back the exit code.
pub(super) fn import_weights(args: &ImportWeightsArgs) -> Result<u8> {
    let settings = args.set.iter().map(|text| assignment(text)).collect::<Result<Vec<_>>>()?;
    let imported = checkpoint::import_weights(&args.file, &settings)?;
    imported.bundle.save(&args.output)?;
    if !args.quiet {
        imported.found.iter().for_each(|line| eprintln!("{line}."));
        imported.notes.iter().for_each(|line| eprintln!("Note: {line}."));
        super::print_line(&args.output.display().to_string());
    }
    Ok(0)
}
