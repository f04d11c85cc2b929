//! Variants of a dataset with fewer photons or less overlap.

use crate::data::Dataset;
use crate::error::{Error, Problem, Result};
use crate::metrics::{OVERLAP_NEIGHBORS, overlap_metrics, probe_diameter};
use crate::simulate::poisson;
use ndarray::Axis;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

/// A modification of a dataset.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Variant {
    /// Mean photons per pattern.
    pub photons: Option<f64>,
    /// Image-based mean overlap (A§8.7), reached by omitting positions.
    pub overlap: Option<f64>,
    /// Seed of the Poisson noise.
    pub seed: u64,
}

impl Variant {
    /// Name of the file, without extension.
    pub fn name(&self) -> String {
        let part = |name: &str, value: Option<f64>| value.map(|value| format!("{name}-{value}"));
        // Thinning uses no random numbers, so the seed matters only with noise.
        let parts = [
            part("overlap", self.overlap),
            part("photons", self.photons),
            self.photons.map(|_| format!("seed-{}", self.seed)),
        ];
        parts.into_iter().flatten().collect::<Vec<_>>().join("_")
    }

    /// Omits positions, then adds noise.
    ///
    /// # Errors
    /// An overlap that thinning cannot reach, or patterns without intensity.
    pub fn apply(&self, dataset: &Dataset) -> Result<Dataset> {
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

/// Scales the patterns to `photons` on average and draws Poisson counts with these expectations. The probe is scaled by the
/// same factor, so that the object keeps its unit. Noise already in the patterns remains.
fn add_noise(dataset: &mut Dataset, photons: f64, seed: u64) -> Result<()> {
    let total: f64 = dataset.diffraction.iter().map(|a| f64::from(*a).powi(2)).sum();
    let factor = photons * dataset.len() as f64 / total;
    if !(factor > 0.0 && factor.is_finite()) {
        return Err(Error::bad_input("The patterns have zero intensity; photons cannot be drawn from them"));
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

/// Keeps, in scan order, the positions at least some distance away from all positions kept before. The distance is the
/// smallest for which the image-based overlap does not exceed the target.
fn thinned(dataset: &Dataset, target: f64) -> Result<Dataset> {
    let diameter = probe_diameter(dataset.probe.view());
    let overlap_of = |kept: &[usize]| {
        let positions: Vec<[f64; 2]> = kept.iter().filter_map(|&i| dataset.positions.get(i).copied()).collect();
        overlap_metrics(&positions, None, 1, OVERLAP_NEIGHBORS, diameter, None).map(|m| m.metric_2_image_based_avg)
    };
    let all: Vec<usize> = (0..dataset.len()).collect();
    let given = overlap_of(&all)?;
    if given < target {
        return Err(Error::BadInput(
            Problem::new(format!(
                "The scan has a mean overlap of {given:.3}; omitting positions cannot raise it to {target}"
            ))
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
            // Too few positions remain.
            Err(_) => high = distance,
        }
    }
    best.map(|kept| dataset.subset(&kept)).ok_or_else(|| {
        Error::BadInput(Problem::new(format!("Omitting positions cannot reduce the mean overlap to {target}")))
    })
}

/// Indices, ascending, of positions at least `distance` away from all positions kept before.
fn at_least_apart(positions: &[[f64; 2]], distance: f64) -> Vec<usize> {
    // With cells of side `distance`, all closer positions lie in the cell itself or the eight around it.
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
mod tests {
    use super::*;
    use ndarray::Array3;
    use num_complex::Complex32;

    fn dataset() -> Dataset {
        Dataset::from_arrays(
            Array3::from_shape_fn((400, 16, 16), |(n, y, x)| 3.0 + ((n + y * x) % 7) as f32),
            (0..400).map(|i| [f64::from(i % 20), f64::from(i / 20)]).collect(),
            Array3::from_elem((1, 16, 16), Complex32::new(2.0, 0.0)),
        )
    }

    #[test]
    fn noisy_data_have_the_requested_photons_integer_counts_and_a_matching_probe() {
        let given = dataset();
        let variant = Variant { photons: Some(1e4), overlap: None, seed: 3 };
        let made = variant.apply(&given).unwrap();
        let counts = made.diffraction.mapv(|a| f64::from(a).powi(2));
        assert!((counts.sum() / 400.0 - 1e4).abs() < 5.0 * (1e4_f64 / 400.0).sqrt());
        assert!(counts.iter().all(|c| (c - c.round()).abs() < 1e-3));
        let energy = |d: &Dataset| d.diffraction.iter().map(|a| f64::from(*a).powi(2)).sum::<f64>();
        let probe = |d: &Dataset| d.probe.iter().map(|p| f64::from(p.norm_sqr())).sum::<f64>();
        let (by_data, by_probe) = (energy(&made) / energy(&given), probe(&made) / probe(&given));
        assert!((by_data / by_probe - 1.0).abs() < 0.01, "{by_data} {by_probe}");
        assert_eq!(variant.apply(&given).unwrap(), made, "the same seed gives the same dataset");
        assert_ne!(Variant { seed: 4, ..variant }.apply(&given).unwrap().diffraction, made.diffraction);
        assert_ne!(Variant { seed: 4, ..variant }.name(), variant.name());
    }

    #[test]
    fn thinning_approaches_the_overlap_from_below_and_never_raises_it() {
        let given = dataset();
        let overlap = |d: &Dataset| {
            let diameter = probe_diameter(d.probe.view());
            overlap_metrics(&d.positions, None, 1, OVERLAP_NEIGHBORS, diameter, None).unwrap().metric_2_image_based_avg
        };
        let before = overlap(&given);
        for target in [0.7, 0.5, 0.3] {
            let made = Variant { photons: None, overlap: Some(target), seed: 0 }.apply(&given).unwrap();
            assert!(overlap(&made) <= target && overlap(&made) > target - 0.25, "{target}: {}", overlap(&made));
            assert!(made.len() < given.len() && made.positions.len() == made.diffraction.dim().0);
        }
        let error = Variant { photons: None, overlap: Some(0.99), seed: 0 }.apply(&given).unwrap_err().to_string();
        assert!(before < 0.99 && error.contains("overlap"), "{error}");
    }
}
