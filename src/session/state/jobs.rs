//! Submission of jobs.

use super::State;
use crate::config::{Config, Method};
use crate::session::action::{Effect, Level, Step};
use crate::session::file_settings;
use crate::session::queue::excluded_of_others;
use crate::worker::message::{Control, Destination, Job, WatchMethod};
use std::time::Duration;

/// Time for which a file of a watched folder must be unchanged before it is read.
const SETTLE: Duration = Duration::from_secs(2);

impl State {
    pub(super) fn start(&mut self) -> Vec<Effect> {
        if let Some(reason) = self.why_not_start() {
            return self.notify(Level::Warning, reason);
        }
        let Some(dataset) = self.dataset.as_ref().map(|dataset| dataset.path.clone()) else { return Vec::new() };
        let config = Box::new(self.draft.config().clone());
        let output_dir = Destination::Below(self.runs_folder.clone());
        self.submit(Job::Run { dataset, validation: None, output_dir, config })
    }

    /// Trains the model of the latest job further; the configuration being edited stays as it is.
    pub(super) fn train_more(&mut self, seconds: u64) -> Vec<Effect> {
        if let Some(reason) = self.why_not_start() {
            return self.notify(Level::Warning, reason);
        }
        let model = self.job.summary.as_ref().and_then(|summary| summary.model.clone());
        let (Some(dataset), Some(model)) = (self.dataset.as_ref().map(|dataset| dataset.path.clone()), model) else {
            return self.notify(Level::Warning, "The latest job has no model".to_owned());
        };
        let mut config = self.draft.config().clone();
        config.training.start_from = model.display().to_string();
        (config.training.time_budget_s, config.training.epochs) = (Some(seconds as f64), None);
        let output_dir = Destination::Below(self.runs_folder.clone());
        self.submit(Job::Run { dataset, validation: None, output_dir, config: Box::new(config) })
    }

    /// Submits the trials; the step stays the same, since their results appear beside the data.
    pub(super) fn diagnose(&mut self) -> Vec<Effect> {
        if let Some(reason) = self.why_not_diagnose() {
            return self.notify(Level::Warning, reason);
        }
        let Some(dataset) = self.dataset.as_ref().map(|dataset| dataset.path.clone()) else { return Vec::new() };
        let step = self.step;
        let config = Box::new(self.draft.config().clone());
        let effects = self.submit(Job::Diagnose { dataset, output_dir: None, config });
        self.step = step;
        effects.into_iter().filter(|effect| !matches!(effect, Effect::Show(_))).collect()
    }

    pub(super) fn reconstruct(&mut self) -> Vec<Effect> {
        if let Some(reason) = self.why_not_reconstruct() {
            return self.notify(Level::Warning, reason);
        }
        let (Some(bundle), Some(dataset)) = (&self.bundle, &self.dataset) else { return Vec::new() };
        let (model, dataset) = (bundle.path.clone(), dataset.path.clone());
        let output_dir = Destination::Below(self.runs_folder.clone());
        // The model's own data settings are those of the dataset it was trained on.
        let mut settings = file_settings::all_settings(self.draft.config());
        settings.retain(|(path, _)| Config::check_settable_in_inference(path).is_ok());
        self.submit(Job::Infer { model, dataset, output_dir, settings })
    }

    pub(super) fn polish(&mut self) -> Vec<Effect> {
        if let Some(reason) = self.why_not_polish() {
            return self.notify(Level::Warning, reason);
        }
        let Some(run) = self.result.as_ref().map(|result| result.folder.clone()) else { return Vec::new() };
        let output_dir = Destination::Below(self.runs_folder.clone());
        self.submit(Job::Polish { run, output_dir, settings: Vec::new() })
    }

    pub(super) fn start_watch(&mut self) -> Vec<Effect> {
        if let Some(reason) = self.why_not_watch() {
            return self.notify(Level::Warning, reason);
        }
        let Some(folder) = self.watch.folder.clone() else { return Vec::new() };
        let method = match &self.bundle {
            Some(bundle) if !self.watches_directly() => {
                let epochs = self.watch.polish_epochs.to_string();
                let settings = vec![("inference.polish_epochs".to_owned(), epochs)];
                WatchMethod::Model { model: bundle.path.clone(), settings }
            }
            _ => {
                let mut config = Box::new(self.draft.config().clone());
                config.training.method = Method::Direct;
                config.data.exclude = excluded_of_others(&config.data.exclude).to_owned();
                WatchMethod::Direct(config)
            }
        };
        self.starting = true;
        self.control = Control::Run;
        let job = Job::Watch { method, folder, output_dir: None, once: false, settle: SETTLE };
        vec![Effect::Control(Control::Run), Effect::Submit(job)]
    }

    /// Submits a job and shows its progress.
    pub(super) fn submit(&mut self, job: Job) -> Vec<Effect> {
        self.starting = true;
        self.control = Control::Run;
        self.step = Step::Train;
        vec![Effect::Control(Control::Run), Effect::Pace(self.pace), Effect::Submit(job), Effect::Show(Step::Train)]
    }
}
