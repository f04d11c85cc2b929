//! Where a training stands besides its weights: all that has to be kept for it to go on as if it had not been cut off.
//!
//! Hazard: a training that goes on from its weights alone is another training: the optimiser has forgotten its moments, the
//! schedule starts anew and the patterns come in another order. Remedy: everything that one epoch hands to the next is
//! here, so that on the CPU the weights at the end are the same to the bit.

use super::History;
use crate::error::{Error, Result};
use crate::model::Weights;
use serde::{Deserialize, Serialize};

/// State of a training at the end of an epoch, besides its weights.
#[derive(Debug, Clone, PartialEq)]
pub struct TrainingState {
    /// First and second moment of Adam, each (number of parameters,), in the order of the parameters; those of the experiment
    /// after those of the network.
    pub moments: [Vec<f32>; 2],
    /// The numbers.
    pub position: Position,
}

/// How far a training is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Position {
    /// Steps that the optimiser has done.
    pub optimizer_steps: i32,
    /// Steps that the optimiser of the experiment (probe, intensity scale) has done.
    #[serde(default)]
    pub apparatus_steps: i32,
    /// Steps of the training.
    pub steps: usize,
    /// Epochs completed.
    pub epochs: usize,
    /// Diffraction patterns processed.
    pub patterns: usize,
    /// Seconds of training, pauses excluded: what a time budget counts.
    pub seconds: f64,
    /// Words of 32 bits drawn from the stream of the shuffle, as decimal text.
    #[serde(with = "decimal")]
    pub shuffle_words: u128,
    /// The groups in the order of the latest free shuffle, which the next one starts from.
    pub order: Vec<usize>,
}

/// A training to go on with.
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
    /// Fails unless this belongs to a training of so many groups.
    ///
    /// # Errors
    /// [`Error::BadInput`]: the order is not one of these groups.
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
            "The saved training has {} groups of patterns, the dataset gives {groups}",
            self.state.position.order.len()
        )))
    }
}

/// Numbers too large for JSON.
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
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_position_survives_json_and_an_order_of_other_groups_is_refused() {
        let position = Position {
            optimizer_steps: 12,
            apparatus_steps: 0,
            steps: 12,
            epochs: 3,
            patterns: 96,
            seconds: 0.1 + 0.2,
            shuffle_words: u128::from(u64::MAX) + 5,
            order: vec![2, 0, 1],
        };
        let text = serde_json::to_string(&position).unwrap();
        assert_eq!(serde_json::from_str::<Position>(&text).unwrap(), position);
        let resume = |order: &[usize]| Resume {
            weights: Weights::default(),
            state: TrainingState {
                moments: [Vec::new(), Vec::new()],
                position: Position { order: order.into(), ..position.clone() },
            },
            history: History::default(),
        };
        assert!(resume(&[2, 0, 1]).check(3).is_ok());
        for order in [&[0, 1][..], &[0, 1, 3], &[0, 1, 1], &[0, 1, 2, 3]] {
            assert!(resume(order).check(3).is_err(), "{order:?}");
        }
    }
}
