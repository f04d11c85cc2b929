//! All metrics of a reconstruction against a known object: the original's, and those of the literature.

use ndarray::{Array2, ArrayView2};
use num_complex::{Complex32, Complex64};
use serde::Serialize;

use super::alignment::{Aligned, Alignment, Region};
use super::errors::{PSNR_PEAK, PhaseAlignment, mae, mse, prepare, psnr, psnr_data_range, span};
use super::frc::{FrcThreshold, RingCorrelation, frc_cutoffs, ring_correlation};
use super::ms_ssim::{ms_ssim, ms_ssim_standard};
use super::ssim::ssim;
use crate::error::{Error, Problem, Result};

/// Pixels that the reference trims from each side before the comparison (A§8.1).
pub const REFERENCE_TRIM: usize = 2;
/// Standard deviations, pixels, of the reference's filter before MS-SSIM, for amplitude and phase.
pub const REFERENCE_MS_SSIM_SIGMA: [f64; 2] = [1.0, 0.0];

/// Pair of values for amplitude and phase.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Both<T> {
    /// Value for the amplitude.
    pub amplitude: T,
    /// Value for the phase.
    pub phase: T,
}

/// The original's metrics under its names (A§8.2 to 8.4); NaN where one is not defined, as for a constant image.
///
/// For comparison with its numbers, defects included: PSNR with peak 255 for data of order one (about 48 dB too high);
/// SSIM of the phase on angles mapped from ±π to 0..1, so that it is always near 1; MS-SSIM of complete SSIMs without
/// low-pass; ring correlation as a magnitude including the corners, in rings; wrapped angles, with a plane fitted to
/// each image.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct OriginalMetrics {
    /// Mean absolute error, in the unit of the amplitude or radians.
    pub mae: f64,
    /// Mean squared error.
    pub mse: f64,
    /// Peak signal-to-noise ratio with peak 255, dB.
    pub psnr: f64,
    /// Structural similarity.
    pub ssim: f64,
    /// Multi-scale structural similarity as in the reference.
    pub ms_ssim: f64,
    /// Ring at which the ring correlation falls below 1/2.
    pub frc50: f64,
    /// Ring at which the ring correlation falls below 1/7.
    pub frc1over7: f64,
}

/// The same metrics as defined in the literature, after matching gauge and scale; NaN where one is not defined.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct MatchedMetrics {
    /// Mean absolute error, in the unit of the amplitude or radians; phase differences do not wrap.
    pub mae_matched: f64,
    /// Mean squared error.
    pub mse_matched: f64,
    /// PSNR with the range of the truth as peak, dB.
    pub psnr_data_range: f64,
    /// Structural similarity with the range of the truth as data range.
    pub ssim_data_range: f64,
    /// MS-SSIM as published, with the range of the truth as data range.
    pub ms_ssim_standard: f64,
}

/// Spatial frequencies, cycles per pixel, at which the ring correlation of the complex objects falls below each
/// threshold; `None` if it never does.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct FrcCrossings {
    /// Crossing of 1/2.
    pub half: Option<f64>,
    /// Crossing of 1/7.
    pub one_seventh: Option<f64>,
    /// Crossing of the half-bit curve.
    pub half_bit: Option<f64>,
}

impl FrcCrossings {
    /// Crossings of a curve.
    pub fn of(curve: &RingCorrelation) -> Self {
        Self {
            half: curve.crossing(FrcThreshold::Half),
            one_seventh: curve.crossing(FrcThreshold::OneSeventh),
            half_bit: curve.crossing(FrcThreshold::HalfBit),
        }
    }
}

/// Metrics of a reconstruction against a known object.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Evaluation {
    /// Compared pixels of the known object.
    pub region: Region,
    /// Alignment of the reconstruction with the known object.
    pub alignment: Alignment,
    /// Normalized rms error of the complex object after the best complex factor, 0 to 1.
    pub complex_nrmse: f64,
    /// Metrics as in the original.
    pub original: Both<OriginalMetrics>,
    /// Metrics as in the literature.
    pub matched: Both<MatchedMetrics>,
    /// Ring correlation of the complex objects.
    pub frc: RingCorrelation,
    /// Crossings of the ring correlation.
    pub frc_crossings: FrcCrossings,
}

/// Computes all metrics of an aligned pair.
///
/// # Errors
/// A region too small for the reference's trim or the ring correlation.
pub fn evaluate(aligned: &Aligned) -> Result<Evaluation> {
    let frc = ring_correlation(aligned.truth.view(), aligned.matched.view())?;
    Ok(Evaluation {
        region: aligned.region,
        alignment: aligned.alignment,
        complex_nrmse: complex_nrmse(aligned.truth.view(), aligned.matched.view()),
        original: original_metrics(aligned.truth.view(), aligned.placed.view(), PhaseAlignment::Plane)?,
        matched: matched_metrics(aligned),
        frc_crossings: FrcCrossings::of(&frc),
        frc,
    })
}

/// Normalized rms error `min_γ √(Σ|t − γ·r|² / Σ|t|²)` of two complex images of equal shape (Maiden & Rodenburg 2009):
/// 0 for equal objects, 1 for unrelated ones, regardless of global phase and scale. NaN if one is zero everywhere.
pub fn complex_nrmse(truth: ArrayView2<'_, Complex64>, image: ArrayView2<'_, Complex64>) -> f64 {
    let (mut product, mut tt, mut rr) = (Complex64::default(), 0.0, 0.0);
    for (t, r) in truth.iter().zip(image) {
        product += t * r.conj();
        tt += t.norm_sqr();
        rr += r.norm_sqr();
    }
    if tt > 0.0 && rr > 0.0 { (1.0 - product.norm_sqr() / (tt * rr)).max(0.0).sqrt() } else { f64::NAN }
}

/// The original's metrics of two complex images of equal shape, with its trim and filters (A§8.1 to 8.4).
///
/// # Errors
/// Different shapes, too few pixels for the trim, NaN or infinity, a reconstruction that is zero everywhere.
pub fn original_metrics(
    truth: ArrayView2<'_, Complex64>,
    reconstruction: ArrayView2<'_, Complex64>,
    alignment: PhaseAlignment,
) -> Result<Both<OriginalMetrics>> {
    let narrow = |image: ArrayView2<'_, Complex64>| image.mapv(|v| Complex32::new(v.re as f32, v.im as f32));
    let prepared = prepare(narrow(truth).view(), narrow(reconstruction).view(), REFERENCE_TRIM, alignment)?;
    let unit = |phase: &Array2<f64>| phase.mapv(|p| (p + std::f64::consts::PI) / std::f64::consts::TAU);
    let (unit_truth, unit_phase) = (unit(&prepared.truth_phase), unit(&prepared.phase));
    let amplitude = OriginalInput {
        truth: &prepared.truth_amplitude,
        image: &prepared.amplitude,
        ssim_truth: &prepared.truth_amplitude,
        ssim_image: &prepared.amplitude,
        data_range: span(prepared.truth_amplitude.view()),
        sigma: REFERENCE_MS_SSIM_SIGMA[0],
    };
    let phase = OriginalInput {
        truth: &prepared.truth_phase,
        image: &prepared.phase,
        ssim_truth: &unit_truth,
        ssim_image: &unit_phase,
        data_range: 1.0,
        sigma: REFERENCE_MS_SSIM_SIGMA[1],
    };
    Ok(Both { amplitude: amplitude.metrics(), phase: phase.metrics() })
}

/// Input of the original's metrics of amplitude or phase.
struct OriginalInput<'a> {
    truth: &'a Array2<f64>,
    image: &'a Array2<f64>,
    ssim_truth: &'a Array2<f64>,
    ssim_image: &'a Array2<f64>,
    data_range: f64,
    sigma: f64,
}

impl OriginalInput<'_> {
    fn metrics(&self) -> OriginalMetrics {
        let (truth, image) = (self.truth.view(), self.image.view());
        let (ssim_truth, ssim_image) = (self.ssim_truth.view(), self.ssim_image.view());
        let cutoffs = frc_cutoffs(truth, image, 0.0).ok();
        OriginalMetrics {
            mae: mae(truth, image),
            mse: mse(truth, image),
            psnr: psnr(truth, image, PSNR_PEAK),
            ssim: ssim(ssim_truth, ssim_image, self.data_range).unwrap_or(f64::NAN),
            ms_ssim: ms_ssim(ssim_truth, ssim_image, self.sigma).unwrap_or(f64::NAN),
            frc50: cutoffs.as_ref().map_or(f64::NAN, |c| c.frc50),
            frc1over7: cutoffs.as_ref().map_or(f64::NAN, |c| c.frc1over7),
        }
    }
}

/// Metrics of matched objects. The phase of the truth is relative to its mean phase; that of the reconstruction is the
/// same plus the angle between the two, which does not wrap where they agree.
fn matched_metrics(aligned: &Aligned) -> Both<MatchedMetrics> {
    let (truth, image) = phases(aligned.truth.view(), aligned.matched.view());
    let amplitude = |image: &Array2<Complex64>| image.mapv(|v| v.norm());
    Both {
        amplitude: of_pair(&amplitude(&aligned.truth), &amplitude(&aligned.matched)),
        phase: of_pair(&truth, &image),
    }
}

/// Phase of the truth relative to its mean, and phase of the image in the branch closest to it; both (h, w), radians.
pub fn phases(truth: ArrayView2<'_, Complex64>, image: ArrayView2<'_, Complex64>) -> (Array2<f64>, Array2<f64>) {
    let angle = |v: Complex64| if v.norm_sqr() == 0.0 { 0.0 } else { v.arg() };
    let mean = truth.sum();
    let turn = if mean.norm_sqr() == 0.0 { Complex64::new(1.0, 0.0) } else { mean.conj() / mean.norm() };
    let of_truth = truth.mapv(|v| angle(v * turn));
    let of_image = Array2::from_shape_fn(of_truth.dim(), |i| of_truth[i] + angle(image[i] * truth[i].conj()));
    (of_truth, of_image)
}

fn of_pair(truth: &Array2<f64>, image: &Array2<f64>) -> MatchedMetrics {
    let (truth, image) = (truth.view(), image.view());
    // By rounding, a constant image has a small range without meaning.
    let largest = truth.iter().fold(0.0_f64, |m, v| m.max(v.abs()));
    let range = Some(span(truth)).filter(|range| *range > 1e-6 * largest);
    MatchedMetrics {
        mae_matched: mae(truth, image),
        mse_matched: mse(truth, image),
        psnr_data_range: range.map_or(f64::NAN, |_| psnr_data_range(truth, image)),
        ssim_data_range: range.and_then(|range| ssim(truth, image, range).ok()).unwrap_or(f64::NAN),
        ms_ssim_standard: range
            .and_then(|range| ms_ssim_standard(truth, image, range).ok())
            .map_or(f64::NAN, |found| found.value),
    }
}

/// Ring correlation of two reconstructions from disjoint halves of one scan; needs no truth. They are compared inside
/// `region` of the first; `origin_xy` is the origin of the second in pixels of the first.
///
/// # Errors
/// As [`super::align`].
pub fn split_half_frc(
    first: ArrayView2<'_, Complex32>,
    second: ArrayView2<'_, Complex32>,
    origin_xy: [f64; 2],
    region: Region,
) -> Result<RingCorrelation> {
    if region.shape().0 < 8 || region.shape().1 < 8 {
        return Err(Error::BadInput(
            Problem::new("The two halves have too few pixels in common")
                .expected("at least 8 × 8 pixels covered by both"),
        ));
    }
    // Both halves use the same positions, so they are not registered: a shift between them counts as disagreement.
    let aligned = super::align(second, origin_xy, first, region, super::Placement::Origin)?;
    ring_correlation(aligned.truth.view(), aligned.matched.view())
}

#[cfg(test)]
mod tests {
    use super::super::alignment::{Placement, align};
    use super::*;

    fn object() -> Array2<Complex32> {
        Array2::from_shape_fn((100, 120), |(y, x)| {
            let (y, x) = (y as f32, x as f32);
            let amplitude = 0.8 + 0.15 * (0.61 * x + 0.15 * y).sin();
            Complex32::from_polar(amplitude, 0.7 * (0.53 * y).sin() * (0.29 * x + 0.4).cos())
        })
    }

    const REGION: Region = Region { rows: [10, 90], columns: [15, 105] };

    fn evaluated(reconstruction: &Array2<Complex32>, truth: &Array2<Complex32>) -> Evaluation {
        let aligned = align(reconstruction.view(), [0.0; 2], truth.view(), REGION, Placement::Registered).unwrap();
        evaluate(&aligned).unwrap()
    }

    #[test]
    fn the_matched_metrics_do_not_depend_on_gauge_and_scale() {
        let truth = object();
        let other = Array2::from_shape_fn(truth.dim(), |(y, x)| {
            truth[(y, x)] * Complex32::from_polar(3.0, 2.9 + 0.03 * y as f32 - 0.05 * x as f32)
        });
        let found = evaluated(&other, &truth);
        for pair in [found.matched.amplitude, found.matched.phase] {
            assert!(pair.mae_matched < 1e-4 && pair.psnr_data_range > 70.0, "{pair:?}");
            assert!(pair.ssim_data_range > 0.9999 && pair.ms_ssim_standard > 0.9999, "{pair:?}");
        }
        assert!(found.complex_nrmse < 1e-3);
        assert_eq!(found.frc_crossings, FrcCrossings { half: None, one_seventh: None, half_bit: None });
        assert!(found.original.phase.mae > 0.1, "the reference is wrong for a wrapped ramp: {:?}", found.original);
    }

    #[test]
    fn a_worse_reconstruction_is_worse_in_every_metric() {
        let truth = object();
        let with = |strength: f32| {
            let rec = Array2::from_shape_fn(truth.dim(), |(y, x)| {
                let wiggle = ((y * 7919 + x * 104_729) % 997) as f32 / 997.0 - 0.5;
                truth[(y, x)] * Complex32::from_polar(1.0 + strength * wiggle, -strength * wiggle)
            });
            evaluated(&rec, &truth)
        };
        let (good, bad) = (with(0.1), with(0.6));
        assert!(good.complex_nrmse < bad.complex_nrmse);
        for (good, bad) in [(good.matched.amplitude, bad.matched.amplitude), (good.matched.phase, bad.matched.phase)] {
            assert!(good.mae_matched < bad.mae_matched && good.mse_matched < bad.mse_matched);
            assert!(good.psnr_data_range > bad.psnr_data_range && good.ssim_data_range > bad.ssim_data_range);
            assert!(good.ms_ssim_standard > bad.ms_ssim_standard);
        }
        for (good, bad) in
            [(good.original.amplitude, bad.original.amplitude), (good.original.phase, bad.original.phase)]
        {
            assert!(good.mae < bad.mae && good.psnr > bad.psnr && good.ssim > bad.ssim && good.ms_ssim > bad.ms_ssim);
        }
    }

    #[test]
    fn the_similarity_of_a_constant_amplitude_is_undefined_and_the_others_are_computed() {
        let truth = object().mapv(|v| v / v.norm());
        let found = evaluated(&truth, &truth);
        assert!(found.original.amplitude.mae < 1e-6 && found.matched.phase.ssim_data_range > 0.9999);
        assert!(found.matched.amplitude.ssim_data_range.is_nan(), "{:?}", found.matched.amplitude);
    }

    #[test]
    fn the_complex_error_ignores_a_complex_factor_and_is_one_for_disjoint_objects() {
        let truth = object().mapv(|v| Complex64::new(f64::from(v.re), f64::from(v.im)));
        let turned = &truth * Complex64::from_polar(0.2, 1.0);
        assert!(complex_nrmse(truth.view(), turned.view()) < 1e-7);
        let half = |first: bool| {
            Array2::from_shape_fn(
                truth.dim(),
                |(y, x)| {
                    if (y < 50) == first { truth[(y, x)] } else { Complex64::default() }
                },
            )
        };
        assert!((complex_nrmse(half(true).view(), half(false).view()) - 1.0).abs() < 1e-12);
        assert!(complex_nrmse(truth.view(), (&truth * 0.0).view()).is_nan());
    }

    #[test]
    fn equal_halves_agree_and_shifted_ones_do_not_at_high_frequencies() {
        let first = object();
        let same = split_half_frc(first.view(), first.view(), [0.0; 2], REGION).unwrap();
        assert_eq!(same.crossing(FrcThreshold::HalfBit), None);
        let moved = split_half_frc(first.view(), first.view(), [2.0, 1.0], REGION).unwrap();
        assert!(moved.crossing(FrcThreshold::HalfBit).is_some());
    }
}
