//! What a watch has come to so far.

use crate::worker::message::{Fate, WatchedFile};
use std::path::PathBuf;

/// Most files kept; the oldest go first.
const MOST: usize = 1000;

/// A watch as it is being set up; its model is the one that is loaded.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct OpenWatch {
    /// The folder that datasets arrive in.
    pub folder: Option<PathBuf>,
    /// Epochs of polish; 0 for none.
    pub polish_epochs: usize,
}

/// The files of a watch, in the order in which they were met, with their sums.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Watched {
    /// The files, each once, as it stands.
    pub files: Vec<WatchedFile>,
    /// Number of files that were reconstructed.
    pub done: usize,
    /// Number of files that cannot be used.
    pub bad: usize,
    /// Number of files that had been reconstructed before.
    pub before: usize,
    /// Patterns that were reconstructed.
    pub patterns: usize,
    /// Seconds of prediction, stitching and polish for them.
    pub seconds: f64,
}

impl Watched {
    /// Takes in what has become of a file; a file that came anew takes the place of its former self.
    pub(super) fn take(&mut self, file: &WatchedFile) {
        match &file.fate {
            Fate::Done { patterns, infer_seconds, .. } => {
                self.done += 1;
                self.patterns += patterns;
                self.seconds += infer_seconds;
            }
            Fate::Bad { .. } => self.bad += 1,
            Fate::Before => self.before += 1,
            Fate::Waiting | Fate::Working | Fate::Left => {}
        }
        match self.files.iter().rposition(|known| known.path == file.path) {
            Some(at) => self.files[at] = file.clone(),
            None => {
                if self.files.len() >= MOST {
                    self.files.drain(..MOST / 10);
                }
                self.files.push(file.clone());
            }
        }
    }

    /// Milliseconds for a pattern, over all files; none before the first.
    pub fn ms_per_pattern(&self) -> Option<f64> {
        (self.patterns > 0).then(|| 1e3 * self.seconds / self.patterns as f64)
    }

    /// What it has come to, in a few words.
    pub fn words(&self) -> String {
        let mut words = format!("{} reconstructed", self.done);
        if let Some(each) = self.ms_per_pattern() {
            words += &format!(" ({} patterns, {each:.2} ms each)", self.patterns);
        }
        words += &format!(", {} not usable", self.bad);
        if self.before > 0 {
            words += &format!(", {} done before", self.before);
        }
        words
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(name: &str, fate: Fate) -> WatchedFile {
        WatchedFile { path: name.into(), folder: "out".into(), fate }
    }

    fn done(patterns: usize, infer_seconds: f64) -> Fate {
        Fate::Done { patterns, whole_seconds: 2.0, infer_seconds, consistency_r: None }
    }

    #[test]
    fn each_file_stands_once_and_every_end_counts() {
        let mut watched = Watched::default();
        for (name, fate) in [
            ("a", Fate::Waiting),
            ("a", Fate::Working),
            ("a", done(100, 0.4)),
            ("b", Fate::Bad { message: "cut short".into() }),
            ("c", Fate::Before),
            ("b", Fate::Working),
            ("b", done(100, 0.6)),
        ] {
            watched.take(&file(name, fate));
        }
        let names: Vec<_> = watched.files.iter().map(|file| file.path.display().to_string()).collect();
        assert_eq!(names, ["a", "b", "c"]);
        assert_eq!(watched.files[1].fate, done(100, 0.6), "a file that was mended is no longer a bad one in the list");
        assert_eq!(watched.words(), "2 reconstructed (200 patterns, 5.00 ms each), 1 not usable, 1 done before");
    }

    #[test]
    fn a_watch_of_weeks_keeps_the_newest_files_and_every_count() {
        let mut watched = Watched::default();
        (0..5000).for_each(|n| watched.take(&file(&n.to_string(), done(1, 0.001))));
        assert!(watched.files.len() <= MOST && watched.done == 5000);
        assert_eq!(watched.files.last().map(|file| file.path.display().to_string()), Some("4999".to_owned()));
    }
}
