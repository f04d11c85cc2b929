//! `infer --watch`: datasets are reconstructed as they arrive in a folder.
//!
//! Hazard: a file that is still being written looks like a damaged one. Remedy: a file is read when its size and time of
//! change have stayed the same for a while, and one that cannot be opened then is given some more time; what still fails is
//! reported and left alone until it changes again.

use super::jobs::Jobs;
use super::{print_line, tell};
use crate::checkpoint::{self, Bundle, Destination};
use crate::data;
use crate::error::{Error, Problem, Result};
use crate::worker::message::{Job, Summary};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

/// Endings of the names of datasets.
const ENDINGS: [&str; 8] = ["npz", "h5", "hdf5", "hdf", "cxi", "nxs", "mat", "ptyd"];
/// How many times the usual wait a file gets that cannot be opened.
const PATIENCE: u32 = 4;
/// How often the folder is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// The list of what was done, in the output folder.
const LIST: &str = "watch.csv";

/// What is watched, and what is done with it.
pub(super) struct Watch {
    /// The bundle.
    pub model: PathBuf,
    /// The folder that datasets arrive in.
    pub folder: PathBuf,
    /// Where a run folder is made for each; none for `reconstructed` in the folder itself.
    pub output_dir: Option<PathBuf>,
    /// Settings of the inferences.
    pub settings: Vec<(String, String)>,
    /// Whether to end when all that is there is done.
    pub once: bool,
    /// How long a file must have been left alone.
    pub settle: Duration,
    /// One line of JSON for each file, instead of words.
    pub json: bool,
    /// Nothing but errors.
    pub quiet: bool,
}

/// What became of the files.
#[derive(Debug, Default)]
struct Tally {
    done: usize,
    bad: usize,
    known: usize,
    patterns: usize,
    seconds: f64,
}

impl Watch {
    /// Watches until Ctrl-C, or until all is done; gives back the exit code: 1 if a file was bad.
    ///
    /// # Errors
    /// A bundle or folder that cannot be used.
    pub(super) fn run(self) -> Result<u8> {
        Bundle::load(&self.model)?;
        if !self.folder.is_dir() {
            return Err(Error::BadInput(
                Problem::new("There is no folder to watch").hint("Give a folder that is there").at(&self.folder),
            ));
        }
        let output = self.output_dir.clone().unwrap_or_else(|| self.folder.join("reconstructed"));
        std::fs::create_dir_all(&output).map_err(|error| Error::writing(&output, &error))?;
        let mut jobs = Jobs::start(self.quiet || self.json)?;
        let mut incoming = Incoming::new(&self.folder, self.settle);
        let mut tally = Tally::default();
        jobs.say(&format!("Watching {}; Ctrl-C ends.", self.folder.display()));
        while !jobs.stopped() {
            let look = incoming.look()?;
            for file in &look.ready {
                self.one(&mut jobs, file, &output.join(&file.name), &output.join(LIST), &mut tally)?;
                if jobs.stopped() {
                    break;
                }
            }
            if self.once && look.ready.is_empty() && look.waiting == 0 {
                break;
            }
            if look.ready.is_empty() {
                std::thread::sleep(LOOK_EVERY.min(self.settle));
            }
        }
        self.sum_up(&tally);
        Ok(u8::from(tally.bad > 0))
    }

    /// Reconstructs one file and tells what became of it.
    fn one(&self, jobs: &mut Jobs, file: &Arrived, folder: &Path, list: &Path, tally: &mut Tally) -> Result<()> {
        if already_done(&file.path, folder, &self.model) {
            tally.known += 1;
            jobs.say(&format!("{}: reconstructed before, in {}", file.path.display(), folder.display()));
            return Ok(());
        }
        let (model, dataset) = (self.model.clone(), file.path.clone());
        let job = Job::Infer {
            model,
            dataset,
            output_dir: Destination::Folder(folder.to_path_buf()),
            settings: self.settings.clone(),
        };
        let began = Instant::now();
        let fate = match jobs.run(job) {
            Ok(session) => session.summary.ok_or_else(|| Error::failed("The worker ended without a result")),
            // No file is to blame for that, and the next one would meet it too.
            Err(error @ Error::DeviceUnavailable(_)) => return Err(error),
            Err(error) => Err(error),
        };
        if jobs.stopped() {
            jobs.say(&format!("{}: left undone", file.path.display()));
            return Ok(());
        }
        let line = Line::new(&file.path, folder, &fate, began.elapsed());
        match &fate {
            Ok(summary) => {
                tally.done += 1;
                tally.patterns += summary.dataset.n;
                tally.seconds += summary.infer_seconds.unwrap_or_default();
            }
            Err(_) => tally.bad += 1,
        }
        if self.json {
            print_line(&line.json.to_string());
        } else if fate.is_err() {
            tell(&format!("Skipped: {}", line.words));
        } else if !self.quiet {
            print_line(&line.words);
        }
        add_to_list(list, &line.row)
    }

    fn sum_up(&self, tally: &Tally) {
        let Tally { done, bad, known, patterns, seconds } = tally;
        let each = 1e3 * seconds / (*patterns).max(1) as f64;
        if self.json {
            let value = json!({
                "event": "watched", "done": done, "bad": bad, "done_before": known, "patterns": patterns,
                "infer_seconds": seconds, "ms_per_pattern": each,
            });
            print_line(&value.to_string());
        } else if !self.quiet {
            let before = if *known > 0 { format!(", {known} done before") } else { String::new() };
            print_line(&format!(
                "Watched {}: {done} reconstructed ({patterns} patterns, {each:.2} ms each), {bad} bad{before}.",
                self.folder.display()
            ));
        }
    }
}

/// What is said about one file, in three languages.
struct Line {
    words: String,
    json: Value,
    row: [String; 7],
}

impl Line {
    fn new(path: &Path, folder: &Path, fate: &Result<Summary>, whole: Duration) -> Self {
        let name = path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
        match fate {
            Ok(summary) => {
                let (n, seconds) = (summary.dataset.n, summary.infer_seconds.unwrap_or_default());
                let each = 1e3 * seconds / n.max(1) as f64;
                let r = summary.consistency_r;
                let misfit = r.map_or_else(String::new, |r| format!(", R = {r:.4}"));
                let words = format!(
                    "{name}: {n} patterns in {:.2} s, {each:.2} ms each to reconstruct{misfit}, in {}",
                    whole.as_secs_f64(),
                    folder.display()
                );
                let json = json!({
                    "event": "file", "outcome": "done", "file": path, "folder": folder, "patterns": n,
                    "infer_seconds": seconds, "ms_per_pattern": each, "consistency_r": r,
                });
                let number = |value: Option<f64>| value.map_or_else(String::new, |value| format!("{value:.6}"));
                let row = [
                    name,
                    "done".to_owned(),
                    n.to_string(),
                    number(Some(seconds)),
                    number(Some(each)),
                    number(r),
                    String::new(),
                ];
                Self { words, json, row }
            }
            Err(error) => {
                let message = error.clone().at(path).to_string();
                let json = json!({ "event": "file", "outcome": "bad", "file": path, "message": message });
                let none = String::new;
                let row = [name, "bad".to_owned(), none(), none(), none(), none(), message.clone()];
                Self { words: message, json, row }
            }
        }
    }
}

/// Adds a row to the list; quotes stand around what is not a number.
fn add_to_list(list: &Path, row: &[String; 7]) -> Result<()> {
    let head = "file,outcome,patterns,infer_seconds,ms_per_pattern,consistency_r,message\n";
    let mut text = std::fs::read_to_string(list).unwrap_or_else(|_| head.to_owned());
    let cell = |(column, value): (usize, &String)| match column {
        0 | 6 => format!("\"{}\"", value.replace('"', "\"\"")),
        _ => value.clone(),
    };
    text.push_str(&row.iter().enumerate().map(cell).collect::<Vec<_>>().join(","));
    text.push('\n');
    checkpoint::write_atomic(list, text.as_bytes())
}

/// Whether the folder holds the complete result of this file, as it is now, with this bundle.
fn already_done(path: &Path, folder: &Path, model: &Path) -> bool {
    let summary = folder.join("summary.json");
    let changed = |path: &Path| std::fs::metadata(path).and_then(|data| data.modified()).ok();
    let (Some(file), Some(bundle), Some(result)) = (changed(path), changed(model), changed(&summary)) else {
        return false;
    };
    let told: Option<Value> = std::fs::read(&summary).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok());
    let is = |pointer: &str, expected: &Path| {
        told.as_ref().and_then(|told| told.pointer(pointer)?.as_str()).is_some_and(|found| Path::new(found) == expected)
    };
    result >= file
        && result >= bundle
        && is("/dataset/path", path)
        && is("/model", model)
        && is("/outcome", "completed".as_ref())
}

/// A file that is complete, as far as one can see, and the name of its run folder.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Arrived {
    path: PathBuf,
    name: String,
}

/// What a look at the folder showed.
#[derive(Debug, Default, PartialEq, Eq)]
struct Look {
    /// Files to reconstruct, in the order of their names; each version of a file is told once.
    ready: Vec<Arrived>,
    /// Number of files that may still be written.
    waiting: usize,
}

/// The files of a folder, and since when each has been as it is.
struct Incoming {
    folder: PathBuf,
    settle: Duration,
    files: BTreeMap<PathBuf, Known>,
}

/// A file as it was seen last.
struct Known {
    size: u64,
    changed: Option<SystemTime>,
    since: Instant,
    told: bool,
    /// Name of its run folder.
    name: String,
}

impl Incoming {
    fn new(folder: &Path, settle: Duration) -> Self {
        Self { folder: folder.to_path_buf(), settle, files: BTreeMap::new() }
    }

    fn look(&mut self) -> Result<Look> {
        let entries = std::fs::read_dir(&self.folder).map_err(|error| Error::reading(&self.folder, &error))?;
        let mut paths: Vec<PathBuf> =
            entries.flatten().map(|entry| entry.path()).filter(|path| is_wanted(path)).collect();
        paths.sort();
        self.files.retain(|path, _| paths.contains(path));
        let mut look = Look::default();
        for path in paths {
            // A file that went away between the two looks is no error.
            let Ok(facts) = std::fs::metadata(&path) else { continue };
            let (size, changed) = (facts.len(), facts.modified().ok());
            let new_name = self.name_for(&path);
            let known = self.files.entry(path.clone()).or_insert_with(|| Known {
                size,
                changed,
                since: Instant::now(),
                told: false,
                name: new_name,
            });
            if (known.size, known.changed) != (size, changed) {
                (known.size, known.changed, known.since, known.told) = (size, changed, Instant::now(), false);
            }
            if known.told {
                continue;
            }
            let by_its_time = changed.and_then(|changed| changed.elapsed().ok()).unwrap_or_default();
            let quiet_for = known.since.elapsed().max(by_its_time);
            let complete = quiet_for >= self.settle && data::list(&path).is_ok();
            // Time that passed before it was first seen does not make a damaged file more likely to be whole.
            if complete || known.since.elapsed() >= self.settle * PATIENCE {
                known.told = true;
                look.ready.push(Arrived { path, name: known.name.clone() });
            } else {
                look.waiting += 1;
            }
        }
        Ok(look)
    }

    /// The stem of the file, with its ending where another file has the same stem.
    fn name_for(&self, path: &Path) -> String {
        let part =
            |part: Option<&std::ffi::OsStr>| part.map_or_else(String::new, |part| part.to_string_lossy().into_owned());
        let stem = part(path.file_stem());
        let taken = |name: &str| self.files.iter().any(|(other, known)| other != path && known.name == name);
        if taken(&stem) { format!("{stem}-{}", part(path.extension())) } else { stem }
    }
}

/// Whether this is a file, not hidden, with a name that a dataset may have.
fn is_wanted(path: &Path) -> bool {
    let hidden = path.file_name().is_none_or(|name| name.to_string_lossy().starts_with('.'));
    let ending = path.extension().map(|ending| ending.to_string_lossy().to_lowercase());
    !hidden && ending.is_some_and(|ending| ENDINGS.contains(&ending.as_str())) && path.is_file()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;

    fn star() -> Vec<u8> {
        std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/siemens_star_n64.npz")).unwrap()
    }

    /// Looks until there is nothing to wait for; gives back the names in the order in which they were told.
    fn until_quiet(incoming: &mut Incoming) -> Vec<String> {
        let mut told = Vec::new();
        loop {
            let look = incoming.look().unwrap();
            told.extend(look.ready.iter().map(|file| file.name.clone()));
            if look.waiting == 0 && look.ready.is_empty() {
                return told;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    #[test]
    fn a_file_is_told_once_for_each_version_when_it_is_complete() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.npz");
        let bytes = star();
        let mut incoming = Incoming::new(folder.path(), Duration::from_millis(150));
        assert_eq!(incoming.look().unwrap(), Look::default());
        // In two halves, with a rest between them that is longer than the usual wait.
        std::fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
        let began = Instant::now();
        while began.elapsed() < Duration::from_millis(300) {
            let look = incoming.look().unwrap();
            assert!(look.ready.is_empty() && look.waiting == 1, "{look:?}");
            std::thread::sleep(Duration::from_millis(20));
        }
        std::fs::write(&path, &bytes).unwrap();
        assert_eq!(until_quiet(&mut incoming), ["a"]);
        assert_eq!(incoming.look().unwrap(), Look::default(), "told once");
        std::fs::write(&path, &bytes[..bytes.len() / 3]).unwrap();
        assert_eq!(until_quiet(&mut incoming), ["a"], "a damaged file is told in the end, so that it can be reported");
        std::fs::remove_file(&path).unwrap();
        assert_eq!(incoming.look().unwrap(), Look::default());
    }

    #[test]
    fn other_files_are_left_alone_and_equal_stems_get_different_folders() {
        let folder = tempfile::tempdir().unwrap();
        for name in [".a.npz", "a.txt", "a.npz.part", "a.png"] {
            std::fs::write(folder.path().join(name), "x").unwrap();
        }
        std::fs::create_dir(folder.path().join("folder.npz")).unwrap();
        let mut incoming = Incoming::new(folder.path(), Duration::from_millis(1));
        assert_eq!(incoming.look().unwrap(), Look::default());
        for name in ["b.npz", "b.h5", "B.NPZ"] {
            std::fs::write(folder.path().join(name), "x").unwrap();
        }
        assert_eq!(until_quiet(&mut incoming), ["B", "b", "b-npz"]);
    }

    #[test]
    fn rows_of_the_list_can_be_read_back() {
        let folder = tempfile::tempdir().unwrap();
        let list = folder.path().join(LIST);
        let row = ["a.npz", "bad", "", "", "", "", "no \"probe\", no data"].map(str::to_owned);
        add_to_list(&list, &row).unwrap();
        add_to_list(&list, &row).unwrap();
        let text = std::fs::read_to_string(&list).unwrap();
        assert_eq!(text.lines().count(), 3);
        assert_eq!(text.lines().last(), Some(r#""a.npz",bad,,,,,"no ""probe"", no data""#));
    }
}
