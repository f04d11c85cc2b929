//! State, worker and reader together: what the window works at, without a window.

use crate::error::Result;
use crate::session::{Action, Effect, Level, State, Step};
use crate::worker::message::Request;
use crate::worker::reader::Reader;
use crate::worker::{self, Worker};

/// What only the window itself can do.
#[derive(Debug, Clone, PartialEq)]
pub enum Wish {
    /// Show a message for a while, with details where there are any.
    Toast(Level, String, Option<String>),
    /// Bring a step to the front.
    Show(Step),
    /// Ask for attention.
    Attention,
}

/// State, worker and reader.
pub struct Desk {
    /// Everything that is shown.
    pub state: State,
    worker: Worker,
    reader: Reader,
    wishes: Vec<Wish>,
}

impl Desk {
    /// Starts both threads; `wake` is called when there is something new.
    ///
    /// # Errors
    /// The system gives no thread.
    pub fn new(state: State, wake: impl Fn() + Send + Clone + 'static) -> Result<Self> {
        let worker = worker::spawn_behind(Box::new(wake.clone()))?;
        let reader = Reader::spawn(Box::new(wake))?;
        worker.set_pace(state.pace);
        reader.request(Request::Runs { parent: state.runs_folder.clone() });
        reader.request(Request::Presets { folder: state.presets_folder.clone() });
        Ok(Self { state, worker, reader, wishes: Vec::new() })
    }

    /// Carries an action out.
    pub fn act(&mut self, action: Action) {
        let effects = self.state.act(action);
        self.perform(effects);
    }

    /// Takes in everything that has come from the threads since the last call.
    pub fn listen(&mut self) {
        while let Ok(event) = self.worker.events().try_recv() {
            let effects = self.state.hear(&event);
            self.perform(effects);
        }
        if let Some(picture) = self.worker.pictures().take() {
            self.state.look(picture);
        }
        while let Ok(reply) = self.reader.replies().try_recv() {
            let effects = self.state.learn(reply);
            self.perform(effects);
        }
    }

    /// Has the devices listed, for what is said about them before a job starts.
    pub fn list_devices(&self) {
        self.reader.request(Request::Devices);
    }

    /// Takes out what only the window can do.
    pub fn wishes(&mut self) -> Vec<Wish> {
        std::mem::take(&mut self.wishes)
    }

    fn perform(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Submit(job) => {
                    if let Err(error) = self.worker.submit(job) {
                        self.state.starting = false;
                        self.complain(&error.to_string());
                    }
                }
                Effect::Control(control) => self.worker.switch().set(control),
                Effect::Pace(pace) => self.worker.set_pace(pace),
                Effect::Read(request) => self.reader.request(request),
                Effect::CancelLook => self.reader.cancel_look(),
                Effect::UnpackExample => self.reader.request(Request::Example),
                Effect::Write { path, bytes } => self.reader.request(Request::Write { path, bytes }),
                Effect::Trash(folder) => self.reader.request(Request::Trash { folder }),
                Effect::Toast { level, text } => {
                    // The log was told first, and in full.
                    let said = self.state.log.last().filter(|entry| entry.level == level && entry.text != text);
                    let details = said.map(|entry| entry.text.clone());
                    self.wishes.push(Wish::Toast(level, text, details));
                }
                Effect::Show(step) => self.wishes.push(Wish::Show(step)),
                Effect::Attention => self.wishes.push(Wish::Attention),
            }
        }
    }

    fn complain(&mut self, text: &str) {
        self.act(Action::Say { level: Level::Error, text: text.to_owned() });
    }
}
