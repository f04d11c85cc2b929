//! `job.json`: request of a training, in its run folder from the first step until the result is complete.
//!
//! Its presence shows that a training was started and not finished. It can be resumed from the autosave, or repeated from
//! the start if nothing was saved yet, without further input.

use super::atomic::write_atomic;
use super::utc::Utc;
use crate::config::Config;
use crate::error::{Error, Problem, Result};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// Version of the format that this program writes, and the only one it reads.
const FORMAT_VERSION: u32 = 1;

/// Request of a training.
#[derive(Debug, Clone, PartialEq)]
pub struct JobRecord {
    /// True if the dataset is reconstructed at the end (`run`), false for `train`.
    pub reconstruct: bool,
    /// Absolute path of the dataset.
    pub dataset: PathBuf,
    /// Absolute path of the dataset of the validation loss.
    pub validation: Option<PathBuf>,
    /// Requested configuration.
    pub config: Config,
}

/// Contents of the file.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    format_version: u32,
    app_version: String,
    started: String,
    command: String,
    #[serde(with = "crate::system::path_text")]
    dataset: PathBuf,
    #[serde(with = "crate::system::path_text::option")]
    validation: Option<PathBuf>,
    config: String,
}

impl JobRecord {
    /// Record of a training; paths are made absolute, so that it can be resumed from any folder.
    ///
    /// # Errors
    /// If the current folder cannot be determined.
    pub fn new(dataset: &Path, validation: Option<&Path>, config: &Config, reconstruct: bool) -> Result<Self> {
        let absolute = |path: &Path| std::path::absolute(path).map_err(|error| Error::reading(path, &error));
        let mut config = config.clone();
        let mapping = &mut config.data.mapping;
        for file in [
            &mut mapping.positions_file,
            &mut mapping.probe_file,
            &mut mapping.mask_file,
            &mut mapping.dark_file,
            &mut mapping.flat_file,
            &mut mapping.background_file,
            &mut config.training.start_from,
        ] {
            if !file.is_empty() {
                *file = absolute(Path::new(file))?.display().to_string();
            }
        }
        let further: Vec<String> =
            config.data.further().map(|path| Ok(absolute(path)?.display().to_string())).collect::<Result<_>>()?;
        config.data.also = further.join(";");
        let validation = validation.map(absolute).transpose()?;
        Ok(Self { reconstruct, dataset: absolute(dataset)?, validation, config })
    }

    /// Writes the record atomically.
    ///
    /// # Errors
    /// [`Error::Failed`] if it cannot be written.
    pub fn save(&self, path: &Path) -> Result<()> {
        let written = Written {
            format_version: FORMAT_VERSION,
            app_version: env!("CARGO_PKG_VERSION").to_owned(),
            started: Utc::now().to_string(),
            command: if self.reconstruct { "run" } else { "train" }.to_owned(),
            dataset: self.dataset.clone(),
            validation: self.validation.clone(),
            config: self.config.to_toml()?,
        };
        let bytes = serde_json::to_vec_pretty(&written)
            .map_err(|error| Error::failed(format!("Cannot write the job record as JSON ({error})")))?;
        write_atomic(path, &bytes)
    }

    /// Reads a record.
    ///
    /// # Errors
    /// [`Error::BadInput`]: missing, of another version, or damaged.
    pub fn load(path: &Path) -> Result<Self> {
        let bytes = crate::formats::read_file(path).map_err(|error| Error::reading(path, &error))?;
        Self::from_bytes(&bytes).map_err(|error| error.at(path))
    }

    fn from_bytes(bytes: &[u8]) -> Result<Self> {
        let broken = |what: String| Error::from(Problem::new(what).hint("Train again"));
        let written: Written = serde_json::from_slice(bytes)
            .map_err(|error| broken(format!("The job record cannot be read ({error})")))?;
        let reconstruct = match (written.format_version, written.command.as_str()) {
            (FORMAT_VERSION, "run") => true,
            (FORMAT_VERSION, "train") => false,
            (FORMAT_VERSION, other) => return Err(broken(format!("The kind of the run is unknown: {other:?}"))),
            (version, _) => {
                return Err(broken(format!(
                    "The run was started by Ptychoscope {} with format version {version}",
                    written.app_version
                )));
            }
        };
        let config = Config::from_toml(&written.config)?;
        Ok(Self { reconstruct, dataset: written.dataset, validation: written.validation, config })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_read_back_with_absolute_paths_and_a_damaged_one_is_reported() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("job.json");
        let mut config = Config::default();
        config.training.epochs = Some(7);
        config.data.mapping.probe_file = "probe.npz".into();
        let record = JobRecord::new(Path::new("scan.npz"), Some(Path::new("/v.npz")), &config, true).unwrap();
        assert!(record.dataset.is_absolute() && Path::new(&record.config.data.mapping.probe_file).is_absolute());
        record.save(&path).unwrap();
        assert_eq!(JobRecord::load(&path).unwrap(), record);
        let text = std::fs::read_to_string(&path).unwrap();
        for (from, to, expected) in [
            ("\"format_version\": 1", "\"format_version\": 9", "format version 9"),
            ("\"run\"", "\"walk\"", "walk"),
            ("epochs = 7", "epochs = -7", "epochs"),
            ("{", "[", "cannot be read"),
        ] {
            assert!(text.contains(from), "{from}");
            std::fs::write(&path, text.replacen(from, to, 1)).unwrap();
            let error = JobRecord::load(&path).unwrap_err().to_string();
            assert!(error.contains(expected) && error.contains("job.json"), "{error}");
        }
        assert!(JobRecord::load(&folder.path().join("absent")).is_err());
    }
}
