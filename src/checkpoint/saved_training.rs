//! `autosave.ptycho`: a training as it was saved on the way.
//!
//! It is a bundle like any other, so that what was learnt so far can be used, with three members more, so that the training
//! can go on: the moments of the optimiser, where the training is, and the best weights so far.

use super::atomic::write_atomic;
use super::bundle::{BEST, Bundle, OPTIMIZER, TRAINING};
use crate::error::{Error, Problem, Result};
use crate::model::Weights;
use crate::train::{Position, Resume, TrainingState};
use serde::{Deserialize, Serialize};
use std::path::Path;

/// Names of the moments in `optimizer.safetensors`.
const MOMENTS: [&str; 2] = ["first", "second"];

/// A training that is not over.
#[derive(Debug, Clone, PartialEq)]
pub struct SavedTraining {
    /// What was learnt so far: weights and history are those of the latest epoch.
    pub bundle: Bundle,
    /// Where the training is besides.
    pub state: TrainingState,
    /// The epoch with the lowest loss so far, from 1, and its weights.
    pub best: Option<(usize, Weights)>,
}

/// The member `training.json`.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Training {
    position: Position,
    best_epoch: Option<usize>,
}

impl SavedTraining {
    /// Writes the file: whole and durably, or not at all.
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

    /// The file with one member replaced by other bytes, or added; hashes and seal are right.
    #[cfg(any(test, fuzzing))]
    pub(super) fn with_member(&self, name: &'static str, content: &[u8]) -> Result<Vec<u8>> {
        let mut members = self.bundle.members(self.extras()?)?;
        members.retain(|(other, _)| *other != name);
        members.push((name, content.to_vec()));
        super::bundle::pack(&self.bundle.manifest, members)
    }

    /// The members beside those of a bundle.
    fn extras(&self) -> Result<Vec<(&'static str, Vec<u8>)>> {
        let training =
            Training { position: self.state.position.clone(), best_epoch: self.best.as_ref().map(|(epoch, _)| *epoch) };
        let training = serde_json::to_vec_pretty(&training)
            .map_err(|error| Error::failed(format!("The state of the training cannot be written ({error})")))?;
        let moment = |(name, values): (&str, &Vec<f32>)| (name.to_owned(), ndarray::arr1(values).into_dyn());
        let moments = Weights(MOMENTS.into_iter().zip(&self.state.moments).map(moment).collect());
        let mut extras = vec![(OPTIMIZER, moments.to_bytes()?), (TRAINING, training)];
        // The best epoch is the latest one for most of a training.
        if let Some((_, best)) = self.best.as_ref().filter(|(_, best)| *best != self.bundle.weights) {
            extras.push((BEST, best.to_bytes()?));
        }
        Ok(extras)
    }

    /// Reads what [`SavedTraining::save`] writes, strictly.
    ///
    /// # Errors
    /// As [`Bundle::load`], and for a bundle of a training that is over.
    pub fn load(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        Self::read(path).map_err(|error| error.at(path))
    }

    fn read(path: &Path) -> Result<Self> {
        let (bundle, mut extras) = Bundle::load_with_extras(path)?;
        let (Some(training), Some(optimizer)) = (extras.remove(TRAINING), extras.remove(OPTIMIZER)) else {
            return Err(Problem::new("The model does not say how its training goes on")
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

    /// What the trainer needs to go on.
    pub fn resume(&self) -> Resume {
        Resume { weights: self.bundle.weights.clone(), state: self.state.clone(), history: self.bundle.history.clone() }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;
    use crate::checkpoint::bundle::tests::bundle;
    use ndarray::ArrayD;
    use std::collections::BTreeMap;

    fn saved() -> SavedTraining {
        let bundle = bundle();
        let mut best = bundle.weights.clone();
        best.0.values_mut().for_each(|values| values.mapv_inplace(|v| v * 0.5));
        let position = Position {
            optimizer_steps: 66,
            apparatus_steps: 0,
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
    fn a_saved_training_comes_back_to_the_bit_and_is_a_bundle_too() {
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
    fn a_model_of_a_training_that_is_over_says_so_and_what_does_not_fit_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("model.ptycho");
        bundle().save(&path).unwrap();
        let text = SavedTraining::load(&path).unwrap_err().to_string();
        assert!(text.contains("how its training goes on") && text.contains("model.ptycho"), "{text}");
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
    fn no_flipped_byte_of_a_saved_training_goes_unnoticed() {
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
