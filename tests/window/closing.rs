//! A window that is closed, or a program that is asked to end, while it trains or saves: what was learnt is kept, and every
//! file is whole.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use crate::common;
#[cfg(target_os = "linux")]
use crate::display;

use common::whole::{check_whole, names};
use common::{TINY, program, tiny_dataset};
use ptychoscope::checkpoint::Bundle;
use ptychoscope::library::Library;
use ptychoscope::library::Request;
use ptychoscope::session::{Action, State};
use ptychoscope::ui::AppCore;
use ptychoscope::worker::message::LivePace;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::path::{Path, PathBuf};
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

const EPOCHS: usize = 12;
/// Longest that anything may take, on a machine busy with other work.
const LONGEST: Duration = Duration::from_secs(300);

/// Opens a dataset and starts a training, as the window does; closes it after `wait`, or at the end. Gives back how long
/// that took.
fn trained(data: &Path, runs: &Path, wait: Option<Duration>) -> Duration {
    let (wake, woken) = channel();
    let state = State { runs_folder: runs.to_path_buf(), pace: LivePace::Off, ..State::default() };
    let mut core = AppCore::new(state, move || {
        let _gone = wake.send(());
    })
    .unwrap();
    let epochs = EPOCHS.to_string();
    let more = [
        ("training.epochs", epochs.as_str()),
        ("training.time_budget_s", "none"),
        ("training.teacher_share", "0"),
        ("inference.polish_epochs", "0"),
    ];
    for (path, text) in TINY.iter().chain(&more) {
        core.dispatch(Action::SetField { path: (*path).into(), text: (*text).into() });
    }
    core.dispatch(Action::Open(data.to_path_buf()));
    let mut began = Instant::now();
    let mut started = false;
    loop {
        core.poll();
        let _requests = core.take_requests();
        if !started && core.state.why_not_start().is_none() {
            core.dispatch(Action::Start);
            (started, began) = (true, Instant::now());
        }
        let ended = started && core.state.job.job == 1 && !core.state.is_busy();
        if ended || (started && wait.is_some_and(|wait| began.elapsed() >= wait)) {
            break;
        }
        assert!(began.elapsed() < LONGEST, "{:?}", core.state.log.last());
        let _timeout = woken.recv_timeout(Duration::from_millis(1));
    }
    // Closing waits for what is being written.
    drop(core);
    began.elapsed()
}

fn only_run(runs: &Path) -> Option<PathBuf> {
    let mut folders = std::fs::read_dir(runs).ok()?.map(|entry| entry.unwrap().path());
    let first = folders.next();
    assert!(folders.next().is_none());
    first
}

/// The number of windows is in `PTYCHOSCOPE_CLOSINGS`, 24 without it.
#[test]
#[ignore = "two dozen trainings, each resumed: long on a busy machine"]
fn a_window_that_is_closed_at_any_moment_keeps_what_was_learnt_in_whole_files() {
    let rounds: usize = std::env::var("PTYCHOSCOPE_CLOSINGS").ok().and_then(|text| text.parse().ok()).unwrap_or(24);
    let root = tempfile::tempdir().unwrap();
    let data = root.path().join("tiny.npz");
    tiny_dataset(&data, 16);
    let undisturbed = root.path().join("undisturbed");
    let mut longest = Duration::ZERO;
    for _ in 0..2 {
        let _again = std::fs::remove_dir_all(&undisturbed);
        longest = longest.max(trained(&data, &undisturbed, None));
    }
    let files = names(&only_run(&undisturbed).unwrap());
    let weights = |run: &Path| Bundle::load(run.join("model.ptycho")).unwrap().weights;
    let expected = weights(&only_run(&undisturbed).unwrap());

    let mut rng = ChaCha8Rng::seed_from_u64(9);
    // How the runs ended: before anything was learnt, stopped and kept, complete.
    let mut ends = [0usize; 3];
    for round in 0..rounds {
        let runs = root.path().join(format!("runs-{round}"));
        trained(&data, &runs, Some(longest.mul_f64(1.1 * rng.random::<f64>())));
        let Some(run) = only_run(&runs) else {
            ends[0] += 1;
            continue;
        };
        assert_eq!(check_whole(&run), 0, "temporary files are left: {:?}", names(&run));
        assert!(!run.join("run.lock").exists());
        let Ok(bundle) = Bundle::load(run.join("model.ptycho")) else {
            assert!(!run.join("history.csv").exists(), "something was learnt: {:?}", names(&run));
            ends[0] += 1;
            continue;
        };
        let complete = bundle.manifest.epochs == EPOCHS && !run.join("job.json").exists();
        ends[if complete { 2 } else { 1 }] += 1;
        assert!(run.join("summary.json").exists(), "{:?}", names(&run));
        if !complete {
            let output = program().args(["train", "--resume"]).arg(&run).output().unwrap();
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        }
        assert!(weights(&run) == expected, "round {round} ended with other numbers");
        assert_eq!(names(&run), files);
        std::fs::remove_dir_all(&runs).unwrap();
    }
    println!(
        "{rounds} windows closed during runs of {:.2} s: {} before the first step, {} stopped and kept, {} complete",
        longest.as_secs_f64(),
        ends[0],
        ends[1],
        ends[2]
    );
    assert!(ends[1] > 0, "{ends:?}");
}

#[test]
fn a_file_that_is_being_exported_when_the_window_is_closed_is_whole() {
    let folder = tempfile::tempdir().unwrap();
    for round in 0..20usize {
        let reader = Library::spawn(Box::new(|| ())).unwrap();
        let files: Vec<PathBuf> = (0..3).map(|k| folder.path().join(format!("{round}-{k}"))).collect();
        for path in &files {
            reader.request(Request::Write { path: path.clone(), bytes: vec![round as u8; 3_000_000] });
        }
        std::thread::sleep(Duration::from_micros(300 * round as u64));
        drop(reader);
        for path in &files {
            assert!(std::fs::read(path).unwrap() == vec![round as u8; 3_000_000], "{}", path.display());
        }
    }
    assert!(names(folder.path()).iter().all(|name| !name.ends_with(".part")));
}

/// A system that shuts down sends SIGTERM; Ctrl-C in the terminal that started the window sends SIGINT.
#[cfg(target_os = "linux")]
mod signals {
    use super::*;
    use std::process::{Command, Stdio};

    #[test]
    fn a_window_that_is_asked_to_end_stops_its_training_and_keeps_it() {
        let (frame, home) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let Some(screen) = display::display(frame.path()) else { return };
        let data = home.path().join("tiny.npz");
        // So few that an epoch is a single step.
        tiny_dataset(&data, 4);
        for (signal, busy) in [("-TERM", true), ("-INT", true), ("-TERM", false)] {
            let mut command = program();
            display::on_display(command.arg("gui").arg(&data), &screen, home.path());
            let log = home.path().join("stderr.txt");
            let child = command.stdout(Stdio::null()).stderr(std::fs::File::create(&log).unwrap()).spawn();
            let mut child = child.unwrap();
            let until = |what: &str, holds: &mut dyn FnMut() -> bool| {
                let began = Instant::now();
                while !holds() {
                    if began.elapsed() > LONGEST {
                        let picture = Path::new(env!("CARGO_TARGET_TMPDIR")).join("closing.png");
                        screen.picture().save(&picture).unwrap();
                        panic!("{what} did not come; see {}", picture.display());
                    }
                    std::thread::sleep(Duration::from_millis(100));
                }
            };
            let title = |text: &str| !screen.tool(&["search", "--onlyvisible", "--name", text]).is_empty();
            until("the dataset", &mut || title("tiny.npz"));
            let window = screen.tool(&["search", "--onlyvisible", "--name", "Ptychoscope"]);
            screen.tool(&["windowfocus", "--sync", &window]);
            let runs = home.path().join("runs");
            if busy {
                std::thread::sleep(Duration::from_secs(2));
                screen.tool(&["key", "--clearmodifiers", "ctrl+Return"]);
                until("the training", &mut || title("Training"));
                let run = || only_run(&runs);
                until("an autosave", &mut || run().is_some_and(|run| run.join("autosave.ptycho").exists()));
            }
            let asked = Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap();
            assert!(asked.success());
            let mut status = None;
            until("the end", &mut || {
                status = child.try_wait().unwrap();
                status.is_some()
            });
            let said = std::fs::read_to_string(&log).unwrap();
            assert!(status.unwrap().success() && !said.contains("panicked"), "{signal}: {status:?} {said}");
            assert!(said.contains("Closing the window"), "{said}");
            if busy {
                let run = only_run(&runs).unwrap();
                assert_eq!(check_whole(&run), 0, "{:?}", names(&run));
                assert!(!run.join("run.lock").exists());
                let summary = std::fs::read_to_string(run.join("summary.json")).unwrap();
                assert!(summary.contains("\"stopped\"") && run.join("model.ptycho").exists(), "{summary}");
                std::fs::remove_dir_all(&runs).unwrap();
            }
        }
    }
}
