//! An image with zoom and pan.
//!
//! The pixels are uploaded once per key and kept on the graphics card; images larger than the maximum texture size are
//! split into tiles.
//!
//! Wheel or pinch zooms at the pointer, dragging pans, a double click fits. With keyboard focus: arrows pan, `+` and `-`
//! zoom, `0` fits, `1` shows one image pixel per screen pixel.

use crate::ui::theme;
use eframe::egui::{
    self, Color32, ColorImage, Context, EventFilter, Key, PointerButton, Pos2, Rect, Response, Role, Sense, Stroke,
    StrokeKind, TextureFilter, TextureHandle, TextureOptions, Vec2, WidgetInfo, pos2, vec2,
};

/// Nearest-neighbor magnification; linear filtering when the image is reduced.
const FILTER: TextureOptions = TextureOptions {
    magnification: TextureFilter::Nearest,
    minification: TextureFilter::Linear,
    ..TextureOptions::NEAREST
};
/// Minimum points per pixel at which the pixel grid is drawn.
const GRID_MIN_ZOOM: f32 = 14.0;
/// Maximum points per pixel.
const MAX_ZOOM: f32 = 96.0;
/// Zoom factor per key press.
const KEY_ZOOM: f32 = 1.25;

/// Visible part of an image; linked images of one frame share it.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Viewport {
    /// Points per pixel; `None` fits the image into the available space.
    zoom: Option<f32>,
    /// Image coordinates at the center of the view.
    center: Vec2,
    /// Image coordinates under the pointer in this frame and in the previous one.
    pointed: [Option<Vec2>; 2],
}

impl Viewport {
    /// Call once before drawing the linked images of a frame: the previous frame's pointer becomes their cursor.
    pub fn next_frame(&mut self) {
        self.pointed = [None, self.pointed[0]];
    }

    /// Call once after drawing the linked images of a frame, so that the cursor disappears with the pointer.
    pub fn end_frame(&self, context: &Context) {
        if self.pointed[0].is_none() && self.pointed[1].is_some() {
            context.request_repaint();
        }
    }

    /// Image coordinates, in pixels from the top left corner, under the pointer in one of the linked images.
    pub fn cursor(&self) -> Option<Vec2> {
        self.pointed[0].or(self.pointed[1])
    }

    /// Fits the image into the view.
    pub fn fit(&mut self) {
        self.zoom = None;
    }

    /// True if the image is fitted into the view.
    pub fn is_fit(&self) -> bool {
        self.zoom.is_none()
    }

    /// Points per pixel; `None` if the image is fitted.
    pub fn zoom(&self) -> Option<f32> {
        self.zoom
    }

    /// Sets the zoom in points per pixel, keeping the center.
    pub fn set_zoom(&mut self, zoom: f32, extent: Vec2) {
        if self.zoom.is_none() {
            self.center = extent / 2.0;
        }
        self.zoom = Some(zoom);
    }

    /// Centers the view on these image coordinates.
    pub fn center_on(&mut self, center: Vec2, zoom: f32) {
        (self.center, self.zoom) = (center, Some(zoom));
    }
}

/// Effect of dragging with the primary button.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Drag {
    /// Pans the image.
    #[default]
    Pan,
    /// Handled by the panel (profile, region); the middle and secondary buttons pan.
    Tool,
}

/// State of an image: viewport and textures.
#[derive(Default)]
pub struct ImageView {
    viewport: Viewport,
    tiles: Vec<(Rect, TextureHandle)>,
    key: Option<(u64, [usize; 2])>,
}

/// Result of drawing an image.
pub struct ImageResponse {
    /// Response of the whole view.
    pub response: Response,
    /// Pixel (x, y) under the pointer.
    pub hovered: Option<[usize; 2]>,
    /// Rectangle of the whole image, in points; may extend beyond the view.
    pub image_rect: Rect,
    /// Points per pixel.
    pub scale: f32,
}

impl ImageResponse {
    /// Screen position of image coordinates, in pixels from the top left corner.
    pub fn to_screen(&self, x: f32, y: f32) -> Pos2 {
        self.image_rect.min + vec2(x, y) * self.scale
    }

    /// Image coordinates, in pixels from the top left corner, of a screen position.
    pub fn to_image(&self, at: Pos2) -> Vec2 {
        (at - self.image_rect.min) / self.scale
    }

    /// Visible columns and rows `[left, top, right, bottom]`, ends exclusive.
    pub fn visible(&self) -> [usize; 4] {
        let seen = self.response.rect.intersect(self.image_rect);
        let extent = self.image_rect.size() / self.scale;
        let (from, to) = (self.to_image(seen.min), self.to_image(seen.max));
        let low = |v: f32| v.floor().max(0.0) as usize;
        [low(from.x), low(from.y), to.x.ceil().min(extent.x) as usize, to.y.ceil().min(extent.y) as usize]
    }
}

impl ImageView {
    /// Draws the image in the remaining space. `make` is called only when `key`, the hash of the content, changes.
    ///
    /// * `label`: accessible name. * `size`: (width, height) in pixels.
    pub fn show(
        &mut self,
        ui: &mut egui::Ui,
        label: &str,
        key: u64,
        size: [usize; 2],
        make: impl FnOnce() -> ColorImage,
    ) -> ImageResponse {
        let mut viewport = self.viewport;
        viewport.next_frame();
        let response = self.show_linked(ui, label, key, size, &mut viewport, Drag::Pan, make);
        viewport.end_frame(ui.ctx());
        self.viewport = viewport;
        response
    }

    /// Like [`Self::show`], with a viewport that other images of the same frame may share; a change of size refits it.
    #[expect(clippy::too_many_arguments, reason = "arguments of show, shared viewport, and drag mode")]
    pub fn show_linked(
        &mut self,
        ui: &mut egui::Ui,
        label: &str,
        key: u64,
        size: [usize; 2],
        viewport: &mut Viewport,
        drag: Drag,
        make: impl FnOnce() -> ColorImage,
    ) -> ImageResponse {
        if self.upload(ui.ctx(), label, key, size, make) {
            viewport.fit();
        }
        let space = ui.available_size().max(vec2(32.0, 32.0));
        let (rect, response) = ui.allocate_exact_size(space, Sense::click_and_drag());
        response.widget_info(|| WidgetInfo::labeled(Role::Image, true, label));
        let extent = vec2(size[0] as f32, size[1] as f32).max(vec2(1.0, 1.0));
        let fit = (rect.width() / extent.x).min(rect.height() / extent.y);
        handle_input(ui, &response, rect, extent, fit, viewport, drag);
        let scale = viewport.zoom.unwrap_or(fit);
        let center = if viewport.zoom.is_some() { viewport.center } else { extent / 2.0 };
        let image_rect = Rect::from_min_size(rect.center() - center * scale, extent * scale);
        let painter = ui.painter_at(rect);
        let palette = theme::palette(ui);
        painter.rect_filled(rect, 0.0, palette.canvas);
        self.paint(&painter, image_rect, scale);
        let place = response.hover_pos().map(|at| (at - image_rect.min) / scale);
        let inside = place.filter(|p| p.x >= 0.0 && p.y >= 0.0 && p.x < extent.x && p.y < extent.y);
        if inside.is_some() {
            viewport.pointed[0] = inside;
        }
        let shown = ImageResponse {
            hovered: inside.map(|place| [place.x as usize, place.y as usize]),
            response,
            image_rect,
            scale,
        };
        if scale >= GRID_MIN_ZOOM {
            grid(&painter, &shown, palette.grid);
        }
        if let Some(cursor) = viewport.cursor().filter(|_| inside.is_none()) {
            crosshair(&painter, shown.to_screen(cursor.x, cursor.y), palette);
        }
        if shown.response.has_focus() {
            painter.rect_stroke(rect, 0.0, Stroke::new(2.0, palette.accent), StrokeKind::Inside);
        }
        shown
    }

    /// Draws this image over another one of the same size, clipped to `clip`.
    #[expect(clippy::too_many_arguments, reason = "arguments of show_linked, and the target")]
    pub fn paint_over(
        &mut self,
        ui: &egui::Ui,
        below: &ImageResponse,
        label: &str,
        key: u64,
        size: [usize; 2],
        clip: Rect,
        make: impl FnOnce() -> ColorImage,
    ) {
        self.upload(ui.ctx(), label, key, size, make);
        self.paint(&ui.painter_at(clip.intersect(below.response.rect)), below.image_rect, below.scale);
    }

    /// Fits the image into the view.
    pub fn fit(&mut self) {
        self.viewport.fit();
    }

    fn paint(&self, painter: &egui::Painter, image_rect: Rect, scale: f32) {
        let whole = Rect::from_min_max(pos2(0.0, 0.0), pos2(1.0, 1.0));
        for (part, texture) in &self.tiles {
            let on_screen = Rect::from_min_max(
                image_rect.min + part.min.to_vec2() * scale,
                image_rect.min + part.max.to_vec2() * scale,
            );
            if on_screen.intersects(painter.clip_rect()) {
                painter.image(texture.id(), on_screen, whole, Color32::WHITE);
            }
        }
    }

    /// Uploads the image if the key changed; returns true if the size differs from the previous image.
    fn upload(
        &mut self,
        context: &Context,
        label: &str,
        key: u64,
        size: [usize; 2],
        make: impl FnOnce() -> ColorImage,
    ) -> bool {
        if self.key == Some((key, size)) {
            return false;
        }
        let resized = self.key.is_some_and(|(_, known)| known != size);
        self.key = Some((key, size));
        let image = make();
        let side = context.input(|input| input.max_texture_side).max(64);
        let [width, height] = image.size;
        let places = tiles([width, height], side);
        // A single tile keeps its texture: only the pixels are uploaded.
        if let ([(_, known)], [place]) = (self.tiles.as_mut_slice(), places.as_slice())
            && known.size() == image.size
            && place.size() == vec2(width as f32, height as f32)
        {
            known.set(image, FILTER);
            return resized;
        }
        self.tiles = places
            .into_iter()
            .map(|place| {
                let part =
                    if place.size() == vec2(width as f32, height as f32) { image.clone() } else { cut(&image, place) };
                (place, context.load_texture(label, part, FILTER))
            })
            .collect();
        resized
    }
}

/// Tiles of an image of this size, with sides of at most `side`.
fn tiles([width, height]: [usize; 2], side: usize) -> Vec<Rect> {
    let mut parts = Vec::new();
    for top in (0..height).step_by(side) {
        for left in (0..width).step_by(side) {
            let (w, h) = (side.min(width - left), side.min(height - top));
            parts.push(Rect::from_min_size(pos2(left as f32, top as f32), vec2(w as f32, h as f32)));
        }
    }
    parts
}

fn cut(image: &ColorImage, part: Rect) -> ColorImage {
    let [left, top] = [part.min.x as usize, part.min.y as usize];
    let [width, height] = [part.width() as usize, part.height() as usize];
    let rows = (top..top + height).flat_map(|y| {
        let start = y * image.size[0] + left;
        image.pixels.get(start..start + width).unwrap_or_default().iter().copied()
    });
    ColorImage::new([width, height], rows.collect())
}

fn handle_input(
    ui: &egui::Ui,
    response: &Response,
    rect: Rect,
    extent: Vec2,
    fit: f32,
    viewport: &mut Viewport,
    drag: Drag,
) {
    if response.clicked() {
        response.request_focus();
    }
    if response.double_clicked() {
        viewport.fit();
        return;
    }
    let range = (fit.min(1.0) * 0.25)..=MAX_ZOOM.max(fit);
    let current = |viewport: &Viewport| match viewport.zoom {
        Some(zoom) => (zoom, viewport.center),
        None => (fit, extent / 2.0),
    };
    let zoom_at = |viewport: &mut Viewport, factor: f32, from_center: Vec2| {
        let (scale, center) = current(viewport);
        let zoomed = (scale * factor).clamp(*range.start(), *range.end());
        // Keep the image coordinates under the pointer.
        let under = center + from_center / scale;
        viewport.center_on(within(under - from_center / zoomed, extent), zoomed);
    };
    let pan = |viewport: &mut Viewport, points: Vec2| {
        let (scale, center) = current(viewport);
        viewport.center_on(within(center - points / scale, extent), scale);
    };
    let pans = match drag {
        Drag::Pan => response.dragged(),
        Drag::Tool => response.dragged_by(PointerButton::Middle) || response.dragged_by(PointerButton::Secondary),
    };
    if pans && response.drag_delta() != Vec2::ZERO {
        pan(viewport, response.drag_delta());
    }
    if let Some(pointer) = response.hover_pos() {
        // Consume the scroll so that the surrounding panel does not scroll as well.
        let turned = ui.input_mut(|input| std::mem::take(&mut input.smooth_scroll_delta.y)) / 200.0;
        let factor = ui.input(|input| input.zoom_delta()) * turned.exp();
        if (factor - 1.0).abs() > 1e-4 {
            zoom_at(viewport, factor, pointer - rect.center());
        }
    }
    if response.has_focus() {
        let arrows = EventFilter { horizontal_arrows: true, vertical_arrows: true, ..EventFilter::default() };
        ui.memory_mut(|memory| memory.set_focus_lock_filter(response.id, arrows));
        let pressed = |key: Key| ui.input(|input| input.key_pressed(key) && !input.modifiers.command);
        let step = 0.1 * rect.size();
        for (key, direction) in [
            (Key::ArrowLeft, vec2(1.0, 0.0)),
            (Key::ArrowRight, vec2(-1.0, 0.0)),
            (Key::ArrowUp, vec2(0.0, 1.0)),
            (Key::ArrowDown, vec2(0.0, -1.0)),
        ] {
            if pressed(key) {
                pan(viewport, step * direction);
            }
        }
        if pressed(Key::Plus) || pressed(Key::Equals) {
            zoom_at(viewport, KEY_ZOOM, Vec2::ZERO);
        }
        if pressed(Key::Minus) {
            zoom_at(viewport, 1.0 / KEY_ZOOM, Vec2::ZERO);
        }
        if pressed(Key::Num0) {
            viewport.fit();
        }
        if pressed(Key::Num1) {
            viewport.set_zoom(1.0 / ui.pixels_per_point(), extent);
        }
    }
}

/// Keeps the center on the image, so that it cannot be panned out of view.
fn within(center: Vec2, extent: Vec2) -> Vec2 {
    center.clamp(Vec2::ZERO, extent)
}

/// Draws grid lines between the visible pixels.
fn grid(painter: &egui::Painter, shown: &ImageResponse, color: Color32) {
    let [left, top, right, bottom] = shown.visible();
    let stroke = Stroke::new(1.0, color);
    let seen = shown.response.rect.intersect(shown.image_rect);
    for x in left..=right {
        painter.vline(shown.to_screen(x as f32, 0.0).x, seen.y_range(), stroke);
    }
    for y in top..=bottom {
        painter.hline(seen.x_range(), shown.to_screen(0.0, y as f32).y, stroke);
    }
}

/// Draws the pointer position of a linked image: light on dark, visible on every color.
fn crosshair(painter: &egui::Painter, at: Pos2, palette: &theme::Palette) {
    for (width, color) in [(3.0, palette.over_dark), (1.0, palette.over_light)] {
        let stroke = Stroke::new(width, color);
        for direction in [vec2(1.0, 0.0), vec2(-1.0, 0.0), vec2(0.0, 1.0), vec2(0.0, -1.0)] {
            painter.line_segment([at + direction * 4.0, at + direction * 12.0], stroke);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tiles_of_a_large_image_have_no_gaps_or_overlaps() {
        let parts = tiles([300, 130], 128);
        assert_eq!(parts.len(), 6);
        assert_eq!(parts.iter().map(|part| part.area()).sum::<f32>(), 300.0 * 130.0);
        assert!(parts.iter().all(|part| part.width() <= 128.0 && part.height() <= 128.0));
        let image = ColorImage::new([3, 2], (0..6).map(Color32::from_gray).collect());
        let part = cut(&image, Rect::from_min_size(pos2(1.0, 1.0), vec2(2.0, 1.0)));
        assert_eq!(part.pixels, [Color32::from_gray(4), Color32::from_gray(5)]);
    }

    #[test]
    fn the_cursor_persists_for_one_frame_after_the_pointer_has_left() {
        let mut viewport = Viewport { pointed: [Some(vec2(1.0, 2.0)), None], ..Viewport::default() };
        viewport.next_frame();
        assert_eq!(viewport.cursor(), Some(vec2(1.0, 2.0)));
        viewport.next_frame();
        assert_eq!(viewport.cursor(), None);
        viewport.set_zoom(2.0, vec2(10.0, 20.0));
        assert_eq!((viewport.zoom(), viewport.center), (Some(2.0), vec2(5.0, 10.0)));
    }
}
