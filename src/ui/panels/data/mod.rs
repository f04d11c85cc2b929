//! The dataset: content of the file, checks, and images of patterns, probe and object.
//!
//! * `header`, `summary`: headline and texts. * `verdicts`, `arrays`: checks and table of arrays.
//! * `browser`, `pixels`, `mask`, `detector`: patterns, bad pixels, virtual detector. * `raw`: a file as stored, and the crop.
//! * `scan`, `orientation`, `selection`: positions, orientation, patterns left out.
//! * `diagnose`: trials that find a fault. * `field`, `probe_tool`: probe and object. * `photons`: counts. * `reading`: the settings that belong to the file.

mod arrays;
pub(super) mod browser;
mod detector;
mod diagnose;
pub(super) mod field;
mod header;
mod mask;
mod orientation;
mod photons;
mod pixels;
mod probe_tool;
mod raw;
mod reading;
mod scan;
mod selection;
mod summary;
#[cfg(test)]
mod tests;
mod verdicts;

use super::Outbox;
use crate::data::mask_file_bytes;
use crate::library::Patterns;
use crate::session::{Action, Level, OpenDataset, State};
use crate::system::file_stem;
use crate::ui::theme;
use crate::ui::widgets::spinner;
use eframe::egui::{self, Panel, RichText, ScrollArea, vec2};
use mask::MaskRequest;
use std::path::PathBuf;
use std::sync::Arc;

/// Statistics of a dataset made in a test.
#[cfg(test)]
pub(super) fn patterns_of(dataset: crate::data::Dataset) -> Patterns {
    use ndarray::Axis;
    let squares = dataset.diffraction.mapv(|amplitude| amplitude * amplitude);
    Patterns {
        mean: squares.mean_axis(Axis(0)).unwrap_or_default(),
        max: squares.fold_axis(Axis(0), 0.0_f32, |most, value| most.max(*value)),
        counts: squares.outer_iter().map(|pattern| f64::from(pattern.sum())).collect(),
        nearest: vec![1.0; dataset.len()],
        probe_diameter: 4.0,
        overlap: 0.7,
        left_out: Vec::new(),
        dataset,
    }
}

/// Minimum width with checks and images side by side.
const WIDE: f32 = 1020.0;

/// State of the data panel.
#[derive(Default)]
pub struct View {
    browser: browser::Browser,
    scan: scan::Scan,
    probe: field::ProbeView,
    object: field::ObjectView,
    photons: photons::Photons,
    reading: reading::Reading,
    diagnose: diagnose::Strip,
    raw: raw::RawView,
    selection: selection::Selection,
    probe_tool: probe_tool::ProbeTool,
    page: Page,
    /// True once the patterns as stored have been asked for.
    raw_requested: bool,
    /// Position hovered in the previous frame.
    hovered: Option<usize>,
    /// Pending request of the mask editor.
    mask_request: Option<MaskRequest>,
}

impl View {
    /// Draws the panel.
    pub fn show(&mut self, ui: &mut egui::Ui, state: &State, outbox: &mut Outbox, actions: &mut Vec<Action>) {
        let Some(dataset) = &state.dataset else { return };
        self.draw(ui, state, dataset, outbox, actions);
        match self.mask_request.take() {
            None => {}
            Some(MaskRequest::Load) => outbox.choose_mask = true,
            Some(MaskRequest::Remove) => actions.push(Action::UseMask(PathBuf::new())),
            Some(MaskRequest::Save(bad)) => match mask_file_bytes(&bad) {
                Ok(bytes) => {
                    outbox.mask = Some((format!("{}_mask.npy", file_stem(&dataset.path)), bytes));
                }
                Err(error) => actions.push(Action::Notify { level: Level::Error, text: error.to_string() }),
            },
        }
    }

    fn draw(
        &mut self,
        ui: &mut egui::Ui,
        state: &State,
        dataset: &OpenDataset,
        outbox: &mut Outbox,
        actions: &mut Vec<Action>,
    ) {
        header::show(ui, dataset, outbox, actions);
        self.reading.strip(ui, state, dataset, actions);
        if dataset.patterns.is_some() {
            self.diagnose.show(ui, state, dataset, actions);
        }
        ui.add_space(4.0);
        ui.separator();
        let Some(patterns) = &dataset.patterns else {
            return self.unusable(ui, state, dataset, outbox, actions);
        };
        self.selection.follow(patterns);
        if self.page != Page::Overview {
            ui.horizontal_wrapped(|ui| {
                if ui.button("◀ Back").on_hover_text("Back to the dataset").clicked() {
                    self.page = Page::Overview;
                    ui.ctx().request_repaint();
                }
                ui.label(self.page.about());
            });
        }
        match self.page {
            Page::Overview => {}
            Page::Crop => return self.crop(ui, state, dataset, actions),
            Page::Probe => return self.probe_tool.show(ui, state, patterns, outbox, actions),
        }
        if ui.available_width() >= WIDE {
            let third = (0.335 * ui.available_width()).clamp(300.0, 480.0);
            Panel::left("facts of the dataset")
                .resizable(true)
                .default_size(third)
                .size_range(240.0..=640.0)
                .frame(egui::Frame::NONE.inner_margin(egui::Margin { right: 10, ..egui::Margin::ZERO }))
                .show(ui, |ui| {
                    ScrollArea::vertical()
                        .auto_shrink([false, false])
                        .show(ui, |ui| self.facts(ui, state, dataset, outbox, actions));
                });
            egui::Frame::NONE.inner_margin(egui::Margin { left: 10, ..egui::Margin::ZERO }).show(ui, |ui| {
                ScrollArea::vertical().auto_shrink([false, false]).show(ui, |ui| {
                    self.side_by_side(ui, state, dataset, patterns, actions);
                });
            });
        } else {
            ScrollArea::vertical().auto_shrink([false, false]).show(ui, |ui| {
                self.stacked(ui, state, dataset, patterns, outbox, actions);
            });
        }
    }

    /// A file that cannot be used, or not yet: its arrays and settings beside what can be seen of it.
    fn unusable(
        &mut self,
        ui: &mut egui::Ui,
        state: &State,
        dataset: &OpenDataset,
        outbox: &mut Outbox,
        actions: &mut Vec<Action>,
    ) {
        let raw = dataset.raw.as_ref().filter(|raw| !raw.is_empty());
        let wide = ui.available_width() >= WIDE;
        if let (Some(raw), true) = (raw, wide) {
            Panel::right("what is seen of the file")
                .resizable(true)
                .default_size(0.5 * ui.available_width())
                .size_range(280.0..=1600.0)
                .frame(egui::Frame::NONE.inner_margin(egui::Margin { left: 10, ..egui::Margin::ZERO }))
                .show(ui, |ui| self.raw.show(ui, state, raw, actions));
        }
        ScrollArea::vertical().auto_shrink([false, false]).show(ui, |ui| {
            if let (Some(raw), false) = (raw, wide) {
                ui.allocate_ui(vec2(ui.available_width(), 360.0), |ui| self.raw.show(ui, state, raw, actions));
            }
            self.facts(ui, state, dataset, outbox, actions);
        });
    }

    /// The patterns as stored, with the crop dragged on them.
    fn crop(&mut self, ui: &mut egui::Ui, state: &State, dataset: &OpenDataset, actions: &mut Vec<Action>) {
        let is_current = dataset.raw.is_some() && dataset.raw_mapping == state.draft.config().data.mapping;
        if !is_current && !std::mem::replace(&mut self.raw_requested, true) {
            actions.push(Action::ReadRaw);
        }
        self.raw_requested &= !is_current;
        match &dataset.raw {
            Some(raw) if raw.mean.is_empty() => {
                ui.label("No patterns are found in this file");
            }
            Some(raw) => self.raw.show(ui, state, raw, actions),
            None => {
                spinner(ui);
            }
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
        if self.browser.is_editing_mask() {
            // Drawing needs a large image.
            let all = [space.x, space.y.max(360.0)];
            return self.section(ui, Section::Patterns, all, state, dataset, patterns, actions);
        }
        let alone = self.browser.has_detector();
        let upper = if alone { space.y.max(360.0) } else { (0.6 * (space.y - gap.y)).max(310.0) };
        let lower = (space.y - gap.y - upper).max(190.0);
        let half = (space.x - 2.0 * gap.x) / 2.0;
        ui.horizontal_top(|ui| {
            self.section(ui, Section::Patterns, [half, upper], state, dataset, patterns, actions);
            ui.add_space(gap.x);
            self.section(ui, Section::Scan, [half, upper], state, dataset, patterns, actions);
        });
        if alone {
            return;
        }
        let third = (space.x - 4.0 * gap.x) / 3.0;
        ui.horizontal_top(|ui| {
            self.section(ui, Section::Probe, [third, lower], state, dataset, patterns, actions);
            ui.add_space(gap.x);
            self.section(ui, Section::Object, [third, lower], state, dataset, patterns, actions);
            ui.add_space(gap.x);
            self.section(ui, Section::Photons, [third, lower], state, dataset, patterns, actions);
        });
    }

    fn stacked(
        &mut self,
        ui: &mut egui::Ui,
        state: &State,
        dataset: &OpenDataset,
        patterns: &Arc<Patterns>,
        outbox: &mut Outbox,
        actions: &mut Vec<Action>,
    ) {
        let width = ui.available_width();
        self.checks(ui, state, dataset, outbox, actions);
        ui.add_space(8.0);
        let tall = (0.9 * width).clamp(320.0, 520.0);
        for section in [Section::Patterns, Section::Scan, Section::Probe, Section::Object, Section::Photons] {
            let height = match section {
                Section::Patterns | Section::Scan => tall,
                Section::Object if patterns.dataset.object.is_none() && dataset.preview.is_none() => 70.0,
                _ => 300.0,
            };
            self.section(ui, section, [width, height], state, dataset, patterns, actions);
            ui.add_space(8.0);
        }
        self.contents(ui, state, dataset, outbox, actions);
    }

    #[expect(clippy::too_many_arguments, reason = "section and size, and the arguments of every section")]
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
            let page = match section {
                Section::Patterns => Some(("Crop…", "Choose the part of the detector that is used", Page::Crop)),
                Section::Probe => Some(("Caustic…", "Propagate the probe, load and save it", Page::Probe)),
                _ => None,
            };
            // The object draws its own title line.
            if section != Section::Object {
                ui.scope(|ui| {
                    ui.spacing_mut().interact_size.y = 16.0;
                    ui.horizontal(|ui| {
                        ui.label(RichText::new(section.title()).strong());
                        if let Some((name, help, page)) = page
                            && ui.small_button(name).on_hover_text(help).clicked()
                        {
                            self.page = page;
                            ui.ctx().request_repaint();
                        }
                    });
                });
            }
            let selected = dataset.selected;
            match section {
                Section::Patterns => {
                    let context = browser::Context {
                        hovered: self.hovered,
                        limit: pixels::limit(patterns, dataset.inspection.as_deref()),
                        mask_file: &state.draft.text("data.mapping.mask_file").unwrap_or_default(),
                    };
                    let request = self.browser.show(ui, patterns, selected, &context, actions);
                    self.mask_request = request.or(self.mask_request.take());
                }
                Section::Scan => {
                    let before = self.hovered;
                    let signal = self.browser.signal(ui, patterns);
                    let selection = &mut self.selection;
                    self.hovered = self.scan.show(ui, patterns, state, signal, selection, actions);
                    if self.hovered != before {
                        // The browser is drawn first, so it follows in the next frame.
                        ui.ctx().request_repaint();
                    }
                }
                Section::Probe => self.probe.show(ui, patterns),
                Section::Object => self.object.show(ui, patterns, dataset, !state.preview_off, actions),
                Section::Photons => self.photons.show(ui, patterns, selected, &mut self.selection),
            }
        });
    }

    /// What was found in the file, worst first.
    fn checks(
        &mut self,
        ui: &mut egui::Ui,
        state: &State,
        dataset: &OpenDataset,
        outbox: &mut Outbox,
        actions: &mut Vec<Action>,
    ) {
        if dataset.failure.is_none() {
            verdicts::last_fix(ui, state, actions);
        }
        orientation::show(ui, state, dataset, actions);
        verdicts::preview(ui, dataset);
        match &dataset.inspection {
            Some(inspection) => verdicts::show(ui, state, inspection, &mut self.reading, outbox, actions),
            None if dataset.loading => {
                ui.horizontal(|ui| {
                    spinner(ui);
                    ui.label("Checking values");
                });
            }
            None => {}
        }
    }

    /// Table of arrays, and the settings with which they are read.
    fn contents(
        &mut self,
        ui: &mut egui::Ui,
        state: &State,
        dataset: &OpenDataset,
        outbox: &mut Outbox,
        actions: &mut Vec<Action>,
    ) {
        if !dataset.arrays.is_empty() {
            ui.label(RichText::new("Arrays in the file").strong());
            arrays::show(ui, state, &dataset.arrays, actions);
            ui.add_space(8.0);
        }
        self.reading.form(ui, state, dataset, outbox, actions);
    }

    /// Checks, contents and path of the file.
    fn facts(
        &mut self,
        ui: &mut egui::Ui,
        state: &State,
        dataset: &OpenDataset,
        outbox: &mut Outbox,
        actions: &mut Vec<Action>,
    ) {
        self.checks(ui, state, dataset, outbox, actions);
        ui.add_space(8.0);
        self.contents(ui, state, dataset, outbox, actions);
        ui.add_space(4.0);
        let path = dataset.path.display().to_string();
        let text = RichText::new(&path).small().color(theme::palette(ui).weak);
        ui.add(egui::Label::new(text).wrap());
    }
}

/// What the panel shows of a usable dataset.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Page {
    /// Everything in small.
    #[default]
    Overview,
    /// The crop on the patterns as stored.
    Crop,
    /// The probe along the beam.
    Probe,
}

impl Page {
    fn about(self) -> &'static str {
        match self {
            Self::Overview => "",
            Self::Crop => "Drag the square or its edges. Each change reads the dataset again; Ctrl+Z undoes it.",
            Self::Probe => "The probe along the beam: waves in other planes follow from the one at the sample.",
        }
    }
}

/// A section of the panel.
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
            Self::Object => "Object",
            Self::Photons => "Photons per pattern",
        }
    }
}
