//! State, worker and library of the window, usable without a window.

use crate::error::Result;
use crate::library::Library;
use crate::library::Request;
use crate::session::{Action, Effect, Level, State, Step};
use crate::system::messages;
use crate::worker::{self, Worker};
use std::path::{Component, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

/// A request that only the window can carry out.
#[derive(Debug, Clone, PartialEq)]
pub enum WindowRequest {
    /// Show a message for a few seconds, with optional details.
    Toast(Level, String, Option<String>),
    /// Offer the list of runs with the latest message.
    OfferRuns,
    /// Remove warnings and errors about the file that was open.
    ClearProblems,
    /// Bring the panel of a step to the front.
    Show(Step),
    /// Ask the desktop for the user's attention.
    Attention,
}

/// State, worker and library.
pub struct AppCore {
    /// Everything the window shows.
    pub state: State,
    worker: Worker,
    library: Library,
    requests: Vec<WindowRequest>,
    /// Messages of libraries that are in the log already.
    messages: usize,
}

/// Absolute path without `..`, so that a file has one name in lists and settings.
fn absolute(path: PathBuf) -> PathBuf {
    let absolute = std::path::absolute(&path).unwrap_or(path);
    if absolute.components().any(|part| part == Component::ParentDir) {
        return std::fs::canonicalize(&absolute).unwrap_or(absolute);
    }
    absolute
}

impl AppCore {
    /// Starts both threads; `wake` is called when there is news from either.
    ///
    /// # Errors
    /// The system cannot start a thread.
    pub fn new(state: State, wake: impl Fn() + Send + Clone + 'static) -> Result<Self> {
        let worker = worker::spawn_behind(Box::new(wake.clone()))?;
        let library = Library::spawn(Box::new(wake))?;
        worker.set_pace(state.pace);
        library.request(Request::Runs { parent: state.runs_folder.clone() });
        library.request(Request::Presets { folder: state.presets_folder.clone() });
        Ok(Self { state, worker, library, requests: Vec::new(), messages: 0 })
    }

    /// Applies an action and carries out its effects.
    pub fn dispatch(&mut self, action: Action) {
        let action = match action {
            Action::Open(path) => Action::Open(absolute(path)),
            action => action,
        };
        let effects = self.state.dispatch(action);
        self.perform(effects);
        self.stamp_log();
    }

    /// Applies everything the threads have sent since the last call.
    pub fn poll(&mut self) {
        while let Ok(event) = self.worker.events().try_recv() {
            let effects = self.state.on_event(&event);
            self.perform(effects);
        }
        if let Some(picture) = self.worker.pictures().take() {
            self.state.on_picture(picture);
        }
        while let Ok(reply) = self.library.replies().try_recv() {
            let effects = self.state.on_reply(reply);
            self.perform(effects);
        }
        for message in messages::since(&mut self.messages) {
            let level = if message.is_error { Level::Error } else { Level::Warning };
            self.state.log_message(level, message.text);
        }
        self.stamp_log();
    }

    fn stamp_log(&mut self) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        self.state.stamp_log(now);
    }

    /// Requests the list of devices, shown before a job starts.
    pub fn list_devices(&self) {
        self.library.request(Request::Devices);
    }

    /// Removes and returns the pending requests to the window.
    pub fn take_requests(&mut self) -> Vec<WindowRequest> {
        std::mem::take(&mut self.requests)
    }

    fn perform(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Submit(job) => {
                    if let Err(error) = self.worker.submit(job) {
                        self.state.starting = false;
                        self.report_error(&error.to_string());
                    }
                }
                Effect::Control(control) => self.worker.switch().set(control),
                Effect::Pace(pace) => self.worker.set_pace(pace),
                Effect::Library(request) => self.library.request(request),
                Effect::CancelPreview => self.library.cancel_preview(),
                Effect::UnpackExample => self.library.request(Request::Example),
                Effect::Write { path, bytes } => self.library.request(Request::Write { path, bytes }),
                Effect::Trash(folder) => self.library.request(Request::Trash { folder }),
                Effect::Toast { level, text } => {
                    // The full message was logged just before.
                    let logged = self.state.log.last().filter(|entry| entry.level == level && entry.text != text);
                    let details = logged.map(|entry| entry.text.clone());
                    self.requests.push(WindowRequest::Toast(level, text, details));
                }
                Effect::OfferRuns => self.requests.push(WindowRequest::OfferRuns),
                Effect::ClearProblems => self.requests.push(WindowRequest::ClearProblems),
                Effect::Show(step) => self.requests.push(WindowRequest::Show(step)),
                Effect::Attention => self.requests.push(WindowRequest::Attention),
            }
        }
    }

    fn report_error(&mut self, text: &str) {
        self.dispatch(Action::Notify { level: Level::Error, text: text.to_owned() });
    }
}
