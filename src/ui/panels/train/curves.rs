//! Curves of the loss, the learning rate and the gradient norm.

use crate::session::{CurvePoint, JobProgress};
use crate::ui::theme;
use crate::ui::widgets::decimate::decimate;
use crate::ui::widgets::loss_plot::{Curve, CurvePlot, nearest, short, smooth};
use crate::worker::message::{EpochPoint, Stage};
use eframe::egui::{Slider, Ui};

/// Display state of the curves.
#[derive(Debug)]
pub(super) struct Curves {
    log: bool,
    smoothing: f64,
    /// Show the last quarter of the steps only.
    recent: bool,
    /// Raw and smoothed losses, with their key.
    cached: Option<(Key, Points, Points)>,
    epochs: Option<Epochs>,
}

/// Curves by epoch, decimated to more points than a screen shows.
#[derive(Debug)]
struct Epochs {
    /// Job and number of epochs.
    key: (u64, usize),
    means: Points,
    validation: Points,
    best: Option<EpochPoint>,
}

/// Number of columns for which the curves by epoch are decimated.
const COLUMNS: usize = 4000;

/// (step, value) of each point.
type Points = Vec<[f64; 2]>;

/// Job, number of reports, last step and smoothing of the cached points.
type Key = (u64, usize, usize, u64);

impl Default for Curves {
    fn default() -> Self {
        Self { log: true, smoothing: 0.8, recent: false, cached: None, epochs: None }
    }
}

/// True for a curve of the direct solver, whose steps are epochs.
fn is_solved(job: &JobProgress) -> bool {
    job.curve.is_empty() && !job.history.is_empty()
}

impl Curves {
    /// Draws the options and the plots into this height in points.
    pub(super) fn show(&mut self, ui: &mut Ui, job: &JobProgress, height: f32) {
        let top = ui.cursor().top();
        self.options(ui, job);
        let rest = height - (ui.cursor().top() - top);
        // The direct solver, and what precedes it, have neither a learning rate nor a gradient norm.
        let before = [Stage::ProbeSearch, Stage::ScanCorrection, Stage::BackgroundTrial].map(Some).contains(&job.stage);
        if (before && job.curve.is_empty()) || is_solved(job) {
            self.loss(ui, job, (rest - 16.0).max(170.0));
            return;
        }
        let small = (rest * 0.28).clamp(90.0, 170.0);
        // 44 points for two captions and the space between the rows.
        let large = (rest - small - 44.0).max(170.0);
        self.loss(ui, job, large);
        ui.columns(2, |columns| {
            if let [left, right] = columns {
                let palette = theme::palette(left);
                let points = |value: fn(&CurvePoint) -> f64| -> Vec<[f64; 2]> {
                    job.curve.iter().map(|point| [point.step as f64, value(point)]).collect()
                };
                left.weak("Learning rate");
                let curve = Curve::new("", palette.lines[3], points(|p| p.learning_rate));
                small_plot(left, "Learning rate curve", small, false, self.view(job), curve);
                right.weak("Gradient norm");
                let curve = Curve::new("", palette.lines[5], points(|p| p.gradient_norm));
                small_plot(right, "Gradient norm curve", small, true, self.view(job), curve);
            }
        });
    }

    fn options(&mut self, ui: &mut Ui, job: &JobProgress) {
        ui.horizontal_wrapped(|ui| {
            ui.strong(if is_solved(job) { "Misfit" } else { "Loss" });
            ui.add_space(6.0);
            ui.selectable_value(&mut self.recent, false, "All").on_hover_text("Show the whole training");
            ui.selectable_value(&mut self.recent, true, "Recent").on_hover_text("Show the last quarter of the steps");
            ui.add_space(6.0);
            ui.checkbox(&mut self.log, "Log scale");
            ui.add_space(6.0);
            let label = ui.label("Smoothing").on_hover_text("Smooth the line; raw values stay visible behind it");
            ui.spacing_mut().slider_width = 80.0;
            ui.add(Slider::new(&mut self.smoothing, 0.0..=0.98).show_value(false)).labelled_by(label.id);
            if ui.small_button("Copy CSV").on_hover_text("Copy the curves as a table").clicked() {
                ui.ctx().copy_text(csv(job));
            }
        });
    }

    /// Range of the steps shown; `None` for all.
    fn view(&self, job: &JobProgress) -> Option<(f64, f64)> {
        let (first, last) = (job.curve.first()?.step as f64, job.curve.last()?.step as f64);
        (self.recent && last > first).then_some((last - (last - first) / 4.0, last))
    }

    fn loss(&mut self, ui: &mut Ui, job: &JobProgress, height: f32) {
        let palette = theme::palette(ui);
        let key = (job.job, job.curve.len(), job.curve.last().map_or(0, |point| point.step), self.smoothing.to_bits());
        if self.cached.as_ref().map(|(key, ..)| *key) != Some(key) {
            let raw: Vec<[f64; 2]> = job.curve.iter().map(|point| [point.step as f64, point.loss]).collect();
            let smoothed = smooth(&raw, self.smoothing);
            self.cached = Some((key, raw, smoothed));
        }
        let key = (job.job, job.history.len());
        if self.epochs.as_ref().map(|epochs| epochs.key) != Some(key) {
            let by_epoch = |loss: fn(&EpochPoint) -> Option<f64>| -> Points {
                let points = job.history.iter().filter_map(|point| Some([point.step as f64, loss(point)?]));
                decimate(&points.collect::<Points>(), COLUMNS)
            };
            let (means, validation) = (by_epoch(|point| Some(point.train_loss)), by_epoch(|point| point.val_loss));
            self.epochs = Some(Epochs { key, means, validation, best: best(&job.history).cloned() });
        }
        let (Some((_, raw, smoothed)), Some(epochs)) = (&self.cached, &self.epochs) else { return };
        let few = job.history.len() <= 60;
        let mut curves = Vec::new();
        if self.smoothing > 0.0 {
            curves.push(Curve { width: 1.0, ..Curve::new("", palette.lines[0].gamma_multiply(0.3), raw) });
        }
        curves.push(Curve { width: 2.0, ..Curve::new("Training", palette.lines[0], smoothed) });
        let means = epochs.means.as_slice();
        curves.push(Curve { dots: few, dashed: true, ..Curve::new("Epoch mean", palette.lines[3], means) });
        if !epochs.validation.is_empty() {
            let validation = epochs.validation.as_slice();
            curves.push(Curve { dots: few, width: 2.0, ..Curve::new("Validation", palette.lines[1], validation) });
        }
        let mut plot = CurvePlot::new("Loss curve", height)
            .log(self.log)
            .x_label(if is_solved(job) { "Epoch" } else { "Step" })
            .x_range(self.view(job))
            .legend(!job.curve.is_empty())
            .empty("The curve starts with the first report")
            .readout(|step| readout(job, step));
        if let Some(best) = &epochs.best {
            let at = [best.step as f64, best.val_loss.unwrap_or(best.train_loss)];
            plot = plot.mark(format!("Best epoch, {}", best.epoch), palette.good, at);
        }
        plot.show(ui, &curves);
    }
}

fn small_plot(ui: &mut Ui, name: &str, height: f32, log: bool, view: Option<(f64, f64)>, curve: Curve<'_>) {
    let points = curve.points.to_vec();
    let readout = move |step: f64| {
        let point = nearest(&points, step, |point| point[0])?;
        Some(format!("Step {:.0}\n{}", point[0], short(point[1])))
    };
    CurvePlot::new(name, height).log(log).x_range(view).readout(readout).show(ui, &[curve]);
}

/// Values at the step under the pointer.
fn readout(job: &JobProgress, step: f64) -> Option<String> {
    let at = nearest(&job.curve, step, |point| point.step as f64)?;
    let mut text = format!("Step {}, {}\nLoss {}", at.step, crate::ui::widgets::duration(at.elapsed_s), short(at.loss));
    // The epoch that contains the step.
    let index = job.history.partition_point(|point| point.step < at.step);
    if let Some(epoch) = job.history.get(index) {
        text += &format!("\nEpoch {}, mean {}", epoch.epoch, short(epoch.train_loss));
        if let Some(loss) = epoch.val_loss {
            text += &format!("\nValidation {}", short(loss));
        }
    }
    text += &format!("\nLearning rate {}\nGradient norm {}", short(at.learning_rate), short(at.gradient_norm));
    Some(text)
}

/// Epoch with the lowest validation loss, or training loss if there is no validation set; the earliest of equals.
pub(super) fn best(history: &[EpochPoint]) -> Option<&EpochPoint> {
    let validated = history.iter().any(|point| point.val_loss.is_some());
    let judged = |point: &EpochPoint| if validated { point.val_loss } else { Some(point.train_loss) };
    let finite = history.iter().filter_map(|point| Some((point, judged(point).filter(|loss| loss.is_finite())?)));
    finite.min_by(|a, b| a.1.total_cmp(&b.1)).map(|(point, _)| point)
}

/// Table of the reports of the optimizer; of the direct solver, of its epochs.
fn csv(job: &JobProgress) -> String {
    if job.curve.is_empty() {
        let rows = job.history.iter().map(|point| format!("{},{}\n", point.epoch, point.train_loss));
        return format!("epoch,misfit\n{}", rows.collect::<String>());
    }
    let rows = job.curve.iter().map(|point| {
        format!("{},{},{},{},{}\n", point.step, point.elapsed_s, point.loss, point.learning_rate, point.gradient_norm)
    });
    format!("step,seconds,loss,learning_rate,gradient_norm\n{}", rows.collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn epoch(epoch: usize, train_loss: f64, val_loss: Option<f64>) -> EpochPoint {
        EpochPoint {
            epoch,
            step: 10 * epoch,
            train_loss,
            val_loss,
            learning_rate: 1e-3,
            gradient_norm: 1.0,
            elapsed_s: 1.0,
        }
    }

    #[test]
    fn the_best_epoch_is_judged_by_validation_if_there_is_any() {
        let trained = [epoch(1, 3.0, None), epoch(2, f64::NAN, None), epoch(3, 1.0, None), epoch(4, 1.0, None)];
        assert_eq!(best(&trained).unwrap().epoch, 3);
        let validated = [epoch(1, 3.0, Some(2.0)), epoch(2, 1.0, Some(5.0))];
        assert_eq!(best(&validated).unwrap().epoch, 1);
        assert!(best(&[]).is_none());
    }

    #[test]
    fn the_readout_names_step_epoch_and_losses() {
        let point = |step| CurvePoint { step, elapsed_s: 65.0, loss: 0.5, learning_rate: 1e-3, gradient_norm: 2.0 };
        let job = JobProgress {
            curve: (1..=20).map(point).collect(),
            history: vec![epoch(1, 3.0, None), epoch(2, 1.0, Some(0.25))],
            ..JobProgress::default()
        };
        let text = readout(&job, 14.6).unwrap();
        for part in ["Step 15, 1 min 5 s", "Loss 0.500", "Epoch 2, mean 1.00", "Validation 0.250", "Gradient norm 2.00"]
        {
            assert!(text.contains(part), "{part} is not in {text}");
        }
        assert_eq!(readout(&JobProgress::default(), 3.0), None);
    }
}
