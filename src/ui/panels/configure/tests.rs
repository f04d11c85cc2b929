//! The configuration panel as a user operates it.

use super::super::harness::{TestPanel, fixture, harness, looks_as_accepted, opened, photograph};
use super::*;
use crate::config::{Config, Preset};
use crate::library::{RunInfo, UserPreset};
use crate::ui::commands::Command;
use egui::accesskit::Role;
use egui_kittest::Harness;
use egui_kittest::kittest::Queryable;

fn bench(state: State, size: [f32; 2], theme: egui::Theme) -> Harness<'static, TestPanel<View>> {
    harness(state, View::show, size, theme)
}

fn small(state: State) -> Harness<'static, TestPanel<View>> {
    bench(state, [1280.0, 760.0], egui::Theme::Dark)
}

fn set(state: &mut State, path: &str, text: &str) {
    state.dispatch(Action::SetField { path: path.into(), text: text.into() });
}

#[test]
fn an_invalid_value_is_reported_at_its_field_and_blocks_the_start() {
    let mut state = opened(&fixture("siemens_star_n64.npz"));
    set(&mut state, "training.batch_size", "0");
    let mut panel = small(state);
    panel.get_by_label("Expected a whole number from 1 to 65536");
    panel.get_by_label("Start training").click();
    panel.run_ok();
    assert_eq!(panel.state().actions, [], "a disabled button does nothing");
    panel.get_by_label("Reset Batch size").click();
    panel.run_ok();
    assert_eq!(panel.state().actions, [Action::ResetField("training.batch_size".into())]);
    assert!(panel.query_by_label("Expected a whole number from 1 to 65536").is_none());
    panel.get_by_label("Start training").click();
    panel.run_ok();
    assert_eq!(panel.state().actions.last(), Some(&Action::Start));
}

#[test]
fn typed_text_is_applied_and_invalid_text_stays_in_the_field() {
    let mut panel = small(State::default());
    let budget = |panel: &Harness<'static, TestPanel<View>>| {
        panel.get_by_role_and_label(Role::TextInput, "Time budget").value().unwrap_or_default()
    };
    assert_eq!(budget(&panel), "110");
    panel.get_by_role_and_label(Role::TextInput, "Time budget").focus();
    panel.run_ok();
    panel.get_by_role_and_label(Role::TextInput, "Time budget").type_text("x");
    panel.run_ok();
    assert!(budget(&panel).contains('x'));
    assert!(panel.state().state.draft.field_error("training.time_budget_s").is_some());
    panel.get_by_label_contains("Expected a number above 0");
}

#[test]
fn the_method_determines_the_start_button() {
    let mut panel = small(opened(&fixture("siemens_star_n64.npz")));
    panel.get_by_label("Start training");
    panel.get_by_role_and_label(Role::RadioButton, "Direct solver").click();
    panel.run_ok();
    assert_eq!(panel.state().state.draft.text("training.method").unwrap(), "direct");
    panel.get_by_label("Start solving");
    panel.get_by_label("Refine the probe");
    assert!(panel.query_by_label("Learning rate").is_none(), "the solver has no such setting");
    panel.get_by_role_and_label(Role::RadioButton, "Network + polish").click();
    panel.run_ok();
    assert_eq!(panel.state().state.draft.text("training.method").unwrap(), "network");
    assert!(panel.state().state.draft.config().inference.polish_epochs > 0);
    panel.get_by_label_contains("Direct solver for polishing");
    panel.get_by_role_and_label(Role::RadioButton, "Network").click();
    panel.run_ok();
    assert_eq!(panel.state().state.draft.config().inference.polish_epochs, 0);
}

#[test]
fn none_can_be_checked_and_unchecked() {
    let mut panel = small(State::default());
    panel.get_by_label("Epochs: no limit").click();
    panel.run_ok();
    assert_eq!(panel.state().state.draft.config().training.epochs, Some(50));
    panel.get_by_label("Epochs: no limit").click();
    panel.run_ok();
    assert_eq!(panel.state().state.draft.config().training.epochs, None);
}

#[test]
fn choices_are_listed_with_explanations() {
    let mut panel = small(State::default());
    panel.get_by_role_and_label(Role::ComboBox, "Loss").click();
    panel.run_ok();
    panel.get_by_label("Mean absolute error").click();
    panel.run_ok();
    assert_eq!(panel.state().state.draft.text("training.loss").unwrap(), "mae");
    panel.get_by_label("mean absolute error of the amplitude");
}

#[test]
fn the_search_finds_all_fields_and_marks_unused_ones() {
    let mut panel = small(State::default());
    assert!(panel.query_by_label("Central window").is_none(), "it is among the advanced settings");
    panel.state_mut().view.query = "crop".into();
    panel.run_ok();
    panel.get_by_label("Central window");
    panel.get_by_label_contains("Not used. Only the blending weight");
    panel.state_mut().view.query = "no such thing".into();
    panel.run_ok();
    panel.get_by_label("No field matches");
}

#[test]
fn only_modified_shows_modified_fields_only() {
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
fn presets_are_selected_saved_and_deleted_only_after_confirmation() {
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
fn the_forecast_counts_exactly_and_states_the_basis_of_its_time() {
    let mut state = opened(&fixture("siemens_star_n64.npz"));
    state.dispatch(Action::UseConfig { name: "reference".into(), config: Box::new(Preset::Reference.config()) });
    let panel = small(state.clone());
    // A§4.8: 2 339 892 parameters for N = 64, scale 2, gridsize 1, with attention.
    panel.get_by_label(&crate::ui::widgets::numbers::grouped(2_339_892));
    panel.get_by_label_contains("Rough estimate");
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
    panel.get_by_label_contains("Time based on the latest run: 51.6 patterns/s on Test device");
}

#[test]
fn without_a_dataset_the_button_is_disabled_with_a_reason() {
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
    panel.state_mut().view.query = "e".into();
    panel.run_ok();
    photograph(&mut panel, "configure_all");
    panel.state_mut().view.query.clear();
    panel.run_ok();
    panel.get_by_role_and_label(Role::ComboBox, "Loss").click();
    panel.run_ok();
    photograph(&mut panel, "configure_list");
    panel.get_by_label("Save as…").click();
    panel.run_ok();
    photograph(&mut panel, "configure_save");
}
