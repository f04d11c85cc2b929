//! History of a training: one record per epoch.

use serde::{Deserialize, Serialize};

use crate::error::{Problem, Result};

/// Column names of the CSV file, in order.
const HEADER: &str = "epoch,step,train_loss,val_loss,learning_rate,gradient_norm,seconds";

/// Record of one epoch.
#[derive(Serialize, Deserialize, Clone, PartialEq, Debug)]
pub struct EpochRecord {
    /// Number of the epoch, from 1.
    pub epoch: usize,
    /// Optimizer steps at the end of the epoch.
    pub step: usize,
    /// Mean training loss over the epoch.
    pub train_loss: f64,
    /// Validation loss, if there are validation patterns.
    pub val_loss: Option<f64>,
    /// Learning rate at the end of the epoch.
    pub learning_rate: f64,
    /// Norm of the gradient at the end of the epoch, before clipping.
    pub gradient_norm: f64,
    /// Training time in seconds at the end of the epoch, without pauses.
    pub elapsed_s: f64,
}

impl EpochRecord {
    /// Loss by which epochs are compared: the validation loss if there is one, else the training loss.
    pub fn monitored_loss(&self) -> f64 {
        self.val_loss.unwrap_or(self.train_loss)
    }
}

/// All epochs, oldest first.
#[derive(Serialize, Deserialize, Clone, PartialEq, Debug, Default)]
pub struct History(pub Vec<EpochRecord>);

impl History {
    /// CSV text: a header and one line per epoch. Numbers have the shortest form that reads back as the same f64; a
    /// missing validation loss is an empty cell.
    pub fn to_csv(&self) -> String {
        let mut text = format!("{HEADER}\n");
        for r in &self.0 {
            let val_loss = r.val_loss.map(|v| v.to_string()).unwrap_or_default();
            text.push_str(&format!(
                "{},{},{},{val_loss},{},{},{}\n",
                r.epoch, r.step, r.train_loss, r.learning_rate, r.gradient_norm, r.elapsed_s
            ));
        }
        text
    }

    /// Reads the CSV text written by [`History::to_csv`].
    ///
    /// # Errors
    /// A different header, a wrong number of cells, or a cell that is not a number; names the line.
    pub fn from_csv(text: &str) -> Result<Self> {
        let mut lines = text.lines();
        let header = lines.next().unwrap_or_default();
        if header.trim_end() != HEADER {
            return Err(Problem::new(format!(
                "The history begins with {:?}",
                header.chars().take(80).collect::<String>()
            ))
            .expected(format!("the header {HEADER:?}"))
            .into());
        }
        let mut records = Vec::new();
        for (number, line) in (2..).zip(lines).filter(|(_, line)| !line.trim().is_empty()) {
            let cells: Vec<&str> = line.split(',').map(str::trim).collect();
            let [epoch, step, train_loss, val_loss, learning_rate, gradient_norm, seconds] = cells[..] else {
                return Err(Problem::new(format!("Line {number} of the history has {} cells", cells.len()))
                    .expected("7 cells")
                    .into());
            };
            records.push(EpochRecord {
                epoch: cell(number, "epoch", epoch)?,
                step: cell(number, "step", step)?,
                train_loss: cell(number, "train_loss", train_loss)?,
                val_loss: if val_loss.is_empty() { None } else { Some(cell(number, "val_loss", val_loss)?) },
                learning_rate: cell(number, "learning_rate", learning_rate)?,
                gradient_norm: cell(number, "gradient_norm", gradient_norm)?,
                elapsed_s: cell(number, "seconds", seconds)?,
            });
        }
        Ok(Self(records))
    }

    /// Epoch with the lowest validation loss, or with the lowest training loss if there is no validation; the earliest
    /// of equal ones. Losses that are not finite are ignored.
    pub fn best(&self) -> Option<&EpochRecord> {
        let validated = self.0.iter().any(|r| r.val_loss.is_some());
        let mut best: Option<&EpochRecord> = None;
        for record in self.0.iter().filter(|r| r.monitored_loss().is_finite() && r.val_loss.is_some() == validated) {
            if best.is_none_or(|best| record.monitored_loss() < best.monitored_loss()) {
                best = Some(record);
            }
        }
        best
    }

    /// Latest epoch.
    pub fn last(&self) -> Option<&EpochRecord> {
        self.0.last()
    }
}

fn cell<T: std::str::FromStr>(line: usize, column: &str, text: &str) -> Result<T> {
    text.parse().map_err(|_| {
        Problem::new(format!("Line {line} of the history holds {text:?} as {column}")).expected("a number").into()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(epoch: usize, train_loss: f64, val_loss: Option<f64>) -> EpochRecord {
        EpochRecord {
            epoch,
            step: epoch * 33,
            train_loss,
            val_loss,
            learning_rate: 1e-3 / 3.0,
            gradient_norm: f64::MIN_POSITIVE,
            elapsed_s: 0.1 + 0.2,
        }
    }

    #[test]
    fn every_number_survives_the_csv_bit_by_bit() {
        let history = History(vec![
            record(1, std::f64::consts::PI, None),
            record(2, 1e300, Some(-0.0)),
            record(3, f64::INFINITY, Some(5e-324)),
        ]);
        let text = history.to_csv();
        assert!(text.starts_with("epoch,step,train_loss,val_loss,learning_rate,gradient_norm,seconds\n1,33,"));
        let read = History::from_csv(&text).unwrap();
        assert_eq!(read, history);
        assert_eq!(read.to_csv(), text);
        assert_eq!(read.0[1].val_loss.unwrap().to_bits(), (-0.0_f64).to_bits());
        assert!(
            History::from_csv(&History(vec![record(1, f64::NAN, None)]).to_csv()).unwrap().0[0].train_loss.is_nan()
        );
    }

    #[test]
    fn the_error_of_a_damaged_history_names_the_line() {
        let good = History(vec![record(1, 0.5, None), record(2, 0.25, None)]).to_csv();
        for (broken, expected) in [
            (String::new(), "begins with"),
            (good.replace("epoch", "Epoch"), "begins with"),
            (good.replace("\n2,66,", "\n2,"), "Line 3 of the history has 6 cells"),
            (good.replace("0.25", "0.2x"), "Line 3 of the history holds \"0.2x\" as train_loss"),
        ] {
            let error = History::from_csv(&broken).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }

    #[test]
    fn the_best_epoch_is_the_earliest_with_the_lowest_loss_and_validation_takes_precedence() {
        let trained = History(vec![record(1, f64::NAN, None), record(2, 0.2, None), record(3, 0.2, None)]);
        assert_eq!(trained.best().unwrap().epoch, 2);
        let validated = History(vec![record(1, 0.1, Some(0.9)), record(2, 0.5, Some(0.3)), record(3, 0.01, None)]);
        assert_eq!(validated.best().unwrap().epoch, 2);
        assert_eq!(History(vec![record(1, f64::NAN, None)]).best(), None);
        assert_eq!(History::default().best(), None);
    }
}
