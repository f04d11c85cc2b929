//! The selected pattern: as measured, as calculated from the object and the probe, and their difference; and what the solver
//! refined besides the object.

use super::super::View;
use super::super::rendering::Rendering;
use super::section;
use crate::data::{Refined, mode_shares, nearest_distances};
use crate::imaging::{Colormap, short_number};
use crate::library::{Patterns, ResultData};
use crate::metrics::{AffineFit, affine_fit, calculated_pattern, median};
use crate::session::{Action, Level, State, Step};
use crate::system::file_name;
use crate::ui::panels::data::{browser, field};
use crate::ui::theme;
use crate::ui::widgets::background::{Background, key_of};
use crate::ui::widgets::image_view::{Drag, ImageView, Viewport};
use crate::ui::widgets::mark::mark;
use crate::ui::widgets::numbers::{count_of, short, signed};
use crate::ui::widgets::spinner;
use eframe::egui::{self, Button, Color32, ColorImage, RichText, Ui, vec2};
use ndarray::{Array2, Axis};
use std::sync::Arc;

/// Share of the largest amplitude at which the colors of the difference end.
const DIFFERENCE: f32 = 0.15;
/// Share of the largest allowed shift from which a position counts as having reached it.
const AT_LIMIT: f64 = 0.98;

/// Names of the three images.
const NAMES: [&str; 3] = ["Measured", "Calculated", "Difference"];

/// Measured and calculated amplitude of a pattern, (N, N).
#[derive(Debug, Clone, PartialEq)]
pub(in crate::ui::panels::result) struct Compared {
    /// Square root of the measured counts.
    pub measured: Array2<f32>,
    /// Amplitude calculated from object and probe.
    pub calculated: Array2<f32>,
}

impl Compared {
    /// Of one pattern of the dataset of a result; `None` if the dataset does not match the result.
    pub(in crate::ui::panels::result) fn new(result: &ResultData, patterns: &Patterns, index: usize) -> Option<Self> {
        let dataset = &patterns.dataset;
        let position = *result.positions.get(index)?;
        if dataset.len() != result.positions.len() {
            return None;
        }
        let refined = result.refined.as_ref();
        let probe = refined.and_then(|refined| refined.probe.as_ref()).unwrap_or(&dataset.probe);
        let object = result.reconstruction.object.view();
        let origin = result.reconstruction.origin_xy;
        let mut calculated = calculated_pattern(object, origin, probe.view(), position, dataset.propagation)?;
        let beam = refined.and_then(|refined| refined.intensities.as_ref()?.get(index).copied());
        let scale = beam.unwrap_or(1.0).sqrt() as f32;
        calculated.mapv_inplace(|amplitude| amplitude * scale);
        let mut measured = dataset.diffraction.index_axis(Axis(0), index).to_owned();
        if measured.dim() != calculated.dim() {
            return None;
        }
        let background = refined.and_then(|refined| refined.background.as_ref()).or(dataset.background.as_ref());
        if let Some(background) = background.filter(|background| background.dim() == calculated.dim()) {
            calculated.zip_mut_with(background, |amplitude, more| *amplitude = (*amplitude * *amplitude + more).sqrt());
        }
        let good = dataset.good();
        for (at, calculated) in calculated.indexed_iter_mut().filter(|(at, _)| !good.is_good(index, *at)) {
            *calculated = 0.0;
            measured[at] = 0.0;
        }
        Some(Self { measured, calculated })
    }

    /// Misfit Σ(|F| − √I)² / ΣI.
    pub(in crate::ui::panels::result) fn misfit(&self) -> f64 {
        let (mut misfit, mut counts) = (0.0, 0.0);
        for (measured, calculated) in self.measured.iter().zip(&self.calculated) {
            misfit += f64::from(calculated - measured).powi(2);
            counts += f64::from(*measured).powi(2);
        }
        misfit / counts
    }

    fn colored(&self) -> [ColorImage; 3] {
        let largest = self.measured.iter().chain(&self.calculated).copied().fold(0.0, f32::max);
        let counts = |amplitude: &Array2<f32>| browser::logarithmic_to(&amplitude.mapv(|a| a * a), largest * largest);
        let (height, width) = self.measured.dim();
        let pixels = self.calculated.iter().zip(&self.measured).map(|(calculated, measured)| {
            let share = (calculated - measured) / (DIFFERENCE * largest).max(f32::MIN_POSITIVE);
            let [r, g, b] = Colormap::Difference.rgb(f64::from(0.5 + 0.5 * share.clamp(-1.0, 1.0)));
            Color32::from_rgb(r, g, b)
        });
        let difference = ColorImage::new([width, height], pixels.collect());
        [counts(&self.measured), counts(&self.calculated), difference]
    }
}

/// State of the section.
#[derive(Default)]
pub(in crate::ui::panels::result) struct PatternView {
    compared: Background<Option<(Compared, [ColorImage; 3])>>,
    images: [ImageView; 3],
    viewport: Viewport,
    enlarged: bool,
    probe: field::FieldImage,
    aspect: field::Aspect,
    mode: usize,
    summary: Option<Summary>,
}

/// What was refined besides the object, in numbers that are computed once for each result.
#[derive(Debug, Clone)]
struct Summary {
    /// Number of the result.
    of: u64,
    shifts: Option<Shifts>,
    /// Root mean square deviation of the intensities from their mean, relative to it.
    intensity_spread: Option<f64>,
    /// Share of each probe mode in the power.
    shares: Vec<f64>,
}

/// Shifts of the positions, in pixels.
#[derive(Debug, Clone)]
struct Shifts {
    rms: f64,
    most: f64,
    /// Number of positions at the limit.
    stuck: usize,
    /// Median distance of neighboring nominal positions.
    step: f64,
    fit: Option<AffineFit>,
}

impl Summary {
    fn new(result: &ResultData, refined: &Refined, of: u64) -> Self {
        let spread = |list: &Vec<f64>| {
            let mean = list.iter().sum::<f64>() / list.len().max(1) as f64;
            let square = list.iter().map(|value| (value / mean - 1.0).powi(2)).sum::<f64>();
            (square / list.len().max(1) as f64).sqrt()
        };
        let shifts = refined.positions.as_ref().and_then(|positions| Shifts::new(result, positions));
        let shares = refined.probe.as_ref().map(|probe| mode_shares(probe.view())).unwrap_or_default();
        Self { of, shifts, intensity_spread: refined.intensities.as_ref().map(spread), shares }
    }
}

impl Shifts {
    fn new(result: &ResultData, positions: &[[f64; 2]]) -> Option<Self> {
        let lengths: Vec<f64> =
            positions.iter().zip(&result.nominal).map(|(to, from)| (to[0] - from[0]).hypot(to[1] - from[1])).collect();
        if lengths.is_empty() {
            return None;
        }
        let rms = (lengths.iter().map(|length| length * length).sum::<f64>() / lengths.len() as f64).sqrt();
        let limit = result.max_shift;
        Some(Self {
            rms,
            most: lengths.iter().copied().fold(0.0, f64::max),
            stuck: lengths.iter().filter(|length| limit > 0.0 && **length >= AT_LIMIT * limit).count(),
            step: median(&nearest_distances(&result.nominal)).unwrap_or(1.0),
            fit: affine_fit(&result.nominal, positions).filter(|_| rms > 0.0),
        })
    }
}

impl View {
    /// The selected pattern.
    pub(super) fn pattern(&mut self, ui: &mut Ui, state: &State, rendering: &Rendering, actions: &mut Vec<Action>) {
        if rendering.positions.is_empty() {
            return;
        }
        section(ui, "Pattern", |ui| self.pattern_content(ui, state, rendering, actions));
    }

    fn pattern_content(&mut self, ui: &mut Ui, state: &State, rendering: &Rendering, actions: &mut Vec<Action>) {
        let palette = theme::palette(ui);
        let count = rendering.positions.len();
        let Some(result) = self.inputs.0.clone() else { return };
        let chosen = self.marks.pattern.filter(|index| *index < count);
        let mut wanted = chosen;
        ui.horizontal_wrapped(|ui| {
            let mut step = |ui: &mut Ui, text: &str, name: &str, to: Option<usize>| {
                let button = ui.add_enabled(to.is_some(), Button::new(RichText::new(text).monospace()));
                button.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Button, to.is_some(), name));
                if button.on_hover_text(name).clicked() {
                    wanted = to;
                }
            };
            step(ui, "◀", "Previous pattern of the result", chosen.and_then(|index| index.checked_sub(1)));
            step(ui, "▶", "Next pattern of the result", chosen.map(|i| i + 1).filter(|i| *i < count));
            let worst = rendering.residuals.iter().enumerate().filter(|(_, misfit)| misfit.is_finite());
            let worst = worst.max_by(|a, b| a.1.total_cmp(b.1)).map(|(index, _)| index);
            if ui.add_enabled(worst.is_some(), Button::new("Worst fit")).clicked() {
                wanted = worst;
            }
            ui.toggle_value(&mut self.pattern.enlarged, "Enlarge").on_hover_text("Show the three images in a window");
        });
        if wanted != chosen {
            self.marks.pattern = wanted;
            if let (Some(index), true) = (wanted, state.has_result_of_dataset()) {
                actions.push(Action::SelectPattern(index));
            }
        }
        let Some(index) = wanted else {
            let text = "Click an image, or choose the tool Pattern, to compare the pattern measured there with the one \
                        calculated from object and probe.";
            ui.label(RichText::new(text).color(palette.weak));
            return;
        };
        let open = state.dataset.as_ref().filter(|_| state.has_result_of_dataset());
        let Some(patterns) = open.and_then(|dataset| dataset.patterns.clone()) else {
            ui.label(RichText::new("Its dataset is not open.").color(palette.weak));
            if let Some(path) = result.dataset() {
                let button = ui.button(format!("Open {}", file_name(path)));
                if button.on_hover_text(path.display().to_string()).clicked() {
                    actions.push(Action::Open(path.to_path_buf()));
                }
            }
            return;
        };
        let key = key_of((self.generation, Arc::as_ptr(&patterns) as usize, index));
        let compared = self.pattern.compared.get(ui.ctx(), key, || {
            move || {
                Compared::new(&result, &patterns, index).map(|compared| {
                    let colored = compared.colored();
                    (compared, colored)
                })
            }
        });
        let Some((key, compared)) = compared else {
            spinner(ui);
            return;
        };
        let Some((compared, colored)) = compared.as_ref() else {
            ui.label(RichText::new("The open dataset does not match this result").color(palette.warning));
            return;
        };
        let side = ((ui.available_width() - 2.0 * ui.spacing().item_spacing.x) / 3.0).max(40.0);
        self.pattern.show(ui, key, compared, colored, side, index);
        let misfit = compared.misfit();
        ui.horizontal_wrapped(|ui| {
            ui.label(format!("Pattern {index}, misfit {}", short(misfit)));
            if ui.small_button("Show in Data").clicked() {
                actions.push(Action::SelectPattern(index));
                actions.push(Action::Go(Step::Data));
            }
        });
    }

    /// Refined probe and positions.
    pub(super) fn refined(&mut self, ui: &mut Ui) {
        let Some(result) = self.inputs.0.clone() else { return };
        let Some(refined) = result.refined.as_ref().filter(|refined| !refined.is_empty()) else { return };
        if self.pattern.summary.as_ref().is_none_or(|summary| summary.of != self.generation) {
            self.pattern.summary = Some(Summary::new(&result, refined, self.generation));
        }
        let Some(summary) = self.pattern.summary.clone() else { return };
        section(ui, "Refined with the object", |ui| {
            if let Some(shifts) = &summary.shifts {
                self.shifts(ui, result.max_shift, shifts);
            }
            if let Some(spread) = summary.intensity_spread {
                ui.label(format!("Beam intensity varies by {} % (rms)", short(100.0 * spread)));
            }
            let Some(probe) = &refined.probe else { return };
            let modes = probe.len_of(Axis(0));
            let view = &mut self.pattern;
            view.mode = view.mode.min(modes.saturating_sub(1));
            ui.horizontal_wrapped(|ui| {
                ui.label("Probe");
                field::aspects(ui, &mut view.aspect, true);
            });
            if modes > 1 {
                ui.horizontal_wrapped(|ui| {
                    field::modes(ui, &mut view.mode, &summary.shares);
                });
            }
            let mode = probe.index_axis(Axis(0), view.mode);
            let key = key_of((self.generation, view.mode, view.aspect));
            let at = |y: usize, x: usize| mode.get((y, x)).copied().unwrap_or_default();
            let caption = format!("{} px wide", mode.ncols());
            ui.allocate_ui(vec2(ui.available_width(), 190.0), |ui| {
                let (image, aspect) = (&mut view.probe, view.aspect);
                field::draw(ui, image, "Refined probe", key, mode.dim(), aspect, || mode.to_owned(), at, &caption);
            });
        });
    }

    fn shifts(&mut self, ui: &mut Ui, limit: f64, shifts: &Shifts) {
        let (rms, most, stuck) = (shifts.rms, shifts.most, shifts.stuck);
        ui.label(format!("Positions moved by {} px (rms), at most {} px", short(rms), short(most)));
        if stuck > 0 {
            ui.horizontal_wrapped(|ui| {
                mark(ui, Level::Warning, 14.0);
                ui.label(format!(
                    "{} reached the limit of {} px; raise “Maximum shift” or check the scan",
                    count_of(stuck, "position"),
                    short(limit)
                ));
            });
        }
        if let Some(fit) = &shifts.fit {
            let text = format!(
                "As a whole: scale x {:+.2} %, y {:+.2} %, rotation {:+.2}°, shear {:+.2}°",
                fit.scale_percent[0], fit.scale_percent[1], fit.rotation_degrees, fit.shear_degrees
            );
            let share = format!("This affine map explains {:.0} % of the squared displacement", 100.0 * fit.explained);
            ui.label(signed(text)).on_hover_text(&share);
            ui.label(RichText::new(share).small().color(theme::palette(ui).weak));
        }
        ui.horizontal_wrapped(|ui| {
            let mut on = self.marks.shifts.is_some();
            let help = "Arrows from the nominal positions, on the images";
            if ui.checkbox(&mut on, "Show the shifts").on_hover_text(help).changed() {
                // The longest arrow becomes about as long as a scan step.
                let times = (shifts.step / most.max(1e-9)).clamp(1.0, 100.0) as f32;
                self.marks.shifts = on.then_some(times);
            }
            if let Some(times) = &mut self.marks.shifts {
                let label = ui.label("magnified");
                ui.add(egui::DragValue::new(times).range(1.0..=500.0).speed(0.2).max_decimals(1).suffix(" ×"))
                    .labelled_by(label.id);
            }
        });
    }
}

impl PatternView {
    /// The three images in a row, and enlarged in a window.
    fn show(&mut self, ui: &mut Ui, key: u64, of: &Compared, colored: &[ColorImage; 3], side: f32, index: usize) {
        if self.enlarged {
            let mut open = true;
            let window = egui::Window::new(format!("Pattern {index}")).id(egui::Id::unique("pattern of the result"));
            let size = vec2(780.0, 320.0);
            window.open(&mut open).default_size(size).min_size([300.0, 160.0]).show(ui.ctx(), |ui| {
                let gap = 2.0 * ui.spacing().item_spacing.x;
                let side = ((ui.available_width() - gap) / 3.0).min(ui.available_height() - 44.0).max(80.0);
                self.row(ui, key, of, colored, side);
            });
            self.enlarged = open;
        } else {
            self.row(ui, key, of, colored, side);
        }
    }

    fn row(&mut self, ui: &mut Ui, key: u64, of: &Compared, colored: &[ColorImage; 3], side: f32) {
        let palette = theme::palette(ui);
        self.viewport.next_frame();
        let mut hovered = None;
        ui.horizontal_top(|ui| {
            for ((view, image), name) in self.images.iter_mut().zip(colored).zip(NAMES) {
                ui.vertical(|ui| {
                    ui.set_width(side);
                    ui.label(RichText::new(name).small().color(palette.weak));
                    ui.allocate_ui(vec2(side, side), |ui| {
                        let (label, size) = (format!("{name} pattern"), image.size);
                        let key = key_of((key, name));
                        let viewport = &mut self.viewport;
                        let shown = view.show_linked(ui, &label, key, size, viewport, Drag::Pan, || image.clone());
                        hovered = shown.hovered.or(hovered);
                    });
                });
            }
        });
        self.viewport.end_frame(ui.ctx());
        let largest = of.measured.iter().copied().fold(0.0, f32::max);
        let text = match hovered {
            Some([x, y]) => {
                let amplitude = |values: &Array2<f32>| values.get((y, x)).copied().unwrap_or_default();
                let (measured, calculated) = (amplitude(&of.measured), amplitude(&of.calculated));
                format!(
                    "x {x}, y {y}: {} / {} counts",
                    short((measured * measured).into()),
                    short((calculated * calculated).into())
                )
            }
            None => format!("Counts, log; difference of √counts, ±{}", short_number(f64::from(DIFFERENCE * largest))),
        };
        ui.label(RichText::new(text).small().color(palette.weak));
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::rendering::tests::example;
    use super::*;
    use crate::data::Dataset;
    use ndarray::Array3;
    use num_complex::Complex32;

    #[test]
    fn the_calculated_pattern_is_that_of_the_refined_parameters() {
        let mut result = example(64);
        let count = result.positions.len();
        let probe = Array3::from_elem((1, 8, 8), Complex32::new(1.0, 0.0));
        let position = result.positions[1];
        let (object, origin) = (result.reconstruction.object.clone(), result.reconstruction.origin_xy);
        let truth =
            calculated_pattern(object.view(), origin, probe.view(), position, crate::fourier::Propagation::FarField)
                .unwrap();
        let mut diffraction = Array3::zeros((count, 8, 8));
        diffraction.index_axis_mut(Axis(0), 1).assign(&truth.mapv(|amplitude| 2.0 * amplitude));
        let weak = probe.mapv(|value| value * 0.5);
        let dataset = Dataset::from_arrays(diffraction, result.positions.clone(), weak);
        let patterns = crate::ui::panels::data::patterns_of(dataset);
        let unrefined = Compared::new(&result, &patterns, 1).unwrap();
        assert!((unrefined.misfit() - 0.5625).abs() < 1e-4, "{}", unrefined.misfit());
        result.refined =
            Some(Refined { probe: Some(probe), intensities: Some(vec![4.0; count]), ..Refined::default() });
        let refined = Compared::new(&result, &patterns, 1).unwrap();
        assert!(refined.misfit() < 1e-9, "{}", refined.misfit());
        assert_eq!(Compared::new(&result, &patterns, count), None);
        result.positions.pop();
        assert_eq!(Compared::new(&result, &patterns, 1), None, "another dataset");
    }
}
