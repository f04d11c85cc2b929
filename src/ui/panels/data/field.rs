//! Images of complex fields: probe and object.

use crate::data::mode_shares;
use crate::imaging::{Colormap, ComplexColors, robust_limits};
use crate::library::{Patterns, PreviewStage};
use crate::session::{Action, OpenDataset};
use crate::ui::theme;
use crate::ui::widgets::background::Background;
use crate::ui::widgets::image_view::{ImageResponse, ImageView};
use crate::ui::widgets::numbers::{short, signed};
use crate::ui::widgets::spinner;
use eframe::egui::{self, Color32, ColorImage, RichText, vec2};
use ndarray::{Array2, Axis};
use num_complex::Complex32;
use std::f32::consts::PI;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

/// Fraction of the maximum amplitude below which the phase is noise.
const FAINT: f32 = 1e-3;
/// Phase range, radians, below which the phase is shown around its mean.
const NARROW: f64 = 4.0;

/// Width in points below which the object's buttons are packed more tightly, as in a 1280-point window.
const NARROW_ROW: f32 = 310.0;

/// Maximum number of pixels colored synchronously.
const LARGE: usize = 60_000;

/// Displayed aspect of a complex number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(in crate::ui::panels) enum Aspect {
    /// Modulus.
    #[default]
    Amplitude,
    /// Argument.
    Phase,
    /// Argument as hue, modulus as brightness.
    Both,
}

/// Displayed mode of the probe.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
enum Mode {
    /// Square root of the summed intensity of all modes.
    #[default]
    All,
    /// A single mode.
    One(usize),
}

/// State of the probe image.
#[derive(Default)]
pub(super) struct ProbeView {
    image: FieldImage,
    aspect: Aspect,
    mode: Mode,
    shares: Option<(usize, Vec<f64>)>,
}

impl ProbeView {
    /// Draws the probe in the remaining space.
    pub(super) fn show(&mut self, ui: &mut egui::Ui, patterns: &Arc<Patterns>) {
        let of = Arc::as_ptr(patterns) as usize;
        let probe = &patterns.dataset.probe;
        let modes = probe.len_of(Axis(0));
        if self.shares.as_ref().map(|(of, _)| *of) != Some(of) {
            self.shares = Some((of, mode_shares(probe.view())));
        }
        if modes < 2 || matches!(self.mode, Mode::One(at) if at >= modes) {
            self.mode = if modes < 2 { Mode::One(0) } else { Mode::All };
        }
        let shares = self.shares.as_ref().map(|(_, shares)| shares.as_slice()).unwrap_or_default();
        let name = |mode: Mode| match mode {
            Mode::All => format!("All {modes} modes"),
            Mode::One(at) => {
                let share = 100.0 * shares.get(at).copied().unwrap_or_default();
                format!("Mode {} of {modes}, {share:.0} % of the power", at + 1)
            }
        };
        ui.horizontal_wrapped(|ui| {
            let has_phase = self.mode != Mode::All;
            aspects(ui, &mut self.aspect, has_phase);
            if modes > 1 {
                let combo =
                    egui::ComboBox::from_id_salt("probe mode").selected_text(name(self.mode)).show_ui(ui, |ui| {
                        ui.selectable_value(&mut self.mode, Mode::All, name(Mode::All));
                        for at in 0..modes {
                            ui.selectable_value(&mut self.mode, Mode::One(at), name(Mode::One(at)));
                        }
                    });
                combo.response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::ComboBox, true, "Probe mode"));
            }
        });
        let (height, width) = (probe.len_of(Axis(1)), probe.len_of(Axis(2)));
        let (mode, aspect) = (self.mode, if self.mode == Mode::All { Aspect::Amplitude } else { self.aspect });
        let field = || match mode {
            Mode::One(at) => probe.index_axis(Axis(0), at).to_owned(),
            Mode::All => {
                let mut sum = Array2::<f32>::zeros((height, width));
                for mode in probe.outer_iter() {
                    ndarray::Zip::from(&mut sum).and(mode).for_each(|sum, value| *sum += value.norm_sqr());
                }
                sum.mapv(|energy| Complex32::new(energy.sqrt(), 0.0))
            }
        };
        let key = key_of(of, (mode, aspect));
        let at = |y: usize, x: usize| match mode {
            Mode::One(mode) => probe.get((mode, y, x)).copied().unwrap_or_default(),
            Mode::All => {
                let energy = (0..modes).filter_map(|mode| probe.get((mode, y, x))).map(|v| v.norm_sqr()).sum::<f32>();
                Complex32::new(energy.sqrt(), 0.0)
            }
        };
        let caption = match (modes, mode) {
            (1, _) => "Probe guess, 1 mode".to_owned(),
            (_, mode) => name(mode),
        };
        draw(ui, &mut self.image, "Probe", key, (height, width), aspect, field, at, &caption);
    }
}

/// State of the object image.
#[derive(Default)]
pub(super) struct ObjectView {
    image: FieldImage,
    aspect: Option<Aspect>,
    show_reference: bool,
}

impl ObjectView {
    /// Draws the quick preview, or the reference object of the file, in the remaining space, below a title.
    ///
    /// * `on_open`: true if a quick preview is computed when a dataset is opened.
    pub(super) fn show(
        &mut self,
        ui: &mut egui::Ui,
        patterns: &Arc<Patterns>,
        dataset: &OpenDataset,
        on_open: bool,
        actions: &mut Vec<Action>,
    ) {
        let preview = dataset.preview.as_ref();
        let known = patterns.dataset.object.as_ref();
        let weak = theme::palette(ui).weak;
        // Show the preview once it is available, unless the user selects the reference.
        let show_reference = known.is_some() && (self.show_reference || preview.is_none());
        ui.scope(|ui| {
            // As high as the adjacent titles.
            ui.spacing_mut().interact_size.y = 16.0;
            ui.horizontal(|ui| {
                ui.label(RichText::new("Object").strong());
                preview_controls(ui, dataset, on_open, actions);
            });
        });
        if known.is_none() && preview.is_none() {
            let text = "The file contains no reference object. This is normal; none is required.";
            ui.label(RichText::new(text).color(weak));
            return;
        }
        let aspect = self.choices(ui, known.is_some() && preview.is_some(), show_reference);
        match (known, preview) {
            (Some(object), _) if show_reference => {
                let key = key_of(Arc::as_ptr(patterns) as usize, aspect);
                let (height, width) = object.dim();
                let at = |y: usize, x: usize| object.get((y, x)).copied().unwrap_or_default();
                let caption = format!("Reference object, {width} × {height} px");
                draw(
                    ui,
                    &mut self.image,
                    "Reference object",
                    key,
                    (height, width),
                    aspect,
                    || object.clone(),
                    at,
                    &caption,
                );
            }
            (_, Some((picture, misfit))) => {
                let key = key_of(Arc::as_ptr(picture) as usize, aspect);
                let (height, width) = (picture.height, picture.width);
                let at = |y: usize, x: usize| {
                    let index = y * width + x;
                    let part = |values: &[f32]| values.get(index).copied().unwrap_or_default();
                    match part(&picture.coverage) > 0.0 {
                        true => Complex32::from_polar(part(&picture.amplitude), part(&picture.phase)),
                        false => Complex32::default(),
                    }
                };
                let field = || Array2::from_shape_fn((height, width), |(y, x)| at(y, x));
                let caption = format!("Before training; misfit after a few epochs {}", short(*misfit));
                draw(ui, &mut self.image, "Quick preview", key, (height, width), aspect, field, at, &caption);
            }
            _ => {}
        }
    }

    /// Choice of aspect and, if there are `both` objects, between preview and reference.
    fn choices(&mut self, ui: &mut egui::Ui, both: bool, show_reference: bool) -> Aspect {
        let aspect = self.aspect.get_or_insert(Aspect::Phase);
        let narrow = ui.available_width() < NARROW_ROW;
        ui.horizontal_wrapped(|ui| {
            if both {
                let source = |reference: bool| if reference { "Reference" } else { "Preview" };
                let combo = egui::ComboBox::from_id_salt("object shown")
                    .width(72.0)
                    .selected_text(source(show_reference))
                    .show_ui(ui, |ui| {
                        ui.selectable_value(&mut self.show_reference, false, source(false))
                            .on_hover_text("A quick reconstruction without a network, computed in a few seconds");
                        ui.selectable_value(&mut self.show_reference, true, source(true))
                            .on_hover_text("The reference object in the file, for comparison only");
                    });
                combo.response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::ComboBox, true, "Object shown"));
                if narrow {
                    // Keep one row next to the combo box.
                    ui.spacing_mut().item_spacing.x = 2.0;
                    ui.spacing_mut().button_padding.x = 4.0;
                }
            }
            aspects(ui, aspect, true);
        });
        *aspect
    }
}

/// Buttons that choose a mode, each with its share of the power.
pub(in crate::ui::panels) fn modes(ui: &mut egui::Ui, mode: &mut usize, shares: &[f64]) {
    for (number, share) in shares.iter().enumerate() {
        let text = format!("{}: {:.0} %", number + 1, 100.0 * share);
        ui.selectable_value(mode, number, text).on_hover_text("Mode and its share of the power");
    }
}

/// Controls of the quick preview in the title line: progress, cancel, start.
fn preview_controls(ui: &mut egui::Ui, dataset: &OpenDataset, on_open: bool, actions: &mut Vec<Action>) {
    let about = "Compute a quick reconstruction without a network, to detect a wrong orientation, positions or probe \
                 before training";
    if let Some(look) = dataset.preview_stage {
        ui.scope(|ui| {
            ui.spacing_mut().interact_size.y = 12.0;
            spinner(ui);
        });
        let (text, meaning) = match look {
            PreviewStage::Object => ("Computing", "Computing a quick preview of the object"),
            PreviewStage::Orientations => ("Orientations", "Comparing the eight scan orientations"),
        };
        ui.label(RichText::new(text).color(theme::palette(ui).weak)).on_hover_text(meaning);
        if ui.small_button("Cancel").clicked() {
            actions.push(Action::CancelPreview);
        }
        return;
    }
    let text = if dataset.preview.is_some() { "Recompute" } else { "Preview" };
    if ui.small_button(text).on_hover_text(about).clicked() {
        actions.push(Action::ComputePreview);
    }
    // Without room, the option is available in the Edit menu only.
    if ui.available_width() < 108.0 {
        return;
    }
    let mut on = on_open;
    if ui.checkbox(&mut on, "Auto-preview").on_hover_text("Compute a quick preview whenever a file is opened").changed()
    {
        actions.push(Action::SetAutoPreview(on));
    }
}

pub(in crate::ui::panels) fn aspects(ui: &mut egui::Ui, aspect: &mut Aspect, has_phase: bool) {
    let all = [
        (Aspect::Amplitude, "Amplitude", "Modulus as brightness"),
        (Aspect::Phase, "Phase", "Argument: around the mean if the range is small, else cyclic from −π to π"),
        (Aspect::Both, "Both", "Phase as hue, amplitude as brightness"),
    ];
    for (value, text, about) in all {
        let enabled = has_phase || value == Aspect::Amplitude;
        let chosen = if has_phase { *aspect == value } else { value == Aspect::Amplitude };
        let button = ui.add_enabled(enabled, egui::Button::selectable(chosen, text));
        let button = button.on_hover_text(about).on_disabled_hover_text("Modes add incoherently; select a single mode");
        if button.clicked() {
            *aspect = value;
        }
    }
}

/// A complex image in colors; large images are colored in the background.
#[derive(Default)]
pub(in crate::ui::panels) struct FieldImage {
    view: ImageView,
    colored: Background<ColorImage>,
}

/// Draws a complex image with a readout or caption below; returns `None` before it is colored.
#[expect(clippy::too_many_arguments, reason = "image, its key and size, accessors, and texts")]
pub(in crate::ui::panels) fn draw(
    ui: &mut egui::Ui,
    image: &mut FieldImage,
    label: &str,
    key: u64,
    (height, width): (usize, usize),
    aspect: Aspect,
    field: impl FnOnce() -> Array2<Complex32>,
    at: impl Fn(usize, usize) -> Complex32,
    caption: &str,
) -> Option<ImageResponse> {
    let palette = theme::palette(ui);
    let canvas = palette.canvas;
    let below = ui.spacing().interact_size.y;
    let space = vec2(ui.available_width(), (ui.available_height() - below).max(80.0));
    let key = key_of(key as usize, canvas.to_array());
    let colored = if height * width <= LARGE {
        Some((key, image.colored.get_now(key, || picture(&field(), aspect, canvas))))
    } else {
        image.colored.get(ui.ctx(), key, || {
            let field = field();
            move || picture(&field, aspect, canvas)
        })
    };
    let shown = ui
        .allocate_ui(space, |ui| {
            ui.painter().rect_filled(ui.max_rect(), 4.0, canvas);
            let Some((key, colored)) = colored else {
                ui.set_min_size(space);
                ui.centered_and_justified(egui::Ui::spinner);
                return None;
            };
            Some(image.view.show(ui, label, key, colored.size, || (*colored).clone()))
        })
        .inner;
    let text = match shown.as_ref().and_then(|shown| shown.hovered) {
        Some([x, y]) => {
            let value = at(y, x);
            signed(format!("x {x}, y {y} · amplitude {} · phase {:.2} rad", short(value.norm().into()), value.arg()))
        }
        None => caption.to_owned(),
    };
    ui.add(egui::Label::new(RichText::new(text).color(palette.weak)).truncate());
    shown
}

fn key_of(of: usize, what: impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    (of, what).hash(&mut hasher);
    hasher.finish()
}

fn picture(field: &Array2<Complex32>, aspect: Aspect, nothing: Color32) -> ColorImage {
    let amplitude = field.mapv(|value| value.norm());
    let all = Array2::from_elem(amplitude.dim(), true);
    let limits = robust_limits(amplitude.view(), all.view(), 0.005, 0.998);
    let largest = amplitude.iter().copied().fold(0.0, f32::max);
    let rgb = |[r, g, b]: [u8; 3]| Color32::from_rgb(r, g, b);
    let (grays, steps, hues) = (table(Colormap::Gray), table(Colormap::Viridis), ComplexColors::default());
    let turn = |value: &Complex32| (value.arg() + PI) / (2.0 * PI);
    let pick = |colors: &[Color32], share: f32| {
        let at = (share.clamp(0.0, 1.0) * (colors.len() - 1) as f32).round() as usize;
        colors.get(at).copied().unwrap_or(nothing)
    };
    let cycle = table(Colormap::Cyclic);
    // Show a small phase range around its mean, in the colors of the result: the cyclic colormap would hide it.
    let sum: Complex32 =
        field.iter().filter(|value| value.re.is_finite() && value.im.is_finite()).map(|v| v * v.norm()).sum();
    let back = if sum.norm() > 0.0 { sum.conj() / sum.norm() } else { Complex32::new(1.0, 0.0) };
    let from_mean = |value: &Complex32| (value * back).arg();
    let lit = amplitude.mapv(|amplitude| amplitude > FAINT * largest);
    let spread = robust_limits(field.map(from_mean).view(), lit.view(), 0.005, 0.995);
    let narrow = aspect == Aspect::Phase && spread.high - spread.low < NARROW;
    let pixels = field
        .iter()
        .zip(&amplitude)
        .map(|(value, amplitude)| match aspect {
            _ if !amplitude.is_finite() => nothing,
            Aspect::Amplitude => pick(&grays, limits.fraction(f64::from(*amplitude)) as f32),
            Aspect::Phase if *amplitude <= FAINT * largest => nothing,
            Aspect::Phase if narrow => pick(&steps, spread.fraction(f64::from(from_mean(value))) as f32),
            Aspect::Phase => pick(&cycle, turn(value)),
            Aspect::Both => {
                let bright = f64::from(*amplitude) / limits.high.max(f64::MIN_POSITIVE);
                rgb(hues.rgb(bright, f64::from(value.arg())))
            }
        })
        .collect();
    ColorImage::new([field.ncols(), field.nrows()], pixels)
}

fn table(map: Colormap) -> Vec<Color32> {
    (0..256u32)
        .map(|at| {
            let [r, g, b] = map.rgb(f64::from(at) / 255.0);
            Color32::from_rgb(r, g, b)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn opposite_phases_have_different_hues_and_zero_is_black() {
        let field = Array2::from_shape_fn((4, 8), |(_, x)| {
            Complex32::from_polar(if x == 7 { 0.0 } else { 1.0 }, x as f32 - 3.0)
        });
        let both = picture(&field, Aspect::Both, Color32::RED);
        assert_eq!(both.size, [8, 4]);
        assert_ne!(both.pixels[0], both.pixels[3]);
        assert_eq!(both.pixels[7], Color32::from_rgb(0, 0, 0));
        let phase = picture(&field, Aspect::Phase, Color32::RED);
        assert_eq!(phase.pixels[7], Color32::RED, "zero amplitude has no phase");
    }
}
