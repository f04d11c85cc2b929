//! Mapping of values to colors: limits, scale, color map, and separate colors for NaN and uncovered pixels.

use super::colormap::Colormap;
use super::complex::ComplexColors;
use super::limits::Limits;
use ndarray::{Array2, ArrayView2};
use num_complex::Complex32;

/// Strength of the logarithmic scale: linear in the lowest thousandth of the range, logarithmic above.
const LOG_STRENGTH: f64 = 1000.0;

/// Scale between the lower and the upper limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Scale {
    /// Linear.
    #[default]
    Linear,
    /// Square root: brightens dark values.
    Sqrt,
    /// Logarithm: brightens dark values most.
    Log,
}

impl Scale {
    /// All scales, in order of increasing brightening.
    pub const ALL: [Self; 3] = [Self::Linear, Self::Sqrt, Self::Log];

    /// Name for display.
    pub fn label(self) -> &'static str {
        match self {
            Self::Linear => "Linear",
            Self::Sqrt => "Square root",
            Self::Log => "Logarithm",
        }
    }

    /// Position on the color map, 0 to 1, of a position between the limits, 0 to 1.
    pub fn apply(self, fraction: f64) -> f64 {
        match self {
            Self::Linear => fraction,
            Self::Sqrt => fraction.max(0.0).sqrt(),
            Self::Log => (LOG_STRENGTH * fraction.max(0.0)).ln_1p() / LOG_STRENGTH.ln_1p(),
        }
    }
}

/// Mapping of values to colors.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Tone {
    /// Color map.
    pub colormap: Colormap,
    /// Values of the first and the last color.
    pub limits: Limits,
    /// Scale between them.
    pub scale: Scale,
}

/// Colors of pixels without a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Blanks {
    /// RGBA of values that are not finite.
    pub not_a_number: [u8; 4],
    /// RGBA of uncovered pixels.
    pub uncovered: [u8; 4],
}

impl Tone {
    /// Red, green and blue of a value.
    pub fn rgb(&self, value: f64) -> [u8; 3] {
        self.colormap.rgb(self.scale.apply(self.limits.fraction(value)))
    }

    /// RGBA pixels of (H, W) values, row by row. Infinite values are treated like NaN.
    pub fn paint(&self, values: ArrayView2<'_, f32>, covered: ArrayView2<'_, bool>, blanks: Blanks) -> Vec<[u8; 4]> {
        const STEPS: usize = 4096;
        let table = self.colormap.table();
        let colors: Vec<[u8; 4]> = (0..STEPS)
            .map(|i| {
                let along = self.scale.apply(i as f64 / (STEPS - 1) as f64);
                let [r, g, b] = table.get((along * 255.0).round() as usize).copied().unwrap_or_default();
                [r, g, b, 255]
            })
            .collect();
        let low = self.limits.low as f32;
        let factor = ((STEPS - 1) as f64 / (self.limits.high - self.limits.low)) as f32;
        let color = |(value, covered): (&f32, &bool)| match (*covered, value.is_finite()) {
            (false, _) => blanks.uncovered,
            (true, false) => blanks.not_a_number,
            // Casts saturate: values beyond the limits get the outermost colors.
            (true, true) => {
                let step = (((value - low) * factor).round() as usize).min(STEPS - 1);
                colors.get(step).copied().unwrap_or(blanks.not_a_number)
            }
        };
        values.iter().zip(covered).map(color).collect()
    }
}

/// RGBA pixels of an (H, W) complex object, row by row: phase as hue, amplitude between the limits as brightness.
pub fn paint_complex(
    object: ArrayView2<'_, Complex32>,
    covered: ArrayView2<'_, bool>,
    limits: Limits,
    scale: Scale,
    blanks: Blanks,
) -> Vec<[u8; 4]> {
    let colors = ComplexColors::default();
    let color = |(value, covered): (&Complex32, &bool)| match (*covered, value.re.is_finite() && value.im.is_finite()) {
        (false, _) => blanks.uncovered,
        (true, false) => blanks.not_a_number,
        (true, true) => {
            let along = scale.apply(limits.fraction(f64::from(value.norm())));
            let [r, g, b] = colors.rgb(along, f64::from(value.arg()));
            [r, g, b, 255]
        }
    };
    object.iter().zip(covered).map(color).collect()
}

/// (H, W) map of values at scattered points `[x, y]`, in pixels of the map: their mean with Gaussian weights of
/// standard deviation `reach` (pixels, at least 0.5). NaN farther than about `3 · reach` from all points. Values that
/// are not finite are ignored.
pub fn scatter_map(points: &[[f64; 2]], values: &[f64], (height, width): (usize, usize), reach: f64) -> Array2<f32> {
    let (mut sum, mut weight) = (Array2::<f64>::zeros((height, width)), Array2::<f64>::zeros((height, width)));
    let reach = reach.max(0.5);
    let side = (3.0 * reach).ceil() as i64;
    for ([x, y], value) in points
        .iter()
        .zip(values)
        .filter(|(point, value)| value.is_finite() && point.iter().all(|v| v.is_finite() && v.abs() < 1e9))
    {
        let (column, row) = (x.round() as i64, y.round() as i64);
        for j in (row - side).max(0)..=(row + side).min(height as i64 - 1) {
            for i in (column - side).max(0)..=(column + side).min(width as i64 - 1) {
                let square = (i as f64 - x).powi(2) + (j as f64 - y).powi(2);
                let share = (-square / (2.0 * reach * reach)).exp();
                let at = (j as usize, i as usize);
                if let (Some(sum), Some(weight)) = (sum.get_mut(at), weight.get_mut(at)) {
                    *sum += share * value;
                    *weight += share;
                }
            }
        }
    }
    let least = (-4.5f64).exp();
    ndarray::Zip::from(&sum).and(&weight).map_collect(|s, w| if *w >= least { (s / w) as f32 } else { f32::NAN })
}

/// Difference of two (H, W) phases in radians, wrapped to −π to π; NaN where one of them is.
pub fn phase_difference(a: ArrayView2<'_, f32>, b: ArrayView2<'_, f32>) -> Array2<f32> {
    const TAU: f32 = std::f32::consts::TAU;
    ndarray::Zip::from(a).and(b).map_collect(|a, b| {
        let turn = a - b;
        turn - TAU * (turn / TAU).round()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    const BLANKS: Blanks = Blanks { not_a_number: [1, 2, 3, 255], uncovered: [4, 5, 6, 255] };

    #[test]
    fn values_get_the_colors_of_the_map_and_blanks_their_own_colors() {
        let tone = Tone { colormap: Colormap::Viridis, limits: Limits { low: -1.0, high: 3.0 }, scale: Scale::Linear };
        let values = array![[-1.0_f32, 0.0, 1.0, 3.0, 99.0, -99.0, f32::NAN, f32::INFINITY, 0.0]];
        let mut covered = values.mapv(|_| true);
        covered[(0, 8)] = false;
        let painted = tone.paint(values.view(), covered.view(), BLANKS);
        for (value, pixel) in values.iter().zip(&painted).take(6) {
            let expected = tone.rgb(f64::from(*value));
            assert!(pixel.iter().zip(expected).all(|(a, b)| a.abs_diff(b) <= 2), "{value} {pixel:?} {expected:?}");
        }
        assert_eq!(painted[6..], [BLANKS.not_a_number, BLANKS.not_a_number, BLANKS.uncovered]);
    }

    #[test]
    fn scales_keep_the_ends_and_brighten_dark_values() {
        for scale in Scale::ALL {
            assert_eq!(scale.apply(0.0), 0.0);
            assert!((scale.apply(1.0) - 1.0).abs() < 1e-12);
        }
        assert!(Scale::Linear.apply(0.1) < Scale::Sqrt.apply(0.1) && Scale::Sqrt.apply(0.1) < Scale::Log.apply(0.1));
    }

    #[test]
    fn complex_pixels_are_dark_at_small_amplitude_and_colored_by_phase() {
        let object = array![[
            Complex32::new(0.0, 0.0),
            Complex32::new(1.0, 0.0),
            Complex32::new(-1.0, 0.0),
            Complex32::new(f32::NAN, 0.0)
        ]];
        let covered = object.mapv(|_| true);
        let limits = Limits { low: 0.0, high: 1.0 };
        let painted = paint_complex(object.view(), covered.view(), limits, Scale::Linear, BLANKS);
        assert_eq!(painted[0], [0, 0, 0, 255]);
        assert_ne!(painted[1], painted[2]);
        assert_eq!(painted[3], BLANKS.not_a_number);
    }

    #[test]
    fn a_scatter_map_has_the_values_at_their_points_and_is_nan_far_from_them() {
        let map = scatter_map(&[[10.0, 5.0], [30.0, 5.0], [f64::NAN, 1.0]], &[1.0, 3.0, 9.0], (20, 60), 3.0);
        assert!((map[(5, 10)] - 1.0).abs() < 1e-3 && (map[(5, 30)] - 3.0).abs() < 1e-3);
        assert!(map[(5, 55)].is_nan() && map[(19, 10)].is_nan());
        assert!(map.iter().all(|v| v.is_nan() || (1.0..=3.0).contains(v)));
    }

    #[test]
    fn phase_differences_are_wrapped() {
        let difference = phase_difference(array![[3.0_f32, 0.2, f32::NAN]].view(), array![[-3.0_f32, 0.1, 0.0]].view());
        assert!((difference[(0, 0)] - (6.0 - std::f32::consts::TAU)).abs() < 1e-6);
        assert!((difference[(0, 1)] - 0.1).abs() < 1e-6 && difference[(0, 2)].is_nan());
    }
}
