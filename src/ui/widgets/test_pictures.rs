//! For tests: screenshots of panels, saved to the folder `PTYCHOSCOPE_PICTURES` for review.

use crate::session::{Action, State};
use crate::ui::panels::Outbox;
use eframe::egui::{self, Theme};
use egui_kittest::Harness;

/// Light and dark, at two common window sizes and in a narrow tile.
pub(crate) const VIEWS: [(&str, [f32; 2], Theme); 4] = [
    ("dark-1280x800", [1256.0, 690.0], Theme::Dark),
    ("light-1280x800", [1256.0, 690.0], Theme::Light),
    ("dark-1920x1080", [1896.0, 970.0], Theme::Dark),
    ("narrow-500x690", [500.0, 690.0], Theme::Light),
];

/// A harness around a draw closure, in the window's theme.
pub(crate) fn harness<'a, T>(
    size: [f32; 2],
    theme: Theme,
    state: T,
    draw: impl FnMut(&mut egui::Ui, &mut T) + 'a,
) -> Harness<'a, T> {
    let mut harness = Harness::builder()
        .with_size(size)
        .with_theme(theme)
        .with_max_steps(30)
        .with_step_dt(1.0 / 20.0)
        .with_context_setup(crate::ui::theme::install)
        .build_ui_state(draw, state);
    harness.run_ok();
    harness
}

/// A panel's view with its inputs and outputs.
#[derive(Default)]
pub(crate) struct Desk<V> {
    pub view: V,
    pub state: State,
    pub outbox: Outbox,
    pub actions: Vec<Action>,
}

/// A harness around a panel; actions are recorded, not applied.
pub(crate) fn panel<V>(
    desk: Desk<V>,
    size: [f32; 2],
    theme: Theme,
    show: fn(&mut V, &mut egui::Ui, &State, &mut Outbox, &mut Vec<Action>),
) -> Harness<'static, Desk<V>>
where
    V: 'static,
{
    harness(size, theme, desk, move |ui, desk| {
        egui::Frame::central_panel(ui.style()).inner_margin(12).show(ui, |ui| {
            show(&mut desk.view, ui, &desk.state, &mut desk.outbox, &mut desk.actions);
        });
    })
}

/// Saves the content of a harness if `PTYCHOSCOPE_PICTURES` is set.
pub(crate) fn save<T>(harness: &mut Harness<'_, T>, name: &str) {
    let Some(folder) = std::env::var_os("PTYCHOSCOPE_PICTURES").map(std::path::PathBuf::from) else { return };
    std::fs::create_dir_all(&folder).unwrap();
    let _drawing = super::snapshots::drawing();
    harness.render().unwrap().save(folder.join(format!("{name}.png"))).unwrap();
}
