//! Datasets made from a dataset: fewer photons, less overlap.

use crate::data::Dataset;
use crate::error::{Error, Problem, Result};
use crate::metrics::{DISC_OF_SIDE, OVERLAP_NEIGHBORS, overlap_metrics};
use crate::simulate::poisson;
use ndarray::Axis;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

/// How a dataset differs from the one it is made from.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Variant {
    /// Mean photons per pattern.
    pub photons: Option<f64>,
    /// Image-based mean overlap (A§8.7) that positions are thinned to.
    pub overlap: Option<f64>,
    /// Seed of the noise.
    pub seed: u64,
}

impl Variant {
    /// A name for its file.
    pub fn name(&self) -> String {
        let part = |name: &str, value: Option<f64>| value.map(|value| format!("{name}-{value}"));
        // The thinning draws nothing, so only noise is named for its seed.
        let parts = [
            part("overlap", self.overlap),
            part("photons", self.photons),
            self.photons.map(|_| format!("seed-{}", self.seed)),
        ];
        parts.into_iter().flatten().collect::<Vec<_>>().join("_")
    }

    /// The dataset with fewer positions, then with fresh noise.
    ///
    /// # Errors
    /// An overlap that thinning cannot reach, or patterns without intensity.
    pub fn of(&self, dataset: &Dataset) -> Result<Dataset> {
        let mut made = match self.overlap {
            Some(target) => thinned(dataset, target)?,
            None => dataset.clone(),
        };
        if let Some(photons) = self.photons {
            add_noise(&mut made, photons, self.seed)?;
        }
        Ok(made)
    }
}

/// Takes each pattern as the expectation of one with `photons` on average and draws Poisson counts; the probe is scaled
/// alike, so that the object keeps its unit. Noise that the patterns have already stays in them.
fn add_noise(dataset: &mut Dataset, photons: f64, seed: u64) -> Result<()> {
    let total: f64 = dataset.diffraction.iter().map(|a| f64::from(*a).powi(2)).sum();
    let factor = photons * dataset.len() as f64 / total;
    if !(factor > 0.0 && factor.is_finite()) {
        return Err(Error::bad_input("The patterns hold no intensity to draw photons from"));
    }
    dataset.diffraction.axis_iter_mut(Axis(0)).into_par_iter().enumerate().for_each(|(number, mut pattern)| {
        let mut generator = ChaCha8Rng::seed_from_u64(seed);
        generator.set_stream(number as u64);
        pattern.mapv_inplace(|a| poisson(&mut generator, factor * f64::from(a).powi(2)).sqrt() as f32);
    });
    dataset.probe.mapv_inplace(|p| p * factor.sqrt() as f32);
    dataset.nphotons = Some(photons);
    Ok(())
}

/// Keeps, in the order of the scan, the positions that are a least distance from all kept before; the distance is the
/// smallest whose image-based overlap is not above the target.
fn thinned(dataset: &Dataset, target: f64) -> Result<Dataset> {
    let diameter = DISC_OF_SIDE * dataset.patch_size() as f64;
    let overlap_of = |kept: &[usize]| {
        let positions: Vec<[f64; 2]> = kept.iter().filter_map(|&i| dataset.positions.get(i).copied()).collect();
        overlap_metrics(&positions, None, 1, OVERLAP_NEIGHBORS, diameter, None).map(|m| m.metric_2_image_based_avg)
    };
    let all: Vec<usize> = (0..dataset.len()).collect();
    let given = overlap_of(&all)?;
    if given < target {
        return Err(Error::BadInput(
            Problem::new(format!("The scan has a mean overlap of {given:.3}, which thinning cannot raise to {target}"))
                .expected(format!("--vary overlap= values up to {given:.3}")),
        ));
    }
    let (mut low, mut high) = (0.0, diameter);
    let mut best = None;
    for _ in 0..24 {
        let distance = (low + high) / 2.0;
        let kept = at_least_apart(&dataset.positions, distance);
        match overlap_of(&kept) {
            Ok(overlap) if overlap > target => low = distance,
            Ok(_) => {
                best = Some(kept);
                high = distance;
            }
            // Too few positions are left.
            Err(_) => high = distance,
        }
    }
    best.map(|kept| dataset.subset(&kept)).ok_or_else(|| {
        Error::BadInput(Problem::new(format!("No thinning of the scan has a mean overlap of {target} or less")))
    })
}

/// Indices, ascending, of positions at least this far from every one kept before them.
fn at_least_apart(positions: &[[f64; 2]], distance: f64) -> Vec<usize> {
    // A cell holds what is near; neighbours are in the nine cells around.
    let cell = |p: [f64; 2]| p.map(|v| (v / distance.max(1e-9)).floor() as i64);
    let mut cells: std::collections::BTreeMap<[i64; 2], Vec<usize>> = std::collections::BTreeMap::new();
    let mut kept = Vec::new();
    for (index, &position) in positions.iter().enumerate() {
        let [cx, cy] = cell(position);
        let around = (-1..=1).flat_map(|dy| (-1..=1).map(move |dx| [cx.saturating_add(dx), cy.saturating_add(dy)]));
        let close = around.filter_map(|at| cells.get(&at)).flatten().any(|&other| {
            positions.get(other).is_some_and(|o| (o[0] - position[0]).hypot(o[1] - position[1]) < distance)
        });
        if !close {
            cells.entry([cx, cy]).or_default().push(index);
            kept.push(index);
        }
    }
    kept
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;
    use ndarray::Array3;
    use num_complex::Complex32;

    fn dataset() -> Dataset {
        Dataset::made(
            Array3::from_shape_fn((400, 16, 16), |(n, y, x)| 3.0 + ((n + y * x) % 7) as f32),
            (0..400).map(|i| [f64::from(i % 20), f64::from(i / 20)]).collect(),
            Array3::from_elem((1, 16, 16), Complex32::new(2.0, 0.0)),
        )
    }

    #[test]
    fn noisy_data_have_the_photons_asked_for_whole_counts_and_a_probe_to_match() {
        let given = dataset();
        let variant = Variant { photons: Some(1e4), overlap: None, seed: 3 };
        let made = variant.of(&given).unwrap();
        let counts = made.diffraction.mapv(|a| f64::from(a).powi(2));
        assert!((counts.sum() / 400.0 - 1e4).abs() < 5.0 * (1e4_f64 / 400.0).sqrt());
        assert!(counts.iter().all(|c| (c - c.round()).abs() < 1e-3));
        let energy = |d: &Dataset| d.diffraction.iter().map(|a| f64::from(*a).powi(2)).sum::<f64>();
        let probe = |d: &Dataset| d.probe.iter().map(|p| f64::from(p.norm_sqr())).sum::<f64>();
        let (by_data, by_probe) = (energy(&made) / energy(&given), probe(&made) / probe(&given));
        assert!((by_data / by_probe - 1.0).abs() < 0.01, "{by_data} {by_probe}");
        assert_eq!(variant.of(&given).unwrap(), made, "one seed, one dataset");
        assert_ne!(Variant { seed: 4, ..variant }.of(&given).unwrap().diffraction, made.diffraction);
        assert_ne!(Variant { seed: 4, ..variant }.name(), variant.name());
    }

    #[test]
    fn thinning_reaches_the_overlap_from_above_and_never_beyond_what_is_there() {
        let given = dataset();
        let overlap = |d: &Dataset| {
            overlap_metrics(&d.positions, None, 1, OVERLAP_NEIGHBORS, 9.6, None).unwrap().metric_2_image_based_avg
        };
        let before = overlap(&given);
        for target in [0.7, 0.5, 0.3] {
            let made = Variant { photons: None, overlap: Some(target), seed: 0 }.of(&given).unwrap();
            assert!(overlap(&made) <= target && overlap(&made) > target - 0.25, "{target}: {}", overlap(&made));
            assert!(made.len() < given.len() && made.positions.len() == made.diffraction.dim().0);
        }
        let error = Variant { photons: None, overlap: Some(0.99), seed: 0 }.of(&given).unwrap_err().to_string();
        assert!(before < 0.99 && error.contains("overlap"), "{error}");
    }
}
