//! Trials that find out what is wrong with a scan: each changes one thing, and is judged by patterns left out of its fit.
//!
//! A trial reconstructs some neighboring patterns from the center of the scan and predicts others among them. Because trials
//! may change the data themselves (unit, mask, patterns left out), the misfit of the prediction is divided by that of the
//! mean pattern: the share of what distinguishes the patterns that remains unexplained.

use super::central::central_patterns;
use super::reliability::mean_pattern_misfit;
use super::solver::{Start, solve};
use super::trial::{FEWEST, held_out_misfit, misfits, pattern_count, split};
use crate::config::DirectConfig;
use crate::data::{Dataset, Reconstruction, nearest_distances};
use crate::error::Result;
use crate::metrics;
use ndarray::Array3;
use num_complex::Complex32;
use std::collections::BTreeSet;

/// Patterns and epochs of the sweep of the position scale: few, because a wrong scale tears a large part of the scan apart.
const SWEEP_PATTERNS: usize = 40;
const SWEEP_EPOCHS: usize = 10;
/// Ratio of neighboring scales in the sweep.
const SWEEP_RATIO: f64 = 1.08;
/// Smaller steps around the best, as fractions of the logarithm of that ratio.
const FINER: [f64; 3] = [0.5, 0.2, 0.07];
/// Round factors, and the factor by which one may be worse than the best to be preferred.
const ROUND: [f64; 11] = [0.1, 0.2, 0.25, 0.5, 1.0, 2.0, 4.0, 5.0, 10.0, 100.0, 1000.0];
const ABOUT_AS_GOOD: f64 = 1.1;
/// Range of the sweep: distances of neighbors as fractions of the probe's diameter.
const SWEEP_RANGE: [f64; 2] = [0.03, 0.8];
/// Epochs of the fit that finds patterns to leave out.
const OUTLIER_EPOCHS: usize = 12;
/// An outlier has a misfit of at least this many times the median, and this many robust standard deviations of its logarithm
/// above it; more than this share of the patterns are no outliers.
const OUTLYING: f64 = 2.0;
const OUTLYING_DEVIATIONS: f64 = 4.0;
const MOST_OUTLIERS: f64 = 0.3;

/// Upper limit of the unexplained share.
const NOTHING_EXPLAINED: f64 = 1000.0;

/// Result of one trial.
#[derive(Debug, Clone)]
pub struct Attempt {
    /// Share of what distinguishes the patterns that the trial leaves unexplained: misfit of the patterns left out, as a
    /// fraction of the misfit of their mean.
    pub unexplained: f64,
    /// Misfit R of the patterns left out of the fit.
    pub held_out_misfit: f64,
    /// Misfit R of the fitted patterns.
    pub misfit: f64,
    /// The object.
    pub object: Reconstruction,
    /// Positions of the inner patterns, where the object is well covered.
    pub inside: Vec<[f64; 2]>,
    /// (modes, N, N) probe, if it was refined.
    pub probe: Option<Array3<Complex32>>,
}

/// Makes a trial with these settings. `None` if there are too few patterns, or `go_on`, which receives the fraction done,
/// returns false. Positions are refined on all patterns of the trial: two numbers per pattern do not fit its pixels.
///
/// # Errors
/// Values that are not finite; no intensity.
pub fn attempt(
    dataset: &Dataset,
    config: &DirectConfig,
    go_on: &mut dyn FnMut(f64) -> bool,
) -> Result<Option<Attempt>> {
    let Some(count) = pattern_count(dataset, 2 * FEWEST) else { return Ok(None) };
    let mut within = |share: f64, _: Option<f64>| go_on(share);
    let refined;
    let (dataset, config) = if config.refine_positions {
        let part = dataset.subset(&central_patterns(dataset, count));
        let solved = solve(&part, config, &Start::Flat, &mut within)?;
        let Some(positions) = solved.refined.positions.filter(|_| !solved.stopped) else { return Ok(None) };
        refined = Dataset { positions, ..part };
        (&refined, DirectConfig { refine_positions: false, ..config.clone() })
    } else {
        (dataset, config.clone())
    };
    let [fitted, held_out] = split(dataset, count).map(|rows| dataset.subset(&rows));
    attempt_on(&fitted, &held_out, &config, &mut within)
}

fn attempt_on(
    fitted: &Dataset,
    held_out: &Dataset,
    config: &DirectConfig,
    within: &mut dyn FnMut(f64, Option<f64>) -> bool,
) -> Result<Option<Attempt>> {
    let solved = solve(fitted, config, &Start::Flat, within)?;
    if solved.stopped {
        return Ok(None);
    }
    let held_out_misfit = held_out_misfit(&solved, held_out)?;
    let share = held_out_misfit / mean_pattern_misfit(held_out);
    Ok(Some(Attempt {
        // Not a number if the pixels in use are the same in all patterns.
        unexplained: if share.is_finite() { share.min(NOTHING_EXPLAINED) } else { NOTHING_EXPLAINED },
        held_out_misfit,
        misfit: solved.misfits.last().copied().unwrap_or(f64::INFINITY),
        object: solved.reconstruction,
        inside: held_out.positions.clone(),
        probe: solved.refined.probe,
    }))
}

/// Finds the factor of the positions that explains the patterns best: a sweep over all factors with which neighboring
/// illuminations overlap, then smaller steps around the best. `None` if there are too few patterns or `go_on` returns false.
///
/// # Errors
/// As [`attempt`].
pub fn search_scale(dataset: &Dataset, go_on: &mut dyn FnMut(f64) -> bool) -> Result<Option<f64>> {
    let step = metrics::median(&nearest_distances(&dataset.positions)).unwrap_or_default();
    let diameter = metrics::probe_diameter(dataset.probe.view());
    if dataset.len() < FEWEST || step <= 0.0 || diameter <= 0.0 {
        return Ok(None);
    }
    let parts = |count: usize| split(dataset, count).map(|rows| dataset.subset(&rows));
    let [low, high] = SWEEP_RANGE.map(|share| share * diameter / step);
    let steps = ((high / low).ln() / SWEEP_RATIO.ln()).ceil() as i32;
    let planned = f64::from(steps) + 3.0 + 4.0 * FINER.len() as f64;
    let mut done = 0.0;
    let mut try_factor = |[fitted, held_out]: &[Dataset; 2], epochs: usize, factor: f64| -> Result<Option<f64>> {
        let config = DirectConfig { epochs, ..DirectConfig::default() };
        let within = &mut |share: f64, _: Option<f64>| go_on((done + share) / planned);
        let found = attempt_on(&scaled(fitted, factor), &scaled(held_out, factor), &config, within)?;
        done += 1.0;
        Ok(found.map(|found| found.unexplained))
    };
    // The factor 1 is among them.
    let first = (low.ln() / SWEEP_RATIO.ln()).round() as i32;
    let coarse = parts(SWEEP_PATTERNS);
    let mut best = (1.0, f64::INFINITY);
    for number in first..=first + steps {
        let factor = SWEEP_RATIO.powi(number);
        let Some(found) = try_factor(&coarse, SWEEP_EPOCHS, factor)? else { return Ok(None) };
        if found < best.1 {
            best = (factor, found);
        }
    }
    // More patterns cover a larger part of the scan, which determines the factor more precisely.
    let fine = parts(pattern_count(dataset, 2 * FEWEST).unwrap_or(FEWEST));
    let Some(found) = try_factor(&fine, 2 * SWEEP_EPOCHS, best.0)? else { return Ok(None) };
    best.1 = found;
    for share in FINER {
        let center = best.0;
        for number in [-2, -1, 1, 2] {
            let factor = center * SWEEP_RATIO.powf(share * f64::from(number));
            let Some(found) = try_factor(&fine, 2 * SWEEP_EPOCHS, factor)? else { return Ok(None) };
            if found < best.1 {
                best = (factor, found);
            }
        }
    }
    // A round number close by is the factor if it is about as good.
    if let Some(round) = ROUND.into_iter().find(|round| (best.0 / round - 1.0).abs() < 0.05) {
        let Some(found) = try_factor(&fine, 2 * SWEEP_EPOCHS, round)? else { return Ok(None) };
        if found < ABOUT_AS_GOOD * best.1 {
            return Ok(Some(round));
        }
    }
    Ok(Some(best.0))
}

/// The dataset with its positions multiplied by a factor.
#[must_use]
pub fn scaled(dataset: &Dataset, factor: f64) -> Dataset {
    let mut scaled = dataset.clone();
    scaled.positions.iter_mut().flatten().for_each(|value| *value *= factor);
    scaled
}

/// Patterns whose misfit is far above that of the others, after a fit to all and a second one without them; empty if there are
/// none or too many. `None` if `go_on` returns false.
///
/// # Errors
/// As [`attempt`].
pub fn outliers(dataset: &Dataset, go_on: &mut dyn FnMut(f64) -> bool) -> Result<Option<BTreeSet<usize>>> {
    let config = DirectConfig { epochs: OUTLIER_EPOCHS, ..DirectConfig::default() };
    let mut found = BTreeSet::new();
    for pass in 0..2 {
        let kept: Vec<usize> = (0..dataset.len()).filter(|at| !found.contains(at)).collect();
        let part = dataset.subset(&kept);
        let mut within = |share: f64, _: Option<f64>| go_on((f64::from(pass) + share) / 2.0);
        let solved = solve(&part, &config, &Start::Flat, &mut within)?;
        if solved.stopped {
            return Ok(None);
        }
        found = far_above(&misfits(&solved.reconstruction, dataset)?);
        if found.is_empty() || found.len() as f64 > MOST_OUTLIERS * dataset.len() as f64 {
            return Ok(Some(BTreeSet::new()));
        }
    }
    Ok(Some(found))
}

fn far_above(misfits: &[f64]) -> BTreeSet<usize> {
    let (middle, deviation) = metrics::spread_of_logarithms(misfits);
    let limit = middle + OUTLYING.ln().max(OUTLYING_DEVIATIONS * deviation);
    misfits.iter().enumerate().filter(|(_, misfit)| misfit.is_nan() || misfit.ln() > limit).map(|(at, _)| at).collect()
}
