//! Datasets that do not fit into the memory that was granted.

use crate::config::Config;
use crate::data::Dataset;
use crate::error::Result;
use std::path::Path;

/// Images of the size of a pattern, in f32, that each pattern takes in training: itself, on the device, and with a teacher
/// its arranged amplitude, lit probe and patches of the teacher's object, here and on the device.
const TRAINING_IMAGES: [usize; 2] = [3, 11];
/// The same in a reconstruction: itself, and its patch before and after it was read back.
const RECONSTRUCTION_IMAGES: usize = 6;

/// How a dataset is worked on that is too large to be held whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Large {
    /// Patterns of the dataset.
    pub count: usize,
    /// Patterns that may be trained on.
    pub trained_on: usize,
    /// Patterns that may be reconstructed at once.
    pub at_once: usize,
}

impl Large {
    /// None if the dataset is small enough, or nothing limits it.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn of(path: &Path, config: &Config) -> Result<Option<Self>> {
        let Some(limit) = config.data.max_memory else { return Ok(None) };
        let Some((count, side)) = Dataset::extent(path, &config.data)? else { return Ok(None) };
        let fitting = |images: usize| ((limit * 1e9) as usize / (4 * side * side * images)).max(1);
        let teacher = usize::from(config.training.teacher_share > 0.0);
        let large =
            Self { count, trained_on: fitting(TRAINING_IMAGES[teacher]), at_once: fitting(RECONSTRUCTION_IMAGES) };
        Ok((large.trained_on < config.data.n_subsample.unwrap_or(count).min(count)).then_some(large))
    }

    /// The configuration by which a part is read.
    pub fn part(&self, config: &Config) -> Config {
        let mut part = config.clone();
        part.data.n_subsample = Some(self.trained_on);
        part
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_below_the_size_of_a_dataset_splits_it_and_none_above() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/siemens_star_n64.npz");
        let mut config = Config::default();
        assert_eq!(Large::of(&path, &config).unwrap(), None);
        config.data.max_memory = Some(1.0);
        assert_eq!(Large::of(&path, &config).unwrap(), None);
        config.data.max_memory = Some(0.01);
        let large = Large::of(&path, &config).unwrap().unwrap();
        assert_eq!((large.count, large.trained_on, large.at_once), (516, 55, 101));
        assert_eq!(large.part(&config).data.n_subsample, Some(55));
        config.data.n_subsample = Some(40);
        assert_eq!(Large::of(&path, &config).unwrap(), None, "what is kept fits");
    }
}
