//! Status bar: device, job and progress.

use super::train;
use crate::config::Accelerator;
use crate::session::{Action, State, Status, Step};
use crate::ui::theme;
use crate::worker::message::{AdapterKind, DRIVER_HINT, Stage};
use eframe::egui::{self, Button, RichText};

/// Device shown in the status bar.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Badge {
    text: String,
    /// True if it is the CPU for lack of a GPU; `None` if unknown, or if the CPU was chosen by the user.
    reduced: Option<bool>,
    tooltip: String,
}

/// Device of the running job, else the one expected for the next job.
fn badge(state: &State) -> Badge {
    let reduced_tooltip = || {
        let found: Vec<String> = state
            .devices
            .iter()
            .flatten()
            .filter(|device| device.kind != AdapterKind::Cpu)
            .map(|device| format!("{} ({}, {})", device.name, device.backend, device.kind.label()))
            .collect();
        let found = if found.is_empty() { "no Vulkan adapter".to_owned() } else { found.join(", ") };
        format!(
            "Reduced capability: no GPU suitable for training was found, so jobs run on the CPU. They take longer; \
             results are the same.\nFound: {found}\n{DRIVER_HINT}"
        )
    };
    if let Some(device) = &state.job.device {
        let mut tooltip = format!("{} ({}, {})", device.name, device.backend, device.kind.label());
        if device.reduced_capability {
            tooltip = format!("{tooltip}\n{}", reduced_tooltip());
        }
        return Badge { text: device.name.clone(), reduced: Some(device.reduced_capability), tooltip };
    }
    let config = state.draft.config();
    if config.execution.accelerator == Accelerator::Cpu {
        let tooltip = "Set in Configure (Device)".to_owned();
        return Badge { text: "CPU".to_owned(), reduced: None, tooltip };
    }
    let Some(devices) = &state.devices else {
        let text = "Device selected when a job starts".to_owned();
        return Badge { tooltip: text.clone(), text, reduced: None };
    };
    match devices.iter().filter(|device| device.usable && device.kind.is_hardware()).min_by_key(|device| device.kind) {
        Some(device) => Badge {
            text: device.name.clone(),
            reduced: Some(false),
            tooltip: format!("Training device: {} ({}, {})", device.name, device.backend, device.kind.label()),
        },
        None => Badge { text: "CPU only: no GPU found".to_owned(), reduced: Some(true), tooltip: reduced_tooltip() },
    }
}

/// Draws the bar, with `aside` at its right end; true if the device was clicked. `renderer` names the renderer of the window.
pub fn show(ui: &mut egui::Ui, state: &State, renderer: &str, aside: Option<&str>, actions: &mut Vec<Action>) -> bool {
    let palette = theme::palette(ui);
    let mut clicked = false;
    ui.horizontal(|ui| {
        if let Some(text) = aside {
            // Placed first, so that a long message does not push it out.
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
        clicked = button.on_hover_text(format!("{}\nWindow renderer: {renderer}", badge.tooltip)).clicked();
        ui.separator();
        match &state.job.status {
            Status::Running if state.job.stage == Some(Stage::Watching) => {
                ui.label(format!("Watching: {}", state.job.watched.summary()));
            }
            Status::Running => {
                if ui.link(train::activity(state)).clicked() {
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
            Status::Idle if state.reading_result => {
                ui.weak("Reading a result");
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
    clicked
}

#[cfg(test)]
mod tests {
    use super::super::harness::device;
    use super::*;

    #[test]
    fn without_a_gpu_the_bar_says_so_before_a_job_and_what_to_install() {
        let mut state = State::default();
        assert_eq!(badge(&state).reduced, None, "not known yet");
        state.devices = Some(vec![device("llvmpipe", AdapterKind::Software), device("Some CPU", AdapterKind::Cpu)]);
        let found = badge(&state);
        assert_eq!((found.reduced, found.text.as_str()), (Some(true), "CPU only: no GPU found"));
        for word in ["Reduced capability", "llvmpipe (vulkan, software rasterizer)", "libvulkan1", "NVIDIA"] {
            assert!(found.tooltip.contains(word), "{word}: {}", found.tooltip);
        }
        state.devices = Some(vec![device("Some CPU", AdapterKind::Cpu)]);
        assert!(badge(&state).tooltip.contains("no Vulkan adapter"));
        state.draft.set("execution.accelerator", "cpu");
        assert_eq!(badge(&state).reduced, None, "it was asked for");
    }

    #[test]
    fn the_best_gpu_that_can_train_is_named() {
        let cannot = crate::worker::message::AdapterInfo { usable: false, ..device("Old", AdapterKind::Discrete) };
        let devices = vec![cannot, device("Small", AdapterKind::Integrated), device("Big", AdapterKind::Discrete)];
        let state = State { devices: Some(devices), ..State::default() };
        assert_eq!((badge(&state).text.as_str(), badge(&state).reduced), ("Big", Some(false)));
    }
}
