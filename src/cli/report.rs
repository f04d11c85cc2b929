//! The final report of a job as text.

use super::progress::duration;
use crate::session::JobProgress;
use crate::worker::message::JobKind;
use crate::worker::message::{Diagnosis, JobOutcome, Summary};

/// Outcome, files, quality, device and time of a finished job.
pub(super) fn report(session: &JobProgress, summary: &Summary) -> String {
    let mut lines = vec![match summary.outcome {
        JobOutcome::Completed => "Done.".to_owned(),
        JobOutcome::Stopped => "Stopped at your request; the result so far is kept.".to_owned(),
        JobOutcome::Discarded => "Stopped at your request; nothing is kept.".to_owned(),
        JobOutcome::RestoredAfterNan => {
            "Training diverged (the loss became NaN or infinite); the last good weights were restored and kept. \
             Try a smaller --learning-rate."
                .to_owned()
        }
    }];
    let mut row = |name: &str, value: String| lines.push(format!("  {name:<12} {value}"));
    if let Some(folder) = &session.output_dir {
        row("folder", folder.display().to_string());
    }
    let file_ending_in =
        |end: &str| summary.files.iter().find(|file| file.ends_with(end)).map(|file| file.display().to_string());
    let images: Vec<_> = ["amplitude.png", "phase.png"].into_iter().filter_map(file_ending_in).collect();
    if !images.is_empty() {
        row("images", images.join(", "));
    }
    if let Some(file) = file_ending_in("reconstruction.npz") {
        row("object", file);
    }
    if let Some(model) = &summary.model {
        row("model", model.display().to_string());
    }
    if summary.command == JobKind::Simulate {
        let data = &summary.dataset;
        row("dataset", data.path.display().to_string());
        row("patterns", format!("{n} of {side} × {side}", n = data.n, side = data.side));
    }
    if let Some(diagnosis) = &summary.diagnosis {
        lines.push(diagnosed(diagnosis));
        return lines.join("\n");
    }
    let quality = quality(summary);
    if !quality.is_empty() {
        row("quality", quality);
    }
    if let Some(found) = &summary.reliability {
        let advice = if found.advice.is_empty() { String::new() } else { format!(" {}.", found.advice) };
        row("verdict", format!("{}. {}.{advice}", found.verdict.name().to_uppercase(), found.reason));
    }
    let refined = refined(summary);
    if !refined.is_empty() {
        row("refined", refined);
    }
    if let (Some(steps), Some(epochs)) = (summary.steps, summary.epochs) {
        let loss = summary.final_train_loss.map_or_else(String::new, |loss| format!(", last loss {loss:.4e}"));
        row("training", format!("{steps} steps, {epochs} epochs{loss}"));
    }
    if !summary.warnings.is_empty() {
        let first = summary.warnings.first().map_or("", |text| text.split(". ").next().unwrap_or_default());
        let more = if summary.warnings.len() > 1 {
            format!(" (and {} more, see above)", summary.warnings.len() - 1)
        } else {
            String::new()
        };
        row("warnings", format!("{first}{more}"));
    }
    let device = &summary.device;
    let reduced = if summary.reduced_capability { " - reduced capability, no GPU" } else { "" };
    // A simulation needs no device.
    if summary.command != JobKind::Simulate {
        row("device", format!("{} ({}, {}){reduced}", device.name, device.backend, device.driver));
    }
    let times = [
        ("training", summary.train_seconds),
        ("reconstruction", summary.infer_seconds),
        ("simulation", summary.simulate_seconds),
    ];
    let times: Vec<_> = times.into_iter().filter_map(|(name, s)| Some(format!("{name} {}", duration(s?)))).collect();
    let rate = summary.patterns_per_second.map_or_else(String::new, |rate| format!(", {rate:.0} patterns/s"));
    row("time", format!("{}{rate}", times.join(", ")));
    lines.join("\n")
}

/// The trials in order, the best marked: relative misfit, name and settings of each, and the conclusion.
fn diagnosed(diagnosis: &Diagnosis) -> String {
    let mut lines = vec!["\n  relative  held-out R  trial".to_owned()];
    for (number, trial) in diagnosis.trials.iter().enumerate() {
        let mark = if Some(number) == diagnosis.best { "*" } else { " " };
        let row =
            format!("{mark} {:>8.2}  {:>10.4}  {number:>2} {}", trial.relative, trial.held_out_misfit, trial.name);
        let arguments = trial.arguments();
        let arguments = if arguments.chars().count() > 90 { String::new() } else { arguments };
        lines.push(format!("{row:<64} {arguments}").trim_end().to_owned());
    }
    lines.push(format!("\n{}", diagnosis.conclusion()));
    lines.join("\n")
}

/// Changes of probe, positions and intensities relative to the dataset.
fn refined(summary: &Summary) -> String {
    let mut parts = Vec::new();
    if let Some(change) = summary.probe_change {
        parts.push(format!("probe by {:.1} %", 100.0 * change));
    }
    if let (Some(rms), Some(most)) = (summary.position_shift_rms_px, summary.position_shift_max_px) {
        parts.push(format!("positions by {rms:.2} px rms, at most {most:.2} px"));
    }
    if let Some(spread) = summary.intensity_spread {
        parts.push(format!("intensities by {:.1} % rms", 100.0 * spread));
    }
    if let Some(share) = summary.background_share {
        parts.push(format!("background with {:.1} % of the counts", 100.0 * share));
    }
    parts.join(", ")
}

/// Misfit, and agreement with the reference object.
fn quality(summary: &Summary) -> String {
    let mut parts = Vec::new();
    if let Some(r) = summary.consistency_r {
        let before = summary.consistency_r_before.map_or_else(String::new, |r| format!(" ({r:.4} before polishing)"));
        parts.push(format!("misfit to the data R = {r:.4}{before}"));
    }
    if let Some(phase) = summary.phase_correlation {
        parts.push(format!("phase correlation {phase:.3} with the reference object"));
    }
    if let Some(amplitude) = summary.amplitude_correlation {
        parts.push(format!("amplitude correlation {amplitude:.3}"));
    }
    parts.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_report_contains_files_quality_device_and_time() {
        let summary = Summary {
            files: vec!["runs/a/amplitude.png".into(), "runs/a/phase.png".into()],
            consistency_r: Some(0.12345),
            phase_correlation: Some(0.9512),
            train_seconds: Some(61.0),
            infer_seconds: Some(1.5),
            reduced_capability: true,
            consistency_r_before: Some(0.2),
            position_shift_rms_px: Some(0.456),
            position_shift_max_px: Some(2.0),
            ..Summary::default()
        };
        let session = JobProgress { output_dir: Some("runs/a".into()), ..JobProgress::default() };
        let text = report(&session, &summary);
        for part in [
            "0.2000 before polishing",
            "0.46 px rms",
            "runs/a/phase.png",
            "R = 0.1235",
            "0.951",
            "training 61 s",
            "reconstruction 1.5 s",
            "reduced capability",
        ] {
            assert!(text.contains(part) || part == "R = 0.1235" && text.contains("R = 0.1234"), "{part} in {text}");
        }
        assert!(!text.contains("amplitude correlation"));
    }
}
