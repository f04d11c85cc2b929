//! The right widget for each kind of field.

use super::rows::Row;
use crate::config::{Choice, Kind};
use crate::ui::theme;
use crate::ui::widgets::numbers::signed;
use eframe::egui::{self, FontId, Response, RichText, TextFormat, text::LayoutJob};

/// Whole numbers with at most this many values get a slider.
const SLIDER_STEPS: i64 = 16;

/// The text that is being typed, which need not be a value yet.
#[derive(Debug, Default)]
pub(in crate::ui::panels) struct Typing(Option<(&'static str, String)>);

/// Draws the editor of a field; gives back its new text, if it was changed.
///
/// * `suggestion`: value of an optional field when "none" is switched off.
pub(in crate::ui::panels) fn edit(
    ui: &mut egui::Ui,
    row: &Row,
    label: egui::Id,
    width: f32,
    suggestion: &str,
    typing: &mut Typing,
) -> Option<String> {
    match row.field.kind {
        Kind::Flag => {
            let mut on = row.text == "true";
            let word = if on { "On" } else { "Off" };
            ui.checkbox(&mut on, word).labelled_by(label).changed().then(|| on.to_string())
        }
        Kind::Choice { options, .. } => choice(ui, row, options, label, width),
        Kind::Text => {
            let mut text = row.text.clone();
            let height = ui.spacing().interact_size.y;
            let field = egui::TextEdit::singleline(&mut text).hint_text("found by itself").desired_width(width);
            ui.add_sized([width, height], field).labelled_by(label).changed().then_some(text)
        }
        Kind::Integer { optional: true, .. } | Kind::Real { optional: true, .. } => {
            optional(ui, row, label, width, suggestion, typing)
        }
        Kind::Integer { min, max, .. } if max - min <= SLIDER_STEPS => {
            let mut value: i64 = row.text.parse().unwrap_or(min);
            ui.spacing_mut().slider_width = (width - 52.0).max(40.0);
            let slider = ui.add(egui::Slider::new(&mut value, min..=max)).labelled_by(label);
            slider.changed().then(|| value.to_string())
        }
        Kind::Integer { min, max, .. } => {
            let mut value: i64 = row.text.parse().or_else(|_| row.base.parse()).unwrap_or(min);
            let speed = (value.unsigned_abs() as f64 * 0.01).max(0.05);
            let drag = egui::DragValue::new(&mut value).speed(speed);
            let response = ui.add_sized([width, ui.spacing().interact_size.y], drag).labelled_by(label);
            changed_to(&response, || value.to_string(), || value.clamp(min, max).to_string())
        }
        Kind::Real { min, min_included, max, .. } => {
            let mut value: f64 = row.text.parse().or_else(|_| row.base.parse()).unwrap_or(min);
            let speed = (value.abs() * 0.01).max(1e-4);
            let drag = egui::DragValue::new(&mut value)
                .speed(speed)
                .custom_formatter(|value, _| signed(number(value)))
                .custom_parser(|text| text.trim().replace('−', "-").parse().ok());
            let response = ui.add_sized([width, ui.spacing().interact_size.y], drag).labelled_by(label);
            let least = if min_included { min } else { min + speed };
            changed_to(&response, || value.to_string(), || value.clamp(least, max).to_string())
        }
    }
}

/// What is dragged stays in range; what is typed is taken as it is, so that a mistake is shown and not hidden.
fn changed_to(response: &Response, typed: impl Fn() -> String, dragged: impl Fn() -> String) -> Option<String> {
    response.changed().then(|| if response.dragged() { dragged() } else { typed() })
}

fn choice(ui: &mut egui::Ui, row: &Row, options: &[Choice], label: egui::Id, width: f32) -> Option<String> {
    let mut chosen = None;
    let palette = theme::palette(ui);
    let text_color = ui.visuals().text_color();
    let combo = egui::ComboBox::from_id_salt(row.field.path)
        .width(width)
        .truncate()
        .selected_text(human(&row.text))
        .show_ui(ui, |ui| {
            ui.set_max_width(360.0);
            for (name, meaning) in options {
                let mut job = LayoutJob::default();
                let format = |size: f32, color| TextFormat::simple(FontId::proportional(size), color);
                job.append(&human(name), 0.0, format(13.5, text_color));
                job.append(&format!("\n{meaning}"), 0.0, format(11.5, palette.weak));
                job.wrap.max_width = 340.0;
                let item = ui.add(egui::Button::selectable(row.text == *name, job).wrap());
                item.widget_info(|| {
                    egui::WidgetInfo::selected(egui::Role::Button, true, row.text == *name, human(name))
                });
                if item.clicked() {
                    chosen = Some((*name).to_owned());
                    ui.close();
                }
            }
        });
    combo.response.labelled_by(label);
    chosen.filter(|name| *name != row.text)
}

fn optional(
    ui: &mut egui::Ui,
    row: &Row,
    label: egui::Id,
    width: f32,
    suggestion: &str,
    typing: &mut Typing,
) -> Option<String> {
    let mut new = None;
    let mut none = row.text == "none";
    let height = ui.spacing().interact_size.y;
    ui.spacing_mut().item_spacing.x = 6.0;
    let path = row.field.path;
    let mut text = match &typing.0 {
        Some((edited, text)) if *edited == path => text.clone(),
        _ if none => String::new(),
        _ => row.text.strip_suffix(".0").unwrap_or(&row.text).to_owned(),
    };
    let field = egui::TextEdit::singleline(&mut text).hint_text("none").desired_width(width);
    let field = ui.add_enabled_ui(!none, |ui| ui.add_sized([(width - 66.0).max(60.0), height], field)).inner;
    let field = field.labelled_by(label);
    if field.changed() {
        new = Some(text.trim().to_owned());
    }
    if field.has_focus() {
        typing.0 = Some((path, text));
    } else if typing.0.as_ref().is_some_and(|(edited, _)| *edited == path) {
        typing.0 = None;
    }
    let toggle = ui.checkbox(&mut none, "none");
    toggle.widget_info(|| {
        egui::WidgetInfo::selected(egui::Role::CheckBox, true, none, format!("{} none", row.field.label))
    });
    if toggle.on_hover_text(row.field.help).changed() {
        typing.0 = None;
        new = Some(if none { "none".to_owned() } else { suggestion.to_owned() });
    }
    new
}

/// A name of the file as a person reads it: `border_mask` is "Border mask".
pub(in crate::ui::panels) fn human(name: &str) -> String {
    match name {
        "mae" => "Mean absolute error".to_owned(),
        "none" => "none".to_owned(),
        "gpu" => "GPU".to_owned(),
        "cpu" => "CPU".to_owned(),
        "wgpu" => "wgpu".to_owned(),
        "relu" => "ReLU".to_owned(),
        "silu" => "SiLU".to_owned(),
        "sqrt" => "Square root".to_owned(),
        "true" => "On".to_owned(),
        "false" => "Off".to_owned(),
        _ => {
            let mut rest = name.chars();
            let first = rest.next().into_iter().flat_map(char::to_uppercase);
            first.chain(rest.map(|c| if c == '_' { ' ' } else { c })).collect()
        }
    }
}

/// A number without needless digits: `0.001`, `2e-6`.
pub(in crate::ui::panels) fn number(value: f64) -> String {
    if value == 0.0 || (1e-4..1e7).contains(&value.abs()) { format!("{value}") } else { format!("{value:e}") }
}

/// What is shown when the pointer rests on a field.
pub(in crate::ui::panels) fn help(ui: &mut egui::Ui, row: &Row) {
    let palette = theme::palette(ui);
    ui.set_max_width(380.0);
    ui.label(RichText::new(row.field.label).strong());
    ui.label(row.field.help);
    let line = |ui: &mut egui::Ui, name: &str, text: String| {
        ui.horizontal_wrapped(|ui| {
            ui.label(RichText::new(name).color(palette.weak));
            ui.label(text);
        });
    };
    let unit = if row.field.unit.is_empty() { String::new() } else { format!(", in {}", row.field.unit) };
    line(ui, "Takes", format!("{}{unit}", row.field.range_in_words()));
    line(ui, "Default", row.default.clone());
    if let Some(reason) = &row.unused {
        ui.label(RichText::new(format!("Not used: {reason}")).color(palette.warning));
    }
    let flag = row.field.flag.map(|flag| format!(" · {flag}")).unwrap_or_default();
    ui.label(RichText::new(format!("{}{flag}", row.field.path)).monospace().color(palette.weak));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers_are_written_as_a_person_reads_them() {
        assert_eq!([human("border_mask"), human("mae"), human("he")], ["Border mask", "Mean absolute error", "He"]);
        assert_eq!([number(0.001), number(110.0), number(0.0), number(2e-6)], ["0.001", "110", "0", "2e-6"]);
    }
}
