//! Colors of complex values: phase as hue, amplitude as brightness.
//!
//! Hazard: HSV hues differ in brightness (yellow is bright, blue dark), so that phase looks like amplitude. Remedy:
//! OKLCh (Ottosson 2020), where all hues have the same perceived lightness, with the largest chroma available to all
//! hues.

use std::f64::consts::{PI, TAU};

/// OKLab lightness of the largest amplitude.
const BRIGHTEST: f64 = 0.78;
/// Number of levels of brightness and of hue in the table.
const LEVELS: usize = 64;
const HUES: usize = 256;

/// Linear sRGB from OKLCh, hue in radians; outside 0..1 for colors outside the sRGB gamut.
fn linear_rgb(lightness: f64, chroma: f64, hue: f64) -> [f64; 3] {
    let (a, b) = (chroma * hue.cos(), chroma * hue.sin());
    let l = (lightness + 0.396_337_777_4 * a + 0.215_803_757_3 * b).powi(3);
    let m = (lightness - 0.105_561_345_8 * a - 0.063_854_172_8 * b).powi(3);
    let s = (lightness - 0.089_484_177_5 * a - 1.291_485_548_0 * b).powi(3);
    [
        4.076_741_662_1 * l - 3.307_711_591_3 * m + 0.230_969_929_2 * s,
        -1.268_438_004_6 * l + 2.609_757_401_1 * m - 0.341_319_396_5 * s,
        -0.004_196_086_3 * l - 0.703_418_614_7 * m + 1.707_614_701_0 * s,
    ]
}

/// Largest chroma that all hues can have at this lightness (0 to 1).
fn common_chroma(lightness: f64) -> f64 {
    let fits = |chroma: f64| {
        (0..72).all(|i| {
            let rgb = linear_rgb(lightness, chroma, TAU * f64::from(i) / 72.0);
            rgb.iter().all(|v| (-1e-4..=1.0001).contains(v))
        })
    };
    let (mut low, mut high) = (0.0, 0.4);
    for _ in 0..20 {
        let middle = (low + high) / 2.0;
        if fits(middle) { low = middle } else { high = middle }
    }
    low
}

/// 8-bit sRGB of linear sRGB.
fn srgb([r, g, b]: [f64; 3]) -> [u8; 3] {
    [r, g, b].map(|v| {
        let v = v.clamp(0.0, 1.0);
        let v = if v <= 0.003_130_8 { 12.92 * v } else { 1.055 * v.powf(1.0 / 2.4) - 0.055 };
        (v * 255.0).round() as u8
    })
}

/// RGB color of a hue (radians, red near 0) at a lightness (0 to 1), with the chroma available to all hues.
pub(super) fn hue_rgb(lightness: f64, angle: f64) -> [u8; 3] {
    srgb(linear_rgb(lightness, common_chroma(lightness), angle + 0.5))
}

/// OKLab lightness of a color, 0 to 1.
#[cfg(test)]
pub(super) fn lightness(rgb: [u8; 3]) -> f64 {
    let [r, g, b] = rgb.map(|v| {
        let v = f64::from(v) / 255.0;
        if v <= 0.040_45 { v / 12.92 } else { ((v + 0.055) / 1.055).powf(2.4) }
    });
    let l = (0.412_221_470_8 * r + 0.536_332_536_3 * g + 0.051_445_992_9 * b).cbrt();
    let m = (0.211_903_498_2 * r + 0.680_699_545_1 * g + 0.107_396_956_6 * b).cbrt();
    let s = (0.088_302_461_9 * r + 0.281_718_837_6 * g + 0.629_978_700_5 * b).cbrt();
    0.210_454_255_3 * l + 0.793_617_785_0 * m - 0.004_072_046_8 * s
}

/// Lookup table of the colors of complex values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ComplexColors {
    table: Vec<[u8; 3]>,
}

impl Default for ComplexColors {
    fn default() -> Self {
        let mut table = Vec::with_capacity(LEVELS * HUES);
        for level in 0..LEVELS {
            let lightness = BRIGHTEST * level as f64 / (LEVELS - 1) as f64;
            let chroma = common_chroma(lightness);
            table.extend(
                (0..HUES).map(|hue| srgb(linear_rgb(lightness, chroma, TAU * hue as f64 / HUES as f64 - PI + 0.5))),
            );
        }
        Self { table }
    }
}

impl ComplexColors {
    /// RGB color of an amplitude (clamped to 0..1) and a phase in radians; NaN counts as 0.
    pub fn rgb(&self, amplitude: f64, phase: f64) -> [u8; 3] {
        let amplitude = if amplitude.is_nan() { 0.0 } else { amplitude.clamp(0.0, 1.0) };
        let turn = if phase.is_finite() { ((phase + PI) / TAU).rem_euclid(1.0) } else { 0.5 };
        let level = (amplitude * (LEVELS - 1) as f64).round() as usize;
        let hue = (turn * HUES as f64).round() as usize % HUES;
        self.table.get(level * HUES + hue).copied().unwrap_or_default()
    }

    /// (side, side) RGBA pixels of a color wheel: the angle is the phase (0 to the right, π/2 up), the radius the
    /// amplitude; transparent outside.
    pub fn wheel(&self, side: usize) -> Vec<[u8; 4]> {
        let middle = (side as f64 - 1.0) / 2.0;
        let mut pixels = Vec::with_capacity(side * side);
        for y in 0..side {
            for x in 0..side {
                let (dx, dy) = (x as f64 - middle, middle - y as f64);
                let radius = dx.hypot(dy) / (middle + 0.5);
                let [r, g, b] = self.rgb(radius, dy.atan2(dx));
                // The edge fades over one pixel.
                let alpha = ((1.0 - radius) * (middle + 0.5)).clamp(0.0, 1.0);
                pixels.push([r, g, b, (alpha * 255.0) as u8]);
            }
        }
        pixels
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lightness_depends_only_on_the_amplitude() {
        let colors = ComplexColors::default();
        for amplitude in [0.25, 0.5, 1.0] {
            for i in 0..100 {
                let rgb = colors.rgb(amplitude, TAU * f64::from(i) / 100.0);
                assert!((lightness(rgb) - BRIGHTEST * amplitude).abs() < 0.015, "{amplitude} {i} {rgb:?}");
            }
        }
        assert_eq!(colors.rgb(0.0, 1.0), [0; 3]);
        assert_eq!(colors.rgb(f64::NAN, f64::NAN), [0; 3]);
        assert_eq!(colors.rgb(1.0, PI), colors.rgb(1.0, -PI));
        // Opposite phases differ clearly.
        let [a, b] = [colors.rgb(1.0, 0.0), colors.rgb(1.0, PI)];
        assert!(a.iter().zip(b).map(|(a, b)| u32::from(a.abs_diff(b))).sum::<u32>() > 150, "{a:?} {b:?}");
    }

    #[test]
    fn the_wheel_is_round_with_phase_zero_to_the_right() {
        let colors = ComplexColors::default();
        let wheel = colors.wheel(65);
        assert_eq!(wheel.len(), 65 * 65);
        assert_eq!(wheel[0][3], 0);
        let at = |x: usize, y: usize| [wheel[y * 65 + x][0], wheel[y * 65 + x][1], wheel[y * 65 + x][2]];
        assert_eq!(at(60, 32), colors.rgb(28.0 / 32.5, 0.0));
        assert_eq!(at(32, 4), colors.rgb(28.0 / 32.5, PI / 2.0));
    }
}
