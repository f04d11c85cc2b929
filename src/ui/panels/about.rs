//! Version, what draws the window, what computes, licences.

use crate::session::State;
use eframe::egui::{self, RichText};

/// The window "About".
#[derive(Debug, Default)]
pub struct About {
    open: bool,
    renderer: String,
}

impl About {
    /// Remembers what draws the window.
    pub fn new(creation: &eframe::CreationContext<'_>) -> Self {
        let renderer = match &creation.wgpu_render_state {
            Some(state) => {
                let info = state.adapter.get_info();
                format!("{} ({}, {})", info.name, info.backend, info.driver)
            }
            None => "OpenGL".to_owned(),
        };
        Self { open: false, renderer }
    }

    /// Shows it from the next frame on.
    pub fn open(&mut self) {
        self.open = true;
    }

    /// Draws it.
    pub fn show(&mut self, context: &egui::Context, state: &State) {
        let diagnostics = self.diagnostics(state);
        egui::Window::new("About Ptychoscope").open(&mut self.open).collapsible(false).resizable(false).show(
            context,
            |ui| {
                ui.label(RichText::new(format!("Ptychoscope {}", env!("CARGO_PKG_VERSION"))).heading());
                ui.label("Physics-informed neural ptychography");
                ui.add_space(6.0);
                ui.label(RichText::new(&diagnostics).monospace().small());
                ui.add_space(6.0);
                ui.label("Licence: MIT or Apache-2.0, at your choice");
                ui.label("The example, a Siemens star, is BSD-3-Clause © 2018 UChicago Argonne, LLC");
                ui.add_space(6.0);
                if ui.button("Copy diagnostics").clicked() {
                    ui.ctx().copy_text(diagnostics.clone());
                }
            },
        );
    }

    fn diagnostics(&self, state: &State) -> String {
        let device = state.job.device.as_ref().map_or_else(
            || "chosen when a job starts".to_owned(),
            |device| format!("{} ({}, {})", device.name, device.backend, device.driver),
        );
        format!(
            "version   {}\nsystem    {} {}\nthreads   {}\nwindow    {}\ntraining  {device}",
            env!("CARGO_PKG_VERSION"),
            std::env::consts::OS,
            std::env::consts::ARCH,
            std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
            self.renderer,
        )
    }
}
