//! Table of the arrays in the file: key, shape, type, range.

use crate::data::ArraySummary;
use crate::ui::theme;
use crate::ui::widgets::numbers::{bytes, short};
use eframe::egui::{self, RichText};
use egui_extras::{Column, TableBuilder};

/// Draws the table.
pub(super) fn show(ui: &mut egui::Ui, arrays: &[ArraySummary]) {
    let palette = theme::palette(ui);
    let row = 22.0;
    let width = ui.available_width();
    let right = egui::Layout::left_to_right(egui::Align::Center);
    TableBuilder::new(ui)
        .id_salt("arrays of the file")
        .striped(true)
        .vscroll(false)
        .cell_layout(right)
        .column(Column::exact((width * 0.27).clamp(80.0, 220.0)).clip(true))
        .column(Column::exact((width * 0.25).clamp(80.0, 200.0)).clip(true))
        .column(Column::exact(74.0).clip(true))
        .column(Column::remainder().clip(true))
        .header(row, |mut header| {
            for title in ["Key", "Shape", "Type", "Range"] {
                header.col(|ui| {
                    ui.label(RichText::new(title).strong());
                });
            }
        })
        .body(|body| {
            body.rows(row, arrays.len(), |mut row| {
                let Some(array) = arrays.get(row.index()) else { return };
                row.col(|ui| {
                    ui.add(egui::Label::new(RichText::new(&array.key).monospace()).truncate())
                        .on_hover_text(about(array));
                });
                row.col(|ui| {
                    ui.add(egui::Label::new(shape(&array.shape)).truncate());
                });
                row.col(|ui| {
                    ui.add(egui::Label::new(dtype(&array.dtype)).truncate()).on_hover_text(&array.dtype);
                });
                row.col(|ui| match (&array.problem, array.range) {
                    (Some(problem), _) => {
                        let text = RichText::new("unreadable").color(palette.bad);
                        ui.add(egui::Label::new(text).truncate()).on_hover_text(problem);
                    }
                    (None, Some((low, high))) => {
                        let text = if low == high { short(low) } else { format!("{} … {}", short(low), short(high)) };
                        ui.add(egui::Label::new(text).truncate()).on_hover_text("Minimum and maximum finite value");
                    }
                    (None, None) => {
                        ui.label(RichText::new("–").color(palette.weak));
                    }
                });
            });
        });
}

fn about(array: &ArraySummary) -> String {
    format!("{}\n{} ({})", array.key, bytes(array.bytes), format!("{:?}", array.storage).to_lowercase())
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
    fn types_and_shapes_are_readable() {
        assert_eq!(
            [dtype("<f4"), dtype(">c16"), dtype("|u1"), dtype("<i8")],
            ["float32", "complex128", "uint8", "int64"]
        );
        assert_eq!([dtype("|b1"), dtype("<U12"), dtype("|O"), dtype("?")], ["bool", "text", "object", "?"]);
        assert_eq!((shape(&[516, 64, 64]), shape(&[])), ("516 × 64 × 64".into(), "scalar".into()));
    }
}
