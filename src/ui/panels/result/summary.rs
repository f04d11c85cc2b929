//! The header line: name and quality of the result.

use super::metrics::rate_misfit;
use crate::imaging::length_text;
use crate::library::ResultData;
use crate::session::in_window;
use crate::ui::theme;
use crate::ui::widgets::numbers::{grouped, short, signed};
use crate::ui::widgets::{duration, elided};
use crate::worker::message::JobOutcome;
use eframe::egui::{self, RichText};
use serde_json::Value;
use std::borrow::Cow;

/// Facts about a result: text, quality level (0 bad to 2 good) where applicable, and tooltip.
pub fn facts(result: &ResultData) -> Vec<(String, Option<u8>, Cow<'static, str>)> {
    let summary = result.summary.as_ref().unwrap_or(&Value::Null);
    let number = |key: &str| summary.get(key).and_then(Value::as_f64);
    let mut facts = Vec::new();
    if let Some(outcome) = JobOutcome::of_summary(summary) {
        let (text, level) = match outcome {
            JobOutcome::Completed => ("completed".to_owned(), Some(2)),
            JobOutcome::Stopped => ("stopped; result saved".to_owned(), Some(1)),
            JobOutcome::RestoredAfterNan => ("diverged (NaN loss); restored last good weights".to_owned(), Some(0)),
            JobOutcome::Discarded => ("discarded".to_owned(), None),
        };
        facts.push((text, level, "Outcome of the run".into()));
    }
    facts.extend(verdict(summary));
    facts.extend(resolution(summary, result.reconstruction.pixel_size_m));
    if let Some(steps) = summary.get("steps").and_then(Value::as_u64) {
        let steps = if steps == 1 { "1 step".to_owned() } else { format!("{} steps", grouped(steps)) };
        facts.push((steps, None, "Optimizer steps".into()));
    }
    if let Some(seconds) = number("train_seconds").or_else(|| number("infer_seconds")) {
        facts.push((
            duration(seconds),
            None,
            "Duration of the training, or of the reconstruction if nothing was trained".into(),
        ));
    }
    if let Some(phase) = number("phase_correlation") {
        let level = if phase > 0.9 {
            2
        } else if phase > 0.6 {
            1
        } else {
            0
        };
        let text = match number("amplitude_correlation") {
            Some(amplitude) => format!("correlation: phase {phase:.3}, amplitude {amplitude:.3}"),
            None => format!("correlation: phase {phase:.3}"),
        };
        facts.push((signed(text), Some(level), "Correlation with the reference object in the dataset, inside the convex hull of the scan positions; 1 is perfect".into()));
    }
    if let Some(r) = number("consistency_r") {
        let (words, level) = rate_misfit(r);
        let before = number("consistency_r_before").map_or_else(String::new, |b| format!(" ({b:.4} before polishing)"));
        let help = "Misfit to the measured patterns, Σ(|F| − √I)² / ΣI; 0 is perfect. More training may reduce it";
        facts.push((format!("misfit R {r:.4}{before}: {words}"), Some(level), help.into()));
    }
    facts
}

/// How far the result can be trusted, with the reason and what to do.
fn verdict(summary: &Value) -> Option<(String, Option<u8>, Cow<'static, str>)> {
    let part = |key: &str| summary.pointer(&format!("/reliability/{key}"))?.as_str();
    let verdict = part("verdict")?;
    let level = match verdict {
        "reliable" => 2,
        "doubtful" => 1,
        _ => 0,
    };
    let sentences = [part("reason"), part("advice")].into_iter().flatten().filter(|text| !text.is_empty());
    let why = sentences.map(|text| format!("{}.", in_window(text))).collect::<Vec<_>>().join(" ");
    let text = if level == 2 { verdict.to_owned() } else { format!("{verdict}: {}", lowered(part("reason")?)) };
    Some((text, Some(level), why.into()))
}

/// Period down to which two halves of the data agree, without a reference object.
fn resolution(summary: &Value, pixel_m: Option<f64>) -> Option<(String, Option<u8>, Cow<'static, str>)> {
    let evidence = summary.pointer("/reliability/evidence")?;
    evidence.get("halves_frc")?.as_f64()?;
    let period = evidence.get("halves_frc_half").and_then(Value::as_f64).map(f64::recip);
    let length = |period: f64| match pixel_m.filter(|size| *size > 0.0) {
        Some(size) => length_text(period * size),
        None => format!("{period:.1} px"),
    };
    let text = match period {
        Some(period) => format!("half-data resolution {}", length(period)),
        None => format!("half-data resolution below {}", length(2.0)),
    };
    let help = "Period at which the Fourier ring correlation of two objects, each from half of some patterns, falls to 1/2. With \
                all patterns it is usually better";
    Some((text, None, help.into()))
}

/// The sentence with a lower-case first letter.
fn lowered(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_lowercase().chain(letters).collect())
}

/// Fact about a median amplitude far from 1; `None` if it is plausible.
fn odd_amplitude(median: f64) -> Option<(String, Option<u8>, Cow<'static, str>)> {
    let help = "A transparent object has the amplitude 1. Amplitude and phase are right up to this factor, which belongs to the \
                probe: its intensity is not in photons";
    let odd = median.is_finite() && !(0.1..=10.0).contains(&median);
    odd.then(|| (format!("median amplitude {}", short(median)), Some(1), help.into()))
}

/// Draws the header line; `median` of the amplitude, once known.
pub fn show(ui: &mut egui::Ui, result: &ResultData, median: Option<f64>) {
    let palette = theme::palette(ui);
    let summary = result.summary.as_ref();
    let dataset = summary.and_then(|s| s.pointer("/dataset/path")).and_then(Value::as_str);
    let name = |path: &std::path::Path| path.file_name().map(|name| name.to_string_lossy().into_owned());
    let folder = name(&result.folder).unwrap_or_default();
    ui.horizontal_wrapped(|ui| {
        ui.spacing_mut().item_spacing.x = 6.0;
        let title = dataset.and_then(|path| name(std::path::Path::new(path))).unwrap_or_else(|| folder.clone());
        ui.label(RichText::new(elided(&title, 32)).strong().size(15.0)).on_hover_text(dataset.unwrap_or(&title));
        if dataset.is_some() {
            ui.label(RichText::new(format!("in {}", elided(&folder, 24))).color(palette.weak))
                .on_hover_text(result.folder.display().to_string());
        }
        for (text, level, help) in facts(result).into_iter().chain(median.and_then(odd_amplitude)) {
            ui.label(RichText::new("·").color(palette.weak));
            let color = match level {
                Some(2) => palette.good,
                Some(1) => palette.warning,
                Some(_) => palette.bad,
                None => ui.visuals().text_color(),
            };
            ui.label(RichText::new(text).color(color)).on_hover_text(help);
        }
    });
}

#[cfg(test)]
mod tests {
    use super::super::rendering::tests::example;
    use super::*;

    #[test]
    fn an_amplitude_far_from_one_is_pointed_out() {
        assert_eq!(odd_amplitude(0.98), None);
        assert_eq!(odd_amplitude(f64::NAN), None);
        assert!(odd_amplitude(123.0).unwrap().0.contains("123"));
    }

    #[test]
    fn the_verdict_stands_first_with_reason_and_advice() {
        let mut result = example(32);
        result.summary = Some(serde_json::json!({
            "outcome": "completed",
            "reliability": {
                "verdict": "doubtful",
                "reason": "Two halves of the patterns differ",
                "advice": "Check positions with `ptychoscope diagnose`",
            },
        }));
        let (text, level, why) = facts(&result).remove(1);
        assert_eq!((text.as_str(), level), ("doubtful: two halves of the patterns differ", Some(1)));
        assert!(why.ends_with("Check positions with Diagnose in the Data panel."), "{why}");
    }

    #[test]
    fn the_line_shows_and_rates_the_summary() {
        let mut result = example(32);
        assert!(facts(&result).is_empty());
        result.summary = Some(serde_json::json!({
            "outcome": "completed", "steps": 1194, "train_seconds": 110.1,
            "phase_correlation": 0.965, "amplitude_correlation": 0.517, "consistency_r": 0.0147,
        }));
        let texts: Vec<String> = facts(&result).into_iter().map(|(text, ..)| text).collect();
        assert_eq!(texts[..3], ["completed", "1\u{a0}194 steps", "1 min 50 s"]);
        assert!(texts[3].contains("phase 0.965, amplitude 0.517"), "{texts:?}");
        assert!(texts[4].contains("0.0147") && texts[4].contains("good fit"), "{texts:?}");
    }
}
