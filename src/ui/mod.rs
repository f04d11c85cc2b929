//! The window.
//!
//! Panels are functions of the session's [`State`](crate::session::State): they read it, keep only display settings (zoom,
//! scroll position) in their own view, and push [`Action`](crate::session::Action)s. Only the app holds the worker and the
//! reader and carries out the effects of actions.
//!
//! Hazard: a slow frame freezes the program. Remedy: this thread reads and writes no file and sums no pattern; images are
//! uploaded once and cached; curves are decimated before they are drawn.
//!
//! * `app`: the window, frame by frame; `app_core`: state, worker, reader and effects, without a window.
//! * `commands`: every user command, declared once for menu, shortcut and palette; `layout`: the tiles.
//! * `display`: where the window can open; `theme`: all colors; `persist`: state stored between sessions; `dialogs`: paths to open
//!   and save; `toasts`: transient messages; `tour`: first steps; `closer`: requests to close from outside the window.
//! * `panels`: one file per tile; `widgets`: parts shared by panels.

mod app;
mod app_core;
mod closer;
mod commands;
mod dialogs;
mod display;
mod frame_times;
mod layout;
pub mod panels;
mod persist;
pub mod theme;
mod toasts;
mod tour;
pub mod widgets;

pub use app::App;
pub use app_core::AppCore;
pub use closer::Closer;
pub use commands::Command;
pub use layout::Pane;

use crate::error::{Error, Problem, Result};
use std::path::PathBuf;

/// Size of the first window, in points: with title bar and panel of the desktop it fits a display of 1280 × 800.
const FIRST_SIZE: [f32; 2] = [1264.0, 728.0];

/// Application name under which the window stores its state.
const APP_ID: &str = "ptychoscope";

/// Opens the window, optionally with a file, and returns when the user or `closer` has closed it.
///
/// The renderer is wgpu on a GPU, else OpenGL. The device for training is chosen independently.
///
/// # Errors
/// There is no display, or neither renderer works on it.
pub fn run(file: Option<PathBuf>, closer: &Closer) -> Result<()> {
    if let Some(problem) = display::problem() {
        return Err(problem);
    }
    let first = open_with(eframe::Renderer::Wgpu, file.clone(), closer.clone());
    let Err(first) = first else { return Ok(()) };
    // An event loop can be created only once, so the second renderer can succeed only if the first one had a display.
    match open_with(eframe::Renderer::Glow, file, closer.clone()) {
        Ok(()) => Ok(()),
        Err(second) => Err(Error::Failed(
            Problem::new(format!("Cannot open the window ({first}; {second})"))
                .expected("a display with Vulkan, Metal, DirectX 12 or OpenGL")
                .hint("Without a display, use `ptychoscope run DATASET`; see --help"),
        )),
    }
}

/// Icon of the program.
fn icon() -> eframe::egui::IconData {
    eframe::icon_data::from_png_bytes(include_bytes!("../../assets/icon.png")).unwrap_or_default()
}

fn open_with(
    renderer: eframe::Renderer,
    file: Option<PathBuf>,
    closer: Closer,
) -> std::result::Result<(), eframe::Error> {
    let options = eframe::NativeOptions {
        renderer,
        persist_window: true,
        event_loop_builder: display::event_loop_builder(),
        viewport: eframe::egui::ViewportBuilder::default()
            .with_app_id(APP_ID)
            .with_title(app::TITLE)
            .with_icon(icon())
            .with_inner_size(FIRST_SIZE)
            .with_min_inner_size([720.0, 480.0])
            .with_drag_and_drop(true),
        ..eframe::NativeOptions::default()
    };
    eframe::run_native(
        APP_ID,
        options,
        Box::new(move |creation| {
            let mut app = App::new(creation)?;
            closer.attach(&creation.egui_ctx);
            app.set_closer(closer);
            app.core_mut().list_devices();
            if let Some(file) = file {
                app.core_mut().dispatch(crate::session::Action::Open(file));
            }
            Ok(Box::new(app))
        }),
    )
}
