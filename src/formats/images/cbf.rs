//! Crystallographic binary files as Pilatus and Eiger detectors write them (miniCBF): a text header, then differences of
//! neighboring values in one, two, four or eight bytes each.

use super::Image;
use ndarray::Array2;

/// Marks the beginning of the values.
const START: &[u8] = b"\x0c\x1a\x04\xd5";

/// The image of a CBF file.
///
/// # Errors
/// A short reason.
pub fn decode(bytes: &[u8]) -> Result<Image, String> {
    let start = bytes.windows(4).position(|window| window == START).ok_or("it holds no binary values")?;
    let text = String::from_utf8_lossy(&bytes[..start]);
    let value = |name: &str| {
        text.lines().find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.trim().eq_ignore_ascii_case(name).then(|| value.trim().trim_matches('"').to_owned())
        })
    };
    let number = |name: &str| -> Result<usize, String> {
        value(name).and_then(|value| value.parse().ok()).ok_or_else(|| format!("its header does not state {name}"))
    };
    if !text.contains("x-CBF_BYTE_OFFSET") {
        return Err("its compression is not known; only the byte offsets of detectors are read".into());
    }
    let (width, height) = (number("X-Binary-Size-Fastest-Dimension")?, number("X-Binary-Size-Second-Dimension")?);
    let data = &bytes[start + START.len()..];
    let data = match number("X-Binary-Size") {
        Ok(size) => data.get(..size).ok_or("it is cut short")?,
        Err(_) => data,
    };
    let count = width.checked_mul(height).filter(|count| *count <= data.len()).ok_or("it is cut short")?;
    let values = offsets(data, count)?;
    let unsigned = value("X-Binary-Element-Type").is_some_and(|kind| kind.contains("unsigned"));
    let values = Array2::from_shape_vec((height, width), values).map_err(|error| error.to_string())?;
    Ok(Image { values, dtype: if unsigned { "<u4" } else { "<i4" }.into() })
}

/// Sums of `count` differences.
fn offsets(data: &[u8], count: usize) -> Result<Vec<f32>, String> {
    let mut values = Vec::with_capacity(count);
    let (mut at, mut sum) = (0usize, 0i64);
    let take = |at: &mut usize, bytes: usize| -> Result<i64, String> {
        let piece = data.get(*at..*at + bytes).ok_or("it is cut short")?;
        *at += bytes;
        let mut word = [if piece[bytes - 1] & 0x80 != 0 { 0xff } else { 0 }; 8];
        word[..bytes].copy_from_slice(piece);
        Ok(i64::from_le_bytes(word))
    };
    for _ in 0..count {
        let mut difference = take(&mut at, 1)?;
        for (mark, bytes) in [(-0x80, 2), (-0x8000, 4), (-0x8000_0000, 8)] {
            if difference != mark {
                break;
            }
            difference = take(&mut at, bytes)?;
        }
        sum = sum.wrapping_add(difference);
        values.push(sum as f32);
    }
    Ok(values)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A CBF file.
    pub fn encoded(image: &Array2<u16>) -> Vec<u8> {
        let mut data = Vec::new();
        let mut last = 0i64;
        for &value in image {
            let difference = i64::from(value) - last;
            last = i64::from(value);
            match i8::try_from(difference) {
                Ok(small) if small != i8::MIN => data.push(small as u8),
                _ => {
                    data.push(0x80);
                    data.extend((difference as i16).to_le_bytes());
                }
            }
        }
        let (height, width) = image.dim();
        let mut bytes = format!(
            "###CBF: VERSION 1.5\r\n\r\ndata_a\r\n--CIF-BINARY-FORMAT-SECTION--\r\nContent-Type: application/octet-stream;\r\n     \
             conversions=\"x-CBF_BYTE_OFFSET\"\r\nX-Binary-Size: {}\r\nX-Binary-Element-Type: \"signed 32-bit integer\"\r\n\
             X-Binary-Size-Fastest-Dimension: {width}\r\nX-Binary-Size-Second-Dimension: {height}\r\n\r\n",
            data.len()
        )
        .into_bytes();
        bytes.extend(START);
        bytes.extend(data);
        bytes
    }

    #[test]
    fn differences_of_every_size_are_summed_and_truncations_are_errors() {
        let data = [5u8, 0xff, 0x80, 0x10, 0x27, 0x80, 0x00, 0x80, 0x40, 0x42, 0x0f, 0x00];
        assert_eq!(offsets(&data, 4).unwrap(), [5.0, 4.0, 10_004.0, 1_010_004.0]);
        let bytes = encoded(&Array2::from_shape_fn((4, 5), |(y, x)| (y * 500 + x) as u16));
        assert!(decode(&bytes).is_ok());
        for end in 0..bytes.len() {
            assert!(decode(&bytes[..end]).is_err(), "{end}");
        }
    }
}
