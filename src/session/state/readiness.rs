//! Readiness of the jobs: reasons why they cannot start.

use super::State;
use crate::session::action::Step;
use crate::session::job_progress::Status;
use crate::worker::message::JobKind;

impl State {
    /// True if a job is running or about to start.
    pub fn is_busy(&self) -> bool {
        self.starting || self.job.status == Status::Running
    }

    /// Reason why training cannot start; `None` if it can.
    pub fn why_not_start(&self) -> Option<String> {
        if self.is_busy() {
            return Some("A job is running".to_owned());
        }
        let Some(dataset) = &self.dataset else { return Some("Open a dataset first".to_owned()) };
        if let Some(failure) = dataset.failure.as_ref().filter(|_| !dataset.loading) {
            return Some(format!("The dataset cannot be used. {}", failure.problem().title));
        }
        if dataset.patterns.is_none() {
            return Some("The dataset is still loading".to_owned());
        }
        self.draft.problems().into_iter().next()
    }

    /// Reason why the trials of a diagnosis cannot start; `None` if they can.
    pub fn why_not_diagnose(&self) -> Option<String> {
        if self.is_busy() {
            return Some("A job is running".to_owned());
        }
        let open = self.dataset.as_ref().is_some_and(|dataset| dataset.patterns.is_some());
        (!open).then(|| "Open a dataset first".to_owned())
    }

    /// Reason why the dataset cannot be reconstructed with the bundle; `None` if it can.
    pub fn why_not_reconstruct(&self) -> Option<String> {
        if self.is_busy() {
            return Some("A job is running".to_owned());
        }
        let Some(bundle) = &self.bundle else { return Some("Open a model, or train one".to_owned()) };
        let Some(patterns) = self.dataset.as_ref().and_then(|dataset| dataset.patterns.as_ref()) else {
            return Some("Open a dataset first".to_owned());
        };
        let (here, there) = (patterns.dataset.patch_size(), bundle.manifest.dataset.patch_size);
        (here != there)
            .then(|| format!("The model needs patterns of {there} × {there} pixels; the dataset has {here} × {here}"))
    }

    /// Reason why the displayed result cannot be polished; `None` if it can.
    pub fn why_not_polish(&self) -> Option<String> {
        if self.is_busy() {
            return Some("A job is running".to_owned());
        }
        let Some(result) = &self.result else { return Some("There is no result yet".to_owned()) };
        let gone = "Polishing needs the dataset of this run, which was moved or deleted";
        result.residuals.is_empty().then(|| gone.to_owned())
    }

    /// Reason why watching cannot start; `None` if it can.
    pub fn why_not_watch(&self) -> Option<String> {
        if self.is_busy() {
            return Some("A job is running".to_owned());
        }
        if self.watches_directly() {
            // Patterns and positions of different scans must not be mixed.
            let mapping = &self.draft.config().data.mapping;
            if !mapping.positions_file.is_empty() {
                let text =
                    "“Position file” names the positions of one scan: remove it, or use the queue for these scans";
                return Some(text.to_owned());
            }
            if let Some(problem) = self.draft.problems().into_iter().next() {
                return Some(problem);
            }
        } else if self.bundle.is_none() {
            return Some("Open a model first, or train one".to_owned());
        }
        self.watch.folder.is_none().then(|| "Choose the folder to watch".to_owned())
    }

    /// True if a watched folder is reconstructed with the direct solver.
    pub fn watches_directly(&self) -> bool {
        self.watch.direct.unwrap_or(self.bundle.is_none())
    }

    /// True while a folder is being watched.
    pub fn is_watching(&self) -> bool {
        self.job.is(JobKind::Watch) && self.job.status == Status::Running
    }

    /// True if the latest job was about the open dataset.
    pub fn job_is_of_dataset(&self) -> bool {
        let (open, of_job) = (self.dataset.as_ref(), self.job.dataset.as_ref());
        open.zip(of_job).is_none_or(|(open, of_job)| open.path == of_job.path)
    }

    /// True if the displayed result is one of the open dataset.
    pub fn has_result_of_dataset(&self) -> bool {
        let Some(result) = &self.result else { return false };
        let open = self.dataset.as_ref().map(|dataset| dataset.path.as_path());
        open.zip(result.dataset()).is_none_or(|(open, of_result)| open == of_result)
    }

    /// The recommended next step, seen from this one.
    pub fn next_step_after(&self, step: Step) -> Step {
        if self.is_watching() {
            step
        } else if self.is_busy() {
            Step::Train
        } else if self.dataset.as_ref().is_none_or(|dataset| dataset.patterns.is_none()) {
            Step::Data
        } else if self.has_result_of_dataset() {
            Step::Result
        } else if step == Step::Data {
            Step::Configure
        } else {
            Step::Train
        }
    }
}
