//! Command palette, and the list of keyboard shortcuts.

use crate::ui::commands::Command;
use crate::ui::widgets::escape_pressed;
use eframe::egui::{self, Key, Modal, RichText};

/// Commands that match the typed text.
#[derive(Debug, Default)]
pub struct Palette {
    text: String,
    selected: usize,
    focused: bool,
}

/// State of the palette after a frame.
pub enum Choice {
    /// Still open.
    Open,
    /// Closed with a command.
    Chosen(Command),
    /// Closed without a command.
    Canceled,
}

/// True if all letters of `typed` occur in `label` in this order, ignoring case and spaces.
fn matches(label: &str, typed: &str) -> bool {
    let mut letters = label.chars().flat_map(char::to_lowercase);
    typed.chars().flat_map(char::to_lowercase).filter(|c| !c.is_whitespace()).all(|c| letters.any(|l| l == c))
}

impl Palette {
    /// Draws the palette; call each frame until it ends. `disabled_reason` returns the reason why a command cannot run.
    pub fn show(&mut self, context: &egui::Context, disabled_reason: &dyn Fn(Command) -> Option<String>) -> Choice {
        let mut choice = Choice::Open;
        let (up, down, enter) = context.input(|input| {
            (input.key_pressed(Key::ArrowUp), input.key_pressed(Key::ArrowDown), input.key_pressed(Key::Enter))
        });
        let modal = Modal::new(egui::Id::unique("command palette")).show(context, |ui| {
            ui.set_width(440.0);
            let label = ui.label("Command");
            let field = ui.add(
                egui::TextEdit::singleline(&mut self.text)
                    .desired_width(f32::INFINITY)
                    .hint_text("Type part of a command name"),
            );
            let field = field.labelled_by(label.id);
            if !std::mem::replace(&mut self.focused, true) {
                field.request_focus();
            }
            if field.changed() {
                self.selected = 0;
            }
            let found: Vec<Command> =
                Command::ALL.iter().copied().filter(|command| matches(command.label(), &self.text)).collect();
            if down {
                self.selected += 1;
            }
            if up {
                self.selected = self.selected.saturating_sub(1);
            }
            self.selected = self.selected.min(found.len().saturating_sub(1));
            egui::ScrollArea::vertical().max_height(360.0).show(ui, |ui| {
                for (index, command) in found.iter().copied().enumerate() {
                    let reason = disabled_reason(command);
                    let mut button = egui::Button::selectable(index == self.selected, command.label())
                        .min_size(egui::vec2(ui.available_width(), 0.0));
                    if let Some(keys) = command.shortcut() {
                        button = button.shortcut_text(ui.ctx().format_shortcut(&keys));
                    }
                    let response = ui.add_enabled(reason.is_none(), button);
                    if index == self.selected && (up || down) {
                        response.scroll_to_me(None);
                    }
                    let usable = reason.is_none();
                    let response = match reason {
                        Some(reason) => response.on_disabled_hover_text(reason),
                        None => response,
                    };
                    if usable && (response.clicked() || (enter && index == self.selected)) {
                        choice = Choice::Chosen(command);
                    }
                }
            });
            if found.is_empty() {
                ui.weak("No matching command");
            }
        });
        if modal.should_close() && matches!(choice, Choice::Open) {
            choice = Choice::Canceled;
        }
        choice
    }
}

/// Draws the list of shortcuts, in two columns so that it fits the smallest window.
pub fn shortcut_sheet(context: &egui::Context, open: &mut bool) {
    let middle = context.content_rect().center();
    let window = egui::Window::new("Keyboard shortcuts").pivot(egui::Align2::CENTER_CENTER).default_pos(middle);
    window.open(open).collapsible(false).resizable(false).show(context, |ui| {
        let all: Vec<_> = Command::ALL.iter().filter_map(|command| Some((command, command.shortcut()?))).collect();
        ui.horizontal_top(|ui| {
            for (number, column) in all.chunks(all.len().div_ceil(2)).enumerate() {
                if number > 0 {
                    ui.separator();
                }
                let grid = egui::Grid::new(("shortcut sheet", number)).num_columns(2).spacing([24.0, 6.0]);
                grid.striped(true).show(ui, |ui| {
                    for (command, keys) in column {
                        ui.label(command.label());
                        ui.label(RichText::new(ui.ctx().format_shortcut(keys)).monospace());
                        ui.end_row();
                    }
                });
            }
        });
    });
    if *open && escape_pressed(context) {
        *open = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_found_by_letters_in_order() {
        assert!(matches("Start training", "st tr"));
        assert!(matches("Reset layout", "rela"));
        assert!(!matches("Start training", "gnin"));
        assert!(matches("Quit", ""));
    }
}
