//! State, worker and library of the window, usable without a window.

use crate::error::Result;
use crate::library::Library;
use crate::library::Request;
use crate::session::{Action, Effect, Level, State, Step};
use crate::worker::{self, Worker};

/// A request that only the window can carry out.
#[derive(Debug, Clone, PartialEq)]
pub enum WindowRequest {
    /// Show a message for a few seconds, with optional details.
    Toast(Level, String, Option<String>),
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
        Ok(Self { state, worker, library, requests: Vec::new() })
    }

    /// Applies an action and carries out its effects.
    pub fn dispatch(&mut self, action: Action) {
        let effects = self.state.dispatch(action);
        self.perform(effects);
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
                Effect::Show(step) => self.requests.push(WindowRequest::Show(step)),
                Effect::Attention => self.requests.push(WindowRequest::Attention),
            }
        }
    }

    fn report_error(&mut self, text: &str) {
        self.dispatch(Action::Notify { level: Level::Error, text: text.to_owned() });
    }
}
