//! Browser of the diffraction patterns, their mean and their maximum.

use super::detector::Detector;
use super::mask::{Editor, MaskRequest};
use super::pixels;
use crate::imaging::Colormap;
use crate::library::Patterns;
use crate::session::Action;
use crate::ui::theme;
use crate::ui::widgets::image_view::{Drag, ImageResponse, ImageView, Viewport};
use crate::ui::widgets::numbers::{count_of, grouped, quantity, short, signed};
use eframe::egui::{self, Color32, ColorImage, Mesh, Rect, RichText, Sense, Stroke, StrokeKind, pos2, vec2};
use ndarray::{Array2, Axis};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

/// Playback rate, patterns per second.
const PLAY_RATE: f64 = 8.0;
/// Dynamic range of the logarithmic scale, in decades.
const DECADES: f32 = 5.0;

/// Displayed image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
enum ImageKind {
    /// The selected pattern.
    #[default]
    Selected,
    /// Mean of all patterns.
    Mean,
    /// Maximum of each pixel over all patterns.
    Max,
}

/// Intensity scale of the color map.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
enum Scale {
    /// Logarithmic.
    #[default]
    Log,
    /// Square root: amplitude.
    Root,
    /// Linear.
    Linear,
}

impl Scale {
    /// Position of an intensity on the color map, 0 to 1.
    fn fraction(self, intensity: f32, largest: f32) -> f32 {
        let share = (intensity / largest.max(f32::MIN_POSITIVE)).clamp(0.0, 1.0);
        match self {
            Self::Linear => share,
            Self::Root => share.sqrt(),
            Self::Log => {
                let steps = 10f32.powf(DECADES);
                (share * steps).ln_1p() / steps.ln_1p()
            }
        }
    }
}

/// State of the browser.
#[derive(Default)]
pub(super) struct Browser {
    image: ImageView,
    kind: ImageKind,
    scale: Scale,
    individual_scale: bool,
    hide_marks: bool,
    /// Time of the latest step during playback.
    playing: Option<f64>,
    /// Pixels that are dead or masked in all patterns of a dataset, and those of the displayed image.
    always_dead: Option<(usize, Vec<[usize; 2]>)>,
    dead: Option<(u64, Vec<[usize; 2]>)>,
    at_limit: Option<(u64, Vec<[usize; 2]>)>,
    viewport: Viewport,
    mask: Editor,
    detector: Detector,
    /// Path of the dataset shown.
    path: std::path::PathBuf,
    /// (N, N) bad pixels of the patterns as loaded.
    known: Option<(usize, Array2<bool>)>,
    /// (N, N) displayed intensity, and the maximum of the color scale.
    shown: Option<(u64, Array2<f32>, f32)>,
}

/// Inputs besides the patterns.
pub(super) struct Context<'a> {
    /// Pattern hovered in the scan map, shown instead of the selected one.
    pub hovered: Option<usize>,
    /// Intensity at which the detector saturates.
    pub limit: Option<f32>,
    /// Mask file of the configuration; empty for none.
    pub mask_file: &'a str,
}

impl Browser {
    /// True while the mask is being edited.
    pub(super) fn is_editing_mask(&self) -> bool {
        self.mask.is_open()
    }

    /// True while the virtual detector is on.
    pub(super) fn has_detector(&self) -> bool {
        self.detector.is_on()
    }

    /// Signal of the virtual detector, see [`Detector::signal`].
    pub(super) fn signal(
        &mut self,
        ui: &egui::Ui,
        patterns: &Arc<Patterns>,
    ) -> Option<(u64, Arc<Vec<f32>>, &'static str)> {
        self.detector.signal(ui, patterns)
    }

    /// Draws the browser in the remaining space; returns a request of the mask editor.
    pub(super) fn show(
        &mut self,
        ui: &mut egui::Ui,
        patterns: &Arc<Patterns>,
        selected: usize,
        context: &Context<'_>,
        actions: &mut Vec<Action>,
    ) -> Option<MaskRequest> {
        let count = patterns.dataset.len();
        self.controls(ui);
        self.detector.tools(ui, patterns);
        let of = Arc::as_ptr(patterns) as usize;
        if self.known.as_ref().map(|(of, _)| *of) != Some(of) {
            let good = patterns.dataset.mask.as_ref();
            let bad = good.map_or_else(|| Array2::from_elem(patterns.max.dim(), false), |good| good.mapv(|good| !good));
            self.known = Some((of, bad));
            self.mask.reset();
            // The zoom of one dataset says nothing about the next.
            if std::mem::replace(&mut self.path, patterns.dataset.path.clone()) != patterns.dataset.path {
                self.viewport.fit();
            }
        }
        let known = self.known.take();
        let request =
            known.as_ref().and_then(|(_, known)| self.mask.tools(ui, known, patterns.max.view(), context.mask_file));
        let index = context.hovered.unwrap_or(selected).min(count.saturating_sub(1));
        self.update_shown(patterns, index);
        let Some((key, intensity, largest)) = self.shown.take() else { return request };

        let below = 3.0 * (ui.spacing().interact_size.y + ui.spacing().item_spacing.y) + 14.0;
        let space = vec2(ui.available_width(), (ui.available_height() - below).max(120.0));
        let label = match self.kind {
            ImageKind::Selected => "Diffraction pattern",
            ImageKind::Mean => "Mean pattern",
            ImageKind::Max => "Maximum pattern",
        };
        let (height, width) = intensity.dim();
        let scale = self.scale;
        let shown = ui
            .allocate_ui(space, |ui| {
                ui.painter().rect_filled(ui.max_rect(), 4.0, theme::palette(ui).canvas);
                let drag = if self.mask.is_open() || self.detector.is_on() { Drag::Tool } else { Drag::Pan };
                let make = || picture(&intensity, scale, largest);
                self.viewport.next_frame();
                let shown = self.image.show_linked(ui, label, key, [width, height], &mut self.viewport, drag, make);
                self.viewport.end_frame(ui.ctx());
                shown
            })
            .inner;
        let single = (self.kind == ImageKind::Selected).then_some(index);
        let marks = self.marks(ui, patterns, &intensity, (key, single), context.limit, &shown);
        self.menu(&shown.response, patterns, &intensity, actions);
        if let Some((of, known)) = &known {
            self.mask.draw(ui, &shown, known, *of as u64);
        }
        self.detector.draw(ui, &shown);
        arrow_keys(ui, &shown, selected, count, actions);
        self.bar(ui, largest);
        let text = match shown.hovered {
            Some([x, y]) => {
                let value = intensity.get((y, x)).copied().unwrap_or_default();
                let (counts, amplitude) = (quantity(value.into(), "count"), short(f64::from(value).sqrt()));
                format!("x {x}, y {y} · {counts} · amplitude {amplitude}")
            }
            None => self.caption(patterns, index, &marks),
        };
        ui.add(egui::Label::new(RichText::new(text).color(theme::palette(ui).weak)).truncate());
        self.transport(ui, selected, count, actions);
        (self.known, self.shown) = (known, Some((key, intensity, largest)));
        request
    }

    /// Computes the displayed intensity and its scale if the image or the scale changed.
    fn update_shown(&mut self, patterns: &Arc<Patterns>, index: usize) {
        let mut hasher = DefaultHasher::new();
        (Arc::as_ptr(patterns) as usize, self.kind, self.scale, self.individual_scale).hash(&mut hasher);
        if self.kind == ImageKind::Selected {
            index.hash(&mut hasher);
        }
        let key = hasher.finish();
        if self.shown.as_ref().map(|(key, ..)| *key) != Some(key) {
            let intensity = match self.kind {
                ImageKind::Selected => {
                    let pattern = patterns.dataset.diffraction.index_axis(Axis(0), index);
                    pattern.mapv(|amplitude| amplitude * amplitude)
                }
                ImageKind::Mean => patterns.mean.clone(),
                ImageKind::Max => patterns.max.clone(),
            };
            let whole = self.kind == ImageKind::Max || (self.kind == ImageKind::Selected && !self.individual_scale);
            let range = if whole { &patterns.max } else { &intensity };
            let largest = range.iter().copied().fold(0.0, f32::max);
            self.shown = Some((key, intensity, largest));
        }
    }

    fn controls(&mut self, ui: &mut egui::Ui) {
        ui.horizontal_wrapped(|ui| {
            ui.spacing_mut().item_spacing.x = 3.0;
            for (kind, text) in
                [(ImageKind::Selected, "Pattern"), (ImageKind::Mean, "Mean"), (ImageKind::Max, "Maximum")]
            {
                ui.selectable_value(&mut self.kind, kind, text);
            }
            ui.separator();
            for (scale, text, about) in [
                (Scale::Log, "Log", "Logarithm of the intensity, five decades"),
                (Scale::Root, "Root", "Square root of the intensity: the amplitude"),
                (Scale::Linear, "Linear", "Intensity"),
            ] {
                ui.selectable_value(&mut self.scale, scale, text).on_hover_text(about);
            }
        });
        ui.horizontal_wrapped(|ui| {
            let mut common = !self.individual_scale;
            ui.add_enabled(self.kind == ImageKind::Selected, egui::Checkbox::new(&mut common, "Common scale"))
                .on_hover_text("Scale all patterns to the brightest pixel of the dataset, so that they can be compared")
                .on_disabled_hover_text("Applies to single patterns only");
            self.individual_scale = !common;
            let mut marks = !self.hide_marks;
            ui.checkbox(&mut marks, "Bad pixels")
                .on_hover_text("Mark dead and masked pixels in red, saturated pixels in amber");
            self.hide_marks = !marks;
            if self.mask.toggle(ui) {
                self.detector.close();
            }
            if self.detector.toggle(ui) {
                self.mask.close();
                self.kind = ImageKind::Mean;
            }
            if !self.viewport.is_fit() && ui.button("Fit").on_hover_text("Show the whole pattern (0)").clicked() {
                self.viewport.fit();
            }
        });
    }

    /// Context menu of the image.
    fn menu(
        &mut self,
        response: &egui::Response,
        patterns: &Patterns,
        intensity: &Array2<f32>,
        actions: &mut Vec<Action>,
    ) {
        let is_tool = self.mask.is_open() || self.detector.is_on();
        response.context_menu(|ui| {
            if ui.button("Copy counts as CSV").clicked() {
                let row =
                    |row: ndarray::ArrayView1<'_, f32>| row.iter().map(f32::to_string).collect::<Vec<_>>().join(",");
                ui.ctx().copy_text(intensity.outer_iter().map(row).collect::<Vec<_>>().join("\n"));
                ui.close();
            }
            if ui.button("Fit to view").clicked() {
                self.viewport.fit();
                ui.close();
            }
            ui.separator();
            let brightest = patterns.counts.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1));
            let faintest = patterns.counts.iter().enumerate().min_by(|a, b| a.1.total_cmp(b.1));
            for (text, found) in [("Go to the brightest pattern", brightest), ("Go to the faintest pattern", faintest)]
            {
                if let Some((index, _)) = found.filter(|_| !is_tool)
                    && ui.button(text).clicked()
                {
                    self.kind = ImageKind::Selected;
                    actions.push(Action::SelectPattern(index));
                    ui.close();
                }
            }
        });
    }

    /// Marks bad pixels, those of a single pattern included; returns a caption for them.
    fn marks(
        &mut self,
        ui: &egui::Ui,
        patterns: &Arc<Patterns>,
        intensity: &Array2<f32>,
        (key, single): (u64, Option<usize>),
        limit: Option<f32>,
        shown: &ImageResponse,
    ) -> String {
        let dataset = Arc::as_ptr(patterns) as usize;
        if self.always_dead.as_ref().map(|(of, _)| *of) != Some(dataset) {
            let mut found = pixels::dead(&patterns.mean, &patterns.max);
            let masked = patterns.dataset.mask.iter().flat_map(|mask| mask.indexed_iter());
            found.extend(masked.filter(|(_, good)| !**good).map(|((y, x), _)| [x, y]));
            self.always_dead = Some((dataset, found));
        }
        if self.dead.as_ref().map(|(of, _)| *of) != Some(key) {
            let mut found = self.always_dead.as_ref().map_or_else(Vec::new, |(_, found)| found.clone());
            if let (Some(index), Some(masks)) = (single, &patterns.dataset.pattern_masks) {
                found.extend(masks.bad_pixels(index).map(|(y, x)| [x, y]));
            }
            found.sort_unstable();
            found.dedup();
            self.dead = Some((key, found));
        }
        if self.at_limit.as_ref().map(|(key, _)| *key) != Some(key) {
            let found = limit.map(|limit| pixels::at_limit(intensity.view(), limit)).unwrap_or_default();
            self.at_limit = Some((key, found));
        }
        let palette = theme::palette(ui);
        let none = Vec::new();
        let dead = self.dead.as_ref().map_or(&none, |(_, found)| found);
        let at_limit = self.at_limit.as_ref().map_or(&none, |(_, found)| found);
        if !self.hide_marks {
            let painter = ui.painter_at(shown.response.rect);
            for (found, color) in [(dead, palette.bad), (at_limit, palette.warning)] {
                for [x, y] in found.iter().take(2000) {
                    let (x, y) = (*x as f32, *y as f32);
                    let place = Rect::from_two_pos(shown.to_screen(x, y), shown.to_screen(x + 1.0, y + 1.0));
                    let place = place.expand((3.0 - 0.5 * place.width()).max(0.5));
                    painter.rect_stroke(place, 1.0, Stroke::new(1.5, color), StrokeKind::Outside);
                }
            }
        }
        match (dead.len(), at_limit.len()) {
            (0, 0) => String::new(),
            (dead, 0) => format!(" · {}", count_of(dead, "dead or masked pixel")),
            (0, bright) => format!(" · {}", count_of(bright, "saturated pixel")),
            (dead, bright) => format!(" · {dead} dead or masked, {}", count_of(bright, "saturated pixel")),
        }
    }

    fn caption(&self, patterns: &Patterns, index: usize, marks: &str) -> String {
        let count = grouped(patterns.dataset.len() as u64);
        match self.kind {
            ImageKind::Mean => format!("Mean of {count} patterns{marks}"),
            ImageKind::Max => format!("Maximum of each pixel over {count} patterns{marks}"),
            ImageKind::Selected => {
                let counts = patterns.counts.get(index).copied().unwrap_or_default();
                let [x, y] = patterns.dataset.positions.get(index).copied().unwrap_or_default();
                let position = signed(format!("x {x:.1}, y {y:.1}"));
                format!("Pattern {index} · {} · at {position} px{marks}", quantity(counts, "count"))
            }
        }
    }

    /// Draws the color bar.
    fn bar(&self, ui: &mut egui::Ui, largest: f32) {
        ui.horizontal(|ui| {
            let weak = theme::palette(ui).weak;
            ui.label(RichText::new("0").small().color(weak));
            let end = format!("{} counts", short(largest.into()));
            let width = (ui.available_width() - 7.0 * end.chars().count() as f32 - 16.0).max(40.0);
            let (rect, response) = ui.allocate_exact_size(vec2(width, 8.0), Sense::hover());
            gradient(ui, rect, Colormap::Viridis);
            let about = match self.scale {
                Scale::Log => "Intensity on a logarithmic scale",
                Scale::Root => "Square root of the intensity",
                Scale::Linear => "Intensity",
            };
            response.on_hover_text(about);
            ui.label(RichText::new(end).small().color(weak));
        });
    }

    fn transport(&mut self, ui: &mut egui::Ui, selected: usize, count: usize, actions: &mut Vec<Action>) {
        let last = count.saturating_sub(1);
        let mut wanted = selected;
        ui.horizontal(|ui| {
            let step = |ui: &mut egui::Ui, text: &str, name: &str, enabled: bool| {
                let button = ui.add_enabled(enabled, egui::Button::new(RichText::new(text).monospace()));
                button.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Button, enabled, name));
                button.on_hover_text(name).on_disabled_hover_text("No further pattern").clicked()
            };
            if step(ui, "◀", "Previous pattern", selected > 0) {
                wanted = selected.saturating_sub(1);
            }
            if step(ui, "▶", "Next pattern", selected < last) {
                wanted = selected + 1;
            }
            let text = if self.playing.is_some() { "Stop" } else { "Play" };
            if ui.add_enabled(count > 1, egui::Button::new(text)).on_hover_text("Play through the patterns").clicked() {
                self.playing = if self.playing.is_some() { None } else { Some(ui.input(|input| input.time)) };
                self.kind = ImageKind::Selected;
            }
            ui.spacing_mut().slider_width = (ui.available_width() - 130.0).max(60.0);
            let slider = egui::Slider::new(&mut wanted, 0..=last).text("Pattern");
            if ui.add_enabled(count > 1, slider).changed() {
                self.kind = ImageKind::Selected;
            }
        });
        if let Some(since) = self.playing {
            let now = ui.input(|input| input.time);
            if now - since >= 1.0 / PLAY_RATE {
                wanted = if wanted >= last { 0 } else { wanted + 1 };
                self.playing = Some(now);
            }
            ui.ctx().request_repaint_after(std::time::Duration::from_secs_f64(0.5 / PLAY_RATE));
        }
        if wanted != selected {
            actions.push(Action::SelectPattern(wanted.min(last)));
        }
    }
}

/// Page keys and arrow keys over the image walk through the patterns.
fn arrow_keys(ui: &egui::Ui, shown: &ImageResponse, selected: usize, count: usize, actions: &mut Vec<Action>) {
    let typing = ui.ctx().egui_wants_keyboard_input() && !shown.response.has_focus();
    if typing || ui.memory(|memory| memory.top_modal_layer().is_some()) || count == 0 {
        return;
    }
    let pressed = |key| ui.input_mut(|input| input.consume_key(egui::Modifiers::NONE, key));
    // With the focus on the image, the arrow keys pan it.
    let walks = shown.response.hovered() && !shown.response.has_focus();
    let (back, forth) = (
        pressed(egui::Key::PageUp) || walks && pressed(egui::Key::ArrowLeft),
        pressed(egui::Key::PageDown) || walks && pressed(egui::Key::ArrowRight),
    );
    let wanted = match (back, forth) {
        (true, _) => selected.saturating_sub(1),
        (_, true) => (selected + 1).min(count - 1),
        _ => selected,
    };
    if wanted != selected {
        actions.push(Action::SelectPattern(wanted));
    }
}

/// Colors an intensity image on the logarithmic scale that ends at `largest`.
pub(in crate::ui::panels) fn logarithmic_to(intensity: &Array2<f32>, largest: f32) -> ColorImage {
    picture(intensity, Scale::Log, largest)
}

/// Colors an intensity image on the logarithmic scale.
pub(in crate::ui::panels) fn logarithmic(intensity: &Array2<f32>) -> ColorImage {
    picture(intensity, Scale::Log, intensity.iter().copied().fold(0.0, f32::max))
}

fn picture(intensity: &Array2<f32>, scale: Scale, largest: f32) -> ColorImage {
    let colors: Vec<Color32> = (0..512u32)
        .map(|at| {
            let [r, g, b] = Colormap::Viridis.rgb(f64::from(at) / 511.0);
            Color32::from_rgb(r, g, b)
        })
        .collect();
    let (height, width) = intensity.dim();
    let color = |value: &f32| {
        let at = (scale.fraction(*value, largest) * 511.0) as usize;
        colors.get(at).copied().unwrap_or(Color32::BLACK)
    };
    ColorImage::new([width, height], intensity.iter().map(color).collect())
}

/// Fills a rectangle with a colormap, from left to right.
pub(super) fn gradient(ui: &egui::Ui, rect: Rect, map: Colormap) {
    const STEPS: u32 = 48;
    let mut mesh = Mesh::default();
    for at in 0..=STEPS {
        let share = at as f32 / STEPS as f32;
        let [r, g, b] = map.rgb(share.into());
        let (color, x) = (Color32::from_rgb(r, g, b), rect.left() + share * rect.width());
        mesh.colored_vertex(pos2(x, rect.top()), color);
        mesh.colored_vertex(pos2(x, rect.bottom()), color);
        if at > 0 {
            let end = 2 * at;
            mesh.add_triangle(end - 2, end - 1, end);
            mesh.add_triangle(end - 1, end, end + 1);
        }
    }
    ui.painter().add(mesh);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_scale_runs_from_zero_to_one_and_the_logarithm_lifts_faint_values() {
        for scale in [Scale::Log, Scale::Root, Scale::Linear] {
            assert_eq!(scale.fraction(0.0, 100.0), 0.0);
            assert!((scale.fraction(100.0, 100.0) - 1.0).abs() < 1e-5);
            assert!(scale.fraction(0.0, 0.0).is_finite());
        }
        let faint = 0.1;
        assert!(Scale::Log.fraction(faint, 100.0) > Scale::Root.fraction(faint, 100.0));
        assert!(Scale::Root.fraction(faint, 100.0) > Scale::Linear.fraction(faint, 100.0));
    }
}
