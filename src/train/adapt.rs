//! Choices that are left to the program until the dataset is known.

use crate::config::{Architecture, Config, LastStage};
use crate::data::Dataset;
use crate::physics::{central_window, probe_intensity};

/// Share of the probe's energy that has to fall into the central window for the network to concentrate on it.
const CENTRAL_SHARE: f64 = 0.95;

/// The configuration with every `auto` of the network decided for this dataset, and a remark for each decision.
///
/// The decoder has a few cells for the width of a patch. Where the probe lights only its centre, spending them on the
/// central N/2 window doubles the resolution there and halves the time of a step.
pub fn adapt(config: &Config, dataset: &Dataset) -> (Config, Vec<String>) {
    let mut adapted = config.clone();
    let mut remarks = Vec::new();
    if config.model.last_stage == LastStage::Auto && config.model.architecture == Architecture::Cnn {
        let share = central_share(dataset);
        let central = share >= CENTRAL_SHARE;
        adapted.model.last_stage = if central { LastStage::BorderMask } else { LastStage::FullFrame };
        remarks.push(format!(
            "{:.0} % of the probe's light falls into the central half of the frame: the network {} (model.last_stage = \"{}\")",
            100.0 * share,
            if central { "concentrates on it" } else { "predicts the whole frame alike" },
            if central { "border_mask" } else { "full_frame" },
        ));
    }
    (adapted, remarks)
}

/// Share of the probe's energy in the central N/2 window.
fn central_share(dataset: &Dataset) -> f64 {
    let intensity = probe_intensity(dataset.probe.view());
    let total: f64 = intensity.iter().map(|&v| f64::from(v)).sum();
    let central = &intensity * &central_window(dataset.patch_size());
    central.iter().map(|&v| f64::from(v)).sum::<f64>() / total.max(f64::MIN_POSITIVE)
}
