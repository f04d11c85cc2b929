//! Every field of the configuration, and what follows from it before the start.
//!
//! * `rows`: the fields as they are shown, worked out when something changes. * `editor`: a widget for each kind.
//! * `presets`: named configurations. * `forecast`: size, memory, time. * `compare`: differences to another one.

mod compare;
pub(super) mod editor;
mod forecast;
mod presets;
pub(super) mod rows;

use super::{Outbox, method};
use crate::session::{Action, State};
use crate::ui::theme;
use crate::ui::widgets::leading_button;
use eframe::egui::{self, Align, Layout, Panel, RichText, ScrollArea, vec2};
use rows::{Group, Row};

/// Width from which on form and forecast stand side by side.
const WIDE: f32 = 900.0;

/// How the configuration is shown.
#[derive(Debug, Default)]
pub struct View {
    rows: rows::Rows,
    typing: editor::Typing,
    presets: presets::Presets,
    forecast: forecast::Forecast,
    compare: compare::Compare,
    wanted: String,
    only_modified: bool,
}

impl View {
    /// Draws the panel.
    pub fn show(&mut self, ui: &mut egui::Ui, state: &State, outbox: &mut Outbox, actions: &mut Vec<Action>) {
        self.rows.follow(&state.draft);
        self.forecast.follow(state, self.rows.version);
        self.presets.show(ui, state, self.rows.modified, outbox, actions);
        ui.horizontal_wrapped(|ui| {
            let label = ui.label("Search");
            let field =
                egui::TextEdit::singleline(&mut self.wanted).desired_width(190.0).hint_text("learning rate, probe…");
            ui.add(field).labelled_by(label.id);
            if ui.add_enabled(!self.wanted.is_empty(), egui::Button::new("Clear")).clicked() {
                self.wanted.clear();
            }
            let count = self.rows.modified;
            ui.checkbox(&mut self.only_modified, format!("Only modified ({count})"));
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
        let wanted = self.wanted.to_lowercase();
        let looking = !wanted.trim().is_empty() || self.only_modified;
        let only_modified = self.only_modified;
        let keeps = |row: &Row| row.matches(&wanted) && (!only_modified || row.modified);
        let mut shown = 0;
        for group in &self.rows.groups {
            let rows: Vec<&Row> = group.rows.iter().filter(|row| keeps(row)).collect();
            // Simulations are set up in a panel of their own; here their fields are only found.
            if rows.is_empty() || (group.name == "simulation" && !looking) {
                continue;
            }
            shown += rows.len();
            let header = egui::CollapsingHeader::new(RichText::new(title(group)).strong().size(14.5))
                .id_salt(("fields of", group.name, looking))
                .default_open(looking || matches!(group.name, "training" | "model" | "data"));
            let typing = &mut self.typing;
            header.show_unindented(ui, |ui| {
                let (first, others): (Vec<&Row>, Vec<&Row>) = rows.iter().partition(|row| looking || row.basic);
                for row in first {
                    field(ui, row, state, typing, actions);
                }
                if !others.is_empty() {
                    let changed = others.iter().filter(|row| row.modified).count();
                    let more = match changed {
                        0 => format!("{} more settings", others.len()),
                        _ => format!("{} more settings, {changed} modified", others.len()),
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

    /// The bar at the bottom: what will happen, or why it cannot.
    fn start(&self, ui: &mut egui::Ui, state: &State, actions: &mut Vec<Action>) {
        let palette = theme::palette(ui);
        let reason = state.why_not_start().map(|reason| {
            // The form says it in fewer words, without flags.
            let wrong = self.rows.problems.first() == Some(&reason);
            let rows = || self.rows.groups.iter().flat_map(|group| &group.rows);
            let at = wrong.then(|| rows().find_map(|row| Some((row.field.label, row.complaint.as_ref()?)))).flatten();
            at.map_or(reason, |(label, complaint)| format!("{label}. {complaint}"))
        });
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            if leading_button(ui, method::start_text(state), reason.as_deref()).clicked() {
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

fn title(group: &Group) -> String {
    match group.rows.iter().filter(|row| row.modified).count() {
        0 => group.title.clone(),
        count => format!("{}, {count} modified", group.title),
    }
}

/// One field: mark, label, editor, unit, default and reset; below it what there is to say.
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
                mark.on_hover_text(format!("Modified; it was {}", editor::human(&row.base)));
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
                if reset.on_hover_text(format!("Back to {}", editor::human(&row.base))).clicked() {
                    actions.push(Action::ResetField(path.to_owned()));
                }
            }
            let mut about = row.field.unit.to_owned();
            if !narrow && row.text != row.default {
                let default = format!("default {}", editor::human(&row.default));
                about = if about.is_empty() { default } else { format!("{about} · {default}") };
            }
            ui.add(egui::Label::new(weak(&about)).truncate());
        });
        let meaning = match row.field.kind {
            crate::config::Kind::Choice { options, .. } if row.unused.is_none() => {
                options.iter().find(|(name, _)| *name == row.text).map(|(_, meaning)| (*meaning).to_owned())
            }
            _ => None,
        };
        let below = match (&row.complaint, &row.unused, meaning) {
            (Some(complaint), ..) => Some((complaint.clone(), palette.bad)),
            (None, Some(reason), _) => Some((format!("Not used. {reason}"), palette.weak)),
            (None, None, Some(meaning)) => Some((meaning, palette.weak)),
            (None, None, None) => None,
        };
        if let Some((text, color)) = below {
            ui.spacing_mut().interact_size.y = 14.0;
            ui.horizontal(|ui| {
                ui.add_space(indent);
                ui.add(egui::Label::new(RichText::new(text).small().color(color)).wrap());
            });
        }
    });
}

/// The value of an optional field when "none" is switched off: where it started, else something sensible.
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
        _ => "1".to_owned(),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::super::bench::{Bench, fixture, harness, looks_as_accepted, opened, photograph};
    use super::*;
    use crate::config::{Config, Preset};
    use crate::ui::commands::Command;
    use crate::worker::message::{RunInfo, UserPreset};
    use egui::accesskit::Role;
    use egui_kittest::Harness;
    use egui_kittest::kittest::Queryable;

    fn bench(state: State, size: [f32; 2], theme: egui::Theme) -> Harness<'static, Bench<View>> {
        harness(state, View::show, size, theme)
    }

    fn small(state: State) -> Harness<'static, Bench<View>> {
        bench(state, [1280.0, 760.0], egui::Theme::Dark)
    }

    fn set(state: &mut State, path: &str, text: &str) {
        state.act(Action::SetField { path: path.into(), text: text.into() });
    }

    #[test]
    fn an_illegal_value_is_complained_about_at_its_field_and_keeps_training_from_starting() {
        let mut state = opened(&fixture("siemens_star_n64.npz"));
        set(&mut state, "training.batch_size", "0");
        let mut panel = small(state);
        panel.get_by_label("Expected a whole number from 1 to 65536");
        panel.get_by_label("Start training").click();
        panel.run_ok();
        assert_eq!(panel.state().actions, [], "a button that is off does nothing");
        panel.get_by_label("Reset Batch size").click();
        panel.run_ok();
        assert_eq!(panel.state().actions, [Action::ResetField("training.batch_size".into())]);
        assert!(panel.query_by_label("Expected a whole number from 1 to 65536").is_none());
        panel.get_by_label("Start training").click();
        panel.run_ok();
        assert_eq!(panel.state().actions.last(), Some(&Action::Start));
    }

    #[test]
    fn what_is_typed_reaches_the_configuration_and_what_is_no_value_stays_in_the_field() {
        let mut panel = small(State::default());
        let budget = |panel: &Harness<'static, Bench<View>>| {
            panel.get_by_role_and_label(Role::TextInput, "Time budget").value().unwrap_or_default()
        };
        assert_eq!(budget(&panel), "110");
        panel.get_by_role_and_label(Role::TextInput, "Time budget").focus();
        panel.run_ok();
        panel.get_by_role_and_label(Role::TextInput, "Time budget").type_text("x");
        panel.run_ok();
        assert!(budget(&panel).contains('x'));
        assert!(panel.state().state.draft.complaint("training.time_budget_s").is_some());
        panel.get_by_label_contains("Expected a number above 0");
    }

    #[test]
    fn the_method_is_chosen_once_and_names_the_button_that_starts() {
        let mut panel = small(opened(&fixture("siemens_star_n64.npz")));
        panel.get_by_label("Start training");
        panel.get_by_role_and_label(Role::ComboBox, "Method").click();
        panel.run_ok();
        panel.get_by_role_and_label(Role::Button, "Direct").click();
        panel.run_ok();
        assert_eq!(panel.state().state.draft.text("training.method").unwrap(), "direct");
        panel.get_by_label("Start solving");
        panel.get_by_role_and_label(Role::ComboBox, "Method").click();
        panel.run_ok();
        panel.get_by_role_and_label(Role::Button, "Network").click();
        panel.run_ok();
        assert_eq!(panel.state().state.draft.text("training.method").unwrap(), "network");
    }

    #[test]
    fn none_can_be_switched_on_and_off() {
        let mut panel = small(State::default());
        panel.get_by_label("Epochs none").click();
        panel.run_ok();
        assert_eq!(panel.state().state.draft.config().training.epochs, Some(50));
        panel.get_by_label("Epochs none").click();
        panel.run_ok();
        assert_eq!(panel.state().state.draft.config().training.epochs, None);
    }

    #[test]
    fn a_choice_is_made_from_a_list_with_explanations() {
        let mut panel = small(State::default());
        panel.get_by_role_and_label(Role::ComboBox, "Loss").click();
        panel.run_ok();
        panel.get_by_label("Mean absolute error").click();
        panel.run_ok();
        assert_eq!(panel.state().state.draft.text("training.loss").unwrap(), "mae");
        panel.get_by_label("mean absolute error of the amplitude");
    }

    #[test]
    fn the_search_finds_fields_wherever_they_stand_and_says_when_they_are_not_used() {
        let mut panel = small(State::default());
        assert!(panel.query_by_label("Central window").is_none(), "it stands among the further settings");
        panel.state_mut().view.wanted = "crop".into();
        panel.run_ok();
        panel.get_by_label("Central window");
        panel.get_by_label_contains("Not used. Only the blending weight");
        panel.state_mut().view.wanted = "no such thing".into();
        panel.run_ok();
        panel.get_by_label("No field matches");
    }

    #[test]
    fn only_modified_shows_what_was_changed_and_nothing_else() {
        let mut state = State::default();
        set(&mut state, "model.head_filters", "24");
        let mut panel = small(state);
        panel.get_by_label("Only modified (1)").click();
        panel.run_ok();
        panel.get_by_label("Reset Head filters");
        assert!(panel.query_by_label("Batch size").is_none());
    }

    fn own(name: &str, config: Config) -> UserPreset {
        UserPreset { name: name.into(), config: Some(Box::new(config)), problem: None }
    }

    #[test]
    fn presets_are_chosen_saved_and_deleted_only_after_a_question() {
        let presets = vec![own("beamline", Preset::Reference.config())];
        let mut panel = small(State { presets, presets_folder: "presets".into(), ..State::default() });
        panel.get_by_role_and_label(Role::ComboBox, "Preset").click();
        panel.run_ok();
        panel.get_by_role_and_label(Role::Button, "beamline").click();
        panel.run_ok();
        assert_eq!(panel.state().state.draft.base_name(), "beamline");
        assert_eq!(panel.state().state.draft.config(), &Preset::Reference.config());
        panel.get_by_label("Delete…").click();
        panel.run_ok();
        assert!(!panel.state().actions.iter().any(|action| matches!(action, Action::DeletePreset(_))));
        panel.get_by_role_and_label(Role::Button, "Delete").click();
        panel.run_ok();
        assert_eq!(panel.state().actions.last(), Some(&Action::DeletePreset("beamline".into())));
        panel.get_by_label("Save as…").click();
        panel.run_ok();
        panel.get_by_role_and_label(Role::Button, "Replace").click();
        panel.run_ok();
        let config = Box::new(Preset::Reference.config());
        assert_eq!(panel.state().actions.last(), Some(&Action::SavePreset { name: "beamline".into(), config }));
        panel.get_by_label("Save file…").click();
        panel.run_ok();
        assert_eq!(panel.state().outbox.command, Some(Command::SaveConfig));
    }

    #[test]
    fn the_forecast_counts_exactly_and_says_where_its_time_comes_from() {
        let mut state = opened(&fixture("siemens_star_n64.npz"));
        state.act(Action::UseConfig { name: "reference".into(), config: Box::new(Preset::Reference.config()) });
        let panel = small(state.clone());
        // A§4.8: 2 339 892 parameters for N = 64, scale 2, gridsize 1, with attention.
        panel.get_by_label(&crate::ui::widgets::numbers::grouped(2_339_892));
        panel.get_by_label_contains("rough guess");
        drop(panel);
        let settings = Preset::Reference.config().differences(&Config::default()).unwrap();
        state.runs = vec![RunInfo {
            folder: "runs/a".into(),
            steps: Some(100),
            patterns_per_second: Some(51.6),
            side: Some(64),
            device: "Test device".into(),
            settings,
            ..RunInfo::default()
        }];
        let panel = small(state);
        panel.get_by_label("about 10 s");
        panel.get_by_label_contains("Time as in the latest run: 51.6 patterns/s on Test device");
    }

    #[test]
    fn without_a_dataset_the_button_says_why_it_is_off() {
        let mut panel = small(State::default());
        panel.get_by_label("Open a dataset first");
        panel.get_by_label("Start training").click();
        panel.run_ok();
        assert_eq!(panel.state().actions, []);
    }

    #[test]
    fn the_configuration_looks_as_accepted() {
        let mut state = State::default();
        set(&mut state, "training.batch_size", "0");
        set(&mut state, "model.gridsize", "2");
        looks_as_accepted(&state, View::show, [680.0, 560.0], "configure", &[]);
    }

    #[test]
    #[ignore = "writes pictures to look at"]
    fn pictures_of_the_configure_panel() {
        for theme in [egui::Theme::Dark, egui::Theme::Light] {
            for size in [[1280.0, 720.0], [1920.0, 1000.0], [500.0, 760.0]] {
                let mut state = opened(&fixture("siemens_star_n64.npz"));
                set(&mut state, "training.batch_size", "0");
                set(&mut state, "model.gridsize", "2");
                set(&mut state, "training.epochs", "30");
                set(&mut state, "model.last_stage", "border_mask");
                let mut panel = bench(state, size, theme);
                photograph(&mut panel, &format!("configure_{theme:?}_{}", size[0]));
            }
        }
        let mut panel = bench(opened(&fixture("siemens_star_n64.npz")), [1280.0, 1500.0], egui::Theme::Dark);
        panel.state_mut().view.wanted = "e".into();
        panel.run_ok();
        photograph(&mut panel, "configure_all");
        panel.state_mut().view.wanted.clear();
        panel.run_ok();
        panel.get_by_role_and_label(Role::ComboBox, "Loss").click();
        panel.run_ok();
        photograph(&mut panel, "configure_list");
        panel.get_by_label("Save as…").click();
        panel.run_ok();
        photograph(&mut panel, "configure_save");
    }
}
