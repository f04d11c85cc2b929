//! Checks of a file, worst first, with a button for each fix and one to undo the last fix.

use super::super::Outbox;
use super::reading::Reading;
use super::summary::poor_preview;
use crate::data::{Inspection, Status, Verdict};
use crate::session::{Action, Level, OpenDataset, State, in_window};
use crate::ui::theme;
use crate::ui::widgets::mark::mark;
use crate::ui::widgets::numbers::short;
use eframe::egui::{self, RichText};

/// Flag by which advice names a file, its setting, and the button that chooses it.
const FILES: [(&str, &str, &str); 3] = [
    ("--positions-file", "data.mapping.positions_file", "Choose a position file…"),
    ("--probe-file", "data.mapping.probe_file", "Choose a probe file…"),
    ("--mask-file", "data.mapping.mask_file", "Choose a mask file…"),
];
/// Common keys of files that look like words.
const KEYS: [&str; 5] = ["xcoords", "ycoords", "diffraction", "positions", "probe"];

/// Verdicts, worst first; equal ones in the order of the checks.
pub(super) fn worst_first(inspection: &Inspection) -> Vec<&Verdict> {
    let mut verdicts: Vec<&Verdict> = inspection.verdicts.iter().collect();
    verdicts.sort_by_key(|verdict| std::cmp::Reverse(verdict.status));
    verdicts
}

/// Shows the verdicts and the notes on reading.
pub(super) fn show(
    ui: &mut egui::Ui,
    state: &State,
    inspection: &Inspection,
    reading: &mut Reading,
    outbox: &mut Outbox,
    actions: &mut Vec<Action>,
) {
    let verdicts = worst_first(inspection);
    let passed = verdicts.iter().filter(|verdict| verdict.status == Status::Pass).count();
    for verdict in verdicts.iter().filter(|verdict| verdict.status != Status::Pass) {
        show_verdict(ui, state, verdict, reading, outbox, actions);
        ui.add_space(2.0);
    }
    let title = match (passed, verdicts.len()) {
        (passed, all) if passed == all => format!("All {all} checks passed"),
        (1, _) => "1 check passed".to_owned(),
        _ => format!("{passed} checks passed"),
    };
    egui::CollapsingHeader::new(RichText::new(title).color(theme::palette(ui).good)).id_salt("passed checks").show(
        ui,
        |ui| {
            for verdict in verdicts.iter().filter(|verdict| verdict.status == Status::Pass) {
                show_verdict(ui, state, verdict, reading, outbox, actions);
            }
        },
    );
    if !inspection.notes.is_empty() {
        egui::CollapsingHeader::new("Conversions on reading").id_salt("notes on reading").show(ui, |ui| {
            for note in &inspection.notes {
                ui.label(note);
            }
        });
    }
}

fn show_verdict(
    ui: &mut egui::Ui,
    state: &State,
    verdict: &Verdict,
    reading: &mut Reading,
    outbox: &mut Outbox,
    actions: &mut Vec<Action>,
) {
    let palette = theme::palette(ui);
    let (level, color, word) = match verdict.status {
        Status::Pass => (Level::Success, palette.good, "Passed"),
        Status::Warn => (Level::Warning, palette.warning, "Warning"),
        Status::Fail => (Level::Error, palette.bad, "Not usable"),
    };
    ui.horizontal_top(|ui| {
        mark(ui, level, 14.0).on_hover_text(word);
        ui.vertical(|ui| {
            ui.spacing_mut().item_spacing.y = 2.0;
            ui.label(RichText::new(capitalized(&verdict.check)).strong());
            if verdict.status == Status::Pass {
                ui.label(RichText::new(sentence(&verdict.found)).color(palette.weak));
                return;
            }
            ui.label(RichText::new(sentence(&verdict.found)).color(color));
            if !verdict.expected.is_empty() {
                ui.label(RichText::new(format!("Expected {}", in_window(&verdict.expected))).color(palette.weak));
            }
            if !verdict.advice.is_empty() {
                ui.label(capitalized(&in_window(&verdict.advice)));
            }
            if verdict.status == Status::Fail {
                reading.named_fields(ui, state, &verdict.advice, actions);
            }
            ui.horizontal_wrapped(|ui| {
                for (flag, setting, name) in FILES {
                    let help = "Choose the file; the dataset is then read with it";
                    if verdict.advice.contains(flag) && ui.button(name).on_hover_text(help).clicked() {
                        outbox.choose_file_of = Some(setting);
                    }
                }
                for fix in &verdict.fixes {
                    let is_set = |(key, text): &(&str, String)| state.draft.text(key).is_ok_and(|now| now == *text);
                    let is_applied = fix.settings.iter().all(is_set);
                    let button = ui.add_enabled(!is_applied, egui::Button::new(&fix.label));
                    let button = button.on_disabled_hover_text("Already set");
                    let keys: Vec<&str> = fix.settings.iter().map(|(key, _)| *key).collect();
                    let help = format!("Set {} and reload the file", keys.join(", "));
                    if button.on_hover_text(help).clicked() {
                        let settings = fix.settings.iter();
                        let fields = settings.map(|(key, text)| ((*key).to_owned(), text.clone())).collect();
                        actions.push(Action::SetFields { label: uncapitalized(&fix.label), fields });
                    }
                }
            });
        });
    });
}

/// A warning if the quick preview explains the patterns poorly.
pub(super) fn preview(ui: &mut egui::Ui, dataset: &OpenDataset) {
    let (Some(patterns), Some((misfit, most))) = (&dataset.patterns, poor_preview(dataset)) else { return };
    let palette = theme::palette(ui);
    ui.horizontal_top(|ui| {
        mark(ui, Level::Warning, 14.0).on_hover_text("Warning");
        ui.vertical(|ui| {
            ui.spacing_mut().item_spacing.y = 2.0;
            ui.label(RichText::new("Quick preview").strong());
            let (misfit, most) = (short(misfit), short(most));
            let text = format!("It explains the patterns poorly: misfit {misfit}, expected below {most}");
            ui.label(RichText::new(text).color(palette.warning));
            ui.label(match patterns.dataset.probe_is_estimated {
                true => "The file has no probe; the reconstruction searches and refines one",
                false => "“Diagnose” tries what may be wrong: probe, unit of the patterns, positions, orientation",
            });
        });
    });
    ui.add_space(2.0);
}

/// The last fix that was applied, with a button to undo it.
pub(super) fn last_fix(ui: &mut egui::Ui, state: &State, actions: &mut Vec<Action>) {
    let Some(change) = state.changes.last().filter(|change| change.is_fix) else { return };
    ui.horizontal_wrapped(|ui| {
        mark(ui, Level::Info, 14.0);
        ui.label(format!("Fixed: {}", change.label));
        let button = ui.small_button("Undo").on_hover_text("Restore the previous setting and reload the file");
        if button.clicked() {
            actions.push(Action::Undo);
        }
    });
}

/// The text with a lower-case first letter.
fn uncapitalized(text: &str) -> String {
    let mut rest = text.chars();
    rest.next().map(|first| first.to_lowercase().chain(rest).collect()).unwrap_or_default()
}

/// The text with an upper-case first letter, unless it begins with a key of the file such as `xcoords`.
fn sentence(text: &str) -> String {
    let first = text.split(|c: char| c.is_whitespace() || matches!(c, '/' | ',' | ':')).next().unwrap_or_default();
    let is_key = KEYS.contains(&first) || first.contains('_') || first.chars().skip(1).any(char::is_uppercase);
    if is_key { text.to_owned() } else { capitalized(text) }
}

/// The text with an upper-case first letter.
fn capitalized(text: &str) -> String {
    let mut rest = text.chars();
    rest.next().map(|first| first.to_uppercase().chain(rest).collect()).unwrap_or_default()
}
