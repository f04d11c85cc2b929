use super::*;
use crate::ui::panels::harness::looks_as_accepted;
use crate::ui::widgets::test_pictures::{self, VIEWS, panel, save};
use crate::worker::message::EpochPoint;
use crate::worker::message::JobKind;
use crate::worker::message::JobOutcome;
use eframe::egui::{Modifiers, Theme};
use egui_kittest::Harness;
use egui_kittest::kittest::{NodeT, Queryable};

type Desk = test_pictures::Desk<View>;

fn open(desk: Desk, size: [f32; 2], theme: Theme) -> Harness<'static, Desk> {
    panel(desk, size, theme, View::show)
}

fn usual(runs: Vec<RunInfo>) -> Harness<'static, Desk> {
    let state = State { runs, runs_folder: "runs".into(), ..State::default() };
    open(Desk { state, ..Desk::default() }, [1256.0, 690.0], Theme::Dark)
}

fn run(number: u64) -> RunInfo {
    let name = format!("siemens_star_n64-2026013{}-12000{number}", number % 10);
    let history = (1..=20).map(|epoch| EpochPoint {
        epoch,
        step: 100 * epoch,
        train_loss: (1.0 + number as f64 / 3.0) / (1.0 + epoch as f64 / (1.0 + number as f64)),
        val_loss: None,
        learning_rate: 1e-3,
        gradient_norm: 1.0,
        elapsed_s: epoch as f64 * 5.0,
    });
    RunInfo {
        folder: format!("runs/{name}").into(),
        name,
        command: Some(JobKind::Run),
        changed: 1_769_860_800 + 3600 * number,
        dataset: "data/siemens_star_n64.npz".into(),
        outcome: Some(if number == 2 { JobOutcome::Stopped } else { JobOutcome::Completed }),
        steps: Some(2000),
        train_seconds: Some(110.0 + 30.0 * number as f64),
        final_train_loss: Some(0.31 / (1.0 + number as f64)),
        phase_correlation: Some(0.95 - 0.02 * number as f64),
        amplitude_correlation: Some(0.91),
        consistency_r: Some(0.043 + 0.01 * number as f64),
        settings: if number == 0 { Vec::new() } else { vec![format!("training.batch_size = {}", 8 * number)] },
        note: if number == 1 { "best so far".into() } else { String::new() },
        model: Some(format!("runs/{number}/model.ptycho").into()),
        has_result: true,
        history: history.collect(),
        ..RunInfo::default()
    }
}

fn interrupted() -> RunInfo {
    RunInfo {
        command: None,
        outcome: None,
        dataset: PathBuf::new(),
        model: Some("runs/9/autosave.ptycho".into()),
        has_result: false,
        resumable: true,
        final_train_loss: None,
        phase_correlation: None,
        amplitude_correlation: None,
        consistency_r: None,
        train_seconds: None,
        ..run(9)
    }
}

fn select(harness: &mut Harness<'_, Desk>, run: &RunInfo) {
    harness.get_by_label(&format!("Select {}", run.name)).click();
    harness.run_ok();
}

#[test]
fn the_list_of_runs_looks_as_accepted() {
    let runs = vec![run(3), interrupted(), run(2), run(1), run(0)];
    let state = State { runs, runs_folder: "/data/2026/runs".into(), ..State::default() };
    looks_as_accepted(&state, View::show, [1000.0, 520.0], "runs", &[]);
}

#[test]
fn a_run_is_opened_compared_loaded_and_its_configuration_used() {
    let mut harness = usual(vec![run(1), run(2)]);
    assert!(harness.get_by_label("Open result").accesskit_node().is_disabled(), "nothing is selected yet");
    select(&mut harness, &run(1));
    for label in ["Open result", "Load model", "Use configuration"] {
        harness.get_by_label(label).click();
        harness.run_ok();
    }
    let folder = run(1).folder;
    assert_eq!(
        harness.state().actions,
        [
            Action::ShowResult { folder: folder.clone(), beside: false },
            Action::Open("runs/1/model.ptycho".into()),
            Action::Open(folder.join("config.toml")),
        ]
    );
    assert!(harness.get_by_label("Compare").accesskit_node().is_disabled(), "there is nothing to compare with");
    select(&mut harness, &run(2));
    assert!(harness.get_by_label("Open result").accesskit_node().is_disabled(), "two runs are selected");
    assert!(harness.query_by_label("2 runs selected").is_some());
}

/// Three runs are selected; their objects lie three pixels apart.
fn three(size: [f32; 2], theme: Theme) -> Harness<'static, Desk> {
    let runs = vec![run(1), run(2), run(3)];
    let mut state = State { runs: runs.clone(), runs_folder: "runs".into(), ..State::default() };
    state.dispatch(Action::CompareRuns(runs.iter().map(|run| run.folder.clone()).collect()));
    for (at, run) in runs.iter().enumerate() {
        let object = super::pictures::tests::object([3.0 * at as f64, 0.0], (60, 80));
        let object = Ok(std::sync::Arc::new(object));
        state.on_reply(crate::library::Reply::Object { folder: run.folder.clone(), object });
    }
    let view = View { selected: runs.iter().map(|run| run.folder.clone()).collect(), ..View::default() };
    open(Desk { state, view, ..Desk::default() }, size, theme)
}

#[test]
fn three_runs_are_compared_by_settings_scores_and_images_with_one_cursor() {
    let mut harness = three([1256.0, 690.0], Theme::Dark);
    harness.get_by_label("Settings and scores").click();
    harness.run_ok();
    harness.get_by_label("Batch size");
    harness.get_by_label("Training time");
    save(&mut harness, "runs-scores");
    harness.get_by_label("Compare").click();
    harness.run_ok();
    let began = std::time::Instant::now();
    let names: Vec<String> = [1, 2, 3].iter().map(|n| format!("Phase of {}", run(*n).name)).collect();
    while names.iter().any(|name| harness.query_by_label(name).is_none()) {
        assert!(began.elapsed().as_secs() < 60, "the images are not rendered");
        std::thread::sleep(std::time::Duration::from_millis(5));
        harness.step();
    }
    assert!(harness.state().actions.is_empty(), "all of them had been read");
    harness.get_all_by_label("Amplitude").last().unwrap().click();
    harness.run_ok();
    let middle = harness.get_by_label(&format!("Amplitude of {}", run(2).name)).rect().center();
    harness.hover_at(middle);
    harness.run_ok();
    // The amplitude encodes the position in the dataset, which is the same in all three.
    let readout = harness.get_by_label_contains("  y ");
    let text = readout.accesskit_node().value().or_else(|| readout.accesskit_node().label()).unwrap_or_default();
    let number = |part: &str| part.split(' ').next().and_then(|value| value.parse::<f64>().ok());
    let values: Vec<f64> = text.split("   ").filter(|part| part.contains("siemens")).filter_map(number).collect();
    assert!(values.len() == 3 && values.iter().all(|value| (value - values[0]).abs() < 0.01), "{text}");
    save(&mut harness, "runs-pictures");
}

#[test]
fn objects_that_are_not_loaded_are_requested() {
    let runs = vec![run(1), run(2)];
    let view =
        View { selected: runs.iter().map(|run| run.folder.clone()).collect(), tab: Tab::Pictures, ..View::default() };
    let state = State { runs, runs_folder: "runs".into(), ..State::default() };
    let harness = open(Desk { state, view, ..Desk::default() }, [1256.0, 690.0], Theme::Dark);
    let wanted = Action::CompareRuns(vec![run(1).folder, run(2).folder]);
    assert_eq!(harness.state().actions.first(), Some(&wanted));
}

#[test]
fn moving_to_the_trash_has_to_be_confirmed() {
    let mut harness = usual(vec![run(1), run(2), run(3)]);
    select(&mut harness, &run(1));
    select(&mut harness, &run(3));
    harness.get_by_label("Move to trash…").click();
    harness.run_ok();
    assert!(harness.state().actions.is_empty() && harness.query_by_label("Move 2 runs to the trash?").is_some());
    save(&mut harness, "runs-trash");
    harness.get_by_label("Cancel").click();
    harness.run_ok();
    assert!(harness.state().actions.is_empty() && harness.query_by_label("Move 2 runs to the trash?").is_none());
    harness.get_by_label("Move to trash…").click();
    harness.run_ok();
    harness.get_by_label("Move to trash").click();
    harness.run_ok();
    assert_eq!(harness.state().actions, [Action::TrashRun(run(1).folder), Action::TrashRun(run(3).folder)]);
}

#[test]
fn a_note_is_written_when_its_field_is_left_and_only_if_it_changed() {
    let mut harness = usual(vec![run(1), run(2)]);
    let note = format!("Note on {}", run(2).name);
    harness.get_by_label(&note).focus();
    harness.run_ok();
    harness.get_by_label(&note).type_text("too noisy");
    harness.run_ok();
    assert!(harness.state().actions.is_empty(), "not while it is typed");
    harness.get_by_label(&format!("Note on {}", run(1).name)).focus();
    harness.run_ok();
    assert_eq!(harness.state().actions, [Action::SetNote { folder: run(2).folder, text: "too noisy".into() }]);
    harness.get_by_label("Refresh").focus();
    harness.run_ok();
    assert_eq!(harness.state().actions.len(), 1, "a note that was not changed is not written");
}

#[test]
fn an_interrupted_run_is_continued_unless_a_job_runs_and_a_stopped_one_is_too() {
    let mut harness = usual(vec![interrupted(), run(1)]);
    harness.get_by_label("Resume training").click();
    harness.run_ok();
    assert_eq!(harness.state().actions, [Action::Resume(interrupted().folder)]);
    let stopped = RunInfo { resumable: true, ..run(2) };
    let mut harness = usual(vec![stopped.clone(), run(1)]);
    assert!(harness.query_by_label("Resume training").is_none(), "it was stopped on purpose");
    select(&mut harness, &run(1));
    assert!(harness.get_by_label("Resume").accesskit_node().is_disabled(), "this run is complete");
    select(&mut harness, &run(1));
    select(&mut harness, &stopped);
    harness.get_by_label("Resume").click();
    harness.run_ok();
    assert_eq!(harness.state().actions, [Action::Resume(stopped.folder)]);
    let state = State { runs: vec![interrupted()], starting: true, ..State::default() };
    let harness = open(Desk { state, ..Desk::default() }, [1256.0, 690.0], Theme::Dark);
    assert!(harness.get_by_label("Resume training").accesskit_node().is_disabled());
    let elsewhere = RunInfo { in_use: true, resumable: false, ..interrupted() };
    let harness = usual(vec![elsewhere, run(1)]);
    assert!(harness.query_by_label("running").is_some() && harness.query_by_label("interrupted").is_none());
}

#[test]
fn an_interrupted_run_is_reported_and_its_saved_model_loaded() {
    let mut harness = usual(vec![interrupted(), run(1)]);
    assert!(harness.query_by_label("interrupted").is_some());
    harness.get_by_label("Load saved model").click();
    harness.run_ok();
    assert_eq!(harness.state().actions, [Action::Open("runs/9/autosave.ptycho".into())]);
    assert!(harness.query_by_label("Load saved model").is_none(), "it is offered once");
}

#[test]
fn a_click_on_a_heading_sorts_and_a_second_one_reverses_the_order() {
    let mut harness = usual(vec![run(1), run(3), run(2)]);
    harness.get_by_label("Loss").click();
    harness.run_ok();
    assert_eq!(harness.state().view.sort, (Column::Loss, false));
    harness.get_by_label("Loss ▴").click();
    harness.run_ok();
    assert_eq!(harness.state().view.sort, (Column::Loss, true));
    let top = |harness: &Harness<'_, Desk>, number| {
        harness.get_by_label(&format!("Select {}", run(number).name)).rect().top()
    };
    assert!(top(&harness, 1) < top(&harness, 2) && top(&harness, 2) < top(&harness, 3));
}

#[test]
fn rows_are_selected_by_click_and_added_with_the_command_key() {
    let mut harness = usual(vec![run(1), run(2), run(3)]);
    let rows: Vec<_> = harness.get_all_by_label("siemens_star_n64").map(|node| node.rect().center()).collect();
    let click = |harness: &mut Harness<'_, Desk>, at, modifiers| {
        harness.hover_at(at);
        harness.run_ok();
        for pressed in [true, false] {
            let button = eframe::egui::PointerButton::Primary;
            harness
                .event_modifiers(eframe::egui::Event::PointerButton { pos: at, button, pressed, modifiers }, modifiers);
            harness.run_ok();
        }
    };
    click(&mut harness, rows[0], Modifiers::NONE);
    click(&mut harness, rows[1], Modifiers::COMMAND);
    assert_eq!(harness.state().view.selected.len(), 2);
    click(&mut harness, rows[2], Modifiers::NONE);
    assert_eq!(harness.state().view.selected.len(), 1);
}

#[test]
fn an_empty_folder_is_explained_and_another_can_be_chosen() {
    let mut harness = usual(Vec::new());
    assert!(harness.query_by_label("No runs yet").is_some());
    harness.get_by_label("Choose folder…").click();
    harness.get_by_label("Refresh").click();
    harness.run_ok();
    harness.run_ok();
    assert!(harness.state().actions.contains(&Action::RefreshRuns) || harness.state().outbox.choose_runs_folder);
}

#[test]
fn pictures_of_every_situation() {
    for (name, size, theme) in VIEWS {
        let some: Vec<RunInfo> = [interrupted(), run(0), run(1), run(2), run(3)].into();
        let many: Vec<RunInfo> = (0..60).map(run).collect();
        for (situation, runs) in [("empty", Vec::new()), ("some", some), ("many", many)] {
            let view = View {
                selected: runs.iter().skip(1).take(3).map(|run| run.folder.clone()).collect(),
                ..View::default()
            };
            let state = State { runs, runs_folder: "runs".into(), ..State::default() };
            let mut harness = open(Desk { state, view, ..Desk::default() }, size, theme);
            save(&mut harness, &format!("runs-{situation}-{name}"));
        }
        for tab in [Tab::Scores, Tab::Pictures] {
            let mut harness = three(size, theme);
            harness.state_mut().view.tab = tab;
            for _ in 0..40 {
                std::thread::sleep(std::time::Duration::from_millis(5));
                harness.step();
            }
            save(&mut harness, &format!("runs-{}-{name}", tab.label()));
        }
    }
}
