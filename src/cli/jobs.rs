//! Several jobs on one worker, one after the other, each waited for.

use super::progress::ProgressView;
use super::run::stop_on_interrupt;
use crate::error::{Error, Result};
use crate::session::{Session, Status};
use crate::worker::Worker;
use crate::worker::message::{EventKind, Job, JobOutcome};

/// A worker and the view of its progress.
pub(super) struct Jobs {
    worker: Worker,
    view: ProgressView,
    quiet: bool,
}

impl Jobs {
    /// Starts the worker; Ctrl-C stops the job that runs.
    ///
    /// # Errors
    /// The system gives no thread.
    pub(super) fn start(quiet: bool) -> Result<Self> {
        let worker = crate::worker::spawn(Box::new(|| ()))?;
        stop_on_interrupt(worker.switch(), true)?;
        Ok(Self { worker, view: ProgressView::new(!quiet), quiet })
    }

    /// A line on standard error, unless quiet.
    pub(super) fn say(&self, text: &str) {
        if !self.quiet {
            self.view.line(text);
        }
    }

    /// Does a job to its end; it may have been stopped by the user, with the result so far kept.
    ///
    /// # Errors
    /// The job's own.
    pub(super) fn run(&mut self, job: Job) -> Result<Session> {
        self.run_told(job, &mut |_, _| {})
    }

    /// As [`Jobs::run`], and tells of each event.
    ///
    /// # Errors
    /// The job's own.
    pub(super) fn run_told(&mut self, job: Job, tell: &mut dyn FnMut(&Self, &EventKind)) -> Result<Session> {
        if !self.quiet {
            self.view = ProgressView::new(true);
        }
        self.worker.submit(job)?;
        let mut session = Session::default();
        while let Ok(event) = self.worker.events().recv() {
            session.apply(&event);
            if !self.quiet {
                self.view.show(&session, &event.kind);
                if let EventKind::Note { text } = &event.kind {
                    self.view.line(text);
                }
            }
            tell(self, &event.kind);
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

    /// Does a job of which only the whole result is of use.
    ///
    /// # Errors
    /// The job's own, and one for a job that was stopped by the user.
    pub(super) fn run_whole(&mut self, job: Job) -> Result<Session> {
        let session = self.run(job)?;
        if session.status == Status::Finished(JobOutcome::Stopped) {
            return Err(Error::failed("Stopped as you asked, before the result was complete"));
        }
        Ok(session)
    }
}
