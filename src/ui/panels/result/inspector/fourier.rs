//! Power spectrum of the object: what is periodic in it, such as artifacts of the scan, and how far its details reach.

use super::super::View;
use super::super::rendering::Rendering;
use super::section;
use crate::fourier::{Fft2, swap_halves};
use crate::imaging::{self, Colormap};
use crate::ui::theme;
use crate::ui::widgets::background::Background;
use crate::ui::widgets::image_view::ImageView;
use crate::ui::widgets::spinner;
use eframe::egui::{Color32, ColorImage, RichText, Ui, vec2};
use ndarray::{Array2, ArrayView2};
use num_complex::Complex32;
use std::f32::consts::TAU;
use std::sync::Arc;

/// Largest side of the part of the object that is transformed.
const SIDE: usize = 1024;
/// Decades of the color scale below the largest power beside the center.
const DECADES: f32 = 6.0;

/// State of the section.
#[derive(Default)]
pub(in crate::ui::panels::result) struct FourierView {
    open: bool,
    spectrum: Background<ColorImage>,
    image: ImageView,
}

impl View {
    /// The section; the spectrum is computed only while it is shown.
    pub(super) fn fourier(&mut self, ui: &mut Ui, key: u64, rendering: &Arc<Rendering>) {
        let view = &mut self.fourier;
        section(ui, "Fourier spectrum", |ui| {
            let palette = theme::palette(ui);
            ui.checkbox(&mut view.open, "Show")
                .on_hover_text("Power of the object at each spatial frequency, logarithmic");
            if !view.open {
                return;
            }
            let spectrum = view.spectrum.get(ui.ctx(), key, || {
                let rendering = Arc::clone(rendering);
                move || spectrum(rendering.result.object.view(), rendering.result.covered.view())
            });
            let Some((key, spectrum)) = spectrum else {
                spinner(ui);
                return;
            };
            let side = ui.available_width();
            let shown = ui
                .allocate_ui(vec2(side, side), |ui| {
                    view.image.show(ui, "Fourier spectrum of the object", key, spectrum.size, || (*spectrum).clone())
                })
                .inner;
            let text = match shown.hovered {
                Some([x, y]) => {
                    let middle = spectrum.size[0] as f64 / 2.0;
                    let frequency = (x as f64 - middle).hypot(y as f64 - middle) / spectrum.size[0] as f64;
                    let period = frequency.recip();
                    let length = rendering.pixel_size_m.filter(|size| *size > 0.0 && period.is_finite());
                    let length =
                        length.map_or_else(String::new, |size| format!(", {}", imaging::length_text(period * size)));
                    format!("{frequency:.3} cycles/px, period {period:.1} px{length}")
                }
                None => "The center is the mean; the edge is a period of 2 px".to_owned(),
            };
            ui.label(RichText::new(text).small().color(palette.weak));
        });
    }
}

/// Central square of an object without its mean, under a Hann window, as logarithm of its power.
fn spectrum(object: ArrayView2<'_, Complex32>, covered: ArrayView2<'_, bool>) -> ColorImage {
    let (height, width) = object.dim();
    let side = (height.min(width).min(SIDE) / 2 * 2).max(2);
    let (top, left) = ((height.saturating_sub(side)) / 2, (width.saturating_sub(side)) / 2);
    let inside = |y: usize, x: usize| {
        let at = (top + y, left + x);
        object
            .get(at)
            .filter(|v| covered.get(at).copied().unwrap_or(false) && v.re.is_finite() && v.im.is_finite())
            .copied()
    };
    let known: Vec<Complex32> = (0..side * side).filter_map(|at| inside(at / side, at % side)).collect();
    let mean = known.iter().sum::<Complex32>() / known.len().max(1) as f32;
    let window = |at: usize| 0.5 - 0.5 * (TAU * (at as f32 + 0.5) / side as f32).cos();
    let mut values: Vec<Complex32> = (0..side * side)
        .map(|at| {
            let (y, x) = (at / side, at % side);
            inside(y, x).map_or(Complex32::default(), |value| (value - mean) * window(y) * window(x))
        })
        .collect();
    Fft2::<f32>::new(side, side).forward_in_place(&mut values);
    let power: Vec<f32> = values.iter().map(Complex32::norm_sqr).collect();
    let power = swap_halves(&power, side);
    let largest = power.iter().copied().fold(f32::MIN_POSITIVE, f32::max);
    let shade = |value: &f32| 1.0 + (value / largest).max(1e-30).log10() / DECADES;
    let pixels = Array2::from_shape_vec((side, side), power).unwrap_or_default();
    let pixels = pixels.iter().map(|value| {
        let [r, g, b] = Colormap::Inferno.rgb(f64::from(shade(value).clamp(0.0, 1.0)));
        Color32::from_rgb(r, g, b)
    });
    ColorImage::new([side, side], pixels.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grating_has_two_bright_orders_at_its_frequency() {
        let side = 64;
        let object = Array2::from_shape_fn((side, side), |(_, x)| Complex32::new((TAU * x as f32 / 8.0).cos(), 0.0));
        let image = spectrum(object.view(), Array2::from_elem((side, side), true).view());
        let bright = |x: usize, y: usize| {
            let color = image.pixels[y * side + x];
            u32::from(color.r()) + u32::from(color.g()) + u32::from(color.b())
        };
        let row = side / 2;
        assert!(bright(row + 8, row) > bright(row + 16, row) + 200 && bright(row - 8, row) > 500);
    }
}
