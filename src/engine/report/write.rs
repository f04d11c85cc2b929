//! A comparison as table, CSV and HTML page.

use super::chart::{Chart, Line, Scale};
use super::comparison::{Comparison, ReconstructionMetrics};
use super::images;
use super::number::significant;
use super::page::Page;
use super::table::{Best, Table};
use crate::error::Result;
use crate::metrics::{Both, Evaluation, FrcThreshold, MatchedMetrics, OriginalMetrics, Placement, phases};
use crate::system::file_name;

/// A metric of amplitude and phase: name, short explanation, better direction, value.
type Row<T> = (&'static str, &'static str, Best, fn(&T) -> f64);

const ORIGINAL: &[Row<OriginalMetrics>] = &[
    ("mae", "mean absolute error", Best::Lowest, |m| m.mae),
    ("mse", "mean squared error", Best::Lowest, |m| m.mse),
    ("psnr", "dB, peak 255", Best::Highest, |m| m.psnr),
    ("ssim", "", Best::Highest, |m| m.ssim),
    ("ms_ssim", "PtychoPINN's variant", Best::Highest, |m| m.ms_ssim),
    ("frc50", "ring", Best::Highest, |m| m.frc50),
    ("frc1over7", "ring", Best::Highest, |m| m.frc1over7),
];

const MATCHED: &[Row<MatchedMetrics>] = &[
    ("mae_matched", "mean absolute error", Best::Lowest, |m| m.mae_matched),
    ("mse_matched", "mean squared error", Best::Lowest, |m| m.mse_matched),
    ("psnr_data_range", "dB", Best::Highest, |m| m.psnr_data_range),
    ("ssim_data_range", "", Best::Highest, |m| m.ssim_data_range),
    ("ms_ssim_standard", "", Best::Highest, |m| m.ms_ssim_standard),
];

/// A metric of the complex object: name, short explanation, better direction, value.
type Whole = (&'static str, &'static str, Best, fn(&ReconstructionMetrics) -> Option<f64>);

const WHOLE: &[Whole] = &[
    ("consistency_r", "misfit to the data", Best::Lowest, |j| j.consistency_r),
    ("complex_nrmse", "after fitting a complex factor", Best::Lowest, |j| Some(evaluation(j)?.complex_nrmse)),
    ("frc_half", "cycles/px, below 1/2", Best::Highest, |j| evaluation(j)?.frc_crossings.half),
    ("frc_one_seventh", "cycles/px, below 1/7", Best::Highest, |j| evaluation(j)?.frc_crossings.one_seventh),
    ("frc_half_bit", "cycles/px, below half-bit", Best::Highest, |j| evaluation(j)?.frc_crossings.half_bit),
    ("split_half_frc_half", "cycles/px, two halves of the data", Best::Highest, |j| {
        j.split_half.as_ref()?.frc_crossings.half
    }),
    ("split_half_frc_half_bit", "cycles/px, two halves of the data", Best::Highest, |j| {
        j.split_half.as_ref()?.frc_crossings.half_bit
    }),
];

fn evaluation(one: &ReconstructionMetrics) -> Option<&Evaluation> {
    one.evaluation.as_ref()
}

fn columns(comparison: &Comparison) -> Vec<String> {
    comparison.reconstructions.iter().map(|one| one.name.clone()).collect()
}

/// Values of one metric, one per reconstruction.
fn values(comparison: &Comparison, value: impl Fn(&ReconstructionMetrics) -> Option<f64>) -> Vec<Option<f64>> {
    comparison.reconstructions.iter().map(value).collect()
}

/// Adds the rows of a family of metrics, for phase and amplitude.
fn family<T: 'static>(table: &mut Table, comparison: &Comparison, rows: &[Row<T>], pick: fn(&Evaluation) -> &Both<T>) {
    for phase in [true, false] {
        table.group(if phase { "phase" } else { "amplitude" });
        for (name, hint, best, read) in rows {
            let value = |one: &ReconstructionMetrics| {
                let both = pick(evaluation(one)?);
                Some(read(if phase { &both.phase } else { &both.amplitude }))
            };
            table.number_row(name, hint, &values(comparison, value), 4, *best);
        }
    }
}

/// Main metrics of the complex objects, one column per reconstruction.
fn summary_table(comparison: &Comparison) -> Table {
    let mut table = Table::new("", columns(comparison));
    table.number_row("phase_correlation", "by origin", &values(comparison, |j| j.phase_correlation), 4, Best::Highest);
    table.number_row(
        "amplitude_correlation",
        "by origin",
        &values(comparison, |j| j.amplitude_correlation),
        4,
        Best::Highest,
    );
    for (name, hint, best, read) in WHOLE {
        table.number_row(name, hint, &values(comparison, read), 4, *best);
    }
    table
}

fn matched_table(comparison: &Comparison) -> Table {
    let mut table = Table::new("", columns(comparison));
    family(&mut table, comparison, MATCHED, |e| &e.matched);
    table
}

fn original_table(comparison: &Comparison) -> Table {
    let mut table = Table::new("", columns(comparison));
    family(&mut table, comparison, ORIGINAL, |e| &e.original);
    table
}

fn placement_table(comparison: &Comparison) -> Table {
    let mut table = Table::new("", columns(comparison));
    let of_alignment = |value: fn(&crate::metrics::Alignment) -> f64| {
        values(comparison, move |j| evaluation(j).map(|e| value(&e.alignment)))
    };
    table.number_row("shift x", "px, relative to its origin", &of_alignment(|a| a.shift_xy[0]), 3, Best::Neither);
    table.number_row("shift y", "px", &of_alignment(|a| a.shift_xy[1]), 3, Best::Neither);
    table.number_row("ramp x", "rad/px, removed", &of_alignment(|a| a.ramp_xy[0]), 3, Best::Neither);
    table.number_row("ramp y", "rad/px, removed", &of_alignment(|a| a.ramp_xy[1]), 3, Best::Neither);
    table.number_row("amplitude factor", "", &of_alignment(|a| a.scale), 4, Best::Neither);
    table
}

/// All metrics as a table for a terminal.
pub fn metrics_table(comparison: &Comparison) -> String {
    let mut table = Table::new("metric", columns(comparison));
    table.group("object");
    table.number_row("phase_correlation", "", &values(comparison, |j| j.phase_correlation), 4, Best::Highest);
    table.number_row("amplitude_correlation", "", &values(comparison, |j| j.amplitude_correlation), 4, Best::Highest);
    for (name, _, best, read) in WHOLE {
        table.number_row(name, "", &values(comparison, read), 4, *best);
    }
    if comparison.reference.is_some() {
        family(&mut table, comparison, MATCHED, |e| &e.matched);
        table.group("as defined by PtychoPINN");
        family(&mut table, comparison, ORIGINAL, |e| &e.original);
    }
    table.to_text()
}

/// The metrics as CSV in PtychoPINN's long form (A§8.6), `model,metric,amplitude,phase`, with an additional column `object` for
/// those of the complex object. Missing values are empty.
pub fn csv(comparison: &Comparison) -> String {
    let mut lines = vec!["model,metric,amplitude,phase,object".to_owned()];
    let quoted = |name: &str| {
        if name.contains([',', '"', '\n']) { format!("\"{}\"", name.replace('"', "\"\"")) } else { name.to_owned() }
    };
    let cell = |value: Option<f64>| value.filter(|v| v.is_finite()).map_or_else(String::new, |v| v.to_string());
    for one in &comparison.reconstructions {
        let model = quoted(&one.name);
        let mut row = |metric: &str, amplitude: Option<f64>, phase: Option<f64>, object: Option<f64>| {
            lines.push(format!("{model},{metric},{},{},{}", cell(amplitude), cell(phase), cell(object)));
        };
        for (name, _, _, read) in ORIGINAL {
            let both = evaluation(one).map(|e| (read(&e.original.amplitude), read(&e.original.phase)));
            row(name, both.map(|b| b.0), both.map(|b| b.1), None);
        }
        for (name, _, _, read) in MATCHED {
            let both = evaluation(one).map(|e| (read(&e.matched.amplitude), read(&e.matched.phase)));
            row(name, both.map(|b| b.0), both.map(|b| b.1), None);
        }
        row("correlation", one.amplitude_correlation, one.phase_correlation, None);
        for (name, _, _, read) in WHOLE {
            row(name, None, None, read(one));
        }
    }
    lines.join("\n") + "\n"
}

/// The comparison as a self-contained HTML page.
///
/// # Errors
/// An image cannot be encoded.
pub fn html(comparison: &Comparison, title: &str) -> Result<String> {
    let mut page = Page::new(title, &subtitle(comparison));
    add_summary(&mut page, comparison);
    add_images(&mut page, comparison)?;
    page.section("Curves");
    page.chart(&frc_chart(comparison));
    page.chart(&split_half_chart(comparison));
    page.chart(&profile_chart(comparison));
    page.chart(&loss_chart(comparison));
    if comparison.reference.is_some() {
        add_errors(&mut page, comparison);
    }
    add_overlap(&mut page, comparison);
    page.section("Files");
    page.table(&files_table(comparison));
    Ok(page.finish())
}

fn add_summary(page: &mut Page, comparison: &Comparison) {
    page.section("Summary");
    page.table(&summary_table(comparison));
    page.notes(&comparison.all_notes());
    if comparison.reference.is_some() {
        page.paragraph(
            "Correlations and errors of the object do not depend on global phase, linear phase ramp and scale, which \
             diffraction does not determine: these are matched to the reference object first. A dash for a ring \
             correlation means that the curve stays above the threshold up to the Nyquist frequency (1/2 cycle per pixel).",
        );
    }
}

fn add_images(page: &mut Page, comparison: &Comparison) -> Result<()> {
    page.section("Images");
    let region = comparison.reconstructions.iter().find_map(|one| evaluation(one).map(|e| e.region));
    if let Some(region) = region {
        page.paragraph(&format!(
            "Compared region: rows {} to {} and columns {} to {} of the reference object. All images of a quantity have \
             the same scale, that of the reference object.",
            region.rows[0],
            region.rows[1] - 1,
            region.columns[0],
            region.columns[1] - 1
        ));
    }
    for (heading, figures) in images::rows(comparison)? {
        page.subsection(&heading);
        page.figures(&figures);
    }
    Ok(())
}

fn add_errors(page: &mut Page, comparison: &Comparison) {
    page.section("Errors");
    page.paragraph(
        "Phase in radians, amplitude in the unit of the reference object. Phase differences are computed as angles, without \
         wrapping; the data range is that of the reference object.",
    );
    page.table(&matched_table(comparison));
    page.section("As defined by PtychoPINN");
    page.paragraph(
        "For comparison with published results of PtychoPINN, using its definitions unchanged: PSNR with a peak of 255 for \
         data of order one (about 48 dB too high), wrapped phase with a plane fitted to each image, SSIM of angles scaled to \
         0 to 1 (always close to 1), ring correlation as a magnitude without a window and including the corners beyond \
         Nyquist, cutoffs as ring numbers.",
    );
    page.table(&original_table(comparison));
    page.section("Placement");
    page.paragraph(match comparison.placement {
        Placement::Registered => {
            "Each reconstruction was placed over the reference object by its origin, then shifted to the peak of the \
             cross-correlation."
        }
        Placement::Origin => "Each reconstruction is placed by its origin, without a shift.",
    });
    page.table(&placement_table(comparison));
}

fn add_overlap(page: &mut Page, comparison: &Comparison) {
    let Some(overlap) = &comparison.overlap else { return };
    page.section("Overlap of the scan");
    page.paragraph(&format!(
        "Common area of disks with the probe diameter ({} px) around the positions, as a fraction of one disk.",
        significant(overlap.probe_diameter_px, 3)
    ));
    let mut table = Table::new("", vec!["mean overlap".to_owned()]);
    let hint = format!("with the {} nearest positions", overlap.neighbor_count);
    let rows = [
        ("metric_1_group_based_avg", "within groups", overlap.metric_1_group_based_avg),
        ("metric_2_image_based_avg", hint.as_str(), Some(overlap.metric_2_image_based_avg)),
        ("metric_3_group_to_group_avg", "between adjacent groups", Some(overlap.metric_3_group_to_group_avg)),
    ];
    for (name, hint, value) in rows {
        table.number_row(name, hint, &[value], 4, Best::Neither);
    }
    page.table(&table);
}

/// Subtitle: number of reconstructions, dataset and reference.
fn subtitle(comparison: &Comparison) -> String {
    let count = comparison.reconstructions.len();
    let mut text = format!("{count} reconstruction{}", if count == 1 { "" } else { "s" });
    if let Some(dataset) = &comparison.dataset {
        text += &format!(
            " of {}, {} patterns of {side} × {side}",
            file_name(&dataset.path),
            dataset.n,
            side = dataset.side
        );
    }
    match &comparison.reference {
        Some(reference) => text + &format!("; reference: {}", reference.what),
        None => text + "; no reference object",
    }
}

fn files_table(comparison: &Comparison) -> Table {
    let mut table = Table::new("", vec!["file".to_owned()]);
    for one in &comparison.reconstructions {
        table.text_row(&one.name, vec![one.path.display().to_string()]);
    }
    if let Some(dataset) = &comparison.dataset {
        table.text_row("dataset", vec![dataset.path.display().to_string()]);
        table.text_row("SHA-256 of the dataset", vec![dataset.fingerprint.clone()]);
    }
    if let Some(reference) = &comparison.reference {
        table.text_row("reference", vec![format!("{}, {}", reference.path.display(), reference.what)]);
    }
    table
}

fn frc_chart(comparison: &Comparison) -> Chart {
    let evaluated: Vec<(&ReconstructionMetrics, &Evaluation)> =
        comparison.reconstructions.iter().filter_map(|one| Some((one, evaluation(one)?))).collect();
    let mut lines: Vec<Line> =
        evaluated.iter().map(|(one, e)| Line::curve(&one.name, pairs(&e.frc.frequency, &e.frc.value))).collect();
    if let Some((_, e)) = evaluated.first() {
        lines.extend(guides(&e.frc));
    }
    Chart {
        title: "Fourier ring correlation with the reference object".to_owned(),
        x_label: "spatial frequency, cycles per pixel".to_owned(),
        y_label: "correlation of the complex object".to_owned(),
        y_range: Some(frc_range(&lines)),
        lines,
        ..Chart::default()
    }
}

fn split_half_chart(comparison: &Comparison) -> Chart {
    let halves: Vec<_> =
        comparison.reconstructions.iter().filter_map(|one| Some((one, one.split_half.as_ref()?))).collect();
    let mut lines: Vec<Line> =
        halves.iter().map(|(one, half)| Line::curve(&one.name, pairs(&half.frc.frequency, &half.frc.value))).collect();
    if let Some((_, half)) = halves.first() {
        lines.extend(guides(&half.frc));
    }
    Chart {
        title: "Fourier ring correlation of two halves of the data (same network)".to_owned(),
        x_label: "spatial frequency, cycles per pixel".to_owned(),
        y_label: "correlation of the complex objects".to_owned(),
        y_range: Some(frc_range(&lines)),
        lines,
        ..Chart::default()
    }
}

/// Limits of a ring correlation: from the lowest value, at most -0.1, to 1.
fn frc_range(lines: &[Line]) -> [f64; 2] {
    let lowest = lines.iter().flat_map(|line| &line.points).map(|p| p[1]).fold(-0.1_f64, f64::min);
    [(lowest * 10.0).floor() / 10.0, 1.0]
}

/// Threshold curves of a ring correlation.
fn guides(curve: &crate::metrics::RingCorrelation) -> [Line; 3] {
    [("1/2", FrcThreshold::Half), ("1/7", FrcThreshold::OneSeventh), ("half-bit", FrcThreshold::HalfBit)]
        .map(|(name, threshold)| Line::guide(name, pairs(&curve.frequency, &curve.threshold(threshold))))
}

fn pairs(x: &[f64], y: &[f64]) -> Vec<[f64; 2]> {
    x.iter().zip(y).map(|(x, y)| [*x, *y]).collect()
}

/// Phase along the middle row of the compared region.
fn profile_chart(comparison: &Comparison) -> Chart {
    let mut lines = Vec::new();
    let mut row_number = 0;
    for one in &comparison.reconstructions {
        let Some(aligned) = &one.aligned else { continue };
        let (truth, phase) = phases(aligned.truth.view(), aligned.matched.view());
        let row = aligned.region.shape().0 / 2;
        row_number = aligned.region.rows[0] + row;
        let along = |image: &ndarray::Array2<f64>| {
            let first = aligned.region.columns[0];
            image.row(row).iter().enumerate().map(|(x, v)| [(first + x) as f64, *v]).collect::<Vec<_>>()
        };
        if lines.is_empty() {
            lines.push(Line::guide("reference object", along(&truth)));
        }
        lines.push(Line::curve(&one.name, along(&phase)));
    }
    Chart {
        title: format!("Phase along row {row_number}"),
        x_label: "column of the reference object".to_owned(),
        y_label: "phase, rad".to_owned(),
        lines,
        ..Chart::default()
    }
}

fn loss_chart(comparison: &Comparison) -> Chart {
    let trained = comparison.reconstructions.iter().filter(|one| one.losses.len() > 1);
    Chart {
        title: "Training".to_owned(),
        x_label: "epoch".to_owned(),
        y_label: "training loss".to_owned(),
        y_scale: Scale::Log,
        lines: trained.map(|one| Line::curve(&one.name, one.losses.clone())).collect(),
        ..Chart::default()
    }
}
