//! Simulated datasets: object, probe, scan and detector (A§9).
//!
//! Hazard: a simulated file that looks measured but is inconsistent: object and probe at another scale than the patterns,
//! positions half a pixel off, noise of another dose than stated. Remedy: patterns are square roots of counts, the probe is
//! stored in square roots of photons, the object as illuminated, and the metadata contain the photons actually counted; R of
//! the stored object against the stored patterns is pure noise.
//!
//! All random numbers derive from one seed, with a separate generator for each purpose and each pattern, so that equal
//! configurations give identical files, whatever the number of threads.
//!
//! * `object`, `probe`, `zernike`, `scan`, `noise`: the parts of the experiment.
//! * `forward`: patch, exit wave, intensity.
//! * `scene`: the whole experiment; `preview`: its preview; `recording`: the file, pattern by pattern; `metadata`: its
//!   `_metadata`.
//! * `random`, `filter`: tools.

mod filter;
mod forward;
mod metadata;
mod noise;
mod object;
mod preview;
mod probe;
mod random;
mod recording;
mod scan;
mod scene;
mod zernike;

pub use noise::poisson;
pub use preview::{Preview, preview};
pub use recording::{Recording, record};
pub use scene::{Scene, Sources};

use crate::config::Config;
use crate::error::Result;
use std::path::Path;

/// Simulates a dataset as configured and writes it to `output`: `config.simulation`, `config.model.gridsize`, and the seed
/// `config.execution.seeds.noise`.
///
/// `progress` receives the number of finished patterns and the total; if it returns false, the simulation stops with an error
/// and nothing is written.
///
/// # Errors
/// Contradictory fields, files that cannot be read or written, a scan that does not fit into the object.
pub fn simulate(
    config: &Config,
    sources: &Sources,
    output: &Path,
    progress: &mut dyn FnMut(usize, usize) -> bool,
) -> Result<(Scene, Recording)> {
    let scene = Scene::build(config, sources)?;
    let recording = record(&scene, config, sources, output, progress)?;
    Ok((scene, recording))
}
