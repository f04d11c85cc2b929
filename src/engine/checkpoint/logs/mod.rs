//! Training log for other programs, in the layout of the original: `lightning_logs/version_0/` in the run folder, with the
//! columns of PtychoPINN (A§6.5) in `metrics.csv`, or the same names in an event file for TensorBoard.
//!
//! Files are appended to, so that other programs can follow a running training. A resumed training drops the rows after the
//! epoch from which it resumes, and starts a new event file, as TensorBoard expects.

mod event_file;

use crate::config::{Logger, LossKind, Regularizer, TrainingConfig};
use crate::error::{Error, Result};
use crate::train::EpochRecord;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

/// A log being written.
pub struct RunLog {
    path: PathBuf,
    file: File,
    kind: Logger,
    names: Names,
}

/// Names of the losses in the log.
#[derive(Debug, Clone, PartialEq)]
struct Names {
    step: String,
    epoch: String,
    validation: String,
}

impl Names {
    /// Names of the original: loss, and `_Amp`, `_Phase` for the regularization terms.
    fn of(settings: &TrainingConfig) -> Self {
        let loss = if settings.loss == LossKind::Mae { "mae" } else { "poisson" };
        let amplitude = if settings.amp_loss == Regularizer::None { "" } else { "_Amp" };
        let phase = if settings.phase_loss == Regularizer::None { "" } else { "_Phase" };
        let name = |set: &str| format!("{loss}_{set}{amplitude}{phase}_loss");
        Self { step: name("train") + "_step", epoch: name("train") + "_epoch", validation: name("val") }
    }

    fn header(&self) -> String {
        format!("epoch,step,learning_rate,{},{},{},grad_norm_preclip\n", self.step, self.epoch, self.validation)
    }
}

impl RunLog {
    /// Starts the log of a run in its folder, or continues it after `done` steps; `None` if no log is requested.
    ///
    /// # Errors
    /// If the folder is not writable.
    pub fn begin(folder: &Path, settings: &TrainingConfig, done: usize) -> Result<Option<Self>> {
        let kind = settings.logger;
        if kind == Logger::None {
            return Ok(None);
        }
        let place = folder.join("lightning_logs").join("version_0");
        std::fs::create_dir_all(&place).map_err(|error| Error::writing(&place, &error))?;
        let names = Names::of(settings);
        let (path, start) = match kind {
            Logger::Csv => {
                let path = place.join("metrics.csv");
                let old = if done > 0 { std::fs::read_to_string(&path).unwrap_or_default() } else { String::new() };
                let start = rows_up_to(&old, &names.header(), done);
                super::write_atomic(&path, start.as_bytes())?;
                (path, Vec::new())
            }
            Logger::None | Logger::Tensorboard => {
                let seconds = now() as u64;
                let name =
                    |more: usize| format!("events.out.tfevents.{seconds}.ptychoscope.{}.{more}", std::process::id());
                let path = (0..).map(|more| place.join(name(more))).find(|path| !path.exists()).unwrap_or_default();
                (path, event_file::header(now()))
            }
        };
        let file = OpenOptions::new().append(true).create(true).open(&path);
        let mut file = file.map_err(|error| Error::writing(&path, &error))?;
        file.write_all(&start).map_err(|error| Error::writing(&path, &error))?;
        Ok(Some(Self { path, file, kind, names }))
    }

    /// Path of the log file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Logs the mean loss since the last call, in an epoch (from 0) after `step` steps.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn step(&mut self, epoch: usize, step: usize, learning_rate: f64, loss: f64) -> Result<()> {
        let bytes = match self.kind {
            Logger::Csv => format!("{epoch},{},{learning_rate},{loss},,,\n", step.saturating_sub(1)).into_bytes(),
            Logger::None | Logger::Tensorboard => {
                self.scalars(epoch, step, &[("learning_rate", Some(learning_rate)), (&self.names.step, Some(loss))])
            }
        };
        self.append(&bytes)
    }

    /// Logs an epoch.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn epoch(&mut self, record: &EpochRecord) -> Result<()> {
        let (epoch, step) = (record.epoch.saturating_sub(1), record.step);
        let bytes = match self.kind {
            Logger::Csv => format!(
                "{epoch},{},{},,{},{},{}\n",
                step.saturating_sub(1),
                record.learning_rate,
                record.train_loss,
                record.val_loss.map(|loss| loss.to_string()).unwrap_or_default(),
                record.gradient_norm
            )
            .into_bytes(),
            Logger::None | Logger::Tensorboard => self.scalars(
                epoch,
                step,
                &[
                    (&self.names.epoch, Some(record.train_loss)),
                    (&self.names.validation, record.val_loss),
                    ("grad_norm_preclip", Some(record.gradient_norm)),
                ],
            ),
        };
        self.append(&bytes)
    }

    fn scalars(&self, epoch: usize, step: usize, values: &[(&str, Option<f64>)]) -> Vec<u8> {
        let (at, step) = (now(), step.saturating_sub(1) as u64);
        let mut bytes = event_file::scalar(at, step, "epoch", epoch as f64);
        for (tag, value) in values {
            if let Some(value) = value {
                bytes.extend(event_file::scalar(at, step, tag, *value));
            }
        }
        bytes
    }

    /// Appends with one write, so that rows are complete.
    fn append(&mut self, bytes: &[u8]) -> Result<()> {
        self.file.write_all(bytes).map_err(|error| Error::writing(&self.path, &error))
    }
}

/// Header and complete rows of a log up to this many steps.
fn rows_up_to(text: &str, header: &str, done: usize) -> String {
    let mut kept = header.to_owned();
    let Some(rows) = text.strip_prefix(header) else { return kept };
    for row in rows.split_inclusive('\n').filter(|row| row.ends_with('\n')) {
        let step = row.split(',').nth(1).and_then(|cell| cell.parse::<usize>().ok());
        if step.is_some_and(|step| step < done) {
            kept.push_str(row);
        }
    }
    kept
}

/// Seconds since 1970-01-01, UTC.
fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(logger: Logger) -> TrainingConfig {
        TrainingConfig { logger, ..TrainingConfig::default() }
    }

    fn record(epoch: usize, val_loss: Option<f64>) -> EpochRecord {
        EpochRecord {
            epoch,
            step: 10 * epoch,
            train_loss: 0.5,
            val_loss,
            learning_rate: 1e-3,
            gradient_norm: 2.0,
            elapsed_s: 1.0,
        }
    }

    #[test]
    fn the_table_has_the_columns_of_the_original_and_one_sparse_row_per_report() {
        let folder = tempfile::tempdir().unwrap();
        let mut log = RunLog::begin(folder.path(), &settings(Logger::Csv), 0).unwrap().unwrap();
        log.step(0, 4, 1e-3, 0.75).unwrap();
        log.epoch(&record(1, Some(0.6))).unwrap();
        log.epoch(&record(2, None)).unwrap();
        let path = folder.path().join("lightning_logs/version_0/metrics.csv");
        assert_eq!(log.path(), path);
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(
            text,
            "epoch,step,learning_rate,poisson_train_loss_step,poisson_train_loss_epoch,poisson_val_loss,grad_norm_preclip\n\
             0,3,0.001,0.75,,,\n0,9,0.001,,0.5,0.6,2\n1,19,0.001,,0.5,,2\n"
        );
        // A training that resumes after the first epoch drops later rows and an incomplete one.
        std::fs::write(&path, text + "1,2").unwrap();
        let mut log = RunLog::begin(folder.path(), &settings(Logger::Csv), 10).unwrap().unwrap();
        log.epoch(&record(2, None)).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(text.lines().count(), 4, "{text}");
        assert!(text.ends_with("0,9,0.001,,0.5,0.6,2\n1,19,0.001,,0.5,,2\n"), "{text}");
    }

    #[test]
    fn losses_have_the_names_of_the_original() {
        let of = |change: fn(&mut TrainingConfig)| {
            let mut settings = TrainingConfig::default();
            change(&mut settings);
            Names::of(&settings).validation
        };
        assert_eq!(of(|s| s.loss = LossKind::Mae), "mae_val_loss");
        assert_eq!(of(|s| s.amp_loss = Regularizer::TotalVariation), "poisson_val_Amp_loss");
        assert_eq!(
            of(|s| (s.amp_loss, s.phase_loss) = (Regularizer::MeanDeviation, Regularizer::MeanDeviation)),
            "poisson_val_Amp_Phase_loss"
        );
    }

    #[test]
    fn an_event_file_grows_with_the_training_and_a_resumed_one_starts_another() {
        let folder = tempfile::tempdir().unwrap();
        assert!(RunLog::begin(folder.path(), &settings(Logger::None), 0).unwrap().is_none());
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
        let mut log = RunLog::begin(folder.path(), &settings(Logger::Tensorboard), 0).unwrap().unwrap();
        let size = |log: &RunLog| std::fs::metadata(log.path()).unwrap().len();
        let empty = size(&log);
        log.step(0, 4, 1e-3, 0.75).unwrap();
        let stepped = size(&log);
        log.epoch(&record(1, Some(0.6))).unwrap();
        assert!(empty > 0 && stepped > empty && size(&log) > stepped);
        let bytes = std::fs::read(log.path()).unwrap();
        for tag in ["brain.Event:2", "learning_rate", "poisson_train_loss_epoch", "poisson_val_loss"] {
            assert!(bytes.windows(tag.len()).any(|window| window == tag.as_bytes()), "{tag}");
        }
        let again = RunLog::begin(folder.path(), &settings(Logger::Tensorboard), 10).unwrap().unwrap();
        assert_ne!(again.path(), log.path());
        let name = again.path().file_name().unwrap().to_string_lossy().into_owned();
        assert!(name.starts_with("events.out.tfevents."), "{name}");
    }
}
