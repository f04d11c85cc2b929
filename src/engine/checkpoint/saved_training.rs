//! `autosave.ptycho`: an unfinished training.
//!
//! It is a bundle, so that the network can be used, with three additional members to resume the training: the moments of
//! the optimizer, the state of the training, and the best weights so far.

use super::atomic::write_atomic;
use super::bundle::{BEST, Bundle, OPTIMIZER, TRAINING};
use crate::error::{Error, Problem, Result};
use crate::model::Weights;
use crate::train::{Resume, TrainingPosition, TrainingState};
use serde::{Deserialize, Serialize};
use std::path::Path;

/// Names of the moments in `optimizer.safetensors`.
const MOMENTS: [&str; 2] = ["first", "second"];

/// An unfinished training.
#[derive(Debug, Clone, PartialEq)]
pub struct SavedTraining {
    /// Network so far, with the weights and history of the latest epoch.
    pub bundle: Bundle,
    /// State of the training.
    pub state: TrainingState,
    /// Epoch with the lowest loss so far, from 1, and its weights.
    pub best: Option<(usize, Weights)>,
}

/// The member `training.json`.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Training {
    position: TrainingPosition,
    best_epoch: Option<usize>,
}

impl SavedTraining {
    /// Writes the file atomically and durably.
    ///
    /// # Errors
    /// As [`Bundle::save`].
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref();
        write_atomic(path, &self.to_bytes().map_err(|error| error.at(path))?)
    }

    fn to_bytes(&self) -> Result<Vec<u8>> {
        self.bundle.to_bytes_with(self.extras()?)
    }

    /// File with one member replaced or added, with matching hashes and seal.
    #[cfg(any(test, fuzzing))]
    pub(super) fn with_member(&self, name: &'static str, content: &[u8]) -> Result<Vec<u8>> {
        let mut members = self.bundle.members(self.extras()?)?;
        members.retain(|(other, _)| *other != name);
        members.push((name, content.to_vec()));
        super::bundle::pack(&self.bundle.manifest, members)
    }

    /// Additional members.
    fn extras(&self) -> Result<Vec<(&'static str, Vec<u8>)>> {
        let training =
            Training { position: self.state.position.clone(), best_epoch: self.best.as_ref().map(|(epoch, _)| *epoch) };
        let training = serde_json::to_vec_pretty(&training)
            .map_err(|error| Error::failed(format!("Cannot write the state of the training ({error})")))?;
        let moment = |(name, values): (&str, &Vec<f32>)| (name.to_owned(), ndarray::arr1(values).into_dyn());
        let moments = Weights(MOMENTS.into_iter().zip(&self.state.moments).map(moment).collect());
        let mut extras = vec![(OPTIMIZER, moments.to_bytes()?), (TRAINING, training)];
        // During most of a training, the latest epoch is the best one.
        if let Some((_, best)) = self.best.as_ref().filter(|(_, best)| *best != self.bundle.weights) {
            extras.push((BEST, best.to_bytes()?));
        }
        Ok(extras)
    }

    /// Reads and verifies a file of [`SavedTraining::save`].
    ///
    /// # Errors
    /// As [`Bundle::load`], and for a bundle of a finished training.
    pub fn load(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        Self::read(path).map_err(|error| error.at(path))
    }

    fn read(path: &Path) -> Result<Self> {
        let (bundle, mut extras) = Bundle::load_with_extras(path)?;
        let (Some(training), Some(optimizer)) = (extras.remove(TRAINING), extras.remove(OPTIMIZER)) else {
            return Err(Problem::new("The model has no state from which its training could be resumed")
                .expected(format!("the members {OPTIMIZER} and {TRAINING} of an autosave"))
                .hint("Use the model as it is with `ptychoscope infer`, or train again")
                .into());
        };
        let damaged = |what: String| Error::from(Problem::new(format!("{what} of the saved training cannot be read")));
        let Training { position, best_epoch } =
            serde_json::from_slice(&training).map_err(|error| damaged(format!("The member {TRAINING} ({error})")))?;
        let mut moments = Weights::from_bytes(&optimizer)?.0;
        let mut take = |name: &str| {
            moments.remove(name).filter(|values| values.ndim() == 1).map(|values| values.into_iter().collect())
        };
        let [Some(first), Some(second)] = MOMENTS.map(&mut take) else {
            return Err(damaged(format!("The member {OPTIMIZER}")));
        };
        let best = match (best_epoch, extras.remove(BEST)) {
            (None, None) => None,
            (Some(epoch), None) => Some((epoch, bundle.weights.clone())),
            (Some(epoch), Some(bytes)) => Some((epoch, Weights::from_bytes(&bytes)?)),
            (None, Some(_)) => return Err(damaged(format!("The member {BEST}"))),
        };
        let shapes =
            |weights: &Weights| -> Vec<_> { weights.0.iter().map(|(k, v)| (k.clone(), v.shape().to_vec())).collect() };
        let fits = best.as_ref().is_none_or(|(epoch, weights)| {
            (1..=bundle.history.0.len()).contains(epoch) && shapes(weights) == shapes(&bundle.weights)
        });
        if !fits || position.epochs != bundle.history.0.len() {
            return Err(damaged(format!("The member {TRAINING}, which does not fit the others,")));
        }
        Ok(Self { bundle, state: TrainingState { moments: [first, second], position }, best })
    }

    /// State to resume the training.
    pub fn resume(&self) -> Resume {
        Resume { weights: self.bundle.weights.clone(), state: self.state.clone(), history: self.bundle.history.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkpoint::testing::bundle;
    use ndarray::ArrayD;
    use std::collections::BTreeMap;

    fn saved() -> SavedTraining {
        let bundle = bundle();
        let mut best = bundle.weights.clone();
        best.0.values_mut().for_each(|values| values.mapv_inplace(|v| v * 0.5));
        let position = TrainingPosition {
            optimizer_steps: 66,
            experiment_steps: 0,
            steps: 66,
            epochs: 2,
            patterns: 528,
            seconds: 1.0 / 3.0,
            shuffle_words: 1 << 70,
            order: vec![1, 0, 2],
        };
        let state = TrainingState { moments: [vec![0.1, -0.2], vec![1e-30, 2.0]], position };
        SavedTraining { bundle, state, best: Some((1, best)) }
    }

    #[test]
    fn a_saved_training_is_read_back_exactly_and_is_a_bundle() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("autosave.ptycho");
        let mut saved = saved();
        let latest = saved.bundle.weights.clone();
        for best in [saved.best.clone(), Some((2, latest)), None] {
            saved.best = best;
            saved.save(&path).unwrap();
            let mut read = SavedTraining::load(&path).unwrap();
            assert_eq!(Bundle::load(&path).unwrap(), read.bundle);
            read.bundle.manifest.sha256.clear();
            assert_eq!(read, saved);
        }
    }

    #[test]
    fn a_finished_training_is_reported_and_mismatched_members_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("model.ptycho");
        bundle().save(&path).unwrap();
        let text = SavedTraining::load(&path).unwrap_err().to_string();
        assert!(text.contains("could be resumed") && text.contains("model.ptycho"), "{text}");
        let mut wrong = [saved(), saved(), saved()];
        wrong[0].best = Some((3, wrong[0].bundle.weights.clone()));
        wrong[1].state.position.epochs = 1;
        wrong[2].best = Some((1, Weights(BTreeMap::from([("a".to_owned(), ArrayD::zeros(vec![1]))]))));
        for saved in wrong {
            saved.save(&path).unwrap();
            assert!(SavedTraining::load(&path).unwrap_err().to_string().contains("does not fit"));
        }
    }

    #[test]
    fn every_flipped_byte_of_a_saved_training_is_detected() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("autosave.ptycho");
        let bytes = saved().to_bytes().unwrap();
        for at in (0..bytes.len()).step_by(7) {
            let mut changed = bytes.clone();
            changed[at] ^= 0x20;
            std::fs::write(&path, &changed).unwrap();
            assert!(SavedTraining::load(&path).is_err(), "byte {at}");
        }
    }
}
