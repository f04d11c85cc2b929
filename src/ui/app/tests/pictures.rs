//! Screenshots of the whole window in every situation, for visual inspection.
//!
//! One session: start page, training, result, comparison, watched folder. The dataset has a long name, to test the layout of
//! rows.

use super::super::*;
use super::window::{open, train_without_end, until};
use crate::session::Step;
use crate::ui::panels::harness::fixture;
use crate::ui::widgets::snapshots;
use eframe::egui::{Key, Role};
use egui_kittest::Harness;
use egui_kittest::kittest::Queryable;

type Window = Harness<'static, App>;

const SIZES: [[f32; 2]; 2] = [[1280.0, 800.0], [1920.0, 1080.0]];

/// Waits for images that are rendered on other threads.
fn settle(window: &mut Window) {
    for _ in 0..10 {
        std::thread::sleep(Duration::from_millis(40));
        window.step();
    }
}

/// Saves screenshots in both themes and sizes to the temporary folder.
fn photograph(window: &mut Window, name: &str) {
    let folder = std::env::temp_dir().join("ptychoscope-pictures/window");
    std::fs::create_dir_all(&folder).unwrap();
    for [width, height] in SIZES {
        for (theme, end) in snapshots::THEMES {
            window.ctx.set_theme(theme);
            window.set_size([width, height].into());
            settle(window);
            let _drawing = snapshots::drawing();
            window.render().unwrap().save(folder.join(format!("{name}-{width}-{end}.png"))).unwrap();
        }
    }
    // The next panel is laid out as in a window of the first size.
    window.set_size(SIZES[0].into());
}

fn command(window: &mut Window, command: Command) {
    let context = window.ctx.clone();
    window.state_mut().command(command, &context);
    window.run_steps(3);
}

fn act(window: &mut Window, action: Action) {
    window.state_mut().core.dispatch(action);
    window.run_steps(3);
}

fn click(window: &mut Window, role: Role, label: &str) {
    window.get_by_role_and_label(role, label).click();
    settle(window);
}

fn choose(window: &mut Window, list: &str, item: &str) {
    click(window, Role::ComboBox, list);
    click(window, Role::Button, item);
}

/// Runs a command and saves a screenshot under this name.
fn panel(window: &mut Window, which: Command, name: &str) {
    command(window, which);
    photograph(window, name);
}

// Longer than other functions: one session, step by step.
#[test]
#[ignore = "writes images for visual inspection"]
fn pictures_of_the_window_in_every_situation() {
    let folder = tempfile::tempdir().unwrap();
    let dataset = folder.path().join("siemens_star_at_the_second_beamline_2026-01-31_n64.npz");
    std::fs::copy(fixture("siemens_star_n64.npz"), &dataset).unwrap();
    let mut window = open(folder.path(), egui::Theme::Dark);
    window.state_mut().core.state.preview_off = false;

    photograph(&mut window, "welcome");
    panel(&mut window, Command::ShowConfigure, "configure-empty");
    panel(&mut window, Command::ShowTrain, "train-empty");
    panel(&mut window, Command::ShowResult, "result-empty");
    panel(&mut window, Command::ShowRuns, "runs-empty");
    panel(&mut window, Command::ShowWatch, "watch-empty");
    command(&mut window, Command::ShowSimulate);
    until(&mut window, "the preview", |app| app.core.state.simulation.preview.is_some());
    photograph(&mut window, "simulate");

    train_without_end(&mut window);
    settle(&mut window);
    act(&mut window, Action::Open(dataset.clone()));
    until(&mut window, "the dataset", |app| app.core.state.why_not_start().is_none());
    until(&mut window, "the first look", |app| app.core.state.dataset.as_ref().unwrap().preview.is_some());
    panel(&mut window, Command::ShowData, "data");
    panel(&mut window, Command::ShowConfigure, "configure");
    panel(&mut window, Command::ShowTrain, "train-before");

    act(&mut window, Action::Start);
    until(&mut window, "a training", |app| app.core.state.job.progress.step > 0);
    photograph(&mut window, "train-running");
    act(&mut window, Action::Steer(Control::Stop));
    until(&mut window, "the result", |app| !app.core.state.is_busy() && app.core.state.result.is_some());
    panel(&mut window, Command::ShowTrain, "train-done");
    panel(&mut window, Command::ShowResult, "result");
    choose(&mut window, "Compare", "Side by side");
    photograph(&mut window, "result-truth");
    command(&mut window, Command::Polish);
    until(&mut window, "polish", |app| !app.core.state.is_busy() && app.core.state.beside.is_some());
    panel(&mut window, Command::ShowResult, "result-run");

    command(&mut window, Command::ShowRuns);
    settle(&mut window);
    let names: Vec<String> = window.state().core.state.runs.iter().map(|run| run.name.clone()).collect();
    assert_eq!(names.len(), 2);
    for name in names {
        click(&mut window, Role::CheckBox, &format!("Select {name}"));
    }
    photograph(&mut window, "runs-losses");
    click(&mut window, Role::Button, "Settings and scores");
    photograph(&mut window, "runs-scores");
    click(&mut window, Role::Button, "Images");
    photograph(&mut window, "runs-pictures");

    let incoming = folder.path().join("incoming");
    std::fs::create_dir(&incoming).unwrap();
    std::fs::copy(&dataset, incoming.join("siemens_star_of_the_first_night_after_the_shutdown_n64.npz")).unwrap();
    std::fs::write(incoming.join("letter.npz"), "Dear colleague, here are the data.").unwrap();
    act(&mut window, Action::ChooseWatchFolder(incoming));
    act(&mut window, Action::Watch);
    command(&mut window, Command::ShowWatch);
    until(&mut window, "a watched file", |app| app.core.state.job.watched.summary().contains("1 not usable"));
    photograph(&mut window, "watch");
    act(&mut window, Action::Steer(Control::Stop));
    until(&mut window, "the end", |app| !app.core.state.is_busy());

    panel(&mut window, Command::ShowLog, "log");
    command(&mut window, Command::About);
    photograph(&mut window, "about");
    window.key_press(Key::Escape);
    settle(&mut window);
    act(&mut window, Action::Go(Step::Result));
    command(&mut window, Command::Palette);
    photograph(&mut window, "palette");
    window.key_press(Key::Escape);
    settle(&mut window);
    command(&mut window, Command::Shortcuts);
    photograph(&mut window, "shortcuts");
    window.key_press(Key::Escape);
    settle(&mut window);
    window.state_mut().confirming_close = true;
    photograph(&mut window, "close");
}
