//! Agreement of two objects, for the comparison table.

use crate::imaging;
use crate::library::ResultData;
use crate::metrics::{self, Correlation, FrcThreshold, PhaseAlignment, RingCorrelation};
use ndarray::{Array2, ArrayView2, s};
use num_complex::{Complex32, Complex64};

/// Agreement of one quantity, amplitude or phase.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Values {
    /// Pearson correlation.
    pub correlation: f64,
    /// Mean absolute error.
    pub mae: f64,
    /// Peak signal-to-noise ratio, dB; the peak is the value range of the reference.
    pub psnr: f64,
    /// Structural similarity.
    pub ssim: f64,
}

/// Agreement of two objects.
#[derive(Debug, Clone, PartialEq)]
pub struct Agreement {
    /// Amplitudes, after scaling.
    pub amplitude: Values,
    /// Phases, after removing offset and ramp.
    pub phase: Values,
    /// Fourier ring correlation of the complex objects; `None` if the area is too small.
    pub rings: Option<RingCorrelation>,
    /// Columns and rows of the compared area.
    pub size: [usize; 2],
    /// True if the area is the bounding box of the scan.
    pub is_scan: bool,
}

/// Correlation with the reference object as in the run summary: of the stored objects, inside the scan. Rows and columns
/// are in the frame of the result. `None` if there is no reference or it does not cover the scan.
pub fn as_in_summary(result: &ResultData) -> Option<Correlation> {
    let reference = result.truth.as_ref()?;
    let [x, y] = result.reconstruction.origin_xy;
    // The reference is aligned with the frame of the result at integer pixels.
    let corner = [x.round(), y.round()];
    let positions: Vec<[f64; 2]> = result.positions.iter().map(|[x, y]| [x - corner[0], y - corner[1]]).collect();
    let object = result.reconstruction.object.view();
    metrics::phase_correlation(object, [x - corner[0], y - corner[1]], reference.view(), &positions).ok()
}

/// Compares two (H, W) objects where both are known.
///
/// The area is the bounding box of the scan positions `[x, y]` (array indices), as in the run summary; if part of it is
/// unknown, the largest known rectangle. `stored` is the correlation from the summary, in this frame: the display uses
/// another gauge, on which the phase correlation depends.
///
/// # Errors
/// The reason as text, if the objects cannot be compared.
pub fn agreement(
    object: &Array2<Complex32>,
    reference: &Array2<Complex32>,
    both: &Array2<bool>,
    positions: &[[f64; 2]],
    stored: Option<Correlation>,
) -> Result<Agreement, String> {
    let finite = |v: &Complex32| v.re.is_finite() && v.im.is_finite();
    let usable = Array2::from_shape_fn(both.dim(), |at| {
        both.get(at).copied().unwrap_or(false)
            && object.get(at).is_some_and(finite)
            && reference.get(at).is_some_and(finite)
    });
    let scanned = scan_box(positions, usable.dim()).filter(|(top, left, height, width)| {
        usable.slice(s![*top..top + height, *left..left + width]).iter().all(|u| *u)
    });
    let scanned =
        stored.map(|c| (c.rows[0], c.columns[0], c.rows[1] - c.rows[0], c.columns[1] - c.columns[0])).or(scanned);
    let is_scan = scanned.is_some();
    let Some((top, left, height, width)) = scanned.or_else(|| imaging::largest_box(usable.view())) else {
        return Err("The two objects do not overlap".to_owned());
    };
    let inside = s![top..top + height, left..left + width];
    let (object, reference) = (object.slice(inside), reference.slice(inside));
    let corners = [[0.0, 0.0], [width as f64, height as f64]];
    let correlation = match stored {
        Some(correlation) => correlation,
        None => metrics::phase_correlation(object, [0.0; 2], reference, &corners).map_err(|e| e.to_string())?,
    };
    let prepared = metrics::prepare(reference, object, 0, PhaseAlignment::Plane).map_err(|e| e.to_string())?;
    let (amplitude, phase) = metrics::image_errors(&prepared).map_err(|e| e.to_string())?;
    let values = |correlation: f64, errors: metrics::ImageErrors| Values {
        correlation,
        mae: errors.mae,
        psnr: errors.psnr_data_range,
        ssim: errors.ssim,
    };
    Ok(Agreement {
        amplitude: values(correlation.amplitude, amplitude),
        phase: values(correlation.phase, phase),
        rings: metrics::ring_correlation(widen(object).view(), widen(reference).view()).ok(),
        size: [width, height],
        is_scan,
    })
}

/// First row, first column, height and width of the box of the positions inside a frame; `None` below 8 pixels.
fn scan_box(positions: &[[f64; 2]], (height, width): (usize, usize)) -> Option<(usize, usize, usize, usize)> {
    let range = |axis: usize, length: usize| {
        let values = positions.iter().map(|position| position[axis]);
        let (low, high) = values.fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), v| (l.min(v), h.max(v)));
        let (low, high) = (low.ceil().max(0.0) as usize, (high.floor().max(0.0) as usize).min(length));
        (high >= low.saturating_add(8)).then_some((low, high - low))
    };
    let ((left, wide), (top, tall)) = (range(0, width)?, range(1, height)?);
    Some((top, left, tall, wide))
}

fn widen(object: ArrayView2<'_, Complex32>) -> Array2<Complex64> {
    object.mapv(|v| Complex64::new(f64::from(v.re), f64::from(v.im)))
}

/// Resolution as a period in pixels: where the ring correlation, once above the threshold, falls below it; 2 if it never
/// does, `None` if it is never above.
///
/// The first rings hold few pixels and residual ramps, so a low value there alone is ignored.
pub fn finest_period(rings: &RingCorrelation, threshold: FrcThreshold) -> Option<f64> {
    let mut before: Option<(f64, f64)> = None;
    for ((frequency, value), pixels) in rings.frequency.iter().zip(&rings.value).zip(&rings.pixels) {
        let above = value - threshold.value(*pixels);
        match before {
            None if above < 0.0 => {}
            Some((f, a)) if above < 0.0 => return Some(1.0 / (f + (frequency - f) * a / (a - above))),
            _ => before = Some((*frequency, above)),
        }
    }
    before.map(|_| 2.0)
}

/// Rating of a misfit R = Σ(|F| − √I)² / ΣI in words, and as a level from 0 (bad) to 2 (good).
pub fn rate_misfit(r: f64) -> (&'static str, u8) {
    match r {
        r if !r.is_finite() => ("not a number: the object does not fit the data", 0),
        r if r < 0.005 => ("very good fit", 2),
        r if r < 0.02 => ("good fit", 2),
        r if r < 0.08 => ("rough fit", 1),
        _ => ("poor fit", 0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_that_do_not_overlap_are_not_compared() {
        let object = Array2::from_elem((20, 20), Complex32::ONE);
        let none = Array2::from_elem((20, 20), false);
        assert!(agreement(&object, &object, &none, &[], None).is_err_and(|text| text.contains("do not overlap")));
    }

    #[test]
    fn equal_objects_agree_to_the_finest_period() {
        let object = Array2::from_shape_fn((40, 50), |(y, x)| {
            Complex32::from_polar(1.0 + 0.3 * ((x * 7 + y * 3) % 5) as f32, ((x * x + y) % 11) as f32 * 0.1)
        });
        let found = agreement(&object, &object, &Array2::from_elem((40, 50), true), &[], None);
        assert!(found.as_ref().is_ok_and(|a| a.size == [50, 40] && a.phase.correlation > 0.999), "{found:?}");
        let scan = [[3.2, 4.0], [33.9, 29.1]];
        let inside = agreement(&object, &object, &Array2::from_elem((40, 50), true), &scan, None);
        assert!(inside.is_ok_and(|a| a.is_scan && a.size == [29, 25]));
        let rings = found.ok().and_then(|agreement| agreement.rings);
        assert_eq!(rings.and_then(|rings| finest_period(&rings, FrcThreshold::Half)), Some(2.0));
    }

    #[test]
    fn a_low_first_ring_is_ignored() {
        let rings = |value: &[f64]| RingCorrelation {
            frequency: (1..=value.len()).map(|i| i as f64 / 10.0).collect(),
            value: value.to_vec(),
            pixels: vec![100.0; value.len()],
        };
        let period = finest_period(&rings(&[0.3, 0.9, 0.7, 0.3, 0.6]), FrcThreshold::Half);
        assert!(period.is_some_and(|p| (p - 1.0 / 0.35).abs() < 1e-9), "{period:?}");
        assert_eq!(finest_period(&rings(&[0.3, 0.2]), FrcThreshold::Half), None);
    }

    #[test]
    fn ratings_follow_the_misfit() {
        assert_eq!([0.001, 0.015, 0.05, 0.5, f64::NAN].map(|r| rate_misfit(r).1), [2, 2, 1, 0, 0]);
    }
}
