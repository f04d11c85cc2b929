//! Ptychodus' folder of training data: `train_data.npz`, and `test_data.npz` beside it (A§11.6).
//!
//! Hazard: Ptychodus hands its patterns over as stored, and a file of its export does not say whether they are counts or their
//! roots. Remedy: values that tell are believed, and what was found is said; for others it has to be asked.

use std::borrow::Cow;
use std::path::{Path, PathBuf};

const TRAINING: &str = "train_data.npz";
const TEST: &str = "test_data.npz";

/// Whether a path is a folder of training data.
pub fn is_training_folder(path: &Path) -> bool {
    path.is_dir() && path.join(TRAINING).is_file()
}

/// The test patterns of a folder of training data, if it has some.
pub fn test_file(path: &Path) -> Option<PathBuf> {
    let file = path.join(TEST);
    (is_training_folder(path) && file.is_file()).then_some(file)
}

/// The file that a dataset is read from: of a folder of training data the training patterns.
pub(super) fn file_of(path: &Path) -> Cow<'_, Path> {
    if is_training_folder(path) { Cow::Owned(path.join(TRAINING)) } else { Cow::Borrowed(path) }
}

/// Whether a file is one of Ptychodus' export, by its name.
pub(super) fn is_export(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name == TRAINING || name == TEST)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::super::dataset::Dataset;
    use super::super::npz::NpyArray;
    use super::super::test_support::Synthetic;
    use super::*;
    use crate::config::{DataConfig, DiffractionUnit};

    fn load(path: &Path, unit: DiffractionUnit) -> crate::error::Result<Dataset> {
        Dataset::load(path, &DataConfig { diffraction_unit: unit, ..DataConfig::default() }, 1)
    }

    #[test]
    fn a_folder_is_read_as_its_training_patterns_and_counts_are_told_from_amplitudes_or_asked_for() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path();
        assert!(!is_training_folder(path));
        let data = Synthetic::new(9);
        let write = |name: &str, values: ndarray::ArrayViewD<'_, f64>| {
            data.write_with(&path.join(name), "diff3d", NpyArray::F64(values));
        };
        let amplitude = data.counts.mapv(f64::sqrt);
        write(TRAINING, data.counts.view().into_dyn());
        assert!(is_training_folder(path) && test_file(path).is_none());
        let counts = load(path, DiffractionUnit::Auto).unwrap();
        assert!(
            counts.notes.iter().any(|note| note.contains("counts") && note.contains("whole")),
            "{:?}",
            counts.notes
        );
        assert_eq!(counts.path, path);

        write(TEST, amplitude.view().into_dyn());
        assert_eq!(test_file(path), Some(path.join(TEST)));
        let roots = load(&path.join(TEST), DiffractionUnit::Auto).unwrap();
        assert!(roots.notes.iter().any(|note| note.contains("amplitude")), "{:?}", roots.notes);
        let difference = (&counts.diffraction - &roots.diffraction).mapv(f32::abs).fold(0.0, |a: f32, &b| a.max(b));
        assert!(difference < 1e-3, "{difference}");

        let scaled = amplitude.mapv(|value| value * 0.137);
        write(TRAINING, scaled.view().into_dyn());
        let refused = load(path, DiffractionUnit::Auto).unwrap_err().to_string();
        assert!(refused.contains("counts") && refused.contains("diffraction_unit"), "{refused}");
        let told = load(path, DiffractionUnit::Amplitude).unwrap();
        assert!((f64::from(told.diffraction[[3, 32, 32]]) - scaled[[3, 32, 32]]).abs() < 1e-3);
        let squared = load(path, DiffractionUnit::Counts).unwrap();
        assert!((f64::from(squared.diffraction[[3, 32, 32]]).powi(2) - scaled[[3, 32, 32]]).abs() < 1e-3);
    }
}
