//! Painted status icons: the window's fonts have no such glyphs.

use crate::session::Level;
use crate::ui::theme;
use eframe::egui::{self, Pos2, Response, Sense, Shape, Stroke, pos2, vec2};

/// Draws a status icon of this size in points, named for assistive technology.
pub fn mark(ui: &mut egui::Ui, level: Level, size: f32) -> Response {
    let (rect, response) = ui.allocate_exact_size(vec2(size, size), Sense::hover());
    let name = match level {
        Level::Info => "Information",
        Level::Success => "Good",
        Level::Warning => "Warning",
        Level::Error => "Problem",
    };
    response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Image, true, name));
    let color = theme::palette(ui).level(level);
    let stroke = Stroke::new((size / 7.0).max(1.5), color);
    let at = |x: f32, y: f32| -> Pos2 { pos2(rect.left() + x * rect.width(), rect.top() + y * rect.height()) };
    let painter = ui.painter();
    match level {
        Level::Info => {
            painter.circle_filled(rect.center(), size / 6.0, color);
        }
        Level::Success => {
            painter.add(Shape::line(vec![at(0.12, 0.55), at(0.4, 0.82), at(0.9, 0.2)], stroke));
        }
        Level::Warning => {
            let thin = Stroke::new((size / 11.0).max(1.2), color);
            painter.add(Shape::closed_line(vec![at(0.5, 0.1), at(0.96, 0.9), at(0.04, 0.9)], thin));
            painter.line_segment([at(0.5, 0.38), at(0.5, 0.64)], thin);
            painter.circle_filled(at(0.5, 0.77), size / 16.0, color);
        }
        Level::Error => {
            painter.line_segment([at(0.18, 0.18), at(0.82, 0.82)], stroke);
            painter.line_segment([at(0.82, 0.18), at(0.18, 0.82)], stroke);
        }
    }
    response
}
