//! How far a result can be trusted, without a reference object.
//!
//! The misfit alone is no judge: false probes, positions and orientations reach small values with an object that is no
//! picture. So neighboring patterns from the center of the scan are divided into two halves, and each half is solved alone,
//! with the probe, positions and intensities of the result. Each half then predicts the patterns of the other, and the
//! two objects are compared with each other and with the result. Where the model of the experiment is right and the data
//! suffice, all of these agree.
//!
//! Misfits are compared with two others: that of the mean pattern, which needs no object, and that which the counting
//! noise alone causes. Counts betray their unit by being whole multiples of it.

use super::central::nearest_to_center;
use super::solver::{Solution, Start, solve};
use super::trial::misfit;
use crate::config::DirectConfig;
use crate::data::{self, Canvas, Dataset, Reconstruction, crop_to_frame};
use crate::error::Result;
use crate::metrics::{self, Region};
use ndarray::{Array2, Axis};
use num_complex::Complex32;
use serde::Serialize;

/// Largest number of patterns in the two halves together, and the share of all patterns that bounds it; smallest number.
const PATTERNS: usize = 120;
const SHARE: usize = 4;
const FEWEST: usize = 16;
/// Epochs of each half.
const EPOCHS: usize = 20;
/// Highest frequency of the mean ring correlation, cycles per pixel.
const LOW_FREQUENCIES: f64 = 0.25;

/// Degree to which a result can be trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Trust {
    /// The result contradicts the data, or the data determine no object.
    Failed,
    /// Something is visible, but part of the evidence is weak.
    Doubtful,
    /// All evidence agrees.
    Reliable,
}

impl Trust {
    /// Name in files and messages.
    pub fn name(self) -> &'static str {
        match self {
            Self::Failed => "failed",
            Self::Doubtful => "doubtful",
            Self::Reliable => "reliable",
        }
    }
}

/// The verdict on a result, with its reason.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Reliability {
    /// The verdict.
    pub verdict: Trust,
    /// Reason, one sentence without its period.
    pub reason: String,
    /// What to do, one sentence without its period; empty for a reliable result.
    pub advice: String,
    /// What the verdict rests on.
    pub evidence: Evidence,
}

/// The evidence for a verdict. Misfits are R = Σ(|F| − √I)² / ΣI. A value that cannot be computed is null.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize)]
pub struct Evidence {
    /// Number of patterns in the two halves.
    pub patterns: usize,
    /// Misfit of the result to all patterns.
    pub misfit: Option<f64>,
    /// Misfit of the mean pattern to each: how much the patterns differ from each other.
    pub mean_pattern_misfit: Option<f64>,
    /// Misfit of an object without contrast.
    pub flat_misfit: Option<f64>,
    /// Misfit that counting noise alone causes; null if the values are no multiples of a count.
    pub noise_misfit: Option<f64>,
    /// Misfit of each half to its own patterns, mean of both.
    pub fitted_misfit: Option<f64>,
    /// Misfit of each half to the patterns of the other, mean of both.
    pub held_out_misfit: Option<f64>,
    /// Correlation of the phases of the two halves.
    pub halves_phase: Option<f64>,
    /// Mean Fourier ring correlation of the two halves up to 0.25 cycles per pixel.
    pub halves_frc: Option<f64>,
    /// Spatial frequency at which it falls below 1/2, cycles per pixel; null if it never does.
    pub halves_frc_half: Option<f64>,
    /// Correlation of the phase of the result with that of the mean of the halves.
    pub agreement_phase: Option<f64>,
}

/// Judges a result. `dataset` has the probe, positions and intensities with which the object was reconstructed;
/// `result_misfit` is the misfit of the object to all patterns. `None` if there are too few patterns or `go_on`, which
/// receives the fraction done, returns false.
///
/// # Errors
/// Values that are not finite; no probe.
pub fn judge(
    dataset: &Dataset,
    object: &Reconstruction,
    result_misfit: Option<f64>,
    go_on: &mut dyn FnMut(f64) -> bool,
) -> Result<Option<Reliability>> {
    if dataset.len() < FEWEST {
        return Ok(None);
    }
    let chosen = nearest_to_center(dataset, (dataset.len() / SHARE).clamp(PATTERNS / 2, PATTERNS));
    // Patterns at the border have neighbors on one side only: the inner half of them is judged.
    let inner = &chosen[..chosen.len() / 2];
    let config = DirectConfig { epochs: EPOCHS, ..DirectConfig::default() };
    let mut solutions: Vec<Solution> = Vec::new();
    let mut held_out_misfit = 0.0;
    for half in 0..2 {
        let mut within = |share: f64, _: Option<f64>| go_on((half as f64 + share) / 2.0);
        let solved = solve(&dataset.subset(&every_other(&chosen, half)), &config, &Start::Flat, &mut within)?;
        if solved.stopped {
            return Ok(None);
        }
        held_out_misfit += misfit(&solved.reconstruction, &dataset.subset(&every_other(inner, 1 - half)))? / 2.0;
        solutions.push(solved);
    }
    let [first, second] = &solutions[..] else { return Ok(None) };
    let positions: Vec<[f64; 2]> = inner.iter().map(|&at| dataset.positions[at]).collect();
    let halves = compare(&second.reconstruction, &first.reconstruction, &positions);
    let mean = mean_of(&first.reconstruction, &second.reconstruction);
    let part = dataset.subset(inner);
    let last = |solved: &Solution| solved.misfits.last().copied().unwrap_or(f64::NAN);
    Ok(Some(Reliability::of(Evidence {
        patterns: chosen.len(),
        misfit: result_misfit.and_then(finite),
        mean_pattern_misfit: finite(mean_pattern_misfit(&part)),
        flat_misfit: flat_misfit(&part).ok().and_then(finite),
        noise_misfit: noise_misfit(&part),
        fitted_misfit: finite((last(first) + last(second)) / 2.0),
        held_out_misfit: finite(held_out_misfit),
        halves_phase: halves.phase,
        halves_frc: halves.frc,
        halves_frc_half: halves.frc_half,
        agreement_phase: compare(object, &mean, &positions).phase,
    })))
}

fn finite(value: f64) -> Option<f64> {
    value.is_finite().then_some(value)
}

fn every_other(ranks: &[usize], half: usize) -> Vec<usize> {
    ranks.iter().copied().skip(half).step_by(2).collect()
}

const POSITIONS: &str = "Check probe, positions, orientation and unit of the data with `ptychoscope diagnose`";
const LONGER: &str = "Train longer or use more epochs, or refine the result with `ptychoscope polish`";
const DENSER: &str = "Use more patterns, a denser scan or more light";

impl Reliability {
    /// The verdict that follows from the evidence.
    ///
    /// The limits come from 85 results with a known object, half of them failures. On measured data of good quality the
    /// misfit is several times the counting noise, and 0.3 to 0.5 of what the object could explain.
    pub fn of(evidence: Evidence) -> Self {
        let (verdict, reason, advice) = weigh(&evidence);
        Self { verdict, reason, advice: advice.to_owned(), evidence }
    }
}

/// Verdict, reason and advice.
fn weigh(e: &Evidence) -> (Trust, String, &'static str) {
    use Trust::{Doubtful, Failed, Reliable};
    let value = |value: Option<f64>| value.unwrap_or(f64::NAN);
    let unknown = [e.misfit, e.mean_pattern_misfit, e.fitted_misfit, e.held_out_misfit].iter().any(Option::is_none);
    let (frc, halves) = (e.halves_frc.unwrap_or(0.0), e.halves_phase.unwrap_or(0.0));
    let agreement = e.agreement_phase.unwrap_or(0.0);
    if unknown {
        return (Failed, "The object cannot be compared with the patterns".to_owned(), POSITIONS);
    }
    let (misfit, spread, noise) = (value(e.misfit), value(e.mean_pattern_misfit), e.noise_misfit.unwrap_or(0.0));
    // What the mean pattern leaves and noise does not explain is the part of the data that an object can explain.
    let share = |misfit: f64| (misfit - noise) / (spread - noise).max(1e-3 * spread);
    let (unexplained, fitted, held_out) =
        (share(misfit), share(value(e.fitted_misfit)), share(value(e.held_out_misfit)));
    let percent = |share: f64| format!("{:.0} %", 100.0 * share.clamp(0.0, 9.99));

    if noise > 0.0 && misfit <= 1.6 * noise {
        return if halves < 0.3 && spread < 1.5 * noise {
            (
                Failed,
                "The object has no contrast above the noise: the patterns differ by counting noise only".to_owned(),
                DENSER,
            )
        } else if agreement < 0.85 && held_out < 0.5 {
            (Doubtful, format!("The object differs from what the data determine (correlation {agreement:.2})"), LONGER)
        } else if misfit < 0.8 * noise && held_out > 1.0 || held_out > 3.0 || halves < 0.3 || agreement < 0.7 {
            (Doubtful, "The patterns are fitted, but too few or too faint to determine the object".to_owned(), DENSER)
        } else {
            (Reliable, "The object explains the patterns down to their counting noise".to_owned(), "")
        };
    }
    if frc > 0.5 && held_out < 0.5 && agreement < 0.6 {
        return (
            Failed,
            format!("The object differs from what the data determine (correlation {agreement:.2})"),
            LONGER,
        );
    }
    if misfit >= spread.min(e.flat_misfit.unwrap_or(spread)) {
        let advice = if frc > 0.2 && held_out < 0.7 { LONGER } else { POSITIONS };
        return (Failed, "The object explains the patterns no better than their mean does".to_owned(), advice);
    }
    if unexplained > 0.6 {
        let advice = if frc > 0.2 && fitted < 0.3 { LONGER } else { POSITIONS };
        return (
            Failed,
            format!("{} of what distinguishes the patterns is not explained", percent(unexplained)),
            advice,
        );
    }
    if frc < 0.05 {
        let reason = format!("Two halves of the patterns give different objects (ring correlation {frc:.2})");
        return (Failed, reason, POSITIONS);
    }
    if frc < 0.2 {
        let reason = format!("Two halves of the patterns give objects that hardly agree (ring correlation {frc:.2})");
        return (Doubtful, reason, if held_out > 1.0 && fitted < 0.1 { DENSER } else { POSITIONS });
    }
    // Well-determined halves, which predict other patterns as well as their own, are alike if the model is right.
    if value(e.held_out_misfit) < 1.8 * value(e.fitted_misfit) && frc < 0.6 {
        let reason =
            format!("Two halves predict each other's patterns, but their objects differ (ring correlation {frc:.2})");
        return (Doubtful, reason, POSITIONS);
    }
    if fitted > 0.3 && frc < 0.9 {
        return (
            Doubtful,
            format!("{} of what distinguishes the patterns resists the fit", percent(fitted)),
            POSITIONS,
        );
    }
    if agreement < 0.85 {
        return (
            Doubtful,
            format!("The object differs from what the data determine (correlation {agreement:.2})"),
            LONGER,
        );
    }
    let reason =
        format!("Two halves of the patterns predict each other and agree with the result (correlation {agreement:.2})");
    (Reliable, reason, "")
}

/// Agreement of two objects.
#[derive(Default)]
struct Agreement {
    phase: Option<f64>,
    frc: Option<f64>,
    frc_half: Option<f64>,
}

/// Compares two objects inside the positions; empty where that is not possible.
fn compare(object: &Reconstruction, with: &Reconstruction, positions: &[[f64; 2]]) -> Agreement {
    let [x, y] = with.origin_xy;
    let positions: Vec<[f64; 2]> = positions.iter().map(|p| [p[0] - x, p[1] - y]).collect();
    let origin = [object.origin_xy[0] - x, object.origin_xy[1] - y];
    let (object, with) = (object.object.view(), with.object.view());
    let correlation = metrics::phase_correlation(object, origin, with, &positions).ok();
    let rings = Region::of_scan(&positions, with.dim())
        .and_then(|region| metrics::split_half_frc(with, object, origin, region))
        .ok();
    let mean = rings.as_ref().and_then(|rings| {
        let values = rings.frequency.iter().zip(&rings.value).zip(&rings.pixels);
        let (sum, weight) = values
            .filter(|((frequency, _), _)| **frequency <= LOW_FREQUENCIES)
            .fold((0.0, 0.0), |sum, ((_, value), pixels)| (sum.0 + value * pixels, sum.1 + pixels));
        finite(sum / weight)
    });
    Agreement {
        phase: correlation.and_then(|found| finite(found.phase)),
        frc: mean,
        frc_half: rings.and_then(|rings| rings.crossing(metrics::FrcThreshold::Half)),
    }
}

/// Mean of two objects, on the canvas of the first. Both were started from the same flat object, so their phases agree.
fn mean_of(first: &Reconstruction, second: &Reconstruction) -> Reconstruction {
    let corner = [0, 1].map(|axis| (first.origin_xy[axis] - second.origin_xy[axis]).round() as i64);
    let other = crop_to_frame(&second.object, corner, first.object.dim(), Complex32::default());
    let mut mean = first.clone();
    mean.object.zip_mut_with(&other, |value, other| {
        *value = if other.norm_sqr() > 0.0 { (*value + other) / 2.0 } else { *value };
    });
    mean
}

/// Misfit of an object without contrast.
fn flat_misfit(dataset: &Dataset) -> Result<f64> {
    let probe: f64 = dataset.probe.iter().map(|value| f64::from(value.norm_sqr())).sum();
    let counts: f64 = dataset.diffraction.iter().map(|value| f64::from(*value).powi(2)).sum();
    let background: f64 = dataset.background.iter().flatten().map(|value| f64::from(*value)).sum();
    let value = ((counts / dataset.len() as f64 - background).max(0.0) / probe).sqrt();
    let canvas = Canvas::around(&dataset.positions, dataset.patch_size());
    let object = Array2::from_elem((canvas.height, canvas.width), Complex32::new(value as f32, 0.0));
    let coverage = Array2::ones(object.dim());
    misfit(&Reconstruction { object, coverage, origin_xy: canvas.origin, pixel_size_m: None }, dataset)
}

/// Misfit of the mean amplitude of all patterns to each of them.
pub(super) fn mean_pattern_misfit(dataset: &Dataset) -> f64 {
    let Some(mean) = dataset.diffraction.mean_axis(Axis(0)) else { return f64::NAN };
    let good = dataset.good();
    let (mut sum, mut counts) = (0.0, 0.0);
    for (number, pattern) in dataset.diffraction.axis_iter(Axis(0)).enumerate() {
        for ((at, value), mean) in pattern.indexed_iter().zip(&mean) {
            if good.is_good(number, at) {
                sum += f64::from(value - mean).powi(2);
                counts += f64::from(*value).powi(2);
            }
        }
    }
    sum / counts
}

/// Misfit that counting noise alone causes; `None` if the values are no multiples of a count.
pub(super) fn noise_misfit(dataset: &Dataset) -> Option<f64> {
    let good = dataset.good();
    let counted = dataset.diffraction.indexed_iter().filter(|((n, y, x), _)| good.is_good(*n, (*y, *x)));
    let one = data::count_unit(counted.map(|(_, value)| *value))?;
    let (mut noise, mut total) = (0.0, 0.0);
    let mean = dataset.diffraction.mapv(|value| value * value).mean_axis(Axis(0))?;
    for (at, mean) in mean.indexed_iter() {
        if dataset.mask.as_ref().is_none_or(|mask| mask[at]) {
            let counts = f64::from(*mean) / one;
            noise += root_variance(counts);
            total += counts;
        }
    }
    finite(noise / total)
}

/// E(√n − √λ)² of a Poisson number n of mean λ.
fn root_variance(mean: f64) -> f64 {
    if mean > 30.0 {
        return 0.25 * (1.0 + 3.0 / (8.0 * mean));
    }
    let (mut probability, mut root) = ((-mean).exp(), 0.0);
    for count in 1..100 {
        probability *= mean / f64::from(count);
        root += probability * f64::from(count).sqrt();
    }
    2.0 * mean - 2.0 * mean.sqrt() * root
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::DataConfig;

    fn siemens() -> Dataset {
        let path = ptychoscope_base::testing::fixture("siemens_star_n64.npz");
        Dataset::load(&path, &DataConfig::default(), 0).unwrap()
    }

    fn verdict(dataset: &Dataset, epochs: usize) -> Reliability {
        let config = DirectConfig { epochs, ..DirectConfig::default() };
        let object = solve(dataset, &config, &Start::Flat, &mut |_, _| true).unwrap().reconstruction;
        let r = misfit(&object, dataset).unwrap();
        let found = judge(dataset, &object, Some(r), &mut |_| true).unwrap().unwrap();
        println!("{found:?}");
        found
    }

    #[test]
    fn a_measured_scan_is_reliable_and_deliberate_faults_are_not() {
        let right = siemens();
        let found = verdict(&right, 20);
        assert_eq!((found.verdict, found.advice.as_str()), (Trust::Reliable, ""));
        let mut flipped = right.clone();
        flipped.positions.iter_mut().for_each(|[x, _]| *x = 400.0 - *x);
        let mut conjugate = right.clone();
        conjugate.probe.mapv_inplace(|value| value.conj());
        let mut shuffled = right.clone();
        let count = right.len();
        for (at, position) in shuffled.positions.iter_mut().enumerate() {
            *position = right.positions[at * 37 % count];
        }
        for fault in [flipped, conjugate, shuffled] {
            let found = verdict(&fault, 10);
            assert!(found.verdict == Trust::Failed && !found.advice.is_empty());
        }
        assert!(verdict(&right, 1).verdict < Trust::Reliable, "one epoch is not enough");
    }

    #[test]
    fn it_can_be_stopped_and_needs_some_patterns() {
        let dataset = siemens();
        let object = solve(&dataset.subset(&[0, 1, 2]), &DirectConfig::default(), &Start::Flat, &mut |_, _| true);
        let object = object.unwrap().reconstruction;
        assert!(judge(&dataset, &object, None, &mut |share| share < 0.3).unwrap().is_none());
        assert!(judge(&dataset.subset(&[0, 1, 2]), &object, None, &mut |_| true).unwrap().is_none());
    }

    #[test]
    fn the_counting_noise_follows_from_the_counts() {
        // The root of a large Poisson number has the variance 1/4; that of a small one is 0 or 1.
        assert!((root_variance(1000.0) - 0.25).abs() < 1e-3 && (root_variance(29.9) - 0.253).abs() < 2e-3);
        assert!((root_variance(1e-4) - 2e-4).abs() < 1e-5);
    }
}
