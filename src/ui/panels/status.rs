//! The bar at the bottom: the device, the job, and how far it is.

use super::train;
use crate::config::Accelerator;
use crate::session::{Action, State, Status, Step};
use crate::ui::theme;
use crate::worker::message::{AdapterKind, Stage, WHAT_TO_INSTALL};
use eframe::egui::{self, Button, RichText};

/// What is said about the device.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Badge {
    text: String,
    /// Whether it is the CPU for want of a graphics card; none where that is not known yet or not of interest.
    reduced: Option<bool>,
    about: String,
}

/// The device that works, or the one that will.
fn badge(state: &State) -> Badge {
    let reduced_about = || {
        let found: Vec<String> = state
            .devices
            .iter()
            .flatten()
            .filter(|device| device.kind != AdapterKind::Cpu)
            .map(|device| format!("{} ({}, {})", device.name, device.backend, device.kind.label()))
            .collect();
        let found = if found.is_empty() { "no Vulkan adapter at all".to_owned() } else { found.join(", ") };
        format!(
            "Reduced capability: no graphics card that can train was found, so the CPU does the work, more slowly. \
             The results are the same.\nFound: {found}\n{WHAT_TO_INSTALL}"
        )
    };
    if let Some(device) = &state.job.device {
        let mut about = format!("{} ({}, {})", device.name, device.backend, device.kind.label());
        if device.reduced_capability {
            about = format!("{about}\n{}", reduced_about());
        }
        return Badge { text: device.name.clone(), reduced: Some(device.reduced_capability), about };
    }
    let config = state.draft.config();
    if config.execution.accelerator == Accelerator::Cpu {
        let about = "As configured (Device, in Configure)".to_owned();
        return Badge { text: "CPU".to_owned(), reduced: None, about };
    }
    let Some(devices) = &state.devices else {
        let text = "Device is chosen when a job starts".to_owned();
        return Badge { about: text.clone(), text, reduced: None };
    };
    match devices.iter().filter(|device| device.usable && device.kind.is_hardware()).min_by_key(|device| device.kind) {
        Some(device) => Badge {
            text: device.name.clone(),
            reduced: Some(false),
            about: format!("Will do the work: {} ({}, {})", device.name, device.backend, device.kind.label()),
        },
        None => Badge { text: "CPU only: no GPU found".to_owned(), reduced: Some(true), about: reduced_about() },
    }
}

/// Draws the bar; `aside` stands at its right end, `window` names what draws the window. Whether the device was clicked.
pub fn show(ui: &mut egui::Ui, state: &State, window: &str, aside: Option<&str>, actions: &mut Vec<Action>) -> bool {
    let palette = theme::palette(ui);
    let mut asked = false;
    ui.horizontal(|ui| {
        if let Some(text) = aside {
            // Its place is kept first, so that a long line does not push it out.
            let width = 7.0 * text.chars().count() as f32;
            let rect = ui.max_rect();
            let place = egui::Rect::from_min_max(egui::pos2(rect.right() - width, rect.top()), rect.max);
            ui.put(place, egui::Label::new(RichText::new(text).small().color(palette.weak)));
            ui.set_max_width(rect.width() - width - 8.0);
        }
        let badge = badge(state);
        let color = match badge.reduced {
            Some(true) => palette.warning,
            Some(false) => palette.good,
            None => palette.weak,
        };
        let button = Button::new(RichText::new(format!("● {}", badge.text)).color(color)).frame(false);
        let button = ui.add(button);
        let name = format!("Device: {}", badge.text);
        button.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Button, true, &name));
        asked = button.on_hover_text(format!("{}\nThe window is drawn by {window}", badge.about)).clicked();
        ui.separator();
        match &state.job.status {
            Status::Running if state.job.stage == Some(Stage::Watching) => {
                ui.label(format!("Watching: {}", state.job.watched.words()));
            }
            Status::Running => {
                if ui.link(train::doing(state)).clicked() {
                    actions.push(Action::Go(Step::Train));
                }
                let fraction = state.job.progress.fraction;
                let text = format!("{:.0} %", 100.0 * fraction);
                ui.add(egui::ProgressBar::new(fraction as f32).desired_width(140.0).text(text));
                if let Some(remaining) = train::remaining(state) {
                    ui.weak(format!("{} left", crate::ui::widgets::duration(remaining)));
                }
            }
            Status::Idle if state.starting => {
                ui.label("Starting");
            }
            Status::Idle => {
                ui.weak("Ready");
            }
            Status::Finished(_) => {
                ui.label(RichText::new("Done").color(palette.good));
            }
            Status::Failed => {
                let title = state.job.failure.as_ref().map_or("", |failure| failure.problem().title.as_str());
                ui.add(egui::Label::new(RichText::new(format!("Failed: {title}")).color(palette.bad)).truncate());
            }
        }
    });
    asked
}

#[cfg(test)]
mod tests {
    use super::super::bench::device;
    use super::*;

    #[test]
    fn without_a_graphics_card_it_says_so_before_a_job_and_what_to_install() {
        let mut state = State::default();
        assert_eq!(badge(&state).reduced, None, "not known yet");
        state.devices = Some(vec![device("llvmpipe", AdapterKind::Software), device("Some CPU", AdapterKind::Cpu)]);
        let found = badge(&state);
        assert_eq!((found.reduced, found.text.as_str()), (Some(true), "CPU only: no GPU found"));
        for word in ["Reduced capability", "llvmpipe (vulkan, software rasteriser)", "libvulkan1", "NVIDIA"] {
            assert!(found.about.contains(word), "{word}: {}", found.about);
        }
        state.devices = Some(vec![device("Some CPU", AdapterKind::Cpu)]);
        assert!(badge(&state).about.contains("no Vulkan adapter at all"));
        state.draft.set("execution.accelerator", "cpu");
        assert_eq!(badge(&state).reduced, None, "it was asked for");
    }

    #[test]
    fn the_best_card_that_can_train_is_named() {
        let cannot = crate::worker::message::AdapterInfo { usable: false, ..device("Old", AdapterKind::Discrete) };
        let devices = vec![cannot, device("Small", AdapterKind::Integrated), device("Big", AdapterKind::Discrete)];
        let state = State { devices: Some(devices), ..State::default() };
        assert_eq!((badge(&state).text.as_str(), badge(&state).reduced), ("Big", Some(false)));
    }
}
