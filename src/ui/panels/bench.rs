//! What the tests of panels need: a panel in a harness, with a state that follows its actions.

use super::Outbox;
use crate::session::{Action, Effect, State};
use crate::ui::theme;
use crate::worker::message::{Reply, Request};
use crate::worker::reader::Reader;
use eframe::egui::{self, Theme, vec2};
use egui_kittest::Harness;
use egui_kittest::kittest::Queryable;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A panel's view with what it reads and writes.
pub(crate) struct Bench<V> {
    pub view: V,
    pub state: State,
    pub outbox: Outbox,
    /// Everything that was asked for.
    pub actions: Vec<Action>,
    /// Everything that followed.
    pub effects: Vec<Effect>,
}

/// Draws a panel.
pub(crate) type Show<V> = fn(&mut V, &mut egui::Ui, &State, &mut Outbox, &mut Vec<Action>);

/// A panel of this size in points; its actions change the state, effects are only noted.
pub(crate) fn harness<V: Default + 'static>(
    state: State,
    show: Show<V>,
    size: [f32; 2],
    theme: Theme,
) -> Harness<'static, Bench<V>> {
    let bench =
        Bench { view: V::default(), state, outbox: Outbox::default(), actions: Vec::new(), effects: Vec::new() };
    let mut harness = Harness::builder()
        .with_size(vec2(size[0], size[1]))
        .with_theme(theme)
        .with_max_steps(12)
        .with_context_setup(theme::install)
        .build_ui_state(
            move |ui, bench: &mut Bench<V>| {
                let mut actions = Vec::new();
                egui::Frame::central_panel(ui.style()).inner_margin(12).show(ui, |ui| {
                    show(&mut bench.view, ui, &bench.state, &mut bench.outbox, &mut actions);
                    ui.allocate_space(ui.available_size().max(egui::Vec2::ZERO));
                });
                for action in actions {
                    bench.effects.extend(bench.state.act(action.clone()));
                    bench.actions.push(action);
                }
            },
            bench,
        );
    harness.run_ok();
    harness
}

/// The state after opening a dataset, as the reader answers.
pub(crate) fn opened(path: &Path) -> State {
    let mut state = State::default();
    state.act(Action::Open(path.to_path_buf()));
    let replies = read(Request::Dataset {
        path: path.to_path_buf(),
        config: Box::new(state.draft.config().data.clone()),
        seed: 1,
        look: true,
    });
    for reply in replies {
        state.learn(reply);
    }
    state
}

/// The answers of the reader to one request.
pub(crate) fn read(request: Request) -> Vec<Reply> {
    let reader = Reader::spawn(Box::new(|| ())).unwrap_or_else(|error| panic!("{error}"));
    reader.request(request);
    reader.request(Request::Runs { parent: PathBuf::from("/nowhere at all") });
    let mut replies = Vec::new();
    loop {
        match reader.replies().recv_timeout(Duration::from_secs(60)) {
            Ok(Reply::Runs(runs)) if runs.is_empty() => return replies,
            Ok(reply) => replies.push(reply),
            Err(error) => panic!("the reader did not answer ({error})"),
        }
    }
}

/// Compares a panel in both themes with the pictures that were accepted, once the pictures of these names are there: some
/// are made on threads of their own.
pub(crate) fn looks_as_accepted<V: Default + 'static>(
    state: &State,
    show: Show<V>,
    size: [f32; 2],
    name: &str,
    awaited: &[&str],
) {
    use crate::ui::widgets::snapshots;
    if !snapshots::can_draw() {
        return;
    }
    for (theme, end) in snapshots::THEMES {
        let mut panel = harness(state.clone(), show, size, theme);
        let began = std::time::Instant::now();
        while awaited.iter().any(|label| panel.query_by_label(label).is_none()) {
            assert!(began.elapsed() < Duration::from_secs(60), "{awaited:?} do not come");
            std::thread::sleep(Duration::from_millis(5));
            panel.step();
        }
        panel.run_ok();
        snapshots::compare(&mut panel, &format!("{name}-{end}"));
    }
}

/// A device of this kind.
pub(crate) fn device(name: &str, kind: crate::worker::message::AdapterKind) -> crate::worker::message::AdapterInfo {
    crate::worker::message::AdapterInfo {
        name: name.to_owned(),
        backend: "vulkan".to_owned(),
        driver: "a driver".to_owned(),
        kind,
        limits: None,
        usable: true,
    }
}

/// A file of the fixtures.
pub(crate) fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(name)
}

/// Saves what is seen below the temporary folder.
pub(crate) fn photograph<V>(harness: &mut Harness<'static, Bench<V>>, name: &str) {
    let _drawing = crate::ui::widgets::snapshots::drawing();
    let folder = std::env::temp_dir().join("ptychoscope-pictures");
    std::fs::create_dir_all(&folder).unwrap_or_else(|error| panic!("{error}"));
    harness
        .render()
        .unwrap_or_else(|error| panic!("{error}"))
        .save(folder.join(format!("{name}.png")))
        .unwrap_or_else(|error| panic!("{error}"));
}
