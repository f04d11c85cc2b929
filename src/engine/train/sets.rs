//! Datasets of one training: each has its own patterns, groups, probe and scaling; they share the network.

use super::Scaling;
use super::batch::ResidentPatterns;
use super::forward::ForwardModel;
use super::prepare::{prepare, scaling_of};
use crate::config::Config;
use crate::data::{Dataset, spatial_batches};
use crate::error::{Error, Problem, Result};
use crate::model::{Weights, untrained_weights};
use burn::tensor::Device;
use ndarray::{Array3, s};
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

/// One dataset on the device.
pub(super) struct TrainingSet {
    pub patterns: ResidentPatterns,
    pub forward: ForwardModel,
    pub scaling: Scaling,
    centers: Vec<[f64; 2]>,
}

impl TrainingSet {
    /// Uploads a dataset.
    fn new(dataset: &Dataset, config: &Config, scaling: Scaling, device: &Device) -> Result<Self> {
        let (patterns, largest) = prepare(dataset, config, &scaling, device)?;
        let forward = ForwardModel::new(dataset, config, &scaling, largest, device);
        let centers = patterns.centers();
        Ok(Self { patterns, forward, scaling, centers })
    }
}

/// All datasets, in order.
pub(super) struct TrainingSets(pub Vec<TrainingSet>);

impl TrainingSets {
    /// Uploads the datasets.
    ///
    /// # Errors
    /// A dataset does not match the configuration, or two have patterns of different sizes.
    pub fn new(datasets: &[&Dataset], config: &Config, device: &Device) -> Result<Self> {
        let side = datasets.first().map_or(0, |dataset| dataset.patch_size());
        let set = |dataset: &&Dataset| {
            if dataset.patch_size() != side {
                return Err(Error::BadInput(
                    Problem::new(format!("The patterns have {n} × {n} pixels", n = dataset.patch_size()))
                        .expected(format!("{side} × {side}, as in the first dataset"))
                        .hint("Crop, bin or pad the patterns to the same size")
                        .at(&dataset.path),
                ));
            }
            TrainingSet::new(dataset, config, scaling_of(dataset, config)?, device)
        };
        if datasets.len() > 1 && config.model.trains_physics() {
            return Err(Error::BadInput(
                Problem::new(
                    "Probe and intensity scale cannot be trained on several datasets: each dataset has its own",
                )
                .hint("Set model.probe_trainable and model.intensity_scale_trainable to false"),
            ));
        }
        datasets.iter().map(set).collect::<Result<_>>().map(Self)
    }

    /// Replaces the first dataset by its next part, in the units of the previous one, and returns that part.
    ///
    /// # Errors
    /// `load` fails, or the part has another number of groups.
    pub fn replace_part(
        &mut self,
        load: impl FnOnce() -> Result<Dataset>,
        config: &Config,
        device: &Device,
    ) -> Result<Dataset> {
        let Some(first) = self.0.first_mut() else { return load() };
        first.patterns.clear();
        let part = load()?;
        let set = TrainingSet::new(&part, config, first.scaling, device)?;
        let (before, now) = (first.patterns.len(), set.patterns.len());
        if before != now {
            return Err(Error::failed(format!("A part of the dataset has {now} groups, the previous one {before}")));
        }
        *first = set;
        Ok(part)
    }

    /// Number of groups of all datasets.
    pub fn len(&self) -> usize {
        self.0.iter().map(|set| set.patterns.len()).sum()
    }

    /// Steps per epoch with batches of this size; each batch belongs to one dataset.
    pub fn steps(&self, batch_size: usize) -> usize {
        self.0.iter().map(|set| set.patterns.len().div_ceil(batch_size.max(1))).sum()
    }

    /// Batches of an epoch: index of the dataset, and groups. Random batches follow `order`, which is shuffled first
    /// and numbers the groups of all datasets consecutively; `spatial` builds batches of neighboring groups instead.
    pub fn batches(
        &self,
        batch_size: usize,
        spatial: bool,
        order: &mut [usize],
        shuffle: &mut ChaCha8Rng,
    ) -> Vec<(usize, Vec<usize>)> {
        let mut batches: Vec<(usize, Vec<usize>)> = Vec::new();
        if !spatial {
            order.shuffle(shuffle);
        }
        let mut first = 0;
        for (number, set) in self.0.iter().enumerate() {
            let count = set.patterns.len();
            let size = batch_size.clamp(1, count.max(1));
            if spatial {
                batches.extend(spatial_batches(&set.centers, size, shuffle).into_iter().map(|batch| (number, batch)));
            } else {
                let own = order.iter().filter(|group| (first..first + count).contains(group));
                let own: Vec<usize> = own.map(|group| group - first).collect();
                batches.extend(own.chunks(size).map(|batch| (number, batch.to_vec())));
            }
            first += count;
        }
        if self.0.len() > 1 {
            batches.shuffle(shuffle);
        }
        batches
    }

    /// Initial weights, with input statistics over the patterns of all datasets.
    ///
    /// # Errors
    /// The configuration does not describe a valid network.
    pub fn untrained(&self, datasets: &[&Dataset], config: &Config) -> Result<Weights> {
        let seed = config.execution.seeds.weights;
        if let ([dataset], [set]) = (datasets, &self.0[..]) {
            return untrained_weights(dataset.diffraction.view(), set.scaling.normalization, &config.model, seed);
        }
        let count = datasets.iter().map(|dataset| dataset.len()).sum();
        let side = datasets.first().map_or(0, |dataset| dataset.patch_size());
        let mut all = Array3::<f32>::zeros((count, side, side));
        let mut at = 0;
        for (dataset, set) in datasets.iter().zip(&self.0) {
            let factor = set.scaling.normalization as f32;
            let mut part = all.slice_mut(s![at..at + dataset.len(), .., ..]);
            part.zip_mut_with(&dataset.diffraction, |to, from| *to = from * factor);
            at += dataset.len();
        }
        untrained_weights(all.view(), 1.0, &config.model, seed)
    }
}
