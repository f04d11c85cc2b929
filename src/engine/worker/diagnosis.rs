//! The trials of a diagnosis and what follows from them.

use crate::data::Reconstruction;
use crate::error::Result;
use crate::imaging;
use ndarray::s;
use serde::Serialize;
use std::fmt::Write;

/// A trial helps if it leaves less than this share of what is unexplained as it is.
const HELPS: f64 = 0.85;
/// An earlier trial, which changes less, is preferred to one that is better by less than this factor.
const AS_GOOD: f64 = 1.05;

/// One trial.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Trial {
    /// What was changed.
    pub name: String,
    /// Settings with which a reconstruction has this change, as for `--set`.
    pub settings: Vec<(String, String)>,
    /// Misfit R of patterns left out of the fit.
    pub held_out_misfit: f64,
    /// Misfit R of the fitted patterns.
    pub misfit: f64,
    /// Share of what distinguishes the patterns left out that is not explained.
    pub unexplained: f64,
    /// The same relative to the data as they are; below 1 is better.
    pub relative: f64,
    /// Phase of the object.
    #[serde(skip)]
    pub picture: Thumbnail,
}

impl Trial {
    /// The settings as arguments of the command line; empty for the data as they are.
    pub fn arguments(&self) -> String {
        arguments(&self.settings)
    }
}

fn arguments(settings: &[(String, String)]) -> String {
    settings.iter().map(|(path, value)| format!("--set {path}={value}")).collect::<Vec<_>>().join(" ")
}

/// A small gray picture.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Thumbnail {
    /// Number of columns and rows.
    pub size: [usize; 2],
    /// Gray values, row by row.
    pub gray: Vec<u8>,
}

impl Thumbnail {
    /// Phase of an object inside these positions, without its ramp.
    pub fn of(object: &Reconstruction, positions: &[[f64; 2]]) -> Self {
        let (height, width) = object.object.dim();
        let range = |axis: usize, length: usize| {
            let values = positions.iter().map(|position| position[axis] - object.origin_xy[axis]);
            let (low, high) = values.fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), v| (l.min(v), h.max(v)));
            // At least 16 pixels, so that there is something to see.
            let (low, high) = (low.min((low + high) / 2.0 - 8.0), high.max((low + high) / 2.0 + 8.0));
            let low = (low.max(0.0) as usize).min(length.saturating_sub(1));
            low..(high.max(0.0) as usize + 1).clamp(low + 1, length)
        };
        let (columns, rows) = (range(0, width), range(1, height));
        let inside = s![rows.clone(), columns.clone()];
        let covered = imaging::covered_mask(object.coverage.slice(inside), imaging::COVERED_FRACTION);
        let (level, _) = imaging::remove_ramp(object.object.slice(inside), covered.view());
        let phase = level.mapv(|value| value.arg());
        let limits = imaging::robust_limits(phase.view(), covered.view(), 0.01, 0.99);
        let gray = phase.iter().map(|value| (255.0 * limits.fraction(f64::from(*value))) as u8).collect();
        Self { size: [columns.len(), rows.len()], gray }
    }
}

/// The trials of a dataset, the data as they are first.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Diagnosis {
    /// Number of the trial that helps most; null if none helps clearly.
    pub best: Option<usize>,
    /// The settings of this trial as arguments of the command line.
    pub fix: String,
    /// The trials, in the order in which they were made.
    pub trials: Vec<Trial>,
}

impl Diagnosis {
    /// The conclusion from these trials.
    pub fn of(trials: Vec<Trial>) -> Self {
        let best = Self::best_of(&trials);
        let fix = best.and_then(|best| trials.get(best)).map_or_else(String::new, Trial::arguments);
        Self { best, fix, trials }
    }

    /// Number of the trial that helps most: the first of those that are about as good as the best, if that helps clearly.
    pub fn best_of(trials: &[Trial]) -> Option<usize> {
        let least = trials.iter().map(|trial| trial.relative).fold(f64::INFINITY, f64::min);
        trials.iter().position(|trial| trial.relative <= AS_GOOD * least).filter(|_| least < HELPS)
    }

    /// The trial that helps most.
    pub fn best(&self) -> Option<&Trial> {
        self.trials.get(self.best?)
    }

    /// What to do, as a sentence.
    pub fn conclusion(&self) -> String {
        match self.best() {
            Some(best) => format!(
                "“{}” helps: {:.0} % of what was unexplained remains. Reconstruct with: {}",
                best.name,
                100.0 * best.relative,
                best.arguments()
            ),
            None => "No trial explains the patterns clearly better than the data as they are.".to_owned(),
        }
    }

    /// The trials as CSV.
    pub fn to_csv(&self) -> String {
        let mut text = "trial,name,relative,unexplained,held_out_misfit,misfit,settings\n".to_owned();
        for (number, trial) in self.trials.iter().enumerate() {
            let Trial { name, held_out_misfit, misfit, unexplained, relative, .. } = trial;
            let settings = trial.arguments();
            let _infallible = writeln!(
                text,
                "{number},\"{name}\",{relative:.4},{unexplained:.5},{held_out_misfit:.6},{misfit:.6},\"{settings}\""
            );
        }
        text
    }

    /// PNG of the pictures of the trials in their order, row by row, each with its number and its relative misfit below.
    ///
    /// # Errors
    /// The image cannot be encoded.
    pub fn contact_sheet(&self, columns: usize) -> Result<Vec<u8>> {
        let labeled = |(number, trial): (usize, &Trial)| {
            (trial.picture.size, trial.picture.gray.clone(), format!("{number}   {:.2}", trial.relative))
        };
        imaging::contact_sheet(&self.trials.iter().enumerate().map(labeled).collect::<Vec<_>>(), columns)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trial(name: &str, relative: f64) -> Trial {
        Trial {
            name: name.to_owned(),
            settings: vec![("data.orientation".to_owned(), name.to_owned())],
            held_out_misfit: relative,
            misfit: relative,
            unexplained: relative,
            relative,
            picture: Thumbnail { size: [2, 1], gray: vec![0, 255] },
        }
    }

    #[test]
    fn the_simplest_trial_among_the_best_is_recommended() {
        let found = Diagnosis::of(vec![trial("a", 1.0), trial("b", 0.41), trial("c", 0.4), trial("d", 0.9)]);
        assert_eq!((found.best, found.fix.as_str()), (Some(1), "--set data.orientation=b"));
        assert!(found.conclusion().contains("41 %"));
        assert_eq!(found.to_csv().lines().count(), 5);
        assert!(found.contact_sheet(2).unwrap().starts_with(b"\x89PNG"));
        let none = Diagnosis::of(vec![trial("a", 1.0), trial("b", 0.9)]);
        assert!(none.best.is_none() && none.fix.is_empty() && none.conclusion().starts_with("No trial"));
    }
}
