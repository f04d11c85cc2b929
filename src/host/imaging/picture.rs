//! PNG images of a reconstruction: amplitude and phase.

use std::f64::consts::PI;

use ndarray::{Array2, ArrayView2, s};
use num_complex::Complex32;

use super::colormap::Colormap;
use super::limits::{Limits, covered_box, robust_limits};
use super::png::{Labels, encode_rgba, render};
use super::ramp::remove_ramp;
use crate::error::{Error, Problem, Result};

/// Fraction of the covered values beyond each limit.
const TAIL: f64 = 0.005;
/// Range of phase, radians, above which cyclic colors are used, since some of it will be wrapped.
const SEQUENTIAL_SPAN: f64 = 1.6 * PI;

/// Amplitude of an (H, W) object as an 8-bit PNG (bytes) in gray, cropped to the covered pixels, with a color bar.
///
/// # Errors
/// If nothing is covered, or the shapes differ.
pub fn amplitude_png(object: ArrayView2<'_, Complex32>, covered: ArrayView2<'_, bool>) -> Result<Vec<u8>> {
    let (object, covered) = crop(object, covered)?;
    let amplitude = object.mapv(|v| v.norm());
    let limits = robust_limits(amplitude.view(), covered.view(), TAIL, 1.0 - TAIL);
    encode_rgba(render(amplitude.view(), covered.view(), limits, Colormap::Gray, Labels::Bar(""))?)
}

/// Phase of an (H, W) object as an 8-bit PNG (bytes), cropped to the covered pixels, with a color bar.
///
/// Global phase and linear ramp are removed for display. A small range of phase is shown in gray between robust limits,
/// one that wraps in cyclic colors from −π to π.
///
/// # Errors
/// If nothing is covered, or the shapes differ.
pub fn phase_png(object: ArrayView2<'_, Complex32>, covered: ArrayView2<'_, bool>) -> Result<Vec<u8>> {
    let (object, covered) = crop(object, covered)?;
    let (flat, _) = remove_ramp(object.view(), covered.view());
    let phase = flat.mapv(|v| if v.norm_sqr() == 0.0 { 0.0 } else { v.arg() });
    let limits = robust_limits(phase.view(), covered.view(), TAIL, 1.0 - TAIL);
    let (limits, colormap) = if limits.high - limits.low > SEQUENTIAL_SPAN {
        (Limits { low: -PI, high: PI }, Colormap::Cyclic)
    } else {
        (limits, Colormap::Gray)
    };
    encode_rgba(render(phase.view(), covered.view(), limits, colormap, Labels::Bar("rad"))?)
}

/// Object and mask inside the bounding box of the mask.
fn crop<'a>(
    object: ArrayView2<'a, Complex32>,
    covered: ArrayView2<'a, bool>,
) -> Result<(ArrayView2<'a, Complex32>, Array2<bool>)> {
    if object.dim() != covered.dim() {
        return Err(Error::BadInput(Problem::new(format!(
            "The object has shape {:?}, but its coverage {:?}",
            object.dim(),
            covered.dim()
        ))));
    }
    let Some((top, left, height, width)) = covered_box(covered) else {
        return Err(Error::failed("No pixel of the object is covered; there is nothing to show"));
    };
    let inside = s![top..top + height, left..left + width];
    Ok((object.slice_move(inside), covered.slice(inside).to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// High amplitude in the upper left quarter, high phase in the lower left one, on a steep ramp.
    fn object() -> (Array2<Complex32>, Array2<bool>) {
        let object = Array2::from_shape_fn((80, 100), |(y, x)| {
            let amplitude = if y < 40 && x < 50 { 1.0 } else { 0.5 };
            let phase = if y >= 40 && x < 50 { 0.6 } else { 0.0 };
            Complex32::from_polar(amplitude, phase + 0.3 * x as f32 - 0.2 * y as f32)
        });
        let covered = Array2::from_shape_fn((80, 100), |(y, x)| (10..70).contains(&y) && (20..80).contains(&x));
        (object, covered)
    }

    #[test]
    fn the_images_are_cropped_and_upright() {
        let (object, covered) = object();
        let read = |bytes: Vec<u8>| image::load_from_memory(&bytes).unwrap().to_rgba8();
        let amplitude = read(amplitude_png(object.view(), covered.view()).unwrap());
        assert_eq!(amplitude.height(), 9 * 60);
        let gray = |image: &image::RgbaImage, row: u32, column: u32| image.get_pixel(9 * column + 4, 9 * row + 4).0[0];
        assert_eq!((gray(&amplitude, 2, 2), gray(&amplitude, 2, 57), gray(&amplitude, 57, 2)), (255, 0, 0));
        let phase = read(phase_png(object.view(), covered.view()).unwrap());
        assert!(gray(&phase, 45, 15) > gray(&phase, 15, 15) + 100, "ramp or orientation is wrong");
        assert!(gray(&phase, 45, 15) > gray(&phase, 45, 45) + 100);
    }

    #[test]
    fn an_object_without_coverage_is_an_error() {
        let (object, covered) = object();
        assert!(amplitude_png(object.view(), covered.mapv(|_| false).view()).is_err());
        assert!(phase_png(object.view(), Array2::from_elem((3, 3), true).view()).is_err());
    }
}
