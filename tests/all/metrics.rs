//! The metrics against values computed by the original (A§8).
//!
//! Numbers that are defects of the original, kept for comparison (A§8.2 to 8.5, A§16.13): `psnr` (peak 255 for data of order
//! one), `ssim` and `ms_ssim` of the phase (angles squeezed into 0..1), `ms_ssim` (complete SSIMs, no low-pass), `frc*`
//! (magnitude, corners beyond Nyquist; the phase's curve never falls, so its cut-off is the length of the curve), and the
//! registration by phase correlation, which is off by 0.1 pixel where ours is not.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use crate::common;

use ndarray::{Array2, Ix2, s};
use num_complex::Complex64;
use ptychoscope::data::NpzArchive;
use ptychoscope::metrics::{
    Normalization, PhaseAlignment, REFERENCE_TRIM, find_translation_offset, frc_cutoffs, original_metrics, prepare,
    register, remove_plane, shift_circularly,
};

fn image(archive: &mut NpzArchive, key: &str) -> Array2<Complex64> {
    archive.read_c64(key).unwrap().into_dimensionality::<Ix2>().unwrap()
}

fn values(archive: &mut NpzArchive, key: &str) -> Vec<f64> {
    archive.read_f64(key).unwrap().into_iter().collect()
}

fn close(found: f64, expected: f64, relative: f64, what: &str) {
    assert!((found - expected).abs() <= relative * expected.abs(), "{what}: {found} against {expected}");
}

const ALIGNMENTS: [(&str, PhaseAlignment); 2] = [("plane", PhaseAlignment::Plane), ("mean", PhaseAlignment::Mean)];

#[test]
fn every_metric_has_the_original_s_value() {
    let mut golden = common::golden("metrics.npz");
    let (truth, rec) = (image(&mut golden, "gt"), image(&mut golden, "rec"));
    for (tag, alignment) in ALIGNMENTS {
        let found = original_metrics(truth.view(), rec.view(), alignment).unwrap();
        for (kind, found) in [("amp", found.amplitude), ("phase", found.phase)] {
            let named = [
                ("mae", found.mae),
                ("mse", found.mse),
                ("psnr", found.psnr),
                ("ssim", found.ssim),
                ("ms_ssim", found.ms_ssim),
                ("frc50", found.frc50),
                ("frc1over7", found.frc1over7),
            ];
            for (name, found) in named {
                let key = format!("{tag}/{name}_{kind}");
                close(found, values(&mut golden, &key)[0], 3e-6, &key);
            }
        }
    }
}

#[test]
fn the_ring_correlation_has_the_original_s_curve() {
    let mut golden = common::golden("metrics.npz");
    let (truth, rec) = (image(&mut golden, "gt"), image(&mut golden, "rec"));
    let narrow = |image: &Array2<Complex64>| image.mapv(|v| num_complex::Complex32::new(v.re as f32, v.im as f32));
    let follow = |found: &[f64], expected: &[f64], what: &str| {
        assert_eq!(found.len(), expected.len(), "{what}");
        for (ring, (found, expected)) in found.iter().zip(expected).enumerate() {
            // The original's amplitudes are f32: where a ring has little power, its curve carries their rounding.
            assert!((found - expected).abs() <= 1e-4, "{what}, ring {ring}: {found} against {expected}");
        }
    };
    for (tag, alignment) in ALIGNMENTS {
        let prepared = prepare(narrow(&truth).view(), narrow(&rec).view(), REFERENCE_TRIM, alignment).unwrap();
        let amplitude = frc_cutoffs(prepared.truth_amplitude.view(), prepared.amplitude.view(), 0.0).unwrap();
        let phase = frc_cutoffs(prepared.truth_phase.view(), prepared.phase.view(), 0.0).unwrap();
        follow(&amplitude.frc, &values(&mut golden, &format!("{tag}/frc_amp")), tag);
        follow(&phase.frc, &values(&mut golden, &format!("{tag}/frc_phase")), tag);
    }
    let amplitude = |image: &Array2<Complex64>| image.mapv(|v| v.norm());
    let whole = frc_cutoffs(amplitude(&truth).view(), amplitude(&rec).view(), 0.0).unwrap();
    follow(&whole.frc, &values(&mut golden, "frc_curve_abs"), "whole amplitudes");
}

#[test]
fn a_plane_is_removed_as_in_the_original() {
    let mut golden = common::golden("metrics.npz");
    let expected = values(&mut golden, "fit_and_remove_plane");
    let mut best = f64::INFINITY;
    for key in ["gt", "rec"] {
        let flat = remove_plane(image(&mut golden, key).mapv(|v| v.arg()).view());
        best = best.min(flat.iter().zip(&expected).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max));
    }
    assert!(best < 1e-5, "{best}");
}

#[test]
fn the_registration_is_the_original_s_and_ours_finds_the_true_shift() {
    let mut golden = common::golden("metrics.npz");
    let (truth, shifted) = (image(&mut golden, "gt"), image(&mut golden, "shifted"));
    let found = find_translation_offset(shifted.view(), truth.view()).unwrap();
    for (found, expected) in found.iter().zip(values(&mut golden, "find_translation_offset")) {
        close(*found, expected, 1e-6, "offset");
    }
    let inside = s![2..94, 2..94];
    let moved = shift_circularly(shifted.view(), found).slice(inside).to_owned();
    for (name, image_of) in [("rec", moved), ("gt", truth.slice(inside).to_owned())] {
        let expected = image(&mut golden, &format!("register_and_align_{name}"));
        let worst = image_of.iter().zip(&expected).map(|(a, b)| (a - b).norm()).fold(0.0, f64::max);
        assert!(worst < 1e-6, "{name}: {worst}");
    }
    // The original's offset is 0.1 and 0.06 pixel off, because every frequency counts alike.
    let ours = register(truth.view(), shifted.view(), 100, Normalization::None).unwrap();
    for (ours, moved_by) in ours.iter().zip(values(&mut golden, "shifted_true_dy_dx")) {
        assert!((ours + moved_by).abs() < 0.011, "{ours} against {moved_by}");
    }
}
