//! All measures of a reconstruction against a known object, under the original's names and under their own.

use ndarray::{Array2, ArrayView2};
use num_complex::{Complex32, Complex64};
use serde::Serialize;

use super::alignment::{Aligned, Alignment, Region};
use super::errors::{PSNR_PEAK, PhaseAlignment, mae, mse, prepare, psnr, psnr_data_range, span};
use super::frc::{FrcThreshold, RingCorrelation, frc_cutoffs, ring_correlation};
use super::ms_ssim::{ms_ssim, ms_ssim_standard};
use super::ssim::ssim;
use crate::error::{Error, Problem, Result};

/// Pixels that the reference trims from every side before it compares (A§8.1).
pub const REFERENCE_TRIM: usize = 2;
/// Standard deviation, pixels, of the reference's filter before MS-SSIM: of the amplitude, of the phase.
pub const REFERENCE_MS_SSIM_SIGMA: [f64; 2] = [1.0, 0.0];

/// A value of the amplitude and one of the phase.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Both<T> {
    /// Of the amplitude.
    pub amplitude: T,
    /// Of the phase.
    pub phase: T,
}

/// The original's metrics under its names (A§8.2 to 8.4); NaN where one is not defined, as for a constant image.
///
/// Kept for comparison with its numbers, defects included: PSNR with peak 255 for data of order one (about 48 dB too
/// much); the phase's SSIM on angles squeezed from ±π into 0..1, so that it is always near 1; MS-SSIM of complete SSIMs
/// without low-pass; ring correlation as a magnitude with the corners, in rings; wrapped angles, a plane fitted to each.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct OriginalMetrics {
    /// Mean absolute error; amplitude in its unit, phase in radians.
    pub mae: f64,
    /// Mean squared error.
    pub mse: f64,
    /// Peak signal-to-noise ratio with peak 255, dB.
    pub psnr: f64,
    /// Structural similarity.
    pub ssim: f64,
    /// The reference's multi-scale similarity.
    pub ms_ssim: f64,
    /// Ring at which the ring correlation falls below 1/2.
    pub frc50: f64,
    /// Ring at which it falls below 1/7.
    pub frc1over7: f64,
}

/// The same errors as the literature defines them, on objects matched in gauge and scale; NaN where one is not defined.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct MatchedMetrics {
    /// Mean absolute error; amplitude in its unit, phase in radians, differences of phase never wrapped.
    pub mae_matched: f64,
    /// Mean squared error.
    pub mse_matched: f64,
    /// PSNR with the truth's span as peak, dB.
    pub psnr_data_range: f64,
    /// Structural similarity with the truth's span as data range.
    pub ssim_data_range: f64,
    /// MS-SSIM as published, with the truth's span as data range.
    pub ms_ssim_standard: f64,
}

/// Where the ring correlation of the complex objects falls below each threshold, cycles per pixel; none if never.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct FrcCrossings {
    /// Below 1/2.
    pub half: Option<f64>,
    /// Below 1/7.
    pub one_seventh: Option<f64>,
    /// Below half a bit.
    pub half_bit: Option<f64>,
}

impl FrcCrossings {
    /// Of a curve.
    pub fn of(curve: &RingCorrelation) -> Self {
        Self {
            half: curve.crossing(FrcThreshold::Half),
            one_seventh: curve.crossing(FrcThreshold::OneSeventh),
            half_bit: curve.crossing(FrcThreshold::HalfBit),
        }
    }
}

/// How good a reconstruction is against a known object.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Evaluation {
    /// The pixels of the known object that were compared.
    pub region: Region,
    /// How the reconstruction was laid over it.
    pub alignment: Alignment,
    /// Error of the complex object after the best complex factor, 0 to 1.
    pub complex_nrmse: f64,
    /// The original's metrics.
    pub original: Both<OriginalMetrics>,
    /// The metrics of the literature.
    pub matched: Both<MatchedMetrics>,
    /// Ring correlation of the complex objects.
    pub frc: RingCorrelation,
    /// Its crossings.
    pub frc_crossings: FrcCrossings,
}

/// Measures an aligned pair.
///
/// # Errors
/// A region too small for the reference's trim or the ring correlation.
pub fn evaluate(aligned: &Aligned) -> Result<Evaluation> {
    let frc = ring_correlation(aligned.truth.view(), aligned.matched.view())?;
    Ok(Evaluation {
        region: aligned.region,
        alignment: aligned.found,
        complex_nrmse: complex_nrmse(aligned.truth.view(), aligned.matched.view()),
        original: original_metrics(aligned.truth.view(), aligned.placed.view(), PhaseAlignment::Plane)?,
        matched: matched_metrics(aligned),
        frc_crossings: FrcCrossings::of(&frc),
        frc,
    })
}

/// `min_γ √(Σ|t − γ·r|² / Σ|t|²)` of two complex images of one shape (Maiden & Rodenburg 2009): 0 for equal objects, 1 for
/// unrelated ones; global phase and scale do not count. NaN if one is dark.
pub fn complex_nrmse(truth: ArrayView2<'_, Complex64>, image: ArrayView2<'_, Complex64>) -> f64 {
    let (mut product, mut tt, mut rr) = (Complex64::default(), 0.0, 0.0);
    for (t, r) in truth.iter().zip(image) {
        product += t * r.conj();
        tt += t.norm_sqr();
        rr += r.norm_sqr();
    }
    if tt > 0.0 && rr > 0.0 { (1.0 - product.norm_sqr() / (tt * rr)).max(0.0).sqrt() } else { f64::NAN }
}

/// The original's metrics of two complex images of one shape, with its trim and filters (A§8.1 to 8.4).
///
/// # Errors
/// Different shapes, too few pixels for the trim, NaN or infinity, a dark reconstruction.
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

/// What the original's metrics of one quantity are computed from.
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

/// Errors of matched objects. The truth's phase is taken relative to its mean phase; the reconstruction's is that plus
/// the angle between them, so that it does not wrap where they agree.
fn matched_metrics(aligned: &Aligned) -> Both<MatchedMetrics> {
    let (truth, image) = phases(aligned.truth.view(), aligned.matched.view());
    let amplitude = |image: &Array2<Complex64>| image.mapv(|v| v.norm());
    Both {
        amplitude: of_pair(&amplitude(&aligned.truth), &amplitude(&aligned.matched)),
        phase: of_pair(&truth, &image),
    }
}

/// Phase of the truth relative to its mean, and of the image where it differs least, radians; both (h, w).
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
    // Rounding leaves a constant image a span that means nothing.
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

/// Ring correlation of two reconstructions from disjoint halves of one scan (no truth needed), laid over each other
/// inside `region` of the first; `origin_xy` is that of the second in pixels of the first.
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
            Problem::new("The two halves have too little in common").expected("at least 8 × 8 pixels seen by both"),
        ));
    }
    // Both halves hang on the same positions, so nothing is moved: a shift between them is disagreement.
    let aligned = super::align(second, origin_xy, first, region, super::Placement::Origin)?;
    ring_correlation(aligned.truth.view(), aligned.matched.view())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
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

    fn judged(reconstruction: &Array2<Complex32>, truth: &Array2<Complex32>) -> Evaluation {
        let aligned = align(reconstruction.view(), [0.0; 2], truth.view(), REGION, Placement::Registered).unwrap();
        evaluate(&aligned).unwrap()
    }

    #[test]
    fn another_gauge_and_scale_cost_nothing_in_the_matched_metrics() {
        let truth = object();
        let other = Array2::from_shape_fn(truth.dim(), |(y, x)| {
            truth[(y, x)] * Complex32::from_polar(3.0, 2.9 + 0.03 * y as f32 - 0.05 * x as f32)
        });
        let found = judged(&other, &truth);
        for pair in [found.matched.amplitude, found.matched.phase] {
            assert!(pair.mae_matched < 1e-4 && pair.psnr_data_range > 70.0, "{pair:?}");
            assert!(pair.ssim_data_range > 0.9999 && pair.ms_ssim_standard > 0.9999, "{pair:?}");
        }
        assert!(found.complex_nrmse < 1e-3);
        assert_eq!(found.frc_crossings, FrcCrossings { half: None, one_seventh: None, half_bit: None });
        assert!(found.original.phase.mae > 0.1, "the reference trips over the wrapped ramp: {:?}", found.original);
    }

    #[test]
    fn a_worse_reconstruction_is_worse_in_every_measure() {
        let truth = object();
        let with = |strength: f32| {
            let rec = Array2::from_shape_fn(truth.dim(), |(y, x)| {
                let wiggle = ((y * 7919 + x * 104_729) % 997) as f32 / 997.0 - 0.5;
                truth[(y, x)] * Complex32::from_polar(1.0 + strength * wiggle, -strength * wiggle)
            });
            judged(&rec, &truth)
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
    fn a_phase_object_has_no_similarity_of_its_constant_amplitude_and_is_judged_all_the_same() {
        let truth = object().mapv(|v| v / v.norm());
        let found = judged(&truth, &truth);
        assert!(found.original.amplitude.mae < 1e-6 && found.matched.phase.ssim_data_range > 0.9999);
        assert!(found.matched.amplitude.ssim_data_range.is_nan(), "{:?}", found.matched.amplitude);
    }

    #[test]
    fn the_complex_error_is_blind_to_a_complex_factor_and_one_for_a_dark_region_s_complement() {
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
