//! Test of the eight possible scan orientations.
//!
//! Hazard: positions with x and y swapped, or one of them mirrored, load without error and reconstruct to noise.
//! Remedy: neighboring patterns are solved for a few epochs in each orientation, and the misfits are compared. A real,
//! symmetric probe cannot distinguish an object from its mirrored twin: then two orientations fit the patterns equally
//! well, and nothing is suggested.

use super::central::central_patterns;
use super::solver::{Start, solve};
use crate::config::{DirectConfig, Orientation};
use crate::data::{self, Dataset};
use crate::error::Result;
use serde::Serialize;

/// Maximum number of patterns used, and maximum number of their pixels.
const MAX_PATTERNS: usize = 100;
const MAX_PIXELS: usize = 1_000_000;
/// Minimum number of patterns for a meaningful score.
const MIN_PATTERNS: usize = 10;
/// Epochs of the solver for each orientation.
const EPOCHS: usize = 20;
/// A misfit below this fraction of another one is clearly better. On measured scans the correct orientation has 0.2 to
/// 0.4 of the median of all; wrong ones differ by 10 % from each other.
const CLEARLY_BETTER: f64 = 0.7;

/// Score of one scan orientation.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct OrientationScore {
    /// Orientation tested.
    pub orientation: Orientation,
    /// Misfit Σ(|F| − √I)² / ΣI after the last epoch.
    pub misfit: f64,
}

/// Scores of all scan orientations of a dataset.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Orientations {
    /// Orientation in which the dataset was read.
    pub now: Orientation,
    /// Number of patterns used.
    pub patterns: usize,
    /// All eight scores, in the order of [`Orientation::ALL`].
    pub scores: Vec<OrientationScore>,
}

impl Orientations {
    /// Misfit of an orientation; infinite if it was not scored.
    pub fn misfit(&self, orientation: Orientation) -> f64 {
        let score = self.scores.iter().find(|score| score.orientation == orientation);
        score.map_or(f64::INFINITY, |score| score.misfit)
    }

    /// Scores in ascending order of misfit; equal ones in the order of [`Orientation::ALL`].
    pub fn best_first(&self) -> Vec<OrientationScore> {
        let mut scores = self.scores.clone();
        scores.sort_by(|a, b| a.misfit.total_cmp(&b.misfit));
        scores
    }

    /// True if the best orientation fits the patterns clearly better than most; if false, the problem lies elsewhere.
    pub fn stands_out(&self) -> bool {
        let scores = self.best_first();
        let misfit = |at: usize| scores.get(at).map_or(f64::INFINITY, |score| score.misfit);
        misfit(0) < CLEARLY_BETTER * misfit(scores.len() / 2)
    }

    /// Orientation that fits the patterns clearly better than the current one, if any.
    pub fn suggestion(&self) -> Option<Orientation> {
        let best = self.best_first().first().copied()?;
        (best.misfit < CLEARLY_BETTER * self.misfit(self.now)).then_some(best.orientation)
    }

    /// Other orientation that fits the patterns as well as `orientation`, if any: the probe cannot distinguish the two.
    pub fn twin_of(&self, orientation: Orientation) -> Option<Orientation> {
        let limit = self.misfit(orientation) / CLEARLY_BETTER;
        let others = self.best_first().into_iter().filter(|score| score.orientation != orientation);
        others.map(|score| (score.orientation, score.misfit)).find(|(_, misfit)| *misfit < limit).map(|found| found.0)
    }
}

/// Scores all orientations of a dataset that was read in the orientation `now`.
///
/// `progress` is called with the completed fraction; returning false stops. Returns `None` then, and for fewer than 10
/// patterns.
///
/// # Errors
/// Values that are not finite.
pub fn score_orientations(
    dataset: &Dataset,
    now: Orientation,
    progress: &mut dyn FnMut(f64) -> bool,
) -> Result<Option<Orientations>> {
    let part = dataset.subset(&central_patterns(
        dataset,
        MAX_PATTERNS.min(MAX_PIXELS / dataset.patch_size().pow(2).max(1)).max(MIN_PATTERNS),
    ));
    if part.len() < MIN_PATTERNS {
        return Ok(None);
    }
    let refine_probe = dataset.starts_from_near_field();
    let config = DirectConfig { epochs: EPOCHS, refine_probe, ..DirectConfig::default() };
    let mut scores = Vec::new();
    for (number, orientation) in Orientation::ALL.into_iter().enumerate() {
        let mut reoriented = part.clone();
        data::reorient(&mut reoriented.positions, now, orientation);
        let mut within = |share: f64, _: Option<f64>| progress((number as f64 + share) / Orientation::ALL.len() as f64);
        let solved = solve(&reoriented, &config, &Start::Flat, &mut within)?;
        let Some(&misfit) = solved.misfits.last().filter(|_| !solved.stopped) else { return Ok(None) };
        scores.push(OrientationScore { orientation, misfit });
    }
    Ok(Some(Orientations { now, patterns: part.len(), scores }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::DataConfig;

    fn read(orientation: Orientation) -> Dataset {
        let path = ptychoscope_base::testing::fixture("siemens_star_n64.npz");
        Dataset::load(&path, &DataConfig { orientation, ..DataConfig::default() }, 0).unwrap()
    }

    #[test]
    fn the_correct_orientation_of_a_scan_is_found() {
        for now in [Orientation::Plain, Orientation::SwapFlipX] {
            let found = score_orientations(&read(now), now, &mut |_| true).unwrap().unwrap();
            println!("{found:?}");
            assert_eq!(found.best_first()[0].orientation, Orientation::Plain, "{found:?}");
            assert_eq!(found.suggestion(), (now != Orientation::Plain).then_some(Orientation::Plain));
            assert_eq!(found.twin_of(Orientation::Plain), None);
            assert!(found.stands_out());
        }
    }

    #[test]
    fn no_orientation_is_suggested_if_none_fits() {
        let mut dataset = read(Orientation::Plain);
        let (given, count) = (dataset.positions.clone(), dataset.len());
        for (at, position) in dataset.positions.iter_mut().enumerate() {
            *position = given[at * 37 % count];
        }
        let found = score_orientations(&dataset, Orientation::FlipX, &mut |_| true).unwrap().unwrap();
        println!("{found:?}");
        assert!(!found.stands_out() && found.suggestion().is_none(), "{found:?}");
    }

    #[test]
    fn scoring_can_be_stopped_and_gives_nothing_for_a_few_patterns() {
        let dataset = read(Orientation::Plain);
        assert_eq!(score_orientations(&dataset, Orientation::Plain, &mut |share| share < 0.3).unwrap(), None);
        let few = dataset.subset(&[0, 1, 2]);
        assert_eq!(score_orientations(&few, Orientation::Plain, &mut |_| true).unwrap(), None);
    }
}
