//! Before the first job: the steps to take. After a job: its outcome.

use super::super::method;
use super::controls;
use crate::config::Method;
use crate::session::{Action, Draft, JobProgress, Level, State, Status, Step};
use crate::system::file_name;
use crate::ui::theme;
use crate::ui::widgets::mark::mark;
use crate::ui::widgets::numbers::{count_of, grouped, signed};
use crate::ui::widgets::{duration, loss_plot::short};
use crate::worker::message::{EpochPoint, JobKind, JobOutcome};
use eframe::egui::{self, Frame, RichText, Ui};

/// Time, in seconds, by which a training without a time budget goes on.
const MORE: f64 = 110.0;

/// Summary of the configuration, rebuilt only after a change: comparing all fields with the preset is too slow for a frame.
#[derive(Debug, Default)]
pub(super) struct Plan(Option<(Draft, String)>);

impl Plan {
    /// Duration of the job, and number of settings that differ from the preset.
    fn text(&mut self, draft: &Draft) -> &str {
        if self.0.as_ref().is_none_or(|(known, _)| known != draft) {
            self.0 = None;
        }
        let (_, text) = self.0.get_or_insert_with(|| (draft.clone(), plan(draft)));
        text
    }
}

/// Draws the steps to take before the first job.
pub(super) fn before(ui: &mut Ui, state: &State, summary: &mut Plan, actions: &mut Vec<Action>) {
    ui.add_space((ui.available_height() * 0.12).min(70.0));
    ui.vertical_centered(|ui| {
        ui.set_max_width(460.0);
        let direct = state.draft.config().training.method == Method::Direct;
        let title = if direct { "No reconstruction yet" } else { "No training yet" };
        ui.label(RichText::new(title).size(19.0).strong());
        ui.add_space(2.0);
        ui.label(RichText::new("Three steps to a reconstruction").weak());
        ui.add_space(16.0);
        let patterns = state.dataset.as_ref().and_then(|dataset| dataset.patterns.as_ref());
        let opened = match (&state.dataset, patterns) {
            (_, Some(patterns)) => {
                let [n, side] = [patterns.dataset.len(), patterns.dataset.patch_size()];
                format!("{n} patterns of {side} × {side} pixels")
            }
            (Some(dataset), None) if dataset.failure.is_some() => "The dataset cannot be used".to_owned(),
            (Some(_), None) => "Reading the dataset".to_owned(),
            (None, _) => "A file of diffraction patterns, or the example".to_owned(),
        };
        row(ui, patterns.is_some(), "Open a dataset", &opened, Step::Data, actions);
        let problems = state.draft.problems();
        let settings = problems.first().cloned().unwrap_or_else(|| summary.text(&state.draft).to_owned());
        row(ui, problems.is_empty(), "Check the configuration", &settings, Step::Configure, actions);
        Frame::group(ui.style()).inner_margin(10).show(ui, |ui| {
            ui.set_width(ui.available_width());
            ui.with_layout(egui::Layout::top_down(egui::Align::Min), |ui| method::choose(ui, state, actions));
        });
        ui.add_space(14.0);
        controls::start(ui, state, method::start_label(state), true, actions);
        ui.add_space(4.0);
        let hint =
            state.why_not_start().unwrap_or_else(|| "You can stop at any time and save the result so far".to_owned());
        ui.label(RichText::new(hint).small().weak());
    });
}

fn plan(draft: &Draft) -> String {
    let config = draft.config();
    let end = match (config.training.epochs, config.training.time_budget_s) {
        _ if config.training.method == Method::Direct => {
            format!("{} epochs of the direct solver", config.direct.epochs)
        }
        (Some(epochs), Some(seconds)) => format!("{} epochs, at most {}", grouped(epochs as u64), duration(seconds)),
        (Some(epochs), None) => format!("{} epochs", grouped(epochs as u64)),
        (None, Some(seconds)) => format!("Training for {}", duration(seconds)),
        (None, None) => "Training until stopped".to_owned(),
    };
    let polishes = config.training.method == Method::Network && config.inference.polish_epochs > 0;
    let end = if polishes { format!("{end}, then polishing") } else { end };
    let base = draft.base_name();
    match draft.differences().len() {
        0 => format!("{end}, settings as in {base}"),
        1 => format!("{end}, 1 setting differs from {base}"),
        modified => format!("{end}, {modified} settings differ from {base}"),
    }
}

fn row(ui: &mut Ui, done: bool, title: &str, description: &str, step: Step, actions: &mut Vec<Action>) {
    Frame::group(ui.style()).inner_margin(10).show(ui, |ui| {
        ui.set_width(ui.available_width());
        ui.horizontal(|ui| {
            mark(ui, if done { Level::Success } else { Level::Info }, 16.0);
            ui.vertical(|ui| {
                if ui.link(RichText::new(title).strong()).clicked() {
                    actions.push(Action::Go(step));
                }
                ui.add(egui::Label::new(RichText::new(description).small().weak()).wrap());
            });
        });
    });
}

/// Draws the outcome of the latest job.
pub(super) fn after(ui: &mut Ui, state: &State, actions: &mut Vec<Action>) {
    let palette = theme::palette(ui);
    let job = &state.job;
    if job.is(JobKind::Watch) && job.failure.is_none() {
        ui.label(RichText::new(format!("Watching ended: {}", job.watched.summary())).strong());
        return;
    }
    let (title, color) = match job.status {
        Status::Finished(JobOutcome::Completed) => ("Done", palette.good),
        Status::Finished(JobOutcome::Stopped) => ("Stopped; result saved", palette.good),
        Status::Finished(JobOutcome::Discarded) => ("Discarded; nothing was saved", palette.weak),
        Status::Finished(JobOutcome::RestoredAfterNan) => {
            ("Diverged (NaN loss); last good weights restored", palette.warning)
        }
        Status::Failed => ("Failed", palette.bad),
        Status::Idle | Status::Running => return,
    };
    Frame::group(ui.style()).fill(ui.visuals().faint_bg_color).inner_margin(10).show(ui, |ui| {
        ui.set_width(ui.available_width());
        ui.horizontal_wrapped(|ui| {
            ui.label(RichText::new(title).strong().size(15.0).color(color));
            let discarded = job.status == Status::Finished(JobOutcome::Discarded);
            if let Some(folder) = job.output_dir.as_ref().filter(|_| !discarded) {
                let name = file_name(folder);
                ui.label(RichText::new(name).weak()).on_hover_text(folder.display().to_string());
            }
        });
        if let Some(failure) = &job.failure {
            ui.add(egui::Label::new(failure.message.as_str()).wrap().selectable(true));
        }
        figures(ui, job);
        if let Some(advice) = advice(state) {
            ui.horizontal_wrapped(|ui| {
                mark(ui, Level::Warning, 14.0);
                ui.label(advice);
            });
        }
        if matches!(job.status, Status::Finished(outcome) if outcome != JobOutcome::Discarded) {
            ui.horizontal_wrapped(|ui| {
                if job.is(JobKind::Simulate) && controls::primary(ui, "Show the data").clicked() {
                    actions.push(Action::Go(Step::Data));
                }
                let shown = state.result.as_ref().map(|result| &result.folder) == job.output_dir.as_ref();
                if let Some(seconds) = more_seconds(state) {
                    let text = format!("Train {} more", duration(seconds as f64));
                    let help = "Goes on from the weights of this run, in a new run folder";
                    if ui.button(text).on_hover_text(help).clicked() {
                        actions.push(Action::TrainMore(seconds));
                    }
                }
                if is_too_short(state) {
                    let polish = "Refine this result with the direct solver, usually in seconds";
                    if state.why_not_polish().is_none() && ui.button("Polish").on_hover_text(polish).clicked() {
                        actions.push(Action::Polish);
                    }
                }
                if has_object(job) && controls::primary(ui, "Show the result").clicked() {
                    match &job.output_dir {
                        Some(folder) if !shown => {
                            actions.push(Action::ShowResult { folder: folder.clone(), beside: false });
                        }
                        _ => actions.push(Action::Go(Step::Result)),
                    }
                }
            });
        }
    });
}

/// Reason why the result could be better: the time budget has ended a training whose loss was still falling.
fn advice(state: &State) -> Option<String> {
    let (epochs, steps) = (state.job.history.len(), state.job.summary.as_ref()?.steps?);
    is_too_short(state).then(|| {
        format!(
            "The time budget ended the training after {} and {} while the loss was still falling: too short for a good \
             object. Train longer, or polish the result.",
            count_of(epochs, "epoch"),
            count_of(steps, "step")
        )
    })
}

/// Seconds by which the latest training can go on: its time budget, if its model is there and its dataset is open.
fn more_seconds(state: &State) -> Option<u64> {
    let job = &state.job;
    let trained =
        job.is(JobKind::Run) && matches!(job.status, Status::Finished(JobOutcome::Completed | JobOutcome::Stopped));
    let has_model = job.summary.as_ref().is_some_and(|summary| summary.model.is_some());
    let possible = trained && has_model && state.job_is_of_dataset() && state.why_not_start().is_none();
    let config = state.draft.config();
    (possible && config.training.method == Method::Network)
        .then(|| config.training.time_budget_s.unwrap_or(MORE).max(1.0) as u64)
}

/// True if the time budget has ended the latest training while its loss was falling.
fn is_too_short(state: &State) -> bool {
    let job = &state.job;
    let trained = job.is(JobKind::Run) && job.status == Status::Finished(JobOutcome::Completed);
    let config = state.draft.config();
    let budget = config.training.time_budget_s.filter(|_| config.training.method == Method::Network);
    let spent = job.summary.as_ref().and_then(|summary| summary.train_seconds);
    let ended = budget.zip(spent).is_some_and(|(budget, spent)| spent >= 0.8 * budget);
    trained && ended && is_falling(&job.history)
}

/// True if the last third of the epochs has lowered the loss by more than a few percent.
fn is_falling(history: &[EpochPoint]) -> bool {
    let third = (history.len() / 3).max(1);
    let mean = |part: &[EpochPoint]| part.iter().map(|point| point.train_loss).sum::<f64>() / part.len() as f64;
    match history.len() {
        0 => false,
        1..=5 => true,
        count => mean(&history[count - third..]) < 0.95 * mean(&history[count - 2 * third..count - third]),
    }
}

/// True if the latest job saved a stitched object.
pub(super) fn has_object(job: &JobProgress) -> bool {
    job.saved.iter().any(|path| path.ends_with("reconstruction.npz"))
}

/// Draws the numbers of the summary, each below its name.
fn figures(ui: &mut Ui, job: &JobProgress) {
    let Some(summary) = &job.summary else { return };
    let correlation = |value: f64| signed(format!("{value:.3}"));
    // The direct solver makes no training steps.
    let solved = summary.steps.is_none();
    let figures: Vec<(&str, String, &str)> = [
        (
            if solved { "Solving time" } else { "Training time" },
            summary.train_seconds.map(duration),
            "Excluding pauses",
        ),
        ("Stitching time", summary.infer_seconds.map(duration), "Prediction of all patterns and stitching"),
        ("Epochs", summary.epochs.map(|epochs| grouped(epochs as u64)), "Completed epochs"),
        ("Training loss", summary.final_train_loss.filter(|_| !solved).map(short), "Mean of the last epoch"),
        ("Validation loss", summary.val_loss.map(short), "After the last epoch"),
        ("Simulation time", summary.simulate_seconds.map(duration), "Simulation and writing"),
        ("Misfit R", summary.consistency_r.map(short), "Σ(|F| − √I)² / ΣI of the object; lower is better"),
        (
            "Phase correlation",
            summary.phase_correlation.map(correlation),
            "With the known object in the dataset; 1 is perfect",
        ),
        (
            "Amplitude correlation",
            summary.amplitude_correlation.map(correlation),
            "With the known object in the dataset; 1 is perfect",
        ),
    ]
    .into_iter()
    .filter_map(|(name, value, help)| Some((name, value?, help)))
    .collect();
    let columns = ((ui.available_width() / 138.0) as usize).clamp(2, figures.len().max(2));
    egui::Grid::new("figures").num_columns(columns).spacing([26.0, 6.0]).show(ui, |ui| {
        for (index, (name, value, help)) in figures.into_iter().enumerate() {
            let cell = ui.vertical(|ui| {
                ui.spacing_mut().item_spacing.y = 1.0;
                ui.style_mut().wrap_mode = Some(egui::TextWrapMode::Extend);
                ui.label(RichText::new(name).small().weak());
                ui.label(RichText::new(value).size(16.0));
            });
            cell.response.on_hover_text(help);
            if (index + 1) % columns == 0 {
                ui.end_row();
            }
        }
    });
}
