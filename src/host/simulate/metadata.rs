//! The `_metadata` of a simulated file (A§1.4): its parameters as one JSON object.

use super::recording::Recording;
use super::scene::{Scene, Sources};
use crate::config::Config;
use crate::error::{Error, Result};
use serde_json::{Value, json};
use std::path::PathBuf;

/// Version of the schema.
const SCHEMA_VERSION: &str = "1.0.0";

/// JSON text. It contains no time and no host name, so that equal configurations give identical files.
pub(super) fn metadata(scene: &Scene, config: &Config, sources: &Sources, recording: &Recording) -> Result<String> {
    let simulation = &config.simulation;
    let named = |path: &Option<PathBuf>| path.as_ref().map(|path| path.display().to_string());
    let settings = serde_json::to_value(simulation)
        .map_err(|error| Error::failed(format!("The configuration cannot be written as JSON ({error})")))?;
    let (height, width) = scene.object.dim();
    let metadata: Value = json!({
        "schema_version": SCHEMA_VERSION,
        "creation_info": { "script": "ptychoscope simulate", "ptychoscope_version": env!("CARGO_PKG_VERSION") },
        "physics_parameters": {
            // Photons actually counted: the patterns are the square roots of these counts.
            "nphotons": recording.photons_per_pattern,
            "nphotons_requested": simulation.n_photons,
            "gridsize": config.model.gridsize,
            "N": scene.patch_size(),
            "probe_trainable": false,
        },
        "training_parameters": { "n_images": scene.positions.len() },
        "data_transformations": [],
        "additional_parameters": {
            "simulation_type": "coordinate_based",
            "input_file": named(&sources.input),
            "object_image": named(&sources.object_image),
            "probe_file": named(&sources.probe),
            "positions_file": named(&sources.positions),
            "buffer": simulation.buffer,
            "seed": config.execution.seeds.noise,
            "diffraction": "square root of counts",
            "probe_factor": recording.probe_factor,
            "object_shape": [height, width],
            "photons_min": recording.photons_min,
            "photons_max": recording.photons_max,
            "consistency_r_of_the_truth": recording.noise_floor,
            "simulation": settings,
        },
    });
    serde_json::to_string_pretty(&metadata)
        .map_err(|error| Error::failed(format!("The metadata cannot be written as JSON ({error})")))
}
