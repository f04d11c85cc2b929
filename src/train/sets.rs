//! The datasets of one training: each with its own patterns, groups, probe and scaling; the network is theirs together.

use super::batch::Resident;
use super::forward::Forward;
use super::scaling::Scaling;
use super::trainer::{prepare, scaling_of};
use crate::config::Config;
use crate::data::{Dataset, neighbourhoods};
use crate::error::{Error, Problem, Result};
use crate::model::{Weights, untrained_weights};
use burn::tensor::Device;
use ndarray::{Array3, s};
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

/// One dataset on the device.
pub(super) struct Set {
    pub resident: Resident,
    pub forward: Forward,
    pub scaling: Scaling,
    centers: Vec<[f64; 2]>,
}

impl Set {
    /// Uploads a dataset.
    fn new(dataset: &Dataset, config: &Config, scaling: Scaling, device: &Device) -> Result<Self> {
        let (resident, largest) = prepare(dataset, config, &scaling, device)?;
        let forward = Forward::new(dataset, config, &scaling, largest, device);
        let centers = resident.centers();
        Ok(Self { resident, forward, scaling, centers })
    }
}

/// All of them, in their order.
pub(super) struct Sets(pub Vec<Set>);

impl Sets {
    /// Uploads the datasets.
    ///
    /// # Errors
    /// One does not fit the configuration, or two have patterns of different sides.
    pub fn new(datasets: &[&Dataset], config: &Config, device: &Device) -> Result<Self> {
        let side = datasets.first().map_or(0, |dataset| dataset.patch_size());
        let set = |dataset: &&Dataset| {
            if dataset.patch_size() != side {
                return Err(Error::BadInput(
                    Problem::new(format!("The patterns have {n} × {n} pixels", n = dataset.patch_size()))
                        .expected(format!("{side} × {side}, as those of the first dataset"))
                        .hint("Crop, bin or pad them to one side")
                        .at(&dataset.path),
                ));
            }
            Set::new(dataset, config, scaling_of(dataset, config)?, device)
        };
        if datasets.len() > 1 && config.model.trains_physics() {
            return Err(Error::BadInput(
                Problem::new(
                    "Several datasets have a probe and a scale each, which cannot be trained with one network",
                )
                .hint("Set model.probe_trainable and model.intensity_scale_trainable to false"),
            ));
        }
        datasets.iter().map(set).collect::<Result<_>>().map(Self)
    }

    /// Another part of the first dataset takes the place of the one before, in the same units: the network is one.
    ///
    /// # Errors
    /// `load` fails, or gives a part with another number of groups.
    pub fn exchange(
        &mut self,
        load: impl FnOnce() -> Result<Dataset>,
        config: &Config,
        device: &Device,
    ) -> Result<Dataset> {
        let Some(first) = self.0.first_mut() else { return load() };
        first.resident.make_room();
        let part = load()?;
        let set = Set::new(&part, config, first.scaling, device)?;
        let (before, now) = (first.resident.len(), set.resident.len());
        if before != now {
            return Err(Error::failed(format!("A part of the dataset has {now} groups, the one before had {before}")));
        }
        *first = set;
        Ok(part)
    }

    /// Groups of all datasets.
    pub fn len(&self) -> usize {
        self.0.iter().map(|set| set.resident.len()).sum()
    }

    /// Steps of an epoch with batches of this size, of one dataset each.
    pub fn steps(&self, batch_size: usize) -> usize {
        self.0.iter().map(|set| set.resident.len().div_ceil(batch_size.max(1))).sum()
    }

    /// The batches of an epoch: dataset and groups of each. Groups are numbered through all datasets in `order`, which is
    /// shuffled; `neighbours` makes batches of neighbours instead.
    pub fn batches(
        &self,
        batch_size: usize,
        neighbours: bool,
        order: &mut [usize],
        shuffle: &mut ChaCha8Rng,
    ) -> Vec<(usize, Vec<usize>)> {
        let mut batches: Vec<(usize, Vec<usize>)> = Vec::new();
        if !neighbours {
            order.shuffle(shuffle);
        }
        let mut first = 0;
        for (number, set) in self.0.iter().enumerate() {
            let count = set.resident.len();
            let size = batch_size.clamp(1, count.max(1));
            if neighbours {
                batches.extend(neighbourhoods(&set.centers, size, shuffle).into_iter().map(|batch| (number, batch)));
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

    /// Weights before training; what standardises the input is that of all patterns.
    ///
    /// # Errors
    /// The configuration describes no network.
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
