//! Simulation of a dataset: form, preview and start.
//!
//! * `preview`: object with scan, probe and one pattern. The form uses the rows of the configuration panel.

mod preview;

use super::Outbox;
use super::configure::{self, editor, rows};
use crate::config::unused_reason_in_simulation;
use crate::session::{Action, Source, State, Status};
use crate::ui::theme;
use crate::ui::widgets::numbers::{bytes, grouped};
use crate::ui::widgets::primary_button;
use crate::worker::message::Control;
use crate::worker::message::JobKind;
use eframe::egui::{self, Align, Layout, Panel, RichText, ScrollArea, TextEdit, vec2};

/// Minimum width with form and preview side by side.
const WIDE: f32 = 900.0;
/// Delay after the last change before the preview is updated, in seconds.
const PAUSE_S: f64 = 0.4;

/// Sections of the form, with their fields in display order.
const SECTIONS: [(&str, &[&str]); 4] = [
    ("Object", &["object", "object_size", "amplitude_min", "amplitude_max", "phase_min", "phase_max", "phase_texture"]),
    (
        "Probe",
        &[
            "probe",
            "pattern_size",
            "probe_diameter",
            "defocus",
            "pupil_radius",
            "central_stop",
            "astigmatism_0",
            "astigmatism_45",
            "coma_x",
            "coma_y",
            "spherical",
            "probe_modes",
            "mode_power",
        ],
    ),
    ("Scan", &["scan", "n_images", "overlap", "scan_jitter", "buffer", "position_error", "patches"]),
    ("Detector", &["fresnel_number", "n_photons", "poisson_noise", "read_noise", "dead_pixels", "beamstop_diameter"]),
];
/// Fields of other groups used by a simulation.
const OTHERS: [&str; 2] = ["model.gridsize", "execution.seeds.noise"];

/// State of the simulation panel.
#[derive(Default)]
pub struct View {
    rows: rows::Rows,
    typing: editor::Typing,
    preview: preview::Preview,
    /// Number of changes, and the time of the last one.
    seen: (u64, f64),
}

impl View {
    /// Draws the panel.
    pub fn show(&mut self, ui: &mut egui::Ui, state: &State, outbox: &mut Outbox, actions: &mut Vec<Action>) {
        self.rows.follow_for(&state.draft, unused_reason_in_simulation);
        self.update_preview(ui, state, actions);
        let palette = theme::palette(ui);
        ui.horizontal_wrapped(|ui| {
            ui.label(RichText::new("Simulate a dataset").heading());
            let text = "Simulated object, probe, scan and detector; the true object is stored with the patterns";
            ui.label(RichText::new(text).color(palette.weak));
        });
        ui.separator();
        Panel::bottom("start of the simulation")
            .frame(egui::Frame::NONE.inner_margin(egui::Margin { top: 8, ..egui::Margin::ZERO }))
            .show(ui, |ui| start(ui, state, outbox, actions));
        if ui.available_width() >= WIDE {
            Panel::left("form of the simulation")
                .resizable(true)
                .default_size(0.46 * ui.available_width())
                .size_range(420.0..=900.0)
                .frame(egui::Frame::NONE.inner_margin(egui::Margin { right: 10, ..egui::Margin::ZERO }))
                .show(ui, |ui| {
                    ScrollArea::vertical()
                        .auto_shrink([false, false])
                        .show(ui, |ui| self.form(ui, state, outbox, actions));
                });
            egui::Frame::NONE.inner_margin(egui::Margin { left: 10, ..egui::Margin::ZERO }).show(ui, |ui| {
                let height = ui.available_height();
                self.preview.show(ui, state, height);
            });
        } else {
            ScrollArea::vertical().auto_shrink([false, false]).show(ui, |ui| {
                self.preview.show(ui, state, 560.0);
                ui.separator();
                self.form(ui, state, outbox, actions);
            });
        }
    }

    /// Requests a preview shortly after the last change.
    fn update_preview(&mut self, ui: &egui::Ui, state: &State, actions: &mut Vec<Action>) {
        let now = ui.input(|input| input.time);
        if self.rows.version != self.seen.0 {
            let first = self.seen.0 == 0;
            self.seen = (self.rows.version, if first { f64::NEG_INFINITY } else { now });
        }
        if !state.is_preview_stale() || !state.required_sources().is_empty() && missing(state) {
            return;
        }
        let rest = PAUSE_S - (now - self.seen.1);
        if rest > 0.0 {
            ui.ctx().request_repaint_after(std::time::Duration::from_secs_f64(rest));
        } else {
            actions.push(Action::PreviewSimulation);
        }
    }

    fn form(&mut self, ui: &mut egui::Ui, state: &State, outbox: &mut Outbox, actions: &mut Vec<Action>) {
        let Self { rows, typing, .. } = self;
        let row = |path: &str| rows.groups.iter().flat_map(|group| &group.rows).find(|row| row.field.path == path);
        let wanted = state.required_sources();
        for (title, names) in SECTIONS {
            egui::CollapsingHeader::new(RichText::new(title).strong().size(14.5)).default_open(true).show_unindented(
                ui,
                |ui| {
                    for name in names {
                        let Some(row) = row(&format!("simulation.{name}")) else { continue };
                        configure::field(ui, row, state, typing, actions);
                        let file = match *name {
                            "object" => wanted.iter().find(|s| matches!(s, Source::Object | Source::Picture)),
                            "probe" => wanted.iter().find(|s| **s == Source::Probe),
                            "scan" => wanted.iter().find(|s| **s == Source::Positions),
                            _ => None,
                        };
                        if let Some(source) = file {
                            choose_file(ui, state, *source, outbox, actions);
                        }
                    }
                },
            );
            ui.add_space(4.0);
        }
        egui::CollapsingHeader::new(RichText::new("Groups and seed").strong().size(14.5)).show_unindented(ui, |ui| {
            for row in OTHERS.into_iter().filter_map(row) {
                configure::field(ui, row, state, typing, actions);
            }
        });
    }
}

/// True if a required file is not chosen yet.
fn missing(state: &State) -> bool {
    let mut sources = state.sources();
    state.required_sources().into_iter().any(|source| source.of(&mut sources).is_none())
}

/// Path of a file, typed or chosen in a dialog.
fn choose_file(ui: &mut egui::Ui, state: &State, source: Source, outbox: &mut Outbox, actions: &mut Vec<Action>) {
    let mut sources = state.sources();
    let chosen = source.of(&mut sources).take().unwrap_or_default();
    ui.horizontal(|ui| {
        ui.add_space(24.0);
        let label = ui.add_sized([160.0, 20.0], egui::Label::new(source.label()).halign(Align::Min));
        let mut text = chosen.display().to_string();
        let width = (ui.available_width() - 90.0).max(80.0);
        let field = ui.add(TextEdit::singleline(&mut text).desired_width(width).hint_text("path"));
        if field.labelled_by(label.id).changed() {
            actions.push(Action::SetSource(source, text.trim().into()));
        }
        let button = ui.button("Browse…");
        let name = format!("Browse for {}", source.label().to_lowercase());
        button.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Button, true, &name));
        if button.clicked() {
            outbox.choose_source = Some(source);
        }
    });
}

/// The bar at the bottom: start button, progress, or the reason why it is disabled.
fn start(ui: &mut egui::Ui, state: &State, outbox: &mut Outbox, actions: &mut Vec<Action>) {
    let palette = theme::palette(ui);
    let running = state.job.status == Status::Running && state.job.is(JobKind::Simulate);
    let reason = state.why_not_simulate();
    ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
        if running {
            if ui.add(egui::Button::new("Stop").min_size(vec2(100.0, 38.0))).clicked() {
                actions.push(Action::Steer(Control::Stop));
            }
        } else {
            if primary_button(ui, "Simulate…", reason.as_deref()).clicked() {
                let kind = state.draft.text("simulation.object").unwrap_or_default();
                outbox.simulate = Some(format!("simulated_{kind}.npz"));
            }
        }
        ui.with_layout(Layout::left_to_right(Align::Center), |ui| {
            if running {
                let progress = &state.job.progress;
                ui.add(egui::ProgressBar::new(progress.fraction as f32).desired_width(220.0).show_percentage());
                if let Some(rate) = progress.patterns_per_second {
                    ui.label(RichText::new(format!("{rate:.0} patterns/s")).color(palette.weak));
                }
                return;
            }
            let (text, color) = match &reason {
                Some(reason) => (reason.clone(), palette.warning),
                None => (outcome(state).unwrap_or_default(), palette.weak),
            };
            ui.add(egui::Label::new(RichText::new(&text).color(color)).truncate()).on_hover_text(&text);
        });
    });
}

/// Description of the dataset to be simulated.
fn outcome(state: &State) -> Option<String> {
    let preview = state.simulation.preview.as_ref()?;
    let side = preview.scene.patch_size();
    let shown = preview.scene.positions.len();
    let count = if preview.is_partial { state.draft.config().simulation.n_images.unwrap_or(shown) } else { shown };
    let size = (count * side * side * 4) as u64;
    Some(format!("{} patterns of {side} × {side}, at most {} on disk", grouped(count as u64), bytes(size)))
}

#[cfg(test)]
mod tests {
    use super::super::harness::{TestPanel, harness, looks_as_accepted, photograph, read};
    use super::*;
    use crate::config::Config;
    use crate::session::Effect;
    use crate::worker::message::{Event, EventKind, Progress, Stage};
    use egui_kittest::Harness;
    use egui_kittest::kittest::Queryable;
    use std::time::Duration;

    fn bench(state: State, size: [f32; 2], theme: egui::Theme) -> Harness<'static, TestPanel<View>> {
        harness(state, View::show, size, theme)
    }

    /// State with a preview from the reader.
    fn previewed() -> State {
        let mut state = State::default();
        state.dispatch(Action::SetField { path: "simulation.n_images".into(), text: "120".into() });
        with_preview(state)
    }

    fn with_preview(mut state: State) -> State {
        for effect in state.dispatch(Action::PreviewSimulation) {
            let Effect::Library(request) = effect else { continue };
            for reply in read(request) {
                state.on_reply(reply);
            }
        }
        assert!(state.simulation.preview.is_some(), "{:?}", state.simulation.failure);
        state
    }

    #[test]
    fn every_simulation_field_is_in_the_form_once() {
        let mut shown: Vec<String> =
            SECTIONS.iter().flat_map(|(_, names)| names.iter().map(|name| format!("simulation.{name}"))).collect();
        let mut all: Vec<String> = Config::fields()
            .into_iter()
            .filter(|field| field.group() == "simulation")
            .map(|field| field.path.to_owned())
            .collect();
        shown.sort();
        all.sort();
        assert_eq!(shown, all);
    }

    #[test]
    fn the_preview_shows_object_scan_probe_and_pattern() {
        let panel = bench(previewed(), [1280.0, 760.0], egui::Theme::Dark);
        for name in ["Simulated object", "Simulated probe", "Simulated pattern"] {
            panel.get_by_role_and_label(egui::accesskit::Role::Image, name);
        }
        panel.get_by_label_contains("120 patterns of 64 × 64");
        let pattern = panel.state().state.simulation.preview.as_ref().unwrap().pattern;
        panel.get_by_label_contains(&format!("Pattern {pattern} · "));
        assert!(!panel.state().actions.contains(&Action::PreviewSimulation), "the preview matches the form");
    }

    #[test]
    fn a_change_updates_the_preview_after_a_delay() {
        let mut panel = bench(previewed(), [1280.0, 760.0], egui::Theme::Dark);
        let path = "simulation.phase_max".to_owned();
        panel.state_mut().state.dispatch(Action::SetField { path, text: "2".into() });
        panel.step();
        assert_eq!(panel.state().actions, [], "not while typing");
        panel.run_steps(40);
        assert_eq!(panel.state().actions, [Action::PreviewSimulation]);
    }

    #[test]
    fn required_files_are_requested_and_block_the_start() {
        let mut panel = bench(previewed(), [1280.0, 760.0], egui::Theme::Dark);
        assert!(panel.query_by_label("Object image").is_none());
        let path = "simulation.object".to_owned();
        panel.state_mut().state.dispatch(Action::SetField { path, text: "image".into() });
        panel.run_ok();
        panel.get_by_label_contains("Choose a file first");
        panel.get_by_label("Browse for object image").click();
        panel.run_ok();
        assert_eq!(panel.state().outbox.choose_source, Some(Source::Picture));
        panel.get_by_label("Simulate…").click();
        panel.run_ok();
        assert_eq!(panel.state().outbox.simulate, None, "a disabled button does nothing");
    }

    #[test]
    fn the_button_asks_for_a_file_and_a_running_simulation_can_be_stopped() {
        let mut panel = bench(previewed(), [1280.0, 760.0], egui::Theme::Dark);
        panel.get_by_label("Simulate…").click();
        panel.run_ok();
        assert_eq!(panel.state_mut().outbox.simulate.take(), Some("simulated_lines.npz".into()));
        let tell = |state: &mut State, kind| {
            state.on_event(&Event { job: 1, at: Duration::from_secs(1), kind });
        };
        let state = &mut panel.state_mut().state;
        tell(state, EventKind::Started { kind: JobKind::Simulate });
        tell(state, EventKind::Stage { stage: Stage::Simulating });
        tell(state, EventKind::Progress(Progress { fraction: 0.25, ..Progress::default() }));
        panel.run_ok();
        panel.get_by_label("Stop").click();
        panel.run_ok();
        assert!(panel.state().actions.contains(&Action::Steer(Control::Stop)));
    }

    #[test]
    fn the_simulation_looks_as_accepted() {
        let mut state = State::default();
        for (path, text) in [
            ("simulation.n_images", "120"),
            ("simulation.scan", "spiral"),
            // Poisson counts change if the last digit of an expectation differs between processors.
            ("simulation.poisson_noise", "false"),
        ] {
            state.dispatch(Action::SetField { path: path.into(), text: text.into() });
        }
        looks_as_accepted(&with_preview(state), View::show, [1000.0, 640.0], "simulate", &["Simulated object"]);
    }

    #[test]
    #[ignore = "writes pictures to look at"]
    fn pictures_of_the_simulate_panel() {
        for theme in [egui::Theme::Dark, egui::Theme::Light] {
            for size in [[1256.0, 690.0], [1896.0, 970.0], [500.0, 760.0]] {
                let mut panel = bench(previewed(), size, theme);
                photograph(&mut panel, &format!("simulate_{theme:?}_{}", size[0]));
            }
        }
    }
}
