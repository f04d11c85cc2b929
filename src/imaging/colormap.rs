//! Colours of values between 0 and 1.

/// A map from 0..1 to colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Colormap {
    /// Black to white.
    #[default]
    Gray,
    /// Dark violet over green to yellow, perceptually uniform (matplotlib's default).
    Viridis,
    /// Light, blue, dark, red and light again: both ends are one colour, for wrapped phase.
    Cyclic,
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
    /// Red, green, blue of a value; values outside 0..1 are clamped, NaN is 0.
    pub fn rgb(self, value: f64) -> [u8; 3] {
        let t = if value.is_nan() { 0.0 } else { value.clamp(0.0, 1.0) };
        match self {
            Self::Gray => [(t * 255.0).round() as u8; 3],
            Self::Viridis => colorous::VIRIDIS.eval_continuous(t).as_array(),
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
