//! The toolbar: quantities, comparison, tools, polish and export.

use super::View;
use super::controls::{Compare, Controls};
use super::export::Export;
use super::pane::Tool;
use super::rendering::{Quantity, Reference, Rendering};
use crate::library::{ResultData, ResultFormat};
use crate::session::{Action, State};
use crate::ui::panels::Outbox;
use crate::ui::widgets::{elided, spinner};
use eframe::egui::{self, ComboBox, Ui, vec2};
use std::path::PathBuf;

/// Panel width below which the toolbar has three rows.
const NARROW: f32 = 1240.0;
/// Maximum letters of a run name in the closed list.
const NAME: usize = 18;
/// Name of the reference object of the dataset in the list.
const REFERENCE: &str = "reference object";

impl View {
    /// Draws the toolbar.
    pub(super) fn toolbar(
        &mut self,
        ui: &mut Ui,
        state: &State,
        rendering: Option<&Rendering>,
        outbox: &mut Outbox,
        actions: &mut Vec<Action>,
    ) {
        // A wrapped row does not know the width of a combo box before drawing it, so narrow panels get separate rows.
        if ui.available_width() >= NARROW {
            ui.horizontal_wrapped(|ui| {
                // Fits one row in a 1280-point window.
                ui.spacing_mut().item_spacing.x = 4.0;
                ui.spacing_mut().button_padding.x = 6.5;
                self.quantity_buttons(ui, rendering);
                ui.separator();
                compare(ui, &mut self.controls, state, actions);
                ui.separator();
                self.tool_buttons(ui, rendering);
                ui.separator();
                polish(ui, state, actions);
                self.export_menu(ui, state, rendering, outbox);
            });
            return;
        }
        ui.horizontal_wrapped(|ui| self.quantity_buttons(ui, rendering));
        ui.horizontal(|ui| compare(ui, &mut self.controls, state, actions));
        ui.horizontal_wrapped(|ui| {
            self.tool_buttons(ui, rendering);
            polish(ui, state, actions);
            self.export_menu(ui, state, rendering, outbox);
        });
    }

    fn quantity_buttons(&mut self, ui: &mut Ui, rendering: Option<&Rendering>) {
        let controls = &mut self.controls;
        for (quantity, shown) in Quantity::ALL.into_iter().zip(&mut controls.shown) {
            let missing = quantity == Quantity::Residual
                && rendering.is_some_and(|rendering| rendering.result.plane(quantity).is_none());
            let button = ui.add_enabled(!missing, egui::Button::selectable(*shown, quantity.label()));
            let why = "The dataset of this run was moved or deleted, so the misfit cannot be computed";
            if button.on_hover_text(quantity.help()).on_disabled_hover_text(why).clicked() {
                *shown = !*shown;
                if *shown {
                    controls.active = quantity;
                }
            }
        }
        // Always show at least one quantity.
        if !controls.shown.contains(&true) {
            controls.shown = Controls::default().shown;
        }
        if !controls.quantities().contains(&controls.active) {
            controls.active = controls.quantities().first().copied().unwrap_or(Quantity::Amplitude);
        }
    }

    fn tool_buttons(&mut self, ui: &mut Ui, rendering: Option<&Rendering>) {
        for tool in Tool::ALL {
            let button = ui.selectable_label(self.controls.tool == tool, tool.label()).on_hover_text(tool.help());
            if button.clicked() {
                self.controls.tool = tool;
            }
        }
        if ui.button("Fit").on_hover_text("Fit to view (F)").clicked() {
            self.viewport.fit();
        }
        if ui.button("1:1").on_hover_text("One object pixel per screen pixel (1)").clicked()
            && let Some(rendering) = rendering
        {
            let extent = vec2(rendering.size[0] as f32, rendering.size[1] as f32);
            self.viewport.set_zoom(1.0 / ui.pixels_per_point(), extent);
        }
    }

    fn export_menu(&mut self, ui: &mut Ui, state: &State, rendering: Option<&Rendering>, outbox: &mut Outbox) {
        let folder = state.result.as_ref().map(|result| result.folder.clone());
        if self.export.is_some() || rendering.is_none() {
            ui.add_enabled(false, egui::Button::new("Export")).on_disabled_hover_text("Preparing the export");
        } else {
            ui.menu_button("Export", |ui| {
                for (i, export) in Export::DISPLAYED.into_iter().chain(Export::NUMBERS).enumerate() {
                    if i == Export::DISPLAYED.len() {
                        ui.separator();
                    }
                    if ui.button(export.label()).on_hover_text(export.help()).clicked() {
                        self.request_export(export);
                        ui.close();
                    }
                }
                ui.separator();
                for (format, name, help) in [
                    (
                        ResultFormat::Product,
                        "Ptychodus product (HDF5)…",
                        "Object, probe and positions in meters; needs the dataset and the size of a pixel",
                    ),
                    (ResultFormat::Cxi, "CXI image…", "The complex object as image 1, with mask and size"),
                ] {
                    if ui.button(name).on_hover_text(help).clicked() {
                        outbox.export_runs = folder.clone().map(|folder| (vec![folder], format));
                        ui.close();
                    }
                }
            });
        }
        ui.toggle_value(&mut self.controls.inspector, "Inspector")
            .on_hover_text("Colors, profile, statistics, comparison");
    }
}

/// Button that refines the result, disabled with a reason if impossible.
fn polish(ui: &mut Ui, state: &State, actions: &mut Vec<Action>) {
    let reason = state.why_not_polish();
    let button = ui.add_enabled(reason.is_none(), egui::Button::new("Polish"));
    let about =
        "Refines this object with a few epochs of the direct solver; the previous result is kept for comparison";
    let button = button.on_hover_text(about);
    if button.on_disabled_hover_text(reason.unwrap_or_default()).clicked() {
        actions.push(Action::Polish);
    }
}

/// Comparison mode and object.
fn compare(ui: &mut Ui, controls: &mut Controls, state: &State, actions: &mut Vec<Action>) {
    let has_reference = state.result.as_ref().is_some_and(|result| result.truth.is_some());
    let label = ui.label("Compare");
    let possible = controls.options.reference.is_some();
    if possible {
        // Of one width whatever it shows, so that the buttons beside it stay in place.
        let combo = ComboBox::from_id_salt("compare").width(100.0).truncate().selected_text(controls.compare.label());
        let combo = combo.show_ui(ui, |ui| {
            for compare in Compare::ALL {
                ui.selectable_value(&mut controls.compare, compare, compare.label());
            }
        });
        combo.response.labelled_by(label.id);
    } else {
        ui.add_enabled(false, egui::Button::new(Compare::Off.label()))
            .on_disabled_hover_text("Select another run first: the dataset contains no reference object");
    }
    let with = ui.label("with");
    let name = |result: &ResultData| result.folder.file_name().map(|name| name.to_string_lossy().into_owned());
    let chosen = match controls.options.reference {
        Some(Reference::Dataset) => REFERENCE.to_owned(),
        Some(Reference::Run) => state.beside.as_ref().and_then(|run| name(run)).unwrap_or_default(),
        None => "another run…".to_owned(),
    };
    let list = ComboBox::from_id_salt("reference").width(118.0).truncate().selected_text(elided(&chosen, NAME));
    let combo = list.show_ui(ui, |ui| {
        let is = |reference: Reference| controls.options.reference == Some(reference);
        let missing = "The dataset contains no reference object, or was moved or deleted";
        let button = ui.add_enabled(has_reference, egui::Button::selectable(is(Reference::Dataset), REFERENCE));
        if button.on_disabled_hover_text(missing).clicked() {
            controls.reference = Reference::Dataset;
        }
        if let Some(run) = &state.beside {
            if ui.selectable_label(is(Reference::Run), name(run).unwrap_or_default()).clicked() {
                controls.reference = Reference::Run;
            }
            if ui.button("Close other run").clicked() {
                actions.push(Action::ClearBeside);
            }
        }
        ui.separator();
        let own = state.result.as_ref().map(|result| &result.folder);
        let beside = state.beside.as_ref().map(|result| &result.folder);
        let listed = |folder: &PathBuf| Some(folder) != own && Some(folder) != beside;
        let others = state.runs.iter().filter(|run| run.has_result && listed(&run.folder)).take(12);
        let mut any = beside.is_some();
        for run in others {
            any = true;
            if ui.button(&run.name).clicked() {
                actions.push(Action::ShowResult { folder: run.folder.clone(), beside: true });
            }
        }
        if !any {
            ui.weak("No other runs");
        }
    });
    combo.response.labelled_by(with.id).on_hover_text(chosen);
    if state.reading_result {
        spinner(ui);
    }
}
