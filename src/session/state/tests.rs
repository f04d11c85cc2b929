//! Situations of the window, replayed from actions, events and replies.

use super::*;
use crate::config::{DiffractionUnit, Method, Preset};
use crate::library::Reply;
use crate::session::action::Level;
use crate::worker::message::{
    Destination, Event, EventKind, FileStatus, JobKind, JobOutcome, Summary, WatchMethod, WatchedFile,
};
use std::path::Path;

fn set(state: &mut State, path: &str, text: &str) -> Vec<Effect> {
    state.dispatch(Action::SetField { path: path.into(), text: text.into() })
}

#[test]
fn changed_reading_settings_reload_the_file_in_place() {
    let mut state = State::default();
    state.dispatch(Action::Open("scan.npz".into()));
    state.dispatch(Action::Go(Step::Configure));
    assert_eq!(set(&mut state, "training.batch_size", "4"), []);
    assert_eq!(set(&mut state, "data.neighbor_count", "5"), [], "grouping is not reading");
    assert_eq!(set(&mut state, "data.orientation", "flip_x").len(), 1);
    let effects = set(&mut state, "data.diffraction_unit", "counts");
    let [Effect::Library(Request::Dataset { path, config, .. })] = effects.as_slice() else { panic!("{effects:?}") };
    assert_eq!((path.as_path(), config.diffraction_unit), (Path::new("scan.npz"), DiffractionUnit::Counts));
    assert_eq!(state.step, Step::Configure, "an edit must not leave the form");
    assert!(state.dataset.as_ref().unwrap().loading);
    assert_eq!(state.dispatch(Action::ResetField("data.diffraction_unit".into())).len(), 1);
    assert_eq!(set(&mut state, "data.n_subsample", "many"), [], "an invalid text changes nothing");
    assert_eq!(set(&mut state, "execution.seeds.subsample", "7"), [], "no subsample, no seed");
    assert_eq!(set(&mut state, "data.n_subsample", "100").len(), 1);
    assert_eq!(set(&mut state, "execution.seeds.subsample", "8").len(), 1);
}

#[test]
fn a_fix_sets_all_its_fields_reloads_once_and_is_undone_at_once() {
    let mut state = opened();
    let fields = [("data.crop", "4"), ("data.bin", "2")].map(|(path, text)| (path.to_owned(), text.to_owned()));
    let effects =
        state.dispatch(Action::SetFields { label: "cut out 4 × 4, bin by 2".into(), fields: fields.to_vec() });
    assert_eq!(effects.len(), 1, "{effects:?}");
    let last = state.changes.last().unwrap();
    assert!(last.is_fix && last.label.starts_with("cut out"));
    let effects = state.dispatch(Action::Undo);
    let [Effect::Library(Request::Dataset { config, .. })] = effects.as_slice() else { panic!("{effects:?}") };
    assert_eq!((config.crop, config.bin), (None, 1));
    assert_eq!(state.dispatch(Action::Undo), [], "there is nothing more to undo");
    state.dispatch(Action::Redo);
    assert_eq!(state.draft.config().data.crop, Some(4));
}

#[test]
fn a_preview_can_be_cancelled_and_turned_off() {
    let mut state = opened();
    let stage = Some(PreviewStage::Object);
    state.on_reply(Reply::PreviewStage { path: "scan.npz".into(), stage });
    assert_eq!(state.dataset.as_ref().unwrap().preview_stage, stage);
    assert_eq!(state.dispatch(Action::CancelPreview), [Effect::CancelPreview]);
    assert_eq!(state.dispatch(Action::CancelPreview), [], "it was cancelled");
    let with_preview = |effects: &[Effect]| match effects {
        [.., Effect::Library(Request::Dataset { preview, .. })] => *preview,
        other => panic!("{other:?}"),
    };
    assert!(with_preview(&state.dispatch(Action::Reload)));
    state.dispatch(Action::SetAutoPreview(false));
    assert!(!with_preview(&state.dispatch(Action::Reload)));
    let effects = state.dispatch(Action::ComputePreview);
    assert!(matches!(effects.as_slice(), [Effect::Library(Request::Preview { .. })]), "{effects:?}");
}

#[test]
fn a_folder_is_watched_with_the_loaded_model_and_each_file_is_reported() {
    let mut state = State::default();
    state.dispatch(Action::SetWatchDirect(false));
    assert!(state.why_not_watch().unwrap().contains("model"));
    state.bundle = Some(OpenBundle {
        path: "model.ptycho".into(),
        manifest: Box::new(crate::checkpoint::testing::manifest(64)),
        config: Box::default(),
    });
    assert!(state.why_not_watch().unwrap().contains("folder"));
    state.dispatch(Action::ChooseWatchFolder("/arriving".into()));
    state.dispatch(Action::SetWatchPolish(7));
    let effects = state.dispatch(Action::Watch);
    let settings = vec![("inference.polish_epochs".to_owned(), "7".to_owned())];
    let asks = |effect: &Effect| {
        matches!(effect, Effect::Submit(Job::Watch { folder, method: WatchMethod::Model { settings: s, .. }, .. })
            if folder == Path::new("/arriving") && *s == settings)
    };
    assert!(effects.iter().any(asks), "{effects:?}");
    assert_eq!(state.step, Step::Data, "the watch panel stays in front");
    state.on_event(&event(1, EventKind::Started { kind: JobKind::Watch }));
    let file = |status| EventKind::File(WatchedFile { path: "/arriving/a.npz".into(), folder: "f".into(), status });
    state.on_event(&event(1, file(FileStatus::Working)));
    state.on_event(&event(1, EventKind::Saved { path: "f/reconstruction.npz".into() }));
    let bad = state.on_event(&event(1, file(FileStatus::Failed { message: "It is cut short.".into() })));
    assert!(matches!(bad.as_slice(), [Effect::Toast { level: Level::Error, .. }]), "{bad:?}");
    assert!(state.is_watching() && state.why_not_start().is_some());
    let effects = state.on_event(&event(1, EventKind::Finished(Box::default())));
    assert!(!effects.iter().any(|e| matches!(e, Effect::Show(_) | Effect::Library(_))), "{effects:?}");
    assert_eq!(state.log.last().unwrap().text, "Watching ended: 0 reconstructed, 1 not usable");
}

#[test]
fn a_folder_is_watched_with_the_direct_solver_unless_a_model_is_loaded() {
    let mut state = State::default();
    state.dispatch(Action::ChooseWatchFolder("/arriving".into()));
    state.dispatch(Action::SetField { path: "data.crop".into(), text: "64".into() });
    let field = |text: &str| Action::SetField { path: "data.mapping.positions_file".into(), text: text.into() };
    state.dispatch(field("/one/scan.csv"));
    assert!(state.why_not_watch().unwrap().contains("positions of one scan"));
    state.dispatch(field(""));
    let effects = state.dispatch(Action::Watch);
    let config = effects.iter().find_map(|effect| match effect {
        Effect::Submit(Job::Watch { method: WatchMethod::Direct(config), .. }) => Some(config),
        _ => None,
    });
    let config = config.expect("the direct solver");
    assert_eq!((config.training.method, config.data.crop), (Method::Direct, Some(64)));
}

#[test]
fn runs_to_compare_are_read_once() {
    let mut state = State::default();
    let ask = |folder: &str| Effect::Library(Request::Object { folder: folder.into() });
    assert_eq!(state.dispatch(Action::CompareRuns(vec!["a".into(), "b".into()])), [ask("a"), ask("b")]);
    let failure = Failure::from(crate::error::Error::bad_input("gone"));
    state.on_reply(Reply::Object { folder: "b".into(), object: Err(failure.clone()) });
    assert_eq!(state.dispatch(Action::CompareRuns(vec!["b".into(), "c".into()])), [ask("c")]);
    assert_eq!(state.compared[0].object, Some(Err(failure)));
    assert_eq!(state.compared[1].object, None);
}

#[test]
fn a_folder_of_training_data_is_opened_as_a_dataset() {
    let mut state = State::default();
    let effects = state.dispatch(Action::Open("exported".into()));
    assert!(matches!(effects.as_slice(), [Effect::Library(Request::Result { .. })]), "{effects:?}");
    let effects = state.on_reply(Reply::IsDataset { path: "exported".into() });
    let reads = |effect: &Effect| matches!(effect, Effect::Library(Request::Dataset { path, .. }) if path == Path::new("exported"));
    assert!(effects.iter().any(reads), "{effects:?}");
    assert_eq!(state.dataset.as_ref().unwrap().path, Path::new("exported"));
    assert_eq!(state.step, Step::Data);
}

#[test]
fn a_mask_goes_into_the_configuration_and_the_patterns_are_read_with_it() {
    let mut state = opened();
    for _ in 0..2 {
        let effects = state.dispatch(Action::UseMask("/masks/a.npy".into()));
        let [Effect::Library(Request::Dataset { config, .. })] = effects.as_slice() else { panic!("{effects:?}") };
        assert_eq!(config.mapping.mask_file, "/masks/a.npy");
    }
    state.dispatch(Action::UseMask(PathBuf::new()));
    assert_eq!(state.draft.config().data.mapping.mask_file, "");
}

#[test]
fn a_saved_preset_becomes_the_starting_point_of_the_configuration() {
    let mut state = State { presets_folder: "presets".into(), ..State::default() };
    set(&mut state, "training.epochs", "7");
    let config = Box::new(state.draft.config().clone());
    let effects = state.dispatch(Action::SavePreset { name: " mine ".into(), config: config.clone() });
    let folder = PathBuf::from("presets");
    assert_eq!(effects, [Effect::Library(Request::SavePreset { folder, name: "mine".into(), config })]);
    assert_eq!((state.draft.base_name(), state.draft.differences().len()), ("mine", 0));

    let copy = Box::new(Preset::Reference.config());
    state.dispatch(Action::SavePreset { name: "copy".into(), config: copy });
    assert_eq!(state.draft.base_name(), "mine", "a copy of another preset leaves the form alone");
    let mut nowhere = State::default();
    let effects = nowhere.dispatch(Action::SavePreset { name: "mine".into(), config: Box::default() });
    assert!(matches!(effects.as_slice(), [Effect::Toast { level: Level::Error, .. }]));
}

fn patterns(path: &str) -> Arc<Patterns> {
    let (diffraction, probe) = (ndarray::Array3::ones((5, 8, 8)), ndarray::Array3::ones((1, 8, 8)));
    let made = crate::data::Dataset::from_arrays(diffraction, vec![[0.0; 2]; 5], probe);
    let dataset = crate::data::Dataset { path: path.into(), ..made };
    let image = ndarray::Array2::ones((8, 8));
    Arc::new(Patterns {
        dataset,
        mean: image.clone(),
        max: image,
        counts: vec![64.0; 5],
        nearest: vec![1.0; 5],
        probe_diameter: 4.0,
        overlap: 0.75,
        left_out: Vec::new(),
    })
}

fn opened() -> State {
    let mut state = State::default();
    state.dispatch(Action::Open("scan.npz".into()));
    state.on_reply(Reply::Opened(patterns("scan.npz")));
    state
}

fn event(job: u64, kind: EventKind) -> Event {
    Event { job, at: Duration::from_secs(1), kind }
}

#[test]
fn a_training_is_started_followed_and_shown() {
    let mut state = State::default();
    assert_eq!(state.why_not_start().as_deref(), Some("Open a dataset first"));
    assert!(matches!(state.dispatch(Action::Start).as_slice(), [Effect::Toast { level: Level::Warning, .. }]));
    let mut state = State { runs_folder: "elsewhere".into(), ..opened() };
    assert_eq!((state.next_step_after(state.step), state.why_not_start()), (Step::Configure, None));
    assert_eq!(state.recent, [PathBuf::from("scan.npz")]);
    let effects = state.dispatch(Action::Start);
    let below = Destination::Below("elsewhere".into());
    let carries =
        |effect: &Effect| matches!(effect, Effect::Submit(Job::Run { output_dir, .. }) if *output_dir == below);
    assert!(effects.iter().any(carries), "the job carries the folder of the runs: {effects:?}");
    assert!(state.is_busy() && state.why_not_start().is_some());
    state.on_event(&event(1, EventKind::Started { kind: JobKind::Run }));
    state.on_event(&event(1, EventKind::Folder { path: "runs/a".into() }));
    assert_eq!(state.dispatch(Action::Steer(Control::Pause)), [Effect::Control(Control::Pause)]);
    state.dispatch(Action::TrashRun("runs/a".into()));
    assert_eq!(state.log.last().unwrap().level, Level::Warning, "a run that is being written is not deleted");
    state.on_event(&event(1, EventKind::Saved { path: "runs/a/reconstruction.npz".into() }));
    let summary = Summary { steps: Some(9), model: Some("runs/a/model.ptycho".into()), ..Default::default() };
    let effects = state.on_event(&event(1, EventKind::Finished(Box::new(summary))));
    assert!(!state.is_busy());
    assert_eq!(state.control, Control::Run, "the next job must not start paused");
    for wanted in [
        Effect::Attention,
        Effect::Library(Request::Result { folder: "runs/a".into(), beside: false }),
        Effect::Library(Request::Bundle { path: "runs/a/model.ptycho".into() }),
    ] {
        assert!(effects.contains(&wanted), "{wanted:?} is not among {effects:?}");
    }
    let before = state.draft.clone();
    let effects = state.dispatch(Action::TrainMore(110));
    let goes_on = |effect: &Effect| match effect {
        Effect::Submit(Job::Run { config, .. }) => {
            config.training.start_from == "runs/a/model.ptycho" && config.training.time_budget_s == Some(110.0)
        }
        _ => false,
    };
    assert!(effects.iter().any(goes_on) && state.draft == before, "{effects:?}");
}

#[test]
fn a_set_up_changes_the_data_settings_only_and_unknown_settings_are_told() {
    let mut state = opened();
    state.dispatch(Action::SetField { path: "training.batch_size".into(), text: "7".into() });
    let mut config = Config::default();
    config.set("data.crop", "64").unwrap();
    let reply = |config: &Config, unknown: Vec<String>| Reply::Config {
        path: "beamline.toml".into(),
        config: Box::new(config.clone()),
        notes: Vec::new(),
        unknown,
    };
    state.on_reply(reply(&config, Vec::new()));
    let now = state.draft.config();
    assert_eq!((now.data.crop, now.training.batch_size, state.step), (Some(64), 7, Step::Data));
    config.set("training.batch_size", "9").unwrap();
    let effects = state.on_reply(reply(&config, vec!["nepoch".into()]));
    assert_eq!((state.draft.config().training.batch_size, state.step), (9, Step::Configure));
    let told =
        |effect: &Effect| matches!(effect, Effect::Toast { level: Level::Warning, text } if text.contains("nepoch"));
    assert!(effects.iter().any(told), "{effects:?}");
}

#[test]
fn a_failure_is_logged_and_shown_and_replies_about_other_files_are_ignored() {
    let mut state = opened();
    state.dispatch(Action::Open("other.npz".into()));
    state.on_reply(Reply::Opened(patterns("scan.npz")));
    assert!(state.dataset.as_ref().unwrap().patterns.is_none());
    let failure = Failure::from(crate::error::Error::bad_input("No probe"));
    let failed = || Reply::Failed { path: "other.npz".into(), failure: failure.clone() };
    assert_eq!(state.on_reply(failed()), [], "the panel in front shows it");
    state.dispatch(Action::Go(Step::Configure));
    assert_eq!(state.on_reply(failed()), [Effect::Toast { level: Level::Error, text: "No probe".into() }]);
    assert_eq!(state.log.last().unwrap().level, Level::Error);
    assert!(state.why_not_start().unwrap().contains("No probe"));
}

fn result(folder: &str) -> Arc<ResultData> {
    Arc::new(ResultData {
        folder: folder.into(),
        reconstruction: crate::data::Reconstruction {
            object: ndarray::Array2::ones((4, 4)),
            coverage: ndarray::Array2::ones((4, 4)),
            origin_xy: [0.0; 2],
            pixel_size_m: None,
        },
        covered: ndarray::Array2::from_elem((4, 4), true),
        truth: None,
        summary: None,
        history: Vec::new(),
        positions: vec![[2.0; 2]],
        residuals: vec![0.1],
        refined: None,
        nominal: Vec::new(),
        max_shift: 0.0,
    })
}

#[test]
fn a_polished_result_is_shown_beside_the_one_before() {
    let mut state = State { runs_folder: "elsewhere".into(), ..opened() };
    assert_eq!(state.why_not_polish().as_deref(), Some("There is no result yet"));
    state.on_reply(Reply::Result { result: result("runs/a"), beside: false });
    let effects = state.dispatch(Action::Polish);
    let below = Destination::Below("elsewhere".into());
    let asks = |effect: &Effect| {
        matches!(effect, Effect::Submit(Job::Polish { run, output_dir, .. })
            if run == Path::new("runs/a") && *output_dir == below)
    };
    assert!(effects.iter().any(asks), "{effects:?}");
    state.on_event(&event(1, EventKind::Started { kind: JobKind::Polish }));
    state.on_event(&event(1, EventKind::Folder { path: "elsewhere/b".into() }));
    state.on_event(&event(1, EventKind::Saved { path: "elsewhere/b/reconstruction.npz".into() }));
    let effects = state.on_event(&event(1, EventKind::Finished(Box::default())));
    assert!(effects.contains(&Effect::Library(Request::Result { folder: "elsewhere/b".into(), beside: false })));
    state.on_reply(Reply::Result { result: result("elsewhere/b"), beside: false });
    let shown = (&state.result.as_ref().unwrap().folder, &state.beside.as_ref().unwrap().folder);
    assert_eq!(shown, (&PathBuf::from("elsewhere/b"), &PathBuf::from("runs/a")));
    let mut gone = (*result("runs/c")).clone();
    gone.residuals.clear();
    state.on_reply(Reply::Result { result: Arc::new(gone), beside: false });
    assert!(state.why_not_polish().unwrap().contains("moved or deleted"));
}

#[test]
fn a_discarded_run_leaves_nothing_to_show() {
    let mut state = opened();
    state.dispatch(Action::Start);
    state.on_event(&event(1, EventKind::Started { kind: JobKind::Run }));
    state.on_event(&event(1, EventKind::Folder { path: "runs/a".into() }));
    state.dispatch(Action::Steer(Control::Discard));
    let summary = Summary { outcome: JobOutcome::Discarded, steps: Some(3), ..Default::default() };
    let effects = state.on_event(&event(1, EventKind::Finished(Box::new(summary))));
    assert!(!effects.iter().any(|e| matches!(e, Effect::Library(Request::Result { .. } | Request::Bundle { .. }))));
    assert!(state.dispatch(Action::Steer(Control::Stop)).is_empty(), "there is nothing left to stop");
}

#[test]
fn an_interrupted_run_is_reported_once_at_the_start_unless_a_job_is_running() {
    let interrupted = RunInfo { resumable: true, ..RunInfo::default() };
    assert!(interrupted.is_interrupted());
    let mut state = State::default();
    let effects = state.on_reply(Reply::Runs(vec![interrupted.clone()]));
    assert!(
        matches!(effects.as_slice(), [Effect::Toast { level: Level::Warning, text }, Effect::OfferRuns] if text.contains("interrupted"))
    );
    assert_eq!(state.on_reply(Reply::Runs(vec![interrupted.clone()])), [], "once");
    let mut busy = State { starting: true, ..State::default() };
    assert_eq!(busy.on_reply(Reply::Runs(vec![interrupted])), []);
}

/// Text of a data setting of the current configuration.
fn setting(state: &State, path: &str) -> String {
    state.draft.text(path).unwrap()
}

#[test]
fn data_settings_stay_with_their_file_and_come_back_with_it() {
    let mut state = State::default();
    state.dispatch(Action::Open("star.npz".into()));
    set(&mut state, "data.mapping.mask_file", "star_mask.npy");
    set(&mut state, "data.geometry.pixel_size_m", "1.2e-8");
    set(&mut state, "training.batch_size", "4");
    let effects = state.dispatch(Action::Open("other.cxi".into()));
    let reads = |effects: &[Effect]| match effects {
        [.., Effect::Library(Request::Dataset { config, .. })] => (**config).clone(),
        other => panic!("{other:?}"),
    };
    assert_eq!(reads(&effects), DataConfig::default(), "nothing of the first file applies to the second");
    assert!(effects.contains(&Effect::ClearProblems));
    assert_eq!(setting(&state, "training.batch_size"), "4", "the settings of the job stay");
    let left = state.left_behind.clone().unwrap();
    assert_eq!((left.file.as_path(), left.settings.len()), (Path::new("star.npz"), 2));
    assert!(state.changes.last().is_none(), "undo must not bring them back");
    let effects = state.dispatch(Action::Open("star.npz".into()));
    assert_eq!(reads(&effects).mapping.mask_file, "star_mask.npy");
    assert_eq!(state.left_behind, None);
    state.dispatch(Action::ResetDataSettings);
    assert_eq!(setting(&state, "data.mapping.mask_file"), "");
    state.dispatch(Action::Undo);
    assert_eq!(setting(&state, "data.mapping.mask_file"), "star_mask.npy");
    state.dispatch(Action::Redo);
    state.dispatch(Action::Open("other.cxi".into()));
    state.dispatch(Action::Open("star.npz".into()));
    assert_eq!(setting(&state, "data.mapping.mask_file"), "", "the reset is remembered as well");
}

#[test]
fn the_settings_of_the_previous_file_are_kept_only_on_request() {
    let mut state = State::default();
    state.dispatch(Action::Open("scan_1.npz".into()));
    set(&mut state, "data.mapping.x", "px");
    state.dispatch(Action::Open("scan_2.npz".into()));
    let effects = state.dispatch(Action::KeepDataSettings);
    assert!(matches!(effects.as_slice(), [Effect::Library(Request::Dataset { .. })]), "{effects:?}");
    assert_eq!((setting(&state, "data.mapping.x").as_str(), state.left_behind.is_none()), ("px", true));
    state.dispatch(Action::Open("scan_3.npz".into()));
    assert!(state.left_behind.is_some());
    state.dispatch(Action::DismissDataSettings);
    assert_eq!((setting(&state, "data.mapping.x").as_str(), state.left_behind.is_none()), ("", true));
    state.dispatch(Action::Open("scan_2.npz".into()));
    assert_eq!(setting(&state, "data.mapping.x"), "px", "what was kept is remembered");
    state.dispatch(Action::CloseDataset);
    assert_eq!(setting(&state, "data.mapping.x"), "");
}

#[test]
fn a_set_up_of_an_instrument_changes_only_how_data_are_read() {
    let mut state = State::default();
    state.dispatch(Action::Open("mine.npz".into()));
    set(&mut state, "training.batch_size", "3");
    set(&mut state, "data.crop", "64");
    let config = Config::load("maxiv-nanomax").unwrap();
    let _effects = state.use_config("maxiv-nanomax".into(), config.clone());
    assert_eq!(setting(&state, "data.mapping.x"), "entry/measurement/pseudo/x");
    assert_eq!((setting(&state, "data.crop").as_str(), setting(&state, "training.batch_size").as_str()), ("none", "3"));
    state.dispatch(Action::Open("next.npz".into()));
    assert_eq!(
        setting(&state, "data.mapping.x"),
        "entry/measurement/pseudo/x",
        "it is the set-up of the next file, too"
    );
}

#[test]
fn a_chosen_configuration_is_the_set_up_for_files_without_settings_of_their_own() {
    let mut state = State::default();
    state.dispatch(Action::Open("mine.npz".into()));
    set(&mut state, "data.crop", "64");
    let mut config = Config::default();
    config.training.batch_size = 3;
    state.dispatch(Action::UseConfig { name: "fast".into(), config: Box::new(config.clone()) });
    assert_eq!((setting(&state, "data.crop").as_str(), state.setup.is_none()), ("64", true), "it has no data settings");
    config.data.mapping.x = "px".into();
    state.dispatch(Action::UseConfig { name: "beamline".into(), config: Box::new(config) });
    assert_eq!((setting(&state, "data.crop").as_str(), setting(&state, "data.mapping.x").as_str()), ("none", "px"));
    state.dispatch(Action::Open("next.npz".into()));
    assert_eq!(setting(&state, "data.mapping.x"), "px");
    assert_eq!(state.left_behind, None, "both files have the same settings");
    // Settings made while no file is open are for the next one.
    let mut state = State::default();
    set(&mut state, "data.crop", "32");
    state.dispatch(Action::Open("first.npz".into()));
    assert_eq!(setting(&state, "data.crop"), "32");
}

#[test]
fn a_model_reconstructs_the_open_dataset_as_it_is_read_in_the_window() {
    let mut state = opened();
    let mut config = Config::default();
    config.data.mapping.mask_file = "mask of the training.npy".into();
    state.bundle = Some(OpenBundle {
        path: "model.ptycho".into(),
        manifest: Box::new(crate::checkpoint::testing::manifest(8)),
        config: Box::new(config),
    });
    set(&mut state, "data.orientation", "swap");
    state.dataset.as_mut().unwrap().loading = false;
    let effects = state.dispatch(Action::Reconstruct);
    let settings = effects.iter().find_map(|effect| match effect {
        Effect::Submit(Job::Infer { settings, .. }) => Some(settings.clone()),
        _ => None,
    });
    let settings = settings.unwrap();
    let has = |path: &str, text: &str| settings.contains(&(path.to_owned(), text.to_owned()));
    assert!(has("data.orientation", "swap") && has("data.mapping.mask_file", ""), "{settings:?}");
    assert!(settings.iter().all(|(path, _)| Config::check_settable_in_inference(path).is_ok()));
}

#[test]
fn dataset_and_result_are_opened_again_and_an_empty_session_keeps_the_one_before() {
    let last = LastSession { dataset: Some("/data/a.npz".into()), result: Some("/runs/a".into()) };
    let mut state = State { last_session: last.clone(), ..State::default() };
    assert_eq!(state.session(), last);
    let effects = state.dispatch(Action::ReopenSession);
    let reads = |wanted: &dyn Fn(&Request) -> bool| {
        effects.iter().any(|effect| matches!(effect, Effect::Library(request) if wanted(request)))
    };
    assert!(reads(&|request| matches!(request, Request::Dataset { path, .. } if path.ends_with("a.npz"))));
    assert!(reads(&|request| matches!(request, Request::Result { folder, .. } if folder.ends_with("a"))));
    state.last_session = LastSession::default();
    assert_eq!(state.session(), LastSession { dataset: Some("/data/a.npz".into()), result: None });
}
