//! Queue of reconstructions, one card per dataset.

use super::method::{self, Way};
use super::{Outbox, train};
use crate::config::Config;
use crate::session::{Action, JobState, Level, QueueAction, QueuedJob, State, settings_of};
use crate::system::file_name;
use crate::ui::panels::configure::editor::value_text;
use crate::ui::theme;
use crate::ui::widgets::mark::mark;
use crate::ui::widgets::numbers::{count_of, short};
use crate::worker::message::Trust;
use eframe::egui::{self, Button, Frame, ProgressBar, RichText, ScrollArea, Ui};

/// Display state of the panel.
#[derive(Debug, Default)]
pub struct View {
    /// The set-up in words, and the configuration it was made for.
    set_up: Option<(Config, String)>,
}

impl View {
    /// Draws the panel.
    pub fn show(&mut self, ui: &mut Ui, state: &State, outbox: &mut Outbox, actions: &mut Vec<Action>) {
        let palette = theme::palette(ui);
        let queue = &state.queue;
        ui.horizontal_wrapped(|ui| {
            ui.label(RichText::new("Queue").heading());
            let open = state.dataset.as_ref().filter(|dataset| dataset.patterns.is_some());
            let add = ui.add_enabled(open.is_some(), Button::new("Add the open dataset"));
            let add = add.on_disabled_hover_text("Open a dataset first");
            if let Some(dataset) = open.filter(|_| add.clicked()) {
                actions.push(Action::Queue(QueueAction::Add(vec![dataset.path.clone()])));
            }
            if ui.button("Add a file…").clicked() {
                outbox.queue_file = true;
            }
            if ui
                .button("Add a folder…")
                .on_hover_text("All datasets in a folder, in the order of their names")
                .clicked()
            {
                outbox.queue_folder = true;
            }
            ui.separator();
            if queue.on {
                let help = "Do not start further jobs; the running one continues";
                if ui.button("Pause the queue").on_hover_text(help).clicked() {
                    actions.push(Action::Queue(QueueAction::Pause));
                }
            } else {
                let waiting = queue.waiting();
                let start = ui.add_enabled(waiting > 0, Button::new("Start the queue"));
                if start.on_disabled_hover_text("No job is waiting").clicked() {
                    actions.push(Action::Queue(QueueAction::Start));
                }
            }
            let done = queue.jobs.iter().any(|job| matches!(job.state, JobState::Done(..)));
            let clear = ui
                .add_enabled(done, Button::new("Clear finished"))
                .on_hover_text("Remove finished jobs from this list; their runs stay");
            if clear.clicked() {
                actions.push(Action::Queue(QueueAction::ClearDone));
            }
            let remove = ui.add_enabled(queue.waiting() > 0, Button::new("Remove waiting"));
            if remove.on_disabled_hover_text("No job is waiting").clicked() {
                actions.push(Action::Queue(QueueAction::RemoveWaiting));
            }
            let [ended, open] = queue.ended_and_open();
            if ended > 0 {
                let text = RichText::new(format!("{ended} of {} ended", ended + open)).color(palette.weak);
                ui.add(egui::Label::new(text).extend());
            }
        });
        method::choose(ui, state, actions);
        let config = state.draft.config();
        if self.set_up.as_ref().is_none_or(|(of, _)| of != config) {
            self.set_up = Some((config.clone(), set_up(config)));
        }
        let set_up = self.set_up.as_ref().map_or("", |(_, text)| text.as_str());
        ui.horizontal_wrapped(|ui| {
            ui.label(RichText::new(set_up).small().color(palette.weak));
            let waiting = queue.waiting();
            let help = "Give the waiting jobs the method and the settings of now";
            let text = format!("Use for {}", count_of(waiting, "waiting job"));
            if waiting > 0 && ui.small_button(text).on_hover_text(help).clicked() {
                actions.push(Action::Queue(QueueAction::UseSettings));
            }
        });
        ui.separator();
        if queue.jobs.is_empty() {
            let text = "Datasets added here are reconstructed one after the other, all with one set-up. Files dropped \
                        together on the window are added, too.";
            ui.label(RichText::new(text).color(palette.weak));
            return;
        }
        ScrollArea::vertical().auto_shrink([false, false]).show(ui, |ui| {
            let count = queue.jobs.len();
            for (place, job) in queue.jobs.iter().enumerate() {
                ui.push_id(job.number, |ui| card(ui, state, job, [place > 0, place + 1 < count], actions));
            }
        });
    }
}

/// What jobs added now will use.
fn set_up(config: &Config) -> String {
    let data: Vec<String> = settings_of(config)
        .iter()
        .map(|(path, text)| {
            let label = Config::field(path).map_or(path.as_str(), |field| field.label);
            format!("{label} {}", value_text(path, text))
        })
        .collect();
    let data = if data.is_empty() { "no data settings".to_owned() } else { data.join(", ") };
    format!(
        "Datasets are added with this method and the settings of now; {data}. A file with data settings of its own keeps them."
    )
}

/// One job.
fn card(ui: &mut Ui, state: &State, job: &QueuedJob, [up, down]: [bool; 2], actions: &mut Vec<Action>) {
    let palette = theme::palette(ui);
    let name = file_name(&job.dataset);
    let running = job.state == JobState::Running;
    let stroke = egui::Stroke::new(1.0, if running { palette.accent } else { palette.weak.gamma_multiply(0.35) });
    Frame::group(ui.style()).stroke(stroke).inner_margin(8).show(ui, |ui| {
        ui.set_width(ui.available_width());
        ui.horizontal(|ui| {
            let level = match job.state {
                JobState::Waiting | JobState::Running => Level::Info,
                JobState::Done(_, _, Some(Trust::Failed)) => Level::Error,
                JobState::Done(_, _, Some(Trust::Doubtful)) => Level::Warning,
                JobState::Done(..) => Level::Success,
                JobState::Failed(_) => Level::Error,
                JobState::Stopped => Level::Warning,
            };
            mark(ui, level, 14.0);
            ui.label(RichText::new(&name).strong()).on_hover_text(job.dataset.display().to_string());
            let way = match Way::of(&job.config) {
                Way::Direct => "direct solver",
                Way::Network => "network",
                Way::Polished => "network + polish",
            };
            ui.label(RichText::new(way).color(palette.weak));
            ui.with_layout(egui::Layout::right_to_left(egui::Align::Center), |ui| {
                buttons(ui, job, &name, [up, down], actions);
                match &job.state {
                    JobState::Waiting => ui.label(RichText::new("waiting").color(palette.weak)),
                    JobState::Running => {
                        let fraction = state.job.progress.fraction as f32;
                        let text = format!("{} {:.0} %", train::activity(state), 100.0 * fraction);
                        ui.add(ProgressBar::new(fraction).desired_width(220.0).text(text))
                    }
                    JobState::Done(_, misfit, trust) => {
                        let misfit = misfit.map_or_else(String::new, |misfit| format!(", misfit {}", short(misfit)));
                        let verdict = trust.map_or("done", Trust::name);
                        ui.label(RichText::new(format!("{verdict}{misfit}")).color(palette.level(level)))
                    }
                    JobState::Failed(reason) => {
                        ui.add(egui::Label::new(RichText::new(reason).color(palette.bad)).truncate())
                    }
                    JobState::Stopped => ui.label(RichText::new("stopped").color(palette.warning)),
                };
            });
        });
    });
}

/// Buttons of a job, from right to left.
fn buttons(ui: &mut Ui, job: &QueuedJob, name: &str, [up, down]: [bool; 2], actions: &mut Vec<Action>) {
    let button = |ui: &mut Ui, text: &str, about: &str, enabled: bool| {
        let button = ui.add_enabled(enabled, Button::new(text).small());
        let label = format!("{about}: {name}");
        button.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Button, enabled, &label));
        button.on_hover_text(about).clicked()
    };
    let running = job.state == JobState::Running;
    let mut push = |action| actions.push(Action::Queue(action));
    if button(ui, "×", "Remove", !running) {
        push(QueueAction::Remove(job.number));
    }
    if button(ui, "▼", "Move down", down && !running) {
        push(QueueAction::MoveDown(job.number));
    }
    if button(ui, "▲", "Move up", up && !running) {
        push(QueueAction::MoveUp(job.number));
    }
    if matches!(job.state, JobState::Failed(_) | JobState::Stopped) && button(ui, "Retry", "Retry", true) {
        push(QueueAction::Retry(job.number));
    }
    if let JobState::Done(folder, ..) = &job.state
        && button(ui, "Show result", "Show result", true)
    {
        actions.push(Action::ShowResult { folder: folder.clone(), beside: false });
    }
    if running && button(ui, "Stop", "Stop", true) {
        actions.push(Action::Steer(crate::worker::message::Control::Stop));
    }
}

/// Text for the tab: number of jobs that are not done.
pub(in crate::ui) fn badge(state: &State) -> String {
    let open = state.queue.waiting() + usize::from(state.queue.is_running());
    if open == 0 { String::new() } else { format!("  {}", count_of(open, "job")) }
}

#[cfg(test)]
mod tests {
    use super::super::harness::{harness, looks_as_accepted};
    use super::*;
    use egui_kittest::kittest::Queryable;

    fn filled() -> State {
        let mut state = State::default();
        let files = ["scan_301.npz", "scan_302.npz", "scan_303.npz", "scan_304.npz"];
        state.dispatch(Action::Queue(QueueAction::Add(files.map(|name| format!("/data/{name}").into()).to_vec())));
        state.queue.jobs[0].state = JobState::Done("runs/scan_301".into(), Some(0.0213), Some(Trust::Reliable));
        state.queue.jobs[1].state = JobState::Running;
        state.queue.jobs[2].state = JobState::Failed("The file has no probe".into());
        state.queue.on = true;
        state.starting = true;
        state
    }

    #[test]
    fn jobs_are_steered_by_their_buttons() {
        let mut panel = harness(filled(), View::show, [900.0, 420.0], egui::Theme::Dark);
        panel.get_by_label("reliable, misfit 0.0213");
        panel.get_by_label("The file has no probe");
        panel.get_by_label("Retry: scan_303.npz").click();
        panel.run_ok();
        assert_eq!(panel.state().state.queue.waiting(), 2);
        panel.get_by_label("Move up: scan_304.npz").click();
        panel.run_ok();
        assert_eq!(panel.state().state.queue.jobs[2].number, 4);
        panel.get_by_label("Remove: scan_301.npz").click();
        panel.run_ok();
        assert_eq!(panel.state().state.queue.jobs.len(), 3);
        panel.get_by_label("Pause the queue").click();
        panel.run_ok();
        panel.get_by_label("Start the queue");
        panel.get_by_label("Add a folder…").click();
        panel.run_ok();
        assert!(panel.state().outbox.queue_folder);
    }

    #[test]
    fn the_queue_looks_as_accepted() {
        looks_as_accepted(&filled(), View::show, [900.0, 320.0], "queue", &[]);
    }
}
