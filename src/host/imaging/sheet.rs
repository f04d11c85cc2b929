//! Composition of several images into one, each with its color bar and scale bar, for export as displayed.

use super::colormap::Colormap;
use super::png::{PREFERRED_SIDE, encode_rgba};
use super::scale_bar::ScaleBar;
use super::text::{GLYPH_HEIGHT, draw_text, short_number, text_width};
use super::tone::Tone;
use crate::error::Result;
use image::{Rgba, RgbaImage};

const BAR_WIDTH: u32 = 16;
const GAP: u32 = 10;
const TEXT_SCALE: u32 = 2;
/// Legible on white and on black.
const GRAY: Rgba<u8> = Rgba([128, 128, 128, 255]);

/// Annotation to the right of an image.
#[derive(Debug, Clone, PartialEq)]
pub enum Bar {
    /// None.
    None,
    /// Color bar with both limits; the unit follows the upper one.
    Tone(Tone, &'static str),
    /// Color wheel of complex values.
    Wheel,
}

/// Colored image with its annotations.
#[derive(Debug, Clone, PartialEq)]
pub struct Sheet {
    /// Number of columns and rows.
    pub size: [usize; 2],
    /// RGBA pixels, row by row.
    pub pixels: Vec<[u8; 4]>,
    /// Annotation on the right.
    pub bar: Bar,
    /// Scale bar in the lower left corner.
    pub scale_bar: Option<ScaleBar>,
}

/// Images from left to right, `columns` per row, on a transparent background. Small images are enlarged by a common
/// integer factor (nearest neighbor).
pub fn sheet(sheets: &[Sheet], columns: usize) -> RgbaImage {
    let longest = sheets.iter().flat_map(|s| s.size).max().unwrap_or(1).max(1) as u32;
    let factor = PREFERRED_SIDE.div_ceil(longest).max(1);
    arrange(&sheets.iter().map(|sheet| draw(sheet, factor)).collect::<Vec<_>>(), columns)
}

/// Rendered images from left to right, `columns` per row, on a transparent background.
pub fn arrange(drawn: &[RgbaImage], columns: usize) -> RgbaImage {
    let columns = columns.clamp(1, drawn.len().max(1));
    let rows: Vec<&[RgbaImage]> = drawn.chunks(columns).collect();
    let width_of = |row: &[RgbaImage]| row.iter().map(|i| i.width() + 2 * GAP).sum::<u32>().saturating_sub(2 * GAP);
    let height_of = |row: &[RgbaImage]| row.iter().map(RgbaImage::height).max().unwrap_or(1);
    let width = rows.iter().map(|row| width_of(row)).max().unwrap_or(1).max(1);
    let height = rows.iter().map(|row| height_of(row) + 2 * GAP).sum::<u32>().saturating_sub(2 * GAP).max(1);
    let mut whole = RgbaImage::new(width, height);
    let mut top = 0;
    for row in rows {
        let mut left = 0;
        for image in row {
            image::imageops::replace(&mut whole, image, i64::from(left), i64::from(top));
            left += image.width() + 2 * GAP;
        }
        top += height_of(row) + 2 * GAP;
    }
    whole
}

/// Side to which the longer side of a picture on a contact sheet is enlarged, at least.
const CONTACT_SIDE: usize = 160;

/// PNG of gray pictures from left to right, `columns` per row, each with a short text below. A picture is its number of columns
/// and rows, its gray values row by row, and its text, of which the font draws numbers.
///
/// # Errors
/// The image cannot be encoded.
pub fn contact_sheet(pictures: &[([usize; 2], Vec<u8>, String)], columns: usize) -> Result<Vec<u8>> {
    let drawn: Vec<RgbaImage> = pictures
        .iter()
        .map(|([width, height], gray, text)| {
            let factor = CONTACT_SIDE.div_ceil((*width).max(*height).max(1)).max(1);
            let wide = ((width * factor) as u32).max(text_width(text, TEXT_SCALE));
            let tall = (height * factor) as u32;
            let mut image = RgbaImage::new(wide, tall + 2 * GLYPH_HEIGHT * TEXT_SCALE);
            for (y, x) in (0..height * factor).flat_map(|y| (0..width * factor).map(move |x| (y, x))) {
                let value = gray.get(y / factor * width + x / factor).copied().unwrap_or_default();
                image.put_pixel(x as u32, y as u32, Rgba([value, value, value, 255]));
            }
            draw_text(&mut image, 0, tall + GLYPH_HEIGHT / 2, text, TEXT_SCALE, GRAY);
            image
        })
        .collect();
    encode_rgba(arrange(&drawn, columns))
}

/// Renders an image with its annotations, enlarged by `factor`.
fn draw(sheet: &Sheet, factor: u32) -> RgbaImage {
    let [columns, rows] = sheet.size.map(|side| side as u32);
    let (wide, tall) = ((columns * factor).max(1), (rows * factor).max(1));
    let (top_text, low_text) = match &sheet.bar {
        Bar::Tone(tone, unit) => {
            let top = format!("{} {unit}", short_number(tone.limits.high));
            (top.trim_end().to_owned(), short_number(tone.limits.low))
        }
        Bar::None | Bar::Wheel => (String::new(), String::new()),
    };
    let wheel = (tall / 3).clamp(24, 160);
    let margin = match &sheet.bar {
        Bar::None => 0,
        Bar::Tone(..) => 2 * GAP + BAR_WIDTH + text_width(&top_text, TEXT_SCALE).max(text_width(&low_text, TEXT_SCALE)),
        Bar::Wheel => GAP + wheel,
    };
    let mut image = RgbaImage::new(wide + margin, tall);
    for (x, y, pixel) in image.enumerate_pixels_mut().filter(|(x, ..)| *x < wide) {
        let at = (y / factor) as usize * sheet.size[0] + (x / factor) as usize;
        if let Some(color) = sheet.pixels.get(at) {
            *pixel = Rgba(*color);
        }
    }
    match &sheet.bar {
        Bar::None => {}
        Bar::Tone(tone, _) => {
            let left = wide + GAP;
            let plain = |t: f64| Colormap::rgb(tone.colormap, tone.scale.apply(t));
            for y in 0..tall {
                let [r, g, b] = plain(1.0 - f64::from(y) / f64::from(tall.max(2) - 1));
                for x in left..left + BAR_WIDTH {
                    image.put_pixel(x, y, Rgba([r, g, b, 255]));
                }
            }
            let text_left = left + BAR_WIDTH + GAP;
            draw_text(&mut image, text_left, 0, &top_text, TEXT_SCALE, GRAY);
            let lower = tall.saturating_sub(GLYPH_HEIGHT * TEXT_SCALE);
            draw_text(&mut image, text_left, lower, &low_text, TEXT_SCALE, GRAY);
        }
        Bar::Wheel => {
            let pixels = super::complex::ComplexColors::default().wheel(wheel as usize);
            for (i, color) in (0u32..).zip(pixels) {
                if let Some(pixel) = image.get_pixel_mut_checked(wide + GAP + i % wheel, i / wheel) {
                    *pixel = Rgba(color);
                }
            }
        }
    }
    if let Some(bar) = &sheet.scale_bar {
        draw_scale_bar(&mut image, bar, factor, tall);
    }
    image
}

/// Draws a white bar with a black outline, and its label above it.
fn draw_scale_bar(image: &mut RgbaImage, bar: &ScaleBar, factor: u32, tall: u32) {
    let (left, bottom) = (2 * GAP, tall.saturating_sub(2 * GAP));
    let length = (bar.pixels * f64::from(factor)).round().clamp(1.0, 1e6) as u32;
    let (white, black) = (Rgba([255; 4]), Rgba([0, 0, 0, 255]));
    for (grow, color) in [(1, black), (0, white)] {
        for y in bottom.saturating_sub(5 + grow)..bottom + grow {
            for x in left - grow..left + length + grow {
                if let Some(pixel) = image.get_pixel_mut_checked(x, y) {
                    *pixel = color;
                }
            }
        }
    }
    let top = bottom.saturating_sub(5 + 6 + GLYPH_HEIGHT * TEXT_SCALE);
    for (dx, dy) in [(0, 1), (2, 1), (1, 0), (1, 2)] {
        draw_text(image, left + dx, top + dy, &bar.text, TEXT_SCALE, black);
    }
    draw_text(image, left + 1, top + 1, &bar.text, TEXT_SCALE, white);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::imaging::{Limits, Scale};

    fn plain(color: [u8; 4], bar: Bar) -> Sheet {
        Sheet { size: [40, 20], pixels: vec![color; 800], bar, scale_bar: None }
    }

    #[test]
    fn images_are_side_by_side_with_their_color_bars() {
        let tone = Tone { colormap: Colormap::Gray, limits: Limits { low: 0.0, high: 2.0 }, scale: Scale::Linear };
        let red = [200, 0, 0, 255];
        let one = sheet(&[plain(red, Bar::None)], 2);
        assert_eq!((one.width(), one.height()), (40 * 13, 20 * 13));
        let both = sheet(&[plain(red, Bar::Tone(tone, "rad")), plain([0, 0, 200, 255], Bar::Wheel)], 2);
        assert!(both.width() > 2 * 40 * 13 + 60 && both.height() == 20 * 13);
        assert_eq!(both.get_pixel(5, 5).0, red);
        assert_eq!(both.get_pixel(40 * 13 + GAP + 3, 0).0, [255; 4]);
        assert_eq!(both.get_pixel(40 * 13 + GAP + 3, 20 * 13 - 1).0, [0, 0, 0, 255]);
        let below = sheet(&[plain(red, Bar::None), plain(red, Bar::None)], 1);
        assert_eq!((below.width(), below.height()), (40 * 13, 2 * 20 * 13 + 2 * GAP));
        assert_eq!(sheet(&[], 2).dimensions(), (1, 1));
    }

    #[test]
    fn the_scale_bar_has_its_length() {
        let mut one = plain([90, 90, 90, 255], Bar::None);
        one.scale_bar = Some(ScaleBar { pixels: 10.0, text: "10 px".to_owned() });
        let drawn = sheet(&[one], 1);
        let y = 20 * 13 - 2 * GAP - 3;
        let white = (0..drawn.width()).filter(|x| drawn.get_pixel(*x, y).0 == [255; 4]).count();
        assert_eq!(white, 130);
    }
}
