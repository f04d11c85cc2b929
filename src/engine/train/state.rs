//! State of a training besides its weights: everything needed to resume it as if it had not been interrupted.
//!
//! Hazard: resuming from the weights alone gives a different training: the optimizer lacks its moments, the schedule
//! restarts and the patterns come in another order. Remedy: everything that one epoch passes on to the next is stored
//! here, so that on the CPU the final weights are bit-identical.

use super::History;
use crate::error::{Error, Result};
use crate::model::Weights;
use serde::{Deserialize, Serialize};

/// State of a training at the end of an epoch, besides its weights.
#[derive(Debug, Clone, PartialEq)]
pub struct TrainingState {
    /// First and second moments of Adam, (number of parameters,) each, in the order of the parameters: network, then
    /// experiment.
    pub moments: [Vec<f32>; 2],
    /// Counters and the state of the shuffle.
    pub position: TrainingPosition,
}

/// Counters of a training and the state of its shuffle.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrainingPosition {
    /// Steps of the network's optimizer.
    pub optimizer_steps: i32,
    /// Steps of the optimizer of the experiment (probe, intensity scale).
    #[serde(default, rename = "apparatus_steps")]
    pub experiment_steps: i32,
    /// Steps of the training.
    pub steps: usize,
    /// Epochs completed.
    pub epochs: usize,
    /// Diffraction patterns processed.
    pub patterns: usize,
    /// Training time in seconds, without pauses: counts against the time budget.
    pub seconds: f64,
    /// Number of 32-bit words drawn from the random stream of the shuffle; stored as decimal text.
    #[serde(with = "decimal")]
    pub shuffle_words: u128,
    /// Groups in the order of the latest free shuffle, from which the next one starts.
    pub order: Vec<usize>,
}

/// An interrupted training to resume.
#[derive(Debug, Clone, PartialEq)]
pub struct Resume {
    /// The network's weights at the end of the latest epoch.
    pub weights: Weights,
    /// The rest of the state.
    pub state: TrainingState,
    /// One record per epoch so far.
    pub history: History,
}

impl Resume {
    /// Checks that the saved training has this number of groups.
    ///
    /// # Errors
    /// [`Error::BadInput`]: the saved order is not a permutation of the groups.
    pub fn check(&self, groups: usize) -> Result<()> {
        let mut seen = vec![false; groups];
        let known = self.state.position.order.iter().all(|&group| match seen.get_mut(group) {
            Some(seen) => !std::mem::replace(seen, true),
            None => false,
        });
        if known && self.state.position.order.len() == groups {
            return Ok(());
        }
        Err(Error::bad_input(format!(
            "The saved training has {} groups of patterns, but the dataset has {groups}",
            self.state.position.order.len()
        )))
    }
}

/// Numbers too large for JSON, as decimal text.
mod decimal {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(super) fn serialize<S: Serializer>(value: &u128, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&value.to_string())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u128, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_survives_json_and_an_order_of_other_groups_is_refused() {
        let position = TrainingPosition {
            optimizer_steps: 12,
            experiment_steps: 0,
            steps: 12,
            epochs: 3,
            patterns: 96,
            seconds: 0.1 + 0.2,
            shuffle_words: u128::from(u64::MAX) + 5,
            order: vec![2, 0, 1],
        };
        let text = serde_json::to_string(&position).unwrap();
        assert!(text.contains("\"apparatus_steps\":0"), "the name in the file must not change: {text}");
        assert_eq!(serde_json::from_str::<TrainingPosition>(&text).unwrap(), position);
        let resume = |order: &[usize]| Resume {
            weights: Weights::default(),
            state: TrainingState {
                moments: [Vec::new(), Vec::new()],
                position: TrainingPosition { order: order.into(), ..position.clone() },
            },
            history: History::default(),
        };
        assert!(resume(&[2, 0, 1]).check(3).is_ok());
        for order in [&[0, 1][..], &[0, 1, 3], &[0, 1, 1], &[0, 1, 2, 3]] {
            assert!(resume(order).check(3).is_err(), "{order:?}");
        }
    }
}
