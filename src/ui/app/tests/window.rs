//! The whole window in use: dropped files, closing during a job, operation by keyboard alone.

use super::super::*;
use crate::session::Step;
use crate::ui::panels::harness::fixture;
use crate::ui::widgets::snapshots;
use eframe::egui::{Key, Modifiers, ViewportEvent, ViewportId};
use egui_kittest::Harness;
use egui_kittest::kittest::{NodeT, Queryable};
use std::path::Path;
use std::sync::Arc;

/// A window of 1280 × 800 that reads and writes inside this folder only.
pub(super) fn open(folder: &Path, theme: egui::Theme) -> Harness<'static, App> {
    let folders = persist::Folders::inside(folder);
    let mut harness = Harness::builder()
        .with_size([1280.0, 800.0])
        .with_theme(theme)
        .with_max_steps(12)
        .build_eframe(|creation| App::with_folders(creation, folders).unwrap());
    harness.state_mut().frame_times_shown = false;
    harness.state_mut().core.state.preview_off = true;
    harness.run_ok();
    harness
}

pub(super) fn until(harness: &mut Harness<'static, App>, what: &str, holds: impl Fn(&App) -> bool) {
    let began = Instant::now();
    while !holds(harness.state()) {
        let said = harness.state().core.state.log.last();
        assert!(began.elapsed() < Duration::from_secs(300), "{what} is missing; last message: {said:?}");
        std::thread::sleep(Duration::from_millis(5));
        harness.step();
    }
    harness.run_ok();
}

#[derive(Debug)]
struct Dropped(PathBuf);

impl egui::DroppedFile for Dropped {
    fn path(&self) -> &Path {
        &self.0
    }
    fn bytes(&self) -> std::result::Result<Vec<u8>, String> {
        std::fs::read(&self.0).map_err(|error| error.to_string())
    }
}

fn drop_files(harness: &mut Harness<'static, App>, paths: &[&Path]) {
    for path in paths {
        let file: egui::DroppedFileHandle = Arc::new(Dropped(path.to_path_buf()));
        harness.input_mut().dropped_files.push(file);
    }
    harness.step();
}

#[test]
fn datasets_models_configurations_and_other_files_can_be_dropped_on_the_window() {
    let folder = tempfile::tempdir().unwrap();
    let mut window = open(folder.path(), egui::Theme::Dark);
    drop_files(&mut window, &[&fixture("siemens_star_n64.npz")]);
    until(&mut window, "the dataset", |app| {
        app.core.state.dataset.as_ref().is_some_and(|dataset| dataset.patterns.is_some())
    });
    window.get_by_label_contains("516 patterns of 64 × 64");

    let config = folder.path().join("mine.toml");
    std::fs::write(&config, "[training]\nbatch_size = 13\n").unwrap();
    drop_files(&mut window, &[&config]);
    until(&mut window, "the configuration", |app| app.core.state.draft.config().training.batch_size == 13);
    assert_eq!(
        (window.state().core.state.step, window.state().core.state.draft.base_name()),
        (Step::Configure, "mine.toml")
    );

    let model = folder.path().join("model.ptycho");
    crate::checkpoint::testing::bundle().save(&model).unwrap();
    drop_files(&mut window, &[&model]);
    until(&mut window, "the model", |app| app.core.state.bundle.is_some());

    // A file of another kind under three names: each is reported by name, and everything open stays open.
    for name in ["letter.ptycho", "letter.toml", "letter.docx"] {
        let letter = folder.path().join(name);
        std::fs::write(&letter, "Dear colleague, here are the data.").unwrap();
        let logged = window.state().core.state.log.len();
        drop_files(&mut window, &[&letter]);
        until(&mut window, name, |app| {
            app.core.state.log[logged..].iter().any(|entry| entry.level == Level::Error && entry.text.contains(name))
        });
    }
    let state = &window.state().core.state;
    assert!(state.bundle.is_some() && state.draft.config().training.batch_size == 13);
    assert!(state.why_not_start().unwrap().contains("cannot be used"), "the letter was opened as a dataset");
    assert!(window.query_all_by_label_contains("letter.docx").next().is_some(), "the panel also names it");

    let (first, second) = (fixture("siemens_star_n64.npz"), folder.path().join("other.npz"));
    drop_files(&mut window, &[&first, &second, &config]);
    assert!(
        window
            .state()
            .core
            .state
            .log
            .iter()
            .any(|entry| entry.text == "2 datasets were dropped: the first is opened, all are in the queue")
    );
    until(&mut window, "the dataset", |app| app.core.state.why_not_start().is_none());
}

/// Requests closing, as the system does; returns the answer of the window.
fn close(harness: &mut Harness<'static, App>) -> Vec<ViewportCommand> {
    harness.input_mut().viewports.entry(ViewportId::ROOT).or_default().events.push(ViewportEvent::Close);
    harness.step();
    commands(harness)
}

fn commands(harness: &Harness<'static, App>) -> Vec<ViewportCommand> {
    harness.output().viewport_output.get(&ViewportId::ROOT).map(|output| output.commands.clone()).unwrap_or_default()
}

/// Configures a small training on the CPU that runs until it is stopped.
pub(super) fn train_without_end(window: &mut Harness<'static, App>) {
    for (path, text) in [
        ("execution.accelerator", "cpu"),
        ("model.n_filters_scale", "1"),
        ("model.head_filters", "2"),
        ("data.n_subsample", "64"),
        ("training.epochs", "100000"),
        ("training.time_budget_s", "none"),
        ("training.teacher_share", "0"),
    ] {
        window.state_mut().core.dispatch(Action::SetField { path: path.into(), text: text.into() });
    }
}

#[test]
fn closing_has_to_be_confirmed_during_a_job_only() {
    let folder = tempfile::tempdir().unwrap();
    let mut window = open(folder.path(), egui::Theme::Light);
    assert!(!close(&mut window).contains(&ViewportCommand::CancelClose), "nothing is lost");

    train_without_end(&mut window);
    window.state_mut().core.dispatch(Action::Open(fixture("siemens_star_n64.npz")));
    until(&mut window, "reading", |app| app.core.state.why_not_start().is_none());
    window.state_mut().core.dispatch(Action::Start);
    until(&mut window, "training", |app| app.core.state.job.progress.step > 0);
    assert!(close(&mut window).contains(&ViewportCommand::CancelClose));
    window.run_ok();
    window.get_by_label("A job is running");
    window.get_by_label("Continue").click();
    window.run_ok();
    assert!(window.query_by_label("A job is running").is_none() && window.state().core.state.is_busy());

    assert!(close(&mut window).contains(&ViewportCommand::CancelClose));
    window.run_ok();
    window.get_by_label("Discard and close").click();
    window.step();
    let began = Instant::now();
    while !commands(&window).contains(&ViewportCommand::Close) {
        assert!(began.elapsed() < Duration::from_secs(60), "it does not close");
        std::thread::sleep(Duration::from_millis(5));
        window.step();
    }
    assert!(!window.state().core.state.is_busy());
    let runs = std::fs::read_dir(folder.path().join("runs")).map_or(0, Iterator::count);
    assert_eq!(runs, 0, "the discarded run is gone");
}

/// Role and name of the element with the keyboard focus.
fn focused(harness: &Harness<'static, App>) -> Option<String> {
    let node = harness.root().children_recursive().find(|node| node.accesskit_node().is_focused())?;
    let node = node.accesskit_node();
    let name = node.label().or_else(|| node.value()).unwrap_or_default();
    Some(format!("{:?} {name}", node.role()))
}

/// Presses Tab until the wanted element has the focus; fails if an element on the way has no name. Returns the presses.
fn tab_to(harness: &mut Harness<'static, App>, wanted: &str) -> usize {
    let mut met = Vec::new();
    for presses in 1..400 {
        harness.key_press(Key::Tab);
        harness.step();
        harness.step();
        let Some(name) = focused(harness) else { continue };
        let (role, label) = name.split_once(' ').unwrap();
        assert!(!label.trim().is_empty(), "a {role} without a name comes after {:?}", met.last());
        if label == wanted {
            return presses;
        }
        met.push(name);
    }
    panic!("Tab does not lead to {wanted:?}, but to {met:#?}");
}

#[test]
fn the_keyboard_alone_leads_from_a_file_to_a_training_and_every_element_on_the_way_has_a_name() {
    let folder = tempfile::tempdir().unwrap();
    let mut window = open(folder.path(), egui::Theme::Dark);
    tab_to(&mut window, "Try the example");
    tab_to(&mut window, "Open dataset…");
    window.key_press(Key::Enter);
    window.run_ok();
    // The text field of the dialog has the focus.
    assert_eq!(
        focused(&window).as_deref().map(|name| name.split(' ').next().unwrap().to_owned()).as_deref(),
        Some("TextInput")
    );
    window.key_press_modifiers(Modifiers::COMMAND, Key::A);
    window.step();
    window.event(egui::Event::Text(fixture("siemens_star_n64.npz").display().to_string()));
    window.step();
    window.key_press(Key::Enter);
    until(&mut window, "the dataset", |app| app.core.state.why_not_start().is_none());

    let presses = tab_to(&mut window, "Next: Configure ▸");
    println!("{presses} times Tab to the next step");
    window.key_press(Key::Enter);
    window.run_ok();
    assert_eq!(window.state().core.state.step, Step::Configure);
    let presses = tab_to(&mut window, "Start training");
    println!("{presses} times Tab to the button that starts");
    window.state_mut().core.dispatch(Action::SetField { path: "execution.accelerator".into(), text: "cpu".into() });
    window.key_press(Key::Enter);
    window.step();
    window.step();
    assert!(window.state().core.state.is_busy());
    window.state_mut().core.dispatch(Action::Steer(Control::Discard));
    until(&mut window, "the end", |app| !app.core.state.is_busy());
}

/// Writes a minimal folder of a finished run; returns the accessible name of its row.
fn write_finished_run(folder: &Path) -> String {
    let name = "siemens_star_n64-20260131-120000";
    let run = persist::Folders::inside(folder).runs.join(name);
    std::fs::create_dir_all(&run).unwrap();
    let summary = r#"{"command": "run", "outcome": "completed", "steps": 20, "consistency_r": 0.0434}"#;
    std::fs::write(run.join("summary.json"), summary).unwrap();
    format!("{name}, network, completed, misfit 0.0434")
}

#[test]
fn every_row_of_the_runs_has_a_name_and_the_keyboard_selects_it() {
    let folder = tempfile::tempdir().unwrap();
    let name = write_finished_run(folder.path());
    let mut window = open(folder.path(), egui::Theme::Dark);
    until(&mut window, "the run", |app| app.core.state.runs.len() == 1);
    let context = window.ctx.clone();
    window.state_mut().command(Command::ShowRuns, &context);
    window.run_ok();
    assert_eq!(window.get_all_by_role(egui::Role::Row).count(), 1);
    window.get_by_label("Select runs to compare them");
    tab_to(&mut window, &name);
    window.key_press(Key::Enter);
    window.run_ok();
    window.get_by_label("1 run selected");
}

#[test]
fn everything_in_every_panel_that_the_keyboard_reaches_has_a_name() {
    let folder = tempfile::tempdir().unwrap();
    write_finished_run(folder.path());
    let mut window = open(folder.path(), egui::Theme::Dark);
    window.state_mut().core.dispatch(Action::Open(fixture("siemens_star_n64.npz")));
    until(&mut window, "the dataset", |app| app.core.state.why_not_start().is_none());
    window.state_mut().core.state.result = Some(Arc::new(crate::ui::panels::result::example_result(64)));
    let context = window.ctx.clone();
    for command in [
        Command::ShowData,
        Command::ShowConfigure,
        Command::ShowTrain,
        Command::ShowResult,
        Command::ShowRuns,
        Command::ShowLog,
        Command::ShowSimulate,
        Command::ShowWatch,
        Command::ShowQueue,
    ] {
        window.state_mut().command(command, &context);
        window.run_ok();
        let mut reached = std::collections::BTreeSet::new();
        for _ in 0..120 {
            window.key_press(Key::Tab);
            window.step();
            if let Some(name) = focused(&window) {
                let (role, label) = name.split_once(' ').unwrap();
                assert!(!label.trim().is_empty(), "{command:?}: a {role} without a name, among {reached:?}");
                reached.insert(name);
            }
        }
        assert!(reached.len() > 5, "{command:?}: {reached:?}");
    }
}

#[test]
fn the_zoom_follows_the_keyboard_within_bounds_and_everything_still_fits() {
    let folder = tempfile::tempdir().unwrap();
    let mut window = open(folder.path(), egui::Theme::Dark);
    let context = window.ctx.clone();
    window.key_press_modifiers(Modifiers::COMMAND, Key::Plus);
    window.run_ok();
    assert!((context.zoom_factor() - 1.1).abs() < 1e-3, "{}", context.zoom_factor());
    for _ in 0..40 {
        window.state_mut().command(Command::ZoomIn, &context);
    }
    window.run_ok();
    assert!(context.zoom_factor() <= 3.0);
    window.state_mut().command(Command::ZoomReset, &context);
    for _ in 0..4 {
        window.state_mut().command(Command::ZoomIn, &context);
    }
    window.run_ok();
    let screen = context.content_rect();
    for label in ["Try the example", "Open dataset…", "Ready"] {
        let place = window.get_by_label(label).rect();
        assert!(screen.contains_rect(place.shrink(1.0)), "{label}: {place:?} is not on the screen {screen:?}");
    }
    window.state_mut().command(Command::ZoomReset, &context);
    window.run_ok();
    assert!((context.zoom_factor() - 1.0).abs() < 1e-6);
}

#[test]
fn the_palette_looks_as_accepted() {
    if !snapshots::can_draw() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    for (theme, end) in snapshots::THEMES {
        let mut window = open(folder.path(), theme);
        window.set_size(egui::vec2(720.0, 560.0));
        window.key_press_modifiers(Modifiers::COMMAND, Key::P);
        window.run_ok();
        window.event(egui::Event::Text("show".to_owned()));
        window.run_ok();
        window.key_press(Key::ArrowDown);
        window.run_ok();
        snapshots::compare(&mut window, &format!("palette-{end}"));
    }
}

#[test]
fn the_tour_leads_through_the_panels_and_can_be_skipped() {
    let folder = tempfile::tempdir().unwrap();
    let mut window = open(folder.path(), egui::Theme::Dark);
    // Offered while no file has been opened.
    window.get_by_label("Take the tour").click();
    window.run_ok();
    window.get_by_label("1 of 5");
    for number in 2..=5 {
        window.get_by_label("Next").click();
        window.run_ok();
        window.get_by_label(&format!("{number} of 5"));
    }
    assert_eq!(layout::active(&window.state().tree), Some(Pane::Result));
    window.get_by_label("Back").click();
    window.run_ok();
    assert_eq!(layout::active(&window.state().tree), Some(Pane::Train));
    window.get_by_label("Skip the tour").click();
    window.run_ok();
    assert!(window.query_by_label("4 of 5").is_none());
}

#[test]
fn the_manual_shows_its_pages_and_a_panel_fills_the_screen() {
    let folder = tempfile::tempdir().unwrap();
    let mut window = open(folder.path(), egui::Theme::Dark);
    window.key_press(Key::F1);
    window.run_ok();
    window.get_by_label("Troubleshooting").click();
    window.run_ok();
    window.get_by_label("The window").click();
    window.run_ok();
    window.get_by_label("Data panel");
    window.key_press(Key::Escape);
    window.run_ok();
    assert!(window.query_by_label("Troubleshooting").is_none());

    window.key_press(Key::F11);
    window.run_ok();
    assert!(window.query_by_label("File").is_none(), "the menu is hidden");
    window.get_by_label("Try the example");
    window.key_press(Key::Escape);
    window.run_ok();
    window.get_by_label("File");
}
