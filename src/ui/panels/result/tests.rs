//! The panel as a user operates it, by role and label.

use super::rendering::tests::example;
use super::*;
use crate::library::{Reply, RunInfo};
use crate::session::Step;
use crate::ui::theme;
use crate::ui::widgets::snapshots;
use eframe::egui::{Event, Key, MouseWheelUnit, Role, Theme, Vec2, pos2};
use egui_kittest::Harness;
use egui_kittest::kittest::{NodeT, Queryable};
use num_complex::Complex32;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// The panel with its inputs and outputs.
type TestPanel = crate::ui::widgets::test_pictures::Desk<View>;

fn harness(state: State, size: Vec2, theme: Theme) -> Harness<'static, TestPanel> {
    let draw = |ui: &mut Ui, bench: &mut TestPanel| {
        let TestPanel { view, state, outbox, actions } = bench;
        egui::Frame::central_panel(ui.style()).inner_margin(12).show(ui, |ui| {
            view.show(ui, state, outbox, actions);
            ui.allocate_space(ui.available_size().max(Vec2::ZERO));
        });
    };
    let bench = TestPanel { state, ..TestPanel::default() };
    let builder = Harness::builder().with_size(size).with_theme(theme).with_max_steps(60);
    let mut harness = builder.with_context_setup(theme::install).build_ui_state(draw, bench);
    settle(&mut harness);
    harness
}

/// Waits for the background work to finish.
fn settle(harness: &mut Harness<'_, TestPanel>) {
    let start = Instant::now();
    loop {
        harness.run_steps(3);
        let view = &harness.state().view;
        let busy = view.rendering.is_running()
            || view.statistics.is_running()
            || view.output.is_running()
            || view.export.is_some()
            || view.panes.values().any(Pane::is_painting);
        if !busy || start.elapsed() > Duration::from_secs(60) {
            break;
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    harness.run_steps(3);
}

fn state_with(result: ResultData) -> State {
    let mut state = State::default();
    let _effects = state.on_reply(Reply::Result { result: Arc::new(result), beside: false });
    assert_eq!(state.step, Step::Result);
    state
}

const WIDE_WINDOW: Vec2 = Vec2::new(1256.0, 700.0);

fn picture(harness: &Harness<'_, TestPanel>, label: &str) -> egui::Rect {
    harness.get_by_role_and_label(Role::Image, label).rect()
}

fn click(harness: &mut Harness<'_, TestPanel>, role: Role, label: &str) {
    harness.get_by_role_and_label(role, label).click();
    settle(harness);
}

#[test]
fn amplitude_and_phase_are_side_by_side_by_default() {
    let mut harness = harness(state_with(example(64)), WIDE_WINDOW, Theme::Dark);
    let (left, right) = (picture(&harness, "Amplitude of the result"), picture(&harness, "Phase of the result"));
    assert!(left.right() < right.left() && (left.top() - right.top()).abs() < 1.0);
    assert!((left.width() - right.width()).abs() < 1.0 && left.width() > 350.0, "{left:?}");
    click(&mut harness, Role::Button, "Coverage");
    assert!(harness.query_by_role_and_label(Role::Image, "Coverage of the result").is_some());
    click(&mut harness, Role::Button, "Residual");
    assert!(harness.query_by_role_and_label(Role::Image, "Residual of the result").is_some());
    assert!(harness.state().actions.is_empty());
}

#[test]
fn the_result_looks_as_accepted() {
    if !snapshots::can_draw() {
        return;
    }
    for (theme, end) in snapshots::THEMES {
        let size = Vec2::new(1100.0, 620.0);
        snapshots::compare(&mut harness(state_with(example(64)), size, theme), &format!("result-{end}"));
        let mut compared = harness(state_with(example(64)), size, theme);
        choose(&mut compared, "Compare", "Curtain");
        snapshots::compare(&mut compared, &format!("result-curtain-{end}"));
        snapshots::compare(
            &mut harness(State::default(), Vec2::new(640.0, 400.0), theme),
            &format!("result-none-{end}"),
        );
    }
}

#[test]
fn without_a_result_the_panel_shows_the_next_step() {
    let mut state = State::default();
    let mut with_run = harness(state.clone(), WIDE_WINDOW, Theme::Light);
    assert!(with_run.query_by_label("No result yet").is_some());
    click(&mut with_run, Role::Button, "Go to Data");
    assert_eq!(with_run.state().actions, [Action::Go(Step::Data)]);
    let run = RunInfo { folder: "runs/a".into(), name: "a".into(), has_result: true, ..RunInfo::default() };
    state.on_reply(Reply::Runs(vec![run]));
    let mut with_run = harness(state, WIDE_WINDOW, Theme::Dark);
    click(&mut with_run, Role::Button, "Show latest run: a");
    assert_eq!(with_run.state().actions, [Action::ShowResult { folder: "runs/a".into(), beside: false }]);
}

#[test]
fn wheel_and_keys_zoom_all_images_at_the_pointer() {
    let mut harness = harness(state_with(example(64)), WIDE_WINDOW, Theme::Dark);
    let rect = picture(&harness, "Amplitude of the result");
    let at = rect.center() + Vec2::new(60.0, -40.0);
    harness.hover_at(at);
    harness.run_steps(2);
    let before = harness.state().view.viewport.cursor().unwrap();
    for _ in 0..5 {
        let delta = Vec2::new(0.0, 3.0);
        let (unit, modifiers, source) = (MouseWheelUnit::Line, egui::Modifiers::NONE, egui::MouseWheelSource::Unknown);
        harness.event(Event::MouseWheel { unit, delta, modifiers, phase: egui::TouchPhase::Move, source });
        harness.run_steps(8);
    }
    let after = harness.state().view.viewport;
    assert!(after.zoom().unwrap() > 12.0, "{after:?}");
    assert!((after.cursor().unwrap() - before).length() < 0.05, "{before:?} {after:?}");
    // By keyboard: focus, fit, 1:1.
    harness.get_by_role_and_label(Role::Image, "Phase of the result").focus();
    harness.run_steps(2);
    harness.key_press(Key::Num0);
    harness.run_steps(2);
    assert!(harness.state().view.viewport.is_fit());
    harness.key_press(Key::Num1);
    harness.run_steps(2);
    assert_eq!(harness.state().view.viewport.zoom(), Some(1.0));
    harness.key_press(Key::Plus);
    harness.run_steps(2);
    assert_eq!(harness.state().view.viewport.zoom(), Some(1.25));
    assert_eq!(harness.state().view.controls.active, Quantity::Phase, "the focused image is the active one");
    click(&mut harness, Role::Button, "Fit");
    assert!(harness.state().view.viewport.is_fit());
}

fn drag(harness: &mut Harness<'_, TestPanel>, from: egui::Pos2, to: egui::Pos2) {
    harness.drag_at(from);
    harness.run_steps(1);
    for i in 1..=4 {
        harness.hover_at(from + (to - from) * (i as f32 / 4.0));
        harness.run_steps(1);
    }
    harness.drop_at(to);
    settle(harness);
}

#[test]
fn a_dragged_line_and_a_dragged_region_are_measured() {
    let mut harness = harness(state_with(example(64)), WIDE_WINDOW, Theme::Dark);
    let rect = picture(&harness, "Amplitude of the result");
    click(&mut harness, Role::Button, "Line profile");
    drag(&mut harness, rect.center() - Vec2::new(80.0, 0.0), rect.center() + Vec2::new(80.0, 0.0));
    let [from, to] = harness.state().view.marks.profile.unwrap();
    assert!(to.x - from.x > 5.0 && (to.y - from.y).abs() < 0.5, "{from:?} {to:?}");
    let plot = harness.get_by_role_and_label(Role::Image, "Line profile").rect();
    assert!(plot.top() > 0.0 && plot.bottom() < 350.0, "the profile is visible without scrolling: {plot:?}");
    click(&mut harness, Role::Button, "Region");
    drag(&mut harness, rect.center() - Vec2::new(60.0, 50.0), rect.center() + Vec2::new(60.0, 50.0));
    let [left, top, right, bottom] = harness.state().view.marks.region.unwrap();
    let (_, statistics) = harness.state().view.statistics.newest().unwrap();
    assert_eq!(statistics[0].1.unwrap().count, (right - left) * (bottom - top));
    assert!(harness.state().view.viewport.is_fit(), "the tools do not pan");
    click(&mut harness, Role::Button, "Pan");
    drag(&mut harness, rect.center(), rect.center() + Vec2::new(50.0, 0.0));
    assert!(!harness.state().view.viewport.is_fit());
}

fn choose(harness: &mut Harness<'_, TestPanel>, combo: &str, item: &str) {
    harness.get_by_role_and_label(Role::ComboBox, combo).click();
    settle(harness);
    harness.get_by_role_and_label(Role::Button, item).click();
    settle(harness);
}

#[test]
fn the_result_is_compared_with_the_reference_in_every_mode() {
    let mut harness = harness(state_with(example(64)), WIDE_WINDOW, Theme::Dark);
    choose(&mut harness, "Compare", "Side by side");
    assert!(harness.query_by_role_and_label(Role::Image, "Phase of the reference").is_some());
    choose(&mut harness, "Compare", "Curtain");
    assert!(harness.query_by_role_and_label(Role::Image, "Phase of the reference").is_none());
    let curtain = harness.get_all_by_label("Curtain").filter(|n| n.accesskit_node().role() == Role::Slider).count();
    assert_eq!(curtain, 2);
    choose(&mut harness, "Compare", "Difference");
    assert!(harness.query_by_role_and_label(Role::Image, "Phase of Result minus the reference").is_some());
    choose(&mut harness, "Compare", "Flicker");
    assert!(harness.query_by_role_and_label(Role::Image, "Amplitude of the result").is_some());
    assert!(harness.query_by_label("Match amplitude").is_some());
}

#[test]
fn the_result_can_be_polished_unless_its_dataset_is_missing() {
    let mut result = example(64);
    result.summary = Some(serde_json::json!({ "consistency_r": 0.01, "consistency_r_before": 0.03 }));
    let mut harness = harness(state_with(result.clone()), WIDE_WINDOW, Theme::Dark);
    assert!(harness.query_by_label_contains("0.0300 before polishing").is_some());
    click(&mut harness, Role::Button, "Polish");
    assert_eq!(harness.state().actions, [Action::Polish]);
    result.residuals.clear();
    let gone = self::harness(state_with(result), WIDE_WINDOW, Theme::Dark);
    assert!(gone.get_by_role_and_label(Role::Button, "Polish").accesskit_node().is_disabled());
}

#[test]
fn another_run_is_shown_side_by_side_and_can_be_closed() {
    let mut state = state_with(example(64));
    let mut run = example(64);
    run.folder = "runs/second".into();
    state.on_reply(Reply::Result { result: Arc::new(run), beside: true });
    let mut harness = harness(state, WIDE_WINDOW, Theme::Dark);
    assert!(harness.query_by_role_and_label(Role::Image, "Amplitude of second").is_some());
    choose(&mut harness, "with", "Close other run");
    assert_eq!(harness.state().actions, [Action::ClearBeside]);
    let _effects = harness.state_mut().state.dispatch(Action::ClearBeside);
    settle(&mut harness);
    assert_eq!(harness.state().view.controls.reference, Reference::Dataset);
}

#[test]
fn a_dragged_limit_is_kept_for_the_next_result() {
    let mut harness = harness(state_with(example(64)), WIDE_WINDOW, Theme::Dark);
    let handle = harness.get_by_role_and_label(Role::Slider, "Upper limit").rect();
    drag(&mut harness, handle.center(), handle.center() - Vec2::new(60.0, 0.0));
    let settings = harness.state().view.controls.color_settings(Quantity::Amplitude, false);
    let colors::LimitMode::Locked(limits) = settings.limits else { panic!("{settings:?}") };
    assert!(limits.high < 1.2, "{limits:?}");
    let mut brighter = example(64);
    brighter.reconstruction.object.mapv_inplace(|v| v * 3.0);
    harness.state_mut().state.result = Some(Arc::new(brighter));
    settle(&mut harness);
    assert_eq!(
        harness.state().view.controls.color_settings(Quantity::Amplitude, false).limits,
        colors::LimitMode::Locked(limits)
    );
}

#[test]
fn values_are_exported_as_numbers_and_the_display_as_an_image() {
    let mut harness = harness(state_with(example(64)), WIDE_WINDOW, Theme::Dark);
    for (item, name) in [
        ("Object as stored (NPZ)…", "example.npz"),
        ("Phase values (NPY)…", "example_phase.npy"),
        ("Image as shown (PNG)…", "example.png"),
    ] {
        click(&mut harness, Role::Button, "Export");
        click(&mut harness, Role::Button, item);
        let (found, bytes) = harness.state_mut().outbox.export.take().unwrap();
        assert_eq!(found, name);
        assert!(bytes.len() > 500);
        if name.ends_with("png") {
            let image = image::load_from_memory(&bytes).unwrap();
            assert!(image.width() > 2 * 500 && image.height() >= 48 * 11, "{}x{}", image.width(), image.height());
        }
    }
    click(&mut harness, Role::Button, "Export");
    click(&mut harness, Role::Button, "Copy image");
    assert!(matches!(&harness.state().actions[..], [Action::Notify { .. }]));
}

#[test]
fn results_full_of_nan_or_without_coverage_are_still_shown() {
    for broken in 0..3 {
        let mut result = example(48);
        match broken {
            0 => result.reconstruction.object.fill(Complex32::new(f32::NAN, f32::NAN)),
            1 => {
                result.covered.fill(false);
                result.reconstruction.coverage.fill(0.0);
            }
            _ => {
                result.truth = None;
                result.positions.clear();
                result.residuals.clear();
            }
        }
        let mut harness = harness(state_with(result), WIDE_WINDOW, Theme::Dark);
        assert!(harness.query_by_role_and_label(Role::Image, "Amplitude of the result").is_some(), "{broken}");
        if broken == 2 {
            assert!(harness.get_by_role_and_label(Role::Button, "Residual").accesskit_node().is_disabled());
            continue;
        }
        let _drawing = snapshots::drawing();
        let image = harness.render().unwrap();
        let wanted = if broken == 0 { [0xe0, 0x3f, 0xd8] } else { [0x2a, 0x2f, 0x37] };
        let count = image.pixels().filter(|p| p.0[..3].iter().zip(wanted).all(|(a, b)| a.abs_diff(b) < 4)).count();
        assert!(count > 50_000, "{broken}: {count} pixels in the expected color");
    }
}

#[test]
fn an_image_larger_than_the_maximum_texture_is_shown_in_tiles() {
    let mut result = example(1100);
    result.covered.fill(true);
    let mut harness = harness(state_with(result), WIDE_WINDOW, Theme::Dark);
    harness.input_mut().max_texture_side = Some(1024);
    harness.state_mut().view.panes.clear();
    settle(&mut harness);
    let drawing = snapshots::drawing();
    let image = harness.render().unwrap();
    drop(drawing);
    // The center of each tile is painted.
    let rect = picture(&harness, "Amplitude of the result");
    let side = rect.width().min(rect.height());
    for (i, j) in [(0, 0), (1, 1), (2, 2), (2, 0)] {
        let at = rect.center() + Vec2::new(i as f32 - 1.0, j as f32 - 1.0) * side * 0.3;
        let block: Vec<u8> = (0..40).map(|d| image.get_pixel(at.x as u32 + d % 8, at.y as u32 + d / 8).0[0]).collect();
        assert!(block.iter().any(|v| *v > 60), "tile {i}, {j} is empty: {block:?}");
    }
}

#[test]
fn frames_stay_fast_at_a_megapixel() {
    let mut harness = harness(state_with(example(1024)), Vec2::new(1896.0, 900.0), Theme::Dark);
    let rect = picture(&harness, "Amplitude of the result");
    let start = Instant::now();
    let frames = 40;
    for i in 0..frames {
        harness.hover_at(rect.center() + Vec2::new(i as f32, 0.0));
        harness.run_steps(1);
    }
    let each = start.elapsed() / frames;
    println!("a frame takes {each:?}");
    assert!(each < Duration::from_millis(400), "{each:?}");
}

/// Saves screenshots of the panel to the folder `PTYCHOSCOPE_PICTURES` for review, from the run folders in
/// `PTYCHOSCOPE_RUNS` (separated by `:`).
#[test]
fn pictures_to_look_at() {
    let Some(into) = std::env::var_os("PTYCHOSCOPE_PICTURES").map(PathBuf::from) else {
        println!("skipped: PTYCHOSCOPE_PICTURES is not set");
        return;
    };
    std::fs::create_dir_all(&into).unwrap();
    let runs = std::env::var("PTYCHOSCOPE_RUNS").unwrap_or_default();
    let results: Vec<Arc<ResultData>> = runs.split(':').filter(|run| !run.is_empty()).map(read).collect();
    let first = results.first().cloned().unwrap_or_else(|| Arc::new(example(96)));
    let mut state = State::default();
    state.on_reply(Reply::Result { result: first, beside: false });
    let save = |harness: &mut Harness<'_, TestPanel>, name: &str| {
        settle(harness);
        let _drawing = snapshots::drawing();
        harness.render().unwrap().save(into.join(format!("{name}.png"))).unwrap();
    };
    for (theme, name) in [(Theme::Dark, "dark"), (Theme::Light, "light")] {
        for (size, wide) in
            [(Vec2::new(1280.0, 720.0), "1280"), (Vec2::new(1920.0, 1000.0), "1920"), (Vec2::new(500.0, 760.0), "500")]
        {
            save(&mut harness(state.clone(), size, theme), &format!("plain-{name}-{wide}"));
        }
        save(&mut harness(State::default(), Vec2::new(1280.0, 720.0), theme), &format!("empty-{name}"));
    }
    let size = Vec2::new(1280.0, 720.0);
    for (i, result) in results.iter().enumerate().skip(1) {
        let mut other = State::default();
        other.on_reply(Reply::Result { result: result.clone(), beside: false });
        save(&mut harness(other, size, Theme::Dark), &format!("run-{i}"));
    }
    for compare in ["Side by side", "Curtain", "Difference", "Flicker"] {
        let mut harness =
            harness(state.clone(), size, if compare == "Difference" { Theme::Light } else { Theme::Dark });
        choose(&mut harness, "Compare", compare);
        save(&mut harness, &format!("compare-{}", compare.to_lowercase().replace(' ', "-")));
    }
    let mut all = harness(state.clone(), Vec2::new(1920.0, 1000.0), Theme::Dark);
    for quantity in ["Complex", "Coverage", "Residual"] {
        click(&mut all, Role::Button, quantity);
    }
    save(&mut all, "all");
    let mut close = harness(state.clone(), size, Theme::Dark);
    let rect = picture(&close, "Amplitude of the result");
    click(&mut close, Role::Button, "Line profile");
    drag(&mut close, rect.center() - Vec2::new(70.0, 30.0), rect.center() + Vec2::new(90.0, 40.0));
    click(&mut close, Role::Button, "Region");
    drag(&mut close, rect.center() - Vec2::new(50.0, 60.0), rect.center() + Vec2::new(20.0, 10.0));
    save(&mut close, "marks");
    close.state_mut().view.viewport.center_on(egui::vec2(60.0, 60.0), 24.0);
    close.hover_at(pos2(rect.center().x, rect.center().y));
    save(&mut close, "close");
    close.get_by_role_and_label(Role::ComboBox, "Map").click();
    save(&mut close, "colormaps");
    let mut menu = harness(state, size, Theme::Light);
    menu.get_by_role_and_label(Role::Button, "Export").click();
    save(&mut menu, "export-menu");
    menu.get_by_role_and_label(Role::Button, "Image as shown (PNG)…").click();
    settle(&mut menu);
    let (_, bytes) = menu.state_mut().outbox.export.take().unwrap();
    std::fs::write(into.join("exported.png"), bytes).unwrap();
}

fn read(folder: &str) -> Arc<ResultData> {
    use crate::library::Request;
    let reader = crate::library::Library::spawn(Box::new(|| ())).unwrap();
    reader.request(Request::Result { folder: Path::new(folder).to_path_buf(), beside: false });
    match reader.replies().recv_timeout(Duration::from_secs(60)).unwrap() {
        Reply::Result { result, .. } => result,
        other => panic!("{other:?}"),
    }
}
