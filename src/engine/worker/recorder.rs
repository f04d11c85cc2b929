//! Record of a job: its events, its log `log.txt`, and the notes and files for its summary.

use super::context::Context;
use super::message::EventKind;
use crate::checkpoint::{RunFolder, RunLock, Utc, write_atomic};
use crate::error::{Error, Result};
use crate::system::{clear_leftovers, messages};
use std::cell::RefCell;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// Sends the events of a job and keeps its log.
pub(super) struct Recorder<'a> {
    context: &'a Context<'a>,
    started: Instant,
    state: RefCell<State>,
}

#[derive(Default)]
struct State {
    log: Option<File>,
    /// Keeps other programs out of the run folder.
    lock: Option<RunLock>,
    folder: Option<RunFolder>,
    /// Log lines from before there was a folder.
    pending: Vec<String>,
    notes: Vec<String>,
    warnings: Vec<String>,
    files: Vec<PathBuf>,
    /// Messages of libraries that are in the log already.
    messages: usize,
}

impl<'a> Recorder<'a> {
    /// A recorder without a folder yet.
    pub(super) fn new(context: &'a Context<'_>) -> Self {
        let mut state = State::default();
        // Earlier messages belong to earlier jobs.
        messages::since(&mut state.messages);
        let recorder = Self { context, started: Instant::now(), state: RefCell::new(state) };
        recorder.log(&format!("Ptychoscope {} at {}", env!("CARGO_PKG_VERSION"), Utc::now()));
        recorder
    }

    /// The job's context.
    pub(super) fn context(&self) -> &'a Context<'a> {
        self.context
    }

    /// Opens the run folder of the job; its log is started anew.
    ///
    /// # Errors
    /// Another program is working in it, or the log cannot be written.
    pub(super) fn open_folder(&self, folder: &RunFolder) -> Result<()> {
        self.attach(folder, OpenOptions::new().write(true).create(true).truncate(true))
    }

    /// As [`Recorder::open_folder`], for a resumed job: its log is continued.
    ///
    /// # Errors
    /// As [`Recorder::open_folder`].
    pub(super) fn reopen_folder(&self, folder: &RunFolder) -> Result<()> {
        self.attach(folder, OpenOptions::new().append(true).create(true))
    }

    fn attach(&self, folder: &RunFolder, options: &OpenOptions) -> Result<()> {
        let (lock, before) = RunLock::take(folder.path())?;
        let leftovers = clear_leftovers(folder.path());
        let path = folder.log();
        let mut file = options.open(&path).map_err(|error| Error::writing(&path, &error))?;
        let mut state = self.state.borrow_mut();
        let lines: String = state.pending.drain(..).map(|line| line + "\n").collect();
        file.write_all(lines.as_bytes()).map_err(|error| Error::writing(&path, &error))?;
        state.log = Some(file);
        state.lock = Some(lock);
        state.folder = Some(folder.clone());
        drop(state);
        if let Some(owner) = before {
            self.note(format!("The previous process using this folder was killed ({owner})."));
        }
        if leftovers > 0 {
            self.log(&format!("removed {leftovers} unfinished temporary files"));
        }
        self.emit(EventKind::Folder { path: folder.path().to_path_buf() });
        Ok(())
    }

    /// The run folder, once opened.
    pub(super) fn folder(&self) -> Option<RunFolder> {
        self.state.borrow().folder.clone()
    }

    /// Sends an event and logs it if it is of lasting interest.
    pub(super) fn emit(&self, kind: EventKind) {
        let messages = messages::since(&mut self.state.borrow_mut().messages);
        for message in messages {
            self.log(&format!("{}: {}", if message.is_error { "error" } else { "warning" }, message.text));
        }
        match &kind {
            EventKind::Dataset(data) => self.log(&format!(
                "dataset {}: {} patterns of {} x {}, fingerprint {}",
                data.path.display(),
                data.n,
                data.side,
                data.side,
                data.fingerprint
            )),
            EventKind::Device(device) => {
                self.log(&format!("device {} ({}, {})", device.name, device.backend, device.driver));
            }
            EventKind::Note { text } => {
                self.log(&format!("note: {text}"));
                self.state.borrow_mut().notes.push(text.clone());
            }
            EventKind::Warning { text } => {
                self.log(&format!("warning: {text}"));
                self.state.borrow_mut().warnings.push(text.clone());
            }
            EventKind::Reliability(found) => {
                self.log(&format!("verdict {}: {}. {}", found.verdict.name(), found.reason, found.advice));
            }
            EventKind::Stage { stage } => self.log(&stage.label().to_lowercase()),
            EventKind::Epoch(point) => {
                let validation =
                    point.val_loss.map_or_else(String::new, |loss| format!(", validation loss {loss:.6e}"));
                self.log(&format!(
                    "epoch {}: step {}, loss {:.6e}{validation}, learning rate {:.3e}",
                    point.epoch, point.step, point.train_loss, point.learning_rate
                ));
            }
            _ => {}
        }
        self.context.emit(kind);
    }

    /// Sends and logs a remark for the user.
    pub(super) fn note(&self, text: impl Into<String>) {
        self.emit(EventKind::Note { text: text.into() });
    }

    /// Sends and logs a warning, once.
    pub(super) fn warn(&self, text: impl Into<String>) {
        let text = text.into();
        if !self.state.borrow().warnings.contains(&text) {
            self.emit(EventKind::Warning { text });
        }
    }

    /// Writes a file atomically and reports it.
    ///
    /// # Errors
    /// The file cannot be written.
    pub(super) fn write(&self, path: &Path, bytes: &[u8]) -> Result<()> {
        write_atomic(path, bytes)?;
        self.report_file(path);
        Ok(())
    }

    /// Removes the files that the job wrote, and the folder if it is then empty.
    pub(super) fn discard(&self, folder: &RunFolder, unlisted: &[PathBuf]) {
        let lock = {
            let mut state = self.state.borrow_mut();
            state.log = None;
            state.lock.take()
        };
        let written = std::mem::take(&mut self.state.borrow_mut().files);
        for file in written.iter().chain(unlisted).chain([&folder.log()]) {
            let _not_there = std::fs::remove_file(file);
        }
        drop(lock);
        let _not_empty = std::fs::remove_dir(folder.path());
    }

    /// Reports a file that was written.
    pub(super) fn report_file(&self, path: &Path) {
        let mut state = self.state.borrow_mut();
        if !state.files.iter().any(|file| file == path) {
            state.files.push(path.to_path_buf());
        }
        drop(state);
        self.emit(EventKind::Saved { path: path.to_path_buf() });
    }

    /// Writes a line of the log; failure to do so does not stop the job.
    pub(super) fn log(&self, text: &str) {
        let line = format!("{:9.2} s  {text}", self.started.elapsed().as_secs_f64());
        let mut state = self.state.borrow_mut();
        match &mut state.log {
            Some(file) => {
                // In one call, so that the line is written completely or not at all.
                let _unwritable = file.write_all((line + "\n").as_bytes());
            }
            None => state.pending.push(line),
        }
    }

    /// All notes so far, in order.
    pub(super) fn notes(&self) -> Vec<String> {
        self.state.borrow().notes.clone()
    }

    /// All warnings so far, in order.
    pub(super) fn warnings(&self) -> Vec<String> {
        self.state.borrow().warnings.clone()
    }

    /// Paths of the files written so far, in order, each once.
    pub(super) fn files(&self) -> Vec<PathBuf> {
        self.state.borrow().files.clone()
    }
}
