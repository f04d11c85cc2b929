use super::*;
use crate::session::{OpenDataset, Step};
use crate::ui::panels::harness::looks_as_accepted;
use crate::ui::widgets::test_pictures::{self, VIEWS, panel, save};
use crate::worker::message::JobKind;
use crate::worker::message::{
    AdapterKind, Control, DeviceInfo, EpochPoint, Event, EventKind, JobOutcome, LivePace, Progress, Stage, Summary,
};
use eframe::egui::Theme;
use egui_kittest::Harness;
use egui_kittest::kittest::{NodeT, Queryable};
use std::time::Duration;

type Desk = test_pictures::Desk<View>;

fn open(desk: Desk, size: [f32; 2], theme: Theme) -> Harness<'static, Desk> {
    panel(desk, size, theme, View::show)
}

fn usual(desk: Desk) -> Harness<'static, Desk> {
    open(desk, [1256.0, 690.0], Theme::Dark)
}

fn tell(state: &mut State, events: impl IntoIterator<Item = EventKind>) {
    for kind in events {
        let _effects = state.on_event(&Event { job: 1, at: Duration::from_secs(1), kind });
    }
}

fn report(step: usize, loss: f64) -> EventKind {
    let elapsed_s = 6.0 + step as f64 / 12.0;
    EventKind::Progress(Progress {
        fraction: step as f64 / 2000.0,
        epoch: 1 + (step - 1) / 100,
        epochs: Some(20),
        step,
        loss: Some(loss),
        learning_rate: Some(1e-3 * (step as f64 / 60.0).min(1.0) * (0.51 + 0.49 * (step as f64 / 640.0).cos())),
        gradient_norm: Some(2.0 / (1.0 + step as f64 / 50.0) * (1.0 + 0.4 * (step as f64 * 1.7).sin())),
        steps_per_second: Some(9.0),
        patterns_per_second: Some(96.0),
        elapsed_s,
        remaining_s: Some(elapsed_s),
    })
}

fn epoch(epoch: usize) -> EventKind {
    EventKind::Epoch(EpochPoint {
        epoch,
        step: 100 * epoch,
        train_loss: 3.0 / (1.0 + epoch as f64),
        val_loss: Some(3.3 / (1.0 + epoch as f64) + 0.02 * epoch as f64),
        learning_rate: 1e-3,
        gradient_norm: 1.0,
        elapsed_s: epoch as f64,
    })
}

/// A training in its tenth epoch, with a few previews.
fn training() -> State {
    let mut state = State::default();
    tell(
        &mut state,
        [
            EventKind::Started { kind: JobKind::Run },
            EventKind::Folder { path: "runs/siemens_star_n64-20260131-120000".into() },
            EventKind::Device(DeviceInfo {
                name: "Intel Xeon Platinum 8481C".into(),
                backend: "flex".into(),
                driver: "Burn Flex, 2 threads".into(),
                kind: AdapterKind::Cpu,
                reduced_capability: true,
            }),
            EventKind::Stage { stage: Stage::Training },
        ],
    );
    for step in (3..=950).step_by(3) {
        let noise = 1.0 + 0.25 * (step as f64 * 2.3).sin() + 0.1 * (step as f64 * 0.7).cos();
        tell(&mut state, [report(step, 3.0 / (1.0 + step as f64 / 100.0) * noise)]);
        if step % 100 < 3 && step >= 100 {
            tell(&mut state, [epoch(step / 100)]);
        }
        if step % 90 < 3 && step > 90 {
            state.on_picture(picture::tests::picture(step, 240, 0.1 + step as f32 / 2000.0));
        }
    }
    state
}

fn finished(outcome: JobOutcome) -> State {
    let mut state = training();
    tell(
        &mut state,
        [
            EventKind::Saved { path: "runs/siemens_star_n64-20260131-120000/reconstruction.npz".into() },
            EventKind::Finished(Box::new(Summary {
                outcome,
                steps: Some(950),
                epochs: Some(9),
                train_seconds: Some(95.0),
                infer_seconds: Some(3.2),
                final_train_loss: Some(0.28),
                val_loss: Some(0.31),
                consistency_r: Some(0.0434),
                phase_correlation: Some(0.957),
                amplitude_correlation: Some(0.912),
                ..Summary::default()
            })),
        ],
    );
    state
}

/// The panel with a fixed amount of memory in use.
struct Still(View);

impl Default for Still {
    fn default() -> Self {
        Self(View { memory: crate::ui::widgets::memory::Memory::fixed(412_000_000), ..View::default() })
    }
}

#[test]
fn a_running_training_looks_as_accepted() {
    let show = |still: &mut Still, ui: &mut Ui, state: &State, outbox: &mut Outbox, actions: &mut Vec<Action>| {
        still.0.show(ui, state, outbox, actions);
    };
    let names = ["Amplitude of the object so far", "Phase of the object so far"];
    looks_as_accepted(&training(), show, [1000.0, 620.0], "train-running", &names);
}

#[test]
fn before_and_after_the_panel_looks_as_accepted() {
    looks_as_accepted(&State::default(), View::show, [720.0, 500.0], "train-before", &[]);
    looks_as_accepted(&finished(JobOutcome::Completed), View::show, [900.0, 680.0], "train-done", &[]);
}

#[test]
fn without_a_dataset_the_panel_explains_the_steps_and_links_to_them() {
    let mut harness = usual(Desk::default());
    assert!(harness.query_by_label("No training yet").is_some());
    assert!(harness.get_by_label("Start training").accesskit_node().is_disabled());
    harness.get_by_label("Open a dataset").click();
    harness.run_ok();
    assert_eq!(harness.state().actions, [Action::Go(Step::Data)]);
}

#[test]
fn a_running_training_is_paused_resumed_and_stopped_after_the_epoch() {
    let mut harness = usual(Desk { state: training(), ..Desk::default() });
    harness.get_by_label("Pause").click();
    harness.run_ok();
    assert_eq!(std::mem::take(&mut harness.state_mut().actions), [Action::Steer(Control::Pause)]);
    harness.state_mut().state.control = Control::Pause;
    harness.run_ok();
    harness.get_by_label("Resume").click();
    harness.run_ok();
    assert_eq!(std::mem::take(&mut harness.state_mut().actions), [Action::Steer(Control::Run)]);
    harness.state_mut().state.control = Control::Run;
    harness.run_ok();
    harness.get_by_label_contains("Stop").click();
    harness.run_ok();
    harness.get_by_label("Stop after this epoch").click();
    harness.run_ok();
    assert_eq!(std::mem::take(&mut harness.state_mut().actions), [Action::Steer(Control::StopAfterEpoch)]);
    harness.state_mut().state.control = Control::StopAfterEpoch;
    harness.run_ok();
    harness.get_by_label("Continue training").click();
    harness.run_ok();
    assert_eq!(harness.state().actions, [Action::Steer(Control::Run)]);
}

#[test]
fn discarding_has_to_be_confirmed() {
    let mut harness = usual(Desk { state: training(), ..Desk::default() });
    let ask = |harness: &mut Harness<'_, Desk>| {
        harness.get_by_label_contains("Stop").click();
        harness.run_ok();
        harness.get_by_label("Discard…").click();
        harness.run_ok();
        assert!(harness.state().actions.is_empty(), "nothing happens before the answer");
        assert!(harness.query_by_label("Discard this training?").is_some());
    };
    ask(&mut harness);
    harness.get_by_label("Keep training").click();
    harness.run_ok();
    assert!(harness.state().actions.is_empty() && harness.query_by_label("Discard this training?").is_none());
    ask(&mut harness);
    save(&mut harness, "train-discard");
    harness.get_by_label("Discard").click();
    harness.run_ok();
    assert_eq!(harness.state().actions, [Action::Steer(Control::Discard)]);
}

#[test]
fn the_pace_of_previews_is_chosen_and_the_newest_frame_is_followed_unless_one_is_selected() {
    let mut harness = usual(Desk { state: training(), ..Desk::default() });
    harness.get_by_label("Live").click();
    harness.run_ok();
    assert_eq!(harness.state().actions, [Action::SetPace(LivePace::Live)]);
    let newest = harness.state().state.live_pictures.newest().unwrap().taken.unwrap().1;
    assert!(harness.query_by_label_contains(&format!("step {newest}")).is_some());
    harness.get_by_label("Frame").focus();
    harness.run_ok();
    harness.key_press(eframe::egui::Key::ArrowLeft);
    harness.run_ok();
    let frames = harness.state().state.live_pictures.frames();
    let before = frames[frames.len() - 2].taken.unwrap().1;
    assert!(harness.query_by_label_contains(&format!("step {before}")).is_some(), "one frame back");
    harness.state_mut().state.on_picture(picture::tests::picture(990, 240, 0.5));
    harness.run_ok();
    assert!(harness.query_by_label_contains(&format!("step {before}")).is_some(), "a selected frame stays");
    harness.get_by_label("Newest").click();
    harness.run_ok();
    assert!(harness.query_by_label_contains("step 990").is_some());
}

#[test]
fn a_large_preview_is_rendered_in_the_background() {
    let mut state = training();
    state.on_picture(picture::tests::picture(2000, 600, 0.5));
    let mut harness = usual(Desk { state, ..Desk::default() });
    let began = std::time::Instant::now();
    while harness.query_by_label("Amplitude of the object so far").is_none() {
        assert!(began.elapsed() < Duration::from_secs(20), "no image");
        std::thread::sleep(Duration::from_millis(20));
        harness.step();
    }
}

#[test]
fn the_outcome_of_a_training_is_shown_and_leads_to_the_result() {
    let mut harness = usual(Desk { state: finished(JobOutcome::Completed), ..Desk::default() });
    for text in ["Done", "1 min 35 s", "0.957", "0.0434"] {
        assert!(harness.query_by_label(text).is_some(), "{text}");
    }
    harness.get_by_label("Show the result").click();
    harness.run_ok();
    let folder = "runs/siemens_star_n64-20260131-120000".into();
    assert_eq!(harness.state().actions, [Action::ShowResult { folder, beside: false }]);
}

#[test]
fn a_nan_loss_and_a_flat_object_are_reported() {
    let mut state = finished(JobOutcome::RestoredAfterNan);
    state.on_picture(picture::tests::picture(950, 240, 0.0));
    let mut harness = usual(Desk { state, ..Desk::default() });
    assert!(harness.query_by_label("The loss is NaN").is_some());
    assert!(harness.query_by_label("The amplitude is flat").is_some());
    save(&mut harness, "train-alarms");
}

#[test]
fn a_failed_job_shows_the_reason() {
    let mut state = State::default();
    tell(
        &mut state,
        [
            EventKind::Started { kind: JobKind::Run },
            EventKind::Failed(crate::error::Error::bad_input("No probe").into()),
        ],
    );
    let harness = usual(Desk { state, ..Desk::default() });
    assert!(harness.query_by_label("Failed").is_some() && harness.query_by_label_contains("No probe").is_some());
}

#[test]
fn pictures_of_every_situation() {
    for (name, size, theme) in VIEWS {
        let dataset = OpenDataset { path: "siemens_star_n64.npz".into(), loading: true, ..OpenDataset::default() };
        let situations = [
            ("empty", State { dataset: Some(dataset), ..State::default() }),
            ("training", training()),
            ("paused", State { control: Control::Pause, ..training() }),
            ("done", finished(JobOutcome::Completed)),
        ];
        for (situation, state) in situations {
            let mut harness = open(Desk { state, ..Desk::default() }, size, theme);
            save(&mut harness, &format!("train-{situation}-{name}"));
        }
    }
}

#[test]
fn a_frame_of_a_long_training_is_drawn_in_milliseconds() {
    let mut state = training();
    for step in 1000..60_000 {
        tell(&mut state, [report(step, 1.0 / step as f64)]);
    }
    let mut harness = usual(Desk { state, ..Desk::default() });
    let began = std::time::Instant::now();
    harness.run_steps(30);
    let each = began.elapsed().as_secs_f64() * 1e3 / 30.0;
    println!("a frame with {} points: {each:.2} ms", harness.state().state.job.curve.len());
    assert!(each < 60.0, "{each} ms");
}
