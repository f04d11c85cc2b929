//! Images as PNG bytes.

use image::{DynamicImage, ImageBuffer, ImageFormat, Luma, Rgba, RgbaImage};
use ndarray::ArrayView2;

use super::colormap::Colormap;
use super::limits::Limits;
use super::text::{GLYPH_HEIGHT, draw_text, short_number, text_width};
use crate::error::{Error, Problem, Result};

/// Small images are enlarged by an integer factor until their longer side has at least this many pixels.
pub const PREFERRED_SIDE: u32 = 512;

/// Width of the color bar and the gaps beside it, pixels.
const BAR_WIDTH: u32 = 16;
const GAP: u32 = 8;
/// Scale factor of the font of the labels.
const TEXT_SCALE: u32 = 2;
/// Legible on white and on black.
const TEXT_COLOR: Rgba<u8> = Rgba([128, 128, 128, 255]);

/// Annotation beside an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Labels<'a> {
    /// None.
    None,
    /// Color bar with both limits; the unit ("" or "rad") follows the upper one.
    Bar(&'a str),
}

/// (h, w) values as an RGBA image with row 0 on top; uncovered pixels are transparent.
///
/// Small images are enlarged by an integer factor (nearest neighbor) to at least [`PREFERRED_SIDE`], so that each value
/// is a uniform square.
///
/// # Errors
/// Different shapes, an empty image, or a side above 1048576 pixels.
pub fn render(
    values: ArrayView2<'_, f32>,
    covered: ArrayView2<'_, bool>,
    limits: Limits,
    colormap: Colormap,
    labels: Labels<'_>,
) -> Result<RgbaImage> {
    let (height, width) = checked_shape(values, covered)?;
    let factor = PREFERRED_SIDE.div_ceil(height.max(width));
    let (tall, wide) = (height * factor, width * factor);
    let (low, high) = (short_number(limits.low), short_number(limits.high));
    let unit = match labels {
        Labels::None => None,
        Labels::Bar(unit) => Some(unit),
    };
    let top = unit.map(|unit| if unit.is_empty() { high.clone() } else { format!("{high} {unit}") });
    let margin = top
        .as_ref()
        .map_or(0, |top| GAP + BAR_WIDTH + GAP + text_width(top, TEXT_SCALE).max(text_width(&low, TEXT_SCALE)) + GAP);

    let mut image = RgbaImage::new(wide + margin, tall);
    for (x, y, pixel) in image.enumerate_pixels_mut().filter(|(x, ..)| *x < wide) {
        let at = ((y / factor) as usize, (x / factor) as usize);
        if let (Some(value), Some(true)) = (values.get(at), covered.get(at).copied()) {
            let [r, g, b] = colormap.rgb(limits.fraction(f64::from(*value)));
            *pixel = Rgba([r, g, b, 255]);
        }
    }
    if let Some(top) = top {
        let left = wide + GAP;
        for y in 0..tall {
            let [r, g, b] = colormap.rgb(1.0 - f64::from(y) / f64::from(tall.max(2) - 1));
            for x in left..left + BAR_WIDTH {
                image.put_pixel(x, y, Rgba([r, g, b, 255]));
            }
        }
        let text_left = left + BAR_WIDTH + GAP;
        let lower = tall.saturating_sub(GLYPH_HEIGHT * TEXT_SCALE);
        draw_text(&mut image, text_left, 0, &top, TEXT_SCALE, TEXT_COLOR);
        draw_text(&mut image, text_left, lower, &low, TEXT_SCALE, TEXT_COLOR);
    }
    Ok(image)
}

/// 8-bit RGBA image as a PNG file (bytes).
///
/// # Errors
/// If encoding fails, which should happen only for lack of memory.
pub fn encode_rgba(image: RgbaImage) -> Result<Vec<u8>> {
    encode(&DynamicImage::ImageRgba8(image))
}

/// (h, w) values as a 16-bit gray PNG file (bytes), not enlarged: 1 to 65535 between the limits, 0 where uncovered.
///
/// # Errors
/// As [`render`].
pub fn encode_gray16(values: ArrayView2<'_, f32>, covered: ArrayView2<'_, bool>, limits: Limits) -> Result<Vec<u8>> {
    let (height, width) = checked_shape(values, covered)?;
    let image = ImageBuffer::<Luma<u16>, Vec<u16>>::from_fn(width, height, |x, y| {
        let at = (y as usize, x as usize);
        match (values.get(at), covered.get(at).copied()) {
            (Some(value), Some(true)) => Luma([1 + (limits.fraction(f64::from(*value)) * 65534.0).round() as u16]),
            _ => Luma([0]),
        }
    });
    encode(&DynamicImage::ImageLuma16(image))
}

fn encode(image: &DynamicImage) -> Result<Vec<u8>> {
    let mut bytes = std::io::Cursor::new(Vec::new());
    image
        .write_to(&mut bytes, ImageFormat::Png)
        .map_err(|error| Error::failed(format!("The image could not be encoded as PNG ({error})")))?;
    Ok(bytes.into_inner())
}

/// Checked height and width.
fn checked_shape(values: ArrayView2<'_, f32>, covered: ArrayView2<'_, bool>) -> Result<(u32, u32)> {
    let (height, width) = values.dim();
    let longest = 1 << 20;
    if values.dim() != covered.dim() || height == 0 || width == 0 || height > longest || width > longest {
        return Err(Problem::new(format!(
            "Cannot render an image of values of shape ({height}, {width}) with a coverage of shape {:?}",
            covered.dim()
        ))
        .expected("equal shapes with sides of 1 to 1048576 pixels")
        .into());
    }
    Ok((height as u32, width as u32))
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::{Array2, array};

    const UNIT: Limits = Limits { low: 0.0, high: 1.0 };

    #[test]
    fn row_zero_is_on_top_and_uncovered_pixels_are_transparent() {
        let values = array![[0.0_f32, 1.0, 0.5], [1.0, 0.0, 0.0]];
        let covered = array![[true, true, true], [true, true, false]];
        let image = render(values.view(), covered.view(), UNIT, Colormap::Gray, Labels::None).unwrap();
        let factor = 171;
        assert_eq!(image.dimensions(), (3 * factor, 2 * factor));
        let at = |row: u32, column: u32| image.get_pixel(column * factor + 5, row * factor + 5).0;
        assert_eq!(at(0, 0), [0, 0, 0, 255]);
        assert_eq!(at(0, 1), [255, 255, 255, 255]);
        assert_eq!(at(0, 2), [128, 128, 128, 255]);
        assert_eq!(at(1, 0), [255, 255, 255, 255]);
        assert_eq!(at(1, 2)[3], 0);
        let read = image::load_from_memory(&encode_rgba(image.clone()).unwrap()).unwrap().to_rgba8();
        assert_eq!(read, image);
    }

    #[test]
    fn the_color_bar_is_beside_the_image_with_the_largest_value_on_top() {
        let values = Array2::from_elem((600, 500), 0.5_f32);
        let covered = Array2::from_elem((600, 500), true);
        let limits = Limits { low: -1.25, high: 3.0 };
        let image = render(values.view(), covered.view(), limits, Colormap::Gray, Labels::Bar("rad")).unwrap();
        assert!(image.width() > 560 && image.height() == 600);
        assert_eq!(image.get_pixel(510, 0).0, [255; 4]);
        assert_eq!(image.get_pixel(510, 599).0, [0, 0, 0, 255]);
        let labels = |rows: std::ops::Range<u32>| {
            rows.flat_map(|y| (540..image.width()).map(move |x| (x, y)))
                .filter(|(x, y)| *image.get_pixel(*x, *y) == TEXT_COLOR)
                .count()
        };
        assert!(labels(0..14) > 50 && labels(586..600) > 50 && labels(20..580) == 0);
    }

    #[test]
    fn sixteen_bit_gray_spans_the_limits_with_zero_for_uncovered_pixels() {
        let bytes =
            encode_gray16(array![[0.0_f32, 0.5, 1.0, 7.0]].view(), array![[true, true, true, false]].view(), UNIT)
                .unwrap();
        let image = image::load_from_memory(&bytes).unwrap();
        assert_eq!(image.to_luma16().into_raw(), vec![1, 32768, 65535, 0]);
        assert!(matches!(image, DynamicImage::ImageLuma16(_)));
    }

    #[test]
    fn inconsistent_or_empty_images_are_errors() {
        let covered = Array2::from_elem((2, 3), true);
        assert!(encode_gray16(Array2::zeros((3, 2)).view(), covered.view(), UNIT).is_err());
        let empty = render(
            Array2::zeros((0, 3)).view(),
            Array2::from_elem((0, 3), true).view(),
            UNIT,
            Colormap::Gray,
            Labels::None,
        );
        assert!(empty.is_err());
    }
}
