//! Progress, speed and remaining time of the job.

use crate::session::{CurvePoint, JobProgress, State, Status};
use crate::ui::theme;
use crate::ui::widgets::numbers::{grouped, short};
use crate::ui::widgets::{duration, memory};
use crate::worker::message::{Control, EpochPoint, JobKind, Progress, Stage};
use eframe::egui::{self, ProgressBar, RichText, Ui};

/// Recent steps per second: over the last half of the time, at most 30 s, to leave out a slow start.
pub(super) fn recent_rate(curve: &[CurvePoint]) -> Option<f64> {
    let last = curve.last()?;
    let since = last.elapsed_s - (last.elapsed_s / 2.0).min(30.0);
    let first = curve.iter().rev().take_while(|point| point.elapsed_s >= since).last()?;
    let (steps, time) = (last.step.checked_sub(first.step)?, last.elapsed_s - first.elapsed_s);
    (time > 0.2 && steps > 0).then(|| steps as f64 / time)
}

/// Seconds to the end of the stage; `None` while paused, stopping or unknown.
pub(in crate::ui::panels) fn remaining(state: &State) -> Option<f64> {
    let job = &state.job;
    time_left(&job.progress, &job.curve, &job.history).filter(|_| state.control == Control::Run)
}

/// Seconds to the end of the stage: from the recent speed if the number of epochs ends it, from the clock if the time
/// budget does.
fn time_left(progress: &Progress, curve: &[CurvePoint], history: &[EpochPoint]) -> Option<f64> {
    let by_average = progress.remaining_s?;
    if curve.is_empty() {
        // The direct solver reports no optimizer steps.
        return Some(by_average);
    }
    let Some(epochs) = progress.epochs else { return Some(by_average) };
    // The average includes the slow start.
    let rate = recent_rate(curve)?;
    let total = match history.last().filter(|point| point.epoch > 0) {
        Some(point) => point.step as f64 / point.epoch as f64 * epochs as f64,
        None => progress.step as f64 / progress.fraction.max(1e-9),
    };
    // The progress is ahead of the epochs: the time budget will end the stage.
    let by_clock = progress.fraction > progress.step as f64 / total + 0.01;
    Some(if by_clock { by_average } else { ((total - progress.step as f64) / rate).max(0.0) })
}

/// Completed steps of the current epoch, and steps per epoch; `None` during the first epoch.
fn epoch_steps(progress: &Progress, history: &[EpochPoint]) -> Option<(usize, usize)> {
    let last = history.last().filter(|point| point.epoch > 0 && point.step >= point.epoch)?;
    let each = last.step / last.epoch;
    Some((progress.step.saturating_sub(last.step).min(each), each))
}

/// Current activity of the job, in a few words.
pub(in crate::ui::panels) fn activity(state: &State) -> String {
    let job = &state.job;
    if state.starting {
        return "Starting".to_owned();
    }
    let stage = match job.stage {
        Some(Stage::Reconstructing) if job.is(JobKind::Polish) => "Polishing",
        // A network reports its learning rate, the direct solver has none.
        Some(Stage::Training) if job.progress.loss.is_some() && job.progress.learning_rate.is_none() => "Solving",
        stage => stage.map_or("Starting", Stage::label),
    };
    if job.stage != Some(Stage::Training) {
        return if state.control == Control::Pause {
            format!("Paused while {}", stage.to_lowercase())
        } else {
            stage.to_owned()
        };
    }
    match state.control {
        Control::Run => stage.to_owned(),
        Control::Pause => "Paused".to_owned(),
        Control::StopAfterEpoch => "Stopping after this epoch".to_owned(),
        Control::Stop => "Stopping".to_owned(),
        Control::Discard => "Discarding".to_owned(),
    }
}

/// Draws progress bars and numbers of a running job. `resident` is the main memory in use, in bytes.
pub(super) fn show(ui: &mut Ui, state: &State, resident: Option<u64>) {
    let (job, progress) = (&state.job, &state.job.progress);
    let training = job.stage == Some(Stage::Training);
    let left = remaining(state).map_or_else(String::new, |seconds| format!(", {} left", duration(seconds)));
    let text = format!("{}  {:.0} %{left}", activity(state), 100.0 * progress.fraction);
    let fill = theme::palette(ui).accent.gamma_multiply(0.55);
    let total = ProgressBar::new(progress.fraction as f32).desired_height(22.0).fill(fill).corner_radius(4.0);
    let total = ui.add(total.text(RichText::new(text)));
    total.widget_info(|| egui::WidgetInfo::labeled(egui::Role::ProgressIndicator, true, "Total progress"));
    if training && progress.learning_rate.is_some() {
        epoch_bar(ui, progress, &job.history);
    } else if let (true, Some(epochs)) = (progress.epoch > 0, progress.epochs) {
        let misfit = progress.loss.map_or_else(String::new, |misfit| format!(", misfit {}", short(misfit)));
        ui.label(RichText::new(format!("Epoch {} of {epochs}{misfit}", progress.epoch)).weak());
    }
    numbers(ui, job, resident);
}

fn epoch_bar(ui: &mut Ui, progress: &Progress, history: &[EpochPoint]) {
    let of = progress.epochs.map_or_else(String::new, |epochs| format!(" of {}", grouped(epochs as u64)));
    let epoch = progress.epoch.max(1);
    let (fraction, steps) = match epoch_steps(progress, history) {
        Some((done, each)) => (done as f32 / each.max(1) as f32, format!(", step {done} of {each}")),
        None => (0.0, format!(", step {}", progress.step)),
    };
    let fill = theme::palette(ui).weak.gamma_multiply(0.35);
    let text = RichText::new(format!("Epoch {epoch}{of}{steps}")).small();
    let bar = ProgressBar::new(fraction).desired_height(16.0).fill(fill).corner_radius(4.0).text(text);
    let bar = ui.add(bar);
    bar.widget_info(|| egui::WidgetInfo::labeled(egui::Role::ProgressIndicator, true, "Epoch progress"));
}

/// Speed with at most one decimal, unless below 1.
fn speed(rate: f64) -> String {
    if rate < 1.0 { short(rate) } else { short((10.0 * rate).round() / 10.0) }
}

/// Speed, time, device and memory in one row, which wraps.
fn numbers(ui: &mut Ui, job: &JobProgress, resident: Option<u64>) {
    let palette = theme::palette(ui);
    let progress = &job.progress;
    ui.horizontal_wrapped(|ui| {
        ui.spacing_mut().item_spacing.x = 4.0;
        let mut item = |name: &str, value: String, help: &str| {
            let name = ui.label(RichText::new(name).color(palette.weak));
            let value = ui.label(value);
            if !help.is_empty() {
                name.on_hover_text(help);
                value.on_hover_text(help);
            }
            ui.add_space(14.0);
        };
        if let Some(rate) = recent_rate(&job.curve) {
            item("Steps per second", speed(rate), "Averaged over the last few seconds");
        }
        if let Some(rate) = progress.patterns_per_second {
            item("Patterns per second", speed(rate), "Averaged since the start of the stage");
        }
        if progress.elapsed_s > 0.0 {
            item("Elapsed", duration(progress.elapsed_s), "Excluding pauses");
        }
        if let Some(bytes) = resident {
            item("Memory", memory::bytes(bytes), "Main memory used by this program");
        }
        if let Some(device) = &job.device {
            let help = format!("{}, {}, {}", device.backend, device.driver, device.kind.label());
            let note = if device.reduced_capability && job.status == Status::Running { " (no GPU)" } else { "" };
            item("Device", format!("{}{note}", device.name), &help);
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn point(step: usize, elapsed_s: f64) -> CurvePoint {
        CurvePoint { step, elapsed_s, loss: 1.0, learning_rate: 1e-3, gradient_norm: 1.0 }
    }

    /// 10 s of compiling before the first step, then 10 steps a second.
    fn warmed_up(seconds: usize) -> Vec<CurvePoint> {
        (1..=seconds).map(|second| point(10 * second, 10.0 + second as f64)).collect()
    }

    fn epoch(epoch: usize, step: usize) -> EpochPoint {
        EpochPoint {
            epoch,
            step,
            train_loss: 1.0,
            val_loss: None,
            learning_rate: 1e-3,
            gradient_norm: 1.0,
            elapsed_s: 1.0,
        }
    }

    #[test]
    fn a_slow_start_does_not_count_in_the_remaining_time() {
        let curve = warmed_up(20);
        assert!((recent_rate(&curve).unwrap() - 10.0).abs() < 1e-9);
        let progress = Progress {
            fraction: 0.2,
            step: 200,
            epochs: Some(10),
            elapsed_s: 30.0,
            remaining_s: Some(120.0),
            ..Progress::default()
        };
        let left = time_left(&progress, &curve, &[epoch(1, 100), epoch(2, 200)]).unwrap();
        assert!((left - 80.0).abs() < 1e-6, "{left}");
        assert_eq!(time_left(&progress, &curve[..1], &[]), None, "one report is not enough for a speed");
        let before_the_first_epoch_ends = time_left(&progress, &curve, &[]).unwrap();
        assert!((before_the_first_epoch_ends - 80.0).abs() < 1e-6);
    }

    #[test]
    fn under_a_time_budget_the_clock_determines_the_remaining_time() {
        let curve = warmed_up(20);
        let progress = Progress {
            fraction: 0.5,
            step: 200,
            epochs: Some(100),
            elapsed_s: 30.0,
            remaining_s: Some(30.0),
            ..Progress::default()
        };
        assert_eq!(time_left(&progress, &curve, &[epoch(2, 200)]), Some(30.0));
        let no_epochs = Progress { epochs: None, ..progress };
        assert_eq!(time_left(&no_epochs, &curve, &[]), Some(30.0));
    }

    #[test]
    fn the_length_of_an_epoch_is_known_after_the_first_one() {
        let progress = Progress { step: 250, ..Progress::default() };
        assert_eq!(epoch_steps(&progress, &[epoch(2, 200)]), Some((50, 100)));
        assert_eq!(epoch_steps(&progress, &[]), None);
    }
}
