//! Virtual detector: a disk or ring on the mean pattern, whose signal colors the map of the scan.
//!
//! Hazard: the signal of many patterns takes longer than a frame. Remedy: large datasets are summed in the background, and
//! only the pixels of the detector are read.

use crate::library::Patterns;
use crate::ui::theme;
use crate::ui::widgets::background::{Background, key_of};
use crate::ui::widgets::image_view::ImageResponse;
use eframe::egui::{self, Color32, DragValue, PointerButton, RichText, Stroke, Ui, Vec2, vec2};
use rayon::prelude::*;
use std::sync::Arc;

/// Number of pixels of the detector in all patterns that are summed on the thread of the window.
const AT_ONCE: usize = 400_000;
/// Distance from a circle or the center within which it is grabbed, in screen points.
const REACH: f32 = 10.0;

/// Signal of the detector.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(super) enum Signal {
    /// Summed intensity: bright field in the beam, dark field beside it.
    #[default]
    Sum,
    /// Center of mass along x: differential phase contrast.
    CenterX,
    /// Center of mass along y.
    CenterY,
}

impl Signal {
    const ALL: [(Self, &'static str, &'static str); 3] = [
        (Self::Sum, "Intensity", "Summed counts: bright field inside the beam, dark field beside it"),
        (Self::CenterX, "DPC x", "Center of mass along x, in pixels: differential phase contrast"),
        (Self::CenterY, "DPC y", "Center of mass along y, in pixels: differential phase contrast"),
    ];
}

/// Part of the detector moved by dragging.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Center,
    Inner,
    Outer,
}

/// Disk or ring, in pixels of the pattern.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Ring {
    /// Center (x, y), pixels from the top left corner.
    pub center: Vec2,
    /// Inner radius; 0 for a disk.
    pub inner: f32,
    /// Outer radius.
    pub outer: f32,
}

impl Ring {
    /// Index and distance from the center (x, y) of each pixel of an N × N pattern whose middle lies in the ring.
    fn pixels(&self, side: usize) -> Vec<(usize, Vec2)> {
        let clamp = |value: f32| value.clamp(0.0, side as f32) as usize;
        let rows = clamp((self.center.y - self.outer).floor())..clamp((self.center.y + self.outer).ceil());
        let mut pixels = Vec::new();
        for y in rows {
            for x in clamp((self.center.x - self.outer).floor())..clamp((self.center.x + self.outer).ceil()) {
                let from = vec2(x as f32 + 0.5, y as f32 + 0.5) - self.center;
                if (self.inner..=self.outer).contains(&from.length()) {
                    pixels.push((y * side + x, from));
                }
            }
        }
        pixels
    }
}

/// State of the detector.
#[derive(Default)]
pub(super) struct Detector {
    on: bool,
    signal: Signal,
    ring: Option<(usize, Ring)>,
    dragged: Option<Part>,
    values: Background<Vec<f32>>,
}

impl Detector {
    /// True while the detector handles the pointer.
    pub(super) fn is_on(&self) -> bool {
        self.on
    }

    /// Turns it off.
    pub(super) fn close(&mut self) {
        self.on = false;
    }

    /// Draws the button that turns it on and off; true if it was turned on.
    pub(super) fn toggle(&mut self, ui: &mut Ui) -> bool {
        let help = "Drag a disk or ring on the mean pattern: bright field, dark field or differential phase contrast of the scan";
        let changed = ui.toggle_value(&mut self.on, "Virtual detector").on_hover_text(help).changed();
        changed && self.on
    }

    /// Draws signal, radii and presets while it is on.
    pub(super) fn tools(&mut self, ui: &mut Ui, patterns: &Arc<Patterns>) {
        if !self.on {
            return;
        }
        let side = patterns.dataset.patch_size() as f32;
        let beam = self.follow(patterns);
        let Some((_, ring)) = &mut self.ring else { return };
        ui.horizontal_wrapped(|ui| {
            for (signal, name, help) in Signal::ALL {
                ui.selectable_value(&mut self.signal, signal, name).on_hover_text(help);
            }
            ui.separator();
            let middle = Vec2::splat(side / 2.0);
            for (name, help, preset) in [
                ("Bright field", "Disk over the beam", Ring { center: middle, inner: 0.0, outer: beam }),
                (
                    "Dark field",
                    "Ring from the beam to the edge",
                    Ring { center: middle, inner: beam, outer: side / 2.0 },
                ),
                ("All", "All pixels", Ring { center: middle, inner: 0.0, outer: side * 0.75 }),
            ] {
                if ui.small_button(name).on_hover_text(help).clicked() {
                    *ring = preset;
                }
            }
        });
        ui.horizontal_wrapped(|ui| {
            let fields = [
                ("x", &mut ring.center.x, 0.0..=side),
                ("y", &mut ring.center.y, 0.0..=side),
                ("inner", &mut ring.inner, 0.0..=side),
                ("outer", &mut ring.outer, 0.5..=side),
            ];
            for (name, value, range) in fields {
                let label = ui.label(RichText::new(name).weak());
                ui.add(DragValue::new(value).range(range).speed(0.2).max_decimals(1).suffix(" px"))
                    .labelled_by(label.id);
            }
            ring.inner = ring.inner.min(ring.outer - 0.5).max(0.0);
        });
    }

    /// Draws the ring over the mean pattern and moves what is dragged.
    pub(super) fn draw(&mut self, ui: &Ui, shown: &ImageResponse) {
        let Some((_, ring)) = self.ring.as_mut().filter(|_| self.on) else { return };
        let palette = theme::palette(ui);
        let response = &shown.response;
        let center = shown.to_screen(ring.center.x, ring.center.y);
        let near = |at: egui::Pos2| {
            let distance = (at - center).length();
            let to = |radius: f32| (distance - radius * shown.scale).abs();
            if to(ring.outer) <= REACH {
                Part::Outer
            } else if ring.inner > 0.0 && to(ring.inner) <= REACH {
                Part::Inner
            } else {
                Part::Center
            }
        };
        if response.drag_started_by(PointerButton::Primary) {
            self.dragged = ui.input(|input| input.pointer.press_origin()).map(near);
        }
        let moved = response.interact_pointer_pos().filter(|_| response.dragged_by(PointerButton::Primary));
        match (self.dragged, moved) {
            (Some(Part::Center), Some(_)) => ring.center += response.drag_delta() / shown.scale,
            (Some(Part::Outer), Some(at)) => ring.outer = ((at - center).length() / shown.scale).max(ring.inner + 0.5),
            (Some(Part::Inner), Some(at)) => {
                ring.inner = ((at - center).length() / shown.scale).clamp(0.0, ring.outer - 0.5);
            }
            _ => self.dragged = None,
        }
        let painter = ui.painter_at(response.rect);
        let center = shown.to_screen(ring.center.x, ring.center.y);
        for radius in [ring.outer, ring.inner].into_iter().filter(|radius| *radius > 0.0) {
            painter.circle_stroke(center, radius * shown.scale, Stroke::new(3.5, palette.over_dark));
            painter.circle_stroke(center, radius * shown.scale, Stroke::new(1.5, palette.over_light));
        }
        let fill = Color32::from_rgba_unmultiplied(palette.over_accent.r(), palette.over_accent.g(), 0, 30);
        let width = (ring.outer - ring.inner) * shown.scale;
        let middle = (ring.outer + ring.inner) / 2.0 * shown.scale;
        painter.circle_stroke(center, middle, Stroke::new(width, fill));
    }

    /// Signal of each pattern, with its name; `None` while the detector is off or before the first signal is computed. The key
    /// changes with the signal.
    pub(super) fn signal(&mut self, ui: &Ui, patterns: &Arc<Patterns>) -> Option<(u64, Arc<Vec<f32>>, &'static str)> {
        if !self.on {
            return None;
        }
        self.follow(patterns);
        let (of, ring) = self.ring?;
        let signal = self.signal;
        let bits = [ring.center.x, ring.center.y, ring.inner, ring.outer].map(f32::to_bits);
        let key = key_of((of, signal, bits));
        let pixels = ring.pixels(patterns.dataset.patch_size());
        let (key, values) = if pixels.len() * patterns.dataset.len() <= AT_ONCE {
            (key, self.values.get_now(key, || signals(patterns, &pixels, signal)))
        } else {
            self.values.get(ui.ctx(), key, || {
                let patterns = Arc::clone(patterns);
                move || signals(&patterns, &pixels, signal)
            })?
        };
        let name = match signal {
            Signal::Sum => "counts on the detector",
            Signal::CenterX => "px, center of mass along x",
            Signal::CenterY => "px, center of mass along y",
        };
        Some((key, values, name))
    }

    /// Starts with a disk over the beam for new patterns; returns the radius of the beam.
    fn follow(&mut self, patterns: &Arc<Patterns>) -> f32 {
        let of = Arc::as_ptr(patterns) as usize;
        let side = patterns.dataset.patch_size();
        let beam = beam_radius(patterns);
        if self.ring.as_ref().is_none_or(|(known, _)| *known != of) {
            self.ring = Some((of, Ring { center: Vec2::splat(side as f32 / 2.0), inner: 0.0, outer: beam }));
        }
        beam
    }
}

/// Radius around the center that contains half of the mean intensity, at least two pixels.
fn beam_radius(patterns: &Patterns) -> f32 {
    let side = patterns.dataset.patch_size();
    let middle = side as f32 / 2.0;
    let mut rings = vec![0.0_f64; side + 1];
    for ((y, x), value) in patterns.mean.indexed_iter() {
        let radius = (x as f32 + 0.5 - middle).hypot(y as f32 + 0.5 - middle) as usize;
        if let Some(ring) = rings.get_mut(radius) {
            *ring += f64::from(*value);
        }
    }
    let half = rings.iter().sum::<f64>() / 2.0;
    let mut sum = 0.0;
    let inside = rings.iter().take_while(|ring| {
        sum += **ring;
        sum < half
    });
    (inside.count() as f32 + 1.0).clamp(2.0, middle)
}

/// Signal of each pattern, in order; 0 without intensity.
fn signals(patterns: &Patterns, pixels: &[(usize, Vec2)], signal: Signal) -> Vec<f32> {
    let side = patterns.dataset.patch_size();
    let count = patterns.dataset.len();
    (0..count)
        .into_par_iter()
        .map(|index| {
            let (mut sum, mut first) = (0.0_f64, [0.0_f64; 2]);
            for (at, from) in pixels {
                let amplitude = patterns.dataset.diffraction.get((index, at / side, at % side)).copied();
                let intensity = f64::from(amplitude.unwrap_or_default()).powi(2);
                sum += intensity;
                first[0] += intensity * f64::from(from.x);
                first[1] += intensity * f64::from(from.y);
            }
            let mean = |first: f64| if sum > 0.0 { (first / sum) as f32 } else { 0.0 };
            match signal {
                Signal::Sum => sum as f32,
                Signal::CenterX => mean(first[0]),
                Signal::CenterY => mean(first[1]),
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Dataset;
    use ndarray::Array3;
    use num_complex::Complex32;

    /// Three patterns of 8 × 8 with one bright pixel each.
    fn patterns() -> Patterns {
        let bright = [(4, 4), (4, 6), (1, 4)];
        let diffraction = Array3::from_shape_fn((3, 8, 8), |(n, y, x)| if (y, x) == bright[n] { 3.0 } else { 0.0 });
        let probe = Array3::from_elem((1, 8, 8), Complex32::new(1.0, 0.0));
        let dataset = Dataset::from_arrays(diffraction, vec![[0.0, 0.0], [1.0, 0.0], [2.0, 0.0]], probe);
        crate::ui::panels::data::patterns_of(dataset)
    }

    #[test]
    fn a_disk_sees_the_beam_a_ring_what_is_beside_it() {
        let patterns = patterns();
        let middle = Vec2::splat(4.0);
        let seen = |inner: f32, outer: f32, signal| {
            signals(&patterns, &Ring { center: middle, inner, outer }.pixels(8), signal)
        };
        assert_eq!(seen(0.0, 1.0, Signal::Sum), [9.0, 0.0, 0.0]);
        assert_eq!(seen(1.0, 9.0, Signal::Sum), [0.0, 9.0, 9.0]);
        assert_eq!(seen(0.0, 9.0, Signal::CenterX), [0.5, 2.5, 0.5]);
        assert_eq!(seen(0.0, 9.0, Signal::CenterY), [0.5, 0.5, -2.5]);
        assert_eq!(seen(3.9, 4.0, Signal::CenterX), [0.0; 3], "no intensity, no center");
        assert_eq!(Ring { center: vec2(-20.0, 900.0), inner: 0.0, outer: 4.0 }.pixels(8), []);
    }
}
