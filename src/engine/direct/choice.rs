//! Refinements that a scan needs, chosen by patterns left out of the fit.
//!
//! Refinement always lowers the misfit of the fitted patterns, and often makes the object worse. So each is tried on neighboring
//! patterns from the center of the scan, and used only if others among them are predicted clearly better. The limits are above
//! the gain on scans whose objects got no better: up to 8 % with a refined probe, 15 % with a background, and 7 % with refined
//! positions or total variation.

use super::diagnosis::{Attempt, attempt};
use super::reliability::noise_misfit;
use super::trial::{FEWEST, pattern_count, split};
use crate::config::DirectConfig;
use crate::data::Dataset;
use crate::error::Result;
use ndarray::Array3;
use num_complex::Complex32;
use serde::Serialize;

/// Epochs of a trial.
const EPOCHS: usize = 20;
/// Share of the misfit of patterns left out to which a refinement must lower it.
const PROBE: f64 = 0.9;
const BACKGROUND: f64 = 0.6;
const POSITIONS: f64 = 0.8;
const SMOOTH: f64 = 0.92;
/// Tried weights of the total variation.
const VARIATIONS: [f64; 2] = [0.003, 0.01];
/// Unexplained share above which patterns count as not predicted at all.
const UNEXPLAINED: f64 = 0.85;
/// Largest number of trials.
const MOST_TRIALS: f64 = 7.0;
/// Nothing is tried if the misfit is below this multiple of what counting noise causes.
const NOISE: f64 = 1.6;

/// A refinement.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Refinement {
    /// Refine the probe.
    Probe,
    /// Fit a background that all patterns have in common.
    Background,
    /// Refine the positions.
    Positions,
    /// Smooth the object, with this weight.
    TotalVariation(f64),
}

impl Refinement {
    /// Share of the misfit to which it must lower it.
    fn limit(self) -> f64 {
        match self {
            Self::Probe => PROBE,
            Self::Background => BACKGROUND,
            Self::Positions => POSITIONS,
            Self::TotalVariation(_) => SMOOTH,
        }
    }

    /// True if the settings leave it to the program.
    fn is_open(self, settings: &DirectConfig) -> bool {
        match self {
            Self::Probe => !settings.refine_probe,
            Self::Background => !settings.refine_background,
            Self::Positions => !settings.refine_positions,
            Self::TotalVariation(_) => settings.total_variation <= 0.0,
        }
    }

    fn added_to(self, settings: &DirectConfig) -> DirectConfig {
        let mut settings = settings.clone();
        match self {
            Self::Probe => settings.refine_probe = true,
            Self::Background => settings.refine_background = true,
            Self::Positions => settings.refine_positions = true,
            Self::TotalVariation(weight) => settings.total_variation = weight,
        }
        settings
    }
}

/// A refinement that is used.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct ChosenRefinement {
    /// The refinement.
    pub refinement: Refinement,
    /// Misfit R of patterns that were left out of the fit, without and with it.
    pub held_out_misfits: [f64; 2],
}

/// Settings with the refinements that were chosen.
#[derive(Debug, Clone, PartialEq)]
pub struct Choice {
    /// The settings.
    pub settings: DirectConfig,
    /// Refinements that were added to them.
    pub chosen: Vec<ChosenRefinement>,
    /// (modes, N, N) refined probe of the last trial, if the probe was refined in it.
    pub probe: Option<Array3<Complex32>>,
    /// Share of what distinguishes the patterns that remains unexplained in those left out of the fit.
    pub unexplained: f64,
}

impl Choice {
    /// True if an object of some patterns does not predict others: the cause may be positions that are far off, which a trial of
    /// local refinement does not show.
    pub fn predicts_nothing(&self) -> bool {
        self.unexplained > UNEXPLAINED
    }
}

/// Tries the refinements that the settings do not have, and adds those that predict patterns left out of the fit clearly better.
/// `None` if there are too few patterns, or `go_on`, which receives the fraction done, returns false.
///
/// # Errors
/// As [`super::solve`].
pub fn choose_refinements(
    dataset: &Dataset,
    settings: &DirectConfig,
    go_on: &mut dyn FnMut(f64) -> bool,
) -> Result<Option<Choice>> {
    let mut done = 0.0;
    let mut tried = |settings: &DirectConfig| -> Result<Option<Attempt>> {
        let short = DirectConfig { epochs: EPOCHS, refine_intensity: false, ..settings.clone() };
        let found = attempt(dataset, &short, &mut |share| go_on((done + share) / MOST_TRIALS));
        done += 1.0;
        found
    };
    let Some(first) = tried(settings)? else { return Ok(None) };
    let mut misfit = first.held_out_misfit;
    let mut choice =
        Choice { settings: settings.clone(), chosen: Vec::new(), probe: first.probe, unexplained: first.unexplained };
    if misfit <= NOISE * noise_of_trial(dataset) {
        return Ok(Some(choice));
    }
    // A wrong probe and a background can hide each other.
    let common = vec![Refinement::Probe, Refinement::Background];
    let smooth = VARIATIONS.map(Refinement::TotalVariation).to_vec();
    for (step, alternatives) in [common.clone(), common, vec![Refinement::Positions], smooth].into_iter().enumerate() {
        if step == 1 && choice.chosen.is_empty() {
            continue;
        }
        if step > 1 && choice.predicts_nothing() {
            break;
        }
        let mut best: Option<(Refinement, Attempt)> = None;
        for refinement in alternatives.into_iter().filter(|refinement| refinement.is_open(&choice.settings)) {
            let Some(with) = tried(&refinement.added_to(&choice.settings))? else { return Ok(None) };
            let least = best.as_ref().map_or(f64::INFINITY, |(_, best)| best.held_out_misfit);
            if with.held_out_misfit < least.min(refinement.limit() * misfit) {
                best = Some((refinement, with));
            }
        }
        if let Some((refinement, with)) = best {
            choice.settings = refinement.added_to(&choice.settings);
            choice.chosen.push(ChosenRefinement { refinement, held_out_misfits: [misfit, with.held_out_misfit] });
            (misfit, choice.probe, choice.unexplained) = (with.held_out_misfit, with.probe, with.unexplained);
        }
    }
    Ok(Some(choice))
}

/// Misfit of the patterns left out of a trial that counting noise causes; zero if it is not known.
fn noise_of_trial(dataset: &Dataset) -> f64 {
    let Some(count) = pattern_count(dataset, 2 * FEWEST) else { return 0.0 };
    let [_, held_out] = split(dataset, count);
    noise_misfit(&dataset.subset(&held_out)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::DataConfig;
    use crate::direct::{Start, solve};
    use crate::metrics::phase_correlation;

    fn star() -> Dataset {
        let path = ptychoscope_base::testing::fixture("siemens_star_n64.npz");
        Dataset::load(&path, &DataConfig::default(), 0).unwrap()
    }

    fn choice(dataset: &Dataset) -> Choice {
        choose_refinements(dataset, &DirectConfig::default(), &mut |_| true).unwrap().unwrap()
    }

    #[test]
    fn a_good_scan_keeps_its_settings() {
        let found = choice(&star());
        assert_eq!((found.chosen.as_slice(), found.settings.clone()), (&[][..], DirectConfig::default()), "{found:?}");
        assert!(!found.predicts_nothing());
    }

    #[test]
    fn a_wrong_probe_is_refined() {
        let mut dataset = star();
        // The phase stays, but the probe becomes too narrow.
        dataset.probe.mapv_inplace(|value| value * value.norm_sqr());
        let found = choice(&dataset);
        assert!(matches!(found.chosen[0].refinement, Refinement::Probe), "{:?}", found.chosen);
        let truth = dataset.object.clone().unwrap();
        let score = |settings: &DirectConfig| {
            let solved = solve(&dataset, settings, &Start::Flat, &mut |_, _| true).unwrap().reconstruction;
            phase_correlation(solved.object.view(), solved.origin_xy, truth.view(), &dataset.positions).unwrap().phase
        };
        let (plain, chosen) = (score(&DirectConfig::default()), score(&found.settings));
        assert!(chosen > plain + 0.02, "{plain} {chosen}");
    }

    #[test]
    fn a_strong_background_is_fitted() {
        let mut dataset = star();
        let added = 0.2 * dataset.diffraction.mapv(|value| value * value).mean().unwrap();
        dataset.diffraction.mapv_inplace(|value| (value * value + added).sqrt());
        let found = choice(&dataset);
        assert_eq!(found.chosen[0].refinement, Refinement::Background, "{:?}", found.chosen);
    }

    #[test]
    fn shuffled_positions_predict_nothing() {
        let mut dataset = star();
        let (given, count) = (dataset.positions.clone(), dataset.len());
        for (at, position) in dataset.positions.iter_mut().enumerate() {
            *position = given[at * 37 % count];
        }
        let found = choice(&dataset);
        assert!(found.predicts_nothing(), "{found:?}");
        assert!(choose_refinements(&dataset, &DirectConfig::default(), &mut |share| share < 0.1).unwrap().is_none());
    }
}
