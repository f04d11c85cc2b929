//! Experimental parameters refined along with the object.

use super::dataset::Dataset;
use super::normalize::mean_counts;
use crate::error::{Problem, Result};
use crate::formats::npz::NpzArchive;
use ndarray::{Array1, Array2, Array3, Axis, Ix2, Ix3};
use num_complex::Complex32;
use std::path::Path;

/// Probe, positions and intensities refined by a solver; `None` if not refined. The reconstructed object matches these.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Refined {
    /// (modes, N, N) probe, in the dataset's units.
    pub probe: Option<Array3<Complex32>>,
    /// (x, y) of each pattern, in object pixels.
    pub positions: Option<Vec<[f64; 2]>>,
    /// Counts of each pattern relative to those predicted from object and probe; 1 on average.
    pub intensities: Option<Vec<f64>>,
    /// (N, N) intensity that every pattern contains besides the diffraction of the object, in the dataset's units.
    pub background: Option<Array2<f32>>,
}

/// Difference between refined parameters and the dataset.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Change {
    /// |P' − P| / |P| over all probe modes, after aligning the global phase.
    pub probe: Option<f64>,
    /// Root mean square and largest length of the position shifts, in pixels.
    pub shift_px: Option<(f64, f64)>,
    /// Root mean square deviation of the intensities from 1.
    pub intensity: Option<f64>,
    /// Share of the refined background in the counts of the patterns.
    pub background: Option<f64>,
}

impl Refined {
    /// True if nothing was refined.
    pub fn is_empty(&self) -> bool {
        self.probe.is_none() && self.positions.is_none() && self.intensities.is_none() && self.background.is_none()
    }

    /// Positions (n, 2) and intensities (n,) as arrays for a file.
    pub(super) fn arrays(&self) -> (Option<Array2<f64>>, Option<Array1<f64>>) {
        let positions = self.positions.as_ref();
        let positions = positions.map(|list| Array2::from_shape_fn((list.len(), 2), |(at, axis)| list[at][axis]));
        (positions, self.intensities.as_ref().map(|list| Array1::from_vec(list.clone())))
    }

    /// Reads the refined parameters stored in a `reconstruction.npz`; missing ones are `None`.
    ///
    /// # Errors
    /// [`crate::error::Error::BadInput`] if the file cannot be read or an array has the wrong shape.
    pub fn load(path: &Path) -> Result<Self> {
        let mut archive = NpzArchive::open(path)?;
        let wrong = |key: &str, shape: &[usize], expected: &str| {
            Problem::new(format!("The array {key:?} has shape {shape:?}")).expected(expected.to_owned()).at(path)
        };
        let mut refined = Self::default();
        if archive.member("probe").is_some() {
            let probe = archive.read_c32("probe")?;
            let shape = probe.shape().to_vec();
            let probe = probe.into_dimensionality::<Ix3>();
            refined.probe = Some(probe.map_err(|_| wrong("probe", &shape, "a probe of shape (modes, N, N)"))?);
        }
        if archive.member("positions_xy").is_some() {
            let positions = archive.read_f64("positions_xy")?;
            let [_, 2] = positions.shape() else {
                return Err(wrong("positions_xy", positions.shape(), "x and y of each pattern, (n, 2)").into());
            };
            let values: Vec<f64> = positions.iter().copied().collect();
            refined.positions = Some(values.chunks_exact(2).map(|pair| [pair[0], pair[1]]).collect());
        }
        if archive.member("intensities").is_some() {
            refined.intensities = Some(archive.read_f64("intensities")?.iter().copied().collect());
        }
        if archive.member("background").is_some() {
            let background = archive.read_f32("background")?;
            let shape = background.shape().to_vec();
            let background = background.into_dimensionality::<Ix2>();
            refined.background =
                Some(background.map_err(|_| wrong("background", &shape, "a background of shape (N, N)"))?);
        }
        Ok(refined)
    }

    /// Applies the parameters to the dataset: replaces probe, positions and background, and normalizes each pattern to constant
    /// beam intensity; a background does not change with the beam.
    /// Parameters that do not match the dataset (number or size of patterns) are skipped.
    pub fn apply(&self, dataset: &mut Dataset) {
        let side = dataset.patch_size();
        if let Some(probe) = self.probe.as_ref().filter(|probe| probe.dim().1 == side && probe.dim().2 == side) {
            dataset.probe.clone_from(probe);
        }
        if let Some(positions) = self.positions.as_ref().filter(|list| list.len() == dataset.len()) {
            dataset.positions.clone_from(positions);
        }
        if let Some(background) = self.background.as_ref().filter(|background| background.dim() == (side, side)) {
            dataset.background = Some(background.clone());
        }
        if let Some(intensities) = self.intensities.as_ref().filter(|list| list.len() == dataset.len()) {
            for (mut pattern, intensity) in dataset.diffraction.axis_iter_mut(Axis(0)).zip(intensities) {
                let scale = intensity.sqrt().recip() as f32;
                match &dataset.background {
                    None => pattern.mapv_inplace(|value| value * scale),
                    Some(background) => pattern.zip_mut_with(background, |value, background| {
                        *value = ((*value * *value - background) * scale * scale + background).max(0.0).sqrt();
                    }),
                }
            }
        }
    }

    /// Combines two consecutive refinements; this one started from the dataset after `before`.
    #[must_use]
    pub fn after(self, before: Self) -> Self {
        let intensities = match (self.intensities, before.intensities) {
            (Some(now), Some(then)) => Some(now.iter().zip(then).map(|(now, then)| now * then).collect()),
            (now, then) => now.or(then),
        };
        Self {
            probe: self.probe.or(before.probe),
            positions: self.positions.or(before.positions),
            intensities,
            background: self.background.or(before.background),
        }
    }

    /// Difference from the dataset.
    pub fn change(&self, dataset: &Dataset) -> Change {
        let probe = self.probe.as_ref().map(|probe| {
            let was =
                |mode: usize, at: (usize, usize)| dataset.probe.get((mode, at.0, at.1)).copied().unwrap_or_default();
            let (mut between, mut before, mut after) = (Complex32::default(), 0.0f64, 0.0f64);
            for ((mode, y, x), value) in probe.indexed_iter() {
                between += value * was(mode, (y, x)).conj();
                after += f64::from(value.norm_sqr());
            }
            dataset.probe.iter().for_each(|value| before += f64::from(value.norm_sqr()));
            let squared = (before + after - 2.0 * f64::from(between.norm())).max(0.0);
            (squared / before.max(f64::MIN_POSITIVE)).sqrt()
        });
        let shift_px = self.positions.as_ref().map(|positions| {
            let lengths =
                positions.iter().zip(&dataset.positions).map(|(to, from)| (to[0] - from[0]).hypot(to[1] - from[1]));
            let (sum, most) =
                lengths.fold((0.0, 0.0f64), |(sum, most), length| (sum + length * length, most.max(length)));
            ((sum / positions.len().max(1) as f64).sqrt(), most)
        });
        let intensity = self.intensities.as_ref().map(|list| {
            (list.iter().map(|value| (value - 1.0).powi(2)).sum::<f64>() / list.len().max(1) as f64).sqrt()
        });
        let background = self.background.as_ref().and_then(|background| {
            let counts = mean_counts(dataset.diffraction.view()).ok()?;
            Some(background.iter().map(|value| f64::from(*value)).sum::<f64>() / counts)
        });
        Change { probe, shift_px, intensity, background }
    }
}

#[cfg(test)]
mod tests {
    use super::super::reconstruction::Reconstruction;
    use super::*;

    fn dataset() -> Dataset {
        Dataset::from_arrays(
            Array3::from_shape_fn((3, 8, 8), |(n, y, x)| (n + y + x) as f32),
            vec![[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]],
            Array3::from_elem((1, 8, 8), Complex32::new(1.0, 0.0)),
        )
    }

    #[test]
    fn refined_parameters_survive_saving_and_change_the_dataset() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("reconstruction.npz");
        let object = Array2::from_elem((4, 4), Complex32::ONE);
        let coverage = Array2::from_elem((4, 4), 1.0);
        let reconstruction = Reconstruction { object, coverage, origin_xy: [0.0; 2], pixel_size_m: None };
        reconstruction.save(&path).unwrap();
        assert!(Refined::load(&path).unwrap().is_empty());
        let refined = Refined {
            probe: Some(Array3::from_shape_fn((2, 8, 8), |(m, y, x)| Complex32::new((m + y) as f32, x as f32))),
            positions: Some(vec![[1.0, 2.0], [3.0, 4.0], [8.0, 10.0]]),
            intensities: Some(vec![1.0, 4.0, 0.25]),
            background: None,
        };
        reconstruction.save_with(&refined, &path).unwrap();
        assert_eq!(Refined::load(&path).unwrap(), refined);
        assert_eq!(Reconstruction::load(&path).unwrap(), reconstruction);
        let mut changed = dataset();
        refined.apply(&mut changed);
        assert_eq!((changed.probe.dim().0, changed.positions[2]), (2, [8.0, 10.0]));
        assert_eq!(changed.diffraction[[1, 3, 3]], dataset().diffraction[[1, 3, 3]] / 2.0);
        let change = refined.change(&dataset());
        assert_eq!(change.shift_px.map(|(rms, most)| ((rms * rms * 3.0).round(), most)), Some((25.0, 5.0)));
        assert!(change.probe.unwrap() > 1.0 && change.intensity.unwrap() > 1.0);
    }

    #[test]
    fn parameters_of_another_scan_are_skipped() {
        let foreign = Refined {
            probe: Some(Array3::zeros((1, 16, 16))),
            positions: Some(vec![[0.0; 2]]),
            intensities: Some(vec![2.0]),
            background: Some(Array2::zeros((4, 4))),
        };
        let mut unchanged = dataset();
        foreign.apply(&mut unchanged);
        assert_eq!(unchanged, dataset());
    }

    #[test]
    fn a_background_is_saved_and_does_not_change_with_the_beam() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("reconstruction.npz");
        let object = Array2::from_elem((4, 4), Complex32::ONE);
        let reconstruction =
            Reconstruction { coverage: Array2::ones((4, 4)), object, origin_xy: [0.0; 2], pixel_size_m: None };
        let background = Array2::from_elem((8, 8), 4.0);
        let refined = Refined {
            intensities: Some(vec![1.0, 4.0, 0.25]),
            background: Some(background.clone()),
            ..Refined::default()
        };
        reconstruction.save_with(&refined, &path).unwrap();
        assert_eq!(Refined::load(&path).unwrap(), refined);
        let mut changed = dataset();
        refined.apply(&mut changed);
        assert_eq!(changed.background, Some(background));
        // 7² = 49 counts, 45 of them from a beam four times as strong.
        assert!((changed.diffraction[[1, 3, 3]].powi(2) - (45.0 / 4.0 + 4.0)).abs() < 1e-4);
        assert_eq!(changed.diffraction[[1, 0, 0]].powi(2), 3.25);
        assert!(refined.change(&dataset()).background.is_some_and(|share| share > 0.0));
    }
}
