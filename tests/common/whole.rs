//! Whether everything in a run folder is whole.

use ptychoscope::checkpoint::{Bundle, JobRecord, SavedTraining};
use ptychoscope::config::Config;
use ptychoscope::data::Reconstruction;
use ptychoscope::train::History;
use std::path::Path;

pub fn names(folder: &Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let mut names: Vec<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// Fails unless every file of a run folder is whole; gives back how many temporary files lie there.
pub fn check_whole(folder: &Path) -> usize {
    let mut temporary = 0;
    for name in names(folder) {
        let path = folder.join(&name);
        match name.as_str() {
            "autosave.ptycho" => drop(SavedTraining::load(&path).unwrap()),
            "model.ptycho" | "best.ptycho" => drop(Bundle::load(&path).unwrap()),
            "config.toml" => drop(Config::load(&path).unwrap()),
            "job.json" => drop(JobRecord::load(&path).unwrap()),
            "history.csv" => drop(History::from_csv(&std::fs::read_to_string(&path).unwrap()).unwrap()),
            "summary.json" => {
                serde_json::from_slice::<serde_json::Value>(&std::fs::read(&path).unwrap()).unwrap();
            }
            "reconstruction.npz" => drop(Reconstruction::load(&path).unwrap()),
            "amplitude.png" | "phase.png" => drop(image::open(&path).unwrap()),
            "log.txt" => {
                let text = std::fs::read_to_string(&path).unwrap();
                assert!(text.is_empty() || text.ends_with('\n'), "{text}");
            }
            "run.lock" => {}
            _ if name.ends_with(".part") => temporary += 1,
            _ => panic!("{name} does not belong to a run folder"),
        }
    }
    temporary
}
