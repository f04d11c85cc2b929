//! Log of messages, newest at the bottom, with a filter and a copy button.

use super::Outbox;
use crate::checkpoint::Utc;
use crate::session::{Action, Level, LogEntry, State};
use crate::ui::theme;
use eframe::egui::{self, RichText};

/// Filter of the log.
#[derive(Debug, Default)]
pub struct View {
    filter: String,
    only_problems: bool,
}

impl View {
    /// Draws the panel.
    pub fn show(&mut self, ui: &mut egui::Ui, state: &State, _: &mut Outbox, actions: &mut Vec<Action>) {
        let shown: Vec<&LogEntry> = state.log.iter().filter(|entry| self.keeps(entry)).collect();
        ui.horizontal_wrapped(|ui| {
            let label = ui.label("Filter");
            ui.add(egui::TextEdit::singleline(&mut self.filter).desired_width(220.0)).labelled_by(label.id);
            ui.checkbox(&mut self.only_problems, "Only warnings and errors");
            if ui.add_enabled(!shown.is_empty(), egui::Button::new("Copy")).clicked() {
                ui.ctx().copy_text(shown.iter().map(|entry| line(entry)).collect::<Vec<_>>().join("\n"));
            }
            if ui.add_enabled(!state.log.is_empty(), egui::Button::new("Clear")).clicked() {
                actions.push(Action::ClearLog);
            }
        });
        ui.separator();
        if shown.is_empty() {
            ui.weak(if state.log.is_empty() { "No messages yet" } else { "No matching messages" });
            return;
        }
        let palette = theme::palette(ui);
        egui::ScrollArea::vertical().auto_shrink([false, false]).stick_to_bottom(true).show(ui, |ui| {
            for entry in shown {
                ui.horizontal_top(|ui| {
                    let at = time(entry);
                    let right = egui::Layout::right_to_left(egui::Align::Center);
                    ui.allocate_ui_with_layout(egui::vec2(70.0, 18.0), right, |ui| {
                        ui.set_min_size(ui.available_size());
                        let at = ui.label(RichText::new(at).monospace().color(palette.weak));
                        if let Some(since) = entry.at {
                            at.on_hover_text(format!("{:.1} s after the start of the program", since.as_secs_f64()));
                        }
                    });
                    let mark = RichText::new(mark(entry.level)).color(palette.level(entry.level));
                    ui.add_sized([12.0, 18.0], egui::Label::new(mark)).on_hover_text(word(entry.level));
                    ui.add(egui::Label::new(&entry.text).wrap());
                });
            }
        });
    }

    fn keeps(&self, entry: &LogEntry) -> bool {
        (!self.only_problems || matches!(entry.level, Level::Warning | Level::Error))
            && entry.text.to_lowercase().contains(&self.filter.to_lowercase())
    }
}

fn line(entry: &LogEntry) -> String {
    format!("{} {}: {}", time(entry), word(entry.level), entry.text).trim_start().to_owned()
}

/// Local time of day of an entry.
fn time(entry: &LogEntry) -> String {
    entry.clock.map_or_else(String::new, |seconds| Utc::from_unix(seconds).local_clock())
}

fn word(level: Level) -> &'static str {
    match level {
        Level::Info => "info",
        Level::Success => "done",
        Level::Warning => "warning",
        Level::Error => "error",
    }
}

fn mark(level: Level) -> &'static str {
    match level {
        Level::Info => "·",
        Level::Success => "●",
        Level::Warning => "▲",
        Level::Error => "×",
    }
}

#[cfg(test)]
mod tests {
    use super::super::harness::{harness, looks_as_accepted};
    use super::*;
    use egui_kittest::kittest::Queryable;
    use std::time::Duration;

    fn example() -> State {
        let entry = |seconds, level, text: &str| LogEntry {
            at: Some(Duration::from_secs_f64(seconds)),
            clock: Some(seconds as u64),
            level,
            text: text.to_owned(),
        };
        let log = vec![
            entry(0.4, Level::Info, "Started job 1: run"),
            entry(12.5, Level::Warning, "A run was interrupted; Runs offers its saved model"),
            entry(99.0, Level::Error, "No probe. Expected probeGuess. Add it to the file."),
            LogEntry { at: None, clock: None, level: Level::Success, text: "Saved picture.png".to_owned() },
        ];
        State { log, ..State::default() }
    }

    #[test]
    fn lines_are_filtered_and_cleared() {
        let mut panel = harness(example(), View::show, [900.0, 400.0], egui::Theme::Dark);
        panel.get_by_label("Saved picture.png");
        panel.get_by_label("Only warnings and errors").click();
        panel.run_ok();
        assert!(panel.query_by_label("Saved picture.png").is_none());
        panel.get_by_label_contains("No probe");
        panel.state_mut().view.filter = "interrupted".into();
        panel.run_ok();
        assert!(panel.query_by_label_contains("No probe").is_none());
        panel.get_by_label("Clear").click();
        panel.run_ok();
        panel.get_by_label("No messages yet");
    }

    #[test]
    fn the_log_looks_as_accepted() {
        looks_as_accepted(&example(), View::show, [700.0, 220.0], "log", &[]);
    }
}
