//! A hundred and fifty times: open, train, stop, look at the result and load the model, in one process. Neither memory nor
//! threads may grow.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use common::tiny_dataset;
use ptychoscope::session::{Action, State, Status};
use ptychoscope::system::resident_memory;
use ptychoscope::ui::AppCore;
use ptychoscope::worker::message::{Control, JobOutcome, LivePace};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

/// As in the program.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const CYCLES: usize = 150;
/// Cycles over which memory is taken, by its median: at the end, and once it has settled.
const WINDOW: usize = 45;
/// Cycles after which memory and threads are taken as settled.
const WARM: usize = 30;
const COUNT: usize = 4;

fn threads() -> usize {
    std::fs::read_dir("/proc/self/task").unwrap().count()
}

/// Listens until something holds.
fn until(core: &mut AppCore, woken: &Receiver<()>, what: &str, holds: impl Fn(&State) -> bool) {
    let began = Instant::now();
    loop {
        core.poll();
        let _requests = core.take_requests();
        if holds(&core.state) {
            return;
        }
        let failure = core.state.job.failure.as_ref().map(|failure| failure.message.clone());
        assert!(
            failure.is_none() && began.elapsed() < Duration::from_secs(20),
            "{what}: {failure:?} {:?}",
            core.state.log.last()
        );
        let _timeout = woken.recv_timeout(Duration::from_millis(20));
    }
}

#[test]
fn a_hundred_and_fifty_trainings_leave_memory_and_threads_as_they_were() {
    let folder = tempfile::tempdir().unwrap();
    std::env::set_current_dir(folder.path()).unwrap();
    let dataset = folder.path().join("tiny.npz");
    tiny_dataset(&dataset, COUNT);
    let (wake, woken) = channel();
    let state = State { runs_folder: "runs".into(), pace: LivePace::Live, ..State::default() };
    let mut core = AppCore::new(state, move || {
        let _gone = wake.send(());
    })
    .unwrap();
    for (path, text) in [
        ("execution.accelerator", "cpu"),
        ("model.n_filters_scale", "1"),
        ("model.head_filters", "2"),
        ("training.batch_size", "4"),
        ("training.epochs", "100000"),
        ("training.time_budget_s", "none"),
        ("training.autosave_epochs", "0"),
        ("training.teacher_share", "0"),
        ("inference.polish_epochs", "0"),
    ] {
        core.dispatch(Action::SetField { path: path.into(), text: text.into() });
    }
    assert_eq!(core.state.draft.problems(), [] as [String; 0]);

    let began = Instant::now();
    let (mut megabytes, mut settled_threads) = (Vec::new(), 0);
    for cycle in 1..=CYCLES {
        core.dispatch(Action::Open(dataset.clone()));
        until(&mut core, &woken, "reading", |state| state.why_not_start().is_none());
        core.dispatch(Action::Start);
        let number = cycle as u64;
        until(&mut core, &woken, "training", |state| state.job.job == number && state.job.progress.step > 0);
        // Every fifth one is discarded, every third one finishes its epoch.
        let (control, outcome) = match cycle {
            _ if cycle % 5 == 0 => (Control::Discard, JobOutcome::Discarded),
            _ if cycle % 3 == 0 => (Control::StopAfterEpoch, JobOutcome::Stopped),
            _ => (Control::Stop, JobOutcome::Stopped),
        };
        core.dispatch(Action::Steer(control));
        until(&mut core, &woken, "stopping", |state| state.job.status == Status::Finished(outcome));
        let run = core.state.job.output_dir.clone().unwrap();
        if outcome == JobOutcome::Discarded {
            assert!(!run.exists(), "a discarded run leaves nothing");
        } else {
            let model = run.join("model.ptycho");
            until(&mut core, &woken, "result and model", |state| {
                let shown = state.result.as_ref().is_some_and(|result| result.folder == run);
                shown && state.bundle.as_ref().is_some_and(|bundle| bundle.path == model)
            });
            std::fs::remove_dir_all(&run).unwrap();
        }
        core.dispatch(Action::ClearLog);
        let now = resident_memory().unwrap() as f64 / 1e6;
        megabytes.push(now);
        if cycle == WARM {
            settled_threads = threads();
        }
        if cycle % 20 == 0 {
            println!("{cycle:4} cycles, {:5.1} s, {now:6.1} MB, {} threads", began.elapsed().as_secs_f64(), threads());
        }
    }
    let median = |from: usize| {
        let mut part = megabytes[from..from + WINDOW].to_vec();
        part.sort_by(f64::total_cmp);
        part[WINDOW / 2]
    };
    let (settled, end, tasks) = (median(WARM), median(CYCLES - WINDOW), threads());
    println!("median {settled:.1} MB at first, {end:.1} MB at the end; {settled_threads} and {tasks} threads");
    assert!(tasks <= settled_threads, "{settled_threads} threads, {tasks} at the end");
    assert!(end - settled < 15.0, "memory grew from {settled:.1} to {end:.1} MB");
    println!("{CYCLES} cycles took {:?}", began.elapsed());
}
