//! Statistics of an open dataset.

use crate::config::DataConfig;
use crate::data::{self, Dataset};
use crate::metrics;
use ndarray::{Array2, Axis};
use std::collections::BTreeSet;

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
    /// Patterns of the file that the configuration leaves out.
    pub left_out: Vec<LeftOut>,
}

/// A pattern that is left out.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LeftOut {
    /// Its index in the file.
    pub row: usize,
    /// Its (x, y) position, in pixels.
    pub position: [f64; 2],
}

/// Patterns of the file of a dataset that the configuration leaves out; empty if their positions are not known.
pub(super) fn left_out(dataset: &Dataset, config: &DataConfig) -> Vec<LeftOut> {
    let (Some(first), Some(start)) = (dataset.rows.first(), dataset.positions.first()) else { return Vec::new() };
    if config.exclude.trim().is_empty() || config.n_subsample.is_some() {
        return Vec::new();
    }
    let all = data::all_positions(&dataset.path, config).unwrap_or_default();
    let Some(same) = all.get(*first) else { return Vec::new() };
    // Positions that begin at the first pattern are shifted where that one is left out.
    let shift = [start[0] - same[0], start[1] - same[1]];
    let kept: BTreeSet<usize> = dataset.rows.iter().copied().collect();
    let others = all.iter().enumerate().filter(|(row, _)| !kept.contains(row));
    others.map(|(row, [x, y])| LeftOut { row, position: [x + shift[0], y + shift[1]] }).collect()
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
        let step = metrics::median(&nearest).unwrap_or_default();
        let overlap = if probe_diameter > 0.0 { metrics::linear_overlap(step, probe_diameter) } else { 0.0 };
        Self { dataset, mean, max, counts, nearest, probe_diameter, overlap, left_out: Vec::new() }
    }
}
