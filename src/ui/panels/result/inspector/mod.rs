//! The inspector beside the images: colors, phase, line profile, statistics, comparison.

mod agreement;
mod colors;
mod fourier;
mod measure;
mod pattern;

pub(super) use fourier::FourierView;
pub(super) use measure::Profile;
pub(super) use pattern::PatternView;

use super::View;
use super::controls::Compare;
use super::pane::{Source, Tool};
use super::rendering::{Layer, Quantity, Rendering};
use crate::imaging::{self, Statistics};
use crate::session::{Action, State};
use crate::ui::widgets::background::key_of;
use eframe::egui::{self, RichText, Ui};
use std::sync::Arc;

impl View {
    /// Draws the inspector.
    pub(in crate::ui::panels::result) fn inspector(
        &mut self,
        ui: &mut Ui,
        state: &State,
        key: u64,
        rendering: &Arc<Rendering>,
        actions: &mut Vec<Action>,
    ) {
        let difference = self.controls.is_difference(self.controls.active) && rendering.difference.is_some();
        let source = if difference { Source::Difference } else { Source::Result };
        let active = self.controls.active;
        // The active tool comes first, visible without scrolling.
        let tool = self.controls.tool;
        match tool {
            Tool::Pan => {}
            Tool::Profile => self.profile(ui, key, rendering),
            Tool::Region => self.region(ui, key, rendering),
            Tool::Pattern => self.pattern(ui, state, rendering, actions),
        }
        section(ui, "Colors", |ui| {
            let shown = self.controls.quantities();
            if shown.len() > 1 {
                ui.horizontal_wrapped(|ui| {
                    ui.label(RichText::new("Image").weak());
                    for quantity in shown {
                        ui.selectable_value(&mut self.controls.active, quantity, quantity.label());
                    }
                });
            }
            let plane = source.layer(rendering).and_then(|layer| layer.plane(active));
            if let (Some(plane), Some(tone)) = (plane, self.tone(rendering, active, source)) {
                colors::colors(ui, &mut self.controls, plane, &tone, difference);
            }
        });
        if matches!(active, Quantity::Phase | Quantity::Complex) {
            section(ui, "Phase", |ui| colors::phase(ui, &mut self.controls.options, rendering));
        }
        // An active comparison comes next.
        let comparing = self.controls.compare != Compare::Off;
        if comparing {
            self.comparison(ui, rendering);
        }
        if tool != Tool::Profile {
            self.profile(ui, key, rendering);
        }
        if tool != Tool::Region {
            self.region(ui, key, rendering);
        }
        if !comparing {
            self.comparison(ui, rendering);
        }
        if tool != Tool::Pattern {
            self.pattern(ui, state, rendering, actions);
        }
        self.refined(ui);
        self.fourier(ui, key, rendering);
    }

    fn profile(&mut self, ui: &mut Ui, key: u64, rendering: &Rendering) {
        section(ui, "Line profile", |ui| {
            measure::profile(ui, &self.controls, (key, rendering), &mut self.marks, &mut self.profile);
        });
    }

    fn region(&mut self, ui: &mut Ui, key: u64, rendering: &Arc<Rendering>) {
        let active = self.controls.active;
        let statistics = self.statistics(ui, key, rendering, active);
        let kept = self.kept_statistics(ui, key, rendering, active);
        section(ui, "Statistics", |ui| {
            measure::region(ui, active, rendering, &mut self.marks, &statistics);
            measure::regions(ui, active, rendering, &mut self.marks, &kept);
        });
    }

    fn comparison(&mut self, ui: &mut Ui, rendering: &Rendering) {
        if rendering.other.is_none() {
            return;
        }
        section(ui, "Comparison", |ui| {
            agreement::agreement(ui, rendering);
            ui.checkbox(&mut self.controls.options.match_amplitude, "Match amplitude").on_hover_text(
                "Scale the compared object to the amplitude of the result, which the data do not always determine",
            );
            ui.checkbox(&mut self.controls.same_limits, "Same color limits")
                .on_hover_text("Use the same color scale for both images");
            if self.controls.compare == Compare::Flicker {
                let slider = egui::Slider::new(&mut self.controls.flicker_s, 0.1..=3.0).suffix(" s").text("Flicker");
                ui.add(slider);
            }
        });
    }

    /// Statistics of the regions kept in the list, of one quantity of the result.
    fn kept_statistics(
        &mut self,
        ui: &Ui,
        key: u64,
        rendering: &Arc<Rendering>,
        quantity: Quantity,
    ) -> Vec<Option<Statistics>> {
        let regions = self.marks.kept.clone();
        if regions.is_empty() {
            return Vec::new();
        }
        let key = key_of((key, quantity, &regions));
        let found = self.kept.get(ui.ctx(), key, || {
            let rendering = rendering.clone();
            move || {
                let of = |region: &[usize; 4]| {
                    let plane = rendering.result.plane(quantity)?;
                    imaging::statistics(plane.values.view(), rendering.result.covered.view(), *region)
                };
                regions.iter().map(of).collect::<Vec<_>>()
            }
        });
        found.map_or_else(Vec::new, |(_, statistics)| statistics.to_vec())
    }

    fn statistics(
        &mut self,
        ui: &Ui,
        key: u64,
        rendering: &Arc<Rendering>,
        quantity: Quantity,
    ) -> Vec<(String, Option<Statistics>)> {
        let region = self.marks.region;
        let compared = self.controls.compare != Compare::Off;
        let work = {
            let rendering = rendering.clone();
            move || {
                let region = region.unwrap_or([0, 0, usize::MAX, usize::MAX]);
                let layers = [Some(&rendering.result), rendering.other.as_ref().filter(|_| compared)];
                let of = |layer: &Layer| {
                    let plane = layer.plane(quantity)?;
                    imaging::statistics(plane.values.view(), layer.covered.view(), region)
                };
                layers.into_iter().flatten().map(|layer| (layer.name.clone(), of(layer))).collect()
            }
        };
        let key = key_of((key, quantity, region, compared));
        if rendering.size[0] * rendering.size[1] < 100_000 {
            return self.statistics.get_now(key, work).to_vec();
        }
        self.statistics.get(ui.ctx(), key, || work).map_or_else(Vec::new, |(_, statistics)| statistics.to_vec())
    }
}

/// A collapsible section.
fn section(ui: &mut Ui, title: &str, contents: impl FnOnce(&mut Ui)) {
    egui::CollapsingHeader::new(RichText::new(title).strong()).default_open(true).show_unindented(ui, |ui| {
        ui.add_space(2.0);
        contents(ui);
        ui.add_space(6.0);
    });
}

/// A row of a two-column grid: label and labeled control.
fn row(ui: &mut Ui, label: &str, help: &str, control: impl FnOnce(&mut Ui) -> egui::Response) {
    let label = ui.label(label).on_hover_text(help);
    control(ui).labelled_by(label.id).on_hover_text(help);
    ui.end_row();
}
