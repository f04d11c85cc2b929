//! Statistics of an open dataset.

use crate::data::{self, Dataset};
use crate::metrics;
use ndarray::{Array2, Axis};

/// A dataset in memory with statistics of its patterns.
#[derive(Debug, Clone, PartialEq)]
pub struct Patterns {
    /// The dataset.
    pub dataset: Dataset,
    /// (N, N) mean intensity.
    pub mean: Array2<f32>,
    /// (N, N) maximum intensity.
    pub max: Array2<f32>,
    /// Summed intensity of each pattern.
    pub counts: Vec<f64>,
    /// Distance of each position to its nearest neighbor, in pixels.
    pub nearest: Vec<f64>,
    /// Diameter of the probe in pixels, see [`metrics::probe_diameter`].
    pub probe_diameter: f64,
    /// Linear overlap at the median distance between nearest neighbors; negative if the illuminations do not touch.
    pub overlap: f64,
}

impl Patterns {
    /// Computes the statistics of a dataset.
    pub(super) fn new(dataset: Dataset) -> Self {
        let (n, side, _) = dataset.diffraction.dim();
        let mut mean = Array2::<f32>::zeros((side, side));
        let mut max = Array2::<f32>::zeros((side, side));
        let mut counts = Vec::with_capacity(n);
        for pattern in dataset.diffraction.axis_iter(Axis(0)) {
            let mut total = 0.0;
            for ((value, mean), max) in pattern.iter().zip(&mut mean).zip(&mut max) {
                let intensity = value * value;
                *mean += intensity;
                *max = max.max(intensity);
                total += f64::from(intensity);
            }
            counts.push(total);
        }
        mean /= n.max(1) as f32;
        let nearest = data::nearest_distances(&dataset.positions);
        let probe_diameter = metrics::probe_diameter(dataset.probe.view());
        let step = metrics::median_distance(&nearest).unwrap_or_default();
        let overlap = if probe_diameter > 0.0 { metrics::linear_overlap(step, probe_diameter) } else { 0.0 };
        Self { dataset, mean, max, counts, nearest, probe_diameter, overlap }
    }
}
