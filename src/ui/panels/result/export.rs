//! Exports: images as displayed, and values as stored.
//!
//! Encoding runs in the background: compressing a large image takes a noticeable time.

use super::View;
use super::caption::caption;
use super::pane::Source;
use super::rendering::{Layer, Quantity, Rendering};
use crate::data::{NpyArray, npy_bytes};
use crate::error::Result;
use crate::imaging::{self, Bar, Sheet, encode_gray16, encode_rgba};
use crate::library::ResultData;
use crate::session::{Action, Level, State};
use crate::ui::panels::Outbox;
use crate::ui::theme;
use eframe::egui::{ColorImage, Ui};
use ndarray::Array2;

/// Kind of export.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Export {
    /// The images as displayed, as a PNG.
    Shown,
    /// The images as displayed, with vector annotations and a caption, as SVG.
    Figure,
    /// The same figure as PDF.
    FigurePdf,
    /// The images as displayed, to the clipboard.
    Copy,
    /// The stored object, coverage and origin, as NPZ.
    Npz,
    /// Amplitude or phase values as NPY, f32.
    Npy(Quantity),
    /// Amplitude or phase values as TIFF, f32.
    Tiff(Quantity),
    /// Amplitude or phase as a 16-bit grayscale PNG.
    Gray16(Quantity),
}

impl Export {
    /// Exports of the images as displayed, in menu order.
    pub const DISPLAYED: [Self; 4] = [Self::Shown, Self::Figure, Self::FigurePdf, Self::Copy];
    /// Exports of values, in menu order.
    pub const NUMBERS: [Self; 7] = [
        Self::Npz,
        Self::Npy(Quantity::Amplitude),
        Self::Npy(Quantity::Phase),
        Self::Tiff(Quantity::Amplitude),
        Self::Tiff(Quantity::Phase),
        Self::Gray16(Quantity::Amplitude),
        Self::Gray16(Quantity::Phase),
    ];

    /// Menu text.
    pub fn label(self) -> String {
        match self {
            Self::Shown => "Image as shown (PNG)…".to_owned(),
            Self::Figure => "Figure with caption (SVG)…".to_owned(),
            Self::FigurePdf => "Figure with caption (PDF)…".to_owned(),
            Self::Copy => "Copy image".to_owned(),
            Self::Npz => "Object as stored (NPZ)…".to_owned(),
            Self::Npy(quantity) => format!("{} values (NPY)…", quantity.label()),
            Self::Tiff(quantity) => format!("{} values (TIFF)…", quantity.label()),
            Self::Gray16(quantity) => format!("{} as 16-bit image (PNG)…", quantity.label()),
        }
    }

    /// Tooltip.
    pub fn help(self) -> &'static str {
        match self {
            Self::Shown => "The visible part of all images, with color bars and scale bar",
            Self::Figure => {
                "For a paper: the visible part of all images with titles, color bars, scale bars and a caption, editable in \
                 Inkscape or Illustrator"
            }
            Self::FigurePdf => "The same figure as PDF, for LaTeX or a word processor",
            Self::Copy => "Copies the visible part of all images to the clipboard",
            Self::Npz => {
                "object (complex64), coverage, origin_xy and pixel_size_m, as in reconstruction.npz; the phase as stored, without \
                 the removal of offset and ramp"
            }
            Self::Npy(_) | Self::Tiff(_) => {
                "(H, W) float32 in the frame of the stored object, phase as shown, that is without offset and ramp; NaN outside \
                 the covered area"
            }
            Self::Gray16(_) => {
                "The covered area only, one pixel per value, scaled to 1–65535 from minimum to maximum; 0 where not covered"
            }
        }
    }
}

/// Result of an export.
#[derive(Debug, Clone, PartialEq)]
pub enum Output {
    /// Suggested file name, and content.
    File(String, Vec<u8>),
    /// Columns and rows, and RGBA pixels for the clipboard.
    Image([usize; 2], Vec<u8>),
}

/// Encodes an export. `sheets` are the images as displayed with their titles, in rows of `columns`.
///
/// # Errors
/// The error message of the encoder.
pub fn make(
    export: Export,
    data: &ResultData,
    rendering: &Rendering,
    (titles, sheets): (&[String], &[Sheet]),
    columns: usize,
    caption: &str,
) -> std::result::Result<Output, String> {
    let stem = data.folder.file_name().map_or_else(|| "result".into(), |name| name.to_string_lossy().into_owned());
    let made: Result<Output> = match export {
        Export::Shown => encode_rgba(imaging::sheet(sheets, columns)).map(|b| Output::File(format!("{stem}.png"), b)),
        Export::Figure | Export::FigurePdf => {
            let panels: Vec<(String, Sheet)> = titles.iter().cloned().zip(sheets.iter().cloned()).collect();
            match export {
                Export::Figure => imaging::figure_svg(&panels, columns, caption)
                    .map(|svg| Output::File(format!("{stem}.svg"), svg.into_bytes())),
                _ => imaging::figure_pdf(&panels, columns, caption).map(|pdf| Output::File(format!("{stem}.pdf"), pdf)),
            }
        }
        Export::Copy => {
            let image = imaging::sheet(sheets, columns);
            let size = [image.width() as usize, image.height() as usize];
            Ok(Output::Image(size, image.into_raw()))
        }
        Export::Npz => data.reconstruction.to_npz().map(|bytes| Output::File(format!("{stem}.npz"), bytes)),
        Export::Npy(quantity) => {
            let values = in_stored_frame(rendering, &rendering.result, quantity, data.reconstruction.object.dim());
            let name = format!("{stem}_{}.npy", quantity.label().to_lowercase());
            npy_bytes(&NpyArray::F32(values.view().into_dyn())).map(|bytes| Output::File(name, bytes))
        }
        Export::Tiff(quantity) => {
            let values = in_stored_frame(rendering, &rendering.result, quantity, data.reconstruction.object.dim());
            let name = format!("{stem}_{}.tif", quantity.label().to_lowercase());
            imaging::encode_tiff_f32(values.view(), rendering.pixel_size_m).map(|bytes| Output::File(name, bytes))
        }
        Export::Gray16(quantity) => match rendering.result.plane(quantity) {
            None => Err(crate::error::Error::failed("This quantity is not available")),
            Some(plane) => {
                let limits = plane.ordered.limits(0.0, 1.0);
                let ends = [limits.low, limits.high].map(imaging::short_number);
                let name = format!("{stem}_{}_{}_to_{}.png", quantity.label().to_lowercase(), ends[0], ends[1]);
                let finite = plane.values.mapv(f32::is_finite);
                encode_gray16(plane.values.view(), (&finite & &rendering.result.covered).view(), limits)
                    .map(|bytes| Output::File(name, bytes))
            }
        },
    };
    made.map_err(|error| error.to_string())
}

/// Values in the frame of the stored object; NaN outside the covered area.
fn in_stored_frame(rendering: &Rendering, layer: &Layer, quantity: Quantity, shape: (usize, usize)) -> Array2<f32> {
    let [left, top] = rendering.corner;
    Array2::from_shape_fn(shape, |(y, x)| {
        let at = y.checked_sub(top).zip(x.checked_sub(left));
        at.filter(|at| layer.covered.get(*at).copied().unwrap_or(false))
            .and_then(|at| layer.plane(quantity)?.values.get(at).copied())
            .unwrap_or(f32::NAN)
    })
}

/// Title of an image in a figure.
fn title(rendering: &Rendering, (quantity, source): (Quantity, Source)) -> String {
    match source.layer(rendering).filter(|_| source != Source::Result) {
        Some(layer) => format!("{}, {}", quantity.label(), layer.name_in_text()),
        None => quantity.label().to_owned(),
    }
}

impl View {
    /// Requests an export of the displayed images.
    pub fn export_shown(&mut self) {
        self.request_export(Export::Shown);
    }

    /// Requests an export, unless another one is being prepared.
    pub(super) fn request_export(&mut self, export: Export) {
        if self.export.is_none() {
            self.exports += 1;
            self.export = Some((export, self.exports));
        }
    }

    /// Starts a requested export, and delivers a finished one.
    pub(super) fn finish_export(&mut self, ui: &Ui, state: &State, outbox: &mut Outbox, actions: &mut Vec<Action>) {
        let Some((export, number)) = self.export else { return };
        let (Some(data), Some((_, rendering))) = (self.inputs.0.clone(), self.rendering.newest().cloned()) else {
            self.export = None;
            return;
        };
        let sheets = if self.output.is_running() { Vec::new() } else { self.sheets(ui, &rendering, export) };
        let columns = self.columns;
        let titles =
            self.controls.tiles(&rendering).into_iter().map(|tile| title(&rendering, tile)).collect::<Vec<_>>();
        let is_figure = matches!(export, Export::Figure | Export::FigurePdf);
        let text = if is_figure { caption(state, &data, &rendering) } else { String::new() };
        let made = self
            .output
            .get(ui.ctx(), number, || move || make(export, &data, &rendering, (&titles, &sheets), columns, &text));
        if self.output.has_failed(number) {
            self.export = None;
            let text = "Export failed (internal error); see the log".to_owned();
            actions.push(Action::Notify { level: Level::Error, text });
        }
        let Some((_, made)) = made.filter(|(key, _)| *key == number) else { return };
        self.export = None;
        match &*made {
            Ok(Output::File(name, bytes)) => outbox.export = Some((name.clone(), bytes.clone())),
            Ok(Output::Image(size, pixels)) => {
                ui.ctx().copy_image(ColorImage::from_rgba_unmultiplied(*size, pixels));
                let text = "Image copied to the clipboard".to_owned();
                actions.push(Action::Notify { level: Level::Success, text });
            }
            Err(text) => actions.push(Action::Notify { level: Level::Error, text: text.clone() }),
        }
        self.output.forget();
    }

    /// Visible parts of the images, for an export.
    fn sheets(&self, ui: &Ui, rendering: &Rendering, export: Export) -> Vec<Sheet> {
        if !Export::DISPLAYED.contains(&export) {
            return Vec::new();
        }
        let mut sheets = Vec::new();
        for (quantity, source) in self.controls.tiles(rendering) {
            let Some(tone) = self.tone(rendering, quantity, source) else { continue };
            let over = self.overlay(ui, rendering, quantity, source).map(|(.., whole)| whole);
            let pane = self.panes.get(&(quantity, source));
            let Some((size, mut pixels)) = pane.and_then(|pane| pane.visible_pixels(over, self.marks.curtain)) else {
                continue;
            };
            if matches!(export, Export::Figure | Export::FigurePdf) {
                // On paper, what was not measured is as white as the page.
                let uncovered = theme::palette(ui).unseen.to_array();
                pixels.iter_mut().filter(|pixel| **pixel == uncovered).for_each(|pixel| *pixel = [255, 255, 255, 0]);
            }
            let bar = if quantity == Quantity::Complex { Bar::Wheel } else { Bar::Tone(tone, quantity.unit()) };
            let scale_bar = imaging::scale_bar(0.3 * size[0] as f64, rendering.pixel_size_m);
            sheets.push(Sheet { size, pixels, bar, scale_bar });
        }
        sheets
    }
}

#[cfg(test)]
mod tests {
    use super::super::rendering::tests::{OPTIONS, example};
    use super::*;
    use crate::data::{NpzArchive, Reconstruction};

    fn file(export: Export) -> (String, Vec<u8>) {
        let data = example(64);
        let rendering = Rendering::new(&data, None, OPTIONS);
        match make(export, &data, &rendering, (&[], &[]), 1, "").unwrap() {
            Output::File(name, bytes) => (name, bytes),
            Output::Image(..) => (String::new(), Vec::new()),
        }
    }

    #[test]
    fn the_stored_object_survives_a_round_trip() {
        let (name, bytes) = file(Export::Npz);
        assert_eq!(name, "example.npz");
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        assert_eq!(Reconstruction::load(&path).unwrap(), example(64).reconstruction);
        assert!(NpzArchive::open(&path).unwrap().member("pixel_size_m").is_some());
    }

    #[test]
    fn exported_values_match_the_display_in_the_frame_of_the_object() {
        let (name, bytes) = file(Export::Npy(Quantity::Amplitude));
        assert_eq!(name, "example_amplitude.npy");
        let read = npyz::NpyFile::new(bytes.as_slice()).unwrap();
        assert_eq!(read.shape(), [64, 64]);
        let values: Vec<f32> = read.into_vec().unwrap();
        assert!(values[0].is_nan());
        assert!((values[20 * 64 + 20] - example(64).reconstruction.object[(20, 20)].norm()).abs() < 1e-5);
        let (name, bytes) = file(Export::Gray16(Quantity::Amplitude));
        assert_eq!(name, "example_amplitude_0.75_to_1.25.png");
        let image = image::load_from_memory(&bytes).unwrap().to_luma16();
        assert_eq!((image.width(), image.height()), (48, 48));
        assert_eq!(image.iter().copied().max(), Some(65535));
    }
}
