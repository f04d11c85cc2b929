//! The teacher: a direct solution of a dataset, whose patches the network imitates at first.

use super::{Observer, Scaling};
use crate::config::{Config, DirectConfig};
use crate::control::wait_while_paused;
use crate::data::Dataset;
use crate::direct;
use crate::error::Result;
use ndarray::Array3;
use num_complex::Complex32;
use std::time::Instant;

/// Largest fraction of the remaining training time that the teacher may take: an unfinished teacher is better than a
/// finished one without time left for the training.
const SHARE_OF_TIME: f64 = 0.25;

/// Patches (n, N, N) of the direct solution, in the network's units; `None` if the training was stopped meanwhile.
///
/// * `remaining`: seconds left of the time budget, if there is one.
/// * `announce`: sends the observer a note on the result.
///
/// # Errors
/// As the solver.
pub(super) fn teacher(
    dataset: &Dataset,
    config: &Config,
    scaling: &Scaling,
    remaining: Option<f64>,
    announce: bool,
    observer: &mut dyn Observer,
) -> Result<Option<Array3<Complex32>>> {
    let began = Instant::now();
    let limit = remaining.map_or(f64::INFINITY, |seconds| seconds * SHARE_OF_TIME);
    let mut stopped = false;
    let mut proceed = |_: f64, misfit: Option<f64>| {
        stopped = !wait_while_paused(|| observer.control());
        // At least one epoch is completed.
        !stopped && (misfit.is_none() || began.elapsed().as_secs_f64() < limit)
    };
    // The network's forward model uses the probe and the positions of the dataset, so its teacher must not refine them.
    let settings = DirectConfig {
        refine_probe: false,
        refine_positions: false,
        refine_intensity: false,
        refine_background: false,
        ..config.direct.clone()
    };
    let solved = direct::solve(dataset, &settings, &direct::Start::Flat, &mut proceed)?;
    if stopped {
        return Ok(None);
    }
    if announce {
        let misfit = solved.misfits.last().copied().unwrap_or(f64::NAN);
        let (done, planned) = (solved.misfits.len(), settings.epochs);
        let limited = if solved.stopped {
            format!(" ({done} of {planned} epochs; limited to 25 % of the remaining time)")
        } else {
            String::new()
        };
        observer.note(&format!(
            "Computed the teacher (direct solution) in {:.1} s{limited}; misfit {misfit:.4}",
            began.elapsed().as_secs_f64()
        ));
    }
    let to_network = (scaling.normalization / scaling.probe_factor) as f32;
    let mut patches = solved.reconstruction.patches(&dataset.positions, dataset.patch_size());
    patches.mapv_inplace(|value| value * to_network);
    Ok(Some(patches))
}
