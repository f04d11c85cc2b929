//! The stitched object: amplitude and phase side by side, and everything to look closer with.
//!
//! * `scene`: what is shown, from what was stored; `look`: its colours; `pane`: one picture; `inspector`: beside them.
//! * `metrics`: agreement with the truth or another run; `export`: files and clipboard; `summary`: the line on top.
//!
//! Hazard: a megapixel object takes a noticeable time to flatten, to unwrap and to paint. Remedy: scenes, large pictures,
//! statistics and files are made in the background, and the newest one that is there is shown.

mod empty;
mod export;
mod inspector;
mod look;
mod metrics;
mod pane;
mod scene;
mod summary;
#[cfg(test)]
mod tests;

#[cfg(test)]
pub(crate) use scene::tests::example as example_result;

use super::Outbox;
use crate::imaging::{self, Bar, Sheet, Statistics};
use crate::session::{Action, State};
use crate::ui::theme;
use crate::ui::widgets::background::{Background, key_of};
use crate::ui::widgets::elided;
use crate::ui::widgets::image_view::Viewport;
use crate::ui::widgets::numbers::signed;
use crate::worker::message::ResultData;
use eframe::egui::{self, ColorImage, ComboBox, RichText, Ui, vec2};
use export::{Export, Product};
use look::Look;
use pane::{Marks, Pane, Shown, Source, Tool};
use scene::{Against, Gauge, Options, Quantity, Scene};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

/// Width of the inspector, and the panel width from which on it stands beside the pictures.
const INSPECTOR: f32 = 316.0;
const WIDE: f32 = 860.0;
/// Width below which the controls on top stand in three rows.
const NARROW: f32 = 1240.0;
/// Most letters of the run that is compared with, in the list that is closed.
const NAME: usize = 18;
/// Height of the pictures where the inspector is below them.
const STACKED: f32 = 420.0;

/// How the result is laid against the truth or another run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Compare {
    /// Not at all.
    #[default]
    Off,
    /// Beside it.
    SideBySide,
    /// One after the other in one place.
    Flicker,
    /// Left and right of a line.
    Curtain,
    /// Subtracted.
    Difference,
}

impl Compare {
    const ALL: [Self; 5] = [Self::Off, Self::SideBySide, Self::Flicker, Self::Curtain, Self::Difference];

    fn label(self) -> &'static str {
        match self {
            Self::Off => "Result alone",
            Self::SideBySide => "Side by side",
            Self::Flicker => "Flicker",
            Self::Curtain => "Curtain",
            Self::Difference => "Difference",
        }
    }
}

/// What the user has set.
struct Controls {
    shown: [bool; Quantity::ALL.len()],
    active: Quantity,
    looks: BTreeMap<(Quantity, bool), Look>,
    options: Options,
    against: Against,
    compare: Compare,
    same_limits: bool,
    flicker_s: f64,
    tool: Tool,
    inspector: bool,
}

impl Default for Controls {
    fn default() -> Self {
        Self {
            shown: Quantity::ALL.map(|q| matches!(q, Quantity::Amplitude | Quantity::Phase)),
            active: Quantity::Amplitude,
            looks: BTreeMap::new(),
            options: Options { gauge: Gauge::Ramp, unwrap: false, against: None, match_amplitude: true },
            against: Against::Truth,
            compare: Compare::Off,
            same_limits: true,
            flicker_s: 0.6,
            tool: Tool::Pan,
            inspector: true,
        }
    }
}

impl Controls {
    fn look(&self, quantity: Quantity, difference: bool) -> Look {
        self.looks.get(&(quantity, difference)).copied().unwrap_or_default()
    }

    fn look_mut(&mut self, quantity: Quantity, difference: bool) -> &mut Look {
        self.looks.entry((quantity, difference)).or_default()
    }

    fn quantities(&self) -> Vec<Quantity> {
        Quantity::ALL.into_iter().zip(self.shown).filter(|(_, shown)| *shown).map(|(quantity, _)| quantity).collect()
    }

    /// Whether the pictures of this quantity show a difference.
    fn is_difference(&self, quantity: Quantity) -> bool {
        self.compare == Compare::Difference && matches!(quantity, Quantity::Amplitude | Quantity::Phase)
    }

    /// The pictures, in order, row by row.
    fn tiles(&self, scene: &Scene) -> Vec<(Quantity, Source)> {
        let mut tiles = Vec::new();
        for quantity in self.quantities() {
            if self.is_difference(quantity) && scene.difference.is_some() {
                tiles.push((quantity, Source::Difference));
                continue;
            }
            tiles.push((quantity, Source::Result));
            let other = scene.other.as_ref().is_some_and(|other| other.plane(quantity).is_some());
            if self.compare == Compare::SideBySide && other {
                tiles.push((quantity, Source::Other));
            }
        }
        tiles
    }
}

/// How the result is shown.
#[derive(Default)]
pub struct View {
    controls: Controls,
    scene: Background<Scene>,
    panes: BTreeMap<(Quantity, Source), Pane>,
    viewport: Viewport,
    marks: Marks,
    statistics: Background<Vec<(String, Option<Statistics>)>>,
    product: Background<Result<Product, String>>,
    /// What is to be exported, and how many exports were asked for before.
    export: Option<(Export, u64)>,
    exports: u64,
    /// Pictures to a row.
    columns: usize,
    /// What the scene is made of, kept so that a place in memory is not taken for another result.
    held: (Option<Arc<ResultData>>, Option<Arc<ResultData>>),
    generation: u64,
}

impl View {
    /// Asks for the picture that is shown, as a file.
    pub fn export_shown(&mut self) {
        if self.export.is_none() {
            self.exports += 1;
            self.export = Some((Export::Shown, self.exports));
        }
    }

    /// Draws the panel.
    pub fn show(&mut self, ui: &mut Ui, state: &State, outbox: &mut Outbox, actions: &mut Vec<Action>) {
        self.hold(state);
        let Some(result) = &state.result else {
            return empty::show(ui, state, outbox, actions);
        };
        self.finish_export(ui, outbox, actions);
        summary::show(ui, result);
        ui.add_space(4.0);
        let scene = self.scene(ui, result, state.beside.as_ref());
        self.toolbar(ui, state, scene.as_ref().map(|(_, scene)| scene.as_ref()), actions);
        ui.separator();
        let Some((key, scene)) = scene else {
            let key = self.scene_key();
            ui.centered_and_justified(|ui| {
                if self.scene.has_failed(key) {
                    ui.label("The pictures could not be made. Try other settings of the phase, or open another run.");
                } else {
                    ui.spinner();
                }
            });
            return;
        };
        if ui.available_width() >= WIDE && self.controls.inspector {
            let space = ui.available_size();
            let left = vec2(space.x - INSPECTOR - 14.0, space.y);
            ui.horizontal_top(|ui| {
                ui.allocate_ui_with_layout(left, egui::Layout::top_down(egui::Align::Min), |ui| {
                    self.pictures_with_readout(ui, state, key, &scene, actions);
                });
                ui.separator();
                ui.vertical(|ui| {
                    egui::ScrollArea::vertical().auto_shrink([false, false]).show(ui, |ui| {
                        ui.set_max_width(INSPECTOR - 14.0);
                        self.inspector(ui, key, &scene);
                    });
                });
            });
        } else if self.controls.inspector {
            egui::ScrollArea::vertical().auto_shrink([false, false]).show(ui, |ui| {
                let tall = STACKED.min((ui.available_height() - 60.0).max(240.0));
                ui.allocate_ui_with_layout(vec2(ui.available_width(), tall), *ui.layout(), |ui| {
                    self.pictures_with_readout(ui, state, key, &scene, actions);
                });
                ui.separator();
                self.inspector(ui, key, &scene);
            });
        } else {
            self.pictures_with_readout(ui, state, key, &scene, actions);
        }
    }

    /// Notices new results, and lays another run beside the result as soon as it is there.
    fn hold(&mut self, state: &State) {
        let same = |a: &Option<Arc<ResultData>>, b: &Option<Arc<ResultData>>| match (a, b) {
            (Some(a), Some(b)) => Arc::ptr_eq(a, b),
            (None, None) => true,
            _ => false,
        };
        let (result, beside) = (same(&self.held.0, &state.result), same(&self.held.1, &state.beside));
        if !result || !beside {
            self.held = (state.result.clone(), state.beside.clone());
            self.generation += 1;
        }
        if !beside && state.beside.is_some() {
            self.controls.against = Against::Run;
            if self.controls.compare == Compare::Off {
                self.controls.compare = Compare::SideBySide;
            }
        }
        let truth = state.result.as_ref().is_some_and(|result| result.truth.is_some());
        if self.controls.against == Against::Run && state.beside.is_none() {
            self.controls.against = Against::Truth;
        }
        self.controls.options.against = match self.controls.against {
            Against::Run => Some(Against::Run),
            Against::Truth => truth.then_some(Against::Truth),
        };
        if self.controls.options.against.is_none() {
            self.controls.compare = Compare::Off;
        }
    }

    fn scene_key(&self) -> u64 {
        key_of((self.generation, self.controls.options))
    }

    fn scene(
        &mut self,
        ui: &Ui,
        result: &Arc<ResultData>,
        beside: Option<&Arc<ResultData>>,
    ) -> Option<(u64, Arc<Scene>)> {
        let options = self.controls.options;
        self.scene.get(ui.ctx(), self.scene_key(), || {
            let (result, beside) = (result.clone(), beside.cloned());
            move || Scene::new(&result, beside.as_ref(), options)
        })
    }

    fn toolbar(&mut self, ui: &mut Ui, state: &State, scene: Option<&Scene>, actions: &mut Vec<Action>) {
        // A wrapped row cannot know the width of a list before it is drawn, so narrow tiles get rows of their own.
        if ui.available_width() >= NARROW {
            ui.horizontal_wrapped(|ui| {
                // So that they are one row in a window of 1280 points.
                ui.spacing_mut().item_spacing.x = 4.0;
                self.choose_quantities(ui, scene);
                ui.separator();
                compare(ui, &mut self.controls, state, actions);
                ui.separator();
                self.choose_tool(ui, scene);
                ui.separator();
                polish(ui, state, actions);
                self.choose_export(ui, scene);
            });
            return;
        }
        ui.horizontal_wrapped(|ui| self.choose_quantities(ui, scene));
        ui.horizontal(|ui| compare(ui, &mut self.controls, state, actions));
        ui.horizontal_wrapped(|ui| {
            self.choose_tool(ui, scene);
            polish(ui, state, actions);
            self.choose_export(ui, scene);
        });
    }

    fn choose_quantities(&mut self, ui: &mut Ui, scene: Option<&Scene>) {
        let controls = &mut self.controls;
        for (quantity, shown) in Quantity::ALL.into_iter().zip(&mut controls.shown) {
            let missing =
                quantity == Quantity::Residual && scene.is_some_and(|scene| scene.result.plane(quantity).is_none());
            let button = ui.add_enabled(!missing, egui::Button::selectable(*shown, quantity.label()));
            let why = "The dataset of this run is not where it was, so its patterns cannot be compared";
            if button.on_hover_text(quantity.help()).on_disabled_hover_text(why).clicked() {
                *shown = !*shown;
                if *shown {
                    controls.active = quantity;
                }
            }
        }
        // Something is always shown.
        if !controls.shown.contains(&true) {
            controls.shown = Controls::default().shown;
        }
        if !controls.quantities().contains(&controls.active) {
            controls.active = controls.quantities().first().copied().unwrap_or(Quantity::Amplitude);
        }
    }

    fn choose_tool(&mut self, ui: &mut Ui, scene: Option<&Scene>) {
        for tool in Tool::ALL {
            let button = ui.selectable_label(self.controls.tool == tool, tool.label()).on_hover_text(tool.help());
            if button.clicked() {
                self.controls.tool = tool;
            }
        }
        if ui.button("Fit").on_hover_text("Show everything (0)").clicked() {
            self.viewport.fit();
        }
        if ui.button("1:1").on_hover_text("A pixel of the object is a pixel of the screen (1)").clicked()
            && let Some(scene) = scene
        {
            let extent = vec2(scene.size[0] as f32, scene.size[1] as f32);
            self.viewport.set_zoom(1.0 / ui.pixels_per_point(), extent);
        }
    }

    fn choose_export(&mut self, ui: &mut Ui, scene: Option<&Scene>) {
        if self.export.is_some() || scene.is_none() {
            ui.add_enabled(false, egui::Button::new("Export")).on_disabled_hover_text("Being prepared");
        } else {
            ui.menu_button("Export", |ui| {
                for (i, export) in [Export::Shown, Export::Copy].into_iter().chain(Export::NUMBERS).enumerate() {
                    if i == 2 {
                        ui.separator();
                    }
                    if ui.button(export.label()).on_hover_text(export.help()).clicked() {
                        self.exports += 1;
                        self.export = Some((export, self.exports));
                        ui.close();
                    }
                }
            });
        }
        ui.toggle_value(&mut self.controls.inspector, "Inspector")
            .on_hover_text("Colours, profile, statistics, comparison");
    }

    fn pictures_with_readout(
        &mut self,
        ui: &mut Ui,
        state: &State,
        key: u64,
        scene: &Arc<Scene>,
        actions: &mut Vec<Action>,
    ) {
        let readout = 22.0;
        let space = vec2(ui.available_width(), (ui.available_height() - readout - 6.0).max(120.0));
        ui.allocate_ui_with_layout(space, egui::Layout::top_down(egui::Align::Min), |ui| {
            ui.set_min_size(space);
            self.pictures(ui, state, key, scene, actions);
        });
        self.readout(ui, scene);
    }

    fn pictures(&mut self, ui: &mut Ui, state: &State, key: u64, scene: &Arc<Scene>, actions: &mut Vec<Action>) {
        let tiles = self.controls.tiles(scene);
        self.panes.retain(|tile, _| tiles.contains(tile));
        let space = ui.available_rect_before_wrap();
        let gap = 14.0;
        let pairs = self.controls.compare == Compare::SideBySide && tiles.len() > 2;
        self.columns = columns(tiles.len(), space.size(), scene.size, if pairs { 2 } else { 1 });
        let rows = tiles.len().div_ceil(self.columns).max(1);
        let cell = vec2(
            (space.width() - gap * (self.columns as f32 - 1.0)) / self.columns as f32,
            (space.height() - gap * (rows as f32 - 1.0)) / rows as f32,
        );
        self.viewport.next_frame();
        for (i, (quantity, source)) in tiles.into_iter().enumerate() {
            let offset = vec2((i % self.columns) as f32 * (cell.x + gap), (i / self.columns) as f32 * (cell.y + gap));
            let rect = egui::Rect::from_min_size(space.min + offset, cell);
            let Some(tone) = self.tone(scene, quantity, source) else { continue };
            let shown = Shown {
                scene,
                scene_key: key,
                quantity,
                source,
                tone,
                over: self.over(ui, scene, quantity, source),
                tool: self.controls.tool,
                active: self.controls.active == quantity,
                named: self.controls.compare == Compare::SideBySide,
            };
            let mut child = ui.new_child(
                egui::UiBuilder::new()
                    .max_rect(rect)
                    .id_salt((quantity.label(), source))
                    .layout(egui::Layout::top_down(egui::Align::Min)),
            );
            let pane = self.panes.entry((quantity, source)).or_default();
            let happened = pane.show(&mut child, &shown, &mut self.viewport, &mut self.marks);
            if happened.activated {
                self.controls.active = quantity;
            }
            if let Some(at) = happened.clicked_at.filter(|_| quantity == Quantity::Residual) {
                select_pattern(state, scene, at, actions);
            }
        }
        self.viewport.end_frame(ui.ctx());
        ui.allocate_rect(space, egui::Sense::hover());
    }

    /// The colours of a picture; those of the result where both are to have the same.
    fn tone(&self, scene: &Scene, quantity: Quantity, source: Source) -> Option<imaging::Tone> {
        let difference = source == Source::Difference;
        let own = source.layer(scene)?.plane(quantity)?;
        let plane = match source {
            Source::Other if self.controls.same_limits => scene.result.plane(quantity).unwrap_or(own),
            _ => own,
        };
        Some(self.controls.look(quantity, difference).tone(quantity, plane, difference))
    }

    /// What is laid over a picture: the other, right of the curtain, or in whole every second time.
    fn over(
        &self,
        ui: &Ui,
        scene: &Scene,
        quantity: Quantity,
        source: Source,
    ) -> Option<(Source, imaging::Tone, bool)> {
        if source != Source::Result {
            return None;
        }
        let whole = match self.controls.compare {
            Compare::Curtain => false,
            Compare::Flicker => {
                let time = ui.input(|input| input.time) / self.controls.flicker_s;
                let rest = (1.0 - time.fract()) * self.controls.flicker_s;
                ui.ctx().request_repaint_after(std::time::Duration::from_secs_f64(rest.max(0.02)));
                if (time as u64).is_multiple_of(2) {
                    return None;
                }
                true
            }
            Compare::Off | Compare::SideBySide | Compare::Difference => return None,
        };
        let tone = self.tone(scene, quantity, Source::Other)?;
        Some((Source::Other, tone, whole))
    }

    /// Place and values under the pointer.
    fn readout(&self, ui: &mut Ui, scene: &Scene) {
        let palette = theme::palette(ui);
        let Some(cursor) = self.viewport.cursor() else {
            let text = "Point at a picture to read values. Scroll to zoom, drag to pan, double-click to fit.";
            ui.add(egui::Label::new(RichText::new(text).color(palette.weak)).truncate());
            return;
        };
        let at = (cursor.y as usize, cursor.x as usize);
        let mut parts = vec![format!("x {:>4}  y {:>4}", at.1 + scene.corner[0], at.0 + scene.corner[1])];
        if let Some(size) = scene.pixel_size_m.filter(|size| *size > 0.0) {
            let place = [at.1 + scene.corner[0], at.0 + scene.corner[1]].map(|v| v as f64 * size * 1e6);
            parts.push(signed(format!("{:.3}, {:.3} µm", place[0], place[1])));
        }
        let layers = [Some(&scene.result), scene.other.as_ref().filter(|_| self.controls.compare != Compare::Off)];
        for (i, layer) in layers.into_iter().flatten().enumerate() {
            if i > 0 {
                parts.push(elided(&layer.name, NAME));
            }
            if !layer.seen.get(at).copied().unwrap_or(false) {
                parts.push("not seen".to_owned());
                continue;
            }
            for quantity in Quantity::ALL.into_iter().filter(|q| *q != Quantity::Complex) {
                let needed = matches!(quantity, Quantity::Amplitude | Quantity::Phase)
                    || self.controls.quantities().contains(&quantity);
                if let Some(value) = layer.plane(quantity).filter(|_| needed).and_then(|plane| plane.values.get(at)) {
                    let value = signed(format!("{value:.4}"));
                    parts.push(format!("{} {value} {}", quantity.label().to_lowercase(), quantity.unit()));
                }
            }
        }
        if self.controls.quantities().contains(&Quantity::Residual)
            && let Some(index) = scene.nearest_pattern(f64::from(cursor.x), f64::from(cursor.y))
        {
            let residual = scene.residuals.get(index).copied().unwrap_or(f64::NAN);
            parts.push(format!("nearest pattern {index}, misfit {residual:.4}"));
        }
        let text = parts.iter().map(|part| part.trim_end()).collect::<Vec<_>>().join("   ");
        ui.add(egui::Label::new(RichText::new(text).monospace()).truncate());
    }

    fn inspector(&mut self, ui: &mut Ui, key: u64, scene: &Arc<Scene>) {
        let difference = self.controls.is_difference(self.controls.active) && scene.difference.is_some();
        let source = if difference { Source::Difference } else { Source::Result };
        let active = self.controls.active;
        // What is being drawn is read without scrolling.
        let tool = self.controls.tool;
        match tool {
            Tool::Pan => {}
            Tool::Profile => self.profile(ui, scene),
            Tool::Region => self.region(ui, key, scene),
        }
        inspector::section(ui, "Colours", |ui| {
            let shown = self.controls.quantities();
            if shown.len() > 1 {
                ui.horizontal_wrapped(|ui| {
                    ui.label(RichText::new("Of").weak());
                    for quantity in shown {
                        ui.selectable_value(&mut self.controls.active, quantity, quantity.label());
                    }
                });
            }
            let plane = source.layer(scene).and_then(|layer| layer.plane(active));
            if let (Some(plane), Some(tone)) = (plane, self.tone(scene, active, source)) {
                inspector::colours(ui, &mut self.controls, plane, &tone, difference);
            }
        });
        if matches!(active, Quantity::Phase | Quantity::Complex) {
            inspector::section(ui, "Phase", |ui| inspector::phase(ui, &mut self.controls.options, scene));
        }
        // What is being looked at comes first.
        let comparing = self.controls.compare != Compare::Off;
        if comparing {
            self.comparison(ui, scene);
        }
        if tool != Tool::Profile {
            self.profile(ui, scene);
        }
        if tool != Tool::Region {
            self.region(ui, key, scene);
        }
        if !comparing {
            self.comparison(ui, scene);
        }
    }

    fn profile(&mut self, ui: &mut Ui, scene: &Scene) {
        inspector::section(ui, "Line profile", |ui| {
            inspector::profile(ui, &mut self.controls, scene, &mut self.marks);
        });
    }

    fn region(&mut self, ui: &mut Ui, key: u64, scene: &Arc<Scene>) {
        let active = self.controls.active;
        let statistics = self.statistics(ui, key, scene, active);
        inspector::section(ui, "Statistics", |ui| {
            inspector::region(ui, active, scene, &mut self.marks, &statistics);
        });
    }

    fn comparison(&mut self, ui: &mut Ui, scene: &Scene) {
        if scene.other.is_none() {
            return;
        }
        inspector::section(ui, "Comparison", |ui| {
            inspector::agreement(ui, scene);
            ui.checkbox(&mut self.controls.options.match_amplitude, "Match the amplitude")
                .on_hover_text("Scales the other to the amplitude of the result: the data do not always determine it");
            ui.checkbox(&mut self.controls.same_limits, "Same limits for both")
                .on_hover_text("One colour means one value in both pictures");
            if self.controls.compare == Compare::Flicker {
                let slider = egui::Slider::new(&mut self.controls.flicker_s, 0.1..=3.0).suffix(" s").text("Flicker");
                ui.add(slider);
            }
        });
    }

    fn statistics(
        &mut self,
        ui: &Ui,
        key: u64,
        scene: &Arc<Scene>,
        quantity: Quantity,
    ) -> Vec<(String, Option<Statistics>)> {
        let region = self.marks.region;
        let compared = self.controls.compare != Compare::Off;
        let work = {
            let scene = scene.clone();
            move || {
                let region = region.unwrap_or([0, 0, usize::MAX, usize::MAX]);
                let layers = [Some(&scene.result), scene.other.as_ref().filter(|_| compared)];
                let of = |layer: &scene::Layer| {
                    let plane = layer.plane(quantity)?;
                    imaging::statistics(plane.values.view(), layer.seen.view(), region)
                };
                layers.into_iter().flatten().map(|layer| (layer.name.clone(), of(layer))).collect()
            }
        };
        let key = key_of((key, quantity, region, compared));
        if scene.size[0] * scene.size[1] < 100_000 {
            return self.statistics.get_now(key, work).to_vec();
        }
        self.statistics.get(ui.ctx(), key, || work).map_or_else(Vec::new, |(_, statistics)| statistics.to_vec())
    }

    /// Starts an export that was asked for, and hands over one that is done.
    fn finish_export(&mut self, ui: &Ui, outbox: &mut Outbox, actions: &mut Vec<Action>) {
        let Some((export, number)) = self.export else { return };
        let (Some(data), Some((_, scene))) = (self.held.0.clone(), self.scene.newest().cloned()) else {
            self.export = None;
            return;
        };
        let sheets = if self.product.is_running() { Vec::new() } else { self.sheets(ui, &scene, export) };
        let columns = self.columns;
        let made = self.product.get(ui.ctx(), number, || move || export::make(export, &data, &scene, &sheets, columns));
        if self.product.has_failed(number) {
            self.export = None;
            let text = "The export failed inside; the log of the program tells more".to_owned();
            actions.push(Action::Say { level: crate::session::Level::Error, text });
        }
        let Some((_, made)) = made.filter(|(key, _)| *key == number) else { return };
        self.export = None;
        match &*made {
            Ok(Product::File(name, bytes)) => outbox.export = Some((name.clone(), bytes.clone())),
            Ok(Product::Picture(size, pixels)) => {
                ui.ctx().copy_image(ColorImage::from_rgba_unmultiplied(*size, pixels));
                let text = "The picture is on the clipboard".to_owned();
                actions.push(Action::Say { level: crate::session::Level::Success, text });
            }
            Err(text) => actions.push(Action::Say { level: crate::session::Level::Error, text: text.clone() }),
        }
        self.product.forget();
    }

    /// The visible parts of the pictures, for a file.
    fn sheets(&self, ui: &Ui, scene: &Scene, export: Export) -> Vec<Sheet> {
        if !matches!(export, Export::Shown | Export::Copy) {
            return Vec::new();
        }
        let mut sheets = Vec::new();
        for (quantity, source) in self.controls.tiles(scene) {
            let Some(tone) = self.tone(scene, quantity, source) else { continue };
            let over = self.over(ui, scene, quantity, source).map(|(.., whole)| whole);
            let pane = self.panes.get(&(quantity, source));
            let Some((size, pixels)) = pane.and_then(|pane| pane.seen_pixels(over, self.marks.curtain)) else {
                continue;
            };
            let bar = if quantity == Quantity::Complex { Bar::Wheel } else { Bar::Tone(tone, quantity.unit()) };
            let scale_bar = imaging::scale_bar(0.3 * size[0] as f64, scene.pixel_size_m);
            sheets.push(Sheet { size, pixels, bar, scale_bar });
        }
        sheets
    }
}

/// How many pictures stand in a row so that they are as large as possible; a multiple of `step` where there are so many.
pub(in crate::ui::panels) fn columns(count: usize, space: egui::Vec2, size: [usize; 2], step: usize) -> usize {
    let extent = vec2(size[0].max(1) as f32, size[1].max(1) as f32);
    let scale = |columns: usize| {
        let rows = count.div_ceil(columns) as f32;
        let cell = vec2(space.x / columns as f32, space.y / rows - pane::TITLE);
        (cell.x / extent.x).min(cell.y / extent.y)
    };
    let candidates = (1..=count.max(1)).filter(|columns| columns.is_multiple_of(step) || *columns == 1);
    candidates.fold(1, |best, columns| if scale(columns) > scale(best) { columns } else { best })
}

/// Selects the pattern that was clicked in the map of misfits, where its dataset is the one that is open.
fn select_pattern(state: &State, scene: &Scene, at: egui::Vec2, actions: &mut Vec<Action>) {
    let open = state.dataset.as_ref().and_then(|dataset| dataset.patterns.as_ref());
    let same = open.is_some_and(|patterns| patterns.dataset.len() == scene.places.len());
    if let Some(index) = scene.nearest_pattern(f64::from(at.x), f64::from(at.y)).filter(|_| same) {
        actions.push(Action::SelectPattern(index));
    }
}

/// The button that improves the result, or says why it cannot.
fn polish(ui: &mut Ui, state: &State, actions: &mut Vec<Action>) {
    let reason = state.why_not_polish();
    let button = ui.add_enabled(reason.is_none(), egui::Button::new("Polish"));
    let about = "Some epochs of the direct solver, from this object: it explains the patterns better afterwards. \
                 The one before is kept and laid beside it";
    let button = button.on_hover_text(about);
    if button.on_disabled_hover_text(reason.unwrap_or_default()).clicked() {
        actions.push(Action::Polish);
    }
}

/// How and with what the result is compared.
fn compare(ui: &mut Ui, controls: &mut Controls, state: &State, actions: &mut Vec<Action>) {
    let truth = state.result.as_ref().is_some_and(|result| result.truth.is_some());
    let label = ui.label("Compare");
    let possible = controls.options.against.is_some();
    if possible {
        let combo = ComboBox::from_id_salt("compare").width(100.0).selected_text(controls.compare.label());
        let combo = combo.show_ui(ui, |ui| {
            for compare in Compare::ALL {
                ui.selectable_value(&mut controls.compare, compare, compare.label());
            }
        });
        combo.response.labelled_by(label.id);
    } else {
        ui.add_enabled(false, egui::Button::new(Compare::Off.label()))
            .on_disabled_hover_text("Choose another run first: the dataset brings no truth");
    }
    let with = ui.label("with");
    let name = |result: &ResultData| result.folder.file_name().map(|name| name.to_string_lossy().into_owned());
    let chosen = match controls.options.against {
        Some(Against::Truth) => "the truth".to_owned(),
        Some(Against::Run) => state.beside.as_ref().and_then(|run| name(run)).unwrap_or_default(),
        None => "another run…".to_owned(),
    };
    let list = ComboBox::from_id_salt("against").width(96.0).selected_text(elided(&chosen, NAME));
    let combo = list.show_ui(ui, |ui| {
        let is = |against: Against| controls.options.against == Some(against);
        let missing = "The dataset brings no object to compare with, or is not where it was";
        let button = ui.add_enabled(truth, egui::Button::selectable(is(Against::Truth), "the truth"));
        if button.on_disabled_hover_text(missing).clicked() {
            controls.against = Against::Truth;
        }
        if let Some(run) = &state.beside {
            if ui.selectable_label(is(Against::Run), name(run).unwrap_or_default()).clicked() {
                controls.against = Against::Run;
            }
            if ui.button("Close the other run").clicked() {
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
            ui.weak("No other run here");
        }
    });
    combo.response.labelled_by(with.id).on_hover_text(chosen);
    if state.reading_result {
        ui.spinner();
    }
}
