//! Neighboring patterns from the center of a scan, for trials.

use crate::data::Dataset;
use crate::metrics;

/// Numbers of the `count` patterns nearest to the median position, nearest first.
pub fn nearest_to_center(dataset: &Dataset, count: usize) -> Vec<usize> {
    let center = [0, 1].map(|axis| {
        let values: Vec<f64> = dataset.positions.iter().map(|position| position[axis]).collect();
        metrics::median(&values).unwrap_or_default()
    });
    let distance = |index: usize| {
        let [x, y] = dataset.positions[index];
        (x - center[0]).powi(2) + (y - center[1]).powi(2)
    };
    let mut order: Vec<usize> = (0..dataset.len()).collect();
    order.sort_by(|&a, &b| distance(a).total_cmp(&distance(b)).then(a.cmp(&b)));
    order.truncate(count);
    order
}

/// Numbers of the `count` patterns nearest to the median position, in the order of the scan.
pub fn central_patterns(dataset: &Dataset, count: usize) -> Vec<usize> {
    let mut chosen = nearest_to_center(dataset, count);
    chosen.sort_unstable();
    chosen
}
