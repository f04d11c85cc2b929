//! Loss curves of several runs in one plot.

use crate::library::RunInfo;
use crate::ui::theme;
use crate::ui::widgets::duration;
use crate::ui::widgets::loss_plot::{Curve, CurvePlot, nearest, short};
use crate::worker::message::EpochPoint;
use eframe::egui::{Color32, Label, RichText, TextStyle, Ui};

/// Quantity on the horizontal axis.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Axis {
    #[default]
    Epoch,
    Step,
    Time,
}

impl Axis {
    fn of(self, point: &EpochPoint) -> f64 {
        match self {
            Self::Epoch => point.epoch as f64,
            Self::Step => point.step as f64,
            Self::Time => point.elapsed_s,
        }
    }

    fn label(self) -> &'static str {
        match self {
            Self::Epoch => "Epoch",
            Self::Step => "Step",
            Self::Time => "Time",
        }
    }
}

/// Display state of the curves.
#[derive(Debug)]
pub(super) struct Overlay {
    axis: Axis,
    log: bool,
    validation: bool,
}

impl Default for Overlay {
    fn default() -> Self {
        Self { axis: Axis::Epoch, log: true, validation: false }
    }
}

impl Overlay {
    /// Draws the curves of these runs, each in its color, into this height in points.
    pub(super) fn show(&mut self, ui: &mut Ui, runs: &[(&RunInfo, Color32)], height: f32) {
        let has_validation = runs.iter().any(|(run, _)| run.history.iter().any(|point| point.val_loss.is_some()));
        ui.horizontal_wrapped(|ui| {
            ui.strong("Loss by");
            for axis in [Axis::Epoch, Axis::Step, Axis::Time] {
                ui.selectable_value(&mut self.axis, axis, axis.label());
            }
            ui.add_space(6.0);
            ui.checkbox(&mut self.log, "Log scale");
            let validation_box =
                ui.add_enabled(has_validation, eframe::egui::Checkbox::new(&mut self.validation, "Validation loss"));
            validation_box
                .on_disabled_hover_text("None of these runs has a validation set")
                .on_hover_text("Plot the validation loss instead of the training loss");
        });
        let validation = self.validation && has_validation;
        let loss = |point: &EpochPoint| if validation { point.val_loss } else { Some(point.train_loss) };
        let axis = self.axis;
        let curves: Vec<Curve<'_>> = runs
            .iter()
            .map(|(run, color)| {
                let points = run.history.iter().filter_map(|point| Some([axis.of(point), loss(point)?]));
                let dots = run.history.len() <= 30;
                Curve { width: 2.0, dots, ..Curve::new(run.name.clone(), *color, points.collect::<Vec<_>>()) }
            })
            .collect();
        let readout = |x: f64| {
            let at = |run: &RunInfo| {
                let point = nearest(&run.history, x, |point| axis.of(point))?;
                Some(format!("{}  {}", short(loss(point)?), run.name))
            };
            let values: Vec<String> = runs.iter().filter_map(|(run, _)| at(run)).collect();
            let place =
                if axis == Axis::Time { duration(x.max(0.0)) } else { format!("{} {:.0}", axis.label(), x.max(0.0)) };
            (!values.is_empty()).then(|| format!("{place}\n{}", values.join("\n")))
        };
        // Height of the options above and the notes below.
        let line = ui.text_style_height(&TextStyle::Body) + ui.spacing().item_spacing.y;
        let below =
            34.0 + line * f32::from(u8::from(!runs.is_empty() && runs.iter().any(|(run, _)| run.history.is_empty())));
        let label = if axis == Axis::Time { "Time in seconds" } else { axis.label() };
        let _response = CurvePlot::new("Loss curves of the selected runs", (height - below).max(120.0))
            .log(self.log)
            .x_label(label)
            .legend(true)
            .empty("Select trained runs to compare their losses")
            .readout(readout)
            .show(ui, &curves);
        let without: Vec<&str> =
            runs.iter().filter(|(run, _)| run.history.is_empty()).map(|(run, _)| run.name.as_str()).collect();
        if !without.is_empty() {
            let text = format!("No training, no curve: {}", without.join(", "));
            ui.add(Label::new(RichText::new(text).weak()).truncate());
        }
        if curves.len() > theme::palette(ui).lines.len() {
            ui.weak("Colors repeat after six runs");
        }
    }
}
