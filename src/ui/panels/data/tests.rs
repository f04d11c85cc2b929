//! The data panel as a user operates it.

use super::super::harness::{TestPanel, fixture, harness, looks_as_accepted, opened, photograph, read};
use super::*;
use crate::data::{Dataset, Inspection, NpyArray, Status, Verdict};
use crate::library::Request;
use egui_kittest::Harness;
use egui_kittest::kittest::Queryable;
use ndarray::{Array2, Array3};
use num_complex::Complex32;

/// Small patterns at these positions, with increasing brightness.
pub(super) fn patterns_at(positions: Vec<[f64; 2]>) -> Arc<Patterns> {
    let count = positions.len();
    let side = 8;
    let diffraction = Array3::from_shape_fn((count, side, side), |(n, y, x)| ((n % 50) + x + y) as f32);
    let probe = Array3::from_elem((3, side, side), Complex32::new(1.0, 0.5));
    let dataset = Dataset { nphotons: Some(1e6), ..Dataset::from_arrays(diffraction, positions, probe) };
    let counts = (0..count).map(|n| 1000.0 + (n % 50) as f64).collect();
    Arc::new(Patterns {
        nearest: vec![1.0; count],
        dataset,
        mean: Array2::from_elem((side, side), 3.0),
        max: Array2::from_elem((side, side), 9.0),
        counts,
        probe_diameter: 5.0,
        overlap: 0.8,
        left_out: Vec::new(),
    })
}

fn bench(state: State, size: [f32; 2], theme: egui::Theme) -> Harness<'static, TestPanel<View>> {
    harness(state, View::show, size, theme)
}

fn small(state: State) -> Harness<'static, TestPanel<View>> {
    bench(state, [1280.0, 760.0], egui::Theme::Dark)
}

#[test]
fn an_opened_file_shows_summary_checks_and_arrays() {
    let panel = small(opened(&fixture("siemens_star_n64.npz")));
    panel.get_by_label_contains("516 patterns of 64 × 64");
    panel.get_by_label_contains("checks passed");
    panel.get_by_label("objectGuess");
    panel.get_by_label("516 × 64 × 64");
    panel.get_by_label("Diffraction pattern");
    panel.get_by_label("Map of the scan positions");
    panel.get_by_label_contains("Neighboring illuminations overlap by about");
}

#[test]
fn a_wrong_scan_orientation_is_fixed_with_one_click() {
    use crate::config::Orientation;
    use crate::library::{OrientationScore, Orientations, Reply};
    let path = fixture("siemens_star_n64.npz");
    let mut state = opened(&path);
    let misfit = |orientation| if orientation == Orientation::FlipX { 0.01 } else { 0.4 };
    let scores = Orientation::ALL.map(|orientation| OrientationScore { orientation, misfit: misfit(orientation) });
    let found = Orientations { now: Orientation::Plain, patterns: 100, scores: scores.to_vec() };
    state.on_reply(Reply::Orientations { path, found: Some(Arc::new(found)) });
    let mut panel = small(state);
    panel.get_by_label_contains("Orientation flip x fits the patterns better");
    photograph(&mut panel, "data-orientation");
    panel.get_by_label("Use flip x").click();
    panel.run_ok();
    let orientation = |panel: &Harness<'static, TestPanel<View>>| panel.state().state.draft.config().data.orientation;
    assert_eq!(orientation(&panel), Orientation::FlipX);
    assert!(panel.query_by_label("Use flip x").is_none(), "the scores belong to the previous orientation");
    panel.get_by_label("Fixed: scan orientation flip x");
    panel.get_by_label("Undo").click();
    panel.run_ok();
    assert_eq!(orientation(&panel), Orientation::Plain);
}

#[test]
fn the_trials_of_a_diagnosis_are_shown_and_applied_with_one_click() {
    use crate::session::Effect;
    use crate::worker::message::{Event, EventKind, Job, JobKind, Thumbnail, Trial};
    let path = fixture("siemens_star_n64.npz");
    let mut state = opened(&path);
    let effects = state.dispatch(Action::Diagnose);
    let submitted = effects.iter().find_map(|effect| match effect {
        Effect::Submit(Job::Diagnose { dataset, output_dir: None, .. }) => Some(dataset.clone()),
        _ => None,
    });
    assert_eq!((submitted, state.step), (Some(path), crate::session::Step::Data));
    let trial = |name: &str, relative: f64, settings: &[(&str, &str)]| Trial {
        name: name.to_owned(),
        settings: settings.iter().map(|(path, value)| ((*path).to_owned(), (*value).to_owned())).collect(),
        held_out_misfit: 0.02 * relative,
        misfit: 0.01 * relative,
        unexplained: relative,
        relative,
        picture: Thumbnail { size: [16, 12], gray: (0..192).collect() },
    };
    let trials = [
        trial("As it is", 1.0, &[]),
        trial("Orientation flip x", 0.4, &[("data.orientation", "flip_x")]),
        trial("Probe refined", 0.97, &[("direct.refine_probe", "true")]),
    ];
    let mut tell = |kind| state.on_event(&Event { job: 1, at: std::time::Duration::ZERO, kind });
    tell(EventKind::Started { kind: JobKind::Diagnose });
    for trial in trials {
        tell(EventKind::Trial(Box::new(trial)));
    }
    let mut panel = small(state);
    panel.get_by_label_contains("Diagnosing, 3 trials so far");
    assert_eq!(panel.query_all_by_label("Orientation flip x").count(), 2, "picture and name");
    photograph(&mut panel, "data-diagnosis");
    panel.get_by_label("Apply Orientation flip x").click();
    panel.run_ok();
    let fields = vec![("data.orientation".to_owned(), "flip_x".to_owned())];
    assert_eq!(panel.state().actions, [Action::SetFields { label: "orientation flip x".to_owned(), fields }]);
    panel.get_by_label("Stop").click();
    panel.run_ok();
    assert_eq!(panel.state().actions.last(), Some(&Action::Steer(crate::worker::message::Control::Stop)));
}

#[test]
fn the_arrays_are_listed_before_the_values_are_loaded() {
    let path = fixture("siemens_star_n64.npz");
    let mut state = State::default();
    state.dispatch(Action::Open(path.clone()));
    let request = Request::Dataset { path, config: Box::default(), seed: 1, preview: false };
    state.on_reply(read(request).remove(0));
    let panel = small(state);
    panel.get_by_label_contains("Loading siemens_star_n64.npz");
    panel.get_by_label("516 × 64 × 64");
}

#[test]
fn next_previous_and_image_kind_are_one_click_away() {
    let mut panel = small(opened(&fixture("siemens_star_n64.npz")));
    panel.get_by_label("Next pattern").click();
    panel.run_ok();
    panel.get_by_label("Next pattern").click();
    panel.run_ok();
    assert_eq!(panel.state().actions, [Action::SelectPattern(1), Action::SelectPattern(2)]);
    panel.get_by_label_contains("Pattern 2 ·");
    panel.get_by_label("Previous pattern").click();
    panel.run_ok();
    assert_eq!(panel.state().state.dataset.as_ref().unwrap().selected, 1);
    panel.get_by_label("Mean").click();
    panel.run_ok();
    panel.get_by_label_contains("Mean of 516 patterns");
}

#[test]
fn a_click_on_a_position_selects_its_pattern_and_hovering_shows_it() {
    let mut panel = small(opened(&fixture("siemens_star_n64.npz")));
    let plot = panel.get_by_label("Map of the scan positions").rect();
    panel.hover_at(plot.center());
    panel.run_ok();
    panel.run_ok();
    let seen = panel.query_by_label_contains("Pattern 0 ·");
    assert!(seen.is_none(), "the browser shows the hovered pattern");
    let at = plot.center();
    for pressed in [true, false] {
        panel.event(egui::Event::PointerButton {
            pos: at,
            button: egui::PointerButton::Primary,
            pressed,
            modifiers: egui::Modifiers::NONE,
        });
        panel.step();
    }
    panel.run_ok();
    let [Action::SelectPattern(chosen)] = panel.state().actions.as_slice() else {
        panic!("{:?}", panel.state().actions)
    };
    let patterns = panel.state().state.dataset.as_ref().unwrap().patterns.clone().unwrap();
    let [x, y] = patterns.dataset.positions[*chosen];
    let mean = |axis: usize| {
        let values = patterns.dataset.positions.iter().map(|p| p[axis]);
        (values.clone().fold(f64::INFINITY, f64::min) + values.fold(f64::NEG_INFINITY, f64::max)) / 2.0
    };
    assert!((x - mean(0)).hypot(y - mean(1)) < 20.0, "({x}, {y}) is not in the middle of the scan");
}

fn with_verdicts(verdicts: Vec<Verdict>) -> State {
    let mut state = State::default();
    state.dispatch(Action::Open("made.npz".into()));
    let dataset = state.dataset.as_mut().unwrap();
    dataset.loading = false;
    dataset.inspection =
        Some(Arc::new(Inspection { path: "made.npz".into(), arrays: Vec::new(), verdicts, notes: Vec::new() }));
    dataset.patterns = Some(patterns_at((0..30).map(|k| [f64::from(k % 6), f64::from(k / 6)]).collect()));
    state
}

fn verdict(check: &str, status: Status, advice: &str) -> Verdict {
    Verdict {
        check: check.into(),
        status,
        found: "something".into(),
        expected: String::new(),
        advice: advice.into(),
        fixes: Vec::new(),
    }
}

#[test]
fn a_check_that_a_setting_fixes_has_a_button_and_the_worst_comes_first() {
    let counts = "Set diffraction_unit to \"counts\" if the square root has not been taken";
    let settings = vec![("data.diffraction_unit", "counts".to_owned())];
    let fix = crate::data::Fix { label: "Interpret as counts".into(), settings };
    let state = with_verdicts(vec![
        verdict("centering", Status::Pass, ""),
        Verdict { fixes: vec![fix], ..verdict("amplitude or counts", Status::Warn, counts) },
        verdict("positions", Status::Fail, "Remove them"),
    ]);
    let inspection = state.dataset.as_ref().unwrap().inspection.clone().unwrap();
    let order: Vec<_> = verdicts::worst_first(&inspection).iter().map(|v| v.status).collect();
    assert_eq!(order, [Status::Fail, Status::Warn, Status::Pass]);
    let mut panel = small(state);
    panel.get_by_label("Interpret as counts").click();
    panel.run_ok();
    let fields = vec![("data.diffraction_unit".to_owned(), "counts".to_owned())];
    let what = "interpret as counts".to_owned();
    assert_eq!(panel.state().actions, [Action::SetFields { label: what, fields }]);
    assert!(panel.state().state.dataset.as_ref().unwrap().loading, "the file is reloaded");
    panel.get_by_label_contains("Reloading");
}

/// A dataset of 64 patterns of 64 × 64 pixels with ambiguous axes and two sets of positions.
fn ambiguous(path: &std::path::Path) {
    use crate::data::write_npz;
    use ndarray::{Array1, Array3};
    let patterns = Array3::from_shape_fn((64, 64, 64), |(n, y, x)| 1.0 + ((n * 7 + y * 3 + x * 5) % 11) as f32);
    let probe = Array2::from_shape_fn((64, 64), |(y, x)| {
        let square = (y as f32 - 32.0).powi(2) + (x as f32 - 32.0).powi(2);
        Complex32::new((-square / 200.0).exp(), 0.1)
    });
    let (x, y) = (
        Array1::from_shape_fn(64, |n| 40.0 + 4.0 * (n % 8) as f64),
        Array1::from_shape_fn(64, |n| (n / 8) as f64 * 4.0),
    );
    let nominal = x.mapv(|x| x + (x * 1.7).sin());
    let arrays = [
        ("diffraction", NpyArray::F32(patterns.view().into_dyn())),
        ("probeGuess", NpyArray::C32(probe.view().into_dyn())),
        ("xcoords", NpyArray::F64(x.view().into_dyn())),
        ("ycoords", NpyArray::F64(y.view().into_dyn())),
        ("xcoords_start", NpyArray::F64(nominal.view().into_dyn())),
        ("ycoords_start", NpyArray::F64(y.view().into_dyn())),
    ];
    write_npz(path, &arrays).unwrap();
}

/// Reads what was requested, as the window does.
fn follow(panel: &mut Harness<'static, TestPanel<View>>) {
    let requests: Vec<Request> = panel
        .state_mut()
        .effects
        .drain(..)
        .filter_map(|effect| match effect {
            crate::session::Effect::Library(request) => Some(request),
            _ => None,
        })
        .collect();
    assert_eq!(requests.len(), 1, "the file is loaded once per click");
    for request in requests {
        for reply in read(request) {
            panel.state_mut().state.on_reply(reply);
        }
    }
    panel.run_ok();
}

#[test]
fn axis_order_and_position_set_are_one_click_each_and_can_be_undone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ambiguous.npz");
    ambiguous(&path);
    let mut state = opened(&path);
    state.preview_off = true;
    let mut panel = small(state);
    assert!(panel.state().state.why_not_start().unwrap().contains("cannot be used"));
    panel.get_by_label("Read as (n, h, w)");
    panel.get_by_label("Read as (h, w, n)").click();
    panel.run_ok();
    follow(&mut panel);
    assert_eq!(panel.state().state.why_not_start(), None);
    panel.get_by_label("Fixed: read as (h, w, n)");
    panel.get_by_label_contains("xcoords_start/ycoords_start differs by");
    photograph(&mut panel, "data-mended");

    panel.get_by_label("Use xcoords_start and ycoords_start").click();
    panel.run_ok();
    follow(&mut panel);
    let first = |panel: &Harness<'static, TestPanel<View>>| {
        panel.state().state.dataset.as_ref().unwrap().patterns.as_ref().unwrap().dataset.positions[0][0]
    };
    assert!((first(&panel) - 40.0).abs() > 0.1, "{}", first(&panel));
    assert!(
        panel.query_by_label("Use xcoords_start and ycoords_start").is_none(),
        "an explicit choice raises no warning"
    );
    panel.get_by_label("Undo").click();
    panel.run_ok();
    follow(&mut panel);
    assert!((first(&panel) - 40.0).abs() < 1e-9);
    panel.get_by_label("Undo").click();
    panel.run_ok();
    follow(&mut panel);
    assert!(panel.state().state.why_not_start().unwrap().contains("cannot be used"));
}

#[test]
fn a_quick_preview_shows_progress_and_can_be_cancelled_and_started() {
    use crate::library::{PreviewStage, Reply};
    let path = fixture("siemens_star_n64.npz");
    let mut state = opened(&path);
    state.dataset.as_mut().unwrap().preview = None;
    state.on_reply(Reply::PreviewStage { path, stage: Some(PreviewStage::Object) });
    let mut panel = bench(state, [1800.0, 900.0], egui::Theme::Dark);
    panel.get_by_label("Computing");
    panel.get_by_label("Cancel").click();
    panel.run_ok();
    assert_eq!(panel.state().effects, [crate::session::Effect::CancelPreview]);
    panel.get_by_label("Preview").click();
    panel.run_ok();
    assert!(matches!(panel.state().effects.last(), Some(crate::session::Effect::Library(Request::Preview { .. }))));
    panel.get_by_label("Auto-preview").click();
    panel.run_ok();
    assert!(panel.state().state.preview_off);
}

#[test]
fn the_quick_preview_is_shown_until_the_reference_is_selected() {
    let mut state = opened(&fixture("siemens_star_n64.npz"));
    let look = state.dataset.as_mut().unwrap().preview.take();
    assert!(look.is_some(), "the bench computes a quick preview");
    let mut panel = bench(state, [1800.0, 900.0], egui::Theme::Dark);
    panel.get_by_label_contains("Reference object, 402 × 405 px");
    panel.state_mut().state.dataset.as_mut().unwrap().preview = look;
    panel.run_ok();
    panel.get_by_label_contains("Before training");
    panel.get_by_role_and_label(egui::Role::ComboBox, "Object shown").click();
    panel.run_ok();
    panel.get_by_role_and_label(egui::Role::Button, "Reference").click();
    panel.run_ok();
    panel.get_by_label_contains("Reference object, 402 × 405 px");
    panel.get_by_role_and_label(egui::Role::ComboBox, "Object shown").click();
    panel.run_ok();
    panel.get_by_role_and_label(egui::Role::Button, "Preview").click();
    panel.run_ok();
    panel.get_by_label_contains("Before training");
}

#[test]
fn an_unusable_file_is_reported_at_the_top() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("broken.npz");
    std::fs::write(&path, b"no archive").unwrap();
    let panel = small(opened(&path));
    let title = panel.state().state.dataset.as_ref().unwrap().failure.as_ref().unwrap().problem().title.clone();
    panel.get_by_label(&title);
    assert!(panel.query_by_label("Diffraction pattern").is_none());
}

#[test]
fn the_overlap_is_rated() {
    let mut patterns = (*patterns_at(vec![[0.0, 0.0], [1.0, 0.0]])).clone();
    for (overlap, level, says) in [
        (0.8, Level::Success, "ample"),
        (0.5, Level::Success, "sufficient"),
        (0.1, Level::Warning, "artifacts"),
        (-0.2, Level::Error, "do not overlap"),
    ] {
        patterns.overlap = overlap;
        let (found, text) = summary::overlap(&patterns);
        assert!(found == level && text.contains(says), "{text}");
    }
    patterns.nearest.clear();
    assert_eq!(summary::overlap(&patterns).0, Level::Info);
}

#[test]
fn many_positions_do_not_slow_down_the_window() {
    let positions = (0..100_000).map(|k| [f64::from(k % 400), f64::from(k / 400)]).collect();
    let mut state = with_verdicts(Vec::new());
    state.dataset.as_mut().unwrap().patterns = Some(patterns_at(positions));
    let mut panel = small(state);
    let begun = std::time::Instant::now();
    for frame in 0..20 {
        panel.hover_at(egui::pos2(900.0 + frame as f32, 300.0));
        panel.step();
    }
    let each = begun.elapsed().as_secs_f64() / 20.0;
    println!("{:.2} ms for a frame with 100 000 positions", 1e3 * each);
    assert!(each < 0.2, "{each}");
}

#[test]
fn a_mask_is_drawn_undone_and_exported_as_a_file() {
    let mut panel = small(opened(&fixture("siemens_star_n64.npz")));
    panel.get_by_label("Edit mask").click();
    panel.run_ok();
    panel.get_by_label_contains("0 pixels drawn");
    let picture = panel.get_by_label("Diffraction pattern").rect();
    let drag = |panel: &mut Harness<'static, TestPanel<View>>, from: egui::Pos2, to: egui::Pos2| {
        panel.drag_at(from);
        panel.step();
        panel.hover_at(from + (to - from) * 0.5);
        panel.step();
        panel.hover_at(to);
        panel.step();
        panel.drop_at(to);
        panel.run_ok();
    };
    drag(&mut panel, picture.center(), picture.center() + vec2(30.0, 20.0));
    assert!(panel.query_by_label_contains(" 0 pixels drawn").is_none());
    panel.get_by_label("Undo").click();
    panel.run_ok();
    panel.get_by_label_contains("0 pixels drawn");
    panel.get_by_label("Redo").click();
    panel.run_ok();
    panel.get_by_label("Save and apply…").click();
    panel.run_ok();
    let (name, bytes) = panel.state_mut().outbox.mask.take().unwrap();
    assert_eq!(name, "siemens_star_n64_mask.npy");
    let mask = npyz::NpyFile::new(bytes.as_slice()).unwrap();
    assert_eq!(mask.shape(), [64, 64]);
    let bad = mask.into_vec::<u16>().unwrap().into_iter().filter(|good| *good == 0).count();
    assert!((4..400).contains(&bad), "{bad} pixels");
    panel.get_by_label("Clear").click();
    panel.get_by_label("Load…").click();
    panel.run_ok();
    assert!(panel.state().outbox.choose_mask);
    assert_eq!(panel.state().actions, [], "nothing is loaded before a file is chosen");
}

#[test]
fn the_data_look_as_accepted() {
    // With a relative path, which is the same everywhere, and without the preview, whose duration varies.
    let mut state = opened(std::path::Path::new("fixtures/siemens_star_n64.npz"));
    let dataset = state.dataset.as_mut().unwrap();
    (dataset.preview, dataset.preview_stage) = (None, None);
    state.dispatch(Action::SelectPattern(200));
    state.dispatch(Action::SetField { path: "model.gridsize".into(), text: "2".into() });
    looks_as_accepted(&state, View::show, [1180.0, 720.0], "data", &["Reference object"]);
}

#[test]
#[ignore = "writes pictures to look at"]
fn pictures_of_the_data_panel() {
    let shared = concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/data/cnm235_mini_n64.npz");
    let modes = std::path::Path::new(shared).exists().then(|| opened(shared.as_ref()));
    for theme in [egui::Theme::Dark, egui::Theme::Light] {
        for size in [[1280.0, 720.0], [1920.0, 1000.0], [500.0, 760.0]] {
            let mut panel = bench(opened(&fixture("siemens_star_n64.npz")), size, theme);
            panel.state_mut().state.dispatch(Action::SelectPattern(200));
            panel.state_mut().state.dispatch(Action::SetField { path: "model.gridsize".into(), text: "2".into() });
            panel.run_ok();
            photograph(&mut panel, &format!("data_{theme:?}_{}", size[0]));
        }
    }
    if let Some(state) = modes {
        let mut panel = bench(state, [1280.0, 720.0], egui::Theme::Dark);
        photograph(&mut panel, "data_modes");
    }
}

/// Drags with the primary button.
fn drag(panel: &mut Harness<'static, TestPanel<View>>, from: egui::Pos2, to: egui::Pos2) {
    panel.drag_at(from);
    panel.step();
    for share in [0.3, 0.7, 1.0] {
        panel.hover_at(from + (to - from) * share);
        panel.step();
    }
    panel.drop_at(to);
    panel.run_ok();
}

fn patterns_in(panel: &Harness<'static, TestPanel<View>>) -> Arc<Patterns> {
    panel.state().state.dataset.as_ref().unwrap().patterns.clone().unwrap()
}

#[test]
fn patterns_enclosed_on_the_scan_are_left_out_shown_gray_and_taken_back() {
    let mut state = opened(&fixture("siemens_star_n64.npz"));
    state.preview_off = true;
    let mut panel = bench(state, [1280.0, 900.0], egui::Theme::Dark);
    panel.get_by_label("Rectangle").click();
    panel.run_ok();
    let plot = panel.get_by_label("Map of the scan positions").rect();
    drag(&mut panel, plot.center() - vec2(60.0, 60.0), plot.center() + vec2(30.0, 40.0));
    let button = panel.get_by_label_contains("Leave out ");
    button.click();
    panel.run_ok();
    let Some(Action::SetFields { label, fields }) = panel.state().actions.last().cloned() else {
        panic!("{:?}", panel.state().actions)
    };
    assert!(label.starts_with("leave out ") && fields[0].0 == "data.exclude", "{label} {fields:?}");
    follow(&mut panel);
    let patterns = patterns_in(&panel);
    let out = patterns.left_out.len();
    assert!(out > 5 && patterns.dataset.len() + out == 516, "{out}");
    panel.get_by_label(&format!("{out} patterns left out"));
    panel.get_by_label_contains("Excluded patterns: ");
    photograph(&mut panel, "data-left-out");
    // The gray points are selected like the others.
    let plot = panel.get_by_label("Map of the scan positions").rect().shrink(3.0);
    drag(&mut panel, plot.left_top(), plot.right_bottom());
    panel.get_by_label(&format!("Take back {out}")).click();
    panel.run_ok();
    follow(&mut panel);
    assert_eq!(patterns_in(&panel).dataset.len(), 516);
    panel.get_by_label("Undo").click();
    panel.run_ok();
    follow(&mut panel);
    assert_eq!(patterns_in(&panel).left_out.len(), out);
}

#[test]
fn a_range_of_counts_brushed_on_the_histogram_selects_its_patterns() {
    let mut panel = small(opened(&fixture("siemens_star_n64.npz")));
    let plot = panel.get_by_label("Histogram of the counts per pattern").rect();
    drag(&mut panel, plot.left_center() + vec2(60.0, 0.0), plot.center());
    panel.get_by_label_contains("Leave out ");
    panel.get_by_label("Deselect").click();
    panel.run_ok();
    assert!(panel.query_by_label_contains("Leave out ").is_none());
    panel.get_by_label("Outliers").click();
    panel.run_ok();
    let said = panel.state().actions.iter().any(|action| matches!(action, Action::Notify { .. }));
    assert!(said, "the star has no outliers, which is said");
}

/// A raw scan: frames that are not square with an off-center beam, positions in another file, no probe.
fn raw_scan(folder: &std::path::Path) -> [PathBuf; 2] {
    use crate::data::write_npz;
    let counts = Array3::from_shape_fn((25, 100, 140), |(n, y, x)| {
        let square = (x as f32 - 80.0).powi(2) + (y as f32 - 44.0).powi(2);
        (2000.0 * (-square / (60.0 + n as f32)).exp()).round()
    });
    let path = folder.join("raw.npz");
    write_npz(&path, &[("frames", NpyArray::F32(counts.view().into_dyn()))]).unwrap();
    let table: String = (0..25).map(|n| format!("{} {}\n", 1.5 * f64::from(n % 5), 1.5 * f64::from(n / 5))).collect();
    let positions = folder.join("positions.txt");
    std::fs::write(&positions, table).unwrap();
    [path, positions]
}

#[test]
fn a_file_that_cannot_be_used_shows_its_patterns_and_the_crop_is_dragged_on_them() {
    let folder = tempfile::tempdir().unwrap();
    let [path, positions] = raw_scan(folder.path());
    let mut state = opened(&path);
    state.preview_off = true;
    let mut panel = small(state);
    assert!(panel.state().state.why_not_start().unwrap().contains("cannot be used"));
    panel.get_by_label_contains("140 × 100 px, mean of 25 of 25 patterns");
    panel.get_by_label("Use as patterns").click();
    panel.run_ok();
    follow(&mut panel);
    panel.get_by_label("Choose a position file…").click();
    panel.run_ok();
    assert_eq!(panel.state_mut().outbox.choose_file_of.take(), Some("data.mapping.positions_file"));
    assert!(panel.query_by_label("Use as patterns").is_none());
    let picture = panel.get_by_role_and_label(egui::Role::Image, "Mean pattern as stored").rect();
    panel.get_by_role_and_label(egui::Role::Button, "64").click();
    panel.run_ok();
    panel.get_by_label("Center on the beam").click();
    panel.run_ok();
    let crop = |panel: &Harness<'static, TestPanel<View>>| {
        let data = &panel.state().state.draft.config().data;
        (data.crop, data.center_x, data.center_y)
    };
    assert_eq!(crop(&panel), (Some(64), Some(80), Some(44)));
    photograph(&mut panel, "data-raw");
    drag(&mut panel, picture.center() + vec2(40.0, 0.0), picture.center() + vec2(28.0, 0.0));
    assert!(crop(&panel).0 == Some(64) && crop(&panel).1 != Some(80), "{:?}", crop(&panel));
    panel.state_mut().effects.clear();
    let text = positions.display().to_string();
    let effects =
        panel.state_mut().state.dispatch(Action::SetField { path: "data.mapping.positions_file".into(), text });
    panel.state_mut().effects.extend(effects);
    follow(&mut panel);
    assert_eq!(patterns_in(&panel).dataset.diffraction.dim(), (25, 64, 64));
}

#[test]
fn the_form_chooses_files_and_saves_the_set_up() {
    let folder = tempfile::tempdir().unwrap();
    let [path, _] = raw_scan(folder.path());
    let mut state = opened(&path);
    state.dispatch(Action::SetField { path: "data.mapping.diffraction".into(), text: "frames".into() });
    state.dispatch(Action::SetField { path: "data.geometry.energy_ev".into(), text: "8333".into() });
    let mut panel = bench(state, [1280.0, 2600.0], egui::Theme::Dark);
    panel.get_by_label("Choose position file").click();
    panel.run_ok();
    assert_eq!(panel.state_mut().outbox.choose_file_of.take(), Some("data.mapping.positions_file"));
    panel.get_by_label("Save set-up…").click();
    panel.run_ok();
    let (name, bytes) = panel.state_mut().outbox.save_beside.take().unwrap();
    let text = String::from_utf8(bytes).unwrap();
    assert!(name == "raw_setup.toml" && text.contains("energy_ev") && !text.contains("batch_size"), "{name}\n{text}");
}

#[test]
fn the_probe_is_propagated_and_saved() {
    let mut panel = small(opened(&fixture("siemens_star_n64.npz")));
    panel.get_by_label("Caustic…").click();
    panel.run_ok();
    let began = std::time::Instant::now();
    while panel.query_by_label_contains("Caustic along x: ").is_none() {
        assert!(began.elapsed().as_secs() < 60);
        std::thread::sleep(std::time::Duration::from_millis(5));
        panel.step();
    }
    let slice = panel.get_by_label_contains("Caustic along x: ").rect();
    for pressed in [true, false] {
        panel.event(egui::Event::PointerMoved(slice.center() + vec2(20.0, 0.0)));
        panel.event(egui::Event::PointerButton {
            pos: slice.center() + vec2(20.0, 0.0),
            button: egui::PointerButton::Primary,
            pressed,
            modifiers: egui::Modifiers::NONE,
        });
        panel.step();
    }
    panel.run_ok();
    std::thread::sleep(std::time::Duration::from_millis(200));
    panel.run_ok();
    photograph(&mut panel, "data-probe-tool");
    panel.get_by_label("Save and use this probe…").click();
    panel.run_ok();
    let (setting, name, bytes) = panel.state_mut().outbox.save_and_set.take().unwrap();
    assert_eq!((setting, name.as_str()), ("data.mapping.probe_file", "siemens_star_n64_probe.npy"));
    assert_eq!(npyz::NpyFile::new(bytes.as_slice()).unwrap().shape().len(), 3);
    panel.get_by_label("◀ Back").click();
    panel.run_ok();
    panel.get_by_label("Map of the scan positions");
}
