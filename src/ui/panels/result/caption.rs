//! Caption of a figure: what was measured, how it was reconstructed, how well it fits, and with which program and data.

use super::metrics::finest_period;
use super::rendering::Rendering;
use crate::imaging::length_text;
use crate::library::ResultData;
use crate::metrics::FrcThreshold;
use crate::session::State;
use crate::system::file_name;
use crate::ui::widgets::numbers::{grouped, short};
use serde_json::Value;

/// Letters of the hash of the data.
const HASH: usize = 12;

/// The caption, as sentences. Dose and overlap are known only while the dataset of the result is open.
pub(super) fn caption(state: &State, result: &ResultData, rendering: &Rendering) -> String {
    let summary = result.summary.as_ref().unwrap_or(&Value::Null);
    let number = |key: &str| summary.get(key).and_then(Value::as_f64);
    let whole = |pointer: &str| summary.pointer(pointer).and_then(Value::as_u64);
    let mut sentences = Vec::new();
    let name = result.dataset().map_or_else(|| file_name(&result.folder), file_name);
    let mut first = format!("Object reconstructed from {name}");
    if let (Some(count), Some(side)) = (whole("/dataset/n"), whole("/dataset/N")) {
        first += &format!(": {} patterns of {side} × {side} pixels", grouped(count));
    }
    sentences.push(first);
    let open = state.dataset.as_ref().filter(|_| state.has_result_of_dataset());
    if let Some(patterns) = open.and_then(|dataset| dataset.patterns.as_ref()) {
        let mean = patterns.counts.iter().sum::<f64>() / patterns.counts.len().max(1) as f64;
        let mut dose = format!("{} photons per pattern on average", short(mean));
        if patterns.overlap > 0.0 {
            dose += &format!(", linear overlap {:.0} %", 100.0 * patterns.overlap);
        }
        sentences.push(dose);
    }
    if let Some(pixel) = result.reconstruction.pixel_size_m {
        sentences.push(format!("Object pixel {}", length_text(pixel)));
    }
    let method = match summary.get("command").and_then(Value::as_str) {
        Some("polish") => Some("Refined with the direct solver".to_owned()),
        _ => match (whole("/steps"), whole("/epochs")) {
            (Some(steps), _) => Some(format!("Neural network trained for {} steps", grouped(steps))),
            (None, Some(epochs)) => Some(format!("Direct solver, {epochs} epochs")),
            (None, None) => None,
        },
    };
    sentences.extend(method);
    if let Some(misfit) = number("consistency_r") {
        sentences.push(format!("Misfit to the data Σ(|F| − √I)²/ΣI = {}", short(misfit)));
    }
    let rings = rendering.agreement.as_ref().and_then(|agreement| agreement.as_ref().ok()?.rings.as_ref());
    let period = rings.filter(|_| !rendering.with_run).and_then(|rings| finest_period(rings, FrcThreshold::Half));
    if let (Some(period), Some(other)) = (period, &rendering.other) {
        let length = result.reconstruction.pixel_size_m.map(|pixel| length_text(period * pixel));
        let length = length.unwrap_or_else(|| format!("{period:.1} pixels"));
        sentences.push(format!("Fourier ring correlation with {} is 1/2 at {length}", other.name.to_lowercase()));
    }
    let version = summary.get("version").and_then(Value::as_str).unwrap_or(env!("CARGO_PKG_VERSION"));
    let mut program = format!("Ptychoscope {version}");
    if let Some(hash) = summary.pointer("/dataset/fingerprint").and_then(Value::as_str) {
        program += &format!(", data SHA-256 {}…", hash.chars().take(HASH).collect::<String>());
    }
    sentences.push(program);
    sentences.join(". ") + "."
}

#[cfg(test)]
mod tests {
    use super::super::rendering::tests::{OPTIONS, example};
    use super::*;

    #[test]
    fn the_caption_states_data_method_fit_and_origin() {
        let summary = serde_json::json!({
            "version": "0.1.0", "command": "run", "steps": 1194, "consistency_r": 0.0147,
            "dataset": {"path": "/data/scan_7.npz", "n": 516, "N": 64, "fingerprint": "0123456789abcdef0123"},
        });
        let result = ResultData { summary: Some(summary), ..example(64) };
        let rendering = Rendering::new(&std::sync::Arc::new(result.clone()), None, OPTIONS);
        let text = caption(&State::default(), &result, &rendering);
        for part in [
            "Object reconstructed from scan_7.npz: 516 patterns of 64 × 64 pixels.",
            "Object pixel 8",
            "Neural network trained for 1\u{a0}194 steps.",
            "= 0.0147.",
            "Ptychoscope 0.1.0, data SHA-256 0123456789ab….",
        ] {
            assert!(text.contains(part), "{part} is not in {text}");
        }
        assert!(!text.contains("photons"), "the dose of a dataset that is not open is unknown");
    }
}
