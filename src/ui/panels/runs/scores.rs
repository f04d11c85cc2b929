//! Comparison of several runs in a table: settings that differ, and quality scores.

use super::table::Outcome;
use crate::config::Config;
use crate::library::RunInfo;
use crate::session::JobProgress;
use crate::ui::theme;
use crate::ui::widgets::numbers::{grouped, short};
use crate::ui::widgets::{duration, elided, letters_in};
use eframe::egui::{Color32, Grid, Label, RichText, ScrollArea, Ui};
use std::collections::BTreeSet;

/// Width of the column of names, in points.
const NAMES: f32 = 150.0;
/// Minimum and maximum width of a column of values, in points.
const COLUMN: [f32; 2] = [190.0, 300.0];

/// Display state of the table.
#[derive(Debug, Default)]
pub(super) struct Scores {
    /// Also list settings that are equal in all runs, if they differ from the defaults.
    all: bool,
}

/// A line of the table.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Line {
    pub name: String,
    pub help: String,
    pub values: Vec<String>,
    /// Index of the best value, if there is a single one.
    pub best: Option<usize>,
}

/// Settings that differ between runs; with `all` also those that are equal but differ from the defaults.
pub(super) fn settings(runs: &[&RunInfo], all: bool) -> Vec<Line> {
    let split = |text: &String| text.split_once(" = ").map(|(path, value)| (path.to_owned(), value.to_owned()));
    let each: Vec<Vec<(String, String)>> =
        runs.iter().map(|run| run.settings.iter().filter_map(split).collect()).collect();
    let paths: BTreeSet<&String> = each.iter().flatten().map(|(path, _)| path).collect();
    // In the order of the form; fields that no longer exist come last.
    let fields = Config::fields();
    let mut ordered: Vec<&String> = paths.into_iter().collect();
    let place = |path: &String| fields.iter().position(|field| field.path == path).unwrap_or(usize::MAX);
    ordered.sort_by_key(|path| (place(path), (*path).clone()));
    let defaults = Config::default();
    let line = |path: &String| {
        let default = defaults.get(path).unwrap_or_else(|_| "not set".to_owned());
        let of = |settings: &Vec<(String, String)>| {
            settings.iter().find(|(known, _)| known == path).map_or_else(|| default.clone(), |(_, value)| value.clone())
        };
        let values: Vec<String> = each.iter().map(of).collect();
        let name = Config::field(path).map_or_else(|_| path.clone(), |field| field.label.to_owned());
        Line { name, help: format!("{path}, default {default}"), values, best: None }
    };
    let differs = |line: &Line| line.values.windows(2).any(|pair| pair.first() != pair.last());
    ordered.into_iter().map(line).filter(|line| all || differs(line)).collect()
}

/// Quality scores of runs, with the best value of each; scores that no run has are left out.
pub(super) fn scores(runs: &[&RunInfo]) -> Vec<Line> {
    let same = runs.windows(2).all(|pair| pair[0].dataset == pair[1].dataset);
    let score = |name: &str,
                 help: &str,
                 larger: Option<bool>,
                 value: &dyn Fn(&RunInfo) -> Option<f64>,
                 text: &dyn Fn(f64) -> String| {
        let found: Vec<Option<f64>> = runs.iter().map(|run| value(run).filter(|v| v.is_finite())).collect();
        let known = found.iter().flatten().count();
        let sign = if larger == Some(true) { -1.0 } else { 1.0 };
        let ranked = found.iter().enumerate().filter_map(|(at, value)| Some((at, sign * (*value)?)));
        let best = ranked.min_by(|a, b| a.1.total_cmp(&b.1)).map(|(at, _)| at);
        let values = found.iter().map(|value| value.map_or_else(|| "–".to_owned(), text)).collect();
        // A shared best value is not marked.
        let unique =
            |at: &usize| found.iter().filter(|value| **value == found.get(*at).copied().flatten()).count() == 1;
        // Scores on different datasets cannot be ranked.
        let best = best.filter(|at| larger.is_some() && known > 1 && unique(at) && same);
        (known > 0).then(|| Line { name: name.to_owned(), help: help.to_owned(), values, best })
    };
    let number = |v: f64| short(v);
    let words = |name: &str, value: &dyn Fn(&RunInfo) -> String| Line {
        name: name.to_owned(),
        help: String::new(),
        values: runs.iter().map(|run| value(run)).collect(),
        best: None,
    };
    let file = |run: &RunInfo| run.dataset.file_name().map(|name| name.to_string_lossy().into_owned());
    let mut lines = vec![
        words("Dataset", &|run| file(run).unwrap_or_default()),
        words("Outcome", &|run| super::table::Column::Outcome.text(run, Outcome::of(run, &JobProgress::default()))),
        words("Device", &|run| run.device.clone()),
    ];
    lines.extend(
        [
            score(
                "Phase correlation",
                "With the known object; higher is better",
                Some(true),
                &|r| r.phase_correlation,
                &number,
            ),
            score(
                "Amplitude correlation",
                "With the known object; higher is better",
                Some(true),
                &|r| r.amplitude_correlation,
                &number,
            ),
            score("Misfit R", "Σ(|F| − √I)² / ΣI; lower is better", Some(false), &|r| r.consistency_r, &number),
            score(
                "Training loss",
                "Last epoch; losses of different types are not comparable",
                None,
                &|r| r.final_train_loss,
                &number,
            ),
            score("Epochs", "", None, &|r| r.history.last().map(|point| point.epoch as f64), &|v| grouped(v as u64)),
            score("Steps", "", None, &|r| r.steps.map(|steps| steps as f64), &|v| grouped(v as u64)),
            score("Training time", "", None, &|r| r.train_seconds, &duration),
            score(
                "Patterns per second",
                "During training; higher is better",
                Some(true),
                &|r| r.patterns_per_second,
                &number,
            ),
        ]
        .into_iter()
        .flatten(),
    );
    lines.retain(|line| line.values.iter().any(|value| !value.is_empty()));
    lines
}

impl Scores {
    /// Draws the table of these runs, each in its color, into this height in points.
    pub(super) fn show(&mut self, ui: &mut Ui, runs: &[(&RunInfo, Color32)], height: f32) {
        let palette = theme::palette(ui);
        if runs.is_empty() {
            ui.label(RichText::new("Select runs to compare their settings and scores").color(palette.weak));
            return;
        }
        ui.checkbox(&mut self.all, "Also equal settings")
            .on_hover_text("Settings that are equal in all selected runs but differ from the defaults");
        let infos: Vec<&RunInfo> = runs.iter().map(|(run, _)| *run).collect();
        let (settings, scores) = (settings(&infos, self.all), scores(&infos));
        let width = (ui.available_width() - NAMES) / runs.len() as f32 - 14.0;
        let width = width.clamp(COLUMN[0], COLUMN[1]);
        ScrollArea::both()
            .id_salt("scores of runs")
            .max_height((height - 30.0).max(160.0))
            .auto_shrink([false, true])
            .show(ui, |ui| {
                Grid::new("table of runs").num_columns(1 + runs.len()).striped(true).spacing([14.0, 5.0]).show(
                    ui,
                    |ui| {
                        ui.label("");
                        for (run, color) in runs {
                            let name = elided(&run.name, letters_in(width));
                            cell(ui, width, RichText::new(name).strong().color(*color), &run.name);
                        }
                        ui.end_row();
                        for (title, lines) in [("Scores", &scores), ("Settings", &settings)] {
                            ui.label(RichText::new(title).strong());
                            ui.end_row();
                            for line in lines {
                                let name = ui.label(RichText::new(&line.name).color(palette.weak));
                                if !line.help.is_empty() {
                                    name.on_hover_text(&line.help);
                                }
                                for (at, value) in line.values.iter().enumerate() {
                                    let text = RichText::new(value);
                                    let text =
                                        if line.best == Some(at) { text.strong().color(palette.good) } else { text };
                                    cell(ui, width, text, value);
                                }
                                ui.end_row();
                            }
                        }
                        if settings.is_empty() {
                            ui.label(RichText::new("All settings are equal").color(palette.weak));
                            ui.end_row();
                        }
                    },
                );
            });
    }
}

fn cell(ui: &mut Ui, width: f32, text: RichText, full: &str) {
    ui.scope(|ui| {
        ui.set_min_width(width);
        ui.set_max_width(width);
        ui.add(Label::new(text).truncate()).on_hover_text(full);
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_that_differ_are_listed_with_the_default_for_runs_that_use_it() {
        let run = |settings: &[&str]| RunInfo {
            settings: settings.iter().map(|text| (*text).to_owned()).collect(),
            ..RunInfo::default()
        };
        let a = run(&["training.batch_size = 4", "model.gridsize = 2"]);
        let b = run(&["model.gridsize = 2", "gone.field = 7"]);
        let lines = settings(&[&a, &b], false);
        let names: Vec<&str> = lines.iter().map(|line| line.name.as_str()).collect();
        assert_eq!(names, ["Batch size", "gone.field"]);
        let default = Config::default().get("training.batch_size").unwrap();
        assert_eq!(lines[0].values, ["4".to_owned(), default]);
        assert_eq!(lines[1].values, ["not set", "7"]);
        assert_eq!(settings(&[&a, &b], true).len(), 3);
    }

    #[test]
    fn the_best_of_each_score_is_found_and_a_missing_one_does_not_win() {
        let run = |phase: Option<f64>, r: f64| RunInfo {
            phase_correlation: phase,
            consistency_r: Some(r),
            ..RunInfo::default()
        };
        let (a, b, c) = (run(Some(0.9), 0.02), run(None, 0.01), run(Some(0.95), f64::NAN));
        let lines = scores(&[&a, &b, &c]);
        let best = |name: &str| lines.iter().find(|line| line.name == name).and_then(|line| line.best);
        assert_eq!((best("Phase correlation"), best("Misfit R")), (Some(2), Some(1)));
        let twins = scores(&[&a, &a]);
        assert_eq!(twins.iter().find_map(|line| line.best), None, "equal runs have no best");
        assert!(!lines.iter().any(|line| line.name == "Amplitude correlation"), "no run has one");
        assert_eq!(scores(&[&a]).iter().find_map(|line| line.best), None, "a single run has no best value");
    }
}
