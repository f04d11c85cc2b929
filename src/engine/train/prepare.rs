//! Preparation of a dataset: scaling, groups and labels.

use super::Scaling;
use super::batch::ResidentPatterns;
use super::objective::Objective;
use crate::config::{Config, ModelType, ScaleContract};
use crate::data::{self, Dataset, GroupCoordinates};
use crate::error::Result;
use crate::physics;
use burn::tensor::Device;

/// Scaling factors of a dataset under a configuration.
///
/// # Errors
/// All patterns or the whole probe are zero.
pub fn scaling_of(dataset: &Dataset, config: &Config) -> Result<Scaling> {
    let normalization = data::normalization_factor(dataset.diffraction.view())?;
    let model = &config.model;
    let probe = physics::normalize_probe(
        dataset.probe.view(),
        model.probe_normalization,
        model.object_scale,
        model.probe_scale,
    )?;
    // A supervised network predicts the object of its labels, independent of the illumination.
    let probe_factor = match model.model_type {
        // The object is in the units of the data.
        ModelType::Pinn if config.training.scale_contract == ScaleContract::CiIntensityV2 => normalization,
        // The object is smaller by the gain.
        ModelType::Pinn => probe.factor * config.training.amplitude_physics_gain,
        ModelType::Supervised => normalization / model.object_scale,
    };
    let counts = data::mean_counts(dataset.diffraction.view())?;
    let nphotons = config.training.nphotons.or(dataset.nphotons).unwrap_or(counts);
    Ok(Scaling { normalization, probe_factor, nphotons })
}

/// Groups a dataset and uploads it; also returns the largest offset of a pattern from the center of its group, in
/// pixels.
///
/// # Errors
/// The patterns cannot be grouped, or labels are needed and missing.
pub(super) fn prepare(
    dataset: &Dataset,
    config: &Config,
    scaling: &Scaling,
    device: &Device,
) -> Result<(ResidentPatterns, f64)> {
    let seed = config.execution.seeds.grouping;
    let groups = data::group(&dataset.positions, config.model.gridsize, &config.data, seed)?;
    let coordinates: GroupCoordinates = data::group_coordinates(&dataset.positions, &groups);
    let largest = coordinates.relative.iter().fold(0.0f64, |a, v| a.max(v.abs()));
    let mut patterns = ResidentPatterns::new(
        dataset.diffraction.view(),
        dataset.good(),
        scaling.normalization,
        groups,
        coordinates,
        device,
    );
    if config.model.model_type == ModelType::Supervised || Objective::needs_labels(config) {
        let factor = (scaling.normalization / scaling.probe_factor) as f32;
        patterns.set_labels(data::truth(dataset, &config.data)?.patches.view(), factor);
    }
    Ok((patterns, largest))
}

/// Description of the labels that a supervised network learns from; `None` for other networks.
///
/// # Errors
/// The dataset has no reference object, or one that does not fit.
pub fn check_labels(dataset: &Dataset, config: &Config) -> Result<Option<String>> {
    if config.model.model_type != ModelType::Supervised && !Objective::needs_labels(config) {
        return Ok(None);
    }
    data::truth(dataset, &config.data).map(|truth| Some(truth.source))
}
