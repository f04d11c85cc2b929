//! Jobs on one worker, each run to its end: the only event loop of the command line.

use super::console::print_line;
use super::flags::OutputArgs;
use super::interrupt::stop_on_interrupt;
use super::progress::ProgressView;
use super::report;
use crate::error::{Error, Result};
use crate::session::{JobProgress, Status};
use crate::worker::Worker;
use crate::worker::message::{Event, EventKind, Job, JobOutcome, Trust};

/// A worker and the display of its progress.
pub(super) struct Jobs {
    worker: Worker,
    view: ProgressView,
    quiet: bool,
}

impl Jobs {
    /// Starts the worker. Ctrl-C stops the running job and keeps its result.
    ///
    /// # Errors
    /// The operating system cannot start a thread.
    pub(super) fn start(quiet: bool) -> Result<Self> {
        Self::start_with(quiet, true)
    }

    fn start_with(quiet: bool, keeps_result: bool) -> Result<Self> {
        let worker = crate::worker::spawn(Box::new(|| ()))?;
        stop_on_interrupt(worker.switch(), keeps_result)?;
        Ok(Self { worker, view: ProgressView::new(!quiet), quiet })
    }

    /// Prints a line on standard error, unless quiet.
    pub(super) fn print(&self, text: &str) {
        if !self.quiet {
            self.view.line(text);
        }
    }

    /// Runs a job to its end and prints its notes. If the user stops it, the result so far is kept.
    ///
    /// # Errors
    /// The error of the job.
    pub(super) fn run(&mut self, job: Job) -> Result<JobProgress> {
        self.run_observed(job, &mut |jobs, event| {
            jobs.print_note(event);
            Ok(())
        })
    }

    /// Runs a job whose partial result is of no use.
    ///
    /// # Errors
    /// The error of the job, or one that says that the user stopped it.
    pub(super) fn run_to_completion(&mut self, job: Job) -> Result<JobProgress> {
        let session = self.run(job)?;
        if session.status == Status::Finished(JobOutcome::Stopped) {
            return Err(Error::failed("Stopped at your request, before the result was complete"));
        }
        Ok(session)
    }

    /// Runs a job to its end and passes each event to `observe` once the progress shows it.
    ///
    /// # Errors
    /// The error of the job, or of `observe`.
    pub(super) fn run_observed(
        &mut self,
        job: Job,
        observe: &mut dyn FnMut(&Self, &Event) -> Result<()>,
    ) -> Result<JobProgress> {
        self.view = ProgressView::new(!self.quiet);
        self.worker.submit(job)?;
        let mut session = JobProgress::default();
        while let Ok(event) = self.worker.events().recv() {
            session.apply(&event);
            if !self.quiet {
                self.view.show(&session, &event.kind);
            }
            observe(self, &event)?;
            if session.has_ended() {
                break;
            }
        }
        match (session.status, &session.failure) {
            (_, Some(failure)) => Err(failure.error.clone()),
            (Status::Finished(_), _) => Ok(session),
            _ => Err(Error::failed("The worker ended without a result")),
        }
    }

    /// Prints the text of a note; other events print nothing.
    pub(super) fn print_note(&self, event: &Event) {
        match &event.kind {
            EventKind::Note { text } => self.print(text),
            EventKind::Warning { text } => self.print(&format!("Warning: {text}")),
            _ => {}
        }
    }
}

/// Runs one job of which the user sees everything: notes, progress, and the final report or all events as JSON. Returns the
/// exit code.
///
/// # Errors
/// The error of the job.
pub(super) fn run_one(job: Job, notes: &[String], output: OutputArgs) -> Result<u8> {
    let keeps_result = !matches!(job, Job::Simulate { .. } | Job::Diagnose { .. });
    let mut jobs = Jobs::start_with(output.is_silent(), keeps_result)?;
    notes.iter().for_each(|note| jobs.print(note));
    let session = jobs.run_observed(job, &mut |jobs, event| {
        // A failure is printed by `main`, like one before the job.
        if output.json && !matches!(event.kind, EventKind::Failed(_)) {
            print_event(event)?;
        }
        if let Some(line) = line_for(&event.kind) {
            jobs.print(&line);
        }
        Ok(())
    })?;
    if let Some(summary) = session.summary.as_ref().filter(|_| !output.is_silent()) {
        print_line(&report::report(&session, summary));
    }
    Ok(session.exit_code())
}

/// Line printed for an event, in addition to the progress.
fn line_for(kind: &EventKind) -> Option<String> {
    match kind {
        EventKind::Dataset(data) => Some(format!(
            "Dataset: {}, {} patterns of {side} × {side}, {} probe mode{}{}",
            data.path.display(),
            data.n,
            data.probe_modes,
            if data.probe_modes == 1 { "" } else { "s" },
            if data.has_object { ", with a reference object" } else { "" },
            side = data.side,
        )),
        EventKind::Device(device) => {
            Some(format!("Device: {} ({}, {})", device.name, device.kind.label(), device.backend))
        }
        EventKind::Folder { path } => Some(format!("Folder: {}", path.display())),
        EventKind::Note { text } => Some(format!("Note: {text}")),
        EventKind::Warning { text } => Some(format!("Warning: {text}")),
        EventKind::Trial(trial) => Some(format!(
            "Trial: {}: misfit of patterns left out {:.4}, unexplained relative to the data as they are {:.2}",
            trial.name, trial.held_out_misfit, trial.relative
        )),
        EventKind::Reliability(found) if found.verdict != Trust::Reliable => {
            Some(format!("Verdict: {}. {}. {}.", found.verdict.name(), found.reason, found.advice))
        }
        _ => None,
    }
}

fn print_event(event: &Event) -> Result<()> {
    let line = serde_json::to_string(event)
        .map_err(|error| Error::failed(format!("Cannot write an event as JSON ({error})")))?;
    print_line(&line);
    Ok(())
}
