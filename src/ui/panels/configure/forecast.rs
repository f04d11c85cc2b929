//! What the training will take, before it starts.

use crate::config::{Config, Method, Preset};
use crate::error::Result;
use crate::session::State;
use crate::ui::theme;
use crate::ui::widgets::duration;
use crate::ui::widgets::numbers::{bytes, grouped, in_words, short};
use crate::worker::message::{Basis, Estimate, Measured, RunInfo, estimate};
use eframe::egui::{self, RichText};
use std::path::PathBuf;

/// What a forecast depends on besides the configuration.
#[derive(Debug, Clone, PartialEq)]
struct Given {
    version: u64,
    patterns: usize,
    side: usize,
    modes: usize,
    run: Option<(PathBuf, u64)>,
}

/// The forecast, kept while nothing changes.
#[derive(Debug, Default)]
pub(super) struct Forecast {
    of: Option<Given>,
    measured: Option<Measured>,
    outcome: Option<Result<Estimate>>,
}

impl Forecast {
    /// Follows state and configuration; `version` counts the changes of the latter.
    pub(super) fn follow(&mut self, state: &State, version: u64) {
        let patterns = state.dataset.as_ref().and_then(|dataset| dataset.patterns.as_ref());
        let Some(patterns) = patterns else {
            *self = Self::default();
            return;
        };
        let run = latest(&state.runs);
        let given = Given {
            version,
            patterns: patterns.dataset.len(),
            side: patterns.dataset.patch_size(),
            modes: patterns.dataset.probe.dim().0,
            run: run.map(|run| (run.folder.clone(), run.changed)),
        };
        if self.of.as_ref() == Some(&given) {
            return;
        }
        self.measured = run.and_then(measured);
        let config = state.draft.config();
        self.outcome = Some(estimate(config, given.patterns, given.side, given.modes, self.measured.as_ref()));
        self.of = Some(given);
    }

    /// In one line, for the bar at the bottom.
    pub(super) fn line(&self, config: &Config) -> Option<String> {
        if config.training.method == Method::Direct {
            return Some(format!("Direct solver, {} epochs", config.direct.epochs));
        }
        let Some(Ok(estimate)) = &self.outcome else { return None };
        let rough = if estimate.basis == Basis::Rough { "roughly" } else { "about" };
        Some(format!(
            "{} parameters, {rough} {}",
            grouped(estimate.network.parameters as u64),
            duration(estimate.seconds)
        ))
    }

    /// Draws it.
    pub(super) fn show(&self, ui: &mut egui::Ui, config: &Config) {
        let palette = theme::palette(ui);
        ui.label(RichText::new("What it will take").strong());
        if config.training.method == Method::Direct {
            ui.label(
                RichText::new("The direct solver has no network; it usually takes seconds to a minute.")
                    .color(palette.weak),
            );
            return;
        }
        let estimate = match &self.outcome {
            None => {
                ui.label(RichText::new("Open a dataset to see size, memory and time").color(palette.weak));
                return;
            }
            Some(Err(error)) => {
                ui.label(RichText::new(error.to_string()).color(palette.bad));
                return;
            }
            Some(Ok(estimate)) => estimate,
        };
        let about = if estimate.basis == Basis::Rough { "roughly" } else { "about" };
        egui::Grid::new("forecast").num_columns(2).spacing([12.0, 4.0]).show(ui, |ui| {
            let mut line = |name: &str, value: String, why: &str| {
                ui.label(RichText::new(name).color(palette.weak)).on_hover_text(why);
                ui.label(value).on_hover_text(why);
                ui.end_row();
            };
            line(
                "Parameters",
                grouped(estimate.network.parameters as u64),
                "Trainable numbers of the network, exactly",
            );
            line(
                "Work",
                format!("{} multiplications per group", in_words(estimate.network.multiply_adds as f64)),
                "Multiplications of the convolutions for one prediction",
            );
            line(
                "Steps per epoch",
                format!("{} for {} groups", grouped(estimate.steps_per_epoch as u64), grouped(estimate.groups as u64)),
                "Optimiser steps until every group was seen once",
            );
            line(
                "Memory",
                format!("about {}", bytes(estimate.memory)),
                "On the device: weights, patterns and one batch",
            );
            line(
                "Time per epoch",
                format!("{about} {}", precise(estimate.seconds_per_epoch)),
                "Time until every group was seen once",
            );
            line(
                "Epochs",
                format!(
                    "{about} {}",
                    short(if estimate.epochs < 3.0 { estimate.epochs } else { estimate.epochs.round() })
                ),
                "As asked for, or as many as the time allows",
            );
            line(
                "Whole training",
                format!("{about} {}", duration(estimate.seconds)),
                "Without the reconstruction at its end",
            );
        });
        let basis = match (&self.measured, estimate.basis) {
            (Some(run), Basis::Measured) => {
                format!("Time as in the latest run: {} patterns/s on {}", short(run.patterns_per_second), run.device)
            }
            (Some(run), Basis::Scaled) => format!(
                "Time scaled by the work of the network from the latest run, {} patterns/s on {}",
                short(run.patterns_per_second),
                run.device
            ),
            _ => "Time is a rough guess from the number of cores, for the CPU; a GPU is much faster. After the first run it \
                  is measured."
                .to_owned(),
        };
        let color = if estimate.basis == Basis::Rough { palette.warning } else { palette.weak };
        ui.label(RichText::new(basis).small().color(color));
    }
}

fn precise(seconds: f64) -> String {
    if seconds < 10.0 { format!("{seconds:.1} s") } else { duration(seconds) }
}

/// The newest run that trained and says how fast.
fn latest(runs: &[RunInfo]) -> Option<&RunInfo> {
    runs.iter().find(|run| run.steps.is_some() && run.patterns_per_second.is_some() && run.side.is_some())
}

fn measured(run: &RunInfo) -> Option<Measured> {
    Some(Measured {
        patterns_per_second: run.patterns_per_second?,
        side: usize::try_from(run.side?).ok()?,
        config: config_of(run)?,
        device: run.device.clone(),
    })
}

/// The configuration of a run, from its differences to the defaults.
pub(super) fn config_of(run: &RunInfo) -> Option<Config> {
    let settings: Option<Vec<(String, String)>> = run
        .settings
        .iter()
        .map(|line| line.split_once(" = ").map(|(path, text)| (path.to_owned(), text.to_owned())))
        .collect();
    Config::layered(Preset::default(), None, &settings?).ok()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;

    #[test]
    fn the_configuration_of_a_run_comes_back_from_its_differences() {
        let config = Preset::Reference.config();
        let run = RunInfo { settings: config.differences(&Config::default()).unwrap(), ..RunInfo::default() };
        assert_eq!(config_of(&run).unwrap(), config);
        let broken = RunInfo { settings: vec!["model.ridges = 3".into()], ..RunInfo::default() };
        assert_eq!(config_of(&broken), None);
    }

    #[test]
    fn only_a_run_that_trained_gives_a_speed() {
        let infer = RunInfo { patterns_per_second: Some(900.0), side: Some(64), ..RunInfo::default() };
        let train = RunInfo { steps: Some(10), patterns_per_second: Some(90.0), side: Some(64), ..RunInfo::default() };
        assert_eq!(latest(&[infer, train.clone()]), Some(&train));
    }
}
