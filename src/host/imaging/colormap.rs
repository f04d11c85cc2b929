//! Color maps.

use super::complex::hue_rgb;

/// Color map of values from 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Colormap {
    /// Black to white.
    #[default]
    Gray,
    /// Dark violet over green to yellow, perceptually uniform (matplotlib's default).
    Viridis,
    /// Black over purple and orange to light yellow, perceptually uniform.
    Magma,
    /// Black over purple and red to light yellow, perceptually uniform.
    Inferno,
    /// Light, blue, dark, red and light again: both ends have the same color, for wrapped phase.
    Cyclic,
    /// All hues at equal perceived lightness and chroma: both ends have the same color, for wrapped phase.
    Hue,
    /// Blue over white to red, with zero in the middle, for differences.
    Difference,
}

/// Evenly spaced nodes of the cyclic map; the last one is followed by the first.
const CYCLE: [[f64; 3]; 8] = [
    [226.0, 217.0, 226.0],
    [158.0, 187.0, 201.0],
    [100.0, 130.0, 190.0],
    [90.0, 70.0, 150.0],
    [47.0, 20.0, 55.0],
    [120.0, 35.0, 75.0],
    [178.0, 85.0, 82.0],
    [207.0, 160.0, 138.0],
];

impl Colormap {
    /// All color maps, in display order.
    pub const ALL: [Self; 7] =
        [Self::Gray, Self::Viridis, Self::Magma, Self::Inferno, Self::Cyclic, Self::Hue, Self::Difference];

    /// Name for display.
    pub fn label(self) -> &'static str {
        match self {
            Self::Gray => "Gray",
            Self::Viridis => "Viridis",
            Self::Magma => "Magma",
            Self::Inferno => "Inferno",
            Self::Cyclic => "Cyclic",
            Self::Hue => "Even hue",
            Self::Difference => "Blue to red",
        }
    }

    /// RGB colors of 256 evenly spaced values from 0 to 1.
    pub fn table(self) -> [[u8; 3]; 256] {
        std::array::from_fn(|i| self.rgb(i as f64 / 255.0))
    }

    /// RGB color of a value, clamped to 0..1; NaN counts as 0.
    pub fn rgb(self, value: f64) -> [u8; 3] {
        let t = if value.is_nan() { 0.0 } else { value.clamp(0.0, 1.0) };
        match self {
            Self::Gray => [(t * 255.0).round() as u8; 3],
            Self::Viridis => colorous::VIRIDIS.eval_continuous(t).as_array(),
            Self::Magma => colorous::MAGMA.eval_continuous(t).as_array(),
            Self::Inferno => colorous::INFERNO.eval_continuous(t).as_array(),
            Self::Hue => hue_rgb(0.72, std::f64::consts::TAU * (t - 0.5)),
            Self::Difference => colorous::RED_BLUE.eval_continuous(1.0 - t).as_array(),
            Self::Cyclic => {
                let along = t * CYCLE.len() as f64;
                let (index, rest) = (along.floor() as usize, along.fract());
                let corner = |i: usize| CYCLE.get(i % CYCLE.len()).copied().unwrap_or_default();
                let (from, to) = (corner(index), corner(index + 1));
                std::array::from_fn(|i| (from[i] + rest * (to[i] - from[i])).round() as u8)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_maps_have_their_known_ends() {
        assert_eq!(Colormap::Gray.rgb(0.0), [0; 3]);
        assert_eq!(Colormap::Gray.rgb(2.0), [255; 3]);
        assert_eq!(Colormap::Gray.rgb(f64::NAN), [0; 3]);
        let near = |a: [u8; 3], b: [u8; 3]| a.iter().zip(b).all(|(a, b)| a.abs_diff(b) <= 2);
        assert!(near(Colormap::Viridis.rgb(0.0), [68, 1, 84]) && near(Colormap::Viridis.rgb(1.0), [253, 231, 37]));
    }

    #[test]
    fn names_are_unique_and_sequential_maps_increase_in_lightness() {
        let names: std::collections::BTreeSet<_> = Colormap::ALL.iter().map(|map| map.label()).collect();
        assert_eq!(names.len(), Colormap::ALL.len());
        let luminance = |[r, g, b]: [u8; 3]| 0.2126 * f64::from(r) + 0.7152 * f64::from(g) + 0.0722 * f64::from(b);
        for map in [Colormap::Gray, Colormap::Viridis, Colormap::Magma, Colormap::Inferno] {
            assert!(map.table().windows(2).all(|pair| luminance(pair[1]) > luminance(pair[0]) - 1.0), "{map:?}");
        }
        let middle = Colormap::Difference.rgb(0.5);
        assert!(middle.iter().all(|c| *c > 235), "{middle:?}");
        let [[r, _, b], [red, _, blue]] = [Colormap::Difference.rgb(0.0), Colormap::Difference.rgb(1.0)];
        assert!(b > r && red > blue);
    }

    #[test]
    fn the_hue_map_is_cyclic_with_constant_lightness() {
        let table = Colormap::Hue.table();
        assert!(table[0].iter().zip(table[255]).all(|(a, b)| a.abs_diff(b) <= 1));
        for rgb in table {
            assert!((super::super::complex::lightness(rgb) - 0.72).abs() < 0.01, "{rgb:?}");
        }
    }

    #[test]
    fn the_cyclic_map_is_continuous() {
        assert_eq!(Colormap::Cyclic.rgb(0.0), Colormap::Cyclic.rgb(1.0));
        let mut before = Colormap::Cyclic.rgb(0.0);
        for i in 1..=512 {
            let now = Colormap::Cyclic.rgb(f64::from(i) / 512.0);
            assert!(now.iter().zip(before).all(|(a, b)| a.abs_diff(b) <= 3), "jump at {i}");
            before = now;
        }
        assert_ne!(Colormap::Cyclic.rgb(0.25), Colormap::Cyclic.rgb(0.75));
    }
}
