//! One image of the panel: title, color bar, overlays and pointer tools.

use super::colors;
use super::export::Export;
use super::rendering::{Layer, Quantity, Rendering};
use crate::imaging::{self, Blanks, Tone, short_number};
use crate::ui::theme;
use crate::ui::widgets::background::{Background, key_of};
use crate::ui::widgets::histogram::color_bar;
use crate::ui::widgets::image_view::{Drag, ImageResponse, ImageView, Viewport};
use crate::ui::widgets::numbers::signed;
use crate::ui::widgets::{elided, letters_in, spinner};
use eframe::egui::{
    self, Align, Align2, Color32, ColorImage, CursorIcon, FontId, Layout, PointerButton, Pos2, Rect, RichText, Sense,
    Stroke, StrokeKind, Vec2, WidgetInfo, pos2, vec2,
};
use std::sync::Arc;

/// Height of the title above an image.
pub const TITLE: f32 = 26.0;
/// Maximum number of pixels painted synchronously; larger images are painted in the background.
const MAX_SYNC_PIXELS: usize = 150_000;

/// Object displayed in an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Source {
    /// The result.
    Result,
    /// The reference object or another run.
    Other,
    /// Result minus the other object.
    Difference,
}

impl Source {
    /// Layer of this source, if available.
    pub fn layer(self, rendering: &Rendering) -> Option<&Layer> {
        match self {
            Self::Result => Some(&rendering.result),
            Self::Other => rendering.other.as_ref(),
            Self::Difference => rendering.difference.as_ref(),
        }
    }
}

/// Tool of the primary mouse button.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Tool {
    /// Pans the image.
    #[default]
    Pan,
    /// Draws a line for a line profile.
    Profile,
    /// Draws a rectangle for statistics.
    Region,
    /// Compares the pattern measured at the pointer with the calculated one.
    Pattern,
}

impl Tool {
    /// All tools, in display order.
    pub const ALL: [Self; 4] = [Self::Pan, Self::Profile, Self::Region, Self::Pattern];

    /// Display name.
    pub fn label(self) -> &'static str {
        match self {
            Self::Pan => "Pan",
            Self::Profile => "Line profile",
            Self::Region => "Region",
            Self::Pattern => "Pattern",
        }
    }

    /// Key that chooses the tool.
    pub fn key(self) -> egui::Key {
        match self {
            Self::Pan => egui::Key::P,
            Self::Profile => egui::Key::L,
            Self::Region => egui::Key::R,
            Self::Pattern => egui::Key::D,
        }
    }

    /// Tooltip.
    pub fn help(self) -> &'static str {
        match self {
            Self::Pan => "Drag to pan, scroll to zoom, double-click to fit (P)",
            Self::Profile => {
                "Drag a line to plot the values along it; hold Shift to snap to horizontal or vertical (L)"
            }
            Self::Pattern => "Click or drag to compare the pattern measured there with the calculated one (D)",
            Self::Region => "Drag a rectangle to show statistics of the region (R)",
        }
    }
}

/// Marks shared by all linked images, in pixels from the top left corner.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Marks {
    /// End points of the line profile.
    pub profile: Option<[Vec2; 2]>,
    /// Number of parallel lines of the profile; 0 for one.
    pub width: usize,
    /// Region `[left, top, right, bottom]`, ends exclusive.
    pub region: Option<[usize; 4]>,
    /// Regions kept in a list.
    pub kept: Vec<[usize; 4]>,
    /// Column of the curtain.
    pub curtain: Option<f32>,
    /// Selected pattern.
    pub pattern: Option<usize>,
    /// Magnification of the arrows that show how the positions were shifted; `None` to hide them.
    pub shifts: Option<f32>,
}

/// State of one image: pixels and textures.
#[derive(Default)]
pub struct Pane {
    view: ImageView,
    painted: Background<ColorImage>,
    over: ImageView,
    over_painted: Background<ColorImage>,
    /// Visible part `[left, top, right, bottom]`, in pixels, ends exclusive.
    pub visible: [usize; 4],
}

/// Content of an image.
pub struct Shown<'a> {
    pub rendering: &'a Arc<Rendering>,
    /// Key that changes with the rendering.
    pub rendering_key: u64,
    pub quantity: Quantity,
    pub source: Source,
    pub tone: Tone,
    /// Object drawn on top: right of the curtain (false), or everywhere (true).
    pub over: Option<(Source, Tone, bool)>,
    pub tool: Tool,
    /// True if the inspector shows this image.
    pub active: bool,
    /// True to label the image with the name of the object.
    pub named: bool,
}

/// Choice in the context menu of an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MenuChoice {
    /// Exports the images.
    Export(Export),
    /// Chooses a tool.
    Tool(Tool),
    /// Fits the image into the view.
    Fit,
}

/// Context menu of an image.
fn menu(response: &egui::Response) -> Option<MenuChoice> {
    let mut choice = None;
    response.context_menu(|ui| {
        let mut item = |ui: &mut egui::Ui, text: &str, this: MenuChoice| {
            if ui.button(text).clicked() {
                choice = Some(this);
                ui.close();
            }
        };
        for export in Export::DISPLAYED {
            item(ui, &export.label(), MenuChoice::Export(export));
        }
        ui.separator();
        for tool in Tool::ALL {
            item(ui, tool.label(), MenuChoice::Tool(tool));
        }
        item(ui, "Fit to view", MenuChoice::Fit);
    });
    choice
}

/// Result of drawing an image.
#[derive(Default)]
pub struct PaneResponse {
    /// True if the image was clicked or focused.
    pub activated: bool,
    /// Choice in the context menu.
    pub choice: Option<MenuChoice>,
    /// Image coordinates clicked, or dragged over with the pattern tool, in pixels from the top left corner.
    pub clicked_at: Option<Vec2>,
}

impl Pane {
    /// Draws the image in the remaining space.
    pub fn show(
        &mut self,
        ui: &mut egui::Ui,
        shown: &Shown<'_>,
        viewport: &mut Viewport,
        marks: &mut Marks,
    ) -> PaneResponse {
        let mut outcome = PaneResponse::default();
        let palette = theme::palette(ui);
        let Some(layer) = shown.source.layer(shown.rendering) else { return outcome };
        title(ui, shown, layer);
        let blanks = blanks(palette);
        let Some((key, pixels)) = painted(&mut self.painted, ui, shown, shown.source, shown.tone, blanks) else {
            ui.centered_and_justified(|ui| {
                spinner(ui);
            });
            return outcome;
        };
        let label = accessible_name(shown.quantity, layer);
        let drag = if shown.tool == Tool::Pan { Drag::Pan } else { Drag::Tool };
        let image = self.view.show_linked(ui, &label, key, pixels.size, viewport, drag, || (*pixels).clone());
        let rect = image.response.rect;
        self.visible = image.visible();
        if let Some((source, tone, whole)) = shown.over {
            let over = painted(&mut self.over_painted, ui, shown, source, tone, blanks);
            if let Some((key, over)) = over.filter(|(_, over)| over.size == pixels.size) {
                let column = marks.curtain.get_or_insert(shown.rendering.size[0] as f32 / 2.0);
                let mut clip = rect;
                if !whole {
                    clip.min.x = image.to_screen(*column, 0.0).x.clamp(clip.min.x, clip.max.x);
                }
                self.over.paint_over(ui, &image, &label, key, over.size, clip, || (*over).clone());
                if !whole {
                    curtain(ui, &image, column, shown.rendering);
                }
            }
        }
        outcome.activated = image.response.clicked() || image.response.gained_focus() || image.response.drag_started();
        let dragged = shown.tool == Tool::Pattern && image.response.dragged_by(PointerButton::Primary);
        if image.response.clicked() || dragged {
            outcome.clicked_at = image.response.interact_pointer_pos().map(|at| image.to_image(at));
        }
        outcome.choice = menu(&image.response);
        use_tool(ui, &image, shown, marks);
        let painter = ui.painter_at(rect);
        if shown.quantity == Quantity::Residual {
            for position in &shown.rendering.positions {
                let at = image.to_screen(position[0] as f32, position[1] as f32);
                painter.circle(at, 2.5, palette.over_light, Stroke::new(1.0, palette.over_dark));
            }
        }
        draw_pattern(&painter, &image, shown, marks, palette);
        draw_marks(&painter, &image, marks, palette);
        scale_bar(&painter, &image, shown.rendering.pixel_size_m, palette);
        if shown.quantity == Quantity::Complex {
            wheel(ui, rect, &label);
        }
        name_tags(&painter, rect, shown, layer, palette);
        if shown.active {
            painter.rect_stroke(rect, 0.0, Stroke::new(1.0, palette.accent), StrokeKind::Inside);
        }
        outcome
    }

    /// True while pixels are being painted.
    #[cfg(test)]
    pub fn is_painting(&self) -> bool {
        self.painted.is_running() || self.over_painted.is_running()
    }

    /// Displayed RGBA pixels of the visible part; `None` before they are painted.
    pub fn visible_pixels(&self, over: Option<bool>, curtain: Option<f32>) -> Option<([usize; 2], Vec<[u8; 4]>)> {
        let (_, below) = self.painted.newest()?;
        let above = over.and_then(|whole| self.over_painted.newest().map(|(_, image)| (image, whole)));
        let [left, top, right, bottom] = self.visible;
        let (right, bottom) = (right.min(below.size[0]), bottom.min(below.size[1]));
        if left >= right || top >= bottom {
            return None;
        }
        let mut pixels = Vec::with_capacity((right - left) * (bottom - top));
        for y in top..bottom {
            for x in left..right {
                let image = match above {
                    Some((image, whole)) if whole || (x as f32) >= curtain.unwrap_or(0.0) => image,
                    _ => below,
                };
                pixels.push(image.pixels.get(y * below.size[0] + x).map_or([0; 4], |c| c.to_srgba_unmultiplied()));
            }
        }
        Some(([right - left, bottom - top], pixels))
    }
}

/// Accessible name of an image.
pub fn accessible_name(quantity: Quantity, layer: &Layer) -> String {
    format!("{} of {}", quantity.label(), layer.name_in_text())
}

fn blanks(palette: &theme::Palette) -> Blanks {
    Blanks { not_a_number: palette.nan.to_array(), uncovered: palette.unseen.to_array() }
}

/// Pixels of an object, painted synchronously or in the background; `None` before the first ones are ready.
fn painted(
    background: &mut Background<ColorImage>,
    ui: &egui::Ui,
    shown: &Shown<'_>,
    source: Source,
    tone: Tone,
    blanks: Blanks,
) -> Option<(u64, Arc<ColorImage>)> {
    let key = key_of((shown.rendering_key, shown.quantity, source, colors::bits(&tone), blanks));
    let (rendering, quantity) = (shown.rendering.clone(), shown.quantity);
    let work = move || paint(&rendering, quantity, source, &tone, blanks);
    if shown.rendering.size[0] * shown.rendering.size[1] <= MAX_SYNC_PIXELS {
        return Some((key, background.get_now(key, work)));
    }
    background.get(ui.ctx(), key, move || work)
}

fn paint(rendering: &Rendering, quantity: Quantity, source: Source, tone: &Tone, blanks: Blanks) -> ColorImage {
    let [width, height] = rendering.size;
    let empty = || vec![blanks.uncovered; width * height];
    let pixels = match source.layer(rendering) {
        None => empty(),
        Some(layer) if quantity == Quantity::Complex => {
            imaging::paint_complex(layer.object.view(), layer.covered.view(), tone.limits, tone.scale, blanks)
        }
        Some(layer) => match layer.plane(quantity) {
            None => empty(),
            Some(plane) => tone.paint(plane.values.view(), layer.covered.view(), blanks),
        },
    };
    let pixels = pixels.into_iter().map(|[r, g, b, a]| Color32::from_rgba_premultiplied(r, g, b, a)).collect();
    ColorImage::new([width, height], pixels)
}

fn title(ui: &mut egui::Ui, shown: &Shown<'_>, layer: &Layer) {
    let palette = theme::palette(ui);
    let (rect, _) = ui.allocate_exact_size(vec2(ui.available_width(), TITLE - 4.0), Sense::hover());
    let mut line = ui.new_child(egui::UiBuilder::new().max_rect(rect).layout(Layout::left_to_right(Align::Center)));
    let color = if shown.active { palette.accent } else { line.visuals().text_color() };
    let text = if shown.source == Source::Difference {
        format!("{}: {}", shown.quantity.label(), lower_first(&layer.name))
    } else {
        shown.quantity.label().to_owned()
    };
    line.add(egui::Label::new(RichText::new(text).strong().color(color)).truncate())
        .on_hover_text(shown.quantity.help());
    if shown.quantity == Quantity::Complex || line.available_width() < 150.0 {
        return;
    }
    let tone = shown.tone;
    line.with_layout(Layout::right_to_left(Align::Center), |ui| {
        let text = |value: f64| RichText::new(signed(short_number(value))).small().color(palette.weak);
        let unit = shown.quantity.unit();
        let high = signed(format!("{} {unit}", short_number(tone.limits.high)));
        ui.label(RichText::new(high.trim_end()).small().color(palette.weak));
        let wide = (ui.available_width() - 60.0).clamp(40.0, 130.0);
        let (bar, _) = ui.allocate_exact_size(vec2(wide, 10.0), Sense::hover());
        color_bar(ui.painter(), bar, |x| {
            let along = f64::from((x - bar.left()) / bar.width());
            tone.rgb(tone.limits.low + along * (tone.limits.high - tone.limits.low))
        });
        ui.label(text(tone.limits.low));
    });
}

fn lower_first(name: &str) -> String {
    let mut characters = name.chars();
    characters.next().map(|first| first.to_lowercase().chain(characters).collect()).unwrap_or_default()
}

fn use_tool(ui: &egui::Ui, image: &ImageResponse, shown: &Shown<'_>, marks: &mut Marks) {
    if matches!(shown.tool, Tool::Pan | Tool::Pattern) || !image.response.dragged_by(PointerButton::Primary) {
        return;
    }
    let (Some(from), Some(to)) = (ui.input(|i| i.pointer.press_origin()), image.response.interact_pointer_pos()) else {
        return;
    };
    let extent = vec2(shown.rendering.size[0] as f32, shown.rendering.size[1] as f32);
    let inside = |at: Pos2| image.to_image(at).clamp(Vec2::ZERO, extent);
    let (from, mut to) = (inside(from), inside(to));
    match shown.tool {
        Tool::Pan | Tool::Pattern => {}
        Tool::Profile => {
            if ui.input(|input| input.modifiers.shift) {
                let along = to - from;
                if along.x.abs() > along.y.abs() { to.y = from.y } else { to.x = from.x }
            }
            marks.profile = Some([from, to]);
        }
        Tool::Region => {
            let (low, high) = (from.min(to).floor(), from.max(to).ceil());
            let number = |v: f32| v.max(0.0) as usize;
            marks.region = Some([number(low.x), number(low.y), number(high.x), number(high.y)]);
        }
    }
}

/// Largest number of arrows drawn.
const ARROWS: usize = 3000;

/// The selected pattern as a circle of the probe's size, and the shifts of the positions as arrows.
fn draw_pattern(
    painter: &egui::Painter,
    image: &ImageResponse,
    shown: &Shown<'_>,
    marks: &Marks,
    palette: &theme::Palette,
) {
    let rendering = shown.rendering;
    if let Some(times) = marks.shifts {
        let step = rendering.positions.len().div_ceil(ARROWS).max(1);
        for (to, shift) in rendering.positions.iter().zip(&rendering.shifts).step_by(step) {
            let start = image.to_screen((to[0] - shift[0]) as f32, (to[1] - shift[1]) as f32);
            let arrow = vec2(shift[0] as f32, shift[1] as f32) * times * image.scale;
            if image.response.rect.expand(arrow.length()).contains(start) {
                painter.line_segment([start, start + arrow], Stroke::new(3.0, palette.over_dark));
                painter.arrow(start, arrow, Stroke::new(1.5, palette.over_accent));
            }
        }
    }
    if let Some(at) = marks.pattern.and_then(|index| rendering.positions.get(index)) {
        let at = image.to_screen(at[0] as f32, at[1] as f32);
        painter.circle_stroke(at, 7.0, Stroke::new(3.5, palette.over_dark));
        painter.circle_stroke(at, 7.0, Stroke::new(1.5, palette.over_accent));
        painter.circle_filled(at, 1.5, palette.over_accent);
    }
}

fn draw_marks(painter: &egui::Painter, image: &ImageResponse, marks: &Marks, palette: &theme::Palette) {
    if let Some([from, to]) = marks.profile.filter(|_| marks.width > 1) {
        let side = (to - from).rot90().normalized() * (marks.width as f32 / 2.0);
        for edge in [side, -side] {
            let ends = [from + edge, to + edge].map(|end| image.to_screen(end.x, end.y));
            painter.line_segment(ends, Stroke::new(1.0, palette.over_accent.gamma_multiply(0.7)));
        }
    }
    if let Some(ends) = marks.profile {
        let ends = ends.map(|end| image.to_screen(end.x, end.y));
        painter.line_segment(ends, Stroke::new(3.5, palette.over_dark));
        painter.line_segment(ends, Stroke::new(1.5, palette.over_accent));
        // Disc at the start, ring at the end.
        painter.circle(ends[0], 3.5, palette.over_accent, Stroke::new(1.0, palette.over_dark));
        painter.circle(ends[1], 3.5, palette.over_dark, Stroke::new(1.5, palette.over_accent));
    }
    for [left, top, right, bottom] in &marks.kept {
        let corner = |x: usize, y: usize| image.to_screen(x as f32, y as f32);
        let rect = Rect::from_min_max(corner(*left, *top), corner(*right, *bottom));
        painter.rect_stroke(rect, 0.0, Stroke::new(2.0, palette.over_dark), StrokeKind::Middle);
        painter.rect_stroke(rect, 0.0, Stroke::new(1.0, palette.over_light), StrokeKind::Middle);
    }
    if let Some([left, top, right, bottom]) = marks.region {
        let rect =
            Rect::from_two_pos(image.to_screen(left as f32, top as f32), image.to_screen(right as f32, bottom as f32));
        painter.rect_stroke(rect, 0.0, Stroke::new(3.5, palette.over_dark), StrokeKind::Middle);
        painter.rect_stroke(rect, 0.0, Stroke::new(1.5, palette.over_accent), StrokeKind::Middle);
    }
}

/// The curtain line between the two objects, moved by dragging or the arrow keys.
fn curtain(ui: &mut egui::Ui, image: &ImageResponse, column: &mut f32, rendering: &Rendering) {
    let palette = theme::palette(ui);
    let rect = image.response.rect;
    let x = image.to_screen(*column, 0.0).x.clamp(rect.left() + 6.0, rect.right() - 6.0);
    let handle = Rect::from_center_size(pos2(x, rect.center().y), vec2(14.0, rect.height()));
    let id = image.response.id.with("curtain");
    let response =
        ui.interact(handle, id, Sense::click_and_drag()).on_hover_and_drag_cursor(CursorIcon::ResizeHorizontal);
    response.widget_info(|| WidgetInfo::slider(true, f64::from(*column), "Curtain"));
    if let Some(at) = response.interact_pointer_pos().filter(|_| response.dragged()) {
        *column = image.to_image(at).x;
    }
    if response.has_focus() {
        let arrows = egui::EventFilter { horizontal_arrows: true, ..egui::EventFilter::default() };
        ui.memory_mut(|memory| memory.set_focus_lock_filter(id, arrows));
        let step = 10.0 / image.scale;
        if ui.input(|input| input.key_pressed(egui::Key::ArrowLeft)) {
            *column -= step;
        }
        if ui.input(|input| input.key_pressed(egui::Key::ArrowRight)) {
            *column += step;
        }
    }
    *column = column.clamp(0.0, rendering.size[0] as f32);
    let painter = ui.painter_at(rect);
    let strong = response.hovered() || response.dragged() || response.has_focus();
    let color = if strong { palette.over_accent } else { palette.over_light };
    painter.vline(x, rect.y_range(), Stroke::new(3.5, palette.over_dark));
    painter.vline(x, rect.y_range(), Stroke::new(1.5, color));
    let grip = Rect::from_center_size(pos2(x, rect.center().y), vec2(9.0, 30.0));
    painter.rect(grip, 4.0, color, Stroke::new(1.0, palette.over_dark), StrokeKind::Outside);
}

fn scale_bar(painter: &egui::Painter, image: &ImageResponse, pixel_size_m: Option<f64>, palette: &theme::Palette) {
    let seen = image.response.rect;
    let longest = 0.2 * f64::from(seen.width() / image.scale);
    let Some(bar) = imaging::scale_bar(longest, pixel_size_m) else { return };
    let length = bar.pixels as f32 * image.scale;
    let galley = painter.layout_no_wrap(bar.text, FontId::proportional(12.0), palette.over_light);
    let wide = length.max(galley.size().x);
    let plate = Rect::from_min_size(
        pos2(seen.left() + 8.0, seen.bottom() - 8.0 - galley.size().y - 12.0),
        vec2(wide + 14.0, galley.size().y + 12.0),
    );
    painter.rect_filled(plate, 4.0, palette.over_dark);
    painter.galley(pos2(plate.center().x - galley.size().x / 2.0, plate.top() + 2.0), galley, palette.over_light);
    let line = Rect::from_min_size(pos2(plate.center().x - length / 2.0, plate.bottom() - 7.0), vec2(length, 3.0));
    painter.rect_filled(line, 0.0, palette.over_light);
}

/// Labels an image with the names of the objects it shows.
fn name_tags(painter: &egui::Painter, rect: Rect, shown: &Shown<'_>, layer: &Layer, palette: &theme::Palette) {
    match shown.over {
        Some((source, _, whole)) => {
            let name = source.layer(shown.rendering).map_or("", |layer| layer.name.as_str());
            if whole {
                tag(painter, rect, name, palette);
            } else {
                tag(painter, rect, &layer.name, palette);
                tag_right(painter, rect, name, palette);
            }
        }
        None if shown.named => tag(painter, rect, &layer.name, palette),
        None => {}
    }
}

fn tag(painter: &egui::Painter, rect: Rect, text: &str, palette: &theme::Palette) {
    plate(painter, rect.left_top() + vec2(8.0, 8.0), Align2::LEFT_TOP, text, palette);
}

fn tag_right(painter: &egui::Painter, rect: Rect, text: &str, palette: &theme::Palette) {
    plate(painter, rect.right_top() + vec2(-8.0, 8.0), Align2::RIGHT_TOP, text, palette);
}

fn plate(painter: &egui::Painter, at: Pos2, align: Align2, text: &str, palette: &theme::Palette) {
    let text = elided(text, letters_in(painter.clip_rect().width() - 24.0));
    let galley = painter.layout_no_wrap(text, FontId::proportional(12.0), palette.over_light);
    let inner = align.anchor_size(at, galley.size() + vec2(12.0, 6.0));
    painter.rect_filled(inner, 4.0, palette.over_dark);
    painter.galley(inner.min + vec2(6.0, 3.0), galley, palette.over_light);
}

/// Draws the color wheel in the lower right corner: hue is the phase, brightness the amplitude.
fn wheel(ui: &egui::Ui, rect: Rect, salt: &str) {
    const SIDE: usize = 96;
    let palette = theme::palette(ui);
    let id = egui::Id::unique(("color wheel", salt));
    let kept = ui.data(|data| data.get_temp::<egui::TextureHandle>(id));
    let texture = kept.unwrap_or_else(|| {
        let pixels = imaging::ComplexColors::default().wheel(SIDE);
        let pixels = pixels.into_iter().map(|[r, g, b, a]| Color32::from_rgba_unmultiplied(r, g, b, a)).collect();
        let image = ColorImage::new([SIDE, SIDE], pixels);
        let texture = ui.ctx().load_texture("color wheel", image, egui::TextureOptions::LINEAR);
        ui.data_mut(|data| data.insert_temp(id, texture.clone()));
        texture
    });
    let side = 56.0;
    let plate =
        Rect::from_min_size(rect.right_bottom() - vec2(side + 52.0, side + 20.0), vec2(side + 44.0, side + 12.0));
    let painter = ui.painter_at(rect);
    painter.rect_filled(plate, 4.0, palette.over_dark);
    let disc = Rect::from_center_size(plate.center(), Vec2::splat(side));
    let whole = Rect::from_min_max(pos2(0.0, 0.0), pos2(1.0, 1.0));
    painter.image(texture.id(), disc, whole, Color32::WHITE);
    let font = FontId::proportional(11.0);
    painter.text(disc.right_center() + vec2(4.0, 0.0), Align2::LEFT_CENTER, "0", font.clone(), palette.over_light);
    painter.text(disc.left_center() - vec2(4.0, 0.0), Align2::RIGHT_CENTER, "±π", font, palette.over_light);
}
