//! 5 × 7 pixel font with the characters of color bars and scale bars.

use image::{Rgba, RgbaImage};

/// Height of a glyph before scaling, pixels.
pub(super) const GLYPH_HEIGHT: u32 = 7;
/// Distance between glyphs before scaling, pixels.
pub(super) const GLYPH_ADVANCE: u32 = 6;

/// Rows of a glyph from the top; bit 4 is the leftmost of five columns. Unknown characters are blank.
fn glyph(character: char) -> [u8; 7] {
    match character {
        '0' => [0b01110, 0b10001, 0b10011, 0b10101, 0b11001, 0b10001, 0b01110],
        '1' => [0b00100, 0b01100, 0b00100, 0b00100, 0b00100, 0b00100, 0b01110],
        '2' => [0b01110, 0b10001, 0b00001, 0b00010, 0b00100, 0b01000, 0b11111],
        '3' => [0b11111, 0b00010, 0b00100, 0b00010, 0b00001, 0b10001, 0b01110],
        '4' => [0b00010, 0b00110, 0b01010, 0b10010, 0b11111, 0b00010, 0b00010],
        '5' => [0b11111, 0b10000, 0b11110, 0b00001, 0b00001, 0b10001, 0b01110],
        '6' => [0b00110, 0b01000, 0b10000, 0b11110, 0b10001, 0b10001, 0b01110],
        '7' => [0b11111, 0b00001, 0b00010, 0b00100, 0b01000, 0b01000, 0b01000],
        '8' => [0b01110, 0b10001, 0b10001, 0b01110, 0b10001, 0b10001, 0b01110],
        '9' => [0b01110, 0b10001, 0b10001, 0b01111, 0b00001, 0b00010, 0b01100],
        '-' | '−' => [0, 0, 0, 0b11111, 0, 0, 0],
        '+' => [0, 0b00100, 0b00100, 0b11111, 0b00100, 0b00100, 0],
        '.' => [0, 0, 0, 0, 0, 0b01100, 0b01100],
        'a' => [0, 0, 0b01110, 0b00001, 0b01111, 0b10001, 0b01111],
        'd' => [0b00001, 0b00001, 0b01101, 0b10011, 0b10001, 0b10001, 0b01111],
        'e' => [0, 0, 0b01110, 0b10001, 0b11111, 0b10000, 0b01110],
        'm' => [0, 0, 0b11010, 0b10101, 0b10101, 0b10101, 0b10101],
        'n' => [0, 0, 0b10110, 0b11001, 0b10001, 0b10001, 0b10001],
        'p' => [0, 0, 0b11110, 0b10001, 0b11110, 0b10000, 0b10000],
        'x' => [0, 0, 0b10001, 0b01010, 0b00100, 0b01010, 0b10001],
        'µ' => [0, 0, 0b10001, 0b10001, 0b10011, 0b11101, 0b10000],
        'r' => [0, 0, 0b10110, 0b11001, 0b10000, 0b10000, 0b10000],
        _ => [0; 7],
    }
}

/// Width of a text without the gap after the last glyph, pixels.
pub(super) fn text_width(text: &str, scale: u32) -> u32 {
    (text.chars().count() as u32 * GLYPH_ADVANCE).saturating_sub(1) * scale
}

/// Draws a text with its upper left corner at (x, y), clipped to the image.
pub(super) fn draw_text(image: &mut RgbaImage, x: u32, y: u32, text: &str, scale: u32, color: Rgba<u8>) {
    for (i, character) in text.chars().enumerate() {
        let left = x + i as u32 * GLYPH_ADVANCE * scale;
        for (row, bits) in (0_u32..).zip(glyph(character)) {
            for column in (0..5).filter(|column| bits >> (4 - column) & 1 == 1) {
                for (dy, dx) in (0..scale).flat_map(|dy| (0..scale).map(move |dx| (dy, dx))) {
                    let at = (left + column * scale + dx, y + row * scale + dy);
                    if let Some(pixel) = image.get_pixel_mut_checked(at.0, at.1) {
                        *pixel = color;
                    }
                }
            }
        }
    }
}

/// Number with three significant digits, and an exponent only where that is shorter.
pub fn short_number(value: f64) -> String {
    if value == 0.0 || !value.is_finite() {
        return "0".to_owned();
    }
    let magnitude = value.abs().log10().floor() as i32;
    if !(-3..5).contains(&magnitude) {
        return format!("{value:.1e}");
    }
    let decimals = usize::try_from((2 - magnitude).max(0)).unwrap_or(0);
    let text = format!("{value:.decimals$}");
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short_and_use_only_characters_of_the_font() {
        let cases = [
            (0.0, "0"),
            (1.0, "1"),
            (-0.125, "-0.125"),
            (2.7449, "2.74"),
            (1234.5, "1234"),
            (2.0e-5, "2.0e-5"),
            (-6.5e12, "-6.5e12"),
            (f64::NAN, "0"),
        ];
        for (value, expected) in cases {
            assert_eq!(short_number(value), expected);
            assert!(expected.chars().all(|c| glyph(c) != [0; 7]));
        }
    }

    #[test]
    fn a_text_is_drawn_at_its_position_and_clipped_at_the_edge() {
        let white = Rgba([255; 4]);
        let mut image = RgbaImage::new(20, 20);
        draw_text(&mut image, 3, 4, "1", 1, white);
        assert_eq!(image.get_pixel(5, 4), &white);
        assert_eq!(image.pixels().filter(|p| **p == white).count(), 10);
        draw_text(&mut image, 15, 15, "888", 4, white);
        assert_eq!(text_width("1", 2), 10);
    }
}
