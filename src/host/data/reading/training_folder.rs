//! Ptychodus training folder: `train_data.npz` and optionally `test_data.npz` (A§11.6).
//!
//! Hazard: Ptychodus exports its patterns as stored, without recording whether they are counts or amplitudes.
//! Remedy: the unit is inferred from the values and reported; if they are ambiguous, the user has to set it.

use std::borrow::Cow;
use std::path::{Path, PathBuf};

const TRAINING: &str = "train_data.npz";
const TEST: &str = "test_data.npz";

/// True if a path is a Ptychodus training folder.
pub fn is_training_folder(path: &Path) -> bool {
    path.is_dir() && path.join(TRAINING).is_file()
}

/// Path of the test patterns of a training folder, if it has any.
pub fn test_file(path: &Path) -> Option<PathBuf> {
    let file = path.join(TEST);
    (is_training_folder(path) && file.is_file()).then_some(file)
}

/// Path of the file to read: the training patterns of a training folder, else the path itself.
pub(in crate::data) fn file_of(path: &Path) -> Cow<'_, Path> {
    if is_training_folder(path) { Cow::Owned(path.join(TRAINING)) } else { Cow::Borrowed(path) }
}

/// True if a file has the name of a Ptychodus export.
pub(super) fn is_export(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name == TRAINING || name == TEST)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{DataConfig, DiffractionUnit};
    use crate::data::Dataset;
    use crate::data::test_support::Synthetic;
    use crate::formats::npz::NpyArray;

    fn load(path: &Path, unit: DiffractionUnit) -> crate::error::Result<Dataset> {
        Dataset::load(path, &DataConfig { diffraction_unit: unit, ..DataConfig::default() }, 1)
    }

    #[test]
    fn a_folder_is_read_as_its_training_patterns_with_inferred_or_configured_unit() {
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
        let rejected = load(path, DiffractionUnit::Auto).unwrap_err().to_string();
        assert!(rejected.contains("counts") && rejected.contains("diffraction_unit"), "{rejected}");
        let configured = load(path, DiffractionUnit::Amplitude).unwrap();
        assert!((f64::from(configured.diffraction[[3, 32, 32]]) - scaled[[3, 32, 32]]).abs() < 1e-3);
        let squared = load(path, DiffractionUnit::Counts).unwrap();
        assert!((f64::from(squared.diffraction[[3, 32, 32]]).powi(2) - scaled[[3, 32, 32]]).abs() < 1e-3);
    }
}
