//! Table of the arrays in the file: key, shape, type, range, and what it is used as.

use crate::data::ArraySummary;
use crate::session::{Action, State};
use crate::ui::theme;
use crate::ui::widgets::numbers::{bytes, short};
use eframe::egui::{self, RichText};
use egui_extras::{Column, TableBuilder};

/// Draws the table.
pub(super) fn show(ui: &mut egui::Ui, state: &State, arrays: &[ArraySummary], actions: &mut Vec<Action>) {
    let palette = theme::palette(ui);
    let row = 22.0;
    let width = ui.available_width();
    let right = egui::Layout::left_to_right(egui::Align::Center);
    TableBuilder::new(ui)
        .id_salt("arrays of the file")
        .striped(true)
        .vscroll(false)
        .cell_layout(right)
        .column(Column::exact((width - 3.0 * GAP - ROLE - TYPE - SHAPE).clamp(70.0, 420.0)).clip(true))
        .column(Column::exact(SHAPE).clip(true))
        .column(Column::exact(TYPE).clip(true))
        .column(Column::remainder().clip(true))
        .header(row, |mut header| {
            for title in ["Key", "Shape", "Type", "Use as"] {
                header.col(|ui| {
                    ui.label(RichText::new(title).strong());
                });
            }
        })
        .body(|body| {
            body.rows(row, arrays.len(), |mut row| {
                let Some(array) = arrays.get(row.index()) else { return };
                row.col(|ui| {
                    // The end of a path tells the arrays apart.
                    let letters = (ui.available_width() / 7.6) as usize;
                    ui.label(RichText::new(tail(&array.key, letters)).monospace()).on_hover_text(about(array));
                });
                row.col(|ui| {
                    ui.add(egui::Label::new(shape_or_value(array)).truncate());
                });
                row.col(|ui| {
                    ui.add(egui::Label::new(dtype(&array.dtype)).truncate()).on_hover_text(&array.dtype);
                });
                row.col(|ui| match &array.problem {
                    Some(problem) => {
                        let text = RichText::new("unreadable").color(palette.bad);
                        ui.add(egui::Label::new(text).truncate()).on_hover_text(problem);
                    }
                    None => role(ui, state, array, actions),
                });
            });
        });
}

/// Roles an array can have: field of the configuration and name.
const ROLES: [(&str, &str); 13] = [
    ("data.mapping.diffraction", "patterns"),
    ("data.mapping.positions", "positions"),
    ("data.mapping.x", "x"),
    ("data.mapping.y", "y"),
    ("data.mapping.probe", "probe"),
    ("data.mapping.mask", "mask"),
    ("data.mapping.object", "object"),
    ("data.mapping.dark", "dark"),
    ("data.mapping.flat", "flat"),
    ("data.mapping.background", "background"),
    ("data.mapping.energy", "energy"),
    ("data.mapping.distance", "distance"),
    ("data.mapping.detector_pixel", "detector pixel"),
];
/// Roles of numbers.
const NUMBERS: [&str; 3] = ["data.mapping.energy", "data.mapping.distance", "data.mapping.detector_pixel"];
/// Roles of lists.
const LISTS: [&str; 3] = ["data.mapping.positions", "data.mapping.x", "data.mapping.y"];
/// Ends of keys that name the unit of a number.
const UNITS: [&str; 7] = ["kev", "ev", "nm", "um", "mm", "cm", "m"];
/// Maximum height of the list of roles, in points.
const LIST: f32 = 360.0;
/// Widths of columns and of the gap between them, in points.
const SHAPE: f32 = 100.0;
const TYPE: f32 = 64.0;
const ROLE: f32 = 92.0;
const GAP: f32 = 8.0;

/// The last letters of a key.
fn tail(key: &str, letters: usize) -> String {
    let length = key.chars().count();
    if length <= letters.max(4) {
        return key.to_owned();
    }
    format!("…{}", key.chars().skip(length + 1 - letters.max(4)).collect::<String>())
}

/// Combo box of the role of an array.
fn role(ui: &mut egui::Ui, state: &State, array: &ArraySummary, actions: &mut Vec<Action>) {
    let is = |path: &str| key_of(state, path) == array.key;
    let is_number = array.shape.iter().product::<usize>() == 1;
    let fits = |path: &str| match array.shape.len() {
        _ if is(path) => true,
        _ if is_number => NUMBERS.contains(&path),
        0 | 1 => LISTS.contains(&path),
        _ => !NUMBERS.contains(&path),
    };
    let now = ROLES.iter().find(|(path, _)| is(path));
    let shown = now.map_or(RichText::new("auto").weak(), |(_, name)| RichText::new(*name));
    let combo = egui::ComboBox::from_id_salt(("role of", &array.key)).width(ROLE - 6.0).height(LIST);
    let combo = combo.selected_text(shown).truncate().show_ui(ui, |ui| {
        if ui.selectable_label(now.is_none(), "automatic").clicked() && now.is_some() {
            actions.push(Action::SetFields { label: format!("role of {}", array.key), fields: without(state, array) });
        }
        for (path, name) in ROLES.into_iter().filter(|(path, _)| fits(path)) {
            if ui.selectable_label(is(path), name).clicked() && !is(path) {
                let mut fields = without(state, array);
                fields.extend(competing(path).iter().map(|other| ((*other).to_owned(), String::new())));
                fields.push((
                    path.to_owned(),
                    if NUMBERS.contains(&path) { with_unit(&array.key) } else { array.key.clone() },
                ));
                actions.push(Action::SetFields { label: format!("{} as {name}", array.key), fields });
            }
        }
    });
    let name = format!("Use {} as", array.key);
    combo.response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::ComboBox, true, &name));
    combo.response.on_hover_text("What this array holds; “auto” leaves it to the program");
}

/// A key of a number, with the unit that its name ends with: `energy_keV` is `energy_keV [keV]`.
pub(super) fn with_unit(key: &str) -> String {
    let end = key.rsplit(['_', '-', '.', ' ', '/']).next().unwrap_or_default();
    if end.len() < key.len() && UNITS.contains(&end.to_lowercase().as_str()) {
        return format!("{key} [{end}]");
    }
    key.to_owned()
}

/// Key that the configuration assigns to a role, without a unit; empty if it is found automatically.
fn key_of<'a>(state: &'a State, path: &str) -> &'a str {
    let mapping = &state.draft.config().data.mapping;
    let bare = |key: &'a str| key.rsplit_once(" [").map_or(key, |(key, _)| key);
    match path {
        "data.mapping.energy" => bare(&mapping.energy),
        "data.mapping.distance" => bare(&mapping.distance),
        "data.mapping.detector_pixel" => bare(&mapping.detector_pixel),
        "data.mapping.dark" => &mapping.dark,
        "data.mapping.flat" => &mapping.flat,
        "data.mapping.background" => &mapping.background,
        "data.mapping.diffraction" => &mapping.diffraction,
        "data.mapping.positions" => &mapping.positions,
        "data.mapping.x" => &mapping.x,
        "data.mapping.y" => &mapping.y,
        "data.mapping.probe" => &mapping.probe,
        "data.mapping.mask" => &mapping.mask,
        _ => &mapping.object,
    }
}

/// Settings that take all roles from an array.
fn without(state: &State, array: &ArraySummary) -> Vec<(String, String)> {
    let has = |path: &&str| key_of(state, path) == array.key;
    ROLES.iter().map(|(path, _)| *path).filter(has).map(|path| (path.to_owned(), String::new())).collect()
}

/// Roles that exclude one: positions are either one array or two.
fn competing(path: &str) -> &'static [&'static str] {
    match path {
        "data.mapping.positions" => &["data.mapping.x", "data.mapping.y"],
        "data.mapping.x" | "data.mapping.y" => &["data.mapping.positions"],
        _ => &[],
    }
}

fn about(array: &ArraySummary) -> String {
    let range = match array.range {
        Some((low, high)) if low == high => format!("\nall values {}", short(low)),
        Some((low, high)) => format!("\nfrom {} to {}", short(low), short(high)),
        None => String::new(),
    };
    format!("{}\n{} ({}){range}", array.key, bytes(array.bytes), format!("{:?}", array.storage).to_lowercase())
}

/// The numbers of the file that are called energy (or wavelength), distance and pixel, each with its setting, if there is
/// exactly one of each.
pub(super) fn geometry(arrays: &[ArraySummary]) -> Option<[(&'static str, &ArraySummary); 3]> {
    let only = |names: &[&str]| {
        let is_named = |array: &&ArraySummary| {
            let name = array.key.rsplit('/').next().unwrap_or_default().to_lowercase();
            array.shape.iter().product::<usize>() == 1 && names.iter().any(|known| name.contains(known))
        };
        let mut found = arrays.iter().filter(is_named);
        found.next().filter(|_| found.next().is_none())
    };
    let [energy, distance, pixel] = NUMBERS;
    Some([(energy, only(&["energy", "wavelength"])?), (distance, only(&["distance"])?), (pixel, only(&["pixel"])?)])
}

/// A number of the file: the end of its key and its value.
pub(super) fn with_value(array: &ArraySummary) -> String {
    let name = array.key.rsplit('/').next().unwrap_or_default();
    array.range.map_or_else(|| name.to_owned(), |(value, _)| format!("{name} = {}", short(value)))
}

/// Shape, of a number its value.
fn shape_or_value(array: &ArraySummary) -> String {
    match array.range {
        Some((low, high)) if low == high && array.shape.is_empty() => format!("= {}", short(low)),
        _ => shape(&array.shape),
    }
}

/// Formats a shape: `516 × 64 × 64`.
pub(super) fn shape(lengths: &[usize]) -> String {
    match lengths {
        [] => "scalar".to_owned(),
        lengths => lengths.iter().map(ToString::to_string).collect::<Vec<_>>().join(" × "),
    }
}

/// Readable name of a NumPy dtype: `<f4` is float32.
pub(super) fn dtype(dtype: &str) -> String {
    let bare = dtype.trim_start_matches(['<', '>', '=', '|']);
    let mut letters = bare.chars();
    let (kind, bytes) = (letters.next(), letters.as_str().parse::<usize>());
    match (kind, bytes) {
        (Some('f'), Ok(bytes)) => format!("float{}", 8 * bytes),
        (Some('c'), Ok(bytes)) => format!("complex{}", 8 * bytes),
        (Some('i'), Ok(bytes)) => format!("int{}", 8 * bytes),
        (Some('u'), Ok(bytes)) => format!("uint{}", 8 * bytes),
        (Some('b'), _) => "bool".to_owned(),
        (Some('U' | 'S' | 'a'), _) => "text".to_owned(),
        (Some('O'), _) => "object".to_owned(),
        _ => dtype.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_unit_at_the_end_of_a_key_is_used() {
        assert_eq!(with_unit("setup/energy_keV"), "setup/energy_keV [keV]");
        assert_eq!([with_unit("setup/distance"), with_unit("m")], ["setup/distance", "m"]);
        let array = ArraySummary { range: Some((0.04, 0.04)), ..number("z") };
        assert_eq!((shape_or_value(&array), shape_or_value(&number("z"))), ("= 0.04".into(), "scalar".into()));
    }

    #[test]
    fn energy_distance_and_pixel_are_found_by_name_if_there_is_one_of_each() {
        let mut arrays = vec![number("setup/energy_keV"), number("setup/distance"), number("det/pixel"), number("n")];
        let found = geometry(&arrays).unwrap().map(|(path, array)| (path, array.key.clone()));
        assert_eq!(found[2], ("data.mapping.detector_pixel", "det/pixel".to_owned()));
        assert_eq!(with_value(&ArraySummary { range: Some((75.0, 75.0)), ..number("det/pixel") }), "pixel = 75");
        arrays.push(number("det/y_pixel"));
        assert_eq!(geometry(&arrays), None, "two of one kind");
    }

    fn number(key: &str) -> ArraySummary {
        ArraySummary {
            key: key.to_owned(),
            shape: Vec::new(),
            dtype: "<f8".to_owned(),
            storage: crate::data::Storage::Stored,
            bytes: 8,
            range: None,
            problem: None,
        }
    }

    #[test]
    fn types_and_shapes_are_readable() {
        assert_eq!(
            [dtype("<f4"), dtype(">c16"), dtype("|u1"), dtype("<i8")],
            ["float32", "complex128", "uint8", "int64"]
        );
        assert_eq!([dtype("|b1"), dtype("<U12"), dtype("|O"), dtype("?")], ["bool", "text", "object", "?"]);
        assert_eq!((shape(&[516, 64, 64]), shape(&[])), ("516 × 64 × 64".into(), "scalar".into()));
    }
}
