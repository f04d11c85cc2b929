//! Tour of the window in five steps, offered at the first start; it does not keep the user from working.

use super::layout::Pane;
use super::theme;
use eframe::egui::{self, Align2, Button, Context, RichText, vec2};

/// Panel, title and text of each step.
const STEPS: [(Pane, &str, &str); 5] = [
    (
        Pane::Data,
        "Open a scan",
        "Open or drop a file: NPZ, HDF5, CXI, TIFF stacks and others. If it cannot be used at once, this panel shows what is in \
         it and asks for what is missing: which array is what, units, energy, distance, another file with positions.",
    ),
    (
        Pane::Data,
        "Check it",
        "Checks come with a button that fixes what they find. “Diagnose” tries what may be wrong with a scan that gives no \
         picture. Draw a mask, crop the patterns, leave out bad ones with the lasso.",
    ),
    (
        Pane::Configure,
        "Choose the method",
        "The direct solver is best for one dataset and takes seconds to minutes. A network is trained once and then \
         reconstructs similar scans at once; polishing sharpens its object.",
    ),
    (
        Pane::Train,
        "Watch it",
        "The object appears while it is computed. Stop at any time: what has been found so far is kept.",
    ),
    (
        Pane::Result,
        "Measure and export",
        "The header says whether the result can be trusted, and why. Profiles, regions, comparison with other runs, figures for \
         a paper. With the tool “Pattern”, a click on the object shows the pattern measured there beside the calculated one.",
    ),
];

/// The tour; `None` while it is not shown.
#[derive(Debug, Default)]
pub(super) struct Tour(Option<usize>);

impl Tour {
    /// Begins with the first step; returns its panel.
    pub(super) fn begin(&mut self) -> Pane {
        self.0 = Some(0);
        STEPS[0].0
    }

    /// Draws the current step; returns the panel of another step if the user goes to it.
    pub(super) fn show(&mut self, context: &Context) -> Option<Pane> {
        let number = self.0?;
        let (_, title, text) = STEPS.get(number)?;
        let mut wanted = Some(number);
        egui::Window::new("Tour")
            .title_bar(false)
            .resizable(false)
            .anchor(Align2::CENTER_BOTTOM, vec2(0.0, -44.0))
            .show(context, |ui| {
                let palette = theme::palette(ui);
                ui.set_width(360.0);
                ui.horizontal(|ui| {
                    ui.label(RichText::new(*title).strong().size(16.0).color(palette.accent));
                    ui.with_layout(egui::Layout::right_to_left(egui::Align::Center), |ui| {
                        ui.label(RichText::new(format!("{} of {}", number + 1, STEPS.len())).color(palette.weak));
                    });
                });
                ui.label(*text);
                ui.add_space(4.0);
                ui.horizontal(|ui| {
                    let last = number + 1 == STEPS.len();
                    let next = Button::new(RichText::new(if last { "Done" } else { "Next" }).color(palette.on_accent));
                    if ui.add(next.fill(palette.accent)).clicked() {
                        wanted = (!last).then_some(number + 1);
                    }
                    if ui.add_enabled(number > 0, Button::new("Back")).clicked() {
                        wanted = Some(number.saturating_sub(1));
                    }
                    if !last && ui.button("Skip the tour").on_hover_text("Help → Tour shows it again").clicked() {
                        wanted = None;
                    }
                });
            });
        let changed = wanted != self.0;
        self.0 = wanted;
        wanted.filter(|_| changed).and_then(|number| STEPS.get(number)).map(|(pane, ..)| *pane)
    }
}
