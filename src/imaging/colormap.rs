//! Colours of values between 0 and 1.

use super::complex::hue_rgb;

/// A map from 0..1 to colours.
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
    /// Light, blue, dark, red and light again: both ends are one colour, for wrapped phase.
    Cyclic,
    /// All hues at one perceived lightness and chroma: both ends are one colour, for wrapped phase.
    Hue,
    /// Blue over white to red: the middle is zero, for differences.
    Difference,
}

/// Corners of the cyclic map, evenly spaced; the last one is followed by the first.
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
    /// All, in the order they are offered.
    pub const ALL: [Self; 7] =
        [Self::Gray, Self::Viridis, Self::Magma, Self::Inferno, Self::Cyclic, Self::Hue, Self::Difference];

    /// What a person is shown.
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

    /// Whether both ends are one colour.
    pub fn is_cyclic(self) -> bool {
        matches!(self, Self::Cyclic | Self::Hue)
    }

    /// Red, green and blue of 256 values from 0 to 1.
    pub fn table(self) -> [[u8; 3]; 256] {
        std::array::from_fn(|i| self.rgb(i as f64 / 255.0))
    }

    /// Red, green, blue of a value; values outside 0..1 are clamped, NaN is 0.
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
    fn every_map_has_its_own_name_and_colours_and_sequential_ones_grow_lighter() {
        let names: std::collections::BTreeSet<_> = Colormap::ALL.iter().map(|map| map.label()).collect();
        assert_eq!(names.len(), Colormap::ALL.len());
        let luminance = |[r, g, b]: [u8; 3]| 0.2126 * f64::from(r) + 0.7152 * f64::from(g) + 0.0722 * f64::from(b);
        for map in [Colormap::Gray, Colormap::Viridis, Colormap::Magma, Colormap::Inferno] {
            assert!(map.table().windows(2).all(|pair| luminance(pair[1]) > luminance(pair[0]) - 1.0), "{map:?}");
            assert!(!map.is_cyclic());
        }
        let middle = Colormap::Difference.rgb(0.5);
        assert!(middle.iter().all(|c| *c > 235), "{middle:?}");
        let [[r, _, b], [red, _, blue]] = [Colormap::Difference.rgb(0.0), Colormap::Difference.rgb(1.0)];
        assert!(b > r && red > blue);
    }

    #[test]
    fn the_even_hues_close_and_have_one_lightness() {
        let table = Colormap::Hue.table();
        assert!(table[0].iter().zip(table[255]).all(|(a, b)| a.abs_diff(b) <= 1));
        for rgb in table {
            assert!((super::super::complex::lightness(rgb) - 0.72).abs() < 0.01, "{rgb:?}");
        }
    }

    #[test]
    fn the_cyclic_map_closes_without_a_jump() {
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
