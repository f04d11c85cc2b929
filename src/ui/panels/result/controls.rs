//! Display settings of the panel, as set by the user.

use super::colors::ColorSettings;
use super::pane::{Source, Tool};
use super::rendering::{Gauge, Options, Quantity, Reference, Rendering};
use std::collections::BTreeMap;

/// Comparison mode of the result with the reference or another run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Compare {
    /// No comparison.
    #[default]
    Off,
    /// Both images side by side.
    SideBySide,
    /// Both images alternating in place.
    Flicker,
    /// Split by a movable line.
    Curtain,
    /// Result minus the other object.
    Difference,
}

impl Compare {
    pub(super) const ALL: [Self; 5] = [Self::Off, Self::SideBySide, Self::Flicker, Self::Curtain, Self::Difference];

    /// Display name.
    pub(super) fn label(self) -> &'static str {
        match self {
            Self::Off => "Result only",
            Self::SideBySide => "Side by side",
            Self::Flicker => "Flicker",
            Self::Curtain => "Curtain",
            Self::Difference => "Difference",
        }
    }
}

/// Display settings.
pub(super) struct Controls {
    pub(super) shown: [bool; Quantity::ALL.len()],
    pub(super) active: Quantity,
    pub(super) colors: BTreeMap<(Quantity, bool), ColorSettings>,
    pub(super) options: Options,
    pub(super) reference: Reference,
    pub(super) compare: Compare,
    pub(super) same_limits: bool,
    pub(super) flicker_s: f64,
    pub(super) tool: Tool,
    pub(super) inspector: bool,
}

impl Default for Controls {
    fn default() -> Self {
        Self {
            shown: Quantity::ALL.map(|q| matches!(q, Quantity::Amplitude | Quantity::Phase)),
            active: Quantity::Amplitude,
            colors: BTreeMap::new(),
            options: Options { gauge: Gauge::Ramp, unwrap: false, reference: None, match_amplitude: true },
            reference: Reference::Dataset,
            compare: Compare::Off,
            same_limits: true,
            flicker_s: 0.6,
            tool: Tool::Pan,
            inspector: true,
        }
    }
}

impl Controls {
    pub(super) fn color_settings(&self, quantity: Quantity, difference: bool) -> ColorSettings {
        self.colors.get(&(quantity, difference)).copied().unwrap_or_default()
    }

    pub(super) fn color_settings_mut(&mut self, quantity: Quantity, difference: bool) -> &mut ColorSettings {
        self.colors.entry((quantity, difference)).or_default()
    }

    pub(super) fn quantities(&self) -> Vec<Quantity> {
        Quantity::ALL.into_iter().zip(self.shown).filter(|(_, shown)| *shown).map(|(quantity, _)| quantity).collect()
    }

    /// True if images of this quantity show a difference.
    pub(super) fn is_difference(&self, quantity: Quantity) -> bool {
        self.compare == Compare::Difference && matches!(quantity, Quantity::Amplitude | Quantity::Phase)
    }

    /// Images in row-major order.
    pub(super) fn tiles(&self, rendering: &Rendering) -> Vec<(Quantity, Source)> {
        let mut tiles = Vec::new();
        for quantity in self.quantities() {
            if self.is_difference(quantity) && rendering.difference.is_some() {
                tiles.push((quantity, Source::Difference));
                continue;
            }
            tiles.push((quantity, Source::Result));
            let other = rendering.other.as_ref().is_some_and(|other| other.plane(quantity).is_some());
            if self.compare == Compare::SideBySide && other {
                tiles.push((quantity, Source::Other));
            }
        }
        tiles
    }
}
