//! Content of folders and files for the dialogs, read on other threads: a network drive may take seconds.

use crate::data;
use eframe::egui::Context;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, TryRecvError, channel};
use std::time::UNIX_EPOCH;

/// Maximum number of entries read from a folder.
const MAX_ENTRIES: usize = 20_000;
/// Maximum number of arrays named in a preview.
const MAX_ARRAYS: usize = 6;

/// A file or folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    pub name: String,
    pub is_folder: bool,
    /// Size of a file.
    pub bytes: u64,
    /// Time of the last change, seconds since 1970.
    pub modified: Option<u64>,
}

/// Work on another thread for a path: pending, or its outcome.
struct Task<T> {
    path: PathBuf,
    pending: Option<Receiver<T>>,
    done: Option<T>,
}

impl<T: Send + 'static> Task<T> {
    fn start(context: &Context, path: &Path, work: impl FnOnce(&Path) -> T + Send + 'static) -> Self {
        let (sender, receiver) = channel();
        let (context, of) = (context.clone(), path.to_path_buf());
        let work = move || {
            let _gone = sender.send(work(&of));
            context.request_repaint();
        };
        let _no_thread = std::thread::Builder::new().name("ptycho-folder".to_owned()).spawn(work);
        Self { path: path.to_path_buf(), pending: Some(receiver), done: None }
    }

    fn poll(&mut self) {
        match self.pending.as_ref().map(Receiver::try_recv) {
            Some(Ok(done)) => (self.done, self.pending) = (Some(done), None),
            Some(Err(TryRecvError::Disconnected)) => self.pending = None,
            Some(Err(TryRecvError::Empty)) | None => {}
        }
    }
}

/// Content of the folder shown.
#[derive(Default)]
pub(super) struct Folder(Option<Task<Result<Vec<Entry>, String>>>);

impl Folder {
    /// Reads a folder unless it is the one shown.
    pub fn follow(&mut self, context: &Context, path: &Path) {
        if self.0.as_ref().is_none_or(|task| task.path != path) {
            self.0 = Some(Task::start(context, path, list));
        }
        if let Some(task) = &mut self.0 {
            task.poll();
        }
    }

    /// The entries, folders first, then by name; empty until they have been read.
    pub fn entries(&self) -> &[Entry] {
        match self.0.as_ref().and_then(|task| task.done.as_ref()) {
            Some(Ok(entries)) => entries,
            _ => &[],
        }
    }

    /// Reason why the folder cannot be read.
    pub fn error(&self) -> Option<&str> {
        self.0.as_ref().and_then(|task| task.done.as_ref()?.as_ref().err()).map(String::as_str)
    }

    /// True while the folder is being read.
    pub fn is_reading(&self) -> bool {
        self.0.as_ref().is_some_and(|task| task.pending.is_some())
    }

    /// Shows these entries.
    #[cfg(test)]
    pub fn hold(&mut self, path: &str, entries: Vec<Entry>) {
        self.0 = Some(Task { path: path.into(), pending: None, done: Some(Ok(entries)) });
    }
}

fn list(path: &Path) -> Result<Vec<Entry>, String> {
    let read = std::fs::read_dir(path).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => "There is no such folder".to_owned(),
        std::io::ErrorKind::PermissionDenied => "No permission to read this folder".to_owned(),
        _ => format!("This folder cannot be read ({error})"),
    })?;
    let mut entries: Vec<Entry> = read
        .flatten()
        .take(MAX_ENTRIES)
        .map(|entry| {
            // Follows links, as opening them does.
            let about = std::fs::metadata(entry.path()).ok();
            let modified = about.as_ref().and_then(|about| about.modified().ok()?.duration_since(UNIX_EPOCH).ok());
            Entry {
                name: entry.file_name().to_string_lossy().into_owned(),
                is_folder: about.as_ref().is_some_and(std::fs::Metadata::is_dir),
                bytes: about.as_ref().map_or(0, std::fs::Metadata::len),
                modified: modified.map(|since| since.as_secs()),
            }
        })
        .collect();
    entries.sort_by(|a, b| b.is_folder.cmp(&a.is_folder).then_with(|| a.name.cmp(&b.name)));
    Ok(entries)
}

/// Arrays in the chosen file.
#[derive(Default)]
pub(super) struct Preview(Option<Task<String>>);

impl Preview {
    /// Arrays of a file, in words.
    pub fn of(&mut self, context: &Context, path: &Path) -> &str {
        if self.0.as_ref().is_none_or(|task| task.path != path) {
            self.0 = Some(Task::start(context, path, content));
        }
        let Some(task) = &mut self.0 else { return "" };
        task.poll();
        task.done.as_deref().unwrap_or("…")
    }
}

fn content(path: &Path) -> String {
    let ending = path.extension().map(|ending| ending.to_string_lossy().to_lowercase()).unwrap_or_default();
    match ending.as_str() {
        "ptycho" => return "trained model".to_owned(),
        "toml" | "yaml" | "yml" | "json" => return "configuration".to_owned(),
        _ => {}
    }
    let Ok(mut arrays) = data::list(path) else { return beginning(path) };
    // The largest array, the patterns, is what identifies a file.
    arrays.sort_by_key(|array| std::cmp::Reverse(array.bytes));
    let lengths = |shape: &[usize]| shape.iter().map(ToString::to_string).collect::<Vec<_>>().join(" × ");
    let name = |key: &str| key.rsplit('/').next().unwrap_or(key).to_owned();
    let named = arrays.iter().take(MAX_ARRAYS).filter(|array| !array.shape.is_empty());
    let named: Vec<String> = named.map(|array| format!("{} {}", name(&array.key), lengths(&array.shape))).collect();
    if named.is_empty() { "no arrays".to_owned() } else { named.join(", ") }
}

/// The first line of a text, such as a list of positions.
fn beginning(path: &Path) -> String {
    use std::io::Read;
    const LETTERS: usize = 80;
    let mut bytes = Vec::new();
    let read = std::fs::File::open(path).and_then(|file| file.take(4096).read_to_end(&mut bytes));
    let text = String::from_utf8_lossy(&bytes);
    let line = text.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default();
    if read.is_err()
        || line.is_empty()
        || line.chars().take(LETTERS).any(|c| c.is_control() && c != '\t' || c == '\u{fffd}')
    {
        return "no dataset that can be read".to_owned();
    }
    format!("text: {}", line.chars().take(LETTERS).collect::<String>())
}
