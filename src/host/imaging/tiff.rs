//! 32-bit floating-point TIFF with resolution.

use crate::error::{Error, Problem, Result};
use ndarray::ArrayView2;
use std::io::Cursor;
use tiff::encoder::{Rational, TiffEncoder, colortype::Gray32Float};
use tiff::tags::{ResolutionUnit, Tag};

/// Bytes of a file reserved for all but the pixels.
const RESERVED_BYTES: u32 = 1 << 10;

/// (h, w) values as a gray TIFF (bytes) of 32-bit floats, in one strip, row 0 on top. The resolution tags hold the pixels per
/// centimeter if the pixel size (meters) is known.
///
/// # Errors
/// If the image is empty, or larger than the 4 GiB limit of TIFF.
pub fn encode_tiff_f32(values: ArrayView2<'_, f32>, pixel_size_m: Option<f64>) -> Result<Vec<u8>> {
    let (height, width) = values.dim();
    let count = height.checked_mul(width).and_then(|n| n.checked_mul(4)).and_then(|n| u32::try_from(n).ok());
    if count.is_none_or(|bytes| bytes == 0 || bytes >= u32::MAX - RESERVED_BYTES) {
        return Err(Problem::new(format!("Cannot write a TIFF of values of shape ({height}, {width})"))
            .expected("at least one pixel and less than 4 GiB")
            .into());
    }
    let (n, d, unit) = match pixel_size_m.filter(|size| size.is_finite() && *size > 0.0) {
        Some(size) => {
            let (numerator, denominator) = fraction(0.01 / size);
            (numerator, denominator, ResolutionUnit::Centimeter)
        }
        None => (1, 1, ResolutionUnit::None),
    };
    let mut bytes = Vec::new();
    let mut write = || -> tiff::TiffResult<()> {
        let mut encoder = TiffEncoder::new(Cursor::new(&mut bytes))?;
        let mut image = encoder.new_image::<Gray32Float>(width as u32, height as u32)?;
        image.rows_per_strip(height as u32)?;
        image.resolution(unit, Rational { n, d });
        // Row 0 on top.
        image.encoder().write_tag(Tag::Orientation, 1u16)?;
        image.write_data(values.as_standard_layout().as_slice().unwrap_or_default())
    };
    write().map_err(|error| Error::failed(format!("Cannot write a TIFF ({error})")))?;
    Ok(bytes)
}

/// Positive number as a fraction of two 32-bit integers, as exactly as possible.
fn fraction(value: f64) -> (u32, u32) {
    let mut denominator = 1.0;
    while denominator < 1e9 && value * denominator * 10.0 < f64::from(u32::MAX) {
        denominator *= 10.0;
    }
    ((value * denominator).round().min(f64::from(u32::MAX)) as u32, denominator as u32)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;
    use tiff::decoder::{Decoder, DecodingResult, ifd::Value};

    #[test]
    fn the_tags_locate_the_pixels_and_the_resolution() {
        let values = array![[1.5f32, -2.0, 3.0], [0.0, 1e-9, 7.0]];
        let bytes = encode_tiff_f32(values.view(), Some(1.6e-8)).unwrap();
        assert_eq!(&bytes[..4], b"II*\0");
        let mut decoder = Decoder::new(Cursor::new(&bytes)).unwrap();
        assert_eq!(decoder.dimensions().unwrap(), (3, 2));
        // Sizes, bits, compression, 0 is black, orientation, samples, rows and bytes of the strip, unit, floating point.
        let tags = [256, 257, 258, 259, 262, 274, 277, 278, 279, 296, 339];
        let tag = |number: &u16| decoder.get_tag_u32(Tag::from_u16_exhaustive(*number)).unwrap();
        assert_eq!(tags.iter().map(tag).collect::<Vec<_>>(), [3, 2, 32, 1, 1, 1, 1, 2, 24, 3, 3]);
        for tag in [Tag::XResolution, Tag::YResolution] {
            let Value::Rational(numerator, denominator) = decoder.get_tag(tag).unwrap() else { panic!("{tag:?}") };
            // 0.01 m / 1.6e-8 m
            assert_eq!(f64::from(numerator) / f64::from(denominator), 625_000.0);
        }
        let start = decoder.get_tag_u32(Tag::StripOffsets).unwrap() as usize;
        let pixels: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        assert_eq!(bytes[start..start + 24], pixels);
        let DecodingResult::F32(read) = decoder.read_image().unwrap() else { panic!("no floats") };
        assert_eq!(read, values.iter().copied().collect::<Vec<_>>());
        let flipped = encode_tiff_f32(values.t(), None).unwrap();
        let DecodingResult::F32(read) = Decoder::new(Cursor::new(flipped)).unwrap().read_image().unwrap() else {
            panic!("no floats")
        };
        assert_eq!(read, [1.5, 0.0, -2.0, 1e-9, 3.0, 7.0]);
    }

    #[test]
    fn without_a_pixel_size_the_resolution_has_no_unit_and_an_empty_image_is_an_error() {
        let bytes = encode_tiff_f32(array![[1.0f32]].view(), None).unwrap();
        let mut decoder = Decoder::new(Cursor::new(bytes)).unwrap();
        assert_eq!(decoder.get_tag_u32(Tag::ResolutionUnit).unwrap(), 1);
        assert!(encode_tiff_f32(ndarray::Array2::zeros((0, 3)).view(), None).is_err());
    }
}
