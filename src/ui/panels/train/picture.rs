//! Live preview of the stitched object during training: amplitude and phase of a stored frame.
//!
//! A frame is rendered once, with at most [`SIDE`] pixels per side. Large frames are rendered on another thread, so that
//! the window does not wait for them.

use crate::imaging::{COVERED_FRACTION, Colormap, Limits, covered_box, covered_mask, remove_ramp, robust_limits};
use crate::session::{Action, Level, State};
use crate::ui::panels::Outbox;
use crate::ui::theme;
use crate::ui::widgets::background::Background;
use crate::ui::widgets::image_view::ImageView;
use crate::ui::widgets::numbers::signed;
use crate::ui::widgets::spinner;
use crate::worker::message::{LivePace, Picture};
use eframe::egui::{self, Color32, ColorImage, RichText, Slider, Ui, vec2};
use ndarray::{Array2, ArrayView2};
use num_complex::Complex32;
use std::f64::consts::PI;
use std::sync::Arc;

/// Maximum number of pixels shown per side.
const SIDE: usize = 640;
/// Number of pixels above which a frame is rendered on another thread.
const LARGE: usize = 100_000;
/// Maximum number of pixels per side for the fit of the phase ramp.
const RAMP_SIDE: usize = 96;
/// Fraction of the covered values outside the display limits, at either end.
const TAIL: f64 = 0.005;
/// Phase range, in radians, above which a cyclic colormap is used, since some of the phase is probably wrapped.
const SEQUENTIAL_SPAN: f64 = 1.6 * PI;
/// Minimum coverage, relative to the maximum, of pixels that count in the spread of the amplitude.
const WELL_COVERED: f64 = 0.3;

/// Images of a frame.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Rendered {
    /// (width, height) in pixels.
    pub size: [usize; 2],
    /// Colors of the amplitude, row by row.
    pub amplitude: Vec<Color32>,
    /// Colors of the phase, row by row.
    pub phase: Vec<Color32>,
    /// Amplitudes of the first and last color.
    pub amplitude_limits: Limits,
    /// Phases of the first and last color, in radians.
    pub phase_limits: Limits,
    /// Colormap of the phase.
    pub phase_map: Colormap,
    /// Difference of the 95 % and 5 % quantiles of the well-covered amplitude, relative to its median.
    pub spread: f64,
    /// Training step of the frame; `usize::MAX` for the result.
    pub step: usize,
}

/// Values of a frame in its covered region, with at most [`SIDE`] pixels per side.
pub(super) struct Values {
    pub amplitude: Array2<f32>,
    /// Without mean and linear ramp.
    pub phase: Array2<f32>,
    pub covered: Array2<bool>,
    /// True for pixels that count in the spread of the amplitude.
    well: Array2<bool>,
}

impl Values {
    /// Limits of amplitude and phase, and the colormap of the phase.
    pub(super) fn limits(&self) -> (Limits, Limits, Colormap) {
        let amplitude = robust_limits(self.amplitude.view(), self.covered.view(), TAIL, 1.0 - TAIL);
        let phase = robust_limits(self.phase.view(), self.covered.view(), TAIL, 1.0 - TAIL);
        if phase.high - phase.low > SEQUENTIAL_SPAN {
            (amplitude, Limits { low: -PI, high: PI }, Colormap::Cyclic)
        } else {
            (amplitude, phase, Colormap::Viridis)
        }
    }
}

/// Crops a frame to its covered region and removes the phase ramp; `None` if nothing is covered.
pub(super) fn values(picture: &Picture) -> Option<Values> {
    let shape = (picture.height, picture.width);
    let whole = |values: &[f32]| Array2::from_shape_vec(shape, values.to_vec()).ok();
    let coverage = whole(&picture.coverage)?;
    let mask = covered_mask(coverage.view(), COVERED_FRACTION);
    let (top, left, height, width) = covered_box(mask.view())?;
    let stride = height.max(width).div_ceil(SIDE).max(1);
    let size = (height.div_ceil(stride), width.div_ceil(stride));
    let source = |y: usize, x: usize| (top + y * stride, left + x * stride);
    let at = |values: &[f32], y: usize, x: usize| {
        let (y, x) = source(y, x);
        values.get(y * picture.width + x).copied().unwrap_or(f32::NAN)
    };
    let covered = Array2::from_shape_fn(size, |(y, x)| mask.get(source(y, x)).copied().unwrap_or(false));
    let amplitude = Array2::from_shape_fn(size, |(y, x)| at(&picture.amplitude, y, x));
    let phase = Array2::from_shape_fn(size, |(y, x)| at(&picture.phase, y, x));
    let phase = without_ramp(amplitude.view(), phase.view(), covered.view());

    let well = covered_mask(coverage.view(), WELL_COVERED);
    let well = Array2::from_shape_fn(size, |(y, x)| well.get(source(y, x)).copied().unwrap_or(false));
    Some(Values { amplitude, phase, covered, well })
}

/// Crops a frame to its covered region, removes the phase ramp and applies the colormaps; `None` if nothing is covered.
pub(super) fn render(picture: &Picture) -> Option<Rendered> {
    let values = values(picture)?;
    let (amplitude_limits, phase_limits, phase_map) = values.limits();
    let Values { amplitude, phase, covered, well } = values;
    Some(Rendered {
        size: [amplitude.ncols(), amplitude.nrows()],
        amplitude: colors(amplitude.view(), covered.view(), amplitude_limits, Colormap::Gray),
        phase: colors(phase.view(), covered.view(), phase_limits, phase_map),
        amplitude_limits,
        phase_limits,
        phase_map,
        spread: spread(amplitude.view(), well.view()),
        step: picture.taken.map_or(usize::MAX, |(_, step)| step),
    })
}

/// Phase without its mean and its linear ramp, which is fitted on a coarser grid.
fn without_ramp(
    amplitude: ArrayView2<'_, f32>,
    phase: ArrayView2<'_, f32>,
    covered: ArrayView2<'_, bool>,
) -> Array2<f32> {
    let (height, width) = phase.dim();
    let stride = height.max(width).div_ceil(RAMP_SIDE).max(1);
    let size = (height.div_ceil(stride), width.div_ceil(stride));
    let value = |(y, x): (usize, usize)| {
        let at = (y * stride, x * stride);
        let (amplitude, phase) = (amplitude.get(at).copied().unwrap_or(0.0), phase.get(at).copied().unwrap_or(0.0));
        Complex32::from_polar(amplitude, phase)
    };
    let coarse = Array2::from_shape_fn(size, value);
    let mask = Array2::from_shape_fn(size, |(y, x)| covered.get((y * stride, x * stride)).copied().unwrap_or(false));
    let (_, fit) = remove_ramp(coarse.view(), mask.view());
    let slope = |slope: f64| slope / stride as f64;
    let (slope_y, slope_x) = (slope(fit.slope_y), slope(fit.slope_x));
    Array2::from_shape_fn((height, width), |(y, x)| {
        let flattened = f64::from(phase[(y, x)]) - (fit.offset + slope_y * y as f64 + slope_x * x as f64);
        (flattened - 2.0 * PI * (flattened / (2.0 * PI)).round()) as f32
    })
}

/// Colors from a table of 256 entries, which is faster than computing each; uncovered pixels are transparent.
fn colors(values: ArrayView2<'_, f32>, covered: ArrayView2<'_, bool>, limits: Limits, map: Colormap) -> Vec<Color32> {
    let table: Vec<Color32> = (0..256).map(|index| color(map, f64::from(index) / 255.0)).collect();
    let of = |value: f32| {
        let index = (limits.fraction(f64::from(value)) * 255.0).round() as usize;
        table.get(index).copied().unwrap_or_default()
    };
    values
        .iter()
        .zip(covered)
        .map(|(value, covered)| if *covered { of(*value) } else { Color32::TRANSPARENT })
        .collect()
}

fn color(map: Colormap, fraction: f64) -> Color32 {
    let [r, g, b] = map.rgb(fraction);
    Color32::from_rgb(r, g, b)
}

fn spread(amplitude: ArrayView2<'_, f32>, covered: ArrayView2<'_, bool>) -> f64 {
    let mut values: Vec<f32> =
        amplitude.iter().zip(covered).filter(|(v, covered)| **covered && v.is_finite()).map(|(v, _)| *v).collect();
    let last = values.len().saturating_sub(1);
    let mut at = |fraction: f64| -> f64 {
        let rank = (fraction * last as f64).round() as usize;
        if values.is_empty() {
            f64::NAN
        } else {
            f64::from(*values.select_nth_unstable_by(rank.min(last), f32::total_cmp).1)
        }
    };
    let (low, middle, high) = (at(0.05), at(0.5), at(0.95));
    if middle > 0.0 { (high - low) / middle } else { f64::NAN }
}

/// Displayed frame and its rendered images.
#[derive(Default)]
pub(super) struct LivePictures {
    /// Epoch and step of the selected frame; `None` to follow the newest.
    selected: Option<(usize, usize)>,
    newest: Background<Option<Rendered>>,
    earlier: Background<Option<Rendered>>,
    amplitude: ImageView,
    phase: ImageView,
    movie: Background<Result<Vec<u8>, String>>,
    /// Number of movies asked for, and true while the latest is being made.
    movies: (u64, bool),
}

/// Cache key of a frame.
fn key(frame: &Arc<Picture>) -> u64 {
    let (epoch, step) = frame.taken.unwrap_or_default();
    let mut key = frame.job;
    for part in [epoch as u64, step as u64, u64::from(frame.taken.is_none()), Arc::as_ptr(frame) as u64] {
        key = (key.rotate_left(17) ^ part).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
    key
}

/// Images of a frame, or of the previous one while it is being rendered, with their cache key.
fn rendered(
    cache: &mut Background<Option<Rendered>>,
    context: &egui::Context,
    frame: &Arc<Picture>,
) -> Option<(u64, Arc<Option<Rendered>>)> {
    let key = key(frame);
    if frame.width * frame.height < LARGE {
        return Some((key, cache.get_now(key, || render(frame))));
    }
    cache.get(context, key, || {
        let frame = Arc::clone(frame);
        move || render(&frame)
    })
}

impl LivePictures {
    /// Spread of the amplitude in the newest frame, relative to its median, and the step of that frame.
    pub(super) fn flatness(&mut self, context: &egui::Context, state: &State) -> Option<(f64, usize)> {
        let Some(frame) = state.live_pictures.newest() else {
            self.newest.forget();
            return None;
        };
        let (_, rendered) = rendered(&mut self.newest, context, frame)?;
        rendered.as_ref().as_ref().map(|d| (d.spread, d.step)).filter(|(spread, _)| spread.is_finite())
    }

    /// Draws the rate of previews, the images and the frame slider into this height in points.
    pub(super) fn show(
        &mut self,
        ui: &mut Ui,
        state: &State,
        height: f32,
        outbox: &mut Outbox,
        actions: &mut Vec<Action>,
    ) {
        let top = ui.cursor().top();
        let frames = state.live_pictures.frames();
        ui.horizontal_wrapped(|ui| {
            pace(ui, state, actions);
            self.movie(ui, frames, outbox, actions);
        });
        let index = self.index(frames);
        let Some(frame) = index.and_then(|index| frames.get(index)) else {
            self.selected = None;
            placeholder(ui, state, height - (ui.cursor().top() - top));
            return;
        };
        self.scrub(ui, frames, index.unwrap_or_default());
        let is_newest = index == frames.len().checked_sub(1);
        let cache = if is_newest { &mut self.newest } else { &mut self.earlier };
        let made = rendered(cache, ui.ctx(), frame);
        let rest = height - (ui.cursor().top() - top);
        let Some((key, made)) = made else {
            spinner(ui);
            return;
        };
        let Some(rendered) = made.as_ref() else {
            ui.weak("This image has no covered pixels");
            return;
        };
        pair(ui, [&mut self.amplitude, &mut self.phase], key, rendered, rest, "the object so far");
    }

    /// Button that saves all frames as a movie, made on another thread.
    fn movie(&mut self, ui: &mut Ui, frames: &[Arc<Picture>], outbox: &mut Outbox, actions: &mut Vec<Action>) {
        let (number, making) = self.movies;
        let possible = frames.len() > 1 && !making;
        let button = ui.add_enabled(possible, egui::Button::new("Save movie…"));
        let help = "All frames as an animated GIF: amplitude and phase, colored as in the last one";
        let why = if making { "The movie is being made" } else { "A movie needs two frames or more" };
        if button.on_hover_text(help).on_disabled_hover_text(why).clicked() {
            self.movies = (number + 1, true);
        }
        if !self.movies.1 {
            return;
        }
        let key = self.movies.0;
        let made = self.movie.get(ui.ctx(), key, || {
            let frames = frames.to_vec();
            move || super::movie::movie(&frames)
        });
        if self.movie.has_failed(key) {
            self.movies.1 = false;
            let text = "The movie could not be made (internal error); see the log".to_owned();
            actions.push(Action::Notify { level: Level::Error, text });
        }
        let Some((_, made)) = made.filter(|(known, _)| *known == key) else { return };
        self.movies.1 = false;
        match made.as_ref() {
            Ok(bytes) => outbox.export = Some(("training.gif".to_owned(), bytes.clone())),
            Err(text) => actions.push(Action::Notify { level: Level::Error, text: text.clone() }),
        }
        self.movie.forget();
    }

    /// Index of the displayed frame: the newest, or the first one not before the selected one.
    fn index(&self, frames: &[Arc<Picture>]) -> Option<usize> {
        let last = frames.len().checked_sub(1)?;
        let Some(selected) = self.selected else { return Some(last) };
        let after = frames.partition_point(|frame| frame.taken.is_some_and(|taken| taken < selected));
        Some(after.min(last))
    }

    fn scrub(&mut self, ui: &mut Ui, frames: &[Arc<Picture>], index: usize) {
        ui.horizontal(|ui| {
            let mut chosen = index;
            let last = frames.len() - 1;
            let label = ui.label("Frame");
            ui.spacing_mut().slider_width = (ui.available_width() - 290.0).clamp(60.0, 400.0);
            let slider = Slider::new(&mut chosen, 0..=last.max(1)).show_value(false);
            let slider = ui.add_enabled(last > 0, slider).labelled_by(label.id);
            let slider = slider.on_disabled_hover_text("Only one frame so far");
            if slider.changed() {
                let chosen = chosen.min(last);
                self.selected = if chosen == last { None } else { frames.get(chosen).and_then(|frame| frame.taken) };
            }
            let follow =
                ui.selectable_label(self.selected.is_none(), "Newest").on_hover_text("Follow the newest frame");
            if follow.clicked() {
                self.selected = None;
            }
            let text = match frames.get(self.index(frames).unwrap_or(index)).and_then(|frame| frame.taken) {
                Some((epoch, step)) => format!("Epoch {epoch}, step {step}"),
                None => "Latest".to_owned(),
            };
            ui.weak(text);
        });
    }
}

/// Latest of a series of images.
#[derive(Default)]
pub(in crate::ui::panels) struct Latest {
    cache: Background<Option<Rendered>>,
    amplitude: ImageView,
    phase: ImageView,
}

impl Latest {
    /// Draws amplitude and phase of an image into this height in points; `of` is part of their accessible names.
    pub(in crate::ui::panels) fn show(&mut self, ui: &mut Ui, picture: &Arc<Picture>, height: f32, of: &str) {
        let Some((key, made)) = rendered(&mut self.cache, ui.ctx(), picture) else {
            spinner(ui);
            return;
        };
        match made.as_ref() {
            Some(rendered) => pair(ui, [&mut self.amplitude, &mut self.phase], key, rendered, height, of),
            None => {
                ui.weak("This image has no covered pixels");
            }
        }
    }
}

/// Draws amplitude and phase side by side or stacked, whichever is larger.
fn pair(ui: &mut Ui, views: [&mut ImageView; 2], key: u64, rendered: &Rendered, rest: f32, of: &str) {
    let [amplitude, phase] = views;
    let legend = 34.0;
    let (wide, gap) = (ui.available_width(), 8.0);
    let [w, h] = rendered.size.map(|side| side.max(1) as f32);
    let beside = ((wide - gap) / 2.0 / w).min((rest - legend) / h);
    let stacked = (wide / w).min(((rest - gap) / 2.0 - legend) / h);
    let phase_unit = "rad";
    let mut one = |ui: &mut Ui, which: usize, space: egui::Vec2| {
        let (view, name, colors, limits, map, unit) = if which == 0 {
            let parts = (&rendered.amplitude, rendered.amplitude_limits, Colormap::Gray);
            (&mut *amplitude, "Amplitude", parts.0, parts.1, parts.2, "")
        } else {
            let parts = (&rendered.phase, rendered.phase_limits, rendered.phase_map);
            (&mut *phase, "Phase", parts.0, parts.1, parts.2, phase_unit)
        };
        ui.vertical(|ui| {
            ui.set_width(space.x);
            bar(ui, name, limits, map, unit);
            let (rect, _) = ui.allocate_exact_size(vec2(space.x, space.y - legend), egui::Sense::hover());
            ui.painter().rect_filled(rect, 4.0, theme::palette(ui).canvas);
            let mut inner = ui.new_child(egui::UiBuilder::new().max_rect(rect));
            let name = format!("{name} of {of}");
            view.show(&mut inner, &name, key, rendered.size, || ColorImage::new(rendered.size, colors.clone()));
        });
    };
    if beside >= stacked {
        let space = vec2(((wide - gap) / 2.0).max(60.0), rest.max(120.0));
        ui.horizontal_top(|ui| {
            ui.spacing_mut().item_spacing.x = gap;
            one(ui, 0, space);
            one(ui, 1, space);
        });
    } else {
        let space = vec2(wide, ((rest - gap) / 2.0).max(120.0));
        one(ui, 0, space);
        one(ui, 1, space);
    }
}

/// Draws the choice of how often a preview is computed.
fn pace(ui: &mut Ui, state: &State, actions: &mut Vec<Action>) {
    ui.strong(if state.is_busy() { "Object so far" } else { "Object" });
    ui.add_space(6.0);
    for pace in LivePace::ALL {
        let help = match pace {
            LivePace::Off => "No live preview: all time is spent on training",
            LivePace::Slow => "Spend at most 5 % of the time on the live preview",
            LivePace::Live => "Spend at most 25 % of the time on the live preview",
        };
        if ui.selectable_label(state.pace == pace, pace.label()).on_hover_text(help).clicked() {
            actions.push(Action::SetPace(pace));
        }
    }
}

/// Explains why there is no image.
fn placeholder(ui: &mut Ui, state: &State, height: f32) {
    let text = if state.pace == LivePace::Off {
        "Live preview is off. Choose Slow or Live to see the object during training."
    } else if state.is_busy() {
        "Waiting for the first preview"
    } else {
        "No preview was computed"
    };
    let (rect, _) = ui.allocate_exact_size(vec2(ui.available_width(), height.max(120.0)), egui::Sense::hover());
    ui.painter().rect_filled(rect, 4.0, theme::palette(ui).canvas);
    let mut inner = ui.new_child(egui::UiBuilder::new().max_rect(rect.shrink(16.0)));
    inner.centered_and_justified(|ui| ui.label(RichText::new(text).weak()));
}

/// Name, color bar and limits of an image.
fn bar(ui: &mut Ui, name: &str, limits: Limits, map: Colormap, unit: &str) {
    ui.horizontal(|ui| {
        ui.set_height(22.0);
        ui.label(name);
        // Enough decimals to tell the two limits apart.
        let span = (limits.high - limits.low).max(1e-6);
        let decimals = (1.0 - span.log10().floor()).clamp(2.0, 6.0) as usize;
        let text = |value: f64| {
            let unit = if unit.is_empty() { String::new() } else { format!(" {unit}") };
            RichText::new(signed(format!("{value:.decimals$}{unit}"))).small().weak()
        };
        ui.label(text(limits.low));
        let width = (ui.available_width() - 62.0).clamp(20.0, 110.0);
        let (rect, _) = ui.allocate_exact_size(vec2(width, 10.0), egui::Sense::hover());
        let mut mesh = egui::Mesh::default();
        let columns = 48u32;
        for index in 0..=columns {
            let fraction = f64::from(index) / f64::from(columns);
            let x = rect.left() + rect.width() * fraction as f32;
            mesh.colored_vertex(egui::pos2(x, rect.top()), color(map, fraction));
            mesh.colored_vertex(egui::pos2(x, rect.bottom()), color(map, fraction));
            if index > 0 {
                let at = 2 * index;
                mesh.add_triangle(at - 2, at - 1, at);
                mesh.add_triangle(at - 1, at, at + 1);
            }
        }
        ui.painter().add(mesh);
        let stroke = ui.visuals().widgets.noninteractive.bg_stroke;
        ui.painter().rect_stroke(rect, 0.0, stroke, egui::StrokeKind::Outside);
        ui.label(text(limits.high));
    });
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A disk on a phase ramp, covered in the middle; `contrast` is that of its amplitude.
    pub(crate) fn picture(step: usize, side: usize, contrast: f32) -> Picture {
        let middle = side as f32 / 2.0;
        let mut picture = Picture {
            job: 1,
            taken: Some((1 + step / 100, step)),
            width: side,
            height: side,
            amplitude: Vec::new(),
            phase: Vec::new(),
            coverage: Vec::new(),
            origin_xy: [0.0; 2],
        };
        for y in 0..side {
            for x in 0..side {
                let radius = (x as f32 - middle).hypot(y as f32 - middle);
                let disk = radius < side as f32 / 5.0;
                let phase = 0.05 * x as f32 - 0.03 * y as f32 + if disk { 0.5 } else { 0.0 };
                picture.amplitude.push(if disk { 1.0 - contrast } else { 1.0 });
                picture.phase.push(phase);
                picture.coverage.push(if radius < side as f32 * 0.45 { 5.0 } else { 0.0 });
            }
        }
        for phase in &mut picture.phase {
            *phase = Complex32::from_polar(1.0, *phase).arg();
        }
        picture
    }

    #[test]
    fn a_frame_is_cropped_to_its_covered_region_and_reduced_to_screen_size() {
        let small = render(&picture(10, 100, 0.4)).unwrap();
        assert_eq!(small.size, [89, 89]);
        assert_eq!(small.amplitude[0], Color32::TRANSPARENT);
        assert_eq!(small.amplitude[44 * 89 + 44], Color32::BLACK);
        assert!((small.amplitude_limits.low - 0.6).abs() < 1e-6 && (small.spread - 0.4).abs() < 1e-3);
        let large = render(&picture(10, 2000, 0.4)).unwrap();
        assert!(large.size[0] <= SIDE && large.size[0] > SIDE / 2, "{:?}", large.size);
        let empty = Picture { coverage: vec![0.0; 100], ..picture(0, 10, 0.4) };
        assert_eq!(render(&empty), None);
    }

    #[test]
    fn a_flat_amplitude_has_no_spread() {
        assert!(render(&picture(10, 100, 0.0)).unwrap().spread < 1e-6);
    }

    #[test]
    fn the_phase_ramp_is_removed_from_small_and_large_frames() {
        for side in [100, 900] {
            let side_scale = 100.0 / side as f32;
            let mut frame = picture(10, side, 0.0);
            let middle = side as f32 / 2.0;
            for (index, phase) in frame.phase.iter_mut().enumerate() {
                let (x, y) = ((index % side) as f32, (index / side) as f32);
                let disk = (x - middle).hypot(y - middle) < side as f32 / 5.0;
                *phase = (0.08 * x - 0.05 * y) * side_scale + if disk { 0.5 } else { 0.0 };
                *phase = Complex32::from_polar(1.0, *phase).arg();
            }
            let rendered = render(&frame).unwrap();
            let span = rendered.phase_limits.high - rendered.phase_limits.low;
            assert!((0.45..0.8).contains(&span), "{side}: {span}");
            assert_eq!(rendered.phase_map, Colormap::Viridis);
        }
    }

    #[test]
    fn a_selected_frame_stays_when_others_are_dropped_and_the_newest_is_followed_otherwise() {
        let frames: Vec<_> = [10, 20, 40, 80].map(|step| Arc::new(picture(step, 8, 0.5))).into();
        let mut view = LivePictures::default();
        assert_eq!(view.index(&frames), Some(3));
        view.selected = frames[1].taken;
        assert_eq!(view.index(&frames), Some(1));
        let thinned = [frames[0].clone(), frames[2].clone(), frames[3].clone()];
        assert_eq!(view.index(&thinned), Some(1), "the next frame replaces the one that was dropped");
        assert_eq!(view.index(&[]), None);
    }

    #[test]
    #[ignore = "timed: run it alone on an idle machine"]
    fn rendering_a_frame_of_a_thousand_pixels_per_side_takes_milliseconds() {
        let frame = picture(10, 1000, 0.4);
        let least = (0..5).map(|_| {
            let began = std::time::Instant::now();
            std::hint::black_box(render(&frame));
            began.elapsed().as_secs_f64() * 1e3
        });
        let least = least.fold(f64::INFINITY, f64::min);
        println!("rendering 1000 x 1000: {least:.1} ms");
        assert!(least < 60.0, "{least} ms");
    }
}
