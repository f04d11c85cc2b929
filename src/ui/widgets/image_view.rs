//! A picture that can be zoomed and panned, pixel by pixel.
//!
//! The pixels are uploaded once for each key and kept on the graphics card; a picture larger than a texture may be is cut
//! into tiles.

use eframe::egui::{
    self, Color32, ColorImage, Context, Pos2, Rect, Response, Sense, TextureHandle, TextureOptions, Vec2, pos2, vec2,
};

/// How a picture is shown: its place, its zoom, its textures.
#[derive(Default)]
pub struct ImageView {
    /// Points per pixel; none fits the picture into the space.
    zoom: Option<f32>,
    /// Image pixel in the middle of the space.
    center: Vec2,
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
        self.upload(ui.ctx(), label, key, size, make);
        let space = ui.available_size().max(vec2(32.0, 32.0));
        let (rect, response) = ui.allocate_exact_size(space, Sense::click_and_drag());
        response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Image, true, label));
        let extent = vec2(size[0] as f32, size[1] as f32).max(vec2(1.0, 1.0));
        let fit = (rect.width() / extent.x).min(rect.height() / extent.y);
        self.steer(ui, &response, rect, extent, fit);
        let scale = self.zoom.unwrap_or(fit);
        let center = if self.zoom.is_some() { self.center } else { extent / 2.0 };
        let placed = Rect::from_min_size(rect.center() - center * scale, extent * scale);
        let painter = ui.painter_at(rect);
        let whole = Rect::from_min_max(pos2(0.0, 0.0), pos2(1.0, 1.0));
        for (part, texture) in &self.tiles {
            let on_screen =
                Rect::from_min_max(placed.min + part.min.to_vec2() * scale, placed.min + part.max.to_vec2() * scale);
            painter.image(texture.id(), on_screen, whole, Color32::WHITE);
        }
        let hovered = response.hover_pos().and_then(|at| {
            let place = (at - placed.min) / scale;
            let inside = place.x >= 0.0 && place.y >= 0.0 && place.x < extent.x && place.y < extent.y;
            inside.then(|| [place.x as usize, place.y as usize])
        });
        ImageResponse { response, hovered, placed, scale }
    }

    /// Fits the picture into its space again.
    pub fn fit(&mut self) {
        self.zoom = None;
    }

    fn steer(&mut self, ui: &egui::Ui, response: &Response, rect: Rect, extent: Vec2, fit: f32) {
        if response.double_clicked() {
            self.fit();
            return;
        }
        let scale = self.zoom.unwrap_or(fit);
        let center = if self.zoom.is_some() { self.center } else { extent / 2.0 };
        if response.dragged() && response.drag_delta() != Vec2::ZERO {
            self.zoom = Some(scale);
            self.center = center - response.drag_delta() / scale;
        }
        let Some(pointer) = response.hover_pos() else { return };
        let turned = ui.input(|input| input.smooth_scroll_delta().y) / 200.0;
        let factor = ui.input(|input| input.zoom_delta()) * turned.exp();
        if (factor - 1.0).abs() > 1e-4 {
            let zoomed = (scale * factor).clamp(fit.min(1.0) * 0.25, 64.0);
            // The place under the pointer stays under the pointer.
            let under = center + (pointer - rect.center()) / scale;
            self.center = under - (pointer - rect.center()) / zoomed;
            self.zoom = Some(zoomed);
        }
    }

    fn upload(
        &mut self,
        context: &Context,
        label: &str,
        key: u64,
        size: [usize; 2],
        make: impl FnOnce() -> ColorImage,
    ) {
        if self.key == Some((key, size)) {
            return;
        }
        if self.key.map(|(_, size)| size) != Some(size) {
            self.zoom = None;
        }
        self.key = Some((key, size));
        let image = make();
        let side = context.input(|input| input.max_texture_side).max(64);
        self.tiles.clear();
        let [width, height] = image.size;
        for top in (0..height).step_by(side) {
            for left in (0..width).step_by(side) {
                let (w, h) = (side.min(width - left), side.min(height - top));
                let part = if [w, h] == image.size { image.clone() } else { cut(&image, left, top, w, h) };
                let place = Rect::from_min_size(pos2(left as f32, top as f32), vec2(w as f32, h as f32));
                self.tiles.push((place, context.load_texture(label, part, TextureOptions::NEAREST)));
            }
        }
    }
}

fn cut(image: &ColorImage, left: usize, top: usize, width: usize, height: usize) -> ColorImage {
    let rows = (top..top + height).flat_map(|y| {
        let start = y * image.size[0] + left;
        image.pixels[start..start + width].iter().copied()
    });
    ColorImage::new([width, height], rows.collect())
}
