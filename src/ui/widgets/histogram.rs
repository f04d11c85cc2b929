//! Histogram of values, with the two color limits as draggable handles.

use crate::imaging::{Histogram, Limits, Tone};
use crate::ui::theme;
use eframe::egui::{self, Color32, Key, Pos2, Rect, Role, Sense, Stroke, WidgetInfo, pos2, vec2};

const HEIGHT: f32 = 76.0;
const STRIP: f32 = 10.0;
/// Keyboard step of a handle, as a fraction of the displayed range.
const STEP: f64 = 0.01;

/// Draws the histogram above a color bar; returns new limits if a handle was moved.
pub fn show(ui: &mut egui::Ui, histogram: &Histogram, tone: &Tone, label: &str) -> Option<Limits> {
    let palette = theme::palette(ui);
    let (rect, response) = ui.allocate_exact_size(vec2(ui.available_width(), HEIGHT), Sense::hover());
    response.widget_info(|| WidgetInfo::labeled(Role::Image, true, label));
    let limits = tone.limits;
    // Keep the handles within the display.
    let (low, high) = (histogram.low.min(limits.low), histogram.high.max(limits.high));
    let margin = 7.0;
    let inner = Rect::from_min_max(rect.min + vec2(margin, 0.0), rect.max - vec2(margin, STRIP + 2.0));
    let x_of = |value: f64| inner.left() + ((value - low) / (high - low)) as f32 * inner.width();
    let value_of = |x: f32| low + f64::from((x - inner.left()) / inner.width()) * (high - low);
    let painter = ui.painter_at(rect);
    painter.rect_filled(inner, 3.0, ui.visuals().extreme_bg_color);

    // Square-root heights keep rare values visible beside frequent ones.
    let tallest = histogram.counts.iter().copied().max().unwrap_or(1).max(1) as f32;
    let width = (histogram.high - histogram.low) / histogram.counts.len().max(1) as f64;
    for (i, count) in histogram.counts.iter().enumerate().filter(|(_, count)| **count > 0) {
        let from = histogram.low + i as f64 * width;
        let tall = (*count as f32 / tallest).sqrt() * (inner.height() - 4.0);
        let bar = Rect::from_min_max(
            pos2(x_of(from), inner.bottom() - tall.max(1.0)),
            pos2(x_of(from + width).max(x_of(from) + 0.75), inner.bottom()),
        );
        let middle = from + width / 2.0;
        let inside = middle >= limits.low && middle <= limits.high;
        painter.rect_filled(bar, 0.0, if inside { palette.accent } else { palette.weak.gamma_multiply(0.5) });
    }
    color_bar(
        &painter,
        Rect::from_min_max(pos2(inner.left(), rect.bottom() - STRIP), pos2(inner.right(), rect.bottom())),
        |x| tone.rgb(value_of(x)),
    );

    let span = high - low;
    let mut changed = None;
    for (name, value, is_low) in [("Lower limit", limits.low, true), ("Upper limit", limits.high, false)] {
        let x = x_of(value);
        let handle = Rect::from_center_size(pos2(x, rect.center().y), vec2(2.0 * margin, rect.height()));
        let id = ui.scope_id().with((label, name));
        let response = ui
            .interact(handle, id, Sense::click_and_drag())
            .on_hover_and_drag_cursor(egui::CursorIcon::ResizeHorizontal);
        response.widget_info(|| WidgetInfo::slider(true, value, name));
        let mut target = None;
        if let Some(pointer) = response.interact_pointer_pos().filter(|_| response.dragged()) {
            target = Some(value_of(pointer.x.clamp(inner.left(), inner.right())));
        }
        if response.has_focus() {
            let arrows = egui::EventFilter { horizontal_arrows: true, ..egui::EventFilter::default() };
            ui.memory_mut(|memory| memory.set_focus_lock_filter(id, arrows));
            if ui.input(|input| input.key_pressed(Key::ArrowLeft)) {
                target = Some(value - STEP * span);
            }
            if ui.input(|input| input.key_pressed(Key::ArrowRight)) {
                target = Some(value + STEP * span);
            }
        }
        if let Some(target) = target {
            let least = 1e-4 * span;
            let new = if is_low {
                Limits { low: target.min(limits.high - least), high: limits.high }
            } else {
                Limits { low: limits.low, high: target.max(limits.low + least) }
            };
            changed = Some(new);
        }
        let strong = response.hovered() || response.dragged() || response.has_focus();
        let color = if strong { palette.accent } else { ui.visuals().text_color() };
        knob(&painter, pos2(x, inner.top()), pos2(x, rect.bottom() - STRIP), color, if strong { 2.0 } else { 1.5 });
    }
    changed
}

fn knob(painter: &egui::Painter, top: Pos2, bottom: Pos2, color: Color32, width: f32) {
    painter.line_segment([top, bottom], Stroke::new(width, color));
    painter.circle_filled(pos2(top.x, top.y + 5.0), 4.5, color);
}

/// Draws a color bar; `rgb` maps the x coordinate in points to a color.
pub fn color_bar(painter: &egui::Painter, rect: Rect, rgb: impl Fn(f32) -> [u8; 3]) {
    let steps = 96;
    let width = rect.width() / steps as f32;
    let mut mesh = egui::Mesh::default();
    for i in 0..=steps {
        let x = rect.left() + i as f32 * width;
        let [r, g, b] = rgb(x);
        let color = Color32::from_rgb(r, g, b);
        mesh.colored_vertex(pos2(x, rect.top()), color);
        mesh.colored_vertex(pos2(x, rect.bottom()), color);
        if i > 0 {
            let last = 2 * i as u32;
            mesh.add_triangle(last - 2, last - 1, last);
            mesh.add_triangle(last - 1, last, last + 1);
        }
    }
    painter.add(egui::Shape::mesh(mesh));
}
