//! Events of the worker.

use super::State;
use crate::library::Request;
use crate::session::action::{Action, Effect, Level};
use crate::session::live_pictures::LivePictures;
use crate::session::wording::in_window;
use crate::system::file_name;
use crate::worker::message::{Control, Event, EventKind, FileStatus, JobKind, JobOutcome, Picture, Summary};
use std::time::Duration;

impl State {
    /// Applies an event of the worker and returns the resulting effects.
    pub fn on_event(&mut self, event: &Event) -> Vec<Effect> {
        self.job.apply(event);
        let mut effects = Vec::new();
        match &event.kind {
            EventKind::Started { kind } => {
                self.starting = false;
                self.live_pictures = LivePictures::default();
                self.add_log(Some(event.at), Level::Info, format!("Started job {}: {}", event.job, kind.name()));
            }
            EventKind::Warning { text } => self.add_log(Some(event.at), Level::Warning, in_window(text)),
            EventKind::Dataset(data) if self.dataset.is_none() && self.job.is(JobKind::Resume) => {
                // A resumed run brings its dataset into the Data panel, without leaving the progress.
                let step = self.step;
                let opened = self.open_dataset(data.path.clone());
                effects.extend(opened.into_iter().filter(|effect| !matches!(effect, Effect::Show(_))));
                self.step = step;
            }
            EventKind::Note { text } => self.add_log(Some(event.at), Level::Info, in_window(text)),
            EventKind::Device(device) => {
                self.add_log(Some(event.at), Level::Info, format!("Device: {} ({})", device.name, device.kind.label()));
            }
            EventKind::File(file) => {
                let name = file_name(&file.path);
                match &file.status {
                    FileStatus::Done { patterns, .. } => {
                        let each = file.status.ms_per_pattern().unwrap_or_default();
                        let text = format!("Reconstructed {name}: {patterns} patterns, {each:.2} ms each");
                        self.add_log(Some(event.at), Level::Info, text);
                    }
                    FileStatus::Failed { message } => {
                        self.add_log(Some(event.at), Level::Error, message.clone());
                        effects.push(Effect::Toast { level: Level::Error, text: format!("Cannot use {name}") });
                    }
                    FileStatus::Waiting | FileStatus::Working | FileStatus::Skipped | FileStatus::Aborted => {}
                }
            }
            EventKind::Finished(_) if self.job.is(JobKind::Watch) => {
                self.control = Control::Run;
                let text = format!("Watching ended: {}", self.job.watched.summary());
                self.add_log(Some(event.at), Level::Info, text.clone());
                let toast = Effect::Toast { level: Level::Info, text };
                effects.extend([Effect::Control(Control::Run), Effect::Attention, toast]);
            }
            EventKind::Finished(summary) => return self.on_finished(event.at, summary),
            EventKind::Failed(failure) => {
                self.control = Control::Run;
                effects.push(Effect::Control(Control::Run));
                effects.push(Effect::Attention);
                self.add_log(Some(event.at), Level::Error, in_window(&failure.message));
                effects.push(Effect::Toast { level: Level::Error, text: failure.problem().title.clone() });
                effects.extend(self.dispatch(Action::RefreshRuns));
                effects.extend(self.queued_job_failed(&failure.problem().title));
            }
            _ => {}
        }
        effects
    }

    /// Adds a live picture of the running job.
    pub fn on_picture(&mut self, picture: Picture) {
        if picture.job == self.job.job {
            self.live_pictures.push(picture);
        }
    }

    fn on_finished(&mut self, at: Duration, summary: &Summary) -> Vec<Effect> {
        self.control = Control::Run;
        let (level, text) = match summary.outcome {
            JobOutcome::Completed => (Level::Success, self.job.kind.map_or("Done", completed)),
            JobOutcome::Stopped => (Level::Success, "Stopped; the result so far is saved"),
            JobOutcome::Discarded => (Level::Info, "Stopped; nothing was saved"),
            JobOutcome::RestoredAfterNan => {
                (Level::Warning, "The loss diverged (NaN); the last good weights are saved")
            }
        };
        self.add_log(Some(at), level, text.to_owned());
        let toast = Effect::Toast { level, text: text.to_owned() };
        if let Some(next) = self.queued_job_finished(summary) {
            let mut effects = vec![Effect::Control(Control::Run)];
            effects.extend(self.dispatch(Action::RefreshRuns));
            effects.extend(next);
            return effects;
        }
        let mut effects = vec![Effect::Control(Control::Run), Effect::Attention, toast];
        let has_object = self.job.saved.iter().any(|path| path.ends_with("reconstruction.npz"));
        if let Some(folder) = self.job.output_dir.clone().filter(|_| summary.outcome != JobOutcome::Discarded) {
            if has_object && self.job.is(JobKind::Polish) {
                // Shows the object before polishing beside the new one.
                self.beside.clone_from(&self.result);
            }
            if has_object {
                effects.extend(self.dispatch(Action::ShowResult { folder, beside: false }));
            }
            if let Some(model) = summary.model.clone().filter(|_| summary.steps.is_some()) {
                effects.push(Effect::Library(Request::Bundle { path: model }));
            }
        }
        let next = match self.job.kind {
            Some(JobKind::Simulate) => Action::Open(summary.dataset.path.clone()),
            _ => Action::RefreshRuns,
        };
        effects.extend(self.dispatch(next));
        effects
    }
}

/// Message for a completed job.
fn completed(job: JobKind) -> &'static str {
    match job {
        JobKind::Diagnose => "Diagnosis completed",
        JobKind::Simulate => "Simulation completed",
        JobKind::Train => "Training completed",
        JobKind::Polish => "Polishing completed",
        JobKind::Watch => "Watching ended",
        JobKind::Infer | JobKind::Run | JobKind::Resume => "Reconstruction completed",
    }
}
