//! Color settings of a quantity: colormap, scale and limits.

use super::rendering::{Plane, Quantity};
use crate::imaging::{Colormap, Limits, Scale, Tone};
use std::f64::consts::PI;

/// Phase range, radians, above which a cyclic colormap is used, because part of the phase is likely wrapped.
const WRAPPED: f64 = 1.6 * PI;

/// Choice of the color limits.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub enum LimitMode {
    /// Minimum and maximum value.
    Full,
    /// Percentiles of the values.
    #[default]
    Percentile,
    /// Fixed limits, kept for every result.
    Locked(Limits),
}

/// Color settings of a quantity.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ColorSettings {
    /// Colormap; `None` selects the default of the quantity.
    pub colormap: Option<Colormap>,
    /// Mapping of values between the limits.
    pub scale: Scale,
    /// Choice of the limits.
    pub limits: LimitMode,
    /// Percentiles of the lower and upper limit.
    pub percent: [f64; 2],
}

impl Default for ColorSettings {
    fn default() -> Self {
        Self { colormap: None, scale: Scale::Linear, limits: LimitMode::Percentile, percent: [1.0, 99.0] }
    }
}

impl ColorSettings {
    /// Color mapping for this plane.
    pub fn tone(&self, quantity: Quantity, plane: &Plane, difference: bool) -> Tone {
        let [low, high] = self.percent.map(|percent| percent / 100.0);
        let robust = plane.ordered.limits(0.005, 0.995);
        let wraps = quantity == Quantity::Phase && !difference && (robust.high - robust.low) > WRAPPED
            // Unwrapped phase exceeds ±π and needs no cyclic colormap.
            && robust.low >= -PI - 1e-3 && robust.high <= PI + 1e-3;
        let limits = match self.limits {
            LimitMode::Locked(limits) => limits,
            LimitMode::Full if difference => plane.ordered.balanced_limits(0.0, 1.0),
            LimitMode::Percentile if difference => plane.ordered.balanced_limits(low, high),
            LimitMode::Percentile if wraps => Limits { low: -PI, high: PI },
            LimitMode::Full => plane.ordered.limits(0.0, 1.0),
            LimitMode::Percentile => plane.ordered.limits(low, high),
        };
        // Brightness is the amplitude itself, so zero is black.
        let limits = match quantity {
            Quantity::Complex if !matches!(self.limits, LimitMode::Locked(_)) && limits.high > 0.0 => {
                Limits { low: 0.0, high: limits.high }
            }
            _ => limits,
        };
        let colormap = self.colormap.unwrap_or(match quantity {
            _ if difference => Colormap::Difference,
            Quantity::Phase if wraps => Colormap::Cyclic,
            Quantity::Amplitude | Quantity::Complex => Colormap::Gray,
            Quantity::Phase => Colormap::Viridis,
            Quantity::Coverage => Colormap::Magma,
            Quantity::Residual => Colormap::Inferno,
        });
        Tone { colormap, limits, scale: self.scale }
    }
}

/// The parts of a tone that affect an image, for use in a key.
pub fn bits(tone: &Tone) -> (u8, u64, u64, u8) {
    (tone.colormap as u8, tone.limits.low.to_bits(), tone.limits.high.to_bits(), tone.scale as u8)
}

#[cfg(test)]
mod tests {
    use super::super::rendering::{Rendering, tests::*};
    use super::*;

    #[test]
    fn limits_follow_the_mode_and_locked_limits_persist() {
        let rendering = Rendering::new(&example(64), None, OPTIONS);
        let plane = &rendering.result.amplitude;
        let mut settings = ColorSettings::default();
        let robust = settings.tone(Quantity::Amplitude, plane, false);
        assert_eq!((robust.colormap, robust.limits.low > 0.5), (Colormap::Gray, true));
        assert_eq!(settings.tone(Quantity::Complex, plane, false).limits.low, 0.0);
        settings.limits = LimitMode::Locked(Limits { low: -3.0, high: 4.0 });
        assert_eq!(settings.tone(Quantity::Amplitude, plane, false).limits, Limits { low: -3.0, high: 4.0 });
        settings.limits = LimitMode::Full;
        settings.colormap = Some(Colormap::Inferno);
        let tone = settings.tone(Quantity::Amplitude, plane, true);
        assert_eq!((tone.colormap, tone.limits.low), (Colormap::Inferno, -tone.limits.high));
    }
}
