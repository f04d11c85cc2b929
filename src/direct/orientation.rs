//! Which of the eight ways to lay the scan explains the patterns best.
//!
//! Hazard: positions with x and y exchanged, or one of them mirrored, load without a complaint and reconstruct to noise.
//! Remedy: some neighbouring patterns are solved for a few epochs in each orientation, and the misfits are compared. A
//! probe that looks the same from the other side (a real, symmetric one) cannot tell an object from its mirrored twin:
//! then two orientations explain the patterns equally well, and nothing is suggested.

use super::solver::{Start, solve};
use crate::config::{DirectConfig, Orientation};
use crate::data::{self, Dataset};
use crate::error::Result;
use serde::Serialize;

/// Most patterns that are looked at, and most pixels of them.
const PATTERNS: usize = 100;
const PIXELS: usize = 1_000_000;
/// Fewest patterns that say something.
const FEWEST: usize = 10;
/// Epochs of the solver for each orientation.
const EPOCHS: usize = 20;
/// One misfit below this share of another one is clearly better. On measured scans the right orientation has 0.2 to 0.4 of
/// the median of all; wrong ones differ among themselves by 10 %.
const CLEARLY_BETTER: f64 = 0.7;

/// How well one orientation explains the patterns.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct OrientationScore {
    /// The orientation.
    pub orientation: Orientation,
    /// Misfit Σ(|F| − √I)² / ΣI that is left.
    pub misfit: f64,
}

/// How well each orientation explains the patterns.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Orientations {
    /// The orientation in which the dataset was read.
    pub now: Orientation,
    /// Number of patterns that were looked at.
    pub patterns: usize,
    /// All eight, in the order of [`Orientation::ALL`].
    pub scores: Vec<OrientationScore>,
}

impl Orientations {
    /// The misfit of an orientation; infinite where it was not scored.
    pub fn misfit(&self, orientation: Orientation) -> f64 {
        let score = self.scores.iter().find(|score| score.orientation == orientation);
        score.map_or(f64::INFINITY, |score| score.misfit)
    }

    /// The scores, best first; equal ones in the order of [`Orientation::ALL`].
    pub fn best_first(&self) -> Vec<OrientationScore> {
        let mut scores = self.scores.clone();
        scores.sort_by(|a, b| a.misfit.total_cmp(&b.misfit));
        scores
    }

    /// Whether the best orientation explains the patterns clearly better than most do; if not, something else is wrong.
    pub fn stands_out(&self) -> bool {
        let scores = self.best_first();
        let misfit = |at: usize| scores.get(at).map_or(f64::INFINITY, |score| score.misfit);
        misfit(0) < CLEARLY_BETTER * misfit(scores.len() / 2)
    }

    /// Another orientation that explains the patterns clearly better than the present one.
    pub fn suggestion(&self) -> Option<Orientation> {
        let best = self.best_first().first().copied()?;
        (best.misfit < CLEARLY_BETTER * self.misfit(self.now)).then_some(best.orientation)
    }

    /// Another orientation that explains the patterns as well as `orientation` does: the probe cannot tell them apart.
    pub fn twin_of(&self, orientation: Orientation) -> Option<Orientation> {
        let limit = self.misfit(orientation) / CLEARLY_BETTER;
        let others = self.best_first().into_iter().filter(|score| score.orientation != orientation);
        others.map(|score| (score.orientation, score.misfit)).find(|(_, misfit)| *misfit < limit).map(|found| found.0)
    }
}

/// Scores all orientations of a dataset that was read in the orientation `now`; none if there are too few patterns, or if
/// `watch`, which is told the share done, ends the work.
///
/// # Errors
/// Values that are not finite.
pub fn score_orientations(
    dataset: &Dataset,
    now: Orientation,
    watch: &mut dyn FnMut(f64) -> bool,
) -> Result<Option<Orientations>> {
    let part = dataset.subset(&around_the_middle(dataset));
    if part.len() < FEWEST {
        return Ok(None);
    }
    let config = DirectConfig { epochs: EPOCHS, ..DirectConfig::default() };
    let mut scores = Vec::new();
    for (number, orientation) in Orientation::ALL.into_iter().enumerate() {
        let mut turned = part.clone();
        data::reorient(&mut turned.positions, now, orientation);
        let mut within = |share: f64, _: Option<f64>| watch((number as f64 + share) / Orientation::ALL.len() as f64);
        let solved = solve(&turned, &config, &Start::Flat, &mut within)?;
        let Some(&misfit) = solved.misfits.last().filter(|_| !solved.stopped) else { return Ok(None) };
        scores.push(OrientationScore { orientation, misfit });
    }
    Ok(Some(Orientations { now, patterns: part.len(), scores }))
}

/// Patterns near the middle of the scan, whose spots overlap: the nearest ones to the median position.
fn around_the_middle(dataset: &Dataset) -> Vec<usize> {
    let count = PATTERNS.min(PIXELS / dataset.patch_size().pow(2).max(1)).max(FEWEST);
    let median = [0, 1].map(|axis| {
        let mut values: Vec<f64> = dataset.positions.iter().map(|position| position[axis]).collect();
        values.sort_by(f64::total_cmp);
        values.get(values.len() / 2).copied().unwrap_or_default()
    });
    let distance = |index: usize| {
        let [x, y] = dataset.positions[index];
        (x - median[0]).powi(2) + (y - median[1]).powi(2)
    };
    let mut order: Vec<usize> = (0..dataset.len()).collect();
    order.sort_by(|&a, &b| distance(a).total_cmp(&distance(b)).then(a.cmp(&b)));
    order.truncate(count);
    order.sort_unstable();
    order
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;
    use crate::config::DataConfig;
    use std::path::Path;

    fn read(orientation: Orientation) -> Dataset {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/siemens_star_n64.npz");
        Dataset::load(&path, &DataConfig { orientation, ..DataConfig::default() }, 0).unwrap()
    }

    #[test]
    fn a_scan_that_lies_wrong_is_told_how_it_lies() {
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
    fn patterns_that_no_orientation_explains_get_no_advice() {
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
    fn it_can_be_stopped_and_says_nothing_about_a_handful_of_patterns() {
        let dataset = read(Orientation::Plain);
        assert_eq!(score_orientations(&dataset, Orientation::Plain, &mut |share| share < 0.3).unwrap(), None);
        let few = dataset.subset(&[0, 1, 2]);
        assert_eq!(score_orientations(&few, Orientation::Plain, &mut |_| true).unwrap(), None);
    }
}
