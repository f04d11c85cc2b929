//! Start page, shown while no dataset is open.

use super::Outbox;
use crate::session::{Action, State, Step};
use crate::system::file_name;
use crate::ui::commands::Command;
use crate::ui::theme;
use eframe::egui::{self, Align, Layout, RichText, Stroke, StrokeKind, vec2};

/// Width of the middle column, in points.
const COLUMN: f32 = 520.0;

/// Draws the panel.
pub fn show(ui: &mut egui::Ui, state: &State, outbox: &mut Outbox, actions: &mut Vec<Action>) {
    let palette = theme::palette(ui);
    let hovering = ui.input(|input| !input.raw.hovered_files.is_empty());
    if hovering {
        let place = ui.max_rect().shrink(4.0);
        ui.painter().rect_filled(place, 8.0, palette.accent.gamma_multiply(0.08));
        ui.painter().rect_stroke(place, 8.0, Stroke::new(2.0, palette.accent), StrokeKind::Inside);
    }
    egui::ScrollArea::vertical().auto_shrink([false, false]).show(ui, |ui| {
        ui.add_space((ui.available_height() * 0.10).clamp(8.0, 90.0));
        ui.vertical_centered(|ui| {
            ui.set_max_width(COLUMN.min(ui.available_width()));
            ui.label(RichText::new("Ptychoscope").size(34.0).strong());
            ui.label(RichText::new("From diffraction patterns to amplitude and phase").size(15.5).color(palette.weak));
            ui.add_space(26.0);
            let wide = vec2(320.0_f32.min(ui.available_width()), 42.0);
            let text = RichText::new("Try the example").size(16.0).color(palette.on_accent).strong();
            if ui.add_sized(wide, egui::Button::new(text).fill(palette.accent)).clicked() {
                actions.push(Action::OpenExample);
            }
            let help = "Siemens star, 516 measured patterns: first reconstruction in about a minute";
            ui.label(RichText::new(help).small().color(palette.weak));
            if state.recent.is_empty() {
                let tour = ui.link("Take the tour").on_hover_text("The window in five steps; also in the menu Help");
                if tour.clicked() {
                    outbox.command = Some(Command::Tour);
                }
            }
            ui.add_space(12.0);
            let mut open = |ui: &mut egui::Ui, text: &str, help: &str, command: Command| {
                let button = ui.add_sized(wide, egui::Button::new(RichText::new(text).size(15.0)));
                if button.on_hover_text(help).clicked() {
                    outbox.command = Some(command);
                }
            };
            open(
                ui,
                "Open dataset…",
                "Diffraction patterns with scan positions and a probe: NPZ, HDF5 or CXI",
                Command::Open,
            );
            open(ui, "Open model…", "Reconstruct with a trained model (model.ptycho)", Command::Open);
            open(ui, "Open run folder…", "Show the result of an earlier run", Command::OpenRun);
            open(
                ui,
                "Simulate a dataset…",
                "Simulate patterns of a known object, for comparison with the reconstruction",
                Command::ShowSimulate,
            );
            let drop = if hovering { "Drop to open" } else { "or drop a file on this window" };
            let drop = RichText::new(drop).small();
            ui.label(if hovering { drop.color(palette.accent) } else { drop.color(palette.weak) });
            ui.add_space(22.0);
            steps(ui, actions);
            if !state.recent.is_empty() {
                ui.add_space(22.0);
                recent(ui, state, outbox, actions);
            }
        });
    });
}

/// The four steps from a dataset to a result.
fn steps(ui: &mut egui::Ui, actions: &mut Vec<Action>) {
    let palette = theme::palette(ui);
    let help = |step: Step| match step {
        Step::Data => "inspect the dataset",
        Step::Configure => "or keep the defaults",
        Step::Train => "watch the object appear",
        Step::Result => "view, measure, export",
    };
    ui.columns(4, |columns| {
        for ((column, step), number) in columns.iter_mut().zip(Step::ALL).zip(1..) {
            column.with_layout(Layout::top_down(Align::Center), |ui| {
                ui.spacing_mut().item_spacing.y = 1.0;
                let text = RichText::new(format!("{number}  {}", step.label())).strong();
                // This page belongs to the first step.
                if step == Step::Data {
                    ui.label(text.color(palette.accent));
                } else if ui.add(egui::Link::new(text)).clicked() {
                    actions.push(Action::Go(step));
                }
                ui.label(RichText::new(help(step)).small().color(palette.weak));
            });
        }
    });
}

fn recent(ui: &mut egui::Ui, state: &State, outbox: &mut Outbox, actions: &mut Vec<Action>) {
    let palette = theme::palette(ui);
    ui.horizontal(|ui| {
        ui.label(RichText::new("Recent").strong());
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            if ui.small_button("Clear list").on_hover_text("Clear the list; the files are not deleted").clicked() {
                actions.push(Action::ClearRecent);
            }
            if !state.last_session.is_empty() {
                let names = [&state.last_session.dataset, &state.last_session.result];
                let names: Vec<String> = names.into_iter().flatten().map(|path| file_name(path)).collect();
                let help = format!("Open again what was open last time: {}", names.join(", "));
                if ui.small_button("Reopen last session").on_hover_text(help).clicked() {
                    outbox.command = Some(Command::ReopenSession);
                }
            }
        });
    });
    for path in &state.recent {
        let name = file_name(path);
        let folder = path.parent().map(|folder| folder.display().to_string()).unwrap_or_default();
        ui.horizontal(|ui| {
            if ui.link(name).on_hover_text(path.display().to_string()).clicked() {
                actions.push(Action::Open(path.clone()));
            }
            ui.add(egui::Label::new(RichText::new(folder).small().color(palette.weak)).truncate());
        });
    }
}

#[cfg(test)]
mod tests {
    use super::super::harness::{TestPanel, harness, looks_as_accepted, photograph};
    use super::*;
    use crate::session::LastSession;
    use egui_kittest::Harness;
    use egui_kittest::kittest::Queryable;

    fn open(state: State, size: [f32; 2], theme: egui::Theme) -> Harness<'static, TestPanel<()>> {
        harness(state, |(), ui, state, outbox, actions| show(ui, state, outbox, actions), size, theme)
    }

    fn used() -> State {
        let last_session = LastSession { dataset: Some("/data/2026/scan_012.npz".into()), result: None };
        State {
            last_session,
            recent: vec!["/data/2026/scan_012.npz".into(), "/data/scan_007.h5".into()],
            ..State::default()
        }
    }

    #[test]
    fn every_way_to_start_is_one_click_away() {
        let mut panel = open(used(), [1000.0, 700.0], egui::Theme::Light);
        panel.get_by_label("Try the example").click();
        panel.run_ok();
        panel.get_by_label("scan_012.npz").click();
        panel.run_ok();
        let opened = Action::Open("/data/2026/scan_012.npz".into());
        assert_eq!(panel.state().actions, [Action::OpenExample, opened]);
        for (label, command) in [
            ("Open dataset…", Command::Open),
            ("Open model…", Command::Open),
            ("Open run folder…", Command::OpenRun),
            ("Reopen last session", Command::ReopenSession),
            ("Simulate a dataset…", Command::ShowSimulate),
        ] {
            panel.get_by_label(label).click();
            panel.run_ok();
            assert_eq!(panel.state_mut().outbox.command.take(), Some(command));
        }
        panel.get_by_label("Clear list").click();
        panel.run_ok();
        assert!(panel.state().state.recent.is_empty() && panel.query_by_label("Recent").is_none());
    }

    #[test]
    fn the_welcome_looks_as_accepted() {
        let show = |_: &mut (), ui: &mut egui::Ui, state: &State, outbox: &mut Outbox, actions: &mut Vec<Action>| {
            show(ui, state, outbox, actions);
        };
        looks_as_accepted(&used(), show, [640.0, 640.0], "welcome", &[]);
    }

    #[test]
    #[ignore = "writes images for visual inspection"]
    fn pictures_of_the_welcome() {
        for theme in [egui::Theme::Dark, egui::Theme::Light] {
            for size in [[1280.0, 720.0], [500.0, 760.0]] {
                let mut panel = open(used(), size, theme);
                photograph(&mut panel, &format!("welcome_{theme:?}_{}", size[0]));
            }
        }
    }
}
