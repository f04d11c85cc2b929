//! Objects of several runs side by side, on the same region: zoom, position and cursor are shared.

use crate::data;
use crate::imaging::{Blanks, Colormap, Limits, Scale, Tone, covered_box, remove_ramp, robust_limits};
use crate::library::{RunInfo, RunObject};
use crate::session::{Action, ComparedRun};
use crate::ui::panels::result;
use crate::ui::theme;
use crate::ui::widgets::background::{Background, key_of};
use crate::ui::widgets::image_view::{Drag, ImageView, Viewport};
use crate::ui::widgets::numbers::signed;
use crate::ui::widgets::{elided, letters_in, spinner};
use eframe::egui::{self, Align, Color32, ColorImage, Label, Layout, RichText, Ui, vec2};
use ndarray::{Array2, s};
use num_complex::Complex32;
use std::collections::BTreeMap;
use std::f64::consts::PI;
use std::path::PathBuf;
use std::sync::Arc;

/// Maximum number of images shown at once.
const MAX_IMAGES: usize = 12;
/// Fraction of the values outside the display limits, at either end.
const TAIL: f64 = 0.005;
/// Phase range, in radians, above which a cyclic colormap is used.
const SEQUENTIAL_SPAN: f64 = 1.6 * PI;
/// Height of a title, in points.
const TITLE: f32 = 22.0;

/// Images of an object on the region of the first object.
#[derive(Debug, Clone, PartialEq)]
struct Rendered {
    /// (width, height) in pixels.
    size: [usize; 2],
    /// (H, W) amplitude, and phase in radians without its ramp; NaN where the object is not covered.
    values: [Array2<f32>; 2],
    tones: [Tone; 2],
    images: [ColorImage; 2],
}

/// Image of one run.
#[derive(Default)]
struct Pane {
    rendered: Background<Rendered>,
    view: ImageView,
    /// Objects of this run and of the first one, kept alive so that a reused address is not mistaken for them.
    sources: Option<(Arc<RunObject>, Arc<RunObject>)>,
    /// Number of changes of `sources`.
    version: u64,
}

/// Display state of the images.
pub(super) struct Pictures {
    panes: BTreeMap<PathBuf, Pane>,
    viewport: Viewport,
    /// 0 for amplitude, 1 for phase.
    quantity: usize,
    same_limits: bool,
}

impl Default for Pictures {
    fn default() -> Self {
        Self { panes: BTreeMap::new(), viewport: Viewport::default(), quantity: 1, same_limits: true }
    }
}

impl Pictures {
    /// Draws the objects of these runs, each with its color, into this height in points; requests objects that are not loaded.
    pub(super) fn show(
        &mut self,
        ui: &mut Ui,
        compared: &[ComparedRun],
        runs: &[(&RunInfo, Color32)],
        height: f32,
        actions: &mut Vec<Action>,
    ) {
        let palette = theme::palette(ui);
        let shown: Vec<(&RunInfo, Color32)> =
            runs.iter().filter(|(run, _)| run.has_result).take(MAX_IMAGES).copied().collect();
        let wanted: Vec<PathBuf> = shown.iter().map(|(run, _)| run.folder.clone()).collect();
        if !wanted.iter().eq(compared.iter().map(|run| &run.folder)) {
            actions.push(Action::CompareRuns(wanted.clone()));
        }
        self.panes.retain(|folder, _| wanted.contains(folder));
        if shown.is_empty() {
            let text = if runs.is_empty() {
                "Select runs to see their objects side by side"
            } else {
                "The selected runs have no stitched object"
            };
            ui.label(RichText::new(text).color(palette.weak));
            return;
        }
        self.toolbar(ui, runs.len() - shown.len());
        let object = |folder: &PathBuf| {
            let run = compared.iter().find(|run| run.folder == *folder)?;
            run.object.as_ref()
        };
        let reference = wanted.iter().find_map(|folder| object(folder)?.as_ref().ok());
        let readout_height = 20.0;
        let width = ui.available_width().min(ui.clip_rect().right() - ui.cursor().left());
        let (space, _) = ui.allocate_exact_size(
            vec2(width, (height - 2.0 * ui.spacing().interact_size.y - readout_height).max(200.0)),
            egui::Sense::hover(),
        );
        let size = reference.map_or([1, 1], |reference| region(reference)[2..4].try_into().unwrap_or([1, 1]));
        let columns = result::columns(shown.len(), space.size(), size, 1);
        let rows = shown.len().div_ceil(columns).max(1);
        let gap = 10.0;
        let cell = vec2(
            (space.width() - gap * (columns as f32 - 1.0)) / columns as f32,
            (space.height() - gap * (rows as f32 - 1.0)) / rows as f32,
        );
        self.viewport.next_frame();
        let mut values = Vec::new();
        for (at, (run, color)) in shown.iter().enumerate() {
            let corner =
                space.min + vec2((at % columns) as f32 * (cell.x + gap), (at / columns) as f32 * (cell.y + gap));
            let rect = egui::Rect::from_min_size(corner, cell);
            let builder =
                egui::UiBuilder::new().max_rect(rect).id_salt(&run.folder).layout(Layout::top_down(Align::Min));
            let mut ui = ui.new_child(builder);
            title(&mut ui, run, *color);
            match (object(&run.folder), reference) {
                (Some(Ok(own)), Some(reference)) => values.extend(self.image(&mut ui, run, own, reference)),
                (Some(Err(failure)), _) => {
                    ui.label(RichText::new(&failure.message).color(palette.bad));
                }
                _ => {
                    spinner(&mut ui);
                }
            }
        }
        self.viewport.end_frame(ui.ctx());
        let text = readout(self.viewport.cursor(), &values);
        ui.add(Label::new(RichText::new(text).color(palette.weak)).truncate());
    }

    /// Draws the image of a run; gives back its name and the value under the pointer, once there is an image.
    fn image(
        &mut self,
        ui: &mut Ui,
        run: &RunInfo,
        own: &Arc<RunObject>,
        reference: &Arc<RunObject>,
    ) -> Option<(String, Option<f32>)> {
        let palette = theme::palette(ui);
        let blanks = Blanks { not_a_number: palette.nan.to_array(), uncovered: palette.unseen.to_array() };
        let pane = self.panes.entry(run.folder.clone()).or_default();
        let Some((key, rendered)) = pane.render(ui, own, reference, self.same_limits, blanks) else {
            spinner(ui);
            return None;
        };
        let quantity = self.quantity;
        let name = format!("{} of {}", if quantity == 0 { "Amplitude" } else { "Phase" }, run.name);
        let key = key_of((key, quantity));
        let image = || rendered.images.get(quantity).cloned().unwrap_or_default();
        pane.view.show_linked(ui, &name, key, rendered.size, &mut self.viewport, Drag::Pan, image);
        let pixel = self.viewport.cursor().map(|at| (at.y as usize, at.x as usize));
        let value = pixel.and_then(|at| rendered.values.get(quantity)?.get(at));
        Some((run.name.clone(), value.copied()))
    }

    fn toolbar(&mut self, ui: &mut Ui, without: usize) {
        ui.horizontal_wrapped(|ui| {
            for (quantity, text) in ["Amplitude", "Phase"].into_iter().enumerate() {
                if ui.selectable_label(self.quantity == quantity, text).clicked() {
                    self.quantity = quantity;
                }
            }
            ui.separator();
            ui.checkbox(&mut self.same_limits, "Same limits")
                .on_hover_text("Use the display limits of the first run for all images");
            if ui.button("Fit").on_hover_text("Fit the image to the view (0)").clicked() {
                self.viewport.fit();
            }
            if without > 0 {
                let text = if without == 1 {
                    "1 selected run has no object".to_owned()
                } else {
                    format!("{without} selected runs have no object")
                };
                ui.weak(text);
            }
        });
    }
}

/// Pixel under the pointer, and the value of each run there.
fn readout(cursor: Option<egui::Vec2>, values: &[(String, Option<f32>)]) -> String {
    let Some(at) = cursor else {
        return "Hover to read values. Scroll to zoom, drag to pan, double-click to fit.".to_owned();
    };
    let text = |value: Option<f32>| match value {
        Some(value) if value.is_finite() => signed(format!("{value:.4}")),
        _ => "not covered".to_owned(),
    };
    let each: Vec<String> = values.iter().map(|(name, value)| format!("{} {name}", text(*value))).collect();
    format!("x {:.0}  y {:.0}   {}", at.x.floor(), at.y.floor(), each.join("   "))
}

fn title(ui: &mut Ui, run: &RunInfo, color: Color32) {
    ui.horizontal(|ui| {
        ui.set_height(TITLE - 4.0);
        let (dot, _) = ui.allocate_exact_size(vec2(10.0, 10.0), egui::Sense::hover());
        ui.painter().circle_filled(dot.center(), 4.0, color);
        let score = match (run.phase_correlation, run.consistency_r) {
            (Some(phase), _) => signed(format!("phase correlation {phase:.3}")),
            (None, Some(r)) => format!("misfit R {r:.4}"),
            (None, None) => String::new(),
        };
        let name = elided(&run.name, letters_in(ui.available_width() - 80.0));
        ui.add(Label::new(RichText::new(name).strong()).truncate()).on_hover_text(format!("{}  {score}", run.name));
        ui.add(Label::new(RichText::new(score).weak().small()).truncate());
    });
}

impl Pane {
    /// Images of an object on the region of `reference`, with their cache key; `None` until the first are rendered.
    fn render(
        &mut self,
        ui: &Ui,
        own: &Arc<RunObject>,
        reference: &Arc<RunObject>,
        same_limits: bool,
        blanks: Blanks,
    ) -> Option<(u64, Arc<Rendered>)> {
        let same = |(a, b): &(Arc<RunObject>, Arc<RunObject>)| Arc::ptr_eq(a, own) && Arc::ptr_eq(b, reference);
        if !self.sources.as_ref().is_some_and(same) {
            self.sources = Some((Arc::clone(own), Arc::clone(reference)));
            self.version += 1;
        }
        let key = key_of((self.version, same_limits, blanks));
        self.rendered.get(ui.ctx(), key, || {
            let (own, reference) = (Arc::clone(own), Arc::clone(reference));
            move || render(&own, &reference, same_limits, blanks)
        })
    }
}

/// Region of an object that is covered: first column, first row, columns and rows.
fn region(object: &RunObject) -> [usize; 4] {
    let (height, width) = object.reconstruction.object.dim();
    let (top, left, height, width) = covered_box(object.covered.view()).unwrap_or((0, 0, height, width));
    [left, top, width, height]
}

/// Amplitude and phase of an object on the region of `reference`, with the mask of covered pixels.
fn on_region(own: &RunObject, reference: &RunObject) -> ([Array2<f32>; 2], Array2<bool>) {
    let [left, top, width, height] = region(reference);
    let start = |axis: usize, cut: usize| {
        let apart = reference.reconstruction.origin_xy[axis] - own.reconstruction.origin_xy[axis];
        apart.round() as i64 + cut as i64
    };
    let corner = [start(0, left), start(1, top)];
    let covered = data::crop_to_frame(&own.covered, corner, (height, width), false);
    let unknown = Complex32::new(f32::NAN, f32::NAN);
    let object = data::crop_to_frame(&own.reconstruction.object, corner, (height, width), unknown);
    let (flat, _) = remove_ramp(object.view(), covered.view());
    let value = |of: fn(Complex32) -> f32| {
        ndarray::Zip::from(&flat).and(&covered).map_collect(|v, covered| if *covered { of(*v) } else { f32::NAN })
    };
    ([value(Complex32::norm), value(Complex32::arg)], covered)
}

fn tones(values: &[Array2<f32>; 2], covered: &Array2<bool>) -> [Tone; 2] {
    let limits = |at: usize| robust_limits(values[at].slice(s![.., ..]), covered.view(), TAIL, 1.0 - TAIL);
    let phase = limits(1);
    let (phase, colormap) = if phase.high - phase.low > SEQUENTIAL_SPAN {
        (Limits { low: -PI, high: PI }, Colormap::Cyclic)
    } else {
        (phase, Colormap::Viridis)
    };
    [
        Tone { colormap: Colormap::Gray, limits: limits(0), scale: Scale::Linear },
        Tone { colormap, limits: phase, scale: Scale::Linear },
    ]
}

fn render(own: &RunObject, reference: &RunObject, same_limits: bool, blanks: Blanks) -> Rendered {
    let (values, covered) = on_region(own, reference);
    let tones = if same_limits {
        let (values, covered) = on_region(reference, reference);
        tones(&values, &covered)
    } else {
        tones(&values, &covered)
    };
    let (height, width) = covered.dim();
    let image = |at: usize| {
        let pixels = tones[at].paint(values[at].view(), covered.view(), blanks);
        let pixels = pixels.into_iter().map(|[r, g, b, a]| Color32::from_rgba_premultiplied(r, g, b, a)).collect();
        ColorImage::new([width, height], pixels)
    };
    Rendered { size: [width, height], images: [image(0), image(1)], values, tones }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::data::Reconstruction;

    /// An object whose amplitude encodes its dataset coordinates.
    pub(crate) fn object(origin_xy: [f64; 2], (height, width): (usize, usize)) -> RunObject {
        let value = |(y, x): (usize, usize)| {
            let position = [x as f64 + origin_xy[0], y as f64 + origin_xy[1]];
            Complex32::from_polar((position[0] + 100.0 * position[1]) as f32, ((x + y) as f32 * 0.3).sin() * 0.4)
        };
        RunObject {
            reconstruction: Reconstruction {
                object: Array2::from_shape_fn((height, width), value),
                coverage: Array2::ones((height, width)),
                origin_xy,
                pixel_size_m: None,
            },
            covered: Array2::from_elem((height, width), true),
        }
    }

    #[test]
    fn a_position_of_the_sample_is_the_same_pixel_in_every_image() {
        let (first, other) = (object([10.0, 20.0], (30, 40)), object([13.0, 18.0], (30, 40)));
        let ([amplitude, _], covered) = on_region(&other, &first);
        assert_eq!(amplitude.dim(), (30, 40));
        assert!(
            !covered[(0, 2)] && covered[(0, 3)] && amplitude[(0, 2)].is_nan(),
            "it begins three pixels further right"
        );
        assert!((amplitude[(4, 5)] - (15.0 + 100.0 * 24.0)).abs() < 0.5, "{}", amplitude[(4, 5)]);
        assert!(!covered[(29, 10)], "and ends two pixels further up");
    }

    #[test]
    fn with_equal_limits_a_color_is_the_same_value_in_every_image() {
        let (first, other) = (object([0.0, 0.0], (30, 40)), object([5.0, 0.0], (30, 40)));
        let blanks = Blanks { not_a_number: [1, 2, 3, 255], uncovered: [4, 5, 6, 255] };
        let tone = |same| render(&other, &first, same, blanks).tones;
        assert_eq!(tone(true), render(&first, &first, true, blanks).tones);
        assert_ne!(tone(true)[0].limits, tone(false)[0].limits);
        let image = render(&other, &first, true, blanks).images[0].clone();
        assert_eq!(image.pixels[0], Color32::from_rgb(4, 5, 6), "uncovered pixels have their own color");
    }
}
