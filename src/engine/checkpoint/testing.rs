//! Example bundle and manifest for tests of several members.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use super::{Bundle, DatasetInfo, DeviceInfo, FORMAT_VERSION, Manifest};
use crate::config::{Config, Seeds};
use crate::model::Weights;
use crate::train::{EpochRecord, History, Scaling};
use ndarray::{Array3, ArrayD};
use num_complex::Complex32;
use std::collections::BTreeMap;

/// Example bundle.
pub fn bundle() -> Bundle {
    let mut config = Config::default();
    config.training.learning_rate = 0.1 + 0.2;
    config.data.n_groups = Some(12);
    let record = EpochRecord {
        epoch: 1,
        step: 33,
        train_loss: std::f64::consts::E,
        val_loss: None,
        learning_rate: 1e-3,
        gradient_norm: 0.7,
        elapsed_s: 1.5,
    };
    let weights = [("a", vec![2, 3]), ("b.weight", vec![4, 1, 3, 3])].map(|(name, shape)| {
        let mut next = 0.0_f32;
        (
            name.to_owned(),
            ArrayD::from_shape_simple_fn(shape, || {
                next = next * 1.1 + 0.3;
                next
            }),
        )
    });
    Bundle {
        manifest: manifest(8),
        config,
        weights: Weights(BTreeMap::from(weights)),
        history: History(vec![record.clone(), EpochRecord { epoch: 2, val_loss: Some(1.0 / 3.0), ..record }]),
        probe: Array3::from_shape_fn((2, 8, 8), |(m, y, x)| Complex32::new(y as f32 - 0.5 * x as f32, m as f32)),
    }
}

/// Example manifest for patches of this side.
pub fn manifest(patch_size: usize) -> Manifest {
    Manifest {
        format_version: FORMAT_VERSION,
        app_version: "0.1.0".into(),
        created: "2026-01-31T23:59:59Z".into(),
        device: DeviceInfo {
            name: "Some CPU".into(),
            backend: "cpu".into(),
            driver: String::new(),
            kind: "cpu".into(),
        },
        reduced_capability: true,
        dataset: DatasetInfo { path: "data/µ scan.npz".into(), fingerprint: "ab12".into(), n: 516, patch_size },
        further_datasets: vec![DatasetInfo { path: "more.h5".into(), ..DatasetInfo::default() }],
        seeds: Seeds { weights: u64::MAX, ..Seeds::all(7) },
        scaling: Scaling { normalization: 0.1 + 0.2, probe_factor: 1.0 / 3.0, nphotons: 1e6 },
        steps: 1234,
        epochs: 3,
        outcome: "completed".into(),
        sha256: BTreeMap::new(),
    }
}
