//! A comparison as table, CSV and HTML page.

use super::chart::{Chart, Line, Scale};
use super::comparison::{Comparison, Judged};
use super::number::significant;
use super::page::Page;
use super::pictures;
use super::table::{Best, Table};
use crate::error::Result;
use crate::metrics::{Both, Evaluation, FrcThreshold, MatchedMetrics, OriginalMetrics, Placement, phases};
use crate::system::file_name;

/// A metric of the amplitude and the phase: name, what it is in a few words, which is better, how it is read.
type Row<T> = (&'static str, &'static str, Best, fn(&T) -> f64);

const ORIGINAL: &[Row<OriginalMetrics>] = &[
    ("mae", "mean absolute error", Best::Lowest, |m| m.mae),
    ("mse", "mean squared error", Best::Lowest, |m| m.mse),
    ("psnr", "dB, peak 255", Best::Highest, |m| m.psnr),
    ("ssim", "", Best::Highest, |m| m.ssim),
    ("ms_ssim", "original's variant", Best::Highest, |m| m.ms_ssim),
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

/// A metric of the complex object as a whole.
type Whole = (&'static str, &'static str, Best, fn(&Judged) -> Option<f64>);

const WHOLE: &[Whole] = &[
    ("consistency_r", "misfit to the data", Best::Lowest, |j| j.consistency_r),
    ("complex_nrmse", "after the best complex factor", Best::Lowest, |j| Some(of(j)?.complex_nrmse)),
    ("frc_half", "cycles/px, below 1/2", Best::Highest, |j| of(j)?.frc_crossings.half),
    ("frc_one_seventh", "cycles/px, below 1/7", Best::Highest, |j| of(j)?.frc_crossings.one_seventh),
    ("frc_half_bit", "cycles/px, below half a bit", Best::Highest, |j| of(j)?.frc_crossings.half_bit),
    ("split_half_frc_half", "cycles/px, halves of the data", Best::Highest, |j| {
        j.split_half.as_ref()?.frc_crossings.half
    }),
    ("split_half_frc_half_bit", "cycles/px, halves of the data", Best::Highest, |j| {
        j.split_half.as_ref()?.frc_crossings.half_bit
    }),
];

fn of(judged: &Judged) -> Option<&Evaluation> {
    judged.evaluation.as_ref()
}

fn columns(comparison: &Comparison) -> Vec<String> {
    comparison.reconstructions.iter().map(|one| one.name.clone()).collect()
}

/// Values of one metric for each reconstruction.
fn values(comparison: &Comparison, value: impl Fn(&Judged) -> Option<f64>) -> Vec<Option<f64>> {
    comparison.reconstructions.iter().map(value).collect()
}

/// Rows of both quantities of a family of metrics.
fn family<T: 'static>(table: &mut Table, comparison: &Comparison, rows: &[Row<T>], pick: fn(&Evaluation) -> &Both<T>) {
    for phase in [true, false] {
        table.group(if phase { "phase" } else { "amplitude" });
        for (name, hint, best, read) in rows {
            let value = |judged: &Judged| {
                let both = pick(of(judged)?);
                Some(read(if phase { &both.phase } else { &both.amplitude }))
            };
            table.numbers(name, hint, &values(comparison, value), 4, *best);
        }
    }
}

/// What is worth knowing first: one row for each metric, one column for each reconstruction.
fn first_table(comparison: &Comparison) -> Table {
    let mut table = Table::new("", columns(comparison));
    table.numbers("phase_correlation", "by origin", &values(comparison, |j| j.phase_correlation), 4, Best::Highest);
    table.numbers(
        "amplitude_correlation",
        "by origin",
        &values(comparison, |j| j.amplitude_correlation),
        4,
        Best::Highest,
    );
    for (name, hint, best, read) in WHOLE {
        table.numbers(name, hint, &values(comparison, read), 4, *best);
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
    let of_alignment =
        |value: fn(&crate::metrics::Alignment) -> f64| values(comparison, move |j| of(j).map(|e| value(&e.alignment)));
    table.numbers("move x", "px, after its origin", &of_alignment(|a| a.shift_xy[0]), 3, Best::Neither);
    table.numbers("move y", "px", &of_alignment(|a| a.shift_xy[1]), 3, Best::Neither);
    table.numbers("ramp x", "rad/px, removed", &of_alignment(|a| a.ramp_xy[0]), 3, Best::Neither);
    table.numbers("ramp y", "rad/px, removed", &of_alignment(|a| a.ramp_xy[1]), 3, Best::Neither);
    table.numbers("amplitude factor", "", &of_alignment(|a| a.scale), 4, Best::Neither);
    table
}

/// All metrics as text for a terminal.
pub fn metrics_table(comparison: &Comparison) -> String {
    let mut table = Table::new("metric", columns(comparison));
    table.group("object");
    table.numbers("phase_correlation", "", &values(comparison, |j| j.phase_correlation), 4, Best::Highest);
    table.numbers("amplitude_correlation", "", &values(comparison, |j| j.amplitude_correlation), 4, Best::Highest);
    for (name, _, best, read) in WHOLE {
        table.numbers(name, "", &values(comparison, read), 4, *best);
    }
    if comparison.reference.is_some() {
        family(&mut table, comparison, MATCHED, |e| &e.matched);
        table.group("as the original defines them");
        family(&mut table, comparison, ORIGINAL, |e| &e.original);
    }
    table.to_text()
}

/// The metrics in the original's long form (A§8.6), `model,metric,amplitude,phase`, and a column `object` for those of the
/// complex object; values that are not there are empty.
pub fn csv(comparison: &Comparison) -> String {
    let mut lines = vec!["model,metric,amplitude,phase,object".to_owned()];
    let quoted = |name: &str| {
        if name.contains([',', '"', '\n']) { format!("\"{}\"", name.replace('"', "\"\"")) } else { name.to_owned() }
    };
    let cell = |value: Option<f64>| value.filter(|v| v.is_finite()).map_or_else(String::new, |v| v.to_string());
    for judged in &comparison.reconstructions {
        let model = quoted(&judged.name);
        let mut row = |metric: &str, amplitude: Option<f64>, phase: Option<f64>, object: Option<f64>| {
            lines.push(format!("{model},{metric},{},{},{}", cell(amplitude), cell(phase), cell(object)));
        };
        for (name, _, _, read) in ORIGINAL {
            let of_both = of(judged).map(|e| (read(&e.original.amplitude), read(&e.original.phase)));
            row(name, of_both.map(|b| b.0), of_both.map(|b| b.1), None);
        }
        for (name, _, _, read) in MATCHED {
            let of_both = of(judged).map(|e| (read(&e.matched.amplitude), read(&e.matched.phase)));
            row(name, of_both.map(|b| b.0), of_both.map(|b| b.1), None);
        }
        row("correlation", judged.amplitude_correlation, judged.phase_correlation, None);
        for (name, _, _, read) in WHOLE {
            row(name, None, None, read(judged));
        }
    }
    lines.join("\n") + "\n"
}

/// The comparison as a page that needs nothing beside itself.
///
/// # Errors
/// A picture that cannot be encoded.
pub fn html(comparison: &Comparison, title: &str) -> Result<String> {
    let mut page = Page::new(title, &lead(comparison));
    page.section("Summary");
    page.table(&first_table(comparison));
    let mut remarks = comparison.notes.clone();
    for one in &comparison.reconstructions {
        remarks.extend(one.notes.iter().map(|note| format!("{}: {note}", one.name)));
    }
    page.remarks(&remarks);
    if comparison.reference.is_some() {
        page.paragraph(
            "Correlations and errors of the object are free of what diffraction leaves open: global phase, linear phase \
             ramp and scale are matched to the known object first. A dash at a ring correlation means that the curve \
             stays above the threshold up to Nyquist (1/2 cycle per pixel).",
        );
    }

    page.section("Pictures");
    let region = comparison.reconstructions.iter().find_map(|one| of(one).map(|e| e.region));
    if let Some(region) = region {
        page.paragraph(&format!(
            "Rows {} to {} and columns {} to {} of the known object, which is what is compared. All pictures of one kind \
             share one scale, taken from the known object.",
            region.rows[0],
            region.rows[1] - 1,
            region.columns[0],
            region.columns[1] - 1
        ));
    }
    for (heading, figures) in pictures::rows(comparison)? {
        page.subsection(&heading);
        page.figures(&figures);
    }

    page.section("Curves");
    page.chart(&frc_chart(comparison));
    page.chart(&split_half_chart(comparison));
    page.chart(&profile_chart(comparison));
    page.chart(&loss_chart(comparison));

    if comparison.reference.is_some() {
        page.section("Errors");
        page.paragraph(
            "Phase in radians, amplitude in the unit of the known object. Differences of phase are taken as angles, so \
             that nothing wraps; data range is the span of the known object.",
        );
        page.table(&matched_table(comparison));
        page.section("As the original defines them");
        page.paragraph(
            "For comparison with published numbers of PtychoPINN, with its definitions as they are: PSNR with a peak of \
             255 for data of order one (about 48 dB too high), wrapped phase with a plane fitted to each image, its SSIM \
             on angles squeezed into 0 to 1 (always near 1), ring correlation as a magnitude without a window and with \
             the corners beyond Nyquist, cut-offs in rings.",
        );
        page.table(&original_table(comparison));
        page.section("Placement");
        page.paragraph(match comparison.placement {
            Placement::Registered => {
                "Each reconstruction was laid over the known object by its origin, then moved by the peak of the \
                 cross-correlation."
            }
            Placement::Origin => "Each reconstruction lies where its origin says; nothing was moved.",
        });
        page.table(&placement_table(comparison));
    }
    if let Some(overlap) = &comparison.overlap {
        page.section("Overlap of the scan");
        page.paragraph(&format!(
            "Common area of discs of {} pixels around the positions, as part of one disc.",
            significant(overlap.probe_diameter_px, 3)
        ));
        let mut table = Table::new("", vec!["mean overlap".to_owned()]);
        let hint = format!("with the {} nearest positions", overlap.neighbor_count);
        table.numbers(
            "metric_1_group_based_avg",
            "inside groups",
            &[overlap.metric_1_group_based_avg],
            4,
            Best::Neither,
        );
        table.numbers("metric_2_image_based_avg", &hint, &[Some(overlap.metric_2_image_based_avg)], 4, Best::Neither);
        let third = [Some(overlap.metric_3_group_to_group_avg)];
        table.numbers("metric_3_group_to_group_avg", "between close groups", &third, 4, Best::Neither);
        page.table(&table);
    }
    page.section("Files");
    page.table(&files_table(comparison));
    Ok(page.finish())
}

/// What was compared with what, in one line.
fn lead(comparison: &Comparison) -> String {
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
        Some(reference) => text + &format!("; compared with {}", reference.what),
        None => text + "; no known object to compare with",
    }
}

fn files_table(comparison: &Comparison) -> Table {
    let mut table = Table::new("", vec!["file".to_owned()]);
    for one in &comparison.reconstructions {
        table.words(&one.name, vec![one.path.display().to_string()]);
    }
    if let Some(dataset) = &comparison.dataset {
        table.words("dataset", vec![dataset.path.display().to_string()]);
        table.words("its SHA-256", vec![dataset.fingerprint.clone()]);
    }
    if let Some(reference) = &comparison.reference {
        table.words("compared with", vec![format!("{}, {}", reference.path.display(), reference.what)]);
    }
    table
}

fn frc_chart(comparison: &Comparison) -> Chart {
    let judged: Vec<(&Judged, &Evaluation)> =
        comparison.reconstructions.iter().filter_map(|one| Some((one, of(one)?))).collect();
    let mut lines: Vec<Line> =
        judged.iter().map(|(one, e)| Line::curve(&one.name, pairs(&e.frc.frequency, &e.frc.value))).collect();
    if let Some((_, e)) = judged.first() {
        lines.extend(guides(&e.frc));
    }
    Chart {
        title: "Fourier ring correlation with the known object".to_owned(),
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
        title: "Fourier ring correlation of two halves of the data (both through the same network)".to_owned(),
        x_label: "spatial frequency, cycles per pixel".to_owned(),
        y_label: "correlation of the complex objects".to_owned(),
        y_range: Some(frc_range(&lines)),
        lines,
        ..Chart::default()
    }
}

/// From the lowest value, but at least a little below zero, to 1.
fn frc_range(lines: &[Line]) -> [f64; 2] {
    let lowest = lines.iter().flat_map(|line| &line.points).map(|p| p[1]).fold(-0.1_f64, f64::min);
    [(lowest * 10.0).floor() / 10.0, 1.0]
}

/// The thresholds of a ring correlation.
fn guides(curve: &crate::metrics::RingCorrelation) -> [Line; 3] {
    [("1/2", FrcThreshold::Half), ("1/7", FrcThreshold::OneSeventh), ("half bit", FrcThreshold::HalfBit)]
        .map(|(name, threshold)| Line::guide(name, pairs(&curve.frequency, &curve.threshold(threshold))))
}

fn pairs(x: &[f64], y: &[f64]) -> Vec<[f64; 2]> {
    x.iter().zip(y).map(|(x, y)| [*x, *y]).collect()
}

/// Phase along the row in the middle of the compared region.
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
            lines.push(Line::guide("known object", along(&truth)));
        }
        lines.push(Line::curve(&one.name, along(&phase)));
    }
    Chart {
        title: format!("Phase along row {row_number}"),
        x_label: "column of the known object".to_owned(),
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
