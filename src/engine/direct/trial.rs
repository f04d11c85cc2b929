//! What trials share: the patterns of a trial, those left out of its fit, and its misfit on them.

use super::central::nearest_to_center;
use super::solver::Solution;
use crate::data::{Dataset, Reconstruction};
use crate::error::Result;
use crate::metrics::{consistency_r, pattern_residuals};

/// Largest number of patterns of a trial, and of their pixels; smallest number of patterns.
const PATTERNS: usize = 120;
const PIXELS: usize = 1_200_000;
pub(super) const FEWEST: usize = 16;
/// One of this many inner patterns is left out of the fit.
const HELD_OUT: usize = 4;

/// Number of patterns on which a dataset is tried, `at_least` for large ones; `None` if it has too few.
pub(super) fn pattern_count(dataset: &Dataset, at_least: usize) -> Option<usize> {
    let count = PATTERNS.min(PIXELS / dataset.patch_size().pow(2).max(1)).max(at_least);
    (dataset.len() >= FEWEST).then_some(count)
}

/// Numbers of the `count` patterns nearest to the center of the scan, divided into those to fit and those to leave out, each
/// ascending. Patterns at the border of this part have neighbors on one side only: only inner ones are left out.
pub(super) fn split(dataset: &Dataset, count: usize) -> [Vec<usize>; 2] {
    let chosen = nearest_to_center(dataset, count);
    let inner = chosen.len() / 2;
    let is_held_out = |rank: usize| rank < inner && rank % HELD_OUT == HELD_OUT / 2;
    [false, true].map(|held_out| {
        let of = chosen.iter().enumerate().filter(|(rank, _)| is_held_out(*rank) == held_out);
        let mut of: Vec<usize> = of.map(|(_, at)| *at).collect();
        of.sort_unstable();
        of
    })
}

/// Misfit R of an object to the patterns of a dataset, with the dataset's probe and positions.
pub(super) fn misfit(object: &Reconstruction, dataset: &Dataset) -> Result<f64> {
    consistency_r(object.object.view(), object.origin_xy, &dataset.measured())
}

/// Misfit R of each pattern of a dataset, with its probe and positions.
pub(super) fn misfits(object: &Reconstruction, dataset: &Dataset) -> Result<Vec<f64>> {
    pattern_residuals(object.object.view(), object.origin_xy, &dataset.measured())
}

/// Misfit R of patterns that were left out of the fit, with the probe and the background of the solution if they were refined.
pub(super) fn held_out_misfit(solved: &Solution, held_out: &Dataset) -> Result<f64> {
    let mut measured = held_out.measured();
    if let Some(probe) = &solved.refined.probe {
        measured.probe = probe.view();
    }
    if let Some(background) = &solved.refined.background {
        measured.background = Some(background.view());
    }
    consistency_r(solved.reconstruction.object.view(), solved.reconstruction.origin_xy, &measured)
}
