//! Results of the runs of a sweep as table, CSV, JSON and HTML page.

use super::plan::{Plan, Point};
use crate::checkpoint::RunFolder;
use crate::error::{Error, Problem, Result};
use crate::metrics::Placement;
use crate::report::{self, Best, Chart, Comparison, ComparisonRequest, Line, Page, Scale, Table, significant};
use crate::system::file_stem;
use crate::worker::message::JobOutcome;
use std::path::Path;

/// The parts of a run's `summary.json` that a sweep needs.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Outcome {
    /// True if the run ended, normally or by NaN; false if the user stopped it.
    pub finished: bool,
    /// SHA-256 of the dataset.
    pub fingerprint: String,
    train_seconds: Option<f64>,
    epochs: Option<f64>,
    patterns: Option<f64>,
}

impl Outcome {
    /// Reads the `summary.json` of a run.
    ///
    /// # Errors
    /// The file cannot be read or is not JSON.
    pub fn read(run: &RunFolder) -> Result<Self> {
        let path = run.summary();
        let bytes = std::fs::read(&path).map_err(|error| Error::reading(&path, &error))?;
        let value: serde_json::Value = serde_json::from_slice(&bytes).map_err(|error| {
            Problem::new(format!("The summary of the run is not JSON ({error})"))
                .hint("Delete this folder to repeat the run")
                .at(&path)
        })?;
        let text = |value: Option<&serde_json::Value>| value.and_then(|v| v.as_str()).unwrap_or_default().to_owned();
        let number = |name: &str| value.get(name).and_then(serde_json::Value::as_f64);
        Ok(Self {
            finished: matches!(
                JobOutcome::of_summary(&value),
                Some(JobOutcome::Completed | JobOutcome::RestoredAfterNan)
            ),
            fingerprint: text(value.get("dataset").and_then(|dataset| dataset.get("fingerprint"))),
            train_seconds: number("train_seconds"),
            epochs: number("epochs"),
            patterns: value.get("dataset").and_then(|dataset| dataset.get("n")).and_then(serde_json::Value::as_f64),
        })
    }
}

/// A finished run with its metrics.
#[derive(Debug, Clone)]
pub(super) struct FinishedRun {
    name: String,
    values: Vec<(String, String)>,
    outcome: Outcome,
    comparison: Comparison,
}

/// Evaluates a finished run with its own dataset.
///
/// # Errors
/// A file of the run, or the dataset, cannot be read.
pub(super) fn evaluate(point: &Point, run: &RunFolder, dataset: &Path) -> Result<FinishedRun> {
    let comparison = report::compare(&ComparisonRequest {
        reconstructions: vec![run.path().to_path_buf()],
        dataset: Some(dataset.to_path_buf()),
        reference: None,
        placement: Placement::Registered,
        settings: Vec::new(),
    })?;
    Ok(FinishedRun { name: point.name(), values: point.values.clone(), outcome: Outcome::read(run)?, comparison })
}

/// A measure of a run: key, label, better direction, value.
type Measure = (&'static str, &'static str, Best, fn(&FinishedRun) -> Option<f64>);

const MEASURES: &[Measure] = &[
    ("phase_correlation", "phase correlation", Best::Highest, |run| first(run)?.phase_correlation),
    ("amplitude_correlation", "amplitude correlation", Best::Highest, |run| first(run)?.amplitude_correlation),
    ("consistency_r", "misfit R", Best::Lowest, |run| first(run)?.consistency_r),
    ("complex_nrmse", "complex NRMSE", Best::Lowest, |run| Some(first(run)?.evaluation.as_ref()?.complex_nrmse)),
    ("phase_ssim_data_range", "SSIM of the phase", Best::Highest, |run| {
        Some(first(run)?.evaluation.as_ref()?.matched.phase.ssim_data_range)
    }),
    ("frc_half", "FRC = 1/2, cycles/px", Best::Highest, |run| first(run)?.evaluation.as_ref()?.frc_crossings.half),
    ("image_overlap", "mean overlap", Best::Neither, |run| {
        Some(run.comparison.overlap.as_ref()?.metric_2_image_based_avg)
    }),
    ("patterns", "patterns", Best::Neither, |run| run.outcome.patterns),
    ("epochs", "epochs", Best::Neither, |run| run.outcome.epochs),
    ("train_seconds", "training time, s", Best::Neither, |run| run.outcome.train_seconds),
];

/// Metrics of the only reconstruction of a run.
fn first(run: &FinishedRun) -> Option<&report::ReconstructionMetrics> {
    run.comparison.reconstructions.first()
}

/// A table with one row per run.
pub(super) fn table(finished: &[FinishedRun]) -> Table {
    let shown: Vec<&Measure> =
        MEASURES.iter().filter(|(.., read)| finished.iter().any(|run| read(run).is_some_and(f64::is_finite))).collect();
    let mut table = Table::new("run", shown.iter().map(|(_, label, ..)| (*label).to_owned()).collect());
    for run in finished {
        let name = if run.values.is_empty() { run.name.clone() } else { settings(&run.values) };
        let cell = |(name, _, _, read): &&Measure| match read(run) {
            Some(value) if ["patterns", "epochs"].contains(name) => format!("{value:.0}"),
            Some(value) => significant(value, 4),
            None => "–".to_owned(),
        };
        table.text_row(name, shown.iter().map(cell).collect());
    }
    table
}

fn settings(values: &[(String, String)]) -> String {
    values.iter().map(|(label, value)| format!("{label} {value}")).collect::<Vec<_>>().join(", ")
}

/// CSV with the settings and measures of one finished run per line.
pub(super) fn csv(plan: &Plan, finished: &[FinishedRun]) -> String {
    let labels = plan.axes.iter().map(|axis| axis.label.as_str());
    let names = MEASURES.iter().map(|(name, ..)| *name);
    let mut lines = vec![["run"].into_iter().chain(labels).chain(names).collect::<Vec<_>>().join(",")];
    for run in finished {
        let values = run.values.iter().map(|(_, value)| value.clone());
        let measures = MEASURES
            .iter()
            .map(|(.., read)| read(run).filter(|v| v.is_finite()).map_or_else(String::new, |v| v.to_string()));
        lines.push([run.name.clone()].into_iter().chain(values).chain(measures).collect::<Vec<_>>().join(","));
    }
    lines.join("\n") + "\n"
}

/// Axes, finished runs and the names of the missing ones, as JSON.
///
/// # Errors
/// The result cannot be serialized.
pub(super) fn json(plan: &Plan, finished: &[FinishedRun], missing: &[String]) -> Result<String> {
    let runs: Vec<serde_json::Value> = finished
        .iter()
        .map(|run| {
            let settings: serde_json::Map<String, serde_json::Value> =
                run.values.iter().map(|(label, value)| (label.clone(), value.clone().into())).collect();
            let measures: serde_json::Map<String, serde_json::Value> =
                MEASURES.iter().map(|(name, _, _, read)| ((*name).to_owned(), read(run).into())).collect();
            serde_json::json!({ "run": run.name, "settings": settings, "measures": measures })
        })
        .collect();
    let axes: Vec<serde_json::Value> = plan
        .axes
        .iter()
        .map(|axis| serde_json::json!({ "path": axis.path, "label": axis.label, "values": axis.values }))
        .collect();
    serde_json::to_string_pretty(&serde_json::json!({ "axes": axes, "runs": runs, "missing": missing }))
        .map_err(|error| Error::failed(format!("Cannot write the sweep as JSON ({error})")))
}

/// HTML page: table, one plot per varied number and measure, and the phase of each run.
///
/// # Errors
/// An image cannot be encoded.
pub(super) fn html(plan: &Plan, finished: &[FinishedRun], missing: &[String], dataset: &Path) -> Result<String> {
    let varied: Vec<&str> = plan.axes.iter().map(|axis| axis.path.as_str()).collect();
    let lead = format!(
        "{} of {} runs finished; varied: {}",
        finished.len(),
        plan.points.len(),
        if varied.is_empty() { "nothing".to_owned() } else { varied.join(", ") }
    );
    let mut page = Page::new(&format!("Sweep over {}", file_stem(dataset)), &lead);
    page.section("Runs");
    page.table(&table(finished));
    if !missing.is_empty() {
        page.paragraph(&format!("Not finished yet: {}.", missing.join(", ")));
    }
    page.section("Plots");
    for (at, axis) in plan.axes.iter().enumerate() {
        let numbers: Vec<f64> = axis.values.iter().filter_map(|value| value.parse().ok()).collect();
        if numbers.len() < 2 || numbers.len() < axis.values.len() {
            continue;
        }
        for (_, label, best, read) in MEASURES.iter().filter(|(_, _, best, _)| *best != Best::Neither) {
            let chart = plot(finished, at, &axis.label, &numbers, label, *read);
            let better = if *best == Best::Highest { "higher is better" } else { "lower is better" };
            page.chart(&Chart { title: format!("{label} over {} ({better})", axis.label), ..chart });
        }
    }
    page.section("Phase");
    let metrics: Vec<_> = finished.iter().filter_map(|run| Some((run.name.as_str(), first(run)?))).collect();
    let figures = report::phase_figures(&metrics)?;
    page.figures(&figures);
    Ok(page.finish())
}

/// Plot of a measure against the varied number of axis `at`, with one curve per combination of the other settings.
fn plot(
    finished: &[FinishedRun],
    at: usize,
    label: &str,
    numbers: &[f64],
    measure: &str,
    read: fn(&FinishedRun) -> Option<f64>,
) -> Chart {
    let mut lines: Vec<Line> = Vec::new();
    for run in finished {
        let others: Vec<(String, String)> =
            run.values.iter().enumerate().filter(|(i, _)| *i != at).map(|(_, value)| value.clone()).collect();
        let name = if others.is_empty() { measure.to_owned() } else { settings(&others) };
        let x = run.values.get(at).and_then(|(_, value)| value.parse::<f64>().ok());
        let (Some(x), Some(y)) = (x, read(run).filter(|y| y.is_finite())) else { continue };
        match lines.iter_mut().find(|line| line.name == name) {
            Some(line) => line.points.push([x, y]),
            None => lines.push(Line::dotted(name, vec![[x, y]])),
        }
    }
    for line in &mut lines {
        line.points.sort_by(|a, b| a[0].total_cmp(&b[0]));
    }
    let (low, high) = numbers.iter().fold((f64::INFINITY, 0.0_f64), |(l, h), v| (l.min(*v), h.max(*v)));
    let x_scale = if low > 0.0 && high >= 20.0 * low { Scale::Log } else { Scale::Linear };
    Chart { x_label: label.to_owned(), y_label: measure.to_owned(), x_scale, lines, ..Chart::default() }
}
