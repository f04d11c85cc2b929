//! Settings left to the program (`auto`), decided for a dataset.

use crate::config::{Architecture, Config, LastStage};
use crate::data::Dataset;
use crate::fourier::Propagation;
use crate::physics::{central_window, probe_intensity};

/// Fraction of the probe's energy inside the central window from which the network concentrates on that window.
const CENTRAL_SHARE: f64 = 0.95;

/// The configuration with every `auto` of the network decided for this dataset, and a note for each decision.
///
/// The decoder has few cells across a patch. If the probe illuminates only the center of the frame, spending them on
/// the central N/2 window doubles the resolution there and halves the time of a step. In a near field, where the shadow shows
/// every part of the patch, training with the central window fails.
pub fn adapt(config: &Config, dataset: &Dataset) -> (Config, Vec<String>) {
    let mut adapted = config.clone();
    let mut notes = Vec::new();
    if config.model.last_stage == LastStage::Auto && config.model.architecture == Architecture::Cnn {
        let share = central_share(dataset);
        let near_field = dataset.propagation != Propagation::FarField;
        let central = share >= CENTRAL_SHARE && !near_field;
        adapted.model.last_stage = if central { LastStage::BorderMask } else { LastStage::FullFrame };
        notes.push(if near_field {
            "The network predicts the whole frame, as always in a near field (model.last_stage = \"full_frame\")".to_owned()
        } else {
            format!(
            "{:.0} % of the probe intensity lies in the central half of the frame: the network {} (model.last_stage = \"{}\")",
            100.0 * share,
            if central { "concentrates on it" } else { "predicts the whole frame" },
            if central { "border_mask" } else { "full_frame" },
        )
        });
    }
    (adapted, notes)
}

/// Fraction of the probe's energy in the central N/2 window.
fn central_share(dataset: &Dataset) -> f64 {
    let intensity = probe_intensity(dataset.probe.view());
    let total: f64 = intensity.iter().map(|&v| f64::from(v)).sum();
    let central = &intensity * &central_window(dataset.patch_size());
    central.iter().map(|&v| f64::from(v)).sum::<f64>() / total.max(f64::MIN_POSITIVE)
}
