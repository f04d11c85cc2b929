//! Entry points of the training, and its result.

use super::training::Training;
use super::{History, Observer, Resume, Scaling, TrainingData};
use crate::config::{Config, ModelType};
use crate::data::Dataset;
use crate::error::Result;
use crate::model::Weights;
use burn::tensor::Device;
use serde::{Deserialize, Serialize};

/// How a training ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// All epochs, or the whole time budget.
    Completed,
    /// Stopped by the user; the weights are those of the last step.
    Stopped,
    /// The loss became NaN or infinite; the weights are the last good ones.
    RestoredAfterNan,
}

/// Result of a training.
#[derive(Debug, Clone)]
pub struct Trained {
    /// Host copy of the weights.
    pub weights: Weights,
    /// One record per epoch.
    pub history: History,
    /// How the training ended.
    pub outcome: Outcome,
    /// Optimizer steps.
    pub steps: usize,
    /// Number of epochs begun.
    pub epochs: usize,
    /// Training time in seconds, without pauses.
    pub seconds: f64,
    /// Diffraction patterns processed.
    pub patterns: usize,
    /// Units of the weights.
    pub scaling: Scaling,
}

/// Trains a network on a dataset.
///
/// * `validation`: patterns used only for the validation loss after each epoch.
/// * `device`: without autodiff.
///
/// # Errors
/// Dataset and configuration do not match, or the device fails.
pub fn train(
    dataset: &Dataset,
    validation: Option<&Dataset>,
    config: &Config,
    device: &Device,
    observer: &mut dyn Observer,
) -> Result<Trained> {
    train_from(None, dataset, validation, config, device, observer)
}

/// As [`train`], continuing an interrupted training with the same dataset and configuration. On the CPU, with a given
/// number of epochs, the final weights are bit-identical to those of an uninterrupted training; a time budget includes
/// the time before the interruption.
///
/// # Errors
/// As [`train`], and if the saved training belongs to another dataset or network.
pub fn train_from(
    resume: Option<Resume>,
    dataset: &Dataset,
    validation: Option<&Dataset>,
    config: &Config,
    device: &Device,
    observer: &mut dyn Observer,
) -> Result<Trained> {
    let start = resume.map_or(Start::Untrained, |resume| Start::Resumed(Box::new(resume)));
    train_datasets(start, &TrainingData { datasets: &[dataset], validation, part: None }, config, device, observer)
}

/// Starting point of a training.
#[derive(Debug, Clone)]
pub enum Start {
    /// Random weights, drawn from their seed.
    Untrained,
    /// Weights of a trained network.
    Trained(Box<Weights>),
    /// State of an interrupted training.
    Resumed(Box<Resume>),
}

/// As [`train`], from any starting point, on one or several datasets together, or part by part. The scaling of the
/// result is that of the first dataset.
///
/// # Errors
/// As [`train`] and [`train_from`], and if the datasets are incompatible or a part cannot be read.
pub fn train_datasets(
    start: Start,
    data: &TrainingData<'_>,
    config: &Config,
    device: &Device,
    observer: &mut dyn Observer,
) -> Result<Trained> {
    let config = effective_config(config);
    Training::begin(start, *data, &config, device)?.run(observer)
}

/// The configuration without the settings that do not apply to its type of network.
fn effective_config(config: &Config) -> Config {
    let mut config = config.clone();
    if config.model.model_type == ModelType::Supervised {
        config.training.teacher_share = 0.0;
        config.training.overlap_weight = 0.0;
    }
    config
}
