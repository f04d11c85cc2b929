//! The window.
//!
//! Panels are functions of the session's [`State`](crate::session::State): they read it, keep only what concerns the way
//! they show it (a zoom, a scroll position) in a view of their own, and push [`Action`](crate::session::Action)s. The
//! app alone holds the worker and the reader, and carries out the effects of actions.
//!
//! Hazard: a slow frame is a frozen program. Remedy: no file is read or written and no pattern summed on this thread; pictures are
//! uploaded once and kept; curves are decimated before they are drawn.
//!
//! * `app`: frame by frame; `closer`: a signal that ends the program; `desk`: state, worker, reader and effects, without a window.
//! * `commands`: everything a person can do, once for menu, shortcut and palette; `layout`: the tiles.
//! * `theme`: every colour; `persist`: what is kept between starts; `dialogs`: files to open and to save; `toasts`: what is
//!   said in passing.
//! * `panels`: one file for each tile; `widgets`: what several panels need.

mod app;
mod closer;
mod commands;
mod desk;
mod dialogs;
mod frame_times;
mod layout;
pub mod panels;
mod persist;
pub mod theme;
mod toasts;
pub mod widgets;

pub use app::App;
pub use closer::Closer;
pub use commands::Command;
pub use desk::Desk;
pub use layout::Pane;

use crate::error::{Error, Problem, Result};
use std::path::PathBuf;

/// Name under which the window keeps its state.
const APP_ID: &str = "ptychoscope";

/// Opens the window, with this file in it, and returns when it is closed, by a person or by `closer`.
///
/// Drawn by wgpu on a hardware adapter; where there is none, by OpenGL; the training's device is another matter.
///
/// # Errors
/// There is no display, or no way to draw on it.
pub fn run(file: Option<PathBuf>, closer: &Closer) -> Result<()> {
    let first = open_with(eframe::Renderer::Wgpu, file.clone(), closer.clone());
    let Err(first) = first else { return Ok(()) };
    // An event loop can only be made once, so that a second renderer has a chance only if the first had a display.
    match open_with(eframe::Renderer::Glow, file, closer.clone()) {
        Ok(()) => Ok(()),
        Err(second) => Err(Error::Failed(
            Problem::new(format!("The window cannot be opened ({first}; {second})"))
                .expected("a display with Vulkan, Metal, DirectX 12 or OpenGL")
                .hint("Without a display use `ptychoscope run DATASET`; see --help"),
        )),
    }
}

/// The picture of the program.
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
        viewport: eframe::egui::ViewportBuilder::default()
            .with_app_id(APP_ID)
            .with_title(app::TITLE)
            .with_icon(icon())
            .with_inner_size([1280.0, 800.0])
            .with_min_inner_size([720.0, 480.0])
            .with_drag_and_drop(true),
        ..eframe::NativeOptions::default()
    };
    eframe::run_native(
        APP_ID,
        options,
        Box::new(move |creation| {
            let mut app = App::new(creation)?;
            closer.watch(&creation.egui_ctx);
            app.close_by(closer);
            app.desk_mut().list_devices();
            if let Some(file) = file {
                app.desk_mut().act(crate::session::Action::Open(file));
            }
            Ok(Box::new(app))
        }),
    )
}
