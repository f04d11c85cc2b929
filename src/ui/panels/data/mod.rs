//! The dataset: what the file holds, whether it can be used, and what its patterns look like.
//!
//! * `summary`: the headline and what is said in plain words. * `verdicts`, `arrays`: checks and table.
//! * `browser`, `pixels`: patterns. * `scan`: positions. * `field`: probe and object. * `photons`: counts.

mod arrays;
mod browser;
mod field;
mod photons;
mod pixels;
mod scan;
mod summary;
mod verdicts;

use super::Outbox;
use crate::session::{Action, Level, OpenDataset, State};
use crate::ui::commands::Command;
use crate::ui::theme;
use crate::worker::message::Patterns;
use eframe::egui::{self, Panel, RichText, ScrollArea, vec2};
use std::sync::Arc;

/// Width from which on facts and pictures stand side by side.
const WIDE: f32 = 900.0;

/// How the dataset is shown.
#[derive(Default)]
pub struct View {
    browser: browser::Browser,
    scan: scan::Scan,
    probe: field::ProbeView,
    object: field::ObjectView,
    photons: photons::Photons,
    /// The position under the pointer in the frame before.
    looked_at: Option<usize>,
}

impl View {
    /// Draws the panel.
    pub fn show(&mut self, ui: &mut egui::Ui, state: &State, outbox: &mut Outbox, actions: &mut Vec<Action>) {
        let Some(dataset) = &state.dataset else { return };
        headline(ui, dataset, outbox, actions);
        ui.add_space(4.0);
        ui.separator();
        let Some(patterns) = &dataset.patterns else {
            ScrollArea::vertical().auto_shrink([false, false]).show(ui, |ui| facts(ui, state, dataset, actions));
            return;
        };
        if ui.available_width() >= WIDE {
            let third = (0.3 * ui.available_width()).clamp(300.0, 480.0);
            Panel::left("facts of the dataset")
                .resizable(true)
                .default_size(third)
                .size_range(240.0..=640.0)
                .frame(egui::Frame::NONE.inner_margin(egui::Margin { right: 10, ..egui::Margin::ZERO }))
                .show(ui, |ui| {
                    ScrollArea::vertical().auto_shrink([false, false]).show(ui, |ui| facts(ui, state, dataset, actions));
                });
            egui::Frame::NONE.inner_margin(egui::Margin { left: 10, ..egui::Margin::ZERO }).show(ui, |ui| {
                ScrollArea::vertical().auto_shrink([false, false]).show(ui, |ui| {
                    self.side_by_side(ui, state, dataset, patterns, actions);
                });
            });
        } else {
            ScrollArea::vertical().auto_shrink([false, false]).show(ui, |ui| {
                self.one_below_the_other(ui, state, dataset, patterns, actions);
            });
        }
    }

    fn side_by_side(
        &mut self,
        ui: &mut egui::Ui,
        state: &State,
        dataset: &OpenDataset,
        patterns: &Arc<Patterns>,
        actions: &mut Vec<Action>,
    ) {
        let space = ui.available_size();
        let gap = ui.spacing().item_spacing;
        let upper = (0.6 * (space.y - gap.y)).max(330.0);
        let lower = (space.y - gap.y - upper).max(230.0);
        let half = (space.x - 2.0 * gap.x) / 2.0;
        ui.horizontal_top(|ui| {
            self.section(ui, Section::Patterns, [half, upper], state, dataset, patterns, actions);
            ui.add_space(gap.x);
            self.section(ui, Section::Scan, [half, upper], state, dataset, patterns, actions);
        });
        let third = (space.x - 4.0 * gap.x) / 3.0;
        ui.horizontal_top(|ui| {
            self.section(ui, Section::Probe, [third, lower], state, dataset, patterns, actions);
            ui.add_space(gap.x);
            self.section(ui, Section::Object, [third, lower], state, dataset, patterns, actions);
            ui.add_space(gap.x);
            self.section(ui, Section::Photons, [third, lower], state, dataset, patterns, actions);
        });
    }

    fn one_below_the_other(
        &mut self,
        ui: &mut egui::Ui,
        state: &State,
        dataset: &OpenDataset,
        patterns: &Arc<Patterns>,
        actions: &mut Vec<Action>,
    ) {
        let width = ui.available_width();
        if let Some(inspection) = &dataset.inspection {
            verdicts::show(ui, state, inspection, actions);
            ui.add_space(8.0);
        }
        let tall = (0.9 * width).clamp(320.0, 520.0);
        for section in [Section::Patterns, Section::Scan, Section::Probe, Section::Object, Section::Photons] {
            let height = match section {
                Section::Patterns | Section::Scan => tall,
                Section::Object if patterns.dataset.object.is_none() => 70.0,
                _ => 300.0,
            };
            self.section(ui, section, [width, height], state, dataset, patterns, actions);
            ui.add_space(8.0);
        }
        ui.label(RichText::new("Arrays in the file").strong());
        arrays::show(ui, &dataset.arrays);
    }

    #[allow(clippy::too_many_arguments)]
    fn section(
        &mut self,
        ui: &mut egui::Ui,
        section: Section,
        size: [f32; 2],
        state: &State,
        dataset: &OpenDataset,
        patterns: &Arc<Patterns>,
        actions: &mut Vec<Action>,
    ) {
        let layout = egui::Layout::top_down(egui::Align::Min);
        ui.allocate_ui_with_layout(vec2(size[0], size[1]), layout, |ui| {
            ui.set_min_size(vec2(size[0], size[1]));
            ui.set_max_width(size[0]);
            ui.label(RichText::new(section.title()).strong());
            let selected = dataset.selected;
            match section {
                Section::Patterns => {
                    let limit = pixels::limit(patterns, dataset.inspection.as_deref());
                    self.browser.show(ui, patterns, selected, self.looked_at, limit, actions);
                }
                Section::Scan => {
                    let before = self.looked_at;
                    self.looked_at = self.scan.show(ui, patterns, selected, state.draft.config(), actions);
                    if self.looked_at != before {
                        // The browser was drawn first and follows in the next frame.
                        ui.ctx().request_repaint();
                    }
                }
                Section::Probe => self.probe.show(ui, patterns),
                Section::Object => self.object.show(ui, patterns),
                Section::Photons => self.photons.show(ui, patterns, selected),
            }
        });
    }
}

/// A part of the panel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Section {
    Patterns,
    Scan,
    Probe,
    Object,
    Photons,
}

impl Section {
    fn title(self) -> &'static str {
        match self {
            Self::Patterns => "Diffraction patterns",
            Self::Scan => "Scan positions",
            Self::Probe => "Probe",
            Self::Object => "Object to compare with",
            Self::Photons => "Photons per pattern",
        }
    }
}

fn headline(ui: &mut egui::Ui, dataset: &OpenDataset, outbox: &mut Outbox, actions: &mut Vec<Action>) {
    let palette = theme::palette(ui);
    let head = summary::headline(dataset);
    ui.horizontal_top(|ui| {
        let buttons = 250.0;
        let width = (ui.available_width() - buttons).max(180.0);
        ui.allocate_ui_with_layout(vec2(width, 44.0), egui::Layout::top_down(egui::Align::Min), |ui| {
            ui.set_min_width(width);
            ui.spacing_mut().item_spacing.y = 2.0;
            ui.horizontal_wrapped(|ui| {
                let color = palette.level(head.level);
                match head.level {
                    Level::Success => drop(ui.label(RichText::new("✔").size(18.0).color(color))),
                    Level::Warning => drop(ui.label(RichText::new("⚠").size(18.0).color(color))),
                    Level::Error => drop(ui.label(RichText::new("✖").size(18.0).color(color))),
                    Level::Info => drop(ui.spinner()),
                }
                ui.label(RichText::new(&head.text).heading());
                if dataset.loading && dataset.patterns.is_some() {
                    ui.spinner();
                    ui.label(RichText::new("Reading again").color(palette.weak));
                }
            });
            if !head.detail.is_empty() {
                ui.label(RichText::new(&head.detail).color(palette.weak));
            }
        });
        ui.with_layout(egui::Layout::right_to_left(egui::Align::Min), |ui| {
            if ui.button("Close").on_hover_text("Close this dataset").clicked() {
                actions.push(Action::CloseDataset);
            }
            let again = ui.add_enabled(!dataset.loading, egui::Button::new("Read again"));
            let again = again.on_hover_text(dataset.path.display().to_string());
            if again.on_disabled_hover_text("It is being read").clicked() {
                actions.push(Action::Reload);
            }
            if ui.button("Open other…").clicked() {
                outbox.command = Some(Command::Open);
            }
        });
    });
}

/// Verdicts and table.
fn facts(ui: &mut egui::Ui, state: &State, dataset: &OpenDataset, actions: &mut Vec<Action>) {
    match &dataset.inspection {
        Some(inspection) => verdicts::show(ui, state, inspection, actions),
        None if dataset.loading => {
            ui.horizontal(|ui| {
                ui.spinner();
                ui.label("Checking the values");
            });
        }
        None => {}
    }
    ui.add_space(8.0);
    if !dataset.arrays.is_empty() {
        ui.label(RichText::new("Arrays in the file").strong());
        arrays::show(ui, &dataset.arrays);
    }
    ui.add_space(4.0);
    let path = dataset.path.display().to_string();
    let text = RichText::new(&path).small().color(theme::palette(ui).weak);
    ui.add(egui::Label::new(text).wrap());
}
