//! Circular support mask of the probe (A§3.4).

use crate::config::{DataConfig, ProbeMask};
use ndarray::Array2;

/// (n, n) factor for each pixel of the probe, 0 to 1; `None` if the probe is not masked.
///
/// The disk is centered between the pixels N/2 - 1 and N/2. A soft mask is the disk, zero outside the frame, convolved with a
/// normalized Gaussian truncated at three widths, and scaled to a maximum of 1.
pub fn probe_mask(n: usize, config: &DataConfig) -> Option<Array2<f32>> {
    let radius = config.probe_mask_diameter.unwrap_or(n as f64 / 2.0) / 2.0;
    let from_middle = |i: usize| i as f64 - (n / 2) as f64 + 0.5;
    let disk =
        || Array2::from_shape_fn((n, n), |(y, x)| f64::from(u8::from(from_middle(y).hypot(from_middle(x)) < radius)));
    let mask = match config.probe_mask {
        ProbeMask::Off => return None,
        ProbeMask::Hard => disk(),
        ProbeMask::Soft => {
            let along_rows = blurred(&disk(), config.probe_mask_sigma);
            let mask = blurred(&along_rows.reversed_axes(), config.probe_mask_sigma).reversed_axes();
            let largest = mask.iter().copied().fold(f64::MIN_POSITIVE, f64::max);
            mask.mapv(|value| (value / largest).clamp(0.0, 1.0))
        }
    };
    Some(mask.mapv(|value| value as f32))
}

/// Convolves each row with a Gaussian.
fn blurred(image: &Array2<f64>, sigma: f64) -> Array2<f64> {
    let radius = ((3.0 * sigma).ceil() as isize).max(1);
    let kernel: Vec<f64> = (-radius..=radius).map(|t| (-0.5 * (t as f64 / sigma).powi(2)).exp()).collect();
    let total: f64 = kernel.iter().sum();
    let width = image.ncols() as isize;
    Array2::from_shape_fn(image.dim(), |(y, x)| {
        let taps = (-radius..=radius).zip(&kernel).map(|(t, weight)| {
            let at = x as isize + t;
            if (0..width).contains(&at) { image[[y, at as usize]] * weight / total } else { 0.0 }
        });
        taps.sum()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mask(kind: ProbeMask, diameter: Option<f64>, sigma: f64) -> Option<Array2<f32>> {
        let config = DataConfig {
            probe_mask: kind,
            probe_mask_diameter: diameter,
            probe_mask_sigma: sigma,
            ..DataConfig::default()
        };
        probe_mask(64, &config)
    }

    #[test]
    fn a_hard_mask_is_the_disk_of_the_reference() {
        assert!(mask(ProbeMask::Off, None, 1.0).is_none());
        let hard = mask(ProbeMask::Hard, None, 1.0).unwrap();
        for ((y, x), value) in hard.indexed_iter() {
            let (dy, dx) = (y as f64 - 31.5, x as f64 - 31.5);
            assert_eq!(*value, f32::from(u8::from((dy * dy + dx * dx).sqrt() < 16.0)), "{y} {x}");
        }
        let small = mask(ProbeMask::Hard, Some(20.0), 1.0).unwrap();
        assert!(small.sum() < 0.5 * hard.sum() && small.sum() > 0.3 * hard.sum());
    }

    #[test]
    fn the_edge_of_a_soft_mask_is_as_wide_as_its_gaussian() {
        let hard = mask(ProbeMask::Hard, None, 1.0).unwrap();
        for sigma in [1.0, 3.0] {
            let soft = mask(ProbeMask::Soft, None, sigma).unwrap();
            assert!((soft.iter().copied().fold(0.0, f32::max) - 1.0).abs() < 1e-6);
            assert!((soft.sum() / hard.sum() - 1.0).abs() < 0.05, "{}", soft.sum());
            // A straight edge falls like the normal distribution: from 84 to 16 % within twice the width.
            let across = soft.row(32);
            let width = across.iter().skip(32).filter(|v| (0.16..0.84).contains(*v)).count();
            assert!((width as f64 - 2.0 * sigma).abs() <= 1.0, "{width} {sigma}");
        }
    }
}
