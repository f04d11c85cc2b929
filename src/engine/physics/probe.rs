//! Normalization of the probe (A§3.4).

use crate::config::ProbeNormalization;
use crate::error::{Error, Problem, Result};
use ndarray::{Array2, Array3, ArrayView3, Axis};
use num_complex::Complex32;

/// Probe in the network's units: `probe = factor · original`.
#[derive(Debug, Clone)]
pub struct NormalizedProbe {
    /// (modes, N, N)
    pub probe: Array3<Complex32>,
    /// Ratio of the normalized to the original probe.
    pub factor: f64,
}

/// Scales a probe of shape (modes, N, N); all modes share one factor.
///
/// * `object_scale`: amplitude of a unit-transmission object, for normalization by energy.
/// * `probe_scale`: divisor of the other rules.
///
/// # Errors
/// If the probe is zero or not finite.
pub fn normalize_probe(
    probe: ArrayView3<Complex32>,
    rule: ProbeNormalization,
    object_scale: f64,
    probe_scale: f64,
) -> Result<NormalizedProbe> {
    let n = probe.dim().1 as f64;
    let modes = probe.dim().0 as f64;
    let factor = match rule {
        ProbeNormalization::Energy => {
            let energy: f64 = probe.iter().map(|z| f64::from(z.re).powi(2) + f64::from(z.im).powi(2)).sum();
            ((n / 2.0).powi(2) / energy).sqrt() / object_scale
        }
        ProbeNormalization::MeanAmplitude => {
            let sum: f64 = probe.iter().map(|z| f64::from(z.re).hypot(f64::from(z.im))).sum();
            modes * n * n / (probe_scale * sum)
        }
        ProbeNormalization::Fixed => {
            let energy: f64 = probe.iter().map(|z| f64::from(z.norm_sqr())).sum();
            if energy > 0.0 { 1.0 / probe_scale } else { 0.0 }
        }
    };
    if !factor.is_finite() || factor <= 0.0 {
        return Err(Error::BadInput(
            Problem::new("The probe is zero everywhere or not finite")
                .expected("a complex probe with some energy")
                .hint("Check the key probeGuess of the dataset"),
        ));
    }
    let scale = factor as f32;
    Ok(NormalizedProbe { probe: probe.mapv(|z| z * scale), factor })
}

/// Intensity (N, N) of a (modes, N, N) probe: Σ |P|² over the modes.
pub fn probe_intensity(probe: ArrayView3<Complex32>) -> Array2<f32> {
    probe.mapv(|z| z.norm_sqr()).sum_axis(Axis(0))
}
