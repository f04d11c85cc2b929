//! The checks of a file, worst first, with a button where a setting mends it, and one that takes the last remedy back.

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
    /// The fields it sets, with their texts.
    pub settings: Vec<(&'static str, String)>,
}

/// The settings that the advice of a verdict names.
pub(super) fn fixes(verdict: &Verdict) -> Vec<Fix> {
    if verdict.status == Status::Pass {
        return Vec::new();
    }
    let mut found = units(&verdict.advice);
    found.extend(axes(&verdict.advice));
    found.extend(position_sets(&verdict.advice));
    found.extend(verdict.advice.split(", or ").filter_map(sizes));
    found
}

/// Advice such as `Set diffraction_unit to "counts"`.
fn units(advice: &str) -> Vec<Fix> {
    const UNIT: &str = "data.diffraction_unit";
    if !advice.contains("diffraction_unit") {
        return Vec::new();
    }
    let Ok(field) = Config::field(UNIT) else { return Vec::new() };
    let Kind::Choice { options, .. } = field.kind else { return Vec::new() };
    let named = options.iter().filter(|(name, _)| advice.contains(&format!("\"{name}\"")));
    named
        .map(|(name, _)| {
            let label = match *name {
                "counts" => "Take the values as counts".to_owned(),
                "amplitude" => "Take the values as amplitude".to_owned(),
                "auto" => "Decide by the type of the numbers".to_owned(),
                other => format!("Set the diffraction unit to {other}"),
            };
            Fix { label, settings: vec![(UNIT, (*name).to_owned())] }
        })
        .collect()
}

/// Advice such as `Set data.mapping.axis_order to "first" …`.
fn axes(advice: &str) -> Vec<Fix> {
    const ORDER: &str = "data.mapping.axis_order";
    if !advice.contains(ORDER) {
        return Vec::new();
    }
    let ways = [("first", "Read as (n, h, w)"), ("last", "Read as (h, w, n)")];
    let fix = |(name, label): (&str, &str)| Fix { label: label.to_owned(), settings: vec![(ORDER, name.to_owned())] };
    ways.into_iter().filter(|(name, _)| advice.contains(&format!("\"{name}\""))).map(fix).collect()
}

/// Advice such as `… data.mapping.x to "xcoords_start" and data.mapping.y to "ycoords_start", or …`.
fn position_sets(advice: &str) -> Vec<Fix> {
    let named = |offer: &str, field: &str| {
        let (_, rest) = offer.split_once(&format!("{field} to \""))?;
        rest.split_once('"').map(|(name, _)| name.to_owned())
    };
    let fix = |offer: &str| {
        let (x, y) = (named(offer, "data.mapping.x")?, named(offer, "data.mapping.y")?);
        let label = format!("Use {x} and {y}");
        Some(Fix { label, settings: vec![("data.mapping.x", x), ("data.mapping.y", y)] })
    };
    advice.split(", or ").filter_map(fix).collect()
}

/// Advice such as `--crop 256 --bin 2 (N = 128)`: one way of several.
fn sizes(offer: &str) -> Option<Fix> {
    let words: Vec<&str> = offer.split_whitespace().collect();
    let value = |flag: &str| {
        let at = words.iter().position(|word| *word == flag)?;
        words.get(at + 1).filter(|word| word.parse::<usize>().is_ok()).copied()
    };
    let (crop, bin, pad) = (value("--crop"), value("--bin"), value("--pad"));
    let mut label = Vec::new();
    label.extend(crop.map(|side| format!("cut out {side} × {side}")));
    label.extend(bin.map(|count| format!("bin by {count}")));
    label.extend(pad.map(|side| format!("pad to {side} × {side}")));
    if label.is_empty() {
        return None;
    }
    let text = |value: Option<&str>, none: &str| value.unwrap_or(none).to_owned();
    let settings =
        vec![("data.crop", text(crop, "none")), ("data.bin", text(bin, "1")), ("data.pad", text(pad, "none"))];
    Some(Fix { label: sentence(&label.join(", ")), settings })
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
                    let is_set = |(path, text): &(&str, String)| state.draft.text(path).is_ok_and(|now| now == *text);
                    let set_already = fix.settings.iter().all(is_set);
                    let button = ui.add_enabled(!set_already, egui::Button::new(&fix.label));
                    let button = button.on_disabled_hover_text("It is set to this already");
                    let names: Vec<&str> = fix.settings.iter().map(|(path, _)| *path).collect();
                    let about = format!("Sets {} and reads the file again", names.join(", "));
                    if button.on_hover_text(about).clicked() {
                        let fields = fix.settings.into_iter().map(|(path, text)| (path.to_owned(), text)).collect();
                        actions.push(Action::SetFields { what: lower(&fix.label), fields });
                    }
                }
            });
        });
    });
}

/// What was mended with a click, and the click that takes it back.
pub(super) fn mended(ui: &mut egui::Ui, state: &State, actions: &mut Vec<Action>) {
    let Some(change) = state.changes.last().filter(|change| change.is_remedy) else { return };
    ui.horizontal_wrapped(|ui| {
        mark(ui, Level::Info, 14.0);
        ui.label(format!("Mended: {}", change.what));
        let button = ui.small_button("Undo").on_hover_text("Takes the setting back and reads the file again");
        if button.clicked() {
            actions.push(Action::Undo);
        }
    });
}

/// With a small letter at its start.
fn lower(text: &str) -> String {
    let mut rest = text.chars();
    rest.next().map(|first| first.to_lowercase().chain(rest).collect()).unwrap_or_default()
}

/// With a capital at its start.
fn sentence(text: &str) -> String {
    let mut rest = text.chars();
    rest.next().map(|first| first.to_uppercase().chain(rest).collect()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_to_a_size_that_the_advice_offers_is_a_button() {
        let verdict = |advice: &str| Verdict {
            check: "pattern size".into(),
            status: Status::Fail,
            found: String::new(),
            expected: String::new(),
            advice: advice.into(),
        };
        let found = fixes(&verdict(
            "Crop, bin or pad: --crop 64 (N = 64), or --crop 256 --bin 2 (N = 128), or --pad 128 (N = 128)",
        ));
        let labels: Vec<&str> = found.iter().map(|fix| fix.label.as_str()).collect();
        assert_eq!(labels, ["Cut out 64 × 64", "Cut out 256 × 256, bin by 2", "Pad to 128 × 128"]);
        let pad = [("data.crop", "none"), ("data.bin", "1"), ("data.pad", "128")];
        assert_eq!(found[2].settings, pad.map(|(path, text)| (path, text.to_owned())));
        assert!(fixes(&verdict("Change it with --crop")).is_empty());
        let sets = "To use another set, set data.mapping.x to \"xcoords_start\" and data.mapping.y to \"ycoords_start\", \
                    or data.mapping.x to \"true_xcoords\" and data.mapping.y to \"true_ycoords\"";
        let found = fixes(&verdict(sets));
        let labels: Vec<&str> = found.iter().map(|fix| fix.label.as_str()).collect();
        assert_eq!(labels, ["Use xcoords_start and ycoords_start", "Use true_xcoords and true_ycoords"]);
        assert_eq!(found[1].settings[0], ("data.mapping.x", "true_xcoords".to_owned()));
        let order = "Set data.mapping.axis_order to \"first\" for (n, h, w) or to \"last\" for (h, w, n)";
        assert_eq!(fixes(&verdict(order)).len(), 2);
    }
}
