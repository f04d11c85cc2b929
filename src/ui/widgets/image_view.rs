//! A picture that can be zoomed and panned, pixel by pixel.
//!
//! The pixels are uploaded once for each key and kept on the graphics card; a picture larger than a texture may be is cut
//! into tiles.
//!
//! Wheel or pinch zooms at the pointer, dragging pans, a double click fits. With the keyboard focus on the picture: arrows
//! pan, `+` and `-` zoom, `0` fits, `1` shows a pixel of the picture as a pixel of the screen.

use crate::ui::theme;
use eframe::egui::{
    self, Color32, ColorImage, Context, EventFilter, Key, PointerButton, Pos2, Rect, Response, Role, Sense, Stroke,
    StrokeKind, TextureFilter, TextureHandle, TextureOptions, Vec2, WidgetInfo, pos2, vec2,
};

/// Magnification is exact; a picture shown smaller than it is is smoothed a little.
const FILTER: TextureOptions = TextureOptions {
    magnification: TextureFilter::Nearest,
    minification: TextureFilter::Linear,
    ..TextureOptions::NEAREST
};
/// Points per pixel from which on the grid between pixels is drawn.
const GRID_FROM: f32 = 14.0;
/// Most points per pixel.
const CLOSEST: f32 = 96.0;
/// Step of the zoom by keyboard.
const KEY_ZOOM: f32 = 1.25;

/// Which part of a picture is looked at; linked pictures of one frame share it.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Viewport {
    /// Points per pixel; none fits the picture into the space.
    zoom: Option<f32>,
    /// Image pixel in the middle of the space.
    center: Vec2,
    /// Image place under the pointer in this frame and in the one before.
    pointed: [Option<Vec2>; 2],
}

impl Viewport {
    /// Call once before the linked pictures of a frame are drawn: the pointer of the frame before becomes their cursor.
    pub fn next_frame(&mut self) {
        self.pointed = [None, self.pointed[0]];
    }

    /// Call once after the linked pictures of a frame are drawn, so that the cursor goes away with the pointer.
    pub fn end_frame(&self, context: &Context) {
        if self.pointed[0].is_none() && self.pointed[1].is_some() {
            context.request_repaint();
        }
    }

    /// Place in the image, in pixels from its top left corner, under the pointer in one of the linked pictures.
    pub fn cursor(&self) -> Option<Vec2> {
        self.pointed[0].or(self.pointed[1])
    }

    /// Fits the picture into its space.
    pub fn fit(&mut self) {
        self.zoom = None;
    }

    /// Whether the picture is fitted into its space.
    pub fn is_fit(&self) -> bool {
        self.zoom.is_none()
    }

    /// Points per pixel, unless it is fitted.
    pub fn zoom(&self) -> Option<f32> {
        self.zoom
    }

    /// Shows this many points per pixel; the middle stays.
    pub fn set_zoom(&mut self, zoom: f32, extent: Vec2) {
        if self.zoom.is_none() {
            self.center = extent / 2.0;
        }
        self.zoom = Some(zoom);
    }

    /// Looks at this place in the image.
    pub fn look_at(&mut self, center: Vec2, zoom: f32) {
        (self.center, self.zoom) = (center, Some(zoom));
    }
}

/// What dragging with the primary button does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Drag {
    /// Moves the picture.
    #[default]
    Pan,
    /// Is left to the panel (a profile, a region); the middle and the secondary button pan.
    Tool,
}

/// How a picture is shown: its place, its zoom, its textures.
#[derive(Default)]
pub struct ImageView {
    viewport: Viewport,
    tiles: Vec<(Rect, TextureHandle)>,
    key: Option<(u64, [usize; 2])>,
}

/// What happened on a picture.
pub struct ImageResponse {
    /// Of the whole space.
    pub response: Response,
    /// Pixel (x, y) under the pointer.
    pub hovered: Option<[usize; 2]>,
    /// Where the whole picture lies, in points; it may reach beyond the space.
    pub placed: Rect,
    /// Points per pixel.
    pub scale: f32,
}

impl ImageResponse {
    /// Where a place in the image, in pixels from its top left corner, lies on the screen.
    pub fn to_screen(&self, x: f32, y: f32) -> Pos2 {
        self.placed.min + vec2(x, y) * self.scale
    }

    /// Which place in the image, in pixels from its top left corner, lies at a point of the screen.
    pub fn to_image(&self, at: Pos2) -> Vec2 {
        (at - self.placed.min) / self.scale
    }

    /// Columns and rows `[left, top, right, bottom]` of the image that are to be seen, the ends one past the last.
    pub fn visible(&self) -> [usize; 4] {
        let seen = self.response.rect.intersect(self.placed);
        let extent = self.placed.size() / self.scale;
        let (from, to) = (self.to_image(seen.min), self.to_image(seen.max));
        let low = |v: f32| v.floor().max(0.0) as usize;
        [low(from.x), low(from.y), to.x.ceil().min(extent.x) as usize, to.y.ceil().min(extent.y) as usize]
    }
}

impl ImageView {
    /// Shows the picture in the space that is left. `key` changes whenever its content does; only then `make` is called.
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

    /// As [`Self::show`], with a viewport that other pictures of the same frame may share; a change of size leaves it.
    #[expect(clippy::too_many_arguments, reason = "those of show, what is shared, and what dragging does")]
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
        steer(ui, &response, rect, extent, fit, viewport, drag);
        let scale = viewport.zoom.unwrap_or(fit);
        let center = if viewport.zoom.is_some() { viewport.center } else { extent / 2.0 };
        let placed = Rect::from_min_size(rect.center() - center * scale, extent * scale);
        let painter = ui.painter_at(rect);
        let palette = theme::palette(ui);
        painter.rect_filled(rect, 0.0, palette.canvas);
        self.paint(&painter, placed, scale);
        let place = response.hover_pos().map(|at| (at - placed.min) / scale);
        let inside = place.filter(|p| p.x >= 0.0 && p.y >= 0.0 && p.x < extent.x && p.y < extent.y);
        if inside.is_some() {
            viewport.pointed[0] = inside;
        }
        let shown = ImageResponse {
            hovered: inside.map(|place| [place.x as usize, place.y as usize]),
            response,
            placed,
            scale,
        };
        if scale >= GRID_FROM {
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

    /// Paints this picture over another one of the same size, where that one lies, inside of `clip` only.
    #[expect(clippy::too_many_arguments, reason = "as of show_linked, and where to paint")]
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
        self.paint(&ui.painter_at(clip.intersect(below.response.rect)), below.placed, below.scale);
    }

    /// Fits the picture into its space again.
    pub fn fit(&mut self) {
        self.viewport.fit();
    }

    fn paint(&self, painter: &egui::Painter, placed: Rect, scale: f32) {
        let whole = Rect::from_min_max(pos2(0.0, 0.0), pos2(1.0, 1.0));
        for (part, texture) in &self.tiles {
            let on_screen =
                Rect::from_min_max(placed.min + part.min.to_vec2() * scale, placed.min + part.max.to_vec2() * scale);
            if on_screen.intersects(painter.clip_rect()) {
                painter.image(texture.id(), on_screen, whole, Color32::WHITE);
            }
        }
    }

    /// Uploads what is new; whether the size has changed since the picture before.
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
        // A picture in one piece keeps its texture: only the pixels are sent.
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

/// Parts of an image of this size with sides of at most `side`.
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

fn steer(ui: &egui::Ui, response: &Response, rect: Rect, extent: Vec2, fit: f32, viewport: &mut Viewport, drag: Drag) {
    if response.clicked() {
        response.request_focus();
    }
    if response.double_clicked() {
        viewport.fit();
        return;
    }
    let range = (fit.min(1.0) * 0.25)..=CLOSEST.max(fit);
    let current = |viewport: &Viewport| match viewport.zoom {
        Some(zoom) => (zoom, viewport.center),
        None => (fit, extent / 2.0),
    };
    let zoom_at = |viewport: &mut Viewport, factor: f32, from_center: Vec2| {
        let (scale, center) = current(viewport);
        let zoomed = (scale * factor).clamp(*range.start(), *range.end());
        // The place there stays there.
        let under = center + from_center / scale;
        viewport.look_at(within(under - from_center / zoomed, extent), zoomed);
    };
    let pan = |viewport: &mut Viewport, points: Vec2| {
        let (scale, center) = current(viewport);
        viewport.look_at(within(center - points / scale, extent), scale);
    };
    let pans = match drag {
        Drag::Pan => response.dragged(),
        Drag::Tool => response.dragged_by(PointerButton::Middle) || response.dragged_by(PointerButton::Secondary),
    };
    if pans && response.drag_delta() != Vec2::ZERO {
        pan(viewport, response.drag_delta());
    }
    if let Some(pointer) = response.hover_pos() {
        // What is taken here must not scroll the panel around it as well.
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

/// The middle stays on the picture, so that it cannot be lost.
fn within(center: Vec2, extent: Vec2) -> Vec2 {
    center.clamp(Vec2::ZERO, extent)
}

/// Lines between the pixels that are to be seen.
fn grid(painter: &egui::Painter, shown: &ImageResponse, color: Color32) {
    let [left, top, right, bottom] = shown.visible();
    let stroke = Stroke::new(1.0, color);
    let seen = shown.response.rect.intersect(shown.placed);
    for x in left..=right {
        painter.vline(shown.to_screen(x as f32, 0.0).x, seen.y_range(), stroke);
    }
    for y in top..=bottom {
        painter.hline(seen.x_range(), shown.to_screen(0.0, y as f32).y, stroke);
    }
}

/// Where the pointer is in a linked picture: light in dark, so that it is seen on every colour.
fn crosshair(painter: &egui::Painter, at: Pos2, palette: &theme::Palette) {
    for (width, color) in [(3.0, palette.over_dark), (1.0, palette.over_light)] {
        let stroke = Stroke::new(width, color);
        for direction in [vec2(1.0, 0.0), vec2(-1.0, 0.0), vec2(0.0, 1.0), vec2(0.0, -1.0)] {
            painter.line_segment([at + direction * 4.0, at + direction * 12.0], stroke);
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_larger_than_a_texture_is_cut_without_gap_or_overlap() {
        let parts = tiles([300, 130], 128);
        assert_eq!(parts.len(), 6);
        assert_eq!(parts.iter().map(|part| part.area()).sum::<f32>(), 300.0 * 130.0);
        assert!(parts.iter().all(|part| part.width() <= 128.0 && part.height() <= 128.0));
        let image = ColorImage::new([3, 2], (0..6).map(Color32::from_gray).collect());
        let part = cut(&image, Rect::from_min_size(pos2(1.0, 1.0), vec2(2.0, 1.0)));
        assert_eq!(part.pixels, [Color32::from_gray(4), Color32::from_gray(5)]);
    }

    #[test]
    fn the_cursor_lives_for_one_frame_after_the_pointer_has_gone() {
        let mut viewport = Viewport { pointed: [Some(vec2(1.0, 2.0)), None], ..Viewport::default() };
        viewport.next_frame();
        assert_eq!(viewport.cursor(), Some(vec2(1.0, 2.0)));
        viewport.next_frame();
        assert_eq!(viewport.cursor(), None);
        viewport.set_zoom(2.0, vec2(10.0, 20.0));
        assert_eq!((viewport.zoom(), viewport.center), (Some(2.0), vec2(5.0, 10.0)));
    }
}
