//! The checks of a file, worst first, with a button where a setting mends it.

use crate::config::{Config, Kind};
use crate::data::{Inspection, Status, Verdict};
use crate::session::{Action, Level, State};
use crate::ui::theme;
use crate::ui::widgets::mark::mark;
use eframe::egui::{self, RichText};

/// What a button below a verdict does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fix {
    /// Its text.
    pub label: String,
    /// The field it sets.
    pub path: &'static str,
    /// To what.
    pub text: &'static str,
}

/// The settings that the advice of a verdict names.
pub(super) fn fixes(verdict: &Verdict) -> Vec<Fix> {
    const UNIT: &str = "data.diffraction_unit";
    if verdict.status == Status::Pass || !verdict.advice.contains("diffraction_unit") {
        return Vec::new();
    }
    let Ok(field) = Config::field(UNIT) else { return Vec::new() };
    let Kind::Choice { options, .. } = field.kind else { return Vec::new() };
    let named = options.iter().filter(|(name, _)| verdict.advice.contains(&format!("\"{name}\"")));
    named
        .map(|(name, _)| {
            let label = match *name {
                "counts" => "Take the values as counts".to_owned(),
                "amplitude" => "Take the values as amplitude".to_owned(),
                "auto" => "Decide by the type of the numbers".to_owned(),
                other => format!("Set the diffraction unit to {other}"),
            };
            Fix { label, path: UNIT, text: name }
        })
        .collect()
}

/// The verdicts, worst first; those alike in the order of the checks.
pub(super) fn worst_first(inspection: &Inspection) -> Vec<&Verdict> {
    let mut verdicts: Vec<&Verdict> = inspection.verdicts.iter().collect();
    verdicts.sort_by_key(|verdict| std::cmp::Reverse(verdict.status));
    verdicts
}

/// Draws them.
pub(super) fn show(ui: &mut egui::Ui, state: &State, inspection: &Inspection, actions: &mut Vec<Action>) {
    let verdicts = worst_first(inspection);
    let passed = verdicts.iter().filter(|verdict| verdict.status == Status::Pass).count();
    for verdict in verdicts.iter().filter(|verdict| verdict.status != Status::Pass) {
        one(ui, state, verdict, actions);
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
                one(ui, state, verdict, actions);
            }
        },
    );
    if !inspection.notes.is_empty() {
        egui::CollapsingHeader::new("What is done on reading").id_salt("notes on reading").show(ui, |ui| {
            for note in &inspection.notes {
                ui.label(note);
            }
        });
    }
}

fn one(ui: &mut egui::Ui, state: &State, verdict: &Verdict, actions: &mut Vec<Action>) {
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
            ui.label(RichText::new(sentence(&verdict.check)).strong());
            if verdict.status == Status::Pass {
                ui.label(RichText::new(sentence(&verdict.found)).color(palette.weak));
                return;
            }
            ui.label(RichText::new(sentence(&verdict.found)).color(color));
            if !verdict.expected.is_empty() {
                ui.label(RichText::new(format!("Expected {}", verdict.expected)).color(palette.weak));
            }
            if !verdict.advice.is_empty() {
                ui.label(sentence(&verdict.advice));
            }
            ui.horizontal_wrapped(|ui| {
                for fix in fixes(verdict) {
                    let set_already = state.draft.text(fix.path).is_ok_and(|text| text == fix.text);
                    let button = ui.add_enabled(!set_already, egui::Button::new(&fix.label));
                    let button = button.on_disabled_hover_text("It is set to this already");
                    if button.on_hover_text(format!("Sets {} and reads the file again", fix.path)).clicked() {
                        actions.push(Action::SetField { path: fix.path.to_owned(), text: fix.text.to_owned() });
                    }
                }
            });
        });
    });
}

/// With a capital at its start.
fn sentence(text: &str) -> String {
    let mut rest = text.chars();
    rest.next().map(|first| first.to_uppercase().chain(rest).collect()).unwrap_or_default()
}
