//! How the values of a quantity become colours, as the user has set it.

use super::scene::{Plane, Quantity};
use crate::imaging::{Colormap, Limits, Scale, Tone};
use std::f64::consts::PI;

/// Spans of phase beyond this, radians, are shown cyclic: some of it will be wrapped.
const WRAPPED: f64 = 1.6 * PI;

/// How the limits of the colours are chosen.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub enum Span {
    /// Smallest and largest value.
    Full,
    /// Leaves out a part of the values at both ends.
    #[default]
    Percentile,
    /// These; they stay for every image that is shown.
    Locked(Limits),
}

/// How a quantity is coloured.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Look {
    /// The colours; none chooses them by the quantity.
    pub colormap: Option<Colormap>,
    /// What lies between the limits.
    pub scale: Scale,
    /// The limits.
    pub span: Span,
    /// Percentiles of the lower and the upper limit.
    pub percent: [f64; 2],
}

impl Default for Look {
    fn default() -> Self {
        Self { colormap: None, scale: Scale::Linear, span: Span::Percentile, percent: [1.0, 99.0] }
    }
}

impl Look {
    /// The colours of this plane.
    pub fn tone(&self, quantity: Quantity, plane: &Plane, difference: bool) -> Tone {
        let [low, high] = self.percent.map(|percent| percent / 100.0);
        let robust = plane.ordered.limits(0.005, 0.995);
        let wraps = quantity == Quantity::Phase && !difference && (robust.high - robust.low) > WRAPPED
            // An unwrapped phase reaches further than half a turn and needs no cyclic colours.
            && robust.low >= -PI - 1e-3 && robust.high <= PI + 1e-3;
        let limits = match self.span {
            Span::Locked(limits) => limits,
            Span::Full if difference => plane.ordered.balanced_limits(0.0, 1.0),
            Span::Percentile if difference => plane.ordered.balanced_limits(low, high),
            Span::Percentile if wraps => Limits { low: -PI, high: PI },
            Span::Full => plane.ordered.limits(0.0, 1.0),
            Span::Percentile => plane.ordered.limits(low, high),
        };
        // Brightness stands for the amplitude itself, so that zero is black.
        let limits = match quantity {
            Quantity::Complex if !matches!(self.span, Span::Locked(_)) && limits.high > 0.0 => {
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

/// Everything of a tone that changes a picture, for a key.
pub fn bits(tone: &Tone) -> (u8, u64, u64, u8) {
    (tone.colormap as u8, tone.limits.low.to_bits(), tone.limits.high.to_bits(), tone.scale as u8)
}

#[cfg(test)]
mod tests {
    use super::super::scene::{Scene, tests::*};
    use super::*;

    #[test]
    fn limits_follow_the_choice_and_locked_ones_stay() {
        let scene = Scene::new(&example(64), None, OPTIONS);
        let plane = &scene.result.amplitude;
        let mut look = Look::default();
        let robust = look.tone(Quantity::Amplitude, plane, false);
        assert_eq!((robust.colormap, robust.limits.low > 0.5), (Colormap::Gray, true));
        assert_eq!(look.tone(Quantity::Complex, plane, false).limits.low, 0.0);
        look.span = Span::Locked(Limits { low: -3.0, high: 4.0 });
        assert_eq!(look.tone(Quantity::Amplitude, plane, false).limits, Limits { low: -3.0, high: 4.0 });
        look.span = Span::Full;
        look.colormap = Some(Colormap::Inferno);
        let tone = look.tone(Quantity::Amplitude, plane, true);
        assert_eq!((tone.colormap, tone.limits.low), (Colormap::Inferno, -tone.limits.high));
    }
}
