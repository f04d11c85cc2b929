//! Test harness of panels: a panel with a state to which its actions are applied.

use super::Outbox;
use crate::library::Library;
use crate::library::{Reply, Request};
use crate::session::{Action, Effect, State};
use crate::ui::theme;
use eframe::egui::{self, Theme, vec2};
use egui_kittest::Harness;
use egui_kittest::kittest::Queryable;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// View of a panel with everything it reads and writes.
pub(crate) struct TestPanel<V> {
    pub view: V,
    pub state: State,
    pub outbox: Outbox,
    /// Actions of the panel.
    pub actions: Vec<Action>,
    /// Effects of these actions, which are not carried out.
    pub effects: Vec<Effect>,
}

/// Function that draws a panel.
pub(crate) type Show<V> = fn(&mut V, &mut egui::Ui, &State, &mut Outbox, &mut Vec<Action>);

/// A panel of this size in points. Its actions change the state; their effects are only recorded.
pub(crate) fn harness<V: Default + 'static>(
    state: State,
    show: Show<V>,
    size: [f32; 2],
    theme: Theme,
) -> Harness<'static, TestPanel<V>> {
    let panel =
        TestPanel { view: V::default(), state, outbox: Outbox::default(), actions: Vec::new(), effects: Vec::new() };
    let mut harness = Harness::builder()
        .with_size(vec2(size[0], size[1]))
        .with_theme(theme)
        .with_max_steps(12)
        .with_context_setup(theme::install)
        .build_ui_state(
            move |ui, panel: &mut TestPanel<V>| {
                let mut actions = Vec::new();
                egui::Frame::central_panel(ui.style()).inner_margin(12).show(ui, |ui| {
                    show(&mut panel.view, ui, &panel.state, &mut panel.outbox, &mut actions);
                    ui.allocate_space(ui.available_size().max(egui::Vec2::ZERO));
                });
                for action in actions {
                    panel.effects.extend(panel.state.dispatch(action.clone()));
                    panel.actions.push(action);
                }
            },
            panel,
        );
    harness.run_ok();
    harness
}

/// State after opening a dataset, with the replies of the reader.
pub(crate) fn opened(path: &Path) -> State {
    let mut state = State::default();
    state.dispatch(Action::Open(path.to_path_buf()));
    let replies = read(Request::Dataset {
        path: path.to_path_buf(),
        config: Box::new(state.draft.config().data.clone()),
        seed: 1,
        preview: true,
    });
    for reply in replies {
        state.on_reply(reply);
    }
    state
}

/// Replies of the reader to a request.
pub(crate) fn read(request: Request) -> Vec<Reply> {
    let reader = Library::spawn(Box::new(|| ())).unwrap_or_else(|error| panic!("{error}"));
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

/// Compares a panel in both themes with its accepted snapshots, once the images of these names are there: some are rendered
/// on other threads.
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
            assert!(began.elapsed() < Duration::from_secs(60), "{awaited:?} are missing");
            std::thread::sleep(Duration::from_millis(5));
            panel.step();
        }
        panel.run_ok();
        snapshots::compare(&mut panel, &format!("{name}-{end}"));
    }
}

/// Description of a device of this kind.
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

/// Path of a fixture.
pub(crate) fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(name)
}

/// Saves a screenshot to the temporary folder.
pub(crate) fn photograph<V>(harness: &mut Harness<'static, TestPanel<V>>, name: &str) {
    let _drawing = crate::ui::widgets::snapshots::drawing();
    let folder = std::env::temp_dir().join("ptychoscope-pictures");
    std::fs::create_dir_all(&folder).unwrap_or_else(|error| panic!("{error}"));
    harness
        .render()
        .unwrap_or_else(|error| panic!("{error}"))
        .save(folder.join(format!("{name}.png")))
        .unwrap_or_else(|error| panic!("{error}"));
}
