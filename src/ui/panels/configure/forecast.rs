//! Estimated size, memory and time of a training.

use crate::config::{Config, Method, Preset};
use crate::error::Result;
use crate::library::RunInfo;
use crate::session::State;
use crate::ui::theme;
use crate::ui::widgets::duration;
use crate::ui::widgets::numbers::{bytes, grouped, in_words, short};
use crate::worker::estimate::{Basis, Estimate, Measured, estimate};
use eframe::egui::{self, RichText};
use std::path::PathBuf;

/// Steps below which a network rarely finds the object.
const FEW_STEPS: u64 = 600;

/// Inputs of a forecast; `version` stands for the configuration.
#[derive(Debug, Clone, PartialEq)]
struct Given {
    version: u64,
    patterns: usize,
    side: usize,
    modes: usize,
    run: Option<(PathBuf, u64)>,
}

/// The forecast, cached until its inputs change.
#[derive(Debug, Default)]
pub(super) struct Forecast {
    of: Option<Given>,
    measured: Option<Measured>,
    outcome: Option<Result<Estimate>>,
}

impl Forecast {
    /// Updates the forecast if the state or the configuration changed; `version` counts configuration changes.
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

    /// One-line summary for the bottom bar.
    pub(super) fn line(&self, config: &Config) -> Option<String> {
        if config.training.method == Method::Direct {
            return Some(format!("Direct solver, {} epochs", config.direct.epochs));
        }
        let Some(Ok(estimate)) = &self.outcome else { return None };
        let rough = if estimate.basis == Basis::Rough { "roughly" } else { "about" };
        if let Some(steps) = too_few_steps(config, estimate) {
            return Some(format!(
                "The time budget allows {rough} {} steps, too few for a sharp object: raise it, polish, or use the direct solver",
                grouped(steps)
            ));
        }
        Some(format!(
            "{} parameters, {rough} {}",
            grouped(estimate.network.parameters as u64),
            duration(estimate.seconds)
        ))
    }

    /// Draws the forecast.
    pub(super) fn show(&self, ui: &mut egui::Ui, config: &Config) {
        let palette = theme::palette(ui);
        ui.label(RichText::new("Estimated cost").strong());
        if config.training.method == Method::Direct {
            ui.label(
                RichText::new("The direct solver uses no network; it usually takes seconds to a minute.")
                    .color(palette.weak),
            );
            return;
        }
        let estimate = match &self.outcome {
            None => {
                ui.label(RichText::new("Open a dataset to estimate size, memory and time").color(palette.weak));
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
            line("Parameters", grouped(estimate.network.parameters as u64), "Exact number of trainable parameters");
            line(
                "Work",
                format!("{} multiplications", in_words(estimate.network.multiply_adds as f64)),
                "Multiplications of the convolutions per prediction",
            );
            line(
                "Steps per epoch",
                format!("{} for {} groups", grouped(estimate.steps_per_epoch as u64), grouped(estimate.groups as u64)),
                "Optimizer steps per pass through all groups",
            );
            line(
                "Memory",
                format!("about {}", bytes(estimate.memory)),
                "Device memory for weights, patterns and one batch",
            );
            line(
                "Time per epoch",
                format!("{about} {}", precise(estimate.seconds_per_epoch)),
                "Time per pass through all groups",
            );
            line(
                "Epochs",
                format!(
                    "{about} {}",
                    short(if estimate.epochs < 3.0 { estimate.epochs } else { estimate.epochs.round() })
                ),
                "As configured, or as many as fit into the time budget",
            );
            line(
                "Total training",
                format!("{about} {}", duration(estimate.seconds)),
                "Without the final reconstruction",
            );
        });
        let color = if estimate.basis == Basis::Rough { palette.warning } else { palette.weak };
        ui.label(RichText::new(self.basis(estimate)).small().color(color));
    }

    /// Basis of the estimated time.
    fn basis(&self, estimate: &Estimate) -> String {
        match (&self.measured, estimate.basis) {
            (Some(run), Basis::Measured) => {
                format!("Time based on the latest run: {} patterns/s on {}", short(run.patterns_per_second), run.device)
            }
            (Some(run), Basis::Scaled) => format!(
                "Time scaled from the latest run by the work of the network: {} patterns/s on {}",
                short(run.patterns_per_second),
                run.device
            ),
            _ => "Rough estimate of the time on the CPU from the number of cores; a GPU is much faster. Measured after the \
                  first run."
                .to_owned(),
        }
    }
}

/// Number of steps that fit into the time budget, if they are too few for the network to find the object and nothing refines it.
fn too_few_steps(config: &Config, estimate: &Estimate) -> Option<u64> {
    let steps = (estimate.epochs * estimate.steps_per_epoch as f64).round() as u64;
    let limited = config.training.time_budget_s.is_some() && config.inference.polish_epochs == 0;
    (limited && steps < FEW_STEPS).then_some(steps)
}

fn precise(seconds: f64) -> String {
    if seconds < 10.0 { format!("{seconds:.1} s") } else { duration(seconds) }
}

/// Latest run with a measured training speed.
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

/// Configuration of a run, from its differences to the defaults.
pub(super) fn config_of(run: &RunInfo) -> Option<Config> {
    let settings: Option<Vec<(String, String)>> = run
        .settings
        .iter()
        .map(|line| line.split_once(" = ").map(|(path, text)| (path.to_owned(), text.to_owned())))
        .collect();
    Config::layered(Preset::default(), None, &settings?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_configuration_of_a_run_is_restored_from_its_differences() {
        let config = Preset::Reference.config();
        let run = RunInfo { settings: config.differences(&Config::default()).unwrap(), ..RunInfo::default() };
        assert_eq!(config_of(&run).unwrap(), config);
        let broken = RunInfo { settings: vec!["model.ridges = 3".into()], ..RunInfo::default() };
        assert_eq!(config_of(&broken), None);
    }

    #[test]
    fn only_a_training_run_gives_a_speed() {
        let infer = RunInfo { patterns_per_second: Some(900.0), side: Some(64), ..RunInfo::default() };
        let train = RunInfo { steps: Some(10), patterns_per_second: Some(90.0), side: Some(64), ..RunInfo::default() };
        assert_eq!(latest(&[infer, train.clone()]), Some(&train));
    }
}
