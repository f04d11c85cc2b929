//! The stitched object and its file.

use super::canvas::extract_patch;
use super::refined::Refined;
use crate::error::{Problem, Result};
use crate::formats::npz::{NpyArray, NpzArchive, npz_bytes, write_npz};
use ndarray::{Array2, Array3, ArrayD, Axis, Ix2, arr0, arr1};
use num_complex::Complex32;
use rayon::prelude::*;
use std::path::Path;

/// A stitched object with its origin in dataset coordinates.
#[derive(Debug, Clone, PartialEq)]
pub struct Reconstruction {
    /// (H, W) complex object.
    pub object: Array2<Complex32>,
    /// (H, W) total weight of the patches at each pixel; zero outside the scanned area.
    pub coverage: Array2<f32>,
    /// Dataset coordinates (x, y) of the center of pixel `[0, 0]`, in object pixels.
    pub origin_xy: [f64; 2],
    /// Side of an object pixel, m, if known.
    pub pixel_size_m: Option<f64>,
}

impl Reconstruction {
    /// Writes `object` (complex64), `coverage` (f32), `origin_xy` (f64) and, if known, `pixel_size_m` (f64) as NPZ,
    /// atomically.
    ///
    /// # Errors
    /// [`crate::error::Error::Failed`] if the file cannot be written.
    pub fn save(&self, path: &Path) -> Result<()> {
        self.save_with(&Refined::default(), path)
    }

    /// As [`Self::save`], with the parameters refined along with the object: `probe` complex64 (modes, N, N), `positions_xy` f64
    /// (n, 2), `intensities` f64 (n,).
    ///
    /// # Errors
    /// As [`Self::save`].
    pub fn save_with(&self, refined: &Refined, path: &Path) -> Result<()> {
        self.with_arrays(refined, |arrays| write_npz(path, arrays))
    }

    /// The content of the file that [`Self::save`] writes.
    ///
    /// # Errors
    /// [`crate::error::Error::Failed`] if the arrays cannot be encoded.
    pub fn to_npz(&self) -> Result<Vec<u8>> {
        self.with_arrays(&Refined::default(), npz_bytes)
    }

    /// Hands names and arrays of the file to `encode`.
    fn with_arrays<T>(
        &self,
        refined: &Refined,
        encode: impl FnOnce(&[(&str, NpyArray<'_>)]) -> Result<T>,
    ) -> Result<T> {
        let (positions, intensities) = refined.arrays();
        let origin = arr1(&self.origin_xy);
        let pixel = arr0(self.pixel_size_m.unwrap_or_default());
        let mut arrays = vec![
            ("object", NpyArray::C32(self.object.view().into_dyn())),
            ("coverage", NpyArray::F32(self.coverage.view().into_dyn())),
            ("origin_xy", NpyArray::F64(origin.view().into_dyn())),
        ];
        if self.pixel_size_m.is_some() {
            arrays.push(("pixel_size_m", NpyArray::F64(pixel.view().into_dyn())));
        }
        arrays.extend(refined.probe.as_ref().map(|probe| ("probe", NpyArray::C32(probe.view().into_dyn()))));
        arrays.extend(positions.as_ref().map(|list| ("positions_xy", NpyArray::F64(list.view().into_dyn()))));
        arrays.extend(intensities.as_ref().map(|list| ("intensities", NpyArray::F64(list.view().into_dyn()))));
        let background = refined.background.as_ref();
        arrays.extend(background.map(|image| ("background", NpyArray::F32(image.view().into_dyn()))));
        encode(&arrays)
    }

    /// (n, N, N) patches at these centers (index N/2), `(x, y)` in dataset coordinates, bilinearly interpolated; 0 outside.
    pub fn patches(&self, positions: &[[f64; 2]], side: usize) -> Array3<Complex32> {
        let mut patches = Array3::zeros((positions.len(), side, side));
        patches.axis_iter_mut(Axis(0)).into_par_iter().zip(positions).for_each(|(mut patch, [x, y])| {
            let mut values = Vec::new();
            extract_patch(self.object.view(), [x - self.origin_xy[0], y - self.origin_xy[1]], side, &mut values);
            patch.iter_mut().zip(values).for_each(|(to, from)| *to = from);
        });
        patches
    }

    /// Reads a file written by [`Self::save`].
    ///
    /// # Errors
    /// [`crate::error::Error::BadInput`] if the file cannot be read or does not hold a reconstruction.
    pub fn load(path: &Path) -> Result<Self> {
        let mut archive = NpzArchive::open(path)?;
        let unfit = |title: String| {
            Problem::new(title)
                .expected("object (H, W), coverage (H, W) and origin_xy (2,), as written by `ptychoscope infer`")
                .hint("Choose a reconstruction.npz")
                .at(path)
        };
        for key in ["object", "coverage", "origin_xy"] {
            if archive.member(key).is_none() {
                let keys = archive.keys_text();
                return Err(unfit(format!(
                    "The file is not a reconstruction: it lacks the array {key:?} and has {keys}"
                ))
                .into());
            }
        }
        let object = archive.read_c32("object")?;
        let coverage = archive.read_f32("coverage")?;
        let origin = archive.read_f64("origin_xy")?;
        let shapes = format!("{:?}, {:?} and {:?}", object.shape(), coverage.shape(), origin.shape());
        let wrong = || unfit(format!("The shapes of object, coverage and origin_xy are {shapes}"));
        let (object, coverage) = (plane(object).ok_or_else(wrong)?, plane(coverage).ok_or_else(wrong)?);
        let (Some(&[x, y]), true) = (origin.as_slice(), object.dim() == coverage.dim()) else {
            return Err(wrong().into());
        };
        let pixel_size_m = match archive.member("pixel_size_m") {
            Some(_) => archive.read_f64("pixel_size_m")?.first().copied(),
            None => None,
        };
        Ok(Self { object, coverage, origin_xy: [x, y], pixel_size_m })
    }
}

fn plane<T>(array: ArrayD<T>) -> Option<Array2<T>> {
    array.into_dimensionality::<Ix2>().ok()
}

#[cfg(test)]
mod tests {
    use super::super::test_support::Synthetic;
    use super::*;

    #[test]
    fn a_reconstruction_survives_its_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("reconstruction.npz");
        for pixel_size_m in [None, Some(1.6e-8)] {
            let saved = Reconstruction {
                object: Array2::from_shape_fn((5, 7), |(y, x)| Complex32::new(y as f32, -(x as f32))),
                coverage: Array2::from_shape_fn((5, 7), |(y, x)| (y * x) as f32),
                origin_xy: [-3.25, 17.5],
                pixel_size_m,
            };
            saved.save(&path).unwrap();
            assert_eq!(Reconstruction::load(&path).unwrap(), saved);
        }
    }

    #[test]
    fn a_dataset_is_not_taken_for_a_reconstruction() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("dataset.npz");
        Synthetic::new(4).write(&path);
        let error = Reconstruction::load(&path).unwrap_err().to_string();
        assert!(error.contains("not a reconstruction") && error.contains("dataset.npz"), "{error}");
        let object = Array2::from_elem((2, 2), Complex32::ONE);
        let coverage = Array2::zeros((2, 3));
        Reconstruction { object, coverage, origin_xy: [0.0; 2], pixel_size_m: None }.save(&path).unwrap();
        assert!(Reconstruction::load(&path).unwrap_err().to_string().contains("[2, 3]"));
    }
}
