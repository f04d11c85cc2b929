//! Datasets made by calculation: an object, a probe, a scan and a detector (A§9).
//!
//! The hazard of a simulation is a file that looks measured and is not consistent with itself: another scale of object and
//! probe than of the patterns, positions half a pixel off, noise of another dose than stated. So the patterns are the
//! roots of counts, the probe is stored in roots of photons, the object as it was looked at, and the metadata hold the
//! photons that were really counted; R of the stored object against the stored patterns is nothing but noise.
//!
//! Everything is drawn from one seed, each purpose (and each pattern) from a generator of its own, so that the same
//! configuration gives the same file to the bit, whatever the number of threads.
//!
//! * `object`, `probe`, `zernike`, `scan`, `noise`: what is looked at, with what, where, and what the detector makes of it.
//! * `forward`: patch, exit wave, intensity.
//! * `scene`: all of that put together; `preview`: before it is made; `recording`: the file, pattern by pattern;
//!   `metadata`: its `_metadata`.
//! * `random`, `filter`: what these are made with.

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
#[cfg(test)]
mod test_support;
mod zernike;

pub use noise::poisson;
pub use preview::{Preview, preview};
pub use recording::{Recorded, record};
pub use scene::{Scene, Sources};

use crate::config::Config;
use crate::error::Result;
use std::path::Path;

/// Simulates a dataset as configured and writes it to `output`: `config.simulation`, `config.model.gridsize`, and the seed
/// `config.execution.seeds.noise`.
///
/// `watch` is told how many patterns are done, and of how many; when it answers false, the work ends with an error and
/// nothing is written.
///
/// # Errors
/// Fields that contradict each other, files that cannot be read or written, a scan that does not fit into the object.
pub fn simulate(
    config: &Config,
    sources: &Sources,
    output: &Path,
    watch: &mut dyn FnMut(usize, usize) -> bool,
) -> Result<(Scene, Recorded)> {
    let scene = Scene::build(config, sources)?;
    let recorded = record(&scene, config, sources, output, watch)?;
    Ok((scene, recorded))
}
