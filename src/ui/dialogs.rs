//! Dialogs for paths: a path field with completion, a list of the folder, and a button for the file dialog of the system,
//! which runs on its own thread.
//!
//! Hazard: without a desktop portal the system's dialog returns at once, as if it had been canceled. Remedy: the built-in
//! browser is always shown and offers the system's dialog as a button.

mod folder;

use super::theme;
use super::widgets::numbers::bytes;
use crate::checkpoint::Utc;
use eframe::egui::{self, Align, Button, Key, Label, Layout, Modal, RichText, ScrollArea, TextEdit, vec2};
use folder::{Entry, Folder, Preview};
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

/// Endings of the files that [`Question::OpenFile`] lists unless all files are wanted.
const KNOWN: &[&str] = &[
    "npz", "npy", "h5", "hdf5", "hdf", "nxs", "cxi", "mat", "ptyd", "tif", "tiff", "ptycho", "toml", "yaml", "yml",
    "json",
];
/// Width of the dialog, in points.
const WIDTH: f32 = 680.0;
/// Height of the list, in points.
const LIST: f32 = 270.0;
/// Maximum number of recent folders offered.
const MAX_PLACES: usize = 8;

/// An open dialog; `purpose` is returned with the path.
pub(super) struct Dialog<T> {
    question: Question,
    purpose: T,
    text: String,
    /// What the names listed contain: the name as typed. One that is chosen from the list stays where it is.
    typed: String,
    /// Number that makes the state of the path field, such as its cursor, this dialog's own.
    number: u64,
    places: Vec<PathBuf>,
    folder: Folder,
    preview: Preview,
    all_files: bool,
    /// Row of the list moved to with the arrow keys.
    row: Option<usize>,
    system: Option<Receiver<Option<PathBuf>>>,
    focused: bool,
    hint: Option<String>,
}

/// State of a dialog after a frame.
pub(super) enum Answer<T> {
    /// Still open.
    Open(Box<Dialog<T>>),
    /// Closed with a path.
    Chosen(T, PathBuf),
    /// Closed without a path.
    Canceled,
}

/// Choice made in a frame.
#[derive(Default)]
struct Choice {
    accepted: bool,
    canceled: bool,
}

impl<T> Dialog<T> {
    /// Opens a dialog whose text field starts with `text`; `recent` files name folders to offer.
    pub(super) fn new(question: Question, purpose: T, text: String, recent: &[PathBuf]) -> Self {
        use std::sync::atomic::{AtomicU64, Ordering};
        static OPENED: AtomicU64 = AtomicU64::new(0);
        let mut places: Vec<PathBuf> = Vec::new();
        let home = directories::UserDirs::new().map(|dirs| dirs.home_dir().to_path_buf());
        for place in home.into_iter().chain(recent.iter().filter_map(|file| file.parent().map(Path::to_path_buf))) {
            if !place.as_os_str().is_empty() && !places.contains(&place) && places.len() < MAX_PLACES {
                places.push(place);
            }
        }
        Self {
            all_files: question != Question::OpenFile,
            question,
            purpose,
            typed: parts(&text).1,
            text,
            number: OPENED.fetch_add(1, Ordering::Relaxed),
            places,
            folder: Folder::default(),
            preview: Preview::default(),
            row: None,
            system: None,
            focused: false,
            hint: None,
        }
    }

    /// Draws the dialog; call each frame until it ends.
    pub(super) fn show(mut self, context: &egui::Context) -> Answer<T> {
        if let Some(receiver) = &self.system {
            match receiver.try_recv() {
                Ok(Some(path)) => return Answer::Chosen(self.purpose, path),
                Ok(None) => {
                    self.system = None;
                    self.hint =
                        Some("The system's dialog chose no file, or is not available here; use the list".to_owned());
                }
                Err(std::sync::mpsc::TryRecvError::Disconnected) => self.system = None,
                Err(std::sync::mpsc::TryRecvError::Empty) => {
                    context.request_repaint_after(std::time::Duration::from_millis(100));
                }
            }
        }
        let mut choice = Choice::default();
        let title = match &self.question {
            Question::OpenFile => "Open a dataset, model or configuration".to_owned(),
            Question::ChooseFile { title } => title.clone(),
            Question::OpenFolder => "Open a folder".to_owned(),
            Question::SaveFile { .. } => "Save as".to_owned(),
        };
        self.folder.follow(context, &parts(&self.text).0);
        let modal = Modal::new(egui::Id::unique("path dialog")).show(context, |ui| {
            ui.set_width(WIDTH.min(context.content_rect().width() - 40.0));
            ui.heading(title);
            ui.add_space(4.0);
            let entries = self.matching();
            self.field(ui, &entries, &mut choice);
            self.list(ui, &entries, &mut choice);
            self.buttons(ui, &mut choice);
        });
        choice.canceled |= modal.should_close();
        if choice.accepted {
            Answer::Chosen(self.purpose, self.question.completed(self.text.trim()))
        } else if choice.canceled {
            Answer::Canceled
        } else {
            Answer::Open(Box::new(self))
        }
    }

    /// Entries of the folder that match the typed name, folders first.
    fn matching(&self) -> Vec<Entry> {
        let name = &self.typed;
        let saving = matches!(self.question, Question::SaveFile { .. });
        let wanted = |entry: &&Entry| {
            let hidden = entry.name.starts_with('.') && !name.starts_with('.');
            let kind = entry.is_folder
                || (self.question != Question::OpenFolder && (self.all_files || has_ending(&entry.name, KNOWN)));
            let named = saving || entry.name.to_lowercase().contains(&name.to_lowercase());
            !hidden && kind && named
        };
        self.folder.entries().iter().filter(wanted).cloned().collect()
    }

    /// The path field: Tab completes, arrow keys walk through the list.
    fn field(&mut self, ui: &mut egui::Ui, entries: &[Entry], choice: &mut Choice) {
        let id = egui::Id::unique(("path", self.number));
        let completion = self.completion(entries);
        let has_focus = ui.memory(|memory| memory.has_focus(id));
        if has_focus {
            let keys = |key| ui.input_mut(|input| input.consume_key(egui::Modifiers::NONE, key));
            if let Some(text) = completion.as_ref().filter(|_| keys(Key::Tab)) {
                self.text.clone_from(text);
                self.typed = parts(text).1;
                cursor_to_end(ui, id, &self.text);
            }
            let last = entries.len().saturating_sub(1);
            if !entries.is_empty() && keys(Key::ArrowDown) {
                self.row = Some(self.row.map_or(0, |row| (row + 1).min(last)));
            }
            if !entries.is_empty() && keys(Key::ArrowUp) {
                self.row = self.row.map(|row| row.saturating_sub(1).min(last));
            }
        }
        ui.horizontal(|ui| {
            let label = ui.label("Path");
            let width = ui.available_width() - 44.0;
            let field = TextEdit::singleline(&mut self.text).id(id).desired_width(width);
            let field = ui.add(field.hint_text("Type or paste a path, or choose below")).labelled_by(label.id);
            if !std::mem::replace(&mut self.focused, true) {
                field.request_focus();
                cursor_to_end(ui, id, &self.text);
            }
            let tab = completion.is_some();
            let filter = egui::EventFilter { tab, vertical_arrows: true, horizontal_arrows: true, escape: false };
            ui.memory_mut(|memory| memory.set_focus_lock_filter(id, filter));
            if field.changed() {
                self.row = None;
                self.typed = parts(&self.text).1;
            }
            if field.lost_focus() && ui.input(|input| input.key_pressed(Key::Enter)) {
                match self.row.and_then(|row| entries.get(row)) {
                    Some(entry) => {
                        let into = entry.is_folder;
                        self.take(entry);
                        choice.accepted |= !into;
                        self.focused = !into;
                    }
                    None if self.goes_into_folder() => {
                        self.text.push('/');
                        self.typed.clear();
                        self.focused = false;
                    }
                    None => choice.accepted = true,
                }
            }
            let up = ui.button("Up").on_hover_text("Go to the folder above");
            if up.clicked() {
                let (folder, _) = parts(&self.text);
                let above = folder.parent().unwrap_or(&folder).to_path_buf();
                self.go(&above);
            }
        });
        choice.accepted &= problem(&self.question, &self.question.completed(self.text.trim())).is_none();
    }

    /// True if the text names a folder although a file is asked for.
    fn goes_into_folder(&self) -> bool {
        let path = Path::new(self.text.trim());
        let file = matches!(self.question, Question::ChooseFile { .. } | Question::SaveFile { .. });
        file && path.is_dir() && !self.text.ends_with('/')
    }

    /// The text completed as far as all matching entries that begin with the typed name agree.
    fn completion(&self, entries: &[Entry]) -> Option<String> {
        let (folder, name) = parts(&self.text);
        let mut names = entries.iter().filter(|entry| entry.name.starts_with(&name));
        let first = names.next()?;
        let mut common = first.name.clone();
        let mut only = true;
        for entry in names {
            only = false;
            let same = common.chars().zip(entry.name.chars()).take_while(|(a, b)| a == b).count();
            common = common.chars().take(same).collect();
        }
        let end = if only && first.is_folder { "/" } else { "" };
        let text = format!("{}{end}", folder.join(common).display());
        (text.len() > self.text.len()).then_some(text)
    }

    /// Puts an entry of the list into the path field.
    fn take(&mut self, entry: &Entry) {
        let path = parts(&self.text).0.join(&entry.name);
        if entry.is_folder {
            self.go(&path);
        } else {
            self.text = path.display().to_string();
        }
    }

    /// Lists a folder; the name of a file to save stays.
    fn go(&mut self, folder: &Path) {
        let name = match &self.question {
            Question::SaveFile { .. } => parts(&self.text).1,
            _ => String::new(),
        };
        let folder = folder.display().to_string();
        let end = if folder.ends_with('/') { "" } else { "/" };
        self.text = format!("{folder}{end}{name}");
        self.typed.clear();
        self.row = None;
    }

    /// Recent folders on the left, content of the folder on the right.
    fn list(&mut self, ui: &mut egui::Ui, entries: &[Entry], choice: &mut Choice) {
        let palette = theme::palette(ui);
        ui.add_space(4.0);
        let space = vec2(ui.available_width(), LIST);
        ui.allocate_ui_with_layout(space, Layout::left_to_right(Align::Min), |ui| {
            ui.set_max_height(LIST);
            ui.allocate_ui_with_layout(vec2(150.0, LIST), Layout::top_down(Align::Min), |ui| {
                ui.set_width(150.0);
                ui.label(RichText::new("Recent folders").small().color(palette.weak));
                for place in self.places.clone() {
                    let name = crate::system::file_name(&place);
                    let name = if name.is_empty() { place.display().to_string() } else { name };
                    let text = super::widgets::elided(&name, 20);
                    if ui.add(Button::new(text).frame(false)).on_hover_text(place.display().to_string()).clicked() {
                        self.go(&place);
                    }
                }
            });
            ui.separator();
            ui.vertical(|ui| {
                ui.set_max_height(LIST);
                if let Some(error) = self.folder.error() {
                    ui.label(RichText::new(error).color(palette.warning));
                } else if entries.is_empty() {
                    let text = if self.folder.is_reading() { "Reading the folder" } else { "Nothing here matches" };
                    ui.label(RichText::new(text).color(palette.weak));
                }
                let height = 20.0;
                ui.spacing_mut().interact_size.y = height;
                let mut area = ScrollArea::vertical().id_salt("folder content").auto_shrink([false, false]);
                if let Some(row) = self.row {
                    let middle = row as f32 * (height + ui.spacing().item_spacing.y) - LIST / 2.0;
                    area = area.vertical_scroll_offset(middle.max(0.0));
                }
                area.show_rows(ui, height, entries.len(), |ui, shown| {
                    for row in shown {
                        let Some(entry) = entries.get(row) else { continue };
                        let is_chosen = self.row == Some(row)
                            || (!entry.is_folder && Path::new(&self.text).file_name() == Some(entry.name.as_ref()));
                        let response = line(ui, entry, is_chosen);
                        if response.clicked() {
                            self.take(entry);
                        }
                        if response.double_clicked() && !entry.is_folder {
                            choice.accepted = true;
                        }
                    }
                });
            });
        });
    }

    /// Preview of the chosen file, hints, and the buttons.
    fn buttons(&mut self, ui: &mut egui::Ui, choice: &mut Choice) {
        let palette = theme::palette(ui);
        let path = self.question.completed(self.text.trim());
        let saving = matches!(self.question, Question::SaveFile { .. });
        let problem = problem(&self.question, &path);
        let chosen = self.folder.entries().iter().find(|entry| path.file_name() == Some(entry.name.as_ref()));
        let text = match chosen.filter(|entry| !entry.is_folder) {
            Some(_) if saving => RichText::new("This file exists and will be overwritten").color(palette.warning),
            Some(entry) => {
                let content = self.preview.of(ui.ctx(), &path);
                RichText::new(format!("{} · {content}", about(entry))).color(palette.weak)
            }
            None => RichText::new(self.hint.as_deref().or(problem).unwrap_or_default()).color(palette.weak),
        };
        ui.add(Label::new(text).truncate());
        ui.add_space(4.0);
        ui.horizontal(|ui| {
            let system = ui.add_enabled(self.system.is_none(), Button::new("System dialog…"));
            if system.on_hover_text("Open the file dialog of the desktop, if there is one").clicked() {
                self.system = Some(ask_system(self.question.clone(), &self.text));
            }
            if self.question == Question::OpenFile {
                ui.checkbox(&mut self.all_files, "All files").on_hover_text("Also list files of other types");
            }
            ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
                let button = ui.add_enabled(problem.is_none(), Button::new(if saving { "Save" } else { "Open" }));
                choice.accepted |= button.on_disabled_hover_text(problem.unwrap_or_default()).clicked();
                choice.canceled |= ui.button("Cancel").clicked();
            });
        });
    }
}

impl Question {
    /// The path with the ending of the proposed name, if a file to save has none.
    fn completed(&self, text: &str) -> PathBuf {
        let path = PathBuf::from(text);
        match self {
            Self::SaveFile { name } if path.extension().is_none() && !text.is_empty() && !text.ends_with('/') => {
                match Path::new(name).extension() {
                    Some(ending) if !path.is_dir() => path.with_extension(ending),
                    _ => path,
                }
            }
            _ => path,
        }
    }
}

/// Folder and beginning of a name in a typed path.
fn parts(text: &str) -> (PathBuf, String) {
    match text.trim_start().rsplit_once(std::path::is_separator) {
        Some((folder, name)) => (PathBuf::from(format!("{folder}/")), name.to_owned()),
        None => (PathBuf::from("."), text.trim().to_owned()),
    }
}

fn has_ending(name: &str, endings: &[&str]) -> bool {
    let ending = Path::new(name).extension().map(|ending| ending.to_string_lossy().to_lowercase());
    ending.is_some_and(|ending| endings.contains(&ending.as_str()))
}

/// Moves the cursor of a text field behind its text.
fn cursor_to_end(ui: &egui::Ui, id: egui::Id, text: &str) {
    let mut state = egui::text_edit::TextEditState::load(ui.ctx(), id).unwrap_or_default();
    let end = egui::text::CCursor::new(text.chars().count());
    state.cursor.set_char_range(Some(egui::text::CCursorRange::one(end)));
    state.store(ui.ctx(), id);
}

/// One row of the list: name, size and date.
fn line(ui: &mut egui::Ui, entry: &Entry, is_chosen: bool) -> egui::Response {
    let name = if entry.is_folder { format!("{}/", entry.name) } else { entry.name.clone() };
    let shown = super::widgets::elided(&name, super::widgets::letters_in(ui.available_width() - 190.0));
    let row = Button::selectable(is_chosen, shown).min_size(vec2(ui.available_width(), 0.0));
    let row = if entry.is_folder { row } else { row.right_text(RichText::new(about(entry)).small()) };
    let response = ui.add(row);
    response.widget_info(|| egui::WidgetInfo::selected(egui::Role::Button, true, is_chosen, &name));
    response
}

/// Size and date of a file.
fn about(entry: &Entry) -> String {
    let date =
        entry.modified.map_or_else(String::new, |seconds| format!("  {}", Utc::from_unix(seconds).local_minute()));
    format!("{}{date}", bytes(entry.bytes))
}

/// Reason why a path cannot be used; `None` if it can.
fn problem(question: &Question, path: &Path) -> Option<&'static str> {
    if path.as_os_str().is_empty() {
        return Some("Enter a path");
    }
    match question {
        Question::OpenFile | Question::ChooseFile { .. } if !path.exists() => Some("There is no such file"),
        Question::ChooseFile { .. } if path.is_dir() => Some("Choose a file"),
        Question::OpenFolder if !path.is_dir() => Some("There is no such folder"),
        Question::SaveFile { .. } if path.is_dir() => Some("Add a file name"),
        Question::SaveFile { .. } if path.parent().is_some_and(|p| !p.as_os_str().is_empty() && !p.is_dir()) => {
            Some("There is no such folder")
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
                .add_filter("Datasets, models, configurations", KNOWN)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ui::panels::harness::fixture;
    use egui_kittest::Harness;
    use egui_kittest::kittest::Queryable;

    type Bench = (Option<Dialog<()>>, Option<PathBuf>);

    fn open(question: Question, text: &str) -> Harness<'static, Bench> {
        let dialog = Dialog::new(question, (), text.to_owned(), &["/recent/scans/a.npz".into()]);
        let mut harness = Harness::builder()
            .with_size(vec2(900.0, 600.0))
            .with_max_steps(12)
            .with_context_setup(theme::install)
            .build_ui_state(
                |ui, (dialog, chosen): &mut Bench| {
                    let Some(open) = dialog.take() else { return };
                    match open.show(ui.ctx()) {
                        Answer::Open(open) => *dialog = Some(*open),
                        Answer::Chosen((), path) => *chosen = Some(path),
                        Answer::Canceled => {}
                    }
                },
                (Some(dialog), None),
            );
        listed(&mut harness);
        harness
    }

    /// Waits until the folder has been read.
    fn listed(harness: &mut Harness<'static, Bench>) {
        harness.run_ok();
        for _ in 0..500 {
            harness.step();
            if harness.state().0.as_ref().is_none_or(|dialog| !dialog.folder.is_reading()) {
                break;
            }
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        harness.run_ok();
    }

    fn folder() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("scans")).unwrap();
        for name in ["scan_1.npz", "scan_2.h5", "notes.docx", ".hidden.npz"] {
            std::fs::write(folder.path().join(name), b"x").unwrap();
        }
        std::fs::copy(fixture("siemens_star_n64.npz"), folder.path().join("scans/star.npz")).unwrap();
        std::fs::write(folder.path().join("scans/zone_plate.npz"), b"x").unwrap();
        folder
    }

    #[test]
    fn a_folder_is_listed_and_a_file_in_it_is_opened_by_mouse() {
        let folder = folder();
        let mut dialog = open(Question::OpenFile, &format!("{}/", folder.path().display()));
        dialog.get_by_label("scan_1.npz");
        assert!(dialog.query_by_label("notes.docx").is_none() && dialog.query_by_label(".hidden.npz").is_none());
        dialog.get_by_label("All files").click();
        dialog.run_ok();
        dialog.get_by_label("notes.docx");
        dialog.get_by_label("scans/").click();
        listed(&mut dialog);
        dialog.get_by_label("star.npz").click();
        dialog.run_ok();
        dialog.get_by_label("zone_plate.npz");
        for _ in 0..500 {
            if dialog.query_by_label_contains("516 × 64 × 64").is_some() {
                break;
            }
            std::thread::sleep(std::time::Duration::from_millis(5));
            dialog.step();
        }
        dialog.get_by_label_contains("516 × 64 × 64");
        dialog.get_by_label("Open").click();
        dialog.run_ok();
        assert_eq!(dialog.state().1.as_deref(), Some(folder.path().join("scans/star.npz").as_path()));
    }

    #[test]
    fn tab_completes_and_the_arrow_keys_and_enter_choose() {
        let folder = folder();
        let start = folder.path().display().to_string();
        let mut dialog = open(Question::OpenFile, &format!("{start}/scan_"));
        let text = |dialog: &Harness<'static, Bench>| dialog.state().0.as_ref().unwrap().text.clone();
        dialog.event(egui::Event::Text("2".to_owned()));
        dialog.run_ok();
        dialog.key_press(Key::Tab);
        dialog.run_ok();
        assert_eq!(text(&dialog), format!("{start}/scan_2.h5"), "the cursor was behind the text");
        let mut dialog = open(Question::OpenFile, &format!("{start}/"));
        // The folder comes first, then the files by name.
        dialog.key_press(Key::ArrowDown);
        dialog.run_ok();
        dialog.key_press(Key::Enter);
        listed(&mut dialog);
        assert_eq!(text(&dialog), format!("{start}/scans/"));
        dialog.key_press(Key::ArrowDown);
        dialog.run_ok();
        dialog.key_press(Key::Enter);
        dialog.run_ok();
        assert_eq!(dialog.state().1.as_deref(), Some(folder.path().join("scans/star.npz").as_path()));
    }

    #[test]
    fn a_missing_ending_is_added_and_an_existing_file_is_announced() {
        let folder = folder();
        let name = "figure.npz".to_owned();
        let mut dialog = open(Question::SaveFile { name }, &format!("{}/scan_1", folder.path().display()));
        dialog.get_by_label("This file exists and will be overwritten");
        dialog.get_by_label("Save").click();
        dialog.run_ok();
        assert_eq!(dialog.state().1.as_deref(), Some(folder.path().join("scan_1.npz").as_path()));
        let dialog = open(Question::OpenFile, "/no/such/file.npz");
        dialog.get_by_label("There is no such file");
        dialog.get_by_label("scans");
    }

    #[test]
    fn the_dialog_looks_as_accepted() {
        use crate::ui::widgets::snapshots;
        if !snapshots::can_draw() {
            return;
        }
        for (theme, end) in snapshots::THEMES {
            let folder = tempfile::tempdir().unwrap();
            let mut dialog = open(Question::OpenFolder, &format!("{}/", folder.path().display()));
            dialog.ctx.set_theme(theme);
            let open = dialog.state_mut().0.as_mut().unwrap();
            open.text = "/data/2026/beamtime/".to_owned();
            open.places = vec!["/home/user".into(), "/data/2026/beamtime".into()];
            let file = |name: &str, is_folder| Entry { name: name.to_owned(), is_folder, bytes: 0, modified: None };
            open.folder.hold("/data/2026/beamtime/", vec![file("calibration", true), file("scans", true)]);
            dialog.run_ok();
            snapshots::compare(&mut dialog, &format!("path-dialog-{end}"));
        }
    }
}
