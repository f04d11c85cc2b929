#![allow(clippy::unwrap_used, clippy::expect_used)]
use super::*;
use crate::ui::panels::bench::looks_as_accepted;
use crate::ui::widgets::test_pictures::{self, VIEWS, panel, save};
use crate::worker::message::EpochPoint;
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
        command: "run".into(),
        changed: 1_769_860_800 + 3600 * number,
        dataset: "data/siemens_star_n64.npz".into(),
        outcome: if number == 2 { "stopped" } else { "completed" }.into(),
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
        command: String::new(),
        outcome: "running or interrupted".into(),
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
    let state = State { runs, runs_folder: "runs".into(), ..State::default() };
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

#[test]
fn moving_to_the_trash_is_asked_about_first() {
    let mut harness = usual(vec![run(1), run(2), run(3)]);
    select(&mut harness, &run(1));
    select(&mut harness, &run(3));
    harness.get_by_label("Move to trash…").click();
    harness.run_ok();
    assert!(harness.state().actions.is_empty() && harness.query_by_label("Move 2 runs to the trash?").is_some());
    save(&mut harness, "runs-trash");
    harness.get_by_label("Keep").click();
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
    harness.get_by_label("Continue training").click();
    harness.run_ok();
    assert_eq!(harness.state().actions, [Action::Resume(interrupted().folder)]);
    let stopped = RunInfo { resumable: true, ..run(2) };
    let mut harness = usual(vec![stopped.clone(), run(1)]);
    assert!(harness.query_by_label("Continue training").is_none(), "it was meant to be stopped");
    select(&mut harness, &run(1));
    assert!(harness.get_by_label("Resume").accesskit_node().is_disabled(), "its training is over");
    select(&mut harness, &run(1));
    select(&mut harness, &stopped);
    harness.get_by_label("Resume").click();
    harness.run_ok();
    assert_eq!(harness.state().actions, [Action::Resume(stopped.folder)]);
    let state = State { runs: vec![interrupted()], starting: true, ..State::default() };
    let harness = open(Desk { state, ..Desk::default() }, [1256.0, 690.0], Theme::Dark);
    assert!(harness.get_by_label("Continue training").accesskit_node().is_disabled());
    let elsewhere = RunInfo { in_use: true, resumable: false, ..interrupted() };
    let harness = usual(vec![elsewhere, run(1)]);
    assert!(harness.query_by_label("running").is_some() && harness.query_by_label("interrupted").is_none());
}

#[test]
fn an_interrupted_run_is_said_and_its_saved_model_loaded() {
    let mut harness = usual(vec![interrupted(), run(1)]);
    assert!(harness.query_by_label("interrupted").is_some());
    harness.get_by_label("Load the saved model").click();
    harness.run_ok();
    assert_eq!(harness.state().actions, [Action::Open("runs/9/autosave.ptycho".into())]);
    assert!(harness.query_by_label("Load the saved model").is_none(), "it is offered once");
}

#[test]
fn a_click_on_a_heading_sorts_and_a_second_one_turns_the_order() {
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
fn an_empty_folder_says_what_will_be_there_and_another_can_be_chosen() {
    let mut harness = usual(Vec::new());
    assert!(harness.query_by_label("No runs here yet").is_some());
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
    }
}
