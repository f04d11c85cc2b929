//! Asking for a file: the system's own dialog on a thread of its own, and a field for the path where there is none.
//!
//! Hazard: without a desktop portal the system's dialog returns nothing at once, as if it had been cancelled. Remedy: our
//! own small dialog is always there, with a field for the path, and offers the system's as a button.

use super::theme;
use eframe::egui::{self, Key, Modal, RichText};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, channel};

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Question {
    /// A file to open.
    OpenFile,
    /// A file that something is made from.
    ChooseFile {
        /// What it is.
        what: String,
    },
    /// A folder to open.
    OpenFolder,
    /// The place of a file to write.
    SaveFile {
        /// Its proposed name.
        name: String,
    },
}

/// What the path is for; given back with the answer.
pub(super) struct Dialog<T> {
    question: Question,
    purpose: T,
    text: String,
    system: Option<Receiver<Option<PathBuf>>>,
    focused: bool,
    hint: Option<String>,
}

/// How a dialog ended.
pub(super) enum Answer<T> {
    /// Not yet.
    Open(Dialog<T>),
    /// With a path.
    Chosen(T, PathBuf),
    /// Without one.
    Cancelled,
}

impl<T> Dialog<T> {
    /// Asks; the field starts with `text`.
    pub(super) fn new(question: Question, purpose: T, text: String) -> Self {
        Self { question, purpose, text, system: None, focused: false, hint: None }
    }

    /// Draws it; call each frame until it ends.
    pub(super) fn show(mut self, context: &egui::Context) -> Answer<T> {
        if let Some(receiver) = &self.system {
            match receiver.try_recv() {
                Ok(Some(path)) => return Answer::Chosen(self.purpose, path),
                Ok(None) => {
                    self.system = None;
                    self.hint =
                        Some("Nothing was chosen. Where no file dialog opens, type or paste the path.".to_owned());
                }
                Err(std::sync::mpsc::TryRecvError::Disconnected) => self.system = None,
                Err(std::sync::mpsc::TryRecvError::Empty) => {
                    context.request_repaint_after(std::time::Duration::from_millis(100));
                }
            }
        }
        let (mut accepted, mut cancelled) = (false, false);
        let title = match &self.question {
            Question::OpenFile => "Open a dataset, model or configuration".to_owned(),
            Question::ChooseFile { what } => what.clone(),
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
                let text = RichText::new("A file of this name is there; it will be replaced");
                ui.label(text.color(theme::palette(ui).warning));
            }
            ui.add_space(8.0);
            ui.horizontal(|ui| {
                let waiting = self.system.is_some();
                if ui.add_enabled(!waiting, egui::Button::new("Browse…")).clicked() {
                    self.system = Some(ask_system(self.question.clone(), &self.text));
                }
                ui.with_layout(egui::Layout::right_to_left(egui::Align::Center), |ui| {
                    let usable = usable(&self.question, Path::new(self.text.trim()));
                    let button =
                        ui.add_enabled(usable.is_none(), egui::Button::new(if saving { "Save" } else { "Open" }));
                    let button = match &usable {
                        Some(reason) => button.on_disabled_hover_text(*reason),
                        None => button,
                    };
                    accepted = (accepted || button.clicked()) && usable.is_none();
                    cancelled |= ui.button("Cancel").clicked();
                });
            });
        });
        cancelled |= modal.should_close();
        if accepted {
            Answer::Chosen(self.purpose, PathBuf::from(self.text.trim()))
        } else if cancelled {
            Answer::Cancelled
        } else {
            Answer::Open(self)
        }
    }
}

/// Why a path cannot be taken; none if it can.
fn usable(question: &Question, path: &Path) -> Option<&'static str> {
    if path.as_os_str().is_empty() {
        return Some("Give a path first");
    }
    match question {
        Question::OpenFile | Question::ChooseFile { .. } if !path.exists() => Some("There is no such file"),
        Question::OpenFolder if !path.is_dir() => Some("There is no such folder"),
        Question::SaveFile { .. } if path.is_dir() => Some("This is a folder; add a file name"),
        Question::SaveFile { .. } if path.parent().is_some_and(|p| !p.as_os_str().is_empty() && !p.is_dir()) => {
            Some("There is no such folder")
        }
        _ => None,
    }
}

/// Opens the system's dialog on a thread of its own.
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
    // Without a thread there is no dialog, which the empty channel says.
    let _no_thread = std::thread::Builder::new().name("ptycho-dialog".to_owned()).spawn(ask);
    receiver
}
