//! The teacher: a direct solution of a dataset, whose patches the network imitates first.

use super::{Observer, Scaling, go_on};
use crate::config::{Config, DirectConfig};
use crate::data::Dataset;
use crate::direct;
use crate::error::Result;
use ndarray::Array3;
use num_complex::Complex32;
use std::time::Instant;

/// Largest share of the time that is left for a training which its teacher may take: an unfinished teacher is better than
/// a finished one with nobody to teach.
const SHARE_OF_TIME: f64 = 0.25;

/// Patches (n, N, N) of the direct solution, in the network's units; none if the training was stopped meanwhile.
///
/// * `seconds_left`: of a training with a time budget.
/// * `tells`: whether the observer is told how it went.
///
/// # Errors
/// Those of the solver.
pub(super) fn teacher(
    dataset: &Dataset,
    config: &Config,
    scaling: &Scaling,
    seconds_left: Option<f64>,
    tells: bool,
    observer: &mut dyn Observer,
) -> Result<Option<Array3<Complex32>>> {
    let began = Instant::now();
    let limit = seconds_left.map_or(f64::INFINITY, |seconds| seconds * SHARE_OF_TIME);
    let mut ended_by_user = false;
    let mut watch = |_: f64, misfit: Option<f64>| {
        ended_by_user = !go_on(|| observer.control());
        // One epoch of it at least.
        !ended_by_user && (misfit.is_none() || began.elapsed().as_secs_f64() < limit)
    };
    // The network's physics knows the probe and the positions of the dataset: its teacher shall have no others.
    let settings =
        DirectConfig { refine_probe: false, refine_positions: false, refine_intensity: false, ..config.direct.clone() };
    let solved = direct::solve(dataset, &settings, &direct::Start::Flat, &mut watch)?;
    if ended_by_user {
        return Ok(None);
    }
    if tells {
        let misfit = solved.misfits.last().copied().unwrap_or(f64::NAN);
        let ended = if solved.stopped {
            format!(
                " after {} of {} epochs, since it may take a quarter of the time that is left",
                solved.misfits.len(),
                settings.epochs
            )
        } else {
            String::new()
        };
        observer.note(&format!(
            "The teacher, a direct solution, took {:.1} s{ended}; its misfit is {misfit:.4}",
            began.elapsed().as_secs_f64()
        ));
    }
    let to_network = (scaling.normalization / scaling.probe_factor) as f32;
    let mut patches = solved.reconstruction.patches(&dataset.positions, dataset.patch_size());
    patches.mapv_inplace(|value| value * to_network);
    Ok(Some(patches))
}
