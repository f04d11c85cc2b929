//! Images of f32 values as TIFF bytes, with their resolution.

use ndarray::ArrayView2;

/// Bytes before the pixels: header, 14 entries of 12 bytes, their count and end, two fractions.
const PIXELS_AT: u32 = 8 + 2 + ENTRIES as u32 * 12 + 4 + 16;
const ENTRIES: u16 = 14;
const SHORT: u16 = 3;
const LONG: u16 = 4;
const RATIONAL: u16 = 5;

/// (h, w) values as a little-endian gray TIFF of 32-bit floating point numbers, one strip, row 0 on top. The resolution
/// tags say how many pixels there are in a centimetre if the side of a pixel (m) is known.
///
/// # Errors
/// The image is empty, or larger than the 4 GiB that TIFF can hold.
pub fn encode_tiff_f32(values: ArrayView2<'_, f32>, pixel_size_m: Option<f64>) -> crate::error::Result<Vec<u8>> {
    let (height, width) = values.dim();
    let count = height.checked_mul(width).and_then(|n| n.checked_mul(4)).and_then(|n| u32::try_from(n).ok());
    let Some(bytes) = count.filter(|&n| n > 0 && n < u32::MAX - PIXELS_AT) else {
        return Err(crate::error::Problem::new(format!("No TIFF can be made of values of shape ({height}, {width})"))
            .expected("at least one pixel and less than 4 GiB")
            .into());
    };
    let (numerator, denominator, unit) = match pixel_size_m.filter(|size| size.is_finite() && *size > 0.0) {
        Some(size) => {
            let (numerator, denominator) = fraction(0.01 / size);
            (numerator, denominator, 3)
        }
        None => (1, 1, 1),
    };
    let fraction_at = PIXELS_AT - 16;
    let entries: [(u16, u16, u32); ENTRIES as usize] = [
        (256, LONG, width as u32),
        (257, LONG, height as u32),
        // Bits of a value, no compression, 0 is black.
        (258, SHORT, 32),
        (259, SHORT, 1),
        (262, SHORT, 1),
        (273, LONG, PIXELS_AT),
        // Row 0 on top; one value a pixel; all rows in one strip.
        (274, SHORT, 1),
        (277, SHORT, 1),
        (278, LONG, height as u32),
        (279, LONG, bytes),
        (282, RATIONAL, fraction_at),
        (283, RATIONAL, fraction_at + 8),
        // 1 = no unit, 3 = centimetre.
        (296, SHORT, unit),
        // IEEE floating point.
        (339, SHORT, 3),
    ];
    let mut out = Vec::with_capacity((PIXELS_AT + bytes) as usize);
    out.extend(b"II*\0");
    out.extend(8u32.to_le_bytes());
    out.extend(ENTRIES.to_le_bytes());
    for (tag, kind, value) in entries {
        out.extend(tag.to_le_bytes());
        out.extend(kind.to_le_bytes());
        out.extend(1u32.to_le_bytes());
        // A short stands in the first two bytes, which is the same in this byte order.
        out.extend(value.to_le_bytes());
    }
    out.extend(0u32.to_le_bytes());
    for _ in 0..2 {
        out.extend(numerator.to_le_bytes());
        out.extend(denominator.to_le_bytes());
    }
    out.extend(values.iter().flat_map(|value| value.to_le_bytes()));
    Ok(out)
}

/// A positive number as a fraction of two 32-bit numbers, as exact as they allow.
fn fraction(value: f64) -> (u32, u32) {
    let mut denominator = 1.0;
    while denominator < 1e9 && value * denominator * 10.0 < f64::from(u32::MAX) {
        denominator *= 10.0;
    }
    ((value * denominator).round().min(f64::from(u32::MAX)) as u32, denominator as u32)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;
    use ndarray::array;

    fn number(bytes: &[u8], at: usize) -> u32 {
        u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap())
    }

    #[test]
    fn the_pixels_and_the_resolution_stand_where_the_tags_say() {
        let values = array![[1.5f32, -2.0, 3.0], [0.0, 1e-9, 7.0]];
        let bytes = encode_tiff_f32(values.view(), Some(1.6e-8)).unwrap();
        assert_eq!(&bytes[..4], b"II*\0");
        let entries = u16::from_le_bytes([bytes[8], bytes[9]]) as usize;
        let mut tags = Vec::new();
        for entry in 0..entries {
            let at = 10 + 12 * entry;
            tags.push((u16::from_le_bytes([bytes[at], bytes[at + 1]]), number(&bytes, at + 8)));
        }
        assert!(tags.is_sorted_by(|a, b| a.0 < b.0), "{tags:?}");
        let tag = |wanted: u16| tags.iter().find(|(tag, _)| *tag == wanted).unwrap().1;
        assert_eq!((tag(256), tag(257), tag(339), tag(258), tag(279)), (3, 2, 3, 32, 24));
        let start = tag(273) as usize;
        let read: Vec<f32> =
            bytes[start..].chunks_exact(4).map(|four| f32::from_le_bytes(four.try_into().unwrap())).collect();
        assert_eq!(read, values.iter().copied().collect::<Vec<_>>());
        // 0.01 m / 1.6e-8 m
        let at = tag(282) as usize;
        assert_eq!(f64::from(number(&bytes, at)) / f64::from(number(&bytes, at + 4)), 625_000.0);
        assert_eq!(tag(296), 3);
    }

    #[test]
    fn without_a_pixel_size_the_resolution_has_no_unit_and_nothing_is_no_image() {
        let bytes = encode_tiff_f32(array![[1.0f32]].view(), None).unwrap();
        assert_eq!(bytes.len(), PIXELS_AT as usize + 4);
        assert!(encode_tiff_f32(ndarray::Array2::zeros((0, 3)).view(), None).is_err());
    }
}
