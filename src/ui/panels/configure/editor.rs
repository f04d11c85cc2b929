//! Editor widgets for the kinds of fields.

use super::rows::Row;
use crate::config::{Choice, Config, Kind};
use crate::session::belongs_to_dataset;
use crate::system::file_name;
use crate::ui::theme;
use crate::ui::widgets::numbers::{short, signed};
use eframe::egui::{self, FontId, Response, RichText, TextFormat, text::LayoutJob};

/// Maximum range of an integer field shown as a slider.
const SLIDER_STEPS: i64 = 16;
/// Width of the checkbox of an optional field, in points.
const CHECKBOX: f32 = 92.0;

/// Path and text of the field being edited, which may be invalid; true if it has to get the keyboard focus first.
#[derive(Debug, Default)]
pub(in crate::ui::panels) struct Typing(Option<(&'static str, String, bool)>);

impl Typing {
    fn is(&self, path: &str) -> bool {
        self.0.as_ref().is_some_and(|(edited, ..)| *edited == path)
    }
}

/// Draws the editor of a field; returns the new text if it was changed.
///
/// * `suggestion`: value of an optional field when "none" is unchecked.
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
        Kind::Text => line(ui, row, label, width, empty_label(row.field.path), row.text.clone(), typing),
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
            let drag =
                egui::DragValue::new(&mut value).speed(speed).update_while_editing(!is_read_again(row.field.path));
            let response = ui.add_sized([width, ui.spacing().interact_size.y], drag).labelled_by(label);
            changed_to(&response, || value.to_string(), || value.clamp(min, max).to_string())
        }
        Kind::Real { min, min_included, max, .. } => {
            let mut value: f64 = row.text.parse().or_else(|_| row.base.parse()).unwrap_or(min);
            let speed = (value.abs() * 0.01).max(1e-4);
            let drag = egui::DragValue::new(&mut value)
                .speed(speed)
                .update_while_editing(!is_read_again(row.field.path))
                .custom_formatter(|value, _| signed(number(value)))
                .custom_parser(|text| text.trim().replace('−', "-").parse().ok());
            let response = ui.add_sized([width, ui.spacing().interact_size.y], drag).labelled_by(label);
            let least = if min_included { min } else { min + speed };
            changed_to(&response, || value.to_string(), || value.clamp(least, max).to_string())
        }
    }
}

/// Clamps dragged values; typed values are kept as entered, so that errors are reported instead of hidden.
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
    let text = if none { String::new() } else { in_unit(path, row.text.strip_suffix(".0").unwrap_or(&row.text)) };
    // A value that no default can stand for is typed first: "automatic" ends when it has been entered.
    let asked = none && suggestion.is_empty();
    if let Some(text) = line(ui, row, label, (width - CHECKBOX).max(60.0), "–", text, typing) {
        new = Some(if text.trim().is_empty() { "none".to_owned() } else { from_unit(path, text.trim()) });
    }
    none &= !typing.is(path);
    ui.set_min_height(height);
    let toggle = ui.checkbox(&mut none, none_label(path));
    toggle.widget_info(|| {
        egui::WidgetInfo::selected(
            egui::Role::CheckBox,
            true,
            none,
            format!("{}: {}", row.field.label, none_label(path)),
        )
    });
    if toggle.on_hover_text(row.field.help).changed() {
        typing.0 = None;
        if !none && asked {
            typing.0 = Some((path, String::new(), true));
        } else {
            new = Some(if none { "none".to_owned() } else { suggestion.to_owned() });
        }
    }
    new.filter(|text| *text != row.text)
}

/// A line of text. What makes the dataset be read again is applied when the line is left or Enter is pressed, other fields
/// while typing.
fn line(
    ui: &mut egui::Ui,
    row: &Row,
    label: egui::Id,
    width: f32,
    hint: &str,
    now: String,
    typing: &mut Typing,
) -> Option<String> {
    let path = row.field.path;
    let (mut text, grab) = match &typing.0 {
        Some((edited, text, grab)) if *edited == path => (text.clone(), *grab),
        _ => (now.clone(), false),
    };
    let field = egui::TextEdit::singleline(&mut text).hint_text(hint).desired_width(width);
    let field = ui.add_sized([width, ui.spacing().interact_size.y], field).labelled_by(label);
    if grab {
        field.request_focus();
    }
    let at_once = !is_read_again(path);
    let mut new = (at_once && field.changed()).then(|| text.clone());
    if field.has_focus() || grab {
        typing.0 = Some((path, text, false));
    } else if typing.is(path) {
        typing.0 = None;
        new = (!at_once && text != now).then_some(text);
    }
    new
}

/// True if a change of the field makes the dataset be read again.
fn is_read_again(path: &str) -> bool {
    belongs_to_dataset(path) || path == "data.n_subsample"
}

/// Unit in which people state a field, and the number of these units in one of the configuration.
pub(in crate::ui::panels) fn unit_of(path: &str) -> Option<(&'static str, f64)> {
    match path {
        "data.geometry.energy_ev" => Some(("keV", 1e-3)),
        "data.geometry.detector_pixel_m" => Some(("µm", 1e6)),
        "data.geometry.pixel_size_m" => Some(("nm", 1e9)),
        _ => None,
    }
}

/// A value of the configuration in the unit of the form; unchanged if it is no number.
fn in_unit(path: &str, text: &str) -> String {
    match (unit_of(path), text.parse::<f64>()) {
        (Some((_, factor)), Ok(value)) => rounded(value * factor),
        _ => text.to_owned(),
    }
}

/// A value in the unit of the form as in the configuration; unchanged if it is no number.
fn from_unit(path: &str, text: &str) -> String {
    match (unit_of(path), text.replace(',', ".").parse::<f64>()) {
        (Some((_, factor)), Ok(value)) => format!("{:e}", value / factor),
        _ => text.to_owned(),
    }
}

/// Without the digits that a conversion of units adds.
fn rounded(value: f64) -> String {
    let text = format!("{value:.9}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// Value of a field for reading: with its unit, of a file the name only.
pub(in crate::ui::panels) fn value_text(path: &str, text: &str) -> String {
    let Ok(field) = Config::field(path) else { return text.to_owned() };
    let unit = unit_of(path);
    match field.kind {
        Kind::Text if text.is_empty() => empty_label(path).to_owned(),
        Kind::Text if path.ends_with("_file") => file_name(std::path::Path::new(text)),
        // The end of a path tells the arrays apart.
        Kind::Text if path.starts_with("data.mapping.") => text.rsplit('/').next().unwrap_or(text).to_owned(),
        Kind::Text => text.to_owned(),
        Kind::Integer { optional: true, .. } | Kind::Real { optional: true, .. } if text == "none" => {
            none_label(path).to_owned()
        }
        Kind::Integer { .. } | Kind::Real { .. } => {
            let number = text.parse::<f64>().map(|value| short(value * unit.map_or(1.0, |(_, factor)| factor)));
            let number = number.unwrap_or_else(|_| text.to_owned());
            // "Epochs 5", but "Crop 128 px": a unit that is a word is in the label already.
            let words = ["epochs", "patterns", "groups", "steps", "images", "modes"];
            let own = Some(field.unit).filter(|unit| !words.contains(unit));
            format!("{number} {}", unit.map(|(unit, _)| unit).or(own).unwrap_or_default()).trim_end().to_owned()
        }
        Kind::Choice { .. } | Kind::Flag => human(text),
    }
}

/// Meaning of "none" for an optional field.
fn none_label(path: &str) -> &'static str {
    match path {
        "training.epochs" | "training.time_budget_s" | "data.saturation" => "no limit",
        "training.early_stop_patience" | "data.crop" | "data.pad" => "off",
        "data.n_subsample" | "data.probe_modes" => "all",
        "data.pattern_size" => "any",
        _ => "automatic",
    }
}

/// Meaning of an empty text field: keys of the file are detected, other texts are not required.
fn empty_label(path: &str) -> &'static str {
    let is_key = path.starts_with("data.mapping.") && path != "data.mapping.mask_file";
    if is_key { "automatic" } else { "none" }
}

/// Display name of a configuration value: `border_mask` is "Border mask".
pub(in crate::ui::panels) fn human(name: &str) -> String {
    match name {
        "mae" => "Mean absolute error".to_owned(),
        "none" => "none".to_owned(),
        "gpu" => "GPU".to_owned(),
        "cpu" => "CPU".to_owned(),
        "wgpu" | "px" | "m" | "mm" | "nm" => name.to_owned(),
        "um" => "µm".to_owned(),
        "xy" => "x, y".to_owned(),
        "yx" => "y, x".to_owned(),
        "grf" => "Gaussian random field".to_owned(),
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

/// Formats a number without unnecessary digits: `0.001`, `2e-6`.
pub(in crate::ui::panels) fn number(value: f64) -> String {
    if value == 0.0 || (1e-4..1e7).contains(&value.abs()) { format!("{value}") } else { format!("{value:e}") }
}

/// Tooltip of a field.
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
    line(ui, "Values", format!("{}{unit}", row.field.range_text()));
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
    fn values_are_shown_with_the_units_people_use_and_read_back_from_them() {
        let pixel = "data.geometry.pixel_size_m";
        assert_eq!((value_text(pixel, "1.2e-8"), value_text(pixel, "none")), ("12 nm".into(), "automatic".into()));
        assert_eq!(value_text("data.geometry.energy_ev", "8333.0"), "8.333 keV");
        assert_eq!(value_text("data.mapping.mask_file", "/data/masks/bad.npy"), "bad.npy");
        assert_eq!(value_text("data.mapping.x", "Xpos"), "Xpos");
        assert_eq!(value_text("data.mapping.energy", "setup/mono/energy [keV]"), "energy [keV]");
        assert_eq!((value_text("data.crop", "128"), value_text("data.crop", "none")), ("128 px".into(), "off".into()));
        assert_eq!(in_unit(pixel, "1.5996e-8"), "15.996");
        let back = from_unit(pixel, "15,996").parse::<f64>().unwrap();
        assert!((back / 1.5996e-8 - 1.0).abs() < 1e-12, "{back}");
        assert_eq!((in_unit("data.crop", "64"), from_unit(pixel, "some")), ("64".into(), "some".into()));
    }

    #[test]
    fn names_and_numbers_are_readable() {
        assert_eq!([human("border_mask"), human("mae"), human("he")], ["Border mask", "Mean absolute error", "He"]);
        assert_eq!([human("um"), human("nm"), human("grf")], ["µm", "nm", "Gaussian random field"]);
        assert_eq!([number(0.001), number(110.0), number(0.0), number(2e-6)], ["0.001", "110", "0", "2e-6"]);
    }
}
