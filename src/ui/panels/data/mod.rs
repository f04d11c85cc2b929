//! The dataset: what the file holds, whether it can be used, and what its patterns look like.
//!
//! * `summary`: the headline and what is said in plain words. * `verdicts`, `arrays`: checks and table.
//! * `browser`, `pixels`, `mask`: patterns. * `scan`: positions. * `orientation`: how the scan lies. * `field`: probe and
//!   object. * `photons`: counts.

mod arrays;
pub(super) mod browser;
pub(super) mod field;
mod mask;
mod orientation;
mod photons;
mod pixels;
mod scan;
mod summary;
mod verdicts;

use super::Outbox;
use crate::data::{NpyArray, npy_bytes};
use crate::session::{Action, Level, OpenDataset, State};
use crate::ui::commands::Command;
use crate::ui::theme;
use crate::ui::widgets::mark::mark;
use crate::worker::message::Patterns;
use eframe::egui::{self, Panel, RichText, ScrollArea, vec2};
use std::path::PathBuf;
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
    /// What is to be done with a mask.
    mask_wish: Option<mask::Wish>,
}

impl View {
    /// Draws the panel.
    pub fn show(&mut self, ui: &mut egui::Ui, state: &State, outbox: &mut Outbox, actions: &mut Vec<Action>) {
        let Some(dataset) = &state.dataset else { return };
        self.draw(ui, state, dataset, outbox, actions);
        match self.mask_wish.take() {
            None => {}
            Some(mask::Wish::FromFile) => outbox.choose_mask = true,
            Some(mask::Wish::Drop) => actions.push(Action::UseMask(PathBuf::new())),
            Some(mask::Wish::Use(bad)) => {
                match npy_bytes(&NpyArray::U16(bad.mapv(|bad| u16::from(!bad)).view().into_dyn())) {
                    Ok(bytes) => {
                        let stem = dataset.path.file_stem().map(|stem| stem.to_string_lossy().into_owned());
                        outbox.mask = Some((format!("{}_mask.npy", stem.unwrap_or_default()), bytes));
                    }
                    Err(error) => actions.push(Action::Say { level: Level::Error, text: error.to_string() }),
                }
            }
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
        headline(ui, dataset, outbox, actions);
        ui.add_space(4.0);
        ui.separator();
        let Some(patterns) = &dataset.patterns else {
            ScrollArea::vertical().auto_shrink([false, false]).show(ui, |ui| facts(ui, state, dataset, actions));
            return;
        };
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
                        .show(ui, |ui| facts(ui, state, dataset, actions));
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
        verdicts::mended(ui, state, actions);
        if let Some(inspection) = &dataset.inspection {
            verdicts::show(ui, state, inspection, actions);
            ui.add_space(8.0);
        }
        orientation::show(ui, state, dataset, actions);
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
            // The object has more to say in the line of its title.
            if section != Section::Object {
                ui.label(RichText::new(section.title()).strong());
            }
            let selected = dataset.selected;
            match section {
                Section::Patterns => {
                    let beside = browser::Beside {
                        looked_at: self.looked_at,
                        limit: pixels::limit(patterns, dataset.inspection.as_deref()),
                        mask_file: &state.draft.text("data.mapping.mask_file").unwrap_or_default(),
                    };
                    let wish = self.browser.show(ui, patterns, selected, &beside, actions);
                    self.mask_wish = wish.or(self.mask_wish.take());
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
                Section::Object => self.object.show(ui, patterns, dataset, !state.no_first_look, actions),
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
            Self::Object => "Object",
            Self::Photons => "Photons per pattern",
        }
    }
}

fn headline(ui: &mut egui::Ui, dataset: &OpenDataset, outbox: &mut Outbox, actions: &mut Vec<Action>) {
    let palette = theme::palette(ui);
    let head = summary::headline(dataset);
    let buttons = |ui: &mut egui::Ui, outbox: &mut Outbox, actions: &mut Vec<Action>| {
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
    };
    let text = |ui: &mut egui::Ui, width: f32| {
        ui.set_min_width(width);
        ui.spacing_mut().item_spacing.y = 2.0;
        ui.horizontal_wrapped(|ui| {
            match head.level {
                Level::Info => ui.spinner(),
                level => mark(ui, level, 18.0),
            };
            ui.label(RichText::new(&head.text).heading());
            if dataset.loading && dataset.patterns.is_some() {
                ui.spinner();
                ui.label(RichText::new("Reading again").color(palette.weak));
            }
        });
        if !head.detail.is_empty() {
            ui.label(RichText::new(&head.detail).color(palette.weak));
        }
    };
    if ui.available_width() < 700.0 {
        let width = ui.available_width();
        ui.vertical(|ui| text(ui, width));
        ui.horizontal_wrapped(|ui| buttons(ui, outbox, actions));
        return;
    }
    ui.horizontal_top(|ui| {
        let width = ui.available_width() - 250.0;
        ui.allocate_ui_with_layout(vec2(width, 44.0), egui::Layout::top_down(egui::Align::Min), |ui| text(ui, width));
        ui.with_layout(egui::Layout::right_to_left(egui::Align::Min), |ui| buttons(ui, outbox, actions));
    });
}

/// Verdicts and table.
fn facts(ui: &mut egui::Ui, state: &State, dataset: &OpenDataset, actions: &mut Vec<Action>) {
    verdicts::mended(ui, state, actions);
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
    orientation::show(ui, state, dataset, actions);
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

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::super::bench::{Bench, fixture, harness, looks_as_accepted, opened, photograph, read};
    use super::*;
    use crate::data::{Dataset, Inspection, Status, Verdict};
    use crate::worker::message::Request;
    use egui_kittest::Harness;
    use egui_kittest::kittest::Queryable;
    use ndarray::{Array2, Array3};
    use num_complex::Complex32;

    /// Small patterns at these positions, brighter from one to the next.
    pub(super) fn patterns_at(positions: Vec<[f64; 2]>) -> Arc<Patterns> {
        let count = positions.len();
        let side = 8;
        let diffraction = Array3::from_shape_fn((count, side, side), |(n, y, x)| ((n % 50) + x + y) as f32);
        let probe = Array3::from_elem((3, side, side), Complex32::new(1.0, 0.5));
        let dataset = Dataset { nphotons: Some(1e6), ..Dataset::made(diffraction, positions, probe) };
        let counts = (0..count).map(|n| 1000.0 + (n % 50) as f64).collect();
        Arc::new(Patterns {
            nearest: vec![1.0; count],
            dataset,
            mean: Array2::from_elem((side, side), 3.0),
            max: Array2::from_elem((side, side), 9.0),
            counts,
            probe_diameter: 5.0,
            overlap: 0.8,
        })
    }

    fn bench(state: State, size: [f32; 2], theme: egui::Theme) -> Harness<'static, Bench<View>> {
        harness(state, View::show, size, theme)
    }

    fn small(state: State) -> Harness<'static, Bench<View>> {
        bench(state, [1280.0, 760.0], egui::Theme::Dark)
    }

    #[test]
    fn an_opened_file_is_summed_up_with_its_verdicts_and_its_arrays() {
        let panel = small(opened(&fixture("siemens_star_n64.npz")));
        panel.get_by_label_contains("516 patterns of 64 × 64");
        panel.get_by_label_contains("checks passed");
        panel.get_by_label("objectGuess");
        panel.get_by_label("516 × 64 × 64");
        panel.get_by_label("Diffraction pattern");
        panel.get_by_label("Map of the scan positions");
        panel.get_by_label_contains("Neighbouring spots overlap by about");
    }

    #[test]
    fn a_scan_that_lies_wrong_is_laid_right_with_one_click() {
        use crate::config::Orientation;
        use crate::worker::message::{OrientationScore, Orientations, Reply};
        let path = fixture("siemens_star_n64.npz");
        let mut state = opened(&path);
        let misfit = |orientation| if orientation == Orientation::FlipX { 0.01 } else { 0.4 };
        let scores = Orientation::ALL.map(|orientation| OrientationScore { orientation, misfit: misfit(orientation) });
        let found = Orientations { now: Orientation::Plain, patterns: 100, scores: scores.to_vec() };
        state.learn(Reply::Orientations { path, found: Arc::new(found) });
        let mut panel = small(state);
        panel.get_by_label_contains("flip x, explains the patterns better");
        photograph(&mut panel, "data-orientation");
        panel.get_by_label("Use flip x").click();
        panel.run_ok();
        let orientation = |panel: &Harness<'static, Bench<View>>| panel.state().state.draft.config().data.orientation;
        assert_eq!(orientation(&panel), Orientation::FlipX);
        assert!(panel.query_by_label("Use flip x").is_none(), "the scores were of the orientation before");
        panel.get_by_label("Mended: scan laid as flip x");
        panel.get_by_label("Undo").click();
        panel.run_ok();
        assert_eq!(orientation(&panel), Orientation::Plain);
    }

    #[test]
    fn the_arrays_are_there_before_the_values_have_been_read() {
        let path = fixture("siemens_star_n64.npz");
        let mut state = State::default();
        state.act(Action::Open(path.clone()));
        let request = Request::Dataset { path, config: Box::default(), seed: 1, look: false };
        state.learn(read(request).remove(0));
        let panel = small(state);
        panel.get_by_label_contains("Reading siemens_star_n64.npz");
        panel.get_by_label("516 × 64 × 64");
    }

    #[test]
    fn next_previous_and_the_kind_of_image_are_one_click_away() {
        let mut panel = small(opened(&fixture("siemens_star_n64.npz")));
        panel.get_by_label("Next pattern").click();
        panel.run_ok();
        panel.get_by_label("Next pattern").click();
        panel.run_ok();
        assert_eq!(panel.state().actions, [Action::SelectPattern(1), Action::SelectPattern(2)]);
        panel.get_by_label_contains("Pattern 2 ·");
        panel.get_by_label("Previous pattern").click();
        panel.run_ok();
        assert_eq!(panel.state().state.dataset.as_ref().unwrap().selected, 1);
        panel.get_by_label("Mean").click();
        panel.run_ok();
        panel.get_by_label_contains("Mean of 516 patterns");
    }

    #[test]
    fn a_click_on_a_position_selects_its_pattern_and_hovering_shows_it() {
        let mut panel = small(opened(&fixture("siemens_star_n64.npz")));
        let plot = panel.get_by_label("Map of the scan positions").rect();
        panel.hover_at(plot.center());
        panel.run_ok();
        panel.run_ok();
        let seen = panel.query_by_label_contains("Pattern 0 ·");
        assert!(seen.is_none(), "the browser still shows the selected pattern");
        let at = plot.center();
        for pressed in [true, false] {
            panel.event(egui::Event::PointerButton {
                pos: at,
                button: egui::PointerButton::Primary,
                pressed,
                modifiers: egui::Modifiers::NONE,
            });
            panel.step();
        }
        panel.run_ok();
        let [Action::SelectPattern(chosen)] = panel.state().actions.as_slice() else {
            panic!("{:?}", panel.state().actions)
        };
        let patterns = panel.state().state.dataset.as_ref().unwrap().patterns.clone().unwrap();
        let [x, y] = patterns.dataset.positions[*chosen];
        let mean = |axis: usize| {
            let values = patterns.dataset.positions.iter().map(|p| p[axis]);
            (values.clone().fold(f64::INFINITY, f64::min) + values.fold(f64::NEG_INFINITY, f64::max)) / 2.0
        };
        assert!((x - mean(0)).hypot(y - mean(1)) < 20.0, "({x}, {y}) is not in the middle of the scan");
    }

    fn with_verdicts(verdicts: Vec<Verdict>) -> State {
        let mut state = State::default();
        state.act(Action::Open("made.npz".into()));
        let dataset = state.dataset.as_mut().unwrap();
        dataset.loading = false;
        dataset.inspection =
            Some(Arc::new(Inspection { path: "made.npz".into(), arrays: Vec::new(), verdicts, notes: Vec::new() }));
        dataset.patterns = Some(patterns_at((0..30).map(|k| [f64::from(k % 6), f64::from(k / 6)]).collect()));
        state
    }

    fn verdict(check: &str, status: Status, advice: &str) -> Verdict {
        Verdict {
            check: check.into(),
            status,
            found: "something".into(),
            expected: String::new(),
            advice: advice.into(),
        }
    }

    #[test]
    fn a_verdict_that_a_setting_mends_has_a_button_and_the_worst_comes_first() {
        let counts = "Set diffraction_unit to \"counts\" if the square root has not been taken";
        let state = with_verdicts(vec![
            verdict("centring", Status::Pass, ""),
            verdict("amplitude or counts", Status::Warn, counts),
            verdict("positions", Status::Fail, "Remove them"),
        ]);
        let inspection = state.dataset.as_ref().unwrap().inspection.clone().unwrap();
        let order: Vec<_> = verdicts::worst_first(&inspection).iter().map(|v| v.status).collect();
        assert_eq!(order, [Status::Fail, Status::Warn, Status::Pass]);
        let mut panel = small(state);
        panel.get_by_label("Take the values as counts").click();
        panel.run_ok();
        let fields = vec![("data.diffraction_unit".to_owned(), "counts".to_owned())];
        let what = "take the values as counts".to_owned();
        assert_eq!(panel.state().actions, [Action::SetFields { what, fields }]);
        assert!(panel.state().state.dataset.as_ref().unwrap().loading, "the file is read again");
        panel.get_by_label_contains("Reading again");
    }

    /// A dataset of 64 patterns of 64 × 64 pixels whose values do not tell the axes apart, and two sets of positions.
    fn doubtful(path: &std::path::Path) {
        use crate::data::write_npz;
        use ndarray::{Array1, Array3};
        let patterns = Array3::from_shape_fn((64, 64, 64), |(n, y, x)| 1.0 + ((n * 7 + y * 3 + x * 5) % 11) as f32);
        let probe = Array2::from_shape_fn((64, 64), |(y, x)| {
            let square = (y as f32 - 32.0).powi(2) + (x as f32 - 32.0).powi(2);
            Complex32::new((-square / 200.0).exp(), 0.1)
        });
        let (x, y) = (
            Array1::from_shape_fn(64, |n| 40.0 + 4.0 * (n % 8) as f64),
            Array1::from_shape_fn(64, |n| (n / 8) as f64 * 4.0),
        );
        let nominal = x.mapv(|x| x + (x * 1.7).sin());
        let arrays = [
            ("diffraction", NpyArray::F32(patterns.view().into_dyn())),
            ("probeGuess", NpyArray::C32(probe.view().into_dyn())),
            ("xcoords", NpyArray::F64(x.view().into_dyn())),
            ("ycoords", NpyArray::F64(y.view().into_dyn())),
            ("xcoords_start", NpyArray::F64(nominal.view().into_dyn())),
            ("ycoords_start", NpyArray::F64(y.view().into_dyn())),
        ];
        write_npz(path, &arrays).unwrap();
    }

    /// Has what was asked for read, as the window does.
    fn follow(panel: &mut Harness<'static, Bench<View>>) {
        let requests: Vec<Request> = panel
            .state_mut()
            .effects
            .drain(..)
            .filter_map(|effect| match effect {
                crate::session::Effect::Read(request) => Some(request),
                _ => None,
            })
            .collect();
        assert_eq!(requests.len(), 1, "the file is read once for each click");
        for request in requests {
            for reply in read(request) {
                panel.state_mut().state.learn(reply);
            }
        }
        panel.run_ok();
    }

    #[test]
    fn the_axis_order_and_the_position_set_are_one_click_each_judged_anew_and_taken_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("doubtful.npz");
        doubtful(&path);
        let mut state = opened(&path);
        state.no_first_look = true;
        let mut panel = small(state);
        assert!(panel.state().state.why_not_start().unwrap().contains("cannot be used"));
        panel.get_by_label("Read as (n, h, w)");
        panel.get_by_label("Read as (h, w, n)").click();
        panel.run_ok();
        follow(&mut panel);
        assert_eq!(panel.state().state.why_not_start(), None);
        panel.get_by_label("Mended: read as (h, w, n)");
        panel.get_by_label_contains("xcoords_start/ycoords_start differs by");
        photograph(&mut panel, "data-mended");

        panel.get_by_label("Use xcoords_start and ycoords_start").click();
        panel.run_ok();
        follow(&mut panel);
        let first = |panel: &Harness<'static, Bench<View>>| {
            panel.state().state.dataset.as_ref().unwrap().patterns.as_ref().unwrap().dataset.positions[0][0]
        };
        assert!((first(&panel) - 40.0).abs() > 0.1, "{}", first(&panel));
        assert!(panel.query_by_label("Use xcoords_start and ycoords_start").is_none(), "a choice is not doubted");
        panel.get_by_label("Undo").click();
        panel.run_ok();
        follow(&mut panel);
        assert!((first(&panel) - 40.0).abs() < 1e-9);
        panel.get_by_label("Undo").click();
        panel.run_ok();
        follow(&mut panel);
        assert!(panel.state().state.why_not_start().unwrap().contains("cannot be used"));
    }

    #[test]
    fn a_first_look_is_seen_being_taken_ended_and_asked_for() {
        use crate::worker::message::{Look, Reply};
        let path = fixture("siemens_star_n64.npz");
        let mut state = opened(&path);
        state.dataset.as_mut().unwrap().preview = None;
        state.learn(Reply::Looking { path, look: Some(Look::Object) });
        let mut panel = bench(state, [1800.0, 900.0], egui::Theme::Dark);
        panel.get_by_label("First look");
        panel.get_by_label("Cancel").click();
        panel.run_ok();
        assert_eq!(panel.state().effects, [crate::session::Effect::CancelLook]);
        panel.get_by_label("First look").click();
        panel.run_ok();
        assert!(matches!(panel.state().effects.last(), Some(crate::session::Effect::Read(Request::Look { .. }))));
        panel.get_by_label("On opening").click();
        panel.run_ok();
        assert!(panel.state().state.no_first_look);
    }

    #[test]
    fn a_first_look_takes_the_place_of_the_object_in_the_file_until_that_is_chosen() {
        let mut state = opened(&fixture("siemens_star_n64.npz"));
        let look = state.dataset.as_mut().unwrap().preview.take();
        assert!(look.is_some(), "the bench takes a first look");
        let mut panel = bench(state, [1800.0, 900.0], egui::Theme::Dark);
        panel.get_by_label_contains("In the file, 402 × 405 px");
        panel.state_mut().state.dataset.as_mut().unwrap().preview = look;
        panel.run_ok();
        panel.get_by_label_contains("Before any training");
        panel.get_by_role_and_label(egui::Role::ComboBox, "Object shown").click();
        panel.run_ok();
        panel.get_by_role_and_label(egui::Role::Button, "In the file").click();
        panel.run_ok();
        panel.get_by_label_contains("In the file, 402 × 405 px");
        panel.get_by_role_and_label(egui::Role::ComboBox, "Object shown").click();
        panel.run_ok();
        panel.get_by_role_and_label(egui::Role::Button, "First look").click();
        panel.run_ok();
        panel.get_by_label_contains("Before any training");
    }

    #[test]
    fn a_file_that_cannot_be_used_says_so_at_the_top() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("broken.npz");
        std::fs::write(&path, b"no archive").unwrap();
        let panel = small(opened(&path));
        let title = panel.state().state.dataset.as_ref().unwrap().failure.as_ref().unwrap().problem().title.clone();
        panel.get_by_label(&title);
        assert!(panel.query_by_label("Diffraction pattern").is_none());
    }

    #[test]
    fn the_overlap_is_told_in_plain_words() {
        let mut patterns = (*patterns_at(vec![[0.0, 0.0], [1.0, 0.0]])).clone();
        for (overlap, level, says) in [
            (0.8, Level::Success, "plenty"),
            (0.5, Level::Success, "enough"),
            (0.1, Level::Warning, "artefacts"),
            (-0.2, Level::Error, "do not touch"),
        ] {
            patterns.overlap = overlap;
            let (found, text) = summary::overlap(&patterns);
            assert!(found == level && text.contains(says), "{text}");
        }
        patterns.nearest.clear();
        assert_eq!(summary::overlap(&patterns).0, Level::Info);
    }

    #[test]
    fn many_positions_do_not_slow_the_window_down() {
        let positions = (0..100_000).map(|k| [f64::from(k % 400), f64::from(k / 400)]).collect();
        let mut state = with_verdicts(Vec::new());
        state.dataset.as_mut().unwrap().patterns = Some(patterns_at(positions));
        let mut panel = small(state);
        let begun = std::time::Instant::now();
        for frame in 0..20 {
            panel.hover_at(egui::pos2(900.0 + frame as f32, 300.0));
            panel.step();
        }
        let each = begun.elapsed().as_secs_f64() / 20.0;
        println!("{:.2} ms for a frame with 100 000 positions", 1e3 * each);
        assert!(each < 0.2, "{each}");
    }

    #[test]
    fn a_mask_is_drawn_taken_back_and_handed_over_as_a_file() {
        let mut panel = small(opened(&fixture("siemens_star_n64.npz")));
        panel.get_by_label("Edit mask").click();
        panel.run_ok();
        panel.get_by_label_contains("0 pixels masked");
        let picture = panel.get_by_label("Diffraction pattern").rect();
        let drag = |panel: &mut Harness<'static, Bench<View>>, from: egui::Pos2, to: egui::Pos2| {
            panel.drag_at(from);
            panel.step();
            panel.hover_at(from + (to - from) * 0.5);
            panel.step();
            panel.hover_at(to);
            panel.step();
            panel.drop_at(to);
            panel.run_ok();
        };
        drag(&mut panel, picture.center(), picture.center() + vec2(30.0, 20.0));
        assert!(panel.query_by_label_contains(" 0 pixels masked").is_none());
        panel.get_by_label("Undo").click();
        panel.run_ok();
        panel.get_by_label_contains("0 pixels masked");
        panel.get_by_label("Redo").click();
        panel.run_ok();
        panel.get_by_label("Save and use…").click();
        panel.run_ok();
        let (name, bytes) = panel.state_mut().outbox.mask.take().unwrap();
        assert_eq!(name, "siemens_star_n64_mask.npy");
        let mask = npyz::NpyFile::new(bytes.as_slice()).unwrap();
        assert_eq!(mask.shape(), [64, 64]);
        let bad = mask.into_vec::<u16>().unwrap().into_iter().filter(|good| *good == 0).count();
        assert!((4..400).contains(&bad), "{bad} pixels");
        panel.get_by_label("Clear").click();
        panel.get_by_label("From file…").click();
        panel.run_ok();
        assert!(panel.state().outbox.choose_mask);
        assert_eq!(panel.state().actions, [], "nothing is read before there is a file");
    }

    #[test]
    fn the_data_look_as_accepted() {
        // By a path that is the same everywhere; the first look takes a time that is not.
        let mut state = opened(std::path::Path::new("fixtures/siemens_star_n64.npz"));
        let dataset = state.dataset.as_mut().unwrap();
        (dataset.preview, dataset.looking) = (None, None);
        state.act(Action::SelectPattern(200));
        state.act(Action::SetField { path: "model.gridsize".into(), text: "2".into() });
        looks_as_accepted(&state, View::show, [1180.0, 720.0], "data", &["Object guess"]);
    }

    #[test]
    #[ignore = "writes pictures to look at"]
    fn pictures_of_the_data_panel() {
        let shared = concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/data/cnm235_mini_n64.npz");
        let modes = std::path::Path::new(shared).exists().then(|| opened(shared.as_ref()));
        for theme in [egui::Theme::Dark, egui::Theme::Light] {
            for size in [[1280.0, 720.0], [1920.0, 1000.0], [500.0, 760.0]] {
                let mut panel = bench(opened(&fixture("siemens_star_n64.npz")), size, theme);
                panel.state_mut().state.act(Action::SelectPattern(200));
                panel.state_mut().state.act(Action::SetField { path: "model.gridsize".into(), text: "2".into() });
                panel.run_ok();
                photograph(&mut panel, &format!("data_{theme:?}_{}", size[0]));
            }
        }
        if let Some(state) = modes {
            let mut panel = bench(state, [1280.0, 720.0], egui::Theme::Dark);
            photograph(&mut panel, "data_modes");
        }
    }
}
