//! The probe at a chosen distance along the beam, with its caustic, and the files it comes from and goes to.

use super::super::Outbox;
use super::field::{self, Aspect, FieldImage};
use crate::data::{NpyArray, mode_shares, npy_bytes, wavelength_of_ev};
use crate::imaging::{Colormap, length_text};
use crate::library::Patterns;
use crate::metrics::{Caustic, caustic, propagated};
use crate::session::{Action, Level, State};
use crate::system::file_stem;
use crate::ui::theme;
use crate::ui::widgets::background::{Background, key_of};
use crate::ui::widgets::image_view::{Drag, ImageView, Viewport};
use crate::ui::widgets::numbers::{short, signed};
use crate::ui::widgets::spinner;
use eframe::egui::{self, Button, Color32, ColorImage, DragValue, PointerButton, RichText, Stroke, Ui, vec2};
use ndarray::{Array2, Array3, Axis};
use num_complex::Complex32;
use std::sync::Arc;

/// Planes of a caustic.
const PLANES: usize = 161;
/// Setting that names the file of the probe.
const PROBE_FILE: &str = "data.mapping.probe_file";

/// A caustic and its two images, with the key of its inputs.
type Around = Option<(u64, Arc<(Caustic, [ColorImage; 2])>)>;

/// State of the tool.
#[derive(Default)]
pub(super) struct ProbeTool {
    of: usize,
    /// Distance from the plane of the probe, in units of p²/λ.
    distance: f64,
    /// Distance up to which the caustic reaches.
    reach: f64,
    /// Photon energy, keV; 0 if it is not known.
    energy_kev: f64,
    mode: usize,
    /// Shares of the modes in the power, and the dataset they belong to.
    shares: Option<(usize, Vec<f64>)>,
    aspect: Aspect,
    moved: Background<Array3<Complex32>>,
    caustic: Background<(Caustic, [ColorImage; 2])>,
    image: FieldImage,
    slices: [ImageView; 2],
    viewport: [Viewport; 2],
}

impl ProbeTool {
    /// Draws the tool into the remaining space.
    pub(super) fn show(
        &mut self,
        ui: &mut Ui,
        state: &State,
        patterns: &Arc<Patterns>,
        outbox: &mut Outbox,
        actions: &mut Vec<Action>,
    ) {
        let of = Arc::as_ptr(patterns) as usize;
        let side = patterns.dataset.probe.len_of(Axis(2)) as f64;
        if self.of != of {
            (self.of, self.distance, self.reach, self.mode) = (of, 0.0, side, 0);
            if let Some(energy) = state.draft.config().data.geometry.energy_ev {
                self.energy_kev = energy / 1e3;
            }
        }
        let unit = self.unit(patterns.dataset.pixel_size_m);
        let moved = self.moved(ui, patterns);
        let around = self.around(ui, patterns);
        self.controls(ui, unit, side, around.as_ref().map(|(_, around)| &around.0));
        self.files(ui, moved.as_ref().map(|(_, probe)| probe.as_ref()), patterns, outbox, actions);
        ui.add_space(4.0);
        let space = ui.available_size();
        let layout = egui::Layout::top_down(egui::Align::Min);
        let left = vec2(0.48 * space.x, space.y);
        let right = vec2(space.x - left.x - 2.0 * ui.spacing().item_spacing.x, space.y);
        ui.horizontal_top(|ui| {
            ui.allocate_ui_with_layout(left, layout, |ui| {
                ui.set_min_size(left);
                self.wave(ui, moved, around.as_ref().map(|(_, around)| &around.0));
            });
            ui.allocate_ui_with_layout(right, layout, |ui| {
                ui.set_min_size(right);
                self.sections(ui, around, unit);
            });
        });
    }

    /// Meters of a distance of 1, if pixel size and energy are known.
    fn unit(&self, pixel_m: Option<f64>) -> Option<f64> {
        let pixel = pixel_m?;
        (self.energy_kev > 0.0).then(|| pixel * pixel / wavelength_of_ev(1e3 * self.energy_kev))
    }

    fn moved(&mut self, ui: &Ui, patterns: &Arc<Patterns>) -> Option<(u64, Arc<Array3<Complex32>>)> {
        let (distance, of) = (self.distance, self.of);
        self.moved.get(ui.ctx(), key_of((of, distance.to_bits())), || {
            let patterns = Arc::clone(patterns);
            move || propagated(patterns.dataset.probe.view(), distance)
        })
    }

    fn around(&mut self, ui: &Ui, patterns: &Arc<Patterns>) -> Around {
        let (reach, of) = (self.reach, self.of);
        self.caustic.get(ui.ctx(), key_of((of, reach.to_bits())), || {
            let patterns = Arc::clone(patterns);
            move || {
                let around = caustic(patterns.dataset.probe.view(), reach, PLANES);
                let pictures = [colored(&around.along_x), colored(&around.along_y)];
                (around, pictures)
            }
        })
    }

    fn controls(&mut self, ui: &mut Ui, unit: Option<f64>, side: f64, around: Option<&Caustic>) {
        let palette = theme::palette(ui);
        ui.horizontal_wrapped(|ui| {
            ui.spacing_mut().slider_width = (ui.available_width() - 560.0).clamp(120.0, 420.0);
            let label = ui.label("Distance");
            let scale = unit.map_or(1.0, |unit| unit * 1e6);
            let mut shown = self.distance * scale;
            let suffix = if unit.is_some() { " µm" } else { " p²/λ" };
            let range = -self.reach * scale..=self.reach * scale;
            let text = |value: f64, _: std::ops::RangeInclusive<usize>| signed(short(value));
            let slider = egui::Slider::new(&mut shown, range).suffix(suffix).custom_formatter(text);
            let help = "Distance from the sample along the beam at which the probe is shown; p is the object pixel, λ the wavelength";
            if ui.add(slider).labelled_by(label.id).on_hover_text(help).changed() {
                self.distance = shown / scale;
            }
            let focus = around.and_then(|around| around.distances.get(around.focus()).copied());
            let help = "Go to the plane in which the beam is narrowest";
            if ui.add_enabled(focus.is_some(), Button::new("Focus")).on_hover_text(help).clicked() {
                self.distance = focus.unwrap_or_default();
            }
            if ui.button("Sample").on_hover_text("Go to the plane of the sample").clicked() {
                self.distance = 0.0;
            }
            ui.separator();
            let label = ui.label("Reach");
            let drag = DragValue::new(&mut self.reach).range(1.0..=8.0 * side).speed(0.01 * side).max_decimals(0);
            ui.add(drag.suffix(" p²/λ")).labelled_by(label.id).on_hover_text("Distance shown before and behind the sample");
            let label = ui.label("Energy");
            let drag = DragValue::new(&mut self.energy_kev).range(0.0..=1000.0).speed(0.01).max_decimals(4).suffix(" keV");
            let help = "Photon energy, which gives distances in µm if the object pixel is known; 0 for unknown";
            ui.add(drag).labelled_by(label.id).on_hover_text(help);
            if let Some(unit) = unit {
                ui.label(RichText::new(format!("p²/λ = {}", length_text(unit))).color(palette.weak));
            }
        });
    }

    /// Buttons for the files of the probe.
    fn files(
        &self,
        ui: &mut Ui,
        moved: Option<&Array3<Complex32>>,
        patterns: &Patterns,
        outbox: &mut Outbox,
        actions: &mut Vec<Action>,
    ) {
        ui.horizontal_wrapped(|ui| {
            let help = "Use the probe of another file: a product, a dataset, a PtyPy result or .npy";
            if ui.button("Probe from a file…").on_hover_text(help).clicked() {
                outbox.choose_file_of = Some(PROBE_FILE);
            }
            let name = || format!("{}_probe.npy", file_stem(&patterns.dataset.path));
            let bytes = || moved.map(|probe| npy_bytes(&NpyArray::C32(probe.view().into_dyn())));
            let mut give = |uses: bool| match bytes() {
                Some(Ok(bytes)) if uses => outbox.save_and_set = Some((PROBE_FILE, name(), bytes)),
                Some(Ok(bytes)) => outbox.save_beside = Some((name(), bytes)),
                Some(Err(error)) => actions.push(Action::Notify { level: Level::Error, text: error.to_string() }),
                None => {}
            };
            let help = "Save the probe as shown, all modes, and read the dataset with it";
            let changed = self.distance != 0.0;
            let button = ui.add_enabled(changed, Button::new("Save and use this probe…"));
            if button.on_hover_text(help).on_disabled_hover_text("It is the probe in use").clicked() {
                give(true);
            }
            if ui.button("Save probe…").on_hover_text("Save the probe as shown, all modes, as .npy").clicked() {
                give(false);
            }
            let origin =
                if patterns.dataset.probe_is_estimated { "Estimated from the patterns" } else { "From the file" };
            ui.label(RichText::new(origin).color(theme::palette(ui).weak));
        });
    }

    /// The wave in the chosen plane.
    fn wave(&mut self, ui: &mut Ui, moved: Option<(u64, Arc<Array3<Complex32>>)>, around: Option<&Caustic>) {
        let Some((key, probe)) = moved else {
            spinner(ui);
            return;
        };
        if self.shares.as_ref().is_none_or(|(of, _)| *of != self.of) {
            // Propagation keeps the power of each mode.
            self.shares = Some((self.of, mode_shares(probe.view())));
        }
        let shares = self.shares.as_ref().map(|(_, shares)| shares.as_slice()).unwrap_or_default();
        self.mode = self.mode.min(shares.len().saturating_sub(1));
        ui.horizontal_wrapped(|ui| {
            field::aspects(ui, &mut self.aspect, true);
            if shares.len() > 1 {
                ui.separator();
                field::modes(ui, &mut self.mode, shares);
            }
        });
        let shown = probe.index_axis(Axis(0), self.mode);
        let at = |y: usize, x: usize| shown.get((y, x)).copied().unwrap_or_default();
        let radius = around.and_then(|around| {
            let nearest = around.distances.iter().map(|distance| (distance - self.distance).abs()).enumerate();
            let (at, _) = nearest.min_by(|a, b| a.1.total_cmp(&b.1))?;
            around.radii.get(at).copied()
        });
        let radius = radius.map_or_else(String::new, |radius| format!(", rms radius {} px", short(radius)));
        let caption = format!("{} × {} px{radius}", shown.ncols(), shown.nrows());
        let key = key_of((key, self.mode, self.aspect));
        let (image, aspect) = (&mut self.image, self.aspect);
        field::draw(ui, image, "Probe in this plane", key, shown.dim(), aspect, || shown.to_owned(), at, &caption);
    }

    /// The beam from the side: distance to the right, position down; a click or drag chooses the plane.
    fn sections(&mut self, ui: &mut Ui, around: Around, unit: Option<f64>) {
        let palette = theme::palette(ui);
        let Some((key, around)) = around else {
            spinner(ui);
            return;
        };
        let space = ui.available_size();
        let each = vec2(space.x, ((space.y - 3.0 * 22.0) / 2.0).max(60.0));
        let (_, pictures) = around.as_ref();
        for (number, (axis, picture)) in ["x", "y"].into_iter().zip(pictures).enumerate() {
            ui.label(RichText::new(format!("Caustic along {axis}")).strong());
            let label = format!("Caustic along {axis}: distance to the right, {axis} down");
            let (view, viewport) = (&mut self.slices[number], &mut self.viewport[number]);
            let shown = ui
                .allocate_ui(each, |ui| {
                    viewport.next_frame();
                    let make = || picture.clone();
                    let shown =
                        view.show_linked(ui, &label, key_of((key, axis)), picture.size, viewport, Drag::Tool, make);
                    viewport.end_frame(ui.ctx());
                    shown
                })
                .inner;
            let share = |distance: f64| ((distance / self.reach + 1.0) / 2.0) as f32 * picture.size[0] as f32;
            let (top, bottom) = (
                shown.to_screen(share(self.distance), 0.0),
                shown.to_screen(share(self.distance), picture.size[1] as f32),
            );
            let painter = ui.painter_at(shown.response.rect);
            painter.line_segment([top, bottom], Stroke::new(3.0, palette.over_dark));
            painter.line_segment([top, bottom], Stroke::new(1.5, palette.over_accent));
            let pressed = shown.response.clicked() || shown.response.dragged_by(PointerButton::Primary);
            if let Some(at) = shown.response.interact_pointer_pos().filter(|_| pressed) {
                let share = f64::from(shown.to_image(at).x) / picture.size[0] as f64;
                self.distance = (self.reach * (2.0 * share - 1.0)).clamp(-self.reach, self.reach);
            }
        }
        let ends = match unit {
            Some(unit) => format!("± {}", length_text(self.reach * unit)),
            None => format!("± {} p²/λ", short(self.reach)),
        };
        let text = format!("Beam from left to right, {ends} around the sample; click to choose a plane");
        ui.add(egui::Label::new(RichText::new(text).color(palette.weak)).truncate());
    }
}

/// Intensity (planes, N) as an image with the planes from left to right, wide enough to be read; square root scale.
fn colored(intensity: &Array2<f32>) -> ColorImage {
    let (planes, side) = intensity.dim();
    let largest = intensity.iter().copied().fold(f32::MIN_POSITIVE, f32::max);
    let pixels = (0..side).flat_map(|row| {
        (0..planes).map(move |plane| {
            let value = intensity.get((plane, row)).copied().unwrap_or_default();
            let [r, g, b] = Colormap::Viridis.rgb(f64::from(value / largest).sqrt());
            Color32::from_rgb(r, g, b)
        })
    });
    ColorImage::new([planes, side], pixels.collect())
}
