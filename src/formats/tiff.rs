//! Grayscale TIFF images, the format of many masks.

use ndarray::ArrayD;
use std::io::{BufReader, Cursor};
use std::path::Path;
use tiff::ColorType;
use tiff::decoder::{Decoder, DecodingResult, Limits};
use tiff::tags::Tag;

/// Largest image, in bytes.
const MAX_BYTES: usize = 1 << 30;
/// Largest ratio of the sizes of an image and its file; no compression of TIFF does better.
const MAX_RATIO: usize = 2000;
/// Photometric interpretation of images in which 0 is white.
const WHITE_IS_ZERO: u16 = 0;

/// Values (h, w) of the first image as stored: one integer or floating-point sample per pixel, in strips or tiles.
///
/// # Errors
/// A short reason.
pub fn decode(bytes: &[u8]) -> Result<ArrayD<f64>, String> {
    decode_page(bytes, 0).map(|(values, _)| values)
}

/// Number of images in a file; at least 1.
pub fn pages(path: &Path) -> usize {
    let Ok(file) = crate::open_file(path) else { return 1 };
    let length = file.metadata().map_or(0, |file| file.len());
    let Ok(mut decoder) = Decoder::new(BufReader::new(file)) else { return 1 };
    let mut count = 1;
    // An image takes more than 8 bytes, so that circular references end.
    while decoder.more_images() && count < length / 8 && decoder.next_image().is_ok() {
        count += 1;
    }
    usize::try_from(count).unwrap_or(1)
}

/// As [`decode`], for any image of the file; also the NumPy type of the values.
///
/// # Errors
/// A short reason.
pub fn decode_page(bytes: &[u8], page: usize) -> Result<(ArrayD<f64>, String), String> {
    let mut limits = Limits::default();
    limits.decoding_buffer_size = bytes.len().saturating_mul(MAX_RATIO).min(MAX_BYTES);
    limits.intermediate_buffer_size = limits.decoding_buffer_size;
    limits.ifd_value_size = bytes.len();
    let failed = |error: tiff::TiffError| error.to_string();
    let mut decoder = Decoder::new(Cursor::new(bytes)).map_err(failed)?.with_limits(limits);
    if page > 0 {
        decoder.seek_to_image(page).map_err(failed)?;
    }
    let (width, height) = decoder.dimensions().map_err(failed)?;
    let (width, height) = (width as usize, height as usize);
    let ColorType::Gray(bits) = decoder.colortype().map_err(failed)? else {
        return Err("it has several values per pixel; a mask has one".into());
    };
    let inverted =
        decoder.find_tag_unsigned::<u16>(Tag::PhotometricInterpretation).map_err(failed)? == Some(WHITE_IS_ZERO);
    // The decoder turns white into the largest value; this restores the stored values.
    macro_rules! values {
        ($values:expr, $stored:expr) => {
            $values.into_iter().map(|value| if inverted { $stored(value) as f64 } else { value as f64 }).collect()
        };
    }
    let image = decoder.read_image().map_err(failed)?;
    let dtype = dtype_of(&image);
    let values: Vec<f64> = match image {
        DecodingResult::U8(packed) if bits < 8 => {
            let row_bytes = (width * usize::from(bits)).div_ceil(8);
            // A pixel of 3, 5, 6 or 7 bits may be in two bytes.
            let pixel = |row: &[u8], at: usize| {
                let (bits, bit) = (usize::from(bits), at * usize::from(bits));
                let byte = |at: usize| row.get(at).map_or(0, |byte| u16::from(if inverted { !byte } else { *byte }));
                let both = byte(bit / 8) << 8 | byte(bit / 8 + 1);
                f64::from(both >> (16 - bits - bit % 8) & ((1 << bits) - 1))
            };
            packed.chunks(row_bytes).flat_map(|row| (0..width).map(move |at| pixel(row, at))).collect()
        }
        DecodingResult::U8(values) => values!(values, |v: u8| !v),
        DecodingResult::U16(values) => values!(values, |v: u16| !v),
        DecodingResult::U32(values) => values!(values, |v: u32| !v),
        DecodingResult::U64(values) => values!(values, |v: u64| !v),
        DecodingResult::I8(values) => values.into_iter().map(f64::from).collect(),
        DecodingResult::I16(values) => values.into_iter().map(f64::from).collect(),
        DecodingResult::I32(values) => values.into_iter().map(f64::from).collect(),
        DecodingResult::I64(values) => values.into_iter().map(|value| value as f64).collect(),
        DecodingResult::F16(values) => values.into_iter().map(f64::from).collect(),
        DecodingResult::F32(values) => values!(values, |v: f32| 1.0 - v),
        DecodingResult::F64(values) => values!(values, |v: f64| 1.0 - v),
    };
    let values = ArrayD::from_shape_vec(vec![height, width], values).map_err(|error| error.to_string())?;
    Ok((values, dtype.to_owned()))
}

/// NumPy type of decoded values.
fn dtype_of(image: &DecodingResult) -> &'static str {
    match image {
        DecodingResult::U8(_) => "|u1",
        DecodingResult::U16(_) => "<u2",
        DecodingResult::U32(_) => "<u4",
        DecodingResult::U64(_) => "<u8",
        DecodingResult::I8(_) => "|i1",
        DecodingResult::I16(_) => "<i2",
        DecodingResult::I32(_) => "<i4",
        DecodingResult::I64(_) => "<i8",
        DecodingResult::F16(_) => "<f2",
        DecodingResult::F32(_) => "<f4",
        DecodingResult::F64(_) => "<f8",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{one_strip, picture};
    use ndarray::array;

    #[test]
    fn integers_floats_and_bits_are_read_in_both_byte_orders() {
        let floats = array![[1.5f32, -2.0], [0.0, 1e6]];
        let expected = floats.mapv(f64::from).into_dyn();
        let little: Vec<u8> = floats.iter().flat_map(|v| v.to_le_bytes()).collect();
        assert_eq!(decode(&picture((2, 2), 32, 3, &little, false)).unwrap(), expected);
        let big: Vec<u8> = floats.iter().flat_map(|v| v.to_be_bytes()).collect();
        assert_eq!(decode(&picture((2, 2), 32, 3, &big, true)).unwrap(), expected);
        let signed = decode(&picture((1, 2), 8, 2, &[0xff, 3], false)).unwrap();
        assert_eq!(signed, array![[-1.0, 3.0]].into_dyn());
        let bits = decode(&picture((2, 3), 1, 1, &[0b1010_0000, 0b0100_0000], true)).unwrap();
        assert_eq!(bits, array![[1.0, 0.0, 1.0], [0.0, 1.0, 0.0]].into_dyn());
        // Pixels of three bits, the last one in two bytes.
        let threes = decode(&picture((1, 3), 3, 1, &[0b1010_1011, 0b1000_0000], true)).unwrap();
        assert_eq!(threes, array![[5.0, 2.0, 7.0]].into_dyn());
        let mask = array![[0u16, 1, 700]];
        assert_eq!(decode(&one_strip(&mask)).unwrap(), mask.mapv(f64::from).into_dyn());
    }

    #[test]
    fn every_truncation_and_every_unknown_kind_is_an_error() {
        let bytes = one_strip(&array![[0u16, 1], [2, 3]]);
        for end in 0..bytes.len() {
            assert!(decode(&bytes[..end]).is_err(), "{end}");
        }
        let mut compressed = bytes.clone();
        compressed[8 + 2 + 3 * 12 + 8] = 99;
        assert!(decode(&compressed).unwrap_err().contains("compression"));
        // LZW, which the values are not.
        compressed[8 + 2 + 3 * 12 + 8] = 5;
        assert!(decode(&compressed).is_err());
        let mut huge = bytes;
        huge[10 + 8..10 + 12].fill(0xff);
        assert!(decode(&huge).is_err());
    }

    #[test]
    fn every_compression_and_the_large_form_are_read() {
        use tiff::encoder::{Compression, TiffEncoder, colortype::Gray16};
        let mask = ndarray::Array2::from_shape_fn((37, 53), |(y, x)| (y * x % 7 * 300) as u16);
        let expected = mask.mapv(f64::from).into_dyn();
        for compression in [
            Compression::Uncompressed,
            Compression::Lzw,
            Compression::Deflate(tiff::encoder::DeflateLevel::Fast),
            Compression::Packbits,
        ] {
            let (mut small, mut large) = (Vec::new(), Vec::new());
            let encoder = TiffEncoder::new(Cursor::new(&mut small)).unwrap().with_compression(compression);
            { encoder }.write_image::<Gray16>(53, 37, mask.as_slice().unwrap()).unwrap();
            let encoder = TiffEncoder::new_big(Cursor::new(&mut large)).unwrap().with_compression(compression);
            { encoder }.write_image::<Gray16>(53, 37, mask.as_slice().unwrap()).unwrap();
            assert_eq!(decode(&small).unwrap(), expected);
            assert_eq!(decode(&large).unwrap(), expected);
        }
    }

    #[test]
    fn stored_values_are_kept_where_zero_is_white() {
        let mut bytes = one_strip(&array![[0u16, 1, 700]]);
        assert_eq!(bytes[8 + 2 + 4 * 12], 6);
        bytes[8 + 2 + 4 * 12 + 8] = 0;
        assert_eq!(decode(&bytes).unwrap(), array![[0.0, 1.0, 700.0]].into_dyn());
    }
}
