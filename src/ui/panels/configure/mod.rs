//! All configuration fields, and an estimate of the training cost.
//!
//! * `rows`: the fields of the form, rebuilt on changes. * `editor`: one widget per kind of field.
//! * `presets`: named configurations. * `forecast`: size, memory, time. * `compare`: differences from another one.

mod compare;
pub(super) mod editor;
mod forecast;
mod presets;
pub(super) mod rows;
#[cfg(test)]
mod tests;

use super::Outbox;
use super::method::{self, Way};
use crate::session::{Action, State};
use crate::ui::theme;
use crate::ui::widgets::primary_button;
use eframe::egui::{self, Align, Layout, Panel, RichText, ScrollArea, vec2};
use rows::{Group, Row};

/// Minimum width with form and forecast side by side.
const WIDE: f32 = 900.0;

/// State of the configuration panel.
#[derive(Debug, Default)]
pub struct View {
    rows: rows::Rows,
    typing: editor::Typing,
    presets: presets::Presets,
    forecast: forecast::Forecast,
    compare: compare::Compare,
    query: String,
    only_modified: bool,
    /// True to show fields without effect as well.
    unused: bool,
}

impl View {
    /// Shows the fields that match this text.
    pub fn search(&mut self, text: &str) {
        text.clone_into(&mut self.query);
        self.only_modified = false;
    }

    /// Draws the panel.
    pub fn show(&mut self, ui: &mut egui::Ui, state: &State, outbox: &mut Outbox, actions: &mut Vec<Action>) {
        self.rows.follow(&state.draft);
        self.forecast.follow(state, self.rows.version);
        method::cards(ui, state, actions);
        ui.add_space(4.0);
        self.presets.show(ui, state, self.rows.modified, outbox, actions);
        ui.horizontal_wrapped(|ui| {
            let label = ui.label("Search");
            let field =
                egui::TextEdit::singleline(&mut self.query).desired_width(190.0).hint_text("learning rate, probe…");
            ui.add(field).labelled_by(label.id);
            if ui.add_enabled(!self.query.is_empty(), egui::Button::new("Clear")).clicked() {
                self.query.clear();
            }
            let count = self.rows.modified;
            ui.checkbox(&mut self.only_modified, format!("Only modified ({count})"));
            ui.checkbox(&mut self.unused, "Without effect")
                .on_hover_text("Also show settings that have no effect with the chosen method");
        });
        ui.separator();
        Panel::bottom("start of the training")
            .frame(egui::Frame::NONE.inner_margin(egui::Margin { top: 8, ..egui::Margin::ZERO }))
            .show(ui, |ui| self.start(ui, state, actions));
        if ui.available_width() >= WIDE {
            Panel::right("forecast of the training")
                .resizable(true)
                .default_size(330.0)
                .size_range(260.0..=520.0)
                .frame(egui::Frame::NONE.inner_margin(egui::Margin { left: 12, ..egui::Margin::ZERO }))
                .show(ui, |ui| {
                    ScrollArea::vertical().auto_shrink([false, false]).show(ui, |ui| self.aside(ui, state, actions));
                });
            ScrollArea::vertical().auto_shrink([false, false]).show(ui, |ui| self.form(ui, state, actions));
        } else {
            ScrollArea::vertical().auto_shrink([false, false]).show(ui, |ui| {
                self.form(ui, state, actions);
                ui.add_space(10.0);
                ui.separator();
                self.aside(ui, state, actions);
            });
        }
    }

    fn aside(&mut self, ui: &mut egui::Ui, state: &State, actions: &mut Vec<Action>) {
        self.forecast.show(ui, state.draft.config());
        ui.add_space(12.0);
        self.compare.show(ui, state, self.rows.version, actions);
    }

    fn form(&mut self, ui: &mut egui::Ui, state: &State, actions: &mut Vec<Action>) {
        let query = self.query.to_lowercase();
        let filtering = !query.trim().is_empty() || self.only_modified;
        let (only_modified, unused) = (self.only_modified, self.unused);
        let is_shown = |row: &Row| {
            // The cards above choose the method.
            let has_effect = row.unused.is_none() && row.field.path != "training.method";
            let hidden = !filtering && !unused && !has_effect && row.complaint.is_none();
            row.matches(&query) && (!only_modified || row.modified) && !hidden
        };
        let way = Way::of(state.draft.config());
        let mut groups: Vec<&Group> = self.rows.groups.iter().collect();
        // The settings of the chosen method come first.
        groups.sort_by_key(|group| way == Way::Direct && group.name != "direct");
        let mut shown = 0;
        for group in groups {
            let rows: Vec<&Row> = group.rows.iter().filter(|row| is_shown(row)).collect();
            // Simulation fields have their own panel; here they appear only in searches.
            if rows.is_empty() || (group.name == "simulation" && !filtering) {
                continue;
            }
            shown += rows.len();
            let header = egui::CollapsingHeader::new(RichText::new(title(group, way)).strong().size(14.5))
                .id_salt(("fields of", group.name, filtering, way == Way::Network))
                .default_open(
                    filtering
                        || matches!(group.name, "training" | "model" | "data")
                        || group.name == "direct" && way != Way::Network,
                );
            let typing = &mut self.typing;
            header.show_unindented(ui, |ui| {
                let (first, others): (Vec<&Row>, Vec<&Row>) = rows.iter().partition(|row| filtering || row.basic);
                for row in first {
                    field(ui, row, state, typing, actions);
                }
                if !others.is_empty() {
                    let changed = others.iter().filter(|row| row.modified).count();
                    let more = match changed {
                        0 => format!("{} advanced settings", others.len()),
                        _ => format!("{} advanced settings, {changed} modified", others.len()),
                    };
                    egui::CollapsingHeader::new(more).id_salt(("more of", group.name)).show_unindented(ui, |ui| {
                        for row in others {
                            field(ui, row, state, typing, actions);
                        }
                    });
                }
            });
            ui.add_space(4.0);
        }
        if shown == 0 {
            let text = if self.only_modified { "No modified field matches" } else { "No field matches" };
            ui.label(RichText::new(text).color(theme::palette(ui).weak));
        }
    }

    /// The bar at the bottom: start button with estimate, or the reason why it is disabled.
    fn start(&self, ui: &mut egui::Ui, state: &State, actions: &mut Vec<Action>) {
        let palette = theme::palette(ui);
        let reason = state.why_not_start().map(|reason| {
            // Shorten to the message shown in the form, without flags.
            let wrong = self.rows.problems.first() == Some(&reason);
            let rows = || self.rows.groups.iter().flat_map(|group| &group.rows);
            let at = wrong.then(|| rows().find_map(|row| Some((row.field.label, row.complaint.as_ref()?)))).flatten();
            at.map_or(reason, |(label, complaint)| format!("{label}. {complaint}"))
        });
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            if primary_button(ui, method::start_label(state), reason.as_deref()).clicked() {
                actions.push(Action::Start);
            }
            ui.with_layout(Layout::left_to_right(Align::Center), |ui| {
                let (text, color) = match &reason {
                    Some(reason) => (reason.clone(), palette.warning),
                    None => (self.forecast.line(state.draft.config()).unwrap_or_default(), palette.weak),
                };
                ui.add(egui::Label::new(RichText::new(&text).color(color)).truncate()).on_hover_text(&text);
            });
        });
    }
}

fn title(group: &Group, way: Way) -> String {
    let title = match group.name {
        "direct" if way == Way::Polished => "Direct solver for polishing",
        "direct" if way == Way::Network => "Direct solver as teacher of the network",
        _ => group.title.as_str(),
    };
    match group.rows.iter().filter(|row| row.modified).count() {
        0 => title.to_owned(),
        count => format!("{title}, {count} modified"),
    }
}

/// One field: marker, label, editor, reset, unit and default; below it, messages.
pub(super) fn field(
    ui: &mut egui::Ui,
    row: &Row,
    state: &State,
    typing: &mut editor::Typing,
    actions: &mut Vec<Action>,
) {
    let palette = theme::palette(ui);
    let width = ui.available_width();
    let narrow = width < 560.0;
    let (name_width, edit_width) = if narrow { (128.0, 158.0) } else { (160.0, 200.0) };
    let indent = 16.0 + name_width + ui.spacing().item_spacing.x * 2.0;
    let height = ui.spacing().interact_size.y;
    let path = row.field.path;
    let top_down = Layout::left_to_right(Align::Center);
    ui.push_id(path, |ui| {
        ui.horizontal(|ui| {
            let mark = if row.modified { "●" } else { "" };
            let mark = egui::Label::new(RichText::new(mark).monospace().color(palette.accent));
            let mark = ui.add_sized([16.0, height], mark);
            if row.modified {
                mark.on_hover_text(format!("Modified; was {}", editor::value_text(path, &row.base)));
            }
            let label = ui
                .allocate_ui_with_layout(vec2(name_width, height), top_down, |ui| {
                    ui.set_min_width(name_width);
                    let text = RichText::new(row.field.label);
                    let text = if row.unused.is_some() { text.color(palette.weak) } else { text };
                    ui.add(egui::Label::new(text).truncate())
                })
                .inner;
            let label_id = label.id;
            label.on_hover_ui(|ui| editor::help(ui, row));
            let new = ui
                .allocate_ui_with_layout(vec2(edit_width, height), top_down, |ui| {
                    ui.set_min_width(edit_width);
                    let suggestion = suggestion(row, state);
                    let enabled = row.unused.is_none() || row.complaint.is_some();
                    ui.add_enabled_ui(enabled, |ui| editor::edit(ui, row, label_id, edit_width, &suggestion, typing))
                        .inner
                })
                .inner;
            if let Some(text) = new {
                actions.push(Action::SetField { path: path.to_owned(), text });
            }
            let weak = |text: &str| RichText::new(text).color(palette.weak);
            if row.modified {
                let reset = ui.add(egui::Button::new("Reset").small());
                let name = format!("Reset {}", row.field.label);
                reset.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Button, true, &name));
                if reset.on_hover_text(format!("Reset to {}", editor::value_text(path, &row.base))).clicked() {
                    actions.push(Action::ResetField(path.to_owned()));
                }
            }
            let mut about = editor::unit_of(path).map_or(row.field.unit, |(unit, _)| unit).to_owned();
            // A checkbox names the default of an optional field.
            if !narrow && row.text != row.default && row.default != "none" {
                let default = format!("default {}", editor::value_text(path, &row.default));
                about = if about.is_empty() { default } else { format!("{about} · {default}") };
            }
            ui.add(egui::Label::new(weak(&about)).truncate());
        });
        if let Some((text, color)) = message(row, palette) {
            ui.spacing_mut().interact_size.y = 14.0;
            ui.horizontal(|ui| {
                ui.add_space(indent);
                ui.add(egui::Label::new(RichText::new(text).small().color(color)).wrap());
            });
        }
    });
}

/// Text below a field: error, reason why it is unused, or meaning of the selected choice.
fn message(row: &Row, palette: &theme::Palette) -> Option<(String, egui::Color32)> {
    match (&row.complaint, &row.unused, row.field.kind) {
        (Some(complaint), ..) => Some((complaint.clone(), palette.bad)),
        (None, Some(reason), _) => Some((format!("Not used. {reason}"), palette.weak)),
        (None, None, crate::config::Kind::Choice { options, .. }) => {
            let (_, meaning) = options.iter().find(|(name, _)| *name == row.text)?;
            Some(((*meaning).to_owned(), palette.weak))
        }
        (None, None, _) => None,
    }
}

/// Initial value of an optional field when "none" is unchecked: the base value, else a sensible default; empty if there is
/// none.
fn suggestion(row: &Row, state: &State) -> String {
    let patterns = || {
        let dataset = state.dataset.as_ref()?.patterns.as_ref()?;
        Some(dataset.dataset.len().to_string())
    };
    if row.base != "none" {
        return row.base.clone();
    }
    match row.field.path {
        "training.epochs" => "50".to_owned(),
        "training.time_budget_s" => "110".to_owned(),
        "training.nphotons" => "1000000".to_owned(),
        "data.n_subsample" | "data.n_groups" => patterns().unwrap_or_else(|| "1000".to_owned()),
        // No default stands for a length, an energy or a size that only the user knows.
        path if crate::session::belongs_to_dataset(path) => String::new(),
        _ => "1".to_owned(),
    }
}
