//! The stitched object: amplitude and phase side by side, with tools to inspect them.
//!
//! * `rendering`: display data of a result; `colors`: color settings; `controls`: display settings.
//! * `images`, `pane`: the images; `toolbar`: above them; `inspector`: beside them; `summary`: the header line.
//! * `metrics`: agreement with the reference or another run; `export`: files and clipboard; `caption`: text of a figure.
//!
//! Hazard: flattening, unwrapping and painting a megapixel object takes a noticeable time. Remedy: renderings, large
//! images, statistics and files are computed in the background, and the latest available one is displayed.

mod caption;
mod colors;
mod controls;
mod empty;
mod export;
mod images;
mod inspector;
mod metrics;
mod pane;
mod rendering;
mod summary;
#[cfg(test)]
mod tests;
mod toolbar;

pub(in crate::ui::panels) use images::columns;
#[cfg(test)]
pub(crate) use rendering::tests::example as example_result;

use super::Outbox;
use crate::imaging::Statistics;
use crate::library::ResultData;
use crate::session::{Action, State};
use crate::ui::widgets::background::{Background, key_of};
use crate::ui::widgets::image_view::Viewport;
use crate::ui::widgets::spinner;
use controls::{Compare, Controls};
use eframe::egui::{self, Ui, vec2};
use export::{Export, Output};
use pane::{Marks, Pane, Source};
use rendering::{Quantity, Reference, Rendering};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Width of the inspector.
const INSPECTOR: f32 = 316.0;
/// Minimum panel width with the inspector beside the images.
const WIDE: f32 = 860.0;
/// Height of the images if the inspector is below them.
const STACKED: f32 = 420.0;

/// State of the result panel.
#[derive(Default)]
pub struct View {
    controls: Controls,
    rendering: Background<Rendering>,
    panes: BTreeMap<(Quantity, Source), Pane>,
    viewport: Viewport,
    marks: Marks,
    pattern: inspector::PatternView,
    /// Tool for which the inspector was scrolled to the top.
    scrolled_for: pane::Tool,
    profile: inspector::Profile,
    fourier: inspector::FourierView,
    statistics: Background<Vec<(String, Option<Statistics>)>>,
    kept: Background<Vec<Option<Statistics>>>,
    output: Background<Result<Output, String>>,
    /// Pending export and its number.
    export: Option<(Export, u64)>,
    exports: u64,
    /// Images per row.
    columns: usize,
    /// Inputs of the rendering, held so that a reused address is not mistaken for the same result.
    inputs: (Option<Arc<ResultData>>, Option<Arc<ResultData>>),
    generation: u64,
}

impl View {
    /// Draws the panel.
    pub fn show(&mut self, ui: &mut Ui, state: &State, outbox: &mut Outbox, actions: &mut Vec<Action>) {
        self.update_inputs(state);
        let Some(result) = &state.result else {
            return empty::show(ui, state, outbox, actions);
        };
        self.finish_export(ui, state, outbox, actions);
        self.tool_keys(ui);
        let rendering = self.rendering(ui, result, state.beside.as_ref());
        let amplitude = rendering.as_ref().and_then(|(_, rendering)| rendering.result.plane(Quantity::Amplitude));
        summary::show(ui, result, amplitude.map(|plane| plane.ordered.limits(0.5, 0.5).low));
        ui.add_space(4.0);
        self.toolbar(ui, state, rendering.as_ref().map(|(_, rendering)| rendering.as_ref()), outbox, actions);
        ui.separator();
        let Some((key, rendering)) = rendering else {
            let key = self.rendering_key();
            ui.centered_and_justified(|ui| {
                if self.rendering.has_failed(key) {
                    ui.label("Rendering failed. Try other phase settings, or open another run.");
                } else {
                    spinner(ui);
                }
            });
            return;
        };
        if ui.available_width() >= WIDE && self.controls.inspector {
            let space = ui.available_size();
            let left = vec2(space.x - INSPECTOR - 14.0, space.y);
            ui.horizontal_top(|ui| {
                ui.allocate_ui_with_layout(left, egui::Layout::top_down(egui::Align::Min), |ui| {
                    self.images_with_readout(ui, state, key, &rendering, actions);
                });
                ui.separator();
                ui.vertical(|ui| {
                    let mut area = egui::ScrollArea::vertical().auto_shrink([false, false]);
                    // The section of a newly chosen tool is the first.
                    if std::mem::replace(&mut self.scrolled_for, self.controls.tool) != self.controls.tool {
                        area = area.vertical_scroll_offset(0.0);
                    }
                    area.show(ui, |ui| {
                        ui.set_max_width(INSPECTOR - 14.0);
                        self.inspector(ui, state, key, &rendering, actions);
                    });
                });
            });
        } else if self.controls.inspector {
            egui::ScrollArea::vertical().auto_shrink([false, false]).show(ui, |ui| {
                let height = STACKED.min((ui.available_height() - 60.0).max(240.0));
                ui.allocate_ui_with_layout(vec2(ui.available_width(), height), *ui.layout(), |ui| {
                    self.images_with_readout(ui, state, key, &rendering, actions);
                });
                ui.separator();
                self.inspector(ui, state, key, &rendering, actions);
            });
        } else {
            self.images_with_readout(ui, state, key, &rendering, actions);
        }
    }

    /// Chooses a tool by its key, unless a text is being typed.
    fn tool_keys(&mut self, ui: &Ui) {
        if ui.ctx().text_edit_focused() || ui.memory(|memory| memory.top_modal_layer().is_some()) {
            return;
        }
        for tool in pane::Tool::ALL {
            if ui.input_mut(|input| input.consume_key(egui::Modifiers::NONE, tool.key())) {
                self.controls.tool = tool;
            }
        }
        if ui.input_mut(|input| input.consume_key(egui::Modifiers::NONE, egui::Key::F)) {
            self.viewport.fit();
        }
    }

    /// Detects new results; shows a newly loaded run side by side with the result.
    fn update_inputs(&mut self, state: &State) {
        let same = |a: &Option<Arc<ResultData>>, b: &Option<Arc<ResultData>>| match (a, b) {
            (Some(a), Some(b)) => Arc::ptr_eq(a, b),
            (None, None) => true,
            _ => false,
        };
        let (result, beside) = (same(&self.inputs.0, &state.result), same(&self.inputs.1, &state.beside));
        if !result || !beside {
            if !result {
                (self.marks.pattern, self.marks.shifts) = (None, None);
                self.marks.kept.clear();
            }
            self.inputs = (state.result.clone(), state.beside.clone());
            self.generation += 1;
        }
        if !beside && state.beside.is_some() {
            self.controls.reference = Reference::Run;
            if self.controls.compare == Compare::Off {
                self.controls.compare = Compare::SideBySide;
            }
        }
        let has_reference = state.result.as_ref().is_some_and(|result| result.truth.is_some());
        if self.controls.reference == Reference::Run && state.beside.is_none() {
            self.controls.reference = Reference::Dataset;
        }
        self.controls.options.reference = match self.controls.reference {
            Reference::Run => Some(Reference::Run),
            Reference::Dataset => has_reference.then_some(Reference::Dataset),
        };
        if self.controls.options.reference.is_none() {
            self.controls.compare = Compare::Off;
        }
    }

    fn rendering_key(&self) -> u64 {
        key_of((self.generation, self.controls.options))
    }

    fn rendering(
        &mut self,
        ui: &Ui,
        result: &Arc<ResultData>,
        beside: Option<&Arc<ResultData>>,
    ) -> Option<(u64, Arc<Rendering>)> {
        let options = self.controls.options;
        self.rendering.get(ui.ctx(), self.rendering_key(), || {
            let (result, beside) = (result.clone(), beside.cloned());
            move || Rendering::new(&result, beside.as_ref(), options)
        })
    }
}
