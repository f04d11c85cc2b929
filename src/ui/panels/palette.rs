//! Command palette, which also finds settings, and the list of keyboard shortcuts.

use crate::config::Config;
use crate::ui::commands::Command;
use crate::ui::theme;
use crate::ui::widgets::escape_pressed;
use eframe::egui::{self, Key, Modal, RichText};

/// Maximum number of settings listed.
const MAX_SETTINGS: usize = 12;

/// Target of the palette.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// Runs a command.
    Command(Command),
    /// Shows the setting with this dotted path and label.
    Setting(&'static str, &'static str),
}

/// Commands and settings that match the typed text.
#[derive(Debug, Default)]
pub struct Palette {
    text: String,
    selected: usize,
    focused: bool,
    /// Text for which `found` was computed.
    of: Option<String>,
    found: Vec<Target>,
}

/// State of the palette after a frame.
pub enum Choice {
    /// Still open.
    Open,
    /// Closed with a target.
    Chosen(Target),
    /// Closed without one.
    Canceled,
}

/// How well a label matches the typed text, in lower case; 0 is best, `None` no match. Exact words come before beginnings of
/// words, those before parts of words, and letters that merely occur in this order come last.
fn rank(label: &str, typed: &str) -> Option<u8> {
    let label = label.to_lowercase();
    let words = |text: &str| -> Vec<String> {
        text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).map(str::to_owned).collect()
    };
    let (ours, wanted) = (words(&label), words(typed));
    let all = |fits: fn(&str, &str) -> bool| wanted.iter().all(|word| ours.iter().any(|our| fits(our, word)));
    if ours == wanted || wanted.is_empty() {
        Some(0)
    } else if all(|our, word| our == word) {
        Some(1)
    } else if label.starts_with(typed) {
        Some(2)
    } else if all(|our, word| our.starts_with(word)) {
        Some(3)
    } else if all(|our, word| our.contains(word)) {
        Some(4)
    } else {
        let mut letters = label.chars();
        typed.chars().filter(|c| !c.is_whitespace()).all(|c| letters.any(|l| l == c)).then_some(LOOSE)
    }
}

/// Rank of a label in which only the order of the letters matches.
const LOOSE: u8 = 5;

/// Commands and settings for the typed text, best first; loose matches only if there are no others.
fn find(typed: &str) -> Vec<Target> {
    let typed = typed.trim().to_lowercase();
    let commands =
        Command::ALL.iter().filter_map(|command| Some((rank(command.label(), &typed)?, Target::Command(*command))));
    let mut found: Vec<(u8, Target)> = commands.collect();
    if !typed.is_empty() {
        let settings = Config::fields().into_iter().filter_map(|field| {
            let rank = rank(field.label, &typed).filter(|rank| *rank < LOOSE);
            let rank = rank.or_else(|| field.path.contains(&typed).then_some(LOOSE - 1))?;
            Some((rank, Target::Setting(field.path, field.label)))
        });
        let mut settings: Vec<(u8, Target)> = settings.collect();
        settings.sort_by_key(|(rank, _)| *rank);
        settings.truncate(MAX_SETTINGS);
        found.extend(settings);
    }
    if found.iter().any(|(rank, _)| *rank < LOOSE) {
        found.retain(|(rank, _)| *rank < LOOSE);
    }
    // Stable: commands come before settings of the same rank.
    found.sort_by_key(|(rank, _)| *rank);
    found.into_iter().map(|(_, target)| target).collect()
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
            let label = ui.label("Command or setting");
            let field = ui.add(
                egui::TextEdit::singleline(&mut self.text)
                    .desired_width(f32::INFINITY)
                    .hint_text("Type part of a name"),
            );
            let field = field.labelled_by(label.id);
            if !std::mem::replace(&mut self.focused, true) {
                field.request_focus();
            }
            if self.of.as_ref() != Some(&self.text) {
                self.found = find(&self.text);
                self.of = Some(self.text.clone());
                self.selected = 0;
            }
            if down {
                self.selected += 1;
            }
            if up {
                self.selected = self.selected.saturating_sub(1);
            }
            self.selected = self.selected.min(self.found.len().saturating_sub(1));
            egui::ScrollArea::vertical().max_height(360.0).show(ui, |ui| {
                for (index, target) in self.found.iter().copied().enumerate() {
                    let is_selected = index == self.selected;
                    let (response, reason) = row(ui, target, is_selected, disabled_reason);
                    if is_selected && (up || down) {
                        response.scroll_to_me(None);
                    }
                    if reason.is_none() && (response.clicked() || (enter && is_selected)) {
                        choice = Choice::Chosen(target);
                    }
                    if let Some(reason) = reason.filter(|_| is_selected) {
                        ui.label(RichText::new(reason).small().color(theme::palette(ui).warning));
                    }
                }
            });
            if self.found.is_empty() {
                ui.weak("No command or setting has such a name");
            }
        });
        if modal.should_close() && matches!(choice, Choice::Open) {
            choice = Choice::Canceled;
        }
        choice
    }
}

/// One row; the second value is the reason why it cannot be chosen.
fn row(
    ui: &mut egui::Ui,
    target: Target,
    is_selected: bool,
    disabled_reason: &dyn Fn(Command) -> Option<String>,
) -> (egui::Response, Option<String>) {
    let width = egui::vec2(ui.available_width(), 0.0);
    match target {
        Target::Command(command) => {
            let reason = disabled_reason(command);
            let mut button = egui::Button::selectable(is_selected, command.label()).min_size(width);
            if let Some(keys) = command.shortcut() {
                button = button.shortcut_text(ui.ctx().format_shortcut(&keys));
            }
            (ui.add_enabled(reason.is_none(), button), reason)
        }
        Target::Setting(path, label) => {
            let button = egui::Button::selectable(is_selected, label)
                .min_size(width)
                .right_text(RichText::new("Setting").weak());
            (ui.add(button).on_hover_text(path), None)
        }
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

    fn first(typed: &str) -> Option<Target> {
        find(typed).first().copied()
    }

    #[test]
    fn exact_words_come_before_beginnings_parts_and_loose_letters() {
        assert_eq!(first("theme"), Some(Target::Command(Command::NextTheme)));
        assert!(!find("theme").contains(&Target::Command(Command::OpenExample)), "only its letters match");
        assert_eq!(first("quit"), Some(Target::Command(Command::Quit)));
        assert_eq!(first("zoom in"), Some(Target::Command(Command::ZoomIn)));
        assert_eq!(first("pol"), Some(Target::Command(Command::Polish)));
        assert_eq!(first("st tr"), Some(Target::Command(Command::Start)));
        assert_eq!(
            first("rsly"),
            Some(Target::Command(Command::ResetLayout)),
            "letters in order, if nothing else fits"
        );
        assert_eq!(find("").len(), Command::ALL.len());
        assert_eq!(find("xyzzy"), []);
    }

    #[test]
    fn settings_are_found_by_label_and_path() {
        assert_eq!(first("learning rate"), Some(Target::Setting("training.learning_rate", "Learning rate")));
        assert!(find("learning").iter().any(|target| matches!(target, Target::Setting("training.learning_rate", _))));
        assert!(find("mask_file").iter().any(|target| matches!(target, Target::Setting("data.mapping.mask_file", _))));
    }
}
