//! Dialogs for paths: a text field, and a button for the file dialog of the system, which runs on its own thread.
//!
//! Hazard: without a desktop portal the system's dialog returns at once, as if it had been canceled. Remedy: a built-in
//! dialog with a text field is always shown and offers the system's dialog as a button.

use super::theme;
use eframe::egui::{self, Key, Modal, RichText};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, channel};

/// Kind of path to ask for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Question {
    /// Existing dataset, model or configuration to open.
    OpenFile,
    /// Existing input file of another kind.
    ChooseFile {
        /// Title of the dialog.
        title: String,
    },
    /// Existing folder.
    OpenFolder,
    /// File to write.
    SaveFile {
        /// Proposed file name.
        name: String,
    },
}

/// An open dialog; `purpose` is returned with the path.
pub(super) struct Dialog<T> {
    question: Question,
    purpose: T,
    text: String,
    system: Option<Receiver<Option<PathBuf>>>,
    focused: bool,
    hint: Option<String>,
}

/// State of a dialog after a frame.
pub(super) enum Answer<T> {
    /// Still open.
    Open(Dialog<T>),
    /// Closed with a path.
    Chosen(T, PathBuf),
    /// Closed without a path.
    Canceled,
}

impl<T> Dialog<T> {
    /// Opens a dialog whose text field starts with `text`.
    pub(super) fn new(question: Question, purpose: T, text: String) -> Self {
        Self { question, purpose, text, system: None, focused: false, hint: None }
    }

    /// Draws the dialog; call each frame until it ends.
    pub(super) fn show(mut self, context: &egui::Context) -> Answer<T> {
        if let Some(receiver) = &self.system {
            match receiver.try_recv() {
                Ok(Some(path)) => return Answer::Chosen(self.purpose, path),
                Ok(None) => {
                    self.system = None;
                    self.hint = Some("No file was chosen. If no file dialog opens, type or paste the path.".to_owned());
                }
                Err(std::sync::mpsc::TryRecvError::Disconnected) => self.system = None,
                Err(std::sync::mpsc::TryRecvError::Empty) => {
                    context.request_repaint_after(std::time::Duration::from_millis(100));
                }
            }
        }
        let (mut accepted, mut canceled) = (false, false);
        let title = match &self.question {
            Question::OpenFile => "Open a dataset, model or configuration".to_owned(),
            Question::ChooseFile { title } => title.clone(),
            Question::OpenFolder => "Open a folder".to_owned(),
            Question::SaveFile { .. } => "Save as".to_owned(),
        };
        let modal = Modal::new(egui::Id::unique("path dialog")).show(context, |ui| {
            ui.set_width(520.0);
            ui.heading(title);
            ui.add_space(4.0);
            let label = ui.label("Path");
            let field = ui.add(
                egui::TextEdit::singleline(&mut self.text)
                    .desired_width(f32::INFINITY)
                    .hint_text("Type or paste a path, or browse"),
            );
            let field = field.labelled_by(label.id);
            if !std::mem::replace(&mut self.focused, true) {
                field.request_focus();
            }
            accepted |= field.lost_focus() && ui.input(|input| input.key_pressed(Key::Enter));
            if let Some(hint) = &self.hint {
                ui.weak(hint);
            }
            let saving = matches!(self.question, Question::SaveFile { .. });
            if saving && Path::new(self.text.trim()).is_file() {
                let text = RichText::new("This file exists and will be overwritten");
                ui.label(text.color(theme::palette(ui).warning));
            }
            ui.add_space(8.0);
            ui.horizontal(|ui| {
                let waiting = self.system.is_some();
                if ui.add_enabled(!waiting, egui::Button::new("Browse…")).clicked() {
                    self.system = Some(ask_system(self.question.clone(), &self.text));
                }
                ui.with_layout(egui::Layout::right_to_left(egui::Align::Center), |ui| {
                    let problem = problem(&self.question, Path::new(self.text.trim()));
                    let button =
                        ui.add_enabled(problem.is_none(), egui::Button::new(if saving { "Save" } else { "Open" }));
                    let button = match &problem {
                        Some(reason) => button.on_disabled_hover_text(*reason),
                        None => button,
                    };
                    accepted = (accepted || button.clicked()) && problem.is_none();
                    canceled |= ui.button("Cancel").clicked();
                });
            });
        });
        canceled |= modal.should_close();
        if accepted {
            Answer::Chosen(self.purpose, PathBuf::from(self.text.trim()))
        } else if canceled {
            Answer::Canceled
        } else {
            Answer::Open(self)
        }
    }
}

/// Reason why a path cannot be used; `None` if it can.
fn problem(question: &Question, path: &Path) -> Option<&'static str> {
    if path.as_os_str().is_empty() {
        return Some("Enter a path");
    }
    match question {
        Question::OpenFile | Question::ChooseFile { .. } if !path.exists() => Some("File not found"),
        Question::OpenFolder if !path.is_dir() => Some("Folder not found"),
        Question::SaveFile { .. } if path.is_dir() => Some("This is a folder; add a file name"),
        Question::SaveFile { .. } if path.parent().is_some_and(|p| !p.as_os_str().is_empty() && !p.is_dir()) => {
            Some("Folder not found")
        }
        _ => None,
    }
}

/// Opens the system's dialog on its own thread.
fn ask_system(question: Question, text: &str) -> Receiver<Option<PathBuf>> {
    let (sender, receiver) = channel();
    let near = Path::new(text.trim()).ancestors().find(|path| path.is_dir()).map(Path::to_path_buf);
    let ask = move || {
        let mut dialog = rfd::FileDialog::new();
        if let Some(folder) = near {
            dialog = dialog.set_directory(folder);
        }
        let chosen = match question {
            Question::OpenFile => dialog
                .add_filter(
                    "Datasets, models, configurations",
                    &["npz", "h5", "hdf5", "cxi", "ptycho", "toml", "yaml", "yml", "json"],
                )
                .add_filter("Datasets and training data", &["npz", "h5", "hdf5", "cxi", "ptyd", "mat"])
                .add_filter("Models", &["ptycho"])
                .add_filter("All files", &["*"])
                .pick_file(),
            Question::ChooseFile { .. } => dialog.pick_file(),
            Question::OpenFolder => dialog.pick_folder(),
            Question::SaveFile { name } => dialog.set_file_name(name).save_file(),
        };
        let _gone = sender.send(chosen);
    };
    // If no thread can be started, the channel is disconnected, which ends the wait.
    let _no_thread = std::thread::Builder::new().name("ptycho-dialog".to_owned()).spawn(ask);
    receiver
}
